"""The pictures of what customers say, read from their Axes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from cxlab.plots import voice
from cxlab.results import Result

THEMES = ("parcel / late", "[x](http://y) $a$", "fee / bill")
PERIODS = [f"2025-{m:02d}" for m in range(1, 11)]


def _result() -> Result:
    terms = [f"en-{i}" for i in range(1, 4)]
    table = pd.DataFrame(
        {"term": terms, "theme": THEMES, "estimate": [0.4, 0.2, np.nan], "n": [90, 40, 4],
         "conf_low": [0.3, 0.1, np.nan], "conf_high": [0.5, 0.3, np.nan], "comments": [100, 50, 5],
         "status": ["known", "new", "known"]}
    )  # fmt: skip
    scores = pd.DataFrame(
        {"term": terms[:2], "theme": THEMES[:2], "metric": "nps", "estimate": [-2.0, 0.1],
         "conf_low": [-2.5, -0.3], "conf_high": [-1.5, 0.5], "p_holm": [0.001, 0.8],
         "n": [90, 40], "comments": [100, 50]}
    )  # fmt: skip
    places = pd.DataFrame(
        [(t, n, p, e, e - 0.05, e + 0.05, 0.1, e - 0.1, q, 30, 40)
         for t, n, e, q in zip(terms, THEMES, (0.8, 0.1, 0.1), (0.001, 0.9, 0.9), strict=True)
         for p in ("shop", "call")],
        columns=["term", "theme", "touchpoint", "estimate", "conf_low", "conf_high", "elsewhere",
                 "gap", "p_holm", "n", "comments"],
    )  # fmt: skip
    series = pd.DataFrame(
        [(t, n, p, 0.2 + 0.01 * i, 0.1, 0.3, 50, 60, i > 0, 0.2, 0.15, 0.25, i == 9)
         for t, n in zip(terms, THEMES, strict=True) for i, p in enumerate(PERIODS)],
        columns=["term", "theme", "period", "estimate", "conf_low", "conf_high", "n", "comments",
                 "whole", "centre", "limit_low", "limit_high", "outside"],
    )  # fmt: skip
    changes = pd.DataFrame(
        {"term": terms, "theme": THEMES, "kind": ["none", "shift", "none"],
         "period": [None, "2025-06", None], "real": [False, True, False]}
    )  # fmt: skip
    parts = {"scores": scores, "touchpoints": places, "changes": changes}
    made = {name: Result(name, frame) for name, frame in parts.items()}
    made["series"] = Result("series", series, meta={"period": "month"})
    meta = {"comments": 155, "customers": 120, "window_days": 90, "all_comments": 600}
    return Result("voice_of_customer", table, meta=meta, parts=made)


def _middles(ax: Axes) -> list[float]:
    drawn = [line for line in ax.lines if line.get_marker() not in ("None", "")]
    return [float(x) for line in drawn for x in np.atleast_1d(line.get_xdata())]


def test_themes_are_drawn_with_their_shares() -> None:
    result = _result()
    ax = voice.themes(result)
    assert _middles(ax) == pytest.approx([40.0, 20.0])
    beside = ax.figure.axes[1]
    assert _middles(beside) == pytest.approx([-2.0, 0.1])
    words = voice.themes_words(result)
    assert words["data"]["estimate"].tolist() == [0.4, 0.2]
    assert words["data"]["score_estimate"].tolist() == [-2.0, 0.1]
    assert "Diamonds: new" in words["caption"]
    assert "2 of 3 themes" in words["caption"]


def test_squares_are_as_large_as_shares() -> None:
    result = _result()
    ax = voice.where(result)
    other, more = ax.collections
    assert more.get_sizes().tolist() == pytest.approx([17.0**2 * 0.8] * 2)
    assert other.get_sizes().tolist() == pytest.approx([17.0**2 * 0.1] * 4)
    assert len(voice.where_words(result)["data"]) == 6


def test_changed_themes_come_first() -> None:
    result = _result()
    ax = voice.over_time(result)
    title = ax.get_title() or ax.get_title(loc="left")
    assert "shift in 2025-06" in title
    assert "[x]" in voice.over_time_words(result)["caption"]
    assert ax.lines[1].get_ydata()[0] == pytest.approx(20.0)


@pytest.mark.parametrize("name", ["themes", "where", "over_time"])
def test_pictures_are_made_or_left_out(name: str) -> None:
    result = _result()
    made = voice.pictured(result, name)
    assert made is not None
    assert made.svg.startswith("<?xml")
    assert voice.pictured(replace(result, table=result.table.head(0)), name) is None
    bare = {n: replace(p, table=p.table.head(0)) for n, p in result.parts.items()}
    empty = replace(result, table=result.table.head(0), parts=bare)
    draw = {"themes": voice.themes, "where": voice.where, "over_time": voice.over_time}[name]
    assert draw(empty).texts
