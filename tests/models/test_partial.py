"""Partial correlations against residuals by hand, and their intervals against the jackknife."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.partial import partial_correlations

Made = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _made(seed: int, customers: int = 150, each: int = 2) -> Made:
    """Draw rows whose customers have a level of their own."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), each)
    level = draw.normal(size=customers)[who]
    beside = draw.normal(size=len(who)) + level
    x = np.column_stack([0.6 * level, 0.3 * beside]) + draw.normal(size=(len(who), 2))
    y = level + 0.5 * beside + draw.normal(size=len(who))
    return x, y, np.column_stack([np.ones(len(who)), beside]), who


def test_it_is_the_correlation_of_what_the_rest_leaves() -> None:
    x, y, equal, who = _made(1)
    found = partial_correlations(x, y, equal, who)
    every = np.column_stack([x, y])
    left = every - equal @ np.linalg.lstsq(equal, every, rcond=None)[0]
    np.testing.assert_allclose(found.estimate, np.corrcoef(left.T)[-1, :2], rtol=1e-10)


def test_errors_are_the_jackknifes_by_customer() -> None:
    x, y, equal, who = _made(2)
    found = partial_correlations(x, y, equal, who)
    without = np.array(
        [partial_correlations(x[k], y[k], equal[k], who[k]).estimate
         for k in (who != c for c in range(who.max() + 1))]
    )  # fmt: skip
    gap = without[:, 0] - without[:, 1]
    n = len(without)
    both = np.column_stack([without, gap])
    jackknife = np.sqrt((n - 1) / n * np.square(both - both.mean(axis=0)).sum(axis=0))
    mine = [*found.se, found.differences([(0, 1)])["se"].iloc[0]]
    # To the first order; the jackknife is a little wider.
    np.testing.assert_allclose(mine, jackknife, rtol=0.03)


def test_rows_told_twice_say_no_more() -> None:
    x, y, equal, who = _made(3)
    twice = [np.concatenate([v, v]) for v in (x, y, equal, who)]
    one, two = partial_correlations(x, y, equal, who), partial_correlations(*twice)
    np.testing.assert_allclose(one.estimate, two.estimate, rtol=1e-12)
    np.testing.assert_allclose(one.se, two.se, rtol=0.01)


def test_intervals_hold_the_truth() -> None:
    hit = []
    for seed in range(200):
        x, y, equal, who = _made(seed, 80)
        # The same column but for noise: no difference in truth.
        draw = np.random.default_rng(1000 + seed)
        x = x[:, [0]] + draw.normal(size=(len(x), 2))
        row = partial_correlations(x, y, equal, who).differences([(0, 1)]).iloc[0]
        hit.append(row["conf_low"] < 0 < row["conf_high"])
    assert np.mean(hit) == pytest.approx(0.95, abs=0.04)  # two and a half Monte Carlo errors


def test_what_does_not_vary_gives_nothing() -> None:
    x, y, equal, who = _made(4)
    x[:, 1] = 3 + 2 * equal[:, 1]
    found = partial_correlations(x, y, equal, who)
    assert np.isfinite(found.estimate[0]) and np.isnan(found.estimate[1])
    assert np.isnan(partial_correlations(x, np.ones(len(y)), equal, who).estimate).all()
