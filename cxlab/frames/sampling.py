"""Which person-periods the model is fitted on: all of them, or a case-base sample.

Case-base sampling (Hanley and Miettinen 2009; Saarela 2016): every event, and a sample of the
person-periods at risk, drawn with a known intensity. A logit of event against base row with the
offset -log(intensity) estimates the log hazard. What a bad contact does is told by the churns
after it and by the base rows after it, and the latter are few in a uniform sample: half of the
base rows are drawn after bad contacts, each touchpoint's alike.

Base rows are drawn by a hash of customer and day, so that every engine draws the same, and a
row drawn today is drawn again when the data have grown. Nobody writes out the person-periods:
time is cut into blocks, long enough for about one row in two, a hash tells whether a customer's
block holds a row, and another one which of its periods that is. Each period is drawn with
the same chance, and no two of one block, which spreads rows more evenly than chance. In the
same way a hash tells whether a bad contact draws one of the periods after it, and which.
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
from cxlab.frames.exposures import Contacts
from cxlab.frames.periods import RiskSet, attribute
from cxlab.results import counted

__all__ = ["Sample", "draw"]

Frame = nw.LazyFrame[Any]

# So many days from when a contact is known to be bad it may draw a row.
_AFTER_DAYS = 28
# Longer ones would save little, and a share that falls past a change of length draws anew.
_LONGEST_BLOCK = 16


@dataclass(frozen=True)
class _Size:
    """How many base rows ``auto`` takes.

    Parameters
    ----------
    per_event : int
        So many a churn.
    least : int
        Below this many rows a sample saves nothing and costs precision.
    most, fewest : int
        Above so many rows, ``fewest`` a churn are precise enough (METHODS.md).
    """

    per_event: int
    least: int
    most: int
    fewest: int

    def of(self, events: int) -> int:
        few = max(self.most, self.fewest * events)
        return min(max(self.per_event * events, self.least), few)


_UNIFORM = _Size(20, 20_000, 1_000_000, 12)
# Where half of them are drawn after bad contacts, fewer are as precise.
_WITH_BAD = _Size(12, 10_000, 150_000, 8)


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
        at risk), maybe ``monthly_value``, and the attributes; times in days. A row drawn twice
        is there twice.
    offset : ndarray, shape (n,)
        What each row's linear predictor exceeds the log hazard per period by: less the log of
        the intensity with which such a row is drawn into the base, 0 where all rows are there.
    link : {"logit", "cloglog"}
        Of the model that fits the rows: ``logit`` for a sample, ``cloglog`` for all rows.
    text : str
        What was drawn, in words.
    """

    rows: pd.DataFrame
    offset: np.ndarray
    link: str
    text: str


def draw(
    risk: RiskSet,
    sample: str | int = "auto",
    seed: int = 0,
    known: Contacts | None = None,
    washout_days: float = 0.0,
) -> Sample:
    """Draw the rows for a hazard model.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk, and when.
    sample : {"auto", "full"} or int
        Base rows a churn, about; ``full`` takes every person-period. ``auto`` takes 12 a churn,
        at least 10,000, and everything where there is no more than that; above 150,000,
        150,000, but no fewer than 8 a churn. Where all are drawn uniformly it takes 20 a churn,
        at least 20,000; above a million, a million, but no fewer than 12 a churn.
    seed : int
        Of the draw.
    known : Contacts, optional
        Kept ones, after whose bad ones half of the base rows are drawn; without them, without
        bad ones, and where leaving is possible at renewals only, all are drawn uniformly.
    washout_days : float
        How long before a period's start a contact must be known to be bad.

    Raises
    ------
    UsageError
        ``sample`` is none of those, or so small that no row is drawn.
    """
    after = known if known and "bad" in known.classes and risk.renewals is None else None
    wanted = _wanted(risk, sample, _UNIFORM if after is None else _WITH_BAD)
    if wanted >= risk.person_periods:
        return _all(risk)
    share = wanted / risk.person_periods
    drawn = _evenly(risk, share if after is None else share / 2, seed)
    bad = None if after is None else _bad(risk, after, washout_days, wanted / 2)
    if bad is not None:
        drawn = nw.concat([drawn, _after(risk, bad, seed)])
    cases = risk.frame.filter(nw.col("event"))
    cases = cases.with_columns(period=nw.col("last"), evenly=nw.lit(False))
    base = risk.frame.join(drawn, on="spell", how="inner")
    parts = [_rows(risk, part).assign(event=e) for part, e in ((cases, 1), (base, 0))]
    evenly = int(parts[1]["evenly"].sum())
    if not evenly:  # of few churns and few rows each, chance may draw none
        raise UsageError(
            f"sample is {sample}: with {counted(risk.events, 'churn')} it draws no row; "
            "allowed: auto, full, or a larger number"
        )
    rows = pd.concat(parts, ignore_index=True)
    intensity = np.full(len(rows), evenly / risk.person_periods)
    if bad is not None:
        intensity += _added_by(risk, bad, rows)
    text = _told(risk, len(parts[1]), evenly)
    rows = rows.drop(columns=["period", "last", "evenly"])
    return Sample(rows, -np.log(intensity), "logit", text)


def _wanted(risk: RiskSet, sample: str | int, size: _Size) -> int:
    if sample == "full":
        return risk.person_periods
    if sample == "auto":
        return size.of(risk.events)
    return _per_event(sample) * risk.events


def _per_event(sample: str | int) -> int:
    try:
        number = int(sample)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(one_of("sample", sample, ("auto", "full", "a number from 1")))
    return number


def _told(risk: RiskSet, base: int, evenly: int) -> str:
    text = f"{risk.events:,} churns and {base:,} of {risk.person_periods:,} person-periods"
    if base == evenly:
        return f"{text}, drawn at random"
    return f"{text}, {evenly:,} drawn at random and {base - evenly:,} after bad contacts"


def _all(risk: RiskSet) -> Sample:
    rows = _rows(risk, _periods(risk))
    ended = (rows.pop("period") == rows.pop("last")) & rows["event"]
    text = f"all {len(rows):,} person-periods with {risk.events:,} churns"
    return Sample(rows.assign(event=ended.astype(int)), np.zeros(len(rows)), "cloglog", text)


# -- after bad contacts ------------------------------------------------------------------------


def _window(risk: RiskSet) -> int:
    """Give how many periods after it a bad contact may draw."""
    return math.ceil(_AFTER_DAYS / risk.period_days)


def _bad(risk: RiskSet, known: Contacts, washout_days: float, wanted: float) -> Frame:
    """Give the bad contacts: who, from which period on, and how often each draws a period.

    Each touchpoint is to draw the same number of rows, ``wanted`` in all. ``chance`` is a whole
    number out of :data:`PRIME`, so that sums of it are the same in any order.
    """

    def found() -> Frame:
        seen = (nw.col("bad_from") + washout_days - risk.end) / risk.period_days
        return known.frame.filter(~nw.col("bad_from").is_null()).select(
            "who",
            "touchpoint",
            opens=seen.floor().cast(nw.Int64) + 1,
            second=(nw.col("at") * 86_400).round().cast(nw.Int64).abs() % PRIME,
        )

    name = f"bad_of_{risk.name}_{washout_days:g}".replace(".", "p")
    bad = risk.dataset.keep(name, found)
    counts = bad.group_by("touchpoint").agg(n=nw.len()).sort("touchpoint")
    table = counts.collect(backend="pandas").to_native()
    share = np.minimum(wanted / max(len(table), 1) / table["n"].to_numpy(float), 1.0)
    chance = np.floor(share / _window(risk) * PRIME).astype(int)
    chances = risk.dataset.attach(table[["touchpoint"]].assign(chance=chance))
    return bad.join(chances, on="touchpoint", how="inner")


def _after(risk: RiskSet, bad: Frame, seed: int) -> Frame:
    """Draw from the periods after bad contacts: ``spell, period, evenly``."""
    length = _window(risk)
    spells = risk.frame.select("spell", "who", "key", "first", "last")
    met = bad.join(spells, on="who", how="inner")
    met = met.filter(
        (nw.col("opens") <= nw.col("last")) & (nw.col("opens") + length > nw.col("first"))
    )
    met = hashed(met, "second", seed)
    met = met.filter(nw.col("draw") < nw.col("chance") * length)
    # Which of the periods it is hangs on the rest of the same draw.
    met = met.with_columns(period=nw.col("opens") + nw.col("draw") % length)
    inside = (nw.col("period") >= nw.col("first")) & (nw.col("period") <= nw.col("last"))
    return met.filter(inside).select("spell", "period", evenly=nw.lit(False))


def _added_by(risk: RiskSet, bad: Frame, rows: pd.DataFrame) -> np.ndarray:
    """Give with what intensity the bad contacts behind them draw rows like these."""
    sent = rows[["who", "period"]].assign(row=np.arange(len(rows)))
    met = risk.dataset.attach(sent).join(bad, on="who", how="inner")
    opens, period = nw.col("opens"), nw.col("period")
    met = met.filter((opens <= period) & (period < opens + _window(risk)))
    table = met.group_by("row").agg(n=nw.col("chance").sum()).collect(backend="pandas").to_native()
    added = np.zeros(len(rows))
    added[table["row"].to_numpy()] = table["n"].to_numpy(float) / PRIME
    return added


# -- evenly ------------------------------------------------------------------------------------


def _periods(risk: RiskSet) -> Frame:
    """Give every period at risk, with its spell."""
    if risk.renewals is not None:
        listed = risk.dataset.attach(risk.renewals[["spell", "period"]])
        return risk.frame.join(listed, on="spell", how="inner")
    first, last = risk.span
    every = risk.dataset.attach(pd.DataFrame({"period": np.arange(first, last + 1)}))
    both = risk.frame.join(every, how="cross")
    return both.filter((nw.col("period") >= nw.col("first")) & (nw.col("period") <= nw.col("last")))


def _evenly(risk: RiskSet, share: float, seed: int) -> Frame:
    """Draw a share of the periods at risk: ``spell, period, evenly``."""
    # Periods are numbered from 1970 on, so that a later as_of does not draw others.
    epoch = math.floor(risk.end / risk.period_days)
    if risk.renewals is not None:
        periods = _periods(risk).with_columns(number=nw.col("period") + epoch)
        drawn = hashed(periods, "number", seed).filter(nw.col("draw") < share * PRIME)
        return drawn.select("spell", "period", evenly=nw.lit(True))
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
    return met.filter(inside).select("spell", "period", evenly=nw.lit(True))


def _rows(risk: RiskSet, frame: Frame) -> pd.DataFrame:
    """Bring periods into memory as rows of the model matrix."""
    there = frame.collect_schema().names()
    told = [c for c in there if c in ("monthly_value", "evenly") or c.startswith(attribute(""))]
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
