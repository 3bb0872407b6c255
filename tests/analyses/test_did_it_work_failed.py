"""What counts as a failure: the outcome, else the score linked to a contact, and rules."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pandas as pd
import pytest
from mended_world import DAYS, day, make, row

import cxlab
from cxlab.analyses import did_it_work
from cxlab.analyses.did_it_work.failed import Failing, failing
from cxlab.frames.experience import places
from cxlab.frames.people import people
from cxlab.results import Result

WINDOW = 14  # days to answer in


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calls fail half as often in the north from one day on."""
    return make(tmp_path_factory.mktemp("failed"), [row(230, "north")])


def _other(
    world: Path, to: Path, contacts: pd.DataFrame, answers: pd.DataFrame, settings: str = ""
) -> Path:
    shutil.copytree(world, to)
    contacts.to_parquet(to / "interactions.parquet")
    answers.to_parquet(to / "feedback.parquet")
    with (to / "dataset.yml").open("a", encoding="utf-8") as file:
        file.write(settings)
    return to


def _read(world: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tuple(pd.read_parquet(world / f"{n}.parquet") for n in ("interactions", "feedback"))


def _failing(folder: Path) -> tuple[Failing, int]:
    data = cxlab.load(folder)
    person = people(data)
    assert person is not None
    known = places(data)
    return failing(data, known, person), known.touchpoints.index("call")


def _sums(told: Failing, place: int) -> tuple[int, int]:
    rows = told.rows(place).collect(backend="pandas").to_native()
    return int(rows["y"].sum()), int(rows["x"].sum())


@pytest.fixture(scope="module")
def scored(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without outcomes; some answers come too late, and some customers are not known."""
    contacts, answers = _read(world)
    answers["score"] = answers["score"].where(answers["score"] > 3, 1.0)
    late = answers.index % 10 == 0
    answers.loc[late, "responded_at"] += pd.Timedelta(days=20)
    answers.loc[answers.index % 7 == 0, "customer_id"] = None
    answers = answers[answers["responded_at"] < day(DAYS - 1)]
    to = tmp_path_factory.mktemp("scored") / "w"
    return _other(world, to, contacts.drop(columns="outcome"), answers)


@pytest.fixture(scope="module")
def by_score(scored: Path) -> Result:
    return did_it_work.run(cxlab.load(scored))


def _by_hand(folder: Path) -> pd.DataFrame:
    """Give calls with their answers, of those rows that the data contract keeps."""
    data = cxlab.load(folder)
    contacts, answers = (
        data.table(n).collect(backend="pandas").to_native() for n in ("interactions", "feedback")
    )
    calls = contacts[contacts["touchpoint"] == "call"]
    both = calls.merge(answers, on="interaction_id", how="left", suffixes=("", "_said"))
    both["took"] = (both["responded_at"] - both["occurred_at"]) / pd.Timedelta(days=1)
    both["old"] = both["occurred_at"] < day(DAYS - WINDOW)
    return both


def test_without_outcomes_the_score_linked_to_a_contact_judges_it(scored: Path) -> None:
    told, place = _failing(scored)
    hand = _by_hand(scored)
    judged = hand["old"] & (hand["took"] <= WINDOW)
    assert _sums(told, place) == (int((judged & (hand["score"] == 1)).sum()), int(judged.sum()))
    counts = told.counts.loc[place]
    assert counts["old"] == hand["old"].sum()
    assert counts["recent"] == (~hand["old"]).sum() > 0
    assert counts["late"] == (hand["old"] & (hand["took"] > WINDOW)).sum() > 0
    # Bad contacts of a month that may still be judged are not held against a forecast.
    low = told.until - 30
    assert told.came(place, low, told.until + 1) is None
    month = hand["occurred_at"].between(day(DAYS - 44), day(DAYS - 14), inclusive="left")
    assert told.came(place, low, told.until) == (month & (hand["score"] == 1)).sum()


def test_the_page_says_that_scores_judge_and_what_does_not_count(
    scored: Path, by_score: Result
) -> None:
    main = by_score.table[by_score.table["main"]].iloc[0]
    assert main["verdict"] == "worked"
    assert main["conf_low"] < 0.5 < main["conf_high"]
    assert main["followed_to"] < str(day(DAYS - WINDOW).date())
    hand = _by_hand(scored)
    old, judged = hand["old"].sum(), (hand["old"] & (hand["took"] <= WINDOW)).sum()
    said = by_score["answers"].sentence
    assert "the score given to it is in the bottom box" in said
    assert f"{judged:,} of {old:,} contacts were given a score in time; the other" in said
    assert "judged by nobody or later than 14 days after (" in said
    assert "Contacts of the last 14 days do not count yet" in said
    answered = hand[hand["score"].notna()]
    lost = answered["customer_id_said"].isna().sum()
    text = f"Of {len(answered):,} CSAT answers, {lost:,} belong to no known customer"
    assert text in by_score["doubts"].sentence
    assert any("belong to no known customer" in c.text for c in by_score.checks)


def test_answers_of_nobody_known_are_a_sentence(
    scored: Path, by_score: Result, tmp_path: Path
) -> None:
    contacts, answers = _read(scored)
    answers["responded_at"] -= pd.Timedelta(days=20) * (answers.index % 10 == 0)
    folder = _other(scored, tmp_path / "w", contacts, answers.drop(columns="customer_id"))
    table = did_it_work.run(cxlab.load(folder)).table.set_index("outcome")
    assert "they belong to no known customer" in table.loc["score", "why"]
    # A contact tells whose it was, and the score given to it still whether it was bad.
    assert table.loc["failure rate", "out_of"] > by_score.table["out_of"].iloc[0]


def test_a_rule_makes_contacts_bad_and_the_last_days_unknown(world: Path, tmp_path: Path) -> None:
    contacts, answers = _read(world)
    number = pd.Series(range(len(contacts)))
    took = pd.to_timedelta(number % 30, unit="D")
    contacts["resolved_at"] = (contacts["occurred_at"] + took).where(number % 5 > 0)
    contacts.loc[contacts["resolved_at"] >= day(DAYS), "resolved_at"] = pd.NaT
    contacts["outcome"] = contacts["outcome"].where(number % 11 > 0)
    rule = "bad: {unresolved_after_days: 20, wait_over_seconds: 60}\n"
    folder = _other(world, tmp_path / "w", contacts, answers, rule)
    told, place = _failing(folder)
    assert told.unmet == ("wait_over_seconds needs the column response_seconds",)
    calls = contacts[contacts["touchpoint"] == "call"]
    old = calls[calls["occurred_at"] < day(DAYS - 20)]
    waited = old["resolved_at"] - old["occurred_at"]
    slow = old["resolved_at"].isna() | (waited > pd.Timedelta(days=20))
    bad = slow | (old["outcome"] == "failed")
    known = old["outcome"].notna()
    assert _sums(told, place) == (int((bad & known).sum()), int(known.sum()))
    assert told.counts.loc[place, "ruled"] == (slow & ~known).sum()
    text = told.rule([place])
    assert "its outcome is failed or it was not resolved after 20 days" in text
    assert "Contacts of the last 20 days do not count yet" in text
    result = did_it_work.run(cxlab.load(folder))
    assert any("it is not applied" in c.text for c in result.checks)


def test_where_outcomes_are_whole_nothing_is_said_of_them(world: Path) -> None:
    told, place = _failing(world)
    assert (told.basis, told.rule([place]), told.note(place)) == ("outcome", "", "")


def test_where_nothing_judges_it_says_so(world: Path, tmp_path: Path) -> None:
    contacts, answers = _read(world)
    bare = contacts.drop(columns="outcome")
    folder = _other(world, tmp_path / "w", bare, answers.drop(columns="interaction_id"))
    main = did_it_work.run(cxlab.load(folder)).table.query("main").iloc[0]
    assert main["verdict"] == "cannot tell"
    assert "no outcome, and no score is linked to its contacts" in main["why"]


@pytest.mark.parametrize(("region", "scale"), [("west", "CSAT score"), (None, "contact rate")])
def test_six_weeks_after_its_start_the_page_says_when_it_can_be_told(
    world: Path, tmp_path: Path, region: str | None, scale: str
) -> None:
    folder = tmp_path / "w"
    shutil.copytree(world, folder)
    new = row(DAYS - 42, region, intervention="words", touchpoint="chat")
    newest = row(DAYS - 15, region, intervention="sign", touchpoint="shop")
    pd.DataFrame([new, newest]).to_csv(folder / "interventions.csv", index=False)
    result = did_it_work.run(cxlab.load(folder), worthwhile=0.35 if region else 0.2)
    table = result.table.query("intervention == 'words'").set_index("outcome")
    said = did_it_work.findings(result)[0].statement
    assert set(table["verdict"]) <= {"cannot tell", "no change seen"}
    later = dt.date.fromisoformat(table.loc[scale, "seen_from"])
    assert later > day(DAYS).date()
    assert f"could not have been seen before {later:%B %Y}" in said
    # Too few failures yet, or none to be seen at all: it says so of each.
    hard = "churn (a change by 35% cannot be seen within" if region else (
        "churn cannot be told: it would have had to change by")  # fmt: skip
    assert hard in said
    assert "cannot tell" not in said
    short = result["effects"].table["why"]
    assert short.str.contains(f"{later:%B %Y}").any()
    # Two weeks after a start nothing is measured yet: the time before tells how long it takes.
    contacts = result.table.query("intervention == 'sign' and outcome == 'contact rate'").iloc[0]
    assert contacts["design"] == ""
    assert f"a change by {'35' if region else '20'}% cannot be seen before" in contacts["why"]
    assert f"sign, contacts: {contacts['why']}." in result["effects"]["reasons"].sentence


def test_what_does_not_vary_is_no_effect(scored: Path, tmp_path: Path) -> None:
    contacts, answers = _read(scored)
    folder = _other(scored, tmp_path / "w", contacts, answers.assign(score=5.0))
    table = did_it_work.run(cxlab.load(folder)).table.set_index("outcome")
    assert table.loc["failure rate", "why"] == "nothing of it was ever counted"
    assert "nothing varies" in table.loc["CSAT score", "why"]


def test_a_limit_longer_than_the_data_is_a_sentence(world: Path, tmp_path: Path) -> None:
    contacts, answers = _read(world)
    contacts["resolved_at"] = contacts["occurred_at"]
    folder = _other(world, tmp_path / "w", contacts, answers, "bad: {unresolved_after_days: 700}\n")
    told, place = _failing(folder)
    assert "is old enough to tell whether it failed" in told.none(place, "call")
    assert "Contacts of the last 700 days do not count yet" in told.rule([place])
