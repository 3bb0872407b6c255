"""Overall scores, and what went before and after them, against counts by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames.overall import overall, overall_metric
from cxlab.frames.periods import risk_set

Make = Callable[..., Dataset]
FEED = "observed_from: 2025-01-01\nobserved_until: 2025-06-30\n"
CUSTOMERS = """customer_id,started_at,ended_at,monthly_value,plan
    a,2024-12-01,,10,x
    b,2025-01-05,2025-04-01,20,y
    c,2025-01-05,,30,x"""
INTERACTIONS = """interaction_id,customer_id,occurred_at,touchpoint,outcome,value
    1,a,2025-02-20,call,failed,
    2,a,2025-02-25,call,ok,7
    3,a,2025-03-05,call,failed,
    4,a,2025-01-20,call,failed,
    5,a,2025-02-26,leave,failed,
    6,b,2025-03-31,call,ok,5"""
FEEDBACK = """customer_id,responded_at,metric,score,interaction_id
    a,2025-03-01,nps,6,
    a,2025-05-01,nps,9,
    a,2025-02-21,csat,2,1
    a,2025-02-26,csat,5,2
    a,2025-01-21,csat,4,4
    a,2024-06-01,nps,3,
    b,2025-03-30,nps,10,
    b,2025-05-30,nps,0,
    c,,nps,,
    ,2025-03-01,nps,1,"""
TOUCHPOINTS = "touchpoint,stage\ncall,use\nleave,Exit"


@pytest.fixture
def dataset(make: Make) -> Dataset:
    return make(FEED, customers=CUSTOMERS, interactions=INTERACTIONS, feedback=FEEDBACK,
                touchpoints=TOUCHPOINTS)  # fmt: skip


def test_counts_by_hand(dataset: Dataset) -> None:
    found = overall(dataset, risk_set(dataset, 1, 0.0), 30, 60, 40)
    assert not isinstance(found, str)
    assert (found.metric, found.linked, found.points) == ("nps", "csat", 10)
    rows = found.rows
    # Before the feed nobody was at risk; after the end an answer does not count.
    assert rows["customer_id"].tolist() == ["a", "a", "b"]
    np.testing.assert_allclose(rows["score"], [0.6, 0.9, 1.0])
    np.testing.assert_allclose(rows["previous"], [0.3, 0.6, np.nan])
    assert rows["low"].tolist() == [True, False, False]
    assert rows["high"].tolist() == [False, True, True]
    first, second, third = (rows.iloc[i] for i in range(3))
    # The touchpoint at which customers leave does not count.
    assert (first["contacts_before"], first["bad_before"]) == (2, 1)
    assert (first["contacts_after"], first["bad_after"]) == (1, 1)
    assert (first["contacts_earlier"], first["bad_earlier"]) == (1, 1)
    assert (first["paid_before"], first["paid_after"]) == (7, 0)
    assert (first["scored"], first["scored_before"], first["top_before"]) == (3, 2, 1)
    np.testing.assert_allclose(first[["mean", "worst", "last"]].astype(float), [2 / 3, 0.25, 1.0])
    assert not first["good"]
    # Two months on all but one have grown too old, and 64 days are more than the window.
    assert (second["scored"], second["contacts_before"]) == (0, 0)
    assert (third["contacts_after"], third["paid_after"]) == (1, 5)
    assert third["left"] and third["over"] - third["at"] == pytest.approx(2)
    assert rows["attribute plan"].tolist() == ["x", "x", "y"]


def test_nothing_after_as_of_is_seen(make: Make) -> None:
    dataset = make(FEED, "2025-03-03", customers=CUSTOMERS.replace("2025-04-01", "2025-03-02"),
                   interactions=INTERACTIONS, feedback=FEEDBACK)  # fmt: skip
    found = overall(dataset, risk_set(dataset, 1, 0.0), 30, 60, 40)
    assert not isinstance(found, str)
    assert found.rows["customer_id"].tolist() == ["a"]
    assert found.rows["contacts_after"].tolist() == [0]


@pytest.mark.parametrize(
    ("feedback", "why"),
    [
        (None, "no feedback"),
        ("customer_id,asked_at,metric,score\na,2025-02-01,nps,3", "no responded_at"),
        ("customer_id,responded_at,metric,score,touchpoint\na,2025-02-01,csat,3,call", "whole"),
        ("customer_id,responded_at,metric,score\n,2025-02-01,nps,3", "whole"),
    ],
)
def test_why_there_is_none(make: Make, feedback: str | None, why: str) -> None:
    tables = {} if feedback is None else {"feedback": feedback}
    dataset = make(FEED, customers=CUSTOMERS, interactions=INTERACTIONS, **tables)
    found = overall_metric(dataset)
    assert isinstance(found, str) and why in found


def test_a_metric_of_ones_own_where_less_is_better(make: Make) -> None:
    settings = FEED + "metrics: {effort: {scale: [1, 5], direction: lower_is_better}}\n"
    dataset = make(
        settings,
        customers=CUSTOMERS,
        feedback="customer_id,responded_at,metric,score\na,2025-02-01,effort,2",
    )
    found = overall(dataset, risk_set(dataset, 1, 0.0), 30, 60, 40)
    assert not isinstance(found, str)
    assert found.rows["score"].tolist() == [0.75] and found.linked == ""
    assert "contacts_before" not in found.rows
