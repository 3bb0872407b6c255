"""The field's words, explained where a page says them first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.data.contract import read_yaml
from cxlab.report.places import anchor

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, NavigableString

__all__ = ["Word", "explain", "names_in", "read_glossary"]

_FILE = Path(__file__).parent / "glossary.yml"
# Where no word is explained: what is no prose of ours, and what is pressed.
_APART = frozenset(
    "a button code details dfn h1 h2 h3 h4 h5 h6 kbd pre samp script style table title".split()  # noqa: SIM905
)
_QUIET = frozenset({"cx-crumb", "cx-contents", "cx-about", "cx-verdict"})
# Columns whose values are somebody's own names: a touchpoint may be called "half-life".
_OWN = frozenset(
    """
    attribute begins_at channel from intervention level owner persona segment stage theme to
    touchpoint
    """.split()  # noqa: SIM905
)
_OURS = frozenset({"all touchpoints"})


@dataclass(frozen=True)
class Word:
    """A word of the field.

    Parameters
    ----------
    term : str
        What it is called.
    meaning : str
        One plain sentence.
    forms : tuple of str
        Every spelling in which it is found, the term among them.
    """

    term: str
    meaning: str
    forms: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """Its place on a page."""
        return anchor("word", self.term.replace(" ", "-").replace("%", ""))


@cache
def read_glossary() -> tuple[Word, ...]:
    """Read the words that are explained."""
    return tuple(
        Word(term, told["meaning"], (term, *told.get("also", ())))
        for term, told in read_yaml(_FILE).items()
    )


def names_in(tables: Iterable[Mapping[str, Any]]) -> set[str]:
    """Gather the names the user has given to things.

    Parameters
    ----------
    tables : iterable of mapping
        The tables a page shows: ``columns`` and ``rows``.
    """
    names: set[str] = set()
    for table in tables:
        own = [k for k, name in enumerate(table["columns"]) if name.replace(" ", "_") in _OWN]
        names.update(row[k] for row in table["rows"] for k in own if isinstance(row[k], str))
    return names - _OURS


def explain(soups: Sequence[BeautifulSoup], names: Iterable[str]) -> list[Word]:
    """Let each word lead to its meaning where it first stands.

    Parameters
    ----------
    soups : sequence of bs4.BeautifulSoup
        The parts of one page, in the order in which they are read; they are changed.
    names : iterable of str
        The user's own names; a word that is in one of them is left alone.

    Returns
    -------
    list of Word
        The words that were found, by name.
    """
    left = _of_ours(names)
    found: list[Word] = []
    for soup in soups:
        for text in [t for t in soup.find_all(string=True) if _is_prose(t)]:
            found += _mark(soup, text, left)
    return sorted(found, key=lambda word: word.term.lower())


def _of_ours(names: Iterable[str]) -> dict[str, Word]:
    """Give the words by spelling, without those that are somebody's own names."""
    theirs = "\n".join(set(names))
    words = [w for w in read_glossary() if not any(_pattern([f]).search(theirs) for f in w.forms)]
    return {form: word for word in words for form in word.forms}


def _pattern(forms: Iterable[str]) -> re.Pattern[str]:
    """Find any of some spellings as whole words, the longest first."""
    longest = sorted(forms, key=len, reverse=True)
    written = [re.escape(f) if f.isupper() else f"(?i:{re.escape(f)})" for f in longest]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(written)})(?![\w-])")


def _is_prose(text: NavigableString) -> bool:
    """Tell whether a text is running prose of ours."""
    if type(text).__name__ != "NavigableString" or not text.strip():
        return False
    return not any(
        p.name in _APART or not _QUIET.isdisjoint(p.get_attribute_list("class"))
        for p in text.parents
    )


def _mark(soup: BeautifulSoup, text: NavigableString, left: dict[str, Word]) -> list[Word]:
    """Make links of the words that a text says first; take them out of those that are left."""
    found: list[Word] = []
    pieces: list[Any] = []
    said, place = str(text), 0
    while left and (hit := _pattern_of(tuple(left)).search(said, place)):
        word = left[next(f for f in left if f.lower() == hit[0].lower())]
        if _is_quoted(said, hit):
            pieces.append(said[place : hit.end()])
        else:
            link = {"class": "cx-word", "href": f"#{word.anchor}", "aria-describedby": word.anchor}
            made = soup.new_tag("a", attrs=link)
            made.string = hit[0]
            pieces += [said[place : hit.start()], made]
            found.append(word)
            for form in word.forms:
                left.pop(form, None)
        place = hit.end()
    if found:
        text.replace_with(*(p for p in (*pieces, said[place:]) if p))
    return found


@cache
def _pattern_of(forms: tuple[str, ...]) -> re.Pattern[str]:
    return _pattern(forms)


def _is_quoted(said: str, hit: re.Match[str]) -> bool:
    """Tell whether a word is cited: between quotes it is somebody's own."""
    before, after = said[: hit.start()], said[hit.end() :]
    return before.count("“") > before.count("”") and "”" in after
