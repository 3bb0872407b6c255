from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.intervals import Z, benjamini_hochberg, wald_p, wilson


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
