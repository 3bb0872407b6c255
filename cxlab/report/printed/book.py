"""A run as one document to be printed: a title page, contents, and all its pages in a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cxlab.report.markup import policy, shared, template
from cxlab.report.printed.paper import fold_wide_tables

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

__all__ = ["Book", "read_book"]

_FRONT = "front"
_LEFT_OUT = (
    *("script", "button", ".cx-contents", ".cx-code", ".cx-data", ".anchor-link", ".cx-crumb"),
    ".cx-bottom > p",  # where the other pages and files are
    ".cx-questions details",  # what the pages themselves say first
    *(".cx-here", ".cx-words"),
)
_OPENED = ".cx-others"
_REFERS = ("aria-labelledby", "aria-describedby", "for")
_KEPT = re.compile(r"(https?|mailto):")
_UNLISTED = ("cx-answer", "cx-settings")  # the same on every page
# Where the number of a page goes: it is known once all is printed.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACE = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_STAND_IN = "00"


@dataclass(frozen=True)
class _Entry:
    """A line of the contents."""

    anchor: str
    title: str
    below: list[_Entry] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A page of the run: what it says, and its line of the contents."""

    entry: _Entry
    body: str
    brief: bool


@dataclass(frozen=True)
class Book:
    """A run's pages in one document.

    Parameters
    ----------
    manifest : mapping
        The run's manifest.
    cover : str
        What the title page says, as HTML.
    parts : list
        The front page's body, then the pages in the order of the manifest.
    """

    manifest: Mapping[str, Any]
    cover: str
    parts: list[_Part]

    def html(self, numbers: Mapping[str, int]) -> str:
        """Give the document.

        Parameters
        ----------
        numbers : mapping of str to int
            On which page an anchor is printed; empty where nothing was printed yet, so that
            numbers that are about as long stand in.
        """
        unknown = "" if numbers else _STAND_IN
        css = shared("cxlab.css") + shared("book.css") + _footer(self.manifest)
        text = template(
            "book.html.j2",
            title=self.manifest["title"],
            as_of=self.manifest["as_of"],
            made=self.manifest["started"][:16].replace("T", " "),
            css=css,
            policy=policy(css),
            cover=self.cover,
            parts=self.parts,
            place=_place,
        )
        return _PLACE.sub(lambda found: str(numbers.get(found[1], unknown)), text)


def read_book(folder: Path, manifest: Mapping[str, Any]) -> Book:
    """Read a run's pages.

    Parameters
    ----------
    folder : pathlib.Path
        The run, its front page and its pages written.
    manifest : mapping
        Its manifest.
    """
    names = [n for n in manifest["notebooks"] if (folder / f"{n}.html").is_file()]
    anchors = {"index": _FRONT} | {name: f"part-{k}" for k, name in enumerate(names, start=1)}
    front = _read(folder / "index.html", _FRONT, anchors)
    cover = front.select_one(".cx-top")
    assert cover is not None and front.main is not None
    top = _part(front.main, _FRONT, "At a glance")
    parts = [_page(folder, name, anchors) for name in names]
    return Book(manifest, cover.decode_contents(), [top, *parts])


def _page(folder: Path, name: str, anchors: Mapping[str, str]) -> _Part:
    soup = _read(folder / f"{name}.html", anchors[name], anchors)
    assert soup.body is not None and soup.h1 is not None
    brief = "cx-brief" in soup.body.get_attribute_list("class")
    return _part(soup.body, anchors[name], soup.h1.get_text(strip=True), brief)


def _part(body: Tag, anchor: str, title: str, brief: bool = False) -> _Part:
    below = [
        _Entry(str(found["id"]), found.get_text(strip=True))
        for found in body.find_all("h2", id=True)
        if found["id"] not in {f"{anchor}-{name}" for name in _UNLISTED}
    ]
    return _Part(_Entry(anchor, title, below), body.decode_contents(), brief)


def _read(path: Path, own: str, anchors: Mapping[str, str]) -> BeautifulSoup:
    """Read a page as a part of a larger document: its anchors get ``own`` put before them."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    for found in soup.select(", ".join(_LEFT_OUT)):
        found.decompose()
    for found in soup.select(".cx-word"):
        found.unwrap()
    fold_wide_tables(soup)
    for found in soup.select(_OPENED):
        found["open"] = ""
    for found in soup.find_all(id=True):
        found["id"] = _anchor(own, str(found["id"]))
    for name in _REFERS:
        for found in soup.select(f"[{name}]"):
            found[name] = " ".join(_anchor(own, each) for each in str(found[name]).split())
    _point(soup.find_all("a"), own, anchors)
    return soup


def _point(links: Iterable[Tag], own: str, anchors: Mapping[str, str]) -> None:
    """Let links go to where a page is in the document; those to files go, for none is there."""
    for link in links:
        page, _, place = unquote(str(link.get("href", ""))).partition("#")
        part = anchors.get(page.removesuffix(".html")) if page else own
        if part is not None:
            target = _anchor(part, place) if place else part
            link["href"] = f"#{target}"
            if "cx-source" in link.get_attribute_list("class"):
                link.append(f", page {_place(target)}")
        elif not _KEPT.match(str(link.get("href", ""))):
            link.unwrap()


def _anchor(own: str, name: str) -> str:
    """Name an anchor of a part with what a PDF's own names may hold."""
    return f"{own}-{re.sub(r'[^A-Za-z0-9-]', lambda found: f'_{ord(found[0]):x}', name)}"


def _place(anchor: str) -> str:
    """Stand for the number of the page where an anchor is printed."""
    return f"{_OPEN}{anchor}{_CLOSE}"


def _footer(manifest: Mapping[str, Any]) -> str:
    """Give the rule for what stands at the foot of every page."""
    day = f"as of {manifest['as_of']}" if manifest["as_of"] else "undated"
    marks = {"failed": "this run failed", "not publishable": "not to be published"}
    told = [manifest["title"], day, marks.get(manifest["status"], "")]
    text = ", ".join(each for each in told if each)
    return f'@page {{ @bottom-left {{ content: "{_css_text(text)}" }} }}'


def _css_text(text: str) -> str:
    """Write a text within a CSS string: whatever is no letter or digit by its number."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"\\{ord(found[0]):x} ", text[:120])
