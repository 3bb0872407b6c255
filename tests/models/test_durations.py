"""Times from counts, against R's survfit and against the exact estimate of single customers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models.durations import Incidence
from cxlab.models.survival import Curve, Lifetimes, cumulative_incidence

GOLDEN = pd.read_csv(Path(__file__).parents[1] / "golden" / "experience.csv", index_col="what")
TIME = np.array([5, 8, 8, 12, 15, 20, 20, 31, 40, 41, 50, 60])
EVENT = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 0])


def _counts(time: np.ndarray, kind: np.ndarray) -> Incidence:
    days = np.arange(int(time.max()) + 1.0)
    counts = np.zeros((3, len(days)))
    np.add.at(counts, (kind, time.astype(int)), 1)
    return Incidence(counts, days)


@pytest.mark.parametrize("at", [8, 20, 41])
def test_without_other_ends_it_is_kaplan_and_meiers_in_r(at: int) -> None:
    found, wanted = _counts(TIME, EVENT).by(at), GOLDEN.loc[f"waited {at}"]
    assert [found.estimate, found.se, found.conf_low, found.conf_high] == pytest.approx(
        wanted.to_numpy(float), rel=1e-6
    )


def test_with_other_ends_and_clusters_it_is_the_exact_estimate() -> None:
    draw = np.random.default_rng(1)
    time = np.ceil(draw.exponential(20, 400))
    kind, who = draw.choice([0, 1, 2], 400, p=[0.3, 0.5, 0.2]), np.arange(400) // 4
    incidence = _counts(time, kind)
    at = np.array([5.0, 20.0, 40.0])
    single = Lifetimes(np.full(400, -np.inf), time, kind, np.arange(400))
    exact = cumulative_incidence(single, 1, at)
    for i, day in enumerate(at):
        found = incidence.by(day)
        wanted = exact.loc[i, ["estimate", "se", "conf_low", "conf_high"]].to_numpy(float)
        got = [found.estimate, found.se, found.conf_low, found.conf_high]
        assert got == pytest.approx(wanted, rel=1e-9)
    grouped = Lifetimes(single.entry, time, kind, who)
    wanted_se = cumulative_incidence(grouped, 1, np.array([20.0])).loc[0, "se"]
    moved = incidence.influence(20)[kind, time.astype(int)]
    assert np.sqrt(np.square(np.bincount(who, moved)).sum()) == pytest.approx(wanted_se)


def test_the_median_is_that_of_the_curve_and_its_limits_hold() -> None:
    draw = np.random.default_rng(2)
    held, rounds = 0, 300
    for _ in range(rounds):
        time = np.ceil(draw.exponential(30, 120))
        over = np.ceil(draw.uniform(1, 150, 120))
        kind = (time <= over).astype(int)
        incidence = _counts(np.minimum(time, over), kind)
        found = incidence.quantile(0.5)
        held += found.conf_low <= np.ceil(30 * np.log(2)) <= found.conf_high
    assert 0.92 < held / rounds < 0.995
    lives = Lifetimes(np.full(120, -np.inf), np.minimum(time, over), kind, np.arange(120))
    assert found.estimate == Curve(lives).median()[0]


def test_what_is_not_reached_is_said_to_be_and_nothing_is_nothing() -> None:
    few = _counts(np.array([5, 9, 30, 30, 30]), np.array([1, 1, 0, 0, 0]))
    assert few.quantile(0.5).estimate == np.inf
    assert np.isfinite(few.quantile(0.5).conf_low)
    never = _counts(np.array([9, 9, 9]), np.zeros(3, int)).by(9)
    assert (never.estimate, never.conf_low) == (0.0, 0.0)
    assert never.conf_high == pytest.approx(1 - 0.025 ** (1 / 3))
    empty = Incidence(np.zeros((3, 4)), np.arange(4.0))
    assert np.isnan(empty.by(3).estimate)
    assert empty.quantile(0.5).estimate == np.inf
    all_at_once = _counts(np.full(8, 3), np.ones(8, int))
    assert all_at_once.quantile(0.5).estimate == 3.0
    assert all_at_once.by(3).estimate == 1.0
