"""The contrasts by other methods, on the same rows.

Cox's partial likelihood by lifelines, penalised logistic regression by scikit-learn with the
penalty chosen by customers held out, and permutation importance on customers held out. None
of these is cxlab's own fit: where they agree, the answer does not hang on how it was fitted.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.models.contrast import RIDGE, Rows
from cxlab.models.hazard import independent_columns

__all__ = [
    "FOLDS",
    "PRIOR_SDS",
    "Penalised",
    "cox_by_period",
    "fit_penalised",
    "permutation_importance",
    "thinned",
]

FOLDS = 5
# Prior standard deviations of coefficients of columns scaled to one: from hardly any effect
# (a hazard ratio of 1.1 for two standard deviations) to hardly any penalty.
PRIOR_SDS = (0.05, 0.2, 0.8)
_UNPENALISED_SD = RIDGE**-0.5
# Beyond so many base rows more of them would cost time and tell little.
_MOST_ROWS = 60_000
_LEVELS = 5


def cox_by_period(
    rows: Rows, columns: np.ndarray, start: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Fit Cox's model on calendar time, each row an interval of one period.

    Each churn is compared with the base rows of its period, so that months and whatever else
    all customers share then is in the baseline hazard. A sample of the rows at risk is one of
    each risk set; in the sum over it each row, the churn's own too, weighs the reciprocal of the
    intensity with which it is drawn (Langholz and Goldstein 1996), which is a partial likelihood,
    so that the inverse of its information holds. Where all are drawn alike it is the plain
    one (Thomas 1977; Goldstein and Langholz 1992). Churns of one period are kept out of each
    other's risk sets: they are a large share of so small a sample, and would draw estimates
    towards none.

    Parameters
    ----------
    rows : Rows
        The rows; their controls are adjusted for.
    columns : ndarray, shape (n, p)
        The exposures.
    start : ndarray, shape (n,)
        When each row's period starts, in days.
    seed : int
        Of the base rows that are left out where there are more than 60,000.

    Returns
    -------
    coef, se : ndarray, shape (p,)
        Log hazard ratios of the exposures and their standard errors, from the inverse of the
        information; NaN where they cannot be estimated.
    """
    from lifelines import CoxTimeVaryingFitter
    from lifelines.exceptions import ConvergenceError

    chosen = thinned(rows.event, seed)
    x = np.hstack([rows.controls[chosen], columns[chosen]])
    period = np.unique(start[chosen], return_inverse=True)[1]
    within = x - pd.DataFrame(x).groupby(period).transform("mean").to_numpy()
    # What a period shares leaves only rounding behind.
    within[:, np.abs(within).max(axis=0) < 1e-9 * np.abs(x).max(axis=0)] = 0.0
    keep = np.flatnonzero(independent_columns(within))
    frame = pd.DataFrame(x[:, keep], columns=[f"x{j}" for j in keep])
    event, weight = rows.event[chosen], np.exp(rows.offset[chosen] - rows.offset[chosen].min())
    begin, stop = _intervals(period, event)
    # No risk set reaches beyond its period. Told so, the fit looks for each one there alone, so
    # that its time grows with the rows and not with their square.
    frame = frame.assign(start=begin, stop=stop, event=event, period=period, weight=weight)
    # A churn counts once as such, and with the rest of its weight among those at risk.
    rest = frame[(event == 1) & (weight > 1 + 1e-9)]
    rest = rest.assign(event=0, weight=rest["weight"] - 1)
    frame.loc[event == 1, "weight"] = 1.0
    frame = pd.concat([frame, rest], ignore_index=True)
    frame["row"] = frame.index
    coef, se = np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    fitter = CoxTimeVaryingFitter(penalizer=RIDGE / len(frame))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of columns with little variation, judged above
            fitter.fit(
                frame, id_col="row", event_col="event", strata="period", weights_col="weight"
            )
    except (ConvergenceError, np.linalg.LinAlgError):
        return coef[rows.controls.shape[1] :], se[rows.controls.shape[1] :]
    coef[keep], se[keep] = fitter.params_.to_numpy(), fitter.standard_errors_.to_numpy()
    return coef[rows.controls.shape[1] :], se[rows.controls.shape[1] :]


def _intervals(period: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let base rows be at risk all their period, and each churn in a part of its own."""
    order = pd.Series(event).groupby(period).cumsum().to_numpy() * event
    parts = np.bincount(period, weights=event)[period] + 1
    begin = np.where(event == 1, period + order / parts - 0.5 / parts, period)
    stop = np.where(event == 1, period + order / parts, period + 1)
    return begin.astype(float), stop.astype(float)


def thinned(event: np.ndarray, seed: int = 0) -> np.ndarray:
    """Choose all churns and at most 60,000 (or two a churn) of the other rows, at random.

    Parameters
    ----------
    event : ndarray, shape (n,)
        0 or 1.
    seed : int
        Of the draw.

    Returns
    -------
    ndarray of int
        Which rows, in order. Log hazard ratios are the same in them; the constant is not.
    """
    cases, base = np.flatnonzero(event == 1), np.flatnonzero(event == 0)
    most = max(_MOST_ROWS, 2 * len(cases))
    if len(base) > most:
        base = np.random.default_rng(seed).choice(base, most, replace=False)
    return np.sort(np.concatenate([cases, base]))


@dataclass(frozen=True)
class Penalised:
    """A penalised logistic fit, and those of the folds that chose its penalty.

    Parameters
    ----------
    coef : ndarray, shape (p,)
        Log odds ratios (of a rare event: log hazard ratios), on the columns' own scale.
    prior_sd : float
        The prior standard deviation chosen, of penalised columns scaled to one.
    fold : ndarray of int, shape (n,)
        In which fold each row was held out.
    eta : ndarray, shape (n,)
        Each row's linear predictor by the fit without its fold.
    weights : ndarray, shape (n,)
        Of the rows.
    by_fold : ndarray, shape (folds, p)
        The coefficients of the fit without each fold.
    """

    coef: np.ndarray
    prior_sd: float
    fold: np.ndarray
    eta: np.ndarray
    weights: np.ndarray
    by_fold: np.ndarray


def fit_penalised(
    x: np.ndarray,
    event: np.ndarray,
    clusters: np.ndarray,
    penalised: np.ndarray,
    prior_sds: Sequence[float] = PRIOR_SDS,
    weights: np.ndarray | None = None,
) -> Penalised:
    """Fit a logistic regression with a ridge on some columns, its strength by cross-validation.

    A ridge is a normal prior with mean zero (Hoerl and Kennard 1970; le Cessie and van
    Houwelingen 1992). Customers are kept whole: none is in the fit that predicts them.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Columns without the constant.
    event : ndarray, shape (n,)
        0 or 1.
    clusters : ndarray of int, shape (n,)
        The customer of each row.
    penalised : ndarray of bool, shape (p,)
        Which columns are shrunk; the others have a prior standard deviation of 10.
    prior_sds : sequence of float
        The prior standard deviations to choose from, for columns scaled to one.
    weights : ndarray, shape (n,), optional
        Of the rows (default: 1 each).
    """
    from sklearn.model_selection import GroupKFold

    weights = np.ones(len(x)) if weights is None else weights
    spread = x.std(axis=0)
    unit = np.where(spread > 0, spread, 1.0)
    scaled = x / unit
    fold = np.zeros(len(x), dtype=int)
    for number, (_, held) in enumerate(GroupKFold(FOLDS).split(x, groups=clusters)):
        fold[held] = number
    found, constant, coef = [], 0.0, np.zeros(x.shape[1])
    for sd in prior_sds:
        prior = np.where(penalised, sd, _UNPENALISED_SD)
        eta, by_fold = np.zeros(len(x)), np.zeros((FOLDS, x.shape[1]))
        for number in range(FOLDS):
            held = fold == number
            # From the fit before: they hardly differ.
            data = scaled[~held], event[~held], weights[~held]
            constant, coef = _logistic(*data, prior, constant, coef)
            eta[held] = constant + scaled[held] @ coef
            by_fold[number] = coef
        found.append((float(weights @ _log_likelihood(eta, event)), sd, eta, by_fold))
    _, sd, eta, by_fold = max(found, key=lambda f: f[0])
    prior = np.where(penalised, sd, _UNPENALISED_SD)
    _, coef = _logistic(scaled, event, weights, prior, constant, coef)
    return Penalised(coef / unit, sd, fold, eta, weights, by_fold / unit)


def _logistic(
    x: np.ndarray,
    event: np.ndarray,
    weights: np.ndarray,
    prior: np.ndarray,
    constant: float,
    coef: np.ndarray,
) -> tuple[float, np.ndarray]:
    """Fit with a normal prior on each coefficient; give the constant and the coefficients."""
    from sklearn.linear_model import LogisticRegression

    # Its ridge is the same for all columns: a column times its prior sd has the prior sd 1.
    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-5, warm_start=True)
    model.coef_, model.intercept_ = (coef / prior)[None], np.array([constant])
    model.fit(x * prior, event, weights)
    return float(model.intercept_[0]), model.coef_[0] * prior


def _log_likelihood(eta: np.ndarray, event: np.ndarray) -> np.ndarray:
    return np.asarray(event * eta - np.logaddexp(0.0, eta))


def permutation_importance(
    fitted: Penalised,
    column: int,
    bad: np.ndarray,
    contact: np.ndarray,
    event: np.ndarray,
    clusters: np.ndarray,
    generator: np.random.Generator,
    repeats: int = 10,
) -> tuple[float, float]:
    """Tell what is lost on customers held out when a touchpoint's bad contacts are shuffled.

    Permutation importance (Breiman 2001; Fisher, Rudin and Dominici 2019) of a contrast: the
    share of bad among a row's contacts is shuffled among rows with about as many contacts of
    about the same age (fifths of ``contact``), so that contact itself stays as it was.

    Parameters
    ----------
    fitted : Penalised
        The fits without each fold.
    column : int
        The contrast's column in them.
    bad, contact : ndarray, shape (n,)
        Decayed sums of the touchpoint's bad contacts and of all its contacts.
    event, clusters : ndarray, shape (n,)
        As given to :func:`fit_penalised`.
    generator : numpy.random.Generator
        Of the shuffles.
    repeats : int
        How many shuffles are averaged.

    Returns
    -------
    loss, se : float
        The log likelihood lost, over all rows, and its standard error by customer, the fits
        taken as given; zeros without contacts.
    """
    met = np.flatnonzero(contact > 0)
    if not len(met):
        return 0.0, 0.0
    share = bad[met] / contact[met]
    level = np.searchsorted(
        np.quantile(contact[met], np.arange(1, _LEVELS) / _LEVELS), contact[met]
    )
    stratum = fitted.fold[met] * _LEVELS + level
    slope = fitted.by_fold[fitted.fold[met], column]
    place = np.argsort(stratum, kind="stable")
    before = _log_likelihood(fitted.eta[met], event[met])
    lost = np.zeros(len(met))
    for _ in range(repeats):
        shuffled = np.empty(len(met))
        shuffled[place] = share[np.lexsort((generator.random(len(met)), stratum))]
        eta = fitted.eta[met] + slope * (shuffled - share) * contact[met]
        lost += (before - _log_likelihood(eta, event[met])) * fitted.weights[met] / repeats
    customers = np.bincount(clusters[met], weights=lost, minlength=int(clusters.max()) + 1)
    return float(lost.sum()), float(np.sqrt(len(customers)) * customers.std(ddof=1))
