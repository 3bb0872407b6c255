"""What a run with ``each`` compares: the segments' drivers side by side, and how they differ."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxlab.data import history
from cxlab.models.between import pairs
from cxlab.models.intervals import benjamini_hochberg
from cxlab.plots.marks import whole
from cxlab.report.state import AFTER, STATE
from cxlab.results import Finding, Result, counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DIFFERENCES", "SEGMENTS", "Ended", "compare", "lost_most", "told"]

SEGMENTS, DIFFERENCES = "segments", "differences"
"""The names of the tables."""
_ALPHA = 0.05
_MOST_TOLD, _MOST_OF_ONE = 8, 2
_COLUMNS = (
    *("segment", "status", "customers", "churners", "rank", "touchpoint", "valence"),
    *("hazard_ratio", "conf_low", "conf_high"),
    *("attributable_churn", "attributable_churn_low", "attributable_churn_high"),
    *("attributable_share", "value_at_risk", "value_at_risk_low", "value_at_risk_high", "verdict"),
)
_WITH_LIMITS = ("hazard_ratio", "attributable_churn", "value_at_risk")
_BY = ("touchpoint", "valence")


@dataclass(frozen=True)
class Ended:
    """How a segment's report ended.

    Parameters
    ----------
    where : str
        The segment, such as ``plan=pro``.
    words : str
        As pages tell it.
    folder : str
        Its folder, in OUT/each.
    status : str
        Of its run.
    reason : str
        Why it is no good one; empty where it is.
    run : str
        Its run, in that folder; empty where none was made.
    customers, churners : int
        Who was there, and who of them left of their own will.
    seconds : float
        What it took.
    live : str
        The run that its ``latest`` points at; empty: none.
    places : tuple of str, optional
        The touchpoints that are its own; None: all.
    taken_from : str
        The comparing run that it was taken over from; empty where it was made for this one.
    """

    where: str
    words: str
    folder: str
    status: str
    reason: str = ""
    run: str = ""
    customers: int = 0
    churners: int = 0
    seconds: float = 0.0
    live: str = ""
    places: tuple[str, ...] | None = None
    taken_from: str = ""


@dataclass
class _Drivers:
    """A segment's driver table, as its run's history has it."""

    table: pd.DataFrame
    about: dict[str, float] = field(default_factory=dict)


def compare(out: Path, ended: Sequence[Ended], apart: bool, meta: dict[str, Any]) -> Result:
    """Put the segments' drivers side by side.

    Parameters
    ----------
    out : pathlib.Path
        The folder of the segments' folders.
    ended : sequence of Ended
        How each ended; those that are good are compared.
    apart : bool
        Whether no customer is in two segments, so that their effects can be held against each
        other.
    meta : dict
        Where the data come from.

    Returns
    -------
    Result
        A row a segment and driver row; its part ``differences`` has a row for each two segments
        and touchpoint: ``estimate`` is the hazard ratio of the first as a multiple of the
        second's, ``q_value`` by Benjamini and Hochberg over all rows.
    """
    import pandas as pd

    found = {e.where: _drivers(out, e) for e in ended if e.status == "ok"}
    rows = [row for e in ended for row in _rows(e, found.get(e.where))]
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"rank": "Int64"})
    gaps = _differences(ended, found) if apart else _differences([], {})
    windows = {f.about.get("window_days", math.nan) for f in found.values() if f}
    if len(windows) == 1 and math.isfinite(window := windows.pop()):
        meta = {**meta, "window_days": int(window)}
    part = Result(DIFFERENCES, gaps, meta=meta, sentence=_clear(gaps, apart))
    return Result(SEGMENTS, table, meta=meta, sentence=part.sentence, parts={DIFFERENCES: part})


def _drivers(out: Path, ended: Ended) -> _Drivers | None:
    """Read what a good run found; None where no notebook of it told drivers."""
    import pandas as pd

    run = out / ended.folder / ended.run
    read = history.read(run / STATE / AFTER / history.FOLDER / f"{ended.run}.parquet")
    rows = read.of("driver")
    if ended.places is not None:  # the others are told together, under no name of a touchpoint
        rows = rows[rows["name"].isin(ended.places)]
    if rows.empty:
        return None
    made = []
    for (name, valence), mine in rows.groupby(["name", "part"], sort=False):
        by = mine.set_index("measure")
        row = {"touchpoint": name, "valence": valence, "verdict": mine["verdict"].iloc[0]}
        row |= {m: by["value"].get(m, math.nan) for m in (*_WITH_LIMITS, "coef", "se")}
        for measure in _WITH_LIMITS:
            stem = "conf" if measure == "hazard_ratio" else measure
            for limit in ("low", "high"):
                row[f"{stem}_{limit}"] = by[limit].get(measure, math.nan)
        made.append(row)
    about = {n: read.number("about", n) for n in ("window_churns", "window_days")}
    return _Drivers(pd.DataFrame(made), about)


def _rows(ended: Ended, drivers: _Drivers | None) -> list[dict[str, Any]]:
    """Give a segment's rows, its drivers first; one row where there are none."""
    same: dict[str, Any] = {"segment": ended.words, "status": ended.status}
    same |= {"customers": ended.customers, "churners": ended.churners}
    if drivers is None:
        return [same]
    table = drivers.table[drivers.table["valence"] != "contact"]
    share = table["attributable_churn"] / drivers.about["window_churns"]
    table = table.assign(attributable_share=share, cx_no=table["verdict"] != "driver")
    order = ["cx_no", "attributable_churn", "hazard_ratio"]
    table = table.sort_values(order, ascending=[True, False, False], kind="stable")
    ranked = enumerate(table.to_dict("records"), start=1)
    return [{**row, **same, "rank": None if row["cx_no"] else rank} for rank, row in ranked]


def _differences(ended: Iterable[Ended], found: dict[str, _Drivers | None]) -> pd.DataFrame:
    """Hold each two segments' effects against each other, touchpoint by touchpoint."""
    import pandas as pd

    there = [(e.words, d.table) for e in ended if (d := found.get(e.where)) is not None]
    every = [t[t["valence"] != "contact"].set_index(list(_BY)) for _, t in there]
    keys = list(dict.fromkeys(k for t in every for k in t.index))
    rows = []
    for key in keys:
        coef, se = (np.array([_effect(t, key, c) for t in every]) for c in ("coef", "se"))
        for pair in pairs(coef, se):
            rows.append(
                {
                    **dict(zip(_BY, key, strict=True)),
                    "first": there[pair.first][0],
                    "second": there[pair.second][0],
                    "estimate": math.exp(pair.difference),
                    "conf_low": math.exp(pair.low),
                    "conf_high": math.exp(pair.high),
                    "p_value": pair.p_value,
                    "ratio_first": math.exp(coef[pair.first]),
                    "ratio_second": math.exp(coef[pair.second]),
                }
            )
    columns = [*_BY, "first", "second", "estimate", "conf_low", "conf_high", "p_value", "q_value"]
    table = pd.DataFrame(rows, columns=[*columns, "ratio_first", "ratio_second"])
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    return table.sort_values(["p_value", *_BY, "first", "second"], ignore_index=True)


def _effect(table: pd.DataFrame, key: tuple[str, str], column: str) -> float:
    """Give a figure of a touchpoint's effect; NaN where no hazard ratio is told of it."""
    if key not in table.index or not math.isfinite(float(table.loc[key, "hazard_ratio"])):
        return math.nan
    return float(table.loc[key, column])


def _clear(gaps: pd.DataFrame, apart: bool) -> str:
    """Say how many differences exceed their noise."""
    if not apart:
        return (
            "An owner's report tells the owner's touchpoints; all have the same customers, so "
            "nothing is held against each other here."
        )
    if gaps.empty:
        return "No touchpoint has an effect in two segments that could be compared."
    clear = int((gaps["q_value"] < _ALPHA).sum())
    of = f"{counted(len(gaps), 'comparison')} of two segments' effects"
    if not clear:
        unlike = "which does not say that the segments are alike"
        return f"In {of}, no difference exceeds its noise, {unlike}."
    exceed = "exceeds its" if clear == 1 else "exceed their"
    return f"In {of}, {counted(clear, 'difference')} {exceed} noise."


def told(result: Result) -> list[Finding]:
    """Say the biggest differences that exceed their noise, a sentence each.

    Parameters
    ----------
    result : Result
        Of :func:`compare`.
    """
    gaps = result[DIFFERENCES].table
    clear = gaps[gaps["q_value"] < _ALPHA].sort_values("estimate", ascending=False, kind="stable")
    clear = clear.groupby(list(_BY), sort=False).head(_MOST_OF_ONE).head(_MOST_TOLD)
    return [_finding(row) for row in clear.to_dict("records")]


def _finding(row: dict[str, Any]) -> Finding:
    one, other = (f"{row[k]} ({row[f'ratio_{k}']:.2f})" for k in ("first", "second"))
    said = (
        f"{_named(row)}: the hazard ratio is {row['estimate']:.1f} times as high in {one} as in "
        f"{other}; 95% interval {row['conf_low']:.1f} to {row['conf_high']:.1f} times."
    )
    return Finding(
        ".".join(("each", row["touchpoint"], row["valence"], row["first"], row["second"])),
        "",
        said,
        estimate=row["estimate"],
        conf_low=row["conf_low"],
        conf_high=row["conf_high"],
        unit="times the hazard ratio",
    )


def _named(row: dict[str, Any]) -> str:
    kind = {"bad": "failed contacts at ", "good": "good contacts at "}.get(row["valence"], "")
    return f"{kind}{row['touchpoint']}"


def lost_most(result: Result) -> list[Finding]:
    """Say for each segment which driver costs it most customers, the largest losses first.

    Nothing is said where that is no customer.

    Parameters
    ----------
    result : Result
        Of :func:`compare`.
    """
    table, days = result.table, result.meta.get("window_days")
    top = table[(table["verdict"] == "driver") & table["attributable_churn"].notna()]
    top = top.groupby("segment", sort=False).head(1)
    top = top[top["attributable_churn"].round() >= 1]
    top = top.sort_values("attributable_churn", ascending=False, kind="stable")
    over = f" over {days} days" if days else ""
    return [_lost(row, over) for row in top.to_dict("records")]


def _lost(row: dict[str, Any], over: str) -> Finding:
    low, high = (row[f"attributable_churn_{end}"] for end in ("low", "high"))
    return Finding(
        f"each.{row['segment']}.most",
        "",
        f"{row['segment']}: {_named(row)} cost most, "
        f"{counted(round(row['attributable_churn']), 'customer')}{over} "
        f"(95% interval {whole(low)} to {whole(high)}).",
        estimate=row["attributable_churn"],
        conf_low=low,
        conf_high=high,
        unit="customers",
        n=int(row["customers"]),
        verdict="driver",
    )
