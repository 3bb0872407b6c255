"""Pictures of what could speak against the drivers: other methods, shuffled outcomes."""

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
    with_interval,
)
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, UNSURE, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["agreement", "agreement_words", "placebo_outcomes", "placebo_outcomes_words"]

_MOST_ROWS = 25
_Z = 1.96
_METHODS = (
    ("cox", "Cox's model", "D", 0.06),
    ("ridge_on_contacts", "ridge on contacts", "^", -0.13),
    ("ridge_on_all", "ridge on everything", "v", -0.32),
)
_VERDICTS = {"driver": HARM, "protective": HELP}


# -- other methods -----------------------------------------------------------------------------


def _compared(result: Result) -> pd.DataFrame:
    """Give the contrasts by each method, with the model's interval."""
    part = result.parts.get("agreement")
    if part is None or part.table.empty:
        return pd.DataFrame()
    ratios = result.table[["touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high"]]
    return part.table.merge(ratios, "left", ["touchpoint", "valence"]).head(_MOST_ROWS)


def agreement(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each contrast by the model, Cox and two ridges; beside it, its importance.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the hazard ratios; by default importance has a panel beside.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    shown = _compared(result)
    with style():
        loss = None
        if ax is None:
            high = 1.7 + 0.46 * max(len(shown), 3)
            _, (ax, loss) = plt.subplots(
                1, 2, figsize=(9.5, high), width_ratios=(2, 1), sharey=True, layout="constrained"
            )
        if shown.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        place = np.arange(len(shown))[::-1]
        for y, row in zip(place, shown.itertuples(), strict=True):
            colour = _VERDICTS.get(row.verdict, INK)
            three = (row.hazard_ratio, row.conf_low, row.conf_high)
            estimate(ax, y + 0.26, three, colour, hollow=row.verdict not in _VERDICTS)
        ax.plot([], [], "o", color=INK, label="this model (95%)")
        for name, label, marker, down in _METHODS:
            ratios = np.exp(shown[name].to_numpy(float))
            ax.plot(ratios, place + down, marker, color=ACCENT, markersize=6, label=label)
        ratio_axis(ax, _every_ratio(shown), least=0.15)
        ax.set_ylim(-0.7, len(shown) - 0.3)
        names_at(ax, place, contrasts(shown), shown["verdict"] == "driver")
        ax.set_xlabel("Hazard ratio (log scale)")
        if loss is None:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        else:
            ax.figure.legend(loc="outside upper left", ncols=4)
            _draw_importance(loss, shown, place)
    return ax


def _every_ratio(shown: pd.DataFrame) -> pd.DataFrame:
    """Give the ratios of all methods, for the axis to hold."""
    frames = [shown[["hazard_ratio", "conf_low", "conf_high"]]]
    for name, *_ in _METHODS:
        ratio = np.exp(shown[name].astype(float))
        frames.append(pd.DataFrame({"hazard_ratio": ratio, "conf_low": ratio, "conf_high": ratio}))
    return pd.concat(frames, ignore_index=True)


def _draw_importance(ax: Axes, shown: pd.DataFrame, place: np.ndarray) -> None:
    """Draw what shuffling a contrast costs in prediction, and how many methods agree."""
    ax.axvline(0, color=INK, lw=1, zorder=1)
    for y, row in zip(place, shown.itertuples(), strict=True):
        reach = _Z * row.importance_se
        three = (row.importance, row.importance - reach, row.importance + reach)
        estimate(ax, y, three, ACCENT, marker="s", size=6)
    ax.set_xlabel("Importance: log likelihood lost")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    same = [f"{n} of 4" for n in shown["same_direction"]]
    leading = [f"{n} of 5" for n in shown["among_leading"]]
    beside(ax, place, [(8, "Direction", same), (76, "In the lead", leading)])


def agreement_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`agreement`, if there is any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    shown = _compared(result)
    if shown.empty:
        return {}
    leading = result["agreement"].meta["leading"]
    caption = (
        "Other estimates of the same comparisons. Ridges draw effects towards none by design. "
        "Importance: how much worse customers held out are predicted when it is shuffled which "
        "contacts failed. Direction: how many of the four methods with a sign agree; in the lead: "
        f"how many of all five have it among their first {leading}. {setting(result)} 95% "
        "intervals."
    )
    if (every := len(result["agreement"].table)) > len(shown):
        caption += f" Shown are {len(shown)} of {every} comparisons."
    each = [
        f"{r.touchpoint} {with_interval(r.hazard_ratio, r.conf_low, r.conf_high)}, Cox "
        f"{np.exp(r.cox):.2f}, in the lead by {r.among_leading} of 5"
        for r in shown[shown["verdict"] == "driver"].itertuples()
    ]
    alt = f"Hazard ratios by four methods, and importance. {'; '.join(each) or 'No driver'}."
    return {"caption": caption, "alt": alt, "data": shown}


# -- shuffled outcomes -------------------------------------------------------------------------


def _shuffled(result: Result) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the model's z a contrast, and those of all shuffles."""
    part = result.parts.get("placebo_outcomes")
    if part is None or part.table.empty or "replicates" not in part.parts:
        return pd.DataFrame(), pd.DataFrame()
    drawn = part["replicates"].table
    return part.table.head(_MOST_ROWS), drawn.assign(z=drawn["estimate"] / drawn["se"])


def placebo_outcomes(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what is found where there is nothing to find, beside what the model finds.

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
    shown, drawn = _shuffled(result)
    with style():
        ax = rows_axes(ax, len(shown))
        if shown.empty:
            say_nothing(ax, "There is nothing to compare.")
            return ax
        verdicts = result.table.set_index(["touchpoint", "valence"])["verdict"]
        place = np.arange(len(shown))[::-1]
        for y, row in zip(place, shown.itertuples(), strict=True):
            key = (row.touchpoint, row.valence)
            mine = drawn[(drawn["touchpoint"] == key[0]) & (drawn["valence"] == key[1])]
            ax.plot(mine["z"], np.full(len(mine), y), "|", color=UNSURE, markersize=11, mew=1.2)
            colour = _VERDICTS.get(verdicts.get(key, ""), INK)
            ax.plot(row.model_z, y, "o", color=colour, markersize=8, zorder=3,
                    markerfacecolor="white" if colour == INK else colour)  # fmt: skip
        ax.axvline(0, color=INK, lw=1, zorder=1)
        for z in (-_Z, _Z):
            ax.axvline(z, color=INK, lw=0.8, ls=":", zorder=1)
        ax.set_ylim(-0.7, len(shown) - 0.3)
        bold = [verdicts.get((r.touchpoint, r.valence), "") == "driver" for r in shown.itertuples()]
        names_at(ax, place, contrasts(shown), bold)
        ax.set_xlabel("Effect in standard errors (z)", fontsize=LABEL)
        ax.plot([], [], "o", color=INK, label="as it happened")
        ax.plot([], [], "|", color=UNSURE, markersize=11, mew=1.2, label="outcomes shuffled")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def placebo_outcomes_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`placebo_outcomes`, if any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    shown, _ = _shuffled(result)
    if shown.empty:
        return {}
    part = result["placebo_outcomes"]
    caption = (
        f"Each contrast as it is, and {part.meta['placebos']} times with outcomes shuffled among "
        "its contacts. Dotted: the limits within which 95% of what is not there should lie. "
        f"{setting(result)}"
    )
    each = [f"{r.touchpoint} {r.model_z:.1f}" for r in shown.itertuples()]
    alt = f"Effects in standard errors beside {part.meta['placebos']} shuffles: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": shown}
