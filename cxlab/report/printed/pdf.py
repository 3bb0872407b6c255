"""A run as a PDF, printed by Chromium: page numbers, contents, bookmarks, text that is text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cxlab.errors import AnalysisError, DataError
from cxlab.report.printed.book import read_book
from cxlab.report.tables import write_text

__all__ = ["PDF", "find_chromium", "make_pdf"]

PDF = "report.pdf"
"""What the file is called."""
CHROMIUM = "CXLAB_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LIMIT_SECONDS = 600.0
_PASSES = 4  # the contents can be filled in once it is known where everything fell
_NOISE = ("dbus", "bytes written", "DevTools", "unexpected operator")
_OPTIONS = (
    *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--disable-breakpad", "--no-pdf-header-footer"),
    "--generate-pdf-document-outline",
)


def find_chromium() -> str:
    """Give the browser that prints: ``CXLAB_CHROMIUM``, else one on the PATH.

    Raises
    ------
    DataError
        There is none.
    """
    named = os.environ.get(CHROMIUM)
    names = [named] if named else _NAMES
    for name in names:
        if found := shutil.which(name):
            return found
    if named:
        raise DataError(f"{CHROMIUM} is {named!r}; allowed: a program, Chromium or Chrome")
    raise DataError(
        "publish.formats has pdf, which Chromium prints, and there is none on the PATH "
        f"({', '.join(_NAMES)}): install Chromium, name it in {CHROMIUM}, or leave out pdf"
    )


def make_pdf(folder: Path, work: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``report.pdf``, and tell how that went.

    Parameters
    ----------
    folder : pathlib.Path
        The run, all its pages written.
    work : pathlib.Path
        A folder for what is not published.
    manifest : mapping
        The run's manifest.

    Returns
    -------
    dict
        ``seconds``, ``pages`` (None where there is no file) and ``error`` (None where there is).
    """
    begun = time.monotonic()
    told: dict[str, Any] = {"pages": None, "error": None}
    try:
        told["pages"] = _print_book(folder, work, manifest)
    except (AnalysisError, DataError) as error:
        told["error"] = str(error)
    return {"seconds": round(time.monotonic() - begun, 1), **told}


def _print_book(folder: Path, work: Path, manifest: Mapping[str, Any]) -> int:
    """Print until the page numbers that the contents tell are those where things are."""
    book, browser = read_book(folder, manifest), find_chromium()
    source, target = work / "book.html", work / PDF
    numbers: dict[str, int] = {}
    deadline = time.monotonic() + _LIMIT_SECONDS
    for _ in range(_PASSES):
        write_text(source, book.html(numbers))
        _print(browser, source, target, deadline)
        pages, found = _places(target)
        if found == numbers:
            target.replace(folder / PDF)
            return pages
        numbers = found
    raise AnalysisError(f"{PDF}: the page numbers did not settle in {_PASSES} passes")


def _places(path: Path) -> tuple[int, dict[str, int]]:
    """Tell how many pages there are, and on which each anchor is that something points at."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(path)
        named = reader.named_destinations.items()
        places = {
            name.removeprefix("/"): reader.get_destination_page_number(place)
            for name, place in named
        }
        return len(reader.pages), {name: k + 1 for name, k in places.items() if k is not None}
    except (PyPdfError, OSError, ValueError) as error:
        raise AnalysisError(f"{PDF}: what Chromium printed cannot be read ({error})") from None


def _print(browser: str, source: Path, target: Path, deadline: float) -> None:
    """Have Chromium print a page; nothing of it stays but the file."""
    home = source.parent / "chromium"
    home.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    places = ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root cannot have one
    command = [browser, *_OPTIONS, *sandbox, f"--user-data-dir={home.resolve()}"]
    command += [f"--print-to-pdf={target.resolve()}", source.resolve().as_uri()]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(places, str(home.resolve()))},
            start_new_session=True,  # Ctrl-C is for cxlab, which then ends all of it
        )
    except OSError as error:
        raise AnalysisError(f"{PDF}: Chromium does not start ({error.strerror})") from None
    try:
        _, said = process.communicate(timeout=max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        raise AnalysisError(f"{PDF}: not printed after {_LIMIT_SECONDS:g} s") from None
    finally:
        _end(process)
    if process.returncode or not target.is_file():
        raise AnalysisError(f"{PDF}: Chromium did not print it ({_last_line(said)})")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    with suppress(ProcessLookupError):  # all of it is gone
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr:
        process.stderr.close()


def _last_line(said: bytes) -> str:
    """Give the last thing a browser said that is about printing."""
    lines = [each.strip() for each in said.decode(errors="replace").splitlines()]
    told = [each for each in lines if each and not any(n in each for n in _NOISE)]
    return told[-1][:300] if told else "it said nothing"
