"""Which segments a spec's ``each`` means: who is in them, and which are too small to be told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.data.segment import OWNER, Segment, number_text, segment_of
from cxlab.errors import DataError, UsageError, one_of
from cxlab.frames.engine import how_many
from cxlab.report.segments.fan import EACH, Each, slug
from cxlab.report.spec import Plan
from cxlab.results import counted

if TYPE_CHECKING:
    import narwhals as nw

    from cxlab.data.dataset import Dataset

__all__ = ["Gone", "Group", "Left", "chosen"]

_LEAST = 30
_MOST = 200
_SHOWN = 12


@dataclass(frozen=True)
class Group:
    """A segment that there is a report for.

    Parameters
    ----------
    where, words : str
        Such as ``plan=pro``, and as pages tell it.
    customers, churners : int
        Who was there, and who of them left of their own will. Of an owner: who had a contact
        at one of the owner's touchpoints, and who left of all.
    places : tuple of str, optional
        The owner's touchpoints; None: all are the segment's.
    """

    where: str
    words: str
    customers: int
    churners: int
    places: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Gone:
    """A segment that had a report and has none in this run.

    Parameters
    ----------
    words : str
        As pages tell it.
    as_of : str or None
        The day up to which its last good report sees.
    folder, run : str
        Where that is.
    """

    words: str
    as_of: str | None
    folder: str
    run: str


@dataclass(frozen=True)
class Left:
    """What there is no report for.

    Parameters
    ----------
    skipped : list of str
        Why segments are skipped, in sentences that name no small one.
    gone : list of Gone
        Segments that had a report before.
    apart : bool
        Whether no customer is in two of the segments that are there.
    """

    skipped: list[str] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    apart: bool = True


def chosen(plan: Plan, each: Each) -> tuple[list[Group], Left]:
    """Choose the segments to be reported on.

    Parameters
    ----------
    plan : Plan
        The run.
    each : Each
        What its spec says.

    Raises
    ------
    DataError
        No table has the column, nobody has or had a value that is named, there are too many,
        or none of them is large enough.
    """
    segment = _column(plan, each)
    there = {g.where: g for g in _counted(plan.dataset, segment)}
    gone = list(_before(plan.out / EACH))
    asked = _asked(plan, each, segment, there, {g.folder for g in gone})
    least = max(_LEAST, *(v.get("min_group", 0) for v in map(plan.settings, plan.order)))
    groups = [g for g in asked if g.customers >= least and g.churners]
    if not groups:
        told = f"no value has {least} customers, one of whom left"
        raise DataError(f"{plan.spec_path}: each: {each.column}: {told}")
    small = [g for g in asked if g.customers < least]
    stayed = [g for g in asked if g.customers >= least and not g.churners]
    skipped = [_few(len(small), each.column, least)] if small else []
    skipped += [f"{g.words}: nobody left, so that there is nothing to explain." for g in stayed]
    folders = {slug(g.where) for g in groups}
    apart = segment.table == "customers"
    return groups, Left(skipped, [g for g in gone if g.folder not in folders], apart)


def _column(plan: Plan, each: Each) -> Segment:
    try:
        return segment_of(each.column, "", plan.dataset.read)
    except UsageError as error:
        raise DataError(f"{plan.spec_path}: each: {error}") from None


def _few(number: int, column: str, least: int) -> str:
    """Say that groups are too small, and nothing else of them."""
    has = "has" if number == 1 else "have"
    return f"{counted(number, 'value')} of {column} {has} fewer than {least} customers."


def _asked(
    plan: Plan, each: Each, segment: Segment, there: dict[str, Group], before: set[str]
) -> list[Group]:
    """Give the groups that the spec means; a value it names has to be there, or have been."""
    if each.values == "all":
        if len(there) > _MOST:
            told = f"has {len(there):,} values; allowed: up to {_MOST}, or a list of values"
            raise DataError(f"{plan.spec_path}: each: {each.column} {told}")
        return list(there.values())
    found = []
    for value in each.values:
        where = _segment(segment, value, plan).where
        if where in there:
            found.append(there[where])
        elif slug(where) not in before:
            known = [g.partition("=")[2] or "null" for g in there]
            known = known[:_SHOWN] + ["…"] * (len(known) > _SHOWN)
            what = f"{plan.spec_path}: each: a value of {each.column}"
            raise DataError(one_of(what, value, known))
    return found


def _segment(segment: Segment, value: str, plan: Plan) -> Segment:
    try:
        return segment_of(segment.column, value, plan.dataset.read)
    except UsageError as error:
        raise DataError(f"{plan.spec_path}: each: {error}") from None


def _counted(dataset: Dataset, segment: Segment) -> Iterator[Group]:
    """Count who is in each segment, in the order of the values, those without any last."""
    rows = (
        _of_owners(dataset) if segment.table == "touchpoints" else _of_customers(dataset, segment)
    )

    def order(row: tuple[Any, int, int]) -> tuple[bool, Any]:
        return row[0] is None, row[0] if row[0] is not None else 0

    for value, customers, churners in sorted(rows, key=order):
        text = number_text(value) if isinstance(value, float) else str(value or "")
        one = Segment(segment.column, text, segment.table, segment.kind)
        places = None
        if segment.table == "touchpoints":
            places = tuple(sorted(_places(dataset, value)))
        yield Group(one.where, one.words, int(customers), int(churners), places)


def _places(dataset: Dataset, owner: str | None) -> set[str]:
    """Name the touchpoints of an owner; those of nobody may be in no table."""
    table = dataset.table("touchpoints").select("touchpoint", OWNER).collect(backend="pandas")
    owned = table.to_native().dropna(subset=["touchpoint"])
    if owner is not None:
        return set(owned.loc[owned[OWNER] == owner, "touchpoint"])
    met = dataset.table("interactions").select("touchpoint").unique().collect(backend="pyarrow")
    return set(met["touchpoint"].to_list()) - set(owned.loc[owned[OWNER].notna(), "touchpoint"])


def _of_customers(dataset: Dataset, segment: Segment) -> Iterable[tuple[Any, int, int]]:
    import narwhals as nw

    if dataset.form == "snapshot":
        frame = dataset.table("customers").with_columns(cx_value=nw.col(segment.column))
        people, left = nw.len(), nw.col("churned").sum()
    else:
        from cxlab.frames.periods import attribute, risk_set

        frame = risk_set(dataset).frame.with_columns(cx_value=nw.col(attribute(segment.column)))
        people, left = nw.col("who").n_unique(), how_many(nw.col("event"))
    return _rows(frame.group_by("cx_value").agg(people=people, left=left))


def _of_owners(dataset: Dataset) -> Iterable[tuple[Any, int, int]]:
    import narwhals as nw

    from cxlab.frames.periods import risk_set

    left = risk_set(dataset).events
    owners = dataset.table("touchpoints").select("touchpoint", cx_value=nw.col(OWNER))
    met = dataset.table("interactions").select("customer_id", "touchpoint").unique()
    met = met.join(owners, on="touchpoint", how="left")
    people = met.group_by("cx_value").agg(people=nw.col("customer_id").n_unique())
    return _rows(people.with_columns(left=nw.lit(left)))


def _rows(frame: nw.LazyFrame[Any]) -> list[tuple[Any, int, int]]:
    found = frame.select("cx_value", "people", "left").collect(backend="pyarrow")
    return list(found.iter_rows())


def _before(place: Path) -> Iterator[Gone]:
    """List the segments that have a good report."""
    for latest in sorted(place.glob("*/latest")):
        try:
            told = json.loads((latest / "manifest.json").read_text(encoding="utf-8"))
            where, day = told["dataset"]["where"], told["as_of"]
        except (OSError, ValueError, KeyError, TypeError):
            where, day = latest.parent.name, None  # its folder is all that is known
        column, _, value = str(where or latest.parent.name).partition("=")
        words = Segment(column, value).words if where and "=" in str(where) else str(where)
        yield Gone(words, day, latest.parent.name, latest.resolve().name)
