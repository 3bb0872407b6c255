"""What becomes of customers, all ends counted: for all, and by the groups of an attribute."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.retention import words
from cxlab.analyses.retention.seen import LEFT, OTHERWISE, Scale, Seen, groups
from cxlab.analyses.retention.segments import Segment, points
from cxlab.models.intervals import LEVEL, holm, wald_p
from cxlab.models.survival import Curve, Lifetimes, cumulative_incidence, incidences
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result

__all__ = ["NAMES", "ends", "ends_by_group"]

NAMES = {LEFT: "left", OTHERWISE: "ended otherwise"}
"""What the tables call the ends."""

_POINTS = 50


def ends(seen: Seen, lives: Lifetimes, span: tuple[float, float]) -> dict[str, Result]:
    """Follow all ends beside each other, where customers end in more than one way.

    Parameters
    ----------
    seen : Seen
        The lifetimes.
    lives : Lifetimes
        The same, from the first tenure on at which enough are followed.
    span : tuple of float
        The tenures between which enough are followed.
    """
    if not seen.ended(OTHERWISE):
        return {}
    scale = seen.scale
    marks = scale.marks_within(span) or [span[1]]
    table = _incidences(lives, np.array(marks, dtype=float))
    even = np.linspace(*span, _POINTS + 1)
    steps = points(lives, span, scale.ticks(span[1]), 0)
    return {
        "ends": Result("ends", table, sentence=words.ends(table, scale)),
        "ends_curve": Result("ends_curve", _incidences(lives, np.union1d(even, steps))),
    }


def _incidences(lives: Lifetimes, tenure: np.ndarray) -> pd.DataFrame:
    parts = [Curve(lives).at(tenure).assign(what="still there")]
    parts += [cumulative_incidence(lives, c, tenure).assign(what=w) for c, w in NAMES.items()]
    table = pd.concat(parts, ignore_index=True)
    return table[["what", "tenure", "estimate", "conf_low", "conf_high", "n"]]


def ends_by_group(seen: Seen, segment: Segment) -> dict[str, Result]:
    """Compare how each group of an attribute ends by a mark, with the largest group.

    Parameters
    ----------
    seen : Seen
        The lifetimes.
    segment : Segment
        The attribute and its groups.

    Returns
    -------
    dict of str to Result
        ``ends_by_group``: ``term`` (the group), ``what``, ``share, share_low, share_high``,
        ``estimate`` (less that of the largest group), its interval (Bonferroni over the
        groups), ``p_value, p_holm`` and ``n``. Empty without other ends, or a mark.
    """
    found = groups(seen.attributes[segment.attribute], seen.lives.exit)
    if not seen.ended(OTHERWISE) or not np.isfinite(segment.until) or isinstance(found, str):
        return {}
    code, names = found
    place = {names.index(level): k for k, level in enumerate(segment.levels)}
    group = np.array([place.get(c, -1) for c in range(len(names))])[code]
    inside = (group >= 0) & ((seen.lives.exit > segment.start) | (segment.start == 0))
    lives, group = seen.lives.where(inside), group[inside]
    if segment.start:
        lives = lives.since(segment.start)
    tables = [_compared(lives, group, cause, segment) for cause in NAMES]
    table = pd.concat(tables, ignore_index=True)
    meta = {"segment": segment.attribute, "until": segment.until, "all_levels": segment.levels}
    told = _sentence(table, segment, seen.scale)
    return {"ends_by_group": Result("ends_by_group", table, sentence=told, meta=meta)}


def _compared(lives: Lifetimes, group: np.ndarray, cause: int, segment: Segment) -> pd.DataFrame:
    """Give each group's incidence of an end, and how it differs from the largest group's."""
    share, covariance = incidences(lives, group, cause, segment.until)
    largest = int(np.argmax(segment.customers))
    at = np.array([segment.until])
    rows = []
    z = -special.ndtri((1 - LEVEL) / 2 / max(len(segment.levels) - 1, 1))
    for g, name in enumerate(segment.levels):
        own = cumulative_incidence(lives.where(group == g), cause, at).iloc[0]
        gap = share[g] - share[largest]
        c = covariance
        se = np.sqrt(max(c[g, g] + c[largest, largest] - 2 * c[g, largest], 0.0))
        told = (gap, gap - z * se, gap + z * se, np.nan if se == 0 else gap / se)
        if g == largest:
            told = (np.nan,) * 4
        rows.append((name, NAMES[cause], own["estimate"], own["conf_low"], own["conf_high"],
                     *told, segment.customers[g], g == largest))  # fmt: skip
    columns = ["term", "what", "share", "share_low", "share_high", "estimate", "conf_low",
               "conf_high", "z", "n", "reference"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    # A group not followed up to the mark has no share there.
    unknown = np.isnan(segment.mean)
    table.loc[unknown, ["share", "share_low", "share_high", "estimate", "conf_low", "conf_high",
                        "z"]] = np.nan  # fmt: skip
    table["p_value"] = wald_p(table["z"].to_numpy(float), np.ones(len(table)))
    table["p_holm"] = holm(table["p_value"].to_numpy())
    return table.drop(columns="z")


def _sentence(table: pd.DataFrame, segment: Segment, scale: Scale) -> str:
    """Say which groups end otherwise more or less often than the largest."""
    other = table[table["what"] == NAMES[OTHERWISE]]
    name = segment.levels[int(np.argmax(segment.customers))]
    until = scale.tell(segment.until)
    clear = other[other["p_holm"] < ALPHA]
    if clear.empty:
        return (
            f"By {until}, no group of {segment.attribute} has clearly more or fewer ends that the "
            f"customer did not choose than the largest, {name}."
        )
    row = clear.loc[clear["estimate"].abs().idxmax()]
    way = "more" if row["estimate"] > 0 else "fewer"
    low, high = sorted(abs(100 * row[c]) for c in ("conf_low", "conf_high"))
    return (
        f"By {until}, {abs(100 * row['estimate']):.1f} {way} of 100 customers with "
        f"{segment.attribute} = {row['term']} than with {name} have ended without choosing to "
        f"(95% interval {low:.1f} to {high:.1f})."
    )
