from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from cxlab.models.pooling import partial_pool

GOLDEN = Path(__file__).parents[1] / "golden" / "pooling.csv"
SCHOOLS = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
ERRORS = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
THREE = np.array([0.9, 0.3, 1.4])
COVARIANCE = np.array([[0.04, 0.01, 0.005], [0.01, 0.09, 0.01], [0.005, 0.01, 0.25]])


@pytest.mark.parametrize(
    ("case", "estimate", "covariance", "scale"),
    [("schools", SCHOOLS, np.diag(ERRORS**2), 1e4), ("three", THREE, COVARIANCE, 0.5)],
)
def test_against_quadrature_in_r(
    case: str, estimate: np.ndarray, covariance: np.ndarray, scale: float
) -> None:
    golden = pd.read_csv(GOLDEN).query("case == @case").set_index("term")
    found = partial_pool(estimate, covariance, scale)
    groups = golden.loc[golden.index.str.startswith("b")]
    spread = groups["se"].to_numpy()
    # A grid of 301 values of tau against adaptive quadrature: to 1% of a standard deviation.
    for values, column in (
        (found.estimate, "estimate"), (found.se, "se"),
        (found.conf_low, "low"), (found.conf_high, "high"),
    ):  # fmt: skip
        np.testing.assert_array_less(abs(values - groups[column].to_numpy()) / spread, 0.01)
    assert found.mean == pytest.approx(golden.loc["mean", "estimate"], rel=0.003)
    assert found.tau == pytest.approx(golden.loc["tau", "estimate"], rel=0.01)


def test_the_eight_schools_as_published() -> None:
    """Gelman et al. (2013), table 5.3: 95% intervals from 200 draws, flat prior on tau."""
    published = np.array(
        [[-2, 31], [-5, 23], [-11, 19], [-7, 21], [-9, 18], [-7, 28], [-1, 26], [-6, 33]]
    )
    found = partial_pool(SCHOOLS, np.diag(ERRORS**2), 1e4)
    # An end taken from 200 draws has a standard error of about 3; F's and H's upper ends are
    # known to be off.
    ends = np.column_stack([found.conf_low, found.conf_high])
    assert np.median(abs(ends - published)) < 1.5
    assert (abs(ends - published) < 10).all()


def test_cochrans_statistic_against_statsmodels() -> None:
    found = partial_pool(SCHOOLS, np.diag(ERRORS**2))
    other = combine_effects(SCHOOLS, ERRORS**2)
    test = other.test_homogeneity()
    assert (found.q, found.p_value) == pytest.approx((test.statistic, test.pvalue))


def test_cochrans_statistic_of_correlated_estimates_is_walds_of_their_differences() -> None:
    contrast = np.array([[1.0, -1, 0], [0, 1, -1]])
    d, v = contrast @ THREE, contrast @ COVARIANCE @ contrast.T
    assert partial_pool(THREE, COVARIANCE).q == pytest.approx(float(d @ np.linalg.solve(v, d)))


def test_small_groups_are_drawn_most_and_none_is_silenced() -> None:
    b, se = np.array([0.5, 0.6, 2.5]), np.array([0.1, 0.1, 0.9])
    found = partial_pool(b, np.diag(se**2))
    moved = abs(found.estimate - b)
    assert moved[2] > 1.2 and (moved[:2] < 0.05).all()
    assert found.conf_low[2] < 0.6 < found.conf_high[2]
    # Not as if the spread were known to be nothing.
    assert found.se[2] > found.se[:2].max() * 1.5


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_intervals_hold_the_truth_over_the_groups(spread: float) -> None:
    draw = np.random.default_rng(5)
    held = []
    for _ in range(150):
        theta = 1 + spread * draw.normal(size=4)
        se = draw.uniform(0.1, 0.5, 4)
        found = partial_pool(theta + se * draw.normal(size=4), np.diag(se**2))
        held += list((found.conf_low < theta) & (theta < found.conf_high))
    # 600 intervals: a standard error of 0.9%; without any spread they are wider than need be.
    assert 0.925 < np.mean(held) < (0.999 if spread == 0 else 0.98)
