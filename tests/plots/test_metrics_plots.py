"""The pictures of experience metrics, read from their Axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxlab.plots import firsts, metrics
from cxlab.results import Result

DRAWN: dict[str, Any] = {
    "charts": metrics.charts,
    "touchpoints": metrics.touchpoints,
    "to_value": firsts.to_value,
    "lead_lag": firsts.lead_lag,
}


STAGES = ("buying", "use", "support")
STAGE_OF = {"shop": "buying", "app": "use", "call": "support", "chat": "support"}
METRICS = {"failure share": "share", "csat mean": "score 1 to 5", "churn rate": "of 100 customers",
           "time to resolution, median": "seconds"}  # fmt: skip
PERIODS = [str(p) for p in pd.period_range("2025-01", periods=18, freq="M")]


def _figures(draw: np.random.Generator, size: int, unit: str) -> dict[str, Any]:
    level = {"share": 0.12, "seconds": 9_000.0}.get(unit, 3.0)
    estimate = level * (1 + 0.05 * draw.normal(size=size))
    made = {"estimate": estimate, "conf_low": 0.9 * estimate, "conf_high": 1.1 * estimate}
    return {**made, "n": 400.0, "rows": 500.0, "unit": unit}


def _series(draw: np.random.Generator) -> pd.DataFrame:
    tables = []
    for name, unit in METRICS.items():
        table = pd.DataFrame({"metric": name, "period": PERIODS, **_figures(draw, 18, unit)})
        level = table["estimate"].mean()
        tables.append(table.assign(whole=True, outside=False, centre=level,
                                   limit_low=0.8 * level, limit_high=1.2 * level))  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def _levels(draw: np.random.Generator) -> pd.DataFrame:
    tables = []
    for name in ("failure share", "csat mean"):
        table = pd.DataFrame(
            {"metric": name, "by": "touchpoint", "level": list(STAGE_OF),
             **_figures(draw, 4, METRICS[name])}
        )  # fmt: skip
        table = table.assign(gap=[0.05, -0.05, 0.0, 0.01], gap_low=-0.1, gap_high=0.1,
                             p_value=0.5, p_holm=[0.001, 0.001, 0.5, 0.9])  # fmt: skip
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _lags(draw: np.random.Generator) -> pd.DataFrame:
    tables = []
    for i, name in enumerate(("failure share", "csat mean")):
        at = draw.normal(0, 0.1, 7)
        told = "leads" if i == 0 else "cannot be told"
        tables.append(
            pd.DataFrame(
                {"metric": name, "lag": range(-3, 4), "estimate": at, "conf_low": at - 0.2,
                 "conf_high": at + 0.2, "p_value": 0.01 + i, "p_holm": 0.02 + i, "groups": 9,
                 "periods": 18, "verdict": told}
            )
        )  # fmt: skip
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def result() -> Result:
    draw = np.random.default_rng(1)
    changes = pd.DataFrame({"metric": list(METRICS), "kind": "none", "period": None, "real": False})
    day = np.arange(0, 181, 2)
    share = 1 - np.exp(-day / 90)
    value = pd.DataFrame(
        {"day": day, "estimate": share, "conf_low": share * 0.9, "conf_high": share * 1.02}
    )
    about = {"touchpoint": "app", "outcome": True, "customers": 700, "left_first": 31}
    card = pd.DataFrame({"metric": list(METRICS), "estimate": [0.12, 3.0, 3.0, 9_000.0]})
    parts = {
        "series": Result("series", _series(draw), meta={"period": "month"}),
        "changes": Result("changes", changes),
        "levels": Result("levels", _levels(draw)),
        "to_value": Result("to_value", value, meta=about),
        "lead_lag": Result("lead_lag", _lags(draw), meta={"unit": "month"}),
    }
    meta = {
        "customers": 400,
        "period": ["2026-04-01", "2026-06-30"],
        "window_days": 90,
        "stages": list(STAGES),
        "stage_of": STAGE_OF,
        "touchpoints": list(STAGE_OF),
    }
    return Result("experience_metrics", card, (), meta, "", parts)


def _part(result: Result, name: str, table: pd.DataFrame) -> Result:
    return replace(result, parts={**result.parts, name: replace(result[name], table=table)})


def test_each_metric_has_its_band_and_its_periods(result: Result) -> None:
    ax = metrics.charts(result)
    panels = [p for p in ax.figure.axes if p.get_visible()]
    names = metrics._charted(result)
    assert len(panels) == len(names) == 4
    series = result["series"].table
    for panel, name in zip(panels, names, strict=True):
        rows = series[series["metric"] == name]
        drawn = panel.lines[1].get_ydata()
        scale = drawn[0] / rows["estimate"].iloc[0]
        np.testing.assert_allclose(drawn, rows["estimate"].to_numpy() * scale)
        assert len(panel.collections) == 1


def test_a_title_stands_a_line_below_the_panel_above(result: Result) -> None:
    figure = metrics.charts(result).figure
    figure.canvas.draw()
    above, below = figure.axes[0], figure.axes[2]
    title, labels = below._left_title.get_window_extent(), above.xaxis.get_tightbbox()
    assert labels is not None
    assert title.height < labels.y0 - title.y1 < 2 * title.height


def test_a_real_change_is_named_and_an_unfinished_period_is_hollow(result: Result) -> None:
    changes = result["changes"].table.copy()
    place = changes.index[changes["metric"] == "failure share"][0]
    changes.loc[place, "real"] = True
    changes.loc[place, ["kind", "period"]] = ["shift", "2025-12"]
    series = result["series"].table.copy()
    mine = series.index[series["metric"] == "failure share"]
    series.loc[mine[-1], "whole"] = False
    made = _part(_part(result, "changes", changes), "series", series)
    ax = metrics.charts(made)
    assert ax.get_title(loc="left") == "failure share: shift in 2025-12"
    hollow = [li for li in ax.lines if li.get_markerfacecolor() == "white"]
    assert [len(li.get_ydata()) for li in hollow] == [1]
    words = metrics.charts_words(made)
    assert "failure share, shift in 2025-12" in words["caption"]
    assert "Hollow: a month seen in part" in words["caption"]


def test_touchpoints_are_in_the_order_of_the_journey(result: Result) -> None:
    ax = metrics.touchpoints(result)
    names = [t.get_text() for t in ax.get_yticklabels()]
    stages = result.meta["stages"]
    order = [stages.index(result.meta["stage_of"][n]) for n in names]
    assert order == sorted(order)
    panels = ax.figure.axes
    assert [p.get_title(loc="left") for p in panels] == ["failure share", "CSAT mean"]
    levels = result["levels"].table
    mine = levels[(levels["metric"] == "failure share") & (levels["by"] == "touchpoint")]
    drawn = sorted(float(li.get_xdata()[0]) for li in ax.lines if li.get_marker() in ("o", "s"))
    np.testing.assert_allclose(drawn, np.sort(100 * mine["estimate"].dropna()))
    clear = mine["p_holm"] < 0.05
    filled = [li for li in ax.lines if li.get_marker() in ("o", "s")
              and li.get_markerfacecolor() != "white"]  # fmt: skip
    assert len(filled) == clear.sum() > 0


def test_the_way_to_value_rises_and_lags_have_intervals(result: Result) -> None:
    ax = firsts.to_value(result)
    line = ax.lines[0].get_ydata()
    assert (np.diff(line) >= 0).all()
    np.testing.assert_array_equal(line, result["to_value"].table["estimate"])
    ax = firsts.lead_lag(result)
    first = firsts._led(result)[0]
    table = result["lead_lag"].table
    rows = table[table["metric"] == first]
    dots = [float(li.get_ydata()[0]) for li in ax.lines if li.get_marker() == "o"]
    assert dots == rows["estimate"].tolist()
    assert ax.get_xticks().tolist() == [-3, -2, -1, 0, 1, 2, 3]


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_are_made_with_words_and_drawn_where_told(result: Result, name: str) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    made = next(iter(metrics.shown(result, name)), None)
    assert made is not None
    assert made.svg.startswith("<?xml")
    assert len(made.data) > 2
    assert "95% intervals" in made.caption or "3 standard deviations" in made.caption
    assert "nan" not in made.caption + made.alt
    assert dict(mpl.rcParams) == before
    _, ax = plt.subplots()
    assert DRAWN[name](result, ax=ax) is ax


@pytest.mark.parametrize("name", DRAWN)
def test_without_figures_there_is_no_picture(result: Result, name: str) -> None:
    empty = {n: replace(p, table=p.table.iloc[:0]) for n, p in result.parts.items()}
    del empty["to_value"]
    bare = replace(result, parts=empty)
    assert metrics.shown(bare, name) == []
    assert metrics.shown(replace(bare, table=result.table.iloc[:0]), name) == []


def test_without_any_metric_a_page_shows_nothing() -> None:
    none = Result("experience_metrics", pd.DataFrame(columns=["metric", "estimate"]))
    names = ("charts", "touchpoints", "to_value", "lead_lag", "weighted_months", "words of series")
    assert metrics.shown(none, *names) == []
