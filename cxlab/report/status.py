"""How the last runs of reports ended: what an operator, or a monitor, asks."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cxlab.errors import UsageError
from cxlab.report.earlier import RUN_ID, order
from cxlab.report.manifest import why
from cxlab.report.resume import BUILDING, HOLDER, WORK, in_parts
from cxlab.report.segments.fan import EACH
from cxlab.report.spec import read_spec
from cxlab.results import counted, legible

__all__ = ["Standing", "specs", "specs_in", "standing", "standing_of", "told"]

_UNREADABLE, _KILLED, _BEGUN = "unreadable", "killed", "begun"


@dataclass(frozen=True)
class Standing:
    """How a report stands.

    Parameters
    ----------
    spec : str
        Its spec.
    good : bool
        Whether the newest run is a good one, and not too old.
    why : str
        Why not; empty where it is.
    live : str or None
        The run that ``latest`` points at.
    running : list of str
        Runs that are being made.
    runs : list of dict
        The newest first: ``run_id, status, started, seconds, reason``; one whose process was
        killed is ``killed`` until the next start clears it up, one that is made part by part
        ``begun``.
    segments : list of dict
        Of a spec with ``each``, by segment: ``where, folder, live``, and of its newest run what
        ``runs`` has; a segment that is not in the data any more is among them.
    """

    spec: str
    good: bool
    why: str
    live: str | None
    running: list[str]
    runs: list[dict[str, Any]]
    segments: list[dict[str, Any]] = field(default_factory=list)


def specs(given: Sequence[Path]) -> list[Path]:
    """Give the specs that are meant: those given, else all in ``reports/``.

    Parameters
    ----------
    given : sequence of pathlib.Path
        Specs.

    Raises
    ------
    UsageError
        None is given and there is none.
    """
    found = list(given) or specs_in(Path("reports"))
    if not found:
        raise UsageError("no SPEC is given, and there is none in reports/")
    return found


def specs_in(folder: Path) -> list[Path]:
    """Give the files of a folder that may be specs, in the order of their names.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.
    """
    return sorted(p for e in ("yml", "yaml") for p in folder.glob(f"*.{e}"))


def standing(
    spec: Path,
    out: Path | None = None,
    *,
    most: int = 5,
    max_age_days: float | None = None,
    now: dt.datetime | None = None,
) -> Standing:
    """Tell how a report's last runs ended.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec.
    out : pathlib.Path, optional
        Where its runs are; by default the folder beside the spec, of its name.
    most : int
        How many runs are told of.
    max_age_days : float, optional
        A good run that started longer ago is too old.
    now : datetime.datetime, optional
        The time to reckon from (default: the clock's).

    Raises
    ------
    UsageError, DataError
        The spec cannot be read.
    """
    read_spec(spec)
    out = out or spec.with_suffix("")
    return standing_of(spec, out, most=most, max_age_days=max_age_days, now=now)


def standing_of(
    spec: Path,
    out: Path,
    *,
    most: int,
    max_age_days: float | None = None,
    now: dt.datetime | None = None,
) -> Standing:
    """Tell how the runs in a folder ended, whatever has become of their spec.

    Parameters
    ----------
    spec, out, most, max_age_days, now
        As of :func:`standing`.
    """
    named = [p for p in out.iterdir() if RUN_ID.fullmatch(p.name)] if out.is_dir() else []
    running, killed = _unfinished(out)
    every = [*map(_run, named), *(_cut(out, run_id) for run_id in killed)]
    runs = sorted(every, key=lambda r: (r["started"], r["run_id"]), reverse=True)
    latest = out / "latest"
    live = latest.resolve().name if latest.exists() else None
    why = _wrong(runs, live, max_age_days, now or dt.datetime.now(dt.UTC))
    parts = [part for place in sorted(out.glob(f"{EACH}/*")) for part in _segment(place)]
    return Standing(str(spec), not why, why, live, running, runs[:most], parts)


def _segment(place: Path) -> Iterator[dict[str, Any]]:
    """Tell of a segment's newest run, if it has any."""
    runs = [p for p in place.iterdir() if RUN_ID.fullmatch(p.name)] if place.is_dir() else []
    if not runs:
        return
    newest = max(runs, key=lambda p: order(p.name))
    latest = place / "latest"
    live = latest.resolve().name if latest.exists() else None
    try:
        about = json.loads((newest / "manifest.json").read_text(encoding="utf-8"))["dataset"]
        where = str(about["where"] or place.name)
    except (OSError, ValueError, KeyError, TypeError):
        where = place.name
    yield {"where": where, "folder": place.name, "live": live, **_run(newest)}


def _run(folder: Path) -> dict[str, Any]:
    found = RUN_ID.fullmatch(folder.name)
    begun = found["start"] if found else ""
    told = {"run_id": folder.name, "status": _UNREADABLE, "started": _iso(begun), "seconds": None}
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        told |= {name: manifest[name] for name in ("status", "seconds")}
        errors = {n: v["error"] for n, v in manifest["notebooks"].items() if v["error"]}
        reason = "; ".join(f"{n}: {e}" for n, e in errors.items()) or why(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return told | {"reason": "its manifest.json cannot be read"}
    return told | {"reason": reason}


def _iso(start: str) -> str:
    when = dt.datetime.strptime(start, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    return when.isoformat(timespec="seconds")


def _cut(out: Path, run_id: str) -> dict[str, Any]:
    """Tell of a run whose process was killed, or that is made part by part."""
    found = RUN_ID.fullmatch(run_id)
    started = _iso(found["start"]) if found else ""
    status, why = _KILLED, "its process was killed"
    if in_parts(out / f"{BUILDING}{run_id}"):
        status, why = _BEGUN, "not all of its parts are made, or it is not published yet"
    told = {"run_id": run_id, "status": status, "started": started, "seconds": None}
    return told | {"reason": f"{why}; --resume newest goes on with it"}


def _unfinished(out: Path) -> tuple[list[str], list[str]]:
    """Name the runs whose folders somebody holds, and those whose process is gone."""
    held, dead = [], []
    for folder in sorted(out.glob(f"{BUILDING}*")) if out.is_dir() else []:
        run_id = folder.name.removeprefix(BUILDING)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # published, or cleared up, meanwhile
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            held.append(run_id)
        else:
            if (folder / WORK / HOLDER).is_file():  # else nobody began, or it is being deleted
                dead.append(run_id)
        finally:
            os.close(descriptor)
    return held, dead


def _wrong(
    runs: list[dict[str, Any]], live: str | None, max_age_days: float | None, now: dt.datetime
) -> str:
    """Say why a report does not stand as it should; empty where it does."""
    if not runs:
        return "it was never run"
    newest = runs[0]
    if newest["status"] in (_KILLED, _BEGUN):
        return "the newest run did not end"
    if newest["status"] != "ok":
        return f"the newest run is {newest['status']}"
    if live is None:
        return "latest points at no run"
    age = (now - dt.datetime.fromisoformat(newest["started"])).total_seconds() / 86_400
    if max_age_days is not None and age > max_age_days:
        return f"the newest run is {age:.1f} days old; allowed: {max_age_days:g}"
    return ""


def told(report: Standing, as_json: bool = False) -> str:
    """Write how a report stands, for people or, a line a report, for programs.

    Parameters
    ----------
    report : Standing
        How it stands.
    as_json : bool
        Whether as one line of JSON.
    """
    if as_json:
        return json.dumps(asdict(report), ensure_ascii=False)
    lines = [f"{report.spec}: {report.why or 'ok'}"]
    lines += [f"  {run_id}  is being made" for run_id in report.running]
    for run in report.runs:
        took = "" if run["seconds"] is None else f", {counted(round(run['seconds']), 'second')}"
        shown = ", live" if run["run_id"] == report.live else ""
        reason = f": {run['reason']}" if run["reason"] else ""
        lines.append(f"  {run['run_id']}  {run['status']}{took}{shown}{reason}")
    for part in report.segments:
        reason = f": {part['reason']}" if part["reason"] else ""
        live = "" if part["live"] == part["run_id"] else f", live: {part['live'] or 'none'}"
        where = " ".join(legible(part["where"]).split())  # of the data: may hold anything
        lines.append(f"    {where}  {part['run_id']}  {part['status']}{live}{reason}")
    return "\n".join(lines)
