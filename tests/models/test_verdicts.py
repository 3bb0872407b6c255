from __future__ import annotations

from dataclasses import replace

import pytest

from cxlab.models.verdicts import VERDICTS, Evidence, judge

CLEAR = Evidence(kind="bad", customers=500, modelled=True, coef=1.0, se=0.2, q=0.001)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "driver"),
        ({"coef": -1.0}, "protective"),
        ({"kind": "good", "coef": -1.0}, "protective"),
        ({"q": 0.2, "coef": 0.2}, "no evidence"),
        # The interval of 1.0 and 0.2 reaches exp(1.39) = 4.0: a strong effect is not ruled out.
        ({"q": 0.2}, "too little data"),
        ({"q": 0.2, "coef": -1.0}, "no evidence"),
        ({"kind": "good", "q": 0.2, "coef": -1.0}, "too little data"),
        ({"q": 0.2, "coef": 300.0}, "too little data"),
        ({"inseparable_from": ("invoice",)}, "not separable"),
        ({"decided": True}, "reverse causation suspected"),
        ({"decided": True, "q": 0.2, "coef": 0.2}, "no evidence"),
        ({"sours": True}, "reverse causation suspected"),
        ({"sours": True, "coef": -1.0}, "protective"),
        ({"recent_only": True, "thin_old": True}, "too little data"),
        ({"exit_stage": True}, "reverse causation suspected"),
        ({"exit_stage": True, "q": 0.2, "coef": 0.2}, "no evidence"),
        ({"recent_only": True}, "reverse causation suspected"),
        ({"untested": True, "recent_only": True}, "reverse causation suspected"),
        ({"kind": "contact", "by_definition": True}, "not separable"),
        ({"pooled_recent_only": True}, "reverse causation suspected"),
        ({"pooled_recent_only": True, "coef": -1.0}, "protective"),
        ({"customers": 9}, "too little data"),
        ({"modelled": False}, "too little data"),
        ({"se": 0.9, "q": 0.2}, "too little data"),
        ({"se": 0.9, "coef": 4.0}, "driver"),
        ({"coef": float("nan"), "se": float("nan"), "q": float("nan")}, "not separable"),
        ({"kind": "contact"}, "no evidence"),
        ({"kind": "contact", "follows_decision": True}, "reverse causation suspected"),
        ({"kind": "contact", "exit_stage": True}, "reverse causation suspected"),
        ({"kind": "contact", "customers": 3}, "too little data"),
        ({"customers": 29, "least": 30}, "too little data"),
        ({"customers": 30, "least": 30}, "driver"),
    ],
)
def test_verdicts(change: dict[str, object], verdict: str) -> None:
    found, why = judge(replace(CLEAR, **change))  # type: ignore[arg-type]
    assert found == verdict
    assert found in VERDICTS
    assert why.endswith(".")


def test_contacts_that_come_together_are_named() -> None:
    nothing = float("nan")
    for coef in (1.0, nothing):
        evidence = replace(CLEAR, coef=coef, q=coef, inseparable_from=("chat", "line"))
        verdict, why = judge(evidence)
        assert verdict == "not separable" and "together with those of chat and line:" in why


def test_few_customers_are_counted() -> None:
    told = [judge(replace(CLEAR, customers=n))[1] for n in (0, 1, 2)]
    assert told == [
        "No customer had such a contact.",
        "Only 1 customer had such a contact.",
        "Only 2 customers had such a contact.",
    ]


@pytest.mark.parametrize("follows", [True, False])
@pytest.mark.parametrize("coef", [3.0, -3.0])
def test_a_contact_is_never_a_driver(coef: float, follows: bool) -> None:
    evidence = replace(CLEAR, kind="contact", coef=coef, follows_decision=follows)
    assert judge(evidence)[0] not in ("driver", "protective")
