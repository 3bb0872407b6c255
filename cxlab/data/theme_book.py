"""The theme book, ``themes.yml``: what a theme is called, by which words it is told.

A run writes it, people edit it, the next run reads it: comments go to the themes of the book by
the words written there, so that week 12's theme is week 11's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cxlab.data.contract import read_yaml, validation_line
from cxlab.errors import DataError

__all__ = ["MOST_THEMES", "Book", "Theme", "new_id", "read_book", "write_book"]

_HEAD = """\
# The theme book of cxlab: the themes that comments are sorted into, the same in each run.
# It is yours to edit; the next run keeps to it, and adds only themes that it does not know.
#   name       what the theme is called in reports
#   counts_as  the id of another theme that this one is counted with
#   seeds      words or parts of the theme; a comment with one of them is about it
#   words      what the theme is told by, and how strongly (2 is enough for a comment)
# Take out a theme, and its comments are free to make a new one.
"""
MOST_THEMES = 500
"""So many themes a book holds at most."""
_MOST_WORDS, _LARGEST = 200, 5_000_000

Word = Annotated[str, Field(min_length=1, max_length=80)]
Weight = Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)]


class _Plain(yaml.SafeDumper):
    """Writes what is there twice twice: an alias is hard to edit."""

    def ignore_aliases(self, data: object) -> bool:
        """Make no alias of anything."""
        return True


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Theme(_Strict):
    """One theme of the book.

    Parameters
    ----------
    id : str
        Of the theme, such as ``en-3``; it never changes.
    name : str
        What it is called.
    language : str
        ISO 639-1 code of its comments; ``und``: not known.
    first_seen : datetime.date
        ``as_of`` of the run that found it.
    counts_as : str
        The id of a theme that it is counted with; empty: none.
    seeds : tuple of str
        Words that put a comment here.
    words : dict
        Word -> its weight.
    """

    id: str = Field(pattern=r"^[a-z]{2,3}-[1-9][0-9]{0,5}$")
    name: Annotated[str, Field(min_length=1, max_length=120)]
    language: str = Field(pattern=r"^[a-z]{2,3}$")
    first_seen: dt.date
    counts_as: str = ""
    seeds: tuple[Word, ...] = Field(default=(), max_length=_MOST_WORDS)
    words: dict[Word, Weight] = Field(default_factory=dict, max_length=_MOST_WORDS)

    @field_validator("name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        if not re.search(r"\w", name) or re.search(r"[\x00-\x1f\x7f-\x9f]", name):
            raise ValueError("a name is one line with a letter or a digit")
        return name.strip()

    @model_validator(mode="after")
    def _told(self) -> Theme:
        if not self.words and not self.seeds:
            raise ValueError(f"theme {self.id} has neither words nor seeds")
        return self


class Book(_Strict):
    """All themes.

    Parameters
    ----------
    as_of : datetime.date
        The last day that the run which wrote it had seen; None: no run yet.
    themes : tuple of Theme
        In their order.
    """

    as_of: dt.date | None = None
    themes: tuple[Theme, ...] = Field(default=(), max_length=MOST_THEMES)

    @model_validator(mode="after")
    def _fits_together(self) -> Book:
        ids = [t.id for t in self.themes]
        if twice := [i for i, n in Counter(ids).items() if n > 1]:
            raise ValueError(f"the id {twice[0]} is given twice")
        for theme in self.themes:
            if theme.counts_as and theme.counts_as not in ids:
                raise ValueError(f"theme {theme.id} counts as {theme.counts_as}, which is not here")
            self.home(theme.id)
        return self

    def home(self, theme: str) -> str:
        """Give the id of the theme that one is counted with in the end.

        Parameters
        ----------
        theme : str
            An id.
        """
        counts_as = {t.id: t.counts_as for t in self.themes}
        seen = [theme]
        while counts_as[seen[-1]]:
            seen.append(counts_as[seen[-1]])
            if seen[-1] in seen[:-1]:
                raise ValueError(f"themes count as each other: {' -> '.join(seen)}")
        return seen[-1]

    def of(self, language: str) -> list[Theme]:
        """Give the themes of one language, in their order."""
        return [t for t in self.themes if t.language == language]


def new_id(themes: Sequence[Theme], language: str) -> str:
    """Give the next free id of a language.

    Parameters
    ----------
    themes : sequence of Theme
        All there are.
    language : str
        ISO 639-1 code.
    """
    numbers = {int(t.id.rpartition("-")[2]) for t in themes if t.id.startswith(f"{language}-")}
    after = max(numbers, default=0) + 1
    # By hand the last number may have been given: then the first that is free.
    free = after if after < 10**6 else next(k for k in range(1, 10**6) if k not in numbers)
    return f"{language}-{free}"


def read_book(state: str | Path) -> Book:
    """Read ``themes.yml`` of a folder; without one, an empty book.

    Parameters
    ----------
    state : str or Path
        What the last run handed on; empty, or a folder that is not there: nothing.

    Raises
    ------
    DataError
        The file is no theme book: it names the file, the key and what was expected.
    """
    path = Path(state) / "themes.yml"
    if not str(state) or not path.exists():
        return Book()
    if path.is_file() and path.stat().st_size > _LARGEST:
        raise DataError(f"{path}: larger than {_LARGEST // 1_000_000} MB; a theme book is not")
    try:
        return Book.model_validate(read_yaml(path))
    except ValidationError as error:
        raise validation_line(path, error, Book) from None


def write_book(book: Book) -> str:
    """Write a book as the text of ``themes.yml``; the same book gives the same text.

    Parameters
    ----------
    book : Book
        The themes.
    """
    themes = [
        {
            "id": t.id,
            "name": t.name,
            "language": t.language,
            "first_seen": t.first_seen,
            "counts_as": t.counts_as,
            "seeds": list(t.seeds),
            "words": dict(sorted(t.words.items(), key=lambda w: (-w[1], w[0]))),
        }
        for t in book.themes
    ]
    plain = {"as_of": book.as_of, "themes": themes}
    text = yaml.dump(plain, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD + str(text)
