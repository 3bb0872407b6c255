"""All reports of a folder on one page: how each stands, its runs, links that hold anywhere."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from bs4 import BeautifulSoup
from test_accessible import WAYS, violations
from toy import write_spec

from cxlab.report.markup import shared
from cxlab.report.render import Run
from cxlab.report.telling.index import list_reports

HOSTILE = '<script>alert(1)</script> & "co"'
NAMES = ("index.html", "manifest.json", "findings.json")


def add(out: Path, good: Run, run_id: str, **given: Any) -> Path:
    """Add a run; what is given changes its manifest."""
    (out / run_id).mkdir(parents=True)
    for name in NAMES:
        shutil.copy(good.path / name, out / run_id)
    manifest = json.loads((good.path / "manifest.json").read_text()) | given
    (out / run_id / "manifest.json").write_text(json.dumps(manifest))
    return out / run_id


def spec(folder: Path, name: str, title: str) -> Path:
    return write_spec(folder, title=title).rename(folder / f"{name}.yml").with_suffix("")


@pytest.fixture
def reports(good: Run, tmp_path: Path) -> Path:
    """Reports in every state there is."""
    folder = tmp_path / "reports"
    folder.mkdir()
    stands = spec(folder, "a good one", "Stands well")
    for day in range(1, 8):
        add(stands, good, f"2026-06-30-2026070{day}T060000Z")
    (stands / "latest").symlink_to("2026-06-30-20260707T060000Z")
    fails = spec(folder, "fails", HOSTILE)
    add(fails, good, "2026-06-30-20260701T060000Z")
    (fails / "latest").symlink_to("2026-06-30-20260701T060000Z")
    notebooks = {"drivers": {"status": "failed", "error": f"KeyError: '{HOSTILE}'"}}
    add(fails, good, "2026-06-30-20260702T060000Z", status="failed", notebooks=notebooks)
    gates = [{"name": "rows", "passed": False, "text": "interactions has 3 rows"}]
    unfit = spec(folder, "unfit", "Not to be published")
    add(unfit, good, "2026-06-30-20260701T060000Z", status="not publishable", gates=gates)
    spec(folder, "never", "Never run")
    broken = spec(folder, "broken", "Its manifest is broken")
    (add(broken, good, "2026-06-30-20260701T060000Z") / "manifest.json").write_text("{")
    (folder / "wrong.yml").write_text("title: Wrong\ndataset: data\nnotebook: []\n")
    (folder / "dataset.yml").write_text("name: no spec\n")
    (folder / "mkdocs.yml").write_text("site_name: no spec either\n")
    return folder


def page(folder: Path) -> BeautifulSoup:
    assert list_reports(folder)
    return BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")


def told(soup: BeautifulSoup) -> dict[str, str]:
    """Give what the page says of each report, by its title."""
    return {
        each.h2.get_text(): " ".join(each.get_text(" ").split())
        for each in soup.select(".cx-report")
        if each.h2
    }


def test_each_report_is_told_by_words(reports: Path) -> None:
    found = told(page(reports))
    assert list(found) == [
        *("Stands well", "Its manifest is broken", HOSTILE, "Never run", "Not to be published"),
        "wrong.yml",
    ]
    assert "good" in found["Stands well"]
    assert "A billing call that goes wrong makes leaving 1.84 times" in found["Stands well"]
    assert "As of 2026-06-30, made 2026-07-07 06:00 UTC" in found["Stands well"]
    assert "2 earlier" in found["Stands well"]
    assert f"the newest run is failed: drivers: KeyError: '{HOSTILE}'" in found[HOSTILE]
    assert "made 2026-07-01 06:00 UTC" in found[HOSTILE]
    assert "never run" in found["Never run"]
    assert "interactions has 3 rows" in found["Not to be published"]
    assert "No run of it was good yet." in found["Not to be published"]
    assert "its manifest.json cannot be read" in found["Its manifest is broken"]
    assert "its spec cannot be used: unknown key notebook" in found["wrong.yml"]


def test_what_is_wrong_is_told_first(reports: Path) -> None:
    soup = page(reports)
    banner = soup.select_one(".cx-banner")
    assert banner and "4 of 6 do not stand as they should." in banner.get_text()
    assert "Never run" not in banner.get_text() and "Stands well" not in banner.get_text()
    assert all(soup.find(id=str(link["href"])[1:]) for link in banner.select("a"))


def test_names_are_shown_and_not_run(reports: Path) -> None:
    soup = page(reports)
    [script] = soup.select("script")
    assert script.string == shared("page.js") and HOSTILE in soup.get_text()
    [rules] = soup.select('meta[http-equiv="Content-Security-Policy"]')
    assert "default-src 'none'" in str(rules["content"]) and "unsafe" not in str(rules["content"])


def test_its_links_hold_where_the_folder_is_moved(reports: Path) -> None:
    page(reports)
    moved = reports.rename(reports.with_name("a share #1"))
    soup = BeautifulSoup((moved / "index.html").read_text(), "html.parser")
    links = [str(a["href"]) for a in soup.select("main a")]
    assert "a%20good%20one/latest/index.html" in links and len(links) == 15
    assert all((moved / unquote(link)).is_file() for link in links)


def test_a_run_that_is_being_made(reports: Path) -> None:
    folder = reports / "never" / ".building-2026-06-30-20260708T060000Z"
    folder.mkdir(parents=True)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = told(page(reports))["Never run"]
    finally:
        os.close(held)
    assert "A run was being made when this page was written, since 2026-07-08 06:00 UTC" in found


def test_a_run_that_was_killed(reports: Path) -> None:
    folder = reports / "a good one" / ".building-2026-06-30-20260708T060000Z" / ".work"
    folder.mkdir(parents=True)
    (folder / "holder.txt").write_text("process 1 on host")
    found = told(page(reports))["Stands well"]
    assert "the newest run did not end: its process was killed; --resume newest" in found
    assert "2026-07-08 06:00 2026-06-30 was killed – its process was killed; --resume" in found
    assert "As of 2026-06-30, made 2026-07-07 06:00 UTC" in found


def test_segments_stand_under_their_report(reports: Path, good: Run) -> None:
    place = reports / "a good one" / "each"
    data = good.manifest["dataset"] | {"where": "plan=<pro>"}
    add(place / "pro", good, "2026-06-30-20260707T060000Z", dataset=data)
    (place / "pro" / "latest").symlink_to("2026-06-30-20260707T060000Z")
    lost = {"drivers": {"status": "failed", "error": "gone"}}
    add(place / "basic", good, "2026-06-30-20260707T060000Z", status="failed", notebooks=lost)
    soup = page(reports)
    links = [str(a["href"]) for a in soup.select("main a")]
    assert "a%20good%20one/each/pro/latest/index.html" in links
    found = told(soup)["Stands well"]
    assert "plan=<pro> good 2026-06-30 A billing call" in found
    assert "basic failed – drivers: gone" in found


def test_a_page_of_somebody_else_stays(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = reports / "index.html"
    theirs.write_text("<h1>Mine</h1>")
    assert not list_reports(reports)
    assert theirs.read_text() == "<h1>Mine</h1>"
    assert capsys.readouterr().err.count("\n") == 1


def test_a_folder_that_cannot_be_written(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (reports / "index.html").mkdir()
    assert not list_reports(reports)
    assert "the list of reports cannot be written (Is a directory)" in capsys.readouterr().err
    assert not [p for p in reports.iterdir() if p.name.startswith(".")]


def test_it_is_written_by_a_run_and_by_status(good: Run, reports: Path, cx: Any) -> None:
    text = (good.path.parents[1] / "index.html").read_text()
    assert f"toy/{good.path.name}/index.html" in text
    assert not (reports / "index.html").exists()
    assert cx("status", "--html", reports / "never.yml").code == 1
    assert "Never run" in (reports / "index.html").read_text()


def test_everybody_can_read_it(reports: Path, chromium: Any) -> None:
    page(reports)
    shown = chromium.new_page()
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.goto((reports / "index.html").as_uri())
    for scheme, width, options in WAYS:
        shown.emulate_media(color_scheme=scheme)
        shown.set_viewport_size({"width": width, "height": 900})
        assert violations(shown, options) == [], (scheme, width)
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    shown.close()
