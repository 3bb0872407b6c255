r"""How much of what is explained each of several correlated drivers accounts for.

Two answers that share out :math:`R^2` in full and are never negative. *Relative weights*
(Johnson 2000) go by way of the uncorrelated columns nearest to the drivers. *Shapley shares*
(Lindeman, Merenda and Gold 1980; Grömping 2006) are what a driver adds to :math:`R^2`, averaged
over all orders in which drivers can be added. Both need the correlations alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["MOST_EXACT", "Shares", "clusters", "inflation", "r_squared", "relative_weights",
           "shapley", "slopes"]  # fmt: skip

MOST_EXACT = 20
"""Up to so many drivers all subsets are gone through; above, orders are drawn."""
_ROOM = 1 << 20
_LEFT = 1e-9
_RIDGE = 1e-9
_ORDERS = 400


class Shares(NamedTuple):
    """How :math:`R^2` is shared out.

    Parameters
    ----------
    parts : ndarray, shape (replicates, p)
        They sum to :math:`R^2`.
    error : ndarray, shape (p,)
        The Monte Carlo standard error of the first replicate's; 0 where all orders were told.
    """

    parts: np.ndarray
    error: np.ndarray


def _inverse(r: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.pinv(r, rcond=_LEFT, hermitian=True))


def slopes(covariance: np.ndarray) -> np.ndarray:
    """Give the least squares slopes; of drivers that are one and the same, the smallest.

    Parameters
    ----------
    covariance : ndarray, shape (replicates, p + 1, p + 1)
        The outcome last.
    """
    return np.asarray(np.einsum("bij,bj->bi", _inverse(covariance[:, :-1, :-1]),
                                covariance[:, :-1, -1]))  # fmt: skip


def r_squared(r: np.ndarray) -> np.ndarray:
    """Give the share of the outcome's variance that all drivers explain.

    Parameters
    ----------
    r : ndarray, shape (replicates, p + 1, p + 1)
        Correlations, the outcome last.
    """
    told = np.einsum("bi,bi->b", r[:, :-1, -1], slopes(r))
    return np.asarray(np.clip(told, 0.0, 1.0))


def inflation(r: np.ndarray) -> np.ndarray:
    """Give the variance inflation factors; infinite for what the others explain in full.

    Parameters
    ----------
    r : ndarray, shape (p, p)
        The drivers' correlations.
    """
    found = np.full(len(r), np.inf)
    for j in range(len(r)):
        rest = np.arange(len(r)) != j
        inside = np.linalg.pinv(r[np.ix_(rest, rest)], rcond=_LEFT, hermitian=True)
        left = 1.0 - float(r[j, rest] @ inside @ r[j, rest])
        if left > 1e-8:
            found[j] = 1.0 / left
    return found


def clusters(r: np.ndarray, limit: float) -> list[list[int]]:
    """Put drivers together that all correlate with each other at a limit or above.

    Complete linkage, the closest first.

    Parameters
    ----------
    r : ndarray, shape (p, p)
        The drivers' correlations; NaN where two were never told together.
    limit : float
        The least correlation within a group.
    """
    groups = [[j] for j in range(len(r))]
    between = np.where(np.isfinite(r), r, -1.0)
    np.fill_diagonal(between, -1.0)
    while len(groups) > 1:
        one, other = np.unravel_index(int(between.argmax()), between.shape)
        if between[one, other] < limit:
            break
        low, high = sorted((int(one), int(other)))
        groups[low] = sorted(groups[low] + groups.pop(high))
        merged = np.minimum(between[low], between[high])
        between[low], between[:, low] = merged, merged
        between[low, low] = -1.0
        between = np.delete(np.delete(between, high, 0), high, 1)
    return sorted(groups)


def relative_weights(r: np.ndarray) -> np.ndarray:
    """Share out R squared by Johnson's relative weights.

    Parameters
    ----------
    r : ndarray, shape (replicates, p + 1, p + 1)
        Correlations, the outcome last.

    Returns
    -------
    ndarray, shape (replicates, p)
        They sum to R squared.
    """
    values, vectors = np.linalg.eigh(r[:, :-1, :-1])
    values = np.where(values > _LEFT, values, 0.0)
    root = np.sqrt(values)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    half = np.einsum("bik,bk,bjk->bij", vectors, root, vectors)
    back = np.einsum("bik,bk,bjk->bij", vectors, inverse, vectors)
    nearest = np.einsum("bij,bj->bi", back, r[:, :-1, -1])
    return np.asarray(np.einsum("bij,bj->bi", half**2, nearest**2))


def shapley(r: np.ndarray, *, seed: int = 0, orders: int = _ORDERS) -> Shares:
    """Share out R squared by what drivers add to it, averaged over orders.

    Up to :data:`MOST_EXACT` drivers over all of them, else over drawn ones and their reverses.

    Parameters
    ----------
    r : ndarray, shape (replicates, p + 1, p + 1)
        Correlations, the outcome last.
    seed : int
        Of drawn orders, which are the same in all replicates.
    orders : int
        How many are drawn.
    """
    p = r.shape[1] - 1
    if p > MOST_EXACT:
        return _drawn(r, seed, orders)
    step = max(1, _ROOM >> p)
    parts = [_exact(r[i : i + step]) for i in range(0, len(r), step)]
    return Shares(np.concatenate(parts) if parts else np.zeros((0, p)), np.zeros(p))


def _exact(r: np.ndarray) -> np.ndarray:
    """Go through all subsets, and weigh what each explains.

    With :math:`w(s) = s!(p - s - 1)!/p!` the share of j is the sum over subsets with j of
    :math:`(w(s - 1) + w(s)) R^2(S)` less the sum over all of :math:`w(s) R^2(S)`.
    """
    p = r.shape[1] - 1
    told = 1.0 - _unexplained(np.moveaxis(r, 0, -1))
    size = np.zeros(1, dtype=int)
    for _ in range(p):
        size = np.concatenate([size, size + 1])
    w = np.array([1.0 / (p * math.comb(p - 1, s)) for s in range(p)] + [0.0])
    before = np.concatenate([[0.0], w[:-1]])
    base = w[size] @ told
    summed = (before + w)[size][:, None] * told
    shares = np.empty((p, r.shape[0]))
    for j in reversed(range(p)):
        without, with_j = summed[: 1 << j], summed[1 << j :]
        shares[j] = with_j.sum(axis=0) - base
        summed = without + with_j
    return shares.T


def _unexplained(a: np.ndarray) -> np.ndarray:
    """Give what each subset of the drivers leaves of the outcome's variance.

    Driver by driver the matrices double: once without it, once with it swept out (Goodnight
    1979), and lose its row: most subsets are reached with small matrices, so that all of them
    cost about a dozen products each, whatever their size.

    Parameters
    ----------
    a : ndarray, shape (p + 1, p + 1, replicates)
        Correlations, the outcome last.

    Returns
    -------
    ndarray, shape (2 ** p, replicates)
        Driver j is in the subsets whose number has bit j.
    """
    m = len(a)
    level = a[:, :, None, :]
    while m > 1:
        many = level.shape[2]
        pivot, row = level[0, 0], level[0, 1:]
        scale = np.divide(1.0, pivot, out=np.zeros_like(pivot), where=pivot > _LEFT)
        grown = np.empty((m - 1, m - 1, 2 * many, level.shape[3]))
        grown[:, :, :many] = level[1:, 1:]
        for i in range(m - 1):  # the upper half is enough
            np.multiply(row[i:], (row[i] * scale)[None], out=grown[i, i:, many:])
            np.subtract(level[1 + i, 1 + i :], grown[i, i:, many:], out=grown[i, i:, many:])
        level, m = grown, m - 1
    return np.asarray(level[0, 0])


def _drawn(r: np.ndarray, seed: int, orders: int) -> Shares:
    """Draw orders, each with its reverse; a Cholesky factor tells what each driver adds."""
    p = r.shape[1] - 1
    draw = np.random.default_rng(seed)
    half = [draw.permutation(p) for _ in range(max(orders // 2, 2))]
    parts = np.empty((len(r), p))
    error = np.zeros(p)
    steady = r + _RIDGE * np.eye(p + 1)
    steady[:, -1, -1] = 2.0  # so that the factor exists; what is added does not hang on it
    back = np.array([np.append(o, p) for h in half for o in (h, h[::-1])])
    place = np.argsort(back[:, :-1], axis=1)
    for b, one in enumerate(steady):
        factor = np.linalg.cholesky(one[back[:, :, None], back[:, None, :]])
        added = np.take_along_axis(factor[:, -1, :-1] ** 2, place, axis=1)
        parts[b] = added.mean(axis=0)
        if b == 0:
            pairs = added.reshape(len(half), 2, p).mean(axis=1)
            error = pairs.std(axis=0, ddof=1) / math.sqrt(len(half))
    return Shares(parts, error)
