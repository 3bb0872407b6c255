"""What lies beyond single touchpoints, in small worlds whose every effect is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from small_world import HALF_LIFE, Truth, make

from cxlab.analyses.churn_drivers import figures
from cxlab.analyses.churn_drivers.further.beyond import beyond
from cxlab.analyses.churn_drivers.further.offsets import ALL, asymmetry, recovery, stack
from cxlab.analyses.churn_drivers.further.segments import segments
from cxlab.analyses.churn_drivers.study import Model, Options, Study, fit, prepare
from cxlab.data.dataset import load

PARTS = (beyond, recovery, asymmetry, stack, segments)


class Fitted(NamedTuple):
    study: Study
    model: Model
    table: pd.DataFrame


Lived = Callable[..., Fitted]


def fitted(folder: Path) -> Fitted:
    options = Options(washout_days=0, half_life_days=HALF_LIFE, sample=12, quick=True)
    study = prepare(load(folder), options)
    model = fit(study)
    table = figures.estimates(study, model)
    splits = figures.age_splits(study, model, table)
    return Fitted(study, model, figures.judged(study, model, table, splits))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    known: dict[tuple[object, ...], Fitted] = {}

    def build(seed: int, customers: int = 1500, **effects: object) -> Fitted:
        key = (seed, customers, repr(sorted(effects.items())))
        if key not in known:
            truth = Truth(**effects)  # type: ignore[arg-type]
            known[key] = fitted(make(tmp_path_factory.mktemp("world"), truth, seed, customers))
        return known[key]

    return build


NULL = {"bad": 0.8}
JOURNEYS = {"handoff": 0.5, "repeat": 0.4, "doubled_wait": 0.25, "unresolved": 0.6}
# Drawn independently of each other: one world tells of both.
SCORES = {"bad": 0.9, "bottom": 0.8, "top": -0.4, "feeling_failed": -1.2, "base": 0.0009}


@pytest.mark.parametrize("seed", [0, 1])
def test_what_lies_between_contacts_is_found(lived: Lived, seed: int) -> None:
    table = beyond(*lived(seed, bad=0.8, base=0.0007, **JOURNEYS)).table.set_index("term")
    true = pd.Series(JOURNEYS).rename({"doubled_wait": "wait"})
    found = table.loc[true.index]
    assert (found["q_value"] < 0.05).all() and (found["q_value"] >= found["p_value"]).all()
    # The guard against reverse causation may take one of them for what it fears.
    assert (found["verdict"] == "matters").sum() >= 3
    z = (found["estimate"] - true) / found["se"]
    assert z.abs().max() < 2.8, z  # of eight, one beyond that happens once in 25 pairs of worlds
    assert (found["se"] < 0.2).all()
    # A follow-up is either a handoff or a repeat: each alone is compared with the other.
    assert table.loc["handoff", "alone"] < table.loc["handoff", "hazard_ratio"]


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_called_where_only_bad_contacts_matter(lived: Lived, seed: int) -> None:
    world = lived(seed, **NULL)
    quiet = beyond(*world)
    assert not (quiet.table["verdict"] == "matters").any()
    assert "nothing tells" in quiet.sentence
    assert (recovery(*world).table["verdict"] != "matters").all()
    scores = asymmetry(*world).table
    assert scores.loc[scores["term"] == "bottom score", "estimate"].isna().all()
    assert (stack(*world).table["verdict"] == "no evidence").all()
    assert not segments(*world).table["differs"].any()


def test_handoffs_after_the_decision_are_not_said_to_matter(lived: Lived) -> None:
    world = lived(3, decision_days=8.0, base=0.002)
    table = beyond(*world).table.set_index("term")
    assert not world.model.separated.any()
    assert table.loc["handoff", "estimate"] > 0.5
    assert table.loc["handoff", "q_value"] < 0.01
    assert table.loc["handoff", "verdict"] == "reverse causation suspected"


@pytest.mark.parametrize("seed", [4, 5])
def test_the_share_of_the_damage_undone(lived: Lived, seed: int) -> None:
    result = recovery(*lived(seed, bad=1.2, undone=0.6, base=0.001))
    row = result.table.set_index("term").loc[ALL]
    assert row["verdict"] == "matters"
    assert row["share_low"] < 0.6 < row["share_high"]
    assert row["share_high"] - row["share_low"] < 1.0
    assert row["conf_low"] < np.exp(-0.72) < row["conf_high"]
    assert row["not_right_low"] < np.exp(1.2) < row["not_right_high"]
    assert row["right_low"] < np.exp(0.48) < row["right_high"]
    assert f"{row['share_undone']:.0%} of the damage" in result.sentence
    # The shop resolves nothing, and has no figure of its own.
    assert set(result.table["term"]) == {ALL, "call", "chat"}


def test_no_share_of_a_damage_that_is_not_there(lived: Lived) -> None:
    result = recovery(*lived(2, customers=700))
    assert result.table["share_undone"].isna().all()
    assert result.table[["hazard_ratio", "not_right"]].notna().all(axis=None)


@pytest.mark.parametrize("seed", [2, 5])
def test_how_many_good_contacts_offset_a_bad_one(lived: Lived, seed: int) -> None:
    result = asymmetry(*lived(seed, **SCORES))
    table = result.table.set_index(["metric", "term"])
    scored, failed = (table.loc["csat", t] for t in ("bottom score", "failed contact"))
    assert scored["verdict"] == "matters" and scored["bounded"]
    assert scored["conf_low"] < 2.0 < scored["conf_high"]
    assert scored["good_low"] < np.exp(-0.4) < scored["good_high"]
    assert scored["bad_low"] < np.exp(0.8) < scored["bad_high"]
    # A failed contact costs 0.9 less what feelings about it take away: 0.7 of them, half of 1.2.
    assert failed["conf_low"] < (0.9 - 0.42) / 0.4 < failed["conf_high"]
    low, middle, high = (np.log(failed[c]) for c in ("bad_low", "bad", "bad_high"))
    assert abs(middle - (0.9 - 0.42)) < 2.8 * (high - low) / 3.92
    assert "contacts with a top score on csat offset one in the bottom box" in result.sentence


def test_without_an_effect_of_good_scores_there_is_no_upper_end(lived: Lived) -> None:
    result = asymmetry(*lived(0, bad=0.8, bottom=0.9))
    row = result.table.set_index(["metric", "term"]).loc["csat", "bottom score"]
    assert not row["bounded"]
    assert row["conf_low"] > 1
    assert np.isnan(row["conf_high"]) and np.isnan(row["estimate"])
    assert "no upper limit" in result.sentence


@pytest.mark.parametrize("seed", [2, 4])
def test_feelings_where_the_functional_part_failed(lived: Lived, seed: int) -> None:
    table = stack(*lived(seed, **SCORES)).table.set_index("term")
    failed, held, apart = (table.loc[t] for t in table.index)
    assert (failed["verdict"], held["verdict"]) == ("matters", "no evidence")
    assert abs(failed["estimate"] + 1.2) < 2.6 * failed["se"]
    assert abs(held["estimate"]) < 2.6 * held["se"]
    assert apart["estimate"] == pytest.approx(failed["estimate"] - held["estimate"])
    assert apart["conf_high"] < 1


def test_segments_that_differ_are_told_and_drawn_together(lived: Lived) -> None:
    world = lived(1, bad=1.0, by_plan={"basic": 1.5, "pro": 0.5})
    result = segments(*world)
    table = result.table
    plan = table[(table["attribute"] == "plan") & (table["touchpoint"] == "all drivers")]
    plan = plan.set_index("level")
    assert plan["differs"].all()
    # Overall is the mean of the two, by who was exposed: about 1.5 and 0.5 times it.
    assert plan.loc["basic", "raw_low"] < 1.5 < plan.loc["basic", "raw_high"]
    assert plan.loc["pro", "conf_low"] < 0.5 < plan.loc["pro", "conf_high"]
    assert "differs by plan" in result.sentence
    assert not table.loc[table["attribute"] == "region", "differs"].any()
    # Partial pooling: between the level's own estimate and the mean of all.
    for _, part in table.groupby(["attribute", "touchpoint"]):
        assert np.ptp(part["estimate"]) <= np.ptp(part["raw"]) + 1e-9
    # A little wider than the level's own at most, for what is not known of the spread.
    single = table[table["touchpoint"] != "all drivers"]
    wide = np.log(single["raw_high"] / single["raw_low"])
    assert (np.log(single["conf_high"] / single["conf_low"]) < 1.05 * wide).all()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = make(tmp_path_factory.mktemp("bare"), Truth(bad=1.0), 5, 400)
    contacts = pd.read_parquet(folder / "interactions.parquet")
    kept = ["customer_id", "occurred_at", "touchpoint", "outcome"]
    contacts[kept].to_parquet(folder / "interactions.parquet")
    (folder / "feedback.parquet").unlink()
    return fitted(folder)


@pytest.mark.parametrize("part", PARTS)
def test_missing_columns_are_named_and_nothing_breaks(bare: Fitted, part: Callable) -> None:
    result = part(*bare)
    assert result.sentence
    if part is beyond:
        assert result.table["term"].tolist() == ["repeat"]
        assert "journey_id" in result.sentence and "resolved_at" in result.sentence
    elif part is not segments:
        assert result.table.empty
        assert "cannot be told" in result.sentence or "not known" in result.sentence


def test_scores_alone_decide_where_there_is_no_outcome(tmp_path: Path) -> None:
    folder = make(tmp_path, Truth(bottom=0.9, top=-0.5), 6, 1000)
    contacts = pd.read_parquet(folder / "interactions.parquet").drop(columns="outcome")
    contacts.to_parquet(folder / "interactions.parquet")
    world = fitted(folder)
    table = asymmetry(*world).table.set_index(["metric", "term"])
    assert "failed contact" not in table.index.get_level_values("term")
    row = table.loc["csat", "bottom score"]
    assert row["conf_low"] < 1.8 < row["conf_high"]
    for part in PARTS:
        result = part(*world)
        assert result.sentence
        assert not np.isinf(result.table.select_dtypes(float)).any(axis=None)
