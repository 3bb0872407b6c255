"""Whatever specs, runs and notebooks are called: nothing is written or deleted outside OUT."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import load_toy, write_spec

from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.findings import file_name
from cxlab.report.publish import Build
from cxlab.report.registry import read_registry
from cxlab.report.render import render
from cxlab.report.segments.groups import Group
from cxlab.report.segments.resumed import Past
from cxlab.report.spec import read_spec

START = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


def seen(folder: Path, *apart: Path) -> dict[str, bytes]:
    """Give all files of a folder but those in some."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in files
        if not any(p.is_relative_to(a) for a in apart)
    }


def published(out: Path, day: str, keep_runs: int | None = None) -> Path:
    with Build(out, day, START) as build:
        (build.folder / "manifest.json").write_text("{}", encoding="utf-8")
        return build.publish(good=True, keep_runs=keep_runs, keep_state=False)


@pytest.mark.parametrize("name", ["..yml", "...yml", "....yml", ". .yml"])
def test_a_spec_whose_runs_would_lie_beside_it_or_above_is_refused(
    tmp_path: Path, name: str
) -> None:
    inner = tmp_path / "reports"
    inner.mkdir()
    (inner / name).write_text("title: a\ndataset: data\n", encoding="utf-8")
    before = seen(tmp_path)
    with pytest.raises(UsageError, match="names no folder for its runs"):
        render(inner / name, load=load_toy)
    assert seen(tmp_path) == before


@pytest.mark.parametrize("name", ["a b.yml", "-x.yml", "größe 東京.yml", "a\nb.yml", "r" * 200])
def test_odd_names_of_specs_are_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("title: a\ndataset: data\n", encoding="utf-8")
    assert read_spec(path).title == "a"
    assert path.with_suffix("").parent == tmp_path


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/b", "..", ".hidden", "a\nb", ""])
def test_a_notebook_is_called_as_a_file_of_its_run_may_be(tmp_path: Path, name: str) -> None:
    entry = yaml.safe_dump({"notebooks": {name: {"question": "What?"}}})
    (tmp_path / "registry.yml").write_text(entry, encoding="utf-8")
    with pytest.raises(DataError, match=r"registry\.yml: notebooks: a name is "):
        read_registry(tmp_path)


@pytest.mark.parametrize("run", ["../../etc", "/etc", "", "latest/..", "..", "x" * 300, "a\0b"])
@pytest.mark.parametrize("option", ["again", "resume"])
def test_a_run_that_is_none_is_refused_and_nothing_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, option: str
) -> None:
    spec = write_spec(tmp_path)
    published(tmp_path / "toy", "2026-06-30")
    monkeypatch.chdir(tmp_path)
    before = seen(tmp_path)
    with pytest.raises(CxlabError, match=f"--{option} is "):
        render(spec, load=load_toy, **{option: run})  # type: ignore[arg-type]
    assert seen(tmp_path) == before


def test_a_run_that_is_being_made_elsewhere_is_not_gone_on_with(tmp_path: Path) -> None:
    """It would be removed in the end."""
    spec = write_spec(tmp_path)
    other = tmp_path / "other" / ".building-2026-06-30-20260701T000000Z"
    other.mkdir(parents=True)
    (other / "kept.txt").write_text("kept", encoding="utf-8")
    (tmp_path / "toy").mkdir()
    with pytest.raises(UsageError, match=r"--resume is .* is not in .*toy"):
        render(spec, load=load_toy, resume=str(other))
    assert (other / "kept.txt").is_file()


@pytest.mark.parametrize("run", ["../../outside", "/outside", "", "."])
def test_a_segments_run_that_is_none_is_not_taken_over(tmp_path: Path, run: str) -> None:
    """Whatever the record of a run that compares says."""
    text = '{"status": "ok", "sha256": {}}'
    for folder in (tmp_path / "outside", tmp_path / "out" / "each" / "plan-a"):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(text, encoding="utf-8")
    there = Past("2026-06-30-20260701T000000Z", {"plan=a": {"status": "ok", "run": run}}, True)
    group = Group("plan=a", "plan: a", 40, 4)
    assert there.stands(group, tmp_path / "out" / "each") is None


def test_retention_takes_runs_alone_and_follows_no_link(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "2026-01-01-20260101T000000Z"
    theirs = [out / "2025-notes", out / "2026-06-01-20260601T000000Z", out / "latest.old"]
    for folder in (elsewhere, *theirs):
        folder.mkdir(parents=True)
        (folder / "kept.txt").write_text("kept", encoding="utf-8")
    (elsewhere / "manifest.json").write_text("{}", encoding="utf-8")
    link = out / elsewhere.name
    link.symlink_to(elsewhere, target_is_directory=True)
    (out / ".notes.2024").write_text("kept", encoding="utf-8")
    before = seen(tmp_path)
    runs = [published(out, f"2026-06-{day}", keep_runs=1) for day in (28, 29, 30)]
    assert [r.exists() for r in runs] == [False, False, True]
    assert link.is_symlink()
    assert seen(tmp_path, *runs) == before


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "a/b\\c", "x\0y", "=1+1"])
def test_files_of_results_and_pictures_stay_in_their_folder(tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{file_name(name)}.csv"
    assert file.parent == tmp_path and file.resolve().parent == tmp_path.resolve()


def test_a_render_leaves_what_lies_around_it_alone(good: Any) -> None:
    """The good run of the toys: beside its spec there is its folder, and nothing else."""
    folder = good.path.parents[1]
    there = {p.name for p in folder.iterdir()}
    assert there <= {"data", "lock", "toy.yml", "toy", "index.html"}
    assert {p.name for p in (folder / "toy").iterdir()} <= {"latest", "state", good.path.name}
