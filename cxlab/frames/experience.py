"""The rows of experience metrics that contacts give: all of them, requests for help, purchases."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.measures import Level, Measure, Rows
from cxlab.frames.people import People
from cxlab.frames.periods import EPOCH, days_since_epoch
from cxlab.frames.spans import month_of
from cxlab.results import counted

__all__ = [
    "Places",
    "contact_rows",
    "end_of",
    "flag",
    "help_rows",
    "known_rows",
    "places",
    "purchase_rows",
]

Frame = nw.LazyFrame[Any]
_DAY = 86_400.0
_SHARE = (0.0, 1.0)
_NEVER = math.inf


@dataclass(frozen=True)
class Places:
    """The names of touchpoints, channels and stages, and their places.

    Parameters
    ----------
    touchpoints, channels, stages : tuple of str
        The names; stages in the order of the journey.
    stage : tuple of int
        The stage's place, by touchpoint; that after the last where it has none.
    resolving, waiting : tuple of str
        The touchpoints at which any contact was ever resolved, or has a response time.
    """

    touchpoints: tuple[str, ...]
    channels: tuple[str, ...]
    stages: tuple[str, ...]
    stage: tuple[int, ...]
    resolving: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    @property
    def levels(self) -> tuple[Level, ...]:
        """What rows at touchpoints can be cut by."""
        made = []
        if self.stages:
            made.append(Level("stage", "touchpoint", self.stages, groups=self.stage))
        if self.touchpoints:
            made.append(Level("touchpoint", "touchpoint", self.touchpoints))
        if self.channels:
            made.append(Level("channel", "channel", self.channels))
        return tuple(made)


def places(dataset: Dataset) -> Places:
    """Name the touchpoints, channels and stages met.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    """

    met, channels, resolving, waiting = _met(dataset)
    stages: dict[str, str] = {}
    if "stage" in dataset.columns("touchpoints"):
        table = dataset.table("touchpoints").select("touchpoint", "stage")
        rows = table.collect(backend="pyarrow").iter_rows()
        stages = {t: s for t, s in rows if s is not None}
    order = {s: i for i, s in enumerate(dataset.settings.stages)}
    used = {stages[t] for t in met if t in stages}
    known = tuple(sorted(used, key=lambda s: (order.get(s, len(order)), s)))
    place = {s: i for i, s in enumerate(known)}
    of = tuple(place[stages[t]] if t in stages else len(known) for t in met)
    return Places(met, channels, known, of, resolving, waiting)


def _met(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Name touchpoints, channels, and the touchpoints that resolve contacts or answer them."""
    there = dataset.columns("interactions")
    touchpoints, channels = set(), set()
    told: dict[str, set[str]] = {"resolved_at": set(), "response_seconds": set()}
    if there:
        keys = [c for c in ("touchpoint", "channel") if c in there]
        known = {c: (~nw.col(c).is_null()).any() for c in told if c in there}
        table = dataset.table("interactions")
        found = table.group_by(*keys).agg(cx_n=nw.len(), **known).collect(backend="pyarrow")
        for row in found.iter_rows(named=True):
            touchpoints.add(row["touchpoint"])
            channels.add(row.get("channel"))
            for column, names in told.items():
                if row.get(column):
                    names.add(row["touchpoint"])
    if "touchpoint" in dataset.columns("feedback"):
        asked = dataset.table("feedback").select("touchpoint").unique().collect(backend="pyarrow")
        touchpoints |= set(asked["touchpoint"].to_list())
    every = (touchpoints, channels, *told.values())
    return tuple(tuple(sorted(v for v in names if v is not None)) for names in every)


def _coded(dataset: Dataset, frame: Frame, column: str, names: Sequence[str]) -> Frame:
    """Put a name's place for the name; null where it has none."""
    if not names:
        return frame.with_columns(nw.lit(None, dtype=nw.Int16).alias(column))
    table = pd.DataFrame({column: list(names), "cx_place": np.arange(len(names))})
    table = table.astype({"cx_place": "int16"})
    frame = frame.join(dataset.attach(table), on=column, how="left").drop(column)
    return frame.rename({"cx_place": column})


def known_rows(dataset: Dataset, frame: Frame, known: Places, person: People) -> Frame:
    """Add who, and put the places of touchpoint and channel for their names.

    Parameters
    ----------
    dataset : Dataset
        Whose engine has the rows.
    frame : LazyFrame
        With ``customer_id``; a column that is not there is null.
    known : Places
        The names.
    person : People
        The customers.
    """
    there = frame.collect_schema().names()
    for column in ("touchpoint", "channel"):
        if column not in there:
            frame = frame.with_columns(nw.lit(None, dtype=nw.Int16).alias(column))
        else:
            frame = _coded(dataset, frame, column, getattr(known, f"{column}s"))
    return frame.join(person.frame.select("customer_id", "who"), on="customer_id", how="left")


def contact_rows(dataset: Dataset, known: Places, person: People) -> tuple[Rows, dict[str, str]]:
    """Give all contacts: failures, what was on time, and how long things took.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    known : Places
        The names.
    person : People
        The customers.

    Returns
    -------
    rows : Rows
        The frame also has ``response`` and ``handle`` (seconds), ``resolve`` (seconds to the
        resolution, or to the end of the data), ``resolved`` (1, 0; null at touchpoints that
        resolve nothing) and ``bought``, where the data have them.
    missing : dict
        Metric -> the column it needs.
    """
    there = dataset.columns("interactions")
    end = end_of(dataset)
    columns: dict[str, nw.Expr] = {}
    measures, missing = [], {}
    if "outcome" in there:
        columns["failed_x"] = flag(~nw.col("outcome").is_null())
        columns["failed_y"] = flag(nw.col("outcome") == "failed")
        rule = "failed contacts out of those with an outcome"
        measures.append(_share("failure share", "lower", rule, "failed"))
    else:
        missing["failure share"] = "outcome"
    if {"due_at", "resolved_at"} <= set(there):
        due = nw.col("due_at") < nw.lit(dataset.end)
        columns["due_x"] = flag(due)
        columns["due_y"] = flag(due & (nw.col("resolved_at") <= nw.col("due_at")))
        rule = "resolved by the time due, out of contacts whose time due is over"
        measures.append(_share("on-time share", "higher", rule, "due"))
    else:
        missing["on-time share"] = "due_at" if "due_at" not in there else "resolved_at"
    for name, column, what in (
        ("response", "response_seconds", "mean first response"),
        ("handle", "handle_seconds", "mean handle time"),
    ):
        if column in there:
            columns[name] = nw.col(column).cast(nw.Float64)
            has = (~nw.col(name).is_null()).cast(nw.Float64)
            rule = f"seconds, out of contacts with {column}"
            num = nw.col(name).fill_null(0.0)
            measures.append(Measure(what, "seconds", (0.0, _NEVER), "lower", rule, num, has))
        else:
            missing[what] = column
    if "resolved_at" in there:
        solved = days_since_epoch(nw.col("resolved_at"))
        asks = nw.col("touchpoint").is_in(list(known.resolving))
        at = days_since_epoch(nw.col("occurred_at"))
        over = nw.max_horizontal(nw.coalesce(solved, nw.lit(end)) - at, nw.lit(0.0))
        columns["resolve"] = nw.when(asks).then(over * _DAY)
        columns["resolved"] = nw.when(asks).then(flag(~solved.is_null()))
    else:
        missing["time to resolution"] = "resolved_at"

    def read() -> Frame:
        frame = dataset.table("interactions")
        kept = [c for c in ("channel",) if c in there]
        frame = frame.select(
            "customer_id",
            "touchpoint",
            *kept,
            at=days_since_epoch(nw.col("occurred_at")),
            month=month_of(nw.col("occurred_at")),
            **columns,
        )
        return known_rows(dataset, frame, known, person).drop("customer_id")

    frame = dataset.keep("measured_contacts", read)
    return Rows("contacts", frame, tuple(measures), known.levels), missing


def flag(condition: nw.Expr) -> nw.Expr:
    """Give 1 where a condition holds, else 0."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int8)


def _share(name: str, better: str, rule: str, column: str) -> Measure:
    num, den = nw.col(f"{column}_y"), nw.col(f"{column}_x")
    return Measure(name, "share", _SHARE, better, rule, num, den)


def end_of(dataset: Dataset) -> float:
    """Give the first instant not seen, in days."""
    return (dataset.end - EPOCH) / dt.timedelta(days=1)


def help_rows(
    dataset: Dataset, known: Places, person: People, within_days: int
) -> tuple[Rows | None, str]:
    """Give the contacts that ask for help, and whether the first one was enough.

    Those at touchpoints that resolve contacts; where none does, at those with response times;
    where there are none either, at those of a stage called support or service. A first contact
    has none of the same customer at the same touchpoint, or in the same journey, in the days
    before it. It was enough where it did not fail and no other followed within the days.
    Contacts whose days are not over at the end of the data, or when the customer ended, do not
    count.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    known : Places
        The names.
    person : People
        The customers.
    within_days : int
        The days.

    Returns
    -------
    rows : Rows or None
        None where no contact can be told to ask for help.
    reason : str
        Where they are taken from, or why there are none.
    """
    table, there = dataset.table("interactions"), dataset.columns("interactions")
    names, text = _asking_for_help(known)
    if not names:
        return None, "no touchpoint resolves contacts, has response times, or is of a stage support"
    journeys, outcome = "journey_id" in there, "outcome" in there

    def read() -> Frame:
        kept = [c for c in ("channel", "journey_id", "outcome") if c in there]
        frame = table.filter(nw.col("touchpoint").is_in(names)).select(
            "customer_id",
            "touchpoint",
            *kept,
            at=days_since_epoch(nw.col("occurred_at")),
            month=month_of(nw.col("occurred_at")),
        )
        frame = known_rows(dataset, frame, known, person)
        frame = frame.join(person.frame.select("who", "until"), on="who", how="left")
        frame = _gaps(frame, ("who", "touchpoint"), "cx_near")
        if journeys:
            alone = frame.filter(nw.col("journey_id").is_null()).with_columns(
                cx_j_before=nw.lit(None, dtype=nw.Float64), cx_j_after=nw.lit(None, nw.Float64)
            )
            bound = _gaps(
                frame.filter(~nw.col("journey_id").is_null()), ("who", "journey_id"), "cx_j"
            )
            same = bound.collect_schema().names()
            frame = nw.concat([bound, alone.select(*same)], how="vertical")
        near = [f"{c}_{way}" for c in ("cx_near", "cx_j") for way in ("before", "after")]
        near = [c for c in near if journeys or not c.startswith("cx_j")]
        soon = {c: (nw.col(c) <= within_days).fill_null(False) for c in near}
        before = nw.any_horizontal(*[v for c, v in soon.items() if "before" in c],
                                   ignore_nulls=True)  # fmt: skip
        after = nw.any_horizontal(*[v for c, v in soon.items() if "after" in c],
                                  ignore_nulls=True)  # fmt: skip
        failed = (nw.col("outcome") == "failed").fill_null(False) if outcome else nw.lit(False)
        over = nw.min_horizontal(nw.col("until"), nw.lit(end_of(dataset)))
        counts = ~before & (nw.col("at") + within_days < over)
        frame = frame.with_columns(first_x=flag(counts), first_y=flag(counts & ~after & ~failed))
        return frame.select("who", "at", "month", "touchpoint", "channel", "first_x", "first_y")

    frame = dataset.keep(f"help_{within_days}", read)
    rule = (
        "first contacts that did not fail and that no other followed within "
        f"{counted(within_days, 'day')} at the same touchpoint"
        f"{' or in the same journey' if journeys else ''}"
    )
    measure = _share("first-contact resolution", "higher", rule, "first")
    return Rows("help", frame, (measure,), known.levels), text


def _asking_for_help(known: Places) -> tuple[list[str], str]:
    """Name the touchpoints at which customers ask for help, and say how they are told."""
    if known.resolving:
        return list(known.resolving), "touchpoints that resolve contacts"
    if known.waiting:
        return list(known.waiting), "touchpoints with response times"
    support = [i for i, s in enumerate(known.stages) if s.casefold() in ("support", "service")]
    names = [t for t, s in zip(known.touchpoints, known.stage, strict=True) if s in support]
    return names, "touchpoints of the stage support"


def _gaps(frame: Frame, keys: Sequence[str], name: str) -> Frame:
    """Add the days since the contact before within the keys, and until the one after.

    Contacts of one moment are in the same order every time.
    """
    at, there = nw.col("at"), frame.collect_schema().names()
    order = ["at", *(c for c in ("touchpoint", "channel", "outcome") if c in there)]
    before, after = (at.shift(n).over(*keys, order_by=order) for n in (1, -1))
    return frame.with_columns(
        (at - before).alias(f"{name}_before"), (after - at).alias(f"{name}_after")
    )


def purchase_rows(
    dataset: Dataset, known: Places, person: People, within_days: int
) -> tuple[Rows | None, str]:
    """Give the purchases, and whether the customer bought again within the days.

    A purchase is a contact with a value above 0. Those whose days are not over at the end of
    the data do not count; a customer who ended before did not buy again.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    known : Places
        The names.
    person : People
        The customers.
    within_days : int
        The days.
    """
    there = dataset.columns("interactions")
    if "value" not in there:
        return None, "value"

    def read() -> Frame:
        kept = [c for c in ("channel",) if c in there]
        frame = dataset.table("interactions").filter(nw.col("value") > 0)
        frame = frame.select(
            "customer_id",
            "touchpoint",
            *kept,
            at=days_since_epoch(nw.col("occurred_at")),
            month=month_of(nw.col("occurred_at")),
        )
        frame = _gaps(known_rows(dataset, frame, known, person), ("who",), "cx")
        counts = nw.col("at") + within_days < end_of(dataset)
        again = (nw.col("cx_after") <= within_days).fill_null(False)
        frame = frame.with_columns(again_x=flag(counts), again_y=flag(counts & again))
        return frame.select("who", "at", "month", "touchpoint", "channel", "again_x", "again_y")

    frame = dataset.keep(f"purchases_{within_days}", read)
    if not frame.select(nw.len()).collect(backend="pyarrow").item():
        return None, "value"
    rule = f"purchases followed by another of the customer within {counted(within_days, 'day')}"
    measure = _share("repeat purchase", "higher", rule, "again")
    return Rows("purchases", frame, (measure,), known.levels), ""
