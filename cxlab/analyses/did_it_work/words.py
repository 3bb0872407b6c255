"""What the verdicts come to, in sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.did_it_work.judged import (
    FELL,
    NEEDED,
    NONE,
    NOT_BEFORE,
    ROSE,
    UNKNOWN,
    WORKED,
    WORSE,
    Judged,
    size,
)
from cxlab.analyses.did_it_work.measured import CHURN, CONTACTS, FAILURES, WORTH
from cxlab.results import MINUS, counted, listed

__all__ = ["answer", "change", "doubts", "effect", "headline", "named", "rate", "short", "summary"]


_MUCH_WIDER = 1.15


def named(row: Any) -> str:
    """Name an outcome for readers.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    names = {
        FAILURES: f"failures at {row['touchpoint']}",
        CONTACTS: f"contacts at {row['touchpoint']}",
        CHURN: "churn",
    }
    return names.get(row["outcome"], f"the {row['outcome']} at {row['touchpoint']}")


def rate(row: Any, column: str) -> str:
    """Write what was, or what would have been, in its unit.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    column : str
        ``rate`` or ``rate_without``.
    """
    value = float(row[column])
    if row["outcome"] == FAILURES:
        return _percent(value)
    if row["outcome"] == CHURN:
        return f"{_percent(value)} a month"
    if row["outcome"] == CONTACTS:
        return f"{value:.2f} a month" if value >= 0.1 else f"{value:.3f} a month"
    return f"{value:.2f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}%" if value >= 0.0995 else f"{100 * value:.1f}%"


def change(row: Any) -> str:
    """Write by how much it was more or less, with its interval.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    low, high = float(row["change_low"]), float(row["change_high"])
    less = row["change"] < 0
    share = row["outcome"] in (FAILURES, CHURN)
    scale, digits = (100, 1) if share else (1, 2)
    if low * high <= 0:
        ends = " to ".join(_signed(scale * v, digits) for v in (low, high))
        return f"{ends} points" if share else ends
    near, far = sorted((abs(low), abs(high)))
    what = ("points fewer" if less else "points more") if share else "less" if less else "more"
    return f"{scale * near:.{digits}f} to {scale * far:.{digits}f} {what}"


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    none = not any(c in "123456789" for c in text)
    return text if none else (MINUS if value < 0 else "+") + text


def effect(row: Any) -> str:
    """Write the effect as a share more or less, with its interval; of scores, the difference.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    three = [float(row[c]) for c in ("estimate", "conf_low", "conf_high")]
    if row["scale"] != "ratio":
        middle, low, high = (_signed(v, 2) for v in three)
        return f"{middle} ({low} to {high})"
    middle, low, high = (_share(v) for v in three)
    return f"{middle} ({low} to {high})"


def _share(ratio: float) -> str:
    return _signed(100 * (ratio - 1), 0) + "%" if ratio < 20 else "many times"


def headline(one: Judged, table: pd.DataFrame) -> str:
    """Say in a sentence or two what an intervention did.

    Parameters
    ----------
    one : Judged
        The intervention.
    table : pandas.DataFrame
        Its rows.
    """
    plan = one.plan
    if not (table["design"] != "").any():
        reasons = list(dict.fromkeys(table["why"]))
        if len(reasons) == 1:
            return f"{plan.name}: whether it worked cannot be told: {reasons[0]}."
    main = table[table["main"]].iloc[0]
    rest = [short(row) for _, row in table[~table["main"]].iterrows() if row["design"]]
    untold = [row for _, row in table[~table["main"]].iterrows() if not row["design"]]
    told = "; ".join(rest)
    text = answer(main)
    if told:
        text += f" {told[:1].upper()}{told[1:]}."
    if untold:
        text += f" Not told: {_untold(untold, main)}."
    return text


def _untold(rows: list[Any], main: Any) -> str:
    """Name outcomes that are not told and why, without what was said of the main one already."""
    first, early, _ = main["why"].partition(WORTH)
    by: dict[str, list[str]] = {}
    for row in rows:
        head, _, tail = row["why"].partition(WORTH)
        why = row["why"]
        if tail and (head == first or early):
            why = f"{WORTH} {tail}".removeprefix("; ").replace("  ", " ")
        by.setdefault("" if why == main["why"] else why, []).append(named(row))
    return "; ".join(
        f"{listed(names)} ({why})" if why else f"{listed(names)}, for the same reason"
        for why, names in by.items()
    )


def answer(row: Any) -> str:
    """Say what came of an outcome, in a sentence.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    who, what = row["intervention"], named(row)
    if row["verdict"] in (WORKED, WORSE, FELL, ROSE):
        down = row["estimate"] < (1 if row["scale"] == "ratio" else 0)
        return (
            f"{who} {'cut' if down else 'raised'} {what} to {rate(row, 'rate')}, from "
            f"{rate(row, 'rate_without')} without it ({change(row)}), beyond chance."
        )
    if not row["design"]:
        return f"{who}: whether {what} changed cannot be told{_yet(row)}: {row['why']}."
    seen = (
        f"{rate(row, 'rate')}, where {rate(row, 'rate_without')} was to be expected, {change(row)}"
    )
    if row["verdict"] == NONE:
        return f"{who}: no change of {what} is seen ({seen}); {row['why']}."
    return f"{who}: whether {what} changed cannot be told{_yet(row)} ({seen}): {row['why']}."


def _yet(row: Any) -> str:
    """Say that it is early, where it is known from when on it is not."""
    return " yet" if "be seen before" in row["why"] or NOT_BEFORE in row["why"] else ""


def short(row: Any) -> str:
    """Say what came of an outcome in a few words.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    what = named(row).replace(f" at {row['touchpoint']}", " there")
    if row["verdict"] in (WORKED, WORSE, FELL, ROSE):
        down = row["estimate"] < (1 if row["scale"] == "ratio" else 0)
        return (
            f"{what} {'fell' if down else 'rose'} to {rate(row, 'rate')}, from "
            f"{rate(row, 'rate_without')}, beyond chance"
        )
    if row["verdict"] == NONE:
        return f"no change of {what} is seen, where one by {size(row, row['visible'])} would be"
    if NOT_BEFORE in row["why"]:
        return f"{what} cannot be told yet: {row['why']}"
    needed = NEEDED.format(size(row, row["visible"]))
    return f"{what} cannot be told: {needed if needed in row['why'] else row['why']}"


def doubts(table: pd.DataFrame, looked: list[Judged]) -> list[str]:
    """Say what stands against the verdicts, a sentence each.

    Parameters
    ----------
    table : pandas.DataFrame
        All rows.
    looked : list of Judged
        The interventions.
    """
    told = []
    for one in looked:
        told += [f"{one.plan.name}: {note}" for note in (*one.plan.notes, *one.notes)]
        if one.plan.meanwhile and any(not isinstance(o, str) for o in one.outcomes.values()):
            told.append(
                f"{one.plan.name}: {listed(one.plan.meanwhile)} began elsewhere in the time looked "
                "at; churn is that of all of them together."
            )
    main = table[table["main"] & (table["design"] != "")]
    told += [before(row) for _, row in main.iterrows()]
    told += [placebo(row) for _, row in main.iterrows()]
    told += [same(row) for _, row in main.iterrows()]
    told += [widened(row) for _, row in main.iterrows()]
    return [t for t in told if t]


def before(row: Any) -> str:
    """Say whether those reached moved as the others did before the start.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    if row["design"] != "compared":
        return ""
    name = f"{row['intervention']} at {row['touchpoint']}"
    p = float(row["before_p"])
    if math.isnan(p):
        return (
            f"{name}: too little time before it to see whether those reached had moved as the "
            "others did."
        )
    drift = f"{100 * np.expm1(row['drift']):.0f}%" if row["scale"] == "ratio" else (
        f"{row['drift']:.2f}")  # fmt: skip
    if p < 0.05:
        return (
            f"{name}: before it began, those reached had not moved as the others did (p = "
            f"{p:.2g}; up to {drift} apart): what came after it may have come without it."
        )
    return (
        f"{name}: before it began, those reached moved as the others did, as far as can be seen "
        f"(p = {p:.2g})."
    )


def same(row: Any) -> str:
    """Say what is seen among those who were customers already.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    if math.isnan(row["same"]):
        return ""
    middle, low, high = (_share(float(row[c])) for c in ("same", "same_low", "same_high"))
    return (
        f"{row['intervention']} at {row['touchpoint']}: customers come and leave; failures of "
        f"those who were there when it began changed by {middle} ({low} to {high}), of all by "
        f"{effect(row)}."
    )


def widened(row: Any) -> str:
    """Say by how much an interval is wider than chance makes it, and why.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    if row["widened"] < _MUCH_WIDER:
        return ""
    name = f"{row['intervention']} at {row['touchpoint']}"
    return (
        f"{name}: the interval is {row['widened']:.1f} times as wide as chance alone makes it, "
        "since as much happens where nothing was done (a season, a bend)."
    )


def placebo(row: Any) -> str:
    """Say how often as clear a change is seen where nothing was done.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    """
    parts = []
    for many, clear, what in (
        ("dates", "dates_as_clear", "earlier date"),
        ("places", "places_as_clear", "other touchpoint"),
    ):
        if row[many] > 0:
            of = counted(int(row[many]), what)
            parts.append(f"at {int(row[clear])} of {of}")
    if not parts:
        return ""
    name = f"{row['intervention']} at {row['touchpoint']}"
    return f"{name}: where nothing was done, as clear a change is seen {listed(parts)}."


def summary(table: pd.DataFrame) -> str:
    """Count the verdicts on the main outcome.

    Parameters
    ----------
    table : pandas.DataFrame
        All rows.
    """
    main = table[table["main"]]
    words = {WORKED: "worked", WORSE: "made it worse", NONE: "changed nothing that was seen",
             UNKNOWN: "cannot be told"}  # fmt: skip
    counts = [(int((main["verdict"] == v).sum()), text) for v, text in words.items()]
    said = listed(f"{n} {text}" for n, text in counts if n)
    return (
        f"Of {counted(len(main), 'intervention')}, by failures at the touchpoint: {said}. "
        f"Corrected for all {int(table['p_value'].notna().sum())} effects looked at."
    )
