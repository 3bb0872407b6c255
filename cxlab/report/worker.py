"""Run one notebook in a process of its own. Imports stay light: papermill comes with the job."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

__all__ = ["Job", "run_job"]

_KERNEL = "cxlab"


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
        A folder of its own for the kernel's files and what it prints; removed afterwards.
    token : str
        Marks every process of this job in its environment.
    environment : dict of str to str
        The environment to run in.
    """

    name: str
    source: Path
    target: Path
    parameters: dict[str, Any]
    timeout_seconds: float
    work: Path
    token: str
    environment: dict[str, str]

    @property
    def log(self) -> Path:
        """Where the kernel's own messages go."""
        return self.work / "log.txt"


def run_job(job: Job, channel: Connection) -> None:
    """Run a job and report how it ended.

    Parameters
    ----------
    job : Job
        What to run.
    channel : multiprocessing.connection.Connection
        Receives one message: None when all went well, else why not.
    """
    os.setsid()  # Ctrl-C at a terminal is for cxlab, which then ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _set_up(job)
    try:
        _execute(job)
    except BaseException as error:  # whatever it is belongs in the manifest
        channel.send(_reason(error))
    else:
        channel.send(None)
    channel.close()


def _end_with_parent() -> None:
    """End this process and its kernel when cxlab is gone, however it went."""
    import psutil

    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(1)


def _set_up(job: Job) -> None:
    """Point everything a kernel reads or writes at the job's own folder."""
    for part in ("cwd", "ipython", "runtime", "jupyter/kernels/" + _KERNEL):
        (job.work / part).mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--log-level=ERROR",
            "--HistoryManager.enabled=False",
            "--InteractiveShell.automagic=False",  # `run: str = ""` is no %run
        ],
        "display_name": "cxlab",
        "language": "python",
    }
    kernel = job.work / "jupyter" / "kernels" / _KERNEL / "kernel.json"
    kernel.write_text(json.dumps(spec), encoding="utf-8")

    os.environ.clear()
    os.environ.update(job.environment)
    os.environ.update(_environment(job))
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _environment(job: Job) -> dict[str, str]:
    """Give the variables a kernel runs under.

    One thread for each linear-algebra library and a fixed hash seed: the same figures
    whatever else runs beside, and no more threads than ``jobs``.
    """
    package = str(Path(__file__).resolve().parents[2])
    given = job.environment
    beside = [] if "site-packages" in package else [package]
    jupyter_path = [str(job.work / "jupyter"), given.get("JUPYTER_PATH", "")]
    python_path = [*beside, given.get("PYTHONPATH", "")]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "CXLAB_JOB": job.token,
        "IPYTHONDIR": str(job.work / "ipython"),
        "JUPYTER_PATH": os.pathsep.join(p for p in jupyter_path if p),
        "JUPYTER_RUNTIME_DIR": str(job.work / "runtime"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(p for p in python_path if p),
        **{name: given.get(name, "1") for name in threads},
    }


def _execute(job: Job) -> None:
    """Run the notebook with papermill."""
    import papermill

    papermill.execute_notebook(
        job.source,
        job.target,
        parameters=job.parameters,
        kernel_name=_KERNEL,
        language="python",
        progress_bar=False,
        cwd=job.work / "cwd",
    )


def _reason(error: BaseException) -> str:
    """Say in a line why a notebook did not run to its end."""
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        return f"{error.ename}: {error.evalue}"
    if isinstance(error, DeadKernelError):
        return "the kernel died (often for lack of memory)"
    return f"{type(error).__name__}: {error}"
