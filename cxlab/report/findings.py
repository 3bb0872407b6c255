"""Write ``findings.json`` and ``drivers.csv``: the same bytes for the same answers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.errors import AnalysisError
from cxlab.report.files import write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DRIVERS", "csv_text", "drivers_text", "write_drivers", "write_findings"]

DRIVERS = (
    "rank",
    "touchpoint",
    "valence",
    "hazard_ratio",
    "conf_low",
    "conf_high",
    "p_value",
    "q_value",
    "exposed_customers",
    "exposures",
    "attributable_churn",
    "attributable_churn_low",
    "attributable_churn_high",
    "attributable_share",
    "value_at_risk",
    "value_at_risk_low",
    "value_at_risk_high",
    "top3_probability",
    "verdict",
    "why",
)
"""The columns of ``drivers.csv``, in order."""

_WHOLE = frozenset({"rank", "exposed_customers", "exposures"})


def write_findings(
    path: Path,
    *,
    as_of: str,
    name: str,
    sha256: Mapping[str, str],
    findings: Iterable[Mapping[str, Any]],
) -> None:
    """Write ``findings.json``: no run times and no paths, so that it can be compared.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    as_of : str
        The date up to which data were seen.
    name : str
        The dataset's name.
    sha256 : mapping of str to str
        The data's hash, by table.
    findings : iterable of mapping
        The findings, rounded.
    """
    content = {
        "schema_version": 1,
        "as_of": as_of,
        "dataset": {"name": name, "sha256": dict(sorted(sha256.items()))},
        "findings": [dict(f) for f in findings],
    }
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def write_drivers(table: pd.DataFrame, path: Path) -> None:
    """Write the driver table as ``drivers.csv``.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a touchpoint and valence; it has every column of :data:`DRIVERS`.
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
    missing = [c for c in DRIVERS if c not in table.columns]
    if missing:
        raise AnalysisError(f"the driver table lacks the columns {', '.join(missing)}")
    columns = [table[c].astype(object).tolist() for c in DRIVERS]
    texts = [
        [_whole(v, c) if c in _WHOLE else _text(v) for v in values]
        for c, values in zip(DRIVERS, columns, strict=True)
    ]
    return csv_text(DRIVERS, zip(*texts, strict=True))


def csv_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Give rows as CSV, with ``\\n`` line ends and figures as ``%.6g``.

    Parameters
    ----------
    columns : sequence of str
        The header.
    rows : iterable of iterable
        The values; None and not-a-number are left empty.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([v if isinstance(v, str) else _text(v) for v in row] for row in rows)
    return buffer.getvalue()


def _missing(value: Any) -> bool:
    if value is None or isinstance(value, (str, bool)):
        return value is None
    return bool(value != value) if type(value).__name__ != "NAType" else True


def _text(value: Any) -> str:
    """Give a value as it stands in a file."""
    if _missing(value):
        return ""
    if hasattr(value, "item"):  # numpy's scalars
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        return f"{value + 0.0:.6g}"  # no minus before a zero
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _whole(value: Any, column: str) -> str:
    """Give a count, which a column with gaps holds as a float."""
    if _missing(value):
        return ""
    if isinstance(value, str) or float(value) != round(float(value)):
        raise AnalysisError(f"the driver table's {column} is {value!r}, no whole number")
    return str(round(float(value)))
