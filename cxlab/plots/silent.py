"""Pictures of scores as they were given, and as if everybody asked had answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from cxlab.plots.marks import estimate, names_at, panels, say_nothing
from cxlab.plots.style import ACCENT, INK, LABEL, NOTE, style
from cxlab.results import MINUS, Result, counted, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "weighted_months",
    "weighted_months_words",
    "weighted_segments",
    "weighted_segments_words",
]

_MOST_METRICS, _MOST_ROWS = 4, 24
_APART = 0.16
_RAW, _WEIGHTED = ("raw", "raw_low", "raw_high"), ("estimate", "conf_low", "conf_high")
# What contacts are cut by; all else is of customers.
_TIMES, _PLACES = ("month", "week"), ("stage", "touchpoint", "channel")
_KEPT = ["metric", "by", "level", "asked", "answered", "n", *_RAW, *_WEIGHTED, "difference",
         "difference_low", "difference_high", "p_holm"]  # fmt: skip


def _told(result: Result) -> tuple[pd.DataFrame, list[str]]:
    """Give the weighted scores by group, and the metrics drawn: means before top boxes."""
    part = result.parts.get("response_by")
    if part is None or part.table.empty:
        return pd.DataFrame(), []
    table = part.table[part.table["estimate"].notna()]
    names = list(dict.fromkeys(table["metric"]))
    first = [m for m in names if not m.endswith(" top box")]
    names = sorted(first, key=lambda m: (m != "nps", names.index(m)))[:_MOST_METRICS]
    return table[table["metric"].isin(names)], names


def _months(result: Result) -> tuple[pd.DataFrame, list[str]]:
    table, names = _told(result)
    if table.empty:
        return table, []
    table = table[table["by"].isin(_TIMES) & table["whole"].astype(bool)]
    many = table.groupby("metric")["level"].nunique()
    names = [m for m in names if many.get(m, 0) >= 2]
    return table[table["metric"].isin(names)], names


def weighted_months(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each score over time, as given and weighted side by side, a panel a score.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first score alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table, names = _months(result)
    with style():
        each = panels(max(len(names), 1), 2, 2.4) if ax is None else [ax]
        if not names:
            say_nothing(each[0], "There are too few periods to draw.")
            return each[0]
        for panel, name in zip(each, names, strict=False):
            rows = table[table["metric"] == name]
            for place, row in enumerate(rows.itertuples()):
                _both(panel, place, row, upright=True)
            periods = rows["level"].tolist()
            every = max(1, -(-len(periods) // 5))
            panel.set_xticks(range(0, len(periods), every), periods[::every], fontsize=NOTE)
            panel.grid(axis="x", visible=False)
            _head(panel, rows, name, "y")
        _key(each[0])
    return each[0]


def _both(ax: Axes, place: float, row: Any, upright: bool = False) -> None:
    """Draw a score as given (a dot), and weighted (a hollow diamond) beside it."""
    way = -1 if upright else 1
    raw, told = ([_scaled(row, c) for c in columns] for columns in (_RAW, _WEIGHTED))
    estimate(ax, place + way * _APART, raw, ACCENT, upright=upright, size=5)
    estimate(ax, place - way * _APART, told, INK, marker="D", hollow=True, upright=upright, size=5)


def _scaled(row: Any, column: str) -> float:
    return float(getattr(row, column)) * (100 if row.unit == "share" else 1)


def _head(ax: Axes, rows: pd.DataFrame, name: str, along: str) -> None:
    unit = str(rows["unit"].iloc[0])
    ax.set_title(metric_label(name), fontsize=LABEL)
    ax.set(**{f"{along}label": "%" if unit == "share" else unit})
    (ax.yaxis if along == "y" else ax.xaxis).label.set_fontsize(NOTE)


def _key(ax: Axes) -> None:
    ax.plot([], [], "o", color=ACCENT, label="as given")
    ax.plot([], [], "D", color=INK, markerfacecolor="white", label="weighted")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper right", ncols=2,
                     fontsize=NOTE, handletextpad=0.2, columnspacing=0.8)  # fmt: skip


def _about(result: Result, rows: pd.DataFrame) -> str:
    clear = int((rows["p_holm"] < 0.05).sum())
    days = float(result["response"].meta["days"])
    looked = int(result["response_by"].table["p_value"].notna().sum())
    return (
        "Dots: as given; diamonds: weighted for those who were asked and did not answer, with "
        f"weights learnt once from all questions of the last {days:g} days. Weights move "
        f"{clear} of {len(rows)} by more than chance, corrected for {counted(looked, 'score')} "
        "looked at. 95% intervals; those of the weighted hold that the weights are estimated."
    )


def weighted_months_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`weighted_months`.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    table, names = _months(result)
    if not names:
        return {}
    every = str(table["by"].iloc[0])
    caption = f"Scores by {every} of the asking, whole {every}s alone. {_about(result, table)}"
    told = ", ".join(f"{metric_label(m)} {_apart(table, m)}" for m in names)
    alt = f"Panels of dots and diamonds over time. Weighted less given, on average: {told}."
    return {"caption": caption, "alt": alt, "data": table[_KEPT].reset_index(drop=True)}


def _apart(table: pd.DataFrame, name: str) -> str:
    mean = float(table.loc[table["metric"] == name, "difference"].mean())
    return f"{mean:+.2g}".replace("-", MINUS)


def _segments(result: Result) -> tuple[pd.DataFrame, list[str], list[tuple[str, str]]]:
    """Give the rows of customers' attributes, the metrics, and the groups drawn."""
    table, names = _told(result)
    if table.empty:
        return table, [], []
    own = table[~table["by"].isin([*_TIMES, *_PLACES])]
    own = own if len(own) else table[table["by"].isin(_PLACES)]
    order = list(dict.fromkeys(own["by"]))  # a level that one score lacks comes later
    groups = sorted(
        dict.fromkeys(zip(own["by"], own["level"], strict=True)), key=lambda g: order.index(g[0])
    )[:_MOST_ROWS]
    kept = pd.Series(list(zip(own["by"], own["level"], strict=True)), index=own.index)
    return own[kept.isin(groups)], names, groups


def weighted_segments(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each score by segment, as given and weighted side by side.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first score alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    table, names, groups = _segments(result)
    with style():
        if ax is None:
            high = 1.2 + 0.33 * max(len(_lines(groups)), 3)
            _, grid = plt.subplots(1, max(len(names), 1), figsize=(9.5, high), sharey=True,
                                   squeeze=False)  # fmt: skip
            each = list(grid.flat)
        else:
            each = [ax]
        if not groups:
            say_nothing(each[0], "There are no segments to compare.")
            return each[0]
        lines = _lines(groups)
        place = {line: len(lines) - 1 - i for i, line in enumerate(lines)}
        for panel, name in zip(each, names, strict=False):
            rows = table[table["metric"] == name]
            for row in rows.itertuples():
                _both(panel, place[row.by, row.level], row)
            panel.set_ylim(-0.7, len(lines) - 0.3)
            panel.grid(axis="y", visible=False)
            if len(rows):
                _head(panel, rows, name, "x")
        heads = [level is None for _, level in lines]
        labels = [by if level is None else level for by, level in lines]
        names_at(each[0], list(place.values()), labels, heads)
        for panel in each[1:]:
            panel.tick_params(axis="y", length=0)
        _key(each[0])
    return each[0]


def _lines(groups: Sequence[tuple[str, str]]) -> list[tuple[str, str | None]]:
    """Put the name of each attribute above its levels."""
    made: list[tuple[str, str | None]] = []
    for i, group in enumerate(groups):
        if i == 0 or groups[i - 1][0] != group[0]:
            made.append((group[0], None))
        made.append(group)
    return made


def weighted_segments_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`weighted_segments`.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    table, names, groups = _segments(result)
    if not groups:
        return {}
    days = float(result["response"].meta["days"])
    caption = f"Scores by segment, asked in the last {days:g} days. {_about(result, table)}"
    every = result["response_by"].table
    own = every[every["by"].isin(set(table["by"]))].drop_duplicates(["by", "level"])
    if len(own) > len(groups):
        caption += f" Drawn: {len(groups)} of {len(own)} groups; the others are small, or too many."
    told = ", ".join(f"{metric_label(m)} {_apart(table, m)}" for m in names)
    alt = f"Dots and diamonds by segment. Weighted less given, on average: {told}."
    return {"caption": caption, "alt": alt, "data": table[_KEPT].reset_index(drop=True)}
