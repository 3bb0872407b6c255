"""A real PostgreSQL: what is read, that it is of one moment, and what is never told."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent

import nbformat
import pandas as pd
import pyarrow as pa
import pytest

from cxlab.data.contract import read_settings
from cxlab.data.dataset import Dataset, load
from cxlab.data.snapshots import newest
from cxlab.errors import CxlabError, DataError, UsageError

PASSWORD = "p@ss:w/rd%20x"
ENCODED = percent(PASSWORD, safe="")
# Whatever of it shows would be too much.
PIECES = ("p@ss", "w/rd", "rd%20x", ENCODED, "p%40ss", "s:w")
OWNER = "a-plain-one"


def _binaries() -> Path | None:
    """Find the newest PostgreSQL; Debian keeps it off the PATH."""
    below = Path("/usr/lib/postgresql").glob("*/bin")
    places = sorted(below, key=lambda p: float(p.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    places += [Path(on_path).resolve().parent] if on_path else []
    return next((p for p in places if (p / "initdb").exists() and (p / "postgres").exists()), None)


class Server:
    """A cluster of its own in a temporary folder, on a free port of this machine."""

    def __init__(self, binaries: Path, small: Callable[[], dict[str, pd.DataFrame]]) -> None:
        self.binaries = binaries
        self.small = small
        self.folder = Path(tempfile.mkdtemp(prefix="cxlab-postgres-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        word = self.folder / "word"
        word.write_text(OWNER)
        self.who: dict[str, Any] = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            nobody = pwd.getpwnam("nobody")
            self.who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.data, nobody.pw_uid, nobody.pw_gid)
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._call(
            *("initdb", "-D", self.data, "-U", "owner", "--pwfile", word, "-A", "scram-sha-256"),
            *("-E", "UTF8", "--no-locale", "--no-sync"),
        )

    def _call(self, name: str, *arguments: object) -> None:
        command = [self.binaries / name, *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, **self.who
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        for _ in range(3):  # another may take the port that was free
            if not self.port:
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    self.port = free.getsockname()[1]
            settings = {
                "listen_addresses": "127.0.0.1",
                "unix_socket_directories": self.data,
                "fsync": "off",
                "shared_buffers": "16MB",
                "max_connections": "20",
            }
            options = [x for k, v in settings.items() for x in ("-c", f"{k}={v}")]
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [self.binaries / "postgres", "-D", self.data, "-p", str(self.port), *options],
                    **{"cwd": "/", "stdout": log, "stderr": log, "start_new_session": True},
                    **self.who,
                )
            if self._answers():
                return
            self.port = 0
        pytest.fail(f"PostgreSQL does not start: {(self.folder / 'log').read_text()[-2000:]}")

    def _answers(self) -> bool:
        assert self.process is not None
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.ask("SELECT 1")
            except Exception:
                time.sleep(0.05)
            else:
                return True
        return False

    def stop(self) -> None:
        """Stop it at once, as by ``pg_ctl stop -m immediate``."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)

    def url(self, user: str = "owner", word: str = OWNER, database: str = "postgres") -> str:
        return f"postgresql://{user}:{word}@127.0.0.1:{self.port}/{database}"

    def _connected(self, database: str = "postgres") -> Any:
        from adbc_driver_postgresql import dbapi

        return closing(dbapi.connect(self.url(database=database), autocommit=True))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self._connected() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def do(self, *statements: str) -> None:
        with self._connected() as connection:
            for statement in statements:
                with closing(connection.cursor()) as cursor:
                    cursor.execute(statement)

    def schema(self, name: str, tables: dict[str, pd.DataFrame]) -> str:
        """Make a schema anew, with tables."""
        self.do(f"DROP SCHEMA IF EXISTS {name} CASCADE", f"CREATE SCHEMA {name}")
        with self._connected() as connection:
            for table, rows in tables.items():
                arrow = pa.Table.from_pandas(rows, preserve_index=False)
                with closing(connection.cursor()) as cursor:
                    cursor.adbc_ingest(table, arrow, mode="create", db_schema_name=name)
        return name


@pytest.fixture(scope="session")
def server(make_tables: Any) -> Iterator[Server]:
    """Give a server; without one the test is skipped, or fails where CXLAB_REQUIRE_ALL=1."""
    binaries = _binaries()
    missing = "" if binaries else "there is no initdb"
    try:
        import adbc_driver_postgresql  # noqa: F401
    except ImportError:
        missing = "adbc-driver-postgresql is not installed"
    if missing and os.environ.get("CXLAB_REQUIRE_ALL") == "1":
        pytest.fail(f"needs PostgreSQL: {missing}")
    if missing or binaries is None:
        pytest.skip(f"needs PostgreSQL: {missing}")
    server = Server(binaries, make_tables)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder)


@pytest.fixture(scope="session")
def crm(server: Server) -> str:
    """A schema with all five tables, and a user who may read them; tests only read it."""
    server.do(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'", "CREATE SCHEMA IF NOT EXISTS crm")
    name = server.schema("crm", server.small())
    server.do(
        "GRANT USAGE ON SCHEMA crm TO reader",
        "GRANT SELECT ON ALL TABLES IN SCHEMA crm TO reader",
    )
    return name


@pytest.fixture
def shop(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Give a dataset whose source is a schema of the server, read by a user."""

    def make(schema: str, user: str = "owner", word: str = OWNER, more: str = "") -> Path:
        folder = tmp_path / "shop"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("CX_TEST_URL", server.url(user, word))
        source = f'{{url: "${{CX_TEST_URL}}", schema: {schema}}}'
        (folder / "dataset.yml").write_text(f"source: {source}\n{more}")
        return folder

    return make


def rows(dataset: Dataset, table: str, *columns: str) -> list[tuple]:
    frame = dataset.table(table).select(*columns).sort(*columns).collect(backend="pyarrow")
    return list(frame.iter_rows())


def snapshots(folder: Path) -> list[str]:
    return sorted(p.name for p in (folder / ".cache" / "snapshots").glob("*"))


def manifest(folder: Path, name: str | None = None) -> dict[str, Any]:
    place = folder / ".cache" / "snapshots" / (name or newest(folder, None))
    return json.loads((place / "manifest.json").read_text())


def refuse_secret(text: str) -> None:
    assert [p for p in PIECES if p in text] == []


# -- what is read -----------------------------------------------------------------------------


def test_the_same_drivers_as_from_parquet_byte_for_byte(
    server: Server, crm: str, shop: Any, cx: Any, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for name, table in server.small().items():
        table.to_parquet(files / f"{name}.parquet")
    folder = shop(crm, "reader", ENCODED)
    for place, out in ((files, "a"), (folder, "b")):
        ran = cx("drivers", place, "--quick", "--out", tmp_path / out)
        assert ran.code == 0, ran.err
    first, second = ((tmp_path / out / "drivers.csv").read_bytes() for out in "ab")
    assert first == second and first.count(b"\n") > 3
    assert len(snapshots(folder)) == 1
    # Nothing of it, wherever it is kept, has the password.
    for file in tmp_path.rglob("*"):
        if file.is_file():
            refuse_secret(file.read_bytes().decode("latin-1"))
    told = manifest(folder)
    assert re.fullmatch("[0-9a-f]{64}", told["place"])
    assert told["tables"]["interactions"]["rows"] == 720
    assert list(told["tables"]) == list(server.small())


def test_types_become_what_they_are_in_a_file(server: Server, shop: Any) -> None:
    server.schema("typed", {})
    server.do(
        "CREATE TYPE typed.tier AS ENUM ('gold', 'tin')",
        "CREATE DOMAIN typed.money_of AS numeric(10, 2)",
        'CREATE TABLE typed.customers ("Id" numeric, begin timestamptz, ended_at date, '
        "monthly_value typed.money_of, tier typed.tier, code uuid, vip bool, size smallint, "
        "pay money, initials char(4), tags text[], born date, note jsonb, photo bytea, tenure int)",
        "INSERT INTO typed.customers VALUES "
        "(12345678901234567890, '2025-01-01 23:30:00+00', '2025-03-01', 9.99, 'gold', "
        "'00000000-0000-0000-0000-000000000001', true, 3, '1.50', 'ab', '{a,b}', '1980-01-01', "
        "'{}', 'x', 4), "
        "(2, '2025-01-02 00:00:00+02', NULL, 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, NULL, NULL)",
        "CREATE VIEW typed.interactions AS SELECT 1.50::numeric AS interaction_id, "
        "2::numeric(30,4) AS customer_id, timestamp '2025-02-01' AS occurred_at, "
        "'{\"a\": 1}'::jsonb AS touchpoint, 12.5::numeric AS response_seconds, 'x' AS private",
    )
    names = "columns: {customers: {customer_id: Id, started_at: begin}}\ntime_zone: Europe/Berlin\n"
    data = load(shop("typed", more=names))
    assert rows(data, "customers", "customer_id", "started_at", "ended_at", "monthly_value") == [
        (
            "12345678901234567890",
            pd.Timestamp("2025-01-02 00:30"),
            pd.Timestamp("2025-03-01"),
            pytest.approx(9.99),
        ),
        ("2", pd.Timestamp("2025-01-01 23:00"), None, None),
    ]
    assert data.attributes == {
        **{"tier": "text", "code": "text", "vip": "text", "size": "number", "pay": "number"},
        "initials": "text",
    }
    assert set(data.read["customers"].ignored) == {"tags", "born", "note", "photo", "tenure"}
    assert data.read["interactions"].ignored == ("private",)
    assert rows(data, "interactions", "interaction_id", "customer_id", "touchpoint") == [
        ("1.50", "2", '{"a": 1}')
    ]


def test_only_needed_columns_are_fetched(server: Server, shop: Any, crm: str) -> None:
    """A column of which every value is an error can only be left alone."""
    server.schema("needed", {})
    server.do(
        "CREATE VIEW needed.customers AS SELECT * FROM crm.customers",
        "CREATE VIEW needed.interactions AS "
        "SELECT i.*, 1 / (length(touchpoint) - length(touchpoint)) AS secret "
        "FROM crm.interactions i",
    )
    data = load(shop("needed"))
    assert data.read["interactions"].rows == 720
    assert data.read["interactions"].ignored == ("secret",)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("timestamptz", "infinity"),
        ("timestamp", "-infinity"),
        ("date", "infinity"),
        ("date", "4000-01-01 BC"),
        ("timestamptz", "294276-12-31"),
    ],
)
def test_a_time_no_file_can_hold(
    server: Server, shop: Any, refused: Any, kind: str, value: str
) -> None:
    server.schema("endless", {})
    server.do(
        f"CREATE TABLE endless.customers (customer_id int, started_at {kind}, ended_at {kind})",
        "INSERT INTO endless.customers VALUES (1, '2025-01-01', '2025-02-01'), "
        f"(2, '2025-01-01', '{value}')",
    )
    folder = shop("endless")
    line = refused(1, "check", folder)
    assert "table customers, column ended_at: row 2 is infinity, or a year before 1" in line
    assert snapshots(folder) == []


def test_a_day_is_in_the_datasets_zone(server: Server, shop: Any) -> None:
    server.schema("zoned", {})
    server.do(
        "CREATE TABLE zoned.customers (customer_id int, started_at date, ended_at timestamp)",
        "INSERT INTO zoned.customers VALUES (1, '2025-01-01', '2025-02-01 12:00')",
    )
    data = load(shop("zoned", more="time_zone: America/New_York\n"))
    assert rows(data, "customers", "started_at", "ended_at") == [
        (pd.Timestamp("2025-01-01"), pd.Timestamp("2025-02-01 12:00"))
    ]


@pytest.mark.parametrize(("encoding", "word"), [("LATIN1", "Zürich"), ("SQL_ASCII", None)])
def test_a_database_in_another_encoding(
    server: Server, tmp_path: Path, refused: Any, encoding: str, word: str | None
) -> None:
    """The server turns its text into UTF-8; one that knows no encoding is held to it."""
    name = f"in_{encoding.lower()}"
    server.do(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0")
    with server._connected(name) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("CREATE TABLE customers (customer_id int, started_at date, ended_at date, "
                       "city text)")  # fmt: skip
        city = "convert_from('\\x5afc72696368', 'LATIN1')" if word else "E'Z\\374rich'"
        cursor.execute(f"INSERT INTO customers VALUES (1, '2025-01-01', '2025-02-01', {city})")
    (tmp_path / "dataset.yml").write_text(f"source: {{url: '{server.url(database=name)}'}}\n")
    if word:
        assert rows(load(tmp_path), "customers", "city") == [(word,)]
    else:
        line = refused(1, "check", tmp_path)
        assert "table customers: " in line and "UTF" in line


def test_the_search_path_finds_the_tables(server: Server, crm: str, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    url = f"{server.url('reader', ENCODED)}?options=-csearch_path%3Dcrm"
    (folder / "dataset.yml").write_text(f"source: {{url: '{url}'}}\n")
    assert load(folder).read["customers"].rows == 60


# -- one moment -------------------------------------------------------------------------------


def slow(server: Server, name: str, seconds: float = 0.1) -> str:
    """Make a schema whose customers take their time, 60 times some seconds."""
    server.schema(name, {"interactions": server.small()["interactions"]})
    server.do(
        f"CREATE VIEW {name}.customers AS SELECT c.*, pg_sleep({seconds})::text AS z "
        "FROM crm.customers c"
    )
    return name


def in_background(work: Callable[[], object]) -> tuple[threading.Thread, list[BaseException]]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, errors


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def sleeping(server: Server) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    return bool(server.ask(query)[0][0])


def test_all_tables_are_of_one_moment(server: Server, crm: str, shop: Any) -> None:
    """What is written, or dropped, while the first table is read is not seen in the second."""
    folder = shop(slow(server, "moment", 0.03))
    thread, errors = in_background(lambda: load(folder))
    wait_for(lambda: sleeping(server))
    server.do("DELETE FROM moment.interactions WHERE outcome = 'failed'")
    with pytest.raises(Exception, match="lock timeout"):
        server.do("SET lock_timeout = '100ms'", "DROP TABLE moment.interactions CASCADE")
    thread.join()
    assert errors == []
    assert manifest(folder)["tables"]["interactions"]["rows"] == 720
    assert load(folder).read["interactions"].rows < 720


def cut(server: Server, folder: Path) -> None:
    """Have an extraction end in its last table."""
    server.do(
        "CREATE OR REPLACE FUNCTION stop() RETURNS int VOLATILE LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE 'cut here'; END $$",
        "DROP VIEW IF EXISTS resumed.feedback",
        "CREATE VIEW resumed.feedback AS SELECT f.metric, stop() AS score FROM crm.feedback f",
    )
    with pytest.raises(DataError, match=r"table feedback: the database cannot be read \(cut here"):
        load(folder)
    server.do(
        "DROP VIEW resumed.feedback",
        "CREATE VIEW resumed.feedback AS SELECT * FROM crm.feedback",
    )
    [left] = snapshots(folder)
    assert left.startswith(".taking-")
    files = {p.name for p in (folder / ".cache" / "snapshots" / left).iterdir()}
    whole = {"customers.parquet", "interactions.parquet"}
    assert files == {".gitignore", "manifest.json", *whole}


@pytest.fixture
def resumed(server: Server, crm: str, shop: Any) -> Path:
    tables = server.small()
    server.schema("resumed", {n: tables[n] for n in ("customers", "interactions")})
    folder = shop("resumed")
    cut(server, folder)
    return folder


def kept(folder: Path) -> set[str]:
    """Tell the tables that were read in an earlier transaction than the snapshot's."""
    told = manifest(folder)
    return {n for n, t in told["tables"].items() if t["seen"] != told["seen"]}


def test_a_cut_extraction_goes_on_with_what_is_not_whole(server: Server, resumed: Path) -> None:
    server.do("CREATE TABLE IF NOT EXISTS elsewhere (a int)", "INSERT INTO elsewhere VALUES (1)")
    data = load(resumed)
    assert kept(resumed) == {"customers", "interactions"}
    assert {n: t.rows for n, t in data.read.items()} == {
        **{"customers": 60, "interactions": 720, "feedback": 180}
    }
    assert snapshots(resumed) == [data.snapshot]


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ("INSERT INTO resumed.interactions SELECT * FROM resumed.interactions LIMIT 1", None),
        ("DELETE FROM resumed.interactions WHERE interaction_id = 'i0003'", 719),
        ("UPDATE resumed.interactions SET outcome = 'ok' WHERE interaction_id = 'i0003'", 720),
        ("ALTER TABLE resumed.interactions DROP COLUMN channel", 720),
        ("ALTER TABLE resumed.interactions DROP channel, ADD channel text DEFAULT 'web'", 720),
        ("ALTER TABLE resumed.interactions ALTER response_seconds TYPE numeric", 720),
        ("TRUNCATE resumed.interactions; INSERT INTO resumed.interactions "
         "SELECT * FROM crm.interactions", 720),
        ("DROP TABLE resumed.interactions; CREATE TABLE resumed.interactions AS "
         "SELECT * FROM crm.interactions", 720),
    ],
)  # fmt: skip
def test_a_table_that_changed_is_read_anew(
    server: Server, resumed: Path, change: str, count: int | None
) -> None:
    server.do(*change.split("; "))
    if count is None:  # an id twice is refused, so the new row was read
        with pytest.raises(DataError, match="repeats"):
            load(resumed)
    else:
        data = load(resumed)
        assert data.read["interactions"].rows == count
        fresh = [tuple(r) for r in server.ask(
            "SELECT interaction_id, outcome FROM resumed.interactions ORDER BY 1")]  # fmt: skip
        assert rows(data, "interactions", "interaction_id", "outcome") == fresh
    assert kept(resumed) == {"customers"}


def test_a_transaction_open_at_the_time_is_no_proof(server: Server, crm: str, shop: Any) -> None:
    """It had begun before the first extraction, and commits between that and the next."""
    tables = server.small()
    server.schema("resumed", {n: tables[n] for n in ("customers", "interactions")})
    folder = shop("resumed")
    with server._connected() as other, closing(other.cursor()) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE resumed.customers SET plan = 'new'")
        cut(server, folder)
        cursor.execute("COMMIT")
    assert set(rows(load(folder), "customers", "plan")) == {("new",)}
    assert "customers" not in kept(folder)


def test_a_damaged_file_of_a_cut_extraction_is_read_anew(resumed: Path) -> None:
    [file] = resumed.rglob("interactions.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    assert load(resumed).read["interactions"].rows == 720
    assert kept(resumed) == {"customers"}


def test_what_a_killed_process_left_half_written_is_removed(resumed: Path) -> None:
    [left] = snapshots(resumed)
    place = resumed / ".cache" / "snapshots"
    (place / left / "interventions.part").write_bytes(b"half")
    (place / ".taking-other").mkdir()
    name = load(resumed).snapshot or ""
    assert snapshots(resumed) == [name] and kept(resumed) == {"customers", "interactions"}
    assert {p.suffix for p in (place / name).iterdir()} == {"", ".json", ".parquet"}


def test_what_another_place_left_is_not_gone_on_with(
    server: Server, resumed: Path, crm: str, shop: Any
) -> None:
    data = load(shop(crm))
    assert kept(resumed) == set() and snapshots(resumed) == [data.snapshot]


# -- which snapshot ---------------------------------------------------------------------------


def test_a_new_one_replaces_those_that_nobody_needs(
    crm: str, shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shop(crm)
    first = load(folder)
    assert first.snapshot is not None
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}")
    first.keep_for(run)
    second, third = load(folder), load(folder)  # held by these objects
    assert len(snapshots(folder)) == 3
    assert first.sha256() == second.sha256() == third.sha256()
    name = first.snapshot
    assert load(folder, snapshot="latest").snapshot == third.snapshot
    assert load(folder, snapshot=name).snapshot == name
    del first, second, third
    gc.collect()
    newer = load(folder).snapshot
    assert snapshots(folder) == [name, newer]
    shutil.rmtree(run)
    gc.collect()
    newer = load(folder).snapshot
    assert snapshots(folder) == [newer]
    with pytest.raises(DataError, match=f"there is no snapshot '{name}'; there: 2"):
        load(folder, snapshot=name)
    # Without the variable, what was taken can still be read.
    monkeypatch.delenv("CX_TEST_URL")
    text = (folder / "dataset.yml").read_text().replace("schema", "snapshot: latest, schema")
    (folder / "dataset.yml").write_text(text)
    assert load(folder).read["customers"].rows == 60


def test_a_snapshot_that_will_not_do(crm: str, shop: Any, server: Server, tmp_path: Path) -> None:
    folder = shop(crm)
    with pytest.raises(DataError, match="there is no snapshot of this database yet"):
        load(folder, snapshot="latest")
    name = load(folder).snapshot
    assert name is not None
    for wrong in ("", "..", f"../snapshots/{name}", ".taking-1", "2"):
        if wrong:
            with pytest.raises(DataError, match="there is no snapshot"):
                load(folder, snapshot=wrong)
    with pytest.raises(DataError, match="a snapshot of another database than"):
        load(shop("other"), snapshot=name)
    file = folder / ".cache" / "snapshots" / name / "feedback.parquet"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(DataError, match="damaged, it has"):
        load(shop(crm), snapshot=name)
    files = tmp_path / "files"
    files.mkdir()
    server.small()["customers"].to_parquet(files / "customers.parquet")
    with pytest.raises(UsageError, match="only a database"):
        load(files, snapshot="latest")


def notebook(folder: Path, name: str) -> None:
    cells = [
        'dataset: str = ""\nas_of: str = ""\nquick: bool = False\nrun: str = ""',
        "import os, cxlab\ndata = cxlab.load(dataset)\n"
        'print(data.snapshot, data.read["customers"].rows, "CX_TEST_URL" in os.environ)',
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, folder / f"{name}.ipynb")


def test_a_report_reads_one_snapshot_and_can_be_made_again(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    books = tmp_path / "books"
    books.mkdir()
    notebook(books, "one")
    notebook(books, "two")
    (books / "registry.yml").write_text(
        "notebooks:\n  one: {question: Which}\n  two: {question: Which, after: [one]}\n"
    )
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(books))
    server.schema("weekly", server.small())
    server.do("GRANT USAGE ON SCHEMA weekly TO reader",
              "GRANT SELECT ON ALL TABLES IN SCHEMA weekly TO reader")  # fmt: skip
    folder = shop("weekly", "reader", ENCODED)
    spec = tmp_path / "weekly.yml"
    spec.write_text("title: Weekly\ndataset: shop\n")

    def rendered(*more: str) -> tuple[dict[str, Any], set[str]]:
        ran = cx("render", spec, *more)
        assert ran.code == 0, ran.err
        run = (spec.with_suffix("") / "latest").resolve()
        for file in run.rglob("*"):
            if file.is_file():
                refuse_secret(file.read_bytes().decode("latin-1"))
        told = {
            output.text.strip()
            for name in ("one", "two")
            for cell in nbformat.read(run / f"{name}.ipynb", 4).cells
            for output in cell.get("outputs", ())
        }
        return json.loads((run / "manifest.json").read_text()), told

    first, told = rendered()
    name = first["dataset"]["snapshot"]
    assert told == {f"{name} 60 False"}
    server.do("DELETE FROM weekly.customers WHERE customer_id = 'C001'")
    gc.collect()  # the run's own hold on the snapshot is gone; its manifest keeps it
    assert load(folder).read["customers"].rows == 59
    again, told = rendered("--again", first["run_id"])
    assert again["dataset"] == first["dataset"] and told == {f"{name} 60 False"}
    assert again["again"]["same_answers"] is True
    begun = json.loads(cx("render", spec, "--begin").out)
    server.do("DELETE FROM weekly.customers WHERE customer_id = 'C002'")
    gc.collect()  # as the process that began it ends; others read the database meanwhile
    assert load(folder).read["customers"].rows == 58
    for level in begun["parts"]:
        ran = cx("render", spec, "--resume", begun["run"], "--part", *level)
        assert ran.code == 0, ran.err
    parted, told = rendered("--resume", begun["run"])
    assert told == {f"{parted['dataset']['snapshot']} 59 False"}
    cx("render", spec, "--begin")
    [left] = [s for s in snapshots(folder) if s not in (name, parted["dataset"]["snapshot"])]
    rendered()  # clears away what was begun
    gc.collect()
    assert left not in (load(folder).snapshot, *snapshots(folder))
    shutil.rmtree(folder / ".cache" / "snapshots" / name)
    line = refused(1, "render", spec, "--again", first["run_id"])
    assert f"there is no snapshot '{name}'" in line


def test_a_segment_and_a_report_for_each_are_as_from_parquet(
    server: Server, make_tables: Any, shop: Any, cx: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    small = make_tables(customers=150)
    files = tmp_path / "files"
    files.mkdir()
    for name, table in small.items():
        table.to_parquet(files / f"{name}.parquet")
    folder = shop(server.schema("parted", small))
    ours, theirs = (load(place, where="plan=plus") for place in (folder, files))
    assert (ours.where, ours.as_of) == (theirs.where, theirs.as_of)
    assert ours.attributes == theirs.attributes and len(snapshots(folder)) == 1
    for table in small:
        columns = ours.columns(table)
        assert columns == theirs.columns(table)
        assert rows(ours, table, *columns) == rows(theirs, table, *columns)

    books = tmp_path / "books"
    books.mkdir()
    cells = [
        'dataset: str = ""\nas_of: str = ""\nwhere: str = ""',
        "import cxlab\ndata = cxlab.load(dataset, as_of or None, where=where)\n"
        "from cxlab.analyses import churn_drivers\nchurn_drivers.run(data, quick=True)",
    ]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    made.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(made, books / "one.ipynb")
    (books / "registry.yml").write_text("notebooks:\n  one: {question: Which}\n")
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(books))
    told = []
    for place in (folder, files):
        spec = tmp_path / f"of_{place.name}.yml"
        spec.write_text(f"title: Parts\ndataset: {place.name}\neach: {{plan: all}}\n")
        ran = cx("render", spec)
        assert ran.code == 0, ran.err
        out = spec.with_suffix("")
        about = json.loads((out / "latest" / "manifest.json").read_text())
        drivers = {p.parts[-3]: p.read_bytes() for p in out.glob("each/*/latest/drivers.csv")}
        assert list(drivers) and all(text.count(b"\n") > 3 for text in drivers.values())
        counts = [(s["where"], s["customers"], s["churners"]) for s in about["segments"]]
        told.append((counts, drivers, (out / "latest" / "tables" / "segments.csv").read_bytes()))
        names = {
            json.loads(p.read_text())["dataset"]["snapshot"]
            for p in [*out.glob("each/*/latest/manifest.json"), out / "latest" / "manifest.json"]
        }
        assert len(names) == 1 and (None in names) is (place == files)
    assert told[0] == told[1] and len(told[0][0]) == 2


# -- what goes wrong --------------------------------------------------------------------------


def hidden(server: Server, cx: Any, refused: Any, folder: Path) -> str:
    """Refuse a dataset in one line, with and without --debug, and tell nothing secret."""
    line = refused(1, "check", folder)
    debug = cx("--debug", "check", folder)
    assert debug.code == 1
    for text in (line, debug.out, debug.err):
        refuse_secret(text)
    assert not [p for p in folder.rglob("*") if p.is_file() and p.name != "dataset.yml"]
    return line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({ENCODED: "wr0ng"}, 'password authentication failed for user "reader"'),
        ({ENCODED: PASSWORD}, "is no address of a PostgreSQL database; allowed: postgresql://USER"),
        ({"127.0.0.1": "nowhere.invalid"}, 'could not translate host name "nowhere.invalid"'),
        ({"/postgres": "/nothere"}, 'database "nothere" does not exist'),
        ({"reader": "nobody_here"}, 'password authentication failed for user "nobody_here"'),
        ({"postgresql:": "mysql:"}, "is no address of a PostgreSQL database"),
        ({"/postgres": "/postgres?foo=1"}, 'invalid URI query parameter: "foo"'),
        ({"@127": "%zz@127"}, "is no address"),
        ({"@127": "[@127"}, "is no address"),
        ({"@127": "#@127"}, "is no address"),
        ({"@127": " @127"}, "is no address"),
        ({"@127": "?a@127"}, "is no address"),
        ({"127.0.0.1": "127.0.0.1:x"}, "is no address"),
    ],
)
def test_an_address_that_will_not_do(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, monkeypatch: Any,
    change: dict[str, str], told: str,
) -> None:  # fmt: skip
    folder = shop(crm, "reader", ENCODED)
    url = server.url("reader", ENCODED)
    for old, new in change.items():
        assert old in url
        url = url.replace(old, new)
    monkeypatch.setenv("CX_TEST_URL", url)
    line = hidden(server, cx, refused, folder)
    assert line.startswith(str(folder / "dataset.yml")) and told in line


def test_a_port_where_nobody_answers(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, monkeypatch: Any
) -> None:
    folder = shop(crm)
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://reader:{ENCODED}@127.0.0.1:{taken.getsockname()[1]}/postgres"
        monkeypatch.setenv("CX_TEST_URL", url)
        assert "Connection refused" in hidden(server, cx, refused, folder)


def test_the_variable_is_not_set(crm: str, shop: Any, refused: Any, monkeypatch: Any) -> None:
    folder = shop(crm)
    monkeypatch.delenv("CX_TEST_URL")
    line = refused(1, "check", folder)
    assert line == f"{folder / 'dataset.yml'}: the environment variable CX_TEST_URL is not set"


def test_the_extra_is_not_installed(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, monkeypatch: Any
) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name.startswith("adbc_driver_postgresql"):
                raise ModuleNotFoundError(name)

    for name in [n for n in sys.modules if n.startswith("adbc_driver_postgresql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    line = hidden(server, cx, refused, shop(crm, "reader", ENCODED))
    assert (
        "source.url: needs the package adbc-driver-postgresql: pip install 'cxlab[postgres]'"
        in line
    )


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        (["DROP SCHEMA wrong CASCADE"], "the database has no schema 'wrong'"),
        (["DROP TABLE wrong.customers"], "table customers is missing in the schema wrong"),
        (["REVOKE SELECT ON wrong.feedback FROM reader"],
         "table feedback: permission denied for wrong.feedback"),
        (["REVOKE USAGE ON SCHEMA wrong FROM reader"], "permission denied for schema wrong"),
        (["REVOKE SELECT ON wrong.interactions FROM reader",
          "GRANT SELECT (customer_id, occurred_at) ON wrong.interactions TO reader"],
         "table interactions: permission denied for column touchpoint"),
        (["ALTER TABLE wrong.customers RENAME started_at TO begin"],
         "table customers: missing column started_at"),
        (["TRUNCATE wrong.feedback"], "table feedback is empty"),
    ],
)  # fmt: skip
def test_a_database_that_will_not_do(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, statements: list[str], told: str
) -> None:
    server.schema("wrong", server.small())
    server.do("GRANT USAGE ON SCHEMA wrong TO reader",
              "GRANT SELECT ON ALL TABLES IN SCHEMA wrong TO reader")  # fmt: skip
    server.do(*statements)
    folder = shop("wrong", "reader", ENCODED)
    if "TRUNCATE" in statements[0]:
        assert told in refused(1, "check", folder)
    else:
        assert told in hidden(server, cx, refused, folder)


def test_columns_that_may_not_be_read_are_left(server: Server, crm: str, shop: Any) -> None:
    server.schema("partly", {"customers": server.small()["customers"]})
    server.do(
        "GRANT USAGE ON SCHEMA partly TO reader",
        "GRANT SELECT (customer_id, started_at, ended_at) ON partly.customers TO reader",
    )
    data = load(shop("partly", "reader", ENCODED))
    assert data.attributes == {}
    assert set(data.read["customers"].ignored) == {"plan", "end_reason", "monthly_value"}


@pytest.mark.parametrize("how", ["connection", "server"])
def test_the_server_goes_while_it_is_read(
    server: Server, crm: str, shop: Any, cx: Any, refused: Any, how: str
) -> None:
    folder = shop(slow(server, "gone"))

    def kill() -> None:
        wait_for(lambda: sleeping(server))
        if how == "server":
            server.stop()
        else:
            server.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE wait_event = 'PgSleep'")  # fmt: skip

    thread, errors = in_background(kill)
    try:
        line = refused(1, "check", folder)
    finally:
        thread.join()
        if how == "server":
            server.start()
    assert errors == []
    assert "table customers: the database cannot be read (" in line
    assert snapshots(folder) == []


def test_ctrl_c_while_it_is_read(server: Server, crm: str, shop: Any) -> None:
    folder = shop(slow(server, "stopped"))
    code = "import sys; from cxlab.cli import main; main(['check', sys.argv[1]])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_for(lambda: sleeping(server))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, b"", b"cxlab: interrupted\n")
    assert snapshots(folder) == []
    wait_for(lambda: not sleeping(server))  # the server does not go on either


def test_a_full_disk_and_a_folder_that_cannot_be_written(
    crm: str, shop: Any, refused: Any, monkeypatch: Any
) -> None:
    folder = shop(crm)
    (folder / ".cache").write_text("a file where a folder is to be")
    assert ".cache/snapshots: cannot be written (" in refused(1, "check", folder)
    (folder / ".cache").unlink()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.ParquetWriter.write_batch", full)
    assert "cannot be written (No space left on device)" in refused(1, "check", folder)
    assert snapshots(folder) == []


def test_nothing_that_is_shown_of_it_has_the_password(
    server: Server, crm: str, tmp_path: Path
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    url = server.url("reader", ENCODED)
    (folder / "dataset.yml").write_text(f"source: {{url: '{url}', schema: crm}}\n")
    data = load(folder)
    shown = (data, data.settings, data.settings.model_dump(), data.about(), data.overview().meta)
    refuse_secret(" ".join(map(repr, shown)) + data.settings.model_dump_json())
    title = Path(f"/proc/{os.getpid()}/cmdline")
    if title.exists():
        refuse_secret(title.read_text())
    [(name,)] = server.ask("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'")
    assert name == 0  # the connection is closed


@pytest.mark.parametrize(
    "text",
    [
        "source: {path: 'URL'}\n",
        "source: 'URL'\n",
        "source: ['URL']\n",
        "source: {url: {a: 'URL'}}\n",
        "source: {url: ['URL']}\n",
        "source: {url: 'URL', 'URL': 1}\n",
        "source: {url: 'URL', schema: ['URL']}\n",
        "source: {url: 'URL', path: 'URL'}\n",
        "sources: {url: 'URL'}\n",
        "name: ['URL']\n",
    ],
)
def test_a_url_in_the_wrong_place_is_not_told(
    tmp_path: Path, cx: Any, refused: Any, text: str
) -> None:
    url = f"postgresql://reader:{ENCODED}@127.0.0.1:1/x"
    (tmp_path / "dataset.yml").write_text(text.replace("URL", url))
    line, debug = refused(1, "check", tmp_path), cx("--debug", "check", tmp_path)
    refuse_secret(line + debug.out + debug.err)
    with pytest.raises(CxlabError) as error:
        load(tmp_path)
    refuse_secret(repr(error.value))
    if "sources" not in text and "name" not in text:
        assert "dataset.yml: " in line and "source" in line


def test_settings_say_whether_the_source_is_a_database(tmp_path: Path) -> None:
    (tmp_path / "dataset.yml").write_text('source: {url: "${A}://${B}"}\n')
    source = read_settings(tmp_path).source
    assert source is not None and source.variables == ("A", "B")


def test_the_statements_of_the_guide_make_the_same_tables_here(
    server: Server, shop: Callable[..., Path], tmp_path: Path
) -> None:
    """``docs/own-data.md`` says that its SQL runs in both databases, and that views do."""
    import duckdb

    path = Path(__file__).parents[1] / "lab" / "test_own_data.py"
    told = importlib.util.spec_from_file_location("guide", path)
    assert told is not None and told.loader is not None
    guide = importlib.util.module_from_spec(told)
    told.loader.exec_module(guide)
    (tmp_path / "own").mkdir()
    made = guide.follow(tmp_path / "own")
    exports = made.folder / "exports"
    given = {n: duckdb.sql(f"FROM read_csv('{exports / n}.csv')").df() for n in guide.GIVEN}
    server.schema("guide", given)
    server.do("SET search_path TO guide", *[s for s in guide.SQL if not s.startswith("COPY")])
    settings = guide.block("yaml", "observed_until")
    here, there = load(shop("guide", more=settings)), load(made.folder / "my-data")
    assert set(here.tables) == {"customers", "interactions", "feedback"}

    def rows(data: Dataset, name: str) -> list[tuple[str, ...]]:
        frame = data.table(name).collect(backend="pandas").to_native().astype(object)
        ordered = frame[sorted(data.columns(name))].to_numpy()
        return sorted(tuple("" if pd.isna(v) else str(v) for v in row) for row in ordered)

    for name in here.tables:
        assert sorted(here.columns(name)) == sorted(there.columns(name))
        assert rows(here, name) == rows(there, name)
