"""The pictures of personas, read from their Axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import personas as plots
from cxlab.plots.picture import Picture, picture
from cxlab.plots.style import DARK, HARM
from cxlab.results import Result

KINDS = ["Often by app, many contacts", "Often by phone, many failures"]
DRAWN = {"own": "own", "gaps": "apart", "set_apart": "portraits", "curves": "curves",
         "hurt_by": "drivers"}  # fmt: skip


def _features() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for sign, name in zip((1, -1), KINDS, strict=True):
        for k, behaviour in enumerate(["contacts by app", "<b>$x$", "contacts that failed"]):
            gap = sign * (1.5 - k)
            rows.append(
                {"persona": name, "behaviour": behaviour, "estimate": gap, "conf_low": gap - 0.1,
                 "conf_high": gap + 0.1, "p_value": np.nan, "n": 60, "mean": 0.4, "others": 0.1,
                 "kind": "share", "formed": k < 2, "pain": k == 2, "key": behaviour}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _result(groups: int = 2) -> Result:
    at = np.array([0.0, 30.0, 60.0])
    curve = pd.concat(
        pd.DataFrame({"term": name.partition(",")[0], "tenure": at, "estimate": 1 - at / 200 / k,
                      "conf_low": 0.95 - at / 200 / k, "conf_high": 1.0, "n": 60 - at / 10})
        for k, name in enumerate(KINDS[:groups], start=1)
    ) if groups else pd.DataFrame()  # fmt: skip
    own = pd.DataFrame({"term": ["contacts", "failed", "weekends"],
                        "reliability": [0.6, 0.1, 0.001], "own": [True, False, False]})  # fmt: skip
    tried = pd.DataFrame(
        {"groups": [2, 3], "gap": [1.2, -0.4], "null": [-0.2, -0.3], "null_high": [0.1, 0.2],
         "p_value": [0.01, 0.9], "found": [groups > 0, False]}
    )  # fmt: skip
    parts = {"behaviours": Result("behaviours", own), "apart": Result("apart", tried),
             "differing": Result("differing", own, meta={"own_from": 0.3})}  # fmt: skip
    if groups:
        levels = [name.partition(",")[0] for name in KINDS]
        hurt = pd.DataFrame({"term": [*KINDS, "<b>$few"], "estimate": [1.1, 2.1, np.nan],
                             "conf_low": [0.8, 1.5, np.nan], "conf_high": [1.5, 2.9, np.nan],
                             "churns": [12.0, 20.0, np.nan]})  # fmt: skip
        about = {"half_life_days": 28.0, "churns": 40}
        parts |= {"features": Result("features", _features()),
                  "drivers": Result("drivers", hurt, meta=about),
                  "segment_curves": Result("segment_curves", curve,
                                           meta={"all_levels": levels})}  # fmt: skip
    meta = {
        "seen": 120, "period": ["2025-01-01", "2025-06-29"], "churns": 9, "ticks": [0, 30, 60],
        "followed": "2025-06-30 to 2025-08-29", "tenure_unit": "days after the window",
        "portraits": {name: "Their pains." for name in KINDS}, "customers": 130,
    }  # fmt: skip
    return Result("personas", pd.DataFrame(), meta=meta, parts=parts)


@pytest.mark.parametrize("name", DRAWN)
def test_each_picture_has_its_words_and_dark_colours(name: str) -> None:
    result = _result()
    words = getattr(plots, f"{DRAWN[name]}_words")(result)
    made = picture(getattr(plots, DRAWN[name])(result), name=name, **words)
    assert "2025" in words["caption"]
    used = {word.lower() for word in made.svg.replace('"', " ").replace(";", " ").split()}
    assert {w for w in used if w.startswith("#") and len(w) == 7} <= set(DARK)


def test_marks_are_the_figures_and_burdens_are_told_without_colour() -> None:
    ax = plots.portraits(_result())
    table = _features()
    for panel, (_, rows) in zip(ax.figure.axes, table.groupby("persona", sort=False), strict=False):
        marks = [line for line in panel.lines if len(line.get_xdata()) == 1]
        drawn = sorted(float(m.get_xdata()[0]) for m in marks)
        np.testing.assert_allclose(drawn, sorted(rows["estimate"]))
        shapes = {m.get_marker() for m in marks}
        assert shapes == {"o", "D"}
        assert (
            sum(m.get_color() == HARM for m in marks)
            == (rows["pain"] & (rows["estimate"] > 0)).sum()
        )


def test_a_gap_is_drawn_as_so_many_times() -> None:
    ax = plots.apart(_result())
    line = next(
        x for x in ax.lines if list(x.get_xdata()) == [2.0, 3.0] and x.get_linestyle() == "-"
    )
    np.testing.assert_allclose(line.get_ydata(), np.exp([1.2, -0.4]))
    full = [x for x in ax.lines if x.get_marker() == "o" and x.get_markerfacecolor() != "white"]
    assert [list(x.get_xdata()) for x in full] == [[2.0]]
    assert "those that count: 2" in plots.apart_words(_result())["alt"]


def test_what_bad_contacts_do_is_drawn_the_worst_first_and_claimed_where_told() -> None:
    ax = plots.drivers(_result())
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(m.get_xdata()[0]) for m in marks] == [2.1, 1.1]
    assert [m.get_markerfacecolor() == "white" for m in marks] == [False, True]
    assert [label.get_text() for label in ax.get_yticklabels()] == KINDS[::-1]
    assert "1 persona" in plots.drivers_words(_result())["caption"]


def test_bars_are_what_returns() -> None:
    ax = plots.own(_result())
    assert [t.get_text() for t in ax.get_yticklabels()] == ["contacts", "failed"]
    words = plots.own_words(_result())
    assert words["caption"].endswith(" Not drawn: 1 of 0%.") and len(words["data"]) == 3
    assert [p.get_width() for p in ax.patches] == [0.6, 0.1]
    assert [label.get_fontweight() for label in ax.get_yticklabels()] == ["bold", "normal"]


def test_without_personas_there_is_nothing_of_them() -> None:
    none = _result(0)
    names = [p.name for p in plots.shown(none, *DRAWN) if isinstance(p, Picture)]
    assert names == ["personas_own", "personas_gaps"]
    assert "none" in plots.apart_words(none)["alt"]
    assert plots.shown(Result("personas", pd.DataFrame()), *DRAWN, "words of drift") == []
    empty = Result("personas", pd.DataFrame(), meta={"personas": []})
    assert plots.shown(empty, "words of drift", "drifted", "portraits") == []


@pytest.mark.parametrize("name", DRAWN.values())
def test_it_draws_where_it_is_told(name: str) -> None:
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert getattr(plots, name)(_result(), ax=ax) is ax
