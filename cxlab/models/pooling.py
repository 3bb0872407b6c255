"""Partial pooling: estimates of several groups drawn towards their mean, small groups most.

A normal hierarchy, b ~ N(theta, V) and theta ~ N(mu, tau^2), with the groups' covariance V
taken as known. Mu is integrated out, and so is tau: with three or four groups its estimate is
often zero, and intervals that take it for known are far too short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from cxlab.models.intervals import LEVEL

__all__ = ["Pooled", "partial_pool"]

_NODES = 301
# The prior of tau is nothing beyond this many of its scales.
_REACH = 6.0


@dataclass(frozen=True)
class Pooled:
    """Groups' effects after partial pooling.

    Parameters
    ----------
    estimate, se, conf_low, conf_high : ndarray, shape (groups,)
        Posterior mean, standard deviation and central 95% interval of each group's effect.
    mean : float
        Posterior mean of mu.
    tau : float
        Posterior mean of the spread between groups.
    q, p_value : float
        Cochran's statistic of equal effects, and its p by chi-square of groups - 1 degrees of
        freedom.
    """

    estimate: np.ndarray
    se: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    mean: float
    tau: float
    q: float
    p_value: float


def partial_pool(estimate: np.ndarray, covariance: np.ndarray, scale: float = 0.5) -> Pooled:
    """Pool the estimates of several groups.

    Flat prior on the mean; half-normal on the spread tau. Given tau, effects are normal with
    the moments of the best linear unbiased prediction; tau is weighted by its prior and the
    restricted likelihood (Gelman et al. 2013, section 5.4; Röver 2020).

    Parameters
    ----------
    estimate : ndarray, shape (groups,)
        At least two.
    covariance : ndarray, shape (groups, groups)
        Of the estimates.
    scale : float
        Of the half-normal prior; 0.5 suits log hazard ratios (Röver et al. 2021).
    """
    b, v = np.asarray(estimate, dtype=float), np.asarray(covariance, dtype=float)
    widest = 20.0 * float(np.ptp(b) + np.sqrt(np.diag(v).max()))
    tau = np.linspace(0.0, 1.0, _NODES) ** 2 * min(_REACH * scale, widest)
    fits = [_given(b, v, t) for t in tau]
    density = np.array([f.log_likelihood for f in fits]) - np.square(tau / scale) / 2
    step = np.diff(tau, prepend=0.0, append=tau[-1])
    weight = np.exp(density - density.max()) * (step[:-1] + step[1:])
    weight /= weight.sum()
    centre = np.array([f.effect for f in fits])
    spread = np.sqrt([np.maximum(np.diag(f.covariance), 0.0) for f in fits])
    mean = weight @ centre
    low, high = (
        np.array([_quantile(p, weight, centre[:, j], spread[:, j]) for j in range(len(b))])
        for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    q = fits[0].quadratic
    return Pooled(
        estimate=mean,
        se=np.sqrt(weight @ (np.square(spread) + np.square(centre - mean))),
        conf_low=low,
        conf_high=high,
        mean=float(weight @ [f.mean for f in fits]),
        tau=float(weight @ tau),
        q=q,
        p_value=float(special.chdtrc(len(b) - 1, q)),
    )


@dataclass(frozen=True)
class _Given:
    """What follows once tau is known."""

    log_likelihood: float
    quadratic: float
    mean: float
    effect: np.ndarray
    covariance: np.ndarray


def _given(b: np.ndarray, v: np.ndarray, tau: float) -> _Given:
    whole = v + tau**2 * np.eye(len(b))
    solved = np.linalg.solve(whole, np.column_stack([np.ones(len(b)), b, v]))
    one, own, through = solved[:, 0], solved[:, 1], solved[:, 2:]
    total = one.sum()
    mean = own.sum() / total
    residual = own - one * mean
    quadratic = float(b @ residual)
    toward = v @ one
    likelihood = -(np.linalg.slogdet(whole)[1] + np.log(total) + quadratic) / 2
    covariance = v - v @ through + np.outer(toward, toward) / total
    return _Given(float(likelihood), quadratic, float(mean), b - v @ residual, covariance)


def _quantile(p: float, weight: np.ndarray, centre: np.ndarray, spread: np.ndarray) -> float:
    """Give a quantile of a mixture of normals."""
    from scipy import optimize  # here: a tenth of a second that a quick run does not need

    spread = np.maximum(spread, 1e-12)
    ends = centre + np.outer([-9.0, 9.0], spread)

    def beyond(x: float) -> float:
        return float(weight @ special.ndtr((x - centre) / spread)) - p

    return float(optimize.brentq(beyond, ends.min(), ends.max()))
