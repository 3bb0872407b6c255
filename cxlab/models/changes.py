"""What changed between two runs that share most of their data: noise, and what it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = [
    "Loss",
    "coefficient_se",
    "excess",
    "kitagawa",
    "log_mean_parts",
    "loss_se",
    "share_se",
]

_TERMS = 60


def coefficient_se(
    se_then: float, se_now: float, events_then: float, events_now: float, *, revised: float = 0.0
) -> float:
    r"""Give the standard error of the change of an estimate between two runs.

    The later run has all data of the earlier one, and more. For an efficient estimator the
    later estimate is then uncorrelated with what it differs by from the earlier one (Hausman
    1978), so that :math:`Var(b_1 - b_0) = Var(b_0) - Var(b_1)`. Both variances are estimated,
    and lie close together where little time has passed; so no less is taken than the share of
    the events that is new, :math:`Var(b_0)(1 - n_0 / n_1)`. Where a share :math:`r` of the
    earlier data is not among the later ones as it was, the covariance is :math:`(1 - r)` of what
    it would be, which lies between that and two estimates that are independent.

    Parameters
    ----------
    se_then, se_now : float
        Of the estimates.
    events_then, events_now : float
        Events that each rests on.
    revised : float
        The share of the earlier data that is not among the later ones as it was.

    Returns
    -------
    float
    """
    return math.sqrt(_changed(se_then, se_now, events_then, events_now, revised))


def _changed(
    se_then: float, se_now: float, events_then: float, events_now: float, revised: float
) -> float:
    apart = se_then**2 + se_now**2
    if not events_now > 0:
        return apart
    fresh = max(1.0 - events_then / events_now, 0.0)
    nested = max(se_then**2 - se_now**2, se_then**2 * fresh)
    return (1.0 - revised) * nested + revised * apart


@dataclass(frozen=True)
class Loss:
    """Customers lost to a driver in a run's window, with what they were worked out from.

    Parameters
    ----------
    customers : float
        Attributable churn.
    coef, se : float
        Log hazard ratio of a fresh bad contact, and its standard error.
    contacts : float
        Bad contacts of the window; NaN where not known.
    """

    customers: float
    coef: float
    se: float
    contacts: float = math.nan

    @property
    def slope(self) -> float:
        """What the customers lost rise by with the coefficient, for the same churns."""
        return self.customers / _ein(self.coef) if self.coef else 0.0

    @property
    def chance(self) -> float:
        """The variance of who left in the window (Poisson), and of how many contacts failed."""
        left = self.slope * (_ein(self.coef) + _ein(-self.coef))
        counted = self.customers**2 / self.contacts if self.contacts > 0 else 0.0
        return max(left, 0.0) + counted

    @property
    def shared(self) -> float:
        """The covariance of who left in the window with the score of the coefficient."""
        return self.slope * (math.expm1(self.coef) / self.coef - 1.0) if self.coef else 0.0


def _ein(x: float) -> float:
    r""":math:`\int_0^1 (e^{xu} - 1) / u\, du`, by its series; ``|x|`` up to about 20."""
    term, total = 1.0, 0.0
    for k in range(1, _TERMS + 1):
        term *= x / k
        total += term / k
    return total


def loss_se(
    then: Loss,
    now: Loss,
    *,
    overlap: float,
    events_then: float,
    events_now: float,
    revised: float = 0.0,
) -> float:
    r"""Give the standard error of the change of attributable churn between two runs.

    With :math:`A_k` the churns of window :math:`k` that would not have been, at the true
    coefficient, and :math:`D_k` their slope, the estimate is about :math:`A_k + D_k (b_k -
    \beta)`. Churns in both windows cancel; the coefficients are those of
    :func:`coefficient_se`, with :math:`Cov(b_0, b_1) = Var(b_1)`; and a churn of the window
    moves the coefficient too, by :math:`Q_k = Cov(A_k, U)` with the score :math:`U`. Failures
    are taken to come in a steady stream whose effects fade exponentially, so that a decayed
    exposure :math:`u` has the density :math:`1/u`, which gives :math:`D`, :math:`Var(A)` and
    :math:`Q` from the customers lost and the coefficient alone.

    Parameters
    ----------
    then, now : Loss
        Of the two runs.
    overlap : float
        The share of the windows' days that they have in common.
    events_then, events_now : float
        Churns that the coefficients rest on.
    revised : float
        As in :func:`coefficient_se`.

    Returns
    -------
    float
        In customers.
    """
    fresh, own = 1.0 - overlap * (1.0 - revised), now.se**2
    changed = _changed(then.se, now.se, events_then, events_now, revised)
    # Var(b1 - b0) = Var(b1) + Var(b0) - 2 Cov, and never less than was said above.
    common = max(own + then.se**2 - changed, 0.0) / 2
    slopes = now.slope**2 * own + then.slope**2 * then.se**2 - 2 * now.slope * then.slope * common
    by_now = now.shared * now.slope * own
    by_then = then.shared * (then.slope * then.se**2 - now.slope * common)
    variance = fresh * (then.chance + now.chance) + max(slopes, 0.0)
    return math.sqrt(variance + 2 * fresh * max(by_now + by_then, 0.0))


def share_se(
    left_then: float, left_now: float, left_both: float, base_then: float, base_now: float
) -> float:
    """Give the standard error of the change of the share who left, between windows that overlap.

    Parameters
    ----------
    left_then, left_now : float
        Who left in each window, of those who were there at its start.
    left_both : float
        Who left in both.
    base_then, base_now : float
        Customers at the start of each.

    Returns
    -------
    float
        Of the difference of the shares; who left in both weighs by the change of base alone.
    """
    apart = (left_now - left_both) / base_now**2 + (left_then - left_both) / base_then**2
    return math.sqrt(max(apart + left_both * (1 / base_now - 1 / base_then) ** 2, 0.0))


def excess(counts: np.ndarray, coef: float, half_life: float, window: int, each: int = 4) -> float:
    r"""Sum what contacts add to the hazard within a window, as a multiple of a day's hazard.

    Each adds :math:`\int (e^{\beta\, 2^{-a/h}} - 1)\, da` over its ages :math:`a` in the window.

    Parameters
    ----------
    counts : ndarray, shape (days,)
        Contacts by day before the window's end, the last day first.
    coef, half_life : float
        Log hazard ratio of a fresh contact, and the days in which it halves.
    window : int
        Days.
    each : int
        Steps of a day in which it is summed.

    Returns
    -------
    float
    """
    days = len(counts)
    ages = (np.arange(days * each) + 0.5) / each
    added = np.append(0.0, np.cumsum(np.expm1(coef * 0.5 ** (ages / half_life)) / each))
    # A contact in the middle of day d before the end has ages 0 to d + ½ by then; those before
    # the window opened do not count.
    until = np.minimum(np.arange(days) * each + each // 2, len(added) - 1)
    since = np.maximum(until - window * each, 0)
    return float(np.asarray(counts, float) @ (added[until] - added[since]))


def log_mean_parts(then: float, now: float, ratios: np.ndarray) -> np.ndarray:
    """Part the change of a product among its factors (LMDI; Ang 2004).

    Parameters
    ----------
    then, now : float
        The product, above zero.
    ratios : ndarray
        Of each factor, now to then; what they do not explain is the last part.

    Returns
    -------
    ndarray, shape (factors + 1,)
        They add up to ``now - then``, in whatever order factors are taken.
    """
    logs = np.log(ratios)
    whole = math.log(now / then)
    mean = then if math.isclose(now, then) else (now - then) / whole
    return np.append(logs, whole - logs.sum()) * mean


def kitagawa(
    base_then: np.ndarray, left_then: np.ndarray, base_now: np.ndarray, left_now: np.ndarray
) -> tuple[float, float]:
    """Part the change of a share into that of who there was, and that within groups.

    Parameters
    ----------
    base_then, left_then, base_now, left_now : ndarray, shape (groups,)
        Customers of each group, and who of them left. A group that is empty in one run has the
        other run's share there.

    Returns
    -------
    mix, rate : float
        They add up to the change (Kitagawa 1955).
    """
    weight_then, weight_now = base_then / base_then.sum(), base_now / base_now.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        rate_then, rate_now = left_then / base_then, left_now / base_now
    rate_then, rate_now = (
        np.nan_to_num(np.where(np.isfinite(a), a, b))
        for a, b in ((rate_then, rate_now), (rate_now, rate_then))
    )
    mix = (weight_now - weight_then) @ (rate_now + rate_then) / 2
    return float(mix), float((rate_now - rate_then) @ (weight_now + weight_then) / 2)
