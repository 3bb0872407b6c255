"""Who comes back from silence, against lifelines and customers drawn anew."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.comeback import Comebacks


def _drawn(seed: int, customers: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw silences: whose, days, and whether they ended by coming back."""
    draw = np.random.default_rng(seed)
    who = np.repeat(np.arange(customers), draw.integers(1, 5, customers))
    mean = draw.gamma(2.0, 40.0, customers)[who]
    gap = np.where(draw.random(len(who)) < 0.3, 9e9, np.floor(draw.exponential(mean)))
    followed = draw.integers(0, 600, len(who))
    back = gap < followed
    return who, np.where(back, gap, followed).astype(int), back


def _counted(days: np.ndarray, back: np.ndarray) -> Comebacks:
    size = int(days.max()) + 1
    return Comebacks(
        np.bincount(days[back], minlength=size), np.bincount(days[~back], minlength=size)
    )


def test_the_share_is_kaplan_meiers() -> None:
    from lifelines import KaplanMeierFitter

    _, days, back = _drawn(1)
    counts = _counted(days, back)
    # Followed for c whole days, a silence is not at risk on the day that follows them.
    fitted = KaplanMeierFitter().fit(np.where(back, days, days - 0.5), back)
    for silent, within in ((10, 30), (60, 180), (100, 365)):
        left = fitted.predict(silent + within - 0.5) / fitted.predict(silent - 0.5)
        assert counts.share(np.array([silent]), within)[0] == pytest.approx(1 - left, rel=1e-9)


def test_the_interval_holds_the_silences_of_a_customer_together() -> None:
    who, days, back = _drawn(2)
    counts = _counted(days, back)
    weights = counts.influence(30, 180)
    each = np.where(back, weights[0][days], weights[1][days])
    variance = np.square(np.bincount(who, each)).sum()
    draw, logs = np.random.default_rng(3), []
    members = [np.flatnonzero(who == c) for c in range(400)]
    for _ in range(200):
        rows = np.concatenate([members[c] for c in draw.integers(0, 400, 400)])
        logs.append(np.log(1 - _counted(days[rows], back[rows]).share(np.array([30]), 180)[0]))
    # A standard deviation of 200 draws is known to 5%: three times that.
    assert np.sqrt(variance) == pytest.approx(np.std(logs), rel=0.15)


def test_a_rule_is_chosen_where_few_enough_come_back() -> None:
    days = np.repeat(np.arange(100), 10)
    counts = _counted(np.append(days, np.full(200, 600)), np.append(days >= 0, np.zeros(200, bool)))
    # After 100 days nobody comes back; of those silent for d, 10 (100 - d) do, and 200 do not.
    assert counts.needed(0.05, 365, counts.reach(10)) == 99
    assert counts.needed(0.5, 365, counts.reach(10)) == 80
    assert counts.share(np.array([80]), 365)[0] == pytest.approx(0.5)
    assert counts.needed(0.05, 365, 300) is None
    assert counts.reach(10) == 600 and counts.window(600) == 365
    assert [counts.window(r) for r in (425, 424, 150, 149, 31, 30)] == [365, 180, 90, 30, 30, 0]
    assert counts.within(np.array([14, 300, 590]), 600).tolist() == [365, 300, 0]


def test_nobody_came_back_or_everybody_did() -> None:
    none = Comebacks(np.zeros(50, int), np.append(np.zeros(49, int), 40))
    share = none.share(np.array([7]), 30)
    low, high = none.interval(share, np.zeros(1), np.array([40]))
    assert (share[0], low[0]) == (0.0, 0.0)
    assert high[0] == pytest.approx(1 - 0.025 ** (1 / 40))
    every = Comebacks(np.append(np.zeros(9, int), 40), np.zeros(10, int))
    assert every.share(np.array([7]), 30)[0] == 1.0
    empty = Comebacks(np.zeros(0, int), np.zeros(0, int))
    assert empty.reach(1) == 0 and empty.window(0) == 0
