"""The site builds without a warning, holds together, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

DOCS = Path(__file__).parents[1] / "docs"
_LOADS = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}
_POINTERS = {"canonical", "prev", "next", "search", "index"}


class Page(HTMLParser):
    """What a page loads, links to and can be linked at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag in _LOADS and given.get("rel") not in _POINTERS and _LOADS[tag] in given:
            self.loads.append(given[_LOADS[tag]])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site in a process of its own, without pictures."""
    try:
        import furo  # noqa: F401
        import myst_parser  # noqa: F401
    except ImportError:
        if os.environ.get("CXLAB_REQUIRE_ALL") == "1":
            pytest.fail("the extra docs is not installed")
        pytest.skip("the extra docs is not installed")
    out = tmp_path_factory.mktemp("site") / "html"
    build = "import sys, pathlib, build; sys.exit(build.site(pathlib.Path(sys.argv[1]), None))"
    made = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=DOCS, capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_no_page_loads_anything_from_elsewhere(pages: dict[Path, Page]) -> None:
    outside = {u for p in pages.values() for u in p.loads if urlsplit(u).netloc}
    assert pages and outside == set()


def test_every_link_within_the_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{path.name}: {link}"


def test_every_page_is_reached_from_the_first(site: Path, pages: dict[Path, Page]) -> None:
    seen, ahead = set(), [site / "index.html"]
    while ahead:
        path = ahead.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        ahead += [(path.parent / urlsplit(u).path).resolve() for u in pages[path].links]
    # made by Sphinx itself: reached by a form, and by a key
    assert {p.name for p in pages.keys() - seen} <= {"search.html", "genindex.html"}


def test_nothing_is_left_unfilled(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert "made:" not in page.read_text(encoding="utf-8"), page.name
