"""Which series moves first: worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.leadlag import lead_lag

GROUPS, PERIODS = 12, 24


def _persistent(draw: np.random.Generator, carried: float) -> np.ndarray:
    made = draw.normal(size=(GROUPS, PERIODS + 6))
    for t in range(1, PERIODS + 6):
        made[:, t] += carried * made[:, t - 1]
    return made


def world(
    draw: np.random.Generator, ahead: int | None, carried: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A metric that is so many periods ahead of churn, or has nothing to do with it.

    Both rise with a common trend and wander together: their raw correlation is high.
    """
    common = np.cumsum(draw.normal(size=PERIODS)) + 0.3 * np.arange(PERIODS)
    moved = _persistent(draw, carried)
    if ahead is None:
        churn = _persistent(draw, carried)[:, 3 : 3 + PERIODS]
    else:
        churn = 0.5 * moved[:, 3 - ahead : 3 - ahead + PERIODS]
        churn = churn + draw.normal(size=(GROUPS, PERIODS))
    metric = moved[:, 3 : 3 + PERIODS]
    level = draw.normal(size=(2, GROUPS, 1))
    weight = np.ones((GROUPS, PERIODS))
    return metric + common + level[0], churn + common + level[1], weight, weight


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(2, ("leads", 2)), (-1, ("lags", -1)), (0, ("moves together", 0))]
)
def test_what_moves_first_is_told_with_its_lag(ahead: int, verdict: tuple[str, int]) -> None:
    draw = np.random.default_rng(1)
    for i in range(20):
        made = lead_lag(*world(draw, ahead), seed=i)
        assert not isinstance(made, str)
        assert made.verdict() == verdict
        at = int(np.flatnonzero(made.lag == ahead)[0])
        assert made.conf_low[at] > 0


@pytest.mark.parametrize("carried", [0.0, 0.7])
def test_a_common_trend_is_no_lead(carried: float) -> None:
    draw, rounds = np.random.default_rng(2), 150
    told = raw = 0
    for i in range(rounds):
        metric, churn, *weights = world(draw, None, carried)
        made = lead_lag(metric, churn, *weights, seed=i)
        assert not isinstance(made, str)
        told += made.verdict()[0] != "cannot be told"
        raw += abs(np.corrcoef(metric.mean(axis=0), churn.mean(axis=0))[0, 1]) > 0.5
    assert raw / rounds > 0.9  # what everyone quotes
    assert told / rounds <= 0.05 + 2.5 * 0.0178  # of 150, the Monte Carlo error is 1.8 points


def test_a_correction_for_many_metrics_takes_a_verdict_back() -> None:
    made = lead_lag(*world(np.random.default_rng(3), 1))
    assert not isinstance(made, str)
    assert made.verdict()[0] == "leads"
    assert made.verdict(0.2) == ("cannot be told", None)


def test_gaps_are_borne_and_too_little_is_said_to_be() -> None:
    metric, churn, one, other = world(np.random.default_rng(4), 1)
    metric[np.random.default_rng(5).random(metric.shape) < 0.1] = np.nan
    made = lead_lag(metric, churn, one, other)
    assert not isinstance(made, str)
    assert made.verdict() == ("leads", 1)
    assert "6 are wanted" in str(lead_lag(metric[:5], churn[:5], one[:5], other[:5]))
    assert "10 are wanted" in str(lead_lag(metric[:, :9], churn[:, :9], one[:, :9], other[:, :9]))
    still = np.ones_like(metric)
    assert lead_lag(still, churn, one, other) == "the series do not vary"
