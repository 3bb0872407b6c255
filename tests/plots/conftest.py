from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def close() -> Iterator[None]:
    """Close what a test has drawn."""
    yield
    plt.close("all")
