"""What a run's manifest says: what was run on what, where, and how it ended."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cxlab.report import gates
from cxlab.report.earlier import hashes
from cxlab.report.publish import Build
from cxlab.report.resume import code_sha256, executed_sha256, versions
from cxlab.report.running.execute import Outcome
from cxlab.report.spec import Plan
from cxlab.report.state import BEFORE, STATE, hashes_of

__all__ = ["describe_run", "why"]


def describe_run(
    plan: Plan,
    build: Build,
    outcomes: Mapping[str, Outcome],
    started: dt.datetime,
    gates: list[dict[str, Any]],
    replaced: Sequence[str] = (),
) -> dict[str, Any]:
    """Give a run's manifest: what was run on what, where, and how it ended.

    Parameters
    ----------
    plan : Plan
        The run.
    build : Build
        Where it is built, its answers written.
    outcomes : mapping of str to Outcome
        How each notebook ended.
    started : datetime.datetime
        When it started, in UTC.
    gates : list of dict
        What it was held to.
    replaced : sequence of str
        Tables whose files were replaced while the run was made.
    """
    status = "ok" if all(o.error is None for o in outcomes.values()) else "failed"
    if status == "ok" and not all(g["passed"] for g in gates):
        status = "not publishable"
    seconds = (dt.datetime.now(dt.UTC) - started).total_seconds()
    dataset, commit = plan.dataset, _commit(plan.registry.folder)
    packages = versions()
    return {
        "run_id": build.run_id,
        "status": status,
        "gates": gates,
        "title": plan.spec.title,
        "as_of": dataset.day,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "spec": os.path.relpath(plan.spec_path.resolve(), plan.out.resolve()),
        "dataset": {
            "name": dataset.name,
            "where": dataset.where or None,
            "path": plan.spec.dataset,
            "form": dataset.form,
            "tables": list(dataset.tables),
            "snapshot": dataset.snapshot,
            "partitions": dataset.partitions(),
            "sha256": dict(sorted(dataset.sha256().items())),
            "settings_sha256": dataset.settings_sha256(),
            "rows": {name: typed.rows for name, typed in sorted(dataset.read.items())},
            "columns": {name: list(dataset.columns(name)) for name in sorted(dataset.tables)},
        },
        "notebooks": {
            name: {
                "question": entry.question,
                "status": outcomes[name].status,
                "seconds": round(outcomes[name].seconds, 1),
                "attempts": outcomes[name].attempts,
                "taken_from": outcomes[name].taken_from or None,
                "reason": outcomes[name].reason,
                "error": outcomes[name].error,
                "parameters": plan.settings(name),
                "source_sha256": plan.sources[name],
                "executed_sha256": executed_sha256(build.folder, name),
            }
            for name, entry in plan.registry.notebooks.items()
            if name in outcomes
        },
        "replaced": list(replaced),
        "asked": {"as_of": plan.as_of or None, "quick": plan.quick},
        "parameters": {n: v for n, v in plan.given.items() if v},
        "publish": plan.spec.publish.model_dump(),
        "versions": packages,
        "git_commit": commit,
        "code_sha256": code_sha256(),
        "sha256": hashes(build.folder),
        "state_sha256": hashes_of(build.folder / STATE / BEFORE),
        "compared_with": None,
        **_repeated(plan, build.folder, packages, commit),
        "resumed": plan.cut.run.run_id if plan.cut else None,
    }


def _repeated(
    plan: Plan, folder: Path, versions: Mapping[str, str | None], commit: str | None
) -> dict[str, Any]:
    """Say which run was made again, with what other code, and whether the answers are the same."""
    if plan.earlier is None:
        return {"again_of": None, "again": None}
    differs = plan.earlier.compare(folder)
    return {
        "again_of": plan.earlier.run_id,
        "again": {
            "same_answers": not differs,
            "answers": differs or "the same answers, byte for byte",
            "other_code": plan.earlier.other_code(versions, commit),
        },
    }


def _commit(folder: Path) -> str | None:
    """Give the commit a folder is at, ``-dirty`` after it where files were changed."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    command.append("--exclude=*")
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None if told.returncode == 0 else None


def why(manifest: Mapping[str, Any]) -> str:
    """Say why a run is not a good one; empty for one that is.

    Parameters
    ----------
    manifest : mapping
        Its manifest.
    """
    ended = manifest["notebooks"].items()
    told = [f"{k} {n['status']}: {n['error']}" for k, n in ended if n["error"] is not None]
    segments = manifest.get("segments", [])
    told += [f"{s['where']} {s['status']}: {s['reason']}" for s in segments if s["reason"]]
    if (pdf := manifest.get("pdf")) and pdf["error"]:
        told.append(pdf["error"])
    return "; ".join(told) or gates.unmet(manifest.get("gates", []))
