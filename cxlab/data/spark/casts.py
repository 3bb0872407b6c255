"""The SQL of Spark that reads a file's column as a kind of the contract, as DuckDB reads it.

A value that Spark reads otherwise than DuckDB, or DuckDB alone, is refused: on either engine
a figure comes of the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from cxlab.data.contract import YEARS, Column
from cxlab.data.sources import MISSING

__all__ = ["Family", "Reading", "family", "is_number", "literal", "name_of", "numeric", "reading"]

Family = Literal[
    "text", "flag", "whole", "fraction", "decimal", "date", "time", "zoned time",
    "nanoseconds", "zoned nanoseconds", "nothing", "something else",
]  # fmt: skip
_NUMBERS: tuple[Family, ...] = ("whole", "fraction", "decimal")
_TIMES: tuple[Family, ...] = ("date", "time", "zoned time", "nanoseconds", "zoned nanoseconds")
# What DuckDB trims: all that Unicode calls a space separator.
_SPACES = "' \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_SPACES += "\u202f\u205f\u3000'"
_DIGITS = "[0-9]+(_[0-9]+)*"
_NUMBER = rf"\s*[+-]?({_DIGITS}\.?({_DIGITS})?|\.{_DIGITS})([eE][+-]?[0-9]+)?\s*"
_NO_NUMBER = "('inf', '+inf', '-inf', 'infinity', '+infinity', '-infinity', 'nan', '+nan', '-nan')"
_DATE = "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
_CLOCK = r"[T ][0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]*)?)?"
_ZONE = "(Z| UTC|[+-][0-9]{2}(:?[0-9]{2})?)"
# Whole numbers beyond it are not told apart by a fraction.
_WHOLE_TO = 2**53


def name_of(column: str) -> str:
    """Write a name as an SQL identifier."""
    return "`" + column.replace("`", "``") + "`"


def literal(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def family(dtype: pa.DataType) -> Family:
    """Tell of which family a type of a Parquet file is.

    Parameters
    ----------
    dtype : pyarrow.DataType
        The type.
    """
    types = pa.types
    if types.is_dictionary(dtype):
        return family(dtype.value_type)
    if types.is_timestamp(dtype):
        zoned = "zoned " if dtype.tz is not None else ""
        return f"{zoned}nanoseconds" if dtype.unit == "ns" else f"{zoned}time"  # type: ignore[return-value]
    told: dict[Family, bool] = {
        "text": types.is_string(dtype) or types.is_large_string(dtype) or types.is_binary(dtype),
        "flag": types.is_boolean(dtype),
        "whole": types.is_integer(dtype) and dtype != pa.uint64(),
        "decimal": types.is_decimal128(dtype) or dtype == pa.uint64(),
        "fraction": types.is_float32(dtype) or types.is_float64(dtype),
        "date": types.is_date(dtype),
        "nothing": types.is_null(dtype),
    }
    return next((name for name, met in told.items() if met), "something else")


def is_number(kind: Family) -> bool:
    """Tell families of numbers; a column without any value is taken for one too."""
    return kind in _NUMBERS or kind == "nothing"


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    Parameters
    ----------
    sql : str
        Gives the value; null where it cannot be read.
    wrong : str
        Tells the values that are there and cannot be read.
    plain : str
        Gives the value where no value is wrong, more plainly.
    zone, no_zone : str
        Tell times of text with a zone, and without; empty for other columns.
    """

    sql: str
    wrong: str = "false"
    plain: str = ""
    zone: str = ""
    no_zone: str = ""

    @property
    def sure(self) -> str:
        """SQL for a column none of whose values is wrong."""
        return self.plain or self.sql


def reading(column: Column, source: str, kind: Family, time_zone: str) -> Reading:
    """Tell how a file's column is read as a column of the contract.

    Parameters
    ----------
    column : Column
        The contract's column.
    source : str
        The file's.
    kind : Family
        What the file has.
    time_zone : str
        The dataset's.
    """
    raw = name_of(source)
    if kind == "nothing":
        empty = {"time": "TIMESTAMP_NTZ", "number": "DOUBLE", "flag": "INT"}
        return Reading(f"CAST(NULL AS {empty.get(column.kind, 'STRING')})")
    if column.kind == "time":
        return _time(raw, kind, time_zone)
    if column.kind == "number":
        return _number(raw, kind)
    if kind in ("something else", "zoned time", "nanoseconds", "zoned nanoseconds"):
        dtype = "INT" if column.kind == "flag" else "STRING"
        return Reading(f"CAST(NULL AS {dtype})", f"{raw} IS NOT NULL")
    if column.kind == "flag":
        return _flag(raw)
    return _id(raw, kind) if column.kind == "id" else _text(raw, kind)


def _trimmed(raw: str) -> str:
    return f"trim(BOTH {_SPACES} FROM CAST({raw} AS STRING))"


def _given(raw: str) -> str:
    """SQL of a text that is null where it stands for a missing value."""
    return f"CASE WHEN {_trimmed(raw)} NOT IN {MISSING} THEN {_trimmed(raw)} END"


def _id(raw: str, kind: Family) -> Reading:
    if kind == "text":
        return Reading(f"nullif({_trimmed(raw)}, '')")
    if kind == "fraction":  # pandas writes integers with gaps as floats
        whole = f"{raw} % 1 = 0 AND abs({raw}) < {_WHOLE_TO}"
        sql = f"CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS STRING) END"
        return Reading(sql, f"({raw} IS NOT NULL AND NOT isnan({raw}) AND NOT ({whole}))")
    if kind == "decimal":
        whole = f"CAST({raw} AS DECIMAL(38, 0))"
        text = f"CAST(IF({raw} = {whole}, {whole}, NULL) AS STRING)"
        return Reading(f"coalesce({text}, CAST({raw} AS STRING))")
    return Reading(f"CAST({raw} AS STRING)")


def _text(raw: str, kind: Family) -> Reading:
    if kind == "text":
        return Reading(f"nullif({_trimmed(raw)}, '')")
    # A large or a small fraction is written in other ways by other engines.
    odd = f"(contains(CAST({raw} AS STRING), 'E') OR abs({raw}) = double('Infinity'))"
    wrong = odd if kind == "fraction" else "false"
    return Reading(f"CASE WHEN NOT {wrong} THEN {_given(raw)} END", wrong)


def _flag(raw: str) -> Reading:
    lower = f"lower({_given(raw)})"
    sql = (
        f"CASE WHEN {lower} IN ('1', '1.0', 'true', 'yes') THEN 1 "
        f"WHEN {lower} IN ('0', '0.0', 'false', 'no') THEN 0 END"
    )
    return Reading(sql, f"({_given(raw)} IS NOT NULL AND ({sql}) IS NULL)")


def numeric(raw: str) -> str:
    """SQL that tells a text that is a number, maybe one that is not finite."""
    text = f"trim({_trimmed(raw)})"
    return f"({_trimmed(raw)} RLIKE {literal(f'^{_NUMBER}$')} OR lower({text}) IN {_NO_NUMBER})"


def _number(raw: str, kind: Family) -> Reading:
    if kind == "text":
        bare = f"CAST(replace(trim({_trimmed(raw)}), '_', '') AS DOUBLE)"
        number = f"CASE WHEN {_trimmed(raw)} RLIKE {literal(f'^{_NUMBER}$')} THEN {bare} END"
        sql = f"CASE WHEN abs({number}) < double('Infinity') THEN {number} END"
        return Reading(sql, f"({_given(raw)} IS NOT NULL AND ({sql}) IS NULL)")
    if kind not in _NUMBERS:
        return Reading("CAST(NULL AS DOUBLE)", f"{raw} IS NOT NULL")
    number = f"CAST({raw} AS DOUBLE)"
    if kind != "fraction":
        return Reading(number)
    infinite = f"abs({number}) = double('Infinity')"
    # NaN is how other programs write what is missing.
    sql = f"CASE WHEN NOT isnan({raw}) AND NOT {infinite} THEN {number} END"
    return Reading(sql, infinite)


def _time(raw: str, kind: Family, time_zone: str) -> Reading:
    if kind not in ("text", *_TIMES):
        return Reading("CAST(NULL AS TIMESTAMP_NTZ)", f"{raw} IS NOT NULL")
    if kind == "text":
        return _text_time(raw, time_zone)
    moment = {
        "date": f"CAST({raw} AS TIMESTAMP_NTZ)",
        "time": raw,
        "zoned time": _on_clock(raw, time_zone),
        "nanoseconds": f"CAST({_micros(raw)} AS TIMESTAMP_NTZ)",
        "zoned nanoseconds": _on_clock(_micros(raw), time_zone),
    }[kind]
    sql = f"CASE WHEN {_in_years(moment)} THEN {moment} END"
    return Reading(sql, f"({raw} IS NOT NULL AND ({sql}) IS NULL)", moment)


def _text_time(raw: str, time_zone: str) -> Reading:
    text = _trimmed(raw)
    after = f"substring({text}, 11)"
    zone = f"{after} RLIKE '[A-SU-Za-su-z+-]'"
    plain = f"{text} RLIKE '^{_DATE}({_CLOCK})?$'"
    with_zone = f"{text} RLIKE '^{_DATE}{_CLOCK}{_ZONE}$'"
    # There and back: a time that the clock skipped is the one it showed instead.
    local = f"try_cast({text} AS TIMESTAMP_NTZ)"
    there = f"convert_timezone({literal(time_zone)}, 'UTC', {local})"
    back = f"convert_timezone('UTC', {literal(time_zone)}, {there})"
    moment = (
        f"CASE WHEN {plain} THEN {back if time_zone != 'UTC' else local} "
        f"WHEN {with_zone} THEN {_on_clock(f'try_cast({text} AS TIMESTAMP_LTZ)', time_zone)} END"
    )
    sql = f"CASE WHEN {_in_years(moment)} THEN {moment} END"
    return Reading(
        sql,
        f"({_given(raw)} IS NOT NULL AND ({sql}) IS NULL)",
        zone=f"({zone})",
        no_zone=f"(length({text}) > 10 AND {text} NOT IN {MISSING} AND NOT {zone})",
    )


def _on_clock(instant: str, time_zone: str) -> str:
    """SQL that gives what the dataset's clock shows at an instant."""
    utc = f"CAST({instant} AS TIMESTAMP_NTZ)"  # the session's zone is UTC
    return utc if time_zone == "UTC" else f"convert_timezone('UTC', {literal(time_zone)}, {utc})"


def _micros(raw: str) -> str:
    """SQL that gives the instant of whole nanoseconds, to the nearest microsecond."""
    return f"timestamp_micros(({raw} + 500 - pmod({raw} + 500, 1000)) div 1000)"


def _in_years(moment: str) -> str:
    first, last = YEARS
    bounds = (f"TIMESTAMP_NTZ '{y}-01-01 00:00:00'" for y in (first, last + 1))
    return f"{moment} >= {next(bounds)} AND {moment} < {next(bounds)}"
