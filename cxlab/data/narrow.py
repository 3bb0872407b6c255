"""Take one segment's rows out of all tables, lazily.

This is done before anything is checked, so that a segment is checked, counted and judged as a
dataset of its own would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw

from cxlab.data.segment import OWNER, Segment
from cxlab.data.sources import TypedTable

__all__ = ["narrowed"]

_EXIT = "exit"
_OF_CUSTOMERS = ("interactions", "feedback")

Frame = nw.LazyFrame[Any]
Frames = Mapping[str, Frame]
Read = Mapping[str, TypedTable]


def narrowed(
    segment: Segment, read: Read, frames: Frames
) -> tuple[dict[str, TypedTable], dict[str, Frame]]:
    """Take a segment's rows out of all tables, lazily.

    Of an attribute: its customers, and the contacts and answers of these alone; answers and
    contacts that cannot be told to be anybody's are not the segment's. Of an owner: all
    customers and contacts, where the touchpoints of another owner go by one name together, so
    that a model still holds them equal; those of the exit stage by a name of their own, as
    contacts there follow a decision to leave.

    Parameters
    ----------
    segment : Segment
        What is asked for.
    read : mapping
        The tables as read.
    frames : mapping
        The same tables as lazy frames.

    Returns
    -------
    read : dict of TypedTable
        With the rows counted anew.
    frames : dict of LazyFrame
        The segment's rows.
    """
    part = _of_owner if segment.table == "touchpoints" else _of_customers
    made = part(segment, frames)
    counts = {n: f.select(nw.len()).collect(backend="pyarrow").item() for n, f in made.items()}
    return {n: replace(read[n], rows=int(count)) for n, count in counts.items()}, made


def _of_customers(segment: Segment, frames: Frames) -> dict[str, Frame]:
    made = dict(frames)
    mine = made["customers"] = frames["customers"].filter(segment.holds)
    known = "customer_id" in mine.collect_schema().names()
    for name in _OF_CUSTOMERS:
        if name not in frames:
            continue
        if known and "customer_id" in frames[name].collect_schema().names():
            ids = mine.select("customer_id")
            made[name] = frames[name].join(ids, on="customer_id", how="semi")
        else:
            del made[name]  # nobody's in particular
    return made


def _of_owner(segment: Segment, frames: Frames) -> dict[str, Frame]:
    places = frames["touchpoints"]
    columns = places.collect_schema().names()
    table = places.collect(backend="pandas").to_native()
    table = table[table["touchpoint"].notna()]
    own = table[OWNER].isna() if not segment.value else table[OWNER] == segment.value
    staged = table["stage"] if "stage" in columns else table["touchpoint"].map(lambda _: None)
    leaving = staged.map(lambda s: isinstance(s, str) and s.casefold() == _EXIT)
    names = _Names({str(t) for t in _met(frames)})
    groups: dict[str, list[str]] = {}
    rest = (c[~own] for c in (table["touchpoint"], table[OWNER], leaving))
    for place, owner, at_exit in zip(*rest, strict=True):
        told = names.of(owner if isinstance(owner, str) else "", at_exit)
        groups.setdefault(told, []).append(place)
    known = table["touchpoint"].tolist()
    nobody = names.of("", False)
    told_of = _renamed(groups, known if segment.value else None, nobody)
    made = dict(frames)
    for name in ("interactions", "feedback", "interventions"):
        if name in frames and "touchpoint" in frames[name].collect_schema().names():
            made[name] = frames[name].with_columns(touchpoint=told_of)
    made["touchpoints"] = _places(places, groups, columns)
    if "interventions" in made:
        made["interventions"] = _once(made["interventions"], [*groups, nobody])
    return made


def _once(plans: Frame, names: list[str]) -> Frame:
    """Make one plan of those that differ in the touchpoint alone, where that goes by a group."""
    columns = plans.collect_schema().names()
    if "ended_at" not in columns:
        return plans.unique()
    of_group = nw.col("touchpoint").is_in(names)
    joined = plans.filter(of_group).group_by([c for c in columns if c != "ended_at"])
    ends = joined.agg(cx_open=nw.col("ended_at").is_null().any(), cx_end=nw.col("ended_at").max())
    ends = ends.with_columns(ended_at=nw.when(~nw.col("cx_open")).then(nw.col("cx_end")))
    others = plans.filter(~of_group | nw.col("touchpoint").is_null())
    return nw.concat([others, ends.select(columns)])


def _met(frames: Frames) -> set[Any]:
    """Name every touchpoint of the data."""
    found: set[Any] = set()
    for frame in frames.values():
        if "touchpoint" in frame.collect_schema().names():
            distinct = frame.select("touchpoint").unique().collect(backend="pyarrow")
            found |= {t for t in distinct["touchpoint"].to_list() if t is not None}
    return found


@dataclass(frozen=True)
class _Names:
    """Names for other owners' touchpoints together, which no touchpoint has."""

    taken: set[str]

    def of(self, owner: str, at_exit: bool) -> str:
        name = f"Other touchpoints of {owner}" if owner else "Other touchpoints, without an owner"
        name += ", where customers leave" if at_exit else ""
        while name in self.taken:
            name += " (together)"
        return name


def _renamed(groups: Mapping[str, list[str]], known: list[str] | None, nobody: str) -> nw.Expr:
    """Give the name a contact's touchpoint goes by; one without an owner is in no table, maybe."""
    touchpoint = nw.col("touchpoint")
    told: nw.Expr = touchpoint
    if known is not None:
        told = nw.when(touchpoint.is_null() | touchpoint.is_in(known)).then(touchpoint)
        told = told.otherwise(nw.lit(nobody))
    for name, members in groups.items():
        told = nw.when(touchpoint.is_in(members)).then(nw.lit(name)).otherwise(told)
    return told


def _places(places: Frame, groups: Mapping[str, list[str]], columns: list[str]) -> Frame:
    """Give the table of touchpoints: a group has a stage where all of it have the same."""
    others = {t: name for name, members in groups.items() for t in members}
    own = places.filter(~nw.col("touchpoint").is_in(list(others)) | nw.col("touchpoint").is_null())
    if not others:
        return own
    told = places.filter(nw.col("touchpoint").is_in(list(others)))
    told = told.with_columns(touchpoint=_renamed(groups, None, ""))
    kept = [c for c in ("stage", OWNER) if c in columns]
    grouped = told.group_by("touchpoint").agg(
        **{f"cx_{c}_low": nw.col(c).min() for c in kept},
        **{f"cx_{c}_high": nw.col(c).max() for c in kept},
    )
    for c in kept:
        alike = nw.col(f"cx_{c}_low") == nw.col(f"cx_{c}_high")
        grouped = grouped.with_columns(nw.when(alike).then(nw.col(f"cx_{c}_low")).alias(c))
    empty = [c for c in columns if c not in ("touchpoint", *kept)]
    schema = places.collect_schema()
    if empty:
        grouped = grouped.with_columns(**{c: nw.lit(None, dtype=schema[c]) for c in empty})
    return nw.concat([own.select(columns), grouped.select(columns)])
