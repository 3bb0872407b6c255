"""Where engines differ, and numbers drawn by hashing that are the same on all of them."""

from __future__ import annotations

import sys
from typing import Any

import narwhals as nw
import numpy as np

__all__ = ["PRIME", "arranged", "hashed", "how_many", "microseconds", "narrowed", "with_key"]

Frame = nw.LazyFrame[Any]

PRIME = 2**31 - 1
"""Hashes lie from 0 up to this prime; a product of two of them fits 64 bits."""
# As many rounds of x -> x**5 + constant as MiMC takes for so few bits of use (Albrecht et al.
# 2016); 5 divides PRIME - 1 not, so each round is a permutation.
_ROUNDS = 4
_STEP, _SHIFT = 1_103_515_245, 1 << 20


def _is_spark(frame: Frame) -> bool:
    return frame.implementation.is_pyspark()


def how_many(true: nw.Expr) -> nw.Expr:
    """Count the rows of which something is true; Spark adds up numbers alone.

    Parameters
    ----------
    true : Expr
        True, false or null, which does not count.
    """
    return true.cast(nw.Int64).sum()


def microseconds(duration: nw.Expr) -> nw.Expr:
    """Give a duration in whole microseconds.

    Parameters
    ----------
    duration : Expr
        A time less a time.
    """
    if "pyspark" in sys.modules:
        _teach_spark_durations()
    return duration.dt.total_microseconds()


def _teach_spark_durations() -> None:
    """Give narwhals the one step of ours that it does not know on Spark.

    Its classes are looked into here and nowhere else; once it knows the step itself, nothing
    is done, and a test says that this may go.
    """
    from narwhals._spark_like.expr_dt import SparkLikeExprDateTimeNamespace as Times

    if type(vars(Times)["total_microseconds"]).__name__ != "not_implemented":
        return

    def total_microseconds(self: Any) -> Any:
        functions = self.compliant._F
        epoch = functions.expr("TIMESTAMP_LTZ '1970-01-01 00:00:00Z'")
        return self.compliant._with_elementwise(lambda d: functions.unix_micros(epoch + d))

    Times.total_microseconds = total_microseconds  # type: ignore[assignment]


def narrowed(frame: Frame, column: str, low: Any, high: Any) -> Frame:
    """Leave out rows that a join will not meet, on engines that do not see that by themselves.

    Parameters
    ----------
    frame : LazyFrame
        The rows.
    column : str
        What they will be joined on.
    low, high : scalar
        The least and the greatest value that they will be joined with.
    """
    return (
        frame.filter(nw.col(column) >= low, nw.col(column) <= high) if _is_spark(frame) else frame
    )


def arranged(frame: Frame, cell: np.ndarray, age: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put pairs in the order in which they are to be summed: the oldest contact first.

    DuckDB gives them so; other engines in any order, and sums of floats hang on it.

    Parameters
    ----------
    frame : LazyFrame
        Which they come from.
    cell, age : ndarray, shape (pairs,)
        The pairs.
    """
    if not _is_spark(frame):
        return cell, age
    order = np.argsort(-age, kind="stable")
    return cell[order], age[order]


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
    if _is_spark(frame):
        hashed = f"conv(left(md5(`{column}`), 8), 16, 10)"
        return nw.from_native(
            relation.selectExpr("*", f"CAST({hashed} AS BIGINT) % {PRIME} AS key")
        )
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
    constants = [(seed * 16_807 + (i + 1) * 69_621_337) % PRIME for i in range(_ROUNDS)]
    if _is_spark(frame):
        return _hashed_by_spark(frame, number, constants)
    start = nw.col("key") + (nw.col(number) + _SHIFT) * _STEP
    frame = frame.with_columns(draw=start % PRIME)
    for constant in constants:
        draw = nw.col("draw")
        square = draw * draw % PRIME
        # A step a round: all in one expression would read it 5**4 times.
        frame = frame.with_columns(draw=(square * square % PRIME * draw + constant) % PRIME)
    return frame


def _hashed_by_spark(frame: Frame, number: str, constants: list[int]) -> Frame:
    """Do the same in Spark's SQL.

    Its optimiser would write every step out within the next wherever a filter asks for the
    draw, thousands of terms in all; what is folded over an array it leaves alone.
    """
    square = f"(x * x % {PRIME})"
    step = f"({square} * {square} % {PRIME} * x + c) % {PRIME}"
    start = f"(key + (`{number}` + {_SHIFT}) * {_STEP}L) % {PRIME}"
    listed = ", ".join(f"{c}L" for c in constants)
    drawn = f"aggregate(array({listed}), {start}, (x, c) -> {step}) AS draw"
    return nw.from_native(nw.to_native(frame).selectExpr("*", drawn))
