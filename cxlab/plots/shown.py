"""A part of a result as a page shows it: its sentence, its pictures, its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cxlab.plots import cohorts, doubts, drivers, fading, further, groups, retention, worth
from cxlab.plots.picture import Drawing, Picture, pictures
from cxlab.results import Plain, Result

__all__ = ["shown"]

_PICTURES: Mapping[str, Mapping[str, Mapping[str, Drawing]]] = {
    "churn_drivers": {
        "": {"forest": (drivers.forest, drivers.forest_words)},
        "worth": {"worth": (drivers.worth, drivers.worth_words)},
        "half_life": {"memory": (fading.memory, fading.memory_words)},
        "by_age": {"by_age": (fading.effect_by_age, fading.effect_by_age_words)},
        "washout_sweep": {"washout_sweep": (fading.washout_sweep, fading.washout_sweep_words)},
        "agreement": {"agreement": (doubts.agreement, doubts.agreement_words)},
        "placebo_outcomes": {"placebo": (doubts.placebo_outcomes, doubts.placebo_outcomes_words)},
        "segments": {"segments": (groups.segments, groups.segments_words)},
        "by_tenure": {"by_tenure": (drivers.effect_by_tenure, drivers.effect_by_tenure_words)},
        "beyond": {"beyond": (further.beyond, further.beyond_words)},
        "scores": {
            "scores": (further.scores, further.scores_words),
            "by_score": (further.by_score, further.by_score_words),
        },
    },
    "retention": {
        "curve": {"curve": (retention.curve, retention.curve_words)},
        "ends": {"ends": (retention.ends, retention.ends_words)},
        "ends_by_group": {"ends_by_group": (cohorts.ends_by_group, cohorts.ends_by_group_words)},
        "segment_curves": {"groups": (retention.segment_curves, retention.segment_curves_words)},
        "by_tenure": {"tenures": (retention.tenures, retention.tenures_words)},
        "hazard": {"cliffs": (cohorts.cliffs, cohorts.cliffs_words)},
        "cohorts": {"cohorts": (cohorts.cohorts, cohorts.cohorts_words)},
        "first_bad_curves": {"first_bad": (cohorts.after_first_bad, cohorts.after_first_bad_words)},
        "by_month": {"months": (retention.months, retention.months_words)},
        "comeback": {"comeback": (worth.comeback, worth.comeback_words)},
        "worth": {"worth": (worth.worth, worth.worth_words)},
        "retention_worth": {"worth_of_more": (worth.retention_worth, worth.retention_worth_words)},
    },
}
# A part is not drawn where there is a fuller one.
_INSTEAD = {"by_tenure": "hazard"}


def shown(
    result: Result, *names: str, words: bool = True, table: bool | tuple[str, ...] = False
) -> list[Plain | Picture | Result]:
    """Give what a page shows of parts of a result, in order; nothing of those not there.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers`` or ``retention``.
    *names : str
        The parts; ``""``, and none at all: the result itself.
    words : bool
        Whether their sentences are shown.
    table : bool or tuple of str
        Whether their tables are shown too; or the parts whose tables are shown in their place.

    Returns
    -------
    list
        The parts' sentences, a line each; then their pictures, where there is something to
        draw; then the tables, where they are not empty.
    """
    every = {"": result, **result.parts}
    parts = {n: every[n] for n in names or ("",) if n in every}
    lines = [line for part in parts.values() for line in part.sentence.splitlines() if words]
    made: list[Plain | Picture | Result] = [Plain(*lines)] if lines else []
    for name, part in parts.items():
        if len(part.table) and not (name in _INSTEAD and _INSTEAD[name] in every):
            made += pictures(result, _PICTURES[result.name].get(name, {}))
    tables = table if isinstance(table, tuple) else tuple(parts) if table else ()
    return made + [
        replace(every[n], sentence="") for n in tables if n in every and len(every[n].table)
    ]
