"""Folders of Parquet and CSV files, opened as typed, lazy frames of Spark.

The columns of each file are looked at here; of files whose columns are alike Spark makes one
frame, which is cast by the contract, and then they are put together.
"""

from __future__ import annotations

import codecs
import gzip
import weakref
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cxlab.data.contract import Column, Settings, Table
from cxlab.data.delimited import Layout, layout, refuse_repeated
from cxlab.data.engine import refuse_no_size
from cxlab.data.sources import (
    ALLOWED,
    MISSING,
    Files,
    TypedTable,
    choose,
    reserved,
)
from cxlab.data.spark.casts import Family, Reading, family, is_number, name_of, numeric, reading
from cxlab.data.spark.session import chosen, opened
from cxlab.errors import DataError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SparkFolder"]

_EXAMPLES = 3
_LONGEST = 40
_BLOCK = 1 << 22
# Footers of files are read by so many at a time.
_READERS = 8
# Families that are one where the parts of a table have both.
_ALIKE: tuple[frozenset[Family], ...] = (
    frozenset({"whole", "fraction", "decimal"}),
    frozenset({"date", "time", "nanoseconds"}),
    frozenset({"zoned time", "zoned nanoseconds"}),
)


@dataclass(frozen=True)
class _Part:
    """Files whose columns are alike.

    Parameters
    ----------
    files : list of Path
        The files.
    columns : dict of str to Family
        Their columns, those that folders stand for among them.
    delimiter : str
        Of CSV files, what parts the values of a line; empty for Parquet.
    given : tuple of str
        The columns that the files themselves have, in order.
    """

    files: list[Path]
    columns: dict[str, Family]
    delimiter: str
    given: tuple[str, ...]


class SparkFolder(Files):
    """A dataset's folder: finds each table's file and reads it by the contract, with Spark.

    Parameters
    ----------
    dataset : Path
        The dataset's folder.
    path : Path
        The folder of the tables.
    settings : Settings
        What ``dataset.yml`` says.
    memory_limit : str, optional
        Of the driver where the master is local, else of each executor.

    Raises
    ------
    UsageError
        The memory limit is none.
    AnalysisError
        Spark is not there, or its master does not answer.
    """

    engine = "spark"

    def __init__(
        self, dataset: Path, path: Path, settings: Settings, memory_limit: str | None = None
    ) -> None:
        super().__init__(path, settings)
        if memory_limit is not None:
            refuse_no_size(memory_limit)
        self._spark = opened(chosen(dataset, settings.spark_master), memory_limit)
        self._tables: dict[str, DataFrame] = {}
        self._kept: list[DataFrame] = []
        weakref.finalize(self, _release, self._kept)

    def table(self, name: str) -> nw.LazyFrame[Any]:
        """Give a table that was read, lazily."""
        return nw.from_native(self._tables[name])

    def attach(self, frame: pd.DataFrame) -> nw.LazyFrame[Any]:
        """Give a pandas frame to the engine; a NaN is null there, as in DuckDB."""
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for i, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
                # Spark tells time by the microsecond.
                coarse = pa.timestamp("us", field.type.tz)
                table = table.set_column(i, field.name, table[i].cast(coarse, safe=False))
        return nw.from_native(self._spark.session.createDataFrame(table))

    def keep(self, name: str, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """Keep a frame with the workers; what is lost with one of them is made again."""
        return nw.from_native(self._held(nw.to_native(frame)))

    def _held(self, frame: DataFrame) -> DataFrame:
        held = frame.persist()  # in memory, and on disk where that is short
        self._kept.append(held)
        held.count()
        return held

    # -- reading -------------------------------------------------------------------------

    def _read(self, name: str, files: list[Path], shown: str, where: str) -> TypedTable:
        parts = self._parts(name, files, where)
        types = _together(parts, where)
        raws = [self._raw(name, part) for part in parts]
        table, picked = choose(name, where, dict.fromkeys(types, ""), self._mapping(name))
        rest = [c for c in types if c not in picked.values()]
        attributes: dict[str, str] = {}
        if name == "customers":
            free = {c: types[c] for c in rest if not reserved(c)}
            attributes = _attributes(free, parts, raws)
        columns = [(c, picked[c.name]) for c in table.columns if c.name in picked]
        columns += [(Column(a, k), a) for a, k in attributes.items()]  # type: ignore[arg-type]
        read = [self._readings(part, columns) for part in parts]
        counts = [_counts(raw, each) for raw, each in zip(raws, read, strict=True)]
        rows = sum(c["rows"] for c in counts)
        if rows == 0:
            raise DataError(f"{where} is empty")
        self._refuse(where, table, picked, list(zip(raws, read, counts, strict=True)))
        typed = [
            raw.selectExpr(*[f"{r.sure} AS {name_of(c)}" for c, r in each.items()])
            for raw, each in zip(raws, read, strict=True)
        ]
        whole = reduce(lambda one, other: one.unionByName(other), typed)
        # A CSV is parsed once; Parquet is read again, column by column, as needed.
        self._tables[name] = self._held(whole) if parts[0].delimiter else whole
        ignored = tuple(c for c in rest if c not in attributes)
        return TypedTable(table, shown, (*picked, *attributes), attributes, ignored, rows)

    def _readings(self, part: _Part, columns: list[tuple[Column, str]]) -> dict[str, Reading]:
        zone = self.settings.time_zone
        return {c.name: reading(c, s, part.columns.get(s, "nothing"), zone) for c, s in columns}

    def _parts(self, name: str, files: list[Path], where: str) -> list[_Part]:
        """Sort a table's files by their columns."""
        alike = _parquet(files) if files[0].suffix == ".parquet" else _csv(files)
        if not alike:
            raise DataError(f"{files[0]}: the table is empty")
        parts = []
        for mine, columns, delimiter in alike:
            below = set().union(*self._below(name, mine))
            hive: dict[str, Family] = dict.fromkeys(sorted(below), "text")
            parts.append(_Part(mine, {**columns, **hive}, delimiter, tuple(columns)))
        _refuse_dotted({c for part in parts for c in part.columns}, where)
        return parts

    def _raw(self, name: str, part: _Part) -> DataFrame:
        """Have Spark open files whose columns are alike."""
        reader = self._spark.session.read.option("__globPaths__", "false")
        places = [f"file://{file.resolve()}" for file in part.files]
        if self._is_lake(name) and name not in self.parts:
            reader = reader.option("basePath", f"file://{(self.path / name).resolve()}")
        if not part.delimiter:
            return reader.parquet(*places)
        reader = reader.options(sep=part.delimiter, quote='"', escape='"', header=True)
        reader = reader.options(mode="FAILFAST", multiLine=True, enforceSchema=True)
        schema = ", ".join(f"{name_of(c)} STRING" for c in part.given)
        return reader.schema(schema).csv(places)

    # -- refusing ------------------------------------------------------------------------

    def _refuse(
        self,
        where: str,
        table: Table,
        picked: Mapping[str, str],
        parts: list[tuple[DataFrame, dict[str, Reading], dict[str, int]]],
    ) -> None:
        """Refuse values that are not of their column's kind."""
        for column in (c for c in table.columns if c.name in picked):
            name, source = column.name, picked[column.name]
            known = f" (read from {source})" if source != name else ""
            at = f"{where}, column {name}{known}"
            wrong = sum(counts[f"wrong {name}"] for _, _, counts in parts)
            if wrong:
                met = _examples(source, [(raw, each[name].wrong) for raw, each, _ in parts])
                raise DataError(
                    f"{at}: {wrong} of the values cannot be read as {column.kind} by engine "
                    f"spark: {met}; allowed: {ALLOWED.get(column.kind, 'text and whole numbers')}"
                )
            zoned = sum(counts.get(f"zone {name}", 0) for _, _, counts in parts)
            bare = sum(counts.get(f"no zone {name}", 0) for _, _, counts in parts)
            if zoned and bare:
                raise DataError(
                    f"{at}: times with a zone ({zoned}) and without ({bare}) are mixed; allowed: "
                    "all with a zone, or none (they are read in time_zone of dataset.yml)"
                )


def _release(kept: list[DataFrame]) -> None:
    for frame in kept:
        if frame.sparkSession.sparkContext._jsc is not None:
            frame.unpersist()


_Alike = list[tuple[list[Path], dict[str, Family], str]]


def _parquet(files: list[Path]) -> _Alike:
    """Sort Parquet files by their columns and types."""
    with ThreadPoolExecutor(_READERS) as pool:
        schemas = dict(zip(files, pool.map(_schema, files), strict=True))
    found: dict[object, list[Path]] = {}
    for file, schema in schemas.items():
        found.setdefault((*schema.names, *map(str, schema.types)), []).append(file)
    return [(f, {c.name: family(c.type) for c in schemas[f[0]]}, "") for f in found.values()]


def _csv(files: list[Path]) -> _Alike:
    """Sort CSV files by their layout; those that hold nothing are left out."""
    found: dict[Layout, list[Path]] = {}
    for file in files:
        if (told := layout(file)) is not None:
            _refuse_not_text(file)
            found.setdefault(told, []).append(file)
    return [(f, dict.fromkeys(k.columns, "text"), k.delimiter) for k, f in found.items()]


def _schema(file: Path) -> pa.Schema:
    try:
        schema = pq.read_schema(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file}: cannot be read ({str(error).splitlines()[0]})") from error
    refuse_repeated(file, schema.names)
    return schema


def _refuse_not_text(file: Path) -> None:
    """Refuse a CSV file that is not UTF-8; Spark would put another sign for what it cannot read."""
    opener: Any = gzip.open if file.suffix == ".gz" else open
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with opener(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text; allowed: CSV in UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read ({error})") from error


def _refuse_dotted(columns: set[str], where: str) -> None:
    """Refuse names that Spark's expressions take for something else."""
    for column in sorted(columns):
        if "." in column or "`" in column:
            raise DataError(
                f"{where}: column {column!r}: engine spark takes no name with a dot or a "
                "backtick; allowed: another name, or engine duckdb"
            )


def _together(parts: list[_Part], where: str) -> dict[str, Family]:
    """Give the columns of all parts; refuse one whose type differs between them."""
    types: dict[str, Family] = {}
    first: dict[str, _Part] = {}
    for part in parts:
        for column, kind in part.columns.items():
            known = types.get(column, "nothing")
            if "nothing" in (known, kind) or known == kind:
                types[column] = kind if known == "nothing" else known
            elif any({known, kind} <= alike for alike in _ALIKE):
                types[column] = "fraction" if is_number(kind) else known
            else:
                one, other = first[column].files[0].name, part.files[0].name
                raise DataError(
                    f"{where}, column {column}: it is {known} in {one} and {kind} in {other}; "
                    "allowed: one type in all files of a table"
                )
            if kind != "nothing":
                first.setdefault(column, part)
    return types


def _attributes(
    columns: Mapping[str, Family], parts: list[_Part], raws: list[DataFrame]
) -> dict[str, str]:
    """Tell which further columns of ``customers`` are numbers and which are text."""
    kinds = {c: "number" for c, k in columns.items() if is_number(k)}
    kinds |= {c: "text" for c, k in columns.items() if k in ("text", "flag")}
    texts = [c for c, k in columns.items() if k == "text"]
    odd, filled = dict.fromkeys(texts, 0), dict.fromkeys(texts, 0)
    for part, raw in zip(parts, raws, strict=True):
        if not (there := [c for c in texts if c in part.columns]):
            continue
        asked = []
        for i, column in enumerate(there):
            name = name_of(column)
            missing = f"trim({name}) IN {MISSING} OR {name} IS NULL"
            asked.append(f"count_if(NOT ({missing} OR {numeric(name)})) AS odd_{i}")
            asked.append(f"count(nullif(trim({name}), '')) AS filled_{i}")
        row = raw.selectExpr(*asked).first()
        assert row is not None  # sums have a row
        for i, column in enumerate(there):
            odd[column] += row[f"odd_{i}"]
            filled[column] += row[f"filled_{i}"]
    kinds |= {c: "number" for c in texts if not odd[c] and filled[c]}
    return {c: kinds[c] for c in columns if c in kinds}


def _counts(raw: DataFrame, read: Mapping[str, Reading]) -> dict[str, int]:
    """Count all rows, and those whose values are of no use, in one pass."""
    asked = {f"wrong {c}": r.wrong for c, r in read.items() if r.wrong != "false"}
    asked |= {f"zone {c}": r.zone for c, r in read.items() if r.zone}
    asked |= {f"no zone {c}": r.no_zone for c, r in read.items() if r.no_zone}
    counted = [f"count_if({sql}) AS `{name}`" for name, sql in asked.items()]
    row = raw.selectExpr("count(*) AS rows", *counted).first()
    assert row is not None
    return dict.fromkeys((f"wrong {c}" for c in read), 0) | row.asDict()


def _examples(source: str, asked: Iterable[tuple[DataFrame, str]]) -> str:
    met: list[str] = []
    for raw, condition in asked:
        if condition != "false":
            rows = raw.filter(condition).selectExpr(f"CAST({name_of(source)} AS STRING) AS v")
            met += [repr(str(row["v"])[:_LONGEST]) for row in rows.take(_EXAMPLES)]
    return ", ".join(met[:_EXAMPLES])
