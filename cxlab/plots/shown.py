"""A part of the driver model as a page shows it: its sentence, its pictures, its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxlab.plots import doubts, drivers, fading, further, groups
from cxlab.plots.picture import Picture, picture
from cxlab.results import Plain, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["shown"]

_Pair = tuple[Callable[..., "Axes"], Callable[[Result], dict[str, Any]]]
_PICTURES: Mapping[str, Mapping[str, _Pair]] = {
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
}


def shown(
    result: Result, *names: str, words: bool = True, table: bool = False
) -> list[Plain | Picture | Result]:
    """Give what a page shows of parts of the driver model, in order; nothing of those not there.

    Parameters
    ----------
    result : Result
        Of ``churn_drivers``.
    *names : str
        The parts; none: the driver table itself.
    words : bool
        Whether their sentences are shown.
    table : bool
        Whether their tables are shown too.

    Returns
    -------
    list
        The parts' sentences, a line each; then their pictures, where there is something to
        draw; then their tables, where they are not empty.
    """
    there = {n: result.parts[n] for n in names if n in result.parts}
    parts = there if names else {"": result}
    lines = [line for part in parts.values() for line in part.sentence.splitlines() if words]
    made: list[Plain | Picture | Result] = [Plain(*lines)] if lines else []
    for part in parts:
        for name, (draw, tell) in _PICTURES.get(part, {}).items():
            if said := tell(result):
                made.append(picture(draw(result), name=f"churn_drivers_{name}", **said))
    if table:
        made += [replace(p, sentence="") for p in parts.values() if len(p.table)]
    return made
