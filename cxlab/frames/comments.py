"""What customers wrote: comments of surveys and texts of contacts, as they were written.

Words are brought into memory, of at most so many comments; which ones hangs on a hash of the
customer and the moment, so that a larger file gives the same ones again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import PRIME, hashed, with_key
from cxlab.frames.periods import days_since_epoch

__all__ = ["MOST", "Comments", "comments"]

Frame = nw.LazyFrame[Any]
MOST = 100_000
"""So many comments are read at most, about."""
_MOST_NAMES = 200_000
_NAMED = re.compile(
    r"(^|_)(first|last|full|given|family|sur)?_?name$|^(vor|nach)name$", re.IGNORECASE
)
_COLUMNS = ("customer_id", "at", "source", "score", "touchpoint", "text")


@dataclass(frozen=True)
class Comments:
    """Comments in memory, in the order of time.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a comment: ``who`` (a number of the customer; a comment without one is its own),
        ``customer_id`` (None: not known), ``at`` (days: when it was known; NaN: not dated),
        ``source`` (the metric it was given with, or ``contacts``), ``score`` (NaN without),
        ``touchpoint`` (None without) and ``text``, neither cleaned nor masked.
    counts : dict
        What was left out or lacks something, in words -> rows.
    names : tuple of str
        Of those who wrote, where the customers have any: to be masked.
    total : int
        Comments there are; more than rows where a sample was read.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    names: tuple[str, ...]
    total: int


def comments(dataset: Dataset, most: int = MOST) -> Comments | str:
    """Read what customers wrote, or say in words why there is nothing.

    A comment counts from the moment it was given, a contact's text from the contact on. The
    touchpoint is the comment's own, else that of the contact it is linked to. The same words of
    one customer at one moment count once.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    most : int
        Comments read, about.
    """
    parts = [p for p in (_feedback(dataset), _contacts(dataset)) if p is not None]
    if not parts:
        return "the dataset has neither comments in feedback nor text in interactions"
    frame = nw.concat(parts, how="vertical")
    total = int(frame.select(nw.len()).collect(backend="pyarrow").item())
    if not total:
        return "nobody has written anything"
    if total > most:
        frame = _drawn(frame, most / total)
    table: pd.DataFrame = frame.collect(backend="pandas").to_native()
    order = ["at", "customer_id", "source", "touchpoint", "text"]
    table = table.sort_values(order, ignore_index=True, na_position="first")
    same = table.duplicated(["customer_id", "at", "text"]) & table["customer_id"].notna()
    table = table[~same].reset_index(drop=True)
    return _numbered(dataset, table, total, int(same.sum()))


def _feedback(dataset: Dataset) -> Frame | None:
    there = dataset.columns("feedback")
    if "comment" not in there:
        return None
    frame = dataset.table("feedback").filter(~nw.col("comment").is_null())
    times = [days_since_epoch(nw.col(c)) for c in ("responded_at", "asked_at") if c in there]
    frame = frame.with_columns(
        at=nw.coalesce(*times) if times else _never(nw.Float64),
        source=nw.col("metric"),
        text=nw.col("comment"),
        score=nw.col("score").cast(nw.Float64) if "score" in there else _never(nw.Float64),
        customer_id=nw.col("customer_id") if "customer_id" in there else _never(nw.String),
        touchpoint=nw.col("touchpoint") if "touchpoint" in there else _never(nw.String),
    )
    if {"interaction_id"} <= set(there) & set(dataset.columns("interactions")):
        met = dataset.table("interactions").filter(~nw.col("interaction_id").is_null())
        met = met.select("interaction_id", cx_met=nw.col("touchpoint"))
        frame = frame.join(met, on="interaction_id", how="left")
        frame = frame.with_columns(touchpoint=nw.coalesce("touchpoint", "cx_met"))
    return frame.select(*_COLUMNS)


def _never(kind: Any) -> nw.Expr:
    return nw.lit(None, dtype=kind)


def _contacts(dataset: Dataset) -> Frame | None:
    if "text" not in dataset.columns("interactions"):
        return None
    frame = dataset.table("interactions").filter(~nw.col("text").is_null())
    return frame.with_columns(
        at=days_since_epoch(nw.col("occurred_at")),
        source=nw.lit("contacts"),
        score=_never(nw.Float64),
    ).select(*_COLUMNS)


def _drawn(frame: Frame, share: float) -> Frame:
    """Draw a share of the comments."""
    frame = frame.with_columns(cx_whose=nw.coalesce("customer_id", "text"))
    frame = with_key(frame, "cx_whose")
    second = (nw.col("at") * 86_400).round().cast(nw.Int64).abs().fill_null(0) % PRIME
    frame = hashed(frame.with_columns(cx_second=second), "cx_second", 0)
    return frame.filter(nw.col("draw") < share * PRIME).select(*_COLUMNS)


def _numbered(dataset: Dataset, table: pd.DataFrame, total: int, same: int) -> Comments:
    """Number the customers."""
    known = table["customer_id"].notna().to_numpy()
    who = np.full(len(table), -1)
    who[known] = pd.factorize(table.loc[known, "customer_id"])[0]
    # Who is not known is nobody else either.
    who[~known] = who.max(initial=-1) + 1 + np.arange(int((~known).sum()))
    counts = {"said twice at once": same, "without a customer": int((~known).sum())}
    table = table.assign(
        who=who,
        at=table["at"].astype(float),
        score=table["score"].astype(float),
        customer_id=table["customer_id"].astype(object).where(known, None),
    )
    return Comments(table, counts, tuple(_names(dataset, table)), total)


def _names(dataset: Dataset, table: pd.DataFrame) -> list[str]:
    """Give the names of those who wrote, where the customers have any."""
    there = {*dataset.columns("customers"), *dataset.attributes}
    columns = sorted(c for c in there if _NAMED.search(c))
    if not columns or "customer_id" not in dataset.columns("customers"):
        return []
    wrote = pd.DataFrame({"customer_id": table["customer_id"].dropna().unique()})
    if wrote.empty:
        return []
    frame = dataset.table("customers").select("customer_id", *columns)
    frame = frame.join(dataset.attach(wrote), on="customer_id", how="inner")
    found: pd.DataFrame = frame.select(*columns).collect(backend="pandas").to_native()
    every = pd.unique(found.to_numpy(dtype=object).ravel())
    return sorted(str(n) for n in every if isinstance(n, str) and n.strip())[:_MOST_NAMES]
