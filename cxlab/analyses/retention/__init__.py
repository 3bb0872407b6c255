"""How long do customers stay, and who leaves sooner?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention import rates, readable, segments, words
from cxlab.analyses.retention.cliffs import cliffs
from cxlab.analyses.retention.cohorts import cohorts
from cxlab.analyses.retention.comeback import comeback
from cxlab.analyses.retention.ends import ends, ends_by_group
from cxlab.analyses.retention.first_bad import first_bad
from cxlab.analyses.retention.seen import LEFT, OTHERWISE, Seen, see, stretch
from cxlab.analyses.retention.segments import Segment
from cxlab.analyses.retention.words import findings
from cxlab.analyses.retention.worth import worth
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError, UsageError, one_of, within
from cxlab.frames.periods import EPOCH
from cxlab.models.intervals import LEVEL, Z
from cxlab.models.survival import Curve, Lifetimes, restricted_means
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, counted

__all__ = ["findings", "run"]

_COLUMNS = ["term", "tenure", "estimate", "conf_low", "conf_high", "p_value", "n", "unit"]
_POINTS = 200
# Lifetimes are averaged up to a mark that this share of those ever at risk at once reaches.
_REACH = 0.05
_SILENCE = (
    "Here churn is silence: of those silent at the end of the data some will come back, so that "
    "the last months look worse than they are."
)
_ONCE = (
    "Here churn is silence, dated just after the last contact: a cliff in the first days is of "
    "those who came once."
)


def run(
    dataset: Dataset,
    *,
    segment: str = "",
    horizon: int = 0,
    min_group: int = 10,
    margin: float = 1.0,
    discount_rate: float = 0.1,
    value_years: int = 5,
) -> Result:
    """Estimate how long customers stay, for all and by their attributes.

    The end that counts is voluntary churn, as for the drivers; customers whose contract ended
    otherwise are followed until then. Customers who were there before the feed enter late.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, or a snapshot (without calendar).
    segment : str
        The attribute whose groups are shown; empty: the one that separates most.
    horizon : int
        Tenure up to which lifetimes are averaged, in the unit of tenure; 0: the last of the
        usual marks to which enough are followed.
    min_group : int
        Groups of fewer customers are withheld, and curves end where fewer are at risk.
    margin : float
        The share of what customers pay that is profit.
    discount_rate : float
        By how much a year's wait lowers value.
    value_years : int
        How far ahead value is counted.

    Returns
    -------
    Result
        ``term, tenure, estimate, conf_low, conf_high, p_value, n, unit``: the share that stays
        beyond each mark (n: at risk there), the median and the mean up to the horizon.
        Parts: ``curve``; ``ends`` and ``ends_curve`` (where there are other ends), and
        ``ends_by_group``; ``segments``, ``levels``, ``pairs`` and ``segment_curves`` (where
        groups can be compared); ``by_tenure``; ``cliffs`` and ``hazard``; ``cohorts``;
        ``first_bad``, ``first_bad_curves`` and ``first_bad_balance``; ``by_month`` (dated
        data). ``cliffs``, ``cohorts`` and ``first_bad`` are there without rows too, saying why.
        ``worth`` and ``retention_worth`` (see :func:`.worth.worth`), and, where churn is
        silence, ``comeback`` (:func:`.comeback.comeback`). In words, for reading: ``stays``,
        ``attributes``, ``groups``, ``two_by_two``, ``how_groups_end``, ``after_first_bad``,
        ``worths``, ``retention_worths``, ``comebacks``.

    Raises
    ------
    UsageError
        An option is out of its bounds, or there is no such attribute.
    AnalysisError
        Nobody left of their own will, or the attribute asked for has no groups to compare.
    """
    within(1, min_group=min_group)
    within(0, horizon=horizon)
    if segment and segment not in dataset.attributes:
        what = f"{dataset.path}: table customers: segment"
        raise UsageError(one_of(what, segment, dataset.attributes or ["none: no attributes"]))
    seen = see(dataset)
    span = stretch(seen.lives, min_group)
    meta = _meta(dataset, seen) | {"min_group": min_group}
    if span is None or span[1] <= span[0]:
        told = f"Fewer than {min_group} customers are followed: nothing is shown of them."
        return Result("retention", pd.DataFrame(columns=_COLUMNS), (), meta, told)
    until = _horizon(seen, span, horizon, dataset)
    ticks = seen.scale.ticks(span[1])
    meta |= {"start": span[0], "end": span[1], "horizon": until, "ticks": ticks.tolist()}
    parts = {"curve": _curve(seen, span)}
    parts |= ends(seen, _since(seen, span), span)
    tried = {a: segments.compare(seen, a, span[0], until, min_group) for a in seen.attributes}
    compared = {a: s for a, s in tried.items() if isinstance(s, Segment)}
    left_out = {a: s for a, s in tried.items() if isinstance(s, str)}
    if segment in left_out:
        raise AnalysisError(
            f"{dataset.path}: table customers: {segment} cannot be shown by group: "
            f"{left_out[segment]}"
        )
    parts |= _segments(seen, compared, segment, ticks, min_group)
    if "levels" in parts:
        meta["segment"] = parts["levels"].meta["segment"]
    parts |= _times(dataset, seen, span, min_group)
    parts |= first_bad(dataset, seen, min_group)
    parts["after_first_bad"] = readable.after_first_bad(parts["first_bad"])
    parts |= worth(
        dataset, seen.risk, segment=meta.get("segment", ""), margin=margin,
        discount_rate=discount_rate, value_years=value_years, min_group=min_group,
    )  # fmt: skip
    parts |= comeback(seen.risk, min_group) if seen.risk is not None else {}
    table = _table(seen, span, until)
    parts["stays"] = readable.stays(table, seen.scale)
    sentence = words.stays(table, meta, seen.scale)
    return Result(
        "retention",
        table,
        (
            *_checks(seen, span, min_group),
            *parts["first_bad"].checks,
            _not_shown(compared, left_out, min_group),
        ),
        meta,
        sentence,
        parts,
    )


def _meta(dataset: Dataset, seen: Seen) -> dict[str, Any]:
    meta = {
        **dataset.about(),
        "scale": "share",
        "level": LEVEL,
        "customers": seen.customers,
        "churns": seen.ended(LEFT),
        "other_ends": seen.ended(OTHERWISE),
        "tenure_unit": seen.scale.unit,
        "per": seen.scale.per,
    }
    if seen.risk is not None:
        first = max(seen.risk.begin, seen.risk.spells["started"].min())
        instants = (EPOCH + dt.timedelta(days=float(d)) for d in (first, seen.risk.end - 1e-6))
        meta["period"] = [i.date().isoformat() for i in instants]
    return meta


def _horizon(seen: Seen, span: tuple[float, float], asked: int, dataset: Dataset) -> float:
    """Choose the tenure up to which lifetimes are averaged."""
    if asked:
        if not span[0] < asked <= span[1]:
            raise UsageError(
                f"horizon is {asked}; {dataset.path} allows: over {span[0]:g} and up to "
                f"{seen.scale.tell(span[1])}, where enough customers are followed"
            )
        return float(asked)
    marks = np.array(seen.scale.marks_within(span))
    if not len(marks):
        return span[1]
    most = seen.lives.at_risk(np.unique(seen.lives.exit)).max()
    reached = marks[seen.lives.at_risk(marks) >= _REACH * most]
    return float(reached[-1]) if len(reached) else float(marks[0])


def _since(seen: Seen, span: tuple[float, float]) -> Lifetimes:
    return seen.lives.since(span[0]) if span[0] else seen.lives


def _curve(seen: Seen, span: tuple[float, float]) -> Result:
    lives = _since(seen, span).ended_by(LEFT)
    at = segments.points(lives, span, seen.scale.ticks(span[1]), _POINTS)
    table = Curve(lives).at(at).drop(columns="se").assign(term="all customers", p_value=np.nan)
    return Result("curve", table[["term", "tenure", *_COLUMNS[2:7]]])


def _table(seen: Seen, span: tuple[float, float], until: float) -> pd.DataFrame:
    lives, scale = _since(seen, span).ended_by(LEFT), seen.scale
    curve = Curve(lives)
    marks = np.array(scale.marks_within(span))
    stays = curve.at(marks).drop(columns="se")
    stays["term"] = [f"stay beyond {scale.tell(m)}" for m in marks]
    stays["unit"] = "share"
    rows: list[dict[str, Any]] = []
    middle, low, high = curve.median()
    if middle <= span[1]:
        high = high if high <= span[1] else np.nan
        rows.append({"term": "median", "tenure": middle, "estimate": middle, "conf_low": low,
                     "conf_high": high})  # fmt: skip
    mean, covariance = restricted_means(lives, np.zeros(len(lives), int), span[0], until)
    width = Z * float(np.sqrt(covariance[0, 0]))
    rows.append({"term": f"mean up to {scale.tell(until)}", "tenure": until, "estimate": mean[0],
                 "conf_low": mean[0] - width, "conf_high": mean[0] + width})  # fmt: skip
    others = pd.DataFrame(rows).assign(n=len(np.unique(lives.customer)), unit=scale.unit)
    table = pd.concat([stays.assign(p_value=np.nan), others.assign(p_value=np.nan)])
    return table[_COLUMNS].reset_index(drop=True)


def _times(
    dataset: Dataset, seen: Seen, span: tuple[float, float], least: int
) -> dict[str, Result]:
    """Tell when customers leave: by tenure, by when they started, and by calendar month."""
    by_tenure = rates.by_tenure(seen, *span)
    told = words.when(by_tenure.table, seen.scale)
    found = {"by_tenure": replace(by_tenure, sentence=told)}
    found |= cliffs(seen, span) | {"cohorts": cohorts(seen, least)}
    if isinstance(dataset.settings.churn, Inactivity) and len(found["cliffs"].table):
        told = f"{found['cliffs'].sentence} {_ONCE}"
        found["cliffs"] = replace(found["cliffs"], sentence=told)
    if seen.risk is not None:
        by_month = rates.by_month(seen.risk, least)
        told = words.month(by_month.table)
        if isinstance(dataset.settings.churn, Inactivity):
            told += f" {_SILENCE}"
        found["by_month"] = replace(by_month, sentence=told)
    return found


def _segments(
    seen: Seen, compared: Mapping[str, Segment], asked: str, ticks: np.ndarray, least: int
) -> dict[str, Result]:
    """Compare the groups of all attributes, and show those of one."""
    tests = segments.segments(compared, seen.scale.unit)
    found = {"segments": tests}
    if tests.table.empty:
        return found
    chosen = compared[asked or tests.table["term"].iloc[0]]
    of = tests.table.set_index("term").loc[chosen.attribute]
    told = words.segment(chosen, tests.table, seen.scale, bool(asked))
    about = {
        "segment": chosen.attribute,
        "all_levels": sorted([*chosen.levels, *chosen.withheld]),
        "withheld": list(chosen.withheld),
        "start": chosen.start,
        "until": chosen.until,
        "clear": bool(of["p_holm"] < ALPHA),
    }
    found["attributes"] = readable.attributes(tests.table, seen.scale)
    found["levels"] = replace(segments.levels(chosen), sentence=told, meta=about)
    found["groups"] = readable.groups(found["levels"].table, chosen, seen.scale)
    if len(chosen.levels) > 2:
        found["pairs"] = segments.pairs(chosen)
        found["two_by_two"] = readable.two_by_two(found["pairs"], seen.scale)
    found["segment_curves"] = replace(segments.curves(chosen, ticks, least), meta=about)
    found |= ends_by_group(seen, chosen)
    if "ends_by_group" in found:
        found["how_groups_end"] = readable.ends_by_group(found["ends_by_group"])
    return found


def _checks(seen: Seen, span: tuple[float, float], least: int) -> list[Check]:
    """Say how customers were followed."""
    scale, lives = seen.scale, seen.lives
    made = [Check("churns", seen.ended(LEFT) >= 2 * least, counted(seen.ended(LEFT), "churn"))]
    if seen.late:
        text = (
            f"{seen.late:,} of {counted(len(lives), 'spell')} began before the feed; they are "
            "followed from its first day, since whoever had left before it was never seen"
        )
        made.append(Check("late entry", None, text))
    if span[0]:
        text = f"told from {scale.tell(span[0])} on: before it fewer than {least} are followed"
        made.append(Check("start", False, text))
    if others := seen.ended(OTHERWISE):
        text = (
            f"{counted(others, 'spell')} ended otherwise than by the customer's choice; the curve "
            "follows them until then, and shows how many would stay if there were no such ends"
        )
        made.append(Check("other ends", None, text))
    if again := len(lives) - seen.customers:
        text = (
            f"{counted(again, 'spell is', 'spells are')} of customers who came back: tenure "
            "starts anew, and intervals and tests take the spells of a customer together"
        )
        made.append(Check("returning customers", None, text))
    if seen.risk is not None and seen.risk.renewals is not None:
        made.append(Check("renewals", None, "leaving is bound to renewals: curves fall in steps"))
    return made


def _not_shown(compared: Mapping[str, Segment], left_out: Mapping[str, str], least: int) -> Check:
    """Name the attributes and groups left out, and why."""
    told = [f"{name}: {why}" for name, why in left_out.items()]
    for name, s in compared.items():
        if s.withheld:
            why = f"fewer than {least} customers, or not followed from the start"
            told.append(f"{name}: {', '.join(s.withheld)} ({why})")
    return Check("not shown by group", None, "; ".join(told) or "none")
