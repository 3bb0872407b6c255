"""``benchmarks/feelings.py``: its page on made-up figures, and a world of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import _feeling_worlds as worlds  # noqa: E402
import feelings  # noqa: E402


def test_the_page_tells_each_figure_beside_its_bar() -> None:
    lines = [line for part in feelings.LINES.values() for line in part]
    assert {line.study for line in lines} == set(feelings.STUDIES)
    wanted = {s: [line.figure for line in lines if line.study == s] for s in feelings.STUDIES}
    met = {"alarm": 0.0, "differ": 0.0, "same": 0.0, "pairs": 0.0, "told": 0.0, "off": 0.0,
           "null called": 0.0}  # fmt: skip
    found = {s: pd.DataFrame([{f: met.get(f, 0.95) for f in names}] * 20)
             for s, names in wanted.items()}  # fmt: skip
    found["hurt one"]["differ"] = 1.0
    found["crowd"]["alarm"] = 1.0
    page = feelings.page(found, "make recovery")
    assert page.count("**not met**") == 1
    assert "| one crowd that differs by degrees: kinds told | 100.0" in page
    for name in feelings.LINES:
        assert f"## {name}" in page


def test_worlds_give_the_figures_of_the_page() -> None:
    lines = [line for part in feelings.LINES.values() for line in part]
    for study in ("shares", "no themes"):
        made = feelings.one((study, 3))
        assert {line.figure for line in lines if line.study == study} <= set(made)
        assert np.isfinite(list(made.values())).all()


def test_true_shares_are_those_of_very_many_answers() -> None:
    true = worlds.true_shares()
    assert true.sum() == pytest.approx(1.0)
    assert (np.diff(true) < 0).all()
