"""What is left of a score once behaviour is known: both in one model of the hazard."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.early_warning.study import BEHAVIOUR, Study
from cxlab.frames.signals import Said
from cxlab.models.followed import Outcome, leaving
from cxlab.models.hazard import fit_hazard, independent_columns
from cxlab.models.intervals import hazard_ratios, wald_p

__all__ = ["beside"]

_LEAST = 20
# So many customers who left are wanted for each column.
_PER_COLUMN = 5
_COLUMNS = ["metric", "way", "estimate", "se", "hazard_ratio", "conf_low", "conf_high", "p_value",
            "n", "leavers"]  # fmt: skip


def beside(study: Study) -> tuple[pd.DataFrame, dict[str, str]]:
    """Estimate how leaving goes with a recent score, alone and with behaviour held equal.

    A landmark model (van Houwelingen 2007) on all days whose horizon is over: a complementary
    log-log model of leaving within it, so that coefficients are log hazard ratios, with the day's
    month, tenure and value; customers are clusters.

    Returns
    -------
    table : pandas.DataFrame
        ``metric, way`` (``alone``; ``with behaviour``), ``estimate`` and ``se`` (of the log hazard
        ratio of one standard deviation worse), ``hazard_ratio, conf_low, conf_high, p_value``.
    left_out : dict of str to str
        What is not told, and why.
    """
    seen = leaving(study.followed, study.options.until, study.options.lead_days)
    rows, left_out = [], {}
    for metric, said in study.said.items():
        recent = said.within(study.options.fresh_days)[seen.rows]
        mine = seen.where(recent)
        worse = said.worse[seen.rows]
        if mine.leavers < _LEAST or np.ptp(worse[recent]) == 0:
            left_out[metric] = f"{mine.leavers} customers who left had given a recent score"
            continue
        mean, sd = _moments(worse[recent], mine.weight)
        score = np.where(recent, (np.nan_to_num(worse) - mean) / sd, 0.0)
        ways = {"alone": np.zeros((len(score), 0))}
        if BEHAVIOUR in study.signals:
            ways["with behaviour"] = _standard(study.signals[BEHAVIOUR][seen.rows])
        levels = _levels(said, recent, seen)
        base = np.column_stack([_days(seen), _standard(study.signals[study.base][seen.rows])])
        for way, more in ways.items():
            if seen.leavers < _PER_COLUMN * (more.shape[1] + levels.shape[1] + base.shape[1]):
                left_out[f"{metric}, {way}"] = "too few customers who left for what is held equal"
                continue
            b, se = _fitted(np.column_stack([score, levels, base, more]), seen)
            rows.append((metric, way, b, se, mine.judged, mine.leavers))
    table = pd.DataFrame(rows, columns=["metric", "way", "estimate", "se", "n", "leavers"])
    b, se = table["estimate"].to_numpy(float), table["se"].to_numpy(float)
    table = table.assign(**hazard_ratios(b, se), p_value=wald_p(b, se))
    return table[_COLUMNS], left_out


def _moments(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    mean = np.average(values, weights=weight)
    return float(mean), float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))


def _levels(said: Said, recent: np.ndarray, seen: Outcome) -> np.ndarray:
    """Give whoever has no recent score levels of their own."""
    older = ~np.isnan(said.worse[seen.rows]) & ~recent
    silent = said.asked[seen.rows] & ~older & ~recent
    return np.column_stack([older, silent, ~(older | silent | recent)]).astype(float)


def _days(seen: Outcome) -> np.ndarray:
    """Give each day a level, neighbours joined until somebody left."""
    left = np.bincount(seen.origin, seen.left & (seen.weight > 0))
    group = np.concatenate([[0], np.cumsum(left)[:-1]]) // max(_LEAST, left.sum() / 24)
    place = np.unique(group[seen.origin], return_inverse=True)[1]
    return np.eye(place.max() + 1)[place][:, 1:]


def _standard(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0))[:, spread > 1e-9] / spread[spread > 1e-9])


def _fitted(x: np.ndarray, seen: Outcome) -> tuple[float, float]:
    """Fit the hazard and give the first column's coefficient and standard error."""
    known = seen.weight > 0
    design = np.column_stack([np.ones(known.sum()), x[known]])
    weight = seen.weight[known] / seen.weight[known].mean()
    design = design[:, independent_columns(design, weights=weight)]
    clusters = np.unique(seen.customer[known], return_inverse=True)[1]
    fit = fit_hazard(
        design, seen.left[known], link="cloglog", weights=weight, clusters=clusters, ridge=0.1
    )
    return float(fit.coef[1]), float(fit.se[1])
