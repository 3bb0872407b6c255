"""The tables one by one: rows, days, empty cells, and values that tell nothing."""

from __future__ import annotations

import datetime as dt
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
    counted,
    listed,
    percent,
)
from cxlab.data.dataset import Dataset
from cxlab.models.intervals import share_difference

__all__ = [
    "came_in",
    "collected",
    "days_of",
    "empty_cells",
    "names",
    "period",
    "repeated",
    "set_aside",
    "unvarying",
]

Frame = nw.LazyFrame[Any]

TIMES = {
    "customers": ("started_at", "cancelled_at", "ended_at"),
    "interactions": ("occurred_at",),
    "feedback": ("asked_at", "responded_at"),
    "interventions": ("started_at",),
}
"""The times by which a table's rows are dated."""
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
# What an example may show: never an identifier, a comment, or an attribute.
_KINDS_SHOWN = ("time", "number", "flag")
_TEXTS_SHOWN = ("outcome", "metric", "touchpoint")


def collected(frame: Frame) -> pd.DataFrame:
    """Fetch a small frame from the engine.

    Parameters
    ----------
    frame : LazyFrame
        Counts, never whole tables.
    """
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    return data


def days_of(dataset: Dataset, table: str) -> pd.DataFrame:
    """Count a table's rows by day: ``day`` and ``rows``, in the order of days.

    Parameters
    ----------
    dataset : Dataset
        The data.
    table : str
        A table with times; each of a row's times counts.
    """
    frame = dataset.table(table)
    known = [t for t in TIMES[table] if t in frame.collect_schema().names()]
    parts = [
        frame.filter(~nw.col(t).is_null())
        .group_by(nw.col(t).dt.truncate("1d").alias("day"))
        .agg(rows=nw.len())
        for t in known
    ]
    both = collected(nw.concat(parts).group_by("day").agg(nw.col("rows").sum()))
    both = both.astype({"day": "datetime64[s]", "rows": "int64"}).sort_values("day")
    # With notice given, an end may lie ahead.
    return both[both["day"] < pd.Timestamp(dataset.end)].reset_index(drop=True)


def came_in(dataset: Dataset) -> Section:
    """Count each table's rows and tell the days they cover.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    rows, looked = [], []
    for table, typed in dataset.read.items():
        aside = sum(s.rows for s in dataset.set_aside if s.table == table)
        used = _length(dataset.table(table))
        row: dict[str, Any] = {"table": table, "rows": typed.rows, "set aside": aside}
        row |= {"after the last day": typed.rows - aside - used, "used": used}
        if dataset.form == "spells" and table in TIMES:
            days = days_of(dataset, table)
            first = days["day"].min().date().isoformat() if len(days) else "–"
            last = days["day"].max().date().isoformat() if len(days) else "–"
            row |= {"first day": first, "newest day": last}
            if table in _FEEDS:
                looked.append(_freshness(dataset, table, days["day"]))
                row["days behind"] = looked[-1].count
        rows.append(row)
    data = pd.DataFrame(rows)
    if not data["after the last day"].any():
        data = data.drop(columns="after the last day")
    data = data.astype({c: "Int64" for c in ("days behind",) if c in data})
    text = f"{counted(len(data), 'table')} with {counted(int(data['used'].sum()), 'usable row')}"
    late = [lo for lo in looked if not lo.passed]
    if dataset.day:
        text += f", seen as of {dataset.day}. "
        text += " ".join(lo.text for lo in late) or "All of them reach the last day, or nearly."
    else:
        text += f". A snapshot has no dates; tenure is in {dataset.settings.tenure_unit}."
    return Section.of("came_in", data, text, looked)


def _length(frame: Frame) -> int:
    return int(frame.select(nw.len()).collect(backend="pyarrow").item())


def _freshness(dataset: Dataset, table: str, days: pd.Series[Any]) -> Looked:
    """Ask whether a table's newest row is older than its usual pauses let expect."""
    name = f"freshness of {table}"
    if days.empty:
        text = f"{table} holds no row up to {dataset.day}."
        return Looked(f"freshness.{table}", name, False, text, LOST, 0, 0)
    newest = days.max().date()
    behind = (dataset.as_of - newest).days
    pauses = days.diff().dt.days.dropna()
    longest = int(pauses.max()) if len(pauses) else 0
    late = behind > max(_LATE_DAYS, longest)
    text = f"The newest row of {table} is of {newest}, {counted(behind, 'day')} before the last day"
    text += f"; its longest pause before was {counted(longest, 'day')}." if late else "."
    return Looked(f"freshness.{table}", name, not late, text, LOST, behind, 0)


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
    if not rows:
        text = f"No row had to be set aside: all {counted(of, 'row')} can be true."
        look = Looked("set_aside", "rows set aside", True, text, LOST, 0, of)
        return Section.of("set_aside", pd.DataFrame(columns=columns), text, [look])
    table = pd.DataFrame(rows, columns=columns).sort_values("rows", ascending=False, kind="stable")
    if not table["an example"].any():
        table = table.drop(columns="an example")
    worst = table.iloc[0]
    text = (
        f"{counted(total, 'row')} of {of:,} ({percent(total / of)}) "
        f"{'was' if total == 1 else 'were'} set aside and tell nothing; most often because: "
        f"{worst['why']} ({worst['table']}, {worst['rows']:,})."
    )
    by_table = table.groupby("table")["% of table"].sum() / 100
    few = bool((by_table <= _MANY_ASIDE).all())
    look = Looked("set_aside", "rows set aside", None if few else False, text, LOST, total, of)
    return Section.of("set_aside", table, text, [look])


def _example(dataset: Dataset, table: str, examples: tuple[dict[str, str], ...]) -> str:
    columns = dataset.read[table].table.columns
    shown = {c.name for c in columns if c.kind in _KINDS_SHOWN or c.name in _TEXTS_SHOWN}
    first = {k: v for k, v in examples[0].items() if k in shown} if examples else {}
    return ", ".join(f"{k} {v}" for k, v in list(first.items())[:4])


def empty_cells(dataset: Dataset, min_group: int) -> Section:
    """Count the empty cells of the columns that ought to be filled.

    Parameters
    ----------
    dataset : Dataset
        The data.
    min_group : int
        Customers below which no share is told.
    """
    found = []
    for table in dataset.tables:
        frame = dataset.table(table)
        among = _among(table, frame)
        columns = [c for c in dataset.columns(table) if c not in _MEANT[table]]
        counts = collected(
            frame.select(
                *[(nw.col(c).is_null() & among[c]).sum().alias(f"empty {c}") for c in columns],
                *[among[c].sum().alias(f"rows {c}") for c in columns],
            )
        ).fillna(0)
        for c in columns:
            found.append((table, c, int(counts[f"rows {c}"][0]), int(counts[f"empty {c}"][0])))
    data = pd.DataFrame(found, columns=["table", "column", "rows", "empty"])
    looked_at = len(data)
    data = data[data["empty"] > 0].assign(share=lambda d: d["empty"] / d["rows"])
    data = data.sort_values(["share", "empty"], ascending=False, kind="stable")
    looked = [_emptiness(data, looked_at), *_unknown_outcomes(data)]
    if dataset.form == "snapshot":
        data, bent = _informative(dataset, data, min_group)
        looked += bent
    data = data.rename(columns={"share": "% empty"}).assign(**{"% empty": 100 * data["share"]})
    return Section.of("empty_cells", data, " ".join(lo.text for lo in looked), looked)


def _among(table: str, frame: Frame) -> defaultdict[str, nw.Expr]:
    """Tell for each column the rows in which it ought to be filled."""
    there = frame.collect_schema().names()
    among: defaultdict[str, nw.Expr] = defaultdict(lambda: nw.lit(True))
    if table == "customers" and (ends := [c for c in ("ended_at", "cancelled_at") if c in there]):
        open_yet = nw.all_horizontal(*[nw.col(c).is_null() for c in ends], ignore_nulls=False)
        among["end_reason"] = ~open_yet
    if table == "feedback" and "responded_at" in there:
        among["score"] = ~nw.col("responded_at").is_null()
    # A sum needs a column, and a literal is none.
    key = nw.col(there[0])
    among.default_factory = lambda: key.is_null() | ~key.is_null()
    return among


def _emptiness(data: pd.DataFrame, looked_at: int) -> Looked:
    if data.empty:
        text = f"No cell is empty in the {counted(looked_at, 'column')} that ought to be filled."
        return Looked("empty", "empty cells", True, text)
    top = data.iloc[0]
    every = [f"{r.column} ({percent(r.share)})" for r in data.itertuples()]
    verb = "has" if len(data) == 1 else "have"
    text = f"{counted(len(data), 'column')} of {looked_at} {verb} empty cells: {listed(every)}."
    # Contacts without outcome are told of on their own.
    others = data.loc[data["column"] != "outcome", "share"]
    passed = None if not (others >= _MANY_EMPTY).any() else False
    count, total = int(top["empty"]), int(top["rows"])
    return Looked("empty", "empty cells", passed, text, UNTIDY, count, total)


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


def _informative(
    dataset: Dataset, data: pd.DataFrame, min_group: int
) -> tuple[pd.DataFrame, list[Looked]]:
    """Compare who left among those whose cell is empty with those whose cell is filled."""
    columns = list(data["column"])
    if not columns:
        return data, []
    left = nw.col("churned") == 1
    sums = collected(
        dataset.table("customers").select(
            left.sum().alias("left"),
            *[(nw.col(c).is_null() & left).sum().alias(f"empty {c}") for c in columns],
        )
    )
    shares, bent = [], []
    for row in data.itertuples():
        gone, every = int(sums[f"empty {row.column}"][0]), int(sums["left"][0])
        filled = row.rows - row.empty
        if min(row.empty, filled) < min_group:
            shares.append((np.nan, np.nan))
            continue
        shares.append((100 * gone / row.empty, 100 * (every - gone) / filled))
        _, low, high = share_difference(gone, row.empty, every - gone, filled)
        if low > 0 or high < 0:
            bent.append((row, gone / row.empty, (every - gone) / filled))
    data = data.assign(
        **{"% left where empty": [s[0] for s in shares], "% left elsewhere": [s[1] for s in shares]}
    )
    looked = [
        Looked(
            f"empty.{row.column}",
            f"who lacks {row.column}",
            # Too few rows bend no answer, however odd they are.
            None if row.share < _MANY_ASIDE else False,
            f"Customers without {row.column} left in {percent(one)} of cases, the others in "
            f"{percent(other)}: an analysis of complete rows alone is not one of all customers.",
            BENT,
            row.empty,
            row.rows,
        )
        for row, one, other in bent
    ]
    return data, looked


def unvarying(dataset: Dataset) -> Section:
    """Find columns that tell nothing: one value in all rows, or one of its own in each.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    rows = []
    for table in ("customers", "interactions", "feedback"):
        if table not in dataset.tables:
            continue
        columns = _telling(dataset, table)
        if not columns:
            continue
        frame = dataset.table(table)
        empty = [nw.col(c).is_null().sum().alias(f"empty {c}") for c in columns]
        kinds = [nw.col(c).n_unique().alias(f"kinds {c}") for c in columns]
        counts = collected(frame.select(nw.len().alias("rows"), *empty, *kinds)).iloc[0]
        for c in columns:
            missing = int(counts[f"empty {c}"])
            # An empty cell counts as a kind of its own.
            rows.append((table, c, int(counts["rows"]) - missing,
                         int(counts[f"kinds {c}"]) - (missing > 0)))  # fmt: skip
    data = pd.DataFrame(rows, columns=["table", "column", "filled", "values"])
    looked_at = len(data)
    texts = {c for c, kind in dataset.attributes.items() if kind == "text"}
    own = data["column"].isin(texts) & (data["values"] > _OWN_VALUES * data["filled"])
    own &= data["values"] > _FEW_VALUES
    data["what"] = np.select(
        [data["filled"] == 0, (data["values"] <= 1) & (data["filled"] > 1), own],
        ["empty in all rows", "the same value in all rows", "nearly a value of its own in each"],
        "",
    )
    data = data[data["what"] != ""]
    look = Looked("unvarying", "columns that tell nothing", True,
                  f"Each of the {counted(looked_at, 'column')} looked at varies.")  # fmt: skip
    if len(data):
        every = [f"{r.column} ({r.what})" for r in data.itertuples()]
        one = len(data) == 1
        text = f"{counted(len(data), 'column')} {'tells' if one else 'tell'} nothing: "
        text += f"{listed(every)}."
        blind = bool((data["column"] == "outcome").any())
        weight = BENT if blind else UNTIDY
        look = Looked("unvarying", look.name, False if blind else None, text, weight)
    return Section.of("unvarying", data, look.text, [look] if looked_at else [])


def _telling(dataset: Dataset, table: str) -> list[str]:
    """Name the columns whose values ought to differ."""
    if table == "interactions":
        wanted: tuple[str, ...] = ("channel", "outcome")
    elif table == "feedback":
        wanted = ("score",)
    else:
        wanted = ("monthly_value", *dataset.attributes)
        if dataset.form == "snapshot":
            wanted = ("tenure", *wanted)
    return [c for c in wanted if c in dataset.columns(table)]


def repeated(dataset: Dataset) -> Section | None:
    """Find rows told twice, times that are dates alone, and start days of a migration.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    looked = []
    if "interactions" in dataset.tables:
        looked += _contacts_twice(dataset)
    if "feedback" in dataset.tables:
        looked.append(_answers_twice(dataset))
    if dataset.form == "snapshot" and "customer_id" not in dataset.columns("customers"):
        looked.append(_customers_twice(dataset))
    looked += _tenures(dataset) if dataset.form == "snapshot" else _starts(dataset)
    if not looked:
        return None
    rows = [(lo.name, lo.count, lo.total, 100 * lo.share[0]) for lo in looked if not lo.passed]
    table = pd.DataFrame(rows, columns=["what", "rows", "of", "%"])
    odd = [lo.text for lo in looked if not lo.passed]
    text = " ".join(odd) or "No row is told twice, and no date looks made up."
    if dataset.form == "snapshot" and not odd:
        text = "No customer is told twice, or has a tenure of 0."
    return Section.of("repeated", table, text, looked)


def _surplus(frame: Frame, columns: list[str]) -> int:
    """Count the rows beyond the first of each set of equal ones."""
    sets = frame.group_by(columns).agg(cx_n=nw.len()).filter(nw.col("cx_n") > 1)
    extra = sets.select((nw.col("cx_n") - 1).sum()).collect(backend="pyarrow").item()
    return int(extra or 0)


def _contacts_twice(dataset: Dataset) -> list[Looked]:
    frame = dataset.table("interactions")
    columns = [c for c in ("channel", "outcome") if c in dataset.columns("interactions")]
    extra = _surplus(frame, ["customer_id", "occurred_at", "touchpoint", *columns])
    at = nw.col("occurred_at")
    counts = collected(frame.select(nw.len().alias("rows"),
                                    (at == at.dt.truncate("1d")).sum().alias("plain")))  # fmt: skip
    total, plain = int(counts["rows"][0]), int(counts["plain"][0] or 0)
    dates = total > 0 and plain / total > _MIDNIGHT
    text = "No contact is told twice."
    if extra:
        text = (
            f"{counted(extra, 'contact')} of {total:,} ({percent(extra / total)}) "
            f"{'repeats' if extra == 1 else 'repeat'} another: the same customer, touchpoint and "
            f"{'day' if dates else 'second'}."
        )
    # Where a day is all that is known, two contacts of a day are no surprise.
    bad = extra > _MANY_ASIDE * total and not dates
    passed = True if not extra else (False if bad else None)
    looked = [Looked("repeated.contacts", "contacts told twice", passed, text, BENT, extra, total)]
    if dates:
        text = (
            f"{percent(plain / total)} of the contacts are dated at midnight: their times look "
            "like dates alone, and the order within a day is not known."
        )
        looked.append(Looked("repeated.dates", "contacts without a time of day", None, text,
                             UNTIDY, plain, total))  # fmt: skip
    return looked


def _answers_twice(dataset: Dataset) -> Looked:
    frame, there = dataset.table("feedback"), dataset.columns("feedback")
    same = ("customer_id", "asked_at", "responded_at", "metric", "score", "touchpoint",
            "interaction_id")  # fmt: skip
    if "customer_id" in there:
        frame = frame.filter(~nw.col("customer_id").is_null())
    total = _length(frame)
    # Anonymous rows may be equal by chance.
    extra = _surplus(frame, [c for c in same if c in there]) if "customer_id" in there else 0
    text = "No answer is told twice."
    if extra:
        text = (
            f"{counted(extra, 'row')} of feedback of {total:,} ({percent(extra / total)}) "
            f"{'repeats' if extra == 1 else 'repeat'} another in everything."
        )
    passed = True if not extra else (None if extra <= _MANY_ASIDE * total else False)
    return Looked("repeated.feedback", "feedback told twice", passed, text, BENT, extra, total)


def _customers_twice(dataset: Dataset) -> Looked:
    frame = dataset.table("customers")
    total, extra = _length(frame), _surplus(frame, frame.collect_schema().names())
    text = "No two customers are alike in everything."
    if extra:
        text = (
            f"{counted(extra, 'customer')} of {total:,} ({percent(extra / total)}) "
            f"{'is' if extra == 1 else 'are'} like another in everything; without a customer_id "
            "nobody can tell whether they were told twice."
        )
    return Looked("repeated.customers", "customers alike in everything", None if extra else True,
                  text, UNTIDY, extra, total)  # fmt: skip


def _starts(dataset: Dataset) -> list[Looked]:
    """Look for a day on which far more customers began than on any other: a migration."""
    days = collected(
        dataset.table("customers")
        .group_by(nw.col("started_at").dt.truncate("1d").alias("day"))
        .agg(rows=nw.len())
    ).sort_values(["rows", "day"], ascending=[False, True])
    total, top = int(days["rows"].sum()), days.iloc[0]
    next_most = int(days["rows"].iloc[1]) if len(days) > 1 else 0
    odd = len(days) > 1 and top["rows"] > max(_MIGRATED * total, 10 * next_most)
    text = "No day stands out among those on which customers began."
    if odd:
        text = (
            f"{counted(int(top['rows']), 'customer')} of {total:,} "
            f"({percent(top['rows'] / total)}) began on {pd.Timestamp(top['day']).date()}, the "
            f"next day in size has {next_most:,}: was that a migration, and not their start?"
        )
    name = "customers who began on one day"
    return [Looked("starts", name, not odd, text, BENT, int(top["rows"]), total)]


def _tenures(dataset: Dataset) -> list[Looked]:
    """Count the customers of a snapshot with no tenure at all."""
    tenure = nw.col("tenure") == 0
    counts = collected(
        dataset.table("customers").select(nw.len().alias("rows"), tenure.sum().alias("zero"))
    )
    total, zero = int(counts["rows"][0]), int(counts["zero"][0] or 0)
    text = "No customer has a tenure of 0."
    if zero:
        text = (
            f"{counted(zero, 'customer')} of {total:,} {'has' if zero == 1 else 'have'} a tenure "
            f"of 0 {dataset.settings.tenure_unit}: just begun, or left before a first "
            f"{dataset.settings.tenure_unit.removesuffix('s')} was over."
        )
    return [Looked("tenure_zero", "customers with tenure 0", None if zero else True, text,
                   UNTIDY, zero, total)]  # fmt: skip


def names(dataset: Dataset) -> Section | None:
    """Hold the names of touchpoints against each other, table by table.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    if "interactions" not in dataset.tables:
        return None
    met = _counts(dataset, "interactions")
    rows = [("spelt in two ways", "interactions", n, met[n]) for n in _alike(met)]
    told = set(met)
    if "touchpoints" in dataset.tables:
        told = set(_counts(dataset, "touchpoints"))
        rows += [("not in touchpoints", "interactions", n, c)
                 for n, c in met.items() if n not in told]  # fmt: skip
        rows += [("never met", "touchpoints", n, 0) for n in sorted(told - set(met))]
    for table in ("feedback", "interventions"):
        if "touchpoint" in dataset.columns(table):
            rows += [("not in interactions", table, n, c)
                     for n, c in _counts(dataset, table).items() if n not in met]  # fmt: skip
    data = pd.DataFrame(rows, columns=["what", "table", "touchpoint", "rows"])
    total = sum(met.values())
    alike = f"All {counted(len(met), 'touchpoint')} are named alike in all tables."
    looked = Looked("names", "names of touchpoints", True, alike)
    if rows:
        parts = [
            f"{what} ({table}): {listed(list(part['touchpoint']))}"
            for (what, table), part in data.groupby(["what", "table"], sort=False)
        ]
        twice = data[data["what"] == "spelt in two ways"]
        text = f"Names of touchpoints do not match: {'; '.join(parts)}."
        touched = data.loc[data["what"].isin(["spelt in two ways", "not in touchpoints"])]
        weight = BENT if len(twice) else UNTIDY
        passed = False if len(twice) else None
        count = int(touched.drop_duplicates("touchpoint")["rows"].sum())
        looked = Looked("names", looked.name, passed, text, weight, count, total)
    return Section.of("names", data, looked.text, [looked])


def _counts(dataset: Dataset, table: str) -> dict[str, int]:
    frame = dataset.table(table).filter(~nw.col("touchpoint").is_null())
    counts = collected(frame.group_by("touchpoint").agg(rows=nw.len()).sort("touchpoint"))
    return dict(zip(counts["touchpoint"], counts["rows"].astype(int), strict=True))


def _alike(counts: dict[str, int]) -> list[str]:
    """Name those that differ from another in case, blanks, hyphens or underscores alone."""
    by_letters: defaultdict[str, list[str]] = defaultdict(list)
    for name in counts:
        by_letters[re.sub(r"[\s_\-]+", "", name).casefold()].append(name)
    return sorted(n for group in by_letters.values() if len(group) > 1 for n in group)


def period(dataset: Dataset) -> list[str] | None:
    """Give the first and the last day told of, None for a snapshot.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    if dataset.form == "snapshot":
        return None
    if dataset.settings.observed_from:
        first: dt.date = dataset.settings.observed_from
    else:
        table = "interactions" if "interactions" in dataset.tables else "customers"
        days = days_of(dataset, table)
        # The day by which one in a thousand rows had come: one mistyped year is no beginning.
        early = days["rows"].cumsum() >= 0.001 * days["rows"].sum()
        if days.empty:
            return None
        first = days.loc[early, "day"].iloc[0].date()
    return [first.isoformat(), dataset.as_of.isoformat()]
