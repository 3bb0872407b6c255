"""How many come back from a silence, when not all silences are over yet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxlab.models.intervals import LEVEL, Z

__all__ = ["Comebacks"]

# In how many days a return is looked for: the longest that leaves so many days to choose from.
_WINDOWS, _LEFT = (365, 180, 90), 60
_SHORTEST = 30


@dataclass(frozen=True)
class Comebacks:
    """Silences by their length: how many ended by coming back, and how many are still open.

    The share that comes back is the product-limit estimate (Kaplan and Meier 1958) among
    silences that lasted so long, each followed as far as it was seen. Intervals hold silences
    of one customer together.

    Parameters
    ----------
    back : ndarray of int, shape (days,)
        Those that ended by coming back after so many whole days.
    open : ndarray of int, shape (days,)
        Those followed for so many whole days, and still silent.
    """

    back: np.ndarray
    open: np.ndarray

    @cached_property
    def at_risk(self) -> np.ndarray:
        """How many silences were followed through the day after so many days."""
        ended = self.back[::-1].cumsum()[::-1]
        later = np.append(self.open[::-1].cumsum()[::-1], 0)[1:]
        return np.asarray(ended + later, dtype=float)

    @cached_property
    def _hazard(self) -> np.ndarray:
        there = np.maximum(self.at_risk, 1.0)
        return np.asarray(np.where(self.at_risk > 0, self.back / there, 0.0))

    @cached_property
    def _log_silent(self) -> np.ndarray:
        """Log of the share still silent after so many whole days; -inf where all came back."""
        with np.errstate(divide="ignore"):
            return np.append(0.0, np.cumsum(np.log1p(-self._hazard)))

    def reach(self, least: int) -> int:
        """Give the longest silence, in days, at which so many are followed still."""
        enough = np.flatnonzero(self.at_risk >= least)
        return int(enough[-1]) + 1 if len(enough) else 0

    def window(self, reach: int) -> int:
        """Choose in how many days a return is looked for: a year, or as far as data reach.

        Parameters
        ----------
        reach : int
            Of :meth:`reach`.

        Returns
        -------
        int
            365, 180, 90 or 30; 0 where not even that can be seen.
        """
        fitting = [w for w in _WINDOWS if reach - w >= _LEFT]
        return fitting[0] if fitting else _SHORTEST if reach > _SHORTEST else 0

    def within(self, days: np.ndarray, reach: int) -> np.ndarray:
        """Give in how many days a return can be looked for after each number of silent days.

        Parameters
        ----------
        days : ndarray of int
            How long customers had been silent.
        reach : int
            Of :meth:`reach`.

        Returns
        -------
        ndarray of int
            :meth:`window`, or what the data reach where that is less; 0 for less than 30 days.
        """
        left = np.minimum(reach - np.asarray(days), self.window(reach))
        return np.where(left >= _SHORTEST, left, 0)

    def share(self, days: np.ndarray, within: np.ndarray | int) -> np.ndarray:
        """Give the share that came back, of those silent for some days.

        Parameters
        ----------
        days : ndarray of int
            How long they had been silent.
        within : ndarray of int, or int
            In how many further days.
        """
        days = np.asarray(days)
        until = np.minimum(days + within, len(self.back))
        with np.errstate(invalid="ignore"):
            left = np.exp(self._log_silent[until] - self._log_silent[np.minimum(days, until)])
        return np.asarray(1.0 - np.nan_to_num(left, nan=0.0))

    def influence(self, days: int, within: int) -> tuple[np.ndarray, np.ndarray]:
        """Give what one silence does to the log of the share that stays silent.

        The infinitesimal jackknife: its squares, summed by customer, are the variance.

        Parameters
        ----------
        days, within : int
            As for :meth:`share`.

        Returns
        -------
        back, open : ndarray, shape (days,)
            Of a silence that ended by coming back after so many days, and of an open one.
        """
        place = np.arange(len(self.back))
        inside = (place >= days) & (place < days + within)
        left = self.at_risk - self.back
        weight = np.where(inside & (left > 0), 1.0 / np.maximum(left, 1.0), 0.0)
        expected = np.append(0.0, np.cumsum(weight * self._hazard))
        return expected[1:] - weight, expected[:-1]

    def interval(
        self, share: np.ndarray, variance: np.ndarray, customers: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the 95% interval of shares, on the scale of log(-log).

        Parameters
        ----------
        share, variance : ndarray
            Of :meth:`share`; the variance of the log of the share still silent.
        customers : ndarray of int
            Whose silences they are: where none came back, the upper limit is the exact
            binomial one of none of them.
        """
        silent = 1.0 - share
        with np.errstate(divide="ignore", invalid="ignore"):
            width = Z * np.sqrt(variance) / np.abs(np.log(silent))
            low, high = 1 - silent ** np.exp(-width), 1 - silent ** np.exp(width)
        none = share <= 0
        most = 1 - ((1 - LEVEL) / 2) ** (1 / np.maximum(customers, 1))
        return np.where(none, 0.0, low), np.where(none, most, high)

    def needed(self, share: float, within: int, reach: int) -> int | None:
        """Find after how many days of silence no more than a share comes back.

        Parameters
        ----------
        share : float
            At most so many.
        within : int
            In how many further days.
        reach : int
            Of :meth:`reach`: further than that nothing is told.

        Returns
        -------
        int or None
            The least number of days at which it holds; None where there is none in reach.
        """
        few = np.flatnonzero(self.share(np.arange(max(reach - within, -1) + 1), within) <= share)
        return int(few[0]) if len(few) else None
