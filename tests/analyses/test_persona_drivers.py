"""Drivers and journeys by persona, in worlds where failures hurt one kind, or all alike."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from persona_world import PLACES, THREE, make

from cxlab.analyses.personas import after, drift, driver_model, portraits, segments
from cxlab.analyses.personas.driver_model import fitted
from cxlab.analyses.personas.drivers import drivers, portrait
from cxlab.analyses.personas.forming import Options, Study, study, too_small
from cxlab.analyses.personas.paths import paths
from cxlab.data.dataset import load
from cxlab.frames.periods import risk_set
from cxlab.results import Result

TWICE = float(np.log(2.0))
BASE = [
    replace(kind, leaves=0.0012, fails=fails, contacts=contacts)
    for kind, fails, contacts in zip(THREE, (0.12, 0.20, 0.20), (0.20, 0.15, 0.12), strict=True)
]
PHONE = 1


def _study(folder: Path, hurt: tuple[int, ...], seed: int, customers: int = 1200) -> Study:
    kinds = tuple(replace(k, hurts=TWICE if i in hurt else 0.0) for i, k in enumerate(BASE))
    make(folder, kinds, seed, customers)
    return study(risk_set(load(folder)), None, Options(180, 180, 5, 10, 19, 1), None)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, dict[str, Result]]:
    """A world in which a failure doubles the hazard of those who call, and of nobody else."""
    folder: Path = tmp_path_factory.mktemp("hurt") / "one"
    made = _study(folder, (PHONE,), 1, 2000)
    return folder, made, drivers(made)


def _phone(made: Study) -> str:
    return next(n for n in made.names if "by phone" in n)


def test_failures_that_hurt_one_persona_are_that_personas_driver(
    one: tuple[Path, Study, dict[str, Result]],
) -> None:
    _, made, parts = one
    table = parts["drivers"].table.set_index("term")
    mine, others = table.loc[_phone(made)], table.drop(_phone(made))
    assert mine["conf_low"] < 2.0 < mine["conf_high"]
    assert mine["q_value"] < 0.01
    assert ((others["conf_low"] < 1.0) & (others["conf_high"] > 1.0)).all()
    assert parts["drivers"].meta["p_value"] < 0.01
    assert mine["against_q"] < 0.05
    assert "Personas differ in this beyond chance" in parts["drivers"].sentence
    assert portrait(parts, _phone(made)).startswith("One fresh bad contact multiplies")
    assert "cannot be told" in portrait(parts, others.index[0])


def test_where_it_fails_for_them_is_told_corrected_and_shrunk(
    one: tuple[Path, Study, dict[str, Result]],
) -> None:
    _, made, parts = one
    table = parts["driver_touchpoints"].table
    clear = table[table["q_value"] < 0.05]
    assert set(clear["persona"]) == {_phone(made)}
    assert "support-call" in set(clear["touchpoint"])
    assert _phone(made) in parts["driver_touchpoints"].sentence
    # Drawn to the mean of the persona's own, the spread is less than as estimated.
    for _, rows in table.groupby("persona"):
        assert np.log(rows["estimate"]).std() < np.log(rows["raw"]).std()
    assert (table["n"] >= made.options.min_group).all()
    assert (table["churns"] >= 5).all()


def test_failures_that_hurt_all_alike_make_no_difference(tmp_path: Path) -> None:
    found = fitted(_study(tmp_path / "all", (0, 1, 2), 2))
    assert found.meta["p_value"] > 0.05
    assert found.table["against_q"].min() > 0.05
    assert ((found.table["conf_low"] < 2.0) & (found.table["conf_high"] > 2.0)).all()
    assert (found.table["q_value"] < 0.05).all()


def test_only_leaving_after_the_window_counts(one: tuple[Path, Study, dict[str, Result]]) -> None:
    _, made, _ = one
    left = made.then.customers["left_at"].notna().sum()
    found = fitted(made)
    assert found.meta["churns"] == left
    assert found.rows.startswith(f"{left:,} churns")
    # The days of those who were there: from the window's end to each one's own.
    days = (made.then.customers["until"] - made.then.end).map(np.ceil).sum()
    assert f"of {int(days):,} person-periods" in found.rows


def test_touchpoints_of_leaving_are_left_out(
    one: tuple[Path, Study, dict[str, Result]], tmp_path: Path
) -> None:
    folder, made, _ = one
    shutil.copytree(folder, tmp_path / "exit")
    stages = pd.DataFrame({"touchpoint": PLACES, "stage": ["use", "Exit", "purchase", "use"]})
    stages.to_parquet(tmp_path / "exit" / "touchpoints.parquet")
    found = drivers(replace(made, risk=risk_set(load(tmp_path / "exit"))))
    assert found["drivers"].meta["follows"] == ["support-call"]
    assert "support-call" not in set(found["driver_touchpoints"].table["touchpoint"])
    assert any("support-call" in c.text for c in found["drivers"].checks)


def test_too_few_are_told_so(
    one: tuple[Path, Study, dict[str, Result]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, made, _ = one
    monkeypatch.setattr(driver_model, "_LEAST_EXPOSED", 10_000)
    found = drivers(made)
    assert found["drivers"].table["estimate"].isna().all()
    assert found["drivers"].sentence.endswith("too few of each left after one.")
    assert "left after a bad contact, fewer than" in found["drivers"].table["why"].iloc[0]
    assert found["driver_touchpoints"].table.empty
    monkeypatch.setattr(driver_model, "LEAST_EVENTS", 10_000)
    found = drivers(made)
    assert found["drivers"].sentence.endswith("after the window, fewer than 10000.")
    assert portrait(found, made.names[0]) == ""


def test_a_withheld_persona_has_no_drivers(one: tuple[Path, Study, dict[str, Result]]) -> None:
    _, made, _ = one
    label = made.label.copy()
    label[np.flatnonzero(label == 0)[4:]] = 1
    label[label < 0] = 1
    small = replace(made, label=label)
    assert small.withheld >= {0, 2}
    table = fitted(small).table
    hidden = table.iloc[[g for g in small.withheld if g >= 0]]
    assert hidden[["estimate", "n", "churns", "left"]].isna().all(axis=None)
    # No other table tells how many they are, and nor do all others together.
    names = {made.names[g] for g in small.withheld if g >= 0}
    shares = portraits.personas(small).set_index("term")
    assert set(shares.index[shares["estimate"].isna()]) >= names and len(names) > 1
    for told in (portraits.compared(small).table["persona"], paths(small).table["persona"],
                 after.retention(small)["retention"].table["term"]):  # fmt: skip
        assert not names & set(told)
    moved = drift.drift(small).table.set_index("term")
    assert moved.loc[list(names), ["then", "estimate"]].isna().all(axis=None)
    cells = segments.segments(small)["segments"].table.set_index("persona")
    assert cells.loc[list(names), ["estimate", "n", "all"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("sizes", "gone"),
    [
        ([50, 60, 70, 0], []),
        ([5, 60, 70, 20], [0, 3]),
        ([5, 60, 70, 5], [0, 1, 3]),  # 10 together, but fewer than 12
        ([50, 60, 70, 3], [3]),
        ([0, 60, 70, 20], []),
        ([5, 7, 70, 20], [0, 1]),
        ([5, 0, 0, 0], [0]),
    ],
)
def test_what_is_withheld_cannot_be_told_from_the_rest(sizes: list[int], gone: list[int]) -> None:
    assert np.flatnonzero(too_small(np.array(sizes)[:, None], 12)).tolist() == gone


# -- journeys ----------------------------------------------------------------------------------


def test_the_shares_of_journeys_are_those_counted_by_hand(
    one: tuple[Path, Study, dict[str, Result]],
) -> None:
    folder, made, _ = one
    rows = pd.read_parquet(folder / "interactions.parquet").sort_values("occurred_at")
    rows["at"] = (rows["occurred_at"] - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    people = made.then.customers.assign(persona=made.label)
    rows = rows.merge(people[["customer_id", "until", "persona"]], on="customer_id")
    gap = rows.groupby("customer_id")["at"].diff()
    rows["journey"] = (~(gap <= 7.0)).groupby(rows["customer_id"]).cumsum()
    journeys = rows.groupby(["customer_id", "journey"]).agg(
        begun=("at", "min"), until=("until", "first"), persona=("persona", "first"),
        path=("touchpoint", lambda t: " → ".join(t.iloc[:3])),
    )  # fmt: skip
    journeys = journeys[(journeys["begun"] >= made.then.end)]
    result = paths(made)
    table = result.table.set_index(["persona", "path"])
    assert table["estimate"].notna().all()
    for g, name in enumerate(made.names):
        mine = journeys[journeys["persona"] == g]["path"].value_counts(normalize=True)
        shown = table.loc[name]
        np.testing.assert_allclose(shown["estimate"], mine.reindex(shown.index).fillna(0))
    assert f"“{_phone(made)}” support-call" in result.sentence
    assert result.table["path"].nunique() <= 12
