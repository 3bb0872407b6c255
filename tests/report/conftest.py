from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
from toy import FAULTS, load_toy, write_spec

from cxlab.report.render import Run, render


@pytest.fixture(autouse=True)
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
    return FAULTS


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Run:
    """A run in which all goes well, one notebook at a time; tests only read it.

    Made once, whichever of xdist's workers comes first.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "good"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        latest = folder / "toy" / "latest"
        if not latest.exists():
            patch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
            spec = write_spec(folder, notebooks=["summary", "drivers", "feedback"])
            return render(spec, load=load_toy, jobs=1, parameters=["strict=false"])
        path = latest.resolve()
        manifest = json.loads((path / "manifest.json").read_text())
        return Run(path, manifest["status"], manifest)
