"""Comments of surveys and texts of contacts, brought together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlab
from cxlab.frames.comments import comments
from cxlab.frames.mentions import mentioned
from cxlab.frames.periods import EPOCH

DAY = pd.Timestamp("2025-03-01")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "started_at": DAY - pd.Timedelta(days=90),
            "ended_at": [pd.NaT, pd.NaT, DAY + pd.Timedelta(days=20)],
            "last_name": ["Quintavalle", "Rossi", None],
        }
    ).to_parquet(tmp_path / "customers.parquet")
    pd.DataFrame(
        {
            "interaction_id": ["i1", "i2", "i3"],
            "customer_id": ["a", "b", "b"],
            "occurred_at": DAY + pd.to_timedelta([0, 2, 40], unit="D"),
            "touchpoint": ["call", "chat", "chat"],
            "outcome": ["ok", "failed", "ok"],
            "text": ["there Quintavalle asked for a refund", None, "too late to be seen"],
        }
    ).to_parquet(tmp_path / "interactions.parquet")
    pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b", None],
            "responded_at": DAY + pd.to_timedelta([1, 1, 3, 4, 5], unit="D"),
            "metric": ["csat", "nps", "csat", "csat", "nps"],
            "score": [4.0, 9.0, 1.0, 2.0, 3.0],
            "touchpoint": [None, None, "shop", None, None],
            "interaction_id": ["i1", None, "i2", "i2", None],
            "comment": ["<b>fine</b>", "<b>fine</b>", "mail me: x@example.org", None, "anon"],
        }
    ).to_parquet(tmp_path / "feedback.parquet")
    (tmp_path / "dataset.yml").write_text("observed_until: 2025-03-31\n")
    return tmp_path


def test_brings_comments_together(folder: Path) -> None:
    read = comments(cxlab.load(folder))
    assert not isinstance(read, str)
    first = (DAY - pd.Timestamp(EPOCH)).days
    table = read.table
    assert table["at"].tolist() == [first, first + 1, first + 3, first + 5]
    assert table["source"].tolist()[0] == "contacts"
    # The one with a contact behind it, and the comment's own touchpoint before the contact's.
    assert table["touchpoint"].tolist() == ["call", "call", "shop", None]
    assert table["text"].tolist()[1] == "<b>fine</b>"
    assert read.names == ("Quintavalle", "Rossi")
    assert read.counts["said twice at once"] == 1
    assert read.counts["without a customer"] == 1
    who = table["who"].tolist()
    assert who[0] == who[1]
    assert len(set(who)) == 3


def test_a_sample_is_the_same_each_time(folder: Path) -> None:
    data = cxlab.load(folder)
    drawn = [comments(data, most=2) for _ in range(2)]
    for read in drawn:
        assert not isinstance(read, str)
        assert read.total == 5
        assert len(read.table) < 5
    one, other = (r.table for r in drawn if not isinstance(r, str))
    pd.testing.assert_frame_equal(one, other)


def test_says_why_there_are_none(folder: Path) -> None:
    (folder / "interactions.parquet").unlink()
    feedback = pd.read_parquet(folder / "feedback.parquet")
    feedback.assign(comment=None).to_parquet(folder / "feedback.parquet")
    assert comments(cxlab.load(folder)) == "nobody has written anything"
    feedback.drop(columns="comment").to_parquet(folder / "feedback.parquet")
    assert "neither comments" in str(comments(cxlab.load(folder)))


def test_mentions_count_from_when_they_are_known(folder: Path) -> None:
    """By hand: a mention on day 1, seen from day 4 on (washout 3), fading with 28 days."""
    data = cxlab.load(folder)
    read = comments(data)
    assert not isinstance(read, str)
    kinds = {"fine": (read.table["text"] == "<b>fine</b>").to_numpy()}
    made = mentioned(data, read.table, kinds, washout_days=3.0)
    assert not isinstance(made, str)
    rows, seen = made.sample.rows, made.sums["decay"][:, 0]
    first = (DAY - pd.Timestamp(EPOCH)).days + 1
    mine = (rows["customer_id"] == "a").to_numpy() & (rows["cut"] - 3 > first).to_numpy()
    age = rows["mid"].to_numpy() - first
    np.testing.assert_allclose(seen, np.where(mine, 0.5 ** (age / 28), 0.0))
    np.testing.assert_allclose(made.sums["old"][:, 0], np.where(age >= 14, seen, 0.0))
    assert mentioned(data, read.table, {"x": np.zeros(4, dtype=bool)}, 3.0) == (
        "no comment has a customer and a date"
    )
