"""Scores as exposures: worlds made so that the truth is known, and data that lack something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.churn_drivers.further.scores import scores
from cxlab.analyses.churn_drivers.study import Model, Options, Study, fit, prepare
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.frames.exposures import contacts
from cxlab.results import Result

Tables = dict[str, pd.DataFrame]
Ask = Callable[..., Result]
START = pd.Timestamp("2025-01-01")
DAYS, EVERY = 360, 45
B, SILENT = 0.3, 0.6
YML = "observed_until: 2025-12-26\n"


def world(seed: int = 1, customers: int = 2500) -> Tables:
    """Ask every 45 days. A point less raises the log hazard by B, silence by SILENT.

    A score acts from the fourth day after the asking, as the model with its washout of three
    days sees it, until that of the next question does.
    """
    draw = np.random.default_rng(seed)
    first = draw.integers(10, 10 + EVERY, customers)
    left = np.full(customers, DAYS)
    effect = np.zeros(customers)
    coming: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    asked: list[tuple[np.ndarray, int, np.ndarray, np.ndarray]] = []
    for day in range(DAYS):
        there = left == DAYS
        due = there & (day >= first) & ((day - first) % EVERY == 0)
        score = np.clip(np.round(draw.normal(7, 2, customers)), 0, 10)
        gave = draw.uniform(size=customers) < 0.6
        who = np.flatnonzero(due)
        asked.append((who, day, score[who], gave[who]))
        coming[day + 4] = (due, np.where(gave, B * (7 - score), SILENT))
        if day in coming:
            now, new = coming.pop(day)
            effect[now] = new[now]
        gone = there & (draw.uniform(size=customers) < 0.001 * np.exp(effect))
        left[gone] = day
    who = np.concatenate([a[0] for a in asked])
    at = START + pd.to_timedelta(np.concatenate([np.full(len(a[0]), a[1]) for a in asked]), "D")
    gave = np.concatenate([a[3] for a in asked])
    ids = np.array([f"c{i:04d}" for i in range(customers)])
    ended = pd.Series(START + pd.to_timedelta(left + 0.5, "D")).where(left < DAYS)
    # nobody who has left by then has answered
    answered = pd.Series(at + pd.Timedelta("6h")).where(gave)
    met, when = np.repeat(np.arange(customers), 6), draw.integers(0, DAYS, 6 * customers)
    met, when = met[when < left[met]], when[when < left[met]]
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "started_at": START,
                "ended_at": ended,
                "plan": draw.choice(["basic", "plus"], customers),
            }
        ),
        "interactions": pd.DataFrame(
            {
                "customer_id": ids[met],
                "occurred_at": START + pd.to_timedelta(when, "D"),
                "touchpoint": draw.choice(["call", "chat"], len(met)),
                "outcome": draw.choice(["ok", "failed"], len(met), p=[0.8, 0.2]),
            }
        ),
        "feedback": pd.DataFrame(
            {
                "customer_id": ids[who],
                "asked_at": at,
                "responded_at": answered,
                "metric": "nps",
                "score": pd.Series(np.concatenate([a[2] for a in asked])).where(gave),
            }
        ),
    }


def _prepared(path: Path) -> tuple[Study, Model]:
    # How contacts fade is not asked here.
    study = prepare(load(path), Options(half_life_days=21.0))
    return study, fit(study)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, Study, Model]:
    folder = tmp_path_factory.mktemp("world")
    tables = world()
    _save(folder, tables)
    return tables, *_prepared(folder)


def _save(folder: Path, tables: Tables, settings: str = YML) -> None:
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "dataset.yml").write_text(settings, encoding="utf-8")


@pytest.fixture
def ask(made: tuple[Tables, Study, Model], tmp_path: Path) -> Ask:
    """Ask the same customers with another table of feedback, or none."""
    tables, study, model = made

    def run(feedback: pd.DataFrame | None, settings: str = "") -> Result:
        kept = {k: v for k, v in tables.items() if k != "feedback"}
        _save(tmp_path, kept | ({} if feedback is None else {"feedback": feedback}), YML + settings)
        dataset = load(tmp_path)
        again = replace(study, dataset=dataset, known=contacts(dataset))
        return scores(again, model, pd.DataFrame())

    return run


def _row(result: Result, term: str, way: str = "raw", metric: str = "nps") -> pd.Series:
    table = result.table.set_index(["metric", "term", "way"]).sort_index()
    row: pd.Series = table.loc[(metric, term, way)]
    return row


def test_the_effects_of_a_point_and_of_silence_are_found(
    made: tuple[Tables, Study, Model],
) -> None:
    tables, study, model = made
    result = scores(study, model, pd.DataFrame())
    point = _row(result, "per point")
    assert abs(point["estimate"] - B) < 2 * point["se"] < 0.1
    assert point["hazard_ratio"] == pytest.approx(np.exp(point["estimate"]))
    assert point["conf_low"] < np.exp(B) < point["conf_high"] and point["p_value"] < 1e-6
    # Silence acts SILENT against a score of 7; against the average of those still there.
    silent = _row(result, "asked, no answer")
    rows = study.sample.rows
    average = float(result.meta["average_scores"]["nps"])
    assert average == pytest.approx(7, abs=0.3)
    assert abs(silent["estimate"] - (SILENT - B * (7 - average))) < 2.5 * silent["se"] < 0.5
    never = _row(result, "never asked")
    assert abs(never["estimate"] + B * (7 - average)) < 2.5 * never["se"]
    sd = tables["feedback"]["score"].std()
    assert _row(result, "per sd")["estimate"] == pytest.approx(point["estimate"] * sd, rel=0.1)
    assert set(result.table["churns"]) <= set(range(1, int(rows["event"].sum())))
    # Nothing known tells who answers: weights change little.
    weighted = _row(result, "per point", "weighted")
    assert abs(weighted["estimate"] - point["estimate"]) < 0.5 * point["se"]
    assert result["response"].table["told_apart"].item() < 0.6
    assert result["response"].table["share"].item() == pytest.approx(0.6, abs=0.02)
    assert "Each point less good on nps goes with" in result.sentence
    assert "never called a driver" in result.sentence
    assert not result.table.isna().to_numpy().any()
    assert "together" not in set(result.table["way"])


def test_each_score_lies_on_the_line_and_ages_tell_the_same(
    made: tuple[Tables, Study, Model],
) -> None:
    _, study, model = made
    result = scores(study, model, pd.DataFrame())
    levels = result["by_score"].table
    assert levels["churns"].min() >= 10
    middle = (levels["score_low"] + levels["score_high"]) / 2
    inner = levels[levels["score_low"] == levels["score_high"]]
    expected = B * (result.meta["average_scores"]["nps"] - middle[inner.index])
    # Against the mean hazard's logarithm of all scores, which is the line's middle.
    assert (np.abs(inner["estimate"] - expected) < 3 * inner["se"]).all()
    assert np.corrcoef(middle, levels["estimate"])[0, 1] < -0.9
    ages = result["by_age"].table
    assert ages["age_low"].tolist() == [0, 30]
    assert (np.abs(ages["estimate"] - B) < 2.5 * ages["se"]).all()


def test_worse_is_up_whatever_the_scale_says(made: tuple[Tables, Study, Model], ask: Ask) -> None:
    tables, study, model = made
    turned = tables["feedback"].assign(metric="anger", score=10 - tables["feedback"]["score"])
    settings = "metrics: {anger: {scale: [0, 10], direction: lower_is_better}}\n"
    result = ask(turned, settings)
    ours = _row(scores(study, model, pd.DataFrame()), "per point")
    theirs = _row(result, "per point", metric="anger")
    assert theirs["estimate"] == pytest.approx(ours["estimate"], rel=1e-6)


def test_without_the_asking_silence_is_not_told_and_nothing_weighted(
    made: tuple[Tables, Study, Model], ask: Ask
) -> None:
    feedback = made[0]["feedback"].dropna(subset="responded_at").drop(columns="asked_at")
    result = ask(feedback)
    levels = {"no score", "score of long ago"}
    assert set(result.table["term"]) == {"per point", "per sd"} | levels
    assert set(result.table["way"]) == {"raw"}
    assert result["response"].table.empty
    check = next(c for c in result.checks if c.name == "who did not answer")
    assert check.passed is False and "no asked_at" in check.text
    # Silent after an answer, they count by that answer still: the slope is weakened.
    assert 0 < _row(result, "per point")["estimate"] < B


def test_a_quick_run_leaves_out_what_stands_beside(made: tuple[Tables, Study, Model]) -> None:
    _, study, model = made
    quick = replace(study, options=replace(study.options, quick=True))
    result = scores(quick, model, pd.DataFrame())
    assert set(result.table["way"]) == {"raw", "weighted"}
    for part in ("by_score", "by_age"):
        assert result[part].table.empty and "quick" in result[part].sentence


def test_answers_of_nobody_are_counted(made: tuple[Tables, Study, Model], ask: Ask) -> None:
    feedback = made[0]["feedback"]
    feedback = feedback.assign(customer_id=feedback["customer_id"].where(feedback.index >= 7))
    checks = {c.name: c.text for c in ask(feedback).checks}
    assert checks["feedback without a customer"].startswith("7 questions or answers")


def test_metrics_together_hold_each_other_equal(
    made: tuple[Tables, Study, Model], ask: Ask
) -> None:
    feedback = made[0]["feedback"]
    # A second score that says the same with noise, and a third that nobody answers.
    noise = np.random.default_rng(3).normal(0, 0.8, len(feedback))
    other = feedback.assign(metric="csat", score=(feedback["score"] / 2 + noise).clip(1, 5).round())
    mute = feedback.assign(metric="ces", score=np.nan, responded_at=pd.NaT)
    result = ask(pd.concat([feedback, other, mute], ignore_index=True))
    alone, together = (_row(result, "per point", way, "csat") for way in ("raw", "together"))
    assert alone["p_value"] < 0.001
    assert abs(together["estimate"]) < 0.5 * alone["estimate"]
    nps = _row(result, "per point", "together")
    assert abs(nps["estimate"] - B) < 2.5 * nps["se"]
    check = next(c for c in result.checks if c.name == "scores: ces")
    assert check.passed is False and "0 customers who left had given a score" in check.text
    assert "ces" not in set(result.table["metric"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: None, "the dataset has no table feedback"),
        (lambda f: f.drop(columns="customer_id"), "no customer_id"),
        (lambda f: f.drop(columns="score"), "no score"),
        (lambda f: f.assign(score=np.nan), "Too few customers who left"),
        (lambda f: f.assign(score=f["score"] * 0 + 7), "Too few customers who left"),
        (lambda f: f.iloc[:60], "Too few customers who left"),
    ],
)
def test_what_is_missing_is_said(
    made: tuple[Tables, Study, Model],
    ask: Ask,
    change: Callable[[pd.DataFrame], pd.DataFrame | None],
    said: str,
) -> None:
    result = ask(change(made[0]["feedback"]))
    assert result.table.empty and said in result.sentence
    assert "metric" in result.table.columns and "estimate" in result.table.columns


def test_the_weighted_slope_is_nearer_to_that_of_everybody_asked(tmp_path: Path) -> None:
    """In the world ``silent`` the hidden scores say what all who were asked would have said."""
    raw, weighted = [], []
    for seed in range(3):
        simulation = simulate("silent", 2000, seed, texts=False)
        survey = simulation.tables["feedback"].query("metric == 'nps'")
        hidden = simulation.hidden["answers"].query("metric == 'nps'")
        assert (hidden["asked_at"].to_numpy() == survey["asked_at"].to_numpy()).all()
        told = survey["responded_at"].fillna(survey["asked_at"] + pd.Timedelta("6h"))
        full = survey.assign(score=hidden["score"].to_numpy(), responded_at=told)
        simulation, whole = (
            replace(simulation, tables=simulation.tables | {"feedback": table})
            for table in (survey, full)
        )
        for name, each in (("seen", simulation), ("whole", whole)):
            write(each, tmp_path / f"{name}{seed}")
        study, model = _prepared(tmp_path / f"seen{seed}")
        seen = scores(study, model, pd.DataFrame())
        of_all = replace(study, dataset=load(tmp_path / f"whole{seed}"))
        truth = _row(scores(of_all, model, pd.DataFrame()), "per point")["estimate"]
        raw.append(_row(seen, "per point")["estimate"] - truth)
        weighted.append(_row(seen, "per point", "weighted")["estimate"] - truth)
        assert _row(seen, "per point", "weighted")["se"] > _row(seen, "per point")["se"]
        assert seen["response"].table.set_index("metric").loc["nps", "told_apart"] > 0.65
    assert np.mean(raw) < -0.02
    assert abs(np.mean(weighted)) < 0.8 * abs(np.mean(raw))
