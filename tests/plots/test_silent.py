"""The pictures of weighted scores, read from their Axes."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cxlab.plots import metrics, silent
from cxlab.plots.style import ACCENT, INK
from cxlab.results import Result

MONTHS = [str(p) for p in pd.period_range("2025-07", periods=9, freq="M")]
GROUPS = [("plan", "basic"), ("plan", "pro"), ("region", "<b>north"), ("channel", "web")]


@pytest.fixture
def result() -> Result:
    draw, rows = np.random.default_rng(2), []
    units = {"csat mean": "score 1 to 5", "csat top box": "share", "nps": "points"}
    for metric, unit in units.items():
        for by, level in [("month", m) for m in MONTHS] + GROUPS:
            raw = draw.normal(3, 0.2)
            row = {"metric": metric, "by": by, "level": level, "asked": 90.0, "answered": 40.0,
                   "n": 30.0, "raw": raw, "raw_low": raw - 0.3, "raw_high": raw + 0.3,
                   "estimate": raw - 0.1, "conf_low": raw - 0.45, "conf_high": raw + 0.25,
                   "difference": -0.1, "difference_low": -0.2, "difference_high": 0.0,
                   "p_value": 0.04, "p_holm": 0.01 if level == "pro" else 0.9,
                   "whole": level != MONTHS[0], "unit": unit}  # fmt: skip
            rows.append(row)
    table = pd.DataFrame(rows)
    gone = ["raw", "raw_low", "raw_high", "estimate", "conf_low", "conf_high"]
    table.loc[(table["metric"] == "nps") & (table["level"] == "<b>north"), gone] = np.nan
    parts = {"response": Result("response", pd.DataFrame(), meta={"days": 365.0}),
             "response_by": Result("response_by", table)}  # fmt: skip
    return Result("experience_metrics", table.head(1), parts=parts)


def _marks(ax: plt.Axes, colour: str) -> list[float]:
    return [
        float(line.get_ydata()[0])
        for line in ax.lines
        if len(line.get_xdata()) == 1 and to_hex(line.get_color()) == colour
    ]


def test_whole_months_are_drawn_as_given_and_weighted(result: Result) -> None:
    ax = silent.weighted_months(result)
    panels = [p for p in ax.figure.axes if p.get_visible()]
    assert [p.get_title(loc="left") for p in panels] == ["NPS", "CSAT mean"]
    table = result["response_by"].table
    for panel, name in zip(panels, ("nps", "csat mean"), strict=True):
        rows = table[(table["metric"] == name) & (table["by"] == "month") & table["whole"]]
        assert _marks(panel, ACCENT) == rows["raw"].tolist()
        assert _marks(panel, INK) == rows["estimate"].tolist()
    said = silent.weighted_months_words(result)
    assert "Weights move 0 of 16" in said["caption"] and "last 365 days" in said["caption"]
    assert len(said["data"]) == 16


def test_segments_stand_below_each_other_by_attribute(result: Result) -> None:
    ax = silent.weighted_segments(result)
    labels = ax.get_yticklabels()
    assert [t.get_text() for t in labels] == ["plan", "basic", "pro", "region", "<b>north"]
    assert [t.get_fontweight() for t in labels[:2]] == ["bold", "normal"]
    # a group that is withheld for a score is not drawn for it
    widths = [len(_marks(p, ACCENT)) for p in ax.figure.axes]
    assert widths == [2, 3]
    said = silent.weighted_segments_words(result)
    assert "Weights move 2 of 5" in said["caption"]
    assert set(said["data"]["by"]) == {"plan", "region"}


def test_a_level_that_the_first_score_lacks_stands_with_its_attribute(result: Result) -> None:
    part = result["response_by"]
    first = part.table["metric"] == part.table["metric"].iloc[0]
    lacks = part.table[~(first & (part.table["level"] == "basic"))]
    other = replace(result, parts={**result.parts, "response_by": replace(part, table=lacks)})
    labels = [t.get_text() for t in silent.weighted_segments(other).get_yticklabels()]
    assert labels == ["plan", "pro", "basic", "region", "<b>north"]


def test_without_attributes_places_are_drawn_and_of_nothing_nothing(result: Result) -> None:
    part = result["response_by"]
    places = part.table[part.table["by"].isin(["month", "channel"])]
    alone = replace(result, parts={**result.parts, "response_by": replace(part, table=places)})
    labels = silent.weighted_segments(alone).get_yticklabels()
    assert [t.get_text() for t in labels] == ["channel", "web"]
    for table in (part.table.head(0), part.table.assign(estimate=np.nan)):
        none = replace(result, parts={**result.parts, "response_by": replace(part, table=table)})
        assert silent.weighted_months_words(none) == silent.weighted_segments_words(none) == {}
        assert metrics.shown(none, "weighted_months", "weighted_segments") == []
        assert silent.weighted_months(none) is not None
        assert silent.weighted_segments(none) is not None
    assert len(metrics.shown(result, "weighted_months", "weighted_segments", "response_by")) == 3
