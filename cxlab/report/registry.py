"""The notebooks of a report: their questions, needs and parameters, from ``registry.yml``."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cxlab.errors import DataError, UsageError, one_of
from cxlab.report.files import build_model, read_yaml
from cxlab.report.parameters import ANNOTATIONS, STANDARD, Parameter, read_defaults

__all__ = ["Entry", "Registry", "describe", "find_notebooks", "mismatches", "read_registry"]


class Entry(BaseModel):
    """One notebook of the registry."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    needs: list[str] = ["customers"]
    timeout_seconds: int = Field(default=600, gt=0)
    after: list[str] = []
    parameters: dict[str, Parameter] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

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
        after = self.notebooks[name].after
        if "*" in after:
            return {n for n in selected if "*" not in self.notebooks[n].after}
        found: set[str] = set()
        for other in after:
            found |= {other} | self.before(other, selected)
        return found & set(selected)

    def with_needed(self, names: Collection[str]) -> list[str]:
        """Add the notebooks that those named have to run after, in the order to run them.

        Parameters
        ----------
        names : collection of str
            The notebooks asked for.
        """
        wanted = set(names)
        for name in names:
            if "*" not in self.notebooks[name].after:
                wanted |= self.before(name, self.notebooks)
        ordered: list[str] = []
        while len(ordered) < len(wanted):  # cycles were refused when the registry was read
            ready = (
                n
                for n in self.notebooks
                if n in wanted and n not in ordered and self.before(n, wanted) <= set(ordered)
            )
            ordered.append(next(ready))
        return ordered

    def known(self, name: str, what: str) -> str:
        """Give the name back if there is such a notebook, else refuse it."""
        if name not in self.notebooks:
            raise UsageError(one_of(what, name, self.notebooks))
        return name

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


def read_registry(folder: Path | None = None) -> Registry:
    """Read and check ``registry.yml``.

    Parameters
    ----------
    folder : pathlib.Path, optional
        The folder of the notebooks; by default that of :func:`find_notebooks`.

    Raises
    ------
    DataError
        For an unknown key, a notebook that is not there, an order that cannot be.
    """
    folder = find_notebooks() if folder is None else Path(folder)
    file = folder / "registry.yml"
    registry = Registry(folder, build_model(_File, read_yaml(file), str(file)).notebooks)
    for name, entry in registry.notebooks.items():
        if not registry.path(name).is_file():
            raise DataError(f"{file}: {name}: there is no {name}.ipynb beside the registry")
        for other in entry.after:
            if other != "*" and other not in registry.notebooks:
                raise DataError(one_of(f"{file}: {name}: after", other, registry.notebooks))
        for parameter in entry.parameters:
            if parameter in STANDARD:
                raise DataError(f"{file}: {name}: {parameter} is set by cxlab; leave it out")
    _refuse_cycles(registry, file)
    return registry


def _refuse_cycles(registry: Registry, file: Path) -> None:
    """Refuse notebooks that wait for each other."""
    left = {n: [o for o in e.after if o != "*"] for n, e in registry.notebooks.items()}
    last = {n for n, e in registry.notebooks.items() if "*" in e.after}
    for name, others in left.items():
        if name not in last and set(others) & last:
            raise DataError(f"{file}: {name}: after names a notebook that itself runs last")
    while ready := [n for n, others in left.items() if not set(others) & set(left)]:
        for name in ready:
            del left[name]
    if left:
        raise DataError(f"{file}: these notebooks wait for each other: {', '.join(left)}")


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
    lines = [name, f"  {entry.question}", f"  needs {', '.join(entry.needs)}"]
    defaults = read_defaults(registry.path(name)) if entry.parameters else {}
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
        defaults = read_defaults(registry.path(name))
        own = {k: d for k, d in defaults.items() if k not in STANDARD}
        lines += [f"{name}: {k} is not in the registry" for k in own if k not in entry.parameters]
        for key, parameter in entry.parameters.items():
            if key not in own:
                lines.append(f"{name}: {key} is not in the parameters cell")
                continue
            annotation = {"date": "str"}.get(parameter.type, parameter.type)
            if own[key].type != annotation or type(own[key].value) is not ANNOTATIONS[annotation]:
                lines.append(f"{name}: {key} is a {parameter.type} in the registry only")
                continue
            try:
                parameter.coerce(own[key].value, f"{name}: the default of {key}")
            except UsageError as error:
                lines.append(str(error))
    return lines
