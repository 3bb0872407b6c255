"""E-values against published ones; changing effects and factors against statsmodels and truth."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.contrast import Rows
from cxlab.models.sensitivity import e_value, e_value_of_limit, moderated, pooled_factor


@pytest.mark.parametrize(
    ("ratio", "published"),
    [
        # VanderWeele and Ding (2017): Victora et al. 1987 on breastfeeding, 3.9 (1.8 to 8.7).
        (3.9, 7.26),
        (1.8, 3.0),
        # Their R package's page: Hammond and Horn 1958 on smoking, 10.73 (8.02 to 14.36).
        (10.73, 20.94777),
        (8.02, 15.52336),
        (1.0, 1.0),
    ],
)
def test_e_values_are_those_published(ratio: float, published: float) -> None:
    assert float(e_value(ratio)) == pytest.approx(published, abs=0.005)
    assert float(e_value(1 / ratio)) == pytest.approx(published, abs=0.005)


def test_a_confounder_of_that_strength_explains_the_ratio_exactly() -> None:
    # Ding and VanderWeele (2016): two ties of E each bias a risk ratio by E E / (E + E - 1).
    ratio = np.array([1.05, 1.4, 2.0, 7.0])
    e = e_value(ratio)
    np.testing.assert_allclose(e * e / (2 * e - 1), ratio)


def test_a_common_outcome_needs_less() -> None:
    # By hand: sqrt(0.56) = 0.7483; (1 - 0.5953) / (1 - 0.3960) = 0.6700; E of 1 / 0.6700.
    assert float(e_value(0.56, rare=False)) == pytest.approx(2.350, abs=0.002)
    assert e_value(0.56, rare=False) < e_value(0.56)


def test_the_limit_nearer_one_counts() -> None:
    low, high = np.array([1.8, 0.71, 0.8, np.nan]), np.array([8.7, 0.91, 1.2, np.nan])
    found = e_value_of_limit(low, high)
    np.testing.assert_allclose(found[:3], [3.0, float(e_value(0.91)), 1.0])
    assert np.isnan(found[3])


def _world(seed: int, slope: float, rows: int = 6000) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Contacts, a third of them bad; the effect of these is 0.6, and changes with a moderator."""
    generator = np.random.default_rng(seed)
    contact = generator.poisson(1.0, (rows, 2)).astype(float)
    bad = generator.binomial(contact.astype(int), 1 / 3).astype(float)
    moderator = generator.normal(size=rows)
    eta = -2.5 + 0.4 * moderator + 0.1 * contact.sum(1) * moderator
    eta += bad[:, 0] * (0.6 + slope * moderator)
    event = (generator.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    controls = np.column_stack([np.ones(rows), moderator])
    plain = Rows(event, controls, np.arange(rows), np.zeros(rows), "logit")
    return plain, np.hstack([contact, bad]), moderator


def _moderated(seed: int, slope: float):
    rows, columns, moderator = _world(seed, slope)
    return moderated(rows, columns, [2, 3], [0, 1], moderator), rows, columns, moderator


def test_changing_effects_are_those_of_statsmodels() -> None:
    import statsmodels.api as sm

    found, rows, columns, moderator = _moderated(1, 0.3)
    x = np.hstack([rows.controls, columns, columns * moderator[:, None]])
    fit = sm.GLM(rows.event, x, family=sm.families.Binomial()).fit(cov_type="HC1")
    np.testing.assert_allclose(found.coef, fit.params[[4, 5]], atol=2e-4)
    np.testing.assert_allclose(found.slope, fit.params[[8, 9]], atol=2e-4)
    # The jackknife by customer instead of HC1: a hundredth wider here.
    np.testing.assert_allclose(np.sqrt(found.covariance[:, 1, 1]), fit.bse[[8, 9]], rtol=0.03)
    expected = fit.t_test(np.eye(10)[4] + 1.5 * np.eye(10)[8])
    at = found.at(1.5)
    assert at["hazard_ratio"][0] == pytest.approx(np.exp(expected.effect[0]), rel=1e-3)
    limits = np.exp(np.ravel(expected.conf_int()))
    assert [at["conf_low"][0], at["conf_high"][0]] == pytest.approx(limits, rel=0.01)


def test_a_change_is_found_and_a_steady_effect_left_alone() -> None:
    changing = [_moderated(seed, 0.35)[0].p_value for seed in range(20)]
    steady = np.array([_moderated(seed, 0.0)[0].p_value for seed in range(100, 140)])
    assert np.mean([p[0] < 0.05 for p in changing]) > 0.8
    # 40 worlds of two steady effects each: more than 11 of 80 below 0.05 happens once in 600.
    assert (steady < 0.05).sum() <= 11
    assert (steady < 0.5).mean() == pytest.approx(0.5, abs=0.2)


def test_one_factor_for_all_effects() -> None:
    rows, columns, _ = _world(3, 0.0)
    sums = {"all": columns[:, :2], "bad": columns[:, 2:]}
    beside = [("all", 0), ("all", 1)]
    fitted = rows.fit(columns)
    own = dict(zip([("bad", 0), ("bad", 1)], fitted.exposure_coef[2:], strict=True))
    factor, se = pooled_factor(rows, sums, own, beside)
    assert factor == pytest.approx(1.0, abs=1e-3)
    assert 0 < se < 0.5
    doubled = pooled_factor(rows, sums, {p: 2 * b for p, b in own.items()}, beside)
    assert doubled == pytest.approx((factor / 2, se / 2), rel=1e-3)
    nobody = {"all": columns[:, :2], "bad": np.zeros_like(columns[:, 2:])}
    assert np.isnan(pooled_factor(rows, nobody, own, beside)).all()
