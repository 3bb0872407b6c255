"""Segmented regression: against R, against lines that are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from cxlab.models.interrupted import (
    design,
    lag_of,
    newey_west,
    segmented,
    standard_error,
)

GOLDEN = Path(__file__).parents[1] / "golden"
TOLD = pd.read_csv(GOLDEN / "interventions.csv", index_col="what")  # made by make_interventions.R
DATA = pd.read_csv(GOLDEN / "interrupted_data.csv")
FITTED = 1e-5  # two fits by iteration, each to its own tolerance
START = 50


@pytest.mark.parametrize("scale", ["ratio", "difference"])
def test_the_step_and_its_variance_are_those_of_r(scale: str) -> None:
    y, x = (DATA[c].to_numpy(float) for c in "yx")
    found = segmented(y, x, START, scale)  # type: ignore[arg-type]
    assert found is not None
    assert found.lag == lag_of(80) == 3
    assert found.level == pytest.approx(TOLD.loc[f"{scale} 2", "value"], rel=FITTED)
    per_year = found.slope * 365.25 / 7
    assert per_year == pytest.approx(TOLD.loc[f"{scale} 3", "value"], rel=FITTED)
    columns = design(80, START, 7.0, False)
    rate = found.fitted
    weight = rate * x if scale == "ratio" else x
    residual = y - rate * x
    covariance, _ = newey_west(columns, residual, weight, 3)
    want = TOLD.loc[[f"{scale} {i}" for i in range(4)], "se"].to_numpy()
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), want, rtol=1e-4)
    # Never below that: errors that hang together in 80 weeks are seen too small.
    assert found.level_se >= want[2] * (1 - 1e-4)


def test_the_variance_is_that_of_statsmodels_too() -> None:
    y, x = (DATA[c].to_numpy(float) for c in "yx")
    columns = design(80, START, 7.0, False)
    keywords = {"maxlags": 3, "use_correction": True}
    fit = sm.WLS(y / x, columns, weights=x).fit(cov_type="HAC", cov_kwds=keywords)
    covariance, _ = newey_west(columns, y - x * np.asarray(fit.fittedvalues), x, 3)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), fit.bse, rtol=1e-8)


def _series(seed: int, effect: float, carried: float = 0.3, mean: float = 40.0
            ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    draw = np.random.default_rng(seed)
    error = np.zeros(80)
    shock = draw.normal(0, 0.15 * np.sqrt(1 - carried**2), 80)
    for t in range(1, 80):
        error[t] = carried * error[t - 1] + shock[t]
    late = np.arange(80) >= START
    rate = 0.1 * np.exp(0.003 * np.arange(80) + effect * late + error)
    x = np.full(80, mean / 0.1)
    return draw.poisson(rate * x).astype(float), x


def test_a_change_is_held_and_none_is_rarely_called_one() -> None:
    worlds, held, called = 120, 0, 0
    for seed in range(worlds):
        found = segmented(*_series(seed, -0.5), START, "ratio")
        assert found is not None
        held += abs(found.value + 0.5) < found.quantile * found.se
        none = segmented(*_series(9000 + seed, 0.0), START, "ratio")
        assert none is not None
        called += none.p_value < 0.05
    assert held >= stats.binom.ppf(0.005, worlds, 0.95)
    assert called <= stats.binom.ppf(0.995, worlds, 0.05)


def test_a_yearly_wave_is_no_change_once_it_is_held_equal() -> None:
    weeks, start = 110, 58
    wave = 0.4 * np.sin(2 * np.pi * np.arange(weeks) * 7 / 365.25)
    x = np.full(weeks, 4000.0)
    y = np.random.default_rng(4).poisson(0.1 * np.exp(wave) * x).astype(float)
    plain = segmented(y, x, start, "ratio")
    waved = segmented(y, x, start, "ratio", season=True)
    assert plain is not None
    assert waved is not None
    assert abs(plain.value) > 0.1
    assert abs(waved.value) < 2.5 * waved.se
    assert abs(waved.value) < 0.1


def test_where_nothing_came_any_more_it_is_beyond_chance() -> None:
    y, x = _series(1, 0.0)
    y[START:] = 0
    found = segmented(y, x, START, "ratio")
    assert found is not None
    assert found.value < -4
    assert found.p_value < 0.05


def test_short_series_tell_nothing() -> None:
    y, x = _series(2, 0.0)
    assert segmented(y[:57], x[:57], 5, "ratio") is None
    assert segmented(y[:52], x[:52], START, "ratio") is None
    assert segmented(0 * y, x, START, "ratio") is None
    gone = x.copy()
    gone[10:45] = 0
    some = segmented(np.where(gone > 0, y, 0), gone, START, "ratio")
    assert some is not None  # weeks without anything are left out
    assert np.isfinite(some.se)


def test_what_a_longer_follow_up_would_tell_is_what_it_tells() -> None:
    draw = np.random.default_rng(3)
    x = np.full(120, 500.0)
    y = draw.poisson(0.1 * x).astype(float)
    whole = segmented(y, x, 80, "ratio")
    assert whole is not None
    plain = replace(whole, dispersion=1.0)
    told = standard_error(plain, 0.1, 500.0, 80, 40, "ratio")
    again = [segmented(draw.poisson(0.1 * x).astype(float), x, 80, "ratio") for _ in range(60)]
    spread = np.std([f.value for f in again if f is not None])
    assert told == pytest.approx(spread, rel=4 / np.sqrt(2 * 60))
