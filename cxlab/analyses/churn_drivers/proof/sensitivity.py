"""How strong must a hidden confounder be, and do effects change with tenure?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.proof.told import nothing, told
from cxlab.analyses.churn_drivers.study import MAIN, Model, Place, Study
from cxlab.models import contrast, intervals
from cxlab.models.sensitivity import e_value, e_value_of_limit, moderated
from cxlab.models.verdicts import ALPHA, LEAST_FACTOR
from cxlab.results import Check, Result, counted, listed

__all__ = ["by_tenure", "e_values"]

_E_VALUES = (
    *("touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high"),
    *("e_value", "e_value_limit", "n"),
)
_TENURE = (
    *(
        "touchpoint",
        "valence",
        "days_short",
        "days_long",
        "hazard_ratio_short",
        "conf_low_short",
        "conf_high_short",
    ),
    *("hazard_ratio_long", "conf_low_long", "conf_high_long", "p_value", "p_holm", "changes", "n"),
)
# One column for so many churns, as in the driver model.
_EVENTS_PER_COLUMN = 5
_QUARTERS = (0.25, 0.75)
# A ratio beyond it says no more than that.
_TELLING = 100


def e_values(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Tell how strong a hidden confounder would have to be to explain each driver away.

    Whoever comes into contact is held equal by the contrast; what remains is a confounder of
    how the contact turned out and of leaving. Leaving on a given day is rare, so that a hazard
    ratio is read as a risk ratio.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a driver or protective contrast: the E-values of its hazard ratio and of the
        limit of its interval nearer 1 (VanderWeele and Ding 2017).
    """
    found = told(study, model, table)
    found = found[found["verdict"].isin(["driver", "protective"])].reset_index(drop=True)
    if found.empty:
        return nothing("e_values", _E_VALUES, "There is no driver to be explained away.")
    made = found.assign(
        e_value=e_value(found["hazard_ratio"].to_numpy()),
        e_value_limit=e_value_of_limit(found["conf_low"].to_numpy(), found["conf_high"].to_numpy()),
    )
    first, weakest = made.iloc[0], made.loc[made["e_value_limit"].idxmin()]
    alone, limit = (_ratio(first[c]) for c in ("e_value", "e_value_limit"))
    text = (
        f"To explain {first['touchpoint']} away, something not held equal would have to make "
        f"{'failed' if first['valence'] == 'bad' else 'good'} contacts {alone} times as likely "
        f"and leaving {alone} times as likely; to move its interval to none, {limit} times each."
    )
    if weakest["touchpoint"] != first["touchpoint"]:
        text += (
            f" The least would do for {weakest['touchpoint']}: {_ratio(weakest['e_value'])} times "
            f"each, or {_ratio(weakest['e_value_limit'])} times to move its interval."
        )
    return Result("e_values", made[list(_E_VALUES)], sentence=text)


def _ratio(value: float) -> str:
    return f"{value:.1f}" if value < _TELLING else f"more than {_TELLING}"


def by_tenure(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Let each contrast change with tenure, and test whether it does.

    All contrasts at once: beside the model's columns, each bad sum and the contacts at its
    touchpoint times the centred log of one plus tenure; half-lives held. Proportional hazards
    means that none changes. Touchpoints that follow the decision are left out.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a contrast: its hazard ratio at a short and at a long tenure (the quartiles of
        those who left with such contacts behind them, by their weight: where nobody had any,
        the line would run far beyond what was seen), the robust Wald test's p-value, Holm's over
        the contrasts, and whether it changes: by 1.5-fold or more, and by more than chance.
        Figures are empty where churns are too few for further columns.
    """
    found = told(study, model, table)
    found = found[found["home"] == MAIN].reset_index(drop=True)
    if found.empty:
        return nothing("by_tenure", _TENURE, "There is no contrast that could change with tenure.")
    main, decayed = model.fits[MAIN], study.sums(model.measured, "decay")
    places = list(main.coef)
    tested = _affordable(found, main, study.risk.events)
    if not tested:
        why = "Too few customers left to see whether effects change with tenure."
        return nothing("by_tenure", _TENURE, why)
    beside = [("all", k) for k in dict.fromkeys(k for _, k in tested)]
    logs = np.log1p(study.sample.rows["tenure"].to_numpy())
    left = study.plain.event == 1
    ends = np.array([_quartiles(logs[left], decayed[c][left, k]) for c, k in tested])
    middle = float(logs[left].mean())
    fitted = moderated(
        model.rows,
        contrast.stack(decayed, places),
        [places.index(p) for p in tested],
        [places.index(p) for p in beside],
        logs - middle,
        main.whole,
    )
    made = pd.DataFrame({"place": tested, "p_value": fitted.p_value})
    for name, at in zip(("short", "long"), ends.T, strict=True):
        figures = fitted.at(at - middle) | {"days": np.round(np.expm1(at))}
        made = made.assign(**{f"{column}_{name}": value for column, value in figures.items()})
    made["p_holm"] = intervals.holm(made["p_value"].to_numpy())
    factor = np.abs(fitted.slope * (ends[:, 1] - ends[:, 0]))
    made["changes"] = (made["p_holm"] < ALPHA) & (factor >= np.log(LEAST_FACTOR))
    made = found[["touchpoint", "valence", "place", "driver", "n"]].merge(made, "left", "place")
    made["changes"] = made["changes"].eq(True)
    return Result(
        "by_tenure",
        made[list(_TENURE)],
        checks=(_check(made),),
        sentence=_sentence(made),
    )


def _quartiles(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order])
    return np.interp(np.array(_QUARTERS) * share[-1], share, values[order])


def _affordable(found: pd.DataFrame, main: contrast.Contrasts, events: int) -> list[Place]:
    """Choose the contrasts to test: drivers first, as many as there are churns for."""
    order = found.sort_values("driver", ascending=False, kind="stable")["place"]
    budget = events // _EVENTS_PER_COLUMN - main.columns
    chosen: list[Place] = []
    for place in order:
        width = len(chosen) + len({k for _, k in (*chosen, place)}) + 1
        if width <= budget:
            chosen.append(place)
    return chosen


def _check(made: pd.DataFrame) -> Check:
    name = "proportional hazards"
    tested = made[made["p_value"].notna()]
    left = len(made) - len(tested)
    text = f"of {counted(len(tested), 'contrast')} tested, {int(tested['changes'].sum())} "
    text += f"change with tenure ({LEAST_FACTOR:g}-fold or more, Holm's p < {ALPHA})"
    if len(tested):
        first = tested.loc[tested["p_value"].idxmin()]
        text += f"; the clearest is {first['touchpoint']} (p = {first['p_holm']:.2g} after Holm)"
    if left:
        text += f"; for {left} churns are too few to test"
    return Check(name, not tested["changes"].any() if len(tested) else None, text)


def _sentence(made: pd.DataFrame) -> str:
    changing = made[made["changes"]]
    if changing.empty:
        tested = made["p_value"].notna().sum()
        return (
            f"No effect is seen to change with tenure ({counted(int(tested), 'contrast')} tested): "
            "one hazard ratio serves new and old customers."
        )
    told_of = [
        f"{r.touchpoint} from {_ratio(r.hazard_ratio_short)} ({r.days_short:,.0f} days after the "
        f"start) to {_ratio(r.hazard_ratio_long)} (after {r.days_long:,.0f} days)"
        for r in changing.itertuples()
    ]
    return (
        f"The effect changes with tenure: the hazard ratio goes at {listed(told_of)}. The driver "
        "table gives the mean."
    )
