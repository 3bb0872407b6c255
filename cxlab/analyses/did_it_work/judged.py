"""The verdict on each outcome of each intervention, corrected for all that were looked at."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.did_it_work import compared, series
from cxlab.analyses.did_it_work.found import LEAST_PLACEBO, Found
from cxlab.analyses.did_it_work.measured import FAILURES, Measured, Study, amount
from cxlab.analyses.did_it_work.plan import Plan, day_of, month_of
from cxlab.frames.customer_periods import reached
from cxlab.frames.periods import EPOCH
from cxlab.models.intervals import benjamini_hochberg
from cxlab.models.power import POWER
from cxlab.models.verdicts import ALPHA
from cxlab.results import counted

__all__ = ["COLUMNS", "Judged", "judge", "look", "size"]

_TEXTS = ("better", "design", "scale", "followed_to", "seen_from", "verdict", "why")
COLUMNS = [
    "term", "intervention", "touchpoint", "outcome", "main", "better", "design", "scale",
    "estimate", "conf_low", "conf_high", "p_value", "q_value", "n", "controls", "started",
    "followed_to", "before", "after", "period_days", "came", "expected", "out_of", "rate",
    "rate_without", "change", "change_low", "change_high", "before_p", "drift", "dates",
    "dates_as_clear", "places", "places_as_clear", "visible", "seen_from", "worth", "verdict",
    "why", "same", "same_low", "same_high", "widened",
    "season",
]  # fmt: skip
WORKED, WORSE, NONE, UNKNOWN = "worked", "made it worse", "no change seen", "cannot tell"
FELL, ROSE = "fell", "rose"
# More of the dates and touchpoints at which nothing was done than this show as clear a change.
_MOST_PLACEBO = 0.25
_MOST_PLACES = 12
CHANCE = "it may be chance, as so many were looked at"
NEEDED = "it would have had to change by {} to be seen"
NOT_BEFORE = "could not have been seen before"


@dataclass(frozen=True)
class Judged:
    """One intervention at one touchpoint, looked at.

    Parameters
    ----------
    plan : Plan
        What was done.
    outcomes : dict of str to (Measured, Found) or str
        What was found of each, or why it cannot be told.
    n, controls : int
        Customers reached, and not reached.
    notes : tuple of str
        What does not count in its outcomes, in sentences.
    elsewhere : ndarray
        The same change at touchpoints where nothing was done, over its standard error.
    """

    plan: Plan
    outcomes: Mapping[str, tuple[Measured, Found] | str]
    n: int = 0
    controls: int = 0
    notes: tuple[str, ...] = ()
    elsewhere: np.ndarray = field(default_factory=lambda: np.zeros(0))


def look(study: Study, plan: Plan, done: list[Plan]) -> Judged:
    """Look at all outcomes of an intervention.

    Parameters
    ----------
    study : Study
        The data.
    plan : Plan
        What was done.
    done : list of Plan
        All that was done: where anything was, is no place to look for nothing.
    """
    names = study.outcomes(plan.touchpoint)
    starts = np.zeros(0) if plan.why else reached(study.dataset, study.person, plan.scopes)
    why = plan.why or _unanswerable(study, plan, starts)
    hit = np.isfinite(starts)
    if why:
        return Judged(plan, dict.fromkeys(names, why), int(hit.sum()), int((~hit).sum()))
    alone = (~hit).sum() < study.options.min_group and len(np.unique(starts[hit])) == 1
    made: dict[str, tuple[Measured, Found] | str] = {}
    for name, measured in names.items():
        if isinstance(measured, str):
            made[name] = measured
            continue
        found = (
            series.follow(study, plan, measured)
            if alone
            else compared.compare(study, plan, measured, starts)
        )
        made[name] = found if isinstance(found, str) else (measured, found)
    others = _elsewhere(study, plan, done) if isinstance(made[FAILURES], tuple) else []
    placebo = (
        series.elsewhere(study, plan, others)
        if alone
        else compared.elsewhere(study, plan, others, starts)
    )
    if alone:
        made = {name: _calibrated(name, given, placebo) for name, given in made.items()}
    notes = tuple(n for m in names.values() if isinstance(m, Measured) for n in m.notes)
    return Judged(plan, made, int(hit.sum()), int((~hit).sum()), notes, placebo)


def _calibrated(
    name: str, given: tuple[Measured, Found] | str, placebo: np.ndarray
) -> tuple[Measured, Found] | str:
    """Let a series' error hold what it does where nothing was done: seasons, shocks, bends."""
    if isinstance(given, str):
        return given
    measured, found = given
    there = np.append(found.placebo, placebo) if name == FAILURES else found.placebo
    return measured, found.calibrated(there)


def _unanswerable(study: Study, plan: Plan, starts: np.ndarray) -> str:
    """Say why nothing can be told of an intervention, by whom it reached and when."""
    hit = np.isfinite(starts)
    if not hit.any():
        return "its scope matches no customer"
    if hit.sum() < study.options.min_group:
        return f"it reached fewer than {study.options.min_group} customers"
    if plan.start < study.begin:
        return (
            f"it began on {day_of(plan.start)}, before the data, which begin on "
            f"{day_of(study.begin)}: there is nothing to hold what came against"
        )
    if plan.high <= plan.start:
        return f"it ended on {day_of(plan.high)}, the day on which it began"
    return ""


def _elsewhere(study: Study, plan: Plan, done: list[Plan]) -> list[str]:
    """Name the touchpoints at which nothing was done in the time looked at."""
    options = study.options
    low, high = plan.start - options.before_days, plan.start + options.after_days
    touched = {p.touchpoint for p in done
               if any(low <= s.start < high or low <= s.end < high for s in p.scopes)}  # fmt: skip
    names = [t for t in study.known.touchpoints if t not in touched and t != plan.touchpoint]
    return names[:: max(1, -(-len(names) // _MOST_PLACES))]


def judge(study: Study, looked: list[Judged]) -> pd.DataFrame:
    """Give a row an intervention and outcome, with its verdict.

    Parameters
    ----------
    study : Study
        The data.
    looked : list of Judged
        All interventions; q-values are over all of their outcomes.
    """
    rows = [_row(study, one, name) for one in looked for name in one.outcomes]
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    told = [_verdict(study, row) for _, row in table.iterrows()]
    table["verdict"], table["why"] = ([t[i] for t in told] for i in (0, 1))
    beyond = table["q_value"] < ALPHA
    doubted = table[table["main"] & beyond & (table["verdict"] == UNKNOWN)]
    for _, main in doubted.iterrows():
        # A score there follows failures: what stands against these stands against it.
        keys = ["intervention", "touchpoint"]
        score = (table[keys] == main[keys]).all(axis=1) & beyond
        score &= table["outcome"].str.endswith("score")
        table.loc[score, ["verdict", "why"]] = [UNKNOWN, f"as of failures: {main['why']}"]
    return table


def _row(study: Study, one: Judged, name: str) -> dict[str, Any]:
    plan, given = one.plan, one.outcomes[name]
    row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    row |= {
        "term": f"{plan.name}: {name}",
        "intervention": plan.intervention,
        "touchpoint": plan.touchpoint,
        "outcome": name,
        "main": name == FAILURES,
        "started": day_of(plan.start),
        "n": one.n,
        "controls": one.controls,
    } | dict.fromkeys(_TEXTS, "")
    if isinstance(given, str):
        return row | {"why": given}
    measured, found = given
    row |= _figures(measured, found)
    if name == FAILURES:
        placebo = one.elsewhere / found.widened
        row |= {"places": len(placebo), "places_as_clear": _as_clear(placebo, found.z)}
    return row


def _figures(measured: Measured, found: Found) -> dict[str, Any]:
    reach = found.quantile * found.se
    three = np.array([found.value, found.value - reach, found.value + reach])
    if measured.scale == "ratio":
        three = np.exp(np.clip(three, -20, 20))
    rate = found.came / found.out_of
    wide = found.quantile * found.change_se
    return {
        "design": found.design,
        "scale": measured.scale,
        "better": measured.better,
        "estimate": three[0],
        "conf_low": three[1],
        "conf_high": three[2],
        "p_value": found.p_value,
        "n": found.n,
        "controls": found.controls,
        "followed_to": day_of(found.followed - 1),
        "before": found.before,
        "after": found.after,
        "period_days": found.days,
        "came": found.came,
        "expected": found.expected,
        "out_of": found.out_of,
        "rate": rate,
        "rate_without": rate - found.change,
        "change": found.change,
        "change_low": found.change - wide,
        "change_high": found.change + wide,
        **dict(zip(("same", "same_low", "same_high"), np.exp(found.same), strict=True)),
        "widened": found.widened,
        "season": found.season,
        "before_p": found.before_p,
        "drift": found.drift,
        "dates": len(found.placebo),
        "dates_as_clear": _as_clear(found.placebo, found.z),
        "visible": POWER * found.se,
        "seen_from": _day(found.seen(measured.worth) + measured.delay),
        "worth": measured.worth,
    }


def _day(day: float) -> str:
    return "never" if math.isinf(day) else day_of(day)


def _number(day: str) -> float:
    return (dt.date.fromisoformat(day) - EPOCH.date()) / dt.timedelta(days=1)


def _as_clear(placebo: np.ndarray, z: float) -> int:
    return int((np.abs(placebo) >= abs(z)).sum())


def _verdict(study: Study, row: pd.Series) -> tuple[str, str]:
    """Give the verdict and its reason."""
    if not row["design"]:
        return UNKNOWN, str(row["why"])
    if row["q_value"] < ALPHA:
        if doubt := _doubted(row):
            return UNKNOWN, doubt
        return _changed(row), ""
    percent = size(row, row["visible"])
    if row["visible"] <= row["worth"]:
        return NONE, f"a change by {percent} would have been seen in 80 of 100 cases"
    wanted = f"a change by {size(row, row['worth'])}"
    if row["seen_from"] == "never":
        among = "where all are reached at once" if row["design"] == "series" else "among so few"
        long = f"within {counted(study.options.after_days, 'day')}"
        why = f"{NEEDED.format(percent)}; {wanted} cannot be, {among}, {long}"
    else:
        why = f"{wanted} {NOT_BEFORE} {month_of(_number(row['seen_from']), study.end)}"
    if row["p_value"] < ALPHA:
        why = f"{CHANCE}; {why}"
    return UNKNOWN, why


def _doubted(row: pd.Series) -> str:
    """Say what stands against a change that is beyond chance; empty where nothing does."""
    far = abs(np.log(row["estimate"])) if row["scale"] == "ratio" else abs(row["estimate"])
    if row["before_p"] < ALPHA and row["drift"] >= far / 2:
        return (
            "those reached had not moved as the others did before it began, by as much as half "
            "of what is seen after it"
        )
    both = {
        "earlier date": (row["dates"], row["dates_as_clear"], LEAST_PLACEBO),
        "other touchpoint": (row["places"], row["places_as_clear"], 2),
    }
    for what, (many, clear, least) in both.items():
        if many >= least and clear > _MOST_PLACEBO * many:
            where = counted(int(many), what)
            return f"changes as clear are seen where nothing was done, at {int(clear)} of {where}"
    if not row["season"] and row["dates"] + np.nan_to_num(row["places"]) < LEAST_PLACEBO:
        return "with less than two years of data, a season cannot be told from it"
    return ""


def _changed(row: pd.Series) -> str:
    less = row["estimate"] < (1 if row["scale"] == "ratio" else 0)
    if not row["better"]:
        return FELL if less else ROSE
    return WORKED if less == (row["better"] == "lower") else WORSE


def size(row: Any, value: float) -> str:
    """Write a size on the scale of estimates, as :func:`amount` does.

    Parameters
    ----------
    row : pandas.Series
        Of the table.
    value : float
        The size.
    """
    return amount(row["scale"], value)
