"""How often contacts fail, where, whom it meets and how that moves; and who comes and goes."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.frames.engine import how_many
from cxlab.frames.exposures import Contacts
from cxlab.frames.periods import RiskSet, attribute
from cxlab.frames.spans import spans_by_month

__all__ = ["affected", "by_month", "comings", "levels_of", "members", "trends"]

Frame = nw.LazyFrame[Any]
_NONE = "(not given)"


def _told(risk: RiskSet, known: Contacts, first: float, end: float) -> Frame:
    """Give contacts between two instants: who, where, when, and whether known to be bad."""
    frame = known.placed(risk.dataset)
    bad = nw.lit(0.0)
    if "bad" in known.classes:
        bad = (nw.col("bad_from") < risk.end).fill_null(False).cast(nw.Float64)
    frame = frame.filter((nw.col("at") >= first) & (nw.col("at") < end))
    return frame.select("who", "touchpoint", "at", bad=bad)


def by_month(risk: RiskSet, known: Contacts) -> pd.DataFrame:
    """Count contacts and bad ones by touchpoint and calendar month.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    known : Contacts
        Kept ones.

    Returns
    -------
    pandas.DataFrame
        ``place, month`` (months since 1970-01), ``contacts, bad``.
    """
    days = _told(risk, known, risk.begin, risk.end).with_columns(
        day=nw.col("at").floor().cast(nw.Int64)
    )
    days = days.group_by("touchpoint", "day").agg(contacts=nw.len(), bad=nw.col("bad").sum())
    made: pd.DataFrame = days.collect(backend="pandas").to_native()
    made["month"] = _month(made["day"].to_numpy())
    summed = made.groupby(["touchpoint", "month"])[["contacts", "bad"]].sum().reset_index()
    return summed.rename(columns={"touchpoint": "place"}).astype({"contacts": float})


def _month(day: np.ndarray) -> np.ndarray:
    dates = day.astype("int64").astype("datetime64[D]").astype("datetime64[M]")
    return np.asarray(dates.astype(int))


def comings(risk: RiskSet) -> pd.DataFrame:
    """Count by calendar month who was there, who left, who ended otherwise and who came.

    Parameters
    ----------
    risk : RiskSet
        The spells.

    Returns
    -------
    pandas.DataFrame
        A row a month: ``month`` (months since 1970-01), ``whole`` (whether all of it was seen),
        ``days`` (its length), ``there`` (customers on the average), ``leavers``, ``others``,
        ``joined``.
    """
    spans = spans_by_month(risk.begin, risk.end)
    edges = pd.DataFrame(
        {
            "span": np.arange(len(spans)),
            "low": np.maximum(spans.edges[:-1], risk.begin),
            "high": np.minimum(spans.edges[1:], risk.end),
        }
    )
    over = nw.coalesce("event_at", "competing_at", nw.lit(risk.end))
    begun = nw.max_horizontal("started", nw.lit(risk.begin))
    spells = risk.frame.select("started", "event_at", "competing_at", begun=begun, over=over)
    met = spells.join(risk.dataset.attach(edges), how="cross")
    met = met.filter((nw.col("begun") < nw.col("high")) & (nw.col("over") >= nw.col("low")))

    def inside(column: str) -> nw.Expr:
        within = (nw.col(column) >= nw.col("low")) & (nw.col(column) < nw.col("high"))
        return within.fill_null(False).cast(nw.Int64)

    spent = nw.min_horizontal("over", "high") - nw.max_horizontal("begun", "low")
    # The feed's first day brings nobody who was not there before it.
    came = inside("started") * (nw.col("started") > risk.begin).cast(nw.Int64)
    told = met.select("span", spent=nw.max_horizontal(spent, nw.lit(0.0)), came=came,
                      left=inside("event_at"), other=inside("competing_at"))  # fmt: skip
    summed = told.group_by("span").agg(nw.col("spent", "came", "left", "other").sum())
    found: pd.DataFrame = summed.collect(backend="pandas").to_native()
    found = found.set_index("span").reindex(range(len(spans)), fill_value=0.0)
    seen = (edges["high"] - edges["low"]).to_numpy()
    return pd.DataFrame(
        {
            "month": _month(spans.edges[:-1]),
            "whole": seen >= np.diff(spans.edges),
            "days": np.diff(spans.edges),
            "there": found["spent"].to_numpy(float) / np.maximum(seen, 1e-9),
            "leavers": found["left"].to_numpy(float),
            "others": found["other"].to_numpy(float),
            "joined": found["came"].to_numpy(float),
        }
    )


def trends(risk: RiskSet, known: Contacts, days: float, settled: float = 0.0) -> pd.DataFrame:
    """Tell by how much the share of bad contacts moves in a year, by touchpoint.

    A straight line through the share, by least squares; its variance takes the contacts of a
    customer together (Liang and Zeger 1986).

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    known : Contacts
        Kept ones.
    days : float
        Over so many of the last days.
    settled : float
        Without the last days, so many, in which not all that failed is known to have.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint: ``place, contacts, share, slope`` (a year), ``se``.
    """
    end = risk.end - settled
    frame = _told(risk, known, max(end - days, risk.begin), end).with_columns(
        t=(nw.col("at") - end) / 365.25
    )
    square, both = nw.col("t") * nw.col("t"), nw.col("t") * nw.col("bad")
    frame = frame.with_columns(tt=square, tb=both)
    summed = frame.group_by("touchpoint").agg(
        contacts=nw.len(), t=nw.col("t").sum(), bad=nw.col("bad").sum(), tt=nw.col("tt").sum(),
        tb=nw.col("tb").sum(),
    )  # fmt: skip
    line: pd.DataFrame = summed.sort("touchpoint").collect(backend="pandas").to_native()
    n = line["contacts"].to_numpy(float)
    middle, share = line["t"].to_numpy() / n, line["bad"].to_numpy() / n
    across = np.maximum(line["tt"].to_numpy() - n * middle**2, 0.0)
    along = line["tb"].to_numpy() - n * middle * share
    slope = np.divide(along, across, out=np.full(len(n), np.nan), where=across > 1e-9)
    sent = pd.DataFrame({"touchpoint": line["touchpoint"], "middle": middle, "share": share,
                         "slope": np.nan_to_num(slope)})  # fmt: skip
    apart = frame.join(risk.dataset.attach(sent), on="touchpoint", how="inner")
    away = nw.col("t") - nw.col("middle")
    rest = nw.col("bad") - nw.col("share") - nw.col("slope") * away
    apart = apart.with_columns(score=away * rest)
    each = apart.group_by("who", "touchpoint").agg(score=nw.col("score").sum())
    each = each.with_columns(score=nw.col("score") * nw.col("score"))
    squares = each.group_by("touchpoint").agg(total=nw.col("score").sum(), customers=nw.len())
    spread: pd.DataFrame = squares.sort("touchpoint").collect(backend="pandas").to_native()
    many = spread["customers"].to_numpy(float)
    few = np.where(many > 1, many / np.maximum(many - 1, 1), np.nan)
    total = np.sqrt(few * spread["total"].to_numpy(float))
    se = np.divide(total, across, out=np.full(len(n), np.nan), where=across > 1e-9)
    return pd.DataFrame({"place": line["touchpoint"].to_numpy(int), "contacts": n.astype(int),
                         "share": share, "slope": slope, "se": se})  # fmt: skip


def affected(risk: RiskSet, known: Contacts, days: float, segment: str = "") -> pd.DataFrame:
    """Count contacts, bad ones, and the customers whom they met in the last days.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    known : Contacts
        Kept ones.
    days : float
        How many of the last days.
    segment : str
        The attribute by which it is told too; empty: none.

    Returns
    -------
    pandas.DataFrame
        ``place``, maybe ``level``, ``contacts, bad, customers`` (with a contact), ``affected``
        (with a bad one).
    """
    frame = _told(risk, known, risk.end - days, risk.end)
    each = frame.group_by("who", "touchpoint").agg(contacts=nw.len(), bad=nw.col("bad").sum())
    keys = ["touchpoint"]
    if segment:
        each = each.join(_levels(risk, segment), on="who", how="inner")
        keys.append("level")
    told = each.group_by(*keys).agg(
        contacts=nw.col("contacts").sum(),
        bad=nw.col("bad").sum(),
        customers=nw.len(),
        affected=how_many(nw.col("bad") > 0),
    )
    found: pd.DataFrame = told.sort(*keys).collect(backend="pandas").to_native()
    counts = {"contacts": int, "bad": int, "customers": int, "affected": int}
    return found.rename(columns={"touchpoint": "place"}).astype(counts)


def _levels(risk: RiskSet, segment: str) -> Frame:
    """Give each customer's level of an attribute, that of the last spell."""
    named = nw.col(attribute(segment)).cast(nw.String).fill_null(_NONE)
    spells = risk.frame.select("who", "started", level=named)
    last = spells.group_by("who").agg(started=nw.col("started").max())
    return spells.join(last, on=["who", "started"], how="inner").select("who", "level")


def members(risk: RiskSet, segment: str, days: float) -> pd.DataFrame:
    """Count the customers of each level of an attribute who were there in the last days.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    segment : str
        The attribute.
    days : float
        How many of the last days.

    Returns
    -------
    pandas.DataFrame
        ``level, customers`` and ``days`` (their time at risk).
    """
    named = nw.col(attribute(segment)).cast(nw.String).fill_null(_NONE)
    first = risk.end - days
    over = nw.coalesce("event_at", "competing_at", nw.lit(risk.end))
    begun = nw.max_horizontal("started", nw.lit(max(first, risk.begin)))
    frame = risk.frame.select("who", level=named, begun=begun, over=over)
    frame = frame.filter(nw.col("over") > nw.col("begun"))
    spent = frame.with_columns(days=nw.col("over") - nw.col("begun"))
    told = spent.group_by("level").agg(customers=nw.col("who").n_unique(),
                                       days=nw.col("days").sum())  # fmt: skip
    found: pd.DataFrame = told.sort("level").collect(backend="pandas").to_native()
    return found


def levels_of(risk: RiskSet, who: np.ndarray, segment: str) -> np.ndarray:
    """Give the level of an attribute of some customers, in the order asked for.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    who : ndarray of int
        Numbers of customers.
    segment : str
        The attribute.
    """
    wanted = risk.dataset.attach(pd.DataFrame({"who": np.unique(who)}))
    wanted = wanted.with_columns(nw.col("who").cast(nw.Int32))
    found: pd.DataFrame = (
        wanted.join(_levels(risk, segment), on="who", how="inner")
        .collect(backend="pandas")
        .to_native()
    )
    return found.drop_duplicates("who").set_index("who")["level"].loc[who].to_numpy(object)
