"""Reports of data that attack: nothing runs, nothing is fetched, nothing leaks, all is legible."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hostile import NAMES, SECRETS, hostile_events, hostile_snapshot, report

from cxlab.report.render import Run
from cxlab.results import legible


@pytest.fixture(
    scope="module", params=[hostile_events, hostile_snapshot], ids=lambda make: make.__name__
)
def run(request: pytest.FixtureRequest, once: Any) -> Run:
    """A report of hostile data, of groups that attack; tests only read it."""
    return report(once, request.param)


def test_nothing_runs_nothing_is_fetched_and_the_layout_holds(run: Run, chromium: Any) -> None:
    pages = sorted(run.path.glob("*.html"))
    assert len(pages) > 2
    page = chromium.new_page()
    heard: list[str] = []
    asked: list[str] = []
    page.on("console", lambda m: heard.append(m.text))
    page.on("pageerror", lambda e: heard.append(str(e)))
    page.on("dialog", lambda d: heard.append(d.message))
    page.on("request", lambda r: asked.append(r.url))
    for path in pages:
        asked.clear()
        page.set_viewport_size({"width": 1200, "height": 900})
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        for width in (1200, 390):
            page.set_viewport_size({"width": width, "height": 900})
            across = page.evaluate("document.documentElement.scrollWidth")
            assert across <= width, f"{path.name} is {across} wide on {width}"
        assert page.evaluate("window.hacked") is None
        assert heard == [], path.name
        assert [u for u in asked if not u.startswith("data:image/svg")] == [path.as_uri()]
        foreign = "[...document.querySelectorAll('iframe,object,embed,form,base,svg,video')].length"
        assert page.evaluate(foreign) == 0
        assert page.evaluate("document.scripts.length") == 1
        links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
        ours = (
            r"#|[\w.-]+\.html(#[\w.-]+)?$|[\w.-]+\.(ipynb|csv|json|xlsx)$"
            r"|(tables|figures)/[\w.%-]+$"
        )
        assert [link for link in links if not re.match(ours, link)] == []
    page.close()


def test_names_are_shown_to_the_letter(run: Run, chromium: Any) -> None:
    drivers = pd.read_csv(run.path / "drivers.csv", keep_default_na=False)
    page = chromium.new_page()
    page.goto((run.path / "05_churn_drivers.html").as_uri())
    shown = set(page.evaluate("[...document.querySelectorAll('td')].map(d => d.textContent)"))
    page.close()
    terms = set(drivers["touchpoint"])
    assert len(terms) > 15 or len(terms) == len(NAMES)
    missing = {as_shown(t.removeprefix("'")) for t in terms} - set(map(as_shown, shown))
    assert not missing


def as_shown(text: str) -> str:
    """Give a text without characters that have no shape, any white space as one space."""
    return re.sub(r"\s+", " ", legible(text).replace("\ufffd", "")).strip()


def test_an_executed_notebook_holds_no_markup_of_the_data(run: Run) -> None:
    """JupyterLab shows what a trusted notebook holds as it is."""
    ours = {"div", "figcaption", "figure", "img", "li", "p", "ul"}
    ours |= {"table", "tbody", "td", "th", "thead", "tr"}
    seen = 0
    for path in run.path.glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for data in (o.get("data", {}) for c in cells for o in c.get("outputs", [])):
            assert not data.keys() & {"text/markdown", "text/latex", "application/javascript"}
            for tag in BeautifulSoup("".join(data.get("text/html", "")), "html.parser").find_all():
                seen += 1
                assert tag.name in ours and not any(a.startswith("on") for a in tag.attrs), tag
                assert tag.get("src", "data:").startswith("data:")
    assert seen > 100


def test_no_customer_and_nothing_they_wrote_is_in_any_file(run: Run) -> None:
    files = [p for p in run.path.rglob("*") if p.is_file()]
    assert len(files) > 8
    for path in files:
        held = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as book:
                held = b"".join(book.read(n) for n in book.namelist())
        found = [s for s in SECRETS if s.encode() in held]
        assert not found, f"{path.name} holds {found}"


def test_text_that_is_no_unicode_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "report.yml").write_text('title: "a\\ud800b"\ndataset: data\n', encoding="utf-8")
    told = refused(1, "render", tmp_path / "report.yml")
    assert told.endswith("report.yml, line 1: broken YAML (half of a character (a lone surrogate))")
