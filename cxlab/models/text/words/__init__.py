"""Lists of words that ship with cxlab, one file a purpose or a language."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

__all__ = ["read"]


@lru_cache(maxsize=16)
def read(name: str) -> dict[str, tuple[str, ...]]:
    """Read a list.

    Parameters
    ----------
    name : str
        The file's name without its ending.

    Returns
    -------
    dict
        The words of each heading; words written with ``_`` are several.
    """
    text = Path(__file__).with_name(f"{name}.txt").read_text("utf-8")
    lists: dict[str, tuple[str, ...]] = {}
    heading = ""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words and words[0].endswith(":"):
            heading = words.pop(0).rstrip(":")
        if heading:
            lists[heading] = (*lists.get(heading, ()), *(word.replace("_", " ") for word in words))
    return lists
