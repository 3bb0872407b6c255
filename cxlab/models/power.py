"""How large a change would have been seen, and from when on one of a given size would be."""

from __future__ import annotations

import math
from statistics import NormalDist

__all__ = ["POWER", "needed"]

_CHANCE, _LEVEL = 0.8, 0.05
POWER = NormalDist().inv_cdf(1 - _LEVEL / 2) + NormalDist().inv_cdf(_CHANCE)
"""By how many standard errors a change must be from none to be seen, at 5%, in 80 of 100."""


def needed(wanted: float, se: float, of_base: float, after: float, periods: int) -> float:
    """Give the periods of follow-up from which a change would be seen, in 80 of 100.

    The variance is that of the time before, and that of the time after over its length; they
    are scaled so as to give today's.

    Parameters
    ----------
    wanted : float
        The change, on the scale of the estimate.
    se : float
        Today's standard error.
    of_base, after : float
        The parts of its square that come from the time before and from that after.
    periods : int
        Today's periods after the start.

    Returns
    -------
    float
        Infinite where no follow-up is enough.
    """
    scale = se**2 / max(of_base + after, 1e-300)
    left = (wanted / POWER) ** 2 / max(scale, 1e-300) - of_base
    return math.inf if left <= 0 else max(math.ceil(after * periods / left - 1e-9), 1)
