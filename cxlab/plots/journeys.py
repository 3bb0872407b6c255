"""Pictures of the journey: the map, handoffs, loops, what goes with leaving, two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cxlab.plots import flows, lived, ways
from cxlab.plots.mapped import BAD, GOOD, PLAIN, average, known, look, places
from cxlab.plots.marks import estimate, names_at, say_nothing, whole
from cxlab.plots.paged import paged
from cxlab.plots.picture import Drawing, Picture
from cxlab.plots.style import ACCENT, INK, LABEL, NOTE, UNSURE, style
from cxlab.results import MINUS, Plain, Result, counted, listed, metric_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "differences",
    "differences_words",
    "journey_map",
    "journey_map_words",
    "shown",
]

_MOST_ROWS = 45
_CLEAR = 0.05
_ROW = 0.27
_BAND = "#dcdcd6"
_LOW_ISGOOD = ("failed", "exits")
_TIMES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200)


def _rows(result: Result, names: Sequence[str] | None = None) -> list[tuple[str, bool]]:
    """Give the rows of the map: stages (True) and their touchpoints, in order."""
    table = places(result)
    if names is not None:
        table = table[table["touchpoint"].isin(list(names))]
    if len(table) > _MOST_ROWS:
        table = table.loc[table["contacts"].nlargest(_MOST_ROWS).index.sort_values()]
    staged, found = len(set(table["stage"])) > 1, []
    for stage, group in table.groupby("stage", sort=False):
        found += [(str(stage), True)] if staged else []
        found += [(str(name), False) for name in group["touchpoint"]]
    return found


def _heads(result: Result) -> dict[str, str]:
    """Head the columns of the map by their figures."""
    meta = result.meta
    heads = {"failed": "Fail"}
    for figure, metric in meta["metrics"].items():
        low, high = meta["scales"][metric]
        heads[figure] = f"{metric_label(metric)}, {low:g} to {high:g}"
    heads["exits"] = f"Leave in {meta['exit_days']:g} days,\ntimes expected"
    return {f: head for f, head in heads.items() if f not in meta["missing"]}


def _panels(rows: Sequence[tuple[str, bool]], widths: Sequence[float]) -> list[Axes]:
    """Make panels beside each other that share their rows, stages shaded in turn."""
    import matplotlib.pyplot as plt

    _, grid = plt.subplots(
        1, len(widths), figsize=(11.5, 1.3 + _ROW * max(len(rows), 4)), sharey=True, squeeze=False,
        width_ratios=list(widths), layout="constrained",
    )  # fmt: skip
    every = list(grid.flat)
    place = -np.arange(len(rows), dtype=float)
    names = [name.upper() if stage else name for name, stage in rows]
    for ax in every:
        shaded, begin = False, 0
        edges = [i for i, (_, stage) in enumerate(rows) if stage] + [len(rows)]
        for end in edges[1:] if len(edges) > 1 else []:
            if shaded:
                ax.axhspan(-begin + 0.5, -end + 0.5, color=_BAND, alpha=0.35, lw=0, zorder=0)
            shaded, begin = not shaded, end
        ax.set_ylim(-len(rows) + 0.4, 0.6)
        ax.tick_params(axis="y", length=0)
    names_at(every[0], place, names, [stage for _, stage in rows])
    for ax in every[1:]:
        ax.grid(axis="y", visible=False)
    return every


def journey_map(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the journey map: a row a touchpoint, by stages, a column a figure.

    Dotted lines are the averages over the touchpoints drawn, weighted by what each rests on
    (of exits: as many as expected). Filled marks are told from them.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw the volume alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    rows, heads = _rows(result), _heads(result)
    place = {name: -i for i, (name, stage) in enumerate(rows) if not stage}
    volume = places(result).set_index("touchpoint")["contacts"]
    with style():
        every = _panels(rows, [1.1, *[1.0] * len(heads)]) if ax is None else [ax]
        first = every[0]
        count = [float(volume[name]) for name in place]
        first.barh(list(place.values()), np.nan_to_num(count), height=0.62, color=ACCENT, zorder=2)
        for y, value in zip(place.values(), count, strict=True):
            told = "withheld" if np.isnan(value) else whole(value)
            first.annotate(told, (np.nan_to_num(value), y), (3, 0), textcoords="offset points",
                           va="center", fontsize=NOTE, color=INK)  # fmt: skip
        first.set_xlim(0, 1.32 * max(np.nan_to_num(count), default=1.0) or 1.0)
        _head(first, "Contacts")
        first.set_xticks([])
        for panel, (figure, head) in zip(every[1:], heads.items(), strict=False):
            _figure(panel, result, figure, place)
            _head(panel, head)
    return first


def _head(ax: Axes, text: str) -> None:
    ax.set_title(text, fontsize=LABEL, fontweight="bold", loc="left")


def _high_is_good(result: Result, figure: str) -> bool:
    if figure in _LOW_ISGOOD:
        return False
    metric = result.meta["metrics"][figure]
    return bool(result.meta["better"][metric] == "higher_is_better")


def _figure(ax: Axes, result: Result, figure: str, place: Mapping[str, int]) -> None:
    from matplotlib.ticker import PercentFormatter

    table = known(result, figure, place)
    middle, good = average(table, figure), _high_is_good(result, figure)
    ax.axvline(middle, color=INK, lw=0.9, ls=(0, (1, 2)), zorder=1)
    for row in table.itertuples():
        colour, marker, hollow = look(row, middle, good)
        three = (row.estimate, row.conf_low, row.conf_high)
        estimate(ax, place[row.touchpoint], three, colour, marker=marker, hollow=hollow, size=6)
    for row in result.table[result.table["withheld"]].itertuples():
        if row.figure == figure and row.touchpoint in place:
            ax.annotate("withheld", (0.03, place[row.touchpoint]), fontsize=NOTE, va="center",
                        xycoords=ax.get_yaxis_transform(), color=UNSURE)  # fmt: skip
    if figure == "failed":
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlim(left=0)
    if figure == "exits":
        _log_times(ax, table["conf_low"].min(), table["conf_high"].max())


def _log_times(ax: Axes, low: float, high: float) -> None:
    """Draw a logarithmic axis of so many times."""
    from matplotlib.ticker import FixedLocator, NullLocator

    low = min(0.5, max(low, 0.1)) / 1.1 if np.isfinite(low) else 0.5
    high = max(2.0, min(high, 300.0)) * 1.1 if np.isfinite(high) else 2.0
    ticks = [t for t in _TIMES if low <= t <= high]
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator(ticks[:: -(-len(ticks) // 5)]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:g}\N{MULTIPLICATION SIGN}")


def journey_map_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`journey_map`.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    meta, rows = result.meta, _rows(result)
    names = [name for name, stage in rows if not stage]
    place = {name: 0 for name in names}
    caption = (
        f"The journey, stage by stage: {counted(meta['contacts'], 'contact')} of "
        f"{counted(meta['customers'], 'customer')}, {meta['period'][0]} to {meta['period'][1]}. "
        "Bars: 95% intervals, with a customer's contacts taken together. Dotted: the average"
    )
    heads = _heads(result)
    caption += (
        "; of leaving, as many as are expected of customers who have been there as long."
        if "exits" in heads
        else "."
    )
    caption += " Triangles are worse than it, squares better, rings cannot be told from it."
    if "exits" in heads:
        caption += (
            " That customers leave after a contact does not say that they leave for it: who has "
            "decided to leave gets in touch."
        )
    if (more := len(meta["places"]["touchpoint"]) - len(names)) > 0:
        caption += f" The {len(names)} touchpoints with most contacts; {more} are not drawn."
    told = []
    for figure in heads:
        table = known(result, figure, place)
        if table.empty:
            continue
        good = _high_is_good(result, figure)
        worst = table.loc[table["estimate"].agg("idxmin" if good else "idxmax")]
        told.append(f"{figure}: worst at {worst['touchpoint']} ({worst['estimate']:.3g})")
    stages = [name for name, stage in rows if stage]
    alt = f"Rows of {counted(len(names), 'touchpoint')}"
    alt += f" in the stages {listed(stages)}" if stages else ""
    alt += f", columns for {listed(['contacts', *heads])}."
    alt += f" {'; '.join(told)}." if told else ""
    data = result.table[result.table["touchpoint"].isin(names)]
    return {"caption": caption, "alt": alt, "data": data.drop(columns=["term", "p_value"])}


_UNITS = {"volume": "Contacts of 100 customers,\nin 30 days", "failed": "Fail, points",
          "exits": "Leave after it,\nthe second over the first"}  # fmt: skip


def differences(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how each figure of the map differs between two sides.

    Parameters
    ----------
    result : Result
        Of ``journeys``, with a comparison.
    ax : matplotlib.axes.Axes, optional
        Where to draw the first figure alone.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = result["compared"].table
    rows = _rows(result, list(table["touchpoint"]) if len(table) else [])
    place = {name: -i for i, (name, stage) in enumerate(rows) if not stage}
    figures = list(dict.fromkeys(table["figure"])) if len(table) else []
    with style():
        every = _panels(rows, [1.0] * max(len(figures), 1)) if ax is None else [ax]
        if not figures:
            say_nothing(every[0], "There is nothing to compare.")
            return every[0]
        for panel, figure in zip(every, _ordered(figures), strict=False):
            _apart(panel, result, figure, place)
            metric = result.meta["metrics"].get(figure, figure)
            _head(panel, _UNITS.get(figure, metric_label(metric)))
    return every[0]


def _apart(ax: Axes, result: Result, figure: str, place: Mapping[str, int]) -> None:
    """Draw how one figure differs, touchpoint by touchpoint."""
    table = result["compared"].table
    rows = table[(table["figure"] == figure) & table["touchpoint"].isin(list(place))]
    times, none = (100.0 if figure == "failed" else 1.0), float(figure == "exits")
    good = figure != "volume" and _high_is_good(result, figure)
    for row in rows.itertuples():
        colour, marker, hollow = PLAIN
        if row.q_value < _CLEAR:
            colour, marker, hollow = GOOD if (row.estimate > none) == good else BAD
            if figure == "volume":
                colour, marker = ACCENT, "o"
        three = tuple(times * v for v in (row.estimate, row.conf_low, row.conf_high))
        y = place[row.touchpoint]
        estimate(ax, y, three, colour, marker=marker, hollow=hollow, size=6)
    ax.axvline(none, color=INK, lw=1, zorder=1)
    ax.margins(x=0.12)
    if figure == "exits":
        ends = rows[["conf_low", "conf_high"]].replace([np.inf, -np.inf], np.nan)
        _log_times(ax, ends["conf_low"].min(), ends["conf_high"].max())


def _ordered(figures: Sequence[str]) -> list[str]:
    known = ("volume", "failed", "score", "effort", "emotion", "exits")
    return sorted(figures, key=known.index)


def differences_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`differences`.

    Parameters
    ----------
    result : Result
        Of ``journeys``, with a comparison.
    """
    part = result.parts.get("compared")
    if part is None or part.table.empty:
        return {}
    first, second = part.meta["sides"]
    clear = part.table[part.table["q_value"] < _CLEAR]
    caption = (
        f"The figures of the map for {second}, less those for {first} (of leaving, over them, each "
        "against customers of the same side). Filled: differs beyond "
        f"chance (q under 0.05 over {counted(len(part.table), 'figure')}; triangles are worse, "
        f"squares better): {len(clear)}. 95% intervals, with a customer's contacts taken together."
    )
    told = [f"{r.term} {r.estimate:+.3g}".replace(" -", f" {MINUS}")
            for r in clear.head(12).itertuples()]  # fmt: skip
    alt = f"Panels of differences by touchpoint. Told to differ: {'; '.join(told) or 'none'}."
    return {"caption": caption, "alt": alt, "data": part.table}


_PICTURES: Mapping[str, Drawing] = {
    "map": (journey_map, journey_map_words),
    "compared": (differences, differences_words),
    "flows": (flows.flows, flows.flows_words),
    "ways": (ways.ways, ways.ways_words),
    "transitions": (flows.transitions, flows.transitions_words),
    "step_matrix": (flows.step_matrix, flows.step_matrix_words),
    "handoffs": (lived.handoffs, lived.handoffs_words),
    "loops": (lived.loops, lived.loops_words),
    "experience": (lived.accounts, lived.accounts_words),
    "channels": (lived.channels, lived.channels_words),
}


def shown(result: Result, *names: str) -> list[Plain | Picture | Result]:
    """Give what a page shows, in the order asked for; nothing of what there is nothing of.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    *names : str
        ``words of PART`` gives a part's sentence; the name of a picture draws it; any other
        name gives the part's table.
    """
    return paged(result, _PICTURES, names)
