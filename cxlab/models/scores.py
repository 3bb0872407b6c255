"""Experience metrics as ratios of sums over customers: intervals, changes, and the silent.

A metric is R = sum of y over sum of x, summed by customer first. Its variance is that of the
linearised ratio, each customer's y - R x (Cochran 1977, 6.4): answers of one customer hang
together, and count as one customer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from cxlab.models.contrast import RIDGE
from cxlab.models.hazard import independent_columns
from cxlab.models.intervals import LEVEL, Z
from cxlab.models.response import Response, response_weights

__all__ = ["Weighted", "changes", "difference", "ratios", "weighted_means"]

_TAIL = (1 - LEVEL) / 2
# What nobody did may happen to so many: Garwood's upper limit of a count of none.
_NONE = -np.log(_TAIL)
Sums = Mapping[str, np.ndarray]


def ratios(sums: Sums, bounds: tuple[float, float], part: str = "") -> pd.DataFrame:
    """Give ratios with their 95% intervals.

    Parameters
    ----------
    sums : mapping of str to ndarray
        ``y, x, yy, yx, xx`` (sums over customers of numerators, denominators and their
        products) and ``n`` (customers), of each level.
    bounds : tuple of float
        Between which each customer's ratio lies. Within finite bounds the interval is Wilson's
        (1927), on the number of independent answers that would be as uncertain (Korn and Graubard
        1998, with Wilson's limits; Dean and Pagano 2015); else it is taken on the logarithm.
    part : str
        What is put behind the names of sums.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high``; NaN where nothing counts.
    """
    y, x, n = (np.asarray(sums[f"{c}{part}"], dtype=float) for c in ("y", "x", "n"))
    per = np.where(x > 0, x, np.nan)
    estimate = y / per
    square = _square(sums, estimate, part)
    # Rounding leaves a trifle where all customers have the same ratio.
    square = np.where(square > 1e-12 * np.asarray(sums[f"y{part}y{part}"], float), square, 0.0)
    se = np.sqrt(square * _small(n)) / per
    ends = _within if np.isfinite(bounds).all() else _logarithmic
    low, high = ends(estimate, se, n, x, bounds)
    return pd.DataFrame({"estimate": estimate, "se": se, "conf_low": low, "conf_high": high})


def _square(sums: Sums, estimate: np.ndarray, part: str) -> np.ndarray:
    """Sum the squares of y - R x."""
    yy, yx, xx = (
        np.asarray(sums[f"{a}{part}{b}{part}"], dtype=float)
        for a, b in (("y", "y"), ("y", "x"), ("x", "x"))
    )
    return np.asarray(yy - 2 * estimate * yx + estimate**2 * xx)


def _small(n: np.ndarray) -> np.ndarray:
    return np.asarray(n / np.maximum(n - 1, 1))


def _quantile(n: np.ndarray) -> np.ndarray:
    """Give Student's quantile: variances of few customers are themselves uncertain."""
    return np.asarray(special.stdtrit(np.maximum(n - 1, 1), 1 - _TAIL))


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
    ends = ((middle + way * reach) / (1 + z2 / many) for way in (-1, 1))
    lower, upper = (low + wide * np.clip(e, 0.0, 1.0) for e in ends)
    return lower, upper


def _logarithmic(
    estimate: np.ndarray, se: np.ndarray, n: np.ndarray, x: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    some = estimate > 0
    width = np.divide(_quantile(n) * se, estimate, out=np.zeros(len(se)), where=some)
    width = np.minimum(width, 700.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(some, estimate * np.exp(-width), np.where(x > 0, 0.0, np.nan))
        high = np.where(some, estimate * np.exp(width), _NONE / np.where(x > 0, x, np.nan))
    return low, high


def changes(sums: Sums, bounds: tuple[float, float]) -> pd.DataFrame:
    """Give the change from an earlier period to a later one, with its 95% interval.

    Customers of both periods make the two ratios covary. The interval recovers the variances
    from the limits of the two (MOVER; Zou and Donner 2008), so that it stays right where a
    share is near 0 or 1.

    Parameters
    ----------
    sums : mapping of str to ndarray
        As for :func:`ratios`, of the later period; of the earlier one with ``0`` behind each
        ``y``, ``x`` and ``n``; and the products across, ``y0y, y0x, x0y, x0x``.
    bounds : tuple of float
        As for :func:`ratios`.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high, p_value``.
    """
    now, before = ratios(sums, bounds), ratios(sums, bounds, "0")
    a, b = now["estimate"].to_numpy(), before["estimate"].to_numpy()
    crossed = (
        np.asarray(sums["y0y"], float)
        - a * np.asarray(sums["y0x"], float)
        - b * np.asarray(sums["x0y"], float)
        + a * b * np.asarray(sums["x0x"], float)
    )
    # products are named the earlier one's first: y0x is y of before times x of now
    per = np.asarray(sums["x"], float) * np.asarray(sums["x0"], float)
    n = np.minimum(np.asarray(sums["n"], float), np.asarray(sums["n0"], float))
    covariance = np.divide(crossed * _small(n), per, out=np.full(len(a), np.nan), where=per > 0)
    return difference(now, before, covariance, n)


def difference(
    one: pd.DataFrame, other: pd.DataFrame, covariance: np.ndarray, n: np.ndarray
) -> pd.DataFrame:
    """Give the difference of two estimates with its 95% interval (MOVER).

    Parameters
    ----------
    one, other : pandas.DataFrame
        ``estimate, se, conf_low, conf_high``; the other is taken from the one.
    covariance : ndarray
        Of the two.
    n : ndarray
        Customers of the smaller.
    """
    a, low, high, se = (one[c].to_numpy(float) for c in ("estimate", "conf_low", "conf_high", "se"))
    b, b_low, b_high, b_se = (
        other[c].to_numpy(float) for c in ("estimate", "conf_low", "conf_high", "se")
    )
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
        }
    )


# -- those who did not answer ------------------------------------------------------------------


@dataclass(frozen=True)
class Weighted:
    """Means of those who answered, and of all who were asked.

    Parameters
    ----------
    raw, weighted : tuple of float
        Estimate and standard error.
    difference : tuple of float
        Weighted less raw, and its standard error.
    n, asked : int
        Answers and questions.
    response : Response
        The weights.
    """

    raw: tuple[float, float]
    weighted: tuple[float, float]
    difference: tuple[float, float]
    n: int
    asked: int
    response: Response


def weighted_means(
    x: np.ndarray,
    answered: np.ndarray,
    score: np.ndarray,
    who: np.ndarray,
    response: Response | None = None,
) -> Weighted:
    """Weigh answers for those who did not answer, and say how sure the mean is.

    Each answer weighs the inverse of its chance by a logistic regression (see
    :func:`cxlab.models.response.response_weights`). The standard error holds that the weights
    are estimated: the regression's score is projected out of each question's influence (Robins,
    Rotnitzky and Zhao 1995), and those of one customer are taken together. A weight set to a
    limit does not move with the regression.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        What was known at the asking, the constant first.
    answered : ndarray of bool, shape (n,)
        Whether the question was answered.
    score : ndarray, shape (n,)
        The answer's value; any where there is none.
    who : ndarray of int, shape (n,)
        Whose question it is, numbered from 0.
    response : Response, optional
        The weights, where they are known already.
    """
    if response is None:
        response = response_weights(x, answered, np.ones(len(x), dtype=bool))
    value = np.where(answered, score, 0.0)
    raw = float(value.sum() / answered.sum())
    weight = response.weight
    mean = float((weight * value).sum() / weight.sum())
    own = x[:, independent_columns(x)]
    p = response.chance
    bread = (own * (p * (1 - p))[:, None]).T @ own
    # the fit holds its columns by a ridge, which hardly counts here
    bread += RIDGE * 1e-6 * np.eye(len(bread)) * np.trace(bread) / max(len(bread), 1)
    free = answered & (np.abs(weight * p / response.share - 1) < 1e-9)
    off = weight * (value - mean)
    slope = -((off * (1 - p) * free)[:, None] * own).sum(axis=0)
    score_of = own * (answered - p)[:, None]
    moved = score_of @ np.linalg.solve(bread, slope)
    influence = (off + moved) / weight.sum()
    plain = answered * (value - raw) / answered.sum()
    count = np.bincount(who)
    small = _small(np.array([float((count > 0).sum())]))[0]

    def error(each: np.ndarray) -> float:
        return float(np.sqrt(small * np.square(np.bincount(who, weights=each)).sum()))

    return Weighted(
        (raw, error(plain)),
        (mean, error(influence)),
        (mean - raw, error(influence - plain)),
        int(answered.sum()),
        len(x),
        response,
    )
