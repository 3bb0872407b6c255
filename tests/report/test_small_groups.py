"""Groups of few customers are withheld in every file of a run."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import RARE, hostile_events, hostile_snapshot, report
from openpyxl import load_workbook

from cxlab.report.render import Run

LEAST = 10  # the default of min_group
RARES = re.compile("|".join(RARE))
LEVEL = re.compile(rf"(.*(=|:) ?)?({RARES.pattern})\W*")
Table = tuple[str, list[Any], list[list[Any]]]
# How many customers a row is about.
SIZES = ("n", "n_before", "customers", "now", "asked", "customers now", "customers affected")


@pytest.fixture(
    scope="module", params=[hostile_events, hostile_snapshot], ids=lambda make: make.__name__
)
def run(request: pytest.FixtureRequest, once: Any) -> Run:
    """A report of customers some of whose groups are small; tests only read it."""
    return report(once, request.param)


def tables(run: Run) -> Iterator[Table]:
    """Give every table of a run, wherever it is: its name, its columns, its rows."""
    for path in [*run.path.glob("tables/*.csv"), *run.path.glob("*.csv")]:
        with path.open(encoding="utf-8", newline="") as file:
            if rows := [*csv.reader(file)]:
                yield path.stem, rows[0], rows[1:]
    for path in run.path.rglob("*.parquet"):
        kept = pd.read_parquet(path).drop(columns=["run_id", "as_of"])
        yield "history", list(kept), kept.to_numpy(dtype=object).tolist()
    book = load_workbook(run.path / "tables.xlsx", read_only=True)
    sheets = {s.title: [[*row] for row in s.iter_rows(values_only=True)] for s in book.worksheets}
    book.close()
    for title, told in sheets.items():
        head, *rows = told or [[]]
        yield f"{title} (sheet)", head, rows
    for path in run.path.glob("*.html"):
        for text in re.findall(r"<table.*?</table>", path.read_text(encoding="utf-8"), re.DOTALL):
            head, *rows = [cells(row) for row in text.split("<tr")[1:]] or [[]]
            yield path.name, head, rows
    for path in run.path.glob("*.ipynb"):
        for name, shown in carried(path):
            yield f"{path.stem}: {name}", shown["columns"], shown["rows"]


def cells(row: str) -> list[str]:
    """Give the texts of a row of a page."""
    found = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in found]


def carried(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the tables that an executed notebook carries: of results, of pictures."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    waiting = [d for c in cells for o in c.get("outputs", []) for d in o.get("data", {}).values()]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(one.get("columns"), list) and isinstance(one.get("rows"), list):
                yield str(one.get("name", "")), one
            waiting += [{"name": one.get("name", ""), **v} if k in ("table", "data") else v
                        for k, v in one.items() if isinstance(v, dict)]  # fmt: skip


def figures(columns: list[Any], row: list[Any]) -> dict[str, Any]:
    """Give what a row tells in numbers, but for those that its level has no part in."""
    told = dict(zip(columns, row, strict=False))
    named = {k: v for k, v in told.items() if str(k) not in ("metric", "unit", "all")}
    there = {k: v for k, v in named.items() if v is not None and v == v and v is not False}
    return {k: v for k, v in there.items() if re.search(r"\d", RARES.sub("", str(v)))}


def test_no_table_has_a_figure_of_a_small_group(run: Run) -> None:
    seen, told = 0, []
    for name, columns, rows in tables(run):
        for row in rows:
            if any(LEVEL.fullmatch(str(value)) for value in row):
                seen += 1
                told += [(name, found)] if (found := figures(columns, row)) else []
    assert not told
    assert seen > 20 or run.path.name.startswith("undated")  # a snapshot's are joined


def test_no_table_says_how_few_a_small_group_is(run: Run) -> None:
    looked, told = 0, []
    for name, columns, rows in tables(run):
        for place in [i for i, c in enumerate(columns) if c in SIZES and not exempt(name, columns)]:
            for row in rows:
                size = re.sub(r"[,\s]", "", str(row[place])) if len(row) == len(columns) else ""
                if re.fullmatch(r"\d+(\.0)?", size):
                    looked += 1
                    if 0 < float(size) < LEAST:
                        told.append((name, columns[place], row))
    assert looked > 100 and not told


def exempt(name: str, columns: list[Any]) -> bool:
    """Contacts at a touchpoint are counted whoever had them: drivers.csv does by contract."""
    return name == "history" or "valence" in columns or "touchpoint" in columns


def test_no_finding_and_no_risk_is_of_a_small_group(run: Run) -> None:
    found = json.loads((run.path / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert len(found) > 3
    for finding in found:
        assert finding["n"] is None or not 0 < finding["n"] < LEAST, finding
        rare = RARES.search(finding["statement"])
        assert not rare or "ithheld" in finding["statement"], finding
    listed = run.path / "risk.csv"
    assert not listed.exists() or not RARES.search(listed.read_text(encoding="utf-8"))


def left(found: pd.DataFrame, size: str, by: list[str], total: Callable[[Any], float]) -> None:
    """Assert that what groups leave of the total is nothing, or as much as may be told."""
    assert len(found)
    for key, part in found.groupby(by):
        rest = total(key) - part[size].sum()
        assert rest == 0 or rest >= LEAST, (key, rest)


def test_what_others_leave_of_all_tells_no_small_group(once: Any) -> None:
    run = report(once, hostile_events)
    folder = run.path / "tables"
    groups = pd.read_csv(folder / "churn_risk.groups.csv")
    groups = groups[groups["group"] == "grade"]
    assert groups["now"].notna().sum() >= 1
    left(groups, "now", ["group"], lambda _: len(pd.read_csv(run.path / "risk.csv")))
    levels = pd.read_csv(folder / "experience_metrics.levels.csv")
    card = pd.read_csv(folder / "experience_metrics.csv").set_index("metric")["n"]
    levels = levels[(levels["by"] == "grade") & levels["metric"].isin(card.index)]
    left(levels, "n", ["metric"], lambda key: card[key[0]])
