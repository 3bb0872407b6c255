"""PostgreSQL, read through ADBC into a snapshot of Parquet files.

All tables are read in one transaction (repeatable read, read only), so they are of one
moment. An extraction that was cut goes on in a new transaction, hence at a new moment: a
table that was whole is kept only where that transaction proves that its rows are the very
same (:func:`_unchanged`), and read anew otherwise. A resumed snapshot, too, is of one moment.

The URL may hold a password. It stays wrapped until the driver is called, nothing the driver
says is passed on as it is, and no error is chained to the driver's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import SecretStr

from cxlab.data.contract import TABLES, Settings, Source, fill_in
from cxlab.data.engine import literal
from cxlab.data.snapshots import Manifest, Snapshot, Taking, Written, open_snapshot, taking
from cxlab.data.sources import choose, quote, reserved
from cxlab.errors import DataError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["RUN_SNAPSHOT", "environment", "snapshot"]

RUN_SNAPSHOT = "CXLAB_SNAPSHOT"
"""The environment variable that has a report's notebooks read one snapshot: its folder."""
_EXTRA = "needs the package adbc-driver-postgresql: pip install 'cxlab[postgres]'"
_FORM = (
    "allowed: postgresql://USER:PASSWORD@HOST:PORT/DATABASE with what is no letter or digit "
    "in the user and the password written as %40 for @, %2F for /, and so on"
)
_SCHEMES = ("postgresql", "postgres")
_HOST = r"(\[[0-9A-Fa-f:.%]+\]|[\w.%-]*)(:\d*)?"
_HOSTS = re.compile(f"{_HOST}(,{_HOST})*")
_CONNECT_SECONDS = 15
_LONGEST = 300
# Rows in the order the table has them, so that the same table gives the same file.
_BEGIN = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL synchronize_seqscans = off",
    "SET LOCAL max_parallel_workers_per_gather = 0",
)
_PLAIN = ("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar")
_EXACT = ("numeric", "money")
_WORDS = ("bpchar", "name", "citext", "uuid", "inet", "cidr", "macaddr")
_TIMES = ("timestamp", "timestamptz", "date")
# Nobody's time: the first that PostgreSQL can write. It stands for what Parquet cannot hold.
_NO_TIME = "4714-11-24 00:00:00+00 BC"
_NO_TIME_MICROSECONDS = -210_866_803_200_000_000
_YEARS = ("'0001-01-02'", "'9999-12-30'")
# Beyond this many transactions a row's 32-bit number does not tell its age any more.
_FAR = 1_000_000_000


@dataclass(frozen=True)
class _Address:
    """Where a database is.

    Parameters
    ----------
    url : pydantic.SecretStr
        For the driver.
    place : str
        SHA-256 of host, port, database and schema.
    secrets : tuple of pydantic.SecretStr
        What must not be in a message.
    """

    url: SecretStr
    place: str
    secrets: tuple[SecretStr, ...]


@dataclass(frozen=True)
class _Relation:
    """A table or view of the server.

    Parameters
    ----------
    number : int
        The server's number for it.
    name : str
        Its name with its schema, quoted.
    lockable, provable : bool
        Whether it can be locked; whether its rows tell by themselves that they are the same.
    columns : dict of str to _Typed
        The columns that may be read.
    denied : tuple of str
        Those that may not.
    """

    number: int
    name: str
    lockable: bool
    provable: bool
    columns: dict[str, _Typed]
    denied: tuple[str, ...]


@dataclass(frozen=True)
class _Typed:
    """A column: its number, its type as declared, the type below domains and that one's class."""

    number: int
    told: str
    base: str
    category: str


@dataclass(frozen=True)
class _Reading:
    """How a table is read: the query, what is read for the proof, and what is left."""

    query: str
    read: str
    times: tuple[str, ...]
    left: tuple[str, ...]


def snapshot(path: Path, settings: Settings, named: str | None = None) -> Snapshot:
    """Give the snapshot of a dataset's database that is to be read; by default a new one.

    Parameters
    ----------
    path : Path
        The dataset's folder.
    settings : Settings
        What its ``dataset.yml`` says; the source is a URL.
    named : str, optional
        A snapshot that is there, or ``latest`` (default: what ``source.snapshot`` names).

    Raises
    ------
    DataError
        The variable of the URL is not set, the driver is not installed, the database cannot
        be read, or there is no such snapshot.
    """
    file, source = path / "dataset.yml", settings.source
    assert source is not None and source.url is not None
    named = named or _of_run(path) or source.snapshot
    if named is not None:
        known = all(name in os.environ for name in source.variables)
        place = _address(file, source).place if known else None
        return open_snapshot(path, named, place)
    address = _address(file, source)
    server = _Server(address, f"{file}: source.url")
    # In a thread of its own: the driver would take Ctrl-C for itself, and a signal that came
    # while it waits for the server would have to wait as well.
    with ThreadPoolExecutor(1, "database") as pool:
        taking_it = pool.submit(_take, server, path, settings, source)
        try:
            return taking_it.result()
        except BaseException:
            while not taking_it.done():
                server.stop()
                wait([taking_it], timeout=0.2)
            raise


def _take(server: _Server, path: Path, settings: Settings, source: Source) -> Snapshot:
    with server.open():
        relations = _relations(server, source)
        readings = {
            name: _reading(name, f"{server.where}: table {name}", relation, settings)
            for name, relation in relations.items()
        }
        with taking(path, server.address.place) as taken:
            _extract(server, relations, readings, taken)
    assert taken.snapshot is not None
    return taken.snapshot


def environment(source: Source, held: Snapshot) -> dict[str, str]:
    """Give this process's environment for one that reads the same snapshot, and no secret.

    Parameters
    ----------
    source : Source
        The dataset's source.
    held : Snapshot
        The snapshot.
    """
    secret = (*source.variables, "PGPASSWORD")
    given = {k: v for k, v in os.environ.items() if k not in secret}
    return given | {RUN_SNAPSHOT: str(held.folder.resolve())}


def _of_run(path: Path) -> str | None:
    """Name the snapshot of the report this process belongs to, if it is one of this dataset."""
    folder = Path(os.environ.get(RUN_SNAPSHOT, ""))
    ours = folder.is_absolute() and folder.parent == (path / ".cache" / "snapshots").resolve()
    return folder.name if ours else None


# -- the address ------------------------------------------------------------------------------


def _address(file: Path, source: Source) -> _Address:
    """Read a URL, strictly: one misread by us and by the driver could show a password."""
    assert source.url is not None
    url = SecretStr(fill_in(file, source.url.get_secret_value()).strip())
    parts = _parts(url)
    if parts is None:
        raise DataError(f"{file}: source.url is no address of a PostgreSQL database; {_FORM}")
    hosts, database, query = parts
    user, _, password = _credentials(url).partition(":")
    secrets = {password, unquote(password), query.get("password", ""), query.get("passfile", "")}
    place = {
        "hosts": query.get("host", hosts).lower(),
        "port": query.get("port", ""),
        "database": query.get("dbname", database) or unquote(user),
        "schema": source.schema_ or query.get("options", ""),
    }
    return _Address(url, _hashed(place), tuple(SecretStr(s) for s in secrets if s))


def _hashed(*what: object) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _parts(url: SecretStr) -> tuple[str, str, dict[str, str]] | None:
    """Split a URL into hosts, database and options; None for what is none or may be misread."""
    text = url.get_secret_value()
    broken = re.search(r"[\s#\x00-\x1f]|%(?![0-9A-Fa-f]{2})|%00", text)
    if broken or text.count("@") > 1:
        return None
    try:
        split = urlsplit(text)
        pairs = split.query and parse_qsl(split.query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return None
    query = dict(pairs or ())
    hosts = split.netloc.rpartition("@")[2]
    after_at = "@" not in split.path + split.query
    if split.scheme not in _SCHEMES or not after_at or not _HOSTS.fullmatch(hosts):
        return None
    return hosts, unquote(split.path.removeprefix("/")), query


def _credentials(url: SecretStr) -> str:
    return urlsplit(url.get_secret_value()).netloc.rpartition("@")[0]


# -- the server -------------------------------------------------------------------------------


class _Stopped(Exception):
    """A signal asked this process to end."""


class _Server:
    """A connection; what the driver raises is worded without anything secret, and not chained.

    Parameters
    ----------
    address : _Address
        Where it is.
    where : str
        What errors begin with.
    """

    def __init__(self, address: _Address, where: str) -> None:
        self.address = address
        self.where = where
        self._connection: Any = None
        self._stopped = threading.Event()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Connect."""
        with self._worded(self.where) as driver:
            self._connection = driver.connect(_timed(self.address.url), autocommit=True)
        try:
            self.run("SET client_encoding = 'UTF8'")  # else it would be the database's own
            yield
        finally:
            with self._worded(self.where):
                self._connection.close()

    def stop(self) -> None:
        """Break off what it does; to be called from another thread."""
        self._stopped.set()
        if self._connection is not None:
            with suppress(Exception):  # there may be nothing to break off
                self._connection.adbc_cancel()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Give the rows of a query."""
        with self._cursor(self.where) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def run(self, *statements: str) -> None:
        """Run statements that give no rows."""
        for statement in statements:
            with self._cursor(self.where) as cursor:
                cursor.execute(statement)

    @contextmanager
    def batches(
        self, query: str, where: str
    ) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """Give the schema and the rows of a query, as they come."""
        with self._cursor(where) as cursor:
            cursor.execute(query)
            with cursor.fetch_record_batch() as reader:
                yield reader.schema, self._each(reader)

    def _each(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while not self._stopped.is_set():
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except OSError as error:  # of the stream, not of the disk that is written to
                raise _Broken(str(error)) from None
            yield batch
        raise _Stopped

    @contextmanager
    def _cursor(self, where: str) -> Iterator[Any]:
        if self._stopped.is_set():
            raise _Stopped
        with self._worded(where), closing(self._connection.cursor()) as cursor:
            yield cursor

    @contextmanager
    def _worded(self, where: str) -> Iterator[ModuleType]:
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError:
            raise DataError(f"{where}: {_EXTRA}") from None
        failed: DataError | None = None
        try:
            yield dbapi
        except (dbapi.Error, pa.ArrowException, _Broken) as error:
            failed = _worded(error, where, self.address)
        if failed is not None:
            raise failed from None


class _Broken(Exception):
    """The stream of a table broke off."""


def _timed(url: SecretStr) -> str:
    """Give the driver's URL; a host that does not answer is given up."""
    text = url.get_secret_value()
    if "connect_timeout=" in text:
        return text
    return f"{text}{'&' if '?' in text else '?'}connect_timeout={_CONNECT_SECONDS}"


def _worded(error: BaseException, where: str, address: _Address) -> DataError:
    """Say what the server or the driver said, in one line without anything secret."""
    text = str(error).partition("Query was:")[0].partition("LINE 1:")[0]
    if found := re.search(r"\b(?:ERROR|FATAL|PANIC):\s+(.*)", text):
        reason = found[1]
    else:
        reason = re.sub(r"^[A-Z_]+: (\[libpq\] )?(Failed to connect: )?", "", text)
    for secret in sorted((s.get_secret_value() for s in address.secrets), key=len, reverse=True):
        reason = reason.replace(secret, "***")
    reason = " ".join(reason.split())[:_LONGEST].rstrip(". ")
    return DataError(f"{where}: the database cannot be read ({reason})")


def _relations(server: _Server, source: Source) -> dict[str, _Relation]:
    """Find the contract's tables and views, by the search path or in the schema that is named."""
    schema, where = source.schema_, server.where
    if schema is not None:
        [(there,)] = server.rows(
            f"SELECT count(*) FROM pg_namespace WHERE nspname = {literal(schema)}"
        )
        if not there:
            raise DataError(f"{where}: the database has no schema {schema!r} (source.schema)")
    prefix = "" if schema is None else f"{quote(schema)}."
    names = ", ".join(f"({literal(n)}, {literal(prefix + n)})" for n in TABLES)
    found = server.rows(
        "SELECT t.name, c.oid::int8, format('%I.%I', n.nspname, c.relname), "
        "c.relkind IN ('r', 'p', 'v') AND has_table_privilege(c.oid, 'SELECT'), "
        "c.relkind IN ('r', 'm') AND NOT c.relrowsecurity "
        f"FROM (VALUES {names}) AS t(name, at) JOIN pg_class c ON c.oid = to_regclass(t.at) "
        "JOIN pg_namespace n ON n.oid = c.relnamespace",
    )
    relations = {
        name: _Relation(number, full, lockable, provable, *_columns(server, number))
        for name, number, full, lockable, provable in found
    }
    for name, relation in relations.items():
        if not relation.columns:
            raise DataError(
                f"{where}: table {name}: permission denied for {relation.name}; the database's "
                "user needs SELECT on it"
            )
    if "customers" not in relations:
        looked = f"the schema {schema}" if schema else "the search path"
        raise DataError(
            f"{where}: table customers is missing in {looked}; allowed: a table or a view of "
            "that name (source.schema names the schema)"
        )
    return {name: relations[name] for name in TABLES if name in relations}


def _columns(server: _Server, number: int) -> tuple[dict[str, _Typed], tuple[str, ...]]:
    """Tell the columns of a table that may be read, and those that may not."""
    every = server.rows(
        "WITH RECURSIVE below AS ("
        "SELECT attnum, atttypid AS kind FROM pg_attribute "
        f"WHERE attrelid = {number} AND attnum > 0 AND NOT attisdropped "
        "UNION ALL SELECT b.attnum, t.typbasetype FROM below b JOIN pg_type t ON t.oid = b.kind "
        "WHERE t.typtype = 'd') "
        "SELECT a.attname::text, a.attnum::int8, format_type(a.atttypid, a.atttypmod), "
        "t.typname::text, t.typcategory::text, "
        f"has_column_privilege({number}::oid, a.attnum, 'SELECT') "
        "FROM below b JOIN pg_type t ON t.oid = b.kind AND t.typtype <> 'd' "
        f"JOIN pg_attribute a ON a.attrelid = {number} AND a.attnum = b.attnum ORDER BY a.attnum",
    )
    readable = {row[0]: _Typed(*row[1:5]) for row in every if row[5]}
    return readable, tuple(row[0] for row in every if not row[5])


# -- what is read -----------------------------------------------------------------------------


def _reading(name: str, where: str, relation: _Relation, settings: Settings) -> _Reading:
    """Choose the columns: the contract's, and of customers every attribute."""
    mapping = settings.columns.get(name, {})
    columns = relation.columns
    for column in relation.denied:
        if column in mapping.values() or column in TABLES[name].required:
            raise DataError(
                f"{where}: permission denied for column {column}; the database's user needs "
                "SELECT on it"
            )
    told = {c: t.told for c, t in columns.items()}
    table, chosen = choose(name, where, told, mapping)
    kinds: dict[str, str] = {chosen[c.name]: c.kind for c in table.columns if c.name in chosen}
    if name == "customers":
        kinds |= {
            c: "attribute"
            for c, t in columns.items()
            if c not in kinds and not reserved(c) and _is_attribute(t)
        }
    parts = [f"{_expression(columns[c], c, k)} AS {quote(c)}" for c, k in kinds.items()]
    query = f"SELECT {', '.join(parts)} FROM {relation.name}"
    numbers = [columns[c].number for c in kinds]
    told_types = [columns[c].told for c in kinds]
    left = tuple(c for c in (*columns, *relation.denied) if c not in kinds)
    return _Reading(
        query=query,
        read=_hashed(relation.number, numbers, told_types, query),
        times=tuple(c for c, k in kinds.items() if k == "time" and columns[c].base in _TIMES),
        left=left,
    )


def _is_attribute(typed: _Typed) -> bool:
    """Tell what customers can be told apart by; documents, lists and dates are left."""
    return typed.category == "E" or typed.base in (*_PLAIN, *_EXACT, *_WORDS)


def _expression(typed: _Typed, column: str, kind: str) -> str:
    """Write the SQL that gives a column as a type that Parquet has."""
    name = quote(column)
    if kind == "time" and typed.base in _TIMES:
        base = "timestamp" if typed.base == "date" else typed.base
        low, high = (f"{y}::{base}" for y in _YEARS)
        given = f"{name}::{base}"
        return (
            f"CASE WHEN {given} IS NULL OR {given} BETWEEN {low} AND {high} THEN {given} "
            f"ELSE {literal(_NO_TIME)}::{base} END"
        )
    if typed.base in _PLAIN:
        return f"{name}::{typed.base}"
    if typed.base in _EXACT and kind in ("id", "text"):
        exact = f"{name}::numeric"
        whole = f"CASE WHEN {exact} = trunc({exact}) THEN trunc({exact})::text"
        return f"{whole} ELSE {exact}::text END" if kind == "id" else f"{exact}::text"
    if typed.base in _EXACT:
        return f"{name}::numeric::float8"
    return f"{name}::text"


# -- the snapshot -----------------------------------------------------------------------------


def _extract(
    server: _Server,
    relations: Mapping[str, _Relation],
    readings: Mapping[str, _Reading],
    taken: Taking,
) -> None:
    """Write every table to a file, all in one transaction."""
    cluster = _cluster(server)
    lock = ", ".join(r.name for r in relations.values() if r.lockable)
    # The lock comes before the first query, which is what the transaction's moment is.
    server.run(*_BEGIN, *([f"LOCK TABLE {lock} IN ACCESS SHARE MODE"] if lock else []))
    [(seen, version)] = server.rows(
        "SELECT pg_current_snapshot()::text, current_setting('server_version')"
    )
    manifest = Manifest(
        place=server.address.place,
        taken=dt.datetime.now(dt.UTC).isoformat(),
        server=version,
        cluster=cluster,
        seen=seen,
    )
    before = taken.before
    had = before.tables if before and cluster and before.cluster == cluster else {}
    tables: dict[str, Written] = {}
    for name, reading in readings.items():
        kept = had.get(name)
        same = kept is not None and _unchanged(
            server, relations[name], reading, kept, seen, taken.whole(name)
        )
        if kept is not None and same:
            tables[name] = kept
        else:
            rows = _copy(server, name, reading, taken)
            tables[name] = _written(taken.whole(name), rows, reading, seen)
        # Those that were whole before are still to be looked at; they are not lost by a cut.
        taken.save(manifest.model_copy(update={"tables": {**had, **tables}}))
    server.run("COMMIT")
    taken.finish(manifest.model_copy(update={"tables": tables}))


def _cluster(server: _Server) -> str:
    """Tell one server's database from another's, which may count transactions as it does."""
    here = "(SELECT oid::text FROM pg_database WHERE datname = current_database())"
    query = f"SELECT system_identifier::text || '/' || {here} FROM pg_control_system()"
    [(allowed,)] = server.rows("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
    return str(server.rows(query)[0][0]) if allowed else ""


def _unchanged(
    server: _Server,
    relation: _Relation,
    reading: _Reading,
    kept: Written,
    seen: str,
    file: Path,
) -> bool:
    """Prove that a table has the rows it had when it was read, or say no.

    A row keeps the number of the transaction that wrote it. Where no row of now was written
    by one that began after the oldest one that was open at the time, every row of now had been
    there then; where their count is the same, none is gone. A view has no such numbers, what
    row security shows depends on its rules, and a word of an enumeration can be renamed
    without writing a row: these are read anew.
    """
    began, now = (int(s.partition(":")[0]) for s in (kept.seen, seen))
    if not relation.provable or reading.read != kept.read or not 0 <= now - began < _FAR:
        return False
    if any(t.category == "E" for t in relation.columns.values()):
        return False
    if not file.is_file() or file.stat().st_size != kept.bytes:
        return False
    [(rows, newer)] = server.rows(
        "SELECT count(*)::int8, "
        f"(count(*) FILTER (WHERE age(xmin) <= age('{began % 2**32}'::xid)))::int8 "
        f"FROM {relation.name}",
    )
    return bool(rows == kept.rows and newer == 0)


def _copy(server: _Server, name: str, reading: _Reading, taken: Taking) -> int:
    """Stream a table to its file, batch by batch, and give the number of its rows."""
    rows, where = 0, f"{server.where}: table {name}"
    with server.batches(reading.query, where) as (given, batches):
        schema = pa.schema([f.remove_metadata() for f in given])
        with pq.ParquetWriter(taken.aside(name), schema, compression="zstd") as writer:
            for batch in batches:
                _refuse_endless(where, reading, batch, rows)
                writer.write_batch(batch.cast(schema))
                rows += batch.num_rows
    taken.aside(name).replace(taken.whole(name))
    return rows


def _refuse_endless(where: str, reading: _Reading, batch: pa.RecordBatch, before: int) -> None:
    """Refuse times that no file can hold, rather than write another time for them."""
    for column in reading.times:
        bad = pc.equal(batch.column(column).cast(pa.int64()), _NO_TIME_MICROSECONDS)
        if pc.any(bad).as_py():
            row = before + pc.index(bad, True).as_py() + 1
            raise DataError(
                f"{where}, column {column}: row {row} is infinity, or a year before 1 or after "
                "9999; allowed: dates and times from 1900 to 2200"
            )


def _written(file: Path, rows: int, reading: _Reading, seen: str) -> Written:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Written(
        rows=rows,
        bytes=file.stat().st_size,
        sha256=digest,
        read=reading.read,
        seen=seen,
        left=reading.left,
    )
