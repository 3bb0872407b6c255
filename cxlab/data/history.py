"""The history: what good runs found, as numbers, one Parquet file a run.

A run writes its own, the next ones read it: what has changed since, and by more than noise?
"""

from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "FOLDER", "NOW", "History", "name_of", "packed", "read", "read_all", "table"]

FOLDER = "history"
"""What the folder is called, in the state folder."""
NOW = "now.parquet"
"""What the numbers of a run that is not over are called, for the notebook that sums it up."""
_NUMBERS = ("value", "low", "high", "n")
COLUMNS = (
    *("run_id", "as_of", "kind", "name", "part", "measure"),
    *_NUMBERS,
    *("unit", "verdict", "text"),
)
"""Of a file. ``kind`` tells what a row is about: ``about`` (the run itself: data, code, settings;
``text``, or ``value``), ``notebook`` (``verdict``: how it ended), ``check``, ``finding``,
``driver`` (``name`` the touchpoint, ``part`` the valence), ``count`` (``name`` the table), ``mix``
(how much there was of what in the window) and ``tenure`` (who left, by time as a customer)."""
_FILE = re.compile(r"(?P<as_of>\d{4}-\d\d-\d\d|undated)-(?P<start>\d{8}T\d{6}Z)(-(?P<again>\d+))?")


@dataclass(frozen=True)
class History:
    """What one run found.

    Parameters
    ----------
    run_id : str
        The run.
    table : pandas.DataFrame
        With :data:`COLUMNS`.
    """

    run_id: str
    table: pd.DataFrame

    @property
    def as_of(self) -> dt.date | None:
        """The last day it saw; None of a snapshot, which is undated."""
        day = self.table["as_of"].iloc[0]
        return dt.date.fromisoformat(day) if day else None

    def of(self, kind: str) -> pd.DataFrame:
        """Give the rows of a kind.

        Parameters
        ----------
        kind : str
            Such as ``"driver"``.
        """
        return self.table[self.table["kind"] == kind].reset_index(drop=True)

    def about(self, name: str) -> str:
        """Give a text about the run; empty where there is none."""
        rows = self.of("about")
        found = rows.loc[rows["name"] == name, "text"]
        return str(found.iloc[0]) if len(found) else ""

    def number(self, kind: str, name: str, measure: str = "", part: str = "") -> float:
        """Give a number; NaN where there is none."""
        rows = self.of(kind)
        mine = (rows["name"] == name) & (rows["measure"] == measure) & (rows["part"] == part)
        return float(rows.loc[mine, "value"].iloc[0]) if mine.any() else math.nan


def table(run_id: str, as_of: str | None, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the table of a run.

    Parameters
    ----------
    run_id : str
        The run.
    as_of : str or None
        The last day it saw.
    rows : iterable of mapping
        With any of :data:`COLUMNS`.
    """
    import pandas as pd  # here: who only asks for a file's name does not wait for it

    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
    frame["run_id"], frame["as_of"] = run_id, as_of or ""
    for name in COLUMNS:
        if name in _NUMBERS:
            frame[name] = pd.to_numeric(frame[name]).astype("float64")
        else:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str)
    return frame


def packed(frame: pd.DataFrame) -> bytes:
    """Give the bytes of a file: the same for the same table.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of :func:`table`.
    """
    target = io.BytesIO()
    frame.to_parquet(target, engine="pyarrow", index=False, compression="zstd")
    return target.getvalue()


def read(path: Path) -> History:
    """Read a run's file.

    Parameters
    ----------
    path : pathlib.Path
        The file, called after the run.

    Raises
    ------
    DataError
        It is not what a run wrote.
    """
    import pandas as pd
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(io.BytesIO(path.read_bytes()), engine="pyarrow")
    except OSError as error:
        why = error.strerror or "it is no Parquet"
    except (ArrowException, ValueError, KeyError):
        why = "it is no Parquet"
    else:
        why = _wrong(path, frame)
    if why:
        told = "allowed: a file as a run wrote it; without it, that run is not compared with"
        raise DataError(f"{path}: no history of a run ({why}); {told}")
    return History(str(frame["run_id"].iloc[0]), frame)


def _wrong(path: Path, frame: pd.DataFrame) -> str:
    """Say what keeps a table from being a run's; empty where nothing does."""
    if list(frame.columns) != list(COLUMNS):
        return "its columns are others"
    kinds = {c: frame[c].dtype.kind for c in COLUMNS}
    if odd := [c for c, kind in kinds.items() if kind != ("f" if c in _NUMBERS else "O")]:
        return f"column {odd[0]} is of another type"
    if frame.empty:
        return "it is empty"
    texts = frame[[c for c in COLUMNS if c not in _NUMBERS]]
    if not all(isinstance(value, str) for value in texts.to_numpy().flat):
        return "a text is missing"
    runs = {tuple(row) for row in frame[["run_id", "as_of"]].itertuples(index=False)}
    found = name_of(path)
    if found and runs != {(path.stem, found[0])}:
        return "it is another run's"
    return "" if len(runs) == 1 else "it is of several runs"


def name_of(path: Path) -> tuple[str, str, int] | None:
    """Read a file's name: as_of (empty: undated), start and number; None of no run's file.

    Runs are in the order of these.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    found = _FILE.fullmatch(path.stem) if path.suffix == ".parquet" else None
    if found is None:
        return None
    day = found["as_of"].removeprefix("undated")
    return day, found["start"], int(found["again"] or 1)


def read_all(state: str | Path) -> list[History]:
    """Read the runs of a state folder, the newest first.

    Parameters
    ----------
    state : str or pathlib.Path
        The folder; empty: none.

    Raises
    ------
    DataError
        A file is not what a run wrote.
    """
    if not str(state):
        return []
    named = [(found, p) for p in (Path(state) / FOLDER).glob("*") if (found := name_of(p))]
    return [read(path) for _, path in sorted(named, reverse=True)]
