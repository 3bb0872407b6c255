"""Chances to leave, told on a day from what had been seen by then: penalised logits, rolled on.

For each day on which customers are judged, a model is fitted on earlier days whose horizon was
over by then, and tells the chances of that day; so all of it could have been told at the time,
and what it is judged by came later (rolling origin; Tashman 2000).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from cxlab.models.followed import Followed, Outcome, leaving
from cxlab.models.hazard import fit_hazard

__all__ = ["LEAST_LEAVERS", "Forecast", "Rolled", "fit_forecasts", "roll", "within_days"]

# Standard deviations of the normal prior of each coefficient, of columns with one of one (Hoerl and
# Kennard 1970), to choose from; and which of them until there is something to choose by.
_PRIORS = (0.02, 0.06, 0.2)
_MIDDLE = 1
LEAST_LEAVERS = 20
"""Fewer customers who left teach no model, and judge none."""
_FARTHEST = 6.0
_NEAREST = 1e-9


@dataclass(frozen=True)
class Forecast:
    """A fitted logit of leaving within a horizon.

    Parameters
    ----------
    coef : ndarray, shape (p + 1,)
        The constant first; of columns in standard deviations, 0 for those that did not vary.
    mean, spread : ndarray, shape (p,)
        Of the columns, where it was fitted.
    """

    coef: np.ndarray
    mean: np.ndarray
    spread: np.ndarray

    def chance(self, x: np.ndarray) -> np.ndarray:
        """Tell the chances of rows, shape (n,).

        Parameters
        ----------
        x : ndarray, shape (n, p)
            The columns; beyond six standard deviations they are taken for that.
        """
        return np.asarray(special.expit(self.coef[0] + self.scaled(x) @ self.coef[1:]))

    def scaled(self, x: np.ndarray) -> np.ndarray:
        """Give columns in standard deviations."""
        return np.clip((x - self.mean) / self.spread, -_FARTHEST, _FARTHEST)


def fit_forecasts(
    x: np.ndarray, seen: Outcome, priors: Sequence[float] = _PRIORS
) -> list[Forecast]:
    """Fit logits of leaving, their coefficients drawn to 0, each prior's in turn.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Columns of all rows that were followed.
    seen : Outcome
        Who left; rows weigh as many customers as they stand for.
    priors : sequence of float
        Standard deviations of the coefficients of columns with one of one.
    """
    known = seen.weight > 0
    mine, weight = x[seen.rows[known]], seen.weight[known] / seen.weight[known].mean()
    mean = np.average(mine, axis=0, weights=weight)
    spread = np.sqrt(np.average(np.square(mine - mean), axis=0, weights=weight))
    varies = spread > 1e-9 * (1.0 + np.abs(mean))
    empty = Forecast(np.zeros(x.shape[1] + 1), mean, np.where(varies, spread, 1.0))
    design = np.column_stack([np.ones(len(mine)), empty.scaled(mine)[:, varies]])
    ridges, found = [sd**-2 for sd in priors], []
    fitted = fit_hazard(design, seen.left[known], weights=weight, ridge=ridges[0])
    for place, ridge in enumerate(ridges):
        fitted = fitted.with_ridge(ridge) if place else fitted
        coef = np.zeros(x.shape[1] + 1)
        coef[np.append(True, varies)] = fitted.coef
        found.append(replace(empty, coef=coef))
    return found


@dataclass(frozen=True)
class Rolled:
    """What could have been told on each day.

    Parameters
    ----------
    chance : dict of str to ndarray, shape (n,)
        By teller; NaN on days before there was enough to learn from.
    base : ndarray, shape (n,)
        The share that had left by then, of all earlier days whose horizon was over.
    judged : ndarray of int
        The days on which there was enough.
    """

    chance: dict[str, np.ndarray]
    base: np.ndarray
    judged: np.ndarray


def roll(
    columns: Mapping[str, np.ndarray],
    followed: Followed,
    days: np.ndarray,
    until: float,
    since: float = 0.0,
) -> Rolled:
    """Tell each day's chances by models of the days whose horizon was over by then.

    A last day of which nothing came yet is told as any other.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n, p)
        By teller; they are taken less their mean of the day.
    followed : Followed
        The rows, ``origin`` being the place of their day.
    days : ndarray
        The days, in order.
    until, since : float
        The horizon; see :func:`cxlab.models.discrimination.leaving`.
    """
    columns = {name: within_days(x, followed) for name, x in columns.items()}
    told = {name: np.full((len(followed), len(_PRIORS)), np.nan) for name in columns}
    chance = {name: np.full(len(followed), np.nan) for name in columns}
    base, judged = np.full(len(followed), np.nan), []
    for place, day in enumerate(days):
        learnt = np.flatnonzero((days + until <= day)[followed.origin])
        now = np.flatnonzero(followed.origin == place)
        seen = leaving(followed.where(learnt), until, since) if len(learnt) else None
        if seen is None or seen.leavers < LEAST_LEAVERS or not len(now):
            continue
        judged.append(place)
        base[now] = seen.rate
        for name, x in columns.items():
            forecasts = fit_forecasts(x[learnt], seen)
            told[name][now] = np.column_stack([f.chance(x[now]) for f in forecasts])
            best = _best(told[name][learnt], seen)
            chance[name][now] = told[name][now, best]
    return Rolled(chance, base, np.array(judged, dtype=int))


def within_days(x: np.ndarray, followed: Followed) -> np.ndarray:
    """Give columns less their mean of the day, which is known on it.

    What drifts, such as the share ever asked or the tenure of all, would else be taken for what
    tells customers of one day apart.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        The columns.
    followed : Followed
        The rows.
    """
    days = int(followed.origin.max(initial=-1)) + 1
    total = np.bincount(followed.origin, followed.weight, days)
    found = np.empty(x.shape)
    for k, column in enumerate(x.T):
        summed = np.bincount(followed.origin, followed.weight * column, days)
        mean = np.divide(summed, total, out=np.zeros(days), where=total > 0)
        found[:, k] = column - mean[followed.origin]
    return found


def _best(told: np.ndarray, seen: Outcome) -> int:
    """Choose the prior whose forecasts of earlier days came truest, by the log score."""
    p = np.clip(told[seen.rows], _NEAREST, 1 - _NEAREST)
    was_told = ~np.isnan(p[:, 0]) & (seen.weight > 0)
    left, p = seen.left[was_told], p[was_told]
    if not left.any():
        return _MIDDLE
    loss = -np.where(left[:, None], np.log(p), np.log1p(-p))
    return int(np.argmin(seen.weight[was_told] @ loss))
