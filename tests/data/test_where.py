from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import cxlab
from cxlab.data import sources
from cxlab.data.dataset import Dataset
from cxlab.errors import DataError, UsageError

Tables = dict[str, pd.DataFrame]


def rows(dataset: Dataset, table: str) -> pd.DataFrame:
    """Give a table's rows, in an order of their own."""
    frame: pd.DataFrame = dataset.table(table).collect(backend="pandas").to_native()
    return frame.sort_values(list(frame.columns), ignore_index=True)


def alone(tables: Tables, column: str, value: object) -> Tables:
    """Take a segment out by hand: what a dataset of that segment alone would hold."""
    customers = tables["customers"]
    mine = customers[customers[column].isna() if value is None else customers[column] == value]
    ids = set(mine["customer_id"])
    kept = {n: t[t["customer_id"].isin(ids)] for n, t in tables.items() if "customer_id" in t}
    return tables | kept | {"customers": mine}


@pytest.mark.parametrize("few", [True, False])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_segment_is_what_a_dataset_of_it_alone_would_be(
    tables: Tables,
    write_dataset: Callable[..., Path],
    form: str,
    few: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not few:  # and so not held by the engine
        monkeypatch.setattr(sources, "_FEW_VALUES", 0)
    if form == "csv":  # rows that cannot be are those of the segment, too
        tables["interactions"].loc[::50, "outcome"] = "odd"
    whole = cxlab.load(write_dataset(tables, form=form))
    dataset = cxlab.load(whole.path, where="plan=plus")
    by_hand = write_dataset(alone(tables, "plan", "plus"), form=form, name="plus")
    other = cxlab.load(by_hand, as_of=whole.as_of)
    for name in tables:
        pd.testing.assert_frame_equal(rows(dataset, name), rows(other, name))
    assert [(s.table, s.rule, s.rows) for s in dataset.set_aside] == [
        (s.table, s.rule, s.rows) for s in other.set_aside
    ]
    assert dataset.overview().table.equals(other.overview().table)
    assert (dataset.as_of, dataset.where) == (whole.as_of, "plan=plus")
    assert (dataset.name, whole.where) == ("shop, plan: plus", "")


def test_a_segment_ends_with_the_whole_feed_though_its_own_rows_end_before(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    late = tables["interactions"]["occurred_at"].max() + pd.Timedelta("40D")
    plans = tables["customers"].set_index("customer_id")["plan"]
    basic = tables["interactions"]["customer_id"].map(plans) == "basic"
    stay = tables["customers"]["ended_at"].isna()
    lasting = tables["customers"].loc[stay & (tables["customers"]["plan"] == "basic")]
    last = tables["interactions"].index[
        basic & tables["interactions"]["customer_id"].isin(lasting["customer_id"])
    ][0]
    tables["customers"]["ended_at"] = tables["customers"]["ended_at"].clip(upper=late)
    tables["interactions"].loc[last, ["occurred_at", "resolved_at"]] = late
    path = write_dataset(tables)
    assert cxlab.load(path, where="plan=plus").as_of == cxlab.load(path).as_of == late.date()


VALUES: list[tuple[list[Any], str, str]] = [
    ([True, False], "v=true", "v: true"),
    ([2, 30], "v=2.0", "v: 2"),
    ([0.5, 30], "v=0.5", "v: 0.5"),
    (["2026-01-01", "x"], "v=2026-01-01", "v: 2026-01-01"),
    (["a=b/c\\d", "x"], "v=a=b/c\\d", "v: a=b/c\\d"),
    (["🙂 مرحبا", "x"], "v=🙂 مرحبا", "v: 🙂 مرحبا"),
    ([None, "x"], "v=", "v not given"),
    ([None, 3.0], "v=", "v not given"),
]


@pytest.mark.parametrize(("values", "where", "words"), VALUES, ids=[v[1] for v in VALUES])
def test_a_value_of_any_kind_is_found(
    tables: Tables, write_dataset: Callable[..., Path], values: list[Any], where: str, words: str
) -> None:
    few = pd.Series([values[0] if k % 4 == 0 else values[1] for k in range(60)])
    tables["customers"]["v"] = few
    alone = {"customers": tables["customers"]}
    dataset = cxlab.load(write_dataset(alone, form="parquet"), where=where)
    assert rows(dataset, "customers")["customer_id"].tolist() == [
        f"C{k:03d}" for k in range(0, 60, 4)
    ]
    assert dataset.name == f"shop, {words}"


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("plan", "where is 'plan'; allowed: an attribute and its value, such as plan=pro"),
        ("=pro", "where is '=pro'; allowed"),
        ("plna=plus", "where: the attribute is 'plna'; allowed: plan"),
        ("customer_id=C001", "allowed: plan, size"),
        ("plan=plsu", "where: plan of table customers is 'plsu'; allowed: plus, basic"),
        ("plan=", "where: plan of table customers is None; allowed: basic, plus"),
        ("plan=Plus", "allowed: plus, basic"),
        ("size=big", "where: size of table customers is 'big'; allowed: a number"),
        ("size=nan", "size of table customers is 'nan'; allowed: a number"),
        ("owner=Billing", "the attribute is 'owner'; allowed: plan, size"),
    ],
)
def test_what_is_no_segment_is_refused_in_a_line(
    tables: Tables, write_dataset: Callable[..., Path], where: str, told: str
) -> None:
    tables["customers"]["size"] = 1.5
    with pytest.raises(UsageError) as refusal:
        cxlab.load(write_dataset({"customers": tables["customers"]}), where=where)
    assert told in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_segment_that_nobody_left_is_refused_by_its_name(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    stays = tables["customers"]["plan"] == "plus"
    tables["customers"].loc[stays, ["ended_at", "end_reason"]] = None
    with pytest.raises(DataError, match="table customers, plan: plus: nobody left"):
        cxlab.load(write_dataset({"customers": tables["customers"]}), where="plan=plus")


def test_of_many_values_the_nearest_are_named(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    tables["customers"]["city"] = [f"city {k:02d}" for k in range(60)]
    with pytest.raises(UsageError, match=r"allowed: city 44, .* and 48 more$"):
        cxlab.load(write_dataset({"customers": tables["customers"]}), where="city=cty 44")


def test_a_returning_customers_other_spell_is_not_of_the_segment(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    first = tables["customers"].iloc[0]
    back = first.copy()
    back["started_at"] = first["ended_at"] + pd.Timedelta("30D")
    back["ended_at"], back["end_reason"] = pd.NaT, None
    back["plan"] = "basic" if first["plan"] == "plus" else "plus"
    later = tables["interactions"].iloc[[0]].copy()
    later["interaction_id"], later["occurred_at"] = "later", back["started_at"] + pd.Timedelta("1D")
    later["resolved_at"] = later["occurred_at"]
    tables["customers"] = pd.concat([tables["customers"], back.to_frame().T], ignore_index=True)
    tables["interactions"] = pd.concat([tables["interactions"], later], ignore_index=True)
    path = write_dataset(tables)
    one, other = (cxlab.load(path, where=f"plan={p}") for p in (first["plan"], back["plan"]))
    assert "later" not in set(rows(one, "interactions")["interaction_id"])
    assert "later" in set(rows(other, "interactions")["interaction_id"])


@pytest.fixture
def owned(tables: Tables) -> Tables:
    """Touchpoints of two owners, one of the exit stage; visits are in no table."""
    tables["touchpoints"] = pd.DataFrame(
        {
            "touchpoint": ["call", "chat", "invoice", "farewell"],
            "stage": ["support", "support", "use", "Exit"],
            "owner": ["Care", "Care", "Billing", "Care"],
            "fix_cost": [1.0, 2.0, 3.0, 4.0],
        }
    )
    places = tables["interactions"]["touchpoint"]
    tables["interactions"]["touchpoint"] = places.mask(places.index % 7 == 0, "farewell").mask(
        places.index % 11 == 0, "visit"
    )
    day = ["2025-03-01"] * 3
    tables["interventions"] = pd.DataFrame(
        {"intervention": "script", "touchpoint": ["call", "chat", "invoice"], "started_at": day}
    )
    return tables


def test_other_owners_touchpoints_go_by_one_name_and_nobody_is_left_out(
    owned: Tables, write_dataset: Callable[..., Path]
) -> None:
    path = write_dataset(owned)
    whole, billing = cxlab.load(path), cxlab.load(path, where="owner=Billing")
    assert rows(billing, "customers").equals(rows(whole, "customers"))
    before, after = (
        rows(d, "interactions").set_index("interaction_id")["touchpoint"] for d in (whole, billing)
    )
    pairs = set(zip(before, after.loc[before.index], strict=True))
    assert pairs == {
        ("call", "Other touchpoints of Care"),
        ("chat", "Other touchpoints of Care"),
        ("farewell", "Other touchpoints of Care, where customers leave"),
        ("invoice", "invoice"),
        ("visit", "Other touchpoints, without an owner"),
    }
    places = rows(billing, "touchpoints").set_index("touchpoint")
    assert places["stage"].to_dict() == {
        "Other touchpoints of Care": "support",
        "Other touchpoints of Care, where customers leave": "Exit",
        "invoice": "use",
    }
    assert places["fix_cost"].dropna().to_dict() == {"invoice": 3.0}
    assert rows(billing, "interventions")["touchpoint"].tolist() == [
        "Other touchpoints of Care",  # call and chat are one plan now
        "invoice",
    ]


def test_touchpoints_without_an_owner_are_a_segment(
    owned: Tables, write_dataset: Callable[..., Path]
) -> None:
    owned["touchpoints"].loc[2, "owner"] = None
    dataset = cxlab.load(write_dataset(owned), where="owner=")
    names = set(rows(dataset, "interactions")["touchpoint"])
    assert {"invoice", "visit", "Other touchpoints of Care"} < names
    assert dataset.name == "shop, owner not given"


def test_a_touchpoint_that_has_the_name_of_a_group_is_told_apart(
    owned: Tables, write_dataset: Callable[..., Path]
) -> None:
    owned["touchpoints"]["touchpoint"] = owned["touchpoints"]["touchpoint"].replace(
        "invoice", "Other touchpoints of Care"
    )
    owned["interactions"]["touchpoint"] = owned["interactions"]["touchpoint"].replace(
        "invoice", "Other touchpoints of Care"
    )
    dataset = cxlab.load(write_dataset(owned), where="owner=Billing")
    names = set(rows(dataset, "interactions")["touchpoint"])
    assert {"Other touchpoints of Care", "Other touchpoints of Care (together)"} < names


def test_an_owner_of_customers_is_an_attribute_where_touchpoints_have_none(
    owned: Tables, write_dataset: Callable[..., Path]
) -> None:
    owned["customers"]["owner"] = "Anna"
    assert cxlab.load(write_dataset(owned), where="owner=Care").segment.table == "touchpoints"  # type: ignore[union-attr]
    owned["touchpoints"] = owned["touchpoints"].drop(columns="owner")
    dataset = cxlab.load(write_dataset(owned, name="other"), where="owner=Anna")
    assert len(rows(dataset, "customers")) == 60


def test_a_snapshot_and_a_duckdb_file_have_segments(
    tables: Tables, write_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    flat = pd.DataFrame({"tenure": range(1, 41), "churned": [0, 1] * 20, "plan": ["a", "b"] * 20})
    part = cxlab.load(write_dataset({"customers": flat}, name="flat"), where="plan=b")
    assert (part.day, len(rows(part, "customers"))) == (None, 20)
    with duckdb.connect(str(tmp_path / "all.duckdb")) as connection:
        for name, table in tables.items():
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
            connection.unregister("given")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "dataset.yml").write_text("source: {path: ../all.duckdb}")
    held = cxlab.load(tmp_path / "file", where="plan=plus")
    assert set(rows(held, "customers")["plan"]) == {"plus"}


def test_answers_that_are_nobodys_are_no_segments(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    tables["feedback"].loc[::2, "customer_id"] = None
    dataset = cxlab.load(write_dataset(tables), where="plan=plus")
    assert rows(dataset, "feedback")["customer_id"].notna().all()
    tables["feedback"] = tables["feedback"].drop(columns="customer_id")
    assert "feedback" not in cxlab.load(write_dataset(tables, name="b"), where="plan=plus").tables


def test_an_earlier_view_of_a_segment_is_the_segments(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    dataset = cxlab.load(write_dataset(tables), where="plan=plus")
    view = dataset.on(pd.Timestamp("2025-05-01").date())
    assert view.where == "plan=plus" and set(rows(view, "customers")["plan"]) == {"plus"}
