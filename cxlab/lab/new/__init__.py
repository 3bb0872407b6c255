"""A starter for one's own data: the files looked at, the mapping proposed, the tables made."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from tqdm import tqdm

from cxlab.data.contract import Settings, is_folder
from cxlab.data.dataset import load
from cxlab.data.engine import connect, literal, reading
from cxlab.errors import CxlabError, UsageError
from cxlab.lab.new import text
from cxlab.lab.new.assemble import Proposal, assemble
from cxlab.lab.new.guess import read
from cxlab.lab.new.look import Sheet, expand, group, open_sheet
from cxlab.results import counted

__all__ = ["Starter", "create"]

# A folder further away than this is named by its full path.
_NEAR = 2
_MOST_TRIED = 300_000
_PLACES = (".csv", ".csv.gz", ".parquet")


@dataclass(frozen=True)
class Starter:
    """What was written.

    Parameters
    ----------
    folder : Path
        Where.
    files : tuple of str
        The names of the files written.
    proposal : Proposal
        What was found in the user's files; empty without any.
    sheets : tuple of Sheet
        The user's tables.
    refused : str
        Why the dataset cannot be used yet; empty where it can.
    """

    folder: Path
    files: tuple[str, ...]
    proposal: Proposal = field(default_factory=Proposal)
    sheets: tuple[Sheet, ...] = ()
    refused: str = ""

    def summary(self) -> str:
        """Say in a few lines what was written, what to look at, and what comes next."""
        lines = []
        for sheet in self.sheets:
            uses = [t.name for t in self.proposal.tables if sheet in t.sheets]
            more = f" and {len(sheet.files) - 1} more" if len(sheet.files) > 1 else ""
            size = f"{counted(sheet.rows, 'row')}, {counted(len(sheet.columns), 'column')}"
            told = " and ".join(uses) or "not used"
            lines.append(f"{sheet.files[0].name}{more}: {size}: {told}")
        lines += [f"not found: {m}" for m in self.proposal.missing]
        lines.append(f"Wrote {', '.join(str(self.folder / f) for f in self.files)}")
        if self.sheets:
            lines.append(f"Look through the guesses in {self.folder / 'dataset.yml'}")
        else:
            lines.append(f"Put customers.csv (or .parquet) into {self.folder}, then:")
        if self.refused:
            lines.append(f"Not ready yet: {self.refused}")
        lines.append(f"Next: cxlab check {self.folder}")
        lines.append(f"Then: cxlab render {self.folder / 'report.yml'}")
        return "\n".join(text.printable(line) for line in lines)


def create(directory: str | Path, files: Sequence[str | Path] = ()) -> Starter:
    """Write a starter; nothing that is there is ever overwritten.

    Parameters
    ----------
    directory : str or Path
        The dataset's folder, made where it is not there.
    files : sequence of str or Path
        The user's files, folders of files, or patterns; they are never changed.

    Raises
    ------
    UsageError
        Something to be written is there already, the folder cannot be written, or a file
        is not there.
    DataError
        A file cannot be read.
    """
    directory = Path(directory)
    sources = expand(files) if files else []
    _refuse_there(directory, ("dataset.yml", "dataset.yaml", "report.yml"))
    above = next(p for p in directory.absolute().parents if is_folder(p))
    try:
        with tempfile.TemporaryDirectory(prefix=".cxlab-new-", dir=above) as room:
            return _create(directory, sources, Path(room))
    except OSError as error:
        raise UsageError(
            f"{directory}: cannot be written ({error.strerror or error}); allowed: a folder"
        ) from error


def _refuse_there(directory: Path, names: Sequence[str]) -> None:
    """Refuse to write over what is there."""
    if directory.exists() and not is_folder(directory):
        raise UsageError(f"{directory}: is a file; allowed: a folder, made where it is not there")
    for name in names:
        if os.path.lexists(directory / name):
            raise UsageError(f"{directory / name}: is there already; cxlab new overwrites nothing")


def _create(directory: Path, sources: Sequence[Path], room: Path) -> Starter:
    name = directory.resolve().name or "dataset"
    build = room / "build"
    build.mkdir()
    (build / "report.yml").write_text(
        text.report(f"What drives our customers away: {name}"), "utf-8"
    )
    if not sources:
        (build / "dataset.yml").write_text(text.empty_settings(name), "utf-8")
        return Starter(directory, _publish(build, directory))
    connection, groups = connect(Settings().time_zone), group(sources)
    # Steps: each table parsed, then understood; the proposal; the writing.
    bar = tqdm(
        total=2 * len(groups) + 2, desc="reading", unit="step", disable=None, delay=2, leave=False,
        file=sys.stderr,
    )  # fmt: skip
    try:
        sheets, proposal = _look(connection, groups, room, bar)
        place = _place(proposal)
        source = None
        if place is None:
            _write(connection, proposal, build)
        elif place != directory.resolve():
            near = os.path.relpath(place, directory.resolve())
            source = near if near.count("..") <= _NEAR else str(place)
        (build / "dataset.yml").write_text(text.settings(name, proposal, source), "utf-8")
        bar.update()
    finally:
        bar.close()
        connection.close()
    written = _publish(build, directory)
    # Of large tables, the trial would take as long as the check that comes next.
    small = sum(sheet.rows for sheet in sheets) <= _MOST_TRIED
    return Starter(directory, written, proposal, sheets, _refusal(directory) if small else "")


def _look(
    connection: duckdb.DuckDBPyConnection,
    groups: Sequence[Sequence[Path]],
    room: Path,
    bar: tqdm,
) -> tuple[tuple[Sheet, ...], Proposal]:
    """Open the files and say what they are."""
    readings = []
    for i, files in enumerate(groups):
        sheet = open_sheet(connection, files, i, room)
        bar.update()
        with reading(str(files[0])):
            readings.append(read(sheet))
        bar.update()
    with reading("the files given"):
        proposal = assemble(readings)
    bar.update()
    return tuple(r.sheet for r in readings), proposal


def _place(proposal: Proposal) -> Path | None:
    """Give the folder where all tables lie as the contract wants them; None if they do not."""
    places = set()
    for table in proposal.tables:
        [sheet, *more] = table.sheets
        [file, *parts] = sheet.files
        named = file.name in {table.name + suffix for suffix in _PLACES}
        if not (table.as_is and named) or more or parts:
            return None
        if "${" in str(file.resolve()):  # dataset.yml would put an environment variable there
            return None
        places.add(file.resolve().parent)
    return places.pop() if len(places) == 1 else None


def _write(connection: duckdb.DuckDBPyConnection, proposal: Proposal, build: Path) -> None:
    """Write the tables, and the SQL that makes them again."""
    if not proposal.tables:
        return
    lines = [
        "-- How the tables beside this file were made from the files given (DuckDB).",
        "-- With new files of the same form, run in this folder:",
        "--   python -c \"import duckdb; duckdb.execute(open('tables.sql').read())\"",
        "SET TimeZone = 'UTC';",
        "",
    ]
    for sheet in dict.fromkeys(s for t in proposal.tables for s in t.sheets):
        lines += [f"CREATE VIEW {sheet.view} AS {sheet.source};", ""]
    for table in proposal.tables:
        file = f"{table.name}.parquet"
        with reading(f"{table.sheets[0].files[0]}: table {table.name}"):
            connection.execute(
                f"COPY ({table.sql}) TO {literal(str(build / file))} (FORMAT parquet)"
            )
        lines += [f"COPY ({table.sql}) TO '{file}' (FORMAT parquet);", ""]
    (build / "tables.sql").write_text("\n".join(lines), "utf-8")


def _publish(build: Path, directory: Path) -> tuple[str, ...]:
    """Move what was built to its place; refuse before anything is moved."""
    names = sorted(p.name for p in build.iterdir())
    tables = [n.removesuffix(".parquet") for n in names if n.endswith(".parquet")]
    _refuse_there(directory, [*names, *(t + s for t in tables for s in ("", *_PLACES))])
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.move(build / name, directory / name)
    return tuple(names)


def _refusal(directory: Path) -> str:
    """Try what ``cxlab check`` will say."""
    try:
        load(directory)
    except CxlabError as error:
        return str(error)
    return ""
