"""The documents name what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cxlab.cli import app
from cxlab.data.contract import TABLES

ROOT = Path(__file__).parents[1]
COMMANDS = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}


@pytest.mark.parametrize("table", TABLES)
def test_the_readme_lists_each_tables_columns(table: str) -> None:
    line = next(
        row
        for row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if row.startswith(f"| {table} |")
    )
    named = {n.rstrip("?") for n in re.findall(r"`(\w+\??)`", line)}
    columns = set(TABLES[table].names)
    values = {"ok", "failed", "voluntary", "involuntary", "exit", "nps", "csat", "ces"}
    assert named - values == columns
    required = {n for n in re.findall(r"`(\w+)`", line)} - values
    assert set(TABLES[table].required) <= required


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md"])
def test_documents_name_commands_that_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(
        re.findall(r"cxlab (check|simulate|drivers|list|render|new|schedule|status)\b", text)
    ) <= (COMMANDS)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)\b", text)) - {"lock"} <= targets


def test_the_architecture_names_modules_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for room, module in re.findall(r"\b(data|frames|models|analyses|plots|report)/(\w+)", text):
        place = ROOT / "cxlab" / room / module
        assert place.is_dir() or place.with_suffix(".py").exists(), f"{room}/{module}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")), ids=lambda p: p.name)
def test_nothing_is_left_to_be_filled_in(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"@[A-Z]+@|TODO|TBD|FIXME", text)


def test_the_readmes_times_are_those_measured() -> None:
    measured = (ROOT / "benchmarks" / "speed.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line for line in measured.splitlines() if line.startswith("| `cxlab")]
    assert rows
    assert all(row in readme for row in rows)
