"""Files looked at: opened through the engine, each column described from a sample of rows."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from cxlab.data.contract import is_folder
from cxlab.data.delimited import layout, refuse_repeated, scan
from cxlab.data.engine import literal, reading
from cxlab.data.sources import MISSING, quote, scan_parquet
from cxlab.errors import DataError, UsageError
from cxlab.lab.new.words import CURRENCIES, plain

__all__ = ["Seen", "Sheet", "expand", "given", "group", "open_sheet"]

_DELIMITED = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
_ENDINGS = (".parquet", *_DELIMITED)
_MOST_ROWS, _MOST_CELLS = 100_000, 2_000_000
_MOST_COLUMNS = 5_000
_KEPT_VALUES = 60
# A column is taken for times or numbers when so many of its values are.
_ENOUGH = 0.95
_MOST_PATTERNS = 400

_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", " %I:%M %p",
           " %I:%M:%S %p")  # fmt: skip
_ISO = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}.*)?")
_SPACED = re.compile(r"\d{4}[-/].*:\d{2} [+-]\d{2}:?\d{2}")
_DATES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern + r"([T ]\d{1,2}:\d{2}.*)?"), days)
    for pattern, days in (
        (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y",)),
        (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y",)),
        (r"\d{1,2}/\d{1,2}/\d{4}", ("%m/%d/%Y", "%d/%m/%Y")),
        (r"\d{1,2}/\d{1,2}/\d{2}", ("%m/%d/%y", "%d/%m/%y")),
        (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
        (r"(19|20)\d{6}", ("%Y%m%d",)),
        (r"\d{1,2}[- ][A-Za-z]{3}[- ]\d{4}", ("%d %b %Y", "%d-%b-%Y")),
        (r"[A-Za-z]{3} \d{1,2},? \d{4}", ("%b %d, %Y", "%b %d %Y")),
    )
)
_PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SECOND_NAMES = re.compile(r'Response$|Open-Ended Response$|\{"ImportId"')
# Marks that may stand beside an amount; any other letters make it a name, such as C001.
_MARK = r"(?:[$€£¥%]|USD|EUR|GBP|CHF)"
_SIGNED = rf"(?:{_MARK}\s?)?[-+]?(?:{_MARK}\s?)?"
_COMMA = re.compile(_SIGNED + rf"(\d{{1,3}}(\.\d{{3}})+|\d+)(,\d+)?(?:\s?{_MARK})?")
_POINT = re.compile(_SIGNED + rf"(\d{{1,3}}(,\d{{3}})+|\d+)(\.\d+)?(?:\s?{_MARK})?")


@dataclass(frozen=True, eq=False)
class Seen:
    """A column as its sample shows it.

    Parameters
    ----------
    name : str
        As the file has it.
    rows, filled, distinct : int
        Rows looked at, those with a value, and the different values among them.
    counts : dict of str to int
        The most frequent values and how often they are there.
    number : str
        SQL that reads it as a number, where nearly all values are; else empty.
    time : str
        SQL that reads it as a time, where nearly all values are; else empty.
    form : str
        How its numbers or times are written, where the contract would not read them so.
    low, high : float
        Of the numbers.
    whole : bool
        Whether the numbers have no fraction.
    first, last : str
        Days, of the times.
    other_form : str
        A second way in which its times could be read.
    currency : str
        Of the numbers, where a symbol stands beside them.
    """

    name: str
    rows: int
    filled: int
    distinct: int
    counts: dict[str, int] = field(default_factory=dict)
    number: str = ""
    time: str = ""
    form: str = ""
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    first: str = ""
    last: str = ""
    other_form: str = ""
    currency: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The different values, where all are known; else none."""
        return tuple(self.counts) if self.distinct == len(self.counts) else ()

    @property
    def is_text(self) -> bool:
        """Whether it holds neither numbers nor times."""
        return bool(self.filled) and not self.number and not self.time


@dataclass(frozen=True, eq=False)
class Sheet:
    """One table of the user's, from one file or from parts with the same columns.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine it is open in.
    files : tuple of Path
        Its files.
    view : str
        Its name in the engine.
    rows : int
        How many it has.
    columns : tuple of Seen
        In the file's order.
    """

    connection: duckdb.DuckDBPyConnection
    files: tuple[Path, ...]
    view: str
    rows: int
    columns: tuple[Seen, ...]

    @property
    def name(self) -> str:
        """The first file's name without its ending."""
        return _stem(self.files[0])

    @property
    def source(self) -> str:
        """SQL that reads its files, to be run again on new ones."""
        files = [f.resolve() for f in self.files]
        parquet = _is_parquet(files[0])
        return scan_parquet(files, hive=False) if parquet else scan(files, hive=False)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query, in all rows.

        Parameters
        ----------
        query : str
            SQL that names the view.
        """
        return self.connection.execute(query).fetchall()


def expand(places: Sequence[str | Path]) -> list[Path]:
    """List the files meant by paths, folders and patterns.

    Parameters
    ----------
    places : sequence of str or Path
        Files, folders of files, or patterns such as ``exports/*.csv``.

    Raises
    ------
    UsageError
        A path leads nowhere, a file is of no kind that can be read, or is given twice.
    """
    files: list[Path] = []
    for place in map(Path, places):
        found = _inside(place)
        if not found:
            raise UsageError(f"--from: {place}: holds no file; allowed: {', '.join(_ENDINGS)}")
        files += found
    seen: dict[Path, Path] = {}
    for file in files:
        if not file.name.lower().endswith(_ENDINGS):
            raise UsageError(
                f"--from: {file}: cannot be read; allowed: {', '.join(_ENDINGS)} (a spreadsheet "
                "saved as CSV in UTF-8)"
            )
        if (other := seen.get(file.resolve())) is not None:
            raise UsageError(f"--from: {file} is given twice (also as {other})")
        seen[file.resolve()] = file
    return files


def _inside(place: Path) -> list[Path]:
    if is_folder(place):
        inside = sorted(place.iterdir())
        return [p for p in inside if p.is_file() and p.name.lower().endswith(_ENDINGS)]
    try:
        if place.exists():
            return [place]
        found = sorted(glob.glob(str(place)))  # noqa: PTH207 - a pattern may be absolute
    except (OSError, ValueError) as error:
        raise UsageError(f"--from: {str(place)[:60]!r}: no such file") from error
    if not found:
        raise UsageError(f"--from: {place}: no such file")
    return [Path(f) for f in found]


def group(files: Iterable[Path]) -> list[list[Path]]:
    """Put together the files that are parts of one table: the same name but for its digits.

    Parameters
    ----------
    files : iterable of Path
        As given.
    """
    groups: dict[tuple[str, bool], list[Path]] = {}
    for file in files:
        stem = re.sub(r"[\d_.\- ]+", " ", _stem(file)).strip().lower()
        groups.setdefault((stem or "table", _is_parquet(file)), []).append(file)
    return list(groups.values())


def _stem(file: Path) -> str:
    ending = max((e for e in _ENDINGS if file.name.lower().endswith(e)), key=len)
    return file.name[: -len(ending)]


def _is_parquet(file: Path) -> bool:
    return file.name.lower().endswith(".parquet")


def open_sheet(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], number: int, room: Path
) -> Sheet:
    """Open a table and describe its columns.

    A CSV is parsed once, to a Parquet file of text in a temporary room: what follows reads
    a column at a time, however large the file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The engine.
    files : sequence of Path
        The table's parts.
    number : int
        Makes the name of its view.
    room : Path
        A folder for temporary files.

    Raises
    ------
    DataError
        A file is not what it seems, is empty, or its columns have no proper names.
    """
    view = f"sheet_{number}"
    with reading(str(files[0])):
        parts = list(files)
        if not _is_parquet(files[0]):
            _refuse_headless(files)
            parts = [room / f"{view}.parquet"]
            to = literal(str(parts[0]))
            connection.execute(f"COPY ({scan(files, hive=False)}) TO {to} (FORMAT parquet)")
        source = scan_parquet(parts, hive=False)
        connection.execute(f"CREATE VIEW {view} AS {source}")
        [(rows,)] = connection.execute(f"SELECT count(*) FROM {view}").fetchall()
        names = _names(connection, view, files[0])
        if not rows:
            raise DataError(f"{files[0]}: the table has columns but no rows")
        _refuse_second_names(connection, view, files[0])
        step = max(-(-rows // _MOST_ROWS), -(-rows * len(names) // _MOST_CELLS))
        connection.execute(
            f"CREATE TEMP TABLE {view}_sample AS {source.removesuffix(')')}, "
            f"file_row_number = true) WHERE file_row_number % {step} = 0"
        )
        columns = tuple(_describe(connection, f"{view}_sample", name, t) for name, t in names)
        connection.execute(f"DROP TABLE {view}_sample")
    return Sheet(connection, tuple(files), view, rows, columns)


def _refuse_headless(files: Sequence[Path]) -> None:
    """Refuse what is no table with names of columns in its first line."""
    for file in files:
        opened = layout(file)
        if opened is None:
            raise DataError(f"{file}: the file is empty")
        names = opened.columns
        if any("\0" in name for name in names):
            raise DataError(f"{file}: not text; allowed: CSV in UTF-8, or Parquet")
        if len(names) > _MOST_COLUMNS:
            raise DataError(f"{file}: has {len(names)} columns; allowed: up to {_MOST_COLUMNS}")
        values = [n for n in names if _PLAIN.fullmatch(n) or _ISO.fullmatch(n)]
        if len(values) * 2 > len(names):
            raise DataError(
                f"{file}: the first line holds values ({', '.join(values[:3])}); allowed: the "
                "names of the columns, parted by comma, semicolon, tab or |"
            )


def _refuse_second_names(connection: duckdb.DuckDBPyConnection, view: str, file: Path) -> None:
    """Refuse what survey tools write below the names: a line of kinds of answers."""
    [row] = connection.execute(f"SELECT * FROM {view} LIMIT 1").fetchall()
    second = [v for v in row if isinstance(v, str) and _SECOND_NAMES.match(v)]
    if second:
        raise DataError(
            f"{file}: the second line names the answers ({second[0][:40]}); allowed: one line of "
            "names; delete the second"
        )


def _names(connection: duckdb.DuckDBPyConnection, view: str, file: Path) -> list[tuple[str, str]]:
    described = connection.execute(f"DESCRIBE {view}").fetchall()
    names = [(r[0], r[1]) for r in described if not re.search(r"STRUCT|MAP|\[|BLOB|UNION", r[1])]
    refuse_repeated(file, [n for n, _ in names])
    if not names:
        raise DataError(f"{file}: has no column of numbers, times or text")
    return names


def given(name: str) -> str:
    """Give the SQL of a column's text, null where nothing is given.

    Parameters
    ----------
    name : str
        The column.
    """
    text = f"trim(CAST({quote(name)} AS VARCHAR))"
    return f"(CASE WHEN {text} IN {MISSING} THEN NULL ELSE {text} END)"


def _describe(connection: duckdb.DuckDBPyConnection, sample: str, name: str, dtype: str) -> Seen:
    column = given(name)
    [(rows, filled, distinct)] = connection.execute(
        f"SELECT count(*), count({column}), count(DISTINCT {column}) FROM {sample}"
    ).fetchall()
    counts = dict(
        connection.execute(
            f"SELECT {column}, count(*) FROM {sample} WHERE {column} IS NOT NULL "
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_MOST_PATTERNS}"
        ).fetchall()
    )
    seen = Seen(name, rows, filled, distinct, dict(list(counts.items())[:_KEPT_VALUES]))
    if not filled:
        return seen
    return (
        _as_time(connection, sample, column, seen, dtype, list(counts))
        or _as_number(connection, sample, column, seen, list(counts))
        or seen
    )


def _share(values: Sequence[str], pattern: re.Pattern[str]) -> float:
    return sum(bool(pattern.fullmatch(v)) for v in values) / len(values)


def _as_time(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    column: str,
    seen: Seen,
    dtype: str,
    values: Sequence[str],
) -> Seen | None:
    """Describe a column of times; None for any other."""
    ways: list[tuple[str, str]] = []
    if dtype == "DATE" or dtype.startswith("TIMESTAMP"):
        ways = [("CAST({} AS TIMESTAMP)", "")]
    elif _share(values, _ISO) >= _ENOUGH:
        read_so, form = "{}", ""
        if _share(values, _SPACED) >= _ENOUGH:  # the engine wants no space before an offset
            read_so, form = r"regexp_replace({}, ' ([+-]\d)', '\1')", "YYYY-MM-DD hh:mm:ss +hhmm"
        ways = [(f"timezone('UTC', TRY_CAST({read_so} AS TIMESTAMPTZ))", form)]
    else:
        for pattern, days in _DATES:
            if _share(values, pattern) >= _ENOUGH:
                ways = [(_parsing(day), _worded(day)) for day in days]
    read = []
    for sql, form in ways:
        query = (
            f"SELECT count(v), min(v), max(v) FROM (SELECT {sql.format(column)} AS v FROM {sample})"
        )
        [(count, first, last)] = connection.execute(query).fetchall()
        if count >= _ENOUGH * seen.filled:
            read.append((-count, sql, form, first, last))
    if not read:
        return None
    read.sort(key=lambda way: way[0])
    best, *others = read
    rivals = [o[2] for o in others if o[0] == best[0]]
    return replace(
        seen, time=best[1].format(column), form=best[2], other_form="".join(rivals[:1]),
        first=f"{best[3]:%Y-%m-%d}", last=f"{best[4]:%Y-%m-%d}",
    )  # fmt: skip


def _parsing(day: str) -> str:
    ways = ", ".join(literal(day + clock) for clock in _CLOCKS)
    return "try_strptime({}, [" + ways + "])"


def _worded(day: str) -> str:
    for code, letters in (("%d", "DD"), ("%m", "MM"), ("%Y", "YYYY"), ("%y", "YY"), ("%b", "Mon")):
        day = day.replace(code, letters)
    return day


def _as_number(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    column: str,
    seen: Seen,
    values: Sequence[str],
) -> Seen | None:
    """Describe a column of numbers; None for any other."""
    form, sql = "", "TRY_CAST({} AS DOUBLE)"
    if _share(values, _PLAIN) < _ENOUGH:
        bare = "regexp_replace({}, '[^0-9,.+-]', '', 'g')"
        if _share(values, _POINT) >= _ENOUGH:
            form, sql = "1,234.5", f"TRY_CAST(replace({bare}, ',', '') AS DOUBLE)"
        elif _share(values, _COMMA) >= _ENOUGH:
            bare = f"replace(replace({bare}, '.', ''), ',', '.')"
            form, sql = "1.234,5", f"TRY_CAST({bare} AS DOUBLE)"
        else:
            return None
    query = (
        f"SELECT count(v), min(v), max(v), bool_and(v = floor(v)) "
        f"FROM (SELECT {sql.format(column)} AS v FROM {sample}) WHERE isfinite(v)"
    )
    [(count, low, high, whole)] = connection.execute(query).fetchall()
    if count < _ENOUGH * seen.filled:
        return None
    return replace(
        seen, number=sql.format(column), form=form, low=low, high=high, whole=whole,
        currency=_currency(values) if form else "",
    )  # fmt: skip


def _currency(values: Sequence[str]) -> str:
    """Name the currency whose symbol stands beside numbers; empty where there is none."""
    marks = {re.sub(r"[\d\s,.+-]", "", v).lower() for v in values} - {""}
    known = {CURRENCIES.get(m) or CURRENCIES.get(plain(m)) for m in marks}
    return known.pop() or "" if len(known) == 1 else ""
