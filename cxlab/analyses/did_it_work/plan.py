"""What was done: the rows of ``interventions`` as plans that can be judged, or why they cannot."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.frames.customer_periods import Scope, scope_columns
from cxlab.frames.periods import EPOCH, days_since_epoch
from cxlab.results import counted, listed

__all__ = ["Options", "Plan", "day_of", "month_of", "plans"]


@dataclass(frozen=True)
class Options:
    """Settings of the analysis.

    Parameters
    ----------
    period_days : int
        Length of a period where groups are compared; whole weeks, so that weekdays are alike.
    before_days, after_days : int
        Up to so many days before and after each start count.
    worthwhile : float
        A change by this share is worth knowing of.
    min_group : int
        Groups of fewer customers are withheld.
    seed : int
        Of the draws.
    """

    period_days: int = 28
    before_days: int = 336
    after_days: int = 336
    worthwhile: float = 0.2
    min_group: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(7, 91, period_days=self.period_days)
        within(28, 1095, before_days=self.before_days, after_days=self.after_days)
        within(0.01, 0.9, worthwhile=self.worthwhile)
        within(1, 1000, min_group=self.min_group)


@dataclass(frozen=True)
class Plan:
    """One intervention at one touchpoint.

    Parameters
    ----------
    intervention, touchpoint : str
        As in the table.
    scopes : tuple of Scope
        Whom it reached, and when.
    low, high : float
        Between which days nothing else was done at the touchpoint, and this had not ended.
    why : str
        Why it cannot be judged; empty where it can.
    notes : tuple of str
        What else must be known of it, in sentences.
    meanwhile : tuple of str
        Interventions at other touchpoints that began in the time that is looked at.
    """

    intervention: str
    touchpoint: str
    scopes: tuple[Scope, ...]
    low: float = -math.inf
    high: float = math.inf
    why: str = ""
    notes: tuple[str, ...] = ()
    meanwhile: tuple[str, ...] = ()

    @property
    def start(self) -> float:
        """When it first began, in days."""
        return min(s.start for s in self.scopes)

    @property
    def name(self) -> str:
        """How it is called in tables."""
        return f"{self.intervention} at {self.touchpoint}"

    def with_note(self, text: str) -> Plan:
        """Add a sentence."""
        return replace(self, notes=(*self.notes, text))


def day_of(day: float) -> str:
    """Write a day of days since 1970-01-01: ``2026-05-01``."""
    return (EPOCH + dt.timedelta(days=math.floor(day))).date().isoformat()


def month_of(day: float, end: float) -> str:
    """Write a day to come as its month, ``October 2026``, if that is after the data's last one.

    Parameters
    ----------
    day, end : float
        The day, and the first one not seen.
    """
    date, last = ((EPOCH + dt.timedelta(days=math.floor(d))).date() for d in (day, end - 1))
    later = (date.year, date.month) > (last.year, last.month)
    return date.strftime("%B %Y" if later else "%-d %B %Y")


def plans(dataset: Dataset, options: Options) -> tuple[list[Plan], list[str]]:
    """Read the interventions, one plan for each touchpoint of each.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interventions``.
    options : Options
        Settings.

    Returns
    -------
    plans : list of Plan
        In the order of their start.
    left_out : list of str
        Rows that no plan is made of, and why, in sentences.
    """
    rows = _rows(dataset)
    made = [
        _plan(dataset, keys, part) for keys, part in rows.groupby(["intervention", "touchpoint"])
    ]
    made = [_beside(p, made, options) for p in made]
    return sorted(made, key=lambda p: (p.start, p.name)), _unseen(dataset, len(rows))


def _rows(dataset: Dataset) -> pd.DataFrame:
    there = dataset.columns("interventions")
    times = {"started_at": "start", "ended_at": "end"}
    frame = dataset.table("interventions").select(
        "intervention",
        "touchpoint",
        *[c for c in ("scope_column", "scope_value") if c in there],
        **{n: days_since_epoch(nw.col(c)) for c, n in times.items() if c in there},
    )
    found: pd.DataFrame = frame.collect(backend="pandas").to_native()
    for column in ("scope_column", "scope_value", "end"):
        if column not in found:
            found[column] = None
    found["end"] = found["end"].astype(float).fillna(math.inf)
    return found


def _unseen(dataset: Dataset, seen: int) -> list[str]:
    """Say which rows are not looked at."""
    told = []
    aside = [s for s in dataset.set_aside if s.table == "interventions"]
    for s in aside:
        told.append(
            f"{counted(s.rows, 'row')} of table interventions cannot be, and "
            f"{'is' if s.rows == 1 else 'are'} left out: {s.rule}."
        )
    later = dataset.read["interventions"].rows - sum(s.rows for s in aside) - seen
    if later > 0:
        told.append(
            f"{counted(later, 'row')} of table interventions "
            f"{'begins' if later == 1 else 'begin'} after {dataset.day}: nothing can be said of "
            f"{'it' if later == 1 else 'them'} yet."
        )
    return told


def _text(value: Any) -> str | None:
    return None if value is None or value != value or str(value) == "" else str(value)


def _plan(dataset: Dataset, keys: Any, part: pd.DataFrame) -> Plan:
    scopes, bad = [], []
    known = scope_columns(dataset)
    for _, row in part.iterrows():
        column, value = _text(row["scope_column"]), _text(row["scope_value"])
        scopes.append(Scope(float(row["start"]), float(row["end"]), column, value))
        if column is not None and column not in known:
            bad.append(f"table customers has no column {column}, by which it was scoped")
        elif (column is None) != (value is None):
            what = "value" if value is None else "column"
            bad.append(f"a row of it has a scope without a {what}")
    plan = Plan(str(keys[0]), str(keys[1]), tuple(scopes))
    if bad:
        reasons = listed(dict.fromkeys(bad))
        why = f"{reasons}: whom it reached, and whom not, is not known"
        return replace(plan, why=why)
    ends = [s.end for s in scopes if math.isfinite(s.end)]
    if not ends:
        return plan
    over = min(ends)
    plan = replace(plan, high=over)
    return plan.with_note(
        f"It ended on {day_of(over)}: only the time while it ran is judged, not whether what it "
        "did stayed."
    )


def _changes(plan: Plan) -> list[float]:
    """Give the days on which a plan changed something."""
    return [d for s in plan.scopes for d in (s.start, s.end) if math.isfinite(d)]


def _beside(plan: Plan, every: Iterable[Plan], options: Options) -> Plan:
    """Keep to the time in which nothing else was done at the touchpoint."""
    others = [p for p in every if p.touchpoint == plan.touchpoint and p.name != plan.name]
    elsewhere = {
        p.intervention for p in every if p.touchpoint != plan.touchpoint
        and plan.start - options.period_days <= p.start < plan.start + options.after_days
    }  # fmt: skip
    plan = replace(plan, meanwhile=tuple(sorted(elsewhere - {plan.intervention})))
    for other in others:
        dates = _changes(other)
        near = any(abs(d - s.start) < options.period_days for d in dates for s in plan.scopes)
        if near and not plan.why:
            why = (
                f"{other.intervention} changed the same touchpoint within "
                f"{counted(options.period_days, 'day')} of it: the two cannot be told apart"
            )
            plan = replace(plan, why=why)
        earlier = [d for d in dates if d <= plan.start]
        later = [d for d in dates if d > plan.start]
        low, high = max(earlier, default=-math.inf), min(later, default=math.inf)
        if low > plan.low or high < plan.high:
            plan = replace(plan, low=max(plan.low, low), high=min(plan.high, high))
            when = listed(day_of(d) for d in sorted(set(dates)))
            plan = plan.with_note(
                f"{other.intervention} changed the same touchpoint on {when}: only the time "
                "without it is looked at."
            )
    return plan
