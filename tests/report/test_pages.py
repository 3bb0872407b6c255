from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from toy import ToyDataset

from cxlab.analyses.churn_drivers import COLUMNS
from cxlab.errors import AnalysisError
from cxlab.report.findings import DRIVERS_RESULT, Harvest, read_outputs
from cxlab.report.markup import (
    _environment,
    clean,
    figure,
    interval,
    p_value,
    show_picture,
    show_result,
)
from cxlab.report.pages import _narrative, write_front
from cxlab.report.render import Run
from cxlab.results import NOTHING, RESULT_MIME, Check, Plain, Result


def soup(run: Run, name: str) -> BeautifulSoup:
    return BeautifulSoup((run.path / f"{name}.html").read_text(), "html.parser")


def test_the_question_comes_first_then_the_answer(good: Run) -> None:
    page = soup(good, "drivers")
    assert page.h1.get_text() == "Which touchpoints drive customers away?"
    order = [t.get_text(strip=True) for t in page.find_all(["h1", "h2"])]
    assert order[1] == "Answer"
    assert [t.rstrip("¶") for t in order[2:]] == [
        "How many were hurt",
        "The estimate",
        "Limits",
        "Words on this page",
        "Settings",
    ]
    links = [a["href"] for a in page.select(".cx-contents a")]
    assert links == ["#How-many-were-hurt", "#The-estimate", "#Limits"]
    assert all(page.find(id=link[1:]) for link in links)


def test_what_a_page_shows_and_hides(good: Run) -> None:
    page = soup(good, "drivers")
    assert not any(d.has_attr("open") for d in page.select("details.cx-code"))
    for code in page.select("details.cx-code"):
        code.decompose()
    text = page.get_text()
    assert "never shown" not in text
    assert "# days looked ahead" not in (good.path / "drivers.html").read_text()
    assert len(page.select("figure.cx-figure img[alt]")) == 1
    assert len(page.select("table.cx-table")) == 4  # counts, drivers, picture, settings
    settings = page.select_one(".cx-bottom table").get_text(" ", strip=True)
    assert "horizon_days 90 days How far ahead is looked" in settings


def test_what_comes_from_data_is_escaped(good: Run) -> None:
    for name in ("index", "drivers"):
        raw = (good.path / f"{name}.html").read_text()
        assert "<script>alert" not in raw
        assert "&lt;script&gt;alert(1)" in raw
    assert "<b>most</b>" not in raw


def test_the_front_page_answers_first(good: Run) -> None:
    page = soup(good, "index")
    assert page.h1.get_text() == "Toy <report>"
    assert page.select_one(".cx-lead").get_text() == (
        "Billing calls that go wrong drive customers away <b>most</b>."
    )
    said = page.select_one(".cx-answer p").get_text()
    assert said.startswith("3 findings, 3 tables")  # what sums up comes before the answer
    groups = [t.get_text().rstrip("¶") for t in page.select(".cx-answer h3")]
    assert groups[:2] == ["What drives customers away", "What keeps customers"]
    row = page.select_one(".cx-drivers tbody tr").get_text(" ", strip=True)
    assert row == "1 billing call failed contacts 1.84 1.42 to 2.38 42 drives churn"
    assert "Value at risk" not in page.get_text()  # wholly empty
    note = page.select_one("#drivers-note")
    assert "overlap and must not be added up" in note.get_text()
    assert "as good as random once the things listed are held equal" in note.get_text()
    assert [a["href"] for a in note.select("a:not(.cx-word)")] == ["drivers.html"]
    assert "over 90 days" in page.select_one(".cx-drivers thead").get_text()
    questions = [li.get_text(" ", strip=True) for li in page.select(".cx-questions li")]
    assert questions[2] == "What do customers say? Skipped: the dataset has no table feedback."
    assert questions[1].endswith("makes leaving 1.84 times as likely.")
    linked = {a["href"].partition("#")[0] for a in page.find_all("a")} - {""}
    assert linked >= {"drivers.html", "summary.html", "findings.json", "drivers.csv"}
    assert all((good.path / link).exists() for link in linked)


def test_no_machine_paths_beside_the_parameters(good: Run) -> None:
    place = str(good.path.parent.parent)
    for path in (good.path / "index.html", good.path / "manifest.json", good.path / "drivers.html"):
        found = path.read_text().replace(json.dumps(f"{place}/data"), "")
        assert place not in found.replace(f"{place}/data", ""), path.name
    about = json.loads((good.path / "drivers.ipynb").read_text())["metadata"]["papermill"]
    assert about["input_path"] == about["output_path"] == "drivers.ipynb"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "drivers"])
def test_a_page_needs_nothing_from_outside(
    good: Run, chromium: Any, name: str, scheme: str
) -> None:
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("console", lambda m: told.append(m.text))
    page.on("pageerror", lambda e: told.append(str(e)))
    page.goto((good.path / f"{name}.html").as_uri())
    assert [u for u in asked[1:] if not u.startswith("data:")] == []
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).length"
    assert page.evaluate(broken) == 0
    if name == "drivers":
        page.click("#cx-open-code")
        closed = "document.querySelectorAll('details.cx-code:not([open])').length"
        assert page.evaluate(closed) == 0
    page.close()


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("<style>p{}</style><p onclick='x()' class='a'>t</p>", '<p class="a">t</p>'),
        ('<img src="https://example.org/a.png" alt="a">', '<img alt="a"/>'),
        ('<img src="data:image/png,A" alt="">', '<img alt="" src="data:image/png,A"/>'),
        ('<a href="javascript:x()">t</a>', "<a>t</a>"),
        ('<a href="data:text/html,x">t</a>', "<a>t</a>"),
        ('<a href=" DA&#9;TA:text/html,x">t</a>', "<a>t</a>"),
        ("<iframe src='x'></iframe>", "&lt;iframe src='x'&gt;&lt;/iframe&gt;"),
    ],
)  # fmt: skip
def test_html_out_of_a_notebook_is_made_safe(html: str, expected: str) -> None:
    made = BeautifulSoup(clean(html), "html.parser")
    assert made == BeautifulSoup(expected, "html.parser")


def test_columns_of_figures_are_set_right() -> None:
    table = "<table><tr><th>a</th><th>b</th></tr><tr><td>x</td><td>-1,2</td></tr></table>"
    made = BeautifulSoup(clean(table), "html.parser")
    assert [c.get_text() for c in made.select(".cx-scroll .num")] == ["b", "-1,2"]


def test_row_numbers_are_not_shown() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["w" * 50, ""]})
    made = BeautifulSoup(clean(frame.to_html()), "html.parser")
    assert [c.get_text() for c in made.select("th")] == ["a", "b"]
    assert len(made.select("td.long")) == 2
    named = BeautifulSoup(clean(frame.set_index("a").to_html()), "html.parser")
    assert [c.get_text() for c in named.select("tbody th")] == ["x", "y"]


def test_a_result_keeps_its_key_in_sight_and_colours_its_verdict() -> None:
    row = {"rank": 1, "touchpoint": "a", "p_value": 0.5, "verdict": "driver", "why": "w" * 50}
    made = BeautifulSoup(show_result(Result("r", pd.DataFrame([row])).to_dict()), "html.parser")
    assert [c.get_text() for c in made.select("td.key")] == ["1", "a"]
    assert made.select_one(".cx-verdict.harm").get_text() == "drives churn"
    assert len(made.select("td.long")) == 1


def test_a_result_shows_its_checks() -> None:
    checks = (Check("one", True, "held"), Check("<two>", False, "not"))
    made = show_result(Result("r", pd.DataFrame({"p_value": [0.5, None]}), checks).to_dict())
    assert "1 passed" in made
    assert "1 failed" in made
    assert "&lt;two&gt;" in made
    assert '<td class="num">–</td>' in made


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (999, "999"),
        (2026, "2,026"),
        (-1000, "−1,000"),
        (1234567, "1,234,567"),
        (0.123456, "0.123"),
        (-1.5, "−1.5"),
        (1e-9, "<0.0001"),
        (-1e-9, ">−0.0001"),
        (0.0, "0"),
        (True, "yes"),
        ("a", "a"),
    ],
)
def test_figures(value: object, shown: str) -> None:
    assert figure(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.6584, "0.66"), (0.0042, "0.0042"), (1.5e-10, "<0.001"), (None, "–")]
)
def test_p_values(value: float | None, shown: str) -> None:
    assert p_value(value) == shown
    if value is not None:  # a corrected one is written in the same way
        made = show_result(Result("r", pd.DataFrame({"p_holm": [value]}), ()).to_dict())
        assert f'<td class="num">{shown.replace("<", "&lt;")}</td>' in made


def test_intervals() -> None:
    assert interval(1.841, 1.42, 2.38, 2) == ("1.84", "1.42 to 2.38")
    assert interval(1.841, None, None, 2) == ("1.84", "")
    assert interval(None, 1, 2) == ("", "")


def test_a_column_of_figures_is_written_one_way() -> None:
    table = pd.DataFrame(
        {
            "ratio": [2.0, 2.345, None],
            "rows": [5135, 999, 0],
            "year": [2025, 2026, 2024],
            "first_year": [2019, None, 2020],
            "yearly": [1200, 1201, 1202],
            "attributable_share": [0.0561, None, 1.0],
        }
    )
    made = show_result(Result("r", table).to_dict())
    for shown in ("2.00", "2.35", "5,135", ">2025<", ">2019<", "1,200", "–", "5.6%", "100.0%"):
        assert shown in made


def test_one_vocabulary_for_valence() -> None:
    table = pd.DataFrame({"valence": ["bad", "good", "contact", "attribute", None]})
    made = BeautifulSoup(show_result(Result("r", table).to_dict()), "html.parser")
    told = [c.get_text() for c in made.select("tbody td")]
    assert told == ["failed", "good", "any contact", "attribute", "–"]


def test_a_verdict_stands_apart_from_its_source() -> None:
    told = {"id": "f", "notebook": "a", "statement": "S."}
    finding = told | {"verdict": "reverse causation suspected"}
    macros = '{% from "findings.html.j2" import item with context %}{{ item(finding, ["a"]) }}'
    made = _environment().from_string(macros).render(finding=finding)
    assert "</span> <a " in " ".join(made.split("\n"))


def test_the_executed_notebook_can_be_run_where_it_lies(good: Run) -> None:
    for name, given in (
        ("summary", {"run": "."}),
        ("drivers", {"dataset": "../../data"}),
    ):
        text = (good.path / f"{name}.ipynb").read_text()
        notebook = json.loads(text)
        told = notebook["metadata"]["papermill"]["parameters"]
        assert given.items() <= told.items()
        cells = [c for c in notebook["cells"] if "injected-parameters" in c["metadata"]["tags"]]
        names: dict[str, object] = {}
        exec("".join(cells[0]["source"]), names)
        assert given.items() <= names.items()
        assert ".building-" not in text
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_the_front_page_of_a_snapshot(tmp_path: Path, good: Run) -> None:
    row = {"rank": 1, "touchpoint": "plan: plus", "valence": "attribute", "hazard_ratio": 2.0,
           "conf_low": 1.5, "conf_high": 2.5, "verdict": "driver", "why": "W."}  # fmt: skip
    other = row | {"rank": 2, "touchpoint": "age", "verdict": "no evidence"}
    table = pd.DataFrame([row, other], columns=list(COLUMNS)).astype(object)
    harvest = Harvest(results={DRIVERS_RESULT: Result(DRIVERS_RESULT, table).to_dict()})
    manifest = good.manifest | {"as_of": None}
    plan: Any = SimpleNamespace(dataset=ToyDataset())
    write_front(tmp_path / "index.html", plan, harvest, manifest)
    page = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    heads = [h.get_text(" ", strip=True) for h in page.select(".cx-drivers th[scope=col]")]
    assert heads == ["Rank", "Attribute", "Hazard ratio 95% interval", "Verdict"]
    row_text = page.select_one(".cx-drivers tbody tr").get_text(" ", strip=True)
    assert row_text == "1 plan: plus 2.00 1.50 to 2.50 drives churn"
    assert "contact" not in page.select_one("#drivers-note").get_text()
    assert page.select_one(".cx-others p").get_text() == "age."


# -- what is left out -------------------------------------------------------------------------


def code(*outputs: dict[str, Any], tags: list[str] | None = None) -> nbformat.NotebookNode:
    made = [nbformat.v4.new_output("display_data", data) for data in outputs]
    cell = nbformat.v4.new_code_cell("x", outputs=made)
    cell.metadata["tags"] = tags or []
    return cell


def headings(*cells: Any) -> list[str]:
    made = [nbformat.v4.new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    return [c.source for c in _narrative(made) if c.cell_type == "markdown"]


def test_a_section_whose_code_shows_nothing_is_left_out() -> None:
    shown, findings = code({"text/plain": "1"}), code({"text/plain": "f"}, tags=["findings"])
    empty = code(Plain()._repr_mimebundle_())
    cells = ("# Q?", code(), "## Silent", code(), empty, "words", "## Told", code(), shown)
    assert headings(*cells, "## Prose", "## Limits\n\nMany.", findings) == [
        "# Q?", "## Told", "## Prose", "## Limits\n\nMany.",
    ]  # fmt: skip


def test_a_section_that_failed_or_warned_stays_only_if_it_failed() -> None:
    failed, warned = code(), code()
    failed.outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    warned.outputs = [nbformat.v4.new_output("stream", name="stderr", text="careful")]
    assert headings("## A", failed, "## B", warned) == ["## A"]


def test_an_empty_table_is_told_in_words() -> None:
    empty = Result("r", pd.DataFrame({"a": []}))
    for shown in (show_result(empty.to_dict()), empty._repr_html_()):
        assert "<table" not in shown
        assert NOTHING in shown
    told = Result("r", empty.table, sentence="Nobody left.")
    for shown in (show_result(told.to_dict()), told._repr_html_()):
        assert "Nobody left." in shown
        assert NOTHING not in shown


# -- pictures ---------------------------------------------------------------------------------

PICTURE = {"name": "a b", "caption": "C", "alt": "A", "svg": "<svg/>",
           "data": {"columns": ["n"], "rows": [[k] for k in range(150)]}}  # fmt: skip


def test_the_data_of_a_picture_are_one_click_away() -> None:
    made = BeautifulSoup(show_picture(PICTURE), "html.parser")
    assert not made.details.has_attr("open")
    assert len(made.select("details tbody tr")) == 100
    assert "The first 100 of 150 rows" in made.details.get_text()
    links = [a["href"] for a in made.select("details a")]
    assert links == ["tables/a-b.csv", "figures/a-b.svg", "figures/a-b.png"]
    assert not BeautifulSoup(show_picture(PICTURE, linked=False), "html.parser").select("a")


def test_what_pictures_link_to_is_there(good: Run) -> None:
    for name in ("index", "drivers"):
        links = [a["href"] for a in soup(good, name).select(".cx-data a")]
        assert len(links) == 3
        assert all((good.path / link).is_file() for link in links)


def shown(path: Path, *bundles: dict[str, Any]) -> Path:
    notebook = nbformat.v4.new_notebook(cells=[code(*bundles)])
    nbformat.write(notebook, path)
    return path


def test_two_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    drawn = {"application/vnd.cxlab.picture+json": PICTURE}
    other = {"application/vnd.cxlab.picture+json": PICTURE | {"caption": "D", "name": "a-b"}}
    table = {RESULT_MIME: Result("a-b", pd.DataFrame({"n": [7]})).to_dict()}
    kept = read_outputs(shown(tmp_path / "x.ipynb", drawn, drawn))
    assert kept.tables["a-b"]["rows"] == PICTURE["data"]["rows"]
    with pytest.raises(AnalysisError, match="the picture a-b was shown before with other"):
        read_outputs(shown(tmp_path / "x.ipynb", drawn, other))
    with pytest.raises(AnalysisError, match="the table a-b was shown before with other"):
        read_outputs(shown(tmp_path / "x.ipynb", drawn, table))
    for name, kind in (("a-b", "result"), ("a b", "table")):
        later = {RESULT_MIME: Result(name, pd.DataFrame({"n": [8]})).to_dict()}
        with pytest.raises(AnalysisError, match=f"the {kind} a-b was shown before with other"):
            read_outputs(shown(tmp_path / "x.ipynb", table, later))
