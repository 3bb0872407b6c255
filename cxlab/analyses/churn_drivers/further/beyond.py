"""Beyond single touchpoints: handoffs, repeat contacts, waits, loose ends and many channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.further.added import (
    add,
    counts,
    enough,
    judged,
    measure_marks,
    names_of_main,
)
from cxlab.analyses.churn_drivers.study import RECENT_DAYS, VOLUME_DAYS, Model, Study
from cxlab.frames.marks import Summed, channel_surplus, journey_marks
from cxlab.models import intervals
from cxlab.results import Check, Result, listed, ratio_text

__all__ = ["beyond"]

REPEAT_DAYS = 7.0
UNRESOLVED_DAYS = 14.0

_PER = {
    "handoff": "one contact in a journey at another touchpoint or channel than the one before it",
    "repeat": f"one contact at a touchpoint visited up to {REPEAT_DAYS:.0f} days before",
    "wait": "one contact with a wait twice as long as is usual at its touchpoint",
    "unresolved": f"one contact still not resolved after {UNRESOLVED_DAYS:.0f} days",
    "channels": f"one channel more in {VOLUME_DAYS:.0f} days than so many contacts usually have",
}
_NAMES = {
    "handoff": "handoffs",
    "repeat": "repeat contacts",
    "wait": "long waits",
    "unresolved": "contacts never resolved",
    "channels": "many channels",
}
COLUMNS = (
    *("term", "per", "estimate", "se", "hazard_ratio", "conf_low", "conf_high"),
    *("p_value", "q_value", "alone", "alone_low", "alone_high"),
    *("n", "exposures", "churns", "verdict", "why"),
)


def beyond(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Estimate what lies between contacts does to the hazard, all contacts held equal.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table; none of its rows is touched.

    Returns
    -------
    Result
        One row an exposure, all added to the model at once: a contact that follows another is
        either a handoff or a repeat, so that each would hide the other. ``alone`` is its hazard
        ratio without the others. ``estimate`` and ``se`` are of the log hazard ratio,
        ``n`` are the customers who had it, ``exposures`` the contacts, ``churns`` those of the
        churns that had it behind them.
    """
    names = names_of_main(study, model)
    marks = journey_marks(study.dataset, names, REPEAT_DAYS, UNRESOLVED_DAYS)
    summed, met = dict(measure_marks(study, model, marks)), counts(study, marks)
    kinds, missing = list(marks.kinds), dict(marks.missing)
    if "channel" in study.dataset.columns("interactions"):
        kinds.append("channels")
        summed = _with_channels(study, names, summed)
        met.loc["channels"] = _of_rows(study, summed["decay"][:, -1])
    else:
        missing["channels"] = "the column channel"
    event = model.rows.event
    usable = [j for j in range(len(kinds)) if enough(summed["decay"][:, j], event)]
    alone, together = (np.full((len(kinds), 2), np.nan) for _ in range(2))
    for into, groups in ((alone, [[j] for j in usable]), (together, [usable] if usable else [])):
        for chosen in groups:
            fitted = add(study, model, summed["decay"][:, chosen], summed["slope"][:, chosen])
            into[chosen] = np.column_stack([fitted.coef, fitted.se])
    verdict = judged(study, model, summed, met["customers"].tolist(), together.tolist())
    shown = np.where(verdict["estimate"].notna(), alone.T, np.nan)
    whole = intervals.hazard_ratios(*shown)
    found = verdict.assign(
        term=kinds,
        per=[_PER[k] for k in kinds],
        alone=whole["hazard_ratio"],
        alone_low=whole["conf_low"],
        alone_high=whole["conf_high"],
        exposures=met["exposures"].to_numpy(int),
    )[list(COLUMNS)]
    return Result(
        "beyond",
        found,
        checks=_checks(missing),
        meta={"scale": "log hazard ratio", "level": intervals.LEVEL},
        sentence=_sentence(found, missing),
    )


def _with_channels(study: Study, names: list[str], summed: Summed) -> dict[str, np.ndarray]:
    """Add the channels of the trailing window beyond those expected; they do not decay."""
    rows, washout = study.sample.rows, study.options.washout_days
    ages = (RECENT_DAYS, VOLUME_DAYS)
    whole, old = channel_surplus(study.dataset, rows, names, washout, ages)
    more = {"decay": whole, "slope": np.zeros_like(whole), "recent": whole - old, "old": old}
    return {name: np.column_stack([x, more[name]]) for name, x in summed.items()}


def _of_rows(study: Study, column: np.ndarray) -> dict[str, int]:
    """Count the rows with more channels than expected, and their customers."""
    more = study.sample.rows["customer_id"][column > 0]
    return {"exposures": len(more), "customers": int(more.nunique())}


def _checks(missing: Mapping[str, str]) -> tuple[Check, ...]:
    return tuple(
        Check(f"beyond: {_NAMES[k]}", None, f"not told: interactions lack {what}")
        for k, what in missing.items()
    )


def _sentence(table: pd.DataFrame, missing: Mapping[str, str]) -> str:
    """Say what matters besides the touchpoints, and what cannot be told."""
    texts = [_told(row) for row in table[table["verdict"] == "matters"].itertuples()]
    suspected = table[table["verdict"] == "reverse causation suspected"]["term"]
    if len(suspected):
        texts.append(
            f"{listed(_NAMES[t] for t in suspected).capitalize()} go with leaving only when "
            "recent, as they do where the decision to leave comes first."
        )
    quiet = table[table["verdict"] == "no evidence"]["term"]
    if len(quiet):
        texts.append(
            f"With contacts, and bad ones, held equal, nothing tells that "
            f"{listed(_NAMES[t] for t in quiet)} matter."
        )
    thin = table[table["verdict"] == "too little data"]["term"]
    if len(thin):
        texts.append(f"There is too little data on {listed(_NAMES[t] for t in thin)}.")
    if missing:
        lacking = [f"{_NAMES[k]} ({what})" for k, what in missing.items()]
        texts.append(f"Not told, for interactions lack what it takes: {listed(lacking)}.")
    return " ".join(texts)


def _told(row: Any) -> str:
    return (
        f"{row.per.capitalize()} multiplies the hazard of leaving by "
        f"{ratio_text(row.hazard_ratio)} (95% interval {ratio_text(row.conf_low)} to "
        f"{ratio_text(row.conf_high)})."
    )
