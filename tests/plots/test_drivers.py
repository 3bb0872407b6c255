"""The pictures of the driver model, read from their Axes."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from cxlab.plots.drivers import effect_by_age, effect_by_age_words, forest, forest_words
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
            "window_start": "2026-04-02", "half_life_days": 20.0}  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
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


def test_words_name_finding_n_period_and_level(result: Result) -> None:
    words = forest_words(result)
    for part in ("2 of 5", "900", "210", "2026-06-30", "90 days", "95%", "mail"):
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
    assert forest(none).get_yticks().size == 0
    assert forest_words(none)["alt"].endswith("none.")
    assert effect_by_age(none) is not None


def test_drawing_changes_no_settings_and_takes_the_axes_given(result: Result) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    _, ax = plt.subplots()
    assert forest(result, ax=ax) is ax
    assert dict(mpl.rcParams) == before
    plt.close("all")
