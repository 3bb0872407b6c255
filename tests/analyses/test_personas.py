"""Personas: kinds that are there, kinds that are not, and what becomes of both."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from persona_world import CHANNELS, ONE, THREE, make

from cxlab.analyses import personas
from cxlab.analyses.personas.rule import FILE, Rule, read_rule
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.errors import DataError, UsageError
from cxlab.frames.behaviour import behaviour
from cxlab.frames.periods import risk_set
from cxlab.models.clusters import agreement
from cxlab.results import Result

QUICK = {"nulls": 19}


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, np.ndarray]:
    folder: Path = tmp_path_factory.mktemp("personas") / "three"
    kind, _ = make(folder, seed=4, customers=900)
    return folder, personas.run(load(folder), **QUICK), kind


def _named(result: Result, word: str) -> str:
    return next(n for n in result.meta["personas"] if word in n.lower())


def test_the_kinds_that_are_there_are_found(three: tuple[Path, Result, np.ndarray]) -> None:
    _, result, _ = three
    table = result.table[result.table["persona"]]
    assert len(table) == 3
    assert table["stability"].min() > 0.95
    for word in ("app", "phone", "store"):
        assert _named(result, f"by {word}")
    assert "3 kinds" in result.sentence
    assert table["estimate"].sum() == pytest.approx(1.0, abs=0.05)


def test_each_customer_is_of_the_kind_they_are(three: tuple[Path, Result, np.ndarray]) -> None:
    folder, result, kind = three
    rule = Rule.model_validate(yaml.safe_load(result.meta["rule"]))
    risk = risk_set(load(folder))
    seen = behaviour(risk, risk.end - 360, risk.end - 180, like=rule.keys)
    label, distance = rule.label(seen)
    number = seen.customers["customer_id"].str[1:].astype(int).to_numpy()
    told = label >= 0
    assert agreement(label[told], kind[number[told]]) > 0.97
    # By chance, 1 in 100 is farther than that.
    assert 0 < (~told).mean() < 0.04
    near = rule.model_copy(update={"farthest": 0.9}).label(seen)[0]
    assert ((near < 0) == (np.isnan(distance) | (distance > 0.9))).all()


def test_what_sets_them_apart_is_in_its_own_unit(three: tuple[Path, Result, np.ndarray]) -> None:
    _, result, _ = three
    table = result["features"].table.set_index(["persona", "behaviour"])
    for kind, channel in zip(THREE, ("app", "phone", "store"), strict=True):
        name = _named(result, f"by {channel}")
        own = table.loc[name, "mean"]
        assert own["contacts that failed"] == pytest.approx(kind.fails, abs=0.02)
        assert own[f"contacts by {channel}"] == pytest.approx(
            kind.channels[int(np.flatnonzero(channel == CHANNELS)[0])], abs=0.02
        )
        assert own["contacts"] == pytest.approx(180 * kind.contacts, rel=0.2)
    phone = result.meta["portraits"][_named(result, "by phone")]
    assert "Their pains: contacts that failed" in phone
    # What formed them is not tested; what did not is.
    flat = result["features"].table
    assert flat.loc[flat["formed"], "p_value"].isna().all()
    assert flat.loc[~flat["formed"], "p_value"].notna().all()


def test_retention_is_that_of_the_truth(three: tuple[Path, Result, np.ndarray]) -> None:
    _, result, _ = three
    table = result["retention"].table.set_index("term")
    for kind, channel in zip(THREE, ("app", "phone", "store"), strict=True):
        row = table.loc[_named(result, f"by {channel}")]
        truth = np.exp(-kind.leaves * 180)
        assert row["conf_low"] - 0.02 < truth < row["conf_high"] + 0.02
    assert result["retention"].meta["p_value"] < 1e-6
    assert "leave at different rates" in result["retention"].sentence
    curve = result["segment_curves"].table
    assert (curve.groupby("term")["tenure"].min() == 0).all()
    assert (curve.loc[curve["tenure"] == 0, "estimate"] == 1).all()
    burdens = result["burdens"].table.set_index("persona")
    assert burdens.loc[_named(result, "by phone"), "estimate"] == pytest.approx(0.4, abs=0.03)


def test_segments_have_no_part_in_them(three: tuple[Path, Result, np.ndarray]) -> None:
    _, result, _ = three
    assert result["segment_tests"].table["p_holm"].min() > 0.01
    table = result["segments"].table
    shown = table[table["estimate"].notna()]
    assert (shown["n"] >= 10).all()
    # No single cell is withheld beside others of its level: their sum would tell it.
    withheld = table.assign(gone=table["estimate"].isna()).groupby(["attribute", "level"])
    assert (withheld["gone"].sum() != 1).all()


# -- no personas -------------------------------------------------------------------------------


def test_customers_who_differ_by_degrees_have_none(tmp_path: Path) -> None:
    make(tmp_path / "one", ONE, 1, customers=500, differ=0.8)
    result = personas.run(load(tmp_path / "one"), **QUICK)
    assert result.table.empty
    assert result.sentence.startswith("No personas here.")
    assert personas.kept(result) is None
    own = result["behaviours"].table.set_index("term")
    assert own.loc["contacts that failed", "own"]
    assert not own.loc["contacts at weekends", "own"]
    assert {"behaviours", "differing", "apart"} == set(result.parts)


def test_chance_alone_is_no_behaviour_of_ones_own(tmp_path: Path) -> None:
    """Whose contacts failed often was unlucky: the demo's failures do not hang on customers."""
    write(simulate("demo", 700, 3, texts=False), tmp_path / "demo")
    result = personas.run(load(tmp_path / "demo"), **QUICK)
    assert result.sentence.startswith("No personas")
    own = result["behaviours"].table.set_index("term")["own"]
    assert own["contacts"] and own["monthly value"]
    assert not own["contacts that failed"]
    assert not own["contacts by phone"]
    assert len(personas.findings(result)) == 2


# -- the rule and what changes -----------------------------------------------------------------


def _state(folder: Path, result: Result) -> str:
    kept = personas.kept(result)
    assert kept is not None
    folder.mkdir(exist_ok=True)
    (folder / kept.name).write_text(kept.text, encoding="utf-8")
    return str(folder)


def test_a_rule_gives_the_same_personas_again(
    three: tuple[Path, Result, np.ndarray], tmp_path: Path
) -> None:
    folder, result, _ = three
    state = _state(tmp_path / "state", result)
    # A name that was changed by hand stays.
    path = Path(state) / FILE
    edited = path.read_text(encoding="utf-8").replace(result.meta["personas"][0], "Ann")
    path.write_text(edited, encoding="utf-8")
    again = personas.run(load(folder), state=state, **QUICK)
    assert again.table["term"].iloc[0] == "Ann"
    columns = ["estimate", "n"]
    pd.testing.assert_frame_equal(again.table[columns], result.table[columns])
    assert again.meta["rule"] == edited
    assert again.sentence.startswith("By the rule of an earlier run")
    drift = again["drift"]
    assert drift.meta["fresh"] > 0.95
    assert next(c for c in drift.checks if "anew" in c.name).passed
    json.dumps(again.to_dict(), allow_nan=False)


STAY = tuple(replace(k, leaves=0.0005) for k in THREE)


EVEN = (1 / 3, 1 / 3, 1 / 3)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run on other customers of the same kinds kept."""
    folder: Path = tmp_path_factory.mktemp("earlier")
    make(folder / "was", STAY, 7, customers=450, shares=EVEN)
    return _state(folder / "state", personas.run(load(folder / "was"), **QUICK))


@pytest.mark.parametrize(("shares", "moves"), [(EVEN, False), ((0.1, 0.6, 0.3), True)])
def test_drift_is_seen_where_it_is(
    earlier: str, tmp_path: Path, shares: tuple[float, float, float], moves: bool
) -> None:
    make(tmp_path / "is", STAY, 8, customers=450, shares=shares)
    now = personas.run(load(tmp_path / "is"), state=earlier, **QUICK)
    drift = now["drift"]
    assert (drift.table["p_holm"].min() < 0.05) == moves
    assert (drift.meta["index"] > 0.1) == moves
    assert ("Shares have changed" in drift.sentence) == moves
    if moves:
        row = drift.table[drift.table["term"].str.contains("phone")].iloc[0]
        assert row["change_low"] < 0.6 - 1 / 3 < row["change_high"]


def test_who_moves_between_the_windows_of_a_run_is_counted(tmp_path: Path) -> None:
    kind, later = make(tmp_path / "turn", STAY, 9, customers=450, shares=EVEN, turn=(220, EVEN))
    moved = personas.run(load(tmp_path / "turn"), **QUICK)["drift"].meta["moved"]
    assert moved[0] == pytest.approx((kind != later).mean(), abs=0.03)
    assert moved[1] < moved[0] < moved[2]


BROKEN = {
    "no YAML": "a: [1",
    "no keys": "- 1",
    "empty": "",
    "unknown key": "version: 1\nnames: [a]",
    "bytes": b"\xff\xfe\x00",
    "nested": "[" * 3000,
    "a key twice": "version: 1\nversion: 1",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_rule_is_one_clear_error(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / FILE).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(
        DataError, match=r"personas\.yml(, line \d)?: .*expected: what cxlab kept there"
    ):
        read_rule(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "version: "),
        ("scale: ", "scale: -", "scale: "),
        ("name: ", "name: none of these #", "none be 'none of these'"),
        ("behaviour: 'use: contacts'", "behaviour: 'use: luck'", "one that is known"),
        ("weight: ", "weight: .nan #", "weight: "),
        ("scale: ", "scale: 1.0e-308 #", "scale: "),
        ("centre: ", "centre: 1.0e+308 #", "centre: "),
        ("name: ", 'name: "a\\nb" #', "one line"),
        ("name: ", "name: ' ' #", "one line"),
        ("formed_from: ", "formed_from: yesterday #", "formed_from: "),
    ],
)
def test_a_spoilt_rule_is_one_clear_error(
    three: tuple[Path, Result, np.ndarray], tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = three[1].meta["rule"]
    assert old in text
    (tmp_path / FILE).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DataError, match=said) as error:
        read_rule(str(tmp_path))
    assert "\n" not in str(error.value)


def test_personal_data_in_an_edited_name_are_masked(
    three: tuple[Path, Result, np.ndarray], tmp_path: Path
) -> None:
    text = three[1].meta["rule"].replace("name: ", "name: anna.keller@example.com #", 1)
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    rule = read_rule(str(tmp_path))
    assert rule is not None
    assert rule.names[0] == "[e-mail]"
    assert rule.names[1:] == tuple(three[1].meta["personas"][1:])


def test_no_state_is_no_rule(tmp_path: Path) -> None:
    assert read_rule("") is None
    assert read_rule(str(tmp_path / "not there")) is None


# -- hostile data ------------------------------------------------------------------------------


def _spoilt(folder: Path, spoil: str) -> None:
    customers = pd.read_parquet(folder / "customers.parquet")
    rows = pd.read_parquet(folder / "interactions.parquet")
    if spoil == "one customer":
        left = customers["ended_at"].notna().idxmax()
        rows = rows[rows["customer_id"] == customers.loc[left, "customer_id"]]
        customers = customers.loc[[left]]
    elif spoil == "all alike":
        rows = rows.assign(touchpoint="call", channel="phone", outcome="ok")
        rows["occurred_at"] = rows["occurred_at"].dt.normalize()
    elif spoil == "nulls":
        rows[["outcome", "channel"]] = pd.DataFrame(pd.NA, rows.index, ["a", "b"], "string")
    elif spoil == "60 touchpoints":
        draw = np.random.default_rng(1)
        names = np.array([f"<b>{i}</b> {{x}} =1+1" for i in range(60)])
        rows["touchpoint"] = names[draw.integers(0, 60, len(rows))]
        (folder / "touchpoints.parquet").unlink()
    elif spoil == "few contacts":
        rows = rows.iloc[::40]
    else:
        rows = rows[["customer_id", "occurred_at", "touchpoint"]]
    customers.to_parquet(folder / "customers.parquet")
    rows.to_parquet(folder / "interactions.parquet")


@pytest.mark.parametrize(
    "spoil",
    ["one customer", "all alike", "nulls", "60 touchpoints", "few contacts", "bare"],
)
def test_bad_input_ends_in_a_sentence(tmp_path: Path, spoil: str) -> None:
    make(tmp_path / "data", seed=2, customers=250)
    _spoilt(tmp_path / "data", spoil)
    result = personas.run(load(tmp_path / "data"), nulls=19)
    assert result.sentence.endswith(".")
    assert "nan" not in result.summary().lower().split()
    json.dumps(result.to_dict(), allow_nan=False)
    assert personas.findings(result)[0].statement == result.sentence
    if spoil in ("one customer", "few contacts", "all alike"):
        assert result.sentence.startswith(("No personas", "Personas cannot be told"))


def test_too_short_a_feed_and_snapshots_are_told(tmp_path: Path) -> None:
    make(tmp_path / "data", seed=2, customers=120, days=100)
    result = personas.run(load(tmp_path / "data"))
    assert "was there for the 360 days" in result.sentence
    assert result.table.empty
    snap = tmp_path / "snap"
    snap.mkdir()
    rows = {"customer_id": list("abcd"), "tenure": [1, 2, 3, 4], "churned": [0, 1, 0, 1]}
    pd.DataFrame(rows).to_csv(snap / "customers.csv", index=False)
    pd.DataFrame({"customer_id": ["a"], "occurred_at": ["2025-01-01"], "touchpoint": ["x"]}).to_csv(
        snap / "interactions.csv", index=False
    )
    assert "a snapshot" in personas.run(load(snap)).sentence


@pytest.mark.parametrize("name", ["window_days", "follow_days", "least_contacts", "min_group"])
def test_options_have_bounds(three: tuple[Path, Result, np.ndarray], name: str) -> None:
    with pytest.raises(UsageError, match=name):
        personas.run(load(three[0]), **{name: 0})


def test_personas_that_are_too_small_are_withheld(
    three: tuple[Path, Result, np.ndarray], tmp_path: Path
) -> None:
    folder, result, _ = three
    state = _state(tmp_path, result)
    few = personas.run(load(folder), state=state, min_group=1000, nulls=1)
    assert few.table["estimate"].isna().all()
    assert few.table["n"].isna().all()
    assert "withheld" in few["retention"].sentence
    assert few["segments"].table["estimate"].isna().all()
    assert few["drift"].table["estimate"].isna().all()
    assert few["features"].table.empty
    assert few.meta["portraits"] == {}
    assert "%" not in few.sentence
    assert personas.findings(few)[0].id == "personas.summary"
    json.dumps(few.to_dict(), allow_nan=False)
