"""Pictures of what customers live through: handoffs, loops, what goes with leaving, channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, beside, estimate, names_at, rows_axes, say_nothing
from cxlab.plots.style import ACCENT, HARM, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Result, counted, ratio_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "accounts",
    "accounts_words",
    "channels",
    "channels_words",
    "handoffs",
    "handoffs_words",
    "loops",
    "loops_words",
]

_MOST_LOOPS = 15
_LEVEL = 12  # letters that fit below a column; longer names are slanted
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)


def handoffs(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what fails after each way from channel to channel.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    table, names = _ways(result)
    with style():
        ax = axes_of(ax, 1.5 + 0.62 * len(names), 2.6 + 1.15 * len(names))
        if table.empty:
            say_nothing(ax, "There are no handoffs to draw.")
            return ax
        shares = np.full((len(names), len(names)), np.nan)
        for row in table.itertuples():
            shares[names.index(row[table.columns.get_loc("from") + 1]), names.index(row.to)] = (
                row.estimate
            )
        top = float(np.nanmax(shares))
        for (i, j), value in np.ndenumerate(shares):
            if not np.isfinite(value):
                continue
            depth = value / top if top > 0 else 0.0
            ax.add_patch(plt.Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, color=HARM,
                                       alpha=0.06 + 0.5 * depth**2, lw=0))  # fmt: skip
            n = table[(table["from"] == names[i]) & (table["to"] == names[j])]["of"].iloc[0]
            ax.text(j, i - 0.1, f"{value:.0%}", ha="center", va="center", fontsize=LABEL,
                    fontweight="bold" if i != j else "normal")  # fmt: skip
            ax.text(j, i + 0.26, f"of {n:,}", ha="center", va="center", fontsize=NOTE - 1)
            if i == j:
                ax.add_patch(plt.Rectangle((j - 0.46, i - 0.44), 0.92, 0.88, fill=False,
                                           ec=UNSURE, lw=1, ls=(0, (3, 2))))  # fmt: skip
        ax.set_xlim(-0.55, len(names) - 0.45)
        ax.set_ylim(len(names) - 0.45, -0.55)
        ax.set_xticks(range(len(names)), names)
        if max(map(len, names)) > _LEVEL:
            plt.setp(ax.get_xticklabels(), rotation=30, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(names)), names)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("This contact came by")
        ax.set_ylabel("The one before it by")
    return ax


def _ways(result: Result) -> tuple[pd.DataFrame, list[str]]:
    table = result["handoff_pairs"].table
    if table.empty:
        return table, []
    size = table.groupby("from")["of"].sum().add(table.groupby("to")["of"].sum(), fill_value=0)
    names = sorted(size.nlargest(8).index)
    return table[table["from"].isin(names) & table["to"].isin(names)], names


def handoffs_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`handoffs`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    table, names = _ways(result)
    if table.empty:
        return {}
    most = table.loc[table["estimate"].idxmax()]
    caption = (
        "Share of contacts that fail, by the channel of the contact and of the one before it in "
        f"the journey: highest from {most['from']} to {most['to']}, {most['estimate']:.0%} (95% "
        f"interval {most['conf_low']:.0%} to {most['conf_high']:.0%}). Below each share: contacts "
        "whose outcome is known. Dashed: no handoff. Raw shares: channels serve other touchpoints."
    )
    if withheld := result["handoff_pairs"].meta["withheld"]:
        few = result.meta["min_group"]
        caption += f" Blank: {counted(withheld, 'way')} of fewer than {few} customers."
    each = [f"{t} {e:.0%}" for t, e in zip(table["term"], table["estimate"], strict=True)]
    alt = f"A square of {len(names)} channels by {len(names)}. {'; '.join(each[:12])}."
    return {"caption": caption, "alt": alt, "data": table.drop(columns="p_value")}


def loops(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw at which touchpoints journeys come back to where they were.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    table = _looped(result)
    with style():
        ax = rows_axes(ax, len(table), 0.3, 8.5)
        if table.empty:
            say_nothing(ax, "No journey comes back to where it was.")
            return ax
        place = -np.arange(len(table), dtype=float)
        for y, row in zip(place, table.itertuples(), strict=True):
            estimate(ax, y, (row.estimate, row.conf_low, row.conf_high), ACCENT)
        names_at(ax, place, table["term"], [False] * len(table))
        ax.set_xlim(left=0)
        ax.set_ylim(place.min() - 0.6, 1.2)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("Journeys through it that come to it again")
        extra = [f"{v:,.0f}" if v >= 1 else "under 1" for v in table["a_month"]]
        beside(ax, place, [(14, "extra contacts\nin 30 days", extra)])
    return ax


def _looped(result: Result) -> pd.DataFrame:
    table = result["loops"].table
    return table[table["extra"] > 0].head(_MOST_LOOPS).reset_index(drop=True)


def loops_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`loops`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    table, every = _looped(result), result["loops"].table
    if table.empty:
        return {}
    most = table.iloc[0]
    caption = (
        "Share of the journeys through a touchpoint that come to it again: most at "
        f"{most['term']}, {most['estimate']:.1%}. "
        f"{counted(int(every['journeys'].sum()), 'passage')} of "
        f"{counted(result.meta['customers'], 'customer')}. 95% intervals."
    )
    if (more := len(every) - len(table)) > 0:
        caption += f" Not drawn: {counted(more, 'touchpoint')} with less, or none."
    each = [f"{t} {e:.1%}" for t, e in zip(table["term"], table["estimate"], strict=True)]
    return {"caption": caption, "alt": f"Dots by touchpoint: {'; '.join(each)}.",
            "data": table.drop(columns="p_value")}  # fmt: skip


_ACCOUNTS = {"mean": "Mean: share that failed", "peak": "Peak: the worst journey",
             "end": "End: the last contact", "sum": "Running sum, fading"}  # fmt: skip


def accounts(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how well each account of the past tells who leaves.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    table = result["experience"].table
    with style():
        ax = rows_axes(ax, len(table), 0.42, 8.5)
        if table.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = -np.arange(len(table), dtype=float)
        for y, row in zip(place, table.itertuples(), strict=True):
            unsure = not row.area_low > 0.5
            look = UNSURE if unsure else HARM
            estimate(ax, y, (row.area, row.area_low, row.area_high), look, hollow=unsure)
        ax.axvline(0.5, color=INK, lw=1, zorder=1)
        names_at(ax, place, [_ACCOUNTS[t] for t in table["term"]], [False] * len(table))
        ax.set_ylim(place.min() - 0.6, 1.0)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("Of two customers with as many contacts, worse for the one who leaves")
        told = [f"{ratio_text(r.estimate)} ({ratio_text(r.conf_low)} to {ratio_text(r.conf_high)})"
                for r in table.itertuples()]  # fmt: skip
        beside(ax, place, [(14, "hazard ratio of one\nstandard deviation", told)])
    return ax


def accounts_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`accounts`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    part = result["experience"]
    if part.table.empty:
        return {}
    meta = part.meta
    caption = (
        f"What {meta['window_days']} days of contacts say of who leaves in the "
        f"{meta['follow_days']} days after them, at {counted(meta['moments'], 'moment')}: "
        f"{meta['events']:,} ends of {meta['customers']:,} customers. 50%: chance. Filled: told "
        "from it. 95% intervals."
    )
    if meta["share"] < 1:
        caption += f" Of {meta['share']:.0%} of the customers, drawn at random."
    each = [f"{_ACCOUNTS[t]} {a:.1%}" for t, a in zip(part.table["term"], part.table["area"],
                                                     strict=True)]  # fmt: skip
    return {"caption": caption, "alt": f"Four dots against 50%: {'; '.join(each)}.",
            "data": part.table}  # fmt: skip


_COMPARED = {
    "as quoted": (UNSURE, "X", True, "as everyone quotes it: misleading"),
    "from the landmark": (ACCENT, "D", True, "counted first, followed afterwards"),
    "adjusted": (ACCENT, "o", False, "the same, with all else held equal"),
}


def channels(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw who leaves by how many channels they use: as quoted, and as it is.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    table = result["channels"].table
    with style():
        table = table[table["estimate"] != 1] if len(table) else table
        levels = list(dict.fromkeys(table["channels"])) if len(table) else []
        ax = rows_axes(ax, len(levels), 0.75, 8.5)
        if not levels:
            say_nothing(ax, "There are no channels to compare.")
            return ax
        for k, (name, (colour, marker, hollow, told)) in enumerate(_COMPARED.items()):
            rows = table[table["comparison"] == name]
            for row in rows.itertuples():
                y = -levels.index(row.channels) + 0.24 * (1 - k)
                three = (row.estimate, row.conf_low, row.conf_high)
                estimate(ax, y, three, colour, marker=marker, hollow=hollow)
            ax.plot([], [], marker, color=colour, label=told,
                    markerfacecolor="white" if hollow else colour)  # fmt: skip
        ax.axvline(1, color=INK, lw=1, zorder=1)
        ax.set_xscale("log")
        low = max(min(0.5, float(table["conf_low"].min())), 0.01)
        high = min(max(2.0, float(table["conf_high"].max())), 20.0)
        ax.set_xlim(low / 1.15, high * 1.15)
        ticks = [t for t in _TICKS if low / 1.15 <= t <= high * 1.15]
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        names = [f"{n} channels" for n in levels]
        names_at(ax, -np.arange(len(levels), dtype=float), names, [False] * len(levels))
        ax.set_ylim(-len(levels) + 0.4, 0.6)
        ax.set_xlabel("Rate of leaving against customers of one channel")
        ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=1)
    return ax


def channels_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`channels`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    part = result["channels"]
    if part.table.empty:
        return {}
    meta = part.meta
    caption = (
        f"Rate of leaving by number of channels, against customers of one. Counted over all of a "
        f"customer's time; in the first {meta['early_days']} days and followed for "
        f"{meta['follow_days']} from then on; and that with as many contacts, tenure, calendar, "
        f"value and attributes held equal. {meta['events']:,} ends of {meta['customers']:,} "
        "customers. 95% intervals."
    )
    if meta["share"] < 1:
        caption += f" Of {meta['share']:.0%} of the customers, drawn at random."
    rows = part.table[part.table["estimate"] != 1]
    each = [f"{t} {ratio_text(e)}" for t, e in zip(rows["term"], rows["estimate"], strict=True)
            if np.isfinite(e)]  # fmt: skip
    return {"caption": caption, "alt": f"Dots on a scale of ratios. {'; '.join(each)}.",
            "data": part.table}  # fmt: skip
