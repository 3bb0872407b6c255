"""The rows of experience metrics that surveys give: answers, and questions with or without one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.experience import Places, end_of, known_rows
from cxlab.frames.measures import Measure, Rows
from cxlab.frames.people import People
from cxlab.frames.periods import days_since_epoch
from cxlab.frames.spans import month_of

__all__ = ["ANSWER_DAYS", "answer_rows", "ask_rows", "nps_shift", "score_measures", "top_box"]

Frame = nw.LazyFrame[Any]
ANSWER_DAYS = 14.0
"""A question counts as answered within so many days; younger ones do not count yet."""
# A score of more steps is cut at its best fifth, not at its best value.
_FINE = 20
_SHARE = (0.0, 1.0)


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
    frame = frame.filter(nw.col("at") < end_of(dataset) - ANSWER_DAYS)
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
    told = frame.select(how_many(nw.col("who").is_null())).collect(backend="pyarrow").item()
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
        frame = known_rows(dataset, frame, known, person or _nobody_known(dataset))
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
