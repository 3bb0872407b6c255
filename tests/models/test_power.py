"""How large a change would be seen, and from when on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower

from cxlab.models.power import POWER, needed


def test_the_smallest_change_seen_is_that_of_statsmodels() -> None:
    # Two groups of 200 with a spread of one: the standard error is 0.1.
    wanted = NormalIndPower().solve_power(nobs1=200, alpha=0.05, power=0.8)
    assert POWER * np.sqrt(2 / 200) == pytest.approx(wanted, rel=1e-3)


def test_the_wait_is_as_long_as_the_variance_says() -> None:
    base, each = 0.01, 0.09  # before, and of one period after
    se = math.sqrt(base + each / 3)
    wait = needed(0.5, se, base, each / 3, 3)
    assert math.sqrt(base + each / wait) * POWER <= 0.5
    assert math.sqrt(base + each / (wait - 1)) * POWER > 0.5
    assert needed(5.0, se, base, each / 3, 3) == 1
    assert needed(0.25, se, base, each / 3, 3) == math.inf  # the time before alone is too short
    # Parts that hang together are scaled to what they make today.
    assert needed(0.5, se, 4 * base, 4 * each / 3, 3) == wait
