from __future__ import annotations

import time

import pytest

from cxlab.models.text.cleaning import LONGEST, clean, said, tokens


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("<p>Hello <b>wor</b>ld</p><p>again</p>", "Hello world\nagain"),
        ("ok<script>alert('x < y')</script> fine", "ok\nfine"),
        ("<style>p > a {}</style>fine", "fine"),
        ("&lt;script&gt;evil()&lt;/script&gt;fine &amp; good", "fine & good"),
        ('<a title="a>b" href="#">link</a>', "link"),
        ("<!-- c > d -->seen", "seen"),
        ("<script>never closed", ""),
        ("I <3 you, 3 < 5 and 5 > 3", "I <3 you, 3 < 5 and 5 > 3"),
        ("a\r\n\r\n\r\nb \t c\u00a0d", "a\nb c d"),
        ("bad\x00\x07 \u202etxt\u200b\ufeff", "bad txt"),
        ("\ud800lone", "lone"),
        ("👍🏽 👨‍👩‍👧 super", "👍🏽 👨‍👩‍👧 super"),
        ("שלום\u200f עולם", "שלום עולם"),
        ("Good\n> what I wrote\n> before", "Good"),
        ("Good\n\nOn Mon, 3 Mar 2025, shop <a@b.de> wrote:\nold", "Good"),
        ("Gut\nAm 3.3.2025 um 10:00 schrieb Shop:\nalt", "Gut"),
        ("Good\n-----Original Message-----\nold", "Good"),
        ("Bien\nEnviado desde mi iPhone", "Bien"),
        ("Good\n-- \nAnna Keller\nACME", "Good"),
        ("> only a quotation", "> only a quotation"),
        ("Am Montag schrieb ich: es geht nicht", "Am Montag schrieb ich: es geht nicht"),
        (None, ""),
        (float("nan"), ""),
        (" \n\t", ""),
    ],
)
def test_plain_text(given: str | None, plain: str) -> None:
    assert clean([given]).texts == [plain]


def test_says_what_it_did() -> None:
    texts = [None, " ", "<br>", "👍", "<b>x</b>", "fine\n> old", "a\x00b", "word " * 2_000, "as is"]
    found = clean(texts)
    assert found.counts == {
        "texts": 9,
        "empty": 2,
        "emptied": 1,
        "wordless": 1,
        "markup": 2,
        "quoted": 1,
        "control": 1,
        "cut": 1,
    }
    assert said(found.counts) == (
        "Of 9 comments 2 were empty, 1 held nothing but markup or quoted mail, 1 had no words "
        "(emoji or signs alone), 2 lost markup, 1 lost quoted mail or a signature, "
        "1 lost unseen control signs, 1 were cut after 5,000 characters."
    )
    assert said(clean(["as is"]).counts) == "Of 1 comments none had to be changed."


def test_cut_at_a_space_and_no_later_than_said() -> None:
    words, letters = clean(["word " * 20_000, "a" * 100_000]).texts
    assert LONGEST - 5 <= len(words) <= LONGEST and words.endswith("word")
    assert letters == "a" * LONGEST
    assert clean(["one two three"], longest=8).texts == ["one two"]


def test_cleaning_again_changes_nothing() -> None:
    once = clean(["<p>Hello <b>wor</b>ld</p>", "a \n\n b", "word " * 2_000, "x\x00", "👍"]).texts
    assert clean(once).texts == once


@pytest.mark.parametrize(
    "piece",
    ["<", "<script>", "<a b='", "<!--", "> ", "a\u0301\u0315", "&lt;", "\n> ", "-- \n", "__"],
)
def test_time_grows_with_length_alone(piece: str) -> None:
    start = time.process_time()
    clean([(piece * 100_000)[:100_000]])
    assert time.process_time() - start < 5


def test_stems_by_language_without_what_says_nothing() -> None:
    words = tokens(
        [
            "The waiting times are long, I waited for the BILL",
            "Die Rechnungen waren falsch, die Rechnung [name] 030",
            "L'application plante, les applications plantent 😡",
            "Las facturas no llegan, la factura",
            "As entregas atrasam, a entrega",
            "Привет мир",
        ],
        ["en", "de", "fr", "es", "pt", "und"],
    )
    assert words.stems[0] == ["wait", "time", "long", "wait", "bill"]
    assert words.stems[1] == ["rechnung", "falsch", "rechnung"]
    assert words.stems[2][0] == words.stems[2][2] == "appliqu"
    assert words.stems[3][0] == words.stems[3][2] and len(words.stems[3]) == 3
    assert words.stems[4][0] == words.stems[4][2] and len(words.stems[4]) == 3
    assert words.stems[5] == ["привет", "мир"]
    assert set(words.surface) == {stem for stems in words.stems for stem in stems}


def test_a_stem_is_named_by_its_commonest_word() -> None:
    words = tokens(
        ["Delivery deliveries deliveries", "Lieferung lieferung Lieferung"], ["en", "de"]
    )
    assert words.surface["deliveri"] == "deliveries"
    assert words.surface["liefer"] == "Lieferung"


def test_words_that_tokens_leaves_out() -> None:
    odd = ["ab" * 21, "x", "don't", "12 3rd", "[e-mail] [phone]", "", "👍", "\ud800"]
    assert tokens(odd, ["en"] * len(odd)).stems == [[]] * len(odd)
    assert tokens([], []) == ([], {})
    assert tokens(["soooooo slooow"], ["en"]).stems == [["soo", "slooow"]]
