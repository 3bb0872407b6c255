"""How long things take, counted by the engine: waits and resolutions, and the way to first success.

Times are put into bins of half a percent, so that millions of them come back as some thousand
counts; what a bin stands for is the mean of its times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.experience import Places
from cxlab.frames.measures import Level, Rows, levelled, placed
from cxlab.frames.people import People
from cxlab.frames.periods import RiskSet, days_since_epoch
from cxlab.frames.spans import Spans, month_of

__all__ = ["Cohorts", "binned", "first_successes", "squares"]

Frame = nw.LazyFrame[Any]
_PER_DOUBLING = 128
HAPPENED, ENDED = 1, 2


def _timed(
    dataset: Dataset,
    rows: Rows,
    spans: Spans,
    value: str,
    happened: str,
    by: Level | None,
    person: People | None,
    span: int | None,
) -> Frame:
    """Give rows with a time: ``who, level, bin, kind, value``."""
    frame = placed(rows, spans, span)
    frame = frame.filter(nw.col(value) >= 0)
    if by is None:
        frame = frame.with_columns(level=nw.col("span").cast(nw.Int32))
    elif by.personal:
        if person is None:
            raise ValueError("a level of the people needs the people")
        named = person.frame.select("who", level=nw.col(by.column))
        frame = frame.join(named, on="who", how="inner")
    else:
        frame = levelled(dataset, frame, by)
    kind = nw.col(happened).cast(nw.Int32) if happened else nw.lit(1).cast(nw.Int32)
    place = ((nw.col(value) + 1.0).log(2) * _PER_DOUBLING).floor().cast(nw.Int32)
    return frame.select("who", "level", value=nw.col(value), bin=place, kind=kind)


def binned(
    dataset: Dataset,
    rows: Rows,
    spans: Spans,
    value: str,
    happened: str = "",
    *,
    by: Level | None = None,
    person: People | None = None,
    span: int | None = None,
) -> pd.DataFrame:
    """Count times by level, bin and whether it has happened.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    rows : Rows
        The rows.
    spans : Spans
        Those that count.
    value : str
        The column of times, in seconds; rows without one, or with one below 0, do not count.
    happened : str
        The column that says whether it has (1) or the time is only that seen so far (0); empty:
        it always has.
    by, person : Level, People, optional
        What to cut by; without, by span.
    span : int, optional
        One span alone.

    Returns
    -------
    pandas.DataFrame
        ``level, bin, kind, n, total`` (the sum of the times).
    """
    frame = _timed(dataset, rows, spans, value, happened, by, person, span)
    counted = frame.group_by("level", "bin", "kind").agg(n=nw.len(), total=nw.col("value").sum())
    table: pd.DataFrame = counted.sort("level", "bin", "kind").collect(backend="pandas").to_native()
    return table.astype({"n": float, "total": float})


def squares(
    dataset: Dataset,
    rows: Rows,
    spans: Spans,
    value: str,
    happened: str,
    influence: pd.DataFrame,
    *,
    by: Level | None = None,
    person: People | None = None,
    span: int | None = None,
) -> pd.DataFrame:
    """Sum influences by customer, and their squares over customers.

    Parameters
    ----------
    dataset, rows, spans, value, happened, by, person, span
        As for :func:`binned`.
    influence : pandas.DataFrame
        ``level, bin, kind, influence``.

    Returns
    -------
    pandas.DataFrame
        ``variance, n`` (customers), by ``level``.
    """
    frame = _timed(dataset, rows, spans, value, happened, by, person, span)
    sent = influence.astype({"bin": "int32", "kind": "int32", "influence": float})
    if not (by is not None and by.personal):
        sent = sent.astype({"level": "int32"})
    frame = frame.join(dataset.attach(sent), on=["level", "bin", "kind"], how="inner")
    each = frame.group_by("level", "who").agg(influence=nw.col("influence").sum())
    summed = each.group_by("level").agg(
        variance=(nw.col("influence") * nw.col("influence")).sum(), n=nw.len()
    )
    table: pd.DataFrame = summed.collect(backend="pandas").to_native()
    return table.set_index("level")


@dataclass(frozen=True)
class Cohorts:
    """When customers who started within the feed first met success at each touchpoint.

    Parameters
    ----------
    counts : ndarray, shape (touchpoints, cohorts, 3, days)
        Customers by day since the start and kind: not seen further, met success, ended before.
    months : tuple of int
        The cohorts' start months, numbered from 1970-01 on.
    segments : dict
        Attribute -> the names of its levels, and counts as above with levels for cohorts.
    late : int
        Spells that began before the feed, whose first success may not have been seen.
    outcome : bool
        Whether a success is a contact with outcome ok; else it is any contact.
    """

    counts: np.ndarray
    months: tuple[int, ...]
    segments: dict[str, tuple[tuple[str, ...], np.ndarray]]
    late: int
    outcome: bool


def first_successes(
    dataset: Dataset, risk: RiskSet, known: Places, person: People, most: int
) -> Cohorts:
    """Count first successes by touchpoint, start month and day since the start.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    risk : RiskSet
        The spells.
    known : Places
        The names.
    person : People
        The customers.
    most : int
        Later days are not told apart.
    """
    outcome = "outcome" in dataset.columns("interactions")
    over = nw.coalesce("event_at", "competing_at", nw.lit(risk.end))
    ended = (~nw.col("event_at").is_null()) | (~nw.col("competing_at").is_null())
    begin = risk.begin
    spells = risk.frame.select(
        "customer_id",
        "spell",
        "started",
        over=over,
        kind=nw.when(ended).then(nw.lit(ENDED)).otherwise(nw.lit(0)),
    )
    told = spells.select(late=how_many(nw.col("started") < begin))
    late = int(told.collect(backend="pyarrow").item() or 0)
    spells = spells.filter(nw.col("started") >= begin)
    spells = spells.join(person.frame.select("customer_id", "who"), on="customer_id", how="inner")
    months = _months_of_starts(dataset, begin)
    spells = spells.join(months, on=["customer_id", "started"], how="inner")
    follow = (nw.col("over") - nw.col("started")).floor().cast(nw.Int64)
    followed = spells.with_columns(follow=nw.min_horizontal(follow, nw.lit(most + 1)))
    spells = dataset.keep(f"adopting_spells_{most}", lambda: followed)
    met = dataset.keep(f"adopting_firsts_{most}", lambda: _firsts(dataset, spells, outcome, most))
    starts, counts = _counted(spells, met, known.touchpoints, most, "cohort")
    segments = {}
    for name, column in person.attributes.items():
        own = person.frame.select("who", level=nw.col(column))
        both = [t.join(own, on="who", how="inner") for t in (spells, met)]
        segments[name] = _counted(both[0], both[1], known.touchpoints, most, "level")
    return Cohorts(counts, tuple(int(m) for m in starts), segments, late, outcome)


def _firsts(dataset: Dataset, spells: Frame, outcome: bool, most: int) -> Frame:
    """Give each spell's first success at each touchpoint."""
    good = dataset.table("interactions")
    if outcome:
        good = good.filter(nw.col("outcome") == "ok")
    good = good.select("customer_id", "touchpoint", at=days_since_epoch(nw.col("occurred_at")))
    met = good.join(spells, on="customer_id", how="inner")
    # The moment of leaving is still the customer's.
    met = met.filter((nw.col("at") >= nw.col("started")) & (nw.col("at") <= nw.col("over")))
    keys = ("spell", "who", "touchpoint", "cohort", "started", "follow", "kind")
    first = met.group_by(*keys).agg(at=nw.col("at").min())
    day = (nw.col("at") - nw.col("started")).floor().cast(nw.Int64)
    return first.with_columns(day=nw.min_horizontal(day, nw.lit(most + 1)))


def _counted(
    spells: Frame, met: Frame, touchpoints: tuple[str, ...], most: int, by: str
) -> tuple[tuple[Any, ...], np.ndarray]:
    """Count by touchpoint, group, kind and day: those with a success, and all the others."""
    seen = spells.group_by(by, "follow", "kind").agg(n=nw.len())
    first = met.group_by("touchpoint", by, "day", "follow", "kind").agg(n=nw.len())
    whole, reached = (t.collect(backend="pandas").to_native() for t in (seen, first))
    groups = tuple(sorted(set(whole[by])))
    made = np.zeros((len(touchpoints), len(groups), 3, most + 1))
    numbers = {g: i for i, g in enumerate(groups)}

    def add(table: pd.DataFrame, place: Any, day: str, kind: Any, sign: int) -> None:
        group = table[by].map(numbers).to_numpy(int)
        when = table[day].to_numpy(int)
        # who is followed for longer is still there at the last day
        kinds = np.where(when > most, 0, kind)
        where = (place, group, kinds, np.minimum(when, most))
        np.add.at(made, where, sign * table["n"].to_numpy(float))

    for place in range(len(touchpoints)):
        add(whole, place, "follow", whole["kind"].to_numpy(int), 1)
    names = {t: i for i, t in enumerate(touchpoints)}
    place = reached["touchpoint"].map(names).to_numpy(int)
    add(reached, place, "follow", reached["kind"].to_numpy(int), -1)
    add(reached, place, "day", np.full(len(reached), HAPPENED), 1)
    return groups, made


def _months_of_starts(dataset: Dataset, begin: float) -> Frame:
    """Give each spell's start month."""
    frame = dataset.table("customers").select(
        "customer_id",
        started=days_since_epoch(nw.col("started_at")),
        cohort=month_of(nw.col("started_at")),
    )
    return frame.filter(nw.col("started") >= begin)
