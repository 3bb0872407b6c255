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

from cxlab.analyses.data_quality.looked import (
    ANSWER_DAYS,
    BENT,
    LOST,
    Looked,
    Section,
    collected,
)
from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.models.gaps import FALSE_ALARMS, STEP_FACTOR, Gap, Step, find_gaps, find_steps
from cxlab.results import Result, counted, listed

__all__ = ["Counts", "daily", "gaps", "steps"]

_EARLY = 0.001  # a share of rows: one mistyped year does not begin a feed
_ALL = "all"
_NEAR_DAYS = 14
_DRAWN = 4
_GAP_COLUMNS = ["what", "by", "name", "first day", "last day", "days", "rows seen",
                "rows expected", "remark"]  # fmt: skip
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


def daily(dataset: Dataset, days: pd.DataFrame) -> list[Counts]:
    """Count contacts, questions, answers, new customers and ends by day.

    Parameters
    ----------
    dataset : Dataset
        The data.
    days : DataFrame
        From ``tables.days``; of it, those of the customers.
    """
    found = [counts for counts in _families(dataset, days) if counts is not None]
    if "interactions" not in dataset.tables or not found:
        return found
    # Of those who came before the feed began, only those who stayed are known.
    begin = found[0].first
    return [counts if counts.first >= begin else counts.since(begin) for counts in found]


def _families(dataset: Dataset, days: pd.DataFrame) -> Iterator[Counts | None]:
    if "interactions" in dataset.tables:
        there = dataset.columns("interactions")
        marks = {}
        if "outcome" in there:
            outcome = nw.col("outcome")
            marks["failed"] = (how_many(outcome == "failed"), how_many(~outcome.is_null()))
        by = _there(there, "touchpoint", "channel")
        yield _count(dataset, "contacts", "interactions", "occurred_at", by, marks)
    if "feedback" in dataset.tables:
        there = dataset.columns("feedback")
        by = _there(there, "metric", "touchpoint")
        if {"asked_at", "responded_at"} <= set(there):
            marks = {"answered": (how_many(~nw.col("responded_at").is_null()), nw.len())}
            yield _count(dataset, "questions", "feedback", "asked_at", by, marks)
        for when in _there(there, "responded_at", "asked_at")[:1]:
            yield _count(dataset, "answers", "feedback", when, by, {})
    ends = "cancelled_at" if "cancelled_at" in dataset.columns("customers") else "ended_at"
    for what, when in (("new customers", "started_at"), ("customers' ends", ends)):
        rows = days[days["table"].eq("customers") & days["time"].eq(when)]
        yield _laid_out(dataset, what, rows, [])


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
    """Count rows by day and groups in the engine."""
    named = [nw.col(c).fill_null("(none)").alias(c) for c in by]
    sums = {f"{name} {i}": e for name, pair in marks.items() for i, e in enumerate(pair)}
    rows = collected(
        dataset.table(table)
        .filter(~nw.col(when).is_null())
        .with_columns(nw.col(when).dt.truncate("1d").alias("cx_day"), *named)
        .group_by("cx_day", *by)
        .agg(cx_rows=nw.len(), **sums)
        .sort("cx_day", *by)
    )
    return _laid_out(dataset, what, rows.rename(columns={"cx_day": "day", "cx_rows": "rows"}), by,
                     *marks)  # fmt: skip


def _laid_out(
    dataset: Dataset, what: str, rows: pd.DataFrame, by: list[str], *marks: str
) -> Counts | None:
    """Lay counts out as days by cells, from the day on which the rows begin to come."""
    place = np.array([d.toordinal() for d in pd.to_datetime(rows["day"])], dtype=int)
    last = dataset.as_of.toordinal()
    first = _begin(dataset, place, rows["rows"].to_numpy())
    if first is None or last - first < 1:
        return None
    inside = (place >= first) & (place <= last)
    rows, place = rows[inside], place[inside]
    groups, cell = pd.DataFrame(index=[0]), np.zeros(len(rows), dtype=int)
    if by:
        groups = rows[by].drop_duplicates().sort_values(by, ignore_index=True)
        cell = pd.MultiIndex.from_frame(groups).get_indexer(pd.MultiIndex.from_frame(rows[by]))

    def grid(column: str) -> np.ndarray:
        out = np.zeros((last - first + 1, len(groups)))
        np.add.at(out, (place - first, cell), rows[column].fillna(0).to_numpy(float))
        return out

    share = {name: (grid(f"{name} 0"), grid(f"{name} 1")) for name in marks}
    return Counts(what, dt.date.fromordinal(first), grid("rows"), groups, share)


def _begin(dataset: Dataset, place: np.ndarray, rows: np.ndarray) -> int | None:
    """Give the day on which the rows begin to come."""
    if not len(place):
        return None
    if dataset.settings.observed_from:
        return dataset.settings.observed_from.toordinal()
    order = np.argsort(place, kind="stable")
    early = np.cumsum(rows[order]) >= _EARLY * rows.sum()
    return int(place[order][early][0])


def gaps(families: list[Counts]) -> Section | None:
    """Find days on which far too few rows came.

    Parameters
    ----------
    families : list of Counts
        From :func:`daily`.
    """
    if not families:
        return None
    rows = [
        {
            "what": counts.what,
            "by": counts.series[gap.series][0],
            "name": counts.series[gap.series][1],
            "first day": counts.day(gap.first).isoformat(),
            "last day": counts.day(gap.last).isoformat(),
            "days": gap.last - gap.first + 1,
            "rows seen": round(gap.seen),
            "rows expected": round(gap.expected),
            "remark": "goes on" if gap.lasting else "like a holiday" if gap.holiday else "",
        }
        for counts in families
        for gap in counts.scanned[0]
    ]
    table = pd.DataFrame(rows, columns=_GAP_COLUMNS)
    missing = table["rows seen"] - table["rows expected"]
    table = table.loc[missing.sort_values(kind="stable").index]
    looked = [_gap_look(c, table[table["what"] == c.what].to_dict("records")) for c in families]
    text = " ".join(lo.text for lo in looked if not lo.passed)
    if not text:
        text = f"No gap was found in {listed(c.what for c in families)}."
    section = Section.of("gaps", table, text, looked)
    section.parts["weekly"] = _weekly(families, table)
    return section


def _gap_look(counts: Counts, found: list[dict[str, Any]]) -> Looked:
    """Word the gaps of one kind of rows; short ones like a quiet weekday are no fault."""
    slug = f"gaps.{counts.what.replace(' ', '-')}".replace("'", "")
    lost = sum(g["rows expected"] - g["rows seen"] for g in found)
    holidays = [_where(g) for g in found if g["remark"] == "like a holiday"]
    others = [_where(g) for g in found if g["remark"] != "like a holiday"]
    text = [f"Far too few {counts.what} came {listed(others, 3)}."] if others else []
    if holidays:
        text.append(
            f"{counted(len(holidays), 'short gap')} in {counts.what}, with no fewer rows than on "
            f"the quietest weekday, may be holidays: {listed(holidays, 3)}."
        )
    passed = False if others else None if holidays else True
    told = " ".join(text) or f"No gap was found in {counts.what}."
    total = int(counts.cells.sum()) + lost
    return Looked(slug, f"gaps in {counts.what}", passed, told, LOST, lost, total)


def _where(gap: dict[str, Any]) -> str:
    """Name the series and the days of a gap."""
    word = {"touchpoint": "at", "channel": "by channel", "metric": "for metric"}
    what = "" if gap["by"] == _ALL else f"{word[gap['by']]} {gap['name']} "
    when = f"from {gap['first day']} to {gap['last day']}"
    if gap["remark"] == "goes on":
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
            # Whole weeks alone, counted back from the last day.
            begin = len(counts.cells) % 7
            rows = counts.cells[begin:, members].sum(axis=1).reshape(-1, 7).sum(axis=1)
            tables.append(
                pd.DataFrame(
                    {
                        "what": counts.what,
                        "by": by,
                        "name": name,
                        "week from": [
                            counts.day(begin + 7 * i).isoformat() for i in range(len(rows))
                        ],
                        "rows": rows.astype(int),
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
    watched = [c for c in families if len(c.groups.columns)]
    if not watched:
        return None
    alarms = FALSE_ALARMS / sum(1 + len(c.share) for c in watched)
    rows: list[dict[str, Any]] = []
    for counts in watched:
        by = next((c for c in counts.groups if len(set(counts.groups[c])) > 1), _ALL)
        picked = [i for i, (b, _) in enumerate(counts.series) if b == by]
        members = counts.members[picked].T.astype(float)
        volume = counts.scanned[1] @ members
        found = [("rows a day", s, 1) for s in _volume_steps(volume, alarms)]
        for mark, (marked, known) in counts.share.items():
            # Who was asked lately may answer yet.
            stop = len(volume) - (ANSWER_DAYS if mark == "answered" else 0)
            among = (known @ members)[:stop]
            changed = find_steps((marked @ members)[:stop], among, share=True, false_alarms=alarms)
            found += [(f"% {mark}", s, 100) for s in changed]
        rows += [
            {
                "what": counts.what,
                "by": by,
                "name": counts.series[picked[step.series]][1],
                "measure": measure,
                "about": counts.day(step.day).isoformat(),
                "before": scale * step.before,
                "after": scale * step.after,
                "rows": int(volume[:, step.series].sum()),
                "of": int(counts.cells.sum()),
            }
            for measure, step, scale in found
        ]
    return _step_section(dataset, rows)


def _volume_steps(volume: np.ndarray, alarms: float) -> list[Step]:
    """Find steps in rows a day, beside the other groups' rows: what all do at once is a season."""
    found = []
    others = volume.sum(axis=1, keepdims=True) - volume
    for step in find_steps(volume, others, false_alarms=alarms):
        # The others may have changed instead; the windows are whole weeks.
        rows = volume[:, step.series]
        before = rows[step.day - step.days : step.day].mean()
        after = rows[step.day : step.day + step.days].mean()
        low, high = (before, after) if step.after > step.before else (after, before)
        if high >= STEP_FACTOR * low:
            found.append(replace(step, before=float(before), after=float(after)))
    return found


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
    passed = False if len(unknown) else None if known else True
    # A step in what is answered is one of the questions: the worst kind stands for all.
    count, total = unknown[["rows", "of"]].iloc[0].astype(int) if len(unknown) else (0, 0)
    look = Looked("steps", "sudden changes of level", passed, text, BENT, count, total)
    return Section.of("steps", table[columns], text, [look])


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
