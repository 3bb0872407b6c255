"""Discrimination against R, scikit-survival, scikit-learn, DeLong's formula and known truths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, roc_auc_score

from cxlab.models.discrimination import (
    Figures,
    auc,
    brier,
    calibration,
    captured,
    difference,
    skill,
)
from cxlab.models.followed import Followed, leaving

GOLDEN = Path(__file__).parents[1] / "golden"
# Written out in R with the same ties: only rounding differs.
EXACT = 1e-9
# Ten shares of 200 simulated worlds each: three Monte Carlo errors of 0.0154 from 95%.
WORLDS, COVERED = 200, (0.904, 0.996)


def _rows() -> pd.DataFrame:
    return pd.read_csv(GOLDEN / "discrimination_rows.csv")


def _followed(
    time: np.ndarray,
    cause: np.ndarray,
    weight: np.ndarray | None = None,
    customer: np.ndarray | None = None,
    origin: np.ndarray | None = None,
) -> Followed:
    n = len(time)
    return Followed(
        np.asarray(time, dtype=float),
        np.asarray(cause, dtype=int),
        np.arange(n) if customer is None else customer,
        np.zeros(n, dtype=int) if origin is None else origin,
        np.ones(n) if weight is None else np.asarray(weight, dtype=float),
    )


@pytest.mark.parametrize("until", [60, 180])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas_and_brier_scores_are_those_of_r(until: int, weighted: bool) -> None:
    rows = _rows()
    told = pd.read_csv(GOLDEN / "discrimination.csv").set_index(["until", "weighted"])
    wanted = told.loc[(until, weighted)]
    weight = rows["weight"].to_numpy(float) if weighted else None
    seen = leaving(_followed(rows["time"], rows["cause"], weight), until)
    assert auc(seen, rows[["mspike", "age"]].to_numpy()).estimate == pytest.approx(
        wanted[["auc_mspike", "auc_age"]].to_numpy(float), rel=EXACT
    )
    chance = special.expit(-3 + 0.8 * rows["mspike"].to_numpy())
    assert brier(seen, chance).estimate == pytest.approx([wanted["brier"]], rel=EXACT)
    assert seen.rate == pytest.approx(wanted["rate"], rel=EXACT)


@pytest.mark.parametrize(
    ("until", "area", "score"),
    # scikit-survival 0.28, times made distinct, one cause: y = Surv.from_arrays(cause > 0, time);
    # cumulative_dynamic_auc(y, y, age, [until]), brier_score(y, y, 1 - chance, [until])
    [(60.0, 0.72304223, 0.27832648), (180.0, 0.85447695, 0.60346191)],
)
def test_one_cause_is_as_in_scikit_survival(until: float, area: float, score: float) -> None:
    rows = _rows()
    time = rows["time"].to_numpy() + np.arange(len(rows)) / 1000
    seen = leaving(_followed(time, (rows["cause"] > 0).to_numpy()), until)
    assert auc(seen, rows["age"].to_numpy()).estimate == pytest.approx([area], abs=1e-8)
    chance = special.expit(-3 + 0.8 * rows["mspike"].to_numpy())
    assert brier(seen, chance).estimate == pytest.approx([score], abs=1e-8)


def _seen_whole(seed: int = 1, n: int = 200) -> tuple[Followed, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    y = draw.random(n) < 0.3
    x = np.round(draw.normal(size=(n, 2)) + y[:, None] * [1.0, 0.3], 1)  # with ties
    return _followed(np.where(y, 10.0, 100.0), y), x, y


def test_without_censoring_it_is_scikit_learns_and_delongs() -> None:
    followed, x, y = _seen_whole()
    told = auc(leaving(followed, 90), x)
    assert told.estimate == pytest.approx([roc_auc_score(y, x[:, k]) for k in (0, 1)])
    wins = (x[y][:, None] > x[~y][None]) + (x[y][:, None] == x[~y][None]) / 2
    each = [wins.mean(axis=1), wins.mean(axis=0)]
    covariance = sum(np.cov(v.T) / len(v) for v in each)
    assert told.covariance == pytest.approx(covariance, rel=1e-9)
    chance = special.expit(x)
    scores = [brier_score_loss(y, chance[:, k]) for k in (0, 1)]
    assert brier(leaving(followed, 90), chance).estimate == pytest.approx(scores)


def test_weights_are_rows_written_several_times() -> None:
    followed, x, y = _seen_whole(2)
    many = np.random.default_rng(0).integers(1, 4, len(y))
    place = np.repeat(np.arange(len(y)), many)
    weighted = leaving(_followed(followed.time, followed.cause, many), 90)
    repeated = leaving(followed.where(place), 90)
    for figure in (auc, brier, captured):
        one, other = figure(weighted, x), figure(repeated, x[place])
        assert one.estimate == pytest.approx(other.estimate)
        assert one.se == pytest.approx(other.se, rel=1e-9)


def _censored(draw: np.random.Generator, n: int) -> tuple[Followed, np.ndarray]:
    x = draw.normal(size=(n, 2))
    ends = [draw.exponential(60 * np.exp(-x @ [0.8, 0.3])), draw.exponential(150, n)]
    lost = draw.exponential(90, n)
    time = np.minimum(np.minimum(*ends), lost)
    cause = np.where(time == lost, 0, np.where(time == ends[0], 1, 2))
    return _followed(time, cause, draw.integers(1, 4, n), origin=draw.integers(0, 2, n)), x


def test_what_a_customer_adds_is_the_slope_by_its_weight() -> None:
    followed, x = _censored(np.random.default_rng(4), 120)
    seen = leaving(followed, 50, since=2)
    chance = special.expit(x)
    for figure, tolerance in ((auc, 0.03), (brier, 0.01)):
        told = figure(seen, chance)
        for k in range(0, 120, 7):
            more = followed.weight.copy()
            more[k] += 1e-5
            heavier = replace(followed, weight=more)
            moved = figure(leaving(heavier, 50, since=2), chance)
            slope = (moved.estimate - told.estimate) / 1e-5 * followed.weight[k]
            # The factors n / (n - 1) are part of the variance and not of the slope.
            assert told.parts[k] == pytest.approx(slope, rel=tolerance, abs=1e-7)


def test_errors_are_those_of_customers_drawn_anew() -> None:
    draw = np.random.default_rng(5)
    followed, x = _censored(draw, 400)
    followed = _followed(followed.time, followed.cause, origin=followed.origin,
                         customer=np.arange(400) // 2)  # fmt: skip
    seen, again = leaving(followed, 50), []
    chance = special.expit(x)
    figures = (auc(seen, x), brier(seen, chance), captured(seen, x))
    for _ in range(300):
        weight = draw.exponential(size=200)[followed.customer]
        anew = leaving(_followed(followed.time, followed.cause, weight, followed.customer,
                                 followed.origin), 50)  # fmt: skip
        again.append([f(anew, v).estimate for f, v in ((auc, x), (brier, chance), (captured, x))])
    spread = np.std(again, axis=0)
    assert np.array([f.se for f in figures]) == pytest.approx(spread, rel=0.15)


def _world(draw: np.random.Generator, censored: bool) -> tuple[Followed, np.ndarray]:
    """Of customers seen twice, one in three leaves; a good sign, a weaker one, and noise."""
    n = 300
    y = draw.random(n) < 0.33
    mine = draw.normal(size=n) + y
    signs = np.column_stack([mine, mine + draw.normal(0, 1.5, n), draw.normal(size=n)])
    time = np.where(y, draw.uniform(0, 90, n), 1000.0)
    cause = y.astype(int)
    if censored:
        lost = draw.exponential(120, n)
        cause, time = np.where(lost < time, 0, cause), np.minimum(lost, time)
    # A second look at each customer, with the same outcome and signs that hang together.
    both = np.concatenate([np.arange(n)] * 2)
    again = signs[both] + np.vstack([np.zeros((n, 3)), draw.normal(0, 0.3, (n, 3))])
    origin = np.repeat([0, 1], n)
    return _followed(time[both], cause[both], customer=both, origin=origin), again


@pytest.mark.parametrize("censored", [False, True])
def test_intervals_hold_what_is_true(censored: bool) -> None:
    draw = np.random.default_rng(6)
    inside = []
    # Of a normal sign with sd s, shifted by one, the area is that of z under 1 / (s sqrt(2)).
    # The second look adds noise of its own, which shifts the mean of both looks a little.
    sds = np.sqrt([[1.0, 3.25, 1.0], [1.09, 3.34, 1.09]])
    truth = norm.cdf(np.array([1.0, 1.0, 0.0]) / (sds * np.sqrt(2))).mean(axis=0)
    found = []
    for _ in range(WORLDS):
        followed, signs = _world(draw, censored)
        told = auc(leaving(followed, 90), signs)
        found.append(told.estimate)
        alone, gap = told.table(), told.differences([(0, 1), (0, 2)])
        gaps = truth[0] - truth[1:]
        inside.append(
            [
                *((alone["conf_low"] <= truth) & (truth <= alone["conf_high"])),
                *((gap["conf_low"] <= gaps) & (gaps <= gap["conf_high"])),
            ]
        )
    assert np.mean(found, axis=0) == pytest.approx(truth, abs=0.005)
    covered = np.mean(inside, axis=0)
    assert covered.min() > COVERED[0]
    assert covered.max() < COVERED[1]


def test_a_sample_of_those_who_stay_tells_the_same() -> None:
    draw = np.random.default_rng(7)
    y = draw.random(40_000) < 0.05
    x = draw.normal(size=len(y)) + y
    whole = _followed(np.where(y, 10.0, 100.0), y)
    kept = y | (draw.random(len(y)) < 0.1)
    weight = np.where(y, 1.0, 10.0)[kept]
    drawn = _followed(whole.time[kept], whole.cause[kept], weight)
    for figure, signs in ((auc, x), (brier, special.expit(x - 3.4)), (captured, x)):
        one, other = figure(leaving(whole, 90), signs), figure(leaving(drawn, 90), signs[kept])
        assert abs(one.estimate - other.estimate)[0] < 4 * other.se[0]
        assert one.se[0] < other.se[0] < 3 * one.se[0]


def test_another_cause_is_no_leaving_and_earlier_ends_do_not_count() -> None:
    followed = _followed([5, 20, 20, 95, 40], [1, 1, 2, 0, 0])
    seen = leaving(followed, 90, since=10)
    assert seen.rows.tolist() == [1, 2, 3, 4]
    assert seen.left.tolist() == [True, False, False, False]
    # One of the two who were in sight at day 40 went: the other stands for both.
    assert seen.weight.tolist() == [1, 1, 2, 0]
    assert (seen.leavers, seen.judged, seen.rate) == (1, 3, 0.25)


def test_those_who_share_a_risk_are_flagged_in_part() -> None:
    followed = _followed([1, 1, 99, 99, 99, 99, 99, 99, 99, 99], [1, 1] + [0] * 8)
    risk = np.array([9.0, 5.0, 5.0, 5.0, 5.0, 0, 0, 0, 0, 0])
    seen = leaving(followed, 90)
    assert captured(seen, risk, 0.1).estimate == pytest.approx([0.5])
    assert captured(seen, risk, 0.2).estimate == pytest.approx([0.5 + 0.5 / 4])
    assert captured(seen, np.zeros(10), 0.2).estimate == pytest.approx([0.2])


def test_skill_and_calibration_of_a_forecast_that_is_right_or_not() -> None:
    draw = np.random.default_rng(8)
    odds = draw.normal(-1.5, 1, 20_000)
    y = draw.random(len(odds)) < special.expit(odds)
    seen = leaving(_followed(np.where(y, 10.0, 100.0), y), 90)
    base = np.full(len(y), y.mean())
    chance = special.expit(np.column_stack([odds, 2 * odds, odds + 0.5]))
    told = calibration(seen, np.column_stack([chance, base]))
    assert told["slope"].to_numpy() == pytest.approx([1, 0.5, 1, np.nan], abs=0.06, nan_ok=True)
    assert told["intercept"].iloc[[0, 2, 3]].to_numpy() == pytest.approx([0, -0.5, 0], abs=0.06)
    right = told.iloc[0]
    assert right["slope_low"] < 1 < right["slope_high"]
    assert right["intercept_low"] < 0 < right["intercept_high"]
    assert told["came"].to_numpy() == pytest.approx(y.mean())
    better = skill(seen, np.column_stack([chance, base]), base)
    wanted = 1 - brier(seen, chance).estimate / brier(seen, base).estimate
    assert better.estimate[:3] == pytest.approx(wanted)
    assert better.table().iloc[3].to_numpy() == pytest.approx(0, abs=1e-12)
    assert better.table()["conf_low"].iloc[0] > 0


def test_where_nothing_can_be_told() -> None:
    nobody = leaving(_followed([100, 100, 100], [0, 0, 0]), 90)
    assert np.isnan(auc(nobody, np.arange(3)).estimate).all()
    assert np.isnan(captured(nobody, np.arange(3)).table().to_numpy()).all()
    assert calibration(nobody, np.full(3, 0.1))[["slope", "intercept"]].isna().all(axis=None)
    everyone = leaving(_followed([10, 20], [1, 1]), 90)
    assert np.isnan(auc(everyone, np.arange(2)).estimate).all()
    empty = leaving(_followed(np.zeros(0), np.zeros(0)), 90)
    assert np.isnan(brier(empty, np.zeros(0)).estimate).all()
    assert np.isnan(empty.rate)
    never_wrong = leaving(_followed([1, 1, 99, 99], [1, 1, 0, 0]), 90)
    perfect = auc(never_wrong, np.array([3, 3, 1, 1]))
    told = perfect.table().iloc[0]
    assert (told["estimate"], told["conf_high"]) == (1.0, 1.0)
    assert told["conf_low"] == pytest.approx(0.025**0.5)  # two of two
    whole = calibration(never_wrong, np.array([0.9, 0.8, 0.2, 0.1]))
    assert np.isnan(whole["slope"].iloc[0])  # never wrong: no slope is steep enough
    # All out of sight before the horizon: nobody who stayed can stand for them.
    dark = leaving(_followed([10, 30, 30], [1, 0, 0]), 90)
    assert dark.weight.tolist() == [1, 0, 0]


def test_figures_of_other_rows_are_compared_by_customer() -> None:
    followed, x, _ = _seen_whole(3)
    whole, later = auc(leaving(followed, 90), x), auc(leaving(followed, 90), x)
    gap = difference(whole, later, np.array([0]), np.array([0])).iloc[0]
    assert (gap["estimate"], gap["se"], gap["p_value"]) == (0.0, 0.0, 1.0)
    pair = whole.differences([(0, 1)]).iloc[0]
    c = whole.covariance
    assert pair["se"] == pytest.approx(np.sqrt(c[0, 0] + c[1, 1] - 2 * c[0, 1]))
    assert isinstance(whole, Figures)
