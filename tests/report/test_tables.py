"""Tables are safe to open in a spreadsheet, and say there what they say on the page."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from cxlab.analyses.churn_drivers import COLUMNS
from cxlab.report import tables as module
from cxlab.report.findings import drivers_text
from cxlab.report.tables import csv_text, write_tables, write_text, write_workbook
from cxlab.results import cell_text, cell_text_read

FORMULAS = [
    "=1+1",
    "+1",
    "-1+2|x",
    "@SUM(A1)",
    '=HYPERLINK("http://evil","x"), "q"',
    "\t=1",
    "\tplain",
    "\rplain",
    "\nplain",
    "  =1",
    "\u00a0=1",
    "\ufeff=1",
    "\u200b=1",
    '"=1',
    "'=1",
    "' \" =1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "﹣1",
    "-",
    "-0.5",
]
HARMLESS = [
    "a-b",
    "<0.001",
    "0.5",
    "a = b",
    "–5%",
    "'s-Hertogenbosch",
    "a; b",
    "",
    "Größe",
    "a@b.c",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert cell_text(text).startswith("'")
    assert cell_text(text).replace("'", "") == text.replace("'", "")
    assert cell_text_read(cell_text(text)) == text


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert cell_text(text) == cell_text_read(text) == text


@pytest.mark.parametrize("text", ["a;=1", "a; @x", "a\n+1", "a\r\n=1", "a\t-1"])
def test_a_file_split_elsewhere_runs_nothing(text: str) -> None:
    """German spreadsheets split a line at semicolons, and take no quote within it for one."""
    safe = cell_text(text)
    parts = [p for line in safe.splitlines() for half in line.split(";") for p in half.split("\t")]
    assert not [p for p in parts if p.lstrip(' "').startswith(tuple("=+-@"))]
    assert cell_text_read(safe) == text


def test_the_apostrophes_can_be_taken_out_whatever_the_text() -> None:
    draw = np.random.default_rng(7)
    letters = np.array(list("=+-@'\"; \t\r\na"))
    for _ in range(20_000):
        text = "".join(draw.choice(letters, draw.integers(0, 7)))
        assert cell_text_read(cell_text(text)) == text


def table(columns: list[str], *rows: list[Any], **more: str) -> dict[str, Any]:
    return {"columns": columns, "rows": list(rows), **more}


def test_csv_comes_back_as_it_was(tmp_path: Path) -> None:
    texts = [*FORMULAS, *HARMLESS, "two\r\nlines", "a\x00\x1b=\ud800b"]
    rows = [[text, -0.5, -3, None] for text in texts]
    write_tables({"hostile": table(["=name", "share", "count", "+none"], *rows)}, tmp_path)
    with (tmp_path / "hostile.csv").open(encoding="utf-8", newline="") as file:
        header, *back = list(csv.reader(file))
    assert header == ["'=name", "share", "count", "'+none"]
    plain = [t.replace("\r\n", "\n").replace("\r", "\n") for t in texts]
    plain[-1] = "a=b"
    assert [cell_text_read(r[0]) for r in back] == plain
    assert {tuple(r[1:]) for r in back} == {("-0.5", "-3", "")}
    read = pd.read_csv(tmp_path / "hostile.csv", keep_default_na=False, na_values={"'+none": ""})
    assert (read["share"] == -0.5).all() and (read["count"] == -3).all()
    assert not read["'=name"].str.match(r"[\s\"]*[=+\-@]").any()


def test_drivers_are_neutralised_too() -> None:
    given = {"touchpoint": "=1+1", "hazard_ratio": -0.5, "why": "@x"}
    row = drivers_text(pd.DataFrame([given], columns=list(COLUMNS))).splitlines()[1]
    assert (row[:13], row[-3:]) == (",'=1+1,,-0.5,", "'@x")


def test_figures_stay_figures() -> None:
    rows = [[-1.5, np.float64(-2.5), np.int64(-3), True, dt.date(2026, 6, 30), float("-inf")]]
    assert csv_text(list("abcdef"), rows).splitlines()[1] == "-1.5,-2.5,-3,true,2026-06-30,"


def workbook(folder: Path, tables: dict[str, Any]) -> openpyxl.Workbook:
    write_workbook(tables, folder / "tables.xlsx")
    return openpyxl.load_workbook(folder / "tables.xlsx")


def test_a_workbooks_cells(tmp_path: Path) -> None:
    columns = ["=term", "estimate", "n", "day", "at", "mixed", "share", "ok", "p_value"]
    rows: list[list[Any]] = [
        ["-1+2", -0.123456789, 7.0, "2026-06-30", "2026-06-30T10:20:00", "2026-06-30", 0.25, True],
        ["@x", -2.5e-7, None, None, "2026-06-30T00:00:00", "never", -0.5, False],
        ["plain\x00\x1b\ud800", 1e20, 10**16, "2026-07-01", None, "", None, None],
    ]
    small = table(columns, *([*r, p] for r, p in zip(rows, ["<0.001", 0.2, None], strict=True)))
    sheet = workbook(tmp_path, {"small": small})["small"]
    cells = [[c.value for c in row] for row in sheet.iter_rows()]
    day, later = dt.datetime(2026, 6, 30), dt.datetime(2026, 6, 30, 10, 20)
    assert cells[0] == ["'=term", *columns[1:]]
    assert cells[1] == ["'-1+2", -0.123457, 7, day, later, "2026-06-30", 0.25, True, "<0.001"]
    assert cells[2] == ["'@x", -2.5e-7, None, None, day, "never", -0.5, False, 0.2]
    july = dt.datetime(2026, 7, 1)
    assert cells[3] == ["plain", 1e20, str(10**16), july, None, None, None, None, None]
    assert [c.data_type for c in sheet[2]] == ["s", "n", "n", "d", "d", "s", "n", "b", "s"]
    formats = [c.number_format for c in sheet[2]]
    assert formats[3:5] == ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"] and formats[6] == "0.0%"
    assert {*formats[:3], formats[5], *formats[7:]} == {"General"}
    assert sheet.freeze_panes == "A2" and sheet["A1"].font.bold


def test_counts_of_a_column_with_gaps_keep_their_digits(tmp_path: Path) -> None:
    write_tables({"t": table(["n", "ok"], [1234567.0, True], [None, None])}, tmp_path)
    assert (tmp_path / "t.csv").read_text() == "n,ok\n1234567,true\n,\n"


def test_tables_without_rows_or_columns(tmp_path: Path) -> None:
    tables = {"empty": table(["a"]), "nothing": table([])}
    assert workbook(tmp_path, tables).sheetnames == ["contents", "empty", "nothing"]
    assert workbook(tmp_path, {}).sheetnames == ["contents"]


def test_pandas_reads_the_same_from_both_files(tmp_path: Path) -> None:
    given = table(["term", "estimate", "n"], ["=1", -0.5, 3], ["b", 1 / 3, None], ["c", 1e-7, 5])
    write_tables({"t": given}, tmp_path)
    write_workbook({"t": given}, tmp_path / "tables.xlsx")
    sheet = pd.read_excel(tmp_path / "tables.xlsx", sheet_name="t")
    pd.testing.assert_frame_equal(sheet, pd.read_csv(tmp_path / "t.csv"))


def test_the_first_sheet_lists_the_others(tmp_path: Path) -> None:
    tables = {
        "summary": table(["a"], [1], [2], notebook="00_summary"),
        "summary.drivers": table(["a"], notebook="00_summary"),
    }
    first = workbook(tmp_path, tables).worksheets[0]
    assert first.title == "contents"
    assert [[c.value for c in row] for row in first.iter_rows()] == [
        ["sheet", "table", "rows", "notebook"],
        ["summary", "tables/summary.csv", 2, "00_summary"],
        ["summary.drivers", "tables/summary.drivers.csv", 0, "00_summary"],
    ]
    links = [first.cell(row, 1).hyperlink.location for row in (2, 3)]
    assert links == ["'summary'!A1", "'summary.drivers'!A1"]


def test_sheet_names_are_legal_and_their_own(tmp_path: Path) -> None:
    names = ["x" * 40, "X" * 41, "a/b[c]:*?", "History", "Contents", "'quoted'", "'"]
    sheets = workbook(tmp_path, {n: table(["a"], [n]) for n in names}).sheetnames
    assert sheets[1:] == [
        *("x" * 31, "X" * 29 + "~2", "a-b-c----", "History~2", "Contents~2", "quoted", "table"),
    ]
    assert len({s.lower() for s in sheets}) == len(names) + 1


def test_wide_text_is_wrapped_and_figures_are_not(tmp_path: Path) -> None:
    why = "Of those who called, more left than of those who did not; " * 3
    sheet = workbook(tmp_path, {"t": table(["why", "n"], [why, 3])})["t"]
    assert sheet["A2"].alignment.wrap_text and not sheet["B2"].alignment.wrap_text
    # A file says the letters and, in sevenths and more, the room beside them.
    widths = (sheet.column_dimensions[c].width for c in "AB")
    assert [int(w) for w in widths] == [60, 10]


def test_equal_tables_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"t": table(["a", "day"], ["x", "2026-06-30"], notebook="n")}
    write_workbook(given, tmp_path / "one.xlsx")
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_workbook(given, tmp_path / "two.xlsx")
    one = (tmp_path / "one.xlsx").read_bytes()
    assert one == (tmp_path / "two.xlsx").read_bytes()
    when = openpyxl.load_workbook(tmp_path / "one.xlsx").properties
    assert when.created == when.modified == dt.datetime(1980, 1, 1)


def test_a_table_too_long_for_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 2)
    book = workbook(tmp_path, {"t": table(["a"], [1], [2], [3])})
    assert [c.value for c in book["t"]["A"]] == ["a", 1, 2]
    assert book["contents"]["C2"].value == "3, of which the first 2 are here"


def test_half_a_surrogate_is_spelt_out(tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", '"\ud800"')
    assert (tmp_path / "a.json").read_text() == r'"\ud800"'
