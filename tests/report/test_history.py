"""The history: each good run's numbers, read by the next; what is spoilt is named."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pandas as pd
import pytest
from toy import load_toy, write_spec

from cxlab.data import history
from cxlab.errors import DataError
from cxlab.report.history import chosen
from cxlab.report.render import render


def _kept(folder: Path, run_id: str, dataset: str = "toy") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"kind": "about", "name": "dataset", "text": dataset}]
    path = folder / f"{run_id}.parquet"
    path.write_bytes(history.packed(history.table(run_id, run_id[:10], rows)))
    return path


def test_a_good_run_keeps_its_numbers_and_a_failed_one_none(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["drivers"])
    run = render(spec, load=load_toy, as_of="2026-05-31")
    name = f"{run.path.name}.parquet"
    kept = tmp_path / "toy" / "state" / "history" / name
    assert kept.read_bytes() == (run.path / "state" / "after" / "history" / name).read_bytes()
    found = history.read(kept)
    assert (found.run_id, found.as_of) == (run.path.name, dt.date(2026, 5, 31))
    assert found.about("dataset") == "toy"
    assert found.about("settings") == "ef" * 32
    assert found.about("sha256 customers") == "ab" * 32
    told = json.loads((run.path / "findings.json").read_text())["findings"]
    table = found.of("finding").set_index("name")
    assert table.index.tolist() == [f["id"] for f in told]
    for f in told:
        same = table.loc[f["id"], ["value", "low", "high", "n"]].astype(float)
        given = pd.Series([f["estimate"], f["conf_low"], f["conf_high"], f["n"]], dtype=float)
        pd.testing.assert_series_equal(same, given, check_names=False, check_index=False)
    drivers = pd.read_csv(run.path / "drivers.csv")
    ratios = found.of("driver").query("measure == 'hazard_ratio'")
    assert ratios["value"].dropna().tolist() == pytest.approx(
        drivers["hazard_ratio"].dropna().tolist(), rel=1e-5
    )
    assert set(found.of("notebook")["verdict"]) == {"ok"}

    # The next one has a copy of it, and one made again reads what it had read.
    write_spec(tmp_path, notebooks=["counts"])
    second = render(spec, load=load_toy)
    assert f"history/{name}" in second.manifest["state_sha256"]
    third = render(spec, load=load_toy, as_of="2026-06-29")
    again = render(spec, load=load_toy, again=second.path.name)
    assert again.manifest["again"]["same_answers"] is True
    assert again.manifest["state_sha256"] == second.manifest["state_sha256"]
    folder = tmp_path / "toy" / "state" / "history"
    every = {f"{r.path.name}.parquet" for r in (run, second, third)}
    assert {p.name for p in folder.iterdir()} == every

    write_spec(tmp_path, notebooks=["raises"])
    assert render(spec, load=load_toy).status == "failed"
    assert {p.name for p in folder.iterdir()} == every


def test_a_spoilt_file_is_named_before_anything_runs(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=["counts"])
    folder = tmp_path / "toy" / "state" / "history"
    file = _kept(folder, "2026-01-31-20260201T000000Z")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"2026-01-31-20260201T000000Z\.parquet: no history of a"):
        render(spec, load=load_toy)
    # Later days are none of this run's business, nor is what is no run's file.
    later = render(spec, load=load_toy, as_of="2025-12-31")
    assert later.status == "ok"
    file.unlink()
    (folder / "notes.parquet").write_bytes(b"mine")
    assert render(spec, load=load_toy).status == "ok"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: t.drop(columns="unit"), "columns are others"),
        (lambda t: t.assign(value="x"), "column value is of another type"),
        (lambda t: t.head(0), "empty"),
        (lambda t: t.assign(run_id="2026-01-31-20260202T000000Z"), "another run's"),
        (lambda t: t.assign(text=None), "text"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, change, why: str) -> None:  # type: ignore[no-untyped-def]
    path = _kept(tmp_path, "2026-01-31-20260201T000000Z")
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    with pytest.raises(DataError, match=why):
        history.read(path)


def test_which_runs_are_read(tmp_path: Path) -> None:
    runs = ["2026-01-31-20260201T000000Z", "2026-01-31-20260201T000000Z-2",
            "2026-02-28-20260301T000000Z", "undated-20260401T000000Z"]  # fmt: skip
    for run in runs:
        _kept(tmp_path, run)
    other = _kept(tmp_path, "2026-03-15-20260401T000000Z", "another")
    assert [p.stem for p in chosen(tmp_path, "2026-06-30", "toy")] == [runs[2], runs[1]]
    assert [p.stem for p in chosen(tmp_path, "2026-02-01", "toy")] == [runs[1]]
    assert chosen(tmp_path, "2026-06-30", "another") == [other]
    assert chosen(tmp_path, "2026-06-30", "third") == [other]  # so that it can be said
    assert chosen(tmp_path, None, "toy") == []
    assert chosen(tmp_path / "none", "2026-06-30", "toy") == []
    assert [h.run_id for h in history.read_all(tmp_path.parent)] == []


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (_kept(tmp_path / n, "2026-01-31-20260201T000000Z") for n in ("a", "b"))
    assert one.read_bytes() == two.read_bytes()
