from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import churn_drivers, summary
from cxlab.data.dataset import Dataset, load
from cxlab.errors import DataError, UsageError


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    """Ten customers; two leave in the last 30 days, one before, one by a failed card."""
    rows = [(f"c{i}", "2025-01-01", None, None, 10.0) for i in range(10)]
    rows[0] = ("c0", "2025-01-01", "2025-06-20", None, 30.0)
    rows[1] = ("c1", "2025-01-01", "2025-06-25", "voluntary", 12.0)
    rows[2] = ("c2", "2025-01-01", "2025-05-10", None, 99.0)
    rows[3] = ("c3", "2025-01-01", "2025-06-10", "involuntary", 50.0)
    columns = ["customer_id", "started_at", "ended_at", "end_reason", "monthly_value"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "customers.csv", index=False)
    (tmp_path / "dataset.yml").write_text("observed_until: 2025-06-30\n", encoding="utf-8")
    return load(tmp_path)


def test_counts_of_the_window_and_the_one_before(small: Dataset) -> None:
    result = summary.run(small, window_days=30, min_group=2)
    table = result.table.set_index("term")
    assert table.loc["share who left of their own will, last 30 days", "estimate"] == 2 / 9
    assert table.loc["share who left of their own will, last 30 days", "n"] == 9
    assert table.loc["share who ended otherwise, last 30 days", "estimate"] == 1 / 9
    assert table.loc["monthly value of those who left, last 30 days", "estimate"] == 42
    assert table.loc["share who left of their own will, the 30 days before", "estimate"] == 0.1
    assert "2 left of their own will: 22.2%" in result.sentence
    assert summary.findings(result)[0].estimate == 2 / 9


def test_what_few_paid_and_who_left_of_few_is_not_told(small: Dataset) -> None:
    """Of the window before, one left: what one customer pays is that customer's alone."""
    told = summary.run(small, window_days=30, min_group=2)
    assert "monthly value of those who left, the 30 days before" not in set(told.table["term"])
    assert told["tenure"].table["name"].nunique() == 3
    few = summary.run(small, window_days=30, min_group=10)
    assert not few.table["term"].str.contains("monthly value").any()
    counts = few["tenure"].table.set_index("measure")
    assert counts["name"].tolist() == ["all", "all"]
    assert counts["value"].to_dict() == {"customers": 9, "left": 2}


def test_the_drivers_of_a_run_are_gathered(small: Dataset, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    assert summary.run(small, run=str(run))["drivers"].table.empty
    columns = (
        "rank,touchpoint,valence,hazard_ratio,conf_low,conf_high,attributable_churn,"
        "attributable_churn_low,attributable_churn_high,value_at_risk,value_at_risk_low,"
        "value_at_risk_high,exposed_customers,verdict"
    )
    driver, other = (
        "1,call,bad,2,1.5,3,10,5,15,100,50,150,40,driver",
        "2,app,bad,1,.9,1.1,0,-1,1,0,-2,2,40,no evidence",
    )
    text = f"{columns}\n{driver}\n{other}\n"
    (run / "drivers.csv").write_text(text, encoding="utf-8")
    assert summary.run(small, run=str(run))["drivers"].table["touchpoint"].tolist() == ["call"]
    named = "".join(driver.replace("call", name) + "\n" for name in ("'=1+1", "NA", "7"))
    (run / "drivers.csv").write_text(f"{columns}\n{named}", encoding="utf-8")
    shown = summary.run(small, run=str(run))["drivers"].table["touchpoint"].tolist()
    assert shown == ["=1+1", "NA", "7"]
    (run / "drivers.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"drivers\.csv"):
        summary.run(small, run=str(run))


def test_what_cannot_be_is_refused(small: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="window_days is 3"):
        summary.run(small, window_days=3)
    with pytest.raises(UsageError, match="no such folder of a run"):
        summary.run(small, run=str(tmp_path / "nowhere"))


def test_a_snapshot_has_no_window(tmp_path: Path) -> None:
    pd.DataFrame({"tenure": [3, 5, 9, 2], "churned": [1, 0, 0, 0]}).to_csv(
        tmp_path / "customers.csv", index=False
    )
    result = summary.run(load(tmp_path))
    assert result.table.loc[0, "estimate"] == 0.25
    assert "1 had left: 25.0%" in summary.findings(result)[0].statement


def test_a_number_of_a_snapshot_is_told_by_its_step(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    size = 1000 * draw.normal(10, 3, 600)
    left = draw.exponential(10 / np.exp((size - 10_000) / 3000))
    data = {"tenure": np.ceil(np.minimum(left, 12)), "churned": (left < 12).astype(int)}
    pd.DataFrame(data | {"bytes": size}).to_csv(tmp_path / "customers.csv", index=False)
    dataset = load(tmp_path)
    drivers = churn_drivers.run(dataset).table
    (tmp_path / "run" / "tables").mkdir(parents=True)
    drivers.to_csv(tmp_path / "run" / "tables" / "churn_drivers.csv", index=False)
    shown = summary.run(dataset, run=str(tmp_path / "run"))["drivers"].table
    assert shown.loc[0, "compared_with"] == "2,000 less"
    assert shown.loc[0, "hazard_ratio"] == pytest.approx(drivers.loc[0, "step_ratio"])
    assert shown.loc[0, "hazard_ratio"] > 1.5
    assert list(shown) == ["rank", "touchpoint", "hazard_ratio", "conf_low", "conf_high",
                           "compared_with", "verdict"]  # fmt: skip


def test_a_window_nobody_was_there_for_gives_no_share(small: Dataset) -> None:
    assert summary.run(small, window_days=120).sentence.endswith("interval 10.8% to 60.3%).")
    nobody = summary.run(small, window_days=400)
    assert nobody.sentence == "Nobody was a customer at the start of the last 400 days."
