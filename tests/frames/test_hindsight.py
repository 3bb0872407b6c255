"""Fields and contacts as they look when the end is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.frames.hindsight import dates_of, values_of


@pytest.mark.parametrize(
    "texts",
    [
        ["2026-01-31", "2026-02-01T10:00:00", None],
        ["31.01.2026", "01.02.2026", None],
        ["31/01/2026", "01/02/2026", None],
        ["2026/01/31", "2026/02/01", None],
    ],
)
def test_dates_are_read_as_days(texts: list[str | None]) -> None:
    days = dates_of(pd.Series(texts, dtype=object))
    assert days is not None
    assert days[:2].tolist() == [20484.0, 20485.0]
    assert np.isnan(days[2])


def test_numbers_may_be_dates_and_most_are_not() -> None:
    days = dates_of(pd.Series([20260131.0, np.nan, 20260201.0]))
    assert days is not None
    assert days[[0, 2]].tolist() == [20484.0, 20485.0]
    assert dates_of(pd.Series([20260131.5])) is None
    assert dates_of(pd.Series([12.0, 40.0])) is None
    assert dates_of(pd.Series(["basic", "2026-01-01"])) is None
    assert dates_of(pd.Series(["12-345-6", "x"])) is None
    assert dates_of(pd.Series([None, None], dtype=object)) is None


def test_levels_of_a_text() -> None:
    values = values_of(pd.Series(["a", "b", None]), pd.Series(["b", "new"]), "text")
    assert values.names == ("(missing)", "a", "b", "any other value")
    assert values.then.tolist() == [1, 2, 0]
    assert values.now.tolist() == [2, 3]
    assert values.columns.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


def test_spans_of_a_number_and_a_value_that_many_share() -> None:
    then = pd.Series([0.0] * 60 + list(range(1, 41)) + [np.nan])
    values = values_of(then, pd.Series([0.0, 40.0, np.nan]), "number")
    assert values.names[-1] == "(missing)"
    zero = values.then[:60]
    assert len(set(zero)) == 1
    assert zero[0] not in values.then[60:100]
    assert values.now.tolist() == [zero[0], values.then[99], values.then[100]]
    assert values.columns[-1].tolist() == [0.5, 1.0]


@pytest.mark.parametrize("then", [[], [np.nan, np.nan], [3.0, 3.0]])
def test_fields_of_nothing(then: list[float]) -> None:
    values = values_of(pd.Series(then, dtype=float), pd.Series([1.0]), "number")
    assert len(values.then) == len(then)
    assert values.then.max(initial=0) < len(values.names)
    assert values.now.max() < len(values.names)
