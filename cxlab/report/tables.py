"""Write the tables of a run: one CSV each, all of them in one workbook, and the pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxlab.report.files import write_text
from cxlab.report.findings import csv_text

__all__ = ["write_pictures", "write_tables", "write_workbook"]

_SHEET = 31  # the longest name of a sheet


def write_tables(tables: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write each table as ``<name>.csv``.

    Parameters
    ----------
    tables : mapping of str to mapping
        By name: ``columns`` and ``rows``.
    folder : pathlib.Path
        Where to; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        rows = ([_plain(v) for v in row] for row in table["rows"])
        write_text(folder / f"{name}.csv", csv_text(table["columns"], rows))


def write_workbook(tables: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write all tables to one workbook, a sheet each.

    Parameters
    ----------
    tables : mapping of str to mapping
        By name: ``columns`` and ``rows``.
    path : pathlib.Path
        The workbook.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    book.remove(book.active)
    names = _sheet_names(list(tables))
    for name, table in tables.items():
        sheet = book.create_sheet(names[name])
        for row, values in enumerate([table["columns"], *table["rows"]], start=1):
            for column, value in enumerate(values, start=1):
                cell = sheet.cell(row, column)
                cell.value = _cell(value)
                if isinstance(value, str):
                    cell.data_type = "s"  # text that begins with = is no formula
                if row == 1:
                    cell.font = Font(bold=True)
        sheet.freeze_panes = "A2"
        for column in sheet.columns:
            lengths = [len(str(c.value)) for c in column if c.value is not None]
            sheet.column_dimensions[column[0].column_letter].width = min(max([8, *lengths]) + 2, 60)
    if not names:
        book.create_sheet("no tables")
    book.save(path)


def write_pictures(pictures: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Write each picture as SVG and PNG.

    Parameters
    ----------
    pictures : mapping of str to mapping
        By name: ``svg`` (text) and ``png`` (base64).
    folder : pathlib.Path
        Where to; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        write_text(folder / f"{name}.svg", picture["svg"])
        (folder / f"{name}.png").write_bytes(base64.b64decode(picture["png"]))


def _plain(value: Any) -> Any:
    """Show a count that a column with gaps holds as a float without losing digits."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if whole else value


def _cell(value: Any) -> Any:
    """Give what a cell can hold: no lists, and no control characters."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", str(value))[:32767]


def _sheet_names(names: list[str]) -> dict[str, str]:
    """Shorten names to what a sheet may have, each still its own whatever its case."""
    given: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        short, number = name[:_SHEET], 1
        while short.lower() in taken:
            number += 1
            short = f"{name[: _SHEET - len(str(number)) - 1]}~{number}"
        taken.add(short.lower())
        given[name] = short
    return given
