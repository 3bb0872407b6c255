"""Snapshots of a database: Parquet files in a dataset's ``.cache/snapshots``, whole or not seen.

A snapshot is taken in a hidden folder that its process holds a lock on, and renamed when all
tables are whole. What a cut extraction leaves is taken over by the next one. A new snapshot
replaces those before it, but for those that are being read and those that a run names.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import shutil
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from cxlab.data.locks import locked
from cxlab.errors import DataError

__all__ = ["Manifest", "Snapshot", "Taking", "Written", "newest", "open_snapshot", "taking"]

LATEST = "latest"
_MANIFEST = "manifest.json"
_RUNS = "runs.txt"
_TAKING = ".taking-"
_PART = ".part"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Written(_Part):
    """A table that was written whole.

    Parameters
    ----------
    rows, bytes : int
        Of its Parquet file.
    sha256 : str
        Of its Parquet file.
    read : str
        SHA-256 of what was read: the relation's number, its columns and the query.
    seen : str
        The server's snapshot that it was read in, ``xmin:xmax:others``.
    left : tuple of str
        Columns of the database that were not read.
    """

    rows: int
    bytes: int
    sha256: str
    read: str
    seen: str
    left: tuple[str, ...]


class Manifest(_Part):
    """What a snapshot holds and where it is from; never who asked, nor the password.

    Parameters
    ----------
    place : str
        SHA-256 of host, port, database and schema.
    taken : str
        When the transaction began that all tables are the state of, UTC.
    server : str
        The server's version.
    cluster : str
        The server's own number and the database's; empty where it does not tell.
    seen : str
        The server's snapshot that all tables are the state of.
    tables : dict of str to Written
        The tables.
    """

    format: Literal[1] = 1
    place: str
    taken: str
    server: str
    cluster: str
    seen: str
    tables: dict[str, Written] = {}


class Snapshot:
    """A whole snapshot, held against being replaced as long as this object lives.

    Parameters
    ----------
    folder : Path
        Its folder, a dataset's folder in itself.
    manifest : Manifest
        What it holds.
    lock : int
        A descriptor of the folder that is locked; closed with this object.
    """

    def __init__(self, folder: Path, manifest: Manifest, lock: int) -> None:
        self.folder = folder
        self.manifest = manifest
        weakref.finalize(self, os.close, lock)

    @property
    def name(self) -> str:
        """Its name, which begins with the time it was taken."""
        return self.folder.name

    def keep_for(self, run: Path) -> None:
        """Keep it as long as a run is there, so that it can be gone on with, or made again.

        Parameters
        ----------
        run : Path
            The run's folder, published or not.
        """
        with (self.folder / _RUNS).open("a", encoding="utf-8") as file:
            file.write(f"{run.resolve()}\n")


class Taking:
    """A snapshot that is being taken.

    Parameters
    ----------
    folder : Path
        Where.
    lock : int
        A descriptor of the folder, locked.
    before : Manifest, optional
        What an extraction that was cut has left here.
    """

    def __init__(self, folder: Path, lock: int, before: Manifest | None) -> None:
        self.folder = folder
        self.before = before
        self.snapshot: Snapshot | None = None
        self._lock = lock

    def aside(self, table: str) -> Path:
        """Give the file that a table is written to before it is whole."""
        return self.folder / f"{table}{_PART}"

    def whole(self, table: str) -> Path:
        """Give the file of a table that is whole."""
        return self.folder / f"{table}.parquet"

    def save(self, manifest: Manifest) -> None:
        """Note what is whole by now."""
        path = self.aside(_MANIFEST)
        path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        path.replace(self.folder / _MANIFEST)

    def finish(self, manifest: Manifest) -> None:
        """Publish the snapshot by one rename, and remove those that nobody needs any more."""
        self.save(manifest)
        for file in self.folder.glob("*.parquet"):
            if file.stem not in manifest.tables:
                file.unlink()
        root = self.folder.parent
        moment = dt.datetime.fromisoformat(manifest.taken)
        final = root / f"{moment:%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
        with locked(root):
            self.folder.rename(final)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            self.snapshot = Snapshot(final, manifest, self._lock)
            _prune(root)

    def clear(self) -> None:
        """Remove what is not whole."""
        for file in self.folder.glob(f"*{_PART}"):
            file.unlink(missing_ok=True)

    def leave(self) -> None:
        """Remove what is not whole; where nothing is, the folder."""
        if self.snapshot is not None:
            return
        self.clear()
        if not any(self.folder.glob("*.parquet")):
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def _root(dataset: Path) -> Path:
    return dataset / ".cache" / "snapshots"


@contextlib.contextmanager
def taking(dataset: Path, place: str) -> Iterator[Taking]:
    """Take a snapshot, or go on with one that was cut.

    Parameters
    ----------
    dataset : Path
        The dataset's folder.
    place : str
        SHA-256 of where the data are from.

    Raises
    ------
    DataError
        Nothing can be written there, or the disk is full.
    """
    root = _root(dataset)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root):
            taken = _adopt(root, place) or _begin(root)
        try:
            yield taken
        finally:
            taken.leave()
    except OSError as error:
        raise DataError(f"{root}: cannot be written ({error.strerror or error})") from None


def _begin(root: Path) -> Taking:
    folder = root / f"{_TAKING}{uuid.uuid4().hex}"
    folder.mkdir(mode=0o700)  # customers' data are nobody else's to read
    lock = _lock(folder, fcntl.LOCK_EX)
    assert lock is not None
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    return Taking(folder, lock, None)


def _adopt(root: Path, place: str) -> Taking | None:
    """Take over what a process that is gone has left of this place; remove other such."""
    found: Taking | None = None
    for folder in sorted(root.glob(f"{_TAKING}*")):
        if (lock := _lock(folder, fcntl.LOCK_EX)) is None:
            continue
        manifest = _read(folder)
        if found is None and manifest is not None and manifest.place == place:
            found = Taking(folder, lock, manifest)
            found.clear()
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
    return found


def open_snapshot(dataset: Path, name: str, place: str | None) -> Snapshot:
    """Open a snapshot that is there.

    Parameters
    ----------
    dataset : Path
        The dataset's folder.
    name : str
        Its name, or ``latest``.
    place : str, optional
        SHA-256 of where the data have to be from, where that is known.

    Raises
    ------
    DataError
        There is no such snapshot, it is of another place, or it is damaged.
    """
    root = _root(dataset)
    if name == LATEST and (name := newest(dataset, place)) == "":
        raise DataError(f"{root}: there is no snapshot of this database yet")
    folder = root / name
    lock = None
    if Path(name).name == name and not name.startswith(".") and folder.is_dir():
        with locked(root):
            lock = _lock(folder, fcntl.LOCK_SH)
    if lock is None:
        there = ", ".join(sorted(p.name for p in root.glob("[0-9]*"))) or "none"
        raise DataError(f"{root}: there is no snapshot {name!r}; there: {there}")
    manifest = _read(folder)
    try:
        if manifest is None:
            raise DataError(f"{folder / _MANIFEST}: cannot be read; take a new snapshot")
        if place not in (None, manifest.place):
            raise DataError(f"{folder}: a snapshot of another database than source.url names")
        _refuse_damaged(folder, manifest)
    except DataError:
        os.close(lock)
        raise
    return Snapshot(folder, manifest, lock)


def newest(dataset: Path, place: str | None) -> str:
    """Name the newest snapshot, of a place if one is given; empty where there is none."""
    found = ((p.name, _read(p)) for p in sorted(_root(dataset).glob("[0-9]*"), reverse=True))
    return next((n for n, m in found if m is not None and place in (None, m.place)), "")


def _refuse_damaged(folder: Path, manifest: Manifest) -> None:
    for table, written in manifest.tables.items():
        file = folder / f"{table}.parquet"
        size = file.stat().st_size if file.is_file() else 0
        if size != written.bytes:
            raise DataError(
                f"{file}: damaged, it has {size} bytes and had {written.bytes}; take a new snapshot"
            )


def _read(folder: Path) -> Manifest | None:
    try:
        return Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _lock(folder: Path, kind: int) -> int | None:
    """Lock a folder and give the descriptor; None where another process holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _prune(root: Path) -> None:
    """Remove snapshots that nobody reads and that no run which is still there names."""
    for folder in root.glob("[0-9]*"):
        runs = folder / _RUNS
        named = runs.read_text(encoding="utf-8").splitlines() if runs.is_file() else []
        if any(Path(run).is_dir() for run in named):
            continue
        if (lock := _lock(folder, fcntl.LOCK_EX)) is not None:
            aside = root / f"{_TAKING}{uuid.uuid4().hex}"  # never seen half removed
            with contextlib.suppress(OSError):
                folder.rename(aside)
                shutil.rmtree(aside)
            os.close(lock)
