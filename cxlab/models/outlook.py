r"""Counts of the coming months: a level that may drift, the course of the year, and scatter.

The log of a monthly rate is a level that wanders (a random walk), a yearly wave, and the scatter of
counts, which may exceed Poisson's. How far each of these goes is learnt from the months seen, under
priors that keep what few months cannot tell from being taken for nothing: a wave of a year of which
less than a year was seen may be there all the same. Given drift and scatter all is normal, and a
forecast is a regression on the months seen (Rasmussen and Williams 2006, *Gaussian Processes for
Machine Learning*, section 2.7); drift and scatter are averaged over by their posterior on a grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["LEAST_MONTHS", "Level", "Stock", "counts", "ends", "fit_level", "followed"]

LEAST_MONTHS = 3
"""From fewer months nothing is forecast."""
_YEAR = 12.0
# Prior standard deviations: of sine and cosine of the year; and of the log of the scatter.
_WAVE, _OVER = 0.15, 0.5
_SCATTERS = (1.0, 1.25, 1.6, 2.0, 3.0, 5.0)
_DRIFTS = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 2.8, 4.0)  # in units of the drift that is usual
_VAGUE = 10.0
_NEAR = 2  # months before and after, over which counts are averaged to tell their variance


@dataclass(frozen=True)
class Level:
    """A rate of monthly counts, as a mixture over drift and scatter.

    Parameters
    ----------
    months, logs : ndarray, shape (months,)
        The months seen, numbered from any January on, and the logs of their rates.
    variance : ndarray, shape (months,)
        Of these, were counts Poisson.
    weight : ndarray, shape (grid,)
        Posterior probability of each pair of drift and scatter.
    drift, scatter : ndarray, shape (grid,)
        Standard deviation of a month's step of the level; variance of a count over its mean.
    wave : bool
        Whether the year may have a course.
    """

    months: np.ndarray
    logs: np.ndarray
    variance: np.ndarray
    weight: np.ndarray
    drift: np.ndarray
    scatter: np.ndarray
    wave: bool

    def rate(self, months: np.ndarray) -> np.ndarray:
        """Give the median rate to be expected in months to come, shape (months,)."""
        each = [self._ahead(months, k)[0] for k in range(len(self.weight))]
        return np.asarray(np.exp(self.weight @ np.array(each)))

    def rates(
        self, months: np.ndarray, generator: np.random.Generator, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw rates in months to come, and the scatter of counts about each.

        Parameters
        ----------
        months : ndarray of int
            Which.
        generator : numpy.random.Generator
            Of the draws.
        count : int
            How many.

        Returns
        -------
        rates : ndarray, shape (count, months)
        scatter : ndarray, shape (count,)
        """
        which = generator.choice(len(self.weight), count, p=self.weight)
        normal = generator.standard_normal((count, len(months)))
        drawn = np.empty((count, len(months)))
        for k in np.unique(which):
            middle, covariance = self._ahead(months, int(k))
            spread, axes = np.linalg.eigh(covariance)
            root = axes * np.sqrt(np.maximum(spread, 0.0))
            mine = which == k
            drawn[mine] = middle + normal[mine] @ root.T
        return np.exp(np.clip(drawn, -50, 50)), self.scatter[which]

    def _ahead(self, months: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Regress the logs of rates to come on those seen, at one point of the grid."""
        every = np.append(self.months, months)
        prior = _prior(every, self.months[-1], self.drift[k], self.wave)
        seen = len(self.months)
        known = prior[:seen, :seen] + np.diag(self.scatter[k] * self.variance)
        gain = np.linalg.solve(known, prior[:seen, seen:]).T
        start = float(self.logs.mean())
        middle = start + gain @ (self.logs - start)
        return middle, prior[seen:, seen:] - gain @ prior[:seen, seen:]


def _prior(months: np.ndarray, last: float, drift: float, wave: bool) -> np.ndarray:
    """Give the covariance of the logs of rates, before any is seen."""
    away = months - last
    # A walk that starts at the newest month and goes both ways.
    same = np.sign(away)[:, None] * np.sign(away) > 0
    walk = np.where(same, np.minimum(np.abs(away)[:, None], np.abs(away)), 0.0)
    covariance = _VAGUE**2 + drift**2 * walk
    if wave:
        turn = 2 * np.pi * months / _YEAR
        covariance = covariance + _WAVE**2 * np.cos(turn[:, None] - turn)
    return np.asarray(covariance)


def counts(means: np.ndarray, scatter: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Draw counts about their means: negative binomial, of shape (draws, months).

    A generator in the same state gives counts that rise with their means: what differs between two
    forecasts is then what they forecast.

    Parameters
    ----------
    means : ndarray, shape (draws, months)
        What is to be expected.
    scatter : ndarray, shape (draws,)
        Variance of a count over its mean.
    generator : numpy.random.Generator
        Of the draws.
    """
    from scipy import special

    u = generator.random(means.shape)
    means = np.clip(means, 1e-9, 1e12)
    # By their distributions' inverses; scipy.stats has them too, and takes a second to load.
    found = special.pdtrik(u, means)
    wide = scatter > 1.0
    if wide.any():
        over = (scatter[wide] - 1.0)[:, None]
        found[wide] = special.nbdtrik(u[wide], means[wide] / over, 1.0 / (1.0 + over))
    # Below the chance of none there is no inverse: none it is.
    return np.maximum(np.ceil(np.nan_to_num(found)), 0.0)


def fit_level(
    seen: np.ndarray,
    exposure: np.ndarray,
    months: np.ndarray,
    drift: float,
    wave: bool = True,
) -> Level | None:
    """Learn the level of monthly counts.

    Parameters
    ----------
    seen, exposure : ndarray, shape (months,)
        Counts and exposure of whole months, the newest last.
    months : ndarray of int, shape (months,)
        Calendar months, numbered from any January on.
    drift : float
        The prior standard deviation of a month's step of the level, in the logarithm.
    wave : bool
        Whether the year may have a course.

    Returns
    -------
    Level or None
        None of fewer than three months.
    """
    there = exposure > 0
    seen, exposure, months = seen[there], exposure[there], months[there]
    if len(seen) < LEAST_MONTHS:
        return None
    logs = np.log((seen + 0.5) / exposure)
    variance = 1.0 / (_smooth(seen) + 0.5)
    grid = list(_grid(logs, variance, months.astype(float), drift, wave))
    value, steps, scatter = (np.array(v) for v in zip(*grid, strict=True))
    weight = np.exp(value - value.max())
    return Level(months.astype(float), logs, variance, weight / weight.sum(), steps, scatter, wave)


def _smooth(seen: np.ndarray) -> np.ndarray:
    """Average each count with its neighbours, so that its variance does not hang on itself."""
    around = [seen[max(i - _NEAR, 0) : i + _NEAR + 1].mean() for i in range(len(seen))]
    return np.array(around)


def _grid(
    logs: np.ndarray, variance: np.ndarray, months: np.ndarray, usual: float, wave: bool
) -> Iterator[tuple[float, float, float]]:
    """Give the log posterior of each pair of drift and scatter."""
    apart = logs - logs.mean()
    for times in _DRIFTS:
        for scatter in _SCATTERS:
            prior = _prior(months, months[-1], usual * times, wave)
            root = np.linalg.cholesky(prior + np.diag(scatter * variance))
            rest = np.linalg.solve(root, apart)
            value = -0.5 * float(rest @ rest) - float(np.log(np.diag(root)).sum())
            value -= 0.5 * times**2 + 0.5 * (np.log(scatter) / _OVER) ** 2
            yield value, usual * times, scatter


@dataclass(frozen=True)
class Stock:
    """Who is there, who comes, and who goes otherwise.

    Parameters
    ----------
    now : float
        Customers at the start.
    joining : float
        New ones a month.
    other : float
        Rate of other ends a month.
    """

    now: float
    joining: float
    other: float


def followed(stock: Stock, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow customers from month to month.

    Parameters
    ----------
    stock : Stock
        Who is there.
    rate : ndarray, shape (draws, months)
        At which they leave a month.

    Returns
    -------
    leavers, there : ndarray, shape (draws, months)
        Who is expected to leave in each month, and how many are there on the average.
    """
    leavers, there = np.zeros(rate.shape), np.zeros(rate.shape)
    now = np.full(len(rate), stock.now)
    for month in range(rate.shape[1]):
        total = rate[:, month] + stock.other
        # The mean over a month in which they go at this rate and others come evenly.
        stays = np.where(total > 1e-9, -np.expm1(-total) / np.maximum(total, 1e-9), 1.0)
        comes = np.where(total > 1e-9, (1 - stays) / np.maximum(total, 1e-9), 0.5)
        there[:, month] = now * stays + stock.joining * comes
        leavers[:, month] = rate[:, month] * there[:, month]
        now = np.maximum(now + stock.joining - total * there[:, month], 0.0)
    return leavers, there


def ends(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Give the ends of the interval that holds so much of the draws, by column."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(low), np.asarray(high)
