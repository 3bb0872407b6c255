"""Which kinds of customers are there, by what they do?"""

from __future__ import annotations

import pandas as pd

from cxlab.analyses.personas import (
    after,
    degrees,
    drift,
    drivers,
    paths,
    portraits,
    readable,
    segments,
    words,
)
from cxlab.analyses.personas.forming import Options, Study, study
from cxlab.analyses.personas.rule import FILE, read_rule
from cxlab.analyses.personas.words import findings
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError, within
from cxlab.frames.periods import risk_set
from cxlab.models.intervals import LEVEL
from cxlab.results import Kept, Result

__all__ = ["findings", "kept", "run"]

_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "stability", "persona"]


def run(
    dataset: Dataset,
    *,
    state: str = "",
    window_days: int = 180,
    follow_days: int = 180,
    least_contacts: int = 5,
    min_group: int = 10,
    needs: pd.DataFrame | None = None,
    nulls: int = 99,
    seed: int = 1,
) -> Result:
    """Tell which kinds of customers there are by what they do, if there are any.

    Customers are seen over a window that ends ``follow_days`` before the end of the data, and
    followed from there. Only behaviours that are customers' own form personas: even weeks must
    tell customers apart as odd ones do. Groups count where they are apart, beyond what data
    without groups show, and stable (:func:`cxlab.models.clusters.find`).

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    state : str
        Folder of what an earlier run kept; with a rule there, customers are given their persona
        by it, and what has changed since is told.
    window_days, follow_days : int
        Days in which customers are seen, and in which they are followed afterwards.
    least_contacts : int
        Of fewer contacts a customer is too seldom seen to tell.
    min_group : int
        Figures of fewer customers are withheld.
    needs : pandas.DataFrame, optional
        ``customer_id, at`` (days) and ``theme``: what customers wrote about.
    nulls : int
        How many data without groups the groups are held against.
    seed : int
        Of all draws.

    Returns
    -------
    Result
        A row a persona, and those of none: ``term`` (its name), ``estimate`` (share of the
        customers), its interval, ``p_value`` (none), ``n, stability, persona``. Parts:
        ``features``, ``behaviours``, ``apart`` (the numbers of groups that were tried),
        ``retention``, ``segment_curves``, ``paths``, ``burdens``, ``drivers``,
        ``driver_touchpoints``, ``segments``, ``segment_tests``, ``drift``; in words:
        ``portraits``, ``features_shown``, ``drivers_shown``, ``differing``, ``by_segment``,
        ``drifted``. Without personas: ``behaviours, differing``
        and ``apart`` alone. ``meta["rule"]`` is the text of the rule, empty without one.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    DataError
        The rule that was kept cannot be read.
    """
    within(1, window_days=window_days, follow_days=follow_days, least_contacts=least_contacts,
           min_group=min_group, nulls=nulls)  # fmt: skip
    rule = read_rule(state)
    dataset.require("interactions")
    try:
        risk = risk_set(dataset)
    except AnalysisError as error:
        return _nothing(dataset, str(error).removeprefix(f"{dataset.path}: "))
    options = Options(window_days, follow_days, least_contacts, min_group, nulls, seed)
    found = study(risk, rule, options, needs)
    if not len(found.then):
        days = found.options.window_days + follow_days
        return _nothing(
            dataset, f"no customer was there for the {days} days that the window and what follows "
            "it take",
        )  # fmt: skip
    return _told(found)


def _told(found: Study) -> Result:
    table = portraits.personas(found)
    currency = found.risk.dataset.settings.currency
    behaviours = degrees.behaviours(found)
    parts = {
        "behaviours": behaviours,
        "differing": readable.differing(behaviours.table, currency),
        "apart": Result("apart", found.found.tried),
    }
    said: dict[str, str] = {}
    if found.rule is not None:
        features = portraits.compared(found)
        said = portraits.sentences(found, features.table)
        parts |= {"features": features,
                  "features_shown": readable.shown_features(features.table, currency)}  # fmt: skip
        parts |= after.retention(found)
        parts |= {"paths": paths.paths(found), "burdens": after.burdens(found)}
        parts |= drivers.drivers(found)
        said = {
            name: " ".join(
                filter(None, [text, paths.portrait(parts["paths"], name),
                              drivers.portrait(parts, name)])
            )
            for name, text in said.items()
        }  # fmt: skip
        parts |= segments.segments(found)
        parts["by_segment"] = readable.by_segment(found, parts["segments"].table)
        parts["drift"] = drift.drift(found)
        parts["drifted"] = readable.drifted(parts["drift"])
        stay, hurt = parts["retention"].table, parts["drivers"].table
        parts["portraits"] = readable.portraits(table, features.table, stay, hurt, currency)
    return Result(
        "personas", table, tuple(words.checks(found, parts)), _meta(found, said),
        words.headline(found, table), parts,
    )  # fmt: skip


def _meta(found: Study, said: dict[str, str]) -> dict[str, object]:
    share, low, high, mark = after.still_there(found)
    left = after.lives(found).cause == 1
    return {
        **found.risk.dataset.about(),
        "scale": "share of customers",
        "level": LEVEL,
        "period": list(found.period),
        "followed": after.window(found),
        "window_days": found.options.window_days,
        "follow_days": found.options.follow_days,
        "least_contacts": found.options.least_contacts,
        "min_group": found.options.min_group,
        "customers": len(found.then),
        "seen": int(found.enough.sum()),
        "churns": int(left.sum()),
        "stay": [share, low, high, mark],
        "ticks": after.ticks(float(found.options.follow_days)).tolist(),
        "tenure_unit": "days after the window",
        "personas": list(found.names),
        "portraits": said,
        "rule": found.rule.written() if found.rule else "",
    }


def _nothing(dataset: Dataset, why: str) -> Result:
    return Result(
        "personas", pd.DataFrame(columns=_COLUMNS), (), {**dataset.about(), "rule": ""},
        f"Personas cannot be told: {why}.",
    )  # fmt: skip


def kept(result: Result) -> Kept | None:
    """Give the rule that the next run is to use; None without one.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    return Kept(FILE, str(result.meta["rule"])) if result.meta["rule"] else None
