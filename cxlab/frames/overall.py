"""Overall scores that customers gave, and what went before and came after each of them.

An overall score is one asked of no single contact, such as a relationship NPS. What went before
it was known when it was given; what came after it is told only of customers seen long enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import PRIME, hashed, how_many
from cxlab.frames.exposures import boxes, contacts, exit_touchpoints
from cxlab.frames.periods import RiskSet, attribute, days_since_epoch

__all__ = ["GOOD", "Overall", "overall", "overall_metric"]

Frame = nw.LazyFrame[Any]
_MOST = 50_000
_FIRST = ("nps", "csat", "ces")
GOOD = 0.7
"""From which share of its scale on a score is called good."""


@dataclass(frozen=True)
class Overall:
    """Overall scores with what went before and came after.

    Parameters
    ----------
    rows : pandas.DataFrame
        In the order of customer and time. ``customer_id``, ``at`` (days: when it was given),
        ``score`` (0 worst to 1 best), ``low`` and ``high`` (its bottom and top box), ``previous``
        (the customer's score before; NaN: none), ``tenure``,
        ``over`` (days: when the spell ended; NaN: not yet), ``left`` (whether by own choice),
        maybe ``monthly_value``, and attributes; contacts and those known to have failed in the
        ``lately`` days ``before`` and ``after`` it and in the three times as many days ``earlier``
        (``contacts_before, bad_before, …``); contacts' scores of the ``window`` before it:
        ``scored`` (how many), ``mean, worst, last, good`` (all are), and of the days lately
        ``scored_before`` and ``top_before``; ``paid_before`` and ``paid_after`` (purchases within
        the horizon).
    metric, linked : str
        The overall metric, and that of contacts' scores (empty: none).
    points : float
        How many points its scale has.
    end : float
        The first instant that is not seen, in days.
    text : str
        What was drawn, in words.
    bad_is : str
        What makes a contact bad.
    """

    rows: pd.DataFrame
    metric: str
    linked: str
    points: float
    end: float
    text: str
    bad_is: str


def overall_metric(dataset: Dataset) -> tuple[str, str] | str:
    """Name the overall metric and that of contacts' scores, or say why there is none.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    """
    there = dataset.columns("feedback")
    absent = [c for c in ("customer_id", "score", "responded_at") if c not in there]
    if absent:
        return f"table feedback has no {absent[0]}" if there else "the dataset has no feedback"
    frame = _answers(dataset).group_by("metric", "alone").agg(n=nw.len())
    table: pd.DataFrame = frame.collect(backend="pandas").to_native()
    alone, linked = (
        table[table["alone"] == side].set_index("metric")["n"].sort_values(ascending=False)
        for side in (True, False)
    )
    names = [m for m in _FIRST if m in alone.index] + [m for m in alone.index if m not in _FIRST]
    if not names:
        return "no score was asked of the whole: each belongs to a contact"
    return names[0], (str(linked.index[0]) if len(linked) else "")


def _answers(dataset: Dataset) -> Frame:
    """Give named answers, and whether each belongs to no contact."""
    there = dataset.columns("feedback")
    of_one = [~nw.col(c).is_null() for c in ("interaction_id", "touchpoint") if c in there]
    alone = ~nw.any_horizontal(*of_one, ignore_nulls=True) if of_one else nw.lit(True)
    frame = dataset.table("feedback").filter(
        ~nw.col("customer_id").is_null(), ~nw.col("score").is_null(),
        ~nw.col("responded_at").is_null(),
    )  # fmt: skip
    at = days_since_epoch(nw.col("responded_at"))
    return frame.select("customer_id", "metric", "score", at=at, alone=alone)


def overall(
    dataset: Dataset, risk: RiskSet, lately: float, window: float, horizon: float
) -> Overall | str:
    """Gather overall scores of customers at risk, or say why there are none.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    risk : RiskSet
        Its spells.
    lately : float
        Days just before and just after a score.
    window : float
        Days before a score in which contacts' scores count.
    horizon : float
        Days of purchases before and after.
    """
    named = overall_metric(dataset)
    if isinstance(named, str):
        return named
    metric, linked = named
    frame = _asked(dataset, risk, metric)
    told = frame.select(n=nw.len()).collect(backend="pyarrow").item()
    share = min(1.0, _MOST / max(int(told), 1))
    frame = hashed(frame.with_columns(day=nw.col("at").floor().cast(nw.Int64)), "day", 0)
    frame = frame.filter(nw.col("draw") < int(share * PRIME)).drop("draw", "key", "day")
    rows: pd.DataFrame = frame.collect(backend="pandas").to_native()
    if rows.empty:
        return f"nobody at risk had given a score on {metric}"
    rows = rows.sort_values(["customer_id", "at", "started"], ignore_index=True)
    rows["tenure"] = rows["at"] - rows.pop("started")
    bad_is = ""
    if "interactions" in dataset.tables:
        rows, bad_is = _with_contacts(dataset, rows, lately, horizon)
    if linked:
        rows = _with_scores(dataset, rows, linked, lately, window)
    low, high = dataset.settings.all_metrics[metric].scale
    text = f"{told:,} scores on {metric}" + (f", {len(rows):,} of them drawn" if share < 1 else "")
    return Overall(rows, metric, linked, high - low, risk.end, text, bad_is)


def _share(dataset: Dataset, metric: str) -> nw.Expr:
    """Give a score's place on its scale, 0 the worst."""
    found = dataset.settings.all_metrics[metric]
    low, high = found.scale
    place = (nw.col("score") - low) / (high - low)
    return place if found.direction == "higher_is_better" else 1.0 - place


def _asked(dataset: Dataset, risk: RiskSet, metric: str) -> Frame:
    """Give the overall scores within spells at risk, with the score before each."""
    known = dataset.settings.all_metrics[metric]
    bottom, top = boxes(metric, known)
    frame = _answers(dataset).filter(nw.col("alone") & (nw.col("metric") == metric))
    # Two scores of one moment are one answer.
    frame = frame.group_by("customer_id", "at").agg(score=nw.col("score").mean())
    frame = frame.with_columns(low=bottom, high=top, score=_share(dataset, metric))
    frame = frame.with_columns(previous=nw.col("score").shift(1).over("customer_id", order_by="at"))
    there = risk.frame.collect_schema().names()
    told = [c for c in there if c == "monthly_value" or c.startswith(attribute(""))]
    begun = nw.col("first").cast(nw.Float64) * risk.period_days + risk.end
    spells = risk.frame.select(
        "customer_id", "key", "started", *told, begun=nw.max_horizontal("started", begun),
        over=nw.coalesce("event_at", "competing_at"), left=nw.col("event"),
    )  # fmt: skip
    frame = frame.join(spells, on="customer_id", how="inner")
    open_yet = nw.col("over").is_null() | (nw.col("at") < nw.col("over"))
    return frame.filter((nw.col("at") >= nw.col("begun")) & open_yet).drop("begun")


def _paired(dataset: Dataset, rows: pd.DataFrame, frame: Frame) -> Frame:
    """Pair each score with what its customer did or said, ``age`` days before it."""
    sent = rows[["customer_id", "at"]].rename(columns={"at": "then"})
    sent = sent.assign(row=np.arange(len(rows)))
    pairs = dataset.attach(sent).join(frame, on="customer_id", how="inner")
    return pairs.with_columns(age=nw.col("then") - nw.col("at"))


def _with_contacts(
    dataset: Dataset, rows: pd.DataFrame, lately: float, horizon: float
) -> tuple[pd.DataFrame, str]:
    """Count contacts, failed ones and what was paid, before and after each score."""
    bought = "value" in dataset.columns("interactions")
    known = contacts(dataset, keep=("value",) if bought else ())
    reach = max(4 * lately, horizon)
    # Whoever has decided to leave goes there, and thinks as one who leaves.
    names = exit_touchpoints(dataset)
    frame = known.frame.filter(~nw.col("touchpoint").is_in(names)) if names else known.frame
    pairs = _paired(dataset, rows, frame)
    pairs = pairs.filter((nw.col("age") > -reach) & (nw.col("age") < reach))
    inside = {
        "before": (nw.col("age") > 0) & (nw.col("age") < lately),
        "after": (nw.col("age") <= 0) & (nw.col("age") > -lately),
        "earlier": (nw.col("age") >= lately) & (nw.col("age") < 4 * lately),
    }
    # What failed counts where it occurred, from when it could be known.
    failed = ~nw.col("bad_from").is_null()
    seen = failed & ((nw.col("bad_from") < nw.col("then")) | (nw.col("age") <= 0))
    made = {f"contacts_{n}": how_many(within) for n, within in inside.items()}
    made |= {f"bad_{n}": how_many(within & seen) for n, within in inside.items()}
    if bought:
        value = nw.col("value").fill_null(0.0)
        spans = {
            "paid_before": (nw.col("age") > 0) & (nw.col("age") < horizon),
            "paid_after": (nw.col("age") <= 0) & (nw.col("age") > -horizon),
        }
        made |= {n: nw.when(w).then(value).otherwise(0.0).sum() for n, w in spans.items()}
    found = pairs.group_by("row").agg(**made).collect(backend="pandas").to_native()
    full = found.set_index("row").astype(float).reindex(range(len(rows)), fill_value=0.0)
    return pd.concat([rows, full.reset_index(drop=True)], axis=1), known.text


def _with_scores(
    dataset: Dataset, rows: pd.DataFrame, metric: str, lately: float, window: float
) -> pd.DataFrame:
    """Give the scores of contacts before each overall score: mean, worst and last."""
    _, top = boxes(metric, dataset.settings.all_metrics[metric])
    given = _answers(dataset).filter(~nw.col("alone") & (nw.col("metric") == metric))
    given = given.select("customer_id", "at", top=top, place=_share(dataset, metric))
    pairs = _paired(dataset, rows, given).filter((nw.col("age") > 0) & (nw.col("age") < window))
    newest, recent = nw.col("age") == nw.col("newest"), nw.col("age") < lately
    pairs = pairs.with_columns(newest=nw.col("age").min().over("row")).with_columns(
        last=nw.when(newest).then(nw.col("place")), recent=recent.cast(nw.Int64)
    )
    made = pairs.group_by("row").agg(
        scored=nw.len(),
        mean=nw.col("place").mean(),
        worst=nw.col("place").min(),
        last=nw.col("last").mean(),
        scored_before=nw.col("recent").sum(),
        top_before=(nw.col("recent") * nw.col("top").cast(nw.Int64)).sum(),
    )
    found = made.collect(backend="pandas").to_native()
    full = found.set_index("row").astype(float).reindex(range(len(rows)))
    counts = ["scored", "scored_before", "top_before"]
    full[counts] = full[counts].fillna(0.0)
    full["good"] = (full["worst"] >= GOOD).to_numpy()
    return pd.concat([rows, full.reset_index(drop=True)], axis=1)
