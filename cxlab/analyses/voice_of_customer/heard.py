"""What is heard: each comment's language, words, themes and tone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.plain import PlainComments
from cxlab.data.dataset import Dataset
from cxlab.data.prepared import prepared
from cxlab.data.theme_book import MOST_THEMES, Book, Theme, new_id
from cxlab.models import themes
from cxlab.models.text import cleaning, language, sentiment

__all__ = ["Heard", "Language", "hear"]

# A theme is new where the known ones explain less than half of its comments.
_NEW = 0.5
_NAMED_BY = 3
_LONGEST = 120  # characters of a name


@dataclass(frozen=True)
class Language:
    """The comments in one language.

    Parameters
    ----------
    code : str
        ISO 639-1; ``und``: not told.
    rows : ndarray of int
        Their places among all comments.
    words : Bag
        Their words.
    weights : ndarray, shape (words, themes)
        Of the language's themes, in the order of the book.
    choice : pandas.DataFrame
        How the number of themes was chosen; empty where the book had them all.
    why : str
        Why no further themes were found; empty where some were.
    sure : ndarray, shape (words, themes)
        Weights of the seeds.
    """

    code: str
    rows: np.ndarray
    words: themes.Bag
    weights: np.ndarray
    choice: pd.DataFrame
    why: str
    sure: np.ndarray

    @property
    def said(self) -> np.ndarray:
        """The themes of each comment, by their place in the language; -1: none."""
        return themes.assign(self.words, self.weights, self.sure)


@dataclass
class Heard:
    """All comments and what they are about.

    Parameters
    ----------
    dataset : Dataset
        Whose comments they are.
    comments : PlainComments
        As they were read.
    before, book : Book
        The theme book of the last run, and of this one.
    languages : tuple of Language
        Those with comments enough, or with themes in the book.
    codes : ndarray of str, shape (comments,)
        Each comment's language.
    said : ndarray of int, shape (comments, 3)
        The themes that each is about, by their place in the book; -1: none.
    again : dict
        Theme -> how well it was found again, of those found now.
    """

    dataset: Dataset
    comments: PlainComments
    before: Book
    book: Book
    languages: tuple[Language, ...]
    codes: np.ndarray
    said: np.ndarray
    again: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The comments."""
        return self.comments.table

    @cached_property
    def homes(self) -> list[Theme]:
        """The themes that are told, without those that count as another, each by its own name."""
        taken: set[str] = set()
        told = [t for t in self.book.themes if not t.counts_as]
        return [t.model_copy(update={"name": _apart(t.name, t.words, taken)}) for t in told]

    @cached_property
    def about(self) -> np.ndarray:
        """Whether each comment is about each of :attr:`homes`, shape (comments, homes)."""
        place = {t.id: i for i, t in enumerate(self.homes)}
        home = np.array([place[self.book.home(t.id)] for t in self.book.themes] + [-1])
        found = np.zeros((len(self.table), len(self.homes) + 1), dtype=bool)
        for column in self.said.T:
            found[np.arange(len(found)), home[column]] = True
        return found[:, :-1]

    @cached_property
    def tone(self) -> np.ndarray:
        """Sentiment of each comment, -1 to 1; NaN where it cannot be told."""
        return sentiment.score(self.table["text"].tolist(), list(self.codes))


def hear(
    dataset: Dataset, read: PlainComments, before: Book, min_group: int, *, known: bool = False
) -> Heard:
    """Tell each comment's language and themes: those of the book first, then new ones.

    New themes are looked for among the comments that no known theme explains.

    Parameters
    ----------
    dataset : Dataset
        Whose comments they are.
    read : PlainComments
        The comments.
    before : Book
        What the last run handed on, edited or not.
    min_group : int
        Customers that a word and a theme need.
    known : bool
        Whether themes of the book are enough in the languages of which it has any.
    """
    texts = read.table["text"].tolist()
    codes = _codes(texts)
    who = read.table["who"].to_numpy()
    said = np.full((len(texts), themes.MOST_TOGETHER), -1)
    book = list(before.themes)
    day = dataset.as_of
    languages, again = [], {}
    for code in _spoken(codes, texts, before):
        rows = np.flatnonzero(codes == code)
        search = not (known and before.of(code))
        made = _one(code, rows, [texts[i] for i in rows], who[rows], book, min_group, search)
        taken = {t.name.casefold() for t in book}
        for name, words, loose in made.new:
            theme = Theme(
                id=new_id(book, code), name=_apart(name, words, taken), language=code,
                first_seen=day, words=words,
            )  # fmt: skip
            book.append(theme)
            again[theme.id] = loose
        languages.append(made.language)
        own = np.array([i for i, t in enumerate(book) if t.language == code] + [-1], dtype=int)
        said[rows] = own[made.language.said]
    final = Book(as_of=day, themes=tuple(book))
    return Heard(dataset, read, before, final, tuple(languages), codes, said, again)


def _codes(texts: Sequence[str]) -> np.ndarray:
    """Tell each text's language; the notebooks of a report ask of the same ones."""

    def make() -> dict[str, np.ndarray]:
        return {"codes": language.settle(language.detect(texts).codes).astype(str)}

    return prepared("languages", [texts], make)["codes"].astype(object)


def _apart(name: str, words: Mapping[str, float], taken: set[str]) -> str:
    """Give a name that none has yet, by further words that the theme is told by, and take it."""
    more = [w for w in sorted(words, key=lambda w: (-words[w], w))
            if w.casefold() not in name.casefold()]  # fmt: skip
    made, number = name, 1
    while made.casefold() in taken:
        if more:
            made = f"{made[: _LONGEST - len(more[0]) - 3]} / {more.pop(0)}"
        else:
            number += 1
            made = f"{name[: _LONGEST - 8]} ({number})"
    taken.add(made.casefold())
    return made


def _spoken(codes: np.ndarray, texts: list[str], book: Book) -> list[str]:
    """Name the languages in which there is enough to be heard, the commonest first."""
    filled = pd.Series(codes[np.array([bool(t) for t in texts], dtype=bool)], dtype=object)
    counts = filled.value_counts()
    known = {t.language for t in book.themes}
    order = sorted(counts.index, key=lambda c: (-int(counts[c]), str(c)))
    return [str(c) for c in order if counts[c] >= themes.LEAST_TEXTS or c in known]


@dataclass(frozen=True)
class _Made:
    """One language, and of each new theme its name, words and how well it was found again."""

    language: Language
    new: list[tuple[str, dict[str, float], float]]


def _one(
    code: str,
    rows: np.ndarray,
    texts: list[str],
    who: np.ndarray,
    book: list[Theme],
    min_group: int,
    search: bool,
) -> _Made:
    """Sort the comments of one language into its themes, and look for new ones."""
    told = cleaning.tokens(texts, [code] * len(texts))
    mine = [t for t in book if t.language == code]
    known = [_by_stems(t.language, t.words) for t in mine]
    seeds = [_by_stems(t.language, dict.fromkeys(t.seeds, themes.ANOTHER)) for t in mine]
    also = sorted({stem for told_by in [*known, *seeds] for stem in told_by})
    words = themes.bag(told.stems, who, min_group, also)
    weights, sure = _matrix(words, known), _matrix(words, seeds)
    weights = np.maximum(weights, sure)
    choice, why, again = pd.DataFrame(), "", np.ones(len(known))
    for alone in (False, True) if search else ():
        rest = themes.assign(words, weights, sure)[:, 0] < 0
        if rest.sum() < themes.LEAST_TEXTS and len(known):
            why = why or f"the theme book leaves {int(rest.sum()):,} comments"
            break
        # One new theme has no words that set it apart but beside the others: look at all first.
        seen = np.flatnonzero(rest) if alone else np.arange(len(words))
        found = _found(words.rows(seen), min_group)
        if not alone:
            choice, why = found.choice, _alike(told.stems) or found.why
        theme = np.full(len(words), -1)
        theme[seen] = themes.assign(words.rows(seen), found.weights)[:, 0]
        fresh = [k for k in range(found.weights.shape[1]) if rest[theme == k].mean() >= _NEW]
        fresh = fresh[: MOST_THEMES - len(book) - (weights.shape[1] - len(known))]
        label = np.full(found.weights.shape[1] + 1, -1)
        label[fresh] = np.arange(len(fresh))
        more = themes.log_odds(words, np.where(rest, label[theme], -1), len(fresh))
        weights = np.hstack([weights, more])
        sure = np.hstack([sure, np.zeros(more.shape)])
        again = np.concatenate([again, found.again[fresh]])
    some = (weights > 0).any(axis=0) | (np.arange(weights.shape[1]) < len(known))
    weights, sure, again = weights[:, some], sure[:, some], again[some]
    named = themes.names(words, weights, themes.assign(words, weights), _NAMED_BY)
    new = []
    for k in range(len(known), weights.shape[1]):
        heavy = np.flatnonzero(weights[:, k])
        told_by = {told.surface[words.words[i]]: float(weights[i, k]) for i in heavy}
        name = " / ".join(told.surface[w] for w in named[k]) or next(iter(told_by))
        new.append((name, told_by, float(again[k])))
    return _Made(Language(code, rows, words, weights, choice, why, sure), new)


def _found(words: themes.Bag, least: int) -> themes.Found:
    """Find the themes of some texts; the notebooks of a report look for the same ones."""

    def make() -> dict[str, np.ndarray]:
        found = themes.find(words, least=least)
        choice = {
            f"choice {c}": found.choice[c].to_numpy() for c in found.choice if len(found.choice)
        }
        return {
            "weights": found.weights,
            "again": found.again,
            "why": np.array(found.why),
            **choice,
        }

    has = words.has
    inputs = (words.words, has.shape, has.indptr, has.indices, has.data, least)
    kept = prepared("themes", inputs, make)
    choice = {c.removeprefix("choice "): v for c, v in kept.items() if c.startswith("choice ")}
    found = themes.Found(kept["weights"], why=str(kept["why"]), again=kept["again"])
    return replace(found, choice=pd.DataFrame(choice)) if choice else found


def _alike(stems: Sequence[Sequence[str]]) -> str:
    """Say so where all comments use the same words; empty where they do not."""
    different = {frozenset(words) for words in stems if words}
    return "all of them use the same words" if len(different) == 1 else ""


def _by_stems(language: str, words: Mapping[str, float]) -> dict[str, float]:
    """Give weights of words by their stems; of a phrase all words are needed."""
    stems = cleaning.tokens(list(words), [language] * len(words)).stems
    found: dict[str, float] = {}
    for weight, mine in zip(words.values(), stems, strict=True):
        for stem in mine:
            found[stem] = max(found.get(stem, 0.0), weight / len(mine))
    return found


def _matrix(words: themes.Bag, told_by: Sequence[Mapping[str, float]]) -> np.ndarray:
    """Put weights by word into an array, shape (words, themes)."""
    place = {w: i for i, w in enumerate(words.words)}
    weights = np.zeros((len(words.words), len(told_by)))
    for k, mine in enumerate(told_by):
        for stem, weight in mine.items():
            if stem in place:
                weights[place[stem], k] = weight
    return weights
