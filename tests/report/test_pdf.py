"""A run as a PDF: what Chromium prints, and what is said where it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader
from toy import load_toy, write_spec

from cxlab.errors import DataError
from cxlab.report.printed import pdf
from cxlab.report.printed.book import read_book
from cxlab.report.printed.paper import fold_wide_tables
from cxlab.report.render import Run, render

A4 = (210 / 25.4 * 72, 297 / 25.4 * 72)
TITLE = 'Toy: "5%" \\ </style><b>of</b> é'


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A good run with its PDF, made where nothing can be kept in HOME."""
    from toy import FAULTS

    try:
        pdf.find_chromium()
    except DataError as error:
        if os.environ.get("CXLAB_REQUIRE_ALL") == "1":
            pytest.fail(str(error))
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("printed")
    home = folder / "home"
    home.mkdir()
    spec = write_spec(folder, title=TITLE, publish={"formats": ["html", "pdf"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
        patch.setattr(pdf, "_LIMIT_SECONDS", 120.0)
        patch.setenv("HOME", str(home))
        run = render(spec, load=load_toy, parameters=["strict=false"])
    assert run.status == "ok", run.reason
    assert [p for p in home.rglob("*") if "hrom" in p.name or "pki" in p.name] == []
    return run


@pytest.fixture(scope="module")
def reader(printed: Run) -> PdfReader:
    return PdfReader(printed.path / "report.pdf")


@pytest.fixture(scope="module")
def texts(reader: PdfReader) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in reader.pages]


def test_every_page_has_its_number_and_the_title(texts: list[str]) -> None:
    assert len(texts) >= 5  # a title page, contents, the front page, two notebooks
    for number, text in enumerate(texts, start=1):
        assert f"{number} of {len(texts)}" in text
        assert TITLE in text and "as of 2026-06-30" in text


def test_the_contents_tell_where_each_page_begins(reader: PdfReader, texts: list[str]) -> None:
    contents = next(text for text in texts if "Contents" in text)
    for title in ("What is the answer?", "Which touchpoints drive customers away?", "Limits"):
        told = re.search(re.escape(title) + r" (\d+)\b", contents)
        assert told, (title, contents)
        assert title in texts[int(told[1]) - 1]
    places = reader.named_destinations
    links = [
        annotation.get_object()["/Dest"]
        for page in reader.pages
        for annotation in page.get("/Annots", [])
        if "/Dest" in annotation.get_object()
    ]
    assert len(links) >= 8
    assert {str(link).removeprefix("/") for link in links} <= {p.removeprefix("/") for p in places}


def test_it_has_bookmarks_for_all_headings(reader: PdfReader) -> None:
    def titles(nodes: Any) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, list):
                yield from titles(node)
            else:
                yield " ".join(str(node.title).split())

    found = list(titles(reader.outline))
    assert TITLE in found
    for heading in ("What is the answer?", "The estimate", "Limits", "Settings"):
        assert heading in found


def test_its_pages_are_of_a4_and_its_pictures_vectors(reader: PdfReader) -> None:
    for page in reader.pages:
        size = (float(page.mediabox.width), float(page.mediabox.height))
        assert size == pytest.approx(A4, abs=1)
        resources = page["/Resources"].get_object()
        objects = resources.get("/XObject", {})
        assert [n for n, o in objects.items() if o.get_object().get("/Subtype") == "/Image"] == []
    assert any("Billing calls that go wrong hurt" in page.extract_text() for page in reader.pages)


def test_nothing_points_at_where_it_was_made(printed: Run, reader: PdfReader) -> None:
    for page in reader.pages:
        for annotation in page.get("/Annots", []):
            address = annotation.get_object().get("/A", {}).get("/URI", "")
            assert not str(address).startswith("file:"), address
    raw = (printed.path / "report.pdf").read_bytes()
    assert b".building-" not in raw and str(printed.path.parent).encode() not in raw
    assert b"DejaVuSansMono" in raw or b"/Font" in raw  # text that can be selected


def test_the_run_tells_of_it(printed: Run, reader: PdfReader) -> None:
    told = printed.manifest["pdf"]
    assert told["pages"] == len(reader.pages) and told["error"] is None
    assert printed.manifest["seconds"] > told["seconds"] > 0
    front = BeautifulSoup((printed.path / "index.html").read_text(), "html.parser")
    assert front.select_one('.cx-facts a[href="report.pdf"]')
    assert not list(printed.path.glob(".*"))
    reports = (printed.path.parents[1] / "index.html").read_text()
    assert 'href="toy/latest/report.pdf"' in reports


# -- when there is none -----------------------------------------------------------------------


def program(folder: Path, *lines: str) -> str:
    """Write a program that stands in for Chromium."""
    path = folder / "browser"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def copied(good: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good.path, tmp_path / "run"))


def test_without_a_browser_nothing_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cx: Any
) -> None:
    spec = write_spec(tmp_path, publish={"formats": ["html", "pdf"]})
    monkeypatch.delenv("CXLAB_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cx("render", spec)
    assert ran.code == 1
    assert "install Chromium, name it in CXLAB_CHROMIUM, or leave out pdf" in ran.err
    monkeypatch.setenv("CXLAB_CHROMIUM", "nowhere/chromium")
    assert "CXLAB_CHROMIUM is 'nowhere/chromium'; allowed: a program" in cx("render", spec).err
    assert not (tmp_path / "toy").exists()


def test_a_pdf_that_was_asked_for_and_not_made_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = program(tmp_path, "echo 'dbus: noise' >&2", "echo 'no <paper>' >&2", "exit 3")
    monkeypatch.setenv("CXLAB_CHROMIUM", broken)
    spec = write_spec(tmp_path, notebooks=["feedback"], publish={"formats": ["html", "pdf"]})
    run = render(spec, load=load_toy, jobs=1)
    assert run.status == "failed"
    assert run.reason == "report.pdf: Chromium did not print it (no <paper>)"
    assert not (tmp_path / "toy" / "latest").exists()
    front = (run.path / "index.html").read_text()
    assert "could not be made: report.pdf: Chromium did not print it (no &lt;paper&gt;)" in front
    assert "report.pdf" not in [p.name for p in run.path.iterdir()]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["exit 0"], "report.pdf: Chromium did not print it (it said nothing)"),
        (
            ['for a; do case "$a" in --print-to-pdf=*) echo no >"${a#*=}";; esac; done'],
            "report.pdf: what Chromium printed cannot be read (",
        ),
    ],
)
def test_what_is_no_pdf_is_told(
    copied: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("CXLAB_CHROMIUM", program(tmp_path, *lines))
    found = pdf.make_pdf(copied, tmp_path, json.loads((copied / "manifest.json").read_text()))
    assert found["pages"] is None and found["error"].startswith(told)


def test_a_browser_that_hangs_is_ended_with_all_it_started(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    hangs = program(tmp_path, "sleep 300 &", f"echo $! > {note}", "wait")
    monkeypatch.setenv("CXLAB_CHROMIUM", hangs)
    monkeypatch.setattr(pdf, "_LIMIT_SECONDS", 0.5)
    found = pdf.make_pdf(copied, tmp_path, json.loads((copied / "manifest.json").read_text()))
    assert found["error"] == "report.pdf: not printed after 0.5 s"
    child = Path(f"/proc/{note.read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or child.read_text().split()[2] == "Z"


# -- what is put on paper ---------------------------------------------------------------------


def test_a_book_has_each_anchor_once_and_no_link_to_a_file(good: Run) -> None:
    soup = BeautifulSoup(read_book(good.path, good.manifest).html({}), "html.parser")
    anchors = [each["id"] for each in soup.find_all(id=True)]
    assert len(anchors) == len(set(anchors))
    targets = [str(link["href"]) for link in soup.find_all("a", href=True)]
    assert targets and {t[1:] for t in targets if t.startswith("#")} <= set(anchors)
    assert [t for t in targets if not t.startswith(("#", "http"))] == []
    referred = {n for e in soup.select("[aria-labelledby]") for n in e["aria-labelledby"].split()}
    assert referred <= set(anchors)
    assert not soup.select("script, button, .cx-code, .cx-data")


def wide(columns: int, rows: int) -> BeautifulSoup:
    head = "".join(
        f'<th class="{"key" if k == 0 else "num"}">name {k}</th>' for k in range(columns)
    )
    body = "".join(
        f"<tr>{''.join(f'<td>cell {k}.{row}</td>' for k in range(columns))}</tr>"
        for row in range(rows)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return BeautifulSoup(f'<div class="cx-scroll cx-wide">{table}</div>', "html.parser")


@pytest.mark.parametrize("columns", [12, 25, 39])
def test_a_wide_table_is_folded_and_nothing_is_lost(columns: int) -> None:
    soup = wide(columns, 3)
    before = {cell.get_text() for cell in soup.find_all(["td", "th"])}
    fold_wide_tables(soup)
    tables = soup.find_all("table")
    assert len(tables) > 1 and not soup.select(".cx-wide")
    assert {cell.get_text() for cell in soup.find_all(["td", "th"])} == before
    for table in tables:
        rows = [[c.get_text() for c in r.find_all(["td", "th"])] for r in table.find_all("tr")]
        assert len({len(row) for row in rows}) == 1
        assert [row[0] for row in rows] == ["name 0", "cell 0.0", "cell 0.1", "cell 0.2"]
        assert sum(len(text) for text in rows[1]) < 130
    assert f"of {columns}:" in soup.select(".cx-columns")[-1].get_text()
