"""Pages everybody can read: axe finds nothing, colours stand apart, paper holds everything."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from cxlab.plots import style
from cxlab.report.markup import shared, show_picture
from cxlab.report.render import Run

WEIGHT = 1_500_000  # bytes of a page, at most
# Colours are the same at any width, and all but the colours is the same in the dark.
WAYS: list[tuple[str, int, dict[str, Any]]] = [
    ("light", 1200, {}),
    ("light", 390, {"rules": {"color-contrast": {"enabled": False}}}),
    ("dark", 1200, {"runOnly": ["color-contrast"]}),
]
# Elements of the same kind in the same kinds have the same colours: one of each is left.
ONE_OF_EACH = """() => {
    const seen = new Set(), body = document.body;
    const kind = e => `${e.tagName}.${e.className} ${e.getAttribute('style')}`;
    const path = e => e === body ? '' : `${path(e.parentElement)}/${kind(e)}`;
    for (const e of [...body.querySelectorAll('*')].reverse()) {
        if (e.children.length || e === body) continue;
        if (seen.has(path(e))) e.remove(); else seen.add(path(e));
    }
}"""


def violations(page: Any, options: dict[str, Any]) -> list[str]:
    """Ask axe, which is put on a page once."""
    from axe_playwright_python.sync_playwright import Axe

    if page.evaluate("typeof axe === 'undefined'"):
        page.evaluate(Axe().axe_script)
    # What it says of all that is in order takes it as long again.
    asked = {"resultTypes": ["violations"], **options}
    found = page.evaluate("asked => axe.run(document, asked).then(r => r.violations)", asked)
    return [f"{v['id']}: {n['html'][:120]}" for v in found for n in v["nodes"]]


def test_axe_finds_nothing(world: Run, chromium: Any) -> None:
    """Each page is loaded once, and looked at in each of the ways."""
    page = chromium.new_page()
    for path in sorted(world.path.glob("*.html")):
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1200, "height": 900})
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        # The rows of a table are alike, and axe looks at every cell for long.
        page.evaluate("document.querySelectorAll('tr:nth-child(n+4)').forEach(r => r.remove())")
        for scheme, width, options in WAYS:
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 900})
            if scheme == "dark":
                page.evaluate(ONE_OF_EACH)
            assert violations(page, options) == [], (path.name, scheme, width)
    page.close()


def test_a_page_is_light(world: Run) -> None:
    for path in world.path.glob("*.html"):
        assert path.stat().st_size < WEIGHT, path.name


def test_paper_holds_every_table_and_figure(world: Run, chromium: Any) -> None:
    across = {"cx-wide": 269, "": 180}  # millimetres of A4 between the margins
    page = chromium.new_page()
    for path in world.path.glob("*.html"):
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(path.as_uri())
        page.emulate_media(media="print")
        for kind, millimetres in across.items():
            page.set_viewport_size({"width": int(millimetres / 25.4 * 96), "height": 900})
            boxes = ".cx-wide table" if kind else "table:not(.cx-wide table), img, pre"
            script = (
                "q => [...document.querySelectorAll(q)].map(e => e.getBoundingClientRect().right)"
            )
            rights = page.evaluate(script, boxes)
            assert all(right <= millimetres / 25.4 * 96 + 1 for right in rights), (path.name, kind)
        assert page.evaluate(
            "[...document.querySelectorAll('.cx-code')].every(e => !e.offsetHeight)"
        )
        assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")
    page.close()


def test_a_figure_follows_the_page_into_the_dark(world: Run, chromium: Any) -> None:
    """The corner of every picture is of the card's colour."""
    grounds = {"light": "#ffffff", "dark": style.DARK["#ffffff"]}
    path = next(world.path.glob("05_*.html"))
    for scheme, expected in grounds.items():
        page = chromium.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        assert page.evaluate("document.querySelectorAll('.cx-light').length") == 0
        corner = """async () => [...document.querySelectorAll('.cx-figure img')].map(i => {
            const c = document.createElement('canvas'); c.width = c.height = 9;
            const d = c.getContext('2d'); d.drawImage(i, 0, 0);
            return '#' + [...d.getImageData(5, 5, 1, 1).data].slice(0, 3)
                .map(v => v.toString(16).padStart(2, '0')).join('');
        })"""
        colours = page.evaluate(corner)
        assert colours and set(colours) == {expected}
        page.close()


# -- colours ----------------------------------------------------------------------------------


def sheet(dark: bool) -> dict[str, str]:
    """Give the colours of the style sheet."""
    parts = re.findall(r":root \{(.*?)\n *\}", shared("cxlab.css"), re.DOTALL)
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", parts[dark]))


def luminance(colour: str) -> float:
    """Give the relative luminance of WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_published() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("dark", [False, True])
def test_pages_can_be_read(dark: bool) -> None:
    colours = sheet(dark)
    texts = ["ink", "soft", "link", "harm", "help", "unsure", "withheld"]
    for text, ground in itertools.product(texts, ("paper", "card")):
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for text in ("k", "s", "c", "m", "ink", "soft"):
        assert contrast(colours[text], colours["shade"]) >= 4.5, text
    assert contrast(colours["ink"], colours["harm-tint"]) >= 4.5
    for mark in ("harm", "help", "unsure", "withheld"):
        assert contrast(colours[f"{mark}-mark"], colours["card"]) >= 3


def test_pages_and_figures_have_the_same_colours() -> None:
    light, dark = sheet(False), sheet(True)
    same = {
        "harm-mark": style.HARM,
        "help-mark": style.HELP,
        "unsure-mark": style.UNSURE,
        "withheld-mark": style.WITHHELD,
        "ink": style.INK,
        "soft": style._SOFT,
        "line": style._LINE,
        "card": style._CARD,
    }
    for name, colour in same.items():
        assert light[name] == colour, name
        assert dark[name] == style.DARK[colour], name


def test_figures_can_be_read() -> None:
    marks = [style.HARM, style.HELP, style.UNSURE, style.WITHHELD, style.ACCENT, *style._IDENTITIES]
    for ground, shown in ((style._CARD, {c: c for c in style.DARK}), (None, style.DARK)):
        card = ground or style.DARK[style._CARD]
        for mark in marks:
            assert contrast(shown[mark], card) >= 3, mark
        for text in (style.INK, style._SOFT):
            assert contrast(shown[text], card) >= 4.5, text
    assert len(set(style.DARK[c] for c in marks)) == len(marks)


def test_a_picture_in_other_colours_keeps_its_white_card() -> None:
    drawn = '<svg width="9"><path style="fill: %s"/></svg>'
    picture = {"name": "a", "caption": "", "alt": "", "data": {"columns": [], "rows": []}}
    assert "cx-light" not in show_picture(picture | {"svg": drawn % style.HARM})
    assert "cx-light" in show_picture(picture | {"svg": drawn % "#123456"})
