"""Figures by group and Cox trends against R.

Tolerance 1e-9 where R sums the same terms, its figures written with 12 digits; 1e-7 for the
coefficient, which both find by Newton's steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models.survival import Lifetimes, incidences, restricted_means, shares, trend

GOLDEN = Path(__file__).parents[1] / "golden"
CLOSE, NEAR = 1e-9, 1e-7


@pytest.fixture(scope="module")
def spells() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "spells.csv")


@pytest.fixture(scope="module")
def golden() -> pd.DataFrame:
    # tests/golden/make_golden.R: survfit(... ~ group), coxph(..., cluster = customer)
    return pd.read_csv(GOLDEN / "by_group.csv")


def _lives(spells: pd.DataFrame, *, by_customer: bool = False, late: bool = True) -> Lifetimes:
    entry = spells["entry"].to_numpy(float)
    entry = np.where((entry > 0) & late, entry, -np.inf)
    who = pd.factorize(spells["customer"])[0] if by_customer else np.arange(len(spells))
    return Lifetimes(entry, spells["exit"].to_numpy(float), spells["cause"].to_numpy(), who)


def _group(spells: pd.DataFrame) -> np.ndarray:
    return np.asarray(pd.factorize(spells["group"], sort=True)[0])


def test_means_up_to_a_tenure_and_their_differences_are_those_of_r(
    spells: pd.DataFrame, golden: pd.DataFrame
) -> None:
    lives = _lives(spells, late=False).ended_by(1)
    mean, covariance = restricted_means(lives, _group(spells), 0.0, 20.0)
    expected = golden[golden["what"] == "mean"]
    np.testing.assert_allclose(mean, expected["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), expected["se"], rtol=CLOSE)
    # survRM2: groups are independent, so that variances of a difference add up
    difference = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert difference == pytest.approx((expected["se"].iloc[:2] ** 2).sum(), rel=CLOSE)


def test_shares_by_group_are_those_of_r_with_clusters(
    spells: pd.DataFrame, golden: pd.DataFrame
) -> None:
    lives = _lives(spells, by_customer=True).ended_by(1)
    found, covariance = shares(lives, _group(spells), 12.0)
    expected = golden[golden["what"] == "share by customer"]
    np.testing.assert_allclose(found, expected["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), expected["se"], rtol=CLOSE)
    assert covariance[0, 1] != 0.0  # some customers have spells in two groups


@pytest.mark.parametrize("cause", [1, 2])
def test_incidences_by_group_are_those_of_r(
    spells: pd.DataFrame, golden: pd.DataFrame, cause: int
) -> None:
    found, covariance = incidences(_lives(spells), _group(spells), cause, 12.0)
    expected = golden[golden["what"] == f"incidence {cause}"]
    np.testing.assert_allclose(found, expected["estimate"], rtol=CLOSE)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), expected["se"], rtol=CLOSE)


def test_a_trend_is_that_of_r(spells: pd.DataFrame, golden: pd.DataFrame) -> None:
    lives = _lives(spells, by_customer=True).ended_by(1)
    value = ((np.arange(len(spells)) + 1) * 37) % 11 / 4
    expected = golden[golden["what"] == "trend"].iloc[0]
    found, se = trend(lives, value)
    assert found == pytest.approx(expected["estimate"], rel=NEAR)
    assert se == pytest.approx(expected["se"], rel=NEAR)
    shifted = trend(lives, 1000.0 + 10 * value)
    assert shifted == pytest.approx((found / 10, se / 10), rel=NEAR)


def test_a_known_trend_is_found_in_spite_of_late_entry() -> None:
    draw = np.random.default_rng(3)
    n = 4000
    year = draw.uniform(-3, 2, n)
    life = draw.exponential(1 / (0.5 * np.exp(0.2 * year)))
    entry = np.where(year < 0, -year, -np.inf)  # the feed begins at year 0, ends at 2
    kept = life > entry
    exit_ = np.minimum(life, 2 - year)
    cause = (life <= 2 - year).astype(int)
    lives = Lifetimes(entry, exit_, cause, np.arange(n)).where(kept)
    found, se = trend(lives, year[kept])
    assert abs(found - 0.2) < 3 * se
    assert 0.02 < se < 0.05


def test_no_trend_where_there_is_none_to_tell() -> None:
    two = np.array([1.0, 2.0])
    never = Lifetimes(np.full(2, -np.inf), two, np.zeros(2, int), np.arange(2))
    left = Lifetimes(np.full(2, -np.inf), two, np.ones(2, int), np.arange(2))
    for lives, value in ((never, two), (left, np.ones(2)), (never.where(two > 5), two[two > 5])):
        assert np.isnan(trend(lives, value)).all()
