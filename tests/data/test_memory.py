"""Memory: limits, work that spills to disk, and that nothing of it is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import narwhals as nw
import pyarrow.parquet as pq
import pytest

from cxlab.data import engine, sources
from cxlab.data.dataset import load
from cxlab.errors import DataError

CONTACTS = 400_000


@pytest.fixture(scope="module")
def big(tmp_path_factory) -> Path:
    """A dataset of so many contacts that their keys do not fit into little memory."""
    folder = tmp_path_factory.mktemp("big")
    copy = {
        "customers": "SELECT 'c' || i AS customer_id, TIMESTAMP '2025-01-01' AS started_at, "
        "CASE WHEN i % 3 = 0 THEN TIMESTAMP '2025-12-01' END AS ended_at, "
        "CASE WHEN i % 3 = 0 THEN TIMESTAMP '2025-01-20' END AS cancelled_at FROM range(400) t(i)",
        "interactions": "SELECT 'contact number ' || i AS interaction_id, 'c' || i % 400 AS "
        "customer_id, TIMESTAMP '2025-01-01' + to_seconds(i * 60) AS occurred_at, "
        "CASE WHEN i % 2 = 0 THEN 'call' ELSE 'chat' END AS touchpoint, 'ok' AS outcome, "
        f"'j' || i AS journey_id, 'as it was said' AS text FROM range({CONTACTS}) t(i)",
    }
    with duckdb.connect() as connection:
        for name, query in copy.items():
            connection.execute(
                f"COPY ({query}) TO '{folder / name}.parquet' (ROW_GROUP_SIZE 50000)"
            )
    return folder


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """A folder of one's own for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    engine.remove_spill()


def limit_of(connection: duckdb.DuckDBPyConnection) -> float:
    """Give a connection's memory limit in GiB."""
    [(said,)] = connection.execute("SELECT current_setting('memory_limit')").fetchall()
    number, unit = said.split()
    return float(number) * {"GiB": 1, "MiB": 2**-10}[unit]


# -- limits -----------------------------------------------------------------------------------


def test_the_default_is_60_percent_of_what_there_is(cx) -> None:
    every = limit_of(duckdb.connect()) / 0.8  # the engine's own default
    assert limit_of(engine.connect("UTC")) == pytest.approx(0.6 * every, rel=0.02)
    assert limit_of(engine.connect("UTC", " 1.5 GiB ")) == pytest.approx(1.5)
    text = " ".join(cx("drivers", "--help").out.split())
    assert "default: 60% of the machine's" in text


def test_notebooks_of_a_report_share_it(monkeypatch) -> None:
    monkeypatch.setenv(engine.MEMORY_VARIABLE, "700MiB")
    assert limit_of(engine.connect("UTC")) == pytest.approx(700 / 1024, rel=0.01)
    assert limit_of(engine.connect("UTC", "2GiB")) == pytest.approx(2)


def test_another_default_by_the_environment(monkeypatch) -> None:
    monkeypatch.setenv(engine.MEMORY_VARIABLE, "700MiB")
    assert limit_of(engine.connect("UTC")) == pytest.approx(700 / 1024, rel=0.01)
    assert limit_of(engine.connect("UTC", "2GiB")) == pytest.approx(2)


@pytest.mark.parametrize("size", ["much", "0GB", "4", "-1GB", "60%", "4GB; DROP TABLE x"])
def test_what_is_no_size(big, refused, tmp_path, size) -> None:
    line = refused(2, "drivers", big, "--out", tmp_path / "out", "--memory-limit", size)
    assert line.startswith(f"memory limit is {size!r}; allowed: sizes such as 4GB")


@pytest.mark.parametrize("size", ["2MB", "10MB"])
def test_too_little_memory(big, refused, tmp_path, temporary, size) -> None:
    out = tmp_path / "out"
    line = refused(1, "drivers", big, "--out", out, "--quick", "--memory-limit", size)
    assert "it takes more memory than is allowed" in line
    assert not out.exists()
    engine.remove_spill()
    assert list(temporary.iterdir()) == []


def test_a_full_disk(big, refused, tmp_path, temporary, monkeypatch) -> None:
    def connect(*arguments: str | None) -> duckdb.DuckDBPyConnection:
        connection = engine.connect(*arguments)
        connection.execute("SET max_temp_directory_size = '1MB'")
        return connection

    monkeypatch.setattr(sources, "connect", connect)
    out = tmp_path / "out"
    line = refused(1, "drivers", big, "--out", out, "--quick", "--memory-limit", "25MB")
    assert "the disk is full: work that spills needs more room in" in line
    assert str(temporary) in line and not out.exists()
    engine.remove_spill()
    assert list(temporary.iterdir()) == []


# -- what is left -----------------------------------------------------------------------------

SPINS = """
from cxlab import cli
from cxlab.data.engine import connect

@cli.app.command()
def spin() -> None:
    connect("UTC", "60MB").execute(
        "CREATE TEMP TABLE t AS SELECT i FROM range(1000000000) t(i) ORDER BY hash(i)")

cli.main(["spin"])
"""


def spilled(folder: Path) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.suffix == ".tmp"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_ended_while_it_spills(temporary, number) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", SPINS], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    deadline = time.monotonic() + 40
    while not spilled(temporary) and time.monotonic() < deadline:
        assert program.poll() is None
        time.sleep(0.05)
    engine.connect("UTC").close()  # another run meanwhile leaves it alone
    engine.remove_spill()
    assert spilled(temporary)
    program.send_signal(number)
    _, said = program.communicate(timeout=20)  # the query would take minutes
    assert program.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGKILL:
        assert spilled(temporary)
        engine.connect("UTC").close()  # the next to come clears it away
        assert not spilled(temporary)
        engine.remove_spill()
    else:
        assert said == "cxlab: interrupted\n"
    assert list(temporary.iterdir()) == []


def test_folders_of_others_are_left_alone(temporary) -> None:
    (temporary / "cxlab-spill-of-someone").mkdir()  # no lock within: not ours
    (temporary / "cxlab-spill-linked").symlink_to(temporary)
    engine.connect("UTC").close()
    engine.remove_spill()
    left = sorted(p.name for p in temporary.iterdir())
    assert left == ["cxlab-spill-linked", "cxlab-spill-of-someone"]


# -- keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["i", "-i", "hash(i)"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("again", [None, 0, 7, 1999])
def test_a_key_may_repeat_only_where_it_does(monkeypatch, order, parts, again) -> None:
    monkeypatch.setattr(engine, "_AT_ONCE", 2000 if parts == 1 else 900)
    monkeypatch.setattr(engine, "_LOOK", 100)
    connection = engine.connect("UTC")
    connection.execute(
        f"CREATE TABLE keys AS SELECT printf('%04d', i) AS a, 1 AS b FROM range(2000) t(i) "
        f"ORDER BY {order}"
    )
    if again is not None:
        connection.execute(f"INSERT INTO keys SELECT printf('%04d', {again}), 1")
    frame = nw.from_native(connection.table("keys"))
    for key in (["a"], ["a", "b"]):
        assert engine.may_repeat(frame, key, 2000) == (again is not None)


def test_keys_of_few_rows() -> None:
    connection = engine.connect("UTC")
    connection.execute("CREATE TABLE keys (a VARCHAR)")
    assert not engine.may_repeat(nw.from_native(connection.table("keys")), ["a"], 0)
    for value, repeats in (("x", False), ("y", False), ("x", True)):
        connection.execute(f"INSERT INTO keys VALUES ('{value}')")
        assert engine.may_repeat(nw.from_native(connection.table("keys")), ["a"], 3) == repeats


# -- only what is needed is read --------------------------------------------------------------


def spoil(file: Path, columns: set[str], groups: range) -> None:
    """Overwrite what a Parquet file holds of some columns in some of its row groups."""
    data = bytearray(file.read_bytes())
    metadata = pq.ParquetFile(file).metadata
    for i in groups:
        group = metadata.row_group(i)
        for part in (group.column(j) for j in range(group.num_columns)):
            if part.path_in_schema in columns:
                first = part.dictionary_page_offset or part.data_page_offset
                size = part.total_compressed_size
                data[first : first + size] = b"\x0e" * size
    file.write_bytes(data)


@pytest.fixture
def many(monkeypatch) -> None:
    """Take tables of any size for such as have too many rows to be held."""
    monkeypatch.setattr(sources, "_FEW_VALUES", 0)


@pytest.fixture
def copied(big, tmp_path) -> Path:
    for file in big.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_columns_that_are_not_needed_are_not_read(copied, many) -> None:
    spoil(copied / "interactions.parquet", {"journey_id", "text"}, range(8))
    contacts = load(copied).table("interactions")
    counted = contacts.group_by("touchpoint").agg(rows=nw.len()).sort("touchpoint")
    half = CONTACTS // 2
    assert list(counted.collect("pyarrow").iter_rows()) == [("call", half), ("chat", half)]
    with pytest.raises(duckdb.Error):
        contacts.select("text").collect("pyarrow")


def test_rows_that_are_not_seen_are_not_read(copied, many) -> None:
    early = load(copied, "2025-02-01")
    spoil(copied / "interactions.parquet", {"touchpoint", "customer_id"}, range(1, 8))
    seen = early.table("interactions").select("touchpoint", "customer_id").collect("pyarrow")
    assert len(seen) == 32 * 24 * 60
    with pytest.raises(DataError, match="table interactions: cannot be read"):
        load(copied)


def test_the_file_is_asked_for_the_columns_and_rows_alone(big, many) -> None:
    frame = load(big, "2025-03-01").table("interactions").select("customer_id")
    plan = nw.to_native(frame).explain()
    assert re.search(r"occurred_at<'2025-03-02", plan.replace(" ", ""))
    assert "customer_id" in plan
    for other in ("journey_id", "touchpoint", "interaction_id", "trim", "CASE"):
        assert other not in plan


@pytest.mark.parametrize(
    ("limit", "held"), [("", True), ("_FEW_VALUES", False), ("_LITTLE", False)]
)
def test_of_few_rows_and_little_text_the_files_are_read_once(
    copied, limit, held, monkeypatch
) -> None:
    if limit:
        monkeypatch.setattr(sources, limit, 0)
    dataset = load(copied)
    first = dataset.table("interactions").select(nw.len()).collect("pyarrow").item()
    spoil(copied / "interactions.parquet", {"touchpoint"}, range(8))
    again = dataset.table("interactions").group_by("touchpoint").agg(n=nw.len())
    if held:
        assert sum(again.collect("pyarrow")["n"]) == first
    else:
        with pytest.raises(duckdb.Error):
            again.collect("pyarrow")
