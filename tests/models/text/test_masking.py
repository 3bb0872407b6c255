from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest

from cxlab.models.text.masking import KINDS, mask, mask_counted

LABELLED = Path(__file__).with_name("labelled.tsv").read_text("utf-8")
SENTENCES = [line.split("\t")[2] for line in LABELLED.splitlines()]

MASKED = {
    "e-mail": [
        "anna.keller@example.com",
        "ANNA_K+news@mail.example.co.uk",
        "anna (at) example (dot) com",
        "anna[at]example[dot]com",
        "anna at example dot com",
        "anna arroba gmail punto com",
        "anna @ example . com",
        "ａｎｎａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "an\u200bna@exam\u00adple.com",
        "anna&#64;example.com",
        "аnna@exаmple.com",
        "anna@localhost",
    ],
    "phone": [
        "+49 30 1234567",
        "0049 30 1234567",
        "+49-(0)30-1234567",
        "030/1234567",
        "0176-12345678",
        "(030) 123 45 67",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "612 345 678",
        "91 123 45 67",
        "(11) 91234-5678",
        "912 345 678",
        "555-123-4567",
        "(555) 123-4567",
        "1-800-555-1234",
        "07700 900123",
        "+44\u00a07700\u00a0900\u00a0123",
        "0176–1234567",
        "٠١٧٦ ١٢٣٤٥٦٧٨",
        "０１７６　１２３４５６７",
        "0 1 7 6 1 2 3 4 5 6 7",
        "O176 1234567",
    ],
    "card": [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "5500*0000*0000*0004",
        "3782 822463 10005",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111\u200b1111\u200b1111\u200b1111",
    ],
    "account": [
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "GB29 NWBK 6016 1331 9268 19",
        "FR14 2004 1010 0505 0001 3M02 606",
        "ES91 2100 0418 4502 0005 1332",
        "PT50 0002 0123 1234 5678 9015 4",
        "Kontonummer 1234567",
    ],
    "ip": [
        "192.168.1.17",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1ff:fe23:4567:890a",
    ],
    "id": [
        "123-45-6789",
        "12345678Z",
        "X1234567L",
        "529.982.247-25",
        "AB 12 34 56 C",
        "65 170839 J 008",
        "1 85 05 78 006 084 91",
        "86 095 742 719",
        "passport number C01X00T47",
        "00:1A:2B:3C:4D:5E",
    ],
    "link": [
        "https://shop.example.com/u/anna?token=abc",
        "hxxps://example.com/x",
        "www.example.com",
        "facebook.com/anna.keller",
    ],
    "handle": ["@anna_keller"],
    "address": [
        "42 Baker Street",
        "42 baker street",
        "1600 Pennsylvania Ave.",
        "NW1 6XE",
        "Springfield, IL 62704",
        "PO Box 123",
        "Musterstraße 12",
        "Hauptstr. 5a, 10115 Berlin",
        "Lange Straße 12",
        "Unter den Linden 77, 10117 Berlin",
        "Am Markt 5, 04109 Leipzig",
        "10115 Berlin",
        "Calle Mayor 5, 28013 Madrid",
        "C/ Alcalá, nº 45",
        "Avenida de la Constitución 12",
        "12 rue de la Paix, 75002 Paris",
        "5 bis avenue Victor Hugo",
        "3, place de l'Église",
        "Rua Augusta 1200, 01310-100 São Paulo",
        "Rua das Flores, nº 12",
        "1000-205 Lisboa",
    ],
    "name": [
        "My name is Anna Keller",
        "my name is anna keller",
        "Regards, Anna Keller",
        "Kind regards\nAnna",
        "Ich heiße Anna Keller",
        "Mit freundlichen Grüßen\nAnna Keller",
        "LG anna",
        "Me llamo José García",
        "Je m'appelle Anne-Marie Dupont",
        "Meu nome é João da Silva",
        "Mr. Smith",
        "Frau Keller",
        "I spoke to Maria",
        "it works. regards, anna silva",
        "Thanks, Anna",
        "Hi Maria, you helped",
        "Hola María!",
        "Cordialement, Jean Dupont",
        "Un saludo, Marta",
    ],
}
CASES = [(kind, text) for kind, texts in MASKED.items() for text in texts]

KEPT = [
    "My order number is 1234567890",
    "order 302-1234567-1234567 never came",
    "order #48213377",
    "Bestellnummer 12345678",
    "invoice 2024-000123",
    "Rechnung Nr. 2024117733",
    "pedido nº 20240199887",
    "commande 123456789",
    "ticket 4711-0815-42",
    "Sendung 0034 0434 1610 9402 2115",
    "ISBN 978-3-16-148410-0",
    "It cost 1,234.56 EUR",
    "1.234.567,89 €",
    "it was $1,299.00",
    "R$ 1.299,90",
    "on 12.03.2024 at 10:30",
    "2024-03-12 10:30:45",
    "03/12/24",
    "08.30 - 17.00 Uhr",
    "2019, 2020, 2021, 2022",
    "2019 2020 2021 2022",
    "in 2023-2024",
    "I waited 45 minutes and then 30 more",
    "10 20 30 40 50",
    "1 2 3 4 5 6 7 8 9 10",
    "rated 10/10, 24/7 support",
    "version 10.2.3",
    "iPhone 15 Pro Max 256 GB",
    "50000 Punkte gesammelt",
    "10000 Kunden warten",
    "12345 Euro zu viel",
    "5 minutes down the road",
    "a 24 hour drive",
    "I bought it at amazon.com",
    "booking.com is cheaper",
    "and/or price/performance",
    "3 @ 9.99",
    "Am Telefon 20 Minuten gewartet",
    "auf dem Heimweg 20 Minuten, Parkplatz 5",
    "la calle estaba cortada 3 horas",
    "1 place de cinéma, 2 places disponibles",
    "Hi team, thanks",
    "Dear Support",
    "Hello my bill is wrong",
    "Thank you very much!",
    "Danke schön",
    "Thanks, quick delivery",
    "thank you speedy delivery",
    "Hello, Internet is down",
    "Hi Internet is down",
    "Danke, gut",
    "gracias buen servicio",
    "merci livraison rapide",
    "LG Fernseher defekt",
    "Merci beaucoup",
    "as regards price",
    "My name is wrong on the invoice",
    "Mein Name ist falsch geschrieben",
    "me llamo la atención el precio",
    "it will take a while",
    "It fell 0.1234567 percent",
    "COVID-19, B2B, Win32, MP3",
    "I called 3 times since 2021",
    "good",
]


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_personal_data_become_their_kind(kind: str, text: str) -> None:
    found = mask_counted([text])
    assert f"[{kind}]" in found.texts[0]
    left = re.sub(r"\[[a-z-]+\]", "", found.texts[0])
    assert not re.search(r"\d|@|keller|smith|maria|silva|\bann", left, re.IGNORECASE), left
    assert found.counts[kind] >= 1 and set(found.counts) == set(KINDS)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_nobodys_stays(text: str) -> None:
    assert mask([text]) == [text]


def test_sentences_without_personal_data_stay() -> None:
    assert mask(SENTENCES) == SENTENCES


ORDERS = re.compile(r"invoice|rechnung|bestell|factura|facture|fatura|encomenda", re.IGNORECASE)


def secrets() -> list[tuple[str, str]]:
    whole = [(kind, text) for kind, text in CASES if kind not in ("name", "address")]
    return [(kind, text) for kind, text in whole if not text[0].isalpha() or kind == "e-mail"]


def test_no_secret_gets_through_wherever_it_stands() -> None:
    """Secrets put at random places of sentences, between random signs."""
    draw = np.random.default_rng(7)
    signs = [" ", " ", "\n", ", ", ": ", " (", '"', " - ", "; ", "\u00a0", "\t"]
    hidden = secrets()
    # a number after "invoice" is the invoice's
    about = [text for text in SENTENCES if not ORDERS.search(text)]
    for _ in range(1500):
        words = about[draw.integers(len(about))].rstrip(".").split()
        kind, secret = hidden[draw.integers(len(hidden))]
        at = int(draw.integers(len(words) + 1))
        before, after = (signs[draw.integers(len(signs))] for _ in range(2))
        text = f"{' '.join(words[:at])}{before}{secret}{after.replace('(', ')')}"
        masked = mask([text + " ".join(words[at:])])[0]
        assert re.search(r"\[[a-z-]+\]", masked), (text, masked)
        assert not re.search(r"\d{3}|\d(\W\d){3}", masked), (kind, text, masked)
        assert mask([masked]) == [masked]


def test_masked_texts_stay_as_they_are_of_any_signs() -> None:
    draw = np.random.default_rng(3)
    pieces = [*"0123456789+@.-/() :\n", "Anna ", "my name is ", "DE89 ", "rue ", "street ", " at "]
    pieces += ["[name]", "[phone]", " dot ", "www.", "regards, ", "Mr. ", "&#64;", "\u200b", "é"]
    for _ in range(1500):
        text = "".join(draw.choice(pieces, draw.integers(1, 40)))
        masked = mask([text])[0]
        assert mask([masked]) == [masked], text


def test_known_names_in_any_writing() -> None:
    names = ["Anna Keller", "Müller", "Mark Price", "Jean-Luc Picard", "José García", None, ""]
    texts = {
        "Anna was nice, KELLER too": "[name] was nice, [name] too",
        "müller, Mueller und Muller": "[name], [name] und [name]",
        "jose and Anna's colleague": "[name] and [name] colleague",
        "Keller-Braun called": "[name] called",
        "Аnna": "[name]",
        # a name that is a word too is one beside another only
        "Mark Price wrote": "[name] wrote",
        "mark my words, the price is high. Price!": "mark my words, the price is high. Price!",
        "the cellar is cold": "the cellar is cold",
    }
    assert mask(list(texts), [n for n in names if n is not None]) == list(texts.values())


def test_a_known_name_that_is_a_word_stays_a_word() -> None:
    names = ["Peter Schnell", "Eva Sauer", "Otto Paket"]
    texts = ["Schnell und gut, war nie sauer", "Peter Schnell rief an", "Frau Sauer", "Otto"]
    assert mask(texts, names) == [
        "Schnell und gut, war nie sauer",
        "[name] rief an",
        "Frau [name]",
        "[name]",
    ]
    # of a word that is in no list, how often it is written tells
    assert mask(["Das Paket fehlt"], names) == ["Das [name] fehlt"]
    many = [f"Das Paket fehlt seit {day} Tagen" for day in range(2, 99)] + ["Otto Paket, Otto"]
    masked = mask(many, names)
    assert masked == [*many[:-1], "[name], [name]"]
    assert mask(masked, names) == masked


def test_names_that_are_kinds_leave_masks_alone() -> None:
    names = ["Udo Link", "Mail Phone", "Name"]
    texts = ["see www.example.com", "a@b.de, 030 1234567", "Herr Link"]
    masked = ["see [link]", "[e-mail], [phone]", "Herr [name]"]
    assert mask(texts, names) == masked
    assert mask(masked, names) == masked


def test_an_agents_own_name_is_no_ordinary_word() -> None:
    assert mask(["Herr Klein war nett"]) == ["Herr [name] war nett"]


def test_counts_what_it_masked_and_not_what_was_masked_before() -> None:
    found = mask_counted(["a@b.de and c@d.de", "[e-mail] and 030 1234567", None, ""])
    assert found.texts == ["[e-mail] and [e-mail]", "[e-mail] and [phone]", "", ""]
    assert {k: n for k, n in found.counts.items() if n} == {"e-mail": 2, "phone": 1}


def test_the_same_text_where_nothing_was_found() -> None:
    odd = ["ﬁne… ①", "\ud800 lone", "שלום עולם", "👍🏽‍", "a\u0301"]
    assert mask(odd) == odd


LONG = {
    "letters": "a",
    "dots": "a.",
    "at": "a@",
    "digits": "1",
    "spaced digits": "1 ",
    "numbers": "1234567 a ",
    "phones": "0176 1234567, ",
    "links": "http://",
    "accounts": "DE89 3704 ",
    "colons": "0:",
    "streets": "1 rue de la ",
    "brackets": "a(at)",
    "dot": "a dot ",
    "names": "my name is ",
    "farewells": "regards, ",
    "marks": "\u0315\u0316",
    "entities": "&amp;",
    "surrogates": "\ud800",
    "blanks": " \n",
    "spaced": "a - ",
}


@pytest.mark.parametrize("name", LONG)
def test_time_grows_with_length_alone(name: str) -> None:
    """100,000 characters; where time grew with the square it would take minutes."""
    text = (LONG[name] * 100_000)[:100_000]
    start = time.process_time()
    masked = mask([text])
    assert time.process_time() - start < 5
    assert len(masked) == 1
