"""Build a run aside, publish it by one rename, point ``latest`` at it.

What publishing is about to do is written down first: where it is cut off between two renames,
the next start does the rest.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import platform
import re
import shutil
import types
from pathlib import Path

from cxlab.data.locks import locked
from cxlab.errors import CxlabError, UsageError
from cxlab.report.earlier import RUN_ID, order
from cxlab.report.resume import BUILDING, HOLDER, WORK, being_made, leave_to_parts
from cxlab.report.state import STATE, keep
from cxlab.report.tables import write_text

__all__ = ["BUILDING", "Build", "Share"]

_LATEST, _LOCK = ".latest-", ".lock"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_PENDING = ".publishing.json"
# Of a file that was being written when its process was killed.
_ASIDE = re.compile(r"\.\.?[\w-][\w.-]*\.(?:json|yml|csv|parquet)\.\d+")


class Build:
    """A run being built in a hidden folder of OUT; a context manager.

    Left without :meth:`publish`, nothing of it stays.

    Parameters
    ----------
    out : pathlib.Path
        Where runs are published.
    as_of : datetime.date or None
        The run's date; None for one that is undated.
    started : datetime.datetime
        Its start, in UTC.
    takes_over : pathlib.Path, optional
        The folder of a run whose process was killed, which this one goes on with; it goes once
        this one is published.
    """

    def __init__(
        self,
        out: Path,
        as_of: str | None,
        started: dt.datetime,
        takes_over: Path | None = None,
    ) -> None:
        self.out = out
        self._as_of = as_of or "undated"
        self._start = f"{started:%Y%m%dT%H%M%SZ}"
        self.run_id = f"{self._as_of}-{self._start}"
        self._takes_over = takes_over
        self._held = -1
        self._lock = -1
        self._made: list[Path] = []

    def __enter__(self) -> Build:
        """Make the folder, under a name no other run has.

        Raises
        ------
        CxlabError
            Another run is being made in OUT.
        UsageError
            If OUT cannot be written to, or the run to be taken over is gone.
        """
        try:
            self._made = [p for p in (self.out, *self.out.parents) if not p.exists()]
            self.out.mkdir(parents=True, exist_ok=True)
            with locked(self.out):
                if self._takes_over is not None:
                    self._held = _hold(self._takes_over)
                _clear(self.out)
                _refuse_a_second(self.out, self._takes_over)
                _complete(self.out)
                self._take_free_id()
                self.folder.mkdir()
                self._lock = os.open(self.folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.work.mkdir()
                told = f"process {os.getpid()} on {platform.node()}"
                (self.work / HOLDER).write_text(told, encoding="utf-8")
        except BaseException as error:
            self._abandon()
            if isinstance(error, OSError):
                told = f"{self.out}: cannot write here ({error.strerror})"
                raise UsageError(told) from None
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Remove what was not published; word what the disk would not take."""
        self._abandon()
        if isinstance(error, OSError) and error.errno in _DISK:
            raise UsageError(f"{self.out}: cannot write here ({error.strerror})") from None

    @property
    def folder(self) -> Path:
        """Where the run is built."""
        return self.out / f"{BUILDING}{self.run_id}"

    @property
    def work(self) -> Path:
        """A folder for what is not published."""
        return self.folder / WORK

    def leave(self) -> None:
        """Leave the run as it is, for others to make its parts."""
        leave_to_parts(self.folder)
        os.close(self._lock)
        self._lock = -1
        self._made = []

    def publish(self, *, good: bool, keep_runs: int | None = None, keep_state: bool = True) -> Path:
        """Publish the run.

        Parameters
        ----------
        good : bool
            Whether ``latest`` may point at it.
        keep_runs : int, optional
            How many runs stay; the one ``latest`` points at always does.
        keep_state : bool
            Whether a good run hands on what it keeps for the next one.

        Returns
        -------
        pathlib.Path
            The published folder.

        Raises
        ------
        UsageError
            If OUT cannot be written to.
        """
        target = self.out / self.run_id
        try:
            with locked(self.out):
                shutil.rmtree(self.work, ignore_errors=True)
                steps = {"run_id": self.run_id, "good": good, "keep_state": keep_state}
                write_text(self.out / _PENDING, json.dumps(steps))
                self.folder.rename(target)
                _complete(self.out)
                if self._takes_over is not None:
                    shutil.rmtree(self._takes_over, ignore_errors=True)
                if keep_runs is not None:
                    _keep(self.out, keep_runs)
        except OSError as error:
            raise UsageError(f"{self.out}: cannot publish here ({error.strerror})") from None
        return target

    def _take_free_id(self) -> None:
        """Number the run so that it comes after every other, whatever the clock says."""
        there = [order(p.name.removeprefix(BUILDING)) for p in self.out.iterdir()]
        last, count = max(there, default=("", 0))
        start, number = max(order(self.run_id), (last, count + 1))
        stem = f"{self._as_of}-{start}"
        self.run_id = stem if number == 1 else f"{stem}-{number}"

    def _abandon(self) -> None:
        if self._lock >= 0:  # the folder is ours
            os.close(self._lock)
            self._lock = -1
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._held >= 0:
            os.close(self._held)
            self._held = -1
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: published, or another's
                folder.rmdir()


class Share:
    """A run that was begun, of which this process makes a part; a context manager.

    Others may make parts of it meanwhile; nobody clears it away, or goes on with it as a whole.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    part : str
        Names the part: letters, digits, ``-`` and ``_``.

    Raises
    ------
    CxlabError
        Another process makes this part, or the run as a whole.
    UsageError
        The run is gone.
    """

    def __init__(self, folder: Path, part: str) -> None:
        self.folder = folder
        self.run_id = folder.name.removeprefix(BUILDING)
        self._part = part
        self._held: list[int] = []

    @property
    def work(self) -> Path:
        """The folder of what is not published."""
        return self.folder / WORK

    def __enter__(self) -> Share:
        """Hold the run, then the part."""
        try:
            self._held.append(_hold(self.folder, fcntl.LOCK_SH))
            lock = self.work / f"{self._part}{_LOCK}"
            self._held.append(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            fcntl.flock(self._held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.__exit__(None, None, None)
            told = f"{self.run_id}: another process is making the part {self._part}"
            raise CxlabError(f"{told}; wait for it") from None
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Let go of both."""
        while self._held:
            os.close(self._held.pop())


def _hold(folder: Path, kind: int = fcntl.LOCK_EX) -> int:
    """Take the lock of a run that was killed, or begun; gives the descriptor."""
    descriptor = -1
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            held = f"{folder}: somebody held it a moment ago; try again"
            raise CxlabError(being_made(folder) or _in_parts(folder) or held) from None
        raise UsageError(f"{folder}: this run is gone: another start has cleared it") from None
    return descriptor


def _in_parts(folder: Path) -> str:
    """Say that others make parts of a run; empty where nobody does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        run_id = folder.name.removeprefix(BUILDING)
        return f"{folder.parent}: a part of the run {run_id} is being made; wait for it"
    finally:
        os.close(descriptor)
    return ""


def _clear(out: Path) -> None:
    """Remove what processes that are gone have left: nobody holds the lock of their builds."""
    for link in out.glob(f"{_LATEST}*"):  # made and swapped under the lock that is ours now
        with contextlib.suppress(OSError):
            link.unlink()
    for path in (*out.glob(".*"), *(out / STATE).rglob(".*")):  # so are these
        if _ASIDE.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()
    for folder in out.glob(f"{BUILDING}*"):
        with contextlib.suppress(OSError):  # one that lives, or is not ours to touch
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _refuse_a_second(out: Path, taken_over: Path | None) -> None:
    """Say who is making a run here; what the dead left is gone by now."""
    ours = taken_over and taken_over.resolve()
    for folder in out.glob(f"{BUILDING}*"):
        if folder.resolve() != ours:
            raise CxlabError(
                being_made(folder) or _in_parts(folder) or f"{folder}: cannot be removed"
            )


def _complete(out: Path) -> None:
    """Do what is left of publishing: all of it, unless a process was killed in the midst."""
    pending = out / _PENDING
    if not pending.is_file():
        return
    try:
        steps = json.loads(pending.read_text(encoding="utf-8"))
    except ValueError:  # the machine went down before it was on the disk
        steps = {"run_id": ""}
    run = out / steps["run_id"]
    named = RUN_ID.fullmatch(steps["run_id"])
    if named and steps["good"] and run.is_dir():  # else it was killed before the run was there
        _point_latest(out, run.name)
        if steps["keep_state"]:
            keep(run, out)
    pending.unlink()


def _point_latest(out: Path, run_id: str) -> None:
    """Point ``latest`` at a run, unless it points at one that started later."""
    latest = out / "latest"
    if latest.exists() and order(latest.resolve().name) > order(run_id):
        return
    aside = out / f"{_LATEST}{os.getpid()}"
    aside.unlink(missing_ok=True)
    aside.symlink_to(run_id, target_is_directory=True)
    try:
        aside.replace(latest)
    finally:
        aside.unlink(missing_ok=True)


def _keep(out: Path, count: int) -> None:
    """Delete the oldest runs beyond a count, never the one ``latest`` points at."""
    latest = out / "latest"
    kept = latest.resolve().name if latest.is_symlink() else ""
    named = [p for p in out.iterdir() if RUN_ID.fullmatch(p.name) and not p.is_symlink()]
    runs = [p for p in named if (p / "manifest.json").is_file()]
    runs.sort(key=lambda p: order(p.name), reverse=True)
    for folder in runs[count:]:
        if folder.name != kept:
            aside = out / f"{BUILDING}{folder.name}"  # never seen half deleted
            with contextlib.suppress(OSError):
                folder.rename(aside)
                shutil.rmtree(aside)
