"""Run something as a process of its own, with its time, its memory and limits on both."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# Seconds between two looks at the memory, and between two for children.
_EVERY, _LOOK = 0.02, 1.0


@dataclass(frozen=True)
class Ran:
    """How a process went.

    Attributes
    ----------
    seconds : float
        From its start to its end.
    peak : int
        The most memory held by it and its children together, in bytes.
    outcome : {"done", "out of time", "out of memory", "failed"}
        How it ended.
    said : str
        What it wrote last, where it failed.
    """

    seconds: float
    peak: int
    outcome: str
    said: str = ""


class Family:
    """A process and those it started.

    Parameters
    ----------
    pid : int
        Of the process.
    """

    def __init__(self, pid: int) -> None:
        self.members = [psutil.Process(pid)]
        self._looked = time.perf_counter()

    def held(self) -> int:
        """Give the memory they hold together, in bytes."""
        # To look for children takes far longer than to ask for memory.
        if time.perf_counter() - self._looked > _LOOK:
            self.members = [self.members[0], *self.children()]
            self._looked = time.perf_counter()
        held = 0
        for one in self.members:
            try:
                held += one.memory_info().rss
            except psutil.Error:  # it ended meanwhile
                continue
        return held

    def children(self) -> list[psutil.Process]:
        """Give the processes that this one started, and they."""
        try:
            found: list[psutil.Process] = self.members[0].children(recursive=True)
        except psutil.Error:
            return []
        return found

    def end(self) -> None:
        """End them all."""
        for one in (*self.children(), self.members[0]):
            try:
                one.kill()
            except psutil.Error:
                continue


def run(
    call: list[str],
    limit: float,
    memory: float = float("inf"),
    variables: Mapping[str, str] | None = None,
    beside: Sequence[int] = (),
) -> Ran:
    """Run a command to its end, or until it has taken too much.

    Parameters
    ----------
    call : list of str
        The command.
    limit : float
        Seconds it may take.
    memory : float
        Bytes it may hold.
    variables : mapping of str to str, optional
        Of its environment, besides ours.
    beside : sequence of int
        Processes that work for it; what they and their children hold counts.
    """
    with tempfile.TemporaryFile() as words:
        started = time.perf_counter()
        given = {"env": os.environ | variables} if variables else {}
        child = subprocess.Popen(call, stdout=words, stderr=subprocess.STDOUT, **given)
        family, others = Family(child.pid), [Family(pid) for pid in beside]
        peak, outcome = 0, "done"
        try:
            while child.poll() is None:
                peak = max(peak, family.held() + sum(one.held() for one in others))
                late = time.perf_counter() - started > limit
                if late or peak > memory:
                    outcome = "out of time" if late else "out of memory"
                    break
                time.sleep(_EVERY)
        finally:
            if child.poll() is None:
                family.end()
            child.wait()
        seconds = time.perf_counter() - started
        words.seek(0)
        said = words.read().decode("utf-8", "replace").strip()[-500:]
    if outcome == "done" and child.returncode:
        outcome = "failed"
    return Ran(seconds, peak, outcome, said if outcome == "failed" else "")


def write_json(file: Path, content: Any) -> None:
    """Write JSON by rename, so that who reads it finds it whole.

    Parameters
    ----------
    file : Path
        The file.
    content : object
        What it will hold.
    """
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(json.dumps(content), encoding="utf-8")
    aside.replace(file)
