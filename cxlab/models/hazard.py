"""Discrete-time hazard regression on plain arrays, with cluster-robust covariance.

Fisher scoring for a binary event with a logit link (case-base samples) or a complementary
log-log link (all person-periods; the coefficients are those of the proportional hazards
model, Prentice and Gloeckler 1978). The covariance is the sandwich of Liang and Zeger
(1986), summed by cluster, each cluster's residuals divided by one minus its leverage (Mancl
and DeRouen 2001; the jackknife by cluster, nearly): where few customers who left tell of a
contact, they draw the fit towards themselves, and intervals without that would be too narrow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from cxlab.models.resample import Draws

__all__ = ["HazardFit", "each", "fit_hazard", "independent_columns", "made_of", "many"]

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

# Covariates are worked on in blocks of so many numbers and rows, which stay in a core's cache;
# clusters in blocks of so many rows.
_CACHED, _MOST_ROWS, _GATHERED = 2**18, 2**13, 2**14
# So many blocks make a part. Each part is added up by one thread, and the parts in their order,
# so that sums are the same whatever the number of threads.
_BLOCKS_PER_PART = 4
# Less than so many numbers are not worth a second thread; memory bounds what more can do.
_LEAST_SHARED, _MOST_THREADS = 2**23, 8
# Whether columns differ is seen in every so many rows, where there are so many rows.
_EVERY, _MANY_ROWS = 8, 10_000

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def many(numbers: int) -> bool:
    """Tell whether so many numbers are worked on by several threads at once.

    Parameters
    ----------
    numbers : int
        Of an array of covariates.
    """
    return numbers > _LEAST_SHARED


def each(work: Callable[[_Item], _Made], items: Iterable[_Item], numbers: int) -> list[_Made]:
    """Give what a function makes of each item, in their order, by threads where it is much.

    Parameters
    ----------
    work : callable
        Must not change what another item's work reads.
    items : iterable
        What it is called with, one by one.
    numbers : int
        How many numbers are worked on in all; see :func:`many`.
    """
    if not many(numbers):
        return list(map(work, items))
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        return list(pool.map(work, items))


def _added(work: Callable[[_Item], np.ndarray], items: Sequence[_Item], numbers: int) -> np.ndarray:
    """Add up what ``work`` gives for each item, in a fixed order."""

    def part(some: Sequence[_Item]) -> np.ndarray:
        return reduce(np.add, map(work, some))

    parts = [items[i : i + _BLOCKS_PER_PART] for i in range(0, len(items), _BLOCKS_PER_PART)]
    return reduce(np.add, each(part, parts, numbers))


def _blocks(x: np.ndarray) -> list[slice]:
    step = min(max(_CACHED // max(x.shape[1], 1), 1), _MOST_ROWS)
    return [slice(i, i + step) for i in range(0, len(x), step)]


class _Point(NamedTuple):
    """The penalised log likelihood at some coefficients, its slope, and each row's share."""

    eta: np.ndarray
    value: float
    score: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class _Rows:
    scaled: np.ndarray
    scale: np.ndarray
    event: np.ndarray
    link: str
    clusters: np.ndarray | None
    offset: np.ndarray
    penalty: np.ndarray
    weights: np.ndarray
    prior: np.ndarray

    def at(self, coef: np.ndarray) -> _Point:
        """Give the penalised log likelihood, reading the covariates once."""
        eta, weight = np.empty((2, len(self.event)))

        def work(block: slice) -> np.ndarray:
            x, given = self.scaled[block], self.weights[block]
            here = np.minimum(x @ coef + self.offset[block], _ETA_LIMIT)
            terms, residual, own = _moments(here, self.event[block], self.link)
            eta[block], weight[block] = here, given * own
            return np.append((given * residual) @ x, given @ terms)

        *score, value = _added(work, _blocks(self.scaled), self.scaled.size)
        value -= float(self.penalty @ np.square(coef)) / 2
        return _Point(eta, float(value), np.array(score) - self.penalty * coef, weight)

    def moments(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give each row's log likelihood, its score by eta, and its expected information."""
        terms, residual, weight = _moments(eta, self.event, self.link)
        return self.weights * terms, self.weights * residual, self.weights * weight

    def information(self, weight: np.ndarray) -> np.ndarray:
        """Give the expected information, the penalty's included."""
        information = _gram(self.scaled, weight)
        information[np.diag_indices_from(information)] += self.penalty
        return information


def _gram(x: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    """Give the sum of the rows' squares and products, each times its weight."""

    def work(block: slice) -> np.ndarray:
        rows = x[block] if weight is None else x[block] * np.sqrt(weight[block])[:, None]
        return np.asarray(rows.T @ rows)

    return _added(work, _blocks(x), x.size)


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
    def _bread(self) -> np.ndarray:
        """Give the inverse of the information, of columns scaled to a mean square of one."""
        return _inverse(self._rows.information(self._rows.moments(self.eta)[2]))

    @cached_property
    def covariance(self) -> np.ndarray:
        """Cluster-robust covariance of ``coef``, shape (p, p)."""
        return _sandwich(self._rows, self.eta, self._bread)

    @cached_property
    def sampling_cost(self) -> np.ndarray | None:
        r"""How many times as wide as with all person-periods the intervals are, shape (p,).

        Of a case-base sample: every event, and a uniform sample of the person-periods. A row that
        is drawn is an event with probability :math:`p`, whence :math:`\sum p x x'` over all rows
        estimates the full cohort's information, :math:`\sum \lambda x x'` over all its
        person-periods, and the sample's own is :math:`\sum p (1 - p) x x'`. The ratio is that of
        the model-based standard errors. None with a complementary log-log link, which has all
        person-periods.
        """
        rows = self._rows
        if rows.link != "logit":
            return None
        chance = rows.event - _moments(self.eta, rows.event, rows.link)[1]
        cohort = _inverse(rows.information(rows.weights * chance))
        return np.sqrt(np.diag(self._bread) / np.diag(cohort))

    def with_ridge(self, ridge: float) -> HazardFit:
        """Fit the same rows with another ridge, from here on.

        Parameters
        ----------
        ridge : float
            See :func:`fit_hazard`.
        """
        rows = self._rows
        anew = replace(rows, penalty=_penalty(ridge, rows.prior))
        return _fitted(anew, self.coef * rows.scale)

    def replicates(self, weights: Draws) -> tuple[np.ndarray, np.ndarray]:
        """Give what one Newton step from the estimate makes of customers weighted anew.

        Parameters
        ----------
        weights : Draws
            Of each cluster in each replicate, in the order of the clusters' numbers (without
            clusters: of the rows).

        Returns
        -------
        coef : ndarray, shape (replicates, p)
            The coefficients.
        log_likelihood : ndarray, shape (replicates,)
            The weighted log likelihood there, to second order.
        """
        rows = self._rows
        terms, residual, _ = rows.moments(self.eta)
        order, starts = _groups(rows.clusters, len(rows.event))
        scores = np.empty((len(starts), len(rows.scale)))

        def work(clusters: tuple[int, int]) -> np.ndarray:
            members, at = _members(order, starts, clusters)
            summed = _summed(rows.scaled[members], residual[members], at)
            scores[slice(*clusters)] = summed
            return summed.sum(axis=0)

        whole = _added(work, _whole_clusters(starts, len(order)), rows.scaled.size)
        moved = weights.sums(scores) - whole
        steps = moved @ self._bread
        value = weights.sums(np.add.reduceat(terms[order], starts)[:, None])[:, 0]
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
    overwrite: bool = False,
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
    overwrite : bool
        Whether ``x``, an array of floats, may be written over, which saves a copy of it.

    Raises
    ------
    numpy.linalg.LinAlgError
        The columns are not independent.
    """
    scale, scaled = _scaled(x, overwrite)
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
    # A single number is every row's, without a copy for each.
    given, beside = (
        np.broadcast_to(np.asarray(v, dtype=float), len(y))
        for v in (1.0 if weights is None else weights, offset)
    )
    penalty = _penalty(ridge, prior)
    return _fitted(_Rows(scaled, scale, y, link, clusters, beside, penalty, given, prior), coef)


def _penalty(ridge: float, prior: np.ndarray) -> np.ndarray:
    """Give what each scaled coefficient is penalised by; the constant by its prior alone."""
    return np.append(0.0, np.full(len(prior) - 1, float(ridge))) + prior


def _fitted(rows: _Rows, coef: np.ndarray) -> HazardFit:
    """Maximise from a start, of scaled columns."""
    point = rows.at(coef)
    converged, inverse, before = False, None, np.inf
    for _ in range(_MAX_STEPS):
        score, value = point.score, point.value
        # Twice the gain in likelihood still to be had, were it quadratic.
        gain = np.inf if inverse is None else float(score @ inverse @ score)
        if inverse is None or gain > _WORTH_REFRESHING * before:
            inverse = _inverse(rows.information(point.weight))
        step = inverse @ score
        before = float(step @ score)
        converged = before < _TOLERANCE * (abs(value) + 1.0)
        coef, point = _climb(rows, coef, step, value)
        if converged:
            break
    unpenalised = point.value + float(rows.penalty @ np.square(coef)) / 2
    return HazardFit(coef / rows.scale, unpenalised, point.eta, converged, rows)


def _scaled(x: np.ndarray, overwrite: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns' root mean squares, and the columns divided by them."""
    blocks = _blocks(x)
    squares = _added(lambda b: np.einsum("ij,ij->j", x[b], x[b]), blocks, x.size)
    scale = np.sqrt(squares / len(x))
    scaled = x if overwrite else np.empty(x.shape)
    np.divide(x, scale, out=scaled)
    return scale, scaled


def _climb(
    rows: _Rows, coef: np.ndarray, step: np.ndarray, value: float
) -> tuple[np.ndarray, _Point]:
    """Take the step, or the largest halving of it that does not lose likelihood."""
    size = 1.0
    while True:
        point = rows.at(coef + size * step)
        if point.value >= value - 1e-12 * abs(value) or size < 1e-6:
            return coef + size * step, point
        size /= 2


def _moments(
    eta: np.ndarray, y: np.ndarray, link: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each row's log likelihood, its score by eta, and its expected information."""
    if link == "logit":
        tail = np.exp(-np.abs(eta))
        larger = 1.0 / (1.0 + tail)  # the larger of p and 1 - p
        p = np.where(eta >= 0.0, larger, tail * larger)
        terms = y * eta - np.maximum(eta, 0.0) - np.log1p(tail)
        return terms, y - p, tail * np.square(larger)
    hazard = np.maximum(np.exp(eta), _LEAST_HAZARD)
    odds = hazard / np.expm1(np.minimum(hazard, 700.0))  # hazard * (1 - p) / p
    terms = np.where(y > 0, np.log(-np.expm1(-hazard)), -hazard)
    return terms, np.where(y > 0, odds, -hazard), hazard * odds


def _inverse(information: np.ndarray) -> np.ndarray:
    """Invert what is positive definite; refuse what is not."""
    half = np.linalg.inv(np.linalg.cholesky(information))
    return np.asarray(half.T @ half)


def _sandwich(rows: _Rows, eta: np.ndarray, bread: np.ndarray) -> np.ndarray:
    _, residual, weight = rows.moments(eta)
    half = np.linalg.cholesky(bread)
    order, starts = _groups(rows.clusters, len(eta))

    def work(clusters: tuple[int, int]) -> np.ndarray:
        members, at = _members(order, starts, clusters)
        root = np.sqrt(weight[members])
        rooted = rows.scaled[members]
        rooted *= root[:, None]
        working = residual[members] / np.maximum(root, 1e-150)
        scores = _summed(rooted, _unleveraged(working, rooted @ half, at), at)
        return np.asarray(scores.T @ scores)

    meat = _added(work, _whole_clusters(starts, len(eta)), rows.scaled.size)
    meat = meat * (1 - 1 / len(starts)) + np.diag(rows.prior)
    return np.asarray(bread @ meat @ bread) / np.outer(rows.scale, rows.scale)


def _unleveraged(working: np.ndarray, spread: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Divide each cluster's residuals by one minus its leverage, a matrix over its rows."""
    own = np.add.reduceat(np.einsum("ij,ij->i", spread, spread), starts)
    sizes = np.diff(np.append(starts, len(working)))
    heavy = own > _LEAST_LEVERAGE
    for size in np.unique(sizes[heavy]):
        members = starts[heavy & (sizes == size)][:, None] + np.arange(size)
        part = spread[members]
        rest = np.eye(size) - part @ part.transpose(0, 2, 1)
        working[members] = np.linalg.solve(rest, working[members][..., None])[..., 0]
    return working


def _groups(clusters: np.ndarray | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows in the order of their clusters, and where each cluster starts in it."""
    if clusters is None:
        return np.arange(count), np.arange(count)
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=clusters[order[0]] - 1))
    return order, starts


def _whole_clusters(starts: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Give blocks of clusters, as the first of each and the first after it."""
    cuts = np.searchsorted(starts, np.arange(0, count, _GATHERED))
    return list(pairwise(np.unique(np.append(cuts, len(starts))).tolist()))


def _members(
    order: np.ndarray, starts: np.ndarray, clusters: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Give the rows of a block of clusters, and where among them each cluster starts."""
    first, after = clusters
    at = starts[first:after]
    end = starts[after] if after < len(starts) else len(order)
    return order[at[0] : end], at - at[0]


def _summed(x: np.ndarray, factor: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum the rows, each times its factor, by cluster."""
    sizes = np.diff(np.append(starts, len(x)))
    summed = np.empty((len(starts), x.shape[1]))
    for size in np.unique(sizes):  # far quicker than a cluster at a time: most are small
        here = sizes == size
        members = starts[here][:, None] + np.arange(size)
        summed[here] = np.einsum("cr,crj->cj", factor[members], x[members])
    return summed


def independent_columns(
    x: np.ndarray, tolerance: float = 1e-7, weights: np.ndarray | None = None
) -> np.ndarray:
    """Tell which columns are not a linear combination of those before them.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Columns in order of precedence.
    tolerance : float
        Share of a column's variation that must be its own.
    weights : ndarray, shape (n,), optional
        Of the rows: those that weigh nothing tell nothing of whether columns differ.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    if len(x) > _MANY_ROWS and weights is None:
        # What is a column's own in some rows is so in all of them, and no less.
        squares = _added(lambda b: np.einsum("ij,ij->j", x[b], x[b]), _blocks(x), x.size)
        keep = _kept(_gram(x[::_EVERY]), np.sqrt(squares), tolerance)
        if keep.all():
            return keep
    gram = _gram(x, weights)
    return _kept(gram, np.sqrt(np.diag(gram)), tolerance)


def _kept(gram: np.ndarray, size: np.ndarray, tolerance: float) -> np.ndarray:
    gram = gram / np.outer(*[np.where(size > 0, size, 1.0)] * 2)
    keep = np.zeros(len(gram), dtype=bool)
    factor = np.zeros_like(gram)  # rows: Cholesky factor over the columns kept so far
    kept = 0
    for j in range(len(gram)):
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
