"""The errors a user may meet, each one clear line and tied to an exit code."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["AnalysisError", "CxlabError", "DataError", "UsageError", "one_of", "within"]


class CxlabError(Exception):
    """Anything cxlab refuses; its text is one line for the user.

    Attributes
    ----------
    exit_code : int
        What the command line exits with: 1 when a file's content or an
        analysis failed, 2 when cxlab was called wrongly.
    """

    exit_code = 1

    def __str__(self) -> str:
        """Fold the text to one line: an error is read in a log."""
        return " ".join(str(a) for a in self.args).replace("\n", " ").strip()


class DataError(CxlabError):
    """A file's content is not what the contract, a spec or the registry allows."""


class AnalysisError(CxlabError):
    """The data are valid, but the analysis cannot be made from them."""


class UsageError(CxlabError):
    """Called wrongly: a path, an option or a parameter that cannot be."""

    exit_code = 2


def one_of(what: str, value: object, allowed: Iterable[object]) -> str:
    """Word the error for a value that is not among those allowed.

    Parameters
    ----------
    what : str
        What the value is for, such as ``"report.yml: notebook"``.
    value : object
        The value met.
    allowed : iterable
        The values that would have been accepted.
    """
    return f"{what} is {value!r}; allowed: {', '.join(str(a) for a in allowed)}"


def within(low: float, high: float = math.inf, **given: float) -> None:
    """Refuse options that are out of their bounds.

    Parameters
    ----------
    low, high : float
        The least and the most that is allowed.
    **given
        Options by name.

    Raises
    ------
    UsageError
        One of them is less, or more, or no number.
    """
    allowed = f"{low} and more" if math.isinf(high) else f"{low} to {high}"
    for name, value in given.items():
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}; allowed: {allowed}")
