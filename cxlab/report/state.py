"""What one run hands to the next: the theme book, the personas' rule, the history.

The files lie in OUT/state, where they may be edited by hand. A run reads a copy of its own and
keeps both that and what it hands on, so that it can be made again. In ``history`` each good run
has a file with what it found.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cxlab.data.history import FOLDER, name_of
from cxlab.errors import DataError
from cxlab.report.tables import write_bytes, write_text

__all__ = [
    "AFTER",
    "BEFORE",
    "STATE",
    "hand_in",
    "hand_on",
    "hand_on_history",
    "hashes_of",
    "is_state_file",
    "keep",
]

STATE = "state"
"""The folder's name, in OUT and in a run."""
BEFORE, AFTER = "before", "after"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}\.(yml|json|csv)")


def is_state_file(name: str) -> bool:
    """Tell whether a file may be handed on under this name."""
    return _NAME.fullmatch(name) is not None


def hand_in(source: Path, run: Path, past: Iterable[Path] = ()) -> Path | None:
    """Copy what there is to a run that starts.

    Parameters
    ----------
    source : pathlib.Path
        OUT's state, or what an earlier run had read.
    run : pathlib.Path
        The run being built.
    past : iterable of pathlib.Path
        Those files of the history that it reads.

    Returns
    -------
    pathlib.Path or None
        The copies' folder, None where there are none.

    Raises
    ------
    DataError
        A file is not UTF-8 text, or cannot be read.
    """
    texts = {path.name: _text(path) for path in _files(source)}
    folder = run / STATE / BEFORE
    runs = {path.name: path.read_bytes() for path in past}
    written = [_write(folder, texts), _write_history(folder, runs)]
    return folder if any(written) else None


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if is_state_file(p.name) and p.is_file())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is no text in UTF-8") from None


def _write(folder: Path, texts: Mapping[str, str]) -> Path | None:
    if not texts:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder


def _write_history(folder: Path, files: Mapping[str, bytes]) -> Path | None:
    """Write files of the history; gives the folder that theirs is in."""
    if not files:
        return None
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_bytes(folder / FOLDER / name, content)
    return folder


def hand_on_history(run: Path, name: str, content: bytes) -> None:
    """Write what a good run found, for those to come.

    Parameters
    ----------
    run : pathlib.Path
        The run being built.
    name : str
        Of the file.
    content : bytes
        What it will hold.
    """
    _write_history(run / STATE / AFTER, {name: content})


def hand_on(run: Path, kept: Mapping[str, str]) -> None:
    """Write what a run's notebooks keep for the next one.

    Parameters
    ----------
    run : pathlib.Path
        The run being built.
    kept : mapping of str to str
        Texts by the names of their files.
    """
    _write(run / STATE / AFTER, kept)


def keep(run: Path, out: Path) -> None:
    """Let OUT's state be what a run hands on; a file edited since the run read it stays.

    Parameters
    ----------
    run : pathlib.Path
        A good run.
    out : pathlib.Path
        Where runs are published; nobody else writes there now.
    """
    read, now = hashes_of(run / STATE / BEFORE), hashes_of(out / STATE)
    texts = {p.name: _text(p) for p in _files(run / STATE / AFTER)}
    _write(out / STATE, {n: t for n, t in texts.items() if now.get(n) == read.get(n)})
    found = {p.name: p.read_bytes() for p in _history(run / STATE / AFTER)}
    _write_history(out / STATE, found)


def _history(folder: Path) -> list[Path]:
    return sorted(p for p in (folder / FOLDER).glob("*") if name_of(p) and p.is_file())


def hashes_of(folder: Path) -> dict[str, str]:
    """Hash the files of a state folder: SHA-256 by name; empty where there is no such folder.

    Parameters
    ----------
    folder : pathlib.Path
        The folder; those of the history are called ``history/…``.
    """
    paths = [*_files(folder), *_history(folder)]
    named = {p.relative_to(folder).as_posix(): p for p in paths}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in named.items()}
