"""The tables as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix import words
from cxlab.analyses.what_to_fix.choice import Ranking
from cxlab.analyses.what_to_fix.study import Study
from cxlab.analyses.what_to_fix.what_if import Future
from cxlab.results import MINUS, Result, money, ratio_text

__all__ = [
    "future",
    "interval",
    "outlook",
    "past",
    "priced",
    "ranking",
    "segments",
    "touchpoints",
]

_NONE, _LEARN = "–", "worth of learning more first"
# Less money, or fewer customers (True), are not worth a mention.
_LEAST = {False: 1.0, True: 0.05}


def interval(row: Any, middle: str, low: str, high: str) -> str:
    """Write a figure of customers with its interval; a dash without one."""
    if not np.isfinite(row[middle]):
        return _NONE
    return f"{words.number(row[middle])} ({words.span(row[low], row[high])})"


def priced(row: Any, middle: str, low: str, high: str, code: str = "") -> str:
    """Write a figure of money with its interval; a dash without one."""
    if not np.isfinite(row[middle]):
        return _NONE
    return f"{money(row[middle], code)} ({money(row[low])} to {money(row[high])})"


def _whole(value: float) -> str:
    return f"{value:,.0f}" if np.isfinite(value) else "withheld"


def _points(value: float) -> str:
    text = f"{abs(100 * value):.1f}"
    return ("" if text == "0.0" else MINUS if value < 0 else "+") + text


def _trend(row: Any) -> str:
    if not np.isfinite(row["trend"]):
        return row["trend_word"] if isinstance(row["trend_word"], str) else _NONE
    ends = f"{_points(row['trend_low'])} to {_points(row['trend_high'])}"
    return f"{row['trend_word']}: {_points(row['trend'])} points a quarter ({ends})"


def touchpoints(study: Study, table: pd.DataFrame) -> Result:
    """Give the touchpoints as they are read.

    Parameters
    ----------
    study : Study
        What is known.
    table : pandas.DataFrame
        Of :func:`cxlab.analyses.what_to_fix.table.touchpoints`.
    """
    code, days = study.dataset.settings.currency or "", study.window_days
    share = f"{100 * study.options.share:g}%"
    rows = []
    for _, r in table.iterrows():
        met = np.isfinite(r["contacts"])
        row = {
            "touchpoint": r["touchpoint"],
            "verdict": r["verdict"],
            f"failures in {days} days": _whole(r["failures"]) if met else "0",
            "customers affected": _whole(r["affected"]) if met else "0",
            "failure rate": f"{r['failure_share']:.1%}"
            if np.isfinite(r["failure_share"])
            else _NONE,
            "trend": _trend(r),
            "hazard ratio": _ratio(r),
            "churn at stake": interval(r, "churn_at_stake", "churn_low", "churn_high"),
            "money at stake a month": priced(r, "money_at_stake", "money_low", "money_high"),
            f"churn avoided by {share} fewer": interval(r, "estimate", "conf_low", "conf_high"),
            "worth": priced(r, "benefit", "benefit_low", "benefit_high"),
            "cost": money(r["cost"]) if np.isfinite(r["cost"]) else _NONE,
            "ease (1 to 5)": f"{r['ease']:.0f}" if np.isfinite(r["ease"]) else _NONE,
            "owner": r["owner"] if isinstance(r["owner"], str) else _NONE,
        }
        rows.append(row)
    shown = pd.DataFrame(rows)
    for column in ("money at stake a month", "worth", "cost", "ease (1 to 5)", "owner"):
        if (shown[column] == _NONE).all():
            shown = shown.drop(columns=column)
    first = ["touchpoint", "verdict", "customers affected", "churn at stake",
             "money at stake a month"]  # fmt: skip
    last = ["failure rate", "trend", "hazard ratio", f"failures in {days} days"]
    middle = [c for c in shown.columns if c not in (*first, *last)]
    shown = shown[[c for c in (*first, *middle, *last) if c in shown.columns]]
    told = {c: f"{c}, {code}" for c in ("money at stake a month", "worth", "cost") if code}
    return Result("what_to_fix_touchpoints", shown.rename(columns=told))


def _ratio(row: Any) -> str:
    if not np.isfinite(row["hazard_ratio"]):
        return _NONE
    middle, low, high = (ratio_text(row[c]) for c in ("hazard_ratio", "hazard_low", "hazard_high"))
    return f"{middle} ({low} to {high})"


def ranking(study: Study, found: Ranking) -> Result:
    """Give the drivers in order as they are read.

    Parameters
    ----------
    study : Study
        What is known.
    found : Ranking
        The drivers.
    """
    code = study.dataset.settings.currency or ""
    plain = found.unit == "customers"
    what = "customers saved" if plain else "worth less cost" if found.costed else "worth"
    rows = []
    for place, (_, r) in enumerate(found.table.iterrows(), start=1):
        three = ("estimate", "conf_low", "conf_high")
        row = {"place": place, "touchpoint": r["touchpoint"],
               f"{what} (95% interval)": interval(r, *three) if plain else
               priced(r, *three, code)}  # fmt: skip
        if found.unit == "money":
            row["may cost at most"] = money(r["break_even"], code)
            row["and to be sure (9 of 10)"] = money(r["break_even_sure"], code)
        if np.isfinite(r["cost"]):
            row["costs"] = money(r["cost"], code)
        if np.isfinite(r["ease"]):
            row["ease (1 to 5)"] = f"{r['ease']:.0f}"
        if found.costed:
            row["pays"] = f"{r['pays']:.0%}"
        row["best next fix"] = f"{r['best']:.0%}"
        learnt = words.number(r["knowing"]) if plain else money(r["knowing"], code)
        row[_LEARN] = learnt if r["knowing"] >= _LEAST[plain] else _NONE
        rows.append(row)
    shown = pd.DataFrame(rows).fillna(_NONE)
    if (ease := "ease (1 to 5)") in shown:
        after = [c for c in shown.columns if c in ("pays", "best next fix", _LEARN)]
        before = [c for c in shown.columns if c not in (*after, ease)]
        shown = shown[[*before, ease, *after]]
    return Result("what_to_fix_next", shown)


def past(study: Study, table: pd.DataFrame) -> Result:
    """Give what would have been as it is read.

    Parameters
    ----------
    study : Study
        What is known.
    table : pandas.DataFrame
        By month.
    """
    code = study.dataset.settings.currency or ""
    rows = [
        {
            "month": r["month"],
            "left": f"{r['leavers']:,.0f}",
            "would not have left": interval(r, "estimate", "conf_low", "conf_high"),
            "as counted, with chance": words.span(r["counted_low"], r["counted_high"]),
            "they pay a month": priced(r, "value", "value_low", "value_high", code),
        }
        for _, r in table.iterrows()
    ]
    shown = pd.DataFrame(rows)
    if (shown["they pay a month"] == _NONE).all():
        shown = shown.drop(columns="they pay a month")
    return Result("what_to_fix_past", shown)


def future(will: Future) -> Result:
    """Give what will be as it is read.

    Parameters
    ----------
    will : Future
        What the change does.
    """
    rows = [
        {
            "month": r["month"],
            "leave, nothing changed": words.number(r["unchanged"]),
            "leave, changed": words.number(r["leavers"]),
            "avoided (95% interval)": interval(r, "estimate", "conf_low", "conf_high"),
        }
        for _, r in will.table.iterrows()
    ]
    return Result("what_to_fix_future", pd.DataFrame(rows))


def segments(study: Study, table: pd.DataFrame, segment: str) -> Result:
    """Give touchpoints by segment as they are read.

    Parameters
    ----------
    study : Study
        What is known.
    table : pandas.DataFrame
        By touchpoint and level.
    segment : str
        The attribute.
    """
    code = study.dataset.settings.currency or ""
    rows = []
    for _, r in table.iterrows():
        told = np.isfinite(r["estimate"])
        rows.append(
            {
                "touchpoint": r["touchpoint"],
                segment: r["level"],
                "customers affected": _whole(r["affected"]),
                "churn at stake": interval(r, "estimate", "conf_low", "conf_high") if told
                else "withheld",
                "of a thousand customers": words.number(r["per_thousand"]) if told else "withheld",
                "money at stake a month": priced(r, "money", "money_low", "money_high", code)
                if told else "withheld",
            }
        )  # fmt: skip
    shown = pd.DataFrame(rows)
    if not np.isfinite(table["money"].astype(float)).any():
        shown = shown.drop(columns="money at stake a month")
    return Result("what_to_fix_segments", shown)


def outlook(table: pd.DataFrame) -> Result:
    """Give the forecasts as they are read: a row a month, a column a change.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`cxlab.analyses.what_to_fix.ahead.as_table`.
    """
    if table.empty:
        return Result("what_to_fix_by_month", pd.DataFrame())
    told = table.assign(
        text=[interval(r, "estimate", "conf_low", "conf_high") for _, r in table.iterrows()],
        change=["nothing changed" if not t else f"{t} {MINUS}{100 * s:g}%"
                for t, s in zip(table["touchpoint"], table["share"], strict=True)],
    )  # fmt: skip
    names = told["change"].unique()
    columns = {n: told.loc[told["change"] == n, "text"].to_numpy() for n in names}
    months = told["month"].unique()
    return Result("what_to_fix_by_month", pd.DataFrame({"month": months, **columns}))
