"""Cliffs on hazards whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from cxlab.models.cliffs import Cliff, Scan, Steps, find_cliffs

PERIODS = (7.0, 30.0, 365.25 / 12, 91.3125, 182.625, 365.0)


def _world(
    seed: int, days: int, customers: int, higher: Iterable[tuple[Iterable[int], float]] = (),
    base: float = 0.0012,
) -> Steps:  # fmt: skip
    """Draw ends day by day from a falling hazard with cliffs, half of the customers late."""
    draw = np.random.default_rng(seed)
    hazard = base * (1 + 1.5 * np.exp(-np.arange(days) / 60))
    for steps, more in higher:
        hazard[list(steps)] += more
    ends, at_risk = np.zeros((2, days), dtype=int)
    there = customers // 2
    for day in range(days):
        at_risk[day] = there
        ends[day] = draw.binomial(there, hazard[day])
        gone = draw.binomial(there - ends[day], 1.2 / days)
        entered = customers // 2 // days + (1 if day % 3 else 0)
        there += entered - ends[day] - gone
    return Steps(0, ends, at_risk)


def _scan(steps: Steps) -> Scan:
    return find_cliffs(steps, (1, 3, 7), PERIODS, 28)


def test_smooth_hazards_have_no_cliffs() -> None:
    # At most 5% of scans may find any; of 40, more than 6 would have a chance of 1.4%.
    found = [_scan(_world(seed, 365, 3000)).cliffs for seed in range(40)]
    assert sum(map(bool, found)) <= 6


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_single_cliff_is_found_with_its_size(seed: int) -> None:
    steps = _world(seed, 500, 4000, [((30,), 0.05)])
    cliffs = [c for c in _scan(steps).cliffs if c.p_value < 1e-6]
    assert [(c.windows, c.period) for c in cliffs] == [(((30, 31),), 0.0)]
    truth = 0.05 * steps.at_risk[30]
    smooth = 0.0012 * (1 + 1.5 * np.exp(-0.5)) * steps.at_risk[30]
    assert abs(cliffs[0].excess[0] - truth) < 3 * np.sqrt(truth)
    assert abs(cliffs[0].expected - smooth) < 2.0
    assert cliffs[0].conf_low < (truth + smooth) / smooth < cliffs[0].conf_high * 1.3


def test_yearly_cliffs_are_one_with_a_period() -> None:
    steps = _world(4, 1200, 5000, [((365, 730, 1095), 0.08)])
    cliffs = _scan(steps).cliffs
    assert [c.period for c in cliffs] == [365.0]
    assert [w[0] for w in cliffs[0].windows] == [365, 730, 1095]
    truth = 0.08 * steps.at_risk[[365, 730, 1095]].sum()
    assert abs(cliffs[0].excess[0] - truth) < 3 * np.sqrt(truth)


def test_weak_cliffs_at_each_month_are_found_together() -> None:
    months = range(30, 600, 30)
    steps = _world(5, 600, 3000, [(months, 0.006)])
    cliffs = _scan(steps).cliffs
    assert sum(len(c.windows) for c in cliffs if c.period == 30.0) == len(months)
    alone = find_cliffs(steps, (1, 3, 7), (), 28).cliffs
    assert len(alone) < len(months) / 2  # most could not be told one by one


def test_one_high_window_makes_no_period() -> None:
    cliffs = _scan(_world(6, 800, 4000, [((365,), 0.15)])).cliffs
    assert cliffs[0].period == 0.0
    assert cliffs[0].windows == ((365, 366),)


def test_a_cliff_of_several_days_is_one() -> None:
    cliffs = _scan(_world(7, 500, 5000, [(range(88, 93), 0.02)])).cliffs
    assert len(cliffs) == 1
    low, high = cliffs[0].windows[0]
    assert 86 <= low <= 88
    assert 93 <= high <= 95


def test_a_hump_is_no_cliff() -> None:
    hump = [((day,), 0.003 * np.exp(-(((day - 200) / 60) ** 2))) for day in range(400)]
    assert not _scan(_world(8, 400, 6000, hump)).cliffs


def test_the_smooth_hazard_is_found_beside_the_cliff() -> None:
    steps = _world(9, 500, 20000, [((30,), 0.3)])
    scan = _scan(steps)
    rate = scan.expected / steps.at_risk
    truth = 0.0012 * (1 + 1.5 * np.exp(-np.arange(500) / 60))
    assert np.abs(np.log(rate[5:450] / truth[5:450])).max() < 0.15
    inside = (scan.conf_low <= truth * steps.at_risk) & (truth * steps.at_risk <= scan.conf_high)
    assert inside[5:450].mean() > 0.8


@pytest.mark.parametrize(
    "ends",
    [np.zeros(60, int), np.r_[np.zeros(59, int), 5], np.full(60, 50), np.r_[50, np.zeros(59)]],
)
def test_odd_counts_give_finite_figures(ends: np.ndarray) -> None:
    scan = _scan(Steps(3, ends.astype(int), np.maximum(1000 - np.cumsum(ends), 60).astype(int)))
    assert np.isfinite(scan.expected).all()
    assert (scan.conf_low <= scan.expected).all()
    for cliff in scan.cliffs:
        assert np.isfinite([cliff.ratio, cliff.conf_low, cliff.conf_high, cliff.expected]).all()


def test_the_excess_is_what_lies_beyond_the_expected() -> None:
    cliff = Cliff(((1, 2),), ends=100, expected=25.0, ratio=4.0, conf_low=2.0, conf_high=5.0)
    assert cliff.excess == (75.0, 50.0, 80.0)
