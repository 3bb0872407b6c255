"""Ordinal logit: an overall score whose steps need not be equally far apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cxlab.models.linear import summed

__all__ = ["Ordinal", "levels", "ordinal_logit"]

_STEPS = 60
_MOST_LEVELS = 11
_FAR = 40.0


@dataclass(frozen=True)
class Ordinal:
    """A proportional odds model.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
        Log odds ratios of a higher outcome.
    covariance : ndarray, shape (k, k)
        Robust, a customer's rows taken together.
    classical : ndarray, shape (k, k)
        From the information alone.
    thresholds : ndarray, shape (levels - 1,)
    converged : bool
        Not so where a column tells the outcome outright.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    classical: np.ndarray
    thresholds: np.ndarray
    converged: bool


def levels(y: np.ndarray) -> np.ndarray:
    """Number the outcome's levels from 0; of more than eleven, tenths of the answers.

    Parameters
    ----------
    y : ndarray
        The outcome.
    """
    values, place = np.unique(y, return_inverse=True)
    if len(values) <= _MOST_LEVELS:
        return np.asarray(place)
    cuts = np.unique(np.quantile(y, np.linspace(0.1, 0.9, 9)))
    return np.unique(np.searchsorted(cuts, y, "right"), return_inverse=True)[1]


def ordinal_logit(x: np.ndarray, level: np.ndarray, who: np.ndarray) -> Ordinal:
    """Fit the proportional odds model (McCullagh 1980) by Newton's method.

    Of two levels it is the logit. The likelihood is concave in all parameters.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Without a constant, of full rank.
    level : ndarray of int, shape (n,)
        From 0 up, each of them met; two at least.
    who : ndarray of int, shape (n,)
        The customers, numbered from 0.
    """
    n, k = x.shape
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = (x - centre) / spread
    cuts = int(level.max())
    share = np.cumsum(np.bincount(level))[:-1] / n
    theta = np.concatenate([np.log(share / (1 - share)), np.zeros(k)])
    value, scores, hessian = _terms(theta, z, level, cuts)
    converged = False
    for _ in range(_STEPS):
        step = np.linalg.solve(hessian - 1e-9 * np.eye(len(theta)), scores.sum(axis=0))
        value, scores, hessian, theta, moved = _walk(theta, step, value, z, level, cuts)
        if moved < 1e-8:
            converged = True
            break
    inverse = np.linalg.pinv(-hessian, hermitian=True)
    customers = len(np.unique(who))
    meat = summed(scores, who)
    robust = inverse @ (meat.T @ meat) @ inverse * customers / max(customers - 1, 1)
    estimate = theta[cuts:] / spread
    converged &= bool(np.abs(theta[cuts:]).max(initial=0.0) < _FAR)
    scale = np.outer(spread, spread)
    thresholds = theta[:cuts] + float((estimate * centre).sum())
    return Ordinal(estimate, robust[cuts:, cuts:] / scale, inverse[cuts:, cuts:] / scale,
                   thresholds, converged)  # fmt: skip


def _walk(
    theta: np.ndarray, step: np.ndarray, value: float, z: np.ndarray, level: np.ndarray, cuts: int
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, float]:
    """Go one step, or half of it until the likelihood does not fall."""
    size = 1.0
    while True:
        tried = theta - size * step
        if np.all(np.diff(tried[:cuts]) > 0):
            found = _terms(tried, z, level, cuts)
            if found[0] >= value - 1e-9 * abs(value) or size < 1e-4:
                return *found, tried, float(np.abs(tried - theta).max())
        size /= 2


def _terms(
    theta: np.ndarray, z: np.ndarray, level: np.ndarray, cuts: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Give the log likelihood, each row's score, and the Hessian."""
    n = len(z)
    alpha = np.concatenate([[-np.inf], theta[:cuts], [np.inf]])
    eta = z @ theta[cuts:]
    above, below = alpha[level + 1] - eta, alpha[level] - eta
    high, low = expit(above), expit(below)
    p = np.maximum(np.where(below > 0, expit(-below) - expit(-above), high - low), 1e-300)
    f_high, f_low = high * (1 - high), low * (1 - low)
    d_high, d_low = f_high / p, -f_low / p
    c_high = f_high * (1 - 2 * high) / p - d_high**2
    c_low = -f_low * (1 - 2 * low) / p - d_low**2
    crossed = -d_high * d_low
    upper, lower = (np.zeros((n, cuts + z.shape[1])) for _ in range(2))
    rows = np.arange(n)
    inside = level < cuts
    upper[rows[inside], level[inside]] = 1.0
    inside = level > 0
    lower[rows[inside], level[inside] - 1] = 1.0
    upper[:, cuts:] = lower[:, cuts:] = -z
    scores = d_high[:, None] * upper + d_low[:, None] * lower
    mixed = upper.T @ (crossed[:, None] * lower)
    hessian = upper.T @ (c_high[:, None] * upper) + lower.T @ (c_low[:, None] * lower)
    return float(np.log(p).sum()), scores, hessian + mixed + mixed.T
