"""What fewer failures avoid: against brute force, against closed forms, and a drawn world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cxlab.models import scenario
from cxlab.models.effects import ChurnWindow, attributable_churn
from cxlab.models.scenario import Basis, Change

HALF_LIFE = 20.0
END = 1000.0


def _basis(seed: int, churns: int = 40, hazard: float = 0.002, touchpoints: int = 2) -> Basis:
    """Make churns of 90 days, each with some bad contacts of the last months behind it."""
    draw = np.random.default_rng(seed)
    at = END - 90 + np.sort(draw.integers(0, 90, churns)).astype(float)
    many = draw.integers(0, 5, churns)
    churn = np.repeat(np.arange(churns), many)
    place = draw.integers(0, touchpoints, len(churn))
    age = draw.exponential(25, len(churn)) + 0.5
    coef = np.linspace(1.2, 0.8, touchpoints)
    load = np.bincount(churn, coef[place] * 0.5 ** (age / HALF_LIFE), churns)
    spread = np.diag([0.04] * touchpoints + [0.09])
    return Basis(
        touchpoints=tuple(f"t{k}" for k in range(touchpoints)),
        coef=coef,
        usable=np.ones(touchpoints, dtype=bool),
        covariance=spread,
        half_life=np.array([HALF_LIFE]),
        group=np.zeros(touchpoints, dtype=int),
        at=at,
        middle=at + 0.5,
        baseline=np.full(churns, np.log(hazard)),
        part=load[:, None],
        step=np.ones(churns),
        left=(END - at - 1).astype(int),
        customer=np.arange(churns),
        value=draw.uniform(10, 50, churns),
        churn=churn,
        touchpoint=place,
        age=age,
        begin=0.0,
        end=END,
    )


def _change(shares: list[float], since: float = -np.inf) -> Change:
    return Change(np.array(shares), np.full(len(shares), since))


def _brute(basis: Basis, change: Change, end: float, draws: int) -> float:
    """Thin the contacts again and again, and carry survival on day by day each time."""
    draw = np.random.default_rng(5)
    at = basis.middle[basis.churn] - basis.age
    may = (at >= change.since[basis.touchpoint]) * change.share[basis.touchpoint]
    load = basis.coef[basis.touchpoint] * 0.5 ** (basis.age / HALF_LIFE)
    gone = np.where(draw.random((draws, len(load))) < may, load, 0.0)
    removed = gone @ (basis.churn[:, None] == np.arange(basis.churns))
    hazard = np.zeros(removed.shape)
    for day in range(1, 90):
        there = basis.at + day < end
        level = (basis.part[:, 0] - removed) * 0.5 ** (day / HALF_LIFE)
        hazard += np.exp(basis.baseline + level) * there
    saved = (1 - np.exp(-removed)) * np.exp(-hazard)
    return float(saved[:, basis.at < end].sum(axis=1).mean())


@pytest.mark.parametrize("hazard", [0.001, 0.006])  # 9% and 42% leave in 90 days
@pytest.mark.parametrize("since", [-np.inf, END - 60])
def test_the_product_is_what_thinning_gives(hazard: float, since: float) -> None:
    basis, change = _basis(1, hazard=hazard), _change([0.3, 0.7], since)
    ends = np.array([END - 30, END])
    told = scenario.avoided(basis, change, ends).total
    brute = [_brute(basis, change, end, 2000) for end in ends]
    # Half a percent is Monte Carlo error; the rest that of taking E exp(-H) for exp(-E H).
    assert told == pytest.approx(brute, rel=0.015)


def test_a_share_of_a_sum_of_effects_is_not_the_answer() -> None:
    basis = _basis(1)
    naive = 1 - np.exp(-0.5 * basis.part[:, 0])
    told = scenario.each_avoided(basis, _change([0.5, 0.5]), np.ones(basis.churns))
    assert (naive >= told - 1e-12).all()
    assert naive.sum() > 1.05 * told.sum()


def test_all_contacts_ordinary_is_attributable_churn() -> None:
    basis = _basis(2)
    mine = basis.touchpoint == 0
    load = np.where(mine, 0.5 ** (basis.age / HALF_LIFE), 0.0)
    exposure = np.bincount(basis.churn, load, basis.churns)
    window = ChurnWindow(
        basis.baseline, basis.part, basis.left, np.full((basis.churns, 1), HALF_LIFE)
    )
    found = attributable_churn(
        window, basis.coef[0], exposure, exposure * 0, np.zeros((2, 2)), basis.value
    )
    told = scenario.avoided(basis, _change([1.0, 0.0]), np.array([END]))
    assert told.total[0] == pytest.approx(found.customers, rel=1e-9)
    assert told.value[0] == pytest.approx(found.value, rel=1e-9)


def test_changes_together_avoid_less_than_added_up() -> None:
    basis, change = _basis(3), _change([0.8, 0.8])
    end = np.array([END])
    together = scenario.avoided(basis, change, end).total[0]
    alone = [scenario.avoided(basis, change.alone(k), end).total[0] for k in (0, 1)]
    assert max(alone) < together < 0.95 * sum(alone)


def test_what_is_not_changed_or_not_known_avoids_nothing() -> None:
    basis, end = _basis(4), np.array([END])
    for change in (_change([0.0, 0.0]), _change([1.0, 1.0], END)):
        assert scenario.avoided(basis, change, end).total[0] == 0
    unknown = replace(basis, usable=np.array([False, False]))
    assert scenario.avoided(unknown, _change([1.0, 1.0]), end).total[0] == 0
    none = basis.only(np.zeros(basis.churns, dtype=bool))
    assert scenario.avoided(none, _change([1.0, 1.0]), end).total[0] == 0
    assert scenario.reduction(none, _change([1.0, 1.0]), np.array([30.0]))[0] == pytest.approx(0)


def test_the_rate_falls_as_old_contacts_fade() -> None:
    basis, change = _basis(5), _change([0.4, 0.4], 0.0)
    times = np.array([0.0, 10.0, 30.0, 90.0, np.inf])
    fallen, value = scenario.reduction(basis, change, times)
    assert fallen[0] == 0
    assert (np.diff(fallen) > 0).all()
    every = scenario.each_avoided(basis, _change([0.4, 0.4]), np.ones(basis.churns))
    assert fallen[-1] == pytest.approx(every.mean())
    assert value[-1] == pytest.approx(every @ basis.value / basis.value.sum())
    late = scenario.reduction(basis, replace(change, since=np.array([30.0, 30.0])), times)[0]
    assert late[:3] == pytest.approx(0)
    assert late[4] == pytest.approx(fallen[4])
    younger = basis.age < 30
    expected = np.bincount(
        basis.churn[younger],
        np.log1p(0.4 * np.expm1(-basis.coef[basis.touchpoint] * 0.5 ** (basis.age / HALF_LIFE)))[
            younger
        ],
        basis.churns,
    )
    assert fallen[2] == pytest.approx((1 - np.exp(expected)).mean())


def test_draws_go_about_the_estimate() -> None:
    basis, change, end = _basis(6, churns=200), _change([0.5, 0.5]), np.array([END])
    drawn = scenario.parameter_draws(basis, 4000, 1)
    middle = np.append(basis.coef, np.log(basis.half_life))
    assert drawn.mean(axis=0) == pytest.approx(middle, abs=0.02)
    assert np.cov(drawn.T) == pytest.approx(basis.covariance, abs=0.005)
    whole = scenario.avoided(basis, change, end)
    fixed = replace(basis, covariance=np.zeros((3, 3)))
    sure = scenario.parameter_draws(fixed, 4000, 1)
    expected, value, counted = scenario.avoided_draws(basis, change, whole.stays, sure, 1)
    each = scenario.each_avoided(basis, change, whole.stays[:, 0])
    for found in (expected, counted):
        assert found.mean() == pytest.approx(whole.total[0], rel=0.02)
    assert value.mean() == pytest.approx(whole.value[0], rel=0.02)
    # The chance of who left, and of who of these would have stayed.
    assert expected.var() == pytest.approx(np.square(each).sum(), rel=0.1)
    assert counted.var() == pytest.approx((each * (1 - each)).sum(), rel=0.1)
    wide = scenario.avoided_draws(basis, change, whole.stays, drawn, 1)[0]
    assert wide.var() > expected.var()


def test_a_drawn_world_with_fewer_failures_loses_as_many_fewer() -> None:
    """The effects known, the identity alone is put to the test: 40,000 customers, 80 days."""
    draw = np.random.default_rng(7)
    customers, days, base, beta, share, start = 40_000, 80, 0.002, 1.5, 0.6, 20
    load, thinned = np.zeros((2, customers))
    left, left_then = np.full((2, customers), days)
    met: list[tuple[np.ndarray, int]] = []
    for day in range(days):
        u = draw.random(customers)
        for loads, gone in ((load, left), (thinned, left_then)):
            leaves = (gone == days) & (u < -np.expm1(-base * np.exp(beta * loads)))
            gone[leaves] = day
        bad = np.flatnonzero(draw.random(customers) < 0.02)
        met.append((bad, day))
        load *= 0.5 ** (1 / HALF_LIFE)
        thinned *= 0.5 ** (1 / HALF_LIFE)
        load[bad] += 0.5 ** (1 / HALF_LIFE)
        stays = bad[(day < start) | (draw.random(len(bad)) >= share)]
        thinned[stays] += 0.5 ** (1 / HALF_LIFE)
    basis = _seen(left, met, days, base, beta)
    told = scenario.avoided(basis, _change([share], float(start)), np.array([float(days)]))
    truth = float((left < days).sum() - (left_then < days).sum())
    error = np.sqrt(truth)
    assert truth > 400
    assert abs(told.total[0] - truth) < 3 * error


def _seen(
    left: np.ndarray, met: list[tuple[np.ndarray, int]], days: int, base: float, beta: float
) -> Basis:
    who = np.flatnonzero(left < days)
    number = np.full(len(left), -1)
    number[who] = np.arange(len(who))
    pairs = [(number[bad], np.full(len(bad), day)) for bad, day in met]
    churn, on = (np.concatenate(v) for v in zip(*pairs, strict=True))
    kept = (churn >= 0) & (on < left[who][churn])
    churn, on = churn[kept], on[kept]
    at = left[who].astype(float)
    age = at[churn] - on
    load = np.bincount(churn, beta * 0.5 ** (age / HALF_LIFE), len(who))
    one = np.ones(len(who))
    return Basis(
        ("t",), np.array([beta]), np.array([True]), np.zeros((2, 2)), np.array([HALF_LIFE]),
        np.array([0]), at, at, np.log(base) * one, load[:, None], one, (days - 1 - at).astype(int),
        who, one, churn, np.zeros(len(churn), dtype=int), age, 0.0, float(days),
    )  # fmt: skip
