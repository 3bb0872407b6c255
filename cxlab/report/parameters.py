"""A notebook's parameters: their defaults from its cell, their types and bounds."""

from __future__ import annotations

import ast
import datetime as dt
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from cxlab.errors import DataError, UsageError, one_of

__all__ = ["ANNOTATIONS", "STANDARD", "Default", "Parameter", "read_defaults"]

STANDARD = ("dataset", "as_of", "quick", "run", "include_customers", "include_quotes")
"""Parameters the renderer sets itself where a notebook's parameters cell has them."""

ANNOTATIONS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class Parameter(BaseModel):
    """What a notebook's parameter may be."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["int", "float", "str", "bool", "date"]
    meaning: str
    unit: str = ""
    min: int | float | None = None
    max: int | float | None = None
    choices: list[Any] | None = None

    @model_validator(mode="after")
    def _bounds_fit(self) -> Parameter:
        if (self.min is not None or self.max is not None) and self.type not in ("int", "float"):
            raise ValueError(f"min and max are for int and float, not for {self.type}")
        return self

    def coerce(self, value: Any, what: str) -> Any:
        """Turn a value, such as the text after ``-p``, into the parameter's type.

        Parameters
        ----------
        value : object
            Text, or what YAML made of it.
        what : str
            The parameter, for the error.

        Returns
        -------
        int, float, str or bool
            A date is given as ISO text, which is what a notebook receives.

        Raises
        ------
        UsageError
            If it is of another type or out of bounds; the bounds are named.
        """
        made: Any
        try:
            made = _COERCE[self.type](value)
        except (TypeError, ValueError):
            expected = {"date": "a date such as 2026-06-30", "bool": "true or false"}
            kind = expected.get(self.type, f"{self.type}{self.allowed}")
            raise UsageError(f"{what} is {value!r}; it has to be {kind}") from None
        if self.choices is not None and made not in self.choices:
            raise UsageError(one_of(what, made, self.choices))
        low = self.min is not None and made < self.min
        if low or (self.max is not None and made > self.max):
            raise UsageError(f"{what} is {made!r}; it has to be {self.type}{self.allowed}")
        return made

    @property
    def allowed(self) -> str:
        """What is allowed beside the type, in words; empty where everything is."""
        unit = f" {self.unit}" if self.unit else ""
        if self.choices is not None:
            return f", one of {', '.join(str(c) for c in self.choices)}"
        if self.min is not None and self.max is not None:
            return f" from {self.min} to {self.max}{unit}"
        if self.min is not None:
            return f" of at least {self.min}{unit}"
        return f" of at most {self.max}{unit}" if self.max is not None else ""


@dataclass(frozen=True)
class Default:
    """A parameter as a notebook's ``parameters`` cell gives it.

    Parameters
    ----------
    name : str
        The parameter.
    type : str
        Its annotation: int, float, str or bool.
    value : int, float, str or bool
        Its default.
    """

    name: str
    type: str
    value: Any


def read_defaults(path: Path) -> dict[str, Default]:
    """Read the defaults of a notebook's cell tagged ``parameters``.

    Parameters
    ----------
    path : pathlib.Path
        The notebook.

    Returns
    -------
    dict of str to Default
        By name, in the cell's order; empty without such a cell.

    Raises
    ------
    DataError
        If the cell holds anything but plain annotated assignments.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a notebook that can be read ({error})") from None
    tagged = [c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    source = "\n".join("".join(c["source"]) for c in tagged)
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise DataError(f"{path}: parameters cell, line {error.lineno}: {error.msg}") from None
    found = [_default(node, path) for node in body if not _is_text(node)]
    return {d.name: d for d in found}


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _default(node: ast.stmt, path: Path) -> Default:
    """Read one line of a parameters cell."""
    line = f"{path}: parameters cell, line {node.lineno}"
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
        raise DataError(f"{line}: write each parameter as `name: type = value`")
    annotation = ast.unparse(node.annotation)
    if annotation not in ANNOTATIONS:
        raise DataError(one_of(f"{line}: the type of {node.target.id}", annotation, ANNOTATIONS))
    try:
        value = ast.literal_eval(node.value)
    except ValueError:
        raise DataError(f"{line}: the default of {node.target.id} is no plain value") from None
    return Default(node.target.id, annotation, value)


def _int(value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise TypeError
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise TypeError
    return float(value)


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _TRUE | _FALSE:
        raise ValueError
    return text in _TRUE


def _date(value: Any) -> str:
    """Give an ISO date; empty text stays empty, which means the notebook's own choice."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    return dt.date.fromisoformat(value).isoformat() if value else _str(value)


_COERCE = {"int": _int, "float": _float, "str": _str, "bool": _bool, "date": _date}
