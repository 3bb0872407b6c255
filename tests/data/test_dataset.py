"""A dataset shows what was known at ``as_of`` and nothing later."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.errors import AnalysisError, DataError, UsageError

FILES = {
    "customers.csv": """customer_id,started_at,ended_at,cancelled_at,end_reason
gone,2025-01-01,2025-02-01,2025-01-20,voluntary
notice,2025-01-01,2025-09-30,2025-06-01,voluntary
card,2025-01-01,2025-05-01,,involuntary
stays,2025-01-01,,,
late,2025-06-15,,,
""",
    "interactions.csv": """interaction_id,customer_id,occurred_at,touchpoint,resolved_at
1,stays,2025-03-01T10:00:00Z,call,2025-03-20
2,stays,2025-03-10T23:59:59Z,call,
3,stays,2025-03-11T00:00:00Z,call,
4,late,2025-06-20T08:00:00Z,call,
""",
    "feedback.csv": """customer_id,asked_at,responded_at,metric,score,comment
stays,2025-03-02,2025-03-05,nps,9,early
stays,2025-03-02,2025-03-15,nps,2,after
stays,2025-03-02,,nps,,
stays,,2025-03-12,nps,3,late
stays,2025-04-01,2025-04-02,nps,5,later
""",
    "interventions.csv": """intervention,touchpoint,started_at
a,call,2025-03-01
b,call,2025-04-01
""",
}


def rows(dataset: Dataset, table: str, *columns: str) -> list[tuple]:
    frame = dataset.table(table).select(*columns).collect(backend="pyarrow")
    return sorted(
        (tuple(str(v) if isinstance(v, dt.datetime) else v for v in r) for r in frame.iter_rows()),
        key=repr,
    )


def test_nothing_after_as_of_is_seen(write_files) -> None:
    dataset = load(write_files(FILES), "2025-03-10")
    assert dataset.end == dt.datetime(2025, 3, 11)
    assert rows(dataset, "customers", "customer_id", "ended_at", "cancelled_at", "end_reason") == [
        ("card", None, None, None),
        ("gone", "2025-02-01 00:00:00", "2025-01-20 00:00:00", "voluntary"),
        ("notice", None, None, None),
        ("stays", None, None, None),
    ]
    assert rows(dataset, "interactions", "interaction_id", "resolved_at") == [
        ("1", None),
        ("2", None),
    ]
    seen = rows(dataset, "feedback", "responded_at", "score", "comment")
    assert seen == [("2025-03-05 00:00:00", 9.0, "early"), (None, None, None), (None, None, None)]
    assert rows(dataset, "interventions", "intervention") == [("a",)]


def test_notice_is_known_before_the_end_comes(write_files) -> None:
    found = rows(load(write_files(FILES), "2025-06-30"), "customers", "customer_id", "ended_at",
                 "cancelled_at", "end_reason")  # fmt: skip
    assert ("notice", None, "2025-06-01 00:00:00", "voluntary") in found
    assert ("late", None, None, None) in found


@pytest.mark.parametrize(
    ("settings", "as_of"),
    [
        # The newest time of any table; an end announced by notice lies ahead of the feed.
        ("", "2025-06-20"),
        ("observed_until: 2025-12-31\n", "2025-12-31"),
        ("observed_until: 2025-12-31T12:00:00\n", "2025-12-31"),
        ("time_zone: Europe/Berlin\nobserved_until: 2025-12-31T23:30:00Z\n", "2026-01-01"),
    ],
)
def test_as_of_by_default(write_files, settings, as_of) -> None:
    dataset = load(write_files(FILES | {"dataset.yml": settings}))
    assert str(dataset.as_of) == as_of
    assert dataset.set_aside == ()


def test_due_dates_and_renewals_do_not_say_how_far_the_feed_reaches(tables, write_dataset) -> None:
    shop = write_dataset(tables)
    before = load(shop).as_of
    tables["customers"]["renews_at"] = pd.Timestamp("2030-01-01")
    tables["interactions"]["due_at"] = pd.Timestamp("2031-01-01")
    assert load(write_dataset(tables)).as_of == before


def test_as_of_in_any_form(write_files) -> None:
    shop = write_files(FILES)
    for given in ("2025-03-10", dt.date(2025, 3, 10), dt.datetime(2025, 3, 10, 9)):
        assert load(shop, given).as_of == dt.date(2025, 3, 10)


@pytest.mark.parametrize("as_of", ["soon", "2025-02-30", "", "1066-10-14", "9999-12-31"])
def test_no_such_day(write_files, as_of) -> None:
    with pytest.raises(UsageError, match=r"as_of is .*; allowed"):
        load(write_files(FILES), as_of)


def test_a_day_past_the_feeds_end_is_refused(write_files, refused) -> None:
    shop = write_files(FILES | {"dataset.yml": "observed_until: 2025-12-31\n"})
    assert load(shop, "2025-12-31").as_of == dt.date(2025, 12, 31)
    line = refused(2, "check", shop, "--as-of", "2026-01-01")
    assert "as_of is 2026-01-01; allowed: up to 2025-12-31, the day of observed_until" in line


def test_who_left_is_told_by_the_end_or_by_notice(write_files) -> None:
    shop = write_files({"customers.csv": FILES["customers.csv"]})
    assert load(shop, "2025-01-20").as_of == dt.date(2025, 1, 20)
    with pytest.raises(DataError, match="nobody left by 2025-01-19"):
        load(shop, "2025-01-19")


@pytest.mark.parametrize("spoil", ["null", "absent", "snapshot"])
def test_no_churner_is_refused(tables, write_dataset, refused, tmp_path, spoil) -> None:
    customers = tables["customers"].assign(ended_at=pd.NaT, end_reason=None)
    if spoil == "absent":
        customers = customers.drop(columns=["ended_at", "end_reason"])
    if spoil == "snapshot":
        customers = pd.DataFrame({"tenure": [1, 2], "churned": [0, 0]})
        tables = {}
    shop = write_dataset(tables | {"customers": customers})
    for command in (["check"], ["drivers", "--out", tmp_path / "out"]):
        line = refused(1, *command, shop)
        assert "table customers: nobody left" in line and "at least one" in line
    assert not (tmp_path / "out").exists()


def test_no_churner_yet_at_an_earlier_day(tables, write_dataset, refused) -> None:
    line = refused(1, "check", write_dataset(tables), "--as-of", "2025-01-20")
    assert "nobody left by 2025-01-20" in line


# -- inactivity -------------------------------------------------------------------------------

SILENT = {
    "customers.csv": """customer_id,started_at
busy,2025-01-01
silent,2025-01-01
never,2025-02-01
returned,2025-01-01
early,2025-03-01
""",
    "interactions.csv": """customer_id,occurred_at,touchpoint
busy,2025-05-20,visit
silent,2025-02-01T12:00:00Z,visit
returned,2025-01-02,visit
returned,2025-05-25,visit
early,2025-02-01,visit
""",
    "dataset.yml": "churn: {inactivity: {days: 30}}\nobserved_until: 2025-05-31\n",
}


def test_churn_by_silence(write_files) -> None:
    dataset = load(write_files(SILENT))
    assert rows(dataset, "customers", "customer_id", "ended_at") == [
        ("busy", None),
        # A contact from before the start does not keep a customer.
        ("early", "2025-03-31 00:00:00"),
        ("never", "2025-03-03 00:00:00"),
        ("returned", None),
        ("silent", "2025-03-03 12:00:00"),
    ]


def test_silence_is_judged_by_what_was_known(write_files) -> None:
    earlier = dict(rows(load(write_files(SILENT), "2025-03-02"), "customers", "customer_id",
                        "ended_at"))  # fmt: skip
    # Then it was not known that they would come back, nor that the silence would last.
    assert earlier == {"busy": "2025-01-31 00:00:00", "returned": "2025-02-01 00:00:00",
                       "silent": None, "never": None, "early": None}  # fmt: skip


def test_an_end_that_is_given_stands(write_files) -> None:
    text = SILENT["customers.csv"].replace("\n", ",\n").replace("at,\n", "at,ended_at\n")
    text = text.replace("silent,2025-01-01,", "silent,2025-01-01,2025-04-15")
    dataset = load(write_files(SILENT | {"customers.csv": text}))
    ends = dict(rows(dataset, "customers", "customer_id", "ended_at"))
    assert ends["silent"] == "2025-04-15 00:00:00" and ends["never"] == "2025-03-03 00:00:00"


def test_silence_needs_contacts(write_files, refused) -> None:
    files = {k: v for k, v in SILENT.items() if not k.startswith("inter")}
    line = refused(1, "check", write_files(files))
    assert "the dataset has no table interactions" in line


# -- the rest ---------------------------------------------------------------------------------


def test_what_a_dataset_tells(tables, write_dataset) -> None:
    shop = write_dataset(tables, "name: The Shop\n")
    dataset = load(str(shop))
    assert (dataset.name, dataset.form) == ("The Shop", "spells")
    assert dataset.tables == tuple(tables)
    assert dataset.attributes == {"plan": "text"}
    assert dataset.columns("touchpoints") == ("touchpoint", "stage")
    assert dataset.missing(["customers"]) is None
    counts = dataset.overview().table
    assert list(counts["used"]) == list(counts["rows"]) == [len(t) for t in tables.values()]
    hashes = {n: hashlib.sha256((shop / f"{n}.csv").read_bytes()).hexdigest() for n in tables}
    assert dataset.sha256() == hashes


def test_a_table_that_is_not_there(tables, write_dataset) -> None:
    del tables["feedback"]
    dataset = load(write_dataset(tables))
    assert dataset.columns("feedback") == ()
    assert dataset.missing(["customers", "feedback"]) == "the dataset has no table feedback"
    with pytest.raises(AnalysisError, match="the dataset has no table feedback, which"):
        dataset.table("feedback")


def test_the_tables_may_lie_elsewhere(write_files, monkeypatch, refused) -> None:
    lake = write_files({"customers.csv": FILES["customers.csv"]}, "lake")
    for text in ("../lake", str(lake), "${CX_LAKE}"):
        monkeypatch.setenv("CX_LAKE", str(lake))
        shop = write_files({"dataset.yml": f"source: {{path: '{text}'}}\n"})
        dataset = load(shop)
        assert (dataset.name, dataset.tables) == ("shop", ("customers",))
    shop = write_files({"dataset.yml": "source: {path: ../lake/customers.csv}\n"})
    told = "customers.csv: not a DuckDB database file; allowed: one, or a folder of Parquet or CSV"
    assert told in refused(1, "check", shop)


def test_the_same_dataset_whatever_its_files(tables, write_dataset) -> None:
    one = load(write_dataset(tables, form="csv", name="csv"))
    two = load(write_dataset(tables, form="parquet", name="parquet"))
    assert (one.as_of, one.set_aside) == (two.as_of, two.set_aside)
    for table in tables:
        columns = one.columns(table)
        assert two.columns(table) == columns
        assert rows(one, table, *columns) == rows(two, table, *columns)


def test_loading_leaves_nothing_behind(tables, write_dataset, tmp_path, monkeypatch) -> None:
    shop = write_dataset(tables)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = sorted(shop.iterdir())
    load(shop, memory_limit="100MB").table("interactions").collect(backend="pyarrow")
    assert sorted(shop.iterdir()) == before
    assert list(Path.cwd().iterdir()) == []


def test_a_dirty_customers_table(tables, write_dataset) -> None:
    n = len(tables["customers"])
    tables["customers"] = tables["customers"].assign(
        nothing=None, many=[f"v{i}" for i in range(n)], quotes="a'b\"c", größe="groß 💬",
        started=1, ended=2, event="x", last=np.arange(n), first=0, customer="me", period=3,
    )  # fmt: skip
    dataset = load(write_dataset(tables))
    assert set(dataset.attributes) >= {"nothing", "many", "quotes", "größe", "event", "last"}
    assert rows(dataset, "customers", "größe", "quotes")[0] == ("groß 💬", "a'b\"c")
