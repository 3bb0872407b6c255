"""The look of every figure, and colours that mean something."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ACCENT",
    "DARK",
    "HARM",
    "HELP",
    "INK",
    "LABEL",
    "NOTE",
    "UNSURE",
    "WITHHELD",
    "Identity",
    "identities",
    "style",
]

HARM = "#d55e00"
"""Drives customers away (vermilion)."""
HELP = "#0072b2"
"""Keeps customers (blue)."""
UNSURE = "#5f6368"
"""Estimated, but nothing is claimed (dark grey)."""
WITHHELD = "#949494"
"""Too little data, or withheld (light grey: draw it hollow or dashed as well)."""
ACCENT = "#117a65"
"""A series that is neither harm nor help (green)."""
INK = "#1c2026"
"""Text and axes."""

TITLE, LABEL, TICK, NOTE = 13.0, 11.0, 10.0, 9.0
"""Font sizes in points."""

# After Paul Tol's muted scheme; none of them is a colour that means harm or help.
_IDENTITIES = (
    "#332288",
    "#117733",
    "#aa4499",
    "#7a6a00",
    "#882255",
    "#2a8a9a",
    "#7a5230",
    "#6a6fc0",
)
_MARKERS = "osD^vP"
_DASHES = ("-", "--", "-.", ":")
_CARD = "#ffffff"
_SOFT = "#5a616b"
_LINE = "#dcdcd6"

DARK = {
    _CARD: "#1c2027",
    INK: "#e6e7e9",
    "#000000": "#e6e7e9",
    _SOFT: "#a3a9b2",
    _LINE: "#363c45",
    HARM: "#ff9c57",
    HELP: "#73bdf0",
    UNSURE: "#b4bac2",
    WITHHELD: "#8b929b",
    ACCENT: "#4cc3a5",
    "#332288": "#9183f4",
    "#117733": "#5cc27a",
    "#aa4499": "#dd88cf",
    "#7a6a00": "#d0bd4a",
    "#882255": "#e8729f",
    "#2a8a9a": "#6fc7d6",
    "#7a5230": "#cf9f78",
    "#6a6fc0": "#b3bcff",
}
"""What each colour of a figure becomes on a dark page; the page's style sheet has the same."""

# Names in other scripts are drawn where one of these is installed, else as boxes.
_OTHER_SCRIPTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "PingFang SC", "WenQuanYi Zen Hei"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Noto Sans Bengali", "Noto Sans Tamil"),
)


@dataclass(frozen=True)
class Identity:
    """What a touchpoint or a segment looks like in every picture of a report.

    Parameters
    ----------
    colour, marker, dashes : str
        As matplotlib takes them. Two with the same colour differ in marker and dashes.
    """

    colour: str
    marker: str
    dashes: str


def identities(names: Iterable[str]) -> dict[str, Identity]:
    """Give each name a look of its own, the same wherever the same names are given.

    Parameters
    ----------
    names : iterable of str
        All touchpoints of the dataset (or all levels of a segment), drawn or not: a picture
        of a few of them then shows them as every other picture does.
    """
    found = {}
    for place, name in enumerate(sorted(set(names))):
        turn, colour = divmod(place, len(_IDENTITIES))
        found[name] = Identity(
            _IDENTITIES[colour],
            _MARKERS[(place + turn) % len(_MARKERS)],
            _DASHES[turn % len(_DASHES)],
        )
    return found


def _settings() -> Any:
    import seaborn as sns
    from cycler import cycler
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return {
        **sns.axes_style("ticks"),
        **sns.plotting_context("notebook"),
        "axes.axisbelow": True,
        "axes.edgecolor": _SOFT,
        "axes.facecolor": _CARD,
        "axes.grid": True,
        "axes.labelcolor": INK,
        "axes.labelsize": LABEL,
        "axes.linewidth": 0.8,
        "axes.prop_cycle": cycler(color=_IDENTITIES),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": TITLE,
        "axes.titleweight": "bold",
        "figure.constrained_layout.use": True,
        "figure.dpi": 100,
        "figure.facecolor": _CARD,
        "figure.figsize": (8.0, 4.5),
        "font.family": ["DejaVu Sans", *(f for f in _OTHER_SCRIPTS if f in installed)],
        "font.size": TICK,
        "grid.color": _LINE,
        "grid.linewidth": 0.7,
        "legend.fontsize": TICK,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "text.color": INK,
        "text.parse_math": False,  # a touchpoint may have a dollar in its name
        "xtick.color": _SOFT,
        "xtick.labelcolor": INK,
        "xtick.labelsize": TICK,
        "ytick.color": _SOFT,
        "ytick.labelcolor": INK,
        "ytick.labelsize": TICK,
    }


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Draw in cxlab's style inside the ``with`` block; nothing changes outside it.

    A figure is drawn on white. Where all its colours are of :data:`DARK`, a dark page shows
    it in those; else it stays as it is.
    """
    import matplotlib as mpl

    with mpl.rc_context(_settings()), warnings.catch_warnings():
        for unknown in ("Glyph .* missing from", "Matplotlib currently does not support"):
            warnings.filterwarnings("ignore", unknown, UserWarning)  # drawn as a box
        yield
