"""The graph of moves between touchpoints, read from its Axes."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from cxlab.analyses import journeys
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.plots import flows, ways
from cxlab.plots.style import ACCENT, HARM, HELP, UNSURE, style
from cxlab.results import Result

STAGES = ("awareness", "consideration", "purchase", "use of everything there is", "support")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder: Path = tmp_path_factory.mktemp("ways") / "demo"
    write(simulate("demo", 900, 2), folder)
    return journeys.run(load(folder))


def _made(result: Result, names: list[str], stages: tuple[str, ...], seed: int) -> Result:
    """Put touchpoints of any number and name in place of the result's, with drawn moves."""
    draw, many = np.random.default_rng(seed), len(names)
    volume = (draw.pareto(1.2, many) * 500 + 50).astype(int)
    rows: list[tuple[str, str, str, int, float]] = []
    for i, name in enumerate(names):
        go = draw.uniform(0.1, 0.5)
        moves = draw.multinomial(int(volume[i] * go), draw.dirichlet(np.full(many, 0.3)))
        rows += [(name, names[j], "move", m, m / volume[i]) for j, m in enumerate(moves) if m]
        rows += [(name, "(end)", "end", volume[i] - moves.sum(), 1 - go),
                 ("(start)", name, "start", volume[i], volume[i] / volume.sum())]  # fmt: skip
    table = pd.DataFrame(rows, columns=["from", "to", "kind", "contacts", "estimate"])
    table = table.assign(n=table["contacts"], term=table["from"] + " > " + table["to"])
    table = table.sort_values("contacts", ascending=False, kind="stable", ignore_index=True)
    fails = draw.uniform(0.02, 0.3, many)
    failed = pd.DataFrame({"touchpoint": names, "figure": "failed", "estimate": fails,
                           "conf_low": fails - 0.03, "conf_high": fails + 0.03,
                           "of": volume.astype(float), "withheld": False, "n": volume})  # fmt: skip
    places = {"touchpoint": names, "stage": [stages[i * len(stages) // many] for i in range(many)],
              "contacts": volume.tolist(), "customers": volume.tolist()}  # fmt: skip
    part = replace(result["transitions"], table=table)
    return replace(result, table=failed, meta={**result.meta, "places": places},
                   parts={**result.parts, "transitions": part})  # fmt: skip


def _boxes(ax: Any) -> dict[str, Any]:
    """Give where each text is, in the picture's points."""
    with style():  # letters that no font has are drawn as boxes
        return {f"{k} {t.get_text()}": t.get_window_extent() for k, t in enumerate(ax.texts)}


def _shares(ax: Any) -> list[str]:
    return [t.get_text() for t in ax.texts if t.get_text().endswith("%")]


@pytest.mark.parametrize(
    ("names", "stages", "mute"),
    [
        ([f"touchpoint {k:02d} $x_" for k in range(20)], STAGES, 0),
        ([f"touchpoint {k:02d} $x_" for k in range(60)], STAGES, 0),
        ([f"a-very-long-name-without-end-{k}" for k in range(20)], ("no stage given",), 0),
        ([f"<b>&amp;\n{'客' * k}</b>" for k in range(12)], ("one", "two"), 1),
    ],
)
def test_no_text_lies_on_another_and_every_share_is_told(
    result: Result, names: list[str], stages: tuple[str, ...], mute: int
) -> None:
    many = _made(result, names, stages, len(names))
    ax = ways.ways(many)
    boxes = _boxes(ax)
    over = [
        pair
        for pair in combinations(boxes, 2)
        if boxes[pair[0]].shrunk(0.9, 0.85).overlaps(boxes[pair[1]].shrunk(0.9, 0.85))
    ]
    assert over == []
    said = ways.ways_words(many)
    assert len(_shares(ax)) == len(said["data"]) - mute
    assert ("1 figure has no room here" in said["caption"]) == bool(mute)
    # Read at the width of a phone, which shows a picture 640 points wide.
    assert ax.figure.get_figwidth() <= 11.5


def test_the_strongest_moves_are_drawn_and_the_rest_is_counted(result: Result) -> None:
    ax, said = ways.ways(result), ways.ways_words(result)
    every = result["transitions"].table.query("kind == 'move'")
    drawn = said["data"].query("kind == 'move'")
    assert drawn["contacts"].tolist() == every["contacts"].head(len(drawn)).tolist()
    carried = drawn["contacts"].sum() / every["contacts"].sum()
    assert carried >= 0.6 or len(drawn) == 22
    assert f"carry {carried:.0%} of {every['contacts'].sum():,}" in said["caption"]
    rest = len(every) - len(drawn)
    assert f"{rest} moves are hidden: {1 - carried:.0%} in all" in said["caption"]
    arrows = [x for x in ax.lines if len(x.get_xdata()) > 2]
    moves = [x for x in arrows if to_hex(x.get_color()) == ACCENT]
    dashed = [x for x in arrows if to_hex(x.get_color()) == UNSURE]
    assert len(moves) == len(drawn) and len(dashed) == len(said["data"]) - len(drawn)
    assert {x.get_linestyle() for x in moves} == {"-"} and dashed[0].get_linestyle() == "--"
    width = np.array([x.get_linewidth() for x in moves]) - 0.8
    assert np.allclose(width / width[0], drawn["contacts"] / drawn["contacts"].iloc[0])
    assert sorted(_shares(ax)) == sorted(f"{v:.0%}" for v in said["data"]["estimate"])


def test_the_square_holds_every_arrow(result: Result) -> None:
    table = ways.ways_words(result)["data"]
    twin = flows.transitions_words(result)["data"].set_index(["from", "to"])["estimate"]
    for row in table.itertuples(index=False):
        assert twin[row[table.columns.get_loc("from")], row.to] == row.estimate


def test_stages_are_columns_and_marks_tell_failure(result: Result) -> None:
    ax = ways.ways(result)
    nodes = [x for x in ax.lines if len(x.get_xdata()) == 1]
    places = pd.DataFrame(result.meta["places"])
    names = flows.square(result)[1]
    places = places.set_index("touchpoint").loc[names]
    assert len(nodes) == len(names)
    across = {s: {round(float(n.get_xdata()[0]), 6) for n, t in zip(nodes, names, strict=True)
                  if places.loc[t, "stage"] == s} for s in places["stage"].unique()}  # fmt: skip
    assert [len(v) for v in across.values()] == [1] * len(across)
    order = [min(v) for v in across.values()]
    assert order == sorted(order)
    sizes = [n.get_markersize() for n in nodes]
    assert np.argmax(sizes) == places["contacts"].argmax()
    failed = result.table.query("figure == 'failed'").set_index("touchpoint")
    middle = np.average(failed.loc[names, "estimate"], weights=failed.loc[names, "of"])
    for node, name in zip(nodes, names, strict=True):
        row = failed.loc[name]
        want = (UNSURE, "o") if row.conf_low <= middle <= row.conf_high else (
            (HARM, "v") if row.estimate > middle else (HELP, "s"))  # fmt: skip
        assert (to_hex(node.get_color()), node.get_marker()) == want


def test_without_outcomes_nothing_is_said_of_failure(result: Result) -> None:
    none = replace(result, table=result.table.query("figure != 'failed'"))
    said = ways.ways_words(none)
    assert "fail" not in said["caption"]
    assert not [t for t in ways.ways(none).texts if "fail" in t.get_text()]
