"""Rows that cannot be: each rule sets aside just its rows, counted and with examples."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cxlab.data.check import AFTER_END
from cxlab.data.dataset import load

DAY = pd.Timedelta("1D")
# The last end of the small dataset falls after every contact; nothing is past this day.
UNTIL = "observed_until: 2026-12-31\n"


def _set(table, rows, **values):
    def spoil(tables):
        for column, value in values.items():
            if column not in tables[table]:
                tables[table][column] = None
            if not (pd.api.types.is_number(value) or isinstance(value, pd.Timestamp)):
                tables[table][column] = tables[table][column].astype(object)
            tables[table].loc[rows, column] = value

    return spoil


def _shift(table, rows, column, other, by):
    def spoil(tables):
        frame = tables[table]
        frame.loc[rows, column] = frame.loc[rows, other] + pd.Timedelta(by)

    return spoil


def _cancelled(rows, after_start):
    def spoil(tables):
        customers = tables["customers"]
        customers["cancelled_at"] = pd.NaT
        customers.loc[rows, "cancelled_at"] = customers.loc[rows, "started_at"] + after_start

    return spoil


def _second_spell(tables):
    """Give two who left a second spell: one begun too early, one in order."""
    customers = tables["customers"]
    again = customers.iloc[[0, 3]].copy()
    again["started_at"] = again["ended_at"] + pd.to_timedelta([-1, 5], unit="D")
    again["ended_at"] = pd.NaT
    again["end_reason"] = None
    tables["customers"] = pd.concat([customers, again], ignore_index=True)


RULES = [
    ("customers", "no customer_id", 2, _set("customers", [1, 4], customer_id=None)),
    ("customers", "no started_at", 2, _set("customers", [1, 4], started_at=pd.NaT)),
    (
        "customers",
        "ended before it started",
        2,
        _shift("customers", [0, 3], "ended_at", "started_at", "-1D"),
    ),
    ("customers", "cancelled before it started", 2, _cancelled([0, 1], -DAY)),
    ("customers", "cancelled after it ended", 1, _cancelled([0, 1], 400 * DAY)),
    ("customers", "started_at past observed_until", 1,
     _set("customers", [1], started_at=pd.Timestamp("2027-01-01"))),
    ("customers", "ended_at past observed_until", 1,
     _set("customers", [0], ended_at=pd.Timestamp("2027-01-01"))),
    ("customers", "renewal_days below 1", 3, _set("customers", [0, 1, 2], renewal_days=0.5)),
    ("customers", "started before the customer's previous spell ended", 1, _second_spell),
    ("interactions", "no customer_id", 2, _set("interactions", [5, 6], customer_id=None)),
    ("interactions", "no occurred_at", 2, _set("interactions", [5, 6], occurred_at=pd.NaT)),
    ("interactions", "no touchpoint", 2, _set("interactions", [5, 6], touchpoint=" ")),
    ("interactions", "unknown customer", 2, _set("interactions", [5, 6], customer_id="nobody")),
    ("interactions", "outcome none of ok, failed", 2,
     _set("interactions", [5, 6], outcome="so-so")),
    ("interactions", "resolved before it was opened", 2,
     _shift("interactions", [5, 6], "resolved_at", "occurred_at", "-2D")),
    ("interactions", "response_seconds below 0", 2,
     _set("interactions", [5, 6], response_seconds=-1)),
    ("interactions", "handle_seconds below 0", 1, _set("interactions", [5], handle_seconds=-0.5)),
    ("interactions", "occurred_at past observed_until", 1,
     _set("interactions", [13], occurred_at=pd.Timestamp("2027-01-01"),
          resolved_at=pd.NaT)),
    ("interactions", "resolved_at past observed_until", 1,
     _set("interactions", [13], resolved_at=pd.Timestamp("2027-01-01"))),
    ("interactions", AFTER_END, 2,
     _set("interactions", [0, 1], occurred_at=pd.Timestamp("2026-06-01"), resolved_at=pd.NaT)),
    ("feedback", "no metric", 2, _set("feedback", [5, 6], metric=None)),
    ("feedback", "metric none of nps, csat, ces", 2, _set("feedback", [5, 6], metric="smiles")),
    ("feedback", "csat score off its scale 1 to 5", 2,
     _set("feedback", [5, 6], score=5.5, responded_at=pd.Timestamp("2026-01-01"))),
    ("feedback", "a score but no responded_at", 2,
     _set("feedback", [5, 6], score=3, responded_at=pd.NaT)),
    ("feedback", "no asked_at and no responded_at", 2,
     _set("feedback", [5, 6], asked_at=pd.NaT, responded_at=pd.NaT, score=np.nan)),
    ("feedback", "answered before it was asked", 2,
     _shift("feedback", [5, 6], "responded_at", "asked_at", "-2D")),
    ("feedback", "asked_at past observed_until", 1,
     _set("feedback", [5], asked_at=pd.Timestamp("2027-01-01"), responded_at=pd.NaT,
          score=np.nan)),
    ("feedback", "responded_at past observed_until", 1,
     _set("feedback", [5], responded_at=pd.Timestamp("2027-01-01"))),
    ("feedback", "unknown customer", 2, _set("feedback", [5, 6], customer_id="nobody")),
    # Asked before the end and answered after it, or asked after it: an exit survey.
    ("feedback", AFTER_END, 2,
     _set("feedback", [0, 1], responded_at=pd.Timestamp("2026-06-01"), score=2)),
    ("touchpoints", "no touchpoint", 1, _set("touchpoints", [0], touchpoint=None)),
    ("touchpoints", "fix_cost below 0", 1, _set("touchpoints", [0], fix_cost=-1)),
]  # fmt: skip


@pytest.mark.parametrize(("table", "rule", "count", "spoil"), RULES,
                         ids=[f"{t}: {r}" for t, r, _, _ in RULES])  # fmt: skip
def test_each_rule_sets_aside_its_rows_and_no_others(
    tables, write_dataset, cx, table, rule, count, spoil
) -> None:
    before = len(tables[table])
    spoil(tables)
    added = len(tables[table]) - before
    ran = cx("check", write_dataset(tables, UNTIL), "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["tables"][table]
    mine = found["set_aside"]
    assert [(s["rule"], s["rows"]) for s in mine] == [(rule, count)]
    assert found["rows_used"] == found["rows"] - count == before + added - count
    assert len(mine[0]["examples"]) == min(count, 3)
    assert all(isinstance(v, str) for e in mine[0]["examples"] for v in e.values())


def test_interventions_too(tables, write_dataset) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    tables["interventions"] = pd.DataFrame(
        {
            "intervention": [None, *names[1:]],
            "touchpoint": "call",
            "started_at": ["2025-03-01"] * 5 + ["2027-02-01"],
            "ended_at": [None, "2025-02-01", "2025-03-01", "2029-01-01", None, None],
        }
    )
    found = load(write_dataset(tables, UNTIL)).set_aside
    assert [(s.table, s.rule, s.rows) for s in found] == [
        ("interventions", "no intervention", 1),
        ("interventions", "ended before it started", 1),
        ("interventions", "started_at past observed_until", 1),
    ]


def test_a_row_is_set_aside_once_for_the_first_rule_it_breaks(tables, write_dataset) -> None:
    calls = tables["interactions"]
    calls.loc[0, ["customer_id", "touchpoint", "outcome"]] = [None, None, "so-so"]
    found = load(write_dataset(tables)).set_aside
    assert [(s.rule, s.rows) for s in found] == [("no customer_id", 1)]


def test_what_hangs_on_a_customer_set_aside_is_of_an_unknown_one(tables, write_dataset) -> None:
    tables["customers"].loc[1, "started_at"] = pd.NaT
    found = load(write_dataset(tables)).set_aside
    assert [(s.table, s.rule, s.rows) for s in found] == [
        ("customers", "no started_at", 1),
        ("interactions", "unknown customer", 12),
        ("feedback", "unknown customer", 3),
    ]


def test_examples_are_rows_a_person_can_find(tables, write_dataset, cx) -> None:
    tables["interactions"]["text"] = "hello\nthere\x1b[31m " + "x" * 5000
    tables["interactions"].loc[5, "outcome"] = "so-so"
    ran = cx("check", write_dataset(tables))
    assert ran.code == 0
    assert "interactions: set aside 1: outcome none of ok, failed" in ran.out
    example = next(x for x in ran.out.splitlines() if "so-so" in x)
    assert "interaction_id i0005, customer_id C000" in example and len(example) < 400
    assert "hello there" in example and "\x1b" not in ran.out


def test_spells_may_follow_but_not_overlap(write_files) -> None:
    text = """customer_id,started_at,ended_at
    nested,2025-01-01,2025-12-01
    nested,2025-02-01,2025-03-01
    nested,2025-06-01,2025-08-01
    open,2025-01-01,
    open,2025-05-01,2025-06-01
    same-day,2025-01-01,2025-02-01T15:00:00Z
    same-day,2025-02-01,2025-03-01
    broken-first,2025-02-01,2025-01-01
    broken-first,2025-03-01,2025-04-01
    good,2025-01-01,2025-02-01
    good,2025-02-01T08:00:00Z,
    """.replace("    ", "")
    dataset = load(write_files({"customers.csv": text}))
    assert [(s.rule, s.rows) for s in dataset.set_aside] == [
        ("ended before it started", 1),
        ("started before the customer's previous spell ended", 3),
    ]
    kept = dataset.table("customers").select("customer_id").collect(backend="pyarrow")
    assert sorted(r[0] for r in kept.iter_rows()) == sorted(
        ["nested", "open", "same-day", "same-day", "broken-first", "good", "good"]
    )


def test_a_plain_date_is_any_time_of_its_day(write_files) -> None:
    files = {
        "customers.csv": "customer_id,started_at,ended_at\n"
        "1,2025-01-01T15:00:00Z,2025-01-01\n2,2025-01-01,2025-03-01\n",
        "interactions.csv": "customer_id,occurred_at,touchpoint,resolved_at\n"
        "2,2025-03-01T17:00:00Z,call,2025-03-01\n2,2025-03-02T00:00:00Z,call,\n",
    }
    found = load(write_files(files)).set_aside
    assert [(s.table, s.rule, s.rows) for s in found] == [("interactions", AFTER_END, 1)]
    assert found[0].examples[0]["occurred_at"] == "2025-03-02 00:00:00"


def test_contacts_before_the_start_and_answers_of_nobody_are_kept(tables, write_dataset) -> None:
    tables["interactions"].loc[:11, "occurred_at"] = pd.Timestamp("2024-06-01")
    tables["feedback"]["customer_id"] = None
    dataset = load(write_dataset(tables))
    assert dataset.set_aside == ()


def test_a_declared_metric_has_its_own_scale(tables, write_dataset) -> None:
    answers = tables["feedback"]
    answers["metric"] = "effort"
    answers["responded_at"] = answers["asked_at"]
    answers["score"] = [10.0, -1.0] + [9.0] * (len(answers) - 2)
    yml = "metrics: {effort: {scale: [0, 9], direction: lower_is_better}}\n"
    found = load(write_dataset(tables, yml)).set_aside
    assert [(s.rule, s.rows) for s in found] == [("effort score off its scale 0 to 9", 2)]


@pytest.mark.parametrize(("metric", "low", "high"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7)])
def test_the_scales_of_the_field(tables, write_dataset, metric, low, high) -> None:
    answers = tables["feedback"]
    answers["metric"] = metric
    answers["responded_at"] = answers["asked_at"]
    answers["score"] = [low - 1, high + 1, low, high, *[low + 1.5] * (len(answers) - 4)]
    found = load(write_dataset(tables)).set_aside
    assert [(s.rows, "scale" in s.rule) for s in found] == [(2, True)]


def _scored(tables, metric, scores):
    """Give all answers one metric, and scores in turn."""
    answers = tables["feedback"]
    answers["metric"], answers["responded_at"] = metric, answers["asked_at"]
    answers["score"] = np.resize(np.array(scores, dtype=float), len(answers))


@pytest.mark.parametrize(
    ("metric", "scores", "hint"),
    [
        ("nps", range(1, 12), "nps runs 1 to 11, not 0 to 10: declare its scale in dataset.yml "
         "(metrics: {nps: {scale: [1, 11]}})"),
        ("csat", range(1, 8), "csat runs 1 to 7, not 1 to 5: declare its scale in dataset.yml "
         "(metrics: {csat: {scale: [1, 7]}})"),
        ("csat", [0, 1, 2, 3, 4], "csat runs 0 to 4, not 1 to 5: declare its scale in dataset.yml "
         "(metrics: {csat: {scale: [0, 4]}})"),
        ("ces", [1, 2, 3, 4, 5, 6, 5000], "ces runs 1 to 5000, not 1 to 7: declare its scale in "
         "dataset.yml"),
    ],
)  # fmt: skip
def test_scores_of_another_scale_are_told_so(
    tables, write_dataset, cx, metric, scores, hint
) -> None:
    _scored(tables, metric, scores)
    shop = write_dataset(tables)
    ran = cx("check", shop)
    assert ran.code == 0
    assert f"    Looks like another scale: {hint}\n" in ran.out + "\n"
    (aside,) = json.loads(cx("check", shop, "--json").out)["tables"]["feedback"]["set_aside"]
    assert aside["hint"] == hint
    # Declared, nothing is set aside any more.
    if "[" in hint:
        declared = hint[hint.index("(") + 1 : -1]
        assert load(write_dataset(tables, declared)).set_aside == ()


def test_a_scale_that_sets_most_aside_is_told_as_it_is_refused(
    tables, write_dataset, refused
) -> None:
    _scored(tables, "csat", [0, 10, 30, 50, 55, 60, 80, 100, 3])
    line = refused(1, "check", write_dataset(tables))
    assert "more than half; most often: csat score off its scale 1 to 5" in line
    assert line.endswith("csat runs 0 to 100, not 1 to 5: declare its scale in dataset.yml "
                         "(metrics: {csat: {scale: [0, 100]}})")  # fmt: skip


def test_a_slip_of_the_pen_is_no_scale(tables, write_dataset, cx) -> None:
    _scored(tables, "nps", [10] * 160 + [11, 9])
    ran = cx("check", write_dataset(tables))
    assert "set aside 1: nps score off its scale 0 to 10" in ran.out
    assert "another scale" not in ran.out


def test_journeys_and_channels_are_told_of(tables, write_dataset, cx) -> None:
    calls = tables["interactions"]
    calls["channel"] = "web"
    calls["journey_id"] = [f"j{i // 3}" for i in range(len(calls))]
    calls.loc[:71, "journey_id"] = None
    ran = cx("check", write_dataset(tables))
    assert "72 contacts of 720 (10%) name no journey; they are cut into journeys" in ran.out
    assert "All contacts come by one channel (web): nothing can be told of handoffs" in ran.out
    assert len(json.loads(cx("check", write_dataset(tables), "--json").out)["notes"]) == 2
    calls["channel"], calls["journey_id"] = np.resize(["web", "app"], len(calls)), "j"
    assert "journey" not in cx("check", write_dataset(tables)).out  # one of each customer


def test_a_journey_of_ten_thousand_steps_is_questioned(tables, write_dataset, cx) -> None:
    calls = tables["interactions"]
    first = calls.iloc[[0]]
    many = pd.concat([first] * 10_000, ignore_index=True)
    many["occurred_at"] += pd.to_timedelta(np.arange(10_000), unit="s")
    many["interaction_id"], many["resolved_at"] = [f"m{i}" for i in range(10_000)], pd.NaT
    calls["journey_id"], many["journey_id"] = "short", "0"
    tables["interactions"] = pd.concat([calls, many], ignore_index=True)
    ran = cx("check", write_dataset(tables, form="parquet"))
    assert ran.code == 0
    assert "1 journey has more than 1,000 contacts, up to 10,000: is that one journey" in ran.out


# -- refused ----------------------------------------------------------------------------------


def test_what_is_planned_is_set_aside_however_much_it_is(tables, write_dataset) -> None:
    tables["interventions"]["started_at"] = "2030-01-01"
    dataset = load(write_dataset(tables, "observed_until: 2026-01-31\n"))
    (aside,) = [s for s in dataset.set_aside if s.table == "interventions"]
    assert (aside.rule, aside.rows) == ("started_at past observed_until", 1)


def test_half_a_table_may_be_set_aside_and_no_more(tables, write_dataset, refused, cx) -> None:
    calls = tables["interactions"]
    half = len(calls) // 2
    calls.loc[: half - 1, "outcome"] = "so-so"
    shop = write_dataset(tables)
    assert cx("check", shop).code == 0
    calls.loc[half, "touchpoint"] = None
    line = refused(1, "check", write_dataset(tables))
    assert "interactions.csv: table interactions: 361 of 720 rows cannot be, more than half" in line
    assert "most often: outcome none of ok, failed (360 rows, such as" in line


def test_exit_surveys_do_not_make_a_table_refused(tables, write_dataset, cx) -> None:
    gone = tables["customers"].loc[tables["customers"]["ended_at"].notna(), "customer_id"]
    answers = tables["feedback"]
    tables["feedback"] = answers[answers["customer_id"].isin(gone)].assign(
        asked_at=pd.Timestamp("2026-06-01"), responded_at=pd.NaT, score=np.nan
    )
    ran = cx("check", write_dataset(tables), "--json")
    assert ran.code == 0
    assert json.loads(ran.out)["tables"]["feedback"]["rows_used"] == 0


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("customers", "(customer_id, started_at)"),
        ("interactions", "(interaction_id)"),
        ("touchpoints", "(touchpoint)"),
        ("interventions", "(intervention, touchpoint, started_at)"),
    ],
)
def test_a_duplicate_key_is_refused(tables, write_dataset, refused, table, key, form) -> None:
    tables[table] = pd.concat([tables[table], tables[table].iloc[[0]]])
    line = refused(1, "check", write_dataset(tables, form=form))
    assert f"{table}.{form}: table {table}: the key {key} repeats for 1" in line
    assert "such as" in line and "allowed: one row each" in line


def test_rows_without_a_key_are_no_duplicates(tables, write_dataset) -> None:
    tables["interactions"].loc[:3, "interaction_id"] = None
    tables["customers"].loc[[0, 3], "customer_id"] = "C001"
    tables["customers"].loc[[0, 3], "started_at"] = pd.NaT
    found = load(write_dataset(tables)).set_aside
    rules = ["no started_at", "unknown customer", "unknown customer"]
    assert [s.rule for s in found] == rules


def test_a_snapshot_may_repeat_nobody(write_files, refused) -> None:
    text = "customer_id,tenure,churned\n1,1,1\n2,2,0\n1,3,0\n"
    line = refused(1, "check", write_files({"customers.csv": text}))
    assert "the key (customer_id) repeats for 1 of its values, such as customer_id 1" in line


def test_a_snapshots_rules(write_files) -> None:
    text = "customer_id,tenure,churned\n1,1,1\n2,,0\n3,2,\n4,-1,0\n5,0,0\n6,1,0\n7,1,0\n,1,0\n"
    found = load(write_files({"customers.csv": text})).set_aside
    assert [(s.rule, s.rows) for s in found] == [
        ("no tenure", 1), ("no churned", 1), ("tenure below 0", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("table", ["interactions", "feedback", "touchpoints", "interventions"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_empty_table_is_refused(tables, write_dataset, refused, table, form) -> None:
    tables[table] = tables[table][:0]
    line = refused(1, "check", write_dataset(tables, form=form))
    assert f"{table}.{form}" in line and "empty" in line


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("customers", "customer_id"),
        ("interactions", "customer_id"),
        ("interactions", "occurred_at"),
        ("interactions", "touchpoint"),
        ("feedback", "metric"),
        ("touchpoints", "touchpoint"),
        ("interventions", "started_at"),
    ],
)
def test_a_missing_column_is_refused(tables, write_dataset, refused, table, column) -> None:
    tables[table] = tables[table].drop(columns=column)
    line = refused(1, "check", write_dataset(tables))
    assert f"{table}.csv: table {table}: missing column {column}; the file has: " in line
    assert "dataset.yml" in line


# -- the report -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_clean_dataset_is_told_in_counts(tables, write_dataset, cx, form) -> None:
    shop = write_dataset(tables, "name: The Shop\ntime_zone: Europe/Berlin\n", form)
    ran = cx("check", shop)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("The Shop: spells form, seen as of 2025-")
    assert "(Europe/Berlin)" in ran.out
    assert f"interactions           720         720           0  interactions.{form}" in ran.out
    assert "customers: attributes: plan (text)" in ran.out and "set aside 0" not in ran.out
    told = json.loads(cx("check", shop, "--json").out)
    assert (told["form"], told["tables_missing"]) == ("spells", [])
    assert list(told["tables"]) == list(tables)
    assert told["tables"]["customers"]["attributes"] == {"plan": "text"}
    assert {t: v["rows_used"] for t, v in told["tables"].items()} == {
        t: len(v) for t, v in tables.items()
    }


def test_missing_tables_are_told_of_and_a_snapshot_has_no_date(write_files, cx) -> None:
    shop = write_files({"customers.csv": "tenure,churned,plan\n1,1,a\n2,0,b\n"})
    ran = cx("check", shop)
    assert ran.out.startswith("shop: snapshot form, undated")
    assert "not there: interactions, feedback, touchpoints, interventions" in ran.out
    assert json.loads(cx("check", shop, "--json").out)["as_of"] is None
