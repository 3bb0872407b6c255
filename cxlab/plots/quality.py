"""Pictures of the data themselves: what came in by week, who answered, what is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.style import ACCENT, HARM, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Result, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "coverage",
    "coverage_words",
    "empty_cells",
    "empty_cells_words",
    "volume",
    "volume_words",
]

_MOST_BARS = 25
_MOST_NAMES = 30


def _series(result: Result) -> list[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Give each series by its label, with its weeks and its gaps."""
    weekly, gaps = result["weekly"].table, result["gaps"].table
    found = []
    for (what, by, name), part in weekly.groupby(["what", "by", "name"], sort=False):
        label = what if by == "all" else f"{what}: {by} {name}"
        mine = (gaps["what"] == what) & (gaps["by"] == by) & (gaps["name"] == name)
        found.append((label, part, gaps[mine]))
    return found


def volume(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw rows by week, one panel a kind of rows, with the gaps marked.

    Parameters
    ----------
    result : Result
        Of ``data_quality``, of dated data.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first series alone; by default each gets a panel of its own and the
        first is returned.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    series = _series(result)
    with style():
        if ax is None:
            count = max(len(series), 1)
            _, grid = plt.subplots(
                count, 1, figsize=(9.5, 0.5 + 1.25 * count), sharex=True, squeeze=False
            )
            panels = list(grid.flat)
        else:
            panels, series = [ax], series[:1]
        for panel, (label, weeks, gaps) in zip(panels, series, strict=False):
            _weeks(panel, weeks, gaps)
            panel.set_title(label, fontsize=LABEL, fontweight="normal")
        panels[0].set_ylabel("rows a week", fontsize=NOTE)
    return panels[0]


def _weeks(ax: Axes, weeks: pd.DataFrame, gaps: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    middle = pd.to_datetime(weeks["week from"]) + pd.Timedelta("3.5D")
    ax.plot(middle, weeks["rows"], color=ACCENT, lw=1.4, zorder=3)
    # A gap of a day would be thinner than a line: each is marked above as well.
    for gap in gaps.itertuples():
        first = pd.Timestamp(gap[gaps.columns.get_loc("first day") + 1])
        last = pd.Timestamp(gap[gaps.columns.get_loc("last day") + 1]) + pd.Timedelta("1D")
        ax.axvspan(first, last, color=HARM, alpha=0.25, lw=0, zorder=1)
        ax.plot(
            first + (last - first) / 2, 1.0, "v", color=HARM, markersize=7, clip_on=False,
            transform=ax.get_xaxis_transform(), zorder=4,
        )  # fmt: skip
    ax.set_ylim(0, max(float(weeks["rows"].max()), 1.0) * 1.08)
    ax.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")


def volume_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`volume`.

    Parameters
    ----------
    result : Result
        Of ``data_quality``, of dated data.
    """
    series = _series(result)
    drawn = sum(len(gaps) for *_, gaps in series)
    every = len(result["gaps"].table)
    rows = sum(int(weeks["rows"].sum()) for label, weeks, _ in series if ":" not in label)
    start, end = result.meta["period"]
    found = "No gap was found." if not every else f"{counted(every, 'gap')} found"
    if every:
        marked = "" if drawn == every else f"{drawn} of them "
        found += f", {marked}marked by a triangle and a shaded span."
    caption = f"Rows by week, {start} to {end}, weeks counted back from the last day. {found}"
    caption += f" n = {rows:,} rows."
    names = ", ".join(label for label, *_ in series)
    alt = f"Lines of rows by week, one panel each: {names}. {found}"
    return {"caption": caption, "alt": alt, "data": result["weekly"].table}


def _answering(result: Result) -> pd.DataFrame:
    """Give the groups to draw, those of a kind together and the most willing first."""
    table = result["coverage"].table
    parts = [table[table["by"] == "all"]]
    for by in ("metric", "touchpoint"):
        part = table[table["by"] == by]
        part = part.sort_values("asked", ascending=False, kind="stable").head(_MOST_NAMES)
        parts.append(part.sort_values("% answered", ascending=False, kind="stable"))
    return pd.concat(parts, ignore_index=True)


def coverage(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of questions answered, by metric and touchpoint, with 95% intervals.

    Parameters
    ----------
    result : Result
        Of ``data_quality``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the groups; by default the months stand beside them.

    Returns
    -------
    matplotlib.axes.Axes
        Of the groups.
    """
    import matplotlib.pyplot as plt

    shown, months = _answering(result), result["response_by_month"].table
    with style():
        if ax is None:
            size = (9.5, 1.6 + 0.27 * max(len(shown), 8))
            _, (ax, beside) = plt.subplots(1, 2, figsize=size, width_ratios=[3, 2])
            _months(beside, months)
        place = np.arange(len(shown))[::-1]
        spans = shown[["% answered", "95% from", "95% to"]].to_numpy()
        for y, row, (share, *span) in zip(place, shown.itertuples(), spans, strict=True):
            colour = INK if row.by == "all" else UNSURE if row.by == "metric" else ACCENT
            marker = {"all": "D", "metric": "s"}.get(row.by, "o")
            ax.plot(span, [y, y], color=colour, lw=2, zorder=2)
            ax.plot(share, y, marker, color=colour, markersize=6, zorder=3)
        if len(shown):
            ax.axvline(shown["% answered"].iloc[0], color=INK, lw=1, ls=":", zorder=1)
        names = [
            "all questions" if r.by == "all" else r.name for r in shown.itertuples(index=False)
        ]
        ax.set_yticks(place, names)
        ax.set_ylim(-0.7, max(len(shown), 1) - 0.3)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlim(left=0)
        ax.set_xlabel("Questions answered (%)")
    return ax


def _months(ax: Axes, months: pd.DataFrame) -> None:
    when = pd.to_datetime(months["month"])
    ax.fill_between(when, months["95% from"], months["95% to"], color=ACCENT, alpha=0.2, lw=0)
    ax.plot(when, months["% answered"], color=ACCENT)
    ax.set_ylim(0, max(float(months["95% to"].max()), 1.0) * 1.05 if len(months) else 1)
    ax.set_title("by month of asking (%)", fontsize=LABEL, fontweight="normal")
    ax.tick_params(axis="x", rotation=45)


def coverage_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`coverage`.

    Parameters
    ----------
    result : Result
        Of ``data_quality``.
    """
    shown = _answering(result)
    start, end = result.meta["period"]
    if shown.empty or not shown["asked"].iloc[0]:
        return {"caption": result["coverage"].sentence, "alt": "An empty figure.", "data": shown}
    whole = shown.iloc[0]
    caption = (
        f"{whole['% answered']:.1f}% of {whole['asked']:,} questions were answered, {start} to "
        f"{end}. Diamond: all; squares: by metric; dots: by touchpoint; right: by month, with "
        "its band. 95% intervals."
    )
    groups = shown.iloc[1:]
    each = [f"{n} {s:.0f}%" for n, s in zip(groups["name"], groups["% answered"], strict=True)]
    alt = f"Shares of questions answered, with intervals: {', '.join(each) or 'all alone'}."
    months = result["response_by_month"].table.rename(columns={"month": "name"})
    return {"caption": caption, "alt": alt, "data": pd.concat([shown, months.assign(by="month")])}


def empty_cells(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of empty cells of each column that ought to be filled.

    Parameters
    ----------
    result : Result
        Of ``data_quality``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    shown = result["empty_cells"].table.head(_MOST_BARS)
    with style():
        if ax is None:
            _, ax = plt.subplots(figsize=(9.5, 0.9 + 0.3 * max(len(shown), 2)))
        place = np.arange(len(shown))[::-1]
        ax.barh(place, shown["% empty"], color=UNSURE, height=0.62)
        for y, share in zip(place, shown["% empty"], strict=True):
            ax.text(share, y, f" {share:.1f}%", va="center", fontsize=NOTE, color=INK)
        ax.set_yticks(place, shown["table"] + ": " + shown["column"])
        ax.set_xlim(0, max(float(shown["% empty"].max()) * 1.12, 1.0) if len(shown) else 1.0)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("Empty cells (% of the rows that ought to be filled)")
    return ax


def empty_cells_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`empty_cells`.

    Parameters
    ----------
    result : Result
        Of ``data_quality``.
    """
    table = result["empty_cells"].table
    shown = table.head(_MOST_BARS)
    each = [
        f"{r.column} {share:.1f}%"
        for r, share in zip(shown.itertuples(), shown["% empty"], strict=True)
    ]
    caption = f"{len(table)} columns have empty cells"
    caption += f"; the {len(shown)} emptiest are drawn" if len(shown) < len(table) else ""
    caption += f". n = {int(table['rows'].max()) if len(table) else 0:,} rows in the largest."
    if "period" in result.meta:
        caption += f" {result.meta['period'][0]} to {result.meta['period'][1]}."
    alt = f"Bars of the share of empty cells by column: {', '.join(each) or 'none'}."
    return {"caption": f"{caption} Counts, without intervals.", "alt": alt, "data": shown}
