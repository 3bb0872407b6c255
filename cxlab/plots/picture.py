"""A figure that carries its caption and description with it, drawn the same every time."""

from __future__ import annotations

import base64
import html
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PICTURE_MIME", "Picture", "picture"]

PICTURE_MIME = "application/vnd.cxlab.picture+json"

_FIXED: Any = {"svg.hashsalt": "cxlab", "svg.fonttype": "path"}
_DPI = 200


@dataclass(frozen=True)
class Picture:
    """A drawn figure.

    Parameters
    ----------
    name : str
        Names the files in a report's ``figures/``.
    caption : str
        Finding, n, period and interval level.
    alt : str
        What is to be seen, for those who cannot see it.
    data : pandas.DataFrame
        The figures that are drawn.
    svg : str
        The figure as SVG.
    png : bytes
        The figure as PNG.
    """

    name: str
    caption: str
    alt: str
    data: pd.DataFrame
    svg: str
    png: bytes

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        encoded = base64.b64encode(self.svg.encode()).decode()
        shown = (
            f'<figure class="cx-figure" id="{html.escape(self.name)}">'
            f'<img alt="{html.escape(self.alt)}" src="data:image/svg+xml;base64,{encoded}">'
            f"<figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )
        data = {
            "name": self.name,
            "caption": self.caption,
            "alt": self.alt,
            "data": Result(self.name, self.data).to_dict()["table"],
            "svg": self.svg,
            "png": base64.b64encode(self.png).decode(),
        }
        return {"text/html": shown, PICTURE_MIME: data}


def picture(ax: Axes, *, name: str, caption: str, alt: str, data: pd.DataFrame) -> Picture:
    """Draw the figure of an Axes once, and close it.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Any Axes of the figure.
    name : str
        Names the files in a report's ``figures/``.
    caption : str
        Finding, n, period and interval level.
    alt : str
        What is to be seen, for those who cannot see it.
    data : pandas.DataFrame
        The figures that are drawn, one row a mark; a report shows them one click away.

    Returns
    -------
    Picture
        Equal bytes for equal figures: no dates, fixed ids, letters drawn as paths.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt
    from matplotlib.figure import SubFigure

    figure = ax.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    svg, png = io.StringIO(), io.BytesIO()
    with mpl.rc_context(_FIXED):
        figure.savefig(
            svg, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None}
        )
        figure.savefig(
            png, format="png", bbox_inches="tight", dpi=_DPI, metadata={"Software": None}
        )
    plt.close(figure)  # else the notebook shows it a second time
    return Picture(name, caption, alt, data, svg.getvalue(), png.getvalue())
