"""The text of a new notebook: its cells, its entry in the registry, its test."""

from __future__ import annotations

import json

import nbformat
import yaml

__all__ = ["entry", "notebook", "test"]

_ENTRY = """\
needs: [customers]
timeout_seconds: 900
parameters:
  attribute: {type: str, meaning: "Attribute whose groups are compared; empty: the one that separates most"}
  min_group: {type: int, min: 1, max: 1000, unit: customers, meaning: Groups smaller than this are withheld}
"""  # noqa: E501
_KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_OPENING = """\
# {question}

**Decision.** Which customers to look after first.

**Data.** Customers' spells and their attributes; in a snapshot, tenure and who has left.

**Unit of analysis.** One customer from start to end; one who comes back starts anew."""
_CELLS: tuple[tuple[str, str], ...] = (
    (
        "parameters",
        """\
dataset: str = {dataset}  # folder of the dataset
as_of: str = ""  # last day seen, such as 2026-06-30; empty: the end of the data
where: str = ""  # one segment alone, its column and value; empty: all
attribute: str = ""  # attribute whose groups are compared; empty: the one that separates most
min_group: int = 10  # smallest group of customers that is shown""",
    ),
    (
        "code",
        """\
from dataclasses import replace

import cxlab
from cxlab.analyses import retention
from cxlab.plots import retention as drawn
from cxlab.plots.picture import pictures""",
    ),
    (
        "markdown",
        """\
## The data

An answer is as good as the rows behind it: what was read, and what was set aside.""",
    ),
    (
        "code",
        """\
data = cxlab.load(dataset, as_of or None, where=where)
data.overview()""",
    ),
    (
        "markdown",
        """\
## The answer

Customers are followed from their start until they leave of their own will. Those who are still
customers count for as long as they have been seen, so that new ones do not look loyal.""",
    ),
    (
        "code",
        """\
result = retention.run(data, segment=attribute, min_group=min_group)
levels = result.parts.get("levels")
told = levels.sentence if levels else "No attribute has two groups that can be compared."
# Take the first sentence out once the question has an analysis of its own.
answer = f"The notebook {name} has no analysis of its own yet. {{told}}"
cxlab.Plain(answer)""",
    ),
    (
        "code",
        """\
mine = "{slug}"  # begins the names of its pictures and tables
named = replace(result, name=mine)
curves = {{"curves": (drawn.segment_curves, drawn.segment_curves_words)}}
display(*pictures(named, curves if levels else {{}}))""",
    ),
    (
        "code",
        """\
parts = {{k: replace(v, name=f"{{mine}}_{{k}}") for k, v in result.parts.items()}}
parts.get("groups")""",
    ),
    (
        "markdown",
        """\
## Could it be chance?

Where there are more than two groups, each pair is tested, corrected for the number of pairs.""",
    ),
    (
        "code",
        """\
parts.get("two_by_two")""",
    ),
    (
        "markdown",
        """\
## Would another attribute tell more?

The groups of every attribute are tested alike, corrected for the number of attributes. Two
attributes may show the same customers twice.""",
    ),
    (
        "code",
        """\
parts.get("attributes")""",
    ),
    (
        "markdown",
        """\
## Checks

How customers were followed, and what is not shown.""",
    ),
    (
        "code",
        """\
kept = [check for check in result.checks if not check.name.startswith("first bad contact")]
replace(named, checks=tuple(kept)).checked()""",
    ),
    (
        "markdown",
        """\
## Limits

- Groups differ in more than the attribute that names them: this shows who leaves sooner, not why.
- Attributes are as they stand in the data, not as they were at the start. One that customers earn
  by staying will seem to keep them.
- Customers who are still there are taken to go on like those seen for longer.
- Who left before the first day of the data is not in it.""",
    ),
    (
        "findings",
        """\
figures = {{"n": result.meta["customers"]}}
if levels:
    tests = result["segments"].table.set_index("term").loc[levels.meta["segment"]]
    figures |= tests[["estimate", "conf_low", "conf_high"]].astype(float).to_dict()
    figures["n"] = int(tests["n"])
    figures["unit"] = f"difference in {{result.meta['tenure_unit']}}"
found = cxlab.Finding(f"{{mine}}.groups", "{name}", answer, **figures)
cxlab.Findings([found])""",
    ),
)
_TEST = '''\
"""The notebook {name} runs on a small world."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from cxlab.data.simulate import simulate, write
from cxlab.report.render import render

NOTEBOOKS = {folder}
NAME = "{name}"


def test_it_runs_and_tells_the_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(NOTEBOOKS))
    world = simulate("demo", 300, 3)
    write(world, tmp_path / "data")
    (tmp_path / "report.yml").write_text("title: Test\\ndataset: data\\n", encoding="utf-8")
    run = render(tmp_path / "report.yml", only=[NAME], parameters=[f"{{NAME}}.attribute=plan"])
    assert run.status == "ok", run.reason
    found = json.loads((run.path / "findings.json").read_text(encoding="utf-8"))["findings"]
    [finding] = [f for f in found if f["notebook"] == NAME]
    assert finding["id"] == "{slug}.groups"
    assert finding["conf_low"] < finding["estimate"] < finding["conf_high"]
    groups = pd.read_csv(run.path / "tables" / "{slug}_groups.csv")
    assert set(groups["group of plan"]) == set(world.tables["customers"]["plan"])
    assert (run.path / "figures" / "{slug}_curves.svg").is_file()
'''


def notebook(question: str, name: str, slug: str, dataset: str) -> str:
    """Write the notebook's file.

    Parameters
    ----------
    question : str
        Its title; nothing in it may be Markdown.
    name, slug : str
        Its name, such as ``14_late_invoices``, and that without the number.
    dataset : str
        The default of its parameter ``dataset``.
    """
    said = {"slug": slug, "name": name, "dataset": json.dumps(dataset, ensure_ascii=False)}
    cells = [nbformat.v4.new_markdown_cell(_OPENING.format(question=question))]
    for kind, text in _CELLS:
        if kind == "markdown":
            cells.append(nbformat.v4.new_markdown_cell(text))
            continue
        tags = {} if kind == "code" else {"tags": [kind]}
        cells.append(nbformat.v4.new_code_cell(text.format(**said), metadata=tags))
    for place, cell in enumerate(cells):
        cell["id"] = f"cell-{place:02d}"
    made = nbformat.v4.new_notebook(cells=cells, metadata=_KERNEL)
    return f"{nbformat.writes(made)}\n"


def entry(question: str) -> str:
    """Write what the registry says of the notebook, as YAML.

    Parameters
    ----------
    question : str
        Its question.
    """
    asked = yaml.safe_dump({"question": question}, allow_unicode=True, width=1 << 30)
    return asked + _ENTRY


def test(name: str, slug: str, folder: str) -> str:
    """Write the notebook's test.

    Parameters
    ----------
    name, slug : str
        Its name, and that without the number.
    folder : str
        Python that gives the folder of the notebooks.
    """
    return _TEST.format(name=name, slug=slug, folder=folder)
