"""The command line: exit codes, one clear line, nothing left behind, an answer or a verdict."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cxlab.cli
from cxlab.data.check import AFTER_END
from cxlab.data.dataset import load
from cxlab.results import cell_text_read

COLUMNS = [
    *("rank", "touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high"),
    *("p_value", "q_value", "exposed_customers", "exposures"),
    *("attributable_churn", "attributable_churn_low", "attributable_churn_high"),
    *("attributable_share", "value_at_risk", "value_at_risk_low", "value_at_risk_high"),
    *("top3_probability", "verdict", "why"),
]
VERDICTS = {
    "driver", "protective", "no evidence", "too little data", "reverse causation suspected",
    "not separable",
}  # fmt: skip
HEAVY = "pandas duckdb numpy pydantic papermill narwhals scipy matplotlib pyarrow sklearn yaml"


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


MAIN = "from cxlab.cli import main; main()"

# -- start-up ---------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["cxlab", "cxlab.cli"])
def test_nothing_heavy_is_imported_at_start(module) -> None:
    code = f"import {module}, sys; print(sorted(set({HEAVY.split()!r}) & set(sys.modules)))"
    ran = python(code)
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        assert python(MAIN, "--help").returncode == 0
        seconds.append(time.perf_counter() - start)
        if seconds[-1] < 0.5:
            return
    pytest.fail(f"cxlab --help took {min(seconds):.2f} s at best; 0.5 s are allowed")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_the_end_is_told_to_nobody_where_nobody_listens(closed) -> None:
    for words, code in (("--help", 0), ("check nowhere", 2)):
        line = shlex.join([sys.executable, "-c", MAIN, *words.split()])
        ran = subprocess.run(["sh", "-c", f"{line} {closed}"], capture_output=True, text=True)
        assert ran.returncode == code
        assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_help_lists_the_commands(cx, arguments) -> None:
    ran = cx(*arguments)
    assert (ran.code, ran.err) == (0, "")
    for command in ("check", "simulate", "drivers", "list", "render"):
        assert f"\n  {command} " in ran.out


def test_version(cx) -> None:
    assert cx("--version") == (0, f"cxlab {cxlab.__version__}\n", "")


@pytest.mark.parametrize("command", ["drivers", "render"])
def test_quick_says_what_is_left_out(cx, command) -> None:
    assert "Leave out sweeps (the effect by" in cx(command, "--help").out


@pytest.mark.parametrize("command", ["check", "simulate", "drivers"])
def test_each_command_has_help(cx, command) -> None:
    ran = cx(command, "--help")
    assert ran.code == 0 and ran.out.startswith(f"Usage: cxlab {command}")


# -- called wrongly ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"),
        (["check"], "DATASET"),
        (["check", "SHOP", "more"], "more"),
        (["check", "SHOP", "--nonsense"], "--nonsense"),
        (["check", "nowhere"], "nowhere: no such dataset folder"),
        (["check", "x" * 300], "no such dataset folder"),
        (["check", "SHOP/customers.csv"], "customers.csv: no such dataset folder"),
        (["check", "SHOP", "--as-of", "soon"], "--as-of is 'soon'; allowed: a date such as 2026-"),
        (["check", "SHOP", "--as-of", "2026-02-30"], "--as-of is '2026-02-30'"),
        (["check", "SHOP", "--as-of", ""], "--as-of is ''"),
        (["check", "SHOP", "--as-of", "9999-12-31"], "1900 to 2200"),
        (["drivers", "SHOP"], "--out"),
        (["drivers", "--out", "OUT"], "DATASET"),
        (["drivers", "nowhere", "--out", "OUT"], "nowhere: no such dataset folder"),
        (["drivers", "SHOP", "--out", "OUT", "--as-of", "1"], "--as-of is '1'"),
        (
            ["drivers", "SHOP", "--out", "OUT", "--sample", "0"],
            "sample is '0'; allowed: auto, full",
        ),
        (["drivers", "SHOP", "--out", "OUT", "--sample", "-1"], "sample is '-1'"),
        (["drivers", "SHOP", "--out", "OUT", "--sample", "some"], "sample is 'some'"),
        (
            ["drivers", "SHOP", "--out", "OUT", "--half-life-days", "x"],
            "days is 'x'; allowed: auto",
        ),
        (["drivers", "SHOP", "--out", "OUT", "--half-life-days", "0"], "days is 0; allowed: auto"),
        (["drivers", "SHOP", "--out", "OUT", "--half-life-days", "nan"], "days is nan; allowed"),
        (["drivers", "SHOP", "--out", "OUT", "--half-life-days", "inf"], "days is inf; allowed"),
        (["drivers", "SHOP", "--out", "OUT", "--washout-days", "-1"], "-1; allowed: 0 to 365"),
        (["drivers", "SHOP", "--out", "OUT", "--washout-days", "366"], "366; allowed: 0 to 365"),
        (["drivers", "SHOP", "--out", "OUT", "--washout-days", "few"], "--washout-days"),
        (["drivers", "SHOP", "--out", "OUT", "--memory-limit", "foo"], "'foo'; allowed: sizes"),
        (["drivers", "SHOP", "--out", "OUT", "--memory-limit", ""], "''; allowed: sizes"),
        (["drivers", "SHOP", "--out", "OUT", "--memory-limit", "-1"], "'-1'; allowed: sizes"),
        (["drivers", "SHOP", "--out", "OUT", "--memory-limit", "0GB"], "'0GB'; allowed: sizes"),
        (["drivers", "SHOP", "--out", "OUT", "--memory-limit", "80%"], "'80%'; allowed: sizes"),
        (["drivers", "SHOP", "--out", "OUT", "--engine", "flink"], "'flink'; allowed: duckdb"),
        (["drivers", "SHOP", "--out", "OUT", "--seed", "-1"], "--seed"),
        (["drivers", "SHOP", "--out", "OUT", "--seed", "x"], "--seed"),
        (["simulate"], "DIR"),
        (["simulate", "OUT", "--customers", "0"], "customers is 0; allowed: 1 to"),
        (["simulate", "OUT", "--customers", "-5"], "customers is -5; allowed: 1 to"),
        (["simulate", "OUT", "--customers", "many"], "--customers"),
        (["simulate", "OUT", "--world", "mars"], "world is 'mars'; allowed: demo"),
        (["simulate", "OUT", "--seed", "-1"], "--seed"),
    ],
)
def test_called_wrongly(tables, write_dataset, refused, tmp_path, arguments, told) -> None:
    shop, out = write_dataset(tables), tmp_path / "made" / "out"
    here = [a.replace("SHOP", str(shop)).replace("OUT", str(out)) for a in arguments]
    assert told in refused(2, *here)
    assert not out.parent.exists()


@pytest.fixture
def wrong_places(tmp_path: Path) -> Path:
    """Make places nothing can be written to, whoever asks: root may write anywhere else."""
    (tmp_path / "file").write_text("kept")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone" / "away")
    return tmp_path


@pytest.mark.parametrize("place", ["file", "file/below", "dangling", "y" * 300, "/proc/cxlab"])
def test_drivers_to_nowhere(tables, write_dataset, refused, wrong_places, place) -> None:
    line = refused(2, "drivers", write_dataset(tables), "--out", wrong_places / place)
    assert line.startswith("--out is ") and "allowed: a folder that can be written (" in line
    assert (wrong_places / "file").read_text() == "kept"
    assert not (wrong_places / "gone").exists()


@pytest.mark.parametrize("place", ["file", "file/below", "dangling", "y" * 300, "/proc/cxlab"])
def test_simulate_to_nowhere(refused, wrong_places, place) -> None:
    line = refused(2, "simulate", wrong_places / place, "--customers", 5)
    assert "cannot be written" in line
    assert (wrong_places / "file").read_text() == "kept"
    assert not (wrong_places / "gone").exists()


def test_a_folder_in_place_of_the_file(tables, write_dataset, refused, tmp_path) -> None:
    (tmp_path / "out" / "drivers.csv").mkdir(parents=True)
    line = refused(2, "drivers", write_dataset(tables), "--out", tmp_path / "out")
    assert "drivers.csv is a folder" in line
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["drivers.csv"]


def test_out_is_tried_before_the_data_are_read(refused, wrong_places) -> None:
    assert "--out" in refused(2, "drivers", wrong_places, "--out", wrong_places / "file")


def test_a_sample_that_cannot_be_renders_nothing(tables, write_dataset, refused, tmp_path) -> None:
    write_dataset(tables)
    spec = tmp_path / "r.yml"
    spec.write_text("title: a\ndataset: shop\n")
    line = refused(2, "render", spec, "-p", "sample=foo")
    assert "sample is 'foo'" in line and "auto|full|[1-9][0-9]*" in line
    spec.write_text("title: a\ndataset: shop\nparameters: {sample: foo}\n")
    line = refused(1, "render", spec)
    assert line.startswith(f"{spec}: parameters:") and "auto|full|[1-9][0-9]*" in line
    assert not (tmp_path / "r").exists()


# -- content that will not do -----------------------------------------------------------------


def test_what_fails_leaves_out_as_it_was(tables, write_dataset, refused, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "drivers.csv").write_text("of last week\n")
    tables["customers"]["end_reason"] = "involuntary"
    shop = write_dataset(tables)
    assert "no voluntary churn" in refused(1, "drivers", shop, "--out", out)
    tables["interactions"]["occurred_at"] = "soon"
    assert "column occurred_at" in refused(1, "drivers", write_dataset(tables), "--out", out)
    assert [p.name for p in out.iterdir()] == ["drivers.csv"]
    assert (out / "drivers.csv").read_text() == "of last week\n"


def test_a_needed_table_is_named(tables, write_dataset, refused, tmp_path) -> None:
    shop = write_dataset({"customers": tables["customers"]})
    line = refused(1, "drivers", shop, "--out", tmp_path / "out")
    assert "the dataset has no table interactions" in line
    assert not (tmp_path / "out").exists()


def test_a_snapshot_that_tells_nothing(write_files, refused, tmp_path) -> None:
    shop = write_files({"customers.csv": "tenure,churned\n1,1\n2,0\n"})
    line = refused(1, "drivers", shop, "--out", tmp_path / "out")
    assert "No attribute tells customers apart" in line and not (tmp_path / "out").exists()


# -- errors of our own ------------------------------------------------------------------------


def test_debug_shows_the_traceback(tmp_path) -> None:
    ran = python(MAIN, "--debug", "check", tmp_path / "nowhere")
    assert ran.returncode == 2 and "Traceback" in ran.stderr and "no such dataset" in ran.stderr


def test_debug_keeps_the_code_of_a_file(write_files) -> None:
    ran = python(MAIN, "--debug", "check", write_files({"customers.csv": "a\n1\n"}))
    assert ran.returncode == 1 and "Traceback" in ran.stderr and "DataError" in ran.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_ctrl_c(tables, write_dataset, cx, monkeypatch, error) -> None:
    def interrupted(*_: object) -> None:
        raise error

    shop = write_dataset(tables)
    monkeypatch.setattr("cxlab.data.dataset.load", interrupted)
    assert cx("check", shop) == (130, "", "cxlab: interrupted\n")


def test_the_engines_own_errors_are_worded(tables, write_dataset, refused, monkeypatch) -> None:
    import duckdb

    def broken(*_: object) -> None:
        raise duckdb.IOException("IO Error: disk gone\n\nPossible fixes:\n* buy one")

    shop = write_dataset(tables)
    monkeypatch.setattr("cxlab.data.dataset.load", broken)
    assert refused(1, "check", shop) == "the dataset's tables: cannot be read (disk gone)"


def test_a_bug_is_one_line_too(tables, write_dataset, cx, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("two\nlines")

    shop = write_dataset(tables)
    monkeypatch.setattr("cxlab.data.dataset.load", broken)
    ran = cx("check", shop)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "two lines" in ran.err and "--debug" in ran.err


def test_a_reader_that_stops_listening(tables, write_dataset) -> None:
    shop = write_dataset(tables)
    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "check", shop], stdout=write, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(write)
        _, err = process.communicate(timeout=60)
    assert "Traceback" not in err and "Exception" not in err


# -- simulate ---------------------------------------------------------------------------------


def test_simulate_writes_a_dataset_that_holds(cx, tmp_path) -> None:
    place = tmp_path / "a world"
    for _ in range(2):  # the second writes over the first
        ran = cx("simulate", place, "--customers", 40, "--world", "plain", "--seed", 4)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith(f"Wrote {place}: ") and ran.out.count("\n") == 1
    names = {p.name for p in place.iterdir()}
    assert {"customers.parquet", "interactions.parquet", "dataset.yml", "truth.json"} <= names
    assert not [n for n in names if n.startswith(".")]
    truth = json.loads((place / "truth.json").read_text())
    assert (truth["world"], truth["seed"]) == ("plain", 4)
    assert {"half_life_days", "effects"} <= set(truth)
    assert {s.rule for s in load(place).set_aside} <= {AFTER_END}
    assert cx("check", place).code == 0


# -- check: gaps in the feed ------------------------------------------------------------------


def test_check_tells_gaps_in_the_feed(cx, tmp_path) -> None:
    place = tmp_path / "gaps"
    cx("simulate", place, "--customers", 1200, "--world", "gaps")
    truth = json.loads((place / "truth.json").read_text())["gaps"]
    ran = cx("check", place, "--json")
    assert (ran.code, ran.err) == (0, "")
    found = [g for g in json.loads(ran.out)["gaps"] if g["what"] == "contacts"]
    spans = {(g["name"], g["first_day"], g["last_day"]) for g in found}
    assert spans == {(g["channel"] or "all", g["first_day"], g["last_day"]) for g in truth}
    assert all(g["rows_seen"] < g["rows_expected"] / 2 for g in found)
    ran = cx("check", place)
    assert (ran.code, ran.err) == (0, "")
    last = ran.out.splitlines()[-1]
    assert last.startswith("Far too few contacts came from ")
    assert f"from {found[0]['first_day']} to {found[0]['last_day']} (" in last


def test_check_says_that_a_whole_feed_has_no_gap(cx, tmp_path) -> None:
    place = tmp_path / "plain"
    cx("simulate", place, "--customers", 600, "--world", "plain")
    assert json.loads(cx("check", place, "--json").out)["gaps"] == []
    assert cx("check", place).out.splitlines()[-1].startswith("No gap was found in contacts, ")


def test_check_looks_for_no_gaps_where_there_are_no_dates(cx, write_files) -> None:
    shop = write_files({"customers.csv": "tenure,churned\n3,0\n5,1\n9,0\n"})
    assert json.loads(cx("check", shop, "--json").out)["gaps"] is None
    assert "gap" not in cx("check", shop).out


def test_a_mistyped_year_does_not_hold_check_up(cx, tables, write_dataset) -> None:
    tables["interactions"].loc[0, "occurred_at"] = pd.Timestamp("1925-01-01")
    tables["customers"].loc[1, "started_at"] = pd.Timestamp("1926-01-01")
    started = time.perf_counter()
    ran = cx("check", write_dataset(tables))
    assert ran.code == 0 and "since 1925" not in ran.out
    assert time.perf_counter() - started < 20


# -- drivers: valid; an answer or a verdict ---------------------------------------------------


def _few_left(tables):
    customers = tables["customers"]
    customers.loc[2:, ["ended_at", "end_reason"]] = [pd.NaT, None]


def _one_customer(tables):
    for name in ("customers", "interactions", "feedback"):
        table = tables[name]
        tables[name] = table[table["customer_id"] == "C000"]


def _without_outcome(tables):
    tables["interactions"] = tables["interactions"].drop(columns="outcome")
    answers = tables["feedback"]
    answers["responded_at"] = answers["asked_at"] + pd.Timedelta("1h")
    answers["score"] = np.resize([1.0, 5.0, 3.0], len(answers))


def _without_link(tables):
    _without_outcome(tables)
    tables["feedback"] = tables["feedback"].drop(columns="interaction_id")


def _without_feedback(tables):
    _without_outcome(tables)
    del tables["feedback"]


def _contacts_of_few(tables):
    calls = tables["interactions"]
    tables["interactions"] = calls[calls["customer_id"] < "C020"]


def _odd_names(tables):
    names = {"call": '=HYPERLINK("x"), "q"', "chat": "💬 Größe; a,b", "invoice": "-1+2|x"}
    for name in ("interactions", "touchpoints"):
        tables[name]["touchpoint"] = tables[name]["touchpoint"].map(names)


def _all_contacts_after_the_end(tables):
    customers = tables["customers"]
    customers["ended_at"] = customers["started_at"].dt.normalize() + pd.Timedelta("1D")
    tables["interactions"]["occurred_at"] = pd.Timestamp("2025-05-01")
    tables["interactions"]["resolved_at"] = pd.NaT
    tables["interactions"].loc[0, "occurred_at"] = pd.Timestamp("2024-12-01")


def _dirty(tables):
    customers = tables["customers"]
    count = np.arange(len(customers))
    tables["customers"] = customers.assign(
        nothing=None, many=[f"v{i}" for i in count], same="x", größe="a'b\"c", huge=1e300 * count,
        event="x", last=count % 7, first=0, over="y", started=1.5, ended=2, period=count,
        competing=True, customer="me", touchpoint="call", at=0.5, churned=count % 3 == 0,
    )  # fmt: skip


def _value_with_gaps(tables):
    tables["customers"].loc[::2, "monthly_value"] = np.nan


def _drop(table, column):
    return lambda tables: tables.update({table: tables[table].drop(columns=column)})


def _set(table, **values):
    return lambda tables: tables.update({table: tables[table].assign(**values)})


CASES = {
    "as it is": lambda tables: None,
    "one touchpoint": _set("interactions", touchpoint="call"),
    "one channel": _set("interactions", channel="web"),
    "no channel": _drop("interactions", "channel"),
    "few left": _few_left,
    "one customer": _one_customer,
    "no outcome, scores linked": _without_outcome,
    "no outcome, scores not linked": _without_link,
    "no outcome, no scores": _without_feedback,
    "outcome empty": _set("interactions", outcome=None),
    "all contacts ok": _set("interactions", outcome="ok"),
    "all contacts at once": _set("interactions", occurred_at=pd.Timestamp("2025-04-10T12:00"),
                                 resolved_at=pd.NaT),
    "all contacts after the end": _all_contacts_after_the_end,
    "odd names": _odd_names,
    "all at an exit": _set("touchpoints", stage="exit"),
    "no value": _drop("customers", "monthly_value"),
    "empty value": _set("customers", monthly_value=np.nan),
    "value with gaps": _value_with_gaps,
    "dirty attributes": _dirty,
    "free of renewals": _set("customers", renewal_days=np.nan),
}  # fmt: skip


def drivers(folder: Path) -> list[dict[str, str]]:
    data = (folder / "drivers.csv").read_bytes()
    assert b"\r" not in data and data.endswith(b"\n")
    with (folder / "drivers.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.reader(file))
    assert found[0] == COLUMNS
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found[1:]]
    assert [r["rank"] for r in rows] == [str(i + 1) for i in range(len(rows))]
    for row in rows:
        assert row["verdict"] in VERDICTS and row["why"].endswith(".")
        assert not {v.lower() for v in row.values()} & {"nan", "inf", "-inf", "none", "null"}
        assert (row["valence"], row["verdict"]) != ("contact", "driver")
    return rows


@pytest.mark.parametrize("name", CASES)
def test_an_answer_or_a_verdict(tables, write_dataset, cx, tmp_path, name) -> None:
    CASES[name](tables)
    shop = write_dataset(tables)
    ran = cx("drivers", shop, "--out", tmp_path / "out", "--quick")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.endswith(f"Wrote {tmp_path / 'out' / 'drivers.csv'}\n")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["drivers.csv"]
    rows = drivers(tmp_path / "out")
    calls = load(shop).table("interactions").select("touchpoint").unique()
    named = {r[0] for r in calls.collect(backend="pyarrow").iter_rows()}
    assert {cell_text_read(r["touchpoint"]) for r in rows if r["valence"] == "contact"} == named
    assert not [v for r in rows for v in r.values() if v.startswith(("=", "+", "@"))]
    linked = name == "no outcome, scores linked"
    judged = not name.startswith("no outcome")
    valences = (
        {"contact"} | ({"bad"} if judged or linked else set()) | ({"good"} if linked else set())
    )
    assert {r["valence"] for r in rows} == valences


def _everyone_left(tables):
    customers = tables["customers"]
    days = np.random.default_rng(0).integers(60, 200, len(customers))
    customers["ended_at"] = customers["started_at"] + pd.to_timedelta(days, unit="D")
    customers["end_reason"] = None


def _an_attribute_tells_who_leaves(tables):
    tables["customers"]["flag"] = tables["customers"]["ended_at"].notna().astype(int)


def _snapshot_whose_attribute_tells(tables):
    left = np.arange(200) % 2
    tables.clear()
    tables["customers"] = pd.DataFrame({"tenure": 1 + np.arange(200) % 7, "churned": left,
                                        "flag": left})  # fmt: skip


SEPARATED = {
    "all contacts failed": _set("interactions", outcome="failed"),
    "most without contacts": _contacts_of_few,
    "everyone left": _everyone_left,
    "leaving is possible every 30 days": _set("customers", renewal_days=30),
    "some renew": _set("customers", renewal_days=np.resize([30.0, np.nan], 150)),
    "an attribute tells who leaves": _an_attribute_tells_who_leaves,
    "two hundred touchpoints": _set(
        "interactions", touchpoint=[f"t{i % 200}" for i in range(1800)]
    ),
    "a snapshot whose attribute tells": _snapshot_whose_attribute_tells,
}


@pytest.mark.parametrize("name", SEPARATED)
def test_data_that_separate_end_in_a_verdict(
    make_tables, write_dataset, cx, tmp_path, name
) -> None:
    tables = make_tables(150)
    SEPARATED[name](tables)
    ran = cx("drivers", write_dataset(tables), "--out", tmp_path / "out", "--quick")
    assert (ran.code, ran.err) == (0, "")
    assert drivers(tmp_path / "out")


def test_a_snapshot_gives_a_row_a_term(write_files, cx, tmp_path) -> None:
    draw = np.random.default_rng(5)
    snapshot = pd.DataFrame(
        {
            "tenure": draw.integers(1, 60, 200),
            "churned": draw.integers(0, 2, 200),
            "plan": draw.choice(["basic", "plus, or more"], 200),
            "age": draw.normal(size=200),
        }
    )
    shop = write_files({"customers.csv": snapshot.to_csv(index=False)})
    ran = cx("drivers", shop, "--out", tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    rows = drivers(tmp_path / "out")
    assert len(rows) == 2 and {r["valence"] for r in rows} == {"attribute"}


def test_the_same_call_gives_the_same_bytes_and_takes_the_place_of_the_last(
    tables, write_dataset, cx, tmp_path
) -> None:
    shop, out = write_dataset(tables), tmp_path / "deep" / "out %s ü'"
    written = []
    for _ in range(2):
        options = ["--sample", 30, "--seed", 7, "--half-life-days", 28, "--memory-limit", "500MB"]
        assert cx("drivers", shop, "--out", out, *options).code == 0
        written.append((out / "drivers.csv").read_bytes())
    assert written[0] == written[1]


def test_as_of_looks_back(tables, write_dataset, cx, tmp_path) -> None:
    shop = write_dataset(tables)
    first = cx("drivers", shop, "--out", tmp_path / "a", "--quick", "--as-of", "2025-05-31")
    assert first.code == 0
    rows = {(r["touchpoint"], r["valence"]): r for r in drivers(tmp_path / "a")}
    # The same figures from a dataset that ends on that day.
    for name, column in (("interactions", "occurred_at"), ("customers", "started_at")):
        tables[name] = tables[name][tables[name][column] < "2025-06-01"]
    customers = tables["customers"]
    gone = customers["ended_at"] < "2025-06-01"
    customers[["ended_at", "end_reason"]] = customers[["ended_at", "end_reason"]].where(gone)
    keep = tables["feedback"]["customer_id"].isin(customers["customer_id"])
    del tables["feedback"]
    again = cx("drivers", write_dataset(tables, name="cut"), "--out", tmp_path / "b", "--quick",
               "--as-of", "2025-05-31")  # fmt: skip
    assert again.code == 0 and keep.any()
    assert {(r["touchpoint"], r["valence"]): r for r in drivers(tmp_path / "b")} == rows


def test_the_module_is_the_program() -> None:
    assert cxlab.cli.main.__module__ == "cxlab.cli"
