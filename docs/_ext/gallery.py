"""The pictures of a demo run, each with its caption and the cell that draws it."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cxlab.plots.picture import PICTURE_MIME

__all__ = ["page", "pictures"]

_NONE = """```{note}
This copy of the site was built without a demo run, so that there are no pictures on this page.
`make docs` renders one.
```"""


def page(run: Path | None, place: Path) -> str:
    """Write the pictures' files, and give the page that shows them by notebook.

    Parameters
    ----------
    run : pathlib.Path or None
        The folder of a run; None: the page says that there is none.
    place : pathlib.Path
        Where the files go.
    """
    if run is None:
        return _NONE
    place.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    parts, seen = [], set()
    for notebook, about in manifest["notebooks"].items():
        shown = [p for p in pictures(run / f"{notebook}.ipynb") if p["name"] not in seen]
        if shown:
            parts.append(f"## {about['question']}\n\nNotebook `{notebook}`.")
        for drawn in shown:
            seen.add(drawn["name"])
            (place / f"{drawn['name']}.svg").write_text(drawn["svg"], encoding="utf-8")
            parts.append(_entry(drawn))
    if not seen:
        raise ValueError(f"{run}: holds no pictures")
    return "\n\n".join(parts)


def pictures(notebook: Path) -> Iterator[dict[str, Any]]:
    """Give the pictures of an executed notebook, each with the ``code`` of its cell.

    Parameters
    ----------
    notebook : pathlib.Path
        The file; one that is not there, since it was skipped, has none.
    """
    if not notebook.is_file():
        return
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", ()):
            if drawn := output.get("data", {}).get(PICTURE_MIME):
                yield {**drawn, "code": "".join(cell["source"]).strip()}


def _entry(drawn: dict[str, Any]) -> str:
    """Show a picture and its code; names and captions come from data, and are no Markdown."""
    name, caption, alt = (html.escape(drawn[k]) for k in ("name", "caption", "alt"))
    fence = "`" * 4
    return (
        f'<figure class="drawn" id="{name}"><img src="gallery/{name}.svg" alt="{alt}" '
        f'loading="lazy">\n<figcaption>{caption}</figcaption></figure>\n\n'
        f"{fence}python\n{drawn['code']}\n{fence}"
    )
