"""Choosing under uncertainty, against closed forms of normal benefits."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from cxlab.models.decisions import choose

NORMAL = NormalDist()


def _loss(mean: float, sd: float) -> float:
    """Give E max(x, 0) of a normal x (the unit normal loss integral)."""
    z = mean / sd
    return sd * NORMAL.pdf(z) + mean * NORMAL.cdf(z)


def _drawn(means: list[float], covariance: list[list[float]]) -> np.ndarray:
    draw = np.random.default_rng(1)
    root = np.linalg.cholesky(np.array(covariance))
    return np.array(means) + draw.standard_normal((200_000, len(means))) @ root.T


def test_one_option_against_none() -> None:
    told = choose(_drawn([1.0], [[4.0]]))
    assert told.chosen == 0
    assert told.expected[0] == pytest.approx(1.0, abs=0.02)
    assert told.pays[0] == pytest.approx(NORMAL.cdf(0.5), abs=0.005)
    assert told.knowing_all == pytest.approx(_loss(1.0, 2.0) - 1.0, rel=0.02)
    assert told.knowing[0] == pytest.approx(told.knowing_all)
    assert told.best[0] == 1.0


def test_of_two_the_value_of_knowing_one() -> None:
    told = choose(_drawn([10.0, 9.0], [[4.0, 0.0], [0.0, 1.0]]))
    # To know the first: E max(x, 9) - 10; the second: E max(10, y) - 10; none is ever chosen.
    assert told.knowing[0] == pytest.approx(_loss(1.0, 2.0) - 1.0, rel=0.03)
    assert told.knowing[1] == pytest.approx(_loss(-1.0, 1.0), rel=0.03)
    assert told.knowing_all == pytest.approx(_loss(1.0, np.sqrt(5.0)) - 1.0, rel=0.03)
    assert told.best[0] == pytest.approx(NORMAL.cdf(1 / np.sqrt(5.0)), abs=0.005)


def test_what_goes_together_tells_of_the_other() -> None:
    told = choose(_drawn([10.0, 9.0], [[4.0, 3.0], [3.0, 4.0]]))
    # The difference given the first is normal with slope 1 - 3/4.
    assert told.knowing[0] == pytest.approx(_loss(1.0, 2.0 * 0.25) - 1.0, abs=0.004)
    assert told.knowing_all == pytest.approx(_loss(1.0, np.sqrt(2.0)) - 1.0, rel=0.03)


def test_nothing_that_pays_and_nothing_to_choose() -> None:
    told = choose(np.array([[-3.0, -1.0], [-2.0, -4.0]]))
    assert told.chosen is None
    assert told.knowing_all == 0
    assert told.best.tolist() == [0.5, 0.5]
    assert told.pays.tolist() == [0, 0]
    assert choose(np.zeros((5, 0))).chosen is None
    assert choose(np.ones((5, 2))).knowing_all == 0
