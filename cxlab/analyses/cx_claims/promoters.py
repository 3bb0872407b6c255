"""Claims on promoters: that they spend more, and that they bring others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.study import Answer, Study, compared
from cxlab.results import counted, metric_label

__all__ = ["referrals", "spend"]

_MONTH = 365.25 / 12


def spend(study: Study) -> Answer:
    """Compare what promoters pay in the days after their answer with what others do.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = study.overall
    if isinstance(found, str):
        return Answer(why=f"{found}; it takes an overall score such as NPS in table feedback")
    monthly, bought = "monthly_value" in found.rows, "paid_after" in found.rows
    if not (monthly or bought):
        return Answer(why="nothing is known of what customers pay: it takes monthly_value, or the "
                      "value of purchases")  # fmt: skip
    horizon = study.options.horizon_days
    every = found.rows[found.rows["at"] <= found.end - horizon].reset_index(drop=True)
    value = every["monthly_value"].to_numpy(float) if monthly else np.zeros(len(every))
    rows = every[np.isfinite(value) & (value >= 0)].reset_index(drop=True)
    value = rows["monthly_value"].to_numpy(float) if monthly else np.zeros(len(rows))
    high = rows["high"].to_numpy(bool)
    least = min(rows.loc[side, "customer_id"].nunique() for side in (high, ~high))
    if least < study.options.least:
        return Answer(why=f"{counted(least, 'customer')} on the smaller side, followed for "
                      f"{horizon} days; {study.options.least} are wanted")  # fmt: skip
    before = rows["paid_before"].to_numpy(float) if bought else np.zeros(len(rows))
    after = rows["paid_after"].to_numpy(float) if bought else np.zeros(len(rows))
    there = np.minimum((rows["over"] - rows["at"]).fillna(np.inf).to_numpy(float), horizon)
    paid = (value * there / _MONTH + after) / horizon * _MONTH
    held = np.column_stack([value, value**2, before, np.log1p(np.maximum(before, 0.0))])
    held = held[:, held.std(axis=0) > 0]
    equal = study.held_equal(rows.drop(columns="left"), high)
    who = np.asarray(pd.factorize(rows["customer_id"])[0])
    gap = compared(np.column_stack([high, equal, held]), paid, who, np.ones(1))
    plain = np.column_stack([high, np.ones(len(rows))]).astype(float)
    now = value + before / horizon * _MONTH
    raw = compared(plain, now, who, np.ones(1))
    metric = metric_label(found.metric)
    whole = float(paid[~high].mean())
    currency = study.dataset.settings.currency or ""
    return Answer(
        gap,
        raw,
        said=_paid(whole, gap.estimate, horizon, currency),
        differs="What customers pay when they answer was settled before: who pays more may be "
        "happier, or the kind of customer who is both. Afterwards, promoters can pay more by "
        "staying and by buying.",
        held=f"adjusted: paid in the {horizon} days after an answer on {metric} (nothing once "
        "gone), top box less the rest, at equal monthly value, purchases before, tenure, month and "
        "attributes; raw: what both pay at the time of the answer",
        facts={"others": whole},
    )  # fmt: skip


def _paid(others: float, gap: float, horizon: int, currency: str) -> str:
    both = [f"{currency} {v:,.2f}".strip() for v in (others, others + gap)]
    return (
        f"In the {horizon} days after their answer others pay {both[0]} a month on average, and "
        f"promoters who paid as much before {both[1]}."
    )


def referrals(study: Study) -> Answer:
    """Say that who brought whom is not in the data.

    Parameters
    ----------
    study : Study
        The customers.
    """
    return Answer(
        why="who brought whom is in no table of the data contract; it takes, of each new customer, "
        "the id of the customer who recommended us"
    )
