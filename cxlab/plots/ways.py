"""The ways between touchpoints as a graph: stages as columns, the strongest moves as arrows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.flows import square
from cxlab.plots.mapped import PLAIN, average, known, look, places
from cxlab.plots.marks import axes_of, say_nothing
from cxlab.plots.style import ACCENT, INK, NOTE, UNSURE, style
from cxlab.results import Result, counted, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ways", "ways_words"]

# The fewest arrows that together carry this share of the moves, within these bounds.
_CARRIED, _LEAST_ARROWS, _MOST_ARROWS = 0.6, 12, 22
_MOST_ENDS, _ENDS_CARRY = 3, 0.5
# All in inches: columns hold so many touchpoints, one below the other.
_ROWS, _PITCH, _COLUMN, _HEAD, _SIDE = 6, 0.98, 1.0, 0.42, 0.5
_SMALLEST, _LARGEST = 0.07, 0.2
_NAME, _LINES = 14, 2
_BOWS = (0.1, -0.1, 0.2, -0.2, 0.32, -0.32, 0.46, -0.46, 0.62, -0.62, 0.8, -0.8)
_BENDS = tuple((bow, lean) for bow in _BOWS for lean in (0.0, 0.25, -0.25))
"""How far ways bend to a side, and lean to an end, in lengths of the straight way."""
_BENT = 22.0
"""What a bend costs, in samples of a way that run over something."""
_SPOTS = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
_ASIDE = (0.0, 0.14, -0.14, 0.22, -0.22, 0.34, -0.34)
_BAND = "#dcdcd6"
_START, _END = ("", "start"), ("", "end")

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Key = tuple[str, str]
"""A touchpoint, as (name, ""); the start and the end have no name."""


@dataclass(frozen=True)
class _Arrow:
    """An arrow: its two ends, and the transition that it stands for."""

    out: Key
    into: Key
    share: float
    contacts: float
    move: bool


@dataclass
class _Way:
    """Where an arrow runs, how wide it is (points), and where its share is written."""

    arrow: _Arrow
    line: np.ndarray
    width: float
    told: Point | None = None


@dataclass
class _Plan:
    """Where everything is, in inches."""

    wide: float = 0.0
    high: float = 0.0
    spot: dict[Key, Point] = field(default_factory=dict)
    reach: dict[Key, float] = field(default_factory=dict)
    heads: list[tuple[str, float, float]] = field(default_factory=list)
    names: dict[Key, list[str]] = field(default_factory=dict)
    taken: list[Box] = field(default_factory=list)
    ways: list[_Way] = field(default_factory=list)


def _chosen(result: Result) -> tuple[pd.DataFrame, list[str], dict[str, float]]:
    """Give the transitions drawn, the touchpoints drawn, and what is left out."""
    table, names = square(result)
    every = result["transitions"].table
    moves = every[every["kind"] == "move"] if len(every) else every
    if table.empty:
        return table, [], {}
    total = float(moves["contacts"].sum())
    inside = table[table["kind"] == "move"]
    many = int((inside["contacts"].cumsum() < _CARRIED * total).sum()) + 1
    drawn = inside.head(min(max(many, _LEAST_ARROWS), _MOST_ARROWS))
    ends = [_ends(table, every, kind) for kind in ("start", "end")]
    rest = len(moves) - len(drawn)
    told = {
        "moves": total, "pairs": len(moves), "carried": float(drawn["contacts"].sum()) / total,
        "hidden": rest,
        "most_hidden": float(moves["contacts"].drop(drawn.index, errors="ignore").max() / total)
        if rest else 0.0,
    }  # fmt: skip
    return pd.concat([drawn, *ends]), names, told


def _ends(table: pd.DataFrame, every: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Keep the touchpoints at which half of the journeys begin (or are over), at most a few."""
    rows = table[table["kind"] == kind]
    total = every.loc[every["kind"] == kind, "contacts"].sum()
    return rows[rows["contacts"].cumsum().shift(1, fill_value=0) < _ENDS_CARRY * total].head(
        _MOST_ENDS
    )


def ways(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the strongest moves between touchpoints, stage by stage, with where journeys begin.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; it should be about as wide and as high as the picture draws itself.

    Returns
    -------
    matplotlib.axes.Axes
    """
    import matplotlib.pyplot as plt

    rows, names, _ = _chosen(result)
    with style():
        if rows.empty:
            ax = axes_of(ax, 2, 8)
            say_nothing(ax, "Nothing follows another contact in its journey.")
            return ax
        plan = _laid(result, rows, names)
        if ax is None:
            figure = plt.figure(figsize=(plan.wide, plan.high))
            figure.set_layout_engine("none")
            ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, plan.wide), ylim=(0, plan.high), aspect="equal")
        ax.set_axis_off()
        _stages(ax, plan)
        _nodes(ax, result, plan)
        for way in plan.ways:
            _draw(ax, way)
    return ax


def _width(arrow: _Arrow, most: float) -> float:
    """Give the width of an arrow in points: of moves as they are many."""
    return 0.8 + 5.7 * arrow.contacts / most if arrow.move else 1.0


def _arrows(rows: pd.DataFrame) -> list[_Arrow]:
    """Give the arrows, the strongest moves first: they take the straightest ways."""
    made = []
    for row in rows.assign(came=rows["from"]).itertuples():
        out = _START if row.kind == "start" else (str(row.came), "")
        into = _END if row.kind == "end" else (str(row.to), "")
        made.append(_Arrow(out, into, row.estimate, row.contacts, row.kind == "move"))
    return made


def _laid(result: Result, rows: pd.DataFrame, names: Sequence[str]) -> _Plan:
    """Place touchpoints, then the ways of the arrows, then their shares where there is room."""
    plan, arrows = _planned(result, names), _arrows(rows)
    most = max(a.contacts for a in arrows if a.move)
    for arrow in arrows:
        width = _width(arrow, most)
        plan.ways.append(_Way(arrow, _line(plan, arrow, width), width))
    for way in plan.ways:
        _tell(plan, way)
    return plan


# -- where everything is -----------------------------------------------------------------------


def _planned(result: Result, names: Sequence[str]) -> _Plan:
    """Place touchpoints: a column a stage, or several where it has many."""
    volume = places(result).set_index("touchpoint")
    stage = volume["stage"].reindex(names)
    columns = [
        (str(s), group[k : k + _evenly(len(group))])
        for s, group in ((s, list(g.index)) for s, g in stage.groupby(stage, sort=False))
        for k in range(0, len(group), _evenly(len(group)))
    ]
    failing = _failing(result, names)
    plan = _Plan()
    many = max(len(group) for _, group in columns)
    # Neighbours are half a row apart, so that their names have room.
    body = many * _PITCH + (_PITCH / 2 if len(columns) > 1 else 0.0)
    plan.high = body + _HEAD + 0.15
    x = _SIDE + 0.15
    most = float(volume["contacts"].reindex(names).max())
    for c, (head, group) in enumerate(columns):
        first = c == 0 or columns[c - 1][0] != head
        alone = c + 1 == len(columns) or columns[c + 1][0] != head
        room = _size(_short(head, 16), bold=True)[0] + 0.12 if first and alone else 0.0
        width = max(_COLUMN, room)
        top = body - (body - _PITCH * len(group)) / 2
        top += (_PITCH / 4 if c % 2 else -_PITCH / 4) if len(columns) > 1 else 0.0
        top = min(max(top, _PITCH * len(group)), body)
        for i, name in enumerate(group):
            key = (name, "")
            plan.spot[key] = (x + width / 2, top - _PITCH * i - 0.32)
            size = np.sqrt(np.nan_to_num(float(volume.loc[name, "contacts"]) / most))
            plan.reach[key] = _SMALLEST + (_LARGEST - _SMALLEST) * size
            plan.names[key] = _named(name) + failing.get(name, [])
        if first:
            plan.heads.append((_short(head, 16), x, x + width))
        else:
            plan.heads[-1] = (*plan.heads[-1][:2], x + width)
        x += width
    plan.wide = x + _SIDE + 0.15
    for key, across in ((_START, _SIDE / 2 + 0.05), (_END, plan.wide - _SIDE / 2 - 0.05)):
        plan.spot[key], plan.reach[key] = (across, body / 2), 0.2
    if len(set(stage)) < 2:
        plan.heads = []
    plan.taken = [_around(plan, key) for key in plan.spot]
    plan.taken += [_below(plan, key) for key in plan.names]
    return plan


def _evenly(many: int) -> int:
    """Give how many touchpoints of a stage stand below each other."""
    columns = -(-many // _ROWS)
    return -(-many // columns)


def _failing(result: Result, names: Sequence[str]) -> dict[str, list[str]]:
    table = known(result, "failed", names)
    return {r.touchpoint: [f"{r.estimate:.0%} fail"] for r in table.itertuples()}


def _named(name: str) -> list[str]:
    """Set a name on up to two short lines, broken where it can be."""
    text = legible(name).replace("_", "_\u200b").replace("-", "-\u200b").replace("\n", " ")
    words = textwrap.wrap(text.replace("\u200b", " \u200b"), _NAME * 2) or [""]
    lines: list[str] = [""]
    for word in " ".join(words).split(" "):
        glued = word.startswith("\u200b") or not lines[-1]
        joined = lines[-1] + ("" if glued else " ") + word.lstrip("\u200b")
        if len(joined) <= _NAME or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word.lstrip("\u200b"))
    lines = [_short(line, _NAME) for line in lines]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], _short(lines[_LINES - 1] + "…" * _NAME, _NAME)]
    return lines


def _short(text: str, length: int) -> str:
    text = legible(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _size(text: str, bold: bool = False) -> tuple[float, float]:
    """Measure a line of text, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=NOTE, weight="bold" if bold else "normal")
    wide = text_to_path.get_text_width_height_descent(text, font, False)[0] / 72
    other = sum(ord(c) > 0x2E7F for c in text)  # wide letters of other scripts
    return max(wide, other * NOTE / 72), 1.25 * NOTE / 72


def _around(plan: _Plan, key: Key) -> Box:
    (x, y), r = plan.spot[key], plan.reach[key] + 0.02
    return x - r, y - r, x + r, y + r


def _below(plan: _Plan, key: Key) -> Box:
    """Give the room of a touchpoint's name."""
    (x, y), lines = plan.spot[key], plan.names[key]
    wide = max(_size(line)[0] for line in lines) / 2
    top = y - plan.reach[key] - 0.04
    return x - wide, top - len(lines) * _size("")[1], x + wide, top


# -- the ways of the arrows --------------------------------------------------------------------


def _line(plan: _Plan, arrow: _Arrow, width: float) -> np.ndarray:
    """Choose the way of an arrow that meets least of what is there already."""
    if arrow.out == arrow.into:
        found = [_loop(plan, arrow.out, turn) for turn in (45, 135, 0, 180, 90)]
    else:
        found = [_curve(plan, arrow, *bend) for bend in _BENDS]
    loops = arrow.out == arrow.into
    bows = [0.0] * len(found) if loops else [abs(bow) + abs(lean) / 4 for bow, lean in _BENDS]
    room = 0.02 + width / 144
    costs = [_cost(plan, line, room) + _BENT * bow for line, bow in zip(found, bows, strict=True)]
    return found[int(np.argmin(costs))]


def _curve(plan: _Plan, arrow: _Arrow, bow: float, lean: float) -> np.ndarray:
    a, b = np.array(plan.spot[arrow.out]), np.array(plan.spot[arrow.into])
    apart = b - a
    turned = np.array([-apart[1], apart[0]])
    middle = (a + b) / 2 + lean * apart + bow * 2 * turned
    t = np.linspace(0, 1, 91)[:, None]
    line = (1 - t) ** 2 * a + 2 * t * (1 - t) * middle + t**2 * b
    far_a = np.hypot(*(line - a).T) > plan.reach[arrow.out] + 0.02
    far_b = np.hypot(*(line - b).T) > plan.reach[arrow.into] + 0.03
    kept = np.asarray(line[far_a & far_b])
    return kept if len(kept) > 2 else np.asarray(line[30:61])


def _loop(plan: _Plan, key: Key, turn: float) -> np.ndarray:
    """Draw the way of another contact at the same touchpoint: a circle beside it."""
    r, loop = plan.reach[key], 0.15
    angle = np.deg2rad(turn)
    towards = np.array([np.cos(angle), np.sin(angle)])
    middle = np.array(plan.spot[key]) + (r + 0.75 * loop) * towards
    around = angle + np.pi + np.linspace(0.55, 2 * np.pi - 0.55, 61)
    return np.asarray(middle + loop * np.column_stack([np.cos(around), np.sin(around)]))


def _cost(plan: _Plan, line: np.ndarray, room: float) -> float:
    """Count what a way runs over: names and touchpoints, other ways, the rim."""
    x, y = line.T
    hits = float(_inside(line, np.array(plan.taken), room).sum())
    near = 0.0
    for other in (way.line for way in plan.ways):
        gaps = np.hypot(x[::4, None] - other[::4, 0], y[::4, None] - other[::4, 1])
        near += float((gaps.min(axis=1) < 0.09).sum())
    top = plan.high - _HEAD
    out = float(((x < 0.05) | (x > plan.wide - 0.05) | (y < 0.05) | (y > top)).sum())
    return hits + 0.8 * near + 2 * out


def _inside(line: np.ndarray, boxes: np.ndarray, room: float = 0.0) -> np.ndarray:
    """Tell which points lie in which boxes."""
    x, y = line.T[:, :, None]
    left, low, right, high = boxes.T
    across = (x > left - room) & (x < right + room)
    return np.asarray(across & (y > low - room) & (y < high + room))


def _tell(plan: _Plan, way: _Way) -> None:
    """Choose where an arrow's share stands: on it, or beside it, where nothing else is."""
    wide, high = (v / 2 for v in _size(_written(way.arrow)))
    best, others = np.inf, [w.line for w in plan.ways if w is not way]
    near = np.vstack(others) if others else np.zeros((0, 2))
    for spot in _SPOTS:
        k = round(spot * (len(way.line) - 1))
        along = way.line[min(k + 1, len(way.line) - 1)] - way.line[k - 1]
        aside = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        for off in _ASIDE:
            x, y = way.line[k] + off * aside
            box = (x - wide - 0.02, y - high, x + wide + 0.02, y + high)
            over = float(_inside(near, np.array([box])).sum())
            over += 3 * abs(spot - 0.5) + 100 * abs(off)
            if over < best and not any(_meet(box, other) for other in plan.taken):
                best, way.told, chosen = over, (x, y), box
    if way.told is not None:
        plan.taken.append(chosen)


def _written(arrow: _Arrow) -> str:
    return f"{arrow.share:.0%}" if arrow.share >= 0.005 else "<1%"


def _meet(one: Box, other: Box) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


# -- what is drawn -----------------------------------------------------------------------------


def _stages(ax: Axes, plan: _Plan) -> None:
    for place, (name, left, right) in enumerate(plan.heads):
        if place % 2 == 0:
            ax.axvspan(left, right, color=_BAND, alpha=0.35, lw=0, zorder=0)
        ax.text((left + right) / 2, plan.high - _HEAD / 2, name, ha="center", va="center",
                fontsize=NOTE, fontweight="bold", color=INK)  # fmt: skip


def _nodes(ax: Axes, result: Result, plan: _Plan) -> None:
    """Draw touchpoints as large as they are met, and as the map marks how they fail."""
    table = known(result, "failed", [name for name, _ in plan.names])
    middle = average(table, "failed")
    looks = {r.touchpoint: look(r, middle, False) for r in table.itertuples()}
    for key, lines in plan.names.items():
        colour, marker, hollow = looks.get(key[0], PLAIN)
        x, y = plan.spot[key]
        size = 2 * 72 * plan.reach[key]
        ax.plot([x], [y], marker, color=colour, markersize=size, zorder=3, markeredgewidth=1.6,
                markerfacecolor="#ffffff" if hollow else colour)  # fmt: skip
        ax.text(x, _below(plan, key)[3], "\n".join(lines), ha="center", va="top", fontsize=NOTE,
                color=INK, linespacing=1.0, zorder=6,
                bbox={"facecolor": "#ffffff", "alpha": 0.6, "pad": 0.3, "lw": 0})  # fmt: skip
    for key in (_START, _END):
        frame = {"facecolor": "#ffffff", "edgecolor": UNSURE, "boxstyle": "round,pad=0.35"}
        ax.text(*plan.spot[key], key[1], ha="center", va="center", fontsize=NOTE, color=INK,
                zorder=4, fontweight="bold", bbox=frame)  # fmt: skip


def _draw(ax: Axes, way: _Way) -> None:
    """Draw an arrow as wide as it is often taken; of starts and ends dashed, not to width."""
    import matplotlib.pyplot as plt

    move, line, width = way.arrow.move, way.line, way.width
    long = 0.07 + 0.012 * width
    gone = np.hypot(*(line - line[-1]).T)
    base = int(np.flatnonzero(gone > long)[-1]) if (gone > long).any() else 0
    colour: dict[str, Any] = {"color": ACCENT if move else UNSURE, "alpha": 0.75}
    ax.plot(*line[: base + 1].T, lw=width, ls="-" if move else (0, (3, 2)), zorder=1,
            solid_capstyle="butt", **colour)  # fmt: skip
    towards = line[-1] - line[base]
    towards /= max(float(np.hypot(*towards)), 1e-9)
    aside = np.array([-towards[1], towards[0]]) * (0.035 + 0.8 * width / 72)
    head = [line[-1], line[base] + aside, line[base] - aside]
    ax.add_patch(plt.Polygon(head, lw=0, zorder=2, **colour))
    if way.told is not None:
        ax.text(*way.told, _written(way.arrow), ha="center", va="center", fontsize=NOTE, zorder=5,
                color=INK if move else UNSURE,
                bbox={"facecolor": "#ffffff", "alpha": 0.85, "pad": 0.5, "lw": 0})  # fmt: skip


def ways_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`ways`; empty without any.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    rows, names, told = _chosen(result)
    if rows.empty:
        return {}
    moves = rows[rows["kind"] == "move"]
    caption = (
        f"Where customers go next in a journey: the {counted(len(moves), 'strongest move')} of "
        f"{told['pairs']:,.0f}, which carry {told['carried']:.0%} of {told['moves']:,.0f}. An "
        "arrow is as wide as it is often taken; its figure is the share of the contacts at its "
        "beginning that it follows. Dashed, not to width: where most journeys begin (share of "
        "all), and where most are over (share of the contacts there)."
    )
    if told["hidden"]:
        caption += (
            f" {counted(int(told['hidden']), 'move is', 'moves are')} hidden: "
            f"{1 - told['carried']:.0%} in all, none above {told['most_hidden']:.1%}."
        )
    caption += " Touchpoints are as large as they are often met"
    if len(known(result, "failed", names)):
        caption += (
            "; triangles fail more often than the average, squares less, rings cannot be told "
            "from it"
        )
    caption += "."
    with style():
        laid = _laid(result, rows, names)
    if mute := sum(way.told is None for way in laid.ways):
        caption += f" {counted(mute, 'figure has', 'figures have')} no room here."
    every = len(result.meta["places"]["touchpoint"])
    if every > len(names):
        caption += f" Drawn: {len(names)} of {every} touchpoints, those with most moves."
    each = [f"{t} {e:.0%}" for t, e in zip(moves["term"], moves["estimate"], strict=True)]
    begin = rows.loc[rows["kind"] == "start", "to"]
    alt = (
        f"A graph of {counted(len(names), 'touchpoint')} in columns of stages. Strongest moves: "
        f"{'; '.join(each[:12])}. Most journeys begin at {', '.join(begin)}."
    )
    return {"caption": caption, "alt": alt, "data": rows.drop(columns="n").reset_index(drop=True)}
