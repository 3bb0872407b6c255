"""A notebook of one's own: written in house shape, registered, with its test, all or nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cxlab.data.locks import locked
from cxlab.errors import CxlabError, UsageError
from cxlab.lab.new import notebook_text
from cxlab.lab.new.words import plain
from cxlab.report.registry import Registry, find_notebooks, read_registry, with_entry
from cxlab.report.spec import read_spec
from cxlab.report.tables import write_text
from cxlab.results import legible, listed

__all__ = ["NewNotebook", "create_notebook"]

_LONGEST = 120
_LONGEST_NAME = 32
_MARKS = ("?", "؟", "？")
_SHOWN = 60
# What Markdown, HTML or MathJax would read as more than a letter: the question is a heading.
_MEANING = "\\`*_<>[]$~"
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{_LONGEST_NAME - 1}}}")
_NUMBERED = re.compile(r"(\d+)_(.+)")
_DATASET = "../data/demo"


@dataclass(frozen=True)
class NewNotebook:
    """What was written.

    Parameters
    ----------
    name : str
        The notebook, such as ``14_late_invoices``.
    path, test, registry : pathlib.Path
        Its file, the file of its test, and the registry it is in now.
    specs : tuple of pathlib.Path
        Reports that name their notebooks, and so do not have it yet.
    """

    name: str
    path: Path
    test: Path
    registry: Path
    specs: tuple[Path, ...] = ()

    def summary(self) -> str:
        """Say in a few lines what was written, and what comes next."""
        lines = [
            f"Wrote {_near(self.path)} and its test, {_near(self.test)}",
            f"Added {self.name} to {_near(self.registry)}",
            "It is part of every report whose spec has no `notebooks:`",
        ]
        if self.specs:
            named = listed(_near(s) for s in self.specs)
            lines[-1] += f"; add {self.name} to the `notebooks:` of {named} to have it there"
        lines += [
            "It runs as it is, and compares groups of customers: put your own analysis there",
            f"Next: cxlab render SPEC --only {self.name}",
            f"Test: python -m pytest {_near(self.test)}",
        ]
        return "\n".join(lines)


def _near(path: Path) -> str:
    """Name a file as seen from here, where it lies below."""
    full, here = path.resolve(), Path.cwd()
    return str(full.relative_to(here) if full.is_relative_to(here) else path)


def create_notebook(
    question: str, folder: str | Path | None = None, name: str | None = None
) -> NewNotebook:
    """Write a notebook that runs as it is, its test, and its entry in the registry.

    Parameters
    ----------
    question : str
        What it is to answer: one line that ends with a question mark.
    folder : str or Path, optional
        The folder of the notebooks; by default that of
        :func:`cxlab.report.registry.find_notebooks`.
    name : str, optional
        What its file is called, without the number (default: made from the question).

    Raises
    ------
    UsageError
        The question or the name cannot be, there is a notebook of that name, there is no
        registry, or the folder cannot be written. Nothing is left behind then.
    DataError
        The registry cannot be read, or not be added to.
    """
    question = _asked(question)
    slug = _named(question, name)
    place = find_notebooks() if folder is None else Path(folder)
    if not (place / "registry.yml").is_file():
        raise UsageError(f"{place}: no registry.yml in it; allowed: a folder of notebooks")
    try:
        with locked(place):
            return _create(place, question, slug)
    except OSError as error:
        raise UsageError(
            f"{place}: cannot be written ({error.strerror or error}); allowed: a folder of "
            "notebooks that can be"
        ) from error


def _asked(question: str) -> str:
    """Refuse what cannot be a heading, and a question for the eyes of people."""
    question = question.strip()
    shown = legible(question[:_SHOWN])
    if not question.endswith(_MARKS) or not any(c.isalnum() for c in question):
        raise UsageError(
            f"{shown!r} is no question; allowed: one that ends with a question mark, as in: "
            'cxlab new notebook "What do late invoices do?" (files are given with --from)'
        )
    if len(question) > _LONGEST:
        raise UsageError(
            f"the question has {len(question)} letters; allowed: at most {_LONGEST}: {shown!r}…"
        )
    if legible(question) != question or any(c in question for c in "\t\n"):
        raise UsageError(f"{shown!r} holds what cannot be shown; allowed: one line of letters")
    if met := [c for c in _MEANING if c in question]:
        raise UsageError(
            f"{shown!r} holds {' '.join(met)}, which a heading reads as markup; allowed: words"
        )
    return question


def _named(question: str, name: str | None) -> str:
    """Give the name of the file, without its number."""
    if name is None:
        words = plain(question).replace(".", " ").split()
        while len("_".join(words)) > _LONGEST_NAME and len(words) > 1:
            words.pop()
        name = "_".join(words)[:_LONGEST_NAME]
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"the question has no word of the letters a to z to begin a file's name with; "
                f"give one, as in: --name late_invoices (made so far: {name!r})"
            )
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name is {name[:_SHOWN]!r}; allowed: up to {_LONGEST_NAME} of a to z, 0 to 9 and _, "
            "a letter first; the number is added"
        )
    return name


def _create(place: Path, question: str, slug: str) -> NewNotebook:
    registry = read_registry(place)
    name = f"{_number(place, slug):02d}_{slug}"
    tests = place.resolve().parent / "tests" / place.resolve().name
    beside = not tests.is_dir()
    made = NewNotebook(
        name,
        path=place / f"{name}.ipynb",
        test=(place if beside else tests) / f"test_{name}.py",
        registry=place / "registry.yml",
        specs=_naming(place),
    )
    folder = "Path(__file__).parent" if beside else f'Path(__file__).parents[2] / "{place.name}"'
    content = {
        made.path: notebook_text.notebook(question, name, slug, _dataset(registry)),
        made.test: notebook_text.test(name, slug, folder),
        made.registry: with_entry(made.registry, name, notebook_text.entry(question)),
    }
    _write(content, made.registry)
    return made


def _number(place: Path, slug: str) -> int:
    """Give the next number; refuse a name that is there under another one."""
    numbers = [-1]
    for path in place.glob("*.ipynb"):
        if not (found := _NUMBERED.fullmatch(path.stem)):
            continue
        if found[2] == slug:
            raise UsageError(f"{path}: is there already; give the new one another --name")
        numbers.append(int(found[1]))
    return max(numbers) + 1


def _dataset(registry: Registry) -> str:
    """Give the dataset that the other notebooks begin with."""
    given = (d["dataset"].value for d in registry.defaults.values() if "dataset" in d)
    return str(next(given, _DATASET))


def _naming(place: Path) -> tuple[Path, ...]:
    """Find the reports beside the notebooks that name those they have."""
    found = []
    for path in sorted((place.resolve().parent / "reports").glob("*.yml")):
        try:
            naming = read_spec(path).notebooks is not None
        except CxlabError:  # who cannot be read has to be looked at anyway
            naming = True
        if naming:
            found.append(path)
    return tuple(found)


def _write(content: Mapping[Path, str], last: Path) -> None:
    """Write new files, and the registry last, which makes them count; or none of them."""
    new = [path for path in content if path != last]
    for path in new:
        if os.path.lexists(path):
            raise UsageError(f"{path}: is there already; cxlab new overwrites nothing")
    try:
        for path in (*new, last):
            write_text(path, content[path])
    except BaseException:  # Ctrl-C too
        for path in new:
            path.unlink(missing_ok=True)
        raise
