"""Exposures as they would be had other contacts turned out badly.

The contacts of the sampled customers are read once; which of them are bad is then shuffled
within each touchpoint, as often as wanted. Not within months as well: where failures come in
months, what they really do would be left in the months' shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.exposures import SINCE, Contacts

__all__ = ["Pairs", "pairs"]

# So many pairs of row and contact, and rows; beyond it, fewer customers are looked at.
_MOST_PAIRS, _MOST_ROWS = 5_000_000, 60_000


@dataclass(frozen=True)
class Pairs:
    """Rows, and the contacts each has behind it.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Which of the rows given they are: all of them, or those of some customers.
    row, contact : ndarray of int, shape (pairs,)
        Which contact lies before which row; rows are numbered within ``rows``.
    age : ndarray, shape (pairs,)
        Days from contact to the middle of the row.
    left : ndarray, shape (pairs,)
        Days from contact to the last instant the row sees.
    touchpoint : ndarray of int, shape (contacts,)
        Number of each contact's touchpoint.
    since : mapping of str to ndarray, shape (contacts,)
        ``bad_from``, ``good_from`` and ``unknown_until``, in days from the contact on; NaN for
        never.
    touchpoints : int
        How many there are.
    """

    rows: np.ndarray
    row: np.ndarray
    contact: np.ndarray
    age: np.ndarray
    left: np.ndarray
    touchpoint: np.ndarray
    since: dict[str, np.ndarray]
    touchpoints: int

    def shuffled(self, generator: np.random.Generator) -> np.ndarray:
        """Give for each contact another of its touchpoint, each used once.

        Parameters
        ----------
        generator : numpy.random.Generator
            Of the shuffle.
        """
        order = np.argsort(self.touchpoint, kind="stable")
        other = np.empty(len(order), dtype=int)
        other[order] = np.lexsort((generator.random(len(order)), self.touchpoint))
        return other

    def sums(self, days: np.ndarray, outcome_of: np.ndarray) -> dict[str, np.ndarray]:
        """Sum decayed contacts by class, as if each had turned out as another did.

        Parameters
        ----------
        days : ndarray, shape (touchpoints,)
            Half-lives.
        outcome_of : ndarray of int, shape (contacts,)
            Whose outcome each contact is given.

        Returns
        -------
        dict
            Class (without ``all``) -> exposures, shape (rows, touchpoints).
        """
        k = self.touchpoint[self.contact]
        weight = np.exp2(-self.age / days[k])
        given = outcome_of[self.contact]
        bad = self.since["bad_from"][given] < self.left
        member = {"bad": bad}
        if "good_from" in self.since:
            member["good"] = (self.since["good_from"][given] < self.left) & ~bad
        if "unknown_until" in self.since:
            member["unknown"] = (self.since["unknown_until"][given] >= self.left) & ~bad
        shape = (len(self.rows), self.touchpoints)
        cell = self.row * self.touchpoints + k
        return {
            kind: np.bincount(cell[is_in], weight[is_in], shape[0] * shape[1]).reshape(shape)
            for kind, is_in in member.items()
        }


def pairs(
    dataset: Dataset,
    known: Contacts,
    rows: pd.DataFrame,
    washout_days: float,
    generator: np.random.Generator,
    most: int = _MOST_PAIRS,
) -> Pairs:
    """Read the contacts of the rows' customers, and tell which lie before which row.

    Parameters
    ----------
    dataset : Dataset
        Whose engine reads them.
    known : Contacts
        The contacts.
    rows : pandas.DataFrame
        With ``cut`` and ``mid`` (days), and ``customer_id`` or, of kept contacts, ``who``.
    washout_days : float
        Contacts in the last days before ``cut`` that are left out.
    generator : numpy.random.Generator
        Of the customers kept where there would be too many pairs.
    most : int
        Pairs, about, beyond which customers are left out at random.
    """
    customers, owner = np.unique(rows[known.key].to_numpy(), return_inverse=True)
    met = _contacts(dataset, known, customers)
    code, at = met["code"].to_numpy(), met["at"].to_numpy(float)
    seen = rows["cut"].to_numpy() - washout_days
    first, last = _before(code, at, owner, seen)
    kept = _few_enough(owner, last - first, most, generator)
    count = (last - first)[kept]
    row = np.repeat(np.arange(len(kept)), count)
    contact = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    contact += np.repeat(first[kept], count)
    return Pairs(
        rows=kept,
        row=row,
        contact=contact,
        age=rows["mid"].to_numpy()[kept][row] - at[contact],
        left=seen[kept][row] - at[contact],
        touchpoint=met["touchpoint"].to_numpy(int),
        since={c: met[c].to_numpy(float) - at for c in SINCE if c in met},
        touchpoints=known.count,
    )


def _contacts(dataset: Dataset, known: Contacts, customers: np.ndarray) -> pd.DataFrame:
    """Read the contacts of some customers, in the order of customer and time."""
    wanted = pd.DataFrame({known.key: customers, "code": np.arange(len(customers))})
    frame = dataset.attach(wanted).join(known.placed(dataset), on=known.key, how="inner")
    there = frame.collect_schema().names()
    columns = ["code", "at", "touchpoint", *(c for c in SINCE if c in there)]
    met: pd.DataFrame = frame.select(*map(nw.col, columns)).collect(backend="pandas").to_native()
    # All columns, so that a shuffle is the same in every run, whatever the engine's order.
    return met.sort_values(columns, ignore_index=True)


def _before(
    code: np.ndarray, at: np.ndarray, owner: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give for each row its customer's first contact, and the first one it does not see."""
    first = np.searchsorted(code, owner)
    customers = np.concatenate([owner, code])
    times = np.concatenate([seen, at])
    is_contact = np.arange(len(times)) >= len(owner)
    # A contact at the very instant is not seen: rows come first.
    order = np.lexsort((is_contact, times, customers))
    passed = np.empty(len(order), dtype=int)
    passed[order] = np.cumsum(is_contact[order])
    return first, passed[: len(owner)]


def _few_enough(
    owner: np.ndarray, count: np.ndarray, most: int, generator: np.random.Generator
) -> np.ndarray:
    """Keep all rows, or those of so many customers drawn at random that they fit."""
    if count.sum() <= most and len(owner) <= _MOST_ROWS:
        return np.arange(len(owner))
    each, rows = np.bincount(owner, weights=count), np.bincount(owner)
    order = generator.permutation(len(each))
    within = (np.cumsum(each[order]) <= most) & (np.cumsum(rows[order]) <= _MOST_ROWS)
    within[0] = True
    return np.flatnonzero(np.isin(owner, order[within]))
