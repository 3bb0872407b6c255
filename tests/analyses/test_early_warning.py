"""Which signal tells who leaves, where it is known which of them can."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from warning_world import START, save, tables

from cxlab.analyses import early_warning
from cxlab.data.dataset import load
from cxlab.errors import UsageError
from cxlab.results import Result


def _run(folder: Path, made: dict[str, pd.DataFrame], settings: str = "", **options: int) -> Result:
    return early_warning.run(load(save(folder, made, settings)), **options)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Failures tell of the urge to leave, NPS a little, CSAT not at all."""
    return _run(tmp_path_factory.mktemp("told"), tables(2), horizon_days=30)


def test_the_better_signal_is_called_the_better(told: Result) -> None:
    by = told.table.set_index("signal")
    order = ["tenure and value", "csat", "nps", "all scores", "behaviour", "behaviour and scores",
             "everything"]  # fmt: skip
    assert list(by.index) == order
    assert by.loc["behaviour", "conf_low"] > by.loc["csat", "conf_high"]
    assert by.loc["csat", "conf_low"] < 0.5 < by.loc["csat", "conf_high"]
    assert by.loc["nps", "p_value"] < 0.05
    assert by.loc["behaviour", "captured_low"] > 0.1
    assert by.loc["behaviour", "skill_low"] > 0
    assert by.loc["behaviour", "slope_low"] < 1 < by.loc["behaviour", "slope_high"]
    pattern = (
        r"Behaviour told who leaves better than NPS: AUC 0\.\d\d against 0\.\d\d, difference "
        r"0\.\d\d \(0\.\d\d to 0\.\d\d\)\. Everything together is fair"
    )
    assert re.match(pattern, told.sentence), told.sentence
    assert "Behaviour adds to what all scores tell" in told["differences"].sentence
    assert early_warning.findings(told)[0].estimate == pytest.approx(
        by.loc["behaviour", "estimate"] - by.loc["nps", "estimate"]
    )


def test_differences_are_paired_and_corrected(told: Result) -> None:
    gaps, by = told["differences"].table, told.table.set_index("signal")
    assert set(gaps["measure"]) == {"AUC", "Brier skill"}
    areas = gaps[gaps["measure"] == "AUC"]
    for _, row in areas.iterrows():
        one, other = by.loc[row["signal"]], by.loc[row["against"]]
        assert row["estimate"] == pytest.approx(one["estimate"] - other["estimate"])
        apart = np.hypot(one["se"], other["se"])
        assert row["se"] < 1.1 * apart
    together = areas[(areas["signal"] == "behaviour and scores")].set_index("against")
    apart = np.hypot(by.loc["behaviour and scores", "se"], by.loc["behaviour", "se"])
    assert together.loc["behaviour", "se"] < apart / 2  # what both share cancels
    assert (areas["p_holm"] >= areas["p_value"]).all()
    skills = gaps[(gaps["measure"] == "Brier skill") & (gaps["against"] == "csat")]
    assert skills["estimate"].iloc[0] == pytest.approx(
        by.loc["behaviour", "skill"] - by.loc["csat", "skill"]
    )


def test_of_whom_scores_speak_adds_up(told: Result) -> None:
    part = told["coverage"].table
    shares = part.groupby("metric")[["customers", "leavers"]].sum()
    assert shares.to_numpy() == pytest.approx(1.0)
    rate = (part["customers"] * part["left"]).groupby(part["metric"]).sum()
    assert rate.to_numpy() == pytest.approx(told.meta["rate"])
    assert "A score can only warn of whoever gave one" in told["coverage"].sentence


def test_those_who_had_answered_are_judged_by_the_score_as_it_is(told: Result) -> None:
    made = tables(2)
    row = told["answered"].table.set_index(["among", "signal"]).loc[("NPS", "nps")]
    # The same by hand: plain pandas on the tables, and scikit-learn's area.
    from sklearn.metrics import roc_auc_score

    last = START + pd.Timedelta(days=420 - 44)
    given = made["feedback"].dropna(subset=["score"]).query("metric == 'nps'")
    people = made["customers"].set_index("customer_id")["ended_at"]
    areas, hits, rows = [], [], 0
    for step in range(told.meta["days"]):
        day = last - pd.Timedelta(days=30 * step)
        there = people[~(people <= day + pd.Timedelta(days=14))]
        before = given[(given["responded_at"] < day)
                       & (given["responded_at"] >= day - pd.Timedelta(days=90))]  # fmt: skip
        score = before.sort_values("responded_at").groupby("customer_id")["score"].last()
        mine = pd.DataFrame({"ended": there}).join(score, how="inner")
        left = mine["ended"] <= day + pd.Timedelta(days=44)
        areas.append(roc_auc_score(left, -mine["score"]))
        hits.append(left.sum())
        rows += len(mine)
    assert row["estimate"] == pytest.approx(np.average(areas, weights=hits), abs=1e-9)
    assert row["share"] < 1
    assert row["n"] < rows  # customers, of whom most are judged on several days


def test_a_score_is_told_alone_and_beside_behaviour(told: Result) -> None:
    by = told["beside"].table.set_index(["metric", "way"])
    nps = by.loc["nps"]
    assert nps.loc["alone", "conf_low"] > 1
    # Failures tell of the same urge: beside them, less is left of the score.
    assert nps.loc["with behaviour", "estimate"] < nps.loc["alone", "estimate"]
    csat = by.loc[("csat", "alone")]
    assert csat["conf_low"] < 1 < csat["conf_high"]


def test_a_trap_gives_nothing_once_the_lead_is_set(tmp_path: Path) -> None:
    made = tables(3, 1200, told_by_failures=0, told_by_nps=0, trap=0.9)
    options = {"horizon_days": 14, "step_days": 28}
    result = _run(tmp_path / "trap", made, lead_days=14, **options)
    lead = result["lead"].table.set_index(["signal", "lead_days"]).loc["behaviour"]
    assert lead.loc[0, "conf_low"] > 0.5
    assert lead.loc[14, "conf_low"] < 0.5 < lead.loc[14, "conf_high"]
    assert lead.loc[0, "change_low"] > 0
    assert "decided already" in result["lead"].sentence
    assert "cannot be told apart" in result.sentence
    assert "Everything together cannot be told from a coin" in result.sentence
    # Where its stage is known to be exit, it tells nothing even without a lead.
    made["touchpoints"] = pd.DataFrame({"touchpoint": ["cancel", "call"], "stage": ["Exit", None]})
    known = _run(tmp_path / "known", made, lead_days=0, **options)
    at_once = known.table.set_index("signal").loc["behaviour"]
    assert at_once["conf_low"] < 0.5 < at_once["conf_high"]
    assert any("cancel" in c.text for c in known.checks if "leave" in c.name)
    assert "lead" not in known.parts


def test_nothing_after_as_of_is_seen(tmp_path: Path) -> None:
    made = tables(4, customers=350)
    folder = save(tmp_path / "whole", made)
    day = (START + pd.Timedelta(days=300)).normalize()
    whole = early_warning.run(load(folder, day.date()), horizon_days=30)
    cut = {n: t[t[c] < day + pd.Timedelta(days=1)] for n, t, c in (
        ("interactions", made["interactions"], "occurred_at"),
        ("feedback", made["feedback"], "asked_at"))}  # fmt: skip
    end = day + pd.Timedelta(days=1)
    people, answers = made["customers"].copy(), cut["feedback"].copy()
    people["ended_at"] = people["ended_at"].where(people["ended_at"] < end)
    known = answers["responded_at"] < end
    answers[["responded_at", "score"]] = answers[["responded_at", "score"]].where(known)
    short = save(tmp_path / "short", {**cut, "customers": people, "feedback": answers}, days=301)
    other = early_warning.run(load(short), horizon_days=30)
    pd.testing.assert_frame_equal(whole.table, other.table)
    assert whole.sentence == other.sentence


@pytest.mark.parametrize("without", ["feedback", "interactions", "nps"])
def test_with_less_it_compares_what_there_is(tmp_path: Path, without: str) -> None:
    made = tables(5, 700)
    if without == "nps":
        made["feedback"] = made["feedback"].query("metric == 'csat'").drop(columns="asked_at")
        made["feedback"] = made["feedback"].dropna(subset=["score"])
    else:
        del made[without]
    result = _run(tmp_path, made, horizon_days=30)
    signals, notes = set(result.table["signal"]), " ".join(c.name for c in result.checks)
    if without == "feedback":
        assert signals == {"tenure and value", "behaviour", "everything"}
        assert "answered" not in result.parts
        assert result.sentence.startswith("Behaviour told who leaves better than tenure and value")
        assert "not compared: scores" in notes
    elif without == "interactions":
        assert signals == {"tenure and value", "csat", "nps", "all scores", "everything"}
        assert "not compared: behaviour" in notes
        assert set(result["beside"].table["way"]) == {"alone"}
    else:
        assert "csat" in signals
        assert not {"nps", "all scores"} & signals
        assert set(result["coverage"].table["level"]) <= {"recent score", "older score", "no score"}
        assert "not compared: who was asked" in notes
    assert len(early_warning.findings(result)) >= 2


def test_no_folder_is_named_where_nobody_left(tmp_path: Path) -> None:
    made = tables(5, 60)
    customers = made["customers"]
    gone = customers["ended_at"].notna()
    customers.loc[gone, "end_reason"] = "involuntary"
    result = _run(tmp_path / "data", made)
    assert "no voluntary churn" in result.sentence
    assert str(tmp_path) not in f"{result.sentence}{early_warning.findings(result)}"


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    few = tables(6, customers=30)
    result = _run(tmp_path / "few", few)
    assert result.table.empty
    assert "too little to tell" in result.sentence
    assert [f.id for f in early_warning.findings(result)] == ["early_warning.summary"]
    short = _run(tmp_path / "short", tables(6, customers=200), horizon_days=365)
    assert "the data are too short" in short.sentence
    rows = {"tenure": range(1, 41), "churned": [0, 1] * 20}
    (tmp_path / "snapshot").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "snapshot" / "customers.csv", index=False)
    assert "a snapshot is not dated" in early_warning.run(load(tmp_path / "snapshot")).sentence
    bare = _run(tmp_path / "bare", {"customers": tables(6)["customers"]}, horizon_days=30)
    assert "nothing to compare" in bare.sentence
    with pytest.raises(UsageError, match="lead_days is -1; allowed: 0 to 365"):
        _run(tmp_path / "few", few, lead_days=-1)


def test_odd_data_are_told_or_left_out(tmp_path: Path) -> None:
    made = tables(7, customers=600)
    same = made["feedback"]["metric"] == "csat"
    made["feedback"].loc[same & made["feedback"]["score"].notna(), "score"] = 3.0  # all alike
    made["customers"]["monthly_value"] = np.nan
    draw = np.random.default_rng(0)
    made["feedback"]["metric"] = made["feedback"]["metric"].replace("nps", "behaviour")
    names = np.array([f"<b>$touch_{i}$</b>" for i in range(60)])
    made["interactions"]["touchpoint"] = draw.choice(names, len(made["interactions"]))
    rule = "metrics: {behaviour: {scale: [0, 10]}}\n"
    result = _run(tmp_path, made, rule, horizon_days=30)
    by = result.table.set_index("signal")
    assert "behaviour (score)" in by.index  # a metric of our name is told from it
    assert by.loc["csat", "estimate"] == pytest.approx(0.5, abs=0.08)  # who answered is told yet
    alike = result["answered"].table.set_index(["among", "signal"])
    assert alike.loc[("CSAT", "csat"), "estimate"] == 0.5
    assert by.loc["behaviour", "conf_low"] > 0.5  # of 60 touchpoints, together
    assert any("beside behaviour: csat" in c.name for c in result.checks)
    assert result.table["estimate"].notna().all()


def test_silence_as_churn_is_told_to_be_in_favour_of_behaviour(tmp_path: Path) -> None:
    made = tables(8, customers=300)
    made["customers"] = made["customers"].drop(columns="ended_at")
    rule = "churn: {inactivity: {days: 60}}\n"
    result = _run(tmp_path, made, rule, horizon_days=30)
    assert [c.passed for c in result.checks if c.name == "churn by definition"] == [False]
    assert result.table.set_index("signal").loc["behaviour", "conf_low"] > 0.7


def test_figures_of_few_are_withheld_and_counted(tmp_path: Path) -> None:
    result = _run(tmp_path, tables(9, customers=450), horizon_days=14, min_group=30)
    days = result["by_day"].table
    few = days["leavers"] < 30
    assert few.any()
    assert days.loc[few, "estimate"].isna().all()
    coverage = result["coverage"].table
    small = coverage["n"].between(1, 29)
    assert coverage.loc[small, "customers"].isna().all()
    text = next(c.text for c in result.checks if c.name == "figures withheld")
    assert f"{few.sum()} by day (fewer than 30 left)" in text
