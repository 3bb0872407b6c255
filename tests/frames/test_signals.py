from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames.answers import Questions, questions
from cxlab.frames.exposures import contacts
from cxlab.frames.landmarks import Landmarks, stand
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.signals import behaviour, standing, what_was_said

Make = Callable[..., Dataset]
UNTIL = "observed_until: 2025-12-31"
CUSTOMERS = """customer_id,started_at,ended_at,monthly_value
a,2025-01-01,2025-11-01,10
b,2025-01-01,,
c,2025-01-01,,30"""
FEEDBACK = """customer_id,asked_at,responded_at,metric,score
a,2025-01-10,2025-01-12,nps,9
a,2025-02-10,,nps,
a,2025-03-10,2025-03-20,nps,3
b,2025-03-01,,nps,
b,2025-01-20,2025-01-21,ces,7"""
CONTACTS = """customer_id,occurred_at,touchpoint,outcome
a,2025-02-20,call,failed
a,2025-02-27,call,ok
a,2025-03-02,exit,failed
b,2025-02-27,chat,ok"""
SETTINGS = UNTIL + "\nmetrics: {ces: {scale: [1, 7], direction: lower_is_better}}"


def _day(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _marks(dataset: Dataset, *days: str) -> tuple[RiskSet, Landmarks]:
    risk = risk_set(dataset, 1, 0.0)
    return risk, stand(risk, np.array([_day(d) for d in days]), 60.0)


def _known(dataset: Dataset) -> Questions:
    known = questions(dataset)
    assert isinstance(known, Questions)
    return known


def test_the_last_score_outlives_a_question_without_an_answer(make: Make) -> None:
    dataset = make(SETTINGS, customers=CUSTOMERS, feedback=FEEDBACK)
    _, marks = _marks(dataset, "2025-01-11", "2025-03-15", "2025-04-01")
    said = what_was_said(dataset, _known(dataset), marks.rows)
    assert list(said) == ["ces", "nps"]
    nps, by = said["nps"], marks.rows.set_index(["origin", "customer_id"]).index
    place = {key: i for i, key in enumerate(by)}
    # Asked on the 10th and answered on the 12th: on the 11th only the question is known.
    assert nps.asked[place[0, "a"]]
    assert nps.silent[place[0, "a"]]
    assert np.isnan(nps.worse[place[0, "a"]])
    # On 15 March the third question is open; the last score is that of January, 9 of 10.
    assert nps.worse[place[1, "a"]] == pytest.approx(0.1)
    assert nps.age[place[1, "a"]] == _day("2025-03-15") - _day("2025-01-12")
    assert nps.silent[place[1, "a"]]
    assert nps.worse[place[2, "a"]] == pytest.approx(0.7)
    assert not nps.silent[place[2, "a"]]
    assert nps.within(30.0).tolist() == [i == place[2, "a"] for i in range(len(by))]
    assert nps.silent[place[2, "b"]]
    assert not nps.asked[place[2, "c"]]
    # Of an effort score that is better the lower, the highest is the worst.
    assert said["ces"].worse[place[2, "b"]] == 1.0
    assert np.isfinite(nps.columns).all()
    assert nps.columns.shape[1] == 7


def test_contacts_count_before_the_day_and_not_where_customers_leave(make: Make) -> None:
    dataset = make(UNTIL, customers=CUSTOMERS, interactions=CONTACTS)
    risk, marks = _marks(dataset, "2025-03-01", "2025-03-10")
    known = contacts(dataset).kept(risk)
    left_out = np.array([t == "exit" for t in known.touchpoints])
    x = behaviour(dataset, known, marks.rows, left_out)
    a = marks.rows.index[marks.rows["customer_id"] == "a"]
    calls = known.touchpoints.index("call")
    ages = np.array([_day("2025-03-01") - _day(d) for d in ("2025-02-20", "2025-02-27")])
    assert x[a[0], calls] == pytest.approx(np.log1p((0.5 ** (ages / 28)).sum()))
    assert x[a[0], 2 + calls] == pytest.approx(np.log1p(0.5 ** (ages[0] / 28)))
    everything = behaviour(dataset, known, marks.rows, np.zeros(3, dtype=bool))
    # The visit of 2 March is there on the 10th alone, and only where exits count.
    assert everything[a[0]].sum() - everything[a[0], :6].sum() == pytest.approx(x[a[0], 4:].sum())
    assert everything[a[1], 6] > x[a[1], 4]


def test_standing_knows_who_pays_nothing_from_who_is_not_known_to_pay(make: Make) -> None:
    _, marks = _marks(make(UNTIL, customers=CUSTOMERS), "2025-03-01")
    x = standing(marks.rows)
    assert x[:, 4].tolist() == [0.0, 1.0, 0.0]
    assert x[:, 3] == pytest.approx([np.log(11), 0.0, np.log(31)])
    assert standing(marks.rows.drop(columns="monthly_value")).shape == (3, 3)


def _later(table: pd.DataFrame, columns: list[str], day: pd.Timestamp) -> pd.DataFrame:
    """Shift everything that happened from a day on."""
    shifted = table.copy()
    for column in columns:
        after = shifted[column] >= day
        shifted.loc[after, column] += pd.Timedelta(days=17)
    return shifted


def test_what_comes_later_changes_nothing(make: Make) -> None:
    draw = np.random.default_rng(3)
    start, cut = pd.Timestamp("2025-01-01"), pd.Timestamp("2025-04-01")
    ids = np.array([f"c{i:02d}" for i in range(40)])

    def times(count: int, low: float, high: float) -> pd.Series:
        return pd.Series(start + pd.to_timedelta(draw.uniform(low, high, count).round(4), unit="D"))

    who = draw.choice(ids, 600)
    tables = {
        "customers": pd.DataFrame(
            {"customer_id": ids, "started_at": start, "ended_at": times(40, 300, 340)}
        ),
        "interactions": pd.DataFrame(
            {
                "customer_id": who,
                "occurred_at": times(600, 0, 300),
                "touchpoint": draw.choice(["call", "chat"], 600),
                "outcome": draw.choice(["ok", "failed"], 600),
            }
        ),
        "feedback": pd.DataFrame({"customer_id": draw.choice(ids, 300), "metric": "nps"}),
    }
    asked = times(300, 0, 280)
    tables["feedback"]["asked_at"] = asked
    tables["feedback"]["responded_at"] = asked + pd.to_timedelta(draw.exponential(5, 300), unit="D")
    tables["feedback"]["score"] = draw.integers(0, 11, 300).astype(float)
    found = []
    for moved in (False, True):
        given = dict(tables)
        if moved:
            given["interactions"] = _later(tables["interactions"], ["occurred_at"], cut)
            given["feedback"] = _later(tables["feedback"], ["asked_at", "responded_at"], cut)
        dataset = make(UNTIL, **given)
        risk, marks = _marks(dataset, "2025-02-15", "2025-04-01")
        known = contacts(dataset).kept(risk)
        said = what_was_said(dataset, _known(dataset), marks.rows)["nps"]
        x = behaviour(dataset, known, marks.rows, np.zeros(2, dtype=bool))
        found.append((marks.rows, said.columns, x))
    pd.testing.assert_frame_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    assert (found[0][1].std(axis=0) > 0).all()
