"""CSV files: their layout told from the header, and the SQL that reads them by it.

DuckDB's own sniffer is not asked. Without a word it drops lines that look like comments or
a preamble, reads a ragged file as a single column, and renames a column that is there twice.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxlab.data.engine import literal
from cxlab.errors import DataError

__all__ = ["Layout", "layout", "refuse_repeated", "scan"]

_DELIMITERS = ",;\t|"
_HEADER_CHARACTERS = 1 << 16
_QUOTED = re.compile('"[^"]*"')


@dataclass(frozen=True)
class Layout:
    """What a file's header says.

    Parameters
    ----------
    delimiter : str
        What parts the values of a line.
    columns : tuple of str
        The columns in their order.
    """

    delimiter: str
    columns: tuple[str, ...]


def layout(file: Path) -> Layout | None:
    """Read a file's header; of a file that holds nothing at all, None.

    Parameters
    ----------
    file : Path
        A CSV file, maybe gzipped.

    Raises
    ------
    DataError
        The file is no UTF-8 text, its first line is empty, or a column is there twice.
    """
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8-sig", newline="") as stream:
            text = stream.read(_HEADER_CHARACTERS)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text; allowed: CSV in UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error
    if not text.strip():
        return None
    bare = _QUOTED.sub("", text).splitlines() or [""]
    delimiter = max(_DELIMITERS, key=bare[0].count)
    try:
        first = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DataError(f"{file}: the header cannot be read ({error})") from error
    if not any(name.strip() for name in first):
        raise DataError(f"{file}: the first line is empty; allowed: the names of the columns")
    columns = tuple(name.strip() or f"column{i}" for i, name in enumerate(first))
    refuse_repeated(file, columns)
    return Layout(delimiter, columns)


def refuse_repeated(file: Path, columns: Sequence[str]) -> None:
    """Refuse names of columns that are the same, or the same but for upper and lower case.

    Parameters
    ----------
    file : Path
        Where they are from.
    columns : sequence of str
        The names.

    Raises
    ------
    DataError
        Two are the same.
    """
    seen: dict[str, str] = {}
    for column in columns:
        if (other := seen.get(column.lower())) is not None:
            names = repr(column) if column == other else f"{column!r} (and {other!r})"
            raise DataError(f"{file}: column {names} is there twice; allowed: names that differ")
        seen[column.lower()] = column


def scan(files: Sequence[Path], hive: bool) -> str:
    """Give the SQL that reads files as one table of text.

    Parameters
    ----------
    files : sequence of Path
        Parts of a table; their columns may differ, and those that hold nothing are left out.
    hive : bool
        Whether folders such as ``country=DE`` are a column.

    Raises
    ------
    DataError
        A header cannot be read, or no file holds anything.
    """
    groups: dict[Layout, list[Path]] = {}
    for file in files:
        if (found := layout(file)) is not None:
            groups.setdefault(found, []).append(file)
    if not groups:
        raise DataError(f"{files[0]}: the table is empty")
    return " UNION ALL BY NAME ".join(_select(g, parts, hive) for g, parts in groups.items())


def _select(found: Layout, files: Sequence[Path], hive: bool) -> str:
    listed = ", ".join(literal(str(f)) for f in files)
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in found.columns)
    return (
        f"SELECT * FROM read_csv([{listed}], auto_detect = false, header = true, skip = 0, "
        f"delim = {literal(found.delimiter)}, quote = '\"', escape = '\"', comment = '', "
        f"columns = {{{columns}}}, hive_partitioning = {hive}, hive_types_autocast = false)"
    )
