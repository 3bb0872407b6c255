"""Run many notebooks: in order, some at a time, each with its time limit, none left behind."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import threading
import time
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from cxlab.report.signals import signals_held
from cxlab.report.worker import Job, run_job

__all__ = ["Outcome", "run_all"]

_STARTING = threading.Lock()
_MARKERS = {"injected-parameters", "papermill-error-cell-tag"}


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
        Wall-clock time.
    """

    status: str
    reason: str = ""
    seconds: float = 0.0


@dataclass
class _Running:
    job: Job
    process: ForkServerProcess
    channel: Connection
    started: float

    @property
    def left(self) -> float:
        return self.started + self.job.timeout_seconds - time.monotonic()


def run_all(
    before: Mapping[str, Collection[str]],
    prepare: Callable[[str, Mapping[str, Outcome]], Job | Outcome],
    *,
    jobs: int,
    done: Callable[[str, Outcome], None],
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

    Returns
    -------
    dict of str to Outcome
        For every notebook, in the order of ``before``.
    """
    outcomes: dict[str, Outcome] = {}
    waiting = list(before)

    def note(name: str, outcome: Outcome) -> None:
        outcomes[name] = outcome
        done(name, outcome)

    with contextlib.closing(_Pool()) as pool:
        while waiting or pool.running:
            ready = [n for n in waiting if set(before[n]) <= set(outcomes)]
            for name in ready[: jobs - len(pool.running)]:
                waiting.remove(name)
                job = prepare(name, outcomes)
                if isinstance(job, Outcome):
                    note(name, job)
                else:
                    pool.start(job)
            for name, outcome in pool.ended():
                note(name, outcome)
    return {name: outcomes[name] for name in before}


class _Pool:
    """The notebooks that run now."""

    def __init__(self) -> None:
        self.running: dict[str, _Running] = {}
        self._context = multiprocessing.get_context("forkserver")
        # imported once, and not again for every notebook
        self._context.set_forkserver_preload(["papermill", "psutil"])

    def start(self, job: Job) -> None:
        """Start a job in a process of its own."""
        receive, send = self._context.Pipe(duplex=False)
        process = self._context.Process(target=run_job, args=(job, send), daemon=True)
        with _no_main_module():
            process.start()
        send.close()  # so that the process's end is seen as the end of the pipe
        self.running[job.name] = _Running(job, process, receive, time.monotonic())

    def ended(self) -> list[tuple[str, Outcome]]:
        """Wait until some have ended or run out of time."""
        if not self.running:
            return []
        left = min(r.left for r in self.running.values())
        wait([r.channel for r in self.running.values()], timeout=max(left, 0))
        found = [(n, o) for n, r in self.running.items() if (o := _outcome(r)) is not None]
        for name, outcome in found:
            _stop(self.running.pop(name), grace=0 if outcome.status == "timed out" else 2)
        return found

    def close(self) -> None:
        """End whatever still runs."""
        with signals_held():
            for running in self.running.values():
                _stop(running, grace=0)
            self.running.clear()


def _outcome(running: _Running) -> Outcome | None:
    """Give how a job ended, or None while it runs."""
    seconds = time.monotonic() - running.started
    if running.channel.poll():
        try:
            reason = running.channel.recv()
        except EOFError:
            running.process.join(5)
            reason = f"its process ended unexpectedly (exit code {running.process.exitcode})"
        if reason is None:
            return Outcome("ok", "", seconds)
        return Outcome("failed", _one_line(reason) + _last_cell(running.job.target), seconds)
    if running.left > 0:
        return None
    limit = f"not finished after {running.job.timeout_seconds:g} s"
    return Outcome("timed out", limit + _last_cell(running.job.target), seconds)


def _one_line(text: str, limit: int = 400) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _last_cell(path: Path) -> str:
    """Name the last cell that was started, from the notebook as far as it was written."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    own = [c for c in cells if not _MARKERS & set(c["metadata"].get("tags", []))]
    begun = [
        (number, cell)
        for number, cell in enumerate(own, start=1)
        if cell["cell_type"] == "code" and cell["metadata"].get("papermill", {}).get("start_time")
    ]
    if not begun:
        return ""
    number, cell = begun[-1]
    lines = [line for line in "".join(cell["source"]).splitlines() if line.strip()]
    return f" (cell {number}: {_one_line(lines[0], 80)})" if lines else f" (cell {number})"


def _stop(running: _Running, grace: float) -> None:
    """End a job's process and every process it left, wherever those have moved to."""
    import psutil

    running.process.join(grace)  # one that has reported goes by itself
    running.channel.close()
    pid = running.process.pid
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        found = [*process.children(recursive=True), process]
    for _ in range(3):  # a process may start another while it is being ended
        found += [p for p in psutil.process_iter() if _has_token(p, running.job.token)]
        if not found:
            break
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, timeout=5)
        found = []
    running.process.join(5)


def _has_token(process: object, token: str) -> bool:
    """Tell whether a process carries a job's mark in its environment."""
    import psutil

    try:
        return process.environ().get("CXLAB_JOB") == token  # type: ignore[attr-defined]
    except (psutil.Error, OSError):
        return False


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Hide the program's main module while a process starts.

    multiprocessing would import it again in every notebook's process, which runs a script
    without a main guard twice and fails for one read from standard input.
    """
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
