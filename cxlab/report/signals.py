"""Ctrl-C, SIGTERM and SIGHUP: a run that is asked to end cleans up first."""

from __future__ import annotations

import contextlib
import signal
import threading
import types
from collections.abc import Iterator
from typing import Any

__all__ = ["Signals"]


class _Ended(BaseException):
    """A signal asked this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number


class Signals:
    """Lets Ctrl-C, SIGTERM and SIGHUP clean up, undisturbed by a second, then take effect."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._caught: list[int] = []
        self._held = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            self._before = {n: signal.getsignal(n) for n in numbers}
            for number, handler in self._before.items():
                if handler is not signal.SIG_IGN:  # nohup stays nohup
                    signal.signal(number, self._end)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._caught:
            signal.raise_signal(self._caught[0])
            raise KeyboardInterrupt  # the handler before ours let the process live

    def _end(self, number: int, frame: types.FrameType | None) -> None:
        for each in self._before:
            signal.signal(each, signal.SIG_IGN)
        self._caught.append(number)
        if not self._held:
            raise _Ended(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let what is a matter of a moment come to its end first."""
        self._held = True
        yield
        self._held = False
        if self._caught:
            raise _Ended(self._caught[0])
