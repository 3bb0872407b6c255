"""The two sides of a comparison: two groups of customers, or two periods."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, one_of
from cxlab.frames.engine import how_many
from cxlab.frames.periods import EPOCH, days_since_epoch
from cxlab.results import listed

__all__ = ["Sides", "read_sides"]

Frame = nw.LazyFrame[Any]

_HOW = (
    "allowed: two values of one attribute, such as 'plan=basic vs plan=pro', or two periods, such "
    "as '2026-01..2026-03 vs 2026-04..2026-06'"
)
_MONTH, _DAY = re.compile(r"(\d{4})-(\d{2})"), re.compile(r"(\d{4})-(\d{2})-(\d{2})")


@dataclass(frozen=True)
class Sides:
    """Two sides: a (0) and b (1).

    Parameters
    ----------
    names : tuple of str
        What each is called.
    attribute : str
        The customers' attribute that tells them apart; empty: the time does.
    values : tuple of str
        Its values.
    periods : tuple of (float, float)
        In days, the end not included; empty for groups of customers.
    members : LazyFrame, optional
        ``who, side`` of groups of customers.
    """

    names: tuple[str, str]
    attribute: str = ""
    values: tuple[str, ...] = ()
    periods: tuple[tuple[float, float], ...] = ()
    members: Frame | None = None

    def of(self, frame: Frame, when: str) -> Frame:
        """Keep the rows of the two sides, and add ``side``.

        Parameters
        ----------
        frame : LazyFrame
            With ``who``.
        when : str
            The column that dates it, in days.
        """
        if self.members is not None:
            return frame.join(self.members, on="who", how="inner")
        a, b = ((nw.col(when) >= low) & (nw.col(when) < high) for low, high in self.periods)
        side = nw.when(b).then(nw.lit(1)).otherwise(nw.lit(0))
        return frame.filter(a | b).with_columns(side=side)

    def at_risk(self, frame: Frame, side: int) -> Frame:
        """Give the time at risk on one side.

        Parameters
        ----------
        frame : LazyFrame
            ``who, began, until, left_at`` (days).
        side : int
            0 or 1.
        """
        if self.members is not None:
            mine = self.members.filter(nw.col("side") == side).select("who")
            return frame.join(mine, on="who", how="inner")
        low, high = self.periods[side]
        within = (nw.col("left_at") >= low) & (nw.col("left_at") < high)
        frame = frame.with_columns(
            began=nw.max_horizontal(nw.col("began"), nw.lit(low)),
            until=nw.min_horizontal(nw.col("until"), nw.lit(high)),
            left_at=nw.when(within).then(nw.col("left_at")),
        )
        return frame.filter(nw.col("until") > nw.col("began"))


def read_sides(text: str, dataset: Dataset, people: Frame) -> Sides | None:
    """Read a comparison; an empty text is none.

    Parameters
    ----------
    text : str
        Such as ``plan=basic vs plan=pro`` or ``2026-01..2026-03 vs 2026-04..2026-06``.
    dataset : Dataset
        Whose customers and days they are.
    people : LazyFrame
        ``customer_id, who``.

    Raises
    ------
    UsageError
        It cannot be read, there is no such attribute or value, or the periods overlap, lie
        outside the data or hold no contact.
    """
    if not text.strip():
        return None
    parts = [p.strip() for p in re.split(r"\s+vs\.?\s+", text.strip())]
    if len(parts) != 2 or not all(parts):
        raise UsageError(f"compare is {text!r}; {_HOW}")
    if all(".." in p and "=" not in p for p in parts):
        return _periods(text, parts, dataset)
    if all("=" in p for p in parts):
        return _groups(text, parts, dataset, people)
    raise UsageError(f"compare is {text!r}; {_HOW}")


def _groups(text: str, parts: list[str], dataset: Dataset, people: Frame) -> Sides:
    (name, a), (other, b) = ((x.strip() for x in p.split("=", 1)) for p in parts)
    if "customer_id" not in dataset.columns("customers"):
        raise UsageError(f"compare is {text!r}: table customers has no customer_id")
    if name not in dataset.attributes:
        raise UsageError(one_of("compare", name, dataset.attributes or ["none: no attributes"]))
    if name != other or a == b:
        raise UsageError(f"compare is {text!r}: two different values of one attribute; {_HOW}")
    value = nw.col(name)
    if dataset.attributes[name] == "number":
        numbers = [_number(text, v) for v in (a, b)]
        is_a, is_b = (value == n for n in numbers)
    else:
        is_a, is_b = ((value.cast(nw.String) == v) for v in (a, b))
    frame = dataset.table("customers")
    by = "started_at" if "started_at" in dataset.columns("customers") else "tenure"
    # A customer who came back counts as what the newest spell says.
    newest = nw.col(by) == nw.col(by).max().over("customer_id")
    frame = frame.filter(newest).filter((is_a | is_b).fill_null(False))
    side = nw.when(is_b).then(nw.lit(1)).otherwise(nw.lit(0))
    members = frame.select("customer_id", side=side).unique("customer_id", keep="any")
    members = members.join(people, on="customer_id", how="inner").select("who", "side")
    kept = dataset.keep(f"journeys_sides_{_digest(name, a, b)}", lambda: members)
    there = kept.group_by("side").agg(n=nw.len()).collect(backend="pandas").to_native()
    for place, asked in enumerate((a, b)):
        if place not in set(there["side"]):
            raise UsageError(
                f"compare is {text!r}: no customer with contacts has {name}={asked}; allowed: "
                f"{_values(dataset, name)}"
            )
    return Sides((f"{name}={a}", f"{name}={b}"), name, (a, b), (), kept)


def _values(dataset: Dataset, name: str) -> str:
    values = dataset.table("customers").select(value=nw.col(name).cast(nw.String)).unique()
    met = values.collect(backend="pyarrow")["value"].to_list()
    return listed(sorted(v for v in met if v is not None), 12, "or")


def _digest(*told: str) -> str:
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:12]


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise UsageError(f"compare is {text!r}: {value!r} is no number") from error


def _periods(text: str, parts: list[str], dataset: Dataset) -> Sides:
    spans = []
    for part in parts:
        first, last = (x.strip() for x in part.split("..", 1))
        begin, end = _day(text, first, False), _day(text, last, True)
        if begin >= end:
            raise UsageError(f"compare is {text!r}: {part} ends before it begins")
        spans.append((begin, end))
    (a, b), (c, d) = spans
    if a < d and c < b:
        raise UsageError(f"compare is {text!r}: the periods overlap; allowed: two that do not")
    if max(b, d) > (dataset.end - EPOCH) / dt.timedelta(days=1):
        raise UsageError(f"compare is {text!r}; allowed: up to {dataset.as_of}, the last day seen")
    at = days_since_epoch(nw.col("occurred_at"))
    counts = {f"n{k}": how_many((at >= low) & (at < high))
              for k, (low, high) in enumerate(spans)}  # fmt: skip
    met = dataset.table("interactions").select(first=at.min(), **counts)
    first, *there = met.collect(backend="pyarrow").row(0)
    for part, contacts in zip(parts, there, strict=True):
        if not contacts:
            since = (EPOCH + dt.timedelta(days=first)).date()
            raise UsageError(
                f"compare is {text!r}: no contact falls in {part}; allowed: from {since} to "
                f"{dataset.as_of}"
            )
    return Sides((parts[0], parts[1]), periods=tuple(spans))


def _day(text: str, given: str, last: bool) -> float:
    """Read a day or a month; of a last one, give the instant after it."""
    try:
        if found := _MONTH.fullmatch(given):
            year, month = int(found[1]), int(found[2])
            day = dt.datetime(year, month, 1)
            if last:
                day = dt.datetime(year + month // 12, month % 12 + 1, 1)
        elif found := _DAY.fullmatch(given):
            day = dt.datetime(int(found[1]), int(found[2]), int(found[3]))
            day += dt.timedelta(days=int(last))
        else:
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise UsageError(f"compare is {text!r}: {given!r} is no month or day; {_HOW}") from error
    return (day - EPOCH) / dt.timedelta(days=1)
