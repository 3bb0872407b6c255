"""The main table: each driver's share of what is explained, its slope, and what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers.estimate import Estimates
from cxlab.analyses.satisfaction_drivers.prepare import CARRIED, Study
from cxlab.models.intervals import LEVEL, benjamini_hochberg
from cxlab.models.verdicts import ALPHA

__all__ = ["COLUMNS", "INFLATED", "only_alone", "spread", "table"]

COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "rank", "rank_low",
           "rank_high", "r2_part", "relative_weight", "mc_error", "slope", "slope_low",
           "slope_high", "q_value", "positive_probability", "correlation", "correlation_low",
           "correlation_high", "inflation", "mean_rating", "scale", "members",
           "verdict"]  # fmt: skip
INFLATED = 10.0
"""A slope whose variance is so much larger for the other ratings is not told by itself."""
_ENDS = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def spread(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the percentile interval of replicates.

    Parameters
    ----------
    drawn : ndarray, shape (replicates, ...)
    """
    low, high = np.quantile(drawn, _ENDS, axis=0)
    return low, high


def table(study: Study, made: Estimates, correlation: np.ndarray) -> pd.DataFrame:
    """Tell each driver, the largest share first.

    Parameters
    ----------
    study : Study
        The study.
    made : Estimates
        Its figures.
    correlation : ndarray, shape (p, 3)
        Of each rating by itself.
    """
    shares = made.shares
    low, high = spread(shares[1:])
    slope_low, slope_high, p_value = made.slope.interval(LEVEL)
    q_value = benjamini_hochberg(p_value)
    places = np.argsort(np.argsort(-shares, axis=1, kind="stable"), axis=1, kind="stable") + 1
    rank_low, rank_high = np.quantile(places[1:], _ENDS, axis=0, method="closest_observation")
    weights = made.weights[0] / max(made.weights[0].sum(), 1e-300)
    rows = _heads(study, correlation).assign(
        estimate=shares[0], conf_low=np.minimum(low, shares[0]),
        conf_high=np.maximum(high, shares[0]), p_value=p_value, rank=places[0],
        rank_low=rank_low.astype(int), rank_high=rank_high.astype(int), r2_part=made.parts[0],
        relative_weight=weights, mc_error=made.error / max(made.parts[0].sum(), 1e-300),
        slope=made.slope.estimate, slope_low=slope_low, slope_high=slope_high, q_value=q_value,
        positive_probability=(made.slopes[1:] > 0).mean(axis=0), inflation=made.inflation,
        mean_rating=made.means[0],
    )  # fmt: skip
    rows["verdict"] = [_verdict(*r) for r in zip(made.slope.estimate, q_value, made.inflation,
                       made.carried, correlation[:, 0], strict=True)]  # fmt: skip
    rows = rows.sort_values(["rank", "term"], ignore_index=True)
    return rows[COLUMNS]


def only_alone(study: Study, correlation: np.ndarray) -> pd.DataFrame:
    """Tell each rating by itself, where answers are too few for all of them together.

    Parameters
    ----------
    study : Study
        The study.
    correlation : ndarray, shape (p, 3)
        Of each rating by itself.
    """
    rows = _heads(study, correlation)
    rows["mean_rating"] = np.nanmean(study.x, axis=0)
    rows["verdict"] = "too little data"
    rows = rows.sort_values("correlation", ascending=False, ignore_index=True)
    return rows.reindex(columns=COLUMNS)


def _heads(study: Study, correlation: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "term": [d.name for d in study.drivers],
            "n": study.raters,
            "correlation": correlation[:, 0],
            "correlation_low": correlation[:, 1],
            "correlation_high": correlation[:, 2],
            "scale": [f"{d.scale[0]:g} to {d.scale[1]:g}" for d in study.drivers],
            "members": [", ".join(m.name for m in d.members) for d in study.drivers],
        }
    )


def _verdict(
    slope: float, q: float, inflation: float, carried: float, correlation: float
) -> str:  # fmt: skip
    if not np.isfinite(slope) or inflation > INFLATED:
        return "not separable"
    if carried < CARRIED:
        return "too little data"
    if not q < ALPHA:
        return "cannot be told"
    if slope > 0:
        return "matters"
    # Alone it goes with better scores, beside the others with worse: it stands for them.
    return "suppressed" if correlation > 0 else "goes the other way"
