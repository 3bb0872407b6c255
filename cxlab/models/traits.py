"""Behaviours as traits: how much of what customers do is their own, on scales to compare them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["Reliability", "Scale", "reliability"]

_TAIL = 0.005
_FEWEST = 10
# Nothing varies where sums of reals leave their last digits.
_CONSTANT = 1e-9


@dataclass(frozen=True)
class Reliability:
    """How far two halves of a time tell customers apart in the same way.

    Parameters
    ----------
    value : float
        Share of the differences between customers that would come back in another window as
        long: the correlation of both halves by Spearman (1910) and Brown (1910); 0 where it is
        below; NaN where it cannot be told.
    p_value : float
        Of no correlation, on one side.
    n : int
        Customers seen in both halves.
    """

    value: float
    p_value: float
    n: int

    def own(self, least: float, alpha: float) -> bool:
        """Tell whether a behaviour is the customers' own.

        Parameters
        ----------
        least : float
            The lowest reliability that is enough.
        alpha : float
            The largest p-value that is.
        """
        return bool(self.value >= least and self.p_value <= alpha)


def _ratio(num: np.ndarray, den: np.ndarray, logged: bool) -> np.ndarray:
    value = np.divide(num, den, out=np.full(len(num), np.nan), where=den > 0)
    return np.asarray(np.log1p(value) if logged else value)


def reliability(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], logged: bool
) -> Reliability:
    """Hold two halves of what customers did against each other.

    Parameters
    ----------
    first, second : tuple of ndarray, shape (n,)
        The sums whose ratio a behaviour is, of each half.
    logged : bool
        Whether it is compared on a logarithmic scale.
    """
    a, b = _ratio(*first, logged), _ratio(*second, logged)
    known = np.isfinite(a) & np.isfinite(b)
    a, b, n = a[known], b[known], int(known.sum())
    if n < _FEWEST or np.ptp(a) < _CONSTANT or np.ptp(b) < _CONSTANT:
        return Reliability(np.nan, np.nan, n)
    r = float(np.clip(np.corrcoef(a, b)[0, 1], -1.0, 1.0))
    z = np.arctanh(min(r, 1 - 1e-12)) * np.sqrt(n - 3)
    return Reliability(max(2 * r / (1 + r), 0.0) if r > -1 else 0.0, float(stats.norm.sf(z)), n)


@dataclass(frozen=True)
class Scale:
    """How a behaviour becomes a number that can be compared with others.

    Parameters
    ----------
    prior, weight : float
        A ratio is drawn to ``prior`` as by so much more of its denominator (empirical Bayes):
        a share of three contacts tells little.
    logged : bool
        Whether ``log(1 + x)`` is taken.
    low, high : float
        Values beyond are held at these: no one customer makes a difference.
    centre, scale : float
        What is taken off, and what is divided by.
    """

    prior: float
    weight: float
    logged: bool
    low: float
    high: float
    centre: float
    scale: float

    @classmethod
    def learnt(
        cls, num: np.ndarray, den: np.ndarray, reliable: float, logged: bool
    ) -> Scale | None:
        """Learn the scale from customers; None where all are alike.

        Parameters
        ----------
        num, den : ndarray, shape (n,)
            The sums.
        reliable : float
            Of :func:`reliability`: the less, the more a ratio is drawn to that of all.
        logged : bool
            Whether a logarithm is taken.
        """
        seen = den > 0
        if not seen.any():
            return None
        prior = float(num.sum() / den.sum())
        usual = float(len(den[seen]) / np.sum(1.0 / den[seen]))
        weight = 0.0 if logged else usual * (1.0 - reliable) / reliable
        plain = cls(prior, weight, logged, -np.inf, np.inf, 0.0, 1.0)
        value = plain.of(num, den)
        low, high = (float(v) for v in np.quantile(value, [_TAIL, 1 - _TAIL]))
        value = np.clip(value, low, high)
        spread = float(value.std())
        if not spread > _CONSTANT * max(1.0, abs(float(value.mean()))):
            return None
        return cls(prior, weight, logged, low, high, float(value.mean()), spread)

    def of(self, num: np.ndarray, den: np.ndarray) -> np.ndarray:
        """Put customers on the scale; who gives nothing to tell by stands where all do.

        Parameters
        ----------
        num, den : ndarray, shape (n,)
            The sums.
        """
        below = den + self.weight
        ratio = np.divide(num + self.weight * self.prior, below,
                          out=np.full(len(num), self.prior), where=below > 0)  # fmt: skip
        value = np.log1p(ratio) if self.logged else ratio
        return np.asarray((np.clip(value, self.low, self.high) - self.centre) / self.scale)

    def back(self, value: float) -> float:
        """Give what a place on the scale is in the behaviour's own unit.

        Parameters
        ----------
        value : float
            In standard deviations.
        """
        plain = self.centre + self.scale * value
        return float(np.expm1(plain)) if self.logged else plain
