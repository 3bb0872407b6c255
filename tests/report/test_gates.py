"""A run that does not hold what its spec asks for is made, marked, and not published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from toy import SHIPPED

from cxlab.data.dataset import load
from cxlab.report.gates import Gates, judge, unmet


def held(gates: dict[str, Any], folder: Path, results: Any = None, latest: Any = None) -> Any:
    """Give what a dataset is told of each gate, by name."""
    found = judge(Gates(**gates), load(folder), results or {}, latest or folder / "none")
    return {g["name"]: (g["passed"], g["text"]) for g in found}


def test_people_and_freshness(tables: Any, write_dataset: Callable[..., Path]) -> None:
    folder = write_dataset(tables, "observed_until: 2026-01-31\n")
    customers = tables["customers"]
    left = int((customers["end_reason"] == "voluntary").sum())
    count = len(customers)
    told = held({"min_customers": count, "min_churners": left + 1}, folder)
    assert told["min_customers"][0]
    assert told["min_churners"] == (
        False,
        f"{left} customers left of their own will; wanted: {left + 1}",
    )
    newest = pd.to_datetime(tables["interactions"]["occurred_at"]).max()
    age = (pd.Timestamp("2026-01-31") - newest.normalize()).days
    for bar, passed in ((age, True), (age - 1, False)):
        told = held({"max_age_days": {"interactions": bar}}, folder)
        assert told["max_age_days.interactions"][0] == passed
    told = held({"max_age_days": {"feedback": 1e9}}, folder)
    assert told["max_age_days.feedback"][0]


def test_what_cannot_be_judged_has_not_held(
    tables: Any, write_dataset: Callable[..., Path]
) -> None:
    del tables["feedback"]
    folder = write_dataset(tables)
    told = held({"max_age_days": {"feedback": 9999}, "checks": ["half-life"]}, folder)
    assert told["max_age_days.feedback"][1].startswith("how old table feedback is cannot be told")
    assert told["checks.half-life"] == (False, "no page made the check 'half-life'")
    (folder / "latest").mkdir()
    told = held({"min_rows": 0.5}, folder, latest=folder / "latest")
    assert told["last run"] == (False, "what the last good run had read cannot be told")


def test_rows_that_cannot_be(tables: Any, write_dataset: Callable[..., Path]) -> None:
    calls = tables["interactions"]
    calls.loc[calls.index[: len(calls) // 10], "outcome"] = "so-so"
    told = held({"max_set_aside": 0.05}, write_dataset(tables))
    assert [n for n, (passed, _) in told.items() if not passed] == ["max_set_aside.interactions"]
    assert told["max_set_aside.interactions"][1].startswith("10.0% of the rows")


def test_checks_of_the_pages(tables: Any, write_dataset: Callable[..., Path]) -> None:
    checks = [{"name": n, "passed": p, "text": f"{n} said"} for n, p in
              (("a", True), ("b", False), ("c", None))]  # fmt: skip
    told = held({"checks": ["a", "b", "c"]}, write_dataset(tables), {"x": {"checks": checks}})
    assert [p for p, _ in told.values()] == [True, False, True]
    assert told["checks.b"][1] == "the check 'b' failed: b said"


def test_a_run_that_is_not_to_be_published(
    tables: Any, write_dataset: Callable[..., Path], cx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a good one; then half of the contacts are gone, and a column."""
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(SHIPPED))
    folder = write_dataset(tables, name="shop")
    spec = folder.parent / "weekly.yml"
    spec.write_text(
        "title: Weekly\ndataset: shop\nnotebooks: [00_summary]\n"
        "gates: {min_rows: 0.9, same_columns: true, min_customers: 10}\n"
    )
    assert cx("render", spec).code == 0
    latest = folder.parent / "weekly" / "latest"
    first = latest.resolve()
    half = tables["interactions"].iloc[::2].drop(columns=["channel"])
    write_dataset(tables | {"interactions": half}, name="shop")
    ran = cx("render", spec)
    assert ran.code == 1 and latest.resolve() == first
    (second,) = [p for p in latest.parent.glob("20*") if p.resolve() != first]
    manifest = json.loads((second / "manifest.json").read_text())
    assert manifest["status"] == "not publishable"
    rows = len(tables["interactions"])
    told = [
        f"table interactions has {len(half):,} rows, where the last good run had {rows:,}; "
        "wanted: 90% of it",
        "table interactions has columns that came or went: channel",
    ]
    assert unmet(manifest["gates"]) == "; ".join(told)
    assert f"the report is not to be published: {told[0]}; {told[1]}; see " in ran.err
    for page in ("index.html", "00_summary.html"):
        text = (second / page).read_text()
        assert "to be published.</strong>" in text and all(t in text for t in told)
    assert not [*(latest.parent / "state").glob(f"history/{second.name}*")]
    assert "not publishable" in cx("status", spec).out
