"""The BG/NBD model against what its authors published, and against customers left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.models.buying import BgNbd, Bought, fit

# The sample of 2,357 customers of CDNOW in their first 39 weeks, as the package lifetimes 0.11.3
# (MIT licence) has it, customers alike counted together:
#   pandas.read_csv("lifetimes/datasets/cdnow_customers_summary.csv", index_col=0)
#         .groupby(["frequency", "recency", "T"]).size()
SAMPLE = pd.read_csv(Path(__file__).parents[1] / "golden" / "cdnow_sample.csv")
COUNT = SAMPLE["customers"].to_numpy(float)


@pytest.fixture(scope="module")
def model() -> BgNbd:
    columns = (SAMPLE[c].to_numpy(float) for c in ("frequency", "recency", "T"))
    return fit(Bought(*columns), COUNT)


def test_the_published_parameters_are_found(model: BgNbd) -> None:
    """Fader, Hardie and Lee (2005), table 2."""
    published = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    assert COUNT.sum() == 2357
    for name, value in model.parameters.items():
        assert value == pytest.approx(published[name], abs=6e-4), name
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)


def test_the_published_forecast_of_one_customer(model: BgNbd) -> None:
    """Customer 0001: 2 repeats, the last in week 30.43 of 38.86, 1.226 in the next 39 weeks."""
    one = Bought(np.array([2.0]), np.array([30.43]), np.array([38.86]))
    ahead = BgNbd(model.log, one, np.ones(1), 0.0).ahead(np.array([1e-9, 39.0]))
    assert ahead[0] == pytest.approx([0.0, 1.226], abs=5e-4)


def test_the_influence_is_what_a_customer_changes(model: BgNbd) -> None:
    edges, each = np.array([20.0, 39.0]), np.array([0.5, 1.0])
    influence = model.change(model.bought, COUNT, edges, each)
    for row in (0, 500, 1015):
        moved = 0.0
        for way in (1, -1):
            count = COUNT.copy()
            count[row] += 0.9 * way
            moved += way * float(COUNT @ fit(model.bought, count).ahead(edges) @ each) / 1.8
        assert moved == pytest.approx(influence[row], rel=0.03, abs=0.01)


def test_a_world_of_its_own_kind_is_covered() -> None:
    """Customers buy at rates of their own and go for good after some purchase."""
    covered = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        n = 1500
        rate, gone = draw.gamma(0.5, 1 / 8, n), draw.beta(0.8, 2.4, n)
        seen = draw.uniform(60, 104, n)
        repeats, last, later = np.zeros(n), np.zeros(n), np.zeros(n)
        for i in range(n):
            at = 0.0
            while draw.random() >= (gone[i] if at else 0.0):
                at += draw.exponential(1 / rate[i])
                if at > seen[i] + 52:
                    break
                if at <= seen[i]:
                    repeats[i], last[i] = repeats[i] + 1, at
                else:
                    later[i] += 1
        model = fit(Bought(repeats, last, seen), np.ones(n))
        edge = np.array([52.0])
        total = float(model.ahead(edge).sum())
        influence = model.change(model.bought, np.ones(n), edge, np.ones(1))
        # Beside the parameters' error, what happens is drawn itself.
        reach = 1.96 * np.sqrt(np.square(influence).sum() + later.var() * n)
        covered += abs(total - later.sum()) < reach
    assert covered >= 17
