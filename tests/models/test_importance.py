from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models import importance
from cxlab.models.moments import correlations, draws, moments, pairwise, partialled

GOLDEN = Path(__file__).parents[1] / "golden"
# Sums over 2**5 subsets against sums over 5! orders: rounding alone.
CLOSE = 1e-9


def correlated(p: int, n: int = 300, seed: int = 1) -> np.ndarray:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, p)) @ draw.normal(size=(p, p))
    y = x @ draw.normal(size=p) + 4 * draw.normal(size=n)
    return np.corrcoef(np.column_stack([x, y]).T)[None]


def swiss() -> np.ndarray:
    table = pd.read_csv(GOLDEN / "swiss.csv")
    return np.corrcoef(table.to_numpy()[:, [1, 2, 3, 4, 5, 0]].T)[None]


def test_shares_against_r_and_the_published_ones() -> None:
    golden = pd.read_csv(GOLDEN / "satisfaction.csv")
    r = swiss()
    lmg = golden[golden["what"] == "lmg"]["estimate"]
    np.testing.assert_allclose(importance.shapley(r).parts[0], lmg, rtol=CLOSE)
    # Groemping (2006), Journal of Statistical Software 17(1), lmg of the data set swiss
    published = [0.05709122, 0.17117303, 0.26013468, 0.10557015, 0.11276592]
    np.testing.assert_allclose(importance.shapley(r).parts[0], published, atol=5e-9)
    johnson = golden[golden["what"] == "relative weight"]["estimate"]
    np.testing.assert_allclose(importance.relative_weights(r)[0], johnson, rtol=CLOSE)


@pytest.mark.parametrize("p", [1, 2, 6, 12])
def test_shares_sum_to_r_squared(p: int) -> None:
    r = np.concatenate([correlated(p, seed=s) for s in range(4)])
    whole = importance.r_squared(r)
    np.testing.assert_allclose(importance.shapley(r).parts.sum(axis=1), whole, rtol=CLOSE)
    np.testing.assert_allclose(importance.relative_weights(r).sum(axis=1), whole, rtol=CLOSE)


def test_drawn_orders_agree_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    r = np.repeat(correlated(9), 2, axis=0)
    exact = importance.shapley(r)
    assert (exact.error == 0).all()
    monkeypatch.setattr(importance, "MOST_EXACT", 4)
    drawn = importance.shapley(r, seed=3, orders=1000)
    # Of nine, none is off by more than four times its stated Monte Carlo error.
    assert (np.abs(drawn.parts[0] - exact.parts[0]) < 4 * drawn.error + 1e-6).all()
    assert 0 < drawn.error.max() < 0.02
    np.testing.assert_array_equal(drawn.parts[0], drawn.parts[1])
    np.testing.assert_allclose(drawn.parts.sum(axis=1), importance.r_squared(r), rtol=1e-6)


def test_many_drivers_and_perfect_collinearity() -> None:
    draw = np.random.default_rng(2)
    x = draw.normal(size=(500, 24))
    x = np.column_stack([x, x[:, 0], x[:, 1] + x[:, 2], np.ones(500)])
    y = x[:, 0] + x[:, 5] + draw.normal(size=500)
    ones = np.ones((1, 500))
    made = partialled(moments(np.column_stack([np.ones(500), x, y]), np.arange(500), ones), 1)
    r = correlations(made)
    shares = importance.shapley(r, seed=1)
    whole = importance.r_squared(r)[0]
    assert whole == pytest.approx(np.corrcoef(y, y - _left(x, y))[0, 1] ** 2, abs=1e-9)
    assert shares.parts.sum() == pytest.approx(whole, abs=1e-5)
    # One and the same column twice: they share alike, within the Monte Carlo error.
    assert shares.parts[0, 0] == pytest.approx(shares.parts[0, 24], abs=5 * shares.error[0])
    assert shares.parts[0, 26] == 0
    weights = importance.relative_weights(r)[0]
    assert weights.sum() == pytest.approx(whole, abs=1e-9)
    assert weights[0] == pytest.approx(weights[24], abs=1e-9)
    vif = importance.inflation(r[0, :-1, :-1])
    assert np.isinf(vif[[0, 24, 1, 2, 25]]).all()
    assert vif[5] < 1.2


def _left(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = np.column_stack([np.ones(len(x)), x])
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def test_exact_shares_where_a_driver_is_there_twice() -> None:
    r = correlated(3)[0]
    twice = r[np.ix_([0, 1, 2, 0, 3], [0, 1, 2, 0, 3])][None]
    shares = importance.shapley(twice).parts[0]
    assert shares[0] == pytest.approx(shares[3], abs=1e-12)
    by_hand = np.zeros(4)
    for order in permutations(range(4)):
        for i, j in enumerate(order):
            by_hand[j] += (_r2(twice[0], order[: i + 1]) - _r2(twice[0], order[:i])) / 24
    np.testing.assert_allclose(shares, by_hand, atol=1e-9)


def _r2(r: np.ndarray, some: tuple[int, ...]) -> float:
    inside, to = r[np.ix_(some, some)], r[list(some), -1]
    return float(to @ np.linalg.pinv(inside) @ to) if some else 0.0


def test_clusters() -> None:
    r = np.array([[1, 0.9, 0.7, 0], [0.9, 1, 0.85, 0], [0.7, 0.85, 1, np.nan], [0, 0, np.nan, 1.0]])
    assert importance.clusters(r, 0.8) == [[0, 1], [2], [3]]
    assert importance.clusters(r, 0.6) == [[0, 1, 2], [3]]
    assert importance.clusters(np.ones((1, 1)), 0.8) == [[0]]


# -- moments -------------------------------------------------------------------------------------


def test_moments_hold_columns_equal_as_regression_does() -> None:
    draw = np.random.default_rng(3)
    who = np.repeat(np.arange(50), 4)
    group = draw.integers(0, 3, 200)
    dummies = np.eye(3)[group]  # the constant is their sum: one of them counts for nothing
    x = draw.normal(size=(200, 2)) + group[:, None]
    columns = np.column_stack([np.ones(200), dummies, x])
    weights = np.vstack([np.ones((1, 50)), draws(50, 3, 7)])
    assert (weights.sum(axis=1) == 50).all()
    made = partialled(moments(columns, who, weights), 4)
    left = np.column_stack([_left(dummies[:, 1:], v) for v in x.T])
    np.testing.assert_allclose(made[0], left.T @ left, rtol=1e-9)
    repeated = np.repeat(np.arange(200), weights[2][who].astype(int))
    again = np.column_stack([_left(dummies[repeated, 1:], v) for v in x[repeated].T])
    np.testing.assert_allclose(made[2], again.T @ again, rtol=1e-9)


def test_pairs_against_pandas_and_contradictions_mended() -> None:
    draw = np.random.default_rng(4)
    x = draw.normal(size=(300, 3)) @ np.array([[1, 0.5, 0.2], [0, 1, 0.3], [0, 0, 1.0]])
    x[draw.random((300, 3)) < 0.3] = np.nan
    covariance, bent = pairwise(x, np.arange(300), np.ones((1, 300)))
    assert not bent
    np.testing.assert_allclose(
        correlations(covariance)[0], pd.DataFrame(x).corr().to_numpy(), atol=1e-9
    )
    a = np.tile([1.0, -1.0], 30)
    gap = np.full(60, np.nan)
    torn = np.vstack([np.column_stack([a, a, gap]), np.column_stack([a, gap, a]),
                      np.column_stack([gap, a, -a])])  # fmt: skip
    covariance, bent = pairwise(torn, np.arange(180), np.ones((1, 180)))
    assert bent
    assert np.linalg.eigvalsh(covariance[0])[0] > -1e-9


def test_intervals_of_shares_hold_the_truth() -> None:
    """Percentiles of customers drawn anew, five correlated drivers, one without any slope."""
    p, n, worlds = 5, 400, 60
    inside = 0.35 + 0.65 * np.eye(p)
    slopes = np.array([1, 0.7, 0.4, 0.2, 0.0])
    whole = np.empty((p + 1, p + 1))
    whole[:p, :p], whole[p, p] = inside, slopes @ inside @ slopes + 4
    whole[:p, p] = whole[p, :p] = inside @ slopes
    true = importance.shapley(correlations(whole[None])).parts[0]
    true = true / true.sum()
    root, held = np.linalg.cholesky(whole), np.zeros(p)
    for world in range(worlds):
        draw = np.random.default_rng(world)
        columns = draw.normal(size=(n, p + 1)) @ root.T
        weights = draws(n, 200, world)
        made = moments(np.column_stack([np.ones(n), columns]), np.arange(n), weights)
        parts = importance.shapley(correlations(partialled(made, 1))).parts
        low, high = np.quantile(parts / parts.sum(axis=1, keepdims=True), [0.025, 0.975], axis=0)
        held += (low <= true) & (true <= high)
    # 300 intervals at 95%: fewer than 90% or all of them would be far from chance.
    assert 0.90 <= held.sum() / (p * worlds) <= 0.99
