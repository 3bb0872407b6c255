"""A spec with ``each``: a report for every segment, and a run that compares them."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from pypdf import PdfReader
from scipy import stats
from test_accessible import WAYS, violations

from cxlab.data import history
from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.plots.segments import forest_by_segment, forest_by_segment_words
from cxlab.report.markup import policy, shared
from cxlab.report.parts import Begun, begin, make_part
from cxlab.report.render import Run, render, run_plan
from cxlab.report.segments.compared import DIFFERENCES, Ended, compare, lost_most, told
from cxlab.report.segments.fan import slug

Tables = dict[str, pd.DataFrame]
# What a shell or a template takes for something else; Airflow reads what ends so from a file.
TEMPLATE = "{{ 7*7 }} {% raw %} 'q' \"r\" $HOME, [1] .sh"
ODD = "a/../b 🙂 = <b>"
_PARAMETERS = """\
dataset: str = ""  # folder
as_of: str = ""  # last day seen
where: str = ""  # segment
fails: str = ""  # the segment of which it fails
waits: float = 0.0  # seconds"""
_CODE = """\
import os
import time
import cxlab
import pandas as pd
from cxlab.analyses.churn_drivers import COLUMNS
from cxlab.results import Result

time.sleep(waits)
while where != "plan=basic" and os.path.isfile(os.environ.get("CXLAB_TEST_HELD", "")):
    time.sleep(0.05)
data = cxlab.load(dataset, as_of or None, where=where)
if where == fails:
    raise ValueError("asked to fail")
count = len(data.table("customers").collect())
row = {"rank": 1, "touchpoint": "call", "valence": "bad", "verdict": "driver",
       "hazard_ratio": 2.0, "conf_low": 1.5, "conf_high": 2.7, "estimate": 0.69, "se": 0.15,
       "attributable_churn": count / 10, "attributable_churn_low": 1.0,
       "attributable_churn_high": 9.0, "exposed_customers": count}
meta = {"window_days": 90, "window_churns": 20.0}
table = pd.DataFrame([row], columns=[*COLUMNS, "estimate", "se"])
Result("churn_drivers", table, meta=meta, sentence=f"{count} customers are here.")"""


@pytest.fixture(autouse=True)
def notebooks(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single notebook, which tells how many customers it sees."""
    folder = tmp_path_factory.getbasetemp() / "of_segments"
    if not folder.exists():
        folder.mkdir()
        new = nbformat.v4
        cells = [
            new.new_markdown_cell("# Who is here?"),
            new.new_code_cell(_PARAMETERS, metadata={"tags": ["parameters"]}),
            new.new_code_cell(_CODE),
        ]
        nbformat.write(new.new_notebook(cells=cells), folder / "people.ipynb")
        told = {
            "fails": {"type": "str", "meaning": "."},
            "waits": {"type": "float", "meaning": "."},
        }
        entry = {"question": "Who is here?", "needs": ["customers"], "parameters": told}
        (folder / "registry.yml").write_text(yaml.safe_dump({"notebooks": {"people": entry}}))
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(folder))


@pytest.fixture
def shop(make_tables: Callable[..., Tables], write_dataset: Callable[..., Path]) -> Path:
    """150 customers: 60 basic, 45 of an odd plan, 39 without one, and six of a secret one."""
    tables = make_tables(customers=150)
    plans: list[object] = ["basic"] * 60 + [ODD] * 45 + [None] * 39 + ["board members"] * 6
    tables["customers"]["plan"] = plans
    tables["customers"]["city"] = [f"c{k}" for k in range(150)]
    tables["touchpoints"]["owner"] = ["Care", "Care", "Billing"]
    return write_dataset({k: tables[k] for k in ("customers", "interactions", "touchpoints")})


def spec_of(shop: Path, each: object, **more: Any) -> Path:
    text = {"title": "Shop <i>", "dataset": shop.name, "each": each, **more}
    path = shop.parent / "report.yml"
    path.write_text(yaml.safe_dump(text, allow_unicode=True), encoding="utf-8")
    return path


class Links(HTMLParser):
    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v for k, v in attrs if k == "href" and v and not v.startswith(("data", "#"))]


def test_a_report_for_each_and_a_page_that_compares_them(
    shop: Path, cx: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = spec_of(shop, {"plan": "all"}, publish={"keep_runs": 1})
    out, each = shop.parent / "report", shop.parent / "report" / "each"
    first = render(spec)
    said = capsys.readouterr().err
    assert first.status == "ok", first.reason
    assert re.search(r"^cxlab: plan=basic: ok, \d+ seconds? \(\d of 3\)$", said, re.MULTILINE)
    assert (out / "latest").resolve() == first.path.resolve()
    wheres = {f"plan={ODD}": 45, "plan=basic": 60, "plan=": 39}
    assert [s["where"] for s in first.manifest["segments"]] == list(wheres)
    assert {p.name for p in each.iterdir()} == {slug(w) for w in wheres}
    for where, count in wheres.items():
        run = each / slug(where) / "latest"
        about = json.loads((run / "manifest.json").read_text())
        assert (about["dataset"]["where"], about["as_of"]) == (where, first.manifest["as_of"])
        assert f"{count} customers are here." in (run / "people.html").read_text()
        assert list((each / slug(where) / "state" / "history").glob("*.parquet"))
    head = (each / "plan-basic" / "latest" / "people.html").read_text()
    assert "<title>Who is here? (plan: basic)</title>" in head and "· plan: basic" in head

    # What is small is neither named nor counted, and nothing tells how many there are in all.
    files = [p for p in first.path.rglob("*") if p.is_file() and p.suffix != ".xlsx"]
    texts = {p.name: p.read_text(encoding="utf-8", errors="replace") for p in files}
    assert not [name for name, text in texts.items() if "board members" in text]
    assert "1 value of plan has fewer than 30 customers." in texts["index.html"]
    assert "rows" not in first.manifest["dataset"]

    rows = list(csv.DictReader(texts["segments.csv"].splitlines()))
    assert [(r["segment"], r["customers"]) for r in rows] == [
        (f"plan: {ODD}", "45"),
        ("plan: basic", "60"),
        ("plan not given", "39"),
    ]
    assert rows[1]["attributable_share"] == "0.3"  # 6 of 20
    page = first.path / "index.html"
    links = Links(page).found
    assert len([k for k in links if k.startswith("../each/")]) == 3
    assert [k for k in links if not (first.path / unquote(k)).exists()] == []
    assert "<b>" not in page.read_text() and "&lt;b&gt;" in page.read_text()
    ran = cx("status", spec)
    assert ran.code == 0 and ran.out.count("plan=") == 3

    # The next run: one segment fails, one is not asked for any more.
    spec_of(shop, {"plan": ["basic", None]}, publish={"keep_runs": 1})
    ran = cx("render", spec, "-p", "fails=plan=", "--jobs", 1, "--log", shop.parent / "log")
    assert ran.code == 1 and "plan= failed: people failed: ValueError: asked to fail" in ran.err
    assert (out / "latest").resolve() == first.path.resolve()
    newest = max(p for p in out.iterdir() if p.name.startswith("20"))
    assert newest != first.path
    text = (newest / "index.html").read_text()
    assert "1 of 2 segments has no good report" in text and "Its last good report" in text
    assert "its last report is" in text and ODD.replace("<b>", "&lt;b&gt;") in text
    assert all((newest / unquote(k)).exists() for k in Links(newest / "index.html").found)
    lives = {w: (each / slug(w) / "latest").resolve() for w in wheres}
    assert lives["plan="].name == first.manifest["segments"][2]["run"]
    assert lives["plan=basic"].name != first.manifest["segments"][1]["run"]
    assert len(list((each / "plan-basic").glob("20*"))) == 1  # of keep_runs
    ran = cx("status", spec)
    assert ran.code == 1 and f"failed, live: {lives['plan='].name}" in ran.out
    steps = [json.loads(line) for line in (shop.parent / "log").read_text().splitlines()]
    assert {s.get("where") for s in steps if s["step"] == "ended"} == {None, "plan=", "plan=basic"}


def test_segments_that_are_made_one_by_one(
    shop: Path, cx: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(shop, {"plan": "all"})
    wheres = [f"plan={ODD}", "plan=basic", "plan="]
    said = cx("render", spec, "--begin").out
    assert said.isascii()  # in any locale it can be written, and is read to the letter
    begun = Begun(**{"run_id" if k == "run" else k: v for k, v in json.loads(said).items()})
    assert begun.parts == [wheres]
    given: list[Any] = []

    def noted(plan: Any, jobs: int, memory: str, *more: Any) -> Run:
        given.append((jobs, memory))
        return run_plan(plan, jobs, memory, *more)

    with monkeypatch.context() as patched:
        patched.setattr("cxlab.report.render.run_plan", noted)
        assert make_part(spec, begun.run_id, wheres[0], jobs=3) == f"{wheres[0]}: made"
    assert given == [(1, "20%")]  # what is made beside it has the rest
    assert make_part(spec, begun.run_id, wheres[0]) == f"{wheres[0]}: made before"
    with pytest.raises(UsageError, match="--part is 'plan=board members'; allowed: plan="):
        make_part(spec, begun.run_id, "plan=board members")
    run = render(spec, resume=begun.run_id)
    assert run.status == "ok"
    taken = {s["where"]: s["taken_from"] for s in run.manifest["segments"]}
    assert taken == {wheres[0]: begun.run_id, wheres[1]: "", wheres[2]: ""}
    begun = begin(spec, parameters=["fails=plan="])
    with pytest.raises(CxlabError, match="plan=: failed: people failed: ValueError: asked to fail"):
        make_part(spec, begun.run_id, "plan=")
    assert render(spec, resume=begun.run_id).status == "failed"
    assert (run.path.parent / "latest").resolve() == run.path.resolve()


@pytest.mark.cluster
def test_airflow_makes_a_task_a_segment(
    make_tables: Callable[..., Tables], write_dataset: Callable[..., Path], airflow: Any
) -> None:
    """A segment's name reaches cxlab to the letter, whatever is in it."""
    tables = make_tables(customers=150)
    tables["customers"]["plan"] = ["basic"] * 80 + [TEMPLATE] * 70
    shop = write_dataset({k: tables[k] for k in ("customers", "interactions")})
    spec = spec_of(shop, {"plan": "all"})
    state, rows = airflow(spec)
    assert state == "success"
    wheres = ["plan=basic", f"plan={TEMPLATE}"]
    assert [row for row in rows if row[0] == "segments"] == [
        ("segments", where, "success") for where in wheres
    ]
    run = (spec.with_suffix("") / "latest").resolve()
    about = json.loads((run / "manifest.json").read_text())
    told = {s["where"]: (s["status"], s["taken_from"]) for s in about["segments"]}
    assert told == {where: ("ok", about["resumed"]) for where in wheres}
    assert about["resumed"] and len(list(run.parent.glob("20*"))) == 1


def test_the_page_that_compares_is_printed(shop: Path, chromium: Any) -> None:
    spec = spec_of(shop, {"plan": [None]}, publish={"formats": ["html", "pdf"]}, title="By plan")
    run = render(spec)
    assert run.status == "ok", run.reason
    printed = PdfReader(run.path / "report.pdf")
    assert run.manifest["pdf"] == {"seconds": ANY, "pages": len(printed.pages), "error": None}
    text = " ".join(page.extract_text() for page in printed.pages)
    assert "By plan, by plan" not in text and "plan not given" in text and "The segments" in text
    assert 'href="report.pdf"' in (run.path / "index.html").read_text()
    assert [*run.path.parent.glob("each/*/latest/report.pdf")]
    page = chromium.new_page()
    for scheme, width, options in WAYS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        page.goto((run.path / "index.html").as_uri())
        assert violations(page, options) == [], (scheme, width)
    page.close()


def test_segments_are_sorted_and_searched_with_all_rows(tmp_path: Path, chromium: Any) -> None:
    """The script takes the rows of a segment for one."""
    counts = [30, 10, 20, *range(100, 112)]
    groups = "".join(
        f'<tbody><tr><th rowspan="2">s{k}</th><td rowspan="2">{count}</td><td>call</td></tr>'
        f"<tr><td>chat {k}</td></tr></tbody>"
        for k, count in enumerate(counts)
    )
    css, script = shared("cxlab.css"), shared("page.js")
    (tmp_path / "page.html").write_text(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(css, script)}">'
        f"<style>{css}</style></head><body><table class='cx-table'><thead><tr><th>Segment</th>"
        f"<th>Customers</th><th>Driver</th></tr></thead>{groups}</table>"
        f"<script>{script}</script></body></html>"
    )
    page = chromium.new_page()
    said: list[str] = []
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto((tmp_path / "page.html").as_uri())

    def shown() -> list[str]:
        return [" ".join(t.split()) for t in page.locator("tbody:visible").all_inner_texts()]

    head = page.locator("th", has_text="Customers")
    for way, order in (("descending", -1), ("ascending", 1)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == way
        ranked = sorted(range(15), key=lambda k: order * counts[k])
        assert shown() == [f"s{k} {counts[k]} call chat {k}" for k in ranked]
    head.locator("button").click()
    assert shown()[0] == "s0 30 call chat 0" and head.get_attribute("aria-sort") is None
    page.locator(".cx-find input").fill("s7")
    assert shown() == ["s7 104 call chat 7"]
    assert page.locator("[role=status]").inner_text() == "1 of 15"
    page.emulate_media(media="print")
    assert len(shown()) == 15
    page.close()
    assert said == []


def test_a_pdf_that_cannot_be_made_is_a_failed_run(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = tmp_path / "browser"
    browser.write_text("#!/bin/sh\nexit 3\n")
    browser.chmod(0o755)
    monkeypatch.setenv("CXLAB_CHROMIUM", str(browser))
    run = render(spec_of(shop, {"plan": ["basic"]}, publish={"formats": ["html", "pdf"]}))
    assert run.status == "failed" and "Chromium did not print it" in run.reason
    page = (run.path / "index.html").read_text()
    assert "Its spec asks for a PDF, which could not be made" in page
    assert 'href="report.pdf"' not in page
    assert not (shop.parent / "report" / "latest").exists()


def test_an_owners_report_has_all_customers_and_nothing_is_compared(shop: Path) -> None:
    run = render(spec_of(shop, {"owner": ["Billing"]}))
    assert run.status == "ok", run.reason
    [segment] = run.manifest["segments"]
    latest = shop.parent / "report" / "each" / segment["folder"] / "latest"
    assert "150 customers are here." in (latest / "people.html").read_text()
    page = (run.path / "index.html").read_text()
    assert "all have the same customers" in page
    assert "No driver was found" in page  # the call is Care's
    assert segment["places"] == ("invoice",)


def test_ctrl_c_ends_every_segment_and_leaves_nothing(shop: Path) -> None:
    spec = spec_of(shop, {"plan": "all"}, parameters={"waits": 60})
    out = shop.parent / "report"

    def interrupt() -> None:
        end = time.monotonic() + 60
        while len(list(out.glob("each/*/.building-*/people.ipynb"))) < 2:
            if time.monotonic() > end:
                return
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    started = time.monotonic()
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        render(spec)
    assert time.monotonic() - started < 50
    assert not out.exists()


REFUSED: list[tuple[object, type[CxlabError], str]] = [
    ("plan", DataError, "a column and its values"),
    ({"plan": "all", "city": "all"}, DataError, "a column and its values"),
    ({"plan": "some"}, DataError, "plan has to be all, or a list of values"),
    ({"plan": ["pro", "pro"]}, DataError, "plan has the value 'pro' twice"),
    ({"plan": [["pro"]]}, DataError, "allowed: texts, numbers, dates, true or false"),
    ({"paln": "all"}, DataError, "the attribute is 'paln'; allowed: plan"),
    ({"plan": ["basci"]}, DataError, "a value of plan is 'basci'; allowed:"),
    ({"plan": ["board members"]}, DataError, "no value has 30 customers, one of whom left"),
    ({"city": "all"}, DataError, "no value has 30 customers"),
]


@pytest.mark.parametrize(("each", "kind", "said"), REFUSED, ids=[str(r[0]) for r in REFUSED])
def test_what_cannot_be_fanned_out_is_refused(
    shop: Path, each: object, kind: type[CxlabError], said: str
) -> None:
    with pytest.raises(kind) as refusal:
        render(spec_of(shop, each))
    assert said in str(refusal.value) and "report.yml" in str(refusal.value)
    assert not (shop.parent / "report").exists()


def test_a_run_that_compares_cannot_be_repeated(shop: Path) -> None:
    spec = spec_of(shop, {"plan": "all"})
    with pytest.raises(UsageError, match="--again is for the run of one report"):
        render(spec, again="latest")


# -- going on ----------------------------------------------------------------------------------


def taken(run: Run) -> dict[str, tuple[str, str]]:
    return {s["where"]: (s["status"], s["taken_from"]) for s in run.manifest["segments"]}


def test_of_a_run_that_failed_only_the_rest_is_done(shop: Path, tmp_path: Path) -> None:
    """A good segment's report is taken over; what is compared is as of a run that was not cut."""
    spec = spec_of(shop, {"plan": "all"}, parameters={"fails": "plan="})
    out, each = shop.parent / "report", shop.parent / "report" / "each"
    first = render(spec)
    assert first.status == "failed" and not (out / "latest").exists()
    stood = {p.parent.name: p.resolve() for p in each.glob("*/latest")}
    spec_of(shop, {"plan": "all"}, parameters={"fails": ""})
    run = render(spec, resume=first.path.name)  # as it was: it fails again
    assert (run.status, run.manifest["resumed"]) == ("failed", first.path.name)
    odd = f"plan={ODD}"
    assert taken(run) == {
        odd: ("ok", first.path.name),
        "plan=basic": ("ok", first.path.name),
        "plan=": ("failed", ""),
    }
    assert {p.parent.name: p.resolve() for p in each.glob("*/latest")} == stood
    page = (run.path / "index.html").read_text()
    assert "1 of 3 segments has no good report" in page
    assert all((run.path / unquote(k)).exists() for k in Links(run.path / "index.html").found)
    with pytest.raises(DataError, match="its spec had each plan, has no each; render anew"):
        render(spec_of(shop, None), resume="newest")
    with pytest.raises(DataError, match="its spec had each plan, has each city; render anew"):
        render(spec_of(shop, {"city": "all"}), resume="newest")


def test_a_run_that_was_killed_is_gone_on_with(shop: Path, tmp_path: Path) -> None:
    """At its second segment: the first is taken over, the second gone on with, the third made."""
    spec = spec_of(shop, {"plan": "all"})
    out, second = shop.parent / "report", shop.parent / "report" / "each" / slug(f"plan={ODD}")
    held = tmp_path / "held"  # as long as it is there all but the largest segment wait
    held.touch()
    program = subprocess.Popen(
        [sys.executable, "-c", "from cxlab.cli import main; main()", "render", spec, "--jobs", "1"],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "CXLAB_TEST_HELD": str(held),
        },
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 90
    while not [*second.glob(".building-*/people.ipynb")] and time.monotonic() < deadline:
        time.sleep(0.05)
    program.kill()
    program.wait()
    held.unlink()
    [dead], [left] = out.glob(".building-*"), second.glob(".building-*")
    run_id = dead.name.removeprefix(".building-")
    run = render(spec, resume="newest")
    assert (run.status, run.manifest["resumed"]) == ("ok", run_id), run.reason
    assert {where: told for where, (_, told) in taken(run).items()} == {
        **{f"plan={ODD}": "", "plan=": ""},
        "plan=basic": run_id,
    }
    gone_on = json.loads((second / "latest" / "manifest.json").read_text())
    assert gone_on["resumed"] == left.name.removeprefix(".building-")
    assert not [*out.rglob(".building-*")]
    whole = render(spec)
    for name in ("findings.json", "tables/segments.csv", "tables/differences.csv"):
        assert (run.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    with pytest.raises(DataError, match="is a good run; there is nothing to be done"):
        render(spec, resume="newest")


HOSTILE = [
    *("..", ".", "/", "\\", "a/../../b", "\0", "CON", "con", "nul.txt", "x.", "x ", " ", "~"),
    *("ü" * 300, "a" * 300, "شركة", "🙂", "\u202e", "\ud800", "Pro", "PRO", "pro", "p--r", "-rf"),
    *("$(id)", "a\nb", "latest", "state", "=", "a=b", "month-to-month", "a-", "-a", "%2e%2e"),
    "a--0123456789ab",
]


def test_folders_of_segments_stay_inside_whatever_the_value() -> None:
    draw = np.random.default_rng(3)
    letters = [*string.printable, *"äß🙂مÅ\u0301\u200f\ufeff\x00\x7f", "..", "/"]
    drawn = ["".join(draw.choice(letters, draw.integers(0, 40))) for _ in range(3000)]
    values = list(dict.fromkeys([*HOSTILE, *drawn, ""]))
    names = [slug(f"{column}={value}") for column in ("plan", "plan-a", "PLAN") for value in values]
    assert all(re.fullmatch(r"[a-z0-9_][a-z0-9_-]{0,79}", name) for name in names)
    assert len(set(names)) == len(names)  # of any file system, as there are no capitals
    assert slug("plan=month-to-month") == "plan-month-to-month"


def finished(place: Path, name: str, effects: dict[str, tuple[float, float]]) -> Ended:
    """Write what a segment's run leaves: a log hazard ratio and its error for each touchpoint."""
    run = "2026-06-30-20260701T000000Z"
    rows: list[dict[str, Any]] = [{"kind": "about", "name": "window_churns", "value": 50.0}]
    for touchpoint, (coef, se) in effects.items():
        same = {"kind": "driver", "name": touchpoint, "part": "bad", "verdict": "driver"}
        ratio, low, high = np.exp([coef, coef - 1.96 * se, coef + 1.96 * se])
        rows += [
            {**same, "measure": "hazard_ratio", "value": ratio, "low": low, "high": high},
            {**same, "measure": "coef", "value": coef},
            {**same, "measure": "se", "value": se},
            {
                **same,
                "measure": "attributable_churn",
                "value": 10.0 * coef,
                "low": 1.0,
                "high": 20.0,
            },
        ]
    folder = place / name / run / "state" / "after" / "history"
    folder.mkdir(parents=True)
    packed = history.packed(history.table(run, "2026-06-30", rows))
    (folder / f"{run}.parquet").write_bytes(packed)
    return Ended(f"plan={name}", f"plan: {name}", name, "ok", "", run, 100, 30)


def test_only_differences_beyond_their_noise_are_told(tmp_path: Path) -> None:
    ended = [
        finished(tmp_path, "a", {"call": (1.5, 0.1), "chat": (0.4, 0.3)}),
        finished(tmp_path, "b", {"call": (0.2, 0.1), "chat": (0.1, 0.3)}),
        finished(tmp_path, "c", {"call": (0.3, 0.2)}),
        Ended("plan=d", "plan: d", "d", "failed", "why"),
    ]
    result = compare(tmp_path, ended, True, {})
    gaps = result[DIFFERENCES].table
    assert len(gaps) == 4  # three of the call, one of the chat
    far = gaps.set_index(["touchpoint", "first", "second"]).loc[("call", "plan: a", "plan: b")]
    z = 1.3 / np.sqrt(0.02)
    assert far["estimate"] == pytest.approx(np.exp(1.3))
    assert far["conf_low"] == pytest.approx(np.exp(1.3 - 1.959964 * np.sqrt(0.02)), rel=1e-6)
    assert far["p_value"] == pytest.approx(2 * stats.norm.sf(z))
    expected = stats.false_discovery_control(gaps["p_value"])
    assert gaps["q_value"].to_numpy() == pytest.approx(expected)
    said = [f.statement for f in told(result)]
    assert said == [
        "failed contacts at call: the hazard ratio is 3.7 times as high in plan: a (4.48) as in "
        "plan: b (1.22); 95% interval 2.8 to 4.8 times.",
        "failed contacts at call: the hazard ratio is 3.3 times as high in plan: a (4.48) as in "
        "plan: c (1.35); 95% interval 2.1 to 5.1 times.",
    ]
    assert result.sentence.endswith("2 differences exceed their noise.")
    assert lost_most(result)[0].statement.startswith(
        "plan: a: failed contacts at call cost most, 15"
    )
    assert result.table["attributable_share"].iloc[0] == pytest.approx(15 / 50)
    assert result.table["status"].tolist()[-1] == "failed"


def test_of_like_segments_no_difference_is_told(tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    ended = [
        finished(tmp_path, f"s{k}", {f"t{j}": (draw.normal(0.5, 0.2), 0.2) for j in range(10)})
        for k in range(12)
    ]
    result = compare(tmp_path, ended, True, {})
    assert len(result[DIFFERENCES].table) == 660
    assert told(result) == []
    assert "no difference exceeds its noise" in result.sentence


def test_the_picture_has_a_panel_a_touchpoint_and_a_row_a_segment(tmp_path: Path) -> None:
    ended = [
        finished(tmp_path, "a", {"call": (1.5, 0.1), "chat": (0.4, 0.3)}),
        finished(tmp_path, "b", {"call": (0.2, 0.1)}),
    ]
    result = compare(tmp_path, ended, True, {})
    first = forest_by_segment(result)
    panels = [a for a in first.figure.axes if a.get_visible()]
    assert [a.get_title(loc="left") for a in panels] == ["call", "chat"]
    points = [line.get_xdata()[0] for line in first.lines if len(line.get_xdata()) == 1]
    assert points == pytest.approx([np.exp(1.5), np.exp(0.2)])
    assert [t.get_text() for t in first.get_yticklabels()] == ["a", "b"]
    words = forest_by_segment_words(result)
    assert len(words["data"]) == 3
    assert words["caption"].startswith("2 touchpoints that matter in at least one of 2 segments, ")
    ended[0] = finished(tmp_path, "c", {"call": (1.5, 0.1)})
    alone = forest_by_segment_words(compare(tmp_path, ended, True, {}))["caption"]
    assert alone.startswith("1 touchpoint that matters in at least one of 2 segments: ")
