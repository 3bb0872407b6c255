"""Net benefit, calibration by groups and drift, against R and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from cxlab.models.followed import Followed, Outcome, leaving
from cxlab.models.usefulness import (
    calibration_curve,
    net_benefit,
    stability_bar,
    stability_index,
)

GOLDEN = Path(__file__).parents[1] / "golden"
# Written out in R with the same ties: only rounding differs.
EXACT = 1e-9


def _golden() -> tuple[Outcome, np.ndarray, pd.DataFrame, pd.DataFrame]:
    rows = pd.read_csv(GOLDEN / "discrimination_rows.csv")
    followed = Followed(
        rows["time"].to_numpy(float),
        rows["cause"].to_numpy(int),
        np.arange(len(rows)),
        np.zeros(len(rows), dtype=int),
        rows["weight"].to_numpy(float),
    )
    told = special.expit(-3 + 0.8 * rows["mspike"].to_numpy())
    return leaving(followed, 180), told, rows, pd.read_csv(GOLDEN / "risk.csv")


def test_net_benefit_is_that_of_r() -> None:
    seen, told, _, golden = _golden()
    table = net_benefit(seen, told, list(golden["threshold"]))
    for ours, theirs in (("estimate", "net_benefit"), ("all_estimate", "all"),
                         ("reached", "reached")):  # fmt: skip
        assert table[ours].to_numpy() == pytest.approx(golden[theirs].to_numpy(), abs=EXACT)
    best = np.maximum(golden["all"], 0.0)
    assert table["gain"].to_numpy() == pytest.approx(golden["net_benefit"] - best, abs=EXACT)


def test_the_stability_index_is_that_of_r_and_its_bar_holds_chance() -> None:
    _, _, rows, golden = _golden()
    age = pd.cut(rows["age"], [0, 60, 70, 80, 200])
    parts = (slice(0, 200), slice(200, 400))
    counts = [age.iloc[part].value_counts(sort=False).to_numpy() for part in parts]
    index = stability_index(*counts)
    assert index == pytest.approx(golden["stability"].iloc[0], abs=EXACT)
    draw, above = np.random.default_rng(0), 0
    for _ in range(400):
        one, two = (draw.multinomial(n, np.full(10, 0.1)) for n in (400, 600))
        above += stability_index(one, two) > stability_bar(400, 600, 10, 0.0)
    # 5% by chance, and three Monte Carlo errors of 400.
    assert above / 400 < 0.05 + 0.033
    assert stability_bar(1e6, 1e6, 10) == 0.25


def test_net_benefit_covers_its_truth() -> None:
    """Of 200 draws, intervals hold the net benefit of the whole as often as they say."""
    draw, held, threshold = np.random.default_rng(3), 0, 0.25
    x = draw.normal(size=200_000)
    told = special.expit(-1.5 + x)
    truth = np.where(told >= threshold, told - (1 - told) * threshold / (1 - threshold), 0.0)
    for _ in range(200):
        some = draw.integers(0, len(x), 500)
        left = draw.random(500) < told[some]
        seen = leaving(_ended(left), 90)
        row = net_benefit(seen, told[some], [threshold]).iloc[0]
        held += row["conf_low"] <= truth.mean() <= row["conf_high"]
    assert 0.90 <= held / 200 <= 0.99


def _ended(left: np.ndarray) -> Followed:
    n = len(left)
    return Followed(np.where(left, 10.0, 90.0), left.astype(int), np.arange(n),
                    np.zeros(n, dtype=int), np.ones(n))  # fmt: skip


def test_groups_by_risk_are_counted_as_they_came() -> None:
    draw = np.random.default_rng(1)
    told = draw.uniform(0.02, 0.6, 4000)
    seen = leaving(_ended(draw.random(4000) < told), 90)
    table = calibration_curve(seen, told)
    assert len(table) == 10
    assert table["customers"].sum() == 4000
    assert table["told"].is_monotonic_increasing
    inside = (table["conf_low"] <= table["told"]) & (table["told"] <= table["conf_high"])
    assert inside.sum() >= 8
    first = told <= np.quantile(told, 0.1)
    assert table["estimate"].iloc[0] == pytest.approx(seen.left[first].mean(), abs=0.01)


def test_one_risk_for_all_is_one_group() -> None:
    seen = leaving(_ended(np.arange(50) % 5 == 0), 90)
    table = calibration_curve(seen, np.full(50, 0.3))
    assert len(table) == 1
    assert table["estimate"].iloc[0] == pytest.approx(0.2)


def test_nobody_known_gives_no_figure() -> None:
    lost = Followed(np.full(5, 3.0), np.zeros(5, dtype=int), np.arange(5),
                    np.zeros(5, dtype=int), np.ones(5))  # fmt: skip
    table = net_benefit(leaving(lost, 90), np.full(5, 0.2), [0.1])
    assert table["estimate"].isna().all()
