"""What a theme is told by, which texts are about it, and what it is called."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from cxlab.models.themes.bags import Bag

__all__ = ["ANOTHER", "BAR", "CAP", "MOST_TOGETHER", "assign", "log_odds", "names", "scores"]

BAR = 2.0
"""A text is about a theme where its words are exp(2) = 7.4 times as likely there as elsewhere."""
MOST_TOGETHER = 3
"""A text has so many themes at most."""
ANOTHER = 3.0
"""What a further theme must reach, by words that speak for none of those before it."""
CAP, _LEAST_WEIGHT, _MOST_TERMS = 4.0, 0.5, 40


def log_odds(words: Bag, theme: np.ndarray, count: int) -> np.ndarray:
    """Give how much likelier each word is in a theme's texts than in all others.

    Parameters
    ----------
    words : Bag
        The texts.
    theme : ndarray of int, shape (texts,)
        The theme of each, from 0; -1: none.
    count : int
        How many themes there are.

    Returns
    -------
    ndarray, shape (words, themes)
        Logarithm of the ratio less one standard error, up to 4; 0 below one half, and beyond a
        theme's 40 weightiest words.
    """
    n, mine = len(words), np.asarray(theme) >= 0
    ones = (np.ones(int(mine.sum())), (np.flatnonzero(mine), np.asarray(theme)[mine]))
    member = sparse.csr_array(ones, shape=(n, count))
    inside = np.asarray((words.has.T @ member).todense())
    texts = np.asarray(member.sum(axis=0)).ravel()
    outside = np.asarray(words.has.sum(axis=0)).reshape(-1, 1) - inside
    ratio = np.log((inside + 0.5) / (texts + 1)) - np.log((outside + 0.5) / (n - texts + 1))
    weight = ratio - np.sqrt(1 / (inside + 0.5) + 1 / (outside + 0.5))
    weight = np.where(weight >= _LEAST_WEIGHT, np.minimum(weight, CAP), 0.0).round(2)
    # Of words as weighty those count that are said oftener.
    order = np.argsort(
        -(weight + inside / (inside.max(initial=0.0) + 1) / 200), axis=0, kind="stable"
    )
    np.put_along_axis(weight, order[_MOST_TERMS:], 0.0, axis=0)
    return np.asarray(weight)


def scores(words: Bag, weights: np.ndarray) -> np.ndarray:
    """Add up the weights of each text's words, shape (texts, themes).

    Parameters
    ----------
    words : Bag
        The texts.
    weights : ndarray, shape (words, themes)
        Of :func:`log_odds`, or of a theme book.
    """
    return np.asarray(words.has @ weights)


def assign(words: Bag, weights: np.ndarray, sure: np.ndarray | None = None) -> np.ndarray:
    """Tell which themes each text is about, up to three.

    The weightiest theme comes first, and must reach :data:`BAR`; another one :data:`ANOTHER`.

    Parameters
    ----------
    words : Bag
        The texts.
    weights : ndarray, shape (words, themes)
        As for :func:`scores`.
    sure : ndarray, shape (words, themes), optional
        Weights by which, from :data:`BAR` on, a text is about a theme whatever else it says.

    Returns
    -------
    ndarray of int, shape (texts, 3)
        Themes in their order; -1: no further one.
    """
    found = np.full((len(words), MOST_TOGETHER), -1)
    if not weights.shape[1]:
        return found
    left = words.has.copy()
    rows = np.arange(len(words))
    for place in range(MOST_TOGETHER):
        told = np.asarray(left @ weights)
        best = told.argmax(axis=1)
        there = told[np.arange(len(rows)), best] >= (ANOTHER if place else BAR)
        rows, best, left = rows[there], best[there], left[there]
        if not len(rows):
            break
        found[rows, place] = best
        owner = np.repeat(best, np.diff(left.indptr))
        left.data[weights[left.indices, owner] > 0] = 0.0
        left.eliminate_zeros()
    if sure is None:
        return found
    for k in np.flatnonzero(sure.any(axis=0)):
        said = np.asarray(words.has @ sure[:, k]) >= BAR
        missed = np.flatnonzero(said & ~(found == k).any(axis=1))
        found[missed] = np.column_stack([np.full(len(missed), k), found[missed, :-1]])
    return found


def names(words: Bag, weights: np.ndarray, themes: np.ndarray, most: int = 3) -> list[list[str]]:
    """Give the words that name each theme: weighty and often said, each naming one theme alone.

    Parameters
    ----------
    words : Bag
        The texts.
    weights : ndarray, shape (words, themes)
        Of :func:`log_odds`.
    themes : ndarray of int, shape (texts, 3)
        Of :func:`assign`.
    most : int
        Words a theme.
    """
    taken: set[str] = set()
    found: list[list[str]] = []
    for k in range(weights.shape[1]):
        texts = words.has[(themes == k).any(axis=1)]
        often = np.asarray(texts.sum(axis=0)).ravel() * weights[:, k]
        order = [i for i in np.argsort(-often, kind="stable") if often[i] > 0]
        mine = [words.words[i] for i in order if words.words[i] not in taken][:most]
        taken |= set(mine)
        found.append(mine)
    return found
