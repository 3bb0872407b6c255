"""Which person-periods the model is fitted on: all of them, or a case-base sample.

Case-base sampling (Hanley and Miettinen 2009): every event, and a uniform sample of the
person-periods at risk. A logit of event against base row with the offset
log(person-periods / base rows) estimates the log hazard.

Base rows are drawn by a hash of customer and day, so that every engine draws the same, and a
row drawn today is drawn again when the data have grown. Nobody writes out the person-periods:
time is cut into blocks, long enough for about one row in two, a hash tells whether a customer's
block holds a row, and another one which of its periods that is. Each period is drawn with
the same chance, and no two of one block, which spreads rows more evenly than chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.errors import UsageError, one_of
from cxlab.frames.engine import PRIME, hashed
from cxlab.frames.periods import RiskSet, attribute
from cxlab.results import counted

__all__ = ["Sample", "draw"]

Frame = nw.LazyFrame[Any]

PER_EVENT = 20
# Below this many rows a sample saves nothing and costs precision.
LEAST_BASE = 20_000
# Above this many, so many a churn are precise enough (METHODS.md).
MOST_BASE, FEWEST_PER_EVENT = 1_000_000, 12
# Longer ones would save little, and a share that falls past a change of length draws anew.
_LONGEST_BLOCK = 16


@dataclass(frozen=True)
class Sample:
    """The rows a hazard model is fitted on.

    Parameters
    ----------
    rows : pandas.DataFrame
        One a row, churns first, in the order of spell and period: ``spell``, ``who`` and
        ``customer_id``, ``event`` (0 or 1), ``cut`` (contacts from this instant on are not
        seen), ``mid`` (the instant exposures age to), ``tenure`` (days since the start, at
        ``mid``), ``start`` (of the period), ``seen`` (days since the customer's first period
        at risk), maybe ``monthly_value``, and the attributes; times in days.
    offset : float
        What the rows' linear predictor exceeds the log hazard per period by:
        log(person-periods / base rows), 0 where all rows are there.
    link : {"logit", "cloglog"}
        Of the model that fits the rows: ``logit`` for a sample, ``cloglog`` for all rows.
    text : str
        What was drawn, in words.
    """

    rows: pd.DataFrame
    offset: float
    link: str
    text: str


def draw(risk: RiskSet, sample: str | int = "auto", seed: int = 0) -> Sample:
    """Draw the rows for a hazard model.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk, and when.
    sample : {"auto", "full"} or int
        Base rows a churn, about; ``full`` takes every person-period; ``auto`` takes 20 a churn,
        at least 20,000, and everything where there is no more than that; above a million,
        a million, but no fewer than 12 a churn.
    seed : int
        Of the draw.

    Raises
    ------
    UsageError
        ``sample`` is none of those, or so small that no row is drawn.
    """
    total, events = risk.person_periods, risk.events
    if sample == "full":
        wanted = total
    elif sample == "auto":
        few = max(MOST_BASE, FEWEST_PER_EVENT * events)
        wanted = min(max(PER_EVENT * events, LEAST_BASE), few)
    else:
        wanted = _per_event(sample) * events
    if wanted >= total:
        rows = _rows(risk, _periods(risk))
        ended = (rows.pop("period") == rows.pop("last")) & rows["event"]
        text = f"all {len(rows):,} person-periods with {events:,} churns"
        return Sample(rows.assign(event=ended.astype(int)), 0.0, "cloglog", text)
    cases = risk.frame.filter(nw.col("event")).with_columns(period=nw.col("last"))
    base = _drawn(risk, wanted / total, seed)
    parts = [_rows(risk, part).assign(event=e) for part, e in ((cases, 1), (base, 0))]
    count = len(parts[1])
    if not count:  # of few churns and few rows each, chance may draw none
        raise UsageError(
            f"sample is {sample}: with {counted(events, 'churn')} it draws no row; "
            "allowed: auto, full, or a larger number"
        )
    rows = pd.concat(parts, ignore_index=True).drop(columns=["period", "last"])
    text = f"{events:,} churns and {count:,} of {total:,} person-periods, drawn at random"
    return Sample(rows, math.log(total / count), "logit", text)


def _per_event(sample: str | int) -> int:
    try:
        number = int(sample)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(one_of("sample", sample, ("auto", "full", "a number from 1")))
    return number


def _periods(risk: RiskSet) -> Frame:
    """Give every period at risk, with its spell."""
    if risk.renewals is not None:
        listed = risk.dataset.attach(risk.renewals[["spell", "period"]])
        return risk.frame.join(listed, on="spell", how="inner")
    first, last = risk.span
    every = risk.dataset.attach(pd.DataFrame({"period": np.arange(first, last + 1)}))
    both = risk.frame.join(every, how="cross")
    return both.filter((nw.col("period") >= nw.col("first")) & (nw.col("period") <= nw.col("last")))


def _drawn(risk: RiskSet, share: float, seed: int) -> Frame:
    """Draw a share of the periods at risk, with their spells."""
    # Periods are numbered from 1970 on, so that a later as_of does not draw others.
    epoch = math.floor(risk.end / risk.period_days)
    if risk.renewals is not None:
        periods = _periods(risk).with_columns(number=nw.col("period") + epoch)
        return hashed(periods, "number", seed).filter(nw.col("draw") < share * PRIME)
    length = 1
    while length < _LONGEST_BLOCK and 4 * length * share <= 1:
        length *= 2
    first, last = (p + epoch for p in risk.span)
    blocks = np.arange(first // length, last // length + 1)
    every = risk.dataset.attach(pd.DataFrame({"block": blocks}))
    met = risk.frame.select("spell", "key", "first", "last").join(every, how="cross")
    begun = nw.col("block") * length - epoch
    met = met.filter((begun <= nw.col("last")) & (begun + length > nw.col("first")))
    met = hashed(met, "block", seed).filter(nw.col("draw") < share * length * PRIME)
    # Which of the block's periods it is hangs on the rest of the same draw.
    place = nw.col("draw") % length
    met = met.with_columns(period=begun + place)
    inside = (nw.col("period") >= nw.col("first")) & (nw.col("period") <= nw.col("last"))
    return risk.frame.join(met.filter(inside).select("spell", "period"), on="spell", how="inner")


def _rows(risk: RiskSet, frame: Frame) -> pd.DataFrame:
    """Bring periods into memory as rows of the model matrix."""
    there = frame.collect_schema().names()
    told = [c for c in there if c == "monthly_value" or c.startswith(attribute(""))]
    columns = ["spell", "who", "customer_id", "event", "started", "since", "event_at", "period"]
    frame = frame.select(*columns, "last", *told).sort("spell", "period")
    rows: pd.DataFrame = frame.collect(backend="pandas").to_native()
    start = risk.start_of(rows["period"].to_numpy())
    half = risk.period_days / 2
    cut = start.copy()
    if risk.renewals is not None:
        # The decision may fall before the renewal: what came after it is not its cause.
        decided = np.floor(rows["event_at"].to_numpy(float))
        ends = rows["event"].to_numpy() & (rows["period"] == rows["last"]).to_numpy()
        cut = np.where(ends & (decided < cut), decided, cut)
    since, started = (rows[c].to_numpy() for c in ("since", "started"))
    return rows.drop(columns=["started", "since", "event_at"]).assign(
        cut=cut,
        mid=cut + half,
        tenure=np.maximum(start + half - started, 0.0),
        start=start,
        seen=start + half - risk.start_of(since),
    )
