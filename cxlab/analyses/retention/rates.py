"""When customers leave: by tenure, and by calendar month."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.retention.seen import LEFT, Seen
from cxlab.frames.periods import EPOCH, RiskSet
from cxlab.models.intervals import poisson_rate
from cxlab.results import Result

__all__ = ["MONTH_DAYS", "by_month", "by_tenure", "rates_differ", "two_rates"]

MONTH_DAYS = 30.0
"""Months differ in length: their rates are told for this many days."""

_LEAST_EVENTS = 10


def by_tenure(seen: Seen, start: float, end: float) -> Result:
    """Give the rate of leaving in stretches of tenure, each with ten churns or more.

    Parameters
    ----------
    seen : Seen
        The lifetimes.
    start, end : float
        The tenures between which enough are followed.
    """
    scale, lives = seen.scale, seen.lives
    edges = [start, *[e for e in scale.edges if start < e < end], end]
    left = lives.exit[lives.cause == LEFT]
    left = left[(left >= start if start == 0 else left > start) & (left <= end)]
    kept = [start]
    for edge in edges[1:-1]:
        inside = ((left > kept[-1]) | (kept[-1] == 0)) & (left <= edge)
        if inside.sum() >= _LEAST_EVENTS and (left > edge).sum() >= _LEAST_EVENTS:
            kept.append(edge)
    bounds = np.array([*kept, end])
    spans = list(pairwise(bounds))
    # The end at a tenure of 0 belongs to the first stretch.
    place = np.maximum(np.searchsorted(bounds, left, "left") - 1, 0)
    count = np.bincount(place, minlength=len(kept))
    entry = np.maximum(lives.entry, 0.0)
    time = np.array([_overlap(entry, lives.exit, a, b) for a, b in spans])
    there = [int(((entry < b) & (lives.exit >= a)).sum()) for a, b in spans]
    table = pd.DataFrame(
        {
            "term": [f"{a:g} to {scale.tell(b)}" for a, b in spans],
            **poisson_rate(count, time / scale.per),
            "p_value": np.nan,
            "n": there,
            "from": kept,
            "to": bounds[1:],
            "left": count,
            "time": time,
        }
    )
    return Result("by_tenure", table)


def _overlap(entered: np.ndarray, over: np.ndarray, low: float, high: float) -> float:
    """Sum the time that spells spent between two instants."""
    return float(np.maximum(np.minimum(over, high) - np.maximum(entered, low), 0.0).sum())


def by_month(risk: RiskSet, least: int) -> Result:
    """Give the rate of leaving in each calendar month, told for 30 days.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    least : int
        A month in which fewer customers were followed is withheld.
    """
    spells = risk.spells
    begin = risk.start_of(spells["first"].to_numpy())
    entered = np.maximum(spells["started"].to_numpy(float), begin)
    over = spells["event_at"].fillna(spells["competing_at"]).fillna(risk.end).to_numpy(float)
    over = np.maximum(over, entered)
    left_at = spells["event_at"].dropna().to_numpy(float)
    first, last = (_month(day) for day in (entered.min(), np.nextafter(risk.end, -np.inf)))
    months = np.arange(first, last + 1)
    edges = np.append(months, last + 1).astype("datetime64[D]") - np.datetime64(EPOCH, "D")
    edges = edges.astype(float)
    spans = list(pairwise(edges))
    count = np.histogram(left_at, edges)[0]
    time = np.array([_overlap(entered, over, a, b) for a, b in spans])
    there = np.array([int(((entered < b) & (over >= a)).sum()) for a, b in spans])
    feed = entered.min()
    table = pd.DataFrame(
        {
            "term": months.astype(str),
            **poisson_rate(count, time / MONTH_DAYS),
            "p_value": np.nan,
            "n": there,
            "left": count,
            "customer_days": time,
            "whole": [bool(a >= np.floor(feed) and b <= risk.end) for a, b in spans],
        }
    )
    small = table["n"] < least
    gone = ["estimate", "conf_low", "conf_high", "n", "left", "customer_days"]
    table[gone] = table[gone].astype(float).mask(small, axis=0)
    return Result("by_month", table)


def _month(day: float) -> np.datetime64:
    """Give the calendar month of an instant in days."""
    return (np.datetime64(EPOCH, "D") + int(np.floor(day))).astype("datetime64[M]")


def rates_differ(count: np.ndarray, time: np.ndarray) -> float:
    """Test whether rates are all the same: Pearson's chi-square on Poisson counts.

    Parameters
    ----------
    count, time : ndarray
        Events, and the time they were seen in.

    Returns
    -------
    float
        The p-value; NaN for fewer than two.
    """
    count, time = np.asarray(count, float), np.asarray(time, float)
    expected = count.sum() * time / time.sum()
    if len(count) < 2 or not (expected > 0).all():
        return float("nan")
    statistic = (np.square(count - expected) / expected).sum()
    return float(special.gammaincc((len(count) - 1) / 2, statistic / 2))


def two_rates(count: int, time: float, other: int, other_time: float) -> float:
    """Test whether two rates are the same, given their events together (exact binomial).

    Parameters
    ----------
    count, time, other, other_time : int, float
        Events of the one and of the other, and the time they were seen in.
    """
    from scipy import stats  # slow to import

    if count + other == 0:
        return 1.0
    return float(stats.binomtest(count, count + other, time / (time + other_time)).pvalue)
