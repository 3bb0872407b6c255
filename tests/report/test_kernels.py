"""A kernel that was forked is one like any other, but with its libraries loaded."""

from __future__ import annotations

import json
import os
import sys
import time
from multiprocessing import forkserver, util
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cxlab.report.running.execute import Job, Outcome, run_all
from cxlab.report.running.warm import warm_up

ASKS = """
import atexit, json, multiprocessing, os, sys, threading
from concurrent.futures import ProcessPoolExecutor
told = {
    "loaded": "pandas" in before and "scipy.stats" in before,
    "program": sys.orig_argv[1:3],
    "hash": hash("cxlab"),
    "threads": os.environ["OPENBLAS_NUM_THREADS"],
    "own": os.environ["OWN"],
    "folder": os.getcwd(),
    "main": __name__,
    "arguments": sys.argv[1:2],
}
with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
    told["child"] = pool.submit(abs, -7).result()
atexit.register(open(os.environ["LEFT"], "w").close)
"""


def ask(folder: Path, **environment: str) -> dict[str, Any]:
    """Run a notebook that tells where it is."""
    cells = ["import sys; before = set(sys.modules)", ASKS, "print(json.dumps(told))"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, folder / "asks.ipynb")
    given = {**os.environ, "OWN": "é", "LEFT": str(folder / "left"), **environment}
    work, target = folder / "work", folder / "out.ipynb"
    work.mkdir()
    job = Job("asks", folder / "asks.ipynb", target, {}, 60, work, given)
    warm_up()
    outcome = run_all({"asks": ()}, lambda *_: job, jobs=1, done=lambda *_: None)["asks"]
    assert outcome == Outcome("ok", "", outcome.seconds), (work / "log.txt").read_text()
    assert (folder / "left").exists()  # what was to be done at the end was
    outputs = nbformat.read(target, as_version=4).cells[-1].outputs
    told: dict[str, Any] = json.loads(outputs[0]["text"])
    return told


@pytest.mark.skipif(sys.platform != "linux", reason="kernels start cold elsewhere")
def test_forked_or_not_it_is_the_same_kernel(tmp_path: Path) -> None:
    """A kernel whose libraries would read another environment starts from nothing."""
    places = [tmp_path / name for name in ("warm", "cold")]
    for place in places:
        place.mkdir()
    warm = ask(places[0])
    cold = ask(places[1], OMP_NUM_THREADS="2")
    assert (warm.pop("loaded"), cold.pop("loaded")) == (True, False)
    assert "ipykernel_launcher" in cold.pop("program")
    assert "ipykernel_launcher" not in warm.pop("program")
    for told, place in zip((warm, cold), places, strict=True):
        assert told.pop("folder") == str(place / "work" / "cwd")
        assert told.pop("main") == "__main__" and told.pop("child") == 7
    assert warm == cold


@pytest.mark.skipif(sys.platform != "linux", reason="kernels start cold elsewhere")
def test_the_environment_of_this_process_is_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may be in a library that reads it: a program ends of that."""
    for name in ("OMP_NUM_THREADS", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
    forkserver._forkserver._stop()  # type: ignore[attr-defined]

    def never(*_: object) -> None:
        raise AssertionError("the environment was set")

    with monkeypatch.context() as held:
        held.setattr("os.putenv", never)
        held.setattr("os.unsetenv", never)
        warm_up()
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    until = time.monotonic() + 20  # empty for as long as the program is being loaded
    while not (told := Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))[0]:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert {b"OMP_NUM_THREADS=1", b"PYTHONHASHSEED=0"} <= set(told)
    assert util.spawnv_passfds.__module__ == "multiprocessing.util"
