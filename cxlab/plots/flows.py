"""Pictures of ways: flows in lanes, what follows what, and where journeys are at each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import axes_of, say_nothing, whole
from cxlab.plots.style import ACCENT, HARM, HELP, INK, LABEL, NOTE, UNSURE, WITHHELD, style
from cxlab.results import Result, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "flows",
    "flows_words",
    "in_map_order",
    "square",
    "step_matrix",
    "step_matrix_words",
    "transitions",
    "transitions_words",
]

_ENDS = {"complete": HELP, "abandoned": HARM, "still open": UNSURE, "not known": UNSURE,
         "going on": WITHHELD}  # fmt: skip
# Steps that less than this share of the journeys get to, and thinner flows, are not drawn.
_LEAST_GOING, _LEAST_FLOW = 0.02, 0.002
_GAP, _BAR = 0.035, 0.07
_MOST_NAMES = 22
Lane = tuple[str, bool]
"""A touchpoint, or (True) how journeys ended."""


def _drawn(result: Result) -> tuple[pd.DataFrame, int]:
    """Give the flows between the steps that enough journeys get to, and how many steps."""
    part = result["flows"]
    table = part.table
    if table.empty:
        return table, 0
    begun = float(part.meta["begun"])
    going = table.groupby("step")["journeys"].sum() / begun
    steps = int((going >= _LEAST_GOING).sum())
    table = table[table["step"] <= steps].copy()
    last = (table["step"] == steps) & ~table["ends"]
    table.loc[last, "to"], table.loc[last, "ends"] = "going on", True
    table = table.groupby(["step", "from", "to", "ends"], as_index=False)["journeys"].sum()
    return table.assign(share=table["journeys"] / begun), steps


def _lanes(table: pd.DataFrame, order: Sequence[str]) -> dict[Lane, tuple[float, float]]:
    """Give each touchpoint and each end a lane as high as its highest bar: top and height.

    A touchpoint that is called as an end has a lane of its own.
    """
    inside = table.groupby(["step", "from"])["share"].sum().groupby("from").max()
    into = table.groupby(["step", "to", "ends"])["share"].sum().groupby(["to", "ends"]).max()
    heights: dict[Lane, float] = {(str(n), False): float(h) for n, h in inside.items()}
    for (name, ends), high in into.items():
        heights[name, bool(ends)] = max(float(high), heights.get((name, bool(ends)), 0.0))
    met = [n for n, ends in heights if not ends]
    rest = [n for n in dict.fromkeys(met) if n not in order]
    known = [(n, False) for n in (*order, *rest)] + [(n, True) for n in _ENDS]
    lanes, top = {}, 0.0
    for lane in known:
        if lane in heights:
            high = max(heights[lane], 0.012)
            lanes[lane] = (top, high)
            top += high + _GAP + (_GAP if lane[0] in rest else 0.0)
    return lanes


def flows(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw journeys of several steps from step to step, each touchpoint in a lane of its own.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """

    table, steps = _drawn(result)
    with style():
        if table.empty:
            ax = axes_of(ax, 2, 8)
            say_nothing(ax, "No journey has more than one step.")
            return ax
        order = in_map_order(result, result["flows"].meta["top"])
        lanes = _lanes(table, order)
        depth = max(top + high for top, high in lanes.values())
        ax = axes_of(ax, max(4.0, 3.1 * depth + 0.9), 10.5)
        _bars(ax, table, lanes)
        _ribbons(ax, table, lanes)
        ax.set_xlim(0.9, steps + 1.25)
        ax.set_ylim(depth + 0.02, -0.09)
        ax.set_yticks([top + high / 2 for top, high in lanes.values()], [n for n, _ in lanes])
        for label, (name, ends) in zip(ax.get_yticklabels(), lanes, strict=True):
            label.set_color(_ENDS[name] if ends else INK)
            label.set_fontweight("bold" if ends else "normal")
        heads = [*(f"step {s}" for s in range(1, steps + 1)), "after"]
        ax.set_xticks([s + _BAR / 2 for s in range(1, steps + 2)], heads)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return ax


def in_map_order(result: Result, names: Sequence[str]) -> list[str]:
    """Put touchpoints in the order of the map.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    names : sequence of str
        The touchpoints.
    """
    return [t for t in result.meta["places"]["touchpoint"] if t in set(names)]


def _bars(ax: Axes, table: pd.DataFrame, lanes: Mapping[Lane, tuple[float, float]]) -> None:
    """Draw the journeys at each step, and those that ended after it."""
    import matplotlib.pyplot as plt

    at = table.groupby(["step", "from"])["share"].sum()
    over = table[table["ends"]].groupby(["step", "to"])["share"].sum()
    bars = [(s, (name, False), share, ACCENT) for (s, name), share in at.items()]
    bars += [(s + 1, (name, True), share, _ENDS[name]) for (s, name), share in over.items()]
    for step, lane, share, colour in bars:
        top, high = lanes[lane]
        y = top + (high - share) / 2
        ax.add_patch(plt.Rectangle((step, y), _BAR, share, color=colour, lw=0, zorder=3))
        if share >= 0.01:
            ax.text(step + _BAR + 0.015, y + share / 2, f"{share:.0%}", va="center", fontsize=NOTE,
                    color=INK, zorder=5,
                    bbox={"facecolor": "#ffffff", "alpha": 0.75, "pad": 0.6, "lw": 0})  # fmt: skip


def _ribbons(ax: Axes, table: pd.DataFrame, lanes: Mapping[Lane, tuple[float, float]]) -> None:
    """Draw the flows as ribbons, as wide as they are many; those to an end in its colour."""
    place = {lane: i for i, lane in enumerate(lanes)}
    rows = pd.DataFrame(
        {
            "step": table["step"],
            "out": [(name, False) for name in table["from"]],
            "into": list(zip(table["to"], table["ends"].astype(bool), strict=True)),
            "share": table["share"],
        }
    )
    rows["i"], rows["j"] = rows["out"].map(place), rows["into"].map(place)
    used: dict[tuple[str, int, Lane], float] = {}
    sizes = {c: rows.groupby(["step", c])["share"].sum() for c in ("out", "into")}
    for row in rows.sort_values(["step", "i", "j"]).itertuples():
        ends = []
        for column, lane in (("out", row.out), ("into", row.into)):
            top, high = lanes[lane]
            size = float(sizes[column][row.step, lane])
            key = (column, row.step, lane)
            ends.append(used.setdefault(key, top + (high - size) / 2))
            used[key] += row.share
        if row.share >= _LEAST_FLOW:
            colour = _ENDS[row.into[0]] if row.into[1] else ACCENT
            _ribbon(ax, (row.step + _BAR, ends[0]), (row.step + 1, ends[1]), row.share, colour)


def _ribbon(
    ax: Axes, begin: tuple[float, float], end: tuple[float, float], width: float, colour: str
) -> None:
    t = np.linspace(0, 1, 30)
    x = begin[0] + (end[0] - begin[0]) * t
    y = begin[1] + (end[1] - begin[1]) * (3 * t**2 - 2 * t**3)
    ax.fill_between(x, y, y + width, color=colour, alpha=0.28, lw=0, zorder=1)


def flows_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`flows`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    table, steps = _drawn(result)
    if table.empty:
        return {}
    meta, matrix = result["flows"].meta, result["step_matrix"].meta
    begun = meta["begun"]
    thin = table[table["share"] < _LEAST_FLOW]
    caption = (
        f"{counted(begun, 'journey')} of several steps, from step to step; a bar is as high as its "
        f"share of them.{_ending(table)}"
    )
    if meta["other"]:
        caption += f" Other: {counted(meta['other'], 'touchpoint')} that are met less often."
    if len(thin):
        caption += (
            f" {counted(len(thin), 'flow')} of less than {_LEAST_FLOW:.1%} each "
            f"({thin['share'].sum():.0%} in all) are not drawn."
        )
    if meta["withheld"]:
        caption += (
            f" {counted(meta['withheld'], 'flow')} of fewer than {meta['min_group']} customers "
            "are withheld."
        )
    if matrix.get("longest", 0) > steps:
        caption += (
            f" Steps after the {_nth(steps)} are left out: fewer than {_LEAST_GOING:.0%} get there."
        )
    first = table[table["step"] == 1].groupby("from")["share"].sum().sort_values(ascending=False)
    told = ", ".join(f"{name} {share:.0%}" for name, share in first.items())
    alt = f"Ribbons between lanes of touchpoints over {counted(steps, 'step')}."
    alt += f" At the first step: {told}." if told else ""
    return {"caption": caption, "alt": alt, "data": table}


def _nth(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _ending(table: pd.DataFrame) -> str:
    over = table[table["ends"]].groupby("to")["share"].sum()
    known = [name for name in _ENDS if over.get(name, 0.0) >= 0.005]
    told = [f"{over[name]:.0%} {name}" for name in known]
    return f" In the end: {', '.join(told)}." if told else ""


def transitions(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what follows each touchpoint within the journey.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    table, names = square(result)
    with style():
        ax = axes_of(ax, 2.6 + 0.32 * max(len(names), 3), 3.2 + 0.4 * max(len(names), 3))
        if table.empty:
            say_nothing(ax, "Nothing follows another contact in its journey.")
            return ax
        top = max(float(table.loc[table["kind"] == "move", "estimate"].max()), 0.01)
        place = {name: float(k) for k, name in enumerate(names)}
        last = len(names) + 0.35
        for row in table.assign(came=table["from"]).itertuples():
            x = last if row.kind == "end" else place[row.to]
            y = last if row.kind == "start" else place[row.came]
            moves = row.kind == "move"
            depth = 0.05 + 0.7 * min(row.estimate / top, 1.0) if moves else 0.12
            ax.add_patch(plt.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, lw=0, alpha=depth,
                                       color=ACCENT if moves else UNSURE))  # fmt: skip
            if row.estimate >= 0.005:
                ax.text(x, y, f"{100 * row.estimate:.0f}", ha="center", va="center",
                        fontsize=NOTE)  # fmt: skip
        ax.set_xticks([*place.values(), last], [*names, "(end)"], rotation=50, ha="left")
        ax.xaxis.tick_top()
        ax.set_yticks([*place.values(), last], [*names, "(start)"])
        ax.set_xlim(-0.6, last + 0.6)
        ax.set_ylim(last + 0.6, -0.6)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.set_xlabel("Next in the journey, % of the contacts on the left", fontsize=LABEL)
    return ax


def square(result: Result) -> tuple[pd.DataFrame, list[str]]:
    """Give the transitions between the touchpoints with most of them, and these in map order.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    table = result["transitions"].table
    if table.empty or not (moves := table["kind"] == "move").any():
        return table.head(0), []
    moved = table[moves]
    size = moved.groupby("from")["contacts"].sum().add(
        moved.groupby("to")["contacts"].sum(), fill_value=0
    )  # fmt: skip
    names = in_map_order(result, list(size.nlargest(_MOST_NAMES).index))
    came = table["from"].isin(names) | (table["kind"] == "start")
    goes = table["to"].isin(names) | (table["kind"] == "end")
    return table[came & goes], names


def transitions_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`transitions`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    table, names = square(result)
    if table.empty:
        return {}
    part = result["transitions"]
    caption = (
        "What follows in the same journey, in % of the contacts at the touchpoint on the left; "
        "(end): nothing does; (start): in % of all journeys, those that begin there. "
        f"{part.sentence}"
    )
    every = part.table.loc[part.table["kind"] != "start", "from"].nunique()
    if every > len(names):
        caption += f" Drawn: {len(names)} with most steps between them, of {every} touchpoints."
    if part.meta["withheld"]:
        caption += (
            f" Blank: {counted(part.meta['withheld'], 'pair')} of fewer than "
            f"{part.meta['min_group']} customers."
        )
    moved = table[table["kind"] == "move"].nlargest(8, "contacts")
    each = [f"{t} {e:.0%}" for t, e in zip(moved["term"], moved["estimate"], strict=True)]
    alt = f"A square of {counted(len(names), 'touchpoint')}. Most contacts: {'; '.join(each)}."
    return {"caption": caption, "alt": alt, "data": table}


def step_matrix(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw where journeys of several steps are at each step, and how many still go on.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    table = result["step_matrix"].table
    with style():
        if table.empty:
            ax = axes_of(ax, 2, 8)
            say_nothing(ax, "No journey has more than one step.")
            return ax
        present = set(table["touchpoint"])
        known = in_map_order(result, list(present))
        names = [*known, *sorted(present - set(known))]
        steps = sorted(table["step"].unique())
        ax = axes_of(ax, 1.5 + 0.36 * len(names), 3.0 + 0.85 * len(steps))
        top = float(table["estimate"].max())
        for row in table.itertuples():
            i, j = names.index(row.touchpoint), steps.index(row.step)
            ax.add_patch(plt.Rectangle((j - 0.48, i - 0.46), 0.96, 0.92, lw=0, color=ACCENT,
                                       alpha=0.05 + 0.7 * row.estimate / top))  # fmt: skip
            ax.text(j, i, f"{100 * row.estimate:.0f}", ha="center", va="center", fontsize=NOTE)
        still = table.groupby("step")["still"].first()
        heads = [f"step {s}\n{whole(still[s])}" for s in steps]
        ax.set_xticks(range(len(steps)), heads)
        ax.xaxis.tick_top()
        ax.set_yticks(range(len(names)), names)
        ax.set_xlim(-0.55, len(steps) - 0.45)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.tick_params(length=0)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    return ax


def step_matrix_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`step_matrix`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    part = result["step_matrix"]
    table = part.table
    if table.empty:
        return {}
    caption = (
        "Where journeys of several steps are at each step, in % of those that get to it (their "
        "number above)."
    )
    if part.meta["other"]:
        caption += f" Other: {counted(part.meta['other'], 'touchpoint')} met less often."
    if part.meta["withheld"]:
        caption += (
            f" Blank: nobody, or fewer than {part.meta['min_group']} customers "
            f"({counted(part.meta['withheld'], 'cell')})."
        )
    if part.meta["longest"] > table["step"].max():
        caption += f" The longest journey has {part.meta['longest']:,} steps."
    going = table.groupby("step")["going"].first()
    told = ", ".join(f"step {s} {g:.1%}" for s, g in going.items())
    return {"caption": caption, "alt": f"A grid of touchpoints by step. Still going: {told}.",
            "data": table}  # fmt: skip
