"""Partial correlations of one outcome with several columns, and what tells them apart."""

from __future__ import annotations

import numpy as np

from cxlab.models.discrimination import Figures

__all__ = ["partial_correlations"]

_TRIFLE = 1e-9


def partial_correlations(
    x: np.ndarray, y: np.ndarray, equal: np.ndarray, who: np.ndarray
) -> Figures:
    """Correlate an outcome with columns, other columns held equal.

    What the columns held equal tell (by least squares) is taken out of both. The correlations
    share their customers, so that their differences are paired: each customer's part in a
    correlation r of standardised residuals u and v is the sum of u v - r (u^2 + v^2) / 2
    (Devlin, Gnanadesikan and Kettenring 1975).

    Parameters
    ----------
    x : ndarray, shape (n, k)
        The columns.
    y : ndarray, shape (n,)
        The outcome.
    equal : ndarray, shape (n, p)
        What is held equal, the constant among it.
    who : ndarray of int, shape (n,)
        The customers, numbered from 0.

    Returns
    -------
    Figures
        The correlations, in the order of the columns; NaN of what does not vary once the rest is
        held equal.
    """
    every = np.column_stack([x, y])
    basis = np.linalg.svd(equal / np.maximum(np.abs(equal).max(axis=0), _TRIFLE),
                          full_matrices=False)  # fmt: skip
    kept = basis[0][:, basis[1] > _TRIFLE * basis[1][0]]
    left = every - kept @ (kept.T @ every)
    spread = np.sqrt(np.square(left).mean(axis=0))
    varies = spread > _TRIFLE * np.sqrt(np.square(every).mean(axis=0))
    z = left / np.where(varies, spread, np.nan)
    u, v = z[:, :-1], z[:, -1:]
    r = (u * v).mean(axis=0)
    parts = (u * v - r * (u**2 + v**2) / 2) / len(y)
    customers = len(np.unique(who))
    summed = np.column_stack([np.bincount(who, c, int(who.max()) + 1) for c in parts.T])
    # As for least squares: fewer customers than rows, and what was held equal.
    small = customers / max(customers - 1, 1) * len(y) / max(len(y) - kept.shape[1], 1)
    return Figures(r, summed * np.sqrt(small), customers, False)
