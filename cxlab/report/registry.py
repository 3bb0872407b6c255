"""The notebooks of a report: their questions, needs and parameters, from ``registry.yml``.

``cxlab list`` needs no more than this: imports stay light.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from cxlab.data.contract import read_yaml, validation_line
from cxlab.errors import DataError, UsageError, one_of
from cxlab.report.parameters import STANDARD, STRICT, Default, Parameter, read_defaults

__all__ = [
    "Entry",
    "Registry",
    "describe",
    "find_notebooks",
    "mismatches",
    "read_model",
    "read_registry",
    "with_entry",
]

M = TypeVar("M", bound=BaseModel)
_NAME = re.compile(r"[\w-](?:[\w.-]{0,98}[\w-])?")
"""A notebook's name is that of files of a run."""


class Entry(BaseModel):
    """One notebook of the registry; ``after: ["*"]`` runs it after all others.

    ``snapshot_needs`` names the tables needed of a snapshot, where they are others; ``weight``
    says about how long it takes beside the others.
    """

    model_config = STRICT

    question: str
    needs: list[str] = ["customers"]
    snapshot_needs: list[str] | None = None
    timeout_seconds: int = Field(default=600, gt=0)
    after: list[str] = []
    weight: float = Field(default=1, gt=0)
    parameters: dict[str, Parameter] = {}

    @property
    def sums_up(self) -> bool:
        """Whether it runs after all the others."""
        return "*" in self.after

    def needed(self, form: str) -> list[str]:
        """Give the tables it needs of a dataset.

        Parameters
        ----------
        form : str
            The dataset's form; of a ``"snapshot"`` other tables may be needed.
        """
        if form == "snapshot" and self.snapshot_needs is not None:
            return self.snapshot_needs
        return self.needs


class _File(BaseModel):
    model_config = STRICT

    notebooks: dict[str, Entry]


@dataclass(frozen=True)
class Registry:
    """The notebooks that can be rendered.

    Parameters
    ----------
    folder : pathlib.Path
        Where the notebooks are.
    notebooks : dict of str to Entry
        By name, in the registry's order.
    """

    folder: Path
    notebooks: dict[str, Entry]
    defaults: dict[str, dict[str, Default]]

    def path(self, name: str) -> Path:
        """Give a notebook's file."""
        return self.folder / f"{name}.ipynb"

    def before(self, name: str, selected: Collection[str]) -> set[str]:
        """Give those of the selected notebooks that have to run before one.

        Parameters
        ----------
        name : str
            The notebook.
        selected : collection of str
            The notebooks of this report.
        """
        if self.notebooks[name].sums_up:
            return {n for n in selected if not self.notebooks[n].sums_up}
        found = set(self.notebooks[name].after)
        for other in self.notebooks[name].after:
            found |= self.before(other, self.notebooks)
        return found & set(selected)

    def longest_first(self, names: Collection[str]) -> list[str]:
        """Give notebooks in the order to start them, so that all cores end together.

        Parameters
        ----------
        names : collection of str
            The notebooks of this report; of the same weight they stay in this order.
        """
        return sorted(names, key=lambda n: -self.notebooks[n].weight)

    def with_needed(self, names: Collection[str]) -> list[str]:
        """Add the notebooks that those named have to run after, in the order to run them.

        Parameters
        ----------
        names : collection of str
            The notebooks asked for.
        """
        wanted = set(names)
        for name in names:
            if not self.notebooks[name].sums_up:
                wanted |= self.before(name, self.notebooks)
        ordered = [n for n in self.notebooks if n in wanted]
        graph = {n: [o for o in ordered if o in self.before(n, wanted)] for n in ordered}
        return list(TopologicalSorter(graph).static_order())

    def validate(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Check and coerce a notebook's parameters, before anything runs.

        Parameters
        ----------
        name : str
            The notebook.
        values : mapping
            Parameter to value; text is turned into the parameter's type.

        Raises
        ------
        UsageError
            For an unknown name, a wrong type, a value out of bounds.
        """
        allowed = self.notebooks[name].parameters
        for key in values:
            if key in STANDARD:
                raise UsageError(f"{name}: the parameter {key} is set by cxlab itself")
            if key not in allowed:
                names = ", ".join(allowed) or "none"
                raise UsageError(f"{name} has no parameter {key!r}; allowed: {names}")
        return {k: allowed[k].coerce(v, f"{name}: parameter {k}") for k, v in values.items()}


def find_notebooks() -> Path:
    """Find the folder of the notebooks and their registry.

    ``CXLAB_NOTEBOOKS`` where set, else ``notebooks/`` beside the package, else ``./notebooks``.

    Raises
    ------
    UsageError
        If there is no ``registry.yml`` in any of them.
    """
    named = os.environ.get("CXLAB_NOTEBOOKS")
    beside = Path(__file__).resolve().parents[2] / "notebooks"
    places = [Path(named)] if named else [beside, Path("notebooks")]
    for place in places:
        if (place / "registry.yml").is_file():
            return place.resolve()
    looked = " and ".join(str(p) for p in places)
    raise UsageError(
        f"no notebooks: there is no registry.yml in {looked}; set CXLAB_NOTEBOOKS to the folder"
    )


def read_model(model: type[M], path: Path) -> M:
    """Read a YAML file that holds what a model says.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        What the file has to hold.
    path : pathlib.Path
        The file.

    Raises
    ------
    DataError
        Naming the file, the key and what was allowed.
    """
    data = read_yaml(path)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise validation_line(path, error, model) from None


def read_registry(folder: Path | None = None) -> Registry:
    """Read and check ``registry.yml``.

    Parameters
    ----------
    folder : pathlib.Path, optional
        The folder of the notebooks; by default that of :func:`find_notebooks`.

    Raises
    ------
    DataError
        For an unknown key, a notebook that is not there, an order that cannot be, a
        notebook's own default that its parameter may not be.
    """
    folder = find_notebooks() if folder is None else Path(folder)
    file = folder / "registry.yml"
    registry = Registry(folder, read_model(_File, file).notebooks, {})
    every = registry.notebooks
    for name, entry in every.items():
        if not _NAME.fullmatch(name):
            allowed = "letters, digits, -, _ and dots within, up to 100"
            raise DataError(f"{file}: notebooks: a name is {name[:60]!r}; allowed: {allowed}")
        if not registry.path(name).is_file():
            raise DataError(f"{file}: {name}: there is no {name}.ipynb beside the registry")
        for other in entry.after:
            if other not in {"*", *every}:
                raise DataError(one_of(f"{file}: {name}: after", other, every))
        for parameter in entry.parameters:
            if parameter in STANDARD:
                raise DataError(f"{file}: {name}: {parameter} is set by cxlab; leave it out")
        registry.defaults[name] = read_defaults(registry.path(name))
        for told in _refused_defaults(entry, registry.defaults[name]):
            raise DataError(f"{registry.path(name)}: {told}")
    others = [n for n, e in every.items() if not e.sums_up]
    try:
        TopologicalSorter({n: others if e.sums_up else e.after for n, e in every.items()}).prepare()
    except CycleError as error:
        waiting = ", ".join(dict.fromkeys(error.args[1]))
        raise DataError(f"{file}: these notebooks wait for each other: {waiting}") from None
    return registry


def with_entry(file: Path, name: str, entry: str) -> str:
    """Give a registry's text with one more notebook at its end; the rest stays to the letter.

    Parameters
    ----------
    file : pathlib.Path
        The registry; it is not written.
    name : str
        The notebook.
    entry : str
        What is said of it, as YAML.

    Raises
    ------
    DataError
        Read back, the text would not say what it said before and the entry besides.
    """
    before, text = read_yaml(file), file.read_bytes().decode("utf-8")
    end = "\r\n" if "\r\n" in text else "\n"
    first = re.search(r"^notebooks:[^\n]*\n(?:[ \t]*(?:#[^\n]*)?\r?\n)*( +)\S", text, re.MULTILINE)
    indent = first[1] if first else "  "
    lines = f"{indent}{name}:\n{textwrap.indent(entry, 2 * indent)}"
    after = text + ("" if text.endswith("\n") else end) + lines.replace("\n", end)
    both = {**(before.get("notebooks") or {}), name: yaml.safe_load(entry)}
    try:
        same = yaml.safe_load(after) == {**before, "notebooks": both}
    except yaml.YAMLError:
        same = False
    if not same:
        raise DataError(
            f"{file}: a notebook cannot be added at its end; allowed: notebooks: as the last key, "
            "each notebook below it on lines of its own"
        )
    return after


def describe(registry: Registry | None = None) -> str:
    """Tell the notebooks, their questions and parameters as text.

    Parameters
    ----------
    registry : Registry, optional
        The registry; by default that of :func:`find_notebooks`.
    """
    registry = read_registry() if registry is None else registry
    return "\n\n".join(_described(registry, name) for name in registry.notebooks)


def _described(registry: Registry, name: str) -> str:
    """Tell one notebook."""
    entry = registry.notebooks[name]
    needs = f"  needs {', '.join(entry.needs)}"
    if entry.snapshot_needs is not None:
        needs += f"; of a snapshot: {', '.join(entry.snapshot_needs)}"
    lines = [name, f"  {entry.question}", needs]
    defaults = registry.defaults[name]
    for key, parameter in entry.parameters.items():
        default = f" = {json.dumps(defaults[key].value)}" if key in defaults else ""
        kind = f"{parameter.type}{parameter.allowed}"
        lines.append(f"  -p {key}{default}  ({kind}) {parameter.meaning}")
    return "\n".join(lines)


def mismatches(registry: Registry) -> list[str]:
    """Compare the registry with the notebooks' parameters cells.

    Parameters
    ----------
    registry : Registry
        The registry.

    Returns
    -------
    list of str
        A line for each difference; empty where the two agree.
    """
    lines: list[str] = []
    for name, entry in registry.notebooks.items():
        own = _own_defaults(registry, name)
        lines += [f"{name}: {k} is not in the registry" for k in own if k not in entry.parameters]
        absent = [k for k in entry.parameters if k not in own]
        lines += [f"{name}: {k} is not in the parameters cell" for k in absent]
        lines += [f"{name}: {told}" for told in _refused_defaults(entry, own)]
    return lines


def _own_defaults(registry: Registry, name: str) -> dict[str, Default]:
    """Give the defaults of a notebook's parameters but those the renderer sets."""
    defaults = read_defaults(registry.path(name))
    return {k: d for k, d in defaults.items() if k not in STANDARD}


def _refused_defaults(entry: Entry, defaults: Mapping[str, Default]) -> list[str]:
    """Hold a notebook's defaults against the types, bounds, choices and patterns."""
    both = [(k, p, defaults[k]) for k, p in entry.parameters.items() if k in defaults]
    told = (_refusal(p, d, f"the default of {k}") for k, p, d in both)
    return [line for line in told if line]


def _refusal(parameter: Parameter, default: Default, what: str) -> str:
    """Say why a default will not do; empty where it does."""
    annotation = {"date": "str"}.get(parameter.type, parameter.type)
    if {default.type, type(default.value).__name__} != {annotation}:
        written = f"{default.type} = {default.value!r}"
        return f"{what} is written {written!r}; it has to be {annotation}"
    try:
        parameter.coerce(default.value, what)
    except UsageError as error:
        return str(error)
    return ""
