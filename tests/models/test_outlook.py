"""Forecasts of counts: they cover what comes, and customers come and go as they should."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.outlook import Stock, counts, ends, fit_level, followed

MONTHS = np.arange(640, 664)


def _spans(seen: np.ndarray, months: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    level = fit_level(seen, np.full(len(seen), 1000.0), months, 0.04)
    assert level is not None
    draw = np.random.default_rng(seed)
    rates, scatter = level.rates(np.arange(6) + months[-1] + 1, draw, 400)
    return ends(counts(1000 * rates, scatter, draw))


@pytest.mark.parametrize(
    ("wave", "drift", "over", "seen"),
    [(0.0, 0.0, 0.0, 24), (0.2, 0.0, 0.0, 24), (0.2, 0.0, 0.0, 12), (0.0, 0.06, 2.0, 24)],
)
def test_intervals_hold_what_comes(wave: float, drift: float, over: float, seen: int) -> None:
    held, worlds = [], 24
    for seed in range(worlds):
        draw = np.random.default_rng([seed, 9])
        months = np.arange(640, 640 + seen + 6)
        turn = draw.uniform(0, 2 * np.pi) + 2 * np.pi * months / 12
        walk = np.cumsum(draw.normal(0, drift, len(months)))
        mean = 40 * np.exp(wave * np.sin(turn) + walk)
        mean = draw.gamma(mean / over, over) if over else mean
        came = draw.poisson(mean)
        low, high = _spans(came[:seen].astype(float), months[:seen], seed)
        held.append((came[seen:] >= low) & (came[seen:] <= high))
    # Of 144 months; those of a world go together.
    assert np.mean(held) >= 0.88


def test_the_level_is_that_of_the_months_seen() -> None:
    level = fit_level(np.full(24, 50.0), np.full(24, 1000.0), MONTHS, 0.04)
    assert level is not None
    assert level.rate(np.array([664, 669])) == pytest.approx(0.05, rel=0.02)
    rates, scatter = level.rates(np.array([664, 669]), np.random.default_rng(1), 4000)
    assert np.median(rates, axis=0) == pytest.approx(0.05, rel=0.03)
    assert rates[:, 1].std() > rates[:, 0].std()  # the longer ahead the less is known
    assert (scatter >= 1).all()


def test_a_drop_is_followed_and_a_wave_learnt() -> None:
    seen = np.r_[np.full(18, 100.0), np.full(6, 50.0)]
    level = fit_level(seen, np.full(24, 1000.0), MONTHS, 0.08, wave=False)
    assert level is not None
    assert 0.045 < level.rate(np.array([664]))[0] < 0.06
    months = np.arange(604, 664)
    wavy = 400 * np.exp(0.3 * np.sin(2 * np.pi * months / 12))
    level = fit_level(wavy, np.full(60, 1000.0), months, 0.04)
    assert level is not None
    ahead = np.arange(664, 676)
    assert level.rate(ahead) == pytest.approx(
        0.4 * np.exp(0.3 * np.sin(2 * np.pi * ahead / 12)), rel=0.06
    )


def test_too_few_months_are_not_forecast() -> None:
    assert fit_level(np.ones(2), np.ones(2), np.arange(2), 0.04) is None
    assert fit_level(np.ones(9), np.r_[np.zeros(7), 1.0, 1.0], np.arange(9), 0.04) is None
    nobody = fit_level(np.zeros(6), np.full(6, 100.0), np.arange(6), 0.04)
    assert nobody is not None
    assert 0 < nobody.rate(np.array([6]))[0] < 0.01


def test_counts_scatter_as_told_and_rise_with_their_means() -> None:
    means, scatter = np.full((20_000, 1), 30.0), np.repeat([1.0, 2.5], 10_000)
    drawn = counts(means, scatter, np.random.default_rng(3))[:, 0]
    for over, part in ((1.0, drawn[:10_000]), (2.5, drawn[10_000:])):
        assert part.mean() == pytest.approx(30, rel=0.02)
        assert part.var() == pytest.approx(30 * over, rel=0.06)
    more = counts(means * 1.1, scatter, np.random.default_rng(3))[:, 0]
    assert (more >= drawn).all()


def test_customers_come_and_go() -> None:
    leavers, there = followed(Stock(1000.0, 0.0, 0.1), np.array([[0.2, 0.2]]))
    assert leavers[0, 0] == pytest.approx(1000 * (1 - np.exp(-0.3)) * 2 / 3)
    assert there[0, 0] == pytest.approx(leavers[0, 0] / 0.2)
    assert leavers[0, 1] == pytest.approx(leavers[0, 0] * np.exp(-0.3))
    # Day by day, with those who come.
    now, gone = 500.0, np.zeros(2)
    for day in range(60_000):
        left = now * 0.15 / 30_000
        gone[day // 30_000] += left
        now += 50 / 30_000 - left - now * 0.02 / 30_000
    leavers, _ = followed(Stock(500.0, 50.0, 0.02), np.array([[0.15, 0.15]]))
    assert leavers[0] == pytest.approx(gone, rel=1e-3)
    still, _ = followed(Stock(500.0, 50.0, 0.0), np.zeros((1, 3)))
    assert still.sum() == 0
