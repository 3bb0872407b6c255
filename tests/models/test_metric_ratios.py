"""Ratios of sums over customers, against R, published variances and simulated coverage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models.intervals import wilson
from cxlab.models.scores import changes, ratios, weighted_means

GOLDEN = pd.read_csv(
    Path(__file__).parents[1] / "golden" / "experience.csv", index_col="what"
)  # made by make_experience.R
WHO = np.array([1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7, 8, 9, 10, 10])
Y = np.array([1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1.0])
SCORES = np.array([10, 9, 3, 7, 8, 10, 2, 9, 6, 10, 5, 9])


def _sums(y: np.ndarray, x: np.ndarray, who: np.ndarray) -> dict[str, np.ndarray]:
    """Sum by customer, then over customers, one level."""
    code = np.unique(who, return_inverse=True)[1]
    a, b = np.bincount(code, y), np.bincount(code, x)
    made = {"y": a.sum(), "x": b.sum(), "yy": a @ a, "yx": a @ b, "xx": b @ b, "n": (b > 0).sum()}
    return {k: np.array([float(v)]) for k, v in made.items()}


def _pair(one: np.ndarray, other: np.ndarray, who: np.ndarray) -> Mapping[str, np.ndarray]:
    """Each customer answers once before and once now."""
    ones = np.ones(len(one))
    now, before = _sums(one, ones, who), _sums(other, ones, who)
    crossed = {"y0y": other @ one, "y0x": other.sum(), "x0y": one.sum(), "x0x": float(len(one))}
    old = {"".join(f"{c}0" for c in k): v for k, v in before.items()}
    return now | old | {k: np.array([float(v)]) for k, v in crossed.items()}


def test_the_error_is_that_of_clusters_in_r() -> None:
    found = ratios(_sums(Y, np.ones(len(Y)), WHO), (0.0, 1.0)).iloc[0]
    assert found["estimate"] == pytest.approx(GOLDEN.loc["share", "estimate"], abs=1e-9)
    # R corrects by G / (G - 1) as we do
    assert found["se"] == pytest.approx(GOLDEN.loc["share", "se"], rel=1e-9)


def test_nps_has_the_multinomial_variance_where_nobody_answers_twice() -> None:
    box = np.where(SCORES >= 9, 100.0, np.where(SCORES <= 6, -100.0, 0.0))
    n = len(SCORES)
    found = ratios(_sums(box, np.ones(n), np.arange(n)), (-100.0, 100.0)).iloc[0]
    assert found["estimate"] == pytest.approx(GOLDEN.loc["nps", "estimate"])
    assert found["se"] == pytest.approx(GOLDEN.loc["nps", "se"] * np.sqrt(n / (n - 1)), rel=1e-9)


def test_a_share_of_many_who_answer_once_has_wilsons_interval() -> None:
    y = np.repeat([1.0, 0.0], [400, 1600])
    found = ratios(_sums(y, np.ones(2000), np.arange(2000)), (0.0, 1.0)).iloc[0]
    share, low, high = wilson(400, 2000)
    assert found["estimate"] == share
    # Student's quantile and n - 1 for n are all that differs
    assert [found["conf_low"], found["conf_high"]] == pytest.approx([low, high], abs=2e-4)


@pytest.mark.parametrize(("value", "side"), [(1.0, "conf_high"), (0.0, "conf_low")])
def test_all_alike_is_not_certain(value: float, side: str) -> None:
    found = ratios(_sums(np.full(12, value), np.ones(12), np.arange(12)), (0.0, 1.0)).iloc[0]
    assert found[side] == found["estimate"] == value
    assert 0.2 < found["conf_high"] - found["conf_low"] < 0.4


def test_none_of_a_rate_has_garwoods_limit_and_nothing_is_nothing() -> None:
    none = {k: np.array([v]) for k, v in (("y", 0.0), ("x", 50.0), ("yy", 0.0), ("yx", 0.0),
                                          ("xx", 60.0), ("n", 40.0))}  # fmt: skip
    found = ratios(none, (0.0, np.inf)).iloc[0]
    assert found["conf_low"] == 0.0
    assert found["conf_high"] == pytest.approx(3.688879 / 50)
    empty = ratios({k: np.zeros(1) for k in none}, (0.0, 1.0)).iloc[0]
    assert empty.isna().all()


def test_intervals_hold_their_level_where_customers_are_few_and_answers_hang_together() -> None:
    draw = np.random.default_rng(1)
    held = {"share": 0, "nps": 0, "change": 0}
    rounds = 300
    for _ in range(rounds):
        leaning = draw.beta(1.6, 0.4, 25)
        who = np.repeat(np.arange(25), draw.integers(1, 5, 25))
        y = (draw.random(len(who)) < leaning[who]).astype(float)
        found = ratios(_sums(y, np.ones(len(who)), who), (0.0, 1.0)).iloc[0]
        held["share"] += found["conf_low"] <= 0.8 <= found["conf_high"]
        box = draw.choice([100.0, 0.0, -100.0], 15, p=[0.6, 0.25, 0.15])
        found = ratios(_sums(box, np.ones(15), np.arange(15)), (-100.0, 100.0)).iloc[0]
        held["nps"] += found["conf_low"] <= 45 <= found["conf_high"]
        level = draw.normal(0, 1, 40)
        one, other = ((level + draw.normal(s, 0.7, 40) > -1.2).astype(float) for s in (0, 0))
        gap = changes(_pair(one, other, np.arange(40)), (0.0, 1.0)).iloc[0]
        held["change"] += gap["conf_low"] <= 0 <= gap["conf_high"]
    # 95% less two and a half Monte Carlo errors of 1.3 points
    assert min(held.values()) / rounds > 0.918
    assert max(held.values()) / rounds < 0.995


def test_customers_of_both_periods_make_a_change_surer() -> None:
    draw = np.random.default_rng(2)
    level = draw.normal(0, 3, 400)
    one, other = (np.clip(5 + level + draw.normal(0, 0.5, 400), 0, 10) for _ in range(2))
    found = changes(_pair(one, other, np.arange(400)), (0.0, 10.0)).iloc[0]
    difference = one - other
    assert found["estimate"] == pytest.approx(difference.mean())
    assert found["se"] == pytest.approx(difference.std(ddof=1) / 20, rel=1e-6)
    half = 1.966 * found["se"]
    assert found["conf_high"] - found["estimate"] == pytest.approx(half, rel=0.05)


def _silence(
    draw: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Who failed scores worse and answers less: the raw mean is too good by 0.24."""
    who = np.repeat(np.arange(n // 2), 2)
    failed = draw.random(n) < 0.4
    score = 7.0 - 1.5 * failed + draw.normal(0, 1, n // 2)[who] + draw.normal(0, 1, n)
    answered = draw.random(n) < np.where(failed, 0.2, 0.5)
    x = np.column_stack([np.ones(n), failed, draw.normal(0, 1, n)])
    return x, answered, score, who


def test_weights_take_away_silence_that_is_known_and_know_how_sure_they_are() -> None:
    draw = np.random.default_rng(3)
    made = [weighted_means(*_silence(draw, 1600)) for _ in range(60)]
    truth = 7.0 - 1.5 * 0.4
    raw, weighted = (np.array([getattr(m, k) for m in made]) for k in ("raw", "weighted"))
    assert raw[:, 0].mean() - truth > 0.2
    assert abs(weighted[:, 0].mean() - truth) < 0.02
    # the error told is that of repeated worlds
    assert weighted[:, 1].mean() == pytest.approx(weighted[:, 0].std(ddof=1), rel=0.2)
    held = np.abs(weighted[:, 0] - truth) < 1.96 * weighted[:, 1]
    assert held.mean() > 0.88
    gap = np.array([m.difference for m in made])
    assert gap[:, 1].mean() == pytest.approx(gap[:, 0].std(ddof=1), rel=0.25)


def test_answers_that_are_missing_at_random_are_not_moved() -> None:
    draw = np.random.default_rng(4)
    x, _, score, who = _silence(draw, 4000)
    made = weighted_means(x, draw.random(4000) < 0.4, score, who)
    assert abs(made.difference[0]) < 3 * made.difference[1]
    assert made.response.told < 0.55
