"""Whether a bad rating hurts more than a good one helps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cxlab.models.intervals import LEVEL
from cxlab.models.linear import Fit

__all__ = ["KINDS", "Bend", "bends", "hinges", "kind", "turning"]

KINDS = ("basic", "performance", "excitement", "cannot be told", "no clear effect")
# Neither side is this much of the sum of both more than the other: less than three times it.
_EVEN = 0.5


class Bend(NamedTuple):
    """The two slopes of each rating, and what tells them apart.

    Parameters
    ----------
    penalty, reward : ndarray, shape (p, 3)
        What a point below and a point above the turning point moves the outcome, each with its
        interval; both are positive where better ratings go with a higher outcome.
    gap : ndarray, shape (p, 3)
        Penalty less reward.
    p_value : ndarray, shape (p,)
        Of no gap.
    total : ndarray, shape (p, 3)
        Penalty and reward together.
    even : ndarray of bool, shape (p,)
        Whether the data rule out that one side is three times the other or more.
    """

    penalty: np.ndarray
    reward: np.ndarray
    gap: np.ndarray
    p_value: np.ndarray
    total: np.ndarray
    even: np.ndarray


def turning(
    ratings: np.ndarray, who: np.ndarray, scale: tuple[float, float], least: int
) -> float | None:
    """Choose where a rating turns from bad to good: the inner step nearest the scale's middle.

    Parameters
    ----------
    ratings : ndarray
        Those given.
    who : ndarray of int
        Their customers.
    scale : tuple of float
        The scale's ends.
    least : int
        So many customers must have rated below it, and above it; None where no step has them.
    """
    low, high = scale
    steps = np.arange(low, high + 1) if high - low <= 20 else np.linspace(low, high, 21)
    middle = (low + high) / 2
    found = None
    for step in steps[1:-1]:
        below, above = (len(np.unique(who[s])) for s in (ratings < step, ratings > step))
        if min(below, above) < least:
            continue
        # Of two as near, the upper: most ratings are good, and "ordinary" is among them.
        if found is None or abs(step - middle) <= abs(found - middle):
            found = float(step)
    return found


def hinges(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Split each rating into how far it lies below and above its turning point.

    Slopes on both are equal where the effect is a straight line, however ratings are spread;
    dummies of the worst and the best answers are not.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where not rated: there both are 0.
    turn : ndarray, shape (p,)

    Returns
    -------
    ndarray, shape (n, 2 p)
        Below (negative) and above, rating by rating.
    """
    off = np.where(np.isfinite(x), x - turn, 0.0)
    return np.stack([np.minimum(off, 0.0), np.maximum(off, 0.0)], axis=2).reshape(len(x), -1)


def bends(fit: Fit, first: int, p: int) -> Bend:
    """Read the slopes and their difference from a fit on :func:`hinges`.

    Parameters
    ----------
    fit : Fit
        With the hinges from the column ``first`` on.
    first, p : int
        Where they begin, and how many ratings there are.
    """
    from scipy import special

    below = first + 2 * np.arange(p)
    df = np.minimum(fit.df[below], fit.df[below + 1])
    reach = special.stdtrit(df, 0.5 + LEVEL / 2)

    def told(one: float, other: float) -> tuple[np.ndarray, np.ndarray]:
        """Give a combination of the two slopes with its ends, and its standard error."""
        v = fit.covariance
        value = one * fit.estimate[below] + other * fit.estimate[below + 1]
        variance = one**2 * v[below, below] + other**2 * v[below + 1, below + 1]
        variance = variance + 2 * one * other * v[below, below + 1]
        se = np.sqrt(np.maximum(variance, 0.0))
        return np.column_stack([value, value - reach * se, value + reach * se]), se

    gap, se = told(1, -1)
    t = np.divide(gap[:, 0], se, out=np.full(p, np.nan), where=se > 0)
    p_value = 2 * special.stdtr(df, -np.abs(t))
    upper, _ = told(1 - _EVEN, -1 - _EVEN)
    lower, _ = told(1 + _EVEN, -1 + _EVEN)
    even = (upper[:, 2] < 0) & (lower[:, 1] > 0)
    return Bend(told(1, 0)[0], told(0, 1)[0], gap, p_value, told(1, 1)[0], even)


def kind(bend: Bend, j: int, p_value: float, alpha: float) -> str:
    """Name what a rating is to customers (after Kano 1984; Brandt 1987).

    Parameters
    ----------
    bend : Bend
        The slopes.
    j : int
        Which rating.
    p_value : float
        Of no gap, corrected for all ratings.
    alpha : float
        Below which it counts.
    """
    if np.isfinite(p_value) and p_value < alpha:
        if bend.gap[j, 0] > 0 and bend.penalty[j, 0] > 0:
            return "basic"
        if bend.gap[j, 0] < 0 and bend.reward[j, 0] > 0:
            return "excitement"
    if not bend.total[j, 1] > 0:
        return "no clear effect"
    return "performance" if bend.even[j] else "cannot be told"
