from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from toy import ToyDataset, load_toy, write_spec

from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.render import render
from cxlab.report.spec import make_plan, read_spec


def plan(spec: Path, **given: Any) -> Any:
    asked = {"as_of": None, "only": (), "parameters": (), "quick": False, "out": None}
    return make_plan(spec, **({"load": load_toy} | asked | given))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: a\ndataset: [", "line 2"),
        ("title: a\ndataset: d\nnotebook: [x]", "unknown key notebook; allowed: title, dataset"),
        ("title: a\ndataset: d\ngate: {}", "unknown key gate; allowed: title"),
        ("title: a\ndataset: d\ngate: {}", "notify; perhaps gates is meant"),
        ("title: a\ndataset: d\ngates: {min_churner: 3}", "; perhaps min_churners is meant"),
        ("title: a\ndataset: d\ngates: {min: 3}", "unknown key gates.min; allowed: min_customers"),
        ("title: a\ndataset: d\ngates: {min_churners: 0}", "allowed: at least 1"),
        ("title: a\ndataset: d\ngates: {max_age_days: {calls: 3}}", "allowed: customers, inter"),
        ("title: a", "dataset is missing"),
        ("title: a\ndataset: d\nas_of: soon", "as_of is 'soon'; allowed: a date such as"),
        ("title: a\ndataset: d\npublish: {keep: 1}", "unknown key publish.keep; allowed: keep_r"),
        (
            "title: a\ndataset: d\npublish: {include_customers: maybe}",
            "publish.include_customers is 'maybe'; allowed: true or false",
        ),
        ("title: a\ndataset: d\nas_of: 86400", "as_of is 86400; allowed: a date such as"),
        ("title: a\ndataset: d\nas_of: 1066-10-14", "2026-06-30, from 1900 to 2200"),
        (
            "title: a\ndataset: d\nas_of: 2026-13-01",
            "toy.yml, line 3: broken YAML ('2026-13-01' is",
        ),
        ("title: a\ndataset: d\nnotebooks: []", "notebooks is []; allowed: at least 1 of them"),
        ("title: 5\ndataset: d", "title is 5; allowed: text"),
        (
            "title: a\ndataset: d\npublish: {formats: [pdf]}",
            "publish.formats is ['pdf']; allowed: [html], [html, pdf]",
        ),
        (
            "title: a\ndataset: d\npublish: {keep_runs: 0}",
            "publish.keep_runs is 0; allowed: at least 1",
        ),
        ("", "title is missing"),
    ],
)
def test_a_spec_that_cannot_be(tmp_path: Path, text: str, told: str) -> None:
    spec = tmp_path / "toy.yml"
    spec.write_text(text)
    with pytest.raises(DataError, match=r"toy\.yml") as error:
        read_spec(spec)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_spec_is_a_wrong_call(tmp_path: Path) -> None:
    for name in ("none.yml", "x" * 300):
        with pytest.raises(UsageError, match="no such file"):
            read_spec(tmp_path / name)
    with pytest.raises(UsageError, match="is a folder; allowed: a report's YAML file"):
        read_spec(tmp_path)


def test_the_defaults_of_the_design_may_be_said(tmp_path: Path) -> None:
    said = {"include_customers": False, "include_quotes": False}
    assert read_spec(write_spec(tmp_path, publish=said)) == read_spec(write_spec(tmp_path))


@pytest.mark.parametrize("dataset", ["nowhere", "toy.yml", "x" * 300])
def test_a_missing_dataset_is_the_specs_fault(tmp_path: Path, dataset: str) -> None:
    spec = write_spec(tmp_path, dataset=dataset)
    with pytest.raises(DataError) as error:
        render(spec)
    assert str(error.value) == f"{spec}: dataset: no folder {tmp_path / dataset}"
    assert [p.name for p in tmp_path.iterdir()] == ["toy.yml"]


def test_a_day_past_the_feed_is_the_fault_of_who_asked(tables: Any, write_dataset: Any) -> None:
    shop = write_dataset(tables, "observed_until: 2025-12-31\n")
    spec = shop.parent / "toy.yml"
    spec.write_text("title: a\ndataset: shop\nas_of: 2026-01-01\n")
    told = "as_of is 2026-01-01; allowed: up to 2025-12-31, the day of observed_until"
    with pytest.raises(DataError) as error:
        render(spec)
    assert str(error.value) == f"{spec}: {told}"
    with pytest.raises(UsageError) as wrong_call:
        render(spec, as_of="2026-01-01")
    assert str(wrong_call.value) == told


def test_parameters_reach_the_notebooks_that_have_them(tmp_path: Path) -> None:
    own = {"horizon_days": 60, "drivers": {"strict": False, "horizon_days": 30}}
    made = plan(write_spec(tmp_path, parameters=own))
    assert made.given == {"drivers": {"horizon_days": 30, "strict": False}, "summary": {}}
    assert made.settings("drivers")["since"] == "2026-01-01"


def test_contacts_of_a_snapshot_are_not_set_in_time(tmp_path: Path) -> None:
    snapshot = ToyDataset(form="snapshot")
    made = plan(write_spec(tmp_path), load=lambda path, as_of: snapshot)
    assert list(made.skipped) == ["drivers"]
    assert made.skipped["drivers"].startswith("a snapshot does not say when customers left")


def test_the_command_wins_over_the_spec(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, parameters={"horizon_days": 60}, as_of="2026-01-31")
    made = plan(spec, parameters=["drivers.horizon_days=7"], as_of="2026-02-28")
    assert made.given["drivers"] == {"horizon_days": 7}
    assert made.dataset.as_of.isoformat() == made.as_of == "2026-02-28"
    assert plan(spec).as_of == "2026-01-31"


@pytest.mark.parametrize(
    ("word", "end", "meant"),
    [
        ("last-complete-month", "2026-06-30", "2026-06-30"),
        ("last-complete-month", "2026-06-29", "2026-05-31"),
        ("last-complete-month", "2026-01-01", "2025-12-31"),
        ("last-complete-week", "2026-06-28", "2026-06-28"),  # a Sunday
        ("last-complete-week", "2026-06-30", "2026-06-28"),
    ],
)
def test_the_last_that_the_data_hold_whole(tmp_path: Path, word: str, end: str, meant: str) -> None:
    def load(path: Path, as_of: dt.date | None = None) -> ToyDataset:
        return ToyDataset(as_of=as_of or dt.date.fromisoformat(end))

    by_spec = plan(write_spec(tmp_path, as_of=word), load=load)
    asked = plan(write_spec(tmp_path), load=load, as_of=word)
    for made in (by_spec, asked):
        assert made.as_of == made.dataset.as_of.isoformat() == meant


def test_today_is_the_clocks(tmp_path: Path) -> None:
    before = dt.date.today()
    made = plan(write_spec(tmp_path, as_of="today"))
    assert before.isoformat() <= made.as_of <= dt.date.today().isoformat()


def test_only_takes_those_it_needs_along(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, notebooks=None)
    assert plan(spec, only=["conflict"]).order == ["drivers", "conflict"]
    assert plan(spec, only=["summary"]).order == ["summary"]


@pytest.mark.parametrize(
    ("spec", "asked", "kind", "told"),
    [
        ({}, {"parameters": ["horizon=3"]}, UsageError, "no notebook has the parameter 'horizon'"),
        ({}, {"parameters": ["horizon_days=999"]}, UsageError, "int from 1 to 365 days"),
        ({}, {"parameters": ["horizon_days"]}, UsageError, "name=value"),
        ({}, {"parameters": ["strict=1", "strict=0"]}, UsageError, "given twice"),
        ({}, {"parameters": ["raises.strict=1"]}, UsageError, "raises is not in this report"),
        ({}, {"only": ["driver"]}, UsageError, "allowed: summary, drivers"),
        ({}, {"as_of": "soon"}, UsageError, "as_of is 'soon'; allowed: a date such as"),
        ({}, {"as_of": ""}, UsageError, "as_of is ''; allowed: a date such as"),
        ({}, {"jobs": 0}, UsageError, "at least 1"),
        ({"notebooks": ["driver"]}, {}, DataError, "allowed: summary, drivers"),
        ({"parameters": {"horizon": 3}}, {}, DataError, "toy.yml: parameters: no notebook has"),
        ({"parameters": {"strict": "perhaps"}}, {}, DataError, "true or false"),
        ({"parameters": {"drivers": 3}}, {}, DataError, "a mapping of parameters"),
    ],
)
def test_refused_before_anything_runs(
    tmp_path: Path, spec: dict[str, Any], asked: dict[str, Any], kind: type[CxlabError], told: str
) -> None:
    path = write_spec(tmp_path, **spec)
    with pytest.raises(kind) as error:
        render(path, load=load_toy, **asked)
    assert told in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["toy.yml"]
