"""Who is at risk, and when: customers' spells cut into person-periods.

Times are days since 1970-01-01 (a float; the fraction is the time of day). A period covers
``period_days`` whole days; the last one ends with ``as_of``, the ones before it follow back
from there, so that no period is seen only in part.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.engine import how_many, microseconds, with_key

__all__ = ["EPOCH", "RiskSet", "attribute", "days_since_epoch", "risk_set"]

EPOCH = dt.datetime(1970, 1, 1)
_DAY_MICROSECONDS = 86_400_000_000
_FEED_SHARE = 0.001

Frame = nw.LazyFrame[Any]


def days_since_epoch(time: nw.Expr) -> nw.Expr:
    """Turn a time into days since 1970-01-01, as a float."""
    return microseconds(time - nw.lit(EPOCH)).cast(nw.Float64) / _DAY_MICROSECONDS


def attribute(name: str) -> str:
    """Name the column of the spells that holds an attribute, so that none clashes with ours."""
    return f"attribute {name}"


@dataclass(frozen=True)
class RiskSet:
    """The spells at risk of voluntary churn.

    Parameters
    ----------
    dataset : Dataset
        Whose engine holds them.
    frame : LazyFrame
        One row a spell: ``spell`` (its number, in the order of customer and start),
        ``customer_id``, ``who`` (a number of the customer), ``key`` (what draws hang on; see
        :func:`cxlab.frames.engine.with_key`), ``started`` (days), ``first`` and ``last`` (the
        periods at risk, both included), ``since`` (the customer's first period at risk),
        ``event`` (whether it ended in voluntary churn in ``last``), ``competing`` (whether it
        ended otherwise), ``event_at`` and ``competing_at`` (days; null without),
        ``renews_once`` (whether it may end at a single renewal only), ``renewal_days``, maybe
        ``monthly_value`` and the attributes, each under the name :func:`attribute` gives it.
    end : float
        The first instant not seen, in days.
    period_days : int
        Length of a period.
    renewals : pandas.DataFrame or None
        Where leaving is possible at renewals only: ``spell`` and ``period`` of each.
    name : str
        Under which the dataset keeps the spells.
    """

    dataset: Dataset
    frame: Frame
    end: float
    period_days: int
    renewals: pd.DataFrame | None = None
    name: str = "spells"

    @cached_property
    def spells(self) -> pd.DataFrame:
        """All spells in memory, in order; what needs only some asks :meth:`of` for them."""
        return _collected(self.frame.sort("spell"))

    def of(self, spells: np.ndarray) -> pd.DataFrame:
        """Give some spells, in the order asked for.

        Parameters
        ----------
        spells : ndarray of int
            Their numbers.
        """
        wanted = self.dataset.attach(pd.DataFrame({"spell": np.unique(spells)}))
        found = _collected(wanted.join(self.frame, on="spell", how="inner"))
        return found.set_index("spell").loc[spells].reset_index()

    @cached_property
    def _totals(self) -> dict[str, float]:
        periods = nw.col("last") - nw.col("first") + 1
        told = self.frame.select(
            events=how_many(nw.col("event")),
            competing=how_many(nw.col("competing")),
            customers=nw.col("who").n_unique(),
            periods=periods.sum(),
            first=nw.col("first").min(),
            last=nw.col("last").max(),
        )
        return dict(told.collect(backend="pyarrow").rows(named=True)[0])

    @property
    def events(self) -> int:
        """Number of voluntary churns."""
        return int(self._totals["events"])

    @property
    def competing(self) -> int:
        """Number of other ends."""
        return int(self._totals["competing"])

    @property
    def customers(self) -> int:
        """Number of customers."""
        return int(self._totals["customers"])

    @property
    def person_periods(self) -> int:
        """Number of rows at risk."""
        return int(self._totals["periods"]) if self.renewals is None else len(self.renewals)

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last period at risk of anyone."""
        return int(self._totals["first"]), int(self._totals["last"])

    @property
    def begin(self) -> float:
        """The instant the first period at risk starts, in days."""
        return self.end + self._totals["first"] * self.period_days

    @property
    def followed(self) -> Frame:
        """The customers and when each was no longer followed: ``customer_id, who, until``."""
        over = nw.col("last") + 1
        until = nw.coalesce("event_at", over * self.period_days + self.end)
        return self.frame.group_by("customer_id", "who").agg(until=until.max())

    def start_of(self, period: np.ndarray) -> np.ndarray:
        """Give the instant a period starts at, in days."""
        return np.asarray(self.end + period * self.period_days, dtype=float)

    def swapped(self) -> RiskSet:
        """Give the same with voluntary and other ends changed about, on any day."""
        other = {"event": "competing", "event_at": "competing_at"}
        names = other | {b: a for a, b in other.items()}
        return replace(self, frame=self.frame.rename(names), renewals=None)


def _collected(frame: Frame) -> pd.DataFrame:
    found: pd.DataFrame = frame.collect(backend="pandas").to_native()
    return found.astype({c: float for c in ("event_at", "competing_at", "renewal_days")})


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
    end = (dataset.end - EPOCH) / dt.timedelta(days=1)
    if isinstance(dataset.settings.churn, Inactivity):
        end -= dataset.settings.churn.inactivity.days

    def cut() -> Frame:
        return _numbered(_at_risk(dataset, end, period_days, washout_days))

    name = f"spells_{period_days}_{washout_days:g}".replace(".", "p")
    risk = RiskSet(dataset, dataset.keep(name, cut), end, period_days, name=name)
    if not risk.events:
        raise AnalysisError(
            f"{dataset.path}: table customers: no voluntary churn between the feed's first day "
            f"and {dataset.as_of}"
        )
    bound = (~nw.col("renews").is_null() | ~nw.col("renewal_days").is_null()).any()
    told = risk.frame.select(bound=bound, noticed=nw.col("noticed").any())
    if told.collect(backend="pyarrow").row(0) != (True, False):
        return risk
    # Where a renewal comes after the end, the end moves: spells are few beside their days.
    spells = risk.spells.copy()
    renewals = _renewals(spells, end, period_days)
    return replace(risk, frame=dataset.attach(spells), renewals=renewals)


def _at_risk(dataset: Dataset, end: float, period_days: int, washout_days: float) -> Frame:
    """Give the spells that were at risk within the feed, with their periods."""
    frame, there = _read_spells(dataset), dataset.columns("customers")
    over = nw.coalesce("cancelled", "ended") if "cancelled_at" in there else nw.col("ended")
    voluntary = nw.lit(True)
    if "end_reason" in there:
        voluntary = (nw.col("end_reason").str.to_lowercase() == "voluntary").fill_null(True)
    noticed = ~nw.col("cancelled").is_null() & voluntary if "cancelled_at" in there else None
    if isinstance(dataset.settings.churn, Inactivity):
        silent = nw.col("silent_since") + washout_days + 1.0
        over = nw.coalesce(silent, over)
        over = nw.when(over < end).then(over)
        frame = frame.filter(nw.col("started") < end)
    frame = frame.with_columns(
        over=over, voluntary=voluntary, noticed=nw.lit(False) if noticed is None else noticed
    )
    begun, over = nw.max_horizontal("started", nw.lit(_feed_start(dataset))), nw.col("over")

    def period(time: nw.Expr) -> nw.Expr:
        return ((time - end) / period_days).floor().cast(nw.Int64)

    left = ~over.is_null()
    frame = frame.with_columns(
        first=period(begun),
        last=period(over.fill_null(end - 1e-9)),
        event=left & nw.col("voluntary"),
        competing=left & ~nw.col("voluntary"),
    )
    frame = frame.with_columns(
        event_at=nw.when(nw.col("event")).then(over),
        competing_at=nw.when(nw.col("competing")).then(over),
        renews_once=~nw.col("renews").is_null() & nw.col("renewal_days").is_null(),
    )
    # Those who left before the feed began were never at risk within it.
    kept = [a for a in ("monthly_value",) if a in there]
    return frame.filter(nw.col("last") >= nw.col("first")).select(
        *("customer_id", "started", "first", "last", "event", "competing"),
        *("event_at", "competing_at", "renews_once", "renews", "renewal_days", "noticed"),
        *(*kept, *(attribute(a) for a in dataset.attributes)),
    )


def _numbered(frame: Frame) -> Frame:
    """Number spells and customers."""
    frame = with_key(frame, "customer_id")
    frame = frame.with_row_index("spell", order_by=["customer_id", "started"])
    return frame.with_columns(
        who=nw.col("spell").min().over("customer_id").cast(nw.Int32),
        since=nw.col("first").min().over("customer_id"),
    )


def _read_spells(dataset: Dataset) -> Frame:
    there = dataset.columns("customers")
    columns = [nw.col("customer_id")]
    times = {"started_at": "started", "ended_at": "ended", "cancelled_at": "cancelled"}
    times["renews_at"] = "renews"
    given = (*there, "ended_at")
    if isinstance(dataset.settings.churn, Inactivity):
        times["silent_since"] = "silent_since"
        given = (*given, "silent_since")
    columns += [days_since_epoch(nw.col(c)).alias(n) for c, n in times.items() if c in given]
    columns += [nw.col(c) for c in ("end_reason", "renewal_days", "monthly_value") if c in there]
    columns += [nw.col(a).alias(attribute(a)) for a in dataset.attributes]
    never = [c for c in ("renews_at", "renewal_days") if c not in there]
    columns += [nw.lit(None, dtype=nw.Float64).alias(times.get(c, c)) for c in never]
    return dataset.table("customers").select(*columns)


def _feed_start(dataset: Dataset) -> float:
    """Give the first day of the feed, in days."""
    declared = dataset.settings.observed_from
    if declared is not None:
        return (declared - EPOCH.date()) / dt.timedelta(days=1)
    if "interactions" not in dataset.tables:
        return -np.inf
    at = days_since_epoch(nw.col("occurred_at"))
    days = dataset.table("interactions").select(day=at.floor().cast(nw.Int64))
    counts = _counts(days)
    if not len(counts):
        return -np.inf
    # A share and not the first: one mistyped year must not move the entry of everyone.
    early = _FEED_SHARE * counts["n"].sum()
    return float(counts["day"][np.searchsorted(np.cumsum(counts["n"].to_numpy()), early, "right")])


def _counts(days: Frame) -> pd.DataFrame:
    counted = days.group_by("day").agg(n=nw.len()).sort("day")
    found: pd.DataFrame = counted.collect(backend="pandas").to_native()
    return found


def _renewals(spells: pd.DataFrame, end: float, period_days: int) -> pd.DataFrame:
    """List the renewals at risk, and move events to their renewal, in place."""
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
