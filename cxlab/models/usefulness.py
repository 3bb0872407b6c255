r"""What told chances are good for: net benefit, calibration by groups, and inputs that drift.

Net benefit (Vickers and Elkin 2006): whoever acts on customers whose chance is at least a
threshold :math:`t` holds that one leaver reached is worth :math:`(1 - t) / t` others reached in
vain. Per customer it is the share of leavers reached, less :math:`t / (1 - t)` times the share
of others reached; acting on nobody is worth 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from cxlab.models.discrimination import Figures
from cxlab.models.followed import Outcome
from cxlab.models.intervals import LEVEL

__all__ = ["calibration_curve", "net_benefit", "stability_bar", "stability_index"]

_BINS = 10
_HALF = 0.5


def _linear(seen: Outcome, values: np.ndarray) -> Figures:
    """Give weighted means of values over the rows, with their parts by customer."""
    total = seen.weight.sum()
    if total <= 0:
        k = values.shape[1]
        return Figures(np.full(k, np.nan), np.full((seen.customers, k), np.nan), 0, False)
    estimate = seen.weight @ values / total
    parts = seen.weight[:, None] * (values - estimate) / total
    many = max(seen.judged, 2)
    summed = seen.by_customer(parts) * np.sqrt(many / (many - 1))
    return Figures(estimate, summed, seen.leavers, False)


def net_benefit(seen: Outcome, chance: np.ndarray, thresholds: Sequence[float]) -> pd.DataFrame:
    """Give the net benefit of acting on whoever's chance is at least a threshold.

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    chance : ndarray, shape (n,)
        Told chances, of all rows that were followed.
    thresholds : sequence of float
        Between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        A row a threshold: ``threshold, estimate, se, conf_low, conf_high`` (leavers reached in
        a customer, less what the others cost), ``all_estimate`` (of acting on everybody),
        ``gain, gain_low, gain_high, p_value`` (over the better of acting on all and on nobody)
        and ``reached`` (the share that is acted on).
    """
    told, left = chance[seen.rows], seen.left.astype(float)
    odds = np.array([t / (1 - t) for t in thresholds])
    acted = (told[:, None] >= np.array(thresholds)[None, :]).astype(float)
    worth = left[:, None] - (1 - left)[:, None] * odds
    mine, every = acted * worth, worth
    figures, beside = _linear(seen, mine), _linear(seen, every)
    table = figures.table()
    table.insert(0, "threshold", list(thresholds))
    table["all_estimate"] = beside.estimate
    other = np.where(beside.estimate > 0, 1.0, 0.0)
    gain = _linear(seen, mine - other * every)
    more = gain.table()
    table["gain"], table["gain_low"] = more["estimate"], more["conf_low"]
    table["gain_high"] = more["conf_high"]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(more["estimate"] / more["se"])
    table["p_value"] = 2 * special.ndtr(-z)
    table["reached"] = _linear(seen, acted).estimate
    return table


def calibration_curve(seen: Outcome, chance: np.ndarray, bins: int = _BINS) -> pd.DataFrame:
    """Hold told chances against what came, in groups of about equal size by what was told.

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    chance : ndarray, shape (n,)
        Told chances, of all rows that were followed.
    bins : int
        How many groups; fewer where many were told the same.

    Returns
    -------
    pandas.DataFrame
        A row a group: ``told`` (mean), ``estimate, se, conf_low, conf_high`` (share that left,
        within 0 and 1), ``customers`` and ``leavers``.
    """
    told = chance[seen.rows]
    order = np.argsort(told, kind="stable")
    place = np.cumsum(seen.weight[order]) / max(seen.weight.sum(), 1e-300)
    cuts = told[order][np.minimum(np.searchsorted(place, np.arange(1, bins) / bins), len(told) - 1)]
    group = np.searchsorted(np.unique(cuts), told, side="right")
    rows = []
    for g in np.unique(group):
        mine = seen.where(group == g)
        if not mine.judged:
            continue
        share = _linear(mine, mine.left[:, None].astype(float))
        inside = Figures(share.estimate, share.parts, min(mine.leavers, mine.judged), True)
        mean = float(mine.weight @ told[group == g] / mine.weight.sum())
        row = inside.table().iloc[0].to_dict()
        rows.append({"told": mean, **row, "customers": mine.judged, "leavers": mine.leavers})
    return pd.DataFrame(rows)


def stability_index(then: np.ndarray, now: np.ndarray) -> float:
    """Give the population stability index of two distributions over the same groups.

    The sum of ``(b - a) log(b / a)``, shares of empty groups being those of half a customer
    (Siddiqi 2006, section 8).

    Parameters
    ----------
    then, now : ndarray, shape (groups,)
        Customers in each group.
    """
    a, b = (np.maximum(x, _HALF) / np.maximum(x, _HALF).sum() for x in (then, now))
    return float(((b - a) * np.log(b / a)).sum())


def stability_bar(then: float, now: float, groups: int, least: float = 0.25) -> float:
    """Give the index above which a distribution has moved: not by chance, and far.

    Parameters
    ----------
    then, now : float
        Customers there were, and are.
    groups : int
        Of the distribution.
    least : float
        Less is no great shift (0.25; Siddiqi 2006).

    Notes
    -----
    Of two samples of one distribution the index is about chi-square with ``groups - 1`` degrees
    of freedom times ``1 / then + 1 / now`` (Yurdakul and Naranjo 2020).
    """
    chance = special.chdtri(max(groups - 1, 1), 1 - LEVEL)
    return max(least, float(chance) * (1 / max(then, 1.0) + 1 / max(now, 1.0)))
