"""Pictures of experience metrics: what has changed, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots import firsts, silent
from cxlab.plots.marks import estimate, names_at, panels, say_nothing
from cxlab.plots.paged import paged
from cxlab.plots.picture import Drawing, Picture
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Plain, Result, counted, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["charts", "charts_words", "shown", "touchpoints", "touchpoints_words"]

_MOST_CHARTS, _MOST_BOARDS, _MOST_ROWS = 10, 3, 24
_BAND = 0.15
_LONG_UNIT = 20
_FIRST = ("nps", "csat mean", "ces mean", "failure share", "first-contact resolution",
          "on-time share", "time to resolution, median", "churn rate", "contact rate",
          "repeat purchase")  # fmt: skip
_BOARD = ("failure share", "csat mean", "ces mean", "contact rate", "csat top box", "nps")
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def _scaled(values: pd.DataFrame, unit: str) -> tuple[pd.DataFrame, str]:
    """Put figures into the unit they are read in, and name it."""
    if unit == "share":
        return values * 100, "%"
    if unit != "seconds":
        return values, unit
    middle = float(np.nanmedian(values["estimate"])) if values["estimate"].notna().any() else 1.0
    size, name = next((u for u in _UNITS if middle >= u[0]), _UNITS[-1])
    return values / size, name


# -- what has changed --------------------------------------------------------------------------


def _charted(result: Result) -> list[str]:
    """Choose the metrics drawn: those that have changed first, then the main ones."""
    series, changes = result["series"].table, result["changes"].table
    there = set(series.loc[series["centre"].notna(), "metric"])
    real = [m for m in changes.loc[changes["real"].astype(bool), "metric"] if m in there]
    rest = [m for m in (*_FIRST, *changes["metric"]) if m in there and m not in real]
    return list(dict.fromkeys([*real, *rest]))[:_MOST_CHARTS]


def charts(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each main metric over time between the limits of its noise, a panel a metric.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first metric alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names = _charted(result)
    with style():
        each = panels(max(len(names), 1), 2, 2.1) if ax is None else [ax]
        if not names:
            say_nothing(each[0], "There are too few periods to draw.")
            return each[0]
        changes = result["changes"].table.set_index("metric")
        series = result["series"].table
        for panel, name in zip(each, names, strict=False):
            rows = series[series["metric"] == name].reset_index(drop=True)
            _draw_chart(panel, rows, changes.loc[name])
    return each[0]


def _draw_chart(ax: Axes, rows: pd.DataFrame, change: Any) -> None:
    figures = ["estimate", "conf_low", "conf_high", "centre", "limit_low", "limit_high"]
    unit = str(rows["unit"].iloc[0])
    drawn, told = _scaled(rows[figures].astype(float), unit)
    place = np.arange(len(rows))
    ax.fill_between(place, drawn["limit_low"], drawn["limit_high"], color=UNSURE, alpha=_BAND, lw=0)
    ax.plot(place, drawn["centre"], color=UNSURE, lw=1.2, ls="--", drawstyle="steps-mid", zorder=2)
    ax.plot(place, drawn["estimate"], color=ACCENT, lw=1, zorder=2)
    whole = rows["whole"].to_numpy(bool)
    outside = rows["outside"].fillna(False).to_numpy(bool)
    for inside, marker, colour, face in (
        (whole & ~outside, "o", ACCENT, ACCENT),
        (whole & outside, "D", HARM, HARM),
        (~whole, "o", ACCENT, "white"),
    ):
        ax.plot(place[inside], drawn["estimate"][inside], marker, color=colour, ms=4,
                markerfacecolor=face, zorder=3)  # fmt: skip
    title = metric_label(str(rows["metric"].iloc[0]))
    short = len(told) < _LONG_UNIT
    title = title if short else f"{title} ({told})"
    if bool(change["real"]):
        title = f"{title}: {_change_told(change)}"
        if change["kind"] in ("shift", "outlier"):
            at = float(np.flatnonzero(rows["period"] == change["period"])[0])
            ax.axvline(at - (0.5 if change["kind"] == "shift" else 0.0), color=INK, lw=1)
    ax.set_title(title, fontsize=LABEL, fontweight="bold" if change["real"] else "normal")
    ax.set_ylabel(told if short else "", fontsize=NOTE)
    every = max(1, -(-len(rows) // 5))
    ax.set_xticks(place[::every], rows["period"].iloc[::every], fontsize=NOTE)
    ax.grid(axis="x", visible=False)
    ax.margins(x=0.02)


def _change_told(change: Any) -> str:
    if change["kind"] == "trend":
        return "a steady trend"
    return f"{'shift in' if change['kind'] == 'shift' else 'out of line in'} {change['period']}"


def charts_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`charts`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    names = _charted(result)
    if not names:
        return {}
    changes, series = result["changes"].table, result["series"].table
    shown = series[series["metric"].isin(names)].reset_index(drop=True)
    every = result["series"].meta["period"]
    real = changes[changes["real"].astype(bool)]
    told = [f"{metric_label(str(r['metric']))}, {_change_told(r)}" for _, r in real.iterrows()]
    text = "; ".join(told) or "none"
    caption = (
        f"Each metric by {every}; the grey band holds {every}s to which nothing has happened "
        f"(3 standard deviations of samples and {every}s together). Real changes, at 5% for all "
        f"metrics together: {text}. {_about(result)}"
    )
    if not shown["whole"].all():
        caption += f" Hollow: a {every} seen in part; diamonds: outside the band."
    if len(names) < len(changes):
        caption += f" Drawn: {len(names)} of {counted(len(changes), 'metric')}."
    alt = f"{len(names)} small panels of lines over time. Changed: {text}."
    columns = ["metric", "period", "estimate", "conf_low", "conf_high", "n", "centre",
               "limit_low", "limit_high", "whole"]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": shown[columns]}


def _about(result: Result) -> str:
    meta = result.meta
    first = result["series"].table["period"].min() if "series" in result.parts else ""
    who = counted(meta["customers"], "customer")
    return f"{who} in the last days; {first} to {meta['period'][1]}."


# -- where -------------------------------------------------------------------------------------


def _board(result: Result) -> tuple[list[str], list[str], pd.DataFrame]:
    """Give the touchpoints in the order of the journey, the metrics drawn, and their rows."""
    table = result["levels"].table
    mine = table[(table["by"] == "touchpoint") & table["estimate"].notna()]
    mine = mine[mine["metric"].isin(_BOARD)]
    counts = mine.groupby("metric")["level"].nunique()
    names = [m for m in _BOARD if counts.get(m, 0) >= 2][:_MOST_BOARDS]
    mine = mine[mine["metric"].isin(names)]
    met = set(mine["level"])
    stages = {s: i for i, s in enumerate(result.meta["stages"])}
    stage_of = result.meta["stage_of"]
    order = sorted(met, key=lambda t: (stages.get(stage_of.get(t, ""), len(stages)), t))
    if len(order) > _MOST_ROWS:
        most = mine.groupby("level")["n"].max().nlargest(_MOST_ROWS).index
        order = [t for t in order if t in most]
    return order, names, mine[mine["level"].isin(order)].reset_index(drop=True)


def touchpoints(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the main metrics at each touchpoint, in the order of the journey.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first metric alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    order, names, rows = _board(result)
    with style():
        if ax is None:
            high = 1.2 + 0.3 * max(len(order), 3)
            _, grid = plt.subplots(1, max(len(names), 1), figsize=(9.5, high), sharey=True,
                                   squeeze=False)  # fmt: skip
            each = list(grid.flat)
        else:
            each = [ax]
        if not names:
            say_nothing(each[0], "There are no touchpoints to compare.")
            return each[0]
        whole = result.table.set_index("metric")["estimate"]
        for panel, name in zip(each, names, strict=False):
            mine = rows[rows["metric"] == name].set_index("level")
            _draw_board(panel, mine, order, name, float(whole.get(name, np.nan)))
        names_at(each[0], (len(order) - 1 - np.arange(len(order))).tolist(), order,
                 [False] * len(order))  # fmt: skip
    return each[0]


def _draw_board(ax: Axes, rows: pd.DataFrame, order: list[str], name: str, whole: float) -> None:
    unit = str(rows["unit"].iloc[0])
    figures, told = _scaled(rows[["estimate", "conf_low", "conf_high"]].astype(float), unit)
    scale = float(figures["estimate"].iloc[0] / rows["estimate"].iloc[0]) if len(rows) and rows[
        "estimate"].iloc[0] else 1.0  # fmt: skip
    for y, level in zip(len(order) - 1 - np.arange(len(order)), order, strict=True):
        if level not in figures.index:
            continue
        row, p = figures.loc[level], float(rows.loc[level, "p_holm"])
        clear = bool(p < 0.05)
        bad = (rows.loc[level, "gap"] > 0) == (name in ("failure share",))
        colour = (HARM if bad else HELP) if clear else UNSURE
        marker = ("s" if bad else "o") if clear else "o"
        three = (row["estimate"], row["conf_low"], row["conf_high"])
        estimate(ax, float(y), three, colour, marker=marker, hollow=not clear, size=6)
    if unit in ("share", "points") or unit.startswith("score"):
        ax.axvline(whole * scale, color=INK, lw=1, ls=":", zorder=1)
    ax.set_title(metric_label(name), fontsize=LABEL)
    ax.set_xlabel(told, fontsize=NOTE)
    ax.set_ylim(-0.7, len(order) - 0.3)
    ax.grid(axis="y", visible=False)


def touchpoints_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`touchpoints`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    order, names, rows = _board(result)
    if not names:
        return {}
    days = result.meta["window_days"]
    clear = rows[rows["p_holm"] < 0.05]
    told = [f"{r['level']} ({metric_label(str(r['metric']))})" for _, r in clear.iterrows()]
    text = ", ".join(told[:12]) or "none"
    caption = (
        f"Metrics of the last {days} days at each touchpoint, in the order of the journey; dotted: "
        "all together. Filled: told from all at 5%, corrected for all that was compared (squares: "
        f"worse, dots: better). {_about(result)} 95% intervals."
    )
    total = len(result.meta["touchpoints"])
    if len(order) < total:
        caption += (
            f" Shown: {len(order)} of {total} touchpoints; the others have too few customers, or "
            "are not among the most met."
        )
    alt = f"Dots with intervals by touchpoint, in {len(names)} panels. Told from all: {text}."
    columns = ["metric", "level", "estimate", "conf_low", "conf_high", "n", "rows", "gap",
               "gap_low", "gap_high", "p_holm"]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": rows[columns]}


def shown(result: Result, *names: str) -> list[Plain | Picture | Result]:
    """Give what a page shows, in the order asked for; nothing of what there is nothing of.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    *names : str
        As :func:`cxlab.plots.paged.paged` takes them.
    """
    return paged(result, {} if result.table.empty else _PICTURES, names)


_PICTURES: Mapping[str, Drawing] = {
    "charts": (charts, charts_words),
    "touchpoints": (touchpoints, touchpoints_words),
    "to_value": (firsts.to_value, firsts.to_value_words),
    "lead_lag": (firsts.lead_lag, firsts.lead_lag_words),
    "weighted_months": (silent.weighted_months, silent.weighted_months_words),
    "weighted_segments": (silent.weighted_segments, silent.weighted_segments_words),
}
