from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames.answers import Questions, last_questions, questions

Make = Callable[..., Dataset]
CUSTOMERS = """customer_id,started_at,ended_at
a,2025-01-01,
b,2025-01-01,2025-06-01
c,2025-01-01,"""
FEEDBACK = """customer_id,asked_at,responded_at,metric,score
a,2025-01-10,2025-01-12,nps,9
a,2025-02-10,,nps,
a,2025-03-10,2025-03-20,nps,3
a,2025-01-20,2025-01-20T06:00:00Z,csat,4
a,2025-01-20,2025-01-21,csat,1
b,,2025-01-15,nps,6
,2025-01-10,2025-01-10,nps,2
c,2025-01-10,2025-01-11,nps,"""


def _day(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _rows(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": [c for c, _ in pairs], "cut": [_day(d) for _, d in pairs]})


def _known(dataset: Dataset) -> Questions:
    known = questions(dataset)
    assert isinstance(known, Questions)
    return known


def _last(dataset: Dataset, *pairs: tuple[str, str], washout: float = 3.0) -> pd.DataFrame:
    return last_questions(dataset, _known(dataset), _rows(*pairs), washout)


def test_the_last_question_counts_and_its_answer_from_when_it_was_given(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, feedback=FEEDBACK)
    known = _known(dataset)
    assert known.metrics == ("csat", "nps")
    assert (known.asking, known.anonymous) == (True, 1)
    days = ("2025-01-13", "2025-01-14", "2025-01-16", "2025-02-20", "2025-03-15", "2025-03-24")
    found = _last(dataset, *(("a", d) for d in days))
    nps = found[found["metric"] == "nps"].set_index("row")
    # Seen to the 10th: not yet asked. To the 11th: asked, no answer; to the 13th: answered.
    assert list(nps.index) == [1, 2, 3, 4, 5]
    assert nps["asked"].tolist() == [_day(d) for d in ("2025-01-10", "2025-01-10", "2025-02-10",
                                                       "2025-03-10", "2025-03-10")]  # fmt: skip
    np.testing.assert_array_equal(nps["score"], [np.nan, 9, np.nan, np.nan, 3])
    np.testing.assert_array_equal(nps["answered"].notna(), [False, True, False, False, True])


def test_scores_given_together_are_averaged_once_the_last_is_known(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, feedback=FEEDBACK)
    found = _last(dataset, ("a", "2025-01-20T18:00:00"), ("a", "2025-01-22"), washout=0)
    csat = found[found["metric"] == "csat"]
    np.testing.assert_array_equal(csat["score"], [np.nan, 2.5])


def test_an_answer_without_a_question_is_asked_when_given_and_one_without_a_score_is_none(
    make: Make,
) -> None:
    dataset = make(customers=CUSTOMERS, feedback=FEEDBACK)
    found = _last(dataset, ("b", "2025-02-01"), ("c", "2025-02-01"), ("nobody", "2025-02-01"))
    assert found["row"].tolist() == [0, 1]
    np.testing.assert_array_equal(found["score"], [6, np.nan])
    assert found["asked"].tolist() == [_day("2025-01-15"), _day("2025-01-10")]


@pytest.mark.parametrize(
    ("feedback", "asking", "score"),
    [
        ("customer_id,responded_at,metric,score\na,2025-01-10,nps,4", False, 4),
        ("customer_id,asked_at,metric,score\na,2025-01-10,nps,4\na,2025-01-09,nps,", True, 4),
    ],
)
def test_one_time_is_enough(make: Make, feedback: str, asking: bool, score: float) -> None:
    dataset = make(customers=CUSTOMERS, feedback=feedback)
    assert _known(dataset).asking is asking
    found = _last(dataset, ("a", "2025-01-14"), ("a", "2025-01-13"))
    assert found.loc[found["score"].notna(), "row"].tolist() == [0]
    assert found["score"].max() == score


def test_nothing_later_than_the_cut_less_the_washout_is_seen(make: Make) -> None:
    draw = np.random.default_rng(4)
    asked = pd.Timestamp("2025-01-02") + pd.to_timedelta(draw.integers(0, 140, 100), unit="D")
    asked = asked + pd.to_timedelta(draw.integers(0, 86_400, 100), unit="s")
    answered = asked + pd.to_timedelta(draw.integers(0, 6 * 86_400, 100), unit="s")
    silent = draw.uniform(size=100) < 0.3
    table = pd.DataFrame(
        {
            "customer_id": draw.choice(["a", "c"], 100),
            "asked_at": asked,
            "responded_at": pd.Series(answered).where(~silent),
            "metric": draw.choice(["nps", "csat"], 100),
            "score": pd.Series(draw.integers(1, 6, 100), dtype=float).where(~silent),
        }
    ).drop_duplicates(["customer_id", "asked_at", "metric"])
    seen = pd.Timestamp("2025-03-08")
    rows = [("a", "2025-03-11"), ("c", "2025-03-11")]
    before = _last(make(customers=CUSTOMERS, feedback=table), *rows)
    later = table.copy()
    late = later["asked_at"] >= seen
    later.loc[late, ["asked_at", "responded_at"]] += pd.Timedelta("9D")
    changed = ~late & (later["responded_at"] >= seen)
    assert late.any() and changed.any()
    later.loc[changed, "responded_at"] += pd.Timedelta("9D")
    later.loc[changed, "score"] = 6 - later.loc[changed, "score"]
    after = _last(make(customers=CUSTOMERS, feedback=later), *rows)
    pd.testing.assert_frame_equal(before, after)
    assert before["score"].notna().any()


@pytest.mark.parametrize(
    ("feedback", "why"),
    [
        (None, "no table feedback"),
        ("asked_at,metric,score\n2025-01-10,nps,4", "no customer_id"),
        ("customer_id,asked_at,metric\na,2025-01-10,nps", "no score"),
        ("customer_id,metric,score\na,nps,4", "no asked_at and no responded_at"),
    ],
)
def test_what_is_missing_is_said(make: Make, feedback: str | None, why: str) -> None:
    tables = {"customers": CUSTOMERS} | ({"feedback": feedback} if feedback else {})
    found = questions(make(**tables))
    assert isinstance(found, str) and why in found


def test_many_rows_are_joined_in_blocks(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make(customers=CUSTOMERS, feedback=FEEDBACK)
    pairs = [("a", "2025-01-16"), ("b", "2025-02-01"), ("a", "2025-04-01")]
    whole = _last(dataset, *pairs)
    monkeypatch.setattr("cxlab.frames.answers._BLOCK", 2)
    pd.testing.assert_frame_equal(_last(dataset, *pairs), whole)
