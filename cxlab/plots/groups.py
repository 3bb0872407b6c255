"""Pictures of whom it concerns: the drivers' effect in each segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import estimate, names_at, panels, say_nothing, setting
from cxlab.plots.style import ACCENT, INK, LABEL, UNSURE, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["segments", "segments_words"]

_MOST_ATTRIBUTES, _MOST_LEVELS = 8, 8
_LEAST, _MOST = -1.0, 3.0
_FIGURES = ("estimate", "conf_low", "conf_high")


def _groups(result: Result) -> list[tuple[str, pd.DataFrame]]:
    """Give each attribute's levels, all drivers together: those that differ first."""
    part = result.parts.get("segments")
    if part is None or part.table.empty:
        return []
    together = part.table[part.table["touchpoint"] == "all drivers"]
    groups = [(str(name), rows) for name, rows in together.groupby("attribute", sort=False)]
    groups.sort(key=lambda group: not group[1]["differs"].any())
    largest = [
        (name, rows.loc[rows["n"].nlargest(_MOST_LEVELS).index.sort_values()])
        for name, rows in groups
    ]
    return largest[:_MOST_ATTRIBUTES]


def segments(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the drivers' effect by the levels of each attribute, a panel an attribute.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first attribute alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    groups = _groups(result)
    with style():
        most = max((len(rows) for _, rows in groups), default=1)
        high = 0.9 + 0.3 * most
        each = panels(max(len(groups), 1), 2, high, sharex=True) if ax is None else [ax]
        if not groups:
            say_nothing(each[0], "There are no segments to compare.")
            return each[0]
        for panel, (name, rows) in zip(each, groups, strict=False):
            _draw_levels(panel, rows, most)
            panel.set_title(name, fontsize=LABEL)
        if ax is None:
            each[0].figure.supxlabel("Times the effect on all customers", fontsize=LABEL)
    return each[0]


def _draw_levels(ax: Axes, rows: pd.DataFrame, most: int) -> None:
    place = (most - 1 - np.arange(len(rows))).tolist()
    colour = ACCENT if rows["differs"].any() else UNSURE
    for y, row in zip(place, rows.itertuples(), strict=True):
        three = (row.estimate, row.conf_low, row.conf_high)
        estimate(ax, y, three, colour, hollow=not row.differs)
        ax.plot(row.raw, y, "x", color=UNSURE, markersize=5, mew=1, zorder=4)
    ax.axvline(1, color=INK, lw=1, zorder=1)
    ax.set_xlim(
        min(0.0, max(rows["conf_low"].min() - 0.1, _LEAST)),
        max(2.0, min(rows["conf_high"].max() + 0.1, _MOST)),
    )
    ax.set_ylim(-0.7, most - 0.3)
    names_at(ax, place, [f"{r.level} ({r.n:,})" for r in rows.itertuples()], [False] * len(rows))


def segments_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`segments`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    groups = _groups(result)
    if not groups:
        return {}
    table = result["segments"].table
    caption = (
        "The effect of all drivers together, in multiples of that on all customers; in brackets, "
        "customers. Each estimate is drawn to the mean of its attribute, the more the less is "
        "known of the level; crosses: the level by itself. Filled: attributes whose levels can be "
        f"told to differ. {setting(result)} 95% intervals."
    )
    together = table[table["touchpoint"] == "all drivers"]
    names = [f"{len(rows)} of {name}" for name, rows in groups]
    if (shown := sum(len(rows) for _, rows in groups)) < len(together):
        caption += f" Shown are {shown} of {len(together)} levels."
    told = [
        f"{r.attribute} {r.level} {r.estimate:.2f}"
        for r in together[together["differs"]].itertuples()
    ]
    alt = f"Panels of levels: {', '.join(names)}. Told to differ: {'; '.join(told) or 'none'}."
    data = pd.concat([rows for _, rows in groups], ignore_index=True)
    return {"caption": caption, "alt": alt, "data": data.drop(columns=["touchpoint", "scale"])}
