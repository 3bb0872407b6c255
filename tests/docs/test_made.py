"""What is made for the site is what the code and the benchmarks have."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cxlab.plots.picture import Picture

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

import gallery  # noqa: E402
import meanings  # noqa: E402
import measured  # noqa: E402
import reference  # noqa: E402


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(measured, "BENCHMARKS", tmp_path)
    text = (
        "# A\n\n| x | y |\n|---|---|\n| one | 1% |\n| two | 2% |\n\n## B\n\n| z |\n|---|\n| 3 |\n"
    )
    (tmp_path / "made.md").write_text(text, encoding="utf-8")
    return "made"


def test_a_benchmarks_figure_is_read_not_typed(page: str) -> None:
    assert measured.figure(page, "y", "^two") == "2%"
    assert measured.table(page, rows="one", columns="y").splitlines()[:3] == [
        "| y |", "| --- |", "| 1% |",
    ]  # fmt: skip
    assert "| 3 |" in measured.table(page, "B")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: measured.table("made", "C"),
        lambda: measured.table("made", rows="three"),
        lambda: measured.table("made", columns="w"),
        lambda: measured.figure("made", "y", "one|two"),
    ],
    ids=["heading", "row", "column", "two rows"],
)
def test_what_a_benchmark_does_not_have_is_refused(page: str, ask: Callable[[], str]) -> None:
    with pytest.raises(ValueError, match=r"made\.md"):
        ask()


@pytest.mark.parametrize("file", meanings.COLUMNS)
def test_every_column_of_a_file_is_explained(file: str) -> None:
    told = reference.columns(file)
    assert all(f"| `{column}` |" in told for column in meanings.COLUMNS[file][0])


@pytest.mark.parametrize("model", meanings.KEYS)
def test_every_key_is_explained(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(f"| `{key}` |" in reference.keys(model) for key in meanings.KEYS[model])
    monkeypatch.setitem(meanings.KEYS[model], "no_such_key", "A key that is gone.")
    with pytest.raises(ValueError, match="no_such_key"):
        reference.keys(model)


def test_every_option_of_a_command_is_listed() -> None:
    told = reference.commands()
    assert "## cxlab render" in told
    assert all(f"`{option}`" in told for option in ("--as-of", "--quick", "--resume", "--world"))


def test_the_gallery_shows_a_picture_with_its_code(tmp_path: Path) -> None:
    drawn = Picture("a_b", "Found <much>", "A line", pd.DataFrame({"x": [1]}), "<svg/>", b"")
    cell = {"source": ["draw(result)"], "outputs": [{"data": drawn._repr_mimebundle_()}]}
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": [cell]}), "utf-8")
    (tmp_path / "manifest.json").write_text('{"notebooks": {"one": {"question": "Why?"}}}', "utf-8")
    told = gallery.page(tmp_path, tmp_path / "out")
    assert (tmp_path / "out" / "a_b.svg").read_text("utf-8") == "<svg/>"
    assert "## Why?" in told and "draw(result)" in told and "Found &lt;much&gt;" in told
    assert "built without" in gallery.page(None, tmp_path / "out")
