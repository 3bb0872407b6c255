from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import FAULTS, load_toy, write_spec

from cxlab.report.render import Run, render


@pytest.fixture(autouse=True)
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
    return FAULTS


@pytest.fixture(scope="session")
def good(once: Callable[..., Any]) -> Any:
    """A run in which all goes well, one notebook at a time; tests only read it."""

    def make(folder: Path) -> Run:
        spec = write_spec(folder, notebooks=["summary", "drivers", "feedback"])
        return render(spec, load=load_toy, jobs=1, parameters=["strict=false"])

    return once("good", FAULTS, make)
