"""Kernels that start warm: forked with their libraries loaded, where that is safe.

A notebook's process forks a spare before it does anything else, and the spare becomes the
kernel once papermill asks for one. Loading what every notebook needs takes longer than many of
their analyses; the fork server does it once for all.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import multiprocessing.process
import os
import signal
import subprocess
import sys
import threading
import traceback
from importlib.metadata import EntryPoint
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

__all__ = ["Warm", "keep_spare", "register"]

_NAME = "cxlab-warm"
# Read by libraries when they are loaded, or by Python when it starts.
_EARLY = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("MPLBACKEND", "PYTHONHASHSEED", "PYTHONPATH"),
)
_TO_END_SECONDS = 1


class _Spare(subprocess.Popen[bytes]):
    """A process that waits to become a kernel; to jupyter_client as one that was started."""

    def __init__(self) -> None:
        receive, self.ask = Pipe(duplex=False)
        self.stdin = self.stdout = self.stderr = None
        self.returncode = None
        self.args = [_NAME]
        # what subprocess.Popen's own methods lean on
        self._child_created = True
        self._waitpid_lock = threading.Lock()
        self.pid = os.fork()
        if self.pid == 0:
            self.ask.close()
            _become(receive)
        receive.close()


def _become(receive: Connection) -> None:
    """Wait for the call, then be the kernel until it ends; never return."""
    code = 1
    try:
        os.setpgid(0, 0)  # an interrupt is for the kernel and what it starts
        parent = os.getppid()
        argv, environment, folder = receive.recv()
        receive.close()
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.argv[:] = ["ipykernel_launcher", *argv]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # No daemon of multiprocessing's, which may not start any process of its own.
        multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
        multiprocessing.current_process().name = "MainProcess"
        multiprocessing.process._parent_process = None  # type: ignore[attr-defined]
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance([*argv, f"--IPKernelApp.parent_handle={parent}"])
        if control := IPKernelApp.instance().control_thread:
            # It is telling of its end: over a thread that would be gone, and it wait for seconds.
            control.join(_TO_END_SECONDS)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except EOFError:  # nobody needs it any more
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(code)


def _leave(code: int) -> None:
    """End as a program of its own does, not as a copy of the process that it was forked from."""
    try:
        gc.freeze()  # IPython lets go of what is there, and would have all of it gone over
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


_spare: list[_Spare] = []


def keep_spare(started_with: dict[str, str]) -> None:
    """Fork a spare now, while this process has one thread, if a kernel may be forked here.

    Parameters
    ----------
    started_with : dict of str to str
        The environment in which the libraries were loaded; a kernel that is to run in one that
        differs where it matters starts cold.
    """
    same = all(started_with.get(n) == os.environ.get(n) for n in _EARLY)
    # Elsewhere than on Linux, system libraries do not survive a fork.
    if sys.platform == "linux" and same and threading.active_count() == 1:
        _spare.append(_Spare())


class Warm(LocalProvisioner):
    """Starts the spare where there is one, else a kernel from nothing."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Launch the kernel.

        Parameters
        ----------
        cmd : list of str
            ``python -m ipykernel_launcher`` and its arguments.
        **kwargs
            As for ``subprocess.Popen``; the working folder and the environment count.
        """
        if not _spare:
            return await super().launch_kernel(cmd, **kwargs)
        spare, self.cwd = _spare.pop(), kwargs.get("cwd", Path.cwd())
        try:
            spare.ask.send((cmd[3:], dict(kwargs["env"]), str(self.cwd)))
        except OSError:  # it was killed
            spare.wait()
            return await super().launch_kernel(cmd, **kwargs)
        finally:
            spare.ask.close()
        self.process, self.pid, self.pgid = spare, spare.pid, spare.pid
        return self.connection_info


def register() -> None:
    """Make the provisioner known to jupyter_client in this process."""
    entry = EntryPoint(_NAME, f"{__name__}:Warm", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.instance().provisioners[_NAME] = entry
