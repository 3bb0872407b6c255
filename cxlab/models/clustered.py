"""Estimates from rows of which several are one customer's, so that they hang together.

Every variance here is that of the estimate's linearisation, summed by customer: the sandwich
of Liang and Zeger (1986) with customers as clusters. All are written in sums, so that an
engine can make them of any number of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special

from cxlab.models.intervals import LEVEL, Z, wald_p

__all__ = [
    "CROSSED",
    "OTHER",
    "RATE",
    "SHARE",
    "SUMS",
    "Within",
    "areas",
    "changes",
    "difference",
    "limits",
    "ratios",
    "within_strata",
]

SUMS = ("n", "y", "x", "yy", "yx", "xx")
"""Over customers: the number of those with a denominator, and the sums of the numerators y, the
denominators x, their squares and their product."""
OTHER = {name: "".join(f"{letter}0" for letter in name) for name in SUMS}
"""What the sums of the other side of a comparison are called."""
CROSSED = ("y0y", "y0x", "x0y", "x0x")
"""Sums of the products across, over customers of both sides; the other side's comes first."""
SHARE, RATE = (0.0, 1.0), (0.0, np.inf)
"""Between which shares lie, and rates and multiples."""

_TAIL = (1 - LEVEL) / 2
# What nobody did may happen to so many: Garwood's upper limit of a count of none.
_NONE = -np.log(_TAIL)
_FARTHEST = 200.0  # of a limit on the logarithm: so far off it says nothing


def ratios(sums: pd.DataFrame, bounds: tuple[float, float], *, other: bool = False) -> pd.DataFrame:
    """Give ratios of two sums over customers, R = sum of y over sum of x, with 95% intervals.

    Parameters
    ----------
    sums : pandas.DataFrame
        :data:`SUMS`, a row a ratio: of each customer y (such as contacts that failed) and x
        (such as contacts).
    bounds : tuple of float
        Between which each customer's ratio lies. Within finite bounds the interval is Wilson's
        (1927), on the number of independent answers that would be as uncertain (Korn and Graubard
        1998, with Wilson's limits; Dean and Pagano 2015); else it is taken on the logarithm.
    other : bool
        Whether the sums of the other side are meant (:data:`OTHER`).

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high``; NaN where nothing counts, ``se`` also of one
        customer.

    Notes
    -----
    The variance is that of each customer's y - R x (Cochran 1977, 6.4), times n / (n - 1).
    """
    n, y, x, yy, yx, xx = (_column(sums, OTHER[c] if other else c) for c in SUMS)
    per = np.where(x > 0, x, np.nan)
    estimate = y / per
    square = yy - 2 * estimate * yx + estimate**2 * xx
    # Rounding leaves a trifle where all customers have the same ratio.
    square = np.where(square > 1e-12 * yy, square, 0.0)
    se = np.where(n > 1, np.sqrt(square * _small(n)) / per, np.nan)
    ends = _within if np.isfinite(bounds).all() else _logarithmic
    low, high = ends(estimate, se, n, x, bounds)
    told = {"estimate": estimate, "se": se, "conf_low": low, "conf_high": high}
    return pd.DataFrame(told, index=sums.index)


def _column(sums: pd.DataFrame, name: str) -> np.ndarray:
    return sums[name].to_numpy(float)


def _small(n: np.ndarray) -> np.ndarray:
    return np.asarray(n / np.maximum(n - 1, 1))


def _quantile(n: np.ndarray) -> np.ndarray:
    """Give Student's quantile: variances of few customers are themselves uncertain."""
    return np.asarray(special.stdtrit(np.maximum(n - 1, 1), 1 - _TAIL))


def limits(
    estimate: np.ndarray, se: np.ndarray, n: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Give the 95% limits of means within finite bounds, as :func:`ratios` does.

    Parameters
    ----------
    estimate, se : ndarray
        The means and their standard errors.
    n : ndarray
        Customers that each rests on.
    bounds : tuple of float
        Between which each customer's value lies.
    """
    return _within(estimate, se, n, n, bounds)


def _within(
    estimate: np.ndarray, se: np.ndarray, n: np.ndarray, x: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    low, wide = bounds[0], bounds[1] - bounds[0]
    share = np.clip((estimate - low) / wide, 0.0, 1.0)
    told = se / wide
    with np.errstate(divide="ignore", invalid="ignore"):
        many = np.where(told > 0, share * (1 - share) / told**2, n)
    many = np.maximum(many, 0.5) * (Z / _quantile(n)) ** 2
    z2 = Z**2
    middle = share + z2 / (2 * many)
    reach = Z * np.sqrt(share * (1 - share) / many + z2 / (4 * many**2))
    lower, upper = ((middle + way * reach) / (1 + z2 / many) for way in (-1, 1))
    # At a bound the limit is that bound; rounding leaves a trifle.
    lower, upper = np.where(share > 0, lower, 0.0 * share), np.where(share < 1, upper, share)
    return low + wide * np.clip(lower, 0.0, 1.0), low + wide * np.clip(upper, 0.0, 1.0)


def _logarithmic(
    estimate: np.ndarray, se: np.ndarray, n: np.ndarray, x: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    some = estimate > 0
    width = np.divide(_quantile(n) * se, estimate, out=np.zeros(len(se)), where=some)
    width = np.minimum(width, _FARTHEST)
    per = np.where(x > 0, x, np.nan)
    low = np.where(some, estimate * np.exp(-width), 0.0 * per)
    high = np.where(some, estimate * np.exp(width), _NONE / per)
    return low, high


def changes(
    sums: pd.DataFrame, bounds: tuple[float, float], *, times: bool = False
) -> pd.DataFrame:
    """Give how far ratios are from those of another side, which may share customers with them.

    Parameters
    ----------
    sums : pandas.DataFrame
        :data:`SUMS`; those of the other side (an earlier period, all customers), named by
        :data:`OTHER`; and :data:`CROSSED`.
    bounds : tuple of float
        As for :func:`ratios`.
    times : bool
        Whether they are told over the other side's in place of less them; then NaN where either
        is 0, and ``se`` is of the logarithm.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high, p_value``; see :func:`difference`.
    """
    now, before = ratios(sums, bounds), ratios(sums, bounds, other=True)
    a, b = now["estimate"].to_numpy(), before["estimate"].to_numpy()
    yy, yx, xy, xx = (_column(sums, c) for c in CROSSED)
    crossed = yy - a * yx - b * xy + a * b * xx
    per = _column(sums, "x") * _column(sums, "x0")
    n = np.minimum(_column(sums, "n"), _column(sums, "n0"))
    covariance = np.divide(crossed * _small(n), per, out=np.full(len(a), np.nan), where=per > 0)
    if not times:
        return difference(now, before, covariance, n)
    product = np.where(a * b > 0, a * b, np.nan)
    gap = difference(_log(now), _log(before), covariance / product, n)
    told = ["estimate", "conf_low", "conf_high"]
    gap[told] = np.exp(gap[told])
    return gap


def _log(told: pd.DataFrame) -> pd.DataFrame:
    """Take estimates and their limits on the logarithm; NaN where the estimate is 0."""
    some = told.where(told["estimate"] > 0)
    ends = np.log(some[["estimate", "conf_low", "conf_high"]])
    return ends.assign(se=some["se"] / some["estimate"])


def difference(
    one: pd.DataFrame, other: pd.DataFrame, covariance: np.ndarray, n: np.ndarray
) -> pd.DataFrame:
    """Give the difference of two estimates with its 95% interval.

    The interval recovers the variances from the limits of the two (MOVER; Zou and Donner 2008),
    so that it stays right where a share is near 0 or 1.

    Parameters
    ----------
    one, other : pandas.DataFrame
        ``estimate, se, conf_low, conf_high``; the other is taken from the one.
    covariance : ndarray
        Of the two.
    n : ndarray
        Customers of the smaller.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high, p_value``.
    """
    columns = ("estimate", "se", "conf_low", "conf_high")
    a, se, low, high = (_column(one, c) for c in columns)
    b, b_se, b_low, b_high = (_column(other, c) for c in columns)
    product = se * b_se
    rho = np.divide(covariance, product, out=np.zeros(len(a)), where=product > 0)
    rho = np.clip(rho, -1.0, 1.0)

    def reach(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(np.maximum(x**2 + y**2 - 2 * rho * x * y, 0.0)))

    gap = a - b
    spread = np.sqrt(np.maximum(se**2 + b_se**2 - 2 * rho * product, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(np.maximum(n - 1, 1), -np.abs(gap / spread))
    return pd.DataFrame(
        {
            "estimate": gap,
            "se": spread,
            "conf_low": gap - reach(a - low, b_high - b),
            "conf_high": gap + reach(high - a, b - b_low),
            "p_value": np.where(spread > 0, p, np.where(gap == 0, 1.0, np.nan)),
        },
        index=one.index,
    )


class Within(NamedTuple):
    """A comparison within strata.

    Parameters
    ----------
    estimate : float
        The difference of shares; NaN where no stratum has both.
    share, base : pandas.Series
        By stratum: the share that is treated, and the constant of the regression.
    weight : float
        The treated variation within strata.
    compared : int
        Rows in strata that have both.
    """

    estimate: float
    share: pd.Series
    base: pd.Series
    weight: float
    compared: int

    def interval(self, squares: float, clusters: int) -> tuple[float, float, float]:
        """Give the 95% interval and the p-value.

        Parameters
        ----------
        squares : float
            Of the customers' scores, summed; a customer's is the sum over rows of
            (treated - share) times (outcome - base - estimate times treated).
        clusters : int
            How many customers.
        """
        if not (clusters > 1 and self.weight > 0 and squares > 0):
            return np.nan, np.nan, np.nan
        se = float(np.sqrt(squares * clusters / (clusters - 1))) / self.weight
        p = float(wald_p(np.array(self.estimate), np.array(se)))
        return self.estimate - Z * se, self.estimate + Z * se, p


def within_strata(cells: pd.DataFrame) -> Within:
    """Compare the treated with the others within strata, and take these together.

    Each stratum's difference of shares has the weight :math:`n_1 n_0 / (n_1 + n_0)` (Mantel and
    Haenszel; Cochran 1954), which is the least squares regression of the outcome on the
    treatment and a constant for each stratum.

    Parameters
    ----------
    cells : pandas.DataFrame
        A row a stratum, by its index: ``n``, ``treated``, ``hit`` (the outcome) and ``both``.
    """
    n, h, y, hy = (cells[c].astype(float) for c in ("n", "treated", "hit", "both"))
    share = h / n
    weight = h * (1 - share)
    total = float(weight.sum())
    estimate = float((hy - share * y).sum()) / total if total > 1e-9 else np.nan
    base = y / n - (0.0 if np.isnan(estimate) else estimate) * share
    return Within(estimate, share, base, total, int(n[weight > 0].sum()))


def areas(
    scores: np.ndarray, event: np.ndarray, clusters: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give how well scores tell those with the event from those without, within strata.

    The area under the ROC curve of each score, and the covariance of the areas (DeLong,
    DeLong and Clarke-Pearson 1988), its components summed by customer (Obuchowski 1997).

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Higher where the event is thought likelier.
    event : ndarray of bool, shape (n,)
        Whether it came.
    clusters : ndarray of int, shape (n,)
        The customers, numbered from 0.
    strata : ndarray of int, shape (n,)
        Only rows of one stratum are compared; strata count by their pairs.

    Returns
    -------
    areas : ndarray, shape (k,)
        NaN where no stratum has both.
    covariance : ndarray, shape (k, k)
    """
    event = np.asarray(event, dtype=bool)
    wins, pairs = np.zeros(scores.shape), np.zeros(len(event))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        hit, rest = rows[event[rows]], rows[~event[rows]]
        pairs[hit], pairs[rest] = len(rest), len(hit)
        for k in range(scores.shape[1]):
            low, high = np.sort(scores[rest, k]), np.sort(scores[hit, k])
            own = scores[hit, k]
            below = np.searchsorted(low, own, "left") + np.searchsorted(low, own, "right")
            wins[hit, k] = below / 2
            own = scores[rest, k]
            above = np.searchsorted(high, own, "left") + np.searchsorted(high, own, "right")
            wins[rest, k] = len(hit) - above / 2
    total = pairs[event].sum()
    if total == 0:
        return np.full(scores.shape[1], np.nan), np.full((scores.shape[1],) * 2, np.nan)
    area = wins[event].sum(axis=0) / total
    part = (wins - pairs[:, None] * area) / total
    summed = np.zeros((int(clusters.max()) + 1, scores.shape[1]))
    np.add.at(summed, clusters, part)
    m = len(np.unique(clusters))
    return area, summed.T @ summed * m / max(m - 1, 1)
