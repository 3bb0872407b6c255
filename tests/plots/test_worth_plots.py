"""Pictures of worth and of silence show what their results hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.retention.comeback import comeback
from cxlab.analyses.retention.worth import worth
from cxlab.data.dataset import load
from cxlab.frames.periods import risk_set
from cxlab.plots import worth as plots
from cxlab.plots.picture import picture
from cxlab.results import Result

DATA = Path(__file__).parents[2] / "data"
NAMES = ("comeback", "worth", "retention_worth")


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    found = {}
    for name, segment in (("demo", "plan"), ("cdnow", "first_order")):
        dataset = load(DATA / name)
        risk = risk_set(dataset)
        parts = worth(dataset, risk, segment=segment) | comeback(risk, 10)
        found[name] = Result("retention", pd.DataFrame(), parts=parts)
    return found


def test_each_is_drawn_where_there_is_something_to_draw(results: dict[str, Result]) -> None:
    drawn = {
        (data, name): bool(getattr(plots, f"{name}_words")(result))
        for data, result in results.items()
        for name in NAMES
    }
    assert drawn == {
        ("demo", "comeback"): False, ("demo", "worth"): True, ("demo", "retention_worth"): True,
        ("cdnow", "comeback"): True, ("cdnow", "worth"): True, ("cdnow", "retention_worth"): False,
    }  # fmt: skip
    bare = Result("retention", pd.DataFrame())
    assert not any(getattr(plots, f"{name}_words")(bare) for name in NAMES)


def test_dots_are_the_shares_hollow_where_seen_for_less(results: dict[str, Result]) -> None:
    part = results["cdnow"]["comeback"]
    ax = plots.comeback(results["cdnow"])
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [d.get_ydata()[0] for d in dots] == part.table["estimate"].tolist()
    hollow = [d.get_markerfacecolor() == "white" for d in dots]
    assert hollow == (part.table["within"] < 365).tolist()
    assert "the rule here: 180 days" in [t.get_text() for t in ax.texts]
    said = plots.comeback_words(results["cdnow"])
    assert "Hollow: seen for less than 365 days." in said["caption"]
    made = picture(ax, name="comeback", **said)
    assert made.png and len(made.data) == len(part.table)


def test_groups_are_drawn_with_their_intervals(results: dict[str, Result]) -> None:
    ax = plots.worth(results["demo"])
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["all customers", "pro", "plus", "basic"]
    table = results["demo"]["worth"].table.set_index("term").loc[labels]
    spans = [line.get_xdata() for line in ax.get_lines() if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(spans, table[["conf_low", "conf_high"]])
    said = plots.worth_words(results["demo"])
    assert "margin 100%, discount 10% a year" in said["caption"]
    assert picture(ax, name="worth", **said).svg


def test_what_retention_adds_is_a_curve_from_nought(results: dict[str, Result]) -> None:
    ax = plots.retention_worth(results["demo"])
    line = ax.get_lines()[0]
    table = results["demo"]["retention_worth"].table
    assert line.get_xdata()[0] == line.get_ydata()[0] == 0
    np.testing.assert_allclose(line.get_ydata()[1:], table["estimate"])
    texts = [t.get_text() for t in ax.texts]
    assert {"+1 point: EUR 91,500", "+5 points: EUR 476,000"} <= set(texts)
    said = plots.retention_worth_words(results["demo"])
    assert "+1 point: EUR 91,500 (88,900 to 94,200)" in said["caption"]
    assert picture(ax, name="r", **said).png
