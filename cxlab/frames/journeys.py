"""Contacts in their order, and cut into journeys.

A contact with a ``journey_id`` is a step of that journey of its customer. A customer's other
contacts are cut into sessions: a new one begins after a gap of more than some days. Ties in
time are broken by ``interaction_id``, then by touchpoint, the same way every time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.exposures import Contacts, contacts
from cxlab.frames.periods import EPOCH, RiskSet, days_since_epoch

__all__ = [
    "PER_OCTAVE",
    "Ordered",
    "Spans",
    "Steps",
    "gap_counts",
    "handed",
    "order",
    "spans",
    "tenure_rates",
]

Frame = nw.LazyFrame[Any]

PER_OCTAVE = 4
"""Gaps are counted in classes, so many to a doubling, of minutes."""
_KEPT = ("interaction_id", "channel", "journey_id", "resolved_at")
_LINE = ("who", "own")
_MINUTES = 1440.0


@dataclass(frozen=True)
class Ordered:
    """All contacts in the order in which their customers had them, as numbers.

    Parameters
    ----------
    dataset : Dataset
        Whose engine holds them.
    frame : LazyFrame
        One row a contact: ``who`` and ``own`` (numbers of the customer and of the journey it
        was given, from 1; 0: none), ``n`` (its place among those of ``who`` and ``own``, from
        1), ``gap`` (days since the one before it; null for the first), ``at`` (days),
        ``touchpoint`` and ``channel`` (places in the names; -1: no channel), ``bad`` and
        ``judged`` (1 or 0, as known at ``as_of``) and ``right`` (days: when resolved).
    touchpoints, channels : tuple of str
        Their names, in alphabetical order.
    judging : bool
        Whether anything tells a bad contact from an ordinary one.
    text : str
        What makes a contact bad, in words.
    people : LazyFrame
        ``customer_id, who``.
    rows, given : int
        How many contacts there are, and how many of them carry a ``journey_id``.
    end : float
        The first instant not seen, in days.
    """

    dataset: Dataset
    frame: Frame
    touchpoints: tuple[str, ...]
    channels: tuple[str, ...]
    judging: bool
    text: str
    people: Frame
    rows: int
    given: int
    end: float

    def cut(self, idle_days: float) -> Steps:
        """Cut the contacts into journeys.

        Parameters
        ----------
        idle_days : float
            After a longer gap a new session begins.
        """
        name = f"{idle_days:.6g}".replace(".", "p").replace("-", "m")
        steps = self.dataset.keep(f"journeys_steps_{name}", lambda: _steps(self.frame, idle_days))
        whole = self.dataset.keep(
            f"journeys_whole_{name}", lambda: _whole(steps, idle_days, self.end)
        )
        return Steps(self, steps, whole, idle_days)


@dataclass(frozen=True)
class Steps:
    """Contacts as steps of journeys.

    Parameters
    ----------
    contacts : Ordered
        Of which they are made.
    frame : LazyFrame
        As of :class:`Ordered`, with ``first`` (the place of the journey's first contact: with
        ``who`` and ``own`` it names the journey), ``step`` (from 1), ``last`` (whether nothing
        follows in the journey), ``came`` and ``came_by`` (touchpoint and channel of the step
        before; null at the first), ``came_bad`` and ``came_judged`` of it, and ``again``
        (whether the journey was at this touchpoint before).
    journeys : LazyFrame
        One row a journey: ``who, own, first, steps, begun, over`` (days), ``start`` and
        ``finish`` (touchpoints), ``failed, judged, handoffs, again`` (numbers of contacts) and
        ``state``: 0 complete, 1 abandoned, 2 still open, 3 nobody knows.
    idle_days : float
        The gap that ends a session.
    """

    contacts: Ordered
    frame: Frame
    journeys: Frame
    idle_days: float


@dataclass(frozen=True)
class Spans:
    """The time that customers were at risk of leaving.

    Parameters
    ----------
    frame : LazyFrame
        One row a spell: ``customer_id, started, began, until`` (days; followed from ``began``,
        the end not included), ``left_at`` (days; null: did not leave of their own will), and
        what was asked for.
    end : float
        The first instant not seen, in days.
    days : float
        All their days.
    left : int
        How many left.
    customers : int
        How many customers.
    """

    frame: Frame
    end: float
    days: float
    left: int
    customers: int


def order(dataset: Dataset) -> Ordered:
    """Put contacts in their order, as numbers that the engine keeps.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    """
    there = dataset.columns("interactions")
    known = contacts(dataset, keep=[c for c in _KEPT if c in there])
    channels = _names(dataset, "channel") if "channel" in there else ()
    end = (dataset.end - EPOCH) / dt.timedelta(days=1)

    def numbered() -> Frame:
        known = "customer_id" in dataset.columns("customers")
        ids = dataset.table("customers" if known else "interactions").select("customer_id").unique()
        return ids.with_row_index("who", order_by="customer_id")

    people = dataset.keep("journeys_people", numbered)
    frame = dataset.keep(
        "journeys_contacts", lambda: _ordered(dataset, known, people, channels, end)
    )
    told = frame.select(rows=nw.len(), given=how_many(nw.col("own") > 0)).collect(backend="pyarrow")
    rows, given = told.row(0)
    judging = bool(known.classes)
    return Ordered(
        dataset, frame, known.touchpoints, channels, judging, known.text, people,
        int(rows), int(given or 0), end,
    )  # fmt: skip


def _names(dataset: Dataset, column: str) -> tuple[str, ...]:
    values = dataset.table("interactions").select(column).unique().sort(column)
    return tuple(v for v in values.collect(backend="pyarrow")[column].to_list() if v is not None)


def _ordered(
    dataset: Dataset, known: Contacts, people: Frame, channels: Sequence[str], end: float
) -> Frame:
    there = dataset.columns("interactions")
    frame = _given(dataset, known.placed(dataset)).join(people, on="customer_id", how="inner")
    if channels:
        places = pd.DataFrame({"channel": list(channels), "place": np.arange(len(channels))})
        named = dataset.attach(places.astype({"place": "int16"}))
        frame = frame.join(named, on="channel", how="left").drop("channel")
    else:
        frame = frame.with_columns(place=nw.lit(None, dtype=nw.Int16))
    bad = (nw.col("bad_from") < end).fill_null(False)
    judged = nw.lit(bool(known.classes))
    if "unknown" in known.classes:
        judged = bad | (nw.col("unknown_until").is_null() | (nw.col("unknown_until") < end))
    right = days_since_epoch(nw.col("resolved_at")) if "resolved_at" in there else None
    frame = frame.with_columns(
        channel=nw.col("place").fill_null(-1),
        one=nw.lit(1),
        bad=bad.cast(nw.Int8),
        judged=judged.cast(nw.Int8),
        right=nw.lit(None, dtype=nw.Float64) if right is None else right,
    )
    tie = ["interaction_id"] if "interaction_id" in there else []
    by = ["at", *tie, "touchpoint", "channel", "bad"]
    frame = frame.with_columns(
        n=nw.col("one").cum_sum().over(*_LINE, order_by=by).cast(nw.Int32),
        gap=nw.col("at") - nw.col("at").shift(1).over(*_LINE, order_by=by),
    )
    return frame.select(
        "who", "own", "n", "gap", "at", "touchpoint", "channel", "bad", "judged", "right"
    )


def _given(dataset: Dataset, frame: Frame) -> Frame:
    """Number the journeys that the data name; an id that two customers share is two journeys."""
    if "journey_id" not in dataset.columns("interactions"):
        return frame.with_columns(own=nw.lit(0, dtype=nw.Int64))
    key = ["customer_id", "journey_id"]
    named = dataset.table("interactions").filter(~nw.col("journey_id").is_null())
    named = named.select(*key).unique().with_row_index("own", order_by=key)
    named = named.with_columns(own=nw.col("own").cast(nw.Int64) + 1)
    frame = frame.join(named, on=key, how="left").drop("journey_id")
    return frame.with_columns(own=nw.col("own").fill_null(0))


def _steps(frame: Frame, idle_days: float) -> Frame:
    gap, line = nw.col("gap"), {"order_by": "n"}
    begins = gap.is_null() | ((nw.col("own") == 0) & (gap > idle_days))
    frame = frame.with_columns(begins=nw.when(begins).then(nw.col("n")).otherwise(nw.lit(0)))
    frame = frame.with_columns(
        first=nw.col("begins").cum_max().over(*_LINE, **line),
        following=nw.col("begins").shift(-1).over(*_LINE, **line),
        came=nw.col("touchpoint").shift(1).over(*_LINE, **line),
        came_by=nw.col("channel").shift(1).over(*_LINE, **line),
        came_bad=nw.col("bad").shift(1).over(*_LINE, **line),
        came_judged=nw.col("judged").shift(1).over(*_LINE, **line),
        before=nw.col("n").shift(1).over(*_LINE, "touchpoint", **line),
    )
    later = nw.col("n") > nw.col("first")
    came = ("came", "came_by", "came_bad", "came_judged")
    return frame.with_columns(
        *(nw.when(later).then(nw.col(c)).alias(c) for c in came),
        step=nw.col("n") - nw.col("first") + 1,
        last=nw.col("following").is_null() | (nw.col("following") > 0),
        again=(nw.col("before") >= nw.col("first")).fill_null(False),
    ).drop("begins", "following", "before", "gap")


def handed() -> nw.Expr:
    """Tell whether a step came by another channel than the one before it; null: unknown."""
    known = (nw.col("came_by") >= 0) & (nw.col("channel") >= 0)
    return nw.when(known).then(nw.col("came_by") != nw.col("channel"))


def _whole(steps: Frame, idle_days: float, end: float) -> Frame:
    """Put the steps of each journey together.

    How it ended is told by its last contact whose outcome is known. One that failed and was
    resolved within the gap that ends a session counts as put right: a longer wait would give
    early journeys more time for it than late ones.
    """
    right = (nw.col("right") <= nw.col("at") + idle_days).fill_null(False)
    told = nw.col("n").cast(nw.Int64) * 4 + nw.col("bad") * 2 + right.cast(nw.Int64)
    frame = steps.with_columns(
        told=nw.when(nw.col("judged") == 1).then(told),
        starts=nw.when(nw.col("step") == 1).then(nw.col("touchpoint")),
        ends=nw.when(nw.col("last")).then(nw.col("touchpoint")),
        handed=handed().cast(nw.Int32),
        failing=nw.col("bad").cast(nw.Int32) * nw.col("judged"),
    )
    frame = frame.group_by("who", "own", "first").agg(
        steps=nw.len(),
        begun=nw.col("at").min(),
        over=nw.col("at").max(),
        start=nw.col("starts").min(),
        finish=nw.col("ends").min(),
        failed=nw.col("failing").sum(),
        judged=nw.col("judged").sum(),
        handoffs=nw.col("handed").sum(),
        again=nw.col("again").cast(nw.Int32).sum(),
        told=nw.col("told").max(),
    )
    told = nw.col("told") % 4
    state = nw.when(told == 2).then(nw.lit(1)).otherwise(nw.lit(0))
    state = nw.when(nw.col("told").is_null()).then(nw.lit(3)).otherwise(state)
    state = nw.when(nw.col("over") + idle_days >= end).then(nw.lit(2)).otherwise(state)
    return frame.with_columns(state=state, handoffs=nw.col("handoffs").fill_null(0)).drop("told")


def gap_counts(contacts: Ordered) -> pd.DataFrame:
    """Count the gaps between contacts, in classes.

    Parameters
    ----------
    contacts : Ordered
        The contacts.

    Returns
    -------
    pandas.DataFrame
        ``given`` (whether within a journey that the data name), ``low`` and ``high`` (days)
        and ``n``, in order.
    """
    minutes = nw.max_horizontal(nw.col("gap") * _MINUTES, nw.lit(1 / 60))
    frame = contacts.frame.filter(~nw.col("gap").is_null()).with_columns(
        place=(minutes.log(2) * PER_OCTAVE).floor().cast(nw.Int64), given=nw.col("own") > 0
    )
    counted = frame.group_by("given", "place").agg(n=nw.len()).sort("given", "place")
    table: pd.DataFrame = counted.collect(backend="pandas").to_native()
    low = np.exp2(table["place"] / PER_OCTAVE) / _MINUTES
    return table.assign(low=low, high=low * 2 ** (1 / PER_OCTAVE)).drop(columns="place")


def spans(risk: RiskSet, keep: Sequence[str] = ()) -> Spans:
    """Give the time that customers were at risk of leaving, within the feed.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    keep : sequence of str
        Further columns of them.
    """
    began = nw.max_horizontal("started", nw.col("first") * risk.period_days + risk.end)
    frame = risk.frame.with_columns(
        began=began,
        until=nw.coalesce("event_at", "competing_at", nw.lit(risk.end)),
        left_at=nw.col("event_at"),
    ).select("customer_id", "started", "began", "until", "left_at", *keep)
    frame = frame.filter(nw.col("until") > nw.col("began"))
    told = frame.select(
        days=(nw.col("until") - nw.col("began")).sum(),
        left=how_many(~nw.col("left_at").is_null()),
        customers=nw.col("customer_id").n_unique(),
    )
    days, left, customers = told.collect(backend="pyarrow").row(0)
    return Spans(frame, risk.end, float(days or 0.0), int(left or 0), int(customers or 0))


def tenure_rates(frame: Frame, edges: Sequence[float]) -> list[float]:
    """Give the voluntary ends a customer and day, by how long customers had been there.

    Parameters
    ----------
    frame : LazyFrame
        Time at risk, as of :class:`Spans`.
    edges : sequence of float
        Tenures, in days, at which stretches begin; the first is 0, the last has no end.
    """
    told: dict[str, nw.Expr] = {}
    for k, (low, high) in enumerate(pairwise([*edges, 1e9])):
        begin = nw.max_horizontal(nw.col("began"), nw.col("started") + low)
        end = nw.min_horizontal(nw.col("until"), nw.col("started") + high)
        left = nw.col("left_at") - nw.col("started")
        told[f"days_{k}"] = nw.max_horizontal(end - begin, nw.lit(0.0)).sum()
        told[f"left_{k}"] = how_many(((left >= low) & (left < high)).fill_null(False))
    row = frame.select(**told).collect(backend="pyarrow").rows(named=True)[0]
    pairs = [(row[f"left_{k}"], row[f"days_{k}"]) for k in range(len(edges))]
    parts = [(float(left or 0), float(days or 0)) for left, days in pairs]
    return [left / days if days > 0 else 0.0 for left, days in parts]
