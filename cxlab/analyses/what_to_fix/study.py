"""What is needed to say what to fix: churns, effects, who comes and goes, money, draws."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.asked import Wish, ease_of, wishes
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.frames.exposures import Contacts, contacts
from cxlab.frames.failures import comings
from cxlab.frames.paying import paying
from cxlab.frames.periods import EPOCH, RiskSet, risk_set
from cxlab.models import outlook, scenario
from cxlab.models.lifetime_value import MONTH_DAYS, Terms, worth_of
from cxlab.results import Result

__all__ = ["Ahead", "Money", "Options", "Study", "day_of", "days_of", "months_ahead",
           "prepare"]  # fmt: skip

_DRAWS = 1000
# The step of a month by which the rate of leaving is thought to drift: 14% in a year.
_DRIFT = 0.04
_LATEST_MONTHS = 12


@dataclass(frozen=True)
class Options:
    """Settings.

    Parameters
    ----------
    scenario : str
        What is asked; see :func:`cxlab.analyses.what_to_fix.asked.wishes`.
    share_percent : float
        By how much failures are taken to fall at each touchpoint where nothing is asked.
    horizon_months : int
        Months ahead over which benefit is counted, and churn forecast.
    ease : str
        See :func:`cxlab.analyses.what_to_fix.asked.ease_of`.
    segment : str
        An attribute by which it is told too; empty: the one that parts most.
    margin, discount_rate, value_years : float, float, int
        How value is counted; see :class:`cxlab.models.lifetime_value.Terms`.
    min_group : int
        Smaller groups of customers are withheld.
    seed : int
        Of the draws.
    """

    scenario: str = ""
    share_percent: float = 30.0
    horizon_months: int = 12
    ease: str = ""
    segment: str = ""
    margin: float = 1.0
    discount_rate: float = 0.1
    value_years: int = 5
    min_group: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(1, 100, share_percent=self.share_percent)
        within(1, 36, horizon_months=self.horizon_months)
        within(0.01, 1, margin=self.margin)
        within(0, 1, discount_rate=self.discount_rate)
        within(1, 20, value_years=self.value_years)
        within(1, 1000, min_group=self.min_group)

    @property
    def share(self) -> float:
        """The share by which failures fall."""
        return self.share_percent / 100


@dataclass(frozen=True)
class Money:
    """What a customer who stays will still bring.

    Parameters
    ----------
    per_monthly : float
        For each unit of monthly value, over the years counted.
    error : float
        Standard error of its logarithm.
    monthly : float
        What a customer pays a month on the average, where it is not known of each; NaN: it is.
    """

    per_monthly: float
    error: float
    monthly: float


@dataclass(frozen=True)
class Ahead:
    """The months to come, had nothing changed.

    Parameters
    ----------
    months : tuple of datetime.date
        First days of the calendar months.
    times : ndarray, shape (steps,)
        Days from the end of the data to the middle of each step; the first may be what is left of
        a month, which is not told.
    lengths : ndarray, shape (steps,)
        Of the steps, in months.
    skip : int
        How many of the steps are not told: 0 or 1.
    level : Level
        Of the rate of leaving.
    stock : Stock
        Who is there.
    rates : ndarray, shape (draws, steps)
        Draws of the rate in each step.
    scatter : ndarray, shape (draws,)
        Variance of a month's count over its mean, in each draw.
    middle : ndarray, shape (steps,)
        The rate itself.
    """

    months: tuple[dt.date, ...]
    times: np.ndarray
    lengths: np.ndarray
    skip: int
    level: outlook.Level
    stock: outlook.Stock
    rates: np.ndarray
    scatter: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class Study:
    """All of it.

    Parameters
    ----------
    dataset, drivers, options
        What was given.
    basis, window : Basis
        All churns, and those of the last days.
    window_days : int
        How many days.
    risk, known : RiskSet, Contacts
        Who is at risk, and of what.
    months : pandas.DataFrame
        Who came and went, by month.
    money : Money or str
        What customers are worth, or why that is not told.
    ahead : Ahead or str
        The months to come, or why they are not told.
    asked : tuple of Wish
        The scenario.
    ease : dict
        Touchpoint -> 1 to 5.
    drawn : ndarray
        Of :func:`cxlab.models.scenario.parameter_draws`.
    places : pandas.DataFrame
        ``stage, owner, fix_cost`` by touchpoint; NaN where not given.
    """

    dataset: Dataset
    drivers: Result
    options: Options
    basis: scenario.Basis
    window: scenario.Basis
    window_days: int
    risk: RiskSet
    known: Contacts
    months: pd.DataFrame
    money: Money | str
    ahead: Ahead | str
    asked: tuple[Wish, ...]
    ease: dict[str, int]
    drawn: np.ndarray
    places: pd.DataFrame

    @property
    def names(self) -> tuple[str, ...]:
        """The touchpoints."""
        return self.basis.touchpoints

    @property
    def called(self) -> list[str]:
        """The drivers, in their order."""
        table = self.drivers.table
        mine = table[(table["verdict"] == "driver") & (table["valence"] == "bad")]
        return [str(t) for t in mine["touchpoint"]]

    def verdict(self, name: str) -> str:
        """Give the verdict on a touchpoint's bad contacts."""
        table = self.drivers.table
        mine = table[(table["touchpoint"] == name) & (table["valence"] == "bad")]
        return str(mine["verdict"].iloc[0]) if len(mine) else "too little data"

    def everywhere(self, shares: dict[str, float], since: dict[str, float]) -> scenario.Change:
        """Give a change by touchpoint; those not named do not change.

        Parameters
        ----------
        shares, since : dict
            Touchpoint -> share, and the day or delay.
        """
        share = np.array([shares.get(n, 0.0) for n in self.names])
        return scenario.Change(share, np.array([since.get(n, 0.0) for n in self.names]))


def days_of(day: dt.date) -> float:
    """Give a day as days since 1970-01-01."""
    return float((day - EPOCH.date()).days)


def day_of(days: float) -> dt.date:
    """Give the day that so many days since 1970-01-01 are."""
    return EPOCH.date() + dt.timedelta(days=int(np.floor(days)))


def prepare(
    dataset: Dataset, drivers: Result, basis: scenario.Basis | None, options: Options
) -> Study | str:
    """Gather what is needed, or say why it cannot be told.

    Parameters
    ----------
    dataset : Dataset
        As the drivers were found in.
    drivers, basis : Result, Basis or None
        Of ``churn_drivers.basis``.
    options : Options
        Settings.

    Raises
    ------
    UsageError
        The scenario, the ease or the segment cannot be.
    """
    if basis is None:
        return drivers.sentence or "there is no model of what drives customers away"
    names = basis.touchpoints
    asked, ease = wishes(options.scenario, names), ease_of(options.ease, names)
    risk = risk_set(dataset)
    known = contacts(dataset).kept(risk)
    if "bad" not in known.classes:
        return "nothing tells a failed contact from an ordinary one"
    days = int(drivers.meta["window_days"])
    months, money = comings(risk), _money(dataset, risk, options)
    if isinstance(money, Money) and np.isfinite(money.monthly):
        basis = replace(basis, value=np.full(basis.churns, money.monthly))
    drawn = scenario.parameter_draws(basis, _DRAWS, options.seed)
    ahead = _ahead(dataset, risk, months, options)
    return Study(dataset, drivers, options, basis, basis.window(days), days, risk, known, months,
                 money, ahead, asked, ease, drawn, _places(dataset, names))  # fmt: skip


def _money(dataset: Dataset, risk: RiskSet, options: Options) -> Money | str:
    """Tell what a customer of today will bring, for each unit of what they pay a month."""
    given = "monthly_value" in dataset.columns("customers")
    if isinstance(dataset.settings.churn, Inactivity) and not given:
        return "customers have no monthly_value, and where churn is silence nobody knows who stays"
    found = paying(dataset, risk)
    if isinstance(found, str):
        return found
    found = found.where(found.known)
    terms = Terms(options.margin, options.discount_rate, options.value_years)
    worth = worth_of(found, terms, options.min_group)
    if isinstance(worth, str):
        return worth
    paid = float(found.monthly[worth.counted].sum())
    if not paid > 0:
        return "nobody pays anything"
    total = worth.total
    own = np.nan if given else float(found.monthly[worth.counted].mean())
    return Money(total.value / paid, total.se / total.value, own)


def _places(dataset: Dataset, names: tuple[str, ...]) -> pd.DataFrame:
    """Give what is known of the touchpoints."""
    wanted = ("stage", "owner", "fix_cost")
    empty = pd.DataFrame({c: np.full(len(names), np.nan) for c in wanted}, index=list(names))
    there = [c for c in wanted if c in dataset.columns("touchpoints")]
    if not there:
        return empty.astype({"stage": object, "owner": object})
    frame: Any = dataset.table("touchpoints").select("touchpoint", *there)
    found: pd.DataFrame = frame.collect(backend="pandas").to_native().set_index("touchpoint")
    made = found.reindex(list(names)).reindex(columns=list(wanted))
    cost = pd.to_numeric(made["fix_cost"]).astype(float)
    return made.assign(fix_cost=cost.where(cost >= 0)).astype({"stage": object, "owner": object})


def _ahead(dataset: Dataset, risk: RiskSet, months: pd.DataFrame, options: Options) -> Ahead | str:
    """Tell how many would leave in the months to come, had nothing changed."""
    whole = months[months["whole"]].tail(60)
    there = whole["there"].to_numpy() * whole["days"].to_numpy() / MONTH_DAYS
    level = outlook.fit_level(whole["leavers"].to_numpy(), there, whole["month"].to_numpy(), _DRIFT)
    if level is None:
        return f"fewer than {outlook.LEAST_MONTHS} whole months were seen"
    late, spent = whole.tail(_LATEST_MONTHS), there[-_LATEST_MONTHS:].sum()
    lasted = late["days"].sum() / MONTH_DAYS
    stock = outlook.Stock(
        _now(risk), float(late["joined"].sum() / lasted), float(late["others"].sum() / spent)
    )
    steps, lengths, first, skip = _steps(dataset, options.horizon_months)
    numbers = np.array([_number(s) for s in steps])
    generator = np.random.Generator(np.random.PCG64([options.seed, 0xA4EAD]))
    rates, scatter = level.rates(numbers, generator, _DRAWS)
    times = np.cumsum(lengths) - lengths / 2
    return Ahead(
        tuple(first), times * MONTH_DAYS, lengths, skip, level, stock, rates * lengths,
        scatter, level.rate(numbers) * lengths,
    )  # fmt: skip


def months_ahead(ahead: Ahead) -> np.ndarray:
    """Number the months of the steps ahead, from 1970-01 on."""
    told = [_number(m) for m in ahead.months]
    return np.array([told[0] - 1] * ahead.skip + told)


def _now(risk: RiskSet) -> float:
    """Count who is there at the end."""
    import narwhals as nw

    gone = ~nw.col("event_at").is_null() | ~nw.col("competing_at").is_null()
    told = risk.frame.filter(~gone).select(n=nw.len()).collect(backend="pyarrow")
    return float(told.row(0)[0])


def _number(month: dt.date) -> int:
    return (month.year - 1970) * 12 + month.month - 1


def _steps(dataset: Dataset, horizon: int) -> tuple[list[dt.date], np.ndarray, list[dt.date], int]:
    """Give the steps ahead: what is left of this month, if anything, then whole months."""
    start = dataset.as_of + dt.timedelta(days=1)
    first = start if start.day == 1 else _after(start)
    months = [first]
    while len(months) < horizon:
        months.append(_after(months[-1]))
    lengths = [(_after(m) - m).days for m in months]
    skip = int(first != start)
    steps = [start.replace(day=1)] * skip + months
    lengths = [(first - start).days] * skip + lengths
    return steps, np.array(lengths) / MONTH_DAYS, months, skip


def _after(day: dt.date) -> dt.date:
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
