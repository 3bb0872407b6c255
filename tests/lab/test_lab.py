"""JupyterLab as a researcher meets it: launcher, notebooks, explorer, and mistakes in a cell."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest

import cxlab
from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.lab.lab import command, launcher
from cxlab.report.registry import read_registry

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests" / "faults"


# -- the launcher ------------------------------------------------------------------------------


def _text(notebook: Any) -> str:
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"])


def test_the_launcher_links_every_question() -> None:
    registry = read_registry(ROOT / "notebooks")
    made = launcher(registry)
    nbformat.validate(nbformat.from_dict(made))
    lines = {line for line in _text(made).splitlines() if line.startswith("| [")}
    assert len(lines) == len(registry.notebooks)
    for name, entry in registry.notebooks.items():
        (line,) = (each for each in lines if f"(../{name}.ipynb)" in each)
        question, decision, needs = line.strip("| ").split(" | ")
        assert question.startswith(f"[{entry.question}]")
        assert decision.endswith(".") and "Data" not in decision
        assert all(table in needs for table in entry.needs)
    assert "cxlab.explore('../../data/demo')" in _text(made)


def _notebook(*sources: str) -> dict[str, Any]:
    """Make a notebook of code cells, the first of them its parameters."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": source, "outputs": [],
         "execution_count": None} for i, source in enumerate(sources)
    ]  # fmt: skip
    cells[0]["metadata"] = {"tags": ["parameters"]}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4,
            "nbformat_minor": 5}  # fmt: skip


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of notebooks of one's own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.b.ipynb").write_text(json.dumps(_notebook('dataset: str = "../here"')))
    (folder / "registry.yml").write_text('notebooks: {a.b: {question: "Why | *so*?"}}\n')
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_it_is_written_where_it_answers_no_question(own: Path) -> None:
    started = command(port=8899, browser=False, more=["--debug"])
    file = own / "start" / "index.ipynb"
    text = _text(json.loads(file.read_text()))
    assert r"| [Why \| \*so\*?](../a.b.ipynb) |" in text
    assert "cxlab.explore('../../here')" in text
    assert "--LabApp.default_url=/lab/tree/mine/start/index.ipynb" in started
    assert {"--port=8899", "--no-browser", "--debug"} <= set(started)
    assert list(read_registry(own).notebooks) == ["a.b"]
    before = file.stat().st_mtime_ns
    command()
    assert file.stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_named(own: Path) -> None:
    (own / "start").write_text("")
    with pytest.raises(UsageError, match="the launcher cannot be written"):
        command()


# -- at the prompt -----------------------------------------------------------------------------


def _public() -> Iterator[tuple[str, Any]]:
    """Give what a notebook can reach: the package's names, its analyses and its plots."""
    yield from ((f"cxlab.{name}", getattr(cxlab, name)) for name in cxlab.__all__)
    for room in ("analyses", "plots"):
        for path in sorted((ROOT / "cxlab" / room).iterdir()):
            if path.name.startswith("_") or not (path.suffix == ".py" or path.is_dir()):
                continue
            module = import_module(f"cxlab.{room}.{path.stem}")
            names = getattr(module, "__all__", ())
            yield from ((f"{module.__name__}.{n}", getattr(module, n)) for n in names)


def _functions() -> Iterator[tuple[str, Any]]:
    for name, value in _public():
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            own = vars(value).items()
            yield from ((f"{name}.{n}", f) for n, f in own
                        if inspect.isfunction(f) and not n.startswith("_"))  # fmt: skip


def test_every_public_function_tells_its_parameters() -> None:
    missing = []
    for name, function in _functions():
        text = inspect.getdoc(function) or ""
        given = [p for p in inspect.signature(function).parameters if p != "self"]
        if not text or (given and "Parameters\n----------" not in text):
            missing.append(name)
        missing += [f"{name}: {p}" for p in given if p not in text]
    assert missing == []


_CELL = """
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
from cxlab.errors import DataError
def deep():
    raise DataError("customers.csv: column x")
shell.push({"deep": deep})
shell.run_cell("deep()")
shell.run_line_magic("xmode", "Verbose")
shell.run_cell("deep()")
"""


def test_a_mistake_in_a_cell_is_one_line() -> None:
    ran = subprocess.run([sys.executable, "-c", _CELL], capture_output=True, text=True, check=True)
    first, _, whole = ran.stdout.partition("Exception reporting mode: Verbose")
    assert first.replace("\x1b[31m", "").replace("\x1b[0m", "").strip() == (
        "DataError: customers.csv: column x"
    )
    assert "Traceback" in whole


# -- in a browser ------------------------------------------------------------------------------

_IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
_PATIENCE = 60_000  # milliseconds, where a machine has much else to do
_DRAWN = ".cx-explore figure img"
_CHANGED = f"b => ![null, undefined, b].includes(document.querySelector('{_DRAWN}')?.src)"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Start ``cxlab lab`` on a small world and two notebooks; give its address."""
    write(simulate("demo", 800, 4), tmp_path / "data")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    made = _notebook('dataset: str = "../data"', "import cxlab\n\ncxlab.load(dataset)")
    (folder / "loads.ipynb").write_text(json.dumps(made))
    (folder / "registry.yml").write_text('notebooks: {loads: {question: "What is there?"}}\n')
    places = {f"JUPYTER_{k}_DIR": str(tmp_path / k) for k in ("CONFIG", "DATA", "RUNTIME")}
    places |= {"CXLAB_NOTEBOOKS": str(folder), "IPYTHONDIR": str(tmp_path / "ipython")}
    started = [sys.executable, "-c", "from cxlab.cli import main; main()", "lab", "--no-browser",
               "--port=0", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=abc"]  # fmt: skip
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(started, cwd=tmp_path, env=os.environ | places, stderr=log)
        try:
            yield _address(process, tmp_path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _address(process: subprocess.Popen[bytes], folder: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        for told in (folder / "RUNTIME").glob("jpserver-*.json"):
            if text := told.read_text():
                return str(json.loads(text)["url"])
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())


def _run_all(page: Any, shown: Any) -> None:
    """Run all cells, again where JupyterLab lets them be: its kernel was not connected yet."""
    from playwright.sync_api import TimeoutError as Late

    for wait in (10_000, 20_000, _PATIENCE):
        page.get_by_text("Run", exact=True).first.click()
        page.get_by_text("Run All Cells", exact=True).click()
        with suppress(Late):
            shown.wait_for(timeout=wait)
            return
    raise AssertionError("nothing was shown after cells were run three times")


def test_a_researcher_opens_runs_and_explores(chromium: Any, server: str) -> None:
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(_PATIENCE)
    page.goto(f"{server}lab/tree/notebooks/start/index.ipynb?token=abc&reset")
    start, opened = (page.locator(".jp-NotebookPanel").nth(i) for i in (0, 1))
    start.locator(_IDLE).wait_for()
    page.get_by_role("link", name="What is there?").click()
    opened.locator(_IDLE).wait_for()
    opened.locator(".jp-CodeCell").first.click()  # the menu is of the notebook in use
    _run_all(page, opened.get_by_text("Attributes to segment by"))
    assert opened.locator("[data-mime-type*=stderr]").count() == 0
    page.locator(".lm-TabBar-tab", has_text="index.ipynb").click()
    start.locator(".jp-CodeCell").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".cx-explore [role=status]:has-text(' ms.')")
    page.wait_for_selector(_DRAWN)
    before = page.locator(_DRAWN).first.get_attribute("src")
    assert "data:image/svg" in before
    handle = page.locator(".cx-explore .noUi-handle").first
    handle.focus()
    handle.press("End")
    page.wait_for_function(_CHANGED, arg=before)
    page.get_by_text("The half-life is 112 days, as given.").wait_for()
    page.close()
