"""Sums of products, drawn anew by customer: all that linear models need of the rows."""

from __future__ import annotations

import numpy as np

__all__ = ["correlations", "draws", "moments", "pairwise", "partialled"]

_BLOCK = 2_000_000
# A column with less than this share of its variance left is explained by those before it.
_LEFT = 1e-9


def draws(customers: int, replicates: int, seed: int) -> np.ndarray:
    """Draw customers with replacement, and tell how often each was drawn.

    Parameters
    ----------
    customers : int
        How many there are, and are drawn.
    replicates : int
        How many times.
    seed : int
        Of the draws.

    Returns
    -------
    ndarray, shape (replicates, customers)
    """
    draw = np.random.default_rng(seed)
    picked = draw.integers(0, customers, (replicates, customers))
    return np.stack([np.bincount(p, minlength=customers) for p in picked]).astype(float)


def moments(columns: np.ndarray, who: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum the products of columns over rows, once a replicate.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        One row an answer.
    who : ndarray of int, shape (n,)
        The customers.
    weights : ndarray, shape (replicates, customers)
        Of :func:`draws`; ones for the data as they are.

    Returns
    -------
    ndarray, shape (replicates, k, k)
    """
    n, k = columns.shape
    upper, lower = np.triu_indices(k)
    total = np.zeros((len(weights), len(upper)))
    step = max(1, _BLOCK // max(len(upper), 1))
    for first in range(0, n, step):
        rows = slice(first, first + step)
        part = columns[rows]
        total += weights[:, who[rows]] @ (part[:, upper] * part[:, lower])
    made = np.empty((len(weights), k, k))
    made[:, upper, lower] = total
    made[:, lower, upper] = total
    return made


def partialled(products: np.ndarray, first: int) -> np.ndarray:
    """Take what the first columns explain out of the others (Frisch and Waugh 1933).

    Parameters
    ----------
    products : ndarray, shape (replicates, k, k)
        Of :func:`moments`; the first column is the constant.
    first : int
        How many columns are held equal. One that those before it explain counts for nothing.

    Returns
    -------
    ndarray, shape (replicates, k - first, k - first)
        Sums of products of residuals.
    """
    a = products.copy()
    whole = np.einsum("bii->bi", products).copy()
    for j in range(first):
        pivot = a[:, j, j]
        told = pivot > _LEFT * np.maximum(whole[:, j], 1e-300)
        scale = np.divide(1.0, pivot, out=np.zeros_like(pivot), where=told)
        row = a[:, j, j + 1 :]
        a[:, j + 1 :, j + 1 :] -= (row * scale[:, None])[:, :, None] * row[:, None, :]
    left = a[:, first:, first:]
    whole = whole[:, first:]
    gone = np.einsum("bii->bi", left) <= _LEFT * whole
    left = np.where(gone[:, :, None] | gone[:, None, :], 0.0, left)
    return np.asarray(left)


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Turn covariances into correlations; of a column that does not vary they are 0.

    Parameters
    ----------
    covariance : ndarray, shape (replicates, k, k)
        Or sums of products of residuals.
    """
    spread = np.sqrt(np.maximum(np.einsum("bii->bi", covariance), 0.0))
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    made = np.clip(covariance * scale[:, :, None] * scale[:, None, :], -1.0, 1.0)
    k = covariance.shape[1]
    made[:, np.arange(k), np.arange(k)] = 1.0
    return np.asarray(made)


def pairwise(columns: np.ndarray, who: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, bool]:
    """Give the covariances of columns with gaps, each correlation from the rows that have both.

    Such a matrix need not be one of any data: its negative eigenvalues are then raised to 0
    (Higham 2002, a single projection).

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        NaN where nothing was given.
    who, weights : ndarray
        As for :func:`moments`.

    Returns
    -------
    covariance : ndarray, shape (replicates, k, k)
    bent : bool
        Whether the first of them had to be changed.
    """
    k = columns.shape[1]
    given = np.isfinite(columns)
    filled = np.where(given, columns - np.nanmean(columns, axis=0), 0.0)
    made = moments(np.hstack([filled, given.astype(float), filled**2]), who, weights)
    both = np.maximum(made[:, k : 2 * k, k : 2 * k], 1e-300)
    mine, squares = made[:, :k, k : 2 * k] / both, made[:, 2 * k :, k : 2 * k] / both
    inside = np.maximum(squares - mine**2, 0.0)  # of the row's column, where the other is given
    product = made[:, :k, :k] / both - mine * np.swapaxes(mine, 1, 2)
    scale = np.sqrt(inside * np.swapaxes(inside, 1, 2))
    told = (made[:, k : 2 * k, k : 2 * k] > 2) & (scale > 1e-12)
    r = np.clip(np.divide(product, scale, out=np.zeros_like(scale), where=told), -1.0, 1.0)
    spread = np.sqrt(np.einsum("bii->bi", inside))
    r[:, np.arange(k), np.arange(k)] = 1.0
    values, vectors = np.linalg.eigh(r)
    bent = bool(values[0, 0] < -1e-8)
    mended = np.einsum("bik,bk,bjk->bij", vectors, np.maximum(values, 0.0), vectors)
    return correlations(mended) * spread[:, :, None] * spread[:, None, :], bent
