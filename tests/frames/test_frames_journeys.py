"""Contacts in their order and cut into journeys, against plain loops over small tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.frames.journeys import Steps, gap_counts, order, spans, tenure_rates
from cxlab.frames.periods import risk_set

START = pd.Timestamp("2025-01-01")
IDLE = 0.5
Write = Callable[..., Path]


def _tables(contacts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    ids = sorted(contacts["customer_id"].unique())
    ended = [None] * (len(ids) - 1) + [START + pd.Timedelta(days=90)]
    customers = pd.DataFrame({"customer_id": ids, "started_at": START, "ended_at": ended})
    return {"customers": customers, "interactions": contacts}


def _drawn(seed: int, size: int = 400) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    named = draw.random(size) < 0.3
    return pd.DataFrame(
        {
            "interaction_id": [f"i{k:04d}" for k in draw.permutation(size)],
            "customer_id": draw.choice(["a", "b", "c", "d", "e"], size),
            # Whole hours: many ties.
            "occurred_at": START + pd.to_timedelta(draw.integers(0, 80 * 24, size), unit="h"),
            "touchpoint": draw.choice(["call", "chat", "shop"], size),
            "channel": draw.choice(["phone", "web", None], size),
            "outcome": draw.choice(["ok", "failed", None], size),
            "journey_id": np.where(named, draw.choice(["j1", "j2", "j3"], size), None),
        }
    )


def _dataset(write: Write, contacts: pd.DataFrame, name: str = "shop") -> Dataset:
    return load(write(_tables(contacts), "observed_until: 2025-07-10\n", "parquet", name))


def _by_hand(contacts: pd.DataFrame) -> pd.DataFrame:
    """Cut contacts by a loop: one row each, in order of customer, journey and time."""
    found = []
    key = ["occurred_at", "interaction_id"]
    for _, own in contacts.groupby("customer_id"):
        lines = {j: g for j, g in own.groupby("journey_id")} | {"": own[own["journey_id"].isna()]}
        for name, line in sorted(lines.items()):
            before, step, seen = None, 0, []
            for row in line.sort_values(key).itertuples():
                gap = None if before is None else (row.occurred_at - before.occurred_at)
                new = before is None or (not name and gap > pd.Timedelta(days=IDLE))
                step, seen = (1, []) if new else (step + 1, seen)
                found.append({"id": row.interaction_id, "step": step, "at": row.occurred_at,
                              "came": None if new else before.touchpoint,
                              "again": row.touchpoint in seen})  # fmt: skip
                before, seen = row, [*seen, row.touchpoint]
    return pd.DataFrame(found)


def _collected(steps: Steps) -> pd.DataFrame:
    frame = steps.frame.collect(backend="pandas").to_native()
    return frame.sort_values(["who", "own", "n"], ignore_index=True)


def test_journeys_are_cut_as_by_hand(write_dataset: Write) -> None:
    contacts = _drawn(1)
    dataset = _dataset(write_dataset, contacts)
    steps = order(dataset).cut(IDLE)
    found, truth = _collected(steps), _by_hand(contacts)
    assert len(found) == len(truth) == 400
    # Of both, the steps in the order of customer, time and touchpoint come before.
    names = dict(enumerate(steps.contacts.touchpoints))
    came = found["came"].map(names).astype(object).where(found["came"].notna(), None)
    for column, values in (("step", found["step"]), ("again", found["again"])):
        assert sorted(values) == sorted(truth[column]), column
    pairs = pd.Series(list(zip(came, found["step"], found["again"], strict=True))).value_counts()
    expected = pd.Series(list(zip(truth["came"], truth["step"], truth["again"], strict=True)))
    pd.testing.assert_series_equal(pairs.sort_index(key=lambda k: k.map(str)),
                                   expected.value_counts().sort_index(key=lambda k: k.map(str)),
                                   check_dtype=False)  # fmt: skip
    whole = steps.journeys.collect(backend="pandas").to_native()
    assert whole["steps"].sum() == 400
    assert len(whole) == (truth["step"] == 1).sum()
    assert whole["again"].sum() == truth["again"].sum()


def test_ties_are_broken_the_same_whatever_the_order_of_the_file(write_dataset: Write) -> None:
    contacts = _drawn(2)
    mixed = contacts.sample(frac=1, random_state=3)
    first, second = (
        _collected(order(_dataset(write_dataset, c, f"s{k}")).cut(IDLE))
        for k, c in enumerate((contacts, mixed))
    )
    pd.testing.assert_frame_equal(first, second)


def test_one_id_of_two_customers_is_two_journeys(write_dataset: Write) -> None:
    contacts = _drawn(3).assign(journey_id="j1")
    whole = order(_dataset(write_dataset, contacts)).cut(IDLE).journeys
    table = whole.collect(backend="pandas").to_native()
    assert len(table) == contacts["customer_id"].nunique() == table["who"].nunique()


def _line(outcomes: list[str | None], hours: list[float], **more: list[object]) -> pd.DataFrame:
    at = [START + pd.Timedelta(hours=h) for h in hours]
    return pd.DataFrame({"customer_id": "a", "occurred_at": at, "touchpoint": "call",
                         "outcome": outcomes, **more})  # fmt: skip


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        (["failed", "ok"], 0),
        (["ok", "failed"], 1),
        (["failed", None], 1),  # the last known outcome tells
        ([None, None], 3),
    ],
)
def test_the_last_known_outcome_tells_how_a_journey_ended(
    write_dataset: Write, outcomes: list[str | None], state: int
) -> None:
    contacts = pd.concat([_line(outcomes, [1, 2]), _line(["ok"], [500]).assign(customer_id="b")])
    whole = order(_dataset(write_dataset, contacts)).cut(IDLE).journeys
    table = whole.collect(backend="pandas").to_native().sort_values(["who", "first"])
    assert table["state"].iloc[0] == state


def test_a_journey_put_right_in_time_is_complete_and_a_late_one_still_open(
    write_dataset: Write,
) -> None:
    soon, late = (START + pd.Timedelta(hours=h) for h in (9, 300))
    contacts = _line(["failed", "failed", "failed", "ok"], [1, 100, 190 * 24 + 20, 500])
    contacts["resolved_at"] = pd.Series([soon, late, pd.NaT, pd.NaT])
    contacts.loc[3, "customer_id"] = "b"
    whole = order(_dataset(write_dataset, contacts)).cut(IDLE).journeys
    table = whole.collect(backend="pandas").to_native().sort_values(["who", "first"])
    assert table["state"].tolist() == [0, 1, 2, 0]


def test_nothing_after_as_of_is_seen(write_dataset: Write) -> None:
    contacts = _drawn(4)
    contacts.loc[contacts.index[:9], "occurred_at"] += pd.Timedelta(days=95)
    contacts.loc[contacts.index[:9], "customer_id"] = "a"
    path = write_dataset(_tables(contacts), "observed_until: 2025-07-10\n", "parquet")
    early = order(load(path, "2025-04-02")).cut(IDLE)
    seen = contacts.query("occurred_at < '2025-04-03'")
    assert early.contacts.rows == len(seen) < len(contacts)
    assert _collected(early)["at"].max() < (pd.Timestamp("2025-04-03") - pd.Timestamp(0)).days


def test_gaps_are_counted_in_classes(write_dataset: Write) -> None:
    contacts = _line(["ok"] * 5, [0, 1, 2, 50, 51])
    contacts = pd.concat([contacts, _line(["ok"], [3]).assign(customer_id="b")])
    counted = gap_counts(order(_dataset(write_dataset, contacts)))
    assert counted["n"].tolist() == [3, 1]
    for row, hours in zip(counted.itertuples(), (1, 48), strict=True):
        assert row.low <= hours / 24 * (1 + 1e-9) and hours / 24 < row.high * (1 + 1e-9)
        assert not row.given


def test_time_at_risk_is_that_of_the_risk_set(write_dataset: Write) -> None:
    dataset = _dataset(write_dataset, _drawn(5))
    risk = risk_set(dataset)
    there = spans(risk)
    assert there.left == risk.events == 1
    assert there.customers == risk.customers == 5
    assert there.days == pytest.approx(risk.person_periods, abs=5)
    overall = tenure_rates(there.frame, [0.0])
    assert overall[0] == pytest.approx(1 / there.days)
    early, late = tenure_rates(there.frame, [0.0, 50.0])
    assert early == 0 and late > overall[0]
