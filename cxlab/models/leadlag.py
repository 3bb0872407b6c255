"""Which of two series moves first: groups of customers over time, what all share taken out.

Series that trend together, or have the same season, are correlated at every lag and say
nothing. Here each group's own level and each period's common level are taken out of both
(two-way fixed effects), so that only what happened in one group and not in the others is left;
what a series carries over from one period to the next is taken out too (prewhitening; Box and
Jenkins 1970, 11.2). Whether a correlation is more than chance is told by giving each group
another group's metric: its trend, its season and its persistence stay, only whose it is does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["LEAST_GROUPS", "LeadLag", "lead_lag"]

LEAST_GROUPS = 6
"""Six groups can be given each other's series in 720 ways; of fewer, chance cannot be told."""
_LEAST_PERIODS = 10
_DRAWS = 2000
_ROUNDS = 50
_LEVEL = 0.95


@dataclass(frozen=True)
class LeadLag:
    """Correlations of a metric with an outcome some periods later.

    Parameters
    ----------
    lag : ndarray of int
        By how many periods the metric is ahead of the outcome; negative: behind.
    estimate, conf_low, conf_high : ndarray
        The correlations; the intervals hold for all lags together.
    p_value : float
        Of no correlation at any lag.
    groups, periods : int
        What it rests on.
    """

    lag: np.ndarray
    estimate: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    p_value: float
    groups: int
    periods: int

    def verdict(self, p_value: float | None = None) -> tuple[str, int | None]:
        """Say which moves first, and by how much.

        Parameters
        ----------
        p_value : float, optional
            In place of its own, such as one corrected for many metrics.

        Returns
        -------
        tuple of (str, int or None)
            ``leads``, ``lags``, ``moves together`` or ``cannot be told``, and the lag that shows
            most.
        """
        p = self.p_value if p_value is None else p_value
        if not p < 1 - _LEVEL:
            return "cannot be told", None
        width = np.maximum(self.conf_high - self.conf_low, 1e-12)
        best = int(np.argmax(np.abs(self.estimate) / width))
        lag = int(self.lag[best])
        return ("leads" if lag > 0 else "lags" if lag < 0 else "moves together"), lag


def lead_lag(
    metric: np.ndarray,
    outcome: np.ndarray,
    metric_weight: np.ndarray,
    outcome_weight: np.ndarray,
    most: int = 3,
    seed: int = 0,
) -> LeadLag | str:
    """Correlate a metric with an outcome at each lag.

    Parameters
    ----------
    metric, outcome : ndarray, shape (groups, periods)
        NaN where not known.
    metric_weight, outcome_weight : ndarray, shape (groups, periods)
        How much each figure tells, such as answers and customers.
    most : int
        The largest lag.
    seed : int
        Of the draws.

    Returns
    -------
    LeadLag or str
        Or why it cannot be told.
    """
    x, wx = _known(metric, metric_weight)
    y, wy = _known(outcome, outcome_weight)
    enough = ((wx > 0).mean(axis=1) >= 0.8) & ((wy > 0).mean(axis=1) >= 0.8)
    x, wx, y, wy = x[enough], wx[enough], y[enough], wy[enough]
    groups, periods = x.shape
    if groups < LEAST_GROUPS:
        return f"{groups} groups with enough customers; {LEAST_GROUPS} are wanted"
    if periods < _LEAST_PERIODS:
        return f"{periods} whole periods; {_LEAST_PERIODS} are wanted"
    x, y = _left(x, wx), _left(y, wy)
    carried = _carried(x)
    x, y = (v[:, 1:] - carried * v[:, :-1] for v in (x, y))
    # Each group's surprises on one scale: groups can then stand for each other.
    x, y = (v / np.maximum(v.std(axis=1, keepdims=True), 1e-300) for v in (x, y))
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x.any() and y.any()):
        return "the series do not vary"
    lags = np.arange(-most, most + 1)
    products = np.stack([_pairs(x, y, int(h)) for h in lags])  # lags, groups of x, groups of y
    each = np.arange(groups)
    draw = np.random.Generator(np.random.PCG64(seed))
    orders = draw.permuted(np.tile(each, (_DRAWS, 1)), axis=1)
    null = products[:, orders, each].mean(axis=2)
    estimate = products[:, each, each].mean(axis=1)
    spread = null.std(axis=1)
    furthest = np.abs(null / spread[:, None]).max(axis=0)
    reach = np.quantile(furthest, _LEVEL) * spread
    seen = float(np.abs(estimate / spread).max())
    p = (1 + (furthest >= seen - 1e-12).sum()) / (1 + _DRAWS)
    return LeadLag(lags, estimate, estimate - reach, estimate + reach, float(p), groups, periods)


def _known(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    told = np.isfinite(values) & (weight > 0)
    return np.where(told, values, 0.0), np.where(told, weight, 0.0)


def _left(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Take the groups' and the periods' levels out; what is not known is 0 then."""
    left = values.copy()
    known = weight > 0
    by_group = np.maximum(weight.sum(axis=1, keepdims=True), 1e-300)
    by_period = np.maximum(weight.sum(axis=0, keepdims=True), 1e-300)
    for _ in range(_ROUNDS):
        left = left - (weight * left).sum(axis=1, keepdims=True) / by_group
        left = left - (weight * left).sum(axis=0, keepdims=True) / by_period
        left = np.where(known, left, 0.0)
    return left


def _carried(values: np.ndarray) -> float:
    """Give the share of a period's surprise that is still there in the next."""
    now, before = values[:, 1:], values[:, :-1]
    size = float((before**2).sum())
    return float(np.clip((now * before).sum() / size, -0.95, 0.95)) if size else 0.0


def _pairs(x: np.ndarray, y: np.ndarray, lag: int) -> np.ndarray:
    """Correlate each group's metric with each group's outcome so many periods later."""
    periods = x.shape[1]
    early = slice(0, periods - lag) if lag >= 0 else slice(-lag, periods)
    late = slice(lag, periods) if lag >= 0 else slice(0, periods + lag)
    return np.asarray(x[:, early] @ y[:, late].T / (periods - abs(lag)))
