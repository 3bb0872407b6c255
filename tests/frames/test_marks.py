from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames.marks import (
    Marks,
    channel_surplus,
    decayed,
    journey_marks,
    layer_marks,
    linked_metrics,
    mark_counts,
    repair_marks,
    score_marks,
    scoring_habit,
)

Make = Callable[..., Dataset]
CUSTOMERS = "customer_id,started_at,ended_at\na,2025-01-01,\nb,2025-01-01,2025-06-01"
PLACES = ("app", "call")
HALF_LIFE = 10.0


def _day(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _rows(*days: str, customer: str = "a") -> pd.DataFrame:
    cut = np.array([_day(d) for d in days])
    return pd.DataFrame({"customer_id": [customer] * len(days), "cut": cut, "mid": cut + 0.5})


def _sums(dataset: Dataset, marks: Marks, rows: pd.DataFrame, name: str = "decay") -> dict:
    paces = dict.fromkeys(PLACES, HALF_LIFE)
    found = decayed(dataset, marks, rows, paces, 0.0, 14.0)[name]
    return {kind: found[:, j].tolist() for j, kind in enumerate(marks.kinds)}


def _fresh(*ages: float) -> float:
    return float(sum(0.5 ** (age / HALF_LIFE) for age in ages))


def test_journeys_by_hand(make: Make) -> None:
    dataset = make(
        "observed_until: 2025-06-30",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint,channel,journey_id,resolved_at
        a,2025-01-10,call,phone,j1,2025-01-11
        a,2025-01-12,app,web,j1,
        a,2025-01-13,app,web,j1,
        a,2025-01-14,app,phone,j1,
        a,2025-01-15,call,phone,,2025-02-15
        b,2025-01-15,call,phone,j1,2025-01-15""",
    )
    marks = journey_marks(dataset, PLACES)
    assert marks.kinds == ("handoff", "repeat", "unresolved")
    assert "response_seconds" in marks.missing["wait"]
    found = _sums(dataset, marks, _rows("2025-01-13", "2025-01-20", "2025-02-01"))
    # Handed to the app on the 12th, and to another channel on the 14th; b's journey is b's own.
    both = [_fresh(8.5, 6.5), _fresh(20.5, 18.5)]
    assert found["handoff"] == pytest.approx([_fresh(1.5), *both])
    # Repeats: the app on the 13th and the 14th, the call of the 15th within 5 days.
    assert found["repeat"] == pytest.approx([0, _fresh(7.5, 6.5, 5.5), _fresh(19.5, 18.5, 17.5)])
    # The call of the 15th is open on the 29th, and resolved later; the app resolves nothing.
    assert found["unresolved"] == pytest.approx([0, 0, _fresh(3.5)])
    followed = dataset.attach(pd.DataFrame({"customer_id": ["a"], "until": [_day("2025-03-01")]}))
    counts = mark_counts(marks, followed)
    assert counts["exposures"].to_dict() == {"handoff": 2, "repeat": 3, "unresolved": 1}


def test_waits_are_against_what_is_usual_and_known_when_over(make: Make) -> None:
    dataset = make(
        "observed_until: 2025-06-30",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint,response_seconds
        a,2025-01-10,call,172799
        b,2025-01-10,call,0
        b,2025-01-10,app,30
        a,2025-01-11,app,""",
    )
    marks = journey_marks(dataset, PLACES)
    long = np.log2(172_800) / 2  # the mean of it and of nothing is half of it
    found = _sums(dataset, marks, _rows("2025-01-11", "2025-01-13"))
    assert found["wait"] == pytest.approx([0, long * _fresh(3.5)])


def test_recent_and_old_make_up_the_whole_and_the_slope_is_its_derivative(make: Make) -> None:
    dataset = make(
        "observed_until: 2025-06-30",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint
        a,2025-01-10,call
        a,2025-01-12,call
        a,2025-01-30,call
        a,2025-02-02,call""",
    )
    marks, rows = journey_marks(dataset, PLACES), _rows("2025-02-05")
    found = {n: _sums(dataset, marks, rows, n)["repeat"][0] for n in ("decay", "recent", "old")}
    assert found["recent"] == pytest.approx(_fresh(3.5))
    assert found["old"] == pytest.approx(_fresh(24.5))
    up, down = (
        decayed(dataset, marks, rows, {"call": HALF_LIFE * np.exp(s)}, 0.0, 14.0)["decay"][0, 0]
        for s in (1e-5, -1e-5)
    )
    slope = _sums(dataset, marks, rows, "slope")["repeat"][0]
    assert slope == pytest.approx((up - down) / 2e-5, rel=1e-6)


def test_what_was_put_right_by_hand(make: Make) -> None:
    dataset = make(
        "observed_until: 2025-06-30",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint,outcome,resolved_at
        a,2025-01-10,call,failed,2025-01-12
        a,2025-01-10,call,failed,2025-01-30
        a,2025-01-10,call,failed,
        a,2025-01-10,call,ok,2025-01-11
        a,2025-01-10,app,failed,""",
    )
    marks = repair_marks(dataset, PLACES, 7.0)
    rows = _rows("2025-01-11", "2025-01-13", "2025-01-20", "2025-02-10")
    found, ages = _sums(dataset, marks, rows), (1.5, 3.5, 10.5, 31.5)
    fresh = np.array([_fresh(a) for a in ages])
    assert found["right"] == pytest.approx(fresh * [0, 1, 1, 1])
    assert found["open"] == pytest.approx(fresh * [3, 2, 0, 0])
    assert found["not right"] == pytest.approx(fresh * [0, 0, 2, 2])
    # The three add up to all bad contacts where contacts are resolved at all.
    by_place = _sums(dataset, marks.each("right", PLACES), rows)
    assert by_place["app"] == [0, 0, 0, 0] and by_place["call"] == found["right"]


SCORED = """customer_id,interaction_id,metric,score,responded_at
        a,1,csat,5,2025-01-11
        a,1,csat,1,2025-01-15
        a,2,csat,3,2025-01-12
        a,2,feel,4,2025-01-13
        a,3,feel,1,2025-01-11
        a,,nps,10,2025-01-05
        b,,nps,0,2025-01-05"""
CALLS = """interaction_id,customer_id,occurred_at,touchpoint,outcome
        1,a,2025-01-10,call,ok
        2,a,2025-01-10,call,failed
        3,a,2025-01-10,call,ok"""
FEEL = "metrics: {feel: {scale: [1, 5], layer: emotional}}\nobserved_until: 2025-06-30"


def test_scores_count_from_the_answer_and_the_worst_counts(make: Make) -> None:
    dataset = make(FEEL, customers=CUSTOMERS, interactions=CALLS, feedback=SCORED)
    assert linked_metrics(dataset) == ("csat", "feel")
    marks = score_marks(dataset, PLACES, "csat")
    found = _sums(dataset, marks, _rows("2025-01-11", "2025-01-14", "2025-01-20"))
    one, other = _fresh(4.5), _fresh(10.5)
    assert found == {
        "scored": pytest.approx([0, 2 * one, 2 * other]),
        "bottom": pytest.approx([0, 0, other]),
        "top": pytest.approx([0, one, 0]),
    }


def test_feelings_by_whether_the_functional_part_failed(make: Make) -> None:
    dataset = make(FEEL, customers=CUSTOMERS, interactions=CALLS, feedback=SCORED)
    found = _sums(dataset, layer_marks(dataset, PLACES), _rows("2025-01-12", "2025-01-20"))
    one, other = _fresh(2.5), _fresh(10.5)
    assert found["failed"] == pytest.approx([0, other])
    assert found["failed score"] == pytest.approx([0, 0.75 * other])
    assert found["held"] == pytest.approx([one, other])
    assert found["held score"] == pytest.approx([0, 0])


def test_the_habit_of_scoring_by_hand(make: Make) -> None:
    dataset = make(FEEL, customers=CUSTOMERS, interactions=CALLS, feedback=SCORED)
    rows = pd.concat([_rows("2025-01-12", "2025-01-20"), _rows("2025-01-20", customer="b")])
    # NPS 10 is 1 over the mean of 1 and -1; CSAT of 5, 1 and 3 has a mean of 0.
    habit = scoring_habit(dataset, rows, ["csat"], 0.0)
    assert habit == pytest.approx([2 / (2 + 5), 1 / (4 + 5), -1 / (1 + 5)])


def test_channels_beyond_those_expected(make: Make) -> None:
    dataset = make(
        "observed_until: 2025-06-30",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint,channel
        a,2025-02-01,call,phone
        a,2025-02-20,call,mail
        b,2025-02-01,call,phone
        b,2025-02-20,call,phone
        b,2025-02-20,app,app""",
    )
    rows = pd.concat([_rows("2025-03-01"), _rows("2025-03-01", customer="b")])
    whole, old = channel_surplus(dataset, rows, PLACES, 0.0, (14.0, 90.0))
    # Three of four calls come by phone: two calls take 1 - 1/16 + 1 - 9/16 channels on average.
    expected = 2 - 1 / 16 - 9 / 16
    assert whole == pytest.approx([2 - expected, 1 - expected], abs=1e-9)
    assert old == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("outcome", [True, False])
def test_no_look_ahead_whatever_comes_later(make: Make, outcome: bool) -> None:
    draw = np.random.default_rng(4)
    now, count = pd.Timestamp("2025-02-15"), 300
    at = pd.Timestamp("2025-01-01") + pd.to_timedelta(draw.uniform(0, 80, count), unit="D")
    interactions = pd.DataFrame(
        {
            "interaction_id": np.arange(count),
            "customer_id": draw.choice(["a", "b"], count),
            "occurred_at": at,
            "touchpoint": draw.choice(PLACES, count),
            "channel": draw.choice(["web", "phone"], count),
            "journey_id": draw.integers(0, 60, count),
            "resolved_at": at + pd.to_timedelta(draw.uniform(0, 30, count), unit="D"),
        }
    )
    if outcome:
        interactions["outcome"] = draw.choice(["ok", "failed"], count)
    feedback = pd.DataFrame(
        {
            "customer_id": np.tile(interactions["customer_id"], 2),
            "interaction_id": np.tile(np.arange(count), 2),
            "metric": np.repeat(["csat", "feel"], count),
            "score": draw.integers(1, 6, 2 * count),
            "responded_at": np.tile(at, 2)
            + pd.to_timedelta(draw.uniform(0, 20, 2 * count), unit="D"),
        }
    )

    def measured() -> list[np.ndarray]:
        tables = {"customers": CUSTOMERS, "interactions": interactions, "feedback": feedback}
        dataset = make(FEEL, **tables)
        rows = pd.concat([_rows(str(now.date())), _rows(str(now.date()), customer="b")])
        made = [
            journey_marks(dataset, PLACES),
            repair_marks(dataset, PLACES, 7.0),
            score_marks(dataset, PLACES, "csat"),
            layer_marks(dataset, PLACES),
        ]
        paces = dict.fromkeys(PLACES, HALF_LIFE)
        return [decayed(dataset, m, rows, paces, 0.0, 14.0)["decay"] for m in made]

    before = measured()
    for table, column in (
        (interactions, "occurred_at"), (interactions, "resolved_at"), (feedback, "responded_at"),
    ):  # fmt: skip
        later = pd.to_timedelta(draw.uniform(1, 40, len(table)), unit="D")
        table[column] = table[column].where(table[column] < now, table[column] + later)
    for first, second in zip(before, measured(), strict=True):
        assert abs(first).sum() > 1
        np.testing.assert_allclose(first, second, atol=1e-12)
