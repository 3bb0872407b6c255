"""What changed since the last run: which run, what of the past, and the words for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import summary
from cxlab.data import history
from cxlab.data.dataset import Dataset, load
from cxlab.errors import UsageError
from cxlab.results import Result

COSTS = [f"{n}{e}" for n in ("attributable_churn", "value_at_risk") for e in ("", "_low", "_high")]
DRIVERS = ["touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high", *COSTS,
           "exposed_customers", "verdict", "rank"]  # fmt: skip
THEN = "2025-08-31"


def _write(folder: Path, late: int = 0, growth: float = 1.0) -> Path:
    """Write 400 customers, of whom some leave, and contacts that fail; ``late`` come late."""
    draw = np.random.default_rng(5)
    folder.mkdir(exist_ok=True)
    begin = pd.Timestamp("2025-01-01")
    ids = [f"c{i:03d}" for i in range(400)]
    leaves = draw.exponential(700, 400)
    ended = [begin + pd.Timedelta(days=d) if d < 360 else None for d in leaves]
    pd.DataFrame({"customer_id": ids, "started_at": "2025-01-01", "ended_at": ended}).to_csv(
        folder / "customers.csv", index=False
    )
    day = draw.uniform(0, 303, 6000)
    if growth > 1:  # more contacts of September and October
        day = np.append(day, draw.uniform(243, 303, int(1200 * (growth - 1))))
    who = draw.integers(0, 400, len(day))
    kept = day < leaves[who]
    at = begin + pd.to_timedelta(np.round(day * 86400), unit="s")
    contacts = pd.DataFrame({
        "customer_id": np.array(ids)[who], "occurred_at": at, "touchpoint": "call",
        "outcome": np.where(np.random.default_rng(6).random(len(day)) < 0.3, "failed", "ok"),
    })[kept]  # fmt: skip
    if late:
        more = contacts[contacts["occurred_at"] < "2025-08-20"].head(late)
        contacts = pd.concat([contacts, more.assign(outcome="failed")])
    contacts.to_csv(folder / "interactions.csv", index=False)
    (folder / "dataset.yml").write_text("name: shop\nobserved_until: 2025-10-31\n", "utf-8")
    return folder


def _numbers(dataset: Dataset, run_id: str, ratio: float, se: float, lost: float) -> pd.DataFrame:
    """Give a run's numbers as the renderer writes them, of one driver."""
    risk = summary.run(dataset, window_days=60)
    rows: list[dict[str, object]] = [
        {"kind": "about", "name": n, "text": t}
        for n, t in (("dataset", dataset.name), ("form", dataset.form),
                     ("settings", dataset.settings_sha256()))
    ]  # fmt: skip
    churns = risk["count"].table.set_index("name").loc["churns", "value"]
    about = {"window_days": 60, "washout_days": 3, "period_days": 1, "churns": churns}
    rows += [{"kind": "about", "name": n, "value": v} for n, v in about.items()]
    figures = {"hazard_ratio": ratio, "coef": np.log(ratio), "se": se, "half_life": 20.0,
               "attributable_churn": lost}  # fmt: skip
    rows += [{"kind": "driver", "name": "call", "part": "bad", "measure": m, "value": v, "n": 300,
              "verdict": "driver"} for m, v in figures.items()]  # fmt: skip
    rows.append({"kind": "finding", "name": "drivers.call.bad", "verdict": "driver"})
    rows.append({"kind": "notebook", "name": "11_what_to_fix", "verdict": "skipped",
                 "text": "no touchpoints"})  # fmt: skip
    rows.append({"kind": "check", "name": "events", "part": "churn_drivers", "verdict": "failed"})
    return history.table(run_id, dataset.day, rows)


def _folders(tmp_path: Path, dataset: Dataset, ratio: float = 2.0, lost: float = 12.0) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    table = _numbers(dataset, "now", ratio, 0.18, lost)
    (run / history.NOW).write_bytes(history.packed(table))
    values = ["call", "bad", ratio, 1.4, 2.8, lost, 6, 18, 120, 60, 180, 300, "driver", 1]
    pd.DataFrame([values], columns=DRIVERS).to_csv(run / "drivers.csv", index=False)
    found = {"id": "drivers.call.bad", "notebook": "05_churn_drivers", "statement": "Calls.",
             "estimate": lost, "conf_low": 6, "conf_high": 18, "unit": "customers", "n": 300,
             "verdict": "driver"}  # fmt: skip
    (run / "findings.json").write_text(json.dumps({"findings": [found]}), "utf-8")
    return run


def _past(tmp_path: Path, dataset: Dataset, ratio: float = 2.0, lost: float = 10.0) -> Path:
    """Keep the run of the end of August as the history has it."""
    run_id = f"{THEN}-20250901T000000Z"
    then = dataset.on(pd.Timestamp(THEN).date())
    table = _numbers(then, run_id, ratio, 0.2, lost)
    seen = tmp_path / "seen"
    seen.mkdir()
    (seen / history.NOW).write_bytes(history.packed(table))
    parts = summary.run(then, window_days=60, run=str(seen)).parts
    counted = [{"kind": k, **row} for k in ("count", "mix", "tenure")
               for row in parts[k].table.to_dict("records")]  # fmt: skip
    whole = pd.concat([table, history.table(run_id, THEN, counted)], ignore_index=True)
    folder = tmp_path / "state" / "history"
    folder.mkdir(parents=True)
    (folder / f"{run_id}.parquet").write_bytes(history.packed(whole))
    return tmp_path / "state"


def _lost(result: Result) -> pd.Series:
    table = result["changed"].table
    return table[table["measure"] == "customers lost"].iloc[0]


def test_what_did_not_change_is_noise(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    state, run = _past(tmp_path, dataset), _folders(tmp_path, dataset)
    result = summary.run(dataset, window_days=60, run=str(run), state=str(state))
    table = result["changed"].table.set_index("measure")
    assert not table["beyond"].any()
    share = table.loc["share who left"]
    assert share["data"] == 0
    assert share["mix"] + share["rest"] == pytest.approx(share["estimate"])
    lost = _lost(result)
    assert (lost["then"], lost["now"], lost["estimate"]) == (10, 12, 2)
    assert lost["data"] == pytest.approx(0.0)
    assert lost["effect"] == pytest.approx(0.0)
    assert lost[["data", "mix", "effect", "rest"]].sum() == pytest.approx(2.0)
    said = summary.findings(result)[1].statement
    assert said.startswith(f"Since the run of {THEN} the share who left has ")
    assert "within the noise" in said
    assert "of no driver has the cost or the effect changed by more than noise" in said
    assert "nothing came late or was corrected" in summary.lines(result, "changed")[0]
    assert result["first"].table["new"].tolist() == [False]
    assert result["changes"].table["signal"].tolist() == ["no", "no"]
    assert summary.findings(result) == summary.findings(
        summary.run(dataset, window_days=60, run=str(run), state=str(state))
    )


def test_an_effect_that_changed_is_a_signal_with_its_reason(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    state, run = _past(tmp_path, dataset), _folders(tmp_path, dataset, ratio=4.0, lost=40.0)
    result = summary.run(dataset, window_days=60, run=str(run), state=str(state))
    lost = _lost(result)
    assert lost["beyond"]
    assert lost["effect"] > lost[["data", "mix", "rest"]].abs().max()
    said = summary.findings(result)[1].statement
    assert "what call costs went from 10 to 40 customers, more than noise, mostly by a failure "\
        "doing more harm" in said  # fmt: skip
    assert result["first"].table["new"].tolist() == [True]


def test_more_contacts_are_mix_and_late_ones_data(tmp_path: Path) -> None:
    before = load(_write(tmp_path / "data"))
    state = _past(tmp_path, before)
    grown = load(_write(tmp_path / "grown", growth=3.0))
    run = _folders(tmp_path, grown, lost=20.0)
    lost = _lost(summary.run(grown, window_days=60, run=str(run), state=str(state)))
    assert lost["contacts"] > 3
    assert lost["mix"] > lost[["data", "effect", "rest"]].abs().max()

    late = load(_write(tmp_path / "late", late=300))
    result = summary.run(late, window_days=60, run=str(run), state=str(state))
    assert "Of its own days not all is as it was: interactions 3," in " ".join(
        summary.lines(result, "changed")
    )
    assert _lost(result)["data"] > 0.5
    assert _lost(result)["se"] > lost["se"]  # the two runs share less


def test_which_run_is_compared_with_or_why_none(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    state = _past(tmp_path, dataset)

    def said(data: Dataset, folder: str) -> str:
        return summary.findings(summary.run(data, window_days=60, state=folder))[1].statement

    assert said(dataset, "").startswith("This is the first run")
    assert "drivers are not compared, for this run has no drivers" in said(dataset, str(state))
    then = dataset.on(pd.Timestamp(THEN).date())
    assert said(then, str(state)) == (
        f"No earlier run is of a day before {THEN}: there is nothing to compare with. "
        f"The last one, {THEN}-20250901T000000Z, is of the same day."
    )
    for text, why in (
        ("name: other", "its dataset was another one, shop"),
        ("name: shop\ncurrency: EUR", "dataset.yml, which says what the data mean"),
    ):
        settings = f"{text}\nobserved_until: 2025-10-31\n"
        (dataset.path / "dataset.yml").write_text(settings, "utf-8")
        assert f"cannot be compared with: {why}" in said(load(dataset.path), str(state))


def test_a_view_of_an_earlier_day_is_before_today(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    view = dataset.on(pd.Timestamp(THEN).date())
    again = load(dataset.path, as_of=THEN)
    for name in ("customers", "interactions"):
        one, two = (d.table(name).collect(backend="pandas").to_native() for d in (view, again))
        by = list(one.columns)
        pd.testing.assert_frame_equal(
            one.sort_values(by, ignore_index=True), two.sort_values(by, ignore_index=True)
        )
    with pytest.raises(UsageError, match="allowed: before 2025-10-31"):
        dataset.on(dataset.as_of)


def test_what_to_do_and_what_is_not_known(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    run = _folders(tmp_path, dataset)
    result = summary.run(dataset, window_days=60, run=str(run))
    assert summary.lines(result, "next") == [
        "Look at call first: failures there cost most, at least 6 customers of the last 60 days. "
        "What fixing costs and is worth is not told in this run."
    ]
    drivers = pd.read_csv(run / "drivers.csv")
    for low in (0.4, None):
        drivers.assign(attributable_churn_low=low).to_csv(run / "drivers.csv", index=False)
        said = summary.lines(summary.run(dataset, window_days=60, run=str(run)), "next")
        told = "Look at call first. What fixing costs and is worth is not told in this run."
        assert said == [told], low
    assert summary.lines(result, "unknown") == [
        "1 of 1 checks failed: events (churn drivers).",
        "11_what_to_fix was skipped: no touchpoints.",
    ]
    found = json.loads((run / "findings.json").read_text())["findings"]
    same = {**found[0], "estimate": None, "conf_low": None, "conf_high": None}
    found += [
        {**same, "id": "what_to_fix.best", "notebook": "11_what_to_fix", "statement": "Fix call."},
        {**same, "id": "did_it_work.a", "notebook": "12_did_it_work", "statement": "It did."},
        {**same, "id": "x.thin", "notebook": "x", "statement": "Few.",
         "verdict": "too little data"},
    ]  # fmt: skip
    (run / "findings.json").write_text(json.dumps({"findings": found}), "utf-8")
    result = summary.run(dataset, window_days=60, run=str(run))
    assert summary.lines(result, "next") == ["It did."]  # the first is in the answer
    assert summary.lines(result, "unknown")[0] == "Few."
    assert result["first"].table["id"].tolist() == ["drivers.call.bad"]
    assert summary.findings(result)[2].statement == "Fix call."


def test_what_comes_first_is_chosen_by_the_rule(tmp_path: Path) -> None:
    from cxlab.analyses.summary.chosen import first

    columns = ["id", "notebook", "statement", "estimate", "conf_low", "conf_high", "unit",
               "verdict"]  # fmt: skip
    rows = [
        ("a.text", "a", "no figure", None, None, None, "", "information"),
        ("d.one", "d", "large, unsure", 20, -1, 41, "customers", "driver"),
        ("d.two", "d", "small, sure", 6, 5, 7, "customers", "driver"),
        ("d.three", "d", "less sure", 9, 4, 14, "customers", "driver"),
        ("m.one", "m", "a month", 3, 2, 4, "customers a month", "information"),
        ("r.one", "r", "sure ratio", 2.0, 1.8, 2.2, "hazard ratio", "information"),
        ("r.none", "s", "no ratio", 1.1, 0.8, 1.5, "hazard ratio", "information"),
        ("t.diff", "t", "difference", 5.0, 1.0, 9.0, "difference in days", "information"),
        ("u.thin", "u", "thin", 50, 40, 60, "customers", "too little data"),
    ]
    chosen = first(pd.DataFrame(rows, columns=columns), 90, set(), None)
    assert chosen.table["id"].tolist() == ["m.one", "d.two", "r.one"]
    then = history.table("x", "2026-01-01", [
        {"kind": "finding", "name": n, "verdict": v}
        for n, v in (("d.two", "driver"), ("d.three", "driver"), ("m.one", "information"),
                     ("r.one", "information"))
    ])  # fmt: skip
    # Changed beyond noise: 4 counts as 8, before the 6 (2 a month) and the 5.
    chosen = first(pd.DataFrame(rows, columns=columns), 90, {"d.three"}, history.History("x", then))
    assert chosen.table["id"].tolist()[:2] == ["d.three", "m.one"]


def test_a_snapshot_is_not_compared(tmp_path: Path) -> None:
    rows = {"tenure": [3, 5, 9, 2], "churned": [1, 0, 0, 0]}
    pd.DataFrame(rows).to_csv(tmp_path / "customers.csv", index=False)
    (tmp_path / "run" / "tables").mkdir(parents=True)
    table = pd.DataFrame({"rank": [1], "touchpoint": ["plan=a"], "step_ratio": [2.0],
                          "step_low": [1.5], "step_high": [3.0], "compared_with": ["plan b"],
                          "verdict": ["driver"]})  # fmt: skip
    table.to_csv(tmp_path / "run" / "tables" / "churn_drivers.csv", index=False)
    result = summary.run(load(tmp_path), run=str(tmp_path / "run"))
    said = [f.statement for f in summary.findings(result)]
    assert said[1].startswith("A snapshot is undated")
    assert said[2].startswith("Begin with customers of plan=a, who leave more often")
    assert summary.lines(result, "unknown")[0].startswith("No verdict is open")


def test_before_anybody_left_there_is_nothing_to_compare(tmp_path: Path) -> None:
    dataset = load(_write(tmp_path / "data"))
    state = _past(tmp_path, dataset)
    customers = pd.read_csv(dataset.path / "customers.csv")
    late = customers["ended_at"].where(customers["ended_at"] > "2025-09-15")
    customers.assign(ended_at=late).to_csv(dataset.path / "customers.csv", index=False)
    result = summary.run(load(dataset.path), window_days=60, state=str(state))
    assert "cannot be compared with: table customers: no voluntary churn" in (
        result["changed"].sentence
    )
