"""Discrete-time hazard regression on plain arrays, with cluster-robust covariance.

Fisher scoring for a binary event with a logit link (case-base samples) or a complementary
log-log link (all person-periods; the coefficients are those of the proportional hazards
model, Prentice and Gloeckler 1978). The covariance is the sandwich of Liang and Zeger
(1986), summed by cluster, each cluster's residuals divided by one minus its leverage (Mancl
and DeRouen 2001; the jackknife by cluster, nearly): where few customers who left tell of a
contact, they draw the fit towards themselves, and intervals without that would be too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse
from scipy.special import expit

__all__ = ["HazardFit", "fit_hazard", "independent_columns", "made_of"]

_MAX_STEPS = 60
# The gain still to be had, as a share of the log likelihood, below which a step is the last.
_TOLERANCE = 1e-11
# exp() of more, and hazards below, would leave the range of a float.
_ETA_LIMIT, _LEAST_HAZARD = 500.0, 1e-290
# The information is worked out anew where a step left more than this share of the gain to be had.
_WORTH_REFRESHING = 0.1
# Clusters with less leverage than this are left as they are.
_LEAST_LEVERAGE = 1e-3
# Smaller parts of a column that follows from others are rounding.
_LEAST_PART = 0.01


@dataclass(frozen=True)
class _Rows:
    scaled: np.ndarray
    scale: np.ndarray
    event: np.ndarray
    link: str
    clusters: np.ndarray | None
    offset: float | np.ndarray
    penalty: np.ndarray
    weights: float | np.ndarray
    prior: np.ndarray

    def evaluate(self, coef: np.ndarray) -> tuple[np.ndarray, float]:
        """Give the linear predictor and the penalised log likelihood."""
        eta = np.minimum(self.scaled @ coef + self.offset, _ETA_LIMIT)
        value = float(np.sum(self.weights * _log_likelihoods(eta, self.event, self.link)))
        return eta, value - float(self.penalty @ np.square(coef)) / 2

    def score_weight(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give each row's score by eta, and its expected information, weighted."""
        residual, weight = _score_weight(eta, self.event, self.link)
        return self.weights * residual, self.weights * weight

    def information(self, weight: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
        """Give the expected information, the penalty's included; ``room`` is written over."""
        rooted = np.multiply(self.scaled, np.sqrt(weight)[:, None], out=room)
        information = np.asarray(rooted.T @ rooted)
        information[np.diag_indices_from(information)] += self.penalty
        return information


@dataclass(frozen=True)
class HazardFit:
    """A fitted hazard model.

    Parameters
    ----------
    coef : ndarray, shape (p,)
        Log hazard ratios.
    log_likelihood : float
        At ``coef``.
    eta : ndarray, shape (n,)
        The linear predictor, offset included.
    converged : bool
        Whether the score vanished within the steps allowed.
    """

    coef: np.ndarray
    log_likelihood: float
    eta: np.ndarray
    converged: bool
    _rows: _Rows

    @cached_property
    def covariance(self) -> np.ndarray:
        """Cluster-robust covariance of ``coef``, shape (p, p)."""
        return _sandwich(self._rows, self.eta)

    def replicates(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give what one Newton step from the estimate makes of customers weighted anew.

        Parameters
        ----------
        weights : ndarray, shape (replicates, clusters)
            Of each cluster in each replicate, their mean 1, in the order of the clusters'
            numbers (without clusters: of the rows).

        Returns
        -------
        coef : ndarray, shape (replicates, p)
            The coefficients.
        log_likelihood : ndarray, shape (replicates,)
            The weighted log likelihood there, to second order.
        """
        rows = self._rows
        residual, weight = rows.score_weight(self.eta)
        bread = linalg.cho_solve(
            linalg.cho_factor(rows.information(weight)), np.eye(len(rows.scale))
        )
        order, starts = _groups(rows.clusters, len(rows.event))
        scores = _summed(rows.scaled, residual, order, starts)
        terms = rows.weights * _log_likelihoods(self.eta, rows.event, rows.link)
        moved = (weights - 1.0) @ scores
        steps = moved @ bread
        value = weights @ np.add.reduceat(terms[order], starts)
        return self.coef + steps / rows.scale, value + np.einsum("ij,ij->i", moved, steps) / 2

    @property
    def se(self) -> np.ndarray:
        """Robust standard errors, shape (p,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))


def fit_hazard(
    x: np.ndarray,
    event: np.ndarray,
    *,
    offset: float | np.ndarray = 0.0,
    link: str = "logit",
    clusters: np.ndarray | None = None,
    start: np.ndarray | None = None,
    ridge: float = 0.0,
    weights: np.ndarray | None = None,
    precision: np.ndarray | None = None,
) -> HazardFit:
    """Fit by maximum likelihood.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Covariates, of full column rank, the constant first.
    event : ndarray, shape (n,)
        0 or 1.
    offset : float or ndarray
        Added to the linear predictor.
    link : {"logit", "cloglog"}
        See the module.
    clusters : ndarray of int, shape (n,), optional
        Rows of one number are of one customer (default: each row its own).
    start : ndarray, shape (p,), optional
        Where to start from.
    ridge : float
        Half of it times the square of each coefficient but the first, of columns scaled to a
        mean square of one, is taken from the log likelihood. A little of it keeps estimates
        finite where a column separates the events from the rest.
    weights : ndarray, shape (n,), optional
        Of the rows, taken as known (default: 1 each).
    precision : ndarray, shape (p,), optional
        Of a normal prior of mean 0 for each coefficient, whose width counts in the covariance
        as data would (default: 0, none).

    Raises
    ------
    numpy.linalg.LinAlgError
        The columns are not independent.
    """
    scale = np.sqrt(np.einsum("ij,ij->j", x, x) / len(x))
    scaled = x / scale
    y = np.asarray(event, dtype=float)
    if start is None:
        # From zero the first step overshoots where events are rare: start at their rate.
        share = np.clip(y.mean(), 1e-9, 1 - 1e-9)
        rate = np.log(share / (1 - share)) if link == "logit" else np.log(-np.log1p(-share))
        coef = np.zeros(x.shape[1])
        coef[0] = (rate - np.mean(offset)) * scale[0]
    else:
        coef = start * scale
    prior = np.zeros(len(coef)) if precision is None else precision / scale**2
    penalty = np.full(len(coef), float(ridge))
    penalty[0] = 0.0
    penalty += prior
    given = 1.0 if weights is None else np.asarray(weights, dtype=float)
    rows = _Rows(scaled, scale, y, link, clusters, offset, penalty, given, prior)
    room = np.empty_like(scaled)
    eta, value = rows.evaluate(coef)
    converged, factor, before = False, None, np.inf
    for _ in range(_MAX_STEPS):
        residual, weight = rows.score_weight(eta)
        score = scaled.T @ residual - penalty * coef
        # Twice the gain in likelihood still to be had, were it quadratic.
        gain = np.inf if factor is None else float(score @ linalg.cho_solve(factor, score))
        if factor is None or gain > _WORTH_REFRESHING * before:
            factor = linalg.cho_factor(rows.information(weight, room))
        step = linalg.cho_solve(factor, score)
        before = float(step @ score)
        converged = before < _TOLERANCE * (abs(value) + 1.0)
        coef, eta, value = _climb(rows, coef, step, value)
        if converged:
            break
    unpenalised = value + float(penalty @ np.square(coef)) / 2
    return HazardFit(coef / scale, unpenalised, eta, converged, rows)


def _climb(
    rows: _Rows, coef: np.ndarray, step: np.ndarray, value: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Take the step, or the largest halving of it that does not lose likelihood."""
    size = 1.0
    while True:
        eta, new = rows.evaluate(coef + size * step)
        if new >= value - 1e-12 * abs(value) or size < 1e-6:
            return coef + size * step, eta, new
        size /= 2


def _log_likelihoods(eta: np.ndarray, y: np.ndarray, link: str) -> np.ndarray:
    """Give each row's share of the log likelihood."""
    if link == "logit":
        return np.asarray(y * eta - np.logaddexp(0.0, eta))
    hazard = np.maximum(np.exp(eta), _LEAST_HAZARD)
    return np.where(y > 0, np.log(-np.expm1(-hazard)), -hazard)


def _score_weight(eta: np.ndarray, y: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray]:
    """Give each row's score by eta, and its expected information."""
    if link == "logit":
        p = expit(eta)
        return y - p, p * (1.0 - p)
    hazard = np.maximum(np.exp(eta), _LEAST_HAZARD)
    odds = hazard / np.expm1(np.minimum(hazard, 700.0))  # hazard * (1 - p) / p
    return np.where(y > 0, odds, -hazard), hazard * odds


def _sandwich(rows: _Rows, eta: np.ndarray) -> np.ndarray:
    residual, weight = rows.score_weight(eta)
    x = rows.scaled
    bread = linalg.cho_solve(linalg.cho_factor(rows.information(weight)), np.eye(x.shape[1]))
    order, starts = _groups(rows.clusters, len(x))
    rooted = x * np.sqrt(weight)[:, None]
    spread = rooted @ np.linalg.cholesky(bread)
    own = np.add.reduceat(np.einsum("ij,ij->i", spread, spread)[order], starts)
    sizes = np.diff(np.append(starts, len(x)))
    working = residual / np.sqrt(np.maximum(weight, 1e-300))
    heavy = own > _LEAST_LEVERAGE
    for size in np.unique(sizes[heavy]):
        first = starts[heavy & (sizes == size)]
        members = order[first[:, None] + np.arange(size)]
        part = spread[members]
        rest = np.eye(size) - part @ part.transpose(0, 2, 1)
        working[members] = np.linalg.solve(rest, working[members][..., None])[..., 0]
    scores = _summed(rooted, working, order, starts)
    meat = scores.T @ scores * (1 - 1 / len(starts)) + np.diag(rows.prior)
    return np.asarray(bread @ meat @ bread) / np.outer(rows.scale, rows.scale)


def _groups(clusters: np.ndarray | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows in the order of their clusters, and where each cluster starts in it."""
    if clusters is None:
        return np.arange(count), np.arange(count)
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=clusters[order[0]] - 1))
    return order, starts


def _summed(x: np.ndarray, factor: np.ndarray, order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum the rows, each times its factor, by cluster."""
    ends = np.append(starts, len(x))
    shape = (len(starts), len(x))
    return np.asarray(sparse.csr_array((factor[order], order, ends), shape=shape) @ x)


def independent_columns(x: np.ndarray, tolerance: float = 1e-7) -> np.ndarray:
    """Tell which columns are not a linear combination of those before them.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Columns in order of precedence.
    tolerance : float
        Share of a column's variation that must be its own.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    gram = x.T @ x
    size = np.sqrt(np.diag(gram))
    gram /= np.outer(*[np.where(size > 0, size, 1.0)] * 2)
    keep = np.zeros(x.shape[1], dtype=bool)
    factor = np.zeros_like(gram)  # rows: Cholesky factor over the columns kept so far
    kept = 0
    for j in range(x.shape[1]):
        own = gram[j, j] - factor[:kept, j] @ factor[:kept, j]
        if size[j] == 0 or own < tolerance:
            continue
        factor[kept] = (gram[j] - factor[:kept, j] @ factor[:kept]) / np.sqrt(own)
        keep[j] = True
        kept += 1
    return keep


def made_of(x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Tell of which columns those are made that :func:`independent_columns` leaves out.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        The columns.
    keep : ndarray of bool, shape (p,)
        Which of them are kept.

    Returns
    -------
    ndarray of bool, shape (p, p)
        For each column (rows; of one that is kept: none) the kept columns it is made of, with
        1% or more of its size each.
    """
    size = np.sqrt(np.einsum("ij,ij->j", x, x))
    unit = x / np.where(size > 0, size, 1.0)
    found = np.zeros((len(keep), len(keep)), dtype=bool)
    gram = unit[:, keep].T @ unit
    share = np.linalg.lstsq(gram[:, keep], gram[:, ~keep], rcond=None)[0]
    found[np.ix_(~keep, keep)] = np.abs(share.T) >= _LEAST_PART
    return found
