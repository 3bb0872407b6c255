"""Looks whether anybody works: Spark itself waits without end for workers that do not come."""

from __future__ import annotations

import threading
import time
from typing import Any

__all__ = ["PATIENCE", "Watch"]

PATIENCE = 90.0
"""Seconds for which there is work and nobody to do it before the work is given up."""
_EVERY = 2.0


class Watch:
    """Ends the work of a cluster that has lost all its workers.

    Parameters
    ----------
    context : pyspark.SparkContext
        Whose work is looked at.
    master : str
        The cluster, for messages.
    """

    def __init__(self, context: Any, master: str) -> None:
        self._context = context
        self._master = master
        self._seen = False
        self._over = threading.Event()
        self.verdict = ""
        threading.Thread(target=self._look, name="cxlab-spark-watch", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._over.set()

    def _look(self) -> None:
        idle_since = time.monotonic()
        while not self._over.wait(_EVERY):
            try:
                waits = self._waits()
            except Exception:  # Java is gone: whoever waits for it is told so
                return
            if not waits:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > PATIENCE:
                self.verdict = (
                    f"engine spark: {self._master}: all workers are lost"
                    if self._seen
                    else f"engine spark: {self._master}: no worker takes the work"
                ) + f"; waited {PATIENCE:.0f} seconds for one"
                self._context.cancelAllJobs()
                idle_since = time.monotonic()

    def _waits(self) -> bool:
        """Tell whether there is work and nobody who does it."""
        tracker = self._context._jsc.sc().statusTracker()
        workers = len(tracker.getExecutorInfos()) - 1  # the driver is one of them
        self._seen = self._seen or workers > 0
        return workers < 1 and len(tracker.getActiveJobIds()) > 0
