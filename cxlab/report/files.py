"""Read a YAML file into a model, and write a file so that nobody sees half of it."""

from __future__ import annotations

import os
import typing
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from cxlab.errors import DataError, UsageError

__all__ = ["build_model", "read_yaml", "write_text"]

M = TypeVar("M", bound=BaseModel)


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping; a repeated key is an error, not the last one's win."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Raises
    ------
    UsageError
        If there is no such file, or it cannot be read.
    DataError
        If it is not YAML; the line is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    try:
        return yaml.load(text, Loader=_UniqueKeys)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise DataError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not valid YAML: {error}") from None


def build_model(model: type[M], data: Any, where: str) -> M:
    """Check values against a model.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        What the values have to be.
    data : object
        The values, as YAML gave them.
    where : str
        The file, for the error.

    Raises
    ------
    DataError
        Naming the file, the key and what was allowed.
    """
    if not isinstance(data, dict):
        allowed = ", ".join(model.model_fields)
        raise DataError(f"{where}: has to be a mapping with the keys {allowed}")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        told = [_told(model, e) for e in error.errors(include_url=False)]
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        raise DataError(f"{where}: {'; '.join(told[:3])}{more}") from None


def _told(model: type[BaseModel], error: Any) -> str:
    """Word one of pydantic's errors."""
    loc: tuple[Any, ...] = error["loc"]
    key = ".".join(str(part) for part in loc) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(_model_at(model, loc[:-1]).model_fields)
        return f"unknown key {key}; allowed: {allowed}"
    if error["type"] == "missing":
        return f"the key {key} is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{key} is {error['input']!r}: {message}"


def _model_at(model: type[BaseModel], loc: Sequence[Any]) -> type[BaseModel]:
    """Give the model that holds the keys at a place, through dicts and lists."""
    current = model
    for part in loc:
        field = current.model_fields.get(part) if isinstance(part, str) else None
        if field is None:  # a key of a dict, an item of a list: the model was found already
            continue
        current = _model_in(field.annotation) or current
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model inside an annotation such as ``dict[str, Model]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(a) for a in typing.get_args(annotation))
    return next((m for m in found if m is not None), None)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with ``\\n`` line ends, by rename.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder is there.
    text : str
        What it will hold.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
