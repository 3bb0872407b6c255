"""Pictures of what customers are worth, and of who comes back from silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of
from cxlab.plots.style import ACCENT, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Result, counted, money

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "comeback",
    "comeback_words",
    "retention_worth",
    "retention_worth_words",
    "worth",
    "worth_words",
]

_BAND = 0.16
_MOST = 12
_TOLD = (1.0, 5.0)


def comeback(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of silent customers that came back, by how long they were silent.

    Parameters
    ----------
    result : Result
        Of ``retention``, where churn is silence.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    part = result["comeback"]
    known, window = _known(part), part.meta["window"]
    with style():
        ax = axes_of(ax, 4.2)
        whole = (known["within"] == window).to_numpy()
        ax.plot(known["days"], known["estimate"], color=ACCENT, lw=1, zorder=1)
        for row, full in zip(known.itertuples(), whole, strict=True):
            ax.plot([row.days] * 2, [row.conf_low, row.conf_high], color=ACCENT, lw=2, zorder=2)
            ax.plot(row.days, row.estimate, "o", color=ACCENT, ms=7, zorder=3,
                    markerfacecolor=ACCENT if full else "white")  # fmt: skip
        for goal in part.meta["goals"]:
            ax.axhline(float(goal), color=INK, lw=0.8, ls=(0, (1, 3)), zorder=1)
        force = float(part.meta["days"])
        ax.axvline(force, color=UNSURE, lw=1.2, ls="--", zorder=1)
        right = force > 0.6 * float(known["days"].max())
        rule = f"the rule here: {force:g} days"
        ax.annotate(rule, (force, 1), xycoords=("data", "axes fraction"),
                    xytext=(-6 if right else 6, -4), textcoords="offset points", fontsize=LABEL,
                    color=UNSURE, va="top", ha="right" if right else "left")  # fmt: skip
        ax.set_ylim(0, max(float(known["conf_high"].max()) * 1.15, 0.15))
        ax.set_xlim(0, max(float(known["days"].max()), force) * 1.04)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xticks(_sparse(known["days"].to_numpy()))
        ax.set_xlabel("Silent for so many days")
        ax.set_ylabel(f"Came back within {window} days")
    return ax


def comeback_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`comeback`.

    Parameters
    ----------
    result : Result
        Of ``retention``, where churn is silence.

    Returns
    -------
    dict
        Empty where there is nothing to draw.
    """
    part = result.parts.get("comeback")
    known = None if part is None else _known(part)
    if part is None or known is None or known.empty:
        return {}
    first, last = known.iloc[0], known.iloc[-1]
    caption = (
        f"Share of silent customers that came back: {first['estimate']:.0%} of those silent for "
        f"{first['days']} days, {last['estimate']:.0%} of those silent for {last['days']}. "
        f"{_period(part)}95% intervals; dotted: 5% and 10%."
    )
    if (known["within"] < part.meta["window"]).any():
        caption += f" Hollow: seen for less than {part.meta['window']} days."
    alt = (
        f"Dots that fall from {first['estimate']:.0%} at {first['days']} days of silence to "
        f"{last['estimate']:.0%} at {last['days']} days; the rule in force is marked at "
        f"{part.meta['days']} days."
    )
    return {"caption": caption, "alt": alt, "data": known}


def worth(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what a customer of each group is worth, with 95% intervals.

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
    part, rows = result["worth"], _groups(result["worth"])
    with style():
        ax = axes_of(ax, 1.5 + 0.42 * len(rows))
        place = np.arange(len(rows))[::-1]
        for y, row in zip(place, rows.itertuples(), strict=True):
            colour, mark = (INK, "D") if y == place[0] else (ACCENT, "o")
            ax.plot([row.conf_low, row.conf_high], [y, y], color=colour, lw=2.2, zorder=2)
            ax.plot(row.estimate, y, mark, color=colour, ms=7, zorder=3)
        ax.set_yticks(place, rows["term"])
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.set_xlim(0, float(rows["conf_high"].max()) * 1.06)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        unit = f", {part.meta['currency']}" if part.meta["currency"] else ""
        ax.set_xlabel(f"Worth of a customer over {counted(part.meta['years'], 'year')}{unit}")
        ax.grid(axis="y", visible=False)
    return ax


def worth_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`worth`.

    Parameters
    ----------
    result : Result
        Of ``retention``.

    Returns
    -------
    dict
        Empty where there are no two groups to draw.
    """
    part = result.parts.get("worth")
    if part is None or len(part.table) < 3:
        return {}
    rows, unit = _groups(part), part.meta["currency"]
    low, high = (rows.iloc[1:].loc[rows.iloc[1:]["estimate"].agg(f)] for f in ("idxmin", "idxmax"))
    told = (
        f"from {unit} {low['estimate']:,.0f} ({low['term']}) to {unit} {high['estimate']:,.0f} "
        f"({high['term']})"
    ).replace("  ", " ")
    caption = (
        f"What a customer is worth over {counted(part.meta['years'], 'year')} by "
        f"{part.meta['segment']}: {told}. {counted(int(rows['n'].iloc[0]), 'customer')}, "
        f"margin {part.meta['margin']:.0%}, discount {part.meta['discount_rate']:.0%} a year. "
        "95% intervals."
    )
    if len(rows) <= len(part.table) - 1:
        caption += f" The {len(rows) - 1} largest groups are drawn."
    alt = f"A dot and its interval a group of {part.meta['segment']}, {told}; all customers on top."
    return {"caption": caption, "alt": alt, "data": rows}


def retention_worth(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what more retention adds to the worth of today's customers.

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
    part = result["retention_worth"]
    table, meta = part.table, part.meta
    many = float(table["conf_high"].max()) >= 2e6
    scale, unit = (1e6, "million ") if many else (1.0, "")
    with style():
        ax = axes_of(ax, 4.2)
        x = np.append(0.0, table["points"])
        values, low, high = (
            np.append(0.0, table[c]) / scale for c in ("estimate", "conf_low", "conf_high")
        )
        ax.fill_between(x, low, high, color=ACCENT, alpha=_BAND, linewidth=0)
        ax.plot(x, values, color=ACCENT)
        for row in table[table["points"].isin(_TOLD)].itertuples():
            ax.plot(row.points, row.estimate / scale, "o", color=ACCENT, ms=7)
            shown = money(row.estimate, meta["currency"])
            ax.annotate(
                f"{row.term}: {shown}", (row.points, row.estimate / scale), (10, -4),
                textcoords="offset points", fontsize=LABEL, color=INK, va="top",
            )  # fmt: skip
        ax.set_xlim(0, float(table["points"].max()))
        ax.set_ylim(0, float(high.max()) * 1.05)
        ax.yaxis.set_major_formatter("{x:,.1f}" if many else "{x:,.0f}")
        ax.set_xlabel(f"Points of yearly retention added to {meta['retention'][0]:.1%}")
        of = f"{unit}{meta['currency'] or ''}".strip()
        years = counted(meta["years"], "year")
        ax.set_ylabel(f"Added over {years}{', ' + of if of else ''}")
        ax.annotate("what it costs to keep them is not taken off", (1, 0), (-6, 8),
                    xycoords="axes fraction", textcoords="offset points", fontsize=NOTE,
                    color=UNSURE, ha="right")  # fmt: skip
    return ax


def retention_worth_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`retention_worth`.

    Parameters
    ----------
    result : Result
        Of ``retention``.

    Returns
    -------
    dict
        Empty where there is nothing to draw.
    """
    part = result.parts.get("retention_worth")
    if part is None or part.table.empty:
        return {}
    table, meta = part.table, part.meta
    told = "; ".join(
        f"{r.term}: {money(r.estimate, meta['currency'])} ({money(r.conf_low)} to "
        f"{money(r.conf_high)})"
        for r in table[table["points"].isin(_TOLD)].itertuples()
    )
    last = table.iloc[-1]
    caption = (
        f"What more retention adds to the worth of {counted(int(last['n']), 'customer')} over "
        f"{counted(meta['years'], 'year')}. {told}. Margin {meta['margin']:.0%}, discount "
        f"{meta['discount_rate']:.0%} a year. 95% intervals."
    )
    alt = (
        f"A curve that rises from 0 to {money(last['estimate'], meta['currency'])} at "
        f"{last['points']:g} points, with its band."
    )
    return {"caption": caption, "alt": alt, "data": table}


def _known(part: Result) -> pd.DataFrame:
    return part.table[part.table["estimate"].notna()].reset_index(drop=True)


def _groups(part: Result) -> pd.DataFrame:
    """Give all customers, and the largest groups in the order of their worth."""
    levels = part.table.iloc[1:].nlargest(_MOST, "n").sort_values("estimate", ascending=False)
    return pd.concat([part.table.iloc[:1], levels], ignore_index=True)


def _sparse(days: np.ndarray) -> list[int]:
    """Choose days that are far enough apart to be written under an axis."""
    kept: list[int] = []
    for day in days[::-1].tolist():
        if not kept or kept[-1] - day >= 0.05 * days[-1]:
            kept.append(day)
    return kept


def _period(part: Result) -> str:
    return "{} to {}. ".format(*part.meta["period"])
