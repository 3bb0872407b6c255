"""Signs made plain: full-width digits, odd spaces, invisible signs, heaps of marks."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

__all__ = ["few_marks", "plain"]

# runs of all but plain Latin letters and the signs of prose, with the letter that a mark is on
_ODD = re.compile("(?s:.)?[^\x00-\x7fÀ-ÖØ-öø-ıĴ-ľŁ-ňŊ-ž€¡¿«»„“”]+")
_MOST_MARKS = 4


def plain(text: str) -> str:
    """Make odd signs plain: digits and letters of all widths, spaces, dashes, entities.

    Parameters
    ----------
    text : str
        Any; what is not seen is left out, lone surrogates too.
    """
    if "&" in text:
        text = html.unescape(html.unescape(text))
    return _ODD.sub(_made_plain, text)


def few_marks(text: str) -> str:
    """Leave at most four marks on a letter: with very many, normalising takes quadratic time.

    Parameters
    ----------
    text : str
        Any.
    """
    return text if text.isascii() else _many_marks().sub(r"\1", text)


def _made_plain(found: re.Match[str]) -> str:
    signs = _signs()
    text = few_marks(found.group().translate(signs))
    return unicodedata.normalize("NFKC", text).translate(signs)


@lru_cache(maxsize=1)
def _signs() -> dict[int, str | None]:
    """Give what stands for each odd sign; None for those not seen."""
    table: dict[int, str | None] = dict.fromkeys(range(0xD800, 0xE000))  # lone surrogates
    for code in (*range(128, 0xD800), *range(0xE000, 0x20000), *range(0xE0000, 0xE0200)):
        kind = unicodedata.category(sign := chr(code))
        if kind == "Cf" or 0xFE00 <= code <= 0xFE0F or code == 0x034F:
            table[code] = None
        elif kind == "Nd":
            table[code] = str(unicodedata.digit(sign))
        elif kind == "Zs":
            table[code] = " "
        elif kind == "Pd" or code == 0x2212:
            table[code] = "-"
    return table | dict.fromkeys(map(ord, "。․‧∙・"), ".") | {ord("’"): "'", ord("ʼ"): "'"}


@lru_cache(maxsize=1)
def _many_marks() -> re.Pattern[str]:
    marks = "".join(chr(code) for code in range(128, 0x20000) if unicodedata.combining(chr(code)))
    return re.compile(f"([{marks}]{{{_MOST_MARKS}}})[{marks}]+")
