"""A Spark session: how it is opened, what it is told, and who watches it.

Spark is told to read, count and compare as DuckDB does: times of the clock without a zone,
nothing guessed from the names of folders, an error where a number does not fit. Its own log
goes to a file that nobody sees but an error that needs its last line.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cxlab.data.spark.watch import Watch
from cxlab.errors import AnalysisError, DataError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["LOUD", "MASTER", "VARIABLE", "Master", "Opened", "chosen", "opened"]

VARIABLE = "CXLAB_SPARK_MASTER"
"""The environment variable that names the master; it comes before ``dataset.yml``."""
MASTER = "local[*]"
"""The master where nobody names one: this machine, all its cores."""
LOUD = "CXLAB_SPARK_LOG"
"""Set by ``--debug``: Spark's own log then goes to stderr."""
_LOCAL = re.compile(r"local(\[(\*|[1-9]\d*)(,[1-9]\d*)?\])?")
_STANDALONE = re.compile(r"spark://[\w.-]+:\d+(,[\w.-]+:\d+)*")
_OTHER = re.compile(r"yarn|k8s://\S+|local-cluster\[\d+,\d+,\d+\]")
_FORMS = "local[*], local[4], spark://HOST:PORT, yarn or k8s://…"
_KNOCK = 10.0
"""Seconds in which the port of a master must answer."""
# What the frames rely on: nobody's settings may change it.
_SEMANTICS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parquet.binaryAsString": "true",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
}
# What spark-defaults.conf may say otherwise.
_DEFAULTS = {
    "spark.app.name": "cxlab",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@dataclass(frozen=True)
class Master:
    """Where Spark's work is done, and who said so.

    Parameters
    ----------
    url : str
        Such as ``local[*]`` or ``spark://host:7077``.
    said_by : str
        For messages.
    """

    url: str
    said_by: str

    @property
    def local(self) -> bool:
        """Whether the work is done in one process of this machine."""
        return _LOCAL.fullmatch(self.url) is not None


def chosen(path: Path, declared: str | None) -> Master:
    """Choose the master: the environment's, else that of ``dataset.yml``, else this machine.

    Parameters
    ----------
    path : Path
        The dataset's folder.
    declared : str, optional
        What ``dataset.yml`` says.

    Raises
    ------
    DataError
        It is none.
    """
    if told := os.environ.get(VARIABLE):
        master = Master(told.strip(), f"the environment variable {VARIABLE}")
    elif declared:
        master = Master(declared, f"{path / 'dataset.yml'}: spark_master")
    else:
        return Master(MASTER, "the default master")
    if not any(form.fullmatch(master.url) for form in (_LOCAL, _STANDALONE, _OTHER)):
        raise DataError(f"{master.said_by} is {master.url!r}; allowed: {_FORMS}")
    return master


@dataclass
class Opened:
    """A session of this process, and who looks after it.

    Parameters
    ----------
    session : SparkSession
        The session.
    master : Master
        Where its work is done.
    watch : Watch or None
        Looks for workers; none is needed on this machine alone.
    """

    session: SparkSession
    master: Master
    watch: Watch | None
    _key: tuple[object, ...]


_here: list[Opened] = []
_log: list[IO[bytes]] = []


def opened(master: Master, memory_limit: str | None = None) -> Opened:
    """Give this process's session with a master; one with another master is ended first.

    Parameters
    ----------
    master : Master
        Where the work is to be done.
    memory_limit : str, optional
        Of the driver where the master is local, else of each executor, such as ``"4GB"``
        (default: what Spark's own settings say).

    Raises
    ------
    AnalysisError
        Spark or Java is not there, the master does not answer, or Spark does not start.
    """
    key = (os.getpid(), master.url, memory_limit)
    if _here and _here[0]._key == key and not _stopped(_here[0]):
        return _here[0]
    _refuse_absent()
    if _STANDALONE.fullmatch(master.url):
        _knock(master)
    close()
    session = _started(master, memory_limit)
    for name, value in _SEMANTICS.items():
        session.conf.set(name, value)
    watch = None if master.local else Watch(session.sparkContext, master.url)
    _here[:] = [Opened(session, master, watch, key)]
    return _here[0]


def close() -> None:
    """End this process's session, if there is one; frames made with it are of no use then."""
    for one in _here:
        if one.watch is not None:
            one.watch.end()
        if one._key[0] == os.getpid() and not _stopped(one):
            one.session.stop()
    _here.clear()


def _stopped(one: Opened) -> bool:
    context: Any = one.session.sparkContext
    return context._jsc is None or bool(context._jsc.sc().isStopped())


def _refuse_absent() -> None:
    """Refuse where the extra, or Java, is not there."""
    if importlib.util.find_spec("pyspark") is None:
        raise AnalysisError("engine spark needs the package pyspark: pip install 'cxlab[spark]'")
    home = os.environ.get("JAVA_HOME")
    if home and not (Path(home) / "bin" / "java").is_file():
        raise AnalysisError(
            f"engine spark needs Java 17 or later; JAVA_HOME is {home!r}, where there is none"
        )
    if not home and shutil.which("java") is None:
        raise AnalysisError(
            "engine spark needs Java 17 or later; there is no java on the PATH, and JAVA_HOME "
            "names none"
        )


def _knock(master: Master) -> None:
    """Refuse a master none of whose ports answers; Spark itself would try for minutes."""
    why = ""
    for place in master.url.removeprefix("spark://").split(","):
        host, _, port = place.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_KNOCK).close()
            return
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
    raise AnalysisError(
        f"engine spark: {master.url} does not answer ({why}); {master.said_by} names the master"
    )


def _started(master: Master, memory_limit: str | None) -> SparkSession:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    if master.local and (memory := _size(memory_limit)):
        # The driver's memory is that of its Java: it must be said before that starts.
        first = SparkConf(loadDefaults=False).set("spark.driver.memory", memory)
    else:
        first = None
    try:
        if SparkContext._gateway is None:
            gateway = launch_gateway(first, popen_kwargs=_streams())
            SparkContext._ensure_initialized(gateway=gateway)
        conf = SparkConf(_jvm=SparkContext._jvm).setMaster(master.url)
        _tell(conf, master, memory_limit)
        context = SparkContext(conf=conf)
        if not _loud():
            context.setLogLevel("OFF")
            for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
                PySparkLogger.getLogger(name).disabled = True  # Python's own, with whole plans
        return SparkSession(context)
    except PySparkException as error:
        raise AnalysisError(f"engine spark: Java does not start it ({_last_line()})") from error
    except Exception as error:  # py4j's errors share no class of their own with anything
        from cxlab.data.spark.wording import reason

        raise AnalysisError(
            f"engine spark: {master.url} does not take us ({reason(error)}); is its Spark of the "
            "version that is installed here?"
        ) from error


def _tell(conf: Any, master: Master, memory_limit: str | None) -> None:
    """Say what holds from the start."""
    for name, value in _DEFAULTS.items():
        conf.setIfMissing(name, value)
    if master.local:
        # As many as there are cores: the default of 200 takes longer than small work itself.
        found = re.search(r"\[(\d+|\*)", master.url)
        cores = os.cpu_count() or 1 if found and found[1] == "*" else int(found[1]) if found else 1
        conf.setIfMissing("spark.sql.shuffle.partitions", str(max(2 * cores, 2)))
        conf.setIfMissing("spark.driver.host", "127.0.0.1")
        conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1")
    elif memory := _size(memory_limit):
        conf.set("spark.executor.memory", memory)


def _size(memory_limit: str | None) -> str | None:
    """Write a size as Java takes it: whole megabytes."""
    if memory_limit is None:
        return None
    number, unit = re.fullmatch(r"([\d.]+) *([KMGT])i?B", memory_limit.strip(), re.I).groups()  # type: ignore[union-attr]
    return f"{max(int(float(number) * 1024 ** ('KMGT'.index(unit.upper()) - 1)), 1)}m"


def _loud() -> bool:
    return bool(os.environ.get(LOUD))


def _streams() -> dict[str, Any]:
    """Give where Java's own words go: to a file without a name, or with --debug to stderr."""
    if _loud():
        return {"stdout": 2}
    for ended in _log:  # of a Java before this one
        ended.close()
    _log[:] = [tempfile.TemporaryFile()]  # noqa: SIM115  as long as Java runs
    return {"stdout": _log[0], "stderr": _log[0]}


def _last_line() -> str:
    """Give the last that Java said."""
    if not _log:
        return "its log is above"
    _log[0].seek(0)
    lines = _log[0].read().decode(errors="replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "no reason given")
