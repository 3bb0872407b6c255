"""From hazard ratios to customers: churn that would not have been, had contacts gone well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Attributable", "ChurnWindow", "attributable_churn"]


@dataclass(frozen=True)
class ChurnWindow:
    """The churns of a window, and what had led up to each.

    Parameters
    ----------
    baseline : ndarray, shape (m,)
        Log hazard per period at each churn, without the exposures.
    exposure_part : ndarray, shape (m, g)
        What the decayed exposures add to it, by half-life.
    left : ndarray of int, shape (m,)
        Periods from the churn to the window's end in which leaving was possible.
    half_life : ndarray, shape (m, g)
        Half-lives, in the time from one such period to the next.
    """

    baseline: np.ndarray
    exposure_part: np.ndarray
    left: np.ndarray
    half_life: np.ndarray

    def survival_without(self, removed: np.ndarray, group: int = 0) -> np.ndarray:
        """Carry survival from each churn to the window's end, without a contrast.

        Parameters
        ----------
        removed : ndarray, shape (m,)
            What the contrast adds to the log hazard at the churn.
        group : int
            Which half-life it fades with.

        Returns
        -------
        ndarray, shape (m,)
        """
        base = np.exp(self.baseline)
        part = self.exposure_part.copy()
        part[:, group] -= removed
        hazard = np.zeros(len(base))
        for step in range(1, int(self.left.max(initial=0)) + 1):
            still = self.left >= step
            fading = (part * 0.5 ** (step / self.half_life)).sum(axis=1)
            hazard += still * base * np.exp(fading)
        return np.exp(-hazard)


@dataclass(frozen=True)
class Attributable:
    """Attributable churn and its standard error, in customers and weighted by value."""

    customers: float
    customers_se: float
    value: float
    value_se: float


def attributable_churn(
    window: ChurnWindow,
    coef: float,
    exposure: np.ndarray,
    slope: np.ndarray,
    covariance: np.ndarray,
    value: np.ndarray,
    group: int = 0,
) -> Attributable:
    r"""Count the churns that would not have been, had each bad contact been ordinary.

    With the contrast :math:`\beta` and a churner's decayed bad exposure :math:`B`, the churn
    at :math:`c` would have happened anyway with probability :math:`e^{-\beta B}`; a customer
    saved stays at risk, and may leave later in the window. Summed over the churns,

    .. math:: \sum_i (1 - e^{-\beta B_i})\, S^0_i(c_i, T)

    has the expectation of :math:`\sum_j S^0_j(T) - S_j(T)` over all who were at risk, since
    the derivative of :math:`S(t) S^0(t, T)` by :math:`t` is
    :math:`S S^0 (\lambda^0 - \lambda)`. Survival :math:`S^0` after the churn is carried
    forward period by period with decaying exposures and no new contacts.

    Parameters
    ----------
    window : ChurnWindow
        The churns.
    coef : float
        The log hazard ratio of one fresh bad contact.
    exposure, slope : ndarray, shape (m,)
        Decayed bad exposure at each churn, and its derivative by the log of the half-life.
    covariance : ndarray, shape (2, 2)
        Of ``coef`` and the log of the half-life.
    value : ndarray, shape (m,)
        Each churner's monthly value; NaN counts as none.
    group : int
        Which of the window's half-lives the contrast fades with.

    Returns
    -------
    Attributable
        The standard errors hold those of ``coef`` and the half-life (delta method) and the
        chance of who left in this window (Poisson).
    """
    kept = np.exp(-coef * exposure)
    survival = window.survival_without(coef * exposure, group)
    saved = (1.0 - kept) * survival
    by_coef = exposure * kept * survival
    by_half_life = coef * slope * kept * survival

    def total(weight: np.ndarray) -> tuple[float, float]:
        gradient = np.array([weight @ by_coef, weight @ by_half_life])
        variance = gradient @ covariance @ gradient + np.sum(np.square(weight * saved))
        return float(weight @ saved), float(np.sqrt(max(variance, 0.0)))

    customers = total(np.ones(len(saved)))
    return Attributable(*customers, *total(value))
