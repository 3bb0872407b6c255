"""From public tables of four shapes to a first report, without a word edited.

Every notebook is rendered for one table; of the others, the one in which the shape of the data
decides what can be asked, and for customers who leave by silence how long they stay.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TABLES = Path(__file__).parent / "tables"
SNAPSHOT = Path(__file__).parents[2] / "data" / "saas" / "customers.csv"
DRIVERS = ("--only", "05_churn_drivers")


@pytest.mark.parametrize(
    ("file", "findings", "only"),
    [
        pytest.param(SNAPSHOT, True, DRIVERS, id="snapshot"),
        pytest.param(TABLES / "shop_events.csv.gz", False, DRIVERS, id="events"),
        pytest.param(TABLES / "attrition.csv.gz", True, (), id="wide survey"),
        pytest.param(
            TABLES / "cdnow.csv.gz", False, (*DRIVERS, "--only", "04_retention"), id="shop orders"
        ),
    ],
)
def test_new_then_check_then_render(
    tmp_path: Path, cx: Callable[..., Any], file: Path, findings: bool, only: tuple[str, ...]
) -> None:
    folder = tmp_path / "mine"
    assert cx("new", folder, "--from", file).code == 0
    assert cx("check", folder).code == 0
    ran = cx("render", folder / "report.yml", "--quick", *only)
    assert ran.code == 0, ran.err
    latest = folder / "report" / "latest"
    manifest = json.loads((latest / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "ok"
    assert "failed" not in {n["status"] for n in manifest["notebooks"].values()}
    drivers = (latest / "drivers.csv").read_text(encoding="utf-8") if findings else ""
    assert (",driver," in drivers) is findings
    # the runs lie in the dataset's folder and are no part of the data
    assert cx("check", folder).code == 0
