"""kill -9 at any moment: the last good report stays live, and the next run is clean."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest
from test_resume import runners
from toy import FAULTS, load_toy, write_spec

from cxlab.data import history
from cxlab.report.earlier import RUN_ID, hashes
from cxlab.report.render import render
from cxlab.report.running.warm import warm_up

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which processes live")
# Every moment from here on: the last of the run's own files, and publishing it.
_LAST = 26
_OTHERS = 8
# A toy run takes about a second and a half once its libraries are loaded.
_FULL = 9
_SECONDS = (0.15, 0.3, 0.5, 0.7, 0.9, 1.2)
# Seconds after the first kernel is there, and who is killed beside the run's own process.
_TOGETHER = (
    *((0.0, ["kernels"]), (0.3, ["kernels"]), (0.0, ["runners"]), (0.3, ["runners"])),
    *((0.2, ["server"]), (0.1, ["server", "kernels"]), (0.1, ["server", "runners"])),
)


class Program:
    """The program that renders and is killed; see ``killing.py``."""

    def __init__(self, spec: Path, run: Path) -> None:
        self.out = spec.with_suffix("")
        self._temporary = tempfile.TemporaryDirectory(prefix="cxk-")  # its sockets' names are short
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killing.py")), spec, self.out, run],
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "TMPDIR": self._temporary.name,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def render(self, **moment: float | bool | list[str]) -> dict[str, Any]:
        """Render, killed at a moment; gives what ``killing.py`` answers."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(moment) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> str:
        """End it; gives what it had to say."""
        said = self._process.communicate(timeout=20)[1]
        assert self._process.returncode == 0
        self._temporary.cleanup()
        return said


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A report with a good run, and a program that renders it again."""
    folder = tmp_path_factory.mktemp("killed")
    spec = write_spec(folder, notebooks=["counts", "feedback"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
        good = render(spec, load=load_toy)
        shutil.copytree(good.path, folder / "first")
        made = Program(spec, folder / "first")
        yield made
        made.close()


def whole(out: Path) -> str:
    """Hold what can be seen in OUT to be whole; gives the run that is live."""
    runs = [p for p in out.iterdir() if RUN_ID.fullmatch(p.name)]
    manifests = {p.name: json.loads((p / "manifest.json").read_text()) for p in runs}
    for path in runs:
        assert manifests[path.name]["status"] == "ok"
        assert manifests[path.name]["sha256"] == hashes(path)
        for name in ("index.html", "counts.html"):
            assert (path / name).read_text().rstrip().endswith("</html>")
        assert not (path / ".work").exists()
    live = out / "latest"
    assert live.is_symlink() and (live / "manifest.json").is_file()
    for path in (out / "state" / "history").glob("*.parquet"):
        assert history.read(path).run_id == path.stem
    assert (out / "state" / "count.yml").read_text().strip().isdecimal()
    hidden = [p.name for p in out.iterdir() if p.name.startswith(".")]
    assert sum(name.startswith(".building-") for name in hidden) <= 1
    return live.resolve().name


def newest(out: Path) -> str:
    return max(p.name for p in out.iterdir() if RUN_ID.fullmatch(p.name))


def test_killed_before_any_change_to_a_file(program: Program) -> None:
    """Each run starts on what the last one, which was killed, has left; the last one is whole."""
    out = program.out
    count = program.render(operation=-1)["operations"]
    first = count - _LAST
    moments = [*range(1, first, first // _OTHERS), *range(first, count + 1)]
    assert len(moments) >= 30
    for moment in moments:
        before = whole(out)
        assert program.render(operation=moment)["code"] == -9, moment
        after = whole(out)
        assert after == before or after == newest(out), moment
    assert program.render(operation=-1)["code"] == 0
    assert whole(out) == newest(out)
    kept = {p.stem for p in (out / "state" / "history").iterdir()}
    assert kept == {p.name for p in out.iterdir() if RUN_ID.fullmatch(p.name)}
    assert {p.name for p in out.iterdir() if p.name.startswith(".")} == set()
    assert not [p for p in (out / "state").rglob(".*")]


def test_a_disk_that_is_full_from_any_moment_on(program: Program) -> None:
    """The last good run stays, or the new one is there and whole; a later run makes it good."""
    out = program.out
    count = program.render(operation=-1)["operations"]
    for moment in range(2, count + 1, max(count // _FULL, 1)):
        before = whole(out)
        code = program.render(operation=moment, full=True)["code"]
        assert code in (0, 12), moment  # 12: told in a line, as a wrong call
        assert whole(out) in (before, newest(out)), moment
    assert program.render(operation=-1)["code"] == 0
    assert whole(out) == newest(out)
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def test_killed_while_notebooks_run(program: Program) -> None:
    """No kernel goes on, nor what was started with it."""
    out = program.out
    for seconds in _SECONDS:
        before = whole(out)
        program.render(seconds=seconds)
        assert whole(out) in (before, newest(out)), seconds
        deadline = time.monotonic() + 5
        while (alive := runners(out)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive, seconds
    assert program.render(operation=-1)["code"] == 0
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


def alive(pids: Iterable[int]) -> list[psutil.Process]:
    """Give those processes that still are something else than a name in a table."""
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_killed_together_with_what_it_started(program: Program) -> None:
    """Whoever is left ends by itself, the fork server too if it was not killed."""
    out = program.out
    for seconds, beside in _TOGETHER:
        before = whole(out)
        answer = program.render(seconds=seconds, beside=beside)
        assert (answer["code"], whole(out)) == (-9, before), (seconds, beside)
        server, *left = answer["started"]
        assert len(left) >= 2, (seconds, beside)
        deadline = time.monotonic() + 5
        while (there := alive(left) or runners(out)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not there, (seconds, beside)
        assert bool(alive([server])) is ("server" not in beside)
    assert program.render(operation=-1)["code"] == 0
    assert whole(out) == newest(out)
    assert not [p for p in out.iterdir() if p.name.startswith(".")]


@pytest.fixture
def falters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of two notebooks; the first to run waits a little, each time it is run."""
    (tmp_path / "faults").write_text("import time; time.sleep(0.5)\n" * 3)
    monkeypatch.setenv("CXLAB_TEST_FAULTS", str(tmp_path / "faults"))
    return write_spec(tmp_path, notebooks=["falters", "counts"])


@pytest.mark.parametrize(
    ("victim", "seconds"),
    [("server", 0.2), ("runner", 0.0), ("runner", 0.4), ("kernel", 0.0), ("kernel", 0.4)],
)
def test_what_a_run_started_is_killed(falters: Path, victim: str, seconds: float) -> None:
    """The run is good: who was killed is started again, and nobody of before stays."""
    seen: list[psutil.Process] = []

    def kill() -> None:
        deadline = time.monotonic() + 30
        while len(seen) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
            with contextlib.suppress(psutil.Error):
                server = psutil.Process(forkserver._forkserver._forkserver_pid)  # type: ignore[attr-defined]
                runner = server.children()
                seen[:] = [server, *runner[:1], *(k for r in runner[:1] for k in r.children())]
        time.sleep(seconds)
        seen[["server", "runner", "kernel"].index(victim)].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    run = render(falters, load=load_toy, jobs=1)
    killer.join()
    assert run.status == "ok", run.reason
    attempts = {name: about["attempts"] for name, about in run.manifest["notebooks"].items()}
    assert attempts["counts"] == 1 and attempts["falters"] <= 2
    assert not alive(p.pid for p in seen[1:])


def test_a_fork_server_that_is_killed_while_it_starts(falters: Path) -> None:
    warm_up()
    for wait in (0.3, 0.0):
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
        time.sleep(wait)
        warm_up()
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
    run = render(falters, load=load_toy, only=["counts"])
    assert (run.status, run.manifest["notebooks"]["counts"]["attempts"]) == ("ok", 1)
