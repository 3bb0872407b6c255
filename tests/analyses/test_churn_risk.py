"""Each customer's risk: right where the truth is known, from what was known, without leaks."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from risk_world import AS_OF, DAYS, FIELDS, HONEST, START, save, tables
from scipy import special

from cxlab.analyses import churn_risk
from cxlab.analyses.churn_risk import Risks
from cxlab.data.dataset import load
from cxlab.errors import UsageError
from cxlab.results import Result

HORIZON = 60
SNAPSHOT = Path(__file__).parents[2] / "data" / "telco"


@pytest.fixture(scope="module")
def made() -> dict[str, pd.DataFrame]:
    return tables(4)


@pytest.fixture(scope="module")
def told(made: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Risks:
    folder = save(tmp_path_factory.mktemp("risk"), made)
    return churn_risk.run(load(folder), horizon_days=HORIZON, include_customers=True)


def _truth(made: dict[str, pd.DataFrame], told: Risks) -> np.ndarray:
    hazard = made["customers"].set_index("customer_id")["hazard"]
    return -np.expm1(-hazard.reindex(told.customers["customer_id"]).to_numpy() * HORIZON)


# -- leaks -------------------------------------------------------------------------------------


def test_planted_leaks_are_refused_each_with_its_evidence(told: Risks) -> None:
    audit = told["leaks"].table.set_index("input")
    refused = audit[audit["refused"]]
    assert set(refused.index) == {*FIELDS, "goodbye"}
    assert (refused["customers"] > 0).all()
    evidence = refused["evidence"]
    assert "where it is closed, 100% left since" in evidence["account"]
    assert "it was written when they left" in evidence["closing_note"]
    assert re.search(
        r"a date, which for [\d,]+ of [\d,]+ customers lies after", evidence["last_login"]
    )
    assert "a date" in evidence["cancel_month"]
    assert "because they have decided" in evidence["goodbye"]
    assert "Refused as inputs: the fields" in told["audit"].sentence
    assert all(name in told["audit"].sentence for name in FIELDS)


def test_honest_fields_are_used_however_strong(told: Risks) -> None:
    audit = told["leaks"].table.set_index("input")
    assert not audit.loc[[*HONEST, "monthly_value", "call", "chat"], "refused"].any()
    assert told["reasons"].table["fact"].iloc[0] == "plan"


def test_leaks_do_not_get_into_reasons(told: Risks) -> None:
    said = " ".join(told.customers["reasons"])
    assert "plan: trial" in said
    assert not any(name in said for name in (*FIELDS, "goodbye"))


# -- are they right ----------------------------------------------------------------------------


def test_told_risks_are_the_true_ones(made: dict[str, pd.DataFrame], told: Risks) -> None:
    truth, chance = _truth(made, told), told.customers["probability"].to_numpy()
    assert len(chance) > 800
    x, y = special.logit(chance), special.logit(truth)
    assert np.cov(x, y)[0, 1] / x.var(ddof=1) == pytest.approx(1.0, abs=0.2)
    assert chance.mean() == pytest.approx(truth.mean(), rel=0.15)
    assert np.corrcoef(x, y)[0, 1] > 0.8
    mine = told.table[told.table["used"]].iloc[0]
    assert mine["slope_low"] < 1 < mine["slope_high"]
    assert mine["conf_low"] > 0.65


def test_what_is_used_beats_base_rate_and_rule(told: Risks) -> None:
    gaps = told["differences"].table
    mine = gaps[(gaps["measure"] == "Brier") & (gaps["model"] == told.meta["used"])]
    assert (mine["estimate"] < 0).all()
    assert (mine["p_holm"] < 0.05).all()
    table = told.table.set_index("model")
    best = table["behind"].drop("as chosen then").idxmin()
    assert table.loc[best, "behind"] == 0
    # The simplest within one standard error.
    names = ["base rate", "two-variable rule", "elastic net", "logit", "boosted trees"]
    close = [n for n in names if table.loc[n, "behind"] <= table.loc[n, "behind_se"]]
    assert told.meta["model"] == close[0]


def test_figures_agree_with_each_other(told: Risks) -> None:
    worth = told["decision"].table
    mine = worth[worth["model"] == told.meta["used"]]
    assert (mine["estimate"] <= told.meta["rate"] + 1e-9).all()
    assert mine["reached"].is_monotonic_decreasing
    lift = told["lift"].table
    assert lift["lift"].to_numpy() == pytest.approx((lift["estimate"] / lift["share"]).to_numpy())
    by = told.table.set_index("model")
    ten = lift[(lift["share"] == 0.1) & (lift["model"] == told.meta["used"])].iloc[0]
    assert ten["estimate"] == pytest.approx(by.loc[told.meta["used"], "captured"])
    assert told["by_day"].table["day"].is_monotonic_increasing
    assert told["spread"].table["customers"].min() >= told.meta["min_group"]
    assert told.meta["expected"] == pytest.approx(told.customers["probability"].sum())


# -- only what was known -----------------------------------------------------------------------


def test_nothing_after_as_of_is_seen(tmp_path: Path) -> None:
    small = tables(5, 600, leaks=False)
    cut = START + pd.Timedelta(days=DAYS - 30)
    known = {n: t.copy() for n, t in small.items()}
    people = known["customers"]
    known["customers"] = people[people["started_at"] < cut].copy()
    ended = known["customers"]["ended_at"]
    known["customers"]["ended_at"] = ended.where(ended < cut)
    known["interactions"] = known["interactions"][known["interactions"]["occurred_at"] < cut]
    one, two = (
        churn_risk.run(load(save(tmp_path / name, t), as_of=AS_OF), horizon_days=HORIZON)
        for name, t in (("all", small), ("cut", known))
    )
    assert len(one.customers) > 100
    pd.testing.assert_frame_equal(one.customers, two.customers)
    assert one.sentence == two.sentence


def test_the_list_is_ranked_and_names_nobody(told: Risks) -> None:
    table = told.customers
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["probability"].is_monotonic_decreasing
    assert (table["conf_low"] <= table["probability"]).all()
    assert (table["probability"] <= table["conf_high"]).all()
    assert list(table)[:2] == ["rank", "customer_id"]
    assert "customer" in told["top"].table
    listing = told.listing
    assert listing is not None
    assert listing.name == "risk"


# -- what cannot be told -----------------------------------------------------------------------


def test_a_snapshot_has_no_later_time() -> None:
    result = churn_risk.run(load(SNAPSHOT))
    assert result.table.empty
    assert result.listing is None
    assert "no later time to test a model on" in result.sentence
    assert len(churn_risk.findings(result)) == 1


def test_a_horizon_longer_than_the_data(tmp_path: Path) -> None:
    data = load(save(tmp_path, tables(6, 120, leaks=False)))
    result = churn_risk.run(data, horizon_days=300)
    assert result.table.empty
    assert "the data are too short" in result.sentence
    assert str(tmp_path) not in result.sentence
    few = churn_risk.run(data, horizon_days=HORIZON)
    assert "too little to learn from" in few.sentence
    with pytest.raises(UsageError, match="horizon_days is 3; allowed: 7 to 730"):
        churn_risk.run(data, horizon_days=3)


def test_without_contacts_names_with_markup_and_nulls(tmp_path: Path) -> None:
    small = tables(7, 700, leaks=False)
    people = small["customers"].rename(columns={"plan": "<b>tenure</b>", "region": "contacts"})
    people["tenure of $x$"] = None
    people.loc[::2, "monthly_value"] = None
    people["<b>tenure</b>"] = people["<b>tenure</b>"].where(people.index % 3 > 0)
    result = churn_risk.run(load(save(tmp_path, {"customers": people})), horizon_days=HORIZON)
    assert not result.table.empty
    assert "customer_id" not in result.customers
    assert "customer" not in result["top"].table
    assert any(c.name == "not an input: contacts" for c in result.checks)
    assert result.customers["value_at_stake"].isna().any()
    assert "how long a customer has been there" in result.meta["rule"]
    rebuilt = Result.from_dict(result.to_dict())
    assert "<b>tenure</b>" in " ".join(rebuilt["by_group"].table["group"])
    assert next(f.id for f in churn_risk.findings(rebuilt)) == "churn_risk.summary"


def test_where_nothing_tells_everybody_gets_the_base_rate(
    make_tables: Callable[..., dict[str, pd.DataFrame]], write_dataset: Callable[..., Path]
) -> None:
    spoilt = make_tables(300, 3)
    spoilt["interactions"]["outcome"] = None
    spoilt["feedback"]["score"] = np.nan
    spoilt["touchpoints"]["stage"] = "exit"
    result = churn_risk.run(load(write_dataset(spoilt)), horizon_days=30)
    assert "who they are cannot be told" in result.sentence
    assert result.meta["used"] == "base rate"
    assert np.ptp(result.customers["probability"]) == 0
    assert set(result.customers["reasons"]) == {""}
    assert result["leaks"].table.query("kind == 'touchpoint'")["refused"].all()
    assert any(c.name == "not an input: contacts" for c in result.checks)
