"""Where some were not reached: those who were, beside those who were not, or not yet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.did_it_work.found import FEWEST, Found
from cxlab.analyses.did_it_work.measured import FAILURES, Measured, Study
from cxlab.analyses.did_it_work.plan import Plan, day_of
from cxlab.frames.customer_periods import Window
from cxlab.models.group_time import Effects, Layout, Sums, band, effects, joint
from cxlab.models.power import needed
from cxlab.results import counted

__all__ = ["compare", "elsewhere", "grouped"]

_MOST_COHORTS = 12
_MOST_LEADS = 6
_LEAST_BEFORE = 3
_LEAST_SE = 1e-6  # of what does not vary, rounding leaves less


def grouped(starts: np.ndarray, days: float, least: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Put customers into groups by their start; those never reached are the last one.

    Parameters
    ----------
    starts : ndarray, shape (customers,)
        In days; infinite: never.
    days : float
        With very many starts, those within so many days (or twice as many, ...) are one.
    least : int
        Customers of smaller groups do not count.

    Returns
    -------
    dates : ndarray
        Of the groups, the last one infinite.
    group : ndarray of int, shape (customers,)
        -1: does not count.
    withheld : int
        How many do not count.
    """
    known = np.isfinite(starts)
    step, held = days, starts.copy()
    while len(np.unique(held[known])) > _MOST_COHORTS:
        first = starts[known].min()
        held = np.where(known, first + np.floor((starts - first) / step) * step, starts)
        step *= 2
    dates = np.append(np.unique(held[known]), np.inf)
    group = np.searchsorted(dates, held)
    sizes = np.bincount(group, minlength=len(dates))
    small = (sizes < least)[group]
    return dates, np.where(small, -1, group), int(small.sum())


@dataclass(frozen=True)
class _Laid:
    """The columns of a comparison."""

    sums: Sums
    layout: Layout
    dates: np.ndarray
    windows: dict[int, Window]


def _lay(
    study: Study, plan: Plan, measured: Measured, dates: np.ndarray, group: np.ndarray,
) -> _Laid | str:  # fmt: skip
    options = study.options
    days = float(options.period_days)
    most = (options.before_days // options.period_days, options.after_days // options.period_days)
    windows, short = {}, ""
    for g, date in enumerate(dates[:-1]):
        if not (group == g).any() or date >= plan.high:
            continue
        window = study.window(plan, float(date), days, most, measured.outcome.until)
        if not window.before:
            short = (
                f"the data begin on {day_of(max(study.begin, plan.low))}, less than "
                f"{counted(options.period_days, 'day')} before it"
            )
        elif not window.after:
            over = measured.over(date + days)
            short = f"the first {options.period_days} days after it are {over} only"
            window = Window(window.start, days, window.before, 0)
            windows[g] = window
        else:
            windows[g] = window
    if not windows:
        return short or "nobody was reached in the time that is looked at"
    used = list(windows.values())
    sums = study.sums(measured.outcome, used, group, len(dates))
    cohort = np.repeat(list(windows), [w.before + w.after for w in used])
    event = np.concatenate([w.event for w in used])
    ends = np.concatenate([w.edges[1:] for w in used])
    clean = (dates[:, None] >= ends[None, :]) & (np.arange(len(dates))[:, None] != cohort)
    enough = sums.n >= options.min_group
    clean &= enough[:, None]
    kept = enough[cohort]
    if not kept.any():
        return f"fewer than {options.min_group} of those reached have any data on it"
    if not clean.any():
        return f"fewer than {options.min_group} of those not reached have any data on it"
    made = _Laid(_columns(sums, kept), Layout(cohort[kept], event[kept], clean[:, kept]),
                 dates, {g: w for g, w in windows.items() if enough[g]})  # fmt: skip
    return made


def _columns(sums: Sums, kept: np.ndarray) -> Sums:
    both = np.tile(kept, 2)
    return Sums(sums.y[:, kept], sums.x[:, kept], sums.products[:, both][:, :, both], sums.n)


def compare(study: Study, plan: Plan, measured: Measured, starts: np.ndarray) -> Found | str:
    """Compare those reached with those not (yet) reached, or say why it cannot be.

    Parameters
    ----------
    study : Study
        The data.
    plan : Plan
        What was done.
    measured : Measured
        The outcome.
    starts : ndarray, shape (customers,)
        Since when each is reached.
    """
    dates, group, withheld = grouped(starts, study.options.period_days, study.options.min_group)
    laid = _lay(study, plan, measured, dates, group)
    if isinstance(laid, str):
        return laid
    same = _same(study, plan, measured, dates, group)
    layout = laid.layout
    if not (layout.event >= 0).any():
        return _waiting(study, laid, measured, _first(study, laid, measured))
    sets, events, cohorts = _sets(layout)
    told = effects(laid.sums, layout, sets, measured.scale)
    if reason := _too_few(laid, told, measured):
        few = reason.startswith("fewer")
        return _waiting(study, laid, measured, reason) if few else reason
    reached = np.unique(layout.cohort)
    others = np.array(laid.layout.clean.any(axis=1), dtype=bool)
    others[reached] = False
    leads = _leads(laid, measured)
    found = Found(
        design="compared",
        value=float(told.value[0]),
        se=float(told.se[0]),
        p_value=float(told.p_value[0]),
        quantile=told.quantile,
        change=float(told.change[0]),
        change_se=float(told.change_se[0]),
        came=float(told.came[0]),
        expected=float(told.expected[0]),
        out_of=float(told.out_of[0]),
        n=int(laid.sums.n[reached].sum()),
        controls=int(laid.sums.n[others].sum()),
        before=int(-layout.event.min()),
        after=int(layout.event.max() + 1),
        days=float(study.options.period_days),
        followed=max(w.edges[-1] for w in laid.windows.values()),
        seen=_seen(laid, told, study.options.after_days // study.options.period_days),
        same=same,
        before_p=leads[0],
        drift=leads[1],
        placebo=_earlier(laid, measured),
        events=_by_event(told, events, study.options.seed),
        cohorts=_by_cohort(told, laid, cohorts, len(events)),
        notes=_notes(layout, told, withheld, laid, study.options.min_group),
    )
    return found


def _same(
    study: Study, plan: Plan, measured: Measured, dates: np.ndarray, group: np.ndarray
) -> tuple[float, float, float]:
    """Compare those alone who were customers already when it began, as others come and leave."""
    unknown = (math.nan,) * 3
    if study.times is None or measured.name != FAILURES:
        return unknown
    begun = np.full(len(group), math.inf)
    table = study.times.table
    np.minimum.at(begun, table["who"].to_numpy(), table["begun"].to_numpy())
    laid = _lay(study, plan, measured, dates, np.where(begun < plan.start, group, -1))
    if isinstance(laid, str) or not (laid.layout.event >= 0).any():
        return unknown
    told = effects(laid.sums, laid.layout, (laid.layout.event >= 0)[None, :], measured.scale)
    if _too_few(laid, told, measured):
        return unknown
    middle, reach = float(told.value[0]), told.quantile * float(told.se[0])
    return middle, middle - reach, middle + reach


def _sets(layout: Layout) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the sets of columns: all after, each period, each cohort."""
    events, cohorts = np.unique(layout.event), np.unique(layout.cohort)
    late = layout.event >= 0
    sets = [late, *[layout.event == e for e in events], *[late & (layout.cohort == g)
                                                          for g in cohorts]]  # fmt: skip
    return np.array(sets), events, cohorts


def _too_few(laid: _Laid, told: Effects, measured: Measured) -> str:
    if not np.isfinite(told.value[0]) or not told.se[0] > _LEAST_SE:
        if measured.scale == "ratio" and laid.sums.y.sum() == 0:
            return "nothing of it was ever counted"
        if told.se[0] <= _LEAST_SE:
            return "it is the same of all, before and after: nothing varies"
        return "there is nobody left who was not reached, or nothing to compare with"
    if measured.scale == "difference":
        low = min(told.out_of[0], _base(laid, laid.sums.x))
        return f"fewer than {FEWEST} answers" if low < FEWEST else ""
    low = min(told.expected[0], _base(laid, laid.sums.y))
    return f"fewer than {FEWEST} cases, too few for a rate" if low < FEWEST else ""


def _base(laid: _Laid, values: np.ndarray) -> float:
    """Count what came before the start, on the side on which less did."""
    before = laid.layout.event < 0
    own = values[laid.layout.cohort, np.arange(values.shape[1])][before].sum()
    other = np.where(laid.layout.clean, values, 0.0).sum(axis=0)[before].sum()
    return float(min(own, other))


def _leads(laid: _Laid, measured: Measured) -> tuple[float, float]:
    """Test that those reached moved as the others did before, and give the largest difference."""
    events = np.unique(laid.layout.event[laid.layout.event < 0])
    if len(events) < _LEAST_BEFORE:
        return math.nan, math.nan
    parts = np.array_split(events, min(_MOST_LEADS, len(events)))
    sets = np.array([np.isin(laid.layout.event, part) for part in parts])
    told = effects(laid.sums, laid.layout, sets, measured.scale)
    # What is usual is the mean of them all: one of them says nothing of its own.
    test = joint(told, np.arange(len(parts) - 1))
    some = told.value[np.isfinite(told.value)]
    return test.p_value, float(np.abs(some).max()) if len(some) else math.nan


def _earlier(laid: _Laid, measured: Measured) -> np.ndarray:
    """Pretend that it began at earlier dates, with what was known before the true start alone."""
    first = int(-laid.layout.event.min())
    made = []
    for back in range(1, first - 1):
        layout = laid.layout.shifted(back)
        late = ((layout.event >= 0) & (layout.event < back))[None, :]
        told = effects(laid.sums, layout, late, measured.scale)
        made.append(told.value[0] / told.se[0] if told.se[0] > 0 else math.nan)
    found = np.array(made, dtype=float)
    return found[np.isfinite(found)]


def _by_event(told: Effects, events: np.ndarray, seed: int) -> pd.DataFrame:
    places = 1 + np.arange(len(events))
    value, se = told.value[places], told.se[places]
    wide = band(told, places, seed)
    ends = {"conf": told.quantile, "band": wide}
    made = {f"{n}_{w}": value + s * q * se for n, q in ends.items()
            for w, s in (("low", -1), ("high", 1))}  # fmt: skip
    return pd.DataFrame({"event": events, "estimate": value, "se": se, **made})


def _by_cohort(told: Effects, laid: _Laid, cohorts: np.ndarray, many: int) -> pd.DataFrame:
    places = 1 + many + np.arange(len(cohorts))
    value, reach = told.value[places], told.quantile * told.se[places]
    return pd.DataFrame(
        {
            "start": [day_of(laid.dates[g]) for g in cohorts],
            "n": laid.sums.n[cohorts],
            "estimate": value,
            "conf_low": value - reach,
            "conf_high": value + reach,
        }
    )


def _notes(
    layout: Layout, told: Effects, withheld: int, laid: _Laid, least: int
) -> tuple[str, ...]:
    made = []
    if withheld:
        # How few a withheld group is, is withheld too.
        who = (
            counted(withheld, "customer") if withheld >= least else f"Fewer than {least} customers"
        )
        made.append(f"{who} of groups too small to show do not count.")
    late = layout.event >= 0
    lost = int(late.sum() - told.columns[0].sum())
    if lost:
        made.append(
            f"{lost} of {int(late.sum())} periods after a start have nobody left who was not "
            "reached, and do not count."
        )
    if len(laid.windows) > 1:
        made.append(f"Reached on {len(laid.windows)} dates, each counted from its own.")
    return tuple(made)


# -- power --------------------------------------------------------------------------------------


def _seen(laid: _Laid, told: Effects, most: int) -> Callable[[float], float]:
    se, base, late = float(told.se[0]), float(told.of_base[0]), laid.layout.event >= 0
    first = min(w.start for w in laid.windows.values())
    days = next(iter(laid.windows.values())).days
    periods = int(laid.layout.event[late].max() + 1)
    after = max(se**2 - base, 0.0) if se**2 > base else se**2

    def day(wanted: float) -> float:
        wait = needed(wanted, se, base, after, periods)
        return first + days * wait if wait <= most else math.inf

    return day


def _first(study: Study, laid: _Laid, measured: Measured) -> str:
    """Say that no period is over yet."""
    days, window = study.options.period_days, next(iter(laid.windows.values()))
    return f"the first {days} days after it are {measured.over(window.start + days)} only"


def _waiting(study: Study, laid: _Laid, measured: Measured, why: str) -> str:
    """Say when it can be told, where too little has come, by what a period before tells."""
    window = next(iter(laid.windows.values()))
    most = study.options.after_days
    layout = laid.layout.shifted(1)
    late = ((layout.event >= 0) & (layout.event < 1))[None, :]
    told = effects(laid.sums, layout, late, measured.scale)
    seen = None
    if told.se[0] > 0 and window.before > 1:
        se, base = float(told.se[0]), float(told.of_base[0])
        wait = needed(measured.worth, se, base, max(se**2 - base, se**2 / 2), 1)
        in_time = wait <= most // study.options.period_days
        seen = window.start + window.days * wait if in_time else math.inf
    return measured.waiting(why, study.end, seen, most)


# -- placebo touchpoints ------------------------------------------------------------------------


def elsewhere(study: Study, plan: Plan, others: list[str], starts: np.ndarray) -> np.ndarray:
    """Look for the same change of the failure rate at touchpoints where nothing was done.

    Parameters
    ----------
    study : Study
        The data.
    plan : Plan
        What was done.
    others : list of str
        The other touchpoints.
    starts : ndarray, shape (customers,)
        Since when each is reached.

    Returns
    -------
    ndarray
        Effects over their standard errors; those that cannot be told are left out.
    """
    dates, group, _ = grouped(starts, study.options.period_days, study.options.min_group)
    made = []
    for touchpoint in others:
        measured = study.failures(touchpoint)
        if isinstance(measured, str):
            continue
        laid = _lay(study, plan, measured, dates, group)
        if isinstance(laid, str) or not (laid.layout.event >= 0).any():
            continue
        late = (laid.layout.event >= 0)[None, :]
        told = effects(laid.sums, laid.layout, late, measured.scale)
        if not _too_few(laid, told, measured):
            made.append(told.value[0] / told.se[0])
    return np.array(made, dtype=float)
