"""The ratio of two estimates, with an interval that holds where the denominator may be zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cxlab.models.intervals import Z

__all__ = ["Ratio", "fieller"]


@dataclass(frozen=True)
class Ratio:
    """A ratio and the values the data allow for it.

    Parameters
    ----------
    estimate : float
        The ratio; NaN where the denominator is 0.
    conf_low, conf_high : float
        Of a bounded set its ends. Of one with a gap (``bounded`` is False) the ends of the
        gap: what lies between them is ruled out, all below and above is not. NaN where no
        value is ruled out.
    bounded : bool
        Whether the set has ends: whether the denominator is told from zero.
    """

    estimate: float
    conf_low: float
    conf_high: float
    bounded: bool


def fieller(
    numerator: float,
    denominator: float,
    numerator_variance: float,
    denominator_variance: float,
    covariance: float = 0.0,
    z: float = Z,
) -> Ratio:
    """Give a ratio with its confidence set (Fieller 1954), of jointly normal estimates.

    The set holds each value r for which numerator - r denominator is not told from zero.

    Parameters
    ----------
    numerator, denominator : float
        The estimates.
    numerator_variance, denominator_variance, covariance : float
        Of them.
    z : float
        The normal quantile of the level.
    """
    a, b = numerator, denominator
    # The quadratic in r whose sign tells what is ruled out: square r^2 - 2 cross r + rest <= 0.
    square = b * b - z * z * denominator_variance
    cross = a * b - z * z * covariance
    rest = a * a - z * z * numerator_variance
    estimate = a / b if b else math.nan
    inside = cross * cross - square * rest
    if square == 0 or (square < 0 and inside <= 0):
        return Ratio(estimate, math.nan, math.nan, False)
    root = math.sqrt(max(inside, 0.0))
    ends = sorted(((cross - root) / square, (cross + root) / square))
    return Ratio(estimate, ends[0], ends[1], square > 0)
