"""What a run hands to the next one: read as a copy, kept by good runs alone, edited by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy import load_toy, write_spec

from cxlab.errors import DataError
from cxlab.report.render import Run, render
from cxlab.report.state import hand_in, hand_on, keep


def found(run: Run) -> str:
    findings = json.loads((run.path / "findings.json").read_text())["findings"]
    return str(next(f["statement"] for f in findings if f["id"] == "count"))


def test_each_run_reads_what_the_last_good_one_kept(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["counts"], publish={"include_quotes": True})
    out = tmp_path / "toy"
    first = render(spec, load=load_toy)
    assert found(first) == "Run 1, quotes True"
    assert first.manifest["state_sha256"] == {}
    assert (out / "state" / "count.yml").read_text() == "1\n"
    second = render(spec, load=load_toy)
    assert found(second) == "Run 2, quotes True"
    past = f"history/{first.path.name}.parquet"
    assert list(second.manifest["state_sha256"]) == ["count.yml", past]

    executed = (second.path / "counts.ipynb").read_text()
    assert '"state/before' in executed.replace("\\", "")
    assert ".building-" not in executed

    (out / "state" / "count.yml").write_text("40\n")  # edited by hand
    assert found(render(spec, load=load_toy)) == "Run 41, quotes True"

    # One that is made again reads what it had read, and hands nothing on.
    again = render(spec, load=load_toy, again=second.path.name)
    assert found(again) == "Run 2, quotes True"
    assert again.manifest["again"]["same_answers"] is True
    assert (out / "state" / "count.yml").read_text() == "41\n"
    (second.path / "state" / "before" / "count.yml").write_text("7\n")
    with pytest.raises(DataError, match=r"count\.yml: has been changed since it"):
        render(spec, load=load_toy, again=second.path.name)

    # Nor does one that fails.
    write_spec(tmp_path, notebooks=["counts", "raises"])
    failed = render(spec, load=load_toy)
    assert (failed.status, found(failed)) == ("failed", "Run 42, quotes False")
    assert (out / "state" / "count.yml").read_text() == "41\n"


def test_a_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["counts"], parameters={"name": "../count.yml"})
    run = render(spec, load=load_toy)
    assert run.status == "failed"
    assert "the file '../count.yml' cannot be kept" in run.reason
    assert not (tmp_path / "toy" / "state").exists()

    (tmp_path / "toy" / "state").mkdir()
    (tmp_path / "toy" / "state" / "count.yml").write_bytes(b"\xff\xfe1")
    with pytest.raises(DataError, match=r"state/count\.yml: is no text in UTF-8"):
        render(spec, load=load_toy)


def test_a_notebook_that_cannot_read_its_state_names_the_file_to_mend(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["counts"])
    file = tmp_path / "toy" / "state" / "count.yml"
    file.parent.mkdir(parents=True)
    file.write_text("many\n")
    run = render(spec, load=load_toy)
    assert (run.status, file.read_text()) == ("failed", "many\n")
    assert f"{file}: 'many' is no number" in run.reason


def test_what_was_edited_meanwhile_stays(tmp_path: Path) -> None:
    out, run = tmp_path / "out", tmp_path / "out" / "run"
    (out / "state").mkdir(parents=True)
    for name in ("a.yml", "b.yml", ".hidden", "notes.txt"):
        (out / "state" / name).write_text("old")
    assert hand_in(out / "state", run) == run / "state" / "before"
    assert sorted(p.name for p in (run / "state" / "before").iterdir()) == ["a.yml", "b.yml"]
    (out / "state" / "a.yml").write_text("edited")
    hand_on(run, {"a.yml": "new", "b.yml": "new", "c.json": "new"})
    keep(run, out)
    now = {p.name: p.read_text() for p in (out / "state").iterdir()}
    assert (now["a.yml"], now["b.yml"], now["c.json"]) == ("edited", "new", "new")
    assert hand_in(out / "nothing", tmp_path / "other") is None
