"""The driver table on worlds whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import churn_drivers
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import simulate, write
from cxlab.errors import AnalysisError, UsageError
from cxlab.results import Result

DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture(scope="module")
def truth() -> dict:
    return json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def demo() -> Result:
    return churn_drivers.run(load(DEMO), replicates=100)


@pytest.fixture(scope="module")
def quick() -> Result:
    return churn_drivers.run(load(DEMO), quick=True)


def _bad(result: Result) -> pd.DataFrame:
    table = result.table[result.table["valence"] == "bad"]
    return table.set_index("touchpoint")


def test_the_table_is_the_contracts(demo: Result) -> None:
    assert list(demo.table.columns[:20]) == list(churn_drivers.COLUMNS)
    assert demo.table["rank"].tolist() == list(range(1, len(demo.table) + 1))
    names = set(
        load(DEMO).table("interactions").select("touchpoint").unique().collect()["touchpoint"]
    )
    assert set(demo.table["valence"]) == {"bad", "contact"}
    for _, part in demo.table.groupby("valence"):
        assert set(part["touchpoint"]) == names
        assert part["touchpoint"].is_unique


def test_the_strongest_true_drivers_are_found_and_nothing_else(demo: Result, truth: dict) -> None:
    table = _bad(demo)
    drivers = set(table.index[table["verdict"] == "driver"])
    effects = truth["effects"]
    strongest = sorted(effects, key=lambda t: -effects[t])[:4]
    assert set(strongest) <= drivers
    assert not [t for t in drivers if effects[t] == 0]
    ranks = demo.table.loc[demo.table["verdict"] == "driver", "attributable_churn"]
    assert ranks.is_monotonic_decreasing


def test_the_exit_touchpoints_are_not_called_drivers(demo: Result, truth: dict) -> None:
    exits = demo.table[demo.table["touchpoint"].isin(truth["exit_touchpoints"])]
    assert len(exits) >= 2
    assert not exits["verdict"].isin(["driver", "protective"]).any()
    contact = exits[exits["valence"] == "contact"]
    assert (contact["verdict"] == "reverse causation suspected").all()
    # It is the trap it looks like: contacts there go with leaving many times over.
    assert (contact["hazard_ratio"] > 5).all()
    assert exits["attributable_churn"].isna().all() or (exits["verdict"] == "no evidence").any()


def test_intervals_hold_the_truth(demo: Result, truth: dict) -> None:
    table = _bad(demo).query("verdict != 'reverse causation suspected'")
    table = table[table["hazard_ratio"].notna()]
    true = table.index.map(truth["effects"]).to_numpy(float)
    inside = (np.exp(true) >= table["conf_low"]) & (np.exp(true) <= table["conf_high"])
    # 16 intervals of 95%: fewer than 13 inside would happen once in some 60 worlds.
    assert inside.sum() >= len(inside) - 3
    # Notice follows the decision by five days on average: effects seem to fade that much later.
    delayed = truth["half_life_days"] + 5
    assert demo.meta["half_life_low"] < delayed < demo.meta["half_life_high"]


def test_meaningless_figures_are_empty(demo: Result) -> None:
    table = demo.table
    figures = [c for c in table.columns if c.startswith(("attributable", "value"))]
    contact = table["valence"] == "contact"
    assert table.loc[contact, figures].isna().all(axis=None)
    assert not table.loc[contact, "verdict"].isin(["driver", "protective"]).any()
    thin = table["verdict"].isin(["too little data", "not separable"])
    assert table.loc[thin, ["hazard_ratio", "p_value", "q_value", *figures]].isna().all(axis=None)
    suspected = table["verdict"] == "reverse causation suspected"
    assert table.loc[suspected, figures].isna().all(axis=None)
    drivers = table[table["verdict"] == "driver"]
    assert (drivers["attributable_churn_low"] < drivers["attributable_churn"]).all()
    assert (drivers["q_value"] < 0.05).all()
    assert table["why"].str.endswith(".").all()
    assert drivers["attributable_share"].to_numpy() == pytest.approx(
        drivers["attributable_churn"].to_numpy() / 193, rel=0.1
    )


def test_ranks_say_how_sure_they_are(demo: Result, quick: Result) -> None:
    top = demo.table.set_index("term")["top3_probability"].dropna()
    assert top.between(0, 1).all()
    assert top.sum() == pytest.approx(3.0)
    drivers = demo.table[demo.table["verdict"] == "driver"]
    assert top.loc[drivers["term"]].sum() > 2.8
    ranks = demo.parts["ranks"].table
    assert ranks["touchpoint"].tolist() == drivers["touchpoint"].tolist()
    assert (ranks["rank_low"] <= np.arange(1, len(ranks) + 1)).all()
    assert (ranks["rank_high"] >= np.arange(1, len(ranks) + 1)).all()
    for name, others in zip(ranks["touchpoint"], ranks["not_told_from"], strict=True):
        for other in filter(None, others.split(", ")):
            back = ranks.set_index("touchpoint").loc[other, "not_told_from"]
            assert name in back.split(", ")
    # Replicates draw customers and choose the half-life anew: about the delta method's width.
    width, delta = (
        (t["attributable_churn_high"] - t["attributable_churn_low"]).loc[drivers["term"]]
        for t in (demo.table.set_index("term"), quick.table.set_index("term"))
    )
    assert (width / delta).between(0.8, 2.2).all()


def test_findings_carry_the_tables_figures(demo: Result) -> None:
    found = churn_drivers.findings(demo)
    first = demo.table.iloc[0]
    assert found[0].statement == demo.sentence
    assert found[1].estimate == first["attributable_churn"]
    assert f"{first['hazard_ratio']:.2f}" in found[1].statement
    assert len({f.id for f in found}) == len(found)


def test_same_seed_same_answer(tmp_path: Path) -> None:
    write(simulate("null", 600, 21), tmp_path)
    first, again = (churn_drivers.run(load(tmp_path), sample=10, replicates=40) for _ in range(2))
    assert first.checks == again.checks
    assert list(first.parts) == list(again.parts)
    # The engine may add in another order: the last digits, which no file shows, may differ.
    for one, other in [
        (first, again),
        *zip(first.parts.values(), again.parts.values(), strict=True),
    ]:
        assert one.sentence == other.sentence
        pd.testing.assert_frame_equal(one.table, other.table, rtol=1e-7)


def test_a_quick_run_keeps_the_table_and_another_seed_is_close(demo: Result, quick: Result) -> None:
    # A quick run leaves out resampling: of the table the ranks' odds and, for the intervals of
    # customers and money, the replicates.
    assert quick.table["top3_probability"].isna().all()
    drawn = ["top3_probability"] + [
        f"{c}_{end}" for c in ("attributable_churn", "value_at_risk") for end in ("low", "high")
    ]
    pd.testing.assert_frame_equal(
        demo.table.drop(columns=drawn), quick.table.drop(columns=drawn), rtol=1e-9
    )
    other = _bad(churn_drivers.run(load(DEMO), seed=1, quick=True))
    drivers = _bad(demo).query("verdict == 'driver'")
    moved = (other.loc[drivers.index, "estimate"] - drivers["estimate"]).abs()
    # A sample of 20 base rows a churn adds about a tenth to the variance of each run.
    assert (moved / drivers["se"]).median() < 0.5


def test_nothing_after_as_of_is_seen(tmp_path: Path) -> None:
    """Later events may change in any way: the table of an earlier day stays the same."""
    simulation = simulate("plain", 900, 4)
    write(simulation, tmp_path / "before")
    later = [pd.Timestamp("2025-12-31"), pd.Timestamp("2026-05-31")]
    for table, columns in (
        ("interactions", ["occurred_at", "resolved_at"]), ("customers", ["ended_at"]),
    ):  # fmt: skip
        frame = simulation.tables[table]
        moved = frame[columns[0]].between(*later)
        assert moved.sum() > 20
        frame.loc[moved, columns] = frame.loc[moved, columns] + pd.Timedelta(days=9)
    write(simulation, tmp_path / "after")
    first, second = (
        churn_drivers.run(load(tmp_path / w, "2025-12-25"), quick=True).table
        for w in ("before", "after")
    )
    pd.testing.assert_frame_equal(first, second, rtol=1e-9)


@pytest.fixture(scope="module")
def null_world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("null")
    write(simulate("null", 1500, 21), folder)
    return load(folder)


def test_nothing_is_claimed_where_nothing_matters(null_world: Dataset) -> None:
    table = churn_drivers.run(null_world, quick=True).table
    assert not table["verdict"].isin(["driver", "protective"]).any()


def test_full_and_sample_agree(null_world: Dataset) -> None:
    # Weekly rows keep "full" small; estimates differ by the sample's chance alone.
    weekly = {"period_days": 7, "half_life_days": 21}
    full = _bad(churn_drivers.estimate(null_world, sample="full", **weekly))
    part = _bad(churn_drivers.estimate(null_world, sample=40, **weekly))
    both = full["estimate"].notna() & part["estimate"].notna()
    difference = (full["estimate"] - part["estimate"])[both] / full["se"][both]
    assert difference.abs().median() < 0.35
    assert (part["se"] / full["se"])[both].median() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("window_days", 3),
        ("washout_days", -1),
        ("half_life_days", 0.2),
        ("period_days", 9),
        ("sample", "x"),
    ],
)
def test_options_out_of_bounds_are_refused(null_world: Dataset, option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option):
        churn_drivers.run(null_world, **{option: value})


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    simulation = simulate("null", 50, 1)
    write(simulation, tmp_path)
    (tmp_path / "interactions.parquet").unlink()
    with pytest.raises(AnalysisError, match="has no table interactions"):
        churn_drivers.run(load(tmp_path))


def test_without_outcomes_the_sentence_says_what_is_missing(tmp_path: Path) -> None:
    simulation = simulate("null", 300, 1)
    columns = ["outcome", "interaction_id"]
    simulation.tables["interactions"] = simulation.tables["interactions"].drop(columns=columns)
    write(simulation, tmp_path)
    settings = tmp_path / "dataset.yml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text + "bad: {unresolved_after_days: 7}\n", encoding="utf-8")
    dropped = simulation.tables["interactions"].drop(columns="resolved_at")
    dropped.to_parquet(tmp_path / "interactions.parquet")
    result = churn_drivers.run(load(tmp_path), quick=True)
    assert set(result.table["valence"]) == {"contact"}
    assert result.sentence.startswith("Nothing tells a failed contact")
    checks = {c.name: c for c in result.checks}
    assert checks["bad contact"].passed is False
    assert "needs the column resolved_at" in checks["bad contact"].text
    assert "assumed" in checks["half-life"].text


def test_a_washout_beyond_all_spans_leaves_no_effect_by_age(null_world: Dataset) -> None:
    from cxlab.analyses.churn_drivers import parts
    from cxlab.analyses.churn_drivers.study import Options, fit, prepare

    study = prepare(null_world, Options(washout_days=120))
    model = fit(study)
    assert model.main is not None
    kind, k = next(p for p in model.main.coef if p[0] == "bad")
    name = study.known.touchpoints[k]
    drivers = pd.DataFrame([{"touchpoint": name, "valence": kind, "verdict": "driver"}])
    found = parts.by_age(study, model, drivers, None)
    assert found.table.empty
    assert "washout" in found.sentence
