"""The driver model on made-up rows with known coefficients."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.contrast import (
    Rows,
    choose_places,
    fit_contrasts,
    follows_decision,
    split_by_age,
)
from cxlab.models.half_life import HALF_LIVES, profile_half_life

TRUE_HALF_LIFE = 20.0


def _world(seed: int, rows: int = 30_000) -> tuple[Rows, list[np.ndarray], list[np.ndarray]]:
    """Rows with contacts at three touchpoints, bad with chance 0.3; the second one matters."""
    generator = np.random.default_rng(seed)
    ages = [generator.uniform(3, 150, (rows, 3)) for _ in range(3)]
    bad = [generator.random((rows, 3)) < 0.3 for _ in range(3)]
    load = (bad[1] * 0.5 ** (ages[1] / TRUE_HALF_LIFE)).sum(1)
    hazard = np.exp(-4.0 + 1.2 * load)
    event = (generator.random(rows) < 1 - np.exp(-hazard)).astype(int)
    plain = Rows(event, np.ones((rows, 1)), np.arange(rows), np.zeros(len(event)), "cloglog")
    return plain, ages, bad


def _sums(
    ages: list[np.ndarray],
    bad: list[np.ndarray],
    half_life: float,
    low: float = 0,
    high: float = 1e9,
) -> dict[str, np.ndarray]:
    inside = [(a >= low) & (a < high) for a in ages]
    weight = [i * 0.5 ** (a / half_life) for a, i in zip(ages, inside, strict=True)]
    return {
        "all": np.column_stack([w.sum(1) for w in weight]),
        "bad": np.column_stack([(w * b).sum(1) for w, b in zip(weight, bad, strict=True)]),
    }


def test_finds_half_life_and_contrast_between_grid_values() -> None:
    rows, ages, bad = _world(11)
    grid = {h: _sums(ages, bad, h) for h in HALF_LIVES}
    places = choose_places(grid[28.0], rows.event, np.ones(3, bool))
    assert set(places) == {(c, k) for c in ("all", "bad") for k in range(3)}
    half_life = profile_half_life(rows, grid, places)
    assert half_life.conf_low < TRUE_HALF_LIFE < half_life.conf_high
    assert half_life.days not in HALF_LIVES
    sums = _sums(ages, bad, half_life.days)
    step = 1e-4
    up = _sums(ages, bad, half_life.days * np.exp(step))
    slopes = {c: (up[c] - sums[c]) / step for c in sums}
    model = fit_contrasts(rows, sums, places, slopes)
    fixed = fit_contrasts(rows, sums, places)
    assert model.coef["bad", 1] == pytest.approx(1.2, abs=3 * model.se["bad", 1])
    assert abs(model.z(("bad", 0))) < 3
    # The half-life's own uncertainty is in the standard error, and only where it matters.
    assert model.se["bad", 1] > 1.05 * fixed.se["bad", 1]
    assert model.se["bad", 0] == pytest.approx(fixed.se["bad", 0], rel=0.05)
    assert np.sqrt(model.slopes["bad", 1][1]) == pytest.approx(
        np.log(half_life.conf_high / half_life.conf_low) / (2 * 1.96), rel=0.3
    )


def test_a_lasting_effect_is_not_recent_only() -> None:
    rows, ages, bad = _world(12)
    sums = _sums(ages, bad, TRUE_HALF_LIFE)
    places = choose_places(sums, rows.event, np.ones(3, bool))
    model = fit_contrasts(rows, sums, places)
    recent = _sums(ages, bad, TRUE_HALF_LIFE, high=14)
    old = _sums(ages, bad, TRUE_HALF_LIFE, low=14)
    split = split_by_age(rows, model, recent, old, [("bad", 1)])
    assert not split.recent_only(("bad", 1))
    assert not split.pooled_recent_only


def test_an_effect_of_the_last_days_alone_is_recent_only() -> None:
    generator = np.random.default_rng(13)
    rows, ages, bad = _world(13)
    fresh = (bad[2] & (ages[2] < 14)).sum(1)
    hazard = np.exp(-4.5 + 1.5 * fresh)
    event = (generator.random(len(fresh)) < 1 - np.exp(-hazard)).astype(int)
    rows = Rows(event, rows.controls, rows.clusters, np.zeros(len(event)), "cloglog")
    sums = _sums(ages, bad, 28.0)
    model = fit_contrasts(rows, sums, choose_places(sums, event, np.ones(3, bool)))
    recent, old = _sums(ages, bad, 28.0, high=14), _sums(ages, bad, 28.0, low=14)
    split = split_by_age(rows, model, recent, old, [("bad", 2)])
    assert split.recent_only(("bad", 2))
    assert split.pooled_recent_only


def test_a_touchpoint_visited_on_the_way_out_follows_the_decision() -> None:
    generator = np.random.default_rng(14)
    rows, ages, bad = _world(14)
    leaving = rows.event == 1
    visits = generator.random(len(leaving)) < np.where(leaving, 0.6, 0.02)
    recent = np.column_stack([_sums(ages, bad, 28.0, high=14)["all"], visits])
    older = np.column_stack(
        [_sums(ages, bad, 28.0, low=14)["all"], generator.random(len(visits)) < 0.05]
    )
    assert follows_decision(rows, recent, older).found().tolist() == [False, False, False, True]


def test_a_page_nobody_survives_follows_the_decision_too() -> None:
    generator = np.random.default_rng(17)
    rows, ages, bad = _world(17)
    visits = np.where(rows.event == 1, generator.random(len(rows.event)) < 0.7, 0.0)
    visits[:8] = 1.0
    recent = np.column_stack([_sums(ages, bad, 28.0, high=14)["all"], visits])
    older = np.column_stack([_sums(ages, bad, 28.0, low=14)["all"], np.zeros(len(visits))])
    assert follows_decision(rows, recent, older).found().tolist() == [False, False, False, True]


def test_a_contrast_without_older_contacts_is_not_believed() -> None:
    rows, ages, bad = _world(18)
    young = [a if k != 1 else np.minimum(a, 13.0) for k, a in enumerate(ages)]
    sums = _sums(young, bad, 28.0)
    model = fit_contrasts(rows, sums, choose_places(sums, rows.event, np.ones(3, bool)))
    recent, old = _sums(young, bad, 28.0, high=14), _sums(young, bad, 28.0, low=14)
    split = split_by_age(rows, model, recent, old, [("bad", 1)])
    assert split.untested(("bad", 1))
    assert split.recent_only(("bad", 1))


def test_too_few_events_leave_columns_out() -> None:
    rows, ages, bad = _world(15)
    few = np.zeros(len(rows.event), int)
    few[:12] = 1
    sums = _sums(ages, bad, 28.0)
    assert len(choose_places(sums, few, np.ones(3, bool))) <= 12 // 5
    assert choose_places(sums, np.zeros_like(few), np.ones(3, bool)) == []


def test_all_contacts_bad_cannot_be_told_apart() -> None:
    rows, ages, bad = _world(16)
    sums = _sums(ages, [np.ones_like(b) for b in bad], 28.0)
    places = choose_places(sums, rows.event, np.ones(3, bool))
    model = fit_contrasts(rows, sums, places)
    assert np.isnan(model.coef["bad", 0])
    assert np.isfinite(model.coef["all", 0])


def test_identical_touchpoints_are_told_from_neither_side() -> None:
    rows, ages, bad = _world(3, 8000)
    sums = _sums(ages, bad, TRUE_HALF_LIFE)
    # A fourth touchpoint is the second again; a fifth is the first and the third together.
    more = {c: np.column_stack([x, x[:, 1], x[:, 0] + x[:, 2]]) for c, x in sums.items()}
    places = choose_places(more, rows.event, np.ones(5, bool))
    model = fit_contrasts(rows, more, places)
    together = {k: sorted(j for _, j in model.inseparable(("bad", k))) for k in range(5)}
    assert together == {0: [2, 4], 1: [3], 2: [0, 4], 3: [1], 4: [0, 2]}
    apart = fit_contrasts(rows, sums, [p for p in places if p[1] < 3])
    assert not any(apart.inseparable(p) for p in apart.coef)


def test_all_failed_is_tied_to_no_other_touchpoint() -> None:
    rows, ages, bad = _world(4, 8000)
    sums = _sums(ages, bad, TRUE_HALF_LIFE)
    sums["bad"][:, 0] = sums["all"][:, 0]
    places = choose_places(sums, rows.event, np.ones(3, bool))
    model = fit_contrasts(rows, sums, places)
    assert np.isnan(model.coef["bad", 0]) and np.isfinite(model.coef["bad", 1])
    assert not any(model.inseparable(p) for p in model.coef)


def test_what_sampling_costs_is_told_for_contrasts_alone() -> None:
    rows, ages, bad = _world(19, 60_000)
    sums = _sums(ages, bad, TRUE_HALF_LIFE)
    places = choose_places(sums, rows.event, np.ones(3, bool))
    full = fit_contrasts(rows, sums, places)
    assert full.sampling_cost is None
    churns = np.flatnonzero(rows.event)
    base = np.random.default_rng(2).choice(len(rows.event), 3 * len(churns), replace=False)
    drawn = np.append(churns, base)
    event = np.repeat([1, 0], [len(churns), len(base)])
    offset = np.full(len(drawn), np.log(len(rows.event) / len(base)))
    sample = Rows(event, rows.controls[drawn], drawn, offset, "logit")
    model = fit_contrasts(sample, {c: x[drawn] for c, x in sums.items()}, places)
    judged = [p for p in places if p[0] == "bad"]
    wider = np.array([model.se[p] / full.se[p] for p in judged]) - 1
    assert model.sampling_cost is not None
    median, largest = model.sampling_cost
    assert 0.1 < median <= largest
    assert median - 1 == pytest.approx(np.median(wider), rel=0.2)
    assert largest - 1 == pytest.approx(wider.max(), rel=0.2)
    contacts = fit_contrasts(sample, {c: x[drawn] for c, x in sums.items()}, places[:3])
    assert {kind for kind, _ in contacts.coef} == {"all"}
    assert contacts.sampling_cost is None
