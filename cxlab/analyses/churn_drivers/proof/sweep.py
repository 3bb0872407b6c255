"""Do the effects hold up when the last days before a row are left out?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.analyses.churn_drivers.proof.told import QUICK, nothing, told
from cxlab.analyses.churn_drivers.study import MAIN, Model, Place, Study, measure_decayed
from cxlab.models import contrast, intervals
from cxlab.models.sensitivity import pooled_factor
from cxlab.results import MINUS, Check, Result, listed

__all__ = ["WASHOUTS", "washout_sweep"]

WASHOUTS = (0, 3, 7, 14, 30, 60)
# Which of them the sentence and the check go by, and how much must be left of an effect there.
# Beyond it the figures tell of the half-life: an effect of 21 days read as one of 31 shows half
# as strong in contacts two months old.
_TELLING, _LEAST_LEFT = 14, 0.5
_COLUMNS = (
    *("touchpoint", "valence", "washout_days", "estimate", "se"),
    *("hazard_ratio", "conf_low", "conf_high", "n", "expected"),
)
_POOLED = ("washout_days", "estimate", "se", "conf_low", "conf_high", "n")


def washout_sweep(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Refit the contrasts with the contacts of ever more days before each row left out.

    Age still counts from the contact, so that an effect that fades as the model says keeps its
    coefficient. Half-lives, separation and what is adjusted for stay the model's; touchpoints
    that follow the decision to leave are left out.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a contrast and washout: ``estimate`` and ``se`` (of the log hazard ratio; the
        half-life taken as known), ``n`` (churns with such a contact behind them), ``expected``
        (the model's hazard ratio); figures are empty where the data cannot carry the column.
        The part ``pooled`` has one factor a washout for all drivers together: how many times
        the model's effects they show.
    """
    found = told(study, model, table)
    found = found[found["home"] == MAIN]
    if study.options.quick or found.empty:
        why = QUICK if study.options.quick else "There is no contrast to follow."
        return nothing("washout_sweep", _COLUMNS, why)
    drivers = list(found.loc[found["driver"], "place"])
    event = study.plain.event
    rows, pooled = [], []
    washouts = sorted({*WASHOUTS, study.options.washout_days})
    for washout in tqdm(washouts, desc="washout sweep", leave=False, disable=None):
        measured = model.measured
        if washout != study.options.washout_days:
            measured = measure_decayed(study, model.days, study.sample.rows, washout, decay={})
        decayed = study.sums(measured, "decay")
        coef, se = _refitted(model, decayed)
        for row in found.itertuples():
            kind, k = row.place
            n = int((decayed[kind][event == 1, k] > 0).sum())
            figures = coef.get(row.place, np.nan), se.get(row.place, np.nan)
            rows.append((row.touchpoint, row.valence, washout, *figures, n, row.hazard_ratio))
        if drivers:
            met = np.any([decayed[c][:, k] > 0 for c, k in drivers], axis=0)
            pooled.append((washout, *_factor(model, decayed, drivers), int(met @ event)))
    made = pd.DataFrame(rows, columns=[*_COLUMNS[:5], "n", "expected"])
    made = made.assign(**intervals.hazard_ratios(made["estimate"], made["se"]))
    together = pd.DataFrame(pooled, columns=["washout_days", "estimate", "se", "n"])
    reach = intervals.Z * together["se"]
    together["conf_low"] = together["estimate"] - reach
    together["conf_high"] = together["estimate"] + reach
    return Result(
        "washout_sweep",
        made[list(_COLUMNS)],
        checks=(_check(together),),
        meta={"washout_days": study.options.washout_days},
        sentence=_sentence(made, together, found),
        parts={"pooled": _pooled(together)},
    )


def _carried(model: Model, decayed: dict[str, np.ndarray]) -> list[Place]:
    """Give the model's columns that the data can still carry."""
    every = np.ones(len(model.days), dtype=bool)
    able = contrast.choose_places(decayed, model.rows.event, every)
    return [p for p in model.fits[MAIN].coef if p in able]


def _refitted(
    model: Model, decayed: dict[str, np.ndarray]
) -> tuple[dict[Place, float], dict[Place, float]]:
    """Give the contrasts and their standard errors, half-lives held."""
    main, places = model.fits[MAIN], _carried(model, decayed)
    if not places:
        return {}, {}
    start = np.append(main.controls, [main.coef[p] for p in places])
    fitted = contrast.fit_contrasts(model.rows, decayed, places, start=start)
    return fitted.coef, fitted.se


def _factor(
    model: Model, decayed: dict[str, np.ndarray], drivers: list[Place]
) -> tuple[float, float]:
    """Scale the model's effects of all drivers by one factor; give it and its standard error."""
    main, places = model.fits[MAIN], _carried(model, decayed)
    mine = [p for p in drivers if p in places]
    rest = [p for p in places if p not in mine]
    if not mine:
        return np.nan, np.nan
    start = np.append(main.controls, [main.coef[p] for p in rest])
    return pooled_factor(model.rows, decayed, {p: main.coef[p] for p in mine}, rest, start)


def _pooled(together: pd.DataFrame) -> Result:
    text = "There is no driver to pool." if together.empty else ""
    return Result("washout_sweep_pooled", together[list(_POOLED)], sentence=text)


def _check(pooled: pd.DataFrame) -> Check:
    name = "washout sweep"
    seen = pooled[(pooled["washout_days"] == _TELLING) & pooled["estimate"].notna()]
    if seen.empty:
        return Check(name, None, "there is no driver whose effect could vanish")
    factor, low, high = seen[["estimate", "conf_low", "conf_high"]].iloc[0]
    text = (
        f"without the contacts of the last {_TELLING} days, drivers show {factor:.2f} times the "
        f"model's effect (95% interval {low:.2f} to {high:.2f})"
    )
    return Check(name, not (factor < _LEAST_LEFT and high < 1), text.replace("-", MINUS))


def _sentence(made: pd.DataFrame, pooled: pd.DataFrame, found: pd.DataFrame) -> str:
    drivers = found[found["driver"]]
    if drivers.empty:
        return (
            "There is no driver here; the table shows what the others' figures would be with more "
            "or fewer of the last days left out."
        )
    seen = pooled[(pooled["washout_days"] == _TELLING) & pooled["estimate"].notna()]
    if seen.empty:
        return f"Too few contacts are older than {_TELLING} days to tell whether effects last."
    factor, low, high = seen[["estimate", "conf_low", "conf_high"]].iloc[0]
    text = (
        f"Without the contacts of the last {_TELLING} days, "
        f"{'the driver shows' if len(drivers) == 1 else f'the {len(drivers)} drivers show'} "
        f"{factor:.2f} times the effect that the model gives (95% interval {low:.2f} to "
        f"{high:.2f}). An effect that is there only because customers had already decided to "
        "leave would be gone; with more days left out, the figures tell rather how fast effects "
        "fade."
    ).replace("-", MINUS)
    at = made[made["washout_days"] == _TELLING].merge(drivers[["touchpoint", "valence"]])
    left = at["estimate"] / np.log(at["expected"])
    if len(weak := at[(left < _LEAST_LEFT) & (at["conf_high"] < at["expected"])]):
        verb = "keeps" if len(weak) == 1 else "keep"
        text += f" Taken alone, {listed(weak['touchpoint'])} {verb} less than half."
    return text
