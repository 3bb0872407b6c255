"""What customers will pay from now on, and what keeping more of them is worth.

The share that stays is a product-limit estimate by day of tenure, in which a customer counts
with what they pay: that is the share of *value* that stays, right also where those who pay
more leave less. Beyond the data customers are taken to leave at the rate of the last stretch.
Value is counted by the day, as long as the customer is there at its end, and discounted.

Every figure here hangs on the days of tenure through a weight: what it loses where a day sees
more customers leave. The weights give the variance by the infinitesimal jackknife, one pass
over the spells each, those of one customer taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import optimize

from cxlab.models.intervals import Z
from cxlab.models.survival import Lifetimes

__all__ = ["MONTH_DAYS", "RETENTION_DAYS", "YEAR_DAYS", "Estimate", "Paid", "Staying", "Terms",
           "Worth", "worth_of"]  # fmt: skip

YEAR_DAYS = 365.25
MONTH_DAYS = YEAR_DAYS / 12
RETENTION_DAYS = 365
"""Retention is the share still there after so many days."""

# The last stretch, whose rate holds beyond the data: this many ends, or half of all.
_TAIL_ENDS = 100
_MOST_HAZARD = 1 - 1e-9
# Of fewer ends no interval can be told.
_LEAST_ENDS = 10
# An interval on a log scale goes no further: beyond it, nothing is known.
_WIDEST = 100.0


class Staying:
    """The share that stays, by whole days of tenure, each spell with a weight.

    Parameters
    ----------
    lives : Lifetimes
        In days; every end counts.
    weight : ndarray, shape (n,)
        What each spell counts, 0 or more.
    least : int
        The share is told between the tenures at which so many spells are followed.

    Attributes
    ----------
    start, reach : int
        These tenures: from ``start`` days on, up to ``reach``. Both 0 where there are none.
    rate : float
        The share that leaves in a day, beyond ``reach``.
    """

    def __init__(self, lives: Lifetimes, weight: np.ndarray, least: int) -> None:
        self._customer, self._weight = lives.customer, weight
        self._first = np.floor(np.maximum(np.nextafter(lives.entry, np.inf), 0.0)).astype(int)
        self._last = np.floor(lives.exit).astype(int)
        self._ended = lives.cause > 0
        ones = np.ones(len(weight))
        self.start, self.reach = _stretch(self._at_risk(ones), least)
        self.ends = int(self._count(ones)[self.start : self.reach].sum())
        there, ended = self._at_risk(weight)[: self.reach], self._count(weight)[: self.reach]
        ended[: self.start] = 0.0
        self._hazard = np.minimum(_ratio(ended, there), _MOST_HAZARD)
        self._per_left = _ratio(np.ones(self.reach), there - ended)
        self.tail = self._tail(self._count(ones)[: self.reach])
        time = there[self.tail :].sum()
        gone = ended[self.tail :].sum()
        self.rate = float(min(gone / time, _MOST_HAZARD)) if time > 0 else 0.0
        self._per_tail = 1.0 / (time - gone) if time > gone else 0.0

    def _at_risk(self, weight: np.ndarray) -> np.ndarray:
        size = int(self._last.max(initial=-1)) + 2
        came = np.bincount(self._first, weight, size)[:size]
        went = np.bincount(self._last + 1, weight, size)[:size]
        return np.asarray(np.maximum(np.cumsum(came - went), 0.0)[:-1])

    def _count(self, weight: np.ndarray) -> np.ndarray:
        size = int(self._last.max(initial=-1)) + 1
        return np.bincount(self._last[self._ended], weight[self._ended], size).astype(float)

    def _tail(self, ended: np.ndarray) -> int:
        """Find where the last stretch begins: after the end before those it holds."""
        after = ended[::-1].cumsum()[::-1]
        enough = after >= min(_TAIL_ENDS, max(self.ends / 2, 1))
        more = np.flatnonzero(enough & (after > after[enough].min(initial=np.inf)))
        return max(int(more[-1]) + 1 if len(more) else 0, self.start)

    def losses(self, length: int) -> np.ndarray:
        """Give minus the log of the share that stays through each day of tenure.

        Parameters
        ----------
        length : int
            How many days, from a tenure of 0 on.
        """
        hazard = np.full(max(length, self.reach), self.rate)
        hazard[: self.reach] = self._hazard
        return np.asarray(-np.log1p(-hazard[:length]))

    def influence(self, weight: np.ndarray) -> np.ndarray:
        """Give each spell's influence on a figure.

        Parameters
        ----------
        weight : ndarray, shape (days,)
            What the figure loses per unit of each of :meth:`losses`.

        Returns
        -------
        ndarray, shape (n,)
        """
        within = np.zeros(self.reach)
        count = min(self.reach, len(weight))
        within[:count] = weight[:count]
        beyond = weight[self.reach :].sum() * self._per_tail
        own = within * self._per_left
        total = np.append(0.0, np.cumsum(own * self._hazard))
        first, stop = (np.minimum(a, self.reach) for a in (self._first, self._last + 1))
        expected = total[stop] - total[first]
        days = np.maximum(stop - np.maximum(first, self.tail), 0)
        expected += beyond * self.rate * days
        seen = np.zeros(len(expected))
        counted = self._ended & (self._last < self.reach) & (self._last >= self.start)
        seen[counted] = own[self._last[counted]]
        seen[counted & (self._last >= self.tail)] += beyond
        return np.asarray(-self._weight * (seen - expected))

    def by_customer(self, influence: np.ndarray) -> np.ndarray:
        """Sum influences over the spells of each customer."""
        return np.bincount(self._customer, weights=influence)


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    return np.divide(over, under, out=np.zeros(len(over)), where=under > 0)


def _stretch(at_risk: np.ndarray, least: int) -> tuple[int, int]:
    """Find the days about the fullest one on which enough are followed."""
    enough = at_risk >= max(least, 1)
    if not enough.any():
        return 0, 0
    peak = int(np.argmax(at_risk))
    before, after = np.flatnonzero(~enough[:peak]), np.flatnonzero(~enough[peak:])
    start = int(before[-1]) + 1 if len(before) else 0
    return start, peak + int(after[0]) if len(after) else len(at_risk)


@dataclass(frozen=True)
class Terms:
    """How value is counted.

    Parameters
    ----------
    margin : float
        The share of what customers pay that is profit, above 0 and up to 1.
    discount_rate : float
        By how much a year's wait lowers value: 0.1 is 10%.
    years : float
        How far ahead value is counted.
    """

    margin: float = 1.0
    discount_rate: float = 0.1
    years: float = 5.0

    @property
    def days(self) -> int:
        """How far ahead value is counted, in days."""
        return max(round(self.years * YEAR_DAYS), 1)

    @property
    def discount(self) -> float:
        """The log of what a day's wait takes."""
        return float(np.log1p(self.discount_rate)) / YEAR_DAYS


@dataclass(frozen=True)
class Estimate:
    """A figure, its standard error, and its 95% interval."""

    value: float
    se: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, influence: np.ndarray) -> Estimate:
        """Make one of a positive figure; its interval is taken on the log scale.

        Parameters
        ----------
        value : float
            The figure.
        influence : ndarray
            Each customer's on it.
        """
        se = float(np.sqrt(np.square(influence).sum()))
        if value <= 0:
            return cls(value, se, value, value)
        width = float(np.exp(min(Z * se / value, _WIDEST)))
        return cls(value, se, value / width, value * width)

    def per(self, number: float) -> Estimate:
        """Divide by a known number."""
        return Estimate(*(v / number for v in (self.value, self.se, self.low, self.high)))


class Worth:
    """What the customers of today will pay, and what keeping more of them would add.

    Parameters
    ----------
    lives : Lifetimes
        In days; every end counts.
    there : ndarray of bool, shape (n,)
        The spells of today's customers.
    monthly : ndarray, shape (n,)
        What each pays in a month, 0 or more.
    terms : Terms
        How value is counted.
    least : int
        Tenures are told of where so many spells are followed.
    ahead : int
        Days since the customers of today are known to be there: where churn is silence,
        nobody knows of the last days who has left.
    log_monthly : ndarray, shape (n,), optional
        Where ``monthly`` is one estimate for all: each spell's influence on its log.

    Attributes
    ----------
    counted : ndarray of bool, shape (n,)
        The spells of today's customers whose tenure is told of; the others count nothing.
    staying : Staying
        Of value.
    """

    def __init__(
        self,
        lives: Lifetimes,
        there: np.ndarray,
        monthly: np.ndarray,
        terms: Terms,
        *,
        least: int = 10,
        ahead: int = 0,
        log_monthly: np.ndarray | None = None,
    ) -> None:
        self._terms, self._shift, self._log_monthly = terms, ahead, log_monthly
        one = log_monthly is not None
        self._heads = Staying(lives, np.ones(len(lives)), least)
        self.staying = self._heads if one else Staying(lives, monthly, least)
        tenure = np.floor(lives.exit).astype(int)
        self.counted = there & (tenure >= self.staying.start)
        base = tenure[self.counted]
        length = int(base.max(initial=0)) + 1
        daily = monthly[self.counted] * terms.margin / MONTH_DAYS
        self._amount = np.bincount(base, daily, length)
        self._number = np.bincount(base, minlength=length).astype(float)
        days = length + ahead + max(terms.days, RETENTION_DAYS)
        self._losses, self._head_losses = (s.losses(days) for s in (self.staying, self._heads))

    @cached_property
    def customers(self) -> int:
        """How many of today's customers count."""
        return int(self.counted.sum())

    @cached_property
    def total(self) -> Estimate:
        """What they will pay within the years, less what the margin and the wait take."""
        found = self._value(1.0)
        spells = self.staying.influence(found.weight)
        return self._estimate(found.total, spells)

    @cached_property
    def beyond(self) -> float:
        """The share of :attr:`total` that lies at tenures beyond the data."""
        value = self._value(1.0)
        seen = np.minimum(value.begin + self._terms.days, self.staying.reach)
        within = value.per * (value.running[np.maximum(seen, value.begin)]
                              - value.running[value.begin])  # fmt: skip
        return float(1 - within.sum() / value.total) if value.total else 0.0

    @cached_property
    def retention(self) -> Estimate:
        """The share of them that will be there in 365 days, from when they are known to be."""
        share, weight, _ = self._kept(1.0)
        left = self._heads.by_customer(self._heads.influence(weight))
        se = float(np.sqrt(np.square(left).sum()))
        if not 0 < share < 1:
            return Estimate(share, se, share, share)
        # On the scale of log(-log), as of a curve: the limits of a share are shares.
        width = np.exp(min(Z * se / (share * -np.log(share)), _WIDEST))
        return Estimate(share, se, float(share**width), float(share ** (1 / width)))

    def gains(self, points: Sequence[float]) -> list[Estimate | None]:
        """Give what more retention is worth.

        Every hazard is taken times one factor, such that :attr:`retention` rises by so much.

        Parameters
        ----------
        points : sequence of float
            By how much it rises: 0.01 is one point of a hundred.

        Returns
        -------
        list of Estimate or None
            By how much :attr:`total` rises; None where so many do not leave.
        """
        return [self._gain(p) if 0 < p < 1 - self.retention.value else None for p in points]

    def raised(self, points: float) -> Estimate | None:
        """Give by which share of itself :attr:`total` rises; see :meth:`gains`.

        Parameters
        ----------
        points : float
            By how much retention rises; None where so many do not leave.
        """
        if not 0 < points < 1 - self.retention.value:
            return None
        (gain, spells), now = self._gained(points), self._value(1.0)
        share = gain / now.total
        # What is paid in a month is a factor of both, and cancels.
        spells = (spells - share * self.staying.influence(now.weight)) / now.total
        return Estimate.of(share, self._heads.by_customer(spells))

    def _gain(self, points: float) -> Estimate:
        return self._estimate(*self._gained(points))

    def _gained(self, points: float) -> tuple[float, np.ndarray]:
        share, weight, _ = self._kept(1.0)
        factor = float(optimize.brentq(lambda f: self._kept(f)[0] - share - points, 0.0, 1.0))
        _, kept_weight, kept_slope = self._kept(factor)
        now, then = self._value(1.0), self._value(factor)
        # The factor itself is estimated: it is what brings the share to its mark.
        moved = then.slope / kept_slope * (weight - kept_weight)
        influence = self.staying.influence(then.weight - now.weight)
        influence += self._heads.influence(moved)
        return then.total - now.total, influence

    def _estimate(self, value: float, spells: np.ndarray) -> Estimate:
        if self._log_monthly is not None:
            spells = spells + value * self._log_monthly
        return Estimate.of(value, self._heads.by_customer(spells))

    def _value(self, factor: float) -> _Value:
        """Sum what is paid from today on, at hazards times a factor from today on."""
        length, discount = self._terms.days, self._terms.discount
        lost = np.append(0.0, np.cumsum(self._losses))
        begin = np.arange(len(self._amount)) + self._shift
        there = self._amount * np.exp(lost[begin - self._shift] - lost[begin])
        day = np.arange(len(lost)) - self._shift
        value = np.exp(-factor * (lost - lost[self._shift]) - discount * day)
        running, per = np.cumsum(value), there / value[begin]
        each = per * (running[begin + length] - running[begin])
        whole, count = (
            _spread(v, begin, len(self._losses), length)
            for v in (per * running[begin + length], per)
        )
        at_stake = whole - running[:-1] * count
        weight = factor * at_stake
        weight += _spread(each, begin - self._shift, len(weight), self._shift)
        slope = -float(self._losses @ at_stake)
        return _Value(float(each.sum()), weight, slope, begin, per, running)

    def _kept(self, factor: float) -> tuple[float, np.ndarray, float]:
        """Give the share there in a year, what it loses by the day, and its slope."""
        lost = np.append(0.0, np.cumsum(self._head_losses))
        begin = np.arange(len(self._number)) + self._shift
        gone = lost[begin + RETENTION_DAYS] - lost[begin]
        share = self._number / max(self._number.sum(), 1.0) * np.exp(-factor * gone)
        weight = factor * _spread(share, begin, len(self._head_losses), RETENTION_DAYS)
        return float(share.sum()), weight, -float(share @ gone)


class Paid(Protocol):
    """Spells with what each pays, in days; as :class:`Worth` takes them."""

    @property
    def entry(self) -> np.ndarray:
        """Tenure from which a spell was followed."""

    @property
    def exit(self) -> np.ndarray:
        """Tenure at which it ended or was last seen."""

    @property
    def ended(self) -> np.ndarray:
        """Whether it ended."""

    @property
    def customer(self) -> np.ndarray:
        """Whose it is."""

    @property
    def monthly(self) -> np.ndarray:
        """What is paid in a month."""

    @property
    def ahead(self) -> int:
        """Days since those without an end are known to be there."""

    @property
    def log_monthly(self) -> np.ndarray | None:
        """Each spell's influence on the log of one estimate for all."""


def worth_of(found: Paid, terms: Terms, least: int) -> Worth | str:
    """Put a value on some customers, or say why there is none.

    Parameters
    ----------
    found : Paid
        Their spells.
    terms : Terms
        How value is counted.
    least : int
        Fewer customers are not told of.
    """
    there = ~found.ended
    if there.sum() < least:
        who = f"fewer than {least} customers are" if least > 1 else "no customer is"
        return f"{who} there whose monthly value is known"
    if found.ended.sum() < _LEAST_ENDS:
        return f"fewer than {_LEAST_ENDS} of them have left"
    lives = Lifetimes(found.entry, found.exit, found.ended.astype(int), found.customer)
    made = Worth(lives, there, found.monthly, terms, least=least, ahead=found.ahead,
                 log_monthly=found.log_monthly)  # fmt: skip
    if not made.total.value > 0 or made.customers < least:
        return "nobody pays anything, or too few are followed at their tenure"
    return made


@dataclass(frozen=True)
class _Value:
    """A sum over the days ahead, what it loses by the day, and how it was found."""

    total: float
    weight: np.ndarray
    slope: float
    begin: np.ndarray
    per: np.ndarray
    running: np.ndarray


def _spread(values: np.ndarray, begin: np.ndarray, size: int, length: int) -> np.ndarray:
    """Add each value to the days from its beginning on, as many as a length."""
    change = np.zeros(size + 1)
    np.add.at(change, begin, values)
    np.subtract.at(change, np.minimum(begin + length, size), values)
    return np.asarray(np.cumsum(change)[:-1])
