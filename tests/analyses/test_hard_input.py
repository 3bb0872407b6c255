"""Bad input: each a verdict or a sentence; never a crash, a NaN shown, or a silent drop."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import churn_drivers
from cxlab.cli import main
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate
from cxlab.models.verdicts import VERDICTS
from cxlab.results import Result, cell_text_read

Tables = dict[str, pd.DataFrame]
SETTINGS = "observed_from: 2024-07-01\nobserved_until: 2026-06-30\n"
# Small samples are quick: what is asked is whether there is an answer, not how sure it is.
QUICKLY = {"sample": 10, "replicates": 20}
NO_NUMBER = re.compile(r"(?<![\w])(nan|NaN|-?inf|NaT|None|<NA>)(?![\w-])")
TOLD = ["hazard_ratio", "conf_low", "conf_high", "p_value", "q_value"]
WITHOUT = ["too little data", "not separable"]
HOSTILE = {
    "newsletter": '<b>"x"</b>, & $a$ 🎉',
    "self-service": "a 'quoted'; DROP TABLE x; --",
    "app-session": "=cmd|' /C'!A0",
    "setup-guide": "%s {x} \\n [a](b)",
}


@cache
def _simulated(world: str) -> Tables:
    return simulate(world, 400, 3, texts=False).tables


def tables_of(world: str = "plain") -> Tables:
    return {name: table.copy() for name, table in _simulated(world).items()}


def _written(tables: Tables, folder: Path, settings: str = "") -> Path:
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    (folder / "dataset.yml").write_text(SETTINGS + settings, encoding="utf-8")
    return folder


def _left(tables: Tables) -> pd.Series:
    """When each customer left, by customer; empty for those still there."""
    return tables["customers"].set_index("customer_id")["ended_at"]


def _stay(tables: Tables, rows: pd.Index) -> None:
    tables["customers"].loc[rows, ["ended_at", "end_reason"]] = [pd.NaT, None]


def _contacts(tables: Tables, name: str, who: pd.Series, at: pd.Series, outcome: Any) -> None:
    """Add contacts at a touchpoint."""
    more = pd.DataFrame({"customer_id": who.to_numpy(), "occurred_at": at.to_numpy()})
    more = more.assign(touchpoint=name, outcome=outcome)
    more["interaction_id"] = [f"{name}{i}" for i in range(len(more))]
    tables["interactions"] = pd.concat([tables["interactions"], more], ignore_index=True)


# -- what makes input bad ------------------------------------------------------------------------


def spoilt() -> Tables:
    """Give touchpoints, attributes and scores that each tell nothing, in a way of its own."""
    tables = tables_of()
    customers, contacts, feedback = (tables[n] for n in ("customers", "interactions", "feedback"))
    at = contacts["touchpoint"]
    contacts.loc[at == "invoice", "outcome"] = "ok"
    contacts.loc[at == "delivery", "outcome"] = "failed"
    contacts.loc[at == "checkout", "outcome"] = "ok"
    contacts.loc[contacts.index[at == "checkout"][:1], "outcome"] = "failed"
    twin = contacts[at == "support-call"].assign(touchpoint="support-line")
    once = contacts.iloc[[100]].assign(touchpoint="once", outcome="failed")
    twin["interaction_id"] += "b"
    once["interaction_id"] = "once"
    tables["interactions"] = pd.concat([contacts, twin, once], ignore_index=True)
    for table in ("interactions", "touchpoints", "interventions"):
        tables[table]["touchpoint"] = tables[table]["touchpoint"].replace(HOSTILE)
    busy = customers.loc[customers["ended_at"].isna()].nsmallest(1, "started_at")
    days = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(3000) * 4, unit="h")
    outcomes = np.random.default_rng(1).choice(["ok", "failed"], len(days))
    who = pd.Series(np.resize(busy["customer_id"].to_numpy(), len(days)))
    _contacts(tables, "store-visit", who, pd.Series(days), outcomes)
    customers["constant"], customers["number"] = "x", 3.0
    customers["many"] = [f"level {i}" for i in range(len(customers))]
    customers["empty"] = pd.Series([None] * len(customers), dtype="string")
    customers["leak"] = np.where(customers["ended_at"].notna(), "left", "stayed")
    gone = customers.index[customers["ended_at"].notna()]
    customers.loc[gone[:3], "end_reason"] = "involuntary"
    again = customers.loc[gone[3:20]].drop(columns="cancelled_at")
    again["started_at"] = again["ended_at"] + pd.Timedelta(days=20)
    again["ended_at"] = again["started_at"] + pd.Timedelta(days=40)
    again = again[again["ended_at"] < pd.Timestamp("2026-06-30")]
    tables["customers"] = pd.concat([customers.drop(columns="cancelled_at"), again])
    scored = feedback["score"].notna()
    feedback.loc[scored & (feedback["metric"] == "nps"), "score"] = 7
    churned = feedback["customer_id"].isin(customers.loc[gone, "customer_id"])
    feedback.loc[scored & churned & (feedback["metric"] == "csat"), "score"] = 3
    feedback.loc[feedback["metric"] == "ces", "score"] = np.nan
    return tables


def fatal() -> Tables:
    """Let everyone who leaves have failed six days before at a touchpoint, and nobody else."""
    tables = tables_of()
    ended = _left(tables).dropna()
    there = _left(tables)[_left(tables).isna()].index[:100].to_series()
    since = tables["customers"].set_index("customer_id").loc[there, "started_at"]
    since = since.clip(lower=pd.Timestamp("2025-09-01")) + pd.Timedelta(days=3)
    _contacts(tables, "fatal", ended.index.to_series(), ended - pd.Timedelta(days=6), "failed")
    _contacts(tables, "fatal", there, since, "ok")
    for name in ("feedback", "touchpoints", "interventions"):
        del tables[name]
    tables["customers"] = tables["customers"][["customer_id", "started_at", "ended_at"]]
    tables["interactions"] = tables["interactions"][
        ["customer_id", "occurred_at", "touchpoint", "outcome"]
    ]
    return tables


def twelve() -> Tables:
    tables = tables_of()
    _stay(tables, tables["customers"].query("ended_at.notna()").index[12:])
    tables["feedback"][["score", "responded_at"]] = [np.nan, pd.NaT]
    return tables


def one_touchpoint() -> Tables:
    """Leave one touchpoint, whose failures do nothing."""
    tables = tables_of("null")
    contacts = tables["interactions"]
    tables["interactions"] = contacts[contacts["touchpoint"] == "support-call"]
    feedback = tables["feedback"]
    answered = feedback[feedback["responded_at"].notna()]
    tables["feedback"] = answered.drop(columns="asked_at")
    return tables


def no_outcomes() -> Tables:
    tables = tables_of()
    tables["interactions"]["outcome"] = pd.Series(dtype="string")
    tables["customers"]["monthly_value"] = np.nan
    return tables


def scores_for_outcomes() -> Tables:
    tables = tables_of()
    tables["interactions"] = tables["interactions"].drop(columns="outcome")
    return tables


def one_failure() -> Tables:
    """Let one contact fail, and everybody leave on one day."""
    tables = tables_of()
    contacts, customers = tables["interactions"], tables["customers"]
    contacts["outcome"] = np.where(np.arange(len(contacts)) == 4000, "failed", "ok")
    day = pd.Timestamp("2026-05-15 10:00")
    gone = customers["ended_at"].notna()
    _stay(tables, customers.index[gone & (customers["started_at"] >= day)])
    customers.loc[customers["ended_at"].notna(), "ended_at"] = day
    return tables


def silence() -> Tables:
    tables = tables_of()
    tables["customers"] = tables["customers"].drop(
        columns=["ended_at", "cancelled_at", "end_reason"]
    )
    return tables


def few() -> Tables:
    tables = tables_of()
    kept = tables["customers"].iloc[:250]
    tables["customers"] = kept
    for name in ("interactions", "feedback"):
        tables[name] = tables[name][tables[name]["customer_id"].isin(kept["customer_id"])]
    return tables


def only_leavers_renew() -> Tables:
    tables = tables_of()
    customers = tables["customers"]
    customers["renews_at"] = customers["ended_at"].dt.normalize() + pd.Timedelta(days=1)
    customers["renews_at"] = customers["renews_at"].fillna(pd.Timestamp("2026-09-01"))
    return tables


def monthly() -> Tables:
    tables = tables_of()
    tables["customers"]["renewal_days"] = 30
    return tables


def long_past() -> Tables:
    """Put every contact on one day, two years before the end."""
    tables = tables_of()
    contacts = tables["interactions"].drop(columns=["resolved_at", "due_at"])
    tables["interactions"] = contacts.assign(occurred_at=pd.Timestamp("2024-07-02"))
    return tables


def short() -> Tables:
    tables = tables_of()
    begin = pd.Timestamp("2026-06-01")
    for name, when in (("interactions", "occurred_at"), ("feedback", "asked_at")):
        tables[name] = tables[name][tables[name][when] >= begin]
    return tables


# -- what must hold of any of them ---------------------------------------------------------------


def texts(result: Result) -> Iterator[str]:
    """Give every text that is shown, but for the names that the data bring."""
    yield result.sentence
    yield from (check.text for check in result.checks)
    for column in result.table:
        if not pd.api.types.is_numeric_dtype(result.table[column]):
            # A missing text would be shown as what it is; a number without a figure as a dash.
            yield from (str(cell) for cell in result.table[column])
    for part in result.parts.values():
        yield from texts(part)


def tables_in(result: Result) -> Iterator[Result]:
    yield result
    for part in result.parts.values():
        yield from tables_in(part)


def hold(result: Result, tables: Tables) -> None:
    """Check what holds of every answer, whatever came in."""
    table = result.table
    names = set(tables["interactions"]["touchpoint"])
    assert set(table["touchpoint"]) == names
    assert (table.groupby("touchpoint")["valence"].nunique() == table["valence"].nunique()).all()
    assert table["verdict"].isin(VERDICTS).all()
    assert table["why"].str.endswith(".").all()
    empty = table["verdict"].isin(WITHOUT)
    assert table.loc[empty, TOLD].isna().all(axis=None)
    assert table.loc[~empty, TOLD].notna().all(axis=None)
    counted = table["valence"].ne("contact") & ~table["verdict"].isin(
        [*WITHOUT, "reverse causation suspected"]
    )
    customers = table.filter(regex="^attributable")
    assert customers[counted].notna().all(axis=None) and customers[~counted].isna().all(axis=None)
    said = [*texts(result), *churn_drivers.reasons(result), result.summary()]
    said += [finding.statement for finding in churn_drivers.findings(result)]
    assert not [text for text in said if NO_NUMBER.search(text)]
    for part in tables_in(result):
        numbers = part.table.select_dtypes("number").to_numpy(dtype=float)
        assert not np.isinf(numbers).any(), part.name
        assert part.sentence or len(part.table), part.name
    json.dumps(result.to_dict(), allow_nan=False)


Told = Callable[[Result], None]


def _why(result: Result, touchpoint: str, valence: str = "bad") -> tuple[str, str]:
    row = result.table.set_index(["touchpoint", "valence"]).loc[touchpoint, valence]
    return row["verdict"], row["why"]


def _check(result: Result, name: str) -> tuple[bool | None, str]:
    found = next(check for check in result.checks if check.name == name)
    return found.passed, found.text


def spoilt_is_told(result: Result) -> None:
    assert _why(result, "invoice") == ("too little data", "No customer had such a contact.")
    verdict, why = _why(result, "delivery")
    assert verdict == "not separable" and "all of them ended the same way" in why
    for name in ("checkout", "once"):
        expected = ("too little data", "Only 1 customer had such a contact.")
        assert _why(result, name) == expected
    for one, other in (("support-call", "support-line"), ("support-line", "support-call")):
        verdict, why = _why(result, one)
        assert verdict == "not separable" and f"together with those of {other}:" in why
    assert set(HOSTILE.values()) < set(result.table["touchpoint"])
    held = result["adjusted_for"].table
    left_out = " ".join(held.loc[held["how"] == "left out", "what"])
    for reason in (
        "constant (it does not vary)",
        "number (it does not vary)",
        "empty (it does not vary)",
        "leak (no level but one has 10 churns)",
    ):
        assert reason in left_out
    assert re.search(r"many \(\d+ different values, more than 30\)", left_out)
    assert result["involuntary_ends"].sentence.startswith("There are 3 ends that customers did not")
    assert _check(result, "scores: nps") == (None, "not told: all scores are the same")
    assert _check(result, "scores: ces")[1].startswith("not told: 0 customers who left had given")


def fatal_is_told(result: Result) -> None:
    verdict, _ = _why(result, "fatal")
    assert verdict in ("too little data", "not separable", "reverse causation suspected")
    for part, missing in (
        ("scores", "feedback"),
        ("recovery", "resolved_at"),
        ("stack", "emotional"),
    ):
        assert result[part].table.empty and missing in result[part].sentence


def twelve_are_told(result: Result) -> None:
    assert set(result.table["verdict"]) == {"too little data"}
    assert result.sentence.startswith("No touchpoint can be called a driver")
    assert _check(result, "events per coefficient")[0] is False
    assert result["scores"].sentence.startswith("Too few customers who left had given a score")


def one_touchpoint_is_told(result: Result) -> None:
    assert len(result.table) == 2 and "driver" not in set(result.table["verdict"])
    passed, text = _check(result, "half-life")
    assert passed is False and "it reaches the end of the grid" in text
    assert _check(result, "who did not answer")[0] is False


def no_outcomes_are_told(result: Result) -> None:
    passed, text = _check(result, "bad contact")
    assert passed is False and "not one is, so that no driver can be found" in text
    assert "no contrast" in _check(result, "half-life")[1]
    assert "no value at risk" in _check(result, "monthly_value")[1]
    assert result["half_life"].sentence.startswith("A half-life of 28 days is assumed")


def scores_are_told(result: Result) -> None:
    assert set(result.table["valence"]) == {"bad", "good", "contact"}
    assert "bottom box" in _check(result, "bad contact")[1]


def one_failure_is_told(result: Result) -> None:
    bad = result.table[result.table["valence"] == "bad"]
    assert set(bad["why"]) == {
        "No customer had such a contact.", "Only 1 customer had such a contact.",
    }  # fmt: skip


def silence_is_told(result: Result) -> None:
    contacts = result.table[result.table["valence"] == "contact"]
    assert "Churn is silence here: contacts tell of it by definition." in set(contacts["why"])


def renewals_are_told(result: Result) -> None:
    assert set(result.table["verdict"]) == {"too little data"}
    passed, text = _check(result, "rows at risk")
    assert passed is False and "renews_at must name past renewals too" in text


def nothing_is_told(result: Result) -> None:
    assert not result.table["verdict"].isin(["driver", "protective"]).any()


def given_is_told(result: Result) -> None:
    assert _check(result, "half-life")[1] == "1 days, given"


def short_is_told(result: Result) -> None:
    assert set(result.table["verdict"]) == {"too little data"}
    assert result.meta["window_days"] == 30


def something_is_told(result: Result) -> None:
    assert result.sentence


CASES: dict[str, tuple[Callable[[], Tables], str, dict[str, Any], Told]] = {
    "much at once": (spoilt, "", {}, spoilt_is_told),
    "a perfect predictor, few columns": (fatal, "", {}, fatal_is_told),
    "12 churners, no score": (twelve, "", {}, twelve_are_told),
    "one touchpoint": (one_touchpoint, "", {}, one_touchpoint_is_told),
    "outcomes all empty": (no_outcomes, "", {}, no_outcomes_are_told),
    "scores instead of outcomes": (scores_for_outcomes, "", {}, scores_are_told),
    "one failure, one day of churn": (one_failure, "", {}, one_failure_is_told),
    "silence": (silence, "churn: {inactivity: {days: 60}}\n", {}, silence_is_told),
    "only leavers renew": (only_leavers_renew, "", {}, renewals_are_told),
    "monthly renewals, a window of two years": (
        monthly, "", {"window_days": 730}, something_is_told,
    ),
    "contacts long past": (long_past, "", {}, nothing_is_told),
    "a washout of a year": (tables_of, "", {"washout_days": 365}, nothing_is_told),
    "a washout of two months": (tables_of, "", {"washout_days": 60}, something_is_told),
    "a half-life of a day": (tables_of, "", {"half_life_days": 1}, given_is_told),
    "all rows, weekly": (few, "", {"sample": "full", "period_days": 7}, something_is_told),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_has_an_answer(case: str, tmp_path: Path) -> None:
    make, settings, options, told = CASES[case]
    tables = make()
    result = churn_drivers.run(load(_written(tables, tmp_path, settings)), **{**QUICKLY, **options})
    hold(result, tables)
    told(result)


def test_a_feed_shorter_than_the_window(tmp_path: Path) -> None:
    tables = short()
    folder = _written(tables, tmp_path)
    text = SETTINGS.replace("2024-07-01", "2026-06-01")
    (folder / "dataset.yml").write_text(text, encoding="utf-8")
    result = churn_drivers.run(load(folder), window_days=365, **QUICKLY)
    hold(result, tables)
    short_is_told(result)


def test_the_command_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    tables = spoilt()
    _written(tables, folder)
    with pytest.raises(SystemExit) as exit_:
        main(["drivers", str(folder), "--out", str(tmp_path / "out"), "--quick", "--sample", "10"])
    said = capsys.readouterr()
    assert (exit_.value.code, said.err) == (0, "")
    assert not NO_NUMBER.search(said.out.replace(str(tmp_path), ""))
    written = pd.read_csv(tmp_path / "out" / "drivers.csv", keep_default_na=False)
    assert set(written["touchpoint"].map(cell_text_read)) == set(
        tables["interactions"]["touchpoint"]
    )
    assert not written.isin(["nan", "inf", "-inf", "None"]).any(axis=None)
