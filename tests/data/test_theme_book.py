"""The theme book: what is written is read again, and what cannot be is refused with a reason."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from cxlab.data.theme_book import Book, Theme, new_id, read_book, write_book
from cxlab.errors import DataError

BOOK = Book(
    as_of=dt.date(2026, 6, 30),
    themes=(
        Theme(
            id="en-1",
            name="parcel / late",
            language="en",
            first_seen=dt.date(2026, 6, 30),
            words={"parcel": 4.0, "late": 2.5, "no": 2.0},
            seeds=("courier",),
        ),
        Theme(
            id="de-1",
            name="Päckchen",
            language="de",
            first_seen=dt.date(2026, 6, 30),
            counts_as="en-1",
            words={"päckchen": 3.25},
        ),
    ),
)


def _kept(folder: Path, text: str) -> Path:
    (folder / "themes.yml").write_text(text, encoding="utf-8")
    return folder


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    text = write_book(BOOK)
    again = read_book(_kept(tmp_path, text))
    assert again == BOOK
    assert write_book(again) == text
    assert "Päckchen" in text


def test_nothing_is_an_empty_book(tmp_path: Path) -> None:
    assert read_book("") == read_book(tmp_path / "none") == read_book(tmp_path) == Book()
    assert read_book(_kept(tmp_path, "")) == Book()


def test_merges_and_ids() -> None:
    assert BOOK.home("de-1") == BOOK.home("en-1") == "en-1"
    assert new_id(BOOK.themes, "en") == "en-2"
    assert new_id(BOOK.themes, "pt") == "pt-1"
    last = BOOK.themes[0].model_copy(update={"id": "en-999999"})
    assert new_id((BOOK.themes[0], last), "en") == "en-2"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("counts_as: en-1", "counts_as: en-9", "en-9, which is not here"),
        ("counts_as: ''", "counts_as: de-1", "count as each other"),
        ("id: de-1", "id: en-1", "the id en-1 is given twice"),
        ("id: de-1", "id: Deutsch 1", "themes.1.id"),
        ("name: Päckchen", "name: ''", "themes.1.name"),
        ("name: Päckchen", "name: Päckchen\n  title: x", "unknown key themes.1.title"),
        ("päckchen: 3.25", "päckchen: strong", "themes.1.words.päckchen"),
        ("päckchen: 3.25", "päckchen: -1", "themes.1.words.päckchen"),
        ("  words:\n    päckchen: 3.25", "  words: {}", "neither words nor seeds"),
        ("first_seen: 2026-06-30\n  counts_as: en-1", "first_seen: soon\n  counts_as: en-1",
         "themes.1.first_seen"),
        ("themes:", "themes: [", "broken YAML"),
        ("as_of: 2026-06-30", "as_of: 2026-06-30\nas_of: 2026-06-30", "given twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    text = write_book(BOOK)
    assert old in text
    with pytest.raises(DataError) as refused:
        read_book(_kept(tmp_path, text.replace(old, new, 1)))
    assert told in str(refused.value)
    assert "themes.yml" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_book_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in ("- a\n- b\n", "themes: 5\n", "personas: []\n"):
        with pytest.raises(DataError, match=r"themes\.yml"):
            read_book(_kept(tmp_path, text))
