"""The tables of a page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.journeys.compare import VOLUME
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, ratio_text, three_figures

__all__ = ["accounts", "by_channels", "by_start", "by_touchpoint", "differences", "handed"]

_NONE = "–"


def by_touchpoint(part: Result) -> Result:
    """Tell the figures of the map, a row a touchpoint.

    Parameters
    ----------
    part : Result
        The map.
    """
    places = pd.DataFrame(part.meta["places"])
    shown = places[["stage", "touchpoint", "contacts"]].copy()
    if shown["contacts"].isna().any():
        contacts = shown["contacts"].astype(float)
        shown["contacts"] = ["withheld" if np.isnan(v) else f"{v:.0f}" for v in contacts]
    table = part.table.set_index(["touchpoint", "figure"])
    for figure, head in heads(part.meta).items():
        shown[head] = [_cell(table, (t, figure)) for t in shown["touchpoint"]]
    return Result("by_touchpoint", shown)


def heads(meta: Mapping[str, Any]) -> dict[str, str]:
    """Name the figures that the map has, as a table's head does."""
    named = {"failed": "fail"}
    for figure, metric in meta["metrics"].items():
        low, high = meta["scales"][metric]
        named[figure] = f"{metric} ({low:g} to {high:g})"
    named["exits"] = f"leave in {meta['exit_days']:g} days, times expected"
    return {f: name for f, name in named.items() if f not in meta["missing"]}


def _cell(table: pd.DataFrame, key: tuple[str, str]) -> str:
    if key not in table.index:
        return _NONE
    row = table.loc[key]
    if row["withheld"]:
        return "withheld"
    if not np.isfinite(row["estimate"]):
        return _NONE
    return _span(row, "percent" if key[1] == "failed" else "number")


def _span(row: Any, how: str, names: tuple[str, str, str] = ("estimate", "conf_low", "conf_high"),
          ) -> str:  # fmt: skip
    def tell(value: float) -> str:
        if how == "percent":
            return f"{value:.1%}"
        if how == "points":
            return f"{100 * value:+.1f}".replace("-", MINUS)
        if how == "ratio":
            return ratio_text(value)
        if how == "times":
            return f"{ratio_text(value)} times"
        return f"{value:.2f}".replace("-", MINUS)

    middle, low, high = (row[n] for n in names)
    if not np.isfinite(middle):
        return _NONE
    return f"{tell(middle)} ({tell(low)} to {tell(high)})" if np.isfinite(low) else tell(middle)


def by_start(part: Result) -> Result:
    """Tell how journeys go on by where they begin.

    Parameters
    ----------
    part : Result
        Journeys by their first touchpoint.
    """
    rows = part.table
    shown = pd.DataFrame(
        {
            "begins at": rows["term"],
            "journeys": rows["journeys"],
            "steps, on average": rows["steps"].map(three_figures),
            "of several steps": rows["several"].map("{:.0%}".format),
            "handed on": rows["handed_on"].map("{:.0%}".format),
            "abandoned (95% interval)": [_span(r, "percent") for _, r in rows.iterrows()],
        }
    )
    return Result("by_start", shown)


def handed(part: Result) -> Result:
    """Tell what fails after a handoff, beside the raw comparison.

    Parameters
    ----------
    part : Result
        The comparisons.
    """
    rows = part.table
    shown = pd.DataFrame(
        {
            "what is held equal": rows["term"].replace({"raw": "nothing (raw)"}),
            "contacts compared": rows["n"],
            "more that fail after a handoff, points (95% interval)": [
                _span(r, "points") for _, r in rows.iterrows()
            ],
        }
    )
    return Result("handed", shown)


def accounts(part: Result) -> Result:
    """Tell how well each account of the past goes with leaving.

    Parameters
    ----------
    part : Result
        The accounts.
    """
    rows = part.table
    names = {"mean": "mean", "peak": "peak", "end": "end", "sum": "running sum"}
    area = ("area", "area_low", "area_high")
    together = ("together", "together_low", "together_high")
    shown = pd.DataFrame(
        {
            "account": rows["term"].map(names) + ": " + rows["what"],
            "worse for the one who leaves": [_span(r, "percent", area) for _, r in rows.iterrows()],
            "hazard ratio of one standard deviation": [
                _span(r, "ratio") for _, r in rows.iterrows()
            ],
            "with the other accounts held equal": [
                _span(r, "ratio", together) for _, r in rows.iterrows()
            ],
        }
    )
    return Result("accounts", shown)


def by_channels(part: Result) -> Result:
    """Tell who stays by how many channels they use, as quoted and as it is.

    Parameters
    ----------
    part : Result
        The comparisons.
    """
    shown = pd.DataFrame({"channels": list(dict.fromkeys(part.table["channels"]))})
    days = part.meta["follow_days"]
    for name, rows in part.table.groupby("comparison", sort=False):
        rows = rows.set_index("channels").reindex(shown["channels"])
        head = "never left" if name == "as quoted" else f"stay {days:g} days"
        shown[f"{name}: {head}"] = [_share(v) for v in rows["stay"]]
        one = [_span(r, "ratio") if r["estimate"] != 1 else "1" for _, r in rows.iterrows()]
        shown[f"{name}: hazard ratio"] = one
    return Result("by_channels", shown)


def _share(value: float) -> str:
    return f"{value:.0%}" if np.isfinite(value) else _NONE


def differences(part: Result, most: int = 25) -> Result:
    """Tell the figures of the map that differ most surely between two sides.

    Parameters
    ----------
    part : Result
        The comparison.
    most : int
        How many rows.
    """
    rows = part.table.sort_values("p_value", kind="stable").head(most)
    first, second = part.meta["sides"]
    kinds = {"failed": "percent"}
    names = {VOLUME: "contacts of 100 customers in 30 days", "failed": "fail",
             "exits": "ends after it, times expected", **part.meta["metrics"]}  # fmt: skip
    how = [kinds.get(f, "number") for f in rows["figure"]]
    shown = pd.DataFrame(
        {
            "touchpoint": rows["touchpoint"],
            "figure": [names[f] for f in rows["figure"]],
            first: [_one(v, h) for v, h in zip(rows["first"], how, strict=True)],
            second: [_one(v, h) for v, h in zip(rows["second"], how, strict=True)],
            "difference (95% interval)": [
                _apart(r, h) for (_, r), h in zip(rows.iterrows(), how, strict=True)
            ],
            "differs": [f"{'yes' if q < ALPHA else 'no'} (q {_q(q)})" for q in rows["q_value"]],
        }
    )
    more = len(part.table) - len(rows)
    told = f"The {len(rows)} surest of {len(part.table)} figures." if more else ""
    return Result("differences", shown, sentence=told)


def _apart(row: Any, how: str) -> str:
    """Tell a difference in points, in its unit, or as so many times the first."""
    if row["figure"] == "exits":
        return _span(row, "times")
    return f"{_span(row, 'points')} points" if how == "percent" else _span(row, "number")


def _one(value: float, how: str) -> str:
    if not np.isfinite(value):
        return _NONE
    return f"{value:.1%}" if how == "percent" else f"{value:.2f}"


def _q(value: float) -> str:
    if not np.isfinite(value):
        return "unknown"
    return "< 0.0001" if value < 1e-4 else f"= {three_figures(value)}"
