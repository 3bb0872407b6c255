"""Estimates from rows of which several are one customer's, so that they hang together.

Every variance here is that of the estimate's linearisation, summed by customer: the sandwich
of Liang and Zeger (1986) with customers as clusters. All are written in sums, so that an
engine can make them of any number of rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from cxlab.models.intervals import LEVEL, Z, wald_p, wilson

__all__ = [
    "SUMS",
    "Within",
    "areas",
    "difference",
    "means",
    "ratios",
    "shares",
    "within_strata",
]

SUMS = ("customers", "x", "n", "xx", "xn", "nn")
"""Over customers: their number, and the sums of x, n, their squares and their product."""


def ratios(sums: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give ratios of two sums over customers, and their standard errors.

    Parameters
    ----------
    sums : pandas.DataFrame
        :data:`SUMS`, a row an estimate: of each customer ``x`` (such as contacts that failed)
        and ``n`` (such as contacts).

    Returns
    -------
    estimate, se : ndarray
        NaN of nothing; the standard error also of one customer.

    Notes
    -----
    Linearisation with clusters (Cochran 1977, 6.4), times :math:`m / (m - 1)`.
    """
    m, x, n, xx, xn, nn = (sums[c].to_numpy(float) for c in SUMS)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(n > 0, x / n, np.nan)
        spread = np.maximum(xx - 2 * r * xn + r * r * nn, 0.0)
        # What is left of rounding where all are alike is no variation.
        spread = np.where(spread < 1e-9 * (xx + r * r * nn), 0.0, spread)
        se = np.sqrt(np.where(m > 1, m / (m - 1), np.nan) * spread) / n
    return r, se


def shares(sums: pd.DataFrame) -> pd.DataFrame:
    """Give shares with 95% intervals that stay within 0 and 1.

    Wilson's interval (1927) at the effective number of rows, :math:`p (1 - p) / \\mathrm{se}^2`
    (Korn and Graubard 1998); where none or all are hit, at the number of customers, at most.

    Parameters
    ----------
    sums : pandas.DataFrame
        :data:`SUMS`; ``x`` of ``n`` of each customer.

    Returns
    -------
    pandas.DataFrame
        ``estimate, conf_low, conf_high, se``.
    """
    p, se = ratios(sums)
    rows = []
    for share, error, m, n in zip(p, se, sums["customers"], sums["n"], strict=True):
        known = np.isfinite(error) and error > 0
        size = min(share * (1 - share) / error**2, float(n)) if known else float(min(m, n))
        rows.append(wilson(share * size, size) if size > 0 else (np.nan,) * 3)  # type: ignore[arg-type]
    table = pd.DataFrame(rows, columns=["estimate", "conf_low", "conf_high"], index=sums.index)
    return table.assign(se=se)


def means(sums: pd.DataFrame) -> pd.DataFrame:
    """Give means with 95% intervals (Student's t with as many degrees as customers, less one).

    Parameters
    ----------
    sums : pandas.DataFrame
        :data:`SUMS`.

    Returns
    -------
    pandas.DataFrame
        ``estimate, conf_low, conf_high, se``.
    """
    mean, se = ratios(sums)
    reach = se * stats.t.ppf(0.5 + LEVEL / 2, np.maximum(sums["customers"].to_numpy() - 1, 1))
    return pd.DataFrame(
        {"estimate": mean, "conf_low": mean - reach, "conf_high": mean + reach, "se": se},
        index=sums.index,
    )


def difference(pairs: pd.DataFrame, times: np.ndarray | None = None) -> pd.DataFrame:
    """Give differences of two ratios, of which a customer may be in both.

    Parameters
    ----------
    pairs : pandas.DataFrame
        :data:`SUMS` of each side, ending in ``_a`` and ``_b``, and the products over the
        customers of both: ``xx_ab, xn_ab`` (x of a, n of b), ``nx_ab, nn_ab``.
    times : ndarray of bool, optional
        Of which rows a is told over b in place of less b, on the log scale.

    Returns
    -------
    pandas.DataFrame
        ``estimate`` (a less b, or over b), ``conf_low, conf_high, p_value``.
    """
    sides = []
    for side in "ab":
        own = pairs[[f"{c}_{side}" for c in SUMS]].set_axis(list(SUMS), axis=1)
        sides.append((*ratios(own), own["n"].to_numpy(float)))
    (r_a, se_a, n_a), (r_b, se_b, n_b) = sides
    xx, xn, nx, nn = (pairs[f"{c}_ab"].to_numpy(float) for c in ("xx", "xn", "nx", "nn"))
    with np.errstate(divide="ignore", invalid="ignore"):
        together = (xx - r_b * xn - r_a * nx + r_a * r_b * nn) / (n_a * n_b)
        gap, square = r_a - r_b, se_a**2 + se_b**2 - 2 * together
        if times is not None:
            log = (se_a / r_a) ** 2 + (se_b / r_b) ** 2 - 2 * together / (r_a * r_b)
            gap = np.where(times, np.log(r_a / r_b), gap)
            square = np.where(times, log, square)
        gap = np.where(np.isfinite(gap), gap, np.nan)
        se = np.sqrt(np.maximum(square, 0.0))
        p = np.where(se > 0, wald_p(gap, np.where(se > 0, se, 1.0)), np.nan)
    table = pd.DataFrame(
        {"estimate": gap, "conf_low": gap - Z * se, "conf_high": gap + Z * se}, index=pairs.index
    )
    if times is not None:
        table[times] = np.exp(table[times])
    return table.assign(p_value=p)


class Within(NamedTuple):
    """A comparison within strata.

    Parameters
    ----------
    estimate : float
        The difference of shares; NaN where no stratum has both.
    share, base : pandas.Series
        By stratum: the share that is treated, and the constant of the regression.
    weight : float
        The treated variation within strata.
    compared : int
        Rows in strata that have both.
    """

    estimate: float
    share: pd.Series
    base: pd.Series
    weight: float
    compared: int

    def interval(self, squares: float, clusters: int) -> tuple[float, float, float]:
        """Give the 95% interval and the p-value.

        Parameters
        ----------
        squares : float
            Of the customers' scores, summed; a customer's is the sum over rows of
            (treated - share) times (outcome - base - estimate times treated).
        clusters : int
            How many customers.
        """
        if not (clusters > 1 and self.weight > 0 and squares > 0):
            return np.nan, np.nan, np.nan
        se = float(np.sqrt(squares * clusters / (clusters - 1))) / self.weight
        p = float(wald_p(np.array(self.estimate), np.array(se)))
        return self.estimate - Z * se, self.estimate + Z * se, p


def within_strata(cells: pd.DataFrame) -> Within:
    """Compare the treated with the others within strata, and take these together.

    Each stratum's difference of shares has the weight :math:`n_1 n_0 / (n_1 + n_0)` (Mantel and
    Haenszel; Cochran 1954), which is the least squares regression of the outcome on the
    treatment and a constant for each stratum.

    Parameters
    ----------
    cells : pandas.DataFrame
        A row a stratum, by its index: ``n``, ``treated``, ``hit`` (the outcome) and ``both``.
    """
    n, h, y, hy = (cells[c].astype(float) for c in ("n", "treated", "hit", "both"))
    share = h / n
    weight = h * (1 - share)
    total = float(weight.sum())
    estimate = float((hy - share * y).sum()) / total if total > 1e-9 else np.nan
    base = y / n - (0.0 if np.isnan(estimate) else estimate) * share
    return Within(estimate, share, base, total, int(n[weight > 0].sum()))


def areas(
    scores: np.ndarray, event: np.ndarray, clusters: np.ndarray, strata: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give how well scores tell those with the event from those without, within strata.

    The area under the ROC curve of each score, and the covariance of the areas (DeLong,
    DeLong and Clarke-Pearson 1988), its components summed by customer (Obuchowski 1997).

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        Higher where the event is thought likelier.
    event : ndarray of bool, shape (n,)
        Whether it came.
    clusters : ndarray of int, shape (n,)
        The customers, numbered from 0.
    strata : ndarray of int, shape (n,)
        Only rows of one stratum are compared; strata count by their pairs.

    Returns
    -------
    areas : ndarray, shape (k,)
        NaN where no stratum has both.
    covariance : ndarray, shape (k, k)
    """
    event = np.asarray(event, dtype=bool)
    wins, pairs = np.zeros(scores.shape), np.zeros(len(event))
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        hit, rest = rows[event[rows]], rows[~event[rows]]
        pairs[hit], pairs[rest] = len(rest), len(hit)
        for k in range(scores.shape[1]):
            low, high = np.sort(scores[rest, k]), np.sort(scores[hit, k])
            own = scores[hit, k]
            below = np.searchsorted(low, own, "left") + np.searchsorted(low, own, "right")
            wins[hit, k] = below / 2
            own = scores[rest, k]
            above = np.searchsorted(high, own, "left") + np.searchsorted(high, own, "right")
            wins[rest, k] = len(hit) - above / 2
    total = pairs[event].sum()
    if total == 0:
        return np.full(scores.shape[1], np.nan), np.full((scores.shape[1],) * 2, np.nan)
    area = wins[event].sum(axis=0) / total
    part = (wins - pairs[:, None] * area) / total
    summed = np.zeros((int(clusters.max()) + 1, scores.shape[1]))
    np.add.at(summed, clusters, part)
    m = len(np.unique(clusters))
    return area, summed.T @ summed * m / max(m - 1, 1)
