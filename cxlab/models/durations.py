"""How long until something happens, from counts: for millions of rows, and other ends competing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxlab.models.intervals import Z

__all__ = ["Incidence", "Reached"]


@dataclass(frozen=True)
class Reached:
    """A share that something has happened to, or the time by which it has, with its interval.

    Parameters
    ----------
    estimate, conf_low, conf_high : float
        NaN or infinite: not reached within what was seen.
    se : float
        Of a share.
    """

    estimate: float
    conf_low: float
    conf_high: float
    se: float = float("nan")


class Incidence:
    """The share to whom it has happened by each time (Aalen and Johansen 1978), of counts.

    Without other ends this is one less the Kaplan-Meier estimate. Who is not seen for long
    enough counts for as long as seen.

    Parameters
    ----------
    counts : ndarray, shape (3, bins)
        By kind and bin of time: not seen further (0), happened (1), ended otherwise (2). Who is
        not seen further is still there at all that happens in the same bin.
    time : ndarray, shape (bins,)
        The bins' times, rising.
    """

    def __init__(self, counts: np.ndarray, time: np.ndarray) -> None:
        counts = np.asarray(counts, dtype=float)
        self.counts, self.time = counts, np.asarray(time, dtype=float)
        each = counts.sum(axis=0)
        self.n = float(each.sum())
        self.at_risk = np.cumsum(each[::-1])[::-1]
        self._mine, self._ends = counts[1], counts[1] + counts[2]
        risk = np.where(self.at_risk > 0, self.at_risk, 1.0)
        self._rate, self._own = self._ends / risk, self._mine / risk
        there = np.cumprod(1 - self._rate)
        self._before = np.append(1.0, there)[:-1]
        self.share = np.cumsum(self._before * self._own)
        self._risk = risk

    def influence(self, bins: int) -> np.ndarray:
        """Give what each row moves the share by the end of a bin, by kind and bin of the row.

        Their squares, those of one customer summed first, add up to the variance (the
        infinitesimal jackknife).

        Parameters
        ----------
        bins : int
            The bin.

        Returns
        -------
        ndarray, shape (3, bins)
        """
        seen = np.arange(len(self.time)) <= bins
        left = self._risk - self._ends
        per_left = np.divide(1.0, left, out=np.zeros(len(left)), where=left > 0)
        direct = np.where(seen, self._before / self._risk, 0.0)
        fewer = np.where(seen, (self.share[bins] - self.share) * per_left, 0.0)
        expected = -np.cumsum(direct * self._own) + np.cumsum(fewer * self._rate)
        return np.stack([expected, expected + direct - fewer, expected - fewer])

    def bin_of(self, share: float) -> int | None:
        """Give the first bin by which the share is reached; None where it is not.

        Parameters
        ----------
        share : float
            Between 0 and 1.
        """
        reached = np.flatnonzero(self.share >= share - 1e-12)
        return int(reached[0]) if len(reached) and share > 0 else (0 if share <= 0 else None)

    def by(self, time: float, variance: float | None = None) -> Reached:
        """Give the share by a time, with its interval on the scale of log(-log(1 - F)).

        Parameters
        ----------
        time : float
            A bin belongs to it where its time is no later.
        variance : float, optional
            Of the share, clustered (default: each row a customer's of its own).
        """
        place = int(np.searchsorted(self.time, time, "right")) - 1
        if place < 0 or self.n == 0:
            return Reached(np.nan, np.nan, np.nan)
        share = float(self.share[place])
        if variance is None:
            variance = float((self.counts * self.influence(place) ** 2).sum())
        se = float(np.sqrt(variance))
        if not 0 < share < 1:
            return Reached(share, *_of_none(share, self.n), se)
        stays = 1 - share
        width = Z * se / (stays * abs(np.log(stays)))
        low, high = (1 - stays ** np.exp(way * width) for way in (-1, 1))
        return Reached(share, float(low), float(high), se)

    def quantile(self, share: float, variance: float | None = None) -> Reached:
        """Give the time by which it has happened to a share (Woodruff 1952).

        The limits are the times by which it has happened to the share's own limits.

        Parameters
        ----------
        share : float
            Such as 0.5.
        variance : float, optional
            Of the share by the estimate, clustered (default: each row a customer's of its own).
        """
        place = self.bin_of(share)
        if place is None:
            reach = 0.0
            if self.n and len(self.share):
                last = len(self.share) - 1
                own = float((self.counts * self.influence(last) ** 2).sum())
                reach = Z * float(np.sqrt(own))
            return Reached(np.inf, self._time(share - reach), np.inf)
        if variance is None:
            variance = float((self.counts * self.influence(place) ** 2).sum())
        reach = Z * float(np.sqrt(variance))
        # Of few rows the count itself is coarse.
        reach = max(reach, 0.5 / max(self.n, 1.0))
        low, high = self._time(share - reach), self._time(share + reach)
        return Reached(float(self.time[place]), low, high)

    def _time(self, share: float) -> float:
        if share >= 1:
            return np.inf
        place = self.bin_of(max(share, 1e-12))
        return np.inf if place is None else float(self.time[place])


def _of_none(share: float, n: float) -> tuple[float, float]:
    """Give the exact limits of none, or of all, of n."""
    none = float(1 - 0.025 ** (1 / max(n, 1.0)))
    return (0.0, none) if share <= 0 else (1 - none, 1.0)
