"""What a run did, a line of JSON a step: in the run's folder, and where the operator wants it."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Literal, Self

__all__ = ["LOG", "Log", "Step"]

LOG = "log.jsonl"
"""The log's name in a run's folder."""
# Letters of an error: a line is short enough to be written whole to a pipe as well.
_LONGEST = 600

Step = Literal["started", "notebook", "gate", "notified", "published", "ended"]
"""What is told: ``ended``, of a run that never began as well; after it only ``notified`` comes."""


class Log:
    """Tells each step of a run as it happens; a context manager.

    A line is written with one call, so that two runs may share a file. Where it cannot be
    written that is told once on stderr, and the run goes on.

    Parameters
    ----------
    spec : pathlib.Path
        The report's spec.
    also : str or pathlib.Path, optional
        A file to add the lines to; ``-`` for stderr.
    where : str
        The segment that the run is of; empty: all.
    """

    def __init__(self, spec: Path, also: str | Path | None = None, where: str = "") -> None:
        self._spec = str(spec)
        self._where = {"where": where} if where else {}
        self._run_id: str | None = None
        self._started = dt.datetime.now(dt.UTC)
        self._places: dict[str, int | None] = {}
        self._over = False
        self._within = 0
        if also is not None:
            self._open(str(also))

    def __enter__(self) -> Self:
        self._within += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        """Tell how a run ended that was not published, and close the files."""
        if error is not None and not self._over:
            self.ended("failed", _worded(error))
        self._within -= 1
        if not self._within:  # a run's own block is within that of the command
            for place in list(self._places):
                self._close(place)

    def begin(self, run_id: str, folder: Path) -> None:
        """Tell that a run has started.

        Parameters
        ----------
        run_id : str
            The run.
        folder : pathlib.Path
            Its folder; it may be renamed later.
        """
        self._run_id = run_id
        self._open(str(folder / LOG))
        self.step("started")

    def ended(self, status: str, error: str | None = None) -> None:
        """Tell how the run ended, and after how long.

        Parameters
        ----------
        status : str
            ``ok``, ``failed``, or ``not publishable``.
        error : str, optional
            Why it is not a good run.
        """
        self._over = True
        seconds = (dt.datetime.now(dt.UTC) - self._started).total_seconds()
        self.step("ended", status=status, seconds=seconds, error=error or None)

    def step(
        self,
        step: Step,
        *,
        notebook: str | None = None,
        gate: str | None = None,
        status: str | None = None,
        seconds: float | None = None,
        attempt: int | None = None,
        error: str | None = None,
    ) -> None:
        """Write a line.

        Parameters
        ----------
        step : str
            What happened.
        notebook, gate : str, optional
            To what.
        status : str, optional
            How it ended.
        seconds : float, optional
            How long it took.
        attempt : int, optional
            Which attempt it was.
        error : str, optional
            What went wrong, in a line.
        """
        told = {
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "run_id": self._run_id,
            "spec": self._spec,
            **self._where,
            "step": step,
            "notebook": notebook,
            "gate": gate,
            "status": status,
            "seconds": None if seconds is None else round(seconds, 3),
            "attempt": attempt,
            "error": error and error[:_LONGEST],
        }
        line = (json.dumps(told, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        for place in list(self._places):
            self._write(place, line)

    def _open(self, place: str) -> None:
        """Open a file to add to; the descriptor follows a folder that is renamed."""
        self._places[place] = None
        if place == "-":
            return
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._places[place] = os.open(place, flags, 0o666)
        except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
            self._give_up(place, error)

    def _write(self, place: str, line: bytes) -> None:
        descriptor = self._places[place]
        try:
            if descriptor is None:
                _to_stderr(line)
            elif (written := os.write(descriptor, line)) < len(line):
                os.write(descriptor, b"\n")  # what comes next is a line of its own
                raise OSError(0, f"{written} of {len(line)} bytes were taken")
        except (OSError, ValueError) as error:  # a stream that was closed is a ValueError
            self._give_up(place, error)

    def _give_up(self, place: str, error: OSError | ValueError) -> None:
        """Write there no more; say so once."""
        self._close(place)
        why = (error.strerror if isinstance(error, OSError) else "") or str(error)
        try:
            _to_stderr(f"cxlab: {place}: the log cannot be written ({why})\n".encode())
        except (OSError, ValueError):
            return  # nobody is left to tell

    def _close(self, place: str) -> None:
        descriptor = self._places.pop(place, None)
        if descriptor is not None:
            os.close(descriptor)


def _to_stderr(line: bytes) -> None:
    """Write to stderr, if there is any: descriptor 2 may be another file where it was closed."""
    if sys.stderr is not None:
        sys.stderr.write(line.decode())
        sys.stderr.flush()


def _worded(error: BaseException) -> str:
    """Say in a line what ended a run."""
    number = getattr(error, "number", None)
    if number is not None:
        return f"ended by {signal.Signals(number).name}"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return " ".join(str(error).split()) or type(error).__name__
