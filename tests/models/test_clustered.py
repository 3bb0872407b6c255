"""Estimates from rows that hang together by customer.

Against R, statsmodels, scikit-learn, published variances and simulated coverage.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.metrics import roc_auc_score

from cxlab.models.clustered import (
    OTHER,
    RATE,
    SHARE,
    SUMS,
    areas,
    changes,
    ratios,
    within_strata,
)
from cxlab.models.intervals import wilson

EXACT = 1e-9  # the same formula, added up in another order
GOLDEN = pd.read_csv(
    Path(__file__).parents[1] / "golden" / "experience.csv", index_col="what"
)  # made by make_experience.R
WHO = np.array([1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7, 8, 9, 10, 10])
Y = np.array([1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1.0])
SCORES = np.array([10, 9, 3, 7, 8, 10, 2, 9, 6, 10, 5, 9])


def _rows(seed: int, customers: int = 120) -> pd.DataFrame:
    """Draw rows that fail the more, the more prone their customer is."""
    draw = np.random.default_rng(seed)
    size = draw.poisson(4, customers)
    who = np.repeat(np.arange(customers), size)
    prone = draw.normal(0, 1, customers)[who]
    h = (draw.random(len(who)) < 0.4).astype(float)
    stratum = draw.integers(0, 4, len(who))
    y = (draw.random(len(who)) < 1 / (1 + np.exp(1 - prone - 0.3 * stratum))).astype(float)
    return pd.DataFrame({"who": who, "y": y, "h": h, "stratum": stratum})


def _sums(y: np.ndarray, x: np.ndarray, who: np.ndarray) -> pd.DataFrame:
    """Sum by customer, then over customers, one level."""
    code = np.unique(who, return_inverse=True)[1]
    a, b = np.bincount(code, y), np.bincount(code, x)
    made = [(b > 0).sum(), a.sum(), b.sum(), a @ a, a @ b, b @ b]
    return pd.DataFrame([made], columns=list(SUMS), dtype=float)


def _shared(y: np.ndarray, who: np.ndarray) -> pd.DataFrame:
    return _sums(y, np.ones(len(y)), who)


def _sides(y: np.ndarray, x: np.ndarray, y0: np.ndarray, x0: np.ndarray) -> pd.DataFrame:
    """Sum two sides of the same customers, each one's sums given."""
    who = np.arange(len(y))
    made = _sums(y, x, who).join(_sums(y0, x0, who).rename(columns=OTHER))
    return made.assign(y0y=y0 @ y, y0x=y0 @ x, x0y=x0 @ y, x0x=x0 @ x)


def test_a_ratio_has_the_clustered_error_of_statsmodels() -> None:
    rows = _rows(1)
    fit = sm.OLS(rows["y"], np.ones(len(rows))).fit(
        cov_type="cluster", cov_kwds={"groups": rows["who"]}
    )
    found = ratios(_shared(rows["y"].to_numpy(), rows["who"].to_numpy()), SHARE).iloc[0]
    assert found["estimate"] == pytest.approx(fit.params.iloc[0], abs=EXACT)
    assert found["se"] == pytest.approx(fit.bse.iloc[0], abs=EXACT)
    assert found["conf_low"] < found["estimate"] < found["conf_high"]


def test_the_error_is_that_of_clusters_in_r() -> None:
    found = ratios(_shared(Y, WHO), SHARE).iloc[0]
    assert found["estimate"] == pytest.approx(GOLDEN.loc["share", "estimate"], abs=1e-9)
    # R corrects by G / (G - 1) as we do
    assert found["se"] == pytest.approx(GOLDEN.loc["share", "se"], rel=1e-9)


def test_nps_has_the_multinomial_variance_where_nobody_answers_twice() -> None:
    box = np.where(SCORES >= 9, 100.0, np.where(SCORES <= 6, -100.0, 0.0))
    n = len(SCORES)
    found = ratios(_shared(box, np.arange(n)), (-100.0, 100.0)).iloc[0]
    assert found["estimate"] == pytest.approx(GOLDEN.loc["nps", "estimate"])
    assert found["se"] == pytest.approx(GOLDEN.loc["nps", "se"] * np.sqrt(n / (n - 1)), rel=1e-9)


def test_a_share_of_many_who_answer_once_has_wilsons_interval() -> None:
    y = np.repeat([1.0, 0.0], [400, 1600])
    found = ratios(_shared(y, np.arange(2000)), SHARE).iloc[0]
    share, low, high = wilson(400, 2000)
    assert found["estimate"] == share
    # Student's quantile and n - 1 for n are all that differs
    assert [found["conf_low"], found["conf_high"]] == pytest.approx([low, high], abs=2e-4)


@pytest.mark.parametrize(("value", "side"), [(1.0, "conf_high"), (0.0, "conf_low")])
def test_all_alike_is_not_certain(value: float, side: str) -> None:
    found = ratios(_shared(np.full(12, value), np.arange(12)), SHARE).iloc[0]
    assert found[side] == found["estimate"] == value
    assert 0.2 < found["conf_high"] - found["conf_low"] < 0.4


def test_what_nobody_did_is_as_sure_as_there_are_customers() -> None:
    sums = pd.DataFrame([[5, 0, 500, 0, 0, 50_000]], columns=list(SUMS))
    told = ratios(sums, SHARE).iloc[0]
    assert told["estimate"] == told["conf_low"] == 0
    # Wilson's limit for so many customers, fewer by Student's quantile of four degrees
    fewer = 5 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 4)) ** 2
    assert told["conf_high"] == pytest.approx(wilson(0, fewer)[2])


def test_none_of_a_rate_has_garwoods_limit_and_nothing_is_nothing() -> None:
    none = pd.DataFrame([[40.0, 0.0, 50.0, 0.0, 0.0, 60.0]], columns=list(SUMS))
    found = ratios(none, RATE).iloc[0]
    assert found["conf_low"] == 0.0
    assert found["conf_high"] == pytest.approx(3.688879 / 50)
    for bounds in (SHARE, RATE):
        assert ratios(none * 0, bounds).iloc[0].isna().all()


def test_a_rate_of_one_customer_has_no_error() -> None:
    one = _sums(np.array([3.0]), np.array([12.0]), np.zeros(1))
    assert ratios(one, RATE)[["se", "conf_low", "conf_high"]].isna().all(axis=None)
    wide = ratios(_shared(np.ones(1), np.zeros(1)), SHARE).iloc[0]
    assert np.isnan(wide["se"]) and wide["conf_low"] < 0.1


def test_intervals_hold_their_level_where_customers_are_few_and_answers_hang_together() -> None:
    draw = np.random.default_rng(1)
    held = {"share": 0, "nps": 0, "change": 0}
    rounds = 300
    for _ in range(rounds):
        leaning = draw.beta(1.6, 0.4, 25)
        who = np.repeat(np.arange(25), draw.integers(1, 5, 25))
        y = (draw.random(len(who)) < leaning[who]).astype(float)
        found = ratios(_shared(y, who), SHARE).iloc[0]
        held["share"] += found["conf_low"] <= 0.8 <= found["conf_high"]
        box = draw.choice([100.0, 0.0, -100.0], 15, p=[0.6, 0.25, 0.15])
        found = ratios(_shared(box, np.arange(15)), (-100.0, 100.0)).iloc[0]
        held["nps"] += found["conf_low"] <= 45 <= found["conf_high"]
        level = draw.normal(0, 1, 40)
        one, other = ((level + draw.normal(s, 0.7, 40) > -1.2).astype(float) for s in (0, 0))
        gap = changes(_sides(one, np.ones(40), other, np.ones(40)), SHARE).iloc[0]
        held["change"] += gap["conf_low"] <= 0 <= gap["conf_high"]
    # 95% less two and a half Monte Carlo errors of 1.3 points
    assert min(held.values()) / rounds > 0.918
    assert max(held.values()) / rounds < 0.995


def test_customers_of_both_periods_make_a_change_surer() -> None:
    draw = np.random.default_rng(2)
    level = draw.normal(0, 3, 400)
    one, other = (np.clip(5 + level + draw.normal(0, 0.5, 400), 0, 10) for _ in range(2))
    found = changes(_sides(one, np.ones(400), other, np.ones(400)), (0.0, 10.0)).iloc[0]
    difference = one - other
    assert found["estimate"] == pytest.approx(difference.mean())
    assert found["se"] == pytest.approx(difference.std(ddof=1) / 20, rel=1e-6)
    half = 1.966 * found["se"]
    assert found["conf_high"] - found["estimate"] == pytest.approx(half, rel=0.05)


@pytest.mark.parametrize("overlap", [True, False])
def test_a_difference_counts_customers_who_are_on_both_sides(overlap: bool) -> None:
    rows = _rows(2)
    side = rows["h"] if overlap else (rows["who"] % 2).astype(float)
    x = np.column_stack([side == 0, side == 1]).astype(float)
    fit = sm.OLS(rows["y"], x).fit(cov_type="cluster", cov_kwds={"groups": rows["who"]})
    clusters, n = rows["who"].nunique(), len(rows)
    told = fit.t_test([1, -1])
    each = rows.assign(side=side).pivot_table(
        index="who", columns="side", values="y", aggfunc=["sum", "size"], fill_value=0
    )
    (xa, xb), (na, nb) = (each[c].to_numpy(float).T for c in ("sum", "size"))
    row = changes(_sides(xa, na, xb, nb), SHARE).iloc[0]
    assert row["estimate"] == pytest.approx(float(told.effect[0]), abs=EXACT)
    # statsmodels corrects by m/(m-1) and (n-1)/(n-2) of all customers, we by those of each side.
    correction = np.sqrt(clusters / (clusters - 1) * (n - 1) / (n - 2))
    assert row["se"] == pytest.approx(float(np.ravel(told.sd)[0]) / correction, rel=0.02)


def test_how_many_times_as_often_is_told_on_the_logarithm() -> None:
    draw = np.random.default_rng(7)
    level = draw.gamma(2, 1, 3000)
    y, y0 = draw.poisson(0.6 * level).astype(float), draw.poisson(0.3 * level).astype(float)
    x, x0 = draw.uniform(0.5, 1.5, (2, 3000))
    row = changes(_sides(y, x, y0, x0), RATE, times=True).iloc[0]
    assert row["estimate"] == pytest.approx((y.sum() / x.sum()) / (y0.sum() / x0.sum()))
    # The bootstrap of customers, as a check that shares no formula.
    drawn = []
    for _ in range(400):
        k = draw.integers(0, 3000, 3000)
        drawn.append(np.log((y[k].sum() / x[k].sum()) / (y0[k].sum() / x0[k].sum())))
    assert row["se"] == pytest.approx(np.std(drawn), rel=0.12)
    ends = row["estimate"] * np.exp(np.array([-1.96, 1.96]) * row["se"])
    assert [row["conf_low"], row["conf_high"]] == pytest.approx(ends, rel=0.002)
    never = changes(_sides(0 * y, x, y0, x0), RATE, times=True)
    assert never.isna().all(axis=None)


def test_within_strata_is_least_squares_with_a_constant_each() -> None:
    rows = _rows(3)
    x = np.column_stack([rows["h"], pd.get_dummies(rows["stratum"]).to_numpy(float)])
    fit = sm.OLS(rows["y"], x).fit(cov_type="cluster", cov_kwds={"groups": rows["who"]})
    cells = rows.assign(hy=rows["h"] * rows["y"]).groupby("stratum").agg(
        n=("y", "size"), treated=("h", "sum"), hit=("y", "sum"), both=("hy", "sum")
    )  # fmt: skip
    within = within_strata(cells)
    assert within.estimate == pytest.approx(fit.params.iloc[0], abs=EXACT)
    share, base = (s.loc[rows["stratum"]].to_numpy() for s in (within.share, within.base))
    score = (rows["h"] - share) * (rows["y"] - base - within.estimate * rows["h"])
    squares = float((score.groupby(rows["who"]).sum() ** 2).sum())
    m, n = rows["who"].nunique(), len(rows)
    low, high, p = within.interval(squares, m)
    se = (high - low) / 2 / 1.959964
    assert se == pytest.approx(fit.bse.iloc[0] / np.sqrt((n - 1) / (n - 5)), rel=1e-6)
    assert 0 < p < 1


def test_strata_that_have_one_kind_alone_say_nothing() -> None:
    cells = pd.DataFrame({"n": [10, 5], "treated": [10, 0], "hit": [9, 0], "both": [9, 0]})
    within = within_strata(cells)
    assert np.isnan(within.estimate) and within.compared == 0
    assert np.isnan(within.interval(1.0, 5)[0])


def test_areas_are_those_of_scikit_learn() -> None:
    draw = np.random.default_rng(4)
    event = draw.random(300) < 0.3
    scores = np.column_stack([event + draw.normal(0, 1.5, 300), draw.integers(0, 4, 300)])
    one = np.zeros(300, int)
    area, _ = areas(scores, event, np.arange(300), one)
    for k in range(2):
        assert area[k] == pytest.approx(roc_auc_score(event, scores[:, k]), abs=EXACT)


def test_rows_twice_make_an_area_no_surer() -> None:
    draw = np.random.default_rng(5)
    event = draw.random(200) < 0.4
    scores = (event + draw.normal(0, 2, 200))[:, None]
    area, covariance = areas(scores, event, np.arange(200), np.zeros(200, int))
    both = np.concatenate([np.arange(200)] * 2)
    again = areas(scores[both], event[both], both, np.zeros(400, int))
    assert again[0][0] == pytest.approx(area[0])
    assert again[1][0, 0] == pytest.approx(covariance[0, 0])
    # The bootstrap of customers, as a check that shares no formula.
    drawn = []
    for _ in range(400):
        pick = draw.integers(0, 200, 200)
        drawn.append(roc_auc_score(event[pick], scores[pick, 0]))
    assert np.std(drawn) == pytest.approx(np.sqrt(covariance[0, 0]), rel=0.15)


def test_strata_take_out_what_they_hold() -> None:
    draw = np.random.default_rng(6)
    stratum = draw.integers(0, 3, 3000)
    event = draw.random(3000) < 0.1 + 0.2 * stratum
    scores = (stratum + draw.normal(0, 0.3, 3000))[:, None]
    plain = areas(scores, event, np.arange(3000), np.zeros(3000, int))[0][0]
    held, covariance = areas(scores, event, np.arange(3000), stratum)
    assert plain > 0.6
    assert abs(held[0] - 0.5) < 3 * np.sqrt(covariance[0, 0])
    nobody = areas(scores, np.zeros(3000, bool), np.arange(3000), stratum)[0]
    assert np.isnan(nobody).all()
