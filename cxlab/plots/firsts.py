"""Pictures of experience metrics: how soon customers get there, and what moves first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxlab.plots.marks import axes_of, estimate, panels, say_nothing
from cxlab.plots.style import ACCENT, INK, LABEL, UNSURE, style
from cxlab.results import Result, counted, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["lead_lag", "lead_lag_words", "to_value", "to_value_words"]

_MOST_LEADS = 6
_BAND = 0.15


# -- how soon ----------------------------------------------------------------------------------


def to_value(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the share of new customers that has reached the moment of value, by day.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``, with ``to_value``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    table = result["to_value"].table
    with style():
        ax = axes_of(ax, 3.6)
        ax.fill_between(table["day"], table["conf_low"], table["conf_high"], color=ACCENT,
                        alpha=_BAND, lw=0)  # fmt: skip
        ax.plot(table["day"], table["estimate"], color=ACCENT)
        for day in (30, 90):
            ax.axvline(day, color=INK, lw=0.8, ls=(0, (1, 3)), zorder=1)
        ax.set_ylim(0, min(1.0, float(table["conf_high"].max()) * 1.1 + 0.01))
        ax.set_xlim(0, float(table["day"].max()))
        ax.set_xticks(np.arange(0, float(table["day"].max()) + 1, 30))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("Days since the start")
        ax.set_ylabel("Of new customers")
    return ax


def to_value_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`to_value`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    if "to_value" not in result.parts:
        return {}
    part = result["to_value"]
    meta, last = part.meta, part.table.iloc[-1]
    what = "success" if meta["outcome"] else "contact"
    caption = (
        f"Share of new customers with a first {what} at {meta['touchpoint']} by days since their "
        f"start: {last['estimate']:.0%} by day {last['day']:.0f}. "
        f"{counted(meta['customers'], 'customer')} who started within the feed, of whom "
        f"{meta['left_first']:,} left first. 95% intervals."
    )
    alt = (
        f"A rising curve from {part.table['estimate'].iloc[0]:.0%} to {last['estimate']:.0%} at "
        f"day {last['day']:.0f}."
    )
    return {"caption": caption, "alt": alt, "data": part.table}


# -- what moves first --------------------------------------------------------------------------


def _led(result: Result) -> list[str]:
    table = result["lead_lag"].table
    if table.empty:
        return []
    first = table.groupby("metric", sort=False)["p_value"].first().sort_values(kind="stable")
    return [str(m) for m in first.index[:_MOST_LEADS]]


def lead_lag(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how each metric goes with churn before and after it, a panel a metric.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first metric alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    names = _led(result)
    with style():
        each = panels(max(len(names), 1), 3, 2.2, sharey=True) if ax is None else [ax]
        if not names:
            say_nothing(each[0], "There is nothing to compare over time.")
            return each[0]
        table = result["lead_lag"].table
        for panel, name in zip(each, names, strict=False):
            rows = table[table["metric"] == name]
            told = str(rows["verdict"].iloc[0])
            for row in rows.itertuples():
                clear = told != "cannot be told" and row.conf_low * row.conf_high > 0
                three = (row.estimate, row.conf_low, row.conf_high)
                estimate(panel, row.lag, three, ACCENT if clear else UNSURE, hollow=not clear,
                         upright=True, size=5)  # fmt: skip
            panel.axhline(0, color=INK, lw=1, zorder=1)
            panel.set_title(
                f"{metric_label(name)}: {told}", fontsize=LABEL - 1, fontweight="normal"
            )
            panel.set_xticks(rows["lag"].tolist())
            panel.grid(axis="x", visible=False)
        if ax is None:
            unit = result["lead_lag"].meta["unit"]
            each[0].figure.supxlabel(
                f"{unit.capitalize()}s by which the metric is ahead of churn", fontsize=LABEL
            )
            each[0].figure.supylabel("Correlation with churn", fontsize=LABEL)
    return each[0]


def lead_lag_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`lead_lag`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``experience_metrics``.
    """
    names = _led(result)
    if not names:
        return {}
    table = result["lead_lag"].table
    shown = table[table["metric"].isin(names)].reset_index(drop=True)
    few, many = int(shown["groups"].min()), int(shown["groups"].max())
    groups = f"{few} to {many}" if few < many else f"{many}"
    told = shown.drop_duplicates("metric")
    text = "; ".join(f"{metric_label(str(r['metric']))} {r['verdict']}" for _, r in told.iterrows())
    caption = (
        f"Correlation of each metric with churn that many {result['lead_lag'].meta['unit']}s "
        f"later; left of 0: earlier. {groups} groups of customers, "
        f"{shown['periods'].max()} periods, what all share and what each group always has taken "
        f"out; 95% intervals for all lags of a metric together. Shown: {len(names)} that show "
        f"most, of {counted(table['metric'].nunique(), 'metric')}."
    )
    return {"caption": caption, "alt": f"Panels of seven dots each. {text}.", "data": shown}
