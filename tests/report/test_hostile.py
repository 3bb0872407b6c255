"""Reports of data that attack: nothing runs, nothing is fetched, nothing leaks, all is legible."""

from __future__ import annotations

import itertools
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from toy import SHIPPED

from cxlab.data.simulate import simulate
from cxlab.report.render import Run, render
from cxlab.results import legible

RUN = "window.hacked=1"
NAMES = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<img src=x onerror={RUN}>",
    "<img src=http://evil.example/p.png>",
    "<iframe src=http://evil.example></iframe>",
    "<object data=http://evil.example></object>",
    "<link rel=stylesheet href=http://evil.example/a.css>",
    "<base href=http://evil.example>",
    f"<a href=javascript:{RUN}>click</a>",
    "<meta http-equiv=refresh content=0;url=http://evil.example>",
    f"<details open ontoggle={RUN}>",
    "<style>*{display:none}</style>",
    "--></style></title></textarea><b>bold</b>",
    "<![CDATA[ x ]]>",
    f"\"' onmouseover={RUN} x='",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    "[link](http://evil.example)",
    "![image](http://evil.example/p.png)",
    "<http://evil.example>",
    "# big",
    "| a | b |\n|---|---|",
    "```\ncode\n```",
    "$\\frac{",
    "$$\\href{http://evil.example}{x}$$",
    "\\(\\alpha\\)",
    "{{7*7}}",
    "{% raw %}{{ config }}",
    "${7*7} %(x)s {0.__class__}",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "%3Cscript%3E",
    "../../../etc/passwd",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "right\u202eto left",
    "\u2067isolated",
    "שלום مرحبا",
    "Z" + "\u0301\u0323" * 30,
    "zero\u200bwidth",
    "\ufeffmark",
    "null\x00byte",
    "escape\x1b[31mred",
    "line\r\nend",
    "smile 😀 東京",
    "NaN",
    "x" * 10_000,
    "long " * 2_000,
]  # fmt: skip
SEGMENT = "<script>alert(1)</script> \u202e$x$ =1"
SECRETS = ("CUSTOMERMARK", "COMMENTMARK", "TICKETMARK", "JOURNEYMARK")


FOLDER = f"<img src=x onerror={RUN}> {{{{7}}}} \u202e'\"&#?%3C"


def spec(folder: Path, title: str) -> Path:
    path = folder / f"{FOLDER}.yml"
    path.write_text(yaml.safe_dump({"title": title, "dataset": FOLDER}), encoding="utf-8")
    return path


def hostile_events(folder: Path) -> Path:
    """A small world in which everything that has a name attacks."""
    tables = simulate("demo", 500, 4).tables
    places = {name: k for k, name in enumerate(tables["touchpoints"]["touchpoint"])}
    for table in tables.values():
        if "touchpoint" in table:
            which = table["touchpoint"].map(places) + len(places) * (np.arange(len(table)) % 3)
            table["touchpoint"] = [
                np.nan if np.isnan(k) else NAMES[int(k) % len(NAMES)] for k in which
            ]
        if "customer_id" in table:
            table["customer_id"] = "CUSTOMERMARK" + table["customer_id"]
    rest = itertools.cycle(NAMES[20:] + NAMES[:20])
    customers, interactions = tables["customers"], tables["interactions"]
    for column in ("plan", "region", "acquisition_channel"):
        levels = np.array([next(rest) for _ in range(9)], dtype=object)
        customers[column] = levels[np.arange(len(customers)) % len(levels)]
    customers[SEGMENT] = customers.pop("acquisition_channel")
    involuntary = customers["end_reason"] == "involuntary"
    customers.loc[involuntary, "end_reason"] = np.resize(np.array(NAMES[:9]), involuntary.sum())
    csat = tables["feedback"]["metric"] == "csat"
    tables["feedback"].loc[csat, "metric"] = NAMES[3]
    interactions.loc[interactions.index % 50 == 0, "outcome"] = NAMES[6]  # rows set aside
    interactions["channel"] = interactions["channel"].map(
        {c: next(rest) for c in interactions["channel"].dropna().unique()}
    )
    interactions["text"] = "TICKETMARK " + NAMES[0]
    interactions["journey_id"] = "JOURNEYMARK" + interactions["journey_id"].astype("string")
    tables["feedback"]["comment"] = "COMMENTMARK " + NAMES[4]
    tables["touchpoints"]["owner"] = NAMES[2]
    tables["touchpoints"]["stage"] = NAMES[20:][: len(tables["touchpoints"])]
    tables["interventions"]["intervention"] = NAMES[:2]
    (folder / FOLDER).mkdir()
    for name, table in tables.items():
        table.to_parquet(folder / FOLDER / f"{name}.parquet", index=False)
    settings = {
        "name": f"{NAMES[4]} {NAMES[38]}",
        "currency": "<b>EUR</b>",
        "observed_until": "2026-06-30",
        "metrics": {NAMES[3]: {"scale": [1, 5]}},
    }
    (folder / FOLDER / "dataset.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return spec(folder, f"{NAMES[1]} {{{{7*7}}}} {NAMES[38]}")


def hostile_snapshot(folder: Path) -> Path:
    """A snapshot in which columns and their values attack."""
    draw = np.random.default_rng(5)
    rows = 900
    table = pd.DataFrame(
        {
            "customer_id": [f"CUSTOMERMARK{i}" for i in range(rows)],
            "tenure": draw.integers(1, 60, rows),
            "churned": draw.integers(0, 2, rows),
            NAMES[0]: draw.choice(np.array(NAMES[:6], dtype=object), rows),
            NAMES[24]: draw.choice(np.array(NAMES[22:28], dtype=object), rows),
            NAMES[34]: draw.choice(np.array(NAMES[34:42], dtype=object), rows),
            NAMES[18]: draw.choice(np.array(NAMES[44:51], dtype=object), rows),
            NAMES[49][:300]: draw.normal(size=rows),
        }
    )
    (folder / FOLDER).mkdir()
    table.to_parquet(folder / FOLDER / "customers.parquet", index=False)
    settings = {"tenure_unit": "months"}
    (folder / FOLDER / "dataset.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return spec(folder, NAMES[19])


@pytest.fixture(scope="module", params=[(hostile_events, SEGMENT), (hostile_snapshot, NAMES[0])],
                ids=lambda p: p[0].__name__)  # fmt: skip
def run(request: pytest.FixtureRequest, once: Any) -> Run:
    """A report of hostile data, of groups that attack; tests only read it."""
    make, segment = request.param

    def made(folder: Path) -> Run:
        return render(make(folder), quick=True, parameters={"segment": segment})

    return once(make.__name__, SHIPPED, made)


def test_nothing_runs_nothing_is_fetched_and_the_layout_holds(run: Run, chromium: Any) -> None:
    pages = sorted(run.path.glob("*.html"))
    assert len(pages) > 2
    for path in pages:
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        heard: list[str] = []
        asked: list[str] = []
        page.on("console", lambda m, heard=heard: heard.append(m.text))
        page.on("pageerror", lambda e, heard=heard: heard.append(str(e)))
        page.on("dialog", lambda d, heard=heard: heard.append(d.message))
        page.on("request", lambda r, asked=asked: asked.append(r.url))
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
        assert page.evaluate("document.scripts.length") == (path.name != "index.html")
        links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
        ours = r"#|[\w.-]+\.(html|ipynb|csv|json|xlsx)$|(tables|figures)/[\w.%-]+$"
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
