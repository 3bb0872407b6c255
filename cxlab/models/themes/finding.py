"""The themes of some texts: how many there are, and what they are told by."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from cxlab.models.themes.bags import Bag, ties
from cxlab.models.themes.telling import BAR, assign, log_odds, scores

__all__ = ["LEAST_TEXTS", "Found", "find"]

LEAST_TEXTS, _LEAST_DIFFERENT = 100, 30
"""Of fewer texts nothing is told, nor of fewer that differ."""
_GRID = (2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27)
_PER_THEME = 50  # texts, of those the number of themes is chosen on
_SPLITS = 5
_LEAST_AGREEMENT, _AS_GOOD = 0.3, 0.002
_LEAST_FILLED, _FILLED = 0.005, 0.8
_MOST_ALIKE = 20
_MOST_CHOSEN_ON, _MOST_FITTED_ON = 6_000, 30_000
_LEAST_TIES = 10
_STEPS, _SMOOTHING = 20, 0.1
# Ties count twice as much as texts in the factorisation (see METHODS.md).
_TIES_WEIGHT, _TIE_CAP = 2.0, 1.5


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
        return (
            f"{texts:,} comments have a word that tells (one that enough customers use, and not "
            f"half of all); {LEAST_TEXTS} are needed"
        )
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


# -- one solution ------------------------------------------------------------------------------


def _unit(rows: Any) -> Any:
    size = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return sparse.dia_array((1 / np.maximum(size, 1e-12), 0), shape=(len(size),) * 2) @ rows


def _scaled(has: Any, by: np.ndarray) -> Any:
    return sparse.csr_array(has @ sparse.dia_array((by, 0), shape=(len(by),) * 2))


class _Ready(NamedTuple):
    """Texts as they are factorised: TF-IDF of telling words above their ties, and their words.

    The words are there twice: ``heard`` by text, and ``saying`` by word.
    """

    stacked: Any
    heard: Any
    saying: Any
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
    heard = _scaled(has, telling)
    return _Ready(stacked, heard, sparse.csr_array(heard.T), n)


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
        speech = ready.saying @ share
        speech += _SMOOTHING
        speech /= speech.sum(axis=0)
        fits = ready.heard @ np.log(speech, out=speech)
        fits += np.log(share.sum(axis=0) + 1)
        fits -= fits.max(axis=1, keepdims=True)
        share = np.exp(fits, out=fits)
        share /= share.sum(axis=1, keepdims=True)
    return np.asarray(share)
