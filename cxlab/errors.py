"""The errors a user may meet, each one clear line and tied to an exit code."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable

__all__ = ["AnalysisError", "CxlabError", "DataError", "UsageError", "masked", "one_of", "within"]

# Each begins with what is rare: a text may be a whole notebook with its pictures.
_PASSWORDS = (
    re.compile(r"(://[^\s/:@\"'\\]*:)[^\s/@\"'\\]+(?=@)"),
    re.compile(r"([?&](?:password|passwd|sslpassword)=)[^\s&\"'\\]+"),
)


def masked(text: str) -> str:
    """Take the passwords out of the addresses in a text.

    Parameters
    ----------
    text : str
        What is to be shown, or kept.
    """
    for password in _PASSWORDS:
        text = password.sub(r"\1***", text)
    return text


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
        """Fold the text to one line, without passwords: an error is read in a log."""
        return masked(" ".join(str(a) for a in self.args)).replace("\n", " ").strip()

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        """What IPython shows to somebody at the keyboard: one line.

        A run that nobody watches, such as papermill's, keeps the whole traceback, and so does
        who asks for it with ``%xmode Verbose``: there, this is not to be found.
        """
        if not _at_the_keyboard():
            raise AttributeError("_render_traceback_")
        return lambda: [f"\x1b[31m{type(self).__name__}\x1b[0m: {self}"]


class DataError(CxlabError):
    """A file's content is not what the contract, a spec or the registry allows."""


class AnalysisError(CxlabError):
    """The data are valid, but the analysis cannot be made from them."""


class UsageError(CxlabError):
    """Called wrongly: a path, an option or a parameter that cannot be."""

    exit_code = 2


def _at_the_keyboard() -> bool:
    """Tell whether IPython runs for somebody who could answer a question of it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or shell.InteractiveTB.mode == "Verbose":
        return False
    kernel = getattr(shell, "kernel", None)
    # Papermill and nbconvert tell the kernel that nobody will; a terminal has no kernel.
    return kernel is None or bool(getattr(kernel, "_allow_stdin", False))


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
