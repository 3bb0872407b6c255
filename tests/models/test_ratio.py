from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from cxlab.models.intervals import Z
from cxlab.models.ratio import fieller


def _z(r: float, a: float, b: float, va: float, vb: float, vab: float) -> float:
    return (a - r * b) / np.sqrt(va - 2 * r * vab + r * r * vb)


def test_the_ends_are_where_the_test_of_each_ratio_turns() -> None:
    case = (0.9, 0.4, 0.04, 0.01, 0.005)
    found = fieller(*case)
    assert found.bounded
    assert found.estimate == pytest.approx(2.25)
    low = optimize.brentq(lambda r: _z(r, *case) - Z, -5, 2.25)
    high = optimize.brentq(lambda r: _z(r, *case) + Z, 2.25, 1e3)
    assert (found.conf_low, found.conf_high) == pytest.approx((low, high))


def test_the_ratio_turned_round_has_the_reciprocal_interval() -> None:
    one = fieller(3.0, 1.5, 0.1, 0.04, 0.02)
    other = fieller(1.5, 3.0, 0.04, 0.1, 0.02)
    assert (1 / other.conf_high, 1 / other.conf_low) == pytest.approx((one.conf_low, one.conf_high))


def test_means_of_two_samples_by_the_formula_of_the_textbooks() -> None:
    """Zerbe (1978): with g = z^2 vb / b^2, (r -+ z/b sqrt(va (1-g) + r^2 vb)) / (1-g), vab = 0."""
    a, b, va, vb = 5.0, 2.0, 0.3, 0.2
    g, r = Z**2 * vb / b**2, a / b
    reach = Z / b * np.sqrt(va * (1 - g) + r * r * vb)
    found = fieller(a, b, va, vb)
    expected = ((r - reach) / (1 - g), (r + reach) / (1 - g))
    assert (found.conf_low, found.conf_high) == pytest.approx(expected)


def test_a_denominator_that_may_be_zero_leaves_no_end() -> None:
    found = fieller(1.0, 0.05, 0.01, 0.01)
    assert not found.bounded
    # The gap is ruled out and holds 0, since the numerator is not; its ends are on the line.
    assert found.conf_low < 0 < found.conf_high
    for end in (found.conf_low, found.conf_high):
        assert abs(_z(end, 1.0, 0.05, 0.01, 0.01, 0.0)) == pytest.approx(Z)


def test_nothing_is_ruled_out_where_both_may_be_zero() -> None:
    found = fieller(0.01, 0.01, 1.0, 1.0)
    assert not found.bounded
    assert np.isnan(found.conf_low) and np.isnan(found.conf_high)
    assert np.isnan(fieller(0.0, 0.0, 1.0, 1.0).estimate)


def test_coverage_where_the_denominator_is_hardly_told() -> None:
    draw = np.random.default_rng(2)
    v = np.array([[0.09, 0.02], [0.02, 0.04]])
    held = 0
    for a, b in draw.multivariate_normal([0.8, 0.4], v, 4000):
        r = fieller(a, b, v[0, 0], v[1, 1], v[0, 1])
        within = r.conf_low <= 2.0 <= r.conf_high
        held += True if np.isnan(r.conf_low) else within == r.bounded
    assert held / 4000 == pytest.approx(0.95, abs=0.011)  # three standard errors
