"""When in their time customers leave all at once: cliffs over a smooth hazard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention.seen import LEFT, Scale, Seen
from cxlab.models.cliffs import Cliff, Scan, Steps, find_cliffs
from cxlab.results import Result, counted, listed, three_figures

__all__ = ["cliffs"]

_LEAST_CHURNS = 50
_MOST_BARS = 130
_MOST_NAMED = 3
_COMMON = 0.05
_YEAR = 365.25
# By unit: widths of windows, the steps held against them, and periods.
_TRIED: Mapping[str, tuple[tuple[int, ...], int, tuple[float, ...]]] = {
    "days": ((1, 3, 7), 28, (7, 14, 28, 30, _YEAR / 12, 60, 90, _YEAR / 4, 180, _YEAR / 2, 365,
                             _YEAR)),
    "weeks": ((1, 2), 8, (4, _YEAR / 84, 13, 26, 52, _YEAR / 7)),
    "months": ((1,), 4, (3, 6, 12)),
}  # fmt: skip
_LENGTHS = {"days": 1.0, "weeks": 7.0, "months": _YEAR / 12}
_NAMES = ((7, "week"), (14, "two weeks"), (28, "four weeks"), (30, "30 days"),
          (_YEAR / 12, "month"), (60, "60 days"), (90, "90 days"), (_YEAR / 4, "quarter"),
          (180, "180 days"), (_YEAR / 2, "half-year"), (365, "365 days"),
          (_YEAR, "year"))  # fmt: skip
# What usually ends then; and how far off a cliff may be, in days.
_USUAL = ((7, "one week"), (14, "two weeks"), (30, "one month"), (60, "two months"),
          (90, "three months"), (180, "six months"), (365, "one year"), (730, "two years"),
          (1095, "three years"))  # fmt: skip
_OFF = 3.5


def cliffs(seen: Seen, span: tuple[float, float]) -> dict[str, Result]:
    """Scan the tenures for cliffs, and give the smooth hazard they stand on.

    Parameters
    ----------
    seen : Seen
        The lifetimes.
    span : tuple of float
        The tenures between which enough are followed.

    Returns
    -------
    dict of str to Result
        ``cliffs``: ``term, estimate`` (times as many as beside), ``conf_low, conf_high,
        p_value`` (corrected), ``n`` (followed then), ``kind, from, to, period, windows, left,
        expected, excess, excess_low, excess_high``. ``hazard``: ``from, to, estimate`` (share
        that leaves within), ``smooth`` (what the smooth rate brings) with its interval
        ``conf_low, conf_high``, ``n, cliff``; not there where nothing can be told.
    """
    if (reason := _untold(seen, span)) is not None:
        return {"cliffs": Result("cliffs", _table([]), sentence=reason)}
    widths, reach, periods = _TRIED[seen.scale.unit]
    renewals = _renewals(seen)
    steps = _steps(seen, span)
    scan = find_cliffs(steps, widths, (*renewals, *periods), reach)
    rows = [_row(c, steps, seen.scale, renewals) for c in scan.cliffs]
    table = _table(rows)
    hazard = _hazard(steps, scan)
    sentence = _sentence(table, scan, seen, widths[-1])
    per = f"{counted(int(hazard['to'].iloc[0] - hazard['from'].iloc[0]), seen.scale.one)}"
    meta = {"per": per, "unit": seen.scale.unit, "tried": scan.tried}
    return {
        "cliffs": Result("cliffs", table, sentence=sentence, meta=meta),
        "hazard": Result("hazard", hazard, meta=meta),
    }


def _untold(seen: Seen, span: tuple[float, float]) -> str | None:
    unit = seen.scale.unit
    if unit not in _TRIED:
        return f"Tenure in {unit} is too coarse to tell when customers leave all at once."
    steps = _steps(seen, span)
    widths, reach, _ = _TRIED[unit]
    if steps.ends.sum() < _LEAST_CHURNS or len(steps.ends) < reach + widths[-1]:
        churns = counted(int(steps.ends.sum()), "churn")
        return (
            f"Whether customers leave all at once at some tenures cannot be told from {churns} in "
            f"{counted(len(steps.ends), seen.scale.one)} of tenure."
        )
    return None


def _steps(seen: Seen, span: tuple[float, float]) -> Steps:
    """Count ends, and those followed, by step of tenure."""
    first, last = int(np.ceil(span[0])), int(np.floor(span[1]))
    lives = seen.lives
    if seen.scale.unit != "days" and not ((lives.exit < 1) & (lives.cause == LEFT)).any():
        first = max(first, 1)  # tenure is counted from 1: nobody can end before
    left = np.floor(lives.exit[lives.cause == LEFT]).astype(int)
    ends = np.bincount(left[left >= 0], minlength=last + 1)[first : last + 1]
    there = np.arange(first, last + 1)
    entered = np.searchsorted(np.sort(np.floor(lives.entry)), there, "right")
    gone = np.searchsorted(np.sort(np.floor(lives.exit)), there, "left")
    return Steps(first, ends, entered - gone)


def _renewals(seen: Seen) -> tuple[float, ...]:
    """Give the common lengths of a contract, in the unit of tenure."""
    if seen.risk is None:
        return ()
    days = seen.risk.spells["renewal_days"].dropna().astype(float)
    common = days.value_counts()
    kept = common[common >= _COMMON * len(seen.lives)].index
    return tuple(sorted(float(d) for d in kept if d > 1))


def _row(cliff: Cliff, steps: Steps, scale: Scale, renewals: tuple[float, ...]) -> dict[str, Any]:
    excess, low, high = cliff.excess
    first, last = cliff.windows[0]
    return {
        "term": _name(cliff, scale),
        "estimate": cliff.ratio,
        "conf_low": cliff.conf_low,
        "conf_high": cliff.conf_high,
        "p_value": cliff.p_value,
        "n": int(steps.at_risk[first - steps.first]),
        "kind": _kind(cliff, scale, renewals),
        "from": first,
        "to": last,
        "period": cliff.period,
        "windows": len(cliff.windows),
        "left": cliff.ends,
        "expected": cliff.expected,
        "excess": excess,
        "excess_low": low,
        "excess_high": high,
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "kind", "from", "to",
               "period", "windows", "left", "expected", "excess", "excess_low",
               "excess_high"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _name(cliff: Cliff, scale: Scale) -> str:
    if cliff.period:
        return f"every {_period(cliff.period, scale)}"
    first, last = cliff.windows[0]
    one = last - first == 1
    return f"{scale.one} {first:,}" if one else f"{scale.unit} {first:,} to {last - 1:,}"


def _period(period: float, scale: Scale) -> str:
    days = period * _LENGTHS[scale.unit]
    near, name = min(_NAMES, key=lambda known: abs(known[0] - days))
    return name if abs(near - days) < 0.2 else scale.tell(period)


def _kind(cliff: Cliff, scale: Scale, renewals: tuple[float, ...]) -> str:
    """Say what a cliff is likely to be: a renewal, or the end of a usual length."""
    first, last = cliff.windows[0]
    for length in renewals:
        times = round((cliff.period or first) / length)
        if times and cliff.period and abs(cliff.period - times * length) < 0.01 * length:
            return "renewal"
        if times and not cliff.period and first - 1 <= times * length < last + 1:
            return "renewal"
    if cliff.period:
        return "periodic"
    length = _LENGTHS[scale.unit]
    off = _OFF if scale.unit == "days" else 0.5 * length
    middle = (first + last - 1) / 2 * length
    days, name = min(_USUAL, key=lambda known: abs(known[0] - middle))
    return name if abs(days - middle) <= off + (last - first - 1) / 2 * length else "once"


def _hazard(steps: Steps, scan: Scan) -> pd.DataFrame:
    """Give the share that leaves, seen and smooth, by bars of tenure wide enough to be read."""
    count = len(steps.ends)
    wide = next((w for w in (1, 7, 14, 28) if count <= w * _MOST_BARS), -(-count // _MOST_BARS))
    low = np.arange(0, count - wide + 1 if count >= wide else 1, wide)
    high = np.minimum(low + wide, count)
    inside = np.zeros(count, dtype=bool)
    for cliff in scan.cliffs:
        for a, b in cliff.windows:
            inside[a - steps.first : b - steps.first] = True

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.append(0.0, np.cumsum(values))
        return np.asarray(sums[high] - sums[low])

    # Of those at risk in a step, so many leave in as many steps as the bar has.
    at_risk = np.maximum(total(steps.at_risk), 1.0) / (high - low)
    return pd.DataFrame(
        {
            "from": low + steps.first,
            "to": high + steps.first,
            "estimate": total(steps.ends) / at_risk,
            "smooth": total(scan.expected) / at_risk,
            "conf_low": total(scan.conf_low) / at_risk,
            "conf_high": total(scan.conf_high) / at_risk,
            "n": steps.at_risk[low],
            "cliff": total(inside) > 0,
        }
    )


def _sentence(table: pd.DataFrame, scan: Scan, seen: Seen, widest: int) -> str:
    scale = seen.scale
    within = "in one" if widest == 1 else "within a few"
    unit = scale.one if widest == 1 else scale.unit
    if table.empty:
        return (
            f"There is no cliff: nowhere in their time do many more leave {within} {unit} than "
            f"smoothly before and after ({scan.tried:,} windows and periods tried; where the "
            "hazard is smooth, at most 5 of 100 such scans find any)."
        )
    most = table.sort_values("excess", ascending=False).head(_MOST_NAMED)
    told = [
        f"{_where(row)}: {row['left']:,} left, where {_smoothly(row)}" for _, row in most.iterrows()
    ]
    more = f", and {counted(len(table) - len(most), 'more cliff')}" if len(table) > 3 else ""
    churns, excess = seen.ended(LEFT), table["excess"].sum()
    return (
        f"Customers leave all at once {listed(told)}{more}. Of {counted(churns, 'churn')}, "
        f"{excess:,.0f} ({excess / churns:.0%}) are in such cliffs, beyond what the smooth rate "
        "beside them would bring."
    )


def _smoothly(row: pd.Series) -> str:
    least = three_figures(row["conf_low"])
    if row["expected"] < 0.5:  # next to none: no ratio of it can be told
        return f"hardly any would have smoothly (at least {least} times as many; 95% limit)"
    return (
        f"{row['expected']:,.0f} would have smoothly ({three_figures(row['estimate'])} times as "
        f"many; 95% interval {least} to {three_figures(row['conf_high'])})"
    )


def _where(row: pd.Series) -> str:
    if row["period"]:
        why = ", the renewal" if row["kind"] == "renewal" else ""
        return f"at {row['term']}{why} ({row['windows']} times)"
    known = {"renewal": " (the renewal)", "once": ""}
    kind = str(row["kind"])
    return f"at {row['term']}{known.get(kind, f' ({kind})')}"
