"""Pictures of the driver model: what matters, and how it fades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.style import HARM, HELP, INK, LABEL, NOTE, UNSURE, WITHHELD, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["effect_by_age", "effect_by_age_words", "forest", "forest_words"]

_COLOURS = {
    "driver": HARM,
    "protective": HELP,
    "no evidence": UNSURE,
    "reverse causation suspected": WITHHELD,
}
_MARKERS = {"driver": "o", "protective": "s", "no evidence": "D"}
_DRAWN = (
    *("touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high", "attributable_churn"),
    *("attributable_churn_low", "attributable_churn_high", "verdict"),
)
_TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)


def _shown(result: Result) -> pd.DataFrame:
    """Give the contrasts to draw: those with an estimate, drivers first."""
    table = result.table
    drawn = table[(table["valence"] != "contact") & table["hazard_ratio"].notna()]
    order = ["attributable_churn", "hazard_ratio"]
    drivers = drawn["verdict"] == "driver"
    return pd.concat(
        [drawn[drivers].sort_values(order, ascending=False), drawn[~drivers].sort_values("rank")]
    )


def forest(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw hazard ratios with 95% intervals, drivers first, by attributable churn.

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
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    shown = _shown(result)
    both = len(set(shown["valence"])) > 1
    with style():
        if ax is None:
            _, ax = plt.subplots(figsize=(9.5, 1.4 + 0.34 * max(len(shown), 3)))
        place = np.arange(len(shown))[::-1]
        for y, row in zip(place, shown.itertuples(), strict=True):
            colour = _COLOURS[row.verdict]
            marker = _MARKERS.get(row.verdict, "D")
            hollow = row.verdict not in ("driver", "protective")
            ax.plot([row.conf_low, row.conf_high], [y, y], color=colour, lw=2, zorder=2)
            ax.plot(
                row.hazard_ratio,
                y,
                marker,
                color=colour,
                markerfacecolor="white" if hollow else colour,
                markersize=7,
                zorder=3,
            )
        ax.axvline(1, color=INK, lw=1, zorder=1)
        ax.set_xscale("log")
        low = min(float(shown["conf_low"].min()), 0.5) if len(shown) else 0.5
        high = max(float(shown["conf_high"].max()), 2.0) if len(shown) else 2.0
        ax.set_xlim(max(low, 0.05) / 1.1, min(high, 50.0) * 1.1)
        ax.xaxis.set_major_locator(FixedLocator(_TICKS))
        ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylim(-0.7, len(shown) - 0.3)
        names = shown["touchpoint"] + (" (" + shown["valence"] + ")" if both else "")
        ax.set_yticks(place, names)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        for label, verdict in zip(ax.get_yticklabels(), shown["verdict"], strict=True):
            label.set_fontweight("bold" if verdict == "driver" else "normal")
        ax.set_xlabel(
            "Hazard of leaving after one fresh bad contact, against an ordinary one (log scale)"
        )
        if shown.empty:
            _say_nothing(ax, "No contrast could be estimated.")
        else:
            _columns(ax, shown, place)
    return ax


def _say_nothing(ax: Axes, text: str) -> None:
    """Say in an empty picture why it is empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=LABEL)


def _columns(ax: Axes, shown: pd.DataFrame, place: np.ndarray) -> None:
    """Write the figures beside the marks."""
    across = ax.get_yaxis_transform()
    heads = ((1.02, "Hazard ratio (95%)"), (1.30, "Customers lost (95%)"))
    for x, text in heads:
        ax.text(
            x, len(shown) - 0.35, text, transform=across, fontsize=NOTE, color=INK,
            fontweight="bold", va="bottom",
        )  # fmt: skip
    for y, row in zip(place, shown.itertuples(), strict=True):
        ratio = f"{row.hazard_ratio:.2f} ({row.conf_low:.2f} to {row.conf_high:.2f})"
        lost = "not counted"
        if np.isfinite(row.attributable_churn):
            lost = (
                f"{_whole(row.attributable_churn)} ({_whole(row.attributable_churn_low)} to "
                f"{_whole(row.attributable_churn_high)})"
            )
        for x, text in zip((1.02, 1.30), (ratio, lost), strict=True):
            ax.text(x, y, text, transform=across, fontsize=NOTE, color=INK, va="center")


def _whole(value: float) -> str:
    """Round to a whole number, with a true minus and no negative zero."""
    return f"{round(value) + 0:,d}".replace("-", "\N{MINUS SIGN}")


def forest_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`forest`.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta, shown = result.meta, _shown(result)
    drivers = shown[shown["verdict"] == "driver"]
    thin = result.table[
        (result.table["valence"] != "contact") & result.table["hazard_ratio"].isna()
    ]
    judged = len(shown) + len(thin)
    caption = (
        f"{len(drivers)} of {judged} contrasts drive customers away. {meta['customers']:,} "
        f"customers with {meta['churns']:,} voluntary churns up to {meta['as_of']}; customers lost "
        f"are those of the {meta['window_days']} days from {meta['window_start']}. 95% intervals."
    )
    if len(thin):
        caption += f" Too little data: {', '.join(thin['touchpoint'])}."
    each = [
        f"{r.touchpoint} {r.hazard_ratio:.2f} ({r.conf_low:.2f} to {r.conf_high:.2f})"
        for r in drivers.itertuples()
    ]
    alt = f"Forest plot of {len(shown)} hazard ratios. Drivers: {'; '.join(each) or 'none'}."
    return {"caption": caption, "alt": alt, "data": shown[list(_DRAWN)]}


def effect_by_age(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the hazard ratio of bad contacts by the time since they happened.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw all touchpoints; by default each gets a panel of its own and the first
        is returned.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    table = result["by_age"].table
    groups = list(table.groupby(["touchpoint", "valence"], sort=False))
    with style():
        count = max(len(groups), 1)
        across = min(count, 3)
        if ax is None:
            figure, grid = plt.subplots(
                -(-count // across), across, figsize=(9.5, 2.9 * -(-count // across)),
                sharex=True, sharey=True, squeeze=False, layout="constrained",
            )  # fmt: skip
            panels = list(grid.flat)
            for spare in panels[count:]:
                spare.set_visible(False)
            figure.supxlabel("Days since the contact", fontsize=LABEL)
            figure.supylabel("Hazard ratio (log scale)", fontsize=LABEL)
        else:
            panels = [ax] * max(len(groups), 1)
        for panel, ((touchpoint, _), part) in zip(panels, groups, strict=False):
            _panel(panel, part)
            panel.set_title(touchpoint, fontsize=LABEL)
        if not groups:
            _say_nothing(panels[0], result["by_age"].sentence)
            return panels[0]
        for place, panel in enumerate(panels):
            panel.xaxis.set_tick_params(labelbottom=place + across >= count)
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(FixedLocator(_TICKS))
            panel.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
            panel.yaxis.set_minor_locator(NullLocator())
    return panels[0]


def _panel(ax: Axes, part: pd.DataFrame) -> None:
    middle = (part["age_low"] + part["age_high"]) / 2
    ax.axhline(1, color=INK, lw=1, zorder=1)
    for row, x in zip(part.itertuples(), middle, strict=True):
        ax.plot([x, x], [row.conf_low, row.conf_high], color=HARM, lw=2, zorder=2)
        ax.plot([row.age_low, row.age_high], [row.hazard_ratio] * 2, color=HARM, lw=1, zorder=2)
    ax.plot(middle, part["hazard_ratio"], "o", color=HARM, markersize=6, zorder=3)
    ax.plot(middle, part["curve"], "--", color=UNSURE, lw=1.5, zorder=2)


def effect_by_age_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`effect_by_age`.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta: Any = result.meta
    table = result["by_age"].table
    if table.empty:
        return {"caption": result["by_age"].sentence, "alt": "An empty figure.", "data": table}
    caption = (
        "Dots: hazard ratio of a bad contact against an ordinary one by the days since it "
        f"happened, estimated apart for each span of days; 95% intervals. Dashed: the model, with "
        f"a half-life of {meta['half_life_days']:.0f} days. {meta['churns']:,} churns of "
        f"{meta['customers']:,} customers up to {meta['as_of']}."
    )
    each = [
        f"{name} from {part['hazard_ratio'].iloc[0]:.2f} to {part['hazard_ratio'].iloc[-1]:.2f}"
        for name, part in table.groupby("touchpoint", sort=False)
    ]
    alt = f"Hazard ratios by days since the contact, first and last span: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": table}
