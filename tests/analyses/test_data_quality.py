"""What the data quality page finds: faults that were put in, and none where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import data_quality
from cxlab.analyses.data_quality.tables import _informative
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
def look(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Result]:
    def run(tables: Tables, until: str = "", **options: int) -> Result:
        folder = tmp_path_factory.mktemp("shop")
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / "dataset.yml").write_text(f"observed_until: {until}\n" if until else "")
        return data_quality.run(load(folder), **options)

    return run


@pytest.fixture(scope="module")
def world() -> Tables:
    """A world of 500 customers over two years, with nothing wrong."""
    return simulate("plain", 500, 11).tables


def test_a_clean_world_has_nothing_amiss(world: Tables, look: Callable[..., Result]) -> None:
    result = look(world, "2026-06-30")
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
    result = look({**world, "interactions": contacts[~out]}, "2026-06-30")
    gap = result["gaps"].table.iloc[0]
    assert (gap["what"], gap["by"], gap["name"]) == ("contacts", "channel", busiest)
    assert len(result["gaps"].table) == 1
    assert abs(pd.Timestamp(gap["first day"]) - pd.Timestamp("2025-03-03")) <= pd.Timedelta("1D")
    assert abs(pd.Timestamp(gap["last day"]) - pd.Timestamp("2025-03-31")) <= pd.Timedelta("1D")
    assert gap["rows expected"] == pytest.approx(int(out.sum()), rel=0.35)
    found = data_quality.findings(result)
    assert found[0].statement.startswith("One thing should be known")
    assert f"by channel {busiest} from 2025-03-0" in found[0].statement


@pytest.fixture(scope="module")
def faulty(world: Tables, look: Callable[..., Result]) -> tuple[Tables, Result]:
    """The world without a week of contacts, one outcome of five, and its last 42 days' answers."""
    contacts, answers = world["interactions"].copy(), world["feedback"]
    contacts = contacts[~contacts["occurred_at"].between("2025-03-03", "2025-03-09")]
    contacts.loc[contacts.index % 5 == 0, "outcome"] = None
    answers = answers[answers["asked_at"] < "2026-05-20"]
    answers = answers[answers["responded_at"].isna() | (answers["responded_at"] < "2026-05-20")]
    tables = {**world, "interactions": contacts, "feedback": answers}
    return tables, look(tables, "2026-06-30")


def test_faults_are_findings_the_worse_first(faulty: tuple[Tables, Result]) -> None:
    tables, result = faulty
    outcomes = tables["interactions"]["outcome"]
    found = data_quality.findings(result)
    assert found[0].statement.startswith("4 things should be known")
    assert "since 2026-05-" in found[0].statement
    assert [f.id for f in found] == [
        "quality.summary", "quality.gaps.questions", "quality.gaps.contacts", "quality.outcome",
    ]  # fmt: skip
    share, low, high = wilson(int(outcomes.isna().sum()), len(outcomes))
    assert (found[3].estimate, found[3].conf_low, found[3].conf_high) == (share, low, high)
    assert "20% of the contacts have no outcome" in check(result, "contacts without outcome").text
    gaps = result["gaps"].table
    assert gaps.loc[gaps["what"] == "contacts", "by"].tolist() == ["all"]


def test_a_late_table_is_late_beyond_its_longest_pause(faulty: tuple[Tables, Result]) -> None:
    _, result = faulty
    late = check(result, "freshness of feedback")
    assert late.passed is None  # the gap says it already
    assert "2026-05-19, 42 days before the last day" in late.text
    assert check(result, "freshness of interactions").passed
    assert check(result, "gaps in questions").passed is False
    assert "since 2026-05-" in check(result, "gaps in questions").text


HOLIDAYS = ("2024-12-25", "2024-12-26", "2025-01-01", "2025-04-18", "2025-04-21", "2025-05-01",
            "2025-12-25", "2025-12-26", "2026-01-01", "2026-04-03", "2026-04-06",
            "2026-05-01")  # fmt: skip


def test_a_season_and_holidays_are_no_fault_and_steps_name_their_repair(
    world: Tables, look: Callable[..., Result]
) -> None:
    """A shop closed on weekends and holidays, twice as busy in December.

    From June 2025, contacts by call and by chat fail three times as often; from September, one
    touchpoint has double the contacts.
    """
    draw = np.random.default_rng(1)
    days = pd.date_range("2024-07-01", "2026-06-30")
    level = (days.dayofweek < 5) * ~days.isin(pd.to_datetime(HOLIDAYS)) * (1 + (days.month == 12))
    at = pd.Series(draw.choice(days, 40_000, p=level / level.sum())) + pd.Timedelta("9h")
    name = draw.choice(["call", "chat", "shop", "bill"], 40_000)
    kept = (name != "bill") | (at >= "2025-09-01") | (draw.uniform(size=40_000) < 0.5)
    worse = np.where(np.isin(name, ["call", "chat"]) & (at >= "2025-06-01"), 0.3, 0.1)
    tables = {
        "customers": world["customers"].assign(started_at=pd.Timestamp("2024-01-01"))
        .drop(columns=["ended_at", "cancelled_at"])
        .drop_duplicates("customer_id")
        .assign(ended_at=lambda d: [pd.Timestamp("2026-06-30"), *[pd.NaT] * (len(d) - 1)]),
        "interactions": pd.DataFrame({
            "customer_id": draw.choice(world["customers"]["customer_id"].unique(), 40_000),
            "occurred_at": at, "touchpoint": name,
            "outcome": np.where(draw.uniform(size=40_000) < worse, "failed", "ok"),
        })[kept],
        "interventions": pd.DataFrame({
            "intervention": ["new script"], "touchpoint": ["call"], "started_at": ["2025-06-02"],
        }),
    }  # fmt: skip
    result = look(tables, "2026-06-30")
    table = result["steps"].table.set_index("name")
    assert table["measure"].to_dict() == {
        "call": "% failed", "chat": "% failed", "bill": "rows a day",
    }  # fmt: skip
    assert table["repair listed"].to_dict() == {"call": "new script", "chat": "", "bill": ""}
    failed = table.loc[["call", "chat"]]
    assert failed["before"].to_numpy() == pytest.approx([10, 10], abs=2.5)
    assert failed["after"].to_numpy() == pytest.approx([30, 30], abs=3.5)
    gaps = result["gaps"].table
    assert set(gaps["remark"]) == {"like a holiday"}
    assert set(gaps["first day"]) & set(HOLIDAYS)
    assert check(result, "gaps in contacts").passed is None
    assert "may be holidays" in check(result, "gaps in contacts").text


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
    result = look(tables, "2025-06-30")
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
    result = look({"customers": people, "feedback": asked}, "2025-06-30")
    table = result["who_is_missing"].table.set_index("customers who")
    assert np.isnan(table.loc["answered", "% left"])
    assert pd.isna(table.loc["answered", "left"])
    assert "withheld" in result["coverage"].sentence
    assert result["coverage"].table["by"].tolist() == []


def test_how_few_had_no_contact_is_not_told_nor_what_would_tell_it(
    look: Callable[..., Result],
) -> None:
    people = dated(40, [0, 1])
    met = pd.DataFrame({
        "customer_id": people["customer_id"][:36], "occurred_at": "2025-01-10",
        "touchpoint": "call",
    })  # fmt: skip
    result = look({"customers": people, "interactions": met}, "2025-06-30")
    table = result["who_is_missing"].table.set_index("customers who")
    assert table.loc[["had contacts", "had none"]].drop(columns="of").isna().all(axis=None)
    assert "Fewer than 10 of 40 customers" in check(result, "customers without contacts").text


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
    result = look({"customers": people, "feedback": pd.concat([asked, again])}, "2025-06-30")
    table = result["who_answers"].table.set_index("level")
    assert table["asked"].to_dict() == {"a": 200, "b": 200}
    assert table["answered"].to_dict() == {"a": 0, "b": 150}
    assert "plan (a 0%, b 75%)" in result["who_answers"].sentence


# -- tables -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoilt(make_tables: Callable[..., Tables], look: Callable[..., Result]) -> Result:
    """Give the result of the small dataset with something wrong in every corner."""
    tables = make_tables()
    people, contacts, answers = (tables[t] for t in ("customers", "interactions", "feedback"))
    people.loc[:14, "plan"] = None
    people["note"] = "x"
    contacts.loc[:9, "touchpoint"] = "Call "
    contacts.loc[10:19, "touchpoint"] = "fax"
    contacts.loc[20:25, "touchpoint"] = "CALL"
    contacts["text"] = "SECRET words"
    contacts.loc[40:44, "outcome"] = "odd"
    contacts.loc[45:49, "customer_id"] = "SECRET-ID"
    twice = contacts.iloc[100:130].assign(interaction_id=[f"x{i}" for i in range(30)])
    tables["interactions"] = pd.concat([contacts, twice])
    answers["comment"] = "SECRET words"
    first = answers["responded_at"].notna().idxmax()
    answers.loc[first, "score"] = None
    after = answers.loc[[first]].assign(customer_id="C000", asked_at=pd.Timestamp("2025-10-01"))
    tables["feedback"] = pd.concat(
        [answers, after.assign(responded_at=pd.Timestamp("2025-10-02"), score=1)]
    )
    tables["customers"] = people
    return look(tables)


def test_rows_told_twice_are_counted_beyond_the_first(spoilt: Result) -> None:
    row = check(spoilt, "contacts told twice")
    assert row.passed is False
    assert row.text.startswith("30 contacts of 740 (4.1%) repeat another")


def test_empty_cells_are_those_that_ought_to_be_filled(spoilt: Result) -> None:
    table = spoilt["empty_cells"].table.set_index("column")
    assert table.loc["plan", ["rows", "empty"]].tolist() == [60, 15]
    assert table.loc["score", "empty"] == 1
    assert 100 < table.loc["score", "rows"] < 180
    assert set(table.index) == {"plan", "score"}
    assert check(spoilt, "empty cells").passed is False
    assert spoilt["unvarying"].table["column"].tolist() == ["note"]


def test_names_that_do_not_match_are_named(spoilt: Result) -> None:
    table = spoilt["names"].table
    found = set(zip(table["what"], table["touchpoint"], strict=True))
    assert ("not in touchpoints", "fax") in found
    assert {("spelt in two ways", n) for n in ("CALL", "Call", "call")} <= found
    assert check(spoilt, "names of touchpoints").passed is False


def test_what_is_set_aside_is_shown_without_names(spoilt: Result) -> None:
    rules = spoilt["set_aside"].table.set_index("why")["rows"]
    assert rules.to_dict() == {
        "outcome none of ok, failed": 5, "unknown customer": 5, "after the customer's end": 1,
    }  # fmt: skip
    assert "outcome odd" in " ".join(spoilt["set_aside"].table["an example"])
    assert "SECRET" not in str(spoilt.to_dict())
    assert "C0" not in str(spoilt["set_aside"].to_dict())
    assert check(spoilt, "rows set aside").passed is False


def test_answers_after_the_end_are_no_fault(tables: Tables, look: Callable[..., Result]) -> None:
    left = tables["customers"].dropna(subset="ended_at").iloc[:10]
    survey = pd.DataFrame({
        "customer_id": left["customer_id"], "asked_at": left["ended_at"] + pd.Timedelta("2D"),
        "responded_at": left["ended_at"] + pd.Timedelta("3D"), "metric": "csat", "score": 1,
    })  # fmt: skip
    tables["feedback"] = pd.concat([tables["feedback"], survey])
    row = check(look(tables), "rows set aside")
    assert "after the customer's end (feedback, 10)" in row.text
    assert row.passed is None


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
    {"interactions"}, {"feedback", "touchpoints", "interventions"},
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


@pytest.mark.parametrize("left_out", [
    {"interactions": ["channel", "outcome", "interaction_id", "resolved_at", "response_seconds"],
     "feedback": ["customer_id"]},
    {"customers": ["plan", "monthly_value"], "feedback": ["asked_at"]},
    {"feedback": ["responded_at"]}, {"feedback": ["interaction_id", "score"]},
], ids=str)  # fmt: skip
def test_columns_that_are_not_there_are_left_out(
    tables: Tables, look: Callable[..., Result], left_out: dict[str, list[str]]
) -> None:
    for table, columns in left_out.items():
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


def test_options_out_of_bounds_are_refused_before_anything_is_read() -> None:
    data = cast("Dataset", None)
    with pytest.raises(UsageError, match="window_days is 3; allowed: 7 to 730"):
        data_quality.run(data, window_days=3)
    with pytest.raises(UsageError, match="min_group is 0"):
        data_quality.run(data, min_group=0)


def test_many_columns_empty_by_chance_bend_nothing(look: Callable[..., Result]) -> None:
    """Of 20 worlds with 12 columns empty by chance, one at most may call out at 5%: here 2."""
    called = 0
    for seed in range(20):
        draw = np.random.default_rng(seed)
        cells = np.where(draw.uniform(size=(12, 400)) < 0.2, np.nan, draw.normal(size=(12, 400)))
        churned = (draw.uniform(size=400) < 0.3).astype(int)
        columns = {f"a{i}": c for i, c in enumerate(cells)}
        counts = pd.DataFrame({
            "column": list(columns), "rows": 400, "empty": np.isnan(cells).sum(axis=1),
            "filled": (~np.isnan(cells)).sum(axis=1), "left": churned.sum(),
            "left_empty": (np.isnan(cells) & (churned == 1)).sum(axis=1), "share": 0.2,
        })  # fmt: skip
        called += bool(_informative(counts, 10)[1])
    assert called <= 2


def test_the_demo_has_nothing_amiss() -> None:
    result = data_quality.run(load(DEMO))
    assert [c.name for c in result.checks if c.passed is False] == []
    assert result["gaps"].table.empty


# -- bad input --------------------------------------------------------------------------------


def test_another_scale_is_a_fault_and_an_empty_end_a_note(
    make_tables: Callable[..., Tables], look: Callable[..., Result]
) -> None:
    tables = make_tables(customers=200)
    answers = tables["feedback"]
    answers["responded_at"] = answers["asked_at"]
    answers["metric"] = np.resize(["nps", "ces"], len(answers))
    answers["score"] = np.where(
        answers["metric"] == "nps", np.resize(np.arange(1, 12), len(answers)), 4.0
    )
    result = look(tables)
    nps, ces = (check(result, f"scale of {m}") for m in ("nps", "ces"))
    assert nps.passed is False and ces.passed is None
    assert nps.text.startswith("Nps runs 1 to 11, not 0 to 10: declare its scale in dataset.yml")
    off = int(((answers["metric"] == "nps") & (answers["score"] == 11)).sum())
    assert f"{off} scores off the scale were set aside" in nps.text
    assert "is above 4, on a scale that runs to 7" in ces.text
    row = result["set_aside"].table.iloc[0]
    assert (row["why"], row["rows"]) == ("nps score off its scale 0 to 10", off)


def test_every_row_that_cannot_be_is_counted_by_its_rule(
    tables: Tables, look: Callable[..., Result]
) -> None:
    calls, answers = tables["interactions"], tables["feedback"]
    calls["handle_seconds"] = 60.0
    calls.loc[[0, 1], "response_seconds"] = -5
    calls.loc[2, "handle_seconds"] = -1.0
    calls.loc[[3, 4, 5], "resolved_at"] = calls.loc[[3, 4, 5], "occurred_at"] - pd.Timedelta("2D")
    known = answers.index[answers["responded_at"].notna()]
    answers.loc[known[0], "responded_at"] = answers.loc[known[0], "asked_at"] - pd.Timedelta("2D")
    answers.loc[known[1], "score"] = 9.0
    table = look(tables)["set_aside"].table
    assert dict(zip(table["why"], table["rows"], strict=True)) == {
        "resolved before it was opened": 3,
        "response_seconds below 0": 2,
        "handle_seconds below 0": 1,
        "csat score off its scale 1 to 5": 1,
        "answered before it was asked": 1,
    }


def test_journeys_without_end_and_a_single_channel(
    tables: Tables, look: Callable[..., Result]
) -> None:
    calls = tables["interactions"].assign(channel="web", journey_id="usual")
    many = pd.concat([calls.iloc[[0]]] * 1500, ignore_index=True).assign(journey_id="0")
    many["occurred_at"] += pd.to_timedelta(np.arange(1500), unit="s")
    many["interaction_id"] = [f"m{i}" for i in range(1500)]
    calls.loc[:9, "journey_id"] = None
    result = look({**tables, "interactions": pd.concat([calls, many], ignore_index=True)})
    assert check(result, "journeys without an end").passed is False
    assert "up to 1,500" in check(result, "journeys without an end").text
    outside = check(result, "contacts without a journey")
    assert outside.passed is None and "10 contacts of 2,220" in outside.text
    assert check(result, "channels").passed is None
    assert result["journeys"].table["contacts"].max() == 1500
    assert "journeys.long" in result.meta["slugs"]


def test_silence_that_is_no_sign_of_leaving_is_a_fault() -> None:
    cdnow = load(DEMO.parent / "cdnow")
    found = check(data_quality.run(cdnow), "silence as a sign of leaving")
    assert found.passed is False
    assert "25% of them (95% interval 24.4% to 25.6%) come back within 365 days" in found.text
    assert data_quality.notes(cdnow)[0] == found.text


@pytest.mark.parametrize(("days", "passed"), [(60, True), (5, None)])
def test_silence_is_judged_by_who_comes_back(
    tables: Tables, write_dataset: Write, days: int, passed: bool | None
) -> None:
    """Contacts stop for good after 55 days; of a feed of a month nothing can be told."""
    tables["customers"] = tables["customers"][["customer_id", "started_at", "plan"]]
    yml = f"churn: {{inactivity: {{days: {days}}}}}\n"
    until = "2025-12-31" if passed else "2025-02-10"
    data = load(write_dataset(tables, yml), until if passed is None else None)
    if passed:
        data = load(write_dataset(tables, f"{yml}observed_until: {until}\n"))
    assert check(data_quality.run(data), "silence as a sign of leaving").passed is passed
