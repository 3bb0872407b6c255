"""What customers are worth, what more retention adds, and who comes back from silence."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.retention.comeback import comeback
from cxlab.analyses.retention.worth import worth
from cxlab.data.dataset import Dataset, load
from cxlab.errors import UsageError
from cxlab.frames.periods import risk_set
from cxlab.results import Result

ROOT = Path(__file__).parents[2]
Write = Callable[..., Path]


def _money(dataset: Dataset, **options: object) -> dict[str, Result]:
    risk = None if dataset.form == "snapshot" else risk_set(dataset)
    return worth(dataset, risk, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def demo() -> dict[str, Result]:
    return _money(load(ROOT / "data" / "demo"), segment="plan")


def test_a_year_ahead_is_what_the_year_brought() -> None:
    """Held against the demo's own last year: what its customers of a year before did pay."""
    dataset = load(ROOT / "data" / "demo", "2025-06-30")
    risk = risk_set(dataset)
    parts = worth(dataset, risk, discount_rate=0.0, value_years=1)
    row = parts["worth"].table.iloc[0]
    spells = risk.spells[risk.spells["event_at"].isna() & risk.spells["competing_at"].isna()]
    later = risk_set(load(ROOT / "data" / "demo")).spells
    both = spells.merge(later, on=["customer_id", "started"], suffixes=("", "_then"))
    assert len(both) == len(spells) == row["n"]
    over = both["event_at_then"].fillna(both["competing_at_then"]).fillna(risk.end + 365)
    paid = (both["monthly_value"] * (over - risk.end)).sum() / (365.25 / 12)
    assert row["total"] == pytest.approx(paid, rel=0.015)
    kept = float((over >= risk.end + 365).mean())
    low, high = parts["retention_worth"].meta["retention"][1:]
    assert low - 0.015 < kept < high + 0.015  # what happens is drawn, too


def test_the_terms_do_what_they_say(demo: dict[str, Result]) -> None:
    data = load(ROOT / "data" / "demo")
    half = _money(data, margin=0.5)
    row = demo["worth"].table.iloc[0]
    assert half["worth"].table.iloc[0]["total"] == pytest.approx(row["total"] / 2)
    assert "margin of 50%" in half["worth"].sentence
    longer, plain = (_money(data, **o)["worth"].table.iloc[0]["total"]
                     for o in ({"value_years": 8}, {"discount_rate": 0.0}))  # fmt: skip
    assert row["total"] < longer and row["total"] < plain
    for bad in ({"margin": 0.0}, {"margin": 1.5}, {"discount_rate": -0.1}, {"value_years": 0}):
        with pytest.raises(UsageError, match="allowed: "):
            _money(data, **bad)


def test_groups_are_told_with_their_intervals(demo: dict[str, Result]) -> None:
    table = demo["worth"].table
    assert table["term"].tolist() == ["all customers", "basic", "plus", "pro"]
    assert (table["conf_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["conf_high"]).all()
    np.testing.assert_allclose(table["total"], table["estimate"] * table["n"])
    assert table["n"].iloc[1:].sum() == table["n"].iloc[0]
    assert table["total"].iloc[1:].sum() == pytest.approx(table["total"].iloc[0], rel=0.02)
    told = demo["worth"].sentence
    assert "EUR 4.2" in told and "(basic)" in told and "(pro)" in told
    assert demo["worths"].table["worth each (95% interval)"].str.startswith("EUR ").all()


def test_more_retention_adds_more(demo: dict[str, Result]) -> None:
    part = demo["retention_worth"]
    table = part.table.set_index("points")
    assert table["estimate"].is_monotonic_increasing
    assert (
        (table["conf_low"] < table["estimate"]) & (table["estimate"] < table["conf_high"])
    ).all()
    np.testing.assert_allclose(table["retention_then"] - table["retention"], table.index / 100)
    assert "One more of 100 kept adds EUR" in part.sentence
    assert "five more of 100 kept add EUR" in part.sentence
    assert demo["retention_worths"].table["more kept a year"].tolist() == [
        "+1 point", "+2 points", "+5 points", "+10 points",
    ]  # fmt: skip


def test_customers_without_a_value_and_small_groups_are_counted(
    tables: dict[str, pd.DataFrame], write_dataset: Write
) -> None:
    customers = tables["customers"]
    customers.loc[[1, 2, 4], "monthly_value"] = [np.nan, -5.0, np.nan]
    customers.loc[:5, "plan"] = "gold"
    parts = _money(load(write_dataset(tables)), segment="plan", min_group=5)
    told = parts["worth"].sentence
    assert "Not counted: 3 customers without a monthly value." in told
    assert "Withheld, with too few customers or ends: " in told and "gold" in told
    assert "gold" not in parts["worth"].table["term"].tolist()


def test_what_cannot_be_told_is_said(tables: dict[str, pd.DataFrame], write_dataset: Write) -> None:
    tables["customers"] = tables["customers"].drop(columns="monthly_value")
    none = _money(load(write_dataset(tables)))
    assert list(none) == ["worth"] and none["worth"].table.empty
    assert none["worth"].sentence == (
        "What customers are worth cannot be told: customers have no monthly_value, and contacts "
        "no value of purchases."
    )
    few = _money(load(ROOT / "data" / "demo"), min_group=10**6)
    assert "fewer than 1000000 customers" in few["worth"].sentence
    assert "no monthly_value" in _money(load(ROOT / "data" / "saas"))["worth"].sentence


def test_a_snapshot_is_worth_something_too() -> None:
    parts = _money(load(ROOT / "data" / "telco"))
    row = parts["worth"].table.iloc[0]
    assert row["n"] == 5174
    assert row["monthly"] == pytest.approx(61.27, abs=0.01)  # of those who stayed
    assert parts["retention_worth"].table["points"].max() < 10  # nine of ten stay already


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"monthly_value": 0.0}, "nobody pays anything"),
        ({"monthly_value": np.nan}, "fewer than 10 customers are there whose monthly value"),
        ({"ended_at": pd.Timestamp("2025-12-01")}, "fewer than 10 customers are there"),
        ({"plan": "<b>$x$</b> [y](z)"}, "are expected to bring"),
        ({"monthly_value": 1e12}, "are expected to bring"),
    ],
)
def test_odd_customers_are_told_in_a_sentence(
    tables: dict[str, pd.DataFrame], write_dataset: Write, values: dict[str, object], told: str
) -> None:
    customers = tables["customers"].assign(**values)
    customers["plan"] = customers["plan"].where(customers.index % 2 == 0, "plain")
    data = load(write_dataset({"customers": customers}, "observed_until: 2026-01-01\n"))
    parts = _money(data, segment="plan", min_group=10)
    assert told in parts["worth"].sentence
    assert "nan" not in parts["worth"].sentence + str(parts.get("retention_worth"))[:400]


def test_many_customers_are_taken_together_without_another_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = load(ROOT / "data" / "cdnow")
    exact = _money(dataset)["worth"].table.iloc[0]
    module = importlib.import_module("cxlab.analyses.retention.worth")
    for most in ("_MOST_ROWS", "_FEWER_ROWS"):
        monkeypatch.setattr(module, most, 3000)
    coarse = _money(dataset)["worth"].table.iloc[0]
    assert coarse["total"] == pytest.approx(exact["total"], rel=0.01)
    assert coarse["conf_low"] == pytest.approx(exact["conf_low"], rel=0.02)
    assert coarse["gone"] == pytest.approx(exact["gone"], abs=0.01)


# -- silence ----------------------------------------------------------------------------------


def _buyers(seed: int, customers: int = 1500) -> pd.DataFrame:
    """Draw four years of purchases: at rates of their own, each repeat maybe the last one."""
    draw = np.random.default_rng(seed)
    rows = []
    for i in range(customers):
        rate, at = draw.gamma(2.0, 1 / 60), float(draw.uniform(0, 700))
        gone, first = draw.beta(1.2, 3.0), True
        while at < 1460:
            rows.append((f"c{i:04d}", at, draw.lognormal(3, 0.5)))
            if not first and draw.random() < gone:
                break
            at, first = at + draw.exponential(1 / rate), False
    return pd.DataFrame(rows, columns=["customer_id", "at", "value"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("shop")
    buys = _buyers(1)
    times = pd.Timestamp("2022-01-01") + pd.to_timedelta(buys["at"], unit="D")
    contacts = buys.assign(occurred_at=times.dt.floor("s"), touchpoint="purchase")
    contacts = contacts[contacts["at"] < 730]
    first = contacts.groupby("customer_id")["occurred_at"].min().rename("started_at").reset_index()
    first.to_parquet(folder / "customers.parquet")
    contacts.drop(columns="at").to_parquet(folder / "interactions.parquet")
    (folder / "dataset.yml").write_text(
        "observed_from: 2022-01-01\nobserved_until: 2023-12-31\nchurn: {inactivity: {days: 60}}\n"
    )
    return load(folder), buys


@pytest.fixture(scope="module")
def back(shop: tuple[Dataset, pd.DataFrame]) -> dict[str, Result]:
    return comeback(risk_set(shop[0]), 10)


def test_who_comes_back_is_what_the_years_after_show(
    shop: tuple[Dataset, pd.DataFrame], back: dict[str, Result]
) -> None:
    """The truth is read off two more years than the data show."""
    buys = shop[1].sort_values(["customer_id", "at"])
    gap = (buys.groupby("customer_id")["at"].shift(-1) - buys["at"]).fillna(np.inf)
    table = back["comeback"].table.set_index("days")
    for days in (30, 60, 120, 180):
        silent = (gap >= days) & (buys["at"] + days < 730)
        truth = (gap[silent] < days + table.loc[days, "within"]).mean()
        row = table.loc[days]
        # Silences that begin late are cut short: shares may lean to those who began early.
        assert row["conf_low"] - 0.02 < truth < row["conf_high"] + 0.02, days


def test_the_rule_is_held_against_others(back: dict[str, Result]) -> None:
    part = back["comeback"]
    table = part.table
    assert table.loc[table["in_force"], "days"].tolist() == [60]
    assert table["estimate"].dropna().is_monotonic_decreasing
    assert table["gone"].is_monotonic_decreasing
    told = part.sentence
    row = table[table["in_force"]].iloc[0]
    assert f"Of silences of 60 days, which count as leaving here, {row['estimate']:.1%}" in told
    needed = part.meta["goals"]["0.1"]
    assert f"It takes {needed} days until no more than 10%" in told
    near = table.iloc[(table["days"] - needed).abs().argmin()]
    assert near["estimate"] == pytest.approx(0.1, abs=0.04)
    assert "60 days (the rule here)" in back["comebacks"].table["silent for"].tolist()


def test_the_churn_rate_of_the_rule_is_that_of_the_page(
    shop: tuple[Dataset, pd.DataFrame], back: dict[str, Result]
) -> None:
    risk = risk_set(shop[0])
    table = back["comeback"].table
    row = table[table["in_force"]].iloc[0]
    assert row["left"] == risk.events
    spells = risk.spells
    time = (spells["event_at"].fillna(risk.end) - spells["started"]).sum()
    assert row["rate"] == pytest.approx(30 * risk.events / time, rel=1e-6)


def test_what_shops_customers_will_buy_is_what_they_bought(
    shop: tuple[Dataset, pd.DataFrame],
) -> None:
    dataset, buys = shop
    parts = _money(dataset, discount_rate=0.0, value_years=2)
    row = parts["worth"].table.iloc[0]
    known = buys.loc[buys["at"] < 730, "customer_id"].unique()
    later = buys[(buys["at"] >= 730) & buys["customer_id"].isin(known)]
    assert row["total"] == pytest.approx(later["value"].sum(), rel=0.12)
    assert row["n"] == len(known)
    assert 0 < row["gone"] < 0.5
    assert "who count as gone, silent for 60 days or more" in parts["worth"].sentence
    assert parts["retention_worth"].table.empty
    assert "nobody knows who is still there" in parts["retention_worth"].sentence


def test_too_short_a_feed_says_so(write_files: Write) -> None:
    rows = [f"c{i},2025-01-0{1 + i % 5}" for i in range(40)]
    contacts = [f"c{i},2025-01-0{1 + i % 5},buy,3" for i in range(40)]
    contacts += [f"c{i},2025-01-2{i % 5},buy,3" for i in range(20)]
    files = {
        "customers.csv": "\n".join(["customer_id,started_at", *rows]),
        "interactions.csv": "\n".join(["customer_id,occurred_at,touchpoint,value", *contacts]),
        "dataset.yml": "observed_until: 2025-01-31\nchurn: {inactivity: {days: 10}}\n",
    }
    dataset = load(write_files(files))
    parts = comeback(risk_set(dataset), 10)
    assert "cannot be told" in parts["comeback"].sentence
    assert parts["comeback"].table["estimate"].isna().all()
    assert "fewer than 30 customers have bought again" in _money(dataset)["worth"].sentence


def test_where_churn_is_no_silence_there_is_no_rule() -> None:
    assert comeback(risk_set(load(ROOT / "data" / "demo")), 10) == {}


# -- CDNOW ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cdnow() -> Dataset:
    return load(ROOT / "data" / "cdnow")


def test_cdnow_is_the_table_that_was_published(cdnow: Dataset) -> None:
    """Fader and Hardie's master file: who began in the first quarter of 1997, to June 1998."""
    customers = cdnow.table("customers").collect(backend="pandas").to_native()
    buys = cdnow.table("interactions").collect(backend="pandas").to_native()
    assert (len(customers), len(buys)) == (23_570, 69_659)
    assert customers["customer_id"].is_unique
    assert set(buys["customer_id"]) == set(customers["customer_id"])
    assert buys["occurred_at"].agg(["min", "max"]).dt.date.astype(str).tolist() == [
        "1997-01-01", "1998-06-30",
    ]  # fmt: skip
    assert customers["started_at"].max() == pd.Timestamp("1997-03-25")
    assert buys["value"].sum() == pytest.approx(2_500_315.63)
    days = buys.groupby("customer_id")["occurred_at"].nunique()
    assert (days == 1).sum() == 12_054  # half of them never came again
    assert cdnow.set_aside == ()


def test_cdnows_next_half_year_is_forecast(cdnow: Dataset) -> None:
    """As of the end of 1997: what the same customers bought in the half year that follows."""
    before = load(ROOT / "data" / "cdnow", "1997-12-31")
    row = _money(before, discount_rate=0.0, value_years=1)["worth"].table.iloc[0]
    buys = cdnow.table("interactions").collect(backend="pandas").to_native()
    half = buys.loc[buys["occurred_at"] >= "1998-01-01", "value"].sum()
    assert row["n"] == 23_570
    # The second half of a year brings a little less than the first one.
    assert 0.8 * half < row["total"] - half < half


def test_cdnows_rule_calls_many_gone_who_come_back(cdnow: Dataset) -> None:
    part = comeback(risk_set(cdnow), 10)["comeback"]
    row = part.table[part.table["in_force"]].iloc[0]
    assert row["estimate"] == pytest.approx(0.25, abs=0.005)
    assert part.meta["goals"] == {"0.1": None, "0.05": None}
    assert "No rule of up to 181 days" in part.sentence
