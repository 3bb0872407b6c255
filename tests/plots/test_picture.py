from __future__ import annotations

import base64
from collections.abc import Iterator

import matplotlib as mpl
import pandas as pd
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt

from cxlab.plots.picture import PICTURE_MIME, Picture, picture
from cxlab.plots.style import HARM, HELP, UNSURE, WITHHELD, identities, style
from cxlab.report.findings import PICTURE_MIME as HARVESTED


def draw() -> Picture:
    with style():
        _, ax = plt.subplots()
        ax.plot([1, 2], [3, 4])
        ax.set_title("A line")
    data = pd.DataFrame({"x": [1, 2], "y": [3, 4]})
    return picture(ax, name="line", caption="It <rises>.", alt='A "line"', data=data)


@pytest.fixture
def drawn() -> Iterator[Picture]:
    yield draw()


def test_a_picture_is_drawn_once_and_closed() -> None:
    before = plt.get_fignums()
    drawn = draw()
    assert plt.get_fignums() == before
    assert drawn.svg.startswith("<?xml")
    assert drawn.png.startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_bytes(drawn: Picture) -> None:
    again = draw()
    assert (again.svg, again.png) == (drawn.svg, drawn.png)
    assert "<dc:date>" not in drawn.svg


def test_what_a_notebook_shows(drawn: Picture) -> None:
    bundle = drawn._repr_mimebundle_()
    assert "It &lt;rises&gt;." in bundle["text/html"]
    assert 'alt="A &quot;line&quot;"' in bundle["text/html"]
    assert base64.b64decode(bundle[PICTURE_MIME]["png"]) == drawn.png
    assert bundle[PICTURE_MIME]["data"] == {"columns": ["x", "y"], "rows": [[1, 3], [2, 4]]}
    assert PICTURE_MIME == HARVESTED
    assert len(repr(drawn)) < 300  # a notebook holds it as well


def test_a_name_looks_the_same_in_every_picture() -> None:
    names = [f"touchpoint {k:02d}" for k in range(24)]
    looks = identities(names)
    assert looks == identities(reversed(names))
    assert len(set(looks.values())) == len(names)
    assert not {HARM, HELP} & {look.colour for look in looks.values()}


def test_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["axes.spines.top"] is False
    assert dict(mpl.rcParams) == before


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", [HARM, HELP, UNSURE, WITHHELD])
@pytest.mark.parametrize("ground", ["#ffffff", "#15181d"])
def test_colours_stand_out_on_light_and_dark(colour: str, ground: str) -> None:
    """WCAG asks 3:1 of what is drawn; 2.9 leaves room for rounding."""
    light, dark = sorted((luminance(colour), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 2.9


@pytest.mark.parametrize(
    "name",
    [r"$\frac{", "$$", "a\x00b", "a\ud800b", "a\r\nb", "\x1b[31m", "東京 \U0001f600", "x " * 5000,
     "x" * 10_000, "\n" * 1000, "Z" + "\u0301" * 50],
    ids=lambda name: ascii(name[:8]),
)  # fmt: skip
def test_a_name_of_any_kind_can_be_drawn(name: str) -> None:
    with style():
        figure, axes = plt.subplots(1, 3, figsize=(9.5, 3))
        axes[0].plot([1, 2], label=name)
        axes[0].set_yticks([1.5], [name])
        axes[0].legend()
        for ax in axes:
            ax.set_title(name)
        axes[1].text(0, 0, name)
    made = picture(axes[0], name="a", caption=name, alt=name, data=pd.DataFrame())
    width = float(made.svg.split('width="')[1].split("pt")[0])
    assert width < 2.5 * 9.5 * 72
    assert len(figure.axes[0].get_yticklabels()[0].get_text()) <= 40 * 5


def test_what_is_short_is_drawn_as_it_is() -> None:
    with style():
        _, ax = plt.subplots()
        ax.plot([1, 2], label="a $x$ b")
        ax.set_yticks([1, 2], ["one\ntwo", "three"])
        ax.set_title("Short")
        ax.legend()
    picture(ax, name="a", caption="", alt="", data=pd.DataFrame())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["one\ntwo", "three"]
    assert ax.get_title(loc="left") == "Short"
    assert ax.get_legend().get_texts()[0].get_text() == "a $x$ b"
