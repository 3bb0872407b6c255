"""Cox's model against R, lifelines and published figures; its test and its spans against truth.

Tolerances are what two optimizers may differ by at their last steps: 1e-4 of a standard error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.errors import AnalysisError
from cxlab.models.cox import Levels, early_and_late, estimable, fit_cox, proportional_hazards

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def _customers(name: str) -> pd.DataFrame:
    table = load(ROOT / "data" / name).table("customers")
    return table.collect(backend="pandas").to_native()


def _levels(data: pd.DataFrame, references: dict[str, str]) -> pd.DataFrame:
    """Give one column a level but the reference, and numbers as they are."""
    columns = {}
    for name in data:
        if name not in references:
            columns[name] = data[name].astype(float)
            continue
        for level in sorted(data[name].unique()):
            if level != references[name]:
                columns[f"{name}={level}"] = (data[name] == level).astype(float)
    return pd.DataFrame(columns)


def test_matches_r() -> None:
    # tests/golden/make_golden.R: coxph(Surv(time, status) ~ ...), ties by Efron
    veteran = pd.read_csv(GOLDEN / "veteran.csv")
    golden = pd.read_csv(GOLDEN / "cox.csv")
    fit = fit_cox(veteran[list(golden["term"])], veteran["time"], veteran["status"])
    assert fit.table["term"].tolist() == golden["term"].tolist()
    assert ((fit.table["estimate"] - golden["coef"]).abs() < 1e-4 * golden["se"]).all()
    np.testing.assert_allclose(fit.table["se"], golden["se"], rtol=1e-5)
    np.testing.assert_allclose(fit.table["p_value"], golden["p"], rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "terms", "references", "stratum"),
    [
        (
            "saas",
            ["csat_score", "minutes_customer_support", "product_payroll"],
            {"product_payroll": "Active"},
            "product_accounting",
        ),
        (
            "telco",
            ["partner", "contract", "payment_method", "paperless_billing"],
            {"contract": "Month-to-month", "payment_method": "Bank transfer (automatic)"},
            "internet_service",
        ),
    ],
)
def test_strata_and_the_test_of_proportional_hazards_match_r(
    name: str, terms: list[str], references: dict[str, str], stratum: str
) -> None:
    # tests/golden/make_golden.R: golden_cox(), with strata() and cox.zph(transform = "km")
    golden = pd.read_csv(GOLDEN / f"cox_{name}.csv")
    tested = pd.read_csv(GOLDEN / f"zph_{name}.csv")
    data = _customers(name)
    x = _levels(data[terms], references)
    strata = data[stratum].to_numpy()
    fit = fit_cox(x, data["tenure"], data["churned"], strata)
    assert ((fit.table["estimate"] - golden["coef"]).abs() < 1e-4 * golden["se"]).all()
    np.testing.assert_allclose(fit.table["se"], golden["se"], rtol=1e-5)
    assert fit.log_likelihood == pytest.approx(golden["log_likelihood"].iloc[0], abs=1e-4)
    groups = [t.split("=")[0] for t in x]
    found = proportional_hazards(fit, x, data["tenure"], data["churned"], groups, strata)
    assert found["group"].tolist() == tested["attribute"].tolist()
    np.testing.assert_array_equal(found["df"], tested["df"])
    np.testing.assert_allclose(found["chi2"], tested["chi2"], rtol=1e-5)
    np.testing.assert_allclose(found["p_value"], tested["p"], rtol=1e-3)


def test_matches_lifelines_with_strata() -> None:
    from lifelines import CoxPHFitter

    data = _customers("saas")
    x = data[["csat_score", "articles_viewed", "minutes_customer_support"]]
    fit = fit_cox(x, data["tenure"], data["churned"], data["company_size"].to_numpy())
    other = CoxPHFitter().fit(
        x.assign(t=data["tenure"], e=data["churned"], s=data["company_size"]), "t", "e", strata="s"
    )
    np.testing.assert_allclose(fit.table["estimate"], other.params_, rtol=1e-4)
    np.testing.assert_allclose(fit.table["se"], other.standard_errors_, rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(other.log_likelihood_, abs=1e-4)


def test_telco_with_strata_as_published() -> None:
    """The example "Customer churn" of lifelines' documentation, with its own rounding."""
    data = _customers("telco").drop(columns=["customer_id", "total_charges"])
    data = data.map(lambda v: "No" if isinstance(v, str) and v.startswith("No ") else v)
    strata = ["internet_service", "streaming_movies", "streaming_tv", "phone_service"]
    references = {c: "No" for c in data if data[c].dtype == object and c not in strata}
    references |= {"contract": "Month-to-month", "payment_method": "Bank transfer (automatic)"}
    data["male"] = 1 - data["female"]
    x = _levels(data.drop(columns=["tenure", "churned", "female", *strata]), references)
    groups = data[strata].astype(str).agg("|".join, axis=1).to_numpy()
    fit = fit_cox(x, data["tenure"], data["churned"], groups)
    assert (fit.n, fit.events) == (7043, 1869)
    assert fit.log_likelihood == pytest.approx(-10106.05, abs=0.005)
    found = fit.table.set_index("term")["estimate"].round(2).to_dict()
    published = {
        "male": -0.09,
        "partner": -0.53,
        "multiple_lines=Yes": -0.44,
        "online_security=Yes": -0.62,
        "online_backup=Yes": -0.65,
        "device_protection=Yes": -0.32,
        "tech_support=Yes": -0.40,
        "contract=One year": -1.59,
        "contract=Two year": -3.11,
        "paperless_billing": 0.19,
        "payment_method=Electronic check": 0.56,
        "payment_method=Mailed check": 0.51,
    }
    assert {t: found[t] for t in published} == published


def test_telco_month_to_month_with_internet_as_published() -> None:
    data = _customers("telco")
    data = data[(data["contract"] == "Month-to-month") & (data["internet_service"] != "No")]
    x = pd.DataFrame(
        {
            "dependents": data["dependents"],
            "dsl": (data["internet_service"] == "DSL").astype(float),
            "online_backup": (data["online_backup"] == "Yes").astype(float),
            "tech_support": (data["tech_support"] == "Yes").astype(float),
        }
    )
    fit = fit_cox(x, data["tenure"], data["churned"])
    assert (fit.n, fit.events) == (3351, 1556)
    assert fit.table["estimate"].round(4).tolist() == [-0.3287, -0.2173, -0.7766, -0.6392]


def test_saas_as_published() -> None:
    """With the tiers of three products and what customers looked at, without storage or firm."""
    data = _customers("saas")
    tiers = ["product_travel_expense", "product_payroll", "product_accounting"]
    numbers = ["csat_score", "minutes_customer_support", "articles_viewed"]
    numbers += ["smartphone_notifications_viewed", "marketing_emails_clicked"]
    numbers += ["social_media_ads_viewed"]
    x = _levels(data[[*tiers, *numbers]], dict.fromkeys(tiers, "Active"))
    found = fit_cox(x, data["tenure"], data["churned"]).table.set_index("term")["estimate"]
    assert found["csat_score"] == pytest.approx(-0.656, abs=0.0005)
    assert found["minutes_customer_support"] == pytest.approx(0.0323, abs=0.00005)
    assert (data["tenure"] == 0).sum() == 42


def test_a_term_of_nan_is_refused() -> None:
    with pytest.raises(AnalysisError, match="Cox model cannot be fitted: a value is missing"):
        fit_cox(pd.DataFrame({"x": [1.0, np.nan, 2.0]}), np.array([1.0, 2, 3]), np.array([1, 0, 1]))


def test_a_term_that_follows_from_others_is_refused() -> None:
    x = pd.DataFrame({"x": [1.0, 2, 4, 3], "y": [2.0, 4, 8, 6]})
    with pytest.raises(AnalysisError, match="follows from others"):
        fit_cox(x, np.array([1.0, 2, 3, 4]), np.array([1, 0, 1, 1]))
    assert estimable(x).tolist() == [True, False]


def test_a_term_that_tells_who_left_ends_without_a_crash() -> None:
    draw = np.random.default_rng(1)
    event = draw.integers(0, 2, 300)
    x = pd.DataFrame({"leak": event.astype(float), "noise": draw.normal(size=300)})
    fit = fit_cox(x, draw.uniform(1, 9, 300), event)
    assert fit.table["estimate"].iloc[0] > 5
    assert np.isfinite(fit.table["estimate"]).all()


def test_what_is_constant_within_strata_cannot_be_estimated() -> None:
    strata = np.array(["a", "a", "b", "b", "b"])
    x = pd.DataFrame({"of": [1.0, 1, 0, 0, 0], "in": [0.1, 0.3, 0.2, 0.5, 0.4]})
    assert estimable(x, strata).tolist() == [False, True]


def test_early_and_late_find_an_effect_that_turns() -> None:
    """Hazards by halves: log ratio 1 before time 5 and -0.5 after it; 60 worlds."""
    draw = np.random.default_rng(3)
    z = []
    for _ in range(60):
        x = draw.integers(0, 2, 600).astype(float)
        first = draw.exponential(1 / (0.12 * np.exp(1.0 * x)))
        later = 5 + draw.exponential(1 / (0.12 * np.exp(-0.5 * x)))
        time = np.where(first < 5, first, later)
        event = time < 12
        cut, table = early_and_late(pd.DataFrame({"x": x}), np.minimum(time, 12), event.astype(int))
        assert 1 < cut < 5
        row = table.iloc[0]
        z.append((row["early"] - 1) / row["early_se"])
        assert row["late"] < row["early"]
    # The cut falls before the turn, so that the early span has one effect: its interval holds it.
    assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.085)
    assert abs(np.mean(z)) < 0.4


def test_the_test_keeps_its_level_where_hazards_are_proportional() -> None:
    draw = np.random.default_rng(4)
    p = []
    for _ in range(150):
        x = pd.DataFrame({"a": draw.integers(0, 2, 300), "b": draw.normal(size=300)}).astype(float)
        time = np.ceil(draw.exponential(8 / np.exp(0.7 * x["a"] + 0.4 * x["b"])))
        event = (time <= 15).astype(int)
        fit = fit_cox(x, np.minimum(time, 15), event)
        p.append(proportional_hazards(fit, x, np.minimum(time, 15), event, list(x))["p_value"])
    # 300 tests at 5%: 15 expected, and more than 25 once in some 150 runs.
    assert 5 <= int((np.array(p) < 0.05).sum()) <= 25


def test_levels_against_the_average_do_not_depend_on_the_level_left_out() -> None:
    draw = np.random.default_rng(8)
    plan = draw.choice(["a", "b", "c"], 4000, p=[0.5, 0.3, 0.2])
    truth = pd.Series({"a": 0.0, "b": 0.5, "c": -0.7})
    left = draw.exponential(10 / np.exp(truth[plan].to_numpy()))
    seen = (np.minimum(left, 12), (left < 12).astype(int))
    columns = pd.DataFrame({k: (plan == k).astype(float) for k in "abc"})
    found = {}
    for first in "abc":
        x = columns.drop(columns=first)
        found[first] = fit_cox(x, *seen, averaged=[Levels(first, columns.mean())]).table.set_index(
            "term"
        )
        pd.testing.assert_frame_equal(found[first].sort_index(), found["a"].sort_index(), rtol=1e-6)
    mean = np.log((columns.mean() * np.exp(truth)).sum())
    error = (found["a"]["estimate"] - (truth - mean)) / found["a"]["se"]
    assert (error.abs() < 3).all()
    # The delta method agrees with what other samples give.
    draws = []
    for _ in range(200):
        at = draw.integers(0, 4000, 4000)
        x = columns.iloc[at, 1:].reset_index(drop=True)
        again = fit_cox(x, seen[0][at], seen[1][at], averaged=[Levels("a", columns.mean())])
        draws.append(again.table.set_index("term")["estimate"])
    spread = pd.DataFrame(draws).std()
    assert np.allclose(spread, found["a"]["se"], rtol=0.2)


def test_a_level_nobody_leaves_does_not_spoil_the_average() -> None:
    draw = np.random.default_rng(4)
    plan = draw.choice(["a", "b", "never"], 1500)
    left = draw.exponential(10 / np.exp(0.6 * (plan == "b")))
    event = ((left < 12) & (plan != "never")).astype(int)
    columns = pd.DataFrame({k: (plan == k).astype(float) for k in ("a", "b", "never")})
    levels = Levels("a", columns.mean())
    fit = fit_cox(columns[["b", "never"]], np.minimum(left, 12), event, averaged=[levels])
    table = fit.table.set_index("term")
    # So too where it is the one without a term, and all others' coefficients run away.
    levels = Levels("never", columns.mean())
    away = fit_cox(columns[["a", "b"]], np.minimum(left, 12), event, averaged=[levels]).table
    away = away.set_index("term").loc[["a", "b"], ["estimate", "se"]]
    pd.testing.assert_frame_equal(away, table.loc[["a", "b"], ["estimate", "se"]], rtol=1e-4)
    mean = np.log(np.mean(plan == "a") + np.mean(plan == "b") * np.exp(0.6))
    for level, truth in (("a", 0.0), ("b", 0.6)):
        row = table.loc[level]
        assert row["se"] < 0.1
        assert abs(row["estimate"] - (truth - mean)) < 3 * row["se"]
