"""What a bad contact does to each persona: the driver model on the days after the window.

Contacts of the window may stand behind a row, but only leaving after it is the outcome: what
formed personas is held equal, and no part of what is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.after import LEAST_EVENTS, lives
from cxlab.analyses.personas.driver_rows import HALF_LIFE, Followed, followed
from cxlab.analyses.personas.forming import Study
from cxlab.models.contrast import Rows, choose_places, stack
from cxlab.models.intervals import LEVEL, benjamini_hochberg, hazard_ratios, wald_p
from cxlab.models.pooling import partial_pool
from cxlab.results import counted

__all__ = ["BY_TOUCHPOINT", "COLUMNS", "Fitted", "fitted"]

# A persona needs so many who left after a bad contact that still tells, and as many rows of those
# who stayed: as the driver model asks of segments.
_LEAST_EXPOSED = 5
_EVENTS_PER_COLUMN = 5
COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "q_value", "against",
           "against_low", "against_high", "against_p", "against_q", "se", "n", "churns", "left",
           "why"]  # fmt: skip
BY_TOUCHPOINT = ["persona", "touchpoint", "estimate", "conf_low", "conf_high", "raw", "raw_low",
                 "raw_high", "p_value", "q_value", "n", "churns"]  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """What bad contacts do to each persona.

    Parameters
    ----------
    table, by_touchpoint : pandas.DataFrame
        :data:`COLUMNS` and :data:`BY_TOUCHPOINT`, as ``drivers`` tells them.
    meta : dict
        ``statistic, df, p_value`` of all being alike; ``same_p``: with where it failed held
        equal; ``level, half_life_days, churns, follows`` (touchpoints left out).
    rows : str
        What the model was fitted on, in words; empty where it was not.
    why : str
        Why nothing can be told; empty where something can.
    """

    table: pd.DataFrame
    by_touchpoint: pd.DataFrame
    meta: dict[str, Any]
    rows: str = ""
    why: str = ""


def fitted(study: Study) -> Fitted:
    """Estimate what one fresh bad contact does to each persona, against an ordinary one.

    A logit on person-days after the window, drawn as the driver model draws them: every churn, and
    a sample of the days at risk, half of them after bad contacts. Contacts and bad contacts fade
    with a half-life of 28 days; those of the last three days before a row are not seen. Held equal
    are tenure, month, attributes, activity, the share of bad contacts beyond what was to be
    expected, contacts at each touchpoint, and each persona's own level and ordinary contacts.
    Standard errors take a customer's rows together.

    Parameters
    ----------
    study : Study
        With personas.
    """
    left = int((lives(study).cause == 1).sum())
    if left < LEAST_EVENTS:
        return _nothing(
            f"{counted(left, 'customer')} left after the window, fewer than {LEAST_EVENTS}"
        )
    made = followed(study)
    if isinstance(made, str):
        return _nothing(made)
    table, coef, covariance = _by_persona(study, made)
    meta = {"level": LEVEL, "half_life_days": HALF_LIFE, "churns": int(made.rows.event.sum()),
            "follows": list(made.follows), **_alike(made, table, coef, covariance)}  # fmt: skip
    by_touchpoint = pd.DataFrame(_pairs(study, made), columns=BY_TOUCHPOINT)
    by_touchpoint["q_value"] = benjamini_hochberg(by_touchpoint["p_value"].to_numpy(float))
    return Fitted(table, by_touchpoint, meta, made.text)


def _nothing(why: str) -> Fitted:
    empty = pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=BY_TOUCHPOINT)
    return Fitted(*empty, {"level": LEVEL, "half_life_days": HALF_LIFE}, why=why)


# -- fits --------------------------------------------------------------------------------------


def _by_persona(study: Study, made: Followed) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Give a row a persona, the coefficients, and their covariance."""
    bad = made.bad.sum(axis=1)[:, None]
    fit = _with_levels(made).fit(bad * made.inside)
    coef, covariance = fit.exposure_coef, fit.exposure_covariance
    event = made.rows.event == 1
    churns, calm = (made.exposed(bad, e)[:, 0] for e in (1, 0))
    rows = []
    for g, name in enumerate(study.names):
        n, left = int(made.customers[g, -1]), int((event & (made.group == g)).sum())
        why = _too_few(study, g, n, left, int(churns[g]), int(calm[g]), covariance[g, g])
        rows.append({"term": name, "n": n, "left": left, "churns": int(churns[g]), "why": why})
    table = pd.DataFrame(rows)
    few = (table["why"] != "").to_numpy()
    told = np.flatnonzero(~few)
    b = np.where(few, np.nan, coef[:-1])
    se = np.where(few, np.nan, np.sqrt(np.diag(covariance))[:-1])
    ratio = hazard_ratios(b, se)
    table["estimate"] = ratio["hazard_ratio"]
    table["conf_low"], table["conf_high"] = ratio["conf_low"], ratio["conf_high"]
    table["se"], table["p_value"] = se, wald_p(b, se)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    gap, error = np.full((2, len(b)), np.nan)
    if len(told) > 1:
        # Each against the mean of the others.
        apart = (np.eye(len(told)) * len(told) - 1) / (len(told) - 1)
        spread = covariance[np.ix_(told, told)]
        gap[told], error[told] = apart @ b[told], np.sqrt(np.diag(apart @ spread @ apart.T))
    ratio = hazard_ratios(gap, error)
    table["against"] = ratio["hazard_ratio"]
    table["against_low"], table["against_high"] = ratio["conf_low"], ratio["conf_high"]
    table["against_p"] = wald_p(gap, error)
    table["against_q"] = benjamini_hochberg(table["against_p"].to_numpy(float))
    small = (table["n"] < study.options.min_group) | table.index.isin(list(study.withheld))
    table[["n", "churns", "left"]] = table[["n", "churns", "left"]].astype(float)
    table.loc[small, ["n", "churns", "left"]] = np.nan
    return table[COLUMNS], coef, covariance


def _too_few(
    study: Study, g: int, n: int, left: int, churns: int, calm: int, spread: float
) -> str:  # fmt: skip
    least = study.options.min_group
    if g in study.withheld:
        return "withheld"
    if n < least:
        return f"fewer than {least} of them met a bad contact"
    if left < LEAST_EVENTS:
        return f"{left} of them left, fewer than {LEAST_EVENTS}"
    if churns < _LEAST_EXPOSED:
        return f"{churns} of them left after a bad contact, fewer than {_LEAST_EXPOSED}"
    if calm < _LEAST_EXPOSED or not np.isfinite(spread):
        return "too few of them stayed after a bad contact to compare"
    return ""


def _with_levels(made: Followed) -> Rows:
    """Hold each persona's own level equal, its ordinary contacts, and contacts by touchpoint."""
    event = made.rows.event
    everywhere = np.ones(len(made.touchpoints), dtype=bool)
    at = [k for _, k in choose_places({"all": made.met}, event, everywhere)]
    inside = made.inside[:, 1:].astype(float)
    return made.rows.with_controls(
        inside, made.met.sum(axis=1)[:, None], made.met.sum(axis=1)[:, None] * inside,
        made.met[:, at],
    )  # fmt: skip


def _alike(
    made: Followed, table: pd.DataFrame, coef: np.ndarray, covariance: np.ndarray
) -> dict[str, Any]:
    """Test that bad contacts do the same to all personas, and at the same touchpoints too."""
    told = np.flatnonzero(table["estimate"].notna())
    if len(told) < 2:
        return {"statistic": np.nan, "df": 0, "p_value": np.nan, "same_p": np.nan}
    pooled = partial_pool(coef[told], covariance[np.ix_(told, told)])
    return {"statistic": pooled.q, "df": len(told) - 1, "p_value": pooled.p_value,
            "same_p": _at_the_same(made, told)}  # fmt: skip


def _at_the_same(made: Followed, told: np.ndarray) -> float:
    """Test the same with each touchpoint's own failures held; NaN where the data cannot."""
    from scipy import special

    sums = {"all": made.met, "bad": made.bad}
    everywhere = np.ones(len(made.touchpoints), dtype=bool)
    at = [p for p in choose_places(sums, made.rows.event, everywhere) if p[0] == "bad"]
    if not at:
        return np.nan
    own = stack(sums, at)
    bad = made.bad.sum(axis=1)[:, None]
    beside = [g for g in range(made.personas + 1) if g != told[0]]
    columns = bad * made.inside[:, beside]
    rows = _with_levels(made).with_controls(own, bad - own.sum(axis=1, keepdims=True))
    fit = rows.with_controls().fit(columns)
    mine = [beside.index(g) for g in told[1:]]
    b, v = fit.exposure_coef[mine], fit.exposure_covariance[np.ix_(mine, mine)]
    if not (np.isfinite(b).all() and np.isfinite(v).all()):
        return np.nan
    return float(special.chdtrc(len(mine), b @ np.linalg.solve(v, b)))


def _chosen(study: Study, made: Followed) -> list[tuple[int, int]]:
    """Choose the personas' touchpoints that the churns can carry, those met most first."""
    churns, calm = (made.exposed(made.bad, e) for e in (1, 0))
    enough = (churns >= _LEAST_EXPOSED) & (calm >= _LEAST_EXPOSED)
    enough &= made.customers[:, :-1] >= study.options.min_group
    enough[[g for g in study.withheld if g >= 0]] = False
    pairs = sorted(zip(*np.nonzero(enough), strict=True), key=lambda p: (-churns[p], p))
    budget = int(made.rows.event.sum()) // _EVENTS_PER_COLUMN
    return [(int(g), int(k)) for g, k in pairs[:budget]]


def _pairs(study: Study, made: Followed) -> Iterator[dict[str, Any]]:
    """Give each persona's touchpoints, all in one fit, drawn to the mean of the persona's own."""
    pairs = sorted(_chosen(study, made))
    if not pairs:
        return
    inside = made.inside
    columns = np.column_stack([made.bad[:, k] * inside[:, g] for g, k in pairs])
    rest = made.bad.sum(axis=1)[:, None] * inside
    for (g, _), column in zip(pairs, columns.T, strict=True):
        rest[:, g] -= column
    fit = _with_levels(made).with_controls(rest).fit(columns)
    coef, covariance = fit.exposure_coef, fit.exposure_covariance
    churns = made.exposed(made.bad, 1)
    for g in range(made.personas):
        at = [i for i, (of, _) in enumerate(pairs) if of == g and np.isfinite(covariance[i, i])]
        if at:
            yield from _drawn(study, made, g, [pairs[i][1] for i in at], coef[at],
                              covariance[np.ix_(at, at)], churns[g])  # fmt: skip


def _drawn(
    study: Study, made: Followed, g: int, places: Sequence[int], coef: np.ndarray,
    covariance: np.ndarray, churns: np.ndarray,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    se = np.sqrt(np.diag(covariance))
    raw = hazard_ratios(coef, se)
    p = wald_p(coef, se)
    three = raw["hazard_ratio"], raw["conf_low"], raw["conf_high"]
    if len(places) > 1:
        pooled = partial_pool(coef, covariance)
        three = tuple(np.exp([pooled.estimate, pooled.conf_low, pooled.conf_high]))
    for i, k in enumerate(places):
        yield {
            "persona": study.names[g], "touchpoint": made.touchpoints[k],
            "estimate": three[0][i], "conf_low": three[1][i], "conf_high": three[2][i],
            "raw": raw["hazard_ratio"][i], "raw_low": raw["conf_low"][i],
            "raw_high": raw["conf_high"][i], "p_value": p[i], "q_value": np.nan,
            "n": int(made.customers[g, k]), "churns": int(churns[k]),
        }  # fmt: skip
