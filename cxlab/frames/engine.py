"""Where engines differ, and numbers drawn by hashing that are the same on all of them."""

from __future__ import annotations

from typing import Any

import narwhals as nw

__all__ = ["PRIME", "hashed", "with_key"]

Frame = nw.LazyFrame[Any]

PRIME = 2**31 - 1
"""Hashes lie from 0 up to this prime; a product of two of them fits 64 bits."""
# As many rounds of x -> x**5 + constant as MiMC takes for so few bits of use (Albrecht et al.
# 2016); 5 divides PRIME - 1 not, so each round is a permutation.
_ROUNDS = 4
_STEP, _SHIFT = 1_103_515_245, 1 << 20


def with_key(frame: Frame, column: str) -> Frame:
    """Add ``key``, a number below :data:`PRIME` that hangs on a text alone.

    The first eight digits of its MD5 hash, which every engine has.

    Parameters
    ----------
    frame : LazyFrame
        The rows.
    column : str
        The text.
    """
    relation = nw.to_native(frame)
    number = f"CAST('0x' || md5(\"{column}\")[1:8] AS BIGINT) % {PRIME}"
    return nw.from_native(relation.project(f"*, {number} AS key"))


def hashed(frame: Frame, number: str, seed: int) -> Frame:
    """Add ``draw``, evenly spread from 0 up to :data:`PRIME`, by ``key`` and a whole number.

    Parameters
    ----------
    frame : LazyFrame
        With ``key``.
    number : str
        The column of the number, not below -2**20, such as a day.
    seed : int
        Another seed gives other draws.
    """
    start = nw.col("key") + (nw.col(number) + _SHIFT) * _STEP
    frame = frame.with_columns(draw=start % PRIME)
    for i in range(_ROUNDS):
        constant = (seed * 16_807 + (i + 1) * 69_621_337) % PRIME
        draw = nw.col("draw")
        square = draw * draw % PRIME
        # A step a round: all in one expression would read it 5**4 times.
        frame = frame.with_columns(draw=(square * square % PRIME * draw + constant) % PRIME)
    return frame
