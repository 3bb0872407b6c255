"""Inputs that are known only because the end is near, found by what they do to the past.

A field of a customer is known as it is today. If it was written when the customer left, it tells
of leaving without foretelling it. Two things give that away, and no honest field has them,
however strongly it goes with leaving:

- a value that hardly anybody with it survived, while nobody who is there today has it: on the
  day on which it would have to foretell anything it says nothing;
- among those who left within a horizon, a value that goes with the very day on which they did.
  Whatever raises the risk raises it on all days of the horizon, so that, among those who left,
  it hardly tells when.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from cxlab.models.intervals import wilson

__all__ = ["DatedByEnd", "OnlyLeavers", "dated_by_the_end", "one_row_each", "only_leavers"]

# Of those with the value nine in ten left, beyond chance at least three in four; and among those
# there today it is ten times as rare.
_MOST_LEFT, _SURELY_LEFT, _RARER = 0.9, 0.75, 0.1
_HALF = 0.5
_LEAST_LEAVERS = 10
# The share of the variation of the day of leaving, 0.4 squared, and how sure that is.
_EXPLAINED, _SURE = 0.16, 0.001
_LEAST_DATED = 30
_TRIFLE = 1e-9


@dataclass(frozen=True)
class OnlyLeavers:
    """What became of customers with a value, and how many of those there today have it.

    Parameters
    ----------
    left : int
        Customers with the value who left since.
    share, low : float
        Of those with the value, the share that left, and its lower limit.
    others : float
        Of those without it, the share that left.
    then, now : float
        The share of customers with it, on the days looked at, and today.
    """

    left: int
    share: float
    low: float
    others: float
    then: float
    now: float

    @property
    def at_once(self) -> bool:
        """Of contacts and the week after them: whether more than half of those who came left."""
        return self.low > _HALF and self.left >= _LEAST_LEAVERS

    @property
    def found(self) -> bool:
        """Whether the value was known only of those who left."""
        gone = self.share >= _MOST_LEFT and self.low >= _SURELY_LEFT
        return gone and self.left >= _LEAST_LEAVERS and self.now <= _RARER * self.then


def only_leavers(has: np.ndarray, left: np.ndarray, weight: np.ndarray, now: float) -> OnlyLeavers:
    """Tell whether a value is that of those who left alone.

    Parameters
    ----------
    has : ndarray of bool, shape (n,)
        Who has the value, of customers there on a late day; one row each.
    left : ndarray of bool, shape (n,)
        Who left since.
    weight : ndarray, shape (n,)
        Customers a row stands for.
    now : float
        The share of those there today who have it.
    """
    total = weight[has].sum()
    share = float(weight[has & left].sum() / total) if total > 0 else np.nan
    rest = weight[~has].sum()
    count = int(has.sum())
    low = wilson(round(share * count), count)[1] if total > 0 else np.nan
    others = float(weight[~has & left].sum() / rest) if rest > 0 else np.nan
    then = float(total / weight.sum()) if len(weight) else np.nan
    return OnlyLeavers(int((has & left).sum()), share, low, others, then, now)


@dataclass(frozen=True)
class DatedByEnd:
    """How far a field tells on which day those who left did.

    Parameters
    ----------
    n : int
        Customers who left.
    explained : float
        Share of the variation of the day that goes with it, less what chance would give.
    p_value : float
        Of its F test.
    """

    n: int
    explained: float
    p_value: float

    @property
    def found(self) -> bool:
        """Whether it hangs on the day of the end; the p-value is for one field alone."""
        enough = self.n >= _LEAST_DATED and self.explained >= _EXPLAINED
        return bool(enough and self.p_value < _SURE)


def dated_by_the_end(
    columns: np.ndarray, days: np.ndarray, held: np.ndarray, fields: int = 1
) -> DatedByEnd:
    """Tell how far a field goes with the day of leaving, of those who left within a horizon.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        The field: ranks of a number, or a column a level.
    days : ndarray, shape (n,)
        Days from the one on which they were looked at to the end; one row a customer.
    held : ndarray, shape (n, q)
        What is held equal, such as tenure on that day and the day itself.
    fields : int
        How many fields are looked at: p-values are multiplied by it (Bonferroni).
    """
    n = len(days)
    base = np.column_stack([np.ones(n), held])
    if n <= base.shape[1] + columns.shape[1] + 1:
        return DatedByEnd(n, 0.0, 1.0)
    y, x = (v - base @ np.linalg.lstsq(base, v, rcond=None)[0] for v in (_ranked(days), columns))
    size = np.sqrt(np.square(columns - columns.mean(axis=0)).sum(axis=0))
    x = x[:, np.sqrt(np.square(x).sum(axis=0)) > 1e-6 * np.maximum(size, _TRIFLE)]
    total = float(y @ y)
    if not x.shape[1] or total < _TRIFLE:
        return DatedByEnd(n, 0.0, 1.0)
    fitted, _, rank, _ = np.linalg.lstsq(x, y, rcond=1e-7)
    rest = float(np.square(y - x @ fitted).sum())
    free = n - np.linalg.matrix_rank(base) - rank
    if rank == 0 or free <= 0:
        return DatedByEnd(n, 0.0, 1.0)
    own = rest / free
    explained = 1.0 - own / (total / (free + rank))
    f = (total - rest) / rank / max(own, _TRIFLE)
    p = float(special.fdtrc(rank, free, max(f, 0.0)))
    return DatedByEnd(n, float(explained), min(p * fields, 1.0))


def _ranked(values: np.ndarray) -> np.ndarray:
    from scipy import stats

    return np.asarray(stats.rankdata(values), dtype=float)


def one_row_each(customer: np.ndarray) -> np.ndarray:
    """Choose one row a customer, the same every time, as if at random.

    Parameters
    ----------
    customer : ndarray of int, shape (n,)
        Whose rows they are.

    Returns
    -------
    ndarray of int
        Places of the rows, in order.
    """
    order = np.argsort(customer, kind="stable")
    _, first, many = np.unique(customer[order], return_index=True, return_counts=True)
    turn = (customer[order][first].astype(np.int64) * 7919 + 13) % many
    return np.asarray(np.sort(order[first + turn]))
