"""``dataset.yml``: what it may say, and one clear line where it says anything else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from cxlab.data.contract import SNAPSHOT, TABLES, Inactivity, read_settings
from cxlab.errors import DataError

CUSTOMERS = "customer_id,started_at,ended_at\n1,2025-01-01,2025-02-01\n2,2025-01-01,\n"


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str | bytes], object]:
    def read(text: str | bytes) -> object:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "dataset.yml").write_bytes(content)
        return read_settings(tmp_path)

    return read


def test_the_tables_and_their_required_columns() -> None:
    required = {name: table.required for name, table in TABLES.items()}
    assert required == {
        "customers": ("customer_id", "started_at"),
        "interactions": ("customer_id", "occurred_at", "touchpoint"),
        "feedback": ("metric",),
        "touchpoints": ("touchpoint",),
        "interventions": ("intervention", "touchpoint", "started_at"),
    }
    assert SNAPSHOT.required == ("tenure", "churned")
    assert TABLES["customers"].key == ("customer_id", "started_at")


def test_without_a_file_or_with_an_empty_one_the_defaults_hold(tmp_path, settings) -> None:
    nothing = read_settings(tmp_path)
    assert (nothing.time_zone, nothing.churn, nothing.observed_until) == ("UTC", "contract", None)
    assert settings("") == settings("# nothing yet\n") == nothing
    scales = {n: m.scale for n, m in nothing.all_metrics.items()}
    assert scales == {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}


def test_all_that_may_be_said(settings, monkeypatch) -> None:
    monkeypatch.setenv("CX_LAKE", "/lake")
    found = settings(
        """
        name: shop
        columns: {customers: {customer_id: kunde, tenure: months}}
        stages: [use, support]
        metrics: {effort: {scale: [1, 9], direction: lower_is_better, layer: emotional}}
        currency: EUR
        acquisition_cost: 120
        time_zone: Europe/Berlin
        tenure_unit: months
        observed_from: 2025-01-01
        observed_until: 2026-06-30
        churn: {inactivity: {days: 90}}
        bad: {wait_over_seconds: 60, unresolved_after_days: 2.5}
        source: {path: "${CX_LAKE}/shop"}
        """
    )
    assert isinstance(found.churn, Inactivity) and found.churn.inactivity.days == 90
    assert found.source.path == "/lake/shop"
    assert found.acquisition_cost == 120
    assert found.observed_from == dt.date(2025, 1, 1)
    assert found.all_metrics["effort"].direction == "lower_is_better"
    assert (found.bad.wait_over_seconds, found.bad.unresolved_after_days) == (60, 2.5)


@pytest.mark.parametrize(
    ("until", "end"),
    [
        ("2026-06-30", dt.datetime(2026, 7, 1)),
        ("'2026-06-30'", dt.datetime(2026, 7, 1)),
        ("2026-06-30 14:00:00", dt.datetime(2026, 6, 30, 14, 0, 0, 1)),
        ("'2026-06-30T14:00:00'", dt.datetime(2026, 6, 30, 14, 0, 0, 1)),
        # Two in the afternoon in London is three in Berlin.
        ("2026-06-30T13:00:00+01:00", dt.datetime(2026, 6, 30, 14, 0, 0, 1)),
    ],
)
def test_a_date_means_the_whole_day_and_a_time_is_of_the_zone(settings, until, end) -> None:
    found = settings(f"time_zone: Europe/Berlin\nobserved_until: {until}\n")
    assert found.observed_end == end


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b\n", ["must hold keys and values", "list"]),
        ("just words", ["must hold keys and values"]),
        (b"\xff\xfe\x00\x01", ["not UTF-8"]),
        ("name: \x00", ["broken YAML"]),
        ("a: [1\n", ["line 2", "broken YAML"]),
        ("a:\n\t- b\n", ["line 2", "broken YAML"]),
        ("a: " + "[" * 4000, ["broken YAML", "nested"]),
        ("a: !!python/object:os.system x\n", ["line 1", "broken YAML"]),
        ("a: 1\n---\nb: 2\n", ["broken YAML"]),
        ("currency: EUR\nname: x\ncurrency: USD\n", ["line 3", "'currency'", "twice"]),
        ("foo: 1\n", ["unknown key foo", "allowed: name, columns, stages"]),
        ("bad: {foo: 1}\n", ["unknown key bad.foo", "allowed: wait_over_seconds"]),
        ("metrics: {x: {scale: [1, 5], foo: 1}}\n", ["metrics.x.foo", "allowed: scale, dir"]),
        ("1: x\n", ["1", "allowed: text as keys"]),
        ("acquisition_cost: 0\n", ["acquisition_cost", "more than 0"]),
        ("acquisition_cost: .inf\n", ["acquisition_cost", "a finite number"]),
        ("acquisition_cost: much\n", ["acquisition_cost is 'much'; allowed: a number"]),
        ("name: 5\n", ["name is 5; allowed: text"]),
        ("stages: use\n", ["stages is 'use'; allowed: a list"]),
        ("columns: [a]\n", ["columns is ['a']; allowed: names with values"]),
        ("columns: {customers: }\n", ["columns.customers"]),
        ("columns: {orders: {a: b}}\n", ["'orders'", "allowed: customers, interactions"]),
        ("columns: {customers: {age: b}}\n", ["'age'", "allowed: customer_id, started_at"]),
        ("time_zone: Mars/Base\n", ["'Mars/Base'", "allowed", "Europe/Berlin"]),
        ("time_zone: ../etc/passwd\n", ["time_zone", "allowed"]),
        ("tenure_unit: hours\n", ["tenure_unit is 'hours'; allowed: days, weeks, months, years"]),
        ("observed_until: soon\n", ["observed_until", "'soon' is no date", "2026-06-30"]),
        ("observed_until: 20260630\n", ["observed_until", "'20260630' is no date"]),
        ("observed_until: 2026-02-30\n", ["line 1", "'2026-02-30' is no date"]),
        ("observed_until: '2026-02-30'\n", ["'2026-02-30' is no date"]),
        ("observed_until: 9999-12-31\n", ["'9999-12-31'", "1900 to 2200"]),
        ("observed_from: [1]\n", ["observed_from", "'[1]' is no date"]),
        (
            "observed_from: 2026-01-01\nobserved_until: 2025-12-31\n",
            ["observed_from is 2026-01-01", "observed_until, 2025-12-31"],
        ),
        ("metrics: {x: {scale: [5, 1]}}\n", ["metrics.x.scale", "[lowest, highest]"]),
        (
            "metrics: {x: {scale: [1, 5], direction: up}}\n",
            ["is 'up'; allowed: higher_is_better, lower_is_better"],
        ),
        (
            "metrics: {x: {scale: [1, 5], layer: deep}}\n",
            ["is 'deep'; allowed: functional, emotional, sensory"],
        ),
        ("churn: never\n", ["churn", "'never'", "allowed: contract, inactivity"]),
        ("churn: {inactivity: {days: 0}}\n", ["churn.inactivity.days is 0; allowed: more than 0"]),
        (
            "churn: {inactivity: {days: 999999999}}\n",
            ["churn.inactivity.days", "allowed: at most 3650"],
        ),
        ("churn: {silence: {days: 9}}\n", ["churn", "inactivity"]),
        ("bad: {wait_over_seconds: -1}\n", ["bad.wait_over_seconds is -1; allowed: more than 0"]),
        ("source: {path: '${CXLAB_NOT_SET}'}\n", ["CXLAB_NOT_SET is not set"]),
        ("source: {path: a, url: b}\n", ["source: allowed: either path or url"]),
        ("source: {schema: crm}\n", ["source: allowed: either path or url"]),
        ("source: {path: a, snapshot: latest}\n", ["source: snapshot is of a url"]),
        ("source: {url: [1]}\n", ["source.url is [1]; allowed: text"]),
        ("source: {adress: x}\n", ["source.adress; allowed: path, url, schema, snapshot"]),
        ("source: somewhere\n", ["source is 'somewhere'; allowed: keys and values"]),
        ("name: " + "x" * 100_000 + "\nfoo: 1\n", ["unknown key foo"]),
        ("churn: " + "x" * 100_000, ["churn"]),
    ],
)
def test_anything_else_is_refused_in_one_line(settings, tmp_path, text, told) -> None:
    with pytest.raises(DataError) as error:
        settings(text)
    line = str(error.value)
    assert "\n" not in line and line.startswith(str(tmp_path / "dataset.yml"))
    for words in told:
        assert words in line
    for ours in (
        "Value error",
        "literal[",
        "instance of",
        "Source(",
        "datetime.",
        "Input should",
        "Field required",
    ):
        assert ours not in line


LONG = "x" * 10_000


@pytest.mark.parametrize(
    "text",
    [
        f"time_zone: {LONG}",
        f"observed_until: {LONG}",
        f"churn: {LONG}",
        f"tenure_unit: {LONG}",
        f"{LONG}: 1",
        f"columns: {{{LONG[:900]}: {{a: b}}}}",
        f"columns: {{customers: {{{LONG[:900]}: b}}}}",
    ],
)
def test_a_long_value_is_cut(settings, text) -> None:
    with pytest.raises(DataError) as error:
        settings(text)
    assert len(str(error.value)) < 600
    assert "allowed" in str(error.value) or "should be" in str(error.value)


def test_a_folder_in_place_of_the_file_is_refused(tmp_path) -> None:
    (tmp_path / "dataset.yml").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        read_settings(tmp_path)


def test_a_file_of_another_ending_is_not_passed_over(tmp_path) -> None:
    (tmp_path / "dataset.yaml").write_text("currency: EUR\n")
    with pytest.raises(DataError, match=r"dataset\.yaml: allowed: the name dataset\.yml"):
        read_settings(tmp_path)


@pytest.mark.parametrize("zone", ["localtime", "posix/Europe/Berlin"])
def test_a_zone_the_engine_does_not_know_is_refused(write_files, refused, zone) -> None:
    shop = write_files({"customers.csv": CUSTOMERS, "dataset.yml": f"time_zone: {zone}\n"})
    line = refused(1, "check", shop)
    assert "time_zone" in line and repr(zone) in line and "Europe/Berlin" in line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("foo: 1\n", "unknown key foo"),
        ("a: [1\n", "broken YAML"),
        ("observed_until: soon\n", "no date"),
        ("columns: {customers: {started_at: begin}}\n", "'begin', which is not there"),
        ("source: {path: nowhere}\n", "source.path: there is no folder"),
    ],
)
def test_the_command_line_says_it_and_exits_1(write_files, refused, text, told) -> None:
    line = refused(1, "check", write_files({"customers.csv": CUSTOMERS, "dataset.yml": text}))
    assert told in line and ("dataset.yml" in line)
