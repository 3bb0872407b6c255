"""Where metrics have changed against the period before: by touchpoint, channel and segment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics.gather import Known, called, each_measure, hidden
from cxlab.analyses.experience_metrics.readable import gap, value, with_ends
from cxlab.frames.measures import Measure, Rows, moments, moments_by_people
from cxlab.frames.people import NOT_GIVEN
from cxlab.frames.spans import Spans
from cxlab.models.clustered import changes, ratios
from cxlab.models.intervals import holm
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, metric_label

__all__ = ["level_changes", "readable"]

_FIGURES = ["estimate", "before", "change", "change_low", "change_high", "p_value"]
_COLUMNS = ["metric", "by", "level", *_FIGURES, "p_holm", "real", "n", "n_before", "unit"]
_MOST_SHOWN, _LEAST_SHOWN, _MOST_TOLD = 15, 5, 3


def level_changes(known: Known, totals: Mapping[str, pd.DataFrame]) -> Result:
    """Hold each level's last days against as many before them.

    Parameters
    ----------
    known : Known
        The data.
    totals : mapping of str to pandas.DataFrame
        By source: the sums over all customers of the same two spans.

    Returns
    -------
    Result
        A row a metric and level of a metric of which one way is good: ``estimate`` (now),
        ``before``, ``change`` with its interval, ``p_value``, ``p_holm`` (over all rows), and
        ``real``: whether that is below 0.05. ``n`` and ``n_before`` are customers.
    """
    tables = []
    for name, source in known.sources.items():
        spans = known.window(source)
        if not known.dataset.day or spans.edges[0] < source.first or name not in totals:
            continue  # the days before are not all in the feed
        tables += _changes(known, source.make(spans), spans, totals[name])
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
    if table.empty:
        text = "No level has been seen for long enough to be compared with the days before."
        return Result("level_changes", table.reindex(columns=_COLUMNS), sentence=text)
    smaller = table.assign(n=np.minimum(table["n"], table["n_before"]))
    few = hidden(smaller, known)
    gone = [*_FIGURES, "n", "n_before"]
    table[gone] = table[gone].astype(float)
    table.loc[few, gone] = np.nan
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    table["real"] = (table["p_holm"] < ALPHA).to_numpy(bool)
    betters = {name: about.better for name, about in known.abouts.items()}
    return Result("level_changes", table[_COLUMNS], sentence=_sentence(table, betters))


def _changes(known: Known, rows: Rows, spans: Spans, total: pd.DataFrame) -> list[pd.DataFrame]:
    rows = replace(rows, measures=tuple(m for m in rows.measures if m.better))
    if not rows.measures:
        return []
    given = (known.dataset, rows, spans)
    found = [
        moments(*given, level, compared=True, total=total).assign(by=level.by)
        for level in rows.levels
    ]
    if known.person is not None and known.person.attributes:
        own = moments_by_people(*given, known.person, total, compared=True)
        found += [sums.assign(by=called(name)) for name, sums in own.items()]
    if not found:
        return []
    every = each_measure(pd.concat(found, ignore_index=True), rows)
    return [_told(m, part) for m, part in every]


def _told(m: Measure, part: pd.DataFrame) -> pd.DataFrame:
    now, before = ratios(part, m.bounds), ratios(part, m.bounds, other=True)
    change = changes(part, m.bounds)
    table = part[["by", "level", "n"]].assign(
        metric=m.name, unit=m.unit, n_before=part["n0"], estimate=now["estimate"],
        before=before["estimate"], change=change["estimate"], change_low=change["conf_low"],
        change_high=change["conf_high"], p_value=change["p_value"],
    )  # fmt: skip
    # the only level is all there is, and of rates others' levels have no contacts at all
    there = (part["n"] > 0) | (part["n0"] > 0)
    there &= (part["y"] > 0) | (part["y0"] > 0) | (not m.whole)
    table = table[there & (table["level"] != NOT_GIVEN)]
    return table[table.groupby("by")["level"].transform("size") > 1]


def _sentence(table: pd.DataFrame, betters: Mapping[str, str]) -> str:
    looked = int(table["p_value"].notna().sum())
    if not looked:
        return "No level has enough customers to be compared with the days before."
    many = counted(looked, "change by touchpoint, channel and segment",
                   "changes by touchpoint, channel and segment")  # fmt: skip
    real = _surest(table[table["real"]])
    if real.empty:
        return (
            f"Of {many} against the days before, none is more than chance once corrected for all "
            "that were looked at."
        )
    told = []
    for row in real.head(_MOST_TOLD).itertuples():
        good = (row.change > 0) == (betters[str(row.metric)] == "higher")
        unit = {"share": " percentage points", "points": " points"}.get(str(row.unit), "")
        size = gap(abs(float(row.change)), str(row.unit)).lstrip("+")
        told.append(
            f"{metric_label(str(row.metric))} at {row.by} {row.level} "
            f"{'rose' if row.change > 0 else 'fell'} by {size}{unit} "
            f"({'better' if good else 'worse'})"
        )
    are = "is" if len(real) == 1 else "are"
    return f"Of {many} against the days before, {len(real)} {are} real: {'; '.join(told)}" + (
        "; and more." if len(real) > _MOST_TOLD else "."
    )


def _surest(table: pd.DataFrame) -> pd.DataFrame:
    wide = table["change_high"] - table["change_low"]
    size = (table["change"] / wide).abs().sort_values(ascending=False, kind="stable")
    return table.loc[size.index]


def readable(part: Result, betters: Mapping[str, str], days: int) -> Result:
    """Tell the surest changes of levels, a row each: the real ones, and at least a few.

    Parameters
    ----------
    part : Result
        Of :func:`level_changes`.
    betters : mapping
        Metric -> which way is good.
    days : int
        Length of the period.
    """
    rows = []
    shown = min(max(int(part.table["real"].sum()), _LEAST_SHOWN), _MOST_SHOWN)
    for _, row in _surest(part.table[part.table["change"].notna()]).head(shown).iterrows():
        unit = str(row["unit"])
        good = (row["change"] > 0) == (betters[str(row["metric"])] == "higher")
        rows.append(
            (f"{row['by']}: {row['level']}", metric_label(str(row["metric"])),
             value(float(row["before"]), unit), value(float(row["estimate"]), unit),
             with_ends(row, ("change", "change_low", "change_high"), unit, gap),
             ("better" if good else "worse") if row["real"] else "no clear change",
             f"{int(row['n']):,}")
        )  # fmt: skip
    columns = ["where", "metric", f"{days} days before", f"last {days} days",
               "change (95% interval)", "what it says", "customers"]  # fmt: skip
    return Result("moved", pd.DataFrame(rows, columns=columns))
