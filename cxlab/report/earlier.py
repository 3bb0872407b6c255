"""An earlier run, to be made again: what it was asked, on which data, and what it answered."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from cxlab.data.contract import is_folder, validation_line
from cxlab.errors import DataError, UsageError, one_of
from cxlab.report.registry import Registry
from cxlab.report.state import BEFORE, STATE, hashes_of
from cxlab.results import counted

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset

__all__ = [
    "ANSWERS",
    "RUN_ID",
    "Earlier",
    "Manifest",
    "hashes",
    "order",
    "read_earlier",
    "read_manifest",
]

RUN_ID = re.compile(r"(\d{4}-\d\d-\d\d|undated)-(?P<start>\d{8}T\d{6}Z)(?:-(?P<again>\d+))?")
"""What a run's id looks like."""
ANSWERS = ("findings.json", "drivers.csv", "risk.csv")
"""The files that are the same, byte for byte, for the same data, parameters and seed."""
_ALLOWED = "allowed: latest, a run's id, or its folder"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Data(_Part):
    snapshot: str | None = None  # runs of before there were any have none
    sha256: dict[str, str]
    settings_sha256: str


class _Notebook(_Part):
    parameters: dict[str, Any]


class _Rendered(_Notebook):
    source_sha256: str


class _Asked(_Part):
    as_of: dt.date | None
    quick: bool


class Manifest(_Part):
    """What of a manifest it takes to make its run again."""

    run_id: str
    status: str
    spec: str
    as_of: str | None
    asked: _Asked
    dataset: _Data
    notebooks: dict[str, _Notebook]
    parameters: dict[str, dict[str, Any]]
    versions: dict[str, str | None]
    git_commit: str | None
    sha256: dict[str, str]
    state_sha256: dict[str, str] = {}
    each: str | None = None  # of a run that compares: the column; others have none
    rendered: dict[str, _Rendered] = {}  # of such a run: what its segments' runs hold

    @field_validator("run_id")
    @classmethod
    def _is_id(cls, value: str) -> str:
        if not RUN_ID.fullmatch(value):
            raise ValueError(f"{value!r} is no run's id")
        return value


def order(run_id: str) -> tuple[str, int]:
    """Give what runs are ordered by: their start, and their number in that second.

    Parameters
    ----------
    run_id : str
        The run; what is none comes first.
    """
    found = RUN_ID.fullmatch(run_id)
    return (found["start"], int(found["again"] or 1)) if found else ("", 0)


@dataclass(frozen=True)
class Earlier:
    """A good run of the past.

    Parameters
    ----------
    path : pathlib.Path
        Its manifest.
    manifest : Manifest
        What that says.
    answers : dict of str to bytes
        The content of those of :data:`ANSWERS` that it has; it may be deleted meanwhile.
    """

    path: Path
    manifest: Manifest
    answers: dict[str, bytes]

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.manifest.run_id

    @property
    def as_of(self) -> dt.date | None:
        """The date it was asked for, if it was."""
        return self.manifest.asked.as_of

    @property
    def state(self) -> Path:
        """Where it keeps what it had been handed."""
        return self.path.parent / STATE / BEFORE

    @property
    def snapshot(self) -> str | None:
        """The snapshot it read, if its data are a database's."""
        return self.manifest.dataset.snapshot

    @property
    def quick(self) -> bool:
        """Whether it left out what takes long."""
        return self.manifest.asked.quick

    def parameters(self, registry: Registry) -> dict[str, dict[str, Any]]:
        """Give its notebooks in the order to run them, each with the parameters to set.

        Those that had been set, and those whose default is another by now.

        Parameters
        ----------
        registry : Registry
            The notebooks of today.

        Raises
        ------
        DataError
            A notebook or a parameter is not there any more, or may not be what it was.
        """
        asked = self.manifest.rendered or self.manifest.notebooks
        for name in asked:
            if name not in registry.notebooks:
                known = registry.notebooks
                raise DataError(one_of(f"{self.path}: notebooks: a name", name, known))
        given: dict[str, dict[str, Any]] = {}
        for name in registry.with_needed(asked):
            had = asked.get(name, _Notebook(parameters={})).parameters
            defaults = {k: d.value for k, d in registry.defaults[name].items()}
            was_set = self.manifest.parameters.get(name, {})
            values = {k: v for k, v in had.items() if k in was_set or v != defaults.get(k)}
            try:
                given[name] = registry.validate(name, values)
            except UsageError as error:
                raise DataError(f"{self.path}: {error}") from None
        return given

    def refuse_other_data(self, dataset: Dataset) -> None:
        """Refuse data that are not those of the run.

        Parameters
        ----------
        dataset : Dataset
            The data of today.

        Raises
        ------
        DataError
            Naming what differs.
        """
        then, now = self.manifest.dataset.sha256, dataset.sha256()
        told = [f"table {t} is gone" for t in then if t not in now]
        told += [f"table {t} is new" for t in now if t not in then]
        told += [
            f"table {t} was {then[t][:8]}, is {now[t][:8]}"
            for t in sorted(then.keys() & now.keys())
            if then[t] != now[t]
        ]
        before, meaning = self.manifest.dataset.settings_sha256, dataset.settings_sha256()
        if before != meaning:
            told.append(f"what dataset.yml says was {before[:8]}, is {meaning[:8]}")
        if not told and dataset.day != self.manifest.as_of:
            told.append(f"the last day was {self.manifest.as_of}, is {dataset.day}")
        if told:
            what = f"dataset {dataset.name}: not the data of {self.run_id}"
            raise DataError(f"{what}: {'; '.join(told)}")

    def other_code(self, versions: Mapping[str, str | None], commit: str | None) -> list[str]:
        """Tell what of the code is not as it was.

        Parameters
        ----------
        versions : mapping of str to str or None
            Of the packages of today.
        commit : str or None
            The commit of today.
        """
        then = self.manifest.versions
        every = dict.fromkeys([*then, *versions])
        told = [
            f"{name} {then.get(name) or 'none'}, now {versions.get(name) or 'none'}"
            for name in every
            if then.get(name) != versions.get(name)
        ]
        before = self.manifest.git_commit
        if before != commit:
            told.append(f"git commit {_short(before)}, now {_short(commit)}")
        elif commit and commit.endswith("-dirty"):
            told.append(f"git commit {_short(commit)}, changed then and now, maybe otherwise")
        return told

    def compare(self, folder: Path) -> str:
        """Say how far the answers of a run are these; empty where they are, byte for byte.

        Parameters
        ----------
        folder : pathlib.Path
            The run.
        """
        told = []
        for name in ANSWERS:
            then, path = self.answers.get(name), folder / name
            now = path.read_bytes() if path.is_file() else None
            if then == now:
                continue
            if then is None or now is None:
                told.append(f"{name} is {'gone' if now is None else 'new'}")
            else:
                told.append(f"{name} differs: {_DIFFERENCE[name](then.decode(), now.decode())}")
        return "; ".join(told)


def _short(commit: str | None) -> str:
    number, *dirty = (commit or "none").split("-")
    return "-".join([number[:8], *dirty])


def _statements(then: str, now: str) -> str:
    before, after = ({f["id"]: f for f in json.loads(t)["findings"]} for t in (then, now))
    count = sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())
    return counted(count, "statement")


def _rows(then: str, now: str) -> str:
    before, after = (Counter(map(tuple, csv.reader(io.StringIO(t)))) for t in (then, now))
    count = max((before - after).total(), (after - before).total())
    return counted(count, "row") if count else "the order of its rows"


_DIFFERENCE = {"findings.json": _statements, "drivers.csv": _rows, "risk.csv": _rows}


def read_earlier(out: Path, spec: Path, run: str | Path) -> Earlier:
    """Read a run that is to be made again.

    Parameters
    ----------
    out : pathlib.Path
        Where the spec's runs are.
    spec : pathlib.Path
        The spec; the run has to be one of a spec of this name, wherever it lay then.
    run : str or pathlib.Path
        ``latest``, a run's id, or its folder.

    Raises
    ------
    UsageError
        There is no such run, or it is another spec's.
    DataError
        It failed, its manifest is none that this cxlab wrote, or its answers are not as
        they were written.
    """
    asked = f"--again is {str(run)!r}"
    named = str(run) == "latest" or RUN_ID.fullmatch(str(run))
    folder = out / run if named else Path(run)
    path = folder / "manifest.json"
    if not is_folder(folder):
        raise UsageError(f"{asked}: there is no run {folder}; {_ALLOWED}")
    if not path.is_file():
        raise UsageError(f"{asked}: {folder} holds no manifest.json; {_ALLOWED}")
    manifest = read_manifest(path)
    if Path(manifest.spec).name != spec.name:
        raise UsageError(f"{asked}: a run of {Path(manifest.spec).name}, not of {spec.name}")
    if manifest.each is not None:
        raise UsageError(f"{asked}: {manifest.run_id} compares segments; {_ALLOWED}")
    if manifest.status != "ok":
        raise DataError(f"{path}: status is {manifest.status!r}; allowed: ok, a run to be repeated")
    _refuse_other(
        hashes_of(folder / STATE / BEFORE), manifest.state_sha256, folder / STATE / BEFORE
    )
    return Earlier(path, manifest, _read_answers(folder, manifest))


def read_manifest(path: Path) -> Manifest:
    """Read what of a run's manifest it takes to make it again.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    DataError
        It is none that this cxlab wrote.
    """
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: no manifest that can be read ({error.strerror})") from None
    except ValidationError as error:
        if not error.errors()[0]["loc"]:
            raise DataError(f"{path}: no manifest that can be read") from None
        line = validation_line(path, error, Manifest)
        raise DataError(f"{line} (a run of another version cannot be repeated)") from None


def _refuse_other(there: Mapping[str, str], then: Mapping[str, str], folder: Path) -> None:
    """Refuse files of a run that are not as they were written."""
    for name in sorted(there.keys() | then.keys()):
        if there.get(name) != then.get(name):
            how = "is missing" if name not in there else "has been changed since it was written"
            raise DataError(f"{folder / name}: {how}, so that nothing can be compared with it")


def _read_answers(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    there = hashes(folder)
    _refuse_other(there, manifest.sha256, folder)
    return {name: (folder / name).read_bytes() for name in there}


def hashes(folder: Path) -> dict[str, str]:
    """Hash those of :data:`ANSWERS` that a run has.

    Parameters
    ----------
    folder : pathlib.Path
        The run.
    """
    paths = {name: folder / name for name in ANSWERS}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in paths.items()
        if path.is_file()
    }
