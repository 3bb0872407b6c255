"""Where everybody was reached: the time after beside the line that the time before went on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from cxlab.analyses.did_it_work.found import FEWEST, Found
from cxlab.analyses.did_it_work.measured import Measured, Study
from cxlab.analyses.did_it_work.plan import Plan, day_of
from cxlab.frames.customer_periods import Window, total_sums
from cxlab.models.interrupted import (
    LEAST_BEFORE,
    LEAST_POINTS,
    Interrupted,
    segmented,
    standard_error,
)
from cxlab.models.power import POWER

__all__ = ["WEEK", "elsewhere", "follow"]

WEEK = 7.0
_MOST_BEFORE = 156
_TWO_YEARS = 102  # whole weeks around a start, of two years
_EVERY = 4  # weeks between two dates at which nothing was done
_FEWEST_EARLIER = 16


def _weekly(study: Study, plan: Plan, measured: Measured) -> tuple[Window, np.ndarray, np.ndarray]:
    most = (_MOST_BEFORE, int(study.options.after_days // WEEK))
    window = study.window(plan, plan.start, WEEK, most, measured.outcome.until)
    if not window.before + window.after:
        return window, np.zeros(0), np.zeros(0)
    y, x = total_sums(study.dataset, measured.outcome, window)
    if measured.name.endswith("score"):
        # A feed of answers may begin later than that of contacts.
        y, x, window = _from_first(y, x, window)
    return window, y, x


def _from_first(
    y: np.ndarray, x: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray, Window]:
    first = min(int(np.argmax(x > 0)) if (x > 0).any() else 0, window.before)
    shorter = Window(window.start, window.days, window.before - first, window.after)
    return y[first:], x[first:], shorter


def follow(study: Study, plan: Plan, measured: Measured) -> Found | str:
    """Hold an outcome against the line of the time before, or say why it cannot be.

    Parameters
    ----------
    study : Study
        The data.
    plan : Plan
        What was done.
    measured : Measured
        The outcome.
    """
    window, y, x = _weekly(study, plan, measured)
    if window.before < LEAST_BEFORE:
        return (
            f"all were reached, and the data begin only {window.before} weeks before it: too few "
            "to tell what would have come"
        )
    if window.after < LEAST_POINTS:
        over = measured.over(plan.start + LEAST_POINTS * WEEK)
        why = f"all were reached, and the first {LEAST_POINTS} weeks after it are {over} only"
        return _waiting(study, measured, window, y, x, why)
    if reason := _too_few(y, x, window, measured):
        return _waiting(study, measured, window, y, x, reason)
    season = window.before + window.after >= _TWO_YEARS
    fit = segmented(y, x, window.before, measured.scale, days=WEEK, season=season)
    if fit is None or not fit.se > 0:
        return "the weeks before it tell no line"
    late = x[window.before :]
    without = float(fit.without[window.before :] @ late)
    return Found(
        design="series",
        value=fit.value,
        se=fit.se,
        p_value=fit.p_value,
        quantile=fit.quantile,
        change=fit.change,
        change_se=fit.change_se,
        came=float(y[window.before :].sum()),
        expected=without,
        out_of=float(late.sum()),
        n=study.customers,
        controls=0,
        before=window.before,
        after=window.after,
        days=WEEK,
        followed=float(window.edges[-1]),
        df=fit.df,
        season=season,
        seen=_seen(fit, y, x, window, measured, study.options.after_days, window.after),
        placebo=_earlier(y, x, window, measured),
        line=_line(fit, y, x, window, study.options.min_group),
        notes=_notes(fit),
    )


def _waiting(
    study: Study, measured: Measured, window: Window, y: np.ndarray, x: np.ndarray, why: str
) -> str:
    """Say when it can be told, by what the weeks before it tell as if it had begun in them."""
    known, most, seen = window.before, study.options.after_days, None
    if y[:known].sum() >= FEWEST and x[:known].sum() >= FEWEST:
        y, x = y[:known], x[:known]
        fit = segmented(y, x, known - LEAST_POINTS, measured.scale, days=WEEK,
                        season=known >= _TWO_YEARS)  # fmt: skip
        if fit is not None and fit.se > 0:
            seen = _seen(fit, y, x, window, measured, most, LEAST_POINTS)(measured.worth)
    return measured.waiting(why, study.end, seen, most)


def _too_few(y: np.ndarray, x: np.ndarray, window: Window, measured: Measured) -> str:
    parts = np.split(y if measured.scale == "ratio" else x, [window.before])
    what = "cases, too few for a rate" if measured.scale == "ratio" else "answers"
    # After the start there may be none because it worked: what was to be expected counts.
    usual = parts[0].sum() / max(x[: window.before].sum(), 1e-300) * x[window.before :].sum()
    after = usual if measured.scale == "ratio" else parts[1].sum()
    return f"fewer than {FEWEST} {what}" if min(parts[0].sum(), after) < FEWEST else ""


def _notes(fit: Interrupted) -> tuple[str, ...]:
    wave = "a yearly wave held equal" if fit.season else "no yearly wave, for want of two years"
    return (f"Weekly, with a line, a step and another slope, and {wave}.",)


def _line(
    fit: Interrupted, y: np.ndarray, x: np.ndarray, window: Window, least: int
) -> pd.DataFrame:
    """Give the weeks with the lines through them; those of few are told by the lines alone."""
    rate = np.divide(y, x, out=np.full(len(y), np.nan), where=x > 0)
    without = np.where(np.arange(len(y)) >= window.before, fit.without, np.nan)
    weeks = [day_of(edge) for edge in window.edges[:-1]]
    told = {"week": weeks, "rate": rate, "fitted": fit.fitted, "without": without}
    table = pd.DataFrame({**told, "out_of": x})
    table.loc[(x > 0) & (x < least), ["rate", "out_of"]] = np.nan
    return table


def _earlier(y: np.ndarray, x: np.ndarray, window: Window, measured: Measured) -> np.ndarray:
    """Pretend that it began at earlier dates, on what was known before the true start alone."""
    known = window.before
    made = []
    for start in range(_FEWEST_EARLIER, known - 3, _EVERY):
        stop = min(known, start + window.after)
        season = stop >= _TWO_YEARS
        fit = segmented(y[:stop], x[:stop], start, measured.scale, days=WEEK, season=season)
        if fit is not None and fit.se > 0:
            made.append(fit.value / fit.se)
    return np.array(made, dtype=float)


def _seen(
    fit: Interrupted, y: np.ndarray, x: np.ndarray, window: Window, measured: Measured,
    most: int, late: int,
) -> Callable[[float], float]:  # fmt: skip
    """Give the day from which a change would be seen, by a fit whose last ``late`` weeks count."""
    before = slice(0, window.before)
    rate = float(y[before].sum() / x[before].sum())
    usual = float(np.mean(x[before][x[before] > 0]))

    def error(after: int, early: int = window.before) -> float:
        return standard_error(fit, rate, usual, early, after, measured.scale, WEEK)

    scale = fit.se / error(late, len(y) - late)

    def day(wanted: float) -> float:
        for after in range(LEAST_POINTS, int(most // WEEK) + 1):
            if POWER * scale * error(after) <= wanted:
                return window.start + WEEK * after
        return math.inf

    return day


def elsewhere(study: Study, plan: Plan, others: list[str]) -> np.ndarray:
    """Look for the same change of the failure rate at touchpoints where nothing was done.

    Parameters
    ----------
    study : Study
        The data.
    plan : Plan
        What was done.
    others : list of str
        The other touchpoints.
    """
    made = []
    for touchpoint in others:
        measured = study.failures(touchpoint)
        if isinstance(measured, str):
            continue
        window, y, x = _weekly(study, plan, measured)
        if _too_few(y, x, window, measured) or window.before < LEAST_BEFORE:
            continue
        season = window.before + window.after >= _TWO_YEARS
        fit = segmented(y, x, window.before, measured.scale, days=WEEK, season=season)
        if fit is not None and fit.se > 0:
            made.append(fit.value / fit.se)
    return np.array(made, dtype=float)
