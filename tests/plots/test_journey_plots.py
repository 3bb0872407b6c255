"""The pictures of journeys, read from their Axes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cxlab.analyses import journeys
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.plots import flows, lived, ways
from cxlab.plots import journeys as plots
from cxlab.plots.style import HARM, HELP, UNSURE
from cxlab.results import Result

PICTURES = ("map", "compared", "flows", "ways", "transitions", "step_matrix", "handoffs", "loops",
            "experience", "channels")  # fmt: skip


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder: Path = tmp_path_factory.mktemp("journeys") / "demo"
    write(simulate("demo", 900, 2), folder)
    return journeys.run(load(folder), compare="plan=basic vs plan=pro")


def _texts(ax: Any) -> list[str]:
    return [t.get_text() for t in ax.texts]


def test_all_pictures_have_their_words(result: Result) -> None:
    before = dict(mpl.rcParams)
    for tell in (plots.journey_map_words, plots.differences_words, lived.handoffs_words,
                 lived.loops_words, lived.accounts_words, lived.channels_words, ways.ways_words,
                 flows.flows_words, flows.transitions_words, flows.step_matrix_words):  # fmt: skip
        said = tell(result)
        assert said["caption"].endswith(".") and "nan" not in said["caption"] + said["alt"]
        assert len(said["data"])
    assert plots.differences(result).figure.axes[0].get_title(loc="left").startswith("Contacts")
    made = plots.shown(result, "words of loops", "loops", "by_start", "nothing")
    assert [type(m).__name__ for m in made] == ["Plain", "Picture", "Result"]
    assert made[1].name == "journeys_loops"  # type: ignore[union-attr]
    assert dict(mpl.rcParams) == before


def test_the_map_shows_every_touchpoint_by_stage(result: Result) -> None:
    ax = plots.journey_map(result)
    places = pd.DataFrame(result.meta["places"])
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert [n for n in names if not n.isupper()] == places["touchpoint"].tolist()
    assert [n for n in names if n.isupper()] == [s.upper() for s in places["stage"].unique()]
    assert [bar.get_width() for bar in ax.containers[0]] == places["contacts"].tolist()


def test_marks_tell_worse_from_better_by_more_than_colour(result: Result) -> None:
    panel = plots.journey_map(result).figure.axes[1]
    rows = result.table.query("figure == 'failed'")
    middle = np.average(rows["estimate"], weights=rows["of"])
    drawn = [x for x in panel.lines if len(x.get_xdata()) == 1]
    assert len(drawn) == len(rows)
    for line, row in zip(drawn, rows.itertuples(), strict=True):
        assert line.get_xdata()[0] == row.estimate
        want = (UNSURE, "o") if row.conf_low <= middle <= row.conf_high else (
            (HARM, "v") if row.estimate > middle else (HELP, "s"))  # fmt: skip
        assert (to_hex(line.get_color()), line.get_marker()) == want


def test_ribbons_and_bars_are_as_high_as_their_share(result: Result) -> None:
    ax = flows.flows(result)
    table = result["flows"].table
    begun = result["flows"].meta["begun"]
    first = table[table["step"] == 1].groupby("from")["journeys"].sum() / begun
    bars = [b for b in ax.patches if abs(b.get_x() - 1) < 1e-9]
    assert sorted(b.get_height() for b in bars) == pytest.approx(sorted(first))
    # No two bars of a step, and no two names, are in each other's way.
    for x in {b.get_x() for b in ax.patches}:
        own = sorted((b.get_y(), b.get_y() + b.get_height()) for b in ax.patches if b.get_x() == x)
        assert all(a[1] <= b[0] + 1e-9 for a, b in pairwise(own))
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.get_yticklabels()]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_squares_show_the_shares_they_stand_for(result: Result) -> None:
    ax = flows.step_matrix(result)
    table = result["step_matrix"].table
    assert sorted(_texts(ax)) == sorted(f"{100 * e:.0f}" for e in table["estimate"])
    ax = lived.handoffs(result)
    shares = [t for t in _texts(ax) if t.endswith("%")]
    pairs = result["handoff_pairs"].table
    assert sorted(shares) == sorted(f"{e:.0%}" for e in pairs["estimate"])
    assert sum(p.get_fill() is False for p in ax.patches) == (pairs["from"] == pairs["to"]).sum()


def test_long_names_of_channels_keep_apart(result: Result) -> None:
    part = result["handoff_pairs"]
    table = part.table.copy()
    for side in ("from", "to"):
        table[side] = table[side].astype(str) + " of a name as long as they come"
    long = replace(result, parts={**result.parts, "handoff_pairs": replace(part, table=table)})
    ax = lived.handoffs(long)
    ax.figure.canvas.draw()
    labels = ax.get_xticklabels()
    assert {t.get_rotation() for t in labels} == {30.0}
    assert {t.get_rotation() for t in lived.handoffs(result).get_xticklabels()} == {0.0}


def test_channels_are_compared_in_three_ways(result: Result) -> None:
    ax = lived.channels(result)
    table = result["channels"].table.query("estimate != 1")
    marks = [x for x in ax.lines if len(x.get_xdata()) == 1 and x.get_marker() in "XDo"]
    assert sorted(x.get_xdata()[0] for x in marks) == pytest.approx(sorted(table["estimate"]))
    assert len(ax.get_legend().get_texts()) == 3


def test_sixty_touchpoints_leave_the_map_readable(result: Result) -> None:
    one = result.table[result.table["touchpoint"] == "invoice"]
    names = [f"touchpoint {k:02d} $x_" for k in range(60)]
    table = pd.concat([one.assign(touchpoint=n) for n in names], ignore_index=True)
    places = {"touchpoint": names, "stage": ["use"] * 60, "contacts": list(range(60)),
              "customers": [20] * 60}  # fmt: skip
    many = replace(result, table=table, meta={**result.meta, "places": places})
    ax = plots.journey_map(many)
    assert len(ax.get_yticklabels()) == 45
    assert "15 are not drawn" in plots.journey_map_words(many)["caption"]


def test_a_touchpoint_called_as_an_end_has_a_lane_of_its_own(result: Result) -> None:
    part = result["flows"]
    old = part.meta["top"][0]
    table = part.table.replace({"from": {old: "complete"}, "to": {old: "complete"}})
    top = ["complete", *part.meta["top"][1:]]
    places = dict(result.meta["places"])
    places["touchpoint"] = ["complete" if t == old else t for t in places["touchpoint"]]
    same = replace(
        result,
        meta={**result.meta, "places": places},
        parts={**result.parts, "flows": replace(part, table=table, meta={**part.meta, "top": top})},
    )
    ax, plain = flows.flows(same), flows.flows(result)
    labels = [t for t in ax.get_yticklabels() if t.get_text() == "complete"]
    assert [t.get_fontweight() for t in labels] == ["normal", "bold"]
    assert labels[0].get_position()[1] != labels[1].get_position()[1]
    bars = [[p.get_bbox().bounds for p in each.patches] for each in (ax, plain)]
    assert np.allclose(sorted(bars[0]), sorted(bars[1]))


def test_volumes_that_are_withheld_are_said_so(result: Result) -> None:
    places = {**result.meta["places"], "contacts": [None, *result.meta["places"]["contacts"][1:]]}
    gone = replace(result, meta={**result.meta, "places": places})
    assert "withheld" in _texts(plots.journey_map(gone))
    assert ways.ways(gone) is not None


def test_nothing_is_drawn_of_nothing(result: Result) -> None:
    parts = dict(result.parts)
    for name in ("flows", "transitions", "step_matrix", "handoff_pairs", "loops", "experience",
                 "channels", "compared"):  # fmt: skip
        parts[name] = replace(parts[name], table=parts[name].table.head(0))
    empty = replace(result, parts=parts)
    assert plots.shown(empty, *PICTURES[1:]) == []
    for draw in (lived.handoffs, lived.loops, lived.accounts, lived.channels, plots.differences,
                 flows.flows, flows.transitions, flows.step_matrix, ways.ways):  # fmt: skip
        assert draw(empty) is not None  # says so instead


def test_where_little_is_there_the_words_are_whole(result: Result) -> None:
    part, matrix = result["flows"], result["step_matrix"]
    first = part.table[part.table["step"] > 1].assign(ends=False)
    said = flows.flows_words(
        replace(result, parts={**result.parts, "flows": replace(part, table=first)})
    )
    assert "At the first step: ." not in said["alt"] and "  " not in said["caption"]
    few = replace(matrix, meta={**matrix.meta, "withheld": 1, "min_group": 10})
    said = flows.step_matrix_words(replace(result, parts={**result.parts, "step_matrix": few}))
    assert "fewer than 10 customers (1 cell)" in said["caption"]
    one = replace(result, meta={**result.meta, "contacts": 1, "customers": 1})
    assert "1 contact of 1 customer, " in plots.journey_map_words(one)["caption"]
    none = replace(result, meta={**result.meta, "missing": dict.fromkeys(
        ("failed", "score", "effort", "emotion", "exits"), "")})  # fmt: skip
    assert plots.journey_map_words(none)["alt"].endswith("columns for contacts.")
