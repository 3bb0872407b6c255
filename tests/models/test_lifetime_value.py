"""What customers are worth, against closed forms and against worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from cxlab.models.lifetime_value import MONTH_DAYS, Staying, Terms, Worth
from cxlab.models.survival import Curve, Lifetimes

FIVE = Terms(1.0, 0.1, 5)
EXACT = 1e-10  # sums of the same numbers in another order
HORIZON = np.arange(1, FIVE.days + 1)
DISCOUNTED = np.exp(-FIVE.discount * HORIZON)


def _tenth(rounds: int = 4) -> tuple[Lifetimes, np.ndarray]:
    """Ten thousand customers of whom a tenth leaves every day; the rest is still there."""
    left = [1000, 900, 810, 729][:rounds]
    days = np.repeat(np.arange(rounds) + 0.5, left)
    rest = 10_000 - len(days)
    exit_ = np.append(days, np.full(rest, rounds - 0.5))
    ended = np.arange(10_000) < len(days)
    lives = Lifetimes(np.full(10_000, -np.inf), exit_, ended.astype(int), np.arange(10_000))
    return lives, ~ended


def _world(seed: int, n: int = 2500) -> tuple[Lifetimes, np.ndarray, np.ndarray, np.ndarray]:
    """Draw customers who leave at two rates, those who pay more the later; half enter late."""
    draw = np.random.default_rng(seed)
    kind = draw.random(n) < 0.5
    rate = np.where(kind, 1 / 300, 1 / 1500)
    monthly = np.where(kind, 10.0, 50.0) * draw.lognormal(0, 0.4, n)
    start = draw.uniform(-1500, 1460, n)
    over = start + draw.exponential(1 / rate)
    seen = over > 0  # who left before the feed was never met
    start, over, monthly, rate = start[seen], over[seen], monthly[seen], rate[seen]
    ended = over < 1461
    entry = np.where(start < 0, np.nextafter(-start, -np.inf), -np.inf)
    exit_ = np.minimum(over, 1461) - start
    lives = Lifetimes(entry, exit_, ended.astype(int), np.arange(len(start)))
    return lives, ~ended, monthly, rate


def _annuity(stays: np.ndarray) -> float:
    return float((stays * DISCOUNTED).sum()) / MONTH_DAYS


@pytest.mark.parametrize("ahead", [0, 30])
def test_a_constant_rate_gives_the_closed_form(ahead: int) -> None:
    """CLV = m v sum (r / (1 + d))**t, by the day."""
    lives, there = _tenth()
    terms = Terms(0.4, 0.1, 5)
    found = Worth(lives, there, np.full(10_000, 30.0), terms, ahead=ahead)
    r = 0.9 / 1.1 ** (1 / 365.25)
    one = 0.4 * 30 / MONTH_DAYS * r * (1 - r**terms.days) / (1 - r) * 0.9**ahead
    assert found.customers == 6561
    assert found.total.value == pytest.approx(6561 * one, rel=EXACT)
    assert found.staying.rate == pytest.approx(0.1, rel=EXACT)
    assert found.retention.value == pytest.approx(0.9**365, rel=EXACT)


def test_what_a_point_of_retention_adds_has_a_closed_form() -> None:
    draw = np.random.default_rng(5)
    life, seen = draw.exponential(400, 4000), draw.uniform(0, 1000, 4000)
    lives = Lifetimes(np.full(4000, -np.inf), np.minimum(life, seen), (life < seen).astype(int),
                      np.arange(4000))  # fmt: skip
    worth = Worth(lives, life >= seen, np.full(4000, 20.0), FIVE)
    r = np.exp(-365 / 400)
    value = [20 * _annuity(np.exp(np.log(r + p) / 365 * HORIZON)) for p in (0.0, 0.01, 0.05)]
    for gain, truth in zip(worth.gains([0.01, 0.05]), np.array(value[1:]) - value[0], strict=True):
        assert gain is not None
        one = gain.per(worth.customers)
        assert abs(one.value - truth) < 2.5 * one.se < 0.15 * truth
    assert worth.gains([0.7, 0.0]) == [None, None]  # so many do not leave


def test_the_share_that_stays_is_kaplan_meiers_on_whole_days() -> None:
    lives, _, _, _ = _world(3)
    whole = Lifetimes(np.where(np.isinf(lives.entry), -np.inf, np.floor(lives.entry) - 1e-9),
                      np.floor(lives.exit), lives.cause, lives.customer)  # fmt: skip
    staying = Staying(lives, np.ones(len(lives)), 10)
    days = np.array([30, 90, 365, 800])
    stays = np.exp(-np.cumsum(staying.losses(1000)))[days]
    np.testing.assert_allclose(stays, Curve(whole).share(days), rtol=2e-3)
    assert np.all(staying.losses(9000)[staying.reach :] == -np.log1p(-staying.rate))


def test_weighting_by_value_is_right_where_those_who_pay_more_stay_longer() -> None:
    logs, covered, unweighted, runs = [], 0, [], 60
    for seed in range(runs):
        lives, there, monthly, rate = _world(seed)
        found = Worth(lives, there, monthly, FIVE)
        kinds, place = np.unique(rate[there], return_inverse=True)
        each = np.array([_annuity(np.exp(-k * HORIZON)) for k in kinds])
        truth = float((monthly[there] * each[place]).sum())
        covered += found.total.low <= truth <= found.total.high
        logs.append(np.log(found.total.value / truth))
        plain = Worth(lives, there, np.ones(len(lives)), FIVE).total.value
        unweighted.append(plain * monthly[there].mean() / truth)
    assert abs(np.mean(logs)) < 0.015
    assert covered >= 0.88 * runs
    assert np.mean(unweighted) < 0.93  # what a curve of heads would say


def test_gains_are_those_of_the_population_and_their_intervals_cover() -> None:
    """At each tenure the rate of leaving falls by one factor: the truth is that of the mixture."""
    days = np.arange(1500 + 1461 + FIVE.days + 400)
    heads = 0.5 * np.exp(-days / 300) + 0.5 * np.exp(-days / 1500)
    value = 0.5 * 10 * np.exp(-days / 300) + 0.5 * 50 * np.exp(-days / 1500)
    covered, runs = 0, 40
    for seed in range(100, 100 + runs):
        lives, there, monthly, _ = _world(seed)
        tenure = np.floor(lives.exit[there]).astype(int)
        year = heads[tenure + 365] / heads[tenure]
        now = year.mean()
        factor = optimize.brentq(lambda f, y=year, n=now: (y**f).mean() - n - 0.05, 0, 1)
        ages, place = np.unique(tenure, return_inverse=True)
        paid = np.bincount(place, monthly[there])
        rest = value[ages[:, None] + HORIZON] / value[ages][:, None]
        truth = float((paid @ ((rest**factor - rest) @ DISCOUNTED)) / MONTH_DAYS)
        gain = Worth(lives, there, monthly, FIVE).gains([0.05])[0]
        assert gain is not None
        covered += gain.low <= truth <= gain.high
    assert covered >= 0.85 * runs


def test_the_interval_is_that_of_customers_drawn_anew() -> None:
    lives, there, monthly, _ = _world(7, 1500)
    worth = Worth(lives, there, monthly, FIVE)
    gain = worth.gains([0.05])[0]
    assert gain is not None
    draw = np.random.default_rng(1)
    totals, gains = [], []
    for _ in range(150):
        again = draw.integers(0, len(lives), len(lives))
        drawn = lives.where(again)
        other = Worth(lives, there, monthly, FIVE)
        # The customers of today stay the same; what is drawn anew is what their future is read off.
        length = len(other._losses)
        other.staying = Staying(drawn, monthly[again], 10)
        other._heads = Staying(drawn, np.ones(len(again)), 10)
        other._losses, other._head_losses = (
            other.staying.losses(length), other._heads.losses(length),
        )  # fmt: skip
        totals.append(other._value(1.0).total)
        now = other._kept(1.0)[0]
        factor = optimize.brentq(lambda f, o=other, n=now: o._kept(f)[0] - n - 0.05, 0, 1)
        gains.append(other._value(factor).total - totals[-1])
    # A standard deviation of 150 draws is known to 6%: three times that.
    assert np.std(np.log(totals)) == pytest.approx(worth.total.se / worth.total.value, rel=0.18)
    assert np.std(np.log(gains)) == pytest.approx(gain.se / gain.value, rel=0.18)


def test_spells_of_one_customer_count_together() -> None:
    lives, there, monthly, _ = _world(8, 1200)
    twice = Lifetimes(*(np.concatenate([v, v]) for v in (lives.entry, lives.exit, lives.cause)),
                      np.tile(lives.customer, 2))  # fmt: skip
    one = Worth(lives, there, monthly, FIVE)
    two = Worth(twice, np.tile(there, 2), np.tile(monthly, 2), FIVE)
    assert two.total.value == pytest.approx(2 * one.total.value, rel=0.03)
    assert two.total.se == pytest.approx(2 * one.total.se, rel=0.1)  # and not 1.41 times


def test_beyond_the_data_the_last_rate_goes_on_and_is_told() -> None:
    lives, there = _tenth()
    found = Worth(lives, there, np.ones(10_000), FIVE)
    assert found.staying.reach == 4
    first = 0.9 / 1.1 ** (1 / 365.25)
    assert found.beyond == pytest.approx(first, rel=1e-6)  # all but the first day


@pytest.mark.parametrize("unit", [1.0, 365.25 / 12])
def test_a_rate_in_months_is_no_rate_in_days(unit: float) -> None:
    """Tenure in whole months leaves days without ends between: they belong to the rate."""
    months = np.repeat(np.arange(1, 41), 30)
    exit_ = np.append(months, np.full(300, 40)) * unit
    ended = np.arange(len(exit_)) < len(months)
    lives = Lifetimes(np.full(len(exit_), -np.inf), exit_, ended.astype(int), np.arange(len(exit_)))
    rate = Staying(lives, np.ones(len(exit_)), 10).rate
    # The last four steps hold 120 ends, of 390, 360, ... and 330 at risk.
    assert 1 - (1 - rate) ** unit == pytest.approx(0.083, abs=0.01)


def test_odd_customers_give_figures_and_no_warning() -> None:
    one = Lifetimes(np.array([-np.inf]), np.array([3.0]), np.array([0]), np.array([0]))
    alone = Worth(one, np.array([True]), np.array([5.0]), FIVE)
    assert alone.customers == 1 and alone.total.value == pytest.approx(5 * _annuity(HORIZON**0))
    lives, there = _tenth()
    free = Worth(lives, there, np.zeros(10_000), FIVE)
    assert (free.total.value, free.total.se, free.beyond) == (0.0, 0.0, 0.0)
    gone = Worth(lives, np.zeros(10_000, bool), np.ones(10_000), FIVE)
    assert gone.customers == 0 and gone.total.value == 0.0


def test_the_limits_of_retention_are_shares() -> None:
    draw = np.random.default_rng(3)
    days = np.round(draw.exponential(150, 40)) + 1
    seen = draw.uniform(50, 400, 40)
    lives = Lifetimes(np.full(40, -np.inf), np.minimum(days, seen), (days < seen).astype(int),
                      np.arange(40))  # fmt: skip
    made = Worth(lives, days >= seen, np.ones(40), Terms(1.0, 0.1, 5), least=10).retention
    assert 0 < made.low < made.value < made.high < 1


def test_the_share_by_which_value_rises_is_the_gain_over_the_total() -> None:
    found = []
    for seed in range(40):
        lives, there, monthly, _ = _world(seed, 500)
        made = Worth(lives, there, monthly, FIVE)
        gain, share = made.gains([0.05])[0], made.raised(0.05)
        assert gain is not None and share is not None
        assert share.value == pytest.approx(gain.value / made.total.value)
        found.append((share.value, share.se))
    drawn, told = np.array(found).T
    # The Monte Carlo error of a standard deviation of 40 draws is an eighth of it.
    assert told.mean() == pytest.approx(drawn.std(ddof=1), rel=0.3)
    # What customers pay is a factor of both and cancels; the rest is less sure than either.
    lives, there, monthly, _ = _world(1)
    one, ten = (Worth(lives, there, k * monthly, FIVE).raised(0.05) for k in (1, 10))
    assert one is not None and ten is not None
    assert (one.value, one.se) == pytest.approx((ten.value, ten.se))
    assert Worth(lives, there, monthly, FIVE).raised(0.9) is None
