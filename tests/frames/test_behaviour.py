"""What customers did in a window, against plain pandas and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.frames.behaviour import behaviour, first_contacts, known_features
from cxlab.frames.periods import EPOCH, RiskSet, risk_set

Make = Callable[..., Dataset]
CUSTOMERS = """customer_id,started_at,ended_at,monthly_value
    stays,2025-01-01,,10
    new,2025-03-10,,20
    left-in-it,2025-01-01,2025-04-01,30
    leaves-later,2025-01-01,2025-06-01,"""
SETTINGS = "observed_from: 2025-01-01\nobserved_until: 2025-06-30\nstages: [use, exit]\n"


def _day(text: str) -> float:
    return float((pd.Timestamp(text) - pd.Timestamp(EPOCH)) / pd.Timedelta("1D"))


START, END = _day("2025-03-01"), _day("2025-05-01")


def _risk(make: Make, interactions: str, settings: str = SETTINGS, **tables: str) -> RiskSet:
    return risk_set(make(settings, customers=CUSTOMERS, interactions=interactions, **tables))


CONTACTS = """interaction_id,customer_id,occurred_at,touchpoint,channel,outcome,journey_id,resolved_at,response_seconds
    1,stays,2025-02-27 10:00,call,phone,ok,,2025-02-28,9
    2,stays,2025-03-03 10:00,call,phone,failed,j1,2025-03-04,99
    3,stays,2025-03-08 20:00,app,web,ok,j1,,
    4,stays,2025-03-25 07:00,call,phone,,,2025-03-26,9
    5,stays,2025-05-02 10:00,call,phone,failed,,2025-05-03,9
    6,leaves-later,2025-04-05 12:00,bye,web,failed,,,"""  # noqa: E501


def _values(risk: RiskSet) -> dict[str, tuple[float, float]]:
    seen = behaviour(risk, START, END)
    who = int(np.flatnonzero(seen.customers["customer_id"] == "stays")[0])
    return {f.key: (seen.num[who, j], seen.den[who, j]) for j, f in enumerate(seen.features)}


def test_by_hand(make: Make) -> None:
    places = "touchpoint,stage\ncall,use\napp,use\nbye,exit"
    found = _values(_risk(make, CONTACTS, touchpoints=places))
    assert found["use: contacts"] == (3, 1)
    assert found["breadth: touchpoints"] == (2, 1)
    assert found["failures: failed"] == (1, 2)  # one outcome is not known
    # Asked again four days after a contact before the window; once more after 22 days.
    assert found["effort: repeats"] == (1, 2)
    assert found["effort: handoffs"] == (1, 1)
    assert found["effort: waits"] == pytest.approx((np.log(100) + np.log(10), 2), abs=2e-3)
    assert found["timing: weekend"] == (1, 3)
    assert found["timing: before 8 or after 18"] == (2, 3)
    assert found["value: monthly value"] == (10, 1)
    assert "stage: exit" not in found


def test_who_is_there_through_the_window_and_what_follows_a_decision(make: Make) -> None:
    places = "touchpoint,stage\ncall,use\napp,use\nbye,exit"
    risk = _risk(make, CONTACTS, touchpoints=places)
    seen = behaviour(risk, START, END)
    assert list(seen.customers["customer_id"]) == ["leaves-later", "stays"]
    assert (seen.there, seen.newcomers) == (2, 1)
    # A contact of the stage exit is no behaviour.
    assert seen.contacts.tolist() == [0, 3]
    # At the end of the data those still there are there.
    newest = behaviour(risk, risk.end - 60, risk.end)
    assert list(newest.customers["customer_id"]) == ["new", "stays"]


def test_nothing_after_the_window_is_seen(make: Make) -> None:
    scored = CONTACTS.replace("outcome,", "").replace(",ok,", ",").replace(",failed,", ",")
    scored = scored.replace("phone,,,2025-03-26", "phone,,2025-03-26")
    feedback = """customer_id,responded_at,metric,score,interaction_id
    stays,2025-03-05,csat,1,2
    stays,2025-05-20,csat,1,4"""
    found = _values(_risk(make, scored, SETTINGS, feedback=feedback))
    # The answer to contact 4 came after the window: it was not judged then.
    assert found["failures: failed"] == (1, 1)


def test_a_feature_is_known_by_its_key() -> None:
    keys = ["channel: a {x} b", "use: contacts", "nothing: known", "need: bills"]
    assert [f.key for f in known_features(keys)] == [keys[0], keys[1], keys[3]]
    assert known_features(keys)[0].label == "contacts by a {x} b"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> RiskSet:
    from cxlab.data.simulate import simulate, write

    folder: Path = tmp_path_factory.mktemp("behaviour") / "demo"
    write(simulate("demo", 300, 2, texts=False), folder)
    return risk_set(load(folder))


def test_sums_are_those_of_plain_pandas(world: RiskSet) -> None:
    end = world.end - 100
    seen = behaviour(world, end - 200, end)
    dataset = world.dataset
    rows = dataset.table("interactions").collect(backend="pandas").to_native()
    stages = dataset.table("touchpoints").collect(backend="pandas").to_native()
    stage = stages.set_index("touchpoint")["stage"]
    rows = rows[rows["touchpoint"].map(stage) != "exit"]
    at = (rows["occurred_at"] - pd.Timestamp(EPOCH)) / pd.Timedelta("1D")
    rows = rows.assign(at=at, late=~((at % 1).between(8 / 24, 18 / 24, inclusive="left")))
    rows = rows[(at >= end - 200) & (at < end)]
    by = rows.groupby("customer_id")
    ids = seen.customers["customer_id"]

    def held(key: str, table: pd.Series, below: pd.Series | None = None) -> None:
        j = [f.key for f in seen.features].index(key)
        np.testing.assert_allclose(seen.num[:, j], table.reindex(ids).fillna(0))
        if below is not None:
            np.testing.assert_allclose(seen.den[:, j], below.reindex(ids).fillna(0))

    held("use: contacts", by.size())
    held("breadth: touchpoints", by["touchpoint"].nunique())
    held("channel: phone", by["channel"].agg(lambda c: (c == "phone").sum()), by.size())
    held("timing: before 8 or after 18", by["late"].sum(), by.size())
    held("value: bought", by["value"].sum())
    held("failures: failed", by["outcome"].agg(lambda o: (o == "failed").sum()),
         by["outcome"].count())  # fmt: skip
    support = by["touchpoint"].agg(lambda t: (t.map(stage) == "support").sum())
    held("stage: support", support, by.size())
    # Both halves together are the whole.
    whole = [f.kind in ("share", "mean") for f in seen.features]
    (first, below), (second, under) = seen.halves
    np.testing.assert_allclose((first + second)[:, whole], seen.num[:, whole])
    np.testing.assert_allclose((below + under)[:, whole], seen.den[:, whole])


def test_a_draw_is_the_same_each_time_and_about_as_large(world: RiskSet) -> None:
    every = behaviour(world, world.end - 200, world.end - 100)
    some, again = (behaviour(world, world.end - 200, world.end - 100, most=40) for _ in range(2))
    assert some.there == len(every)
    assert 15 < len(some) < 75
    pd.testing.assert_frame_equal(some.customers, again.customers)
    np.testing.assert_array_equal(some.num, again.num)


def test_first_contacts_and_failures_afterwards(world: RiskSet) -> None:
    seen = behaviour(world, world.end - 300, world.end - 150)
    met = first_contacts(world, seen.customers, seen.end, world.end).set_index("spell")
    rows = world.dataset.table("interactions").collect(backend="pandas").to_native()
    rows["at"] = (rows["occurred_at"] - pd.Timestamp(EPOCH)) / pd.Timedelta("1D")
    for one in seen.customers.head(25).itertuples():
        mine = rows[(rows["customer_id"] == one.customer_id) & (rows["at"] >= seen.end)
                    & (rows["at"] < one.until)].sort_values("at")  # fmt: skip
        assert (one.spell in met.index) == bool(len(mine))
        if len(mine):
            told = met.loc[one.spell]
            assert told["touchpoint"] == mine["touchpoint"].iloc[0]
            assert told["failed"] == (mine["outcome"] == "failed").sum()
            assert told["judged"] == mine["outcome"].notna().sum()


def test_themes_of_the_window_are_shares_of_comments(world: RiskSet) -> None:
    end = world.end - 100
    seen = behaviour(world, end - 200, end)
    a, b = seen.customers["customer_id"].iloc[:2]
    needs = pd.DataFrame(
        [(a, end - 10, "bills"), (a, end - 20, "waits"), (b, end - 3, "bills"),
         (a, end + 5, "bills"), ("unknown", end - 3, "bills")],
        columns=["customer_id", "at", "theme"],
    )  # fmt: skip
    told = behaviour(world, end - 200, end, needs=needs)
    j = [f.key for f in told.features].index("need: bills")
    assert told.num[:2, j].tolist() == [1, 1]
    assert told.den[:2, j].tolist() == [2, 1]
    assert told.num[:, j].sum() == 2


def test_days_without_hours_tell_none(make: Make) -> None:
    dated = "customer_id,occurred_at,touchpoint\nstays,2025-03-03,call\nstays,2025-03-09,call"
    seen = behaviour(_risk(make, dated), START, END)
    keys = [f.key for f in seen.features]
    assert "timing: before 8 or after 18" not in keys
    assert "timing: weekend" in keys
    assert seen.left_out["hours"]
    assert seen.num.shape == (2, len(keys))
