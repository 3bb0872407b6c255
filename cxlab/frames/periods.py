"""Who is at risk, and when: customers' spells cut into person-periods.

Times are days since 1970-01-01 (a float; the fraction is the time of day). A period covers
``period_days`` whole days; the last one ends with ``as_of``, the ones before it follow back
from there, so that no period is seen only in part.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError

__all__ = ["EPOCH", "RiskSet", "attribute", "days_since_epoch", "risk_set"]

EPOCH = dt.datetime(1970, 1, 1)
_DAY_MICROSECONDS = 86_400_000_000
_FEED_QUANTILE = 0.001


def days_since_epoch(time: nw.Expr) -> nw.Expr:
    """Turn a time into days since 1970-01-01, as a float."""
    return (time - nw.lit(EPOCH)).dt.total_microseconds().cast(nw.Float64) / _DAY_MICROSECONDS


def attribute(name: str) -> str:
    """Name the column of the spells that holds an attribute, so that none clashes with ours."""
    return f"attribute {name}"


@dataclass(frozen=True)
class RiskSet:
    """The spells at risk of voluntary churn.

    Parameters
    ----------
    spells : pandas.DataFrame
        One row a spell, ordered by customer and start: ``customer_id``, ``started`` (days),
        ``first`` and ``last`` (the periods at risk, both included), ``event`` (whether it
        ended in voluntary churn in ``last``), ``competing`` (whether it ended otherwise),
        ``event_at`` and ``competing_at`` (days; NaN without), ``renews_once`` (whether it may
        end at a single renewal only), ``renewal_days``, maybe ``monthly_value``
        and the attributes, each under the name :func:`attribute` gives it.
    end : float
        The first instant not seen, in days.
    period_days : int
        Length of a period.
    renewals : pandas.DataFrame or None
        Where leaving is possible at renewals only: ``spell`` and ``period`` of each.
    """

    spells: pd.DataFrame
    end: float
    period_days: int
    renewals: pd.DataFrame | None = None

    @property
    def events(self) -> int:
        """Number of voluntary churns."""
        return int(self.spells["event"].sum())

    @property
    def person_periods(self) -> int:
        """Number of rows at risk."""
        if self.renewals is not None:
            return len(self.renewals)
        return int((self.spells["last"] - self.spells["first"] + 1).sum())

    @property
    def begin(self) -> float:
        """The instant the first period at risk starts, in days."""
        return float(self.start_of(self.spells["first"].to_numpy()).min())

    def start_of(self, period: np.ndarray) -> np.ndarray:
        """Give the instant a period starts at, in days."""
        return np.asarray(self.end + period * self.period_days, dtype=float)

    def locate(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the spell and the period of person-periods numbered from 0.

        Parameters
        ----------
        index : ndarray of int
            Numbers below :attr:`person_periods`.
        """
        if self.renewals is not None:
            chosen = self.renewals.iloc[index]
            return chosen["spell"].to_numpy(), chosen["period"].to_numpy()
        lengths = (self.spells["last"] - self.spells["first"] + 1).to_numpy()
        ends = np.cumsum(lengths)
        spell = np.searchsorted(ends, index, side="right")
        return spell, self.spells["first"].to_numpy()[spell] + index - (ends - lengths)[spell]


def risk_set(dataset: Dataset, period_days: int = 1, washout_days: float = 3.0) -> RiskSet:
    """Cut the customers' spells into person-periods.

    A spell is at risk from its start, or from the feed's first day where it started earlier
    (left truncation), to the period of its end. The event is voluntary churn, dated by
    ``cancelled_at`` where given, else by ``ended_at``; any other end is a competing event and
    censors (cause-specific hazard). Where ``renews_at`` or ``renewal_days`` is given, only
    the periods of renewals are at risk, for a customer who has one; an end between two
    renewals belongs to the next one. Where notice dates the events, leaving is decided on any
    day, and all periods are at risk whatever the renewals.

    Where churn is silence, its event is dated just after the last contact, beyond the
    washout, and everyone is followed to ``as_of`` less the days of silence alone: after that
    nobody can be known to have fallen silent.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    period_days : int
        Length of a period in days.
    washout_days : float
        Contacts this recent before a period will be left out.

    Raises
    ------
    AnalysisError
        The dataset is a snapshot, or no voluntary churn falls within the feed.
    """
    if dataset.form != "spells":
        raise AnalysisError(f"{dataset.path}: table customers has no started_at: a snapshot")
    spells = _read_spells(dataset)
    end = (dataset.end - EPOCH) / dt.timedelta(days=1)
    if isinstance(dataset.settings.churn, Inactivity):
        end -= dataset.settings.churn.inactivity.days
        silent = spells["silent_since"] + washout_days + 1.0
        spells["over"] = silent.fillna(spells["over"]).where(lambda over: over < end)
        spells = spells[spells["started"] < end].drop(columns="silent_since")

    def period(time: Any) -> Any:
        return np.floor((time - end) / period_days)

    over = spells["over"]
    spells["first"] = period(np.maximum(spells["started"], _feed_start(dataset)))
    spells["last"] = period(over.fillna(end - 1e-9))
    spells["event"] = over.notna() & spells["voluntary"]
    spells["competing"] = over.notna() & ~spells["voluntary"]
    spells["event_at"] = over.where(spells["event"])
    spells["competing_at"] = over.where(spells["competing"])
    # Those who left before the feed began were never at risk within it.
    spells = spells[spells["last"] >= spells["first"]].reset_index(drop=True)
    spells = spells.astype({"first": int, "last": int}).drop(columns=["over", "voluntary"])
    if not spells["event"].any():
        raise AnalysisError(
            f"{dataset.path}: table customers: no voluntary churn between the feed's first day "
            f"and {dataset.as_of}"
        )
    renewals = _renewals(spells, end, period_days)
    spells["renews_once"] = spells["renews"].notna() & spells["renewal_days"].isna()
    spells = spells.drop(columns=["renews", "noticed"])
    return RiskSet(spells, end, period_days, renewals)


def _read_spells(dataset: Dataset) -> pd.DataFrame:
    there = dataset.columns("customers")
    frame = dataset.table("customers")
    columns = [nw.col("customer_id"), days_since_epoch(nw.col("started_at")).alias("started")]
    columns.append(days_since_epoch(nw.col("ended_at")).alias("ended"))
    if "cancelled_at" in there:
        columns.append(days_since_epoch(nw.col("cancelled_at")).alias("cancelled"))
    if isinstance(dataset.settings.churn, Inactivity):
        columns.append(days_since_epoch(nw.col("silent_since")).alias("silent_since"))
    if "renews_at" in there:
        columns.append(days_since_epoch(nw.col("renews_at")).alias("renews"))
    plain = ("end_reason", "renewal_days", "monthly_value")
    columns += [nw.col(c) for c in plain if c in there]
    columns += [nw.col(a).alias(attribute(a)) for a in dataset.attributes]
    spells = frame.select(*columns).sort("customer_id", "started").collect(backend="pandas")
    data: pd.DataFrame = spells.to_native().reset_index(drop=True)
    optional = ("cancelled", "renews", "renewal_days", "end_reason")
    data = data.assign(**{c: np.nan for c in optional if c not in data})
    data["over"] = data["cancelled"].fillna(data["ended"])
    reason = data["end_reason"].astype("string").str.lower()
    data["voluntary"] = (reason == "voluntary").fillna(True).astype(bool)
    data["noticed"] = data["cancelled"].notna() & data["voluntary"]
    return data.drop(columns=["ended", "cancelled", "end_reason"])


def _feed_start(dataset: Dataset) -> float:
    """Give the first day of the feed, in days."""
    declared = dataset.settings.observed_from
    if declared is not None:
        return (declared - EPOCH.date()) / dt.timedelta(days=1)
    if "interactions" not in dataset.tables:
        return -np.inf
    at = days_since_epoch(nw.col("occurred_at"))
    frame = dataset.table("interactions").select(at=at)
    # A quantile and not the minimum: one mistyped year must not move the entry of everyone.
    early = frame.select(nw.col("at").quantile(_FEED_QUANTILE, "linear"))
    value = early.collect(backend="pandas").item()
    return -np.inf if value is None else float(np.floor(value))


def _renewals(spells: pd.DataFrame, end: float, period_days: int) -> pd.DataFrame | None:
    """List the periods at risk, renewals where there are any; move events to their renewal."""
    if spells["noticed"].any() or spells[["renewal_days", "renews"]].isna().all(axis=None):
        return None
    first, last, started = (spells[c].to_numpy() for c in ("first", "last", "started"))
    step, event = spells["renewal_days"].to_numpy(float), spells["event"].to_numpy()
    regular, once = ~np.isnan(step), spells["renews"].notna().to_numpy()
    bound = regular | once
    # To the first renewal not yet over when the spell's last period began; who is bound by
    # none is free to leave in any period.
    cycles = np.ceil((end + last * period_days - started) / step - 1e-9)
    many = np.where(regular, np.fmax(cycles, 1), np.where(once, 1, last - first + 1)).astype(int)
    spell = np.repeat(np.arange(len(spells)), many)
    place = np.arange(len(spell)) - np.repeat(np.cumsum(many) - many, many)
    due = np.where(regular[spell], (started + step)[spell] + step[spell] * place,
                   spells["renews"].to_numpy(float)[spell])  # fmt: skip
    period = np.where(bound[spell], np.floor((due - end) / period_days), first[spell] + place)
    # Left between two renewals: the next one counts, or the day itself where the feed does
    # not reach it.
    latest = np.where(event & bound, -1, last)
    kept = (period >= first[spell]) & (period <= latest[spell])
    found = pd.DataFrame({"spell": spell[kept], "period": period[kept].astype(int)})
    newest = found.groupby("spell")["period"].max().reindex(range(len(spells)), fill_value=-np.inf)
    own = np.flatnonzero(event & (newest.to_numpy() < last))
    found = pd.concat([found, pd.DataFrame({"spell": own, "period": last[own]})])
    spells.loc[event, "last"] = np.maximum(newest, last)[event].astype(int)
    return found.sort_values(["spell", "period"], ignore_index=True)
