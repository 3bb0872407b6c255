"""Pictures of interventions: what each changed, and how it came about over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import (
    beside,
    estimate,
    names_at,
    panels,
    ratio_axis,
    rows_axes,
    say_nothing,
)
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import MINUS, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["changes", "changes_words", "over_time", "over_time_words", "pictured"]

_COLOURS = {"worked": HELP, "made it worse": HARM, "fell": ACCENT, "rose": ACCENT}
_MOST_ROWS, _MOST_PANELS = 24, 6
_MAIN = "failure rate"
_MONTH = 30.4375


# -- what each changed ---------------------------------------------------------------------------


def _ratios(result: Result) -> pd.DataFrame:
    table = result.table
    if table.empty:
        return table
    known = table[(table["scale"] == "ratio") & table["estimate"].notna()]
    return known.head(_MOST_ROWS).reset_index(drop=True)


def changes(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what came of each outcome over what would have come without.

    Parameters
    ----------
    result : Result
        Of ``did_it_work``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _ratios(result)
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        told = [str(v) in _COLOURS for v in table["verdict"]]
        for y, sure, (_, row) in zip(place, told, table.iterrows(), strict=True):
            colour = _COLOURS.get(str(row["verdict"]), UNSURE)
            three = [row[c] for c in ("estimate", "conf_low", "conf_high")]
            estimate(ax, y, three, colour, hollow=not sure)
        ratio_axis(ax, table.rename(columns={"estimate": "hazard_ratio"}))
        ax.xaxis.set_major_formatter(lambda v, _: _percent(v))
        names_at(ax, place, [_label(r) for _, r in table.iterrows()], told)
        beside(ax, place, [
            (12, "Change", [_percent(v) for v in table["estimate"]]),
            (70, "Verdict", table["verdict"].astype(str).tolist()),
        ])  # fmt: skip
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.set_xlabel("Against what would have come without it", fontsize=LABEL)
    return ax


def _label(row: Any) -> str:
    what = "failures" if row["outcome"] == _MAIN else row["outcome"]
    return f"{row['intervention']}: {what}"


def _percent(ratio: float) -> str:
    text = f"{abs(100 * (ratio - 1)):.0f}%"
    if text == "0%":
        return text
    return (MINUS if ratio < 1 else "+") + text


def changes_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`changes`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``did_it_work``.
    """
    table = _ratios(result)
    if table.empty:
        return {}
    told = [f"{_label(r)} {_percent(r['estimate'])} ({r['verdict']})" for _, r in table.iterrows()]
    caption = (
        "What came over what would have come without it, with 95% intervals. Filled and bold: "
        f"beyond chance, corrected for all {int(result.table['p_value'].notna().sum())} effects. "
        f"{_about(result)}"
    )
    return {"caption": caption, "alt": f"Dots with intervals: {'; '.join(told)}.", "data": table}


def _about(result: Result) -> str:
    return f"{result.meta['customers']:,} customers, seen up to {result.meta['as_of']}."


# -- over time -----------------------------------------------------------------------------------


def _panels(result: Result) -> list[tuple[str, str, pd.DataFrame]]:
    """Give each intervention's title, its kind of picture and its rows."""
    found = []
    for kind in ("by_period", "series"):
        table = result.parts[kind].table if kind in result.parts else pd.DataFrame()
        if table.empty:
            continue
        main = table[table["outcome"] == _MAIN]
        for (what, where), rows in main.groupby(["intervention", "touchpoint"], sort=False):
            found.append((f"{what}, at {where}", kind, rows.reset_index(drop=True)))
    order = result.table[["intervention", "touchpoint"]].drop_duplicates()
    names = [f"{a}, at {b}" for a, b in order.itertuples(index=False)]
    return sorted(found, key=lambda f: names.index(f[0]))[:_MOST_PANELS]


def over_time(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw failures before and after each start, beside what would have come.

    Parameters
    ----------
    result : Result
        Of ``did_it_work``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first intervention alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    found = _panels(result) if not result.table.empty else []
    with style():
        each = panels(max(len(found), 1), 2, 3.2) if ax is None else [ax]
        if not found:
            say_nothing(each[0], "There is nothing to draw.")
            return each[0]
        for panel, (title, kind, rows) in zip(each, found, strict=False):
            if kind == "by_period":
                _draw_events(panel, rows, float(result.meta["period_days"]))
            else:
                _draw_series(panel, rows)
            panel.set_title(title, fontsize=LABEL)
    return each[0]


def _draw_events(ax: Axes, rows: pd.DataFrame, days: float) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    rows = rows[np.isfinite(rows["estimate"]) & (rows["se"] > 0)]
    months = (rows["event"].to_numpy() + 0.5) * days / _MONTH
    low, high = (np.exp(np.clip(rows[c].to_numpy(), -5, 5)) for c in ("band_low", "band_high"))
    ax.fill_between(months, low, high, color=UNSURE, alpha=0.18, lw=0, label="band of all")
    for x, (_, row) in zip(months, rows.iterrows(), strict=True):
        three = [float(np.exp(row[c])) for c in ("estimate", "conf_low", "conf_high")]
        late = row["event"] >= 0
        estimate(ax, x, three, ACCENT if late else UNSURE, upright=True, size=5, hollow=not late)
    ax.axhline(1, color=INK, lw=1, zorder=1)
    ax.axvline(0, color=INK, lw=1, ls=":", zorder=1)
    shown = rows[["conf_low", "conf_high"]].to_numpy()
    ends = np.exp(np.clip([np.min(shown), np.max(shown)], np.log(0.2), np.log(5)))
    ax.set(yscale="log", ylim=(min(ends[0], 0.5) / 1.05, max(ends[1], 2.0) * 1.05))
    ax.yaxis.set_major_locator(FixedLocator([0.2, 0.33, 0.5, 0.75, 1, 1.33, 2, 3, 5]))
    ax.yaxis.set_major_formatter(lambda v, _: _percent(v))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Months since it began", fontsize=NOTE)
    ax.set_ylabel("Beside those not reached", fontsize=NOTE)


def _draw_series(ax: Axes, rows: pd.DataFrame) -> None:
    dates = pd.DatetimeIndex(rows["week"])
    late = rows["without"].notna().to_numpy()
    ax.plot(dates, 100 * rows["rate"], "o", color=UNSURE, ms=2.5, alpha=0.7, label="each week")
    for part in (~late, late):
        ax.plot(dates[part], 100 * rows["fitted"][part], color=ACCENT, lw=2.2,
                label="as it was" if part is late else None)  # fmt: skip
    ax.plot(dates[late], 100 * rows["without"][late], color=INK, lw=1.6, ls="--",
            label="without it")  # fmt: skip
    ax.axvline(dates[late][0], color=INK, lw=1, ls=":", zorder=1)
    ax.set_ylim(0, None)
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0f}%")
    ticks = dates[:: max(1, -(-len(dates) // 4))]
    ax.set_xticks(list(ticks), list(ticks.strftime("%b %Y")), fontsize=NOTE)
    ax.set_ylabel("Failures", fontsize=NOTE)
    ax.legend(loc="lower left", fontsize=NOTE)


def over_time_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`over_time`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``did_it_work``.
    """
    found = _panels(result) if not result.table.empty else []
    if not found:
        return {}
    kinds = {kind for _, kind, _ in found}
    said = ["Dotted, upright: the start."]
    if "by_period" in kinds:
        said.append(
            "By period, failures of those reached against what those not reached went through; "
            "bars: 95% each, shaded: 95% for all periods together. Hollow: before the start, "
            "where there should be nothing."
        )
    if "series" in kinds:
        said.append(
            "Where all were reached: each week, the line before and after, and dashed the line "
            "that would have gone on. A week of too few has no dot."
        )
    told = []
    main = result.table[result.table["outcome"] == _MAIN]
    for _, row in main[main["estimate"].notna()].iterrows():
        told.append(f"{row['intervention']} {100 * row['rate']:.0f}% failures, "
                    f"{100 * row['rate_without']:.0f}% without it")  # fmt: skip
    data = pd.concat([rows for _, _, rows in found], ignore_index=True)
    alt = f"{len(found)} panels of failures before and after a start: {'; '.join(told)}."
    return {"caption": f"{' '.join(said)} {_about(result)}", "alt": alt, "data": data}


def pictured(result: Result, name: str) -> Picture | None:
    """Give a picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``did_it_work``.
    name : str
        ``changes`` or ``over_time``.
    """
    if result.table.empty:
        return None
    return next(iter(pictures(result, {name: _PICTURES[name]})), None)


_PICTURES: Mapping[str, Drawing] = {
    "changes": (changes, changes_words),
    "over_time": (over_time, over_time_words),
}
