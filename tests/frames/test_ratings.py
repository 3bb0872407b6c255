from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.errors import UsageError
from cxlab.frames.ratings import MOST_RATINGS, Ratings, ratings

Write = Callable[..., Path]
START = pd.Timestamp("2025-01-01")
SETTINGS = (
    "metrics:\n  staff: {scale: [1, 5]}\n  effort: {scale: [1, 7], direction: lower_is_better}\n"
    "  again: {scale: [0, 1]}\nobserved_until: 2025-12-31\n"
)


def people(count: int = 12) -> pd.DataFrame:
    ended = pd.Series([pd.NaT] * count)
    ended.iloc[0] = START + pd.Timedelta(days=360)
    ids = [f"c{i:02d}" for i in range(count)]
    plan = np.array(["a", "b"])[np.arange(count) % 2]
    return pd.DataFrame(
        {"customer_id": ids, "started_at": START, "ended_at": ended, "plan": plan, "at": plan}
    )


def said(rows: list[tuple[int, float, str, str | None, float, str | None]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["who", "day", "metric", "touchpoint", "score", "response"])
    return pd.DataFrame(
        {
            "customer_id": [f"c{i:02d}" for i in table["who"]],
            "responded_at": START + pd.to_timedelta(table["day"], unit="D"),
            "metric": table["metric"],
            "touchpoint": table["touchpoint"],
            "score": table["score"],
            "response_id": table["response"],
        }
    )


def found(write: Write, feedback: pd.DataFrame, **options: object) -> Ratings | str:
    path = write({"customers": people(), "feedback": feedback}, SETTINGS, form="parquet")
    return ratings(load(path), **{"least": 1, **options})  # type: ignore[arg-type]


def test_ratings_of_one_response_go_together(write_dataset: Write) -> None:
    rows = [(i, 5.0, "nps", None, i % 11, f"r{i}") for i in range(12)]
    rows += [(i, 5.0, "csat", "delivery", 1 + i % 5, f"r{i}") for i in range(12)]
    rows += [(i, 5.0, "staff", None, 5 - i % 5, f"r{i}") for i in range(6)]
    rows += [(i, 5.0, "effort", "delivery", 1 + i % 7, f"r{i}") for i in range(12)]
    rows += [(0, 9.0, "csat", "delivery", 1, "other")]  # another response, without an NPS
    made = found(write_dataset, said(rows))
    assert isinstance(made, Ratings)
    assert (made.linked, made.responses, made.rated) == (False, 12, 12)
    assert made.overall.name == "NPS"
    assert [r.name for r in made.ratings] == ["CSAT at delivery", "effort at delivery", "staff"]
    assert made.rows["overall"].tolist() == [i % 11 for i in range(12)]
    np.testing.assert_array_equal(made.given[:, 0], [1 + i % 5 for i in range(12)])
    # 7 was the worst: it is 1 now
    np.testing.assert_array_equal(made.given[:, 1], [7 - i % 7 for i in range(12)])
    assert made.ratings[1].turned
    np.testing.assert_array_equal(np.isnan(made.given[:, 2]), np.arange(12) >= 6)
    assert list(made.groups["plan"]) == ["a", "b"] * 6
    assert list(made.groups["at"]) == ["a", "b"] * 6  # an attribute may be called as a column


def test_else_the_last_rating_before_and_never_one_after(write_dataset: Write) -> None:
    rows = [(i, 100.0, "nps", None, 8, f"n{i}") for i in range(3)]
    rows += [
        (0, 50.0, "csat", "call", 2, "a"),
        (0, 90.0, "csat", "call", 4, "b"),  # the last before
        (0, 101.0, "csat", "call", 1, "c"),  # after it
        (0, 20.0, "csat", "shop", 5, "d"),
        (1, 9.0, "csat", "shop", 3, "e"),  # too long before
        (2, 100.5, "csat", "call", 5, "f"),
        (3, 90.0, "csat", "call", 5, "g"),  # somebody without an NPS
    ]
    made = found(write_dataset, said(rows), link_days=85)
    assert isinstance(made, Ratings)
    assert (made.linked, made.responses, made.rated, len(made.rows)) == (True, 3, 1, 1)
    assert [r.name for r in made.ratings] == ["call", "shop"]
    np.testing.assert_array_equal(made.given, [[4, 5]])


def test_without_response_ids_one_moment_is_one_response(write_dataset: Write) -> None:
    rows = [(i, 5.0, m, t, 3, None) for i in range(4)
            for m, t in (("again", None), ("csat", "a"), ("csat", "b"))]  # fmt: skip
    rows = [(w, d, m, t, float(w % 2) if m == "again" else s, r) for w, d, m, t, s, r in rows]
    table = said(rows).drop(columns=["response_id"])
    made = found(write_dataset, table)
    assert isinstance(made, Ratings)
    assert (made.overall.metric, made.linked, made.given.shape) == ("again", False, (4, 2))


@pytest.mark.parametrize(
    ("named", "expected"),
    [("", "CSAT"), ("staff", "staff"), ("CSAT at call", "CSAT at call"),
     ("csat at call", "CSAT at call"), ("STAFF", "staff")],
)  # fmt: skip
def test_the_overall_score_is_chosen_or_named(
    write_dataset: Write, named: str, expected: str
) -> None:
    each = (("csat", None), ("staff", None), ("csat", "call"), ("effort", "call"))
    rows = [(i, 5.0, m, t, 1 + i % 5, f"r{i}") for i in range(12) for m, t in each]
    made = found(write_dataset, said(rows), overall=named)
    assert isinstance(made, Ratings)
    assert made.overall.name == expected
    assert expected not in [r.name for r in made.ratings]
    assert len(made.ratings) == 3


def test_what_cannot_be_chosen_is_asked_for(write_dataset: Write) -> None:
    rows = [(i, 5.0, m, None, 1, f"r{i}") for i in range(3) for m in ("staff", "effort", "again")]
    assert "several metrics" in str(found(write_dataset, said(rows)))
    with pytest.raises(UsageError, match="overall is 'nobody'; allowed: again, effort, staff"):
        found(write_dataset, said(rows), overall="nobody")


def test_reasons(write_dataset: Write) -> None:
    only = [(i, 5.0, "csat", "a", 3, f"r{i}") for i in range(3)]
    assert "no metric is answered without" in str(found(write_dataset, said(only)))
    alone = [(i, 5.0, "nps", None, 3, f"r{i}") for i in range(3)]
    assert "nothing is rated" in str(found(write_dataset, said(alone)))
    apart = [*alone, (5, 5.0, "csat", "a", 3, "x")]
    assert "has rated anything in the 90 days before" in str(found(write_dataset, said(apart)))
    silent = said(alone).assign(score=np.nan)
    assert "nobody has answered" in str(found(write_dataset, silent))
    path = write_dataset({"customers": people()}, SETTINGS, form="parquet", name="none")
    assert ratings(load(path)) == "there is no feedback with scores"


def test_few_many_and_samples(write_dataset: Write) -> None:
    rows = [(i, 5.0, "nps", None, i % 11, f"r{i}") for i in range(12)]
    rows += [(i, 5.0, "csat", f"t{k:02d}", 3, f"r{i}")
             for k in range(MOST_RATINGS + 3) for i in range(12 if k else 4)]  # fmt: skip
    made = found(write_dataset, said(rows), least=5)
    assert isinstance(made, Ratings)
    assert len(made.ratings) == MOST_RATINGS
    assert made.left_out["t00"] == "rated by fewer than 5 customers"
    assert sum("60 ratings" in why for why in made.left_out.values()) == 2
    sample = found(write_dataset, said(rows), least=5, most=6)
    assert isinstance(sample, Ratings)
    assert sample.rated == 12
    assert 1 <= len(sample.rows) < 12


def test_anonymous_responses_are_a_customer_each(write_dataset: Write) -> None:
    rows = [(i, 5.0, m, t, 1 + i % 5, f"r{i}") for i in range(6)
            for m, t in (("nps", None), ("csat", "a"))]  # fmt: skip
    table = said(rows).drop(columns=["customer_id"])
    made = found(write_dataset, table)
    assert isinstance(made, Ratings)
    assert made.rows["who"].tolist() == list(range(6))
    assert made.groups["plan"].isna().all()
