"""Customers' sums by period are those that pandas gives by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.frames import customer_periods
from cxlab.frames.customer_periods import (
    Outcome,
    Scope,
    Times,
    Window,
    block_sums,
    reached,
    scope_columns,
    total_sums,
)
from cxlab.frames.experience import contact_rows, places
from cxlab.frames.people import People, people
from cxlab.frames.periods import EPOCH, risk_set

FIRST = (pd.Timestamp("2025-01-01") - EPOCH).days


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("periods")
    draw = np.random.default_rng(1)
    n = 40
    ids = [f"c{i:02d}" for i in range(n)]
    day = pd.Timestamp("2025-01-01")
    started = day + pd.to_timedelta(draw.integers(-50, 60, n), unit="D")
    ended = started + pd.to_timedelta(draw.integers(60, 160, n), unit="D")
    customers = pd.DataFrame(
        {"customer_id": ids, "started_at": started, "ended_at": pd.Series(ended).where(
            ended < day + pd.Timedelta(days=120)), "region": draw.choice(["n", "s"], n),
         "store": draw.integers(0, 3, n).astype(float)}
    )  # fmt: skip
    # One who comes back: the region of the second spell counts.
    again = customers.iloc[[0]].assign(started_at=day + pd.Timedelta(days=110), ended_at=pd.NaT,
                                       region="elsewhere")  # fmt: skip
    customers.loc[0, ["started_at", "ended_at"]] = [day, day + pd.Timedelta(days=30)]
    customers = pd.concat([customers, again], ignore_index=True)
    who = draw.integers(0, n, 900)
    contacts = pd.DataFrame(
        {"customer_id": np.array(ids)[who],
         "occurred_at": day + pd.to_timedelta(draw.integers(0, 120 * 24, 900), unit="h"),
         "touchpoint": draw.choice(["call", "shop"], 900),
         "outcome": draw.choice(["ok", "failed"], 900)}
    )  # fmt: skip
    customers.to_parquet(folder / "customers.parquet")
    contacts.to_parquet(folder / "interactions.parquet")
    (folder / "dataset.yml").write_text("observed_until: 2025-04-30\n")
    return load(folder)


def _person(data: Dataset) -> tuple[People, pd.Series]:
    person = people(data)
    assert person is not None
    frame = person.frame.collect(backend="pandas").to_native()
    return person, frame.set_index("customer_id")["who"]


WINDOWS = (Window(FIRST + 40, 14.0, 2, 4), Window(FIRST + 60, 14.0, 3, 2))


@pytest.mark.parametrize("cells", [4_000_000, 150])
def test_rows_are_added_up_by_customer_and_period(
    data: Dataset, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_periods, "_MOST_CELLS", cells)
    person, numbers = _person(data)
    frame = contact_rows(data, places(data), person)[0].frame
    rows = frame.select("who", "at", y="failed_y", x="failed_x")
    outcome = Outcome(f"failures {cells}", rows)
    parts = list(block_sums(data, outcome, WINDOWS, len(numbers)))
    assert len(parts) == (1 if cells > 1000 else 7)
    y, x = (np.vstack([p[i] for p in parts]) for i in (1, 2))
    seen = data.table("interactions").collect(backend="pandas").to_native()
    at = (seen["occurred_at"] - EPOCH) / pd.Timedelta(days=1)
    column = 0
    for window in WINDOWS:
        for low, high in pairwise(window.edges):
            mine = seen[(at >= low) & (at < high)]
            count = mine.groupby("customer_id").size().reindex(numbers.index, fill_value=0)
            bad = mine[mine["outcome"] == "failed"].groupby("customer_id").size()
            np.testing.assert_array_equal(x[numbers, column], count)
            np.testing.assert_array_equal(y[numbers, column], bad.reindex(numbers.index).fillna(0))
            column += 1
    assert column == x.shape[1]
    both = [total_sums(data, outcome, w) for w in WINDOWS]
    np.testing.assert_array_equal(np.hstack([b[0] for b in both]), y.sum(axis=0))
    np.testing.assert_array_equal(np.hstack([b[1] for b in both]), x.sum(axis=0))


def test_time_at_risk_and_churns_are_cut_at_the_edges(data: Dataset) -> None:
    person, numbers = _person(data)
    risk = risk_set(data, 1, 0.0)
    outcome = Outcome("churn", None, Times.of(risk, person), risk.end)
    ((_, y, x),) = block_sums(data, outcome, WINDOWS[:1], len(numbers))
    people_ = data.table("customers").collect(backend="pandas").to_native()
    edges = WINDOWS[0].edges
    want, left = np.zeros((2, len(numbers), len(edges) - 1))
    for _, row in people_.iterrows():
        # The feed's first day is when they are first seen.
        begun = max((row["started_at"] - EPOCH) / pd.Timedelta(days=1), risk.begin)
        over = FIRST + 120.0
        if not pd.isna(row["ended_at"]):
            over = (row["ended_at"] - EPOCH) / pd.Timedelta(days=1)
        who = numbers[row["customer_id"]]
        for i, (low, high) in enumerate(pairwise(edges)):
            want[who, i] += max(min(over, high) - max(begun, low), 0) / 30
            left[who, i] += (not pd.isna(row["ended_at"])) and low <= over < high
    np.testing.assert_allclose(x, want, atol=1e-9)
    np.testing.assert_array_equal(y, left)
    churns, months = total_sums(data, outcome, WINDOWS[0])
    np.testing.assert_allclose(months, want.sum(axis=0), atol=1e-9)
    np.testing.assert_array_equal(churns, left.sum(axis=0))


def test_who_is_reached_since_when(data: Dataset) -> None:
    person, numbers = _person(data)
    table = data.table("customers").collect(backend="pandas").to_native()
    newest = table.sort_values("started_at").groupby("customer_id").last()
    assert set(scope_columns(data)) == {"customer_id", "region", "store"}

    def since(*scopes: Scope) -> pd.Series:
        return pd.Series(reached(data, person, scopes)[numbers], index=numbers.index)

    told = since(Scope(10.0, column="region", value="n"), Scope(7.0, column="store", value="1"),
                 Scope(20.0, column="region", value="n"))  # fmt: skip
    for name, row in newest.iterrows():
        want = min(10.0 if row["region"] == "n" else np.inf, 7.0 if row["store"] == 1 else np.inf)
        assert told[name] == want
    assert (since(Scope(5.0)) == 5.0).all()
    assert np.isinf(since(Scope(5.0, column="region", value="nowhere"))).all()
    assert np.isinf(since(Scope(5.0, column="store", value="no number"))).all()
    one = since(Scope(5.0, column="customer_id", value="c03"))
    assert one[one == 5.0].index.tolist() == ["c03"]
