"""A part of retention as a page shows it: its sentence, its pictures, its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxlab.plots import cohorts, retention, worth
from cxlab.plots.picture import Picture, picture
from cxlab.results import Plain, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["shown"]

_Pair = tuple[Callable[..., "Axes"], Callable[[Result], dict[str, Any]]]
# The part whose rows it takes, the picture's name, how it is drawn and told.
_PICTURES: Mapping[str, tuple[str, _Pair]] = {
    "curve": ("curve", (retention.curve, retention.curve_words)),
    "ends": ("ends", (retention.ends, retention.ends_words)),
    "ends_by_group": ("ends_by_group", (cohorts.ends_by_group, cohorts.ends_by_group_words)),
    "segment_curves": ("groups", (retention.segment_curves, retention.segment_curves_words)),
    "by_tenure": ("tenures", (retention.tenures, retention.tenures_words)),
    "hazard": ("cliffs", (cohorts.cliffs, cohorts.cliffs_words)),
    "cohorts": ("cohorts", (cohorts.cohorts, cohorts.cohorts_words)),
    "first_bad_curves": ("first_bad", (cohorts.after_first_bad, cohorts.after_first_bad_words)),
    "by_month": ("months", (retention.months, retention.months_words)),
    "comeback": ("comeback", (worth.comeback, worth.comeback_words)),
    "worth": ("worth", (worth.worth, worth.worth_words)),
    "retention_worth": ("worth_of_more", (worth.retention_worth, worth.retention_worth_words)),
}

# A picture that is not drawn where there is a fuller one.
_INSTEAD = {"by_tenure": "hazard"}


def shown(
    result: Result, *names: str, table: tuple[str, ...] = ()
) -> list[Plain | Picture | Result]:
    """Give what a page shows of parts of retention, in order; nothing of those not there.

    Parameters
    ----------
    result : Result
        Of ``retention``.
    *names : str
        The parts whose sentences and pictures are shown; ``""``: its own sentence.
    table : tuple of str
        The parts whose tables are shown below.

    Returns
    -------
    list
        The sentences, a line each; the pictures of parts that have rows; the tables that do.
    """
    said = [result.sentence if not n else result.parts[n].sentence for n in names
            if not n or n in result.parts]  # fmt: skip
    lines = [line for text in said for line in text.splitlines()]
    made: list[Plain | Picture | Result] = [Plain(*lines)] if lines else []
    for part in names:
        drawn = part in _PICTURES and _INSTEAD.get(part) not in result.parts
        if drawn and part in result.parts and len(result.parts[part].table):
            name, (draw, tell) = _PICTURES[part]
            if told := tell(result):
                made.append(picture(draw(result), name=f"retention_{name}", **told))
    there = [result.parts[n] for n in table if n in result.parts]
    return made + [replace(part, sentence="") for part in there if len(part.table)]
