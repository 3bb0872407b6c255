"""How the last runs ended, as an operator and a monitor are told."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from toy import write_spec

from cxlab.report.render import Run


@pytest.fixture
def report(good: Run, tmp_path: Path) -> Path:
    """A spec with one good run, which is live."""
    shutil.copytree(good.path, tmp_path / "toy" / good.path.name)
    (tmp_path / "toy" / "latest").symlink_to(good.path.name)
    return write_spec(tmp_path)


def later(spec: Path, run_id: str, **given: Any) -> None:
    """Add a run of another day; what is given changes its manifest."""
    out = spec.with_suffix("")
    shutil.copytree((out / "latest").resolve(), out / run_id)
    manifest = json.loads((out / run_id / "manifest.json").read_text())
    (out / run_id / "manifest.json").write_text(json.dumps(manifest | given))


def test_a_good_run(report: Path, good: Run, cx: Any) -> None:
    ran = cx("status", report)
    assert ran.code == 0
    seconds = round(good.manifest["seconds"])
    assert ran.out == (
        f"{report}: ok\n  {good.path.name}  ok, {seconds} second{'s' * (seconds != 1)}, live\n"
    )


def test_a_failed_run_after_it(report: Path, good: Run, cx: Any) -> None:
    """The last good one stays live, and a monitor hears of it."""
    notebooks = {"drivers": {"error": "KeyError: 'x'"}, "summary": {"error": None}}
    later(report, "2026-06-30-29991231T000000Z", status="failed", notebooks=notebooks)
    ran = cx("status", report, "--json")
    assert (ran.code, ran.err, ran.out.count("\n")) == (1, "", 1)
    told = json.loads(ran.out)
    assert (told["good"], told["why"]) == (False, "the newest run is failed")
    assert told["live"] == good.path.name
    assert [r["status"] for r in told["runs"]] == ["failed", "ok"]
    assert told["runs"][0]["reason"] == "drivers: KeyError: 'x'"


def test_an_old_run(report: Path, good: Run, cx: Any) -> None:
    started = dt.datetime.now(dt.UTC) - dt.timedelta(days=8.5)
    out = report.with_suffix("")
    old = out / f"2026-06-30-{started:%Y%m%dT%H%M%SZ}"
    (out / good.path.name).rename(old)
    (out / "latest").unlink()
    (out / "latest").symlink_to(old.name)
    assert cx("status", report, "--max-age-days", 9).code == 0
    ran = cx("status", report, "--max-age-days", 8)
    assert ran.code == 1
    assert ran.out.startswith(f"{report}: the newest run is 8.5 days old; allowed: 8\n")


def test_a_run_that_is_being_made(report: Path, cx: Any) -> None:
    """A folder that nobody holds was left by one that is gone."""
    for name in ("held", "left"):
        (report.with_suffix("") / f".building-{name}").mkdir()
    held = os.open(report.with_suffix("") / ".building-held", os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        told = cx("status", report).out
    finally:
        os.close(held)
    assert "  held  is being made\n" in told and "left" not in told


def test_what_cannot_be_read(report: Path, cx: Any) -> None:
    later(report, "2026-06-30-29991231T000000Z")
    for content in ("{", "[]", "{}"):
        (report.with_suffix("") / "2026-06-30-29991231T000000Z" / "manifest.json").write_text(
            content
        )
        ran = cx("status", report)
        assert ran.code == 1
        assert "unreadable: its manifest.json cannot be read" in ran.out


def test_all_reports_of_a_folder(
    tmp_path: Path, cx: Any, monkeypatch: pytest.MonkeyPatch, report: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "none in reports/" in cx("status").err
    (tmp_path / "reports").mkdir()
    write_spec(tmp_path / "reports")
    ran = cx("status")
    assert (ran.code, ran.out) == (1, "reports/toy.yml: it was never run\n")
    assert cx("status", report, tmp_path / "reports" / "toy.yml").code == 1
    assert cx("status", report, report, "--out", tmp_path).code == 2
