from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.stats.oneway import anova_oneway

from cxlab.models.linear import clustered, random_intercepts, welch
from cxlab.models.ordinal import levels, ordinal_logit

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = pd.read_csv(GOLDEN / "satisfaction_data.csv")
WHO = DATA["who"].to_numpy() - 1
X, Y = DATA[["a", "b"]].to_numpy(float), DATA["score"].to_numpy(float)
ONE = np.column_stack([np.ones(len(X)), X])
# polr and lme stop at a tolerance of their own; least squares does not.
CLOSE, ITERATED = 1e-9, 2e-4


def golden(what: str) -> pd.DataFrame:
    table = pd.read_csv(GOLDEN / "satisfaction.csv")
    return table[table["what"] == what].set_index("term")


def test_least_squares_against_r() -> None:
    fit = clustered(ONE, Y, WHO)
    np.testing.assert_allclose(fit.estimate, golden("lm")["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(fit.se, golden("lm")["se"], rtol=CLOSE)
    assert fit.customers == 80


def test_what_cannot_be_told_apart_has_no_slope() -> None:
    fit = clustered(np.column_stack([ONE, X[:, 0], np.zeros(len(X))]), Y, WHO)
    assert np.isnan(fit.estimate[[1, 3, 4]]).all()
    assert fit.estimate[2] == pytest.approx(golden("lm").loc["b", "estimate"], rel=1e-6)


def test_equal_means_against_statsmodels() -> None:
    draw = np.random.default_rng(1)
    groups = [draw.normal(0.2 * i, 1 + i, 8 + 5 * i) for i in range(4)]
    se = np.array([g.std(ddof=1) / np.sqrt(len(g)) for g in groups])
    ours = welch(np.array([g.mean() for g in groups]), se, np.array([len(g) - 1 for g in groups]))
    assert ours == pytest.approx(anova_oneway(groups, use_var="unequal").pvalue, rel=1e-9)


def test_few_who_carry_a_slope_leave_few_degrees_of_freedom() -> None:
    draw = np.random.default_rng(2)
    n, who = 1000, np.arange(1000)
    rare = (who < 8).astype(float)
    fit = clustered(
        np.column_stack([np.ones(n), draw.normal(size=n), rare]), draw.normal(size=n), who
    )
    assert fit.df[2] == pytest.approx(7, abs=0.5)
    assert fit.df[1] == pytest.approx(n / 3, rel=0.15)  # a normal column: by its kurtosis
    # One customer's rows are one, however many they are.
    twice = clustered(ONE[:, :2], Y, np.zeros(len(Y), int))
    assert twice.df[1] == 1


def test_groups_with_rare_ratings_raise_no_more_alarms_than_they_should() -> None:
    """In each of three groups of 60 about nine rate otherwise; nothing differs."""
    alarms, worlds = 0, 400
    for seed in range(worlds):
        draw = np.random.default_rng(seed)
        told = []
        for _ in range(3):
            x = np.column_stack([np.ones(60), draw.random(60) < 0.15, draw.normal(size=60)])
            fit = clustered(x, draw.normal(size=60), np.arange(60))
            told.append((fit.estimate[1], fit.se[1], fit.df[1]))
        alarms += welch(*np.array(told).T) < 0.05
    # 20 are expected; 33 and more would be at 1 in 300.
    assert alarms <= 33


def test_ordinal_logit_against_r() -> None:
    fit = ordinal_logit(X, levels(Y), WHO)
    expected = golden("polr")
    assert fit.converged
    np.testing.assert_allclose(fit.estimate, expected["estimate"][:2], rtol=ITERATED)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.classical)), expected["se"][:2], rtol=ITERATED)
    np.testing.assert_allclose(fit.thresholds, expected["estimate"][2:], rtol=ITERATED)


def test_ordinal_logit_against_statsmodels() -> None:
    fit = ordinal_logit(X, levels(Y), WHO)
    theirs = OrderedModel(Y.astype(int), X, distr="logit").fit(method="newton", disp=0)
    np.testing.assert_allclose(fit.estimate, theirs.params[:2], rtol=1e-6)


def test_of_two_levels_it_is_the_logit_with_errors_by_customer() -> None:
    fit = ordinal_logit(X, levels(Y > 3), WHO)
    np.testing.assert_allclose(fit.estimate, golden("logit")["estimate"], rtol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), golden("logit")["se"], rtol=1e-6)


def test_a_rating_that_tells_the_outcome_outright_is_noticed() -> None:
    x = np.arange(40.0)[:, None]
    assert not ordinal_logit(x, levels(x[:, 0] > 19), np.arange(40)).converged


def test_fine_scales_are_cut_into_tenths() -> None:
    fine = levels(np.random.default_rng(1).uniform(0, 100, 500))
    assert set(np.bincount(fine)) == {50}
    assert levels(np.array([3.0, 1, 3, 7])).tolist() == [1, 0, 1, 2]
    # Nearly all at one end of a fine scale: still numbered without a gap.
    skew = levels(np.concatenate([np.full(300, 100.0), np.arange(30.0)]))
    assert np.bincount(skew).min() > 0


def test_random_intercepts_against_r() -> None:
    fit, expected = random_intercepts(ONE, Y, WHO), golden("lme")
    np.testing.assert_allclose(fit.estimate, expected["estimate"][:3], rtol=ITERATED)
    np.testing.assert_allclose(fit.se, expected["se"][:3], rtol=ITERATED)
    assert fit.between == pytest.approx(expected.loc["between", "estimate"], rel=ITERATED)
    assert fit.within == pytest.approx(expected.loc["within", "estimate"], rel=ITERATED)


def test_random_intercepts_against_statsmodels() -> None:
    theirs = sm.MixedLM(Y, ONE, WHO).fit()
    fit = random_intercepts(ONE, Y, WHO)
    np.testing.assert_allclose(fit.estimate, theirs.fe_params, rtol=ITERATED)
    assert fit.between**2 == pytest.approx(theirs.cov_re[0, 0], rel=1e-3)


def test_random_intercepts_where_customers_do_not_differ() -> None:
    draw = np.random.default_rng(1)
    y = ONE @ [1, 0.5, 0.2] + draw.normal(size=len(X))
    y -= pd.Series(y).groupby(WHO).transform("mean").to_numpy() * 0.8
    fit = random_intercepts(ONE, y, WHO)
    assert fit.correlation < 0.01
    np.testing.assert_allclose(fit.estimate, clustered(ONE, y, WHO).estimate, rtol=1e-3)
