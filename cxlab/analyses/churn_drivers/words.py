"""The driver table in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.results import Finding, Findings, Result, counted, listed

__all__ = ["LIMITS", "METHOD", "findings", "reasons", "sentence"]


METHOD = (
    "Each bad contact is compared with an ordinary one at the same touchpoint and of the same age. "
    "Whoever has decided to leave may come into contact more often; whether the contact then fails "
    "is not their choice. That is what makes the comparison fair, and what it assumes.",
    "Busy customers meet more failures and leave less; some customers are unlucky everywhere. Both "
    "would bend a plain comparison, so they are held equal.",
)
LIMITS = (
    "It is cause only as far as a contact's turning out badly is as good as random, once what is "
    "listed above is held equal.",
    "Contacts before the feed began are unknown. Customers who were there before it enter late.",
    "A contact as such is never called a driver, and neither is a touchpoint of stage exit: "
    "customers who have decided to leave come there.",
    "Customers who never appear in the feed are in the base, but tell nothing about touchpoints.",
    "If causes work for ten days or less, the guard against reverse causation may hide them. Dates "
    "of notice (cancelled_at) make it sharper.",
)


def sentence(table: pd.DataFrame, window_days: int) -> str:
    """Name the drivers in one sentence.

    Parameters
    ----------
    table : pandas.DataFrame
        The driver table.
    window_days : int
        The window in which lost customers are counted.
    """
    drivers = table[table["verdict"] == "driver"]
    if set(table["valence"]) == {"contact"}:
        return (
            "Nothing tells a failed contact from an ordinary one, so no driver can be found: give "
            "interactions an outcome, scores linked to them, or a rule in dataset.yml."
        )
    if drivers.empty:
        return "No touchpoint can be called a driver of voluntary churn from these data."
    return (
        f"{counted(len(drivers), 'touchpoint drives', 'touchpoints drive')} voluntary churn, in "
        f"order of the customers lost in the last {window_days} days: "
        f"{listed(drivers['touchpoint'])}."
    )


def reasons(result: Result) -> list[str]:
    """Give each verdict's reason in a line, bad and good contacts only.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    table = result.table
    follows = table["verdict"] == "reverse causation suspected"
    told = table[(table["valence"] != "contact") | follows]
    lines = []
    for (verdict, why), part in told.groupby(["verdict", "why"], sort=False):
        names = ", ".join(part["touchpoint"])
        lines.append(f"{verdict.capitalize()}: {names}. {why}")
    return lines


def _as_positive(row: Any) -> tuple[float, float, float]:
    """Give customers lost, or kept, as positive figures with their interval.

    Parameters
    ----------
    row : namedtuple
        Of the driver table.
    """
    low, high = row.attributable_churn_low, row.attributable_churn_high
    if row.attributable_churn > 0:
        return row.attributable_churn, low, high
    return -row.attributable_churn, -high, -low


def findings(result: Result, notebook: str) -> Findings:
    """Word the drivers for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    table, meta = result.table, result.meta
    found = Findings(
        [Finding("drivers.summary", notebook, result.sentence, n=meta["customers"], unit="")]
    )
    told = table[table["verdict"].isin(["driver", "protective"])]
    found += [_driver(row, meta, notebook) for row in told.itertuples()]
    if meta["followers"]:
        found.append(
            Finding(
                "drivers.followers",
                notebook,
                _following(meta["followers"]),
                verdict="reverse causation suspected",
            )
        )
    suspected = table["verdict"] == "reverse causation suspected"
    for row in table[suspected & (table["valence"] != "contact")].itertuples():
        found.append(
            Finding(
                f"drivers.{row.touchpoint}.{row.valence}",
                notebook,
                f"{row.touchpoint} is not called a driver. {row.why}",
                unit="customers",
                n=int(row.exposed_customers),
                verdict=row.verdict,
            )
        )
    return found


def _driver(row: Any, meta: Mapping[str, Any], notebook: str) -> Finding:
    what = "failed" if row.valence == "bad" else "good"
    statement = (
        f"A {what} contact at {row.touchpoint} multiplies the hazard of leaving by "
        f"{row.hazard_ratio:.2f} (95% interval {row.conf_low:.2f} to {row.conf_high:.2f}) "
        "against an ordinary one."
    )
    if np.isfinite(row.attributable_churn):
        cost = "cost" if row.attributable_churn > 0 else "kept"
        count, low, high = _as_positive(row)
        statement += (
            f" In the last {meta['window_days']} days it {cost} {count:.0f} customers "
            f"({low:.0f} to {high:.0f})"
        )
        if np.isfinite(row.value_at_risk):
            money = f" {meta['currency']}" if meta.get("currency") else ""
            statement += f", worth {abs(row.value_at_risk):,.0f}{money} a month"
        statement += "."
    return Finding(
        f"drivers.{row.touchpoint}.{row.valence}",
        notebook,
        statement,
        row.attributable_churn,
        row.attributable_churn_low,
        row.attributable_churn_high,
        "customers",
        int(row.exposed_customers),
        row.verdict,
    )


def _following(followers: Sequence[str]) -> str:
    one = len(followers) == 1
    return (
        f"Contacts at {listed(followers)} rise when customers have decided to leave. "
        f"{'It follows' if one else 'They follow'} the decision and "
        f"{'is' if one else 'are'} not called {'a driver' if one else 'drivers'}."
    )
