"""A lake that grows by a month: what ``incremental: true`` saves, beside reading all of it.

Made-up contacts (``_scale_data``), a file a month, as Parquet and as CSV. Writes
``benchmarks/lake.md``; run by hand: ``python benchmarks/lake.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import duckdb
from _scale_run import run
from scale import data_of, truth_of

from cxlab.report.tables import write_text

HERE = Path(__file__).parent
LOAD = "import cxlab, json, sys; d = cxlab.load(sys.argv[1]); print(json.dumps(d.partitions()))"
LOAD += "; open(sys.argv[2], 'w').write(json.dumps(d.partitions()))"
COMMAND = "from cxlab.cli import main; main()"


def lake(folder: Path, source: Path, form: str, incremental: bool) -> list[Path]:
    """Write a dataset's lake; gives the files of its contacts."""
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("interactions", ".cache"))
    settings = folder / "dataset.yml"
    settings.write_text(settings.read_text() + f"\nincremental: {str(incremental).lower()}\n")
    for month in sorted((source / "interactions").glob("*.parquet")):
        part = folder / "interactions" / f"month={month.stem}" / f"part-0.{form}"
        part.parent.mkdir(parents=True)
        duckdb.sql(f"COPY (FROM '{month}') TO '{part}' (FORMAT {form})")
    return sorted((folder / "interactions").rglob(f"*.{form}"))


def timed(words: list[object]) -> float:
    """Run something, and give its seconds."""
    ran = run([sys.executable, "-c", *map(str, words)], float("inf"))
    if ran.outcome != "done":
        raise SystemExit(f"{words}: {ran.outcome} {ran.said}")
    return ran.seconds


def measured(folder: Path, told: Path) -> tuple[float, float, int, bytes]:
    """Load, then run the driver model; gives seconds of each, files read, and what was found."""
    loading = timed([LOAD, folder, told])
    read = json.loads(told.read_text()).get("interactions", {}).get("read")
    every = len([p for p in (folder / "interactions").rglob("part-0.*")])
    with tempfile.TemporaryDirectory() as out:
        drivers = timed([COMMAND, "drivers", folder, "--out", out, "--quick"])
        found = (Path(out) / "drivers.csv").read_bytes()
    return loading, drivers, every if read is None else read, found


def rows(place: Path, source: Path, form: str) -> list[str]:
    """Measure one form of files; gives rows of the page."""
    told, found = place / "told.json", []
    lake(place / "whole", source, form, incremental=False)
    found.append(("all files, every time", measured(place / "whole", told)))
    months = lake(place / "shop", source, form, incremental=True)
    last = months[-1].read_bytes()
    months[-1].unlink()
    first = measured(place / "shop", told)
    months[-1].write_bytes(last)
    found.append(("`incremental`, the first run (a month less)", first))
    found.append(("`incremental`, one new month", measured(place / "shop", told)))
    whole = found[0][1]
    lines = []
    for name, (loading, drivers, read, answer) in found:
        same = "" if answer is first[3] else "yes" if answer == whole[3] else "**no**"
        lines.append(
            f"| {form} | {name} | {read} | {loading:.1f} | {whole[0] / loading:.1f} | "
            f"{drivers:.1f} | {whole[1] / drivers:.2f} | {same} |"
        )
        sys.stdout.write(lines[-1] + "\n")
    return lines


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "cxlab-scale")
    given = parser.parse_args()
    source = data_of(given.millions, given.keep)
    lines = []
    for form in ("parquet", "csv"):
        with tempfile.TemporaryDirectory() as made:
            lines += rows(Path(made), source, form)
    page = [
        "# A lake that grows by a month",
        "",
        f"{truth_of(source)['events']:,} contacts in 24 files, {os.cpu_count()} cores. "
        "`cxlab.load`, then `cxlab drivers --quick`, each a process of its own; the load finds "
        "the files new, the drivers what the load has kept. Made by `python benchmarks/lake.py`.",
        "",
        "| files | | files read | load, s | times as fast | drivers, s | times as fast | the same "
        "`drivers.csv` |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *lines,
        "",
    ]
    write_text(HERE / "lake.md", "\n".join(page))


if __name__ == "__main__":
    main()
