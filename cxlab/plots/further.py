"""Pictures of what lies beyond single touchpoints, and of scores."""

from __future__ import annotations

from collections.abc import Iterator
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
    setting,
    with_interval,
)
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, UNSURE, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "beyond",
    "beyond_words",
    "by_score",
    "by_score_words",
    "scores",
    "scores_words",
]

_RATIO = ("hazard_ratio", "conf_low", "conf_high")
_COLUMNS = ("group", "term", *_RATIO, "n", "verdict")
_MOST_ROWS = 30
_NAMES = {
    "handoff": "a handoff",
    "repeat": "a repeat contact",
    "wait": "a wait twice as long",
    "unresolved": "never resolved",
    "channels": "one channel more",
}
_TERMS = {
    "per sd": "less good by a sd",
    "asked, no answer": "asked, no answer",
    "never asked": "never asked",
    "asked long ago": "asked long ago",
}


# -- beyond single touchpoints -----------------------------------------------------------------


def _beyond(result: Result) -> pd.DataFrame:
    """Give the estimates of all four parts as rows of one forest; what is not told has none."""
    frames = [frame for frame in _frames(result) if len(frame)]
    if not frames:
        return pd.DataFrame(columns=list(_COLUMNS))
    rows = pd.concat(frames, ignore_index=True)
    return rows[rows["hazard_ratio"].notna()].head(_MOST_ROWS).reset_index(drop=True)


def _frames(result: Result) -> Iterator[pd.DataFrame]:
    columns = list(_COLUMNS)
    tables = {k: p.table for k, p in result.parts.items() if len(p.table)}
    if "beyond" in tables:
        table = tables["beyond"]
        named = table.assign(group="from contact to contact", term=table["term"].replace(_NAMES))
        yield named[columns]
    if "recovery" in tables:
        days = result["recovery"].meta["right_days"]
        yield tables["recovery"].assign(group=f"a bad contact put right in {days:g} days")[columns]
    if "asymmetry" in tables:
        table = tables["asymmetry"].drop_duplicates("metric")
        for side, what, n in (("good", "top", "n_good"), ("bad", "bottom", "n")):
            ends = {side: "hazard_ratio", f"{side}_low": "conf_low", f"{side}_high": "conf_high"}
            part = table[["metric", *ends, n]].rename(columns={**ends, n: "n"})
            part["term"] = [f"{what} score on {m}" for m in part["metric"]]
            yield part.assign(group="against a score between", verdict=_by_limits(part))[columns]
    if "stack" in tables:
        yield tables["stack"].assign(group="felt best rather than worst")[columns]


def _by_limits(part: pd.DataFrame) -> np.ndarray:
    """Say whether an interval lies on one side of none."""
    told = (part["conf_low"] > 1) | (part["conf_high"] < 1)
    return np.where(told, "matters", "no evidence")


def _colour(row: Any) -> str:
    if row.verdict != "matters":
        return UNSURE
    return HARM if row.hazard_ratio > 1 else HELP


def beyond(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what matters besides how single contacts turn out, group by group.

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
    shown = _beyond(result)
    with style():
        ax = rows_axes(ax, len(shown) + 2 * shown["group"].nunique(), 0.3)
        if shown.empty:
            say_nothing(ax, "Nothing beyond single touchpoints can be told.")
            return ax
        place, heads = _places(shown["group"])
        for y, row in zip(place, shown.itertuples(), strict=True):
            three = (row.hazard_ratio, row.conf_low, row.conf_high)
            estimate(ax, y, three, _colour(row), hollow=row.verdict != "matters")
        ratio_axis(ax, shown, least=0.1)
        texts = [with_interval(*r) for r in shown[list(_RATIO)].itertuples(index=False)]
        _grouped(ax, place, heads, shown["term"], shown["verdict"] == "matters")
        ax.set_xlabel("Hazard ratio, contacts and how they turned out held equal (log scale)")
        beside(ax, place, [(8, "Hazard ratio (95%)", texts)])
    return ax


def _places(groups: pd.Series[Any]) -> tuple[np.ndarray, dict[str, float]]:
    """Give each row a place, with room for a heading over each group."""
    place, heads, at = [], {}, 0.0
    for group, rows in groups.groupby(groups, sort=False):
        heads[str(group)] = at
        place += [at - 1 - i for i in range(len(rows))]
        at -= len(rows) + 1.3
    return np.array(place), heads


def _grouped(ax: Axes, place: np.ndarray, heads: dict[str, float], names: Any, bold: Any) -> None:
    """Name the rows, and the groups over them."""
    names_at(ax, place, names, bold)
    for head, y in heads.items():
        ax.annotate(
            head, (0, y), (4, 0), ax.get_yaxis_transform(), "offset points", ha="left",
            va="center", color=INK, fontsize=LABEL, fontweight="bold", annotation_clip=False,
        )  # fmt: skip
    ax.set_ylim(min(place) - 0.7, 0.7)


def beyond_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`beyond`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    shown = _beyond(result)
    if shown.empty:
        return {}
    told = shown[shown["verdict"] == "matters"]
    caption = (
        f"{len(told)} of {len(shown)} can be told from none (filled). A contact put right is "
        "compared with one that was not, a scored contact with one whose score was between. "
        f"{setting(result)} 95% intervals."
    )
    each = [f"{r.term} {with_interval(r.hazard_ratio, r.conf_low, r.conf_high)}"
            for r in told.itertuples()]  # fmt: skip
    alt = f"Forest plot of {len(shown)} hazard ratios. Told from none: {'; '.join(each) or 'none'}."
    return {"caption": caption, "alt": alt, "data": shown}


# -- scores ------------------------------------------------------------------------------------


def _scores(result: Result) -> pd.DataFrame:
    """Give a row a metric and term, with the estimates of both ways side by side."""
    part = result.parts.get("scores")
    if part is None or part.table.empty:
        return pd.DataFrame(columns=["metric", "term"])
    table = part.table[part.table["term"].isin(_TERMS)]
    ways = {w: rows.set_index(["metric", "term"]) for w, rows in table.groupby("way")}
    if "raw" not in ways:
        return pd.DataFrame(columns=["metric", "term"])
    made = ways["raw"][[*_RATIO, "n", "churns"]]
    if "weighted" in ways:
        made = made.join(ways["weighted"][list(_RATIO)], rsuffix="_weighted")
    order = {t: i for i, t in enumerate(_TERMS)}
    made = made.reset_index()
    made = made.assign(place=made["term"].map(order), first=made.groupby("metric").ngroup())
    return made.sort_values(["first", "place"]).drop(columns=["first", "place"])


def scores(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw who leaves after which last score, as they answered and had all answered.

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
    shown = _scores(result)
    with style():
        ax = rows_axes(ax, len(shown) + 2 * shown["metric"].nunique(), 0.32)
        if shown.empty:
            say_nothing(ax, "There are no scores to follow.")
            return ax
        place, heads = _places(shown["metric"])
        every = [shown[list(_RATIO)]]
        for y, three in zip(place, shown[list(_RATIO)].to_numpy(float), strict=True):
            estimate(ax, y + 0.15, three, INK, size=6)
        ax.plot([], [], "o", color=INK, markersize=6, label="those who answered")
        if "hazard_ratio_weighted" in shown:
            columns = [f"{c}_weighted" for c in _RATIO]
            every.append(shown[columns].set_axis(list(_RATIO), axis=1))
            for y, three in zip(place, every[1].to_numpy(float), strict=True):
                estimate(ax, y - 0.15, three, ACCENT, marker="s", hollow=True, size=6)
            ax.plot([], [], "s", color=ACCENT, markerfacecolor="white", label="had all answered")
        ratio_axis(ax, pd.concat(every), least=0.2)
        _grouped(ax, place, heads, shown["term"].map(_TERMS), shown["term"] == "per sd")
        ax.set_xlabel("Hazard of leaving, against the average score (log scale)")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
        texts = [with_interval(*r) for r in shown[list(_RATIO)].itertuples(index=False)]
        beside(ax, place, [(8, "Those who answered (95%)", texts)])
    return ax


def scores_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`scores`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    shown = _scores(result)
    if shown.empty:
        return {}
    memory = result["scores"].meta["memory_days"]
    caption = (
        f"The last score of up to {memory:.0f} days ago, one standard deviation less good; and "
        "those who did not answer, were never asked, or were asked before that, against the "
        f"average score. {setting(result)} 95% intervals."
    )
    main = shown[shown["term"] == "per sd"]
    each = [f"{r.metric} {with_interval(r.hazard_ratio, r.conf_low, r.conf_high)}"
            for r in main.itertuples()]  # fmt: skip
    alt = f"Hazard ratios of a score less good by a standard deviation: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": shown}


def _by_score(result: Result) -> pd.DataFrame:
    part = result.parts.get("scores")
    inner = part.parts.get("by_score") if part is not None else None
    return inner.table if inner is not None else pd.DataFrame()


def by_score(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the hazard by last score, a panel a metric.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first metric alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _by_score(result)
    groups = [(str(m), p) for m, p in table.groupby("metric", sort=False)] if len(table) else []
    with style():
        each = panels(max(len(groups), 1), 3, 2.9, sharey=True) if ax is None else [ax]
        if not groups:
            say_nothing(each[0], "There are no scores to follow.")
            return each[0]
        for panel, (metric, part) in zip(each, groups, strict=False):
            for row in part.itertuples():
                middle = (row.score_low + row.score_high) / 2
                three = (row.hazard_ratio, row.conf_low, row.conf_high)
                estimate(panel, middle, three, INK, upright=True, size=6)
                spread = [row.score_low - 0.3, row.score_high + 0.3]
                panel.plot(spread, [row.hazard_ratio] * 2, color=INK, lw=1)
            ratio_axis(panel, table, "y", 0.2)
            panel.set_title(metric, fontsize=LABEL)
            panel.set_xlabel("Last score")
        each[0].set_ylabel("Hazard, against the average")
    return each[0]


def by_score_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`by_score`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    """
    table = _by_score(result)
    if table.empty:
        return {}
    caption = (
        "The hazard of leaving after each last score, against the average of those who answered; "
        "scores that too few of those who left had given are joined with their neighbours. "
        f"{setting(result)} 95% intervals."
    )
    each = []
    for metric, part in table.groupby("metric", sort=False):
        low, high = (part.loc[part["score_low"].agg(f)] for f in ("idxmin", "idxmax"))
        each.append(
            f"{metric} from {low['hazard_ratio']:.2f} at {low['score_low']:g} to "
            f"{high['hazard_ratio']:.2f} at {high['score_high']:g}"
        )
    return {"caption": caption, "alt": f"Hazard by last score: {'; '.join(each)}.", "data": table}
