"""Build a run aside, publish it by one rename, point ``latest`` at it; and say what it was."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import os
import platform
import shutil
import subprocess
import types
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from cxlab.errors import CxlabError, UsageError
from cxlab.report.earlier import RUN_ID, hashes
from cxlab.report.execute import Outcome
from cxlab.report.spec import Plan
from cxlab.report.state import BEFORE, STATE, hashes_of, keep

__all__ = ["BUILDING", "Build", "describe_run"]

BUILDING = ".building-"
"""How the folder of a run begins while it is being made; its maker holds a lock on it."""
_HOLDER = "holder.txt"
_LATEST = ".latest-"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_PACKAGES = (
    *("cxlab", "duckdb", "lifelines", "matplotlib", "nbconvert", "numpy", "pandas", "papermill"),
    *("pyarrow", "scikit-learn", "scipy", "seaborn", "statsmodels"),
)


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
    """

    def __init__(self, out: Path, as_of: str | None, started: dt.datetime) -> None:
        self.out = out
        self.run_id = f"{as_of or 'undated'}-{started:%Y%m%dT%H%M%SZ}"
        self._lock = -1
        self._made: list[Path] = []

    def __enter__(self) -> Build:
        """Make the folder, under a name no other run has.

        Raises
        ------
        CxlabError
            Another run is being made in OUT.
        UsageError
            If OUT cannot be written to.
        """
        try:
            self._made = [p for p in (self.out, *self.out.parents) if not p.exists()]
            self.out.mkdir(parents=True, exist_ok=True)
            with _locked(self.out):
                _clear(self.out)
                _refuse_a_second(self.out)
                self._take_free_id()
                self.folder.mkdir()
                self._lock = os.open(self.folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.work.mkdir()
                told = f"process {os.getpid()} on {platform.node()}"
                (self.work / _HOLDER).write_text(told, encoding="utf-8")
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
        return self.folder / ".work"

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
            with _locked(self.out):
                shutil.rmtree(self.work, ignore_errors=True)
                self.folder.rename(target)
                if good:
                    _point_latest(self.out, self.run_id)
                    if keep_state:
                        keep(target, self.out)
                if keep_runs is not None:
                    _keep(self.out, keep_runs)
        except OSError as error:
            raise UsageError(f"{self.out}: cannot publish here ({error.strerror})") from None
        return target

    def _take_free_id(self) -> None:
        """Number the run id where a run or a build has it."""
        stem, number = self.run_id, 1
        while (self.out / self.run_id).exists() or self.folder.exists():
            number += 1
            self.run_id = f"{stem}-{number}"

    def _abandon(self) -> None:
        if self._lock >= 0:  # the folder is ours
            os.close(self._lock)
            self._lock = -1
            shutil.rmtree(self.folder, ignore_errors=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: published, or another's
                folder.rmdir()


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
    """Remove what processes that are gone have left: nobody holds the lock of their builds."""
    for link in out.glob(f"{_LATEST}*"):  # made and swapped under the lock that is ours now
        with contextlib.suppress(OSError):
            link.unlink()
    for folder in out.glob(f"{BUILDING}*"):
        with contextlib.suppress(OSError):  # one that lives, or is not ours to touch
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)


def _refuse_a_second(out: Path) -> None:
    """Say who is making a run here; what the dead left is gone by now."""
    for folder in out.glob(f"{BUILDING}*"):
        try:
            holder = (folder / ".work" / _HOLDER).read_text(encoding="utf-8")
        except OSError:
            holder = "another process"
        run_id = folder.name.removeprefix(BUILDING)
        told = f"{out}: {holder} is making the run {run_id}; wait for it, or give another --out"
        raise CxlabError(told)


def _order(run_id: str) -> tuple[str, int]:
    """Give what runs are ordered by: their start."""
    found = RUN_ID.fullmatch(run_id)
    return (found["start"], int(found["again"] or 1)) if found else ("", 0)


def _point_latest(out: Path, run_id: str) -> None:
    """Point ``latest`` at a run, unless it points at one that started later."""
    latest = out / "latest"
    if latest.exists() and _order(latest.resolve().name) > _order(run_id):
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
    named = [p for p in out.iterdir() if RUN_ID.fullmatch(p.name)]
    runs = [p for p in named if (p / "manifest.json").is_file()]
    runs.sort(key=lambda p: _order(p.name), reverse=True)
    for folder in runs[count:]:
        if folder.name != kept:
            aside = out / f"{BUILDING}{folder.name}"  # never seen half deleted
            with contextlib.suppress(OSError):
                folder.rename(aside)
                shutil.rmtree(aside)


def describe_run(
    plan: Plan,
    build: Build,
    outcomes: Mapping[str, Outcome],
    started: dt.datetime,
    gates: list[dict[str, Any]],
) -> dict[str, Any]:
    """Give a run's manifest: what was run on what, where, and how it ended.

    Parameters
    ----------
    plan : Plan
        The run.
    build : Build
        Where it is built, its answers written.
    outcomes : mapping of str to Outcome
        How each notebook ended.
    started : datetime.datetime
        When it started, in UTC.
    gates : list of dict
        What it was held to.
    """
    status = "ok" if all(o.error is None for o in outcomes.values()) else "failed"
    if status == "ok" and not all(g["passed"] for g in gates):
        status = "not publishable"
    seconds = (dt.datetime.now(dt.UTC) - started).total_seconds()
    dataset, commit = plan.dataset, _commit(plan.registry.folder)
    versions = {"python": platform.python_version()} | {n: _version(n) for n in _PACKAGES}
    return {
        "run_id": build.run_id,
        "status": status,
        "gates": gates,
        "title": plan.spec.title,
        "as_of": dataset.day,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "spec": os.path.relpath(plan.spec_path.resolve(), plan.out.resolve()),
        "dataset": {
            "name": dataset.name,
            "path": plan.spec.dataset,
            "form": dataset.form,
            "tables": list(dataset.tables),
            "snapshot": dataset.snapshot,
            "sha256": dict(sorted(dataset.sha256().items())),
            "settings_sha256": dataset.settings_sha256(),
            "rows": {name: typed.rows for name, typed in sorted(dataset.read.items())},
            "columns": {name: list(dataset.columns(name)) for name in sorted(dataset.tables)},
        },
        "notebooks": {
            name: {
                "question": entry.question,
                "status": outcomes[name].status,
                "seconds": round(outcomes[name].seconds, 1),
                "reason": outcomes[name].reason,
                "error": outcomes[name].error,
                "parameters": plan.settings(name),
            }
            for name, entry in plan.registry.notebooks.items()
            if name in outcomes
        },
        "asked": {"as_of": plan.as_of or None, "quick": plan.quick},
        "parameters": {n: v for n, v in plan.given.items() if v},
        "publish": plan.spec.publish.model_dump(),
        "versions": versions,
        "git_commit": commit,
        "sha256": hashes(build.folder),
        "state_sha256": hashes_of(build.folder / STATE / BEFORE),
        "compared_with": None,
        **_repeated(plan, build.folder, versions, commit),
    }


def _repeated(
    plan: Plan, folder: Path, versions: Mapping[str, str | None], commit: str | None
) -> dict[str, Any]:
    """Say which run was made again, with what other code, and whether the answers are the same."""
    if plan.earlier is None:
        return {"again_of": None, "again": None}
    differs = plan.earlier.compare(folder)
    return {
        "again_of": plan.earlier.run_id,
        "again": {
            "same_answers": not differs,
            "answers": differs or "the same answers, byte for byte",
            "other_code": plan.earlier.other_code(versions, commit),
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(folder: Path) -> str | None:
    """Give the commit a folder is at, ``-dirty`` after it where files were changed."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    command.append("--exclude=*")
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None if told.returncode == 0 else None
