"""What is compared: customers on days, what was known of them then, and what each told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.frames.answers import questions
from cxlab.frames.exposures import at_exit, contacts
from cxlab.frames.landmarks import Landmarks, days_back, last_sight, stand
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.signals import Said, behaviour, standing, what_was_said
from cxlab.models.followed import Followed, Outcome, leaving
from cxlab.models.forecast import LEAST_LEAVERS, Rolled, roll
from cxlab.results import counted

__all__ = ["BEHAVIOUR", "BOTH", "EVERYTHING", "SCORES", "Options", "Study", "prepare"]

SCORES, BEHAVIOUR = "all scores", "behaviour"
BOTH, EVERYTHING = "behaviour and scores", "everything"
_TENURE, _WITH_VALUE = "tenure", "tenure and value"
_OURS = (SCORES, BEHAVIOUR, BOTH, EVERYTHING, _TENURE, _WITH_VALUE)
# The feed must have shown customers for so long before what they did can be judged.
_WARM_UP = 60.0


@dataclass(frozen=True)
class Options:
    """Settings of the comparison.

    Parameters
    ----------
    horizon_days : int
        Who leaves within so many days is told.
    lead_days : int
        The horizon opens so many days after the day on which it is told.
    step_days : int
        Between two days on which customers are judged.
    fresh_days : int
        A score as old counts as recent.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draw.
    """

    horizon_days: int = 90
    lead_days: int = 14
    step_days: int = 30
    fresh_days: int = 90
    min_group: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(7, 730, horizon_days=self.horizon_days)
        within(0, 365, lead_days=self.lead_days)
        within(7, 365, step_days=self.step_days)
        within(7, 3650, fresh_days=self.fresh_days)
        within(1, 1000, min_group=self.min_group)

    @property
    def until(self) -> int:
        """The horizon's last day, counted from the day on which it is told."""
        return self.lead_days + self.horizon_days


@dataclass(frozen=True)
class Study:
    """What is compared, and what each signal told.

    Parameters
    ----------
    dataset, options, marks
        Where it comes from.
    said : dict of str to Said
        What customers had said, by metric.
    signals : dict of str to ndarray, shape (rows, columns)
        What was known, by signal: the simplest first.
    left_out : tuple of str
        Touchpoints of the stage ``exit``, which are no part of behaviour.
    notes : dict of str to str
        What is not compared, and why.
    """

    dataset: Dataset
    options: Options
    marks: Landmarks
    said: Mapping[str, Said]
    signals: Mapping[str, np.ndarray]
    left_out: tuple[str, ...]
    notes: Mapping[str, str]

    @property
    def base(self) -> str:
        """The simplest signal: what is known of everybody."""
        return next(iter(self.signals))

    @property
    def singles(self) -> list[str]:
        """Each metric by itself, and behaviour."""
        return [*self.said, *([BEHAVIOUR] if BEHAVIOUR in self.signals else [])]

    @cached_property
    def followed(self) -> Followed:
        """What became of the rows."""
        rows = self.marks.rows
        who = np.unique(rows["who"].to_numpy(), return_inverse=True)[1]
        return Followed(
            time=rows["time"].to_numpy(float),
            cause=rows["cause"].to_numpy(int),
            customer=who,
            origin=rows["origin"].to_numpy(int),
            weight=rows["weight"].to_numpy(float),
        )

    @cached_property
    def told(self) -> Rolled:
        """What each signal told with the lead."""
        return self._rolled(tuple(self.signals), self.options.lead_days)

    @cached_property
    def at_once(self) -> Rolled:
        """What each single signal told of a horizon that opens at once."""
        return self._rolled((self.base, *self.singles), 0)

    def _rolled(self, names: tuple[str, ...], lead: int) -> Rolled:
        columns = {name: self.signals[name] for name in names}
        until = lead + self.options.horizon_days
        return roll(columns, self.followed, self.marks.days, until, lead)

    def judged(self, until: float, since: float, days: np.ndarray | None = None) -> Outcome:
        """Tell who left, on the days on which all was told.

        Parameters
        ----------
        until, since : float
            The horizon.
        days : ndarray of int, optional
            Places of the days (default: all on which there was enough to learn from).
        """
        kept = np.isin(self.followed.origin, self.told.judged if days is None else days)
        seen = leaving(self.followed, until, since)
        return seen.where(kept[seen.rows])

    @cached_property
    def outcome(self) -> Outcome:
        """Tell who left within the horizon, with the lead."""
        return self.judged(self.options.until, self.options.lead_days)

    def chances(self, names: list[str]) -> np.ndarray:
        """Give what signals told, a column each, with the lead."""
        return np.column_stack([self.told.chance[name] for name in names])


def prepare(dataset: Dataset, options: Options) -> Study | str:
    """Draw customers on days and measure what was known of them, or say why there is nothing.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    options : Options
        Settings.
    """
    risk = risk_set(dataset, 1, 0.0)
    last = last_sight(risk, 0.0) - options.until
    days = days_back(last, risk.begin + _WARM_UP, options.step_days)
    if len(days) < 2 or days[-1] - days[0] < options.until:
        return _too_short(risk, options)
    marks = stand(risk, days, options.until, seed=options.seed)
    notes: dict[str, str] = {}
    said = _said(dataset, marks.rows, notes)
    met, left_out = _met(dataset, risk, marks.rows, notes)
    if not said and met is None:
        return f"there is nothing to compare: {'; '.join(notes.values())}"
    study = Study(dataset, options, marks, said, _signals(marks.rows, said, met), left_out, notes)
    learnt = leaving(study.followed, options.until, options.lead_days)
    if learnt.leavers < LEAST_LEAVERS or study.outcome.leavers < LEAST_LEAVERS:
        many = counted(learnt.leavers, "customer")
        return (
            f"too little to tell: {many} left within the horizons, too few to learn from earlier "
            f"days and to judge by later ones ({LEAST_LEAVERS} are wanted for either)"
        )
    return study


def _too_short(risk: RiskSet, options: Options) -> str:
    wanted = 2 * options.until + _WARM_UP
    have = last_sight(risk, 0.0) - risk.begin
    return (
        f"the data are too short: to learn from earlier days and to judge by later ones takes "
        f"{wanted:.0f} days ({_WARM_UP:.0f} to begin with, then twice lead and horizon), and "
        f"there are {max(have, 0):.0f}"
    )


def _said(dataset: Dataset, rows: pd.DataFrame, notes: dict[str, str]) -> dict[str, Said]:
    known = questions(dataset)
    if isinstance(known, str):
        notes["scores"] = known
        return {}
    if not len(rows):
        return {}
    said = what_was_said(dataset, known, rows)
    for metric in sorted(set(known.metrics) - set(said)):
        notes[metric] = f"nobody there on a day that is judged had given a score on {metric}"
    if not said:
        notes["scores"] = "nobody there on a day that is judged had given a score"
    if said and not known.asking:
        notes["who was asked"] = (
            "the feedback has no asked_at: who was asked and did not answer cannot be told from "
            "who was never asked"
        )
    # A metric may be called what we call something else.
    return {f"{m} (score)" if m in _OURS else m: s for m, s in said.items()}


def _met(
    dataset: Dataset, risk: RiskSet, rows: pd.DataFrame, notes: dict[str, str]
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Measure behaviour, without touchpoints at which customers leave."""
    if "interactions" not in dataset.tables:
        notes[BEHAVIOUR] = "the dataset has no table interactions"
        return None, ()
    known = contacts(dataset).kept(risk)
    exits = at_exit(dataset, known.touchpoints)
    if exits.all():
        notes[BEHAVIOUR] = "table interactions has no contacts but those at which customers leave"
        return None, ()
    names = tuple(t for t, leaves in zip(known.touchpoints, exits, strict=True) if leaves)
    return behaviour(dataset, known, rows, exits), names


def _signals(
    rows: pd.DataFrame, said: Mapping[str, Said], met: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Give the columns of each signal, the simplest first."""
    base = standing(rows)
    signals = {_WITH_VALUE if "monthly_value" in rows else _TENURE: base}
    signals |= {metric: s.columns for metric, s in said.items()}
    scores = [s.columns for s in said.values()]
    if len(said) > 1:
        signals[SCORES] = np.hstack(scores)
    if met is not None:
        signals[BEHAVIOUR] = met
    if met is not None and said:
        signals[BOTH] = np.hstack([met, *scores])
    signals[EVERYTHING] = np.hstack([base, *scores, *([] if met is None else [met])])
    return signals
