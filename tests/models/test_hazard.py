"""The hazard model against R, and against what must hold of any fit.

Tolerance 1e-5, relative: with a cloglog link Fisher scoring closes in by a constant factor a
step, so that a fit stopped at a gain of 1e-11 is short of the maximum by some 1e-6 of a standard
error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models import hazard
from cxlab.models.hazard import fit_hazard, independent_columns, made_of
from cxlab.models.resample import Draws

GOLDEN = Path(__file__).parents[1] / "golden"
CLOSE = 1e-5


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_matches_r_with_clustered_errors(link: str) -> None:
    # tests/golden/make_golden.R: glm(event ~ ..., binomial(link)), Mancl and DeRouen
    heart = pd.read_csv(GOLDEN / "heart.csv")
    golden = pd.read_csv(GOLDEN / "hazard.csv").query("link == @link")
    x = np.column_stack(
        [np.ones(len(heart)), heart[["age", "year", "surgery", "transplant"]].to_numpy()]
    )
    fit = fit_hazard(
        x,
        heart["event"].to_numpy(),
        offset=heart["offset"].to_numpy() if link == "logit" else 0.0,
        link=link,
        clusters=heart["id"].to_numpy(),
    )
    assert fit.converged
    np.testing.assert_allclose(fit.coef, golden["coef"], rtol=CLOSE)
    np.testing.assert_allclose(fit.se, golden["robust_se"], rtol=CLOSE)
    assert fit.log_likelihood == pytest.approx(golden["log_likelihood"].iloc[0], rel=1e-9)


def _rare(seed: int, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = np.column_stack([np.ones(rows), generator.normal(size=(rows, 3))])
    eta = -4 + x[:, 1:] @ [0.8, -0.5, 0.0]
    return x, (generator.random(rows) < 1 - np.exp(-np.exp(eta))).astype(int)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_matches_statsmodels(link: str) -> None:
    import statsmodels.api as sm

    x, y = _rare(1)
    family = sm.families.Binomial(
        sm.families.links.Logit() if link == "logit" else sm.families.links.CLogLog()
    )
    expected = sm.GLM(y, x, family=family, offset=np.full(len(y), 0.7)).fit(tol=1e-12)
    fit = fit_hazard(x, y, offset=0.7, link=link)
    np.testing.assert_allclose(fit.coef, expected.params, atol=CLOSE)
    assert fit.log_likelihood == pytest.approx(expected.llf)


def test_start_changes_nothing_but_the_way() -> None:
    x, y = _rare(2)
    cold = fit_hazard(x, y)
    warm = fit_hazard(x, y, start=np.array([-9.0, 3.0, 3.0, -3.0]))
    np.testing.assert_allclose(warm.coef, cold.coef, rtol=CLOSE, atol=CLOSE)


def test_scale_of_columns_does_not_matter() -> None:
    x, y = _rare(3)
    scaled = fit_hazard(x * [1, 1e6, 1e-6, 1], y)
    plain = fit_hazard(x, y)
    np.testing.assert_allclose(scaled.coef * [1, 1e6, 1e-6, 1], plain.coef, rtol=CLOSE, atol=1e-9)


def test_a_cluster_of_copies_is_no_new_information() -> None:
    x, y = _rare(4, 800)
    once = fit_hazard(x, y, clusters=np.arange(len(y)))
    twice = fit_hazard(np.vstack([x, x]), np.append(y, y), clusters=np.tile(np.arange(len(y)), 2))
    np.testing.assert_allclose(twice.se, once.se, rtol=CLOSE)


def test_independent_columns_keeps_the_first_of_each() -> None:
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(2, 50))
    x = np.column_stack([np.ones(50), a, 2 * a - 3, np.zeros(50), b, a + b])
    assert independent_columns(x).tolist() == [True, True, False, False, True, False]


def test_made_of_names_what_a_column_follows_from() -> None:
    generator = np.random.default_rng(5)
    a, b, c = generator.normal(size=(3, 50))
    x = np.column_stack([np.ones(50), a, b, c, a, 1000 * (a + 3 * b), c - 2])
    made = made_of(x, independent_columns(x))
    assert not made[:4].any()
    parts = [np.flatnonzero(row).tolist() for row in made[4:]]
    assert parts == [[1], [1, 2], [0, 3]]


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_weighted_rows_match_r(link: str) -> None:
    # tests/golden/make_golden.R: glm(quasibinomial(link), weights), Mancl and DeRouen
    heart = pd.read_csv(GOLDEN / "heart.csv")
    golden = pd.read_csv(GOLDEN / "weighted.csv").query("link == @link")
    terms = heart[["age", "year", "surgery", "transplant"]].to_numpy()
    fit = fit_hazard(
        np.column_stack([np.ones(len(heart)), terms]),
        heart["event"].to_numpy(),
        offset=0.7,
        link=link,
        clusters=heart["id"].to_numpy(),
        weights=0.4 + np.arange(1, len(heart) + 1) * 7 % 5 / 3,
    )
    np.testing.assert_allclose(fit.coef, golden["coef"], rtol=CLOSE)
    np.testing.assert_allclose(fit.se, golden["robust_se"], rtol=CLOSE)


def test_a_row_of_weight_two_is_two_rows_of_one_customer_and_one_of_none_is_away() -> None:
    x, event = _rare(6, 1500)
    weight = np.random.default_rng(2).integers(0, 3, len(x))
    customer = np.arange(len(x)) // 3
    fit = fit_hazard(x, event, weights=weight, clusters=customer)
    again = np.repeat(np.arange(len(x)), weight)
    whole = fit_hazard(x[again], event[again], clusters=customer[again])
    np.testing.assert_allclose(fit.coef, whole.coef, rtol=CLOSE)
    assert fit.log_likelihood == pytest.approx(whole.log_likelihood)


def _many(seed: int, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x, event = _rare(seed, rows)
    return x, event, generator.integers(0, rows // 4, rows)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_threads_change_not_one_digit(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, event, customer = _many(7)
    monkeypatch.setattr(hazard, "_MOST_ROWS", 512)
    monkeypatch.setattr(hazard, "_GATHERED", 512)
    alone = fit_hazard(x, event, link=link, clusters=customer)
    covariance = alone.covariance
    monkeypatch.setattr(hazard, "_LEAST_SHARED", 0)
    for threads in (1, 2, 5):
        monkeypatch.setattr(hazard.os, "cpu_count", lambda threads=threads: threads)
        shared = fit_hazard(x, event, link=link, clusters=customer)
        np.testing.assert_array_equal(shared.coef, alone.coef)
        np.testing.assert_array_equal(shared.covariance, covariance)
        assert shared.log_likelihood == alone.log_likelihood


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_blocks_of_any_size_give_one_answer(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, event, customer = _many(8, 6000)
    _, customer = np.unique(customer, return_inverse=True)
    draws = Draws(customer.max() + 1, 5, seed=1)

    def fitted() -> list[np.ndarray]:
        fit = fit_hazard(x, event, offset=0.3, link=link, clusters=customer)
        return [fit.coef, fit.covariance, *fit.replicates(draws)]

    monkeypatch.setattr(hazard, "_MOST_ROWS", 10**6)
    monkeypatch.setattr(hazard, "_GATHERED", 10**6)
    whole = fitted()
    monkeypatch.setattr(hazard, "_MOST_ROWS", 97)
    monkeypatch.setattr(hazard, "_GATHERED", 61)
    for parts, expected in zip(fitted(), whole, strict=True):
        np.testing.assert_allclose(parts, expected, rtol=1e-9, atol=1e-12)


def test_covariates_are_written_over_only_where_that_is_allowed() -> None:
    x, event = _rare(9)
    before = x.copy()
    kept = fit_hazard(x, event)
    np.testing.assert_array_equal(x, before)
    again = fit_hazard(x, event, overwrite=True)
    assert not np.array_equal(x, before)
    np.testing.assert_array_equal(again.coef, kept.coef)
    np.testing.assert_array_equal(again.covariance, kept.covariance)


def test_independent_columns_of_many_rows_are_those_of_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hazard, "_MANY_ROWS", 100)
    generator = np.random.default_rng(5)
    a, b = generator.normal(size=(2, 400))
    seldom = np.zeros(400)
    seldom[[1, 9, 203]] = 1.0  # in none of the rows that are looked at first
    x = np.column_stack([np.ones(400), a, seldom, b])
    assert independent_columns(x).all()
    assert independent_columns(np.column_stack([x, a - 2 * b])).tolist() == [True] * 4 + [False]
    # Weights of zero leave a column without any variation.
    weights = 1.0 - seldom
    assert independent_columns(x, weights=weights).tolist() == [True, True, False, True]


@pytest.mark.parametrize("per_event", [2, 10])
def test_sampling_cost_is_how_much_wider_than_all_rows_a_sample_is(per_event: int) -> None:
    generator = np.random.default_rng(11)
    periods = 400_000
    busy = generator.normal(size=periods)
    failed = generator.binomial(3, 0.1 + 0.1 * (busy > 0), periods)
    x = np.column_stack([np.ones(periods), busy, failed])
    event = generator.random(periods) < -np.expm1(-np.exp(-6.0 + 0.3 * busy + 0.8 * failed))
    full = fit_hazard(x, event, link="cloglog")
    assert full.sampling_cost is None
    observed, told = [], []
    for _ in range(8):
        base = generator.choice(periods, per_event * int(event.sum()), replace=False)
        rows = np.append(np.flatnonzero(event), base)
        left = np.arange(len(rows)) < event.sum()
        # A period may be drawn as an event and as a base row: these are of one customer.
        fit = fit_hazard(x[rows], left, offset=np.log(periods / len(base)), clusters=rows)
        observed.append(fit.se / full.se)
        told.append(fit.sampling_cost)
    # Of the covariates: nobody asks how wide the constant's interval is.
    wider, expected = (np.mean(each, axis=0)[1:] - 1 for each in (told, observed))
    assert expected.max() > (0.4 if per_event == 2 else 0.1)
    np.testing.assert_allclose(wider, expected, rtol=0.2)


def test_another_ridge_gives_what_a_fit_of_its_own_does() -> None:
    x, event = _rare(seed=4)
    weights = np.random.default_rng(4).uniform(0.5, 2.0, len(x))
    first = fit_hazard(x, event, weights=weights, ridge=400.0)
    second = first.with_ridge(4.0)
    alone = fit_hazard(x, event, weights=weights, ridge=4.0, start=first.coef)
    assert np.array_equal(second.coef, alone.coef)
    assert second.log_likelihood == alone.log_likelihood > first.log_likelihood
