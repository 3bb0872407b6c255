"""What do customers go through, and where do journeys break?"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd

from cxlab.analyses.journeys import channels as by_channel
from cxlab.analyses.journeys import compare as comparison
from cxlab.analyses.journeys import experience, handoffs, paths, readable, touchpoints, whole
from cxlab.analyses.journeys.cutting import Cut, collected, cut, length
from cxlab.analyses.journeys.sides import read_sides
from cxlab.analyses.journeys.words import findings
from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.models.intervals import LEVEL
from cxlab.results import Check, Result, listed

__all__ = ["findings", "run"]


def run(
    dataset: Dataset,
    *,
    idle_hours: float = 0,
    exit_days: int = 30,
    window_days: int = 180,
    early_days: int = 90,
    follow_days: int = 90,
    compare: str = "",
    min_group: int = 10,
) -> Result:
    """Draw the journey map from data, and tell how journeys go on, break and come round again.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    idle_hours : float
        After so many hours without a contact a new session begins, where the data name no
        journey; 0: chosen by the data.
    exit_days : int
        An end within so many days follows a contact.
    window_days, follow_days : int
        What was lived through is summed up over so many days, and customers are followed for
        so many.
    early_days : int
        In which a customer's channels are counted.
    compare : str
        Two sides of the map: ``plan=basic vs plan=pro`` or
        ``2026-01..2026-03 vs 2026-04..2026-06``; empty: none.
    min_group : int
        Groups of fewer customers are withheld.

    Returns
    -------
    Result
        The journey map: a row a touchpoint and figure (see
        :func:`cxlab.analyses.journeys.touchpoints.journey_map`). Parts: ``transitions``,
        ``step_matrix``, ``flows``, ``handoff_rates``, ``handoff_pairs``, ``handoffs``, ``ends``,
        ``begun_at``, ``loops``, ``experience``, ``channels``, and ``compared`` where asked for.
        One that cannot be told has an empty table and a sentence that says why. In words, for
        reading: ``by_touchpoint``, ``by_start``, ``handed``, ``accounts``, ``by_channels``,
        ``differences``.

    Raises
    ------
    UsageError
        An option is out of its bounds, or ``compare`` cannot be read.
    AnalysisError
        There is no table ``interactions``, or nothing in it.
    """
    within(1, exit_days=exit_days, window_days=window_days, early_days=early_days,
           follow_days=follow_days, min_group=min_group)  # fmt: skip
    within(0, idle_hours=idle_hours)
    dataset.require("interactions")
    journeys = cut(dataset, idle_hours / 24, min_group)
    sides = read_sides(compare, dataset, journeys.contacts.people)
    told = touchpoints.asked(journeys)
    drawn = touchpoints.journey_map(journeys, told, exit_days)
    parts = {
        "transitions": paths.transitions(journeys),
        "step_matrix": paths.step_matrix(journeys),
        "flows": paths.flows(journeys),
        **_handoffs(journeys),
        "ends": whole.ends(journeys),
        "begun_at": whole.begun_at(journeys),
        "loops": whole.loops(journeys),
        "experience": _part("experience", experience.experience(journeys, window_days,
                                                                 follow_days)),
        "channels": _part("channels", by_channel.channels(journeys, early_days, follow_days)),
    }  # fmt: skip
    if sides is not None:
        parts["compared"] = comparison.compare(journeys, told, exit_days, sides)
    meta = _meta(journeys, drawn) | {"min_group": min_group}
    checks = (*journeys.checks, *_missing(told, drawn, journeys))
    parts |= _readable(drawn, parts)
    return Result("journeys", drawn.table, checks, meta, drawn.sentence, parts)


def _part(name: str, found: Result | str) -> Result:
    """Give a part, or in place of one that cannot be told the reason."""
    if isinstance(found, Result):
        return found
    return Result(name, pd.DataFrame(), sentence=f"This cannot be told here: {found}.")


def _handoffs(journeys: Cut) -> dict[str, Result]:
    rates = handoffs.rates(journeys)
    if isinstance(rates, str):
        names = ("handoff_rates", "handoff_pairs", "handoffs")
        return {name: _part(name, rates) for name in names}
    return {
        "handoff_rates": rates,
        "handoff_pairs": handoffs.pairs(journeys),
        "handoffs": _part("handoffs", handoffs.handoffs(journeys)),
    }


def _readable(drawn: Result, parts: dict[str, Result]) -> dict[str, Result]:
    made = {
        "by_touchpoint": (readable.by_touchpoint, drawn),
        "by_start": (readable.by_start, parts["begun_at"]),
        "handed": (readable.handed, parts["handoffs"]),
        "accounts": (readable.accounts, parts["experience"]),
        "by_channels": (readable.by_channels, parts["channels"]),
    }
    if "compared" in parts:
        made["differences"] = (readable.differences, parts["compared"])
    return {name: tell(part) for name, (tell, part) in made.items() if len(part.table)}


def _meta(journeys: Cut, drawn: Result) -> dict[str, Any]:
    at = collected(journeys.contacts.frame.select(a=nw.col("at").min(), b=nw.col("at").max()))
    days = pd.to_datetime(at.iloc[0], unit="D").dt.date
    customers = journeys.contacts.frame.select(n=nw.col("who").n_unique())
    return {
        **journeys.dataset.about(),
        **drawn.meta,
        "scale": "share",
        "level": LEVEL,
        "customers": int(collected(customers)["n"].iloc[0]),
        "contacts": journeys.contacts.rows,
        "given": journeys.contacts.given,
        "idle_days": journeys.steps.idle_days,
        "idle": length(journeys.steps.idle_days),
        "period": [d.isoformat() for d in days],
        "channels": list(journeys.contacts.channels),
    }


def _missing(told: touchpoints.Asked, drawn: Result, journeys: Cut) -> list[Check]:
    """Say what the map lacks, and what is withheld."""
    made = []
    for figure, why in told.missing.items():
        made.append(Check(f"map: {figure}", None, f"not told: {why}"))
    table = drawn.table
    few = table[table["withheld"]]
    text = "nothing"
    if len(few):
        named = [f"{r.touchpoint} ({r.figure})" for r in few.itertuples()]
        text = f"{listed(named, 6)}: fewer than {journeys.min_group} customers"
    places = drawn.meta["places"]
    volumes = [t for t, n in zip(places["touchpoint"], places["contacts"], strict=True)
               if n is None]  # fmt: skip
    if volumes:
        text += (
            f"; contacts at {listed(volumes, 6)}: of fewer than {journeys.min_group} customers, or "
            "all less the others would tell them"
        )
    made.append(Check("withheld on the map", None, text))
    stages = set(drawn.meta["places"]["stage"])
    if touchpoints.NO_STAGE in stages and len(stages) > 1:
        lone = [t for t, s in zip(drawn.meta["places"]["touchpoint"], drawn.meta["places"]["stage"],
                                  strict=True) if s == touchpoints.NO_STAGE]  # fmt: skip
        made.append(Check("stages", False, f"no stage is given for {listed(lone, 6)}"))
    return made
