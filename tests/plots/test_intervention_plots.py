"""Pictures of interventions read the result, and draw what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import interventions as drawn
from cxlab.plots.style import ACCENT, HARM, HELP, UNSURE
from cxlab.results import Result


def _row(name: str, outcome: str, estimate: float, verdict: str, **more: object) -> dict:
    made = {"intervention": name, "touchpoint": "call", "outcome": outcome, "scale": "ratio",
            "main": outcome == "failure rate", "estimate": estimate, "conf_low": 0.8 * estimate,
            "conf_high": 1.25 * estimate, "p_value": 0.01, "verdict": verdict, "rate": 0.1,
            "rate_without": 0.2}  # fmt: skip
    return made | more


@pytest.fixture
def result() -> Result:
    table = pd.DataFrame(
        [
            _row("script", "failure rate", 0.5, "worked"),
            _row("script", "CSAT score", 0.3, "worked", scale="difference"),
            _row("script", "churn", 1.02, "cannot tell"),
            _row("form", "failure rate", 1.6, "made it worse"),
            _row("gone", "failure rate", np.nan, "cannot tell", scale=""),
        ]
    )
    who = {"intervention": "script", "touchpoint": "call", "outcome": "failure rate"}
    events = pd.DataFrame({"event": [-2, -1, 0, 1], "estimate": [0.1, -0.1, -0.6, -0.8], "se": 0.1})
    for name, wide in (("conf", 0.2), ("band", 0.3)):
        events[f"{name}_low"] = events["estimate"] - wide
        events[f"{name}_high"] = events["estimate"] + wide
    weeks = pd.date_range("2024-10-04", periods=6, freq="7D").strftime("%Y-%m-%d")
    line = pd.DataFrame({"week": weeks, "rate": 0.2, "fitted": 0.2,
                         "without": [np.nan] * 3 + [0.1] * 3})  # fmt: skip
    parts = {
        "by_period": Result("by_period", events.assign(**who)),
        "series": Result("series", line.assign(**(who | {"intervention": "form"}))),
    }
    meta = {"customers": 900, "as_of": "2026-06-30", "period_days": 28}
    return Result("did_it_work", table, meta=meta, parts=parts)


def test_changes_are_drawn_by_their_verdict(result: Result) -> None:
    ax = drawn.changes(result)
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    assert [float(m.get_xdata()[0]) for m in marks] == [0.5, 1.02, 1.6]
    assert [m.get_color() for m in marks] == [HELP, UNSURE, HARM]
    assert [m.get_markerfacecolor() for m in marks] == [HELP, "white", HARM]
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == ["script: failures", "script: churn", "form: failures"]
    written = [t.get_text() for t in ax.texts]
    assert "−50%" in written
    assert "+60%" in written
    assert "made it worse" in written
    said = drawn.changes_words(result)
    assert "script: failures −50% (worked)" in said["alt"]


def test_each_intervention_has_its_panel(result: Result) -> None:
    first = drawn.over_time(result)
    panels = [ax for ax in first.figure.axes if ax.get_visible()]
    assert [ax.get_title() or ax.get_title(loc="left") for ax in panels] == [
        "script, at call", "form, at call"]  # fmt: skip
    marks = [line for line in panels[0].lines if len(line.get_xdata()) == 1]
    faces = [m.get_markerfacecolor() for m in marks]
    assert faces == ["white", "white", ACCENT, ACCENT]  # hollow before the start
    np.testing.assert_allclose(marks[2].get_ydata(), np.exp(-0.6))
    lines = {line.get_label(): line for line in panels[1].lines}
    np.testing.assert_allclose(lines["without it"].get_ydata(), 10.0)
    assert len(lines["without it"].get_xdata()) == 3
    assert panels[1].get_ylim()[0] == 0
    said = drawn.over_time_words(result)
    assert "Hollow: before the start" in said["caption"]
    assert "script 10% failures, 20% without it" in said["alt"]


@pytest.mark.parametrize("name", ["changes", "over_time"])
def test_of_nothing_nothing_is_drawn(result: Result, name: str) -> None:
    whole = drawn.pictured(result, name)
    assert whole is not None
    assert whole.name == f"did_it_work_{name}"
    assert len(whole.data)
    empty = replace(result, table=result.table.iloc[:0])
    assert drawn.pictured(empty, name) is None
    assert getattr(drawn, name)(empty).texts
    assert getattr(drawn, f"{name}_words")(empty) == {}
    bare = replace(result, table=result.table.tail(1), parts={})
    assert getattr(drawn, f"{name}_words")(bare) == {}
