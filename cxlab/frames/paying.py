"""What customers pay, beside how long each was followed, on the scale of days of tenure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.frames.periods import EPOCH, RiskSet, attribute, days_since_epoch, risk_set

__all__ = ["Paying", "paying"]

# Days of a unit of tenure; of months and years, the mean.
_UNIT_DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
_MONTH_DAYS = _UNIT_DAYS["months"]
# What is bought counts over the last days followed, this many.
_BOUGHT_DAYS = 365


@dataclass(frozen=True)
class Paying:
    """Customers' spells, with what they pay.

    Parameters
    ----------
    entry, exit : ndarray, shape (n,)
        Days of tenure from which a spell was followed (-inf: from its start) and at which it
        ended or was last seen.
    ended : ndarray of bool, shape (n,)
        Whether it ended, in whatever way.
    customer : ndarray of int, shape (n,)
        Whose it is, numbered from 0.
    monthly : ndarray, shape (n,)
        What each pays in a month; NaN where that is not known. Where it is told by purchases,
        the mean of all, as of each alone too little is known.
    bought, followed : ndarray, shape (n,), or None
        Where it is told by purchases: what each bought in the last year followed, and how
        many days of it they were there.
    ahead : int
        Days since those without an end are known to be there (where churn is silence).
    attributes : mapping of str to pandas.Series
        Of each spell.
    """

    entry: np.ndarray
    exit: np.ndarray
    ended: np.ndarray
    customer: np.ndarray
    monthly: np.ndarray
    bought: np.ndarray | None
    followed: np.ndarray | None
    ahead: int
    attributes: Mapping[str, pd.Series]

    @property
    def known(self) -> np.ndarray:
        """Whose monthly value is known, and not below 0."""
        return np.asarray(np.nan_to_num(self.monthly, nan=-1.0) >= 0)

    def where(self, kept: np.ndarray) -> Paying:
        """Keep some of the spells; a mean of purchases is then theirs."""
        bought = None if self.bought is None else self.bought[kept]
        followed = None if self.followed is None else self.followed[kept]
        monthly = self.monthly[kept]
        if bought is not None and followed is not None:
            monthly = _mean(bought, followed)
        attributes = {a: v[kept] for a, v in self.attributes.items()}
        return Paying(self.entry[kept], self.exit[kept], self.ended[kept], self.customer[kept],
                      monthly, bought, followed, self.ahead, attributes)  # fmt: skip

    @property
    def log_monthly(self) -> np.ndarray | None:
        """Each spell's influence on the log of the mean of purchases; None without."""
        if self.bought is None or self.followed is None or not self.bought.sum() > 0:
            return None
        share = self.bought / self.bought.sum() - self.followed / self.followed.sum()
        return np.asarray(share)


def _mean(bought: np.ndarray, followed: np.ndarray) -> np.ndarray:
    time = followed.sum()
    return np.full(len(bought), _MONTH_DAYS * bought.sum() / time if time > 0 else np.nan)


def paying(dataset: Dataset, risk: RiskSet | None = None) -> Paying | str:
    """Read what customers pay, or say in words why nothing is known of it.

    ``monthly_value`` where the customers have it; else what they bought (``value``) after
    their start in the last year in which they were followed, a month.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    risk : RiskSet, optional
        Its spells, where they are cut already.

    Raises
    ------
    AnalysisError
        No voluntary churn falls within the feed.
    """
    if dataset.form == "snapshot":
        return _snapshot(dataset)
    given = "monthly_value" in dataset.columns("customers")
    if not given and "value" not in dataset.columns("interactions"):
        return "customers have no monthly_value, and contacts no value of purchases"
    risk = risk_set(dataset) if risk is None else risk
    spells = risk.spells
    started = spells["started"].to_numpy(float)
    over = spells["event_at"].fillna(spells["competing_at"])
    exit_ = np.maximum(over.fillna(risk.end).to_numpy(float) - started, 0.0)
    entry = risk.start_of(spells["first"].to_numpy()) - started
    entry = np.where(entry > 0, np.nextafter(np.minimum(entry, exit_), -np.inf), -np.inf)
    rule = dataset.settings.churn
    bought = followed = None
    if given:
        monthly = spells["monthly_value"].to_numpy(float)
    else:
        bought, followed = _purchases(risk, np.fmax(entry, 0.0) + started, exit_ + started)
        monthly = _mean(bought, followed)
    return Paying(
        entry,
        exit_,
        over.notna().to_numpy(),
        pd.factorize(spells["customer_id"])[0],
        monthly,
        bought,
        followed,
        rule.inactivity.days if isinstance(rule, Inactivity) else 0,
        {a: spells[attribute(a)] for a in dataset.attributes},
    )


def _purchases(
    risk: RiskSet, entered: np.ndarray, over: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum what each spell bought in the last year followed, and the days of it."""
    begin = risk.end - _BOUGHT_DAYS
    since, until = (nw.lit(EPOCH + dt.timedelta(days=float(d))) for d in (begin, risk.end))
    bought = risk.dataset.table("interactions").filter(
        ~nw.col("value").is_null(), nw.col("occurred_at") >= since, nw.col("occurred_at") < until
    )
    bought = bought.select("customer_id", "value", at=days_since_epoch(nw.col("occurred_at")))
    # What made somebody a customer is not what they will pay for from now on.
    spells = risk.frame.select(
        "spell", "customer_id", "started", over=nw.coalesce("event_at", "competing_at")
    )
    met = bought.join(spells, on="customer_id", how="inner").filter(
        nw.col("at") > nw.col("started"),
        nw.col("over").is_null() | (nw.col("at") <= nw.col("over")),
    )
    sums = met.group_by("spell").agg(value=nw.col("value").sum()).collect(backend="pandas")
    found: pd.DataFrame = sums.to_native()
    total = np.zeros(len(entered))
    total[found["spell"].to_numpy(int)] = found["value"].to_numpy(float)
    return total, np.maximum(over - np.maximum(entered, begin), 0.0)


def _snapshot(dataset: Dataset) -> Paying | str:
    there = dataset.columns("customers")
    if "monthly_value" not in there:
        return "customers have no monthly_value"
    columns = ["tenure", "churned", "monthly_value", *(c for c in ("customer_id",) if c in there)]
    frame: Any = dataset.table("customers").select(*columns, *dataset.attributes)
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    who = pd.factorize(data["customer_id"])[0] if "customer_id" in data else np.arange(len(data))
    return Paying(
        np.full(len(data), -np.inf),
        data["tenure"].to_numpy(float) * _UNIT_DAYS[dataset.settings.tenure_unit],
        (data["churned"] == 1).to_numpy(),
        who,
        data["monthly_value"].to_numpy(float),
        None,
        None,
        0,
        {a: data[a] for a in dataset.attributes},
    )
