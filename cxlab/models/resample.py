"""Customers drawn anew: weights of the Bayesian bootstrap, and what replicates say of ranks.

Each replicate weights every customer by an exponential number of mean 1 (Rubin 1981). A fit
follows by one Newton step from its estimate; see
:meth:`cxlab.models.hazard.HazardFit.replicates`.
"""

from __future__ import annotations

import numpy as np

__all__ = ["at_half_life", "customer_weights", "rank_spread", "top_probability"]


def customer_weights(customers: int, replicates: int, seed: int) -> np.ndarray:
    """Draw the weights.

    Parameters
    ----------
    customers, replicates : int
        How many.
    seed : int
        The same seed gives the same weights.

    Returns
    -------
    ndarray, shape (replicates, customers)
        Their mean is 1 in each replicate, as a bootstrap keeps the number of customers.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x5EED]))
    weights = generator.standard_exponential((replicates, customers))
    return np.asarray(weights / weights.mean(axis=1, keepdims=True))


def at_half_life(values: np.ndarray, grid: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Read figures known at each half-life of a grid at one half-life a replicate.

    Parameters
    ----------
    values : ndarray, shape (replicates, grid, ...)
        The figures.
    grid : ndarray, shape (grid,)
        Half-lives, ascending.
    days : ndarray, shape (replicates,)
        The half-life of each replicate.

    Returns
    -------
    ndarray, shape (replicates, ...)
        By a cubic in the logarithm of the half-life.
    """
    from scipy.interpolate import make_interp_spline

    curve = make_interp_spline(np.log(grid), np.eye(len(grid)), k=min(3, len(grid) - 1))
    return np.asarray(np.einsum("rg,rg...->r...", curve(np.log(days)), values))


def _places(costs: np.ndarray) -> np.ndarray:
    """Give each column's place in each row, 1 the largest."""
    order = np.argsort(-costs, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable") + 1


def top_probability(costs: np.ndarray, most: int = 3) -> np.ndarray:
    """Give the share of replicates in which each is among the largest.

    Parameters
    ----------
    costs : ndarray, shape (replicates, n)
        What each costs.
    most : int
        How many count as the largest.

    Returns
    -------
    ndarray, shape (n,)
    """
    return np.asarray((_places(costs) <= most).mean(axis=0))


def rank_spread(costs: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give where each ranks in the replicates, and which of two costs more.

    Parameters
    ----------
    costs : ndarray, shape (replicates, n)
        What each costs.
    level : float
        Of the interval of ranks.

    Returns
    -------
    low, high : ndarray of int, shape (n,)
        Ranks between which so much of the replicates lies.
    above : ndarray, shape (n, n)
        Share of the replicates in which the row costs more than the column.
    """
    places = _places(costs)
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(places, ends, axis=0, method="closest_observation").astype(int)
    above = (costs[:, :, None] > costs[:, None, :]).mean(axis=0)
    return low, high, above
