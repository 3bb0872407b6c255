from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from cxlab.models.text.language import UNDECIDED, detect, settle

ROWS = [
    line.split("\t")
    for line in Path(__file__).with_name("labelled.tsv").read_text("utf-8").splitlines()
]
SHORT = {
    "en": ["Great service!", "Too expensive", "Easy to use", "good", "Nobody answered", "late"],
    "de": [
        "Super Service!",
        "Viel zu teuer",
        "Einfach zu bedienen",
        "gut",
        "Niemand da",
        "zu spät",
    ],
    "es": [
        "¡Excelente servicio!",
        "Demasiado caro",
        "Fácil de usar",
        "bien",
        "Nadie vino",
        "tarde",
    ],
    "fr": [
        "Très bon service !",
        "Beaucoup trop cher",
        "Facile à utiliser",
        "bien",
        "Lent",
        "retard",
    ],
    "pt": ["Ótimo atendimento!", "Muito caro", "Fácil de usar", "bom", "Ninguém atendeu", "atraso"],
}


def test_short_comments_of_five_languages() -> None:
    told = np.array([row[0] for row in ROWS])
    found = detect([row[2] for row in ROWS])
    decided = found.codes != UNDECIDED
    assert decided.mean() >= 0.98
    assert (found.codes[decided] == told[decided]).mean() >= 0.98
    assert (found.confidences[decided] >= 0.2).all() and (found.confidences <= 1).all()
    assert (found.confidences[~decided] == 0).all()


@pytest.mark.parametrize("code", SHORT)
def test_a_few_words_are_in_a_language_of_the_corpus(code: str) -> None:
    """Alone they would often be told wrong ("Fácil de usar" is Spanish and Portuguese)."""
    texts = [row[2] for row in ROWS if row[0] == code] + SHORT[code]
    codes = detect(texts).codes
    assert set(codes) <= {code, UNDECIDED}
    assert set(settle(codes)) == {code}


def test_texts_without_words_are_undecided() -> None:
    odd = ["", "👍", "12345", "???", "[e-mail] [name]", "\ud800", "good", "a" * 100_000]
    found = detect(odd)
    assert list(found.codes) == [UNDECIDED] * len(odd)
    assert (found.confidences == 0).all()
    assert len(detect([]).codes) == 0


def test_other_languages_and_scripts() -> None:
    texts = [
        "Het was helemaal niet goed",
        "שלום עולם",
        "Il servizio è pessimo davvero",
        "\ud800 ok",
    ]
    assert list(detect(texts).codes) == ["nl", "he", "it", UNDECIDED]


def test_masks_and_long_texts_do_not_sway_it() -> None:
    texts = ["[address] [e-mail] Die Lieferung kam zu spät", "Die Lieferung kam zu spät. " * 4_000]
    assert list(detect(texts).codes) == ["de", "de"]


def test_the_same_texts_have_the_same_languages() -> None:
    texts = [row[2] for row in ROWS]
    first, second = detect(texts), detect(texts)
    assert (first.codes == second.codes).all()
    assert (first.confidences == second.confidences).all()


@pytest.mark.parametrize(
    ("codes", "settled"),
    [
        (["en"] * 8 + ["de"] * 2 + ["und"], "en"),
        (["en"] * 7 + ["de"] * 3 + ["und"], "und"),
        (["und"] * 3, "und"),
    ],
)
def test_undecided_texts_are_in_the_main_language_alone(codes: list[str], settled: str) -> None:
    given = np.array(codes, dtype=object)
    assert settle(given)[-1] == settled
    assert list(given) == codes
    assert len(settle(np.array([], dtype=object))) == 0


def test_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert list(detect(["Die Lieferung kam wieder zu spät"]).codes) == ["de"]
