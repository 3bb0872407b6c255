"""DuckDB: how it is opened, and what its errors mean to a user."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from cxlab.errors import AnalysisError, DataError, UsageError

__all__ = ["connect", "engine_error", "literal", "reading"]

_SIZE = re.compile(r"[1-9][0-9]*(\.[0-9]+)? *[KMGT]i?B", re.IGNORECASE)
# What DuckDB says of a broken CSV file, in our words.
_CSV_FAULTS = {
    "Expected Number of Columns": "it has not as many values as the header has columns",
    "unterminated quote": "a quote is not closed, or not doubled within a quoted value",
    "Invalid unicode": "it is not UTF-8 text",
    "Maximum line size": "it is too long; 2 MB are allowed",
    "invalid state": "its lines do not all end alike",
}


def literal(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def connect(time_zone: str, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open an engine of one's own.

    Parameters
    ----------
    time_zone : str
        What times without a zone are read in.
    memory_limit : str, optional
        Memory it may take, such as ``"4GB"``; beyond it, work spills to disk.

    Raises
    ------
    UsageError
        The memory limit is none.
    DataError
        The engine does not know the time zone.
    """
    if memory_limit is not None and not _SIZE.fullmatch(memory_limit.strip()):
        raise UsageError(f"memory limit is {memory_limit!r}; allowed: sizes such as 4GB or 800MB")
    connection = duckdb.connect()
    try:
        connection.execute(f"SET TimeZone = {literal(time_zone)}")
    except duckdb.Error as error:
        raise DataError(
            f"dataset.yml: time_zone is {time_zone!r}; allowed: names such as UTC or Europe/Berlin"
        ) from error
    # Work that spills goes where temporary files go, not to the folder cxlab runs in.
    spill = Path(tempfile.gettempdir()) / f"cxlab-{uuid.uuid4().hex}"
    connection.execute(f"SET temp_directory = {literal(str(spill))}")
    # What a query prints while it runs belongs to whoever runs it, never to stdout.
    # (Touching the setting where there can be no bar is an error in a notebook.)
    shown = connection.execute("SELECT current_setting('enable_progress_bar')")
    if shown.fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")
    if memory_limit is not None:
        connection.execute(f"SET memory_limit = {literal(memory_limit)}")
    return connection


def engine_error(error: Exception, where: str) -> Exception:
    """Word an error of the engine for a user; give any other error back as it is.

    Parameters
    ----------
    error : Exception
        What the engine said, maybe at length.
    where : str
        What was being read.
    """
    if not isinstance(error, duckdb.Error):
        return error
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException):
        return AnalysisError(f"{where}: it takes more memory than is allowed; allow more of it")
    for sign, words in _CSV_FAULTS.items():
        if sign in text:
            line = re.search(r"Line: (\d+)", text)
            file = re.search(r"^ *file = (.*)$", text, re.MULTILINE)
            at = f"line {line[1]}: " if line else ""
            part = f"{Path(file[1]).name}, " if file and not where.startswith(file[1]) else ""
            return DataError(f"{where}: {part}{at}{words}")
    reason = re.sub(r"^[A-Z][A-Za-z ]* Error: ", "", text.partition("\n")[0])
    return DataError(f"{where}: cannot be read ({reason})")


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turn the engine's errors within the block into ours.

    Parameters
    ----------
    where : str
        What is being read.

    Raises
    ------
    CxlabError
        As :func:`engine_error` words it.
    KeyboardInterrupt
        The engine was interrupted.
    """
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.Error as error:
        raise engine_error(error, where) from error
