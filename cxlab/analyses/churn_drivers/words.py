"""The driver table in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.results import MINUS, Finding, Findings, Result, counted, listed

__all__ = ["LIMITS", "METHOD", "findings", "reasons", "sentence", "unsure"]

_UNTOLD = ("not separable", "too little data")
_MOST_NAMED = 8


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
    """Give the reason of each verdict that was reached in a line, bad and good contacts only.

    What could not be told is in :func:`unsure`.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    table = result.table
    follows = table["verdict"] == "reverse causation suspected"
    told = table[((table["valence"] != "contact") | follows) & ~table["verdict"].isin(_UNTOLD)]
    lines = []
    for (verdict, why), part in told.groupby(["verdict", "why"], sort=False):
        names = ", ".join(part["touchpoint"])
        lines.append(f"{verdict.capitalize()}: {names}. {why}")
    return lines


def unsure(result: Result) -> list[str]:
    """Say in lines what could not be told apart: the drivers' order, twins, what has few data.

    Parameters
    ----------
    result : Result
        Of :func:`run`; of a snapshot nothing is said here.
    """
    if result.meta.get("form") == "snapshot":
        return []
    ranks = result.parts.get("ranks")
    lines = [ranks.sentence] if ranks is not None and len(ranks.table) > 1 else []
    twins, thin = _untold(result.table)
    lines += [f"Not separable: {listed(names)}. {why}" for why, names in twins.items()]
    if thin:
        lines.append(
            f"Too little data on how contacts turn out at {listed(thin)}: an effect strong enough "
            "to matter would not have been seen. That is no sign that there is none."
        )
    return lines


def _untold(table: pd.DataFrame) -> tuple[dict[str, list[str]], list[str]]:
    """Give the contrasts that are not separable, by the reason, and those with too little data."""
    judged = table[table["valence"] != "contact"]
    twins = judged[judged["verdict"] == "not separable"]
    by_why = twins.groupby("why", sort=False)["touchpoint"]
    grouped = {str(why): list(dict.fromkeys(part)) for why, part in by_why}
    # Of good and bad contacts, one may be told: then the other is named with what it is.
    thin = []
    for name, part in judged.groupby("touchpoint", sort=False):
        little = part["verdict"] == "too little data"
        if little.all():
            thin.append(str(name))
        else:
            thin += [f"{name} ({valence} contacts)" for valence in part.loc[little, "valence"]]
    return grouped, thin


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
    return Findings([*found, *_besides(result, notebook, has_drivers=bool(len(told)))])


def _besides(result: Result, notebook: str, has_drivers: bool) -> list[Finding]:
    """Word how long effects last, what differs, and what could not be told."""
    found = []
    low, high = (result.meta[f"half_life_{end}"] for end in ("low", "high"))
    if has_drivers and np.isfinite([low, high]).all():
        days, text = result.meta["half_life_days"], _lasting(result.meta)
        found.append(Finding("drivers.half_life", notebook, text, days, low, high, "days"))
    parts = {name: part for name, part in result.parts.items() if len(part.table)}
    if "ranks" in parts and parts["ranks"].table["not_told_from"].ne("").any():
        found.append(Finding("drivers.order", notebook, parts["ranks"].sentence))
    for name, column in (("segments", "differs"), ("by_tenure", "changes")):
        if name in parts and parts[name].table[column].any():
            found.append(Finding(f"drivers.{name}", notebook, parts[name].sentence))
    twins, thin = _untold(result.table)
    if twins:
        text = " ".join(f"{listed(n)} cannot be judged apart. {why}" for why, n in twins.items())
        found.append(Finding("drivers.not_separable", notebook, text, verdict="not separable"))
    if thin:
        some = listed(thin, _MOST_NAMED)
        text = f"There is too little data on how contacts turn out at {some}."
        found.append(Finding("drivers.too_little", notebook, text, verdict="too little data"))
    return found


def _lasting(meta: Mapping[str, Any]) -> str:
    """Say how long the effect of a contact lasts."""
    days, low, high = (meta[f"half_life_{name}"] for name in ("days", "low", "high"))
    own = meta.get("own_half_lives", {})
    text = f"{'Elsewhere the' if own else 'The'} effect of a contact has halved after {days:.0f} "
    text += f"days (95% interval {low:.0f} to {high:.0f})."
    each = [
        f"At {name} it has halved after {h[0]:.0f} days ({h[1]:.0f} to {h[2]:.0f})."
        for name, h in own.items()
    ]
    return " ".join([*each, text])


def _whole(value: float) -> str:
    """Round to a whole number, with a true minus and no negative zero."""
    return f"{round(value) + 0:,d}".replace("-", MINUS)


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
            f" In the last {meta['window_days']} days it {cost} "
            f"{counted(round(count), 'customer')} ({_whole(low)} to {_whole(high)})"
        )
        if np.isfinite(row.value_at_risk):
            money = f"{meta['currency']} " if meta.get("currency") else ""
            statement += f", worth {money}{abs(row.value_at_risk):,.0f} a month"
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
