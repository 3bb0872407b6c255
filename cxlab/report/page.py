"""A notebook as a page: the question, the answer, the reasoning, the code folded away."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.report.execute import Outcome
from cxlab.report.markup import (
    TEMPLATES,
    clean,
    environment,
    policy,
    shared,
    show_picture,
    show_result,
)
from cxlab.report.outputs import PICTURE_MIME
from cxlab.report.plan import Plan
from cxlab.results import FINDINGS_MIME, RESULT_MIME

if TYPE_CHECKING:
    from nbconvert.exporters import HTMLExporter
    from nbformat import NotebookNode

__all__ = ["write_pages"]

_PRIORITY = [
    PICTURE_MIME,
    RESULT_MIME,
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]
_HIDDEN = {"parameters", "injected-parameters", "remove-cell", "papermill-error-cell-tag"}
_H1 = re.compile(r"\A\s*#[ \t]+(?P<text>.+?)[ \t]*#*[ \t]*(?:\n|\Z)")


def write_pages(
    plan: Plan, folder: Path, outcomes: Mapping[str, Outcome], *, withheld: Collection[str]
) -> None:
    """Write a page for each executed notebook.

    Parameters
    ----------
    plan : Plan
        The run.
    folder : pathlib.Path
        Where the executed notebooks are, and the pages go.
    outcomes : mapping of str to Outcome
        How each notebook ended.
    withheld : collection of str
        Notebooks whose outputs may not be published; they are removed.
    """
    exporter = _exporter()
    for name, outcome in outcomes.items():
        path = folder / f"{name}.ipynb"
        notebook = None if name in withheld else _read(path)
        if notebook is None:
            path.unlink(missing_ok=True)  # withheld, or cut off while it was being written
            continue
        html, _ = exporter.from_notebook_node(notebook, _resources(plan, name, outcome, notebook))
        (folder / f"{name}.html").write_text(html, encoding="utf-8", newline="\n")


def _read(path: Path) -> NotebookNode | None:
    """Read an executed notebook, and take the places it was run at out of it."""
    import nbformat

    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        return None
    about = notebook.metadata.get("papermill", {})
    for key in ("input_path", "output_path"):
        if about.get(key):
            about[key] = Path(about[key]).name
    nbformat.write(notebook, path)
    return notebook


def _exporter() -> HTMLExporter:
    """Make nbconvert's exporter with cxlab's template."""
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.NbConvertBase.display_data_priority = _PRIORITY
    return HTMLExporter(
        config=config,
        template_name="cxlab",
        exclude_output_prompt=True,
        extra_template_basedirs=[str(TEMPLATES)],
        filters={
            "cx_clean": clean,
            "cx_contents": _contents,
            "cx_picture": show_picture,
            "cx_result": show_result,
        },
    )


def _resources(plan: Plan, name: str, outcome: Outcome, notebook: NotebookNode) -> dict[str, Any]:
    """Give the template what it shows; rearrange the notebook's cells on the way."""
    entry = plan.registry.notebooks[name]
    findings = _findings(notebook)
    notebook.cells = _narrative(notebook.cells)
    title = _take_title(notebook.cells) or entry.question
    script = shared("page.js")
    parts = {
        "title": title,
        "name": name,
        "report": plan.spec.title,
        "as_of": plan.dataset.as_of.isoformat(),
        "outcome": outcome,
        "findings": findings,
        "settings": _settings(plan, name),
    }
    template = environment().get_template
    return {
        "cx": {
            "title": title,
            "css": shared("cxlab.css"),
            "script": script,
            "policy": policy(script),
            "top": template("top.html.j2").render(parts),
            "bottom": template("bottom.html.j2").render(parts),
        }
    }


def _findings(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Take the findings out of the cell tagged so; they are shown at the top."""
    found: list[dict[str, Any]] = []
    for cell in notebook.cells:
        if "findings" in cell.metadata.get("tags", []):
            for output in cell.get("outputs", []):
                found += output.get("data", {}).get(FINDINGS_MIME, {}).get("findings", [])
    return found


def _narrative(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out the parameters and the findings, and a heading that has only those under it."""
    kept: list[NotebookNode] = []
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        failed = any(o.output_type == "error" for o in cell.get("outputs", []))
        if tags & _HIDDEN:
            continue
        if "findings" in tags and not failed:
            if kept and _is_heading(kept[-1]):
                kept.pop()
            continue
        if kept and _is_silent(kept[-1]) and cell.cell_type == "code":
            cell.source = f"{kept.pop().source}\n\n{cell.source}"  # one fold for one output
        kept.append(cell)
    return kept


def _is_silent(cell: NotebookNode) -> bool:
    """Tell whether a code cell shows nothing on the page."""
    shown = [o for o in cell.get("outputs", []) if o.get("name") != "stderr"]
    return cell.cell_type == "code" and not shown


def _is_heading(cell: NotebookNode) -> bool:
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return cell.cell_type == "markdown" and len(lines) == 1 and lines[0].startswith("#")


def _take_title(cells: list[NotebookNode]) -> str:
    """Take the H1 out of the first markdown cell."""
    for cell in cells[:1]:
        found = _H1.match(cell.source) if cell.cell_type == "markdown" else None
        if found:
            cell.source = cell.source[found.end() :]
            return re.sub(r"[*_`]", "", found["text"])
    return ""


def _settings(plan: Plan, name: str) -> list[dict[str, Any]]:
    """List what the notebook ran with."""
    told = [
        {"name": "dataset", "value": plan.dataset.name, "unit": "", "meaning": "The data"},
        {
            "name": "as_of",
            "value": plan.dataset.as_of.isoformat(),
            "unit": "",
            "meaning": "Nothing after this date was seen",
        },
    ]
    if "quick" in plan.defaults[name]:
        quick = {"name": "quick", "unit": "", "meaning": "Leave out what takes long"}
        told.append({**quick, "value": json.dumps(plan.quick)})
    own = plan.registry.notebooks[name].parameters
    for key, value in plan.settings(name).items():
        shown = json.dumps(value) if isinstance(value, bool) else str(value)
        row = {"name": key, "unit": own[key].unit, "meaning": own[key].meaning}
        told.append({**row, "value": shown})
    return told


def _contents(body: str) -> str:
    """Give a list of the sections out of a page's body."""
    from bs4 import BeautifulSoup

    sections = []
    for found in BeautifulSoup(body, "html.parser").find_all("h2", id=True):
        for link in found.find_all("a", class_="anchor-link"):
            link.decompose()
        sections.append((found["id"], found.get_text(strip=True)))
    return environment().get_template("contents.html.j2").render(sections=sections)
