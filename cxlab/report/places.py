"""Places on a page that stay: every heading, picture, table and finding can be linked to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cxlab.results import RESULT_MIME

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

__all__ = ["anchor", "link_places", "mark_rows", "mark_statements"]

_LEAST = 30  # letters from which on a first sentence tells a finding from others
_FIGURES = ("estimate", "conf_low", "conf_high")
_TOLD_IN = ["p", "li", "figcaption"]


def anchor(kind: str, name: str) -> str:
    """Name the place of a thing: the same in every run, and what any address can hold.

    Parameters
    ----------
    kind : str
        What it is, such as ``"table"``.
    name : str
        Its own name, whatever letters that has.
    """
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-")[:80]
    if plain == name:
        return f"{kind}-{plain}"
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{kind}-{plain}-{digest}"


def mark_rows(cells: Iterable[Mapping[str, Any]], findings: Sequence[Mapping[str, Any]]) -> None:
    """Note in each result which of its rows has the figures of a finding.

    Parameters
    ----------
    cells : iterable of mapping
        A notebook's cells; a result gets ``places``, an anchor by the number of the row.
    findings : sequence of mapping
        What the notebook found.
    """
    sought = {
        tuple(f[name] for name in _FIGURES): anchor("found", f["id"])
        for f in findings
        if all(f.get(name) is not None for name in _FIGURES)
    }
    for output in (o for cell in cells for o in cell.get("outputs", ())):
        if result := output.get("data", {}).get(RESULT_MIME):
            result["places"] = _rows_of(result["table"], sought)


def _rows_of(
    table: Mapping[str, Any], sought: dict[tuple[float, ...], str]
) -> dict[int, list[str]]:
    """Give the anchors of each row that holds the figures of findings, each of them once."""
    places: dict[int, list[str]] = {}
    for number, row in enumerate(table["rows"] if sought else ()):
        values = {v for v in row if isinstance(v, float)}
        for figures in [f for f in sought if values.issuperset(f)]:
            places.setdefault(number, []).append(sought.pop(figures))
    return places


def mark_statements(soup: BeautifulSoup, findings: Iterable[Mapping[str, Any]]) -> set[str]:
    """Mark where the body of a page tells each finding: in its words, else in its figures.

    Parameters
    ----------
    soup : bs4.BeautifulSoup
        The body; it is changed.
    findings : iterable of mapping
        What the page answers.

    Returns
    -------
    set of str
        The anchors of those that the body tells.
    """
    told = [(each, _spaced(each.get_text())) for each in soup.find_all(_TOLD_IN)]
    told = [(each, text) for each, text in told if text and each.find_parent("details") is None]
    rows = {str(row["id"]): row for row in soup.select(".cx-place[id]")}
    marked = set(rows)
    for finding in findings:
        place, statement = anchor("found", finding["id"]), _spaced(finding["statement"])
        element = _teller(told, statement, place in rows)
        if element is not None:
            if place in rows:
                rows[place].decompose()
            element.insert(0, soup.new_tag("span", attrs={"class": "cx-place", "id": place}))
            marked.add(place)
    return marked


def _teller(told: Sequence[tuple[Tag, str]], statement: str, whole: bool) -> Tag | None:
    """Find what says a statement, or at least its first sentence where that will do."""
    first = re.split(r"(?<=[.:?!]) ", statement)[0]
    allowed = [statement] if whole or len(first) < _LEAST else [statement, first]
    return next((each for part in allowed for each, text in told if part in text), None)


def _spaced(text: str) -> str:
    return " ".join(text.split())


def link_places(soup: BeautifulSoup) -> None:
    """Give every heading, picture and table of a page an id of its own, and a link to it.

    Parameters
    ----------
    soup : bs4.BeautifulSoup
        A page, or its body; it is changed.
    """
    _keep_apart(soup)
    taken = {str(each["id"]) for each in soup.find_all(id=True)}
    for heading in soup.find_all(["h2", "h3", "h4"]):
        if not heading.get("id"):
            said = re.sub(r"[^A-Za-z0-9]+", "-", heading.get_text(" ", strip=True)).strip("-")
            heading["id"] = _free(f"part-{said or 'section'}", taken)
        if heading.find("a", class_="anchor-link") is None:
            heading.append(_link(soup, str(heading["id"]), "this section"))
    _link_tables(soup, taken)
    for picture in soup.select(".cx-picture[id] > figure > figcaption"):
        owner = picture.find_parent(class_="cx-picture")
        assert owner is not None
        picture.append(_link(soup, str(owner["id"]), "this picture"))


def _link_tables(soup: BeautifulSoup, taken: set[str]) -> None:
    """Link the tables in sight; those of pictures are found by their picture."""
    section = "page"
    for each in soup.find_all(_is_heading_or_table):
        if each.name != "div":
            section = str(each["id"])
            continue
        owner = each.find_parent(class_="cx-result")
        if owner is None or not owner.get("id"):
            owner = each
            each["id"] = _free(f"table-{section.removeprefix('part-')}", taken)
        link = soup.new_tag("p", attrs={"class": "cx-here"})
        link.append(_link(soup, str(owner["id"]), "this table"))
        each.insert_after(link)


def _is_heading_or_table(tag: Tag) -> bool:
    if tag.name in ("h2", "h3", "h4"):
        return True
    shown = tag.name == "div" and "cx-scroll" in tag.get_attribute_list("class")
    return shown and tag.find_parent("details") is None


def _keep_apart(soup: BeautifulSoup) -> None:
    """Number what is shown twice, so that an id stands for one place."""
    seen: set[str] = set()
    for each in soup.find_all(id=True):
        each["id"] = _free(str(each["id"]), seen)


def _free(name: str, taken: set[str]) -> str:
    """Give a name that is not taken, and take it."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free)
    return free


def _link(soup: BeautifulSoup, place: str, what: str) -> Tag:
    made = {"class": "anchor-link", "href": f"#{place}", "aria-label": f"Link to {what}"}
    link = soup.new_tag("a", attrs=made)
    link.string = "¶"
    return link
