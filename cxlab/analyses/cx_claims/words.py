"""What the tests come to, in sentences and in tables for reading."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.catalogue import CANNOT, FAILS, HOLDS, Claim, wanted
from cxlab.analyses.cx_claims.study import Answer, Told
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, counted, listed

__all__ = [
    "by_chance",
    "claim_part",
    "figure",
    "headline",
    "interval",
    "judged",
    "league",
    "methods",
]

_SIGNED = ("AUC", "correlation", "points", "share", "money")
_DIGITS = {"AUC": 3, "correlation": 2, "points": 2, "share": 1, "level": 1, "percent": 0,
           "times": 1, "money": 2}  # fmt: skip
_AFTER = {"share": " of 100", "level": " of 100", "percent": "%", "times": " times",
          "points": " points"}  # fmt: skip
_HUNDREDS = ("share", "level", "percent")
_NONE = "–"


def figure(value: float, unit: str, signed: bool = False) -> str:
    """Write a figure in its unit, without its name.

    Parameters
    ----------
    value : float
        As in the table.
    unit : str
        Of the claim.
    signed : bool
        Whether more than none has a plus.
    """
    if math.isnan(value):
        return _NONE
    if math.isinf(value):
        return "without end"
    text = f"{abs(value) * (100 if unit in _HUNDREDS else 1):,.{_DIGITS[unit]}f}"
    none = not any(c in "123456789" for c in text)
    sign = "" if none else MINUS if value < 0 else "+" if signed else ""
    return sign + text


def interval(told: Told | None, unit: str, currency: str = "") -> str:
    """Write a figure with its 95% interval: ``+2.9 of 100 (+1.4 to +4.5)``.

    Parameters
    ----------
    told : Told or None
        The figure.
    unit : str
        Of the claim.
    currency : str
        Of money.
    """
    if told is None or math.isnan(told.estimate):
        return _NONE
    signed = unit in _SIGNED
    text = figure(told.estimate, unit, signed) + _AFTER.get(unit, "")
    if unit == "money" and currency:
        text = f"{currency} {text}"
    if math.isnan(told.low) or told.low == told.high:
        return text
    return f"{text} ({figure(told.low, unit, signed)} to {figure(told.high, unit, signed)})"


def judged(row: Any, short: bool = False) -> str:
    """Write a verdict, with whether the figure is as large as claimed.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    short : bool
        Whether there is little room.
    """
    text = str(row["verdict"])
    if short:
        return f"{text}, but smaller" if text == HOLDS and row["as_large"] == FAILS else text
    if text == HOLDS and row["as_large"]:
        more = {HOLDS: "as large as claimed", FAILS: "but not as large as claimed",
                CANNOT: "how large, cannot tell"}  # fmt: skip
        return f"{text}, {more[row['as_large']]}"
    if text == CANNOT and row["as_large"] == FAILS:
        return f"{text}; not as large as claimed"
    return text


def league(table: pd.DataFrame, currency: str, sentence: str) -> Result:
    """Give the table of claims as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        The claims.
    currency : str
        Of money.
    sentence : str
        The answer.
    """
    rows = [
        {
            "claim, and who says so": f"{row['text']} ({row['by']})",
            "verdict": judged(row, short=True),
            "here (95% interval)": interval(_told(row), row["unit"], currency),
            "as a dashboard has it": interval(_told(row, "raw"), row["unit"], currency),
        }
        for _, row in table.iterrows()
    ]
    return Result("cx_claims_told", pd.DataFrame(rows), sentence=sentence)


def _told(row: Any, prefix: str = "") -> Told:
    names = ("estimate", "conf_low", "conf_high") if not prefix else ("raw", "raw_low", "raw_high")
    estimate, low, high = (float(row[c]) for c in names)
    return Told(estimate, low, high, 0)


def headline(table: pd.DataFrame) -> str:
    """Say how many claims hold, and where a plain correlation would have misled.

    Parameters
    ----------
    table : pandas.DataFrame
        The claims.
    """
    many = {v: int((table["verdict"] == v).sum()) for v in (HOLDS, FAILS, CANNOT)}
    text = (
        f"Of {counted(len(table), 'claim')} made about customers' experience, {many[HOLDS]} "
        f"{'holds' if many[HOLDS] == 1 else 'hold'} here, {many[FAILS]} "
        f"{'does' if many[FAILS] == 1 else 'do'} not, and of {many[CANNOT]} it cannot be told."
    )
    return text + _misled(table)


def _misled(table: pd.DataFrame) -> str:
    other = table[(table["raw_verdict"] != table["verdict"]) & (table["raw_verdict"] != "")]
    told = other[(other["raw_verdict"] != CANNOT) & other["estimate"].notna()]
    if told.empty:
        return ""
    return (
        " A plain correlation, as a dashboard has it, would have given another verdict on "
        f"{len(told)} of them."
    )


def claim_part(
    claims: list[Claim], answers: dict[str, Answer], table: pd.DataFrame, currency: str
) -> Result:
    """Tell of the claims of one part: raw and adjusted side by side, and why they differ.

    Parameters
    ----------
    claims : list of Claim
        Those of the part.
    answers : dict of str to Answer
        By claim.
    table : pandas.DataFrame
        All claims.
    currency : str
        Of money.
    """
    rows, lines = [], []
    for claim in claims:
        row, answer = table[table["claim"] == claim.id].iloc[0], answers[claim.id]
        lines += _lines(claim, answer, row, currency)
        for way, told in (("adjusted, in order of time", answer.adjusted),
                          ("as a dashboard has it", answer.raw)):  # fmt: skip
            if told is not None and not math.isnan(told.estimate):
                rows.append(
                    {"compared": claim.figure, "how": way,
                     "figure (95% interval)": interval(told, claim.unit, currency),
                     "customers": f"{told.n:,}"}
                )  # fmt: skip
    return Result(f"cx_claims_{claims[0].part}", pd.DataFrame(rows), sentence="\n".join(lines))


def _lines(claim: Claim, answer: Answer, row: Any, currency: str) -> list[str]:
    """Say of one claim what came of it, what was found, and why the two figures differ."""
    head = f"“{claim.text}” ({claim.by}): {judged(row)}."
    if answer.adjusted is None:
        return [f"{head} Not told: {answer.why}."]
    here, raw = (interval(t, claim.unit, currency) for t in (answer.adjusted, answer.raw))
    lines = [f"{head} {claim.figure}: {here}; as a dashboard has it: {raw}."]
    lines.append(f"{answer.said}{_claimed(claim, answer)}")
    lines.append(_differ(answer))
    return lines + ([_open(claim, answer.adjusted)] if row["verdict"] == CANNOT else [])


def _differ(answer: Answer) -> str:
    """Say why the two figures differ, or that here they hardly do."""
    mine, raw = answer.adjusted, answer.raw
    assert mine is not None  # told by the caller
    if raw is None or math.isnan(raw.estimate):
        return "There is no figure of a dashboard to hold against it."
    if abs(mine.estimate - raw.estimate) < (mine.high - mine.low) / 8:
        return "Here the two hardly differ."
    return f"Why the two differ: {answer.differs[:1].lower()}{answer.differs[1:]}"


def methods(claims: Sequence[Claim], answers: dict[str, Answer]) -> Result:
    """Tell of each claim who says so, and how both of its figures were made.

    Parameters
    ----------
    claims : sequence of Claim
        All of them.
    answers : dict of str to Answer
        By claim.
    """
    rows = [
        {
            "claim": claim.text,
            "source": claim.source,
            "how it was tested": answers[claim.id].held or f"not told: {answers[claim.id].why}",
        }
        for claim in claims
    ]
    return Result("cx_claims_methods", pd.DataFrame(rows))


def _claimed(claim: Claim, answer: Answer) -> str:
    """Give the claim's own figure on the scale of ours, where it is not in its words."""
    if "claimed" in answer.facts:
        size = figure(answer.facts["claimed"], claim.unit)
        return f" The claim's own figures come to {size} of 100 in that time, at constant rates."
    return ""


def _open(claim: Claim, told: Told) -> str:
    times = wanted(told.estimate, told.low, told.high, claim.holds)
    if times is None:
        return "The interval holds figures on both sides of what is claimed, and nearly evenly."
    many = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
    return (
        "The interval holds figures on both sides of what is claimed. If the figure is right, "
        f"about {many} times as many customers, or as much time, would decide it."
    )


def by_chance(table: pd.DataFrame, directional: set[str]) -> str:
    """Say how many claims would hold by chance, and which do not stand up to a correction.

    Parameters
    ----------
    table : pandas.DataFrame
        The claims.
    directional : set of str
        Those that are tested against nothing.
    """
    tested = table[table["claim"].isin(directional) & table["estimate"].notna()]
    if tested.empty:
        return ""
    unsure = np.nan_to_num(tested["p_holm"], nan=1.0) >= ALPHA
    doubted = tested[(tested["verdict"] == HOLDS) & unsure]
    text = (
        f"{counted(len(tested), 'claim')} are tested against there being nothing; were there "
        f"nothing to any of them, {0.025 * len(tested):.1f} would hold by chance"
    )
    if len(doubted):
        return f"{text}. Corrected for all of them (Holm), these would not: " + listed(
            f"“{t}”" for t in doubted["text"]
        )
    return f"{text}; what holds here holds when corrected for all of them (Holm)"
