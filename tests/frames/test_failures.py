"""How often contacts fail and who comes and goes, against the same by plain pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.frames.bad_before import bad_before
from cxlab.frames.exposures import Contacts, contacts
from cxlab.frames.failures import affected, by_month, comings, levels_of, members, trends
from cxlab.frames.periods import EPOCH, RiskSet, risk_set

SETTINGS = "observed_until: 2025-12-31\n"


@pytest.fixture(scope="module")
def tables(make_tables: Callable[..., dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    return make_tables(customers=150, seed=3)


@pytest.fixture(scope="module")
def data(tables: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("failures")
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "dataset.yml").write_text(SETTINGS, encoding="utf-8")
    return load(folder)


@pytest.fixture(scope="module")
def risk(data: Dataset) -> RiskSet:
    return risk_set(data)


@pytest.fixture(scope="module")
def known(data: Dataset, risk: RiskSet) -> Contacts:
    return contacts(data).kept(risk)


@pytest.fixture(scope="module")
def plain(tables: dict[str, pd.DataFrame], known: Contacts) -> pd.DataFrame:
    """All contacts, with their day and touchpoint's place."""
    met = tables["interactions"].copy()
    met["at"] = (met["occurred_at"] - EPOCH) / pd.Timedelta(days=1)
    met["place"] = met["touchpoint"].map({t: i for i, t in enumerate(known.touchpoints)})
    met["bad"] = (met["outcome"] == "failed").astype(float)
    return met


def test_months_add_up(risk: RiskSet, known: Contacts, plain: pd.DataFrame) -> None:
    told = by_month(risk, known).set_index(["place", "month"])
    month = (plain["occurred_at"].dt.year - 1970) * 12 + plain["occurred_at"].dt.month - 1
    inside = plain[plain["at"] >= risk.begin]
    expected = inside.groupby(["place", month[inside.index]])["bad"].agg(["size", "sum"])
    assert told.sort_index().to_numpy() == pytest.approx(expected.sort_index().to_numpy())


def test_who_comes_and_goes(risk: RiskSet, tables: dict[str, pd.DataFrame]) -> None:
    told = comings(risk)
    customers = tables["customers"]
    ended = customers["ended_at"].dropna()
    ended = ended[ended < pd.Timestamp("2026-01-01")]
    assert told["leavers"].sum() == len(ended)
    assert told["others"].sum() == 0
    april = told[told["month"] == 55 * 12 + 3].iloc[0]
    assert april["leavers"] == ended.between("2025-04-01", "2025-04-30 23:59:59").sum()
    low, high = pd.Timestamp("2025-04-01"), pd.Timestamp("2025-05-01")
    until = customers["ended_at"].fillna(pd.Timestamp("2026-01-01")).clip(upper=high)
    spent = (until - customers["started_at"].clip(lower=low)).clip(lower=pd.Timedelta(0))
    assert april["there"] == pytest.approx((spent / pd.Timedelta(days=30)).sum(), rel=1e-6)
    assert april["joined"] == customers["started_at"].between(low, high).sum()
    assert told["whole"].iloc[-1]


def test_the_trend_is_least_squares_with_customers_together(
    risk: RiskSet, known: Contacts, plain: pd.DataFrame
) -> None:
    told = trends(risk, known, 290.0).set_index("place")
    for place, mine in plain[plain["at"] >= risk.end - 290].groupby("place"):
        t = (mine["at"] - risk.end).to_numpy() / 365.25
        x = np.column_stack([np.ones(len(t)), t])
        coef = np.linalg.lstsq(x, mine["bad"].to_numpy(), rcond=None)[0]
        rest = mine["bad"].to_numpy() - x @ coef
        bread = np.linalg.inv(x.T @ x)
        scores = pd.DataFrame(x * rest[:, None]).groupby(mine["customer_id"].to_numpy()).sum()
        count = len(scores)
        meat = scores.to_numpy().T @ scores.to_numpy() * count / (count - 1)
        assert told.loc[place, "slope"] == pytest.approx(coef[1])
        assert told.loc[place, "se"] == pytest.approx(np.sqrt((bread @ meat @ bread)[1, 1]))
        assert told.loc[place, "share"] == pytest.approx(mine["bad"].mean())


def test_whom_failures_met(
    risk: RiskSet, known: Contacts, plain: pd.DataFrame, tables: dict[str, pd.DataFrame]
) -> None:
    late = plain[plain["at"] >= risk.end - 230]
    told = affected(risk, known, 230.0).set_index("place")
    failed = late[late["bad"] > 0].groupby("place")
    assert told["affected"].to_dict() == failed["customer_id"].nunique().to_dict()
    assert told["bad"].to_dict() == failed.size().to_dict()
    plans = tables["customers"].set_index("customer_id")["plan"]
    level = late["customer_id"].map(plans).rename("level")
    parted = affected(risk, known, 230.0, "plan").set_index(["place", "level"])["affected"]
    bad = late["bad"] > 0
    expected = late[bad].groupby(["place", level[bad]])["customer_id"].nunique()
    assert parted.to_dict() == expected.to_dict()
    there = members(risk, "plan", 400.0)
    assert there["customers"].sum() == risk.customers
    spells = risk.spells
    levels = levels_of(risk, spells["who"].to_numpy()[::-1], "plan")
    assert list(levels) == list(plans.loc[spells["customer_id"]])[::-1]


def test_bad_contacts_before_a_row(
    data: Dataset, risk: RiskSet, known: Contacts, plain: pd.DataFrame
) -> None:
    spells = risk.spells.head(40)
    cut = risk.end - 200.0 - np.arange(len(spells)) % 7
    rows = pd.DataFrame({"who": spells["who"], "cut": cut, "mid": cut + 0.5})
    row, place, age = bad_before(data, known, rows)
    expected = []
    for i, customer in enumerate(spells["customer_id"]):
        mine = plain[(plain["customer_id"] == customer) & (plain["bad"] > 0)]
        for _, c in mine[mine["at"] < cut[i]].iterrows():
            expected.append((i, c["place"], cut[i] + 0.5 - c["at"]))
    expected.sort()
    assert list(zip(row, place, strict=True)) == [(i, k) for i, k, _ in expected]
    assert age == pytest.approx([a for *_, a in expected])
    assert len(bad_before(data, known, rows.iloc[:0])[0]) == 0
