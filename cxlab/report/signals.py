"""End cleanly when asked to: Ctrl-C, SIGTERM and SIGHUP."""

from __future__ import annotations

import contextlib
import signal
import threading
import types
from collections.abc import Iterator

__all__ = ["ended_by_signal", "signals_held"]


class _Ended(BaseException):
    """A signal asked this process to end."""


@contextlib.contextmanager
def ended_by_signal() -> Iterator[None]:
    """Let SIGTERM and SIGHUP clean up as Ctrl-C does, then take their usual effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []

    def end(number: int, frame: types.FrameType | None) -> None:
        caught.append(number)
        raise _Ended

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.getsignal(n) for n in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:  # nohup stays nohup
            signal.signal(number, end)
    try:
        yield
    except _Ended:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])
        raise KeyboardInterrupt  # the handler before ours let the process live


@contextlib.contextmanager
def signals_held() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM for the moment that cleaning up takes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {n: signal.signal(n, signal.SIG_IGN) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
