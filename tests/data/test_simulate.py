"""Made-up worlds: the contract holds, the truth is in the data, the twin is a twin."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.data.check import AFTER_END
from cxlab.data.dataset import load
from cxlab.data.simulate import DAYS, WORLDS, Simulation, engine, files, simulate, write
from cxlab.data.simulate.draws import keys, normal, uniform
from cxlab.data.simulate.tables import service_times
from cxlab.data.simulate.text import THEMES, sentence
from cxlab.data.simulate.worlds import STAGES
from cxlab.errors import UsageError

DEMO = Path(__file__).parents[2] / "data" / "demo"
FIRST = pd.Timestamp("2024-07-01")
AFTER = FIRST + pd.Timedelta(days=DAYS)
DRIVERS = {"support-call", "onboarding-call", "invoice", "delivery", "support-chat"}
WITHOUT_EFFECT = {"null", "unlucky", "souring", "shock"}
NAMES = [
    *("plain", "null", "confounded", "unlucky", "exit", "leaver-decides", "souring", "notice"),
    *("immortal", "feedback", "frailty", "repeat-contacts", "shock", "silent", "rare", "twins"),
    *("mixed", "competing", "gaps", "handled", "demo"),
]


@cache
def made(world: str, customers: int = 1200, seed: int = 3, **more: Any) -> Simulation:
    return simulate(world, customers, seed, **({"texts": False} | more))


def small(world: str) -> Simulation:
    return made(world, 300, texts=True)


def days(times: Any) -> Any:
    return ((times - FIRST) / pd.Timedelta(days=1)).to_numpy()


def read(folder: Path) -> dict[str, pd.DataFrame]:
    return {p.stem: pd.read_parquet(p) for p in folder.glob("*.parquet")}


def same(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert set(one) == set(other)
    for name, table in one.items():
        pd.testing.assert_frame_equal(table, other[name], obj=name, check_exact=True)


# -- the demo -------------------------------------------------------------------------------


def test_the_demo_in_the_repository_is_what_its_command_makes() -> None:
    again = simulate("demo", 5000, 1)
    same(read(DEMO), again.tables)
    assert json.loads((DEMO / "truth.json").read_text(encoding="utf-8")) == again.truth
    assert sum(p.stat().st_size for p in DEMO.iterdir()) < 5_000_000


def test_the_demo_is_neither_too_quiet_nor_too_loud() -> None:
    tables = read(DEMO)
    contacts = tables["interactions"]
    people = tables["customers"]["customer_id"].nunique()
    left = tables["customers"]["ended_at"].notna().sum()
    assert 0.25 < left / people < 0.40
    assert 20 < len(contacts) / people < 30
    failed = contacts["outcome"].eq("failed").groupby(contacts["touchpoint"]).mean()
    assert failed.between(0.04, 0.22).all()
    assert 0.01 < tables["customers"]["customer_id"].duplicated().sum() / people < 0.03
    points = tables["touchpoints"]
    assert len(points) >= 16
    assert set(points["stage"]) == set(STAGES)
    assert set(contacts["channel"]) == {"web", "app", "phone", "email", "store"}
    assert (tables["feedback"]["comment"].dropna().value_counts(normalize=True) < 0.01).all()
    assert tables["interventions"]["touchpoint"].isin(points["touchpoint"]).all()


# -- the contract ---------------------------------------------------------------------------


@pytest.mark.parametrize("world", WORLDS)
def test_customers_keep_the_contract(world: str) -> None:
    customers = small(world).tables["customers"]
    assert not customers.duplicated(["customer_id", "started_at"]).any()
    assert customers["customer_id"].nunique() == 300
    assert (customers["started_at"] < AFTER).all()
    end, notice = customers["ended_at"], customers["cancelled_at"]
    assert not (end < customers["started_at"]).any()
    assert (notice.dropna() < AFTER).all()
    assert (end[notice.isna()].dropna() < AFTER).all()
    assert end.notna().eq(customers["end_reason"].notna()).all()
    voluntary = customers["end_reason"].eq("voluntary")
    if WORLDS[world].notice_days:
        assert notice.notna().eq(voluntary).all()
        assert (end - notice).dropna().between(pd.Timedelta(days=1), pd.Timedelta(days=60)).all()
    else:
        assert notice.isna().all()
    assert (customers["monthly_value"] > 0).all()
    for _, spells in customers[customers["customer_id"].duplicated(keep=False)].groupby(
        "customer_id"
    ):
        rows = spells.sort_values("started_at").itertuples()
        assert all(later.started_at > earlier.ended_at for earlier, later in pairwise(rows))


@pytest.mark.parametrize("world", WORLDS)
def test_contacts_keep_the_contract(world: str) -> None:
    tables = small(world).tables
    contacts = tables["interactions"]
    assert contacts["interaction_id"].is_unique
    assert contacts["customer_id"].isin(tables["customers"]["customer_id"]).all()
    assert contacts["occurred_at"].between(FIRST, AFTER, inclusive="left").all()
    assert contacts["occurred_at"].is_monotonic_increasing
    assert contacts["outcome"].isin(["ok", "failed"]).all()
    assert set(contacts["touchpoint"]) <= set(tables["touchpoints"]["touchpoint"])
    assert not (contacts["resolved_at"] < contacts["occurred_at"]).any()
    assert not (contacts["resolved_at"] >= AFTER).any()
    assert (contacts["value"].dropna() > 0).all()
    handed = contacts.dropna(subset="journey_id").groupby("journey_id")
    assert (handed.size() > 1).all()
    assert handed["customer_id"].agg(lambda c: c.eq(c.iloc[0]).all()).all()
    last = tables["customers"].groupby("customer_id")["ended_at"].agg(lambda e: e.iloc[-1])
    assert not (contacts["occurred_at"] > contacts["customer_id"].map(last)).any()
    first = tables["customers"].groupby("customer_id")["started_at"].min()
    early = contacts[contacts["occurred_at"] < contacts["customer_id"].map(first)]
    assert set(early["touchpoint"]) == {"advert", "website-visit"}


@pytest.mark.parametrize("world", WORLDS)
def test_answers_keep_the_contract(world: str) -> None:
    tables = small(world).tables
    asked = tables["feedback"]
    scales = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
    for metric, (low, high) in scales.items():
        scores = asked.loc[asked["metric"] == metric, "score"]
        assert 0.2 < scores.notna().mean() < 0.8
        assert scores.dropna().between(low, high).all()
    assert set(asked["metric"]) == set(scales)
    answered = asked["responded_at"].notna()
    for column in ("score", "response_id"):
        assert asked[column].notna().eq(answered).all()
    assert not asked.loc[~answered, "comment"].notna().any()
    assert (asked["responded_at"] >= asked["asked_at"])[answered].all()
    assert asked["asked_at"].between(FIRST, AFTER, inclusive="left").all()
    assert not (asked["responded_at"] >= AFTER).any()
    contacts = tables["interactions"].set_index("interaction_id")
    linked = asked.dropna(subset="interaction_id")
    assert linked["metric"].isin(["csat", "ces"]).all()
    met = contacts.loc[linked["interaction_id"]]
    assert (met["touchpoint"].to_numpy() == linked["touchpoint"].to_numpy()).all()
    assert (met["occurred_at"].to_numpy() < linked["asked_at"].to_numpy()).all()
    together = asked.dropna(subset="response_id").groupby("response_id")
    assert together["customer_id"].agg(lambda c: c.eq(c.iloc[0]).all()).all()
    assert not asked.dropna(subset="response_id").duplicated(["response_id", "metric"]).any()


def test_only_exit_surveys_come_after_the_end() -> None:
    tables = made("demo").tables
    last = tables["customers"].groupby("customer_id")["ended_at"].agg(lambda e: e.iloc[-1])
    asked = tables["feedback"]
    late = asked[asked["asked_at"] > asked["customer_id"].map(last)]
    assert len(late) > 20
    assert (late["metric"] == "nps").all()
    assert late["touchpoint"].isna().all()


def test_the_unhappy_answer_less() -> None:
    tables = made("plain").tables
    outcome = tables["interactions"].set_index("interaction_id")["outcome"]
    asked = tables["feedback"].query("metric == 'csat'")
    answers = asked["score"].notna().groupby(asked["interaction_id"].map(outcome)).mean()
    assert answers["failed"] < answers["ok"] - 0.05
    score = asked.groupby(asked["interaction_id"].map(outcome))["score"].mean()
    assert score["failed"] < score["ok"] - 1


# -- the truth ------------------------------------------------------------------------------


def test_the_worlds_are_those_of_the_method() -> None:
    assert sorted(WORLDS) == sorted(NAMES)


@pytest.mark.parametrize("world", WORLDS)
def test_the_truth_names_every_touchpoint(world: str) -> None:
    simulation = small(world)
    truth, points = simulation.truth, simulation.tables["touchpoints"]
    assert list(truth)[:4] == ["world", "seed", "half_life_days", "effects"]
    assert (truth["world"], truth["seed"], truth["half_life_days"]) == (world, 3, 21.0)
    for name in ("effects", "direct_effects", "contact_effects", "half_lives"):
        assert list(truth[name]) == list(points["touchpoint"])
    strong = {t for t, effect in truth["effects"].items() if effect >= 0.5}
    more = {"rare": {"complaint"}, "twins": {"payment"}}.get(world, set())
    assert strong == (set() if world in WITHOUT_EFFECT else DRIVERS | more)
    leaving = {t.name for t in WORLDS[world].touchpoints if t.when == "exit"}
    assert set(truth["exit_touchpoints"]) == leaving
    assert bool(leaving) == (world in {"demo", "exit", "leaver-decides"})
    assert all(truth["effects"][t] == 0 for t in leaving)
    assert ("exit" in set(points["stage"])) == (world == "demo")
    assert (truth["direct_effects"] != truth["effects"]) == (world == "feedback")
    assert bool(truth["gaps"]) == (world == "gaps")
    assert bool(truth["beyond"]) == (world == "handled")
    assert bool(truth["score_effects"]) == (world == "silent")
    lives = [truth["half_lives"][t] for t, effect in truth["effects"].items() if effect]
    assert set(lives) <= {21.0} or (world == "mixed" and np.median(lives) == 21.0)
    json.dumps(truth)


@pytest.mark.parametrize("world", WORLDS)
def test_a_written_world_loads_with_nothing_but_exit_surveys_set_aside(
    world: str, tmp_path: Path
) -> None:
    write(small(world), tmp_path)
    assert {(a.table, a.rule) for a in load(tmp_path).set_aside} <= {("feedback", AFTER_END)}


def case_base(tables: dict[str, pd.DataFrame], event: str, per: int = 20) -> tuple[Any, ...]:
    """Every churn and random customer-days, with exposures from the tables alone."""
    customers, contacts = tables["customers"], tables["interactions"]

    start, end = days(customers["started_at"]), days(customers[event])
    churned = end < DAYS
    last = np.where(churned, np.floor(end), DAYS - 1).astype(int)
    entry = np.maximum(np.floor(start), 0).astype(int)
    ends = np.cumsum(last - entry + 1)
    flat = np.random.default_rng(0).choice(ends[-1], per * churned.sum(), replace=False)
    who = np.searchsorted(ends, flat, side="right")
    day = last[who] - (ends[who] - 1 - flat)
    calm = ~((day == last[who]) & churned[who])
    who, day = np.r_[np.flatnonzero(churned), who[calm]], np.r_[last[churned], day[calm]]
    y = np.arange(len(who)) < churned.sum()
    names = sorted(contacts["touchpoint"].unique())
    rows = pd.DataFrame(
        {"row": np.arange(len(who)), "customer_id": customers["customer_id"].to_numpy()[who]}
    ).assign(day=day)
    met = contacts[["customer_id"]].assign(
        at=days(contacts["occurred_at"]),
        place=pd.Categorical(contacts["touchpoint"], names).codes,
        bad=contacts["outcome"].eq("failed"),
    )
    met = rows.merge(met, on="customer_id").query("at < day")
    weight = 0.5 ** ((met["day"] + 0.5 - met["at"]) / 21.0)
    exposure = np.zeros((2, len(who), len(names)))
    np.add.at(exposure[0], (met["row"], met["place"]), weight * met["bad"])
    np.add.at(exposure[1], (met["row"], met["place"]), weight)
    tenure = np.maximum(day - start[who], 0)
    attributes = pd.get_dummies(customers[["plan", "region", "acquisition_channel"]])
    attributes = attributes.drop(
        columns=["plan_basic", "region_north", "acquisition_channel_store"]
    )
    angle = 2 * np.pi * day / 365.25
    shape = [np.exp(-tenure / 90), tenure / 365, np.sin(angle), np.cos(angle), np.ones(len(day))]
    x = np.column_stack([*exposure, attributes.to_numpy(float)[who], *shape])
    return x, y.astype(float), names


def logit(x: Any, y: Any) -> tuple[Any, Any]:
    beta = np.zeros(x.shape[1])
    beta[-1] = np.log(y.mean() / (1 - y.mean()))
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ beta))
        curvature = (x * (p * (1 - p))[:, None]).T @ x
        beta += np.linalg.solve(curvature, x.T @ (y - p))
    return beta, np.sqrt(np.diag(np.linalg.inv(curvature)))


@pytest.mark.parametrize(("world", "event"), [("plain", "ended_at"), ("notice", "cancelled_at")])
def test_decayed_exposures_read_the_effects_back(world: str, event: str) -> None:
    simulation = made(world, customers=5000)
    x, y, names = case_base(simulation.tables, event)
    beta, error = logit(x, y)
    beta, weight = beta[: len(names)], error[: len(names)] ** -2.0
    truth = np.array([simulation.truth["effects"][n] for n in names])
    slope = (weight * truth * beta).sum() / (weight * truth**2).sum()
    # four standard errors of the slope, which are 0.06 each
    assert abs(slope - 1) < 4 * (weight * truth**2).sum() ** -0.5
    assert (np.abs(beta - truth) < 3.5 * weight**-0.5).all()


def test_without_effects_failures_tell_nothing() -> None:
    x, y, names = case_base(made("null", customers=3000).tables, "ended_at")
    beta, error = logit(x, y)
    z = (beta / error)[: len(names)]
    assert (np.abs(z) < 3.8).all()
    assert np.mean(np.abs(z) > 1.96) <= 0.25


def test_the_decision_to_leave_leads_to_the_cancellation_page() -> None:
    tables = made("exit").tables
    ends = tables["customers"].set_index("customer_id")["ended_at"]
    visits = tables["interactions"].query("touchpoint == 'cancellation-page'")
    before = visits["customer_id"].map(ends) - visits["occurred_at"]
    recent, older = (before < pd.Timedelta(days=10)).sum(), before.dt.days.between(30, 40).sum()
    assert recent > 10 * max(older, 1)
    assert "cancellation-page" not in set(made("plain").tables["touchpoints"]["touchpoint"])


def test_busy_customers_leave_less_where_the_world_says_so() -> None:
    def contrast(world: str) -> float:
        tables = made(world).tables
        customers = tables["customers"].query("started_at < @FIRST")
        early = tables["interactions"]
        early = early[early["occurred_at"] < FIRST + pd.Timedelta(days=180)]
        counts = customers["customer_id"].map(early["customer_id"].value_counts()).fillna(0)
        stays = ~(customers["ended_at"] < FIRST + pd.Timedelta(days=180))
        left = customers["ended_at"].notna()[stays]
        busy = (counts > counts.median())[stays]
        return float(left[busy].mean() - left[~busy].mean())

    assert contrast("confounded") < -0.08
    assert contrast("confounded") < contrast("plain") - 0.05


# -- the traps ------------------------------------------------------------------------------


def decided(simulation: Simulation) -> Any:
    """Give each contact's days since its customer decided to leave; NaN where they had not."""
    spells = simulation.hidden["spells"].set_index("customer_id")["decided_at"]
    contacts = simulation.tables["interactions"]
    since = contacts["occurred_at"] - contacts["customer_id"].map(spells)
    return since.where(since >= pd.Timedelta(0)) / pd.Timedelta(days=1)


def share_failed(simulation: Simulation, rows: Any) -> float:
    return float(simulation.tables["interactions"]["outcome"].eq("failed")[rows].mean())


def follow_up(simulation: Simulation, touchpoints: set[str], within: float) -> tuple[float, float]:
    """Give the mean number of contacts in the days after a bad driver contact, and an ok one."""
    contacts = simulation.tables["interactions"]
    roots = contacts[contacts["touchpoint"].isin(DRIVERS)]
    pairs = roots.merge(
        contacts[contacts["touchpoint"].isin(touchpoints)], on="customer_id", suffixes=("", "_2")
    )
    after = (pairs["occurred_at_2"] - pairs["occurred_at"]) / pd.Timedelta(days=1)
    # a day on: handoffs are over sooner
    met = pairs[(after > 0.1) & (after < within)].groupby("outcome").size()
    counts = met / roots.groupby("outcome").size()
    return float(counts["failed"]), float(counts["ok"])


def leavers(simulation: Simulation) -> Any:
    customers = simulation.tables["customers"].drop_duplicates("customer_id")
    return customers["end_reason"].eq("voluntary").to_numpy()


def test_the_unlucky_fail_everywhere_and_leave_more() -> None:
    simulation = made("unlucky")
    prone = simulation.hidden["customers"].set_index("customer_id")["proneness"]
    assert abs(prone.std() - 0.7) < 0.05
    unlucky = simulation.tables["interactions"]["customer_id"].map(prone) > 0
    # at +-0.56 on average, about 20 and 8 of a hundred
    assert share_failed(simulation, unlucky) > 1.8 * share_failed(simulation, ~unlucky)
    left = leavers(simulation)
    assert left[prone > 0].mean() > left[prone <= 0].mean() + 0.1
    assert (made("null").hidden["customers"]["proneness"] == 0).all()


def test_the_leaver_makes_the_retention_call_fail() -> None:
    simulation = made("leaver-decides")
    calls = simulation.tables["interactions"]["touchpoint"] == "retention-call"
    late = decided(simulation).notna()
    assert (calls & late).sum() > 200
    assert abs(share_failed(simulation, calls & late) - 0.85) < 0.08
    assert abs(share_failed(simulation, calls & ~late) - 0.10) < 0.04
    assert abs(share_failed(simulation, ~calls & late) - 0.14) < 0.06


def test_after_the_decision_contacts_and_scores_sour() -> None:
    simulation = made("souring")
    late = decided(simulation).notna()
    assert 0.3 < share_failed(simulation, late) < 0.55
    assert abs(share_failed(simulation, ~late) - 0.137) < 0.01
    spells = simulation.hidden["spells"].set_index("customer_id")["decided_at"]
    answers = simulation.hidden["answers"].query("metric == 'nps'")
    since = answers["asked_at"] - answers["customer_id"].map(spells)
    # exit surveys come after the end and are low everywhere
    ended = simulation.tables["customers"].set_index("customer_id")["ended_at"]
    inside = ~(answers["asked_at"] > answers["customer_id"].map(ended))
    sour = inside & (since > pd.Timedelta(0))
    assert sour.sum() > 20
    assert answers["score"][sour].mean() < answers["score"][inside & ~sour].mean() - 0.8


def test_only_the_loyal_get_offers_and_the_loyal_leave_less() -> None:
    simulation = made("immortal")
    start = simulation.tables["customers"].set_index("customer_id")["started_at"]
    contacts = simulation.tables["interactions"]
    offers = contacts[contacts["touchpoint"] == "loyalty-offer"]
    tenure = offers["occurred_at"] - offers["customer_id"].map(start)
    assert len(offers) > 1000
    # the first year, less the day on which it ends
    assert tenure.min() > pd.Timedelta(days=364)

    def late_share(world: str) -> float:
        customers = made(world).tables["customers"]
        old = customers["started_at"] < FIRST - pd.Timedelta(days=500)
        first_year = customers["started_at"] > FIRST
        left = customers["ended_at"].notna()
        return float(left[old].mean() / left[first_year].mean())

    assert late_share("immortal") < 0.7 * late_share("plain")


def test_a_failure_makes_customers_less_active_where_it_feeds_back() -> None:
    everywhere = set(made("plain").tables["touchpoints"]["touchpoint"])
    bad, ok = follow_up(made("feedback"), everywhere, 15)
    same_bad, same_ok = follow_up(made("plain"), everywhere, 15)
    # 0.8 of log activity, faded by a fifth on average; chains and customers who leave in both
    assert bad / ok < 0.72 * same_bad / same_ok
    truth = made("feedback").truth
    gaps = {t: truth["effects"][t] - truth["direct_effects"][t] for t in truth["effects"]}
    assert {t for t, gap in gaps.items() if gap} == DRIVERS | {"self-service"}
    assert all(abs(gap - 0.4) < 1e-9 for gap in gaps.values() if gap)


def test_frailty_multiplies_the_risk_and_is_seen_nowhere() -> None:
    plain, frail = (made(w).hidden["customers"]["risk"] for w in ("plain", "frailty"))
    z = np.log(frail / plain)
    assert abs(z.std() - 0.8) < 0.05
    assert abs(z.mean() + 0.32) < 0.07
    left = leavers(made("frailty"))
    assert z[left].mean() > z[~left].mean() + 0.3


def test_failures_bring_contacts_where_they_repeat() -> None:
    again = {"support-call", "complaint"}
    bad, ok = follow_up(made("repeat-contacts"), again, 5)
    same_bad, same_ok = follow_up(made("plain"), again, 5)
    # 0.35 and 0.25, less those whose customer left before
    assert 0.4 < (bad - ok) < 0.75
    assert abs(same_bad - same_ok) < 0.06


def test_an_outage_comes_before_a_price_rise() -> None:
    simulation = made("shock", customers=3000)
    day = np.floor(days(simulation.tables["interactions"]["occurred_at"]))
    # log odds of 0.137 and 2 more make 0.54
    assert abs(share_failed(simulation, (day >= 400) & (day < 407)) - 0.54) < 0.06
    assert abs(share_failed(simulation, (day < 400) | (day >= 407)) - 0.137) < 0.01
    end = days(simulation.tables["customers"]["ended_at"].dropna())
    rate = [((end >= a) & (end < a + 42)).sum() for a in (350, 407)]
    # e^0.9 is 2.5
    assert 1.6 < rate[1] / rate[0] < 3.6


def test_the_unhappy_keep_silent() -> None:
    simulation = made("silent", customers=3000)
    tables, asked = simulation.tables, simulation.hidden["answers"].copy()
    asked["answered"] = tables["feedback"]["score"].notna()
    given = tables["feedback"]["score"].dropna()
    assert (given == asked["score"][asked["answered"]]).all()
    ended = tables["customers"].set_index("customer_id")["ended_at"]
    asked["left in"] = asked["customer_id"].map(ended) - asked["asked_at"]
    nps = asked[(asked["metric"] == "nps") & ~(asked["left in"] < pd.Timedelta(0))]
    assert nps["score"][nps["answered"]].mean() > nps["score"].mean() + 0.3
    assert abs(nps["chance"].mean() - nps["answered"].mean()) < 0.02
    plan = nps["customer_id"].map(tables["customers"].set_index("customer_id")["plan"])
    share = nps["answered"].groupby(plan).mean()
    assert share["basic"] < 0.25 < share["plus"] < 0.5 < share["pro"]
    leaves = nps["left in"] < pd.Timedelta(days=90)
    low = nps["score"] <= 5
    ratio = leaves[low].groupby(plan).mean() / leaves[~low].groupby(plan).mean()
    # about 4 points apart: e^(4 * 0.25) is 2.7, and nothing in plan pro
    assert ratio["basic"] > 1.7
    assert ratio["basic"] > ratio["pro"]


def test_few_meet_the_rare_touchpoint() -> None:
    contacts = made("rare", customers=3000).tables["interactions"]
    who = contacts["customer_id"][contacts["touchpoint"] == "complaint"].value_counts()
    assert 0.004 < len(who) / 3000 < 0.015
    assert who.mean() > 3


def test_twins_come_and_fail_together() -> None:
    contacts = made("twins").tables["interactions"]
    pairs = contacts[contacts["touchpoint"] == "invoice"].merge(
        contacts[contacts["touchpoint"] == "payment"], on="customer_id", suffixes=("", "_2")
    )
    after = pairs["occurred_at_2"] - pairs["occurred_at"]
    pairs = pairs[after.between(pd.Timedelta(minutes=2), pd.Timedelta(minutes=20))]
    assert len(pairs) > 0.94 * (contacts["touchpoint"] == "invoice").sum()
    assert len(pairs) > 0.90 * (contacts["touchpoint"] == "payment").sum()
    assert (pairs["outcome"] == pairs["outcome_2"]).mean() > 0.96


def test_cards_fail_busy_customers() -> None:
    simulation = made("competing")
    reason = simulation.tables["customers"]["end_reason"]
    assert 0.15 < reason.eq("involuntary").mean() < 0.3
    busy = simulation.hidden["customers"]["activity"]
    assert busy[reason == "involuntary"].mean() > busy[reason != "involuntary"].mean() + 0.15


def test_gaps_hide_contacts_that_happened() -> None:
    simulation = made("gaps")
    contacts, lost = simulation.tables["interactions"], simulation.hidden["interactions"]
    whole = made("plain").tables["interactions"]
    assert len(contacts) + len(lost) == len(whole)
    covered = np.zeros(len(lost), dtype=bool)
    for gap in simulation.truth["gaps"]:
        end = pd.Timestamp(gap["last_day"]) + pd.Timedelta(days=1)

        def inside(table: pd.DataFrame, gap: Any = gap, end: pd.Timestamp = end) -> Any:
            there = table["occurred_at"].between(gap["first_day"], end, inclusive="left")
            return there & (gap["channel"] is None or table["channel"].eq(gap["channel"]))

        assert not inside(contacts).any()
        assert inside(lost).sum() > 20
        covered |= inside(lost)
    assert covered.all()
    # who leaves does not hang on what the feed saw
    ended = simulation.tables["customers"]["ended_at"]
    assert ended.equals(made("plain").tables["customers"]["ended_at"])


def alone(world: str, touchpoint: str, **changes: Any) -> tuple[Any, Any]:
    """Give a run of ten customers, and a contact of customer 0 at noon of day 10, not yet lived."""
    run = engine._Run(WORLDS[world], 10, 0, touchpoint, 0)
    one = {
        "who": np.array([0]),
        "touchpoint": np.array([run.places[touchpoint]]),
        "second": np.array([10 * 86_400 + 43_200]),
        "key": np.array([77], dtype=np.uint64),
        "luck": np.array([0.0]),
        "journey": np.array([0], dtype=np.uint64),
    }
    return run, engine._Batch(**(one | changes))


def fade(run: Any, until: int, first: int = 11) -> Any:
    """Live on without further contacts; give the log hazard of customer 0 by day."""
    for day in range(first, until + 1):
        run.load *= (0.5 ** (1.0 / run.speeds))[:, None]
        run._put_right(day)
    return run.load[:, :, 0].sum(axis=1)


@pytest.mark.parametrize(("touchpoint", "days_"), [("delivery", 7), ("invoice", 45)])
def test_effects_fade_at_their_own_speed(touchpoint: str, days_: int) -> None:
    run, contact = alone("mixed", touchpoint)
    run._act(contact, np.array([True]), 10)
    effect = WORLDS["mixed"].effects[touchpoint]
    assert run.load[:, :, 0].sum(axis=1) == pytest.approx([effect, 0.0])
    assert fade(run, 10 + days_) == pytest.approx([effect / 2, 0.0])


def test_a_contact_put_right_loses_half_of_what_is_left() -> None:
    names = [t.name for t in WORLDS["handled"].touchpoints]
    place = np.array([names.index("support-call")])
    # keys of a failed call solved after half a day and more, and of one never solved
    failed = np.array([True])
    found: dict[bool, int] = {}
    for key in range(2000):
        seconds = service_times(names, place, np.array([key], dtype=np.uint64), failed).seconds[0]
        if np.isinf(seconds) or 60_000 < seconds < 100_000:
            found.setdefault(bool(np.isinf(seconds)), key)
    left = {}
    for never, key in found.items():
        run, contact = alone("handled", "support-call", key=np.array([key], dtype=np.uint64))
        plan = run.plan_factor[0]
        run._act(contact, failed, 10)
        fresh = run.load[0, 0, 0] - run.load[1, 0, 0]
        assert fresh == pytest.approx(1.3 * plan)
        later = fade(run, 31)
        left[never] = (later[0] - later[1]) / fresh
    assert left[True] == pytest.approx(0.5)
    assert left[False] == pytest.approx(0.25)


def test_handoffs_waits_and_plans_act_where_contacts_are_handled() -> None:
    run, contact = alone("handled", "support-chat", journey=np.array([5], dtype=np.uint64))
    ordinary = np.array([False])
    handed = run._beyond(contact, ordinary)
    run_alone, lone = alone("handled", "support-chat")
    lone_effect = run_alone._beyond(lone, ordinary)
    assert handed - lone_effect == pytest.approx([0.5])
    key = keys(1, np.arange(4000))
    many = engine._Batch(
        np.zeros(4000, dtype=np.int64), np.full(4000, contact.touchpoint[0]),
        np.full(4000, contact.second[0]), key, np.zeros(4000), np.zeros(4000, dtype=np.uint64),
    )  # fmt: skip
    run.people.mood[:] = np.random.default_rng(0).normal(size=10)
    effect = run._beyond(many, np.zeros(4000, dtype=bool))
    wait = service_times(run.names, many.touchpoint, key, np.zeros(4000, dtype=bool)).wait
    slope = np.polyfit(np.log(wait), effect, 1)[0]
    assert abs(slope - 0.35) < 0.02
    factors = WORLDS["handled"].beyond.support_by_plan
    assert factors["basic"] == 2 * factors["pro"]
    plans = made("handled").tables["customers"]["plan"]
    assert abs(plans.map(factors).mean() - 1) < 0.03
    assert made("handled").truth["beyond"]["good_for_one_bad"] == pytest.approx(4)


def test_customers_start_until_the_last_day() -> None:
    start = days(read(DEMO)["customers"]["started_at"])
    # a seventh of a percent of 45 of 100 customers a day
    assert ((start >= DAYS - 15) & (start < DAYS)).sum() > 25


def test_scores_are_no_negative_zero() -> None:
    scores = read(DEMO)["feedback"]["score"].dropna().to_numpy()
    assert (scores == 0).any()
    assert not np.signbit(scores).any()


def test_without_words_all_else_is_the_same() -> None:
    one, other = (simulate("demo", 100, 2, texts=t).tables for t in (True, False))
    assert one["interactions"]["text"].notna().any()
    assert other["interactions"]["text"].isna().all()
    assert other["feedback"]["comment"].isna().all()
    for tables in (one, other):
        tables["interactions"] = tables["interactions"].drop(columns="text")
        tables["feedback"] = tables["feedback"].drop(columns="comment")
    same(one, other)


# -- the twin -------------------------------------------------------------------------------


def churn(simulation: Simulation, since: int = 0, until: int = DAYS) -> int:
    customers = simulation.tables["customers"]
    when = customers["cancelled_at"].fillna(customers["ended_at"])
    inside = when.between(FIRST + pd.Timedelta(days=since), FIRST + pd.Timedelta(days=until))
    return int((inside & customers["end_reason"].eq("voluntary")).sum())


@pytest.mark.parametrize("world", ["plain", "demo"])
def test_a_twin_differs_in_who_leaves_and_what_follows_alone(world: str) -> None:
    was, twin = made(world), made(world, without="support-call")
    assert churn(twin) < churn(was)
    one, other = was.tables["customers"], twin.tables["customers"]
    people = ["customer_id", "started_at", "monthly_value", "plan", "region", "acquisition_channel"]
    pd.testing.assert_frame_equal(
        *(t.drop_duplicates("customer_id")[people].reset_index(drop=True) for t in (one, other))
    )
    spells = pd.concat([one, other])
    changed = set(spells.drop_duplicates(keep=False)["customer_id"])
    assert 0 < len(changed) < 200
    numbered = ["interaction_id", "journey_id", "response_id"]
    for name in ("interactions", "feedback"):
        # a decision to leave that shows at the exit touchpoints alone may come to nothing
        # before the feed ends
        kept = [
            t[
                ~t["customer_id"].isin(changed)
                & ~t["touchpoint"].isin(was.truth["exit_touchpoints"])
            ]
            .drop(columns=numbered, errors="ignore")
            .reset_index(drop=True)
            for t in (was.tables[name], twin.tables[name])
        ]
        assert len(kept[0]) > 10_000
        pd.testing.assert_frame_equal(*kept)


def test_a_twin_without_a_touchpoint_that_does_nothing_is_the_same_world() -> None:
    same(made("plain").tables, made("plain", without="support-email").tables)


@pytest.mark.parametrize("world", ["feedback", "repeat-contacts", "handled"])
def test_every_kind_of_world_has_a_twin(world: str) -> None:
    was, twin = (made(world, 500, without=w, without_from=400) for w in (None, "invoice"))
    assert churn(was, until=400) == churn(twin, until=400)
    assert churn(was, since=400) > churn(twin, since=400)
    ended = [s.tables["customers"]["ended_at"] for s in (was, twin)]
    same_end = ended[0].eq(ended[1]) | (ended[0].isna() & ended[1].isna())
    stays = set(was.tables["customers"]["customer_id"][same_end])
    if world != "feedback":
        # contacts that failures caused are still there
        contacts = [s.tables["interactions"]["customer_id"].isin(stays) for s in (was, twin)]
        assert contacts[0].sum() == contacts[1].sum() > 4000


def test_a_twin_may_begin_later() -> None:
    was, twin = made("plain"), made("plain", without="support-call", without_from=500)
    assert churn(was, until=500) == churn(twin, until=500)
    assert churn(was, since=500) > churn(twin, since=500)
    ended = was.tables["customers"]["ended_at"]
    before = ended < FIRST + pd.Timedelta(days=500)
    assert twin.tables["customers"]["ended_at"][before].eq(ended[before]).all()


# -- calling it -----------------------------------------------------------------------------


def test_seeds_tell_worlds_apart_and_are_kept() -> None:
    one, again, other = (simulate("demo", 40, s) for s in (5, 5, 6))
    same(one.tables, again.tables)
    assert not one.tables["interactions"].equals(other.tables["interactions"])


@pytest.mark.parametrize("seed", range(3))
def test_one_customer_is_a_dataset_too(seed: int, tmp_path: Path) -> None:
    simulation = simulate("demo", 1, seed)
    write(simulation, tmp_path)
    assert len(pd.read_parquet(tmp_path / "customers.parquet")) >= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"world": "mars"}, ["world is 'mars'", "allowed: demo, plain, null", *NAMES]),
        ({"customers": 0}, ["customers is 0", "allowed: 1 to"]),
        ({"seed": -1}, ["seed is -1", "allowed: 0 or more"]),
        ({"without": "lunch"}, ["without is 'lunch'", "support-call"]),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(**arguments)
    text = str(caught.value)
    assert all(w in text for w in words)
    assert "\n" not in text
    assert caught.value.exit_code == 2


# -- files ----------------------------------------------------------------------------------


def test_written_tables_come_back_the_same(tmp_path: Path) -> None:
    simulation = simulate("demo", 60, 2)
    folder = tmp_path / "new" / "folder"
    write(simulation, folder)
    same(read(folder), simulation.tables)
    assert json.loads((folder / "truth.json").read_text(encoding="utf-8")) == simulation.truth
    text = (folder / "dataset.yml").read_text(encoding="utf-8")
    assert "observed_until: 2026-06-30\n" in text
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    write(simulation, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(simulate("plain", 20, 1), tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_dataset_yml", full)
    with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\)"):
        write(simulate("plain", 20, 2), tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="taken"):
        write(simulate("plain", 5), tmp_path / "taken")


# -- draws and words ------------------------------------------------------------------------


def test_keyed_draws_are_uniform_and_apart() -> None:
    who, day = np.divmod(np.arange(200_000), 500)
    key = keys(9, who, day)
    assert len(np.unique(key)) == len(key)
    one, two = uniform(key, 0), uniform(key, 1)
    assert 0 < one.min() < one.max() < 1
    counts = np.bincount((one * 20).astype(int))
    assert np.abs(counts / 10_000 - 1).max() < 0.05
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.01
    assert abs(np.corrcoef(one[:-1], one[1:])[0, 1]) < 0.01
    z = normal(key, 4)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01


@pytest.mark.parametrize("theme", THEMES)
def test_every_theme_has_words_for_every_tone(theme: str) -> None:
    for tone in ("good", "bad", "mixed"):
        written = {sentence(theme, tone, key) for key in range(300)}
        assert len(written) > 40
        assert not any("{" in text or "  " in text or not text for text in written)
        assert sentence(theme, tone, 1) == sentence(theme, tone, 1)


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dataset.yml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds files that are no simulation"):
        write(simulate("plain", 20, 1), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["dataset.yml"]
