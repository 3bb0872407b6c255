"""Customers' sums by period around a date: who was reached when, and what they then lived through.

The engine adds up each customer's rows of a period; what comes into memory is a number of
customers at a time, whose sums are added to those of their group and then let go.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.at_risk import MONTH_DAYS
from cxlab.frames.people import People
from cxlab.frames.periods import RiskSet

__all__ = [
    "Outcome",
    "Scope",
    "Times",
    "Window",
    "block_sums",
    "reached",
    "scope_columns",
    "total_sums",
]

Frame = nw.LazyFrame[Any]
_MOST_CELLS = 4_000_000  # figures in memory at a time


@dataclass(frozen=True)
class Scope:
    """Whom one row of ``interventions`` reaches, and when.

    Parameters
    ----------
    start, end : float
        In days; the end infinite where it is not over.
    column, value : str or None
        An attribute and its value; None: everybody.
    """

    start: float
    end: float = math.inf
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True)
class Window:
    """Periods around a date.

    Parameters
    ----------
    start : float
        The date, in days.
    days : float
        Length of a period.
    before, after : int
        How many periods before it and after it.
    """

    start: float
    days: float
    before: int
    after: int

    @property
    def edges(self) -> np.ndarray:
        """Where the periods begin, and where the last one ends."""
        return self.start + self.days * np.arange(-self.before, self.after + 1)

    @property
    def event(self) -> np.ndarray:
        """Each period's place: below 0 before the date."""
        return np.arange(-self.before, self.after)


@dataclass(frozen=True)
class Times:
    """Customers' spells at risk: what rates are out of.

    Parameters
    ----------
    frame : LazyFrame
        ``who, begun, over, event_at``, in days; ``event_at`` null without a voluntary churn.
    """

    frame: Frame

    @classmethod
    def of(cls, risk: RiskSet, person: People) -> Times:
        """Take the spells of a risk set.

        Parameters
        ----------
        risk : RiskSet
            The spells.
        person : People
            The customers.
        """
        first = nw.col("first").cast(nw.Float64) * risk.period_days + risk.end
        spells = risk.frame.select(
            "customer_id",
            "event_at",
            begun=nw.max_horizontal("started", first),
            over=nw.coalesce("event_at", "competing_at", nw.lit(risk.end)),
        )
        who = person.frame.select("customer_id", "who")
        spells = spells.join(who, on="customer_id", how="inner")
        return cls(spells.select("who", "begun", "over", "event_at"))

    @cached_property
    def table(self) -> pd.DataFrame:
        """The spells in memory, in the order of customers."""
        found: pd.DataFrame = self.frame.sort("who", "begun").collect(backend="pandas").to_native()
        return found.astype({"begun": float, "over": float, "event_at": float})

    def within(self, rows: Frame) -> Frame:
        """Keep rows of customers who were at risk then.

        Parameters
        ----------
        rows : LazyFrame
            With ``who`` and ``at``.
        """
        rows = rows.join(self.frame.select("who", "begun", "over"), on="who", how="inner")
        inside = (nw.col("at") >= nw.col("begun")) & (nw.col("at") < nw.col("over"))
        return rows.filter(inside).drop("begun", "over")

    def months(self, low: int, high: int, edges: np.ndarray) -> np.ndarray:
        """Give the months at risk of some customers in each period.

        Parameters
        ----------
        low, high : int
            From which customer up to which.
        edges : ndarray, shape (periods + 1,)
            Of periods that follow each other.
        """
        mine = self._of(low, high)
        begun, over = (mine[c].to_numpy()[:, None] for c in ("begun", "over"))
        spent = np.minimum(over, edges[1:]) - np.maximum(begun, edges[:-1])
        return self._added(mine, np.maximum(spent, 0.0) / MONTH_DAYS, low, high)

    def churns(self, low: int, high: int, edges: np.ndarray) -> np.ndarray:
        """Count the voluntary churns of some customers in each period, as :meth:`months` does."""
        mine = self._of(low, high)
        at = mine["event_at"].to_numpy()[:, None]
        inside = ((at >= edges[:-1]) & (at < edges[1:])).astype(float)
        return self._added(mine, inside, low, high)

    def total(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give all customers' churns and months at risk in each period.

        Parameters
        ----------
        edges : ndarray, shape (periods + 1,)
            Of periods that follow each other.
        """

        def lived(times: np.ndarray) -> np.ndarray:
            """Sum min(time, edge) over the times, for each edge."""
            ordered = np.sort(times)
            before = np.append(0.0, np.cumsum(ordered))
            place = np.searchsorted(ordered, edges)
            return before[place] + (len(ordered) - place) * edges

        table = self.table
        months = np.diff(lived(table["over"].to_numpy()) - lived(table["begun"].to_numpy()))
        at = np.sort(table["event_at"].dropna().to_numpy())
        return np.diff(np.searchsorted(at, edges)).astype(float), months / MONTH_DAYS

    def _of(self, low: int, high: int) -> pd.DataFrame:
        first, stop = np.searchsorted(self.table["who"].to_numpy(), [low, high])
        return self.table.iloc[first:stop]

    @staticmethod
    def _added(mine: pd.DataFrame, values: np.ndarray, low: int, high: int) -> np.ndarray:
        made = np.zeros((high - low, values.shape[1]))
        np.add.at(made, mine["who"].to_numpy() - low, values)
        return made


@dataclass(frozen=True)
class Outcome:
    """Something that an intervention may change: a ratio of two sums over customers' rows.

    Parameters
    ----------
    name : str
        Such as ``failure rate at invoice``; no two outcomes of a dataset have the same.
    rows : LazyFrame or None
        ``who, at`` (days), ``y`` and ``x``; of rates without ``x``; None of churn.
    times : Times or None
        Of rates: the time they are out of.
    until : float
        The first instant not seen, in days.
    """

    name: str
    rows: Frame | None
    times: Times | None = None
    until: float = math.inf


def scope_columns(dataset: Dataset) -> tuple[str, ...]:
    """Name the columns that can say whom something reached.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    """
    return ("customer_id", *dataset.attributes)


def reached(dataset: Dataset, person: People, scopes: Sequence[Scope]) -> np.ndarray:
    """Tell since when each customer is reached, by their attributes as they are known now.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    person : People
        The customers.
    scopes : sequence of Scope
        Of one intervention; who is in several is reached by the first of them.

    Returns
    -------
    ndarray, shape (customers,)
        Days; infinite for those never reached.
    """
    everybody = min((s.start for s in scopes if s.column is None), default=math.inf)
    columns = sorted({s.column for s in scopes if s.column is not None})
    newest = nw.col("started_at").max().over("customer_id")
    frame = dataset.table("customers").filter(nw.col("started_at") == newest)
    own = {f"cx_{i}": _comparable(dataset, c) for i, c in enumerate(columns)}
    frame = frame.select("customer_id", **own)
    frame = frame.join(person.frame.select("customer_id", "who"), on="customer_id", how="inner")
    starts = []
    for i, column in enumerate(columns):
        mine = [s for s in scopes if s.column == column]
        values = [_value(dataset, column, s.value) for s in mine]
        table = pd.DataFrame({f"cx_{i}": values, f"cx_start_{i}": [s.start for s in mine]})
        table = table.dropna().groupby(f"cx_{i}", as_index=False).min()
        if not len(table):
            continue
        frame = frame.join(dataset.attach(table), on=f"cx_{i}", how="left")
        starts.append(f"cx_start_{i}")
    found: pd.DataFrame = frame.select("who", *starts).collect(backend="pandas").to_native()
    made = np.full(int(found["who"].max()) + 1 if len(found) else 0, everybody)
    for name in starts:
        theirs = found[name].to_numpy(float)
        np.minimum.at(made, found["who"].to_numpy(), np.where(np.isnan(theirs), math.inf, theirs))
    return made


def _comparable(dataset: Dataset, column: str) -> nw.Expr:
    kind = nw.Float64 if dataset.attributes.get(column) == "number" else nw.String
    return nw.col(column).cast(kind)


def _value(dataset: Dataset, column: str, value: str | None) -> Any:
    if dataset.attributes.get(column) != "number" or value is None:
        return value
    try:
        return float(value)
    except ValueError:
        return None


def block_sums(
    dataset: Dataset, outcome: Outcome, windows: Sequence[Window], customers: int
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Give each customer's sums by period, a number of customers at a time.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    outcome : Outcome
        What is added up.
    windows : sequence of Window
        Their periods are the columns, one window after another.
    customers : int
        How many there are.

    Yields
    ------
    who : slice
        The customers.
    y, x : ndarray, shape (customers, columns)
    """
    many = sum(w.before + w.after for w in windows)
    size = max(_MOST_CELLS // (2 * many), 1)
    blocks = [(low, min(low + size, customers)) for low in range(0, customers, size)]
    added = _added_up(dataset, outcome, windows, len(blocks) > 1)
    for low, high in blocks:
        y, x = np.zeros((2, high - low, many))
        if added is not None:
            mine = added.filter((nw.col("who") >= low) & (nw.col("who") < high))
            found: pd.DataFrame = mine.collect(backend="pandas").to_native()
            cell = found["who"].to_numpy() - low, found["cx_column"].to_numpy()
            y[cell], x[cell] = found["y"].to_numpy(float), found["x"].to_numpy(float)
        if outcome.times is not None:
            x = _each(windows, lambda e, a=low, b=high: outcome.times.months(a, b, e))
        if outcome.rows is None and outcome.times is not None:
            y = _each(windows, lambda e, a=low, b=high: outcome.times.churns(a, b, e))
        yield slice(low, high), y, x


def total_sums(dataset: Dataset, outcome: Outcome, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Give the sums of all customers by period, none of whom comes into memory by rows.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    outcome : Outcome
        What is added up.
    window : Window
        The periods.

    Returns
    -------
    y, x : ndarray, shape (periods,)
    """
    y, x = np.zeros((2, window.before + window.after))
    if outcome.rows is not None:
        together = outcome.rows.with_columns(who=nw.lit(0))
        whole = replace(outcome, rows=together, times=None)
        ((_, ys, xs),) = block_sums(dataset, whole, [window], 1)
        y, x = ys[0], xs[0]
    if outcome.times is not None:
        churns, x = outcome.times.total(window.edges)
        y = churns if outcome.rows is None else y
    return y, x


def _each(windows: Sequence[Window], give: Any) -> np.ndarray:
    return np.hstack([give(w.edges) for w in windows])


def _added_up(
    dataset: Dataset, outcome: Outcome, windows: Sequence[Window], kept: bool
) -> Frame | None:
    """Have the engine add up each customer's rows by period."""
    if outcome.rows is None:
        return None
    rows = outcome.rows
    if "x" not in rows.collect_schema().names():
        rows = rows.with_columns(x=nw.lit(0.0))
    parts, offset = [], 0
    for w in windows:
        place = ((nw.col("at") - w.start) / w.days).floor().cast(nw.Int32) + w.before
        inside = rows.filter((nw.col("at") >= w.edges[0]) & (nw.col("at") < w.edges[-1]))
        inside = inside.with_columns(cx_column=place + offset)
        summed = inside.group_by("who", "cx_column").agg(nw.col("y").sum(), nw.col("x").sum())
        parts.append(summed.select("who", "cx_column", "y", "x"))
        offset += w.before + w.after
    frame = nw.concat(parts, how="vertical") if len(parts) > 1 else parts[0]
    if not kept:
        return frame
    told = repr((outcome.name, windows))
    name = f"periods_{hashlib.sha256(told.encode()).hexdigest()[:16]}"
    return dataset.keep(name, lambda: frame)
