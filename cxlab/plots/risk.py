"""Pictures of who is likely to leave: how right risks were, what for, and who has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, beside, estimate, names_at, panels, rows_axes, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, HARM, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "by_day",
    "by_day_words",
    "calibration",
    "calibration_words",
    "decision",
    "decision_words",
    "league",
    "league_words",
    "lift",
    "lift_words",
    "pictured",
    "spread",
    "spread_words",
]

_ENDS = ["estimate", "conf_low", "conf_high"]
_COIN = 0.5
_MOST_DATES = 6
_RULE = "two-variable rule"


def _about(result: Result) -> str:
    meta = result.meta
    return (
        f"{meta['judged']:,} customers judged on {meta['days']} days, {meta['period'][0]} to "
        f"{meta['period'][1]}; {meta['leavers']:,} left within {meta['horizon_days']} days. 95% "
        "intervals."
    )


def _table(result: Result, part: str) -> pd.DataFrame:
    return result[part].table if part in result.parts else pd.DataFrame()


def _percent(x: float) -> str:
    return f"{100 * x:.1f}%" if x < 0.1 else f"{100 * x:.0f}%"


# -- which model -------------------------------------------------------------------------------


def league(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how well each model told who leaves, from simple to flexible.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = result.table
    with style():
        ax = rows_axes(ax, len(table))
        if table.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = (len(table) - 1 - np.arange(len(table))).tolist()
        used = table["used"].astype(bool).tolist()
        for y, mine, (_, row) in zip(place, used, table.iterrows(), strict=True):
            estimate(ax, y, [row[c] for c in _ENDS], ACCENT if mine else UNSURE, hollow=not mine)
        ax.axvline(_COIN, color=INK, lw=1, ls=":", zorder=1)
        names_at(ax, place, table["model"].astype(str), used)
        beside(ax, place, [
            (12, "AUC", [f"{x:.2f}" for x in table["estimate"]]),
            (60, "Brier", [f"{x:.4f}" for x in table["brier"]]),
        ])  # fmt: skip
        ax.set_ylim(-0.7, len(table) - 0.3)
        ax.set_xlabel("AUC on later days (dotted: a coin)", fontsize=LABEL)
    return ax


def league_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`league`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = result.table
    if table.empty:
        return {}
    told = [f"{r['model']} {r['estimate']:.2f}" for _, r in table.iterrows()]
    caption = (
        "From simple to flexible; bold and filled: the one that is used. Brier score: the mean "
        "square of what was told less what came; less is better. As chosen then: on each day the "
        f"model that earlier days would have chosen. {_about(result)}"
    )
    alt = f"Dots with intervals of AUC by model: {', '.join(told)}."
    return {"caption": caption, "alt": alt, "data": table}


# -- are they right ----------------------------------------------------------------------------


def calibration(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share that left against the risk that was told.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _table(result, "calibration")
    with style():
        ax = axes_of(ax, 4.6, 6.4)
        if table.empty:
            say_nothing(ax, "There is nothing to draw.")
            return ax
        far = 1.08 * float(max(table["told"].max(), table["conf_high"].max()))
        ax.plot([0, far], [0, far], color=INK, lw=1, ls=":", zorder=1)
        for x, y, said in (
            (0.02, 0.98, "more left than told"),
            (0.98, 0.02, "fewer left than told"),
        ):
            ax.text(x, y, said, transform=ax.transAxes, fontsize=NOTE, color=UNSURE, style="italic",
                    ha="left" if x < y else "right", va="top" if x < y else "bottom")  # fmt: skip
        for _, row in table.iterrows():
            estimate(ax, row["told"], [row[c] for c in _ENDS], ACCENT, upright=True, size=6)
        ax.set(xlim=(0, far), ylim=(0, far))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.set_xlabel("Risk told (mean of a tenth of customers)", fontsize=LABEL)
        ax.set_ylabel("Share that left", fontsize=LABEL)
    return ax


def calibration_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`calibration`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = _table(result, "calibration")
    if table.empty:
        return {}
    told = [f"{_percent(r['told'])} told, {_percent(r['estimate'])} came"
            for _, r in table.iterrows()]  # fmt: skip
    caption = (
        "Customers in tenths by the risk they were told. On the dotted line as many left as told; "
        f"above it more. {_about(result)}"
    )
    return {"caption": caption, "alt": f"Dots with intervals: {'; '.join(told)}.", "data": table}


# -- what they are good for --------------------------------------------------------------------


def decision(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the net benefit of acting on risks, by the threshold from which one acts.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _table(result, "decision")
    with style():
        ax = axes_of(ax, 4.2)
        if table.empty:
            say_nothing(ax, "There is nothing to draw.")
            return ax
        used = str(result.meta["used"])
        mine, rule = (table[table["model"] == name] for name in (used, _RULE))
        x = mine["threshold"].to_numpy()
        ax.fill_between(x, 1000 * mine["conf_low"], 1000 * mine["conf_high"], color=ACCENT,
                        alpha=0.15, lw=0)  # fmt: skip
        ax.plot(x, 1000 * mine["estimate"], color=ACCENT, lw=2.2, label=used, zorder=4)
        if used != _RULE:
            ax.plot(rule["threshold"], 1000 * rule["estimate"], color=UNSURE, ls="-.", label=_RULE)
        ax.plot(x, 1000 * mine["all_estimate"], color=HARM, ls="--", label="act on everybody")
        ax.axhline(0, color=INK, lw=1, ls=":", label="act on nobody")
        top = 1000 * float(mine["conf_high"].max())
        ax.set_ylim(-0.2 * top, 1.05 * top)
        ax.set_xlim(x.min(), x.max())
        ax.xaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.set_xlabel("Act from this risk on", fontsize=LABEL)
        ax.set_ylabel("Net benefit: leavers\nreached in 1,000 customers", fontsize=LABEL)
        ax.legend(loc="upper right")
    return ax


def decision_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`decision`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = _table(result, "decision")
    if table.empty:
        return {}
    mine = table[table["model"] == result.meta["used"]]
    best = mine.loc[mine["gain"].idxmax()]
    caption = (
        "Decision curve. Who acts from a risk of 5% on holds one leaver reached to be worth 19 "
        "others reached in vain; the curve is leavers reached, less what the others cost. The "
        f"band is the interval. {_about(result)}"
    )
    alt = (
        f"Lines of net benefit by threshold from {_percent(mine['threshold'].min())} to "
        f"{_percent(mine['threshold'].max())}: the most over acting on all or nobody, "
        f"{1000 * best['gain']:.1f} in 1,000, at {_percent(best['threshold'])}."
    )
    return {"caption": caption, "alt": alt, "data": table}


def lift(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what part of those who left was among the highest risks.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _table(result, "lift")
    with style():
        ax = axes_of(ax, 3.8, 7.6)
        if table.empty:
            say_nothing(ax, "There is nothing to draw.")
            return ax
        used = str(result.meta["used"])
        looks = {used: (ACCENT, "o", "-"), _RULE: (UNSURE, "s", "-.")}
        for shift, name in ((-0.003, used), (0.003, _RULE)):
            mine = table[table["model"] == name]
            if mine.empty or (name == _RULE and used == _RULE and shift > 0):
                continue
            colour, marker, dashes = looks[name]
            x = mine["share"] + shift
            ax.plot(x, mine["estimate"], color=colour, ls=dashes, lw=1, marker=marker, ms=6,
                    label=name, zorder=3)  # fmt: skip
            ax.vlines(x, mine["conf_low"], mine["conf_high"], color=colour, lw=2)
        ends = [0, float(table["share"].max()) + 0.02]
        ax.plot(ends, ends, color=INK, lw=1, ls=":", label="a draw")
        ax.set(xlim=(0, ends[1]), ylim=(0, min(1.0, 1.08 * float(table["conf_high"].max()))))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.set_xlabel("Customers with the highest risk", fontsize=LABEL)
        ax.set_ylabel("Of those who left", fontsize=LABEL)
        ax.legend(loc="upper left")
    return ax


def lift_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`lift`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = _table(result, "lift")
    if table.empty:
        return {}
    mine = table[table["model"] == result.meta["used"]]
    told = [f"{_percent(r['estimate'])} among the top {_percent(r['share'])}"
            for _, r in mine.iterrows()]  # fmt: skip
    caption = (
        "How many of those who left one reaches by beginning with the highest risks; dotted: by "
        f"beginning anywhere. {_about(result)}"
    )
    return {"caption": caption, "alt": f"Of those who left: {', '.join(told)}.", "data": table}


# -- day by day --------------------------------------------------------------------------------


def by_day(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw on each day how well risks told who left, and how many left for those told.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the areas alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _days(result)
    with style():
        each = panels(2, 1, 2.2, sharex=True) if ax is None else [ax]
        if table.empty:
            say_nothing(each[0], "There are too few days to draw.")
            return each[0]
        place = np.arange(len(table))
        for x, (_, row) in zip(place, table.iterrows(), strict=True):
            estimate(each[0], float(x), [row[c] for c in _ENDS], ACCENT, upright=True, size=6)
        each[0].axhline(_COIN, color=INK, lw=1, ls=":")
        each[0].set_ylabel("AUC", fontsize=LABEL)
        if ax is None:
            _draw_level(each[1], place, table)
        every = max(1, -(-len(table) // _MOST_DATES))
        each[-1].set_xticks(place[::every], table["day"].tolist()[::every], fontsize=NOTE)
        for panel in each:
            panel.grid(axis="x", visible=False)
    return each[0]


def _draw_level(ax: Axes, place: np.ndarray, table: pd.DataFrame) -> None:
    for x, (_, row) in zip(place, table.iterrows(), strict=True):
        three = [np.exp(row[c]) for c in ("intercept", "intercept_low", "intercept_high")]
        estimate(ax, float(x), three, ACCENT, upright=True, size=6)
    ax.axhline(1, color=INK, lw=1, ls=":")
    ax.set_ylabel("Odds of leaving,\ncame to told", fontsize=LABEL)


def _days(result: Result) -> pd.DataFrame:
    table = _table(result, "by_day")
    table = table[table["estimate"].notna()] if len(table) else table
    return table.reset_index(drop=True) if len(table) > 1 else table.iloc[:0]


def by_day_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`by_day`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = _days(result)
    if table.empty:
        return {}
    caption = (
        "Each day by itself. Below: odds of leaving as they came, to those told; 1 is right, "
        f"above it more left. Horizons overlap, so that neighbours are alike. {_about(result)}"
    )
    alt = (
        f"Dots over {len(table)} days: AUC between {table['estimate'].min():.2f} and "
        f"{table['estimate'].max():.2f}; odds came to told between "
        f"{np.exp(table['intercept'].min()):.2f} and {np.exp(table['intercept'].max()):.2f}."
    )
    return {"caption": caption, "alt": alt, "data": table}


# -- who has them ------------------------------------------------------------------------------


def spread(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the risks of customers there now, in equal groups, the least first.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _table(result, "spread")
    with style():
        ax = axes_of(ax, 3.4)
        if table.empty:
            say_nothing(ax, "There is nobody to draw.")
            return ax
        upto = np.cumsum(table["customers"]) / table["customers"].sum()
        width = table["customers"] / table["customers"].sum()
        ax.bar(upto - width / 2, table["told"], width=0.86 * width, color=ACCENT)
        rate = float(result.meta["rate"])
        ax.axhline(rate, color=INK, lw=1, ls=":")
        text = "share that left, when judged"
        ax.annotate(text, (0.01, rate), (0, 4), textcoords="offset points", fontsize=NOTE)
        ax.set_xlim(0, 1)
        ax.xaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.yaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        ax.grid(axis="x", visible=False)
        ax.set_xlabel("Customers there now, by risk", fontsize=LABEL)
        ax.set_ylabel("Risk told (mean)", fontsize=LABEL)
    return ax


def spread_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`spread`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    """
    table = _table(result, "spread")
    if table.empty:
        return {}
    meta = result.meta
    caption = (
        f"The {meta['customers']:,} customers there at {meta['as_of']} in equal groups by their "
        f"risk of leaving within {meta['horizon_days']} days; {meta['expected']:,.0f} are expected "
        "to leave."
    )
    first, last = table.iloc[0], table.iloc[-1]
    alt = f"Bars rising from {_percent(first['told'])} to {_percent(last['told'])}."
    return {"caption": caption, "alt": alt, "data": table}


def pictured(result: Result, name: str) -> Picture | None:
    """Give a picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``churn_risk``.
    name : str
        ``league``, ``calibration``, ``decision``, ``lift``, ``by_day`` or ``spread``.
    """
    if result.table.empty:
        return None
    return next(iter(pictures(result, {name: _PICTURES[name]})), None)


_PICTURES: Mapping[str, Drawing] = {
    "league": (league, league_words),
    "calibration": (calibration, calibration_words),
    "decision": (decision, decision_words),
    "lift": (lift, lift_words),
    "by_day": (by_day, by_day_words),
    "spread": (spread, spread_words),
}
