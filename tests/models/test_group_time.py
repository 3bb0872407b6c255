"""Group-time effects: against R by hand, against simulated truth, beside two-way fixed effects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from cxlab.models.group_time import Layout, Sums, band, effects, joint, sums_of

GOLDEN = Path(__file__).parents[1] / "golden"
TOLD = pd.read_csv(GOLDEN / "interventions.csv", index_col="what")  # made by make_interventions.R
EXACT = 1e-9
NUMERIC = 1e-4  # R's derivatives are central differences
# Groups of controls are centred each for itself here, together in Welch's test.
POOLED = 0.03


def _laid(periods: np.ndarray, starts: list[float], base: int = 0, never: bool = True
          ) -> tuple[Layout, np.ndarray]:  # fmt: skip
    """Give the columns of cohorts in calendar periods, and each column's period."""
    cohort, event, place = [], [], []
    for g, start in enumerate(starts):
        if np.isfinite(start):
            cohort += [g] * len(periods)
            event += (periods - start).astype(int).tolist()
            place += list(range(len(periods)))
    own, at = np.array(cohort), periods[place]
    since = np.array(starts)[:, None]
    clean = (since > at) & (np.arange(len(starts))[:, None] != own)
    if not never:
        clean &= np.isinf(since)
    return Layout(own, np.array(event), clean, base), np.array(place)


def _r_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data = pd.read_csv(GOLDEN / "group_time_data.csv")
    y, x = (data.pivot_table(index="id", columns="t", values=c).to_numpy(float) for c in "yx")
    group = data.groupby("id")["g"].first().map({3: 0, 5: 1, 0: 2}).to_numpy()
    return y, x, group


@pytest.mark.parametrize("who", ["never", "notyet"])
def test_effects_by_group_and_time_are_those_of_r(who: str) -> None:
    y, _, group = _r_data()
    # Controls that are not yet reached when the base period is over, or never.
    layout, place = _laid(np.arange(1, 7), [3.0, 5.0, np.inf], base=1, never=who == "notyet")
    sums = sums_of(y[:, place], np.ones_like(y)[:, place], group, 3)
    for column, (g, t) in enumerate(zip(layout.cohort, place + 1, strict=True)):
        name = f"att {(3, 5)[g]} {t} {who}"
        if name not in TOLD.index:
            assert layout.event[column] == -1  # the base itself
            continue
        sets = np.arange(len(place))[None, :] == column
        found = effects(sums, layout, sets, "difference")
        want = TOLD.loc[name]
        assert found.value[0] == pytest.approx(want["value"], abs=EXACT)
        close = EXACT if who == "never" else POOLED
        assert found.se[0] == pytest.approx(want["se"], rel=close)


@pytest.mark.parametrize("scale", ["ratio", "difference"])
def test_effects_on_ratios_are_those_of_r(scale: str) -> None:
    y, x, group = _r_data()
    layout, place = _laid(np.arange(1, 7), [3.0, 5.0, np.inf])
    sums = sums_of(y[:, place], x[:, place], group, 3)
    found = effects(sums, layout, (layout.event >= 0)[None, :], scale)  # type: ignore[arg-type]
    want = TOLD.loc[f"overall {scale}"]
    assert found.value[0] == pytest.approx(want["value"], abs=EXACT)
    assert found.se[0] == pytest.approx(want["se"], rel=NUMERIC)
    assert found.change[0] == pytest.approx((found.came[0] - found.expected[0]) / found.out_of[0])


def test_two_way_fixed_effects_get_the_sign_wrong_where_effects_grow() -> None:
    draw = np.random.default_rng(3)
    periods, starts = np.arange(12), [2.0, 8.0, np.inf]
    group = np.repeat([0, 1, 2], [90, 90, 12])
    since = np.array(starts)[group]
    been = np.maximum(periods[None, :] - since[:, None] + 1, 0)
    # Everyone who is reached has less and less of it: nobody is ever worse off.
    effect = -np.where(group[:, None] == 0, 0.15 * been**1.5, 0.05 * been)
    y = 5 + draw.normal(0, 1, len(group))[:, None] + 0.1 * periods + effect
    y += draw.normal(0, 0.3, y.shape)
    unit, time = (np.eye(n)[k] for n, k in (
        (len(group), np.repeat(np.arange(len(group)), 12)),
        (12, np.tile(periods, len(group)))))  # fmt: skip
    columns = np.column_stack([(been > 0).astype(float).ravel(), unit, time[:, 1:]])
    fixed = sm.OLS(y.ravel(), columns).fit()
    assert fixed.params[0] > 0  # "made it worse"
    assert fixed.pvalues[0] < 0.05
    layout, place = _laid(periods, starts)
    sums = sums_of(y[:, place], np.ones_like(y)[:, place], group, 3)
    found = effects(sums, layout, (layout.event >= 0)[None, :], "difference")
    assert found.value[0] + 2 * found.se[0] < 0
    true = effect[been > 0].mean()
    assert abs(found.value[0] - true) < 3 * found.se[0]


def _world(seed: int, factors: tuple[float, float], customers: int = 400) -> tuple[Sums, Layout]:
    """Customers who fail by their own proneness, in a season that is a factor for all."""
    draw = np.random.default_rng(seed)
    periods, starts = np.arange(-6.0, 5.0), [0.0, 2.0, np.inf]
    layout, place = _laid(periods, starts)
    group = draw.integers(0, 3, customers)
    x = draw.poisson(1.5 * draw.gamma(2, 0.5, customers)[:, None], (customers, 11)).astype(float)
    prone = np.where(group == 1, 0.25, 0.17) * draw.gamma(4, 0.25, customers)
    late = periods[None, :] >= np.array(starts)[group][:, None]
    factor = np.where(late, np.array([*factors, 1.0])[group][:, None], 1.0)
    p = prone[:, None] * np.exp(0.15 * np.sin(periods)) * factor
    y = draw.binomial(x.astype(int), np.clip(p, 0, 1)).astype(float)
    return sums_of(y[:, place], x[:, place], group, 3), layout


def test_intervals_hold_the_truth_and_no_effect_is_rarely_called_one() -> None:
    worlds, truth = 150, np.log(0.6)
    held, called, early = 0, 0, 0
    for seed in range(worlds):
        sums, layout = _world(seed, (0.6, 0.6))
        found = effects(sums, layout, (layout.event >= 0)[None, :], "ratio")
        held += abs(found.value[0] - truth) < found.quantile * found.se[0]
        sums, layout = _world(1000 + seed, (1.0, 1.0))
        found = effects(sums, layout, (layout.event >= 0)[None, :], "ratio")
        called += found.p_value[0] < 0.05
        leads = np.array([layout.event == e for e in range(-6, 0)])
        told = effects(sums, layout, leads, "ratio")
        early += joint(told, np.arange(5)).p_value < 0.05
    # 95 and 5 of 100, within what so few worlds can tell.
    assert held >= stats.binom.ppf(0.005, worlds, 0.95)
    assert called <= stats.binom.ppf(0.995, worlds, 0.05)
    assert early <= stats.binom.ppf(0.995, worlds, 0.05)


def test_a_band_holds_all_periods_at_once() -> None:
    worlds, inside, apart = 120, 0, 0
    for seed in range(worlds):
        sums, layout = _world(5000 + seed, (1.0, 1.0))
        found = effects(sums, layout, np.array([layout.event == e for e in range(5)]), "ratio")
        wide = band(found, np.arange(5), seed)
        far = np.abs(found.value) / found.se
        inside += far.max() < wide
        apart += far.max() < found.quantile
        assert wide > found.quantile
    assert inside >= stats.binom.ppf(0.005, worlds, 0.95)
    assert apart < inside


def test_a_date_before_the_start_sees_nothing_of_what_came_after_it() -> None:
    sums, layout = _world(1, (0.6, 0.6))
    early = layout.shifted(2)
    late = ((early.event >= 0) & (early.event < 2))[None, :]
    told = effects(sums, early, late, "ratio")
    after = layout.event >= 0
    y = np.where(after, 7.0, sums.y)  # whatever comes after the true start
    other = effects(Sums(y, sums.x, sums.products, sums.n), early, late, "ratio")
    assert told.value[0] == other.value[0]
    assert np.isfinite(told.value[0])
    assert abs(told.value[0] / told.se[0]) < 3


def test_of_nothing_half_of_one_is_told() -> None:
    sums, layout = _world(2, (0.0, 0.0))
    found = effects(sums, layout, (layout.event >= 0)[None, :], "ratio")
    assert found.came[0] == 0
    assert found.value[0] == pytest.approx(np.log(0.5 / found.expected[0]))
    assert found.se[0] > np.sqrt(2)
    assert found.p_value[0] < 0.05


def test_who_is_left_without_anybody_to_compare_with_is_told_nothing() -> None:
    layout, place = _laid(np.arange(4.0), [2.0, np.inf])
    y = np.ones((6, 4))
    sums = sums_of(y[:, place], y[:, place], np.zeros(6, dtype=int), 2)
    found = effects(sums, layout, (layout.event >= 0)[None, :], "ratio")
    assert np.isnan(found.value[0])
    assert np.isnan(joint(found, np.array([0])).p_value)
    assert np.isfinite(band(found, np.array([0])))


def test_customers_added_up_in_parts_are_the_same() -> None:
    draw = np.random.default_rng(1)
    y, x, group = draw.random((20, 3)), draw.random((20, 3)), draw.integers(-1, 2, 20)
    whole = sums_of(y, x, group, 2)
    parts = sums_of(y[:9], x[:9], group[:9], 2) + sums_of(y[9:], x[9:], group[9:], 2)
    for name in ("y", "x", "products", "n"):
        np.testing.assert_allclose(getattr(whole, name), getattr(parts, name))
    assert whole.n.sum() == (group >= 0).sum()
