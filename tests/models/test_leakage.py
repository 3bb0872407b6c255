"""Leaks that are planted are found; fields that are honest, however strong, are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cxlab.models.leakage import dated_by_the_end, one_row_each, only_leavers


def test_a_value_of_those_who_left_alone_is_found() -> None:
    left = np.arange(1000) < 80
    clue = only_leavers(left & (np.arange(1000) < 60), left, np.ones(1000), 0.0)
    assert clue.found
    assert (clue.left, clue.share) == (60, 1.0)
    assert clue.others == pytest.approx(20 / 940)
    assert clue.then == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("share_left", "now"),
    [(0.6, 0.0), (1.0, 0.06), (0.97, 0.03)],  # strong, or still there today: a trial month
)
def test_an_honest_value_is_not(share_left: float, now: float) -> None:
    has = np.arange(1000) < 60
    left = np.arange(1000) < 60 * share_left
    assert not only_leavers(has, left, np.ones(1000), now).found


def test_few_who_left_prove_nothing() -> None:
    has = np.arange(100) < 6
    assert not only_leavers(has, has, np.ones(100), 0.0).found
    assert not only_leavers(np.zeros(5, dtype=bool), has[:5], np.ones(5), 0.0).found


def test_a_field_written_at_the_end_tells_the_day() -> None:
    draw = np.random.default_rng(0)
    days, tenure = draw.uniform(0, 90, 200), draw.uniform(0, 700, 200)
    noisy = stats.rankdata(days + draw.normal(0, 30, 200))[:, None]
    clue = dated_by_the_end(noisy, days, tenure[:, None], fields=10)
    assert clue.found
    assert clue.explained == pytest.approx(0.42, abs=0.12)
    # By levels, such as the month in which the account was closed.
    month = np.eye(3)[(days // 31).astype(int)]
    assert dated_by_the_end(month, days, tenure[:, None]).explained > 0.7


def test_a_field_that_multiplies_the_hazard_twentyfold_does_not() -> None:
    found = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        risky = draw.random(4000) < 0.3
        days = draw.exponential(1 / np.where(risky, 0.01, 0.0005))
        soon = days < 90
        held = draw.uniform(0, 700, soon.sum())[:, None]
        found += dated_by_the_end(risky[soon, None].astype(float), days[soon], held).found
    assert found == 0


def test_f_is_that_of_a_regression() -> None:
    """Against the F test of nested models, by scipy's distribution."""
    draw = np.random.default_rng(4)
    x, held = draw.normal(size=(60, 2)), draw.normal(size=(60, 1))
    days = 50 + 5 * x[:, 0] + draw.normal(0, 8, 60)
    y = stats.rankdata(days)
    rest = []
    for columns in ([held], [held, x]):
        full = np.column_stack([np.ones(60), *columns])
        rest.append(np.square(y - full @ np.linalg.lstsq(full, y, rcond=None)[0]).sum())
    f = (rest[0] - rest[1]) / 2 / (rest[1] / 56)
    assert dated_by_the_end(x, days, held).p_value == pytest.approx(stats.f.sf(f, 2, 56))


def test_nothing_to_tell_by_is_no_leak() -> None:
    days = np.arange(40.0)
    held = np.zeros((40, 1))
    for columns in (np.ones((40, 1)), np.zeros((40, 0)), np.repeat(held, 50, axis=1)):
        assert not dated_by_the_end(columns, days, held).found
    assert not dated_by_the_end(days[:3, None], days[:3], held[:3]).found
    assert not dated_by_the_end(days[:, None], np.full(40, 7.0), held).found


def test_each_customer_has_one_row() -> None:
    who = np.array([5, 2, 5, 9, 2, 5])
    places = one_row_each(who)
    assert sorted(who[places]) == [2, 5, 9]
    assert list(places) == sorted(places)
    assert len(one_row_each(np.array([], dtype=int))) == 0
