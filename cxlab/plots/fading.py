"""Pictures of time: how effects fade, and whether they outlast the days before leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import contrasts, estimate, panels, ratio_axis, say_nothing, setting
from cxlab.plots.style import ACCENT, HARM, INK, LABEL, NOTE, UNSURE, identities, style
from cxlab.results import Result, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "effect_by_age",
    "effect_by_age_words",
    "memory",
    "memory_words",
    "washout_sweep",
    "washout_sweep_words",
]

_BAND = 0.16
_LONGEST = 112.0
_MOST_PANELS = 11
_TELLING = 14
"""The washout the sweep is judged by; beyond it the figures tell of the half-life as well."""
# Half the 95% point of chi-square with one degree of freedom: the profile interval's cut.
_CUT = 1.9207
_RATIO = ("hazard_ratio", "conf_low", "conf_high")


# -- what is left of an effect -----------------------------------------------------------------


def _half_lives(result: Result) -> dict[str, tuple[float, float, float]]:
    """Give the half-lives the data chose, with their intervals: for all, and of their own."""
    meta = result.meta
    each = {"all touchpoints": [meta[f"half_life_{k}"] for k in ("days", "low", "high")]}
    own = meta.get("own_half_lives", {})
    if own:
        each = {"all others": each["all touchpoints"], **own}
    return {
        name: (float(days), float(low), float(high))
        for name, (days, low, high) in each.items()
        if low is not None and np.isfinite([days, low, high]).all()
    }


def _profile(result: Result) -> pd.DataFrame:
    part = result.parts.get("half_life")
    return part.table if part is not None else pd.DataFrame(columns=["half_life"])


def memory(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what is left of an effect by the days since the contact, and the half-life's profile.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw what is left; without it the profile gets a panel beside.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    found, profile = _half_lives(result), _profile(result)
    with style():
        beside = None
        if ax is None:
            _, (ax, beside) = plt.subplots(
                1, 2, figsize=(9.5, 3.6), width_ratios=(2, 1), layout="constrained"
            )
        days = np.linspace(0, _LONGEST, 113)
        looks = identities([t for t in result.table["touchpoint"]])
        for i, (name, (middle, low, high)) in enumerate(found.items()):
            colour, dashes = (ACCENT, "-") if not i else (looks[name].colour, looks[name].dashes)
            text = f"{name}: {middle:.0f} days ({low:.0f} to {high:.0f})"
            ax.plot(days, 0.5 ** (days / middle), color=colour, ls=dashes, label=text)
            least, most = (0.5 ** (days / h) for h in (low, high))
            ax.fill_between(days, least, most, color=colour, alpha=_BAND, linewidth=0)
            ax.plot(middle, 0.5, "o", color=colour, markersize=6)
        ax.axhline(0.5, color=INK, lw=0.8, ls=":", zorder=1)
        ax.text(_LONGEST, 0.51, "half of it ", fontsize=NOTE, color=UNSURE, ha="right")
        ax.set(xlim=(0, _LONGEST), ylim=(0, 1.02))
        ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        ax.set_title("What is left of the effect", fontsize=LABEL)
        ax.set_xlabel("Days since the contact")
        ax.set_xticks(np.arange(0, _LONGEST + 1, 14))
        ax.legend(title="Half-life (95%)", title_fontsize=NOTE, loc="upper right")
        if beside is not None:
            _draw_profile(beside, profile)
    return ax


def _draw_profile(ax: Axes, profile: pd.DataFrame) -> None:
    """Draw how much worse other half-lives fit."""
    from matplotlib.ticker import FixedLocator, NullLocator

    if len(profile) < 2:
        say_nothing(ax, "The half-life was given.")
        return
    worse = profile["log_likelihood"] - profile["log_likelihood"].max()
    ax.plot(profile["half_life"], worse, "-o", color=ACCENT, markersize=5)
    ax.axhline(-_CUT, color=INK, lw=0.8, ls=":", zorder=1)
    ax.annotate("95% limit", (0, -_CUT), xycoords=ax.get_yaxis_transform(), xytext=(4, -3),
                textcoords="offset points", fontsize=NOTE, color=UNSURE, va="top")  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(profile["half_life"].tolist()))
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_title("How well each fits", fontsize=LABEL)
    ax.set_xlabel("Half-life in days")
    ax.set_ylabel("Log likelihood less the best", fontsize=NOTE)


def memory_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`memory`.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.

    Returns
    -------
    dict
        Empty where the half-life was given, or no effect is there that could fade.
    """
    found = _half_lives(result)
    if not found or not result.table["verdict"].isin(["driver", "protective"]).any():
        return {}
    told = [f"{n}: {d:.0f} days ({a:.0f} to {b:.0f})" for n, (d, a, b) in found.items()]
    caption = (
        "Left: the share of a contact's effect that is left after so many days, with the 95% "
        "interval of the half-life. Right: how much worse the model fits with other half-lives, "
        "for those that share one; dotted, the limit of the interval. "
        f"{setting(result)}"
    )
    rows = [(n, *three) for n, three in found.items()]
    data = pd.DataFrame(rows, columns=["touchpoint", "half_life", "conf_low", "conf_high"])
    alt = f"A curve that halves again and again. Half-lives: {'; '.join(told)}."
    return {"caption": caption, "alt": alt, "data": data}


# -- the effect by age -------------------------------------------------------------------------


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
    table = result["by_age"].table
    groups = _by_contrast(table)
    with style():
        each = panels(max(len(groups), 1), 3, 2.9, sharex=True, sharey=True) if ax is None else [ax]
        if not groups:
            say_nothing(each[0], result["by_age"].sentence)
            return each[0]
        for panel, (name, part) in zip(each * len(groups), groups, strict=False):
            _draw_ages(panel, part, _curve(result, *part[["touchpoint", "valence"]].iloc[0]))
            panel.set_title(name, fontsize=LABEL)
            panel.set_xticks(np.arange(0, _LONGEST + 1, 28))
            ratio_axis(panel, table, "y")
        if ax is None:
            each[0].figure.supxlabel("Days since the contact", fontsize=LABEL)
            each[0].figure.supylabel("Hazard ratio (log scale)", fontsize=LABEL)
    return each[0]


def _curve(result: Result, touchpoint: str, valence: str) -> tuple[np.ndarray, ...]:
    """Give days and the model's hazard ratio at each, with the limits of the fresh one fading."""
    meta, table = result.meta, result.table
    half_life = meta.get("own_half_lives", {}).get(touchpoint, [meta["half_life_days"]])[0]
    days = np.linspace(0, _LONGEST, 57)
    mine = table[(table["touchpoint"] == touchpoint) & (table["valence"] == valence)]
    fresh = np.log(mine[list(_RATIO)].to_numpy(float))
    if not len(fresh):
        return (days, *np.full((3, len(days)), np.nan))
    return (days, *np.exp(fresh[0][:, None] * 0.5 ** (days / half_life)))


def _draw_ages(ax: Axes, part: pd.DataFrame, curve: tuple[np.ndarray, ...]) -> None:
    days, middle, low, high = curve
    ax.fill_between(days, low, high, color=UNSURE, alpha=_BAND, linewidth=0)
    ax.plot(days, middle, "--", color=UNSURE, lw=1.5, zorder=2)
    for row in part.itertuples():
        x = (row.age_low + row.age_high) / 2
        three = (row.hazard_ratio, row.conf_low, row.conf_high)
        estimate(ax, x, three, HARM, upright=True, size=6)
        ax.plot([row.age_low, row.age_high], [row.hazard_ratio] * 2, color=HARM, lw=1, zorder=2)


def effect_by_age_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`effect_by_age`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    meta: Any = result.meta
    table = result["by_age"].table
    if table.empty:
        return {}
    own = [t for t in meta.get("own_half_lives", {}) if t in set(table["touchpoint"])]
    caption = (
        "Dots: hazard ratio of a bad contact against an ordinary one by the days since it "
        "happened, estimated apart for each span of days; 95% intervals. Dashed: the model, with "
        f"a half-life of {meta['half_life_days']:.0f} days"
        f"{f' ({listed(own)}: their own)' if own else ''}, and how the interval of a fresh contact "
        f"fades with it. {setting(result)}"
    )
    each = [
        f"{name} from {part['hazard_ratio'].iloc[0]:.2f} to {part['hazard_ratio'].iloc[-1]:.2f}"
        for name, part in table.groupby("touchpoint", sort=False)
    ]
    alt = f"Hazard ratios by days since the contact, first and last span: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": table}


# -- the last days left out --------------------------------------------------------------------


def _swept(result: Result) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the drivers' rows of the sweep, and those of all drivers together."""
    part = result.parts.get("washout_sweep")
    if part is None or part.table.empty or "pooled" not in part.parts:
        return pd.DataFrame(), pd.DataFrame()
    table = result.table
    drivers = table.loc[table["verdict"] == "driver", ["touchpoint", "valence"]]
    kept = drivers.head(_MOST_PANELS).merge(part.table, "left")
    return kept[kept["estimate"].notna()], part["pooled"].table


def washout_sweep(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the drivers' effects with the contacts of ever more last days left out.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw all drivers together; by default each driver has a panel of its own as
        well, and the first is returned.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table, pooled = _swept(result)
    groups = _by_contrast(table)
    with style():
        each = panels(len(groups) + 1, 3, sharex=True) if ax is None else [ax]
        if pooled.empty:
            say_nothing(each[0], "There is no driver to follow.")
            return each[0]
        washouts = sorted(pooled["washout_days"])
        rows = pooled.rename(columns={"estimate": "hazard_ratio"})
        _draw_sweep(each[0], rows, washouts, ACCENT)
        each[0].axhline(0, color=INK, lw=1, zorder=1)
        each[0].axhline(1, color=UNSURE, lw=1.5, ls="--", zorder=1)
        each[0].set_ylim(-1, 2.5)
        each[0].set_title("all drivers together", fontsize=LABEL)
        each[0].set_ylabel("Times the model's effect", fontsize=NOTE)
        for panel, (name, part) in zip(each[1:], groups, strict=False):
            _draw_sweep(panel, part, washouts, HARM)
            panel.axhline(part["expected"].iloc[0], color=UNSURE, lw=1.5, ls="--", zorder=1)
            ratio_axis(panel, table, "y", 0.2)
            panel.set_title(name, fontsize=LABEL)
            panel.set_ylabel("Hazard ratio", fontsize=NOTE)
        for panel in each:
            panel.set_xticks(range(len(washouts)), [f"{d:g}" for d in washouts])
            panel.set_xlim(-0.5, len(washouts) - 0.5)
        if ax is None:
            each[0].figure.supxlabel("Last days left out", fontsize=LABEL)
    return each[0]


def _by_contrast(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Give each contrast's rows by its name, in order."""
    if table.empty:
        return []
    parts = [part for _, part in table.groupby(["touchpoint", "valence"], sort=False)]
    names = contrasts(pd.concat([part.head(1) for part in parts]))
    return list(zip(names, parts, strict=True))


def _draw_sweep(ax: Axes, part: pd.DataFrame, washouts: list[float], colour: str) -> None:
    for row in part.itertuples():
        three = (row.hazard_ratio, row.conf_low, row.conf_high)
        hollow = row.washout_days > _TELLING
        at = washouts.index(row.washout_days)
        estimate(ax, at, three, colour, hollow=hollow, upright=True, size=6)


def washout_sweep_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`washout_sweep`, if any is drawn.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    table, pooled = _swept(result)
    if table.empty or pooled.empty:
        return {}
    caption = (
        "The model fitted again without the contacts of the last days. Dashed: what it finds with "
        f"all but the last {result['washout_sweep'].meta['washout_days']}; an effect that only "
        "follows the decision to leave would fall to none by 14 days. Hollow: beyond "
        f"{_TELLING} days, where few contacts are left and the figures tell of the half-life too. "
        f"{setting(result)} 95% intervals; the longest leave the picture."
    )
    known = pooled[pooled["estimate"].notna()]
    each = [f"{r.estimate:.2f} without {r.washout_days:g} days" for r in known.itertuples()]
    alt = f"Times the model's effect, all drivers together: {'; '.join(each)}."
    columns = ["touchpoint", "washout_days", "figure", "value", "conf_low", "conf_high",
               "expected", "n"]  # fmt: skip
    together = known.assign(touchpoint="all drivers", figure="times the effect", expected=1.0)
    alone = table.assign(figure="hazard ratio", value=table["hazard_ratio"])
    data = pd.concat(
        [together.assign(value=known["estimate"])[columns], alone[columns]], ignore_index=True
    )
    return {"caption": caption, "alt": alt, "data": data}
