"""The bars that simulated worlds are held to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from _figures import (
    UNDATED,
    Figure,
    against_twin,
    both_not_separable,
    called,
    coverage,
    false_discoveries,
    false_worlds,
    found,
    kept_power,
    of,
    ordered_pairs,
    rare_told,
    right_sign,
    slope,
    traps_called,
    weighted_bias,
)


@dataclass(frozen=True)
class Bar:
    """What must hold in a world.

    Parameters
    ----------
    world, what : str
        The world, and what is looked at in words.
    figure : callable
        Gives the figure of the model's touchpoints in the world (``whole``: of all rows).
    low, high : float
        The figure must lie between them.
    percent : bool
        Whether the figure is shown as a percentage.
    whole : bool
        Whether more is looked at than the model's touchpoints in this world.
    """

    world: str
    what: str
    figure: Callable[[pd.DataFrame], Figure]
    low: float = -np.inf
    high: float = np.inf
    percent: bool = True
    whole: bool = False

    def judge(self, rows: pd.DataFrame) -> tuple[Figure, str]:
        """Give the figure, and ``met``, ``not met``, ``no bar`` or ``not run``.

        Parameters
        ----------
        rows : DataFrame
            Of all worlds.
        """
        if not (rows["world"] == self.world).any():
            return Figure(np.nan, np.nan, 0), "not run"
        figure = self.figure(rows if self.whole else of(rows, self.world))
        if np.isinf(self.low) and np.isinf(self.high):
            return figure, "no bar"
        # a figure that is not there (NaN) meets nothing
        met = self.low - 1e-12 <= figure.value <= self.high + 1e-12
        return figure, "met" if met else "not met"


_A_DRIVER = "worlds with a driver"
_COVERED = "95% intervals that hold the truth"
_SLOPE = "slope of estimate on truth"
_WORTH = "attributable churn / twin worlds"

# What must hold, world by world; the limits are set beforehand.
BARS = (
    Bar("plain", _COVERED, coverage, 0.93, 0.97),
    Bar("plain", _SLOPE, slope, 0.95, 1.05, percent=False),
    Bar("plain", _WORTH, against_twin, 0.9, 1.1, percent=False),
    Bar("null", "touchpoints called driver", called, high=0.01),
    Bar("null", _A_DRIVER, false_worlds, high=0.05),
    Bar("confounded", _COVERED, coverage, 0.9),
    Bar("confounded", "right signs, where a sign is told", right_sign, 0.975),
    Bar("unlucky", _A_DRIVER, false_worlds, high=0.05),
    Bar("exit", "worlds with a trap called driver", traps_called, high=0.025),
    Bar("exit", "strong drivers found, of plain's share",
        lambda rows: kept_power(rows, "exit"), 0.95, whole=True),
    Bar("leaver-decides", "worlds with a trap called driver", traps_called, high=0.025),
    Bar("souring", _A_DRIVER, false_worlds, high=0.05),
    Bar("notice", f"{_SLOPE}, cancelled_at given", slope, 0.9, percent=False),
    Bar("notice", f"{_SLOPE}, {UNDATED}", lambda rows: slope(of(rows, "notice", UNDATED)),
        percent=False, whole=True),
    Bar("immortal", "worlds with the trap called protective",
        lambda part: traps_called(part, "protective"), high=0.025),
    Bar("feedback", "95% intervals that hold the total effect", coverage, 0.9),
    Bar("frailty", _COVERED, coverage, 0.9),
    Bar("repeat-contacts", _WORTH, against_twin, 0.9, 1.1, percent=False),
    Bar("shock", _A_DRIVER, false_worlds, high=0.05),
    Bar("silent", "bias of weighted score effects / of raw ones", weighted_bias, high=1.0,
        percent=False, whole=True),
    Bar("rare", "worlds in which it is found, or too little data", rare_told, 0.95),
    Bar("twins", "worlds with both not separable", both_not_separable, 0.95),
    Bar("mixed", "pairs apart by 30% and more ordered right", ordered_pairs, 0.9),
    Bar("competing", _COVERED, coverage, 0.9),
    Bar("competing", _SLOPE, slope, 0.95, 1.05, percent=False),
    Bar("gaps", "outages of the feed found",
        lambda rows: found(of(rows, "gaps", "outages")), 0.95, whole=True),
    Bar("gaps", "drivers called that are none", false_discoveries, high=0.05),
)  # fmt: skip
