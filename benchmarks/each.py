"""Twenty segments fanned out by one spec: how long it takes, and how much memory.

Simulated customers of the demo's world, in twenty branches of equal size. Writes
``benchmarks/each.md``; run by hand: ``python benchmarks/each.py``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from render import held

from cxlab.data import simulate
from cxlab.report.registry import read_registry
from cxlab.report.tables import write_text

HERE = Path(__file__).parent
SEGMENTS, MINUTES, MEMORY = 20, 6.0, 4.0  # asked of issue 9; GiB
FEW = ["00_summary", "05_churn_drivers", "11_what_to_fix"]


def world(folder: Path, customers: int) -> Path:
    """Simulate customers, each of one of twenty branches."""
    made = simulate.simulate("demo", customers, 0)
    simulate.write(made, folder)
    file = folder / "customers.parquet"
    table = pd.read_parquet(file)
    draw = np.random.default_rng(1).permutation(len(table)) % SEGMENTS
    table["branch"] = [f"branch {k + 1:02d}" for k in draw]
    table.to_parquet(file, index=False)
    return folder


def measured(folder: Path, data: Path, notebooks: list[str]) -> tuple[float, float, int]:
    """Render; give seconds, the most memory held at once in GiB, and how many reports are good."""
    spec = folder / f"{len(notebooks)}.yml"
    asked = {"title": "Branches", "dataset": str(data), "notebooks": notebooks}
    spec.write_text(yaml.safe_dump(asked | {"each": {"branch": "all"}}))
    call = [sys.executable, "-c", "from cxlab.cli import main; main()", "render", str(spec)]
    started, most = time.perf_counter(), 0.0
    running = subprocess.Popen([*call, "--quick"], stdout=subprocess.DEVNULL)
    while running.poll() is None:
        most = max(most, held(running.pid))
        time.sleep(0.5)
    seconds = time.perf_counter() - started
    runs = list((spec.with_suffix("") / "each").glob("*/latest"))
    return seconds, most, len(runs)


def row(name: str, found: tuple[float, float, int]) -> str:
    """Write a row of the page."""
    seconds, memory, good = found
    bar = "yes" if seconds <= 60 * MINUTES else "no"
    fits = "yes" if memory <= MEMORY else "no"
    return f"| {name} | {good} of {SEGMENTS} | {seconds / 60:.1f} | {bar} | {memory:.1f} | {fits} |"


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--only", choices=["few", "all"])
    parser.add_argument("--keep", type=Path, help="a folder that stays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        data = world(folder / "data", given.customers)
        people = len(pd.read_parquet(data / "customers.parquet"))
        every = list(read_registry().notebooks)
        sets = {"few": (f"{len(FEW)} notebooks", FEW), "all": (f"all {len(every)}", every)}
        rows = []
        for key, (name, notebooks) in sets.items():
            if given.only in (None, key):
                rows.append(row(name, measured(folder, data, notebooks)))
                sys.stdout.write(rows[-1] + "\n")
    page = [
        "# Twenty segments, one spec",
        "",
        f"`cxlab render --quick` of a spec with `each`, {people:,} simulated customers in "
        f"{SEGMENTS} branches, {os.cpu_count()} cores. Asked: at most {MINUTES:g} minutes and "
        f"{MEMORY:g} GiB. Made by `python benchmarks/each.py`.",
        "",
        "| notebooks | good reports | minutes | in time | GiB | fits |",
        "| --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    if given.only is None:
        write_text(HERE / "each.md", "\n".join(page))


if __name__ == "__main__":
    main()
