from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import satisfaction_drivers
from cxlab.analyses.satisfaction_drivers.estimate import estimate
from cxlab.analyses.satisfaction_drivers.prepare import prepare
from cxlab.data.dataset import Dataset, load
from cxlab.errors import UsageError
from cxlab.frames.ratings import Ratings, ratings
from cxlab.models.importance import shapley
from cxlab.models.moments import correlations
from cxlab.results import Result

Write = Callable[..., Path]
START = pd.Timestamp("2025-01-01")
PLACES = ("delivery", "call", "shop", "invoice")
SLOPES = np.array([1.0, 0.5, 0.2, 0.0])


def wide(seed: int = 1, n: int = 900, repeat: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Draw correlated ratings of 1 to 5 and an overall score with known slopes."""
    draw = np.random.default_rng(seed)
    root = np.linalg.cholesky(0.3 + 0.7 * np.eye(4))
    x = np.clip(np.round(3.4 + draw.normal(size=(n, 4)) @ root.T), 1, 5)
    level = np.repeat(draw.normal(0, 0.8, n // repeat), repeat)
    y = 1.0 + x @ SLOPES + level + draw.normal(0, 1.2, n)
    return x, y


def dataset(
    write: Write, x: np.ndarray, y: np.ndarray, *, repeat: int = 1, names: object = PLACES,
    plan: np.ndarray | None = None, metric: str = "score", scale: str = "[-20, 30]",
) -> Dataset:  # fmt: skip
    """Write a survey, one response a row, as answers given together."""
    n = len(y)
    who = np.arange(n) // repeat
    ids = np.array([f"c{i:05d}" for i in range(who.max() + 1)])
    customers = pd.DataFrame({"customer_id": ids, "started_at": START, "ended_at": pd.NaT})
    customers.loc[0, "ended_at"] = START + pd.Timedelta(days=700)
    if plan is not None:
        customers["plan"] = plan
    at = START + pd.to_timedelta(10 + np.arange(n) % repeat * 30, unit="D")
    head = {"customer_id": ids[who], "responded_at": at, "response_id": [f"r{i}" for i in range(n)]}
    parts = [pd.DataFrame({**head, "metric": metric, "touchpoint": None, "score": y})]
    for j, name in enumerate(list(names)):  # type: ignore[call-overload]
        parts.append(pd.DataFrame({**head, "metric": "csat", "touchpoint": name, "score": x[:, j]}))
    feedback = pd.concat([p.dropna(subset=["score"]) for p in parts], ignore_index=True)
    settings = f"metrics: {{{metric}: {{scale: {scale}}}}}\nobserved_until: 2026-12-31\n"
    tables = {"customers": customers, "feedback": feedback}
    return load(write(tables, settings, form="parquet"))


def check(result: Result, name: str) -> str:
    return next(c.text for c in result.checks if c.name == name)


# -- truth -----------------------------------------------------------------------------------


def test_shares_slopes_and_order_of_a_known_world(write_dataset: Write) -> None:
    x, y = wide(n=1500)
    result = satisfaction_drivers.run(dataset(write_dataset, x, y))
    table = result.table.set_index("term")
    r = np.corrcoef(np.column_stack([x, y]).T)[None]
    np.testing.assert_allclose(
        table.loc[list(PLACES), "r2_part"], shapley(r).parts[0], rtol=1e-9
    )  # fmt: skip
    assert table["estimate"].sum() == pytest.approx(1)
    assert table["r2_part"].sum() == pytest.approx(result.meta["r_squared"])
    assert table["relative_weight"].sum() == pytest.approx(1)
    assert list(table.index[:3]) == ["delivery", "call", "shop"]
    truth = pd.Series(SLOPES, index=PLACES)[table.index]
    assert ((table["slope_low"] < truth) & (truth < table["slope_high"])).all()
    assert table.loc["delivery", "verdict"] == table.loc["call", "verdict"] == "matters"
    assert table.loc["invoice", "verdict"] == "cannot be told"
    assert table.loc["delivery", "positive_probability"] == 1
    assert (table["conf_low"] <= table["estimate"]).all()
    assert (table["estimate"] <= table["conf_high"]).all()
    assert "go with delivery" in result.sentence
    true = np.corrcoef(x @ SLOPES, y)[0, 1] ** 2
    assert result.meta["r_squared_low"] < true < result.meta["r_squared_high"]
    assert "delivery is a point better" in result.sentence
    found = satisfaction_drivers.findings(result)
    assert found[0].id == "satisfaction.summary"
    assert found[0].estimate == pytest.approx(table.loc["delivery", "estimate"])


def test_the_same_seed_gives_the_same_figures(write_dataset: Write) -> None:
    x, y = wide(n=300)
    x[::7, 1] = np.nan
    data = dataset(write_dataset, x, y)
    one, other = (satisfaction_drivers.run(data, seed=s) for s in (3, 3))
    pd.testing.assert_frame_equal(one.table, other.table)


def test_a_sign_that_turns_beside_others_is_named(write_dataset: Write) -> None:
    draw = np.random.default_rng(3)
    n = 1200
    a = draw.normal(size=n)
    x = np.column_stack([a + 0.7 * draw.normal(size=n), a + 0.7 * draw.normal(size=n)])
    y = 1.2 * x[:, 0] - 0.4 * x[:, 1] + draw.normal(size=n)
    x = np.clip(np.round(3 + x), 1, 5)
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, names=PLACES[:2]))
    row = result.table.set_index("term").loc["call"]
    assert row["correlation_low"] > 0 > row["slope_high"]
    assert row["verdict"] == "suppressed"
    assert row["positive_probability"] == 0


def test_imputation_finds_what_complete_answers_lose(write_dataset: Write) -> None:
    x, y = wide(seed=5, n=1500)
    draw = np.random.default_rng(5)
    # Whoever is pleased overall leaves the first question out.
    x[draw.random(len(y)) < 1 / (1 + np.exp(-(y - np.median(y) - 0.3))), 0] = np.nan
    x[draw.random(len(y)) < 0.15, 1] = np.nan
    data = dataset(write_dataset, x, y)
    result = satisfaction_drivers.run(data)
    row = result.table.set_index("term").loc["delivery"]
    assert result.meta["missing"] == "imputed"
    assert row["slope_low"] < 1 < row["slope_high"]
    ways = result["beside"].table.set_index(["way", "term"])
    complete = ways.loc[("complete answers alone", "delivery")]
    assert complete["conf_high"] < 1
    assert {"pairs of ratings", "ordinal logit"} <= set(result["beside"].table["way"])
    assert "multiple imputation" in check(result, "missing ratings")
    for missing in ("pairwise", "complete", "apart"):
        other = satisfaction_drivers.run(data, missing=missing)
        assert other.meta["missing"] == missing
        assert other.table["r2_part"].sum() == pytest.approx(other.meta["r_squared"], abs=1e-9)
        assert other.table["relative_weight"].sum() == pytest.approx(1)


def test_repeated_answers_widen_intervals_and_get_a_level_each(write_dataset: Write) -> None:
    draw = np.random.default_rng(8)
    x = np.repeat(draw.integers(1, 6, (250, 2)).astype(float), 4, axis=0)
    level = np.repeat(draw.normal(0, 1.5, 250), 4)
    moved = draw.random(1000) < 0.5
    x[moved, 1] = draw.integers(1, 6, int(moved.sum()))
    y = 0.5 * x[:, 0] + 0.5 * x[:, 1] + level + draw.normal(size=1000)
    result = satisfaction_drivers.run(
        dataset(write_dataset, x, y, repeat=4, names=PLACES[:2])
    )  # fmt: skip
    ways = result["beside"].table.set_index(["way", "term"])
    own = ways.loc[("a level for each customer", "call")]
    plain = ways.loc[("least squares", "call")]
    assert own["conf_low"] < 0.5 < own["conf_high"]
    assert own["conf_high"] - own["conf_low"] < plain["conf_high"] - plain["conf_low"]
    assert ways.loc[("within customers", "call"), "conf_low"] > 0
    assert "correlate by 0.6" in result["beside"].sentence or "0.7" in result["beside"].sentence


def test_basic_and_excitement_factors(write_dataset: Write) -> None:
    draw = np.random.default_rng(4)
    x = draw.choice([1.0, 2, 3, 4, 5], (1500, 3), p=[0.1, 0.15, 0.3, 0.25, 0.2])
    y = np.minimum(x[:, 0] - 3, 0) + np.maximum(x[:, 1] - 3, 0) + 0.5 * x[:, 2]
    result = satisfaction_drivers.run(
        dataset(write_dataset, x, y + draw.normal(size=1500), names=PLACES[:3])
    )  # fmt: skip
    table = result["asymmetry"].table.set_index("term")
    # Of the third, a straight line, tests/models/test_asymmetry.py counts the false alarms.
    assert table.loc[["delivery", "call"], "kind"].tolist() == ["basic", "excitement"]
    assert table.loc["delivery", "conf_low"] < 1 < table.loc["delivery", "conf_high"]
    assert "At delivery a bad rating hurts more" in result["asymmetry"].sentence


def test_the_quadrant_says_what_is_sure(write_dataset: Write) -> None:
    draw = np.random.default_rng(9)
    x = np.clip(np.round(draw.normal([2.4, 4.2, 3.0, 3.9], 0.9, (1500, 4))), 1, 5)
    y = x @ [1.0, 1.0, 0.05, 0.0] + draw.normal(0, 1.0, 1500)
    result = satisfaction_drivers.run(dataset(write_dataset, x, y))
    table = result["quadrant"].table.set_index("term")
    assert table.loc["delivery", ["quadrant", "told"]].tolist() == ["improve first", True]
    assert table.loc["call", "quadrant"] == "keep up"
    assert table.loc["shop", "quadrant"] == "no hurry"
    assert result["quadrant"].sentence.startswith("Improve first: delivery;")
    mean = 100 * (x[:, 0].mean() - 1) / 4
    assert table.loc["delivery", "performance"] == pytest.approx(mean)
    assert table.loc["delivery", "performance_sd"] == pytest.approx(
        100 * x[:, 0].std() / 4 / np.sqrt(1500), rel=0.15
    )


def test_slopes_that_differ_between_segments(write_dataset: Write) -> None:
    x, y = wide(n=1500)
    plan = np.array(["basic", "pro", "rare"])[np.arange(1500) % 2]
    plan[:5] = "rare"
    data = dataset(write_dataset, x, y + 0.8 * (plan == "pro") * x[:, 3], plan=plan)
    part = satisfaction_drivers.run(data)["segments"]
    apart = part.table[part.table["differs"]]
    assert set(apart["term"]) == {"invoice"}
    pro = apart.set_index("level").loc["pro"]
    assert pro["conf_low"] < 0.8 < pro["conf_high"]
    assert "rare" not in set(part.table["level"])
    assert "1 group of fewer than 30 customers" in part.sentence
    assert "invoice matters more where plan is pro" in part.sentence


@pytest.mark.parametrize("missing", ["pairwise", "complete"])
def test_groups_are_compared_where_ratings_are_missing(write_dataset: Write, missing: str) -> None:
    x, y = wide(n=600)
    x[::6, 0] = np.nan
    plan = np.array(["basic", "pro"])[np.arange(600) % 2]
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, plan=plan), missing=missing)
    whole = np.isfinite(x).all(axis=1)
    part = result["segments"]
    assert set(part.table["n"]) == {int((whole & (plan == p)).sum()) for p in ("basic", "pro")}
    assert ("Only responses with all ratings" in part.sentence) == (missing == "pairwise")


@pytest.mark.parametrize("missing", ["auto", "imputed", "pairwise"])
def test_ratings_never_given_together_are_not_drawn_from_each_other(
    write_dataset: Write, missing: str
) -> None:
    x, y = wide(n=900)
    alone = [np.corrcoef(x[j::4, j], y[j::4])[0, 1] ** 2 for j in range(4)]
    x[np.arange(900)[:, None] % 4 != np.arange(4)] = np.nan
    result = satisfaction_drivers.run(dataset(write_dataset, x, y), missing=missing)
    assert result.meta["missing"] == "apart"
    # Each tells of its own quarter alone, and no draw makes more of it.
    assert result.meta["r_squared"] == pytest.approx(np.mean(alone), abs=0.03)
    assert "6 pairs of ratings, such as" in check(result, "missing ratings")
    assert not {"pairs of ratings", "missing ratings imputed"} & set(result["beside"].table["way"])


def test_segments_alike_raise_no_alarm(write_dataset: Write) -> None:
    alarms = 0
    for seed in range(3):
        x, y = wide(seed=seed, n=400)
        plan = np.array([f"p{k}" for k in range(4)])[np.arange(400) % 4]
        data = dataset(
            lambda *a, s=seed, **k: write_dataset(*a, **k, name=f"w{s}"), x, y, plan=plan
        )
        alarms += satisfaction_drivers.run(data)["segments"].table["differs"].any()
    assert alarms <= 1


def three(
    draw: np.random.Generator, n: int, effect: float, halo: float = 0.6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a rating, the NPS that it moves, and a later rating; all by who is pleased too."""
    pleased = draw.normal(size=n)
    before, after = np.clip(np.round(3.3 + halo * pleased + draw.normal(size=(2, n))), 1, 5)
    nps = np.clip(np.round(7 + pleased + effect * (before - 3) + draw.normal(size=n)), 0, 10)
    return before, after, nps


def linked(write: Write, effect: float, seed: int, name: str, halo: float = 0.6) -> Dataset:
    """Write ratings of calls and an NPS half way between them; pleased customers rate higher."""
    n = 1200
    before, after, nps = three(np.random.default_rng(seed), n, effect, halo)
    ids = np.array([f"c{i:05d}" for i in range(n)])
    customers = pd.DataFrame({"customer_id": ids, "started_at": START, "ended_at": pd.NaT})
    customers.loc[0, "ended_at"] = START + pd.Timedelta(days=300)
    parts = [
        pd.DataFrame({"customer_id": ids, "responded_at": START + pd.Timedelta(days=day),
                      "metric": metric, "touchpoint": place, "score": score})
        for day, metric, place, score in ((50, "csat", "call", before), (80, "nps", None, nps),
                                          (110, "csat", "call", after))
    ]  # fmt: skip
    tables = {"customers": customers, "feedback": pd.concat(parts, ignore_index=True)}
    return load(write(tables, "observed_until: 2026-12-31\n", form="parquet", name=name))


def test_ratings_from_after_the_score_are_held_against_those_before(write_dataset: Write) -> None:
    moved = satisfaction_drivers.run(linked(write_dataset, 0.7, 1, "moved"))
    assert moved.meta["linked"]
    table = moved["afterwards"].table.set_index("term")
    # What the difference is in a world a hundred times as large, from 1 to 5.
    before, after, nps = three(np.random.default_rng(99), 120_000, 0.7)
    true = 4 * (np.polyfit(before, nps, 1)[0] - np.polyfit(after, nps, 1)[0])
    assert table.loc["difference", "conf_low"] < true < table.loc["difference", "conf_high"]
    assert table.loc["difference", "conf_low"] > 1
    halo = satisfaction_drivers.run(linked(write_dataset, 0.0, 2, "halo"))
    assert halo.table.iloc[0]["verdict"] == "matters"  # it does go with the score
    outcome = next(c for c in halo.checks if c.name == "ratings given afterwards")
    assert outcome.passed is False
    assert "who is pleased more than what touchpoints do" in outcome.text
    assert "afterwards" in {f.id.split(".")[1] for f in satisfaction_drivers.findings(halo)}
    assert halo.sentence.endswith("see whether it is the other way round.")
    null = satisfaction_drivers.run(linked(write_dataset, 0.0, 3, "null", halo=0.0))
    outcome = next(c for c in null.checks if c.name == "ratings given afterwards")
    assert outcome.passed is None
    assert "other way round" not in null.sentence


def test_five_who_agree_are_no_proof(write_dataset: Write) -> None:
    draw = np.random.default_rng(1)
    x = draw.integers(1, 6, (300, 2)).astype(float)
    x[:, 1] = np.where(np.arange(300) < 5, 1.0, 5.0)
    y = draw.integers(3, 9, 300).astype(float)
    y[:5] = 10.0
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, names=PLACES[:2]))
    row = result.table.set_index("term").loc["call"]
    assert row["verdict"] == "too little data"
    assert "call" not in result.sentence


# -- where small packages fail -------------------------------------------------------------------


def test_a_rare_rating_that_carries_the_variance(write_dataset: Write) -> None:
    draw = np.random.default_rng(2)
    x = draw.integers(2, 6, (2000, 3)).astype(float)
    rare = draw.random(2000) < 0.03
    x[:, 2] = np.where(rare, 1.0, 5.0)
    y = 0.1 * x[:, 0] + 1.5 * x[:, 2] + draw.normal(size=2000)
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, names=PLACES[:3]))
    top = result.table.iloc[0]
    assert (top["term"], top["verdict"]) == ("shop", "matters")
    assert top["slope_low"] < 1.5 < top["slope_high"]


def test_one_gap_changes_next_to_nothing(write_dataset: Write) -> None:
    x, y = wide(n=400)
    whole = satisfaction_drivers.run(dataset(write_dataset, x, y)).table.set_index("term")
    torn = x.copy()
    torn[11, 2] = np.nan
    data = dataset(lambda *a, **k: write_dataset(*a, **k, name="torn"), torn, y)
    result = satisfaction_drivers.run(data)
    table = result.table.set_index("term").loc[whole.index]
    np.testing.assert_allclose(table["slope"], whole["slope"], atol=0.02)
    np.testing.assert_allclose(table["estimate"], whole["estimate"], atol=0.01)
    assert result.meta["rows"] == 400


def test_collinear_ratings_have_one_share(write_dataset: Write) -> None:
    x, y = wide(n=600)
    draw = np.random.default_rng(1)
    near = np.where(draw.random(600) < 0.03, 3, x[:, 0])
    x = np.column_stack([x, near, x[:, 1]])
    result = satisfaction_drivers.run(
        dataset(write_dataset, x, y, names=[*PLACES, "near", "same"])
    )  # fmt: skip
    assert len(result.table) == 4
    assert "delivery and near" in check(result, "ratings put together")
    assert "call and same" in check(result, "ratings put together")
    together = result.table.set_index("term")
    assert together.loc["call and same", "slope"] == pytest.approx(0.5, abs=0.15)
    assert result.table["r2_part"].sum() == pytest.approx(result.meta["r_squared"])


def test_a_rating_that_is_the_sum_of_others_is_not_separable(write_dataset: Write) -> None:
    draw = np.random.default_rng(6)
    x = draw.integers(1, 3, (500, 2)).astype(float)
    x = np.column_stack([x, x.sum(axis=1)])
    y = x[:, 0] + draw.normal(size=500)
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, names=PLACES[:3]))
    assert set(result.table["verdict"]) == {"not separable"}
    assert result.table["slope"].isna().all()
    assert result.table["r2_part"].sum() == pytest.approx(result.meta["r_squared"])
    assert "slopes cannot be told" in check(result, "collinearity")


def test_constant_and_rare_ratings_are_left_out_and_said(write_dataset: Write) -> None:
    x, y = wide(n=300)
    x = np.column_stack([x, np.full(300, 4.0), np.full(300, np.nan)])
    x[:20, 5] = x[:20, 0]
    result = satisfaction_drivers.run(
        dataset(write_dataset, x, y, names=[*PLACES, "flat", "seldom"])
    )  # fmt: skip
    assert set(result.table["term"]) == set(PLACES)
    told = check(result, "not told")
    assert "flat (always rated the same)" in told
    assert "seldom (rated by fewer than 30 customers)" in told


def test_not_applicable_is_no_rating(write_dataset: Write) -> None:
    x, y = wide(n=400)
    x[:90, 1] = 0  # 0 on a scale of 1 to 5: not applicable
    data = dataset(write_dataset, x, y)
    assert [s.rows for s in data.set_aside] == [90]
    result = satisfaction_drivers.run(data)
    assert result.table.set_index("term").loc["call", "n"] == 310
    assert result.meta["rows"] == 400
    assert "90: csat score off its scale 1 to 5" in check(result, "answers off their scale")


def test_more_ratings_than_answers(write_dataset: Write) -> None:
    draw = np.random.default_rng(1)
    x = draw.integers(1, 6, (40, 45)).astype(float)
    y = x[:, 0] + draw.normal(size=40)
    names = [f"t{i:02d}" for i in range(45)]
    result = satisfaction_drivers.run(dataset(write_dataset, x, y, names=names))
    assert result.table["estimate"].isna().all()
    assert set(result.table["verdict"]) == {"too little data"}
    assert result.table.iloc[0]["term"] == "t00"
    assert result.table.iloc[0]["correlation_low"] > 0
    assert "each is told by itself alone" in result.sentence
    assert satisfaction_drivers.findings(result)[0].estimate is None


def test_yes_or_no(write_dataset: Write) -> None:
    x, y = wide(n=900)
    yes = (y > np.median(y)).astype(float)
    data = dataset(write_dataset, x, yes, metric="again", scale="[0, 1]")
    result = satisfaction_drivers.run(data)
    ways = result["beside"].table.set_index(["way", "term"])
    assert ways.loc[("logit", "delivery"), "conf_low"] > 1.5
    assert result.table.iloc[0]["term"] == "delivery"


def test_attributes_held_equal_but_not_the_score_itself(write_dataset: Write) -> None:
    x, y = wide(n=600)
    y = np.round(y)
    result = satisfaction_drivers.run(
        dataset(write_dataset, x, y, plan=np.array([f"s{int(v)}" for v in y]))
    )  # fmt: skip
    assert not [w for w in result["beside"].table["way"] if w.startswith("held")]
    assert result["segments"].table.empty
    plan = np.where(np.arange(600) % 2, "a", "b")
    data = dataset(lambda *a, **k: write_dataset(*a, **k, name="two"), x, y, plan=plan)
    ways = satisfaction_drivers.run(data)["beside"].table
    held = ways[ways["way"] == "held equal: plan"].set_index("term")
    assert held.loc["delivery", "estimate"] == pytest.approx(1, abs=0.2)


def test_sixty_ratings(write_dataset: Write) -> None:
    draw = np.random.default_rng(3)
    x = draw.integers(1, 6, (700, 60)).astype(float)
    y = x[:, :3].sum(axis=1) + draw.normal(size=700)
    names = [f"t{i:02d}" for i in range(60)]
    source = ratings(dataset(write_dataset, x, y, names=names))
    assert isinstance(source, Ratings)
    study = prepare(source, "auto", 10)
    assert not isinstance(study, str)
    made = estimate(study, np.zeros((700, 0)), 1, 20)
    assert made.parts.sum(axis=1) == pytest.approx(made.r2, abs=1e-5)
    assert set(np.argsort(-made.parts[0])[:3]) == {0, 1, 2}
    assert 0 < made.error.max() < 0.02 * made.r2[0]
    assert correlations(np.eye(2)[None])[0, 0, 1] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [(lambda x, y: (x, np.full(len(y), 3.0)), "everybody gave the same"),
     (lambda x, y: (x[:6], y[:6]), "nothing is rated by 10 customers"),
     (lambda x, y: (np.full_like(x, 4.0), y), "no rating was given by enough customers")],
)  # fmt: skip
def test_nothing_to_tell_ends_in_a_sentence(
    write_dataset: Write, change: Callable[..., tuple[np.ndarray, np.ndarray]], said: str
) -> None:
    result = satisfaction_drivers.run(dataset(write_dataset, *change(*wide(n=60))))
    assert result.table.empty
    assert said in result.sentence
    assert not result.parts
    assert satisfaction_drivers.findings(result)[0].statement == result.sentence


def test_options_are_checked(write_dataset: Write) -> None:
    data = dataset(write_dataset, *wide(n=60))
    with pytest.raises(UsageError, match="missing is 'guess'; allowed: auto, imputed"):
        satisfaction_drivers.run(data, missing="guess")
    with pytest.raises(UsageError, match="link_days is 0"):
        satisfaction_drivers.run(data, link_days=0)


def test_names_are_told_to_the_letter(write_dataset: Write) -> None:
    names = ["<b>x</b>", "$a$ & [b](c)", "# big"]
    x, y = wide(n=200)
    result = satisfaction_drivers.run(dataset(write_dataset, x[:, :3], y, names=names))
    assert set(result.table["term"]) == set(names)
    assert "&lt;b&gt;x&lt;/b&gt;" in result["drivers"]._repr_html_()
