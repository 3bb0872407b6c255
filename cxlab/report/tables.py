"""Write what a run found as files: CSV, one workbook, pictures."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.results import cell_text

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

__all__ = [
    "csv_text",
    "write_bytes",
    "write_pictures",
    "write_tables",
    "write_text",
    "write_workbook",
]

_SHEET = 31  # the longest name of a sheet
_LONGEST = 32_767  # letters of a cell
_WIDEST = 60  # letters of a column; longer text is wrapped
_MOST = 100_000  # rows of a sheet: more open slowly, and are all in the CSV
_CONTENTS = "contents"
_WRITTEN = dt.datetime(1980, 1, 1)  # so that equal tables give equal bytes
_RESERVED = (_CONTENTS, "history")
_EXACT = 10**15  # a spreadsheet's figures have fifteen digits
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]+)?")
_DAYS = range(1901, 9999)  # the years whose dates every spreadsheet agrees on
_SHARE = re.compile(r"(.*[_ ])?(share|probability)([_ ](low|high))?")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, by rename.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is there.
    text : str
        What it will hold.
    """
    # half of a pair of surrogates, which JSON can hold and UTF-8 cannot, is spelt out
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file by rename.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is there.
    content : bytes
        What it will hold.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Give rows as CSV, with ``\\n`` line ends and figures as ``%.6g``.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    columns : sequence of str
        The header.
    rows : iterable of iterable
        The values; None and what is no finite number are left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_safe(c) for c in columns])
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
    if isinstance(value, int):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else _safe(str(value))


def _safe(text: str) -> str:
    """Give text as any reader of a file takes it: one kind of line end, nothing unseen."""
    return cell_text(_UNSEEN.sub("", re.sub(r"\r\n?", "\n", text)))


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
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _EXACT
    return int(value) if whole else value


def write_workbook(tables: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write all tables to one workbook, a sheet each, after a sheet that lists them.

    Equal tables give equal bytes.

    Parameters
    ----------
    tables : mapping of str to mapping
        By name: ``columns``, ``rows`` and maybe the ``notebook`` that shows it.
    path : pathlib.Path
        The workbook.
    """
    from xlsxwriter import Workbook

    made = io.BytesIO()
    with Workbook(made, {"in_memory": True}) as book:
        book.set_properties({"created": _WRITTEN})
        looks = _Looks(book)
        names = _sheet_names(list(tables))
        first = book.add_worksheet(_CONTENTS)
        listed = [_listed(name, names[name], table) for name, table in tables.items()]
        _fill(first, looks, ("sheet", "table", "rows", "notebook"), listed)
        for row, sheet in enumerate(names.values(), start=1):
            place = sheet.replace("'", "''")
            first.write_url(row, 0, f"internal:'{place}'!A1", string=sheet)
        for name, table in tables.items():
            _fill(book.add_worksheet(names[name]), looks, table["columns"], table["rows"][:_MOST])
    write_bytes(path, made.getvalue())


def _listed(name: str, sheet: str, table: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give a table's line on the first sheet."""
    count = len(table["rows"])
    cut = f", of which the first {_MOST:,} are here" if count > _MOST else ""
    rows = f"{count:,}{cut}" if cut else count
    return sheet, f"tables/{name}.csv", rows, table.get("notebook", "")


class _Looks:
    """A workbook's looks of cells, each made once."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._made: dict[tuple[bool, bool, str], Format] = {}

    def of(self, wrapped: bool, bold: bool, form: str) -> Format:
        """Give the look of a cell: a long text, a heading, a number format."""
        look = (wrapped, bold, form)
        if look not in self._made:
            given = {"valign": "top", "text_wrap": wrapped, "bold": bold}
            self._made[look] = self._book.add_format(given | ({"num_format": form} if form else {}))
        return self._made[look]


def _fill(
    sheet: Worksheet, looks: _Looks, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Write a header that stays in sight, and rows of text, numbers and dates."""
    for number, (heading, values) in enumerate(_columns(columns, rows)):
        whole = [_cell(heading), *values]
        form = _format(heading, values)
        for row, value in enumerate(whole):
            if isinstance(value, str):
                # Never a formula, a link or a number, whatever it looks like.
                wrapped = len(value) > _WIDEST
                sheet.write_string(row, number, value, looks.of(wrapped, row == 0, ""))
            elif value is not None:
                sheet.write(row, number, value, looks.of(False, row == 0, form))
        width = max((len(_shown(v, form)) for v in whole), default=0)
        sheet.set_column(number, number, min(max(width, 8) + 2, _WIDEST))
    sheet.freeze_panes(1, 0)


def _columns(
    columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, list[Any]]]:
    """Give each column's heading and its cells; one of dates alone as dates."""
    for place, heading in enumerate(columns):
        values = [row[place] for row in rows]
        days = [None if v is None else _date(v) for v in values]
        dated = any(days) and days.count(None) == values.count(None)
        yield heading, days if dated else [_cell(v) for v in values]


def _cell(value: Any) -> Any:
    """Give what a cell can hold: figures as in the CSV, no lists, no control characters."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        figure = _whole(value) if math.isfinite(value) else None
        return float(_text(figure)) if isinstance(figure, float) else figure
    if isinstance(value, int) and abs(value) < _EXACT:
        return value
    return _text(value)[:_LONGEST] or None


def _date(value: Any) -> dt.datetime | None:
    """Read what a result's JSON has made of a date or a time; None for anything else."""
    if not (isinstance(value, str) and _DATE.fullmatch(value)):
        return None
    try:
        time = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.year in _DAYS else None


def _format(heading: str, values: Iterable[Any]) -> str:
    """Give the number format of a column; empty for the spreadsheet's own."""
    there = [v for v in values if v is not None]
    if there and all(isinstance(v, dt.datetime) for v in there):
        midnight = all(v.time() == dt.time(0) for v in there)
        return "yyyy-mm-dd" if midnight else "yyyy-mm-dd hh:mm:ss"
    share = _SHARE.fullmatch(heading) and all(
        isinstance(v, (int, float)) and -1 <= v <= 1 for v in there
    )
    return "0.0%" if share else ""


def _shown(value: Any, form: str) -> str:
    """Give about what a spreadsheet shows of a cell."""
    if value is None or isinstance(value, dt.datetime):
        return form
    return str(value)


def _sheet_names(names: list[str]) -> dict[str, str]:
    """Shorten names to what a sheet may have, each still its own whatever its case."""
    given: dict[str, str] = {}
    taken = set(_RESERVED)
    for name in names:
        legal = re.sub(r"[\[\]:*?/\\]", "-", name).strip("'") or "table"
        short, number = legal[:_SHEET], 1
        while short.lower() in taken:
            number += 1
            short = f"{legal[: _SHEET - len(str(number)) - 1]}~{number}"
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
