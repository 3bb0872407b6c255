"""Pictures of retention: who stays, who leaves sooner, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of
from cxlab.plots.style import ACCENT, HARM, INK, LABEL, NOTE, UNSURE, Identity, identities, style
from cxlab.results import Result, counted, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "about",
    "curve",
    "curve_words",
    "ends",
    "ends_words",
    "months",
    "months_words",
    "segment_curves",
    "segment_curves_words",
    "tenures",
    "tenures_words",
]

_BAND = 0.16
_MOST_MONTHS = 36
_MOST_NAMED = 12
_NEAR = 0.055
# A curve read at so many points is drawn as a line: its steps are not all among them.
_MANY = 100
_LONGEST = 24
_NAMES = {"still there": "still there", "left": "left of their own will",
          "ended otherwise": "ended otherwise"}  # fmt: skip
_LOOKS = {
    "still there": Identity(ACCENT, "o", "-"),
    "left": Identity(HARM, "s", "--"),
    "ended otherwise": Identity(UNSURE, "D", ":"),
}
_PLAIN = Identity(ACCENT, "o", "-")


def curve(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of customers that stays, with those at risk under it.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style():
        ax = axes_of(ax, 4.6)
        table = result["curve"].table
        _line(ax, table, _PLAIN)
        _halves(ax)
        _finish(ax, table, result.meta, "Customers that stay")
        _at_risk(ax, {"at risk": table}, {"at risk": INK}, result.meta["ticks"])
    return ax


def segment_curves(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share that stays in each of the largest groups of an attribute.

    Parameters
    ----------
    result : Result
        Of ``retention``, with groups.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    part = result["segment_curves"]
    looks = identities(part.meta["all_levels"])
    table = part.table
    groups = {str(name): rows for name, rows in table.groupby("term", sort=False)}
    colours = {name: looks[name].colour for name in groups}
    with style():
        ax = axes_of(ax, 4.4 + 0.24 * len(groups))
        for name, rows in groups.items():
            _line(ax, rows, looks[name])
        _halves(ax)
        _finish(ax, table, result.meta, "Customers that stay")
        _name_ends(ax, groups, colours)
        _at_risk(ax, groups, colours, result.meta["ticks"])
    return ax


def ends(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what has become of customers, all ends counted.

    Parameters
    ----------
    result : Result
        Of ``retention``, with more than one kind of end.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = result["ends_curve"].table
    groups = {_NAMES[str(w)]: rows for w, rows in table.groupby("what", sort=False)}
    looks = {_NAMES[w]: look for w, look in _LOOKS.items()}
    with style():
        ax = axes_of(ax, 4.6)
        for name, rows in groups.items():
            _line(ax, rows, looks[name], 0)
        _finish(ax, table, result.meta, "Of all customers")
        _name_ends(ax, groups, {name: looks[name].colour for name in groups})
        rows = {"at risk": groups["still there"]}
        _at_risk(ax, rows, {"at risk": INK}, result.meta["ticks"])
    return ax


def tenures(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the rate of leaving by stretches of tenure, with 95% intervals.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table, meta = result["by_tenure"].table, result.meta
    with style():
        ax = axes_of(ax, 3.8)
        for row in table.itertuples():
            span = [row[table.columns.get_loc("from") + 1], row.to]
            ax.fill_between(
                span, row.conf_low, row.conf_high, color=ACCENT, alpha=_BAND, linewidth=0
            )
            ax.plot(span, [row.estimate] * 2, color=ACCENT, lw=2.4, solid_capstyle="butt")
        _rates(ax, table, meta)
        ax.set_xticks(meta["ticks"])
        ax.set_xlim(float(table["from"].min()), float(table["to"].max()))
        ax.set_xlabel(f"Tenure in {meta['tenure_unit']}")
    return ax


def months(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the rate of leaving by calendar month, unfinished months hollow.

    Parameters
    ----------
    result : Result
        Of ``retention``, of dated data.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table, meta = _drawn_months(result), result.meta
    with style():
        ax = axes_of(ax, 3.8)
        place = np.arange(len(table))
        known = table["estimate"].notna().to_numpy()
        ax.plot(place[known], table["estimate"][known], color=ACCENT, lw=1, zorder=1)
        for x, row in zip(place, table.itertuples(), strict=True):
            if not np.isfinite(row.estimate):
                continue
            ax.plot([x, x], [row.conf_low, row.conf_high], color=ACCENT, lw=2, zorder=2)
            fill = ACCENT if row.whole else "white"
            ax.plot(x, row.estimate, "o", color=ACCENT, markerfacecolor=fill, ms=6, zorder=3)
        _rates(ax, table, meta)
        every = -(-len(table) // 12)
        ax.set_xticks(place[::every], table["term"].iloc[::every], rotation=45, ha="right")
        ax.set_xlim(-0.6, len(table) - 0.4)
        ax.grid(axis="x", visible=False)
    return ax


def _line(ax: Axes, rows: pd.DataFrame, look: Identity, most: int = _MANY) -> None:
    """Draw a curve with its band, in steps where all of them are known."""
    x, steps = rows["tenure"], len(rows) <= most
    ax.fill_between(
        x, rows["conf_low"], rows["conf_high"], step="post" if steps else None,
        color=look.colour, alpha=_BAND, linewidth=0,
    )  # fmt: skip
    ax.plot(
        x, rows["estimate"], drawstyle="steps-post" if steps else "default", color=look.colour,
        linestyle=look.dashes,
    )  # fmt: skip


def _halves(ax: Axes) -> None:
    ax.axhline(0.5, color=INK, lw=0.8, ls=(0, (1, 3)), zorder=1)


def _finish(ax: Axes, table: pd.DataFrame, meta: Any, label: str) -> None:
    from matplotlib.ticker import PercentFormatter

    end = float(table["tenure"].max())
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlim(min(float(table["tenure"].min()), 0.0), end)
    ax.set_xticks([t for t in meta["ticks"] if t <= end])
    ax.set_xlabel(f"Tenure in {meta['tenure_unit']}")
    ax.set_ylabel(label)


def _rates(ax: Axes, table: pd.DataFrame, meta: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    top = float(table["conf_high"].max()) if table["conf_high"].notna().any() else 0.01
    ax.set_ylim(0, top * 1.08)
    # A rate and no share: where half are gone in a week it is above 100.
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1, symbol=None))
    per, unit = meta["per"], meta["tenure_unit"]
    each = unit.removesuffix("s") if per == 1 else f"{per:g} {unit}"
    ax.set_ylabel(f"Leave per 100 customers\nand {each}")


def _at_risk(
    ax: Axes, groups: dict[str, pd.DataFrame], colours: dict[str, str], ticks: Sequence[float]
) -> None:
    """Write under the axis how many are at risk at each tick."""

    def write(text: str, x: float, line: int, colour: str, **where: Any) -> None:
        ax.annotate(
            text, (x, 0), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
            fontsize=NOTE, color=colour, va="center", annotation_clip=False,
            xytext=(where.get("shift", 0), -50 - 14 * line), ha=where.get("ha", "center"),
        )  # fmt: skip

    low = ax.get_xlim()[0]
    head = len(groups) > 1
    if head:
        write("at risk", low, 0, INK, shift=-26, ha="right")
    for line, (name, rows) in enumerate(groups.items(), start=int(head)):
        write(_short(name), low, line, colours[name], shift=-26, ha="right")
        count = dict(zip(rows["tenure"], rows["n"], strict=True))
        for tick in ticks:
            if tick in count:
                write(f"{int(count[tick]):,}", tick, line, INK)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _name_ends(ax: Axes, groups: dict[str, pd.DataFrame], colours: dict[str, str]) -> None:
    """Name each curve where it ends; those that end at the edge in a column, moved apart."""
    low, high = ax.get_xlim()
    step = (high - low) / 100
    last = {name: rows.iloc[-1] for name, rows in groups.items()}
    edge = [name for name, row in last.items() if row["tenure"] > high - 7 * step]
    column = dict(zip(edge, _apart(np.array([last[n]["estimate"] for n in edge])), strict=True))
    for name, row in last.items():
        end = (row["tenure"], row["estimate"])
        place = (high + 3 * step, column[name]) if name in column else (end[0] + step, end[1])
        line = {"arrowstyle": "-", "color": colours[name], "lw": 0.6, "relpos": (0, 0.5)}
        straight = place[1] == end[1] and end[0] == high
        ax.annotate(
            _short(name), end, xytext=place, fontsize=LABEL, color=colours[name], va="center",
            annotation_clip=False, arrowprops=line if name in column and not straight else None,
        )  # fmt: skip


def _apart(values: np.ndarray) -> np.ndarray:
    """Move values apart until neighbours are far enough to be labelled."""
    order = np.argsort(values)
    placed = values[order].copy()
    for k in range(1, len(placed)):
        placed[k] = max(placed[k], placed[k - 1] + _NEAR)
    over = placed[-1] - 1.0 if len(placed) else 0.0
    if over > 0:
        placed[-1] -= over
        for k in range(len(placed) - 2, -1, -1):
            placed[k] = min(placed[k], placed[k + 1] - _NEAR)
    found = np.empty(len(values))
    found[order] = placed
    return found


def about(result: Result) -> str:
    """Tell n, the period and the level of intervals.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    """
    meta = result.meta
    when = f" {meta['period'][0]} to {meta['period'][1]}." if meta.get("period") else ""
    who = counted(meta["customers"], "customer")
    return f"{who}, {meta['churns']:,} left.{when} 95% intervals."


def curve_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`curve`.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    """
    table = result["curve"].table
    alt = f"A falling curve: {_course(table, result.meta)}, with those at risk below."
    last = table.iloc[-1]
    caption = (
        f"Share of customers that have not left of their own will, by tenure: "
        f"{last['estimate']:.0%} at {_tenure(last['tenure'])} {result.meta['tenure_unit']}"
    )
    # A curve that is down to 0 has no limits.
    if np.isfinite(last["conf_low"]):
        caption += f" (95% interval {last['conf_low']:.0%} to {last['conf_high']:.0%})"
    caption += f". {about(result)}"
    return {"caption": caption, "alt": alt, "data": table}


def segment_curves_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`segment_curves`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with groups.
    """
    part, levels = result["segment_curves"], result["levels"]
    drawn = list(dict.fromkeys(part.table["term"]))
    rest = [str(name) for name in levels.table["term"] if name not in drawn]
    order = [str(name) for name in levels.table["term"] if name in drawn]
    told = "the groups cannot be told apart"
    if part.meta["clear"]:
        told = f"{order[0]} leaves soonest, {order[-1]} stays longest"
    caption = f"Share that stays by {part.meta['segment']}: {told}. {about(result)}"
    if rest:
        caption += (
            f" The {len(drawn)} largest groups are drawn; not drawn: {listed(rest, _MOST_NAMED)}."
        )
    if part.meta["withheld"]:
        least = result.meta["min_group"]
        caption += (
            f" Withheld, with fewer than {least} customers or not followed from the start: "
            f"{listed(part.meta['withheld'], _MOST_NAMED)}."
        )
    each = [
        f"{name}: {_course(rows, result.meta)}"
        for name, rows in part.table.groupby("term", sort=False)
    ]
    alt = f"Falling curves by {part.meta['segment']}. {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": part.table}


def ends_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`ends`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with more than one kind of end.
    """
    table = result["ends_curve"].table
    each = [
        f"{_NAMES[str(what)]}: {_course(rows, result.meta)}"
        for what, rows in table.groupby("what", sort=False)
    ]
    there = table[table["what"] == "still there"].iloc[-1]
    caption = (
        f"What has become of customers, by tenure: {there['estimate']:.0%} are still there at "
        f"{_tenure(there['tenure'])} {result.meta['tenure_unit']}. {about(result)} "
        f"{counted(result.meta['other_ends'], 'spell')} ended otherwise."
    )
    return {"caption": caption, "alt": f"Three curves. {'; '.join(each)}.", "data": table}


def tenures_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`tenures`.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    """
    part = result["by_tenure"]
    first, last = part.table.iloc[0], part.table.iloc[-1]
    alt = (
        f"Steps by tenure, from {100 * first['estimate']:.1f} per 100 customers at "
        f"{first['term']} to {100 * last['estimate']:.1f} at {last['term']}."
    )
    most = part.table.loc[part.table["estimate"].idxmax()]
    caption = (
        f"Rate of leaving of those still there, by stretch of tenure: highest at {most['term']} "
        f"({100 * most['estimate']:.1f} per 100 customers). {about(result)}"
    )
    return {"caption": caption, "alt": alt, "data": part.table}


def months_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`months`.

    Parameters
    ----------
    result : Result
        Of ``retention``, of dated data.
    """
    part, drawn = result["by_month"], _drawn_months(result)
    known = drawn[drawn["estimate"].notna()]
    told = "no month has enough customers"
    alt = "An empty picture: no month has enough customers."
    if len(known):
        most, least = (known.loc[known["estimate"].agg(f)] for f in ("idxmax", "idxmin"))
        told = (
            f"between {100 * least['estimate']:.1f} in {least['term']} and "
            f"{100 * most['estimate']:.1f} in {most['term']}"
        )
        alt = f"Dots by month from {known['term'].iloc[0]} to {known['term'].iloc[-1]}, {told}."
    what = "Customers that leave per 100 and 30 days, by month"
    caption = f"{what}: {told}. {about(result)}"
    if not drawn["whole"].all():
        caption += " Hollow: a month seen in part."
    if len(drawn) < len(part.table):
        caption += f" The last {len(drawn)} of {len(part.table)} months."
    if len(known) < len(drawn):
        caption += f" Months with fewer than {result.meta['min_group']} customers are left blank."
    return {"caption": caption, "alt": alt, "data": drawn}


def _drawn_months(result: Result) -> pd.DataFrame:
    return result["by_month"].table.tail(_MOST_MONTHS).reset_index(drop=True)


def _course(rows: pd.DataFrame, meta: Any) -> str:
    first, last = rows.iloc[0], rows.iloc[-1]
    return (
        f"from {first['estimate']:.0%} to {last['estimate']:.0%} at {_tenure(last['tenure'])} "
        f"{meta['tenure_unit']}"
    )


def _tenure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:.2g}"
