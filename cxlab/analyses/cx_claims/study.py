"""What the claims are tested on: customers on days, what is held equal, and the comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import special

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError, within
from cxlab.frames.adjustment import adjustment
from cxlab.frames.landmarks import Landmarks, days_back, last_sight, stand
from cxlab.frames.overall import Overall, overall
from cxlab.frames.periods import RiskSet, attribute, risk_set
from cxlab.models.followed import Followed, Outcome, leaving
from cxlab.models.intervals import LEVEL, share_difference
from cxlab.models.linear import clustered

__all__ = ["LEAST", "Answer", "Options", "Study", "Told", "compared", "ever"]

Frame = nw.LazyFrame[Any]
LEAST = 20
"""Fewer customers on either side, or fewer who left, tell nothing."""
LATELY = 30.0
"""Days just before and just after an overall score."""
_MOST_ROWS = (20_000, 40_000)


@dataclass(frozen=True)
class Options:
    """Settings of the tests.

    Parameters
    ----------
    horizon_days : int
        Who leaves within so many days is told.
    window_days : int
        Contacts of so many days before count; scores of twice as many.
    step_days : int
        Between two days on which customers are judged.
    margin, discount_rate, value_years
        As in ``04_retention``.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draw.
    """

    horizon_days: int = 90
    window_days: int = 90
    step_days: int = 30
    margin: float = 1.0
    discount_rate: float = 0.1
    value_years: int = 5
    min_group: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(7, 730, horizon_days=self.horizon_days, window_days=self.window_days)
        within(7, 365, step_days=self.step_days)
        within(0.01, 1.0, margin=self.margin)
        within(0.0, 1.0, discount_rate=self.discount_rate)
        within(1, 20, value_years=self.value_years)
        within(1, 1000, min_group=self.min_group)

    @property
    def least(self) -> int:
        """How many customers a comparison takes on either side."""
        return max(self.min_group, LEAST)


@dataclass(frozen=True)
class Told:
    """A figure with its 95% interval.

    Parameters
    ----------
    estimate, low, high : float
        NaN where there is none.
    n : int
        Customers it rests on.
    """

    estimate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Answer:
    """What the data say of one claim.

    Parameters
    ----------
    adjusted : Told or None
        The comparison that respects time and holds the rest equal.
    raw : Told or None
        What a dashboard would correlate.
    why : str
        Where there is no answer: why, and what it would take.
    said : str
        What was found, in a sentence.
    differs : str
        Why the two differ.
    held : str
        How both were made, in a sentence.
    facts : mapping of str to float
        Figures that stand behind the sentence.
    """

    adjusted: Told | None = None
    raw: Told | None = None
    why: str = ""
    said: str = ""
    differs: str = ""
    held: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """What all tests share.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    options : Options
        Settings.
    """

    dataset: Dataset
    options: Options

    @cached_property
    def risk(self) -> RiskSet:
        """The spells at risk."""
        return risk_set(self.dataset, 1, 0.0)

    @cached_property
    def marks(self) -> Landmarks | str:
        """Customers on days whose horizon is over; or why there are none."""
        o, risk = self.options, self.risk
        last, first = last_sight(risk, 0.0) - o.horizon_days, risk.begin + o.window_days
        days = days_back(last, first, o.step_days) if math.isfinite(first) else np.array([last])
        if not len(days):
            return (
                f"the data are too short: {o.window_days} days to look back and "
                f"{o.horizon_days} to follow are wanted"
            )
        found = stand(risk, days, o.horizon_days, most=_MOST_ROWS, seed=o.seed)
        return found if len(found.rows) else "nobody is there on the days that are judged"

    @cached_property
    def followed(self) -> Followed:
        """What became of the rows on days."""
        assert isinstance(self.marks, Landmarks)  # told by whoever asks
        rows = self.marks.rows
        return Followed(
            rows["time"].to_numpy(float),
            rows["cause"].to_numpy(int),
            pd.factorize(rows["who"])[0],
            rows["origin"].to_numpy(int),
            rows["weight"].to_numpy(float),
        )

    @cached_property
    def seen(self) -> Outcome:
        """Who left within the horizon."""
        return leaving(self.followed, self.options.horizon_days)

    @cached_property
    def equal(self) -> np.ndarray:
        """What is held equal of the rows of :attr:`seen`: tenure, month, value, attributes."""
        assert isinstance(self.marks, Landmarks)
        rows = self.marks.rows.iloc[self.seen.rows].reset_index(drop=True)
        return self.held_equal(rows, self.seen.left)

    def held_equal(self, rows: pd.DataFrame, left: np.ndarray) -> np.ndarray:
        """Give the columns of tenure, month, value and attributes, the constant first.

        Parameters
        ----------
        rows : pandas.DataFrame
            With ``tenure`` and ``at`` (days), maybe ``monthly_value``, and ``spell`` or the
            attributes.
        left : ndarray of bool
            Who left: levels of few who did are not told apart.
        """
        names = {attribute(a): a for a in self.dataset.attributes}
        own = rows.assign(event=left.astype(float), start=rows["at"].to_numpy(float))
        if any(n not in own for n in names):
            spells = self.risk.of(own["spell"].to_numpy())
            told = [c for c in (*names, "monthly_value") if c in spells and c not in own]
            own = own.assign(**{c: spells[c].to_numpy() for c in told})
        own["tenure"] = np.maximum(own["tenure"].to_numpy(float), 0.0)
        return adjustment(own, self.dataset.attributes).matrix

    @cached_property
    def overall(self) -> Overall | str:
        """Overall scores, and what went before and after; or why there are none."""
        o = self.options
        try:
            return overall(self.dataset, self.risk, LATELY, 2.0 * o.window_days, o.horizon_days)
        except AnalysisError as error:
            return str(error).removeprefix(f"{self.dataset.path}: ")


def compared(
    x: np.ndarray,
    y: np.ndarray,
    who: np.ndarray,
    take: np.ndarray,
    weight: np.ndarray | None = None,
) -> Told:
    """Estimate a sum of coefficients by least squares, customers being clusters.

    Of a share it is a difference of shares at equal values of the other columns.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        The columns of ``take`` first, then what is held equal.
    y : ndarray, shape (n,)
        The outcome.
    who : ndarray, shape (n,)
        The customers.
    take : ndarray, shape (j,)
        How often each of the first columns counts.
    weight : ndarray, shape (n,), optional
        Customers a row stands for; rows of none are left out.
    """
    weight = np.ones(len(y)) if weight is None else weight
    known = weight > 0
    root = np.sqrt(weight[known] / weight[known].mean()) if known.any() else weight[known]
    code = np.unique(who[known], return_inverse=True)[1]
    n = len(np.unique(code))
    if n < 2:
        return Told(np.nan, np.nan, np.nan, n)
    fit = clustered(x[known] * root[:, None], y[known] * root, code)
    first = slice(0, len(take))
    estimate = float(take @ fit.estimate[first])
    se = float(np.sqrt(max(take @ fit.covariance[first, first] @ take, 0.0)))
    quantile = special.stdtrit(float(fit.df[first].min()), 0.5 + LEVEL / 2)
    if not se > 0:
        return Told(estimate, np.nan, np.nan, n)
    return Told(estimate, estimate - quantile * se, estimate + quantile * se, n)


def ever(study: Study, flags: Frame) -> tuple[Told, dict[bool, tuple[int, int]]]:
    """Compare who ever left between those ever marked and those never, over whole lives.

    Parameters
    ----------
    study : Study
        The customers.
    flags : LazyFrame
        ``customer_id, marked``; customers without a row do not count.

    Returns
    -------
    Told
        The share that left of the marked less that of the others (Newcombe 1998).
    dict
        By marked or not: how many left, and how many there are.
    """
    people = study.risk.frame.group_by("customer_id").agg(left=nw.col("event").max())
    both = people.join(flags, on="customer_id", how="inner").group_by("marked", "left")
    table = both.agg(n=nw.len()).collect(backend="pandas").to_native()
    cells = {(bool(m), bool(e)): int(n) for m, e, n in table.itertuples(index=False)}
    sides = {}
    for marked in (True, False):
        left = cells.get((marked, True), 0)
        sides[marked] = left, left + cells.get((marked, False), 0)
    gap = share_difference(*sides[True], *sides[False])
    return Told(*gap, sides[True][1] + sides[False][1]), sides
