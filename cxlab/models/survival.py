"""Survival curves on plain arrays, and their tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse, special

from cxlab.models.intervals import LEVEL, Z

__all__ = [
    "Curve",
    "Lifetimes",
    "LogRank",
    "cumulative_incidence",
    "incidences",
    "log_rank",
    "restricted_means",
    "shares",
    "trend",
]

_RANK = 1e-9
_TRIED = 17
_HALF = 0.5 + 1e-12
# Newton's steps for one coefficient, and how little the last of them moves it.
_STEPS, _STILL = 50, 1e-10


@dataclass(frozen=True)
class Lifetimes:
    """What was seen of each spell, on the scale of tenure.

    Parameters
    ----------
    entry : ndarray, shape (n,)
        Tenure from which the spell was followed: at risk where ``entry < t <= exit``; -inf
        where it was followed from its start (an end at a tenure of 0 then counts).
    exit : ndarray, shape (n,)
        Tenure at which it ended or was last seen.
    cause : ndarray of int, shape (n,)
        What ended it; 0 where nothing did.
    customer : ndarray of int, shape (n,)
        Whose spell it is, numbered from 0: a returning customer has two.
    """

    entry: np.ndarray
    exit: np.ndarray
    cause: np.ndarray
    customer: np.ndarray

    def __len__(self) -> int:
        return len(self.exit)

    def where(self, kept: np.ndarray) -> Lifetimes:
        """Keep some of the spells."""
        return Lifetimes(self.entry[kept], self.exit[kept], self.cause[kept], self.customer[kept])

    def since(self, tenure: float) -> Lifetimes:
        """Keep those who were there beyond a tenure, followed from it on."""
        later = replace(self, entry=np.maximum(self.entry, tenure))
        return later.where(self.exit > tenure)

    def ended_by(self, cause: int) -> Lifetimes:
        """Censor every end but those of one cause."""
        return replace(self, cause=np.where(self.cause == cause, cause, 0))

    @property
    def returning(self) -> bool:
        """Whether a customer has more than one spell, so that spells are not independent."""
        return len(np.unique(self.customer)) < len(self)

    def at_risk(self, tenure: np.ndarray) -> np.ndarray:
        """Count the spells at risk at each tenure."""
        entered = np.searchsorted(np.sort(self.entry), tenure, "left")
        return np.asarray(entered - np.searchsorted(np.sort(self.exit), tenure, "left"))


class _Process:
    """The ends of spells as a counting process: who was at risk at each tenure with an end."""

    def __init__(self, lives: Lifetimes) -> None:
        self.lives = lives
        self.time = np.unique(lives.exit[lives.cause > 0])
        self.at_risk = lives.at_risk(self.time).astype(float)
        self.before = np.searchsorted(self.time, lives.entry, "right")
        self.until = np.searchsorted(self.time, lives.exit, "right")
        self.ends = self.count(lives.cause > 0)
        left = self.at_risk - self.ends
        # Where all at risk end at once, nobody is left to be uncertain about.
        self.per_left = np.divide(1.0, left, out=np.zeros(len(left)), where=left > 0)

    def count(self, kept: np.ndarray) -> np.ndarray:
        """Count the ends among some of the spells at each tenure."""
        return np.bincount(self.until[kept] - 1, minlength=len(self.time)).astype(float)

    def between(self, steps: np.ndarray) -> np.ndarray:
        """Sum steps over the tenures at which each spell was at risk."""
        total = np.append(0.0, np.cumsum(steps))
        return np.asarray(total[self.until] - total[self.before])

    def sum_at_risk(self, value: np.ndarray) -> np.ndarray:
        """Sum a number over the spells at risk at each tenure with an end."""
        size = len(self.time) + 1
        change = np.bincount(self.before, value, size) - np.bincount(self.until, value, size)
        return np.asarray(np.cumsum(change)[:-1])

    def integral(self, weight: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Integrate a weight over each spell's ends less those expected of it.

        Parameters
        ----------
        weight : ndarray, shape (times,)
            At each of the tenures.
        ended : ndarray of bool, shape (n,)
            The ends that count.
        """
        expected = self.between(weight * self.count(ended) / self.at_risk)
        seen = np.zeros(len(ended))
        seen[ended] = weight[self.until[ended] - 1]
        return seen - expected


def _clustered(influence: np.ndarray, customer: np.ndarray) -> float:
    """Give the variance of a sum of influences, those of one customer taken together."""
    return float(np.square(np.bincount(customer, weights=influence)).sum())


class Curve:
    """The Kaplan-Meier estimate of the share that stays (Kaplan and Meier 1958).

    With late entry it is the product over those at risk at each tenure (left truncation).
    Its variance is Greenwood's; where a customer has several spells, the infinitesimal
    jackknife summed by customer, which equals Greenwood's for single spells seen from their
    start. Intervals are taken on the scale of log(-log S) (Kalbfleisch and Prentice 2002,
    1.4.1): within 0 and 1, and close to their level in small groups.

    Parameters
    ----------
    lives : Lifetimes
        Every end counts; see :meth:`Lifetimes.ended_by`.
    """

    def __init__(self, lives: Lifetimes) -> None:
        self.lives = lives
        self._process = _Process(lives)
        p = self._process
        self._stays = np.append(1.0, np.cumprod(1.0 - p.ends / p.at_risk))
        self._greenwood = np.append(0.0, np.cumsum(p.ends / p.at_risk * p.per_left))
        self._by_customer = lives.returning

    def share(self, tenure: np.ndarray) -> np.ndarray:
        """Give the share that stays beyond each tenure, without its interval."""
        return np.asarray(self._stays[np.searchsorted(self._process.time, tenure, "right")])

    def at(self, tenure: np.ndarray) -> pd.DataFrame:
        """Give the share that stays beyond each tenure.

        Parameters
        ----------
        tenure : ndarray, shape (k,)
            In the unit of the lifetimes.

        Returns
        -------
        pandas.DataFrame
            ``tenure, estimate, se, conf_low, conf_high, n`` (at risk). Before the first end
            the lower limit is the exact binomial one of nobody among those at risk.
        """
        tenure = np.asarray(tenure, dtype=float)
        place = np.searchsorted(self._process.time, tenure, "right")
        stays, at_risk = self._stays[place], self.lives.at_risk(tenure)
        se = stays * np.sqrt(self._variance(place))
        table = _shares(tenure, stays, se, at_risk)
        # Where nobody has been followed yet, all are there for certain.
        begun = tenure > max(float(self.lives.entry.min(initial=np.inf)), 0.0)
        table.loc[~begun, ["conf_low", "conf_high"]] = 1.0
        never = (stays == 1.0) & (at_risk > 0) & begun
        table.loc[never, "conf_low"] = ((1 - LEVEL) / 2) ** (1 / at_risk[never])
        table.loc[never, "conf_high"] = 1.0
        return table

    def _variance(self, place: np.ndarray) -> np.ndarray:
        """Give the variance of log S after the first so many tenures with an end."""
        if not self._by_customer:
            return np.asarray(self._greenwood[place])
        p, ended = self._process, self.lives.cause > 0
        index = np.arange(len(p.time))
        return np.array(
            [
                _clustered(p.integral(p.per_left * (index < k), ended), self.lives.customer)
                for k in place
            ]
        )

    def median(self) -> tuple[float, float, float]:
        """Give the tenure by which half have left, and its 95% interval; inf: not reached.

        The limits are where those of the curve reach one half (Brookmeyer and Crowley 1982).
        """
        count = len(self._process.time)
        down = np.flatnonzero(self._stays[1:] <= _HALF)
        middle = int(down[0]) if len(down) else count
        time = np.append(self._process.time, np.inf)
        # The lower limit is down to one half before the curve is, the upper one after it.
        low = self._first("conf_low", 0, min(middle + 1, count))
        high = self._first("conf_high", middle, count)
        return float(time[middle]), float(time[low]), float(time[high])

    def influence(self, tenure: float) -> np.ndarray:
        """Give each spell's influence on the share that stays beyond a tenure.

        Parameters
        ----------
        tenure : float
            In the unit of the lifetimes.
        """
        p = self._process
        place = int(np.searchsorted(p.time, tenure, "right"))
        weight = p.per_left * (np.arange(len(p.time)) < place)
        return -self._stays[place] * p.integral(weight, self.lives.cause > 0)

    def _first(self, limit: str, low: int, high: int) -> int:
        """Find the first of some tenures with an end at which a limit is down to one half."""
        time = self._process.time
        while high > low:
            # Variances by customer take a pass over the spells each: search in steps.
            many = _TRIED if self._by_customer else high - low
            tried = np.unique(np.linspace(low, high - 1, many).astype(int))
            told = self.at(time[tried])
            # A curve that is down to 0 has no limits, but its lower one is no higher.
            gone = (told["estimate"] == 0) & (limit == "conf_low")
            down = np.flatnonzero((told[limit] <= _HALF) | gone)
            found = int(tried[down[0]]) if len(down) else high
            before = tried[tried < found]
            low, high = (int(before[-1]) + 1 if len(before) else low), found
        return high

    def restricted_mean(self, low: float, high: float) -> tuple[float, np.ndarray]:
        """Give the mean tenure between two tenures (Royston and Parmar 2013).

        Parameters
        ----------
        low, high : float
            The area under the curve is taken between them.

        Returns
        -------
        tuple of float and ndarray, shape (n,)
            The mean, and each spell's influence on it.
        """
        p = self._process
        inside = (p.time > low) & (p.time < high)
        edges = np.concatenate([[low], p.time[inside], [high]])
        heights = self._stays[np.searchsorted(p.time, edges[:-1], "right")]
        areas = heights * np.diff(edges)
        total = float(areas.sum())
        after = np.where(p.time <= low, total, 0.0)
        after[inside] = total - np.cumsum(areas)[:-1]
        return total, -p.integral(after * p.per_left, self.lives.cause > 0)


def _shares(
    tenure: np.ndarray, share: np.ndarray, se: np.ndarray, at_risk: np.ndarray
) -> pd.DataFrame:
    """Give shares with their intervals on the scale of log(-log)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(share)
        width = Z * se / (share * np.abs(log))
        low, high = share ** np.exp(width), share ** np.exp(-width)
    return pd.DataFrame(
        {
            "tenure": tenure,
            "estimate": share,
            "se": se,
            "conf_low": low,
            "conf_high": high,
            "n": at_risk,
        }
    )


def cumulative_incidence(lives: Lifetimes, cause: int, tenure: np.ndarray) -> pd.DataFrame:
    """Give the share that has ended by one cause, the others competing (Aalen and Johansen 1978).

    Parameters
    ----------
    lives : Lifetimes
        With all causes.
    cause : int
        The cause.
    tenure : ndarray, shape (k,)
        In the unit of the lifetimes.

    Returns
    -------
    pandas.DataFrame
        ``tenure, estimate, se, conf_low, conf_high, n``; standard errors by the
        infinitesimal jackknife summed by customer, intervals on the scale of log(-log(1-F)),
        which makes them those of :class:`Curve` where there is one cause alone.
    """
    tenure = np.asarray(tenure, dtype=float)
    found, influences = _incidence(lives, cause, tenure)
    se = np.sqrt([_clustered(influence, lives.customer) for influence in influences])
    table = _shares(tenure, 1.0 - found, se, lives.at_risk(tenure))
    flipped = {"estimate": found, "conf_low": 1 - table["conf_high"]}
    return table.assign(**flipped, conf_high=1 - table["conf_low"])


def _incidence(
    lives: Lifetimes, cause: int, tenure: np.ndarray
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """Give the cumulative incidence at each tenure, and each spell's influence on it."""
    p, mine, any_end = _Process(lives), lives.cause == cause, lives.cause > 0
    there = np.append(1.0, np.cumprod(1.0 - p.ends / p.at_risk))[:-1]
    share = np.cumsum(there * p.count(mine) / p.at_risk)
    place = np.searchsorted(p.time, tenure, "right")
    found = np.append(0.0, share)[place]
    index = np.arange(len(p.time))

    def influences() -> Iterator[np.ndarray]:
        for k, reached in zip(place, found, strict=True):
            seen = index < k
            direct = p.integral(seen * there / p.at_risk, mine)
            yield direct - p.integral(seen * (reached - share) * p.per_left, any_end)

    return found, influences()


@dataclass(frozen=True)
class LogRank:
    """A log-rank test: the statistic, its degrees of freedom, and the p-value."""

    statistic: float
    df: int
    p_value: float


def log_rank(lives: Lifetimes, group: np.ndarray) -> LogRank:
    """Test whether groups leave at the same hazards (Mantel 1966), late entry allowed.

    At each tenure with an end, the ends of each group are held against those expected from
    its share of those at risk then. Where a customer has several spells the variance is that
    of the score residuals summed by customer (Lin and Wei 1989), else the hypergeometric one.

    Parameters
    ----------
    lives : Lifetimes
        Every end counts.
    group : ndarray of int, shape (n,)
        Numbered from 0.
    """
    p, ended = _Process(lives), lives.cause > 0
    groups = int(group.max()) + 1 if len(group) else 0
    share = np.zeros((groups, len(p.time)))
    gap = np.zeros(groups)
    for g in range(groups):
        inside = group == g
        share[g] = lives.where(inside).at_risk(p.time) / p.at_risk
        gap[g] = (p.count(ended & inside) - share[g] * p.ends).sum()
    if lives.returning:
        variance = _score_variance(p, share, group)
    else:
        left = np.maximum(p.at_risk - 1, 1)
        weight = p.ends * (p.at_risk - p.ends) / left
        variance = np.diag(share @ weight) - (share * weight) @ share.T
    size, axes = np.linalg.eigh(variance)
    told = size > _RANK * size.max(initial=0.0)  # the gaps sum to nought: one axis is empty
    if not told.any():
        return LogRank(np.nan, 0, np.nan)
    statistic = float((np.square(axes.T @ gap)[told] / size[told]).sum())
    rank = int(told.sum())
    return LogRank(statistic, rank, float(special.gammaincc(rank / 2, statistic / 2)))


def _score_variance(p: _Process, share: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Give the variance of the log-rank score, spells of one customer taken together."""
    ended, customers = p.lives.cause > 0, p.lives.customer
    own = p.integral(np.ones(len(p.time)), ended)
    scores = np.column_stack(
        [
            np.bincount(customers, weights=own * (group == g) - p.integral(share[g], ended))
            for g in range(len(share))
        ]
    )
    return np.asarray(scores.T @ scores)


def restricted_means(
    lives: Lifetimes, group: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give each group's mean tenure between two tenures, and their covariance.

    Parameters
    ----------
    lives : Lifetimes
        Every end counts.
    group : ndarray of int, shape (n,)
        Numbered from 0.
    low, high : float
        As for :meth:`Curve.restricted_mean`.

    Returns
    -------
    tuple of ndarray, shapes (groups,) and (groups, groups)
        A customer with spells in two groups makes these covary.
    """
    return _by_group(lives, group, lambda own: Curve(own).restricted_mean(low, high))


def shares(lives: Lifetimes, group: np.ndarray, tenure: float) -> tuple[np.ndarray, np.ndarray]:
    """Give the share of each group that stays beyond a tenure, and their covariance.

    Parameters
    ----------
    lives : Lifetimes
        Every end counts.
    group : ndarray of int, shape (n,)
        Numbered from 0.
    tenure : float
        In the unit of the lifetimes.

    Returns
    -------
    tuple of ndarray, shapes (groups,) and (groups, groups)
        By the infinitesimal jackknife summed by customer.
    """

    def share(own: Lifetimes) -> tuple[float, np.ndarray]:
        curve = Curve(own)
        return float(curve.share(np.array(tenure))), curve.influence(tenure)

    return _by_group(lives, group, share)


def incidences(
    lives: Lifetimes, group: np.ndarray, cause: int, tenure: float
) -> tuple[np.ndarray, np.ndarray]:
    """Give the share of each group that has ended by one cause, and their covariance.

    Parameters
    ----------
    lives : Lifetimes
        With all causes; the others compete.
    group : ndarray of int, shape (n,)
        Numbered from 0.
    cause : int
        The cause.
    tenure : float
        In the unit of the lifetimes.

    Returns
    -------
    tuple of ndarray, shapes (groups,) and (groups, groups)
        As :func:`cumulative_incidence` has it.
    """

    def share(own: Lifetimes) -> tuple[float, np.ndarray]:
        found, influences = _incidence(own, cause, np.array([tenure]))
        return float(found[0]), next(influences)

    return _by_group(lives, group, share)


def _by_group(
    lives: Lifetimes,
    group: np.ndarray,
    estimate: Callable[[Lifetimes], tuple[float, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate in each group; a customer with spells in two of them makes these covary."""
    groups = int(group.max()) + 1
    found, influence = np.zeros(groups), np.zeros(len(lives))
    for g in range(groups):
        inside = group == g
        found[g], influence[inside] = estimate(lives.where(inside))
    summed = sparse.csr_array((influence, (lives.customer, group)))
    return found, (summed.T @ summed).toarray()


def trend(lives: Lifetimes, value: np.ndarray) -> tuple[float, float]:
    """Give the log hazard ratio of a number by Cox's model (1972), and its standard error.

    Late entry is allowed for; ties by Breslow (1974); the standard error is robust, spells of
    one customer taken together (Lin and Wei 1989).

    Parameters
    ----------
    lives : Lifetimes
        Every end counts.
    value : ndarray, shape (n,)
        The number, such as the year of the start.

    Returns
    -------
    tuple of float
        For one unit of the number; NaN where it is the same for all at risk, or nobody ended.
    """
    p, ended = _Process(lives), lives.cause > 0
    spread = float(np.std(value)) if len(value) else 0.0
    if not ended.any() or spread == 0.0:
        return np.nan, np.nan
    x = (value - value.mean()) / spread
    coefficient = 0.0
    for _ in range(_STEPS):
        risk = np.exp(coefficient * x)
        none, one, two = (p.sum_at_risk(risk * x**k) for k in range(3))
        mean = one / none
        information = float((p.ends * (two / none - mean**2)).sum())
        if not information > _RANK * len(value):
            return np.nan, np.nan
        step = float(x[ended].sum() - (p.ends * mean).sum()) / information
        coefficient += float(np.clip(step, -1.0, 1.0))
        if abs(step) < _STILL:
            break
    steps = p.ends / none
    seen = np.zeros(len(x))
    seen[ended] = x[ended] - mean[p.until[ended] - 1]
    score = seen - risk * (x * p.between(steps) - p.between(steps * mean))
    error = np.sqrt(_clustered(score, lives.customer)) / information
    return coefficient / spread, error / spread
