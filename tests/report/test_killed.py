"""kill -9 at any moment: the last good report stays live, and the next run is clean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_resume import runners
from toy import FAULTS, load_toy, write_spec

from cxlab.data import history
from cxlab.report.earlier import RUN_ID, hashes
from cxlab.report.render import render

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which processes live")
# Every moment from here on: the last of the run's own files, and publishing it.
_LAST = 26
_OTHERS = 8
# A toy run takes about a second and a half once its libraries are loaded.
_FULL = 9
_SECONDS = (0.15, 0.3, 0.5, 0.7, 0.9, 1.2)


class Program:
    """The program that renders and is killed; see ``killing.py``."""

    def __init__(self, spec: Path, run: Path) -> None:
        self.out = spec.with_suffix("")
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killing.py")), spec, self.out, run],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def render(self, **moment: float | bool) -> dict[str, int]:
        """Render, killed at a moment; gives how it ended and how often it changed a file."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(moment) + "\n")
        self._process.stdin.flush()
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> str:
        """End it; gives what it had to say."""
        said = self._process.communicate(timeout=20)[1]
        assert self._process.returncode == 0
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
