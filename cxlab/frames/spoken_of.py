"""Which contacts customers spoke of: comments tied to the contact that they are about."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.exposures import Contacts
from cxlab.frames.periods import RiskSet, days_since_epoch

__all__ = ["NEAR_DAYS", "failures_at", "followed_up", "spoken_of"]

Frame = nw.LazyFrame[Any]
NEAR_DAYS = 14.0
"""A comment without a link is about the last contact at its touchpoint in so many days."""
_SAME = 0.5 / 86_400  # days: times are told to the second
_KEY = ["customer_id", "at", "touchpoint"]


def spoken_of(risk: RiskSet, known: Contacts, said: pd.DataFrame) -> pd.DataFrame:
    """Tie comments to contacts: by ``interaction_id``, else by touchpoint and time.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    known : Contacts
        Kept ones.
    said : pandas.DataFrame
        ``comment`` (a number), ``customer_id``, ``at`` (days) and ``touchpoint``; a comment may
        have several rows.

    Returns
    -------
    pandas.DataFrame
        A row a comment that is tied: ``comment, said_at, who, place`` (of the touchpoint),
        ``met_at`` (days: when the contact was), ``bad`` and ``judged`` (whether it is known how
        the contact went).
    """
    dataset = risk.dataset
    columns = ["comment", "said_at", "who", "place", "met_at", "bad", "judged"]
    each = said.drop_duplicates("comment")[["comment", *_KEY]]
    each = each[each["customer_id"].notna() & each["at"].notna()]
    if each.empty or "bad" not in known.classes:
        return pd.DataFrame(columns=columns)
    each = each.merge(_linked(dataset, each), on="comment", how="left")
    places = {name: k for k, name in enumerate(known.touchpoints)}
    at = each["cx_place"].where(each["cx_place"].notna(), each["touchpoint"])
    each = each.assign(place=at.map(places), met=each["met"].astype(float))
    each = each[each["place"].notna()].astype({"place": "int64", "at": float})
    if each.empty:
        return pd.DataFrame(columns=columns)
    found = _met(risk, known, each)
    found["bad"] = found["bad_from"].notna() & (found["bad_from"] < risk.end)
    unknown = found["unknown_until"] >= risk.end if "unknown_until" in found else False
    found["judged"] = found["bad"] | ~np.asarray(unknown, dtype=bool)
    return found[columns].sort_values("comment", ignore_index=True)


def _linked(dataset: Dataset, each: pd.DataFrame) -> pd.DataFrame:
    """Give the contact that a comment of a survey is linked to."""
    there, theirs = dataset.columns("feedback"), dataset.columns("interactions")
    needed = {"comment", "interaction_id", "customer_id"}
    times = [days_since_epoch(nw.col(c)) for c in ("responded_at", "asked_at") if c in there]
    each = each[each["touchpoint"].notna()]  # of a linked one it is known
    if not needed <= set(there) or "interaction_id" not in theirs or not times or each.empty:
        return pd.DataFrame({"comment": each["comment"].iloc[:0], "cx_place": [], "met": []})
    met = dataset.table("interactions").filter(~nw.col("interaction_id").is_null())
    met = met.select(
        "interaction_id", cx_place=nw.col("touchpoint"), met=days_since_epoch(nw.col("occurred_at"))
    )
    frame = dataset.table("feedback").filter(~nw.col("comment").is_null()).drop("comment")
    frame = frame.join(met, on="interaction_id", how="inner")
    own = nw.coalesce("touchpoint", "cx_place") if "touchpoint" in there else nw.col("cx_place")
    frame = frame.select("customer_id", "cx_place", "met", at=nw.coalesce(*times), touchpoint=own)
    # What is said of two contacts at one touchpoint at one moment is taken to be of the later.
    frame = dataset.attach(each).join(frame, on=_KEY, how="inner")
    table: pd.DataFrame = (
        frame.select("comment", "cx_place", "met").collect(backend="pandas").to_native()
    )
    return table.sort_values(["comment", "met", "cx_place"]).drop_duplicates("comment", keep="last")


def _met(risk: RiskSet, known: Contacts, each: pd.DataFrame) -> pd.DataFrame:
    """Give the contact of each comment: that of the link, else the last one shortly before."""
    # A missing number must not reach the engine as one that is no number.
    sent = each.assign(linked=each["met"].notna(), met=each["met"].fillna(0.0))
    sent = sent.rename(columns={"at": "said_at"})
    rows = risk.dataset.attach(
        sent[["comment", "customer_id", "said_at", "place", "met", "linked"]]
    ).join(risk.followed.select("customer_id", "who"), on="customer_id", how="inner")
    met = known.placed(risk.dataset).with_columns(place=nw.col("touchpoint").cast(nw.Int64))
    met = met.rename({"at": "met_at"}).drop("touchpoint")
    pairs = rows.join(met, on=["who", "place"], how="inner")
    gap = nw.col("said_at") - nw.col("met_at")
    same = (nw.col("met_at") - nw.col("met")).abs() < _SAME
    near = (gap > -_SAME) & (gap <= NEAR_DAYS)
    pairs = pairs.filter((nw.col("linked") & same) | (~nw.col("linked") & near))
    table: pd.DataFrame = pairs.drop("customer_id").collect(backend="pandas").to_native()
    order = ["comment", "met_at", "bad_from"]
    return table.sort_values(order, na_position="first").drop_duplicates("comment", keep="last")


def failures_at(risk: RiskSet, known: Contacts) -> pd.DataFrame:
    """Count all bad contacts that were seen, and whom they met.

    Parameters
    ----------
    risk, known : RiskSet, Contacts
        As above.

    Returns
    -------
    pandas.DataFrame
        A row a touchpoint, by its place: ``bad`` and ``affected`` (customers).
    """
    frame = known.placed(risk.dataset)
    if "bad" not in known.classes:
        return pd.DataFrame(columns=["bad", "affected"])
    frame = frame.filter((nw.col("bad_from") < risk.end).fill_null(False))
    told = frame.group_by("touchpoint").agg(bad=nw.len(), affected=nw.col("who").n_unique())
    made: pd.DataFrame = told.sort("touchpoint").collect(backend="pandas").to_native()
    return made.astype(int).set_index("touchpoint")


def followed_up(
    risk: RiskSet, who: np.ndarray, start: np.ndarray, days: np.ndarray
) -> pd.DataFrame:
    """Tell who left within so many days of a moment.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    who, start, days : ndarray, shape (rows,)
        The customer, the moment, and for how long they are followed.

    Returns
    -------
    pandas.DataFrame
        ``days`` at risk (0: not at risk at that moment) and ``left``, a row for each.
    """
    sent = pd.DataFrame({"row": np.arange(len(who)), "who": who, "start": start})
    over = nw.coalesce("event_at", "competing_at", nw.lit(risk.end))
    left = (~nw.col("event_at").is_null()).cast(nw.Float64)
    spells = risk.frame.select("who", "started", over=over, left=left)
    met = risk.dataset.attach(sent).join(spells, on="who", how="inner")
    met = met.filter((nw.col("started") <= nw.col("start")) & (nw.col("over") > nw.col("start")))
    found: pd.DataFrame = met.select("row", "over", "left").collect(backend="pandas").to_native()
    found = found.drop_duplicates("row").set_index("row").reindex(sent["row"])
    spent = (found["over"].to_numpy(float) - start).clip(min=0.0)
    gone = (found["left"].to_numpy(float) > 0) & (spent <= days)
    return pd.DataFrame({"days": np.minimum(np.nan_to_num(spent), days), "left": gone})
