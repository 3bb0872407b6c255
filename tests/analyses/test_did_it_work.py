"""Whether what was done helped, where it is known what it did."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mended_world import DAYS, day, make, row

import cxlab
from cxlab.analyses import did_it_work
from cxlab.data.forecasts import Forecast, text
from cxlab.errors import UsageError
from cxlab.results import Result

DEMO = Path(__file__).parents[2] / "data" / "demo"
Rows = list[Mapping[str, Any]]
STAGGERED: Rows = [row(230, "north"), row(330, "east")]


@pytest.fixture(scope="module")
def staggered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls fail half as often, in the north from one day on and in the east from a later one."""
    return make(tmp_path_factory.mktemp("staggered"), STAGGERED)


@pytest.fixture(scope="module")
def told(staggered: Path) -> Result:
    return did_it_work.run(cxlab.load(staggered))


def _with(folder: Path, to: Path, rows: Rows) -> Path:
    """Give the same data with other interventions."""
    shutil.copytree(folder, to)
    pd.DataFrame([dict(r) for r in rows]).to_csv(to / "interventions.csv", index=False)
    return to


def _main(result: Result, intervention: str = "script") -> pd.Series:
    table = result.table
    return table[table["main"] & (table["intervention"] == intervention)].iloc[0]


def test_a_staggered_roll_out_is_found_and_held(told: Result) -> None:
    main = _main(told)
    assert main["design"] == "compared"
    assert main["verdict"] == "worked"
    assert main["conf_low"] < 0.5 < main["conf_high"]
    assert main["q_value"] >= main["p_value"]
    assert main["rate"] < main["rate_without"]
    assert main["change"] == pytest.approx(main["rate"] - main["rate_without"])
    assert main["same_low"] < 0.5 < main["same_high"]  # of those there when it began
    assert "customers come and leave; failures of those who were there" in told["doubts"].sentence
    score = told.table.set_index("outcome").loc["CSAT score"]
    assert score["scale"] == "difference"
    assert score["estimate"] > 0  # two points a failure that is not there
    sentence = told["answers"].table["answer"][0]
    assert sentence.startswith("script cut failures at call to ")
    assert "points fewer), beyond chance." in sentence
    assert told["cohorts"].table.query("outcome == 'failure rate'")["start"].tolist() == [
        str(day(230).date()), str(day(330).date())]  # fmt: skip
    finding = did_it_work.findings(told)[0]
    assert finding.verdict == "worked"
    assert finding.estimate == pytest.approx(main["estimate"])


def test_each_period_is_told_with_a_band(told: Result) -> None:
    events = told["by_period"].table.query("outcome == 'failure rate'")
    after = events[(events["event"] >= 0) & (events["event"] < 8)]
    assert (after["estimate"] < 0).all()
    assert (events["band_high"] >= events["conf_high"]).all()
    before = events[events["event"] < 0]
    assert ((before["band_low"] < 0) & (before["band_high"] > 0)).all()


def test_where_nothing_was_done_nothing_is_seen(told: Result) -> None:
    main = _main(told)
    assert main["before_p"] > 0.05
    assert main["dates"] >= 4
    assert main["places"] == 2
    assert main["dates_as_clear"] + main["places_as_clear"] <= 1
    assert "as clear a change is seen at 0 of" in told["doubts"].sentence
    churn = told.table.set_index("outcome").loc["churn"]
    assert churn["verdict"] in ("cannot tell", "no change seen")
    assert churn["visible"] > 0


def test_the_demo_has_its_two_fixes_and_what_is_true_of_them() -> None:
    result = did_it_work.run(cxlab.load(DEMO))
    for name in ("clearer-invoices", "faster-email-answers"):
        main = _main(result, name)
        assert main["design"] == "series"  # everybody was reached
        assert main["verdict"] == "worked"
        assert main["conf_low"] < 0.5 < main["conf_high"]  # data/simulate/worlds: Fix.factor
    others = result.table[~result.table["main"] & ~result.table["outcome"].str.endswith("score")]
    assert set(others["verdict"]) <= {"cannot tell", "no change seen"}  # contacts are as they were
    line = result["series"].table.query("outcome == 'failure rate'")
    for name, weeks in line.groupby("intervention"):
        main, first = _main(result, name), weeks.loc[weeks["without"].notna(), "week"].min()
        assert first == main["started"]


def test_no_effect_is_none(tmp_path: Path) -> None:
    result = did_it_work.run(cxlab.load(make(tmp_path / "w", STAGGERED, 4, factor=1.0)))
    assert set(result.table["verdict"]) <= {"cannot tell", "no change seen"}
    sentence = result["answers"].table["answer"][0]
    assert "was to be expected" in sentence


def test_those_who_drifted_apart_before_are_no_proof(tmp_path: Path) -> None:
    rows: Rows = [row(300, "north")]
    made = make(tmp_path / "w", rows, 2, customers=1500, factor=1.0, drift=1.6)
    result = did_it_work.run(cxlab.load(made))
    main = _main(result)
    assert "worked" not in set(result.table["verdict"])  # nor of the score, which follows it
    assert main["p_value"] < 0.05
    assert main["before_p"] < 0.05
    assert main["verdict"] == "cannot tell"
    assert "had not moved as the others did before it began" in main["why"]


def test_harm_is_told(tmp_path: Path) -> None:
    result = did_it_work.run(cxlab.load(make(tmp_path / "w", [row(300, "west")], 3, factor=1.9)))
    assert _main(result)["verdict"] == "made it worse"
    assert "raised failures at call" in result["answers"].table["answer"][0]
    assert "points more" in result["answers"].table["answer"][0]


def test_with_little_follow_up_it_says_from_when_on_it_can_be_told(
    staggered: Path, tmp_path: Path
) -> None:
    words = row(DAYS - 100, "west", intervention="words", touchpoint="chat")
    rows: Rows = [row(DAYS - 20, "south"), words]
    result = did_it_work.run(cxlab.load(_with(staggered, tmp_path / "w", rows)), worthwhile=0.35)
    new = _main(result)
    over = (day(DAYS - 20) + pd.Timedelta(days=28)).date()
    assert new["verdict"] == "cannot tell"
    assert f"are over on {over} only" in new["why"]
    older = _main(result, "words")
    assert older["verdict"] == "cannot tell"
    assert dt.date.fromisoformat(older["seen_from"]) > dt.date.fromisoformat(older["followed_to"])
    month = dt.date.fromisoformat(older["seen_from"]).strftime("%B %Y")
    assert f"a change by 35% could not have been seen before {month}" in older["why"]


CASES: dict[str, tuple[Mapping[str, Any], str]] = {
    "nobody": (row(300, "moon", touchpoint="a"), "its scope matches no customer"),
    "planet": (row(300, "x", scope_column="planet", touchpoint="b"),
               "table customers has no column planet"),
    "half": (row(300, "north", scope_value=None, touchpoint="c"), "has a scope without a value"),
    "old": (row(-40, "north", touchpoint="d"), "before the data, which begin on"),
    "early": (row(10, "north", touchpoint="shop"), "the data begin on"),
    "lift": (row(300, "north", touchpoint="lift"), "no contact at lift has an outcome"),
    "one": (row(300, "north", touchpoint="chat"), "other changed the same touchpoint within 28"),
    "other": (row(310, "north", touchpoint="chat"), "one changed the same touchpoint within 28"),
    "few": (row(300, "c0001", scope_column="customer_id", touchpoint="e"),
            "it reached fewer than 10 customers"),
    "short": (row(300, "north", ended_at=day(300), touchpoint="f"), "the day on which it began"),
}  # fmt: skip


def test_what_cannot_be_answered_is_a_sentence(staggered: Path, tmp_path: Path) -> None:
    rows: Rows = [{**r, "intervention": name} for name, (r, _) in CASES.items()]
    result = did_it_work.run(cxlab.load(_with(staggered, tmp_path / "w", rows)))
    said = {f.id.split(".")[1]: f.statement for f in did_it_work.findings(result)}
    for name, (_, why) in CASES.items():
        main = _main(result, name)
        assert main["verdict"] == "cannot tell", name
        assert why in main["why"]
        assert why in said[name]
    assert np.isnan(_main(result, "few")["n"])
    reach = result["reach"].table.set_index("what was done")
    assert reach.loc["few", "customers reached"] == "withheld"


def test_rows_that_are_not_looked_at_are_told(staggered: Path, tmp_path: Path) -> None:
    rows: Rows = [*STAGGERED, row(500, "west"), row(300, "south", ended_at=day(200))]
    folder = _with(staggered, tmp_path / "w", rows)
    result = did_it_work.run(cxlab.load(folder, day(450).date()))
    said = result["answers"].sentence
    assert f"1 row of table interventions begins after {day(450).date()}" in said
    assert "ended before it started" in said
    assert any("ended before it started" in f.statement for f in did_it_work.findings(result))
    # What comes later changes nothing of what is told.
    other = did_it_work.run(cxlab.load(_with(staggered, tmp_path / "v", rows[:2]), day(450).date()))
    pd.testing.assert_frame_equal(result.table, other.table)


def test_two_at_one_touchpoint_are_each_told_in_their_own_time(
    staggered: Path, tmp_path: Path
) -> None:
    rows: Rows = [row(230, "north"), row(400, "west", intervention="later")]
    result = did_it_work.run(cxlab.load(_with(staggered, tmp_path / "w", rows)))
    first = _main(result)
    assert dt.date.fromisoformat(first["followed_to"]) < day(400).date()
    assert "later changed the same touchpoint on" in result["doubts"].sentence
    assert _main(result, "later")["before"] <= 6


def test_what_ended_is_judged_while_it_ran(staggered: Path, tmp_path: Path) -> None:
    rows: Rows = [row(230, "north", ended_at=day(420))]
    result = did_it_work.run(cxlab.load(_with(staggered, tmp_path / "w", rows)))
    assert _main(result)["followed_to"] <= str(day(420).date())
    assert "It ended on" in result["doubts"].sentence


def test_where_all_are_reached_it_is_a_series(tmp_path: Path) -> None:
    made = make(tmp_path / "w", [row(300)], 5, season=0.0)
    main = _main(did_it_work.run(cxlab.load(made)))
    assert main["design"] == "series"
    assert main["verdict"] == "worked"
    assert main["conf_low"] < 0.5 < main["conf_high"]
    assert main["controls"] == 0


def test_a_season_that_goes_on_is_not_taken_for_an_effect(tmp_path: Path) -> None:
    made = make(tmp_path / "w", [row(300)], 3, factor=1.0)
    result = did_it_work.run(cxlab.load(made))
    main = _main(result)
    assert main["design"] == "series"
    assert not main["season"]  # less than two years
    # The same wave is seen at the other touchpoints, where nothing was done.
    assert main["widened"] > 1.2
    assert main["verdict"] == "cannot tell"
    assert "times as wide as chance alone makes it" in result["doubts"].sentence


def test_without_what_is_needed_it_says_so(staggered: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(staggered, bare)
    (bare / "interventions.csv").unlink()
    result = did_it_work.run(cxlab.load(bare))
    assert "the dataset has no table interventions" in result.sentence
    assert did_it_work.findings(result)[0].statement == result.sentence
    assert "No earlier run" in result["forecasts"].sentence
    pd.DataFrame(STAGGERED).to_csv(bare / "interventions.csv", index=False)
    for name in ("interactions.parquet", "feedback.parquet"):
        (bare / name).unlink()
    alone = did_it_work.run(cxlab.load(bare))
    assert "the dataset has no table interactions" in _main(alone)["why"]
    churn = alone.table.set_index("outcome").loc["churn"]
    assert churn["design"] == "compared"
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    pd.DataFrame({"tenure": [1, 2, 3], "churned": [0, 1, 0]}).to_csv(
        snapshot / "customers.csv", index=False
    )
    assert "a snapshot is not dated" in did_it_work.run(cxlab.load(snapshot)).sentence


def test_forecasts_are_held_against_what_came(staggered: Path, tmp_path: Path) -> None:
    data = cxlab.load(staggered)
    people = data.table("customers").collect(backend="pandas").to_native()
    contacts = data.table("interactions").collect(backend="pandas").to_native()
    month = pd.Timestamp("2025-04-01")
    left = people["ended_at"].dt.to_period("M").eq(month.to_period("M")).sum()
    bad = contacts[(contacts["touchpoint"] == "call") & (contacts["outcome"] == "failed")]
    failed = bad["occurred_at"].dt.to_period("M").eq(month.to_period("M")).sum()
    made = Forecast(
        dt.date(2025, 1, 15), None, 0.0, month.date(), left + 1.0, left - 2.0, left + 5.0
    )
    changed = replace(
        made, touchpoint="call", share=0.5, leavers_low=left + 1.0,
        failures=float(failed), failures_low=0.0, failures_high=failed + 1.0,
    )  # fmt: skip
    undone = replace(changed, touchpoint="chat")
    later = replace(made, month=dt.date(2027, 1, 1))
    state = tmp_path / "state"
    state.mkdir()
    (state / "forecasts.json").write_text(text([made, changed, undone, later]), encoding="utf-8")
    part = did_it_work.run(data, state=str(state))["forecasts"]
    by = part.table.set_index(["share", "what"])
    assert by.loc[(0.0, "customers who left"), "came"] == left
    assert by.loc[(0.0, "customers who left"), "inside"]
    assert not by.loc[(0.5, "customers who left"), "inside"]
    assert by.loc[(0.5, "failures at call"), "came"] == failed
    assert len(part.table) == 3  # nobody mended the chat, and 2027 is yet to come
    assert "Of 1 month forecast and over, 1 had as many" in part.sentence
    assert "With script in place, 1 of 2 figures" in part.sentence


def test_options_out_of_bounds_are_refused(staggered: Path) -> None:
    with pytest.raises(UsageError, match="worthwhile is 0"):
        did_it_work.run(cxlab.load(staggered), worthwhile=0.0)
