"""Fill in what is made at build time: ``<!-- made: NAME ARGUMENTS -->`` in a page.

No figure, option or column is typed where the code or a benchmark's page has it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gallery
import measured
import reference
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

__all__ = ["fill", "setup"]

_MARK = re.compile(r"<!-- made: (?P<what>.+?) -->")
_MAKERS: dict[str, Callable[..., str]] = {
    "commands": reference.commands,
    "columns": reference.columns,
    "finding": reference.finding,
    "keys": reference.keys,
    "parameters": reference.parameters,
    "figure": measured.figure,
    "measured": measured.table,
}


def fill(text: str, more: dict[str, Callable[..., str]] | None = None) -> str:
    """Put what is made in the place of its marks.

    Parameters
    ----------
    text : str
        A page in Markdown.
    more : dict, optional
        Further makers, by name.

    Raises
    ------
    ValueError
        If a mark names no maker.
    """
    makers = _MAKERS | (more or {})

    def one(found: re.Match[str]) -> str:
        name, *words = shlex.split(found["what"])
        if name not in makers:
            raise ValueError(f"{found[0]}: allowed: {', '.join(sorted(makers))}")
        named = dict(w.split("=", 1) for w in words if re.match(r"[a-z]+=", w))
        return makers[name](*(w for w in words if not re.match(r"[a-z]+=", w)), **named)

    return _MARK.sub(one, text)


def _fill_page(app: Sphinx, page: str, source: list[str]) -> None:
    run = Path(app.config.cxlab_run) if app.config.cxlab_run else None

    def pictures() -> str:
        return gallery.page(run, Path(app.outdir) / "gallery")

    try:
        source[0] = fill(source[0], {"pictures": pictures})
    except (ValueError, OSError) as error:
        raise ExtensionError(f"{page}: {error}") from error


_UNNAMED = {
    'class="caption" role="heading"><': 'class="caption" role="heading" aria-level="2"><',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
}
"""What the theme leaves without a level or a name, which a screen reader needs."""


def _name_parts(app: Sphinx, error: Exception | None) -> None:
    for page in Path(app.outdir).rglob("*.html") if error is None else ():
        text = page.read_text(encoding="utf-8")
        for found, named in _UNNAMED.items():
            text = text.replace(found, named)
        page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Fill in each page before it is read; pages with marks are read anew each time."""
    app.add_config_value("cxlab_run", "", "env")
    app.connect("source-read", _fill_page)
    app.connect("build-finished", _name_parts)
    app.add_lexer("csv", TextLexer)  # Pygments knows none
    return {"parallel_read_safe": True, "parallel_write_safe": True}
