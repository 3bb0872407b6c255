"""Did a series change where something was done? Segmented regression of ratios over time.

For what reached everybody at once there is nobody to compare with: the line that the time before
would have gone on with stands for what would have come (Bernal, Cummins and Gasparrini 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from cxlab.models.intervals import LEVEL

__all__ = [
    "LEAST_BEFORE",
    "LEAST_POINTS",
    "Interrupted",
    "design",
    "lag_of",
    "newey_west",
    "segmented",
    "standard_error",
]

LEAST_BEFORE = 8
"""Fewer points before the start tell no line."""
LEAST_POINTS = 3
"""Fewer points after it tell no change."""
_YEAR = 365.25
_MOST_CARRIED = 0.9


@dataclass(frozen=True)
class Interrupted:
    """A series, the line it would have gone on with, and how far it is from it.

    Parameters
    ----------
    value, se : float
        Over the time after the start: the logarithm of what came over what would have come, or
        the mean difference.
    change, change_se : float
        The difference per denominator on either scale.
    level, level_se, slope, slope_se : float
        The step at the start, and by how much the line is steeper after it, a period.
    df : float
        Degrees of freedom.
    fitted, without : ndarray, shape (periods,)
        The line, and the one it would have gone on with.
    dispersion : float
        Variance of the counts over that of independent ones (of differences: of an answer).
    lag : int
        Over how many periods the errors may hang together.
    season : bool
        Whether a yearly wave is held equal.
    """

    value: float
    se: float
    change: float
    change_se: float
    level: float
    level_se: float
    slope: float
    slope_se: float
    df: float
    fitted: np.ndarray
    without: np.ndarray
    dispersion: float
    lag: int
    season: bool

    @property
    def p_value(self) -> float:
        """Two-sided, by Student's distribution."""
        return float(2 * special.stdtr(self.df, -abs(self.value / self.se)))

    @property
    def quantile(self) -> float:
        """Student's quantile of a 95% interval."""
        return float(special.stdtrit(self.df, 0.5 + LEVEL / 2))


def lag_of(periods: int) -> int:
    """Give the lag of Newey and West (1994): four times the (n / 100) to the power 2/9.

    Parameters
    ----------
    periods : int
        Length of the series.
    """
    return int(4 * (periods / 100) ** (2 / 9))


def design(periods: int, start: int, days: float, season: bool) -> np.ndarray:
    """Give the columns: constant, line, step, steeper line, and a year's wave.

    Parameters
    ----------
    periods, start : int
        How many there are, and the first after the start.
    days : float
        Length of one.
    season : bool
        Whether there is a wave.
    """
    t = np.arange(periods, dtype=float) - start
    after = (t >= 0).astype(float)
    # The line in years, the steeper one from the start on.
    columns = [np.ones(periods), t * days / _YEAR, after, after * t * days / _YEAR]
    if season:
        angle = 2 * np.pi * t * days / _YEAR
        columns += [np.sin(angle), np.cos(angle)]
    return np.column_stack(columns)


def segmented(
    y: np.ndarray,
    x: np.ndarray,
    start: int,
    scale: Literal["ratio", "difference"],
    *,
    days: float = 7.0,
    season: bool = False,
) -> Interrupted | None:
    r"""Fit a line with a step and another slope from the start on.

    Counts by a log-linear (Poisson) regression with the denominator as offset, means by least
    squares weighted by the answers. Errors hang together over neighbouring periods: the variance
    is Newey and West's (1987), and never below that of overdispersed periods with errors of the
    first order, since in short series the former is too small.

    Parameters
    ----------
    y, x : ndarray, shape (periods,)
        Sums; periods without a denominator are left out.
    start : int
        The first period after the start.
    scale : {"ratio", "difference"}
        Whether time passes as a factor or as an amount.
    days : float
        Length of a period.
    season : bool
        Whether a yearly wave is held equal.

    Returns
    -------
    Interrupted or None
        None where the series is too short, or has no counts before the start.
    """
    if scale == "ratio" and x[start:].sum() > 0 and y[start:].sum() == 0:
        # Of none there is no logarithm: half of one, spread out.
        y = np.where(np.arange(len(y)) >= start, 0.5 * x / x[start:].sum(), y)
    kept = x > 0
    before, after = int(kept[:start].sum()), int(kept[start:].sum())
    if before < LEAST_BEFORE or after < LEAST_POINTS or not _told(y, start, scale):
        return None
    columns = design(len(y), start, days, season)
    model = _fit(y[kept], x[kept], columns[kept], scale)
    lag, df = lag_of(int(kept.sum())), float(kept.sum() - columns.shape[1])
    if df < 2 or model is None:
        return None
    *both, dispersion = _covariance(model, columns[kept], x[kept], lag, df, scale)
    flat = columns.copy()
    flat[:, 2:4] = 0.0
    beta = model.params
    fitted, without = columns @ beta, flat @ beta
    if scale == "ratio":
        fitted, without = np.exp(fitted), np.exp(without)
    late = np.arange(len(y)) >= start
    weight = np.where(late, x, 0.0)
    value, gradient, change, by_change = _over(columns, flat, fitted, without, weight, scale)

    def error(by: np.ndarray) -> float:
        return float(np.sqrt(max(by @ covariance @ by for covariance in both)))

    step, steeper = np.eye(len(beta))[2:4]
    per = days / _YEAR
    return Interrupted(
        value=value,
        se=error(gradient),
        change=change,
        change_se=error(by_change),
        level=float(beta[2]),
        level_se=error(step),
        slope=float(beta[3] * per),
        slope_se=error(steeper) * per,
        df=df,
        fitted=fitted,
        without=without,
        dispersion=dispersion,
        lag=lag,
        season=season,
    )


def _told(y: np.ndarray, start: int, scale: str) -> bool:
    if scale == "difference":
        return True
    # A line through almost no counts is no line.
    return bool(y[:start].sum() >= LEAST_BEFORE)


def _fit(y: np.ndarray, x: np.ndarray, columns: np.ndarray, scale: str) -> Any:
    import warnings

    # Not statsmodels.api, which takes half a second to import.
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.regression.linear_model import WLS
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    if scale == "difference":
        return WLS(y / x, columns, weights=x).fit()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        fit = GLM(y, columns, family=Poisson(), offset=np.log(x)).fit()
    return fit if fit.converged and np.isfinite(fit.params).all() else None


def _covariance(
    model: Any, columns: np.ndarray, x: np.ndarray, lag: int, df: float, scale: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Give Newey and West's variance, that of errors of the first order, and the dispersion."""
    weight = model.fittedvalues if scale == "ratio" else x
    told = model.resid_response if scale == "ratio" else x * model.resid
    robust, bread = newey_west(columns, told, weight, lag)
    dispersion = float((told**2 / weight).sum() / df)
    plain = bread * dispersion * _carried(told / np.sqrt(weight), columns.shape[1])
    return robust, plain, dispersion


def newey_west(
    columns: np.ndarray, told: np.ndarray, weight: np.ndarray, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give the variance of coefficients whose errors hang together over neighbouring periods.

    Newey and West (1987), Bartlett's weights, times n / (n - terms).

    Parameters
    ----------
    columns : ndarray, shape (periods, terms)
        Of the fit.
    told, weight : ndarray, shape (periods,)
        Residuals and weights, so that the scores are columns times residuals.
    lag : int
        Up to which.

    Returns
    -------
    covariance, bread : ndarray, shape (terms, terms)
    """
    scores = columns * told[:, None]
    bread = np.linalg.pinv((columns * weight[:, None]).T @ columns)
    meat = scores.T @ scores
    for k in range(1, lag + 1):
        cross = scores[k:].T @ scores[:-k]
        meat += (1 - k / (lag + 1)) * (cross + cross.T)
    many, terms = columns.shape
    return bread @ meat @ bread * many / (many - terms), bread


def _carried(errors: np.ndarray, terms: int) -> float:
    """Give by how much errors of the first order that hang together widen a slow term's variance.

    The correlation of residuals is too small by about the terms of the fit over the periods.
    """
    n = len(errors)
    rho = float(errors[1:] @ errors[:-1] / max(float(errors @ errors), 1e-300))
    rho = min(max(rho + (terms + 4 * rho) / n, 0.0), _MOST_CARRIED)
    return (1 + rho) / (1 - rho)


def _over(
    columns: np.ndarray, flat: np.ndarray, fitted: np.ndarray, without: np.ndarray,
    weight: np.ndarray, scale: str,
) -> tuple[float, np.ndarray, float, np.ndarray]:  # fmt: skip
    """Give the effect over the time after the start, and its derivatives by the coefficients."""
    total = weight.sum()
    came, would = float(weight @ fitted), float(weight @ without)
    if scale == "difference":
        by = (weight @ (columns - flat)) / total
        gap = (came - would) / total
        return gap, by, gap, by
    by_came, by_would = (weight * fitted) @ columns, (weight * without) @ flat
    value, by = np.log(came / would), by_came / came - by_would / would
    return float(value), by, (came - would) / total, (by_came - by_would) / total


def standard_error(
    found: Interrupted,
    rate: float,
    x: float,
    before: int,
    after: int,
    scale: Literal["ratio", "difference"],
    days: float = 7.0,
) -> float:
    """Give the standard error that a follow-up of another length would have.

    Parameters
    ----------
    found : Interrupted
        What was fitted: its dispersion and season are kept.
    rate, x : float
        What is usual: the ratio, and the denominator of a period.
    before, after : int
        Periods.
    scale : {"ratio", "difference"}
        As it was fitted.
    days : float
        Length of a period.
    """
    columns = design(before + after, before, days, found.season)
    weight = rate * x if scale == "ratio" else x
    bread = np.linalg.pinv(weight * columns.T @ columns) * found.dispersion
    by = columns[before:, 2:4].mean(axis=0)
    return float(np.sqrt(by @ bread[2:4, 2:4] @ by))
