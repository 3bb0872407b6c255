"""Control charts that tell a change from noise.

A period's figure r_t has the standard error s_t of its sample. Beyond that, periods differ for
reasons of their own: r_t = level + b_t + e_t, with b_t of variance tau^2. Limits from s_t alone
would call every other period special where samples are large (Laney 2002). tau^2 is estimated
from the differences between neighbours, which a shift or a trend hardly touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy import special

__all__ = ["LEAST_PERIODS", "Chart", "chart"]

LEAST_PERIODS = 8
"""Fewer periods tell no change from noise."""
_SIDE = 3
_SIGMAS = 3.0
_DRAWS = 2000
# Where tau is put: at its estimate, and where it may well be.
_TAILS = (0.1, 0.5, 0.9)
# Degrees of freedom that a difference between neighbours is worth (2/3 of an independent one's),
# the largest left out.
_FREEDOM = 0.6
KINDS = ("shift", "trend", "outlier")


@dataclass(frozen=True)
class Chart:
    """A series, its limits, and the change that it shows.

    Parameters
    ----------
    value, se : ndarray, shape (periods,)
        The figures and their standard errors.
    tau : float
        Standard deviation between periods, beyond the samples'.
    centre, low, high : ndarray, shape (periods,)
        The level, and where periods lie that nothing particular has happened to.
    p_value : float
        Of no change at all: how often such a series without one would show as much.
    kind : str
        What the change would be: ``shift``, ``trend`` or ``outlier``.
    at : int
        The first period after a shift, the outlier, or 0.
    earliest, latest : int
        A shift's range: where it fits almost as well.
    size : float
        Of the shift, of the trend from first to last period, or of the outlier.
    size_se : float
        Its standard error, the place taken as known.
    """

    value: np.ndarray
    se: np.ndarray
    tau: float
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: float
    kind: str
    at: int
    earliest: int
    latest: int
    size: float
    size_se: float

    @cached_property
    def outside(self) -> np.ndarray:
        """Which periods lie outside the limits."""
        return (self.value < self.low) | (self.value > self.high)


def chart(value: np.ndarray, se: np.ndarray, seed: int = 0) -> Chart | None:
    """Draw limits around a series, and test whether anything has changed.

    Three changes are looked for: a level that shifts and stays, a steady trend, and one period
    out of line. The p-value is that of the one that shows most, held against the same search in
    series drawn without any change, tau estimated anew in each: whatever was looked for is in
    it, and a series without a change has one below 0.05 in at most 5% of cases.

    Parameters
    ----------
    value, se : ndarray, shape (periods,)
        Whole periods in order, none missing.
    seed : int
        Of the draws.

    Returns
    -------
    Chart or None
        None of fewer than eight periods.
    """
    value, se = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    if len(value) < LEAST_PERIODS:
        return None
    least = 1e-9 * (float(np.abs(value).max()) or 1.0)
    # A period in which all are alike shows no spread, and is no surer than the others for it.
    usual = float(np.median(se[se > least])) if (se > least).any() else least
    se = np.where(se > 0.01 * usual, se, usual)
    tau = float(_between(value[None], se)[0])
    found = _searched(value[None], se)
    draw = np.random.Generator(np.random.PCG64(seed))
    # tau is not known, and what is held against it depends on it: the p-value is the largest of
    # those at what the data allow (Berger and Boos 1994).
    freedom = _FREEDOM * (len(value) - 1)
    allowed = freedom / special.chdtri(freedom, np.array(_TAILS))
    spread = _spread(value[None], se)[0]
    judged = []
    noise = draw.standard_normal((_DRAWS, len(value)))
    for tau2 in np.unique(_tau2(spread * allowed, se)):
        null = _searched(noise * np.sqrt(se**2 + tau2), se)
        judged.append(_judged(found, null))
    kind, p = max(judged, key=lambda j: j[1])
    return _made(value, se, tau, kind, p, found)


def _between(values: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Give tau of each series from its neighbours' differences, the largest one left out."""
    return np.asarray(np.sqrt(_tau2(_spread(values, se), se)))


def _spread(values: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Give the variance of neighbours' differences, in multiples of that of their samples.

    One jump is a shift's own: the largest difference is left out, and what an ordinary largest
    one would have added is put back.
    """
    ratio = np.diff(values, axis=1) ** 2 / (se[1:] ** 2 + se[:-1] ** 2)
    count = ratio.shape[1]
    return np.asarray((ratio.sum(axis=1) - ratio.max(axis=1)) / (count - 1) / _left_out(count))


def _tau2(spread: np.ndarray, se: np.ndarray) -> np.ndarray:
    own = se[1:] ** 2 + se[:-1] ** 2
    return np.asarray(np.maximum(spread - 1, 0.0) / (2 * np.mean(1 / own)))


@cache
def _left_out(count: int) -> float:
    """Give the mean of normal squares without their largest: neighbours' differences of noise."""
    draw = np.random.Generator(np.random.PCG64(count))
    z = np.diff(draw.standard_normal((20_000, count + 1)), axis=1) ** 2 / 2
    return float(((z.sum(axis=1) - z.max(axis=1)) / (count - 1)).mean())


@dataclass(frozen=True)
class _Found:
    """What the search met in each series: statistics by kind, the place and the estimate."""

    statistic: dict[str, np.ndarray]
    at: dict[str, np.ndarray]
    size: dict[str, np.ndarray]
    size_se: dict[str, np.ndarray]
    profile: np.ndarray


def _searched(values: np.ndarray, se: np.ndarray) -> _Found:
    """Look for each kind of change in each series."""
    tau = _between(values, se)
    weight = 1 / (se**2 + tau[:, None] ** 2)
    total = weight.sum(axis=1)
    mean = (weight * values).sum(axis=1) / total
    off = values - mean[:, None]
    # a shift before period k: the difference of two weighted means
    ahead = np.cumsum(weight, axis=1)
    sums = np.cumsum(weight * off, axis=1)
    cut = np.arange(_SIDE, values.shape[1] - _SIDE + 1)
    first, rest = ahead[:, cut - 1], total[:, None] - ahead[:, cut - 1]
    gap = -sums[:, cut - 1] / rest - sums[:, cut - 1] / first
    gap_se = np.sqrt(1 / first + 1 / rest)
    z = np.abs(gap) / gap_se
    best = z.argmax(axis=1)
    row = np.arange(len(values))
    # a trend by weighted least squares
    place = np.arange(values.shape[1], dtype=float)
    centred = place - ((weight * place).sum(axis=1) / total)[:, None]
    spread = (weight * centred**2).sum(axis=1)
    slope = (weight * centred * off).sum(axis=1) / spread
    span = values.shape[1] - 1
    # one period against the mean of the others
    left = total[:, None] - weight
    alone = off * total[:, None] / left
    alone_se = np.sqrt(1 / weight + 1 / left)
    out = np.abs(alone) / alone_se
    far = out.argmax(axis=1)
    return _Found(
        {"shift": z[row, best], "trend": np.abs(slope) * np.sqrt(spread), "outlier": out[row, far]},
        {"shift": cut[best], "trend": np.zeros(len(values), int), "outlier": far},
        {"shift": gap[row, best], "trend": slope * span, "outlier": alone[row, far]},
        {
            "shift": gap_se[row, best],
            "trend": span / np.sqrt(spread),
            "outlier": alone_se[row, far],
        },
        z,
    )


def _judged(found: _Found, null: _Found) -> tuple[str, float]:
    """Give the kind that fits best, and the p-value of having looked for all three."""
    least = np.ones(_DRAWS)
    own: dict[str, float] = {}
    for kind in KINDS:
        drawn = null.statistic[kind]
        order = np.sort(drawn)
        least = np.minimum(least, _share_above(order, drawn))
        own[kind] = float(_share_above(order, found.statistic[kind])[0])
    # Named is the kind that fits best (Akaike 1974): what a shift and one period out of line
    # have more than a trend is a place.
    kind = max(KINDS, key=lambda k: found.statistic[k][0] ** 2 - 2 * (k != "trend"))
    p = (1 + (least <= min(own.values())).sum()) / (1 + _DRAWS)
    return kind, float(p)


def _share_above(order: np.ndarray, values: np.ndarray) -> np.ndarray:
    above = len(order) - np.searchsorted(order, values, "left")
    return np.asarray((above + 1) / (len(order) + 1))


def _made(
    value: np.ndarray, se: np.ndarray, tau: float, kind: str, p: float, found: _Found
) -> Chart:
    weight = 1 / (se**2 + tau**2)
    at = int(found.at[kind][0])
    periods = np.arange(len(value))
    centre = np.full(len(value), np.average(value, weights=weight))
    earliest = latest = at
    if p < 0.05 and kind == "shift":
        for part in (periods < at, periods >= at):
            centre[part] = np.average(value[part], weights=weight[part])
        near = np.flatnonzero(found.profile[0] ** 2 >= found.statistic["shift"][0] ** 2 - 3.84)
        earliest, latest = int(near[0]) + _SIDE, int(near[-1]) + _SIDE
    elif p < 0.05 and kind == "trend":
        middle = np.average(periods, weights=weight)
        centre = centre + found.size["trend"][0] * (periods - middle) / (len(value) - 1)
    elif p < 0.05:
        others = periods != at
        centre[:] = np.average(value[others], weights=weight[others])
    reach = _SIGMAS * np.sqrt(se**2 + tau**2)
    return Chart(
        value, se, tau, centre, centre - reach, centre + reach, p, kind, at, earliest, latest,
        float(found.size[kind][0]), float(found.size_se[kind][0]),
    )  # fmt: skip
