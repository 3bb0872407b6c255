"""The tables of a page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.retention.seen import Scale
from cxlab.analyses.retention.segments import Segment
from cxlab.analyses.retention.words import amount
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, three_figures

__all__ = ["after_first_bad", "attributes", "ends_by_group", "groups", "stays", "two_by_two"]

_UNKNOWN = "–"


def stays(table: pd.DataFrame, scale: Scale) -> Result:
    """Tell how many stay beyond each mark.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the result.
    scale : Scale
        The unit of tenure.
    """
    rows = table[table["unit"] == "share"]
    shown = pd.DataFrame(
        {
            "tenure": [scale.tell(t) for t in rows["tenure"]],
            "stay (95% interval)": _shares(rows),
            "customers followed then": rows["n"],
        }
    )
    return Result("stays", shown)


def groups(levels: pd.DataFrame, segment: Segment, scale: Scale) -> Result:
    """Tell how long each group of an attribute stays.

    Parameters
    ----------
    levels : pandas.DataFrame
        The groups' figures.
    segment : Segment
        The attribute.
    scale : Scale
        The unit of tenure.
    """
    shown = pd.DataFrame(
        {
            f"group of {segment.attribute}": levels["term"],
            "customers": levels["n"],
            "left": levels["left"],
            f"half have left by, {scale.unit} (95% interval)": _spans(
                levels, "median", "median_low", "median_high"
            ),
        }
    )
    if np.isfinite(segment.until):
        until = scale.tell(segment.until)
        shown[f"stay beyond {until} (95% interval)"] = _shares(levels)
        mean = _spans(levels, "mean", "mean_low", "mean_high")
        shown[f"mean stay in the first {until} (95% interval)"] = mean
    return Result("groups", shown)


def attributes(tests: pd.DataFrame, scale: Scale) -> Result:
    """Tell which attributes' groups leave at different rates.

    Parameters
    ----------
    tests : pandas.DataFrame
        The attributes' tests.
    scale : Scale
        The unit of tenure.
    """
    shown = pd.DataFrame(
        {
            "attribute": tests["term"],
            "groups": tests["groups"],
            "stays longest": tests["stays longest"],
            "stays shortest": tests["stays shortest"],
            f"difference, {scale.unit} (95% interval)": _spans(tests),
            "up to": [scale.tell(t) if np.isfinite(t) else _UNKNOWN for t in tests["until"]],
            "told apart": _told(tests),
        }
    )
    return Result("attributes", shown)


def two_by_two(pairs: Result, scale: Scale) -> Result:
    """Tell which pairs of groups leave at different rates.

    Parameters
    ----------
    pairs : Result
        The pairs' tests.
    scale : Scale
        The unit of tenure.
    """
    table = pairs.table
    shown = pd.DataFrame(
        {
            "stays longer": table["longer"],
            "stays shorter": table["shorter"],
            f"difference in mean stay, {scale.unit} (95% interval)": _spans(table),
            "mean stays differ": _told(table, "p_mean_holm"),
            "curves differ": _told(table),
        }
    )
    return Result("two_by_two", shown, sentence=pairs.sentence)


def ends_by_group(result: Result) -> Result:
    """Tell how each group of an attribute ends.

    Parameters
    ----------
    result : Result
        ``ends_by_group``.
    """
    table = result.table
    shown = pd.DataFrame(
        {
            f"group of {result.meta['segment']}": table["term"],
            "what": table["what"],
            "of 100 customers (95% interval)": _hundreds(table, "share"),
            "more than the largest group (95% interval)": _hundreds(table, "estimate"),
            "told apart": _told(table),
        }
    )
    if table["p_holm"].isna().all():
        shown = shown.drop(columns="told apart")
    return Result("how_groups_end", shown)


def after_first_bad(result: Result) -> Result:
    """Tell how many are still there after a first bad contact, and after an ordinary one.

    Parameters
    ----------
    result : Result
        ``first_bad``.
    """
    table = result.table
    rows = table[(table["unit"] == "share") & (table["term"] != "unmatched")]
    shown = pd.DataFrame(
        {
            "days after": [f"{t:g}" for t in rows["after"]],
            "there after a bad one, of 100": [f"{100 * v:.1f}" for v in rows["bad"]],
            "after an ordinary one": [f"{100 * v:.1f}" for v in rows["ordinary"]],
            "difference (95% interval)": _hundreds(rows, "estimate"),
            "followed then": rows["n"],
        }
    )
    return Result("after_first_bad", shown)


def _hundreds(rows: pd.DataFrame, value: str) -> list[str]:
    limits = ["share_low", "share_high"] if value == "share" else ["conf_low", "conf_high"]
    shown = []
    for middle, low, high in 100 * rows[[value, *limits]].to_numpy(float):
        told = f"{middle:.1f} ({low:.1f} to {high:.1f})".replace("-", MINUS)
        shown.append(told if np.isfinite(middle) else _UNKNOWN)
    return shown


def _shares(rows: pd.DataFrame) -> list[str]:
    shown = []
    for value, low, high in rows[["estimate", "conf_low", "conf_high"]].to_numpy(float):
        text = f"{value:.1%}" if np.isfinite(value) else _UNKNOWN
        shown.append(f"{text} ({low:.1%} to {high:.1%})" if np.isfinite(low) else text)
    return shown


def _spans(
    rows: pd.DataFrame, value: str = "estimate", low: str = "conf_low", high: str = "conf_high"
) -> list[str]:
    shown = []
    for middle, below, above in rows[[value, low, high]].to_numpy(float):
        if not np.isfinite(middle):
            shown.append("not reached" if value == "median" else _UNKNOWN)
            continue
        end = amount(above) if np.isfinite(above) else "not reached"
        shown.append(f"{amount(middle)} ({amount(below)} to {end})")
    return shown


def _told(rows: pd.DataFrame, column: str = "p_holm") -> list[str]:
    """Say yes or no, with the corrected p-value."""
    return [
        f"{'yes' if p < ALPHA else 'no'} (p {'< 0.0001' if p < 1e-4 else f'= {three_figures(p)}'})"
        if np.isfinite(p)
        else _UNKNOWN
        for p in rows[column].to_numpy(float)
    ]
