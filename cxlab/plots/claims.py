"""The claims in small panels: as a dashboard has it, in order of time, and what is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import estimate, panels, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, INK, LABEL, NOTE, UNSURE, WITHHELD, style
from cxlab.results import Result, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["claims", "claims_words", "pictured"]

_ACROSS = 2
_WAYS = {"in order of time": "", "as a dashboard": "raw"}
_SCALES = {"share": 100.0, "level": 100.0, "percent": 100.0}
_UNITS = {"share": "of 100, more", "level": "of 100", "percent": "% more", "times": "times",
          "points": "points", "AUC": "", "correlation": ""}  # fmt: skip
_FARTHEST = 1e6


def _shown(result: Result) -> pd.DataFrame:
    """Keep the claims that have a figure, each on the scale it is drawn on."""
    table = result.table[result.table["estimate"].notna()].reset_index(drop=True)
    scale = table["unit"].map(_SCALES).fillna(1.0)
    for column in _COLUMNS:
        table[column] = table[column].astype(float) * scale
    # A stretch without an end is read back from JSON as one that is missing.
    table["holds_to"] = table["holds_to"].fillna(np.inf)
    return table


_COLUMNS = ("estimate", "conf_low", "conf_high", "raw", "raw_low", "raw_high", "holds_from",
            "holds_to", "claimed_low", "claimed_high")  # fmt: skip


def claims(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each claim's figure in order of time beside that of a dashboard, and the claim's.

    Parameters
    ----------
    result : Result
        Of ``cx_claims``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first claim alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _shown(result)
    with style():
        each = panels(max(len(table), 1), _ACROSS, 1.75) if ax is None else [ax]
        if table.empty:
            say_nothing(each[0], "No claim can be told.")
            return each[0]
        currency = str(result.meta.get("currency") or "")
        for panel, (_, row) in zip(each, table.iterrows(), strict=False):
            _draw(panel, row, currency)
        if ax is None:
            _legend(each[0])
    return each[0]


def _draw(ax: Axes, row: Any, currency: str) -> None:
    """Draw one claim: two marks, the stretch in which it holds, its own figures."""
    low, high = _limits(row)
    ax.set_xlim(low, high)
    ax.axvspan(max(row["holds_from"], low), min(row["holds_to"], high), color=WITHHELD, alpha=0.22,
               lw=0, zorder=0)  # fmt: skip
    for edge in (row["holds_from"], row["holds_to"]):
        if low < edge < high:
            ax.axvline(edge, color=INK, lw=1, zorder=1)
    for figure in {row["claimed_low"], row["claimed_high"]}:
        if np.isfinite(figure):
            ax.axvline(figure, color=INK, lw=1.2, ls=(0, (2, 2)), zorder=1)
    mine, raw = ([row[c] for c in names] for names in (_COLUMNS[:3], _COLUMNS[3:6]))
    estimate(ax, 1, _seen(mine), ACCENT)
    estimate(ax, 0, _seen(raw), UNSURE, marker="s", hollow=True)
    ax.set_yticks([1, 0], list(_WAYS), fontsize=NOTE)
    ax.set_ylim(-0.6, 1.6)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=NOTE)
    ax.grid(axis="y", visible=False)
    ax.set_title(f"{row['text']}: {row['verdict']}", fontsize=NOTE + 0.5, loc="left")
    ax.locator_params(axis="x", nbins=6)
    unit = f"{currency} a month".strip() if row["unit"] == "money" else _UNITS[row["unit"]]
    ax.set_xlabel(f"{row['figure']} ({unit})" if unit else row["figure"], fontsize=NOTE - 1)


def _seen(three: list[float]) -> list[float]:
    """Give an estimate whose interval may be missing, or without an end."""
    middle, low, high = three
    ends = [
        middle if np.isnan(v) else float(np.clip(v, -_FARTHEST, _FARTHEST)) for v in (low, high)
    ]
    return [middle, *ends]


def _limits(row: Any) -> tuple[float, float]:
    """Give an axis that holds the figures, the claim's, and where it begins to hold."""
    every = np.array([row[c] for c in _COLUMNS], dtype=float)
    every = every[np.isfinite(every) & (np.abs(every) < _FARTHEST)]
    low, high = float(every.min()), float(every.max())
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def _legend(ax: Axes) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks = [
        Line2D([], [], color=ACCENT, marker="o", lw=2, label="in order of time, rest equal"),
        Line2D([], [], color=UNSURE, marker="s", markerfacecolor="white", lw=2,
               label="as a dashboard has it"),
        Patch(color=WITHHELD, alpha=0.22, label="here the claim holds"),
        Line2D([], [], color=INK, lw=1.2, ls=(0, (2, 2)), label="the claim's own figure"),
    ]  # fmt: skip
    ax.figure.legend(handles=marks, loc="outside upper left", ncols=2, fontsize=LABEL)


def claims_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`claims`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``cx_claims``.
    """
    table = _shown(result)
    if table.empty:
        return {}
    missing = len(result.table) - len(table)
    rest = ""
    if missing:
        many = counted(missing, "further claim")
        rest = f" {many} cannot be told from these data."
    meta = result.meta
    caption = (
        "Each claim twice: as a dashboard has it, and in order of time with the rest held equal. "
        "It holds where the whole interval of the latter lies in the grey stretch. "
        f"{int(table['n'].min()):,} to {int(table['n'].max()):,} customers up to {meta['as_of']}; "
        f"95% intervals.{rest}"
    )
    told = [f"{r['text']}: {r['verdict']}" for _, r in table.iterrows()]
    alt = f"{len(table)} small panels of two dots with intervals each. {'; '.join(told)}."
    return {"caption": caption, "alt": alt, "data": table}


def pictured(result: Result) -> Picture | None:
    """Give the picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``cx_claims``.
    """
    return next(iter(pictures(result, _PICTURES)), None)


_PICTURES: Mapping[str, Drawing] = {"claims": (claims, claims_words)}
