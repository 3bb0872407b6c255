"""Attributable churn against an exact calculation and a simulated twin."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.effects import ChurnWindow, attributable_churn

WINDOW, HALF_LIFE, BASE, BETA = 90, 20.0, 0.004, 1.1


def _hazards(exposed_at: np.ndarray, beta: float) -> np.ndarray:
    """Hazard by customer and day, with one bad contact at ``exposed_at``."""
    day = np.arange(WINDOW)
    age = day + 0.5 - exposed_at[:, None]
    load = np.where(age > 0, 0.5 ** (age / HALF_LIFE), 0.0)
    return BASE * np.exp(beta * load)


def test_sum_over_churns_has_the_expectation_of_the_difference_in_survival() -> None:
    generator = np.random.default_rng(7)
    customers = 60_000
    exposed_at = generator.uniform(-40, -0.001, customers)
    hazard, calm = _hazards(exposed_at, BETA), _hazards(exposed_at, 0.0)
    exact = (np.exp(-calm.sum(1)) - np.exp(-hazard.sum(1))).sum()
    left = generator.random((customers, WINDOW)) < 1 - np.exp(-hazard)
    churned = left.any(1)
    day = left.argmax(1)[churned]
    exposure = 0.5 ** ((day + 0.5 - exposed_at[churned]) / HALF_LIFE)
    window = ChurnWindow(
        baseline=np.full(len(day), np.log(BASE)),
        exposure_part=BETA * exposure[:, None],
        left=WINDOW - 1 - day,
        half_life=np.array([[HALF_LIFE]]),
    )
    found = attributable_churn(
        window, BETA, exposure, np.zeros_like(exposure), np.zeros((2, 2)), np.full(len(day), 3.0)
    )
    assert found.customers == pytest.approx(exact, abs=3 * found.customers_se)
    assert found.customers == pytest.approx(exact, rel=0.05)
    assert found.value == pytest.approx(3 * found.customers)
    # Summing hazard differences over the rows would overstate: those saved stay at risk.
    assert (1 - np.exp(-BETA * exposure)).sum() > 1.1 * exact


def test_no_effect_saves_nobody_and_harmless_contacts_cost_nothing() -> None:
    window = ChurnWindow(
        np.full(3, -6.0), np.zeros((3, 1)), np.array([0, 10, 89]), np.array([[20.0]])
    )
    none = attributable_churn(
        window, 0.0, np.ones(3), np.ones(3), np.diag([0.01, 0.1]), np.array([1.0, np.nan, 2.0])
    )
    assert none.customers == 0
    assert none.customers_se > 0
    without = attributable_churn(
        window, 1.0, np.zeros(3), np.zeros(3), np.diag([0.01, 0.1]), np.ones(3)
    )
    assert (without.customers, without.customers_se) == (0, 0)


def test_a_churn_on_the_last_day_counts_in_full() -> None:
    window = ChurnWindow(np.array([-2.5]), np.array([[0.5]]), np.array([0]), np.array([[20.0]]))
    found = attributable_churn(window, 0.5, np.ones(1), np.zeros(1), np.zeros((2, 2)), np.ones(1))
    assert found.customers == pytest.approx(1 - np.exp(-0.5))
