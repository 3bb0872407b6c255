"""The blocks of a page: its Python, and what is shown as printed by it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ["tutorials/demo", "tutorials/telco", "tutorials/saas", "did-it-work", "segments"]
"""Pages whose Python is run here; own-data, own-notebook and explore have tests of their own."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page: str, kind: str = "") -> list[tuple[str, str]]:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    return [(k, body) for k, body in _BLOCK.findall(text) if not kind or k == kind]


def told(page: str) -> list[tuple[str, str]]:
    """Run a page's Python; gives what each block printed beside what the page shows."""
    names: dict[str, Any] = {}
    found, last = [], ""
    for kind, body in blocks(page):
        if kind == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(body, f"docs/{page}.md", "exec"), names)
            last = out.getvalue()
        elif kind == "text":
            found.append((last, body))
    return found
