"""Tables in many files: those that begin too late are passed over, and each is read only once.

With ``incremental: true`` in ``dataset.yml``, every file of a folder of contacts or answers is
read once, and what the contract makes of it is kept as Parquet in the dataset's
``.cache/partitions``: typed, under the contract's names, each customer's rows side by side.
Later runs read the files that are new or changed, and of the others what was kept. A file is
known again by its path, its size and the time of its last change. All that is kept can be
deleted at any time; it is then made again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from tqdm import tqdm

from cxlab.data.locks import locked
from cxlab.errors import DataError

__all__ = ["Copied", "Lake", "Parts", "file_sha256", "passed_over", "table_sha256"]

_SUFFIX, _STATE, _ASIDE = ".parquet", ".json", ".aside"
_SAVED_EVERY = 5.0
"""Seconds after which what was read by then is noted, in case the process is killed."""
_STAYS = 86_400.0
"""Seconds that a file stays which no state names any more: a run may still be reading it."""
# No zone is further from UTC.
_ZONES = dt.timedelta(days=1)
_FOLDER = "a folder that can be written, or dataset.yml without incremental"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Kept(_Part):
    """A file that was read, and what is kept of it (nothing where it holds no row)."""

    file: str
    bytes: int
    modified: int
    sha256: str
    rows: int
    columns: tuple[str, ...]
    kinds: dict[str, str]
    kept: str
    kept_bytes: int


class _State(_Part):
    format: Literal[1] = 1
    read_by: str
    parts: tuple[_Kept, ...]


@dataclass(frozen=True)
class Copied:
    """What a file held that was copied.

    Parameters
    ----------
    rows : int
        Its rows.
    columns : tuple of str
        Its columns, as it names them.
    kinds : dict of str to str
        How the values of the contract's columns are stored in it; those without a value are
        left out.
    """

    rows: int
    columns: tuple[str, ...]
    kinds: dict[str, str]


@dataclass(frozen=True)
class Parts:
    """What is kept of a table's files.

    Parameters
    ----------
    rows : dict of Path to int
        The kept files in the order of those they are from, and their rows.
    columns : tuple of str
        The columns of the files they are from, as those name them.
    hashes : dict of Path to str
        SHA-256 of each file they are from.
    read : int
        How many files were read now.
    sha256 : str
        Of the state: of all that is known of the files and of what is kept of them.
    """

    rows: dict[Path, int]
    columns: tuple[str, ...]
    hashes: dict[Path, str]
    read: int
    sha256: str

    def told(self) -> dict[str, Any]:
        """Say what a manifest says of it."""
        return {"files": len(self.hashes), "read": self.read, "state_sha256": self.sha256}


class Lake:
    """What is kept of a dataset's tables in many files.

    Parameters
    ----------
    folder : Path
        Where it is kept.
    read_by : str
        What a file is read by besides itself: it is read again once this is another.
    """

    def __init__(self, folder: Path, read_by: str) -> None:
        self._folder = folder
        self._read_by = read_by

    def parts(
        self, name: str, place: Path, files: Sequence[Path], copy: Callable[[Path, Path], Copied]
    ) -> Parts:
        """Read those files of a table that are new or changed, and give what is kept of all.

        Parameters
        ----------
        name : str
            The table.
        place : Path
            The folder of its files.
        files : sequence of Path
            Its files.
        copy : callable
            Reads a file and writes what is kept of it to another.

        Raises
        ------
        DataError
            Nothing can be written there, a file is not what the contract allows or is being
            written, or a column's values are stored otherwise than in other files.
        """
        mine = self._folder / name
        try:
            mine.mkdir(mode=0o700, parents=True, exist_ok=True)  # nobody else's to read
            with locked(mine):
                return self._parts(name, place, files, copy)
        except OSError as error:
            told = error.strerror or error
            raise DataError(f"{mine}: cannot be written ({told}); allowed: {_FOLDER}") from None

    def _parts(
        self, name: str, place: Path, files: Sequence[Path], copy: Callable[[Path, Path], Copied]
    ) -> Parts:
        known = {part.file: part for part in self._state(name)}
        named = {file.relative_to(place).as_posix(): file for file in files}
        stands = {n: known[n] for n in named if n in known and self._stands(name, known[n], place)}
        new = [n for n in named if n not in stands]
        saved = time.monotonic()
        try:
            for each in tqdm(
                new, desc=f"{name}: new files", unit="file", leave=False, disable=None
            ):
                part = self._read(name, each, named[each], copy)
                _refuse_other_kinds(place, part, [*stands.values()])
                stands[each] = part
                if time.monotonic() - saved > _SAVED_EVERY:
                    self._save(name, named, stands)
                    saved = time.monotonic()
        finally:  # what was read well is not read again, whatever came after it
            if new or stands.keys() != known.keys():
                self._save(name, named, stands)
        self._clear(name, stands)
        inside = self._folder / name
        state = self._stated(named, stands)
        return Parts(
            {inside / p.kept: p.rows for p in state.parts if p.kept},
            tuple(dict.fromkeys(c for p in state.parts for c in p.columns)),
            {named[p.file]: p.sha256 for p in state.parts},
            len(new),
            _sha256(state),
        )

    def _read(
        self, name: str, each: str, file: Path, copy: Callable[[Path, Path], Copied]
    ) -> _Kept:
        before = _mark(file)
        digest = file_sha256(file)
        key = "\0".join((self._read_by, each, digest))
        kept = self._folder / name / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}{_SUFFIX}"
        aside = kept.with_suffix(_ASIDE)
        try:
            copied = copy(file, aside)
            if _mark(file) != before:
                raise DataError(f"{file}: was written to while it was read; start again")
            if copied.rows:
                aside.replace(kept)
        finally:
            aside.unlink(missing_ok=True)
        size, modified = before
        held = kept.name if copied.rows else ""
        return _Kept(
            file=each,
            bytes=size,
            modified=modified,
            sha256=digest,
            rows=copied.rows,
            columns=copied.columns,
            kinds=copied.kinds,
            kept=held,
            kept_bytes=kept.stat().st_size if held else 0,
        )

    def _stands(self, name: str, part: _Kept, place: Path) -> bool:
        """Tell whether a file is the one that was read, and what is kept of it whole."""
        if _mark(place / part.file) != (part.bytes, part.modified):
            return False
        return not part.kept or _mark(self._folder / name / part.kept)[0] == part.kept_bytes

    # -- the state -----------------------------------------------------------------------

    def _state(self, name: str) -> tuple[_Kept, ...]:
        """Read what is known; nothing where it cannot be read, or was read otherwise."""
        try:
            state = _State.model_validate_json(self._state_file(name).read_bytes())
        except (OSError, ValidationError):
            return ()
        return state.parts if state.read_by == self._read_by else ()

    def _stated(self, named: Mapping[str, Path], stands: Mapping[str, _Kept]) -> _State:
        return _State(read_by=self._read_by, parts=tuple(stands[n] for n in named if n in stands))

    def _state_file(self, name: str) -> Path:
        return self._folder / f"{name}{_STATE}"

    def _save(self, name: str, named: Mapping[str, Path], stands: Mapping[str, _Kept]) -> None:
        ignored = self._folder / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")
        path = self._state_file(name)
        aside = path.with_name(f"{path.name}{_ASIDE}")
        aside.write_text(self._stated(named, stands).model_dump_json(), encoding="utf-8")
        aside.replace(path)

    def _clear(self, name: str, stands: Mapping[str, _Kept]) -> None:
        """Remove what no state names, once nobody can be reading it."""
        named = {part.kept for part in stands.values()}
        for path in (self._folder / name).iterdir():
            with contextlib.suppress(OSError):
                if path.name not in named and time.time() - path.stat().st_mtime > _STAYS:
                    path.unlink()


def _sha256(state: _State) -> str:
    """Hash what is known of the files, but for where and when it was written."""
    about = {"modified", "kept_bytes"}
    told = state.model_dump_json(exclude={"parts": {"__all__": about}})
    return hashlib.sha256(told.encode()).hexdigest()


def _refuse_other_kinds(place: Path, part: _Kept, others: Sequence[_Kept]) -> None:
    """Refuse a column whose values are stored in two ways: all files would be read by one."""
    for column, kind in part.kinds.items():
        other = next((p for p in others if p.kinds.get(column, kind) != kind), None)
        if other is not None:
            raise DataError(
                f"{place / part.file}: table {place.name}, column {column}: stored as {kind}, in "
                f"{other.file} as {other.kinds[column]}; allowed with incremental: one way in all "
                "files of a table"
            )


def _mark(path: Path) -> tuple[int, int]:
    """Tell a file by what changes when it does; of one that is not there, by nothing."""
    try:
        about = path.stat()
    except OSError:
        return (-1, -1)
    return (about.st_size, about.st_mtime_ns)


# -- hashes ------------------------------------------------------------------------------------


def file_sha256(file: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    file : Path
        The file.
    """
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error


def table_sha256(place: Path, hashes: Mapping[Path, str]) -> str:
    """Hash a table of many files by their hashes, so that no file is read twice.

    Parameters
    ----------
    place : Path
        The folder of the files; their paths below it may hold values (``day=2026-01-01``).
    hashes : mapping of Path to str
        SHA-256 of each, in the order in which they are read.
    """
    digest = hashlib.sha256()
    for file, each in hashes.items():
        digest.update(f"{file.relative_to(place).as_posix()}\0{each}\n".encode())
    return digest.hexdigest()


# -- files that begin too late -------------------------------------------------------------------


def passed_over(
    files: Sequence[Path],
    times: Sequence[str],
    end: dt.datetime,
    observed_end: dt.datetime | None = None,
) -> tuple[list[Path], int]:
    """Part Parquet files into those to be read, and those all of whose rows are too late.

    A file tells the least and the greatest value of each of its columns without being read. One
    that has a row without a time is read, and so is the first, so that there always is one.

    Parameters
    ----------
    files : sequence of Path
        Parquet files of one table.
    times : sequence of str
        The columns that date a row, as the files name them.
    end : datetime.datetime
        The first instant that is not seen.
    observed_end : datetime.datetime, optional
        The first instant that is not observed: rows past it are shown, so they are read.

    Returns
    -------
    files : list of Path
        Those to be read.
    rows : int
        The rows of the others.
    """
    span = (end, observed_end or dt.datetime.max)
    seen, rows = list(files[:1]), 0
    for file in files[1:]:
        if (late := _rows_if_late(file, times, span)) is None:
            seen.append(file)
        else:
            rows += late
    return seen, rows


_Span = tuple[dt.datetime, dt.datetime]


def _rows_if_late(file: Path, times: Sequence[str], span: _Span) -> int | None:
    """Count a file's rows if all of them are dated, and within a span."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(file)
    except (OSError, pa.ArrowInvalid):
        return None  # whoever reads it says what is wrong with it
    columns = [i for i in range(about.num_columns) if about.schema.column(i).path in times]
    for group in map(about.row_group, range(about.num_row_groups)):
        told = [group.column(i).statistics for i in columns]
        if not any(s is not None and s.has_null_count and not s.null_count for s in told):
            return None
        if not all(_is_late(s, group.num_rows, span) for s in told):
            return None
    return int(about.num_rows)


def _is_late(told: Any, rows: int, span: _Span) -> bool:
    """Tell whether all values of a column are within a span."""
    if told is None or not told.has_null_count:
        return False
    if told.null_count == rows:
        return True
    least, most = (told.min, told.max) if told.has_min_max else (None, None)
    if not isinstance(least, dt.date) or not isinstance(most, dt.date):
        return False
    if not isinstance(least, dt.datetime) or not isinstance(most, dt.datetime):
        return span[0].date() <= least and most < span[1].date()
    if least.tzinfo is None and most.tzinfo is None:
        return span[0] <= least and most < span[1]
    first, last = (t.astimezone(dt.UTC).replace(tzinfo=None) for t in (least, most))
    return span[0] + _ZONES <= first and last < span[1] - _ZONES
