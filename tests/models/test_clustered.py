"""Estimates from rows that hang together by customer, against statsmodels and scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.metrics import roc_auc_score

from cxlab.models.clustered import (
    SUMS,
    areas,
    difference,
    means,
    ratios,
    shares,
    within_strata,
)
from cxlab.models.intervals import wilson

EXACT = 1e-9  # the same formula, added up in another order


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


def _sums(rows: pd.DataFrame) -> pd.DataFrame:
    each = rows.groupby("who")["y"].agg(x="sum", n="size")
    x, n = each["x"], each["n"]
    told = [len(each), x.sum(), n.sum(), (x**2).sum(), (x * n).sum(), (n**2).sum()]
    return pd.DataFrame([told], columns=list(SUMS))


def test_a_ratio_has_the_clustered_error_of_statsmodels() -> None:
    rows = _rows(1)
    fit = sm.OLS(rows["y"], np.ones(len(rows))).fit(
        cov_type="cluster", cov_kwds={"groups": rows["who"]}
    )
    estimate, se = ratios(_sums(rows))
    assert estimate[0] == pytest.approx(fit.params.iloc[0], abs=EXACT)
    assert se[0] == pytest.approx(fit.bse.iloc[0], abs=EXACT)
    told = means(_sums(rows)).iloc[0]
    assert told["conf_low"] < estimate[0] < told["conf_high"]


def test_a_share_of_customers_seen_once_is_wilsons() -> None:
    rows = pd.DataFrame({"who": range(400), "y": [1.0] * 60 + [0.0] * 340})
    told = shares(_sums(rows)).iloc[0]
    # The variance has 399 degrees of freedom where Wilson's has 400.
    np.testing.assert_allclose(told[["estimate", "conf_low", "conf_high"]].astype(float),
                               wilson(60, 400), atol=3e-4)  # fmt: skip


def test_what_nobody_did_is_as_sure_as_there_are_customers() -> None:
    sums = pd.DataFrame([[5, 0, 500, 0, 0, 50_000]], columns=list(SUMS))
    told = shares(sums).iloc[0]
    assert told["estimate"] == told["conf_low"] == 0
    assert told["conf_high"] == pytest.approx(wilson(0, 5)[2])
    empty = shares(pd.DataFrame([[0] * 6], columns=list(SUMS)))
    assert empty[["estimate", "conf_low", "conf_high"]].isna().all(axis=None)


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
    made = {}
    for name, own, count in (("a", xa, na), ("b", xb, nb)):
        values = [(count > 0).sum(), own.sum(), count.sum(), own @ own, own @ count, count @ count]
        made |= {f"{c}_{name}": v for c, v in zip(SUMS, values, strict=True)}
    made |= {"xx_ab": xa @ xb, "xn_ab": xa @ nb, "nx_ab": na @ xb, "nn_ab": na @ nb}
    row = difference(pd.DataFrame([made])).iloc[0]
    assert row["estimate"] == pytest.approx(float(told.effect[0]), abs=EXACT)
    se = (row["conf_high"] - row["conf_low"]) / 2 / 1.959964
    # statsmodels corrects by m/(m-1) and (n-1)/(n-2) of all customers, we by those of each side.
    correction = np.sqrt(clusters / (clusters - 1) * (n - 1) / (n - 2))
    assert se == pytest.approx(float(np.ravel(told.sd)[0]) / correction, rel=0.02)


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
