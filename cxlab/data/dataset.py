"""A checked dataset, its tables lazy and seen as they stood at ``as_of``."""

from __future__ import annotations

import datetime as dt
import hashlib
import html
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.check import SetAside, sift
from cxlab.data.contract import (
    ENGINES,
    TABLES,
    Inactivity,
    Settings,
    is_folder,
    midnight_after,
    read_day,
    read_settings,
)
from cxlab.data.engine import reading
from cxlab.data.lake import Lake
from cxlab.data.narrow import narrowed
from cxlab.data.opened import Opened, handed_on
from cxlab.data.prepared import keeping, prepared
from cxlab.data.segment import Segment, read_segment
from cxlab.data.snapshots import Snapshot
from cxlab.data.sources import DuckFile, Files, Folder, TypedTable, read_by
from cxlab.errors import AnalysisError, DataError, UsageError, one_of
from cxlab.results import TO_THE_LETTER, Result

__all__ = ["Dataset", "load"]

Frame = nw.LazyFrame[Any]

# What dataset.yml says of where the data are and how they are read, not of the data.
_NOT_DATA = {"source", "engine", "spark_master", "incremental"}
# Times that say how far the feed reaches; a due date or a renewal may lie ahead of it.
_FEED_TIMES = {
    "customers": ("started_at", "cancelled_at", "ended_at"),
    "interactions": ("occurred_at", "resolved_at"),
    "feedback": ("asked_at", "responded_at"),
    "interventions": ("started_at",),
}


@dataclass(frozen=True)
class Dataset:
    """Customers and what they lived through, checked, and as known at ``as_of``.

    Parameters
    ----------
    name : str
        What reports call it.
    path : Path
        Its folder.
    settings : Settings
        What ``dataset.yml`` says.
    as_of : datetime.date
        The last day seen; nothing after it is.
    form : {"spells", "snapshot"}
        The form of its ``customers`` table.
    read : mapping
        The tables as read from their files.
    set_aside : tuple of SetAside
        The rows left out, and why.
    segment : Segment, optional
        What it is a part of the data by; None: it is the whole.

    See Also
    --------
    load : the way to make one.
    """

    name: str
    path: Path
    settings: Settings
    as_of: dt.date
    form: Literal["spells", "snapshot"]
    read: dict[str, TypedTable]
    set_aside: tuple[SetAside, ...]
    _folder: Files = field(repr=False)
    _kept: dict[str, Frame] = field(repr=False)
    _prepared: dict[str, Frame] = field(repr=False, default_factory=dict)
    _views: dict[dt.date, Dataset] = field(repr=False, default_factory=dict)
    _snapshot: Snapshot | None = field(repr=False, default=None)
    segment: Segment | None = None

    @property
    def where(self) -> str:
        """The segment that it is, such as ``plan=pro``; empty: the whole."""
        return self.segment.where if self.segment else ""

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that are there."""
        return tuple(self.read)

    @property
    def attributes(self) -> dict[str, str]:
        """The customers' attributes, each ``"number"`` or ``"text"``."""
        return dict(self.read["customers"].attributes)

    @property
    def day(self) -> str | None:
        """The last day seen, such as ``2026-06-30``; None for a snapshot, which is undated."""
        return None if self.form == "snapshot" else self.as_of.isoformat()

    @property
    def end(self) -> dt.datetime:
        """The first instant that is not seen: the midnight that ends ``as_of``."""
        return midnight_after(self.as_of)

    def __repr__(self) -> str:
        seen = f", as of {self.day}" if self.day else ", a snapshot"
        rows = ", ".join(f"{name} {typed.rows:,}" for name, typed in self.read.items())
        return f"Dataset {self.name}{seen}: {rows}"

    def _repr_html_(self) -> str:
        """Show the tables with their rows and columns."""
        overview = self.overview()
        columns = [", ".join(self.columns(name)) for name in overview.table["table"]]
        shown = replace(overview, table=overview.table.assign(columns=columns), sentence="")
        head = f"<b>{html.escape(self.name)}</b>. {html.escape(overview.sentence)}"
        kinds = [f"{name} ({kind})" for name, kind in self.attributes.items()]
        told = f"Attributes to segment by: {html.escape(', '.join(kinds) or 'none')}."
        return f'<div class="{TO_THE_LETTER}"><p>{head}</p>{shown._repr_html_()}<p>{told}</p></div>'

    def attach(self, frame: pd.DataFrame) -> Frame:
        """Give a pandas frame to the dataset's engine, so that its tables can be joined to it.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows to join; kept alive by the caller as long as the lazy frame is used.
        """
        return self._folder.attach(frame)

    def keep(self, name: str, make: Callable[[], Frame]) -> Frame:
        """Have the engine work out a frame once, and keep it, on disk where memory is short.

        Parameters
        ----------
        name : str
            What it is; a frame kept under that name is given again.
        make : callable
            Gives the lazy frame.
        """
        if name not in self._prepared:
            table = f"cx_{self.as_of:%Y%m%d}_{len(self._prepared)}_{name}"
            self._prepared[name] = self._folder.keep(table, make())
        return self._prepared[name]

    def on(self, day: dt.date) -> Dataset:
        """Give the same data as known at the end of an earlier day.

        Parameters
        ----------
        day : datetime.date
            Before ``as_of``.

        Raises
        ------
        UsageError
            It is not before ``as_of``.
        """
        if day >= self.as_of:
            raise UsageError(f"the day is {day}; allowed: before {self.as_of}")
        if day not in self._views:  # one each: the engine's frames are called after the day
            self._views[day] = replace(self, as_of=day, _prepared={})
        return self._views[day]

    def about(self) -> dict[str, Any]:
        """Say where a result comes from, for its ``meta``: the data, their day and hash."""
        return {
            "dataset": self.name,
            "as_of": self.day,
            "sha256": self.sha256(),
            "currency": self.settings.currency,
        }

    @cached_property
    def _hashes(self) -> dict[str, str]:
        return self._folder.sha256()

    def sha256(self) -> dict[str, str]:
        """Hash each table's files."""
        return dict(self._hashes)

    def replaced(self) -> list[str]:
        """Name the tables whose files are not those any more that were read."""
        return self._folder.replaced(self.sha256())

    def partitions(self) -> dict[str, dict[str, Any]]:
        """Say of each table that is read by files which are new: how many, and their state."""
        return {name: parts.told() for name, parts in self._folder.parts.items()}

    @property
    def snapshot(self) -> str | None:
        """Of a database: the name of the snapshot that was read."""
        return self._snapshot.name if self._snapshot else None

    @property
    def engine(self) -> str:
        """What does the work: ``duckdb`` or ``spark``."""
        return self._folder.engine

    def environment(self) -> dict[str, str]:
        """Give the environment for a process that is to load these very data.

        Of a database it names the snapshot, and leaves out the variables of its URL.
        """
        source = self.settings.source
        if self._snapshot is None or source is None:
            return dict(os.environ)
        from cxlab.data.database import environment

        return environment(source, self._snapshot)

    def keep_for(self, run: Path) -> None:
        """Keep the snapshot of a database as long as a report's run is there.

        Parameters
        ----------
        run : Path
            The run's folder.
        """
        if self._snapshot is not None:
            self._snapshot.keep_for(run)

    def settings_sha256(self) -> str:
        """Hash what ``dataset.yml`` says of the data, however it is written there."""
        said = self.settings.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_DATA)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def overview(self) -> Result:
        """Count each table's rows: read, used, and set aside."""
        rows = []
        for name, typed in self.read.items():
            aside = sum(s.rows for s in self.set_aside if s.table == name)
            rows.append((name, typed.rows, typed.rows - aside, aside))
        table = pd.DataFrame(rows, columns=["table", "rows", "used", "set aside"])
        seen = f"Seen as of {self.day}." if self.day else "A snapshot: it is not dated."
        return Result("overview", table, sentence=seen)

    def columns(self, table: str) -> tuple[str, ...]:
        """Name the columns of a table that is there; of one that is not, none.

        Parameters
        ----------
        table : str
            The table's name.
        """
        return self.read[table].columns if table in self.read else ()

    def missing(self, needs: Iterable[str]) -> str | None:
        """Say which of the needed tables are missing, or None where all are there.

        Parameters
        ----------
        needs : iterable of str
            Names of tables.
        """
        absent = [t for t in needs if t not in self.tables]
        return f"the dataset has no table {' and no table '.join(absent)}" if absent else None

    def require(self, *needs: str) -> None:
        """Refuse an analysis that needs a missing table.

        Parameters
        ----------
        *needs : str
            Names of tables.

        Raises
        ------
        AnalysisError
            A table is missing.
        """
        if reason := self.missing(needs):
            raise AnalysisError(f"{self.path}: {reason}, which the analysis needs")

    def table(self, name: str) -> Frame:
        """Give a table's rows as known at the end of ``as_of``, lazily.

        Rows dated later are not there; an end, an answer or a resolution that came later
        is null, as it was not known yet.

        Parameters
        ----------
        name : str
            One of :attr:`tables`.

        Raises
        ------
        AnalysisError
            The dataset has no such table.
        """
        self.require(name)
        if not self._folder.holds(name, self.read):
            return self._seen(name)
        return self.keep(f"seen_{name}", lambda: self._seen(name))

    def _seen(self, name: str) -> Frame:
        frame, columns = self._kept[name], self.columns(name)
        end = nw.lit(self.end)
        if name == "customers":
            return frame if self.form == "snapshot" else self._customers(frame)
        if name == "interactions":
            frame = frame.filter(nw.col("occurred_at") < end)
            return _hide(frame, columns, end, "resolved_at")
        if name == "feedback":
            frame = _hide(frame, columns, end, "responded_at", "score", "comment")
            known = [nw.col(c) < end for c in ("asked_at", "responded_at") if c in columns]
            return frame.filter(nw.any_horizontal(*known, ignore_nulls=True)) if known else frame
        if name == "interventions":
            return frame.filter(nw.col("started_at") < end)
        return frame

    def _customers(self, frame: Frame) -> Frame:
        columns, end = self.columns("customers"), nw.lit(self.end)
        frame = frame.filter(nw.col("started_at") < end)
        if "ended_at" not in columns:
            frame = frame.with_columns(ended_at=nw.lit(None, dtype=nw.Datetime()))
        ends: tuple[str, ...] = ("ended_at",)
        if isinstance(self.settings.churn, Inactivity):
            frame = self._silence(frame, self.settings.churn.inactivity.days)
            ends = ("ended_at", "silent_since")
        frame = _hide(frame, ends, end, *ends)
        frame = _hide(frame, columns, end, "cancelled_at")
        if "end_reason" in columns:
            open_yet = nw.col("ended_at").is_null()
            if "cancelled_at" in columns:
                open_yet = open_yet & nw.col("cancelled_at").is_null()
            frame = frame.with_columns(end_reason=nw.when(~open_yet).then(nw.col("end_reason")))
        return frame

    def _silence(self, frame: Frame, days: int) -> Frame:
        """Date the end of a customer without one to ``days`` after the last contact.

        ``silent_since`` tells when that contact was; where the days are not over by
        ``as_of``, the customer has not ended and it says nothing.
        """
        last = (
            self.table("interactions")
            .group_by("customer_id")
            .agg(cx_last=nw.col("occurred_at").max())
        )
        frame = frame.join(last, on="customer_id", how="left").with_columns(
            silent_since=nw.when(nw.col("ended_at").is_null()).then(
                nw.max_horizontal("cx_last", "started_at")
            )
        )
        silent = nw.col("silent_since").dt.offset_by(f"{days}d")
        return frame.with_columns(ended_at=nw.coalesce("ended_at", silent)).drop("cx_last")


def _hide(frame: Frame, columns: tuple[str, ...], end: nw.Expr, when: str, *along: str) -> Frame:
    """Blank a time that had not come by ``end``, and the columns known only with it."""
    if when not in columns:
        return frame
    known = nw.col(when) < end
    hidden = [c for c in (when, *along) if c in columns]
    return frame.with_columns(*[nw.when(known).then(nw.col(c)).alias(c) for c in hidden])


def load(
    path: str | Path,
    as_of: dt.date | str | None = None,
    *,
    where: str = "",
    memory_limit: str | None = None,
    snapshot: str | None = None,
    engine: str | None = None,
) -> Dataset:
    """Open a dataset and check it against the contract.

    Parameters
    ----------
    path : str or Path
        The dataset's folder, with its tables as Parquet or CSV and maybe ``dataset.yml``,
        which may name another folder, a DuckDB file or a PostgreSQL database.
    as_of : datetime.date or str, optional
        The last day to be seen (default: ``observed_until``, else the newest time in any
        table).
    where : str
        One segment alone, such as ``"plan=pro"``: the customers with that value, and the
        contacts and answers of these. ``"plan="`` is those without one. ``"owner=Billing"``
        keeps all customers, and lets the touchpoints of every other owner go by one name; only
        where ``touchpoints`` has no ``owner`` is it an attribute of customers.
    memory_limit : str, optional
        Memory the engine may take before it spills to disk, such as ``"4GB"``.
    snapshot : str, optional
        Of a database: a snapshot of it to be read, or ``latest`` (default: what
        ``dataset.yml`` says, else a new one).
    engine : {"duckdb", "spark"}, optional
        What does the work (default: what ``dataset.yml`` says, else DuckDB).

    Raises
    ------
    UsageError
        The folder does not exist, ``as_of`` is no date, ``where`` is no segment of the data,
        there is no such engine, or they are no database's while a snapshot is named.
    DataError
        The database or the file cannot be read, the tables are not what the contract
        allows, or nobody in them left.

    Examples
    --------
    >>> dataset = load("data/demo")  # doctest: +SKIP
    >>> dataset.table("interactions").head(5).collect()  # doctest: +SKIP
    """
    path = Path(path)
    if not is_folder(path):
        raise UsageError(f"{path}: no such dataset folder")
    asked = None if as_of is None else read_day(as_of, "as_of")
    settings = read_settings(path)
    day = _within(asked, settings)
    held = _snapshot(path, settings, snapshot)
    folder = _opened(path, settings, memory_limit, held, engine or settings.engine)
    folder.end = None if day is None else midnight_after(day)
    if settings.incremental:
        folder.lake = _lake(path, settings, folder)
    with reading(str(folder.path)):
        known = json.dumps([str(folder.path), settings.model_dump_json(), str(day), where])
        opened = handed_on(folder, known, lambda: _read(folder, held, day, where))
        segment, name = opened.segment, settings.name or path.resolve().name
        dataset = Dataset(
            name=f"{name}, {segment.words}" if segment else name,
            path=path,
            settings=settings,
            as_of=opened.as_of,
            form="snapshot" if "tenure" in opened.read["customers"].columns else "spells",
            read=opened.read,
            set_aside=opened.set_aside,
            _folder=folder,
            _kept=opened.kept,
            _snapshot=held,
            segment=segment,
        )
        _refuse_without_churn(dataset)
    return dataset


def _read(folder: Files, held: Snapshot | None, day: dt.date | None, where: str) -> Opened:
    """Read all tables, take the segment out, and look through the rows."""
    read = {name: folder.read(name) for name in TABLES if name in folder.files}
    if held is not None:
        read = {n: _with_left(t, held.manifest.tables[n].left) for n, t in read.items()}
    frames = {name: folder.table(name) for name in read}
    segment = read_segment(where, read, frames)
    if segment is not None:
        day = day or _whole_day(folder, read, frames)
        read, frames = narrowed(segment, read, frames)
        few = [n for n in frames if folder.holds(n, read)]
        frames |= {n: folder.keep(f"cx_segment_{n}", frames[n]) for n in few}
    kept, set_aside = _sifted(folder, read, frames, segment)
    as_of = day or _newest(folder.settings, read, kept)
    return Opened(as_of, read, kept, tuple(set_aside), segment)


def _snapshot(path: Path, settings: Settings, named: str | None) -> Snapshot | None:
    """Take a snapshot of a database, or open the one that is named."""
    if settings.source is not None and settings.source.url is not None:
        from cxlab.data import database

        return database.snapshot(path, settings, named)
    if named is not None:
        raise UsageError(f"{path}: snapshot is {named!r}; only a database (source.url) has any")
    return None


def _opened(
    path: Path, settings: Settings, memory_limit: str | None, held: Snapshot | None, engine: str
) -> Files:
    """Open the place where the tables are: a snapshot, a folder, or a DuckDB file."""
    if engine not in ENGINES:
        raise UsageError(one_of("engine", engine, ENGINES))
    place = path
    if held is not None:
        place = held.folder
    elif settings.source is not None and settings.source.path is not None:
        place = path / settings.source.path
    if is_folder(place):
        if engine == "duckdb":
            return Folder(place, settings, memory_limit)
        from cxlab.data.spark.files import SparkFolder

        return SparkFolder(path, place, settings, memory_limit)
    if place.is_file():
        if engine != "duckdb":
            raise DataError(
                f"{path / 'dataset.yml'}: source.path: a DuckDB file is read by engine duckdb "
                f"alone, not by {engine}; allowed: a folder of Parquet or CSV files"
            )
        return DuckFile(place, settings, memory_limit)
    # An address that was meant for url may hold a password.
    named = settings.source.path if settings.source and settings.source.path else ""
    wrong = "an address" if "://" in named else f"there is no folder {place}"
    raise DataError(
        f"{path / 'dataset.yml'}: source.path: {wrong}; allowed: a folder, or a DuckDB file (a "
        "database's address is source.url)"
    )


def _lake(path: Path, settings: Settings, folder: Files) -> Lake:
    """Give what keeps the files that were read once."""
    if (settings.source and settings.source.url) or isinstance(folder, DuckFile):
        raise DataError(
            f"{path / 'dataset.yml'}: incremental: a database is not read by files; allowed: "
            "tables in folders of Parquet or CSV files"
        )
    return Lake(path / ".cache" / "partitions", read_by(settings))


def _with_left(typed: TypedTable, left: tuple[str, ...]) -> TypedTable:
    """Add the columns of the database that were not read at all."""
    return replace(typed, ignored=(*typed.ignored, *left))


def _sifted(
    folder: Files, read: dict[str, TypedTable], frames: dict[str, Frame], segment: Segment | None
) -> tuple[dict[str, Frame], list[SetAside]]:
    """Sift the tables; of a report, those one notebook found whole are so for all of them."""
    settings, made = folder.settings, []
    # A DuckDB file's hash does not tell which of its tables are read.
    if not keeping() or isinstance(folder, DuckFile):
        return sift(read, frames, settings)

    def make() -> dict[str, np.ndarray]:
        made.append(sift(read, frames, settings))
        broken = {aside.table for aside in made[0][1]}
        return {"whole": np.array([name for name in read if name not in broken], dtype=str)}

    said = settings.model_dump_json(exclude=_NOT_DATA)
    files = [part for named in folder.sha256().items() for part in named]
    seen = [part for name, some in folder.seen.items() for part in (name, *some)]
    where = "" if segment is None else segment.where
    whole = prepared("whole-tables", [files, seen, said, where], make)["whole"].tolist()
    return made[0] if made else sift(read, frames, settings, whole)


def _within(day: dt.date | None, settings: Settings) -> dt.date | None:
    """Refuse a day past the feed's end: nobody would seem to leave after it."""
    end = _last_day(settings)
    if day is not None and end is not None and day > end:
        raise UsageError(f"as_of is {day}; allowed: up to {end}, the day of observed_until")
    return day


def _last_day(settings: Settings) -> dt.date | None:
    end = settings.observed_end
    return (end - dt.timedelta(microseconds=1)).date() if end is not None else None


def _whole_day(folder: Files, read: dict[str, TypedTable], frames: dict[str, Frame]) -> dt.date:
    """Find the last day that the feed covers as a whole: a segment is seen up to the same."""
    if (end := _last_day(folder.settings)) is not None:
        return end
    return _newest(folder.settings, read, _sifted(folder, read, frames, None)[0])


def _newest(settings: Settings, read: dict[str, TypedTable], kept: dict[str, Frame]) -> dt.date:
    """Find the last day the feed covers."""
    if (end := _last_day(settings)) is not None:
        return end
    newest: list[dt.datetime] = []
    for name, times in _FEED_TIMES.items():
        if name not in read or not (there := [t for t in times if t in read[name].columns]):
            continue
        frame = kept[name]
        if {"cancelled_at", "ended_at"} <= set(there):
            # With notice given, the end may lie ahead of the feed.
            known = nw.col("cancelled_at").is_null()
            frame = frame.with_columns(ended_at=nw.when(known).then(nw.col("ended_at")))
        row = frame.select(*[nw.col(t).max() for t in there]).collect(backend="pyarrow").row(0)
        newest += [t for t in row if t is not None]
    # A snapshot has no times: its date says nothing, and only has to be the same each run.
    return max(newest).date() if newest else dt.date(1970, 1, 1)


def _refuse_without_churn(dataset: Dataset) -> None:
    customers = dataset.table("customers")
    where = f"{dataset.path}: table customers"
    if dataset.segment is not None:
        where += f", {dataset.segment.words}"
    if dataset.form == "snapshot":
        left = customers.filter(nw.col("churned") == 1)
    else:
        gone = ~nw.col("ended_at").is_null()
        if "cancelled_at" in dataset.columns("customers"):
            gone = gone | ~nw.col("cancelled_at").is_null()
        left = customers.filter(gone)
    if left.select(nw.len()).collect(backend="pyarrow").item() == 0:
        raise DataError(
            f"{where}: nobody left by {dataset.as_of}; churn can only be explained where at "
            "least one customer has ended_at, cancelled_at or churned 1"
        )
