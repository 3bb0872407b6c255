"""Gaps and steps in daily counts: what is put in is found, and clean feeds give no alarm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cxlab.models.gaps import GAP_SHARE, Gap, by_weekday, find_gaps, find_steps

DAYS = 500
WEEKDAY = np.arange(DAYS) % 7
TOUCHPOINTS, CHANNELS = 8, 3
CELLS = TOUCHPOINTS * CHANNELS
TOUCHPOINT, CHANNEL = np.divmod(np.arange(CELLS), CHANNELS)
MEMBERS = np.array(
    [
        np.ones(CELLS, dtype=bool),
        *[t == TOUCHPOINT for t in range(TOUCHPOINTS)],
        *[c == CHANNEL for c in range(CHANNELS)],
    ]
)
ALL, BUSY, FIRST_CHANNEL = 0, 4, 1 + TOUCHPOINTS


def feed(seed: int, dispersion: float = 0.0) -> np.ndarray:
    """Draw a feed with busy and quiet cells, weekends, a season, trends, and busy days."""
    draw = np.random.default_rng(seed)
    rate = draw.lognormal(0.0, 1.3, CELLS)
    day = np.arange(DAYS)
    level = np.exp(0.25 * np.sin(2 * np.pi * day / 365) + draw.normal(0, 0.5) * day / DAYS)
    week = np.array([1, 1.1, 1, 1, 0.9, 0.4, 0.2])[WEEKDAY]
    mean = rate * (level * week)[:, None]
    if dispersion:
        mean = mean * draw.gamma(1 / dispersion, dispersion, (DAYS, 1))
    return draw.poisson(mean).astype(float)


@pytest.mark.parametrize("dispersion", [0.0, 0.1])
def test_clean_feeds_give_no_alarm(dispersion: float) -> None:
    """One in a hundred is allowed: two or more of 20 would come by chance in 1.7% of runs."""
    feeds = [feed(seed, dispersion) for seed in range(20)]
    assert sum(bool(find_gaps(cells, MEMBERS, WEEKDAY)[0]) for cells in feeds) <= 1
    sums = [cells @ MEMBERS.T.astype(float) for cells in feeds]
    exposures = [np.column_stack([by_weekday(v, WEEKDAY) for v in s.T]) for s in sums]
    assert sum(bool(find_steps(s, e)) for s, e in zip(sums, exposures, strict=True)) <= 1


@pytest.mark.parametrize(
    ("series", "length"),
    [(ALL, 1), (ALL, 5), (ALL, 45), (FIRST_CHANNEL, 4), (FIRST_CHANNEL, 28), (BUSY, 20)],
)
def test_an_outage_is_found_once_on_its_days(series: int, length: int) -> None:
    cells = feed(3)
    first = 203  # a weekday
    lost = cells[first : first + length][:, MEMBERS[series]].sum()
    cells[first : first + length, MEMBERS[series]] = 0
    gaps, mended = find_gaps(cells, MEMBERS, WEEKDAY)
    assert [g.series for g in gaps] == [series]
    gap = gaps[0]
    assert abs(gap.first - first) <= 1
    assert abs(gap.last - (first + length - 1)) <= 1
    assert not gap.lasting
    assert gap.expected == pytest.approx(lost, rel=0.35)
    assert mended[first : first + length].sum() > cells[first : first + length].sum() + 0.6 * lost


def test_a_feed_that_stopped_goes_on_being_a_gap() -> None:
    cells = feed(4)
    cells[-120:, CHANNEL == 0] = 0
    gaps, _ = find_gaps(cells, MEMBERS, WEEKDAY)
    assert [(g.series, g.lasting) for g in gaps] == [(FIRST_CHANNEL, True)]
    assert gaps[0].first == DAYS - 120


def test_a_quiet_touchpoint_has_empty_days_and_no_gap() -> None:
    cells = np.random.default_rng(5).poisson(0.15, (DAYS, CELLS)).astype(float)
    assert (cells == 0).mean() > 0.8
    assert find_gaps(cells, MEMBERS[1:], WEEKDAY)[0] == []


def test_closed_weekends_a_late_start_and_a_drop_are_no_gaps() -> None:
    cells = feed(6) * 3
    cells[np.isin(WEEKDAY, [5, 6])] = 0  # closed
    cells[:200, TOUCHPOINT == 0] = 0  # begins later
    cells[300:, TOUCHPOINT == 1] *= 0  # replaced below: a lasting lower level
    cells[300:, TOUCHPOINT == 1] = (
        np.random.default_rng(7).poisson(
            0.2 * cells[:300, TOUCHPOINT == 1].mean(axis=0), (200, CHANNELS)
        )
        * ~np.isin(WEEKDAY[300:], [5, 6])[:, None]
    )
    assert find_gaps(cells, MEMBERS, WEEKDAY)[0] == []


def test_a_season_does_not_hide_an_outage_of_a_week() -> None:
    """With one dispersion for spans of any length, one such outage in ten was found."""
    day = np.arange(730)
    level = np.where(np.isin(day // 31, [5, 17]), 2.5, 1.0) * (day % 7 < 5)
    counts = np.random.default_rng(10).poisson(70 * level).astype(float)[:, None]
    one = np.ones((1, 1), dtype=bool)
    assert find_gaps(counts, one, day % 7)[0] == []
    counts[301:308] = 0
    (gap,) = find_gaps(counts, one, day % 7)[0]
    assert 299 <= gap.first <= 301  # it may begin with the closed weekend before
    assert gap.last >= 305
    assert not gap.holiday


@pytest.mark.parametrize("closed", [True, False])
def test_a_short_gap_is_like_a_holiday_where_a_weekday_is_as_quiet(closed: bool) -> None:
    cells = feed(6) * 3
    if closed:
        cells[np.isin(WEEKDAY, [5, 6])] = 0
    else:
        cells = np.random.default_rng(6).poisson(feed(6).mean(axis=0) * 3, (DAYS, CELLS)) * 1.0
    holidays = [101, 206, 207, 310]
    cells[holidays] = 0
    gaps = find_gaps(cells, MEMBERS, WEEKDAY)[0]
    assert [(g.series, g.holiday) for g in gaps] == [(ALL, closed)] * 3
    cells[400:407] = 0  # a week is no holiday
    assert [g.holiday for g in find_gaps(cells, MEMBERS, WEEKDAY)[0]] == [closed] * 3 + [False]


def test_the_test_of_a_span_is_the_conditional_test_of_two_rates() -> None:
    """Half a week of 3 rows among 12 a day: the binomial probability scipy gives."""
    counts = np.full((70, 1), 12.0)
    counts[40:43] = 1.0
    weekday = np.zeros(70, dtype=int)
    gaps, _ = find_gaps(counts, np.ones((1, 1), dtype=bool), weekday)
    expected = stats.binom.cdf(3, 3 + 28 * 12, 3 / (28 + 3))
    assert [(g.first, g.last, g.seen) for g in gaps] == [(40, 42, 3.0)]
    assert isinstance(gaps[0], Gap)
    after = stats.binom.cdf(3, 3 + 27 * 12, 3 / (27 + 3))  # 27 days are left after it
    assert gaps[0].p_value == pytest.approx(max(expected, after), rel=1e-9)
    assert gaps[0].seen < GAP_SHARE * gaps[0].expected == pytest.approx(18)


def test_a_step_of_volume_is_found_at_its_day_and_a_trend_is_none() -> None:
    draw = np.random.default_rng(8)
    level = np.where(np.arange(DAYS) < 260, 20.0, 36.0)
    trend = 20.0 * np.exp(np.arange(DAYS) / DAYS * 2)
    counts = draw.poisson(np.column_stack([level, trend])).astype(float)
    steps = find_steps(counts, np.ones_like(counts))
    assert [s.series for s in steps] == [0]
    assert abs(steps[0].day - 260) <= 5
    assert steps[0].before == pytest.approx(20, rel=0.1)
    assert steps[0].after == pytest.approx(36, rel=0.1)


def test_a_step_of_a_share_is_found_whatever_the_volume() -> None:
    draw = np.random.default_rng(9)
    among = draw.poisson(np.linspace(10, 30, DAYS)).astype(float)
    share = np.where(np.arange(DAYS) < 200, 0.10, 0.30)
    failed = draw.binomial(among.astype(int), share).astype(float)
    steady = draw.binomial(among.astype(int), 0.2).astype(float)
    steps = find_steps(np.column_stack([failed, steady]), np.column_stack([among] * 2), share=True)
    assert [s.series for s in steps] == [0]
    assert abs(steps[0].day - 200) <= 5
    assert steps[0].before == pytest.approx(0.1, abs=0.03)
    assert steps[0].after == pytest.approx(0.3, abs=0.03)


def test_too_short_a_feed_says_nothing() -> None:
    counts = np.ones((10, 1))
    weekday = np.arange(10) % 7
    assert find_gaps(counts, np.ones((1, 1), dtype=bool), weekday)[0] == []
    assert find_gaps(0 * counts, np.ones((1, 1), dtype=bool), weekday)[0] == []
    assert find_steps(counts, counts) == []
    assert find_steps(0 * counts, 0 * counts) == []
