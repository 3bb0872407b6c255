"""A notebook's parameters: their defaults from its cell, their types and bounds."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from cxlab.errors import DataError, UsageError, one_of

__all__ = ["STANDARD", "STRICT", "Default", "Parameter", "read_defaults", "secret_in"]

STANDARD = (
    *("dataset", "as_of", "where", "quick", "run", "state"),
    *("include_quotes", "include_customers"),
)
"""Parameters the renderer sets itself where a notebook's parameters cell has them."""

STRICT = ConfigDict(extra="forbid", frozen=True)
"""Of a model that refuses keys it does not know."""

_ANNOTATIONS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_READ: dict[str, TypeAdapter[Any]] = {
    **{name: TypeAdapter(kind) for name, kind in _ANNOTATIONS.items()},
    "float": TypeAdapter(FiniteFloat),
    "date": TypeAdapter(dt.date),
}
# A parameter's value is written into the notebook, its page and the manifest.
_SECRETS = {
    "an address with a password": r"[a-z][\w+.-]*://[^\s/:@]*:[^\s/@]+@",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
    "a token": r"\b(?:gh[pousr]_\w{20,}|xox[abeprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}|sk-[\w-]{20,})",
    "a password": r"(?i:\b(?:password|passwd|pwd|secret|token|api[_-]?key)\s*[=:]\s*\S)",
    "a variable of the environment, which is read in dataset.yml alone": r"\$\{\w+\}",
}
_WORDS = {"bool": "true or false", "date": "a date such as 2026-06-30"}


def secret_in(text: str) -> str:
    """Say what a text looks like that must not be shown; empty for one that may be."""
    return next((kind for kind, pattern in _SECRETS.items() if re.search(pattern, text)), "")


class Parameter(BaseModel):
    """What a notebook's parameter may be; one that is ``dated`` says nothing to a snapshot."""

    model_config = STRICT

    type: Literal["int", "float", "str", "bool", "date"]
    meaning: str
    dated: bool = False
    unit: str = ""
    min: int | float | None = None
    max: int | float | None = None
    choices: list[Any] | None = None
    pattern: str | None = None

    @model_validator(mode="after")
    def _bounds_fit(self) -> Parameter:
        if (self.min is not None or self.max is not None) and self.type not in ("int", "float"):
            raise ValueError(f"min and max are for int and float, not for {self.type}")
        return self

    @field_validator("pattern")
    @classmethod
    def _is_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression ({error})") from None
        return value

    @model_validator(mode="after")
    def _pattern_fits(self) -> Parameter:
        if self.pattern is not None and self.type != "str":
            raise ValueError(f"pattern is for str, not for {self.type}")
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
            A date is given as ISO text, which is what a notebook receives; empty text stays
            empty, which means the notebook's own choice.

        Raises
        ------
        UsageError
            If it is of another type, out of bounds or not of the pattern; what is allowed
            is named. If it looks like a secret, which is not shown.
        """
        if kind := secret_in(str(value)):
            raise UsageError(f"{what} looks like {kind}; a report shows its parameters")
        if self.type == "date" and value == "":
            return value
        expected = _WORDS.get(self.type, f"{self.type}{self.allowed}")
        error = UsageError(f"{what} is {value!r}; it has to be {expected}")
        if isinstance(value, bool) and self.type != "bool":
            raise error  # pydantic would take true for 1
        if self.type == "str" and isinstance(value, int):
            value = str(value)  # what YAML made of digits
        try:
            made = _READ[self.type].validate_python(value)
        except ValidationError:
            raise error from None
        if self.choices is not None and made not in self.choices:
            raise UsageError(one_of(what, made, self.choices))
        if not self._within(made):
            raise error
        return made.isoformat() if self.type == "date" else made

    def _within(self, value: Any) -> bool:
        """Tell whether a value of the right type keeps to the bounds and the pattern."""
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return False
        low = self.min is not None and value < self.min
        return not (low or (self.max is not None and value > self.max))

    @property
    def allowed(self) -> str:
        """What is allowed beside the type, in words; empty where everything is."""
        unit = f" {self.unit}" if self.unit else ""
        if self.choices is not None:
            return f", one of {', '.join(str(c) for c in self.choices)}"
        if self.pattern is not None:
            return f" of the form {self.pattern}"
        if self.min is not None and self.max is not None:
            return f" from {self.min} to {self.max}{unit}"
        if self.min is not None:
            return f" of at least {self.min}{unit}"
        return f" of at most {self.max}{unit}" if self.max is not None else ""


class Default(NamedTuple):
    """A parameter as a notebook's ``parameters`` cell gives it: its annotation and default."""

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
    try:
        body = ast.parse("\n".join("".join(c["source"]) for c in tagged)).body
    except SyntaxError as error:
        raise DataError(f"{path}: parameters cell, line {error.lineno}: {error.msg}") from None
    return dict(_default(node, path) for node in body)


def _default(node: ast.stmt, path: Path) -> tuple[str, Default]:
    """Read one line of a parameters cell."""
    line = f"{path}: parameters cell, line {node.lineno}"
    if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
        raise DataError(f"{line}: write each parameter as `name: type = value`")
    annotation = ast.unparse(node.annotation)
    if annotation not in _ANNOTATIONS:
        raise DataError(one_of(f"{line}: the type of {node.target.id}", annotation, _ANNOTATIONS))
    try:
        value = ast.literal_eval(node.value)
    except ValueError:
        raise DataError(f"{line}: the default of {node.target.id} is no plain value") from None
    return node.target.id, Default(annotation, value)
