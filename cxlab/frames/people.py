"""The customers, numbered, and the groups that their attributes make."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from cxlab.data.dataset import Dataset
from cxlab.frames.periods import EPOCH, days_since_epoch

__all__ = ["NOT_GIVEN", "People", "people"]

Frame = nw.LazyFrame[Any]
NOT_GIVEN = "(not given)"
"""The level of rows that do not say."""
_MOST_LEVELS, _MOST_NUMBERS = 30, 12


@dataclass(frozen=True)
class People:
    """The customers, numbered.

    Parameters
    ----------
    frame : LazyFrame
        ``customer_id, who, until`` (days: when the last spell ended or was last seen) and a
        column of levels, text, for each attribute that can be cut into groups.
    attributes : dict
        Attribute -> its column.
    left_out : dict
        Attribute -> why it is not cut into groups.
    cells : int
        How many groups all attributes together may make.
    """

    frame: Frame
    attributes: dict[str, str]
    left_out: dict[str, str]
    cells: int = 1


def people(dataset: Dataset) -> People | None:
    """Number the customers and give the groups that their attributes make; None without ids.

    A customer who came back has the attributes of the last spell. Texts of up to 30 values and
    numbers of up to 12 make groups.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    """
    if "customer_id" not in dataset.columns("customers"):
        return None
    customers = dataset.table("customers")
    there = dataset.columns("customers")
    kinds = dataset.attributes
    counts: dict[str, int] = {}
    if kinds:
        told = customers.select(*[nw.col(a).n_unique() for a in kinds]).collect(backend="pyarrow")
        counts = {a: int(told[a][0]) for a in kinds}
    left_out = {}
    for name, kind in kinds.items():
        most = _MOST_NUMBERS if kind == "number" else _MOST_LEVELS
        if counts[name] > most:
            what = "numbers" if kind == "number" else "values"
            left_out[name] = f"{counts[name]:,} different {what}, more than {most}"
        elif counts[name] < 2:
            left_out[name] = "one value"
    kept = {a: f"level {a}" for a in kinds if a not in left_out}
    end = (dataset.end - EPOCH) / dt.timedelta(days=1)

    def numbered() -> Frame:
        ends = [c for c in ("cancelled_at", "ended_at") if c in (*there, "ended_at")]
        frame, until = customers, nw.lit(end)
        if dataset.form != "snapshot":
            newest = nw.col("started_at").max().over("customer_id")
            frame = frame.filter(nw.col("started_at") == newest)
            over = [days_since_epoch(nw.col(c)) for c in ends]
            until = nw.coalesce(*over, until)
        frame = frame.filter(~nw.col("customer_id").is_null())
        levels = [
            nw.col(a).cast(nw.String).fill_null(NOT_GIVEN).alias(column)
            for a, column in kept.items()
        ]
        # At once: an attribute may be called as a column made here.
        frame = frame.select("customer_id", *levels, until=until)
        frame = frame.with_row_index("who", order_by="customer_id")
        return frame.with_columns(nw.col("who").cast(nw.Int32))

    cells = math.prod(counts[a] for a in kept)
    return People(dataset.keep("people", numbered), kept, left_out, cells)
