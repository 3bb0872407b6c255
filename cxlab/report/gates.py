"""What must hold for a run to be published: a gate that cannot be judged has not held."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, field_validator

from cxlab.report.parameters import STRICT
from cxlab.results import counted, listed

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset

__all__ = ["Gates", "judge", "same_data", "unmet"]

# The time by which a table is told to be fresh.
_TIMES = {
    "customers": ("started_at",),
    "interactions": ("occurred_at",),
    "feedback": ("responded_at", "asked_at"),
}


class Gates(BaseModel):
    """Bars that a report's data and answers are held to."""

    model_config = STRICT

    min_customers: int | None = Field(default=None, ge=1)
    min_churners: int | None = Field(default=None, ge=1)
    max_age_days: dict[str, float] | None = None
    max_set_aside: float | None = Field(default=None, ge=0, le=1)
    min_rows: float | None = Field(default=None, gt=0, le=1)
    same_columns: bool = False
    checks: list[str] = []

    @field_validator("max_age_days", mode="after")
    @classmethod
    def _of_tables(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for table, days in (value or {}).items():
            if table not in _TIMES:
                raise ValueError(f"{table!r} is no table with times; allowed: {', '.join(_TIMES)}")
            if not days >= 0:
                raise ValueError(f"{table}: {days} days; allowed: 0 and more")
        return value


def judge(
    gates: Gates,
    dataset: Dataset,
    results: Mapping[str, Mapping[str, Any]],
    latest: Path,
) -> list[dict[str, Any]]:
    """Hold a run to its gates.

    Parameters
    ----------
    gates : Gates
        The bars.
    dataset : Dataset
        The data.
    results : mapping
        What the notebooks showed, as JSON: their checks are looked up.
    latest : pathlib.Path
        The last good run, which may not be there.

    Returns
    -------
    list of dict
        ``name, passed, text``, of the gates that were asked for.
    """
    told = [
        *_people(gates, dataset),
        *_ages(gates, dataset),
        *_aside(gates, dataset),
        *_like_the_last(gates, dataset, latest),
        *_checked(gates, results),
    ]
    return [{"name": name, "passed": passed, "text": text} for name, passed, text in told]


def same_data(replaced: Sequence[str]) -> list[dict[str, Any]]:
    """Refuse a run whose data were replaced while it was made: its pages may not agree.

    Parameters
    ----------
    replaced : sequence of str
        The tables.

    Returns
    -------
    list of dict
        Empty where none was.
    """
    if not replaced:
        return []
    was = "was" if len(replaced) == 1 else "were"
    text = f"table {listed(replaced)} {was} replaced while the run was made"
    return [{"name": "same_data", "passed": False, "text": text}]


def unmet(found: Iterable[Mapping[str, Any]]) -> str:
    """Say which gates did not hold; empty where all did.

    Parameters
    ----------
    found : iterable of mapping
        Of :func:`judge`.
    """
    return "; ".join(g["text"] for g in found if not g["passed"])


_Told = Iterator[tuple[str, bool, str]]


def _people(gates: Gates, dataset: Dataset) -> _Told:
    if gates.min_customers is None and gates.min_churners is None:
        return
    there, left = _counts(dataset)
    for name, bar, value, what in (
        ("min_customers", gates.min_customers, there, "customer"),
        ("min_churners", gates.min_churners, left, "customer"),
    ):
        if bar is not None:
            did = "are there" if name == "min_customers" else "left of their own will"
            yield name, value >= bar, f"{counted(value, what)} {did}; wanted: {bar:,}"


def _counts(dataset: Dataset) -> tuple[int, int]:
    """Count those who are, or were, customers, and the ends of their own will."""
    if dataset.form == "snapshot":
        frame = dataset.table("customers").select("churned").collect(backend="pandas").to_native()
        return len(frame), int(frame["churned"].sum())
    from cxlab.errors import AnalysisError
    from cxlab.frames.periods import risk_set

    try:
        spells = risk_set(dataset).spells
    except AnalysisError:
        return 0, 0
    return int(spells["customer_id"].nunique()), int(spells["event"].sum())


def _ages(gates: Gates, dataset: Dataset) -> _Told:
    for table, bar in (gates.max_age_days or {}).items():
        name = f"max_age_days.{table}"
        newest = _newest(dataset, table)
        if dataset.form == "snapshot" or newest is None:
            yield name, False, f"how old table {table} is cannot be told; wanted: {bar:g} days"
            continue
        age = (dataset.as_of - newest).days
        days = counted(age, "day")
        yield name, age <= bar, f"table {table} ends {days} before {dataset.day}; wanted: {bar:g}"


def _newest(dataset: Dataset, table: str) -> dt.date | None:
    import narwhals as nw

    there = [c for c in _TIMES[table] if c in dataset.columns(table)]
    if not there:
        return None
    newest = dataset.table(table).select(nw.col(*there).max()).collect(backend="pandas")
    days = [v.date() for v in newest.row(0) if v is not None]
    return max(days) if days else None


def _aside(gates: Gates, dataset: Dataset) -> _Told:
    if (bar := gates.max_set_aside) is None:
        return
    for name, typed in dataset.read.items():
        rows = sum(s.rows for s in dataset.set_aside if s.table == name)
        share = rows / typed.rows if typed.rows else 1.0
        text = f"{share:.1%} of the rows of table {name} cannot be; wanted: at most {bar:.1%}"
        yield f"max_set_aside.{name}", share <= bar, text


def _like_the_last(gates: Gates, dataset: Dataset, latest: Path) -> _Told:
    """Compare with the last good run; the first one has none to be compared with."""
    if gates.min_rows is None and not gates.same_columns:
        return
    if not latest.exists():
        return
    try:
        had = json.loads((latest / "manifest.json").read_text(encoding="utf-8"))["dataset"]
        rows, columns = had["rows"], had["columns"]
    except (OSError, ValueError, KeyError, TypeError):
        yield "last run", False, "what the last good run had read cannot be told"
        return
    for name, count in rows.items():
        now = dataset.read[name].rows if name in dataset.read else 0
        if (bar := gates.min_rows) is not None:
            text = f"table {name} has {now:,} rows, where the last good run had {count:,}"
            yield f"min_rows.{name}", now >= bar * count, f"{text}; wanted: {bar:.0%} of it"
        if gates.same_columns:
            gone = sorted({*columns[name]} ^ {*dataset.columns(name)})
            text = f"table {name} has columns that came or went: {listed(gone)}"
            same = f"table {name} has the columns of the last good run"
            yield f"same_columns.{name}", not gone, text if gone else same


def _checked(gates: Gates, results: Mapping[str, Mapping[str, Any]]) -> _Told:
    every = [c for r in results.values() for c in r.get("checks", [])]
    for name in gates.checks:
        mine = [c for c in every if c["name"] == name]
        failed = [c["text"] for c in mine if c["passed"] is False]
        if not mine:
            yield f"checks.{name}", False, f"no page made the check {name!r}"
        elif failed:
            yield f"checks.{name}", False, f"the check {name!r} failed: {failed[0]}"
        else:
            yield f"checks.{name}", True, f"the check {name!r} passed"
