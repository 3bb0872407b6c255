"""The pictures of cohorts, cliffs and a first bad contact, read from their Axes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from cxlab.analyses import retention
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.plots import cohorts as plots
from cxlab.plots.picture import Picture, picture
from cxlab.plots.shown import shown
from cxlab.plots.style import DARK, HARM
from cxlab.results import Plain, Result

ALL = ("cohorts", "cliffs", "after_first_bad", "ends_by_group")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder: Path = tmp_path_factory.mktemp("plots") / "demo"
    write(simulate("demo", 1200, 2, texts=False), folder)
    return retention.run(load(folder), segment="plan")


def test_each_cell_has_its_figure_and_the_more_stay_the_darker(result: Result) -> None:
    ax = plots.cohorts(result)
    table = result["cohorts"].table
    seen = table[table["state"] == "shown"]
    boxes = [p for p in ax.patches if isinstance(p, Rectangle)]
    told = [t.get_text() for t in ax.texts if t.get_text() != "few"]
    assert told == [f"{100 * share:.0f}" for share in seen["estimate"]]
    shades = np.array([box.get_alpha() for box in boxes], dtype=float)
    assert (np.diff(shades[np.argsort(seen["estimate"].to_numpy())]) >= 0).all()
    assert shades.max() <= 0.5  # ink is read on it, on a light page and on a dark one
    assert sum(t.get_text() == "few" for t in ax.texts) == (table["state"] == "withheld").sum()
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[0].startswith("all of these")
    assert len(names) == table["term"].nunique()


def test_only_the_newest_cohorts_are_drawn(result: Result) -> None:
    one = result["cohorts"].table.query("term != 'all of these'").iloc[[0]]
    more = [one.assign(term=f"{1950 + k}") for k in range(40)]
    table = pd.concat([result["cohorts"].table.iloc[[0]], *more], ignore_index=True)
    part = replace(result["cohorts"], table=table)
    many = replace(result, parts={**result.parts, "cohorts": part})
    assert len(plots.cohorts(many).get_yticks()) == 25
    assert "The newest 24; 16 earlier ones are not drawn." in plots.cohorts_words(many)["caption"]


def test_bars_are_the_shares_and_cliffs_are_hatched(result: Result) -> None:
    table = result["hazard"].table.copy()
    table.loc[3, ["cliff", "estimate"]] = [True, 0.2]
    first = int(table.loc[3, "from"])
    cliff = {"term": f"day {first}", "from": first, "excess": 9.0}
    parts = {
        "hazard": replace(result["hazard"], table=table),
        "cliffs": replace(result["cliffs"], table=pd.DataFrame([cliff])),
    }
    made = replace(result, parts={**result.parts, **parts})
    ax = plots.cliffs(made)
    heights = {round(p.get_x() + p.get_width() / 2, 6): p.get_height() for p in ax.patches}
    middle = ((table["from"] + table["to"]) / 2).round(6)
    np.testing.assert_allclose([heights[m] for m in middle], table["estimate"])
    steep = [p for p in ax.patches if p.get_hatch()]
    assert [p.get_height() for p in steep] == [0.2]
    assert to_hex(steep[0].get_facecolor()) == HARM
    assert [t.get_text() for t in ax.texts] == [f"day {first}"]
    assert ax.get_ylim()[1] >= 0.2
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), table["smooth"])
    assert f"cliffs, hatched: day {first}" in plots.cliffs_words(made)["caption"]


def test_both_sides_are_named_and_differ_without_colour(result: Result) -> None:
    ax = plots.after_first_bad(result)
    table = result["first_bad_curves"].table
    styles = [line.get_linestyle() for line in ax.lines]
    assert len(set(styles)) == 2
    for line, (_, rows) in zip(ax.lines, table.groupby("term", sort=False), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), rows["estimate"])
    assert {t.get_text() for t in ax.texts} == {"first bad contact", "ordinary contact"}
    assert "The axis does not begin at 0." in plots.after_first_bad_words(result)["caption"]


def test_groups_are_in_one_order_for_all_ends(result: Result) -> None:
    ax = plots.ends_by_group(result)
    table = result["ends_by_group"].table
    names = [label.get_text() for label in ax.get_yticklabels()]
    for panel, what in zip(ax.figure.axes, ("left", "ended otherwise"), strict=True):
        own = table[table["what"] == what].set_index("term")
        dots = [line for line in panel.lines if len(line.get_xdata()) == 1]
        np.testing.assert_allclose([float(d.get_xdata()[0]) for d in dots], own.loc[names, "share"])


@pytest.mark.parametrize("name", ALL)
def test_words_tell_n_period_and_level_and_dark_pages_show_it(result: Result, name: str) -> None:
    words = getattr(plots, f"{name}_words")(result)
    meta = result.meta
    for part in (f"{meta['customers']:,} customers", meta["period"][0], "95% interval"):
        assert part in words["caption"]
    made = picture(getattr(plots, name)(result), name=name, **words)
    used = {word.lower() for word in made.svg.replace('"', " ").replace(";", " ").split()}
    colours = {word for word in used if word.startswith("#") and len(word) == 7}
    assert colours <= set(DARK)


@pytest.mark.parametrize("name", ALL)
def test_it_draws_where_it_is_told(result: Result, name: str) -> None:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert getattr(plots, name)(result, ax=ax) is ax


def test_a_part_is_shown_with_its_words_picture_and_table(result: Result) -> None:
    made = shown(result, "first_bad", "first_bad_curves", table=("after_first_bad",))
    words, drawn, table = made
    assert isinstance(words, Plain)
    assert words.lines == result["first_bad"].sentence.splitlines()
    assert isinstance(drawn, Picture)
    assert drawn.name == "retention_first_bad"
    assert isinstance(table, Result)
    assert table.sentence == ""
    # One picture of the tenures, the fuller one; where it is not there, the other.
    names = [p.name for p in shown(result, "by_tenure", "hazard") if isinstance(p, Picture)]
    assert names == ["retention_cliffs"]
    parts = {k: v for k, v in result.parts.items() if k != "hazard"}
    bare = shown(replace(result, parts=parts), "by_tenure", "hazard", "no such part")
    assert [p.name for p in bare if isinstance(p, Picture)] == ["retention_tenures"]
    empty = Result("cohorts", pd.DataFrame(columns=["term"]), sentence="Cannot be told.")
    left = shown(replace(result, parts={"cohorts": empty}), "cohorts")
    assert [str(part) for part in left] == ["Cannot be told."]
