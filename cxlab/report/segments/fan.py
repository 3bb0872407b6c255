"""What ``each`` of a spec says: which segments there is to be a report for, and their folders."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["EACH", "Each", "read_each", "slug"]

EACH = "each"
"""The folder of the segments' folders, in OUT."""

_ALLOWED = "a column and its values, such as {plan: all} or {plan: [pro, basic]}"
_PLAIN = re.compile(r"[a-z0-9_]+=[a-z0-9_]+(-[a-z0-9_]+)*")
_LONGEST = 60


@dataclass(frozen=True)
class Each:
    """A report for each segment.

    Parameters
    ----------
    column : str
        An attribute of ``customers``, or ``owner`` of ``touchpoints``.
    values : tuple of str, or "all"
        As text; empty: those without any.
    """

    column: str
    values: tuple[str, ...] | Literal["all"]


def read_each(given: Any) -> Each:
    """Read ``each`` as a spec writes it.

    Parameters
    ----------
    given : object
        Of the YAML: one column, and ``all`` or a list of values.

    Raises
    ------
    ValueError
        It is nothing of the kind.
    """
    if isinstance(given, Each):
        return given
    if not (isinstance(given, dict) and len(given) == 1):
        raise ValueError(f"has to be {_ALLOWED}")
    [(column, values)] = given.items()
    if not isinstance(column, str) or not column.strip() or "=" in column:
        raise ValueError(f"names no column; allowed: {_ALLOWED}")
    if values == "all":
        return Each(column.strip(), "all")
    if not isinstance(values, list) or not values:
        raise ValueError(f"{column} has to be all, or a list of values")
    texts = [_text(column, value) for value in values]
    if twice := sorted({t for t in texts if texts.count(t) > 1}):
        raise ValueError(f"{column} has the value {twice[0]!r} twice")
    return Each(column.strip(), tuple(texts))


def _text(column: str, value: Any) -> str:
    """Write a value as the data have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | dt.date):
        return str(value).strip()
    if isinstance(value, int | float) and math.isfinite(value):
        from cxlab.data.segment import number_text  # here: it loads the engine

        return number_text(value)
    raise ValueError(
        f"{column} has the value {value!r}; allowed: texts, numbers, dates, true or false"
    )


def slug(where: str) -> str:
    """Give the name of a segment's folder: of plain letters, and of no other segment.

    What is plain already stays readable as it is. Anything else is told by its plain letters
    and, after two hyphens, by a hash of all of it.

    Parameters
    ----------
    where : str
        Such as ``plan=pro``.
    """
    if _PLAIN.fullmatch(where) and len(where) <= _LONGEST:
        return where.replace("=", "-", 1)
    plain = unicodedata.normalize("NFKD", where).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9_]+", "-", plain)[:_LONGEST].strip("-") or "segment"
    # a lone surrogate is no text that could be encoded plainly
    mark = hashlib.sha256(where.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{words}--{mark}"
