"""Figures of the benchmarks' pages: a table's rows, or one cell within a sentence."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["figure", "table"]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def table(page: str, heading: str = "", rows: str = "", columns: str = "") -> str:
    """Give a table of a benchmark's page, whole or in part, and name the page.

    Parameters
    ----------
    page : str
        The page's name, such as ``recovery``.
    heading : str
        The heading above it; empty: the page's first table.
    rows : str
        A regular expression for the rows to show, each as one text.
    columns : str
        Names of the columns to show, between semicolons; empty: all.

    Raises
    ------
    ValueError
        If there is no such table, row or column.
    """
    head, body = _read(page, heading)
    wanted = [c.strip() for c in columns.split(";")] if columns else head
    if unknown := [c for c in wanted if c not in head]:
        raise ValueError(f"{page}.md: no column {unknown[0]!r}; there are {', '.join(head)}")
    kept = [r for r in body if re.search(rows, " | ".join(r))]
    if not kept:
        raise ValueError(f"{page}.md: no row of {heading!r} has {rows!r}")
    places = [head.index(c) for c in wanted]
    lines = [_line([names[i] for i in places]) for names in (head, ["---"] * len(head), *kept)]
    return "\n".join([*lines, "", f"From `benchmarks/{page}.md`."])


def figure(page: str, column: str, rows: str, heading: str = "") -> str:
    """Give one cell of a table of a benchmark's page.

    Parameters
    ----------
    page, column, rows, heading : str
        As for :func:`table`; one row alone may be meant.

    Raises
    ------
    ValueError
        If not one cell alone is meant.
    """
    head, body = _read(page, heading)
    kept = [r for r in body if re.search(rows, " | ".join(r))]
    if column not in head or len(kept) != 1:
        raise ValueError(f"{page}.md: {len(kept)} rows have {rows!r}, of {column!r}; one is wanted")
    return kept[0][head.index(column)]


def _read(page: str, heading: str) -> tuple[list[str], list[list[str]]]:
    lines = (BENCHMARKS / f"{page}.md").read_text(encoding="utf-8").splitlines()
    if heading:
        titles = [line.lstrip("# ") if line.startswith("#") else None for line in lines]
        if heading not in titles:
            raise ValueError(f"{page}.md: no heading {heading!r}")
        lines = lines[titles.index(heading) + 1 :]
    begin = next((i for i, line in enumerate(lines) if line.startswith("|")), None)
    if begin is None:
        raise ValueError(f"{page}.md: no table under {heading!r}")
    found = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return found[0], found[2:]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
