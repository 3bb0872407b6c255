"""The fork server that notebooks' processes come from, started before it is needed."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import forkserver, resource_tracker, util
from pathlib import Path
from typing import Any

__all__ = ["STARTING", "early", "joined", "revive", "warm_up"]

STARTING = threading.Lock()
"""Held while a process starts."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# What nearly every notebook loads: kernels are forked with it.
_LIBRARIES = (
    *("cxlab.report.running.execute", "cxlab.report.running.saving"),
    *("ipykernel.kernelapp", "ipykernel.debugger"),
    *("pandas", "matplotlib.pyplot", "seaborn"),
    *("scipy.stats", "cxlab.data.dataset", "cxlab.plots.shown"),
    # of the analyses, the one whose parts most of the others stand on
    *("cxlab.analyses.churn_drivers", "cxlab.frames.exposures"),
    *("sklearn.decomposition", "sklearn.linear_model", "narwhals._duckdb.dataframe"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    "cxlab.report.running.forked",
)


def warm_up() -> None:
    """Start the fork server, which takes its time importing, before it is needed.

    Nothing that takes time is imported here: the server has the other core meanwhile.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["cxlab.report.running.preload", "papermill", "psutil", *_LIBRARIES]
    )
    resource_tracker.ensure_running()  # would else start within, and unblock the signal
    with STARTING, _interrupts_held(), _environment_of_kernels():
        forkserver.ensure_running()


def revive() -> None:
    """Start the fork server again if it was killed: left to itself it is not as it was."""
    import psutil

    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    with contextlib.suppress(psutil.Error):
        if pid is not None and psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            warm_up()


@contextlib.contextmanager
def _environment_of_kernels() -> Iterator[None]:
    """Have multiprocessing start programs with what libraries and Python read when they start.

    This process's own environment stays as it is: segments are read by other threads meanwhile,
    and a library that reads a variable while another is set ends the whole program.
    """
    environment, usual = os.environ | early(os.environ), util.spawnv_passfds

    def started(path: Any, args: Sequence[Any], passfds: Sequence[int]) -> int:
        process = subprocess.Popen(
            args, executable=path, env=environment, pass_fds=passfds, restore_signals=False
        )
        process.returncode = 0  # multiprocessing itself waits for it
        return process.pid

    util.spawnv_passfds = started
    try:
        yield
    finally:
        util.spawnv_passfds = usual


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back; a process started meanwhile never sees it.

    The fork server ignores it only once its imports, which take a second, are done.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def early(given: Mapping[str, str]) -> dict[str, str]:
    """Give what a kernel's environment has from its start on.

    One thread for each linear-algebra library and a fixed hash seed: the same figures
    whatever else runs beside, and no more threads than ``jobs``.
    """
    package = Path(__file__).resolve().parents[3]
    beside = "" if "site-packages" in package.parts else str(package)
    return {
        **{name: given.get(name, "1") for name in _THREADS},
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": joined(beside, given.get("PYTHONPATH", "")),
    }


def joined(*paths: str) -> str:
    """Join the paths that are not empty."""
    return os.pathsep.join(p for p in paths if p)
