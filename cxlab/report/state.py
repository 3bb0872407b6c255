"""What one run hands to the next: the theme book, the personas' rule.

The files lie in OUT/state, where they may be edited by hand. A run reads a copy of its own and
keeps both that and what it hands on, so that it can be made again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from cxlab.errors import DataError
from cxlab.report.tables import write_text

__all__ = ["BEFORE", "STATE", "hand_in", "hand_on", "hashes_of", "is_state_file", "keep"]

STATE = "state"
"""The folder's name, in OUT and in a run."""
BEFORE, _AFTER = "before", "after"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}\.(yml|json|csv)")


def is_state_file(name: str) -> bool:
    """Tell whether a file may be handed on under this name."""
    return _NAME.fullmatch(name) is not None


def hand_in(source: Path, run: Path) -> Path | None:
    """Copy what there is to a run that starts.

    Parameters
    ----------
    source : pathlib.Path
        OUT's state, or what an earlier run had read.
    run : pathlib.Path
        The run being built.

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
    return _write(run / STATE / BEFORE, texts)


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


def hand_on(run: Path, kept: Mapping[str, str]) -> None:
    """Write what a run's notebooks keep for the next one.

    Parameters
    ----------
    run : pathlib.Path
        The run being built.
    kept : mapping of str to str
        Texts by the names of their files.
    """
    _write(run / STATE / _AFTER, kept)


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
    texts = {p.name: _text(p) for p in _files(run / STATE / _AFTER)}
    _write(out / STATE, {n: t for n, t in texts.items() if now.get(n) == read.get(n)})


def hashes_of(folder: Path) -> dict[str, str]:
    """Hash the files of a state folder: SHA-256 by name; empty where there is no such folder."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in _files(folder)}
