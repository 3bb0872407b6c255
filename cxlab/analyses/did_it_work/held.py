"""The forecasts of earlier runs, held against what came."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import narwhals as nw
import pandas as pd

from cxlab.analyses.did_it_work.measured import Study
from cxlab.analyses.did_it_work.plan import Plan
from cxlab.data.forecasts import Forecast
from cxlab.frames.periods import EPOCH
from cxlab.results import Result, counted

__all__ = ["hold"]

_COLUMNS = ["month", "made_on", "touchpoint", "share", "what", "estimate", "conf_low", "conf_high",
            "came", "inside", "intervention"]  # fmt: skip


def hold(study: Study, plans: Sequence[Plan], made: Sequence[Forecast]) -> Result:
    """Hold forecasts against the months that have passed since.

    Parameters
    ----------
    study : Study
        The data.
    plans : sequence of Plan
        What was done.
    made : sequence of Forecast
        Of earlier runs.
    """
    if not made:
        text = (
            "No earlier run has left a forecast: what comes is held against what was expected "
            "from the second run on."
        )
        return Result("forecasts", pd.DataFrame(columns=_COLUMNS), sentence=text)
    over = [f for f in made if _end(f.month) <= study.end]
    rows = [row for f in _newest(over) for row in _rows(study, plans, f)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return Result("forecasts", table, sentence=_sentence(table, made))


def _day(date: dt.date) -> float:
    return (date - EPOCH.date()) / dt.timedelta(days=1)


def _end(month: dt.date) -> float:
    return _day((month.replace(day=1) + dt.timedelta(days=32)).replace(day=1))


def _newest(made: Sequence[Forecast]) -> list[Forecast]:
    """Keep of each month the newest forecast of each change."""
    best: dict[tuple[dt.date, str, float], Forecast] = {}
    for f in sorted(made, key=lambda f: f.key):
        best[f.month, f.touchpoint or "", f.share] = f
    return [best[key] for key in sorted(best)]


def _rows(study: Study, plans: Sequence[Plan], f: Forecast) -> list[dict[str, object]]:
    done = [p for p in plans if p.touchpoint == f.touchpoint and p.start < _end(f.month)
            and p.start >= _day(f.made_on)]  # fmt: skip
    if f.share > 0 and not done:
        return []  # a change that nobody made
    low, high = _day(f.month), _end(f.month)
    told = [("customers who left", f.leavers, f.leavers_low, f.leavers_high,
             _left(study, low, high))]  # fmt: skip
    if f.touchpoint is not None and f.failures is not None:
        three = (f.failures, _number(f.failures_low), _number(f.failures_high))
        told.append(
            (f"failures at {f.touchpoint}", *three, _failed(study, f.touchpoint, low, high))
        )
    return [
        {
            "month": f.month.isoformat()[:7],
            "made_on": f.made_on.isoformat(),
            "touchpoint": f.touchpoint or "",
            "share": f.share,
            "what": what,
            "estimate": middle,
            "conf_low": least,
            "conf_high": most,
            "came": came,
            "inside": bool(least <= came <= most),
            "intervention": done[0].intervention if done and f.share > 0 else "",
        }
        for what, middle, least, most, came in told
        if not math.isnan(came)
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _left(study: Study, low: float, high: float) -> float:
    if study.risk is None or high > study.risk.end:
        return math.nan
    at = nw.col("event_at")
    told = study.risk.frame.filter((at >= low) & (at < high)).select(n=nw.len())
    return float(told.collect(backend="pyarrow")["n"][0])


def _failed(study: Study, touchpoint: str, low: float, high: float) -> float:
    place = study.place(touchpoint)
    if place is None or study.failing is None:
        return math.nan
    came = study.failing.came(place, low, high)
    return math.nan if came is None else came


def _sentence(table: pd.DataFrame, made: Sequence[Forecast]) -> str:
    if not len(table):
        first = min(f.month for f in made)
        return (
            f"Earlier runs forecast {counted(len({f.month for f in made}), 'month')}, from "
            f"{first.isoformat()[:7]} on; none of them can be held against what came yet."
        )
    plain = table[(table["share"] == 0) & (table["what"] == "customers who left")]
    told = []
    if len(plain):
        inside = int(plain["inside"].sum())
        told.append(
            f"Of {counted(len(plain), 'month')} forecast and over, {inside} had as many customers "
            f"leave as forecast, within the 95% interval"
            + (", as should be." if inside >= _least(len(plain)) else ": the forecasts are off.")
        )
    changed = table[table["share"] > 0]
    for name, part in changed.groupby("intervention"):
        inside = int(part["inside"].sum())
        told.append(
            f"With {name} in place, {inside} of {counted(len(part), 'figure')} forecast for the "
            f"change came true within the interval."
        )
    return " ".join(told)


def _least(many: int) -> int:
    """Give how many of so many 95% intervals hold at least, in 95 of 100."""
    from scipy import stats

    return int(stats.binom.ppf(0.05, many, 0.95))
