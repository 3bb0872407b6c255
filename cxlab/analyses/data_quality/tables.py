"""The tables one by one: rows, days, empty cells, and values that tell nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.data_quality.looked import (
    BENT,
    LOST,
    UNTIDY,
    Looked,
    Section,
    collected,
    percent,
)
from cxlab.data.check import AFTER_END
from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.models.intervals import LEVEL, share_difference
from cxlab.results import counted, listed

__all__ = ["came_in", "cells", "days", "empty_cells", "names", "repeated", "set_aside", "unvarying"]

Frame = nw.LazyFrame[Any]

_TIMES = {
    "customers": ("started_at", "cancelled_at", "ended_at"),
    "interactions": ("occurred_at",),
    "feedback": ("asked_at", "responded_at"),
    "interventions": ("started_at",),
}
_FEEDS = ("customers", "interactions", "feedback")
_LATE_DAYS = 7
_MANY_ASIDE = 0.01
_MANY_EMPTY = 0.2
_MANY_UNKNOWN = 0.05
_MIDNIGHT = 0.5
_MIGRATED = 0.05
_OWN_VALUES = 0.5
_FEW_VALUES = 30
# Columns whose empty cells mean something, so that nothing is missing.
_MEANT = {
    "customers": ("ended_at", "cancelled_at", "renews_at", "renewal_days", "silent_since"),
    "interactions": ("response_seconds", "handle_seconds", "resolved_at", "due_at", "journey_id",
                     "value", "text"),
    "feedback": ("customer_id", "asked_at", "responded_at", "touchpoint", "interaction_id",
                 "comment", "response_id"),
    "touchpoints": (),
    "interventions": ("ended_at", "scope_column", "scope_value"),
}  # fmt: skip
# Columns whose values ought to differ; of customers, the attributes as well.
_TELLING = {
    "customers": ("tenure", "monthly_value"),
    "interactions": ("channel", "outcome"),
    "feedback": ("score",),
}
# What an example may show: never an identifier, a comment, or an attribute.
_KINDS_SHOWN = ("time", "number", "flag")
_TEXTS_SHOWN = ("outcome", "metric", "touchpoint")


def cells(dataset: Dataset) -> pd.DataFrame:
    """Count the cells of every column, in one pass over each table.

    Parameters
    ----------
    dataset : Dataset
        The data.

    Returns
    -------
    DataFrame
        One row a column: ``table, column, used`` (rows of the table), ``filled``, ``rows``
        (in which it ought to be filled), ``empty`` (of these), ``values`` (how many different
        ones, NaN where that says nothing) and, of a snapshot's customers, ``left`` and
        ``left_empty`` (who left, in all and where the cell is empty).
    """
    found = []
    for table in dataset.tables:
        frame, columns = dataset.table(table), dataset.columns(table)
        telling = set(_TELLING.get(table, ()))
        telling |= set(dataset.attributes) if table == "customers" else set()
        snapshot = table == "customers" and dataset.form == "snapshot"
        asked = {"used": nw.len()}
        if snapshot:
            asked["left"] = how_many(nw.col("churned") == 1)
        for c in columns:
            empty, among = nw.col(c).is_null(), _among(table, c, frame)
            asked[f"filled {c}"] = how_many(~empty)
            if among is not None:
                asked |= {f"rows {c}": how_many(among), f"empty {c}": how_many(empty & among)}
            if c in telling:
                asked[f"values {c}"] = nw.col(c).n_unique()
            if snapshot:
                asked[f"left_empty {c}"] = how_many(empty & (nw.col("churned") == 1))
        row = collected(frame.select(**asked)).fillna(0).iloc[0]
        for c in columns:
            used, filled = int(row["used"]), int(row[f"filled {c}"])
            # An empty cell counts as a value of its own.
            values = row[f"values {c}"] - (filled < used) if c in telling else np.nan
            found.append((table, c, used, filled, row.get(f"rows {c}", used),
                          row.get(f"empty {c}", used - filled), values, row.get("left", 0),
                          row.get(f"left_empty {c}", 0)))  # fmt: skip
    told = ["table", "column", "used", "filled", "rows", "empty", "values", "left", "left_empty"]
    whole = {c: "int64" for c in told[2:] if c != "values"}
    return pd.DataFrame(found, columns=told).astype(whole)


def _among(table: str, column: str, frame: Frame) -> nw.Expr | None:
    """Tell the rows in which a column ought to be filled; None for all."""
    there = frame.collect_schema().names()
    if (table, column) == ("customers", "end_reason"):
        ends = [~nw.col(c).is_null() for c in ("ended_at", "cancelled_at") if c in there]
        return nw.any_horizontal(*ends, ignore_nulls=False) if ends else None
    if (table, column) == ("feedback", "score") and "responded_at" in there:
        return ~nw.col("responded_at").is_null()
    return None


def days(dataset: Dataset, *only: str) -> pd.DataFrame:
    """Count the rows of the dated tables by day: ``table, time, day, rows``, days in order.

    Parameters
    ----------
    dataset : Dataset
        The data; of a snapshot, there are none.
    *only : str
        The tables to count (default: all).
    """
    parts = [
        dataset.table(table)
        .filter(~nw.col(time).is_null())
        .group_by(nw.col(time).dt.truncate("1d").alias("day"))
        .agg(rows=nw.len())
        .select(nw.lit(table).alias("table"), nw.lit(time).alias("time"), "day", "rows")
        for table in only or dataset.tables
        if dataset.form == "spells"
        for time in _TIMES.get(table, ())
        if time in dataset.table(table).collect_schema().names()
    ]
    if not parts:
        return pd.DataFrame(columns=["table", "time", "day", "rows"])
    found = collected(nw.concat(parts)).astype({"day": "datetime64[s]", "rows": "int64"})
    # With notice given, an end may lie ahead.
    found = found[found["day"] < pd.Timestamp(dataset.end)]
    return found.sort_values(["table", "time", "day"], ignore_index=True)


def came_in(dataset: Dataset, cells: pd.DataFrame, days: pd.DataFrame) -> Section:
    """Count each table's rows and tell the days they cover.

    Parameters
    ----------
    dataset : Dataset
        The data.
    cells, days : DataFrame
        From :func:`cells` and :func:`days`.
    """
    rows, looked = [], []
    used = cells.groupby("table")["used"].first()
    for table, typed in dataset.read.items():
        aside = sum(s.rows for s in dataset.set_aside if s.table == table)
        row: dict[str, Any] = {"table": table, "rows": typed.rows, "set aside": aside}
        row |= {"after the last day": typed.rows - aside - used[table], "used": used[table]}
        if dataset.form == "spells" and table in _TIMES:
            seen = days.loc[days["table"] == table, "day"].drop_duplicates().sort_values()
            span = [d.date().isoformat() for d in seen.iloc[[0, -1]]] if len(seen) else ["–", "–"]
            row |= dict(zip(("first day", "newest day"), span, strict=True))
            if table in _FEEDS:
                looked.append(_freshness(dataset, table, seen))
                row["days behind"] = looked[-1].count
        rows.append(row)
    data = pd.DataFrame(rows)
    if not data["after the last day"].any():
        data = data.drop(columns="after the last day")
    data = data.astype({c: "Int64" for c in ("days behind",) if c in data})
    text = f"{counted(len(data), 'table')} with {counted(int(data['used'].sum()), 'usable row')}"
    if dataset.day:
        text += f", seen as of {dataset.day}. "
        late = [lo.text for lo in looked if not lo.passed]
        text += " ".join(late) or "All of them reach the last day, or nearly."
    else:
        text += f". A snapshot has no dates; tenure is in {dataset.settings.tenure_unit}."
    return Section.of("came_in", data, text, looked)


def _freshness(dataset: Dataset, table: str, days: pd.Series[Any]) -> Looked:
    """Ask whether a table's newest row is older than its usual pauses let expect."""
    slug, name = f"freshness.{table}", f"freshness of {table}"
    if days.empty:
        return Looked(slug, name, False, f"{table} holds no row up to {dataset.day}.", LOST)
    newest = days.iloc[-1].date()
    behind = (dataset.as_of - newest).days
    pauses = days.diff().dt.days.dropna()
    longest = int(pauses.max()) if len(pauses) else 0
    late = behind > max(_LATE_DAYS, longest)
    text = f"The newest row of {table} is of {newest}, {counted(behind, 'day')} before the last day"
    text += f"; its longest pause before was {counted(longest, 'day')}." if late else "."
    return Looked(slug, name, not late, text, LOST, behind)


def set_aside(dataset: Dataset) -> Section:
    """List the rows set aside by table and rule, with an example that names nobody.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    rows = []
    for s in dataset.set_aside:
        share = s.rows / dataset.read[s.table].rows
        rows.append((s.table, s.rule, s.rows, 100 * share, _example(dataset, s.table, s.examples)))
    columns = ["table", "why", "rows", "% of table", "an example"]
    total = sum(s.rows for s in dataset.set_aside)
    of = sum(t.rows for t in dataset.read.values())
    table = pd.DataFrame(rows, columns=columns).sort_values("rows", ascending=False, kind="stable")
    if not table["an example"].any():
        table = table.drop(columns="an example")
    text = f"No row had to be set aside: all {counted(of, 'row')} can be true."
    passed: bool | None = True
    if rows:
        worst = table.iloc[0]
        text = (
            f"{counted(total, 'row')} of {of:,} ({percent(total / of)}) "
            f"{'was' if total == 1 else 'were'} set aside and tell nothing; most often because: "
            f"{worst['why']} ({worst['table']}, {worst['rows']:,})."
        )
        # An exit survey is no fault.
        wrong = table[table["why"] != AFTER_END].groupby("table")["% of table"].sum() / 100
        passed = None if (wrong <= _MANY_ASIDE).all() else False
    look = Looked("set_aside", "rows set aside", passed, text, LOST, total, of)
    return Section.of("set_aside", table, text, [look])


def _example(dataset: Dataset, table: str, examples: tuple[dict[str, str], ...]) -> str:
    columns = dataset.read[table].table.columns
    shown = {c.name for c in columns if c.kind in _KINDS_SHOWN or c.name in _TEXTS_SHOWN}
    first = {k: v for k, v in examples[0].items() if k in shown} if examples else {}
    return ", ".join(f"{k} {v}" for k, v in list(first.items())[:4])


def empty_cells(dataset: Dataset, cells: pd.DataFrame, min_group: int) -> Section:
    """Tell the empty cells of the columns that ought to be filled.

    Parameters
    ----------
    dataset : Dataset
        The data.
    cells : DataFrame
        From :func:`cells`.
    min_group : int
        Customers below which no share is told.
    """
    meant = [c in _MEANT[t] for t, c in zip(cells["table"], cells["column"], strict=True)]
    wanted = cells[~np.array(meant)]
    data = wanted[wanted["empty"] > 0].assign(share=lambda d: d["empty"] / d["rows"])
    data = data.sort_values(["share", "empty"], ascending=False, kind="stable")
    looked = [_emptiness(data, len(wanted)), *_unknown_outcomes(data)]
    shown = ["table", "column", "rows", "empty", "% empty"]
    data["% empty"] = 100 * data["share"]
    if dataset.form == "snapshot" and len(data):
        data, bent = _informative(data, min_group)
        looked += bent
        shown += ["% left where empty", "% left elsewhere"]
    return Section.of("empty_cells", data[shown], " ".join(lo.text for lo in looked), looked)


def _emptiness(data: pd.DataFrame, looked_at: int) -> Looked:
    if data.empty:
        text = f"No cell is empty in the {counted(looked_at, 'column')} that ought to be filled."
        return Looked("empty", "empty cells", True, text)
    top = data.iloc[0]
    every = [f"{r.column} ({percent(r.share)})" for r in data.itertuples()]
    verb = "has" if len(data) == 1 else "have"
    text = f"{counted(len(data), 'column')} of {looked_at} {verb} empty cells: {listed(every, 5)}."
    # Contacts without outcome are told of on their own.
    many = (data.loc[data["column"] != "outcome", "share"] >= _MANY_EMPTY).any()
    count, total = int(top["empty"]), int(top["rows"])
    return Looked("empty", "empty cells", False if many else None, text, UNTIDY, count, total)


def _unknown_outcomes(data: pd.DataFrame) -> list[Looked]:
    """Tell of contacts without an outcome: nobody knows whether they failed."""
    row = data[(data["table"] == "interactions") & (data["column"] == "outcome")]
    if row.empty:
        return []
    count, total = int(row["empty"].iloc[0]), int(row["rows"].iloc[0])
    text = (
        f"{percent(count / total)} of the contacts have no outcome, so that nobody can tell "
        "whether they failed."
    )
    few = None if count / total < _MANY_UNKNOWN else False
    return [Looked("outcome", "contacts without outcome", few, text, BENT, count, total)]


def _informative(data: pd.DataFrame, min_group: int) -> tuple[pd.DataFrame, list[Looked]]:
    """Compare who left among those whose cell is empty with those whose cell is filled."""
    enough = data[["empty", "filled"]].min(axis=1) >= min_group
    there = data["left"] - data["left_empty"]
    data["% left where empty"] = 100 * (data["left_empty"] / data["empty"]).where(enough)
    data["% left elsewhere"] = 100 * (there / data["filled"]).where(enough)
    # Intervals that hold for all columns together.
    level = 1 - (1 - LEVEL) / max(int(enough.sum()), 1)
    looked = []
    for row, left in zip(data[enough].itertuples(), there[enough], strict=True):
        _, low, high = share_difference(row.left_empty, row.empty, left, row.filled, level)
        if low <= 0 <= high:
            continue
        # Too few rows bend no answer, however odd they are.
        passed = None if row.share < _MANY_ASIDE else False
        text = (
            f"Customers without {row.column} left in {percent(row.left_empty / row.empty)} of "
            f"cases, the others in {percent(left / row.filled)}: an analysis of complete rows "
            "alone is not one of all customers."
        )
        looked.append(Looked(f"empty.{row.column}", f"who lacks {row.column}", passed, text, BENT,
                             row.empty, row.rows))  # fmt: skip
    return data, looked


def unvarying(dataset: Dataset, cells: pd.DataFrame) -> Section:
    """Find columns that tell nothing: one value in all rows, or one of its own in each.

    Parameters
    ----------
    dataset : Dataset
        The data.
    cells : DataFrame
        From :func:`cells`.
    """
    data = cells.loc[cells["values"].notna(), ["table", "column", "filled", "values"]]
    data = data.astype({"values": int})
    text, looked_at = f"Each of the {counted(len(data), 'column')} looked at varies.", len(data)
    texts = {c for c, kind in dataset.attributes.items() if kind == "text"}
    own = (data["table"] == "customers") & data["column"].isin(texts)
    own &= data["values"] > np.maximum(_OWN_VALUES * data["filled"], _FEW_VALUES)
    data["what"] = np.select(
        [data["filled"] == 0, (data["values"] <= 1) & (data["filled"] > 1), own],
        ["empty in all rows", "the same value in all rows", "nearly a value of its own in each"],
        "",
    )
    data = data[data["what"] != ""]
    passed: bool | None = True
    weight = UNTIDY
    if len(data):
        every = [f"{r.column} ({r.what})" for r in data.itertuples()]
        verb = "tells" if len(data) == 1 else "tell"
        text = f"{counted(len(data), 'column')} {verb} nothing: {listed(every, 5)}."
        blind = ((data["table"] == "interactions") & (data["column"] == "outcome")).any()
        passed, weight = (False, BENT) if blind else (None, UNTIDY)
    look = Looked("unvarying", "columns that tell nothing", passed, text, weight)
    return Section.of("unvarying", data, text, [look] if looked_at else [])


def repeated(dataset: Dataset, cells: pd.DataFrame, days: pd.DataFrame) -> Section:
    """Find rows told twice, times that are dates alone, and start days of a migration.

    Parameters
    ----------
    dataset : Dataset
        The data.
    cells, days : DataFrame
        From :func:`cells` and :func:`days`.
    """
    looked = []
    used = cells.groupby("table")["used"].first()
    if "interactions" in dataset.tables:
        looked += _contacts_twice(dataset, int(used["interactions"]))
    # Anonymous rows may be equal by chance.
    if "customer_id" in dataset.columns("feedback"):
        looked.append(_answers_twice(dataset, int(used["feedback"])))
    snapshot = dataset.form == "snapshot"
    if snapshot and "customer_id" not in dataset.columns("customers"):
        looked.append(_customers_twice(dataset, int(used["customers"])))
    looked.append(_tenures(dataset, int(used["customers"])) if snapshot else _starts(days))
    odd = [lo for lo in looked if not lo.passed]
    rows = [(lo.name, lo.count, lo.total, 100 * lo.share[0]) for lo in odd]
    text = " ".join(lo.text for lo in odd) or "No row is told twice, and no date looks made up."
    if snapshot and not odd:
        text = "No customer is told twice, or has a tenure of 0."
    table = pd.DataFrame(rows, columns=["what", "rows", "of", "%"])
    return Section.of("repeated", table, text, looked)


def _surplus(frame: Frame, columns: list[str]) -> int:
    """Count the rows beyond the first of each set of equal ones."""
    sets = frame.group_by(columns).agg(cx_n=nw.len()).filter(nw.col("cx_n") > 1)
    return _number(sets.select((nw.col("cx_n") - 1).sum()))


def _number(frame: Frame) -> int:
    """Fetch a single count; of no rows it is 0."""
    return int(frame.collect(backend="pyarrow").item() or 0)


def _contacts_twice(dataset: Dataset, total: int) -> list[Looked]:
    frame = dataset.table("interactions")
    same = ("customer_id", "occurred_at", "touchpoint", "channel", "outcome")
    extra = _surplus(frame, [c for c in same if c in dataset.columns("interactions")])
    at = nw.col("occurred_at")
    midnight = how_many(at == at.dt.truncate("1d"))
    plain = _number(frame.select(midnight))
    dates = plain > _MIDNIGHT * total
    text = "No contact is told twice."
    if extra:
        text = (
            f"{counted(extra, 'contact')} of {total:,} ({percent(extra / total)}) "
            f"{'repeats' if extra == 1 else 'repeat'} another: the same customer, touchpoint and "
            f"{'day' if dates else 'second'}."
        )
    # Where a day is all that is known, two contacts of a day are no surprise.
    bad = extra > _MANY_ASIDE * total and not dates
    passed = False if bad else None if extra else True
    looked = [Looked("repeated.contacts", "contacts told twice", passed, text, BENT, extra, total)]
    if dates:
        text = (
            f"{percent(plain / total)} of the contacts are dated at midnight: their times look "
            "like dates alone, and the order within a day is not known."
        )
        looked.append(Looked("repeated.dates", "contacts without a time of day", None, text,
                             UNTIDY, plain, total))  # fmt: skip
    return looked


def _answers_twice(dataset: Dataset, total: int) -> Looked:
    frame = dataset.table("feedback").filter(~nw.col("customer_id").is_null())
    same = ("customer_id", "asked_at", "responded_at", "metric", "score", "touchpoint",
            "interaction_id")  # fmt: skip
    extra = _surplus(frame, [c for c in same if c in dataset.columns("feedback")])
    text = "No answer is told twice."
    if extra:
        text = (
            f"{counted(extra, 'row')} of feedback of {total:,} ({percent(extra / total)}) "
            f"{'repeats' if extra == 1 else 'repeat'} another in everything."
        )
    passed = False if extra > _MANY_ASIDE * total else None if extra else True
    return Looked("repeated.feedback", "feedback told twice", passed, text, BENT, extra, total)


def _customers_twice(dataset: Dataset, total: int) -> Looked:
    frame = dataset.table("customers")
    extra = _surplus(frame, frame.collect_schema().names())
    text = "No two customers are alike in everything."
    if extra:
        text = (
            f"{counted(extra, 'customer')} of {total:,} ({percent(extra / total)}) "
            f"{'is' if extra == 1 else 'are'} like another in everything; without a customer_id "
            "nobody can tell whether they were told twice."
        )
    return Looked("repeated.customers", "customers alike in everything", None if extra else True,
                  text, UNTIDY, extra, total)  # fmt: skip


def _starts(days: pd.DataFrame) -> Looked:
    """Look for a day on which far more customers began than on any other: a migration."""
    began = days[days["time"].eq("started_at") & days["table"].eq("customers")]
    began = began.sort_values("rows", ascending=False, kind="stable")
    total, most, next_most = began["rows"].sum(), *[*began["rows"][:2], 0, 0][:2]
    odd = next_most > 0 and most > max(_MIGRATED * total, 10 * next_most)
    text = "No day stands out among those on which customers began."
    if odd:
        text = (
            f"{counted(most, 'customer')} of {total:,} ({percent(most / total)}) began on "
            f"{began['day'].iloc[0].date()}, the next day in size has {next_most:,}: was that a "
            "migration, and not their start?"
        )
    name = "customers who began on one day"
    return Looked("starts", name, not odd, text, BENT, int(most), int(total))


def _tenures(dataset: Dataset, total: int) -> Looked:
    """Count the customers of a snapshot with no tenure at all."""
    zero = _number(dataset.table("customers").select(how_many(nw.col("tenure") == 0)))
    unit = dataset.settings.tenure_unit
    text = "No customer has a tenure of 0."
    if zero:
        text = (
            f"{counted(zero, 'customer')} of {total:,} {'has' if zero == 1 else 'have'} a tenure "
            f"of 0 {unit}: just begun, or left before a first {unit.removesuffix('s')} was over."
        )
    return Looked("tenure_zero", "customers with tenure 0", None if zero else True, text,
                  UNTIDY, zero, total)  # fmt: skip


def names(dataset: Dataset) -> Section | None:
    """Hold the names of touchpoints against each other, table by table.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    if "interactions" not in dataset.tables:
        return None
    counts = _touchpoints(dataset)
    met = counts["interactions"]
    rows = [("spelt in two ways", "interactions", n, met[n]) for n in _alike(met)]
    if "touchpoints" in counts:
        told = counts["touchpoints"]
        rows += [("not in touchpoints", "interactions", n, c)
                 for n, c in met.items() if n not in told]  # fmt: skip
        rows += [("never met", "touchpoints", n, 0) for n in told if n not in met]
    for table in ("feedback", "interventions"):
        rows += [("not in interactions", table, n, c)
                 for n, c in counts.get(table, {}).items() if n not in met]  # fmt: skip
    data = pd.DataFrame(rows, columns=["what", "table", "touchpoint", "rows"])
    text = f"All {counted(len(met), 'touchpoint')} are named alike in all tables."
    looked = Looked("names", "names of touchpoints", True, text)
    if rows:
        parts = [
            f"{what} ({table}): {listed(part['touchpoint'], 5)}"
            for (what, table), part in data.groupby(["what", "table"], sort=False)
        ]
        text = f"Names of touchpoints do not match: {'; '.join(parts)}."
        touched = data[data["table"] == "interactions"].drop_duplicates("touchpoint")["rows"].sum()
        twice = bool(data["what"].eq("spelt in two ways").any())
        looked = Looked("names", looked.name, False if twice else None, text,
                        BENT if twice else UNTIDY, int(touched), sum(met.values()))  # fmt: skip
    return Section.of("names", data, looked.text, [looked])


def _touchpoints(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Count rows by touchpoint for each table that names touchpoints, in the order of names."""
    there = [t for t in dataset.tables if "touchpoint" in dataset.columns(t)]
    parts = [dataset.table(t).select(nw.lit(t).alias("table"), nw.col("touchpoint")) for t in there]
    rows = collected(
        nw.concat(parts)
        .filter(~nw.col("touchpoint").is_null())
        .group_by("table", "touchpoint")
        .agg(rows=nw.len())
        .sort("touchpoint")
    )
    found: dict[str, dict[str, int]] = {t: {} for t in there}
    for table, name, count in rows.itertuples(index=False):
        found[table][name] = int(count)
    return found


def _alike(counts: dict[str, int]) -> list[str]:
    """Name those that differ from another in case, blanks, hyphens or underscores alone."""
    by_letters: defaultdict[str, list[str]] = defaultdict(list)
    for name in counts:
        by_letters[re.sub(r"[\s_\-]+", "", name).casefold()].append(name)
    return sorted(n for group in by_letters.values() if len(group) > 1 for n in group)
