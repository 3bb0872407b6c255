"""Pictures of the driver table: what matters, what it is worth, whether it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import (
    beside,
    contrasts,
    estimate,
    names_at,
    ratio_axis,
    rows_axes,
    say_nothing,
    setting,
    whole,
    with_interval,
)
from cxlab.plots.style import ACCENT, HARM, HELP, INK, NOTE, UNSURE, WITHHELD, style
from cxlab.results import Result, counted, listed, ratio_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "effect_by_tenure",
    "effect_by_tenure_words",
    "forest",
    "forest_words",
    "worth",
    "worth_words",
]

_COLOURS = {
    "driver": HARM,
    "protective": HELP,
    "no evidence": UNSURE,
    "reverse causation suspected": WITHHELD,
}
_MARKERS = {"driver": "o", "protective": "s", "no evidence": "D"}
_RATIO = ("hazard_ratio", "conf_low", "conf_high")
_INTERVAL = ("touchpoint", "valence", *_RATIO)
_CUSTOMERS = ("attributable_churn", "attributable_churn_low", "attributable_churn_high")
_VALUE = ("value_at_risk", "value_at_risk_low", "value_at_risk_high")
_DRAWN = (*_INTERVAL, *_CUSTOMERS, "verdict")
_DRAWN_OF_ATTRIBUTES = (*_INTERVAL, "compared_with", "verdict")
_MOST_ATTRIBUTES = 40
_MOST_NAMED = 8
_COLUMNS_AT = (8, 135)
"""Where the columns of text stand, in points right of the axes."""


# -- what matters ------------------------------------------------------------------------------


def _shown(result: Result) -> pd.DataFrame:
    """Give the contrasts to draw: those with an estimate, drivers first."""
    table = result.table
    drawn = table[(table["valence"] != "contact") & table["hazard_ratio"].notna()]
    if _of_attributes(result):
        return _shown_attributes(drawn)
    order = ["attributable_churn", "hazard_ratio"]
    drivers = drawn["verdict"] == "driver"
    return pd.concat(
        [drawn[drivers].sort_values(order, ascending=False), drawn[~drivers].sort_values("rank")]
    )


def _of_attributes(result: Result) -> bool:
    return result.meta.get("form") == "snapshot"


def _shown_attributes(table: pd.DataFrame) -> pd.DataFrame:
    """Give the first attributes, numbers for a step of theirs."""
    drawn = table.sort_values("rank").head(_MOST_ATTRIBUTES)
    drawn[list(_RATIO)] = drawn[["step_ratio", "step_low", "step_high"]]
    return drawn


def forest(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw hazard ratios with 95% intervals, drivers first.

    Touchpoints go by attributable churn, attributes of a snapshot by the size of their effect.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    shown = _shown(result)
    with style():
        ax = rows_axes(ax, len(shown))
        if shown.empty:
            say_nothing(ax, "No contrast could be estimated.")
            return ax
        place = np.arange(len(shown))[::-1]
        for y, row in zip(place, shown.itertuples(), strict=True):
            hollow = row.verdict not in ("driver", "protective")
            marker = _MARKERS.get(row.verdict, "D")
            three = (row.hazard_ratio, row.conf_low, row.conf_high)
            estimate(ax, y, three, _COLOURS[row.verdict], marker=marker, hollow=hollow)
        ratio_axis(ax, shown)
        ax.set_ylim(-0.7, len(shown) - 0.3)
        names_at(ax, place, contrasts(shown), shown["verdict"] == "driver")
        what = "Hazard of leaving after one fresh bad contact, against an ordinary one"
        if _of_attributes(result):
            what = "Hazard of leaving, against those compared with"
        ax.set_xlabel(f"{what} (log scale)")
        beside(ax, place, _columns(shown))
        _sides(ax)
    return ax


def _sides(ax: Axes) -> None:
    """Say above the line at one what it means to lie at either side of it."""
    above = ax.get_xaxis_transform()
    for side, away, said in (("right", -5, "← leave less"), ("left", 5, "leave more →")):
        ax.annotate(said, (1, 1), xycoords=above, xytext=(away, 4), textcoords="offset points",
                    ha=side, va="bottom", fontsize=NOTE, color=UNSURE)  # fmt: skip


def _columns(shown: pd.DataFrame) -> list[tuple[float, str, list[str]]]:
    """Give the figures that are written beside the marks."""
    ratios = [with_interval(*row) for row in shown[list(_RATIO)].itertuples(index=False)]
    if "compared_with" in shown:  # attributes
        second = ("Compared with", [str(text) for text in shown["compared_with"]])
    else:
        second = ("Customers lost (95%)", _counts(shown, _CUSTOMERS))
    return [(_COLUMNS_AT[0], "Hazard ratio (95%)", ratios), (_COLUMNS_AT[1], *second)]


def _counts(table: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Give counts with their intervals, where they are counted."""
    return [
        "{} ({} to {})".format(*map(whole, three)) if np.isfinite(three).all() else "not counted"
        for three in table[list(names)].to_numpy(float)
    ]


def forest_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`forest`.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta, shown = result.meta, _shown(result)
    if _of_attributes(result):
        return _attribute_words(result, shown)
    drivers = shown[shown["verdict"] == "driver"]
    thin = result.table[
        (result.table["valence"] != "contact") & result.table["hazard_ratio"].isna()
    ]
    judged = len(shown) + len(thin)
    show = "shows" if len(drivers) == 1 else "show"
    caption = (
        f"Of {counted(judged, 'comparison')}, {len(drivers)} {show} a driver. "
        f"{meta['customers']:,} customers with {meta['churns']:,} voluntary churns up to "
        f"{meta['as_of']}; customers lost are those of the {meta['window_days']} days from "
        f"{meta['window_start']}. 95% intervals."
    )
    if len(thin):
        caption += f" Too little data: {listed(thin['touchpoint'], _MOST_NAMED)}."
    alt = f"Forest plot of {len(shown)} hazard ratios. Drivers: {_each(drivers)}."
    return {"caption": caption, "alt": alt, "data": shown[list(_DRAWN)]}


def _each(table: pd.DataFrame) -> str:
    """Tell each ratio for those who cannot see it."""
    told = [
        f"{r.touchpoint} {with_interval(r.hazard_ratio, r.conf_low, r.conf_high)}"
        + (f" against {r.compared_with}" if "compared_with" in table else "")
        for r in table.itertuples()
    ]
    return "; ".join(told) or "none"


def _attribute_words(result: Result, shown: pd.DataFrame) -> dict[str, Any]:
    """Give the words of :func:`forest` for a snapshot."""
    meta, every = result.meta, result.table["hazard_ratio"].notna()
    sooner, later = (int((result.table["verdict"] == v).sum()) for v in ("driver", "protective"))
    caption = (
        f"{sooner} of {every.sum()} attributes and levels {'goes' if sooner == 1 else 'go'} with "
        f"leaving sooner, {later} with leaving later, all others held equal. {meta['customers']:,} "
        f"customers with {meta['churns']:,} churns in a snapshot without dates. 95% intervals."
    )
    if len(shown) < every.sum():
        caption += f" Shown are the {len(shown)} that tell most."
    told = shown[shown["verdict"].isin(["driver", "protective"])]
    alt = f"Forest plot of {len(shown)} hazard ratios. Told from 1: {_each(told)}."
    return {"caption": caption, "alt": alt, "data": shown[list(_DRAWN_OF_ATTRIBUTES)]}


# -- what it is worth --------------------------------------------------------------------------


def _costs(result: Result) -> pd.DataFrame:
    """Give the drivers with customers lost, the costliest first."""
    table = result.table
    if table.empty or _of_attributes(result):
        return pd.DataFrame()
    drivers = table[(table["verdict"] == "driver") & table["attributable_churn"].notna()]
    return drivers.sort_values("attributable_churn", ascending=False)


def worth(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw all who left in the window, and step by step what each driver took.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    shown, left = _costs(result), result.meta.get("window_churns", 0)
    with style():
        ax = rows_axes(ax, len(shown) + 2, 0.4)
        if shown.empty:
            say_nothing(ax, "No driver has customers lost to count.")
            return ax
        place = np.arange(len(shown) + 2)[::-1]
        ax.barh(place[0], left, 0.6, color=UNSURE)
        edge = float(left)
        for y, row in zip(place[1:], shown.itertuples(), strict=False):
            ax.plot([edge] * 2, [y + 1.3, y - 0.3], color=INK, lw=0.8, ls=":", zorder=1)
            ax.barh(y, row.attributable_churn, 0.6, edge - row.attributable_churn, color=HARM)
            ends = [edge - row.attributable_churn_high, edge - row.attributable_churn_low]
            ax.plot(ends, [y, y], color=INK, lw=1.5, zorder=3)
            edge -= row.attributable_churn
        ax.plot([edge] * 2, [1.3, -0.3], color=INK, lw=0.8, ls=":", zorder=1)
        ax.barh(0, edge, 0.6, color=WITHHELD)
        ax.set_xlim(0, 1.02 * left)
        ax.set_ylim(-0.6, len(place) - 0.4)
        names = ["all who left", *contrasts(shown), "not through these"]
        names_at(ax, place, names, [False, *[True] * len(shown), False])
        ax.set_xlabel(f"Customers who left in the {result.meta['window_days']} days")
        beside(ax, place, _worth_columns(shown, left, edge))
    return ax


def _worth_columns(
    shown: pd.DataFrame, left: int, edge: float
) -> list[tuple[float, str, list[str]]]:
    """Give the figures beside the steps, and the odds where there are any."""
    lost = [whole(left), *_counts(shown, _CUSTOMERS), whole(edge)]
    columns: list[tuple[float, str, list[str]]] = [(_COLUMNS_AT[0], "Customers (95%)", lost)]
    if shown["top3_probability"].notna().any():
        odds = [f"{p:.0%}" for p in shown["top3_probability"]]
        columns.append((_COLUMNS_AT[1], "Among the top 3", ["", *odds, ""]))
    return columns


def worth_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`worth`; empty without drivers.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta, shown, left = result.meta, _costs(result), result.meta.get("window_churns", 0)
    if shown.empty or not left:
        return {}
    rest = left - shown["attributable_churn"].sum()
    caption = (
        f"{left:,} customers left of their own will in the {meta['window_days']} days from "
        f"{meta['window_start']}. Each step is what one driver took, with its 95% interval, taken "
        f"by itself. Some customers are in two steps, so that the steps together say too much, and "
        f"the last bar ({whole(rest)}) too little: it is drawn as if nobody were counted twice."
    )
    if shown["top3_probability"].notna().any():
        caption += (
            " Among the top 3: how often, with customers drawn anew, it is one of the three that "
            "cost most."
        )
    lost = zip(contrasts(shown), _counts(shown, _CUSTOMERS), strict=True)
    alt = f"Waterfall of {left:,} customers who left. " + "; ".join(f"{t}: {n}" for t, n in lost)
    data = shown[
        ["touchpoint", "valence", *_CUSTOMERS, "attributable_share", *_VALUE, "top3_probability"]
    ]
    return {"caption": caption, "alt": f"{alt}.", "data": data}


# -- whether it changes with tenure ------------------------------------------------------------


def _changing(result: Result) -> pd.DataFrame:
    """Give the effects that change: term, and the ratios early and late with their limits."""
    part = result.parts.get("by_tenure")
    table = part.table if part else pd.DataFrame()
    if table.empty:
        return table
    if not _of_attributes(result):
        spans = {"early": "short", "late": "long"}
        ends = {"": "hazard_ratio", "_low": "conf_low", "_high": "conf_high"}
        names = {f"{c}_{s}": f"{n}{e}" for n, s in spans.items() for e, c in ends.items()}
        table = table.rename(columns={"touchpoint": "term", **names})
    return table[table["changes"].astype(bool) & (table["early"].notna() | table["late"].notna())]


def _spans(result: Result) -> tuple[str, str]:
    """Name the two tenures that are compared."""
    if _of_attributes(result):
        return str(result.meta["early_span"]), "later"
    return "short tenure", "long tenure"


def effect_by_tenure(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the hazard ratios that change with tenure, early and late.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    shown = _changing(result)
    with style():
        ax = rows_axes(ax, max(len(shown), 2), 0.5)
        if shown.empty:
            say_nothing(ax, result["by_tenure"].sentence)
            return ax
        place = np.arange(len(shown))[::-1]
        first, second = _spans(result)
        looks = (
            ("early", first, "o", INK, True, 0.14),
            ("late", second, "s", ACCENT, False, -0.14),
        )
        spread = []
        for name, label, marker, colour, hollow, up in looks:
            columns = [name, f"{name}_low", f"{name}_high"]
            spread.append(shown[columns].set_axis(list(_RATIO), axis=1))
            for y, three in zip(place, shown[columns].to_numpy(float), strict=True):
                estimate(ax, y + up, three, colour, marker=marker, hollow=hollow)
            face = "white" if hollow else colour
            ax.plot([], [], marker, color=colour, markerfacecolor=face, label=label)
        ratio_axis(ax, pd.concat(spread))
        ax.set_ylim(-0.6, len(shown) - 0.4)
        names_at(ax, place, shown["term"], [False] * len(shown))
        against = "those compared with" if _of_attributes(result) else "an ordinary contact"
        ax.set_xlabel(f"Hazard of leaving, against {against} (log scale)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def effect_by_tenure_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`effect_by_tenure`, if any changes.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta, shown = result.meta, _changing(result)
    if shown.empty:
        return {}
    if _of_attributes(result):
        rest = (
            f"{meta['customers']:,} customers with {meta['churns']:,} churns in a snapshot without "
            "dates, about half of them in each span. 95% intervals; a mark that is missing cannot "
            "be told."
        )
    else:
        rest = f"{setting(result)} 95% intervals."
    first, second = _spans(result)
    caption = f"Effects that change with tenure. Rings: {first}; squares: {second}. {rest}"
    each = []
    for r in shown.itertuples():
        spans = (("early", r.early), ("late", r.late))
        each.append(" ".join([r.term, *(f"{ratio_text(v)} {n}" for n, v in spans if v == v)]))
    alt = f"Hazard ratios early and late in tenure: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": shown}
