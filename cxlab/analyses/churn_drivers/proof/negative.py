"""Negative controls: where there is nothing to find, is nothing found?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special
from tqdm import tqdm

from cxlab.analyses.churn_drivers.proof.told import QUICK, nothing, told
from cxlab.analyses.churn_drivers.study import (
    MAIN,
    Model,
    Place,
    Study,
    hold,
    measure_decayed,
    studied,
)
from cxlab.frames.exposures import Measured
from cxlab.frames.placebo import pairs
from cxlab.models import contrast, intervals
from cxlab.models.sensitivity import pooled_factor
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Check, Result, counted, listed

__all__ = ["involuntary_ends", "placebo_outcomes"]

_PLACEBOS = 20
_LEAST_ENDS = 30
# Weekly pages: a check that holds must not fail once in twenty weeks.
_ALARM = 0.01
_DRAWN = ("placebo", "touchpoint", "valence", "estimate", "se", "p_value")
_PLACEBO = ("touchpoint", "valence", "model_z", "largest_placebo_z", "below_05", "placebos")
_INVOLUNTARY = (
    *("touchpoint", "valence", "verdict", "estimate", "se", "hazard_ratio"),
    *("conf_low", "conf_high", "p_value", "q_value", "n"),
)


def placebo_outcomes(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Refit the contrasts with which contacts are bad shuffled, within each touchpoint.

    Nothing is left to find: of the p-values, one in twenty should be below 0.05. Half-lives,
    separation and what is adjusted for stay the model's.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a contrast: its ``model_z`` (half-life taken as known), the largest of its
        placebos' absolute z, and how many of them had p < 0.05. The part ``replicates`` has
        every placebo's estimate.
    """
    found = told(study, model, table)
    found = found[found["home"] == MAIN].reset_index(drop=True)
    if study.options.quick or found.empty:
        why = QUICK if study.options.quick else "There is no contrast to shuffle."
        return nothing("placebo_outcomes", _PLACEBO, why)
    drawn = _replicates(study, model, found)
    if drawn.empty:
        why = "With outcomes shuffled, too few of those who left have bad contacts to fit to."
        return nothing("placebo_outcomes", _PLACEBO, why)
    held = contrast.fit_contrasts(
        model.rows,
        study.sums(model.measured, "decay"),
        list(model.fits[MAIN].coef),
        start=model.fits[MAIN].whole,
    )
    drawn["z"] = (drawn["estimate"] / drawn["se"]).abs()
    drawn["low"] = drawn["p_value"] < ALPHA
    by = drawn.groupby(["touchpoint", "valence"], sort=False)
    made = by.agg(
        largest_placebo_z=("z", "max"), below_05=("low", "sum"), placebos=("low", "size")
    ).reset_index()
    made = found[["touchpoint", "valence", "place", "driver"]].merge(made, how="left")
    made["model_z"] = [held.z(p) for p in made["place"]]
    low, total = int(drawn["low"].sum()), len(drawn)
    share = intervals.wilson(low, total)
    return Result(
        "placebo_outcomes",
        made[list(_PLACEBO)],
        checks=(_placebo_check(low, total),),
        meta={"placebos": _PLACEBOS, "share": share[0], "low": share[1], "high": share[2]},
        sentence=_placebo_sentence(made, drawn, share),
        parts={"replicates": Result("placebo_replicates", drawn[list(_DRAWN)])},
    )


def _replicates(study: Study, model: Model, found: pd.DataFrame) -> pd.DataFrame:
    """Fit every placebo, and give its contrasts."""
    generator = np.random.default_rng(study.options.seed)
    washout = study.options.washout_days
    behind = pairs(study.dataset, study.known, study.sample.rows, washout, generator)
    main, rows = model.fits[MAIN], _some(model.rows, behind.rows)
    last = main
    contact = {"all": model.measured["decay", "all"][behind.rows]}
    every = np.ones(len(model.days), dtype=bool)
    drawn = []
    for number in tqdm(range(_PLACEBOS), desc="placebo outcomes", leave=False, disable=None):
        sums = contact | behind.sums(model.days, behind.shuffled(generator))
        able = contrast.choose_places(sums, rows.event, every)
        places = [p for p in main.coef if p in able]
        if not places:
            continue
        # Contrasts start from nothing, all else from the placebo before.
        begin = [0.0 if p[0] in contrast.JUDGED else last.coef.get(p, 0.0) for p in places]
        start = np.append(last.controls, begin)
        last = fitted = contrast.fit_contrasts(rows, sums, places, start=start)
        told_of = found[[p in fitted.coef for p in found["place"]]]
        part = told_of[["touchpoint", "valence"]].assign(
            placebo=number,
            estimate=[fitted.coef[p] for p in told_of["place"]],
            se=[fitted.se[p] for p in told_of["place"]],
        )
        drawn.append(part)
    if not drawn:
        return pd.DataFrame(columns=list(_DRAWN))
    every_one = pd.concat(drawn, ignore_index=True).dropna(subset=["estimate", "se"])
    return every_one.assign(p_value=intervals.wald_p(every_one["estimate"], every_one["se"]))


def _some(rows: contrast.Rows, kept: np.ndarray) -> contrast.Rows:
    """Give some of the rows."""
    if len(kept) == len(rows.event):
        return rows
    return replace(
        rows,
        event=rows.event[kept],
        controls=rows.controls[kept],
        clusters=np.unique(rows.clusters[kept], return_inverse=True)[1],
    )


def _placebo_check(low: int, total: int) -> Check:
    share, conf_low, conf_high = intervals.wilson(low, total)
    text = (
        f"with outcomes shuffled {_PLACEBOS} times, {low} of {total} p-values are below {ALPHA} "
        f"({share:.1%}, 95% interval {conf_low:.1%} to {conf_high:.1%}; {ALPHA:.0%} is wanted)"
    )
    # Too few false alarms only make the answers cautious.
    worse = float(special.bdtrc(low - 1, total, ALPHA)) if low else 1.0  # at least so many
    return Check("placebo outcomes", bool(worse >= _ALARM), text)


def _placebo_sentence(
    made: pd.DataFrame, drawn: pd.DataFrame, share: tuple[float, float, float]
) -> str:
    text = (
        f"When it is shuffled which contacts failed, so that there is nothing to find, "
        f"{share[0]:.1%} of {counted(len(drawn), 'contrast')} seem to matter (p < {ALPHA}); "
        f"{ALPHA:.0%} would by chance."
    )
    drivers = made[made["driver"]]
    if drivers.empty:
        return text
    weakest, strongest = drivers["model_z"].abs().min(), drawn["z"].max()
    return (
        f"{text} The strongest shuffled effect has z = {strongest:.1f}, the weakest driver "
        f"z = {weakest:.1f}."
    )


def involuntary_ends(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Fit the same exposures to ends that customers did not choose: nothing should drive them.

    A negative control outcome (Lipsitch, Tchetgen Tchetgen and Cohen 2010): who fails more and
    leaves more for a common reason, such as being a neglected customer, may well have a card
    that fails more too.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a contrast that the involuntary ends can carry: log hazard ratio of an
        involuntary end (half-life taken as known), ``n`` of those with such a contact behind
        them. The check pools the drivers: how many times the model's effects involuntary ends
        show.
    """
    name = "involuntary_ends"
    found = told(study, model, table)
    found = found[found["home"] == MAIN].reset_index(drop=True)
    ends = study.risk.competing
    if study.options.quick or found.empty or ends < _LEAST_ENDS:
        why = "There is no contrast to look at."
        if study.options.quick:
            why = QUICK
        elif ends < _LEAST_ENDS:
            why = (
                f"There are {counted(ends, 'end')} that customers did not choose; "
                f"{_LEAST_ENDS} are needed to see that nothing drives them."
            )
        return nothing(name, _INVOLUNTARY, why)
    other = _other_end(study, model)
    held = hold(other, model.separated)
    rows, decayed = held.rows, other.sums(_at_half_lives(other, model), "decay")
    places = [p for p in held.places if p in model.fits[MAIN].coef]
    made = _estimated(rows, decayed, places, found)
    main, drivers = model.fits[MAIN], list(found.loc[found["driver"], "place"])
    effects = {p: main.coef[p] for p in drivers}
    beside = [("all", k) for k in sorted({k for _, k in drivers})]
    factor = pooled_factor(rows, decayed, effects, beside) if drivers else (np.nan, np.nan)
    return Result(
        name,
        made[list(_INVOLUNTARY)],
        checks=(_involuntary_check(made, factor, ends),),
        meta={"ends": ends, "factor": factor[0], "factor_se": factor[1]},
        sentence=_involuntary_sentence(made, factor, ends),
    )


def _other_end(study: Study, model: Model) -> Study:
    """Give the study of involuntary ends: voluntary ones censor."""
    # A card fails on any day, whatever the renewals.
    risk = study.risk.swapped()
    options = replace(study.options, sample="auto")
    return studied(study.dataset, options, risk, study.known, (model.half_life.days,))


def _at_half_lives(other: Study, model: Model) -> Measured:
    """Give the exposures at the model's half-lives."""
    if not model.own:
        return {
            ("decay", c): other.grid[f"decay_{model.half_life.days:g}", c] for c in other.classes
        }
    washout = other.options.washout_days
    return measure_decayed(other, model.days, other.sample.rows, washout, decay={})


def _estimated(
    rows: contrast.Rows, decayed: dict[str, np.ndarray], places: list[Place], found: pd.DataFrame
) -> pd.DataFrame:
    """Give the contrasts that these ends can carry."""
    able = found[[p in places for p in found["place"]]]
    made = able[["touchpoint", "valence", "verdict"]].assign(estimate=np.nan, se=np.nan)
    if len(able):
        fitted = contrast.fit_contrasts(rows, decayed, places)
        made["estimate"] = [fitted.coef[p] for p in able["place"]]
        made["se"] = [fitted.se[p] for p in able["place"]]
    ended = rows.event == 1
    made["n"] = [int((decayed[c][ended, k] > 0).sum()) for c, k in able["place"]]
    # A column that follows from the others has no figures.
    made = made.dropna(subset=["estimate", "se"]).reset_index(drop=True)
    made["p_value"] = intervals.wald_p(made["estimate"], made["se"])
    made["q_value"] = intervals.benjamini_hochberg(made["p_value"].to_numpy())
    return made.assign(**intervals.hazard_ratios(made["estimate"], made["se"]))


def _found_there(made: pd.DataFrame, factor: tuple[float, float]) -> list[str]:
    """Name what seems to matter for ends that nobody chose."""
    named = list(made.loc[made["q_value"] < ALPHA, "touchpoint"])
    pooled = intervals.wald_p(*np.array([factor]).T)[0] < _ALARM
    return named + (["the drivers together"] if pooled else [])


def _told(made: pd.DataFrame, factor: tuple[float, float]) -> tuple[str, bool]:
    """Say what the ends show, and whether that is enough to tell none from the full effect."""
    if not np.isfinite(factor[0]):
        return f"{counted(len(made), 'contrast')} could be fitted to them", len(made) > 0
    low, high = (factor[0] + way * intervals.Z * factor[1] for way in (-1, 1))
    shown = f"{factor[0]:.2f} times the drivers' effects (95% interval {low:.2f} to {high:.2f})"
    return f"they show {shown.replace('-', MINUS)}", low > 0 or high < 1


def _involuntary_check(made: pd.DataFrame, factor: tuple[float, float], ends: int) -> Check:
    name, there = "involuntary ends", _found_there(made, factor)
    shown, enough = _told(made, factor)
    text = f"{counted(ends, 'end')} that customers did not choose: {shown}"
    if there:
        return Check(name, False, f"{text}; {listed(there)} should not matter there")
    if not enough:
        return Check(name, None, f"{text}; too few to tell none from the full effect")
    return Check(name, True, text)


def _involuntary_sentence(made: pd.DataFrame, factor: tuple[float, float], ends: int) -> str:
    shown, enough = _told(made, factor)
    text = (
        f"Failed contacts should not drive the {counted(ends, 'end')} that customers did not "
        f"choose: {shown}."
    )
    if there := _found_there(made, factor):
        return (
            f"{text} But {listed(there)} seem{'s' if len(there) == 1 else ''} to matter: who has "
            "more failed contacts may differ in other ways as well."
        )
    if not enough:
        return f"{text} That is too few to tell none from the full effect."
    return f"{text} Nothing can be told from none, as it should be."
