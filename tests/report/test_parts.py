"""A run that is begun, made part by part, and published: what an orchestrator's tasks do."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import load_toy, write_spec

from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.parts import Begun, begin, make_part
from cxlab.report.publish import Share
from cxlab.report.render import Run, render
from cxlab.report.resume import being_made

NOTEBOOKS = ["summary", "drivers", "counts"]


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_spec(tmp_path, notebooks=NOTEBOOKS)


def start(spec: Path, **given: Any) -> Begun:
    return begin(spec, load=load_toy, **given)


def part(spec: Path, begun: Begun, name: str, **given: Any) -> str:
    return make_part(spec, begun.run_id, name, load=load_toy, **given)


def publish(spec: Path, begun: Begun) -> Run:
    return render(spec, resume=begun.run_id, load=load_toy)


def taken(run: Run) -> dict[str, str | None]:
    return {name: about["taken_from"] for name, about in run.manifest["notebooks"].items()}


def left(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir() if p.name.startswith("."))


def test_parts_give_what_a_run_as_a_whole_gives(tmp_path: Path, good: Run) -> None:
    """A notebook that the data are too little for is no part."""
    spec = write_spec(tmp_path, notebooks=["summary", "drivers", "feedback"])
    begun = start(spec, parameters=["strict=false"])
    assert begun.parts == [["drivers"], ["summary"]]
    assert left(tmp_path / "toy") == [f".building-{begun.run_id}"]
    log = tmp_path / "log"
    told = [part(spec, begun, name, log=log) for level in begun.parts for name in level]
    assert told == ["drivers: made", "summary: made"]
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(s["step"], s["notebook"], s["status"]) for s in steps[:3]] == [
        ("started", None, None), ("notebook", "drivers", "ok"), ("ended", None, "ok")
    ]  # fmt: skip
    assert {s["run_id"] for s in steps} == {begun.run_id}
    assert part(spec, begun, "drivers") == "drivers: made before"
    run = publish(spec, begun)
    assert run.status == "ok" and set(taken(run).values()) == {begun.run_id, None}
    assert (tmp_path / "toy" / "latest").resolve() == run.path.resolve()
    assert left(tmp_path / "toy") == []
    for name in ("findings.json", "drivers.csv"):
        assert (run.path / name).read_bytes() == (good.path / name).read_bytes()


def test_what_was_not_made_is_made_in_the_end(spec: Path) -> None:
    begun = start(spec)
    assert part(spec, begun, "counts") == "counts: made"
    run = publish(spec, begun)
    assert run.status == "ok"
    assert taken(run) == {"summary": None, "drivers": None, "counts": begun.run_id}


def test_a_part_waits_for_those_before_it(spec: Path) -> None:
    begun = start(spec)
    part(spec, begun, "drivers")
    with pytest.raises(CxlabError, match="summary comes after counts, not ended well as yet"):
        part(spec, begun, "summary")


def test_a_part_that_failed_is_tried_again_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = tmp_path / "faults"
    monkeypatch.setenv("CXLAB_TEST_FAULTS", str(faults))
    spec = write_spec(tmp_path, notebooks=["falters", "counts"])
    for lines, status in ((2, "ok"), (3, "failed")):
        faults.write_text("raise ValueError('no')\n" * lines)
        begun = start(spec)
        part(spec, begun, "counts")
        for _ in range(2):
            with pytest.raises(CxlabError, match=r"falters: failed: ValueError: no \(cell 3\)"):
                part(spec, begun, "falters")
        run = publish(spec, begun)
        assert run.status == status
        assert taken(run) == {"falters": None, "counts": begun.run_id}


def test_a_part_whose_process_was_killed_can_be_made(spec: Path, tmp_path: Path) -> None:
    begun = start(spec)
    work = tmp_path / "toy" / f".building-{begun.run_id}" / ".work"
    (work / "drivers").mkdir()
    (work / "drivers" / "half").write_text("half")
    assert part(spec, begun, "drivers") == "drivers: made"


def test_nobody_takes_a_run_away_while_a_part_is_made(spec: Path, tmp_path: Path) -> None:
    begun = start(spec)
    folder = tmp_path / "toy" / f".building-{begun.run_id}"
    with Share(folder, "drivers"):
        with pytest.raises(CxlabError, match="another process is making the part drivers; wait"):
            part(spec, begun, "drivers")
        assert part(spec, begun, "counts") == "counts: made"
        for given in ({}, {"resume": begun.run_id}):
            with pytest.raises(CxlabError, match=f"a part of the run {begun.run_id} is being made"):
                render(spec, load=load_toy, **given)
    assert part(spec, begun, "drivers") == "drivers: made"
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # as who goes on with the run as a whole does
    with pytest.raises(CxlabError, match=f"is making the run {begun.run_id}"):
        part(spec, begun, "summary")
    os.close(lock)
    assert render(spec, load=load_toy).status == "ok"  # a plain start clears it away
    with pytest.raises(UsageError, match="there is no run"):
        part(spec, begun, "summary")


def test_a_part_that_another_process_made_meanwhile_is_not_made_again(spec: Path) -> None:
    """As of a task that its scheduler lost sight of, and started anew."""
    begun = start(spec)

    def while_it_is_made(*given: Any, **named: Any) -> Any:
        assert part(spec, begun, "drivers") == "drivers: made"
        return load_toy(*given, **named)

    told = make_part(spec, begun.run_id, "drivers", load=while_it_is_made)
    assert told == "drivers: made before"


def test_who_let_go_meanwhile_is_told_of(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = start(spec)
    share = Share(spec.with_suffix("") / f".building-{begun.run_id}", "drivers")

    def let_go(folder: Path) -> str:
        share.__exit__(None, None, None)
        return being_made(folder)

    with share:
        monkeypatch.setattr("cxlab.report.publish.being_made", let_go)
        with pytest.raises(CxlabError, match="somebody held it a moment ago; try again"):
            publish(spec, begun)


def test_what_is_no_part(spec: Path, tmp_path: Path) -> None:
    begun = start(spec)
    with pytest.raises(UsageError, match="--part is 'driver'; allowed: drivers, counts, summary"):
        part(spec, begun, "driver")
    spoilt = spec.read_text().replace("counts", "raises")
    spec.write_text(spoilt)
    begun = start(spec)
    run = publish(spec, begun)
    assert run.status == "failed"
    with pytest.raises(UsageError, match="--part is for a run that was begun"):
        make_part(spec, run.path.name, "drivers", load=load_toy)


def test_a_run_that_cannot_begin_is_told_of(tmp_path: Path) -> None:
    told = tmp_path / "told"
    words = [sys.executable, "-c", f"import sys; open({str(told)!r}, 'w').write(sys.stdin.read())"]
    spec = write_spec(tmp_path, notify={"on": ["failed"], "command": words})

    def fails(*given: Any, **named: Any) -> Any:
        raise DataError("the data are gone")

    with pytest.raises(DataError):
        begin(spec, load=fails)
    assert "the data are gone" in told.read_text()
    assert not (tmp_path / "toy").exists()
    told.unlink()
    begun = start(spec)
    part(spec, begun, "drivers")
    assert not told.exists()


def test_the_command(
    spec: Path, cx: Callable[..., Any], refused: Callable[..., str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    ran = cx("render", spec, "--begin", "--only", "drivers")
    assert ran.code == 0
    about = json.loads(ran.out)
    assert about["parts"] == [["drivers"]]
    told = cx("status", spec)
    assert told.code == 1 and f"{about['run']}  begun: not all of its parts are made" in told.out
    run = ("--resume", about["run"])
    ran = cx("render", spec, *run, "--part", "drivers")
    assert (ran.code, ran.out) == (0, "drivers: made\n")
    line = "--begin begins a run; leave out --resume"
    assert refused(2, "render", spec, "--begin", *run) == line
    line = refused(2, "render", spec, *run, "--part", "drivers", "--quick")
    assert line == "--part is made as its run was begun; leave out --quick"
    line = refused(2, "render", spec, "--begin", "--limit-minutes", 5)
    assert line == "--begin begins a run; leave out --limit-minutes"
    line = refused(2, "render", spec, *run, "--part", "drivers", "--limit-minutes", 0)
    assert line == "limit_minutes is 0; allowed: more than 0"
    line = refused(2, "render", spec, *run, "--part", "drivers", "--again", "latest")
    assert line == "--part is made as its run was begun; leave out --again"
    line = "--part is of a run that was begun; name it with --resume"
    assert refused(2, "render", spec, "--part", "drivers") == line
    ran = cx("render", spec, *run)
    assert ran.code == 0 and cx("status", spec).code == 0
