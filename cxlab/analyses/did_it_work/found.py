"""What was found of an outcome, by either way of judging it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import special

__all__ = ["FEWEST", "LEAST_PLACEBO", "Found"]

FEWEST = 10
"""Fewer events on either side of a comparison tell nothing of a rate."""
LEAST_PLACEBO = 4
"""Fewer comparisons where nothing was done tell nothing of what chance leaves out."""


@dataclass(frozen=True)
class Found:
    """What was found of one outcome.

    Parameters
    ----------
    design : {"compared", "series"}
        Beside customers not reached, or beside the time before.
    value, se, p_value, quantile : float
        The effect on its scale, with the quantile of its interval.
    change, change_se : float
        The difference per denominator.
    came, expected, out_of : float
        Sums.
    n, controls : int
        Customers reached, and those compared with.
    before, after : int
        Periods of so many ``days``.
    days : float
        Length of a period.
    followed : float
        Up to which day.
    df : float
        Degrees of freedom.
    widened : float
        By how much the standard errors are wider than chance alone makes them.
    season : bool
        Whether a yearly season is held equal, by those not reached or by a wave.
    same : tuple of float
        The effect and its interval among those who were customers when it began; NaN without.
    before_p : float
        Of the joint test that nothing moved before the start; NaN without.
    drift : float
        The largest effect seen before the start.
    placebo : ndarray
        Effects over their standard errors at dates at which nothing was done.
    seen : Callable
        Gives the day from which a change of a size would have been seen; infinite: never.
    events : pandas.DataFrame
        The effect by period: ``event, estimate, se, conf_low, conf_high, band_low, band_high``.
    cohorts : pandas.DataFrame
        By start: ``start, n, estimate, conf_low, conf_high``.
    line : pandas.DataFrame
        Of a series: ``day, rate, fitted, without``.
    notes : tuple of str
        What was left out, in sentences.
    """

    design: str
    value: float
    se: float
    p_value: float
    quantile: float
    change: float
    change_se: float
    came: float
    expected: float
    out_of: float
    n: int
    controls: int
    before: int
    after: int
    days: float
    followed: float
    seen: Callable[[float], float]
    df: float = math.inf
    widened: float = 1.0
    season: bool = True
    same: tuple[float, float, float] = (math.nan,) * 3
    before_p: float = math.nan
    drift: float = math.nan
    placebo: np.ndarray = field(default_factory=lambda: np.zeros(0))
    events: pd.DataFrame = field(default_factory=pd.DataFrame)
    cohorts: pd.DataFrame = field(default_factory=pd.DataFrame)
    line: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()

    @property
    def z(self) -> float:
        """The effect over its standard error."""
        return self.value / self.se if self.se > 0 else math.nan

    def calibrated(self, placebo: np.ndarray) -> Found:
        """Widen the standard errors by what is seen where nothing was done, beyond chance.

        Parameters
        ----------
        placebo : ndarray
            Effects over their standard errors, of which chance alone makes a mean square of one.
        """
        if len(placebo) < LEAST_PLACEBO:
            return self
        factor = max(float(np.sqrt(np.mean(placebo**2))), 1.0)
        p = 2 * special.stdtr(self.df, -abs(self.z) / factor)
        return replace(
            self,
            se=self.se * factor,
            change_se=self.change_se * factor,
            p_value=float(p),
            widened=factor,
            placebo=self.placebo / factor,
            seen=lambda wanted: self.seen(wanted / factor),
        )
