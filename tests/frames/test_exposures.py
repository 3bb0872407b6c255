from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.frames import exposures
from cxlab.frames.exposures import Kernel, contact_counts, contacts, measure

Make = Callable[..., Dataset]
CUSTOMERS = """customer_id,started_at,ended_at
a,2025-01-01,
b,2025-01-01,2025-03-01"""
CONTACTS = """interaction_id,customer_id,occurred_at,touchpoint,outcome
1,a,2024-12-20,call,failed
2,a,2025-01-10T12:00:00Z,call,ok
3,a,2025-01-10T12:00:00Z,call,failed
4,a,2025-01-20,app,
5,a,2025-01-30,call,failed
6,b,2025-01-15,app,failed"""


def _day(text: str) -> float:
    return (pd.Timestamp(text) - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _rows(*pairs: tuple[str, str]) -> pd.DataFrame:
    cut = np.array([_day(d) for _, d in pairs])
    return pd.DataFrame({"customer_id": [c for c, _ in pairs], "cut": cut, "mid": cut + 0.5})


def test_decayed_sums_by_hand(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, interactions=CONTACTS)
    known = contacts(dataset)
    assert known.touchpoints == ("app", "call")
    assert known.classes == ("bad", "unknown")
    rows = _rows(("a", "2025-01-30"), ("b", "2025-01-30"), ("nobody", "2025-01-30"))
    kernels = {
        "d": Kernel(10.0),
        "slope": Kernel(10.0, slope=True),
        "n": Kernel(),
        "recent": Kernel(high=14.0),
        "old": Kernel(10.0, low=14.0),
    }
    found = measure(dataset, known, rows, kernels, washout_days=3)
    ages = np.array([41.5, 20.0, 20.0])  # the contact of the day itself is not behind the row
    decay = 0.5 ** (ages / 10)
    assert found["d", "all"][0].tolist() == pytest.approx([0.5 ** (10.5 / 10), decay.sum()])
    assert found["d", "bad"][0].tolist() == pytest.approx([0, decay[[0, 2]].sum()])
    assert found["d", "unknown"][0].tolist() == pytest.approx([0.5**1.05, 0])
    assert found["slope", "all"][0, 1] == pytest.approx((decay * ages * np.log(2) / 10).sum())
    assert found["n", "all"].tolist() == [[1, 3], [1, 0], [0, 0]]
    assert found["recent", "all"].tolist() == [[1, 0], [0, 0], [0, 0]]
    assert found["old", "bad"][0, 1] == pytest.approx(decay[[0, 2]].sum())


def test_the_slope_is_the_derivative_by_the_log_of_the_half_life(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, interactions=CONTACTS)
    step = 1e-5
    kernels = {
        "up": Kernel(10 * np.exp(step)), "down": Kernel(10 * np.exp(-step)),
        "slope": Kernel(10.0, slope=True),
    }  # fmt: skip
    found = measure(dataset, contacts(dataset), _rows(("a", "2025-02-20")), kernels, 3)
    change = (found["up", "bad"] - found["down", "bad"]) / (2 * step)
    np.testing.assert_allclose(found["slope", "bad"], change, rtol=1e-6)


def test_washout_leaves_out_recent_contacts_and_age_still_counts_from_them(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, interactions=CONTACTS)
    rows = _rows(("a", "2025-01-13"), ("a", "2025-01-14"))
    found = measure(dataset, contacts(dataset), rows, {"n": Kernel(), "d": Kernel(10.0)}, 3)
    # Noon of January 10 is not three whole days before January 13, but is before the 14th.
    assert found["n", "all"][:, 1].tolist() == [1, 3]
    assert found["d", "all"][1, 1] == pytest.approx(2 * 0.5**0.4 + 0.5**2.55)


def test_sums_are_the_same_however_many_blocks_and_whatever_order_of_rows(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(5)
    names = np.array(["a", "b", "c", "d"])
    count, start = 400, _day("2025-01-01")
    who, where = generator.integers(0, 4, count), generator.integers(0, 3, count)
    # By the second, as files have it.
    at = start + np.floor(generator.uniform(0, 80, count) * 86_400) / 86_400
    bad = generator.random(count) < 0.2
    interactions = pd.DataFrame(
        {
            "customer_id": names[who],
            "occurred_at": pd.to_datetime(np.round(at * 86_400), unit="s"),
            "touchpoint": np.array(["app", "call", "shop"])[where],
            "outcome": np.where(bad, "failed", "ok"),
        }
    )
    customers = "customer_id,started_at,ended_at\n" + "\n".join(f"{c},2024-12-01," for c in names)
    dataset = make(customers=customers + "\ne,2024-12-01,2025-03-01", interactions=interactions)
    owner, cut = generator.integers(0, 4, 30), start + generator.integers(5, 90, 30)
    rows = pd.DataFrame({"customer_id": names[owner], "cut": cut, "mid": cut + 0.5})
    # Some are half of another's half-life, some are not; windows that hold few, and most.
    kernels = {
        "7": Kernel(7.0), "28": Kernel(28.0), "14": Kernel(14.0), "20": Kernel(20.0),
        "late": Kernel(28.0, high=6.0), "early": Kernel(14.0, low=6.0), "n": Kernel(),
        "slope": Kernel(14.0, slope=True), "lately": Kernel(high=40.0, classes=("bad",)),
    }  # fmt: skip
    once = measure(dataset, contacts(dataset), rows, kernels, 3)
    for limit, value in (("_FIRST", 1), ("_PAIRS", 100), ("_CELLS", 12)):
        monkeypatch.setattr(exposures, limit, value)
    parts = measure(dataset, contacts(dataset), rows, kernels, 3)
    assert ("lately", "all") not in once
    for name, kernel in kernels.items():
        age = rows["mid"].to_numpy()[:, None] - at
        weight = 0.5 ** (age / kernel.half_life) if kernel.half_life else np.ones_like(age)
        weight *= age * np.log(2) / kernel.half_life if kernel.slope and kernel.half_life else 1
        counts = (owner[:, None] == who) & (at < cut[:, None] - 3)
        weight = weight * (counts & (age >= kernel.low) & (age < kernel.high))
        for kind in kernel.classes or ("all", "bad"):
            told = weight @ ((where[:, None] == np.arange(3)) & (bad | (kind == "all"))[:, None])
            assert (told > 0).sum() > 5
            np.testing.assert_allclose(once[name, kind], told, rtol=1e-6, atol=1e-12)
            np.testing.assert_allclose(parts[name, kind], once[name, kind], rtol=1e-12)


def _measured(dataset: Dataset, rows: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    kernels = {"d": Kernel(20.0), "n": Kernel()}
    return dict(measure(dataset, contacts(dataset), rows, kernels, 3))


@pytest.mark.parametrize("judged_by", ["outcome", "score", "rules"])
def test_no_look_ahead_whatever_comes_later(make: Make, judged_by: str) -> None:
    generator = np.random.default_rng(8)
    now = pd.Timestamp("2025-02-15")
    at = pd.Timestamp("2025-01-01") + pd.to_timedelta(generator.uniform(0, 80, 300), unit="D")
    interactions = pd.DataFrame(
        {
            "interaction_id": np.arange(300),
            "customer_id": generator.choice(["a", "b"], 300),
            "occurred_at": at,
            "touchpoint": generator.choice(["app", "call", "shop"], 300),
        }
    )
    feedback = pd.DataFrame(
        {
            "interaction_id": np.arange(300),
            "metric": "csat",
            "score": generator.integers(1, 6, 300),
            "responded_at": at + pd.to_timedelta(generator.uniform(0, 20, 300), unit="D"),
        }
    )
    settings = ""
    if judged_by == "outcome":
        interactions["outcome"] = generator.choice(["ok", "failed"], 300)
    if judged_by == "rules":
        solved = generator.uniform(0, 30, 300)
        interactions["resolved_at"] = at + pd.to_timedelta(solved, unit="D")
        interactions["response_seconds"] = generator.uniform(0, 4 * 86_400, 300)
        settings = "bad: {unresolved_after_days: 7, wait_over_seconds: 86400}"
    customers = "customer_id,started_at,ended_at\na,2025-01-01,\nb,2025-01-01,2025-06-01"
    rows = _rows(("a", str(now.date())), ("b", str(now.date())))
    tables = {"customers": customers, "interactions": interactions, "feedback": feedback}
    before = _measured(make(settings, **tables), rows)
    later = pd.to_timedelta(generator.uniform(1, 40, 300), unit="D")
    for table, column in (
        (interactions, "occurred_at"), (interactions, "resolved_at"), (feedback, "responded_at"),
    ):  # fmt: skip
        if column in table:
            table[column] = table[column].where(table[column] < now, table[column] + later)
    after = _measured(make(settings, **tables), rows)
    assert before["n", "all"].sum() > 50
    assert before["n", "bad"].sum() > 5
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=str(key))


def test_scores_decide_where_there_is_no_outcome(make: Make) -> None:
    dataset = make(
        customers=CUSTOMERS,
        interactions="""interaction_id,customer_id,occurred_at,touchpoint
        1,a,2025-01-10,call
        2,a,2025-01-11,call
        3,a,2025-01-12,call
        4,a,2025-01-13,call""",
        feedback="""customer_id,interaction_id,metric,score,responded_at
        a,1,csat,1,2025-01-12
        a,2,nps,9,2025-01-12
        a,3,ces,4,2025-02-20""",
    )
    known = contacts(dataset)
    assert known.classes == ("bad", "good", "unknown")
    rows = _rows(("a", "2025-02-01"), ("a", "2025-03-01"))
    found = measure(dataset, known, rows, {"n": Kernel()}, 0)
    counts = {c: found["n", c][:, 0].tolist() for c in ("all", *known.classes)}
    # The third contact is judged only with its answer of February 20, and ordinary then.
    assert counts == {"all": [4, 4], "bad": [1, 1], "good": [1, 1], "unknown": [2, 1]}


def test_what_is_never_resolved_is_not_unresolved(make: Make) -> None:
    dataset = make(
        "bad: {unresolved_after_days: 7, wait_over_seconds: 60}",
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint,outcome,resolved_at
        a,2025-01-10,call,ok,2025-01-11
        a,2025-01-11,call,ok,
        a,2025-01-12,page,ok,""",
    )
    known = contacts(dataset)
    rows = _rows(("a", "2025-01-17"), ("a", "2025-02-01"))
    found = measure(dataset, known, rows, {"n": Kernel()}, 0)
    assert known.touchpoints == ("call", "page")
    # Bad from the seventh day on; the page, which resolves nothing, stays ordinary.
    assert found["n", "bad"].tolist() == [[0, 0], [1, 0]]
    assert known.unmet == ("wait_over_seconds needs the column response_seconds",)


def test_a_contact_is_of_one_class_at_a_time(make: Make) -> None:
    dataset = make(
        "bad: {wait_over_seconds: 60}",
        customers=CUSTOMERS,
        interactions="""interaction_id,customer_id,occurred_at,touchpoint,response_seconds
        1,a,2025-01-10,call,5
        2,a,2025-01-11,call,500
        3,a,2025-01-12,call,""",
        feedback="""customer_id,interaction_id,metric,score,responded_at
        a,1,csat,5,2025-01-11
        a,1,nps,2,2025-01-13
        a,2,csat,5,2025-01-12""",
    )
    rows = _rows(("a", "2025-01-12"), ("a", "2025-02-01"))
    found = measure(dataset, contacts(dataset), rows, {"n": Kernel()}, 0)
    counts = {c: found["n", c][:, 0].tolist() for c in ("all", "bad", "good", "unknown")}
    # The first is good until its worse answer comes; the second waited too long, whatever
    # its score; the third, whose wait is not known, is judged by nobody.
    assert counts == {"all": [2, 3], "bad": [1, 2], "good": [1, 0], "unknown": [0, 1]}


def test_outcome_and_score_are_never_mixed(make: Make) -> None:
    dataset = make(
        customers=CUSTOMERS,
        interactions="""interaction_id,customer_id,occurred_at,touchpoint,outcome
        1,a,2025-01-10,call,ok""",
        feedback="""interaction_id,metric,score,responded_at
        1,csat,1,2025-01-12""",
    )
    assert contacts(dataset).classes == ("bad",)
    found = measure(dataset, contacts(dataset), _rows(("a", "2025-02-01")), {"n": Kernel()}, 0)
    assert found["n", "bad"].tolist() == [[0]]


def test_nothing_tells_bad_contacts(make: Make) -> None:
    dataset = make(
        customers=CUSTOMERS,
        interactions="""customer_id,occurred_at,touchpoint
        a,2025-01-10,call""",
    )
    known = contacts(dataset)
    assert known.classes == ()
    assert "nothing tells" in known.text


def test_counts_are_of_the_customers_at_risk(make: Make) -> None:
    dataset = make(customers=CUSTOMERS, interactions=CONTACTS)
    until = _day("2025-01-25")
    only = dataset.attach(pd.DataFrame({"customer_id": ["a"], "until": [until]}))
    table = contact_counts(dataset, contacts(dataset), only)
    found = {
        (r["touchpoint"], r["class"]): (r["exposures"], r["customers"]) for _, r in table.iterrows()
    }
    assert found == {
        ("app", "contact"): (1, 1),
        ("call", "bad"): (2, 1),
        ("call", "contact"): (3, 1),
    }
