from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import UsageError
from cxlab.frames.periods import RiskSet
from cxlab.frames.sampling import draw


def _risk(spells: int = 400, days: int = 300) -> RiskSet:
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in range(spells)],
            "started": 0.25,
            "first": -days,
            "last": -1,
            "event": np.arange(spells) % 4 == 0,
            "competing": False,
        }
    )
    frame["event_at"] = np.where(frame["event"], days - 0.5, np.nan)
    return RiskSet(frame, float(days), 1)


def test_full_takes_every_row_and_each_event_once() -> None:
    risk = _risk()
    sample = draw(risk, "full")
    assert (len(sample.rows), sample.rows["event"].sum()) == (risk.person_periods, 100)
    assert (sample.offset, sample.link) == (0.0, "cloglog")
    assert sample.rows["mid"].sub(sample.rows["cut"]).eq(0.5).all()
    last = sample.rows[sample.rows["event"] == 1]
    assert last["start"].eq(299).all()
    assert last["tenure"].eq(299.5 - 0.25).all()


def test_a_sample_holds_every_event_and_says_what_a_row_stands_for() -> None:
    risk = _risk()
    sample = draw(risk, 20, seed=3)
    assert (sample.rows["event"] == 0).sum() == 2000
    assert (sample.rows["event"] == 1).sum() == 100
    assert sample.offset == pytest.approx(np.log(risk.person_periods / 2000))
    base = sample.rows[sample.rows["event"] == 0]
    assert not base.duplicated(["spell", "start"]).any()
    # Uniform: the mean day of 2,000 draws from 0..299 is within four standard errors.
    assert abs(base["start"].mean() - 149.5) < 4 * 86.6 / np.sqrt(2000)


def test_same_seed_same_rows_other_seed_other_rows() -> None:
    first, again, other = (draw(_risk(), 5, seed=s).rows for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_auto_takes_all_rows_of_a_small_cohort() -> None:
    assert draw(_risk(40, 100), "auto").link == "cloglog"
    assert draw(_risk(400, 300), "auto").link == "logit"


@pytest.mark.parametrize("sample", ["some", "0", "-3", 0, "1.5"])
def test_other_words_are_refused(sample: str | int) -> None:
    with pytest.raises(UsageError, match="allowed: auto, full"):
        draw(_risk(), sample)
