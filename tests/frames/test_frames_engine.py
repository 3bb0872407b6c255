from __future__ import annotations

import hashlib

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.frames.engine import PRIME, hashed, with_key

NAMES = [f"c{i}" for i in range(300)]


def _draws(seed: int) -> pd.DataFrame:
    connection = duckdb.connect()
    both = pd.DataFrame({"name": NAMES}).merge(pd.DataFrame({"day": np.arange(200)}), how="cross")
    frame = hashed(with_key(nw.from_native(connection.from_df(both)), "name"), "day", seed)
    drawn: pd.DataFrame = frame.sort("name", "day").collect(backend="pandas").to_native()
    return drawn


def _by_hand(name: str, day: int, seed: int) -> int:
    key = int(hashlib.md5(name.encode()).hexdigest()[:8], 16) % PRIME
    draw = (key + (day + 2**20) * 1_103_515_245) % PRIME
    for i in range(4):
        draw = (pow(draw, 5, PRIME) + (seed * 16_807 + (i + 1) * 69_621_337) % PRIME) % PRIME
    return draw


def test_draws_are_those_of_the_formula_whatever_the_engine() -> None:
    drawn = _draws(7)
    for row in drawn.iloc[::997].itertuples():
        assert row.draw == _by_hand(row.name, row.day, 7)


def test_draws_are_even_and_hang_together_with_nothing() -> None:
    share = [_draws(seed)["draw"].to_numpy().reshape(300, 200) / PRIME for seed in (0, 1)]
    cells = np.histogram(share[0], bins=50, range=(0, 1))[0]
    expected = share[0].size / 50
    # Chi-square of 49 degrees of freedom: above 94 once in ten thousand.
    assert ((cells - expected) ** 2 / expected).sum() < 94
    bound = 4 / np.sqrt(share[0].size)
    pairs = [
        (share[0], share[1]),  # seeds
        (share[0][:, 1:], share[0][:, :-1]),  # days in a row
        (share[0][1:], share[0][:-1]),  # customers of like names
    ]
    for one, other in pairs:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < bound
        low = np.mean((one < 0.1) & (other < 0.1))
        assert abs(low - 0.01) < 4 * np.sqrt(0.01 / one.size)
