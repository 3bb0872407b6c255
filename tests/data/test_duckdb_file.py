"""DuckDB files: read where they are, never written, refused in one clear line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load
from cxlab.errors import DataError

Make = Callable[..., Path]


@pytest.fixture
def shop(tmp_path: Path) -> Make:
    """Make ``shop.duckdb`` by statements, and give the dataset that names it."""

    def make(*statements: str, more: str = "", tables: Any = None) -> Path:
        folder = tmp_path / "shop"
        folder.mkdir()
        with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
            for name, table in (tables or {}).items():
                connection.register("given", table)
                connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
                connection.unregister("given")
            for statement in statements:
                connection.execute(statement)
        (folder / "dataset.yml").write_text(f"source: {{path: ../shop.duckdb{more}}}\n")
        return folder

    return make


def rows(dataset: Dataset, table: str, *columns: str) -> list[tuple]:
    frame = dataset.table(table).select(*columns).sort(*columns).collect(backend="pyarrow")
    return list(frame.iter_rows())


PEOPLE = (
    "CREATE TABLE customers AS SELECT * FROM (VALUES (1, DATE '2025-01-01', DATE '2025-02-01'), "
    "(2, DATE '2025-01-01', NULL)) t(customer_id, started_at, ended_at)"
)


def test_the_same_drivers_as_from_parquet(
    shop: Make, tables: Any, write_dataset: Any, cx: Any, tmp_path: Path
) -> None:
    places = {"a": write_dataset(tables, form="parquet", name="files"), "b": shop(tables=tables)}
    before = (tmp_path / "shop.duckdb").read_bytes()
    for out, place in places.items():
        ran = cx("drivers", place, "--quick", "--out", tmp_path / out)
        assert ran.code == 0, ran.err
    first, second = ((tmp_path / out / "drivers.csv").read_bytes() for out in places)
    assert first == second and first.count(b"\n") > 3
    assert (tmp_path / "shop.duckdb").read_bytes() == before
    assert not (tmp_path / "shop.duckdb.wal").exists()


def test_views_schemas_and_types(shop: Make) -> None:
    folder = shop(
        "CREATE SCHEMA crm",
        "CREATE TYPE crm.tier AS ENUM ('gold', 'tin')",
        "CREATE TABLE crm.people (id UUID, since TIMESTAMPTZ, until TIMESTAMP, tier crm.tier, "
        "size HUGEINT, tags VARCHAR[])",
        "INSERT INTO crm.people VALUES ('00000000-0000-0000-0000-000000000001', "
        "'2025-01-01 23:30:00+00', '2025-03-01', 'gold', 3, ['a'])",
        "CREATE VIEW crm.customers AS SELECT id AS customer_id, since AS started_at, "
        "until AS ended_at, * EXCLUDE (id, since, until) FROM people",
        "CREATE TABLE customers (unrelated INT)",
        more=", schema: crm",
    )
    data = load(folder)
    found = rows(data, "customers", "customer_id", "started_at")
    assert found == [("00000000-0000-0000-0000-000000000001", pd.Timestamp("2025-01-01 23:30"))]
    assert data.attributes == {"tier": "text", "size": "number"}
    assert data.read["customers"].ignored == ("tags",)
    assert data.read["customers"].file == "shop.duckdb"


def test_only_needed_columns_are_read(shop: Make) -> None:
    folder = shop(
        PEOPLE,
        "CREATE VIEW interactions AS SELECT 1 AS customer_id, DATE '2025-01-05' AS occurred_at, "
        "'call' AS touchpoint, error('this was read') AS secret FROM range(5)",
    )
    assert load(folder).read["interactions"].rows == 5


def test_its_hash_is_of_the_rows_a_view_reads_elsewhere(shop: Make, tmp_path: Path) -> None:
    file = tmp_path / "calls.parquet"

    def write(touchpoint: str) -> None:
        duckdb.sql(f"SELECT 1 AS customer_id, DATE '2025-01-05' AS occurred_at, '{touchpoint}' "
                   "AS touchpoint").write_parquet(str(file))  # fmt: skip

    write("call")
    folder = shop(PEOPLE, f"CREATE VIEW interactions AS FROM read_parquet('{file}')")
    first, again = load(folder).sha256(), load(folder).sha256()
    write("chat")
    other = load(folder).sha256()
    assert first == again
    assert other["customers"] == first["customers"]
    assert other["interactions"] != first["interactions"]


def test_another_process_has_it_open_to_write(shop: Make, tmp_path: Path, refused: Any) -> None:
    folder = shop(PEOPLE)
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); "
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "shop.duckdb")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        line = refused(1, "check", folder)
        process.communicate(b"")
    assert line == (
        f"{folder / '../shop.duckdb'}: another process has it open to write (process "
        f"{process.pid}); close it there first"
    )
    assert load(folder).read["customers"].rows == 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda b: b"SQLite format 3\0" + b[16:], "not a DuckDB database file; allowed: one, or a"),
        (lambda b: b"customer_id,started_at\n1,2025-01-01\n", "not a DuckDB database file"),
        (lambda b: b"", "not a DuckDB database file"),
        (lambda b: b[:12] + b"\xff\x7f" + b[14:], "shop.duckdb: "),
        (lambda b: b[:5000], "shop.duckdb: "),
        (lambda b: b[:4096] + b"\0" * (len(b) - 4096), "shop.duckdb: "),
    ],
)
def test_a_file_that_is_none(
    shop: Make, tmp_path: Path, refused: Any, spoil: Callable[[bytes], bytes], told: str
) -> None:
    folder = shop(PEOPLE)
    file = tmp_path / "shop.duckdb"
    file.write_bytes(spoil(file.read_bytes()))
    assert told in refused(1, "check", folder)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shop", "shop.duckdb"]


def test_a_version_this_one_cannot_read(shop: Make, tmp_path: Path, refused: Any) -> None:
    folder = shop(PEOPLE)
    file = tmp_path / "shop.duckdb"
    content = bytearray(file.read_bytes())
    content[12:20] = (9999).to_bytes(8, "little")
    file.write_bytes(content)
    line = refused(1, "check", folder)
    assert "version" in line or "corrupt" in line or "checksum" in line.lower()


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["CREATE TABLE people (a INT)"], "table customers is missing in the schema main"),
        (["CREATE TABLE customers (a INT)"], "shop.duckdb: table customers: missing column"),
        ([PEOPLE, "CREATE VIEW feedback AS SELECT 'csat' AS metric FROM customers",
          "CREATE OR REPLACE VIEW feedback AS SELECT 'csat' AS metric, 1 AS score FROM range(0)"],
         "table feedback is empty"),
    ],
)  # fmt: skip
def test_tables_that_will_not_do(
    shop: Make, refused: Any, statements: list[str], told: str
) -> None:
    assert told in refused(1, "check", shop(*statements))


def test_changes_that_are_still_in_its_log(shop: Make, tmp_path: Path) -> None:
    folder = shop(PEOPLE)
    first = load(folder).sha256()["customers"]
    code = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute(\"INSERT INTO customers VALUES (3, DATE '2025-01-02', NULL)\"); os._exit(0)"
    )
    file = str(tmp_path / "shop.duckdb")
    subprocess.run([sys.executable, "-c", code, file], check=True)
    assert (tmp_path / "shop.duckdb.wal").stat().st_size > 0
    data = load(folder)
    assert data.read["customers"].rows == 3
    assert data.sha256()["customers"] != first


def test_a_path_that_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "dataset.yml").write_text("source: {path: nowhere.duckdb}\n")
    with pytest.raises(DataError, match=r"source\.path: there is no folder .*nowhere\.duckdb; "):
        load(tmp_path)
