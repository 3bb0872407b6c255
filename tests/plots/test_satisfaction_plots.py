from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Ellipse

from cxlab.plots.satisfaction import factors, pictured, quadrant, shares
from cxlab.results import Result

NAMES = ["delivery", "call", "$shop$", "x" * 300]


def result(names: list[str] = NAMES) -> Result:
    k = len(names)
    share = np.linspace(2, 1, k) / np.linspace(2, 1, k).sum()
    base = {"term": names, "estimate": share, "conf_low": share / 2, "conf_high": share * 1.5,
            "n": 200}  # fmt: skip
    verdicts = ["matters", "suppressed", "cannot be told", "not separable"] * 16
    slope = np.where(np.arange(k) == k - 1, np.nan, 0.5)
    table = pd.DataFrame(base).assign(
        slope=slope, slope_low=slope - 0.2, slope_high=slope + 0.2, q_value=0.01,
        verdict=verdicts[:k],
    )  # fmt: skip
    places = pd.DataFrame(base).assign(
        p_value=np.nan, performance=np.linspace(40, 90, k), performance_low=39.0,
        performance_high=91.0, share_sd=0.04, performance_sd=2.0, correlation=0.5,
        quadrant=(["improve first", "keep up"] * k)[:k], probability=0.7, told=False,
    )  # fmt: skip
    bent = pd.DataFrame(
        {"term": names, "penalty": 1.0, "penalty_low": 0.5, "penalty_high": 1.5, "reward": 0.1,
         "reward_low": -0.2, "reward_high": 0.4, "kind": "basic"}
    )  # fmt: skip
    meta = {"overall": "NPS", "r_squared": 0.3, "responses": 900, "customers": 700,
            "period": ["2025-01-01", "2025-12-31"]}  # fmt: skip
    lines = {"equal_share": 1 / k, "mean_performance": 65.0}
    parts = {"quadrant": Result("quadrant", places, meta=lines),
             "asymmetry": Result("asymmetry", bent)}  # fmt: skip
    return Result("satisfaction_drivers", table, meta=meta, parts=parts)


def test_shares_are_drawn_as_they_are() -> None:
    made = result()
    ax = shares(made)
    marks = [line for line in ax.lines if line.get_marker() in ("o", "s", "D")]
    drawn = sorted(float(m.get_xdata()[0]) for m in marks)
    np.testing.assert_allclose(drawn, sorted(100 * made.table["estimate"]))
    hollow = [m.get_markerfacecolor() == "white" for m in marks]
    assert hollow == [False, True, True, True]
    texts = [t.get_text() for t in ax.texts]
    assert "+0.50 (+0.30 to +0.70)" in texts
    assert "–" in texts


def test_ellipses_hold_95_percent() -> None:
    made = result(NAMES[:3])
    ax = quadrant(made)
    named = {t.get_text().strip() for t in ax.texts}
    first = made["quadrant"].table.query("quadrant == 'improve first'")["term"]
    assert set(first) <= named
    (ellipse,) = [p for p in ax.patches if isinstance(p, Ellipse)]  # of what is told to matter
    draw = np.random.default_rng(1)
    row = made["quadrant"].table.iloc[0]
    sd = np.array([row["performance_sd"], 100 * row["share_sd"]])
    spread = np.outer(sd, sd) * np.array([[1, 0.5], [0.5, 1]])
    middle = [row["performance"], 100 * row["estimate"]]
    points = draw.multivariate_normal(middle, spread, 20_000)
    inside = ellipse.get_path().contains_points(
        ellipse.get_patch_transform().inverted().transform(points)
    )
    assert inside.mean() == pytest.approx(0.95, abs=0.006)


def test_penalties_are_drawn_to_the_left() -> None:
    ax = factors(result(NAMES[:2]))
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [float(s.get_xdata()[0]) for s in squares] == [-1.0, -1.0]
    assert "basic" in [t.get_text() for t in ax.texts]


@pytest.mark.parametrize("name", ["shares", "quadrant", "factors"])
@pytest.mark.parametrize("names", [NAMES, [f"t{i:02d}" for i in range(60)], ["one"]])
def test_pictures_carry_words_and_data(name: str, names: list[str]) -> None:
    made = pictured(result(names), name)
    if names == ["one"] and name == "quadrant":
        assert made is None
        return
    assert made is not None
    assert "700 customers" in made.caption
    assert made.alt
    assert len(made.data) <= len(names)
    if len(names) == 60:
        assert "Shown: the" in made.caption or "Named: the" in made.caption


@pytest.mark.parametrize("name", ["shares", "quadrant", "factors"])
def test_nothing_to_draw(name: str) -> None:
    empty = Result("satisfaction_drivers", pd.DataFrame())
    assert pictured(empty, name) is None
    for draw in (shares, quadrant, factors):
        ax = draw(replace(empty, table=pd.DataFrame({"estimate": []})))
        assert ax.texts
