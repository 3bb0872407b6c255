"""One page for all reports of a folder: how each stands, what it says, its runs."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cxlab.data.contract import read_yaml
from cxlab.data.locks import locked
from cxlab.errors import CxlabError, DataError
from cxlab.report.earlier import RUN_ID
from cxlab.report.printed.pdf import PDF
from cxlab.report.segments.fan import EACH
from cxlab.report.spec import read_spec
from cxlab.report.status import Standing, specs_in, standing_of
from cxlab.report.tables import write_text
from cxlab.report.telling.headlines import headlines
from cxlab.report.telling.notify import say

__all__ = ["INDEX", "list_reports"]

INDEX = "index.html"
"""What the page is called, beside the specs."""
_OURS = '<meta name="generator" content="cxlab reports">'
_HEAD = 4_000  # letters of a page within which it says who made it
_MOST = 100  # runs that are listed
_SHOWN = 5  # of which these are in sight
_NOT_SPECS = ("dataset.yml", "dataset.yaml")
# What stands in the manifest, in words, and as the pages mark it: by shape and colour.
_WORDS = {
    "ok": ("good", "help"),
    "failed": ("failed", "harm"),
    "not publishable": ("not to be published", "unsure"),
    "killed": ("was killed", "harm"),
    "begun": ("is not done", "harm"),
    "unreadable": ("cannot be read", "withheld"),
}
_NEVER = {"words": "never run", "mark": "withheld", "reason": ""}


def list_reports(folder: Path) -> bool:
    """Write ``index.html`` beside a folder's specs; where that cannot be, say so in a line.

    Parameters
    ----------
    folder : pathlib.Path
        Where the specs are. A page there that is somebody else's stays.

    Returns
    -------
    bool
        Whether it is written.
    """
    path = folder / INDEX
    try:
        with locked(folder):
            if _foreign(path):
                say(f"{path}: not made by cxlab, so that the list of reports is not written there")
                return False
            write_text(path, _page(folder))
    except Exception as error:  # a run that is published stands, whatever lies beside it
        why = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        say(f"{path}: the list of reports cannot be written ({why})")
        return False
    return True


def _foreign(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _OURS not in file.read(_HEAD)
    except FileNotFoundError:
        return False


def _page(folder: Path) -> str:
    from cxlab.report.markup import policy, shared, template

    css, script = shared("cxlab.css") + shared("reports.css"), shared("page.js")
    reports = [each for path in specs_in(folder) if (each := _report(path)) is not None]
    return template(
        "reports.html.j2",
        css=css,
        script=script,
        policy=policy(css, script),
        generator=_OURS,
        written=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        reports=reports,
        wrong=[each for each in reports if each["alarm"]],
        shown=_SHOWN,
    )


def _report(spec: Path) -> dict[str, Any] | None:
    """Say how a report stands; None for a file that is no report's spec."""
    out = spec.with_suffix("")
    found = standing_of(spec, out, most=_MOST)
    told = _told(spec, out, found)
    try:
        return told | {"title": read_spec(spec).title}
    except CxlabError as error:
        if spec.name in _NOT_SPECS or not _is_meant(spec, out):
            return None
        why = f"its spec cannot be used: {str(error).removeprefix(f'{spec}: ')}"
        broken = {"words": "no good spec", "mark": "harm", "alarm": True}
        return told | broken | {"title": spec.name, "why": why}


def _is_meant(spec: Path, out: Path) -> bool:
    """Tell whether a file that is no good spec is meant to be one."""
    if out.is_dir():
        return True
    try:
        return {"title", "dataset"} <= read_yaml(spec).keys()
    except DataError:
        return True


def _told(spec: Path, out: Path, found: Standing) -> dict[str, Any]:
    place = out.relative_to(spec.parent)
    runs = [_run(run, out, place, found.live) for run in found.runs]
    newest = runs[0] if runs else _NEVER
    words, mark = _WORDS["ok"] if found.good else (newest["words"], newest["mark"])
    wrong = [] if found.good or not runs else [found.why, newest["reason"]]
    return {
        "title": out.name,
        "name": spec.name,
        "why": ": ".join(filter(None, wrong)),
        "words": words,
        "mark": mark,
        "alarm": bool(wrong),
        "running": [_started(run_id) for run_id in found.running],
        "live": _live(out, place, found.live),
        "runs": runs,
        "segments": list(_segments(out, found)),
    }


def _live(out: Path, place: Path, run_id: str | None) -> dict[str, Any] | None:
    """Say what the newest good run says, and where it is."""
    if run_id is None:
        return None
    statements = headlines(out / "latest", 1)
    return {
        "page": _link(place, "latest", INDEX),
        "pdf": _link(place, "latest", PDF) if (out / "latest" / PDF).is_file() else "",
        "day": _day(run_id),
        "started": _started(run_id),
        "statement": statements[0] if statements else "",
    }


def _run(run: dict[str, Any], out: Path, place: Path, live: str | None) -> dict[str, Any]:
    run_id = run["run_id"]
    words, mark = _WORDS.get(run["status"], _WORDS["unreadable"])
    return {
        "page": _link(place, run_id, INDEX) if (out / run_id / INDEX).is_file() else "",
        "pdf": _link(place, run_id, PDF) if (out / run_id / PDF).is_file() else "",
        "day": _day(run_id),
        "started": _started(run_id),
        "live": run_id == live,
        "words": words,
        "mark": mark,
        "seconds": run["seconds"],
        "reason": run["reason"],
    }


def _segments(out: Path, found: Standing) -> Iterator[dict[str, Any]]:
    """Say how the report of each segment stands, of a spec with ``each``."""
    for part in found.segments:
        folder = out / EACH / part["folder"]
        words, mark = _WORDS.get(part["status"], _WORDS["unreadable"])
        yield {
            "title": part["where"],
            "words": words,
            "mark": mark,
            "why": part["reason"],
            "live": _live(folder, folder.relative_to(out.parent), part["live"]),
        }


def _link(*parts: str | Path) -> str:
    """Give a relative address that holds wherever the folder is moved to."""
    return "/".join(quote(os.fsencode(str(part))) for part in parts)


def _day(run_id: str) -> str:
    return "undated" if run_id.startswith("undated") else run_id[:10]


def _started(run_id: str) -> str:
    """Give a run's start, for people, from its id."""
    found = RUN_ID.fullmatch(run_id)
    if found is None:
        return run_id
    return f"{dt.datetime.strptime(found['start'], '%Y%m%dT%H%M%SZ'):%Y-%m-%d %H:%M}"
