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

from cxlab.data.simulate import DAYS, WORLDS, Simulation, simulate, write
from cxlab.data.simulate import engine as module
from cxlab.data.simulate.draws import keys, normal, uniform
from cxlab.data.simulate.text import THEMES, sentence
from cxlab.data.simulate.worlds import STAGES
from cxlab.errors import UsageError

DEMO = Path(__file__).parents[2] / "data" / "demo"
FIRST = pd.Timestamp("2024-07-01")
AFTER = FIRST + pd.Timedelta(days=DAYS)
DRIVERS = {"support-call", "onboarding-call", "invoice", "delivery", "support-chat"}


@cache
def made(world: str, customers: int = 1500, seed: int = 3, **more: Any) -> Simulation:
    return simulate(world, customers, seed, **more)


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
    customers = made(world).tables["customers"]
    assert not customers.duplicated(["customer_id", "started_at"]).any()
    assert customers["customer_id"].nunique() == 1500
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
    tables = made(world).tables
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
    tables = made(world).tables
    asked = tables["feedback"]
    scales = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
    for metric, (low, high) in scales.items():
        scores = asked.loc[asked["metric"] == metric, "score"]
        assert 0.2 < scores.notna().mean() < 0.6
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


@pytest.mark.parametrize("world", WORLDS)
def test_the_truth_names_every_touchpoint(world: str) -> None:
    simulation = made(world)
    truth = simulation.truth
    assert list(truth)[:4] == ["world", "seed", "half_life_days", "effects"]
    assert (truth["world"], truth["seed"], truth["half_life_days"]) == (world, 3, 21.0)
    assert list(truth["effects"]) == list(simulation.tables["touchpoints"]["touchpoint"])
    strong = {t for t, effect in truth["effects"].items() if effect >= 0.5}
    assert strong == (set() if world == "null" else DRIVERS)
    assert all(truth["effects"][t] == 0 for t in truth["exit_touchpoints"])
    json.dumps(truth)


def case_base(tables: dict[str, pd.DataFrame], event: str, per: int = 20) -> tuple[Any, ...]:
    """Every churn and random customer-days, with exposures from the tables alone."""
    customers, contacts = tables["customers"], tables["interactions"]

    def days(times: Any) -> Any:
        return ((times - FIRST) / pd.Timedelta(days=1)).to_numpy()

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
    simulation = made(world, customers=8000)
    x, y, names = case_base(simulation.tables, event)
    beta, error = logit(x, y)
    beta, weight = beta[: len(names)], error[: len(names)] ** -2.0
    truth = np.array([simulation.truth["effects"][n] for n in names])
    slope = (weight * truth * beta).sum() / (weight * truth**2).sum()
    # four standard errors of the slope, which are 0.05 each
    assert abs(slope - 1) < 4 * (weight * truth**2).sum() ** -0.5
    assert (np.abs(beta - truth) < 3.5 * weight**-0.5).all()


def test_without_effects_failures_tell_nothing() -> None:
    x, y, names = case_base(made("null", customers=4000).tables, "ended_at")
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
        ({"world": "mars"}, ["world is 'mars'", "allowed: demo, plain, null"]),
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

    monkeypatch.setattr(module, "_dataset_yml", full)
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
