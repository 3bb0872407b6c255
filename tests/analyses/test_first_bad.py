"""A first bad contact against matched ordinary ones: by hand, and where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.retention.first_bad import BAD, ORDINARY, first_bad
from cxlab.analyses.retention.matching import balance, match
from cxlab.analyses.retention.seen import see
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.frames.encounters import Encounters, encounters
from cxlab.results import Result

Write = Callable[..., Path]
FEED = "observed_from: 2024-01-01\nobserved_until: 2024-12-31\n"


def _parts(world: str, seed: int, folder: Path, customers: int = 4000) -> dict[str, Result]:
    write(simulate(world, customers, seed, texts=False), folder)
    data = load(folder)
    return first_bad(data, see(data), 10)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    return _parts("plain", 1, tmp_path_factory.mktemp("plain") / "data")


def _told(parts: dict[str, Result]) -> pd.DataFrame:
    return parts["first_bad"].table.set_index("term")


def test_in_a_world_without_effects_there_is_no_difference(tmp_path: Path) -> None:
    z = []
    for seed in (21, 22):
        parts = _parts("null", seed, tmp_path / str(seed), 3000)
        row = _told(parts).loc["mean up to 365 days"]
        z.append(row["estimate"] / ((row["conf_high"] - row["conf_low"]) / 3.92))
        # In the comparison that is usually made, bad contacts keep customers.
        assert _told(parts).loc["unmatched", "conf_low"] > 0.1
        if row["p_value"] > 0.05:
            assert "not more than chance makes" in parts["first_bad"].sentence
    assert abs(sum(z)) / np.sqrt(2) < 2.5
    assert max(map(abs, z)) < 3.0


def test_a_harm_is_found(plain: dict[str, Result]) -> None:
    table = _told(plain)
    assert table.loc["mean up to 365 days", "conf_high"] < 0
    assert table.loc["after 180 days", "conf_high"] < 0
    assert "fewer (95% interval" in plain["first_bad"].sentence
    assert plain["first_bad"].sentence.endswith("Whoever stays longer has more time to meet one.")


def test_where_the_busy_meet_more_failures_and_stay_the_sign_is_right(tmp_path: Path) -> None:
    table = _told(_parts("confounded", 1, tmp_path / "data"))
    assert table.loc["unmatched", "conf_low"] > 0
    assert table.loc["mean up to 365 days", "conf_high"] < 0


def test_figures_are_those_of_the_curves(plain: dict[str, Result]) -> None:
    table, curves = _told(plain), plain["first_bad_curves"].table
    sides = {name: rows.set_index("tenure")["estimate"] for name, rows in curves.groupby("term")}
    for mark in (30.0, 90.0, 180.0, 365.0):
        row = table.loc[f"after {mark:g} days"]
        assert row["bad"] == pytest.approx(sides[BAD][mark])
        assert row["ordinary"] == pytest.approx(sides[ORDINARY][mark])
        assert row["estimate"] == pytest.approx(row["bad"] - row["ordinary"])
    # 365 days less the area above the curve, by trapezia between the points drawn
    mean = table.loc["mean up to 365 days"]
    for name, side in ((BAD, "bad"), (ORDINARY, "ordinary")):
        part = sides[name][sides[name].index <= 365]
        assert mean[side] == pytest.approx(np.trapezoid(part, part.index), abs=1.0)


def test_both_sides_are_alike(plain: dict[str, Result]) -> None:
    alike = plain["first_bad_balance"].table
    assert alike["after"].abs().max() <= 0.1
    checks = {c.name: c for c in plain["first_bad"].checks}
    assert checks["first bad contact: balance"].passed
    meta = plain["first_bad"].meta
    assert f"{meta['cases']:,} first bad contacts" in checks[
        "first bad contact: who is compared"
    ].text  # fmt: skip
    assert 0.3 < meta["met_later"] < 1.0


# -- a truth in closed form -------------------------------------------------------------------

H0, H1, CONTACTS, FAILS = 0.001, 0.0015, 0.02, 0.25  # a day; of contacts


def _known_world(n: int, seed: int) -> dict[str, pd.DataFrame]:
    """Draw customers whose hazard rises for good from H0 to H0 + H1 with the first bad contact."""
    draw = np.random.default_rng(seed)
    begin = draw.uniform(0, 250, n)
    counts = draw.poisson(CONTACTS * (366 - begin))
    who = np.repeat(np.arange(n), counts)
    at = draw.uniform(begin[who], 366)
    bad = draw.random(len(who)) < FAILS
    first = pd.Series(at[bad]).groupby(who[bad]).min().reindex(range(n)).fillna(np.inf)
    first = first.to_numpy()
    life = begin + draw.exponential(1 / H0, n)
    later = first + draw.exponential(1 / (H0 + H1), n)
    over = np.where(life > first, later, life)
    kept = at < over[who]
    day = pd.Timestamp("2024-01-01")

    def times(days: np.ndarray) -> pd.Series:
        # Not NaN: of that pandas now and then warns.
        seconds = pd.Series(np.round(np.where(days < 366, days, 0.0) * 86_400))
        return (day + pd.to_timedelta(seconds, unit="s")).where(days < 366)

    ids = np.array([f"c{i:05d}" for i in range(n)])
    customers = {"customer_id": ids, "started_at": times(begin), "ended_at": times(over),
                 "plan": draw.choice(["a", "b"], n)}  # fmt: skip
    contacts = {"customer_id": ids[who], "occurred_at": times(at), "touchpoint": "call",
                "outcome": np.where(bad, "failed", "ok")}  # fmt: skip
    return {"customers": pd.DataFrame(customers), "interactions": pd.DataFrame(contacts)[kept]}


def _truth(after: float) -> float:
    """Give the difference: controls meet a first bad contact at a rate of their own."""
    meets, worse = CONTACTS * FAILS, H0 + H1
    never = np.exp(-(H0 + meets) * after)
    gap = H0 + meets - worse
    later = meets * np.exp(-worse * after) * -np.expm1(-gap * after) / gap
    return float(np.exp(-worse * after) - never - later)


def test_a_known_difference_is_found(write_dataset: Write) -> None:
    z = []
    for seed in (1, 2):
        data = load(write_dataset(_known_world(3000, seed), FEED, name=str(seed)))
        table = _told(first_bad(data, see(data), 10))
        for mark in (90, 180):
            row = table.loc[f"after {mark} days"]
            z.append(
                (row["estimate"] - _truth(mark)) / ((row["conf_high"] - row["conf_low"]) / 3.92)
            )
            assert row["conf_high"] < 0
    assert max(map(abs, z)) < 3.0


# -- by hand ----------------------------------------------------------------------------------


def _by_hand(write_dataset: Write, more: dict[str, Any] | None = None, settings: str = FEED) -> Any:
    """Give a dataset of few customers; each contact is (customer, day, touchpoint, outcome)."""
    started = {"new": "2024-02-01", "old": "2023-06-01", "two": "2024-03-01", "gone": "2024-03-01",
               "pro": "2024-03-01"}  # fmt: skip
    customers = pd.DataFrame(
        {
            "customer_id": list(started),
            "started_at": pd.to_datetime(list(started.values())),
            "ended_at": pd.to_datetime([None, None, None, "2024-04-01", "2024-12-01"]),
        }
    )
    rows = [
        ("new", "2024-02-05", "call", "ok"),
        ("new", "2024-02-09", "exit-page", "failed"),
        ("new", "2024-02-10", "call", "failed"),
        ("new", "2024-02-20", "call", "ok"),
        ("new", "2024-02-21", "call", "failed"),
        ("old", "2024-02-05", "call", "failed"),
        ("two", "2024-03-10", "call", "ok"),
        ("two", "2024-03-12", "chat", None),
        ("gone", "2024-03-20", "chat", "ok"),
        ("gone", "2024-04-03", "chat", "failed"),
        ("pro", "2024-02-20", "call", "failed"),
        ("pro", "2024-03-20", "call", "ok"),
    ]
    contacts = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "touchpoint", "outcome"])
    contacts["occurred_at"] = pd.to_datetime(contacts["occurred_at"])
    points = pd.DataFrame({"touchpoint": ["call", "chat", "exit-page"],
                           "stage": ["support", "support", "exit"]})  # fmt: skip
    tables = {"customers": customers, "interactions": contacts, "touchpoints": points}
    return load(write_dataset(tables | (more or {}), settings))


def _encounters(data: Any) -> Encounters:
    found = encounters(data, see(data).risk)  # type: ignore[arg-type]
    assert isinstance(found, Encounters)
    return found


def test_only_first_ones_of_customers_seen_from_their_start_count(write_dataset: Write) -> None:
    found = _encounters(_by_hand(write_dataset))
    rows = found.rows.sort_values(["customer_id", "at"])
    kept = list(zip(rows["customer_id"], rows["touchpoint"], rows["bad"], strict=True))
    # Not: whoever was there before the feed; leaving; after the first bad one; unjudged
    # contacts; after the end; and of one who met a bad one as a prospect, none at all.
    assert kept == [("gone", "chat", False), ("new", "call", False), ("new", "call", True),
                    ("two", "call", False)]  # fmt: skip
    assert rows["so_far"].tolist() == [0, 0, 1, 0]
    assert (found.cases, found.controls) == (1, 3)
    assert (rows["known"] == rows["at"]).all()


def test_a_contact_counts_from_when_it_was_known_to_be_bad(write_dataset: Write) -> None:
    data = _by_hand(write_dataset, settings=FEED + "bad: {wait_over_seconds: 86400}\n")
    contacts = data.table("interactions").collect(backend="pandas").to_native()
    waits = np.where(contacts["occurred_at"] == "2024-03-10", 5 * 86_400.0, 1.0)
    contacts["response_seconds"] = waits
    data = _by_hand(write_dataset, {"interactions": contacts},
                    FEED + "bad: {wait_over_seconds: 86400}\n")  # fmt: skip
    rows = _encounters(data).rows.set_index("customer_id")
    late = rows[rows["bad"]].loc["two"]
    assert late["delay"] == 1.0
    assert late["known"] == late["at"] + 1.0


@pytest.mark.parametrize(
    ("drop", "why"),
    [(["interactions", "touchpoints"], "no table interactions"), (["outcome"], "nothing tells")],
)
def test_what_is_missing_is_said(write_dataset: Write, drop: list[str], why: str) -> None:
    data = _by_hand(write_dataset)
    tables = {t: data.table(t).collect(backend="pandas").to_native() for t in data.tables}
    tables["interactions"] = tables["interactions"].drop(columns=drop, errors="ignore")
    kept = {name: t for name, t in tables.items() if name not in drop}
    data = load(write_dataset(kept, FEED, name="other"))
    parts = first_bad(data, see(data), 10)
    assert list(parts) == ["first_bad"]
    assert parts["first_bad"].table.empty
    assert why in parts["first_bad"].sentence
    few = _by_hand(write_dataset)
    assert "1 first bad contact has a match" in first_bad(few, see(few), 10)["first_bad"].sentence


# -- matching ---------------------------------------------------------------------------------


def _trials(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = np.random.default_rng(seed)
    spells = pd.DataFrame(
        {
            "started": np.zeros(n),
            "event_at": np.where(draw.random(n) < 0.5, draw.uniform(0, 300, n), np.nan),
            "competing_at": np.nan,
            "attribute plan": draw.choice(["a", "b"], n),
        }
    )
    spell = np.repeat(np.arange(n), 4)
    at = draw.uniform(0, 300, 4 * n)
    over = spells["event_at"].fillna(np.inf).to_numpy()[spell]
    rows = pd.DataFrame(
        {
            "spell": spell,
            "customer_id": spell.astype(str),
            "touchpoint": draw.choice(["x", "y"], 4 * n),
            "at": at,
            "known": at,
            "bad": draw.random(4 * n) < 0.15,
            "so_far": draw.poisson(at / 30).astype(float),
            "lately": draw.poisson(1.0, 4 * n).astype(float),
        }
    )
    rows["delay"] = np.where(rows["bad"], 7.0, 0.0)
    rows["known"] += rows["delay"]
    rows["first_bad"] = np.where(rows["bad"], rows["known"], at + draw.exponential(200, 4 * n))
    rows = rows[rows["known"] < over]
    return rows.reset_index(drop=True), spells


def test_pairs_are_alike_and_nobody_is_immortal() -> None:
    rows, spells = _trials(1500, 1)
    found = match(rows, spells, {"plan": "text"})
    case, control = rows.iloc[found.case], rows.iloc[found.control]
    assert case["bad"].all()
    assert not control["bad"].any()
    assert (case["touchpoint"].to_numpy() == control["touchpoint"].to_numpy()).all()
    assert (case["spell"].to_numpy() != control["spell"].to_numpy()).all()
    # There, and without a bad contact, seven days after the contact, as its case is.
    over = spells["event_at"].fillna(np.inf).to_numpy()[control["spell"]]
    landmark = control["at"].to_numpy() + 7.0
    assert (landmark < over).all()
    assert (landmark < control["first_bad"].to_numpy()).all()
    bent = [np.arcsinh(side["at"].to_numpy() / 30) for side in (case, control)]
    assert np.abs(bent[0] - bent[1]).max() <= 0.16
    assert (np.unique(found.case, return_counts=True)[1] == 4).all()
    alike = balance(found, rows["bad"].to_numpy()).set_index("term")["after"]
    assert alike.abs().max() < 0.1
    same = spells["attribute plan"].to_numpy()
    assert (same[case["spell"]] == same[control["spell"]]).mean() > 0.9


def test_levels_of_few_and_what_would_tell_of_them_are_named() -> None:
    rows, spells = _trials(60, 2)
    grade = np.resize(np.array(["a", "b"], dtype=object), len(spells))
    grade[:3] = "few"
    spells["attribute grade"] = grade
    found = match(rows, spells, {"grade": "text"})
    few = found.few(rows["customer_id"], 10)
    assert set(few.values()) == {"grade"}
    assert "grade = few" in few and len(few) == 2
    assert found.few(rows["customer_id"], 1) == {}


def test_a_case_without_anybody_like_it_is_counted() -> None:
    rows, spells = _trials(60, 2)
    far = rows.copy()
    alone = far.index[far["bad"]][0]
    far.loc[alone, "touchpoint"] = "z"
    found = match(far, spells, {"plan": "text"})
    assert found.unmatched >= 1
    assert alone not in set(found.case)
    nobody = match(far[far["bad"]].reset_index(drop=True), spells, {})
    assert nobody.unmatched == far["bad"].sum()
    assert len(nobody.case) == 0
