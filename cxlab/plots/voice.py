"""Pictures of what customers say: the themes, where they come up, and how they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import estimate, names_at, panels, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Result, counted, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["over_time", "over_time_words", "pictured", "themes", "themes_words", "where",
           "where_words"]  # fmt: skip

_MOST_THEMES, _MOST_PLACES, _MOST_CHARTS = 20, 16, 8
_BAND = 0.15
_SIZE = 17.0  # of a square that stands for all comments, in points


def _drawn(result: Result) -> pd.DataFrame:
    """Give the themes drawn, the commonest first."""
    return result.table[result.table["estimate"].notna()].head(_MOST_THEMES)


def _metric(result: Result) -> str:
    """Name the metric that most comments came with."""
    made = result["scores"].table
    return "" if made.empty else str(made.groupby("metric")["comments"].sum().idxmax())


def themes(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how common each theme is, and the scores that go with it.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the shares alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    rows, metric = _drawn(result), _metric(result)
    with style():
        if ax is None:
            high = 1.2 + 0.32 * max(len(rows), 3)
            _, grid = plt.subplots(1, 2 if metric else 1, figsize=(9.5, high), sharey=True,
                                   squeeze=False)  # fmt: skip
            each = list(grid.flat)
        else:
            each = [ax]
        if rows.empty:
            say_nothing(each[0], "There are no themes to draw.")
            return each[0]
        place = (len(rows) - 1 - np.arange(len(rows))).tolist()
        for y, r in zip(place, rows.itertuples(), strict=True):
            three = (100 * r.estimate, 100 * r.conf_low, 100 * r.conf_high)
            new = r.status == "new"
            estimate(each[0], y, three, ACCENT, marker="D" if new else "o", size=6)
        each[0].set_xlim(left=0)
        each[0].set_xlabel("% of comments", fontsize=LABEL)
        if len(each) > 1:
            _draw_scores(each[1], result, metric, dict(zip(rows["term"], place, strict=True)))
        names_at(each[0], place, rows["theme"].tolist(), [False] * len(rows))
        for panel in each:
            panel.set_ylim(-0.7, len(rows) - 0.3)
            panel.grid(axis="y", visible=False)
    return each[0]


def _draw_scores(ax: Axes, result: Result, metric: str, place: Mapping[str, int]) -> None:
    made = result["scores"].table
    for r in made[(made["metric"] == metric) & made["term"].isin(list(place))].itertuples():
        clear = bool(r.p_holm < 0.05)
        colour = (HARM if r.estimate < 0 else HELP) if clear else UNSURE
        marker = "s" if clear and r.estimate < 0 else "o"
        three = (r.estimate, r.conf_low, r.conf_high)
        estimate(ax, place[r.term], three, colour, marker=marker, hollow=not clear, size=6)
    ax.axvline(0, color=INK, lw=1, zorder=1)
    ax.set_xlabel(f"Mean {metric_label(metric)} answer, against other comments", fontsize=LABEL)


def themes_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`themes`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    """
    rows, metric = _drawn(result), _metric(result)
    if rows.empty:
        return {}
    caption = f"Share of the comments that are about each theme. {_about(result)} 95% intervals."
    if metric:
        caption += (
            f" Right, over all comments: mean {metric_label(metric)} answer with the theme less "
            "that without it; filled where the difference is told at 5%, corrected for all that "
            "was compared (squares: lower, dots: higher)."
        )
    if (rows["status"] == "new").any():
        caption += " Diamonds: new since the last run."
    if len(rows) < len(result.table):
        caption += f" Shown: {len(rows)} of {counted(len(result.table), 'theme')}."
    told = [f"{r.theme} {100 * r.estimate:.0f}%" for r in rows.head(8).itertuples()]
    alt = f"Dots with intervals, a row a theme. {'; '.join(told)}."
    columns = ["term", "theme", "estimate", "conf_low", "conf_high", "n", "comments"]
    data = rows[columns].reset_index(drop=True)
    if metric:
        made = result["scores"].table
        mine = made[made["metric"] == metric].set_index("term")
        mine = mine[["estimate", "conf_low", "conf_high", "p_holm"]].add_prefix("score_")
        data = data.join(mine, on="term")
    return {"caption": caption, "alt": alt, "data": data}


def _about(result: Result) -> str:
    meta = result.meta
    who = f"{counted(meta['comments'], 'comment')} of {counted(meta['customers'], 'customer')}"
    days = meta["window_days"]
    return f"{who}, {f'last {days} days' if days else 'not dated'}."


# -- where -------------------------------------------------------------------------------------


def _grid(result: Result) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Give the cells drawn, the themes and the touchpoints, alike ones side by side."""
    made = result.parts["touchpoints"].table if "touchpoints" in result.parts else pd.DataFrame()
    made = made[made["estimate"].notna()] if len(made) else made  # those withheld are not drawn
    if made.empty:
        return made, [], []
    order = result.table["term"].tolist()[:_MOST_THEMES]
    size = made.groupby("touchpoint")["comments"].first()
    places = size.nlargest(_MOST_PLACES).index.tolist()
    cells = made[made["touchpoint"].isin(places) & made["term"].isin(order)]
    wide = cells.pivot_table(index="touchpoint", columns="term", values="estimate")
    wide = wide.reindex(columns=order).fillna(0.0)
    # Touchpoints in the order of the theme that they are most about.
    best = wide.to_numpy().argmax(axis=1)
    top = wide.to_numpy().max(axis=1)
    places = [wide.index[i] for i in np.lexsort((-top, best))]
    return cells.reset_index(drop=True), order, places


def where(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw which themes come up at which touchpoints.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    cells, order, places = _grid(result)
    with style():
        if ax is None:
            high = 2.2 + 0.32 * max(len(order), 3)
            ax = plt.subplots(figsize=(9.5, high))[1]
        if cells.empty:
            say_nothing(ax, "No comment says at which touchpoint it was made.")
            return ax
        x = cells["touchpoint"].map({p: i for i, p in enumerate(places)}).to_numpy(float)
        y = cells["term"].map({t: len(order) - 1 - i for i, t in enumerate(order)})
        more = ((cells["p_holm"] < 0.05) & (cells["gap"] > 0)).to_numpy(bool)
        area = (_SIZE**2) * cells["estimate"].to_numpy(float)
        for mine, face, edge in ((~more, "none", UNSURE), (more, ACCENT, ACCENT)):
            ax.scatter(x[mine], y[mine], s=area[mine], marker="s", facecolors=face,
                       edgecolors=edge, linewidths=0.8, zorder=3)  # fmt: skip
        names = dict(zip(result.table["term"], result.table["theme"], strict=True))
        down = (len(order) - 1 - np.arange(len(order))).tolist()
        names_at(ax, down, [names[t] for t in order], [False] * len(order))
        ax.set_xticks(range(len(places)), places, rotation=45, ha="right", fontsize=NOTE)
        ax.set_xlim(-0.7, len(places) - 0.3)
        ax.set_ylim(-0.7, len(order) - 0.3)
        ax.set_axisbelow(True)
    return ax


def where_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`where`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    """
    cells, order, places = _grid(result)
    if cells.empty:
        return {}
    every = result["touchpoints"].table
    caption = (
        "The larger a square, the more of the touchpoint's comments are about the theme. Filled: "
        "more than elsewhere, told at 5% after correction for all pairs. "
        f"{counted(result.meta['all_comments'], 'comment')} in all."
    )
    if (count := every["touchpoint"].nunique()) > len(places):
        caption += f" Shown: the {len(places)} touchpoints with most comments, of {count}."
    if every["estimate"].isna().any():
        caption += " Pairs of which too few customers spoke are not drawn."
    more = cells[(cells["p_holm"] < 0.05) & (cells["gap"] > 0)].nlargest(8, "estimate")
    told = [f"{r.theme} at {r.touchpoint} {100 * r.estimate:.0f}%" for r in more.itertuples()]
    alt = f"A grid of {len(order)} themes by {len(places)} touchpoints. {'; '.join(told)}."
    columns = ["theme", "touchpoint", "estimate", "conf_low", "conf_high", "elsewhere", "gap",
               "p_holm", "n", "comments"]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": cells[columns]}


# -- over time ---------------------------------------------------------------------------------


def _charted(result: Result) -> list[str]:
    """Choose the themes drawn: those that have changed, the new ones, then the commonest."""
    series, moved = result["series"].table, result["changes"].table
    there = set(series.loc[series["estimate"].notna(), "term"])
    real = moved.loc[moved["real"].astype(bool), "term"].tolist() if len(moved) else []
    new = result.table.loc[result.table["status"] == "new", "term"].tolist()
    names = [t for t in (*real, *new, *result.table["term"]) if t in there]
    return list(dict.fromkeys(names))[:_MOST_CHARTS]


def over_time(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each theme's share over time between the limits of its noise, a panel a theme.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first theme alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names = _charted(result)
    with style():
        each = panels(max(len(names), 1), 2, 1.9) if ax is None else [ax]
        if not names:
            say_nothing(each[0], "There are too few periods to draw.")
            return each[0]
        series = result["series"].table
        moved = result["changes"].table.set_index("term")
        for panel, name in zip(each, names, strict=False):
            change = moved.loc[name] if name in moved.index else None
            _draw_chart(panel, series[series["term"] == name].reset_index(drop=True), change)
    return each[0]


def _draw_chart(ax: Axes, rows: pd.DataFrame, change: Any) -> None:
    figures = 100 * rows[["estimate", "centre", "limit_low", "limit_high"]].astype(float)
    place = np.arange(len(rows))
    low, high = figures["limit_low"], figures["limit_high"]
    ax.fill_between(place, low, high, color=UNSURE, alpha=_BAND, lw=0)
    ax.plot(place, figures["centre"], color=UNSURE, lw=1.2, ls="--", drawstyle="steps-mid")
    ax.plot(place, figures["estimate"], color=ACCENT, lw=1, zorder=2)
    whole, outside = rows["whole"].to_numpy(bool), rows["outside"].to_numpy(bool)
    for mine, marker, colour, face in (
        (whole & ~outside, "o", ACCENT, ACCENT),
        (whole & outside, "D", HARM, HARM),
        (~whole, "o", ACCENT, "white"),
    ):
        ax.plot(place[mine], figures["estimate"][mine], marker, color=colour, ms=4,
                markerfacecolor=face, zorder=3)  # fmt: skip
    real = change is not None and bool(change["real"])
    title = str(rows["theme"].iloc[0])
    if real and change["kind"] in ("shift", "outlier"):
        at = float(np.flatnonzero(rows["period"] == change["period"])[0])
        ax.axvline(at - (0.5 if change["kind"] == "shift" else 0.0), color=INK, lw=1)
    ax.set_title(f"{title}: {_kind(change)}" if real else title, fontsize=LABEL,
                 fontweight="bold" if real else "normal")  # fmt: skip
    ax.set_ylabel("%", fontsize=NOTE)
    ax.set_ylim(bottom=0)
    every = max(1, -(-len(rows) // 5))
    ax.set_xticks(place[::every], rows["period"].iloc[::every], fontsize=NOTE)
    ax.grid(axis="x", visible=False)


def _kind(change: Any) -> str:
    if change["kind"] == "trend":
        return "a steady trend"
    return f"{'shift in' if change['kind'] == 'shift' else 'out of line in'} {change['period']}"


def over_time_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`over_time`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    """
    names = _charted(result)
    if not names:
        return {}
    series, every = result["series"].table, result["series"].meta["period"]
    moved = result["changes"].table
    real = moved[moved["real"].astype(bool)]
    told = "; ".join(f"{r['theme']}, {_kind(r)}" for _, r in real.iterrows()) or "none"
    shown = series[series["term"].isin(names)].reset_index(drop=True)
    caption = (
        f"Share of each {every}'s comments; the grey band holds {every}s to which nothing has "
        "happened (3 standard deviations). Real changes, at 5% for all themes together: "
        f"{told}. {counted(result.meta['all_comments'], 'comment')} in all."
    )
    if not shown["whole"].all():
        caption += f" Hollow: a {every} seen in part; diamonds: outside the band."
    if len(names) < len(result.table):
        caption += f" Drawn: {len(names)} of {counted(len(result.table), 'theme')}."
    alt = f"{len(names)} small panels of lines over time. Changed: {told}."
    columns = ["theme", "period", "estimate", "conf_low", "conf_high", "n", "comments", "centre",
               "limit_low", "limit_high", "whole"]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": shown[columns]}


def pictured(result: Result, name: str) -> Picture | None:
    """Give a picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``voice_of_customer``.
    name : str
        ``themes``, ``where`` or ``over_time``.
    """
    if result.table.empty:
        return None
    return next(iter(pictures(result, {name: _PICTURES[name]})), None)


_PICTURES: Mapping[str, Drawing] = {
    "themes": (themes, themes_words),
    "where": (where, where_words),
    "over_time": (over_time, over_time_words),
}
