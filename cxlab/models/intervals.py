"""Intervals and corrections for many tests."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

__all__ = [
    "LEVEL",
    "Z",
    "benjamini_hochberg",
    "hazard_ratios",
    "holm",
    "poisson_rate",
    "share_difference",
    "wald_p",
    "wilson",
]

LEVEL = 0.95
_NORMAL = NormalDist()
Z = _NORMAL.inv_cdf(0.5 + LEVEL / 2)
_FARTHEST = math.log(1e9)


def hazard_ratios(estimate: np.ndarray, se: np.ndarray) -> dict[str, np.ndarray]:
    """Give hazard ratios with their 95% Wald intervals, taken on the log scale.

    Parameters
    ----------
    estimate, se : ndarray
        Log hazard ratios and their standard errors.

    Returns
    -------
    dict
        ``hazard_ratio``, ``conf_low`` and ``conf_high``; beyond a thousand million times, or less
        than one in that, given as that: the data say no more than that there is no end.
    """
    ends = {
        "hazard_ratio": estimate,
        "conf_low": estimate - Z * se,
        "conf_high": estimate + Z * se,
    }
    return {name: np.exp(np.clip(value, -_FARTHEST, _FARTHEST)) for name, value in ends.items()}


def wald_p(estimate: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Give two-sided Wald p-values.

    Parameters
    ----------
    estimate, se : ndarray
        Estimates on a scale on which they are normal, and their standard errors.
    """
    far = np.abs(np.asarray(estimate) / np.asarray(se)) / math.sqrt(2)
    return np.reshape([math.erfc(z) for z in far.flat], far.shape)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Give q-values (Benjamini and Hochberg 1995); NaN stays NaN and does not count.

    Parameters
    ----------
    p : ndarray
        P-values of one family.
    """
    p = np.asarray(p, dtype=float)
    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    order = np.argsort(p[known])[::-1]
    count = len(order)
    raised = p[known][order] * count / np.arange(count, 0, -1)
    ranked = np.empty(count)
    ranked[order] = np.minimum.accumulate(np.minimum(raised, 1.0))
    q[known] = ranked
    return q


def holm(p: np.ndarray) -> np.ndarray:
    """Give p-values adjusted for any one of them being wrong (Holm 1979); NaN does not count.

    Parameters
    ----------
    p : ndarray
        P-values of one family, dependent in any way.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    raised = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def poisson_rate(count: np.ndarray, exposure: np.ndarray) -> dict[str, np.ndarray]:
    """Give rates with their exact 95% intervals (Garwood 1936); NaN without exposure.

    Parameters
    ----------
    count : ndarray
        How many events.
    exposure : ndarray
        In how much time.

    Returns
    -------
    dict
        ``estimate``, ``conf_low`` and ``conf_high``.
    """
    from scipy import special  # here: a fifth of a second that the drivers' table does not need

    count, tail = np.asarray(count, dtype=float), (1 - LEVEL) / 2
    per = np.where(np.asarray(exposure) > 0, exposure, np.nan)
    low = np.where(count > 0, special.gammaincinv(np.maximum(count, 1), tail), 0.0)
    high = special.gammaincinv(count + 1, 1 - tail)
    return {"estimate": count / per, "conf_low": low / per, "conf_high": high / per}


def wilson(count: int, total: int, level: float = LEVEL) -> tuple[float, float, float]:
    """Give a share and its Wilson score interval (Wilson 1927); NaN of nothing.

    Parameters
    ----------
    count, total : int
        How many of how many.
    level : float
        Of the interval.
    """
    if total == 0:
        return np.nan, np.nan, np.nan
    share, z2 = count / total, _NORMAL.inv_cdf(0.5 + level / 2) ** 2
    middle = share + z2 / (2 * total)
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / (4 * total)) / total)
    low, high = ((middle + way * reach) / (1 + z2 / total) for way in (-1, 1))
    return share, low if count else 0.0, high if count < total else 1.0


def share_difference(
    count: int, total: int, other: int, other_total: int, level: float = LEVEL
) -> tuple[float, float, float]:
    """Give the difference of two shares and its interval (Newcombe 1998, method 10).

    Parameters
    ----------
    count, total : int
        How many of how many; its share is the one the other is taken from.
    other, other_total : int
        The same of the other group.
    level : float
        Of the interval.
    """
    share, low, high = wilson(count, total, level)
    base, base_low, base_high = wilson(other, other_total, level)
    difference = share - base
    return (
        difference,
        difference - math.hypot(share - low, base_high - base),
        difference + math.hypot(high - share, base - base_low),
    )
