"""The spec of a report: which dataset, which notebooks, with which parameters."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cxlab.errors import DataError, UsageError
from cxlab.report.files import build_model, read_yaml
from cxlab.report.registry import Registry

__all__ = ["Publish", "Spec", "read_spec"]


class Publish(BaseModel):
    """What of a run is kept and shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_runs: int | None = Field(default=None, ge=1)
    formats: list[Literal["html"]] = ["html"]
    include_customers: bool = False
    include_quotes: bool = False


class Spec(BaseModel):
    """A report's spec file; paths in it are relative to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    dataset: str
    notebooks: list[str] | None = Field(default=None, min_length=1)
    parameters: dict[str, Any] = {}
    as_of: dt.date | None = None
    publish: Publish = Publish()

    @field_validator("parameters", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


def read_spec(path: Path) -> Spec:
    """Read and check a report's spec.

    Parameters
    ----------
    path : pathlib.Path
        The spec file.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is not YAML, or holds what a spec may not.
    """
    return build_model(Spec, read_yaml(path), str(path))


def spec_parameters(
    spec: Spec, path: Path, registry: Registry, selected: list[str]
) -> dict[str, dict[str, Any]]:
    """Give each notebook the spec's parameters, checked.

    Parameters
    ----------
    spec : Spec
        The spec: ``{name: value}`` for every notebook that has the parameter, and
        ``{notebook: {name: value}}`` for one, which wins.
    path : pathlib.Path
        The spec's file, for the error.
    registry : Registry
        The notebooks.
    selected : list of str
        Those of this report.

    Raises
    ------
    DataError
        For an unknown name, a wrong type, a value out of bounds.
    """
    shared = {k: v for k, v in spec.parameters.items() if k not in registry.notebooks}
    try:
        values = share_parameters(shared, registry, selected)
        for name in (k for k in spec.parameters if k in registry.notebooks):
            own = spec.parameters[name]
            if not isinstance(own, dict):
                raise UsageError(f"{name} is {own!r}; it has to be a mapping of parameters")
            checked = registry.validate(name, own)
            if name in values:
                values[name].update(checked)
    except UsageError as error:
        raise DataError(f"{path}: parameters: {error}") from None
    return values


def share_parameters(
    values: dict[str, Any], registry: Registry, selected: list[str]
) -> dict[str, dict[str, Any]]:
    """Give each parameter to every notebook that has it.

    Parameters
    ----------
    values : dict
        Parameter to value; ``notebook.parameter`` is for one notebook.
    registry : Registry
        The notebooks.
    selected : list of str
        Those of this report.

    Raises
    ------
    UsageError
        For a name that no notebook has, and as :meth:`Registry.validate` does.
    """
    given: dict[str, dict[str, Any]] = {name: {} for name in selected}
    for key, value in values.items():
        owner, _, own_key = key.rpartition(".")
        if owner:
            if owner not in given:
                raise UsageError(f"parameter {key!r}: {owner} is not in this report")
            owners = [owner]
        else:
            owners = [n for n in selected if key in registry.notebooks[n].parameters]
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
