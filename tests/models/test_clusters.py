"""Groups that are there are found, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.clusters import (
    Found,
    agreement,
    assign,
    find,
    stability_index,
    without_groups,
)
from cxlab.models.traits import Scale, reliability

QUICK = {"nulls": 19, "bootstraps": 10, "most": 4}


def _standard(x: np.ndarray) -> np.ndarray:
    low, high = np.quantile(x, [0.005, 0.995], axis=0)
    x = np.clip(x, low, high)
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def _groups(draw: np.random.Generator, k: int, far: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw round groups whose nearest centres are so many standard deviations apart."""
    centre = draw.standard_normal((k, 5))
    gaps = np.linalg.norm(centre[:, None] - centre, axis=2) + 1e9 * np.eye(k)
    label = draw.integers(0, k, n)
    return _standard(far * centre[label] / gaps.min() + draw.standard_normal((n, 5))), label


def _elongated(draw: np.random.Generator, n: int) -> np.ndarray:
    turn = np.linalg.qr(draw.standard_normal((5, 5)))[0]
    return draw.standard_normal((n, 5)) * [4, 2, 1, 1, 0.5] @ turn


def _skewed(draw: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(0.8 * draw.standard_normal((n, 5)) + 0.8 * draw.standard_normal((n, 1)))


def _counted(draw: np.random.Generator, n: int) -> np.ndarray:
    """Shares of few contacts, their number skewed: lumps at 0, sums of 1, unequal spread."""
    count = draw.poisson(8 * np.exp(0.6 * draw.standard_normal(n))) + 2
    mix = draw.dirichlet([8, 5, 4, 3], n)
    parts = np.array([draw.multinomial(c, m) for c, m in zip(count, mix, strict=True)])
    failed = draw.binomial(count, 0.2)
    return np.column_stack([np.log1p(count), parts / count[:, None], failed / count])


def _curved(draw: np.random.Generator, n: int) -> np.ndarray:
    a = draw.standard_normal(n)
    return np.column_stack([a, a**2 + 0.4 * draw.standard_normal(n), draw.standard_normal((n, 3))])


@pytest.mark.parametrize(("k", "far"), [(2, 4.0), (3, 4.0), (4, 5.0)])
def test_groups_that_are_there_are_found(k: int, far: float) -> None:
    x, label = _groups(np.random.default_rng(k), k, far, 450)
    found = find(x, **QUICK)
    assert len(found) == k
    assert agreement(found.label, label) > 0.85
    assert found.stability.min() > 0.85
    assert found.p_value == pytest.approx(0.05)
    assert np.all(np.diff(np.bincount(found.label)) <= 0)  # the largest first


@pytest.mark.parametrize("shape", [_elongated, _skewed, _counted, _curved])
def test_one_cloud_is_not_cut_whatever_its_shape(shape: object) -> None:
    """In no more than 1 of 20 worlds; with five each, one at the most."""
    cut = 0
    for seed in range(5):
        draw = np.random.default_rng(seed)
        x = _standard(shape(draw, 200))  # type: ignore[operator]
        cut += len(find(x, **QUICK, seed=seed)) > 0
    assert cut <= 1


def test_the_same_every_time_and_whatever_the_threads() -> None:
    from threadpoolctl import threadpool_limits

    x, _ = _groups(np.random.default_rng(5), 3, 4.0, 300)
    with threadpool_limits(2):
        one = find(x, **QUICK)
    other = find(x, **QUICK)
    np.testing.assert_array_equal(one.centres, other.centres)
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_array_equal(one.stability, other.stability)
    assert one.tried.equals(other.tried)


def test_many_customers_are_all_assigned() -> None:
    x, label = _groups(np.random.default_rng(6), 3, 5.0, 20_000)
    found = find(x, **QUICK, sample=400)
    assert found.used == 400
    assert len(found.label) == 20_000
    assert agreement(found.label, label) > 0.9
    near, distance = assign(x, found.centres)
    np.testing.assert_array_equal(near, found.label)
    assert (distance > found.threshold).mean() == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((0, 3)),
        np.zeros((1, 3)),
        np.zeros((300, 0)),
        np.zeros((300, 1)),
        np.zeros((300, 4)),
        np.tile([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], (100, 1)),
    ],
)
def test_too_little_to_tell_is_none(x: np.ndarray) -> None:
    found = find(x, **QUICK)
    assert isinstance(found, Found)
    assert len(found) == 0
    assert found.label.tolist() == [-1] * len(x)


def test_data_without_groups_keep_each_column_and_the_ranks() -> None:
    from scipy import stats

    draw = np.random.default_rng(7)
    x = _skewed(draw, 4000)
    null = without_groups(x, draw)
    np.testing.assert_array_equal(np.sort(null, axis=0), np.sort(x, axis=0))
    np.testing.assert_allclose(
        stats.spearmanr(null).statistic, stats.spearmanr(x).statistic, atol=0.05
    )
    # Two clouds become one: what made them two is not in ranks.
    two, _ = _groups(draw, 2, 8.0, 600)
    assert len(find(two, **QUICK)) == 2
    assert len(find(without_groups(_skewed(draw, 600), draw), **QUICK)) == 0


def test_population_stability_by_hand() -> None:
    then, now = np.array([499.5, 499.5]), np.array([699.5, 299.5])
    expected = (0.7 - 0.5) * np.log(0.7 / 0.5) + (0.3 - 0.5) * np.log(0.3 / 0.5)
    assert stability_index(then, now) == pytest.approx(expected)
    assert stability_index(then, then) == 0
    assert np.isfinite(stability_index(np.array([5, 0]), np.array([0, 5])))


def test_agreement_of_hubert_and_arabie() -> None:
    # Steinley (2004), by hand: 6 objects; index 1, expected 0.8, largest 4: 0.2 / 3.2.
    a, b = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
    pairs, rows, columns, total = 2, 6, 3, 15
    expected = rows * columns / total
    assert agreement(a, b) == pytest.approx((pairs - expected) / ((rows + columns) / 2 - expected))
    assert agreement(a, a[::-1]) == pytest.approx(1.0)


# -- traits ------------------------------------------------------------------------------------


def test_reliability_is_that_of_spearman_and_brown() -> None:
    draw = np.random.default_rng(8)
    own, n = draw.standard_normal(50_000), 50_000
    halves = [np.expm1(own + draw.standard_normal(n) + 9.0) for _ in range(2)]
    told = reliability((halves[0], np.ones(n)), (halves[1], np.ones(n)), logged=True)
    # Halves of which one half is one's own correlate at 0.5; both together are 2/3 one's own.
    assert told.value == pytest.approx(2 / 3, abs=0.01)
    assert told.own(0.3, 0.01)
    chance = reliability((draw.random(n), np.ones(n)), (draw.random(n), np.ones(n)), logged=False)
    assert chance.value < 0.03
    assert not chance.own(0.3, 0.01)


@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_nothing_to_tell_is_not_ones_own(n: int) -> None:
    same = (np.ones(n), np.ones(n))
    assert not reliability(same, same, logged=False).own(0.3, 0.01)
    nobody = (np.zeros(n), np.zeros(n))
    assert not reliability(nobody, nobody, logged=False).own(0.3, 0.01)
    assert Scale.learnt(*nobody, 0.5, logged=False) is None
    assert Scale.learnt(*same, 0.5, logged=False) is None


def test_a_share_of_few_is_drawn_to_all() -> None:
    """As far as beta draws it: shares of a beta distribution, each seen in ten contacts."""
    draw = np.random.default_rng(9)
    share = draw.beta(4, 12, 40_000)
    num, den = draw.binomial(10, share).astype(float), np.full(40_000, 10.0)
    scale = Scale.learnt(num, den, 10 / (10 + 16), logged=False)
    assert scale is not None
    assert scale.prior == pytest.approx(4 / 16, abs=0.005)
    assert scale.weight == pytest.approx(16)
    one = scale.of(np.array([0.0, 5.0]), np.array([0.0, 10.0]))
    assert scale.back(float(one[0])) == pytest.approx(scale.prior)
    assert scale.back(float(one[1])) == pytest.approx((5 + 16 * scale.prior) / 26)
    x = scale.of(num, den)
    assert (x.mean(), x.std()) == pytest.approx((0.0, 1.0), abs=1e-9)
