"""The driver table in words: what was told, what lasts how long, what could not be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.churn_drivers import words
from cxlab.results import Findings, Result

META = {"form": "spells", "customers": 900, "followers": [], "window_days": 90, "currency": "EUR",
        "half_life_days": 20.0, "half_life_low": 10.0, "half_life_high": 40.0,
        "own_half_lives": {}}  # fmt: skip


def _result(verdicts: dict[tuple[str, str], str], **more: Any) -> Result:
    rows = [
        {"touchpoint": t, "valence": v, "verdict": verdict, "why": f"Why {verdict}.",
         "hazard_ratio": 2.0, "conf_low": 1.5, "conf_high": 3.0, "exposed_customers": 50,
         "attributable_churn": 9.0, "attributable_churn_low": 4.0, "attributable_churn_high": 14.0,
         "value_at_risk": np.nan}
        for (t, v), verdict in verdicts.items()
    ]  # fmt: skip
    meta = {**META, **more.pop("meta", {})}
    return Result("churn_drivers", pd.DataFrame(rows), (), meta, "It is so.", more)


def _by_id(found: Findings) -> dict[str, str]:
    return {f.id: f.statement for f in found}


MIXED = {
    ("call", "bad"): "driver",
    ("invoice", "bad"): "not separable",
    ("payment", "bad"): "not separable",
    ("mail", "bad"): "too little data",
    ("shop", "bad"): "no evidence",
    ("shop", "contact"): "too little data",
}


def test_what_was_told_and_what_was_not_stand_apart() -> None:
    result = _result(MIXED)
    assert words.reasons(result) == [
        "Driver: call. Why driver.",
        "No evidence: shop. Why no evidence.",
    ]
    twins, thin = words.unsure(result)
    assert twins == "Not separable: invoice and payment. Why not separable."
    assert thin.startswith("Too little data on how contacts turn out at mail: ")
    assert words.unsure(Result("churn_drivers", result.table, (), {"form": "snapshot"})) == []


def test_the_order_is_told_only_of_several_drivers() -> None:
    ranks = pd.DataFrame({"touchpoint": ["call", "app"], "not_told_from": ["app", "call"]})
    both = _result(MIXED, ranks=Result("ranks", ranks, sentence="Not sure."))
    assert words.unsure(both)[0] == "Not sure."
    assert _by_id(words.findings(both, "05"))["drivers.order"] == "Not sure."
    one = _result(MIXED, ranks=Result("ranks", ranks[:1].assign(not_told_from=""), sentence="One."))
    assert "One." not in words.unsure(one)
    assert "drivers.order" not in _by_id(words.findings(one, "05"))


def test_of_good_and_bad_contacts_the_one_not_told_is_named() -> None:
    result = _result(
        {("call", "bad"): "driver", ("call", "good"): "too little data",
         ("mail", "bad"): "too little data", ("mail", "good"): "too little data"}
    )  # fmt: skip
    (thin,) = words.unsure(result)
    assert "turn out at call (good contacts) and mail:" in thin


def test_findings_tell_how_long_effects_last_and_what_is_unsure() -> None:
    found = words.findings(_result(MIXED), "05")
    told = _by_id(found)
    assert list(told) == ["drivers.summary", "drivers.call.bad", "drivers.half_life",
                          "drivers.not_separable", "drivers.too_little"]  # fmt: skip
    lasting = next(f for f in found if f.id == "drivers.half_life")
    assert (lasting.estimate, lasting.conf_low, lasting.conf_high) == (20.0, 10.0, 40.0)
    assert lasting.unit == "days"
    assert lasting.statement == (
        "The effect of a contact has halved after 20 days (95% interval 10 to 40)."
    )
    assert "invoice and payment cannot be judged apart." in told["drivers.not_separable"]
    own = _result(MIXED, meta={"own_half_lives": {"call": [60.0, 30.0, 112.0]}})
    assert _by_id(words.findings(own, "05"))["drivers.half_life"] == (
        "At call it has halved after 60 days (30 to 112). Elsewhere the effect of a contact has "
        "halved after 20 days (95% interval 10 to 40)."
    )


@pytest.mark.parametrize(("lost", "said"), [(9.4, "cost 9 customers"), (1.3, "cost 1 customer (")])
def test_customers_lost_are_counted_in_words_that_fit(lost: float, said: str) -> None:
    result = _result({("call", "bad"): "driver"})
    result.table["attributable_churn"] = lost
    assert said in _by_id(words.findings(result, "05"))["drivers.call.bad"]


def test_without_a_driver_or_a_chosen_half_life_nothing_lasts() -> None:
    quiet = _result({("shop", "bad"): "no evidence"})
    assert list(_by_id(words.findings(quiet, "05"))) == ["drivers.summary"]
    given = _result(MIXED, meta={"half_life_low": np.nan, "half_life_high": np.nan})
    assert "drivers.half_life" not in _by_id(words.findings(given, "05"))


def test_what_differs_between_customers_is_a_finding() -> None:
    for name, column in (("segments", "differs"), ("by_tenure", "changes")):
        for told in (True, False):
            part = Result(name, pd.DataFrame({column: [False, told]}), sentence="It differs.")
            found = _by_id(words.findings(_result(MIXED, **{name: part}), "05"))
            assert (f"drivers.{name}" in found) == told


def test_a_long_list_of_what_is_not_told_is_cut_in_findings_alone() -> None:
    many = {(f"t{i}", "bad"): "too little data" for i in range(12)}
    result = _result({("call", "bad"): "driver", **many})
    assert "t7 and 4 more" in _by_id(words.findings(result, "05"))["drivers.too_little"]
    assert "t11" in words.unsure(result)[0]
