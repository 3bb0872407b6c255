"""What goes wrong around a run: what the user sees, and what survives.

``tests/faults/README.md`` lists every fault and the test that holds it. Runs here take the
executed notebooks of a run that was made before, unless a program of its own is started.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import those_of
from toy import FAULTS, ToyDataset, load_toy, write_spec

from cxlab.data.dataset import load
from cxlab.errors import UsageError
from cxlab.report.publish import Build
from cxlab.report.render import Run, render
from cxlab.report.telling.log import Log

ROOT = Path(__file__).parents[2]
_DISK_KIB = 4096


@pytest.fixture
def made(good: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with one good run; what is rendered takes that run's executed notebooks."""
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    monkeypatch.setattr("cxlab.report.render.run_all", those_of(good.path))
    monkeypatch.setattr("cxlab.report.render.warm_up", lambda: None)
    monkeypatch.setattr("cxlab.report.running.warm.warm_up", lambda: None)
    shutil.copytree(good.path, tmp_path / "toy" / good.path.name)
    (tmp_path / "toy" / "latest").symlink_to(good.path.name)
    return write_spec(tmp_path, notebooks=["summary", "drivers"])


def live(spec: Path) -> str:
    return (spec.with_suffix("") / "latest").resolve().name


def meanwhile(monkeypatch: pytest.MonkeyPatch, good: Run, happens: Callable[[], Any]) -> None:
    """Let something happen while the notebooks run."""
    run_all = those_of(good.path)

    def interrupted(*given: Any, **named: Any) -> Any:
        happens()
        return run_all(*given, **named)

    monkeypatch.setattr("cxlab.report.render.run_all", interrupted)


# -- the disk and its files --------------------------------------------------------------------


def test_a_temporary_folder_that_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with pytest.raises(UsageError) as error:
        render(write_spec(tmp_path), load=load_toy)
    assert str(error.value) == (
        f"{tempfile.gettempdir()}: no folder for a run's sockets can be made (No space left on "
        "device); TMPDIR may name another place"
    )
    assert not (tmp_path / "toy").exists()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, on which a spec's runs are to lie."""
    place = tmp_path / "toy"
    place.mkdir()
    made = mount("-t", "tmpfs", "-o", f"size={_DISK_KIB}k", "tmpfs", place)
    if os.geteuid() == 0 and os.environ.get("CXLAB_REQUIRE_ALL") == "1":
        assert not made, made
    if made:
        pytest.skip(f"needs a disk to be mounted: {made}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def mount(*arguments: object) -> str:
    """Mount; gives what is said where that may not be."""
    command = ["mount", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def fill(disk: Path, left_kib: int) -> Path:
    """Fill a disk but for a little."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - 1024 * left_kib))
    return ballast


@pytest.fixture
def render_on(disk: Path, cx: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Render on that disk, with kernels, by the command."""
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    spec = write_spec(disk.parent, notebooks=["counts", "drivers"])
    return lambda: cx("render", spec)


def visible(disk: Path) -> list[str]:
    return sorted(p.name for p in disk.rglob("*") if p.name != "ballast")


def test_a_disk_that_is_full(disk: Path, render_on: Callable[[], Any]) -> None:
    """A real one, at the start or later on: a line, and nothing of the run stays."""
    assert render_on().code == 0
    before, last = visible(disk), (disk / "latest").resolve()
    for left in (0, 40, 300):
        ballast = fill(disk, left)
        ran = render_on()
        assert (ran.code, ran.out) == (2, ""), (left, ran)
        assert ran.err == f"cxlab: {disk}: cannot write here (No space left on device)\n", left
        assert (visible(disk), (disk / "latest").resolve()) == (before, last), left
        ballast.unlink()
    assert render_on().code == 0
    assert (disk / "latest").resolve() != last
    assert [p for p in disk.iterdir() if p.name.startswith(".")] == []


def test_a_disk_that_may_only_be_read(disk: Path, render_on: Callable[[], Any]) -> None:
    assert render_on().code == 0
    before, last = visible(disk), (disk / "latest").resolve()
    assert not mount("-o", "remount,ro", disk)
    ran = render_on()
    assert ran == (2, "", f"cxlab: {disk}: cannot write here (Read-only file system)\n")
    assert (visible(disk), (disk / "latest").resolve()) == (before, last)
    assert not mount("-o", "remount,rw", disk)
    assert render_on().code == 0
    assert (disk / "latest").resolve() != last


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_last_run_whose_manifest_is_spoilt(made: Path, content: str) -> None:
    """It is not read, unless a gate compares with it: then that gate has not held."""
    (made.with_suffix("") / "latest" / "manifest.json").write_text(content)
    held = write_spec(made.parent, notebooks=["drivers"], gates={"same_columns": True})
    run = render(held, load=load_toy)
    assert (run.status, live(made)) != ("ok", run.path.name)
    assert run.reason == "what the last good run had read cannot be told"
    plain = render(write_spec(made.parent, notebooks=["drivers"]), load=load_toy)
    assert (plain.status, live(made)) == ("ok", plain.path.name)


def test_the_spec_is_deleted_while_the_run_is_made(
    made: Path, good: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, good, made.unlink)
    run = render(made, load=load_toy)
    assert (run.status, live(made), made.exists()) == ("ok", run.path.name, False)


def test_data_that_are_replaced_while_the_run_is_made(made: Path, cx: Any) -> None:
    class Replaced(ToyDataset):
        def replaced(self) -> list[str]:
            return ["interactions"]

    def load_replaced(path: Path, as_of: dt.date | None = None) -> ToyDataset:
        return Replaced(as_of=as_of or dt.date(2026, 6, 30))

    before = live(made)
    run = render(made, load=load_replaced)
    why = "table interactions was replaced while the run was made"
    assert (run.status, run.reason, live(made)) == ("not publishable", why, before)
    assert run.manifest["replaced"] == ["interactions"]
    for page in ("index.html", "drivers.html"):
        assert why in (run.path / page).read_text()
    steps = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert [(s["gate"], s["status"], s["error"]) for s in steps if s["step"] == "gate"] == [
        ("same_data", "failed", why)
    ]


def test_which_tables_were_replaced(tables: Any, write_dataset: Callable[..., Path]) -> None:
    """Told by what they hold: a file that is written again as it was is the same."""
    folder = write_dataset(tables)
    dataset = load(folder)
    dataset.sha256()
    text = (folder / "customers.csv").read_text()
    (folder / "customers.csv").write_text(text)
    assert dataset.replaced() == []
    (folder / "feedback.csv").write_text((folder / "feedback.csv").read_text() + "\n")
    assert dataset.replaced() == ["feedback"]
    (folder / "interactions.csv").unlink()
    assert "interactions" in dataset.replaced()
    late = load(write_dataset(tables, name="late"))
    (folder.parent / "late" / "customers.csv").write_text(text + "\n")
    late.sha256()  # of what was not read
    assert late.replaced() == ["customers"]


# -- the clock ---------------------------------------------------------------------------------


def test_a_clock_that_was_set_back_is_told(made: Path, cx: Any, good: Run) -> None:
    out = made.with_suffix("")
    later = "2026-06-30-20991231T235959Z"
    (out / good.path.name).rename(out / later)
    (out / "latest").unlink()
    (out / "latest").symlink_to(later)
    ran = cx("render", made)
    assert (ran.code, live(made)) == (0, f"{later}-2")
    assert re.fullmatch(
        r"cxlab: the clock said .* UTC, before the last run's start; this run is "
        rf"{later}-2 all the same\n",
        ran.err,
    )


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_the_night_in_which_an_hour_comes_twice(tmp_path: Path) -> None:
    """Half past two comes twice by the wall clock: runs are told by UTC, and stay in order."""
    names = []
    for hour in (0, 1):
        moment = dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC)
        assert moment.astimezone().strftime("%H:%M") == "02:30"
        with Build(tmp_path, "2026-10-24", moment) as build:
            (build.folder / "manifest.json").write_text("{}")
            names.append(build.publish(good=True).name)
    assert names == ["2026-10-24-20261025T003000Z", "2026-10-24-20261025T013000Z"]
    assert (tmp_path / "latest").resolve().name == names[1]
    with Log(tmp_path / "a.yml", tmp_path / "log") as log:
        log.ended("ok")
    [line] = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["time"].endswith("+00:00")


# -- signals, and where a program is started ---------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(
    made: Path, good: Run, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log says which it was; the signal then takes effect."""
    heard = []
    before = signal.signal(number, lambda *told: heard.append(told[0]))
    there = sorted(p.name for p in made.with_suffix("").iterdir())
    meanwhile(monkeypatch, good, lambda: signal.raise_signal(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            render(made, load=load_toy, log=made.with_suffix(".log"))
    finally:
        signal.signal(number, before)
    assert heard == [number]
    assert sorted(p.name for p in made.with_suffix("").iterdir()) == there
    last = json.loads(made.with_suffix(".log").read_text().splitlines()[-1])
    assert (last["step"], last["error"]) == ("ended", f"ended by {number.name}")


def test_a_bare_surrounding(tmp_path: Path) -> None:
    """A HOME that is read-only, a locale nobody knows, no terminal, and no streams at all."""
    spec = write_spec(tmp_path, notebooks=["drivers"])
    program = [sys.executable, str(Path(__file__).with_name("toy.py")), spec, tmp_path / "out"]
    command = f"umask 077; exec setsid -w {shlex.join(map(str, program))} <&- >&- 2>&-"
    bare = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CXLAB_NOTEBOOKS": str(FAULTS),
        "HOME": "/proc/nowhere",
        "LC_ALL": "xx_XX.nothing",
    }
    subprocess.run(["sh", "-c", command], env=bare, timeout=90, check=False)
    run = tmp_path / "out" / "latest"
    assert json.loads((run / "manifest.json").read_text())["status"] == "ok"
    assert (run / "drivers.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert {p.stat().st_mode & 0o077 for p in run.rglob("*")} == {0}


# -- the table ---------------------------------------------------------------------------------


def test_the_table_of_faults_names_tests_that_exist() -> None:
    text = (FAULTS / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "`" in line]
    assert len(rows) >= 24
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        for file, test in named:
            source = (ROOT / file).read_text(encoding="utf-8")
            assert f"\ndef {test}(" in source, f"{file}::{test}"
