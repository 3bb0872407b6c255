"""E-mail addresses, links, accounts, identities: what is written in signs.

What is digits alone is told in `digits`. Every pattern reads a run of letters from its start alone
(a look behind) and gives nothing back (``++``), or is bounded, so that a search is linear.
"""

from __future__ import annotations

import re

from cxlab.models.text import digits

__all__ = ["mask"]

_OPEN, _SHUT = r"\s?[(\[{<]\s?", r"\s?[)\]}>]\s?"
_WORD_DOT = r"\s(?:dot|punkt|punto|ponto|point)\s"
_DOT = rf"(?:\.|\s\.\s|{_OPEN}(?:dot|punkt|punto|ponto|point|\.){_SHUT}|{_WORD_DOT})"
_AT = rf"(?:\s?@\s?|{_OPEN}(?:at|@|ät|arroba|arobase|chez){_SHUT}|\s(?:arroba|arobase)\s)"
_LOCAL = r"(?<![\w.+%~-])[\w.+%~-]++"
_EMAIL = re.compile(
    rf"@|[(\[{{<]\s?(?:at|ät|arroba|arobase|chez)\b|\barroba\b|\barobase\b|\sat\s[\w-]++{_WORD_DOT}",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"@|\bat\b|[(\[{<]\s?(?:ät|chez)\b|\barroba\b|\barobase\b", re.IGNORECASE)
_EMAIL = re.compile(
    rf"{_LOCAL}(?:{_DOT}[\w+-]++){{0,3}}{_AT}[\w-]++(?:{_DOT}[\w-]++){{0,4}}{_DOT}[^\W\d_][\w-]*+"
    rf"|{_LOCAL}@[\w-]*[^\W\d_][\w-]*+"  # at a computer's name
    rf"|{_LOCAL}(?:{_WORD_DOT}[\w+-]++){{0,3}}\sat\s[\w-]++(?:{_WORD_DOT}[\w-]++){{1,5}}",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@.])@[a-z_][\w.]{1,38}\w", re.IGNORECASE)
# what one of must be in a text, in small letters, for a search to be worth while
_OF_EMAIL = (
    *("@", "(at", "[at", "{at", "<at", "( at", "[ at", "arroba", "arobase", "(ät", "(chez"),
    *(" dot ", " punkt ", " punto ", " ponto ", " point "),
)
_OF_LINK = ("/", "?", "#", "www.")
_MAY_BE_LINK = re.compile(r":\s?/|www\.|\.[a-z]{2,24}(?::\d{1,5})?[/?#]")
_OF_ID = (
    *("pass", "ausweis", "pasaporte", "ssn", "security", "steuer", "versicherung", "dni", "nif"),
    *("cpf", "dula", "sécurité", "licen", "schein", "cidad"),
)
_OF_ACCOUNT = ("konto", "sort", "routing", "cuenta", "conta", "compte", "account", "blz")
_LINK = re.compile(r"[/?#]|www\.", re.IGNORECASE)
_LINK = re.compile(
    r"(?:\b(?:https?|hxxps?|ftp)\s?:\s?/\s?/\s?|(?<![\w.-])www\."
    r"|(?<![\w.-])(?:[\w-]++\.)++(?<=\.)[a-z]{2,24}(?::\d{1,5})?[/?#])[^\s<>\[\]]+"
    r"|(?<![\w.-])(?:[\w-]++\.){1,4}(?:com|net|org|de|es|fr|pt|br|uk|io|eu)(?::\d{1,5})?"
    r"[/?#][^\s<>\[\]]+",
    re.IGNORECASE,
)
_ENDS = ".,;:!?)'\""

_IP6 = re.compile(r"(?<!\w)(?<!\w:)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?!\w|:\w)", re.IGNORECASE)
_DEVICE = re.compile(
    r"(?<!\w)(?<!\w[:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?!\w|[:-]\w)", re.I
)

_SPANISH = re.compile(
    r"(?<![\w-])([XYZ]?)[ -]?(\d(?:[. ]?\d){6,7})[ -]?([A-Z])(?!\w)", re.IGNORECASE
)
_SPANISH_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_OTHER_IDS = re.compile(
    r"(?<!\w)(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"  # British
    r"|\d\d ?(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d\d ?[A-Z] ?\d{3}"  # German pensions
    r"|\d{3}-\d{2}-\d{4}|\d{3}\.\d{3}\.\d{3}-\d{2})(?![\w-])",  # American, Brazilian
    re.IGNORECASE,
)
_ID_CUE = re.compile(
    r"\b((?:passport|reisepass|personalausweis|ausweis|pasaporte|passeport|passaporte|ssn"
    r"|social security|steuer-?id|steuernummer|sozialversicherung|dni|nif|cpf|cédula|cedula"
    r"|sécurité sociale|driving licence|driver'?s license|führerschein|cartão de cidadão)"
    r"(?:[ .:#°º-]|no\b|nr\b|num\b|n°|id\b|is\b|ist\b|es\b|est\b|é\b|number|s?nummer|número"
    r"|numéro){0,6})(?=[a-z./-]{0,6}\d)[a-z\d](?:[./-]?[a-z\d]){5,16}(?!\w)",
    re.IGNORECASE,
)

_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[ -]?\d[ -]?\d(?=[ .-]?[A-Z0-9])", re.IGNORECASE)
_IBAN_BODY = re.compile(r"(?:[ .-]{0,2}[A-Z0-9]){11,30}", re.IGNORECASE)
_IBAN_LENGTH = {
    "AT": 20, "BE": 16, "BR": 29, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18,
    "FR": 27, "GB": 22, "GR": 27, "HU": 28, "IE": 22, "IT": 27, "LI": 21, "LU": 20, "MC": 27,
    "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "SE": 24, "SK": 24, "TR": 26,
}  # fmt: skip
_ACCOUNT_CUE = re.compile(
    r"\b((?:kontonummer|konto-?nr|sort code|routing number|número de cuenta|numero de cuenta"
    r"|cuenta bancaria|conta bancária|conta corrente|compte bancaire|bank account(?: number)?|blz)"
    r"[ .:#°ºn]{1,4}(?:(?:is|ist|es|est|é)\s)?)\d[\d ./-]{3,22}\d",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """Replace e-mail addresses, links, accounts, identities and what is written in digits.

    Parameters
    ----------
    text : str
        With plain signs (`signs.plain`).
    """
    low = text.lower()
    if _any(_OF_EMAIL, low):
        text = _HANDLE.sub("[handle]", _EMAIL.sub("[e-mail]", text))
    if _any(_OF_LINK, low) and _MAY_BE_LINK.search(low):
        text = _LINK.sub(_link, text)
    if not digits.ANY.search(text):
        return text
    if text.count(":") > 1 or text.count("-") > 4:
        text = _DEVICE.sub("[id]", _IP6.sub(_ip6, text))
    text = _ibans(text)
    if _any(_OF_ID, low):
        text = _ID_CUE.sub(r"\1[id]", text)
    if _any(_OF_ACCOUNT, low):
        text = _ACCOUNT_CUE.sub(r"\1[account]", text)
    return digits.mask(_OTHER_IDS.sub("[id]", _SPANISH.sub(_spanish, text)))


def _any(cues: tuple[str, ...], text: str) -> bool:
    return any(cue in text for cue in cues)


def _link(found: re.Match[str]) -> str:
    whole = found.group()
    return "[link]" + whole[len(whole.rstrip(_ENDS)) :]


def _ip6(found: re.Match[str]) -> str:
    whole = found.group()
    signs = len(whole.replace(":", ""))
    return "[ip]" if signs > 2 and ("::" in whole or whole.count(":") == 7) else whole


def _spanish(found: re.Match[str]) -> str:
    first, number, letter = found.groups()
    number = re.sub(r"\D", "", number)
    if len(number) != (7 if first else 8):
        return found.group()
    value = int((str("XYZ".index(first.upper())) if first else "") + number)
    return "[id]" if _SPANISH_LETTERS[value % 23] == letter.upper() else found.group()


def _ibans(text: str) -> str:
    """Replace bank accounts in the international form, of their country's length."""
    parts, done = [], 0
    for start in _IBAN_START.finditer(text):
        if start.start() < done:
            continue
        body = _IBAN_BODY.match(text, start.end())
        end = _iban_end(start.group(), text, start.end(), body.end()) if body else 0
        if end:
            parts += [text[done : start.start()], "[account]"]
            done = end
    return "".join([*parts, text[done:]])


def _iban_end(start: str, text: str, begin: int, end: int) -> int:
    """Give where an IBAN ends that starts before ``begin`` and ends at ``end`` or before; or 0."""
    head = re.sub(r"\W", "", start).upper()
    length = _IBAN_LENGTH.get(head[:2], 0)
    places = [place for place in range(begin, end) if text[place].isalnum()]
    for whole in [length] if length else range(15, 35):
        count = whole - len(head)
        if not 0 < count <= len(places):
            continue
        last = places[count - 1] + 1
        body = "".join(text[place] for place in places[:count]).upper()
        apart = last == len(text) or not text[last].isalnum()
        if apart and _iban_checks(head, body):
            return last
    return 0


def _iban_checks(head: str, body: str) -> bool:
    number = "".join(str(int(sign, 36)) for sign in body + head)
    return int(number) % 97 == 1
