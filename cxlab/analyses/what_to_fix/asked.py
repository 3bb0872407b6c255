"""What the reader asks: by how much failures fall, where and from when; how easy a fix is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cxlab.errors import UsageError, one_of

__all__ = ["Wish", "ease_of", "wishes"]

_NUMBER = r"[0-9]{1,3}(?:\.[0-9]{1,4})?"
_ITEM = re.compile(
    rf"(?P<name>.+?)\s+[-\u2212]\s*(?P<share>{_NUMBER})\s*%(?:\s+from\s+(?P<since>\S+))?"
)
_EASY = re.compile(r"(?P<name>.+?)\s*=\s*(?P<ease>\S+)")


@dataclass(frozen=True)
class Wish:
    """Failures at a touchpoint fall by a share, from a day on.

    Parameters
    ----------
    touchpoint : str
        Where.
    share : float
        Above 0 and up to 1.
    since : datetime.date or None
        From when; None: from the day after the data end.
    """

    touchpoint: str
    share: float
    since: dt.date | None = None


def wishes(text: str, touchpoints: Sequence[str]) -> tuple[Wish, ...]:
    """Read a scenario such as ``delivery -30% from 2026-07-01; support-call -50%``.

    Parameters
    ----------
    text : str
        Changes, parted by semicolons; a day may be a month (``2026-07``).
    touchpoints : sequence of str
        Those there are.

    Returns
    -------
    tuple of Wish
        In the order given; empty of an empty text.

    Raises
    ------
    UsageError
        A change cannot be read, names no touchpoint that there is, or one twice.
    """
    found: list[Wish] = []
    for item in _items(text):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise UsageError(
                f"scenario: {item!r} is not understood; allowed is such as "
                "'delivery -30% from 2026-07-01; support-call -50%'"
            )
        name = _known("scenario", match["name"], touchpoints)
        if name in {w.touchpoint for w in found}:
            raise UsageError(f"scenario: {name} is named twice")
        share = float(match["share"]) / 100
        if not 0 < share <= 1:
            raise UsageError(f"scenario: {name}: {match['share']}% is not above 0 and up to 100")
        found.append(Wish(name, share, _day(name, match["since"])))
    return tuple(found)


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(";") if item.strip()]


def _known(what: str, name: str, touchpoints: Sequence[str]) -> str:
    if name in touchpoints:
        return name
    alike = [t for t in touchpoints if t.casefold() == name.casefold()]
    if len(alike) != 1:
        raise UsageError(one_of(f"{what}: the touchpoint", name, touchpoints))
    return alike[0]


def _day(name: str, text: str | None) -> dt.date | None:
    if text is None:
        return None
    for form in ("%Y-%m-%d", "%Y-%m"):
        try:
            return dt.datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise UsageError(f"scenario: {name}: {text!r} is no day; allowed is such as 2026-07-01")


def ease_of(text: str, touchpoints: Sequence[str]) -> dict[str, int]:
    """Read how easy touchpoints are to fix, such as ``delivery=2; support-call=4``.

    Parameters
    ----------
    text : str
        Touchpoints with a number from 1 (hard) to 5 (easy), parted by semicolons.
    touchpoints : sequence of str
        Those there are.

    Raises
    ------
    UsageError
        Something cannot be read, names no touchpoint that there is, or one twice.
    """
    found: dict[str, int] = {}
    for item in _items(text):
        match = _EASY.fullmatch(item)
        if match is None or not re.fullmatch("[1-5]", match["ease"]):
            raise UsageError(
                f"ease: {item!r} is not understood; allowed is such as 'delivery=2; "
                "support-call=4', from 1 (hard) to 5 (easy)"
            )
        name = _known("ease", match["name"], touchpoints)
        if name in found:
            raise UsageError(f"ease: {name} is named twice")
        found[name] = int(match["ease"])
    return found
