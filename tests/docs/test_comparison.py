"""What the page of comparisons says is so on the demo data, and its figures are those found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cxlab.data.dataset import load

ROOT = Path(__file__).parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.insert(0, str(ROOT / "benchmarks"))

import comparison  # noqa: E402

# Where customers go who have decided already: no failure there drives anybody away.
FOLLOWERS = {"cancellation-page", "retention-call"}


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    return comparison.named(load(comparison.DEMO))


def test_what_others_name_first_drives_nobody_away(found: dict[str, list[str]]) -> None:
    for way in comparison.RIVALS:
        assert found[way][0] in FOLLOWERS, way


def test_what_cxlab_names_are_true_drivers(found: dict[str, list[str]]) -> None:
    assert found[comparison.CXLAB]
    assert set(found[comparison.CXLAB]) <= set(comparison.truth(comparison.DEMO))


def test_the_page_shows_what_was_found(found: dict[str, list[str]]) -> None:
    page = (ROOT / "benchmarks" / "comparison.md").read_text(encoding="utf-8")
    for row in comparison.demo_rows(found, comparison.truth(comparison.DEMO)):
        assert row in page


def test_a_model_that_has_seen_the_future_fails_when_it_is_used() -> None:
    reported, used = comparison.leak(comparison.read(load(comparison.DEMO)))
    # reported as nearly perfect; of those here 90 days earlier it tells little beyond chance
    assert reported > 0.9
    assert used < 0.65
