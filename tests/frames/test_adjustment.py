from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.frames.adjustment import activity, adjustment, proneness, spline_basis
from cxlab.frames.periods import attribute

ROWS = 400


@pytest.fixture
def drawn() -> pd.DataFrame:
    generator = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "monthly_value": generator.lognormal(3, 1, ROWS),
            attribute("plan"): generator.choice(["a", "b", "rare"], ROWS, p=[0.5, 0.49, 0.01]),
            attribute("same"): "x",
            attribute("number"): np.where(generator.random(ROWS) < 0.3, np.nan, 5.0),
            attribute("many"): [f"v{i}" for i in range(ROWS)],
            "event": (np.arange(ROWS) % 4 == 0).astype(int),
            "tenure": generator.uniform(1, 900, ROWS),
            "start": 20_000 + generator.integers(0, 120, ROWS).astype(float),
        }
    )


def test_what_is_held_equal_and_what_is_left_out(drawn: pd.DataFrame) -> None:
    kinds = {"plan": "text", "same": "text", "number": "number", "many": "text"}
    made = adjustment(drawn, kinds)
    assert made.matrix.shape[0] == ROWS
    assert (made.matrix[:, 0] == 1).all()
    assert np.isfinite(made.matrix).all()
    assert any(t.startswith("tenure") for t in made.included)
    assert {"monthly_value", "plan"} <= set(made.included)
    reasons = " ".join(made.left_out)
    for part in (
        "same (it does not vary)",
        "many (400 different values",
        "number (it does not vary",
    ):
        assert part in reasons


def test_months_with_few_churns_join_the_one_before(drawn: pd.DataFrame) -> None:
    few = drawn.assign(event=(np.arange(ROWS) < 12).astype(int))
    assert adjustment(few, {}).matrix.shape[1] < adjustment(drawn, {}).matrix.shape[1]


def test_the_spline_is_linear_beyond_its_knots_and_smooth_within() -> None:
    x = np.linspace(0, 10, 201)
    basis = spline_basis(x)
    assert basis.shape == (201, 4)
    tail = np.diff(basis[x > 9.6], n=2, axis=0)
    np.testing.assert_allclose(tail, 0, atol=1e-9)
    # A cubic spline's second differences do not jump at the knots.
    curved = np.abs(np.diff(basis[:, 1], n=3))
    assert curved.max() < 1e-3
    assert spline_basis(np.ones(5)).shape == (5, 1)


def test_activity_tells_busy_from_calm_and_proneness_unlucky_from_busy() -> None:
    counts = np.array([[9.0, 1.0], [0.0, 0.0], [3.0, 3.0]])
    busy = activity(counts, counts, counts, np.array([100.0, 100.0, 0.0]))
    assert busy.shape == (3, 3)
    assert (busy[0] > busy[1]).all()
    assert busy[0, 2] == pytest.approx(np.log(11 / 130))
    bad = np.array([[3.0, 0.0], [0.0, 0.0], [0.0, 3.0]])
    luck = proneness(bad, counts, np.ones(3))[:, 0]
    # Rates are 3/12 and 3/4: expected 3, 0 and 3 of the three rows' contacts.
    expected = [(3 - 9 * 0.25 - 0.75) / 15, 0.0, (3 - 0.75 - 2.25) / 11]
    assert luck == pytest.approx(expected)
