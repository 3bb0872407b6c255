"""Kernels that die are tried again, runs end in time, and one that was cut is gone on with."""

from __future__ import annotations

import datetime as dt
import html
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import load_toy, write_spec

from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.publish import Build
from cxlab.report.render import Run, render
from cxlab.report.resume import read_cut
from cxlab.report.running.execute import Bounds
from cxlab.report.spec import Plan, make_plan
from cxlab.report.telling.log import Log

DIE, HANG = "os._exit(7)", "import time; time.sleep(600)"
ANSWERS = ("findings.json", "drivers.csv")
NOTEBOOKS = ["summary", "drivers", "falters"]


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what goes wrong in the notebook that falters, each time it is run."""
    path = tmp_path / "faults"
    monkeypatch.setenv("CXLAB_TEST_FAULTS", str(path))

    def write(*lines: str) -> None:
        path.write_text("".join(f"{line}\n" for line in lines))

    write()
    return write


@pytest.fixture(scope="session")
def failed(once: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of which one kernel died; tests copy it."""
    folder = tmp_path_factory.mktemp("failed")
    (folder / "faults").write_text(f"{DIE}\n")
    spec = write_spec(folder, notebooks=NOTEBOOKS, limits={"retries": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_NOTEBOOKS", str(Path(__file__).parents[1] / "faults"))
        patch.setenv("CXLAB_TEST_FAULTS", str(folder / "faults"))
        return render(spec, load=load_toy)


@pytest.fixture
def cut(failed: Run, tmp_path: Path, faults: Callable[..., None]) -> Path:
    """A spec with a failed run of its own, to be gone on with or spoilt."""
    shutil.copytree(failed.path, tmp_path / "toy" / failed.path.name)
    return write_spec(tmp_path, notebooks=NOTEBOOKS, limits={"retries": 0})


def told(run: Run, key: str) -> dict[str, Any]:
    return {name: about[key] for name, about in run.manifest["notebooks"].items()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def plan(spec: Path, run: str | Path = "newest", **given: Any) -> Plan:
    asked = {"as_of": None, "only": (), "parameters": (), "quick": False, "out": None}
    return make_plan(spec, **{**asked, "load": load_toy, **given}, resume=run)


def rewrite(folder: Path, **given: Any) -> None:
    """Change what a run says of itself; None takes a key out."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | given
    gone = [k for k, v in given.items() if v is None]
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in gone}))


# -- retries, limits, log ----------------------------------------------------------------------


def test_a_kernel_that_died_is_tried_once_more(tmp_path: Path, faults: Callable[..., None]) -> None:
    """The manifest and the log say so; another run's lines in the same file stay."""
    faults(DIE)
    log = tmp_path / "every run.jsonl"
    log.write_text('{"step": "ended"}\n')
    spec = write_spec(tmp_path, notebooks=["falters", "feedback"])
    run = render(spec, load=load_toy, log=log)
    assert run.status == "ok"
    assert told(run, "attempts") == {"falters": 2, "feedback": 1}
    first, *rest = lines(log)
    assert first == {"step": "ended"} and rest == lines(run.path / "log.jsonl")
    keys = ("step", "notebook", "status", "attempt", "error")
    assert [tuple(line[k] for k in keys) for line in rest if line["notebook"] != "feedback"] == [
        ("started", None, None, None, None),
        ("notebook", "falters", "failed", 1,
         "the kernel died (often for lack of memory) (cell 3)"),
        ("notebook", "falters", "ok", 2, None),
        ("published", None, "ok", None, None),
        ("ended", None, "ok", None, None),
    ]  # fmt: skip
    assert {(line["run_id"], line["spec"]) for line in rest} == {(run.path.name, str(spec))}
    seconds = [line["seconds"] for line in rest if line["notebook"] == "falters"]
    assert 0 < seconds[0] < seconds[1] < rest[-1]["seconds"]
    assert rest[0]["time"].endswith("+00:00") and rest[0]["time"] < rest[-1]["time"]


def test_a_kernel_that_dies_each_time_has_failed(failed: Run, tmp_path: Path, faults: Any) -> None:
    assert told(failed, "attempts")["falters"] == 1
    faults(DIE, DIE, DIE)
    run = render(write_spec(tmp_path, notebooks=["falters"]), load=load_toy)
    dead = "falters failed: the kernel died (often for lack of memory)"
    assert failed.reason == f"{dead} (cell 3)"
    assert run.reason == f"{dead}, 2 times (cell 3)"
    assert (tmp_path / "faults").read_text() == f"{DIE}\n"


def test_what_a_cell_raised_is_not_tried_again(tmp_path: Path, faults: Any) -> None:
    """Nor is one that has no memory left, where Python itself says so."""
    faults("bytearray(1 << 60)", "1")
    run = render(write_spec(tmp_path, notebooks=["falters"]), load=load_toy)
    assert run.reason == "falters failed: MemoryError (cell 3)"
    assert (tmp_path / "faults").read_text() == "1\n"


def test_a_run_whose_time_is_over(tmp_path: Path, faults: Any, cx: Any, monkeypatch: Any) -> None:
    """It is over once the first notebook hangs, however slow the machine is."""
    begun = property(lambda _: 0.1 if (tmp_path / "faults").read_text() else -1)
    monkeypatch.setattr("cxlab.report.running.execute.Bounds.left", begun)
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    faults(HANG)
    given = {"notebooks": ["falters", "counts"], "limits": {"run_minutes": 60}}
    spec = write_spec(tmp_path, **given)
    ran = cx("render", spec, "--limit-minutes", 2.5, "--jobs", 1, "--log", "-")
    assert ran.code == 1, ran
    [path] = [p for p in (tmp_path / "toy").iterdir() if p.is_dir()]
    manifest = json.loads((path / "manifest.json").read_text())
    ended = {n: (m["status"], m["error"]) for n, m in manifest["notebooks"].items()}
    assert manifest["status"] == "failed"
    assert ended["falters"][0] == "timed out"
    assert ended["falters"][1].startswith("not finished when the run's 2.5 minutes were over")
    assert ended["counts"] == ("skipped", "the run's 2.5 minutes were over")
    assert "counts skipped: the run's 2.5 minutes were over" in ran.err
    steps = [json.loads(line)["step"] for line in ran.err.splitlines() if line.startswith("{")]
    assert steps == ["started", "notebook", "notebook", "published", "ended"]
    assert "the run's 2.5 minutes were over" in html.unescape((path / "index.html").read_text())


def test_the_minutes_are_counted() -> None:
    assert Bounds(0, None).left == math.inf
    assert 80 < Bounds(0, 1.5).left <= 90
    assert Bounds(0, 1, started=time.monotonic() - 61).left < 0
    assert Bounds(0, 1).told == "the run's 1 minute was over"


@pytest.mark.parametrize(
    ("limits", "why"),
    [({"retries": 6}, "limits.retries"), ({"run_minutes": 0}, "limits.run_minutes")],
)
def test_limits_that_cannot_be(tmp_path: Path, limits: Any, why: str) -> None:
    with pytest.raises(DataError, match=why):
        render(write_spec(tmp_path, limits=limits), load=load_toy)
    with pytest.raises(UsageError, match="limit_minutes is 0; allowed: more than 0"):
        render(write_spec(tmp_path), load=load_toy, limit_minutes=0)


def test_a_log_that_cannot_be_written_is_told_once(tmp_path: Path, capsys: Any) -> None:
    with Log(tmp_path / "a.yml", tmp_path / "none" / "log") as log:
        log.begin("run", tmp_path)
        log.ended("ok")
    assert len(lines(tmp_path / "log.jsonl")) == 2
    line = f"cxlab: {tmp_path}/none/log: the log cannot be written (No such file or directory)\n"
    assert capsys.readouterr().err == line
    with Log(tmp_path / "a.yml", "/dev/full") as log:
        log.step("started")
        log.step("ended")
    line = "cxlab: /dev/full: the log cannot be written (No space left on device)\n"
    assert capsys.readouterr().err == line


def test_a_run_that_never_began_is_in_the_log_too(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["none"])
    with pytest.raises(DataError) as error:
        render(spec, load=load_toy, log=tmp_path / "log")
    [line] = lines(tmp_path / "log")
    assert (line["run_id"], line["step"], line["status"]) == (None, "ended", "failed")
    assert line["error"] == str(error.value)


# -- going on ----------------------------------------------------------------------------------


def test_only_what_is_missing_is_done(cut: Path, faults: Any, cx: Any, monkeypatch: Any) -> None:
    """To the byte what a run that was not cut gives; what summed it up is made anew."""
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    out = cut.with_suffix("")
    [first] = out.iterdir()
    assert cx("render", cut, "--resume", first.name).code == 0
    path = (out / "latest").resolve()
    run = Run(path, "ok", json.loads((path / "manifest.json").read_text()))
    assert run.manifest["resumed"] == first.name < path.name
    assert told(run, "taken_from") == {"drivers": first.name, "falters": None, "summary": None}
    whole = render(cut, load=load_toy)
    assert whole.manifest["resumed"] is None
    for name in (*ANSWERS, "tables/churn_drivers.csv"):
        assert (path / name).read_bytes() == (whole.path / name).read_bytes(), name
    with pytest.raises(DataError, match="is a good run; there is nothing to be done"):
        render(cut, load=load_toy, resume="newest")
    with pytest.raises(DataError, match=r"state/history/.* came, went, or changed; render anew"):
        render(cut, load=load_toy, resume=first)


def test_a_run_that_was_killed_is_gone_on_with(tmp_path: Path, faults: Any) -> None:
    """What had ended is taken over, and the folder that was left goes once it is published."""
    faults(HANG)
    spec = write_spec(tmp_path, notebooks=["drivers", "falters"])
    program = start(spec, tmp_path / "toy")
    ended = wait_for(lambda: [*tmp_path.glob("toy/.building-*/.work/drivers.ended.json")])
    wait_for(lambda: not (tmp_path / "faults").read_text())
    folder = ended.parents[1]
    with pytest.raises(CxlabError, match=f"process {program.pid} on .* is making the run"):
        render(spec, load=load_toy, resume="newest")
    program.kill()
    program.communicate()
    wait_for(lambda: not runners(folder))
    run = render(spec, load=load_toy, resume=folder.name.removeprefix(".building-"))
    assert (run.status, folder.exists()) == ("ok", False)
    assert told(run, "taken_from")["drivers"] == run.manifest["resumed"]
    assert told(run, "taken_from")["falters"] is None
    assert not [p for p in (tmp_path / "toy").iterdir() if p.name.startswith(".")]


def start(*arguments: object) -> subprocess.Popen[bytes]:
    program = [sys.executable, str(Path(__file__).with_name("toy.py")), *map(str, arguments)]
    path = str(Path(__file__).parents[2])
    return subprocess.Popen(
        program, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.DEVNULL
    )


def wait_for(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 90
    while not (there := found()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert there, "nothing came"
    return there[0] if isinstance(there, list) else there


def runners(folder: Path) -> list[str]:
    """Name the processes whose output goes to a folder: those of a run's notebooks."""
    found = []
    for link in Path("/proc").glob("[0-9]*/fd/1"):
        try:
            if str(link.readlink()).startswith(str(folder)):
                found.append(link.parts[2])
        except OSError:
            continue
    return found


def test_the_next_plain_run_clears_what_was_killed(tmp_path: Path, cut: Path) -> None:
    """Between the two, the one that is gone on with is kept from others."""
    out = tmp_path / "toy"
    dead = out / ".building-2026-06-30-20200101T000000Z"
    dead.mkdir()
    started = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    with Build(out, "2026-06-30", started, dead), pytest.raises(CxlabError, match="is making"):
        Build(out, "2026-06-30", started).__enter__()
    assert dead.is_dir()
    with Build(out, "2026-06-30", started):
        assert not dead.exists()
    with pytest.raises(UsageError, match="another start has cleared it"):
        Build(out, "2026-06-30", started, dead).__enter__()


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "code": ({"code_sha256": "0"}, "cxlab's code is another; render anew, without --resume"),
    "versions": ({"versions": {"pandas": "1.0"}}, "pandas was 1.0, is 2"),
    "day": ({"as_of": "2026-06-29"}, "the last day was 2026-06-29, is 2026-06-30"),
    "data": ({"dataset": {"sha256": {}, "settings_sha256": "0"}}, "table interactions is new"),
    "quotes": ({"publish": {"include_quotes": True}}, "publish.include_quotes is False"),
    "replaced": ({"replaced": ["feedback"]}, "its data were replaced while it was made"),
    "older": ({"code_sha256": None}, "code_sha256 is missing (a run of another version"),
    "good": ({"status": "ok"}, "is a good run; there is nothing to be done"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_not_as_it_was_is_refused(cut: Path, case: str) -> None:
    given, why = OTHERS[case]
    [folder] = cut.with_suffix("").iterdir()
    rewrite(folder, **given)
    with pytest.raises(DataError) as error:
        plan(cut)
    assert why in str(error.value)


def test_a_notebook_that_was_edited_is_run_anew(
    cut: Path, tmp_path: Path, notebooks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is what builds on it; an executed one that was changed by hand is refused."""
    shutil.copytree(notebooks, tmp_path / "notebooks")
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(tmp_path / "notebooks"))
    [folder] = cut.with_suffix("").iterdir()
    to = tmp_path / "to"
    to.mkdir()
    going = plan(cut, folder)
    assert going.cut is not None
    taken = going.cut.take(going, "drivers", {}, to)
    assert taken is not None and taken.taken_from == folder.name
    assert (to / "drivers.ipynb").read_bytes() == (folder / "drivers.ipynb").read_bytes()
    assert going.cut.take(going, "falters", {}, to) is None
    (folder / "drivers.ipynb").write_text("{}")
    with pytest.raises(DataError, match=r"drivers\.ipynb: is missing, or changed since"):
        going.cut.take(going, "drivers", {}, to)
    edited = tmp_path / "notebooks" / "drivers.ipynb"
    edited.write_text(edited.read_text().replace("0.125", "0.25"))
    going = plan(cut, folder)
    assert going.cut is not None and going.cut.take(going, "drivers", {}, to) is None


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("2026-06-30-20200101T000000Z", "there is no run"),
        ("../..", "holds no manifest.json; allowed: newest, a run's id, or its folder"),
        ("x" * 300, "there is no run"),
    ],
)
def test_no_such_run(cut: Path, refused: Any, run: str, why: str) -> None:
    line = refused(2, "render", cut, "--resume", run)
    assert line.startswith("--resume is ") and why in line


def test_nothing_else_is_asked_beside(cut: Path, refused: Any, tmp_path: Path) -> None:
    beside = ("--as-of", "2026-06-30", "--only", "drivers", "-p", "strict=true", "--quick")
    line = refused(2, "render", cut, "--resume", "newest", *beside, "--again", "latest")
    assert line == (
        "--resume goes on with a run as it was; leave out --as-of, --only, -p, --quick, --again, "
        "or leave out --resume"
    )
    other = cut.with_name("other.yml")
    other.write_text(cut.read_text())
    [folder] = cut.with_suffix("").iterdir()
    with pytest.raises(UsageError, match=r"a run of toy\.yml, not of other\.yml"):
        read_cut(tmp_path / "other", other, folder)
    with pytest.raises(UsageError, match="there is no run in"):
        read_cut(tmp_path / "other", other, "newest")
