"""Quantities that grow while a customer stays, and so seem to keep customers."""

from __future__ import annotations

import numpy as np

from cxlab.models.intervals import Z

__all__ = ["growth", "piles_up"]

# Totals grow in proportion to tenure (elasticity 1), rates and properties hardly (0).
_MOST_GROWTH = 0.5


def growth(values: np.ndarray, tenure: np.ndarray) -> tuple[float, float]:
    """Estimate how a quantity grows with tenure: the elasticity of its mean.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The quantity; only one that is never negative can pile up.
    tenure : ndarray, shape (n,)
        How long each customer has been there.

    Returns
    -------
    elasticity, se : float
        Log ratio of its means above and below the median tenure, over that of the mean tenures;
        1 for a total, 0 for a rate. The standard error is by the delta method.
        0 and 0 where it cannot be told.
    """
    values, tenure = values[tenure > 0], tenure[tenure > 0]
    late = tenure > np.median(tenure) if len(tenure) else np.zeros(0, bool)
    parts = [values[~late], values[late]]
    if min(map(len, parts)) < 2 or values.min() < 0 or not all(p.mean() > 0 for p in parts):
        return 0.0, 0.0
    apart = np.log(tenure[late].mean() / tenure[~late].mean())
    variance = sum(p.var(ddof=1) / p.mean() ** 2 / len(p) for p in parts)
    ratio = float(np.log(parts[1].mean() / parts[0].mean()) / apart)
    return ratio, float(np.sqrt(variance) / apart)


def piles_up(values: np.ndarray, tenure: np.ndarray) -> str:
    """Say why a quantity tells tenure rather than who leaves; empty where it does not.

    Parameters
    ----------
    values, tenure : ndarray, shape (n,)
        As for :func:`growth`. A flag cannot pile up.
    """
    rate, se = growth(values, tenure)
    if set(np.unique(values)) <= {0, 1} or not rate - Z * se > _MOST_GROWTH:
        return ""
    return (
        f"it piles up with time (where tenure doubles, it is {2**rate:.1f} times as large on "
        "average): it tells how long a customer has been there, not why one leaves; give it per "
        "month, or as it was on a certain day"
    )
