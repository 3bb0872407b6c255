"""Pictures of early warning read the result, and draw what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import early_warning as drawn
from cxlab.plots.style import ACCENT
from cxlab.results import Result

SIGNALS = ("tenure", "nps", "behaviour", "everything")


def _figures(middle: np.ndarray, **more: object) -> pd.DataFrame:
    ends = {"estimate": middle, "conf_low": middle - 0.03, "conf_high": middle + 0.03}
    return pd.DataFrame({**ends, "n": 900, "leavers": 120, **more})


@pytest.fixture
def result() -> Result:
    middle = np.array([0.52, 0.58, 0.71, 0.72])
    table = _figures(middle, signal=SIGNALS, captured=[0.1, 0.15, 0.3, 0.31])
    gaps = _figures(np.array([0.13, 0.01]), measure="AUC", signal=["behaviour", "everything"],
                    against=["nps", "behaviour"], p_holm=[0.001, 0.4])  # fmt: skip
    windows = pd.concat(
        [_figures(middle - 0.02 * i, signal=SIGNALS, days_from=d, days_to=d + 30)
         for i, d in enumerate((0, 30, 60))], ignore_index=True)  # fmt: skip
    days = pd.concat(
        [_figures(middle + 0.01 * i, signal=SIGNALS, day=f"2026-0{i + 1}-01") for i in range(3)],
        ignore_index=True,
    )
    days.loc[(days["signal"] == "nps") & (days["day"] == "2026-02-01"), "estimate"] = np.nan
    meta = {"customers": 900, "leavers": 120, "days": 3, "period": ["2026-01-01", "2026-03-01"],
            "horizon_days": 90, "lead_days": 14, "metrics": ["nps"], "base": "tenure",
            "main": ["behaviour", "nps"]}  # fmt: skip
    parts = {"differences": gaps, "before_the_end": windows, "by_day": days}
    told = {name: Result(name, part) for name, part in parts.items()}
    return Result("early_warning", table, meta=meta, parts=told)


def test_the_best_signal_is_at_the_top(result: Result) -> None:
    ax = drawn.league(result)
    names = {t.get_text(): y for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    assert names == {"everything": 3, "behaviour": 2, "NPS": 1, "tenure": 0}
    marks = {float(line.get_ydata()[0]): float(line.get_xdata()[0])
             for line in ax.lines if len(line.get_xdata()) == 1}  # fmt: skip
    assert marks == {3: 0.72, 2: 0.71, 1: 0.58, 0: 0.52}
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines
                if len(line.get_xdata()) == 1}) == 4  # fmt: skip
    said = drawn.league_words(result)
    assert "everything 0.72, behaviour 0.71, NPS 0.58" in said["alt"]
    assert "900 customers judged on 3 days" in said["caption"]


def test_what_is_told_from_none_is_filled(result: Result) -> None:
    ax = drawn.differences(result)
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [m.get_markerfacecolor() for m in marks] == [ACCENT, "white"]
    assert [t.get_fontweight() for t in ax.get_yticklabels()] == ["bold", "normal"]
    assert "behaviour less NPS +0.13" in drawn.differences_words(result)["alt"]


def test_each_signal_has_its_panel_of_days_before_the_end(result: Result) -> None:
    first = drawn.before_the_end(result)
    panels = [ax for ax in first.figure.axes if ax.get_visible()]
    titles = [ax.get_title(loc="left") for ax in panels]
    assert titles == ["everything", "behaviour", "NPS", "tenure"]
    labels = [t.get_text() for t in panels[0].get_xticklabels()]
    assert labels == ["1–30", "31–60", "61–90"]
    assert "behaviour 0.71 at 1–30 days, 0.67 at 61–90" in drawn.before_the_end_words(result)["alt"]


def test_days_without_a_figure_are_left_out(result: Result) -> None:
    ax = drawn.by_day(result)
    by = {line.get_label(): line for line in ax.lines}
    assert len(by["behaviour"].get_xdata()) == 3
    assert len(by["NPS"].get_xdata()) == 2
    assert np.diff(by["NPS"].get_xdata()).tolist() == [2.0]  # at their own days


@pytest.mark.parametrize("name", ["league", "differences", "before_the_end", "by_day"])
def test_of_nothing_nothing_is_drawn(result: Result, name: str) -> None:
    whole = drawn.pictured(result, name)
    assert whole is not None
    assert whole.name == f"early_warning_{name}"
    assert len(whole.data)
    empty = Result("early_warning", result.table.iloc[:0], meta=result.meta)
    assert drawn.pictured(empty, name) is None
    none = replace(empty, parts={k: Result(k, v.table.iloc[:0]) for k, v in result.parts.items()})
    assert getattr(drawn, name)(none).texts
    assert getattr(drawn, f"{name}_words")(none) == {}
