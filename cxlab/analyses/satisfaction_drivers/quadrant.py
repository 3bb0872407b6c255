"""Importance against performance: what to improve first, and how sure that is."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers.estimate import Estimates
from cxlab.analyses.satisfaction_drivers.prepare import Study
from cxlab.analyses.satisfaction_drivers.shares import spread
from cxlab.models.intervals import LEVEL
from cxlab.results import Result, listed

__all__ = ["quadrant"]

_NAMES = {(True, False): "improve first", (True, True): "keep up", (False, False): "no hurry",
          (False, True): "could do with less"}  # fmt: skip


def quadrant(study: Study, made: Estimates, matters: Collection[str]) -> Result:
    """Set each driver's share against its mean rating, each drawn anew with the other.

    A driver is important where its share is above an equal share, and does well where its mean,
    in percent of its scale, is above that of the drivers; both lines are drawn anew as well. It
    is told where 95% of the replicates put it into one quadrant.

    Parameters
    ----------
    study : Study
        The study.
    made : Estimates
        Its figures.
    matters : collection of str
        The drivers that can be told to go with better scores.

    Returns
    -------
    Result
        ``term, estimate`` (share) with its interval, ``performance`` (0 to 100) with its own,
        the standard deviations and the correlation that an ellipse needs, ``quadrant,
        probability`` and ``told``.
    """
    p = len(study.drivers)
    low = np.array([d.scale[0] for d in study.drivers])
    high = np.array([d.scale[1] for d in study.drivers])
    share, does = made.shares, 100 * (made.means - low) / (high - low)
    known = np.isfinite(does).all(axis=1)
    known &= np.isfinite(share).all(axis=1)
    known[0] = True
    share, does = share[known], does[known]
    important = share > 1 / p
    well = does > does.mean(axis=1, keepdims=True)
    same = (important[1:] == important[0]) & (well[1:] == well[0])
    ends, does_ends = spread(share[1:]), spread(does[1:])
    rows = []
    for j, driver in enumerate(study.drivers):
        one, other = share[1:, j], does[1:, j]
        moving = one.std() > 0 and other.std() > 0
        probability = float(same[:, j].mean())
        rows.append(
            (driver.name, share[0, j], ends[0][j], ends[1][j], np.nan, int(study.raters[j]),
             does[0, j], does_ends[0][j], does_ends[1][j], one.std(), other.std(),
             float(np.corrcoef(one, other)[0, 1]) if moving else 0.0,
             _NAMES[bool(important[0, j]), bool(well[0, j])], probability,
             probability >= LEVEL)
        )  # fmt: skip
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "performance",
               "performance_low", "performance_high", "share_sd", "performance_sd", "correlation",
               "quadrant", "probability", "told"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values("estimate", ascending=False, ignore_index=True)
    meta = {"equal_share": 1 / p, "mean_performance": float(does[0].mean())}
    return Result("quadrant", table, meta=meta, sentence=_sentence(table, matters))


def _sentence(table: pd.DataFrame, matters: Collection[str]) -> str:
    if len(table) < 2:
        return "With a single driver there is nothing to weigh it against."
    if not matters:
        return "As no rating can be told to matter, none can be named to be improved first."
    first = table[(table["quadrant"] == "improve first") & table["term"].isin(matters)]
    sure = first[first["told"]]
    if len(sure):
        return f"Improve first: {listed(sure['term'], 5)}; they weigh more and are rated lower."
    if first.empty:
        return "Of those that matter none weighs more than an equal share and is rated lower."
    told = [f"{r.term} ({r.probability:.0%})" for r in first.head(4).itertuples()]
    return (
        f"Likeliest to be improved first: {listed(told)}; in brackets how often the data, drawn "
        "anew, put it there. None is sure."
    )
