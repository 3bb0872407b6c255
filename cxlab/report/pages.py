"""The pages of a run: one for each notebook, and the front page, which answers first."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.plots.picture import PICTURE_MIME
from cxlab.report.findings import DRIVERS_RESULT, Harvest
from cxlab.report.finish import finish_front, finish_page
from cxlab.report.markup import (
    TEMPLATES,
    clean,
    interval,
    policy,
    shared,
    show_picture,
    show_result,
    template,
    valence,
)
from cxlab.report.places import mark_rows
from cxlab.report.printed.pdf import PDF
from cxlab.report.running.execute import Outcome
from cxlab.report.spec import Plan
from cxlab.report.state import BEFORE, STATE
from cxlab.report.tables import write_text
from cxlab.results import FINDINGS_MIME, RESULT_MIME, legible

if TYPE_CHECKING:
    from nbconvert.exporters import HTMLExporter
    from nbformat import NotebookNode

__all__ = ["write_front", "write_page"]

_FOREST = "churn_drivers_forest"
"""The picture the front page shows."""

_PRIORITY = [
    PICTURE_MIME,
    RESULT_MIME,
    "text/html",
    "text/markdown",
    "image/png",
    "image/jpeg",
    "text/plain",
]
_HIDDEN = {"parameters", "injected-parameters", "remove-cell", "papermill-error-cell-tag"}
_H1 = re.compile(r"\A\s*#[ \t]+(?P<text>.+?)[ \t]*#*[ \t]*(?:\n|\Z)")

_GROUPS = (
    ("What drives customers away", ("driver",)),
    ("What keeps customers", ("protective",)),
    ("Not called drivers", ("reverse causation suspected", "not separable")),
    ("Also found", ("information",)),
    ("Where the data do not tell", ("no evidence", "too little data")),
)
_KNOWN = {verdict for _, verdicts in _GROUPS for verdict in verdicts}
_SHOWN = ("driver", "protective", "reverse causation suspected", "not separable")
_MEASURES = (
    ("Hazard ratio", "hazard_ratio", "conf", 2),
    ("Customers lost", "attributable_churn", "attributable_churn", 0),
    ("Value at risk", "value_at_risk", "value_at_risk", 0),
)
_INJECTED = re.compile(r"^(dataset|run|state) = .*$", re.MULTILINE)


def write_page(plan: Plan, folder: Path, name: str, outcome: Outcome, unfit: str = "") -> None:
    """Write the page of a notebook that was started.

    Parameters
    ----------
    plan : Plan
        The run.
    folder : pathlib.Path
        Where the executed notebook is, and the page goes; one that was cut off while it was
        being written is removed.
    name : str
        The notebook.
    outcome : Outcome
        How it ended.
    unfit : str
        Why the run is not to be published; empty where it is.
    """
    from cxlab.report.running.preload import nbformat

    path = folder / f"{name}.ipynb"
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):
        path.unlink(missing_ok=True)
        return
    _place(notebook, plan, folder)
    write_text(path, nbformat.writes(notebook) + "\n")
    given = _resources(plan, name, outcome, notebook, unfit)
    html, _ = _exporter().from_notebook_node(notebook, given)
    write_text(folder / f"{name}.html", legible(html))


def _place(notebook: NotebookNode, plan: Plan, folder: Path) -> None:
    """Take out the places it was run at: it can be run again where it will lie.

    The folder a run is built in is renamed within its own folder, so that paths relative to
    it stay true.
    """
    about = notebook.metadata.get("papermill", {})
    for key in ("input_path", "output_path"):
        if about.get(key):
            about[key] = Path(about[key]).name
    given = about.get("parameters", {})
    data = os.path.relpath(plan.dataset_path, folder.resolve())
    here = {"dataset": data, "run": ".", "state": f"{STATE}/{BEFORE}"}
    here = {name: path for name, path in here.items() if given.get(name)}
    given.update(here)

    def written(found: re.Match[str]) -> str:
        name = found[1]
        return (
            f"{name} = {json.dumps(here[name], ensure_ascii=False)}" if name in here else found[0]
        )

    for cell in notebook.cells:
        if _tagged(cell, "injected-parameters"):
            cell.source = _INJECTED.sub(written, cell.source)


@cache
def _exporter() -> HTMLExporter:
    """Make nbconvert's exporter with cxlab's template."""
    from nbconvert.exporters.html import HTMLExporter
    from nbconvert.exporters.templateexporter import TemplateExporter
    from nbconvert.filters import Highlight2HTML
    from traitlets.config import Config

    class Exporter(HTMLExporter):
        """One that leaves the page as the template wrote it: its body was put right before.

        nbconvert's parses the whole page once more, for pictures without a description and for
        Jupyter's own cells, of which there are none.
        """

        def from_notebook_node(self, nb: NotebookNode, *given: Any, **named: Any) -> Any:
            language = nb.metadata.get("language_info", {})
            lexer = language.get("pygments_lexer", language.get("name"))
            code = Highlight2HTML(pygments_lexer=lexer, parent=self)
            self.register_filter("highlight_code", code)
            return TemplateExporter.from_notebook_node(self, nb, *given, **named)

    config = Config()
    config.NbConvertBase.display_data_priority = _PRIORITY
    return Exporter(
        config=config,
        template_name="cxlab",
        exclude_output_prompt=True,
        extra_template_basedirs=[str(TEMPLATES)],
        filters={
            "cx_clean": clean,
            "cx_finish": finish_page,
            "cx_picture": show_picture,
            "cx_result": show_result,
        },
    )


def _resources(
    plan: Plan, name: str, outcome: Outcome, notebook: NotebookNode, unfit: str
) -> dict[str, Any]:
    """Give the template what it shows; rearrange the notebook's cells on the way."""
    findings = [f for c in notebook.cells if _tagged(c, "findings") for f in _findings(c)]
    notebook.cells = _narrative(notebook.cells)
    _say_once(notebook.cells)
    title = _take_title(notebook.cells) or plan.registry.notebooks[name].question
    mark_rows(notebook.cells, findings)
    css, script = shared("cxlab.css"), shared("page.js")
    parts = {
        "title": title,
        "name": name,
        "report": plan.spec.title,
        "as_of": plan.dataset.day,
        "segment": _segment(plan),
        "outcome": outcome,
        "unfit": unfit,
        "findings": findings,
        "settings": _settings(plan, name),
    }
    return {
        "cx": {
            "title": f"{title} ({_segment(plan)})" if _segment(plan) else title,
            "brief": plan.registry.notebooks[name].sums_up,
            "linked": outcome.status == "ok",  # else its pictures are not written to files
            "css": css,
            "script": script,
            "policy": policy(css, script),
            "parts": parts,
            "tables": _tables(notebook.cells),
            "others": {
                other: plan.registry.notebooks[other].question
                for other in plan.order
                if other != name and other not in plan.skipped
            },
        }
    }


def _tables(cells: Iterable[NotebookNode]) -> list[dict[str, Any]]:
    """Give the tables of the results that are shown."""
    shown = (o.get("data", {}) for c in cells for o in c.get("outputs", []))
    return [data[RESULT_MIME]["table"] for data in shown if RESULT_MIME in data]


def _segment(plan: Plan) -> str:
    """Say of which segment of the data a run is; empty: of all."""
    return plan.dataset.segment.words if plan.dataset.segment else ""


def _tagged(cell: NotebookNode, *tags: str) -> bool:
    return not set(tags).isdisjoint(cell.metadata.get("tags", []))


def _findings(cell: NotebookNode) -> list[dict[str, Any]]:
    shown = (o.get("data", {}).get(FINDINGS_MIME, {}) for o in cell.get("outputs", []))
    return [f for data in shown for f in data.get("findings", [])]


def _narrative(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out parameters, findings, a heading with only those, and sections that show nothing."""
    kept: list[NotebookNode] = []
    for cell in chain.from_iterable(s for s in _sections(cells) if not _is_empty(s)):
        failed = any(o.output_type == "error" for o in cell.get("outputs", []))
        if _tagged(cell, *_HIDDEN):
            continue
        if _tagged(cell, "findings") and not failed:
            if kept and _is_heading(kept[-1]):
                kept.pop()
            continue
        if kept and _is_silent(kept[-1]) and cell.cell_type == "code":
            cell.source = f"{kept.pop().source}\n\n{cell.source}"  # one fold for one output
        kept.append(cell)
    return kept


def _sections(cells: Iterable[NotebookNode]) -> Iterator[list[NotebookNode]]:
    """Cut the cells apart before each heading of the second level."""
    section: list[NotebookNode] = []
    for cell in cells:
        if section and _opens(cell):
            yield section
            section = []
        section.append(cell)
    yield section


def _opens(cell: NotebookNode) -> bool:
    """Tell whether a section begins with a cell."""
    return cell.cell_type == "markdown" and cell.source.lstrip().startswith("## ")


def _is_empty(section: list[NotebookNode]) -> bool:
    """Tell whether a section with a heading has code, and none of it shows anything."""
    apart = ("parameters", "injected-parameters", "findings")
    code = [c for c in section if c.cell_type == "code" and not _tagged(c, *apart)]
    headed = bool(section) and _opens(section[0])
    return headed and bool(code) and all(map(_is_silent, code))


def _is_silent(cell: NotebookNode) -> bool:
    """Tell whether a code cell shows nothing on the page."""
    return cell.cell_type == "code" and not any(map(_is_seen, cell.get("outputs", [])))


def _is_seen(output: NotebookNode) -> bool:
    """Tell whether an output shows anything: a warning does not, nor an empty text."""
    if "data" not in output:
        return output.get("name") != "stderr"
    return any(not isinstance(v, str) or v.strip() for v in output.data.values())


def _is_heading(cell: NotebookNode) -> bool:
    lines = [line for line in cell.source.splitlines() if line.strip()]
    return cell.cell_type == "markdown" and len(lines) == 1 and lines[0].startswith("#")


def _say_once(cells: Iterable[NotebookNode]) -> None:
    """Take the sentence out of a result where the page has said it before."""
    said: set[str] = set()
    for output in (o for c in cells for o in c.get("outputs", [])):
        data = output.get("data", {})
        if "text/html" in data:
            said.add(data.get("text/plain", ""))
        if result := data.get(RESULT_MIME):
            sentence = result["sentence"]
            result["sentence"] = "" if sentence in said else sentence
            said.add(sentence)


def _take_title(cells: list[NotebookNode]) -> str:
    """Take the H1 out of the first markdown cell."""
    for cell in cells[:1]:
        found = _H1.match(cell.source) if cell.cell_type == "markdown" else None
        if found:
            cell.source = cell.source[found.end() :]
            return re.sub(r"[*_`]", "", found["text"])
    return ""


def _settings(plan: Plan, name: str) -> list[tuple[str, str, str]]:
    """List what the notebook ran with: name, value with its unit, meaning."""
    day = plan.dataset.day
    told = [
        ("dataset", plan.dataset.name, "The data"),
        ("as_of", day, "Nothing after this date was seen")
        if day
        else ("as_of", "undated", "A snapshot has no dates"),
    ]
    if "quick" in plan.registry.defaults[name]:
        told.append(("quick", json.dumps(plan.quick), "Leave out what takes long"))
    own = plan.registry.notebooks[name].parameters
    for key, value in plan.settings(name).items():
        if own[key].dated and not day:
            continue
        shown = json.dumps(value) if isinstance(value, bool) else str(value)
        told.append((key, f"{shown} {own[key].unit}".strip() if shown else "–", own[key].meaning))
    return told


def write_front(path: Path, plan: Plan, harvest: Harvest, manifest: Mapping[str, Any]) -> None:
    """Write ``index.html``.

    Parameters
    ----------
    path : pathlib.Path
        The file; links go to what lies beside it.
    plan : Plan
        The run.
    harvest : Harvest
        What the notebooks found.
    manifest : mapping
        The run's manifest.
    """
    folder, notebooks = path.parent, manifest["notebooks"]
    result = harvest.results.get(DRIVERS_RESULT) or {"meta": {}, "sentence": ""}
    lead = result["sentence"]
    findings = [f for f in harvest.findings.values() if f["statement"] != lead]
    context = [f for f in findings if plan.registry.notebooks[f["notebook"]].sums_up]
    first: dict[str, str] = {}
    for finding in harvest.findings.values():
        first.setdefault(finding["notebook"], finding["statement"])
    told = {f["statement"] for f in context}
    shown, more = _split([f for f in findings if f not in context], told)
    rows = _rows(result)
    drivers = [r for r in rows if r["verdict"] in _SHOWN and r["valence"] != "contact"]
    source = harvest.sources.get(DRIVERS_RESULT, "")
    forest = harvest.pictures.get(_FOREST)
    files = (PDF, "findings.json", "drivers.csv", "risk.csv", "tables.xlsx")
    css, script = shared("cxlab.css"), shared("page.js")
    text = template(
        "front.html.j2",
        manifest=manifest,
        segment=_segment(plan),
        css=css,
        script=script,
        policy=policy(css, script),
        context=context,
        lead=lead,
        groups=_groups(shown),
        first=first,
        more={n: [s for s in told if s != first[n]] for n, told in more.items()},
        pages={n for n in notebooks if (folder / f"{n}.html").is_file()},
        logs={n for n in notebooks if (folder / f"{n}.log").is_file()},
        drivers=drivers,
        told=_counted(drivers),
        measures=_measures(drivers, result["meta"]),
        attributes=any(r["valence"] == "attribute" for r in rows),
        source_page=f"{source}.html" if source else "",
        others=_others(rows),
        window=result["meta"].get("window_days"),
        period=_period(harvest.results.values()),
        forest=show_picture(forest) if forest else "",
        files=[*(f for f in files if (folder / f).is_file()), "manifest.json"],
        failed={n: m for n, m in notebooks.items() if m["error"] is not None},
    )
    write_text(path, finish_front(text, harvest.tables.values()))


def _rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the driver table as rows."""
    table = result.get("table", {"columns": [], "rows": []})
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    for row in rows:
        if row.get("compared_with") is not None:  # a number's effect, for a step worth telling
            steps = {"hazard_ratio": "step_ratio", "conf_low": "step_low", "conf_high": "step_high"}
            row |= {name: row[step] for name, step in steps.items()}
    return sorted(rows, key=lambda r: (r["rank"] is None, r["rank"] or 0))


def _measures(rows: list[dict[str, Any]], meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the columns of figures of the driver table, but those that are wholly empty."""
    window, currency = meta.get("window_days"), meta.get("currency")
    below = (
        "95% interval",
        f"over {window} days" if window else "with 95% interval",
        f"{currency} a month" if currency else "a month",
    )
    found = []
    for (heading, name, limits, digits), under in zip(_MEASURES, below, strict=True):
        cells = [interval(r[name], r[f"{limits}_low"], r[f"{limits}_high"], digits) for r in rows]
        if any(shown for shown, _ in cells):
            found.append({"heading": heading, "under": under, "cells": cells})
    return found


def _counted(drivers: list[dict[str, Any]]) -> str:
    """Say in a sentence how many drive customers away, and how many keep them."""
    named = {v: {r["touchpoint"] for r in drivers if r["verdict"] == v} for v in _SHOWN}
    harm, help_ = len(named["driver"]), len(named["protective"])
    one, many = "touchpoint", "touchpoints"
    if any(r["valence"] == "attribute" for r in drivers):
        one, many = "attribute or level", "attributes or levels"
    drive = f"{one} drives" if harm == 1 else f"{many} drive"
    return f"{harm or 'No'} {drive} customers away; {help_ or 'none'} keep{'s' * (help_ < 2)} them."


def _others(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """List the touchpoints about which nothing is claimed, by verdict."""
    found: dict[str, list[str]] = {}
    for row in rows:
        contact = row["valence"] == "contact"
        suspected = contact and row["verdict"] == "reverse causation suspected"
        if suspected or not (contact or row["verdict"] in _SHOWN):
            term = row["touchpoint"]
            if row["valence"] != "attribute":
                term += f", {valence(row['valence'])}{'' if contact else ' contacts'}"
            found.setdefault(row["verdict"], []).append(term)
    return found


def _split(
    findings: list[Mapping[str, Any]], told: set[str]
) -> tuple[list[Mapping[str, Any]], dict[str, list[str]]]:
    """Part what the answer shows from what is told with each question.

    The answer is to be read at a glance: of findings that inform, it shows the first of each
    notebook that has no other. What was told before, or by two of them, is not said again.
    """
    said = set(told)
    shown: list[Mapping[str, Any]] = []
    more: dict[str, list[str]] = {}
    seen = {f["notebook"] for f in findings if not _informs(f)}
    for finding in findings:
        notebook = finding["notebook"]
        if finding["statement"] in said:
            seen.add(notebook)
        elif _informs(finding) and notebook in seen:
            more.setdefault(notebook, []).append(finding["statement"])
        else:
            shown.append(finding)
            seen.add(notebook)
        said.add(finding["statement"])
    return shown, more


def _informs(finding: Mapping[str, Any]) -> bool:
    """Tell whether a finding has no verdict, or an unknown one."""
    return finding["verdict"] == "information" or finding["verdict"] not in _KNOWN


def _groups(findings: list[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]], str]]:
    """Group the findings, drivers first, and give the verdict where a group has one alone."""
    groups = []
    for title, verdicts in _GROUPS:
        informs = "information" in verdicts
        members = [f for f in findings if (informs and _informs(f)) or f["verdict"] in verdicts]
        if members:
            groups.append((title, members, verdicts[0] if len(verdicts) == 1 else ""))
    return groups


def _period(results: Iterable[Mapping[str, Any]]) -> str:
    """Give the period that the results cover together."""
    given = [r["meta"].get("period") for r in results]
    days = sorted(day for period in given if isinstance(period, list) for day in period)
    return f"{days[0]} to {days[-1]}" if days else ""
