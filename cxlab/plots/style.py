"""The look of every figure, and colours that mean something."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ACCENT",
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
        "font.family": "DejaVu Sans",
        "font.size": TICK,
        "grid.color": _LINE,
        "grid.linewidth": 0.7,
        "legend.fontsize": TICK,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "text.color": INK,
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

    Figures keep a white ground whatever the page's, so that the colours mean the same
    on a light and on a dark one.
    """
    import matplotlib as mpl

    with mpl.rc_context(_settings()):
        yield
