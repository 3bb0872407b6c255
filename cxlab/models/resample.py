"""Customers drawn anew: weights of the Bayesian bootstrap, and what replicates say of ranks.

Each replicate weights every customer by an exponential number of mean 1 (Rubin 1981). A fit
follows by one Newton step from its estimate; see
:meth:`cxlab.models.hazard.HazardFit.replicates`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Draws", "rank_spread", "top_probability"]

# Customers are drawn in blocks of so many, each with a stream of its own.
_BLOCK = 2**14
# More weights than this are not kept, but drawn again where they are needed, so many at once.
_MOST_KEPT, _AT_ONCE = 2**24, 2**22


@dataclass(frozen=True)
class Draws:
    """Weights of customers; they are never all in memory where there are many.

    Parameters
    ----------
    customers, count : int
        How many customers, and how often they are drawn.
    seed : int
        The same seed gives the same weights.
    chosen : ndarray of int, optional
        Which of the replicates are asked for (default: all of them).
    """

    customers: int
    count: int
    seed: int
    chosen: np.ndarray | None = None

    def __len__(self) -> int:
        """Give the number of replicates asked for."""
        return self.count if self.chosen is None else len(self.chosen)

    def only(self, chosen: np.ndarray) -> Draws:
        """Give the draws of some of the replicates.

        Parameters
        ----------
        chosen : ndarray of int
            Their numbers.
        """
        return Draws(self.customers, self.count, self.seed, chosen)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum over customers, each times its weight.

        Parameters
        ----------
        values : ndarray, shape (customers, p)
            What is summed.

        Returns
        -------
        ndarray, shape (replicates, p)
        """
        total = np.zeros((self.count, values.shape[1]))
        for replicates, customers, drawn in self._drawn:
            total[replicates] += drawn @ values[customers]
        return self._asked(total / self._means)

    def of(self, customers: np.ndarray) -> np.ndarray:
        """Give the weights of some customers.

        Parameters
        ----------
        customers : ndarray of int, shape (m,)
            Their numbers, from 0; one may come more than once.

        Returns
        -------
        ndarray, shape (replicates, m)
            The mean over all customers is 1 in each replicate, as a bootstrap keeps their number.
        """
        found = np.empty((self.count, len(customers)))
        for replicates, block, drawn in self._drawn:
            inside = np.flatnonzero((customers >= block.start) & (customers < block.stop))
            found[replicates, inside] = drawn[:, customers[inside] - block.start]
        return self._asked(found / self._means)

    def _asked(self, values: np.ndarray) -> np.ndarray:
        return values if self.chosen is None else values[self.chosen]

    @cached_property
    def _means(self) -> np.ndarray:
        total = np.zeros((self.count, 1))
        for replicates, _, drawn in self._drawn:
            total[replicates] += drawn.sum(axis=1, keepdims=True)
        return total / self.customers

    @cached_property
    def _kept(self) -> list[tuple[slice, slice, np.ndarray]]:
        return list(self._anew())

    @property
    def _drawn(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        small = self.customers * self.count <= _MOST_KEPT
        return iter(self._kept) if small else self._anew()

    def _anew(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Draw exponential numbers: replicates, customers, and the numbers of these."""
        for number, first in enumerate(range(0, self.customers, _BLOCK)):
            block = slice(first, min(first + _BLOCK, self.customers))
            width = block.stop - first
            # Number 0 adds nothing to a seed: few customers are drawn as if there were no blocks.
            generator = np.random.Generator(np.random.PCG64([self.seed, 0x5EED, number]))
            step = max(_AT_ONCE // width, 1)
            for i in range(0, self.count, step):
                replicates = slice(i, min(i + step, self.count))
                shape = (replicates.stop - i, width)
                yield replicates, block, generator.standard_exponential(shape)


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
