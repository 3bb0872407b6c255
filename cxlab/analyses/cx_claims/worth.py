"""Two claims on money: what more retention is worth, and what winning costs beside keeping."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.study import Answer, Study, Told
from cxlab.frames.paying import paying
from cxlab.models.lifetime_value import Estimate, Terms, Worth, worth_of

__all__ = ["retention", "winning"]

_POINTS = 0.05


def retention(study: Study) -> Answer:
    """Tell by which share lifetime value rises where five more of a hundred stay each year.

    Parameters
    ----------
    study : Study
        The customers.
    """
    o = study.options
    snapshot = study.dataset.form == "snapshot"
    found = paying(study.dataset, None if snapshot else study.risk)
    if isinstance(found, str):
        return Answer(why=f"{found}; it takes the column monthly_value, or values of purchases")
    terms = Terms(o.margin, o.discount_rate, o.value_years)
    made = worth_of(found.where(found.known), terms, o.min_group)
    if isinstance(made, str):
        return Answer(why=made)
    more = made.raised(_POINTS)
    now = made.retention
    if more is None:
        return Answer(why=f"{100 * now.value:.0f} of 100 stay a year: five more cannot")
    fewer = made.raised(_POINTS * (1 - now.value))
    assert fewer is not None  # less than five points
    return Answer(
        Told(more.value, more.low, more.high, made.customers),
        _folklore(now, made),
        said=f"Of 100 customers {100 * now.value:.0f} stay a year "
        f"({100 * now.low:.0f} to {100 * now.high:.0f}). Were it five more, what they pay in the "
        f"next {o.value_years} years would be worth {100 * more.value:.0f}% more; read the other "
        f"way, with 5% fewer of those who leave, {100 * fewer.value:.1f}% more.",
        differs="The formula takes every customer to leave at one rate for ever, and counts money "
        f"of any later year as today's; here it is {o.value_years} years, discounted, at the rates "
        "seen by tenure.",
        held=f"adjusted: value of today's customers over {o.value_years} years at a discount of "
        f"{100 * o.discount_rate:g}%, all hazards lowered alike so that five points more stay the "
        "next 365 days; raw: mean lifetimes 1 / (1 - retention), before and after; a constant "
        "margin, so that profit rises as value does",
        facts={"retention": now.value, "fewer_leavers": fewer.value},
    )  # fmt: skip


def _folklore(now: Estimate, made: Worth) -> Told | None:
    """Give the usual formula: lifetimes are one over the share that leaves."""

    def more(share: float) -> float:
        return _POINTS / (1 - share - _POINTS)

    if now.high >= 1 - _POINTS:
        return None
    return Told(more(now.value), more(now.low), more(now.high), made.customers)


def winning(study: Study, bad: Answer) -> Answer:
    """Hold the cost of winning a customer against that of keeping one by mending what fails.

    Parameters
    ----------
    study : Study
        The customers.
    bad : Answer
        Of :func:`cxlab.analyses.cx_claims.leaving.one_bad`.
    """
    cost = study.dataset.settings.acquisition_cost
    if cost is None:
        return Answer(
            why="what winning a customer costs is not said; it takes acquisition_cost in "
            "dataset.yml, and fix_cost in table touchpoints"
        )
    costs = _fix_costs(study)
    if not len(costs):
        return Answer(
            why="what keeping a customer costs cannot be had: table touchpoints has no fix_cost"
        )
    if bad.adjusted is None or not np.isfinite(bad.adjusted.low):
        return Answer(why=f"how many a mended contact keeps cannot be told: {bad.why}")
    spent, firsts = float(costs.sum()), bad.facts["firsts"]
    kept = [firsts * v for v in (bad.adjusted.estimate, bad.adjusted.low, bad.adjusted.high)]
    times = [cost * max(k, 0.0) / spent for k in kept]
    people = study.risk.customers
    spread = cost / (spent / people)
    currency = study.dataset.settings.currency or ""
    each = f"{currency} {spent / kept[0]:,.0f}".strip() if kept[0] > 0 else "no sum of money"
    return Answer(
        Told(times[0], times[1], times[2], bad.adjusted.n),
        Told(spread, spread, spread, people),
        said=f"Without first failures {max(kept[0], 0.0):,.0f} customers a year would stay on; "
        f"mending all touchpoints that have a cost takes {currency} {spent:,.0f}, which is {each} "
        f"for each, against {currency} {cost:,.0f} for a new one.",
        differs="Costs of keeping are usually spread over all customers, most of whom would have "
        "stayed anyway; what counts is the cost of one who otherwise leaves.",
        held="adjusted: acquisition_cost over the sum of fix_cost for each customer a year who "
        "would not leave within the horizon had the first bad contact gone well; the cost is taken "
        "to hold for a year, and to end failures; raw: the same sum over all customers",
        facts={"kept": kept[0], "spent": spent},
    )  # fmt: skip


def _fix_costs(study: Study) -> np.ndarray:
    if "fix_cost" not in study.dataset.columns("touchpoints"):
        return np.zeros(0)
    frame = study.dataset.table("touchpoints").select("touchpoint", "fix_cost")
    table: pd.DataFrame = frame.collect(backend="pandas").to_native()
    known: Iterable[float] = table["fix_cost"].dropna()
    return np.array([c for c in known if c > 0], dtype=float)
