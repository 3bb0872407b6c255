"""What a page gets once its parts are written: contents, places that can be linked to, words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cxlab.report.glossary import explain, names_in
from cxlab.report.markup import template
from cxlab.report.places import link_places, mark_statements

if TYPE_CHECKING:
    from bs4 import BeautifulSoup

__all__ = ["finish_front", "finish_page"]

_NO_WORDS = "No description has been provided for this image"
_ROWS = re.compile(r"<tbody>(.*?)</tbody>", re.DOTALL)
_APART = re.compile(r'<tbody data-cx-apart="(\d+)"></tbody>')
# What may have to be changed in a table: a place, a name that leads elsewhere, a picture, prose.
_CHANGED = re.compile(r"\sid=|<(?!/?(?:tr|td|th|span)\b)")


def finish_page(narrative: str, page: Mapping[str, Any]) -> dict[str, str]:
    """Give the parts of a notebook's page, in the order in which they are read.

    Parameters
    ----------
    narrative : str
        The body, as the notebook's cells gave it.
    page : mapping
        ``parts``, what the templates of top and bottom show; the ``tables`` of the page; and
        ``others``, the questions of the report's other pages by name.

    Returns
    -------
    dict of str to str
        ``top``, ``contents``, ``narrative`` and ``bottom``, as HTML.
    """
    narrative, apart = _set_apart(narrative)
    body, parts = _soup(narrative), page["parts"]
    below = mark_statements(body, parts["findings"])
    _link_pages(body, page["others"])
    for image in body.select("img:not([alt])"):
        image["alt"] = _NO_WORDS
    link_places(body)
    top = _soup(template("top.html.j2", **parts, below=below))
    listed = explain([top, body], names_in(page["tables"]))
    return {
        "top": str(top),
        "contents": _contents(body),
        "narrative": _put_back(str(body), apart),
        "bottom": template("bottom.html.j2", **parts, listed=listed),
    }


def finish_front(text: str, tables: Iterable[Mapping[str, Any]]) -> str:
    """Give the front page with its places and words.

    Parameters
    ----------
    text : str
        The page.
    tables : iterable of mapping
        The tables of the run, for the names that are the user's own.
    """
    page = _soup(text)
    words = _soup(template("words.html.j2", listed=explain([page], names_in(tables))))
    about = page.select_one(".cx-about")
    assert about is not None
    about.insert_before(*words.find_all(recursive=False))
    link_places(page)
    return str(page)


def _soup(text: str) -> BeautifulSoup:
    from bs4 import BeautifulSoup

    return BeautifulSoup(text, "html.parser")


def _set_apart(narrative: str) -> tuple[str, list[str]]:
    """Take out the rows of tables in which nothing is to be changed.

    Most of a page is cells; to read and write them as a tree takes most of the time.
    """
    apart: list[str] = []
    forged = _APART.search(narrative) is not None  # somebody writes so, to whatever end

    def mark(found: re.Match[str]) -> str:
        if forged or _CHANGED.search(found[1]):
            return found[0]
        apart.append(found[0])
        return f'<tbody data-cx-apart="{len(apart) - 1}"></tbody>'

    return _ROWS.sub(mark, narrative), apart


def _put_back(narrative: str, apart: list[str]) -> str:
    """Put the rows back in their places."""
    return _APART.sub(lambda found: apart[int(found[1])], narrative) if apart else narrative


def _link_pages(body: BeautifulSoup, others: Mapping[str, str]) -> None:
    """Let the name of another page lead there, and say what that answers."""
    for code in body.find_all("code"):
        name = code.get_text()
        if name in others and code.find_parent(["a", "pre", "details"]) is None:
            link = {"href": f"{quote(name)}.html", "title": others[name]}
            code.wrap(body.new_tag("a", attrs=link))


def _contents(body: BeautifulSoup) -> str:
    """Give a list of the sections out of a page's body."""
    sections = [
        (found["id"], "".join(found.find_all(string=True, recursive=False)).strip())
        for found in body.find_all("h2", id=True)
    ]
    return template("contents.html.j2", sections=sections)
