"""What the script of a page does: tables are sorted and searched, words are explained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from test_accessible import violations

from cxlab.report.finish import finish_front
from cxlab.report.markup import policy, shared, show_result
from cxlab.results import Result

TABLE = {
    "touchpoint": ["b", "a", "", "c 10", "c 9"],
    "count": [1234, 20, None, 3, 1_000_000],
    "share": ["12%", "9.5%", "–", "−3.1%", "100%"],
    "ratio": ["1.84 (9.4 to 9.9)", "2.0 (0.1 to 3)", "–", "not reached", "0.9 (0 to 9)"],
    "time": ["10.5 min", "1.39 days", "–", "12.8 hours", "30 seconds"],
    "money": ["EUR 4.2 million", "EUR −12,400", "–", "EUR 80", "EUR 1,000"],
    "month": ["2026-01", "2025-12", "–", "2024-07", "2025-02"],
}
# Which rows come first where the heading is pressed once: the largest figure, the first text.
SORTED = {
    "touchpoint": [1, 0, 4, 3, 2],
    "count": [4, 0, 1, 3, 2],
    "share": [4, 0, 1, 3, 2],
    "ratio": [1, 0, 4, 2, 3],
    "time": [1, 3, 0, 4, 2],
    "money": [0, 4, 3, 1, 2],
    "month": [3, 4, 1, 0, 2],
}
BLANK_LAST = [2, 3]


def written(path: Path, table: dict[str, list[Any]], prose: str = "") -> Path:
    css, script = shared("cxlab.css"), shared("page.js")
    shown = show_result(Result("t", pd.DataFrame(table)).to_dict())
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy(css, script)}">'
        f"<style>{css}</style></head><body><main><h1>T</h1>{prose}{shown}"
        f'<div class="cx-about"></div></main><script>{script}</script></body></html>'
    )
    path.write_text(finish_front(text, []))
    return path


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    made = chromium.new_page(viewport={"width": 390, "height": 700})
    told: list[str] = []
    made.on("console", lambda m: told.append(m.text))
    made.on("pageerror", lambda e: told.append(str(e)))
    yield made
    made.close()
    assert told == []


def test_a_table_is_sorted_by_any_column(page: Any, tmp_path: Path) -> None:
    numbered = TABLE | {"row": [str(k) for k in range(5)]}
    page.goto(written(tmp_path / "t.html", numbered).as_uri())

    def rows() -> list[int]:
        cells = page.locator("tbody td:last-child").all_inner_texts()
        return [int(text) for text in cells]

    for name, expected in SORTED.items():
        head = page.locator("th", has_text=name)
        head.locator("button").press("Enter")
        assert rows() == expected, name
        figures = name not in ("touchpoint", "month")
        assert head.get_attribute("aria-sort") == ("descending" if figures else "ascending")
        assert page.locator("[aria-sort]").count() == 1
        head.locator("button").press("Enter")
        blank = [k for k in expected if k in BLANK_LAST and (k == 2 or name == "ratio")]
        assert rows() == [k for k in expected if k not in blank][::-1] + blank, name
        head.locator("button").press("Enter")
        assert rows() == [0, 1, 2, 3, 4], name
    page.emulate_media(media="print")
    assert page.locator("th", has_text="count").inner_text() == "count"


def test_a_long_table_is_searched(page: Any, tmp_path: Path) -> None:
    many = {"name": [f"Row {k}" for k in range(13)], "kind": ["odd", "even"] * 6 + ["odd"]}
    page.goto(written(tmp_path / "t.html", many).as_uri())
    field = page.get_by_label("Find in this table")
    field.fill("even ROW 1")
    assert page.locator("tbody tr:visible").all_inner_texts() == ["Row 1\teven", "Row 11\teven"]
    assert page.get_by_role("status").inner_text() == "2 of 13 rows"
    page.emulate_media(media="print")
    assert page.locator("tbody tr:visible").count() == 13
    assert not field.is_visible()
    page.emulate_media(media="screen")
    field.fill("")
    assert page.locator("tbody tr:visible").count() == 13
    page.locator("th button").first.click()
    assert violations(page, {}) == []
    short = {name: values[:12] for name, values in many.items()}
    page.goto(written(tmp_path / "t.html", short).as_uri())
    assert page.get_by_label("Find in this table").count() == 0


def test_a_word_shows_its_meaning_by_mouse_key_and_touch(page: Any, tmp_path: Path) -> None:
    prose = "<p>The half-life is 28 days.</p>"
    page.goto(written(tmp_path / "t.html", {"a": [1]}, prose).as_uri())
    word, card = page.locator("a.cx-word"), page.locator(".cx-card")
    assert card.is_hidden()
    for reach in (word.focus, word.hover, word.click):
        reach()
        assert "half of what it was" in card.inner_text()
        box = card.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        page.keyboard.press("Escape")
        assert card.is_hidden()
        page.mouse.move(300, 600)
        word.blur()
    told = page.locator(f"[id={word.get_attribute('aria-describedby')}]")
    assert "half of what it was" in told.inner_text()
    assert page.url.endswith("t.html")
    word.press("Enter")
    assert page.url.endswith("#word-half-life")
