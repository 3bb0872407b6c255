"""Build a run aside and publish it by one rename; point ``latest`` at the newest good one."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import re
import shutil
import types
from collections.abc import Iterator
from pathlib import Path

from cxlab.errors import UsageError
from cxlab.report.signals import signals_held

__all__ = ["Build"]

_RUN = re.compile(r"\d{4}-\d\d-\d\d-(?P<start>\d{8}T\d{6}Z)(?:-(?P<again>\d+))?")
_BUILDING = ".building-"
_DELETING = ".deleting-"


class Build:
    """A run being built in a hidden folder of OUT; a context manager.

    Left without :meth:`publish`, nothing of it stays.

    Parameters
    ----------
    out : pathlib.Path
        Where runs are published.
    as_of : datetime.date
        The run's date.
    started : datetime.datetime
        Its start, in UTC.
    """

    def __init__(self, out: Path, as_of: dt.date, started: dt.datetime) -> None:
        self.out = out
        self._stem = f"{as_of.isoformat()}-{started:%Y%m%dT%H%M%SZ}"
        self.run_id = self._stem
        self.folder = out / f"{_BUILDING}{self.run_id}-{os.getpid()}"
        self._lock = -1
        self._made: list[Path] = []

    def __enter__(self) -> Build:
        """Make the folder, under a name no other run has."""
        try:
            self._made = _make_folders(self.out)
            with _locked(self.out):
                _clear(self.out)
                self.run_id = self._free_id()
                self.folder = self.out / f"{_BUILDING}{self.run_id}-{os.getpid()}"
                self.folder.mkdir()
                self._lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._abandon()
            raise UsageError(f"{self.out}: cannot write here ({error.strerror})") from None
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Remove what was not published."""
        self._abandon()

    @property
    def work(self) -> Path:
        """A folder for what is not published."""
        return self.folder / ".work"

    def publish(self, *, good: bool, keep_runs: int | None = None) -> Path:
        """Publish the run.

        Parameters
        ----------
        good : bool
            Whether ``latest`` may point at it.
        keep_runs : int, optional
            How many runs stay; the one ``latest`` points at always does.

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
            with _locked(self.out):
                shutil.rmtree(self.work, ignore_errors=True)
                (self.folder / ".lock").unlink()
                self.folder.rename(target)
                if good:
                    _point_latest(self.out, self.run_id)
                if keep_runs is not None:
                    _keep(self.out, keep_runs)
        except OSError as error:
            raise UsageError(f"{self.out}: cannot publish here ({error.strerror})") from None
        return target

    def _free_id(self) -> str:
        """Give a run id that neither a run nor a build has."""
        taken = {p.name for p in self.out.iterdir()}
        number = 1
        while True:
            run_id = self._stem if number == 1 else f"{self._stem}-{number}"
            building = f"{_BUILDING}{run_id}-"
            rest = (n.removeprefix(building) for n in taken if n.startswith(building))
            if run_id not in taken and not any(r.isdigit() for r in rest):
                return run_id
            number += 1

    def _abandon(self) -> None:
        with signals_held():
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1
            shutil.rmtree(self.folder, ignore_errors=True)
            for folder in reversed(self._made):
                with contextlib.suppress(OSError):  # no longer empty: published, or another's
                    folder.rmdir()
            self._made = []


def _make_folders(path: Path) -> list[Path]:
    """Make a folder and those above it; give the ones that were made."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    path.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold OUT against other renders for a moment."""
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(out: Path) -> None:
    """Remove the builds of processes that are gone: nobody holds their lock."""
    for folder in out.glob(f"{_DELETING}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in out.glob(f"{_BUILDING}*"):
        try:
            descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
        except OSError:  # not a folder, or not ours to touch
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _order(run_id: str) -> tuple[str, int]:
    """Give what runs are ordered by: their start."""
    found = _RUN.fullmatch(run_id)
    return (found["start"], int(found["again"] or 1)) if found else ("", 0)


def _point_latest(out: Path, run_id: str) -> None:
    """Point ``latest`` at a run, unless it points at one that started later."""
    latest = out / "latest"
    if latest.exists() and _order(latest.resolve().name) > _order(run_id):
        return
    aside = out / f".latest-{os.getpid()}"
    aside.unlink(missing_ok=True)
    aside.symlink_to(run_id, target_is_directory=True)
    aside.replace(latest)


def _keep(out: Path, count: int) -> None:
    """Delete the oldest runs beyond a count, never the one ``latest`` points at."""
    latest = out / "latest"
    kept = latest.resolve().name if latest.is_symlink() else ""
    runs = [p for p in out.iterdir() if _RUN.fullmatch(p.name) and _is_run(p)]
    runs.sort(key=lambda p: _order(p.name), reverse=True)
    for folder in runs[count:]:
        if folder.name != kept:
            gone = folder.rename(out / f"{_DELETING}{folder.name}")
            shutil.rmtree(gone, ignore_errors=True)


def _is_run(folder: Path) -> bool:
    """Tell a published run from a folder that only has such a name."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("run_id") == folder.name
