"""Control charts: how often they cry wolf, and what they find."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.charts import chart

PERIODS = 24


def _noise(draw: np.random.Generator, between: float) -> tuple[np.ndarray, np.ndarray]:
    """A level with samples of several sizes, and months that differ anyway."""
    se = np.exp(draw.normal(0, 0.2, PERIODS))
    return 5 + draw.normal(size=PERIODS) * np.sqrt(se**2 + between**2), se


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_a_series_without_a_change_is_marked_in_one_of_twenty(between: float) -> None:
    draw, rounds = np.random.default_rng(5), 150
    marked = sum(
        made.p_value < 0.05
        for i in range(rounds)
        if (made := chart(*_noise(draw, between), i)) is not None
    )
    # 5% and two and a half Monte Carlo errors of 1.8 points
    assert marked / rounds <= 0.05 + 2.5 * 0.0178


def test_limits_from_the_samples_alone_would_cry_wolf() -> None:
    value, se = _noise(np.random.default_rng(6), 4.0)
    made = chart(value, se)
    assert made is not None
    assert made.tau == pytest.approx(4.0, rel=0.35)
    assert not made.outside.any()
    assert (np.abs(value - value.mean()) > 3 * se).sum() >= 3


@pytest.mark.parametrize("between", [0.0, 1.0])
def test_a_shift_is_found_and_its_month_told(between: float) -> None:
    draw, rounds, at = np.random.default_rng(7), 60, 15
    found = []
    for i in range(rounds):
        value, se = _noise(draw, between)
        value[at:] += 3 * np.sqrt(1 + between**2)
        made = chart(value, se, i)
        assert made is not None
        found.append(made)
    right = [m for m in found if m.p_value < 0.05 and m.kind == "shift"]
    assert len(right) / rounds > 0.8
    near = [m for m in right if abs(m.at - at) <= 1]
    assert len(near) / len(right) > 0.9
    assert np.mean([m.earliest <= at <= m.latest for m in right]) > 0.85
    sizes = np.array([m.size for m in right])
    assert sizes.mean() == pytest.approx(3 * np.sqrt(1 + between**2), rel=0.15)
    last = right[-1]
    assert last.centre[-1] - last.centre[0] == pytest.approx(last.size, rel=1e-6)


def test_a_trend_and_an_outlier_are_called_that() -> None:
    draw = np.random.default_rng(8)
    value, se = _noise(draw, 0.0)
    made = chart(value + np.linspace(0, 9, PERIODS), se)
    assert made is not None and made.p_value < 0.01 and made.kind == "trend"
    assert made.size == pytest.approx(9, abs=3 * made.size_se)
    value, se = _noise(draw, 0.0)
    value[7] += 8
    made = chart(value, se)
    assert made is not None and made.p_value < 0.01
    assert (made.kind, made.at) == ("outlier", 7)
    assert made.outside[7]


def test_few_periods_tell_nothing_and_no_noise_is_no_error() -> None:
    assert chart(np.arange(7.0), np.ones(7)) is None
    flat = chart(np.r_[np.zeros(11), 1.0], np.zeros(12))
    assert flat is not None and np.isfinite(flat.p_value)
    same = chart(np.full(12, 0.3), np.full(12, 0.01))
    assert same is not None and same.p_value > 0.5


def test_the_same_series_gives_the_same_chart() -> None:
    value, se = _noise(np.random.default_rng(9), 1.0)
    one, other = chart(value, se), chart(value, se)
    assert one is not None and other is not None
    assert one.p_value == other.p_value


def test_a_period_without_spread_is_no_surer_than_the_others() -> None:
    rng = np.random.default_rng(5)
    se = np.full(16, 0.02)
    value = 0.5 + se * rng.standard_normal(16)
    usual = chart(value, se)
    alike = chart(value, np.where(np.arange(16) == 3, 0.0, se))
    assert usual is not None
    assert alike is not None
    assert alike.p_value == usual.p_value
    assert np.array_equal(alike.low, usual.low)
