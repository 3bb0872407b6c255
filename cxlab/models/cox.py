"""Cox's proportional hazards model, its test of proportional hazards, and its effects by time.

The model, its strata and the test share one set of sums over those at risk, so that some
dozens of fits take a second or two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from cxlab.errors import AnalysisError
from cxlab.models.hazard import independent_columns
from cxlab.models.intervals import wald_p

__all__ = ["CoxFit", "Levels", "early_and_late", "estimable", "fit_cox", "proportional_hazards"]

_MOST_STEPS = 50
_TOLERANCE = 1e-10
# A longer step in any customer's log hazard is cut: exp() of it would swamp all others.
_LONGEST_STEP = 5.0


@dataclass(frozen=True)
class Levels:
    """The levels of an attribute, to be compared with the average customer.

    Each level's log hazard ratio is told against the mean hazard of all customers as they are
    spread over the levels, all else held equal: :math:`\\beta_l - \\log \\sum_k p_k e^{\\beta_k}`.
    The hazard ratios' mean over the customers is then 1. A level that nobody leaves counts for
    nothing in it, and cannot spoil it.

    Parameters
    ----------
    first : str
        The level that is no term of the model.
    share : pandas.Series
        The share of customers at each level, by the name of its term, ``first`` among them;
        0 where a level is to be no part of the average.
    """

    first: str
    share: pd.Series


@dataclass(frozen=True)
class CoxFit:
    """A fitted model.

    Parameters
    ----------
    table : pandas.DataFrame
        ``term, estimate`` (log hazard ratio), ``se, p_value``: the coefficients, and where
        that was asked for levels against the average.
    coef : ndarray, shape (p,)
        The coefficients.
    log_likelihood : float
        The log partial likelihood at the estimate.
    n, events : int
        Rows, and those of them with the event.
    """

    table: pd.DataFrame
    coef: np.ndarray
    log_likelihood: float
    n: int
    events: int


class _Partial:
    """The partial likelihood, ties by Efron's method, as sums over those at risk.

    Rows are ordered by stratum, the longest duration first: everybody at risk at a row's time
    then stands before it in its stratum. A *block* holds the rows of one stratum and time, a
    *cell* is a block with events.
    """

    def __init__(
        self, x: np.ndarray, duration: np.ndarray, event: np.ndarray, strata: np.ndarray
    ) -> None:
        order = np.lexsort((-duration, strata))
        self.x, self.event = x[order], event[order] == 1
        time, stratum = duration[order], strata[order]
        first = np.ones(len(time), dtype=bool)
        first[1:] = (np.diff(stratum) != 0) | (np.diff(time) != 0)
        self.block = np.cumsum(first) - 1
        self.starts = np.flatnonzero(first)
        _, begins, self.strata_of = np.unique(
            stratum[self.starts], return_index=True, return_inverse=True
        )
        self.begins, self.ends = begins, np.append(begins[1:], len(self.starts)) - 1
        deaths = np.bincount(self.block[self.event])
        self.cells = np.flatnonzero(deaths)
        self.deaths = deaths[self.cells]
        self.time = time[self.starts][self.cells]
        self.cell_of_death = np.repeat(np.arange(len(self.cells)), self.deaths)
        self.first_deaths = np.cumsum(self.deaths) - self.deaths
        place = np.arange(len(self.cell_of_death)) - self.first_deaths[self.cell_of_death]
        self.share = place / self.deaths[self.cell_of_death]

    def at(self, coef: np.ndarray) -> _Sums:
        """Sum over those at risk with the coefficients given."""
        eta = self.x @ coef
        eta -= eta.max()
        weight = np.exp(eta)
        weighted = weight[:, None] * self.x
        s0, s1 = (self._at_risk(v) for v in (weight, weighted))
        dead = self.event
        d0, d1 = (np.add.reduceat(v[dead], self.first_deaths) for v in (weight, weighted))
        total = s0[self.cell_of_death] - self.share * d0[self.cell_of_death]
        log_likelihood = float(eta[dead].sum() - np.log(total).sum())
        return _Sums(self, weight, s1, d1, 1 / total, log_likelihood)

    def _at_risk(self, values: np.ndarray) -> np.ndarray:
        """Sum the values of everybody at risk, a cell."""
        sums = np.cumsum(np.add.reduceat(values, self.starts), axis=0)
        before = np.concatenate([np.zeros_like(sums[:1]), sums])[self.begins]
        return np.asarray((sums - before[self.strata_of])[self.cells])

    def until(self, values: np.ndarray) -> np.ndarray:
        """Sum cells' values over all times a row was at risk at, a row."""
        spread = np.zeros(len(self.starts))
        spread[self.cells] = values
        sums = np.cumsum(spread)
        return np.asarray((sums[self.ends][self.strata_of] - sums + spread)[self.block])


@dataclass(frozen=True)
class _Sums:
    """The partial likelihood at one vector of coefficients; see :class:`_Partial`."""

    of: _Partial
    weight: np.ndarray
    s1: np.ndarray
    d1: np.ndarray
    inverse: np.ndarray
    log_likelihood: float

    def _cell(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.of.cell_of_death, values, len(self.of.cells))

    def score(self) -> np.ndarray:
        """Give the score's part of each cell."""
        of = self.of
        observed = np.add.reduceat(of.x[of.event], of.first_deaths)
        expected = self._cell(self.inverse)[:, None] * self.s1
        expected -= self._cell(self.inverse * of.share)[:, None] * self.d1
        return np.asarray(observed - expected)

    def information(self, by: np.ndarray) -> np.ndarray:
        """Sum the information over cells, each times its value in ``by``."""
        of, f = self.of, self.of.share
        rows = self.weight * of.until(by * self._cell(self.inverse))
        dead = (by * self._cell(self.inverse * f))[of.cell_of_death]
        rows[of.event] -= self.weight[of.event] * dead
        second = of.x.T @ (rows[:, None] * of.x)
        squares = [by * self._cell(self.inverse**2 * f**power) for power in range(3)]
        cross = self.s1.T @ (squares[1][:, None] * self.d1)
        own = self.s1.T @ (squares[0][:, None] * self.s1)
        own += self.d1.T @ (squares[2][:, None] * self.d1)
        return np.asarray(second - own + cross + cross.T)


def _prepared(
    terms: pd.DataFrame, duration: np.ndarray, event: np.ndarray, strata: np.ndarray | None
) -> tuple[_Partial, np.ndarray]:
    """Standardize the terms; give the likelihood and their scale."""
    x = terms.to_numpy(float)
    duration, event = np.asarray(duration, float), np.asarray(event)
    if not (np.isfinite(x).all() and np.isfinite(duration).all()):
        raise AnalysisError("the Cox model cannot be fitted: a value is missing")
    if not event.any():
        raise AnalysisError("the Cox model cannot be fitted: nobody has the event")
    scale = x.std(axis=0)
    if not (scale > 0).all():
        raise AnalysisError("the Cox model cannot be fitted: a term does not vary")
    codes = np.zeros(len(x), int) if strata is None else pd.factorize(np.asarray(strata))[0]
    return _Partial((x - x.mean(axis=0)) / scale, duration, event, codes), scale


def fit_cox(
    terms: pd.DataFrame,
    duration: np.ndarray,
    event: np.ndarray,
    strata: np.ndarray | None = None,
    averaged: Sequence[Levels] = (),
) -> CoxFit:
    """Fit Cox's proportional hazards model (Cox 1972), ties by Efron's method (Efron 1977).

    Parameters
    ----------
    terms : pandas.DataFrame, shape (n, p)
        Covariates, complete and :func:`estimable`.
    duration : ndarray, shape (n,)
        Time to the event or to censoring.
    event : ndarray, shape (n,)
        1 where the event happened.
    strata : ndarray, shape (n,), optional
        Groups that each have a baseline hazard of their own.
    averaged : sequence of Levels
        Attributes whose levels are compared with the average in the table; left out of it
        where one of their levels is no term.

    Raises
    ------
    AnalysisError
        The fit fails, as where a value is missing or a term follows from others.
    """
    partial, scale = _prepared(terms, duration, event, strata)
    coef = np.zeros(terms.shape[1])
    ones = np.ones(len(partial.cells))
    sums = partial.at(coef)
    for _ in range(_MOST_STEPS):
        step = _solved(sums.information(ones), sums.score().sum(axis=0))
        step *= min(1.0, _LONGEST_STEP / max(float(np.abs(partial.x @ step).max()), 1e-300))
        new = partial.at(coef + step)
        while not new.log_likelihood >= sums.log_likelihood - 1e-9 and np.abs(step).max() > 1e-9:
            step = step / 2
            new = partial.at(coef + step)
        gain = new.log_likelihood - sums.log_likelihood
        coef, sums = coef + step, new
        if abs(gain) <= _TOLERANCE * (1 + abs(new.log_likelihood)):
            break
    coef = coef / scale
    covariance = _solved(sums.information(ones), np.eye(len(coef))) / np.outer(scale, scale)
    table = _told(list(terms.columns), coef, covariance, averaged)
    events = int(np.sum(np.asarray(event) == 1))
    return CoxFit(table, coef, sums.log_likelihood, len(terms), events)


def _told(
    names: list[str], coef: np.ndarray, covariance: np.ndarray, averaged: Sequence[Levels]
) -> pd.DataFrame:
    """Give estimates and standard errors, these by the delta method for levels."""
    estimates, by = dict(zip(names, coef, strict=True)), pd.DataFrame(np.eye(len(coef)), names)
    for levels in averaged:
        own = [t for t in levels.share.index if t in names]
        part = levels.share[levels.share > 0]
        if len(part) < 2 or not {levels.first, *own}.issuperset(part.index):
            by = by.drop(own)  # no average: strata tell a level altogether
            continue
        at = [names.index(t) for t in own]
        risk = levels.share * np.exp([estimates.get(t, 0.0) for t in levels.share.index])
        mean = np.log(risk.sum() / part.sum())
        estimates |= {t: estimates.get(t, 0.0) - mean for t in (levels.first, *own)}
        by.loc[levels.first] = 0.0
        by.loc[[levels.first, *own], at] -= (risk[own] / risk.sum()).to_numpy()
    estimate = np.array([estimates[t] for t in by.index])
    se = np.sqrt(np.einsum("ij,jk,ik->i", by, covariance, by))
    return pd.DataFrame(
        {"term": by.index, "estimate": estimate, "se": se, "p_value": wald_p(estimate, se)}
    )


def _solved(information: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(information, right)
    except np.linalg.LinAlgError:
        text = "the Cox model cannot be fitted: a term follows from others, or tells who left"
        raise AnalysisError(text) from None


def proportional_hazards(
    fit: CoxFit,
    terms: pd.DataFrame,
    duration: np.ndarray,
    event: np.ndarray,
    groups: Sequence[str],
    strata: np.ndarray | None = None,
) -> pd.DataFrame:
    """Test whether hazard ratios change with time.

    The score test of Grambsch and Therneau (1994) for an effect that moves with one minus the
    Kaplan-Meier estimate, all terms of a group together, with the information at each event
    time; as ``cox.zph`` of R's package survival from version 3 on.

    Parameters
    ----------
    fit : CoxFit
        Of :func:`fit_cox` on the same rows.
    terms, duration, event, strata
        As for :func:`fit_cox`.
    groups : sequence of str, length p
        The group of each term, such as the attribute whose level it is.

    Returns
    -------
    pandas.DataFrame
        ``group, chi2, df, p_value``, in the order of the groups.
    """
    partial, scale = _prepared(terms, duration, event, strata)
    sums = partial.at(fit.coef * scale)
    moved = _one_minus_survival(partial.time, np.asarray(duration, float), np.asarray(event))
    moved -= np.average(moved, weights=partial.deaths)
    score = sums.score().T @ moved
    plain, cross, own = (sums.information(moved**power) for power in range(3))
    found = []
    for group in dict.fromkeys(groups):
        at = np.flatnonzero(np.asarray(groups) == group)
        room = own[np.ix_(at, at)] - cross[at] @ _solved(plain, cross[:, at])
        chi2 = float(score[at] @ _solved(room, score[at]))
        found.append((group, chi2, len(at), float(special.chdtrc(len(at), chi2))))
    return pd.DataFrame(found, columns=["group", "chi2", "df", "p_value"])


def _one_minus_survival(times: np.ndarray, duration: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Give one minus the Kaplan-Meier estimate just before each time, over all strata."""
    known, deaths = np.unique(duration[event == 1], return_counts=True)
    at_risk = len(duration) - np.searchsorted(np.sort(duration), known)
    survival = np.concatenate([[1.0], np.cumprod(1 - deaths / at_risk)])
    return np.asarray(1 - survival[np.searchsorted(known, times)])


def estimable(
    terms: pd.DataFrame, strata: np.ndarray | None = None, tolerance: float = 1e-7
) -> np.ndarray:
    """Tell which terms vary within strata and do not follow from those before them.

    Parameters
    ----------
    terms : pandas.DataFrame, shape (n, p)
        Covariates, complete.
    strata : ndarray, shape (n,), optional
        Groups.
    tolerance : float
        Share of a term's variation that must be its own.

    Returns
    -------
    ndarray of bool, shape (p,)
    """
    groups = np.zeros(len(terms), int) if strata is None else np.asarray(strata)
    centred = (terms - terms.groupby(groups).transform("mean")).to_numpy(float)
    # What rounding leaves of a term that is constant within strata is no variation.
    spread = terms.to_numpy(float).std(axis=0)
    centred[:, centred.std(axis=0) < 1e-9 * np.where(spread > 0, spread, 1.0)] = 0.0
    return independent_columns(centred, tolerance)


def early_and_late(
    terms: pd.DataFrame,
    duration: np.ndarray,
    event: np.ndarray,
    strata: np.ndarray | None = None,
    averaged: Sequence[Levels] = (),
) -> tuple[float, pd.DataFrame]:
    """Fit all effects apart for an early and a late span, with about half of the events each.

    The partial likelihood is a product over event times, so that the two fits share nothing
    and their estimates are independent in large samples.

    Parameters
    ----------
    terms, duration, event, strata, averaged
        As for :func:`fit_cox`.

    Returns
    -------
    cut : float
        The last time of the early span.
    table : pandas.DataFrame
        ``term, early, early_se, late, late_se`` (log hazard ratios); NaN where a span cannot
        tell a term from others, or holds no event. A level that nobody at risk in a span has
        is no part of either average, so that the same customers stand behind both.
    """
    duration, event = np.asarray(duration, float), np.asarray(event)
    times, deaths = np.unique(duration[event == 1], return_counts=True)
    cut = float(times[np.argmin(np.abs(np.cumsum(deaths) - deaths.sum() / 2))])
    table = pd.DataFrame({"term": [*terms.columns, *(levels.first for levels in averaged)]})
    late = duration > cut
    spans = (
        ("early", np.ones(len(duration), dtype=bool), np.where(late, 0, event)),
        ("late", late, event),
    )
    there = pd.concat([(terms[inside] != 0).any() for _, inside, _ in spans], axis=1).all(axis=1)
    averaged = [
        Levels(a.first, a.share.where(there.reindex(a.share.index, fill_value=True), 0.0))
        for a in averaged
    ]
    for name, inside, happened in spans:
        groups = None if strata is None else np.asarray(strata)[inside]
        rows = terms[inside]
        until = np.minimum(duration, cut) if name == "early" else duration
        found = pd.DataFrame(columns=["term", "estimate", "se"])
        if happened[inside].any():
            kept = rows.loc[:, estimable(rows, groups)]
            if kept.shape[1]:
                found = fit_cox(kept, until[inside], happened[inside], groups, averaged).table
        found = found.set_index("term").reindex(table["term"])
        table[name] = found["estimate"].to_numpy(float)
        table[f"{name}_se"] = found["se"].to_numpy(float)
    return cut, table
