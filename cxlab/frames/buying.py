"""What each customer bought, and when last: all that is seen where there is no contract."""

from __future__ import annotations

from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.frames.engine import how_many
from cxlab.frames.periods import RiskSet, attribute, days_since_epoch
from cxlab.frames.silences import silences

__all__ = ["Buying", "buying"]


@dataclass(frozen=True)
class Buying:
    """Customers who began within the feed and have no end, with their purchases.

    Parameters
    ----------
    customers : pandas.DataFrame
        One row a customer: ``repeats`` (days on which they bought after the first day),
        ``last`` and ``seen`` (days from the first day to the last such day, and to the last
        day seen), ``spent`` (on those days), ``silent`` (days since the last contact), and
        the attributes of the first spell, each under the name
        :func:`cxlab.frames.periods.attribute` gives it.
    left_out : int
        Customers who began before the feed, or whose end is given.
    """

    customers: pd.DataFrame
    left_out: int


def buying(risk: RiskSet) -> Buying | str:
    """Gather what customers bought, or say in words why nothing is known of it.

    Parameters
    ----------
    risk : RiskSet
        Of a dataset with contacts.
    """
    dataset = risk.dataset
    if "value" not in dataset.columns("interactions"):
        return "contacts have no value of purchases"
    met = silences(risk)
    began = dataset.table("customers").select(
        "customer_id",
        *(nw.col(a).alias(attribute(a)) for a in dataset.attributes),
        began=days_since_epoch(nw.col("started_at")),
    )
    first = nw.col("began").min().over("customer_id")
    began = began.with_columns(first=first).filter(nw.col("began") == nw.col("first"))
    began = began.drop("began").unique("customer_id", keep="any")
    bought = dataset.table("interactions").filter(~nw.col("value").is_null())
    day = days_since_epoch(nw.col("occurred_at")).floor()
    bought = bought.select("customer_id", "value", day=day)
    # What is given back on a day of its own is no purchase, but lowers what was spent.
    days = bought.group_by("customer_id", "day").agg(
        value=nw.col("value").sum(), paid=nw.col("value").max() >= 0
    )
    days = days.join(began.select("customer_id", "first"), on="customer_id", how="inner")
    days = days.filter(nw.col("day") > nw.col("first"))
    each = days.group_by("customer_id").agg(
        repeats=how_many(nw.col("paid")),
        day=nw.when(nw.col("paid")).then(nw.col("day")).max(),
        spent=nw.col("value").sum(),
    )
    last = met.customers.select("customer_id", "over", contact="last")
    frame = began.join(last, on="customer_id", how="left").join(each, on="customer_id", how="left")
    found: pd.DataFrame = frame.sort("customer_id").collect(backend="pandas").to_native()
    inside = (found["first"] >= risk.begin) & found["over"].isna()
    kept = found[inside].reset_index(drop=True)
    start = np.floor(kept["first"])
    told = pd.DataFrame(
        {
            "repeats": kept["repeats"].fillna(0).astype(float),
            "last": (kept["day"] - start).fillna(0.0),
            "seen": met.end - 1 - start,
            "spent": kept["spent"].fillna(0.0),
            "silent": met.end - kept["contact"].fillna(kept["first"]),
        }
    )
    named = kept[[attribute(a) for a in dataset.attributes]]
    return Buying(told.join(named), int((~inside).sum()))
