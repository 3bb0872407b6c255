"""Changes between runs that share data: what is noise, and what a change is made of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cxlab.models import changes

DAYS, WINDOW, HALF_LIFE, RATE, FAIL = 300, 90, 20.0, 0.02, 0.25


def _world(draw: np.random.Generator, customers: int = 250, beta: float = 1.0):  # type: ignore[no-untyped-def]
    """Draw days at risk with decayed bad contacts (and all contacts); who leaves is replaced."""
    decay, half = 0.5 ** (1 / HALF_LIFE), 0.5 ** (0.5 / HALF_LIFE)
    bad, every = np.zeros(customers), np.zeros(customers)
    rows, left, failed = [], [], np.zeros(DAYS)
    for day in range(DAYS):
        contacts = draw.poisson(RATE, customers)
        failures = draw.binomial(contacts, FAIL)
        gone = draw.random(customers) < 0.012 * np.exp(beta * bad)
        rows.append(np.stack([np.ones(customers), bad, every], axis=1))
        left.append(gone)
        failed[day] = failures.sum()
        bad, every = bad * decay + failures * half, every * decay + contacts * half
        bad[gone], every[gone] = 0.0, 0.0
    return np.array(rows), np.array(left, float), failed


def _fit(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Fit the hazard by Newton's method (Poisson); the bad contact's coefficient and its se."""
    x, y = x.reshape(-1, x.shape[-1]), y.ravel()
    b = np.array([math.log(y.mean()), 0.0, 0.0])
    for _ in range(8):
        mean = np.exp(x @ b)
        information = (x * mean[:, None]).T @ x
        b += np.linalg.solve(information, x.T @ (y - mean))
    return float(b[1]), float(np.sqrt(np.linalg.inv(information)[1, 1]))


def _run(world: tuple[np.ndarray, np.ndarray, np.ndarray], end: int) -> tuple[changes.Loss, float]:
    x, y, failed = world
    coef, se = _fit(x[:end], y[:end])
    last = slice(end - WINDOW, end)
    lost = float(((1 - np.exp(-coef * x[last, :, 1])) * y[last]).sum())
    return changes.Loss(lost, coef, se, failed[last].sum()), float(y[:end].sum())


@pytest.mark.parametrize("gap", [14, 120])
def test_without_a_change_few_are_called_signal(gap: int) -> None:
    # 60 worlds a case: at a true 5% more than 7 beyond 1.96 come in 1 of 80 such tests.
    # benchmarks/changes.py has the large share, with what the driver model itself gives.
    draw = np.random.default_rng(gap)
    effect, cost = [], []
    for _ in range(60):
        world = _world(draw)
        (now, events), (then, before) = _run(world, DAYS), _run(world, DAYS - gap)
        se = changes.coefficient_se(then.se, now.se, before, events)
        effect.append((now.coef - then.coef) / se)
        overlap = max(0.0, 1 - gap / WINDOW)
        noise = changes.loss_se(then, now, overlap=overlap, events_then=before, events_now=events)
        cost.append((now.customers - then.customers) / noise)
    for z in (np.array(effect), np.array(cost)):
        assert np.sum(np.abs(z) > 1.96) <= 7
        assert 0.7 < z.std() < 1.15  # nor so wide that nothing could be seen


def test_two_independent_estimates_would_hide_what_changed() -> None:
    # A quarter's data more: the noise of the difference is less than half of what two
    # independent estimates have.
    se = changes.coefficient_se(0.20, 0.18, 100, 125)
    assert se == pytest.approx(math.sqrt(0.2**2 - 0.18**2), abs=0.003)
    assert se < 0.45 * math.hypot(0.20, 0.18)
    # Equal variances say nothing; then the share of events that is new does.
    assert changes.coefficient_se(0.2, 0.2, 99, 100) == pytest.approx(0.02)
    assert changes.coefficient_se(0.2, 0.2, 99, 100, revised=1.0) == pytest.approx(0.2 * 2**0.5)
    assert 0.02 < changes.coefficient_se(0.2, 0.2, 99, 100, revised=0.1) < 0.2 * 2**0.5


def test_the_more_windows_share_the_less_noise() -> None:
    loss = changes.Loss(10.0, 1.0, 0.2, 300)
    given = {"events_then": 95.0, "events_now": 100.0}
    noise = [changes.loss_se(loss, loss, overlap=o, **given) for o in (1.0, 0.9, 0.5, 0.0)]
    assert noise == sorted(noise)
    assert changes.loss_se(loss, loss, overlap=0.9, revised=1.0, **given) > noise[-1]
    # D = AC / Ein(1), Var = AC (Ein(1) + Ein(-1)) / Ein(1), Ein(1) = 1.3179021515
    assert loss.slope == pytest.approx(10 / 1.3179021514544)
    expected = 10 * (1.3179021514544 - 0.7965995992971) / 1.3179021514544 + 100 / 300
    assert loss.chance == pytest.approx(expected)
    nothing = changes.Loss(0.0, 0.0, 0.2)
    assert (nothing.slope, nothing.chance, nothing.shared) == (0, 0, 0)


def test_the_share_who_left_in_windows_that_overlap() -> None:
    draw = np.random.default_rng(2)
    z = []
    for _ in range(1500):
        both, old, new = draw.poisson(60), draw.poisson(20), draw.poisson(20)
        se = changes.share_se(both + old, both + new, both, 2000, 2000)
        z.append(((both + new) - (both + old)) / 2000 / se)
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.05, abs=0.018)
    assert changes.share_se(5, 5, 5, 100, 100) == 0


def test_the_parts_of_a_change_add_up() -> None:
    parts = changes.log_mean_parts(8.0, 12.0, np.array([1.0, 1.25, 0.9]))
    assert parts.sum() == pytest.approx(4.0)
    assert parts[0] == 0
    assert parts[1] > 0 > parts[2]
    # By hand: 4 / log(1.5) * log(1.25)
    assert parts[1] == pytest.approx(4 / math.log(1.5) * math.log(1.25))
    assert changes.log_mean_parts(8.0, 8.0, np.array([2.0])).tolist() == pytest.approx(
        [8 * math.log(2), -8 * math.log(2)]
    )


def test_kitagawa_by_hand() -> None:
    # Newcomers leave at 10%, others at 2%; their share rises from 20% to 40%, rates stay.
    mix, rate = changes.kitagawa(
        np.array([200, 800]), np.array([20, 16]), np.array([400, 600]), np.array([40, 12])
    )
    assert (mix, rate) == (pytest.approx(0.2 * 0.10 - 0.2 * 0.02), pytest.approx(0.0))
    mix, rate = changes.kitagawa(
        np.array([0, 800]), np.array([0, 16]), np.array([400, 600]), np.array([40, 12])
    )
    assert mix + rate == pytest.approx(52 / 1000 - 16 / 800)
    assert rate == pytest.approx(0.0)


def test_what_contacts_add_to_the_hazard() -> None:
    # One contact half a day before the end of a long window, against the integral.
    counts = np.zeros(200)
    counts[0] = 1
    grid = (np.arange(200_000) + 0.5) / 400_000  # half a day
    exact = np.expm1(0.8 * 0.5 ** (grid / 10)).mean() * 0.5
    assert changes.excess(counts, 0.8, 10.0, 90) == pytest.approx(exact, rel=0.01)
    # One long ago adds the whole of its age within the window, and nothing before it opened.
    counts = np.zeros(200)
    counts[100] = 2
    ages = 10.5 + (np.arange(90_000) + 0.5) / 1000
    exact = 2 * np.expm1(0.8 * 0.5 ** (ages / 10)).sum() / 1000
    assert changes.excess(counts, 0.8, 10.0, 90) == pytest.approx(exact, rel=0.01)
    assert changes.excess(counts, 0.0, 10.0, 90) == 0
