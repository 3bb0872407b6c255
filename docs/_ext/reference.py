"""The reference, made from what the code itself reads: commands, parameters, keys, columns."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin

import typer
from meanings import COLUMNS, FINDING, KEYS, MODELS
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cxlab.cli import app
from cxlab.report.parameters import Parameter
from cxlab.report.registry import read_registry
from cxlab.results import Finding

__all__ = ["columns", "commands", "finding", "keys", "parameters"]


def commands() -> str:
    """Give every command with its arguments, options, defaults and bounds."""
    group = typer.main.get_command(app)
    rows = [_option(p) for p in group.params]
    parts = [f"These hold for all commands, and stand before the command's name:\n\n{_table(rows)}"]
    for name, command in group.commands.items():
        rows = [_option(p) for p in command.params if not p.hidden]
        said = _plain(command.help or "")
        parts.append(f"## cxlab {name}\n\n{said}\n\n{_usage(name, command)}\n\n{_table(rows)}")
    return "\n\n".join(parts)


def _usage(name: str, command: Any) -> str:
    given = [p for p in command.params if p.param_type_name == "argument"]
    shown = [
        m if p.required or m.startswith("[") else f"[{m}]" for p in given if (m := _metavar(p))
    ]
    return f"```text\n{' '.join(['cxlab', name, '[OPTIONS]', *shown])}\n```"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _option(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        name = f"`{_metavar(parameter)}`"
    else:
        name = ", ".join(f"`{o}`" for o in (*parameter.opts, *parameter.secondary_opts))
        if parameter.metavar:
            name += f" `{parameter.metavar}`"
    return [name, _plain(parameter.help or ""), _default(parameter)]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    return "" if default in (None, False, "", [], ()) else f"`{getattr(default, 'value', default)}`"


def parameters() -> str:
    """Give every notebook's question, needs and parameters, with defaults and bounds."""
    registry, parts = read_registry(), []
    for name, entry in registry.notebooks.items():
        needs = ", ".join(f"`{t}`" for t in entry.needs)
        rows = [
            [f"`{key}`", _plain(p.meaning), _shown(registry.defaults[name][key].value), _bounds(p)]
            for key, p in entry.parameters.items()
        ]
        parts.append(
            f"## {name}\n\n{_plain(entry.question)} Needs {needs}."
            + (
                f"\n\n{_table(rows, ('parameter', 'meaning', 'default', 'allowed'))}"
                if rows
                else ""
            )
        )
    return "\n\n".join(parts)


def _bounds(known: Parameter) -> str:
    if known.choices:
        return ", ".join(_shown(c) for c in known.choices)
    if known.min is not None or known.max is not None:
        ends = (("from", known.min), ("to", known.max))
        told = " ".join(f"{word} {end}" for word, end in ends if end is not None)
        return f"{told} {known.unit}".strip()
    return f"`{_plain(known.pattern)}`" if known.pattern else known.type


def keys(model: str) -> str:
    """Give a file's keys, and those below them, with type, default and meaning.

    Parameters
    ----------
    model : str
        ``dataset`` or ``spec``.

    Raises
    ------
    ValueError
        If a key has no meaning written down, or a meaning no key.
    """
    rows = list(_keys(MODELS[model], ""))
    named, known = {r[0] for r in rows}, KEYS[model].keys()
    if odd := sorted(named ^ known):
        raise ValueError(f"docs/_ext/meanings.py and the keys of {model} differ: {', '.join(odd)}")
    told = [[f"`{key}`", KEYS[model][key], kind, default] for key, kind, default in rows]
    return _table(told, ("key", "meaning", "type", "default"))


def _keys(model: type[BaseModel], above: str) -> Iterable[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        key = above + (field.alias or name)
        inner = [a for a in _parts(field.annotation) if _is_model(a)]
        if not inner or get_origin(_parts(field.annotation)[0]) is Literal:
            yield key, _kind(field), _key_default(field)
        for below in inner:
            yield from _keys(below, f"{key}.")


def _parts(annotation: Any) -> list[Any]:
    """Give what a union is made of."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [p for a in get_args(annotation) for p in _parts(a)]
    return [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


_KINDS = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false",
          "date": "date", "datetime": "date and time", "dict": "names with values", "list": "list",
          "tuple": "list", "SecretStr": "text", "Each": "column with its values"}  # fmt: skip


def _kind(field: FieldInfo) -> str:
    told = []
    for part in _parts(field.annotation):
        if get_origin(part) is Literal:
            told += [f"`{v}`" for v in get_args(part)]
        elif part is not type(None) and not _is_model(part):
            plain = get_origin(part) or part
            told.append(_KINDS.get(plain.__name__, plain.__name__))
    return " or ".join(dict.fromkeys(told)) + _limits(field)


def _limits(field: FieldInfo) -> str:
    words = {"gt": "more than", "ge": "at least", "le": "at most"}
    found = [
        f"{word} {getattr(m, name):,}"
        for m in field.metadata
        for name, word in words.items()
        if getattr(m, name, None) is not None
    ]
    return f", {', '.join(found)}" if found else ""


def _key_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    empty = (
        default is PydanticUndefined or default in (None, (), [], {}) or _is_model(type(default))
    )
    return "" if empty else _shown(default)


def columns(file: str) -> str:
    """Give a file's columns with what they mean.

    Parameters
    ----------
    file : str
        ``drivers.csv`` or ``risk.csv``.

    Raises
    ------
    ValueError
        If the columns told are not those that are written.
    """
    known, meanings = COLUMNS[file]
    if list(known) != list(meanings):
        odd = ", ".join(sorted(set(known) ^ set(meanings)) or known)
        raise ValueError(f"docs/_ext/meanings.py and the columns of {file} differ: {odd}")
    return _table([[f"`{c}`", text] for c, text in meanings.items()], ("column", "meaning"))


def finding() -> str:
    """Give what a finding of ``findings.json`` holds."""
    if (known := [f.name for f in fields(Finding)]) != list(FINDING):
        raise ValueError(f"docs/_ext/meanings.py and a finding differ: {', '.join(known)}")
    return _table([[f"`{k}`", text] for k, text in FINDING.items()], ("key", "meaning"))


def _shown(value: object) -> str:
    if value == "":
        return "empty"
    if isinstance(value, list | tuple):
        return ", ".join(_shown(v) for v in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(text: str) -> str:
    """Keep a text from ending its table's cell, and from being HTML."""
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", text)
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[")


def _table(rows: Sequence[Sequence[str]], head: Sequence[str] = ("", "", "default")) -> str:
    if not rows:
        return "It takes no options."
    if not head[0]:
        head = ("argument or option", "meaning", "default")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
