"""Folders of Parquet and CSV files, opened as typed, lazy DuckDB relations.

The SQL that reads and casts a file lives here and nowhere else; everything after speaks
narwhals. Times become wall-clock times in the dataset's zone, identifiers become text.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import narwhals as nw
import pandas as pd

from cxlab.data.contract import SNAPSHOT, TABLES, YEARS, Column, Settings, Table
from cxlab.data.delimited import layout, refuse_repeated, scan
from cxlab.data.engine import connect, engine_error, literal, reading
from cxlab.data.lake import Copied, Lake, Parts, file_sha256, passed_over, table_sha256
from cxlab.errors import DataError

__all__ = [
    "ALLOWED",
    "MISSING",
    "DuckFile",
    "Files",
    "Folder",
    "TypedTable",
    "choose",
    "folder_columns",
    "quote",
    "read_by",
    "reserved",
    "scan_parquet",
]

_SUFFIXES = (".parquet", ".csv", ".csv.gz")
MISSING = "('', 'NA', 'N/A', 'NaN', 'nan', 'NaT', 'NULL', 'null', 'None', 'none')"
ALLOWED = {
    "time": f"ISO 8601 dates and times from {YEARS[0]} to {YEARS[1]}, such as 2026-06-30 or "
    "2026-06-30T14:05:00Z",
    "number": "numbers",
    "flag": "0 or 1, no or yes, false or true",
}
# Columns asked about in one query, and so held in memory at once.
_AT_ONCE = 50
_EXAMPLES = 3
# More Parquet files than this, of fewer bytes than that together, are read once.
_MANY = 100
_LITTLE = 1 << 27
# Values of all tables that an engine of this process holds in memory without being asked.
_FEW_VALUES = 20_000_000
_TEXTS = {"text", "comment"}
_MOST_NAMES = 20
_LONGEST = 60
# By these, rows of tables that grow are dated; their files may begin after all that is seen.
_DATED = {"interactions": ("occurred_at",), "feedback": ("asked_at", "responded_at")}
_ZONED = "(duckdb_type LIKE 'TIMESTAMPTZ%' OR duckdb_type LIKE '%TIME ZONE')"
_Asked = tuple[str, str]


def quote(name: str) -> str:
    """Write a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_NAMES} more" if len(every) > _MOST_NAMES else ""
    return ", ".join(n[:_LONGEST] for n in every[:_MOST_NAMES]) + more


@dataclass(frozen=True)
class TypedTable:
    """One table as read: the contract's columns under the contract's names, typed.

    Parameters
    ----------
    table : Table
        The contract it was read by.
    file : str
        The file's name, for messages.
    columns : tuple of str
        Its columns.
    attributes : mapping
        Of ``customers``: the further columns, each ``"number"`` or ``"text"``.
    ignored : tuple of str
        Columns of the file that are not of the contract and were not read.
    rows : int
        Rows in the file.
    """

    table: Table
    file: str
    columns: tuple[str, ...]
    attributes: dict[str, str]
    ignored: tuple[str, ...]
    rows: int


class Files(ABC):
    """A dataset's folder, its tables' files, and what an engine makes of them.

    Parameters
    ----------
    path : Path
        The folder.
    settings : Settings
        What ``dataset.yml`` says.
    """

    engine: ClassVar[str]
    end: dt.datetime | None = None
    """The first instant that is not seen, if that is known: files that begin later are not read."""
    lake: Lake | None = None
    """Where files are kept that need not be read again."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self.parts: dict[str, Parts] = {}
        self.seen: dict[str, list[str]] = {}  # of tables of which not all files are
        self._marks: dict[str, list[tuple[int, ...]]] = {}  # when they were read
        self._hashed: dict[str, list[tuple[int, ...]]] = {}  # when they were hashed
        self._hashes: dict[str, str] = {}

    def read(self, name: str) -> TypedTable:
        """Read one table by the contract.

        Parameters
        ----------
        name : str
            The table's name.

        Raises
        ------
        DataError
            A file is unreadable or empty, its columns do not suit those of the other files, a
            column is missing, or a value is not of its column's kind.
        """
        files = self.files[name]
        self._marks.setdefault(name, self._mark(name))
        shown = self._shown(name)
        where = f"{self.path / shown}: table {name}"
        if self.lake is not None and name in _DATED and self._is_lake(name):
            files = self._once(name, self.lake, where)
        files, later = self._passed_over(name, files)
        with reading(where):
            typed = self._read(name, files, shown, where)
        if parts := self.parts.get(name):
            read = {self._source(name, c) for c in typed.columns}
            typed = replace(typed, ignored=tuple(c for c in parts.columns if c not in read))
        return replace(typed, rows=typed.rows + later)

    def _once(self, name: str, lake: Lake, where: str) -> list[Path]:
        """Read what is new of a table's files; give what is kept of all."""

        def copy(file: Path, target: Path) -> Copied:
            return _OneFile(self.path, self.settings, name, file).copy(target)

        self.parts[name] = lake.parts(name, self.path / name, self.files[name], copy)
        if not self.parts[name].rows:
            raise DataError(f"{where} is empty")
        return list(self.parts[name].rows)

    def _passed_over(self, name: str, files: list[Path]) -> tuple[list[Path], int]:
        """Leave out files all of whose rows are too late to be seen; give how many those have."""
        end, dated = self.end, _DATED.get(name, ())
        if end is None or not dated:
            return files, 0
        if len(files) == 1 or files[0].suffix != ".parquet":
            return files, 0
        times = dated if name in self.parts else [self._source(name, c) for c in dated]
        seen, later = passed_over(files, times, end, self.settings.observed_end)
        if later:
            self.seen[name] = [str(f) for f in seen]
        return seen, later

    def _source(self, name: str, column: str) -> str:
        """Name a column of the contract as the table's files do."""
        return self.settings.columns.get(name, {}).get(column, column)

    def _mapping(self, name: str) -> dict[str, str]:
        """Give the names of the columns as they are read; what is kept has the contract's."""
        return {} if name in self.parts else self.settings.columns.get(name, {})

    def _is_lake(self, name: str) -> bool:
        return (self.path / name).is_dir()

    def _below(self, name: str, files: list[Path]) -> list[set[str]]:
        """Name for each file the columns that folders such as ``country=DE`` stand for."""
        if name in self.parts:
            return [set() for _ in files]
        return [folder_columns(f.relative_to(self.path).parts[1:-1]) for f in files]

    def _clean(self, name: str, files: list[Path]) -> int | None:
        """Count the rows of files that are known to hold nothing that would not do."""
        parts = self.parts.get(name)
        return None if parts is None else sum(parts.rows[f] for f in files)

    @abstractmethod
    def _read(self, name: str, files: list[Path], shown: str, where: str) -> TypedTable:
        """Read one table: its files, how they are shown, and where, for messages."""

    @abstractmethod
    def table(self, name: str) -> nw.LazyFrame[Any]:
        """Give a table that was read, lazily, typed and under the contract's names."""

    @abstractmethod
    def attach(self, frame: pd.DataFrame) -> nw.LazyFrame[Any]:
        """Give a pandas frame to the engine, so that tables can be joined to it."""

    @abstractmethod
    def keep(self, name: str, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Have the engine work out a frame, and keep it."""

    def holds(self, name: str, read: Mapping[str, TypedTable]) -> bool:
        """Tell whether a table is to be kept as it is seen, as there are few rows.

        Every query would else read the files, narrow and check their rows anew: of a segment,
        the files of all segments.

        Parameters
        ----------
        name : str
            The table's name.
        read : mapping
            All tables, with their rows.
        """
        values = sum(t.rows * len(t.columns) for t in read.values())
        if self.engine != "duckdb" or values > _FEW_VALUES:
            return False
        # Texts are most of a file, which to keep them has to be read; few queries ask for them.
        size = sum(mark[1] for mark in self._marks[name] if len(mark) > 1)
        return size <= _LITTLE or _TEXTS.isdisjoint(read[name].columns)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The files of each table that is there.

        Raises
        ------
        DataError
            A table is there twice, or ``customers`` is missing.
        """
        found: dict[str, list[Path]] = {}
        for name in TABLES:
            places = [self.path / f"{name}{suffix}" for suffix in _SUFFIXES]
            places = [p for p in (*places, self.path / name) if p.exists()]
            if len(places) > 1:
                both = " and ".join(p.name for p in places)
                raise DataError(f"{self.path}: table {name} is there twice, as {both}; keep one")
            if places:
                found[name] = _parts(places[0])
        if "customers" not in found:
            raise DataError(
                f"{self.path}: table customers is missing; allowed: customers.parquet, "
                "customers.csv, customers.csv.gz or a folder customers/ of such files"
            )
        return found

    def sha256(self) -> dict[str, str]:
        """Hash each table's files, in the order of their names: once, and then as they were."""
        if not self._hashed:
            marks = {name: self._mark(name) for name in self.files}
            self._hashes, self._hashed = self._hash(), marks
        return dict(self._hashes)

    def _hash(self) -> dict[str, str]:
        return {name: self._table_sha256(name, files) for name, files in self.files.items()}

    def noted(self) -> dict[str, str]:
        """Note which files there are, as if they were read now, and hash each table's."""
        for name in self.files:
            self._marks.setdefault(name, self._mark(name))
        return self.sha256()

    def _table_sha256(self, name: str, files: list[Path]) -> str:
        if not self._is_lake(name):
            return file_sha256(files[0])
        parts = self.parts.get(name)
        known = parts.hashes if parts and self._mark(name) == self._marks[name] else {}
        hashes = {file: known.get(file) or file_sha256(file) for file in files}
        return table_sha256(self.path / name, hashes)

    def replaced(self, hashes: Mapping[str, str]) -> list[str]:
        """Name the tables whose files are not those any more that were read.

        Parameters
        ----------
        hashes : mapping of str to str
            Of the tables as they were read.
        """
        others = [n for n, mark in self._marks.items() if self._mark(n) != mark]
        if not others:
            return []
        self.__dict__.pop("files", None)  # a part may have come, which later readers would read
        try:
            now = self._hash()
        except DataError:  # one is gone
            return others
        # one that was replaced before it was hashed has the hash of what was not read
        return [n for n in others if now.get(n) != hashes[n] or self._hashed[n] != self._marks[n]]

    def _mark(self, name: str) -> list[tuple[int, ...]]:
        """Tell a table's files by what changes when they do: cheaper than their hash."""
        files = self.files[name]
        # One more part is a change as well, and so is one more folder of parts.
        above = {p for f in files for p in f.relative_to(self.path).parents[:-1]}
        folders = {self.path / p for p in above}
        marks: list[tuple[int, ...]] = []
        for path in (*files, *sorted(folders)):
            try:
                about = path.stat()
            except OSError:
                marks.append((-1,))
            else:
                marks.append((about.st_ino, about.st_size, about.st_mtime_ns))
        return marks

    def _shown(self, name: str) -> str:
        """Name a table's file, or the folder of its files, within the place."""
        files = self.files[name]
        return str(files[0].relative_to(self.path)) if len(files) == 1 else f"{name}/"


class Folder(Files):
    """A dataset's folder: finds each table's file and reads it by the contract, with DuckDB.

    Parameters
    ----------
    path : Path
        The folder.
    settings : Settings
        What ``dataset.yml`` says.
    memory_limit : str, optional
        DuckDB's memory limit, such as ``"4GB"``; beyond it, work spills to disk.

    Raises
    ------
    UsageError
        The folder does not exist, or the memory limit is none.
    DataError
        The engine does not know the time zone.
    """

    engine = "duckdb"
    _may_be_empty = False

    def __init__(self, path: Path, settings: Settings, memory_limit: str | None = None) -> None:
        super().__init__(path, settings)
        self.connection = connect(settings.time_zone, memory_limit)

    def table(self, name: str) -> nw.LazyFrame[Any]:
        """Give a table that was read, lazily."""
        return nw.from_native(self.connection.table(name))

    def attach(self, frame: pd.DataFrame) -> nw.LazyFrame[Any]:
        """Give a pandas frame to the engine; its caller keeps it alive."""
        return nw.from_native(self.connection.from_df(frame))

    def keep(self, name: str, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Write a frame to a table of the engine, on disk where memory is short."""
        nw.to_native(frame).create(name)
        return self.table(name)

    def _stays(self, files: list[Path]) -> bool:
        """Tell files that are read where they are, column by column, from those read once."""
        if files[0].suffix != ".parquet":
            return False
        # Every query would open all of them again: of many small ones, that takes the time.
        return len(files) <= _MANY or sum(f.stat().st_size for f in files) > _LITTLE

    def _read(self, name: str, files: list[Path], shown: str, where: str) -> TypedTable:
        stays = self._stays(files)
        types = self._open(name, files)
        table, chosen = choose(name, where, types, self._mapping(name))
        rest = {c: t for c, t in types.items() if c not in chosen.values()}
        attributes: dict[str, str] = {}
        if name == "customers":
            attributes = self._attributes({c: t for c, t in rest.items() if not reserved(c)})
        ignored = tuple(c for c in rest if c not in attributes)
        casts = {
            c.name: self._cast(c, chosen[c.name], types[chosen[c.name]])
            for c in table.columns
            if c.name in chosen
        }
        casts |= {a: self._cast(Column(a, k), a, rest[a]) for a, k in attributes.items()}  # type: ignore[arg-type]
        wrong = self._wrong(table, chosen, types, casts)
        mixed = self._mixed(name, where, files, table, chosen, types)
        # What is asked of every row, told apart by the kind of question and the column.
        asked = {("wrong", c): condition for c, condition in wrong.items()} | mixed
        if stays:
            bare = self._bare(table, chosen, types)
            asked |= {("bare", c): condition for c, (condition, _) in bare.items()}
            # A Parquet file is read again, column by column, as needed: as plainly as its
            # values allow, so that filters reach the file.
            if (clean := self._clean(name, files)) is not None:
                rows, counts = clean, dict.fromkeys(asked, 0)
            else:
                rows, counts = self._count(f"raw_{name}", asked)
            casts |= {c: sql for c, (_, sql) in bare.items() if not counts["bare", c]}
            self.connection.execute(_selection("VIEW", name, casts))
        else:
            # A CSV is parsed once, and many small files are opened once.
            marks = {a: f"cx_{a[0]}_{a[1]}" for a in asked}
            told = {marks[a]: condition for a, condition in asked.items()}
            self.connection.execute(_selection("TEMP TABLE", name, casts | told))
            rows, counts = self._count(name, {a: quote(m) for a, m in marks.items()})
        if rows == 0 and not self._may_be_empty:
            raise DataError(f"{where} is empty")
        for column in (c for c in table.columns if c.name in wrong):
            if count := counts["wrong", column.name]:
                condition = wrong[column.name]
                self._refuse_values(name, where, column, chosen[column.name], condition, count)
        for column in (c for c in table.columns if ("zone", c.name) in mixed):
            if counts["zone", column.name] and counts["no zone", column.name]:
                self._refuse_mixed(name, where, column, chosen[column.name], mixed, counts)
        columns = (*chosen, *attributes)
        return TypedTable(table, shown, columns, attributes, ignored, rows)

    def _count(self, source: str, asked: Mapping[_Asked, str]) -> tuple[int, dict[_Asked, int]]:
        """Count all rows, and those that meet each condition, in one pass."""
        counts = "".join(f", count(*) FILTER ({condition})" for condition in asked.values())
        query = f"SELECT count(*){counts} FROM {source}"
        [(rows, *met)] = self.connection.execute(query).fetchall()
        return int(rows), dict(zip(asked, map(int, met), strict=True))

    def _open(self, name: str, files: list[Path]) -> dict[str, str]:
        """Make the view ``raw_<name>`` and give its columns and their types."""
        below = self._below(name, files)
        hive = any(below)
        parquet = files[0].suffix == ".parquet"
        query = scan_parquet(files, hive) if parquet else scan(files, hive)
        if hive and (above := folder_columns(self.path.parts).difference(*below)):
            query = f"SELECT * EXCLUDE ({', '.join(map(quote, sorted(above)))}) FROM ({query})"
        self.connection.execute(f"CREATE VIEW raw_{name} AS {query}")
        described = self.connection.execute(f"DESCRIBE raw_{name}").fetchall()
        if parquet:
            refuse_repeated(files[0], self._parquet_columns(files[0]))
        return {row[0]: row[1] for row in described}

    def _parquet_columns(self, file: Path) -> list[str]:
        """List the columns as the file has them; DuckDB renames one that is there twice."""
        query = f"SELECT name, num_children FROM parquet_schema({literal(str(file))})"
        names, inside = [], 0
        for name, children in self.connection.execute(query).fetchall()[1:]:
            if inside == 0:
                names.append(name)
            inside = max(inside - 1, 0) + (children or 0)
        return names

    def _cast(self, column: Column, source: str, dtype: str) -> str:
        """SQL that reads a file's column as the contract's kind; null where it cannot."""
        raw = quote(source)
        text = f"trim(CAST({raw} AS VARCHAR))"
        given = f"CASE WHEN {text} IN {MISSING} THEN NULL ELSE {text} END"
        if column.kind == "id":
            whole = f"TRY_CAST({raw} AS HUGEINT)"
            if _is_fractional(dtype):  # pandas writes integers with gaps as floats
                return f"CASE WHEN {whole} = {raw} THEN CAST({whole} AS VARCHAR) ELSE {given} END"
            return f"nullif({text}, '')"
        if column.kind == "text":
            return given if _is_fractional(dtype) else f"nullif({text}, '')"
        if column.kind == "time":
            return self._time(raw, text, dtype)
        if column.kind == "flag":
            return (
                f"CASE WHEN lower({given}) IN ('1', '1.0', 'true', 'yes') THEN 1 "
                f"WHEN lower({given}) IN ('0', '0.0', 'false', 'no') THEN 0 END"
            )
        # What means missing is no finite number; asking for it costs memory in wide tables.
        number = f"TRY_CAST({text} AS DOUBLE)" if dtype == "VARCHAR" else f"CAST({raw} AS DOUBLE)"
        if not (dtype == "VARCHAR" or _is_number(dtype)):
            return "CAST(NULL AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"

    def _time(self, raw: str, text: str, dtype: str) -> str:
        if not (dtype == "VARCHAR" or _holds_times(dtype)):
            return "CAST(NULL AS TIMESTAMP)"
        moment = self._moment(raw, text, dtype)
        return f"CASE WHEN {_in_years(moment)} THEN {moment} END"

    def _moment(self, raw: str, text: str, dtype: str) -> str:
        """SQL that gives a time on the dataset's clock."""
        zone = literal(self.settings.time_zone)
        if dtype == "VARCHAR":
            return f"timezone({zone}, TRY_CAST({text} AS TIMESTAMPTZ))"
        if _is_zoned(dtype):
            if self.settings.time_zone == "UTC":  # a tenth of the time that a zone takes
                return f"make_timestamp(epoch_us(CAST({raw} AS TIMESTAMPTZ)))"
            return f"timezone({zone}, CAST({raw} AS TIMESTAMPTZ))"
        return f"CAST({raw} AS TIMESTAMP)"

    def _wrong(
        self,
        table: Table,
        chosen: dict[str, str],
        types: dict[str, str],
        casts: Mapping[str, str],
    ) -> dict[str, str]:
        """Give the SQL that tells the values that are not of their column's kind."""
        wrong = {}
        for column in table.columns:
            if column.name in chosen and column.kind in ALLOWED:
                source = chosen[column.name]
                raw, dtype = quote(source), types[source]
                text = f"trim(CAST({raw} AS VARCHAR))"
                given = f"{text} IS NOT NULL AND {text} NOT IN {MISSING}"
                if column.kind == "number" and _is_number(dtype):
                    # Of numbers, only fractions may be none; no need to write them as text.
                    given = f"isinf({raw})" if dtype in ("FLOAT", "DOUBLE") else "false"
                elif column.kind == "time" and _holds_times(dtype):
                    given = f"{raw} IS NOT NULL"
                wrong[column.name] = f"({given} AND ({casts[column.name]}) IS NULL)"
        return wrong

    def _bare(
        self, table: Table, chosen: dict[str, str], types: dict[str, str]
    ) -> dict[str, tuple[str, str]]:
        """Give, by column, a plainer SQL to read it, and which values would not allow it.

        Values that are not of their column's kind need not be thought of: they are refused.
        Of text, only what loading reads anyway is asked about.
        """
        read = {*table.key, *table.required, "customer_id", "outcome"}
        bare = {}
        for column in table.columns:
            if column.name not in chosen:
                continue
            raw, dtype = quote(chosen[column.name]), types[chosen[column.name]]
            if column.kind in ("id", "text") and dtype == "VARCHAR" and column.name in read:
                # Of plain ASCII (as many bytes as letters) only spaces are trimmed.
                ends = f"{raw} < '!' OR ends_with({raw}, ' ') OR strlen({raw}) <> length({raw})"
                bare[column.name] = (ends, raw)
            elif column.kind == "id" and dtype.endswith(("INT", "INTEGER")):
                bare[column.name] = ("false", f"CAST({raw} AS VARCHAR)")
            elif column.kind == "number" and _is_number(dtype):
                gaps = f"isnan({raw})" if dtype in ("FLOAT", "DOUBLE") else "false"
                bare[column.name] = (gaps, f"CAST({raw} AS DOUBLE)")
            elif column.kind == "time" and _holds_times(dtype):
                bare[column.name] = ("false", self._moment(raw, raw, dtype))
        return bare

    def _mixed(
        self,
        name: str,
        where: str,
        files: list[Path],
        table: Table,
        chosen: dict[str, str],
        types: dict[str, str],
    ) -> dict[_Asked, str]:
        """Give the SQL that tells times with a zone from those without, where both may be.

        A plain date is neither: it is a day wherever it is read.

        Raises
        ------
        DataError
            Parts of a Parquet table differ in it.
        """
        asked: dict[_Asked, str] = {}
        for column in table.columns:
            if column.kind != "time" or (source := chosen.get(column.name)) is None:
                continue
            if types[source] == "VARCHAR":
                text = f"trim({quote(source)})"
                # What follows the date: a zone has a sign or a letter that is no T.
                zone = f"regexp_matches({text}[11:], '[A-SU-Za-su-z+-]')"
                asked["zone", column.name] = zone
                asked["no zone", column.name] = (
                    f"(strlen({text}) > 10 AND {text} NOT IN {MISSING} AND NOT {zone})"
                )
            elif types[source].startswith("TIMESTAMP") and len(files) > 1:
                self._refuse_mixed_parts(name, where, files, column, source)
        return asked

    def _refuse_values(
        self, name: str, where: str, column: Column, source: str, condition: str, count: int
    ) -> None:
        met = ", ".join(self._examples(name, source, condition, _EXAMPLES))
        known = f" (read from {source})" if source != column.name else ""
        raise DataError(
            f"{where}, column {column.name}{known}: {count} of the "
            f"values cannot be read as {column.kind}: {met}; allowed: {ALLOWED[column.kind]}"
        )

    def _examples(self, name: str, source: str, condition: str, most: int) -> list[str]:
        """Show the first values that meet a condition, and in which rows they are."""
        found = self.connection.execute(
            f"SELECT n, v FROM (SELECT row_number() OVER () AS n, *, {quote(source)} AS v "
            f"FROM raw_{name}) WHERE {condition} ORDER BY n LIMIT {most}"
        ).fetchall()
        return [f"{str(v)[:40]!r} in row {n}" for n, v in found]

    def _refuse_mixed(
        self,
        name: str,
        where: str,
        column: Column,
        source: str,
        asked: Mapping[_Asked, str],
        counts: Mapping[_Asked, int],
    ) -> None:
        kinds: tuple[_Asked, ...] = (("zone", column.name), ("no zone", column.name))
        met = [self._examples(name, source, asked[kind], 1)[0] for kind in kinds]
        raise DataError(
            f"{where}, column {column.name}: times with a zone ({counts[kinds[0]]}, such as "
            f"{met[0]}) and without ({counts[kinds[1]]}, such as {met[1]}) are mixed; allowed: all "
            "with a zone, or none (they are read in time_zone of dataset.yml)"
        )

    def _refuse_mixed_parts(
        self, name: str, where: str, files: list[Path], column: Column, source: str
    ) -> None:
        listed = ", ".join(literal(str(f)) for f in files)
        first = self.connection.execute(
            f"SELECT min(file_name) FILTER ({_ZONED}), min(file_name) FILTER (NOT {_ZONED}) "
            f"FROM parquet_schema([{listed}]) WHERE lower(name) = {literal(source.lower())} "
            "AND duckdb_type LIKE 'TIMESTAMP%'"
        ).fetchall()
        with_zone, without = first[0]
        if with_zone and without:
            raise DataError(
                f"{where}, column {column.name}: the times of {Path(with_zone).name} have a zone, "
                f"those of {Path(without).name} have none; allowed: all with a zone, or none "
                "(they are read in time_zone of dataset.yml)"
            )

    def _attributes(self, columns: dict[str, str]) -> dict[str, str]:
        """Tell which further columns of ``customers`` are numbers and which are text."""
        kinds = {}
        for column, dtype in columns.items():
            if _is_number(dtype):
                kinds[column] = "number"
            elif dtype in ("VARCHAR", "BOOLEAN") or dtype.startswith("ENUM"):
                kinds[column] = "text"
        texts = [c for c, t in columns.items() if t == "VARCHAR"]
        for some in (texts[i : i + _AT_ONCE] for i in range(0, len(texts), _AT_ONCE)):
            tests = ", ".join(
                f"bool_and(trim({quote(c)}) IN {MISSING} OR {quote(c)} IS NULL OR "
                f"TRY_CAST({quote(c)} AS DOUBLE) IS NOT NULL) AND count(nullif(trim("
                f"{quote(c)}), '')) > 0"
                for c in some
            )
            answers = self.connection.execute(f"SELECT {tests} FROM raw_customers").fetchall()
            for column, numeric in zip(some, answers[0], strict=True):
                kinds[column] = "number" if numeric else "text"
        return {c: kinds[c] for c in columns if c in kinds}


class _OneFile(Folder):
    """One file of a table in many, read to be kept.

    Parameters
    ----------
    path, settings
        As of :class:`Folder`.
    name : str
        The table.
    file : Path
        The file.
    """

    _may_be_empty = True

    def __init__(self, path: Path, settings: Settings, name: str, file: Path) -> None:
        super().__init__(path, settings)
        self.files = {name: [file]}
        self._name, self._file = name, file

    def copy(self, target: Path) -> Copied:
        """Write what the contract makes of the file, each customer's rows side by side.

        Parameters
        ----------
        target : Path
            The Parquet file to write.
        """
        name = self._name
        if self._file.suffix != ".parquet" and layout(self._file) is None:
            return Copied(0, (), {})
        typed = self.read(name)
        where = f"{self._file}: table {name}"
        with reading(where):
            described = self.connection.execute(f"DESCRIBE raw_{name}").fetchall()
            types = {row[0]: row[1] for row in described}
            first = [c for c in ("customer_id", *_DATED[name]) if c in typed.columns]
            order = dict.fromkeys((*first, *typed.columns))  # of equal rows it does not matter
            self.connection.execute(
                f"COPY (SELECT * FROM {name} ORDER BY {', '.join(map(quote, order))}) "
                f"TO {literal(str(target))} (FORMAT parquet)"
            )
            kinds = self._kinds(typed, types, where)
        return Copied(typed.rows, tuple(types), kinds)

    def _kinds(self, typed: TypedTable, types: dict[str, str], where: str) -> dict[str, str]:
        """Tell how each column's values are stored; of one without a value, nothing."""
        name, chosen = self._name, {c: self._source(self._name, c) for c in typed.columns}
        held = {("held", c): f"{quote(c)} IS NOT NULL" for c in chosen}
        counts = self._count(name, held)[1]
        mixed = self._mixed(name, where, [self._file], typed.table, chosen, types)
        zoned = {k: sql for k, sql in mixed.items() if k[0] == "zone"}
        zones = self._count(f"raw_{name}", zoned)[1] if zoned else {}
        kinds = {c: _stored(types[chosen[c]]) for c in chosen if counts["held", c]}
        return kinds | {c: "text with a zone" for (_, c), n in zones.items() if n}


class DuckFile(Folder):
    """A DuckDB database file with the contract's tables or views, attached to be read only.

    Parameters
    ----------
    path : Path
        The file.
    settings, memory_limit
        As of :class:`Folder`.

    Raises
    ------
    DataError
        The file is no DuckDB database, one of a newer DuckDB, or open elsewhere to be written.
    """

    def __init__(self, path: Path, settings: Settings, memory_limit: str | None = None) -> None:
        super().__init__(path.parent, settings, memory_limit)
        self._file = path
        source = settings.source
        self._schema = (source.schema_ if source else None) or "main"
        _refuse_no_duckdb(path)
        try:
            self.connection.execute(
                f"ATTACH {literal(str(path.resolve()))} AS cx_file (TYPE duckdb, READ_ONLY)"
            )
        except duckdb.Error as error:
            raise _attach_error(error, path) from error

    @cached_property
    def _kinds(self) -> dict[str, str]:
        """The contract's tables that are there, each ``BASE TABLE`` or ``VIEW``."""
        listed = self.connection.execute(
            "SELECT table_name, table_type FROM information_schema.tables "
            f"WHERE table_catalog = 'cx_file' AND table_schema = {literal(self._schema)}"
        ).fetchall()
        return {name: kind for name, kind in listed if name in TABLES}

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The file, for each table that is there.

        Raises
        ------
        DataError
            ``customers`` is missing.
        """
        if "customers" not in self._kinds:
            raise DataError(
                f"{self._file}: table customers is missing in the schema {self._schema}; allowed: "
                "a table or a view of that name (source.schema names the schema)"
            )
        return {name: [self._file] for name in TABLES if name in self._kinds}

    def _hash(self) -> dict[str, str]:
        """Hash the file for each table; for a view, which may read other files, its rows too."""
        hashes = super()._hash()
        log = self._file.with_name(f"{self._file.name}.wal")
        if log.exists():  # what was written and is not yet in the file
            more = hashlib.sha256(log.read_bytes()).hexdigest()
            hashes = {
                n: hashlib.sha256(f"{h} {more}".encode()).hexdigest() for n, h in hashes.items()
            }
        for name in (n for n in hashes if self._kinds[n] == "VIEW"):
            # Whatever the order of the rows. The sum of hashes is not proof against malice.
            told = self.connection.execute(
                "SELECT count(*), sum(md5_number_lower(CAST(t AS VARCHAR))::HUGEINT) "
                f"FROM {self._at(name)} AS t"
            ).fetchall()
            hashes[name] = hashlib.sha256(f"{hashes[name]} {told}".encode()).hexdigest()
        return hashes

    def _is_lake(self, name: str) -> bool:
        return False

    def _at(self, name: str) -> str:
        return f"cx_file.{quote(self._schema)}.{quote(name)}"

    def _stays(self, files: list[Path]) -> bool:
        return True

    def _open(self, name: str, files: list[Path]) -> dict[str, str]:
        self.connection.execute(f"CREATE VIEW raw_{name} AS SELECT * FROM {self._at(name)}")
        described = self.connection.execute(f"DESCRIBE raw_{name}").fetchall()
        return {row[0]: row[1] for row in described}


def _refuse_no_duckdb(path: Path) -> None:
    """Refuse any other file; the engine would look for a reader of it on the network."""
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if head[8:] != b"DUCK":
        raise DataError(
            f"{path}: not a DuckDB database file; allowed: one, or a folder of Parquet or CSV files"
        )


def _attach_error(error: duckdb.Error, path: Path) -> Exception:
    text = str(error)
    if "set lock" in text or "lock is held" in text or "different configuration" in text:
        holder = re.search(r"PID (\d+)", text)
        who = f" (process {holder[1]})" if holder else ""
        return DataError(f"{path}: another process has it open to write{who}; close it there first")
    if "version number" in text:
        return DataError(f"{path}: written by another version of DuckDB than this one can read")
    return engine_error(error, str(path))


def read_by(settings: Settings) -> str:
    """Hash what a file is read by besides itself: the settings, this code and the engine.

    Parameters
    ----------
    settings : Settings
        What ``dataset.yml`` says.
    """
    told = settings.model_dump_json(include={"columns", "time_zone"})
    digest = hashlib.sha256(f"duckdb {duckdb.__version__}\0{told}\0".encode())
    for module in ("contract", "delimited", "sources"):
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return digest.hexdigest()


def reserved(column: str) -> bool:
    """Tell names that are no attribute's: the contract's in either form, and our own.

    In the spell form, ``tenure`` and ``churned`` would tell at a customer's start how it
    went; in the snapshot form, the times would.

    Parameters
    ----------
    column : str
        As the file has it.
    """
    name = column.lower()  # the engine tells no upper case from lower
    return name in (*TABLES["customers"].names, *SNAPSHOT.names) or name.startswith("cx_")


def _parts(place: Path) -> list[Path]:
    """List a table's files: itself, or the Parquet or CSV files below the folder."""
    if place.is_file():
        return [place]
    inside = [p.relative_to(place) for p in sorted(place.rglob("*")) if p.is_file()]
    # Spark and others keep notes in names that begin so.
    seen = [p for p in inside if not any(part.startswith((".", "_")) for part in p.parts)]
    if not seen:
        raise DataError(f"{place}: holds no file; allowed: {', '.join(_SUFFIXES)}")
    kinds = {next((s[:4] for s in _SUFFIXES if p.name.endswith(s)), ""): p for p in reversed(seen)}
    if not kinds.keys() < {".par", ".csv"}:
        odd = kinds.get("") or kinds[".csv"]
        raise DataError(
            f"{place}: holds {odd}; allowed: files that all are Parquet, or all CSV, and names "
            "that begin with . or _, which are not read"
        )
    return [place / p for p in seen]


def scan_parquet(files: Sequence[Path], hive: bool) -> str:
    """Give the SQL that reads Parquet files as one table.

    Parameters
    ----------
    files : sequence of Path
        Parts of a table; their columns may differ.
    hive : bool
        Whether folders such as ``country=DE`` are a column.
    """
    listed = ", ".join(literal(str(f)) for f in files)
    return (
        f"SELECT * FROM read_parquet([{listed}], union_by_name = true, binary_as_string = true, "
        f"hive_partitioning = {hive}, hive_types_autocast = false)"
    )


def folder_columns(parts: Iterable[str]) -> set[str]:
    """Name the columns that folders such as ``country=DE`` stand for."""
    return {name for name, equals, _ in (p.partition("=") for p in parts) if equals}


def _selection(kind: str, name: str, casts: Mapping[str, str]) -> str:
    listed = ", ".join(f"{sql} AS {quote(column)}" for column, sql in casts.items())
    return f"CREATE {kind} {name} AS SELECT {listed} FROM raw_{name}"


def _in_years(moment: str) -> str:
    first, last = YEARS
    return f"{moment} >= TIMESTAMP '{first}-01-01' AND {moment} < TIMESTAMP '{last + 1}-01-01'"


def _holds_times(dtype: str) -> bool:
    return dtype == "DATE" or dtype.startswith("TIMESTAMP")


def _stored(dtype: str) -> str:
    """Say how values of a type are stored, alike for types that are read alike."""
    if _holds_times(dtype):
        return "times with a zone" if _is_zoned(dtype) else "times without a zone"
    if _is_number(dtype):
        return "numbers"
    return "text" if dtype == "VARCHAR" or dtype.startswith("ENUM") else dtype


def _is_zoned(dtype: str) -> bool:
    return dtype.startswith("TIMESTAMPTZ") or dtype.endswith("WITH TIME ZONE")


def _is_fractional(dtype: str) -> bool:
    return dtype.startswith(("DECIMAL", "DOUBLE", "FLOAT"))


def _is_number(dtype: str) -> bool:
    return _is_fractional(dtype) or dtype.endswith("INT") or (dtype in ("INTEGER", "UINTEGER"))


def choose(
    name: str, where: str, types: dict[str, str], mapping: dict[str, str]
) -> tuple[Table, dict[str, str]]:
    """Match the contract's columns to the file's; pick the form of ``customers``."""
    for column, source in mapping.items():
        if source not in types:
            raise DataError(
                f"{where}: dataset.yml maps {column} to column {source!r}, which "
                f"is not there; the file has: {_listed(types)}"
            )

    def match(table: Table) -> dict[str, str]:
        taken = set(mapping.values())
        pairs = {c: mapping.get(c, c if c not in taken else "") for c in table.names}
        return {c: s for c, s in pairs.items() if s in types}

    table = TABLES[name]
    if name == "customers" and "started_at" not in match(table) and "tenure" in match(SNAPSHOT):
        table = SNAPSHOT
    chosen = match(table)
    missing = [c for c in table.required if c not in chosen]
    if missing:
        raise DataError(
            f"{where}: missing column {', '.join(missing)}; the file has: "
            f"{_listed(types)}; map foreign names under columns in dataset.yml"
        )
    return table, chosen
