"""Curves and their tests against R, lifelines, a published table and simulated truth.

Tolerance 1e-9 against R, whose figures are written with 12 digits: the same sums.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.models.survival import (
    Curve,
    Lifetimes,
    cumulative_incidence,
    log_rank,
    restricted_means,
)

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
CLOSE = 1e-9
AT = np.array([1.0, 5.0, 12.0, 24.0])


@pytest.fixture(scope="module")
def spells() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "spells.csv")


@pytest.fixture(scope="module")
def golden() -> pd.DataFrame:
    # tests/golden/make_golden.R: survfit(Surv(entry, exit, ...)), conf.type = "log-log"
    return pd.read_csv(GOLDEN / "curves.csv")


def _lives(spells: pd.DataFrame, *, by_customer: bool = False, late: bool = True) -> Lifetimes:
    entry = spells["entry"].to_numpy(float)
    entry = np.where((entry > 0) & late, entry, -np.inf)
    who = pd.factorize(spells["customer"])[0] if by_customer else np.arange(len(spells))
    return Lifetimes(entry, spells["exit"].to_numpy(float), spells["cause"].to_numpy(), who)


def _alone(exit_: object, event: object) -> Lifetimes:
    """Make lifetimes seen from their start, one a customer."""
    time = np.asarray(exit_, dtype=float)
    cause = np.asarray(event, dtype=int)
    return Lifetimes(np.full(len(time), -np.inf), time, cause, np.arange(len(time)))


@pytest.mark.parametrize(("what", "by_customer"), [("curve", False), ("curve by customer", True)])
def test_the_curve_is_that_of_r(
    spells: pd.DataFrame, golden: pd.DataFrame, what: str, by_customer: bool
) -> None:
    curve = Curve(_lives(spells, by_customer=by_customer).ended_by(1))
    expected = golden[golden["what"] == what]
    found = curve.at(AT)
    for column in ("estimate", "se", "conf_low", "conf_high"):
        np.testing.assert_allclose(found[column], expected[column], rtol=CLOSE)
    middle = golden[golden["what"] == f"{what} median"].iloc[0]
    assert curve.median() == (middle["estimate"], middle["conf_low"], np.inf)
    assert np.isnan(middle["conf_high"])  # as R says: not reached


@pytest.mark.parametrize("cause", [1, 2])
def test_incidences_of_competing_ends_are_those_of_r(
    spells: pd.DataFrame, golden: pd.DataFrame, cause: int
) -> None:
    expected = golden[golden["what"] == f"incidence {cause}"]
    found = cumulative_incidence(_lives(spells), cause, AT)
    np.testing.assert_allclose(found["estimate"], expected["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(found["se"], expected["se"], rtol=CLOSE)


def test_incidences_and_those_still_there_sum_to_one(spells: pd.DataFrame) -> None:
    lives = _lives(spells)
    parts = [cumulative_incidence(lives, cause, AT)["estimate"] for cause in (1, 2)]
    np.testing.assert_allclose(sum(parts) + Curve(lives).at(AT)["estimate"], 1.0, rtol=CLOSE)


@pytest.mark.parametrize("by_customer", [False, True])
def test_with_one_cause_the_incidence_is_the_curve_upside_down(
    spells: pd.DataFrame, by_customer: bool
) -> None:
    lives = _lives(spells, by_customer=by_customer, late=False).ended_by(1)
    stays, left = Curve(lives).at(AT), cumulative_incidence(lives, 1, AT)
    np.testing.assert_allclose(left["estimate"], 1 - stays["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(left["se"], stays["se"], rtol=CLOSE)
    np.testing.assert_allclose(left["conf_low"], 1 - stays["conf_high"], rtol=CLOSE)


def test_the_mean_up_to_a_tenure_is_that_of_r(spells: pd.DataFrame, golden: pd.DataFrame) -> None:
    lives = _lives(spells, late=False).ended_by(1)
    mean, covariance = restricted_means(lives, np.zeros(len(lives), int), 0.0, 20.0)
    expected = golden[golden["what"] == "mean"].iloc[0]
    assert mean[0] == pytest.approx(expected["estimate"], rel=CLOSE)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(expected["se"], rel=CLOSE)


def test_log_rank_is_that_of_r(spells: pd.DataFrame) -> None:
    # survdiff for ties; with late entry, the score test of coxph, which is the log-rank test
    # where no two ends fall together: exits are moved apart by row
    golden = pd.read_csv(GOLDEN / "logrank.csv").set_index("what")["statistic"]
    group = pd.factorize(spells["group"], sort=True)[0]
    plain = log_rank(_lives(spells, late=False).ended_by(1), group)
    assert plain.statistic == pytest.approx(golden["survdiff without entry"], rel=CLOSE)
    assert plain.df == 2
    apart = spells.assign(exit=spells["exit"] + np.arange(1, len(spells) + 1) / 1e4)
    for what, by_customer in (("entry", False), ("entry, by customer", True)):
        found = log_rank(_lives(apart, by_customer=by_customer).ended_by(1), group)
        assert found.statistic == pytest.approx(golden[what], rel=CLOSE)


def test_curve_and_log_rank_are_those_of_lifelines(spells: pd.DataFrame) -> None:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    left = spells["cause"] == 1
    fitted = KaplanMeierFitter().fit(spells["exit"], left, entry=spells["entry"])
    stays = Curve(_lives(spells).ended_by(1)).at(AT)["estimate"]
    np.testing.assert_allclose(stays, fitted.predict(AT), rtol=CLOSE)
    expected = multivariate_logrank_test(spells["exit"], spells["group"], left)
    group = pd.factorize(spells["group"])[0]
    found = log_rank(_lives(spells, late=False).ended_by(1), group)
    assert found.statistic == pytest.approx(expected.test_statistic, rel=CLOSE)
    assert found.p_value == pytest.approx(expected.p_value, rel=CLOSE)


def test_telco_as_published() -> None:
    # Month-to-month customers with internet, in the months' own figures
    frame = load(ROOT / "data" / "telco").table("customers").collect(backend="pandas").to_native()
    chosen = frame[(frame["contract"] == "Month-to-month") & (frame["internet_service"] != "No")]
    lives = _alone(chosen["tenure"], chosen["churned"])
    assert (len(lives), int((lives.cause > 0).sum())) == (3351, 1556)
    curve = Curve(lives)
    assert curve.median()[0] == 34.0
    stays = curve.at(np.array([6, 12, 24, 48, 60]))["estimate"].round(4)
    assert stays.tolist() == [0.7803, 0.6950, 0.5753, 0.3872, 0.2890]


def test_a_spell_counted_twice_is_no_new_information(spells: pd.DataFrame) -> None:
    once = _lives(spells)
    twice = Lifetimes(*(np.tile(x, 2) for x in (once.entry, once.exit, once.cause, once.customer)))
    group = pd.factorize(spells["group"])[0]
    apart = Lifetimes(twice.entry, twice.exit, twice.cause, np.arange(len(twice)))
    assert log_rank(twice.ended_by(1), np.tile(group, 2)).statistic == pytest.approx(
        log_rank(apart.ended_by(1), np.tile(group, 2)).statistic / 2, rel=0.15
    )
    for cause in (1, 2):
        a = cumulative_incidence(once, cause, AT)
        b = cumulative_incidence(twice, cause, AT)
        np.testing.assert_allclose(a["se"], b["se"], rtol=0.02)
    single = restricted_means(once.ended_by(1), group, 0.0, 20.0)
    double = restricted_means(twice.ended_by(1), np.tile(group, 2), 0.0, 20.0)
    np.testing.assert_allclose(double[0], single[0], rtol=CLOSE)
    np.testing.assert_allclose(np.diag(double[1]), np.diag(single[1]), rtol=0.03)


def _world(draw: np.random.Generator, customers: int) -> tuple[Lifetimes, np.ndarray]:
    """Draw spells that leave at a rate of 1 in 100 days, most of them seen late.

    Those of group 1 come earlier on the calendar, so that they enter later in their tenure.
    """
    group = draw.integers(0, 2, customers)
    entry = np.where(draw.random(customers) < 0.3, -np.inf, draw.uniform(0, 60 + 90 * group))
    life = draw.exponential(100.0, customers)
    seen = np.maximum(entry, 0) + draw.uniform(20, 250, customers)
    kept = life > entry
    exit_, cause = np.minimum(life, seen), (life <= seen).astype(int)
    lives = Lifetimes(entry, exit_, cause, np.arange(customers))
    return lives.where(kept), group[kept]


def test_intervals_cover_and_the_test_holds_its_level_under_late_entry() -> None:
    draw, runs = np.random.default_rng(11), 400
    hit = np.zeros(4)
    rejected = naive = 0
    for _ in range(runs):
        lives, group = _world(draw, 300)
        curve = Curve(lives)
        at = curve.at(np.array([30.0, 150.0]))
        truth = np.exp(-at["tenure"] / 100)
        hit[:2] += (at["conf_low"] <= truth) & (truth <= at["conf_high"])
        _, low, high = curve.median()
        hit[2] += low <= 100 * np.log(2) <= high
        mean, covariance = restricted_means(lives, np.zeros(len(lives), int), 0.0, 150.0)
        error = abs(mean[0] - 100 * (1 - np.exp(-1.5)))
        hit[3] += error < 1.96 * np.sqrt(covariance[0, 0])
        rejected += log_rank(lives, group).p_value < 0.05
        seen_from_start = Lifetimes(
            np.full(len(lives), -np.inf), lives.exit, lives.cause, lives.customer
        )
        naive += log_rank(seen_from_start, group).p_value < 0.05
    # three Monte Carlo errors are 3.3 points
    assert (np.abs(hit / runs - 0.95) < 0.035).all(), hit / runs
    assert rejected / runs < 0.083
    assert naive / runs > 0.15  # what comes of forgetting late entry


def test_customers_who_come_back_do_not_narrow_the_interval() -> None:
    draw, runs = np.random.default_rng(12), 400
    hit = {True: 0, False: 0}
    truth = float(np.mean(np.exp(-0.5 * np.exp(np.random.default_rng(0).normal(0, 1, 400_000)))))
    for _ in range(runs):
        who = np.repeat(np.arange(60), 4)  # four spells each, of one disposition
        life = draw.exponential(1 / np.exp(draw.normal(0, 1, 60))[who])
        for together in (True, False):
            customer = who if together else np.arange(len(who))
            lives = Lifetimes(
                np.full(len(who), -np.inf), life, np.ones(len(who), dtype=int), customer
            )
            at = Curve(lives).at(np.array([0.5])).iloc[0]
            hit[together] += at["conf_low"] <= truth <= at["conf_high"]
    assert hit[True] / runs > 0.905  # 0.94 less three Monte Carlo errors
    assert hit[False] / runs < 0.89


def test_before_the_first_end_the_interval_is_not_empty() -> None:
    at = Curve(_alone([5.0, 6, 7, 8], [1, 1, 1, 0])).at(np.array([0.0, 3.0]))
    assert at["estimate"].tolist() == [1.0, 1.0]
    assert at["conf_low"].tolist() == [1.0, pytest.approx(0.025 ** (1 / 4))]


def test_ends_at_a_tenure_of_nought_count() -> None:
    assert Curve(_alone([0.0, 0, 4, 4], [1, 0, 0, 0])).share(np.array([0.0]))[0] == 0.75


def test_nobody_left_leaves_nothing_to_test() -> None:
    lives = _alone([1.0, 2, 3], [0, 0, 0])
    assert log_rank(lives, np.array([0, 1, 1])).df == 0
    assert Curve(lives).median() == (np.inf, np.inf, np.inf)


def test_where_all_leave_at_once_the_median_is_then_and_has_a_lower_limit() -> None:
    # survfit gives 5 and no limits; the lower one is no higher than the median
    assert Curve(_alone([5, 5, 5, 5], [1, 1, 1, 1])).median() == (5.0, 5.0, np.inf)
