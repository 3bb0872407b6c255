"""What is secret is refused, or masked, wherever it might be shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import load_toy, write_spec

from cxlab.errors import DataError, UsageError, masked
from cxlab.report.registry import read_registry
from cxlab.report.render import Run, render

URL = "postgresql://me:SECRETMARK@host/base"
SHOWS = [
    "import logging, sys",
    f"print('connected to {URL}')",
    f"sys.stderr.write('tried {URL}')",
    f"raise OSError('connection to {URL} failed')",
]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"'{URL}' failed", "'postgresql://me:***@host/base' failed"),
        ("http://:pw@h and x://a:b@c", "http://:***@h and x://a:***@c"),
        ("postgresql://h/d?user=me&password=pw&x=1", "postgresql://h/d?user=me&password=***&x=1"),
        ("http://host:80/a@b, a:b@c", "http://host:80/a@b, a:b@c"),
    ],
)
def test_passwords_of_addresses_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert str(DataError(text)) == shown


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of a notebook that shows an address, on a page, in its log, and in its error."""
    folder = tmp_path_factory.mktemp("secrets")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "outputs": [], "source": line,
         "execution_count": None}
        for i, line in enumerate(["", *(f"{SHOWS[0]}; {line}" for line in SHOWS[1:])])
    ]  # fmt: skip
    # The address is put together: a notebook that holds a secret itself shows it.
    for cell in cells:
        cell["source"] = str(cell["source"]).replace("SECRETMARK", "' + 'SECRET' + 'MARK")
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (notebooks / "shows.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    entry = "notebooks:\n  shows:\n    question: What is shown?\n"
    (notebooks / "registry.yml").write_text(entry, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXLAB_NOTEBOOKS", str(notebooks))
        return render(write_spec(folder, title="${HOME} stays", notebooks=["shows"]), load=load_toy)


def test_no_file_of_a_run_holds_a_password_that_a_notebook_showed(told: Run) -> None:
    assert told.status == "failed"
    assert "connection to postgresql://me:***@host/base failed" in told.reason
    files = [p for p in told.path.parent.rglob("*") if p.is_file()]
    assert {"shows.ipynb", "shows.html", "manifest.json"} <= {p.name for p in files}
    assert [p.name for p in files if b"SECRETMARK" in p.read_bytes()] == []
    executed = (told.path / "shows.ipynb").read_text(encoding="utf-8")
    assert executed.count("postgresql://me:***@host/base") >= 3


def test_a_variable_in_a_title_is_text(told: Run) -> None:
    assert told.manifest["title"] == "${HOME} stays"
    assert "${HOME} stays" in (told.path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"title": URL},
        {"dataset": URL},
        {"notebooks": [URL]},
        {"parameters": {URL: 1}},
        {"parameters": {"drivers": URL}},
        {"parameters": {"strict": [URL]}},
        {"parameters": {"strict": {"token": "ghp_SECRETMARK0123456789012345"}}},
        {"parameters": {"drivers": {"horizon_days": URL}}},
        {"parameters": URL},
        {"as_of": URL},
    ],
    ids=str,
)
def test_a_spec_with_a_secret_is_refused_and_not_shown(
    tmp_path: Path, refused: Callable[..., str], change: dict[str, Any]
) -> None:
    (tmp_path / "data").mkdir()
    assert "SECRETMARK" not in refused(1, "render", write_spec(tmp_path, **change))


@pytest.mark.parametrize("given", [URL, f"{URL}=1", f"drivers.{URL}=1", f"since={URL}"])
def test_a_parameter_with_a_secret_is_refused_and_not_shown(
    tmp_path: Path, cx: Callable[..., Any], given: str
) -> None:
    ran = cx("--debug", "render", write_spec(tmp_path), "-p", given)
    assert ran.code == 2 and ran.out == ""
    assert "Traceback" in ran.err and "SECRETMARK" not in ran.err
    with pytest.raises(UsageError):
        render(write_spec(tmp_path), load=load_toy, parameters=[given])


def test_a_default_that_is_a_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [],
            "source": f'address: str = "{URL}"', "execution_count": None}  # fmt: skip
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    entry = {"question": "What?", "parameters": {"address": {"type": "str", "meaning": "Where"}}}
    (tmp_path / "registry.yml").write_text(yaml.safe_dump({"notebooks": {"a": entry}}))
    with pytest.raises(DataError, match="an address with a password") as error:
        read_registry(tmp_path)
    assert "SECRETMARK" not in str(error.value)


def test_broken_yaml_is_told_without_what_it_holds(tmp_path: Path, cx: Callable[..., Any]) -> None:
    path = tmp_path / "report.yml"
    path.write_text(f"title: '{URL}\n", encoding="utf-8")
    for before in ((), ("--debug",)):
        ran = cx(*before, "render", path)
        assert ran.code == 1 and "broken YAML" in ran.err and "SECRETMARK" not in ran.err
