"""The pictures of the driver model, read from their Axes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxlab.plots.drivers import (
    effect_by_tenure,
    effect_by_tenure_words,
    forest,
    forest_words,
    worth,
    worth_words,
)
from cxlab.plots.fading import effect_by_age, effect_by_age_words
from cxlab.results import Result


@pytest.fixture
def result() -> Result:
    rows = [
        (1, "call", "bad", 2.5, 1.8, 3.5, 30.0, 20.0, 40.0, "driver"),
        (2, "app", "bad", 1.5, 1.2, 1.9, 50.0, 30.0, 70.0, "driver"),
        (3, "shop", "bad", 0.9, 0.5, 1.6, -2.0, -9.0, 5.0, "no evidence"),
        (4, "page", "bad", 3.0, 2.0, 4.5, np.nan, np.nan, np.nan, "reverse causation suspected"),
        (5, "mail", "bad", np.nan, np.nan, np.nan, np.nan, np.nan, np.nan, "too little data"),
        (6, "call", "contact", 1.1, 0.9, 1.3, np.nan, np.nan, np.nan, "no evidence"),
    ]
    columns = ["rank", "touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high",
               "attributable_churn", "attributable_churn_low", "attributable_churn_high",
               "verdict"]  # fmt: skip
    odds = {"attributable_share": [0.15, 0.25, -0.01, np.nan, np.nan, np.nan],
            "value_at_risk": [300.0, 600.0, *[np.nan] * 4],
            "value_at_risk_low": [200.0, 400.0, *[np.nan] * 4],
            "value_at_risk_high": [400.0, 800.0, *[np.nan] * 4],
            "top3_probability": [0.5, 1.0, *[np.nan] * 4]}  # fmt: skip
    age = pd.DataFrame(
        {
            "touchpoint": ["app", "app", "call", "call"],
            "valence": "bad",
            "age_low": [3.0, 14.0] * 2,
            "age_high": [14.0, 56.0] * 2,
            "hazard_ratio": [2.0, 1.2, 3.0, 1.1],
            "conf_low": [1.5, 0.9, 2.0, 0.8],
            "conf_high": [2.5, 1.6, 4.5, 1.5],
            "curve": [1.9, 1.3, 2.2, 1.4],
        }
    )
    meta = {"customers": 900, "churns": 210, "as_of": "2026-06-30", "window_days": 90,
            "window_churns": 200,
            "window_start": "2026-04-02", "half_life_days": 20.0, "currency": "EUR"}  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).assign(**odds)
    return Result("churn_drivers", table, (), meta, "Two drive.", {"by_age": Result("by_age", age)})


def test_forest_puts_drivers_first_by_customers_lost(result: Result) -> None:
    ax = forest(result)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == ["app", "call", "shop", "page"]
    marks = {
        float(line.get_xdata()[0]): float(line.get_ydata()[0])
        for line in ax.lines
        if len(line.get_xdata()) == 1
    }
    assert marks == {1.5: 3, 2.5: 2, 0.9: 1, 3.0: 0}
    spans = [sorted(map(float, li.get_xdata())) for li in ax.lines if len(li.get_xdata()) == 2]
    assert [1.2, 1.9] in spans
    assert ax.get_xscale() == "log"
    texts = [t.get_text() for t in ax.texts]
    assert "50 (30 to 70)" in texts
    assert "\N{MINUS SIGN}2 (\N{MINUS SIGN}9 to 5)" in texts
    assert "not counted" in texts
    assert {"← leave less", "leave more →"} <= set(texts)


def test_words_name_finding_n_period_and_level(result: Result) -> None:
    words = forest_words(result)
    parts = ("Of 5 comparisons, 2 show a driver", "900", "210", "2026-06-30", "90 days", "95%")
    for part in (*parts, "mail"):
        assert part in words["caption"]
    assert "app 1.50 (1.20 to 1.90)" in words["alt"]
    assert "20 days" in effect_by_age_words(result)["caption"]


def test_each_touchpoint_has_its_panel(result: Result) -> None:
    ax = effect_by_age(result)
    titles = [a.get_title(loc="left") or a.get_title() for a in ax.figure.axes]
    assert titles[:2] == ["app", "call"]


def test_nothing_to_draw_is_drawn_as_nothing(result: Result) -> None:
    none = Result("churn_drivers", result.table[:0], (), result.meta, "None.",
                  {"by_age": Result("by_age", result["by_age"].table[:0])})  # fmt: skip
    assert not forest(none).lines
    assert forest_words(none)["alt"].endswith("none.")
    assert effect_by_age(none) is not None
    assert effect_by_age_words(none) == {}
    assert worth_words(none) == {}
    assert [t.get_text() for t in worth(none).texts] == ["No driver has customers lost to count."]


def test_the_waterfall_goes_down_from_all_who_left(result: Result) -> None:
    ax = worth(result)
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        "all who left", "app", "call", "not through these",
    ]  # fmt: skip
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert bars == [(0, 200), (150, 50), (120, 30), (0, 120)]
    spans = [sorted(map(float, li.get_xdata())) for li in ax.lines if li.get_linestyle() == "-"]
    assert spans == [[130, 170], [110, 130]]
    texts = {t.get_text() for t in ax.texts}
    assert {"200", "50 (30 to 70)", "30 (20 to 40)", "120", "100%", "50%"} <= texts
    words = worth_words(result)
    for part in ("200 customers left", "90 days", "2026-04-02", "95%", "counted twice", "(120)"):
        assert part in words["caption"]
    assert "app: 50 (30 to 70); call: 30 (20 to 40)" in words["alt"]


def test_a_waterfall_leaves_out_odds_it_has_not(result: Result) -> None:
    table = result.table.assign(top3_probability=np.nan)
    ax = worth(Result("churn_drivers", table, (), result.meta))
    heads = [t.get_text() for t in ax.texts if "95%" in t.get_text() or "top 3" in t.get_text()]
    assert heads == ["Customers (95%)"]


def test_effects_of_contacts_that_change_with_tenure_are_drawn(result: Result) -> None:
    columns = ["touchpoint", "hazard_ratio_short", "conf_low_short", "conf_high_short",
               "hazard_ratio_long", "conf_low_long", "conf_high_long", "changes"]  # fmt: skip
    rows = [("call", 4.0, 2.0, 8.0, 1.5, 1.1, 2.0, True), ("app", 2.0, 1, 4, 2.1, 1, 4, False)]
    part = Result("by_tenure", pd.DataFrame(rows, columns=columns), (), {}, "It changes.")
    changing = Result("churn_drivers", result.table, (), result.meta, "", {"by_tenure": part})
    ax = effect_by_tenure(changing)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["call"]
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["short tenure", "long tenure"]
    words = effect_by_tenure_words(changing)
    assert "call 4.00 early 1.50 late" in words["alt"]
    assert words["caption"].startswith(
        "Effects that change with tenure. Rings: short tenure; squares: long tenure. 210 voluntary"
    )


def test_drawing_changes_no_settings_and_takes_the_axes_given(result: Result) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    _, ax = plt.subplots()
    assert forest(result, ax=ax) is ax
    assert dict(mpl.rcParams) == before


@pytest.fixture
def snapshot() -> Result:
    """A snapshot's result: a level that drives, a number told by a step, and an unsure level."""
    nan = np.nan
    rows = [
        (1, "plan=a", 0.02, 0.01, 0.04, "protective", "b", nan, 0.02, 0.01, 0.04),
        (2, "storage", 1.001, 1.0005, 1.0015, "driver", "1,000 less", 1000, 2.7, 1.6, 4.5),
        (3, "plan=c", 1.1, 0.8, 1.5, "no evidence", "b", nan, 1.1, 0.8, 1.5),
        (4, "spent", nan, nan, nan, "not separable", None, nan, nan, nan, nan),
    ]
    columns = ["rank", "touchpoint", "hazard_ratio", "conf_low", "conf_high", "verdict",
               "compared_with", "step", "step_ratio", "step_low", "step_high"]  # fmt: skip
    spans = pd.DataFrame(
        [("plan=a", 0.5, 0.4, 0.6, nan, nan, nan, True), ("plan=c", 1.0, 0.5, 2, 2, 1, 4, True),
         ("storage", 2.7, 1.6, 4.5, 2.6, 1.5, 4.4, False)],
        columns=["term", "early", "early_low", "early_high", "late", "late_low", "late_high",
                 "changes"],
    )  # fmt: skip
    meta = {"form": "snapshot", "customers": 900, "churns": 210, "early_span": "in the first year"}
    table = pd.DataFrame(rows, columns=columns).assign(valence="attribute")
    parts = {"by_tenure": Result("by_tenure", spans, sentence="Two change.")}
    return Result("churn_drivers", table, (), meta, "It drives.", parts)


def test_attributes_are_drawn_by_their_steps_beside_what_they_are_compared_with(
    snapshot: Result,
) -> None:
    ax = forest(snapshot)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["plan=a", "storage", "plan=c"]
    marks = [float(line.get_xdata()[0]) for line in ax.lines if len(line.get_xdata()) == 1]
    assert marks == [0.02, 2.7, 1.1]
    low, high = ax.get_xlim()
    assert low < 0.02 and high > 2.7
    texts = [t.get_text() for t in ax.texts]
    assert {"0.02 (0.01 to 0.04)", "2.70 (1.60 to 4.50)", "1,000 less", "b"} <= set(texts)
    words = forest_words(snapshot)
    for part in ("1 of 3 attributes and levels goes with leaving sooner, 1 with", "900", "210",
                 "95%", "without dates"):  # fmt: skip
        assert part in words["caption"]
    assert "storage 2.70 (1.60 to 4.50) against 1,000 less" in words["alt"]
    assert words["data"]["hazard_ratio"].tolist() == [0.02, 2.7, 1.1]


def test_effects_that_change_are_drawn_early_and_late(snapshot: Result) -> None:
    ax = effect_by_tenure(snapshot)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["plan=a", "plan=c"]
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["in the first year", "later"]
    words = effect_by_tenure_words(snapshot)
    assert words["caption"].startswith("Effects that change with tenure. Rings: ")
    assert "; squares: later. 900 customers with 210 churns" in words["caption"]
    assert "plan=a 0.50 early; plan=c 1.00 early 2.00 late" in words["alt"]
    assert words["data"]["term"].tolist() == ["plan=a", "plan=c"]
