"""The figures of one study: slopes, and shares of what is explained, drawn anew by customer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from cxlab.analyses.satisfaction_drivers.prepare import Study
from cxlab.models import importance
from cxlab.models.imputation import Pooled, impute, rubin
from cxlab.models.linear import clustered
from cxlab.models.moments import correlations, draws, moments, pairwise, partialled

__all__ = ["IMPUTATIONS", "Estimates", "alone", "design", "estimate", "filled"]

IMPUTATIONS = 10
_REPLICATES = 400
_FEWER = 200
_MANY = 12


@dataclass(frozen=True)
class Estimates:
    """What the data give; in arrays of replicates the first row is of the data as they are.

    Parameters
    ----------
    parts, weights : ndarray, shape (1 + replicates, p)
        Shapley shares and relative weights; each row sums to R squared.
    error : ndarray, shape (p,)
        Monte Carlo standard error of the shares.
    r2 : ndarray, shape (1 + replicates,)
        R squared beyond what is held equal.
    slope : Pooled
        Overall points a point of each rating, all others equal.
    slopes : ndarray, shape (1 + replicates, p)
        The same, drawn anew.
    means : ndarray, shape (1 + replicates, p)
        Mean ratings.
    inflation : ndarray, shape (p,)
        Variance inflation factors.
    rows : int
        How many responses went in.
    carried : ndarray, shape (p,)
        As many customers as carry each slope alike.
    bent : bool
        Whether covariances from pairs had to be mended.
    """

    parts: np.ndarray
    weights: np.ndarray
    error: np.ndarray
    r2: np.ndarray
    slope: Pooled
    slopes: np.ndarray
    means: np.ndarray
    inflation: np.ndarray
    rows: int
    carried: np.ndarray
    bent: bool = False

    @property
    def shares(self) -> np.ndarray:
        """Shares of what is explained, each row summing to 1 (0 where nothing is)."""
        total = self.parts.sum(axis=1, keepdims=True)
        return np.divide(self.parts, total, out=np.zeros_like(self.parts), where=total > 1e-12)


def estimate(study: Study, controls: np.ndarray, seed: int, replicates: int = 0) -> Estimates:
    """Estimate a study.

    Parameters
    ----------
    study : Study
        Its way with missing ratings decides which rows and which filled copies are used.
    controls : ndarray, shape (n, k)
        What is held equal besides.
    seed : int
        Of draws and imputations.
    replicates : int
        How often customers are drawn anew; 0: 400 times, of more than twelve drivers 200.
    """
    p = study.x.shape[1]
    replicates = replicates or (_REPLICATES if p <= _MANY else _FEWER)
    if study.missing == "pairwise":
        return _from_pairs(study, controls, seed, replicates)
    copies = list(filled(study, controls, seed))
    each = max(replicates // len(copies), 1)
    found, estimates, variances, df = [], [], [], []
    for i, (x, extra, y, who) in enumerate(copies):
        head = np.column_stack([np.ones(len(y)), extra])
        drawn = np.vstack([np.ones((1, int(who.max()) + 1)), _draws(who, each, seed + i)])
        found.append(partialled(moments(np.column_stack([head, x, y]), who, drawn), head.shape[1]))
        fit = clustered(np.column_stack([head, x]), y, who)
        estimates.append(fit.estimate[head.shape[1] :])
        variances.append(fit.se[head.shape[1] :] ** 2)
        df.append(fit.df[head.shape[1] :])
    slope = rubin(estimates, variances, np.min(df, axis=0))
    covariance = np.concatenate(found)
    first = np.arange(len(copies)) * (each + 1)
    made = _shared(covariance, first, slope, study, seed, len(copies[0][2]))
    return replace(made, carried=np.min(df, axis=0) + 1)


def _draws(who: np.ndarray, times: int, seed: int) -> np.ndarray:
    return draws(int(who.max()) + 1, times, seed)


def _shared(
    covariance: np.ndarray, first: np.ndarray, slope: Pooled, study: Study, seed: int, rows: int
) -> Estimates:
    """Share out R squared in each replicate; those of the data themselves are averaged."""
    r = correlations(covariance)
    made = importance.shapley(r, seed=seed)

    def lead(values: np.ndarray) -> np.ndarray:
        rest = np.delete(values, first, axis=0)
        return np.concatenate([values[first].mean(axis=0, keepdims=True), rest])

    return Estimates(
        parts=lead(made.parts),
        weights=lead(importance.relative_weights(r)),
        error=made.error,
        r2=lead(importance.r_squared(r)),
        slope=slope,
        slopes=lead(importance.slopes(covariance)),
        means=_means(study, len(r) - len(first), seed),
        inflation=importance.inflation(r[first].mean(axis=0)[:-1, :-1]),
        rows=rows,
        carried=study.raters.astype(float),
    )


def filled(
    study: Study, controls: np.ndarray, seed: int, times: int = IMPUTATIONS
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Give the rows of a model without gaps: once, or several times where gaps are drawn.

    Parameters
    ----------
    study, controls, seed
        As for :func:`estimate`.
    times : int
        How often gaps are drawn.

    Yields
    ------
    x, controls, y, who : ndarray
        Customers numbered from 0 without gaps.
    """
    x, y, who = study.x, study.y, study.who
    if study.missing == "imputed" and np.isnan(x).any():
        k = controls.shape[1]
        varying = np.ptp(controls, axis=0) > 0
        whole = np.column_stack([controls[:, varying], x, y])
        k = int(varying.sum())
        for one in impute(whole, times=times, seed=seed):
            yield one[:, k:-1], controls, y, who
    elif study.missing == "apart":
        x, extra = design(x)
        yield x, np.hstack([controls, extra]), y, who
    else:
        rows = study.whole
        yield x[rows], controls[rows], y[rows], np.unique(who[rows], return_inverse=True)[1]


def design(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take not having rated for a state of its own.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where not rated.

    Returns
    -------
    x : ndarray, shape (n, p)
        Ratings less their mean; 0 where not rated.
    rated : ndarray, shape (n, k)
        Who rated, of the drivers that not all did.
    """
    given = np.isfinite(x)
    centred = np.where(given, x - np.nanmean(x, axis=0), 0.0)
    return centred, given[:, ~given.all(axis=0)].astype(float)


def _from_pairs(study: Study, controls: np.ndarray, seed: int, replicates: int) -> Estimates:
    who = study.who
    drawn = np.vstack([np.ones((1, study.customers)), _draws(who, replicates, seed)])
    varying = controls[:, np.ptp(controls, axis=0) > 0]
    columns = np.column_stack([varying, study.x, study.y])
    covariance, bent = pairwise(columns, who, drawn)
    left = partialled(covariance, varying.shape[1])
    slopes = importance.slopes(left)
    free = float(max(study.customers - columns.shape[1], 1))
    slope = rubin([slopes[0]], [slopes[1:].var(axis=0, ddof=1)], free)
    made = _shared(left, np.array([0]), slope, study, seed, len(study.y))
    return replace(made, bent=bent)


def _means(study: Study, replicates: int, seed: int) -> np.ndarray:
    """Give mean ratings, of those who rated, and drawn anew as the shares are."""
    given = np.isfinite(study.x)
    drawn = [np.ones((1, study.customers))]
    if study.missing == "imputed" and not given.all():
        each = max(replicates // IMPUTATIONS, 1)
        drawn += [_draws(study.who, each, seed + i) for i in range(IMPUTATIONS)]
    elif study.missing == "complete" and not given.all():
        rows = study.whole
        who = np.unique(study.who[rows], return_inverse=True)[1]
        weights = np.vstack([np.ones((1, int(who.max()) + 1)), _draws(who, replicates, seed)])
        x = study.x[rows]
        return np.asarray(weights[:, who] @ x / weights[:, who].sum(axis=1, keepdims=True))
    else:
        drawn.append(_draws(study.who, replicates, seed))
    weights = np.vstack(drawn)[:, study.who]
    total = weights @ given.astype(float)
    summed = weights @ np.where(given, study.x, 0.0)
    return np.divide(summed, total, out=np.full(total.shape, np.nan), where=total > 0)


def alone(study: Study, seed: int, replicates: int = _REPLICATES) -> np.ndarray:
    """Correlate each rating by itself with the overall score, among those who rated.

    Parameters
    ----------
    study : Study
        The study.
    seed, replicates : int
        Of the draws.

    Returns
    -------
    ndarray, shape (p, 3)
        Correlation and its 95% interval.
    """
    given = np.isfinite(study.x)
    drawn = np.vstack([np.ones((1, study.customers)), _draws(study.who, replicates, seed)])
    weights = drawn[:, study.who]
    centre = np.nanmean(study.x, axis=0)
    x = np.where(given, study.x - centre, 0.0)
    y = (study.y - study.y.mean())[:, None] * given
    n, sx, sy, sxx, syy, sxy = (weights @ v for v in (given * 1.0, x, y, x * x, y * y, x * y))
    n = np.maximum(n, 1)
    spread = np.maximum(sxx - sx**2 / n, 0.0) * np.maximum(syy - sy**2 / n, 0.0)
    r = np.divide(sxy - sx * sy / n, np.sqrt(spread), out=np.zeros_like(n), where=spread > 1e-20)
    low, high = np.quantile(r[1:], [0.025, 0.975], axis=0)
    return np.column_stack([r[0], low, high])
