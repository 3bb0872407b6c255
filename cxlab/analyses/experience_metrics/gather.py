"""What is counted: each metric now, by period, and by what it can be cut by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames import at_risk, experience, surveys
from cxlab.frames.experience import Places
from cxlab.frames.measures import Level, Measure, Rows, moments, moments_by_people
from cxlab.frames.people import NOT_GIVEN, People, people
from cxlab.frames.periods import EPOCH, RiskSet, risk_set
from cxlab.frames.spans import Spans, spans_by_month, spans_by_week, windows
from cxlab.models.charts import LEAST_PERIODS
from cxlab.models.clustered import changes, ratios
from cxlab.models.withheld import small_groups

__all__ = ["About", "Known", "Options", "Source", "called", "counted", "each_measure", "hidden",
           "small", "withheld"]  # fmt: skip

# The feed starts on the day by which one in a thousand rows had come: one mistyped year is no feed.
_EARLY = 0.001
_MOST_PERIODS = 120
# What rows are cut by themselves: an attribute may have the same name.
_OF_CONTACTS = ("stage", "touchpoint", "channel", "month", "week")


@dataclass(frozen=True)
class Options:
    """What the caller chose; see :func:`cxlab.analyses.experience_metrics.run`."""

    window_days: int
    resolve_days: int
    repeat_days: int
    value_touchpoint: str
    min_group: int


@dataclass(frozen=True)
class About:
    """What a metric is, for those who only show it."""

    unit: str
    better: str
    rule: str
    bounds: tuple[float, float] = (0.0, np.inf)


@dataclass(frozen=True)
class Source:
    """Rows of one kind, and from when to when they can be counted.

    Parameters
    ----------
    make : callable
        Gives the rows, for spans that they may be cut into.
    first, last : float
        In days.
    """

    make: Callable[[Spans], Rows]
    first: float
    last: float


@dataclass
class Known:
    """The data, read once.

    Parameters
    ----------
    dataset : Dataset
        The data.
    options : Options
        What the caller chose.
    """

    dataset: Dataset
    options: Options
    left_out: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    abouts: dict[str, About] = field(default_factory=dict)
    totals: dict[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def person(self) -> People | None:
        """The customers; None where they have no ids."""
        return people(self.dataset)

    @cached_property
    def places(self) -> Places:
        """Names of touchpoints, channels and stages."""
        return experience.places(self.dataset)

    @property
    def end(self) -> float:
        """The first instant not seen, in days."""
        return (self.dataset.end - EPOCH) / dt.timedelta(days=1)

    @cached_property
    def risk(self) -> RiskSet | None:
        """The spells at risk; None where nobody left within the feed, or of a snapshot."""
        try:
            return risk_set(self.dataset)
        except AnalysisError as error:
            self.left_out["churn rate and retention"] = _reason(error, self.dataset)
            return None

    @cached_property
    def contacts(self) -> Rows | None:
        """All contacts."""
        if "interactions" not in self.dataset.tables or self.person is None:
            self.left_out["contacts"] = "the dataset has no table interactions"
            if self.person is None:
                self.left_out["contacts"] = "the customers have no customer_id"
            return None
        rows, missing = experience.contact_rows(self.dataset, self.places, self.person)
        for name, column in missing.items():
            self.left_out[name] = f"table interactions has no {column}"
        return rows

    @cached_property
    def sources(self) -> dict[str, Source]:
        """All rows there are."""
        found = {"answers": self._answers(), "questions": self._questions()}
        if self.contacts is not None:
            found |= self._contacts()
        if self.risk is not None and self.person is not None:
            found |= self._time()
        kept = {name: s for name, s in found.items() if s is not None and s.last > s.first}
        for source in kept.values():
            for m in source.make(_one(source)).measures:
                self.abouts[m.name] = About(m.unit, m.better, m.rule, m.bounds)
        return kept

    def _answers(self) -> Source | None:
        rows = surveys.answer_rows(self.dataset, self.places, self.person)
        if isinstance(rows, str):
            self.left_out["scores"] = rows
            return None
        if rows.anonymous:
            self.notes["answers without a customer"] = (
                f"{rows.anonymous:,} answers name no customer: each counts as another's, and none "
                "of them in a segment"
            )
        return Source(lambda _: rows, self._first(rows), self.end)

    def _questions(self) -> Source | None:
        rows = surveys.ask_rows(self.dataset, self.places, self.person)
        if isinstance(rows, str):
            if "scores" not in self.left_out:
                self.left_out["response rates"] = rows
            return None
        return Source(lambda _: rows, self._first(rows), self.end - surveys.ANSWER_DAYS)

    def _contacts(self) -> dict[str, Source | None]:
        all_of = self.contacts
        assert all_of is not None and self.person is not None
        first, options = self._first(all_of), self.options
        found: dict[str, Source | None] = {}
        if all_of.measures:
            found["contacts"] = Source(lambda _: all_of, first, self.end)
        given = (self.dataset, self.places, self.person)
        asked, text = experience.help_rows(*given, options.resolve_days)
        if asked is None:
            self.left_out["first-contact resolution"] = text
        else:
            self.notes["first-contact resolution"] = f"counted at {text}"
            until = self.end - options.resolve_days
            found["help"] = Source(lambda _: asked, first, until)
        bought, text = experience.purchase_rows(*given, options.repeat_days)
        if bought is None:
            self.left_out["repeat purchase"] = f"no contact has a {text}"
        else:
            found["purchases"] = Source(lambda _: bought, first, self.end - options.repeat_days)
        return found

    def _time(self) -> dict[str, Source | None]:
        risk, person = self.risk, self.person
        assert risk is not None and person is not None
        first = max(risk.begin, float(risk.frame.select(nw.col("started").min())
                                      .collect(backend="pyarrow").item()))  # fmt: skip
        first = self._first(self.contacts) if self.contacts is not None else first
        found: dict[str, Source | None] = {
            "time": Source(
                lambda spans: at_risk.time_rows(self.dataset, risk, spans, person),
                max(first, risk.begin), risk.end,
            )
        }  # fmt: skip
        contacts = self.contacts
        if contacts is not None:
            found["contact rate"] = Source(
                lambda spans: at_risk.contact_rate_rows(
                    self.dataset, contacts, risk, spans, person, self.places
                ),
                max(first, risk.begin),
                risk.end,
            )
        return found

    def _first(self, rows: Rows) -> float:
        """Give the first day of a feed."""
        declared = self.dataset.settings.observed_from
        if declared is not None:
            return float((declared - EPOCH.date()) / dt.timedelta(days=1))
        early = nw.col("at").quantile(_EARLY, interpolation="linear")
        value = rows.frame.select(early).collect(backend="pyarrow").item()
        return self.end if value is None else float(np.floor(value))

    @cached_property
    def spans(self) -> Spans:
        """Calendar months, or weeks where there are too few whole months."""
        first = min((s.first for s in self.sources.values()), default=self.end - 1)
        months = spans_by_month(first, self.end)
        if len(months) >= LEAST_PERIODS + 2:
            kept = min(len(months), _MOST_PERIODS)
            if kept < len(months):
                return spans_by_month(float(months.edges[-1 - kept]), self.end)
            return months
        return spans_by_week(first, self.end)

    @property
    def weekly(self) -> bool:
        """Whether periods are weeks."""
        return len(self.spans) > 0 and len(self.spans.names[0]) > len("2026-01")

    def window(self, source: Source) -> Spans:
        """Give the last days of a source, and as many before them."""
        return windows(source.last, self.options.window_days)

    def levels(self, rows: Rows) -> tuple[Level, ...]:
        """Give what rows can be cut by."""
        if self.person is None:
            return rows.levels
        own = (Level(called(a), c, personal=True) for a, c in self.person.attributes.items())
        return (*rows.levels, *own)


def called(attribute: str) -> str:
    """Name an attribute of customers apart from what contacts are cut by.

    Parameters
    ----------
    attribute : str
        Its name in the data.
    """
    return f"{attribute} (of the customer)" if attribute in _OF_CONTACTS else attribute


def _one(source: Source) -> Spans:
    return windows(source.last, 1)


def _reason(error: Exception, dataset: Dataset) -> str:
    return str(error).removeprefix(f"{dataset.path}: ")


def counted(known: Known) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Count every metric that is a ratio.

    Parameters
    ----------
    known : Known
        The data.

    Returns
    -------
    card, series, levels : pandas.DataFrame
        A row a metric (the last days, and the change from as many before); a row a metric and
        period; a row a metric and level in the last days, and how far it is from all.
    """
    cards, series, levels = [], [], []
    for name, source in known.sources.items():
        spans = known.window(source)
        rows = source.make(spans)
        sums = moments(known.dataset, rows, spans, compared=True)
        known.totals[name] = sums
        cards.append(_card(known, source, rows, sums, spans))
        series.append(_series(known, source))
        levels += _levels(known, rows, sums, spans)
    return _joined(cards), _joined(series), _joined(levels)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    kept = [t for t in tables if len(t)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def each_measure(sums: pd.DataFrame, rows: Rows) -> list[tuple[Measure, pd.DataFrame]]:
    """Part sums by measure.

    Parameters
    ----------
    sums : pandas.DataFrame
        Of :mod:`cxlab.frames.measures`.
    rows : Rows
        With the measures.
    """
    measures = {m.name: m for m in rows.measures}
    return [
        (measures[str(name)], part.reset_index(drop=True))
        for name, part in sums.groupby("measure", sort=False)
    ]


def _card(
    known: Known, source: Source, rows: Rows, sums: pd.DataFrame, spans: Spans
) -> pd.DataFrame:
    made = []
    for m, part in each_measure(sums, rows):
        now, before = ratios(part, m.bounds), ratios(part, m.bounds, other=True)
        change = changes(part, m.bounds)
        row: dict[str, Any] = {"metric": m.name, **now.iloc[0].to_dict()}
        row |= {"n": part["n"][0], "rows": part["rows"][0], "unit": m.unit}
        row["before"] = before["estimate"][0]
        row |= {"n_before": part["n0"][0], "rows_before": part["rows0"][0]}
        row |= {"change": change["estimate"][0], "change_low": change["conf_low"][0],
                "change_high": change["conf_high"][0], "p_value": change["p_value"][0],
                "until": float(spans.edges[-1]), "since": float(spans.edges[-2])}  # fmt: skip
        if not known.dataset.day or spans.edges[0] < source.first:
            # the days before are not all in the feed
            row |= dict.fromkeys(("before", "change", "change_low", "change_high", "p_value"))
        made.append(row)
    table = pd.DataFrame(made)
    few = table["n"] < known.options.min_group
    gone = ["estimate", "se", "conf_low", "conf_high", "n", "rows"]
    moved = ["before", "change", "change_low", "change_high", "p_value"]
    table[[*gone, *moved]] = table[[*gone, *moved]].astype(float)
    table.loc[few, gone] = np.nan
    table.loc[few | (table["n_before"] < known.options.min_group), moved] = np.nan
    return table


def _series(known: Known, source: Source) -> pd.DataFrame:
    spans = known.spans
    rows = source.make(spans)
    sums = moments(known.dataset, rows, spans)
    made = []
    for m, part in each_measure(sums, rows):
        place = part["span"].to_numpy(int)
        table = ratios(part, m.bounds)
        low, high = spans.edges[place], spans.edges[place + 1]
        table = table.assign(
            metric=m.name, period=np.array(spans.names)[place], n=part["n"], rows=part["rows"],
            unit=m.unit, whole=(low >= source.first) & (high <= source.last),
        )  # fmt: skip
        made.append(table[part["n"] > 0])
    return withheld(pd.concat(made), known, ["estimate", "se", "conf_low", "conf_high"])


def small(n: np.ndarray, key: np.ndarray, few: np.ndarray, least: int) -> np.ndarray:
    """Tell which groups to withhold besides the small: those that would tell them.

    All and the others told, what a small group is could be read as the difference: where those
    withheld have together fewer customers than are shown, the smallest of the others goes too.

    Parameters
    ----------
    n : ndarray, shape (rows,)
        Customers of each group.
    key : ndarray of int, shape (rows,)
        The same for rows that add up to a total.
    few : ndarray of bool, shape (rows,)
        Those withheld already.
    least : int
        Groups of fewer customers are withheld.

    Returns
    -------
    ndarray of bool, shape (rows,)
    """
    few = few.copy()
    for one in np.unique(key[few]):
        mine = np.flatnonzero(key == one)
        few[mine] = small_groups(n[mine], least, few[mine])
    return few


def withheld(
    table: pd.DataFrame, known: Known, columns: list[str], *, total: bool = False
) -> pd.DataFrame:
    """Blank figures of fewer customers than are shown, and how few they are.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``n``; levels also with ``metric, by, level``.
    known : Known
        The data.
    columns : list of str
        The figures.
    total : bool
        Whether what all rows of a metric and cut add up to is told as well.
    """
    table = table.reset_index(drop=True)
    few = ~(table["n"] >= known.options.min_group).to_numpy(bool)
    if total:
        few = hidden(table, known)
    gone = [*columns, "n", "rows"]
    table[gone] = table[gone].astype(float).mask(np.repeat(few[:, None], len(gone), axis=1))
    return table


def hidden(table: pd.DataFrame, known: Known) -> np.ndarray:
    """Tell which levels to withhold: of a stage's touchpoints, which add up to it, and of all.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``metric, by, level`` and ``n``.
    known : Known
        The data.
    """
    places, least = known.places, known.options.min_group
    n = table["n"].fillna(0).to_numpy(float)
    few = n < least
    cut = table.groupby(["metric", "by"], sort=False).ngroup().to_numpy(int)
    if places.stages:
        of = dict(zip(places.touchpoints, places.stage, strict=True))
        stage = table["level"].map(of).fillna(-1).where(table["by"] == "touchpoint", -2)
        within = cut * (len(places.stages) + 3) + stage.to_numpy(int) + 2
        few = small(n, within, few, least)
    return small(n, cut, few, least)


def _levels(known: Known, rows: Rows, total: pd.DataFrame, spans: Spans) -> list[pd.DataFrame]:
    given = (known.dataset, rows, spans)
    found = [
        moments(*given, lv, total=total).assign(by=lv.by, personal=False) for lv in rows.levels
    ]
    if known.person is not None and known.person.attributes:
        own = moments_by_people(*given, known.person, total)
        found += [sums.assign(by=called(name), personal=True) for name, sums in own.items()]
    if not found:
        return []
    each = each_measure(pd.concat(found, ignore_index=True), rows)
    kept = [t for m, part in each if len(t := _level(m, part))]
    gone = ["estimate", "conf_low", "conf_high", "gap", "gap_low", "gap_high", "p_value"]
    return [withheld(pd.concat(kept), known, gone, total=True)] if kept else []


def _level(m: Measure, part: pd.DataFrame) -> pd.DataFrame:
    # A part of a rate is no more or less than the whole, and has customers at every level.
    divided = m.whole & ~part["personal"].to_numpy(bool)
    some = np.where(divided, part["y"] > 0, part["n"] > 0)
    named = some & (part["level"] != NOT_GIVEN).to_numpy()
    # The only level is all there is.
    levels = pd.Series(named).groupby(part["by"]).transform("sum")
    gap = changes(part, m.bounds)
    gap[divided | (levels < 2).to_numpy()] = np.nan
    table = ratios(part, m.bounds).assign(
        metric=m.name,
        by=part["by"],
        level=part["level"],
        n=part["n"],
        rows=part["rows"],
        unit=m.unit,
        gap=gap["estimate"],
        gap_low=gap["conf_low"],
        gap_high=gap["conf_high"],
        p_value=gap["p_value"],
    )
    return table[some]
