"""Where churn is silence: how many who count as gone come back, and what another rule would say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention.rates import MONTH_DAYS
from cxlab.data.contract import Inactivity
from cxlab.frames.periods import EPOCH, RiskSet
from cxlab.frames.silences import LEAST_DAYS, silences
from cxlab.models.comeback import Comebacks
from cxlab.models.intervals import poisson_rate
from cxlab.results import Result, counted

__all__ = ["comeback"]

_DAYS = (14, 30, 60, 90, 120, 150, 180, 240, 300, 365)
_GOALS = (0.1, 0.05)
_UNKNOWN = "–"


def comeback(risk: RiskSet, least: int) -> dict[str, Result]:
    """Tell, by days of silence, how many come back later and what the churn rate would be.

    Parameters
    ----------
    risk : RiskSet
        The spells; of a dataset whose churn is silence.
    least : int
        Rows of fewer customers are withheld, and silences are followed as long as so many are.

    Returns
    -------
    dict of Result
        ``comeback``: ``term, days, estimate, conf_low, conf_high, p_value, n`` (customers
        silent so long at least once), ``within`` (days in which they came back; 0: the data
        do not reach so far), ``left``, ``rate, rate_low, rate_high`` (per customer and 30
        days), ``gone`` (who would count as gone now), ``known`` and ``in_force``; and
        ``comebacks``, the same in words. Empty where churn is not silence.
    """
    rule = risk.dataset.settings.churn
    if not isinstance(rule, Inactivity):
        return {}
    force = rule.inactivity.days
    found = silences(risk)
    counts = Comebacks(*found.counts())
    reach = counts.reach(least)
    days = np.array(sorted({*(d for d in _DAYS if d <= reach), force}))
    within = counts.within(days, reach)
    back = counts.share(days, within)
    pairs = [counts.influence(int(d), int(w)) for d, w in zip(days, within, strict=True)]
    squares = found.squares(*(np.column_stack(side) for side in zip(*pairs, strict=True)))
    customers = found.customers_silent(days.tolist())
    low, high = counts.interval(back, squares, customers)
    table = pd.DataFrame(
        {
            "term": [f"{d} days" for d in days],
            "days": days,
            "estimate": back,
            "conf_low": low,
            "conf_high": high,
            "p_value": np.nan,
            "n": customers,
            "within": within,
            "in_force": days == force,
        }
    )
    table.loc[within == 0, ["estimate", "conf_low", "conf_high"]] = np.nan
    table = table.join(_rates(found.leavers(days.tolist())))
    kept = (table["n"] >= least) | table["in_force"]
    table.loc[table["n"] < least, ["estimate", "conf_low", "conf_high", "n"]] = np.nan
    table = table[kept].reset_index(drop=True)
    window = counts.window(reach)
    needed = [counts.needed(goal, window, reach) if window else None for goal in _GOALS]
    begin = EPOCH + dt.timedelta(days=risk.begin)
    meta = {
        "period": [begin.date().isoformat(), risk.dataset.day],
        "days": force,
        "window": window,
        "reach": reach,
        "furthest": max(reach - window, 0),
        "goals": dict(zip(map(str, _GOALS), (_at_least(n) for n in needed), strict=True)),
    }
    sentence = _sentence(table, meta)
    return {
        "comeback": Result("comeback", table, meta=meta, sentence=sentence),
        "comebacks": _readable(table, window),
    }


def _at_least(days: int | None) -> int | None:
    return None if days is None else max(days, LEAST_DAYS)


def _rates(leavers: pd.DataFrame) -> pd.DataFrame:
    """Tell the churn rate that each rule would give, for 30 days."""
    rate = poisson_rate(leavers["left"].to_numpy(), leavers["time"].to_numpy() / MONTH_DAYS)
    told = {"rate": "estimate", "rate_low": "conf_low", "rate_high": "conf_high"}
    return leavers.drop(columns="time").assign(**{n: rate[c] for n, c in told.items()})


def _sentence(table: pd.DataFrame, meta: Mapping[str, Any]) -> str:
    row = table[table["in_force"]].iloc[0]
    if not np.isfinite(row["estimate"]):
        return (
            f"After {row['days']} days without a contact customers count as gone here. How many "
            "of them come back cannot be told: the data hold too few silences that long, or end "
            "too soon after them."
        )
    spread = table[table["rate"].notna()]
    ends = spread.iloc[[0, -1]]
    rates = [f"{100 * r.rate:.1f} at {r.days} days" for r in ends.itertuples()]
    return (
        f"Of silences of {row['days']} days, which count as leaving here, {_share(row)} are over "
        f"within {counted(int(row['within']), 'day')}: the customer is back. {_needed(meta)} "
        f"The churn rate hangs on the rule: per 100 customers and {MONTH_DAYS:.0f} days it is "
        f"{100 * row['rate']:.1f} at {row['days']} days, {' and '.join(rates)}."
    )


def _needed(meta: Mapping[str, Any]) -> str:
    """Say how long a silence must be until few come back."""
    window, furthest, goals = meta["window"], meta["furthest"], meta["goals"]
    known = [(float(g), n) for g, n in goals.items() if n is not None]
    if not known:
        return (
            f"No rule of up to {furthest} days, as far as the data can tell of the {window} days "
            f"that follow, brings that down to {float(next(iter(goals))):.0%}."
        )
    told = " and ".join(f"{n} days until no more than {g:.0%} come back" for g, n in known)
    text = f"It takes {told} within {window} days."
    if len(known) < len(goals):
        rest = [float(g) for g, n in goals.items() if n is None]
        text += f" Up to {furthest} days, as far as can be told, it does not fall to {rest[0]:.0%}."
    return text


def _share(row: pd.Series) -> str:
    return f"{row['estimate']:.1%} (95% interval {row['conf_low']:.1%} to {row['conf_high']:.1%})"


def _readable(table: pd.DataFrame, window: int) -> Result:
    back = []
    for _, row in table.iterrows():
        if not np.isfinite(row["estimate"]):
            back.append(_UNKNOWN)
            continue
        short = "" if row["within"] == window else f" in {row['within']} days"
        back.append(
            f"{row['estimate']:.1%} ({row['conf_low']:.1%} to {row['conf_high']:.1%}){short}"
        )
    shown = pd.DataFrame(
        {
            "silent for": [
                f"{d} days{' (the rule here)' if f else ''}"
                for d, f in zip(table["days"], table["in_force"], strict=True)
            ],
            f"come back within {window} days (95% interval)": back,
            "customers silent so long": table["n"].astype("Int64"),
            "would count as gone now": [
                f"{g:,} of {k:,}" for g, k in zip(table["gone"], table["known"], strict=True)
            ],
            f"churn per 100 customers and {MONTH_DAYS:.0f} days": [
                f"{100 * r:.1f} ({100 * a:.1f} to {100 * b:.1f})" if np.isfinite(r) else _UNKNOWN
                for r, a, b in table[["rate", "rate_low", "rate_high"]].to_numpy(float)
            ],
        }
    )
    return Result("comebacks", shown)
