"""Whether those who start later stay longer: cohorts of the same start, and their trend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.retention.seen import LEFT, Seen
from cxlab.frames.periods import EPOCH, RiskSet
from cxlab.models.intervals import Z, wald_p
from cxlab.models.survival import Curve, Lifetimes, trend
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted

__all__ = ["ALL", "MONTH", "UNDATED", "cohorts"]

MONTH = 365.25 / 12
"""Days of a month of tenure: twelve of them are a year."""

ALL = "all of these"
"""The row of all cohorts together."""

UNDATED = "A snapshot has no dates: whether those who start later stay longer cannot be told."

_YEAR = 365.25
_MOST_ROWS = 24
# Cohorts of fewer on average are told by quarters or years.
_LARGE = 3
_MARKS = {"M": (1, 2, 3, 4, 5, 6, 9, 12, 15, 18, 21, 24, 30, 36, 48, 60),
          "Q": (1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 42, 48, 60, 72),
          "Y": (3, 6, 9, 12, 18, 24, 30, 36, 48, 60, 72, 84, 96, 108, 120)}  # fmt: skip
_SAID = {"M": "month", "Q": "quarter", "Y": "year"}
_COLUMNS = ["term", "months", "estimate", "conf_low", "conf_high", "p_value", "n", "started",
            "state"]  # fmt: skip


@dataclass(frozen=True)
class _Cohorts:
    """Spells of customers seen from their start, by the period of it."""

    lives: Lifetimes
    group: np.ndarray
    names: list[str]
    oldest: np.ndarray
    grain: str


def cohorts(seen: Seen, least: int) -> Result:
    """Follow those who started together, and tell whether later starters stay longer.

    Parameters
    ----------
    seen : Seen
        Dated lifetimes.
    least : int
        A cohort of fewer customers, and a cell with fewer at risk, is withheld.

    Returns
    -------
    Result
        ``term`` (the period of the start, or :data:`ALL`), ``months`` (of tenure), ``estimate``
        (the share still there then; other ends censor), its interval, ``n`` (at risk then),
        ``started``, and ``state``: ``shown``, ``withheld``, or ``not yet``. In ``meta`` the
        ``trend``: the hazard ratio for a start a year later, its interval and p-value.
    """
    if seen.risk is None:
        return Result("cohorts", pd.DataFrame(columns=_COLUMNS), sentence=UNDATED)
    lives, risk = seen.lives.ended_by(LEFT), seen.risk
    slope = _trend(lives, risk)
    found = _gathered(lives, risk, least)
    if isinstance(found, str):
        table = pd.DataFrame(columns=_COLUMNS)
        return Result("cohorts", table, sentence=f"{_told(slope)}\n{found}".strip(), meta=slope)
    last = int(found.oldest.max() // MONTH)
    marks = [m for m in _MARKS[found.grain] if m <= last] or [1]
    rows = [_cells(found.lives, ALL, marks, float(found.oldest.max()), least)]
    rows += [
        _cells(found.lives.where(found.group == g), name, marks, float(found.oldest[g]), least)
        for g, name in enumerate(found.names)
    ]
    table = pd.concat(rows, ignore_index=True).assign(p_value=np.nan)[_COLUMNS]
    # A mark that no cohort has reached by now is no column.
    reached = table.loc[table["state"] == "shown", "months"]
    table = table[table["months"].isin(reached)]
    # Nor is a start a row of which nothing can be seen yet.
    seen_of = table.loc[table["state"] != "not yet", "term"]
    table = table[table["term"].isin(seen_of)].reset_index(drop=True)
    before = len(lives) - len(found.lives)
    meta = slope | {"grain": _SAID[found.grain], "before": before, "least": least}
    return Result("cohorts", table, sentence=_sentence(table, slope), meta=meta)


def _trend(lives: Lifetimes, risk: RiskSet) -> dict[str, float]:
    """Estimate how the hazard changes with the start, a year later."""
    coefficient, se = trend(lives, risk.spells["started"].to_numpy(float) / _YEAR)
    if not se > 0:  # all leave at one tenure, or start on one day: nothing to tell
        return dict.fromkeys(("trend", "trend_low", "trend_high", "trend_p"), np.nan)
    ends = (coefficient, coefficient - Z * se, coefficient + Z * se)
    ratio, low, high = (float(np.exp(np.clip(v, -20, 20))) for v in ends)
    p = float(wald_p(np.array(coefficient), np.array(se)))
    return {"trend": ratio, "trend_low": low, "trend_high": high, "trend_p": p}


def _gathered(lives: Lifetimes, risk: RiskSet, least: int) -> _Cohorts | str:
    """Put those seen from their start into the finest periods that hold enough of them."""
    started = risk.spells["started"].to_numpy(float)
    fresh = ~np.isfinite(lives.entry)
    if fresh.sum() < least:
        return (
            f"Of those seen from their start there are {counted(int(fresh.sum()), 'spell')}, too "
            "few to follow by when they started."
        )
    day = np.datetime64(EPOCH, "D") + np.floor(started[fresh]).astype(int)
    when = pd.PeriodIndex(pd.to_datetime(day), freq="D")
    own = lives.where(fresh)
    for grain in ("M", "Q", "Y"):
        period = when.asfreq(grain)
        code, names = pd.factorize(period, sort=True)
        spread = names[-1].ordinal - names[0].ordinal + 1
        if spread <= _MOST_ROWS and (grain == "Y" or len(own) >= _LARGE * least * spread):
            break
    first = pd.Series(started[fresh]).groupby(code).min().to_numpy()
    told = [str(n) if grain != "Q" else f"{n.year} Q{n.quarter}" for n in names]
    return _Cohorts(own, code, told, risk.end - first, grain)


def _cells(
    lives: Lifetimes, name: str, marks: list[int], oldest: float, least: int
) -> pd.DataFrame:
    """Give a cohort's share still there at each month of tenure."""
    tenure = np.array(marks) * MONTH
    table = Curve(lives).at(tenure).drop(columns=["tenure", "se"])
    customers = len(np.unique(lives.customer))
    few = (table["n"] < least) | (customers < least)
    table["state"] = np.where(tenure > oldest, "not yet", np.where(few, "withheld", "shown"))
    figures = ["estimate", "conf_low", "conf_high", "n"]
    table[figures] = table[figures].astype(float).where(table["state"] == "shown")
    started = float(customers) if customers >= least else np.nan
    return table.assign(term=name, months=marks, started=started)


def _sentence(table: pd.DataFrame, slope: dict[str, float]) -> str:
    """Say whether later starters stay longer, and show it by the first and the last cohort."""
    text = _told(slope)
    shown = table[(table["state"] == "shown") & (table["term"] != ALL)]
    counts = shown.groupby("months")["term"].nunique()
    common = counts[counts >= max(2, counts.max() / 2)]
    if common.empty:
        return text
    month = int(common.index.max())
    rows = shown[shown["months"] == month]
    early, late = rows.iloc[0], rows.iloc[-1]
    after = counted(month, "month")
    text = f"{text}\n".lstrip()
    return (
        f"{text}Of 100 who started in {early['term']}, {100 * early['estimate']:.0f} were still "
        f"there after {after} (95% interval {100 * early['conf_low']:.0f} to "
        f"{100 * early['conf_high']:.0f}); of those of {late['term']}, "
        f"{100 * late['estimate']:.0f} ({100 * late['conf_low']:.0f} to "
        f"{100 * late['conf_high']:.0f})."
    )


def _told(slope: dict[str, float]) -> str:
    ratio, p = slope["trend"], slope["trend_p"]
    if not np.isfinite(ratio):
        return ""
    figures = (
        f"at the same tenure, those who started a year later leave at {ratio:.2f} times the rate "
        f"(95% interval {slope['trend_low']:.2f} to {slope['trend_high']:.2f})"
    )
    if not p < ALPHA:
        return (
            f"Later starters stay neither clearly longer nor shorter than earlier ones: {figures}."
        )
    how = "longer" if ratio < 1 else "less long"
    return f"Later starters stay {how} than earlier ones: {figures}."
