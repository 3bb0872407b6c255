"""The attributes of a snapshot in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.snapshot.terms import AVERAGE
from cxlab.results import Finding, Findings, Result, listed, ratio_text

__all__ = ["LIMITS", "METHOD", "Span", "changing", "findings", "reasons", "sentence", "why"]

_MOST_NAMED = 3
_MOST_FINDINGS = 6
_EQUAL = "all other attributes held equal"
_REASONS = {
    "driver": f"Such customers, or those with more of it, leave sooner, {_EQUAL}.",
    "protective": f"Such customers, or those with more of it, leave later, {_EQUAL}.",
    "no evidence": "Leaving sooner or later cannot be seen to go with it.",
}

METHOD = (
    "A snapshot does not say when things happened, so attributes take the place of touchpoints. "
    "Customers are compared at equal tenure: of those who have been there equally long, who leaves "
    "next? All attributes are held equal at once.",
    "A hazard ratio of 2 means leaving twice as often as those compared with; 0.5, half as often. "
    "One of two levels is compared with the other, one of more with the average customer, "
    "numbers in steps of a size that is usual among these customers.",
)
LIMITS = (
    "A snapshot shows attributes as they are now, not as they were before customers left: an "
    "attribute that leaving changes cannot be told from one that makes customers leave.",
    "Customers chose many of their attributes, such as the contract: the figures show who leaves, "
    "not what a change would do.",
    "Nothing can be said about single contacts, when they happened, or what mending one is worth: "
    "that needs a table of interactions with dates.",
    "Those who left before the snapshot was taken, and are not in it, are not seen.",
)


@dataclass(frozen=True)
class Span:
    """The early span of tenure.

    Parameters
    ----------
    until : float
        Its last tenure.
    unit : str
        Of tenure, such as ``"months"``.
    """

    until: float
    unit: str

    def __str__(self) -> str:
        """Say it as a sentence does: ``"in the first 9 months"``."""
        if self.until == 1:
            return f"in the first {self.unit.removesuffix('s')}"
        return f"in the first {self.until:g} {self.unit}"


def sentence(table: pd.DataFrame) -> str:
    """Name what goes with leaving sooner and later, the largest effects first.

    Parameters
    ----------
    table : pandas.DataFrame
        The driver table of a snapshot.
    """
    sooner = _named(table[table["verdict"] == "driver"])
    later = _named(table[table["verdict"] == "protective"])
    if not sooner and not later:
        return "No attribute can be said to go with leaving from these data."
    told = [f"leave sooner where {sooner}"] if sooner else []
    told += [f"stay longer where {later}"] if later else []
    return f"At equal tenure, and {_EQUAL}, customers {'; they '.join(told)}."


def _named(table: pd.DataFrame) -> str:
    """Name attributes with the levels told, the largest effects first."""
    names = []
    for attribute, part in table.groupby("attribute", sort=False):
        if part["reference"].isna().any():
            names.append(f"{attribute} is higher")
        else:
            reference = part["reference"].iloc[0]
            other = "" if reference == AVERAGE else f" rather than {reference}"
            names.append(f"{attribute} is {' or '.join(part['level'])}{other}")
    return listed(names, _MOST_NAMED if len(names) > _MOST_NAMED + 1 else 0)


def why(row: Any, span: Span) -> str:
    """Give a term's verdict its reason.

    Parameters
    ----------
    row : namedtuple
        Of the driver table, with its hazard ratios ``early`` and ``late``, and ``changes``.
    span : Span
        The early span.
    """
    if row.verdict == "not separable":
        return "It tells who left almost without fail, as something recorded after leaving does."
    if row.verdict == "too little data":
        return "The interval is too wide to say anything."
    number = pd.isna(row.reference)
    other = _others(row)
    if row.verdict == "no evidence":
        text = "Leaving sooner or later cannot be seen to go with it"
        text += "." if number else f", compared with {other}."
    else:
        when = "sooner" if row.verdict == "driver" else "later"
        text = f"The more of it, the {when} customers leave, {_EQUAL}."
        if not number:
            text = f"These customers leave {when} than {other}, {_EQUAL}."
    return f"{text} {_change(row, span)}" if row.changes else text


def _others(row: Any) -> str:
    """Name the customers a level is compared with."""
    if row.reference == AVERAGE:
        return "the average customer"
    return f"those whose {row.attribute} is {row.reference}"


def _change(row: Any, span: Span) -> str:
    """Say how an effect changes with tenure."""
    early, late = (
        ratio_text(ratio) if np.isfinite(ratio) else "not to be told"
        for ratio in (row.early, row.late)
    )
    return f"Its effect changes with tenure: {early} {span}, {late} later."


def changing(names: Sequence[str], span: Span) -> str:
    """Say whose effects change with tenure.

    Parameters
    ----------
    names : sequence of str
        The attributes.
    span : Span
        The early span.
    """
    if not names:
        return (
            "No attribute's effect changes much from early to late tenure: one hazard ratio stands "
            "for all of it."
        )
    one = len(names) == 1
    return (
        f"The effect{'' if one else 's'} of {listed(names)} change{'s' if one else ''} with "
        f"tenure: {'its hazard ratio is' if one else 'their hazard ratios are'} not the same "
        f"{span} and later, and one figure for both is an average."
    )


def reasons(result: Result) -> list[str]:
    """Give the verdicts' reasons, a line each.

    Parameters
    ----------
    result : Result
        Of a snapshot.
    """
    table = result.table
    lines = []
    for verdict, part in table.groupby("verdict", sort=False):
        if verdict in _REASONS:
            lines.append(f"{verdict.capitalize()}: {', '.join(part['term'])}. {_REASONS[verdict]}")
        else:
            lines += [f"{verdict.capitalize()}: {r.term}. {r.why}" for r in part.itertuples()]
    return lines


def findings(result: Result, notebook: str) -> Findings:
    """Word what was found for ``findings.json`` and the top of the report: the largest effects.

    Parameters
    ----------
    result : Result
        Of a snapshot.
    notebook : str
        The notebook that says so.
    """
    table, meta = result.table, result.meta
    found = Findings(
        [Finding("drivers.summary", notebook, result.sentence, n=meta["customers"], unit="")]
    )
    for verdict in ("driver", "protective"):
        told = table[table["verdict"] == verdict].head(_MOST_FINDINGS)
        found += [_finding(row, notebook) for row in told.itertuples()]
    if meta["changing"]:
        text = result["by_tenure"].sentence
        found.append(Finding("drivers.by_tenure", notebook, text))
    for row in table[table["verdict"] == "not separable"].itertuples():
        text = f"{row.term} is not called a driver. {row.why}"
        name = f"drivers.{row.term}.attribute"
        found.append(Finding(name, notebook, text, verdict="not separable"))
    return found


def _finding(row: Any, notebook: str) -> Finding:
    middle, low, high = map(
        _percent if row.step_ratio < 1 else ratio_text,
        (row.step_ratio, row.step_low, row.step_high),
    )
    interval = f"(95% interval {low} to {high})"
    often = f"leave {middle}{'' if row.step_ratio < 1 else ' times'} as often"
    unit = "hazard ratio"
    if pd.isna(row.reference):
        more = f"{row.step:,.12g}"
        unit = f"hazard ratio of {more} more"
        text = f"Where {row.attribute} is higher by {more}, customers {often} {interval}"
    else:
        text = (
            f"Customers whose {row.attribute} is {row.level} {often} as {_others(row)} {interval}"
        )
    return Finding(
        f"drivers.{row.term}.attribute",
        notebook,
        f"{text}.",
        row.step_ratio,
        row.step_low,
        row.step_high,
        unit,
        int(row.n),
        row.verdict,
    )


def _percent(ratio: float) -> str:
    """Give a ratio below 1 as a percentage, never rounded to nothing."""
    return f"{ratio:.1%}" if ratio >= 0.01 else f"{100 * ratio:.2g}%"
