"""How long customers keep silent between one contact and the next, and who then came back.

A silence begins at a contact, or at a start within the feed. It ends with the customer's next
contact or start; until ``as_of``, or an end that is given, nobody knows. Silences are told in
whole days: one whose day of coming back was not seen to its end is not over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Inactivity
from cxlab.frames.engine import how_many
from cxlab.frames.periods import RiskSet, days_since_epoch

__all__ = ["LEAST_DAYS", "Silences", "silences"]

Frame = nw.LazyFrame[Any]

LEAST_DAYS = 7
"""Shorter silences are not listed: nobody takes them for the end."""

# Where churn is silence, the spells at risk date it so long after the last contact: a day
# beyond the washout (cxlab.frames.periods).
_DATED_AFTER = 4.0


@dataclass(frozen=True)
class Silences:
    """The silences of a dataset's customers.

    Parameters
    ----------
    risk : RiskSet
        Whose spells they are.
    frame : LazyFrame
        One row a silence of :data:`LEAST_DAYS` or more: ``customer_id``, ``days`` (whole days
        it has lasted) and ``back`` (1 where the customer came back on the day after these
        days, 0 where nobody knows).
    customers : LazyFrame
        One row a customer met within the feed: ``entered`` and ``last`` (days since
        1970-01-01: when first followed, and the last contact) and ``over`` (an end that is
        given; null without).
    end : float
        The first instant not seen.
    """

    risk: RiskSet
    frame: Frame
    customers: Frame
    end: float

    def counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Count silences by how long they lasted.

        Returns
        -------
        back, open : ndarray of int, shape (days,)
            Those that ended by coming back after so many whole days, and those of which no
            more is known.
        """
        grouped = self.frame.group_by("days").agg(all=nw.len(), back=nw.col("back").sum())
        found = _collected(grouped)
        size = int(found["days"].max()) + 1 if len(found) else 0
        every, back = np.zeros(size, int), np.zeros(size, int)
        every[found["days"]], back[found["days"]] = found["all"], found["back"]
        return back, every - back

    def customers_silent(self, days: Sequence[int]) -> np.ndarray:
        """Count the customers who were silent for so many days at least once."""
        longest = self.frame.group_by("customer_id").agg(most=nw.col("days").max())
        asked = {f"n{d}": how_many(nw.col("most") >= d) for d in days}
        return _collected(longest.select(**asked)).fillna(0).iloc[0].to_numpy(int)

    def squares(self, back: np.ndarray, open_: np.ndarray) -> np.ndarray:
        """Sum influences over each customer's silences, and their squares over customers.

        Parameters
        ----------
        back, open_ : ndarray, shape (days, figures)
            The influence on each figure of a silence that ended by coming back, or did not,
            after so many whole days.

        Returns
        -------
        ndarray, shape (figures,)
        """
        names = [f"w{i}" for i in range(back.shape[1])]
        weights = np.concatenate([back, open_])
        days = np.tile(np.arange(len(back)), 2)
        sent = pd.DataFrame(weights, columns=names)
        sent = sent.assign(days=days, back=np.repeat([1, 0], len(back)))
        told = self.risk.dataset.attach(sent[(weights != 0).any(axis=1)])
        joined = self.frame.join(told, on=["days", "back"], how="inner")
        each = joined.group_by("customer_id").agg(**{n: nw.col(n).sum() for n in names})
        total = each.select(**{n: (nw.col(n) * nw.col(n)).sum() for n in names})
        return _collected(total).fillna(0.0).iloc[0].to_numpy(float)

    def leavers(self, days: Sequence[int]) -> pd.DataFrame:
        """Count who would have left, had silence of so many days been the rule.

        As :func:`cxlab.frames.periods.risk_set` does it: everyone is followed to so many days
        before ``end``, and whoever was not met after that left just after the last contact.

        Parameters
        ----------
        days : sequence of int
            Numbers of days.

        Returns
        -------
        pandas.DataFrame
            One row each: ``left`` (customers, those whose end is given among them), ``time``
            (customer-days followed), ``gone`` (customers who would count as gone at ``end``)
            and ``known`` (of how many).
        """
        asked: dict[str, nw.Expr] = {}
        silent, left = self.end - nw.col("last"), nw.col("last") + _DATED_AFTER
        open_ = nw.col("over").is_null()
        for d in days:
            until = self.end - float(d)
            there = nw.col("entered") < until
            over = nw.coalesce("over", left)
            stop = nw.min_horizontal(over, nw.lit(until))
            time = nw.max_horizontal(stop - nw.col("entered"), nw.lit(0.0))
            asked[f"left{d}"] = how_many(there & (over < until))
            asked[f"time{d}"] = nw.when(there).then(time).otherwise(0.0).sum()
            asked[f"gone{d}"] = how_many(open_ & (silent >= d))
        row = _collected(self.customers.select(known=how_many(open_), **asked))
        row = row.fillna(0).iloc[0]
        columns = {c: [row[f"{c}{d}"] for d in days] for c in ("left", "time", "gone")}
        found = pd.DataFrame(columns).astype({"left": int, "time": float, "gone": int})
        return found.assign(known=int(row["known"]))


def silences(risk: RiskSet) -> Silences:
    """Find the silences of a dataset's customers.

    Parameters
    ----------
    risk : RiskSet
        Of a dataset with contacts.
    """
    dataset = risk.dataset
    rule = dataset.settings.churn
    end = risk.end + (rule.inactivity.days if isinstance(rule, Inactivity) else 0)

    def cut() -> Frame:
        return _since_each(risk, end)

    every = dataset.keep(f"silences_of_{risk.name}", cut)
    frame = every.filter(nw.col("days") >= LEAST_DAYS).select("customer_id", "days", "back")
    customers = every.group_by("customer_id").agg(
        entered=nw.col("entered").min(), last=nw.col("at").max(), over=nw.col("over").max()
    )
    return Silences(risk, frame, customers, end)


def _since_each(risk: RiskSet, end: float) -> Frame:
    """Give each contact's silence, as long as it was followed."""
    dataset = risk.dataset
    spells = dataset.table("customers")
    given = nw.col("ended_at")
    if "silent_since" in spells.collect_schema().names():
        given = nw.when(nw.col("silent_since").is_null()).then(given)
    spells = spells.select(
        "customer_id", at=days_since_epoch(nw.col("started_at")), given=days_since_epoch(given)
    )
    known = spells.group_by("customer_id").agg(
        begun=nw.col("at").min(), open=nw.col("given").is_null().any(), given=nw.col("given").max()
    )
    known = known.select("customer_id", "begun", over=nw.when(~nw.col("open")).then("given"))
    contacts = dataset.table("interactions").select(
        "customer_id", at=days_since_epoch(nw.col("occurred_at"))
    )
    # What came before the start kept nobody, and a start before the feed is no contact.
    met = nw.concat([contacts, spells.select("customer_id", "at")])
    met = met.join(known, on="customer_id", how="inner")
    met = met.filter(nw.col("at") >= nw.col("begun"), nw.col("at") >= nw.lit(risk.begin))
    met = met.with_columns(then=nw.col("at").shift(-1).over("customer_id", order_by="at"))
    followed = nw.min_horizontal("over", nw.lit(end)) - nw.col("at")
    met = met.with_columns(
        whole=nw.max_horizontal(followed.floor(), nw.lit(0.0)),
        gap=(nw.col("then") - nw.col("at")).floor(),
    )
    back = (nw.col("gap") < nw.col("whole")).fill_null(False)
    return met.select(
        "customer_id",
        "at",
        "over",
        entered=nw.max_horizontal("begun", nw.lit(risk.begin)),
        days=nw.when(back).then("gap").otherwise(nw.col("whole")).cast(nw.Int64),
        back=back.cast(nw.Int64),
    )


def _collected(frame: Frame) -> pd.DataFrame:
    found: pd.DataFrame = frame.collect(backend="pandas").to_native()
    return found
