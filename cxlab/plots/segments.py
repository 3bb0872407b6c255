"""The picture of a report with ``each``: a touchpoint's effect in each segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from cxlab.plots.marks import contrasts, estimate, names_at, panels, ratio_axis
from cxlab.plots.style import HARM, HELP, LABEL, UNSURE, style
from cxlab.results import Result, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["forest_by_segment", "forest_by_segment_words"]

_MOST_PLACES, _MOST_SEGMENTS = 8, 24
_LOOKS = {"driver": (HARM, "o"), "protective": (HELP, "s")}
_RATIO = ["hazard_ratio", "conf_low", "conf_high"]
_KEY = ["touchpoint", "valence"]


def _shown(result: Result) -> pd.DataFrame:
    """Give the rows to draw: touchpoints that matter somewhere, those that cost most first."""
    table = result.table
    table = table[table["hazard_ratio"].notna()]
    matters = table[table["verdict"].isin(list(_LOOKS))]
    weight = matters.assign(lost=matters["attributable_churn"].abs().fillna(0.0))
    order = (
        weight.groupby(_KEY, sort=False)["lost"].sum().sort_values(ascending=False, kind="stable")
    )
    places = list(order.index[:_MOST_PLACES])
    kept = table["segment"].isin(_segments(result))
    rank = table.set_index(_KEY).index.map({p: k for k, p in enumerate(places)}.get)
    drawn = table.assign(place=rank)[kept & pd.notna(rank)]
    return drawn.sort_values("place", kind="stable")


def _segments(result: Result) -> list[str]:
    """Name the segments to draw, the largest of them where there are many."""
    table = result.table[result.table["hazard_ratio"].notna()].drop_duplicates("segment")
    most = table.sort_values("customers", ascending=False, kind="stable")[:_MOST_SEGMENTS]
    return [s for s in table["segment"] if s in set(most["segment"])]


def forest_by_segment(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw hazard ratios with 95% intervals, a panel a touchpoint, a row a segment.

    Parameters
    ----------
    result : Result
        A row a segment and driver row.
    ax : matplotlib.axes.Axes, optional
        Where the first touchpoint is drawn, alone.

    Returns
    -------
    matplotlib.axes.Axes
        The first panel.
    """
    shown = _shown(result)
    segments = _segments(result)
    groups = [rows for _, rows in shown.groupby("place")]
    with style():
        high = 0.9 + 0.26 * max(len(segments), 2)
        drawn = [ax] if ax is not None else panels(len(groups), 2, high, sharex=True, sharey=True)
        for panel, rows in zip(drawn, groups, strict=False):
            _panel(panel, rows, segments)
        names = [s.partition(": ")[2] or s for s in segments]
        for panel in drawn:
            ratio_axis(panel, shown)
            panel.set_ylim(-0.6, len(segments) - 0.4)
        names_at(drawn[0], range(len(segments))[::-1], names, [False] * len(segments))
        for panel in drawn[-2:]:
            panel.set_xlabel("Hazard ratio (log scale)")
    return drawn[0]


def _panel(panel: Axes, rows: pd.DataFrame, segments: list[str]) -> None:
    panel.set_title(contrasts(rows)[0], loc="left", fontsize=LABEL)
    for row in rows.itertuples():
        colour, marker = _LOOKS.get(str(row.verdict), (UNSURE, "D"))
        three = (row.hazard_ratio, row.conf_low, row.conf_high)
        at = len(segments) - 1 - segments.index(str(row.segment))
        hollow = row.verdict not in _LOOKS
        estimate(panel, at, three, colour, marker=marker, hollow=hollow, size=5.5)


def forest_by_segment_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of the picture; nothing without rows.

    Parameters
    ----------
    result : Result
        As for :func:`forest_by_segment`.
    """
    shown = _shown(result)
    if shown.empty:
        return {}
    places = shown["place"].nunique()
    segments = len(_segments(result))
    all_of = result.table.loc[result.table["hazard_ratio"].notna(), "segment"].nunique()
    more = f" The {segments} largest of {all_of} segments are drawn." if all_of > segments else ""
    some = counted(places, "touchpoint that matters", "touchpoints that matter")
    order = ", those that cost most first" if places > 1 else ""
    caption = (
        f"{some} in at least one of {counted(segments, 'segment')}{order}: the hazard of leaving "
        "after one fresh such contact, against an ordinary one, with 95% intervals. Filled: a "
        "driver (circle) or protective (square); hollow: nothing is claimed. A segment without a "
        f"mark has too little data there.{more}"
    )
    alt = f"{counted(places, 'panel')}, each with the intervals of {counted(segments, 'segment')}."
    data = shown[["touchpoint", "valence", "segment", "customers", *_RATIO, "verdict"]]
    return {"caption": caption, "alt": alt, "data": data.reset_index(drop=True)}
