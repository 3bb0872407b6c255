"""Rows that experience metrics are counted from, and their sums by customer.

A metric is a ratio of two sums over rows: what is counted, and out of what. Rows are read and
coded once and kept by the engine. A level (a month, a touchpoint, a segment) comes back as the
sums of numerator and denominator over customers, and the sums of their squares and products:
all that the ratio and its variance, clustered by customer, need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.people import NOT_GIVEN, People
from cxlab.frames.spans import Spans

__all__ = [
    "Level",
    "Measure",
    "Rows",
    "cells",
    "levelled",
    "moments",
    "moments_by_people",
    "placed",
]

Frame = nw.LazyFrame[Any]
# Sums are kept apart by so many groups at most, and added up by attribute afterwards.
_MOST_CELLS = 5_000


@dataclass(frozen=True)
class Measure:
    """A metric that is a ratio of two sums over rows.

    Parameters
    ----------
    name : str
        Such as ``csat top box``.
    unit : str
        Of its values.
    bounds : tuple of float
        Between which its values lie; infinite where there is none.
    better : {"higher", "lower", ""}
        Which way is good; empty where neither is.
    rule : str
        How it is counted, in a sentence.
    num, den : narwhals.Expr
        Of a row; where ``den`` is 0 the row does not count, and ``num`` must be 0 as well.
    whole : bool
        Whether a touchpoint's or a channel's ratio is out of the denominator of all rows: of a
        rate, customers' time, which belongs to no touchpoint.
    """

    name: str
    unit: str
    bounds: tuple[float, float]
    better: str
    rule: str
    num: nw.Expr
    den: nw.Expr
    whole: bool = False


@dataclass(frozen=True)
class Rows:
    """Rows of one kind, and the metrics counted from them.

    Parameters
    ----------
    name : str
        Of the kind.
    frame : LazyFrame
        ``who`` (null: of nobody known), ``at`` (days), ``month``, maybe ``touchpoint`` and
        ``channel`` (places among the names; null: not given), and what the measures need.
    measures : tuple of Measure
        The metrics.
    levels : tuple of Level
        What the rows can be cut by.
    anonymous : int
        Rows of nobody known; each counts as a customer's of its own.
    spanned : bool
        Whether the frame has ``span`` already.
    """

    name: str
    frame: Frame
    measures: tuple[Measure, ...]
    levels: tuple[Level, ...] = ()
    anonymous: int = 0
    spanned: bool = False


@dataclass(frozen=True)
class Level:
    """What rows are cut by.

    Parameters
    ----------
    by : str
        Such as ``touchpoint``, or ``plan``.
    column : str
        Of the rows, or of the people.
    names : tuple of str
        Of the places that the column holds; empty where it holds names.
    personal : bool
        Whether the column is the people's.
    groups : tuple of int
        Place -> place of a group of places (a touchpoint's stage); empty: each its own.
    """

    by: str
    column: str
    names: tuple[str, ...] = ()
    personal: bool = False
    groups: tuple[int, ...] = field(default=())


def placed(rows: Rows, spans: Spans, span: int | None = None) -> Frame:
    """Give rows with their ``span``; those outside of all do not count.

    Parameters
    ----------
    rows : Rows
        The rows.
    spans : Spans
        The spans.
    span : int, optional
        One of them alone.
    """
    frame = rows.frame if rows.spanned else rows.frame.with_columns(span=spans.place)
    if span is not None:
        return frame.filter(nw.col("span") == span)
    return frame.filter((nw.col("span") >= 0) & (nw.col("span") < len(spans)))


def levelled(dataset: Dataset, frame: Frame, by: Level) -> Frame:
    """Add the ``level`` of each row, a place among the names: behind them all, not given.

    Parameters
    ----------
    dataset : Dataset
        Whose engine has the rows.
    frame : LazyFrame
        The rows.
    by : Level
        Of the rows; where places are grouped, the group's place is given.
    """
    column = by.column
    if by.groups:
        table = pd.DataFrame({column: np.arange(len(by.groups)), "level": by.groups})
        table = table.astype({column: "int16", "level": "int32"})
        frame, column = frame.join(dataset.attach(table), on=column, how="left"), "level"
    return frame.with_columns(level=nw.col(column).cast(nw.Int32).fill_null(len(by.names)))


def moments(
    dataset: Dataset,
    rows: Rows,
    spans: Spans,
    by: Level | None = None,
    *,
    compared: bool = False,
    total: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Sum numerators, denominators and their products over customers.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    rows : Rows
        The rows.
    spans : Spans
        Rows outside of all of them do not count.
    by : Level, optional
        What to cut by: of the last span alone, each level is held against all rows. Without,
        each span is a level.
    compared : bool
        Whether the last of two spans is held against the one before it; with levels, each level
        against itself.
    total : pandas.DataFrame, optional
        With levels: what this function gives of the same spans compared, where that is known
        already.

    Returns
    -------
    pandas.DataFrame
        One row a level (or span) and measure: ``level, span, measure, n`` (customers with a
        denominator), ``rows, y, x, yy, yx, xx``. Where something is held against another, the
        same of that with a ``0`` behind each letter, and the products across, ``y0y, y0x, x0y,
        x0x``.
    """
    frame = placed(rows, spans)
    last = len(spans) - 1
    if by is None:
        now = {"0": nw.col("span") == last - 1, "": nw.col("span") == last}
        parts: dict[str, nw.Expr | None] = dict(now) if compared else {"": None}
        keys = [] if compared else ["span"]
        found = _summed(_by_customer(rows, frame, keys, parts), rows, keys, list(parts))
        return _long(found, rows, by, keys, list(parts))
    if total is None:
        total = moments(dataset, rows, spans, compared=True)
    if compared:
        now = {"0": nw.col("span") == last - 1, "": nw.col("span") == last}
        each = _by_customer(rows, levelled(dataset, frame, by), ["level"], now)
        found = _summed(_whole(each, rows, ["0", ""]), rows, ["level"], ["0", ""])
        found = _out_of_all(found, total.set_index("measure"), rows)
        return _long(found, rows, by, ["level"], ["0", ""])
    frame = frame.filter(nw.col("span") == last)
    each = _by_customer(rows, levelled(dataset, frame, by), ["level"], {"": None})
    found = _summed(_with_totals(each, rows), rows, ["level"], [""], crossed=True)
    found = _against_all(found, total.set_index("measure"), rows, personal=False)
    return _long(found, rows, by, ["level"], ["0", ""])


def moments_by_people(
    dataset: Dataset,
    rows: Rows,
    spans: Spans,
    person: People,
    total: pd.DataFrame,
    *,
    compared: bool = False,
) -> dict[str, pd.DataFrame]:
    """Give what :func:`moments` gives of levels, for each of the people's attributes.

    A customer is of one level of each: sums over customers alike in all attributes add up.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    rows : Rows
        The rows; those of nobody known count in the total alone.
    spans : Spans
        The last one counts.
    person : People
        The customers.
    total : pandas.DataFrame
        Of :func:`moments`, of the same spans compared.
    compared : bool
        Whether each level is held against itself in the span before, in place of all.
    """
    last = len(spans) - 1
    frame = placed(rows, spans, None if compared else last)
    known, names = replace(rows, anonymous=0), ["0", ""] if compared else [""]
    inside: dict[str, nw.Expr | None] = {"": None}
    if compared:
        inside = {"0": nw.col("span") == last - 1, "": nw.col("span") == last}
    each = _by_customer(known, frame.filter(~nw.col("who").is_null()), [], inside)
    columns = list(person.attributes.values())
    together = [columns] if person.cells <= _MOST_CELLS else [[c] for c in columns]
    found: dict[str, pd.DataFrame] = {}
    whole = total.set_index("measure")
    for held in together:
        joined = each.join(person.frame.select("who", *held), on="who", how="inner")
        cells = _summed(joined, rows, held, names)
        for attribute, column in person.attributes.items():
            if column in held:
                part = cells.groupby(column, sort=True).sum(numeric_only=True).reset_index()
                part = part.rename(columns={column: "level"})
                if not compared:
                    part = _against_all(part, whole, rows, personal=True)
                found[attribute] = _long(part, rows, None, ["level"], ["0", ""])
    return found


def cells(
    dataset: Dataset, rows: Rows, spans: Spans, person: People, columns: Sequence[str]
) -> pd.DataFrame:
    """Sum numerators and denominators by group of customers and span.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    rows : Rows
        The rows; those of nobody known do not count.
    spans : Spans
        Rows outside of all of them do not count.
    person : People
        The customers.
    columns : sequence of str
        Of the people; customers alike in all of them are a group.

    Returns
    -------
    pandas.DataFrame
        ``group`` (text), ``span, measure, y, x``.
    """
    frame = placed(rows, spans)
    group = nw.concat_str([nw.col(c) for c in columns], separator=" | ")
    frame = frame.join(person.frame.select("who", group=group), on="who", how="inner")
    sums = {f"{v}_{i}": (m.num if v == "y" else m.den).cast(nw.Float64).sum()
            for i, m in enumerate(rows.measures) for v in ("y", "x")}  # fmt: skip
    summed = frame.group_by("group", "span").agg(**sums)
    found = summed.sort("group", "span").collect(backend="pandas").to_native()
    return _long(found, rows, None, ["group", "span"], [""])


def _by_customer(
    rows: Rows, frame: Frame, keys: Sequence[str], parts: Mapping[str, nw.Expr | None]
) -> Frame:
    """Sum each measure by customer and level; of nobody known, each row is a customer."""
    columns: dict[str, nw.Expr] = {}
    for i, m in enumerate(rows.measures):
        for part, inside in parts.items():
            num, den = m.num.cast(nw.Float64), m.den.cast(nw.Float64)
            if inside is not None:
                num, den = (nw.when(inside).then(v).otherwise(0.0) for v in (num, den))
            columns |= {f"y{part}_{i}": num, f"x{part}_{i}": den}
            columns[f"r{part}_{i}"] = (den > 0).cast(nw.Float64)
    named = frame.filter(~nw.col("who").is_null()) if rows.anonymous else frame
    summed = named.group_by("who", *keys).agg(**{c: v.sum() for c, v in columns.items()})
    if not rows.anonymous:
        return summed
    single = frame.filter(nw.col("who").is_null()).select("who", *keys, **columns)
    return nw.concat([summed.select("who", *keys, *columns), single], how="vertical")


def _with_totals(each: Frame, rows: Rows) -> Frame:
    """Add each customer's sums over all levels."""
    names = [f"{v}_{i}" for i in range(len(rows.measures)) for v in ("y", "x")]
    totals = {}
    for c in names:
        whole: nw.Expr = nw.col(c).sum().over("who")
        if rows.anonymous:
            whole = nw.when(nw.col("who").is_null()).then(nw.col(c)).otherwise(whole)
        totals[c.replace("_", "0_")] = whole
    return each.with_columns(**totals)


def _whole(each: Frame, rows: Rows, parts: Sequence[str]) -> Frame:
    """Put a customer's denominator over all levels for a level's, of what is out of all."""
    wide = [f"x{part}_{i}" for part in parts for i, m in enumerate(rows.measures) if m.whole]
    return each.with_columns(nw.col(c).sum().over("who") for c in wide) if wide else each


def _out_of_all(found: pd.DataFrame, total: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """Put all customers' denominators for those of a level's, of what is out of all of them."""
    made: dict[str, Any] = {}
    for i, m in enumerate(rows.measures):
        if m.whole:
            for name in ("x", "n", "xx", "x0", "n0", "x0x0", "x0x"):
                made[f"{name}_{i}"] = total.loc[m.name, name]
            made |= {f"r{p}_{i}": found[f"y{p}_{i}"] for p in ("", "0")}
    return found.assign(**made)


def _products(parts: Sequence[str]) -> list[tuple[str, str]]:
    """Name the pairs of sums whose products are wanted."""
    return list(combinations_with_replacement([f"{v}{p}" for p in parts for v in ("y", "x")], 2))


def _summed(
    each: Frame, rows: Rows, keys: Sequence[str], parts: Sequence[str], crossed: bool = False
) -> pd.DataFrame:
    """Sum over customers; with ``crossed``, times each customer's own totals as well."""
    made: dict[str, nw.Expr] = {}
    for i in range(len(rows.measures)):
        for one in ("y", "x") if crossed else ():
            for other in ("y", "x"):
                product = nw.col(f"{one}0_{i}") * nw.col(f"{other}_{i}")
                made[f"{one}0{other}_{i}"] = product.sum()
        for part in parts:
            for name in ("y", "x", "r"):
                made[f"{name}{part}_{i}"] = nw.col(f"{name}{part}_{i}").sum()
            made[f"n{part}_{i}"] = how_many(nw.col(f"x{part}_{i}") > 0)
        for one, other in _products(parts):
            made[f"{one}{other}_{i}"] = (nw.col(f"{one}_{i}") * nw.col(f"{other}_{i}")).sum()
    each = each.group_by(*keys).agg(**made).sort(*keys) if keys else each.select(**made)
    found: pd.DataFrame = each.collect(backend="pandas").to_native()
    return found


def _against_all(
    found: pd.DataFrame, total: pd.DataFrame, rows: Rows, personal: bool
) -> pd.DataFrame:
    """Add the sums of all customers; a rate at a touchpoint is out of all customers' time."""
    made: dict[str, Any] = {}
    for i, m in enumerate(rows.measures):
        whole = total.loc[m.name]
        for name, theirs in (("y", "y"), ("x", "x"), ("r", "rows"), ("n", "n")):
            made[f"{name}0_{i}"] = whole[theirs]
        for one, other in (("y", "y"), ("y", "x"), ("x", "x")):
            made[f"{one}0{other}0_{i}"] = whole[f"{one}{other}"]
        if personal:  # all of a customer's rows are of one level
            pairs = (("y", "y", "yy"), ("y", "x", "yx"), ("x", "y", "yx"), ("x", "x", "xx"))
            made |= {f"{a}0{b}_{i}": found[f"{c}_{i}"] for a, b, c in pairs}
        elif m.whole:
            made |= {f"{c}_{i}": whole[c] for c in ("x", "n", "xx")}
            made |= {f"yx_{i}": found[f"x0y_{i}"], f"r_{i}": found[f"y_{i}"]}
    return found.assign(**made)


def _long(
    found: pd.DataFrame, rows: Rows, by: Level | None, keys: Sequence[str], parts: Sequence[str]
) -> pd.DataFrame:
    """Put the measures below each other, and name the levels."""
    last = f"_{len(rows.measures) - 1}"
    names = [c.removesuffix(last) for c in found.columns if c.endswith(last) and c not in keys]
    many = len(rows.measures)
    made: dict[str, Any] = {k: np.tile(found[k].to_numpy(), many) for k in keys}
    for name in names:
        values = [found[f"{name}_{i}"].to_numpy(float) for i in range(many)]
        # A sum over nothing is nothing to an engine.
        called = name.replace("r", "rows") if name in ("r", "r0") else name
        made[called] = np.nan_to_num(np.concatenate(values))
    made["measure"] = np.repeat(np.array([m.name for m in rows.measures], object), len(found))
    if "level" not in made:
        made["level"] = np.full(many * len(found), "all", dtype=object)
    elif by is not None and by.names:
        called_by = np.array([*by.names, NOT_GIVEN], dtype=object)
        made["level"] = called_by[made["level"].astype(int)]
    made.setdefault("span", np.full(many * len(found), len(parts) - 1 if by is None else 0))
    return pd.DataFrame(made)
