"""Cohorts, cliffs and ends by group, on made-up customers whose hazard is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import retention
from cxlab.analyses.retention.cliffs import cliffs
from cxlab.analyses.retention.cohorts import ALL, MONTH, cohorts
from cxlab.analyses.retention.seen import see, stretch
from cxlab.data.dataset import load
from cxlab.plots import cohorts as cohort_plots
from cxlab.results import Result

START = pd.Timestamp("2024-01-01")
END = pd.Timestamp("2026-01-01")  # the first day not seen
FEED = "observed_from: 2024-01-01\nobserved_until: 2025-12-31\n"
YEAR = 365.25
Write = Callable[..., Path]


def _customers(
    n: int, seed: int, *, trend: float = 0.0, before: float = 300.0, other: float = 0.0
) -> pd.DataFrame:
    """Draw customers whose hazard changes by a factor with each year of their start."""
    draw = np.random.default_rng(seed)
    begin = draw.uniform(-before, 730, n)
    plan = draw.choice(["basic", "pro"], n, p=[0.6, 0.4])
    life = draw.exponential(500 / np.exp(trend * begin / YEAR))
    card = draw.exponential(np.where(plan == "basic", 1 / max(other, 1e-9), 1e9))
    started = START + pd.to_timedelta(np.round(begin * 86_400), unit="s")
    ended = started + pd.to_timedelta(np.round(np.minimum(life, card) * 86_400), unit="s")
    reason = np.where(life <= card, "voluntary", "involuntary")
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i:05d}" for i in range(n)],
            "started_at": started,
            "ended_at": ended.where(ended < END),
            "end_reason": pd.Series(reason).where(ended < END),
            "plan": plan,
        }
    )
    return frame[~(ended < START)]


def _with_end(customers: pd.DataFrame, which: np.ndarray, tenure: float) -> pd.DataFrame:
    """Let some customers leave at a tenure, if they are still there and it is not after the end."""
    at = customers["started_at"] + pd.Timedelta(days=tenure)
    there = customers["ended_at"].isna() | (customers["ended_at"] > at)
    kept = which & there & (at < END) & (at > START)
    return customers.assign(
        ended_at=customers["ended_at"].mask(kept, at),
        end_reason=customers["end_reason"].mask(kept, "voluntary"),
    )


def _run(write_dataset: Write, customers: pd.DataFrame, settings: str = FEED) -> Result:
    return retention.run(load(write_dataset({"customers": customers}, settings)))


def _cohorts(write_dataset: Write, customers: pd.DataFrame) -> Result:
    return cohorts(see(load(write_dataset({"customers": customers}, FEED))), 10)


def _cliffs(write_dataset: Write, customers: pd.DataFrame) -> dict[str, Result]:
    seen = see(load(write_dataset({"customers": customers}, FEED)))
    span = stretch(seen.lives, 10)
    assert span is not None
    return cliffs(seen, span)


def test_a_cohort_is_the_curve_of_those_who_started_then(write_dataset: Write) -> None:
    from lifelines import KaplanMeierFitter

    customers = _customers(3000, 1)
    table = _cohorts(write_dataset, customers).table
    assert table["months"].max() == 21
    shown = table[table["state"] == "shown"].set_index(["term", "months"])
    for month in ("2024-03", "2025-05"):
        own = customers[customers["started_at"].dt.strftime("%Y-%m") == month]
        tenure = (own["ended_at"].fillna(END) - own["started_at"]) / pd.Timedelta("1D")
        fitted = KaplanMeierFitter().fit(tenure, own["ended_at"].notna())
        for k in (1, 3, 6):
            row = shown.loc[(month, k)]
            assert row["estimate"] == pytest.approx(fitted.predict(k * MONTH), rel=1e-9)
            assert row["started"] == len(own)
            assert row["n"] == (tenure >= k * MONTH).sum()
    assert table.iloc[0]["term"] == ALL


def test_what_is_not_seen_yet_is_empty_and_those_from_before_are_no_row(
    write_dataset: Write,
) -> None:
    customers = _customers(2000, 2)
    part = _cohorts(write_dataset, customers)
    table, meta = part.table, part.meta
    late = table[(table["state"] == "not yet") & (table["term"] != ALL)]
    month = customers["started_at"].dt.strftime("%Y-%m")
    first = customers.groupby(month)["started_at"].min().loc[late["term"]].to_numpy()
    assert len(late) > 50
    assert ((first + pd.to_timedelta(late["months"] * MONTH, unit="D").to_numpy()) > END).all()
    assert late["estimate"].isna().all()
    assert min(table["term"][table["term"] != ALL]) == "2024-01"
    assert meta["before"] == (customers["started_at"] < START).sum()


def test_few_customers_are_told_by_quarters_and_withheld_where_too_few(
    write_dataset: Write,
) -> None:
    few = _cohorts(write_dataset, _customers(420, 3))
    assert few.meta["grain"] == "quarter"
    assert {"2024 Q1", "2025 Q3"} <= set(few.table["term"])
    held = few.table[few.table["state"] == "withheld"]
    assert len(held)
    assert held[["estimate", "n"]].isna().all(axis=None)
    assert (few.table.loc[few.table["state"] == "shown", "n"] >= 10).all()


@pytest.mark.parametrize("trend", [0.4, -0.4])
def test_a_trend_by_start_is_found_with_its_sign(write_dataset: Write, trend: float) -> None:
    part = _cohorts(write_dataset, _customers(3000, 4, trend=trend, before=900))
    assert part.meta["trend_low"] < np.exp(trend) < part.meta["trend_high"]
    said = "less long" if trend > 0 else "stay longer"
    assert said in part.sentence
    assert f"{part.meta['trend']:.2f} times the rate" in part.sentence


def test_without_a_trend_none_is_said_though_half_entered_late(write_dataset: Write) -> None:
    found = [_cohorts(write_dataset, _customers(1200, seed, before=900)) for seed in range(5, 10)]
    clear = [p for p in found if "neither clearly longer nor shorter" not in p.sentence]
    assert len(clear) <= 1  # two of five at 5% each: a chance of 2%


def test_yearly_renewals_and_a_trial_are_named(write_dataset: Write) -> None:
    customers = _customers(5000, 11, before=500)
    draw = np.random.default_rng(0)
    customers = _with_end(customers, draw.random(len(customers)) < 0.06, 30.0)
    for year in (1, 2, 3):
        customers = _with_end(customers, draw.random(len(customers)) < 0.15, 365.0 * year)
    part = _cliffs(write_dataset, customers)["cliffs"]
    rows = part.table.set_index("term")
    assert rows.loc["day 30", "kind"] == "one month"
    yearly = rows.loc["every 365 days"]
    assert yearly["kind"] == "periodic"
    assert yearly["windows"] >= 2
    excess = [rows.loc["day 30", "excess"], yearly["excess"]]
    tenure = (customers["ended_at"] - customers["started_at"]) / pd.Timedelta("1D")
    made = [(tenure == 30).sum(), tenure.isin([365, 730, 1095]).sum()]
    np.testing.assert_allclose(excess, made, rtol=0.1)
    assert "at day 30 (one month)" in part.sentence
    assert "every 365 days" in part.sentence
    assert f"{rows['excess'].sum():,.0f} (" in part.sentence


def test_a_renewal_is_told_by_its_length(write_dataset: Write) -> None:
    customers = _customers(4000, 12, before=500).assign(renewal_days=90)
    # A contract ends at its renewal alone.
    tenure = (customers["ended_at"] - customers["started_at"]) / pd.Timedelta("1D")
    moved = np.ceil(tenure / 90) * 90
    # Not NaN: of that pandas now and then warns.
    ended = customers["started_at"] + pd.to_timedelta(moved.fillna(0), unit="D")
    customers = customers.assign(ended_at=ended.where((ended < END) & moved.notna()))
    customers["end_reason"] = customers["end_reason"].where(ended < END)
    part = _cliffs(write_dataset, customers)["cliffs"]
    most = part.table.loc[part.table["excess"].idxmax()]
    assert most["term"] == "every 90 days"
    assert most["kind"] == "renewal"
    assert "the renewal" in part.sentence


def test_without_cliffs_it_says_how_many_windows_were_tried(write_dataset: Write) -> None:
    part = _cliffs(write_dataset, _customers(1500, 13))["cliffs"]
    assert part.table.empty
    assert part.sentence.startswith("There is no cliff")
    assert f"{part.meta['tried']:,} windows" in part.sentence


def test_the_hazard_is_counts_over_those_there(write_dataset: Write) -> None:
    table = _cliffs(write_dataset, _customers(3000, 14))["hazard"].table
    truth = 1 - np.exp(-(table["to"] - table["from"]) / 500)
    usual = table["n"] > 300
    assert np.abs(table["smooth"] / truth - 1)[usual].max() < 0.25
    assert (table["estimate"] * table["n"])[usual].sum() == pytest.approx(
        (truth * table["n"])[usual].sum(), rel=0.1
    )


def test_ends_by_group_tell_who_is_ended_otherwise(write_dataset: Write) -> None:
    result = _run(write_dataset, _customers(3000, 15, other=1 / 1500))
    part = result["ends_by_group"]
    rows = part.table.set_index(["what", "term"])
    pro = rows.loc[("ended otherwise", "pro")]
    until = part.meta["until"]
    both = 1 / 500 + 1 / 1500
    truth = -(1 / 1500) / both * -np.expm1(-both * until)
    assert pro["share"] == 0.0
    assert pro["conf_low"] < truth < pro["conf_high"]
    assert pro["p_holm"] < 1e-6
    assert rows.loc[("left", "basic"), "reference"]
    assert "fewer of 100 customers with plan = pro" in part.sentence
    assert "ended without choosing to" in part.sentence
    shown = result["how_groups_end"].table
    assert shown["group of plan"].tolist() == ["basic", "pro"] * 2


def test_means_are_told_apart_with_corrected_p_values(write_dataset: Write) -> None:
    customers = _customers(1500, 16)
    towns = np.array(["a", "b", "c"])[np.arange(len(customers)) % 3]
    soon = (towns == "c") & (np.random.default_rng(1).random(len(customers)) < 0.3)
    customers = _with_end(customers.assign(town=towns), soon, 45.0).drop(columns="plan")
    pairs = _run(write_dataset, customers)["pairs"].table
    assert (pairs["p_mean_holm"] >= pairs["p_mean"]).all()
    clear = pairs["p_mean_holm"] < 0.05
    assert set(pairs.loc[clear, "shorter"]) == {"c"}
    assert clear.sum() == 2
    # z of the difference: what its interval for one pair would be
    row = pairs.iloc[0]
    assert row["conf_low"] > 0
    assert row["p_mean"] < 0.05 / 3


def test_a_snapshot_says_what_it_cannot_tell(write_dataset: Write) -> None:
    rows = {"tenure": list(range(1, 41)), "churned": [0, 1] * 20}
    result = _run(write_dataset, pd.DataFrame(rows), "tenure_unit: months\n")
    assert "snapshot" in result["cohorts"].sentence
    assert "snapshot" in result["first_bad"].sentence
    assert result["cohorts"].table.empty
    assert "cannot be told from 15 churns" in result["cliffs"].sentence
    years = _run(write_dataset, pd.DataFrame(rows), "tenure_unit: years\n")
    assert "too coarse" in years["cliffs"].sentence


def test_where_all_leave_at_one_tenure_it_is_told_in_words(write_dataset: Write) -> None:
    customers = _customers(120, 7, before=0.0)
    customers = customers[customers["started_at"] < "2025-06-01"]
    customers = customers.assign(
        ended_at=customers["started_at"] + pd.Timedelta(days=71), end_reason="voluntary"
    )
    result = _run(write_dataset, customers)
    assert np.isnan(result["cohorts"].meta["trend"])
    assert not result["cohorts"].sentence.startswith("\n")
    assert cohort_plots.cohorts_words(result)["alt"]
    assert "hardly any would have smoothly" in result["cliffs"].sentence
    assert "1,000,000" not in result["cliffs"].sentence
