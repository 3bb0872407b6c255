"""A run that was cut or failed: what of it stands, so that only the rest is done.

A run that is being made writes down what it was asked and, as each notebook ends, that it did;
a published one has both in its manifest. What ended well is taken over where nothing it came
from is another now: data, state, code, versions. A notebook that was edited since is run anew,
with those that build on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cxlab.data.contract import is_folder, validation_line
from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.earlier import RUN_ID, Earlier, order, read_manifest
from cxlab.report.running.execute import Outcome
from cxlab.report.tables import write_text
from cxlab.results import listed

if TYPE_CHECKING:
    from cxlab.report.registry import Registry
    from cxlab.report.spec import Plan

__all__ = [
    "BUILDING",
    "HOLDER",
    "WORK",
    "Cut",
    "being_made",
    "code_sha256",
    "executed_sha256",
    "in_parts",
    "leave_to_parts",
    "note_begun",
    "note_ended",
    "read_cut",
    "source_sha256",
    "versions",
]

BUILDING = ".building-"
"""How the folder of a run begins while it is being made; its maker holds a lock on it."""
WORK = ".work"
"""The folder, within that, of what is not published."""
HOLDER = "holder.txt"
"""The file, within that, that says who is making the run."""
_BEGUN, _ENDED = "begun.json", ".ended.json"
_PARTS = "whoever makes its parts"
_PACKAGES = (
    *("cxlab", "duckdb", "lifelines", "matplotlib", "nbconvert", "numpy", "pandas", "papermill"),
    *("pyarrow", "scikit-learn", "scipy", "seaborn", "statsmodels"),
)
_NEWEST = "newest"
_ALLOWED = f"allowed: {_NEWEST}, a run's id, or its folder"
_ANEW = "render anew, without --resume"


class _Notebook(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: str
    seconds: float
    attempts: int
    source_sha256: str
    executed_sha256: str | None


class _Code(BaseModel):
    model_config = ConfigDict(frozen=True)

    code_sha256: str
    replaced: list[str]
    publish: dict[str, Any]
    notebooks: dict[str, _Notebook]


@dataclass(frozen=True)
class Cut:
    """A run that can be gone on with.

    Parameters
    ----------
    run : Earlier
        What it was asked.
    folder : pathlib.Path
        Where its executed notebooks are.
    code : _Code
        What made it, and how its notebooks ended.
    """

    run: Earlier
    folder: Path
    code: _Code

    @property
    def unpublished(self) -> Path | None:
        """The folder that it was built in, if its process was killed."""
        return self.folder if self.folder.name.startswith(BUILDING) else None

    def refuse_other_code(self, include: Mapping[str, bool]) -> None:
        """Refuse to go on with other code, or with what is shown of customers changed.

        Parameters
        ----------
        include : mapping of str to bool
            What of customers the spec now includes.

        Raises
        ------
        DataError
            Naming what differs.
        """
        then = self.run.manifest.versions
        now = versions()
        told = [f"{n} was {then.get(n)}, is {v}" for n, v in now.items() if then.get(n) != v]
        if self.code.code_sha256 != code_sha256():
            told.append("cxlab's code is another")
        told += [
            f"publish.{name} is {value}"
            for name, value in include.items()
            if self.code.publish.get(name) != value
        ]
        self._refuse(told)

    def refuse_other_each(self, column: str | None) -> None:
        """Refuse to go on with a run of other segments, or of none.

        Parameters
        ----------
        column : str or None
            What the spec's ``each`` now names; None without it.

        Raises
        ------
        DataError
            Naming what differs.
        """
        then, now = (f"each {c}" if c else "no each" for c in (self.run.manifest.each, column))
        self._refuse([] if then == now else [f"its spec had {then}, has {now}"])

    def refuse_other_state(self, now: Mapping[str, str]) -> None:
        """Refuse to go on where what good runs have handed on is not what the run had read.

        Parameters
        ----------
        now : mapping of str to str
            Hashes of what is read now, by file.
        """
        then = self.run.manifest.state_sha256
        every = sorted(then.keys() | now.keys())
        others = [f"state/{n}" for n in every if then.get(n) != now.get(n)]
        self._refuse([f"{listed(others)} came, went, or changed"] if others else [])

    def _refuse(self, told: list[str]) -> None:
        if told:
            raise DataError(f"{self.run.run_id} cannot be gone on with: {'; '.join(told)}; {_ANEW}")

    def take(
        self, plan: Plan, name: str, outcomes: Mapping[str, Outcome], folder: Path
    ) -> Outcome | None:
        """Take a notebook over, if those it builds on are; None where it has to be run.

        Parameters
        ----------
        plan : Plan
            The run that goes on.
        name : str
            The notebook.
        outcomes : mapping of str to Outcome
            How others ended.
        folder : pathlib.Path
            Of the new run.

        Raises
        ------
        DataError
            The executed notebook is not as it was written.
        """
        had = self.code.notebooks.get(name)
        if had is None or had.status != "ok":
            return None
        before = plan.registry.before(name, plan.order)
        same = all(outcomes[n].taken_from or n in plan.skipped for n in before)
        if not same or had.source_sha256 != plan.sources[name]:
            return None
        source = self.folder / f"{name}.ipynb"
        if executed_sha256(self.folder, name) != had.executed_sha256:
            raise DataError(f"{source}: is missing, or changed since it was written; {_ANEW}")
        if folder != self.folder:  # of a part, the run is the one that it is taken from
            shutil.copyfile(source, folder / source.name)
        return Outcome("ok", "", had.seconds, had.attempts, taken_from=self.run.run_id)


def read_cut(out: Path, spec: Path, run: str | Path) -> Cut:
    """Read a run that is to be gone on with.

    Parameters
    ----------
    out : pathlib.Path
        Where the spec's runs are.
    spec : pathlib.Path
        The spec; the run has to be one of a spec of this name.
    run : str or pathlib.Path
        ``newest``, a run's id, or its folder; it may have been killed before it was published.

    Raises
    ------
    CxlabError
        It is being made.
    UsageError
        There is no such run, or it is another spec's.
    DataError
        It is a good one, its data were replaced while it was made, or its record is none that
        this cxlab wrote.
    """
    asked = f"--resume is {str(run)!r}"
    folder = _folder(out, run, asked)
    if told := being_made(folder):
        raise CxlabError(told)
    path = _record(folder)
    if not path.is_file():
        raise UsageError(f"{asked}: {folder} holds no {path.name}; {_ALLOWED}")
    manifest = read_manifest(path)
    if Path(manifest.spec).name != spec.name:
        raise UsageError(f"{asked}: a run of {Path(manifest.spec).name}, not of {spec.name}")
    if manifest.status == "ok":
        raise DataError(f"{asked}: {manifest.run_id} is a good run; there is nothing to be done")
    code = _read_code(path)
    if code.replaced:
        raise DataError(f"{path}: its data were replaced while it was made; {_ANEW}")
    if folder.name.startswith(BUILDING):
        code = code.model_copy(update={"notebooks": code.notebooks | _ended(folder, code)})
    return Cut(Earlier(path, manifest, {}), folder, code)


def _folder(out: Path, run: str | Path, asked: str) -> Path:
    """Find the folder of a run, published or not."""
    if str(run) == _NEWEST:
        named = [p for p in out.glob("*") if RUN_ID.fullmatch(p.name.removeprefix(BUILDING))]
        found = [p for p in named if _record(p).is_file()]
        if not found:
            raise UsageError(f"{asked}: there is no run in {out}")
        return max(found, key=lambda p: order(p.name.removeprefix(BUILDING)))
    folder = Path(run)
    if RUN_ID.fullmatch(str(run)):
        folder = out / run if is_folder(out / run) else out / f"{BUILDING}{run}"
    if not is_folder(folder):
        raise UsageError(f"{asked}: there is no run {out / run}; {_ALLOWED}")
    folder = folder.resolve()
    if folder.name.startswith(BUILDING) and folder.parent != out.resolve():  # it goes in the end
        raise UsageError(f"{asked}: {folder} is not in {out}; {_ALLOWED}")
    return folder


def being_made(folder: Path) -> str:
    """Say who is making a run; empty where nobody is.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(folder)
    finally:
        os.close(descriptor)
    return ""


def leave_to_parts(folder: Path) -> None:
    """Note that a run was begun, to be made part by part.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    """
    write_text(folder / WORK / HOLDER, _PARTS)


def in_parts(folder: Path) -> bool:
    """Tell whether a run was begun to be made part by part.

    Parameters
    ----------
    folder : pathlib.Path
        The run's.
    """
    try:
        return (folder / WORK / HOLDER).read_text(encoding="utf-8") == _PARTS
    except OSError:
        return False


def _holder(folder: Path) -> str:
    try:
        holder = (folder / WORK / HOLDER).read_text(encoding="utf-8")
    except OSError:
        holder = "another process"
    run_id = folder.name.removeprefix(BUILDING)
    told = f"{folder.parent}: {holder} is making the run {run_id}"
    return f"{told}; wait for it, or give another --out"


def _record(folder: Path) -> Path:
    """Give the file that says what a run was asked."""
    unpublished = folder.name.startswith(BUILDING)
    return folder / WORK / _BEGUN if unpublished else folder / "manifest.json"


def _read_code(path: Path) -> _Code:
    try:
        return _Code.model_validate_json(path.read_bytes())
    except ValidationError as error:
        line = validation_line(path, error, _Code)
        raise DataError(f"{line} (a run of another version cannot be gone on with)") from None


def _ended(folder: Path, code: _Code) -> dict[str, _Notebook]:
    """Read which notebooks of a run that was killed had ended well."""
    files = {name: folder / WORK / f"{name}{_ENDED}" for name in code.notebooks}
    there = {name: path for name, path in files.items() if path.is_file()}
    return {n: _Notebook.model_validate_json(p.read_bytes()) for n, p in there.items()}


def note_begun(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write down what a run was asked, in case it is killed.

    Parameters
    ----------
    folder : pathlib.Path
        The run being built.
    manifest : mapping
        Its manifest as far as it can be told.
    """
    text = json.dumps({**manifest, "status": "unfinished"}, ensure_ascii=False)
    write_text(folder / WORK / _BEGUN, text)


def note_ended(folder: Path, name: str, source: str, outcome: Outcome) -> None:
    """Write down that a notebook ended well, its page written, in case the run is killed.

    Parameters
    ----------
    folder : pathlib.Path
        The run being built.
    name : str
        The notebook.
    source : str
        Its hash when the run began.
    outcome : Outcome
        How it ended.
    """
    if outcome.status == "ok":
        told = _Notebook(
            status=outcome.status,
            seconds=outcome.seconds,
            attempts=outcome.attempts,
            source_sha256=source,
            executed_sha256=executed_sha256(folder, name),
        )
        write_text(folder / WORK / f"{name}{_ENDED}", told.model_dump_json())


def source_sha256(registry: Registry, name: str) -> str:
    """Hash a notebook and its entry in the registry.

    Parameters
    ----------
    registry : Registry
        The notebooks.
    name : str
        The notebook.
    """
    entry = registry.notebooks[name].model_dump_json().encode()
    return hashlib.sha256(registry.path(name).read_bytes() + entry).hexdigest()


def executed_sha256(folder: Path, name: str) -> str | None:
    """Hash an executed notebook; None where there is none.

    Parameters
    ----------
    folder : pathlib.Path
        The run.
    name : str
        The notebook.
    """
    path = folder / f"{name}.ipynb"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def versions() -> dict[str, str | None]:
    """Give the versions of Python and of the packages that figures hang on."""
    return {"python": platform.python_version()} | {n: _version(n) for n in _PACKAGES}


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@cache
def code_sha256() -> str:
    """Hash cxlab's own code: a commit does not tell what was changed since."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()
