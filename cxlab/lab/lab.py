"""JupyterLab on the notebooks, opened on a launcher that is made from the registry."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cxlab.errors import UsageError
from cxlab.report.registry import Registry, read_registry
from cxlab.report.tables import write_text

__all__ = ["LAUNCHER", "command", "launcher", "write_launcher"]

LAUNCHER = Path("start", "index.ipynb")
"""Where it is, from the notebooks' folder; not beside them, as it answers no question."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|$~-])")
_HEAD = """# What do you want to know?

Each question is a notebook that runs from top to bottom on the demo data. For your own, change
the one parameter `dataset` in its second cell to your folder (`cxlab new` makes one of your
files), and choose *Run > Run All Cells*."""
_EXPLORE = """## Look around by hand

Run the cell below (Shift+Enter): pick a segment, a touchpoint, a half-life, and see what follows.
"""
_LIMITS = """Nothing here is kept: this page is written anew by `cxlab lab`, from the registry."""


def launcher(registry: Registry) -> dict[str, Any]:
    """Make the launcher: a notebook with the questions as links, and the explorer.

    Parameters
    ----------
    registry : Registry
        Of the notebooks.

    Returns
    -------
    dict
        The notebook, as nbformat 4.5 has it.
    """
    rows = [_row(registry, name) for name in registry.notebooks]
    table = "\n".join(["| Question | It serves to decide | It needs |", "|---|---|---|", *rows])
    explore = f"import cxlab\n\ncxlab.explore({_dataset(registry)!r})"
    cells = [
        ("markdown", _HEAD),
        ("markdown", table),
        ("markdown", _EXPLORE),
        ("code", explore),
        ("markdown", _LIMITS),
    ]
    return {
        "cells": [_cell(f"start-{i}", *cell) for i, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def write_launcher(registry: Registry) -> Path:
    """Write the launcher beside the notebooks, where it is not there as it should be.

    Parameters
    ----------
    registry : Registry
        Of the notebooks.

    Returns
    -------
    pathlib.Path
        The launcher.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    file = registry.folder / LAUNCHER
    text = json.dumps(launcher(registry), indent=1, ensure_ascii=False) + "\n"
    try:
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(exist_ok=True)
            write_text(file, text)
    except OSError as error:
        raise UsageError(
            f"{file}: the launcher cannot be written ({error.strerror}); set CXLAB_NOTEBOOKS to "
            "a folder of notebooks of your own"
        ) from error
    return file


def command(
    *, port: int | None = None, browser: bool = True, more: Sequence[str] = ()
) -> list[str]:
    """Write the launcher, and give the command that opens JupyterLab on it.

    Parameters
    ----------
    port : int, optional
        Where to listen (default: JupyterLab's, or the next that is free).
    browser : bool
        Whether a browser is opened.
    more : sequence of str
        Further options of JupyterLab.
    """
    file = write_launcher(read_registry())
    here, notebooks = Path.cwd(), file.parents[1]
    # Seen from where the user stands, with the data in reach; else from the notebooks' parent.
    root = here if file.is_relative_to(here) else notebooks.parent
    at = quote(file.relative_to(root).as_posix())
    options = [f"--ServerApp.root_dir={root}", f"--LabApp.default_url=/lab/tree/{at}"]
    options += [f"--port={port}"] if port is not None else []
    options += [] if browser else ["--no-browser"]
    # Jupyter refuses to run as root, as a container does, unless told.
    options += ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyterlab", *options, *more]


def _cell(name: str, kind: str, source: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    lines = source.splitlines(keepends=True)
    return {"cell_type": kind, "id": name, "metadata": {}, "source": lines, **more}


def _row(registry: Registry, name: str) -> str:
    """Tell one question: a link, what it serves, and what it needs."""
    entry = registry.notebooks[name]
    link = f"../{quote(registry.path(name).name)}"
    needs = f"{', '.join(entry.needs)}"
    if entry.snapshot_needs is not None:
        needs += f"; of a snapshot: {', '.join(entry.snapshot_needs)}"
    return f"| [{_plain(entry.question)}]({link}) | {_plain(_decision(registry, name))} | {needs} |"


def _decision(registry: Registry, name: str) -> str:
    """Give the decision that a notebook serves, as its first cell says."""
    cells = json.loads(registry.path(name).read_text(encoding="utf-8"))["cells"]
    text = "".join(cells[0]["source"]) if cells else ""
    found = re.search(r"\*\*Decision\.\*\*\s*(.+?)(?:\n\s*\n|\*\*|\Z)", text, re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _plain(text: str) -> str:
    """Keep a text from being read as Markdown."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _dataset(registry: Registry) -> str:
    """Give the first notebook's own dataset, as the launcher sees it."""
    defaults = (registry.defaults[name].get("dataset") for name in registry.notebooks)
    first = next((str(d.value) for d in defaults if d is not None), ".")
    return os.path.relpath(registry.folder / first, registry.folder / LAUNCHER.parent)
