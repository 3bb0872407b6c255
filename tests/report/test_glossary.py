"""Words of the field are explained once, in prose alone, and never where they are a name."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from cxlab.report.glossary import explain, names_in, read_glossary


def explained(html: str, *names: str) -> tuple[BeautifulSoup, list[str]]:
    page = BeautifulSoup(html, "html.parser")
    words = explain([page], names)
    links = page.select("a.cx-word")
    assert {link["href"] for link in links} == {f"#{word.anchor}" for word in words}
    assert all(link["aria-describedby"] == link["href"][1:] for link in links)
    return page, [link.get_text() for link in links]


def test_a_word_is_explained_where_it_first_stands() -> None:
    page, found = explained(
        "<p>A <b>b</b> of half-life 9.</p><p>Half-life again, a hazard ratio, NPS.</p>"
    )
    assert found == ["half-life", "hazard ratio", "NPS"]
    assert page.get_text() == "A b of half-life 9.Half-life again, a hazard ratio, NPS."


def test_parts_of_one_page_explain_a_word_once() -> None:
    parts = [BeautifulSoup(f"<p>{text}</p>", "html.parser") for text in ("CES fell", "CES rose")]
    assert [word.term for word in explain(parts, [])] == ["CES"]
    assert [len(part.select("a.cx-word")) for part in parts] == [1, 0]


@pytest.mark.parametrize(
    "html",
    [
        "<code>half-life</code>",
        "<pre>half-life</pre>",
        "<h2>The half-life</h2>",
        "<table><tr><td>half-life</td></tr></table>",
        "<details><summary>half-life</summary><p>half-life</p></details>",
        '<a href="x">half-life</a>',
        "<p>the half-life-offer, no ces, “a half-life”</p>",
        '<p class="cx-crumb">half-life</p>',
        "<style>half-life</style><script>half-life</script><!-- half-life -->",
    ],
)
def test_what_is_no_prose_of_ours_is_left_alone(html: str) -> None:
    page, found = explained(html)
    assert found == []
    assert str(page) == html


def test_a_name_of_the_users_is_no_word() -> None:
    rows = [["the half-life", "driver", None], ["all touchpoints", "tenure", "CES"]]
    names = names_in([{"columns": ["touchpoint", "why", "begins at"], "rows": rows}])
    assert names == {"the half-life", "CES"}
    _, found = explained("<p>The half-life, tenure, touchpoint and CES.</p>", *names)
    assert found == ["tenure", "touchpoint"]


def test_each_meaning_is_one_sentence_for_one_word() -> None:
    words = read_glossary()
    spellings = [form.lower() for word in words for form in word.forms]
    assert len(spellings) == len(set(spellings))
    assert [word.term for word in words] == sorted((w.term for w in words), key=str.lower)
    for word in words:
        assert word.meaning.endswith("."), word.term
        assert ". " not in word.meaning, word.term
        assert len(word.meaning) <= 170, word.term
