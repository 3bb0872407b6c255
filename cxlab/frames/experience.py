"""The rows of each experience metric: contacts, requests for help, purchases, answers, time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.frames.measures import Level, Measure, People, Rows, Spans, month_of
from cxlab.frames.periods import EPOCH, RiskSet, days_since_epoch

__all__ = [
    "ANSWER_DAYS",
    "MONTH_DAYS",
    "Places",
    "answer_rows",
    "ask_rows",
    "contact_rate_rows",
    "contact_rows",
    "help_rows",
    "nps_shift",
    "places",
    "purchase_rows",
    "score_measures",
    "time_rows",
    "top_box",
]

Frame = nw.LazyFrame[Any]
ANSWER_DAYS = 14.0
"""A question counts as answered within so many days; younger ones do not count yet."""
MONTH_DAYS = 30.0
"""Months differ in length: rates are told for so many days."""
_DAY = 86_400.0
# A score of so many steps and more is cut at its upper fifth, not at its highest value.
_FINE = 20
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


def _known(dataset: Dataset, frame: Frame, known: Places, person: People) -> Frame:
    """Add who, at, month and the places of touchpoint and channel."""
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
    end = _end(dataset)
    columns: dict[str, nw.Expr] = {}
    measures, missing = [], {}
    if "outcome" in there:
        columns["failed_x"] = _flag(~nw.col("outcome").is_null())
        columns["failed_y"] = _flag(nw.col("outcome") == "failed")
        rule = "failed contacts out of those with an outcome"
        measures.append(_share("failure share", "lower", rule, "failed"))
    else:
        missing["failure share"] = "outcome"
    if {"due_at", "resolved_at"} <= set(there):
        due = nw.col("due_at") < nw.lit(dataset.end)
        columns["due_x"] = _flag(due)
        columns["due_y"] = _flag(due & (nw.col("resolved_at") <= nw.col("due_at")))
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
        columns["resolved"] = nw.when(asks).then(_flag(~solved.is_null()))
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
        return _known(dataset, frame, known, person).drop("customer_id")

    frame = dataset.keep("measured_contacts", read)
    return Rows("contacts", frame, tuple(measures), known.levels), missing


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int8)


def _share(name: str, better: str, rule: str, column: str) -> Measure:
    num, den = nw.col(f"{column}_y"), nw.col(f"{column}_x")
    return Measure(name, "share", _SHARE, better, rule, num, den)


def _end(dataset: Dataset) -> float:
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
        frame = _known(dataset, frame, known, person)
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
        over = nw.min_horizontal(nw.col("until"), nw.lit(_end(dataset)))
        counts = ~before & (nw.col("at") + within_days < over)
        frame = frame.with_columns(first_x=_flag(counts), first_y=_flag(counts & ~after & ~failed))
        return frame.select("who", "at", "month", "touchpoint", "channel", "first_x", "first_y")

    frame = dataset.keep(f"help_{within_days}", read)
    rule = (
        f"first contacts that did not fail and that no other followed within {within_days} days "
        f"at the same touchpoint{' or in the same journey' if journeys else ''}"
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
    """Add the days since the contact before within the keys, and until the one after."""
    order = nw.col("at")
    before = nw.col("at").shift(1).over(*keys, order_by="at")
    after = nw.col("at").shift(-1).over(*keys, order_by="at")
    return frame.with_columns(
        (order - before).alias(f"{name}_before"), (after - order).alias(f"{name}_after")
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
        frame = _gaps(_known(dataset, frame, known, person), ("who",), "cx")
        counts = nw.col("at") + within_days < _end(dataset)
        again = (nw.col("cx_after") <= within_days).fill_null(False)
        frame = frame.with_columns(again_x=_flag(counts), again_y=_flag(counts & again))
        return frame.select("who", "at", "month", "touchpoint", "channel", "again_x", "again_y")

    frame = dataset.keep(f"purchases_{within_days}", read)
    if not frame.select(nw.len()).collect(backend="pyarrow").item():
        return None, "value"
    rule = f"purchases followed by another of the customer within {within_days} days"
    measure = _share("repeat purchase", "higher", rule, "again")
    return Rows("purchases", frame, (measure,), known.levels), ""


# -- answers -----------------------------------------------------------------------------------


def nps_shift(name: str, metric: Metric) -> float | None:
    """Give what is taken from a score to be on the scale of 0 to 10; None where it is no NPS.

    Parameters
    ----------
    name : str
        The metric: ``nps``.
    metric : Metric
        Its scale: eleven points from 0 or from 1, higher is better.
    """
    low, high = metric.scale
    eleven = high - low == 10 and low in (0, 1)
    good = metric.direction == "higher_is_better"
    return float(low) if name.casefold() == "nps" and eleven and good else None


def top_box(metric: Metric) -> tuple[float, str]:
    """Give from which score on an answer is in the top box (to which, where lower is better).

    Of a scale of up to 20 steps that is its best answer; of a finer one its best fifth.

    Parameters
    ----------
    metric : Metric
        Its scale and direction.
    """
    low, high = metric.scale
    best, worst = (high, low) if metric.direction == "higher_is_better" else (low, high)
    limit = best if high - low <= _FINE else best + (worst - best) / 5
    ends = [f"{v:g}" for v in sorted((limit, best))]
    return limit, ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def score_measures(name: str, metric: Metric) -> tuple[Measure, ...]:
    """Give the metrics that answers to one question are counted as.

    Parameters
    ----------
    name : str
        The question's metric.
    metric : Metric
        Its scale and direction.
    """
    score, mine = nw.col("score"), nw.col("metric") == name
    den = nw.when(mine).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    shift = nps_shift(name, metric)
    higher = "higher" if metric.direction == "higher_is_better" else "lower"
    low, high = metric.scale
    if shift is not None:
        promotes, detracts = score >= 9 + shift, score <= 6 + shift
        box = nw.when(promotes).then(100.0).otherwise(nw.when(detracts).then(-100.0).otherwise(0.0))
        rule = f"share of {9 + shift:g} and {10 + shift:g} less share of {shift:g} to {6 + shift:g}"
        num = nw.when(mine).then(box).otherwise(nw.lit(0.0))
        return (Measure(name, "points", (-100.0, 100.0), "higher", rule, num, den),)
    limit, told = top_box(metric)
    hit = score >= limit if higher == "higher" else score <= limit
    top = nw.when(mine & hit).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
    mean = nw.when(mine).then(score).otherwise(nw.lit(0.0))
    unit = f"score {low:g} to {high:g}"
    return (
        Measure(f"{name} top box", "share", _SHARE, "higher", f"answers of {told}", top, den),
        Measure(f"{name} mean", unit, metric.scale, higher, "mean score", mean, den),
    )


def answer_rows(dataset: Dataset, known: Places, person: People | None) -> Rows | str:
    """Give all answers, dated when they were given; or say why there are none.

    Where the data do not say when, by when they were asked for. The touchpoint is the answer's
    own, else that of the contact it is linked to; the channel is that contact's.

    Parameters
    ----------
    dataset : Dataset
        With or without ``feedback``.
    known : Places
        The names.
    person : People or None
        The customers; None where they have no ids.
    """
    times = [c for c in ("responded_at", "asked_at") if c in dataset.columns("feedback")]
    if reason := _unanswered(dataset, times):
        return reason
    asked = _questions(dataset, known, person)
    frame = asked.filter(~nw.col("score").is_null() & ~nw.col("answered").is_null())
    frame = frame.with_columns(at=nw.col("answered"), month=nw.col("answered_month"))
    met = frame.group_by("metric").agg(n=nw.len()).sort("metric").collect(backend="pyarrow")
    metrics = dataset.settings.all_metrics
    measures = [m for name in met["metric"].to_list() for m in score_measures(name, metrics[name])]
    if not measures:
        return "nobody has answered"
    return Rows("answers", frame, tuple(measures), known.levels, _nobody(frame))


def ask_rows(dataset: Dataset, known: Places, person: People | None) -> Rows | str:
    """Give all questions old enough, and whether they were answered in time.

    Parameters
    ----------
    dataset : Dataset
        With or without ``feedback``.
    known : Places
        The names.
    person : People or None
        The customers; None where they have no ids.
    """
    there = dataset.columns("feedback")
    if reason := _unanswered(dataset, there):
        return reason
    if "asked_at" not in there:
        return "the feedback has no asked_at: who was asked and did not answer is not known"
    frame = _questions(dataset, known, person).filter(~nw.col("asked").is_null())
    frame = frame.with_columns(at=nw.col("asked"), month=nw.col("asked_month"))
    frame = frame.filter(nw.col("at") < _end(dataset) - ANSWER_DAYS)
    met = frame.group_by("metric").agg(n=nw.len()).sort("metric").collect(backend="pyarrow")
    given = ~nw.col("score").is_null() & (nw.col("answered") - nw.col("asked") <= ANSWER_DAYS)
    measures = []
    for name in met["metric"].to_list():
        mine = nw.col("metric") == name
        den = nw.when(mine).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        num = nw.when(mine & given).then(nw.lit(1.0)).otherwise(nw.lit(0.0))
        rule = f"questions answered within {ANSWER_DAYS:g} days, of those at least as old"
        measures.append(Measure(f"{name} response", "share", _SHARE, "", rule, num, den))
    if not measures:
        return f"no question is older than {ANSWER_DAYS:g} days"
    return Rows("questions", frame, tuple(measures), known.levels, _nobody(frame))


def _unanswered(dataset: Dataset, times: Sequence[str]) -> str:
    there = dataset.columns("feedback")
    if not there:
        return "the dataset has no table feedback"
    if "score" not in there:
        return "table feedback has no score"
    return "" if times else "table feedback has neither asked_at nor responded_at"


def _nobody(frame: Frame) -> int:
    told = frame.select(nw.col("who").is_null().sum()).collect(backend="pyarrow").item()
    return int(told or 0)


def _questions(dataset: Dataset, known: Places, person: People | None) -> Frame:
    """Keep all questions and answers, coded."""
    there = dataset.columns("feedback")
    times = [c for c in ("responded_at", "asked_at") if c in there]

    def read() -> Frame:
        frame = dataset.table("feedback")
        kept = [c for c in ("customer_id", "touchpoint", "interaction_id") if c in there]
        asked = nw.col("asked_at") if "asked_at" in there else nw.lit(None, dtype=nw.Datetime())
        frame = frame.select(
            *kept,
            "metric",
            nw.col("score").cast(nw.Float64),
            asked=days_since_epoch(asked),
            answered=days_since_epoch(nw.col(times[0])),
            asked_month=month_of(asked),
            answered_month=month_of(nw.col(times[0])),
        )
        frame = _linked(dataset, frame)
        if person is None or "customer_id" not in kept:
            frame = frame.with_columns(customer_id=nw.lit(None, dtype=nw.String))
        frame = _known(dataset, frame, known, person or _nobody_known(dataset))
        return frame.select(
            *("who", "metric", "score", "asked", "answered", "asked_month", "answered_month"),
            *("touchpoint", "channel"),
        )

    return dataset.keep("measured_questions", read)


def _nobody_known(dataset: Dataset) -> People:
    empty = pd.DataFrame({"customer_id": pd.Series([], dtype=object)})
    empty["customer_id"] = pd.Series(["never anybody's"])
    frame = dataset.attach(empty.assign(who=np.int32(0)))
    return People(frame, {}, {})


def _linked(dataset: Dataset, frame: Frame) -> Frame:
    """Add touchpoint and channel of the contact that an answer is linked to."""
    theirs = dataset.columns("interactions")
    own = frame.collect_schema().names()
    if "interaction_id" not in own:
        return frame
    if "interaction_id" not in theirs:
        return frame.drop("interaction_id")
    kept = {"cx_touchpoint": nw.col("touchpoint")}
    if "channel" in theirs:
        kept["channel"] = nw.col("channel")
    contacts = dataset.table("interactions").filter(~nw.col("interaction_id").is_null())
    frame = frame.join(contacts.select("interaction_id", **kept), on="interaction_id", how="left")
    met = nw.col("cx_touchpoint")
    if "touchpoint" in own:
        met = nw.coalesce("touchpoint", "cx_touchpoint")
    return frame.with_columns(touchpoint=met).drop("cx_touchpoint", "interaction_id")


# -- time at risk --------------------------------------------------------------------------------


def time_rows(dataset: Dataset, risk: RiskSet, spans: Spans, person: People) -> Rows:
    """Give each customer's time at risk in each span: who left in it, and who stayed through.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    risk : RiskSet
        The spells.
    spans : Spans
        The spans.
    person : People
        The customers.
    """
    frame = _cut(dataset, risk, spans, person)
    churn = Measure(
        "churn rate",
        f"of 100 customers in {MONTH_DAYS:g} days",
        (0.0, _NEVER),
        "lower",
        "voluntary churns out of the time customers were there",
        nw.col("left"),
        nw.col("months") / 100.0,
    )
    retention = Measure(
        "retention",
        "share",
        _SHARE,
        "higher",
        "of those there when the period began: who had not left when it ended; without those "
        "whose contract ended otherwise",
        nw.col("stayed"),
        nw.col("stood"),
    )
    return Rows("time", frame, (churn, retention), (), spanned=True)


def _cut(dataset: Dataset, risk: RiskSet, spans: Spans, person: People) -> Frame:
    """Cut spells into spans."""
    last = np.minimum(spans.edges[1:], risk.end)
    table = pd.DataFrame(
        {"span": np.arange(len(spans)), "low": spans.edges[:-1], "high": last}
    ).astype({"span": "int32"})
    cut = dataset.attach(table[table["high"] > table["low"]])
    begun = nw.max_horizontal("started", nw.col("first").cast(nw.Float64) * risk.period_days
                              + risk.end)  # fmt: skip
    spells = risk.frame.select(
        "customer_id", "event_at", "competing_at", begun=begun,
        over=nw.coalesce("event_at", "competing_at", nw.lit(risk.end)),
    )  # fmt: skip
    who = person.frame.select("customer_id", "who")
    spells = spells.join(who, on="customer_id", how="inner")
    frame = spells.join(cut, how="cross")
    frame = frame.filter((nw.col("begun") < nw.col("high")) & (nw.col("over") >= nw.col("low")))
    spent = nw.min_horizontal("over", "high") - nw.max_horizontal("begun", "low")
    inside = (nw.col("event_at") >= nw.col("low")) & (nw.col("event_at") < nw.col("high"))
    otherwise = (nw.col("competing_at") < nw.col("high")).fill_null(False)
    stood = (nw.col("begun") <= nw.col("low")) & ~otherwise
    left = inside.fill_null(False)
    return frame.select(
        "who",
        "span",
        at=nw.col("low"),
        months=nw.max_horizontal(spent, nw.lit(0.0)) / MONTH_DAYS,
        left=_flag(left),
        stood=_flag(stood),
        stayed=_flag(stood & ~left),
    )


def contact_rate_rows(
    dataset: Dataset, contacts: Rows, risk: RiskSet, spans: Spans, person: People, known: Places
) -> Rows:
    """Give contacts of customers at risk, and their time, as rows of one frame.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    contacts : Rows
        Of :func:`contact_rows`.
    risk : RiskSet
        The spells.
    spans : Spans
        The spans.
    person : People
        The customers.
    known : Places
        The names.
    """
    time = _cut(dataset, risk, spans, person)
    begun = nw.max_horizontal("started", nw.col("first").cast(nw.Float64) * risk.period_days
                              + risk.end)  # fmt: skip
    spells = risk.frame.select(
        "customer_id", begun=begun,
        over=nw.coalesce("event_at", "competing_at", nw.lit(risk.end)),
    ).join(person.frame.select("customer_id", "who"), on="customer_id", how="inner")  # fmt: skip
    met = contacts.frame.select("who", "at", "month", "touchpoint", "channel")
    met = met.with_columns(span=spans.place.cast(nw.Int32))
    met = met.filter((nw.col("span") >= 0) & (nw.col("span") < len(spans)))
    met = met.join(spells.select("who", "begun", "over"), on="who", how="inner")
    met = met.filter((nw.col("at") >= nw.col("begun")) & (nw.col("at") < nw.col("over")))
    met = met.select(
        "who", "span", "touchpoint", "channel", contacts=nw.lit(1.0), months=nw.lit(0.0)
    )
    none = nw.lit(None, dtype=nw.Int16)
    spent = time.select(
        "who", nw.col("span").cast(nw.Int32), touchpoint=none, channel=none,
        contacts=nw.lit(0.0), months=nw.col("months"),
    )  # fmt: skip
    measure = Measure(
        "contact rate",
        f"contacts per customer in {MONTH_DAYS:g} days",
        (0.0, _NEVER),
        "",
        "contacts of customers while they were there, out of that time",
        nw.col("contacts"),
        nw.col("months"),
        whole=True,
    )
    frame = nw.concat([met, spent], how="vertical")
    return Rows("contact rate", frame, (measure,), known.levels, spanned=True)
