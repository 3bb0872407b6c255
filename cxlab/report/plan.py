"""Decide everything about a run that can be decided before anything runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cxlab.errors import DataError, UsageError
from cxlab.report.parameters import Default, read_defaults
from cxlab.report.registry import Registry, read_registry
from cxlab.report.spec import Spec, read_spec, share_parameters, spec_parameters

__all__ = ["Dataset", "Load", "Plan", "make_plan"]


class Dataset(Protocol):
    """What the renderer needs to know of a dataset."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def as_of(self) -> dt.date:
        """The date up to which data are seen."""

    @property
    def form(self) -> str:
        """Its form, events or snapshot."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables it has."""

    def sha256(self) -> dict[str, str]:
        """Give the data's hash, by table."""


Load = Callable[..., Dataset]


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
    defaults : dict of str to dict
        Every parameter of the notebooks' own cells.
    skipped : dict of str to str
        Notebooks that cannot run on these data, with the reason.
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
    defaults: dict[str, dict[str, Default]]
    skipped: dict[str, str]

    def settings(self, name: str) -> dict[str, Any]:
        """Give all of a notebook's own parameters as it runs with them."""
        own = self.registry.notebooks[name].parameters
        values = {k: d.value for k, d in self.defaults[name].items() if k in own}
        return {**values, **self.given[name]}

    def injected(self, name: str, run: Path) -> dict[str, Any]:
        """Give what is injected into a notebook.

        Parameters
        ----------
        name : str
            The notebook.
        run : pathlib.Path
            Where it finds what those before it found.
        """
        standard = {
            "dataset": str(self.dataset_path),
            "as_of": self.as_of,
            "quick": self.quick,
            "run": str(run),
            "include_customers": self.spec.publish.include_customers,
            "include_quotes": self.spec.publish.include_quotes,
        }
        has = self.defaults[name]
        return {k: v for k, v in standard.items() if k in has} | self.given[name]


def make_plan(
    spec: Path,
    *,
    as_of: dt.date | str | None,
    only: Iterable[str],
    parameters: Iterable[str] | Mapping[str, Any],
    quick: bool,
    out: Path | None,
    load: Load,
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
        Gives the dataset from its path and ``as_of``.

    Raises
    ------
    UsageError, DataError
        For whatever cannot be, before anything runs.
    """
    read = read_spec(spec)
    registry = read_registry()
    order = registry.with_needed(_selected(read, spec, registry, list(only)))
    given = spec_parameters(read, spec, registry, order)
    for name, values in share_parameters(_pairs(parameters), registry, order).items():
        given[name].update(values)
    defaults = {name: read_defaults(registry.path(name)) for name in order}
    for name in order:
        for key in given[name]:
            if key not in defaults[name]:
                file = registry.path(name)
                raise DataError(f"{file}: the parameter {key} is not in its parameters cell")
    day = _day(as_of) or (read.as_of.isoformat() if read.as_of else "")
    path = (spec.parent / read.dataset).resolve()
    dataset = load(path, as_of=dt.date.fromisoformat(day) if day else None)
    missing = {
        name: [t for t in registry.notebooks[name].needs if t not in dataset.tables]
        for name in order
    }
    return Plan(
        spec=read,
        spec_path=spec,
        out=spec.with_suffix("") if out is None else Path(out),
        dataset_path=path,
        registry=registry,
        dataset=dataset,
        as_of=day,
        quick=quick,
        order=order,
        given={name: given[name] for name in order},
        defaults=defaults,
        skipped={
            name: f"the dataset has no table {' and no table '.join(tables)}"
            for name, tables in missing.items()
            if tables
        },
    )


def _selected(spec: Spec, path: Path, registry: Registry, only: list[str]) -> list[str]:
    """Give the notebooks asked for: by the command, else by the spec, else all."""
    if only:
        return [registry.known(name, "the notebook") for name in only]
    try:
        named = spec.notebooks or list(registry.notebooks)
        return [registry.known(name, "notebooks: a name") for name in named]
    except UsageError as error:
        raise DataError(f"{path}: {error}") from None


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


def _day(as_of: dt.date | str | None) -> str:
    """Give a date as ISO text."""
    if as_of is None or as_of == "":
        return ""
    if isinstance(as_of, dt.datetime):
        as_of = as_of.date()
    try:
        return dt.date.fromisoformat(str(as_of)).isoformat()
    except ValueError:
        raise UsageError(f"as_of is {as_of!r}; it has to be a date such as 2026-06-30") from None
