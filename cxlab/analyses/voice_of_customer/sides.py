"""Sums by customer of two sides of a comparison, for ratios whose rows hang together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from cxlab.models.clustered import CROSSED, OTHER, SUMS
from cxlab.models.intervals import Z, wald_p

__all__ = ["blank", "p_values", "sums"]


def sums(who: np.ndarray, y: np.ndarray, side: np.ndarray) -> pd.DataFrame:
    """Sum each column of y, and the rows, by customer on two sides.

    Parameters
    ----------
    who : ndarray of int, shape (rows,)
        The customers.
    y : ndarray, shape (rows, columns)
        Numerators; the denominator of each row is 1.
    side : ndarray of int, shape (rows,)
        1: this side, 0: the other, -1: neither.

    Returns
    -------
    pandas.DataFrame
        A row a column of y, as :func:`cxlab.models.clustered.changes` takes it, and ``rows``.
    """
    met = np.unique(who[side >= 0])
    place = np.searchsorted(met, who)
    parts = []
    for mine in (1, 0):
        rows = np.flatnonzero(side == mine)
        shape = (len(met), len(rows))
        pick = sparse.csr_array((np.ones(len(rows)), (place[rows], np.arange(len(rows)))), shape)
        parts.append((pick @ y[rows].astype(float), np.asarray(pick.sum(axis=1)).reshape(-1, 1)))
    (y1, x1), (y0, x0) = parts
    columns = np.ones(y.shape[1])
    found: dict[str, np.ndarray] = {}
    for names, num, den in ((SUMS, y1, x1), (tuple(OTHER[n] for n in SUMS), y0, x0)):
        made = [c.sum(axis=0) for c in (den > 0, num, den, num**2, num * den, den**2)]
        found |= {n: value * columns for n, value in zip(names, made, strict=True)}
    crossed = (y0 * y1, y0 * x1, x0 * y1, x0 * x1 * columns)
    found |= {n: c.sum(axis=0) for n, c in zip(CROSSED, crossed, strict=True)}
    return pd.DataFrame(found).assign(rows=float((side == 1).sum()))


def blank(table: pd.DataFrame, small: np.ndarray, figures: list[str]) -> pd.DataFrame:
    """Withhold the figures of small groups.

    Parameters
    ----------
    table : pandas.DataFrame
        Figures.
    small : ndarray of bool
        Which rows rest on too few customers.
    figures : list of str
        The columns that are withheld.
    """
    table = table.copy()
    table.loc[small, figures] = np.nan
    return table


def p_values(gap: pd.DataFrame) -> np.ndarray:
    """Give the p-values of differences; of two sides that never overlap, by their interval.

    Where all on one side are alike there is no spread to take a test from, but the interval,
    which knows how many they are, has a limit nearer to no difference.

    Parameters
    ----------
    gap : pandas.DataFrame
        Of :func:`cxlab.models.clustered.changes`.
    """
    middle, p = gap["estimate"].to_numpy(float), gap["p_value"].to_numpy(float)
    near = np.where(middle > 0, gap["conf_low"], gap["conf_high"])
    width = np.abs(middle - near) / Z
    with np.errstate(divide="ignore", invalid="ignore"):
        by_interval = wald_p(middle, width)
    return np.where(np.isnan(p) & (width > 0), by_interval, p)
