"""Claims tested where the truth is known, by hand, and on data that lack what they take."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_world
from warning_world import save, tables

from cxlab.analyses import cx_claims
from cxlab.analyses.cx_claims import effort, feelings, leaving, promoters, remembered
from cxlab.analyses.cx_claims.catalogue import (
    CANNOT,
    CLAIMS,
    FAILS,
    HOLDS,
    p_of,
    verdict,
    wanted,
)
from cxlab.analyses.cx_claims.study import Answer, Options, Study, compared
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.frames.journeys import order
from cxlab.results import Result

Write = Callable[..., Path]
DIRECTIONAL = {c.id for c in CLAIMS if c.directional}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Failures drive customers away; busy ones meet more of them, use more channels, and stay."""
    folder = tmp_path_factory.mktemp("busy") / "data"
    write(simulate("confounded", 2200, 7, texts=False), folder)
    settings = (folder / "dataset.yml").read_text(encoding="utf-8")
    (folder / "dataset.yml").write_text(settings + "acquisition_cost: 90\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def told(busy: Path) -> Result:
    return cx_claims.run(load(busy))


def _rows(result: Result) -> pd.DataFrame:
    return result.table.set_index("claim")


# -- the rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "holds", "said"),
    [
        (0.1, 0.4, (0.0, math.inf), HOLDS),
        (-0.1, 0.4, (0.0, math.inf), CANNOT),
        (-0.4, -0.1, (0.0, math.inf), FAILS),
        (-0.4, 0.0, (0.0, math.inf), FAILS),
        (0.0, 0.4, (0.0, math.inf), CANNOT),
        (6.0, math.inf, (5.0, math.inf), HOLDS),
        (0.3, 0.9, (0.25, 0.95), HOLDS),
        (0.2, 0.9, (0.25, 0.95), CANNOT),
        (0.1, 0.2, (0.25, 0.95), FAILS),
        (0.96, 1.2, (0.25, 0.95), FAILS),
        (math.nan, math.nan, (0.0, math.inf), CANNOT),
    ],
)
def test_one_rule_for_all(low: float, high: float, holds: tuple[float, float], said: str) -> None:
    assert verdict(low, high, holds) == said


def test_what_it_would_take_and_p_values() -> None:
    # Half the width is twice the distance: four times as many customers.
    assert wanted(0.1, -0.1, 0.3, (0.0, math.inf)) == pytest.approx(4)
    assert wanted(0.001, -0.1, 0.1, (0.0, math.inf)) is None
    assert p_of(1.96, 0.0, 3.92, 0.0, False) == pytest.approx(0.05, abs=1e-4)
    assert p_of(2.0, 1.0, 4.0, 1.0, True) == pytest.approx(0.05, abs=1e-4)
    assert math.isnan(p_of(1.0, 1.0, 1.0, 0.0, False))


def test_the_comparison_is_least_squares_with_clusters() -> None:
    draw = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 5)
    x = np.column_stack([draw.normal(size=(300, 2)), np.ones(300)])
    y = x @ [1.0, 0.5, 2.0] + draw.normal(size=60)[who] + draw.normal(size=300)
    weight = draw.uniform(0.5, 2, 300)
    found = compared(x, y, who, np.array([1.0, 2.0]), weight)
    # The sandwich, written out; the sums by customer (Liang and Zeger 1986).
    bread = np.linalg.inv(x.T @ (weight[:, None] * x))
    b = bread @ x.T @ (weight * y)
    scores = (weight * (y - x @ b))[:, None] * x
    meat = sum(np.outer(v, v) for v in (scores[who == c].sum(axis=0) for c in range(60)))
    take = np.array([1.0, 2.0, 0.0])
    se = math.sqrt(take @ bread @ meat @ bread @ take * 60 / 59 * 299 / 297)
    assert found.estimate == pytest.approx(take @ b, rel=1e-9)
    # Student's quantile on the degrees of freedom that the columns carry, in place of the normal.
    assert 1.96 < (found.high - found.low) / 2 / se < 2.1


# -- where the truth is known ------------------------------------------------------------------


def test_what_is_true_holds_and_what_only_looks_so_does_not(told: Result) -> None:
    rows = _rows(told)
    assert list(rows.index) == [c.id for c in CLAIMS]
    assert rows.loc["one_bad", ["verdict", "raw_verdict", "as_large"]].tolist() == [
        HOLDS, FAILS, FAILS,
    ]  # fmt: skip
    # Channels do nothing in this world: over whole lives they seem to keep customers.
    assert rows.loc["channels", "verdict"] != HOLDS
    assert rows.loc["channels", "raw_verdict"] == HOLDS
    assert rows.loc["channels", "conf_low"] < 0 < rows.loc["channels", "conf_high"]
    assert rows.loc["lagging", "verdict"] == HOLDS
    assert rows.loc["functional", "why"].startswith("no metric of layer emotional")
    assert rows.loc["referrals", "verdict"] == CANNOT
    said = {f.id: f.statement for f in cx_claims.findings(told)}
    assert "holds here, but not as large as claimed" in said["claims.one_bad"]
    assert "A plain correlation" in told.sentence


def test_one_bad_experience_is_what_matching_finds(busy: Path, told: Result) -> None:
    from cxlab.analyses.retention.first_bad import first_bad
    from cxlab.analyses.retention.seen import see

    data = load(busy)
    table = first_bad(data, see(data), 10)["first_bad"].table.set_index("term")
    matched = table.loc["after 90 days"]
    mine = _rows(told).loc["one_bad"]
    apart = math.hypot(*(r["conf_high"] - r["conf_low"] for r in (mine, matched))) / 4
    assert abs(mine["estimate"] + matched["estimate"]) < apart
    ratio = (mine["conf_high"] - mine["conf_low"]) / (matched["conf_high"] - matched["conf_low"])
    assert 0.6 < ratio < 1.4


def test_five_more_points_and_the_cost_of_winning_by_hand(busy: Path, told: Result) -> None:
    from cxlab.frames.paying import paying
    from cxlab.models.lifetime_value import Terms, worth_of

    data, rows = load(busy), _rows(told)
    made = worth_of(paying(data), Terms(), 10)
    assert not isinstance(made, str)
    gain = made.gains([0.05])[0]
    assert gain is not None
    share = gain.value / made.total.value
    assert rows.loc["retention", "estimate"] == pytest.approx(share)
    stay = made.retention.value
    assert rows.loc["retention", "raw"] == pytest.approx((1 - stay) / (0.95 - stay) - 1)
    spent = pd.read_parquet(busy / "touchpoints.parquet")["fix_cost"].sum()
    study = Study(data, Options())
    kept = leaving.one_bad(study).facts["firsts"] * rows.loc["one_bad", "estimate"]
    assert rows.loc["winning", "estimate"] == pytest.approx(90 * kept / spent)
    customers = study.risk.customers
    assert rows.loc["winning", "raw"] == pytest.approx(90 * customers / spent)
    assert rows.loc["winning", "raw_verdict"] != CANNOT  # the same sum for all: no interval


def test_good_scores_and_unhappy_by_plain_pandas(busy: Path, told: Result) -> None:
    feedback = pd.read_parquet(busy / "feedback.parquet").dropna(subset=["score", "responded_at"])
    people = pd.read_parquet(busy / "customers.parquet")
    over = people["cancelled_at"].fillna(people["ended_at"])
    people = people.assign(over=over, left=over.notna() & (people["end_reason"] == "voluntary"))
    end, feed = pd.Timestamp("2026-07-01"), pd.Timestamp("2024-07-01")
    whole = feedback[feedback["metric"] == "nps"].merge(people, on="customer_id")
    at = whole["responded_at"]
    whole = whole[(at >= np.maximum(whole["started_at"], feed)) & ~(at >= whole["over"])
                  & (at <= end - pd.Timedelta(days=90))]  # fmt: skip
    whole = whole.reset_index(drop=True).assign(row=lambda t: t.index)
    scores = feedback[feedback["metric"] == "csat"][["customer_id", "responded_at", "score"]]
    both = whole.merge(scores, on="customer_id", suffixes=("", "_contact"))
    age = both["responded_at"] - both["responded_at_contact"]
    both = both[(age > pd.Timedelta(0)) & (age < pd.Timedelta(days=180))]
    each = both.groupby("row")["score_contact"].agg(["size", "min"])
    mine = whole.loc[each.index[(each["size"] >= 2) & (each["min"] >= 4)]]
    gone = mine["left"] & (mine["over"] - mine["responded_at"] <= pd.Timedelta(days=90))
    share = ((mine["score"] <= 6) | gone).mean()
    row = _rows(told).loc["hidden"]
    assert row["estimate"] == pytest.approx(share)
    assert row["n"] == mine["customer_id"].nunique()
    assert row["conf_low"] < share < row["conf_high"]


def test_in_a_world_without_effects_next_to_nothing_holds(tmp_path: Path) -> None:
    write(simulate("null", 1000, 11, texts=False), tmp_path / "null")
    table = cx_claims.run(load(tmp_path / "null")).table
    rows = table[table["claim"].isin(DIRECTIONAL) & table["estimate"].notna()].set_index("claim")
    assert len(rows) >= 6
    # At a fortieth each, more than one would come in one world of sixty; see benchmarks/claims.py.
    assert (rows["verdict"] == HOLDS).sum() <= 1
    assert rows.loc["channels", "raw_verdict"] == HOLDS


def test_channels_joined_by_hand(write_files: Write) -> None:
    contacts = """interaction_id,customer_id,occurred_at,touchpoint,channel,outcome,journey_id
        1,a,2025-03-10,call,phone,ok,j1
        2,a,2025-03-11,chat,web,failed,j1
        3,a,2025-03-12,chat,web,ok,j1
        4,a,2025-03-13,leave,store,ok,
        5,b,2025-03-20,call,phone,ok,j2
        6,b,2025-03-21,chat,web,ok,j2
        7,b,2025-01-03,chat,web,ok,
        8,b,2025-03-23,mail,,ok,"""
    people = "customer_id,started_at,ended_at\na,2025-01-01,2025-06-29\nb,2025-01-01,\n"
    folder = write_files(
        {"customers.csv": people, "interactions.csv": contacts.replace("\n        ", "\n"),
         "touchpoints.csv": "touchpoint,stage\nleave,exit\n",
         "dataset.yml": "observed_from: 2025-01-01\nobserved_until: 2025-06-30\n"}
    )  # fmt: skip
    study = Study(load(folder), Options(horizon_days=60, window_days=60, step_days=300))
    used = leaving._used(study, order(study.dataset).cut(7.0))
    # On May 2nd, the contacts from March 3rd on: neither those of an exit nor without a channel.
    columns = ["contacts", "channels", "bad", "handoffs", "again"]
    assert used[columns].to_numpy().tolist() == [[3, 2, 1, 1, 1], [2, 2, 0, 1, 0]]


def test_what_promoters_pay_by_plain_pandas(busy: Path, told: Result) -> None:
    rows = Study(load(busy), Options()).overall
    assert not isinstance(rows, str)
    mine = rows.rows[rows.rows["at"] <= rows.end - 90]
    pays = mine["monthly_value"] + mine["paid_before"] / 90 * 365.25 / 12
    gap = pays[mine["high"]].mean() - pays[~mine["high"]].mean()
    assert _rows(told).loc["spend", "raw"] == pytest.approx(gap)


@pytest.mark.parametrize(("bad", "said"), [(1.6, HOLDS), (0.0, CANNOT)])
def test_function_before_feeling(tmp_path: Path, bad: float, said: str) -> None:
    truth = small_world.Truth(bad=bad, feeling_held=-0.3 if bad else 0.0)
    data = load(small_world.make(tmp_path / "data", truth, seed=3, customers=1000))
    found = feelings.functional(Study(data, Options(horizon_days=30, window_days=60))).adjusted
    assert found is not None
    assert verdict(found.low, found.high, (1.0, math.inf)) == said
    # Of a fresh contact; within the horizon effects fade.
    assert found.low < math.exp(bad / 2) < found.high


def test_effort_by_hand(tmp_path: Path) -> None:
    """Who is asked CES gives what NPS was; then the two tell alike, and CSAT tells nothing."""
    made = tables(5, 900)
    feedback = made["feedback"]
    given = feedback[feedback["metric"] == "nps"].assign(metric="ces")
    given["score"] = 1 + given["score"] * 0.6
    made["feedback"] = pd.concat([feedback, given], ignore_index=True)
    study = Study(load(save(tmp_path / "data", made, "")), Options(horizon_days=60))
    found = effort.effort(study)
    same, better = (found[name].adjusted for name in ("effort_nps", "effort_csat"))
    assert same is not None and better is not None
    assert same.estimate == pytest.approx(0, abs=1e-12)
    assert verdict(same.low, same.high, (0.0, math.inf)) == CANNOT
    assert better.estimate > 0.02 and better.high > 0.05


# -- what is not there -------------------------------------------------------------------------


def test_nothing_after_as_of_is_seen(busy: Path, tmp_path: Path) -> None:
    day, later = "2025-12-31", pd.Timestamp("2026-01-01")
    cut = tmp_path / "cut"
    cut.mkdir()
    for name, times in {"customers": ("ended_at", "cancelled_at"), "interactions": ("resolved_at",),
                        "feedback": ("responded_at",)}.items():  # fmt: skip
        table = pd.read_parquet(busy / f"{name}.parquet")
        first = {"customers": "started_at", "interactions": "occurred_at"}.get(name, "asked_at")
        table = table[table[first] < later].copy()
        for column in times:
            table.loc[table[column] >= later, column] = pd.NaT
        if name == "feedback":
            table.loc[table["responded_at"].isna(), "score"] = np.nan
        table.to_parquet(cut / f"{name}.parquet", index=False)
    shutil.copy(busy / "touchpoints.parquet", cut)
    (cut / "dataset.yml").write_text("observed_until: 2025-12-31\ncurrency: EUR\n")
    one, two = (Study(load(f, day), Options()) for f in (busy, cut))
    for test in (leaving.one_bad, remembered.bad_good, remembered.hidden, remembered.lagging,
                 promoters.spend):  # fmt: skip
        for mine, other in zip(_figures(test(one)), _figures(test(two)), strict=True):
            assert mine == pytest.approx(other, rel=1e-6)
    first, second = (effort.effort(s)["effort_nps"] for s in (one, two))
    assert _figures(first) == pytest.approx(_figures(second), rel=1e-6)


def _figures(answer: Answer) -> list[float]:
    assert answer.adjusted is not None and answer.raw is not None
    told = (answer.adjusted, answer.raw)
    return [v for t in told for v in (t.estimate, t.low, t.high, t.n)]


CUSTOMERS = """customer_id,started_at,ended_at
    a,2025-01-01,2025-03-01
    b,2025-01-01,"""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, {"one_bad": "no table interactions", "effort_csat": "no table feedback"}),
        (
            {"interactions.csv": "customer_id,occurred_at,touchpoint\na,2025-01-02,x\n",
             "feedback.csv": "customer_id,responded_at,metric,score\nb,2025-02-01,nps,9\n"},
            {"one_bad": "tells a bad", "channels": "no channel", "effort_nps": "no metric ces",
             "bad_good": "known to be bad", "hidden": "no scores of contacts",
             "spend": "what customers pay", "retention": "monthly_value"},
        ),
        (
            {"interactions.csv": "customer_id,occurred_at,touchpoint,channel,outcome\n"
             "a,2025-01-02,<b>$x$</b>,,\nb,2025-01-02,y,,\n",
             "feedback.csv": "customer_id,responded_at,metric,score\n,2025-01-03,nps,\n"},
            {"one_bad": "", "channels": "", "lagging": "", "peak_end": "", "effort_csat": ""},
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(
    write_files: Write, more: dict[str, str], why: dict[str, str]
) -> None:
    result = cx_claims.run(load(write_files({"customers.csv": CUSTOMERS, **more})))
    rows = _rows(result)
    for claim, text in why.items():
        assert rows.loc[claim, "verdict"] == CANNOT
        assert rows.loc[claim, "why"] and text in rows.loc[claim, "why"]
    assert result.sentence.startswith("Of 13 claims")
    assert cx_claims.findings(result)[0].statement == result.sentence
    assert "acquisition_cost in dataset.yml" in rows.loc["winning", "why"]


def test_of_a_snapshot_only_what_retention_is_worth_is_told(write_files: Write) -> None:
    draw = np.random.default_rng(1)
    tenure = draw.exponential(400, 300).clip(1, 900).astype(int)
    lines = [f"c{i},{t},{int(t < 900)},{10 + i % 5}" for i, t in enumerate(tenure)]
    text = "customer_id,tenure,churned,monthly_value\n" + "\n".join(lines) + "\n"
    rows = _rows(cx_claims.run(load(write_files({"customers.csv": text}))))
    assert np.isfinite(rows.loc["retention", "estimate"])
    assert rows["estimate"].notna().sum() == 1
    assert rows.loc["one_bad", "why"].startswith("a snapshot is not dated")


def test_where_churn_is_silence_it_says_so(tmp_path: Path) -> None:
    made = tables(6, 300)
    made["customers"] = made["customers"].drop(columns="ended_at")
    settings = "churn: {inactivity: {days: 60}}\n"
    result = cx_claims.run(load(save(tmp_path / "data", made, settings)))
    assert any(c.name == "churn by definition" for c in result.checks)


def test_small_groups_are_withheld_and_options_refused(busy: Path) -> None:
    found = remembered.hidden(Study(load(busy), Options(min_group=1000)))
    assert found.adjusted is None and "1000 are wanted" in found.why
    with pytest.raises(UsageError, match=r"margin is 0; allowed: 0\.01 to 1"):
        cx_claims.run(load(busy), margin=0)


def test_findings_and_parts(told: Result) -> None:
    found = cx_claims.findings(told)
    decided = (told.table["verdict"] != CANNOT).sum()
    assert len(found) == 1 + decided
    assert found[1].id == "claims.one_bad" and "(PwC 2018): holds here" in found[1].statement
    assert set(told.parts) >= {c.part for c in CLAIMS} | {"told", "methods"}
    text = told["one_bad"].sentence
    assert "as a dashboard has it: −" in text and "Why the two differ: whoever" in text
    assert len(told["methods"].table) == len(CLAIMS)
    again = Result.from_dict(told.to_dict())
    assert again.sentence == told.sentence
