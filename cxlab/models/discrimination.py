r"""How well what was known on a day told who then left: on plain arrays, with intervals.

Rows are customers on a day, their risk as it was told then, and what became of them
(:mod:`cxlab.models.followed`), with the weights of those who went out of sight.

Every variance is that of the figure's influence function, summed by customer, so that it holds
for customers judged on several days and for differences between figures on the same customers;
the estimated chance to be known is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from cxlab.models.followed import Outcome
from cxlab.models.hazard import fit_hazard
from cxlab.models.intervals import LEVEL, Z

__all__ = [
    "Figures",
    "auc",
    "brier",
    "calibration",
    "captured",
    "difference",
    "skill",
]

_TAIL = (1 - LEVEL) / 2
# Chances nearer to 0 or 1 have no logit that can be fitted on.
_NEAREST = 1e-9
_TRIFLE = 1e-12


@dataclass(frozen=True)
class Figures:
    """Figures of several tellers of the same customers, such as areas under the curve.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
        NaN where it cannot be told.
    parts : ndarray, shape (customers, k)
        What each customer adds to each figure's error.
    few : int
        Customers in the smaller of the groups that are told apart: Student's quantile has so
        many degrees of freedom, less one.
    share : bool
        Whether figures lie between 0 and 1: intervals are then taken on the logit.
    """

    estimate: np.ndarray
    parts: np.ndarray
    few: int
    share: bool

    @property
    def covariance(self) -> np.ndarray:
        """Of the figures, shape (k, k)."""
        return np.asarray(self.parts.T @ self.parts)

    @property
    def se(self) -> np.ndarray:
        """Standard errors, shape (k,)."""
        return np.asarray(np.sqrt(np.square(self.parts).sum(axis=0)))

    @property
    def _quantile(self) -> float:
        return float(special.stdtrit(max(self.few - 1, 1), 1 - _TAIL))

    def table(self) -> pd.DataFrame:
        """Give ``estimate, se, conf_low, conf_high``, a row a figure."""
        estimate, se = self.estimate, self.se
        if not self.share:
            reach = self._quantile * se
            low, high = estimate - reach, estimate + reach
        else:
            low, high = self._within(estimate, se)
        return pd.DataFrame({"estimate": estimate, "se": se, "conf_low": low, "conf_high": high})

    def _within(self, estimate: np.ndarray, se: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        inside = np.clip(estimate, _TRIFLE, 1 - _TRIFLE)
        with np.errstate(invalid="ignore"):
            width = self._quantile * se / (inside * (1 - inside))
            middle = special.logit(inside)
            low, high = special.expit(middle - width), special.expit(middle + width)
        # At a bound all are alike: the limit is that of so many of so many.
        far = _TAIL ** (1 / max(self.few, 1))
        at_one, at_none = estimate > 1 - _TRIFLE, estimate < _TRIFLE
        low, high = np.where(at_one, far, low), np.where(at_one, 1.0, high)
        return np.where(at_none, 0.0, low), np.where(at_none, 1 - far, high)

    def differences(self, pairs: Sequence[tuple[int, int]]) -> pd.DataFrame:
        """Give how far one figure is from another, on the same customers.

        Parameters
        ----------
        pairs : sequence of (int, int)
            The other's place comes second; it is taken from the first.

        Returns
        -------
        pandas.DataFrame
            ``estimate, se, conf_low, conf_high, p_value``.
        """
        one, other = np.array(pairs, dtype=int).reshape(-1, 2).T
        return difference(self, self, one, other)


def difference(
    figures: Figures, others: Figures, one: np.ndarray, other: np.ndarray
) -> pd.DataFrame:
    """Give how far figures are from others of the same customers.

    Parameters
    ----------
    figures, others : Figures
        Their customers have the same numbers; horizons and rows may differ.
    one, other : ndarray of int
        Places in either.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, conf_low, conf_high, p_value``.
    """
    gap = figures.estimate[one] - others.estimate[other]
    se = np.sqrt(np.square(figures.parts[:, one] - others.parts[:, other]).sum(axis=0))
    few = max(min(figures.few, others.few) - 1, 1)
    reach = special.stdtrit(few, 1 - _TAIL) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.stdtr(few, -np.abs(gap / se))
    p = np.where(se > 0, p, np.where(gap == 0, 1.0, np.nan))
    return pd.DataFrame(
        {"estimate": gap, "se": se, "conf_low": gap - reach, "conf_high": gap + reach, "p_value": p}
    )


def _figures(
    seen: Outcome, estimate: np.ndarray, parts: np.ndarray, few: int, share: bool = False
) -> Figures:
    many = max(seen.judged, 2)
    summed = seen.by_customer(parts) * np.sqrt(many / (many - 1))
    return Figures(estimate, summed, few, share)


def _columns(risk: np.ndarray, seen: Outcome) -> np.ndarray:
    """Give the risks of the outcome's rows, a column a teller."""
    every = np.asarray(risk, dtype=float)
    every = every[:, None] if every.ndim == 1 else every
    return every[seen.rows]


def auc(seen: Outcome, risk: np.ndarray) -> Figures:
    """Give how often a customer who left had been told the higher risk than one who did not.

    The cumulative/dynamic area under the ROC curve: of a customer who left within the horizon,
    the share of those judged on the same day, who did not, whose risk was lower (ties count
    half); the mean over customers who left. Without censoring, of one day and one row a
    customer, variances are those of DeLong, DeLong and Clarke-Pearson (1988).

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    risk : ndarray, shape (n,) or (n, k)
        Of all rows that were followed; higher is likelier to leave.
    """
    x = _columns(risk, seen)
    known = seen.weight > 0
    hit, rest = known & seen.left, known & ~seen.left
    wins, over = np.zeros(x.shape), np.zeros(x.shape)
    for origin in np.unique(seen.origin[hit]):
        mine = seen.origin == origin
        ones, zeros = np.flatnonzero(mine & hit), np.flatnonzero(mine & rest)
        if not len(zeros):  # nobody to be compared with
            hit[ones] = False
            continue
        v1, v0 = seen.weight[ones], seen.weight[zeros]
        for k in range(x.shape[1]):
            wins[ones, k] = _weight_below(x[zeros, k], v0, x[ones, k]) / v0.sum()
            beaten = v1.sum() - _weight_below(x[ones, k], v1, x[zeros, k])
            mean = v1 @ wins[ones, k]
            over[zeros, k] = (beaten - mean) / v0.sum()
    total = seen.weight[hit].sum()
    if total == 0:
        return Figures(np.full(x.shape[1], np.nan), np.full((seen.customers, x.shape[1]), np.nan),
                       0, True)  # fmt: skip
    estimate = seen.weight[hit] @ wins[hit] / total
    few = len(np.unique(seen.customer[hit]))
    others = len(np.unique(seen.customer[rest]))
    v = seen.weight[:, None] / total
    parts = np.where(hit[:, None], v * (wins - estimate) * _unbiased(few), 0.0)
    parts += np.where(rest[:, None], v * over * _unbiased(others), 0.0)
    # Each group's variance is its own sample's: that of all customers is not corrected again.
    return Figures(estimate, seen.by_customer(parts), min(few, others), True)


def _unbiased(n: int) -> float:
    return float(np.sqrt(n / (n - 1))) if n > 1 else 1.0


def _weight_below(values: np.ndarray, weight: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Give the weight of values below each limit, half of that of those equal to it."""
    order = np.argsort(values)
    total, ordered = np.append(0.0, np.cumsum(weight[order])), values[order]
    ends = [total[np.searchsorted(ordered, limit, side)] for side in ("left", "right")]
    return np.asarray((ends[0] + ends[1]) / 2)


def brier(seen: Outcome, chance: np.ndarray) -> Figures:
    """Give the mean square of what was told less what came (Brier 1950; Graf et al. 1999).

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    chance : ndarray, shape (n,) or (n, k)
        Told chances to leave within the horizon, of all rows that were followed.
    """
    square = np.square(_columns(chance, seen) - seen.left[:, None])
    total = seen.weight.sum()
    estimate = seen.weight @ square / total if total > 0 else np.full(square.shape[1], np.nan)
    parts = seen.weight[:, None] * (square - estimate) / total
    return _figures(seen, estimate, parts, seen.leavers)


def skill(seen: Outcome, chance: np.ndarray, base: np.ndarray) -> Figures:
    """Give how much less Brier's score is than that of a simple forecast, as a share of it.

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    chance : ndarray, shape (n,) or (n, k)
        Told chances to leave within the horizon, of all rows that were followed.
    base : ndarray, shape (n,)
        Those of the simple forecast, such as the rate known on that day.
    """
    told, simple = brier(seen, chance), brier(seen, base)
    ratio = told.estimate / simple.estimate
    parts = (ratio * simple.parts - told.parts) / simple.estimate
    return Figures(1 - ratio, parts, seen.leavers, False)


def captured(seen: Outcome, risk: np.ndarray, share: float = 0.1) -> Figures:
    """Give the share of those who left who had been among the highest risks of their day.

    Of equal risks at the limit each counts in part, as if those were drawn at random.

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    risk : ndarray, shape (n,) or (n, k)
        Of all rows that were followed.
    share : float
        Of all customers judged on a day, those with the highest risk.

    Notes
    -----
    The limit is itself estimated: its part is the rate of leaving near it (the customers between
    half the share and half as many again), times how far the row moves it.
    """
    x = _columns(risk, seen)
    hit = seen.left & (seen.weight > 0)
    inside, moved = np.zeros(x.shape), np.zeros(x.shape)
    v = np.where(hit, seen.weight, 0.0)
    for origin in np.unique(seen.origin):
        mine = np.flatnonzero(seen.origin == origin)
        for k in range(x.shape[1]):
            of_all, near = _highest(x[mine, k], seen.drawn[mine], share)
            inside[mine, k] = of_all
            weight = near @ seen.drawn[mine]
            rate = near @ v[mine] / weight if weight > 0 else 0.0
            moved[mine, k] = rate * (of_all - share)
    total = v.sum()
    if total == 0:
        return Figures(np.full(x.shape[1], np.nan), np.full((seen.customers, x.shape[1]), np.nan),
                       0, True)  # fmt: skip
    estimate = v @ inside / total
    parts = v[:, None] * (inside - estimate) - seen.drawn[:, None] * moved
    return _figures(seen, estimate, parts / total, seen.leavers, share=True)


def _highest(risk: np.ndarray, weight: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Tell in what part each is among the highest risks, and which are near the limit."""
    values, place = np.unique(-risk, return_inverse=True)
    each = np.bincount(place, weight, len(values))
    upto = np.cumsum(each) / each.sum()
    before = upto - each / each.sum()
    part = np.clip((share - before) / (upto - before), 0.0, 1.0)
    near = (upto >= share / 2) & (before <= 1.5 * share)
    return part[place], near[place].astype(float)


def calibration(seen: Outcome, chance: np.ndarray) -> pd.DataFrame:
    """Tell whether told chances are right: neither too high, nor too far apart (Cox 1958).

    Parameters
    ----------
    seen : Outcome
        Of m rows.
    chance : ndarray, shape (n,) or (n, k)
        Told chances to leave within the horizon, of all rows that were followed.

    Returns
    -------
    pandas.DataFrame
        A row a teller: ``told`` and ``came`` (mean chance, and share that left); ``intercept``
        (log odds by which leaving is more frequent than told; 0: right) and ``slope`` (of the
        log odds of leaving on those told; 1: right, below: told too far apart), each with
        ``_se``, ``_low`` and ``_high``; NaN where it cannot be told. The chance to be known is
        taken as known.
    """
    x = _columns(chance, seen)
    known = seen.weight > 0
    y, v = seen.left[known].astype(float), seen.weight[known]
    clusters = np.unique(seen.customer[known], return_inverse=True)[1]
    rows = []
    for column in x[known].T:
        odds = special.logit(np.clip(column, _NEAREST, 1 - _NEAREST))
        ones, fits = np.ones((len(odds), 1)), {}
        some = 0 < y.sum() < len(y)
        fits["intercept"] = _fitted(ones, y, v, clusters, odds) if some else None
        both = np.column_stack([ones, odds])
        sloped = some and _overlap(odds[y == 1], odds[y == 0])
        fits["slope"] = _fitted(both, y, v, clusters, 0.0) if sloped else None
        row = {"told": float(v @ column / v.sum()), "came": float(v @ y / v.sum())}
        for name, told in fits.items():
            b, se = told or (np.nan, np.nan)
            ends = {"": b, "_se": se, "_low": b - Z * se, "_high": b + Z * se}
            row |= {f"{name}{end}": value for end, value in ends.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _overlap(ones: np.ndarray, others: np.ndarray) -> bool:
    """Tell whether two groups' values overlap; where not, no slope is steep enough."""
    return bool(ones.min() < others.max() and others.min() < ones.max())


def _fitted(
    x: np.ndarray, y: np.ndarray, v: np.ndarray, clusters: np.ndarray, offset: np.ndarray | float
) -> tuple[float, float]:
    fit = fit_hazard(x, y, offset=offset, weights=v / v.mean(), clusters=clusters)
    return float(fit.coef[-1]), float(fit.se[-1])
