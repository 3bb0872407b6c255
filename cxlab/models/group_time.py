"""Did those who were reached change beside those who were not? Group-time effects of ratios.

Customers are reached in cohorts, each on its own date. For each cohort and period, what would
have come is told from the cohort's own time before and from how customers not (yet) reached
changed meanwhile; nobody reached earlier ever stands for what would have come (Callaway and
Sant'Anna 2021), which is what makes two-way fixed effects wrong (Goodman-Bacon 2021). Outcomes
are ratios of sums over customers (failures out of contacts, leavers out of time), and a
customer's sums of all periods stay together: the variance is that of the estimate's
linearisation, summed by customer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

from cxlab.models.intervals import LEVEL

__all__ = ["Effects", "Layout", "Sums", "Wald", "band", "effects", "joint", "sums_of"]

Scale = Literal["ratio", "difference"]
_DRAWS = 4000


@dataclass(frozen=True)
class Sums:
    """Sums over the customers of each group, and of the products of a customer's own figures.

    Parameters
    ----------
    y, x : ndarray, shape (groups, columns)
        Numerators and denominators by column: a period, seen from one cohort's start.
    products : ndarray, shape (groups, 2 columns, 2 columns)
        Over customers, of each with each of their y and x, the y first.
    n : ndarray of int, shape (groups,)
        Customers with any denominator.
    """

    y: np.ndarray
    x: np.ndarray
    products: np.ndarray
    n: np.ndarray

    def __add__(self, other: Sums) -> Sums:
        """Take two sets of customers together."""
        mine, theirs = vars(self), vars(other)
        return Sums(**{name: mine[name] + theirs[name] for name in mine})


def sums_of(y: np.ndarray, x: np.ndarray, group: np.ndarray, groups: int) -> Sums:
    """Sum customers' figures by group.

    Parameters
    ----------
    y, x : ndarray, shape (customers, columns)
        Of each customer, 0 where there is nothing.
    group : ndarray of int, shape (customers,)
        From 0; below 0 the customer does not count.
    groups : int
        How many groups.
    """
    columns = y.shape[1]
    made = Sums(
        np.zeros((groups, columns)),
        np.zeros((groups, columns)),
        np.zeros((groups, 2 * columns, 2 * columns)),
        np.zeros(groups, dtype=np.int64),
    )
    for g in range(groups):
        mine = np.hstack([y[group == g], x[group == g]])
        made.y[g], made.x[g] = np.split(mine.sum(axis=0), 2)
        made.products[g] = mine.T @ mine
        made.n[g] = (mine[:, columns:] > 0).any(axis=1).sum()
    return made


@dataclass(frozen=True)
class Layout:
    """What the columns are.

    Parameters
    ----------
    cohort : ndarray of int, shape (columns,)
        The group from whose start the column's periods are counted.
    event : ndarray of int, shape (columns,)
        Periods since that start: below 0 before it.
    clean : ndarray of bool, shape (groups, columns)
        Whether a group was not reached before the column's period was over; not its own cohort.
    base : int
        How many of the periods before the start tell what is usual; 0: all.
    """

    cohort: np.ndarray
    event: np.ndarray
    clean: np.ndarray
    base: int = 0

    @property
    def in_base(self) -> np.ndarray:
        """Which columns tell what is usual."""
        recent = self.event >= -self.base if self.base else np.ones(len(self.event), dtype=bool)
        return (self.event < 0) & recent

    def shifted(self, back: int) -> Layout:
        """Pretend that each start was some periods earlier; what came after it does not count.

        Parameters
        ----------
        back : int
            How many.
        """
        known = self.event < 0
        return replace(
            self,
            event=np.where(known, self.event + back, np.iinfo(np.int32).max),
            clean=self.clean & known,
        )


@dataclass(frozen=True)
class Effects:
    """Effects, each of a set of columns: what came against what would have come.

    Parameters
    ----------
    value : ndarray, shape (effects,)
        Logarithm of came over would have come, or the difference per denominator; NaN without
        anybody to compare with.
    covariance : ndarray, shape (effects, effects)
        Of the values.
    change, change_se : ndarray, shape (effects,)
        The difference per denominator on either scale, and its standard error.
    came, expected, out_of : ndarray, shape (effects,)
        Sums: the numerators, what they would have been, and the denominators.
    df : float
        Degrees of freedom: customers of the smaller side, less one.
    columns : ndarray of bool, shape (effects, columns)
        Those that could be compared.
    of_base : ndarray, shape (effects,)
        The part of the variance that the time before has, the rest being of the time after.
    """

    value: np.ndarray
    covariance: np.ndarray
    change: np.ndarray
    change_se: np.ndarray
    came: np.ndarray
    expected: np.ndarray
    out_of: np.ndarray
    df: float
    columns: np.ndarray
    of_base: np.ndarray

    @property
    def se(self) -> np.ndarray:
        """Standard errors of the values."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided p-values of no effect, by Student's distribution."""
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.abs(self.value / self.se)
        return np.asarray(2 * special.stdtr(self.df, -far))

    @property
    def quantile(self) -> float:
        """Student's quantile of a 95% interval."""
        return float(special.stdtrit(self.df, 0.5 + LEVEL / 2))


def effects(sums: Sums, layout: Layout, sets: np.ndarray, scale: Scale) -> Effects:
    r"""Estimate the effects of sets of columns.

    With :math:`R` the ratio of sums, :math:`g` the cohort, :math:`b` its time before and
    :math:`C` the groups not reached until the period is over, what would have come is, on the
    scale of ratios, :math:`E_{gt} = X_{gt} R_{gb} R_{Ct} / R_{Cb}`, else
    :math:`X_{gt} (R_{gb} + R_{Ct} - R_{Cb})`. A set's effect is that of its sums, so that a
    cohort counts by its denominators, as in Callaway and Sant'Anna's aggregates by its size.

    Parameters
    ----------
    sums : Sums
        By group and column.
    layout : Layout
        What the columns are.
    sets : ndarray of bool, shape (effects, columns)
        Which columns make an effect.
    scale : {"ratio", "difference"}
        Whether time passes alike for all as a factor or as an amount.

    Returns
    -------
    Effects
        Where nothing came at all, half of one is put for it and its variance is that of half.

    Notes
    -----
    Callaway B, Sant'Anna P (2021), J Econometrics 225. On the scale of differences, with each
    customer's denominator 1 and ``base=1``, values are theirs, never- and not-yet-treated.
    """
    expected, rows = _expected(sums, layout, scale)
    usable = np.isfinite(expected)
    picked = sets & usable
    w = picked.astype(float)
    own = layout.cohort
    cells = np.arange(len(own))
    came = w @ sums.y[own, cells]
    out_of = w @ sums.x[own, cells]
    wanted = w @ np.where(usable, expected, 0.0)
    groups, columns = sums.y.shape
    there = np.zeros((len(own), groups, 2, columns))
    there[cells, own, 0, cells] = 1.0  # what came
    under = np.zeros_like(there)
    under[cells, own, 1, cells] = 1.0  # out of what
    j_came, j_under, j_wanted = (
        np.tensordot(w, j, axes=1) for j in (there, under, np.where(usable[:, None, None, None],
                                                                    rows, 0.0))
    )  # fmt: skip
    some = (wanted > 0) & (out_of > 0) if scale == "ratio" else out_of > 0
    per = np.where(some, out_of, np.nan)
    change = (came - wanted) / per
    j_change = (j_came - j_wanted - _scaled(change, j_under)) / _wide(per)
    if scale == "ratio":
        counted, least = np.where(some, came, np.nan), np.where(came > 0, came, 0.5)
        value = np.log(np.where(counted >= 0, least, np.nan) / np.where(some, wanted, np.nan))
        j_value = j_came / _wide(least) - j_wanted / _wide(np.where(some, wanted, np.nan))
    else:
        value, j_value = change, j_change
    covariance = _covariance(j_value, sums)
    if scale == "ratio":
        covariance[np.diag_indices_from(covariance)] += np.where(some & (came == 0), 2.0, 0.0)
    before = j_value * layout.in_base
    return Effects(
        value=value,
        covariance=covariance,
        change=change,
        change_se=np.sqrt(np.maximum(np.diag(_covariance(j_change, sums)), 0.0)),
        came=came,
        expected=wanted,
        out_of=out_of,
        df=_freedom(sums, layout, picked),
        columns=picked,
        of_base=np.diag(_covariance(before, sums)),
    )


def _wide(values: np.ndarray) -> np.ndarray:
    return values[:, None, None, None]


def _scaled(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return np.asarray(_wide(values) * rows)


def _controls(layout: Layout) -> np.ndarray:
    """Which groups may stand for what would have come, by column."""
    base = (layout.cohort[:, None] == layout.cohort[None, :]) & layout.in_base[None, :]
    dirty = (~layout.clean).astype(float) @ base.T.astype(float)
    return np.asarray(layout.clean & (dirty == 0))


def _expected(sums: Sums, layout: Layout, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Give what would have come by column, and its derivatives by each sum."""
    own, cells = layout.cohort, np.arange(len(layout.cohort))
    base = (own[:, None] == own[None, :]) & layout.in_base[None, :]
    may = _controls(layout).astype(float)
    y, x = sums.y, sums.x
    y_base, x_base = y @ base.T, x @ base.T
    parts = {
        "own": (y_base[own, cells], x_base[own, cells]),
        "now": ((may * y).sum(axis=0), (may * x).sum(axis=0)),
        "then": ((may * y_base).sum(axis=0), (may * x_base).sum(axis=0)),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = {name: num / den for name, (num, den) in parts.items()}
        if scale == "ratio":
            factor = rate["now"] / rate["then"]
            per = rate["own"] * factor
            slope = {"own": factor, "now": rate["own"] / rate["then"],
                     "then": -per / rate["then"]}  # fmt: skip
            per = np.where((rate["own"] > 0) & (rate["then"] > 0), per, np.nan)
        else:
            per = rate["own"] + rate["now"] - rate["then"]
            slope = {name: np.full(len(own), sign)
                     for name, sign in (("own", 1.0), ("now", 1.0), ("then", -1.0))}  # fmt: skip
    out_of = x[own, cells]
    per = np.where(out_of > 0, per, np.nan)
    rows = np.zeros((len(own), len(y), 2, len(own)))
    mine = np.zeros((len(own), len(y), len(own)))
    mine[cells, own, :] = base
    now = np.zeros_like(mine)
    now[cells, :, cells] = may.T
    where = {"own": mine, "now": now, "then": may.T[:, :, None] * base[:, None, :]}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, places in where.items():
            weight = out_of * slope[name] / parts[name][1]
            rows[:, :, 0, :] += weight[:, None, None] * places
            rows[:, :, 1, :] -= (weight * rate[name])[:, None, None] * places
    rows[cells, own, 1, cells] += per
    return per * out_of, rows


def _covariance(rows: np.ndarray, sums: Sums) -> np.ndarray:
    """Sum the customers' linearised parts squared; those of a group are independent."""
    made = np.zeros((len(rows), len(rows)))
    flat = np.nan_to_num(rows.reshape(len(rows), rows.shape[1], -1))
    for g, products in enumerate(sums.products):
        n = sums.n[g]
        made += flat[:, g] @ products @ flat[:, g].T * (n / max(n - 1, 1))
    return made


def _freedom(sums: Sums, layout: Layout, picked: np.ndarray) -> float:
    used = picked.any(axis=0)
    reached = np.unique(layout.cohort[used])
    others = np.flatnonzero(_controls(layout)[:, used].any(axis=1))
    return float(max(min(sums.n[reached].sum(), sums.n[others].sum()) - 1, 1))


@dataclass(frozen=True)
class Wald:
    """A joint test that several effects are none.

    Parameters
    ----------
    statistic : float
        Over its degrees of freedom; NaN without any.
    df : int
        How many effects can differ on their own.
    p_value : float
        By Fisher's distribution.
    """

    statistic: float
    df: int
    p_value: float


def joint(found: Effects, which: np.ndarray) -> Wald:
    """Test some effects together, as differences per denominator expected.

    Parameters
    ----------
    found : Effects
        Of :func:`effects`.
    which : ndarray of int
        Their places; of those before the start, all but one.
    """
    which = which[np.isfinite(found.value[which])]
    if not len(which):
        return Wald(np.nan, 0, np.nan)
    value, covariance = found.value[which], found.covariance[np.ix_(which, which)]
    roots, ways = np.linalg.eigh(covariance)
    kept = roots > 1e-9 * max(roots.max(), 1e-300)
    df = int(kept.sum())
    if not df:
        return Wald(np.nan, 0, np.nan)
    statistic = float(((ways.T @ value)[kept] ** 2 / roots[kept]).sum()) / df
    return Wald(statistic, df, float(special.fdtrc(df, max(found.df - df + 1, 1), statistic)))


def band(found: Effects, which: np.ndarray, seed: int = 0) -> float:
    """Give the quantile of a band that holds all of some effects at once, in 95 of 100.

    Customers' parts are multiplied by normal draws (a multiplier bootstrap): given the data,
    the effects drawn are normal with the estimated covariance, and are drawn from it here.

    Parameters
    ----------
    found : Effects
        Of :func:`effects`.
    which : ndarray of int
        Their places.
    seed : int
        Of the draws.
    """
    se = found.se[which]
    which = which[np.isfinite(found.value[which]) & (se > 0)]
    if not len(which):
        return found.quantile
    se = found.se[which]
    alike = found.covariance[np.ix_(which, which)] / np.outer(se, se)
    roots, ways = np.linalg.eigh(alike)
    half = ways * np.sqrt(np.maximum(roots, 0.0))
    drawn = np.random.default_rng(seed).standard_normal((_DRAWS, len(which))) @ half.T
    # Few customers tell their variance only roughly: the draws are Student's.
    chi = np.random.default_rng(seed + 1).chisquare(found.df, _DRAWS) / found.df
    return float(np.quantile(np.abs(drawn).max(axis=1) / np.sqrt(chi), LEVEL))
