"""Retention on small tables whose answers are known, and on a world whose hazard is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import retention
from cxlab.data.dataset import Dataset, load
from cxlab.errors import AnalysisError, UsageError
from cxlab.frames.periods import risk_set
from cxlab.results import Result

START = pd.Timestamp("2024-01-01")
END = pd.Timestamp("2026-01-01")  # the first day not seen
Write = Callable[..., Path]


def _world(customers: int, seed: int, *, monthly: dict[str, float] | None = None) -> pd.DataFrame:
    """Draw customers who leave at constant rates a 30 days by plan, half of them there before."""
    draw = np.random.default_rng(seed)
    rates = monthly or {"basic": 0.09, "pro": 0.03}
    plan = draw.choice(list(rates), customers)
    started = START + pd.to_timedelta(draw.uniform(-400, 700, customers), unit="D")
    life = draw.exponential(30 / np.array([rates[p] for p in plan]))
    other = draw.exponential(3000.0, customers)
    ended = started + pd.to_timedelta(np.minimum(life, other), unit="D")
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(customers),
            "started_at": started,
            "ended_at": ended.where(ended < END),
            "end_reason": np.where(life < other, "voluntary", "involuntary"),
            "plan": plan,
            "colour": draw.choice(["red", "blue"], customers),
        }
    )
    frame["end_reason"] = frame["end_reason"].where(frame["ended_at"].notna())
    return frame[~(ended < START)]  # who left before the feed was never seen


FEED = "observed_from: 2024-01-01\nobserved_until: 2025-12-31\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("retention") / "shop"
    folder.mkdir()
    _world(1500, 1).to_csv(folder / "customers.csv", index=False)
    (folder / "dataset.yml").write_text(FEED, encoding="utf-8")
    return load(folder)


@pytest.fixture(scope="module")
def result(world: Dataset) -> Result:
    return retention.run(world)


def test_the_known_hazard_is_found(result: Result) -> None:
    table = result.table[result.table["unit"] == "share"].set_index("tenure")
    for tenure in (30, 90, 180, 365):
        truth = np.mean([np.exp(-rate * tenure / 30) for rate in (0.09, 0.03)])
        row = table.loc[tenure]
        assert row["conf_low"] <= truth <= row["conf_high"]
    levels = result["levels"].table.set_index("term")
    for plan, rate in (("basic", 0.09), ("pro", 0.03)):
        assert levels.loc[plan, "median_low"] <= 30 * np.log(2) / rate
        middle = levels.loc[plan, "median_high"]
        assert np.isnan(middle) or middle >= 30 * np.log(2) / rate
    assert result.meta["segment"] == "plan"
    tests = result["segments"].table.set_index("term")["p_holm"]
    assert tests["plan"] < 1e-6
    assert tests["colour"] > 0.05
    assert "plan separates customers most" in result["levels"].sentence


def test_the_curve_is_lifelines_with_late_entry(world: Dataset, result: Result) -> None:
    from lifelines import KaplanMeierFitter

    frame = world.table("customers").collect(backend="pandas").to_native()
    day = pd.Timedelta("1D")
    tenure = (frame["ended_at"].fillna(END) - frame["started_at"]) / day
    entry = ((START - frame["started_at"]) / day).clip(lower=0)
    left = frame["end_reason"] == "voluntary"
    fitted = KaplanMeierFitter().fit(tenure, left, entry=entry)
    table = result.table[result.table["unit"] == "share"]
    np.testing.assert_allclose(table["estimate"], fitted.predict(table["tenure"]), rtol=1e-9)
    assert result.table.set_index("term").loc["median", "estimate"] == pytest.approx(
        fitted.median_survival_time_, abs=1e-5
    )


def test_it_agrees_with_the_risk_set_on_who_left(world: Dataset, result: Result) -> None:
    risk = risk_set(world)
    assert result.meta["churns"] == risk.events == result["by_month"].table["left"].sum()
    assert result.meta["other_ends"] == risk.spells["competing"].sum()
    assert result.meta["customers"] == risk.spells["customer_id"].nunique()
    assert result.meta["period"] == ["2024-01-01", "2025-12-31"]
    late = next(c for c in result.checks if c.name == "late entry")
    assert late.text.startswith(f"{(risk.spells['started'] < risk.begin).sum():,} of ")


def test_all_ends_sum_to_everybody(result: Result) -> None:
    ends = result["ends"].table.pivot_table(index="tenure", columns="what", values="estimate")
    np.testing.assert_allclose(ends.sum(axis=1), 1.0, rtol=1e-9)
    curve = result.table[result.table["unit"] == "share"].set_index("tenure")["estimate"]
    assert (ends["left"] < 1 - curve).all()  # who ended otherwise can leave no more


def test_rates_by_tenure_and_month_are_counts_over_time(result: Result, world: Dataset) -> None:
    by_tenure, by_month = result["by_tenure"].table, result["by_month"].table
    assert (by_tenure["left"] >= 10).all()
    np.testing.assert_allclose(by_tenure["estimate"], 30 * by_tenure["left"] / by_tenure["time"])
    assert by_month["term"].tolist() == [
        str(m) for m in pd.period_range("2024-01", "2025-12", freq="M")
    ]
    assert by_month["whole"].all()
    # the same customer-days, cut by tenure and by calendar; only the tail of tenure is not shown
    tail = by_month["customer_days"].sum() - by_tenure["time"].sum()
    assert 0 <= tail < 0.01 * by_month["customer_days"].sum()
    frame = world.table("customers").collect(backend="pandas").to_native()
    low, high = pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01")
    days = frame["ended_at"].fillna(END).clip(upper=high) - frame["started_at"].clip(lower=low)
    may = by_month.set_index("term").loc["2024-05"]
    assert may["customer_days"] == pytest.approx((days / pd.Timedelta("1D")).clip(lower=0).sum())
    inside = frame["ended_at"].between(low, high) & (frame["end_reason"] == "voluntary")
    assert may["left"] == inside.sum()


def test_a_month_seen_in_part_is_told(write_dataset: Write) -> None:
    tables = {"customers": _world(300, 2)}
    feed = "observed_from: 2024-01-10\nobserved_until: 2025-12-31\n"
    data = load(write_dataset(tables, feed), "2025-06-15")
    whole = retention.run(data)["by_month"].table.set_index("term")["whole"]
    assert whole.index[0] == "2024-01"
    assert whole.index[-1] == "2025-06"
    assert whole[~whole].index.tolist() == ["2024-01", "2025-06"]


def test_small_groups_are_withheld_and_named(write_dataset: Write) -> None:
    customers = _world(400, 3)
    customers.loc[customers.index[:7], "plan"] = "gold"
    data = load(write_dataset({"customers": customers}, FEED))
    result = retention.run(data, segment="plan")
    for part in ("levels", "segment_curves", "groups"):
        assert "gold" not in result[part].table.to_string()
    assert result["segment_curves"].meta["withheld"] == ["gold"]
    assert any("plan: gold (fewer than 10" in c.text for c in result.checks)
    assert "gold" in set(retention.run(data, segment="plan", min_group=5)["levels"].table["term"])


def test_twenty_groups_are_compared_and_six_drawn(write_dataset: Write) -> None:
    customers = _world(1200, 4)
    customers["town"] = [f"t{i % 20:02d}" for i in range(len(customers))]
    result = retention.run(load(write_dataset({"customers": customers}, FEED)), segment="town")
    assert len(result["levels"].table) == 20
    assert result["segment_curves"].table["term"].nunique() == 6
    assert len(result["pairs"].table) == 15
    assert "190 pairs" in result["pairs"].sentence
    tests = result["segments"].table.set_index("term")
    assert tests.loc["town", "df"] == 19
    assert tests.loc["town", "p_holm"] > 0.05
    assert "cannot be told apart" in result["levels"].sentence


def test_what_cannot_be_compared_is_said(write_dataset: Write) -> None:
    customers = _world(200, 5)
    customers["code"] = [f"c{i}" for i in range(len(customers))]
    customers["spent"] = np.arange(len(customers)) * 1.5
    customers["land"] = "here"
    days = (
        customers["ended_at"].fillna(pd.Timestamp("2026-06-30")) - customers["started_at"]
    ).dt.days
    customers["years"] = 1 + days // 100
    customers["years"] = customers["years"].clip(upper=9)
    data = load(write_dataset({"customers": customers}, FEED))
    text = next(c.text for c in retention.run(data).checks if c.name == "not shown by group")
    for told in ("different values, more than 30", "spent: a number with more than 12 values",
                 "land: the same for all", "years: it piles up with time"):  # fmt: skip
        assert told in text
    with pytest.raises(AnalysisError, match="code cannot be shown by group"):
        retention.run(data, segment="code")


def test_options_out_of_bounds_are_refused(world: Dataset) -> None:
    with pytest.raises(UsageError, match="segment is 'size'; allowed: plan, colour"):
        retention.run(world, segment="size")
    with pytest.raises(UsageError, match="horizon is 9999"):
        retention.run(world, horizon=9999)
    with pytest.raises(UsageError, match="min_group is 0"):
        retention.run(world, min_group=0)
    assert retention.run(world, horizon=200).meta["horizon"] == 200


def test_without_newcomers_the_curve_starts_where_customers_are_followed(
    write_dataset: Write,
) -> None:
    from lifelines import KaplanMeierFitter

    customers = _world(600, 6)
    old = customers[customers["started_at"] < START - pd.Timedelta("60D")]
    result = retention.run(load(write_dataset({"customers": old}, FEED)))
    start = result.meta["start"]
    assert start > 60
    assert f"customers who reach {start:.3g} days" in result.sentence
    day = pd.Timedelta("1D")
    tenure = (old["ended_at"].fillna(END) - old["started_at"]) / day
    entry = ((START - old["started_at"]) / day).clip(lower=start)
    kept, left = tenure > start, old["end_reason"] == "voluntary"
    fitted = KaplanMeierFitter().fit(tenure[kept], left[kept], entry=entry[kept])
    stays = result.table.set_index("tenure")["estimate"]
    assert stays[365.0] == pytest.approx(fitted.predict(365), rel=1e-9)
    assert result["curve"].table["tenure"].iloc[0] == start
    assert result["curve"].table["n"].iloc[1:].min() >= 10
    assert any(c.name == "start" and c.passed is False for c in result.checks)


def test_customers_who_return_have_tenures_of_their_own(write_dataset: Write) -> None:
    rows = [(i, f"2024-01-{1 + i % 28:02d}", f"2024-06-{1 + i % 28:02d}") for i in range(40)]
    rows += [(i, "2025-01-01", "2025-03-02" if i % 2 else None) for i in range(30)]
    table = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at"])
    result = retention.run(load(write_dataset({"customers": table}, FEED)))
    assert result.meta["customers"] == 40
    assert any(c.text.startswith("30 spells are of customers who came back") for c in result.checks)
    at_90 = result.table.set_index("term").loc["stay beyond 90 days"]
    assert at_90["estimate"] == pytest.approx(55 / 70)
    assert at_90["n"] == 55


def test_a_snapshot_has_tenures_in_its_unit_and_no_calendar(write_dataset: Write) -> None:
    rows = {"tenure": list(range(1, 41)), "churned": [0, 1] * 20, "plan": ["a", "a", "b", "b"] * 10}
    data = load(write_dataset({"customers": pd.DataFrame(rows)}, "tenure_unit: months\n"))
    result = retention.run(data)
    assert "by_month" not in result.parts
    assert "period" not in result.meta
    assert "12 months" in result.sentence
    assert result.table.set_index("term").loc["stay beyond 3 months", "n"] == 38
    assert {f.id for f in retention.findings(result)} >= {"retention.stay", "retention.when"}


def test_too_few_customers_give_no_curve_and_no_error(write_dataset: Write) -> None:
    rows = pd.DataFrame({"tenure": [3, 5, 9, 2], "churned": [1, 0, 0, 0]})
    result = retention.run(load(write_dataset({"customers": rows}, "")))
    assert result.table.empty
    assert not result.parts
    assert "Fewer than 10 customers" in retention.findings(result)[0].statement


def test_findings_are_the_sentences_with_their_figures(result: Result) -> None:
    found = {f.id: f for f in retention.findings(result)}
    assert list(found) == ["retention.stay", "retention.segment", "retention.cohorts",
                           "retention.when", "retention.month"]  # fmt: skip
    stay = found["retention.stay"]
    assert stay.unit == "share still there at 365 days"
    assert stay.estimate is not None
    assert f"{100 * stay.estimate:.0f} stay beyond 365 days" in stay.statement
    assert found["retention.segment"].unit == "difference in days"


def test_groups_that_cannot_be_told_apart_are_no_finding(world: Dataset) -> None:
    result = retention.run(world, segment="colour")
    assert "cannot be told apart" in result["levels"].sentence
    assert "retention.segment" not in {f.id for f in retention.findings(result)}


def test_where_churn_is_silence_the_last_months_come_with_a_warning(
    write_dataset: Write, make_tables: Callable[..., dict[str, pd.DataFrame]]
) -> None:
    tables = make_tables(customers=150, seed=2)
    tables["customers"] = tables["customers"][["customer_id", "started_at", "plan"]]
    kept = {name: tables[name] for name in ("customers", "interactions")}
    settings = "churn: {inactivity: {days: 30}}\nobserved_until: 2025-07-31\n"
    result = retention.run(load(write_dataset(kept, settings)))
    assert result["by_month"].sentence.endswith("the last months look worse than they are.")
    assert result.meta["period"][1] == "2025-07-01"  # 30 days before the end
