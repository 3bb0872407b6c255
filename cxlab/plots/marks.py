"""What the pictures of the driver model share: axes of ratios, estimates, columns of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from cxlab.plots.style import INK, LABEL, NOTE
from cxlab.results import MINUS, Result, ratio_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "axes_of",
    "beside",
    "contrasts",
    "estimate",
    "names_at",
    "panels",
    "ratio_axis",
    "rows_axes",
    "say_nothing",
    "setting",
    "whole",
    "with_interval",
]

_TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)
_LEAST, _MOST = 0.05, 50.0
_HOLLOW = "white"
_BETWEEN = 0.08
"""The room between two rows of panels, as a share of a panel's height."""


def axes_of(ax: Axes | None, high: float, wide: float = 9.0) -> Axes:
    """Give the axes to draw in, by default of a figure of their own.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        As the caller was given it.
    high, wide : float
        The figure's size in inches.
    """
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(wide, high))[1] if ax is None else ax


def rows_axes(ax: Axes | None, rows: int, each: float = 0.34, wide: float = 9.5) -> Axes:
    """Give the axes to draw in, by default as high as its rows need.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        As the caller was given it.
    rows : int
        How many rows there are.
    each, wide : float
        The height of a row and the width of the figure, in inches.
    """
    return axes_of(ax, 1.4 + each * max(rows, 3), wide)


def panels(count: int, across: int, high: float = 2.6, **shared: Any) -> list[Axes]:
    """Make small panels in rows; those beyond ``count`` are not seen.

    Parameters
    ----------
    count, across : int
        How many in all, and at most in a row.
    high : float
        The height of a row in inches.
    **shared
        As ``matplotlib.pyplot.subplots`` takes them.
    """
    import matplotlib.pyplot as plt

    across = 2 if count == 4 else min(count, across)
    down = -(-count // across)
    figure, grid = plt.subplots(
        down, across, figsize=(9.5, high * down + 0.4), squeeze=False, layout="constrained",
        **shared,
    )  # fmt: skip
    if down > 1:  # else a title seems to belong to the axis above it
        figure.get_layout_engine().set(hspace=_BETWEEN)
    every = list(grid.flat)
    for spare in every[count:]:
        spare.set_visible(False)
    for place, panel in enumerate(every[:count]):
        if shared.get("sharex"):
            panel.xaxis.set_tick_params(labelbottom=place + across >= count)
    return every[:count]


def say_nothing(ax: Axes, text: str) -> None:
    """Say in an empty picture why it is empty.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    text : str
        Why.
    """
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=LABEL)


def estimate(
    ax: Axes,
    at: float,
    three: Sequence[float],
    colour: str,
    *,
    marker: str = "o",
    hollow: bool = False,
    upright: bool = False,
    size: float = 7,
) -> None:
    """Draw an estimate with its interval.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    at : float
        Its place across the interval.
    three : sequence of float
        Estimate, lower and upper limit; nothing is drawn of an estimate that is none.
    colour, marker : str
        As matplotlib takes them.
    hollow : bool
        Whether nothing is claimed of it.
    upright : bool
        Whether the interval goes up and down.
    size : float
        The mark's, in points.
    """
    middle, low, high = three
    if not np.isfinite(middle):
        return
    line, mark = ([low, high], [at, at]), ([middle], [at])
    if upright:
        line, mark = line[::-1], mark[::-1]
    ax.plot(*line, color=colour, lw=2, zorder=2)
    face = _HOLLOW if hollow else colour
    ax.plot(*mark, marker, color=colour, markerfacecolor=face, markersize=size, zorder=3)


def ratio_axis(
    ax: Axes, shown: pd.DataFrame, along: Literal["x", "y"] = "x", least: float = _LEAST
) -> None:
    """Draw a logarithmic axis that holds every estimate; the longest intervals may leave it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    shown : pandas.DataFrame
        ``hazard_ratio, conf_low, conf_high`` of all that is drawn.
    along : {"x", "y"}
        Which axis.
    least : float
        Down to which limit, and up to its inverse or 50, intervals widen the axis.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    low, high = 0.5, 2.0
    known = shown[shown["hazard_ratio"].notna()]
    if len(known):
        most = min(1 / least, _MOST)
        low = min(low, max(known["conf_low"].min(), least), 0.9 * known["hazard_ratio"].min())
        high = max(high, min(known["conf_high"].max(), most), 1.1 * known["hazard_ratio"].max())
    line, axis = (ax.axvline, ax.xaxis) if along == "x" else (ax.axhline, ax.yaxis)
    line(1, color=INK, lw=1, zorder=1)
    ax.set(**{f"{along}scale": "log", f"{along}lim": (low / 1.1, high * 1.1)})
    axis.set_major_locator(FixedLocator(_TICKS))
    axis.set_major_formatter(lambda v, _: f"{v:g}")
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def contrasts(table: pd.DataFrame) -> list[str]:
    """Name contrasts by their touchpoint, and by what is told of it where that differs.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``touchpoint`` and ``valence``.
    """
    names = table["touchpoint"].astype(str)
    if len(set(table["valence"])) > 1:
        names = names + " (" + table["valence"].astype(str) + ")"
    return names.tolist()


def names_at(ax: Axes, place: Iterable[float], names: Iterable[str], bold: Iterable[bool]) -> None:
    """Name the rows, those that matter in bold.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    place : iterable of float
        The rows' places.
    names : iterable of str
        Their names.
    bold : iterable of bool
        Which of them are bold.
    """
    ax.set_yticks(list(place), list(names))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    for label, heavy in zip(ax.get_yticklabels(), bold, strict=True):
        label.set_fontweight("bold" if heavy else "normal")


def beside(
    ax: Axes, place: Iterable[float], columns: Sequence[tuple[float, str, Sequence[str]]]
) -> None:
    """Write columns of figures beside the marks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to.
    place : iterable of float
        The rows' places.
    columns : sequence of (float, str, sequence of str)
        How many points right of the axes, the heading, and a text a row.
    """
    place = list(place)
    over = max(place, default=0) + 0.65
    for right, head, texts in columns:
        bold: dict[str, Any] = {"fontweight": "bold", "va": "bottom"}
        plain: dict[str, Any] = {"va": "center"}
        rows = [(over, head, bold), *((y, t, plain) for y, t in zip(place, texts, strict=True))]
        for y, text, look in rows:
            ax.annotate(
                text, (1, y), (right, 0), ax.get_yaxis_transform(), "offset points",
                fontsize=NOTE, color=INK, annotation_clip=False, **look,
            )  # fmt: skip


def with_interval(ratio: float, low: float, high: float) -> str:
    """Give a ratio with its interval: ``1.50 (1.20 to 1.90)``.

    Parameters
    ----------
    ratio, low, high : float
        The ratio, and the limits of its interval.
    """
    return "{} ({} to {})".format(*map(ratio_text, (ratio, low, high)))


def whole(value: float) -> str:
    """Round to a whole number, with a true minus and no negative zero.

    Parameters
    ----------
    value : float
        The number.
    """
    return f"{round(value) + 0:,d}".replace("-", MINUS)


def setting(result: Result) -> str:
    """Say on which customers, and up to when: ``1,496 churns of 5,000 customers up to …``.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta = result.meta
    return (
        f"{meta['churns']:,} voluntary churns of {meta['customers']:,} customers up to "
        f"{meta['as_of']}."
    )
