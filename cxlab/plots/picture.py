"""A figure that carries its caption and description with it, drawn the same every time."""

from __future__ import annotations

import base64
import html
import io
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from cxlab.plots.style import style
from cxlab.results import TO_THE_LETTER, Result, legible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox

__all__ = ["PICTURE_MIME", "Drawing", "Picture", "picture", "pictures", "sketch"]

PICTURE_MIME = "application/vnd.cxlab.picture+json"
Drawing = tuple[Callable[..., "Axes"], Callable[[Result], dict[str, Any]]]
"""What draws a picture of a result, and what gives its caption, its description and its data:
nothing where there is nothing to draw."""

_FIXED: Any = {
    "svg.hashsalt": "cxlab",
    "svg.fonttype": "path",
    # Each part's place is found once (_laid_out); savefig would put the rc's engine back.
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
}
_DPI = 200
_DIGITS = 9
_PACKED = 3
"""How hard a PNG is packed: half as long as usual, and a sixth larger."""
_LEAST, _LABEL = 16, 40
"""The longest label of a tick or a legend, in characters: in a small panel, and else."""
_PROSE = 60
"""The longest line of what is written among the marks."""
_LINE = 120
"""The longest line of any other text."""


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
    data: pd.DataFrame = field(repr=False)
    svg: str = field(repr=False)  # a notebook keeps the repr as well: half of its size
    png: bytes = field(repr=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        encoded = base64.b64encode(self.svg.encode()).decode()
        shown = (
            f'<figure class="{TO_THE_LETTER}">'
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

    figure, svg, png = _figure_of(ax), io.StringIO(), io.BytesIO()
    with style(), mpl.rc_context(_FIXED):
        _shorten(figure)
        shape: Any = {"bbox_inches": _laid_out(figure)}
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None}, **shape)
        figure.savefig(
            png,
            format="png",
            dpi=_DPI,
            metadata={"Software": None},
            pil_kwargs={"compress_level": _PACKED},
            **shape,
        )
    plt.close(figure)  # else the notebook shows it a second time
    drawn = re.sub(r"\n +", "\n", svg.getvalue())  # indents: a twelfth of a page
    return Picture(name, caption, alt, data, drawn, png.getvalue())


def _laid_out(figure: Figure) -> Bbox:
    """Find each part's place once, for both files, and give what the figure takes, in inches.

    ``bbox_inches="tight"`` would do so for each of them, which takes longer than drawing them.
    """
    from matplotlib import rcParams
    from matplotlib.transforms import Bbox

    figure.set_dpi(_DPI)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        for ax in figure.axes:  # the solver's last digits differ from time to time
            ax.set_position(Bbox(ax.get_position(original=True).get_points().round(_DIGITS)))
        figure.set_layout_engine(None)  # "none" leaves a stand-in, for which savefig draws twice
    return figure.get_tightbbox().padded(rcParams["savefig.pad_inches"])


def sketch(ax: Axes) -> str:
    """Draw the figure of an Axes for a screen alone, and close it: letters stay text.

    It takes half the time that :func:`picture` does, and the browser sets the letters, also
    those of scripts from right to left.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Any Axes of the figure.

    Returns
    -------
    str
        The address of an SVG, as an ``img`` takes it.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    figure, svg = _figure_of(ax), io.StringIO()
    with style(), mpl.rc_context({**_FIXED, "svg.fonttype": "none"}):
        _shorten(figure)
        figure.savefig(svg, format="svg", bbox_inches=_laid_out(figure), metadata={"Date": None})
    plt.close(figure)
    encoded = base64.b64encode(svg.getvalue().encode("utf-8", "backslashreplace")).decode()
    return f"data:image/svg+xml;base64,{encoded}"


def _figure_of(ax: Axes) -> Figure:
    from matplotlib.figure import SubFigure

    figure = ax.figure
    while isinstance(figure, SubFigure):
        figure = figure.figure
    return figure


def pictures(result: Result, drawings: Mapping[str, Drawing]) -> list[Picture]:
    """Draw those pictures of a result for which there is something to draw.

    Parameters
    ----------
    result : Result
        What is drawn; its name begins the pictures' names.
    drawings : mapping of str to Drawing
        By the rest of the picture's name.
    """
    return [
        picture(draw(result), name=f"{result.name}_{name}", **said)
        for name, (draw, tell) in drawings.items()
        if (said := tell(result))
    ]


def _shorten(figure: Figure) -> None:
    """Keep names of any length and any characters from taking the room of what is drawn."""
    from matplotlib.text import Text as AnyText

    for ax in figure.axes:
        wide = ax.get_position().width * figure.get_figwidth() * 72
        label = max(_LEAST, min(_LABEL, int(wide / 6)))
        for axis in (ax.xaxis, ax.yaxis):
            told = [tick.get_text() for tick in axis.get_majorticklabels()]
            short = [_short(text, label) for text in told]
            if short != told:
                axis.set_ticks(axis.get_majorticklocs(), labels=short)
        legend = ax.get_legend()
        for text in legend.get_texts() if legend else ():
            text.set_text(_short(text.get_text(), label))
        for text in ax.texts:
            _wrap(text, max(_LEAST, min(_PROSE, int(wide / 6))))
        for title in (ax.title, ax._left_title, ax._right_title):  # type: ignore[attr-defined]
            fits = max(_LEAST, int(wide / (0.6 * title.get_fontproperties().get_size_in_points())))
            _wrap(title, fits)
    for found in figure.findobj(AnyText):
        if isinstance(found, AnyText):
            found.set_text(_short(found.get_text(), _LINE))


def _wrap(text: Text, length: int) -> None:
    """Set a text on up to four lines where one of it is too long."""
    if any(len(line) > length for line in text.get_text().splitlines()):
        text.set_text(
            textwrap.fill(
                text.get_text(), length, max_lines=4, placeholder="…", break_on_hyphens=False
            )
        )


def _short(text: str, length: int) -> str:
    """Give a text of at most five lines, none longer than a number of characters."""
    lines = legible(text).split("\n")[:5]
    return "\n".join(x if len(x) <= length else f"{x[: length - 1]}…" for x in lines)
