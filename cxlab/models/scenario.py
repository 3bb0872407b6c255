r"""What if bad contacts were fewer: churn avoided, from the churns that happened.

Each bad contact at a touchpoint is, independently with probability :math:`p`, an ordinary one.
Against the hazard that was, the hazard then is :math:`e^{-\beta w}` times as large for each
contact of weight :math:`w` that is removed, and over the draw of which are removed

.. math:: R = \prod_j (1 - p_j + p_j e^{-\beta_j w_j}),

never :math:`e^{-p \beta \sum w}`: several contacts and several touchpoints are taken together in
one product, so that no churn is avoided twice. METHODS.md derives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["Avoided", "Basis", "Change", "avoided", "avoided_draws", "each_avoided",
           "parameter_draws", "reduction", "reduction_draws"]  # fmt: skip

_SHORTEST, _LONGEST = 1.0, 730.0
# So many terms (of a pair of a churn and a contact, in a draw) are worked out at once.
_TERMS = 4_000_000


@dataclass(frozen=True)
class Basis:
    """All churns that were seen, and the bad contacts behind each, by a fitted model.

    Parameters
    ----------
    touchpoints : tuple of str
        All there are.
    coef : ndarray, shape (touchpoints,)
        Log hazard ratio of a fresh bad contact against an ordinary one; 0 where none is known.
    usable : ndarray of bool, shape (touchpoints,)
        Where one is known, and its verdict lets it be counted in customers.
    covariance : ndarray, shape (touchpoints + groups, touchpoints + groups)
        Of ``coef`` and then of the logs of ``half_life``.
    half_life : ndarray, shape (groups,)
        In days; touchpoints of a group share one.
    group : ndarray of int, shape (touchpoints,)
        Each touchpoint's.
    at : ndarray, shape (m,)
        Days since 1970-01-01 at which the period of each churn begins.
    middle : ndarray, shape (m,)
        Its middle, to which ages run.
    baseline : ndarray, shape (m,)
        Log hazard per period at each churn, without the exposures.
    part : ndarray, shape (m, groups)
        What the exposures add to it, by half-life.
    step : ndarray, shape (m,)
        Days from one occasion to leave to the next.
    left : ndarray of int, shape (m,)
        Occasions to leave between the churn and the end of what was seen.
    customer : ndarray of int, shape (m,)
        Who left, as a number.
    value : ndarray, shape (m,)
        Monthly value of each; NaN where none is known.
    churn, touchpoint : ndarray of int, shape (pairs,)
        For each bad contact behind a churn: which churn, at which touchpoint.
    age : ndarray, shape (pairs,)
        Days from that contact to the churn's ``middle``.
    begin, end : float
        The first instant at risk of anyone, and the first not seen.
    """

    touchpoints: tuple[str, ...]
    coef: np.ndarray
    usable: np.ndarray
    covariance: np.ndarray
    half_life: np.ndarray
    group: np.ndarray
    at: np.ndarray
    middle: np.ndarray
    baseline: np.ndarray
    part: np.ndarray
    step: np.ndarray
    left: np.ndarray
    customer: np.ndarray
    value: np.ndarray
    churn: np.ndarray
    touchpoint: np.ndarray
    age: np.ndarray
    begin: float
    end: float

    def place(self, name: str) -> int:
        """Give a touchpoint's place."""
        return self.touchpoints.index(name)

    @property
    def churns(self) -> int:
        """How many churns there are."""
        return len(self.at)

    def only(self, chosen: np.ndarray) -> Basis:
        """Keep some of the churns, with the contacts behind them.

        Parameters
        ----------
        chosen : ndarray of bool, shape (m,)
            Which.
        """
        number = np.cumsum(chosen) - 1
        pairs = chosen[self.churn]
        rows = {n: getattr(self, n)[chosen] for n in _ROWS}
        kept = {n: getattr(self, n)[pairs] for n in ("touchpoint", "age")}
        rest = {n: getattr(self, n) for n in _WHOLE}
        return Basis(**rows, **kept, **rest, churn=number[self.churn[pairs]])

    def window(self, days: float) -> Basis:
        """Keep the churns of the last days.

        Parameters
        ----------
        days : float
            How many.
        """
        return self.only(self.at >= self.end - days)


_ROWS = ("at", "middle", "baseline", "part", "step", "left", "customer", "value")
_WHOLE = ("touchpoints", "coef", "usable", "covariance", "half_life", "group", "begin", "end")


@dataclass(frozen=True)
class Change:
    """Failures fall: by which share at each touchpoint, and since when.

    Parameters
    ----------
    share : ndarray, shape (touchpoints,)
        0 up to 1.
    since : ndarray, shape (touchpoints,)
        Contacts from then on are changed, in days since 1970-01-01; -inf: all there ever were.
    """

    share: np.ndarray
    since: np.ndarray

    def alone(self, place: int) -> Change:
        """Give the change at one touchpoint, with none at the others."""
        mine = np.arange(len(self.share)) == place
        return Change(np.where(mine, self.share, 0.0), self.since)


@dataclass(frozen=True)
class Avoided:
    """Churn avoided since a day, cumulated up to each of some days.

    Parameters
    ----------
    total : ndarray, shape (ends,)
        Customers who would not have left by then.
    value : ndarray, shape (ends,)
        Their monthly value; NaN where none is known.
    stays : ndarray, shape (m, ends)
        How many of a churn avoided are not followed by another one up to that day; 0 for churns
        after it.
    """

    total: np.ndarray
    value: np.ndarray
    stays: np.ndarray


def parameter_draws(basis: Basis, count: int, seed: int) -> np.ndarray:
    """Draw log hazard ratios and logs of half-lives, jointly normal.

    Parameters
    ----------
    basis : Basis
        The estimates.
    count, seed : int
        How many, and the same for the same draws.

    Returns
    -------
    ndarray, shape (count, touchpoints + groups)
    """
    spread, axes = np.linalg.eigh((basis.covariance + basis.covariance.T) / 2)
    root = axes * np.sqrt(np.maximum(spread, 0.0))
    generator = np.random.Generator(np.random.PCG64([seed, 0xF1C5]))
    normal = generator.standard_normal((count, len(root)))
    middle = np.append(basis.coef, np.log(basis.half_life))
    drawn = middle + normal @ root.T
    known = len(basis.coef)
    drawn[:, known:] = np.clip(drawn[:, known:], np.log(_SHORTEST), np.log(_LONGEST))
    return np.asarray(drawn)


def _middle(basis: Basis) -> np.ndarray:
    return np.append(basis.coef, np.log(basis.half_life))[None, :]


def _loads(basis: Basis, drawn: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Give what each bad contact adds to the log hazard, shape (draws, pairs)."""
    place = basis.touchpoint[pairs]
    count = len(basis.coef)
    speed = np.exp(-drawn[:, count:]) * -np.log(2)
    fresh = np.exp(speed[:, basis.group[place]] * basis.age[pairs])
    return np.asarray(fresh * drawn[:, place])


def _log_kept(share: np.ndarray, load: np.ndarray) -> np.ndarray:
    """Give the log of the expected factor of the hazard that each contact leaves."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log1p(share * np.expm1(-load)))


def _changed(basis: Basis, change: Change) -> np.ndarray:
    """Give the pairs whose contact is changed."""
    at = basis.middle[basis.churn] - basis.age
    share = np.where(basis.usable, change.share, 0.0)[basis.touchpoint]
    return np.flatnonzero((share > 0) & (at >= change.since[basis.touchpoint]))


# -- what would have been ----------------------------------------------------------------------


def avoided(basis: Basis, change: Change, ends: np.ndarray) -> Avoided:
    r"""Count the churns that would not have been.

    A churn at :math:`c` happens anyway with probability :math:`R`; whoever is saved stays at
    risk. Summed over churns, :math:`E[(1 - r) S(c, T)]` has the expectation of the difference in
    survival up to :math:`T`, over the draw :math:`r` of which contacts are removed as well; it
    is taken as :math:`e^{-E H} - R e^{-E_r H}`, with the hazard :math:`H` to come averaged over
    that draw, and over it weighted by :math:`r`. Without chance (:math:`p` of 0 or 1) that is
    exact.

    Parameters
    ----------
    basis : Basis
        The churns; those before the change count nothing.
    change : Change
        What is changed.
    ends : ndarray, shape (ends,)
        Up to which days it is counted, in order.

    Returns
    -------
    Avoided
    """
    pairs = _changed(basis, change)
    share = change.share[basis.touchpoint[pairs]]
    load = _loads(basis, _middle(basis), pairs)[0]
    kept = np.exp(_sum(basis, pairs, _log_kept(share, load)))
    saved = _carried(basis, pairs, share, load, kept, ends)
    gone = 1.0 - kept
    stays = np.divide(saved, gone[:, None], out=np.ones_like(saved), where=gone[:, None] != 0)
    stays[basis.at[:, None] >= ends] = 0.0
    weighed = np.where(stays > 0, gone[:, None] * stays, 0.0)
    return Avoided(weighed.sum(axis=0), _valued(basis, weighed), stays)


def each_avoided(basis: Basis, change: Change, stays: np.ndarray) -> np.ndarray:
    """Give the chance of each churn not to have been, shape (m,).

    Parameters
    ----------
    basis, change : Basis, Change
        As for :func:`avoided`.
    stays : ndarray, shape (m,)
        Of it, up to one end.
    """
    pairs = _changed(basis, change)
    load = _loads(basis, _middle(basis), pairs)[0]
    terms = _log_kept(change.share[basis.touchpoint[pairs]], load)
    return np.asarray(-np.expm1(_sum(basis, pairs, terms)) * stays)


def _valued(basis: Basis, weighed: np.ndarray) -> np.ndarray:
    return np.asarray(basis.value @ weighed)


def _sum(basis: Basis, pairs: np.ndarray, terms: np.ndarray) -> np.ndarray:
    return np.bincount(basis.churn[pairs], terms, basis.churns)


def _carried(
    basis: Basis,
    pairs: np.ndarray,
    share: np.ndarray,
    load: np.ndarray,
    kept: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:
    """Carry survival from each churn on to each end, occasion by occasion, as one saved."""
    base, fade = np.exp(basis.baseline), np.log(2) / basis.half_life
    speed = fade[basis.group[basis.touchpoint[pairs]]]
    span = np.minimum((ends - basis.at[:, None]) / basis.step[:, None], basis.left[:, None] + 1)
    until = np.where(basis.at[:, None] < ends, np.maximum(np.ceil(span) - 1, 0), -1).astype(int)
    total, tilted = np.zeros((2, basis.churns))
    found = np.zeros(until.shape)
    log_kept = np.log(np.maximum(kept, 1e-300))
    for passed in range(int(until.max(initial=-1)) + 1):
        if passed:
            days = passed * basis.step
            rest = load * np.exp(-speed * days[basis.churn[pairs]])
            level = base * np.exp((basis.part * np.exp(-fade * days[:, None])).sum(axis=1))
            total += level * np.exp(_sum(basis, pairs, _log_kept(share, rest)))
            both = _sum(basis, pairs, _log_kept(share, load + rest)) - log_kept
            tilted += level * np.exp(both)
        now = until == passed
        if now.any():
            value = np.exp(-total) - kept * np.exp(-tilted)
            found[now] = np.broadcast_to(value[:, None], until.shape)[now]
    return found


def avoided_draws(
    basis: Basis, change: Change, stays: np.ndarray, drawn: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw what would have been: what is to be expected, and what would have been counted.

    Parameters
    ----------
    basis, change : Basis, Change
        As for :func:`avoided`.
    stays : ndarray, shape (m, ends)
        Of it.
    drawn : ndarray, shape (draws, touchpoints + groups)
        Of :func:`parameter_draws`.
    seed : int
        Of the chance in who leaves.

    Returns
    -------
    expected, value : ndarray, shape (draws, ends)
        Customers and their monthly value, with the chance of who left in these months: each of
        the churns weighs an exponential number, as customers drawn anew.
    counted : ndarray, shape (draws, ends)
        Customers counted in these very months: of each who left it is drawn whether they stay.
    """
    pairs = _changed(basis, change)
    share = change.share[basis.touchpoint[pairs]]
    generator = np.random.Generator(np.random.PCG64([seed, 0xC0DE]))
    shape = (len(drawn), stays.shape[1])
    expected, value, counted = np.zeros((3, *shape))
    worth = np.nan_to_num(basis.value)
    for block in _blocks(len(drawn), max(len(pairs), basis.churns)):
        terms = _log_kept(share, _loads(basis, drawn[block], pairs))
        gone = 1.0 - np.exp(_by_churn(basis, pairs, terms))
        weight = generator.standard_exponential(gone.shape)
        expected[block] = (weight * gone) @ stays
        value[block] = (weight * gone * worth) @ stays
        u = generator.random(gone.shape)
        for j in range(stays.shape[1]):
            chance = gone * stays[:, j]
            counted[block, j] = (np.sign(chance) * (u < np.abs(chance))).sum(axis=1)
    return expected, value, counted


def _by_churn(basis: Basis, pairs: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Sum terms of pairs by churn, shape (draws, m)."""
    found = np.zeros((len(terms), basis.churns))
    members, summed = _grouped(basis.churn[pairs], terms)
    found[:, members] = summed
    return found


def _grouped(key: np.ndarray, terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum columns that have one key: the keys in order, and sums of shape (draws, keys)."""
    if not len(key):
        return key, terms[:, :0]
    order = np.argsort(key, kind="stable")
    members, starts = np.unique(key[order], return_index=True)
    return members, np.add.reduceat(terms[:, order], starts, axis=1)


def _blocks(draws: int, width: int) -> Iterator[slice]:
    step = max(_TERMS // max(width, 1), 1)
    for first in range(0, draws, step):
        yield slice(first, min(first + step, draws))


# -- what will be ------------------------------------------------------------------------------


def reduction(basis: Basis, change: Change, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give by which share the rate of leaving falls, so long after today.

    The churns of ``basis`` stand for those to come. So long after today, contacts are changed
    that are younger than the change: those before it act on, and fade.

    Parameters
    ----------
    basis : Basis
        The churns of a window.
    change : Change
        What is changed; ``since`` counts from today (0), in days.
    times : ndarray, shape (times,)
        Days after today, in order; inf: when all contacts from before have faded.

    Returns
    -------
    customers, value : ndarray, shape (times,)
        The shares of churns avoided, and of their monthly value.
    """
    ones = np.ones((1, basis.churns))
    customers, value = _fallen(basis, change, times, _middle(basis), ones)
    return customers[0], value[0]


def reduction_draws(
    basis: Basis, change: Change, times: np.ndarray, drawn: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw :func:`reduction`, with the chance of who left in the window.

    Parameters
    ----------
    basis, change, times
        As there.
    drawn : ndarray, shape (draws, touchpoints + groups)
        Of :func:`parameter_draws`.
    seed : int
        The same one weighs the churns alike for every change.

    Returns
    -------
    customers, value : ndarray, shape (draws, times)
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0xBA5E]))
    shape = (len(drawn), len(times))
    customers, value = np.zeros(shape), np.zeros(shape)
    for block in _blocks(len(drawn), max(len(basis.age), basis.churns * len(times))):
        some = drawn[block]
        weight = generator.standard_exponential((len(some), basis.churns))
        customers[block], value[block] = _fallen(basis, change, times, some, weight)
    return customers, value


def _fallen(
    basis: Basis, change: Change, times: np.ndarray, drawn: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the weighted shares avoided, each of shape (draws, times)."""
    share = np.where(basis.usable, change.share, 0.0)
    pairs = np.flatnonzero(share[basis.touchpoint] > 0)
    place = basis.touchpoint[pairs]
    # From which of the times on a contact of this age would have been a changed one.
    from_on = np.searchsorted(times, basis.age[pairs] + np.maximum(change.since[place], 0.0))
    pairs, place, from_on = (v[from_on < len(times)] for v in (pairs, place, from_on))
    worth = np.nan_to_num(basis.value)
    # Only churns with a contact that is changed count: often few of them.
    members, row = np.unique(basis.churn[pairs], return_inverse=True)
    terms = _log_kept(share[place], _loads(basis, drawn, pairs))
    cells, summed = _grouped(row * len(times) + from_on, terms)
    logs = np.zeros((len(drawn), len(members) * len(times)))
    logs[:, cells] = summed
    gone = -np.expm1(np.cumsum(logs.reshape(len(drawn), len(members), len(times)), axis=2))
    found = []
    for by in (weight, weight * worth):
        total = by.sum(axis=1)[:, None]
        part = np.einsum("dm,dmt->dt", by[:, members], gone)
        found.append(np.divide(part, total, out=np.zeros_like(part), where=total > 0))
    return found[0], found[1]
