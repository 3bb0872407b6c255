"""A report of the demo beside what one would do without cxlab: papermill and nbconvert in a loop.

The same notebooks with the same parameters, one after the other by the two command lines; a
kernel is told where cxlab is and nothing else. Writes ``benchmarks/render.md``; run by
``make bench``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cxlab.report.registry import read_registry
from cxlab.report.tables import write_text

TIMES = {True: 3, False: 2}
"""How often a report is made, quick and in full; the median counts, of two the slower."""

HERE = Path(__file__).parent
ROOT = HERE.parent
DEMO = ROOT / "data" / "demo"
# Of the issue: seconds of a render, quick and in full; overhead of a notebook; times as fast; GiB.
QUICK, FULL, OVERHEAD, FASTER, MEMORY = 60.0, 240.0, 1.5, 3.0, 4.0


def ours(folder: Path, quick: bool) -> tuple[float, dict[str, Any], float]:
    """Render the demo; give the seconds, the manifest and the most memory held at once, in GiB."""
    call = [sys.executable, "-c", "from cxlab.cli import main; main()", "render"]
    out = Path(tempfile.mkdtemp(dir=folder))
    forget()
    call += [str(ROOT / "reports" / "demo.yml"), "--out", str(out), *(["--quick"] if quick else [])]
    started = time.perf_counter()
    running = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    most = 0.0
    while running.poll() is None:
        most = max(most, held(running.pid))
        time.sleep(0.25)
    seconds = time.perf_counter() - started
    if running.returncode:
        raise SystemExit("the report failed")
    manifest = json.loads((out / "latest" / "manifest.json").read_text())
    return seconds, manifest | {"path": str((out / "latest").resolve())}, most


def forget() -> None:
    """Take away what an earlier run has prepared: it would be read, not made."""
    shutil.rmtree(DEMO / ".cache" / "prepared", ignore_errors=True)


def held(pid: int) -> float:
    """Add up the memory of a process and all that it started, what they share once, in GiB."""
    import psutil

    total = 0
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in family:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**30


def overheads(manifest: dict[str, Any]) -> dict[str, float]:
    """Give each notebook's wall time less that of its cells, in seconds."""
    found = {}
    for name, told in manifest["notebooks"].items():
        if told["status"] != "ok":
            continue
        cells = json.loads((Path(manifest["path"]) / f"{name}.ipynb").read_text())["cells"]
        own = [c["metadata"].get("papermill", {}).get("duration") or 0.0 for c in cells]
        found[name] = told["seconds"] - sum(own)
    return found


def by_hand(folder: Path, names: list[str], quick: bool) -> tuple[float, list[str]]:
    """Run papermill and nbconvert on each notebook in turn; give the seconds, and what failed."""
    place = folder / f"hand-{quick}"
    place.mkdir()
    forget()
    beside = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    failed = []
    started = time.perf_counter()
    for name in names:
        executed = place / f"{name}.ipynb"
        # 00_summary reads what the others found, which nobody has gathered here.
        call = ["papermill", str(ROOT / "notebooks" / f"{name}.ipynb"), str(executed)]
        call += ["--no-progress-bar", "-p", "dataset", str(DEMO), "-p", "quick", str(quick)]
        for command in (call, ["jupyter", "nbconvert", "--to", "html", str(executed)]):
            program = Path(sys.executable).parent / command[0]
            done = subprocess.run(
                [str(program), *command[1:]],
                env={**os.environ, **beside},
                capture_output=True,
                check=False,
            )
            if done.returncode:
                failed.append(f"{name}: {command[0]}")
    return time.perf_counter() - started, failed


def main() -> None:
    """Time both and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.parse_known_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        rows = []
        for quick in (True, False):
            # Before and after what it is held against: a machine is not as fast all the time.
            runs = [ours(folder, quick) for _ in range(TIMES[quick] - 1)]
            theirs, failed = by_hand(folder, list(runs[0][1]["notebooks"]), quick)
            runs.append(ours(folder, quick))
            seconds, manifest, _ = sorted(runs, key=lambda run: run[0])[len(runs) // 2]
            extra, memory = overheads(manifest), max(run[2] for run in runs)
            if failed:
                raise SystemExit(f"by hand: {'; '.join(failed)}")
            rows.append((quick, seconds, theirs, extra, memory))
    text = page(rows, len(read_registry().notebooks))
    write_text(HERE / "render.md", text)
    print(text)  # noqa: T201


def page(rows: list[tuple[bool, float, float, dict[str, float], float]], count: int) -> str:
    """Write the page."""
    lines = [
        "# Render",
        "",
        f"`python benchmarks/render.py` (in `make bench`): the demo report, {count} notebooks, "
        f"two at a time, beside `papermill` and `jupyter nbconvert` called for each notebook in "
        f"turn. {os.cpu_count()} cores. Seconds are the median of three reports, in full the "
        "slower of two, made before and after the loop. Neither finds anything that an earlier "
        "run has prepared.",
        "",
        "| what | figure | bar |  |",
        "| --- | --- | --- | --- |",
    ]

    def line(what: str, figure: float, bar: float, unit: str, least: bool = False) -> str:
        met = figure >= bar if least else figure <= bar
        words = f"at {'least' if least else 'most'} {bar:g}{unit}"
        return f"| {what} | {figure:.1f}{unit} | {words} | {'met' if met else '**not met**'} |"

    for quick, seconds, theirs, extra, memory in rows:
        name = "`--quick`" if quick else "in full"
        worst = max(extra, key=lambda n: extra[n])
        lines += [
            line(f"{name}: all notebooks", seconds, QUICK if quick else FULL, " s"),
            line(f"{name}: times as fast as by hand ({theirs:.1f} s)", theirs / seconds, FASTER,
                 "", least=True),
            line(f"{name}: the most a notebook takes beside its cells ({worst})", extra[worst],
                 OVERHEAD, " s"),
            line(f"{name}: memory of all processes", memory, MEMORY, " GiB"),
        ]  # fmt: skip
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
