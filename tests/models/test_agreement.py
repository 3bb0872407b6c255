"""Other methods against cxlab's own Cox fit, a plain minimiser, and simulated truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from cxlab.models import agreement
from cxlab.models.agreement import cox_by_period, fit_penalised, permutation_importance
from cxlab.models.contrast import Rows
from cxlab.models.cox import fit_cox

TRUE = np.array([0.3, 0.8, 0.0])


def _cohort(seed: int, customers: int = 3000, days: int = 40) -> tuple[Rows, np.ndarray, ...]:
    """Every customer-day until leaving; the hazard differs by day, and by three columns."""
    generator = np.random.default_rng(seed)
    daily = generator.normal(-5.0, 0.5, days)
    x = generator.normal(size=(customers, days, 3)).clip(-2, 2)
    hazard = np.exp(daily + x @ TRUE)
    left = generator.random((customers, days)) < 1 - np.exp(-hazard)
    there = np.cumsum(left, axis=1) - left == 0
    who, day = np.nonzero(there)
    controls = np.column_stack([np.ones(len(who)), day >= 20])  # a month: the same for a day
    rows = Rows(left[there].astype(int), controls, who, np.zeros(len(who)), "cloglog")
    return rows, x[there], day.astype(float)


def test_cox_within_days_is_cox_with_a_stratum_a_churn() -> None:
    rows, x, day = _cohort(1, 400)
    coef, se = cox_by_period(rows, x, day + 100)
    # Each churn beside the day's base rows, as strata of a fit that is checked against R.
    cases = np.flatnonzero(rows.event)
    sets = [np.append(i, np.flatnonzero((day == day[i]) & (rows.event == 0))) for i in cases]
    which = np.concatenate(sets)
    stratum = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    event = np.concatenate([np.eye(1, len(s))[0] for s in sets])
    names = list("abc")
    terms = pd.DataFrame(x[which], columns=names)
    own = fit_cox(terms, np.ones(len(which)), event, stratum).table.set_index("term")
    np.testing.assert_allclose(coef, own.loc[names, "estimate"], atol=1e-3)
    np.testing.assert_allclose(se, own.loc[names, "se"], rtol=1e-3)


def test_cox_on_a_sample_of_the_days_at_risk_needs_no_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, x, day = _cohort(2, 1500)
    coef, se = cox_by_period(rows, x, day)
    # Four standard errors of this one world.
    assert (np.abs(coef - TRUE) < 4 * se).all()
    monkeypatch.setattr(agreement, "_MOST_ROWS", 12 * int(rows.event.sum()))
    parts = [cox_by_period(rows, x, day, seed)[0] for seed in range(8)]
    # A dozen base rows a churn add a tenth or so to the variance, and no bias: the mean of
    # eight samples is within four of its own standard errors.
    spread = np.std(parts, axis=0, ddof=1)
    assert (spread < 0.6 * se).all()
    assert (np.abs(np.mean(parts, axis=0) - coef) < 4 * spread / np.sqrt(8)).all()


def _drawn(rows: Rows, x: np.ndarray, seed: int) -> tuple[Rows, np.ndarray]:
    """Draw about twelve base rows a churn, nine times as many where the second column is high."""
    generator = np.random.default_rng(seed)
    intensity = np.where(x[:, 1] > 1, 9.0, 1.0)
    intensity *= 12 * rows.event.mean() / intensity.mean()
    base = np.flatnonzero(generator.random(len(x)) < intensity)
    chosen = np.append(np.flatnonzero(rows.event), base)
    event = np.repeat([1, 0], [int(rows.event.sum()), len(base)])
    offset = -np.log(intensity[chosen])
    return Rows(event, rows.controls[chosen], rows.clusters[chosen], offset, "logit"), chosen


def test_rows_drawn_with_different_intensities_say_the_same() -> None:
    """Of Cox's model and of the logistic regression, where the intensity hangs on a column."""
    rows, x, day = _cohort(4, 1500)
    coef, se = cox_by_period(rows, x, day)
    free = np.zeros(3, bool)
    whole = fit_penalised(x, rows.event, rows.clusters, free, [1.0]).coef
    found = []
    for seed in range(8):
        some, chosen = _drawn(rows, x, seed)
        cox, cox_se = cox_by_period(some, x[chosen], day[chosen])
        weights = np.where(some.event == 1, 1.0, some.standing)
        given = (x[chosen], some.event, some.clusters, free, [1.0])
        logistic = fit_penalised(*given, weights).coef
        found.append([cox - coef, logistic - whole, cox_se])
    bias, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    assert (np.abs(bias[:2]) < 4 * spread[:2] / np.sqrt(8) + 0.01).all()
    # The width told is that of a sample: wider than with all rows, by what sampling adds.
    assert (bias[2] > se).all()
    assert bias[2] == pytest.approx(np.sqrt(se**2 + spread[0] ** 2), rel=0.1)
    # Without their intensities, rows would be found to prevent what they were drawn for.
    some, chosen = _drawn(rows, x, 0)
    naive = replace(some, offset=np.zeros(len(chosen)))
    assert cox_by_period(naive, x[chosen], day[chosen])[0][1] < coef[1] - 4 * se[1]


def test_what_a_day_shares_has_no_estimate_and_spoils_none() -> None:
    rows, x, day = _cohort(3, 800)
    plain = cox_by_period(rows, x, day)
    both = cox_by_period(rows, np.column_stack([x, np.sin(day), x[:, 0]]), day)
    np.testing.assert_allclose(both[0][:3], plain[0], atol=1e-6)
    assert np.isnan(both[0][3:]).all()
    assert np.isnan(both[1][3:]).all()


def test_a_fit_that_fails_gives_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    from lifelines import CoxTimeVaryingFitter
    from lifelines.exceptions import ConvergenceError

    def fail(*args: object, **kwargs: object) -> None:
        raise ConvergenceError("no")

    monkeypatch.setattr(CoxTimeVaryingFitter, "fit", fail)
    rows, x, day = _cohort(3, 300)
    coef, se = cox_by_period(rows, x, day)
    assert coef.shape == se.shape == (3,)
    assert np.isnan(coef).all()


def _customers(seed: int, effects: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(3000, len(effects))) * 2.0 ** np.arange(len(effects))
    eta = -2.0 + x / 2.0 ** np.arange(len(effects)) @ effects
    event = (generator.random(len(x)) < 1 / (1 + np.exp(-eta))).astype(int)
    return x, event, np.arange(len(x)) // 3


def test_the_ridge_is_that_of_a_plain_minimiser() -> None:
    x, event, clusters = _customers(1, [0.8, 0.0, 0.3, 0.0])
    shrunk = np.array([True, True, False, True])
    found = fit_penalised(x, event, clusters, shrunk, [0.1])
    unit, prior = x.std(axis=0), np.where(shrunk, 0.1, 10.0)

    def loss(b: np.ndarray) -> float:
        eta = b[0] + (x / unit) @ b[1:]
        own = np.sum(np.logaddexp(0, eta) - event * eta)
        return float(own + np.sum(np.square(b[1:] / prior)) / 2)

    best = optimize.minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-4}).x
    np.testing.assert_allclose(found.coef, best[1:] / unit, atol=1e-4)


def test_customers_held_out_choose_the_penalty() -> None:
    noise = _customers(2, [0.0] * 12)
    strong = _customers(2, [0.8, -0.8, 0.7, 0.9])
    weak, hard = (fit_penalised(*w, np.ones(w[0].shape[1], bool)) for w in (strong, noise))
    assert hard.prior_sd == min(agreement.PRIOR_SDS)
    assert weak.prior_sd == max(agreement.PRIOR_SDS)
    clusters = noise[2]
    for customer in (0, 17, 998):
        assert len(set(hard.fold[clusters == customer])) == 1
    assert set(hard.fold) == set(range(agreement.FOLDS))


def test_no_row_is_in_the_fit_that_predicts_it() -> None:
    x, event, clusters = _customers(3, [0.5, 0.0])
    found = fit_penalised(x, event, clusters, np.zeros(2, bool), [1.0])
    turned = event.copy()
    turned[clusters == 5] = 1 - event[clusters == 5]
    again = fit_penalised(x, turned, clusters, np.zeros(2, bool), [1.0])
    own = found.fold[clusters == 5][0]
    # In order of the folds: the first is fitted from nothing, later ones from there.
    np.testing.assert_allclose(again.by_fold[own], found.by_fold[own], atol=1e-5)
    others = [f for f in range(agreement.FOLDS) if f != own]
    assert (np.abs(again.by_fold[others] - found.by_fold[others]) > 1e-4).any()


def _contacts(seed: int) -> tuple[np.ndarray, ...]:
    """Two touchpoints alike; bad contacts at the first one matter."""
    generator = np.random.default_rng(seed)
    contact = generator.poisson(1.0, (8000, 2)) * generator.uniform(0.2, 1.0, (8000, 2))
    bad = contact * (generator.random((8000, 2)) < 0.3)
    eta = -2.5 + 0.3 * contact.sum(1) + 1.0 * bad[:, 0]
    event = (generator.random(8000) < 1 / (1 + np.exp(-eta))).astype(int)
    return contact, bad, event, np.arange(8000) // 4


def test_importance_tells_what_matters_from_what_does_not() -> None:
    found = []
    for seed in range(12):
        contact, bad, event, clusters = _contacts(seed)
        x = np.hstack([contact, bad])
        fitted = fit_penalised(x, event, clusters, np.zeros(4, bool), [1.0])
        draw = np.random.default_rng(seed)
        found.append(
            [
                permutation_importance(
                    fitted, 2 + k, bad[:, k], contact[:, k], event, clusters, draw
                )
                for k in (0, 1)
            ]
        )
    loss, se = np.moveaxis(np.array(found), 2, 0)
    assert (loss[:, 0] > 4 * se[:, 0]).all()
    assert (np.abs(loss[:, 1]) < 4 * se[:, 1]).all()
    assert loss[:, 0].min() > 10 * np.abs(loss[:, 1]).max()


def test_importance_keeps_contact_as_it_was() -> None:
    contact, bad, event, clusters = _contacts(1)
    x = np.hstack([contact, bad])
    fitted = fit_penalised(x, event, clusters, np.zeros(4, bool), [1.0])
    given = (event, clusters, np.random.default_rng(0))
    # Where all contacts turn out the same way there is nothing to shuffle.
    assert permutation_importance(fitted, 2, contact[:, 0], contact[:, 0], *given)[0] == 0
    assert permutation_importance(fitted, 2, 0 * bad[:, 0], 0 * bad[:, 0], *given) == (0, 0)
