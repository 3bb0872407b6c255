"""Render a report: run the notebooks, gather what they found, publish it whole."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import threading
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxlab.errors import UsageError
from cxlab.report.execute import Outcome, run_all
from cxlab.report.files import write_text
from cxlab.report.manifest import git_commit, versions
from cxlab.report.plan import Load, Plan, make_plan
from cxlab.report.publish import Build
from cxlab.report.signals import ended_by_signal
from cxlab.report.worker import Job

__all__ = ["Run", "render"]


@dataclass(frozen=True)
class Run:
    """A published run.

    Parameters
    ----------
    path : pathlib.Path
        Its folder.
    status : str
        ``ok`` or ``failed``.
    manifest : dict
        What its ``manifest.json`` holds.
    """

    path: Path
    status: str
    manifest: dict[str, Any] = field(repr=False)

    @property
    def reason(self) -> str:
        """Why the run failed: each notebook that did, with its reason; else empty."""
        ended = self.manifest["notebooks"].items()
        return "; ".join(
            f"{name} {n['status']}: {n['reason']}"
            for name, n in ended
            if n["status"] not in ("ok", "skipped")
        )


def render(
    spec: Path,
    *,
    as_of: dt.date | str | None = None,
    only: Iterable[str] = (),
    jobs: int = 2,
    parameters: Iterable[str] | Mapping[str, Any] = (),
    quick: bool = False,
    out: Path | None = None,
    load: Load | None = None,
) -> Run:
    """Render a report to ``OUT/<run-id>/`` and point ``latest`` at it if all went well.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec.
    as_of : datetime.date or str, optional
        The date up to which data are seen; by default the spec's, else the data's.
    only : iterable of str
        The notebooks to render, with those they need; by default the spec's.
    jobs : int
        How many notebooks run at a time.
    parameters : iterable of str, or mapping
        ``name=value`` for every notebook that has it, ``notebook.name=value`` for one.
    quick : bool
        Whether the notebooks leave out what takes long.
    out : pathlib.Path, optional
        Where runs are published; by default the folder beside the spec, of its name.
    load : callable, optional
        Gives the dataset; by default :func:`cxlab.data.dataset.load`.

    Returns
    -------
    Run
        Published whether or not a notebook failed; its status tells.

    Raises
    ------
    UsageError, DataError
        For whatever cannot be; nothing ran, and nothing is left in OUT.
    """
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; it has to be at least 1")
    with ended_by_signal():
        plan = make_plan(
            Path(spec),
            as_of=as_of,
            only=only,
            parameters=parameters,
            quick=quick,
            out=out,
            load=load or _load(),
        )
        started = dt.datetime.now(dt.UTC)
        with Build(plan.out, plan.dataset.as_of, started) as build:
            outcomes = _run(plan, build, jobs)
            manifest = _finish(plan, build, outcomes, started)
            keep = plan.spec.publish.keep_runs
            path = build.publish(good=manifest["status"] == "ok", keep_runs=keep)
    return Run(path, manifest["status"], manifest)


def _load() -> Load:
    """Give the function that reads datasets."""
    from cxlab.data.dataset import load

    return load


def _run(plan: Plan, build: Build, jobs: int) -> dict[str, Outcome]:
    """Run the notebooks."""
    from tqdm import tqdm

    threading.Thread(target=_import_converter, daemon=True).start()
    token = uuid.uuid4().hex
    before = {name: plan.registry.before(name, plan.order) for name in plan.order}
    with tqdm(total=len(plan.order), unit="notebook", disable=None, file=sys.stderr) as bar:

        def done(name: str, outcome: Outcome) -> None:
            bar.set_postfix_str(f"{name} {outcome.status}", refresh=False)
            bar.update()

        def prepare(name: str, outcomes: Mapping[str, Outcome]) -> Job | Outcome:
            reason = plan.skipped.get(name) or _blocked(plan, name, outcomes)
            if reason:
                return Outcome("skipped", reason)
            return _job(plan, build, name, before[name], outcomes, token)

        return run_all(before, prepare, jobs=jobs, done=done)


def _import_converter() -> None:
    """Import what converts the notebooks while they run: it takes seconds."""
    import nbconvert.exporters.html  # noqa: F401

    import cxlab.report.page  # noqa: F401


def _blocked(plan: Plan, name: str, outcomes: Mapping[str, Outcome]) -> str:
    """Say which notebook this one builds on has nothing to show."""
    for other in plan.registry.notebooks[name].after:
        if other in outcomes and outcomes[other].status != "ok":
            return f"it builds on {other}, which was {_words(outcomes[other].status)}"
    return ""


def _words(status: str) -> str:
    return {"failed": "not finished", "timed out": "not finished in time"}.get(status, status)


def _job(
    plan: Plan,
    build: Build,
    name: str,
    before: set[str],
    outcomes: Mapping[str, Outcome],
    token: str,
) -> Job:
    """Set up a notebook's job; it sees what those before it found, and no others."""
    from cxlab.report.collect import collect, write_found

    # The kernel has a working folder of its own: nothing it is told may be relative.
    work = build.work.resolve() / name
    seen = work / "run"
    seen.mkdir(parents=True)
    if before:
        ended = [n for n in plan.order if n in before and outcomes[n].status == "ok"]
        harvest, _ = collect(plan, build.folder, ended)
        write_found(plan, harvest, seen)
    return Job(
        name=name,
        source=plan.registry.path(name).resolve(),
        target=build.folder.resolve() / f"{name}.ipynb",
        parameters=plan.injected(name, seen),
        timeout_seconds=plan.registry.notebooks[name].timeout_seconds,
        work=work,
        token=f"{token}-{name}",
        environment=dict(os.environ),
    )


def _finish(
    plan: Plan, build: Build, outcomes: dict[str, Outcome], started: dt.datetime
) -> dict[str, Any]:
    """Write everything a run holds beside the executed notebooks."""
    from cxlab.report.collect import collect, write_found
    from cxlab.report.front import write_front
    from cxlab.report.page import write_pages
    from cxlab.report.tables import write_pictures, write_workbook

    ended = [n for n, o in outcomes.items() if o.status == "ok"]
    harvest, refused = collect(plan, build.folder, ended)
    for name, reason in refused.items():
        outcomes[name] = Outcome("failed", reason, outcomes[name].seconds)
    write_found(plan, harvest, build.folder)
    write_workbook(harvest.tables, build.folder / "tables.xlsx")
    write_pictures(harvest.pictures, build.folder / "figures")
    manifest = _manifest(plan, build, outcomes, started)
    write_pages(plan, build.folder, outcomes, withheld=set(refused))
    write_front(build.folder / "index.html", plan, harvest, manifest)
    _keep_logs(build, {n: o for n, o in outcomes.items() if n not in refused})
    write_text(
        build.folder / "manifest.json",
        json.dumps(manifest, ensure_ascii=False, indent=2) + "\n",
    )
    return manifest


def _manifest(
    plan: Plan, build: Build, outcomes: Mapping[str, Outcome], started: dt.datetime
) -> dict[str, Any]:
    """Say what was run on what, where, and how it ended."""
    good = all(o.status in ("ok", "skipped") for o in outcomes.values())
    ended = dt.datetime.now(dt.UTC)
    return {
        "run_id": build.run_id,
        "status": "ok" if good else "failed",
        "title": plan.spec.title,
        "as_of": plan.dataset.as_of.isoformat(),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round((ended - started).total_seconds(), 1),
        "spec": os.path.relpath(plan.spec_path.resolve(), plan.out.resolve()),
        "dataset": {
            "name": plan.dataset.name,
            "path": plan.spec.dataset,
            "form": plan.dataset.form,
            "tables": list(plan.dataset.tables),
            "sha256": dict(sorted(plan.dataset.sha256().items())),
        },
        "notebooks": {
            name: {
                "question": plan.registry.notebooks[name].question,
                "status": outcomes[name].status,
                "seconds": round(outcomes[name].seconds, 1),
                "reason": outcomes[name].reason,
                "parameters": plan.settings(name),
            }
            for name in plan.registry.notebooks
            if name in outcomes
        },
        "asked": {"as_of": plan.as_of, "quick": plan.quick},
        "parameters": {n: v for n, v in plan.given.items() if v},
        "publish": plan.spec.publish.model_dump(),
        "versions": versions(),
        "git_commit": git_commit(plan.registry.folder),
        "compared_with": None,
    }


def _keep_logs(build: Build, outcomes: Mapping[str, Outcome]) -> None:
    """Keep what the kernels of notebooks that failed had to say."""
    for name, outcome in outcomes.items():
        log = build.work / name / "log.txt"
        if outcome.status in ("failed", "timed out") and log.is_file() and log.stat().st_size:
            log.replace(build.folder / f"{name}.log")
