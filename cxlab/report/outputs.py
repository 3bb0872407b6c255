"""What the executed notebooks show, read back: findings, results, pictures."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxlab.errors import AnalysisError
from cxlab.results import FINDINGS_MIME, RESULT_MIME, Finding

__all__ = ["PICTURE_MIME", "Harvest", "Outputs", "gather", "read_outputs"]

PICTURE_MIME = "application/vnd.cxlab.picture+json"
_CUSTOMER = "customer_id"


@dataclass(frozen=True)
class Outputs:
    """What one notebook shows.

    Parameters
    ----------
    notebook : str
        Its name.
    findings : list of dict
        Those of its cell tagged ``findings``.
    results : list of dict
        Every result, as :meth:`cxlab.results.Result.to_dict` gave it.
    pictures : list of dict
        Every picture: name, caption, alt, svg, png.
    """

    notebook: str
    findings: list[dict[str, Any]]
    results: list[dict[str, Any]]
    pictures: list[dict[str, Any]]


@dataclass
class Harvest:
    """What all notebooks show, each name once.

    Parameters
    ----------
    findings : dict of str to dict
        By id.
    tables : dict of str to dict
        By the name of the file: ``columns`` and ``rows``.
    results : dict of str to dict
        By name.
    pictures : dict of str to dict
        By name.
    """

    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    pictures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, outputs: Outputs) -> None:
        """Add what one notebook shows.

        Parameters
        ----------
        outputs : Outputs
            A name that is there already has to stand for the same content.

        Raises
        ------
        AnalysisError
            If a finding, table or picture of that name has another content.
        """
        new = Harvest(
            {f["id"]: f for f in outputs.findings},
            dict(t for r in outputs.results for t in _tables(r)),
            {r["name"]: r for r in outputs.results},
            {_file_name(p["name"]): p for p in outputs.pictures},
        )
        _refuse_change("finding", self.findings, new.findings, _figures)
        _refuse_change("table", self.tables, new.tables, _same)
        _refuse_change("picture", self.pictures, new.pictures, _same)
        for mine, theirs in (
            (self.findings, new.findings),
            (self.tables, new.tables),
            (self.results, new.results),
            (self.pictures, new.pictures),
        ):
            mine.update({k: v for k, v in theirs.items() if k not in mine})


def gather(outputs: Iterable[Outputs]) -> tuple[Harvest, dict[str, str]]:
    """Bring together what several notebooks show.

    Parameters
    ----------
    outputs : iterable of Outputs
        In the order the notebooks run: the first to show something is its source.

    Returns
    -------
    Harvest
        What was found.
    dict of str to str
        The notebooks left out, with the reason.
    """
    harvest, refused = Harvest(), {}
    for one in outputs:
        try:
            harvest.add(one)
        except AnalysisError as error:
            refused[one.notebook] = str(error)
    return harvest, refused


def read_outputs(path: Path, *, include_customers: bool = False) -> Outputs:
    """Read what an executed notebook shows.

    Parameters
    ----------
    path : pathlib.Path
        The executed notebook.
    include_customers : bool
        Whether rows about single customers may be published.

    Raises
    ------
    AnalysisError
        If a result shows single customers that may not be published, or the findings are
        no findings.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = Outputs(path.stem, [], [], [])
    for cell in cells:
        tagged = "findings" in cell["metadata"].get("tags", [])
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if RESULT_MIME in data:
                found.results.append(data[RESULT_MIME])
            if PICTURE_MIME in data:
                found.pictures.append(data[PICTURE_MIME])
            if FINDINGS_MIME in data and tagged:
                rows = data[FINDINGS_MIME]["findings"]
                found.findings.extend(_finding(row, path.stem) for row in rows)
    if not include_customers:
        _refuse_customers(found.results)
    return found


def _finding(row: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """Check a finding; the notebook it is from is the one that showed it."""
    try:
        finding = Finding(**{**row, "notebook": notebook})
    except TypeError as error:
        raise AnalysisError(f"a finding is not as it should be: {error}") from None
    return {name: _rounded(getattr(finding, name)) for name in Finding.__dataclass_fields__}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _refuse_customers(results: Iterable[Mapping[str, Any]]) -> None:
    for result in results:
        for name, table in _tables(result):
            if _CUSTOMER in table["columns"]:
                raise AnalysisError(
                    f"the table {name} shows single customers; a report may do so only "
                    "with publish: {include_customers: true}"
                )


def _tables(result: Mapping[str, Any], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """List a result's table and those of its parts, by the name of the file."""
    name = f"{prefix}{_file_name(result['name'])}"
    found = [(name, result["table"])]
    for part, inner in result["parts"].items():
        found += _tables({**inner, "name": part}, f"{name}.")
    return found


def _file_name(name: str) -> str:
    """Keep what any file system takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip(".-") or "unnamed"


def _same(value: dict[str, Any]) -> Any:
    return value


def _figures(finding: dict[str, Any]) -> Any:
    return {k: v for k, v in finding.items() if k != "notebook"}


def _refuse_change(kind: str, mine: dict[str, Any], theirs: dict[str, Any], of: Any) -> None:
    for name, value in theirs.items():
        if name in mine and of(mine[name]) != of(value):
            raise AnalysisError(f"the {kind} {name} was shown before with other content")
