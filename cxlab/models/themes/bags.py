"""Which words stand in which texts, and which of them come together more often than by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, special

__all__ = ["Bag", "bag", "ties"]

_MOST_WORDS = 4_000
_FALSE_TIES = 0.05


@dataclass(frozen=True)
class Bag:
    """Which words stand in which texts.

    Parameters
    ----------
    words : tuple of str
        In alphabetical order.
    has : csr_array, shape (texts, words)
        1 where a text has a word.
    """

    words: tuple[str, ...]
    has: Any

    def rows(self, which: np.ndarray) -> Bag:
        """Give some of the texts."""
        return Bag(self.words, self.has[which])

    def __len__(self) -> int:
        return int(self.has.shape[0])


def bag(
    stems: Sequence[Sequence[str]], who: np.ndarray, least: int = 5, also: Sequence[str] = ()
) -> Bag:
    """Count words; those that few customers use, and those in half of the texts, are left out.

    Parameters
    ----------
    stems : sequence of sequences of str
        The words of each text.
    who : ndarray of int, shape (texts,)
        Whose text it is.
    least : int
        Customers who must use a word: what fewer say may tell who they are.
    also : sequence of str
        Words that are counted however many use them.
    """
    place: dict[str, int] = {}
    column = np.fromiter(
        (place.setdefault(w, len(place)) for words in stems for w in words), dtype=np.int64
    )
    row = np.repeat(np.arange(len(stems)), [len(words) for words in stems])
    every = np.array(list(place), dtype=object)
    pairs = np.unique(np.column_stack([column, np.asarray(who, dtype=np.int64)[row]]), axis=0)
    users = np.bincount(pairs[:, 0], minlength=len(every)) if len(row) else np.zeros(0)
    entries = np.unique(np.column_stack([row, column]), axis=0)
    texts = np.bincount(entries[:, 1], minlength=len(every)) if len(row) else np.zeros(0)
    kept = np.flatnonzero((users >= least) & (texts <= len(stems) / 2))
    kept = kept[np.lexsort((every[kept].astype(str), -texts[kept]))][:_MOST_WORDS]
    kept = np.union1d(kept, [place[w] for w in also if w in place]).astype(int)
    kept = kept[np.argsort(every[kept].astype(str))]
    to = np.full(len(every), -1)
    to[kept] = np.arange(len(kept))
    mine = to[entries[:, 1]] >= 0 if len(row) else np.zeros(0, dtype=bool)
    at = (entries[mine, 0], to[entries[mine, 1]]) if len(row) else ([], [])
    shape = (len(stems), len(kept))
    has = sparse.csr_array((np.ones(int(mine.sum())), at), shape=shape)
    return Bag(tuple(str(w) for w in every[kept]), has)


def ties(words: Bag) -> tuple[Any, np.ndarray]:
    """Find the words that come together more often than chance would have it.

    Held against texts of the same lengths, their words shuffled (a Poisson tail; Benjamini and
    Hochberg at 5% over all pairs of words).

    Parameters
    ----------
    words : Bag
        The texts.

    Returns
    -------
    ties : csr_array, shape (words, words)
        Logarithm of how many times as often, less one standard error; 0 where not told.
    telling : ndarray, shape (words,)
        From 0 to 1, how far a word's neighbours differ from those of any word (divergence of
        Kullback and Leibler): words that stand beside everything tell of no theme.
    """
    has = words.has
    texts, length = np.asarray(has.sum(axis=0)).ravel(), np.asarray(has.sum(axis=1)).ravel()
    count, total = has.shape[1], float(length.sum())
    both = sparse.coo_array(has.T @ has)
    off = both.row != both.col
    row, col, met = both.row[off], both.col[off], both.data[off]
    usual = texts[row] * texts[col] * float(length @ (length - 1)) / max(total, 1.0) ** 2
    p = special.pdtrc(met - 1, usual)
    order = np.argsort(p, kind="stable")
    # Each pair is there twice; pairs that never met are tests as well.
    allowed = _FALSE_TIES * np.arange(1, len(p) + 1) / max(count * (count - 1), 1)
    passed = np.flatnonzero(p[order] <= allowed)
    limit = p[order][passed[-1]] if len(passed) else -1.0
    told = (p <= limit) & (met > 1)
    size = np.log(met[told] / usual[told]) - 1 / np.sqrt(met[told])
    shape = (count, count)
    tied = sparse.csr_array((np.maximum(size, 0.0), (row[told], col[told])), shape=shape)
    tied.eliminate_zeros()
    beside = np.bincount(row, met, minlength=count)
    share = met / np.maximum(beside[row], 1.0)
    apart = np.bincount(row, share * np.log(share * total / texts[col]), minlength=count)
    # What so few draws would diverge by chance.
    chance = np.bincount(row, minlength=count) / (2 * np.maximum(beside, 1.0))
    some = np.bincount(row[told], minlength=count) > 0
    return tied, np.where(some, np.clip(apart - chance, 0.0, 1.0), 0.0)
