from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames.landmarks import days_back, last_sight, stand
from cxlab.frames.periods import risk_set

Make = Callable[..., Dataset]
UNTIL = "observed_until: 2025-12-31"
CUSTOMERS = """customer_id,started_at,ended_at,cancelled_at,end_reason,monthly_value
a,2025-01-01,2025-06-30,2025-06-15T12:00:00Z,voluntary,10
b,2025-01-01,2025-06-10,,involuntary,20
c,2025-06-05,,,,30
d,2025-01-01,2025-05-01,,voluntary,40
d,2025-05-20,2025-12-01,,voluntary,40"""


def _day(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def test_who_is_there_and_what_became_of_them(make: Make) -> None:
    risk = risk_set(make(UNTIL, customers=CUSTOMERS), 1, 0.0)
    days = np.array([_day("2025-04-01"), _day("2025-06-01"), _day("2025-07-01")])
    marks = stand(risk, days, 90.0)
    rows = marks.rows.set_index(["origin", "customer_id"])
    assert list(rows.index) == [
        (0, "a"), (0, "b"), (0, "d"), (1, "a"), (1, "b"), (1, "d"), (2, "c"), (2, "d"),
    ]  # fmt: skip
    assert marks.there.tolist() == [3, 3, 2]
    june = rows.loc[1]
    assert june["time"].to_dict() == {"a": 14.5, "b": 9.0, "d": 183.0}  # a is dated by its notice
    assert june["cause"].to_dict() == {"a": 1, "b": 2, "d": 1}
    assert june["tenure"].to_dict() == {"a": 151.0, "b": 151.0, "d": 12.0}
    assert rows.loc[(2, "c"), ["time", "cause"]].tolist() == [184.0, 0]
    assert (rows["weight"] == 1.0).all()
    assert (rows["cut"] == rows["at"]).all()


def test_days_go_back_from_the_last() -> None:
    assert days_back(100.0, 40.0, 30).tolist() == [40.0, 70.0, 100.0]
    assert days_back(100.0, 41.0, 30).tolist() == [70.0, 100.0]
    assert days_back(10.0, 41.0, 30).tolist() == []


def _many(customers: int) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    left = draw.exponential(300, customers)
    start = pd.Timestamp("2025-01-01")
    ended = start + pd.to_timedelta(np.round(left * 86_400), unit="s")
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(customers)],
            "started_at": start,
            "ended_at": pd.Series(ended).where(left < 360),
        }
    )


def test_a_sample_stands_for_all_and_stays_when_data_grow(make: Make) -> None:
    dataset = make(UNTIL, customers=_many(2000))
    risk = risk_set(dataset, 1, 0.0)
    days = np.array([_day("2025-03-01"), _day("2025-05-01")])
    whole = stand(risk, days, 60.0)
    marks = stand(risk, days, 60.0, most=(200, 500))
    soon = (marks.rows["cause"] == 1) & (marks.rows["time"] <= 60)
    assert soon.sum() == pytest.approx(200, abs=45)
    assert (~soon).sum() == pytest.approx(500, abs=70)
    assert "drawn: " in marks.text
    stands = marks.rows["weight"].groupby(soon).sum()
    left = (whole.rows["cause"] == 1) & (whole.rows["time"] <= 60)
    assert stands[True] == pytest.approx(left.sum(), rel=0.2)
    assert stands[False] == pytest.approx((~left).sum(), rel=0.2)
    key = ["origin", "customer_id"]
    again = stand(risk, days, 60.0, most=(200, 500)).rows
    pd.testing.assert_frame_equal(again, marks.rows)
    more = stand(risk, days, 60.0, most=(200, 700)).rows
    assert set(map(tuple, marks.rows[key].to_numpy())) <= set(map(tuple, more[key].to_numpy()))
    other = stand(risk, days, 60.0, most=(200, 500), seed=1).rows
    assert not other[key].equals(marks.rows[key])


def test_the_silent_leave_when_their_silence_is_complete(make: Make) -> None:
    dataset = make(
        UNTIL + "\nchurn: {inactivity: {days: 30}}",
        customers="customer_id,started_at\na,2025-01-01\nb,2025-01-01",
        interactions="""customer_id,occurred_at,touchpoint
        a,2025-01-01,shop
        a,2025-03-01,shop
        b,2025-01-02,shop
        b,2025-12-20,shop""",
    )
    risk = risk_set(dataset, 1, 0.0)
    days = np.array([_day("2025-03-15"), _day("2025-04-15")])
    rows = stand(risk, days, 60.0).rows.set_index(["origin", "customer_id"])
    # On 15 March nobody can know that a will not come again: she is there, and leaves on the 31st.
    assert rows.loc[(0, "a"), ["time", "cause"]].tolist() == [16.0, 1]
    assert (1, "a") not in rows.index
    assert rows.loc[(1, "b"), "cause"] == 0
    assert last_sight(risk, 0.0) == _day("2026-01-01") - 1.0
