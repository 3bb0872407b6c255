"""The guide from one's own tables to the contract: its SQL is run on the tables it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.frames.exposures import contacts
from cxlab.frames.periods import EPOCH, risk_set

GUIDE = Path(__file__).parents[2] / "docs" / "own-data.md"
TEXT = GUIDE.read_text(encoding="utf-8")
_TABLE = r"\n\n((?:\|.*\n)+)"
GIVEN = dict(re.findall(rf"^Table `(\w+)`.*:{_TABLE}", TEXT, re.MULTILINE))
SHOWN = dict(re.findall(rf"^`(\w+)` gives:{_TABLE}", TEXT, re.MULTILINE))
SQL = re.findall(r"^```sql\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def rows_of(table: str) -> list[list[str]]:
    """Read a table as Markdown has it: its names, then its rows."""
    rows = [[c.strip() for c in line.strip("|\n").split("|")] for line in table.splitlines()]
    return [rows[0], *rows[2:]]


def block(kind: str, word: str) -> str:
    """Give the block of a kind that holds a word."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    [text] = [b for b in found if word in b]
    return str(text)


def told(value: Any) -> str:
    """Write a value as the guide does; times in UTC."""
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.tz_convert("UTC").strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")
    return f"{value:g}" if isinstance(value, float) else str(value)


class Made(NamedTuple):
    folder: Path
    results: dict[str, list[list[str]]]


def follow(folder: Path) -> Made:
    """Follow the guide: the exports, every statement, the files written by hand."""
    for name in ("exports", "my-data"):
        (folder / name).mkdir()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in GIVEN.items():
        rows = rows_of(table)
        file = folder / "exports" / f"{name}.csv"
        pd.DataFrame(rows[1:], columns=rows[0]).to_csv(file, index=False)
        connection.execute(f"CREATE TABLE {name} AS FROM read_csv('{file}')")
    for statement in SQL:
        connection.execute(statement.replace("'my-data/", f"'{folder / 'my-data'}/"))
    results = {}
    for name in SHOWN:
        frame = connection.execute(f"FROM {name} ORDER BY ALL").df()
        rows = [[told(v) for v in row] for row in frame.astype(object).to_numpy()]
        results[name] = [list(frame), *rows]
    connection.close()
    (folder / "my-data" / "touchpoints.csv").write_text(block("csv", "stage"), "utf-8")
    (folder / "my-data" / "dataset.yml").write_text(block("yaml", "observed_until"), "utf-8")
    return Made(folder, results)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return follow(tmp_path_factory.mktemp("own"))


@pytest.mark.parametrize("name", SHOWN)
def test_each_statement_gives_what_the_guide_shows(made: Made, name: str) -> None:
    shown = rows_of(SHOWN[name])
    assert made.results[name][0] == shown[0]
    assert sorted(made.results[name][1:]) == sorted(shown[1:])


def test_every_table_of_the_guide_is_used() -> None:
    statements = "\n".join(SQL)
    assert len(GIVEN) == 13 and len(SHOWN) == 6
    assert not [name for name in GIVEN if not re.search(rf"(FROM|JOIN) {name}\b", statements)]
    assert len(re.findall(r"^Table `", TEXT, re.MULTILINE)) == len(GIVEN)
    assert len(re.findall(r" gives:$", TEXT, re.MULTILINE)) == len(SHOWN)


def test_check_says_what_the_guide_shows(made: Made, cx: Callable[..., Any]) -> None:
    ran = cx("check", made.folder / "my-data")
    assert ran.code == 0, ran.err
    assert ran.out.strip() == block("text", "used").strip()
    # What is set aside is what the guide explains.
    asides = [(s.table, s.rule, s.rows) for s in load(made.folder / "my-data").set_aside]
    assert asides == [("feedback", "after the customer's end", 3)]


def test_cxlab_new_guesses_what_the_guide_says(made: Made, cx: Callable[..., Any]) -> None:
    ran = cx("new", made.folder / "first", "--from", made.folder / "exports" / "subscriptions.csv")
    assert ran.code == 0, ran.err
    assert ran.out.replace(f"{made.folder}/", "").strip() == block("text", "Wrote").strip()
    guessed = (made.folder / "first" / "dataset.yml").read_text(encoding="utf-8")
    assert block("yaml", "high: the name is known") in guessed
    # What no guess can know, as the guide says.
    data = load(made.folder / "first")
    assert set(data.attributes) == {"interval", "amount"}
    spells = risk_set(data).spells.set_index("customer_id")
    assert {"cus_06", "cus_07"} <= set(spells.index) and spells.loc["cus_06", "event"]
    files = [made.folder / "exports" / f"{name}.csv" for name in ("subscriptions", "tickets")]
    both = cx("new", made.folder / "both", "--from", *files)
    assert "Not ready yet" in both.out and "unknown customer" in both.out


def test_what_is_known_when(made: Made) -> None:
    """The claims of the guide about time, on the dataset it leads to."""
    data = load(made.folder / "my-data")
    known = contacts(data, keep=("interaction_id",)).frame.collect(backend="pandas").to_native()
    bad = known.dropna(subset="bad_from").set_index("interaction_id")["bad_from"]
    days = {k: EPOCH + pd.Timedelta(days=v) for k, v in bad.items()}
    zone = "Europe/Berlin"
    expected = {
        "502-2": "2026-02-23T08:15Z",  # opened again
        "503-1": "2026-03-12T10:00Z",  # not solved within seven days
        "re_01": "2026-02-12T08:30Z",
        "app-s2": "2026-02-18T14:01:30Z",
    }
    there = {k: pd.Timestamp(v).tz_convert(zone).tz_localize(None) for k, v in expected.items()}
    assert days.keys() == there.keys()
    assert all(abs(days[k] - there[k]) < pd.Timedelta("1s") for k in days)
    spells = risk_set(data).spells.set_index("customer_id")
    left = spells[spells["event"]]
    assert set(left.index) == {"cus_02", "cus_03", "cus_08"}
    assert set(spells[spells["competing"]].index) == {"cus_04"}
    assert len(spells.loc[["cus_03"]]) == 2 and not data.missing(["feedback", "touchpoints"])
    noticed = EPOCH + pd.Timedelta(days=left.loc["cus_02", "event_at"])
    assert abs(noticed - pd.Timestamp("2026-03-02T18:40")) < pd.Timedelta("1s")  # in Berlin
    [(seconds, day)] = re.findall(r"such as `(\d+)` for (\S+):", TEXT)
    [(read,)] = duckdb.sql(f"SELECT epoch(to_timestamp({seconds}))").fetchall()
    assert pd.Timestamp(read, unit="s", tz="UTC") == pd.Timestamp(day)
