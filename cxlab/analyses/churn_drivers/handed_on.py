"""The fitted model handed on: every churn, what had led up to it, and how sure the effects are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers import figures
from cxlab.analyses.churn_drivers.study import Model, Place, Study, measure_decayed
from cxlab.frames.bad_before import bad_before
from cxlab.models.scenario import Basis

__all__ = ["made"]

_BAD = "bad"


def made(study: Study, model: Model, table: pd.DataFrame) -> Basis:
    """Describe the churns that were seen, as plain arrays.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table with verdicts, before it is put in order.

    Returns
    -------
    Basis
    """
    position = np.flatnonzero(study.sample.rows["event"] == 1)
    rows = study.sample.rows.iloc[position].reset_index(drop=True)
    spells = study.risk.of(rows["spell"].to_numpy())
    left, step = figures.occasions_left(study.risk, spells)
    baseline, part = _before(study, model, rows, position)
    churn, touchpoint, age = bad_before(study.dataset, study.known, rows)
    coef, usable, covariance = _effects(study, model, table)
    return Basis(
        touchpoints=tuple(study.known.touchpoints),
        coef=coef,
        usable=usable,
        covariance=covariance,
        half_life=_half_lives(model),
        group=np.array([model.group(k) for k in range(len(coef))], dtype=int),
        at=rows["start"].to_numpy(float),
        middle=rows["mid"].to_numpy(float),
        baseline=baseline,
        part=part,
        step=study.options.period_days * step.astype(float),
        left=left,
        customer=rows["who"].to_numpy(int),
        value=figures.value_of(spells),
        churn=churn,
        touchpoint=touchpoint,
        age=age,
        begin=float(study.risk.begin),
        end=float(study.risk.end),
    )


def _half_lives(model: Model) -> np.ndarray:
    return np.array([model.half_life.days, *(h.days for h in model.own.values())])


def _before(
    study: Study, model: Model, rows: pd.DataFrame, position: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give each churn's log hazard without exposures, and what these added, by half-life."""
    part = np.zeros((len(rows), 1 + len(model.own)))
    fitted = model.main
    if fitted is None:
        # No touchpoint in the model of all: what is adjusted for tells the hazard.
        alone = model.rows.fit(np.zeros((len(model.rows.event), 0)))
        return alone.fit.eta[position] - model.rows.offset[position], part
    # The effect is there from the contact on, so the washout does not hold here.
    measured = measure_decayed(study, model.days, rows, 0.0, decay={})
    for (kind, k), coef in fitted.coef.items():
        part[:, model.group(k)] += np.nan_to_num(coef) * measured["decay", kind][:, k]
    return fitted.baseline[position], part


def _effects(
    study: Study, model: Model, table: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the contrasts of bad contacts, which may be counted, and their covariance."""
    count, groups = len(study.known.touchpoints), 1 + len(model.own)
    coef, usable = np.zeros(count), np.zeros(count, dtype=bool)
    joint = np.zeros((count + groups, count + groups))
    for row in table[table["valence"] == _BAD].itertuples():
        fitted, k = model.of(row.place), row.place[1]
        if fitted is None or not figures.counted(row) or not np.isfinite(row.coef):
            continue
        coef[k], usable[k] = row.coef, True
        with_log, of_log = fitted.slopes[row.place]
        at = count + model.group(k)
        joint[k, k], joint[k, at], joint[at, k] = row.se**2, with_log, with_log
        # Of one half-life the fits tell nearly the same: that of all others is kept.
        if model.home(row.place) == figures.MAIN or joint[at, at] == 0:
            joint[at, at] = of_log
    _between(model, joint, usable)
    return coef, usable, joint


def _between(model: Model, joint: np.ndarray, usable: np.ndarray) -> None:
    """Put in how the contrasts of the model of all go together; of others nothing is known."""
    fitted = model.main
    if fitted is None:
        return
    places: list[Place] = list(fitted.coef)
    mine = [i for i, (kind, k) in enumerate(places)
            if kind == _BAD and usable[k] and k not in model.fits]  # fmt: skip
    names = [places[i][1] for i in mine]
    joint[np.ix_(names, names)] = np.nan_to_num(fitted.covariance[np.ix_(mine, mine)])
