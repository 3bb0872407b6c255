"""The feed day by day: days without rows, and changes of level from one day to the next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.data_quality.looked import BENT, LOST, Looked, Section, counted, listed
from cxlab.analyses.data_quality.tables import collected
from cxlab.data.dataset import Dataset
from cxlab.models.gaps import FALSE_ALARMS, Gap, by_weekday, find_gaps, find_steps
from cxlab.results import Result

__all__ = ["Counts", "daily", "gaps", "steps"]

_EARLY = 0.001  # a share of rows: one mistyped year does not begin a feed
_ALL = "all"
_NEAR_DAYS = 14
_ANSWER_DAYS = 14
_DRAWN = 4
_KINDS = 5  # contacts, questions, answers, new customers and ends share the false alarms


@dataclass(frozen=True)
class Counts:
    """Rows of one kind by day and by the finest groups they come in.

    Parameters
    ----------
    what : str
        Such as ``"contacts"``.
    first : datetime.date
        The first day.
    cells : ndarray, shape (days, cells)
        Rows.
    groups : DataFrame
        One row a cell, one column a way of grouping, such as ``touchpoint`` and ``channel``.
    share : dict of str to (ndarray, ndarray)
        Shares to watch by ``touchpoint`` or ``metric``: rows with a mark, and rows of which it
        is known, both of the shape of ``cells``.
    """

    what: str
    first: dt.date
    cells: np.ndarray
    groups: pd.DataFrame
    share: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def weekday(self) -> np.ndarray:
        """The weekday of each day, Monday 0."""
        return np.asarray((self.first.weekday() + np.arange(len(self.cells))) % 7)

    @cached_property
    def series(self) -> list[tuple[str, str]]:
        """The series: way of grouping and group; all rows together come first."""
        found = [(_ALL, _ALL)]
        for by in self.groups:
            kinds = sorted(self.groups[by].unique())
            found += [(by, kind) for kind in kinds] if len(kinds) > 1 else []
        return found

    @cached_property
    def members(self) -> np.ndarray:
        """Which cells make up each series, shape (series, cells)."""
        every = np.ones(len(self.groups), dtype=bool)
        return np.array(
            [every if by == _ALL else (self.groups[by] == kind) for by, kind in self.series]
        )

    @cached_property
    def scanned(self) -> tuple[list[Gap], np.ndarray]:
        """The gaps, and the cells with the gaps filled."""
        alarms = FALSE_ALARMS / _KINDS
        return find_gaps(self.cells, self.members, self.weekday, false_alarms=alarms)

    def since(self, day: dt.date) -> Counts:
        """Give the same from a later day on."""
        late = (day - self.first).days
        share = {name: (a[late:], b[late:]) for name, (a, b) in self.share.items()}
        return replace(self, first=day, cells=self.cells[late:], share=share)

    def day(self, place: int) -> dt.date:
        """Give the date of a day's place."""
        return self.first + dt.timedelta(days=place)


def daily(dataset: Dataset) -> list[Counts]:
    """Count contacts, questions, answers, new customers and ends by day.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    found = [counts for counts in _families(dataset) if counts is not None]
    if "interactions" not in dataset.tables or not found:
        return found
    # Of those who came before the feed began, only those who stayed are known.
    begin = found[0].first
    return [counts if counts.first >= begin else counts.since(begin) for counts in found]


def _families(dataset: Dataset) -> Iterator[Counts | None]:
    if "interactions" in dataset.tables:
        there = dataset.columns("interactions")
        marks = {}
        if "outcome" in there:
            outcome = nw.col("outcome")
            marks["failed"] = ((outcome == "failed").sum(), (~outcome.is_null()).sum())
        by = _there(there, "touchpoint", "channel")
        yield _count(dataset, "contacts", "interactions", "occurred_at", by, marks)
    if "feedback" in dataset.tables:
        there = dataset.columns("feedback")
        by = _there(there, "metric", "touchpoint")
        if {"asked_at", "responded_at"} <= set(there):
            marks = {"answered": ((~nw.col("responded_at").is_null()).sum(), nw.len())}
            yield _count(dataset, "questions", "feedback", "asked_at", by, marks)
        when = next((c for c in ("responded_at", "asked_at") if c in there), None)
        if when:
            yield _count(dataset, "answers", "feedback", when, by, {})
    yield _count(dataset, "new customers", "customers", "started_at", [], {})
    ends = "cancelled_at" if "cancelled_at" in dataset.columns("customers") else "ended_at"
    yield _count(dataset, "customers' ends", "customers", ends, [], {})


def _there(columns: tuple[str, ...], *wanted: str) -> list[str]:
    return [c for c in wanted if c in columns]


def _count(
    dataset: Dataset,
    what: str,
    table: str,
    when: str,
    by: list[str],
    marks: dict[str, tuple[nw.Expr, nw.Expr]],
) -> Counts | None:
    """Count rows by day and groups in the engine, and lay them out as days by cells."""
    frame = dataset.table(table)
    if when not in frame.collect_schema().names():
        return None
    named = [nw.col(c).fill_null("(none)").alias(c) for c in by]
    sums = {f"{name} {i}": e for name, pair in marks.items() for i, e in enumerate(pair)}
    rows = collected(
        frame.filter(~nw.col(when).is_null())
        .with_columns(nw.col(when).dt.truncate("1d").alias("cx_day"), *named)
        .group_by("cx_day", *by)
        .agg(cx_rows=nw.len(), **sums)
        .sort("cx_day", *by)
    )
    day = rows["cx_day"].astype("datetime64[s]").dt.date.to_numpy()
    last = dataset.as_of.toordinal()
    place = np.array([d.toordinal() for d in day], dtype=int)
    first = _begin(dataset, place, rows["cx_rows"].to_numpy())
    if first is None or last - first < 1:
        return None
    inside = (place >= first) & (place <= last)
    rows, place = rows[inside], place[inside]
    groups = rows[by].drop_duplicates().sort_values(by).reset_index(drop=True) if by else None
    if groups is None:
        groups, cell = pd.DataFrame(index=[0]), np.zeros(len(rows), dtype=int)
    else:
        cell = pd.MultiIndex.from_frame(groups).get_indexer(pd.MultiIndex.from_frame(rows[by]))

    def laid_out(values: pd.Series[Any]) -> np.ndarray:
        out = np.zeros((last - first + 1, len(groups)))
        np.add.at(out, (place - first, cell), values.fillna(0).to_numpy(float))
        return out

    share = {name: (laid_out(rows[f"{name} 0"]), laid_out(rows[f"{name} 1"])) for name in marks}
    return Counts(what, dt.date.fromordinal(first), laid_out(rows["cx_rows"]), groups, share)


def _begin(dataset: Dataset, place: np.ndarray, rows: np.ndarray) -> int | None:
    """Give the day on which the rows begin to come."""
    if not len(place):
        return None
    if dataset.settings.observed_from:
        return dataset.settings.observed_from.toordinal()
    order = np.argsort(place, kind="stable")
    early = np.cumsum(rows[order]) >= _EARLY * rows.sum()
    return int(place[order][early][0])


def gaps(dataset: Dataset, families: list[Counts]) -> Section | None:
    """Find days on which far too few rows came.

    Parameters
    ----------
    dataset : Dataset
        The data.
    families : list of Counts
        From :func:`daily`.
    """
    if not families:
        return None
    rows: list[dict[str, Any]] = []
    looked = []
    for counts in families:
        mine = [
            {
                "what": counts.what,
                "by": counts.series[gap.series][0],
                "name": counts.series[gap.series][1],
                "first day": counts.day(gap.first).isoformat(),
                "last day": counts.day(gap.last).isoformat(),
                "days": gap.last - gap.first + 1,
                "rows seen": round(gap.seen),
                "rows expected": round(gap.expected),
                "goes on": gap.lasting,
            }
            for gap in counts.scanned[0]
        ]
        looked.append(_gap_look(counts, mine))
        rows += mine
    columns = ["what", "by", "name", "first day", "last day", "days", "rows seen", "rows expected",
               "goes on"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    if len(table):
        missing = table["rows seen"] - table["rows expected"]
        table = table.loc[missing.sort_values(kind="stable").index]
        table["goes on"] = table["goes on"].map({True: "yes", False: ""})
    text = " ".join(lo.text for lo in looked if not lo.passed)
    if not text:
        text = f"No gap was found in {listed([c.what for c in families])}."
    section = Section.of("gaps", table, text, looked)
    section.parts["weekly"] = _weekly(families, table)
    return section


def _gap_look(counts: Counts, found: list[dict[str, Any]]) -> Looked:
    name = f"gaps in {counts.what}"
    slug = f"gaps.{counts.what.replace(' ', '-')}".replace("'", "")
    total = int(counts.cells.sum())
    if not found:
        return Looked(slug, name, True, f"No gap was found in {counts.what}.", LOST, 0, total)
    worst = sorted(found, key=lambda g: (g["rows seen"] - g["rows expected"], g["first day"]))
    lost = sum(g["rows expected"] - g["rows seen"] for g in found)
    each = [_where(g) for g in worst]
    text = f"Far too few {counts.what} came {listed(each, 3)}."
    return Looked(slug, name, False, text, LOST, lost, total + lost)


def _where(gap: dict[str, Any]) -> str:
    """Name the series and the days of a gap."""
    word = {"touchpoint": "at", "channel": "by channel", "metric": "for metric"}
    what = "" if gap["by"] == _ALL else f"{word[gap['by']]} {gap['name']} "
    when = f"from {gap['first day']} to {gap['last day']}"
    if gap["goes on"]:
        when = f"since {gap['first day']}"
    elif gap["days"] == 1:
        when = f"on {gap['first day']}"
    return f"{what}{when} ({gap['rows seen']:,} of about {gap['rows expected']:,} expected)"


def _weekly(families: list[Counts], found: pd.DataFrame) -> Result:
    """Give rows by week, for all rows of each kind and for what has the worst gaps."""
    worst = found[found["by"] != _ALL].drop_duplicates(["what", "by", "name"]).head(_DRAWN)
    tables = []
    for counts in families:
        mine = worst[worst["what"] == counts.what]
        wanted = {(_ALL, _ALL), *zip(mine["by"], mine["name"], strict=True)}
        for (by, name), members in zip(counts.series, counts.members, strict=True):
            if (by, name) not in wanted:
                continue
            # Weeks end with the last day, so that none is seen only in part but the first.
            rows = counts.cells[:, members].sum(axis=1)[len(counts.cells) % 7 :]
            starts = np.arange(len(counts.cells) % 7, len(counts.cells), 7)
            tables.append(
                pd.DataFrame(
                    {
                        "what": counts.what,
                        "by": by,
                        "name": name,
                        "week from": [counts.day(int(s)).isoformat() for s in starts],
                        "rows": rows.reshape(-1, 7).sum(axis=1).astype(int),
                    }
                )
            )
    columns = ["what", "by", "name", "week from", "rows"]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return Result("data_quality_weekly", table[columns])


def steps(dataset: Dataset, families: list[Counts]) -> Section | None:
    """Find days from which on a touchpoint's rows or its failed share are lastingly others.

    Parameters
    ----------
    dataset : Dataset
        The data.
    families : list of Counts
        From :func:`daily`.
    """
    watched = [(c, by) for c in families for by in _watched(c)]
    if not watched:
        return None
    alarms = FALSE_ALARMS / (len(watched) + sum(len(c.share) for c, _ in watched))
    rows: list[dict[str, Any]] = []
    for counts, by in watched:
        picked = [i for i, (b, _) in enumerate(counts.series) if b == by]
        names = [counts.series[i][1] for i in picked]
        members = counts.members[picked].T.astype(float)
        volume = counts.scanned[1] @ members
        exposure = np.column_stack([by_weekday(v, counts.weekday) for v in volume.T])
        every = [("rows a day", volume, exposure, False)]
        for mark, (marked, known) in counts.share.items():
            # Who was asked lately may answer yet.
            stop = len(volume) - (_ANSWER_DAYS if mark == "answered" else 0)
            every.append((f"share {mark}", (marked @ members)[:stop],
                          (known @ members)[:stop], True))  # fmt: skip
        for measure, rows_by_day, among, share in every:
            for step in find_steps(rows_by_day, among, share=share, false_alarms=alarms):
                scale = 100 if share else 1
                rows.append(
                    {
                        "what": counts.what,
                        "by": by,
                        "name": names[step.series],
                        "measure": measure.replace("share ", "% "),
                        "about": counts.day(step.day).isoformat(),
                        "before": scale * step.before,
                        "after": scale * step.after,
                        "rows": int(volume[:, step.series].sum()),
                        "of": int(counts.cells.sum()),
                    }
                )
    return _step_section(dataset, rows)


def _watched(counts: Counts) -> list[str]:
    """Name the way of grouping whose changes are told: the first that tells rows apart."""
    several = [by for by in counts.groups if len(set(counts.groups[by])) > 1]
    return several[:1] or ([_ALL] if len(counts.groups.columns) else [])


def _step_section(dataset: Dataset, rows: list[dict[str, Any]]) -> Section:
    columns = ["what", "by", "name", "measure", "about", "before", "after", "repair listed"]
    repairs = _repairs(dataset)
    for row in rows:
        row["repair listed"] = ""
        for touchpoint, day, name in repairs:
            near = abs((dt.date.fromisoformat(row["about"]) - day).days) <= _NEAR_DAYS
            if near and row["by"] == "touchpoint" and row["name"] == touchpoint:
                row["repair listed"] = name
    table = pd.DataFrame(rows, columns=[*columns, "rows", "of"])
    table = table.sort_values("rows", ascending=False, kind="stable")
    unknown = table[table["repair listed"] == ""]
    known = len(table) - len(unknown)
    text = "No touchpoint's level changed from one day to the next."
    if len(table):
        each = [_told(r) for r in unknown.to_dict("records")]
        text = f"{counted(len(table), 'sudden change')} of level."
        if each:
            text += f" No repair in the data explains {listed(each, 3)}: did the count, or what "
            text += "it means, change?"
        if known:
            text += f" {counted(known, 'change')} {'comes' if known == 1 else 'come'} with a "
            text += "repair listed in interventions."
    passed = None if known and unknown.empty else not len(unknown)
    # A step in what is answered is one of the questions: the worst kind stands for all.
    count, total = unknown[["rows", "of"]].iloc[0].astype(int) if len(unknown) else (0, 0)
    look = Looked("steps", "sudden changes of level", passed, text, BENT, count, total)
    table = table[columns]
    return Section.of("steps", table, text, [look])


def _told(row: dict[str, Any]) -> str:
    name = row["what"] if row["by"] == _ALL else f"{row['what']}, {row['by']} {row['name']}"
    unit = row["measure"].removeprefix("% ")
    if row["measure"].startswith("% "):
        span = f"{unit} {row['before']:.0f}% to {row['after']:.0f}%"
    else:
        span = f"{row['before']:.3g} to {row['after']:.3g} a day"
    return f"{name} (about {row['about']}: {span})"


def _repairs(dataset: Dataset) -> list[tuple[str, dt.date, str]]:
    if "interventions" not in dataset.tables:
        return []
    told = collected(
        dataset.table("interventions")
        .select("touchpoint", "started_at", "intervention")
        .sort("touchpoint", "started_at", "intervention")
    )
    days = told["started_at"].astype("datetime64[s]").dt.date
    return list(zip(told["touchpoint"], days, told["intervention"], strict=True))
