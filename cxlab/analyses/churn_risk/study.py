"""Who is judged, and by what was known: customers on days, without inputs that leak the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cxlab.analyses.churn_risk.leaks import Leaks, look
from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.frames.inputs import Known, Recipe, recipe, with_attributes
from cxlab.frames.landmarks import Landmarks, days_back, last_sight, stand
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.models.followed import Followed, Outcome, leaving
from cxlab.models.forecast import LEAST_LEAVERS
from cxlab.results import counted

__all__ = ["Options", "Study", "prepare"]

# The feed must have shown customers for so long before what they did can be judged.
_WARM_UP = 60.0
_MOST_DAYS = 18
_EVERYBODY = 10**12


@dataclass(frozen=True)
class Options:
    """Settings.

    Parameters
    ----------
    horizon_days : int
        Who leaves within so many days is told.
    step_days : int
        Between two days on which customers are judged.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draws.
    include_customers : bool
        Whether customers are named.
    """

    horizon_days: int = 90
    step_days: int = 30
    min_group: int = 10
    seed: int = 0
    include_customers: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(7, 730, horizon_days=self.horizon_days)
        within(7, 365, step_days=self.step_days)
        within(1, 1000, min_group=self.min_group)


@dataclass(frozen=True)
class Study:
    """What is learnt from, and who is to be judged.

    Parameters
    ----------
    dataset, options, risk
        Where it comes from.
    marks : Landmarks
        Customers on earlier days, and what became of them.
    now : pandas.DataFrame
        Customers there at ``as_of``.
    leaks : Leaks
        Inputs that were refused.
    recipe : Recipe
        The inputs.
    known : Known
        What was known of the customers on earlier days.
    """

    dataset: Dataset
    options: Options
    risk: RiskSet
    marks: Landmarks
    now: pd.DataFrame
    leaks: Leaks
    recipe: Recipe
    known: Known

    @cached_property
    def followed(self) -> Followed:
        """What became of the rows."""
        rows = self.marks.rows
        return Followed(
            time=rows["time"].to_numpy(float),
            cause=rows["cause"].to_numpy(int),
            customer=np.unique(rows["who"].to_numpy(), return_inverse=True)[1],
            origin=rows["origin"].to_numpy(int),
            weight=rows["weight"].to_numpy(float),
        )

    @cached_property
    def outcome(self) -> Outcome:
        """Who left within the horizon, of all earlier days."""
        return leaving(self.followed, self.options.horizon_days)

    def of(self, places: np.ndarray) -> Outcome:
        """Who left within the horizon, of some of the days.

        Parameters
        ----------
        places : ndarray of int
            Of the days.
        """
        return self.outcome.where(np.isin(self.outcome.origin, places))

    @cached_property
    def told(self) -> np.ndarray:
        """The days before which enough was over to learn from, and on which somebody was there."""
        there = np.unique(self.followed.origin)
        return np.array([p for p in there if self.of(self.over(int(p))).leavers >= LEAST_LEAVERS],
                        dtype=int)  # fmt: skip

    def over(self, place: int) -> np.ndarray:
        """Give the days whose horizon was over by a day."""
        days = self.marks.days
        return np.flatnonzero(days + self.options.horizon_days <= days[place])


def prepare(dataset: Dataset, options: Options) -> Study | str:
    """Draw customers on days, refuse what leaks, and measure what was known.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    options : Options
        Settings.

    Returns
    -------
    Study or str
        Or why nothing can be told.
    """
    risk = risk_set(dataset, 1, 0.0)
    sight = last_sight(risk, 0.0)
    last = sight - options.horizon_days
    days = days_back(last, risk.begin + _WARM_UP, options.step_days)[-_MOST_DAYS:]
    if len(days) < 2 or days[-1] - days[0] < options.horizon_days:
        return _too_short(risk, sight, options)
    marks = stand(risk, days, options.horizon_days, seed=options.seed)
    rows = with_attributes(risk, marks.rows)
    everybody = (_EVERYBODY, _EVERYBODY)
    there = stand(risk, np.array([sight]), options.horizon_days, most=everybody)
    now = with_attributes(risk, there.rows)
    if not len(now) or not len(rows):
        return "nobody is there to be judged"
    leaks = look(risk, rows, now, days, sight, options)
    least = options.min_group
    inputs, known = recipe(dataset, risk, rows, leaks.fields, leaks.touchpoints, least)
    marks = replace(marks, rows=rows)
    study = Study(dataset, options, risk, marks, now, leaks, inputs, known)
    learnt = study.outcome.leavers
    earlier, later = study.of(study.over(len(days) - 1)).leavers, study.of(study.told).leavers
    if min(earlier, later) < LEAST_LEAVERS:
        return (
            f"too little to learn from: {counted(learnt, 'customer')} left within the horizons "
            f"({LEAST_LEAVERS} are wanted among the earlier days, and as many to judge by later "
            f"ones; there are {earlier} and {later})"
        )
    return study


def _too_short(risk: RiskSet, sight: float, options: Options) -> str:
    wanted = 2 * options.horizon_days + _WARM_UP
    have = max(sight - risk.begin, 0.0)
    return (
        f"the data are too short: to learn from earlier days and to be tested on later ones takes "
        f"{wanted:.0f} days ({_WARM_UP:.0f} to begin with, then twice the horizon of "
        f"{options.horizon_days}), and there are {have:.0f}"
    )
