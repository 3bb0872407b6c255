"""Write what a run found as files: CSV, one workbook, pictures."""

from __future__ import annotations

import base64
import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["csv_text", "write_pictures", "write_tables", "write_text", "write_workbook"]

_SHEET = 31  # the longest name of a sheet


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, by rename.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is there.
    text : str
        What it will hold.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Give rows as CSV, with ``\\n`` line ends and figures as ``%.6g``.

    Parameters
    ----------
    columns : sequence of str
        The header.
    rows : iterable of iterable
        The values; None and what is no finite number are left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(v) for v in row] for row in rows)
    return buffer.getvalue()


def _text(value: Any) -> str:
    """Give a value as it stands in a file."""
    if value is None:
        return ""
    if hasattr(value, "item"):  # numpy's scalars
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value + 0.0:.6g}" if math.isfinite(value) else ""  # no minus before a zero
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


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
        rows = ([_whole(v) for v in row] for row in table["rows"])
        write_text(folder / f"{name}.csv", csv_text(table["columns"], rows))


def _whole(value: Any) -> Any:
    """Show a count that a column with gaps holds as a float without losing digits."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return int(value) if whole else value


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
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.active)
    names = _sheet_names(list(tables))
    for name, table in tables.items():
        sheet = book.create_sheet(names[name])
        widths = [8] * len(table["columns"])
        for row, values in enumerate([table["columns"], *table["rows"]], start=1):
            for column, value in enumerate(map(_cell, values), start=1):
                if value is None:
                    continue
                cell = sheet.cell(row, column, value)
                if isinstance(value, str):
                    cell.data_type = "s"  # text that begins with = is no formula
                if row == 1:
                    cell.font = Font(bold=True)
                widths[column - 1] = max(widths[column - 1], len(str(value)))
        sheet.freeze_panes = "A2"
        for column, width in enumerate(widths, start=1):
            sheet.column_dimensions[get_column_letter(column)].width = min(width + 2, 60)
    if not names:
        book.create_sheet("no tables")
    book.save(path)


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
