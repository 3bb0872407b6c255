"""Cards, phones and identities among runs of digits, told from orders, prices and dates."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["ANY", "mask", "ordered"]

ANY = re.compile("[0-9]")
_RUN = re.compile(r"(?:\+\s?|\()*\d(?:[ \t().\-/+]{0,4}\d)*")
_GROUP = re.compile(r"\d+")
_ODD_CARD = re.compile(r"(?<!\d)\d{4}(?:(?:[^\w\n\[\]]|_){1,3}\d{4}){3}(?!\d)")
# letters written for digits
_LETTERS = re.compile(r"(?<=\d)[OoIl](?=\d)|(?<!\w)[Oo](?=\d[\d ./-]{5})")

_NUMBER_WORD = (
    r"(?:[ .,:#°º-]|number|nummer|número|numéro|numero|no\b|nr\b|num\b|n°|id\b|is\b|ist\b|es\b"
    r"|est\b|é\b)"
)
_ORDER = re.compile(
    r"(?:\b(?:order|bestell|auftrag|pedido|encomenda|commande|invoice|rechnung|factura|facture"
    r"|fatura|ticket|vorgang|referen|ref\b|tracking|sendung|artikel|article|artículo|artigo|serial"
    r"|serien|model|modell|version|isbn|protocolo|incident|reclamación|shipment|booking|reserva"
    r"|buchung|dossier|sku|ean)\w*"
    r"|\b(?:case|item|customer|client|kunden|cliente|contract|vertrags|contrato|contrat|meter"
    r"|zähler|colis|paket|parcel|code|product)\w*\s?(?:number|nummer|número|numéro|no\b|nr\b|id\b|#|:)"
    r"|(?<!telefon)(?<!ruf)(?<!handy)(?<!mobil)(?<!funk)(?<!\W)nummer)" + _NUMBER_WORD + r"{0,6}\Z",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?:[^\W\d_]-?|#\s?|_)\Z")
_CALL_HERE = re.compile(r"(?:tel|phone|fon|fax|mobile?|handy|cell|whatsapp|call)\Z", re.IGNORECASE)
_CALL = re.compile(
    r"\b(?:tel|phone|call|mobile|cell|whats|my number|reach|ring|sms|fax|fon|handy|mobil|ruf"
    r"|meine nummer|erreich|anruf|llam|móvil|movil|mi número|celular|portable|appel|joindre"
    r"|mon numéro|lig[au]|meu número|contact|kontakt)|telefon",
    re.IGNORECASE,
)
_CALL_AFTER = re.compile(
    r"\W{0,3}(?:(?:is|ist|es|est|é) (?:my|meine|mi|mon|o meu|meu) )?"
    r"(?:tel|mobile|cell|handy|whatsapp|phone|móvil|portable|telefon|number|nummer|número|numéro)",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"\s?(?:[€$£%¥]|eur|usd|gbp|brl|chf|dollar|reais|pound|kwh|km|kg|gb|mb|mbit|points?\b|punkte"
    r"|puntos|pontos)",
    re.IGNORECASE,
)
_MONEY = re.compile(r"(?:[€$£¥]|eur|usd|gbp|chf)\s?\Z", re.IGNORECASE)

_DAY, _MONTH = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
_YEAR = r"(?:19|20)\d\d"
_TIME = r"(?:[01]?\d|2[0-4])[.:][0-5]\d"
_NO_PERSON = re.compile(
    rf"(?<![\d./+-])(?:{_DAY}([./-]){_MONTH}\1(?:{_YEAR}|\d\d)"
    rf"|{_MONTH}([./-]){_DAY}\2(?:{_YEAR}|\d\d)|{_YEAR}([./-]?){_MONTH}\3{_DAY}"
    rf"|{_YEAR}\s?[-/]\s?(?:{_YEAR}|\d\d)|{_TIME}\s?-\s?{_TIME})(?![./-]?\d)"
)
# sizes of groups in which numbers are written where no 0 or + tells them; the first digits allowed
_SHAPES = {
    (3, 3, 4): "23456789",
    (1, 3, 3, 4): "1",
    (3, 3, 3): "6789",
    (3, 2, 2, 2): "6789",
    (2, 3, 2, 2): "89",
    (2, 3, 4): "2",
    (2, 5, 4): "123456789",
    (2, 4, 4): "123456789",
    (5, 4): "9",
}
_SHORTEST, _LONGEST, _NOT_READ = 7, 19, 60


def mask(text: str) -> str:
    """Replace cards, phone numbers and identities; leave orders, prices, dates, times and years.

    Parameters
    ----------
    text : str
        With plain signs (`signs.plain`).
    """
    if _LETTERS.search(text):
        read = _LETTERS.sub(lambda found: "0" if found.group() in "Oo" else "1", text)
    else:
        read = text
    parts, done = [], 0
    for start, end, kind in sorted([*_odd_cards(read), *_found(read)]):
        if start < done:
            continue
        parts += [text[done:start], f"[{kind}]"]
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _odd_cards(text: str) -> Iterator[tuple[int, int, str]]:
    """Find cards whose groups are parted by other signs."""
    for found in _ODD_CARD.finditer(text):
        number = re.sub(r"\D", "", found.group())
        if _luhn(number) and not _are_years(number, (4, 4, 4, 4)):
            yield *found.span(), "card"


def ordered(text: str, at: int) -> bool:
    """Tell whether what stands before a place says that an order's number follows.

    Parameters
    ----------
    text : str
        The whole text.
    at : int
        Where the number starts.
    """
    return bool(_ORDER.search(text[max(0, at - 40) : at]))


def _found(text: str) -> Iterator[tuple[int, int, str]]:
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start < _SHORTEST:
            continue
        if end - start > 2 * _NOT_READ and len(_GROUP.findall(run.group())) > _NOT_READ:
            yield start, end, "id"  # anything may hide in it
            continue
        yield from _in_run(text, start, end)


def _in_run(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Cut dates and times out of a run and look through what is left."""
    for date in _NO_PERSON.finditer(text, start, end):
        yield from _in_groups(text, start, date.start())
        start = date.end()
    yield from _in_groups(text, start, end)


def _in_groups(text: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """Take as many groups as make one number, from each group on."""
    groups = [found.span() for found in _GROUP.finditer(text, start, end)]
    if not groups or groups[-1][1] - groups[0][0] < _SHORTEST:
        return
    is_order = ordered(text, groups[0][0])
    first = 0
    while first < len(groups):
        # of an order's number no part is taken for another, unless it starts with a plus
        least = len(groups) - 1 if is_order and "+" not in text[start:end] else first
        for stop in range(min(len(groups), first + _LONGEST), max(first, least), -1):
            begin = _with_signs(text, start, groups[first][0], groups[stop - 1][1])
            if kind := _kind(text, begin, groups[first:stop], is_order):
                yield begin, groups[stop - 1][1], kind
                first, start = stop - 1, groups[stop - 1][1]
                break
        first += 1


def _with_signs(text: str, start: int, begin: int, end: int) -> int:
    """Take the plus and an opened bracket before a number's first digit along."""
    while begin > start and text[begin - 1] in "+( ":
        begin -= 1
    while text[begin] == " " or (text[begin] == "(" and ")" not in text[begin:end]):
        begin += 1
    return begin


def _kind(text: str, begin: int, groups: list[tuple[int, int]], ordered: bool) -> str | None:
    sizes = tuple(stop - start for start, stop in groups)
    count = sum(sizes)
    if not 4 <= count <= _LONGEST:
        return None
    end = groups[-1][1]
    piece = text[begin:end]
    number = "".join(text[start:stop] for start, stop in groups)
    if len(sizes) == 4 and count <= 12 and _is_ip(piece):
        return "ip"
    if count >= 13 and not (ordered and len(sizes) == 1) and _is_card(number, sizes):
        return "card"
    if count < _SHORTEST:
        return None
    if not ordered and _is_identity(number, sizes):
        return "id"
    return "phone" if _is_phone(text, begin, end, number, sizes, ordered) else None


def _is_ip(piece: str) -> bool:
    parts = piece.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) <= 255 for part in parts)


def _is_card(number: str, sizes: tuple[int, ...]) -> bool:
    """Tell by the check digit (ISO/IEC 7812-1), or by the groups that are on cards."""
    if number[0] not in "23456" or _are_years(number, sizes):
        return False
    return sizes in ((4, 4, 4, 4), (4, 6, 5)) or _luhn(number)


def _are_years(number: str, sizes: tuple[int, ...]) -> bool:
    starts = [number[at : at + 2] for at in range(0, len(number), 4)]
    return set(sizes) == {4} and all(start in ("19", "20") for start in starts)


def _luhn(number: str) -> bool:
    total = 0
    for place, sign in enumerate(reversed(number)):
        value = int(sign) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_identity(number: str, sizes: tuple[int, ...]) -> bool:
    """Tell French social security, German tax and Brazilian tax numbers by their check digits."""
    if len(number) == 15:
        return number[0] in "12" and 97 - int(number[:13]) % 97 == int(number[13:])
    if len(number) != 11 or sizes not in ((11,), (2, 3, 3, 3), (3, 3, 3, 2)):
        return False
    return _is_german_tax(number) or _is_brazilian_tax(number)


def _is_german_tax(number: str) -> bool:
    rest = 10  # ISO/IEC 7064, MOD 11,10
    for sign in number[:10]:
        rest = ((int(sign) + rest) % 10 or 10) * 2 % 11
    return number[0] != "0" and (11 - rest) % 10 == int(number[10])


def _is_brazilian_tax(number: str) -> bool:
    for size in (9, 10):
        total = sum(int(sign) * (size + 1 - at) for at, sign in enumerate(number[:size]))
        if total * 10 % 11 % 10 != int(number[size]):
            return False
    return len(set(number)) > 1


def _is_phone(
    text: str, begin: int, end: int, number: str, sizes: tuple[int, ...], ordered: bool
) -> bool:
    count = len(number)
    if text[begin] == "+" or text[begin : begin + 2] == "(+":
        return 8 <= count <= 15
    before, after = text[max(0, begin - 25) : begin], text[end : end + 30]
    called = _CALL_HERE.search(before.rstrip(" .:-"))
    if (_CODE.search(before) and not called) or count > 15:
        return False
    if _UNIT.match(after) or _MONEY.search(before):
        return False
    if number[0] == "0" and sizes[0] > 1 and _is_national(count, sizes):
        return not ordered or len(sizes) > 1
    if ordered:
        return False
    if _is_shape(text[begin:end], number, sizes):
        return True
    return bool(called or _CALL.search(before) or _CALL_AFTER.match(after))


def _is_national(count: int, sizes: tuple[int, ...]) -> bool:
    return count <= (17 if sizes[0] > 4 else 14) and count >= (9 if len(sizes) == 1 else 7)


def _is_shape(piece: str, number: str, sizes: tuple[int, ...]) -> bool:
    if set(sizes) == {1} and len(sizes) >= 9:
        return number[0] == "0"
    if number[0] not in _SHAPES.get(sizes, ""):
        return False
    # thousands are parted by dots and local numbers by dashes
    return "-" in piece if sizes == (5, 4) else not (sizes == (3, 3, 3) and "." in piece)
