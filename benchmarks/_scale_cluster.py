"""A standalone cluster of Spark on this machine: a master, and workers that are processes too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_UP = 60.0  # seconds in which the master must answer


@dataclass
class Cluster:
    """A master and its workers.

    Attributes
    ----------
    address : str
        Of the master, such as ``spark://127.0.0.1:7077``.
    master : Popen
        The master.
    workers : list of Popen
        The workers; each starts its executors.
    """

    address: str
    master: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def pids(self) -> list[int]:
        """The process ids of all."""
        return [p.pid for p in (self.master, *self.workers)]


def free_port() -> int:
    """Give a port of loopback that nobody has."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started, as when a machine goes."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@contextmanager
def cluster(
    folder: Path, workers: int = 2, cores: int = 1, memory: str = "1g"
) -> Iterator[Cluster]:
    """Start a cluster on loopback, and kill it at the end.

    Parameters
    ----------
    folder : Path
        For logs and what workers write.
    workers, cores : int
        How many workers, and cores of each.
    memory : str
        Of each worker, such as ``"1g"``.
    """
    port = free_port()
    address = f"spark://127.0.0.1:{port}"
    found = Cluster(address, _daemon("master.Master", folder, "--port", port))
    try:
        _wait(port)
        for i in range(workers):
            words = ("--cores", cores, "--memory", memory, "--work-dir", folder / f"work{i}")
            found.workers.append(_daemon("worker.Worker", folder, *words, address))
        yield found
    finally:
        for process in (found.master, *found.workers):
            kill(process)


def _daemon(kind: str, folder: Path, *words: object) -> subprocess.Popen[bytes]:
    import pyspark

    home = Path(pyspark.__file__).parent
    call = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{kind}"]
    call += ["--host", "127.0.0.1", "--webui-port", str(free_port()), *words]
    with (folder / f"{kind}.log").open("ab") as log:
        return subprocess.Popen(
            [str(word) for word in call], stdout=log, stderr=log, start_new_session=True,
            env=os.environ | {"SPARK_HOME": str(home)},
        )  # fmt: skip


def _wait(port: int) -> None:
    until = time.monotonic() + _UP
    while time.monotonic() < until:
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit(f"the master does not answer on port {port}")
