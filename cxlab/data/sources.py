"""Folders of Parquet and CSV files, opened as typed, lazy DuckDB relations.

The SQL that reads and casts a file lives here and nowhere else; everything after speaks
narwhals. Times become wall-clock times in the dataset's zone, identifiers become text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cxlab.data.contract import SNAPSHOT, TABLES, YEARS, Column, Settings, Table
from cxlab.data.delimited import refuse_repeated, scan
from cxlab.data.engine import connect, literal, reading
from cxlab.errors import DataError

__all__ = ["MISSING", "Folder", "TypedTable", "quote", "reserved", "scan_parquet"]

_SUFFIXES = (".parquet", ".csv", ".csv.gz")
MISSING = "('', 'NA', 'N/A', 'NaN', 'nan', 'NaT', 'NULL', 'null', 'None', 'none')"
_ALLOWED = {
    "time": f"ISO 8601 dates and times from {YEARS[0]} to {YEARS[1]}, such as 2026-06-30 or "
    "2026-06-30T14:05:00Z",
    "number": "numbers",
    "flag": "0 or 1, no or yes, false or true",
}
# Columns asked about in one query, and so held in memory at once.
_AT_ONCE = 50
_EXAMPLES = 3
_MOST_NAMES = 20
_LONGEST = 60


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


class Folder:
    """A dataset's folder: finds each table's file and reads it by the contract.

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

    def __init__(self, path: Path, settings: Settings, memory_limit: str | None = None) -> None:
        self.path = path
        self.settings = settings
        self.connection = connect(settings.time_zone, memory_limit)

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
        """Hash each table's files, in the order of their names."""
        hashes = {}
        for name, files in self.files.items():
            digest = hashlib.sha256()
            for file in files:
                with file.open("rb") as stream:
                    while block := stream.read(1 << 20):
                        digest.update(block)
            hashes[name] = digest.hexdigest()
        return hashes

    def read(self, name: str) -> TypedTable:
        """Read one table by the contract.

        Parameters
        ----------
        name : str
            The table's name.

        Raises
        ------
        DataError
            The file is unreadable or empty, a column is missing, or a value is not of its
            column's kind.
        """
        files = self.files[name]
        shown = str(files[0].relative_to(self.path)) if len(files) == 1 else f"{name}/"
        where = f"{self.path / shown}: table {name}"
        with reading(where):
            return self._read(name, files, shown, where)

    def _read(self, name: str, files: list[Path], shown: str, where: str) -> TypedTable:
        parquet = files[0].suffix == ".parquet"
        types = self._open(name, files, parquet)
        table, chosen = _choose(name, where, types, self.settings.columns.get(name, {}))
        rest = {c: t for c, t in types.items() if c not in chosen.values()}
        attributes: dict[str, str] = {}
        if name == "customers":
            attributes = self._attributes({c: t for c, t in rest.items() if not reserved(c)})
        ignored = tuple(c for c in rest if c not in attributes)
        parts = [
            f"{self._cast(c, chosen[c.name], types[chosen[c.name]])} AS {quote(c.name)}"
            for c in table.columns
            if c.name in chosen
        ]
        parts += [
            f"{self._cast(Column(a, k), a, rest[a])} AS {quote(a)}"  # type: ignore[arg-type]
            for a, k in attributes.items()
        ]
        wrong = self._wrong(table, chosen, types)
        marks = {c: quote(f"cx_wrong_{c.name}") for c in wrong}
        parts += [f"{condition} AS {marks[c]}" for c, condition in wrong.items()]
        # A CSV is parsed once; a Parquet file is read again, column by column, as needed.
        kind = "VIEW" if parquet else "TEMP TABLE"
        self.connection.execute(
            f"CREATE {kind} {name} AS SELECT {', '.join(parts)} FROM raw_{name}"
        )
        counts = "".join(f", count(*) FILTER ({m})" for m in marks.values())
        query = f"SELECT count(*){counts} FROM {name}"
        [(rows, *bad)] = self.connection.execute(query).fetchall()
        if rows == 0:
            raise DataError(f"{where} is empty")
        for (column, condition), count in zip(wrong.items(), bad, strict=True):
            if count:
                self._refuse_values(name, where, column, chosen[column.name], condition, count)
        columns = (*chosen, *attributes)
        return TypedTable(table, shown, columns, attributes, ignored, int(rows))

    def _open(self, name: str, files: list[Path], parquet: bool) -> dict[str, str]:
        """Make the view ``raw_<name>`` and give its columns and their types."""
        below = [_folder_columns(f.relative_to(self.path).parts[1:-1]) for f in files]
        hive = any(below)
        query = scan_parquet(files, hive) if parquet else scan(files, hive)
        if hive and (above := _folder_columns(self.path.parts).difference(*below)):
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
        zone = literal(self.settings.time_zone)
        if dtype == "VARCHAR":
            moment = f"timezone({zone}, TRY_CAST({text} AS TIMESTAMPTZ))"
        elif dtype.startswith("TIMESTAMPTZ") or dtype.endswith("WITH TIME ZONE"):
            moment = f"timezone({zone}, CAST({raw} AS TIMESTAMPTZ))"
        elif dtype == "DATE" or dtype.startswith("TIMESTAMP"):
            moment = f"CAST({raw} AS TIMESTAMP)"
        else:
            return "CAST(NULL AS TIMESTAMP)"
        return f"CASE WHEN year({moment}) BETWEEN {YEARS[0]} AND {YEARS[1]} THEN {moment} END"

    def _wrong(
        self, table: Table, chosen: dict[str, str], types: dict[str, str]
    ) -> dict[Column, str]:
        """Give the SQL that tells the values that are not of their column's kind."""
        wrong = {}
        for column in table.columns:
            if column.name in chosen and column.kind in _ALLOWED:
                source = chosen[column.name]
                text = f"trim(CAST({quote(source)} AS VARCHAR))"
                typed = self._cast(column, source, types[source])
                wrong[column] = (
                    f"({text} IS NOT NULL AND {text} NOT IN {MISSING} AND ({typed}) IS NULL)"
                )
        return wrong

    def _refuse_values(
        self, name: str, where: str, column: Column, source: str, condition: str, count: int
    ) -> None:
        examples = self.connection.execute(
            f"SELECT n, v FROM (SELECT row_number() OVER () AS n, *, {quote(source)} AS v "
            f"FROM raw_{name}) WHERE {condition} ORDER BY n LIMIT {_EXAMPLES}"
        ).fetchall()
        met = ", ".join(f"{str(v)[:40]!r} in row {n}" for n, v in examples)
        known = f" (read from {source})" if source != column.name else ""
        raise DataError(
            f"{where}, column {column.name}{known}: {count} of the "
            f"values cannot be read as {column.kind}: {met}; allowed: {_ALLOWED[column.kind]}"
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
    kinds = {next((s[:4] for s in _SUFFIXES if p.name.endswith(s)), p.name) for p in seen}
    if not kinds < {".par", ".csv"}:
        raise DataError(f"{place}: allowed: files that all are Parquet, or all CSV")
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


def _folder_columns(parts: Iterable[str]) -> set[str]:
    """Name the columns that folders such as ``country=DE`` stand for."""
    return {name for name, equals, _ in (p.partition("=") for p in parts) if equals}


def _is_fractional(dtype: str) -> bool:
    return dtype.startswith(("DECIMAL", "DOUBLE", "FLOAT"))


def _is_number(dtype: str) -> bool:
    return _is_fractional(dtype) or dtype.endswith("INT") or (dtype in ("INTEGER", "UINTEGER"))


def _choose(
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
