"""The picture of what is at stake draws what the result says, in money where it is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import summary as drawn
from cxlab.results import Result


@pytest.fixture
def result() -> Result:
    lost, money = np.array([4.0, 9.0, -3.0]), np.array([300.0, 120.0, -50.0])
    table = pd.DataFrame({
        "touchpoint": ["chat", "call <b>", "offer"], "valence": "bad",
        "verdict": ["driver", "driver", "protective"],
        **{f"attributable_churn{e}": lost + d for e, d in (("", 0), ("_low", -2), ("_high", 2))},
        **{f"value_at_risk{e}": money + d for e, d in (("", 0), ("_low", -40), ("_high", 40))},
    })  # fmt: skip
    meta = {"window_days": 90, "as_of": "2026-06-30", "customers": 900, "currency": "EUR"}
    return Result("summary", pd.DataFrame(), meta=meta, parts={"drivers": Result("drivers", table)})


def _middles(result: Result) -> dict[str, float]:
    ax = drawn.stake(result)
    names = {y: t.get_text() for t, y in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)}
    return {names[float(line.get_ydata()[0])]: float(line.get_xdata()[0])
            for line in ax.lines if len(line.get_xdata()) == 1}  # fmt: skip


def test_money_comes_first_where_it_is_known(result: Result) -> None:
    assert _middles(result) == {"chat": 300, "call <b>": 120}
    said = drawn.stake_words(result)
    assert said["caption"].startswith("chat cost most: 300 (260 to 340) EUR a month.")
    assert "call <b>: 120 (80 to 160)" in said["alt"]
    assert said["data"]["touchpoint"].tolist() == ["chat", "call <b>"]
    assert len(drawn.shown(result)) == 1


def test_customers_where_it_is_not(result: Result) -> None:
    table = result["drivers"].table
    table.loc[0, "value_at_risk_high"] = np.nan
    assert _middles(result) == {"call <b>": 9, "chat": 4}
    assert "9 (7 to 11) customers" in drawn.stake_words(result)["caption"]


def test_without_drivers_there_is_no_picture(result: Result) -> None:
    table = result["drivers"].table
    table["verdict"] = "protective"
    assert drawn.stake_words(result) == {}
    snapshot = Result("drivers", pd.DataFrame({"touchpoint": ["plan"], "verdict": ["driver"]}))
    bare = Result("summary", pd.DataFrame(), parts={"drivers": snapshot})
    assert drawn.shown(bare) == []
    assert drawn.shown(Result("summary", pd.DataFrame())) == []
