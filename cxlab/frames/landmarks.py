"""Customers on certain days: who was there, and what became of them afterwards.

Rows are drawn by a hash of customer and day, so that every engine draws the same: of many
customers a part of those who soon leave, and a smaller part of the others, each with the number
of customers it stands for. Only these come into memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.frames.engine import PRIME, hashed
from cxlab.frames.periods import RiskSet

__all__ = ["Landmarks", "days_back", "last_sight", "stand"]

Frame = nw.LazyFrame[Any]


@dataclass(frozen=True)
class Landmarks:
    """Customers on days, and what became of them.

    Parameters
    ----------
    rows : pandas.DataFrame
        In the order of day, customer and spell: ``origin`` (the day's place), ``at`` (its first
        instant, in days), ``spell, who, customer_id``; ``time`` (days from then until the end, or
        until the data's), ``cause`` (1: left; 2: ended otherwise; 0: neither so far), ``weight``
        (customers the row stands for), ``tenure`` and ``seen`` (days since the start, and within
        the feed), maybe ``monthly_value``; ``cut`` and ``mid`` are ``at``.
    days : ndarray
        The days, in order.
    there : ndarray of int
        Customers there on each of them.
    text : str
        What was drawn, in words.
    """

    rows: pd.DataFrame
    days: np.ndarray
    there: np.ndarray
    text: str

    def date(self, place: int) -> str:
        """Give the last day that was seen before customers were judged.

        Parameters
        ----------
        place : int
            Of the day.
        """
        return str(np.datetime64("1970-01-01") + int(np.floor(self.days[place])) - 1)


def last_sight(risk: RiskSet, washout_days: float) -> float:
    """Give the first instant, in days, at which it is not known any more who has left.

    Where churn is silence, the spells' ends are dated before the silence began; here they are
    dated when it was complete, since nobody can be told to have left before that.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    washout_days : float
        With which they were cut.
    """
    return risk.end + _delay(risk.dataset, washout_days)


def _delay(dataset: Dataset, washout_days: float) -> float:
    """Give how long after its date in the risk set an end by silence is known."""
    churn = dataset.settings.churn
    if not isinstance(churn, Inactivity):
        return 0.0
    return max(churn.inactivity.days - washout_days - 1.0, 0.0)


def days_back(last: float, first: float, step_days: int) -> np.ndarray:
    """Give days from the last one backwards, not before the first, in order of time.

    Parameters
    ----------
    last, first : float
        In days.
    step_days : int
        Between two of them.
    """
    count = max(int((last - first) // step_days) + 1, 0)
    return last - step_days * np.arange(count)[::-1].astype(float)


def stand(
    risk: RiskSet,
    days: np.ndarray,
    within: float,
    *,
    washout_days: float = 0.0,
    most: tuple[int, int] = (20_000, 20_000),
    seed: int = 0,
) -> Landmarks:
    """Give who was there on each day, and what became of them.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    days : ndarray
        Instants, in days.
    within : float
        Of those who leave within so many days, and of the others, parts are drawn apart.
    washout_days : float
        With which the spells were cut.
    most : tuple of int
        Rows of either that are drawn at most, about.
    seed : int
        Of the draw.
    """
    delay = _delay(risk.dataset, washout_days)
    frame = _there(risk, days, delay).with_columns(soon=_soon(within))
    counted = frame.group_by("origin", "soon").agg(n=nw.len()).collect(backend="pandas")
    table = counted.to_native()
    there = np.bincount(table["origin"], table["n"], len(days)).astype(int)
    soon = table["soon"].to_numpy(bool)
    total = [int(table.loc[part, "n"].sum()) for part in (soon, ~soon)]
    shares = [min(1.0, many / n) if n else 1.0 for many, n in zip(most, total, strict=True)]
    frame = hashed(frame, "number", seed)
    limits = [int(share * PRIME) for share in shares]
    limit = nw.when(nw.col("soon")).then(nw.lit(limits[0])).otherwise(nw.lit(limits[1]))
    rows = _told(risk, frame.filter(nw.col("draw") < limit), days, delay)
    rows["weight"] = 1.0 / np.where(rows.pop("soon"), *shares)
    text = f"{sum(total):,} customers on {len(days)} days"
    if min(shares) < 1:
        drawn = [f"{share:.1%} of the {n:,} {who}" for share, n, who in
                 zip(shares, total, (f"who left within {within:g} days", "others"), strict=True)
                 if share < 1]  # fmt: skip
        text += f"; drawn: {' and '.join(drawn)}"
    return Landmarks(rows, days, there, text)


def _there(risk: RiskSet, days: np.ndarray, delay: float) -> Frame:
    """Give the spells that ran on each day."""
    marks = pd.DataFrame({"origin": np.arange(len(days)), "day": days})
    # Days are numbered from 1970 on, so that more data do not draw others.
    marks["number"] = np.floor(days).astype(int)
    begun = nw.col("first").cast(nw.Float64) * risk.period_days + risk.end
    told = [c for c in ("monthly_value",) if c in risk.frame.collect_schema().names()]
    spells = risk.frame.select(
        *("spell", "who", "customer_id", "key", "started", "since", *told),
        begun=nw.max_horizontal("started", begun),
        left_at=nw.col("event_at") + delay,
        ended_at=nw.col("competing_at"),
    )
    every = spells.join(risk.dataset.attach(marks), how="cross")
    over = nw.coalesce("left_at", "ended_at", nw.lit(np.inf))
    return every.filter((nw.col("begun") <= nw.col("day")) & (over > nw.col("day")))


def _soon(within: float) -> nw.Expr:
    return (nw.col("left_at") - nw.col("day") <= within).fill_null(False)


def _told(risk: RiskSet, frame: Frame, days: np.ndarray, delay: float) -> pd.DataFrame:
    """Bring rows into memory, with what became of them."""
    frame = frame.drop("day", "number", "draw", "key", "begun")
    rows: pd.DataFrame = frame.sort("origin", "who", "spell").collect(backend="pandas").to_native()
    at = days[rows["origin"].to_numpy(int)]
    left, ended = (rows.pop(c).to_numpy(float) for c in ("left_at", "ended_at"))
    over = np.where(np.isnan(left), ended, left)
    cause = np.select([~np.isnan(left), ~np.isnan(ended)], [1, 2], 0)
    sight = risk.end + delay
    # An end that is not known yet when the data end is none.
    cause = np.where(over < sight, cause, 0)
    since = risk.start_of(rows.pop("since").to_numpy())
    return rows.assign(
        at=at,
        cut=at,
        mid=at,
        time=np.where(cause > 0, over, sight) - at,
        cause=cause,
        tenure=at - rows.pop("started").to_numpy(),
        seen=at - np.maximum(since, -1e9),
    )
