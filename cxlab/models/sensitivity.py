"""How much an answer hangs on what was assumed: hidden confounders, effects that change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxlab.models.contrast import Place, Rows, Sums, columns_of, stack
from cxlab.models.intervals import hazard_ratios, wald_p

__all__ = ["Moderated", "e_value", "e_value_of_limit", "moderated", "pooled_factor"]


def e_value(ratio: np.ndarray | float, *, rare: bool = True) -> np.ndarray:
    r"""Give the E-value: how strong a hidden confounder must be to explain a ratio away.

    The least ratio by which something unmeasured would have to be tied both to the exposure
    and to the outcome, beyond what is adjusted for (VanderWeele and Ding 2017):

    .. math:: E = RR + \sqrt{RR (RR - 1)}, \quad RR \ge 1,

    of :math:`1/RR` where the ratio is below 1. A hazard ratio of a rare outcome is a risk
    ratio; of a common one (above 15% by the end of what the ratio is about),
    :math:`RR = (1 - 0.5^{\sqrt{HR}}) / (1 - 0.5^{\sqrt{1/HR}})`.

    Parameters
    ----------
    ratio : ndarray or float
        Hazard or risk ratios.
    rare : bool
        Whether the outcome is rare.
    """
    ratio = np.asarray(ratio, dtype=float)
    if not rare:
        root = np.sqrt(ratio)
        ratio = (1 - 0.5**root) / (1 - 0.5 ** (1 / root))
    away = np.maximum(ratio, 1 / ratio)
    return np.asarray(away + np.sqrt(away * (away - 1)))


def e_value_of_limit(
    low: np.ndarray | float, high: np.ndarray | float, *, rare: bool = True
) -> np.ndarray:
    """Give the E-value of the limit of an interval nearer 1; 1 where the interval holds 1.

    Parameters
    ----------
    low, high : ndarray or float
        The limits, as ratios.
    rare : bool
        See :func:`e_value`.
    """
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    limit = np.where(low > 1, low, np.where(high < 1, high, 1.0))
    return e_value(np.where(np.isnan(low) | np.isnan(high), np.nan, limit), rare=rare)


@dataclass(frozen=True)
class Moderated:
    """Effects that may change with a moderator.

    Parameters
    ----------
    coef, slope : ndarray, shape (t,)
        Log hazard ratios where the moderator is 0, and what they gain for one more of it; NaN
        where they could not be told from the other columns.
    covariance : ndarray, shape (t, 2, 2)
        Of both, robust by customer.
    """

    coef: np.ndarray
    slope: np.ndarray
    covariance: np.ndarray

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided Wald p-values of no change, shape (t,)."""
        return wald_p(self.slope, np.sqrt(self.covariance[:, 1, 1]))

    def at(self, value: np.ndarray) -> dict[str, np.ndarray]:
        """Give the hazard ratios at a value of the moderator each, with their 95% intervals.

        Parameters
        ----------
        value : ndarray, shape (t,)
            Of the moderator.

        Returns
        -------
        dict
            ``hazard_ratio``, ``conf_low`` and ``conf_high``, each of shape (t,).
        """
        weight = np.column_stack([np.ones(len(self.coef)), np.broadcast_to(value, len(self.coef))])
        estimate = self.coef + value * self.slope
        se = np.sqrt(np.einsum("ti,tij,tj->t", weight, self.covariance, weight))
        return hazard_ratios(estimate, se)


def moderated(
    rows: Rows,
    columns: np.ndarray,
    tested: Sequence[int],
    beside: Sequence[int],
    moderator: np.ndarray,
    start: np.ndarray | None = None,
) -> Moderated:
    """Let the effects of some exposures change with a moderator, all in one fit.

    Parameters
    ----------
    rows : Rows
        The rows, the moderator among what is adjusted for.
    columns : ndarray, shape (n, p)
        The exposures.
    tested : sequence of int
        The exposures whose change is asked for.
    beside : sequence of int
        Exposures that may change as well: those that contain the tested ones.
    moderator : ndarray, shape (n,)
        Best centred.
    start : ndarray, optional
        Coefficients of the controls and of ``columns``, to start from.
    """
    changing = [columns[:, k] * moderator for k in (*beside, *tested)]
    fitted = rows.fit([columns, *changing], start)
    first = columns.shape[1] + len(beside)
    pairs = [(k, first + i) for i, k in enumerate(tested)]
    covariance = fitted.exposure_covariance
    return Moderated(
        fitted.exposure_coef[[k for k, _ in pairs]],
        fitted.exposure_coef[[s for _, s in pairs]],
        np.array([covariance[np.ix_(p, p)] for p in pairs]).reshape(-1, 2, 2),
    )


def pooled_factor(
    rows: Rows,
    sums: Sums,
    effects: Mapping[Place, float],
    beside: Sequence[Place],
    start: np.ndarray | None = None,
) -> tuple[float, float]:
    """Tell how many times some effects are there, all scaled by one factor.

    Parameters
    ----------
    rows : Rows
        The rows.
    sums : mapping
        Class -> exposures.
    effects : mapping
        ``(class, touchpoint)`` -> the log hazard ratio that is scaled.
    beside : sequence of (class, touchpoint)
        The other columns.
    start : ndarray, optional
        Coefficients of the controls and of ``beside``, to start from.

    Returns
    -------
    factor, se : float
        1 where the effects are there in full, 0 where not at all; NaN where nobody was exposed.
    """
    together = stack(sums, list(effects)) @ np.array(list(effects.values()))
    fitted = rows.fit([*columns_of(sums, beside), together], start)
    return float(fitted.exposure_coef[-1]), float(fitted.exposure_se[-1])
