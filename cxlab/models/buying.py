"""What customers without a contract will buy: the BG/NBD model (Fader, Hardie and Lee 2005).

While a customer is there, purchases come at a rate of their own, gamma distributed over
customers; after each purchase a customer is gone for good with a probability of their own,
beta distributed. Nobody sees who is gone: a long silence tells it, the sooner the more often a
customer used to buy. Estimated by maximum likelihood; the variance is the sandwich's, so that
it holds where the model does not quite.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import optimize, special

__all__ = ["BgNbd", "Bought", "fit"]

_STEP = 1e-4
_FARTHEST = 12.0  # a parameter's log beyond this says that customers do not differ
_NEAR_ONE = 1e-6


@dataclass(frozen=True)
class Bought:
    """What was seen of each customer, or of some alike.

    Parameters
    ----------
    repeats : ndarray, shape (n,)
        Purchases after the first one.
    last : ndarray, shape (n,)
        Time from the first to the last one; 0 without repeats.
    seen : ndarray, shape (n,)
        Time from the first one to the end of the data, in the same unit.
    """

    repeats: np.ndarray
    last: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class BgNbd:
    """A fitted model.

    Parameters
    ----------
    log : ndarray, shape (4,)
        Logs of ``r``, ``alpha``, ``a`` and ``b``.
    bought : Bought
        What it was fitted to.
    count : ndarray, shape (n,)
        How many customers each row stands for.
    log_likelihood : float
        At its maximum.
    """

    log: np.ndarray
    bought: Bought
    count: np.ndarray
    log_likelihood: float

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by their names."""
        return dict(zip(("r", "alpha", "a", "b"), np.exp(self.log).tolist(), strict=True))

    def ahead(self, time: np.ndarray) -> np.ndarray:
        """Give the purchases each is expected to make.

        Parameters
        ----------
        time : ndarray, shape (k,)
            Up to when, from the end of the data on.

        Returns
        -------
        ndarray, shape (n, k)
        """
        return _ahead(self.log, self.bought, time)

    def change(
        self, bought: Bought, weight: np.ndarray, time: np.ndarray, each: np.ndarray
    ) -> np.ndarray:
        """Give the influence of a customer of each row on a sum over purchases ahead.

        Parameters
        ----------
        bought : Bought
            Whose purchases ahead are summed.
        weight : ndarray
            What each of them counts in the sum.
        time, each : ndarray, shape (k,)
            As for :meth:`ahead`, and what a purchase up to each of these counts.

        Returns
        -------
        ndarray, shape (n,)
            By way of the parameters; customers themselves are taken as they are.
        """
        slopes = np.array(
            [
                weight @ (_ahead(up, bought, time) - _ahead(down, bought, time)) @ each
                for up, down in self._around
            ]
        ) / (2 * _STEP)
        return np.asarray(self._scores @ (self._bread @ slopes))

    @property
    def _around(self) -> list[tuple[np.ndarray, np.ndarray]]:
        steps = _STEP * np.eye(len(self.log))
        return [(self.log + s, self.log - s) for s in steps]

    @cached_property
    def _scores(self) -> np.ndarray:
        each = [_each(up, self.bought) - _each(down, self.bought) for up, down in self._around]
        return np.column_stack(each) / (2 * _STEP)

    @cached_property
    def _bread(self) -> np.ndarray:
        def slope(log: np.ndarray) -> np.ndarray:
            steps = _STEP * np.eye(len(log))
            return np.array(
                [
                    self.count @ (_each(log + s, self.bought) - _each(log - s, self.bought))
                    for s in steps
                ]
            ) / (2 * _STEP)

        rows = [(slope(up) - slope(down)) / (2 * _STEP) for up, down in self._around]
        # Where customers do not differ, the likelihood is flat along a parameter.
        return np.asarray(np.linalg.pinv(-np.array(rows), rcond=1e-8, hermitian=True))


def _each(log: np.ndarray, bought: Bought) -> np.ndarray:
    """Give each row's log likelihood (their equation 6)."""
    r, alpha, a, b = np.exp(log)
    x, last, seen = bought.repeats, bought.last, bought.seen
    # Still there, and gone after the last purchase; nobody is gone before a first repeat.
    common = special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
    alive = special.betaln(a, b + x) - special.betaln(a, b) - (r + x) * np.log(alpha + seen)
    gone = special.betaln(a + 1, b + x - 1 + (x == 0)) - special.betaln(a, b)
    gone -= (r + x) * np.log(alpha + last)
    return np.asarray(common + np.where(x > 0, np.logaddexp(alive, gone), alive))


def _ahead(log: np.ndarray, bought: Bought, time: np.ndarray) -> np.ndarray:
    """Give expected purchases (their equation 10)."""
    r, alpha, a, b = np.exp(log)
    if abs(a - 1) < _NEAR_ONE:
        a = 1 + _NEAR_ONE
    x, last, seen = (v[:, None] for v in (bought.repeats, bought.last, bought.seen))
    t = np.asarray(time)[None, :]
    series = special.hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + seen + t))
    share = 1 - ((alpha + seen) / (alpha + seen + t)) ** (r + x) * series
    odds = np.where(x > 0, a / np.maximum(b + x - 1, 1e-300), 0.0)
    odds = odds * ((alpha + seen) / (alpha + last)) ** (r + x)
    return np.asarray((a + b + x - 1) / (a - 1) * share / (1 + odds))


def fit(bought: Bought, count: np.ndarray) -> BgNbd:
    """Fit the model.

    Parameters
    ----------
    bought : Bought
        What was seen; somebody bought again.
    count : ndarray, shape (n,)
        How many customers each row stands for.
    """
    total = float(count.sum())

    def cost(log: np.ndarray) -> float:
        return -float(count @ _each(log, bought)) / total

    # The time scale is the data's own, so that any unit is as good.
    begin = np.array([0.0, np.log(max(float(count @ bought.seen) / total, 1e-9)), 0.0, 0.0])
    bounds = [(m - _FARTHEST, m + _FARTHEST) for m in begin]
    found = optimize.minimize(
        cost, begin, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-9}
    )
    return BgNbd(found.x, bought, count, -float(found.fun) * total)
