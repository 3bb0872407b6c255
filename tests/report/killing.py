"""A program that renders again and again, and kills itself at the moments it is told.

``python killing.py SPEC OUT RUN``: for each line of JSON on stdin a copy of this process renders.
``{"operation": n}`` ends it before the n-th time that it changes a file of OUT, or, with
``"full": true``, lets the disk be full from then on; its notebooks are those of RUN, a good run.
``{"seconds": s}`` lets it run notebooks, and ends it after so long; with ``"beside"``, a list of
``server``, ``runners`` and ``kernels``, it counts from the first kernel on, and ends those too.
Each is answered by a line: how the copy ended, how often it changed a file, and which processes
the fork server had then.
"""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
from toy import load_toy

from cxlab.errors import CxlabError
from cxlab.report import render as renderer
from cxlab.report.running.execute import Job, Outcome
from cxlab.report.running.warm import revive, warm_up

_CHANGES = ("os.rename", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.link")
_FREES = ("os.rename", "os.remove", "os.rmdir")


def main(spec: Path, out: Path, run: Path) -> None:
    warm_up()
    renderer._import_later()
    for line in sys.stdin:
        told = json.loads(line)
        if "seconds" in told:
            _serve()
        receive, send = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receive)
            code = _render(told, spec, out, run, send)
            os._exit(code)
        os.close(send)
        started: list[int] = []
        if "seconds" in told:
            beside = told.get("beside", [])
            while beside and not (_family()["kernels"] or _ended(child)):
                time.sleep(0.005)
            time.sleep(told["seconds"])
            family = _family()
            started = [pid for pids in family.values() for pid in pids]
            for pid in [*(p for name in beside for p in family[name]), child]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        with os.fdopen(receive) as counted:
            operations = len(counted.read())
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        answer = {"code": code, "operations": operations, "started": started}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _serve() -> None:
    """Wait until the fork server answers: it would still do what the dead had asked of it."""
    revive()
    process = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    process.start()
    process.join()


def _family() -> dict[str, list[int]]:
    """Name the fork server, the processes of its notebooks, and their kernels."""
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    runners = _children(server)
    return {
        "server": [server],
        "runners": runners,
        "kernels": [kernel for runner in runners for kernel in _children(runner)],
    }


def _children(pid: int) -> list[int]:
    with contextlib.suppress(psutil.Error):
        return [each.pid for each in psutil.Process(pid).children()]
    return []


def _ended(child: int) -> bool:
    return psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def _render(told: Mapping[str, Any], spec: Path, out: Path, run: Path, send: int) -> int:
    """Render in a session of its own; gives the code to exit with."""
    os.setsid()
    # This copy is not the fork server's parent, but may ask it for processes.
    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None  # type: ignore[attr-defined,method-assign]
    if "operation" in told:
        renderer.run_all = those_of(run)
        _go_wrong_at(told["operation"], told.get("full", False), str(out.resolve()), send)
    try:
        return 0 if renderer.render(spec, out=out, load=load_toy).status == "ok" else 1
    except CxlabError as error:
        os.write(2, f"{error}\n".encode())
        return 10 + error.exit_code


def those_of(run: Path) -> Callable[..., dict[str, Outcome]]:
    """Give what stands in for kernels: it takes a run's executed notebooks."""

    def run_all(before: Any, prepare: Any, *, done: Any, **_: Any) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        for name in before:
            given = prepare(name, outcomes)
            if isinstance(given, Job):
                shutil.copyfile(run / given.target.name, given.target)
                given = Outcome("ok", "", 0.1)
            outcomes[name] = given
            done(name, given)
        return outcomes

    return run_all


def _go_wrong_at(number: int, full: bool, out: str, send: int) -> None:
    """Have this process killed, or its disk full, before the n-th change to a file of a folder."""
    seen = 0

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if not (writes or event in _CHANGES):
            return
        paths = [os.fsdecode(a) for a in arguments[:2] if isinstance(a, str | bytes)]
        if any(os.path.abspath(p).startswith(out) for p in paths):  # noqa: PTH100
            seen += 1
            os.write(send, b".")
            if seen == number and not full:
                os.kill(os.getpid(), signal.SIGKILL)
            if full and 0 < number <= seen and event not in _FREES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hear)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
