"""The shape of the notebooks, and a report of them on small data of several kinds."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from cxlab.data.simulate import simulate, write
from cxlab.report.render import Run, render

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
ALL = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.stem)
def test_shape(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = notebook.cells
    assert len(cells) <= 30
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert cells[0].source.splitlines()[0].endswith(("?", "؟", "？"))
    for part in ("**Decision.**", "**Data.**", "**Unit of analysis.**"):
        assert part in cells[0].source
    assert cells[1].metadata["tags"] == ["parameters"]
    assert cells[-1].metadata["tags"] == ["findings"]
    assert any(c.source.startswith("## Limits") for c in cells)
    for cell in cells:
        if cell.cell_type != "code":
            continue
        assert not cell.outputs
        assert cell.execution_count is None
        most = 14 if cell is cells[1] else 12  # parameters are one a line
        assert len(cell.source.splitlines()) <= most
        nodes = list(ast.walk(ast.parse(cell.source)))
        assert not [n for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert "read_csv" not in cell.source
        assert "Markdown(" not in cell.source  # names out of data are no Markdown: cxlab.Plain


def _spec(folder: Path) -> Path:
    spec = folder.parent / f"{folder.name}.yml"
    spec.write_text(f"title: Test\ndataset: {folder.name}\n", encoding="utf-8")
    return spec


def test_the_report_of_a_small_world(world: Run) -> None:
    run = world
    held = {p.name for p in run.path.iterdir()}
    assert {"index.html", "findings.json", "drivers.csv", "manifest.json", "tables.xlsx"} <= held
    assert {f"{p.stem}.html" for p in ALL} | {f"{p.stem}.ipynb" for p in ALL} <= held
    drivers = pd.read_csv(run.path / "drivers.csv")
    assert set(drivers["valence"]) == {"bad", "contact"}
    found = json.loads((run.path / "findings.json").read_text(encoding="utf-8"))["findings"]
    assert {f["notebook"] for f in found} == {p.stem for p in ALL}
    drawn = {p.stem for p in (run.path / "figures").glob("churn_drivers_*.svg")}
    parts = ("forest", "worth", "memory", "by_age", "washout_sweep", "agreement", "placebo",
             "segments", "beyond", "scores", "by_score")  # fmt: skip
    assert {f"churn_drivers_{p}" for p in parts} <= drawn
    page = run.path / "05_churn_drivers.html"
    assert page.stat().st_size < 1_500_000
    said = _text(page)
    for heading in ("What we cannot tell apart", "What would change our mind?",
                    "Could it be the other way round?", "Do other methods agree?"):  # fmt: skip
        assert heading in said
    assert "Left out in a quick run" not in said
    assert not re.search(r"\bnan\b", said)
    assert {"drivers.summary", "drivers.half_life"} <= {f["id"] for f in found}
    # The front page tells everything, and the answer at its top only what comes first.
    front = _text(run.path / "index.html")
    answer, _, rest = front.partition("The drivers")
    informing = {" ".join(f["statement"].split()) for f in found if f["verdict"] == "information"}
    assert all(s in front for s in informing)
    assert sum(s in answer for s in informing) <= len(ALL) < sum(s in rest for s in informing)


def test_without_outcomes_there_is_an_answer_and_no_driver(tmp_path: Path) -> None:
    simulation = simulate("null", 300, 3)
    interactions = simulation.tables["interactions"]
    simulation.tables["interactions"] = interactions.drop(columns=["outcome", "interaction_id"])
    write(simulation, tmp_path / "data")
    run = render(_spec(tmp_path / "data"), only=["03_journeys", "05_churn_drivers"])
    assert run.status == "ok", run.reason
    drivers = pd.read_csv(run.path / "drivers.csv")
    assert set(drivers["valence"]) == {"contact"}
    assert "driver" not in set(drivers["verdict"])


def _text(page: Path) -> str:
    from bs4 import BeautifulSoup

    body = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").body
    assert body is not None
    for code in body.select("pre, script, style"):
        code.decompose()
    return " ".join(body.get_text(" ").split())


@pytest.mark.parametrize("name", ["saas", "telco"])
def test_the_driver_page_of_a_snapshot_speaks_of_attributes(tmp_path: Path, name: str) -> None:
    spec = tmp_path / f"{name}.yml"
    data = NOTEBOOKS.parent / "data" / name
    spec.write_text(f"title: Test\ndataset: {data}\n", encoding="utf-8")
    run = render(spec, only=["05_churn_drivers"])
    assert run.status == "ok", run.reason
    drivers = pd.read_csv(run.path / "drivers.csv")
    assert set(drivers["valence"]) == {"attribute"}
    assert {"driver", "protective"} <= set(drivers["verdict"])
    # Of the two, only Telco has effects that change with tenure.
    assert (run.path / "figures" / "churn_drivers_by_tenure.svg").exists() == (name == "telco")
    assert not (run.path / "figures" / "churn_drivers_by_age.svg").exists()
    said = _text(run.path / "05_churn_drivers.html")
    assert "Whether the effect is the same for all" in said
    assert "attributes as they are now, not as they were before" in said
    for foreign in ("What each is worth", "How fast the effect fades", "fresh bad contact", "1970",
                    "washout_days", "half_life_days", "What we cannot tell apart", "E-value",
                    "other methods", "other way round", "What scores say"):  # fmt: skip
        assert foreign not in said


@pytest.mark.parametrize("attributes", [{"plan": ["a", "a", "b", "b"] * 10}, {}])
def test_a_snapshot_that_tells_nothing_is_reported(
    tmp_path: Path, attributes: dict[str, list[str]]
) -> None:
    (tmp_path / "data").mkdir()
    rows = {"tenure": range(1, 41), "churned": [0, 1] * 20, **attributes}
    pd.DataFrame(rows).to_csv(tmp_path / "data" / "customers.csv", index=False)
    run = render(_spec(tmp_path / "data"), only=["00_summary", "05_churn_drivers"])
    assert run.status == "ok", run.reason
    assert run.manifest["notebooks"]["05_churn_drivers"]["status"] == "ok"
    found = json.loads((run.path / "findings.json").read_text(encoding="utf-8"))["findings"]
    told = next(f["statement"] for f in found if f["id"] == "drivers.summary")
    assert told.startswith("No attribute")
