"""Pictures of retention by start, by cliffs, and after a first bad contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, estimate, names_at
from cxlab.plots.retention import about
from cxlab.plots.style import (
    ACCENT,
    HARM,
    HELP,
    INK,
    LABEL,
    NOTE,
    UNSURE,
    WITHHELD,
    Identity,
    style,
)
from cxlab.results import MINUS, Result, counted, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "after_first_bad",
    "after_first_bad_words",
    "cliffs",
    "cliffs_words",
    "cohorts",
    "cohorts_words",
    "ends_by_group",
    "ends_by_group_words",
]

_MOST_ROWS = 24
_MOST_NAMED = 4
_BAND = 0.16
# Shades from nobody to everybody: dark enough to be told apart, and figures on them are read.
_FAINT, _STRONG = 0.04, 0.5
_LOOKS = {
    "first bad contact": Identity(HARM, "s", "--"),
    "ordinary contact": Identity(HELP, "o", "-"),
}
_FIGURES = ["estimate", "conf_low", "conf_high"]


def _rows(result: Result) -> pd.DataFrame:
    """Give the cohorts that are drawn: the newest, with all of them first."""
    table = result["cohorts"].table
    names = list(dict.fromkeys(table["term"]))
    return table[table["term"].isin([*names[:1], *names[1:][-_MOST_ROWS:]])]


def cohorts(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share still there by start and months since, its figure in each cell.

    Parameters
    ----------
    result : Result
        Of ``retention``, with cohorts.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.patches import Rectangle

    table = _rows(result)
    names, months = list(dict.fromkeys(table["term"])), sorted(set(table["months"]))
    shown = table[table["state"] == "shown"]
    least = float(shown["estimate"].min()) if len(shown) else 0.0
    with style():
        ax = axes_of(ax, 1.3 + 0.3 * len(names))
        for row in table.itertuples():
            x, y = months.index(row.months), _place(names, row.term)
            if row.state == "withheld":
                ax.text(x, y, "few", ha="center", va="center", color=UNSURE, fontsize=NOTE)
            if row.state != "shown":
                continue
            # From the lowest share drawn to all: small differences are to be seen too.
            part = (row.estimate - least) / max(1.0 - least, 1e-9)
            shade = _FAINT + (_STRONG - _FAINT) * part
            box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=ACCENT, alpha=shade, lw=0)
            ax.add_patch(box)
            ax.text(
                x, y, f"{100 * row.estimate:.0f}", ha="center", va="center", fontsize=NOTE,
                color=INK, fontweight="bold" if y == _place(names, names[0]) else "normal",
            )  # fmt: skip
        _grid(ax, table, names, months)
    return ax


def _place(names: list[str], name: str) -> float:
    """Give a cohort's row, from above; all of them together stand a little apart."""
    place = names.index(name)
    return float(len(names) - place if place else len(names) + 0.3)


def _grid(ax: Axes, table: pd.DataFrame, names: list[str], months: list[int]) -> None:
    first = table.drop_duplicates("term").set_index("term")["started"]
    told = [f"{n}  ({int(first[n]):,})" if np.isfinite(first[n]) else f"{n}  (few)" for n in names]
    bold = [n == names[0] for n in names]
    names_at(ax, [_place(names, n) for n in names], told, bold)
    ax.set_xticks(range(len(months)), [str(m) for m in months])
    ax.set_xlim(-0.5, len(months) - 0.5)
    ax.set_ylim(0.5, len(names) + 0.8)
    ax.grid(visible=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("Still there after so many months, of 100")
    ax.set_ylabel("Started in (customers)")


def cohorts_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`cohorts`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with cohorts.
    """
    part, drawn = result["cohorts"], _rows(result)
    meta = part.meta
    shown = drawn[drawn["state"] == "shown"]
    every = int((drawn["state"] == "withheld").sum())
    low, high = shown["estimate"].min(), shown["estimate"].max()
    caption = (
        f"Of 100 customers who started in each {meta['grain']}, so many had not left of their own "
        f"will after so many months; the stronger the colour, the more; empty is not yet seen. In "
        f"brackets: how many started. The data of this picture have the intervals."
    )
    if every:
        caption += (
            f" Few: withheld, with fewer than {meta['least']} followed ({counted(every, 'cell')})."
        )
    if meta["before"]:
        caption += (
            f" Not drawn: {counted(meta['before'], 'spell')} that began before the feed. Of "
            "those who started then, whoever had left was never seen. They count in the trend."
        )
    dropped = part.table["term"].nunique() - drawn["term"].nunique()
    if dropped:
        caption += f" The newest {_MOST_ROWS}; {dropped} earlier ones are not drawn."
    caption += f" {about(result)}"
    alt = (
        f"A table of shades, {drawn['term'].nunique() - 1} starts by "
        f"{drawn['months'].nunique()} tenures, from {low:.0%} to {high:.0%}."
    )
    if part.sentence:
        alt += f" {part.sentence.splitlines()[0]}"
    return {"caption": caption, "alt": alt, "data": drawn}


def cliffs(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share that leaves by tenure, with the smooth curve, and cliffs marked.

    Parameters
    ----------
    result : Result
        Of ``retention``, with a hazard.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    part, found = result["hazard"], result["cliffs"].table
    table = part.table
    with style():
        ax = axes_of(ax, 3.8)
        middle = (table["from"] + table["to"]) / 2
        wide = (table["to"] - table["from"]) * 0.86
        steep = table["cliff"].to_numpy(bool)
        for kept, colour, hatch in ((~steep, WITHHELD, ""), (steep, HARM, "//")):
            ax.bar(
                middle[kept], table["estimate"][kept], wide[kept], color=colour, lw=0,
                alpha=0.55 if colour == WITHHELD else 1.0, hatch=hatch, edgecolor="white",
            )  # fmt: skip
        ax.fill_between(
            middle, table["conf_low"], table["conf_high"], color=ACCENT, alpha=0.25, lw=0
        )
        ax.plot(middle, table["smooth"], color=ACCENT)
        top = _top(table)
        ax.set_ylim(0, top)
        _name_cliffs(ax, table, found, top)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1 if top < 0.1 else 0))
        ax.set_xticks(result.meta["ticks"])
        ax.set_xlim(float(table["from"].min()), float(table["to"].max()))
        ax.set_xlabel(f"Tenure in {part.meta['unit']}")
        ax.set_ylabel(f"Leave within {part.meta['per']}")
        ax.grid(axis="x", visible=False)
    return ax


def _top(table: pd.DataFrame) -> float:
    """Give the height of the axis: the last few at risk must not set it."""
    known = np.concatenate([table["smooth"], table["estimate"][table["cliff"]]])
    usual = float(np.quantile(table["estimate"], 0.98)) if len(table) else 0.0
    return max(float(known.max()) * 1.25, usual * 1.25, 1e-4)


def _name_cliffs(ax: Axes, table: pd.DataFrame, found: pd.DataFrame, top: float) -> None:
    largest = found.sort_values("excess", ascending=False).head(_MOST_NAMED)
    for row in largest.itertuples():
        first = found.loc[row.Index, "from"]
        bar = table[(table["from"] <= first) & (table["to"] > first)]
        if len(bar):
            height = min(float(bar["estimate"].iloc[0]), top / 1.15)
            middle = float((bar["from"] + bar["to"]).iloc[0]) / 2
            ax.annotate(
                str(row.term), (middle, height), (0, 4), textcoords="offset points", ha="left",
                va="bottom", fontsize=LABEL, color=HARM,
            )  # fmt: skip


def cliffs_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`cliffs`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with a hazard.
    """
    part, found = result["hazard"], result["cliffs"].table
    told = "no cliff stands out"
    if len(found):
        told = f"cliffs, hatched: {listed(found['term'].astype(str), _MOST_NAMED)}"
    caption = (
        f"Share of those still there that leaves, by tenure: bars for each {part.meta['per']}, the "
        f"smooth rate as a line with its band; {told}. {about(result)}"
    )
    most = part.table.loc[part.table["estimate"].idxmax()]
    alt = (
        f"Bars by tenure with a smooth line; the highest, {most['estimate']:.1%}, at "
        f"{most['from']:,.0f} {part.meta['unit']}; {told}."
    )
    return {"caption": caption, "alt": alt, "data": part.table}


def after_first_bad(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how many are still there after a first bad contact, and after an ordinary one.

    Parameters
    ----------
    result : Result
        Of ``retention``, with curves after a first bad contact.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    table = result["first_bad_curves"].table
    with style():
        ax = axes_of(ax, 4.2)
        for name, rows in table.groupby("term", sort=False):
            look = _LOOKS[str(name)]
            band = (rows["tenure"], rows["conf_low"], rows["conf_high"])
            ax.fill_between(*band, color=look.colour, alpha=_BAND, linewidth=0)
            ax.plot(rows["tenure"], rows["estimate"], color=look.colour, linestyle=look.dashes)
        end = float(table["tenure"].max())
        _name_sides(ax, table, end)
        # The two differ by a few of a hundred: an axis from nobody up would hide it.
        ax.set_ylim(max(float(table["conf_low"].min()) - 0.03, 0.0), 1.005)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlim(0, end)
        ax.set_xticks([t for t in result["first_bad_curves"].meta["ticks"] if t <= end])
        ax.set_xlabel("Days after the contact")
        ax.set_ylabel("Still there")
    return ax


def _name_sides(ax: Axes, table: pd.DataFrame, end: float) -> None:
    """Name both curves where they are followed half of the time, above and below."""
    for name, rows in table.groupby("term", sort=False):
        row = rows.iloc[int(np.searchsorted(rows["tenure"], end / 2))]
        above = str(name) == "ordinary contact"
        ax.annotate(
            str(name), (row["tenure"], row["conf_high" if above else "conf_low"]),
            (0, 5 if above else -5), textcoords="offset points", fontsize=LABEL,
            ha="left" if above else "right", va="bottom" if above else "top",
            color=_LOOKS[str(name)].colour,
        )  # fmt: skip


def after_first_bad_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`after_first_bad`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with curves after a first bad contact.
    """
    part, meta = result["first_bad_curves"], result["first_bad"].meta
    rows = result["first_bad"].table
    last = rows[(rows["unit"] == "share") & (rows["after"] == meta["mark"])].iloc[0]
    told = (
        f"{last['bad']:.0%} against {last['ordinary']:.0%} after {meta['mark']:g} days (difference "
        f"{100 * last['estimate']:+.1f} of 100, 95% interval {100 * last['conf_low']:+.1f} to "
        f"{100 * last['conf_high']:+.1f})"
    ).replace("-", MINUS)
    caption = (
        f"Share still there after a first bad contact, and after an ordinary contact of matched "
        f"customers who had had no bad one: {told}. {meta['cases']:,} first bad contacts, "
        f"{meta['controls']:,} ordinary ones. The axis does not begin at 0. {about(result)}"
    )
    alt = f"Two falling curves: {told}."
    return {"caption": caption, "alt": alt, "data": part.table}


def ends_by_group(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how each group of an attribute has ended by a mark, a panel a kind of end.

    Parameters
    ----------
    result : Result
        Of ``retention``, with ends by group.
    ax : matplotlib.axes.Axes, optional
        Where to draw those who left alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import PercentFormatter

    table = result["ends_by_group"].table
    kinds = [(str(what), rows) for what, rows in table.groupby("what", sort=False)]
    order = kinds[0][1].sort_values("share", ascending=False)["term"]
    with style():
        if ax is None:
            size = (9.0, 1.3 + 0.32 * max(table["term"].nunique(), 3))
            panels = list(plt.subplots(1, 2, figsize=size, sharey=True)[1])
        else:
            panels = [ax]
        for panel, (what, rows) in zip(panels, kinds, strict=False):
            rows = rows.set_index("term").loc[order].reset_index()
            place = np.arange(len(rows))[::-1]
            look = (HARM, "o") if what == "left" else (UNSURE, "D")
            for y, three in zip(
                place, rows[["share", "share_low", "share_high"]].to_numpy(float), strict=True
            ):
                estimate(panel, y, three, look[0], marker=look[1])
            if panel is panels[0]:
                names_at(panel, place, rows["term"].astype(str), rows["reference"])
            panel.grid(axis="y", visible=False)
            panel.tick_params(axis="y", length=0)
            panel.set_xlim(left=0)
            panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            title = "left of their own will" if what == "left" else "ended otherwise"
            panel.set_title(title, fontsize=LABEL, fontweight="normal")
    return panels[0]


def ends_by_group_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`ends_by_group`.

    Parameters
    ----------
    result : Result
        Of ``retention``, with ends by group.
    """
    part = result["ends_by_group"]
    until = f"{part.meta['until']:,.0f} {result.meta['tenure_unit']}"
    known = part.table[part.table["share"].notna()]
    each = [
        f"{what}: {', '.join(f'{r.term} {r.share:.0%}' for r in rows.itertuples())}"
        for what, rows in known.groupby("what", sort=False)
    ]
    caption = (
        f"Share of customers that has ended by {until}, by {part.meta['segment']}, all ends "
        f"counted; the largest group in bold. {about(result)}"
    )
    return {"caption": caption, "alt": f"Dots. {'; '.join(each)}.", "data": part.table}
