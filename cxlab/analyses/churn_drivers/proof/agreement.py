"""Do other methods say the same of the same rows?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.proof.told import QUICK, nothing, told
from cxlab.analyses.churn_drivers.study import MAIN, Model, Study
from cxlab.models import contrast
from cxlab.models.agreement import (
    cox_by_period,
    fit_penalised,
    permutation_importance,
    thinned,
)
from cxlab.results import Check, Result, counted, listed

__all__ = ["METHODS", "agreement"]

METHODS = ("model", "cox", "ridge on contacts", "ridge on all", "importance")
"""The methods compared, the driver model first."""

# Out of sample, fewer churns tell nothing.
_LEAST_CHURNS = 50
# How many leading contrasts are compared where none is a driver.
_LEADING = 3
# Cox compares within a day and takes no months: that moves an estimate by a quarter of its
# standard error or so (METHODS.md).
_COX_WITHIN = 1.0
_COLUMNS = (
    *("touchpoint", "valence", "verdict", "model", "cox", "cox_se"),
    *("ridge_on_contacts", "ridge_on_all", "importance", "importance_se"),
    *("same_direction", "among_leading", "n"),
)


def agreement(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Estimate the contrasts by four other methods, on the model's own rows.

    Cox's partial likelihood by calendar period (lifelines), logistic regression with a ridge
    on the contact terms alone and with a ridge on everything, each as strong as customers held
    out want it (scikit-learn), and permutation importance on customers held out. Half-lives and
    separation are the model's; touchpoints that follow the decision are left out.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    Result
        One row a contrast: log hazard ratios by each method; ``importance``, the log
        likelihood lost on customers held out when the contrast is shuffled, with its standard
        error by customer; ``same_direction``, how many of the four methods with a sign have
        that of most; ``among_leading``, in how many of the five it is among the leading (as
        many as there are drivers, else three), by the size of a standard deviation's effect,
        or importance.
    """
    found = told(study, model, table)
    found = found[found["home"] == MAIN].reset_index(drop=True)
    if study.options.quick or found.empty:
        why = QUICK if study.options.quick else "There is no contrast to compare methods by."
        return nothing("agreement", _COLUMNS, why)
    churned = len(np.unique(study.plain.clusters[study.plain.event == 1]))
    if churned < _LEAST_CHURNS:
        why = (
            f"{counted(churned, 'customer')} who left are too few to compare methods by: "
            f"{_LEAST_CHURNS} are wanted."
        )
        return nothing("agreement", _COLUMNS, why)
    made = _estimated(study, model, found)
    leading = int(found["driver"].sum()) or _LEADING
    signs = np.sign(made[["model", "cox", "ridge_on_contacts", "ridge_on_all"]].to_numpy())
    made["same_direction"] = np.fmax((signs > 0).sum(axis=1), (signs < 0).sum(axis=1))
    spread = made.pop("spread").to_numpy()
    sizes = made[["model", "cox", "ridge_on_contacts", "ridge_on_all"]].abs().mul(spread, axis=0)
    ranks = sizes.assign(importance=made["importance"]).rank(ascending=False, na_option="bottom")
    made["among_leading"] = (ranks <= leading).sum(axis=1)
    drivers = made[found["driver"]]
    return Result(
        "agreement",
        made[list(_COLUMNS)],
        checks=(_with_cox(made, found["se"].to_numpy()), _with_all(drivers)),
        meta={"methods": list(METHODS), "leading": leading},
        sentence=_sentence(drivers, leading),
    )


def _estimated(study: Study, model: Model, found: pd.DataFrame) -> pd.DataFrame:
    """Give each contrast by each method, and the spread of its exposure."""
    main, rows = model.fits[MAIN], model.rows
    decayed = study.sums(model.measured, "decay")
    places = [p for p, b in main.coef.items() if np.isfinite(b)]
    columns = contrast.stack(decayed, places)
    at = [places.index(p) for p in found["place"]]
    start = study.sample.rows["start"].to_numpy()
    cox, cox_se = cox_by_period(rows, columns, start, study.options.seed)
    kept = thinned(rows.event, study.options.seed)
    columns, contacts = columns[kept], decayed["all"][kept]
    x = np.hstack([rows.controls[kept, 1:], columns])  # without the constant
    skip = rows.controls.shape[1] - 1
    shrunk = np.zeros(x.shape[1], dtype=bool)
    shrunk[skip:] = [kind not in contrast.JUDGED for kind, _ in places]
    outcome = rows.event[kept], rows.clusters[kept]
    standing = rows.standing[kept]
    standing /= standing[standing > 0].mean()
    weights = np.where(rows.event[kept] == 1, 1.0, standing)
    some = fit_penalised(x, *outcome, shrunk, weights=weights)
    every = fit_penalised(x, *outcome, np.ones(x.shape[1], dtype=bool), weights=weights)
    generator = np.random.default_rng(study.options.seed)
    importance = [
        permutation_importance(
            some, skip + i, columns[:, i], contacts[:, places[i][1]], *outcome, generator
        )
        for i in at
    ]
    spread = np.sqrt(np.diag(np.atleast_2d(np.cov(columns[:, at].T, aweights=standing, ddof=0))))
    return pd.DataFrame(
        {
            "touchpoint": found["touchpoint"],
            "valence": found["valence"],
            "verdict": found["verdict"],
            "model": [main.coef[p] for p in found["place"]],
            "cox": cox[at],
            "cox_se": cox_se[at],
            "ridge_on_contacts": some.coef[skip:][at],
            "ridge_on_all": every.coef[skip:][at],
            "importance": [loss for loss, _ in importance],
            "importance_se": [se for _, se in importance],
            "n": found["n"],
            "spread": spread,
        }
    )


def _with_cox(made: pd.DataFrame, se: np.ndarray) -> Check:
    """Check that Cox's model gives the same estimates."""
    name = "agreement with Cox"
    apart = ((made["cox"] - made["model"]) / se).abs()
    if apart.isna().all():
        return Check(name, False, "Cox's model could not be fitted to these rows")
    worst = int(apart.fillna(-1).argmax())
    text = (
        f"lifelines' Cox model of the same rows, compared within each day, differs by at most "
        f"{apart.max():.2f} standard errors ({made['touchpoint'].iloc[worst]}), by "
        f"{apart.median():.2f} in the middle; at most {_COX_WITHIN:g} is wanted"
    )
    if missing := int(apart.isna().sum()):
        text += f"; {counted(missing, 'contrast')} cannot be estimated within days"
    return Check(name, bool(apart.max() <= _COX_WITHIN), text)


def _doubted(drivers: pd.DataFrame) -> pd.DataFrame:
    """Give the drivers that a method sees otherwise, or that most do not put among the leading."""
    few = drivers["among_leading"] <= len(METHODS) / 2
    return drivers[(drivers["same_direction"] < len(METHODS) - 1) | few]


def _with_all(drivers: pd.DataFrame) -> Check:
    name = "agreement of methods"
    if drivers.empty:
        return Check(name, None, "there is no driver to agree on")
    doubted = _doubted(drivers)
    if doubted.empty:
        text = "every driver has the same direction by all methods, and most have it in the lead"
        return Check(name, True, text)
    lines = [
        f"{r.touchpoint}: the same direction by {r.same_direction} of {len(METHODS) - 1}, in the "
        f"lead by {r.among_leading} of {len(METHODS)}"
        for r in doubted.itertuples()
    ]
    return Check(name, False, "; ".join(lines))


def _sentence(drivers: pd.DataFrame, leading: int) -> str:
    if drivers.empty:
        return "There is no driver to agree on; the table shows what each method makes of it."
    doubted = _doubted(drivers)
    settled = len(drivers) - len(doubted)
    text = (
        f"Of {counted(len(drivers), 'driver')}, {settled} {'is' if settled == 1 else 'are'} found "
        f"in the same direction by four other ways of estimating, and by most of them among the "
        f"{leading} leading."
    )
    if len(doubted):
        text += f" Methods disagree about {listed(doubted['touchpoint'])}."
    return text
