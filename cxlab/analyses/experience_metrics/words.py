"""What the metrics come to, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics.readable import gap, value
from cxlab.models.verdicts import ALPHA
from cxlab.results import Finding, Findings, Result, counted, listed, metric_label

__all__ = ["adopted_by", "changed", "findings", "headline", "to_value", "where"]

_FIRST = ("nps", "csat top box", "ces mean", "failure share", "churn rate")
_MOST = 6


def headline(card: pd.DataFrame, betters: Mapping[str, str], days: int) -> str:
    """Say where the main metrics stand, and which of all have moved.

    Parameters
    ----------
    card : pandas.DataFrame
        A row a metric, with ``p_holm``.
    betters : mapping
        Metric -> which way is good.
    days : int
        Length of the period.
    """
    known = card[card["estimate"].notna()].set_index("metric")
    if known.empty:
        return "No metric has enough customers to be told."
    first = [m for m in _FIRST if m in known.index] or list(known.index[:2])
    told = [f"{metric_label(m)} is {_stands(known.loc[m])}" for m in first[:2]]
    text = f"In the last {days} days {listed(told)}. "
    compared = known[known["change"].notna()]
    moved = compared[compared["p_holm"] < ALPHA]
    if compared.empty:
        return text + f"There are no {days} days before them to compare with."
    if moved.empty:
        return text + (
            f"Against the {days} days before, none of {counted(len(compared), 'metric')} has "
            "changed by more than chance."
        )
    parts = [
        f"{metric_label(str(m))} {_moved(r, betters.get(str(m), ''))}" for m, r in moved.iterrows()
    ]
    return text + f"Against the {days} days before: {'; '.join(parts[:_MOST])}."


def _stands(row: Any) -> str:
    unit = str(row["unit"])
    middle, low, high = (value(row[c], unit) for c in ("estimate", "conf_low", "conf_high"))
    return f"{middle} ({low} to {high}){_noun(unit, '', '')}"


def _noun(unit: str, share: str = " percentage points", points: str = " points") -> str:
    """Give what stands behind a figure in a sentence, where its unit is not with it already."""
    if unit == "seconds" or unit.startswith("score"):
        return ""
    return {"share": share, "points": points}.get(unit, f" {unit}")


def _moved(row: Any, better: str) -> str:
    up, unit = row["change"] > 0, str(row["unit"])
    size = gap(abs(row["change"]), unit).lstrip("+") + _noun(unit)
    way = f"{'rose' if up else 'fell'} by {size}"
    if not better:
        return way
    return f"{way} ({'better' if up == (better == 'higher') else 'worse'})"


def changed(
    changes: pd.DataFrame, units: Mapping[str, str], betters: Mapping[str, str], period: str
) -> str:
    """Say which metrics have changed for good, and which only wiggle.

    Parameters
    ----------
    changes : pandas.DataFrame
        A row a metric.
    units, betters : mapping
        Of the metrics.
    period : str
        ``month`` or ``week``.
    """
    if changes.empty:
        return f"There are too few whole {period}s to tell a change from noise."
    real = changes[changes["real"]]
    if real.empty:
        return (
            f"None of {counted(len(changes), 'metric')} shows more than the noise between "
            f"{period}s: nothing has shifted, drifted or jumped beyond it."
        )
    lines = []
    for row in real.sort_values("p_value").itertuples():
        name, unit = str(row.metric), units[str(row.metric)]
        size = gap(abs(float(row.estimate)), unit).lstrip("+") + _noun(unit)
        up = float(row.estimate) > 0
        good = betters.get(name, "")
        told = "better" if up == (good == "higher") else "worse"
        how = f" ({told})" if good else ""
        way = "rose" if up else "fell"
        if row.kind == "shift":
            lines.append(f"{metric_label(name)} {way} by {size} from {row.period} on{how}")
        elif row.kind == "trend":
            lines.append(f"{metric_label(name)} {way} steadily by {size} over all {row.periods} "
                         f"{period}s{how}")  # fmt: skip
        else:
            lines.append(f"{metric_label(name)} was out of line in {row.period}, by {size}")
    rest = len(changes) - len(real)
    shows = "one shows" if rest == 1 else f"{rest} show"
    more = f" The other {shows} no more than noise." if rest else ""
    text = "; ".join(lines)
    return f"{text[0].upper()}{text[1:]}.{more}"


def where(shown: pd.DataFrame) -> str:
    """Say where a metric differs most.

    Parameters
    ----------
    shown : pandas.DataFrame
        The clearest differences.
    """
    if shown.empty:
        return "No touchpoint, channel or segment differs from all by more than chance."
    bad = shown[shown["what it says"] == "worse"]
    if bad.empty:
        many = counted(len(shown), "difference from all is", "differences from all are")
        return f"{many} beyond chance, and none is for the worse."
    told = [
        f"{r['metric']} is {r['there']} at {r['where'].replace(': ', ' ', 1)}, "
        f"{r['against all (95% interval)'].replace(' (', ' against all (', 1)}"
        for _, r in bad.head(3).iterrows()
    ]
    return f"Clearly worse than all together: {'; '.join(told)}."


def to_value(part: Result) -> str:
    """Say how long new customers take to the moment of value.

    Parameters
    ----------
    part : Result
        Its curve.
    """
    meta = part.meta
    by = part.table.set_index("day")["estimate"]
    marks = [d for d in (30, 90) if d in by.index and np.isfinite(by[d])]
    told = [f"{100 * by[d]:.0f} within {d} days" for d in marks]
    what = "a first success" if meta["outcome"] else "a first contact"
    text = (
        f"Of 100 new customers {listed(told)} have had {what} at {meta['touchpoint']} "
        f"({meta['why']})."
    )
    if np.isfinite(meta["median"]):
        low, high = meta["median_low"], meta["median_high"]
        end = f"{high:.0f}" if np.isfinite(high) else "more than can be seen"
        text += f" Half have it by day {meta['median']:.0f} (95% interval {low:.0f} to {end})."
    else:
        text += f" Half do not reach it within {part.table['day'].max():.0f} days."
    return text + " Who leaves before counts as never having got there."


def adopted_by(table: pd.DataFrame) -> str:
    """Say which segments adopt a touchpoint more or less than the others.

    Parameters
    ----------
    table : pandas.DataFrame
        Of adoption by segment.
    """
    looked = table[table["p_holm"].notna()]
    if looked.empty:
        return "There are no segments of customers whose first successes can be compared."
    many = counted(
        len(looked), "share by touchpoint and segment", "shares by touchpoint and segment"
    )
    clear = looked[looked["p_holm"] < ALPHA]
    if clear.empty:
        return f"Of {many}, none differs from that of the other customers by more than chance."
    wide = clear["gap_high"] - clear["gap_low"]
    order = (clear["gap"] / wide).abs().sort_values(ascending=False, kind="stable").index
    first = clear.loc[order].drop_duplicates(["touchpoint", "by"]).head(3)
    told = [
        f"{r.touchpoint} within {r.days} days by {r.by} {r.level} "
        f"({100 * r.estimate:.0f}%, {gap(float(r.gap), 'share')} percentage points)"
        for r in first.itertuples()
    ]
    differ = "differs" if len(clear) == 1 else "differ"
    return (
        f"Of {many}, {len(clear)} {differ} from those of the other customers by more than chance: "
        f"most clearly {listed(told)}."
    )


def findings(result: Result, notebook: str = "02_experience_metrics") -> Findings:
    """Word the metrics for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`cxlab.analyses.experience_metrics.run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()
    table = result.table
    row = _main(table)
    found.append(_finding("scores", notebook, result.sentence, row))
    for name, part in (("changes", "changes"), ("where", "differences"), ("response", "response"),
                       ("value", "to_value"), ("leads", "lead_lag")):  # fmt: skip
        if part in result.parts and result[part].sentence:
            found.append(_finding(name, notebook, result[part].sentence, None))
    return found


def _main(table: pd.DataFrame) -> Any:
    known = table[table["estimate"].notna()] if len(table) else table
    if known.empty:
        return None
    named = known.set_index("metric")
    for name in _FIRST:
        if name in named.index:
            return known[known["metric"] == name].iloc[0]
    return known.iloc[0]


def _finding(name: str, notebook: str, text: str, row: Any) -> Finding:
    figures: Sequence[float | None] = (None, None, None)
    unit, n = "", None
    if row is not None:
        figures = [float(row[c]) for c in ("estimate", "conf_low", "conf_high")]
        unit, n = f"{row['metric']}, {row['unit']}", int(row["n"])
    low, mid, high = figures[1], figures[0], figures[2]
    return Finding(f"experience.{name}", notebook, text, mid, low, high, unit, n)
