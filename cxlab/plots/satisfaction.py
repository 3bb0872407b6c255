"""Pictures of what goes with the overall score: shares, quadrant, kinds of factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, beside, estimate, names_at, rows_axes, say_nothing
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, WITHHELD, style
from cxlab.results import MINUS, Result, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["factors", "factors_words", "pictured", "quadrant", "quadrant_words", "shares",
           "shares_words"]  # fmt: skip

_MOST_ROWS, _MOST_NAMES, _FEW_NAMES = 16, 8, 3
_LOOKS = {
    "matters": (ACCENT, "o", False),
    "goes the other way": (HARM, "s", False),
    "suppressed": (HARM, "s", True),
    "cannot be told": (UNSURE, "o", True),
    "not separable": (WITHHELD, "D", True),
    "too little data": (WITHHELD, "D", True),
}
# Twice the distance from the middle of a normal distribution of two within which 95% lie.
_REACH = float(np.sqrt(-2 * np.log(0.05)))


def _about(result: Result) -> str:
    meta = result.meta
    when = f", {meta['period'][0]} to {meta['period'][1]}" if "period" in meta else ""
    return f"{meta['responses']:,} answers of {meta['customers']:,} customers{when}. 95% intervals."


# -- shares ------------------------------------------------------------------------------------


def _told(result: Result) -> pd.DataFrame:
    table = result.table
    return table[table["estimate"].notna()] if len(table) else table


def shares(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each rating's share of what all explain, the largest first, and its slope beside it.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows = _told(result).head(_MOST_ROWS)
    with style():
        ax = rows_axes(ax, len(rows), wide=8.0)
        if rows.empty:
            say_nothing(ax, "There are too few answers to share anything out.")
            return ax
        place = (len(rows) - 1 - np.arange(len(rows))).tolist()
        for y, row in zip(place, rows.itertuples(), strict=True):
            colour, marker, hollow = _LOOKS[str(row.verdict)]
            three = (100 * row.estimate, 100 * row.conf_low, 100 * row.conf_high)
            estimate(ax, y, three, colour, marker=marker, hollow=hollow)
        equal = 100 / len(_told(result))
        ax.axvline(equal, color=INK, lw=1, ls=":", zorder=1)
        names_at(ax, place, rows["term"], rows["verdict"] == "matters")
        texts = [_slope(r) for _, r in rows.iterrows()]
        beside(ax, place, [(8.0, "a point better", texts)])
        ax.set_xlim(0, None)
        ax.set_ylim(-0.7, len(rows) - 0.3)
        ax.set_xlabel("Share of what all ratings explain (%)", fontsize=LABEL)
    return ax


def _slope(row: pd.Series) -> str:
    if not np.isfinite(row["slope"]):
        return "–"
    three = [f"{row[c]:+.2f}" for c in ("slope", "slope_low", "slope_high")]
    return "{} ({} to {})".format(*three).replace("-", MINUS)


def shares_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`shares`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    """
    table = _told(result)
    if table.empty:
        return {}
    rows = table.head(_MOST_ROWS)
    overall = result.meta["overall"]
    matters = list(table.loc[table["verdict"] == "matters", "term"])
    caption = (
        f"How what all ratings explain of {overall} is shared out (Shapley shares); dotted: equal "
        "shares. Filled: told from none beside the others, corrected for their number; squares go "
        f"with worse scores. At the right, by how many points {overall} is higher where a rating "
        f"is a point better, all others equal. {_about(result)}"
    )
    if len(rows) < len(table):
        caption += f" Shown: the {len(rows)} largest of {len(table)}."
    first = rows.iloc[0]
    alt = (
        f"Dots with intervals, one a rating. Largest: {first['term']}, {first['estimate']:.0%}. "
        f"Told to matter: {listed(matters, 8) or 'none'}."
    )
    columns = ["term", "estimate", "conf_low", "conf_high", "n", "slope", "slope_low",
               "slope_high", "q_value", "verdict"]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": rows[columns]}


# -- importance against performance ------------------------------------------------------------


def quadrant(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw each rating's share against its mean, each with the ellipse that holds it at 95%.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    part = result.parts.get("quadrant")
    with style():
        ax = axes_of(ax, 6.0, 8.5)
        if part is None or len(part.table) < 2:
            say_nothing(ax, "There is nothing to weigh against each other.")
            return ax
        table, meta = part.table, part.meta
        named = _named(result)
        for row in table.itertuples():
            _blob(ax, row, row.term in named)
        ax.axhline(100 * meta["equal_share"], color=INK, lw=1, ls=":", zorder=1)
        ax.axvline(meta["mean_performance"], color=INK, lw=1, ls=":", zorder=1)
        ax.autoscale_view()
        top = ax.get_ylim()[1]
        ax.set_ylim(-0.06 * top, top)  # the corners' names are clear of the shares that are none
        ax.axhline(0, color=INK, lw=1, zorder=1)
        _names(ax, table[table["term"].isin([*named, *_first(table)])])
        _corners(ax)
        ax.set_xlabel("Mean rating (0: worst, 100: best)", fontsize=LABEL)
        ax.set_ylabel("Share of what all ratings explain (%)", fontsize=LABEL)
    return ax


def _named(result: Result) -> list[str]:
    """Choose the ratings that are named: those told to matter, else those that weigh most."""
    matters = result.table.loc[result.table["verdict"] == "matters", "term"]
    table = result["quadrant"].table
    chosen = table.loc[table["term"].isin(matters), "term"] if len(matters) else table["term"]
    return list(chosen.head(_MOST_NAMES if len(matters) else _FEW_NAMES))


def _first(table: pd.DataFrame) -> list[str]:
    """Give the ratings to be improved first, those that weigh most: they are asked for by name."""
    first = table[table["quadrant"] == "improve first"]
    return list(first.nlargest(_MOST_NAMES, "estimate")["term"])


def _blob(ax: Axes, row: Any, named: bool) -> None:
    from matplotlib.patches import Ellipse

    first = row.quadrant == "improve first"
    colour = HARM if first else (UNSURE if named else WITHHELD)
    x, y = row.performance, 100 * row.estimate
    marker = "s" if first else "o"
    face = colour if row.told else "white"
    ax.plot([x], [y], marker, color=colour, markerfacecolor=face, ms=7 if named else 4, zorder=3)
    if not named:
        return
    one, other = row.performance_sd, 100 * row.share_sd
    covariance = row.correlation * one * other
    values, vectors = np.linalg.eigh([[one**2, covariance], [covariance, other**2]])
    wide, high = 2 * _REACH * np.sqrt(np.maximum(values, 0.0))
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    line: Any = {"angle": angle, "lw": 0.9, "ls": "-" if first else "--", "zorder": 2}
    area = Ellipse((x, y), wide, high, facecolor=(colour, 0.05), edgecolor=(colour, 0.55), **line)
    ax.add_patch(area)


def _names(ax: Axes, rows: pd.DataFrame) -> None:
    """Name the marks at their right, each name moved up until it is clear of others and marks."""
    low, high = ax.get_ylim()
    left, right = ax.get_xlim()
    step = 0.042 * (high - low)
    marks = list(zip(rows["performance"], 100 * rows["estimate"], strict=True))
    set_before: list[tuple[float, float]] = []

    def taken(x: float, up: float) -> bool:
        names = any(abs(up - b) < step and abs(x - a) < 0.35 * (right - left)
                    for a, b in set_before)  # fmt: skip
        return names or any(
            abs(up - b) < 0.6 * step and 0 < a - x < 0.2 * (right - left) for a, b in marks
        )

    for row in rows.sort_values("estimate").itertuples():
        x, y = float(row.performance), 100 * float(row.estimate)
        up = y
        while taken(x, up):
            up += step / 4
        set_before.append((x, up))
        far = x + 0.012 * (right - left)
        if up > y + step / 2:
            ax.plot([x, far], [y, up], color=UNSURE, lw=0.7, zorder=2)
        ax.text(far, up, f" {row.term}", fontsize=NOTE, color=INK, va="center", zorder=4)


def _corners(ax: Axes) -> None:
    for x, y, text in ((0.01, 0.985, "improve first"), (0.99, 0.985, "keep up"),
                       (0.01, 0.015, "no hurry"), (0.99, 0.015, "could do with less")):  # fmt: skip
        ax.text(x, y, text, transform=ax.transAxes, fontsize=NOTE, color=UNSURE, style="italic",
                ha="left" if x < 0.5 else "right", va="bottom" if y < 0.5 else "top")  # fmt: skip


def quadrant_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`quadrant`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    """
    part = result.parts.get("quadrant")
    if part is None or len(part.table) < 2:
        return {}
    table = part.table
    caption = (
        "How much each rating weighs, against how well it is rated; dotted: equal shares, and the "
        "mean of the ratings. An ellipse holds its rating at 95%: where it crosses a dotted line, "
        f"the side is not sure. Squares: improve first; filled: sure. {_about(result)}"
    )
    if len(named := _named(result)) < len(table):
        what = "told to matter" if "matters" in set(result.table["verdict"]) else "that weigh most"
        also = " and those to improve first" if _first(table) else ""
        caption += f" Named: the {len(named)} of {len(table)} {what}{also}."
    first = listed(table.loc[table["quadrant"] == "improve first", "term"], 6) or "none"
    alt = f"Dots with ellipses in four quadrants. Weighs more, rated lower: {first}."
    return {"caption": caption, "alt": alt, "data": table.drop(columns=["p_value"])}


# -- kinds of factors --------------------------------------------------------------------------


def _bent(result: Result) -> pd.DataFrame:
    part = result.parts.get("asymmetry")
    if part is None or part.table.empty:
        return pd.DataFrame()
    table = part.table
    reach = (table["penalty"].abs() + table["reward"].abs()).sort_values(ascending=False)
    return table.loc[reach.index].head(12).reset_index(drop=True)


def factors(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what a point below the turning point and one above it go with, a row a rating.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows = _bent(result)
    with style():
        ax = rows_axes(ax, len(rows), each=0.42, wide=8.0)
        if rows.empty:
            say_nothing(ax, "There are too few bad or too few good ratings.")
            return ax
        place = (len(rows) - 1 - np.arange(len(rows))).tolist()
        for y, row in zip(place, rows.itertuples(), strict=True):
            bad = (-row.penalty, -row.penalty_high, -row.penalty_low)
            good = (row.reward, row.reward_low, row.reward_high)
            estimate(ax, y + 0.14, bad, HARM, marker="s", hollow=not row.penalty_low > 0, size=6)
            estimate(ax, y - 0.14, good, HELP, hollow=not row.reward_low > 0, size=6)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        known = rows["kind"].isin(["basic", "excitement", "performance"])
        names_at(ax, place, rows["term"], known)
        beside(ax, place, [(8.0, "kind", rows["kind"].tolist())])
        ax.set_ylim(-0.7, len(rows) - 0.3)
        ax.set_xlabel(f"Points of {result.meta['overall']} a point of the rating", fontsize=LABEL)
    return ax


def factors_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`factors`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    """
    rows = _bent(result)
    if rows.empty:
        return {}
    total = len(result["asymmetry"].table)
    caption = (
        "Squares: a rating a point below its turning point; dots: a point above it, all others "
        "equal. Filled: told from none by itself. The kind is named where the two differ beyond "
        "chance, corrected for all ratings, or where neither can be three times the other. "
        f"{_about(result)}"
    )
    if len(rows) < total:
        caption += f" Shown: the {len(rows)} with the largest effects of {total}."
    told = [f"{r.term} {r.kind}" for r in rows.itertuples()]
    alt = f"Two marks with intervals a rating. Kinds: {listed(told, 12)}."
    return {"caption": caption, "alt": alt, "data": rows}


def pictured(result: Result, name: str) -> Picture | None:
    """Give a picture of the page with its words; None where there is nothing to draw.

    Parameters
    ----------
    result : Result
        Of ``satisfaction_drivers``.
    name : str
        ``shares``, ``quadrant`` or ``factors``.
    """
    return next(iter(pictures(result, {name: _PICTURES[name]})), None)


_PICTURES: Mapping[str, Drawing] = {
    "shares": (shares, shares_words),
    "quadrant": (quadrant, quadrant_words),
    "factors": (factors, factors_words),
}
