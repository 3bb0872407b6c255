"""A dataset as the first notebook of a run opened it, handed to those that follow.

Each would else read the files, take its segment out and look through every row again. What was
opened lies in one DuckDB file, in a folder that is this user's alone and gone when the run has
ended; a notebook that finds no such file, or none that can be read, opens the dataset itself.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw

from cxlab.data.check import SetAside
from cxlab.data.contract import SNAPSHOT, TABLES
from cxlab.data.engine import literal
from cxlab.data.segment import Segment
from cxlab.data.sources import DuckFile, Files, Folder, TypedTable
from cxlab.errors import DataError

__all__ = ["VARIABLE", "Opened", "handed_on"]

VARIABLE = "CXLAB_OPENED"
"""The environment variable that names the folder; without it nothing is handed on."""
_MOST_BYTES = 1 << 30
"""Of a dataset's files: larger ones are not hashed for it."""
_ALIAS = "cx_opened"
_TOLD = "cx_told"
_FORMS = {**{t.name: t for t in TABLES.values()}, "snapshot": SNAPSHOT}


@dataclass(frozen=True)
class Opened:
    """A dataset's tables, checked.

    Parameters
    ----------
    as_of : datetime.date
        The last day seen.
    read : dict of TypedTable
        The tables as read, of the segment alone.
    kept : dict of LazyFrame
        The rows to be used.
    set_aside : tuple of SetAside
        The rows left out, and why.
    segment : Segment, optional
        What it is a part of the data by.
    """

    as_of: dt.date
    read: dict[str, TypedTable]
    kept: dict[str, nw.LazyFrame[Any]]
    set_aside: tuple[SetAside, ...]
    segment: Segment | None


def handed_on(files: Files, asked: str, make: Callable[[], Opened]) -> Opened:
    """Give what was opened before, else open it, and hand it on where that is worth it.

    Parameters
    ----------
    files : Files
        The place; only a folder whose tables are all held (:meth:`Files.holds`) is handed on.
    asked : str
        All that the tables depend on besides the files.
    make : callable
        Opens the dataset.
    """
    folder = os.environ.get(VARIABLE)
    if not folder or not _suits(files):
        return make()
    assert isinstance(files, Folder)
    try:
        everything = json.dumps([files.noted(), asked])
    except (OSError, DataError):  # one is gone, which to say is for whoever reads it
        return make()
    path = Path(folder) / f"{hashlib.sha256(everything.encode()).hexdigest()}.duckdb"
    if (found := _taken(files, path)) is not None:
        return found
    made = make()
    if all(files.holds(name, made.read) for name in made.read):
        _hand_on(files, path, made)
        return _taken(files, path) or made
    return made


def _suits(files: Files) -> bool:
    """Tell whether the files' hashes tell what is read, and can be had in no time."""
    if not isinstance(files, Folder) or isinstance(files, DuckFile) or files.lake is not None:
        return False
    try:
        return sum(f.stat().st_size for some in files.files.values() for f in some) <= _MOST_BYTES
    except (OSError, DataError):
        return False


def _hand_on(files: Folder, path: Path, made: Opened) -> None:
    """Write it aside, then rename; without room or leave nothing is handed on."""
    aside = path.with_name(f"{uuid.uuid4().hex}.aside")
    run = files.connection.execute
    told = {
        "as_of": made.as_of.isoformat(),
        "read": {name: _told(typed) for name, typed in made.read.items()},
        "set_aside": [asdict(s) for s in made.set_aside],
        "segment": made.segment and asdict(made.segment),
    }
    with contextlib.suppress(OSError, duckdb.Error):
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            run(f"ATTACH {literal(str(aside))} AS {_ALIAS}")
            try:
                for name, frame in made.kept.items():
                    nw.to_native(frame).create(f"{_ALIAS}.{name}")
                run(f"CREATE TABLE {_ALIAS}.{_TOLD} AS SELECT ? AS told", [json.dumps(told)])
            finally:
                run(f"DETACH {_ALIAS}")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
            aside.with_name(f"{aside.name}.wal").unlink(missing_ok=True)


def _taken(files: Folder, path: Path) -> Opened | None:
    """Read what was handed on; None where nothing was, or not what was written."""
    if not path.is_file():
        return None
    run = files.connection.execute
    try:
        run(f"ATTACH {literal(str(path))} AS {_ALIAS} (READ_ONLY)")
        [(text,)] = run(f"SELECT told FROM {_ALIAS}.{_TOLD}").fetchall()
        told = json.loads(text)
        read = {name: _typed(**about) for name, about in told["read"].items()}
        kept = {name: files.table(f"{_ALIAS}.{name}") for name in read}
    except (OSError, ValueError, duckdb.Error):
        with contextlib.suppress(duckdb.Error):
            run(f"DETACH {_ALIAS}")
        return None
    return Opened(
        as_of=dt.date.fromisoformat(told["as_of"]),
        read=read,
        kept=kept,
        set_aside=tuple(_aside(**about) for about in told["set_aside"]),
        segment=told["segment"] and Segment(**told["segment"]),
    )


def _told(typed: TypedTable) -> dict[str, Any]:
    form = "snapshot" if typed.table is SNAPSHOT else typed.table.name
    about = {n: getattr(typed, n) for n in ("file", "columns", "attributes", "ignored", "rows")}
    return {"form": form, **about}


def _typed(form: str, columns: list[str], ignored: list[str], **rest: Any) -> TypedTable:
    return TypedTable(table=_FORMS[form], columns=tuple(columns), ignored=tuple(ignored), **rest)


def _aside(examples: list[dict[str, str]], **rest: Any) -> SetAside:
    return SetAside(examples=tuple(examples), **rest)
