"""Multiple imputation: ratings that were not given, drawn several times from what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Pooled", "impute", "rubin"]

_BURN, _BETWEEN = 60, 12


def impute(columns: np.ndarray, *, times: int, seed: int) -> Iterator[np.ndarray]:
    """Fill gaps from the joint normal distribution of all columns, several times.

    Data augmentation (Tanner and Wong 1987; Schafer 1997): by turns each gap is drawn given
    the row's other columns, and the mean and covariance given the filled rows, under a prior
    worth one row of uncorrelated columns. Right where gaps hang on what is in the columns
    alone (missing at random); the outcome has to be among them.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        NaN where missing; each column has values that differ, and rows outnumber columns.
    times : int
        How many filled copies are given.
    seed : int
        Of the draws.

    Yields
    ------
    ndarray, shape (n, k)
    """
    gaps = np.isnan(columns)
    centre, spread = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    z = np.where(gaps, 0.0, (columns - centre) / spread)
    if not gaps.any():
        yield from (columns.copy() for _ in range(times))
        return
    draw = np.random.default_rng(seed)
    where = [np.flatnonzero(gaps[:, j]) for j in range(z.shape[1])]
    for turn in range(_BURN + times * _BETWEEN):
        mean, precision = _parameters(z, draw)
        for j, rows in enumerate(where):
            if len(rows):
                own = precision[j] / precision[j, j]
                off = z[rows] - mean
                off[:, j] = 0.0
                noise = draw.standard_normal(len(rows)) / np.sqrt(precision[j, j])
                z[rows, j] = mean[j] - off @ own + noise
        if turn >= _BURN and (turn - _BURN) % _BETWEEN == _BETWEEN - 1:
            yield np.where(gaps, z * spread + centre, columns)


def _parameters(z: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw mean and precision given filled rows: normal and Wishart (Bartlett 1933)."""
    n, k = z.shape
    middle = z.mean(axis=0)
    off = z - middle
    within = off.T @ off + np.eye(k)
    root = np.linalg.cholesky(np.linalg.inv(within))
    lower = np.tril(draw.standard_normal((k, k)), -1)
    lower[np.diag_indices(k)] = np.sqrt(draw.chisquare(n - np.arange(k)))
    half = root @ lower
    precision = half @ half.T
    # precision = half half', so that half'^-1 times noise has its inverse as covariance
    shift = np.linalg.solve(half.T, draw.standard_normal(k)) / np.sqrt(n)
    return middle + shift, precision


class Pooled(NamedTuple):
    """Estimates from several filled copies, taken together.

    Parameters
    ----------
    estimate, se : ndarray, shape (k,)
        The mean, and its standard error with the part that is due to gaps.
    df : ndarray, shape (k,)
        Degrees of freedom of Student's distribution.
    missing : ndarray, shape (k,)
        The share of the variance that is due to gaps.
    """

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    missing: np.ndarray

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the interval's ends and the p-values of no effect.

        Parameters
        ----------
        level : float
            Of the interval.
        """
        from scipy import special

        reach = special.stdtrit(self.df, 0.5 + level / 2) * self.se
        some = self.se > 0
        t = np.divide(self.estimate, self.se, out=np.zeros_like(self.se), where=some)
        p = np.where(some & np.isfinite(t), 2 * special.stdtr(self.df, -np.abs(t)), np.nan)
        return self.estimate - reach, self.estimate + reach, p


def rubin(
    estimates: Sequence[np.ndarray], variances: Sequence[np.ndarray], df: float | np.ndarray
) -> Pooled:
    """Pool by Rubin's rules (1987), with the degrees of freedom of Barnard and Rubin (1999).

    Parameters
    ----------
    estimates, variances : sequence of ndarray, shape (k,)
        Of each filled copy; of one copy alone they are given as they are.
    df : float or ndarray, shape (k,)
        Degrees of freedom had nothing been missing.
    """
    each, inside = np.array(estimates), np.array(variances)
    m = len(each)
    mean, within = each.mean(axis=0), inside.mean(axis=0)
    if m == 1:
        return Pooled(mean, np.sqrt(within), np.full(len(mean), df), np.zeros(len(mean)))
    between = each.var(axis=0, ddof=1) * (1 + 1 / m)
    total = within + between
    share = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    share = np.maximum(share, 1e-12)
    old = (m - 1) / share**2
    seen = (df + 1) / (df + 3) * df * (1 - share)
    return Pooled(mean, np.sqrt(total), old * seen / (old + seen), share)
