"""What the pages of the site show is what their code prints, and their commands exist."""

from __future__ import annotations

import re
import shlex

import pages
import pytest
import typer
import yaml

from cxlab.cli import app
from cxlab.report.spec import Spec


@pytest.mark.parametrize("page", pages.PAGES)
def test_the_code_of_a_page_runs_and_prints_what_is_shown(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pages.ROOT)
    told = pages.told(page)
    assert told
    for printed, shown in told:
        assert printed == shown


MINE = [*pages.PAGES, "start", "privacy", "whom-to-call"]


@pytest.mark.parametrize("page", MINE)
def test_the_specs_of_a_page_can_be_read(page: str) -> None:
    for _, text in pages.blocks(page, "yaml"):
        Spec.model_validate(yaml.safe_load(text))


@pytest.mark.parametrize("page", MINE)
def test_the_commands_of_a_page_and_their_options_exist(page: str) -> None:
    text = (pages.DOCS / f"{page}.md").read_text(encoding="utf-8")
    known = typer.main.get_command(app).commands
    targets = re.findall(r"^([a-z]+):", (pages.ROOT / "Makefile").read_text("utf-8"), re.M)
    lines = re.findall(r"^(?:cxlab|make) .+$", text, re.M)
    for program, name, *words in map(shlex.split, lines):
        if program == "make":
            assert name in targets
        else:
            options = {o for p in known[name].params for o in p.opts}
            assert {w for w in words if w.startswith("-")} <= options, name
