"""What to fix: the answers of a made-up company, what is asked, and data that cannot answer."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_world import Truth, make

from cxlab.analyses import churn_drivers, what_to_fix
from cxlab.analyses.what_to_fix.asked import Wish, ease_of, wishes
from cxlab.data.dataset import load
from cxlab.data.forecasts import FILE, read
from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.results import Result

ASKED = "support-call -60% from 2026-02-01; delivery -50% from 2026-04; invoice -40%"


_FITTED: dict[tuple[Path, str | None], tuple[Any, ...]] = {}


def _run(folder: Path, as_of: str | None = None, **options: Any) -> Result:
    """Fit a folder once, whatever is asked of it."""
    if (folder, as_of) not in _FITTED:
        data = load(folder, as_of)
        _FITTED[folder, as_of] = (data, *churn_drivers.basis(data))
    return what_to_fix.run(*_FITTED[folder, as_of], **options)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write(simulate("plain", 4000, 3, texts=False), folder)
    return folder


@pytest.fixture(scope="module")
def told(shop: Path) -> Result:
    return _run(shop, scenario=ASKED, ease="delivery=2; support-call=4")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without costs, values or a table of touchpoints."""
    return make(tmp_path_factory.mktemp("bare") / "data", Truth(bad=1.7, base=0.0012), 2, 900)


# -- what is asked -----------------------------------------------------------------------------


def test_a_scenario_is_read() -> None:
    names = ["delivery", "support-call", "a b"]
    assert wishes(" Delivery -30% from 2026-07-01;support-call \u221212.5% ;", names) == (
        Wish("delivery", 0.3, dt.date(2026, 7, 1)),
        Wish("support-call", 0.125),
    )
    assert wishes("a b -100% from 2026-07", names)[0] == Wish("a b", 1.0, dt.date(2026, 7, 1))
    assert wishes("", names) == ()
    assert ease_of("delivery=2; a b = 5", names) == {"delivery": 2, "a b": 5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("delivery 30%", "is not understood"),
        ("delivery -30", "is not understood"),
        ("nowhere -30%", "allowed: delivery, call"),
        ("delivery -30%; delivery -20%", "named twice"),
        ("delivery -0%", "not above 0"),
        ("delivery -101%", "up to 100"),
        ("delivery -30% from July", "'July' is no day"),
        ("delivery -30% from 2026-13-01", "is no day"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="scenario") as refused:
        wishes(text, ["delivery", "call"])
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["delivery=6", "delivery", "x=3", "delivery=1; delivery=2"])
def test_an_ease_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="ease"):
        ease_of(text, ["delivery"])


def test_options_out_of_bounds_are_refused(bare: Path) -> None:
    for wrong in ({"share_percent": 0}, {"horizon_months": 40}, {"segment": "nope"}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            _run(bare, **wrong)


# -- the answer --------------------------------------------------------------------------------


def test_the_table_tells_each_touchpoint(told: Result) -> None:
    table = told.table.set_index("touchpoint")
    drivers = list(told.meta["drivers"])
    assert {"support-call", "delivery"} <= set(drivers)
    assert list(told.table["touchpoint"].head(len(drivers))) == list(
        table.loc[drivers].sort_values("estimate", ascending=False).index
    )
    for name in drivers:
        row = table.loc[name]
        assert 0 < row["conf_low"] < row["estimate"] < row["conf_high"]
        assert row["benefit_low"] < row["benefit"] < row["benefit_high"]
        assert row["owner"] and row["cost"] > 0
        # A quarter at stake, four of them ahead, 30% of it: the same order of size.
        assert row["estimate"] == pytest.approx(4 * 0.3 * row["churn_at_stake"], rel=0.6)
    forbidden = table["verdict"].isin(
        ["too little data", "not separable", "reverse causation suspected"]
    )
    figures = ["estimate", "churn_at_stake", "money_at_stake", "benefit"]
    assert table.loc[forbidden, figures].isna().all(axis=None)
    assert table.loc["support-call", "ease"] == 4
    assert set(told["touchpoints"].table["touchpoint"]) == set(table.index)


def test_the_ranking_carries_its_uncertainty(told: Result) -> None:
    ranking, meta = told["ranking"].table, told["ranking"].meta
    assert ranking["best"].sum() == pytest.approx(1.0)
    assert (ranking["estimate"].diff().dropna() <= 0).all()
    assert ranking["estimate"].to_numpy() == pytest.approx(
        (ranking["benefit"] - ranking["cost"]).to_numpy()
    )
    assert (ranking["break_even_sure"] < ranking["break_even"]).all()
    assert (ranking["knowing"] <= meta["knowing_all"] + 1e-9).all()
    assert meta["chosen"] == (ranking["touchpoint"][0] if ranking["estimate"][0] > 0 else "")
    assert "Probability of being the best next fix" in told.sentence


def test_what_would_have_been_and_what_will(told: Result) -> None:
    past, future = told["past"].table, told["future"].table
    assert list(past["month"]) == [f"2026-0{m}" for m in range(2, 7)] + ["total"]
    for table in (past, future):
        months, total = table.iloc[:-1], table.iloc[-1]
        assert months["estimate"].sum() == pytest.approx(total["estimate"])
        assert (table["conf_low"] <= table["estimate"]).all()
        assert (table["estimate"] <= table["conf_high"]).all()
    total = past.iloc[-1]
    assert total["counted_low"] <= total["conf_low"] + 1
    assert told["past"].meta["names"] == ["support-call", "delivery"]
    assert told["past"].meta["apart"] >= total["estimate"]
    assert future["month"][0] == "2026-07"
    assert len(future) == 13
    # Old failures fade: little at first, then all of it.
    assert future["estimate"][0] < 0.7 * future["estimate"][1:6].mean()
    assert future["estimate"][3] == pytest.approx(told["future"].meta["steady"][0], rel=0.35)
    assert told["future"].meta["lifetime"] > 0
    assert (
        "would seem to avoid" in told["future"].sentence
        or "come to the same" in told["future"].sentence
    )
    assert "95% interval" in told["past"].sentence


def test_a_world_with_fewer_failures_agrees(shop: Path, told: Result) -> None:
    """As benchmarks/whatif.py asks of fifty worlds."""
    from dataclasses import replace

    from cxlab.data.simulate import WORLDS
    from cxlab.data.simulate.worlds import Fix

    fixes = (Fix("a", "support-call", 580, 0.4), Fix("b", "delivery", 639, 0.5))
    world = replace(WORLDS["plain"], fixes=(*WORLDS["plain"].fixes, *fixes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(WORLDS, "plain", world)
        then = simulate("plain", 4000, 3, texts=False).tables["customers"]
    day = pd.Timestamp("2026-02-01")
    left, left_then = (
        int(((t["ended_at"] >= day) & (t["end_reason"] != "involuntary")).sum())
        for t in (pd.read_parquet(shop / "customers.parquet"), then)
    )
    total = told["past"].table.iloc[-1]
    assert total["leavers"] == left
    assert left > left_then
    assert total["counted_low"] <= left - left_then <= total["counted_high"]


def test_a_day_ahead_waits(shop: Path) -> None:
    now, later = (
        _run(shop, scenario=f"support-call -50%{when}", horizon_months=6)
        for when in ("", " from 2026-09-01")
    )
    first, second = (r["future"].table["estimate"].to_numpy() for r in (now, later))
    assert second[:2] == pytest.approx(0)
    assert second[2] == pytest.approx(first[0], rel=0.3)
    assert "past" not in later.parts
    assert "last 90 days for the months to come" in later["future"].sentence


def test_segments_add_up_and_small_ones_are_withheld(shop: Path, told: Result) -> None:
    table = told["segments"].table
    shown = table[table["estimate"].notna()]
    assert (shown["affected"] >= 10).all()
    assert (shown["conf_low"] <= shown["estimate"]).all()
    whole = told.table.set_index("touchpoint")["churn_at_stake"]
    full = table.groupby("touchpoint")["estimate"].agg(["sum", lambda v: v.notna().all()])
    every = full[full.iloc[:, 1].astype(bool)]["sum"]
    assert len(every)
    assert every.to_numpy() == pytest.approx(whole[every.index].to_numpy())
    few = _run(shop, min_group=1000, segment="region")
    assert few["segments"].table["estimate"].isna().all()
    assert few.table["affected"].isna().any()
    assert any(c.name == "withheld" for c in few.checks)


def test_forecasts_are_handed_on(told: Result, tmp_path: Path) -> None:
    kept = what_to_fix.kept(told, "")
    assert kept is not None
    (tmp_path / FILE).write_text(kept.text, encoding="utf-8")
    made = read(tmp_path)
    assert {f.touchpoint for f in made} == {None, *told.meta["drivers"]}
    assert {f.month for f in made if f.touchpoint is None} == {
        *(dt.date(2026, m, 1) for m in range(7, 13)), *(dt.date(2027, m, 1) for m in range(1, 7))
    }  # fmt: skip
    for f in made:
        assert f.leavers_low <= f.leavers <= f.leavers_high
        assert (f.failures is None) == (f.touchpoint is None)
    again = what_to_fix.kept(told, str(tmp_path))
    assert again is not None
    assert again.text == kept.text


def test_findings_say_it_all(told: Result) -> None:
    found = {f.id: f for f in what_to_fix.findings(told)}
    assert {"what_to_fix.summary", "what_to_fix.past", "what_to_fix.future"} <= set(found)
    assert found["what_to_fix.past"].estimate == told["past"].table["estimate"].iloc[-1]
    assert all("nan" not in f.statement for f in found.values())


def test_what_the_drivers_hand_on_is_what_they_tell(bare: Path) -> None:
    """All customers came before the window: churn at stake is attributable churn."""
    told = _run(bare)
    _, drivers, basis = _FITTED[bare, None]
    cost = drivers.table[drivers.table["valence"] == "bad"].set_index("touchpoint")
    stake = told.table.set_index("touchpoint")["churn_at_stake"]
    assert len(stake.dropna())
    expected = cost.loc[stake.index, "attributable_churn"]
    assert stake.to_numpy(float) == pytest.approx(expected.to_numpy(float), nan_ok=True)
    assert basis.churns == drivers.meta["churns"]
    known = np.flatnonzero(basis.usable)
    coef = cost.loc[[basis.touchpoints[k] for k in known], ["estimate", "se"]].to_numpy()
    assert basis.coef[known] == pytest.approx(coef[:, 0])
    assert np.sqrt(np.diag(basis.covariance))[known] == pytest.approx(coef[:, 1])
    assert np.linalg.eigvalsh(basis.covariance).min() > -1e-9
    assert basis.half_life[0] == pytest.approx(drivers.meta["half_life_days"])


# -- data that cannot answer -------------------------------------------------------------------


def test_without_costs_and_money_customers_are_counted(bare: Path) -> None:
    told = _run(bare)
    assert told.meta["unit"] == "customers"
    assert not told.meta["costed"]
    assert told["ranking"].table["cost"].isna().all()
    assert told.sentence.startswith("Fix ")
    assert "money is not known" in told["ranking"].sentence
    assert "lifetime" not in told.sentence
    assert {"money", "costs"} <= {c.name for c in told.checks}
    assert "worth" not in told["touchpoints"].table
    assert np.isnan(told["future"].meta["lifetime"])


def test_without_a_driver_nothing_is_to_be_fixed(tmp_path: Path) -> None:
    told = _run(make(tmp_path / "null", Truth(base=0.002), 4, 600))
    assert told.meta["drivers"] == []
    assert told.sentence.startswith("There is no driver")
    assert told["ranking"].table.empty
    assert told["future"].sentence.startswith("There is no driver, and nothing was asked")
    assert what_to_fix.findings(told)[0].id == "what_to_fix.summary"
    asked = _run(tmp_path / "null", scenario="call -50%")
    assert "no driver: mind the interval" in asked["future"].sentence


def test_one_touchpoint_and_a_short_feed(bare: Path, tmp_path: Path) -> None:
    shutil.copytree(bare, tmp_path / "one")
    path = tmp_path / "one" / "interactions.parquet"
    pd.read_parquet(path).assign(touchpoint="<b>call</b>").to_parquet(path)
    told = _run(tmp_path / "one")
    assert list(told.table["touchpoint"]) == ["<b>call</b>"]
    if told.meta["drivers"]:
        assert "It is the only driver." in told.sentence
    early = _run(bare, as_of="2025-02-20")
    assert early["future"].table.empty
    assert "fewer than 3 whole months" in early["future"].sentence
    assert what_to_fix.kept(early, "") is None


def test_what_tells_no_bad_contact_and_a_snapshot(bare: Path, tmp_path: Path) -> None:
    shutil.copytree(bare, tmp_path / "mute")
    (tmp_path / "mute" / "feedback.parquet").unlink()
    path = tmp_path / "mute" / "interactions.parquet"
    pd.read_parquet(path).drop(columns="outcome").to_parquet(path)
    told = _run(tmp_path / "mute")
    assert told.table.empty
    assert "nothing tells a failed contact" in told.sentence
    assert what_to_fix.kept(told, "") is None
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    pd.DataFrame({"tenure": [3, 5, 9], "churned": [0, 1, 0]}).to_csv(
        snapshot / "customers.csv", index=False
    )
    told = _run(snapshot)
    assert told.table.empty
    assert told.sentence.startswith("What to fix cannot be told")
    assert str(tmp_path) not in told.sentence
    assert len(what_to_fix.findings(told)) == 1
