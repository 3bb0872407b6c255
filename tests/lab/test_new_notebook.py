"""A notebook of one's own: runs as it is, is registered, has its test; all or nothing."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.lab.new import notebook as maker
from cxlab.lab.new.notebook import create_notebook
from cxlab.report.registry import mismatches, read_registry, with_entry
from cxlab.report.tables import write_text

ROOT = Path(__file__).parents[2]
QUESTION = "What do late invoices do?"
DOC = ROOT / "docs" / "own-notebook.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working copy with the toy notebooks."""
    shutil.copytree(ROOT / "tests" / "faults", tmp_path / "notebooks")
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks"


def held(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def run_cells(path: Path, data: Path) -> dict[str, Any]:
    """Run a notebook's code in this process, on some data."""
    names: dict[str, Any] = {"display": lambda *shown: None}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                names["dataset"] = str(data)
    return names


def test_the_guides_commands_make_render_and_test_a_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cx: Callable[..., Any]
) -> None:
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "tests" / "notebooks").mkdir(parents=True)
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(tmp_path / "notebooks"))
    monkeypatch.chdir(tmp_path)
    write(simulate("demo", 300, 4), tmp_path / "my-data")
    (tmp_path / "my-data" / "report.yml").write_text("title: Ours\ndataset: .\n", encoding="utf-8")
    text = DOC.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert [line[0] for line in lines] == ["cxlab", "cxlab", "cxlab", "python"]
    for line in lines[:-1]:
        ran = cx(*line[1:])
        assert ran.code == 0, ran.err
    for file in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE):
        assert (tmp_path / file).is_file(), file
    latest = tmp_path / "my-data" / "report" / "latest"
    found = json.loads((latest / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert [f["id"] for f in found] == ["late_invoices.groups"]
    [said] = re.findall(r'says first: "([^"]+)"', text)
    assert found[0]["statement"].startswith(f"{said} ")
    page = (latest / "14_late_invoices.html").read_text(encoding="utf-8")
    assert QUESTION in page and said in page
    tests = runpy.run_path(str(tmp_path / lines[-1][-1]))
    (tmp_path / "once").mkdir()
    tests["test_it_runs_and_tells_the_groups"](tmp_path / "once", monkeypatch)


def test_it_has_the_shape_of_the_house(place: Path) -> None:
    before = (place / "registry.yml").read_text(encoding="utf-8")
    (place.parent / "tests" / "notebooks").mkdir(parents=True)
    made = create_notebook(QUESTION)
    assert made.name == "00_what_do_late_invoices_do"
    told = importlib.util.spec_from_file_location(
        "house", ROOT / "tests" / "notebooks" / "test_notebooks.py"
    )
    assert told is not None and told.loader is not None
    house = importlib.util.module_from_spec(told)
    told.loader.exec_module(house)
    house.test_shape(made.path)
    after = (place / "registry.yml").read_text(encoding="utf-8")
    assert after.startswith(before)  # comments and all
    registry = read_registry(place)
    assert registry.notebooks[made.name].question == QUESTION
    assert not [line for line in mismatches(registry) if line.startswith(made.name)]
    shipped = read_registry(ROOT / "notebooks").defaults["04_retention"]
    own = registry.defaults[made.name]
    standard = [k for k in shipped if k in ("dataset", "as_of", "where")]
    assert list(own)[: len(standard)] == standard
    for command in (("format", "--check"), ("check", "--ignore", "I001")):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--quiet"]
        config = ["--config", str(ROOT / "pyproject.toml"), str(made.path), str(made.test)]
        done = subprocess.run([*ruff, *config], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("attributes", [True, False])
def test_it_runs_on_a_snapshot_and_where_there_is_nothing_to_compare(
    tmp_path: Path, place: Path, attributes: bool
) -> None:
    rows = {"tenure": [k % 30 + 1 for k in range(90)], "churned": [k % 2 for k in range(90)]}
    rows |= {"plan": [k % 3 for k in range(90)]} if attributes else {}
    (tmp_path / "data").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "data" / "customers.csv", index=False)
    [found] = (run_cells(create_notebook(QUESTION).path, tmp_path / "data")["found"],)
    assert found.n == 90
    assert ("plan" in found.statement) is attributes
    assert (found.estimate is not None) is attributes
    assert ("No attribute has two groups" in found.statement) is not attributes


def test_numbers_names_and_places(place: Path, cx: Callable[..., Any]) -> None:
    reports = place.parent / "reports"
    reports.mkdir()
    (reports / "all.yml").write_text("title: All\ndataset: x\n", encoding="utf-8")
    (reports / "some.yml").write_text("title: S\ndataset: x\nnotebooks: [drivers]\n", "utf-8")
    first = cx("new", "notebook", QUESTION)
    assert first.code == 0, first.err
    assert "add 00_what_do_late_invoices_do to the `notebooks:` of reports/some.yml" in first.out
    assert "all.yml" not in first.out
    second = create_notebook("מה עושות חשבוניות?", name="invoices")
    assert (second.name, second.test.parent) == ("01_invoices", place)
    third = create_notebook("Why do customers who have met one of our many stores call us again?")
    assert third.name == "02_why_do_customers_who_have_met"
    assert list(read_registry(place).notebooks)[-3:] == [
        "00_what_do_late_invoices_do", "01_invoices", "02_why_do_customers_who_have_met"
    ]  # fmt: skip
    assert read_registry(place).notebooks["01_invoices"].question == "מה עושות חשבוניות?"
    cells = nbformat.read(second.path, as_version=4).cells
    assert cells[0].source.startswith("# מה עושות חשבוניות?\n")


def test_a_folder_called_notebook_is_still_a_dataset(
    tmp_path: Path, place: Path, cx: Callable[..., Any]
) -> None:
    rows = {"customer_id": range(60), "tenure": range(60), "churned": [0, 1] * 30}
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    assert cx("new", "notebook", "--from", "a.csv").code == 0
    assert (tmp_path / "notebook" / "dataset.yml").is_file()
    assert not list(place.glob("[0-9]*"))


REFUSED = {
    "no question mark": ((QUESTION[:-1],), "ends with a question mark"),
    "a mark alone": (("?",), "ends with a question mark"),
    "files without --from": (("a.csv", "b.csv"), "--from"),
    "300 letters": (("Why" + " so" * 99 + "?",), "at most 120"),
    "markup": (("What does <b>this</b> do?",), "holds < >"),
    "mathematics": (("Do $5 and $6 differ?",), "holds $"),
    "two lines": (("One\ntwo?",), "one line of letters"),
    "turned letters": (("What is \u202eevil?",), "cannot be shown"),
    "no letters a to z": (("مادا?",), "--name"),
    "a number first": (("3 or 4?",), "--name"),
    "a name with a path": ((QUESTION, "--name", "../x"), "a letter first"),
    "a name too long": ((QUESTION, "--name", "a" * 33), "up to 32"),
    "no registry": ((QUESTION, "--notebooks", "nowhere"), "no registry.yml"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_written(
    tmp_path: Path, place: Path, refused: Callable[..., str], case: str
) -> None:
    arguments, word = REFUSED[case]
    before = held(tmp_path)
    assert word in refused(2, "new", "notebook", *arguments)
    assert held(tmp_path) == before


def test_options_of_a_notebook_are_of_nothing_else(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert "--name are of a notebook" in refused(2, "new", tmp_path / "firm", "--name", "x")
    assert not (tmp_path / "firm").exists()


def test_a_name_that_exists_is_refused(
    tmp_path: Path, place: Path, refused: Callable[..., str]
) -> None:
    create_notebook(QUESTION, name="invoices")
    before = held(tmp_path)
    line = refused(2, "new", "notebook", "And what of invoices?", "--name", "invoices")
    assert "00_invoices.ipynb" in line and "is there already" in line
    (place / "test_01_other.py").write_text("mine", encoding="utf-8")
    assert "test_01_other.py" in refused(2, "new", "notebook", "And?", "--name", "other")
    assert held(tmp_path) == before | {"notebooks/test_01_other.py": b"mine"}


@pytest.mark.parametrize("which", [0, 1, 2])
def test_where_a_file_cannot_be_written_none_is(
    tmp_path: Path,
    place: Path,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    which: int,
) -> None:
    before, calls = held(tmp_path), iter(range(9))

    def failing(path: Path, text: str) -> None:
        if next(calls) == which:
            raise PermissionError(13, "Permission denied")
        write_text(path, text)

    monkeypatch.setattr(maker, "write_text", failing)
    assert "cannot be written (Permission denied)" in refused(2, "new", "notebook", QUESTION)
    assert held(tmp_path) == before


@pytest.mark.parametrize(
    "text",
    [
        "# ours\nnotebooks:\n  # one\n  drivers: {question: q}  # it",
        "notebooks:\r\n    drivers:\r\n        question: q\r\n",
        "\n\nnotebooks:  # all\n\n drivers:\n  question: 'q'\n# the end\n",
    ],
)
def test_an_entry_is_added_to_a_registry_however_it_is_written(tmp_path: Path, text: str) -> None:
    file = tmp_path / "registry.yml"
    file.write_bytes(text.encode())
    after = with_entry(file, "x", 'question: "a: b?"\nneeds: [customers]\n')
    assert after.startswith(text)
    assert after.count("\r\n") == (after.count("\n") if "\r" in text else 0)
    file.write_bytes(after.encode())
    for name in ("drivers", "x"):
        shutil.copy(ROOT / "tests" / "faults" / "drivers.ipynb", tmp_path / f"{name}.ipynb")
    entries = read_registry(tmp_path).notebooks
    assert {k: e.question for k, e in entries.items()} == {"drivers": "q", "x": "a: b?"}


def test_a_registry_on_one_line_is_refused(place: Path, refused: Callable[..., str]) -> None:
    (place / "registry.yml").write_text("notebooks: {drivers: {question: q}}\n", encoding="utf-8")
    before = held(place)
    assert "on lines of its own" in refused(1, "new", "notebook", QUESTION)
    assert held(place) == before
    with pytest.raises(UsageError, match="no question"):
        create_notebook("late invoices")
