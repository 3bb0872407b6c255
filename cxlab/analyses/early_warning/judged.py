"""How well each signal told who left: the league, and the differences, paired and corrected."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from cxlab.analyses.early_warning.study import BEHAVIOUR, BOTH, EVERYTHING, SCORES, Study
from cxlab.models.discrimination import (
    Figures,
    auc,
    calibration,
    captured,
    difference,
    skill,
)
from cxlab.models.followed import Outcome
from cxlab.models.intervals import holm, wald_p

__all__ = [
    "FEW",
    "TOP_SHARE",
    "ahead",
    "before_the_end",
    "differences",
    "lead",
    "league",
    "origins",
]

TOP_SHARE = 0.1
_ENDS = ["conf_low", "conf_high"]
# The days before the end at which the forecast is looked at apart.
_WINDOWS = (0, 14, 30, 60, 90, 180, 365)
FEW = 20
"""Of fewer who left no figure by days before the end is told."""


def league(study: Study) -> pd.DataFrame:
    """Judge each signal: area under the curve, skill, leavers among the top risks, calibration."""
    names, seen = list(study.signals), study.outcome
    told = study.chances(names)
    areas = auc(seen, told)
    table = areas.table()
    table.insert(0, "signal", names)
    table["p_value"] = wald_p(areas.estimate - 0.5, np.maximum(areas.se, 1e-12))
    table["n"], table["leavers"] = seen.judged, seen.leavers
    for name, figures in (
        ("skill", skill(seen, told, study.told.base)),
        ("captured", captured(seen, told, TOP_SHARE)),
    ):
        more = figures.table()
        table[name] = more["estimate"]
        table[[f"{name}_low", f"{name}_high"]] = more[_ENDS]
    right = calibration(seen, told).drop(columns=["intercept_se", "slope_se"])
    return pd.concat([table, right], axis=1)


def _pairs(study: Study) -> list[tuple[str, str]]:
    """Name what is compared, the one thought better first."""
    metrics, there = list(study.said), study.signals
    pairs = [(BEHAVIOUR, m) for m in metrics if BEHAVIOUR in there]
    pairs += list(combinations(metrics, 2))
    together = SCORES if SCORES in there else (metrics[0] if metrics else "")
    if BOTH in there:
        pairs += [(BOTH, BEHAVIOUR), (BOTH, together)]
    # Each against the simplest would be as many tests more, for what the league shows as well.
    rest = [] if BOTH in there else study.singles
    return [*pairs, *((name, study.base) for name in (*rest, EVERYTHING))]


def differences(study: Study) -> pd.DataFrame:
    """Compare signals on the same customers, corrected for all that is compared."""
    names, seen, pairs = list(study.signals), study.outcome, _pairs(study)
    told, place = study.chances(names), {name: i for i, name in enumerate(names)}
    places = [(place[a], place[b]) for a, b in pairs]
    parts = []
    for measure, figures in (
        ("AUC", auc(seen, told)),
        ("Brier skill", skill(seen, told, study.told.base)),
    ):
        table = figures.differences(places)
        table.insert(0, "measure", measure)
        table.insert(1, "signal", [a for a, _ in pairs])
        table.insert(2, "against", [b for _, b in pairs])
        table["signal_estimate"] = figures.estimate[[a for a, _ in places]]
        table["against_estimate"] = figures.estimate[[b for _, b in places]]
        table["p_holm"] = holm(table["p_value"].to_numpy())
        parts.append(table)
    return pd.concat(parts, ignore_index=True).assign(n=seen.judged, leavers=seen.leavers)


def lead(study: Study) -> pd.DataFrame:
    """Compare what each single signal tells at once with what it tells with the lead."""
    names = [study.base, *study.singles]
    days = np.intersect1d(study.told.judged, study.at_once.judged)
    with_lead = study.judged(study.options.until, study.options.lead_days, days)
    at_once = study.judged(study.options.horizon_days, 0, days)
    told = auc(with_lead, study.chances(names))
    first = auc(at_once, np.column_stack([study.at_once.chance[name] for name in names]))
    every = np.arange(len(names))
    gap = difference(first, told, every, every)
    parts = []
    for days_before, figures, seen in ((0, first, at_once),
                                       (study.options.lead_days, told, with_lead)):  # fmt: skip
        table = figures.table()
        table.insert(0, "signal", names)
        table.insert(1, "lead_days", days_before)
        parts.append(table.assign(n=seen.judged, leavers=seen.leavers))
    gap.insert(0, "signal", names)
    gap["p_holm"] = holm(gap["p_value"].to_numpy())
    columns = {c: f"change_{c}".replace("change_conf_", "change_") for c in ("estimate", *_ENDS)}
    gap = gap.rename(columns={**columns, "p_value": "change_p"})
    kept = ["signal", *columns.values(), "change_p", "p_holm"]
    whole = pd.concat(parts, ignore_index=True)
    return whole.merge(gap[kept].assign(lead_days=0), on=["signal", "lead_days"], how="left")


def _windows(study: Study) -> list[tuple[int, int]]:
    until = study.options.until
    edges = [d for d in _WINDOWS if d < until] + [until]
    if len(edges) > 2 and edges[-1] - edges[-2] < 30:
        del edges[-2]
    return list(pairwise(edges))


def before_the_end(study: Study) -> pd.DataFrame:
    """Tell how well each signal names those who leave soon, and those who leave late."""
    names = list(study.signals)
    told, parts = study.chances(names), []
    for low, high in _windows(study):
        seen = study.judged(high, low)
        table = _withheld(auc(seen, told), seen)
        table.insert(0, "signal", names)
        parts.append(table.assign(days_from=low, days_to=high, n=seen.judged,
                                  leavers=seen.leavers))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _withheld(figures: Figures, seen: Outcome) -> pd.DataFrame:
    """Give figures, none where too few left."""
    table = figures.table()
    if seen.leavers < FEW:
        table[:] = np.nan
    return table


def origins(study: Study) -> pd.DataFrame:
    """Judge each signal on each day by itself."""
    names, seen = list(study.signals), study.outcome
    told, parts = study.chances(names), []
    for place in study.told.judged:
        day = seen.where(seen.origin == place)
        table = auc(day, told).table()
        if day.leavers < study.options.min_group:
            table[:] = np.nan
        table.insert(0, "signal", names)
        table.insert(1, "day", study.marks.date(int(place)))
        parts.append(table.assign(n=day.judged, leavers=day.leavers))
    return pd.concat(parts, ignore_index=True)


def ahead(table: pd.DataFrame, one: str, other: str) -> tuple[int, int]:
    """Count the days on which one signal told better than another, and all that are told.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`origins`.
    one, other : str
        The signals.
    """
    wide = table.pivot_table("estimate", "day", "signal").reindex(columns=[one, other]).dropna()
    return int((wide[one] > wide[other]).sum()), len(wide)
