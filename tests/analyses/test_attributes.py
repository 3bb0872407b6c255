"""The snapshot form: which attributes go with leaving, on simulated and shipped tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import churn_drivers
from cxlab.analyses.churn_drivers.snapshot.constancy import Model, fit_model
from cxlab.analyses.churn_drivers.snapshot.terms import make_terms, step_of
from cxlab.analyses.churn_drivers.snapshot.words import Span
from cxlab.data.dataset import load
from cxlab.models.growth import growth
from cxlab.results import Result

DATA = Path(__file__).parents[2] / "data"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a snapshot given as a frame."""

    def run(customers: pd.DataFrame, settings: str = "tenure_unit: months\n") -> Result:
        customers.to_csv(tmp_path / "customers.csv", index=False)
        (tmp_path / "dataset.yml").write_text(settings, encoding="utf-8")
        return churn_drivers.run(load(tmp_path))

    return run


@pytest.fixture(scope="module")
def telco() -> Result:
    return churn_drivers.run(load(DATA / "telco"))


@pytest.fixture(scope="module")
def saas() -> Result:
    return churn_drivers.run(load(DATA / "saas"))


def customers(rows: int = 1500, seed: int = 5, turn: float = 0.0) -> pd.DataFrame:
    """Make a snapshot: support raises the hazard, ``turn`` is how much more it does so late."""
    draw = np.random.default_rng(seed)
    slow = draw.integers(0, 2, rows)
    plan = draw.choice(["basic", "plus", "pro"], rows, p=[0.5, 0.3, 0.2])
    minutes = draw.normal(30, 10, rows)
    effect = {"basic": 0.0, "plus": -0.4, "pro": -0.8}
    log_hazard = 0.9 * slow + 0.03 * (minutes - 30) + pd.Series(plan).map(effect).to_numpy()
    # The hazard of slow support changes at 6 months: exponential before, and anew after it.
    first = draw.exponential(20 / np.exp(log_hazard))
    later = 6 + draw.exponential(20 / np.exp(log_hazard + turn * slow))
    left = np.where(first < 6, first, later)
    stop = draw.uniform(1, 40, rows)
    return pd.DataFrame(
        {
            "tenure": np.ceil(np.minimum(left, stop)),
            "churned": (left <= stop).astype(int),
            "support": np.where(slow == 1, "slow", "fast"),
            "plan": plan,
            "minutes": minutes,
            "noise": draw.normal(size=rows),
        }
    )


def _fitted(data: pd.DataFrame) -> Model:
    kinds = {"support": "text", "plan": "text", "minutes": "number", "noise": "number"}
    terms = make_terms(data, kinds)
    return fit_model(terms, data["tenure"].to_numpy(), data["churned"].to_numpy())


def test_levels_of_few_customers_are_no_terms() -> None:
    data = customers().head(400)
    data["flag"] = (np.arange(400) < 25).astype(int)
    data["plan"] = np.where(np.arange(400) % 20 == 1, "rare", data["plan"])
    kinds = {"flag": "number", "plan": "text"}
    assert {"flag", "plan=rare"} <= set(make_terms(data, kinds).columns)
    few = make_terms(data, kinds, least=30)
    assert not {"flag", "plan=rare"} & set(few.columns)
    assert [name for name, _, _ in few.left_out] == ["flag"]
    assert any("rare" in note for note in few.notes)


def _truth(term: str, data: pd.DataFrame) -> float:
    """Give the true log hazard ratio of a term of :func:`customers`."""
    shares = data["plan"].value_counts(normalize=True)
    plans = {"basic": 0.0, "plus": -0.4, "pro": -0.8}
    mean = np.log(sum(shares[p] * np.exp(effect) for p, effect in plans.items()))
    levels = {"slow": 0.9, "fast": -0.9} | {p: effect - mean for p, effect in plans.items()}
    return {"minutes": 0.03, "noise": 0.0}.get(term, levels.get(term.split("=")[-1], np.nan))


# -- the whole ----------------------------------------------------------------------------------


def test_the_table_holds_the_truth_and_the_contracts_columns(run: Run) -> None:
    data = customers()
    result = run(data.assign(same=1))
    table = result.table.set_index("touchpoint")
    assert list(result.table.columns[:20]) == list(churn_drivers.COLUMNS)
    assert set(table["valence"]) == {"attribute"}
    level = next(t for t in table.index if t.startswith("support="))
    for term in (level, "minutes", "plan=basic", "plan=plus", "plan=pro"):
        row = table.loc[term]
        assert row["estimate"] == pytest.approx(_truth(term, data), abs=3 * row["se"])
        assert np.log(row["hazard_ratio"]) == pytest.approx(row["estimate"])
    assert table.loc["minutes", "verdict"] == "driver"
    assert table.loc["plan=pro", "verdict"] == "protective"
    assert table.loc["noise", "verdict"] == "no evidence"
    assert "same" not in table.index
    assert "same: it does not vary" in result.summary()
    assert (table["rank"] == range(1, len(table) + 1)).all()


def test_a_number_is_told_by_a_step_and_a_level_against_its_reference(run: Run) -> None:
    data = customers()
    table = run(data.assign(bytes=data["minutes"] * 1e6)[["tenure", "churned", "bytes", "plan"]])
    rows = table.table.set_index("term")
    assert rows.loc["bytes", "compared_with"] == "10,000,000 less"
    assert rows.loc["bytes", "step_ratio"] == pytest.approx(np.exp(0.3), rel=0.1)
    assert rows.loc["bytes", "hazard_ratio"] == pytest.approx(1, abs=1e-5)
    assert rows.loc["plan=pro", "compared_with"] == "the average"
    assert rows.loc["plan=pro", "step_ratio"] == rows.loc["plan=pro", "hazard_ratio"]
    assert rows.loc["plan=pro", "exposed_customers"] == (data["plan"] == "pro").sum()
    assert rows.loc["bytes", "exposed_customers"] == len(data)
    told = [f.statement for f in churn_drivers.findings(table)]
    start = "Where bytes is higher by 10,000,000, customers leave 1."
    assert any(s.startswith(start) for s in told)


@pytest.mark.parametrize(
    ("values", "step"),
    [
        ([5, 6, 7, 8, 9, 10], 2),
        ([0, 0, 0, 1, 2, 0], 1),
        ([100, 500, 1024, 2048, 5120], 2000),
        ([0.01, 0.02, 0.05], 0.02),
        ([0.5, 5.1, 12.9], 5),
    ],
)
def test_steps_are_round_and_near_the_spread(values: list[float], step: float) -> None:
    assert step_of(pd.Series(values, dtype=float)) == pytest.approx(step)


def test_numbers_and_words_agree_with_one_driver(run: Run) -> None:
    draw = np.random.default_rng(2)
    bad = draw.integers(0, 2, 400)
    left = draw.exponential(10 / np.exp(1.2 * bad))
    data = {"tenure": np.ceil(np.minimum(left, 12)), "churned": (left < 12).astype(int), "bad": bad}
    result = run(pd.DataFrame(data))
    assert result.sentence == (
        "At equal tenure, and all other attributes held equal, customers leave sooner where bad "
        "is 1 rather than 0."
    )
    assert "for 1 coefficient (" in result.summary()
    found = churn_drivers.findings(result)
    assert found[1].statement.startswith("Customers whose bad is 1 leave ")
    assert found[1].estimate == result.table["hazard_ratio"][0]


def test_words_for_a_span() -> None:
    assert str(Span(1, "months")) == "in the first month"
    assert str(Span(9, "months")) == "in the first 9 months"
    assert str(Span(0.5, "years")) == "in the first 0.5 years"


def test_nothing_is_claimed_of_noise(run: Run) -> None:
    data = customers(600)
    data["support"] = np.random.default_rng(1).permutation(data["support"])
    result = run(data[["tenure", "churned", "support", "noise"]])
    assert result.sentence == "No attribute can be said to go with leaving from these data."
    assert set(result.table["verdict"]) == {"no evidence"}


def test_what_leaving_leaves_behind_is_no_driver(run: Run) -> None:
    data = customers(500)
    result = run(data.assign(closed=np.where(data["churned"] == 1, "yes", "no")))
    row = result.table.set_index("attribute").loc["closed"]
    assert row["verdict"] == "not separable"
    assert np.isnan(row["hazard_ratio"])
    assert "recorded after leaving" in row["why"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ([], "there is none"),
        (["same", "name"], "same: it does not vary; name: it has 200 different values"),
        (["holes", "gaps"], "nobody with a value in every attribute left"),
    ],
)
def test_without_any_term_there_is_no_row_and_a_reason(
    run: Run, columns: list[str], told: str
) -> None:
    draw = np.random.default_rng(1)
    data = pd.DataFrame({"tenure": draw.integers(1, 9, 200), "churned": [1] * 20 + [0] * 180})
    data = data.assign(same="x", name=[f"n{i}" for i in range(200)])
    data["holes"], data["gaps"] = draw.normal(size=200), draw.normal(size=200)
    data.loc[:9, "holes"] = np.nan
    data.loc[10:19, "gaps"] = np.nan
    result = run(data[["tenure", "churned", *columns]])
    assert result.table.empty
    assert list(result.table.columns[:20]) == list(churn_drivers.COLUMNS)
    assert result.sentence.startswith("No attribute tells customers apart (")
    assert told in result.sentence
    assert [f.statement for f in churn_drivers.findings(result)] == [result.sentence]
    assert churn_drivers.reasons(result) == []


# -- what cannot be a term -----------------------------------------------------------------------


def test_totals_and_what_follows_tenure_are_left_out(run: Run) -> None:
    draw = np.random.default_rng(7)
    data = customers()
    data["calls_so_far"] = draw.poisson(0.3 * data["tenure"])
    data["spent"] = data["tenure"] * draw.uniform(5, 50, len(data))
    data["calls_a_month"] = draw.poisson(3, len(data)) + 2 * (data["support"] == "slow")
    data["joined"] = 2026 - data["tenure"] // 12
    data["cohort"] = "y" + (data["tenure"] // 10).astype(int).astype(str)
    result = run(data)
    table = result.table.set_index("attribute")
    for name in ("calls_so_far", "spent"):
        assert table.loc[name, "verdict"] == "not separable"
        assert "piles up with time" in table.loc[name, "why"]
    for name in ("joined", "cohort"):
        assert "tells how long a customer has been there" in table.loc[name, "why"]
    assert table.loc["calls_a_month", "estimate"] == pytest.approx(0, abs=0.15)
    assert "spent" in result["adjusted_for"].table["what"].tolist()
    statements = [f.statement for f in churn_drivers.findings(result)]
    start = "spent is not called a driver. Left out of the model"
    assert any(s.startswith(start) for s in statements)


def test_growth_is_one_for_a_total_and_none_for_a_rate() -> None:
    draw = np.random.default_rng(8)
    tenure = np.ceil(draw.exponential(20, 4000))
    rate = draw.gamma(4, 5, 4000)
    for values, truth in ((rate * tenure, 1.0), (draw.poisson(0.2 * tenure), 1.0), (rate, 0.0)):
        estimate, se = growth(np.asarray(values, float), tenure)
        assert 0 < se < 0.1
        assert estimate == pytest.approx(truth, abs=4 * se)
    assert growth(rate - 100, tenure) == (0.0, 0.0)
    assert growth(np.array([1.0]), np.array([0.0])) == (0.0, 0.0)


def test_a_property_that_keeps_customers_is_not_taken_for_a_total(run: Run) -> None:
    """Its mean rises with tenure, since those without it leave: no more than selection can do."""
    draw = np.random.default_rng(9)
    products = 1 + draw.poisson(1.0, 2500)
    left = draw.exponential(12 / np.exp(-0.5 * products))
    stop = draw.uniform(1, 60, 2500)
    data = {"tenure": np.ceil(np.minimum(left, stop)), "churned": (left < stop).astype(int)}
    result = run(pd.DataFrame(data | {"products": products}))
    row = result.table.iloc[0]
    assert row["verdict"] == "protective"
    assert row["estimate"] == pytest.approx(-0.5, abs=3 * row["se"])


def test_missing_numbers_cost_rows_that_are_counted_or_the_attribute(run: Run) -> None:
    data = customers(800)
    data.loc[data.index[:40], "minutes"] = np.nan
    data.loc[data.index[:300], "noise"] = np.nan
    data.loc[data.index[100:140], "plan"] = None
    result = run(data)
    checks = {c.name: c for c in result.checks}
    assert checks["complete customers"].passed is False
    assert checks["complete customers"].text == (
        "40 of 800 customers left out for a missing value (minutes: 40)"
    )
    row = result.table.set_index("term").loc["noise"]
    assert row["verdict"] == "too little data"
    assert row["why"] == "Left out of the model: it is missing for 38% of the customers."
    assert result.table.set_index("term").loc["plan=(missing)", "exposed_customers"] == 40
    assert result.meta["customers"] == 760


def test_the_average_is_that_of_the_customers_in_the_model(run: Run) -> None:
    data = customers(1500)
    half = (data["plan"] == "pro") & (data.index % 2 == 0)
    data.loc[half, "minutes"] = np.nan
    result = run(data)
    plans = result.table[result.table["attribute"] == "plan"]
    assert plans["n"].sum() == result.meta["customers"] == 1500 - half.sum()
    assert np.average(plans["hazard_ratio"], weights=plans["n"]) == pytest.approx(1)
    # Three plans are two coefficients.
    assert "churns for 5 coefficients (" in result.summary()


def test_a_level_of_customers_left_out_alone_is_no_level(run: Run) -> None:
    data = customers(1500)
    data.loc[data["plan"] == "pro", "minutes"] = np.nan
    data.loc[data.index[:9], "noise"] = np.nan
    result = run(data[data["plan"].ne("pro") | (data.index < 1200)])
    plan = result.table[result.table["attribute"] == "plan"]
    assert plan["term"].tolist() == ["plan=plus"] and plan["reference"].tolist() == ["basic"]
    assert "levels of others" not in result.summary()
    assert (
        result.meta["customers"]
        == plan["n"].iloc[0] + ((data["plan"] == "basic") & data["noise"].notna()).sum()
    )


def test_what_is_no_term_costs_no_customers(run: Run) -> None:
    data = customers(800)
    data["price"] = 10 + 5 * (data["plan"] == "pro")
    data.loc[data.index[:50], "price"] = np.nan
    result = run(data)
    assert result.meta["customers"] == 800
    assert result.table.set_index("term").loc["price", "verdict"] == "not separable"


def test_thin_levels_are_counted_together_and_said_so(run: Run) -> None:
    data = customers(800)
    data.loc[data.index[:6], "plan"] = "gift"
    data.loc[data.index[6:9], "plan"] = "trial"
    result = run(data)
    levels = result.table.loc[result.table["attribute"] == "plan", "level"]
    assert not {"gift", "trial"} & set(levels)
    assert "gift" in result.summary() and "trial" in result.summary()


def test_a_price_that_follows_from_the_bundle_is_left_out(telco: Result) -> None:
    table = telco.table.set_index("term")
    assert table.loc["monthly_value", "verdict"] == "not separable"
    assert "99% of it follows from the other attributes" in table.loc["monthly_value", "why"]
    # Without it, the services can be told: their intervals are no longer ten times as wide.
    assert table.loc["internet_service=DSL", "se"] < 0.1


# -- effects that change with tenure --------------------------------------------------------------


def test_where_hazards_are_proportional_nothing_is_stratified_and_intervals_hold() -> None:
    inside, strata, changing = [], 0, 0
    for seed in range(40):
        data = customers(700, seed)
        model = _fitted(data)
        strata += bool(model.strata)
        changing += bool(model.changing())
        table = model.table.set_index("term")
        truth = np.array([_truth(t, data) for t in table.index])
        inside += list(np.abs(table["estimate"] - truth) < 1.96 * table["se"])
    assert strata <= changing <= 5  # 2 expected at 5%; more than 5 once in 70
    # 240 intervals, six a world: a standard error of 0.014.
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


def test_an_effect_that_changes_is_found_and_the_others_stay_right() -> None:
    """Slow support triples the hazard at first and harms no more later."""
    found, z, early = 0, [], []
    for seed in range(25):
        data = customers(1200, seed, turn=-0.9)
        model = _fitted(data)
        found += model.strata == ("support",)
        table = model.table.set_index("term")
        others = [t for t in table.index if not t.startswith("support")]
        z += [(table.loc[t, "estimate"] - _truth(t, data)) / table.loc[t, "se"] for t in others]
        level = next(t for t in table.index if t.startswith("support"))
        sign = 1 if level == "support=slow" else -1
        early.append(sign * table.loc[level, "early"])
        assert table.loc[level, "stratum"] == ("support" in model.strata)
    assert found >= 20
    assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.04)
    assert np.mean(early) == pytest.approx(0.9, abs=0.08)


def test_an_effect_that_changes_is_said_and_drawn_apart(run: Run) -> None:
    result = run(customers(2500, 3, turn=-1.4))
    assert result.meta["strata"] == result.meta["changing"] == ["support"]
    row = result.table[result.table["attribute"] == "support"].iloc[0]
    span = result["by_tenure"].table.iloc[0]
    assert span["term"] == row["term"] and bool(span["changes"])
    assert f"Its effect changes with tenure: {span['early']:.2f} in the first" in row["why"]
    assert "The effect of support changes with tenure" in result["by_tenure"].sentence
    checks = {c.name: c for c in result.checks}
    assert checks["effects that change with tenure"].passed is None
    assert "drivers.by_tenure" in {f.id for f in churn_drivers.findings(result)}
    held = result["adjusted_for"].table.set_index("what")["how"]
    assert held["support"] == "strata" and held["plan"] == "in the model"


def test_a_change_is_found_though_one_level_is_new(run: Run) -> None:
    """Nobody with the new plan has been there for long: the late average is without it."""
    draw = np.random.default_rng(3)
    plan = draw.choice(["old", "other", "new"], 4000, p=[0.5, 0.3, 0.2])
    first = draw.exponential(20 / np.exp(1.2 * (plan == "other")))
    left = np.where(first < 6, first, 6 + draw.exponential(20, 4000))
    stop = np.where(plan == "new", draw.uniform(1, 5, 4000), draw.uniform(1, 40, 4000))
    data = {"tenure": np.ceil(np.minimum(left, stop)), "churned": (left <= stop).astype(int)}
    result = run(pd.DataFrame(data | {"plan": plan}))
    assert result.meta["changing"] == ["plan"]
    spans = result["by_tenure"].table.set_index("term")
    assert np.isnan(spans.loc["plan=new", "late"])
    for name, ratio in (("early", np.exp(1.2)), ("late", 1.0)):
        told = spans.loc["plan=other", name] / spans.loc["plan=old", name]
        assert told == pytest.approx(ratio, rel=0.25 if name == "early" else 0.5)


def test_a_number_whose_effect_changes_stays_in_the_model(run: Run) -> None:
    draw = np.random.default_rng(6)
    score = draw.normal(size=3000)
    first = draw.exponential(10 / np.exp(0.9 * score))
    left = np.where(first < 5, first, 5 + draw.exponential(10 / np.exp(0.0 * score)))
    data = {"tenure": np.minimum(left, 20), "churned": (left < 20).astype(int), "score": score}
    result = run(pd.DataFrame(data | {"plan": draw.choice(["a", "b"], 3000)}))
    assert result.meta["strata"] == []
    assert result.meta["changing"] == ["score"]
    check = next(c for c in result.checks if c.name == "effects that change with tenure")
    assert check.passed is False
    assert check.text == "score: kept in the model, with one average effect"


def test_one_attribute_alone_is_never_a_stratum(run: Run) -> None:
    result = run(customers(2500, 3, turn=-1.8)[["tenure", "churned", "support"]])
    assert result.meta["strata"] == []
    assert result.meta["changing"] == ["support"]


# -- the shipped tables ---------------------------------------------------------------------------


def test_telco(telco: Result) -> None:
    table = telco.table.set_index("term")
    assert (telco.meta["customers"], telco.meta["churns"]) == (7043, 1869)
    assert telco.meta["early_span"] == "in the first 9 months"
    assert "contract" in telco.meta["changing"]
    told = " ".join(f.statement for f in churn_drivers.findings(telco))
    assert "contract is Two year leave 6.0% as often as the average customer (95% int" in told
    assert table.loc["contract=Month-to-month", "verdict"] == "driver"
    assert table.loc["contract=Two year", "verdict"] == "protective"
    assert table.loc["paperless_billing", "verdict"] == "driver"
    assert "piles up with time" in table.loc["total_charges", "why"]
    assert "11 of 7,043 customers have a tenure of 0 months; none of them had left" in (
        telco.summary()
    )
    # Nobody with a contract of two years left in the first nine months: nothing is said of it.
    early = telco["by_tenure"].table.set_index("term").loc["contract=Two year"]
    assert np.isnan(early["early"]) and 0.02 < early["late"] < 0.1
    assert "not to be told in the first 9 months" in table.loc["contract=Two year", "why"]


def test_saas(saas: Result) -> None:
    table = saas.table.set_index("term")
    assert "42 of 2,000 customers have a tenure of 0 months" in saas.summary()
    assert table.loc["csat_score", "verdict"] == "protective"
    assert 0.45 < table.loc["csat_score", "hazard_ratio"] < 0.55
    assert table.loc["minutes_customer_support", "verdict"] == "driver"
    assert table.loc["product_data_storage", "compared_with"] == "1,000 less"
    # Every level has a row of its own, and the least loyal customers are named.
    assert table.loc["product_payroll=No", "verdict"] == "driver"
    assert table.loc["product_payroll=Active", "verdict"] == "protective"
    assert saas.meta["strata"] == []
    ids = [f.id for f in churn_drivers.findings(saas)]
    assert len(set(ids)) == len(ids)
    assert churn_drivers.limits(saas)[0].startswith("A snapshot shows attributes as they are now")
