"""Which groups' figures are withheld: small ones, and those that would tell of them."""

from __future__ import annotations

import numpy as np

__all__ = ["small_groups"]


def small_groups(counts: np.ndarray, least: int, gone: np.ndarray | None = None) -> np.ndarray:
    """Tell which groups are withheld, of groups whose sum is known.

    A small group by itself could be told from what all and the others come to. So the next
    fewest are withheld as well, until those withheld are many enough together. A group of
    nobody tells of nobody.

    Parameters
    ----------
    counts : ndarray of int, shape (groups,)
        Customers of each.
    least : int
        Of a group that may be told.
    gone : ndarray of bool, optional
        Groups that are not told for another reason; by default none.

    Returns
    -------
    ndarray of bool, shape (groups,)
    """
    counts = np.asarray(counts)
    hidden = (counts > 0) & (counts < least)
    if gone is not None:
        hidden = hidden | gone
    while 0 < counts[hidden].sum() < least:
        rest = np.flatnonzero(~hidden & (counts > 0))
        if not len(rest):
            break
        hidden[rest[np.argmin(counts[rest])]] = True
    return np.asarray(hidden)
