"""Render a report: run the notebooks, gather what they found, publish it whole."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.data import history, prepared
from cxlab.data.engine import MEMORY_VARIABLE, refuse_no_size
from cxlab.errors import CxlabError, UsageError
from cxlab.report import gates
from cxlab.report.manifest import describe_run, why
from cxlab.report.publish import Build, Share
from cxlab.report.resume import note_begun, note_ended
from cxlab.report.running import streams
from cxlab.report.running.execute import Bounds, Job, Outcome, Stopped, run_all
from cxlab.report.running.warm import warm_up
from cxlab.report.signals import Signals
from cxlab.report.spec import Load, Plan, make_plan
from cxlab.report.state import BEFORE, STATE, hand_in, hand_on, hand_on_history, hashes_of
from cxlab.report.tables import write_bytes, write_text
from cxlab.report.telling.index import list_reports
from cxlab.report.telling.log import Log
from cxlab.report.telling.notify import telling
from cxlab.results import listed

if TYPE_CHECKING:
    from cxlab.report.findings import Harvest

__all__ = [
    "Run",
    "begin_run",
    "loading",
    "memory_of",
    "refuse_no_time",
    "render",
    "run_one",
    "run_plan",
]

_LATER = (
    *("cxlab.report.running.preload", "nbconvert.exporters.html", "xlsxwriter"),
    *("cxlab.analyses.churn_drivers", "cxlab.report.pages"),
)


@dataclass(frozen=True)
class Run:
    """A published run.

    Parameters
    ----------
    path : pathlib.Path
        Its folder.
    status : str
        ``ok``, ``failed``, or ``not publishable``: a gate did not hold.
    manifest : dict
        What its ``manifest.json`` holds.
    """

    path: Path
    status: str
    manifest: dict[str, Any] = field(repr=False)

    @property
    def clock(self) -> str:
        """What to say where the clock stood before the last run's start; else empty."""
        started = dt.datetime.fromisoformat(self.manifest["started"])
        if f"{started:%Y%m%dT%H%M%SZ}" in self.path.name:
            return ""
        return f"the clock said {started:%Y-%m-%d %H:%M:%S} UTC, before the last run's start"

    @property
    def reason(self) -> str:
        """Why it is not a good run: notebooks that failed, else gates; empty where it is."""
        return why(self.manifest)


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
    again: str | Path | None = None,
    resume: str | Path | None = None,
    memory_limit: str | None = None,
    limit_minutes: float | None = None,
    log: str | Path | None = None,
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
    again : str or pathlib.Path, optional
        A good run of this spec to repeat as it was: its id, its folder, or ``latest``. The
        manifest tells how far the answers are the same.
    resume : str or pathlib.Path, optional
        A run of this spec that failed or was killed, to go on with: its id, its folder, or
        ``newest``. What ended well is taken over.
    memory_limit : str, optional
        Memory that each notebook's engine may take before its work spills to disk; by
        default 60% of the machine's, shared among the jobs.
    limit_minutes : float, optional
        After which the run is ended, and has failed; by default what the spec says.
    log : str or pathlib.Path, optional
        A file to add a line of JSON to for each step; ``-`` for stderr.

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
    memory = memory_of(memory_limit, jobs)
    begun = time.monotonic()
    refuse_no_time(limit_minutes)
    streams.fill_in()
    with (
        Signals() as signals,
        Log(Path(spec), log) as journal,
        telling(Path(spec), journal) as tell,
    ):
        plan = make_plan(
            Path(spec),
            as_of=as_of,
            only=only,
            parameters=parameters,
            quick=quick,
            out=out,
            load=loading(load),
            again=again,
            resume=resume,
        )
        minutes = limit_minutes or plan.spec.limits.run_minutes
        bounds = Bounds(plan.spec.limits.retries, minutes, begun)
        if plan.spec.each is not None:
            from cxlab.report.segments.each import Making, render_each

            making = Making(jobs, memory, bounds, signals.held, loading(load), log)
            run = render_each(plan, plan.spec.each, making, journal)
        else:
            run = run_plan(plan, jobs, memory, signals.held, bounds=bounds, log=journal)
        if out is None:
            list_reports(Path(spec).parent)
        tell(run)
        return run


def run_plan(
    plan: Plan,
    jobs: int,
    memory: str,
    held: Callable[[], contextlib.AbstractContextManager[None]],
    stop: Connection | None = None,
    bounds: Bounds | None = None,
    log: Log | None = None,
) -> Run:
    """Make the run that is planned, and publish it.

    Parameters
    ----------
    plan : Plan
        The run.
    jobs : int
        How many notebooks run at a time.
    memory : str
        Memory that each notebook's engine may take.
    held : callable
        Gives what holds signals back while the run is published.
    stop : Connection, optional
        Of a run that is not made by the main thread, which alone hears signals: once something
        can be read from it, the run is ended, and nothing of it stays.
    bounds : Bounds, optional
        How often and how long its notebooks are tried; by default as the spec says, from now.
    log : Log, optional
        Where its steps are told beside its own folder.
    """
    started = dt.datetime.now(dt.UTC)
    limits = plan.spec.limits
    bounds = bounds or Bounds(limits.retries, limits.run_minutes)
    dead = plan.cut.unpublished if plan.cut else None
    with (
        log or Log(plan.spec_path) as log,
        Build(plan.out, plan.dataset.day, started, dead) as build,
        ThreadPoolExecutor(1) as converter,
    ):
        log.begin(build.run_id, build.folder)
        converter.submit(_import_later)
        state = begin_run(plan, build, started)
        outcomes = _run(plan, build, jobs, memory, converter, state, stop, bounds, log)
        manifest = _finish(plan, build, outcomes, started, log)
        if stop and stop.poll():
            raise Stopped
        keep = plan.spec.publish.keep_runs
        with held():
            if manifest["status"] == "ok":  # the run can be made again as long as it is there
                plan.dataset.keep_for(plan.out / build.run_id)
            path = build.publish(
                good=manifest["status"] == "ok",
                keep_runs=keep,
                keep_state=plan.earlier is None,
            )
            run = Run(path, manifest["status"], manifest)
            log.step("published", status=run.status)
            log.ended(run.status, run.reason)
    return run


def begin_run(plan: Plan, build: Build, started: dt.datetime) -> Path | None:
    """Copy what was handed on, and write down what the run is asked.

    Parameters
    ----------
    plan : Plan
        The run.
    build : Build
        Where it is built.
    started : datetime.datetime
        When it started, in UTC.

    Returns
    -------
    pathlib.Path or None
        The copies' folder; None where nothing was handed on.

    Raises
    ------
    DataError
        The run that this one goes on with had read other state.
    """
    state = hand_in(_handed_on(plan), build.folder, _past(plan))
    if plan.cut:
        plan.cut.refuse_other_state(hashes_of(build.folder / STATE / BEFORE))
    none = {name: Outcome("skipped", "not ended") for name in plan.order}
    note_begun(build.folder, describe_run(plan, build, none, started, []))
    return state


def run_one(plan: Plan, share: Share, name: str, memory: str, bounds: Bounds, log: Log) -> Outcome:
    """Run one notebook of a run that was begun, and write its page.

    Parameters
    ----------
    plan : Plan
        The run, which goes on with the one that was begun.
    share : Share
        Where that is.
    name : str
        The notebook.
    memory : str
        Memory that its engine may take.
    bounds : Bounds
        How often and how long it is tried.
    log : Log
        Where each try is told.

    Returns
    -------
    Outcome
        ``taken_from`` the run itself where it had ended well before.

    Raises
    ------
    CxlabError
        A notebook that comes before it has not ended well.
    """
    outcomes = {n: Outcome("skipped", reason) for n, reason in plan.skipped.items()}
    before = plan.registry.before(name, plan.order)
    for other in (n for level in plan.levels for n in level):
        ready = plan.registry.before(other, plan.order) <= outcomes.keys()
        if ready and plan.cut and (ended := plan.cut.take(plan, other, outcomes, share.folder)):
            outcomes[other] = ended
    if name in outcomes:
        return outcomes[name]
    if missing := sorted(before - outcomes.keys()):
        told = f"{share.run_id}: {name} comes after {listed(missing)}, not ended well as yet"
        raise CxlabError(f"{told}; make those first, or go on with the run without --part")
    shutil.rmtree(share.work / name, ignore_errors=True)  # of a try that was cut
    place = share.folder / STATE / BEFORE
    state = place if place.is_dir() else None

    def tell(name: str, outcome: Outcome) -> None:
        _log_outcome(log, name, _named(plan, state, outcome))

    given = _job(plan, share, name, before, outcomes, memory, state)
    found = run_all({name: ()}, lambda *_: given, jobs=1, done=tell, bounds=bounds, retried=tell)
    outcome = _named(plan, state, found[name])
    _end(plan, share, name, outcome)
    return outcome


def _named(plan: Plan, state: Path | None, outcome: Outcome) -> Outcome:
    """Name the state file that can be mended, not the run's copy."""
    if state is None:
        return outcome
    copy, own = str(state.resolve()), str(_handed_on(plan))
    return replace(outcome, reason=outcome.reason.replace(copy, own))


def _log_outcome(log: Log, name: str, outcome: Outcome) -> None:
    log.step("notebook", notebook=name, status=outcome.status, seconds=outcome.seconds,
             attempt=outcome.attempts, error=outcome.error)  # fmt: skip


def memory_of(limit: str | None, jobs: int) -> str:
    """Give the memory that each of several notebooks' engines may take.

    Parameters
    ----------
    limit : str, optional
        What was asked for (default: 60% of the machine's, shared).
    jobs : int
        How many run at a time.
    """
    if limit is not None:
        refuse_no_size(limit)
    return limit or f"{max(60 // jobs, 1)}%"


def refuse_no_time(limit_minutes: float | None) -> None:
    """Refuse a limit in which nothing could be made.

    Parameters
    ----------
    limit_minutes : float, optional
        The limit.

    Raises
    ------
    UsageError
        It is not above 0.
    """
    if limit_minutes is not None and not limit_minutes > 0:
        raise UsageError(f"limit_minutes is {limit_minutes:g}; allowed: more than 0")


def loading(load: Load | None) -> Load:
    """Warm up while the data are read and checked.

    Parameters
    ----------
    load : callable, optional
        Gives the dataset (default: :func:`cxlab.data.dataset.load`).
    """

    def loads(*given: Any, **named: Any) -> Any:
        warm_up()
        if load is None:
            from cxlab.data.dataset import load as load_dataset

            return load_dataset(*given, **named)
        return load(*given, **named)

    return loads


def _import_later() -> None:
    """Import what is needed after the notebooks while they run: it takes seconds."""
    for module in _LATER:
        import_module(module)


def _run(
    plan: Plan,
    build: Build,
    jobs: int,
    memory: str,
    converter: Executor,
    state: Path | None,
    stop: Connection | None,
    bounds: Bounds,
    log: Log,
) -> dict[str, Outcome]:
    """Run the notebooks, and turn each into its page while the next ones run."""
    from tqdm import tqdm

    pages: list[Future[None]] = []
    order = plan.registry.longest_first(plan.order)
    before = {name: plan.registry.before(name, plan.order) for name in order}
    # None: at a terminal; of several runs at once no bar, nor where there is nothing to see it
    shown = True if stop or sys.stderr is None else None
    with tqdm(total=len(plan.order), unit="notebook", disable=shown, file=sys.stderr) as bar:

        def tell(name: str, outcome: Outcome) -> None:
            _log_outcome(log, name, _named(plan, state, outcome))

        def done(name: str, outcome: Outcome) -> None:
            tell(name, outcome)
            pages.append(converter.submit(_end, plan, build, name, _named(plan, state, outcome)))
            bar.set_postfix_str(f"{name} {outcome.status}", refresh=False)
            bar.update()

        def prepare(name: str, outcomes: Mapping[str, Outcome]) -> Job | Outcome:
            reason = plan.skipped.get(name) or _blocked(plan, name, outcomes)
            if reason:
                return Outcome("skipped", reason)
            taken = plan.cut and plan.cut.take(plan, name, outcomes, build.folder)
            return taken or _job(plan, build, name, before[name], outcomes, memory, state)

        outcomes = run_all(
            before, prepare, jobs=jobs, done=done, bounds=bounds, retried=tell, stop=stop
        )
    for page in pages:
        page.result()
    return {name: _named(plan, state, outcomes[name]) for name in plan.order}


def _handed_on(plan: Plan) -> Path:
    """Give where what was handed on lies."""
    return plan.earlier.state if plan.earlier else plan.out / STATE


def _past(plan: Plan) -> list[Path]:
    """Give the runs of the past that are read."""
    from cxlab.report.history import chosen

    return chosen(_handed_on(plan) / history.FOLDER, plan.dataset.day, plan.dataset.name)


def _end(plan: Plan, build: Build | Share, name: str, outcome: Outcome) -> None:
    """Write a notebook's page, then that it ended: what is written down is whole."""
    from cxlab.report.findings import collect

    _write_page(plan, build, name, outcome)
    note_ended(build.folder, name, plan.sources[name], outcome)
    if outcome.status == "ok":
        collect(build.folder, [name])  # now that there is time: it is remembered


def _write_page(
    plan: Plan, build: Build | Share, name: str, outcome: Outcome, unfit: str = ""
) -> None:
    from cxlab.report.pages import write_page

    write_page(plan, build.folder, name, outcome, unfit)


def _blocked(plan: Plan, name: str, outcomes: Mapping[str, Outcome]) -> str:
    """Say which notebook this one builds on has nothing to show."""
    words = {"failed": "not finished", "timed out": "not finished in time"}
    for other in plan.registry.notebooks[name].after:
        if other in outcomes and outcomes[other].status != "ok":
            status = outcomes[other].status
            return f"it builds on {other}, which was {words.get(status, status)}"
    return ""


def _job(
    plan: Plan,
    build: Build | Share,
    name: str,
    before: set[str],
    outcomes: Mapping[str, Outcome],
    memory: str,
    state: Path | None,
) -> Job:
    """Set up a notebook's job; it sees what those before it found, and no others."""
    from cxlab.report.findings import collect, write_found
    from cxlab.report.history import numbers

    # The kernel has a working folder of its own: nothing it is told may be relative.
    work = build.work.resolve() / name
    work.mkdir(parents=True)
    ended = [n for n in plan.order if n in before and outcomes[n].status == "ok"]
    seen = work / "run" if before else None
    if seen:
        seen.mkdir()
        harvest = collect(build.folder, ended)[0]
        write_found(seen, plan.dataset, harvest)
        table = numbers("now", plan, harvest, {n: o for n, o in outcomes.items() if n in before})
        write_bytes(seen / history.NOW, history.packed(table))
    withheld = plan.spec.notify.variables if plan.spec.notify else ()
    given = {k: v for k, v in plan.dataset.environment().items() if k not in withheld}
    shared = prepared.folder_for(plan.dataset_path, build.work.resolve() / ".prepared")
    return Job(
        name=name,
        source=plan.registry.path(name).resolve(),
        target=build.folder.resolve() / f"{name}.ipynb",
        parameters=plan.injected(name, seen, state and state.resolve()),
        timeout_seconds=plan.registry.notebooks[name].timeout_seconds,
        work=work,
        environment=given | {MEMORY_VARIABLE: memory, prepared.VARIABLE: str(shared)},
    )


def _finish(
    plan: Plan, build: Build, outcomes: dict[str, Outcome], started: dt.datetime, log: Log
) -> dict[str, Any]:
    """Write everything a run holds beside the executed notebooks and their pages."""
    from cxlab.report.findings import collect, write_found
    from cxlab.report.history import numbers
    from cxlab.report.pages import write_front
    from cxlab.report.tables import write_pictures, write_workbook

    harvest, refused = collect(build.folder, [n for n, o in outcomes.items() if o.status == "ok"])
    for name, reason in refused.items():
        outcomes[name] = replace(outcomes[name], status="failed", reason=reason)
        log.step("notebook", notebook=name, status="failed", error=reason)
        _write_page(plan, build, name, outcomes[name])
    write_found(build.folder, plan.dataset, harvest)
    write_workbook(harvest.tables, build.folder / "tables.xlsx")
    write_pictures(harvest.pictures, build.folder / "figures")
    hand_on(build.folder, {name: kept["text"] for name, kept in harvest.kept.items()})
    for name, outcome in outcomes.items():
        said = build.work / name / "log.txt"  # what the kernel had to say
        if outcome.error is not None and said.is_file() and said.stat().st_size:
            said.replace(build.folder / f"{name}.log")
    replaced = plan.dataset.replaced()
    held = gates.judge(plan.spec.gates, plan.dataset, harvest.results, plan.out / "latest")
    held += gates.same_data(replaced)
    for gate in held:
        passed = "passed" if gate["passed"] else "failed"
        error = None if gate["passed"] else gate["text"]
        log.step("gate", gate=gate["name"], status=passed, error=error)
    manifest = describe_run(plan, build, outcomes, started, held, replaced)
    if unfit := gates.unmet(held):
        for name, outcome in outcomes.items():
            _write_page(plan, build, name, outcome, unfit)
    if "pdf" in plan.spec.publish.formats:
        manifest |= _printed(plan, build, harvest, manifest)
    if manifest["status"] == "ok":
        code = {"cxlab": manifest["versions"]["cxlab"], "commit": manifest["git_commit"]}
        table = numbers(build.run_id, plan, harvest, outcomes, code)
        hand_on_history(build.folder, f"{build.run_id}.parquet", history.packed(table))
    write_front(build.folder / "index.html", plan, harvest, manifest)
    text = json.dumps(manifest, ensure_ascii=False, indent=2)
    write_text(build.folder / "manifest.json", text + "\n")
    return manifest


def _printed(
    plan: Plan, build: Build, harvest: Harvest, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Print the pages, and give what the manifest says otherwise then."""
    from cxlab.report.pages import write_front
    from cxlab.report.printed.pdf import make_pdf

    write_front(build.folder / "index.html", plan, harvest, manifest)
    told = make_pdf(build.folder, build.work, manifest)
    lost = told["error"] is not None and manifest["status"] == "ok"
    return {
        "pdf": told,
        "status": "failed" if lost else manifest["status"],
        "seconds": round(manifest["seconds"] + told["seconds"], 1),
    }
