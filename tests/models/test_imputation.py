from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.imputation import impute, rubin
from cxlab.models.linear import clustered

SLOPES = np.array([1.0, 0.5, 0.0])


def world(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Ratings and an outcome; the first rating is the likelier missing the better the outcome."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, 3)) @ np.linalg.cholesky(0.4 + 0.6 * np.eye(3)).T
    y = x @ SLOPES + 1.5 * draw.normal(size=n)
    whole = np.column_stack([x, y])
    torn = whole.copy()
    torn[draw.random(n) < 1 / (1 + np.exp(0.5 - y)), 0] = np.nan
    torn[draw.random(n) < 0.25, 1] = np.nan
    return whole, torn


def slopes(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fit = clustered(np.column_stack([np.ones(len(table)), table[:, :3]]), table[:, 3],
                    np.arange(len(table)))  # fmt: skip
    return fit.estimate[1:], fit.se[1:] ** 2


def test_imputation_is_right_where_complete_answers_are_not() -> None:
    worlds, held = 30, np.zeros(3)
    imputed, complete = np.zeros(3), np.zeros(3)
    for seed in range(worlds):
        _, torn = world(seed)
        each = [slopes(copy) for copy in impute(torn, times=8, seed=seed)]
        pooled = rubin([e for e, _ in each], [v for _, v in each], len(torn) - 4)
        low, high, _ = pooled.interval(0.95)
        held += (low <= SLOPES) & (high >= SLOPES)
        imputed += (pooled.estimate - SLOPES) / worlds
        complete += (slopes(torn[~np.isnan(torn).any(axis=1)])[0] - SLOPES) / worlds
    # 90 intervals at 95%: two standard errors are 0.05.
    assert held.sum() / (3 * worlds) >= 0.90
    assert np.abs(imputed).max() < 0.05
    assert complete[0] < -0.08


def test_what_is_given_stays_and_copies_differ() -> None:
    _, torn = world(1)
    one, other = impute(torn, times=2, seed=5)
    given = ~np.isnan(torn)
    np.testing.assert_allclose(one[given], torn[given])
    assert not np.allclose(one[~given], other[~given])
    again, _ = impute(torn, times=2, seed=5)
    np.testing.assert_array_equal(one, again)
    whole, _ = world(1)
    (same,) = impute(whole, times=1, seed=5)
    np.testing.assert_array_equal(same, whole)


def test_a_column_with_one_gap() -> None:
    whole, _ = world(2)
    torn = whole.copy()
    torn[7, 2] = np.nan
    for copy in impute(torn, times=3, seed=1):
        assert np.isfinite(copy).all()
        assert abs(copy[7, 2]) < 5
        assert (copy[:7] == whole[:7]).all()


def test_rubin_by_hand() -> None:
    pooled = rubin([np.array([1.0]), np.array([2.0])], [np.array([0.5]), np.array([0.7])], 50)
    between = 0.5 * 1.5
    assert pooled.estimate[0] == 1.5
    assert pooled.se[0] == pytest.approx(np.sqrt(0.6 + between))
    share = between / (0.6 + between)
    old, seen = 1 / share**2, 51 / 53 * 50 * (1 - share)
    assert pooled.df[0] == pytest.approx(old * seen / (old + seen))
    alone = rubin([np.array([1.0])], [np.array([4.0])], 50)
    assert (alone.se[0], alone.df[0]) == (2.0, 50)
