"""Which findings come first, what to do next, and what is not known: by stated rules."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from cxlab.data.history import History
from cxlab.results import Result, listed

__all__ = ["RULE", "UNSURE", "first", "unknown"]

MOST = 3
UNSURE = ("reverse causation suspected", "not separable", "too little data", "cannot tell")
"""Verdicts that say what is not known."""
RULE = (
    "What comes first is chosen by a rule. Only findings count whose interval leaves no doubt that "
    "customers are at stake, or that there is a difference; one of each page before a second of "
    "any; first those that tell how many customers are at stake, by the least that is sure (the "
    "end of the interval nearer to none); what is new or has changed since the last run counts "
    "twice."
)
_ELSEWHERE = ("what_to_fix.", "did_it_work.")
"""Findings that are told under what to do next."""
_NEW = 2.0
_MONTH = 30.0
_NONE = "no evidence"


def first(
    findings: pd.DataFrame, window: int, changed: Collection[str], then: History | None
) -> Result:
    """Choose the findings that come first.

    Parameters
    ----------
    findings : pandas.DataFrame
        ``id, notebook, statement, estimate, conf_low, conf_high, unit, verdict``.
    window : int
        Days over which customers are counted.
    changed : collection of str
        Ids of findings that have changed by more than noise.
    then : History or None
        The run that is compared with.

    Returns
    -------
    Result
        ``id, notebook, statement, stake`` (customers, at least), ``sure`` (how far from none, in
        half widths of the interval), ``new``.
    """
    told = findings[~findings["verdict"].isin((*UNSURE, _NONE))]
    told = told[~told["id"].str.startswith(_ELSEWHERE)].reset_index(drop=True)
    had = {} if then is None else _verdicts(then)
    rows = [
        {
            "id": f["id"],
            "notebook": f["notebook"],
            "statement": " ".join(str(f["statement"]).split()),
            "stake": _stake(f, window),
            "sure": _sure(f),
            "new": bool(had) and (had.get(f["id"]) != f["verdict"] or f["id"] in changed),
        }
        for f in told.to_dict("records")
    ]
    names = ["id", "notebook", "statement", "stake", "sure", "new"]
    table = pd.DataFrame(rows, columns=names)
    table = table[(table["stake"] > 0) | (table["sure"] > 0)]
    weight = np.where(table["new"].astype(bool), _NEW, 1.0)
    order = pd.DataFrame({"stake": -table["stake"] * weight, "sure": -table["sure"] * weight})
    table = table.loc[order.astype(float).sort_values(["stake", "sure"], kind="stable").index]
    again = table["notebook"].duplicated()
    table = pd.concat([table[~again], table[again]]).head(MOST).reset_index(drop=True)
    sentence = RULE if len(table) else "The other pages of this run found nothing to put first."
    return Result("first", table, sentence=sentence)


def _verdicts(then: History) -> dict[str, str]:
    rows = then.of("finding")
    return dict(zip(rows["name"], rows["verdict"], strict=True))


def _ends(finding: dict[str, Any]) -> tuple[float, float, float]:
    values = (finding[c] for c in ("estimate", "conf_low", "conf_high"))
    middle, low, high = (math.nan if v is None else float(v) for v in values)
    return middle, low, high


def _stake(finding: dict[str, Any], window: int) -> float:
    """Give the customers that are at stake at least; none where the interval holds none."""
    unit = str(finding["unit"])
    _, low, high = _ends(finding)
    if not unit.startswith("customers") or not low * high > 0:
        return 0.0
    return min(abs(low), abs(high)) * (window / _MONTH if "a month" in unit else 1.0)


def _sure(finding: dict[str, Any]) -> float:
    """Tell how far a difference or a ratio is from none; 0 where that cannot be told."""
    unit = str(finding["unit"]).lower()
    middle, low, high = _ends(finding)
    if "ratio" in unit and low > 0:
        middle, low, high = (math.log(v) for v in (middle, low, high))
    elif not any(word in unit for word in ("difference", " less ", "change")):
        return 0.0
    if not (math.isfinite(middle) and low * high > 0 and high > low):
        return 0.0
    return abs(middle) / ((high - low) / 2)


def unknown(findings: pd.DataFrame, now: History | None, most: int = 3) -> Result:
    """Gather what is not known: by verdict, by checks that failed, by what was left out.

    Parameters
    ----------
    findings : pandas.DataFrame
        As :func:`first` takes them.
    now : History or None
        The run's numbers, with its checks and how its notebooks ended.
    most : int
        So many of a kind are told; of more, how many there are.

    Returns
    -------
    Result
        ``why, statement``.
    """
    rows = [
        (f.verdict, " ".join(f.statement.split()))
        for verdict in UNSURE
        for f in findings[findings["verdict"] == verdict].itertuples()
    ]
    more = len(rows) - most - 1
    if more > 0:
        rows = [*rows[: most + 1], ("more", f"As much is said of {more} more on their own pages.")]
    if now is not None:
        rows += _failed(now, most) + _left_out(now, most)
    sentence = "" if rows else "No verdict is open, no check failed and no page was left out."
    return Result("unknown", pd.DataFrame(rows, columns=["why", "statement"]), sentence=sentence)


def _failed(now: History, most: int) -> list[tuple[str, str]]:
    checks = now.of("check")
    failed = checks[checks["verdict"] == "failed"]
    if failed.empty:
        return []
    names = [f"{r.name} ({r.part.replace('_', ' ')})" for r in failed.itertuples(index=False)]
    of = f"{len(failed)} of {len(checks)} checks failed"
    return [("check", f"{of}: {listed(dict.fromkeys(names), most)}.")]


def _left_out(now: History, most: int) -> list[tuple[str, str]]:
    """Say which notebooks gave no answer, those of one reason together."""
    ended = now.of("notebook")
    none = ended[ended["verdict"] != "ok"]
    grouped = none.groupby(["verdict", "text"], sort=False)["name"].agg(list)
    told = []
    for (status, why), names in grouped.items():
        reason = f": {why}" if status == "skipped" and why else ""
        was = "were" if len(names) > 1 else "was"
        how = f"{was} skipped" if status == "skipped" else "gave no answer"
        told.append(("left out", f"{listed(names)} {how}{reason}."))
    more = len(told) - most
    return told[:most] + ([("left out", f"So were {more} more kinds.")] if more > 0 else [])
