"""Pictures of personas: what sets them apart, who stays, and whether there are kinds at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots import retention
from cxlab.plots.marks import (
    axes_of,
    beside,
    estimate,
    names_at,
    panels,
    ratio_axis,
    rows_axes,
    say_nothing,
    with_interval,
)
from cxlab.plots.paged import paged
from cxlab.plots.picture import Drawing, Picture
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Plain, Result, counted, ratio_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "apart",
    "apart_words",
    "curves",
    "curves_words",
    "drivers",
    "drivers_words",
    "own",
    "own_words",
    "portraits",
    "portraits_words",
    "shown",
]

_MOST_ROWS = 9
_BAND = 0.15
_LEAST_BAR = 0.005  # below it a share reads 0%


def _about(result: Result) -> str:
    meta = result.meta
    return f"{meta['seen']:,} customers, {meta['period'][0]} to {meta['period'][1]}."


# -- what sets them apart ----------------------------------------------------------------------


def _drawn(result: Result) -> pd.DataFrame:
    """Choose the behaviours drawn: those in which any persona is farthest from the others."""
    table = result["features"].table
    far = table["estimate"].abs().groupby(table["behaviour"], sort=False).max()
    kept = far.sort_values(ascending=False, kind="stable").index[:_MOST_ROWS]
    return table[table["behaviour"].isin(kept)]


def portraits(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what sets each persona apart from all others, a panel a persona.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first persona alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _drawn(result)
    groups = [(str(n), rows) for n, rows in table.groupby("persona", sort=False)]
    order = list(dict.fromkeys(table["behaviour"]))
    with style():
        high = 0.9 + 0.27 * len(order)
        each = panels(max(len(groups), 1), 1, high, sharex=True) if ax is None else [ax]
        if not groups:
            say_nothing(each[0], "There are no personas.")
            return each[0]
        for panel, (name, rows) in zip(each, groups, strict=False):
            _portrait(panel, rows, order)
            panel.set_title(name, fontsize=LABEL)
        if ax is None:
            each[0].figure.supxlabel("Standard deviations from all others", fontsize=LABEL)
    return each[0]


def _portrait(ax: Axes, rows: pd.DataFrame, order: list[str]) -> None:
    place = {b: len(order) - 1 - i for i, b in enumerate(order)}
    for r in rows.itertuples():
        colour = HARM if r.pain and r.estimate > 0 else ACCENT
        three = (float(r.estimate), float(r.conf_low), float(r.conf_high))
        estimate(ax, place[str(r.behaviour)], three, colour, hollow=not r.formed,
                 marker="D" if r.pain else "o", size=6)  # fmt: skip
    ax.axvline(0, color=INK, lw=1, zorder=1)
    ax.set_ylim(-0.7, len(order) - 0.3)
    names_at(ax, list(place.values()), list(place), [False] * len(order))


def portraits_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`portraits`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    """
    if "features" not in result.parts or result["features"].table.empty:
        return {}
    table = _drawn(result)
    caption = (
        "What each persona does more (right) or less (left) than all others, in standard "
        "deviations between customers. Diamonds: burdens, red where there are more of them; "
        "hollow: had no part in forming personas. "
        f"{_about(result)} 95% intervals."
    )
    total = result["features"].table["behaviour"].nunique()
    if (shown := table["behaviour"].nunique()) < total:
        caption += f" Shown are {shown} of {total} behaviours."
    told = [f"{name}: {said}" for name, said in result.meta["portraits"].items()]
    return {"caption": caption, "alt": " ".join(told), "data": table.drop(columns="key")}


# -- what a bad contact does to them -----------------------------------------------------------


def _told(result: Result) -> pd.DataFrame:
    """Give the personas of which a bad contact's effect is told, the largest first."""
    if "drivers" not in result.parts:
        return pd.DataFrame()
    table = result["drivers"].table
    rows = table[table["estimate"].notna()].rename(columns={"estimate": "hazard_ratio"})
    return rows.sort_values("hazard_ratio", ascending=False, kind="stable", ignore_index=True)


def drivers(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what one fresh bad contact does to the risk of leaving, a row a persona.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _told(result)
    with style():
        ax = rows_axes(ax, max(len(table), 1) + 1, 0.5)
        if table.empty:
            say_nothing(ax, "What bad contacts do to personas cannot be told.")
            return ax
        place = np.arange(len(table))[::-1]
        for y, r in zip(place, table.to_dict("records"), strict=True):
            clear = r["conf_low"] > 1 or r["conf_high"] < 1
            colour = UNSURE if not clear else HARM if r["hazard_ratio"] > 1 else HELP
            three = (r["hazard_ratio"], r["conf_low"], r["conf_high"])
            estimate(ax, float(y), three, colour, hollow=not clear)
        ratio_axis(ax, table)
        ax.set_ylim(-0.6, len(table) - 0.4)
        ax.set_xlabel("Times the daily risk of leaving")
        names_at(ax, place.tolist(), table["term"].astype(str), [False] * len(table))
        figures = [ratio_text(x) for x in table["hazard_ratio"]]
        left = [f"{n:,.0f}" for n in table["churns"]]
        beside(ax, place.tolist(), [(6, "ratio", figures), (48, "left after one", left)])
    return ax


def drivers_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`drivers`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    """
    table = _told(result)
    if table.empty:
        return {}
    meta = result["drivers"].meta
    caption = (
        "What one fresh bad contact, against an ordinary one, does to the daily risk of leaving, "
        f"by persona; it fades with a half-life of {meta['half_life_days']:g} days. Hollow: not "
        "told from none. 95% intervals. "
        f"{meta['churns']:,} customers left, {result.meta['followed']}."
    )
    if few := len(result["drivers"].table) - len(table):
        caption += f" Not shown, as too few left: {counted(few, 'persona')}."
    told = [f"{r.term}: {with_interval(r.hazard_ratio, r.conf_low, r.conf_high)}"
            for r in table.itertuples()]  # fmt: skip
    return {"caption": caption, "alt": "; ".join(told) + ".", "data": table}


# -- who stays ---------------------------------------------------------------------------------


def curves(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of each persona that stays after the window.

    Parameters
    ----------
    result : Result
        Of ``personas``, with ``segment_curves``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = retention.segment_curves(result, ax=ax)
    ax.set_xlabel("Days after the window")
    return ax


def curves_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`curves`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    """
    if "segment_curves" not in result.parts or result["segment_curves"].table.empty:
        return {}
    table, meta = result["segment_curves"].table, result.meta
    caption = (
        "Share of each persona that has not left of its own will, after the window that personas "
        f"were told by; below, those still followed. {counted(meta['churns'], 'customer')} left, "
        f"{meta['followed']}. 95% intervals."
    )
    last = table.groupby("term", sort=False).tail(1)
    told = [f"{r.term} {r.estimate:.0%}" for r in last.itertuples()]
    alt = f"Falling curves; after {last['tenure'].iloc[0]:g} days: {', '.join(told)}."
    return {"caption": caption, "alt": alt, "data": table}


# -- whether there are kinds -------------------------------------------------------------------


def apart(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how far apart groups are, for each number of groups, beside data without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = result["apart"].table
    with style():
        ax = axes_of(ax, 3.6)
        if table.empty:
            say_nothing(ax, "No groups could be tried.")
            return ax
        x, gap = table["groups"].to_numpy(float), _times(table["gap"])
        high, floor = _times(table["null_high"]), min(float(_times(table["gap"]).min()), 0.5) / 1.3
        ax.fill_between(x, np.full(len(x), floor), high, color=UNSURE, alpha=_BAND, lw=0)
        ax.plot(x, _times(table["null"]), color=UNSURE, lw=1.2, ls="--")
        ax.plot(x, gap, color=ACCENT, lw=1, zorder=2)
        found = table["found"].to_numpy(bool)
        for inside, face in ((found, ACCENT), (~found, "white")):
            ax.plot(x[inside], gap[inside], "o", color=ACCENT, markerfacecolor=face, ms=7, zorder=3)
        ax.axhline(1, color=INK, lw=1, zorder=1)
        _finish(ax, x, floor, max(float(gap.max()), float(high.max()), 2.0))
    return ax


def _times(log: pd.Series) -> np.ndarray:
    return np.exp(log.to_numpy(float))


def _finish(ax: Axes, x: np.ndarray, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    ax.set_yscale("log")
    ax.set_ylim(low, high * 1.3)
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high * 1.3]
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks(x)
    ax.set_xlabel("Number of groups")
    ax.set_ylabel("Customers within groups\nfor one between them")


def apart_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`apart`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    """
    if "apart" not in result.parts or result["apart"].table.empty:
        return {}
    table = result["apart"].table
    caption = (
        "How many customers are at the centres of the two groups least apart for each one half-way "
        "between them, by the number of groups; above 1 there is a gap. Grey: what data without "
        "kinds show (dashes: the middle; the band ends where 1 in 20 of these exceeds it at some "
        "number). Filled: apart, beyond chance, and stable. "
        f"{_about(result)}"
    )
    found = table.loc[table["found"].astype(bool), "groups"].tolist()
    told = ", ".join(str(int(k)) for k in found) or "none"
    alt = f"A line over 2 to {int(table['groups'].max())} groups; those that count: {told}."
    return {"caption": caption, "alt": alt, "data": table}


# -- what is customers' own --------------------------------------------------------------------


def _reliable(result: Result) -> pd.DataFrame:
    table = result["behaviours"].table
    return table[table["reliability"].notna()].sort_values(
        ["own", "reliability"], ascending=False, kind="stable", ignore_index=True
    )


def _seen(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out bars of no length, where there are others."""
    longer = table["own"] | (table["reliability"] >= _LEAST_BAR)
    return table[longer] if longer.any() else table.head(1)


def own(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how much of the differences in each behaviour is customers' own.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    table = _seen(_reliable(result))
    with style():
        ax = rows_axes(ax, len(table), each=0.27)
        if table.empty:
            say_nothing(ax, "Too little was seen to tell.")
            return ax
        place = np.arange(len(table))[::-1]
        mine = table["own"].to_numpy(bool)
        bars = ax.barh(place, table["reliability"], height=0.62, color=ACCENT)
        for bar, claimed in zip(bars, mine, strict=True):
            if not claimed:
                bar.set(facecolor="white", edgecolor=UNSURE, linewidth=1)
        for y, value in zip(place, table["reliability"], strict=True):
            ax.annotate(f"{value:.0%}", (value, y), (4, 0), textcoords="offset points",
                        va="center", fontsize=NOTE)  # fmt: skip
        ax.axvline(result["differing"].meta["own_from"], color=INK, lw=1, ls=":")
        ax.set_xlim(0, 1.08)
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("Share of the differences that would return")
        names_at(ax, place.tolist(), table["term"].astype(str), mine.tolist())
    return ax


def own_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`own`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    """
    if "behaviours" not in result.parts or _reliable(result).empty:
        return {}
    table = _reliable(result)
    caption = (
        "How much of the differences between customers would return in another window as long: "
        "even weeks held against odd ones. Filled: customers' own (at least "
        f"{result['differing'].meta['own_from']:.0%}, dotted line, and beyond chance); hollow: "
        f"chance, mostly. {_about(result)}"
    )
    if left := len(table) - len(_seen(table)):
        caption += f" Not drawn: {left} of 0%."
    mine = [str(t) for t in table.loc[table["own"], "term"]]
    alt = f"Bars, a behaviour each; customers' own: {', '.join(mine) or 'none'}."
    return {"caption": caption, "alt": alt, "data": table}


_PICTURES: Mapping[str, Drawing] = {
    "own": (own, own_words),
    "gaps": (apart, apart_words),
    "set_apart": (portraits, portraits_words),
    "curves": (curves, curves_words),
    "hurt_by": (drivers, drivers_words),
}


def shown(result: Result, *names: str) -> list[Plain | Picture | Result]:
    """Give what a page shows, in the order asked for; nothing of what there is nothing of.

    Parameters
    ----------
    result : Result
        Of ``personas``.
    *names : str
        As :func:`cxlab.plots.paged.paged` takes them.
    """
    return paged(result, _PICTURES, names)
