"""What a segment is: the customers of one attribute's value, or one owner's touchpoints."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from cxlab.data.sources import TypedTable
from cxlab.errors import UsageError, one_of

__all__ = ["OWNER", "Segment", "number_text", "read_segment", "segment_of", "values_of"]

OWNER = "owner"
"""The column of ``touchpoints`` by which a segment may be told."""
_MOST_NAMED = 12

Frame = nw.LazyFrame[Any]
Frames = Mapping[str, Frame]
Read = Mapping[str, TypedTable]


@dataclass(frozen=True)
class Segment:
    """What sets a segment apart.

    Parameters
    ----------
    column : str
        An attribute of ``customers``, or ``owner`` of ``touchpoints``.
    value : str
        As text; empty where there is none.
    table : str
        ``customers`` or ``touchpoints``.
    kind : str
        Whether the column holds ``"number"`` or ``"text"``.
    """

    column: str
    value: str
    table: str = "customers"
    kind: str = "text"

    @property
    def where(self) -> str:
        """As it is asked for, such as ``plan=pro``."""
        return f"{self.column}={self.value}"

    @property
    def words(self) -> str:
        """As pages tell it, such as ``plan: pro``, or ``plan not given``."""
        return f"{self.column}: {self.value}" if self.value else f"{self.column} not given"

    @property
    def holds(self) -> nw.Expr:
        """Whether a row of its table is of the segment."""
        if not self.value:
            return nw.col(self.column).is_null()
        value = float(self.value) if self.kind == "number" else self.value
        return nw.col(self.column) == nw.lit(value)


def number_text(value: float) -> str:
    """Write a number as ``where`` has it: ``2`` and not ``2.0``.

    Parameters
    ----------
    value : float
        A finite number.
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def read_segment(where: str, read: Read, frames: Frames) -> Segment | None:
    """Read ``column=value``; the first ``=`` parts the two.

    ``owner`` is that of ``touchpoints`` where this table has one, else an attribute as any
    other.

    Parameters
    ----------
    where : str
        What is asked for; empty: nothing.
    read : mapping
        The tables as read.
    frames : mapping
        The same tables as lazy frames.

    Raises
    ------
    UsageError
        It is not written so, no table has such a column, or nobody has that value.
    """
    if not where.strip():
        return None
    column, equals, value = (part.strip() for part in where.partition("="))
    if not equals or not column:
        allowed = "an attribute and its value, such as plan=pro; plan= for those without any"
        raise UsageError(f"where is {where!r}; allowed: {allowed}")
    segment = segment_of(column, value, read)
    if frames[segment.table].filter(segment.holds).head(1).collect(backend="pyarrow").is_empty():
        known = _near(value, [v or "(none)" for v in values_of(segment, frames)])
        what = f"where: {column} of table {segment.table}"
        raise UsageError(one_of(what, value or None, known))
    return segment


def segment_of(column: str, value: str, read: Read) -> Segment:
    """Find the table that has a column, and read the value as that column's kind.

    Parameters
    ----------
    column, value : str
        As asked for; whether any row has the value is not looked at.
    read : mapping
        The tables as read.

    Raises
    ------
    UsageError
        No table has such a column, or the value is no number where it holds numbers.
    """
    attributes = read["customers"].attributes
    owners = "touchpoints" in read and OWNER in read["touchpoints"].columns
    owners = owners and "interactions" in read and "tenure" not in read["customers"].columns
    if column == OWNER and owners:
        return Segment(column, value, "touchpoints")
    if column not in attributes:
        known = [*attributes, *([OWNER] if owners else [])]
        raise UsageError(one_of("where: the attribute", column, _near(column, known) or ["none"]))
    kind = attributes[column]
    if value and kind == "number":
        try:
            value = number_text(float(value))
        except (ValueError, OverflowError):
            told = f"where: {column} of table customers is {value!r}; allowed: a number"
            raise UsageError(told) from None
    return Segment(column, value, "customers", kind)


def values_of(segment: Segment, frames: Frames) -> list[str]:
    """List the values that a segment's column has, as text; empty: rows without any.

    Parameters
    ----------
    segment : Segment
        Names the table and the column.
    frames : mapping
        Lazy frames by table.
    """
    distinct = frames[segment.table].select(segment.column).unique().collect(backend="pyarrow")
    found = distinct[segment.column].to_list()
    if segment.kind == "number":
        numbers = sorted(v for v in found if v is not None)
        return [*[number_text(v) for v in numbers], *([""] if None in found else [])]
    return [*sorted(v for v in found if v), *([""] if None in found else [])]


def _near(value: str, known: list[str]) -> list[str]:
    """Put the names that are most like one first, and tell of the rest how many there are."""
    like = difflib.get_close_matches(value, known, n=3, cutoff=0.5)
    ordered = [*like, *(k for k in known if k not in like)]
    more = len(ordered) - _MOST_NAMED
    return [*ordered[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]
