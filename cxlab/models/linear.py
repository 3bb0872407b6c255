"""Linear regression where a customer's answers hang together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["Fit", "Intercepts", "clustered", "random_intercepts", "summed", "welch"]

_LEFT = 1e-10


class Fit(NamedTuple):
    """Coefficients and their covariance.

    Parameters
    ----------
    estimate : ndarray, shape (k,)
        NaN where the data cannot tell a coefficient from those of other columns.
    covariance : ndarray, shape (k, k)
        Robust, a customer's rows taken together.
    customers : int
        How many.
    df : ndarray, shape (k,)
        Degrees of freedom of Student's distribution: one less than as many customers as carry
        the coefficient alike. Of a rating that few give, or few give differently, that is few.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    customers: int
    df: np.ndarray

    @property
    def se(self) -> np.ndarray:
        """Standard errors."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))


def summed(scores: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Sum rows by customer.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
        One row an answer.
    who : ndarray of int, shape (n,)
        The customers, numbered from 0.
    """
    made = np.zeros((int(who.max()) + 1, scores.shape[1]))
    np.add.at(made, who, scores)
    return made


def clustered(x: np.ndarray, y: np.ndarray, who: np.ndarray) -> Fit:
    """Fit by least squares, with errors robust to what a customer's answers share.

    The covariance is the sandwich with sums by customer and the factor
    C/(C - 1) (n - 1)/(n - k) (Liang and Zeger 1986; ``sandwich::vcovCL`` in R).

    Parameters
    ----------
    x : ndarray, shape (n, k)
        The constant among them.
    y : ndarray, shape (n,)
        The outcome.
    who : ndarray of int, shape (n,)
        The customers.
    """
    n = len(x)
    scale = np.sqrt((x**2).sum(axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    z = x / scale
    values, vectors = np.linalg.eigh(z.T @ z)
    told = values > _LEFT * max(float(values[-1]), 1e-300)
    inverse = (vectors[:, told] / values[told]) @ vectors[:, told].T
    estimate = inverse @ (z.T @ y)
    meat = summed(z * (y - z @ estimate)[:, None], who)
    # What is left of each column beside the others carries its coefficient.
    carried = summed((z @ inverse) ** 2, who)
    alike = carried.sum(axis=0) ** 2 / np.maximum((carried**2).sum(axis=0), 1e-300)
    customers = len(np.unique(who))
    rank = int(told.sum())
    small = customers / max(customers - 1, 1) * (n - 1) / max(n - rank, 1)
    covariance = inverse @ (meat.T @ meat) @ inverse * small
    lost = (vectors[:, ~told] ** 2).sum(axis=1) > 1e-6
    estimate = np.where(lost, np.nan, estimate / scale)
    covariance = covariance / np.outer(scale, scale)
    return Fit(estimate, covariance, customers, np.maximum(alike - 1, 1.0))


def welch(estimate: np.ndarray, se: np.ndarray, df: np.ndarray) -> float:
    """Test that estimates of several groups are one, each with a standard error of its own.

    Welch's (1951) test; with many degrees of freedom it is Cochran's Q. The latter takes
    standard errors for known, and of small groups sees differences where there are none.

    Parameters
    ----------
    estimate, se, df : ndarray, shape (groups,)
        With the degrees of freedom that each standard error rests on.

    Returns
    -------
    float
        The p-value.
    """
    from scipy import special

    k, w = len(estimate), se**-2.0
    q = float((w * (estimate - (w @ estimate) / w.sum()) ** 2).sum())
    unsure = float(((1 - w / w.sum()) ** 2 / df).sum())
    f = q / (k - 1) / (1 + 2 * (k - 2) / (k**2 - 1) * unsure)
    return float(special.fdtrc(k - 1, (k**2 - 1) / (3 * unsure), f))


class Intercepts(NamedTuple):
    """A fit in which each customer has an own level.

    Parameters
    ----------
    estimate, se : ndarray, shape (k,)
        Coefficients and model-based standard errors.
    between, within : float
        Standard deviations: of customers' levels, and of answers about them.
    """

    estimate: np.ndarray
    se: np.ndarray
    between: float
    within: float

    @property
    def correlation(self) -> float:
        """How alike two answers of a customer are."""
        total = self.between**2 + self.within**2
        return self.between**2 / total if total > 0 else 0.0


def random_intercepts(x: np.ndarray, y: np.ndarray, who: np.ndarray) -> Intercepts:
    """Fit a linear mixed model with a random intercept a customer, by restricted likelihood.

    Given the ratio of the two variances the model is least squares on columns less a share of
    their customer's mean (Fuller and Battese 1973), so that one number is left to search for.

    Parameters
    ----------
    x : ndarray, shape (n, k)
        Of full rank, the constant among them.
    y : ndarray, shape (n,)
        The outcome.
    who : ndarray of int, shape (n,)
        The customers, numbered from 0, each with a row at least.
    """
    from scipy import optimize

    size = np.bincount(who).astype(float)
    all_columns = np.column_stack([x, y])
    means = (summed(all_columns, who) / size[:, None])[who]

    def solved(log_ratio: float) -> tuple[float, np.ndarray, float, np.ndarray]:
        spread = 1 + size * np.exp(log_ratio)
        less = (1 - 1 / np.sqrt(spread))[who, None]
        z = all_columns - less * means
        q, r = np.linalg.qr(z[:, :-1])
        fitted = q.T @ z[:, -1]
        left = float(z[:, -1] @ z[:, -1] - fitted @ fitted)
        free = len(y) - x.shape[1]
        determinant = 2 * np.log(np.abs(np.diag(r))).sum()
        lost = free * np.log(left / free) + np.log(spread).sum() + determinant
        return float(lost), np.linalg.solve(r, fitted), left / free, r

    found = optimize.minimize_scalar(lambda v: solved(v)[0], bounds=(-14, 6), method="bounded",
                                     options={"xatol": 1e-7})  # fmt: skip
    _, estimate, variance, r = solved(found.x)
    inverse = np.linalg.inv(r)
    se = np.sqrt(variance * (inverse**2).sum(axis=1))
    between = float(np.sqrt(variance * np.exp(found.x))) if found.x > -13 else 0.0
    return Intercepts(estimate, se, between, float(np.sqrt(variance)))
