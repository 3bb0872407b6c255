from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.intervals import (
    Z,
    benjamini_hochberg,
    hazard_ratios,
    holm,
    poisson_rate,
    share_difference,
    wald_p,
    wilson,
)


def test_q_values_match_statsmodels_and_skip_nan() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(1).random(20) ** 3
    q = benjamini_hochberg(np.insert(p, 5, np.nan))
    assert np.isnan(q[5])
    np.testing.assert_allclose(np.delete(q, 5), multipletests(p, method="fdr_bh")[1])


def test_q_values_of_nothing() -> None:
    assert np.isnan(benjamini_hochberg(np.array([np.nan, np.nan]))).all()


@pytest.mark.parametrize(("count", "total"), [(0, 5), (3, 10), (10, 10), (150, 3000)])
def test_wilson_matches_statsmodels(count: int, total: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    share, low, high = wilson(count, total)
    assert share == count / total
    expected = proportion_confint(count, total, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-9)


def test_wilson_of_nobody_is_nan() -> None:
    assert np.isnan(wilson(0, 0)).all()


def test_wald_p_at_the_interval_limit() -> None:
    assert wald_p(np.array([Z]), np.array([1.0]))[0] == pytest.approx(0.05)


@pytest.mark.parametrize("counts", [(0, 5, 3, 10), (30, 100, 5, 100), (56, 70, 48, 80)])
def test_the_difference_of_shares_matches_statsmodels(counts: tuple[int, int, int, int]) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    expected = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
    difference, low, high = share_difference(*counts)
    assert difference == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
    assert (low, high) == pytest.approx(expected, abs=1e-9)
    if counts == (56, 70, 48, 80):  # Newcombe 1998, table II, example (a)
        assert (low, high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_holm_matches_statsmodels_and_skips_nan() -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(2).random(12) ** 3
    adjusted = holm(np.insert(p, 3, np.nan))
    assert np.isnan(adjusted[3])
    np.testing.assert_allclose(np.delete(adjusted, 3), multipletests(p, method="holm")[1])


def test_rates_have_the_exact_poisson_interval() -> None:
    from statsmodels.stats.rates import confint_poisson

    counts, time = np.array([0, 3, 40]), np.array([10.0, 12.0, 500.0])
    found = poisson_rate(counts, time)
    for k in range(3):
        low, high = confint_poisson(counts[k], time[k], method="exact-c")
        limits = (found["conf_low"][k], found["conf_high"][k])
        assert limits == pytest.approx((0.0 if counts[k] == 0 else low, high))
    np.testing.assert_allclose(found["estimate"], counts / time)
    assert np.isnan(poisson_rate(np.array([0]), np.array([0.0]))["estimate"]).all()


def test_hazard_ratios_have_an_end() -> None:
    found = hazard_ratios(np.array([0.5, 900.0, np.nan]), np.array([0.1, 400.0, np.nan]))
    assert found["conf_high"][0] == pytest.approx(np.exp(0.5 + 0.1 * 1.959964))
    ends = [found[c][1] for c in ("hazard_ratio", "conf_low", "conf_high")]
    assert ends == pytest.approx([1e9, 1e9, 1e9])
    assert all(np.isnan(v[2]) for v in found.values())
