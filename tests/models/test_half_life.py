"""Half-lives on made-up rows: one for all, or one each where the data can tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import interpolate, stats

from cxlab.models.contrast import Rows, choose_places, fit_contrasts
from cxlab.models.half_life import (
    HALF_LIVES,
    at_half_life,
    best_on_grid,
    held_at,
    own_half_lives,
    profile_columns,
    profile_half_life,
)


def _sums(ages: np.ndarray, bad: np.ndarray, half_lives: np.ndarray) -> dict[str, np.ndarray]:
    """Exposures of contacts of shape (rows, contacts, touchpoints)."""
    weight = 0.5 ** (ages / half_lives)
    return {"all": weight.sum(axis=1), "bad": (weight * bad).sum(axis=1)}


def _told(
    seed: int, truth: tuple[float, float, float], rows: int = 60_000
) -> tuple[int, list[float]]:
    """Simulate three touchpoints; give how many have a half-life of their own, and all three."""
    generator = np.random.default_rng(seed)
    ages = generator.uniform(3, 150, (rows, 2, 3))
    bad = generator.random(ages.shape) < 0.3
    load = _sums(ages, bad, np.array(truth))["bad"] @ [1.3, 1.3, 1.3]
    event = (generator.random(rows) < -np.expm1(-np.exp(load - 4.5))).astype(int)
    plain = Rows(event, np.ones((rows, 1)), np.arange(rows), np.zeros(len(event)), "cloglog")
    grid = {h: _sums(ages, bad, np.full(3, h)) for h in HALF_LIVES}
    places = choose_places(grid[28.0], event, np.ones(3, bool))
    common = profile_half_life(plain, grid, places)
    sums = _sums(ages, bad, np.full(3, common.days))
    model = fit_contrasts(plain, sums, places)
    found = own_half_lives(plain, model, grid, sums, [0, 1, 2])
    assert all(h.conf_low < h.days < h.conf_high for h in found.values())
    return len(found), [found[k].days if k in found else common.days for k in range(3)]


def test_a_half_life_of_its_own_is_found() -> None:
    count, days = _told(1, (14.0, 80.0, 14.0))
    # Whichever of them the half-life for all is nearest to keeps that one.
    assert count >= 1
    assert max(days[0], days[2]) < 25 < 45 < days[1]


def test_one_half_life_for_all_stays_one() -> None:
    # 24 looks at 5% a world: more than 3 worlds of 8 with one would happen once in 170.
    worlds = [_told(seed, (25.0, 25.0, 25.0), 20_000) for seed in range(8)]
    assert sum(count > 0 for count, _ in worlds) <= 3


def test_the_variance_of_an_own_half_life_is_its_own() -> None:
    generator = np.random.default_rng(3)
    rows = 30_000
    ages = generator.uniform(3, 150, (rows, 2, 2))
    bad = generator.random(ages.shape) < 0.3
    days = np.array([10.0, 60.0])
    event = (
        generator.random(rows)
        < -np.expm1(-np.exp(_sums(ages, bad, days)["bad"] @ [1.2, 1.2] - 4.5))
    ).astype(int)
    plain = Rows(event, np.ones((rows, 1)), np.arange(rows), np.zeros(len(event)), "cloglog")
    sums, up = _sums(ages, bad, days), _sums(ages, bad, days * np.exp(1e-4))
    slopes = {c: (up[c] - sums[c]) / 1e-4 for c in sums}
    places = [("all", 0), ("all", 1), ("bad", 0), ("bad", 1)]
    shared = fit_contrasts(plain, sums, places, slopes)
    apart = fit_contrasts(plain, sums, places, slopes, own=[1])
    assert shared.slopes["bad", 0][1] == shared.slopes["bad", 1][1]
    assert apart.slopes["bad", 0][1] != apart.slopes["bad", 1][1]
    # Each is known from its own touchpoint alone: less surely than one from both.
    assert min(apart.slopes[p][1] for p in places[2:]) > shared.slopes["bad", 0][1]
    assert apart.coef == shared.coef


def test_a_profile_is_read_between_the_grid_values() -> None:
    values = np.array(HALF_LIVES)
    best, days, curve = best_on_grid(values, -50 * np.square(np.log(values / 20.0)))
    # Of the two, the prior (28 days, precision 1 / log(2)^2 = 2.1) weighs a little.
    weighed = (100 * np.log(20.0) + np.log(28.0) / np.log(2) ** 2) / (100 + 1 / np.log(2) ** 2)
    assert np.log(best) == pytest.approx(weighed, abs=0.01)
    flat, _, _ = best_on_grid(values, np.zeros(5))
    # Without data, the mean of the prior on the grid: of a normal logarithm cut at two sd.
    sd, cut = np.log(2.0), stats.norm(0, 1)
    inside = (cut.cdf(2 - sd) - cut.cdf(-2 - sd)) / (cut.cdf(2) - cut.cdf(-2))
    assert flat == pytest.approx(28.0 * np.exp(sd**2 / 2) * inside, rel=0.005)
    assert days[0] == values[0]
    assert days[-1] == values[-1]
    assert np.isfinite(curve).all()


def test_held_exposures_are_the_same_at_every_half_life() -> None:
    generator = np.random.default_rng(4)
    grid = {h: {c: generator.random((9, 3)) for c in ("all", "bad")} for h in HALF_LIVES}
    sums = {c: generator.random((9, 3)) for c in ("all", "bad")}
    held = held_at(grid, sums, [1])
    assert list(held) == list(HALF_LIVES)
    for h in HALF_LIVES:
        assert set(held[h]) == {"all", "bad"}
        for c in ("all", "bad"):
            np.testing.assert_array_equal(held[h][c][:, 1], sums[c][:, 1])
            np.testing.assert_array_equal(held[h][c][:, [0, 2]], grid[h][c][:, [0, 2]])
    assert held_at(grid, sums, []) is grid
    # Contacts are held at a short and a long half-life; the contrasts alone move.
    places = [("all", 0), ("all", 1), ("bad", 1), ("bad", 2)]
    columns = np.column_stack(profile_columns(held, places, 28.0))
    expected = [grid[14.0]["all"][:, 0], sums["all"][:, 1], grid[112.0]["all"][:, 0]]
    expected += [sums["all"][:, 1], sums["bad"][:, 1], grid[28.0]["bad"][:, 2]]
    np.testing.assert_array_equal(columns, np.column_stack(expected))


def test_figures_are_read_at_each_replicates_half_life() -> None:
    grid = np.array([7.0, 14.0, 28.0, 56.0, 112.0])
    values = np.log(grid)[None, :, None] * np.array([1.0, -2.0])
    days = np.array([10.0, 28.0, 90.0])
    found = at_half_life(np.repeat(values, 3, axis=0), grid, days)
    np.testing.assert_allclose(found, np.log(days)[:, None] * [1.0, -2.0])
    single = at_half_life(np.full((3, 1, 2), 4.0), grid[:1], days)
    np.testing.assert_allclose(single, 4.0)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 7])
def test_between_the_grid_values_a_cubic_is_that_of_scipy(count: int) -> None:
    grid = 7.0 * 2.0 ** np.arange(count)
    values = np.random.default_rng(count).normal(size=count)
    days = np.geomspace(grid[0], grid[-1], 23)
    spline = interpolate.make_interp_spline(np.log(grid), values, k=min(3, count - 1))
    found = at_half_life(np.repeat(values[None, :, None], 23, axis=0), grid, days)
    np.testing.assert_allclose(found[:, 0], spline(np.log(days)), atol=1e-12)
