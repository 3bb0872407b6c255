"""Themes in short texts: what customers speak of, how many themes there are, and who says what.

Comments are short, so that words of one theme seldom stand in one comment. Words are therefore
tied by how much oftener they come together than chance would have it, and TF-IDF and these ties
are factorised together (SeaNMF: Shi, Kang, Choo and Reddy 2018; the ties of Yan et al. 2013).
The solution starts a mixture of unigrams (Nigam et al. 2000; Yin and Wang 2014), which sharpens
it. What is kept of a theme is a weight for each of its words, and these alone say which comment
is about it: the same rule today and in a year.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse, special

__all__ = [
    "ANOTHER",
    "BAR",
    "MOST_TOGETHER",
    "Bag",
    "Found",
    "assign",
    "bag",
    "find",
    "log_odds",
    "names",
    "scores",
    "ties",
]

BAR = 2.0
"""A text is about a theme where its words are exp(2) = 7.4 times as likely there as elsewhere."""
MOST_TOGETHER = 3
"""A text has so many themes at most."""
ANOTHER = 3.0
"""What a further theme must reach, by words that speak for none of those before it."""
LEAST_TEXTS, _LEAST_DIFFERENT = 100, 30
"""Of fewer texts nothing is told, nor of fewer that differ."""
CAP, _LEAST_WEIGHT, _MOST_TERMS = 4.0, 0.5, 40
_GRID = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27)
_PER_THEME = 50  # texts, of those the number of themes is chosen on
_SPLITS = 5
_LEAST_AGREEMENT, _AS_GOOD = 0.3, 0.002
_LEAST_FILLED, _FILLED = 0.005, 0.8
_MOST_ALIKE = 20
_MOST_CHOSEN_ON, _MOST_FITTED_ON = 6_000, 30_000
_MOST_WORDS = 4_000
_FALSE_TIES = 0.05
_LEAST_TIES = 10
_STEPS, _SMOOTHING = 20, 0.1
# Ties count twice as much as texts in the factorisation (see METHODS.md).
_TIES_WEIGHT, _TIE_CAP = 2.0, 1.5


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


def _unit(rows: Any) -> Any:
    size = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.dia_array((1 / np.maximum(size, 1e-12), 0), shape=(len(size),) * 2) @ rows


def _scaled(has: Any, by: np.ndarray) -> Any:
    return sparse.csr_array(has @ sparse.dia_array((by, 0), shape=(len(by),) * 2))


class _Ready(NamedTuple):
    """Texts as they are factorised: TF-IDF of telling words above their ties, and their words."""

    stacked: Any
    heard: Any
    texts: int


def _ready(words: Bag) -> _Ready:
    has, n = words.has, len(words)
    tied, telling = ties(words)
    rare = np.log((1 + n) / (1 + np.asarray(has.sum(axis=0)).ravel())) + 1
    texts = sparse.csr_array(_unit(_scaled(has, rare * telling)))
    # Ties of rare words are the largest; without a cap these alone would make the themes.
    tied.data = np.minimum(tied.data, _TIE_CAP)
    power = float(tied.multiply(tied).sum())
    whole = float(texts.multiply(texts).sum())
    held = np.sqrt(_TIES_WEIGHT * whole / power) if power > 0 else 0.0
    stacked = sparse.vstack([texts, tied * held], format="csr")
    return _Ready(stacked, _scaled(has, telling), n)


def _posterior(ready: _Ready, count: int, seed: int) -> np.ndarray:
    """Give how likely each text is of each of so many themes, shape (texts, themes)."""
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(count, init="nndsvda", max_iter=100, tol=1e-3, random_state=seed)
    with warnings.catch_warnings():
        # It only starts what follows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        made = model.fit_transform(ready.stacked)[: ready.texts]
    share = (made * np.linalg.norm(model.components_, axis=1)) ** 2 + 1e-9
    share /= share.sum(axis=1, keepdims=True)
    for _ in range(_STEPS):
        speech = np.asarray(ready.heard.T @ share).T + _SMOOTHING
        speech /= speech.sum(axis=1, keepdims=True)
        fits = ready.heard @ np.log(speech).T + np.log(share.sum(axis=0) + 1)
        share = np.exp(fits - fits.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
    return np.asarray(share)


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


@dataclass(frozen=True)
class Found:
    """The themes of some texts.

    Parameters
    ----------
    weights : ndarray, shape (words, themes)
        Of each word in each theme; no themes where none can be told.
    choice : pandas.DataFrame
        By number of ``themes`` tried: ``agreement`` of halves of the texts (adjusted Rand index,
        mean over splits), its standard error ``se``, and how many themes were ``filled`` (with one
        text in two hundred).
    why : str
        Why there are none; empty where there are some.
    again : ndarray, shape (themes,)
        How well each theme is found again in half of the texts: the mean share, over the halves,
        of the texts of either that are both's (Jaccard; Hennig 2007).
    """

    weights: np.ndarray
    choice: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["themes", "agreement", "se", "filled"])
    )
    why: str = ""
    again: np.ndarray = field(default_factory=lambda: np.zeros(0))


def find(words: Bag, seed: int = 0, least: int = 10) -> Found:
    """Find the themes of some texts, as many as can be found again, or say why there are none.

    Themes are found in each of two halves of the texts, and agree where both put the same texts
    together (Lange et al. 2004; Greene et al. 2014). Their number is the one at which they agree
    best, of several the largest without empty themes. Of texts with the same words twenty count.

    Parameters
    ----------
    words : Bag
        The texts.
    seed : int
        Of the splits.
    least : int
        Texts that a theme needs, and one in two hundred of all.
    """
    none = np.zeros((len(words.words), 0))
    usable, different = _kept(words)
    texts = int((np.diff(words.has.indptr) > 0).sum())
    if texts < LEAST_TEXTS or different < _LEAST_DIFFERENT:
        return Found(none, why=_too_few(texts, different))
    draw = np.random.Generator(np.random.PCG64(seed))
    few = words.rows(np.sort(draw.permutation(usable)[:_MOST_FITTED_ON]))
    pairs = ties(few)[0].nnz // 2
    if pairs < _LEAST_TIES:
        text = f"words come together no more often than chance would have it ({pairs} pairs do)"
        return Found(none, why=text)
    tried = _tried(few, draw, seed)
    choice = tried.choice
    best = choice.loc[choice["agreement"].idxmax()]
    if best["agreement"] < _LEAST_AGREEMENT:
        text = (
            "no themes were found again in both halves of the comments (agreement "
            f"{best['agreement']:.2f}, where 0 is chance and 1 the same; {_LEAST_AGREEMENT} needed)"
        )
        return Found(none, choice, text)
    # Several may agree as well as can be; where there are fewer themes than tried, some are empty.
    alike = choice["agreement"] >= best["agreement"] - _AS_GOOD
    filled = choice["filled"] >= _FILLED * choice["themes"]
    count = int(max(choice.loc[alike & filled, "themes"], default=best["themes"]))
    share = _posterior(_ready(few), count, seed)
    theme = np.where(share.max(axis=1) > 0.5, share.argmax(axis=1), -1)
    weights = log_odds(few, theme, count)
    again = _again(_first(tried.texts, weights), tried.labels[count], count)
    size = np.bincount(assign(words, weights)[:, 0] + 1, minlength=count + 1)[1:]
    kept = size >= max(least, len(words) / 200)
    weights, again = weights[:, kept], again[kept]
    if not weights.shape[1]:
        return Found(none, choice, "no theme has enough comments")
    return Found(weights, choice, again=again)


def _too_few(texts: int, distinct: int) -> str:
    if texts < LEAST_TEXTS:
        return f"{texts:,} comments have words that tell; {LEAST_TEXTS} are needed"
    return (
        f"of {texts:,} comments only {distinct:,} differ in their words; {_LEAST_DIFFERENT} "
        "different ones are needed"
    )


def _kept(words: Bag) -> tuple[np.ndarray, int]:
    """Give the texts with words, of those with the same at most twenty, and how many differ."""
    mark = np.random.Generator(np.random.PCG64(1)).random((len(words.words), 2))
    some = np.flatnonzero(np.diff(words.has.indptr) > 0)
    keys = pd.DataFrame(np.asarray(words.has @ mark)[some].round(9))
    return some[keys.groupby([0, 1]).cumcount() < _MOST_ALIKE], len(keys.drop_duplicates())


class _Tried(NamedTuple):
    """Numbers of themes tried, on which texts, and what each half made of these."""

    choice: pd.DataFrame
    texts: Bag
    labels: dict[int, list[np.ndarray]]


def _tried(words: Bag, draw: np.random.Generator, seed: int) -> _Tried:
    """Hold the solutions of two halves against each other, for each number of themes."""
    n = min(len(words), _MOST_CHOSEN_ON)
    few = words.rows(np.sort(draw.permutation(len(words))[:n]))
    most = min(n // _PER_THEME, len(words.words) // 2)
    labels: dict[int, list[np.ndarray]] = {k: [] for k in _GRID if k <= max(most, _GRID[0])}
    for _ in range(_SPLITS):
        order = draw.permutation(n)
        for part in (order[: n // 2], order[n // 2 :]):
            half = few.rows(np.sort(part))
            ready = _ready(half)
            for count, found in labels.items():
                theme = _posterior(ready, count, seed).argmax(axis=1)
                found.append(_first(few, log_odds(half, theme, count)))
    rows = []
    for count, found in labels.items():
        agree = [_agreement(*two) for two in zip(found[::2], found[1::2], strict=True)]
        se = float(np.std(agree, ddof=1) / _SPLITS**0.5)
        sizes = [np.bincount(one[one >= 0], minlength=count) for one in found]
        filled = float(np.mean([(size >= _LEAST_FILLED * n).sum() for size in sizes]))
        rows.append((count, float(np.mean(agree)), se, filled))
    columns = ["themes", "agreement", "se", "filled"]
    return _Tried(pd.DataFrame(rows, columns=columns), few, labels)


def _again(theme: np.ndarray, found: list[np.ndarray], count: int) -> np.ndarray:
    """Give how well each theme is found again, as :class:`Found` says."""
    best = np.zeros((len(found), count))
    for i, other in enumerate(found):
        both = np.zeros((count + 1, int(other.max()) + 2))
        np.add.at(both, (theme + 1, other + 1), 1)
        either = both.sum(axis=1)[1:, None] + both.sum(axis=0)[None, 1:] - both[1:, 1:]
        share = np.divide(both[1:, 1:], either, out=np.zeros(either.shape), where=either > 0)
        best[i] = share.max(axis=1, initial=0.0)
    return np.asarray(best.mean(axis=0).round(2))


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    if min(len(np.unique(one)), len(np.unique(other))) < 2:
        return 0.0  # all in one: there is nothing to agree on
    return float(adjusted_rand_score(one, other))


def _first(words: Bag, weights: np.ndarray) -> np.ndarray:
    """Give the weightiest theme of each text; -1: none."""
    told = scores(words, weights)
    return np.where(told.max(axis=1) >= BAR, told.argmax(axis=1), -1)


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
