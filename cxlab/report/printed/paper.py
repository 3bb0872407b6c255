"""What has to change for a page to fit on paper: a table of many columns becomes several."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

__all__ = ["fold_wide_tables"]

_ACROSS = 118  # letters of the smallest type that is read with ease, across a page
_BETWEEN = 2  # letters between two columns
_WIDEST = 30  # letters of a line within a cell


def fold_wide_tables(soup: BeautifulSoup) -> None:
    """Put the columns of each wide table below each other, the first one beside all of them.

    Parameters
    ----------
    soup : bs4.BeautifulSoup
        A page; it is changed.
    """
    for box in soup.select(".cx-wide"):
        if box.table is not None:
            _fold(soup, box, box.table)
        box["class"] = "cx-scroll"


def _fold(soup: BeautifulSoup, box: Tag, table: Tag) -> None:
    rows = [[*row.find_all(["th", "td"], recursive=False)] for row in table.find_all("tr")]
    count = len(rows[0])
    blocks = _blocks(rows)
    if len(blocks) == 1:
        return
    keys = _keys(rows[0])
    table.extract()
    for block in blocks:
        first, last = block[0] + 1, block[-1] + 1
        told = f"Columns {first} to {last} of {count}" if last > first else f"Column {first}"
        note = soup.new_tag("p", attrs={"class": "cx-columns"})
        note.string = f"{told}:" if last > first else f"{told} of {count}:"
        box.append(note)
        box.append(_only(table, [*(k for k in keys if k not in block), *block]))


def _keys(header: list[Tag]) -> list[int]:
    """Tell by which columns a row is known: those that stay in sight on a screen."""
    classes = [set(cell.get_attribute_list("class")) for cell in header]
    return [k for k, own in enumerate(classes) if own & {"key", "rank"}] or [0]


def _blocks(rows: list[list[Tag]]) -> list[list[int]]:
    """Part the columns so that each block, with the key columns, is as wide as the page."""
    widths = [_width([row[k] for row in rows]) for k in range(len(rows[0]))]
    keys = _keys(rows[0])
    beside = sum(widths[k] for k in keys)
    blocks: list[list[int]] = [[]]
    used = 0
    for k, width in enumerate(widths):
        own = 0 if k in keys else width
        if blocks[-1] and used + own > _ACROSS - beside:
            blocks.append([])
            used = 0
        blocks[-1].append(k)
        used += own
    return blocks


def _width(cells: list[Tag]) -> int:
    """Tell how many letters a column takes: its head may be broken between words."""
    head, *body = ([*cell.stripped_strings] for cell in cells)
    words = [len(word) for text in head for word in text.split()]
    lines = [min(len(" ".join(text)), _WIDEST) for text in body]
    return max([*words, *lines], default=0) + _BETWEEN


def _only(table: Tag, columns: list[int]) -> Tag:
    """Copy a table with some of its columns."""
    made = copy.copy(table)
    for row in made.find_all("tr"):
        for k, cell in enumerate(row.find_all(["th", "td"], recursive=False)):
            if k not in columns:
                cell.decompose()
    return made
