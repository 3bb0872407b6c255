"""Weights for silence against what they must undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from cxlab.models.hazard import fit_hazard
from cxlab.models.response import Weigher, response_weights

GOLDEN = Path(__file__).parents[1] / "golden"


def test_weights_are_the_share_answered_over_that_of_the_like() -> None:
    group = np.repeat([0, 1], [400, 600])
    answered = np.r_[np.arange(400) < 100, np.arange(600) < 480]
    x = np.column_stack([np.ones(1000), group])
    found = response_weights(x, answered, np.ones(1000, dtype=bool))
    assert found.share == pytest.approx(0.58)
    np.testing.assert_allclose(found.chance[group == 0], 0.25, rtol=1e-3)
    np.testing.assert_allclose(found.weight[answered & (group == 0)], 0.58 / 0.25, rtol=1e-3)
    np.testing.assert_allclose(found.weight[answered & (group == 1)], 0.58 / 0.8, rtol=1e-3)
    assert not found.weight[~answered].any()
    # 100 answers of weight 2.32 and 480 of 0.725: (232 + 348)^2 / (538.24 + 252.3)
    assert found.effective == pytest.approx(425.5, rel=2e-3)
    # Of 100 x 480 pairs ... one answered, one not: 480 x 300 right, 100 x 120 wrong, rest ties.
    right = (480 * 300 + (100 * 300 + 480 * 120) / 2) / (580 * 420)
    assert found.told == pytest.approx(right)


def test_questions_too_young_for_an_answer_teach_nothing_but_their_answers_are_weighed() -> None:
    draw = np.random.default_rng(5)
    x = np.column_stack([np.ones(2000), draw.normal(size=2000)])
    answered = draw.uniform(size=2000) < expit(x[:, 1])
    known = np.arange(2000) < 1500
    found = response_weights(x, answered, known)
    alone = response_weights(x[known], answered[known], known[known])
    np.testing.assert_allclose(found.chance[known], alone.chance)
    assert (found.weight[~known & answered] > 0).all()
    low, high = found.weight[answered].min(), found.weight[answered].max()
    raw = found.share / found.chance[answered]
    assert (low, high) == pytest.approx(tuple(np.quantile(raw, [0.01, 0.99])))


def test_weighting_finds_the_slope_among_all_where_those_it_matters_to_are_silent() -> None:
    # Of two groups only the first leaves after bad scores, and it seldom answers.
    raw, weighted, whole = [], [], []
    for seed in range(4):
        draw = np.random.default_rng(seed)
        count = 20_000
        group = draw.integers(0, 2, count)
        bad = draw.normal(size=count)
        event = (draw.uniform(size=count) < expit(-2.5 + 0.8 * bad * (group == 0))).astype(float)
        answered = draw.uniform(size=count) < np.where(group == 0, 0.15, 0.75)
        x = np.column_stack([np.ones(count), bad])
        learnt = response_weights(
            np.column_stack([np.ones(count), group]), answered, np.ones(count, dtype=bool)
        )
        for into, weight in (
            (whole, np.ones(count)), (raw, answered.astype(float)), (weighted, learnt.weight),
        ):  # fmt: skip
            fit = fit_hazard(x, event, weights=weight)
            into.append(fit.coef[1])
    true = np.mean(whole)
    assert np.mean(raw) < 0.5 * true
    assert np.mean(weighted) == pytest.approx(true, abs=0.06)


def _silence(
    draw: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Who failed scores worse and answers less: the raw mean is too good by 0.24."""
    who = np.repeat(np.arange(n // 2), 2)
    failed = draw.random(n) < 0.4
    score = 7.0 - 1.5 * failed + draw.normal(0, 1, n // 2)[who] + draw.normal(0, 1, n)
    answered = draw.random(n) < np.where(failed, 0.2, 0.5)
    x = np.column_stack([np.ones(n), failed, draw.normal(0, 1, n)])
    return x, answered, score, who


def test_weights_take_away_silence_that_is_known_and_know_how_sure_they_are() -> None:
    draw = np.random.default_rng(3)
    made = []
    for _ in range(60):
        x, answered, score, who = _silence(draw, 1600)
        made.append(Weigher(x, answered, who).means(score, np.zeros(len(x), dtype=int), 1))
    truth = 7.0 - 1.5 * 0.4
    raw, weighted = (np.array([getattr(m, k)[0] for m in made]) for k in ("raw", "weighted"))
    assert raw[:, 0].mean() - truth > 0.2
    assert abs(weighted[:, 0].mean() - truth) < 0.02
    # the error told is that of repeated worlds
    assert weighted[:, 1].mean() == pytest.approx(weighted[:, 0].std(ddof=1), rel=0.2)
    held = np.abs(weighted[:, 0] - truth) < 1.96 * weighted[:, 1]
    assert held.mean() > 0.88
    gap = np.array([m.difference[0] for m in made])
    assert gap[:, 1].mean() == pytest.approx(gap[:, 0].std(ddof=1), rel=0.25)


def test_answers_that_are_missing_at_random_are_not_moved() -> None:
    draw = np.random.default_rng(4)
    x, _, score, who = _silence(draw, 4000)
    weigher = Weigher(x, draw.random(4000) < 0.4, who)
    gap, error = weigher.means(score, np.zeros(4000, dtype=int), 1).difference[0]
    assert abs(gap) < 3 * error
    assert weigher.response.told < 0.55


def test_groups_have_the_errors_of_leaving_out_one_customer_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The limits of the weights count as given: here there are none that could move.
    monkeypatch.setattr("cxlab.models.response._TRUNCATED", (0.0, 1.0))
    draw = np.random.default_rng(8)
    x, answered, score, who = _silence(draw, 700)
    group = draw.integers(-1, 3, len(x))
    group[x[:, 1] > 0.8] = 2  # one whose members answer otherwise
    made = Weigher(x, answered, who).means(score, group, 3)
    left_out = []
    for one in np.unique(who):
        kept = who != one
        rest = Weigher(x[kept], answered[kept], np.unique(who[kept], return_inverse=True)[1])
        found = rest.means(score[kept], group[kept], 3)
        left_out.append(np.stack([found.raw[:, 0], found.weighted[:, 0], found.difference[:, 0]]))
    n = len(left_out)
    jackknife = np.sqrt((n - 1) ** 2 / n * np.var(left_out, axis=0, ddof=1))
    told = np.stack([made.raw[:, 1], made.weighted[:, 1], made.difference[:, 1]])
    # They agree to terms of one over the number of customers, of whom there are 350.
    np.testing.assert_allclose(told, jackknife, rtol=0.1)
    for k in range(3):
        mine = answered & (group == k)
        assert made.raw[k, 0] == pytest.approx(score[mine].mean())
        assert (made.answers[k], made.asked[k]) == (mine.sum(), (group == k).sum())
        assert made.customers[k] == len(set(who[mine]))


def test_groups_of_nobody_are_nothing() -> None:
    x, answered, score, who = _silence(np.random.default_rng(9), 300)
    group = np.where(answered, 0, 1)  # of the second nobody answered, of the third nobody was asked
    made = Weigher(x, answered, who).means(score, group, 3)
    assert np.isfinite(made.weighted[0]).all() and np.isnan(made.weighted[1:]).all()
    assert made.asked.tolist() == [answered.sum(), (~answered).sum(), 0]


def test_where_all_answer_alike_weights_move_nothing() -> None:
    x, answered, _, who = _silence(np.random.default_rng(10), 400)
    group = np.arange(len(x)) % 3
    made = Weigher(x, answered, who).means(np.full(len(x), -100.0), group, 3)
    assert (made.weighted[:, 0] == pytest.approx(-100.0)) and not made.difference.any()
    assert not made.weighted[:, 1].any() and not made.raw[:, 1].any()
