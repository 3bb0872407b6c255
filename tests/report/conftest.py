from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from toy import FAULTS, SHIPPED, load_toy, write_spec

from cxlab.data.simulate import simulate, write
from cxlab.report.render import Run, render


@pytest.fixture(autouse=True)
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
    return FAULTS


Once = Callable[[str, Path, Callable[[Path], Run]], Run]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Make a good run of some notebooks once, whichever of xdist's workers comes first."""
    base = tmp_path_factory.getbasetemp()

    def made(name: str, notebooks: Path, make: Callable[[Path], Run]) -> Run:
        folder = (base if worker_id == "master" else base.parent) / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (there := [*folder.glob("*/latest")]):
                patch.setenv("CXLAB_NOTEBOOKS", str(notebooks))
                run = make(folder)
                assert run.status == "ok", run.reason
                return run
        path = there[0].resolve()
        return Run(path, "ok", json.loads((path / "manifest.json").read_text()))

    return made


@pytest.fixture(scope="session")
def good(once: Once) -> Run:
    """A run in which all goes well, one notebook at a time; tests only read it."""

    def make(folder: Path) -> Run:
        spec = write_spec(folder, notebooks=["summary", "drivers", "feedback"])
        return render(spec, load=load_toy, jobs=1, parameters=["strict=false"])

    return once("good", FAULTS, make)


@pytest.fixture(scope="session")
def world(once: Once) -> Run:
    """A report of a small world by the notebooks that are shipped; tests only read it."""

    def make(folder: Path) -> Run:
        write(simulate("demo", 600, 2), folder / "data")
        text = "title: A world\ndataset: data\nparameters: {window_days: 70}\n"
        (folder / "report.yml").write_text(text, encoding="utf-8")
        return render(folder / "report.yml", as_of="2026-06-15", parameters=["window_days=80"])

    return once("world", SHIPPED, make)
