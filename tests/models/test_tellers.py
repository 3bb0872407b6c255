"""Models that tell who leaves: against scikit-learn, and against known truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from cxlab.models.followed import Followed, leaving
from cxlab.models.tellers import (
    Learnt,
    Linear,
    by_cell,
    fit_boosted,
    fit_logit,
    fit_net,
    learnt_from,
    recalibrated,
    spread,
)

# scikit-learn's saga stops at 1e-8: what is left is its own rounding.
CLOSE = 2e-4


def _made(n: int, seed: int, p: int = 6) -> tuple[Learnt, np.ndarray, np.ndarray]:
    """Give rows whose true log odds are known: two columns tell, the others do not."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, p)) * np.array([1, 5, *[1] * (p - 2)])
    odds = -2.0 + 0.8 * x[:, 0] - 0.12 * x[:, 1]
    left = draw.random(n) < special.expit(odds)
    return Learnt(x, left, np.ones(n), np.arange(n)), x, odds


def test_the_elastic_net_is_scikit_learns() -> None:
    learnt, x, _ = _made(800, 1)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 800)
    learnt = Learnt(x, learnt.left, weight / weight.mean(), learnt.customer)
    net = fit_net(learnt, [0.2])[0]
    z = np.clip((x - net.mean) / net.spread, -6, 6)
    theirs = LogisticRegression(
        C=1 / (net.penalty * 800), l1_ratio=0.5, solver="saga", tol=1e-8, max_iter=20_000
    ).fit(z, learnt.left, sample_weight=learnt.weight)
    assert net.coef[1:] == pytest.approx(theirs.coef_[0], abs=CLOSE)
    assert net.coef[0] == pytest.approx(theirs.intercept_[0], abs=CLOSE)
    assert (net.coef[1:] == 0).sum() == (np.abs(theirs.coef_[0]) < CLOSE).sum() > 0


def test_a_weaker_penalty_leaves_more_in() -> None:
    kept = [(net.coef[1:] != 0).sum() for net in fit_net(_made(500, 3)[0], (1.01, 0.5, 0.01))]
    assert kept[0] == 0 < kept[1] <= kept[2]


def test_told_chances_are_the_true_ones_and_intervals_hold_them() -> None:
    """Of 30 draws of 1,500 customers: slope near 1, and 95% intervals hold the true chance."""
    slopes, held = [], []
    for seed in range(30):
        learnt, _, _ = _made(1500, seed)
        _, new, odds = _made(400, 1000 + seed)
        logit = fit_logit(learnt)
        told, reach = logit.odds(new), spread(logit.again(learnt, 100, seed), new)
        held.append((np.abs(told - odds) <= reach).mean())
        slopes.append(np.cov(told, odds)[0, 1] / told.var(ddof=1))
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.03)
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("kind", ["logit", "elastic net", "boosted trees"])
def test_refits_move_as_other_customers_would(kind: str) -> None:
    """The width is that of fits to fresh draws of customers, but for chance and shrinkage."""
    fit = {"logit": fit_logit, "elastic net": lambda v: fit_net(v, [0.02])[0],
           "boosted trees": fit_boosted}[kind]  # fmt: skip
    new = _made(60, 99)[1]
    fresh = np.array([fit(_made(1200, s)[0]).odds(new) for s in range(12)]).std(axis=0)
    learnt = _made(1200, 50)[0]
    reach = spread(fit(learnt).again(learnt, 12, 0), new) / 2.2  # Student's, 11 degrees
    assert np.median(reach / fresh) == pytest.approx(1.0, abs=0.35)


def test_parts_of_a_linear_model_add_up() -> None:
    learnt, x, _ = _made(400, 5)
    facts, average = np.array([0, 0, 1, 1, 2, 2]), x.mean(axis=0)
    for model in (fit_logit(learnt), fit_net(learnt)[-1]):
        parts = model.parts(x, facts, average)
        assert parts.shape == (400, 3)
        gap = model.odds(x) - model.odds(average[None, :])
        assert parts.sum(axis=1) == pytest.approx(gap, abs=1e-12)


def test_parts_of_trees_name_the_column_that_matters() -> None:
    learnt, x, _ = _made(3000, 6)
    parts = fit_boosted(learnt).parts(x, np.arange(6), x.mean(axis=0))
    assert set(np.argsort(-np.abs(parts).mean(axis=0))[:2]) == {0, 1}


def test_rates_are_drawn_to_the_rate_of_all() -> None:
    cell = np.repeat([0.0, 1.0, 2.0], [100, 100, 1])[:, None]
    left = np.append(np.arange(200) % 100 < 20, True)
    rates = by_cell(Learnt(cell, left, np.ones(201), np.arange(201)), 4)
    share = left.mean()
    assert rates.rate == pytest.approx(
        [(20 + 20 * share) / 120, (20 + 20 * share) / 120, (1 + 20 * share) / 21, share]
    )
    parts = rates.parts(cell, np.zeros(1, dtype=int), np.array([special.logit(share)]))
    assert parts[:, 0] == pytest.approx(rates.odds(cell) - special.logit(share))


def test_what_is_told_too_far_apart_is_drawn_together() -> None:
    learnt, _, odds = _made(6000, 8)
    n = len(odds)
    seen = leaving(
        Followed(np.where(learnt.left, 5.0, 90.0), learnt.left.astype(int), np.arange(n),
                 np.zeros(n, dtype=int), np.ones(n)), 90
    )  # fmt: skip
    (constant, slope), covariance = recalibrated(seen, 1.0 + 2.0 * odds)
    assert 0.005 < np.sqrt(covariance[1, 1]) < 0.05
    assert slope == pytest.approx(0.5, abs=0.05)
    assert constant == pytest.approx(-0.5, abs=0.15)
    assert recalibrated(seen, np.zeros(n))[0].tolist() == [0.0, 1.0]
    assert learnt_from(learnt.x, seen).rate == pytest.approx(learnt.left.mean())


def test_columns_that_do_not_vary_tell_nothing() -> None:
    learnt, x, _ = _made(300, 9)
    same = Learnt(np.column_stack([x, np.full(300, 7.0)]), learnt.left, learnt.weight,
                  learnt.customer)  # fmt: skip
    new = np.column_stack([x[:5], np.full(5, 1e9)])
    for model in (fit_logit(same), fit_net(same)[-1]):
        assert isinstance(model, Linear)
        assert model.coef[-1] == 0
        assert np.isfinite(model.odds(new)).all()
        assert np.isfinite(spread(model.again(same, 5, 0), new)).all()


@pytest.mark.parametrize("left", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("columns", ["none", "constant", "some"])
def test_a_net_where_nothing_tells_who_left(left: float, columns: str) -> None:
    draw = np.random.default_rng(6)
    n = 200
    x = {"none": np.zeros((n, 0)), "constant": np.ones((n, 2)), "some": draw.normal(size=(n, 2))}
    rows = Learnt(x[columns], draw.random(n) < left, np.ones(n), np.arange(n))
    for net in fit_net(rows):
        told = special.expit(net.odds(rows.x))
        assert told.mean() == pytest.approx(rows.rate, abs=1e-6)
        again = net.again(rows, 3, 1)
        assert all(np.isfinite(t.odds(rows.x)).all() for t in again)
