"""Journeys on worlds whose truth is known, and on data that lack what the parts need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import journeys
from cxlab.analyses.journeys import cutting
from cxlab.analyses.journeys.channels import _levels
from cxlab.analyses.journeys.handoffs import handoffs
from cxlab.analyses.journeys.sides import read_sides
from cxlab.data.dataset import Dataset, load
from cxlab.errors import AnalysisError, UsageError
from cxlab.frames.journeys import order
from cxlab.results import Result

START = pd.Timestamp("2024-01-01")
DAYS = 400
Write = Callable[..., Path]
SETTINGS = "observed_until: {last}\nobserved_from: 2024-01-01\n"


def _times(days: np.ndarray) -> pd.Series:
    # Not NaN: of that pandas now and then warns.
    known = pd.Series(np.where(days < DAYS, days, 0.0))
    return (START + pd.to_timedelta(known, unit="D")).where(days < DAYS)


def _written(
    write: Write, customers: pd.DataFrame, contacts: pd.DataFrame, more: str = "", **tables: object
) -> Dataset:
    last = (START + pd.Timedelta(days=DAYS - 1)).date()
    made = {"customers": customers, "interactions": contacts, **tables}
    return load(write(made, SETTINGS.replace("{last}", str(last)) + more, "parquet"))


def _people(leaves: np.ndarray, **columns: object) -> pd.DataFrame:
    ids = [f"c{i:04d}" for i in range(len(leaves))]
    started = START - pd.Timedelta(days=30)
    frame = {"customer_id": ids, "started_at": started, "ended_at": _times(leaves), **columns}
    return pd.DataFrame(frame)


def _handed_world(write: Write, effect: float, seed: int, trap: float = 0.0) -> Dataset:
    """Draw journeys of two contacts, half of them handed on.

    A handoff raises the chance to fail by ``effect``. With ``trap``, handoffs go to the hard
    touchpoint that much more often: the raw difference is then wrong by about
    ``trap * (0.5 - 0.1)``.
    """
    draw = np.random.default_rng(seed)
    count, who = 3000, draw.integers(0, 700, 3000)
    prone = draw.normal(0, 0.05, 700)[who]
    handed = draw.random(count) < 0.5
    hard = draw.random(count) < 0.5 + trap * (handed - 0.5)
    chance = np.where(hard, 0.5, 0.1) + effect * handed + prone
    fails = draw.random(count) < chance
    begun = draw.uniform(0, DAYS - 2, count)
    ids = np.array([f"c{i:04d}" for i in range(700)])[who]
    first = draw.choice(["phone", "web"], count)
    other = np.where(first == "phone", "web", "phone")
    one = {"customer_id": ids, "journey_id": [f"j{k:05d}" for k in range(count)]}
    contacts = pd.concat(
        [
            pd.DataFrame({**one, "occurred_at": _times(begun), "touchpoint": "start",
                          "channel": first, "outcome": "ok"}),
            pd.DataFrame({**one, "occurred_at": _times(begun + 0.1),
                          "touchpoint": np.where(hard, "hard", "easy"),
                          "channel": np.where(handed, other, first),
                          "outcome": np.where(fails, "failed", "ok")}),
        ]
    )  # fmt: skip
    leaves = np.where(np.arange(700) < 40, DAYS - 5.0, np.inf)
    return _written(write, _people(leaves), contacts)


@pytest.mark.parametrize(("effect", "trap"), [(0.10, 0.0), (0.0, 0.6), (0.10, 0.6)])
def test_what_handoffs_do_is_told_from_where_they_happen(
    write_dataset: Write, effect: float, trap: float
) -> None:
    dataset = _handed_world(write_dataset, effect, 1, trap)
    table = handoffs(cutting.cut(dataset, 0, 10)).table  # type: ignore[union-attr]
    raw, held = table.iloc[0], table.iloc[-1]
    assert raw["estimate"] == pytest.approx(effect + trap * 0.4, abs=0.05)
    assert held["conf_low"] < effect < held["conf_high"]
    assert held["conf_high"] - held["conf_low"] < 0.12
    if trap:
        assert raw["conf_low"] > effect  # the raw comparison is sure, and wrong


def _channel_world(write: Write, seed: int = 1) -> Dataset:
    """Draw customers who leave at one rate for all, and use channels at random as they go."""
    draw = np.random.default_rng(seed)
    count = 1500
    leaves = draw.exponential(300, count)
    calls = draw.poisson(0.02 * np.minimum(leaves, DAYS))
    who = np.repeat(np.arange(count), calls)
    at = draw.uniform(0, np.minimum(leaves, DAYS)[who])
    contacts = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in who],
            "occurred_at": _times(at),
            "touchpoint": draw.choice(["call", "shop"], len(who)),
            "channel": draw.choice(["phone", "web", "store", "mail"], len(who)),
            "outcome": draw.choice(["ok", "failed"], len(who), p=[0.8, 0.2]),
        }
    )
    return _written(write, _people(leaves, plan=draw.choice(["a", "b"], count)), contacts)


def _writer(folder: Path) -> Write:
    """Write tables and settings as the fixture ``write_dataset`` does."""

    def write(tables: dict[str, pd.DataFrame], settings: str | None, form: str) -> Path:
        for name, table in tables.items():
            table.to_parquet(folder / f"{name}.{form}", index=False)
        (folder / "dataset.yml").write_text(settings or "", encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="module")
def idle_world(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A world where nothing that customers live through changes whether they leave."""
    dataset = _channel_world(_writer(tmp_path_factory.mktemp("idle")))
    return journeys.run(dataset, compare="plan=a vs plan=b")


Small = tuple[Dataset, dict[str, pd.DataFrame], Result]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, make_tables: Callable[..., Any]) -> Small:
    """The small dataset as it is: its tables, and what comes of them."""
    tables = make_tables()
    write = _writer(tmp_path_factory.mktemp("small"))
    dataset = load(write(tables, "stages: [use, support]\n", "parquet"))
    return dataset, tables, journeys.run(dataset, exit_days=40)


def test_channels_that_do_nothing_only_seem_to_keep_customers(idle_world: Result) -> None:
    table = idle_world["channels"].table
    rows = {name: part.iloc[-1] for name, part in table.groupby("comparison")}
    assert rows["as quoted"]["conf_high"] < 0.5  # what everyone quotes, and nothing in it
    for name in ("from the landmark", "adjusted"):
        assert rows[name]["conf_low"] < 1 < rows[name]["conf_high"]
    assert "no difference can be told" in idle_world["channels"].sentence


def test_where_nothing_matters_nothing_is_found(idle_world: Result) -> None:
    accounts = idle_world["experience"].table
    assert (accounts["q_value"] > 0.05).all() and (accounts["area_q"] > 0.05).all()
    assert "after better than chance" in idle_world["experience"].sentence
    exits = idle_world.table.query("figure == 'exits'")
    assert (exits["conf_low"] < 1).all() and (exits["conf_high"] > 1).all()
    compared = idle_world["compared"].table
    assert (compared["q_value"] > 0.05).all()
    assert set(compared["figure"]) == {"volume", "failed", "exits"}


def _burdened(write: Write) -> Dataset:
    """Draw customers whom each failure drives away, by half as much every 30 days."""
    draw = np.random.default_rng(3)
    count = 2500
    calls = draw.poisson(0.03 * DAYS, count)
    who = np.repeat(np.arange(count), calls)
    at = draw.uniform(0, DAYS, len(who))
    failed = draw.random(len(who)) < 0.25
    load, leaves = np.zeros(count), np.full(count, np.inf)
    day = np.floor(at).astype(int)
    for d in range(DAYS):
        gone = np.isinf(leaves) & (draw.random(count) < 0.0008 * np.exp(load))
        leaves[gone] = d + 0.99
        load *= 0.5 ** (1 / 30)
        load += np.bincount(who[(day == d) & failed], minlength=count) * 1.5
    kept = at < leaves[who]
    contacts = pd.DataFrame(
        {
            "customer_id": [f"c{i:04d}" for i in who[kept]],
            "occurred_at": _times(at[kept]),
            "touchpoint": "call",
            "channel": "phone",
            "outcome": np.where(failed[kept], "failed", "ok"),
        }
    )
    return _written(write, _people(leaves), contacts)


def test_the_account_by_which_customers_leave_is_found(write_dataset: Write) -> None:
    result = journeys.run(_burdened(write_dataset), window_days=120, follow_days=60)
    table = result["experience"].table.set_index("term")
    assert table["area"].idxmax() == "sum"
    assert table.loc["sum", "area_low"] > 0.5
    assert table.loc["sum", "beyond_mean_low"] > 0
    assert table.loc["sum", "together_low"] > 1
    for other in ("mean", "peak", "end"):
        row = table.loc[other]
        assert row["together_low"] < 1 < row["together_high"]
    assert "running sum of failures tells best" in result["experience"].sentence
    assert "more than the share that failed tells" in result["experience"].sentence
    for name in ("handoffs", "handoff_rates", "channels"):  # one channel alone
        assert result[name].table.empty
        assert "This cannot be told here" in result[name].sentence


@pytest.fixture
def shop(tables: dict[str, pd.DataFrame], write_dataset: Write) -> Callable[..., Dataset]:
    """The small dataset, one's own to spoil before it is written."""

    def make(settings: str | None = None, **changed: pd.DataFrame) -> Dataset:
        return load(write_dataset({**tables, **changed}, settings, "parquet"))

    return make


def test_the_map_counts_as_by_hand(small: Small) -> None:
    _, tables, result = small
    contacts, answers = tables["interactions"], tables["feedback"].dropna(subset="score")
    failed = contacts["outcome"].eq("failed").groupby(contacts["touchpoint"]).mean()
    rows = result.table.set_index(["touchpoint", "figure"])["estimate"]
    for name, share in failed.items():
        assert rows[name, "failed"] == pytest.approx(share)
    of = answers.merge(contacts[["interaction_id", "touchpoint"]], on="interaction_id")
    for name, score in of.groupby("touchpoint")["score"].mean().items():
        assert rows[name, "score"] == pytest.approx(score)
    places = result.meta["places"]
    assert places["touchpoint"] == ["invoice", "call", "chat"]  # by stage, then as listed
    assert places["stage"] == ["use", "support", "support"]
    assert sum(places["contacts"]) == len(contacts)
    assert "effort" in result.meta["missing"]
    assert {f.notebook for f in journeys.findings(result)} == {"03_journeys"}


def test_ends_that_follow_contacts_are_counted_as_by_hand(small: Small) -> None:
    _, tables, result = small
    both = tables["interactions"].merge(tables["customers"], on="customer_id")
    soon = both["ended_at"] - both["occurred_at"] <= pd.Timedelta(days=40)
    rows = result.table.query("figure == 'exits'").set_index("touchpoint")
    for name, count in soon.groupby(both["touchpoint"]).sum().items():
        assert rows.loc[name, "of"] == count
        assert rows.loc[name, "estimate"] == pytest.approx(count / rows.loc[name, "expected"])


def test_a_metric_of_feeling_is_on_the_map(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    feedback = tables["feedback"].assign(metric="joy")
    told = "metrics: {joy: {scale: [1, 5], layer: emotional}}\n"
    result = journeys.run(shop(told, feedback=feedback))
    assert result.meta["metrics"] == {"emotion": "joy"}
    assert (result.table.query("figure == 'emotion'")["estimate"].between(1, 5)).all()


def test_small_groups_are_withheld_and_named(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    contacts = tables["interactions"].copy()
    contacts.loc[contacts.index[:3], "touchpoint"] = "rare <b>"
    result = journeys.run(shop(interactions=contacts), min_group=10)
    rare = result.table.query("touchpoint == 'rare <b>'")
    assert rare["withheld"].all() and rare[["estimate", "of", "n"]].isna().all().all()
    # Its volume is not told, and so that all contacts less the others do not tell it, the
    # least of theirs is not told either.
    places = pd.DataFrame(result.meta["places"]).set_index("touchpoint")
    gone = places["contacts"].isna()
    assert gone["rare <b>"] and gone.sum() == 2 and places["customers"].isna().equals(gone)
    every = contacts.groupby("touchpoint")["customer_id"].nunique()
    assert gone[every.drop("rare <b>").idxmin()]
    assert result.table.loc[result.table["touchpoint"] == "rare <b>", "contacts"].isna().all()
    assert (result["by_touchpoint"].table["contacts"] == "withheld").sum() == 2
    told = {c.name: c for c in result.checks}
    assert "rare <b> (failed)" in told["withheld on the map"].text
    assert told["stages"].text == "no stage is given for rare <b>"
    for part, column in (("loops", "term"), ("begun_at", "term"), ("transitions", "from")):
        assert "rare <b>" not in set(result[part].table[column])


def test_starts_moves_and_ends_are_told_apart_whatever_touchpoints_are_called(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    contacts = tables["interactions"].copy()
    names = {"call": "complete", "chat": "(end)", "invoice": "other touchpoints"}
    contacts["touchpoint"] = contacts["touchpoint"].replace(names)
    result = journeys.run(shop(interactions=contacts), min_group=1)
    table = result["transitions"].table
    for kind, column, many in (("start", "to", "from"), ("end", "from", "to")):
        rows = table[table["kind"] == kind]
        assert set(rows[column]) <= set(names.values())
        assert len(set(rows[many])) == 1
    starts = table[table["kind"] == "start"]
    assert starts["estimate"].sum() == pytest.approx(1)
    assert starts["contacts"].sum() == table.loc[table["kind"] == "end", "contacts"].sum()
    rest = table[table["kind"] != "start"]
    assert rest.groupby("from")["estimate"].sum().to_numpy() == pytest.approx(1)
    flows = result["flows"].table
    assert set(flows.loc[~flows["ends"], "to"]) <= set(names.values())


def test_many_journeys_of_one_customer_are_no_group(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    who = tables["customers"].iloc[1]
    at = who["started_at"] + pd.to_timedelta(np.arange(60) * 0.5, unit="D")
    own = pd.DataFrame({"customer_id": who["customer_id"], "occurred_at": at,
                        "touchpoint": ["secret", "call"] * 30, "channel": "web", "outcome": "ok",
                        "journey_id": [f"own{k // 2}" for k in range(60)]})  # fmt: skip
    result = journeys.run(shop(interactions=pd.concat([tables["interactions"], own])))
    matrix = result["step_matrix"]
    assert "secret" not in set(matrix.table["touchpoint"]) and (matrix.table["n"] >= 10).all()
    assert matrix.meta["withheld"] > 0


@pytest.mark.parametrize(("outcome", "told"), [("ok", "no contact"), ("failed", "every contact")])
def test_where_all_go_alike_handoffs_are_not_compared(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame], outcome: str, told: str
) -> None:
    result = journeys.run(shop(interactions=tables["interactions"].assign(outcome=outcome)))
    assert f"{told} that follows another failed" in result["handoffs"].sentence
    assert not [f for f in journeys.findings(result) if "nan" in f.statement]


def test_contacts_before_any_customer_is_there_are_a_map(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    customers = tables["customers"]
    gone = customers.assign(ended_at=customers["started_at"], end_reason="voluntary")
    early = tables["interactions"].copy()
    early[["occurred_at", "resolved_at"]] -= pd.Timedelta(days=100)
    later = tables["feedback"].assign(customer_id=None, interaction_id=None)
    result = journeys.run(shop(customers=gone, interactions=early, feedback=later))
    assert "exits" in result.meta["missing"]
    assert "no customer is followed" in result["channels"].sentence


def test_sides_without_a_touchpoint_in_common_are_told(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    contacts = tables["interactions"]
    early = contacts["occurred_at"] < "2025-03-01"
    customers = tables["customers"].assign(end_reason="involuntary")
    made = contacts.assign(touchpoint=np.where(early, "a", "b"))
    result = journeys.run(
        shop(customers=customers, interactions=made), compare="2025-01..2025-02 vs 2025-03..2025-05"
    )
    assert "no touchpoint in common" in result["compared"].sentence


def test_where_no_touchpoint_precedes_leaving_it_says_so(
    shop: Callable[..., Dataset],
) -> None:
    sentence = journeys.run(shop(), exit_days=1).sentence
    assert "within 1 day after" in sentence and "no touchpoint do more leave" in sentence


@pytest.mark.parametrize(
    ("early", "least", "levels"),
    [
        ([1] * 20 + [2] * 3 + [3] * 20, 10, [1, 2]),  # too few of just two: two or more
        ([1] * 20 + [2] * 20 + [3] * 3, 10, [1, 2]),
        ([1] * 20 + [2] * 20 + [3] * 15 + [6] * 12, 10, [1, 2, 3, 4]),
        ([1] * 3 + [2] * 20 + [3] * 20, 10, []),
    ],
)
def test_numbers_of_channels_leave_no_gap(early: list[int], least: int, levels: list[int]) -> None:
    assert _levels(pd.DataFrame({"early": early}), least) == levels


_ABSENT = {
    "no channel": {"channel"},
    "no outcome": {"outcome"},
    "nothing optional": {"channel", "outcome", "interaction_id", "resolved_at",
                         "response_seconds"},
}  # fmt: skip


@pytest.mark.parametrize("case", _ABSENT)
def test_parts_whose_columns_are_missing_say_so(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame], case: str
) -> None:
    there = [c for c in tables["interactions"] if c not in _ABSENT[case]]
    contacts = tables["interactions"][there]
    result = journeys.run(shop(interactions=contacts))
    if "channel" in _ABSENT[case]:
        assert "no channel is given" in result["handoffs"].sentence
    if case == "nothing optional":
        assert "failed" in result.meta["missing"]
        assert "nothing tells a bad contact" in result["experience"].sentence
        assert set(result["ends"].table["term"]) <= {"not known", "still open"}
    assert "nan" not in result.summary()
    for part in result.parts.values():
        assert "nan" not in part.sentence


def test_without_feedback_touchpoints_and_ends_there_is_a_map(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame], write_dataset: Write
) -> None:
    kept = {n: t for n, t in tables.items() if n in ("customers", "interactions")}
    kept["customers"] = kept["customers"].assign(end_reason="involuntary")
    result = journeys.run(load(write_dataset(kept, None, "parquet")))
    assert set(result.table["figure"]) == {"failed"}
    assert "nobody is seen to leave" in result["channels"].sentence
    assert set(result.meta["places"]["stage"]) == {"no stage given"}


def test_a_shop_without_contracts_has_no_ends_on_its_map(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    customers = tables["customers"].drop(columns=["ended_at", "end_reason"])
    result = journeys.run(shop("churn: {inactivity: {days: 60}}\n", customers=customers))
    assert "churn is silence" in result.meta["missing"]["exits"]


def test_nobody_judged_and_one_customer(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    contacts = tables["interactions"].assign(outcome=None, channel=None, touchpoint="x")
    contacts["outcome"] = contacts["outcome"].astype("object")
    result = journeys.run(shop(interactions=contacts), compare="plan=basic vs plan=plus")
    assert "failed" not in set(result.table["figure"])
    one = {n: t[t["customer_id"].eq("C000")] for n, t in tables.items() if "customer_id" in t}
    result = journeys.run(shop(**one))
    assert result.table["withheld"].all()


def test_a_journey_of_ten_thousand_steps_is_bounded(
    shop: Callable[..., Dataset], tables: dict[str, pd.DataFrame]
) -> None:
    who = tables["customers"].iloc[1]
    at = who["started_at"] + pd.to_timedelta(np.arange(10_000), unit="min")
    long = pd.DataFrame({"customer_id": who["customer_id"], "occurred_at": at,
                         "touchpoint": [f"t{k % 60:02d}" for k in range(10_000)],
                         "channel": "web", "outcome": "ok"})  # fmt: skip
    contacts = pd.concat([tables["interactions"], long], ignore_index=True)
    result = journeys.run(shop(interactions=contacts), idle_hours=200)
    matrix = result["step_matrix"]
    assert matrix.meta["longest"] >= 10_000
    assert "the longest has 10,0" in matrix.sentence
    assert matrix.table["step"].max() <= 8
    assert len(result["flows"].table) < 1000
    assert (result["flows"].table["n"] >= 10).all() and result["flows"].meta["withheld"] > 0


def test_without_a_contact_yet_it_is_refused(
    tables: dict[str, pd.DataFrame], write_dataset: Write
) -> None:
    stays = tables["customers"]["ended_at"].isna()
    late = tables["interactions"]
    late = late[late["customer_id"].isin(tables["customers"]["customer_id"][stays])].copy()
    late[["occurred_at", "resolved_at"]] += pd.Timedelta(days=900)
    made = {**tables, "interactions": late, "feedback": tables["feedback"].head(1)}
    path = write_dataset(made, "observed_until: 2030-01-01\n", "parquet")
    with pytest.raises(AnalysisError, match="no contacts"):
        journeys.run(load(path, "2026-06-30"))


@pytest.mark.parametrize(
    ("compare", "told"),
    [
        ("plan=basic", "allowed: two values of one attribute"),
        ("plan=basic vs 2025-01..2025-02", "allowed: two values"),
        ("colour=red vs colour=blue", "colour"),
        ("plan=basic vs plan=basic", "two different values"),
        ("plan=basic vs plan=none", "no customer with contacts has plan=none; allowed: basic or"),
        ("2025-01..2025-03 vs 2025-03..2025-04", "overlap"),
        ("2025-02..2025-01 vs 2025-03..2025-04", "ends before it begins"),
        ("2025-13..2025-14 vs 2025-03..2025-04", "no month or day"),
        ("2025-01..2025-02 vs 2030-03..2030-04", "the last day seen"),
        ("1990-01..1990-02 vs 2025-03..2025-04", "no contact falls in 1990-01..1990-02; allowed"),
    ],
)
def test_a_comparison_that_cannot_be_read_is_refused(small: Small, compare: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_sides(compare, small[0], order(small[0]).people)


def test_options_out_of_bounds_are_refused(small: Small) -> None:
    dataset = small[0]
    for option in ("exit_days", "window_days", "early_days", "follow_days", "min_group"):
        with pytest.raises(UsageError, match=f"{option} is 0"):
            journeys.run(dataset, **{option: 0})
    with pytest.raises(UsageError, match="idle_hours"):
        journeys.run(dataset, idle_hours=-1)


def test_two_periods_are_told_apart_where_they_differ(write_dataset: Write) -> None:
    draw = np.random.default_rng(6)
    size, people = 6000, 600
    at, who = draw.uniform(0, DAYS, size), draw.integers(0, people, size)
    worse = at > 200
    fails = draw.random(size) < np.where(worse, 0.3, 0.2)
    more = draw.random(size) < np.where(worse, 1.0, 0.8)
    contacts = pd.DataFrame(
        {"customer_id": [f"c{i:04d}" for i in who], "occurred_at": _times(at),
         "touchpoint": "call", "channel": "web", "outcome": np.where(fails, "failed", "ok")}
    )[more]  # fmt: skip
    leaves = np.where(np.arange(people) < 30, DAYS - 5.0, np.inf)
    result = journeys.run(
        _written(write_dataset, _people(leaves), contacts),
        compare="2024-01-01..2024-07-18 vs 2024-07-20..2025-02-03",
    )
    table = result["compared"].table.set_index("figure")
    row = table.loc["failed"]
    assert row["conf_low"] < 0.1 < row["conf_high"] and row["q_value"] < 1e-4
    rate = size / people / DAYS * 3000
    row = table.loc["volume"]
    assert row["first"] == pytest.approx(0.8 * rate, rel=0.06)
    assert row["second"] == pytest.approx(rate, rel=0.06)
    assert row["conf_low"] < 0.2 * rate < row["conf_high"] and row["q_value"] < 1e-4
    assert "2 differ beyond chance" in result["compared"].sentence


def _gaps(days: np.ndarray, given: bool = False) -> pd.DataFrame:
    place = np.floor(4 * np.log2(days * 1440)).astype(int)
    counts = pd.Series(place).value_counts().sort_index()
    low = 2.0 ** (counts.index.to_numpy() / 4) / 1440
    return pd.DataFrame({"given": given, "n": counts.to_numpy(), "low": low, "high": low * 2**0.25})


def test_the_gap_is_the_trough_between_short_and_long_ones() -> None:
    draw = np.random.default_rng(6)
    short, long = np.exp(draw.normal(np.log(0.01), 0.8, 4000)), draw.gamma(4, 5.0, 4000)
    days, how = cutting.idle_gap(_gaps(np.concatenate([short, long])))
    assert 0.04 < days < 5 and "trough" in how
    assert (short > days).mean() < 0.05 and (long < days).mean() < 0.05


def test_without_a_trough_it_is_a_day_and_with_ids_it_is_theirs() -> None:
    draw = np.random.default_rng(7)
    plain = _gaps(np.exp(draw.normal(1.5, 1.0, 5000)))
    assert cutting.idle_gap(plain)[0] == 1.0
    assert cutting.idle_gap(plain.head(0))[0] == 1.0
    own = draw.uniform(0.001, 2.0, 4000)
    days, how = cutting.idle_gap(pd.concat([plain, _gaps(own, given=True)]))
    assert days == pytest.approx(np.quantile(own, 0.95), rel=0.03)
    assert "the journeys that the data name" in how


@pytest.mark.parametrize(
    ("days", "told"),
    [(1.0, "1 day"), (40 / 24, "40 hours"), (4.5, "4.5 days"), (0.5 / 24, "30 minutes"),
     (1 / 24, "60 minutes")],
)  # fmt: skip
def test_a_length_is_told_in_the_unit_that_fits(days: float, told: str) -> None:
    assert cutting.length(days) == told
