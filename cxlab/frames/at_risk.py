"""The rows of experience metrics that time gives: who leaves, and how often customers come."""

from __future__ import annotations

import math
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.experience import Places, flag
from cxlab.frames.measures import Measure, Rows
from cxlab.frames.people import People
from cxlab.frames.periods import RiskSet
from cxlab.frames.spans import Spans

__all__ = ["MONTH_DAYS", "contact_rate_rows", "time_rows"]

Frame = nw.LazyFrame[Any]
MONTH_DAYS = 30.0
"""Months differ in length: rates are told for so many days."""
_SHARE = (0.0, 1.0)
_NEVER = math.inf


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
        left=flag(left),
        stood=flag(stood),
        stayed=flag(stood & ~left),
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
