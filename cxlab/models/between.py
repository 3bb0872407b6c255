"""Whether estimates of groups of different people differ by more than their noise."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = ["Pair", "pairs"]

_Z = 1.959963984540054


@dataclass(frozen=True)
class Pair:
    """The difference of two groups' estimates.

    Parameters
    ----------
    first, second : int
        The groups' places; the first has the higher estimate.
    difference, low, high : float
        First less second, with its 95% interval.
    p_value : float
        Two-sided, for no difference.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p_value: float


def pairs(estimates: np.ndarray, errors: np.ndarray) -> list[Pair]:
    """Compare each two groups that have an estimate.

    Parameters
    ----------
    estimates, errors : ndarray
        Of each group, on a scale on which they are about normal; NaN where there is none. No
        person is in two groups, so that the variance of a difference is the sum of both.

    Returns
    -------
    list of Pair
        In the order of the groups.
    """
    known = np.flatnonzero(np.isfinite(estimates) & np.isfinite(errors) & (errors > 0))
    found = []
    for one, other in itertools.combinations(known.tolist(), 2):
        first, second = (one, other) if estimates[one] >= estimates[other] else (other, one)
        gap = float(estimates[first] - estimates[second])
        error = float(np.hypot(errors[first], errors[second]))
        p_value = float(2 * stats.norm.sf(gap / error))
        found.append(Pair(first, second, gap, gap - _Z * error, gap + _Z * error, p_value))
    return found
