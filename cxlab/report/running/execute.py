"""Run notebooks, each in a process of its own: so many at a time, in time, none left behind.

The processes come from a fork server (:mod:`cxlab.report.running.warm`), which imports
papermill, and what kernels need, once for all of them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING

from cxlab.errors import UsageError
from cxlab.report.running.job import MARK, Job, run_job
from cxlab.report.running.warm import STARTING, revive

if TYPE_CHECKING:
    import psutil

__all__ = ["Bounds", "Job", "Outcome", "Stopped", "run_all"]

_MARKERS = {"injected-parameters", "papermill-error-cell-tag"}
# Letters of a failure kept for a page.
_LONGEST = 400
# A socket's whole path has about a hundred letters at most.
_LONGEST_FOLDER = 60
# Of a process: the fork server may be killed, and is started again then.
_STARTS = 5


@dataclass(frozen=True)
class Outcome:
    """How a notebook ended.

    Parameters
    ----------
    status : str
        ``ok``, ``failed``, ``skipped`` or ``timed out``.
    reason : str
        Why, in a line; empty where all went well.
    seconds : float
        Wall-clock time, of all attempts.
    attempts : int
        How often it was begun: more than once where its kernel died.
    cut : bool
        Whether it was skipped only since the run's time was over.
    taken_from : str
        The run that it was taken over from; empty where it was run.
    """

    status: str
    reason: str = ""
    seconds: float = 0.0
    attempts: int = 1
    cut: bool = False
    taken_from: str = ""

    @property
    def error(self) -> str | None:
        """Why there is no answer where there should be one."""
        return self.reason if self.cut or self.status in ("failed", "timed out") else None


class Stopped(BaseException):
    """The notebooks were ended, as was asked."""


@dataclass(frozen=True)
class Bounds:
    """How often a run's notebooks are tried, and how long all of them may take.

    Parameters
    ----------
    retries : int
        How often a notebook is run again whose kernel died; what a cell raised stays.
    minutes : float, optional
        After which the whole run is ended.
    started : float
        Since when these are counted, by ``time.monotonic``.
    """

    retries: int = 0
    minutes: float | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """The seconds that are left."""
        if self.minutes is None:
            return math.inf
        return self.started + 60 * self.minutes - time.monotonic()

    @property
    def told(self) -> str:
        """Say that the time is over."""
        unit = "minute was" if self.minutes == 1 else "minutes were"
        return f"the run's {self.minutes:g} {unit} over"


@dataclass
class _Running:
    job: Job
    bounds: Bounds
    process: ForkServerProcess
    channel: Connection
    started: float
    attempt: int
    seconds_before: float

    @property
    def left(self) -> float:
        own = self.started + self.job.timeout_seconds - time.monotonic()
        return min(own, self.bounds.left)

    def ended(self, status: str, reason: str = "") -> Outcome:
        """Word how this attempt ended."""
        seconds = self.seconds_before + time.monotonic() - self.started
        where = _last_cell(self.job.target) if reason else ""
        return Outcome(status, reason + where, seconds, self.attempt)


def run_all(
    before: Mapping[str, Collection[str]],
    prepare: Callable[[str, Mapping[str, Outcome]], Job | Outcome],
    *,
    jobs: int,
    done: Callable[[str, Outcome], None],
    bounds: Bounds | None = None,
    retried: Callable[[str, Outcome], None] = lambda name, outcome: None,
    stop: Connection | None = None,
) -> dict[str, Outcome]:
    """Run notebooks, as many as ``jobs`` at a time.

    Parameters
    ----------
    before : mapping of str to collection of str
        The notebooks in the order to start them, each with those that have to end first.
    prepare : callable
        Gives a notebook's job just before it starts, from how the others ended; or the
        outcome, where it is not to be run.
    jobs : int
        How many run at a time.
    done : callable
        Told each notebook and its outcome.
    bounds : Bounds, optional
        How often and how long they are tried (default: once, without end).
    retried : callable, optional
        Told each attempt that is followed by another.
    stop : Connection, optional
        Once something can be read from it, all are ended.

    Returns
    -------
    dict of str to Outcome
        For every notebook, in the order of ``before``.

    Raises
    ------
    Stopped
        They were ended by ``stop``.
    """
    bounds = bounds or Bounds()
    outcomes: dict[str, Outcome] = {}
    waiting = list(before)
    running: dict[str, _Running] = {}
    number = itertools.count()

    def note(name: str, outcome: Outcome) -> None:
        outcomes[name] = outcome
        done(name, outcome)

    def begin(name: str, sockets: Path) -> None:
        waiting.remove(name)
        over = bounds.left <= 0
        given = Outcome("skipped", bounds.told, cut=True) if over else prepare(name, outcomes)
        place = sockets / str(next(number))
        go_on(name, given if isinstance(given, Outcome) else _start(given, bounds, place))

    def go_on(name: str, given: _Running | Outcome) -> None:
        if isinstance(given, Outcome):
            note(name, given)
        else:
            running[name] = given

    with _sockets() as sockets:
        try:
            while waiting or running:
                ready = [n for n in waiting if set(before[n]) <= set(outcomes)]
                for name in ready[: jobs - len(running)]:
                    begin(name, sockets)
                for name, was, outcome, died in _ended(running, stop):
                    if died and outcome.attempts <= bounds.retries and bounds.left > 0:
                        retried(name, outcome)
                        place = sockets / str(next(number))
                        go_on(name, _start(was.job, bounds, place, outcome))
                    else:
                        note(name, outcome)
        finally:
            for each in running.values():
                _stop(each, grace=0)
    return {name: outcomes[name] for name in before}


@contextlib.contextmanager
def _sockets() -> Iterator[Path]:
    """Give a folder of a short name for the sockets on which kernels are spoken to.

    Not network ports: what a cell shows is for this user alone, and two kernels that start at
    once never take the same one. Not in OUT: not every file system holds sockets.
    """
    place = tempfile.gettempdir()
    short = place if len(place) <= _LONGEST_FOLDER else "/tmp"
    try:
        held = tempfile.TemporaryDirectory(prefix="cxlab-", dir=short, ignore_cleanup_errors=True)
    except OSError as error:
        told = f"{short}: no folder for a run's sockets can be made ({error.strerror})"
        raise UsageError(f"{told}; TMPDIR may name another place") from None
    with held as made:
        yield Path(made)


def _start(
    job: Job, bounds: Bounds, sockets: Path, last: Outcome | None = None
) -> _Running | Outcome:
    """Start a job in a process of its own; the last attempt, if there was one, is over."""
    attempt, seconds = (last.attempts + 1, last.seconds) if last else (1, 0.0)
    for start in range(_STARTS):
        if start:
            time.sleep(0.2)  # until it can be told that the fork server is gone
        revive()
        with contextlib.suppress(EOFError, OSError):
            process, channel = _process(job, sockets.with_name(f"{sockets.name}-{start}"))
            return _Running(job, bounds, process, channel, time.monotonic(), attempt, seconds)
    reason = f"no process could be started for it, {_STARTS} times"
    return Outcome("failed", reason, seconds, attempt)


def _process(job: Job, sockets: Path) -> tuple[ForkServerProcess, Connection]:
    """Have the fork server start a process; it tells its end over the connection."""
    context = multiprocessing.get_context("forkserver")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=run_job, args=(job, sockets, send), daemon=True)
    with _no_main_module():
        process.start()
    send.close()  # so that the process's end is seen as the end of the pipe
    return process, receive


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Hide the program's main module while a process starts.

    multiprocessing would import it again in every notebook's process, which runs a script
    without a main guard twice and fails for one read from standard input.
    """
    with STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _ended(
    running: dict[str, _Running], stop: Connection | None
) -> list[tuple[str, _Running, Outcome, bool]]:
    """Wait until some have ended or run out of time, and take them out.

    Told with each is whether its kernel died, which may pass.
    """
    if not running:
        return []
    left = min(r.left for r in running.values())
    stops = [stop] if stop else []
    wait([*(r.channel for r in running.values()), *stops], timeout=max(left, 0))
    if stop and stop.poll():
        raise Stopped
    told = [(n, r, _outcome(r)) for n, r in running.items()]
    found = [(n, r, *end) for n, r, end in told if end is not None]
    for name, each, outcome, _ in found:
        del running[name]
        _stop(each, grace=0 if outcome.status == "timed out" else 2)
    return found


def _outcome(running: _Running) -> tuple[Outcome, bool] | None:
    """Give how a job ended, and whether its kernel died; None while it runs."""
    if running.channel.poll():
        try:
            reason, died = running.channel.recv()
        except EOFError:
            running.process.join(5)
            reason = f"its process ended unexpectedly (exit code {running.process.exitcode})"
            died = True
        if reason is None:
            return running.ended("ok"), False
        if died and running.attempt > 1:
            reason += f", {running.attempt} times"
        return running.ended("failed", _one_line(reason)), died
    if running.left > 0:
        return None
    limit = f"not finished after {running.job.timeout_seconds:g} s"
    if running.bounds.left <= 0:
        limit = f"not finished when {running.bounds.told}"
    return running.ended("timed out", limit), False


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _last_cell(path: Path) -> str:
    """Name the last cell that was started, from the notebook as far as it was written."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    own = [c for c in cells if not _MARKERS & set(c["metadata"].get("tags", []))]
    begun = [
        number
        for number, cell in enumerate(own, start=1)
        if cell["cell_type"] == "code" and cell["metadata"].get("papermill", {}).get("start_time")
    ]
    return f" (cell {begun[-1]})" if begun else ""


def _stop(running: _Running, grace: float) -> None:
    """End a job's process and every process it left."""
    import psutil

    running.process.join(grace)  # one that has reported goes by itself
    running.channel.close()
    deadline = time.monotonic() + 10
    while (found := _family(running)) and time.monotonic() < deadline:
        for process in found:  # which may start another while it is being ended
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.02)


def _family(running: _Running) -> list[psutil.Process]:
    """Find a job's process and every process it left, wherever those have moved to."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            own = process.environ().get(MARK) == str(running.job.work)
            # a forked kernel's environment is shown as it was, but its session is the job's
            if own or os.getsid(process.pid) == running.process.pid:
                found.append(process)
    if running.process.is_alive():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(running.process.pid)
            found += [process, *process.children(recursive=True)]
    return found
