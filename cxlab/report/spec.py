"""A report's spec, and the plan of a run: all that can be decided before anything runs."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticKnownError

from cxlab.data.contract import is_folder, read_day
from cxlab.errors import DataError, UsageError, masked, one_of
from cxlab.report.earlier import Earlier, read_earlier
from cxlab.report.gates import Gates
from cxlab.report.parameters import STRICT
from cxlab.report.printed.pdf import find_chromium
from cxlab.report.registry import Registry, read_model, read_registry
from cxlab.report.resume import Cut, read_cut, source_sha256
from cxlab.report.segments.fan import Each, read_each
from cxlab.report.telling.notify import Notify

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset

__all__ = ["Limits", "Load", "Plan", "Publish", "Spec", "levels_of", "make_plan", "read_spec"]

_TODAY = "today"
_WORDS = (_TODAY, "last-complete-month", "last-complete-week")

Load = Callable[..., "Dataset"]
"""Gives the dataset from its path and ``as_of``."""


class Publish(BaseModel):
    """What of a run is kept and shown."""

    model_config = STRICT

    keep_runs: int | None = Field(default=None, ge=1)
    formats: list[Literal["html", "pdf"]] = ["html"]
    include_customers: bool = False
    include_quotes: bool = False

    @field_validator("formats")
    @classmethod
    def _pages_are_made(cls, value: list[str]) -> list[str]:
        if "html" not in value:
            raise PydanticKnownError("literal_error", {"expected": "[html], [html, pdf]"})
        return value


class Limits(BaseModel):
    """How often a run's notebooks are tried, and how long all of it may take."""

    model_config = STRICT

    retries: int = Field(default=1, ge=0, le=5)
    run_minutes: float | None = Field(default=None, gt=0, le=10_080)


class Spec(BaseModel):
    """A report's spec file; paths in it are relative to it."""

    model_config = STRICT

    title: str
    dataset: str
    notebooks: list[str] | None = Field(default=None, min_length=1)
    parameters: dict[str, Any] = {}
    as_of: dt.date | str | None = None
    each: Each | None = None
    gates: Gates = Gates()
    limits: Limits = Limits()
    publish: Publish = Publish()
    notify: Notify | None = None

    @field_validator("as_of", mode="before")
    @classmethod
    def _is_day(cls, value: Any) -> dt.date | str | None:
        try:
            return None if value is None else _read_as_of(value)
        except UsageError as error:
            allowed = str(error).partition("allowed: ")[2]
            raise PydanticKnownError("literal_error", {"expected": allowed}) from None

    @field_validator("each", mode="before")
    @classmethod
    def _is_each(cls, value: Any) -> Each | None:
        return None if value is None else read_each(value)

    @field_validator("title", "dataset")
    @classmethod
    def _is_no_secret(cls, value: str) -> str:
        if masked(value) != value:
            raise ValueError("holds a password; a report shows it")
        return value

    @field_validator("parameters", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


def _read_as_of(value: object) -> dt.date | str:
    """Read a day, or a word for one."""
    if isinstance(value, str) and value in _WORDS:
        return value
    try:
        return read_day(value, "as_of")
    except UsageError as error:
        raise UsageError(f"{error}, {', '.join(_WORDS)}") from None


@dataclass(frozen=True)
class Plan:
    """A run, decided.

    Parameters
    ----------
    spec : Spec
        The spec.
    spec_path, out, dataset_path : pathlib.Path
        The spec's file, where runs are published, where the data are.
    registry : Registry
        The notebooks.
    dataset : Dataset
        The data, checked.
    as_of : str
        The date asked for; empty where none was.
    quick : bool
        Whether the notebooks leave out what takes long.
    order : list of str
        The notebooks in the order to run them.
    given : dict of str to dict
        Parameters that were set, by notebook.
    skipped : dict of str to str
        Notebooks that cannot run on these data, with the reason.
    sources : dict of str to str
        Hash of each notebook as it was when the run began.
    earlier : Earlier, optional
        The run that this one repeats.
    cut : Cut, optional
        The run that this one goes on with.
    """

    spec: Spec
    spec_path: Path
    out: Path
    dataset_path: Path
    registry: Registry
    dataset: Dataset
    as_of: str
    quick: bool
    order: list[str]
    given: dict[str, dict[str, Any]]
    skipped: dict[str, str]
    sources: dict[str, str]
    earlier: Earlier | None = None
    cut: Cut | None = None

    def of(self, dataset: Dataset, out: Path) -> Plan:
        """Plan the same for a segment of the data.

        Parameters
        ----------
        dataset : Dataset
            The segment.
        out : pathlib.Path
            Where its runs are published.
        """
        return replace(
            self,
            out=out,
            dataset=dataset,
            as_of=dataset.day or "",
            skipped=_skipped(self.registry, self.order, dataset),
        )

    @property
    def levels(self) -> list[list[str]]:
        """The notebooks that are to run, each list of them after those of the one before."""
        return levels_of(self.registry, [n for n in self.order if n not in self.skipped])

    def settings(self, name: str) -> dict[str, Any]:
        """Give all of a notebook's own parameters as it runs with them."""
        own = self.registry.notebooks[name].parameters
        values = {k: d.value for k, d in self.registry.defaults[name].items() if k in own}
        return {**values, **self.given[name]}

    def injected(self, name: str, run: Path | None, state: Path | None) -> dict[str, Any]:
        """Give what is injected into a notebook.

        Parameters
        ----------
        name : str
            The notebook.
        run : pathlib.Path, optional
            Where it finds what those before it found, if there are any.
        state : pathlib.Path, optional
            Where it finds what the last run handed on, if there was one.
        """
        standard = {
            "dataset": str(self.dataset_path),
            "as_of": self.as_of,
            "where": self.dataset.where,
            "quick": self.quick,
            "run": str(run or ""),
            "state": str(state or ""),
            "include_quotes": self.spec.publish.include_quotes,
            "include_customers": self.spec.publish.include_customers,
        }
        has = self.registry.defaults[name]
        return {k: v for k, v in standard.items() if k in has} | self.given[name]


def read_spec(path: Path) -> Spec:
    """Read and check a report's spec.

    Parameters
    ----------
    path : pathlib.Path
        The spec file.

    Raises
    ------
    UsageError
        If there is no such file, it is a folder, or its name is dots alone.
    DataError
        If it is not YAML, or holds what a spec may not.
    """
    if is_folder(path):
        raise UsageError(f"{path}: is a folder; allowed: a report's YAML file")
    if not os.path.isfile(path):  # noqa: PTH113 - a name too long is no file, no error
        raise UsageError(f"{path}: no such file")
    if not path.stem.strip(". "):  # its runs would lie beside it, or above
        raise UsageError(f"{path}: names no folder for its runs; allowed: a name as report.yml")
    return read_model(Spec, path)


def levels_of(registry: Registry, names: Sequence[str]) -> list[list[str]]:
    """Part notebooks into lists, each to be run after those of the one before.

    Parameters
    ----------
    registry : Registry
        The notebooks.
    names : sequence of str
        Those to be run.
    """
    left, found = list(names), []
    while left:
        waiting = set(left)
        found.append([n for n in left if not registry.before(n, names) & waiting])
        left = [n for n in left if n not in found[-1]]
    return found


def make_plan(
    spec: Path,
    *,
    as_of: dt.date | str | None,
    only: Iterable[str],
    parameters: Iterable[str] | Mapping[str, Any],
    quick: bool,
    out: Path | None,
    load: Load,
    again: str | Path | None = None,
    resume: str | Path | None = None,
) -> Plan:
    """Read the spec, the registry and the data, and check every parameter.

    Parameters
    ----------
    spec : pathlib.Path
        The spec's file.
    as_of : datetime.date or str, optional
        The date up to which data are seen.
    only : iterable of str
        The notebooks to render; those they need are added.
    parameters : iterable of str, or mapping
        ``name=value``, or ``notebook.name=value``.
    quick : bool
        Whether the notebooks leave out what takes long.
    out : pathlib.Path, optional
        Where runs are published.
    load : callable
        Gives the dataset.
    again : str or pathlib.Path, optional
        A run to repeat: it decides what the spec and the parameters above would. Of the spec
        it takes the title, the dataset and how to publish.
    resume : str or pathlib.Path, optional
        A run to go on with, which likewise decides all of that.

    Raises
    ------
    UsageError, DataError
        For whatever cannot be, before anything runs.
    """
    parameters, only = _pairs(parameters), list(only)
    day: dt.date | str | None
    _refuse_beside(again, resume, as_of, only, parameters, quick)
    read = read_spec(spec)
    if "pdf" in read.publish.formats:
        find_chromium()
    registry = read_registry()
    place = spec.with_suffix("") if out is None else Path(out)
    cut = _cut(read, spec, place, again, resume)
    earlier = cut.run if cut else None if again is None else read_earlier(place, spec, again)
    if earlier:
        given = earlier.parameters(registry)
        day, quick = earlier.as_of, earlier.quick
    else:
        given = _given(read, spec, registry, only, parameters)
        day = read.as_of if as_of is None else _read_as_of(as_of)
    order = list(given)
    for name in order:
        if absent := [k for k in given[name] if k not in registry.defaults[name]]:
            file = registry.path(name)
            raise DataError(f"{file}: {', '.join(absent)} is not in its parameters cell")
    path = (spec.parent / read.dataset).resolve()
    own = as_of is None and earlier is None  # the day is the spec's
    if day == _TODAY:
        day = dt.date.today()
    dataset = _loaded(load, path, None if isinstance(day, str) else day, spec, own, earlier)
    if isinstance(day, str):
        day = _last_complete(day, dataset.as_of)
        dataset = _loaded(load, path, day, spec, own, None, dataset.snapshot)
    if earlier:
        earlier.refuse_other_data(dataset)
    if cut:
        cut.refuse_other_code(
            read.publish.model_dump(include={"include_customers", "include_quotes"})
        )
    return Plan(
        spec=read,
        spec_path=spec,
        out=place,
        dataset_path=path,
        registry=registry,
        dataset=dataset,
        as_of=day.isoformat() if day else "",
        quick=quick,
        order=order,
        given=given,
        skipped=_skipped(registry, order, dataset),
        sources={name: source_sha256(registry, name) for name in order},
        earlier=None if cut else earlier,
        cut=cut,
    )


def _last_complete(word: str, end: dt.date) -> dt.date:
    """Give the last day of the newest month, or week to Sunday, that the data hold whole."""
    after = end + dt.timedelta(days=1)
    if word == "last-complete-week":
        return after - dt.timedelta(days=after.weekday() + 1)
    return after.replace(day=1) - dt.timedelta(days=1)


def _cut(
    read: Spec, spec: Path, place: Path, again: str | Path | None, resume: str | Path | None
) -> Cut | None:
    """Read the run to go on with; a spec with ``each`` has none that could be repeated."""
    if read.each is not None and again is not None:
        told = f"--again is for the run of one report, and {spec} has each"
        raise UsageError(f"{told}; leave --again out, and give --as-of for the same day")
    if resume is None:
        return None
    cut = read_cut(place, spec, resume)
    cut.refuse_other_each(read.each.column if read.each else None)
    return cut


def _refuse_beside(
    again: object, resume: object, as_of: object, only: object, parameters: object, quick: bool
) -> None:
    """Refuse what a run that is repeated, or gone on with, has decided already."""
    if again is None and resume is None:
        return
    own, does = "--again", "repeats a run as it was"
    if resume is not None:
        own, does = "--resume", "goes on with a run as it was"
    beside = {"--as-of": as_of is not None, "--only": only, "-p": parameters, "--quick": quick}
    beside["--again"] = again is not None and own != "--again"
    if clash := [name for name, given in beside.items() if given]:
        raise UsageError(f"{own} {does}; leave out {', '.join(clash)}, or leave out {own}")


def _given(
    spec: Spec, path: Path, registry: Registry, only: list[str], asked: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Give the notebooks in the order to run them, each with the parameters that are set."""
    order = _order(spec, path, registry, only)
    given = _set(spec, path, registry, order)
    for name, values in _shared(asked, registry, order).items():
        given[name].update(values)
    return given


def _skipped(registry: Registry, order: list[str], dataset: Dataset) -> dict[str, str]:
    """Name the notebooks that cannot run on these data, with the reason."""
    unmet = {n: _unmet(registry.notebooks[n].needed(dataset.form), dataset) for n in order}
    return {name: reason for name, reason in unmet.items() if reason}


def _unmet(needs: Iterable[str], dataset: Dataset) -> str:
    """Say why a notebook cannot run on these data; empty where it can."""
    if reason := dataset.missing(needs):
        return reason
    if dataset.form == "snapshot" and "interactions" in needs:
        return "a snapshot does not say when customers left, so contacts cannot come before it"
    return ""


def _loaded(
    load: Load,
    path: Path,
    day: dt.date | None,
    spec: Path,
    own: bool,
    earlier: Earlier | None,
    snapshot: str | None = None,
) -> Dataset:
    """Load the data; no such folder, or an ``own`` day that cannot be, is the spec's fault.

    A run that is repeated reads the snapshot it had read, if its data are a database's.
    """
    snapshot = earlier.snapshot if earlier else snapshot
    held = {"snapshot": snapshot} if snapshot else {}
    try:
        return load(path, as_of=day, **held)
    except UsageError as error:
        if is_folder(path) and not own:
            raise
        if is_folder(path):
            raise DataError(f"{spec}: {error}") from None
        raise DataError(f"{spec}: dataset: no folder {path}") from None


def _order(spec: Spec, path: Path, registry: Registry, only: list[str]) -> list[str]:
    """Give the notebooks asked for, by the command, else by the spec, else all."""
    every = registry.notebooks
    for name in only:
        if name not in every:
            raise UsageError(one_of("the notebook", name, every))
    for name in spec.notebooks or ():
        if name not in every:
            raise DataError(one_of(f"{path}: notebooks: a name", name, every))
    return registry.with_needed(only or spec.notebooks or list(every))


def _set(spec: Spec, path: Path, registry: Registry, order: list[str]) -> dict[str, dict[str, Any]]:
    """Give the parameters the spec sets; those of notebooks not run now are checked as well."""
    report = registry.with_needed({*(spec.notebooks or registry.notebooks), *order})
    try:
        given = _shared(_flat(spec.parameters, registry), registry, report)
    except UsageError as error:
        raise DataError(f"{path}: parameters: {error}") from None
    return {name: given[name] for name in order}


def _flat(parameters: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Give a spec's parameters as ``name`` and ``notebook.name``; the latter win."""
    flat = {k: v for k, v in parameters.items() if k not in registry.notebooks}
    for name in (k for k in parameters if k in registry.notebooks):
        own = parameters[name]
        if not isinstance(own, dict):
            raise UsageError(f"{name} is {own!r}; it has to be a mapping of parameters")
        flat |= {f"{name}.{key}": value for key, value in own.items()}
    return flat


def _pairs(parameters: Iterable[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Split ``name=value``."""
    if isinstance(parameters, Mapping):
        return dict(parameters)
    pairs: dict[str, Any] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise UsageError(f"the parameter {text!r} has to be written name=value")
        if name.strip() in pairs:
            raise UsageError(f"the parameter {name.strip()} is given twice")
        pairs[name.strip()] = value
    return pairs


def _shared(
    values: Mapping[str, Any], registry: Registry, selected: list[str]
) -> dict[str, dict[str, Any]]:
    """Give each parameter to every notebook that has it, or to the one it names, checked."""
    given: dict[str, dict[str, Any]] = {name: {} for name in selected}
    for key, value in values.items():
        owner, _, own_key = key.rpartition(".")
        if owner and owner not in given:
            raise UsageError(f"parameter {key!r}: {owner} is not in this report")
        has = [n for n in selected if key in registry.notebooks[n].parameters]
        owners = [owner] if owner else has
        if not owners:
            raise UsageError(_unknown(key, registry, selected))
        for name in owners:
            given[name][own_key] = value
    return {name: registry.validate(name, own) for name, own in given.items()}


def _unknown(key: str, registry: Registry, selected: list[str]) -> str:
    """Word the error for a parameter that no notebook of this report has."""
    names = sorted({p for n in selected for p in registry.notebooks[n].parameters})
    elsewhere = [n for n, e in registry.notebooks.items() if key in e.parameters]
    note = f" (it is one of {', '.join(elsewhere)}, not rendered here)" if elsewhere else ""
    return f"no notebook has the parameter {key!r}{note}; allowed: {', '.join(names) or 'none'}"
