"""One ``cxlab drivers`` in this process, its time and memory by step, told as JSON.

The steps are functions of cxlab, wrapped from outside: a step's time is what passes in them and
in nothing that another step's function does. Only the main thread is followed; what it waits for
is its time too. Called by :mod:`scale` as a process of its own.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from _scale_run import write_json

# Step -> the functions whose time is its. One that is no longer there is an error.
STEPS = {
    "load and check": ("cxlab.data.dataset:load",),
    "spells": ("cxlab.frames.periods:risk_set",),
    "base rows": ("cxlab.frames.sampling:draw",),
    "contacts": ("cxlab.frames.exposures:contacts", "cxlab.frames.exposures:Contacts.kept"),
    "exposures": ("cxlab.frames.exposures:measure",),
    "adjustment": (
        "cxlab.frames.adjustment:adjustment",
        "cxlab.frames.adjustment:activity",
        "cxlab.frames.adjustment:proneness",
    ),
    "fits": (
        "cxlab.models.contrast:follows_decision",
        "cxlab.models.contrast:fit_contrasts",
        "cxlab.models.contrast:split_by_age",
        "cxlab.models.half_life:profile_half_life",
        "cxlab.models.half_life:own_half_lives",
        "cxlab.models.sensitivity:moderated",
        "cxlab.models.hazard:fit_hazard",
    ),
    "counts": (
        "cxlab.frames.exposures:contact_counts",
        "cxlab.analyses.churn_drivers.figures:attributed",
    ),
}
REST = "the rest"
_FIT = "cxlab.models.hazard:fit_hazard"
_EVERY = 0.02  # seconds between two looks at the memory


class Steps:
    """Clock and memory by step.

    Attributes
    ----------
    seconds : dict
        Step -> seconds of the main thread.
    peak : dict
        Step -> most memory held while it ran, in bytes.
    longest_fit : dict
        Of the longest single fit: ``seconds``, ``rows``, ``columns``.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.peak: defaultdict[str, int] = defaultdict(int)
        self.longest_fit: dict[str, float] = {"seconds": 0.0, "rows": 0, "columns": 0}
        self._open = [REST]
        self._since = time.perf_counter()
        self._main = threading.get_ident()

    def _turn(self) -> None:
        """Book the time since the last turn on the step that is open."""
        now = time.perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def wrap(self, step: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function that does the same and is booked on the step."""

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._main:
                return function(*args, **kwargs)
            self._turn()
            self._open.append(step)
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                if name == _FIT:
                    self._fitted(time.perf_counter() - started, args[0])
                self._turn()
                self._open.pop()

        return timed

    def _fitted(self, seconds: float, x: Any) -> None:
        if seconds > self.longest_fit["seconds"]:
            shape = dict(zip(("rows", "columns"), getattr(x, "shape", (0, 0)), strict=True))
            self.longest_fit = {"seconds": seconds, **shape}

    def watch(self) -> None:
        """Look at the memory from time to time, until the process ends."""
        process = psutil.Process()
        while True:
            step = self._open[-1]
            self.peak[step] = max(self.peak[step], process.memory_info().rss)
            time.sleep(_EVERY)

    def told(self) -> dict[str, Any]:
        """Give everything as plain numbers; the peak of all is the system's own count."""
        self._turn()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 if sys.platform == "darwin" else 1024
        return {
            "seconds": dict(self.seconds),
            "peak": dict(self.peak),
            "most": max([own * unit, *self.peak.values()]),
            "longest_fit": self.longest_fit,
        }


def resolve(name: str) -> Callable[..., Any]:
    """Give a function or method by its full name.

    Parameters
    ----------
    name : str
        Such as ``"cxlab.data.dataset:load"``.

    Raises
    ------
    LookupError
        It is not there under that name.
    """
    try:
        found: Callable[..., Any] = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"STEPS names {name}, which is not there") from error
    return found


def follow(steps: Steps) -> None:
    """Put the wrapped functions wherever cxlab's modules and classes hold them.

    Parameters
    ----------
    steps : Steps
        What they are booked on.
    """
    wrapped, owners = {}, []
    for step, names in STEPS.items():
        for name in names:
            original = resolve(name)
            wrapped[id(original)] = steps.wrap(step, name, original)
            module, _, path = name.partition(":")
            if "." in path:
                owners.append(resolve(f"{module}:{path.rpartition('.')[0]}"))
    modules = [m for n, m in sys.modules.items() if n.partition(".")[0] == "cxlab"]
    for owner in (*modules, *owners):
        for key, value in list(vars(owner).items()):
            if id(value) in wrapped:
                setattr(owner, key, wrapped[id(value)])


def main() -> None:
    """Run ``cxlab`` with the words after the file's name; write the file."""
    steps = Steps()
    importlib.import_module("cxlab.analyses.churn_drivers")
    importlib.import_module("cxlab.report.findings")
    from cxlab.cli import main as cxlab

    follow(steps)
    threading.Thread(target=steps.watch, daemon=True).start()
    try:
        cxlab(sys.argv[2:])
    finally:
        write_json(Path(sys.argv[1]), steps.told())


if __name__ == "__main__":
    main()
