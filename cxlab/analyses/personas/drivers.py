"""Drivers by persona: what bad contacts do to each, whether that differs, and in what words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.driver_model import fitted
from cxlab.analyses.personas.forming import Study
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, listed, ratio_text

__all__ = ["drivers", "portrait"]

_NONE = "–"
_MOST_TOLD = 3


def drivers(study: Study) -> dict[str, Result]:
    """Tell what a fresh bad contact does to each persona, and whether personas differ in it.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    dict of str to Result
        ``drivers``: a row a persona: ``term, estimate`` (hazard ratio of leaving, of one fresh bad
        contact against an ordinary one, over all touchpoints that do not follow the decision to
        leave), its interval, ``p_value`` (against none), ``q_value``; ``against`` (its ratio to
        the mean of the other personas') with interval, ``against_p, against_q``; ``se`` (of the
        logarithm), ``n`` (customers with a bad contact), ``left, churns`` (who left after the
        window, and of these after a bad contact that still told), ``why`` (nothing is told).
        ``meta``: the Wald test that all are alike, and ``same_p``, the same with each touchpoint's
        own failures held equal. ``driver_touchpoints``: a row a persona and touchpoint, ``raw`` as
        estimated, ``estimate`` drawn to the mean of the persona's own. ``drivers_shown``: in words.
    """
    found = fitted(study)
    table, by_touchpoint = found.table, found.by_touchpoint
    if found.why:
        text = f"What a bad contact does to each persona cannot be told: {found.why}."
        return {"drivers": Result("drivers", table, meta=found.meta, sentence=text)}
    checks = [Check("what drivers by persona are fitted on", None, found.rows)]
    if found.meta["follows"]:
        left = f"left out, as they follow the decision to leave: {listed(found.meta['follows'])}"
        checks.append(Check("touchpoints of drivers by persona", None, left))
    parts = {
        "drivers": Result(
            "drivers", table, tuple(checks), found.meta, _sentence(table, found.meta)
        ),
        "driver_touchpoints": Result(
            "driver_touchpoints", by_touchpoint, sentence=_where(by_touchpoint)
        ),
    }
    return parts | {"drivers_shown": _shown(table, by_touchpoint)}


def _three(row: Mapping[str, Any], names: tuple[str, str, str]) -> str:
    middle, low, high = (ratio_text(float(row[n])) for n in names)
    return f"{middle} ({low} to {high})"


_RATIO, _AGAINST = ("estimate", "conf_low", "conf_high"), ("against", "against_low", "against_high")


def _sentence(table: pd.DataFrame, meta: Mapping[str, Any]) -> str:
    told = table[table["estimate"].notna()]
    if told.empty:
        return (
            "What a bad contact does to each persona cannot be told: too few of each left after "
            "one."
        )
    order = told.sort_values("estimate", ascending=False, kind="stable").to_dict("records")
    each = [f"{_three(r, _RATIO)} for “{r['term']}”" for r in order]
    text = (
        "One fresh bad contact, against an ordinary one, multiplies the daily risk of leaving by "
        f"{listed(each)}."
    )
    few = [f"“{t}”" for t in table.loc[table["estimate"].isna(), "term"]]
    if few:
        text += f" Too few left after one to tell: {listed(few)}."
    return f"{text} {_differ(told, meta)}" if len(told) > 1 else text


def _differ(told: pd.DataFrame, meta: Mapping[str, Any]) -> str:
    if not meta["p_value"] < ALPHA:
        return (
            "Nothing tells that bad contacts do more to one persona than to another; that is not "
            "to say they do the same."
        )
    text = "Personas differ in this beyond chance"
    apart = told[told["against_q"] < ALPHA]
    apart = apart.sort_values("against", ascending=False, kind="stable").to_dict("records")
    names = [f"“{r['term']}” {_three(r, _AGAINST)} times the others' mean" for r in apart]
    text += f": {listed(names, _MOST_TOLD)}." if names else ", though which of them cannot be told."
    same = meta["same_p"]
    if not np.isfinite(same):
        return f"{text} Whether that is the persona or where it fails for them cannot be told."
    if same < ALPHA:
        return f"{text} They differ with the touchpoints where it failed held equal, too."
    return (
        f"{text} With the touchpoints where it failed held equal, they cannot be told to differ: "
        "it may be the place that hurts, and not the persona that is hurt more easily."
    )


def _clear(table: pd.DataFrame) -> pd.DataFrame:
    """Give the touchpoints whose failures are told from none, corrected for all pairs."""
    return table[(table["q_value"] < ALPHA) & (table["raw"] > 1)]


def _where(table: pd.DataFrame) -> str:
    if table.empty:
        return (
            "Which touchpoint's failures cost a persona most cannot be told: too few left after "
            "failures at any one of them."
        )
    clear = _clear(table)
    if clear.empty:
        return (
            "Which touchpoint's failures cost a persona most cannot be told: of "
            f"{len(table):,} pairs of persona and touchpoint none stands out beyond chance."
        )
    lines = []
    for name, rows in clear.groupby("persona", sort=False):
        order = rows.sort_values("estimate", ascending=False, kind="stable").to_dict("records")
        said = [f"{r['touchpoint']} {_three(r, _RATIO)}" for r in order]
        lines.append(f"“{name}”: {listed(said, _MOST_TOLD)}")
    return (
        f"Failures that make leaving likelier beyond chance, by touchpoint. {'; '.join(lines)}. "
        "Hazard ratios are drawn to the mean of the persona's own, those of few contacts most; "
        "that another touchpoint is not named does not say its failures are harmless."
    )


def _shown(table: pd.DataFrame, by_touchpoint: pd.DataFrame) -> Result:
    """Tell each persona's drivers in a row."""
    clear, rows = _clear(by_touchpoint), []
    for r in table.to_dict("records"):
        known = np.isfinite(r["estimate"])
        mine = clear[clear["persona"] == r["term"]]
        mine = mine.sort_values("estimate", ascending=False, kind="stable")
        rows.append(
            {
                "persona": r["term"],
                "a bad contact: times the hazard": _three(r, _RATIO) if known else _NONE,
                "times the others' mean": _three(r, _AGAINST)
                if np.isfinite(r["against"])
                else _NONE,
                "customers with one": _count(r["n"]),
                "left after one": _count(r["churns"]),
                "failures that tell": listed(list(mine["touchpoint"]), _MOST_TOLD) or _NONE,
                "why not told": r["why"] or _NONE,
            }
        )
    shown = pd.DataFrame(rows)
    if (shown["why not told"] == _NONE).all():
        shown = shown.drop(columns="why not told")
    return Result("drivers_shown", shown)


def _count(n: float) -> str:
    return f"{n:,.0f}" if np.isfinite(n) else "withheld"


def portrait(parts: Mapping[str, Result], name: str) -> str:
    """Say in a sentence what bad contacts do to a persona; empty where nothing was looked at.

    Parameters
    ----------
    parts : mapping of str to Result
        With those of :func:`drivers`.
    name : str
        Of the persona.
    """
    table = parts["drivers"].table
    rows = table[table["term"] == name].to_dict("records")
    if not rows:
        return ""
    row = rows[0]
    if not np.isfinite(row["estimate"]):
        return "Too few left after a bad contact to tell what it does to them."
    middle, low, high = (ratio_text(float(row[n])) for n in _RATIO)
    if not (row["conf_low"] > 1 or row["conf_high"] < 1):
        return (
            f"Whether a bad contact makes them leave cannot be told (hazard ratio {middle}, 95% "
            f"interval {low} to {high})."
        )
    text = "One fresh bad contact multiplies their daily risk of leaving by "
    text += f"{middle} ({low} to {high})"
    clear = _clear(parts["driver_touchpoints"].table)
    mine = clear[clear["persona"] == name].sort_values("estimate", ascending=False, kind="stable")
    told = listed(list(mine["touchpoint"]), _MOST_TOLD)
    return f"{text}, beyond chance at {told}." if told else f"{text}."
