"""Which person-periods the model is fitted on: all of them, or a case-base sample.

Case-base sampling (Hanley and Miettinen 2009): every event, and a uniform sample of the
person-periods at risk. A logit of event against base row with the offset
log(person-periods / base rows) estimates the log hazard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.errors import UsageError, one_of
from cxlab.frames.periods import RiskSet

__all__ = ["Sample", "draw"]

PER_EVENT = 20
# Below this many rows a sample saves nothing and costs precision.
LEAST_BASE = 20_000


@dataclass(frozen=True)
class Sample:
    """The rows a hazard model is fitted on.

    Parameters
    ----------
    rows : pandas.DataFrame
        One a row: ``spell``, ``customer_id``, ``event`` (0 or 1), ``cut`` (contacts from this
        instant on are not seen), ``mid`` (the instant exposures age to), ``tenure`` (days
        since the start, at ``mid``), ``start`` (of the period), ``seen`` (days since the
        customer's first period at risk); times in days.
    offset : float
        What the rows' linear predictor exceeds the log hazard per period by:
        log(person-periods / base rows), 0 where all rows are there.
    link : {"logit", "cloglog"}
        Of the model that fits the rows: ``logit`` for a sample, ``cloglog`` for all rows.
    text : str
        What was drawn, in words.
    """

    rows: pd.DataFrame
    offset: float
    link: str
    text: str


def draw(risk: RiskSet, sample: str | int = "auto", seed: int = 0) -> Sample:
    """Draw the rows for a hazard model.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk, and when.
    sample : {"auto", "full"} or int
        Base rows a churn; ``full`` takes every person-period; ``auto`` takes 20 a churn, at
        least 20,000, and everything where there is no more than that.
    seed : int
        Of the draw.

    Raises
    ------
    UsageError
        ``sample`` is none of those.
    """
    total, events = risk.person_periods, risk.events
    if sample == "full":
        base = total
    elif sample == "auto":
        base = max(PER_EVENT * events, LEAST_BASE)
    else:
        base = _per_event(sample) * events
    if base >= total:
        return _all_rows(risk)
    generator = np.random.Generator(np.random.PCG64(seed))
    index = np.sort(generator.choice(total, size=base, replace=False, shuffle=False))
    spell, period = risk.locate(index)
    cases = np.flatnonzero(risk.spells["event"].to_numpy())
    spell = np.concatenate([cases, spell])
    period = np.concatenate([risk.spells["last"].to_numpy()[cases], period])
    event = np.concatenate([np.ones(len(cases), int), np.zeros(base, int)])
    text = f"{events:,} churns and {base:,} of {total:,} person-periods, drawn at random"
    offset = float(np.log(total / base))
    return Sample(_rows(risk, spell, period, event), offset, "logit", text)


def _per_event(sample: str | int) -> int:
    try:
        number = int(sample)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(one_of("sample", sample, ("auto", "full", "a number from 1")))
    return number


def _all_rows(risk: RiskSet) -> Sample:
    spell, period = risk.locate(np.arange(risk.person_periods))
    spells = risk.spells
    event = spells["event"].to_numpy()[spell] & (period == spells["last"].to_numpy()[spell])
    text = f"all {len(spell):,} person-periods with {risk.events:,} churns"
    return Sample(_rows(risk, spell, period, event.astype(int)), 0.0, "cloglog", text)


def _rows(risk: RiskSet, spell: np.ndarray, period: np.ndarray, event: np.ndarray) -> pd.DataFrame:
    spells = risk.spells
    known_since = risk.start_of(spells.groupby("customer_id")["first"].transform("min").to_numpy())
    start = risk.start_of(period)
    half = risk.period_days / 2
    cut = start.copy()
    if risk.renewals is not None:
        # The decision may fall before the renewal: what came after it is not its cause.
        decided = np.floor(spells["event_at"].to_numpy()[spell])
        cut = np.where((event == 1) & (decided < cut), decided, cut)
    return pd.DataFrame(
        {
            "spell": spell,
            "customer_id": spells["customer_id"].to_numpy()[spell],
            "event": event,
            "cut": cut,
            "mid": cut + half,
            "tenure": np.maximum(start + half - spells["started"].to_numpy()[spell], 0.0),
            "start": start,
            "seen": start + half - known_since[spell],
        }
    )
