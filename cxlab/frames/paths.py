"""How journeys that began in a stretch of time began: their first touchpoints, by customer.

As :mod:`cxlab.frames.journeys` cuts them, but of some customers and some time alone, so that not
all contacts have to be put in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from cxlab.frames.exposures import contacts
from cxlab.frames.periods import RiskSet

__all__ = ["Begun", "begun"]

Frame = nw.LazyFrame[Any]
_LINE = ("spell", "own")


@dataclass(frozen=True)
class Begun:
    """Journeys by how they began.

    Parameters
    ----------
    table : pandas.DataFrame
        ``spell, path`` (its number; 0: one of those that are less common) and ``n`` (journeys).
    names : dict
        Path -> its touchpoints, the commonest path first.
    """

    table: pd.DataFrame
    names: dict[int, tuple[str, ...]]


def begun(
    risk: RiskSet, people: pd.DataFrame, start: float, end: float, *, idle_days: float = 7.0,
    steps: int = 3, most: int = 12,
) -> Begun:  # fmt: skip
    """Count the journeys that began in a stretch of time, by customer and first touchpoints.

    A contact with a ``journey_id`` is a step of that journey of its customer; a customer's other
    contacts are cut where a gap is longer than ``idle_days``.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    people : pandas.DataFrame
        ``spell, customer_id`` of those wanted, and ``until`` (days), to which they are followed.
    start, end : float
        The stretch, in days; what follows its end, or a customer's own, is not seen.
    idle_days : float
        After a longer gap a new journey begins.
    steps : int
        So many first touchpoints make the path.
    most : int
        So many of the commonest paths are named.
    """
    dataset = risk.dataset
    there = dataset.columns("interactions")
    known = contacts(dataset, keep=[c for c in ("journey_id",) if c in there])
    own = nw.col("journey_id").cast(nw.String) if "journey_id" in there else nw.lit("")
    wanted = dataset.attach(people[["spell", "customer_id", "until"]])
    frame = known.placed(dataset).join(wanted, on="customer_id", how="inner")
    frame = frame.filter((nw.col("at") < nw.col("until")) & (nw.col("at") < end))
    frame = frame.with_columns(own=own.fill_null(""))
    numbered = _begun(_steps(frame, start, idle_days), frame, start)
    base = known.count + 1
    place = nw.col("touchpoint").cast(nw.Int64) + 1
    code = nw.sum_horizontal(
        nw.when(nw.col("step") == s + 1).then(place * base**s).otherwise(nw.lit(0))
        for s in range(steps)
    )
    made = numbered.filter(nw.col("step") <= steps).with_columns(code=code)
    made = made.group_by("spell", "own", "first").agg(path=nw.col("code").sum().cast(nw.Int64))
    often = made.group_by("path").agg(n=nw.len()).sort("n", "path", descending=[True, False])
    top = often.head(most).collect(backend="pandas").to_native()["path"].tolist()
    shown = nw.when(nw.col("path").is_in(top)).then(nw.col("path")).otherwise(nw.lit(0))
    each = made.with_columns(path=shown) if top else made
    each = each.group_by("spell", "path").agg(n=nw.len()).sort("spell", "path")
    names = {p: _named(p, base, steps, known.touchpoints) for p in top}
    return Begun(each.collect(backend="pandas").to_native(), names)


def _steps(frame: Frame, start: float, idle_days: float) -> Frame:
    """Number the steps of journeys: ``first`` names the journey in its line."""
    # A gap that ends at the start of the stretch is seen whole.
    frame = frame.filter(nw.col("at") >= start - idle_days).with_columns(one=nw.lit(1))
    by = ["at", "touchpoint"]
    frame = frame.with_columns(
        n=nw.col("one").cum_sum().over(*_LINE, order_by=by),
        gap=nw.col("at") - nw.col("at").shift(1).over(*_LINE, order_by=by),
    )
    begins = nw.col("gap").is_null() | ((nw.col("own") == "") & (nw.col("gap") > idle_days))
    frame = frame.with_columns(begins=nw.when(begins).then(nw.col("n")).otherwise(nw.lit(0)))
    frame = frame.with_columns(first=nw.col("begins").cum_max().over(*_LINE, order_by="n"))
    return frame.with_columns(step=nw.col("n") - nw.col("first") + 1)


def _begun(numbered: Frame, frame: Frame, start: float) -> Frame:
    """Keep the journeys that began in the stretch."""
    opened = numbered.filter((nw.col("step") == 1) & (nw.col("at") >= start))
    kept = numbered.join(opened.select(*_LINE, "first"), on=[*_LINE, "first"], how="inner")
    # One that the data name may have begun long before the days looked at.
    before = frame.filter((nw.col("own") != "") & (nw.col("at") < start)).select(*_LINE).unique()
    return kept.join(before, on=list(_LINE), how="anti")


def _named(path: int, base: int, steps: int, touchpoints: tuple[str, ...]) -> tuple[str, ...]:
    met = [path // base**s % base for s in range(steps)]
    return tuple(touchpoints[k - 1] for k in met if k)
