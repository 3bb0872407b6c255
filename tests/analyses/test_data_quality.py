"""What the data quality page finds: faults that were put in, and none where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import data_quality
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import simulate
from cxlab.errors import UsageError
from cxlab.models.intervals import wilson
from cxlab.results import Check, Result

Tables = dict[str, pd.DataFrame]
Write = Callable[..., Path]
DEMO = Path(__file__).parents[2] / "data" / "demo"


def check(result: Result, name: str) -> Check:
    found = [c for c in result.checks if c.name == name]
    assert len(found) == 1, [c.name for c in result.checks]
    return found[0]


@pytest.fixture(scope="module")
def world() -> Tables:
    """A world of 500 customers over two years, with nothing wrong."""
    return simulate("plain", 500, 11).tables


@pytest.fixture
def look(write_dataset: Write) -> Callable[..., Result]:
    def run(tables: Tables, settings: str | None = None, **options: int) -> Result:
        return data_quality.run(load(write_dataset(tables, settings, "parquet")), **options)

    return run


def test_a_clean_world_has_nothing_amiss_but_its_end(
    world: Tables, look: Callable[..., Result]
) -> None:
    """The simulator starts nobody in its last 15 days; of 500 customers, that is no gap."""
    result = look(world, "observed_until: 2026-06-30\n")
    assert [c.name for c in result.checks if c.passed is False] == []
    assert result.sentence.startswith("Nothing was found in")
    assert len(data_quality.findings(result)) == 1
    assert result["gaps"].table.empty
    assert result.meta["period"] == ["2024-07-02", "2026-06-30"]
    assert list(result.table.columns[:6]) == [
        "term", "estimate", "conf_low", "conf_high", "p_value", "n",
    ]  # fmt: skip


def test_an_outage_of_a_channel_is_found_and_heads_the_page(
    world: Tables, look: Callable[..., Result]
) -> None:
    contacts = world["interactions"]
    busiest = contacts["channel"].value_counts().index[0]
    at = contacts["occurred_at"]
    out = at.between("2025-03-03", "2025-04-01") & (contacts["channel"] == busiest)
    result = look({**world, "interactions": contacts[~out]}, "observed_until: 2026-06-30\n")
    gap = result["gaps"].table.iloc[0]
    assert (gap["what"], gap["by"], gap["name"]) == ("contacts", "channel", busiest)
    assert len(result["gaps"].table) == 1
    assert abs(pd.Timestamp(gap["first day"]) - pd.Timestamp("2025-03-03")) <= pd.Timedelta("1D")
    assert abs(pd.Timestamp(gap["last day"]) - pd.Timestamp("2025-03-31")) <= pd.Timedelta("1D")
    assert gap["rows expected"] == pytest.approx(int(out.sum()), rel=0.35)
    found = data_quality.findings(result)
    assert found[0].statement.startswith("One thing should be known")
    assert f"by channel {busiest} from 2025-03-0" in found[0].statement


def test_two_faults_are_two_findings_the_worse_first(
    world: Tables, look: Callable[..., Result]
) -> None:
    contacts = world["interactions"].copy()
    out = contacts["occurred_at"].between("2025-03-03", "2025-03-09")
    contacts.loc[contacts.index % 5 == 0, "outcome"] = None
    result = look({**world, "interactions": contacts[~out]}, "observed_until: 2026-06-30\n")
    found = data_quality.findings(result)
    assert found[0].statement.startswith("2 things should be known")
    assert [f.id for f in found] == ["quality.summary", "quality.outcome"]
    share, low, high = wilson(int(contacts[~out]["outcome"].isna().sum()), int((~out).sum()))
    assert (found[1].estimate, found[1].conf_low, found[1].conf_high) == (share, low, high)
    assert "20% of the contacts have no outcome" in check(result, "contacts without outcome").text
    assert result["gaps"].table["by"].tolist() == ["all"]


def test_a_late_table_is_late_beyond_its_longest_pause(
    world: Tables, look: Callable[..., Result]
) -> None:
    answers = world["feedback"]
    stopped = answers[answers["asked_at"] < "2026-05-20"]
    stopped = stopped[stopped["responded_at"].isna() | (stopped["responded_at"] < "2026-05-20")]
    result = look({**world, "feedback": stopped}, "observed_until: 2026-06-30\n")
    late = check(result, "freshness of feedback")
    assert late.passed is None  # the gap says it already
    assert "2026-05-19, 42 days before the last day" in late.text
    assert check(result, "freshness of interactions").passed
    assert check(result, "gaps in questions").passed is False
    assert "since 2026-05-" in check(result, "gaps in questions").text


def test_a_step_names_the_repair_that_explains_it(
    world: Tables, look: Callable[..., Result]
) -> None:
    draw = np.random.default_rng(1)
    at = pd.Timestamp("2024-07-01") + pd.to_timedelta(draw.uniform(0, 730, 30_000), unit="D")
    who = draw.choice(world["customers"]["customer_id"].unique(), 30_000)
    name = draw.choice(["call", "chat", "shop"], 30_000)
    worse = np.where((name != "shop") & (at >= "2025-06-01"), 0.3, 0.1)
    tables = {
        "customers": world["customers"].assign(started_at=pd.Timestamp("2024-01-01"))
        .drop(columns=["ended_at", "cancelled_at"])
        .drop_duplicates("customer_id")
        .assign(ended_at=lambda d: [pd.Timestamp("2026-06-30"), *[pd.NaT] * (len(d) - 1)]),
        "interactions": pd.DataFrame({
            "customer_id": who, "occurred_at": at, "touchpoint": name,
            "outcome": np.where(draw.uniform(size=30_000) < worse, "failed", "ok"),
        }),
        "interventions": pd.DataFrame({
            "intervention": ["new script"], "touchpoint": ["call"], "started_at": ["2025-06-02"],
        }),
    }  # fmt: skip
    table = look(tables, "observed_until: 2026-06-30\n")["steps"].table.set_index("name")
    assert set(table.index) == {"call", "chat"}
    assert table["repair listed"].to_dict() == {"call": "new script", "chat": ""}
    assert set(table["measure"]) == {"% failed"}
    assert table["before"].to_numpy() == pytest.approx([10, 10], abs=2.5)
    assert table["after"].to_numpy() == pytest.approx([30, 30], abs=3.5)


# -- answers ----------------------------------------------------------------------------------


def dated(count: int, left: list[int]) -> pd.DataFrame:
    """Give customers since 2024; those numbered leave on 2025-06-01."""
    ended = pd.Series(pd.NaT, index=range(count), dtype="datetime64[ns]")
    ended[left] = pd.Timestamp("2025-06-01")
    return pd.DataFrame({
        "customer_id": [f"C{i}" for i in range(count)], "started_at": "2024-01-01",
        "ended_at": ended, "plan": ["a", "b"] * (count // 2),
    })  # fmt: skip


def test_those_who_do_not_answer_leave_more(look: Callable[..., Result]) -> None:
    """Of 200 asked, the first 100 answer and lose 5; the others lose 30. Counted by hand."""
    people = dated(260, [*range(5), *range(100, 130), 200])
    asked = pd.DataFrame({
        "customer_id": people["customer_id"][:200], "asked_at": "2025-01-10", "metric": "nps",
        "responded_at": ["2025-01-11"] * 100 + [None] * 100, "score": [9] * 100 + [None] * 100,
    })  # fmt: skip
    late = asked[100:130].assign(asked_at="2025-05-25", responded_at="2025-05-26", score=0)
    tables = {"customers": people, "feedback": pd.concat([asked, late])}
    result = look(tables, "observed_until: 2025-06-30\n")
    table = result["who_is_missing"].table.set_index("customers who")
    assert table["customers"].to_dict() == {
        "answered": 100, "were asked and did not answer": 100, "were never asked": 60,
    }  # fmt: skip
    assert table["left"].to_dict() == {
        "answered": 5, "were asked and did not answer": 30, "were never asked": 1,
    }  # fmt: skip
    assert table.loc["answered", "95% to"] == pytest.approx(100 * wilson(5, 100)[2])
    silent = check(result, "those who do not answer")
    assert silent.passed is False
    assert "25.0 points" in silent.text
    assert "too good a picture" in silent.text
    coverage = result["coverage"].table
    # The questions of the last 37 days are counted, those of the last 14 would not be.
    assert coverage.loc[0, ["asked", "answered"]].tolist() == [230, 130]


def test_groups_that_are_too_small_are_withheld(look: Callable[..., Result]) -> None:
    people = dated(40, [0, 1])
    asked = pd.DataFrame({
        "customer_id": people["customer_id"][:9], "asked_at": "2025-01-10", "metric": "nps",
        "responded_at": "2025-01-11", "score": 9, "touchpoint": "call",
    })  # fmt: skip
    result = look({"customers": people, "feedback": asked}, "observed_until: 2025-06-30\n")
    table = result["who_is_missing"].table.set_index("customers who")
    assert np.isnan(table.loc["answered", "% left"])
    assert pd.isna(table.loc["answered", "left"])
    assert "withheld" in result["coverage"].sentence
    assert result["coverage"].table["by"].tolist() == []


def test_who_answers_looks_at_the_first_question_alone(look: Callable[..., Result]) -> None:
    """Plan b answers the first question more; without it, nobody differs."""
    people = dated(400, [0])
    answers = (people.index % 2 == 1) & (people.index % 8 != 1)
    asked = pd.DataFrame({
        "customer_id": people["customer_id"], "asked_at": "2025-01-10", "metric": "nps",
        "responded_at": np.where(answers, "2025-01-11", None),
        "score": np.where(answers, 9, np.nan),
    })  # fmt: skip
    again = asked.assign(asked_at="2025-02-10", responded_at="2025-02-11", score=8)
    result = look(
        {"customers": people, "feedback": pd.concat([asked, again])}, "observed_until: 2025-06-30\n"
    )
    table = result["who_answers"].table.set_index("level")
    assert table["asked"].to_dict() == {"a": 200, "b": 200}
    assert table["answered"].to_dict() == {"a": 0, "b": 150}
    assert "plan (a 0%, b 75%)" in result["who_answers"].sentence


# -- tables -----------------------------------------------------------------------------------


def test_rows_told_twice_are_counted_beyond_the_first(
    tables: Tables, look: Callable[..., Result]
) -> None:
    contacts = tables["interactions"]
    twice = contacts.iloc[:30].assign(interaction_id=[f"x{i}" for i in range(30)])
    tables["interactions"] = pd.concat([contacts, twice])
    row = check(look(tables), "contacts told twice")
    assert row.passed is False
    assert row.text.startswith("30 contacts of 750 (4%) repeat another")


def test_empty_cells_are_those_that_ought_to_be_filled(
    tables: Tables, look: Callable[..., Result]
) -> None:
    tables["customers"].loc[:14, "plan"] = None
    tables["customers"]["note"] = "x"
    tables["feedback"].loc[tables["feedback"]["responded_at"].notna().idxmax(), "score"] = None
    result = look(tables)
    table = result["empty_cells"].table.set_index("column")
    answered = int(tables["feedback"]["responded_at"].notna().sum())
    assert table[["rows", "empty"]].to_dict("index") == {
        "plan": {"rows": 60, "empty": 15}, "score": {"rows": answered, "empty": 1},
    }  # fmt: skip
    assert check(result, "empty cells").passed is False
    assert result["unvarying"].table["column"].tolist() == ["note"]


def test_names_that_do_not_match_are_named(tables: Tables, look: Callable[..., Result]) -> None:
    contacts = tables["interactions"]
    contacts.loc[:9, "touchpoint"] = "Call "
    contacts.loc[10:19, "touchpoint"] = "fax"
    contacts.loc[20:25, "touchpoint"] = "CALL"
    result = look(tables)
    found = set(
        zip(result["names"].table["what"], result["names"].table["touchpoint"], strict=True)
    )
    assert ("not in touchpoints", "fax") in found
    assert {("spelt in two ways", n) for n in ("CALL", "Call", "call")} <= found
    assert check(result, "names of touchpoints").passed is False


def test_what_is_set_aside_is_shown_without_names(
    tables: Tables, look: Callable[..., Result]
) -> None:
    contacts = tables["interactions"]
    contacts["text"] = "SECRET words"
    contacts.loc[:4, "outcome"] = "odd"
    contacts.loc[5:9, "customer_id"] = "SECRET-ID"
    tables["feedback"]["comment"] = "SECRET words"
    result = look(tables)
    rules = result["set_aside"].table.set_index("why")["rows"]
    assert rules.to_dict() == {"outcome none of ok, failed": 5, "unknown customer": 5}
    assert "outcome odd" in " ".join(result["set_aside"].table["an example"])
    assert "SECRET" not in str(result.to_dict())
    assert "C0" not in str(result["set_aside"].to_dict())
    assert check(result, "rows set aside").passed is False


def test_a_migration_and_dates_without_times_are_seen(
    tables: Tables, look: Callable[..., Result]
) -> None:
    tables["customers"]["started_at"] = pd.Timestamp("2024-12-01")
    tables["customers"].loc[:4, "started_at"] = pd.date_range("2024-12-02", periods=5)
    tables["interactions"]["occurred_at"] = tables["interactions"]["occurred_at"].dt.normalize()
    result = look(tables)
    day = check(result, "customers who began on one day")
    assert day.passed is False
    assert "55 customers of 60 (91.7%) began on 2024-12-01" in day.text
    assert "100% of the contacts" in check(result, "contacts without a time of day").text


# -- other forms ------------------------------------------------------------------------------


def test_a_snapshot_tells_what_it_can(write_dataset: Write) -> None:
    draw = np.random.default_rng(3)
    churned = draw.uniform(size=400) < 0.3
    people = pd.DataFrame({
        "tenure": draw.integers(0, 40, 400), "churned": churned.astype(int),
        "plan": draw.choice(["a", "b"], 400), "same": "x",
        "score": np.where(churned & (draw.uniform(size=400) < 0.6), np.nan, 5.0),
    })  # fmt: skip
    result = data_quality.run(load(write_dataset({"customers": people}, "tenure_unit: months\n")))
    assert set(result.parts) == {"came_in", "set_aside", "empty_cells", "unvarying", "repeated"}
    assert "period" not in result.meta
    empty = result["empty_cells"].table.set_index("column").loc["score"]
    assert empty["empty"] == people["score"].isna().sum()
    assert empty["% left where empty"] == 100
    assert "score left in 100% of cases" in check(result, "who lacks score").text
    zero = int((people["tenure"] == 0).sum())
    assert f"{zero} customers of 400" in check(result, "customers with tenure 0").text
    extra = int(people.duplicated().sum())
    assert check(result, "customers alike in everything").text.startswith(f"{extra} customer")
    assert set(result["unvarying"].table["column"]) == {"same", "score"}


@pytest.mark.parametrize("left_out", [
    {"interactions", "feedback", "touchpoints", "interventions"},
    {"interactions"}, {"feedback"}, {"touchpoints", "interventions"},
], ids=lambda s: " ".join(sorted(s)))  # fmt: skip
def test_tables_that_are_not_there_are_left_out(
    make_tables: Callable[..., Tables], look: Callable[..., Result], left_out: set[str]
) -> None:
    tables = {k: v for k, v in make_tables(customers=40).items() if k not in left_out}
    if "interactions" in left_out and "feedback" in tables:
        tables["feedback"] = tables["feedback"].drop(columns="interaction_id")
    result = look(tables)
    assert set(result["came_in"].table["table"]) == set(tables)
    assert ("coverage" in result.parts) == ("feedback" in tables)
    assert ("names" in result.parts) == ("interactions" in tables)
    assert Result.from_dict(result.to_dict()).sentence == result.sentence


@pytest.mark.parametrize("table,columns", [
    ("interactions", ["channel", "outcome", "interaction_id", "resolved_at", "response_seconds"]),
    ("feedback", ["customer_id"]), ("feedback", ["asked_at"]), ("feedback", ["responded_at"]),
    ("feedback", ["interaction_id", "score"]), ("customers", ["plan", "monthly_value"]),
])  # fmt: skip
def test_columns_that_are_not_there_are_left_out(
    tables: Tables, look: Callable[..., Result], table: str, columns: list[str]
) -> None:
    tables[table] = tables[table].drop(columns=columns)
    if columns == ["responded_at"]:
        tables[table] = tables[table].dropna(subset="score")
    assert look(tables).table["term"].is_unique


def test_as_of_hides_what_came_later(tables: Tables, write_dataset: Write) -> None:
    tables["customers"].loc[0, "ended_at"] = pd.Timestamp("2025-05-01")
    result = data_quality.run(load(write_dataset(tables), "2025-05-15"))
    rows = result["came_in"].table.set_index("table")
    seen = (tables["interactions"]["occurred_at"] < "2025-05-16").sum()
    assert 0 < seen < len(tables["interactions"])
    assert rows.loc["interactions", "used"] == seen
    assert rows.loc["interactions", "after the last day"] == len(tables["interactions"]) - seen
    assert rows["newest day"].drop(["touchpoints"]).max() <= "2025-05-15"


def test_options_out_of_bounds_are_refused(tables: Tables, write_dataset: Write) -> None:
    data: Dataset = load(write_dataset(tables))
    with pytest.raises(UsageError, match="window_days is 3; allowed: 7 to 730"):
        data_quality.run(data, window_days=3)
    with pytest.raises(UsageError, match="min_group is 0"):
        data_quality.run(data, min_group=0)


def test_the_demo_says_what_is_known_of_it() -> None:
    """Nobody begins in the simulator's last 15 days; nothing else is wrong."""
    result = data_quality.run(load(DEMO))
    assert [c.name for c in result.checks if c.passed is False] == ["gaps in new customers"]
    gap = result["gaps"].table.iloc[0]
    assert (gap["first day"], gap["goes on"]) == ("2026-06-16", "yes")
