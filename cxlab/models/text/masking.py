"""Personal data in customers' words, replaced by their kind.

What is looked for lies in four rooms: `codes` (e-mail, links, accounts), `digits` (cards, phones),
`places` (addresses) and `people` (names). Each takes a text and gives it with a kind in brackets
where something was; every search is linear in the length of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cxlab.models.text import codes, people, places, signs

__all__ = ["KINDS", "Masked", "mask", "mask_counted"]

KINDS = (
    "e-mail",
    "link",
    "handle",
    "ip",
    "account",
    "card",
    "phone",
    "id",
    "address",
    "name",
)
_MASK = re.compile(r"\[(" + "|".join(KINDS) + r")\]")
# what one pass leaves, such as a name beside one that was masked, the next one finds
_PASSES = 4


class Masked(NamedTuple):
    """Texts without personal data, and how many of each kind were found."""

    texts: list[str]
    counts: dict[str, int]


def mask(texts: Sequence[str | None], names: Iterable[str] = ()) -> list[str]:
    """Replace personal data by their kind, such as ``[e-mail]``.

    Parameters
    ----------
    texts : sequence of str or None
        Comments, best cleaned (`cleaning.clean`): markup can hide an address.
    names : iterable of str
        Names that are known, of people, whole ("Anna Keller") or in part. Those that are words as
        well (`people.Known`) are masked beside another name alone.

    Returns
    -------
    list of str
        As many texts, in their order; masked once more they stay as they are. A text in which
        something was found has its odd signs (full-width digits, invisible ones) made plain.
    """
    return mask_counted(texts, names).texts


def mask_counted(texts: Sequence[str | None], names: Iterable[str] = ()) -> Masked:
    """Replace personal data by their kind and count them.

    Parameters
    ----------
    texts, names
        As for `mask`.

    Returns
    -------
    Masked
        The texts, and the number found of each of ``KINDS`` (those of none too).
    """
    given = [text if isinstance(text, str) else "" for text in texts]
    plain = [signs.plain(text) for text in given]
    known = people.Known(names, plain)
    found: Counter[str] = Counter()
    masked = []
    for text, seen in zip(given, plain, strict=True):
        masked.append(_masked(text, seen, known))
        if masked[-1] is not text:
            found.update(_MASK.findall(masked[-1]))
            found.subtract(_MASK.findall(text))
    return Masked(masked, {kind: found[kind] for kind in KINDS})


def _masked(text: str, plain: str, known: people.Known) -> str:
    """Give the text masked, or as it was given where nothing is in it."""
    masked = plain
    for _ in range(_PASSES):
        before = masked
        for search in (places.mask, codes.mask, known.mask):
            masked = search(masked)
        if masked == before:
            break
    return text if masked == plain else masked
