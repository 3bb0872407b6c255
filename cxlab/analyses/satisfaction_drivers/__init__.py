"""Which ratings go with the overall score?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers import readable, shares
from cxlab.analyses.satisfaction_drivers.afterwards import AFTERWARDS, afterwards
from cxlab.analyses.satisfaction_drivers.asymmetry import asymmetry
from cxlab.analyses.satisfaction_drivers.beside import beside
from cxlab.analyses.satisfaction_drivers.checks import checks, off_scale
from cxlab.analyses.satisfaction_drivers.estimate import Estimates, alone, estimate
from cxlab.analyses.satisfaction_drivers.prepare import PER_RATING, Study, prepare
from cxlab.analyses.satisfaction_drivers.quadrant import quadrant
from cxlab.analyses.satisfaction_drivers.segments import segments
from cxlab.analyses.satisfaction_drivers.words import findings, headline
from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, one_of, within
from cxlab.frames.ratings import Ratings, ratings
from cxlab.models.intervals import LEVEL
from cxlab.results import Result, counted

__all__ = ["findings", "run"]

_MISSING = ("auto", "imputed", "pairwise", "complete", "apart")


def run(
    dataset: Dataset,
    *,
    overall: str = "",
    link_days: int = 90,
    missing: str = "auto",
    min_group: int = 10,
    seed: int = 1,
) -> Result:
    """Share out what ratings tell of the overall score, with intervals and signs.

    Parameters
    ----------
    dataset : Dataset
        In either form, with feedback.
    overall : str
        The overall score: a metric or a rating's name; empty: see
        :func:`cxlab.frames.ratings.ratings`.
    link_days : int
        Where ratings are not given together with the overall score: how long before it.
    missing : {"auto", "imputed", "pairwise", "complete", "apart"}
        What is done where a rating was not given: it is drawn several times from the others
        (the default for ratings of one response); correlations are taken from the pairs that
        are there; only complete responses count; or not having rated is a state of its own
        (the default for ratings from before).
    min_group : int
        Ratings and groups of fewer customers are withheld.
    seed : int
        Of draws.

    Returns
    -------
    Result
        A row a driver, the largest share first: ``estimate`` is its Shapley share of what all
        explain, ``r2_part`` the same of the overall score's variance (they sum to R squared),
        ``relative_weight`` Johnson's, ``slope`` overall points a point of the rating,
        ``p_value`` and ``q_value`` of no slope, ``positive_probability`` how often it was
        positive, drawn anew. Parts: ``asymmetry``, ``quadrant``, ``segments``, ``beside`` and,
        of ratings given before, ``afterwards``; for reading: ``drivers``, ``factors``, ``ways``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    if missing not in _MISSING:
        raise UsageError(one_of("missing", missing, _MISSING))
    within(1, link_days=link_days, min_group=min_group)
    meta: dict[str, Any] = {**dataset.about(), "level": LEVEL, "min_group": min_group,
                            "link_days": link_days}  # fmt: skip
    source = ratings(dataset, overall=overall, link_days=link_days, least=min_group)
    study = prepare(source, missing, min_group) if isinstance(source, Ratings) else source
    if isinstance(study, str):
        empty = pd.DataFrame(columns=shares.COLUMNS)
        told = f"What drives the overall score cannot be told: {study}."
        return Result("satisfaction_drivers", empty, meta=meta, sentence=told)
    meta |= _about(study)
    correlation = alone(study, seed)
    if not study.enough:
        return _too_few(dataset, study, correlation, meta)
    none = np.zeros((len(study.y), 0))
    made = estimate(study, none, seed)
    table = shares.table(study, made, correlation)
    r2 = _adjusted(study, made)
    meta |= {"r_squared": float(made.r2[0]), "r_squared_adjusted": r2[0], "r_squared_low": r2[1],
             "r_squared_high": r2[2], "rows": made.rows}  # fmt: skip
    order = {t: i for i, t in enumerate(table["term"])}
    parts = {
        "asymmetry": asymmetry(study, none, min_group),
        "quadrant": quadrant(study, made, set(table.loc[table["verdict"] == "matters", "term"])),
        "segments": segments(study, min_group, seed),
        "beside": beside(study, none, seed),
    }
    ways = parts["beside"].table
    ways = ways.assign(place=ways["term"].map(order)).sort_values("place", kind="stable")
    if study.source.linked:
        later = ratings(
            dataset, overall=overall, link_days=link_days, least=min_group, after=True
        )  # fmt: skip
        parts["afterwards"] = afterwards(study.source, later, min_group)
    parts["drivers"] = readable.drivers(table, study.overall.name)
    parts["factors"] = readable.factors(parts["asymmetry"].table)
    parts["ways"] = readable.ways(ways)
    if (told_apart := _told_apart(parts["segments"])).table.size:
        parts["segments_told"] = told_apart
    found = (*checks(study, made, r2[0]), *off_scale(dataset))
    if "afterwards" in parts:
        found = (*found, *parts["afterwards"].checks)
    told = headline(table, study.overall.name, meta["overall_scale"], r2)
    if any(c.name == AFTERWARDS and c.passed is False for c in found):
        told += " Ratings given after it go with it as well: see whether it is the other way round."
    return Result("satisfaction_drivers", table, found, meta, told, parts)


def _about(study: Study) -> dict[str, Any]:
    at, (low, high) = study.source.rows["at"], study.overall.scale
    meta: dict[str, Any] = {
        "overall": study.overall.name,
        "overall_scale": f"{low:g} to {high:g}",
        "linked": study.source.linked,
        "missing": study.missing,
        "customers": study.customers,
        "responses": len(study.y),
    }
    if at.notna().any():
        days = pd.to_datetime([at.min(), at.max()], unit="D")
        meta["period"] = [d.date().isoformat() for d in days]
    return meta


def _adjusted(study: Study, made: Estimates) -> tuple[float, float, float]:
    """Take from R squared, and from its interval, what so many ratings would explain by chance.

    Replicates have that twice over, so that their percentiles are moved to lie about the
    adjusted figure.
    """
    p = len(study.drivers)
    free = max(made.rows - p - 1, 1)
    middle = float(1 - (1 - made.r2[0]) * (made.rows - 1) / free)
    low, high = shares.spread(made.r2[1:]) - made.r2[1:].mean() + middle
    low, high = np.clip([low, high], 0.0, 1.0)
    return max(middle, 0.0), float(low), float(high)


def _too_few(
    dataset: Dataset, study: Study, correlation: np.ndarray, meta: dict[str, Any]
) -> Result:
    table = shares.only_alone(study, correlation)
    who = counted(study.modelled, "customer")
    who += " with all ratings" if study.missing == "complete" else ""
    p = counted(len(study.drivers), "rating")
    text = (
        f"{who}, for {p}, are too few to tell ratings from each other ({PER_RATING} "
        "customers a rating are needed): each is told by itself alone."
    )
    parts = {"drivers": readable.drivers(table, study.overall.name)}
    found = (*checks(study, None, np.nan), *off_scale(dataset))
    return Result("satisfaction_drivers", table, found, meta, text, parts)


def _told_apart(part: Result) -> Result:
    """Give the slopes that differ between groups, for reading."""
    shown = part.table[part.table["differs"].astype(bool)] if len(part.table) else part.table
    columns = ["attribute", "level", "term", "estimate", "conf_low", "conf_high", "n", "p_holm"]
    return replace(part, name="segments_told", table=shown[columns], sentence="")
