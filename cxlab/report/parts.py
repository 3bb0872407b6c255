"""A run made part by part, each by a process of its own: as an orchestrator's tasks.

The run is begun: its data are checked, and what it was asked is written down. Then each notebook,
or of a spec with ``each`` each segment, can be made by itself, several at once, on any machine
that sees the folders. Going on with the run (``--resume``) takes over what ended well, makes what
is missing, and publishes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from cxlab.errors import CxlabError, UsageError, one_of
from cxlab.report.publish import Build, Share
from cxlab.report.render import begin_run, loading, memory_of, refuse_no_time, run_one
from cxlab.report.resume import note_begun, read_cut
from cxlab.report.running import streams
from cxlab.report.running.execute import Bounds
from cxlab.report.segments.comparing import describe
from cxlab.report.segments.each import Making, make_segments
from cxlab.report.segments.fan import Each, slug
from cxlab.report.segments.groups import chosen
from cxlab.report.segments.resumed import past_of
from cxlab.report.signals import Signals
from cxlab.report.spec import Load, Plan, make_plan
from cxlab.report.telling.log import Log
from cxlab.report.telling.notify import telling

__all__ = ["Begun", "begin", "make_part"]


@dataclass(frozen=True)
class Begun:
    """A run that was begun.

    Parameters
    ----------
    run_id : str
        The run.
    parts : list of list of str
        Its parts: those of one list at once, if one likes, after those of the list before it.
    """

    run_id: str
    parts: list[list[str]]


def begin(
    spec: Path,
    *,
    as_of: dt.date | str | None = None,
    only: Iterable[str] = (),
    parameters: Iterable[str] = (),
    quick: bool = False,
    out: Path | None = None,
    load: Load | None = None,
    log: str | Path | None = None,
) -> Begun:
    """Begin a run: check all that can be checked, and leave it to be made part by part.

    Parameters
    ----------
    spec, as_of, only, parameters, quick, out, load, log
        As of :func:`cxlab.report.render.render`.

    Raises
    ------
    UsageError, DataError
        For whatever cannot be; whom the spec names is told so, and nothing is left in OUT.
    """
    streams.fill_in()
    with Signals(), Log(spec, log) as journal, telling(spec, journal):
        plan = make_plan(
            spec,
            as_of=as_of,
            only=only,
            parameters=parameters,
            quick=quick,
            out=out,
            load=loading(load),
        )
        parts = plan.levels
        if each := plan.spec.each:
            parts = [[group.where for group in chosen(plan, each)[0]]]
        started = dt.datetime.now(dt.UTC)
        with Build(plan.out, plan.dataset.day, started) as build:
            journal.begin(build.run_id, build.folder)
            if each:
                note_begun(build.folder, describe(plan, build, started))
            else:
                begin_run(plan, build, started)
            plan.dataset.keep_for(build.folder)  # between parts nobody holds it
            build.leave()
        return Begun(build.run_id, parts)


def make_part(
    spec: Path,
    run: str,
    part: str,
    *,
    jobs: int = 2,
    out: Path | None = None,
    load: Load | None = None,
    memory_limit: str | None = None,
    limit_minutes: float | None = None,
    log: str | Path | None = None,
) -> str:
    """Make one part of a run that was begun.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec.
    run : str
        The run: its id, or ``newest``.
    part : str
        One of those that :func:`begin` gave.
    jobs : int
        How many parts are made at a time, which share the machine's memory; of a segment's
        report, one notebook is made at a time.
    out, load, memory_limit, limit_minutes, log
        As of :func:`cxlab.report.render.render`.

    Returns
    -------
    str
        That it is made, or had been.

    Raises
    ------
    CxlabError
        It did not end well, it comes after one that did not, or another process makes it.
    UsageError, DataError
        The run has no such part, is gone or published, or cannot be gone on with.
    """
    streams.fill_in()
    memory = memory_of(memory_limit, jobs)
    refuse_no_time(limit_minutes)
    with Signals() as signals, Log(spec, log) as journal:
        given = make_plan(
            spec, as_of=None, only=(), parameters=(), quick=False, out=out, load=loading(load),
            resume=run,
        )  # fmt: skip
        if given.cut is None or (folder := given.cut.unpublished) is None:
            raise UsageError(f"--part is for a run that was begun; {run} was published")
        limits = given.spec.limits
        bounds = Bounds(limits.retries, limit_minutes or limits.run_minutes)
        if each := given.spec.each:
            making = Making(1, memory, bounds, signals.held, loading(load), log)
            return _segment(given, each, part, folder, making)
        return _notebook(given, part, folder, memory, bounds, journal)


def _notebook(plan: Plan, part: str, folder: Path, memory: str, bounds: Bounds, log: Log) -> str:
    allowed = [name for level in plan.levels for name in level]
    if part not in allowed:
        raise UsageError(one_of("--part", part, allowed))
    with Share(folder, part) as share:
        log.begin(share.run_id, share.folder)
        # Others may have made parts while the data were read.
        plan = replace(plan, cut=read_cut(plan.out, plan.spec_path, share.run_id))
        outcome = run_one(plan, share, part, memory, bounds, log)
        log.ended("ok" if outcome.status == "ok" else "failed", outcome.reason)
    if outcome.status != "ok":
        raise CxlabError(f"{plan.spec_path}: {part}: {outcome.status}: {outcome.reason}")
    return f"{part}: {'made before' if outcome.taken_from else 'made'}"


def _segment(plan: Plan, each: Each, part: str, folder: Path, making: Making) -> str:
    groups = {group.where: group for group in chosen(plan, each)[0]}
    if part not in groups:
        raise UsageError(one_of("--part", part, groups))
    with Share(folder, slug(part)) as share:
        [ended] = make_segments(plan, making, [groups[part]], share, past_of(plan))
    if ended.status != "ok":
        raise CxlabError(f"{plan.spec_path}: {part}: {ended.status}: {ended.reason}")
    return f"{part}: {'made before' if ended.taken_from else 'made'}"
