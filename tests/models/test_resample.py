"""Customers drawn anew: one Newton step against whole refits."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models import resample
from cxlab.models.hazard import fit_hazard
from cxlab.models.resample import Draws, rank_spread, top_probability


def test_weights_keep_the_number_of_customers() -> None:
    everyone = np.arange(500)
    weights = Draws(500, 40, seed=3).of(everyone)
    np.testing.assert_allclose(weights.mean(axis=1), 1.0)
    # Exponential: the standard deviation is the mean.
    assert weights.std() == pytest.approx(1.0, abs=0.03)
    np.testing.assert_array_equal(weights, Draws(500, 40, seed=3).of(everyone))
    assert not np.array_equal(weights, Draws(500, 40, seed=4).of(everyone))


def test_sums_are_of_the_weights_of_all_blocks_of_customers() -> None:
    customers = 40_000  # more than two blocks
    draws = Draws(customers, 9, seed=5)
    weights = draws.of(np.arange(customers))
    values = np.random.default_rng(1).normal(size=(customers, 3))
    np.testing.assert_allclose(draws.sums(values), weights @ values)
    some = draws.only(np.array([7, 2]))
    assert len(some) == 2
    np.testing.assert_allclose(some.sums(values), (weights @ values)[[7, 2]])
    np.testing.assert_array_equal(
        some.of(np.array([3, 39_000, 3])), weights[[7, 2]][:, [3, 39_000, 3]]
    )
    # No two blocks are drawn alike.
    assert abs(np.corrcoef(weights[0, :16_384], weights[0, 16_384:32_768])[0, 1]) < 0.05


def test_weights_that_are_not_kept_are_drawn_the_same_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    customers = np.array([0, 17_000, 19_999])
    kept = Draws(20_000, 30, seed=8).of(customers)
    monkeypatch.setattr(resample, "_MOST_KEPT", 0)
    monkeypatch.setattr(resample, "_AT_ONCE", 2**15)  # two replicates at once
    np.testing.assert_array_equal(Draws(20_000, 30, seed=8).of(customers), kept)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_one_step_is_close_to_a_weighted_refit(link: str) -> None:
    import statsmodels.api as sm

    generator = np.random.default_rng(5)
    customers = np.repeat(np.arange(1500), 4)
    x = np.column_stack([np.ones(6000), generator.normal(size=(6000, 2))])
    y = (generator.random(6000) < -np.expm1(-np.exp(-2.5 + x[:, 1] * 0.6))).astype(int)
    draws = Draws(1500, 6, seed=1)
    weights = draws.of(np.arange(1500))
    fit = fit_hazard(x, y, link=link, clusters=customers)
    coef, log_likelihood = fit.replicates(draws)
    kind = sm.families.links.Logit() if link == "logit" else sm.families.links.CLogLog()
    for w, b, value in zip(weights, coef, log_likelihood, strict=True):
        family = sm.families.Binomial(kind)
        whole = sm.GLM(y, x, family=family, freq_weights=w[customers]).fit(tol=1e-10)
        # One step from the estimate is off by the square of a change of one standard error.
        np.testing.assert_allclose(b, whole.params, atol=0.3 * fit.se.max())
        assert value == pytest.approx(whole.llf, abs=1.0)
    spread = fit.replicates(Draws(1500, 2000, seed=2))[0].std(axis=0)
    np.testing.assert_allclose(spread, fit.se, rtol=0.06)


def test_ranks_and_how_sure_they_are() -> None:
    generator = np.random.default_rng(9)
    costs = generator.normal([10.0, 9.8, 5.0, 0.0], [1.0, 1.0, 0.3, 0.3], (4000, 4))
    np.testing.assert_array_equal(top_probability(costs), [1.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(top_probability(costs[:, :2]), [1.0, 1.0])
    low, high, above = rank_spread(costs, 0.95)
    assert (low.tolist(), high.tolist()) == ([1, 1, 3, 4], [2, 2, 3, 4])
    # P(N(0.2, sqrt 2) > 0) = 0.556
    assert above[0, 1] == pytest.approx(0.556, abs=0.025)
    assert above[0, 1] + above[1, 0] == 1.0
