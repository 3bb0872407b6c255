"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.did_it_work.judged import CHANCE, NEEDED, NONE, NOT_BEFORE, Judged, size
from cxlab.analyses.did_it_work.measured import FAILURES
from cxlab.analyses.did_it_work.plan import day_of
from cxlab.analyses.did_it_work.words import effect, named, rate
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result

__all__ = ["doubted", "effects", "reach"]

BELOW = "said below"
"""Stands for a reason that is too long for a cell."""


def effects(table: pd.DataFrame) -> Result:
    """Give all effects as they are read; reasons that a cell cannot hold are told apart.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the analysis.
    """
    rows, told = [], []
    for name, (_, r) in zip(_outcomes(table), table.iterrows(), strict=True):
        why = _shortly(r)
        if why == BELOW:
            told.append(f"{r['intervention']}, {name}: {r['why']}.")
        known = bool(r["design"])
        rows.append(
            {
                "what was done": r["intervention"],
                "outcome": name,
                "verdict": r["verdict"],
                "effect (95% interval)": effect(r) if known else "–",
                "without it → with it": _both(r) if known else "–",
                "why": why,
            }
        )
    reasons = Result("did_it_work_reasons", pd.DataFrame({"reason": told}),
                     sentence="\n".join(told))  # fmt: skip
    return Result("did_it_work_effects", pd.DataFrame(rows), parts={"reasons": reasons})


def _outcomes(table: pd.DataFrame) -> list[str]:
    """Name the outcomes, with their touchpoint only where one thing was done at several."""
    many = table.groupby("intervention")["touchpoint"].transform("nunique") > 1
    names = [named(r).removeprefix("the ") for _, r in table.iterrows()]
    where = [f" at {t}" for t in table["touchpoint"]]
    return [n if m else n.removesuffix(w)
            for n, w, m in zip(names, where, many, strict=True)]  # fmt: skip


def _both(row: Any) -> str:
    was, came = (rate(row, c) for c in ("rate_without", "rate"))
    return f"{was.removesuffix(' a month')} → {came}"


def _shortly(row: Any) -> str:
    """Give the reason of a verdict in a few words."""
    why = str(row["why"])
    if not why:
        return _beyond(row)
    if not row["design"] or why.startswith(CHANCE):
        return BELOW
    size_ = size(row, row["visible"])
    if row["verdict"] == NONE:
        return f"one by {size_} would be seen"
    if NOT_BEFORE in why:
        return f"not seen before {why.split(NOT_BEFORE)[1].strip()}"
    return f"only one by {size_} is seen" if NEEDED.format(size_) in why else BELOW


def _beyond(row: Any) -> str:
    q = float(row["q_value"])
    return f"beyond chance (q {'below 0.001' if q < 0.001 else f'= {q:.2g}'})"


def reach(looked: list[Judged], least: int) -> Result:
    """Give who was reached and how each intervention is judged.

    Parameters
    ----------
    looked : list of Judged
        The interventions.
    least : int
        Smaller groups are not told.
    """
    rows = []
    for one in looked:
        found = [o[1] for o in one.outcomes.values() if not isinstance(o, str)]
        design = {f.design for f in found}
        how = (
            "beside those not reached" if "compared" in design
            else "beside the time before" if design else "cannot be judged"
        )  # fmt: skip
        starts = sorted({day_of(s.start) for s in one.plan.scopes})
        dates = starts[0] if len(starts) == 1 else f"{starts[0]} to {starts[-1]}"
        rows.append(
            {
                "what was done": one.plan.intervention,
                "touchpoint": one.plan.touchpoint,
                "began": dates,
                "customers reached": hidden(one.n, one.controls, least),
                "not reached": hidden(one.controls, one.n, least),
                "judged": how,
                "looked at until": _until(one),
            }
        )
    return Result("did_it_work_reach", pd.DataFrame(rows))


def _until(one: Judged) -> str:
    """Give the last day of failures that counts; where they are not told, of what is."""
    found = {n: o[1] for n, o in one.outcomes.items() if not isinstance(o, str)}
    main = [found[FAILURES]] if FAILURES in found else found.values()
    return max((day_of(f.followed - 1) for f in main), default="–")


def hidden(count: int, other: int, least: int) -> str:
    """Write a count of customers, unless it or the rest are so few that they can be known.

    Parameters
    ----------
    count, other : int
        Customers, and those of the other side.
    least : int
        Of a group that may be told.
    """
    few = any(0 < n < least for n in (count, other))
    return "withheld" if few else f"{count:,}"


def doubted(table: pd.DataFrame) -> Result:
    """Give what could contradict the effects as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the analysis.
    """
    told = table[table["design"] != ""]
    rows = [
        {
            "what was done": r["intervention"],
            "outcome": name,
            "apart before it began": _before(r),
            "as clear at earlier dates": _of(r, "dates"),
            "as clear at other touchpoints": _of(r, "places"),
            "smallest change seen in 80 of 100": _smallest(r),
            "a change worth knowing is seen from": r["seen_from"]
            if r["seen_from"] != "never"
            else "not in time",
        }
        for name, (_, r) in zip(_outcomes(told), told.iterrows(), strict=True)
    ]
    return Result("did_it_work_doubts", pd.DataFrame(rows))


def _before(row: Any) -> str:
    p = float(row["before_p"])
    return "–" if np.isnan(p) else f"{'yes' if p < 0.05 else 'not seen'} (p = {p:.2g})"


def _of(row: Any, what: str) -> str:
    many = row[what]
    # Where nothing is seen there is nothing to be as clear.
    told = many > 0 and (row["main"] or row["p_value"] < ALPHA)
    return f"{int(row[f'{what}_as_clear'])} of {int(many)}" if told else "–"


def _smallest(row: Any) -> str:
    size = float(row["visible"])
    if row["scale"] == "ratio":
        return f"{-100 * np.expm1(-size):.0f}%"
    return f"{size:.2f}"
