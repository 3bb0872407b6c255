"""Contacts by touchpoint and day before the end."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.exposures import Contacts

__all__ = ["daily_contacts"]

Frame = nw.LazyFrame[Any]


def daily_contacts(
    dataset: Dataset, known: Contacts, followed: Frame, end: float, days: int
) -> dict[str, np.ndarray]:
    """Count the contacts of customers who were followed then, by touchpoint and day.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Contacts
        The contacts.
    followed : LazyFrame
        The customers that count: ``customer_id`` (or ``who``, as ``known`` has it) and ``until``.
    end : float
        Day 0 is the one that ends here.
    days : int
        How many days are counted.

    Returns
    -------
    dict of str to ndarray, shape (touchpoints, days)
        ``contact``, and ``bad`` and ``good`` where there are such classes; a contact is one of a
        class where that is known by ``end``.
    """
    frame = known.placed(dataset).join(
        followed.select(known.key, "until"), on=known.key, how="inner"
    )
    frame = frame.filter((nw.col("at") < nw.col("until")) & (nw.col("at") < end))
    frame = frame.with_columns(day=(nw.lit(end) - nw.col("at")).floor().cast(nw.Int64))
    kinds = [c for c in ("bad", "good") if c in known.classes]
    told = {k: how_many((nw.col(f"{k}_from") < end).fill_null(False)) for k in kinds}
    each = frame.filter(nw.col("day") < days).group_by("touchpoint", "day")
    table = each.agg(contact=nw.len(), **told).collect(backend="pandas").to_native()
    counts = {}
    for kind in ("contact", *kinds):
        counts[kind] = np.zeros((known.count, days))
        at = table["touchpoint"].to_numpy(int), table["day"].to_numpy(int)
        counts[kind][at] = table[kind].to_numpy(float)
    return counts
