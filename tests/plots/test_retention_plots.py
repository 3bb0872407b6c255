"""The pictures of retention, read from their Axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from cxlab.analyses import retention
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.plots import retention as plots
from cxlab.plots.picture import picture
from cxlab.plots.style import identities
from cxlab.results import Result

ALL = ("curve", "segment_curves", "ends", "tenures", "months")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder: Path = tmp_path_factory.mktemp("plots") / "demo"
    write(simulate("demo", 900, 2), folder)
    return retention.run(load(folder), segment="plan")


def _texts(ax: Any) -> list[str]:
    return [t.get_text() for t in ax.texts]


def test_the_curve_has_those_at_risk_under_its_ticks(result: Result) -> None:
    ax = plots.curve(result)
    table = result["curve"].table
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), table["estimate"])
    known = table.set_index("tenure")["n"]
    told = [t for t in ax.texts if t.get_text() != "at risk"]
    assert len(told) == len(result.meta["ticks"]) >= 3
    for text in told:
        assert text.get_text() == f"{known[text.xy[0]]:,}"
    assert ax.get_ylim()[0] == 0


def test_groups_are_named_at_their_ends_and_look_the_same_everywhere(result: Result) -> None:
    ax = plots.segment_curves(result)
    names = ["basic", "plus", "pro"]
    looks = identities(names)
    for name, line in zip(names, ax.lines, strict=False):
        assert line.get_color() == looks[name].colour
        rows = result["segment_curves"].table.query("term == @name")
        np.testing.assert_array_equal(line.get_ydata(), rows["estimate"])
    assert [_texts(ax).count(name) for name in names] == [2, 2, 2]  # at the end and below
    places = sorted(t.get_position()[1] for t in ax.texts if t.xy[1] > 0)
    assert (np.diff(places) > 0.05).all()


def test_all_ends_are_drawn(result: Result) -> None:
    ax = plots.ends(result)
    last = [line.get_ydata()[-1] for line in ax.lines]
    assert sum(last) == pytest.approx(1.0)
    assert "left of their own will" in _texts(ax)


def test_rates_have_their_intervals(result: Result) -> None:
    ax = plots.tenures(result)
    table = result["by_tenure"].table
    assert [float(line.get_ydata()[0]) for line in ax.lines] == table["estimate"].tolist()
    ax = plots.months(result)
    spans = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 2]
    months = result["by_month"].table
    assert [list(s) for s in spans] == months[["conf_low", "conf_high"]].to_numpy().tolist()


def test_an_unfinished_month_is_hollow(result: Result) -> None:
    months = result["by_month"].table.copy()
    months.loc[months.index[-1], "whole"] = False
    parts = {**result.parts, "by_month": Result("by_month", months)}
    part = Result("retention", result.table, (), result.meta, "", parts)
    dots = [li for li in plots.months(part).lines if li.get_marker() == "o"]
    fills = [line.get_markerfacecolor() for line in dots]
    assert fills[-1] == "white"
    assert set(fills[:-1]) == {dots[0].get_color()}
    assert "Hollow: a month seen in part." in plots.months_words(part)["caption"]


@pytest.mark.parametrize("name", ALL)
def test_words_tell_n_period_and_level_and_the_picture_can_be_made(
    result: Result, name: str
) -> None:
    words = getattr(plots, f"{name}_words")(result)
    meta = result.meta
    told = (f"{meta['customers']:,} customers", f"{meta['churns']:,} left", meta["period"][0],
            meta["period"][1], "95% interval")  # fmt: skip
    for part in told:
        assert part in words["caption"]
    before = dict(mpl.rcParams)
    made = picture(getattr(plots, name)(result), name=name, **words)
    assert made.svg.startswith("<?xml")
    assert len(made.data) > 2
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", ALL)
def test_it_draws_where_it_is_told(result: Result, name: str) -> None:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert getattr(plots, name)(result, ax=ax) is ax


def test_ends_that_meet_are_labelled_apart() -> None:
    placed = plots._apart(np.array([0.97, 0.99, 1.0, 0.2]))
    assert (np.diff(np.sort(placed)) > 0.05).all()
    assert placed.max() <= 1.0
    assert placed[3] == 0.2
