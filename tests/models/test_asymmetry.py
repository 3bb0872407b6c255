from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.asymmetry import Bend, bends, hinges, kind, turning
from cxlab.models.linear import clustered

SCALE = (1.0, 5.0)


def fitted(penalty: float, reward: float, seed: int, n: int = 1200, noise: float = 1.0) -> Bend:
    draw = np.random.default_rng(seed)
    # Mostly good ratings, as surveys have them.
    x = draw.choice([1.0, 2, 3, 4, 5], (n, 2), p=[0.05, 0.1, 0.2, 0.3, 0.35])
    y = penalty * np.minimum(x[:, 0] - 3, 0) + reward * np.maximum(x[:, 0] - 3, 0)
    y = y + 0.4 * x[:, 1] + noise * draw.normal(size=n)
    columns = np.column_stack([np.ones(n), hinges(x, np.array([3.0, 3.0]))])
    return bends(clustered(columns, y, np.arange(n)), 1, 2)


@pytest.mark.parametrize(
    ("penalty", "reward", "expected"),
    [(1.0, 0.1, "basic"), (0.1, 1.0, "excitement"), (0.6, 0.6, "performance"),
     (0.0, 0.0, "no clear effect")],
)  # fmt: skip
def test_kinds(penalty: float, reward: float, expected: str) -> None:
    bend = fitted(penalty, reward, 1)
    assert kind(bend, 0, float(bend.p_value[0]), 0.05) == expected
    assert bend.gap[0, 1] <= penalty - reward <= bend.gap[0, 2]
    assert bend.gap[0, 0] == pytest.approx(bend.penalty[0, 0] - bend.reward[0, 0])


def test_with_few_answers_the_kind_cannot_be_told() -> None:
    bend = fitted(0.6, 0.6, 2, n=150, noise=1.0)
    assert kind(bend, 0, float(bend.p_value[0]), 0.05) == "cannot be told"


def test_a_straight_line_raises_no_alarm_whatever_the_ratings() -> None:
    wrong = sum(fitted(0.5, 0.5, seed, n=400).p_value[0] < 0.05 for seed in range(200))
    # 10 of 200 are expected; more than 19 would be at 1 in 500.
    assert wrong <= 19


def test_turning_points() -> None:
    who = np.arange(100)
    even = np.tile([1.0, 2, 3, 4, 5], 20)
    assert turning(even, who, SCALE, 10) == 3
    good = np.repeat([3.0, 4, 5], [30, 30, 40])
    assert turning(good, who, SCALE, 10) == 4
    assert turning(np.full(100, 5.0), who, SCALE, 10) is None
    assert turning(even, np.zeros(100, int), SCALE, 2) is None  # one customer's
    assert turning(np.tile([0.0, 1.0], 50), who, (0, 1), 10) is None
    # 0 to 10 has a middle; of 1 to 4 the upper of the two inner steps.
    assert turning(np.tile(np.arange(11.0), 10)[:100], who, (0, 10), 10) == 5
    assert turning(np.tile([1.0, 2, 3, 4], 25), who, (1, 4), 10) == 3
