"""Pictures of what to fix: what it brings beside what it costs, what changes when, the outlook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, beside, estimate, names_at, rows_axes, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, identities, style
from cxlab.results import Plain, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "avoided",
    "avoided_words",
    "benefit",
    "benefit_words",
    "feasibility",
    "feasibility_words",
    "outlook",
    "outlook_words",
    "said",
    "said_words",
    "shown",
]

_MOST, _FEW = 16, 5
_ALPHA = 0.05
_MOST_TICKS = 9
_DRIVER = "driver"


def _currency(result: Result) -> str:
    return str(result.meta["currency"] or "money")


def _about(result: Result) -> str:
    meta = result.meta
    return (
        f"{meta['window_churns']:,} churns of the {meta['window_days']} days up to "
        f"{meta['as_of']}, {meta['horizon_months']} months ahead. 95% intervals."
    )


def _share(result: Result) -> str:
    return f"{100 * result.meta['share']:g}%"


def _unit(result: Result) -> tuple[list[str], str]:
    """Give the columns of what a fix brings, and how that is called."""
    if result.meta["unit"] == "money":
        return ["benefit", "benefit_low", "benefit_high"], f"lifetime value, {_currency(result)}"
    return ["estimate", "conf_low", "conf_high"], "churn avoided, customers"


# -- what it brings ----------------------------------------------------------------------------


def _gains(result: Result) -> pd.DataFrame:
    columns, _ = _unit(result)
    table = result.table[result.table[columns[0]].notna()] if len(result.table) else result.table
    order = table.assign(_other=table["verdict"] != _DRIVER)
    order = order.sort_values(["_other", columns[0]], ascending=[True, False])
    return order.drop(columns="_other").head(_MOST).reset_index(drop=True)


def benefit(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what fewer failures bring at each touchpoint, and what they cost.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table, (columns, unit) = _gains(result), _unit(result)
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "No effect can be told.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        driver = (table["verdict"] == _DRIVER).tolist()
        for y, told, (_, row) in zip(place, driver, table.iterrows(), strict=True):
            three = [float(row[c]) for c in columns]
            estimate(ax, y, three, HELP if told else UNSURE, hollow=not told)
            if result.meta["unit"] == "money" and np.isfinite(row["cost"]):
                ax.plot([row["cost"]] * 2, [y - 0.3, y + 0.3], color=HARM, lw=3, zorder=4)
        _name_costs(ax, place, table, result)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        names_at(ax, place, table["touchpoint"], driver)
        if (table["owner"].map(lambda v: isinstance(v, str))).any():
            owners = [v if isinstance(v, str) else "" for v in table["owner"]]
            beside(ax, place, [(12, "Owner", owners)])
        ax.set_ylim(-0.7, len(table) - 0.3)
        low, high = _reach(table, columns, result)
        ax.set_xlim(low, high)
        _thousands(ax, "x")
        ax.set_xlabel(f"{_share(result)} fewer failures bring: {unit}", fontsize=LABEL)
    return ax


def _name_costs(ax: Axes, place: list[int], table: pd.DataFrame, result: Result) -> None:
    """Say of the uppermost upright bar what all of them are."""
    priced = [(y, c) for y, c in zip(place, table["cost"], strict=True) if np.isfinite(c)]
    if result.meta["unit"] == "money" and priced:
        y, cost = priced[0]
        ax.annotate("its cost", (cost, y + 0.3), xytext=(0, 1), textcoords="offset points",
                    ha="center", va="bottom", fontsize=NOTE, color=UNSURE)  # fmt: skip


def _reach(table: pd.DataFrame, columns: list[str], result: Result) -> tuple[float, float]:
    """Give the ends of an axis: the widest intervals of what is no driver may leave it."""
    told = table[table["verdict"] == _DRIVER]
    told = told if len(told) else table
    high = float(max(told[columns[2]].max(), table[columns[0]].max(), 0.0))
    low = float(min(told[columns[1]].min(), table[columns[0]].min(), 0.0))
    if result.meta["unit"] == "money" and table["cost"].notna().any():
        high = max(high, float(table["cost"].max()))
    room = 0.06 * (high - low or 1.0)
    return low - room, high + room


def _thousands(ax: Axes, along: str) -> None:
    axis = ax.xaxis if along == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    if abs(high - low) >= 10:
        axis.set_major_formatter(lambda v, _: f"{v:,.0f}".replace("-", "\N{MINUS SIGN}"))


def benefit_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`benefit`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    """
    table, (columns, unit) = _gains(result), _unit(result)
    if table.empty:
        return {}
    cost = result.meta["unit"] == "money" and table["cost"].notna().any()
    bars = " Upright bars: what fixing costs; it pays where the dot lies to the right." if cost \
        else ""  # fmt: skip
    caption = (
        f"What {_share(result)} fewer failures at each touchpoint bring ({unit}). Filled and bold: "
        f"drivers; hollow: nothing is claimed.{bars} {_about(result)}"
    )
    told = [f"{r['touchpoint']} {r[columns[0]]:,.0f}"
            for _, r in table[table["verdict"] == _DRIVER].iterrows()]  # fmt: skip
    alt = f"Dots with intervals by touchpoint. Drivers: {', '.join(told) or 'none'}."
    kept = ["touchpoint", "verdict", *columns, "cost", "owner"]
    return {"caption": caption, "alt": alt, "data": table[kept]}


# -- impact and feasibility --------------------------------------------------------------------


def _feasible(result: Result) -> tuple[pd.DataFrame, str]:
    """Give the drivers whose cost or ease is known, and which of the two it is."""
    table = _gains(result)
    if table.empty:
        return table, ""
    drivers = table[table["verdict"] == _DRIVER]
    by = max(("cost", "ease"), key=lambda c: int(drivers[c].notna().sum()))
    return drivers[drivers[by].notna()].reset_index(drop=True), by


def feasibility(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what fixing a driver brings against how hard it is, by cost or by ease.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    (table, by), (columns, unit) = _feasible(result), _unit(result)
    looks = identities(result.table["touchpoint"].astype(str)) if len(result.table) else {}
    with style():
        ax = axes_of(ax, 4.6)
        if table.empty:
            say_nothing(ax, "Neither the cost nor the ease of fixing a driver is known.")
            return ax
        for _, row in table.iterrows():
            look = looks[str(row["touchpoint"])]
            estimate(ax, float(row[by]), [float(row[c]) for c in columns], look.colour,
                     marker=look.marker, upright=True, size=8)  # fmt: skip
            left = _crowded(row, table, by, columns[0])
            ax.annotate(str(row["touchpoint"]), (row[by], row[columns[0]]), (-9 if left else 9, 0),
                        textcoords="offset points", va="center", fontsize=NOTE,
                        ha="right" if left else "left")  # fmt: skip
        _axes(ax, table, by, columns, result)
        ax.set_ylabel(unit[0].upper() + unit[1:], fontsize=LABEL)
    return ax


def _crowded(row: Any, table: pd.DataFrame, by: str, middle: str) -> bool:
    """Tell whether the name on the right would meet that of another driver."""
    wide, high = (float(np.ptp(table[c])) or 1.0 for c in (by, middle))
    ahead = (row[by] - table[by]) * (1 if by == "cost" else -1) / wide
    near = (ahead > 0) & (ahead < 0.2) & ((table[middle] - row[middle]).abs() < 0.08 * high)
    return bool(near.any())


def _axes(ax: Axes, table: pd.DataFrame, by: str, columns: list[str], result: Result) -> None:
    high = float(table[columns[2]].max())
    low = min(float(table[columns[1]].min()), 0.0)
    ax.set_ylim(low * 1.05, high * 1.08 if high > 0 else 1.0)
    _thousands(ax, "y")
    if by == "ease":
        ax.set_xlim(0.5, 5.9)
        ax.set_xticks(range(1, 6), ["1, hard", "2", "3", "4", "5, easy"])
        ax.set_xlabel("Ease of fixing", fontsize=LABEL)
        return
    most = float(table["cost"].max())
    # Dear on the left, cheap on the right: what is to be done first is at the upper right.
    ax.set_xlim(most * 1.12 or 1.0, -0.22 * most)
    _thousands(ax, "x")
    ax.set_xticks([t for t in ax.get_xticks() if 0 <= t <= most * 1.12])
    ax.set_xlabel(f"Cost of fixing, {_currency(result)} (cheaper to the right)", fontsize=LABEL)
    if result.meta["unit"] == "money":
        ends = np.array([0.0, most * 1.12])
        ax.plot(ends, ends, color=INK, lw=1, ls=":", zorder=1)
        ax.text(0.99, 0.97, "Above the dotted line a fix pays", transform=ax.transAxes, ha="right",
                va="top", fontsize=NOTE)  # fmt: skip


def feasibility_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`feasibility`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    """
    (table, by), (columns, unit) = _feasible(result), _unit(result)
    if table.empty:
        return {}
    how = "what it costs" if by == "cost" else "how easy it is"
    caption = (
        f"Drivers only: what {_share(result)} fewer failures bring ({unit}) against {how}. First "
        f"things first: the upper right. {_about(result)}"
    )
    told = [f"{r['touchpoint']} {r[columns[0]]:,.0f} at {by} {r[by]:,.0f}"
            for _, r in table.iterrows()]  # fmt: skip
    alt = f"Dots with upright intervals by {by}: {', '.join(told)}."
    return {"caption": caption, "alt": alt, "data": table[["touchpoint", by, *columns]]}


# -- what changes when -------------------------------------------------------------------------


def _by_month(result: Result) -> pd.DataFrame:
    """Give churn avoided by month: what would have been, then what will be."""
    found = []
    for name in ("past", "future"):
        part = result.parts.get(name)
        if part is not None and len(part.table) > 1:
            kept = part.table.iloc[:-1][["month", "estimate", "conf_low", "conf_high"]]
            found.append(kept.assign(what=name))
    if not found or not result.meta["scenario"]:
        return pd.DataFrame(columns=["month", "estimate", "conf_low", "conf_high", "what"])
    return pd.concat(found, ignore_index=True)


def avoided(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw churn avoided by month.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _by_month(result)
    with style():
        ax = axes_of(ax, 3.8)
        if table.empty:
            say_nothing(ax, "There is no change to draw.")
            return ax
        place = np.arange(len(table))
        for name, colour, marker in (("past", UNSURE, "s"), ("future", HELP, "o")):
            for x in np.flatnonzero(table["what"] == name):
                row = table.iloc[x]
                three = [row["estimate"], row["conf_low"], row["conf_high"]]
                estimate(ax, float(x), three, colour, marker=marker, upright=True, size=6)
        gone = int((table["what"] == "past").sum())
        if 0 < gone < len(table):
            ax.axvline(gone - 0.5, color=INK, lw=1, ls=":")
            ax.text(gone - 0.6, 1.0, "would have been", ha="right", va="bottom", fontsize=NOTE,
                    transform=ax.get_xaxis_transform())  # fmt: skip
            ax.text(gone - 0.4, 1.0, "will be", ha="left", va="bottom", fontsize=NOTE,
                    transform=ax.get_xaxis_transform())  # fmt: skip
        ax.set_ylim(min(float(table["conf_low"].min()), 0.0), None)
        _months(ax, place, table["month"].tolist())
        ax.set_ylabel("Churn avoided in the month", fontsize=LABEL)
    return ax


def _months(ax: Axes, place: np.ndarray, names: list[str]) -> None:
    every = max(1, -(-len(names) // _MOST_TICKS))
    ax.set_xticks(place[::every], names[::every], fontsize=NOTE)
    ax.grid(axis="x", visible=False)


def avoided_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`avoided`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    """
    table = _by_month(result)
    if table.empty:
        return {}
    changes = ", ".join(f"{n} \N{MINUS SIGN}{100 * s:g}%" for n, s, _ in result.meta["scenario"])
    caption = f"Customers who would not leave in each month, with {changes}. {_about(result)}"
    parts = []
    for name, words in (("past", "would have been"), ("future", "will be")):
        mine = table[table["what"] == name]
        if len(mine):
            first, last = mine.iloc[0], mine.iloc[-1]
            parts.append(f"{words}: {first['estimate']:.1f} in {first['month']}, "
                         f"{last['estimate']:.1f} in {last['month']}")  # fmt: skip
    alt = f"Dots with upright intervals by month; {'; '.join(parts)}."
    return {"caption": caption, "alt": alt, "data": table}


# -- the outlook -------------------------------------------------------------------------------


def _ahead(result: Result) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give who left by month, and who is forecast to with nothing changed."""
    if "forecasts" not in result.parts or result["forecasts"].table.empty:
        return pd.DataFrame(), pd.DataFrame()
    table = result["forecasts"].table
    return result["seen"].table, table[table["touchpoint"] == ""].reset_index(drop=True)


def outlook(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw who left by month, and who is forecast to, with and without the change.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    seen, ahead = _ahead(result)
    with style():
        ax = axes_of(ax, 3.8)
        if ahead.empty:
            say_nothing(ax, "No forecast is made.")
            return ax
        before = np.arange(len(seen))
        after = len(seen) + np.arange(len(ahead))
        ax.plot(before, seen["leavers"], color=INK, marker="o", ms=4, lw=1.2, label="left")
        low, high = (ahead[c].astype(float) for c in ("conf_low", "conf_high"))
        ax.fill_between(after, low, high, color=UNSURE, alpha=0.18, lw=0)
        ax.plot(after, ahead["estimate"], color=UNSURE, lw=2, label="forecast, nothing changed")
        will = result["future"].table
        if len(will) == len(ahead) + 1 and result.meta["scenario"]:
            ax.plot(after, will["leavers"].iloc[:-1], color=ACCENT, lw=2, ls="--",
                    label="forecast, changed")  # fmt: skip
        top = max(float(high.max()), float(seen["leavers"].max()) if len(seen) else 0.0)
        ax.set_ylim(0, top * 1.22 or 1.0)
        _months(ax, np.append(before, after), [*seen["month"], *ahead["month"]])
        ax.set_ylabel("Customers who leave", fontsize=LABEL)
        ax.legend(loc="upper left", ncols=3)
    return ax


def outlook_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`outlook`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    """
    seen, ahead = _ahead(result)
    if ahead.empty:
        return {}
    caption = (
        "Customers who left of their own will in each whole month, and who are forecast to; "
        f"shaded: 95% prediction interval, nothing changed. Up to {result.meta['as_of']}."
    )
    first, last = ahead.iloc[0], ahead.iloc[-1]
    alt = (
        f"A line of {len(seen)} months seen, then a forecast with a band: "
        f"{first['estimate']:.0f} in {first['month']}, {last['estimate']:.0f} in {last['month']}."
    )
    told = ahead[["month", "estimate", "conf_low", "conf_high"]]
    data = pd.concat([seen[["month", "leavers"]], told], ignore_index=True)
    return {"caption": caption, "alt": alt, "data": data}


# -- what is said of failures ------------------------------------------------------------------


def _said(result: Result) -> pd.DataFrame:
    """Give the themes that most of the churn comes with, by touchpoint."""
    if "themes" not in result.parts or result["themes"].table.empty:
        return pd.DataFrame()
    table = result["themes"].table
    told = table[(table["kind"] == "theme") & table["share"].notna()]
    most = told.sort_values("share", ascending=False, kind="stable").head(_MOST)
    return most.reset_index(drop=True)


def said(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw which share of the churn comes with what was said of failures, and which of failures.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _said(result)
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "Nothing is told of what customers say of failures.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        worse = ((table["faster_holm"] < _ALPHA) & (table["faster"] > 1)).tolist()
        for y, hurts, (_, row) in zip(place, worse, table.iterrows(), strict=True):
            three = [100 * float(row[c]) for c in ("share", "share_low", "share_high")]
            estimate(ax, y, three, HARM if hurts else UNSURE, hollow=not hurts)
            ax.plot([100 * row["failure_share"]] * 2, [y - 0.3, y + 0.3], color=INK, lw=2)
        names_at(ax, place, table["theme"], worse)
        beside(ax, place, [(12, "Failures at", table["touchpoint"].tolist())])
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.set_xlim(0, None)
        ax.set_xlabel("Share of the churn that failures there cost, percent", fontsize=LABEL)
    return ax


def said_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`said`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    """
    table = _said(result)
    if table.empty:
        return {}
    caption = (
        "What was said of failures: the share of the churn they cost at their touchpoint that "
        "comes with it. Upright bars: the share of the failures there. Filled and bold: customers "
        "leave faster than after other failures that were spoken of, beyond chance. Failures that "
        f"nobody spoke of are not drawn. All churns up to {result.meta['as_of']}; 95% intervals."
    )
    told = [f"{r['theme']} at {r['touchpoint']} {r['share']:.1%} of the churn and "
            f"{r['failure_share']:.1%} of the failures"
            for _, r in table.head(_FEW).iterrows()]  # fmt: skip
    alt = f"Dots with intervals by theme and touchpoint: {'; '.join(told)}."
    kept = ["touchpoint", "theme", "share", "share_low", "share_high", "failure_share"]
    return {"caption": caption, "alt": alt, "data": table[kept]}


def shown(result: Result, *names: str) -> list[Plain | Picture | Result]:
    """Give what a page shows: pictures, sentences and tables, of those that there are.

    Parameters
    ----------
    result : Result
        Of ``what_to_fix``.
    *names : str
        Pictures (``benefit``, ``feasibility``, ``avoided``, ``outlook``, ``said``); parts
        for reading, whose tables are shown; other parts, whose sentences are.
    """
    made: list[Plain | Picture | Result] = []
    if result.table.empty:
        return made
    for name in names:
        if name in _PICTURES:
            made += pictures(result, {name: _PICTURES[name]})
        elif name in _TABLES and name in result.parts and len(result[name].table):
            made.append(result[name])
        elif name in result.parts and name not in _TABLES and result[name].sentence:
            made.append(Plain(*result[name].sentence.splitlines()))
    return made


_PICTURES: Mapping[str, Drawing] = {
    "benefit": (benefit, benefit_words),
    "feasibility": (feasibility, feasibility_words),
    "avoided": (avoided, avoided_words),
    "outlook": (outlook, outlook_words),
    "said": (said, said_words),
}
_TABLES = ("touchpoints", "next", "pasts", "futures", "by_segment", "by_themes", "by_month")
