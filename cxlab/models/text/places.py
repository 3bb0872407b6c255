"""Addresses: a street and its number, a postcode and its town.

Every repetition is bounded, so that a search is linear.
"""

from __future__ import annotations

import re

from cxlab.models.text import digits

__all__ = ["mask"]

_CAP = r"[A-ZÀ-ÖØ-ÞŒŠŽŁ][\w'-]{1,30}"
_TOWN = (
    r"(?:(?:Bad|San|Santa|Santo|São|Los|Las|La|Le|El|New|Saint|St\.?|Sankt|Porto|Rio|Belo|Vila)\s)?"
    rf"{_CAP}(?:\s(?:am|an der|in der|im|de|del|de la|do|da|dos|sur|upon)\s{_CAP})?"
)
_CODE_TOWN = rf"(?:[A-Z]{{1,2}}-)?\d{{4,5}}(?:-\d{{3}})?(?:\s{_TOWN})?"
_NO_UNIT = (
    r"(?![\w%€$£]|[.,]\d|\s?(?:%|€|\$|£|(?i:minut|min\b|stunden|std|tage|woch|monat|jahre|euro|mal\b"
    r"|km|meter|prozent|uhr|gb|horas?|d[ií]as?|veces|vezes|años?|anos?|meses|semanas?|reais|hours?|weeks?|months?|years?"
    r"|days?|times?|fois|heures?|jours?|semaines?|mois)))"
)

_ENGLISH_WORDS = (
    *("street", "st", "road", "rd", "ave", "lane", "ln", "dr", "court", "ct", "square", "sq"),
    *("boulevard", "blvd", "close", "crescent", "terrace", "gardens", "highway", "hwy", "parkway"),
    *("pkwy", "grove", "mews", "way", "place"),
)
_ENGLISH = re.compile(
    r"(?<!\w)(?<!\w\.)\d{1,5}[A-Za-z]?,?\s(?:[A-Z0-9][\w'.-]{0,30}\s){1,3}"
    r"(?i:street|st|road|rd|avenue|ave|lane|ln|drive|dr|court|ct|square|sq|boulevard|blvd|close"
    r"|crescent|terrace|gardens|highway|hwy|parkway|pkwy|grove|mews|way|place)\b\.?"
    r"|(?<!\w)(?<!\w\.)\d{1,5}[a-z]?\s(?!(?:two|the|way|main|minutes?|mins?|hours?|hrs?|miles?|busy|in|on"
    r"|to|of|a|and|bis|ter|per|more|long|days?|weeks?|times?|different|other)\b)"
    r"[a-z]{3,30}\s(?:street|road|avenue|lane|boulevard)\b"
)
_GERMAN_WORDS = (
    *("straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "damm", "ufer", "chaussee"),
    *("steig", "pfad", "am ", "an d", "auf d", "unter den", "zum ", "zur ", "im "),
)
_GERMAN = re.compile(
    r"(?<![\w-])(?!(?:Park|Sitz|Steh|Stell|Arbeits|Heim|Hin|Rück|Um|Um|Weg|Schlicht|Durch|Rast)"
    r"(?:platz|weg)\s)(?i:[^\W\d_][\w-]{0,40}?(?:straße|strasse|str\.|weg|platz|allee|gasse|damm"
    rf"|ufer|chaussee|steig|pfad)|(?:{_CAP}\s)?(?:straße|strasse|str\.))"
    rf"\s\d{{1,4}}(?:\s?[a-zA-Z](?!\w))?{_NO_UNIT}"
    rf"|(?<!\w)(?:Am|An der|An den|Auf der|Auf dem|Unter den|Zum|Zur|Im)\s(?!Telefon|Januar|Februar"
    r"|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Montag|Dienstag|Mittwoch"
    rf"|Donnerstag|Freitag|Samstag|Sonntag|Ende|Shop|Tag|Jahr){_CAP}"
    r"\s\d{1,3}\s?[a-z]?(?=\s*(?:[,;.\n]|\d{5}\s|$))"
)
_NUMBER = r",?\s{0,2}(?:(?i:n[º°.o]{1,2}|núm\.?|num\.?|número|numero)\s?)?\d{1,5}"
_SOUTHERN_WORDS = (
    *(
        "calle",
        "c/",
        "avenida",
        "avda",
        "av ",
        "av.",
        "plaza",
        "pza",
        "paseo",
        "camino",
        "carretera",
    ),
    *("ctra", "ronda", "travesía", "rua", "r.", "travessa", "praça", "largo", "estrada", "alameda"),
    *("rodovia", "beco"),
)
_SOUTHERN = re.compile(
    r"(?<!\w)(?:[Cc]/\s?|(?i:calle|avenida|avda\.?|av\.?|plaza|pza\.?|paseo|camino|carretera|ctra\.?|ronda"
    r"|travesía|rua|r\.|travessa|praça|largo|estrada|alameda|rodovia|beco)\s)"
    r"(?:(?i:de|del|da|do|das|dos|la|las|los|el|los|dom|dona|san|santa|são)\s){0,3}"
    rf"(?:{_CAP}(?:\s(?:(?:de|del|da|do|das|dos|la|las|los|y|e)\s){{0,2}}{_CAP}){{0,4}}"
    rf"|[^\W\d_]{{3,30}}){_NUMBER}{_NO_UNIT}"
)
_FRENCH_WORDS = (
    *("rue", "avenue", "av.", "boulevard", "bd", "place", "chemin", "allée", "impasse", "quai"),
    *("route", "cours", "square", "passage", "faubourg"),
)
_FRENCH = re.compile(
    r"(?<!\w)(?<!\w\.)\d{1,4}\s?(?:bis|ter|quater|[A-D](?=[\s,]))?,?\s(?:"
    r"(?i:rue|avenue|av\.|boulevard|bd\.?|place|chemin|allées?|impasse|quai|route|cours|square"
    r"|passage|faubourg)\s(?:(?:de la|des|du|de|la|le|les)\s|(?:de l|d|l)'){0,2}"
    rf"{_CAP}(?:\s(?:(?:de|du|des|la|le|et)\s){{0,2}}{_CAP}){{0,4}}"
    r"|(?i:rue|avenue|boulevard|impasse|chemin)\s(?:(?:de la|des|du|de|la|le|les)\s|(?:de l|d|l)')"
    r"{0,2}[^\W\d_]{3,30})"
)
_BOX = re.compile(
    r"(?<!\w)(?:(?i:p\.?\s?o\.?\s?box|postfach|apartado(?: de correos)?|caixa postal|casilla)|BP)"
    r"\s\d{1,6}(?!\w)"
)
_BRITISH = re.compile(r"(?<!\w)[A-Z]{1,2}\d[A-Z\d]?\s?\d(?!GB|TB)[ABD-HJLNP-UW-Z]{2}(?!\w)")
_AMERICAN = re.compile(
    rf"(?<!\w){_CAP}(?:\s{_CAP})?,\s(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]"
    r"|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s\d{5}(?:-\d{4})?(?!\d)"
)
_POSTCODE = re.compile(
    r"(?<!\w)(?<!\w[.,:-])(?<!#)(?<!\d[\s./-])(?:(?:DE?|ES?|FR?|A|CH)-)?(?!\d\d000\s)\d{5}\s"
    r"(?!(?i:euro|eur|kunden|punkte|meilen|kilometer|km|stück|schritte|nutzer|mitarbeiter|personen"
    r"|mal|leute|menschen|einwohner|watt|mb|gb|kwh|tage|stunden|minuten|sekunden|uhr|dollar|franken"
    r"|zeichen|seiten|anrufe|mails|prozent|points?|ich|wir|die|der|das|und|i|we|the)\b)"
    rf"{_TOWN}"
    rf"|(?<!\w)(?<!\w[.,:-])(?<!#)(?<!\d[\s./-])(?:\d{{4}}-\d{{3}}\s{_TOWN}|\d{{5}}-\d{{3}}(?![\d-])"
    rf"(?:\s{_TOWN})?|(?:A|CH|L|B)-\d{{4}}\s{_TOWN})"
)
_BESIDE = re.compile(rf"\[address\](?:[,;]?\s{{1,2}}(?:{_CODE_TOWN}|\[address\]))+")
# each with what one of must be in the text, in small letters: most texts are over soon
_SEARCHES = (
    (_ENGLISH, _ENGLISH_WORDS),
    (_GERMAN, _GERMAN_WORDS),
    (_SOUTHERN, _SOUTHERN_WORDS),
    (_FRENCH, _FRENCH_WORDS),
    (_BOX, ("box", "postfach", "apartado", "caixa", "casilla", "bp ")),
    (_BRITISH, ("",)),
    (_AMERICAN, (", ",)),
)


def mask(text: str) -> str:
    """Replace addresses.

    Parameters
    ----------
    text : str
        With plain signs (`signs.plain`).
    """
    if not digits.ANY.search(text):
        return text
    low = text.lower()
    for search, cues in _SEARCHES:
        if any(cue in low for cue in cues):
            text = search.sub("[address]", text)
    text = _POSTCODE.sub(_postcode, text)
    return _BESIDE.sub("[address]", text)


def _postcode(found: re.Match[str]) -> str:
    return found.group() if digits.ordered(found.string, found.start()) else "[address]"
