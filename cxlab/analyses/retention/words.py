"""What retention comes to, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention.rates import MONTH_DAYS, rates_differ, two_rates
from cxlab.analyses.retention.seen import Scale
from cxlab.analyses.retention.segments import Segment
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Finding, Findings, Result

__all__ = ["amount", "ends", "findings", "month", "segment", "stays", "when"]

_BEFORE = 12
_FIGURES = ("estimate", "conf_low", "conf_high")


def stays(table: pd.DataFrame, meta: Mapping[str, Any], scale: Scale) -> str:
    """Say how many stay how long.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the result.
    meta : mapping
        Of the result.
    scale : Scale
        The unit of tenure.
    """
    rows = table[table["unit"] == "share"]
    if rows.empty:
        return "No tenure is reached by enough customers to tell how many stay."
    start = meta["start"]
    who = f"customers who reach {scale.tell(start)}" if start else "new customers"
    told = [
        f"{100 * r.estimate:.0f} stay beyond {scale.tell(r.tenure)}"
        for r in _headline(rows).itertuples()
    ]
    last = _headline(rows).iloc[-1]
    text = (
        f"Of 100 {who}, {' and '.join(told)} (95% interval {100 * last['conf_low']:.0f} to "
        f"{100 * last['conf_high']:.0f})."
    )
    middle = table[table["unit"] == scale.unit].query("term == 'median'")
    if middle.empty:
        return f"{text} More than half are still there at {scale.tell(meta['end'])}."
    row = middle.iloc[0]
    known = np.isfinite(row["conf_high"])
    high = scale.tell(row["conf_high"]) if known else f"more than {scale.tell(meta['end'])}"
    return (
        f"{text} Half have left by {scale.tell(row['estimate'])} "
        f"(95% interval {amount(row['conf_low'])} to {high})."
    )


def _headline(rows: pd.DataFrame) -> pd.DataFrame:
    """Choose an early and a late mark out of those told."""
    early = rows.iloc[[min(1, len(rows) - 1)]]
    late = rows.iloc[[min(3, len(rows) - 1)]]
    return pd.concat([early, late]).drop_duplicates("tenure")


def ends(table: pd.DataFrame, scale: Scale) -> str:
    """Say what became of customers, all ends counted.

    Parameters
    ----------
    table : pandas.DataFrame
        Shares still there, left and ended otherwise by tenure.
    scale : Scale
        The unit of tenure.
    """
    last = table["tenure"].max()
    share = table[table["tenure"] == last].set_index("what")["estimate"]
    return (
        f"By {scale.tell(last)}, of 100 customers {100 * share['left']:.0f} have left of their own "
        f"will, {100 * share['ended otherwise']:.0f} have ended for another reason, and "
        f"{100 * share['still there']:.0f} are still there."
    )


def segment(chosen: Segment, tests: pd.DataFrame, scale: Scale, asked: bool) -> str:
    """Say how the groups of the attribute shown differ.

    Parameters
    ----------
    chosen : Segment
        The attribute.
    tests : pandas.DataFrame
        Of all attributes.
    scale : Scale
        The unit of tenure.
    asked : bool
        Whether the attribute was asked for; else it is the one that separates most.
    """
    row = tests[tests["term"] == chosen.attribute].iloc[0]
    clear = row["p_holm"] < ALPHA
    text = ""
    if not asked:
        text = f"Of the attributes, {chosen.attribute} separates customers most. "
        if not clear:
            text = (
                "No attribute separates customers beyond chance; the closest is "
                f"{chosen.attribute}. "
            )
    elif not clear:
        text = f"The groups of {chosen.attribute} cannot be told apart. "
    if not np.isfinite(row["estimate"]):
        return text.strip()
    of = f"of the first {scale.tell(row['until'])}"
    if chosen.start:
        of = f"between {chosen.start:g} and {scale.tell(row['until'])}"
    mean = dict(zip(chosen.levels, chosen.mean, strict=True))
    longest, shortest = (
        (f"{chosen.attribute} = {row[c]}", amount(mean[row[c]]))
        for c in ("stays longest", "stays shortest")
    )
    gap, low, high = (amount(row[c]) for c in _FIGURES)
    return (
        f"{text}Customers with {longest[0]} stay {longest[1]} {of} on average, those with "
        f"{shortest[0]} stay {shortest[1]}: a difference of {gap} {scale.unit} (95% interval "
        f"{low} to {high})."
    )


def amount(value: float) -> str:
    """Give a tenure to three figures, with a true minus."""
    shown = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return shown.replace("-", MINUS)


def when(table: pd.DataFrame, scale: Scale) -> str:
    """Say at which tenure customers leave most.

    Parameters
    ----------
    table : pandas.DataFrame
        Rates by tenure.
    scale : Scale
        The unit of tenure.
    """
    told = f"per 100 customers and {scale.each}"
    if len(table) < 2:
        return f"Customers leave at a rate of {_rate(table.iloc[0])} {told}."
    if not rates_differ(table["left"].to_numpy(), table["time"].to_numpy()) < ALPHA:
        whole = table["left"].sum() / table["time"].sum() * scale.per
        return (
            f"Customers leave at much the same rate whatever their tenure: {100 * whole:.1f} "
            f"{told}."
        )
    most, least = (table.loc[table["estimate"].agg(f)] for f in ("idxmax", "idxmin"))
    return (
        f"Customers leave most often {_stretch(most, scale)}: {_rate(most)} {told}. They leave "
        f"least often {_stretch(least, scale)}: {_rate(least)}."
    )


def _stretch(row: Any, scale: Scale) -> str:
    if row["from"] > 0:
        return f"between {row['from']:,.0f} and {scale.tell(row['to'])}"
    return f"in their first {scale.one if row['to'] == 1 else scale.tell(row['to'])}"


def _rate(row: Any) -> str:
    low, high = 100 * row["conf_low"], 100 * row["conf_high"]
    return f"{100 * row['estimate']:.1f} (95% interval {low:.1f} to {high:.1f})"


def month(table: pd.DataFrame) -> str:
    """Compare the last whole month with those before it.

    Parameters
    ----------
    table : pandas.DataFrame
        Rates by month.
    """
    known = table[table["whole"] & table["estimate"].notna()]
    if known.empty:
        return "No calendar month is seen from its first day to its last."
    last, before = known.iloc[-1], known.iloc[-1 - _BEFORE : -1]
    text = (
        f"In {last['term']}, {_rate(last)} left of their own will per 100 customers and "
        f"{MONTH_DAYS:.0f} days"
    )
    if before.empty:
        return f"{text}."
    count, time = int(before["left"].sum()), float(before["customer_days"].sum())
    p = two_rates(int(last["left"]), float(last["customer_days"]), count, time)
    rate = 100 * MONTH_DAYS * count / time
    what = "no clear change from"
    if p < ALPHA:
        what = "more than" if 100 * last["estimate"] > rate else "fewer than"
    one = len(before) == 1
    span = "the month before" if one else f"the {len(before)} months before"
    return f"{text}: {what} the {rate:.1f} of {span}."


def findings(result: Result, notebook: str = "04_retention") -> Findings:
    """Word retention for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    meta, table = result.meta, result.table
    found = Findings()
    shares = table[table["unit"] == "share"]
    row = None if shares.empty else _headline(shares).iloc[-1]
    unit = "" if row is None else f"share still there at {row['tenure']:g} {meta['tenure_unit']}"
    found.append(_finding("stay", notebook, result.sentence, row, unit, meta["customers"]))
    if "levels" in result.parts and result["levels"].meta["clear"]:
        tests = result["segments"].table
        chosen = tests[tests["term"] == meta["segment"]].iloc[0]
        words = result["levels"].sentence
        unit = f"difference in {meta['tenure_unit']}"
        found.append(_finding("segment", notebook, words, chosen, unit, int(chosen["n"])))
    found += _of_parts(result, notebook)
    for part, name in (("by_tenure", "when"), ("by_month", "month")):
        if part in result.parts:
            words = result[part].sentence
            found.append(_finding(name, notebook, words, None, "", meta["customers"]))
    return found


def _of_parts(result: Result, notebook: str) -> list[Finding]:
    """Word what a first bad contact does, cliffs, and cohorts; nothing of what is left out."""
    found, customers = [], result.meta["customers"]
    part = result.parts.get("first_bad")
    if part is not None and len(part.table):
        mark = part.meta["mark"]
        rows = part.table[part.table["unit"] == "share"].set_index("term")
        unit = f"difference in share still there after {mark:g} days"
        row = rows.loc[f"after {mark:g} days"]
        n = part.meta["cases"]
        words = part.sentence.splitlines()[0]
        found.append(_finding("first-bad-contact", notebook, words, row, unit, n))
    part = result.parts.get("cliffs")
    if part is not None and len(part.table):
        row, unit = part.table.loc[part.table["excess"].idxmax()], "times as many as beside it"
        found.append(_finding("cliffs", notebook, part.sentence, row, unit, customers))
    part = result.parts.get("cohorts")
    if part is not None and np.isfinite(part.meta.get("trend", np.nan)):
        ends = ("trend", "trend_low", "trend_high")
        row = dict(zip(_FIGURES, (part.meta[e] for e in ends), strict=True))
        unit = "hazard ratio for a start a year later"
        words = part.sentence.splitlines()[0]
        found.append(_finding("cohorts", notebook, words, row, unit, customers))
    return [*found, *_of_worth(result, notebook)]


def _of_worth(result: Result, notebook: str) -> list[Finding]:
    """Word what customers are worth, what more retention adds, and who comes back."""
    found = []
    for name, key, value in (
        ("worth", "term", "all customers"),
        ("retention_worth", "points", 5.0),
        ("comeback", "in_force", True),
    ):
        part = result.parts.get(name)
        rows = None if part is None or part.table.empty else part.table[part.table[key] == value]
        if part is None or rows is None or rows.empty or not np.isfinite(rows["estimate"].iloc[0]):
            continue
        row = rows.iloc[0]
        money = f"{part.meta.get('currency', '')} {{}}".strip()
        unit = {"worth": "a customer", "retention_worth": "for 5 points more retention"}.get(name)
        told = money.format(unit) if unit else f"share back in {row['within']} days"
        found.append(_finding(name, notebook, part.sentence, row, told, int(row["n"])))
    return found


def _finding(name: str, notebook: str, words: str, row: Any, unit: str, n: int) -> Finding:
    figures = (None if row is None else float(row[c]) for c in _FIGURES)
    estimate, low, high = figures
    return Finding(f"retention.{name}", notebook, words, estimate, low, high, unit, n)
