"""First bad contacts of customers seen from their start, and ordinary contacts to hold against.

Every contact of a customer who has had no bad one so far is a trial: it may turn out bad, and
is then the first, or ordinary. Both are followed from the moment that was known, so that
nobody's time before it counts (Hernan et al. 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import PRIME, hashed
from cxlab.frames.exposures import Contacts, contacts, exit_touchpoints
from cxlab.frames.periods import RiskSet

__all__ = ["Encounters", "encounters"]

Frame = nw.LazyFrame[Any]
_MOST_CASES, _MOST_CONTROLS = 20_000, 200_000
_LATELY = 30.0


@dataclass(frozen=True)
class Encounters:
    """The trials that are used.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``spell, touchpoint, at`` (days), ``bad`` (whether it is the customer's first bad
        contact), ``known`` (days: when that could be known), ``delay`` (days from the contact
        to then), ``first_bad`` (days; NaN: never), ``so_far`` and ``lately`` (contacts since the
        start, and in the 30 days, before it).
    first_bad : pandas.Series
        When each spell's customer met the first bad contact (days; NaN: never), by spell, of
        those seen from their start.
    cases, controls : int
        First bad contacts, and ordinary ones, before any were drawn.
    text : str
        What makes a contact bad, in words.
    """

    rows: pd.DataFrame
    first_bad: pd.Series
    cases: int
    controls: int
    text: str


def encounters(dataset: Dataset, risk: RiskSet) -> Encounters | str:
    """Gather first bad contacts and ordinary ones before any, or say why there are none.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    risk : RiskSet
        Its spells.
    """
    if reason := dataset.missing(["interactions"]):
        return reason
    known = contacts(dataset)
    if "bad" not in known.classes:
        return known.text
    spells = _fresh(risk)
    if spells.empty:
        return "no customer is seen from the start: all were there before the feed"
    frame = _judged(dataset, known)
    met = _first_bad(dataset, frame, spells)
    spells = spells.merge(met, on="customer_id", how="left")
    trials = _trials(dataset, frame, spells)
    told = trials.group_by("bad").agg(n=nw.len()).collect(backend="pandas").to_native()
    count = {bool(b): int(n) for b, n in zip(told["bad"], told["n"], strict=True)}
    cases, controls = count.get(True, 0), count.get(False, 0)
    rows = _drawn(trials, cases, controls)
    rows = _activity(dataset, frame, rows, spells)
    first_bad = spells.set_index("spell")["first_bad"].astype(float)
    return Encounters(rows, first_bad, cases, controls, known.text)


def _fresh(risk: RiskSet) -> pd.DataFrame:
    """Give the spells of customers none of whose spells began before the feed."""
    spells = risk.spells
    over = spells["event_at"].fillna(spells["competing_at"]).fillna(risk.end)
    own = spells[["spell", "customer_id", "key", "started"]].assign(over=over)
    first = own.groupby("customer_id")["started"].transform("min")
    return own[(first >= risk.begin) & (own["over"] > own["started"])].reset_index(drop=True)


def _judged(dataset: Dataset, known: Contacts) -> Frame:
    """Give contacts with the time each is known to be bad, or else to be ordinary.

    Touchpoints of stage ``exit`` follow the decision to leave: their contacts do not count.
    """
    names = exit_touchpoints(dataset)
    frame = known.frame.filter(~nw.col("touchpoint").is_in(names)) if names else known.frame
    fine = nw.col("at")
    if "unknown" in known.classes:
        # Of a contact nobody judged nothing is known; else it counts from the judgement.
        judged = nw.col("unknown_until")
        fine = nw.when(judged.is_null()).then(nw.col("at")).otherwise(judged)
    return frame.select("customer_id", "touchpoint", "at", "bad_from", fine_from=fine)


def _first_bad(dataset: Dataset, frame: Frame, spells: pd.DataFrame) -> pd.DataFrame:
    """Give when each customer met the first bad contact, as a prospect or later."""
    who = dataset.attach(spells[["customer_id"]].drop_duplicates())
    bad = frame.filter(~nw.col("bad_from").is_null())
    found = bad.join(who, on="customer_id", how="inner").group_by("customer_id")
    told: pd.DataFrame = (
        found.agg(first_bad=nw.col("bad_from").min()).collect(backend="pandas").to_native()
    )
    return told


def _trials(dataset: Dataset, frame: Frame, spells: pd.DataFrame) -> Frame:
    """Give the contacts within a spell at which no bad one had been met."""
    columns = ["spell", "customer_id", "key", "started", "over", "first_bad"]
    own = dataset.attach(spells[columns].fillna({"first_bad": np.inf}))
    at, first, over = nw.col("at"), nw.col("first_bad"), nw.col("over")
    joined = frame.join(own, on="customer_id", how="inner")
    joined = joined.filter((at >= nw.col("started")) & (at < over) & (at <= first))
    bad = (nw.col("bad_from") == first).fill_null(False)
    joined = joined.with_columns(
        bad=bad, known=nw.when(bad).then(nw.col("bad_from")).otherwise(nw.col("fine_from"))
    )
    inside = (nw.col("known") < over) & (bad | (nw.col("known") < first))
    return joined.filter(inside).select(
        "spell", "customer_id", "key", "touchpoint", "at", "bad", "known", "first_bad",
        day=nw.col("at").floor().cast(nw.Int64),
    )  # fmt: skip


def _drawn(trials: Frame, cases: int, controls: int) -> pd.DataFrame:
    """Bring the trials into memory, or where they are many, some drawn by hashing."""
    if cases > _MOST_CASES or controls > _MOST_CONTROLS:
        limits = (_limit(_MOST_CASES, cases), _limit(_MOST_CONTROLS, controls))
        draw = nw.col("draw")
        bad = nw.col("bad")
        trials = hashed(trials, "day", 0).filter(
            (bad & (draw < limits[0])) | (~bad & (draw < limits[1]))
        )
    columns = ["spell", "customer_id", "touchpoint", "at", "bad", "known", "first_bad"]
    rows: pd.DataFrame = trials.select(columns).collect(backend="pandas").to_native()
    rows = rows.sort_values(["spell", "at", "touchpoint"], ignore_index=True)
    # Two contacts may have failed at one moment: one of them is the first.
    again = rows["bad"] & rows.duplicated(["spell", "bad"])
    rows = rows[~again].reset_index(drop=True)
    rows["delay"] = np.where(rows["bad"], rows["known"] - rows["at"], 0.0)
    rows["first_bad"] = rows["first_bad"].replace(np.inf, np.nan)
    return rows


def _limit(most: int, there: int) -> int:
    return PRIME if there <= most else int(PRIME * (most / there))


def _activity(
    dataset: Dataset, frame: Frame, rows: pd.DataFrame, spells: pd.DataFrame
) -> pd.DataFrame:
    """Count the contacts each trial's customer had had by then."""
    started = spells.set_index("spell")["started"]
    sent = rows[["customer_id", "at"]].rename(columns={"at": "then"})
    sent = sent.assign(row=np.arange(len(rows)), started=started.loc[rows["spell"]].to_numpy())
    at, then = nw.col("at"), nw.col("then")
    pairs = dataset.attach(sent).join(frame, on="customer_id", how="inner")
    pairs = pairs.filter((at < then) & (at >= nw.col("started")))
    lately = (at >= then - _LATELY).cast(nw.Int64)
    counted = pairs.group_by("row").agg(so_far=nw.len(), lately=lately.sum())
    table = counted.collect(backend="pandas").to_native().set_index("row").astype(float)
    full = table.reindex(range(len(rows)), fill_value=0.0)
    return rows.assign(so_far=full["so_far"].to_numpy(), lately=full["lately"].to_numpy())
