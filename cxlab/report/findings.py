"""Gather what the executed notebooks show: ``findings.json``, ``drivers.csv``, tables, pictures.

The same answers give the same bytes.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.errors import AnalysisError, one_of
from cxlab.plots.picture import PICTURE_MIME
from cxlab.report.state import is_state_file
from cxlab.report.tables import csv_text, write_tables, write_text
from cxlab.results import (
    FINDINGS_MIME,
    KEPT_MIME,
    LISTING_MIME,
    RESULT_MIME,
    Finding,
    Listing,
    Result,
)

if TYPE_CHECKING:
    import pandas as pd

    from cxlab.data.dataset import Dataset

__all__ = [
    "DRIVERS_RESULT",
    "LISTINGS",
    "Harvest",
    "collect",
    "drivers_text",
    "file_name",
    "read_outputs",
    "write_drivers",
    "write_found",
    "write_listing",
]

DRIVERS_RESULT = "churn_drivers"
"""The result that becomes ``drivers.csv``."""

LISTINGS = ("risk",)
"""The listings that are written: ``risk.csv``."""

_REMEMBERED = 32  # notebooks: more than a run has
_ONE = {"kept": "file"}
_KINDS = ("findings", "tables", "pictures", "kept", "listings")
_WHOLE = ("rank", "exposed_customers", "exposures")


@dataclass
class Harvest:
    """What notebooks show.

    Parameters
    ----------
    findings : dict of str to dict
        By id.
    tables : dict of str to dict
        By the name of the file: ``columns``, ``rows`` and the ``notebook`` that shows it.
    pictures : dict of str to dict
        By the name of the file: ``caption``, ``alt``, ``data``, ``svg``, ``png``.
    results : dict of str to dict
        By name, as :meth:`cxlab.results.Result.to_dict` gave them.
    sources : dict of str to str
        The notebook that shows a result, by the result's name.
    kept : dict of str to dict
        What is handed to the next run, by the name of the file: ``name`` and ``text``.
    listings : dict of str to dict
        Long tables that are files of their own, by name, as :meth:`cxlab.results.Listing.to_dict`
        gave them.
    """

    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    listings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, other: Harvest) -> None:
        """Add what another notebook shows; the first to show something is its source.

        Parameters
        ----------
        other : Harvest
            A name that is there already has to stand for the same content.

        Raises
        ------
        AnalysisError
            If a finding, table or picture of that name has another content.
        """
        for kind in _KINDS:
            mine, theirs = getattr(self, kind), getattr(other, kind)
            for name in mine.keys() & theirs.keys():
                if {**mine[name], "notebook": ""} != {**theirs[name], "notebook": ""}:
                    what = f"the {_ONE.get(kind, kind.removesuffix('s'))} {name}"
                    raise AnalysisError(f"{what} was shown before with other content")
        for kind in (*_KINDS, "results", "sources"):
            mine = getattr(self, kind)
            mine.update({k: v for k, v in getattr(other, kind).items() if k not in mine})


def collect(folder: Path, names: Iterable[str]) -> tuple[Harvest, dict[str, str]]:
    """Read what notebooks found.

    Parameters
    ----------
    folder : pathlib.Path
        Where the executed notebooks are.
    names : iterable of str
        The notebooks, each run to its end, in the order they were to run.

    Returns
    -------
    Harvest
        What was found.
    dict of str to str
        The notebooks left out, with the reason.
    """
    harvest, refused = Harvest(), {}
    for name in names:
        try:
            harvest.add(read_outputs(folder / f"{name}.ipynb"))
        except AnalysisError as error:
            refused[name] = str(error)
    return harvest, refused


def read_outputs(path: Path) -> Harvest:
    """Read what an executed notebook shows: once, as long as the file is the same.

    Parameters
    ----------
    path : pathlib.Path
        The executed notebook.

    Raises
    ------
    AnalysisError
        If its findings are no findings, a name stands for two things, or its driver table
        cannot be written.
    """
    told = path.stat()
    return _read_outputs(path, (told.st_ino, told.st_mtime_ns, told.st_size))


@lru_cache(_REMEMBERED)
def _read_outputs(path: Path, _: tuple[int, ...]) -> Harvest:
    found = Harvest()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        tagged = "findings" in cell["metadata"].get("tags", [])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if RESULT_MIME in data:
                result = data[RESULT_MIME]
                _add("result", found.results, result["name"], result)
                found.sources[result["name"]] = path.stem
            if PICTURE_MIME in data:
                picture = data[PICTURE_MIME]
                _add("picture", found.pictures, file_name(picture["name"]), picture)
            if KEPT_MIME in data:
                kept = data[KEPT_MIME]
                _add("file", found.kept, _state_file(kept["name"]), kept)
            if LISTING_MIME in data:
                listing = data[LISTING_MIME]
                _add("listing", found.listings, _listed(listing["name"]), listing)
            if FINDINGS_MIME in data and tagged:
                rows = data[FINDINGS_MIME]["findings"]
                for finding in (_finding(row, path.stem) for row in rows):
                    _add("finding", found.findings, finding["id"], finding)
    found.tables = {n: {**t, "notebook": path.stem} for n, t in _all_tables(found).items()}
    if DRIVERS_RESULT in found.results:
        drivers_text(Result.from_dict(found.results[DRIVERS_RESULT]).table)
    return found


def _all_tables(found: Harvest) -> dict[str, dict[str, Any]]:
    """Give the tables of results, their parts and pictures, by the name of the file."""
    tables: dict[str, dict[str, Any]] = {}
    for result in found.results.values():
        for name, table in _tables(result):
            _add("table", tables, name, table)
    for result in found.results.values():
        for name, table in _parts(result):
            if tables.get(name) == table:
                del tables[name]  # a part that was shown once more by itself
    for name, picture in found.pictures.items():
        _add("table", tables, name, picture["data"])
    return tables


def _parts(result: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the tables of a result's parts by the names that those have themselves."""
    for part in result["parts"].values():
        yield file_name(part["name"]), part["table"]
        yield from _parts(part)


def _add(kind: str, shown: dict[str, dict[str, Any]], name: str, thing: dict[str, Any]) -> None:
    """Add what a notebook shows; shown twice, it has to be the same."""
    if shown.setdefault(name, thing) != thing:
        raise AnalysisError(f"the {kind} {name} was shown before with other content")


def _finding(row: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """Check a finding; the notebook it is from is the one that showed it."""
    try:
        finding = Finding(**{**row, "notebook": notebook})
    except TypeError as error:
        raise AnalysisError(f"a finding is not as it should be: {error}") from None
    return {name: _rounded(getattr(finding, name)) for name in Finding.__dataclass_fields__}


def _state_file(name: str) -> str:
    """Refuse to hand on a file under a name that cannot be."""
    if not is_state_file(name):
        raise AnalysisError(f"the file {name!r} cannot be kept; allowed: a name such as themes.yml")
    return name


def _listed(name: str) -> str:
    """Refuse a listing whose file might take the place of another."""
    if name not in LISTINGS:
        raise AnalysisError(one_of("a listing's name", name, LISTINGS))
    return name


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _tables(result: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a result's table and those of its parts, by the name of the file."""
    name = f"{prefix}{file_name(result['name'])}"
    yield name, result["table"]
    for part, inner in result["parts"].items():
        yield from _tables({**inner, "name": part}, f"{name}.")


def file_name(name: str) -> str:
    """Give the name of a result or a picture as its files have it: what any system takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "unnamed"


def write_found(folder: Path, dataset: Dataset, harvest: Harvest) -> None:
    """Write ``findings.json``, ``drivers.csv``, listings such as ``risk.csv``, and ``tables/``.

    ``findings.json`` holds no run times and no paths, so that runs can be compared.

    Parameters
    ----------
    folder : pathlib.Path
        Where to.
    dataset : Dataset
        The data.
    harvest : Harvest
        What was found.
    """
    content = {
        "schema_version": 1,
        "as_of": dataset.day,
        "dataset": {"name": dataset.name, "sha256": dict(sorted(dataset.sha256().items()))},
        "findings": list(harvest.findings.values()),
    }
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    write_text(folder / "findings.json", text + "\n")
    if DRIVERS_RESULT in harvest.results:
        table = Result.from_dict(harvest.results[DRIVERS_RESULT]).table
        write_drivers(table, folder / "drivers.csv")
    for name, listing in harvest.listings.items():
        write_listing(Listing.from_dict(listing), folder / f"{name}.csv")
    write_tables(harvest.tables, folder / "tables")


def write_listing(listing: Listing, path: Path) -> None:
    """Write a long table as a file of its own.

    Parameters
    ----------
    listing : Listing
        Its rows.
    path : pathlib.Path
        The file, replaced by rename.
    """
    table = listing.table
    columns = [table[c].tolist() for c in table]
    write_text(path, csv_text([str(c) for c in table], zip(*columns, strict=True)))


def write_drivers(table: pd.DataFrame, path: Path) -> None:
    """Write the driver table as ``drivers.csv``.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a touchpoint and valence; it has at least the columns of the file.
    path : pathlib.Path
        The file, replaced by rename.

    Raises
    ------
    AnalysisError
        If a column is missing, or a count is no whole number.
    """
    write_text(path, drivers_text(table))


def drivers_text(table: pd.DataFrame) -> str:
    """Give the driver table as ``drivers.csv`` holds it; see :func:`write_drivers`."""
    from cxlab.analyses.churn_drivers import COLUMNS

    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise AnalysisError(f"the driver table lacks the columns {', '.join(missing)}")
    known = table[list(COLUMNS)].astype(object)
    known = known.where(known.notna(), None)
    columns = [_counts(known[c], c) if c in _WHOLE else known[c].tolist() for c in COLUMNS]
    return csv_text(COLUMNS, zip(*columns, strict=True))


def _counts(values: Iterable[Any], column: str) -> Iterator[int | None]:
    """Give counts, which a column with gaps holds as floats."""
    for value in values:
        if value is not None and (isinstance(value, str) or float(value) != round(float(value))):
            raise AnalysisError(f"the driver table's {column} is {value!r}, no whole number")
        yield None if value is None else round(float(value))
