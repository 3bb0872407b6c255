"""Pictures of which signal tells best who leaves: the league, differences, and how early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import beside, estimate, names_at, panels, rows_axes, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, INK, LABEL, NOTE, UNSURE, Identity, identities, style
from cxlab.results import MINUS, Result, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "before_the_end",
    "before_the_end_words",
    "by_day",
    "by_day_words",
    "differences",
    "differences_words",
    "league",
    "league_words",
    "pictured",
]

_COIN = 0.5
_ENDS = ["estimate", "conf_low", "conf_high"]
_MOST_ROWS, _MOST_PANELS, _MOST_DATES = 24, 6, 6
_EVERYTHING = "everything"


def _looks(result: Result) -> dict[str, Identity]:
    """Give each signal the look it has in all pictures."""
    return identities(result.table["signal"].astype(str))


def _named(signal: str) -> str:
    return metric_label(signal)


def _coin(ax: Axes, along: str = "x") -> None:
    line = ax.axvline if along == "x" else ax.axhline
    line(_COIN, color=INK, lw=1, ls=":", zorder=1)


def _about(result: Result) -> str:
    meta = result.meta
    return (
        f"{meta['customers']:,} customers judged on {meta['days']} days, {meta['period'][0]} to "
        f"{meta['period'][1]}; {meta['leavers']:,} left within {meta['horizon_days']} days, from "
        f"{meta['lead_days']} days on. 95% intervals."
    )


# -- the league --------------------------------------------------------------------------------


def league(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how well each signal tells who leaves, the best at the top.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = result.table.sort_values("estimate", ascending=False).head(_MOST_ROWS)
    looks = _looks(result)
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        for y, (_, row) in zip(place, table.iterrows(), strict=True):
            look = looks[str(row["signal"])]
            estimate(ax, y, [row[c] for c in _ENDS], look.colour, marker=look.marker)
        _coin(ax)
        names_at(ax, place, map(_named, table["signal"]), [False] * len(table))
        beside(ax, place, [
            (12, "AUC", [f"{x:.2f}" for x in table["estimate"]]),
            (60, "In the top 10%", [f"{100 * x:.0f}% of leavers" for x in table["captured"]]),
        ])  # fmt: skip
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.set_xlabel("AUC (dotted: a coin)", fontsize=LABEL)
    return ax


def league_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`league`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    """
    table = result.table.sort_values("estimate", ascending=False).head(_MOST_ROWS)
    if table.empty:
        return {}
    told = [f"{_named(str(r['signal']))} {r['estimate']:.2f}" for _, r in table.iterrows()]
    caption = (
        "AUC: how often the higher risk was told for the customer who left, of one who left and "
        "one who stayed. Beside it: of those who left, how many were among the tenth with the "
        f"highest risk. {_about(result)}"
    )
    alt = f"Dots with intervals by signal, the best at the top: {', '.join(told)}."
    return {"caption": caption, "alt": alt, "data": table}


# -- differences -------------------------------------------------------------------------------


def _gaps(result: Result) -> pd.DataFrame:
    if "differences" not in result.parts:
        return pd.DataFrame()
    table = result["differences"].table
    return table[table["measure"] == "AUC"].head(_MOST_ROWS).reset_index(drop=True)


def differences(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how much better one signal tells than another, on the same customers.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _gaps(result)
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        clear = (table["p_holm"] < 0.05).tolist()
        for y, told, (_, row) in zip(place, clear, table.iterrows(), strict=True):
            colour = ACCENT if told else UNSURE
            estimate(ax, y, [row[c] for c in _ENDS], colour, hollow=not told)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        names = [f"{_named(a)} less {_named(b)}"
                 for a, b in zip(table["signal"], table["against"], strict=True)]  # fmt: skip
        names_at(ax, place, names, clear)
        beside(ax, place, [(12, "Difference", [_signed(x) for x in table["estimate"]])])
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.set_xlabel("Difference in AUC (right: the first tells better)", fontsize=LABEL)
    return ax


def _signed(x: float) -> str:
    text = f"{abs(x):.2f}"
    sign = "" if text == "0.00" else "+" if x > 0 else MINUS
    return sign + text


def differences_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`differences`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    """
    table = _gaps(result)
    if table.empty:
        return {}
    clear = table[table["p_holm"] < 0.05]
    told = [f"{_named(str(r['signal']))} less {_named(str(r['against']))} {_signed(r['estimate'])}"
            for _, r in clear.iterrows()]  # fmt: skip
    text = "; ".join(told) or "none"
    caption = (
        "Each pair on the same customers, so that what both share cancels. Filled and bold: told "
        f"from none at 5%, corrected for all {len(table)} pairs. {_about(result)}"
    )
    alt = f"Dots with intervals by pair of signals. Told from none: {text}."
    return {"caption": caption, "alt": alt, "data": table}


# -- how early ---------------------------------------------------------------------------------


def _early(result: Result) -> tuple[list[str], pd.DataFrame]:
    """Give the signals drawn, the best of the single ones first, and their rows."""
    if "before_the_end" not in result.parts:
        return [], pd.DataFrame()
    table = result["before_the_end"].table
    known = table[table["estimate"].notna()]
    order = result.table.sort_values("estimate", ascending=False)["signal"].astype(str)
    singles = [*result.meta["metrics"], "behaviour", result.meta["base"]]
    names = [s for s in order if s in singles][: _MOST_PANELS - 1]
    names = [_EVERYTHING, *names]
    names = [s for s in names if s in set(known["signal"])]
    return names, known[known["signal"].isin(names)].reset_index(drop=True)


def before_the_end(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how well each signal names those who leave soon, and those who leave late.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first signal alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names, rows = _early(result)
    looks = _looks(result)
    with style():
        each = panels(max(len(names), 1), 3, 2.5, sharey=True) if ax is None else [ax]
        if not names:
            say_nothing(each[0], "Too few customers left.")
            return each[0]
        for panel, name in zip(each, names, strict=False):
            _draw_windows(panel, rows[rows["signal"] == name], looks[name], name)
        if ax is None:
            each[0].figure.supxlabel("Days until the customer left", fontsize=LABEL)
            each[0].figure.supylabel("AUC", fontsize=LABEL)
    return each[0]


def _draw_windows(ax: Axes, rows: pd.DataFrame, look: Identity, name: str) -> None:
    place = np.arange(len(rows))
    ax.plot(place, rows["estimate"], color=look.colour, lw=1, ls=look.dashes, zorder=2)
    for x, (_, row) in zip(place, rows.iterrows(), strict=True):
        estimate(ax, float(x), [row[c] for c in _ENDS], look.colour, marker=look.marker,
                 upright=True, size=6)  # fmt: skip
    _coin(ax, "y")
    labels = [_window(r) for _, r in rows.iterrows()]
    ax.set_xticks(place, labels, fontsize=NOTE)
    ax.set_xlim(-0.5, len(rows) - 0.5)
    ax.grid(axis="x", visible=False)
    ax.set_title(_named(name), fontsize=LABEL)


def _window(row: Any) -> str:
    return f"{int(row['days_from']) + 1}–{int(row['days_to'])}"


def before_the_end_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`before_the_end`.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    """
    names, rows = _early(result)
    if not names:
        return {}
    told = []
    for name in names:
        mine = rows[rows["signal"] == name]
        first, last = mine.iloc[0], mine.iloc[-1]
        told.append(f"{_named(name)} {first['estimate']:.2f} at {_window(first)} days, "
                    f"{last['estimate']:.2f} at {_window(last)}")  # fmt: skip
    caption = (
        "The same risks, held against those who left so many days later; a signal that falls to "
        f"the dotted line (a coin) warns late. {_about(result)}"
    )
    alt = f"{len(names)} small panels of AUC by days until leaving: {'; '.join(told)}."
    return {"caption": caption, "alt": alt, "data": rows}


# -- day by day --------------------------------------------------------------------------------


def _days(result: Result) -> tuple[list[str], pd.DataFrame]:
    if "by_day" not in result.parts:
        return [], pd.DataFrame()
    table = result["by_day"].table
    rows = table[table["estimate"].notna()]
    names = [s for s in result.meta["main"] if s in set(rows["signal"])]
    rows = rows[rows["signal"].isin(names)].reset_index(drop=True)
    return (names, rows) if len(set(rows["day"])) > 1 else ([], rows)


def by_day(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how well the two main signals told on each day.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names, rows = _days(result)
    looks = _looks(result)
    with style():
        ax = panels(1, 1, 3.2)[0] if ax is None else ax
        if not names:
            say_nothing(ax, "There are too few days to draw.")
            return ax
        days = sorted(set(rows["day"]))
        at = {day: i for i, day in enumerate(days)}
        for shift, name in zip(np.linspace(-0.12, 0.12, len(names)), names, strict=True):
            mine, look = rows[rows["signal"] == name], looks[name]
            place = np.array([at[d] for d in mine["day"]]) + shift
            ax.plot(place, mine["estimate"], color=look.colour, lw=1, ls=look.dashes,
                    marker=look.marker, ms=6, label=_named(name), zorder=3)  # fmt: skip
            ax.vlines(place, mine["conf_low"], mine["conf_high"], color=look.colour, lw=2)
        _coin(ax, "y")
        every = max(1, -(-len(days) // _MOST_DATES))
        ax.set_xticks(np.arange(len(days))[::every], days[::every], fontsize=NOTE)
        ax.grid(axis="x", visible=False)
        ax.set_ylabel("AUC", fontsize=LABEL)
        ax.legend(loc="upper left", ncols=len(names), bbox_to_anchor=(0, 1.15))
    return ax


def by_day_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`by_day`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    """
    names, rows = _days(result)
    if not names:
        return {}
    caption = (
        "Each day by itself, by those who left after it; horizons overlap, so that neighbours are "
        f"alike. Dotted: a coin. {_about(result)}"
    )
    spans = []
    for name in names:
        mine = rows.loc[rows["signal"] == name, "estimate"]
        spans.append(f"{_named(name)} between {mine.min():.2f} and {mine.max():.2f}")
    alt = f"Lines over {rows['day'].nunique()} days: {'; '.join(spans)}."
    return {"caption": caption, "alt": alt, "data": rows}


def pictured(result: Result, name: str) -> Picture | None:
    """Give a picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``early_warning``.
    name : str
        ``league``, ``differences``, ``before_the_end`` or ``by_day``.
    """
    if result.table.empty:
        return None
    return next(iter(pictures(result, {name: _PICTURES[name]})), None)


_PICTURES: Mapping[str, Drawing] = {
    "league": (league, league_words),
    "differences": (differences, differences_words),
    "before_the_end": (before_the_end, before_the_end_words),
    "by_day": (by_day, by_day_words),
}
