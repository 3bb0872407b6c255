"""Holes and steps in daily counts: a feed that stopped for a while, or began to count otherwise.

A gap is a span of days with far fewer rows than the days around it: a scan statistic
(Kulldorff 1997) over all spans up to three months, in all series at once, each span tested
against the days before and against the days after by the conditional test of two Poisson
rates (Przyborowski and Wilenski 1940). Overdispersed counts are divided by their dispersion
first, as it is over spans of such a length. A step is a lasting change of a rate from one day
to the next.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "FALSE_ALARMS",
    "GAP_SHARE",
    "STEP_FACTOR",
    "Gap",
    "Step",
    "by_weekday",
    "find_gaps",
    "find_steps",
]

Floats = NDArray[np.float64]

FALSE_ALARMS = 0.01
"""Chance that a family of clean series gives any alarm, at most."""
GAP_SHARE = 0.5
"""A gap has less than this share of what was to be expected."""
STEP_FACTOR = 1.5
"""A step changes a rate, or the odds of a share, at least by this factor."""

_BESIDE = 28  # days on each side that tell what is to be expected
_LEAST_BEFORE, _LEAST_AFTER = 14, 7
_LENGTHS = (*range(1, 15), 17, 21, 25, 30, 36, 43, 52, 62, 75, 90)
_BLOCKS = (1, 7, 28)
_FEWEST_BLOCKS = 8
_PRIOR_ROWS = 10.0  # weekday shares of a thin series are drawn towards equal ones
_MOST_GAPS = 200
_HOLIDAY_DAYS, _HOLIDAY_P = 5, 0.05
_STEP_DAYS = (28, 84)
# Contrast of four equal parts that is a step in the middle, and 0 for any straight line.
_JUMP = (0.5, -1.5, 1.5, -0.5)
_JUMP_P = 1e-5
# The mean of the lower three quarters of a chi-square variable with one degree of freedom.
_TRIM = 0.75
_TRIMMED_MEAN = float(special.chdtr(3, special.chdtri(1, 1 - _TRIM))) / _TRIM


@dataclass(frozen=True)
class Gap:
    """A span of days with improbably few rows.

    Parameters
    ----------
    series : int
        Place of the series.
    first, last : int
        Places of the first and the last day.
    seen, expected : float
        Rows there, and rows to be expected from the days around, in the poorer of the two
        directions.
    p_value : float
        Of the larger of the two tests, not corrected for the many spans.
    lasting : bool
        Whether it reaches to the last day.
    holiday : bool
        Whether it is over within five days and has no fewer rows than as many days of the
        quietest weekday have.
    """

    series: int
    first: int
    last: int
    seen: float
    expected: float
    p_value: float
    lasting: bool
    holiday: bool = False


@dataclass(frozen=True)
class Step:
    """A lasting change of a rate.

    Parameters
    ----------
    series : int
        Place of the series.
    day : int
        Place of the first day after the change.
    before, after : float
        Rate over the days before and after (rows a unit of exposure).
    days : int
        Days on each side that were compared.
    p_value : float
        Not corrected for the many days.
    """

    series: int
    day: int
    before: float
    after: float
    days: int
    p_value: float


class _Series:
    """One series of counts with what is to be expected of each day."""

    def __init__(self, counts: Floats, exposure: Floats) -> None:
        self.days = len(counts)
        there = np.flatnonzero(counts)
        self.start = int(there[0]) if len(there) else self.days
        self.stop = int(there[-1]) + 1 if len(there) else self.days
        self.rows = np.concatenate([[0.0], np.cumsum(counts)])
        self.exposure = np.concatenate([[0.0], np.cumsum(exposure)])
        self.dispersion = self._dispersion()

    def over(self, first: Any, stop: Any) -> tuple[Any, Any]:
        """Give rows and exposure of the days from ``first`` to before ``stop``."""
        return self.rows[stop] - self.rows[first], self.exposure[stop] - self.exposure[first]

    def beside(self, first: Any, stop: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Give rows and exposure of the days before and the days after a span."""
        before = self.over(np.maximum(first - _BESIDE, self.start), first)
        return before, self.over(stop, np.minimum(stop + _BESIDE, self.days))

    def _dispersion(self) -> Floats:
        """Estimate variance over mean of sums over blocks up to each length; 1 where it is less.

        The quarter of the blocks that fits worst is left out: it may be gaps.
        """
        found = np.ones(len(_BLOCKS))
        for place, length in enumerate(_BLOCKS):
            first = np.arange(self.start, self.days - length + 1, length)
            if len(first) < _FEWEST_BLOCKS:
                continue
            rows, exposure = self.over(first, first + length)
            (r1, q1), (r2, q2) = self.beside(first, first + length)
            with np.errstate(divide="ignore", invalid="ignore"):
                expected = (r1 + r2) / (q1 + q2) * exposure
                fit = (rows - expected) ** 2 / (expected * (1.0 + exposure / (q1 + q2)))
            # A closed day fits always.
            fit = np.sort(fit[np.isfinite(fit) & (expected >= 1.0)])
            if len(fit) >= _FEWEST_BLOCKS:
                found[place] = fit[: int(_TRIM * len(fit))].mean() / _TRIMMED_MEAN
        return np.maximum.accumulate(np.maximum(found, 1.0))

    def test(self, first: Any, stop: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Test spans for too few rows: rows seen, rows expected, p-value and likelihood ratio.

        Spans with no fewer rows than a gap may have are not tested; their p-value is 1.
        """
        seen, exposure = self.over(first, stop)
        followed = self.days - stop >= _LEAST_AFTER
        sides = self.beside(first, stop)
        expected = np.full(np.shape(seen), np.inf)
        for (rows, beside), applies in zip(sides, (True, followed), strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                likely = np.where(beside > 0, rows / beside * exposure, 0.0)
            expected = np.where(applies, np.minimum(expected, likely), expected)
        few = np.flatnonzero(seen < GAP_SHARE * expected)
        p_value = np.ones(np.shape(seen))
        p_value[few] = 0.0
        # A season moves the sums of weeks and months, and hardly those of a day.
        block = np.searchsorted(_BLOCKS, np.subtract(stop, first)).clip(max=len(_BLOCKS) - 1)
        dispersion = self.dispersion[block]
        for (rows, beside), applies in zip(sides, (np.ones_like(followed), followed), strict=True):
            at = few[applies[few]]
            size = np.maximum(rows[at], 1e-9) / dispersion[at]
            share = beside[at] / (beside[at] + exposure[at])
            p = special.betainc(size, seen[at] / dispersion[at] + 1.0, share)
            p_value[at] = np.maximum(p_value[at], p)
        ratio = special.xlogy(seen, seen / np.maximum(expected, 1e-9)) - (seen - expected)
        return seen, expected, p_value, ratio

    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """List the spans that can be tested, the silence at the end among them."""
        begin = np.arange(self.start + _LEAST_BEFORE, self.days)
        first = np.tile(begin, len(_LENGTHS))
        stop = first + np.repeat(_LENGTHS, len(begin))
        inside = stop <= self.days
        first, stop = first[inside], stop[inside]
        if self.start + _LEAST_BEFORE <= self.stop < self.days:
            first, stop = np.append(first, self.stop), np.append(stop, self.days)
        return first, stop


def by_weekday(counts: Floats, weekday: NDArray[np.int64]) -> Floats:
    """Give what each day's weekday makes of an ordinary day's rows: 1 on average.

    Parameters
    ----------
    counts : ndarray of float, shape (days,)
        Rows by day.
    weekday : ndarray of int, shape (days,)
        0 to 6.
    """
    there = np.flatnonzero(counts)
    begin = int(there[0]) if len(there) else 0
    rows = np.bincount(weekday[begin:], counts[begin:], minlength=7)
    days = np.bincount(weekday[begin:], minlength=7)
    mean = rows.sum() / max(days.sum(), 1)
    share = (rows + _PRIOR_ROWS) / (days * mean + _PRIOR_ROWS)
    return np.asarray(share[weekday])


def _best(series: _Series, place: int, limit: float) -> tuple[float, Gap] | None:
    """Find the span of a series that its neighbours make least likely."""
    first, stop = series.spans()
    if not len(first):
        return None
    found = _most(series, first, stop, limit)
    if found is None:
        return None
    # Longer spans are tried at some lengths alone: look around the best.
    reach = np.arange(-((found[1] - found[0]) // 5 + 1), (found[1] - found[0]) // 5 + 2)
    first, stop = np.repeat(found[0] + reach, len(reach)), np.tile(found[1] + reach, len(reach))
    inside = (series.start + _LEAST_BEFORE <= first) & (first < stop) & (stop <= series.days)
    found = _most(series, first[inside], stop[inside], limit) or found
    a, b, seen, expected, p_value, ratio = found
    # Of the rows expected, as many as if each day were the quietest weekday.
    day = np.diff(series.exposure)
    quiet = expected * (b - a) * day[series.start :].min() / day[a:b].sum()
    lasting = b == series.days
    short = b - a <= _HOLIDAY_DAYS and not lasting
    holiday = short and bool(special.pdtr(seen, quiet) >= _HOLIDAY_P)
    return ratio, Gap(place, a, b - 1, seen, expected, p_value, lasting, holiday)


def _most(
    series: _Series, first: NDArray[np.int64], stop: NDArray[np.int64], limit: float
) -> tuple[int, int, float, float, float, float] | None:
    seen, expected, p_value, ratio = series.test(first, stop)
    ratio = np.where(p_value < limit, ratio, -np.inf)
    top = int(np.argmax(ratio))
    if not np.isfinite(ratio[top]):
        return None
    figures = (float(v[top]) for v in (seen, expected, p_value, ratio))
    return (int(first[top]), int(stop[top]), *figures)  # type: ignore[return-value]


def find_gaps(
    cells: Floats,
    members: NDArray[np.bool_],
    weekday: NDArray[np.int64],
    *,
    false_alarms: float = FALSE_ALARMS,
) -> tuple[list[Gap], Floats]:
    """Find spans of days with improbably few rows.

    Of all significant spans of all series the one with the greatest likelihood ratio is
    taken first; its days are filled with what was to be expected, and the search goes on. So
    an outage of a channel is reported as one, not once more for each of its touchpoints.

    Parameters
    ----------
    cells : ndarray of float, shape (days, cells)
        Rows by day, one column for each finest group.
    members : ndarray of bool, shape (series, cells)
        Which cells make up each series.
    weekday : ndarray of int, shape (days,)
        0 to 6.
    false_alarms : float
        Chance that clean series give any alarm, at most (Bonferroni over all spans).

    Returns
    -------
    gaps : list of Gap
        In the order of series and days.
    mended : ndarray, shape (days, cells)
        The cells with the gaps filled.
    """
    mended = np.array(cells, dtype=float)

    def look(place: int) -> _Series:
        counts = mended[:, members[place]].sum(axis=1)
        return _Series(counts, by_weekday(counts, weekday))

    every = {place: look(place) for place in range(len(members))}
    limit = false_alarms / max(sum(len(s.spans()[0]) for s in every.values()), 1)
    best = {place: _best(series, place, limit) for place, series in every.items()}
    gaps: list[Gap] = []
    while len(gaps) < _MOST_GAPS:
        open_ = [b for b in best.values() if b is not None]
        if not open_:
            break
        gap = max(open_, key=lambda b: (b[0], -b[1].series))[1]
        gaps.append(gap)
        _mend(mended, members[gap.series], every[gap.series], gap)
        for place in np.flatnonzero((members & members[gap.series]).any(axis=1)).tolist():
            every[place] = look(place)
            best[place] = _best(every[place], place, limit)
    return _joined(gaps), mended


def _mend(cells: Floats, inside: NDArray[np.bool_], series: _Series, gap: Gap) -> None:
    """Fill the days of a gap with what the days around let expect."""
    before = slice(max(gap.first - _BESIDE, series.start), gap.first)
    after = slice(gap.last + 1, min(gap.last + 1 + _BESIDE, series.days))
    exposure = np.diff(series.exposure)
    rows = cells[before].sum(axis=0) + cells[after].sum(axis=0)
    rate = rows / (exposure[before].sum() + exposure[after].sum())
    days = slice(gap.first, gap.last + 1)
    filled = np.maximum(cells[days], exposure[days, None] * rate)
    cells[days] = np.where(inside, filled, cells[days])


def _joined(gaps: list[Gap]) -> list[Gap]:
    """Join gaps of one series that touch."""
    joined: list[Gap] = []
    for gap in sorted(gaps, key=lambda g: (g.series, g.first)):
        last = joined[-1] if joined else None
        if last and last.series == gap.series and gap.first <= last.last + 1:
            joined[-1] = replace(
                last,
                last=max(last.last, gap.last),
                seen=last.seen + gap.seen,
                expected=last.expected + gap.expected,
                p_value=min(last.p_value, gap.p_value),
                lasting=last.lasting or gap.lasting,
                holiday=last.holiday and gap.holiday,
            )
        else:
            joined.append(gap)
    return joined


def find_steps(
    counts: Floats,
    exposure: Floats,
    *,
    share: bool = False,
    false_alarms: float = FALSE_ALARMS,
) -> list[Step]:
    """Find days from which on a rate is lastingly another.

    The four or twelve weeks before a day are compared with those after it by the likelihood
    ratio of two Poisson rates over the dispersion. So that neither a passing peak nor a trend
    is a step, each half of the weeks after must differ from each half before, and the jump
    between the two halves at the day must be significant beyond the slope on either side.

    Parameters
    ----------
    counts : ndarray of float, shape (days, series)
        Rows by day, such as failed contacts.
    exposure : ndarray of float, shape (days, series)
        What they are counted among, such as contacts of known outcome, or 1 a day.
    share : bool
        Whether the rate is a share of the exposure: its odds must then have changed.
    false_alarms : float
        Chance that clean series give any alarm, at most (Bonferroni over all days).

    Returns
    -------
    list of Step
        In the order of series and days.
    """
    every = [_Series(c, e) for c, e in zip(counts.T, exposure.T, strict=True)]
    tests = sum(_step_days(s, days).size for s in every for days in _STEP_DAYS)
    limit = false_alarms / max(tests, 1)
    found = []
    for place, series in enumerate(every):
        steps = [s for days in _STEP_DAYS for s in _steps(series, place, days, share, limit)]
        kept: list[tuple[float, Step]] = []
        for ratio, step in sorted(steps, key=lambda s: (-s[0], s[1].day)):
            if all(abs(step.day - k.day) >= min(step.days, k.days) for _, k in kept):
                kept.append((ratio, step))
        found += sorted((s for _, s in kept), key=lambda s: s.day)
    return found


def _step_days(series: _Series, days: int) -> NDArray[np.int64]:
    return np.arange(series.start + days, series.days - days + 1)


def _steps(
    series: _Series, place: int, days: int, share: bool, limit: float
) -> list[tuple[float, Step]]:
    """List the days at which a rate changes, with their likelihood ratio."""
    day = _step_days(series, days)
    if not len(day):
        return []
    half = days // 2
    marks = (day - days, day - half, day, day + half, day + days)
    parts = [series.over(a, b) for a, b in itertools.pairwise(marks)]
    (r1, q1), (r2, q2) = series.over(day - days, day), series.over(day, day + days)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (r1 + r2) / (q1 + q2)
        ratio = special.xlogy(r1, r1 / (q1 * pooled)) + special.xlogy(r2, r2 / (q2 * pooled))
    p_value = special.chdtrc(
        1, 2.0 * np.nan_to_num(ratio, posinf=0.0).clip(0.0) / series.dispersion[-1]
    )
    level = [_level(rows, among, share) for rows, among in parts]
    change = _level(r2, q2, share)[0] - _level(r1, q1, share)[0]
    jump = sum(w * v for w, (v, _) in zip(_JUMP, level, strict=True))
    variance = sum(w * w * v for w, (_, v) in zip(_JUMP, level, strict=True))
    beyond = jump * np.sign(change) / np.sqrt(variance * series.dispersion[-1])
    least = np.full(len(day), np.inf)
    for (before, _), (after, _) in itertools.product(level[:2], level[2:]):
        least = np.minimum(least, (after - before) * np.sign(change))
    chosen = (
        (p_value < limit)
        & (special.ndtr(-beyond) < _JUMP_P)
        & (np.abs(change) >= np.log(STEP_FACTOR))
        & (least >= np.log(STEP_FACTOR) / 2)
    )
    return [
        (
            float(ratio[i]),
            Step(
                place, int(day[i]), float(r1[i] / q1[i]), float(r2[i] / q2[i]), days,
                float(p_value[i]),
            ),
        )
        for i in np.flatnonzero(chosen)
    ]  # fmt: skip


def _level(rows: Any, among: Any, share: bool) -> tuple[Any, Any]:
    """Give a log rate (of a share: log odds) and its variance, half a row added to each count."""
    rest = among - rows + 0.5 if share else among
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.log((rows + 0.5) / rest)
        variance = 1.0 / (rows + 0.5) + (1.0 / rest if share else 0.0)
    known = (among > 0) & np.isfinite(level)
    return np.where(known, level, 0.0), np.where(known, variance, np.inf)
