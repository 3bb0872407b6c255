"""Silences, purchases and what customers pay, on tables small enough to work out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.frames.buying import Buying, buying
from cxlab.frames.paying import Paying, paying
from cxlab.frames.periods import risk_set
from cxlab.frames.silences import Silences, silences

Write = Callable[..., Path]

SHOP = {
    "customers.csv": """customer_id,started_at,ended_at,plan
early,2024-12-01,,a
gone,2025-01-02,,a
slow,2025-01-01,,b
told,2025-01-01,2025-02-10,b
""",
    "interactions.csv": """customer_id,occurred_at,touchpoint,value
early,2025-01-10,buy,5
early,2025-01-30T12:00:00Z,buy,7
gone,2024-12-30,visit,
gone,2025-01-02,buy,20
gone,2025-01-12,buy,10
slow,2025-01-01,buy,1
slow,2025-02-20T06:00:00Z,buy,2
slow,2025-02-20T18:00:00Z,buy,4
slow,2025-04-01,visit,
told,2025-01-21,buy,8
""",
    "dataset.yml": "observed_from: 2025-01-01\nobserved_until: 2025-04-10\n"
    "churn: {inactivity: {days: 30}}\n",
}


@pytest.fixture
def found(write_files: Write) -> Silences:
    return silences(risk_set(load(write_files(SHOP))))


def _rows(found: Silences) -> list[tuple[str, int, int]]:
    frame = found.frame.collect(backend="pandas").to_native()
    return sorted((str(c), int(d), int(b)) for c, d, b in frame.to_numpy())


def test_silences_last_from_contact_to_contact(found: Silences) -> None:
    assert _rows(found) == [
        # A start before the feed is no contact: nobody knows what came after it.
        ("early", 20, 1),
        ("early", 70, 0),
        ("gone", 10, 1),
        ("gone", 89, 0),
        ("slow", 10, 0),
        ("slow", 39, 1),
        ("slow", 50, 1),
        # An end that is given ends a silence, and tells nothing of coming back.
        ("told", 20, 0),
        ("told", 20, 1),
    ]
    back, open_ = found.counts()
    assert (back.sum(), open_.sum()) == (5, 4)
    assert (back[20], open_[20]) == (2, 1)
    assert found.customers_silent([7, 30, 60, 100]).tolist() == [4, 3, 2, 0]


def test_influences_are_summed_by_customer(found: Silences) -> None:
    back, open_ = np.zeros((90, 2)), np.zeros((90, 2))
    back[:, 0], open_[:, 0] = 1.0, -1.0
    open_[89, 1] = 3.0
    # early 1 - 1, gone 1 - 1, slow 1 + 1 - 1, told 1 - 1; and gone alone
    assert found.squares(back, open_).tolist() == [1.0, 9.0]


def test_another_rule_gives_other_leavers(found: Silences) -> None:
    table = found.leavers([20, 30, 70])
    # As of April 11: early is silent for 70.5 days, gone for 89, slow for 10.
    assert table["gone"].tolist() == [2, 2, 2]
    assert table["known"].tolist() == [3, 3, 3]
    # Followed to January 31, neither early nor told has left yet.
    assert table["left"].tolist() == [3, 3, 1]
    # Each from its entry, to four days after the last contact, its end, or 30 days before April 11.
    days = (29.5 + 4) + (10 + 4) + 70 + 40
    assert table["time"][1] == pytest.approx(days)
    assert table["left"][1] == found.risk.events


def test_what_was_bought_counts_after_the_first_day(found: Silences) -> None:
    got = buying(found.risk)
    assert isinstance(got, Buying)
    assert got.left_out == 2  # one began before the feed, one has ended
    table = got.customers.set_index("attribute plan")[["repeats", "last", "seen", "spent"]]
    assert table.loc["a"].tolist() == [1, 10, 98, 10]
    assert table.loc["b"].tolist() == [1, 50, 99, 6]  # two of one day are one purchase
    assert got.customers["silent"].tolist() == [89, 10]


def test_without_values_nothing_is_known_of_purchases(write_files: Write) -> None:
    text = SHOP["interactions.csv"].replace("value", "amount")
    data = load(write_files(SHOP | {"interactions.csv": text}))
    assert buying(risk_set(data)) == "contacts have no value of purchases"
    assert "no monthly_value" in str(paying(data))


def test_monthly_value_comes_before_purchases(write_files: Write) -> None:
    text = SHOP["customers.csv"].replace(",plan", ",monthly_value").replace(",a\n", ",10\n")
    found = paying(load(write_files(SHOP | {"customers.csv": text.replace(",b\n", ",\n")})))
    assert isinstance(found, Paying) and found.bought is None
    assert found.ahead == 30
    assert sorted(found.monthly[found.known].tolist()) == [10, 10]
    # Followed to March 12: early left four days after January 30, 12:00, after 64.5 days.
    assert found.exit.tolist() == [64.5, 14, 70, 40]
    assert found.ended.tolist() == [True, True, False, True]
    assert np.floor(found.entry[0]) == 30 and np.isinf(found.entry[1:]).all()


def test_where_contracts_are_told_by_purchases_they_have_their_mean(write_files: Write) -> None:
    files = SHOP | {"dataset.yml": "observed_from: 2025-01-01\nobserved_until: 2025-04-10\n"}
    found = paying(load(write_files(files)))
    assert isinstance(found, Paying) and found.bought is not None and found.followed is not None
    assert found.bought.tolist() == [12, 10, 6, 8]  # without what was bought at the start
    assert found.followed.tolist() == [100, 99, 100, 40]
    assert found.monthly == pytest.approx(np.full(4, 36 / 339 * 365.25 / 12))
    log = found.log_monthly
    assert log is not None and log.sum() == pytest.approx(0)
    half = found.where(np.array([True, True, False, False]))
    assert half.monthly == pytest.approx(np.full(2, 22 / 199 * 365.25 / 12))


def test_a_snapshots_tenure_is_told_in_days(write_files: Write) -> None:
    text = "tenure,churned,monthly_value\n12,1,3\n24,0,\n6,0,-1\n3,0,2\n"
    folder = write_files({"customers.csv": text, "dataset.yml": "tenure_unit: months\n"})
    found = paying(load(folder))
    assert isinstance(found, Paying)
    assert found.exit == pytest.approx(np.array([12, 24, 6, 3]) * 365.25 / 12)
    assert found.known.tolist() == [True, False, False, True]
    nothing = paying(load(write_files({"customers.csv": "tenure,churned\n1,1\n"}, name="bare")))
    assert nothing == "customers have no monthly_value"


def test_nobody_has_a_purchase_or_a_long_silence(write_files: Write) -> None:
    customers = "customer_id,started_at\na,2025-01-01\nb,2025-01-01\n"
    contacts = "customer_id,occurred_at,touchpoint,value\na,2025-01-02,buy,\nb,2025-01-02,buy,\n"
    yml = "observed_until: 2025-01-08\nchurn: {inactivity: {days: 1}}\n"
    files = {"customers.csv": customers, "interactions.csv": contacts, "dataset.yml": yml}
    risk = risk_set(load(write_files(files)), washout_days=0)
    found = silences(risk)
    assert found.counts()[0].size in (0, 8)
    bought = buying(risk)
    assert isinstance(bought, Buying)
    assert bought.customers[["repeats", "spent"]].to_numpy().sum() == 0
    assert pd.api.types.is_float_dtype(bought.customers["repeats"])


def test_what_is_given_back_is_no_purchase(write_files: Write) -> None:
    returns = "gone,2025-01-20,return,-10\nslow,2025-02-20T20:00:00Z,return,-4\n"
    shop = SHOP | {"interactions.csv": SHOP["interactions.csv"] + returns}
    found = buying(risk_set(load(write_files(shop))))
    assert isinstance(found, Buying)
    table = found.customers.set_index("attribute plan")[["repeats", "last", "spent"]]
    assert table.loc["a"].tolist() == [1, 10, 0]
    assert table.loc["b"].tolist() == [1, 50, 2]
