"""Pictures of the driver model: what matters, how it fades, and whether it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, WITHHELD, style
from cxlab.results import Result, ratio_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "effect_by_age",
    "effect_by_age_words",
    "effect_by_tenure",
    "effect_by_tenure_words",
    "forest",
    "forest_words",
]

_COLOURS = {
    "driver": HARM,
    "protective": HELP,
    "no evidence": UNSURE,
    "reverse causation suspected": WITHHELD,
}
_MARKERS = {"driver": "o", "protective": "s", "no evidence": "D"}
_INTERVAL = ("touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high")
_DRAWN = (
    *(*_INTERVAL, "attributable_churn", "attributable_churn_low", "attributable_churn_high"),
    "verdict",
)
_DRAWN_OF_ATTRIBUTES = (*_INTERVAL, "compared_with", "verdict")
_MOST_ATTRIBUTES = 40
_COLUMNS_AT = (8, 135)
"""Where the columns of text stand, in points right of the axes."""
_TICKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


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
    drawn[list(_INTERVAL[2:])] = drawn[["step_ratio", "step_low", "step_high"]]
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
    import matplotlib.pyplot as plt

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
        _ratio_axis(ax, shown)
        ax.set_ylim(-0.7, len(shown) - 0.3)
        names = shown["touchpoint"] + (" (" + shown["valence"] + ")" if both else "")
        ax.set_yticks(place, names)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        for label, verdict in zip(ax.get_yticklabels(), shown["verdict"], strict=True):
            label.set_fontweight("bold" if verdict == "driver" else "normal")
        what = "Hazard of leaving after one fresh bad contact, against an ordinary one"
        if _of_attributes(result):
            what = "Hazard of leaving, against those compared with"
        ax.set_xlabel(f"{what} (log scale)")
        if shown.empty:
            _say_nothing(ax, "No contrast could be estimated.")
        else:
            _columns(ax, shown, place)
    return ax


def _say_nothing(ax: Axes, text: str) -> None:
    """Say in an empty picture why it is empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", fontsize=LABEL)


def _ratio_axis(ax: Axes, shown: pd.DataFrame) -> None:
    """Draw a logarithmic axis that holds every estimate; the longest intervals may leave it."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    low, high = 0.5, 2.0
    if len(shown):
        low = min(low, max(shown["conf_low"].min(), 0.05), 0.9 * shown["hazard_ratio"].min())
        high = max(high, min(shown["conf_high"].max(), 50.0), 1.1 * shown["hazard_ratio"].max())
    ax.axvline(1, color=INK, lw=1, zorder=1)
    ax.set_xscale("log")
    ax.set_xlim(low / 1.1, high * 1.1)
    ax.xaxis.set_major_locator(FixedLocator(_TICKS))
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


def _columns(ax: Axes, shown: pd.DataFrame, place: np.ndarray) -> None:
    """Write the figures beside the marks."""
    attributes = "compared_with" in shown  # else of touchpoints
    heads = ("Hazard ratio (95%)", "Compared with" if attributes else "Customers lost (95%)")
    bold = {"fontweight": "bold", "va": "bottom"}
    rows: list[tuple[float, tuple[str, ...], dict[str, Any]]] = [(len(shown) - 0.35, heads, bold)]
    for y, row in zip(place, shown.itertuples(), strict=True):
        beside = row.compared_with if attributes else _lost(row)
        rows.append((y, (_with_interval(row), beside), {"va": "center"}))
    for y, texts, look in rows:
        for right, text in zip(_COLUMNS_AT, texts, strict=True):
            ax.annotate(
                text, (1, y), (right, 0), ax.get_yaxis_transform(), "offset points",
                fontsize=NOTE, color=INK, annotation_clip=False, **look,
            )  # fmt: skip


def _with_interval(row: Any) -> str:
    """Give a hazard ratio with its interval."""
    ratio, low, high = map(ratio_text, (row.hazard_ratio, row.conf_low, row.conf_high))
    return f"{ratio} ({low} to {high})"


def _lost(row: Any) -> str:
    """Give the customers lost with their interval."""
    if not np.isfinite(row.attributable_churn):
        return "not counted"
    return (
        f"{_whole(row.attributable_churn)} ({_whole(row.attributable_churn_low)} to "
        f"{_whole(row.attributable_churn_high)})"
    )


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
    if _of_attributes(result):
        return _attribute_words(result, shown)
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
    each = [f"{r.touchpoint} {_with_interval(r)}" for r in drivers.itertuples()]
    alt = f"Forest plot of {len(shown)} hazard ratios. Drivers: {'; '.join(each) or 'none'}."
    return {"caption": caption, "alt": alt, "data": shown[list(_DRAWN)]}


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
    each = [
        f"{r.touchpoint} {_with_interval(r)} against {r.compared_with}" for r in told.itertuples()
    ]
    alt = f"Forest plot of {len(shown)} hazard ratios. Told from 1: {'; '.join(each) or 'none'}."
    return {"caption": caption, "alt": alt, "data": shown[list(_DRAWN_OF_ATTRIBUTES)]}


def effect_by_tenure(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the hazard ratios of a snapshot that change with tenure, early and late.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``, of a snapshot.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    shown = _changing(result)
    with style():
        if ax is None:
            _, ax = plt.subplots(figsize=(9.5, 1.6 + 0.5 * max(len(shown), 2)))
        if shown.empty:
            _say_nothing(ax, result["by_tenure"].sentence)
            return ax
        place = np.arange(len(shown))[::-1]
        spans = (("early", str(result.meta["early_span"]), "o", INK, "white", 0.14),
                 ("late", "later", "s", ACCENT, ACCENT, -0.14))  # fmt: skip
        for name, label, marker, colour, face, up in spans:
            for y, low, high in zip(
                place, shown[f"{name}_low"], shown[f"{name}_high"], strict=True
            ):
                ax.plot([low, high], [y + up] * 2, color=colour, lw=2, zorder=2)
            ax.plot(shown[name], place + up, marker, color=colour, markerfacecolor=face,
                    markersize=7, zorder=3, label=label)  # fmt: skip
        spread = [
            shown[[name, f"{name}_low", f"{name}_high"]].set_axis(_INTERVAL[2:], axis=1)
            for name in ("early", "late")
        ]
        _ratio_axis(ax, pd.concat(spread))
        ax.set_ylim(-0.6, len(shown) - 0.4)
        ax.set_yticks(place, shown["term"])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("Hazard of leaving, against those compared with (log scale)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def _changing(result: Result) -> pd.DataFrame:
    table = result["by_tenure"].table
    return table[table["changes"] & (table["early"].notna() | table["late"].notna())]


def effect_by_tenure_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`effect_by_tenure`.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``, of a snapshot.
    """
    meta, shown = result.meta, _changing(result)
    caption = (
        f"{result['by_tenure'].sentence} {meta['customers']:,} customers with {meta['churns']:,} "
        "churns in a snapshot without dates, about half of them in each span. 95% intervals; a "
        "mark that is missing cannot be told."
    )
    each = []
    for r in shown.itertuples():
        spans = (("early", r.early), ("late", r.late))
        each.append(" ".join([r.term, *(f"{ratio_text(v)} {n}" for n, v in spans if v == v)]))
    alt = f"Hazard ratios early and late in tenure: {'; '.join(each) or 'none'}."
    return {"caption": caption, "alt": alt, "data": shown}


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
