"""Small groups are withheld, and so is what would tell of them."""

from __future__ import annotations

import numpy as np
import pytest

from cxlab.models.withheld import small_groups


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([40, 30, 20], []),
        ([40, 0, 20], []),  # of nobody there is nothing to tell
        ([40, 4, 20], [1, 2]),  # all less the others would tell the four
        ([40, 4, 6, 20], [1, 2]),  # ten together are enough
        ([40, 9, 0, 20], [1, 3]),
        ([3, 4], [0, 1]),
        ([10, 9], [0, 1]),
    ],
)
def test_what_is_withheld_is_of_ten_customers_at_least(
    counts: list[int], hidden: list[int]
) -> None:
    assert np.flatnonzero(small_groups(np.array(counts), 10)).tolist() == hidden


def test_groups_that_are_gone_already_hide_small_ones() -> None:
    gone = np.array([False, True, False])
    assert small_groups(np.array([4, 30, 50]), 10, gone).tolist() == [True, True, False]
    assert small_groups(np.array([40, 3, 50]), 10, gone).tolist() == [True, True, False]
