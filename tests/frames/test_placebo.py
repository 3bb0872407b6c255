"""Shuffled outcomes: true ones give the measured exposures, shuffles keep what they must."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.frames import placebo
from cxlab.frames.exposures import Kernel, contacts, measure
from cxlab.frames.periods import risk_set
from cxlab.frames.placebo import Pairs, pairs
from cxlab.frames.sampling import draw

WASHOUT = 3.0
DAYS = np.array([11.0, 30.0, 30.0])


def _study(path: object) -> tuple[Dataset, pd.DataFrame, Pairs]:
    dataset = load(path)
    rows = draw(risk_set(dataset), "full").rows.sample(3000, random_state=3)
    generator = np.random.default_rng(0)
    return dataset, rows, pairs(dataset, contacts(dataset), rows, WASHOUT, generator)


@pytest.mark.parametrize("judged_by", ["outcome", "score", "rule"])
def test_true_outcomes_give_the_measured_exposures(
    make_tables: Callable, write_dataset: Callable, judged_by: str
) -> None:
    tables = make_tables(90, seed=4)
    if judged_by == "score":
        del tables["interactions"]["outcome"]
    # Contacts dated by the day lie on the very instant a row's view ends.
    at = tables["interactions"]["occurred_at"]
    tables["interactions"]["occurred_at"] = at.where(at.dt.hour > 8, at.dt.floor("D"))
    settings = "bad: {wait_over_seconds: 500}\n" if judged_by == "rule" else None
    dataset, rows, found = _study(write_dataset(tables, settings))
    known = contacts(dataset)
    kernels = {f"{h:g}": Kernel(h) for h in DAYS}
    measured = measure(dataset, known, rows, kernels, WASHOUT)
    sums = found.sums(DAYS, np.arange(len(found.touchpoint)))
    assert set(sums) == set(known.classes)
    for kind, got in sums.items():
        expected = np.column_stack([measured[f"{h:g}", kind][:, k] for k, h in enumerate(DAYS)])
        assert expected.any()
        np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_shuffle_stays_within_its_touchpoint(
    make_tables: Callable, write_dataset: Callable
) -> None:
    found = _study(write_dataset(make_tables(90, seed=4)))[2]
    generator = np.random.default_rng(1)
    other, again = found.shuffled(generator), found.shuffled(generator)
    assert (found.touchpoint[other] == found.touchpoint).all()
    assert sorted(other) == list(range(len(other)))
    assert (other != np.arange(len(other))).mean() > 0.5
    assert (other != again).mean() > 0.5
    bad = ~np.isnan(found.since["bad_from"])
    drawn = pd.Series(bad[other]).groupby(found.touchpoint).sum()
    pd.testing.assert_series_equal(drawn, pd.Series(bad).groupby(found.touchpoint).sum())
    assert len(drawn) == 3


def test_too_many_pairs_leave_customers_out_whole(
    make_tables: Callable, write_dataset: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, rows, every = _study(write_dataset(make_tables(90, seed=4)))
    most = len(every.row) // 3
    few = pairs(dataset, contacts(dataset), rows, WASHOUT, np.random.default_rng(0), most)
    assert 0.8 * most < len(few.row) <= most
    customer = rows["customer_id"].to_numpy()
    kept = set(customer[few.rows])
    assert set(np.flatnonzero(np.isin(customer, list(kept)))) == set(few.rows)
    monkeypatch.setattr(placebo, "_MOST_ROWS", 500)
    fewer = pairs(dataset, contacts(dataset), rows, WASHOUT, np.random.default_rng(0))
    assert 350 < len(fewer.rows) <= 500
    whole = every.sums(DAYS, np.arange(len(every.touchpoint)))["bad"][few.rows]
    part = few.sums(DAYS, np.arange(len(few.touchpoint)))["bad"]
    np.testing.assert_allclose(part, whole, atol=1e-12)
