"""One notebook, in a process of its own: its kernel, its surroundings, and how it went."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cxlab.errors import masked
from cxlab.report.running.warm import early, joined
from cxlab.report.tables import write_text

__all__ = ["MARK", "Job", "run_job"]

MARK = "CXLAB_JOB"
"""The environment variable that marks every process of a job."""
# Of a kernel that does not come up; nothing was run by then.
_STARTS = 3
_KERNEL = {
    "argv": [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
        "--log-level=ERROR",
        "--HistoryManager.enabled=False",
        "--InteractiveShell.automagic=False",  # `run: str = ""` is no %run
        # a page has room for what pandas would cut off
        "--IPKernelApp.exec_lines=__import__('pandas').set_option('display.max_colwidth', None)",
    ],
    "display_name": "cxlab",
    "language": "python",
    "metadata": {"kernel_provisioner": {"provisioner_name": "cxlab-warm"}},
}


@dataclass(frozen=True)
class Job:
    """One notebook to run.

    Parameters
    ----------
    name : str
        The notebook.
    source, target : pathlib.Path
        The notebook, and where the executed one is written.
    parameters : dict
        What is injected.
    timeout_seconds : float
        Wall-clock time for the whole notebook.
    work : pathlib.Path
        A folder of its own for the kernel's files and what it prints; it also marks every
        process of this job, in its environment.
    environment : dict of str to str
        The environment to run in.
    """

    name: str
    source: Path
    target: Path
    parameters: dict[str, Any]
    timeout_seconds: float
    work: Path
    environment: dict[str, str]


def run_job(job: Job, sockets: Path, channel: Connection) -> None:
    """Run a job, in its own process, and send why it went wrong, and whether its kernel died.

    None where all went well.
    """
    from cxlab.report.running import kernels

    # Without going over, and so copying, what the fork server had loaded: a second a notebook.
    gc.freeze()
    os.setsid()  # Ctrl-C at a terminal is for cxlab, which then ends this process
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the fork server blocks it
    started_with = dict(os.environ)
    try:
        _set_up(job, sockets.parent)
        kernels.keep_spare(started_with)
        threading.Thread(target=_end_with_parent, args=(sockets.parent,), daemon=True).start()
        kernels.register()
        _execute(job, sockets)
    except BaseException as error:  # whatever it is belongs in the manifest
        reason, died = _reason(error)
        _mask(job)
        channel.send((masked(reason), died))
    else:
        _mask(job)
        channel.send((None, False))
    channel.close()


def _mask(job: Job) -> None:
    """Take passwords out of what a notebook has shown, or said: both are kept."""
    for path in (job.target, job.work / "log.txt"):
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if (shown := masked(text)) != text:
                write_text(path, shown)


def _end_with_parent(sockets: Path) -> None:
    """End this process and its kernel when cxlab is gone, however it went."""
    import psutil

    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    shutil.rmtree(sockets, ignore_errors=True)
    os._exit(1)


def _set_up(job: Job, shared: Path) -> None:
    """Point everything a kernel reads or writes at the job's own folder.

    What it hands to the run's other notebooks goes to the folder of all of them.
    """
    from cxlab.data.opened import VARIABLE

    kernel = job.work / "jupyter" / "kernels" / "cxlab"
    own = [job.work / part for part in ("cwd", "ipython", "runtime")]
    for folder in own:  # what an attempt has left whose kernel died
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (kernel, *own):
        folder.mkdir(parents=True, exist_ok=True)
    (kernel / "kernel.json").write_text(json.dumps(_KERNEL), encoding="utf-8")
    given = job.environment
    os.environ.clear()
    os.environ.update(
        {
            **given,
            **early(given),
            MARK: str(job.work),
            VARIABLE: str(shared / "opened"),
            "IPYTHONDIR": str(job.work / "ipython"),
            "JUPYTER_PATH": joined(str(job.work / "jupyter"), given.get("JUPYTER_PATH", "")),
            "JUPYTER_RUNTIME_DIR": str(job.work / "runtime"),
        }
    )
    log = os.open(job.work / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _execute(job: Job, sockets: Path) -> None:
    """Run the notebook with papermill; a kernel that does not come up is started again."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    from cxlab.report.running import saving

    saving.register()
    for start in range(_STARTS):
        address = f"{sockets}-{start}"
        try:
            papermill.execute_notebook(
                _to_the_letter(job.source),
                _to_the_letter(job.target),
                parameters=job.parameters,
                engine_name=saving.ENGINE,
                kernel_name="cxlab",
                language="python",
                progress_bar=False,
                cwd=job.work / "cwd",
                config=Config({"KernelManager": {"transport": "ipc", "ip": address}}),
            )
        except RuntimeError as error:  # of a cell it would be papermill's own
            ran = isinstance(error, DeadKernelError)  # cells were run by then
            if ran or not str(error).startswith("Kernel ") or start + 1 == _STARTS:
                raise
            sys.stderr.write(f"started again: {error}\n")
        else:
            return


def _to_the_letter(path: Path) -> str:
    """Keep papermill from filling parameters into a path that has braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _reason(error: BaseException) -> tuple[str, bool]:
    """Say in a line why a notebook did not run to its end, and whether its kernel died."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return f"{error.ename}: {error.evalue}".rstrip(": "), False
    if isinstance(error, DeadKernelError):
        return "the kernel died (often for lack of memory)", True
    return f"{type(error).__name__}: {error}", False
