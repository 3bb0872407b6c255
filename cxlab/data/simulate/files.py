"""Simulations as files: Parquet tables, ``dataset.yml`` and ``truth.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cxlab.data.simulate.engine import DAYS, Simulation
from cxlab.data.simulate.tables import FIRST_DAY
from cxlab.data.simulate.worlds import STAGES
from cxlab.errors import UsageError

__all__ = ["write"]


def write(simulation: Simulation, directory: Path) -> None:
    """Write a simulation as a dataset: Parquet tables, ``dataset.yml``, ``truth.json``.

    Every file is written aside first, then all are renamed to their names, so what was
    there before is whole until it is replaced.

    Parameters
    ----------
    simulation : Simulation
        From :func:`simulate`.
    directory : Path
        The folder, made if it is not there.

    Raises
    ------
    UsageError
        Nothing can be written there, or it holds files that are no earlier simulation.
    """
    directory = Path(directory)
    aside: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (directory / "truth.json").exists():
            raise UsageError(
                f"{directory}: holds files that are no simulation; allowed: an empty or a new "
                "folder, or one with a truth.json"
            )
        for name in (*(f"{t}.parquet" for t in simulation.tables), "dataset.yml", "truth.json"):
            path = directory / name
            aside[path] = directory / f".{name}.{os.getpid()}.new"
            _write_file(simulation, path, aside[path])
        for path, new in aside.items():
            new.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{directory}: cannot be written ({reason})") from error
    finally:
        for new in aside.values():
            if new.is_file():
                new.unlink()


def _write_file(simulation: Simulation, path: Path, new: Path) -> None:
    if path.suffix == ".parquet":
        _write_table(simulation.tables[path.stem], new)
    elif path.suffix == ".yml":
        new.write_text(_dataset_yml(simulation), encoding="utf-8")
    else:
        text = json.dumps(simulation.truth, indent=2, ensure_ascii=False)
        new.write_text(text + "\n", encoding="utf-8")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one table; times and running ids are stored as differences, which is smaller."""
    # a column of words stays one where all of it is null
    schema = pa.schema(
        [
            (n, pa.string() if t.kind == "O" else pa.from_numpy_dtype(t))
            for n, t in table.dtypes.items()
        ]
    )
    arrow = pa.Table.from_pandas(table, schema, preserve_index=False).replace_schema_metadata(None)
    encodings: dict[str, str] = {}
    for column in arrow.schema:
        if pa.types.is_timestamp(column.type):
            encodings[column.name] = "DELTA_BINARY_PACKED"
        elif column.name in ("interaction_id", "response_id", "text", "comment"):
            encodings[column.name] = "DELTA_BYTE_ARRAY"
    pq.write_table(
        arrow,
        path,
        compression="zstd",
        compression_level=12,
        use_dictionary=[c for c in table.columns if c not in encodings],
        column_encoding=encodings or None,
    )


def _dataset_yml(simulation: Simulation) -> str:
    last = FIRST_DAY + pd.Timedelta(days=DAYS - 1)
    lines = [
        "# Made-up customers; what is true about them is in truth.json.",
        f"name: {simulation.truth['world']}",
        "time_zone: UTC",
        "currency: EUR",
        f"stages: [{', '.join(STAGES)}]",
        f"observed_until: {last:%Y-%m-%d}",
    ]
    return "\n".join(lines) + "\n"
