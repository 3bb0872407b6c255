"""The pictures of the data quality page, read from their Axes."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.dates import date2num

from cxlab.plots import quality
from cxlab.plots.picture import picture
from cxlab.results import Result


def part(name: str, rows: list[tuple[object, ...]], columns: list[str]) -> Result:
    return Result(name, pd.DataFrame(rows, columns=columns), sentence=f"About {name}.")


@pytest.fixture
def result() -> Result:
    weeks = [d.date().isoformat() for d in pd.date_range("2025-01-01", periods=4, freq="7D")]
    weekly = [
        ("contacts", "all", "all", w, n) for w, n in zip(weeks, (70, 80, 20, 90), strict=True)
    ]
    weekly += [("contacts", "channel", "phone", w, n)
               for w, n in zip(weeks, (30, 35, 0, 40), strict=True)]  # fmt: skip
    gaps = [
        ("contacts", "channel", "phone", "2025-01-15", "2025-01-20", 6, 0, 30, ""),
        ("contacts", "channel", "web", "2025-01-08", "2025-01-08", 1, 0, 25, ""),
    ]
    answered = ["% answered", "95% from", "95% to"]
    coverage = [
        ("all", "all", 200, 80, 40.0, 33.5, 46.9),
        ("metric", "nps", 200, 80, 40.0, 33.5, 46.9),
        ("touchpoint", "call", 150, 45, 30.0, 23.2, 37.7),
        ("touchpoint", "shop", 50, 35, 70.0, 56.2, 80.9),
    ]
    empty = [("customers", "plan", 60, 15, 25.0), ("feedback", "score", 40, 2, 5.0)]
    parts = {
        "weekly": part("weekly", weekly, ["what", "by", "name", "week from", "rows"]),
        "gaps": part("gaps", gaps, ["what", "by", "name", "first day", "last day", "days",
                                    "rows seen", "rows expected", "remark"]),
        "coverage": part("coverage", coverage, ["by", "name", "asked", "answered", *answered]),
        "response_by_month": part(
            "months", [("2025-01", 200, 80, 40.0, 33.5, 46.9)],
            ["month", "asked", "answered", *answered],
        ),
        "empty_cells": part("empty", empty, ["table", "column", "rows", "empty", "% empty"]),
    }  # fmt: skip
    meta = {"period": ["2025-01-01", "2025-01-28"], "as_of": "2025-01-28"}
    return Result("data_quality", pd.DataFrame(), (), meta, "", parts)


def emptied(result: Result) -> Result:
    parts = {k: Result(p.name, p.table[:0], sentence=p.sentence) for k, p in result.parts.items()}
    return Result(result.name, result.table, (), result.meta, "", parts)


def test_each_kind_of_rows_has_a_panel_and_its_gaps_are_marked(result: Result) -> None:
    ax = quality.volume(result)
    panels = ax.figure.axes
    assert [a.get_title(loc="left") for a in panels] == ["contacts", "contacts: channel phone"]
    assert list(panels[0].lines[0].get_ydata()) == [70, 80, 20, 90]
    assert not panels[0].patches
    span = panels[1].patches[0].get_window_extent().transformed(panels[1].transData.inverted())
    assert span.x0 == pytest.approx(date2num(pd.Timestamp("2025-01-15")))
    assert span.x1 == pytest.approx(date2num(pd.Timestamp("2025-01-21")))
    assert panels[1].get_ylim()[0] == 0
    words = quality.volume_words(result)
    assert "2 gaps found, 1 of them marked" in words["caption"]
    assert "2025-01-01 to 2025-01-28" in words["caption"]
    assert "n = 260 rows" in words["caption"]
    assert "contacts: channel phone" in words["alt"]
    assert words["data"] is result["weekly"].table


def test_coverage_puts_the_most_willing_first(result: Result) -> None:
    ax = quality.coverage(result)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["all questions", "nps", "shop", "call"]
    marks = {
        float(li.get_ydata()[0]): float(li.get_xdata()[0])
        for li in ax.lines
        if len(li.get_xdata()) == 1
    }
    assert marks == {3: 40.0, 2: 40.0, 1: 70.0, 0: 30.0}
    spans = [list(map(float, li.get_xdata())) for li in ax.lines if len(li.get_xdata()) == 2]
    assert [56.2, 80.9] in spans
    words = quality.coverage_words(result)
    for told in ("40.0% of 200", "2025-01-01 to 2025-01-28", "95%"):
        assert told in words["caption"]
    assert "shop 70%, call 30%" in words["alt"]
    assert set(words["data"]["by"]) == {"all", "metric", "touchpoint", "month"}


def test_empty_cells_are_bars_with_their_share(result: Result) -> None:
    ax = quality.empty_cells(result)
    assert [p.get_width() for p in ax.patches] == [25.0, 5.0]
    assert [t.get_text().strip() for t in ax.texts] == ["25.0%", "5.0%"]
    words = quality.empty_cells_words(result)
    assert words["caption"].startswith("2 columns have empty cells. n = 60 rows")
    assert "plan 25.0%, score 5.0%" in words["alt"]


def test_nothing_to_draw_is_drawn_as_nothing(result: Result) -> None:
    none = emptied(result)
    assert quality.volume(none) is not None
    assert quality.coverage(none).get_yticks().size == 0
    assert quality.coverage_words(none)["caption"] == "About coverage."
    assert not quality.empty_cells(none).patches
    assert quality.empty_cells_words(none)["caption"].startswith("0 columns")
    assert "No gap was found" in quality.volume_words(none)["caption"]


def test_drawing_changes_no_settings_takes_the_axes_given_and_travels(result: Result) -> None:
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    for draw in (quality.volume, quality.coverage, quality.empty_cells):
        _, ax = plt.subplots()
        assert draw(result, ax=ax) is ax
    assert dict(mpl.rcParams) == before
    made = picture(quality.volume(result), name="volume", **quality.volume_words(result))
    assert made.svg.startswith("<?xml")
