"""Ids that are alone, stay, and lead from a finding to where it is told."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from cxlab.report.finish import finish_page
from cxlab.report.markup import show_picture, show_result
from cxlab.report.places import anchor, link_places, mark_rows, mark_statements
from cxlab.report.render import Run
from cxlab.report.running.execute import Outcome
from cxlab.results import RESULT_MIME, Result


def soup(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drivers.billing-call.bad", "found-drivers.billing-call.bad"),
        ("a b/c", "found-a-b-c-539138d5"),
        ("שלום", "found--b7ac0398"),
    ],
)
def test_an_anchor_holds_what_any_address_can(name: str, expected: str) -> None:
    assert anchor("found", name) == expected


def test_names_that_look_alike_have_anchors_of_their_own() -> None:
    names = ["a/b", "a?b", "a-b", "a b", "a\u202eb", "x" * 200, "x" * 201]
    assert len({anchor("found", name) for name in names}) == len(names)


FINDING = {"id": "f", "statement": "S.", "estimate": 2.5, "conf_low": 1.5, "conf_high": 3.5}


def cell(**columns: list[Any]) -> dict[str, Any]:
    result = Result("r", pd.DataFrame(columns)).to_dict()
    return {"outputs": [{"data": {RESULT_MIME: result}}]}


def test_a_finding_is_told_by_the_row_that_has_its_figures() -> None:
    cells = [
        cell(a=[2.5, 1.0], b=[1.5, 1.0]),
        cell(name=["x", "y"], a=[1.0, 2.5], b=[2.0, 1.5], c=[3.0, 3.5]),
        cell(a=[2.5], b=[1.5], c=[3.5]),
    ]
    mark_rows(cells, [FINDING, FINDING | {"id": "none", "conf_low": None}])
    shown = [soup(show_result(c["outputs"][0]["data"][RESULT_MIME])) for c in cells]
    assert [len(each.select(".cx-place")) for each in shown] == [0, 1, 0]
    row = shown[1].select_one("#found-f").find_parent("tr")
    assert row.td.get_text() == "y"


def test_its_words_come_before_its_figures() -> None:
    findings = [FINDING, FINDING | {"id": "g", "statement": "A first sentence of some length. T."}]
    body = soup(
        '<td><span class="cx-place" id="found-f"></span></td><details><p>S.</p></details>'
        "<p>Before: S. After.</p><p>A first sentence of some length. Another.</p>"
    )
    assert mark_statements(body, findings) == {"found-f", "found-g"}
    assert [body.find(id=f"found-{k}").parent.get_text()[:6] for k in "fg"] == ["Before", "A firs"]


def test_headings_pictures_and_tables_can_be_linked_to() -> None:
    picture = {"name": "forest", "caption": "C", "alt": "A", "svg": "<svg/>",
               "data": {"columns": ["n"], "rows": [[1]]}}  # fmt: skip
    result = show_result(Result("r", pd.DataFrame({"a": [1]})).to_dict())
    loose = '<div class="cx-scroll"><table></table></div>'
    body = soup(
        f"<h2>Twice</h2><h2>Twice</h2>{loose}{loose}{result}{result}{show_picture(picture)}"
    )
    link_places(body)
    links = [a["href"][1:] for a in body.select("a.anchor-link")]
    assert links == ["part-Twice", "part-Twice-2", "table-Twice-2", "table-Twice-2-2",
                     "table-r", "table-r-2", "figure-forest"]  # fmt: skip
    assert all(body.find(id=link) for link in links)
    assert all(a["aria-label"] for a in body.select("a.anchor-link"))


PARTS: dict[str, Any] = {
    "findings": [], "title": "T", "name": "own", "report": "R", "as_of": "", "segment": "",
    "outcome": Outcome("ok"), "unfit": "", "settings": [],
}  # fmt: skip


def test_the_name_of_another_page_leads_there() -> None:
    narrative = "<p>See <code>05_x</code>, <code>own</code>.</p><pre><code>05_x</code></pre>"
    made = finish_page(narrative, {"parts": PARTS, "tables": [], "others": {"05_x": "Why?"}})
    [link] = soup(made["narrative"]).find_all("a")
    assert (link["href"], link["title"], link.get_text()) == ("05_x.html", "Why?", "05_x")


ROWS = (
    '<tr><td class="key">a &amp; b</td><td>&lt;b&gt;</td></tr>',
    '<tr><td class="key"><code>05_x</code></td><td>2</td></tr>',
    '<tr><td><span class="cx-place" id="found-f"></span>x</td></tr>',
    '<tr><td>y<img src="data:,"></td></tr>',
)


def test_the_rows_of_tables_come_out_as_they_went_in_and_what_is_in_them_is_found() -> None:
    narrative = "".join(
        f'<div class="cx-scroll"><table><tbody>\n{r}\n</tbody></table></div>' for r in ROWS
    )
    page = {"parts": PARTS, "tables": [], "others": {"05_x": "Why?"}}
    told = finish_page(narrative, page)["narrative"]
    assert ROWS[0] in told and "cx-apart" not in told
    body = soup(told)
    assert len(body.select("tbody")) == len(ROWS)
    assert body.select_one("code").parent["href"] == "05_x.html"
    assert len(body.select("#found-f")) == 1 and body.img["alt"]
    assert len(body.select(".cx-here")) == len(ROWS)


def test_nobody_can_write_what_stands_for_rows() -> None:
    forged = '<table><tbody data-cx-apart="0"></tbody></table>'
    narrative = f"{forged}<table><tbody>{ROWS[0]}</tbody></table>"
    told = finish_page(narrative, {"parts": PARTS, "tables": [], "others": {}})["narrative"]
    assert forged in told and told.count(ROWS[0]) == 1


def test_findings_lead_to_where_they_are_told(good: Run) -> None:
    front = soup((good.path / "index.html").read_text())
    links = [a["href"].split("#") for a in front.select(".cx-answer a.cx-source")]
    assert links
    for page, place in links:
        assert soup((good.path / page).read_text()).find(id=place), place
    for path in good.path.glob("*.html"):
        page = soup(path.read_text())
        ids = [each["id"] for each in page.find_all(id=True)]
        assert len(ids) == len(set(ids)), path.name
        inner = [a["href"][1:] for a in page.select('a[href^="#"]')]
        assert set(inner) <= set(ids), path.name
