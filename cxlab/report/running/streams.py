"""The streams of a process that a scheduler started without any."""

from __future__ import annotations

import os

__all__ = ["fill_in"]


def fill_in() -> None:
    """Open descriptors 0 to 2 where they are closed.

    The next file that is opened would get such a number: what a notebook's process prints,
    which goes to these numbers, would end in it, or cut the pipe by which it is told of.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(number, True)  # as what is started expects it
