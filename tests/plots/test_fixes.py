"""Pictures of what to fix read the result, and draw what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import fixes
from cxlab.plots.picture import Picture
from cxlab.results import Plain, Result

NAMES = ("call", "chat", "shop", "$app$")


@pytest.fixture
def result() -> Result:
    middle = np.array([900.0, 400.0, 50.0, np.nan])
    table = pd.DataFrame(
        {
            "touchpoint": NAMES, "verdict": ["driver", "driver", "no evidence", "too little data"],
            "estimate": middle / 100, "conf_low": middle / 200, "conf_high": middle / 50,
            "benefit": middle, "benefit_low": middle / 2, "benefit_high": middle * 2,
            "cost": [500.0, 800.0, 100.0, 100.0], "ease": [2.0, np.nan, 5.0, np.nan],
            "owner": ["support", None, "retail", None],
        }
    )  # fmt: skip
    months = [f"2026-{m:02d}" for m in range(7, 10)]
    future = pd.DataFrame(
        {"month": [*months, "total"], "estimate": [1.0, 2.0, 2.0, 5.0],
         "conf_low": [0.5, 1.0, 1.0, 3.0], "conf_high": [2.0, 3.0, 3.0, 7.0],
         "leavers": [39.0, 38.0, 37.0, 114.0], "unchanged": [40.0, 40.0, 39.0, 119.0]}
    )  # fmt: skip
    past = future.assign(month=["2026-04", "2026-05", "2026-06", "total"])
    forecasts = pd.DataFrame(
        {"touchpoint": [""] * 3 + ["call"] * 3, "share": [0.0] * 3 + [0.3] * 3,
         "month": months * 2, "estimate": [40.0, 40.0, 39.0, 39.0, 38.0, 37.0],
         "conf_low": 30.0, "conf_high": 50.0}
    )  # fmt: skip
    seen = pd.DataFrame({"month": ["2026-05", "2026-06"], "leavers": [41.0, 38.0]})
    meta = {"window_churns": 120, "window_days": 90, "as_of": "2026-06-30", "horizon_months": 3,
            "share": 0.3, "unit": "money", "currency": "EUR",
            "scenario": [["call", 0.3, ""]]}  # fmt: skip
    parts = {"future": future, "past": past, "forecasts": forecasts, "seen": seen}
    told = {n: Result(n, t, sentence=f"{n} is told.") for n, t in parts.items()}
    told["next"] = Result("next", table)
    return Result("what_to_fix", table, meta=meta, parts=told)


def _dots(ax: object) -> list[tuple[float, float]]:
    lines = ax.lines  # type: ignore[attr-defined]
    return [(float(x[0]), float(y[0])) for line in lines
            for x, y in [line.get_data()] if len(x) == 1]  # fmt: skip


def test_drivers_come_first_with_their_costs(result: Result) -> None:
    ax = fixes.benefit(result)
    names = [t.get_text() for t in ax.get_yticklabels()]
    assert names == ["call", "chat", "shop"]
    assert [t.get_fontweight() for t in ax.get_yticklabels()] == ["bold", "bold", "normal"]
    assert _dots(ax) == [(900, 2), (400, 1), (50, 0)]
    ends = [line.get_xdata() for line in ax.lines]
    bars = [x[0] for x in ends if len(x) == 2 and x[0] == x[1]]
    assert {500.0, 800.0, 100.0} <= set(bars)
    assert [t.xy[0] for t in ax.texts if t.get_text() == "its cost"] == [500.0]
    said = fixes.benefit_words(result)
    assert "call 900, chat 400" in said["alt"]
    assert "120 churns of the 90 days" in said["caption"]


def test_impact_stands_against_cost_or_ease(result: Result) -> None:
    ax = fixes.feasibility(result)
    assert _dots(ax) == [(500, 900), (800, 400)]
    low, high = ax.get_xlim()
    assert low > high  # cheap on the right
    table = result.table.assign(cost=np.nan)
    ax = fixes.feasibility(replace(result, table=table))
    assert _dots(ax) == [(2, 900)]
    assert ax.get_xticklabels()[0].get_text() == "1, hard"
    neither = replace(result, table=table.assign(ease=np.nan))
    assert fixes.feasibility_words(neither) == {}
    assert "Neither" in fixes.feasibility(neither).texts[0].get_text()


def test_without_money_customers_are_drawn(result: Result) -> None:
    meta = {**result.meta, "unit": "customers", "currency": ""}
    told = replace(result, meta=meta, table=result.table.assign(cost=np.nan))
    assert _dots(fixes.benefit(told)) == [(9, 2), (4, 1), (0.5, 0)]
    assert "churn avoided" in fixes.benefit_words(told)["caption"]
    assert "Upright" not in fixes.benefit_words(told)["caption"]


def test_months_behind_and_ahead(result: Result) -> None:
    ax = fixes.avoided(result)
    assert [y for _, y in _dots(ax)] == [1, 2, 2, 1, 2, 2]
    assert {"would have been", "will be"} <= {t.get_text() for t in ax.texts}
    assert "call −30%" in fixes.avoided_words(result)["caption"]
    only = replace(result, parts={n: p for n, p in result.parts.items() if n != "past"})
    assert len(_dots(fixes.avoided(only))) == 3
    nothing = replace(result, meta={**result.meta, "scenario": []})
    assert fixes.avoided_words(nothing) == {}
    assert "no change" in fixes.avoided(nothing).texts[0].get_text()


def test_the_outlook_goes_on_from_what_was_seen(result: Result) -> None:
    ax = fixes.outlook(result)
    seen, ahead, changed = ax.lines
    assert list(seen.get_ydata()) == [41, 38]
    assert list(ahead.get_xdata()) == [2, 3, 4]
    assert list(changed.get_ydata()) == [39, 38, 37]
    assert "40 in 2026-07, 39 in 2026-09" in fixes.outlook_words(result)["alt"]
    none = replace(result, parts={"future": result["future"]})
    assert fixes.outlook_words(none) == {}


def test_what_is_said_stands_beside_its_share_of_failures(result: Result) -> None:
    table = pd.DataFrame(
        {"touchpoint": ["call", "call", "chat", "call"], "kind": ["theme"] * 3 + ["other"],
         "theme": ["<b>late</b>", "rude", "$slow$", "nobody commented"],
         "share": [0.1, 0.3, 0.2, 0.6], "share_low": [0.05, 0.2, 0.1, 0.5],
         "share_high": [0.2, 0.4, 0.3, 0.7], "failure_share": [0.2, 0.15, 0.2, 0.65],
         "faster": [0.8, 3.0, 2.0, np.nan], "faster_holm": [0.5, 0.01, 0.2, np.nan]}
    )  # fmt: skip
    told = replace(result, parts={**result.parts, "themes": Result("themes", table)})
    ax = fixes.said(told)
    assert ax.get_yticklabels()[0].get_text() == "rude"
    assert [t.get_fontweight() for t in ax.get_yticklabels()] == ["bold", "normal", "normal"]
    assert [x for x, _ in _dots(ax)] == pytest.approx([30, 20, 10])
    bars = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 2]
    assert {15.0, 20.0} <= {round(float(x), 6) for x in bars}
    assert (
        "rude at call 30.0% of the churn and 15.0% of the failures" in fixes.said_words(told)["alt"]
    )
    assert [type(m) for m in fixes.shown(told, "said")] == [Picture]
    assert fixes.said_words(result) == {}
    assert "Nothing is told" in fixes.said(result).texts[0].get_text()


def test_a_page_shows_what_there_is(result: Result) -> None:
    made = fixes.shown(result, "benefit", "future", "next", "ranking", "pasts")
    assert [type(m) for m in made] == [Picture, Plain, Result]
    assert isinstance(made[0], Picture)
    assert made[0].name == "what_to_fix_benefit"
    assert fixes.shown(replace(result, table=result.table.iloc[:0]), "benefit", "future") == []
