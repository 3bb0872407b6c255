"""DuckDB: how it is opened, and what the engines' errors mean to a user."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from cxlab.data.spark.wording import is_spark, spark_error
from cxlab.errors import AnalysisError, DataError, UsageError

__all__ = [
    "MEMORY_LIMIT",
    "MEMORY_VARIABLE",
    "connect",
    "engine_error",
    "interrupt",
    "literal",
    "may_repeat",
    "reading",
    "refuse_no_size",
    "remove_spill",
]

_SIZE = re.compile(r"[1-9][0-9]*(\.[0-9]+)? *[KMGT]i?B", re.IGNORECASE)
MEMORY_LIMIT = "60%"
"""How much memory an engine may take by default: of the machine's, or of the container's."""
MEMORY_VARIABLE = "CXLAB_MEMORY_LIMIT"
"""What tells a notebook's process of a report another default."""
_SPILL, _LOCK = "cxlab-spill-", "in_use"
# Rows looked at before a key is taken to rise; keys grouped at once, and in how many parts.
_LOOK, _AT_ONCE, _MOST_PARTS = 100_000, 30_000_000, 4
# No WeakSet: Python code that runs when a connection goes would swallow a signal's exception.
_open: list[weakref.ref[duckdb.DuckDBPyConnection]] = []
_spills: dict[tuple[Path, int], Path] = {}
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
        Memory it may take, such as ``"4GB"``; beyond it, work spills to disk (default:
        what :data:`MEMORY_VARIABLE` says, else :data:`MEMORY_LIMIT`).

    Raises
    ------
    UsageError
        The memory limit is none.
    DataError
        The engine does not know the time zone.
    """
    if memory_limit is not None:
        refuse_no_size(memory_limit)
    connection = duckdb.connect()
    try:
        connection.execute(f"SET TimeZone = {literal(time_zone)}")
    except duckdb.Error as error:
        raise DataError(
            f"dataset.yml: time_zone is {time_zone!r}; allowed: names such as UTC or Europe/Berlin"
        ) from error
    spill = _spill_folder() / uuid.uuid4().hex
    connection.execute(f"SET temp_directory = {literal(str(spill))}")
    # What a query prints while it runs belongs to whoever runs it, never to stdout.
    # (Touching the setting where there can be no bar is an error in a notebook.)
    shown = connection.execute("SELECT current_setting('enable_progress_bar')")
    if shown.fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar = false")
    share = os.environ.get(MEMORY_VARIABLE) or MEMORY_LIMIT
    connection.execute(f"SET memory_limit = {literal(memory_limit or share)}")
    _open[:] = [known for known in _open if known() is not None]
    _open.append(weakref.ref(connection))
    return connection


def refuse_no_size(memory_limit: str) -> None:
    """Refuse a memory limit that is no size.

    Parameters
    ----------
    memory_limit : str
        What was given.

    Raises
    ------
    UsageError
        It is no size.
    """
    if not _SIZE.fullmatch(memory_limit.strip()):
        raise UsageError(f"memory limit is {memory_limit!r}; allowed: sizes such as 4GB or 800MB")


def interrupt() -> None:
    """End what any engine of this process is working on; may be called by any thread."""
    for known in list(_open):
        if (connection := known()) is not None:
            connection.interrupt()


def _spill_folder() -> Path:
    """Give this process's folder for work that spills; a lock tells others that it is in use.

    An engine removes its own folder within when it is closed, the process the whole at its
    end. One that was killed cannot: the next to come does, as nobody holds the lock.
    """
    above, process = Path(tempfile.gettempdir()), os.getpid()
    if (above, process) not in _spills:
        for left in above.glob(f"{_SPILL}*"):
            with contextlib.suppress(OSError):
                _remove_unused(left)
        # Under another name until it is locked, so that nobody takes it for one left behind.
        made = Path(tempfile.mkdtemp(prefix=".cxlab-", dir=above))
        lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = made.with_name(_SPILL + made.name.removeprefix(".cxlab-"))
        _spills[above, process] = made.rename(folder)
    return _spills[above, process]


def _remove_unused(folder: Path) -> None:
    if folder.lstat().st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(lock)


@atexit.register
def remove_spill() -> None:
    """Remove what this process spilled, at its end."""
    for (above, process), folder in list(_spills.items()):
        if process == os.getpid():  # what a fork inherits is not its own
            shutil.rmtree(folder, ignore_errors=True)
            del _spills[above, process]


def may_repeat(frame: nw.LazyFrame[Any], key: Sequence[str], rows: int) -> bool:
    """Tell whether any two rows may share a key: never False where they do.

    A key that rises from row to row repeats nowhere: one look at each row, and no memory.
    Else hashes of 64 bits are grouped, some of them at a time, as grouping them all at once
    is slower and takes several times the memory. That two keys share a hash is rare, so True
    has to be looked into.

    Parameters
    ----------
    frame : LazyFrame
        The rows.
    key : sequence of str
        The key's columns.
    rows : int
        About how many rows there are.
    """
    if not frame.implementation.is_duckdb():
        return True  # another engine groups them in the first place
    relation = nw.to_native(frame)
    names = ['"' + c.replace('"', '""') + '"' for c in key]
    if len(key) == 1 and _rises(relation.limit(_LOOK), names[0]) and _rises(relation, names[0]):
        return False
    hashes = relation.project(f"hash({', '.join(names)}) AS cx_hash")
    parts = min(1 + rows // _AT_ONCE, _MOST_PARTS)
    for part in range(parts):
        some = hashes.filter(f"cx_hash % {parts} = {part}") if parts > 1 else hashes
        repeated = some.aggregate("cx_hash, count(*) AS cx_n", "cx_hash").filter("cx_n > 1")
        if repeated.limit(1).fetchall():
            return True
    return False


def _rises(relation: duckdb.DuckDBPyRelation, column: str) -> bool:
    """Tell whether each value is above the one that comes before it, in whatever order."""
    steps = relation.project(f"{column} > lag({column}) OVER () AS cx_up")
    # Of the first row, which has none before it, and of a null, the answer is null.
    told = steps.aggregate("count(*) - count(cx_up), bool_and(cx_up)").fetchall()
    return bool(told == [(1, True)])


def engine_error(error: Exception, where: str) -> Exception:
    """Word an error of the engine for a user; give any other error back as it is.

    Parameters
    ----------
    error : Exception
        What the engine said, maybe at length.
    where : str
        What was being read.
    """
    if is_spark(error):
        return spark_error(error, where)
    if not isinstance(error, duckdb.Error):
        return error
    text = str(error)
    if "max_temp_directory_size" in text or "No space left on device" in text:
        return AnalysisError(
            f"{where}: the disk is full: work that spills needs more room in "
            f"{tempfile.gettempdir()}; free some, name another place with TMPDIR, or allow more "
            "memory"
        )
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
    except Exception as error:
        if (told := engine_error(error, where)) is error:
            raise
        raise told from error
