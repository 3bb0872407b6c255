"""A spec with ``each``: a report for every segment, and a run that compares them.

Each segment's report is a report as any other, in a folder of its own below OUT/each: with its
own runs, ``latest`` and ``state``. So many are made at a time that every core has work.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from cxlab.errors import CxlabError, DataError
from cxlab.report.publish import Build, Share
from cxlab.report.resume import note_begun
from cxlab.report.running.execute import Bounds
from cxlab.report.segments.compared import Ended
from cxlab.report.segments.comparing import describe, publishable
from cxlab.report.segments.fan import EACH, Each, slug
from cxlab.report.segments.groups import Group, chosen
from cxlab.report.segments.resumed import Past, note_segment, past_of
from cxlab.report.spec import Load, Plan
from cxlab.report.telling.log import Log
from cxlab.results import counted, legible

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset
    from cxlab.report.render import Run

__all__ = ["Making", "make_segments", "render_each"]


@dataclass(frozen=True)
class Making:
    """How runs are made.

    Parameters
    ----------
    jobs : int
        How many notebooks run at a time, of all segments.
    memory : str
        Memory that each notebook's engine may take.
    bounds : Bounds
        How often and how long all of them are tried.
    held : callable
        Gives what holds signals back while a run is published.
    load : callable
        Gives a dataset.
    log : str or pathlib.Path or None
        Where the operator wants each step to be told.
    """

    jobs: int
    memory: str
    bounds: Bounds
    held: Callable[[], contextlib.AbstractContextManager[None]]
    load: Load
    log: str | Path | None


def render_each(plan: Plan, each: Each, making: Making, log: Log) -> Run:
    """Render a report for each segment, and publish a run that compares them.

    Parameters
    ----------
    plan : Plan
        The run, of all segments together.
    each : Each
        Which segments.
    making : Making
        How runs are made.
    log : Log
        Where the comparing run's steps are told.

    Returns
    -------
    Run
        The one that compares; it is good where every segment's is.

    Raises
    ------
    DataError
        No table has the column, nobody has a value, or no segment is large enough.
    """
    from cxlab.report.render import Run

    groups, left = chosen(plan, each)
    started, past = dt.datetime.now(dt.UTC), past_of(plan)
    dead = plan.cut.unpublished if plan.cut else None
    with log, Build(plan.out, plan.dataset.day, started, dead) as build:
        log.begin(build.run_id, build.folder)
        note_begun(build.folder, describe(plan, build, started))
        ended = make_segments(plan, making, groups, build, past)
        manifest = publishable(plan, build, started, ended, left)
        good = manifest["status"] == "ok"
        with making.held():
            keep = plan.spec.publish.keep_runs
            path = build.publish(good=good, keep_runs=keep, keep_state=False)
            run = Run(path, manifest["status"], manifest)
            log.step("published", status=run.status)
            log.ended(run.status, run.reason)
    return run


def make_segments(
    plan: Plan, making: Making, groups: list[Group], build: Build | Share, past: Past
) -> list[Ended]:
    """Render segments, the largest first, and note how each ended.

    Parameters
    ----------
    plan : Plan
        The run, of all segments together.
    making : Making
        How runs are made.
    groups : list of Group
        The segments.
    build : Build or Share
        The comparing run.
    past : Past
        What is there already.

    Returns
    -------
    list of Ended
        In the order of ``groups``.
    """
    place = plan.out / EACH
    ended: dict[str, Ended] = {}

    def note(found: Ended) -> None:
        ended[found.where] = found
        note_segment(build, found)
        _say(found, len(ended), len(groups))

    for group in groups:
        if stands := past.stands(group, place):
            note(replace(stands, live=_live(place / stands.folder)))
    left = sorted((g for g in groups if g.where not in ended), key=lambda g: -g.customers)
    at_once = max(min(making.jobs, len(left)), 1)
    each = replace(making, jobs=max(making.jobs // at_once, 1))
    heard, tell = Pipe(duplex=False)
    with _gone_if_empty(place), ThreadPoolExecutor(at_once) as pool, _told_to_stop(pool, tell):
        waiting: list[Future[Ended]] = []
        for group in left:
            own = replace(plan, cut=past.cut_of(group, plan, place))
            waiting.append(pool.submit(_segment, own, each, group, place, heard))
        for done in as_completed(waiting):
            note(done.result())
    return [ended[group.where] for group in groups]


@contextlib.contextmanager
def _gone_if_empty(place: Path) -> Iterator[None]:
    """Make the folder of the segments' folders; it stays if there is a report in it."""
    place.mkdir(exist_ok=True)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not empty
            place.rmdir()


@contextlib.contextmanager
def _told_to_stop(pool: ThreadPoolExecutor, tell: Connection) -> Iterator[None]:
    """End every segment's run where the main thread is asked to end, which alone hears of it."""
    try:
        yield
    except BaseException:
        tell.send_bytes(b"end")
        pool.shutdown(cancel_futures=True)
        raise


def _segment(plan: Plan, making: Making, group: Group, place: Path, stop: Connection) -> Ended:
    """Render one segment's report; what goes wrong with it is its own matter."""
    from cxlab.report.render import run_plan

    name = slug(group.where)
    same = Ended(group.where, group.words, name, "failed", customers=group.customers,
                 churners=group.churners, places=group.places)  # fmt: skip
    begun = dt.datetime.now(dt.UTC)
    try:
        own = plan.of(_loaded(plan, making.load, group.where), place / name)
        log = Log(plan.spec_path, making.log, group.where)
        run = run_plan(own, making.jobs, making.memory, contextlib.nullcontext, stop,
                       making.bounds, log)  # fmt: skip
    except CxlabError as error:
        found = replace(same, reason=str(error))
    except Exception as error:  # of the others there is to be a report all the same
        found = replace(same, reason=f"{type(error).__name__}: {error}")
    else:
        found = replace(same, status=run.status, reason=run.reason, run=run.path.name)
    seconds = (dt.datetime.now(dt.UTC) - begun).total_seconds()
    return replace(found, seconds=round(seconds, 1), live=_live(place / name))


def _live(folder: Path) -> str:
    """Name a segment's newest good run; empty where there is none."""
    latest = folder / "latest"
    return latest.resolve().name if latest.exists() else ""


def _loaded(plan: Plan, load: Load, where: str) -> Dataset:
    """Load a segment of the very data that the plan is of."""
    whole = plan.dataset
    day = whole.as_of if whole.day else None
    held = {"snapshot": whole.snapshot} if whole.snapshot else {}
    dataset = load(plan.dataset_path, as_of=day, where=where, **held)
    if dataset.sha256() != whole.sha256():
        raise DataError(f"{plan.dataset_path}: the data were replaced while the report was made")
    return dataset


def _say(ended: Ended, done: int, of: int) -> None:
    """Tell on stderr that a segment's report is made."""
    if sys.stderr is None:
        return
    why = f": {ended.reason}" if ended.reason else ""
    took = counted(round(ended.seconds), "second")
    if ended.taken_from:
        took = f"taken over from {ended.taken_from}"
    line = f"cxlab: {ended.where}: {ended.status}, {took} ({done} of {of}){why}"
    with contextlib.suppress(OSError, ValueError):  # nobody listens
        sys.stderr.write(" ".join(legible(line).split()) + "\n")
        sys.stderr.flush()
