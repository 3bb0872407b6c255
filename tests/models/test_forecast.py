from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from cxlab.models.discrimination import auc
from cxlab.models.followed import Followed, leaving
from cxlab.models.forecast import fit_forecasts, roll


def _world(
    seed: int, n: int = 1500, days: int = 8, effect: float = 1.0
) -> tuple[Followed, np.ndarray]:
    """Customers judged every 30 days; the sign is new each time and raises the hazard."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(days, n, 3))
    x[:, :, 2] = 5.0  # never varies
    hazard = np.exp(-4.6 + effect * x[:, :, 0])
    month = draw.exponential(1 / hazard)
    left = np.full(n, np.inf)
    for d in range(days):
        now = (month[d] < 30) & np.isinf(left)
        left[now] = 30 * d + month[d][now]
    origin, who = np.divmod(np.arange(days * n), n)
    there = left[who] > 30 * origin
    time = np.minimum(left[who] - 30 * origin, 30.0 * (days - origin))
    cause = (left[who] < 30 * days).astype(int)
    followed = Followed(time, cause, who, origin, np.ones(days * n)).where(there)
    return followed, x.reshape(-1, 3)[there]


def test_it_is_the_ridge_of_scikit_learn() -> None:
    followed, x = _world(1, days=1)
    seen = leaving(followed, 30)
    weight = np.random.default_rng(0).integers(1, 4, len(x)).astype(float)
    weighted = leaving(Followed(followed.time, followed.cause, followed.customer,
                                followed.origin, weight), 30)  # fmt: skip
    for told in (seen, weighted):
        found = fit_forecasts(x, told, [0.1, 0.5])
        v = told.weight / told.weight.mean()
        z = x[:, :2] - np.average(x[:, :2], axis=0, weights=v)
        z = z / np.sqrt(np.average(z**2, axis=0, weights=v))
        for forecast, sd in zip(found, (0.1, 0.5), strict=True):
            assert forecast.coef[3] == 0.0  # it does not vary
            # Ours scales columns to a mean square of one, weights apart.
            scale = np.sqrt(np.mean(z**2, axis=0))
            ridge = LogisticRegression(C=sd**2, tol=1e-10, max_iter=1000)
            ridge.fit(z / scale, told.left, sample_weight=v)
            chance = ridge.predict_proba(z / scale)[:, 1]
            assert forecast.chance(x) == pytest.approx(chance, abs=2e-5)


def test_each_day_is_told_by_days_whose_horizon_was_over() -> None:
    followed, x = _world(2)
    days = 30.0 * np.arange(8)
    rolled = roll({"sign": x[:, :1], "noise": x[:, 1:2]}, followed, days, 60.0)
    assert rolled.judged.tolist() == [2, 3, 4, 5, 6, 7]
    assert np.isnan(rolled.chance["sign"][followed.origin < 2]).all()
    # What comes after a day changes nothing of what is told on it.
    later = 30.0 * followed.origin + followed.time > 150.0
    time = np.where(later, followed.time + 40.0, followed.time)
    other = Followed(time, followed.cause, followed.customer, followed.origin, followed.weight)
    again = roll({"sign": x[:, :1]}, other, days, 60.0)
    early = followed.origin <= 5
    np.testing.assert_array_equal(rolled.chance["sign"][early], again.chance["sign"][early])
    np.testing.assert_array_equal(rolled.base[early], again.base[early])


def test_a_sign_is_told_and_noise_is_not() -> None:
    followed, x = _world(3, n=3000)
    days = 30.0 * np.arange(8)
    rolled = roll({"sign": x[:, :1], "noise": x[:, 1:]}, followed, days, 30.0)
    seen = leaving(followed, 30.0)
    seen = seen.where(np.isin(followed.origin, rolled.judged)[seen.rows])
    told = auc(seen, np.column_stack(list(rolled.chance.values()))).table()
    truth = auc(seen, x[:, 0]).estimate[0]
    assert told["estimate"].iloc[0] == pytest.approx(truth, abs=1e-9)
    assert told["conf_low"].iloc[0] > 0.7
    assert told["conf_low"].iloc[1] < 0.5 < told["conf_high"].iloc[1]
    # Noise is drawn to the base rate, and what is told comes true as often.
    noise = rolled.chance["noise"][seen.rows]
    assert special.logit(noise).std() < 0.1
    assert rolled.chance["sign"][seen.rows].mean() == pytest.approx(seen.left.mean(), rel=0.1)


def test_what_drifts_does_not_hide_what_tells_customers_apart() -> None:
    draw = np.random.default_rng(5)
    origin = np.repeat(np.arange(8), 1000)
    z = draw.normal(size=len(origin))
    # Leaving grows with z, becomes rarer from day to day, and the column drifts upwards.
    y = draw.random(len(origin)) < special.expit(-1.0 + 0.5 * z - 0.3 * origin)
    followed = Followed(np.where(y, 10.0, 500.0), y.astype(int), np.arange(len(y)), origin,
                        np.ones(len(y)))  # fmt: skip
    x = (z + origin)[:, None]
    rolled = roll({"sign": x}, followed, 30.0 * np.arange(8), 30.0)
    seen = leaving(followed, 30.0)
    seen = seen.where(np.isin(origin, rolled.judged)[seen.rows])
    assert auc(seen, rolled.chance["sign"]).estimate == pytest.approx(auc(seen, z).estimate)
    assert auc(seen, z).estimate[0] > 0.6


def test_too_few_teach_nothing() -> None:
    followed, x = _world(4, n=20)
    rolled = roll({"sign": x}, followed, 30.0 * np.arange(8), 30.0)
    assert len(rolled.judged) == 0
    assert np.isnan(rolled.chance["sign"]).all()
