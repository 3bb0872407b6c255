"""How long the explorer's controls take to answer, on the demo, each moved one step after another.

Writes ``benchmarks/explore.md``; run by ``make bench``.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import ipywidgets
import numpy as np

import cxlab
from cxlab.lab.explore.panel import _Panel
from cxlab.report.tables import write_text

HERE = Path(__file__).parent
ASKED = 300  # milliseconds, of issue 10
READ = 3.0  # seconds that an answer is looked at


async def moved(control: ipywidgets.Widget, pause: float) -> np.ndarray:
    """Pick each of a control's values in turn; give the milliseconds until all is shown.

    What a kernel does in between runs in the pause, and what of it is not over delays the next.
    """
    took = []
    for _, value in control.options:
        if value == control.value:
            continue
        due = time.perf_counter() + pause
        await asyncio.sleep(pause)
        control.value = value
        took.append(1000 * (time.perf_counter() - due))
    return np.array(took)


def row(name: str, took: np.ndarray) -> str:
    """Write a row of the page."""
    share = np.mean(took <= ASKED)
    middle, late = np.quantile(took, (0.5, 0.9))
    return f"| {name} | {len(took)} | {middle:.0f} | {late:.0f} | {share:.0%} |"


async def measured() -> tuple[float, list[str]]:
    """Measure the first answer and each control, as a kernel's loop runs them."""
    started = time.perf_counter()
    panel = _Panel(cxlab.explore(HERE.parent / "data" / "demo"), ipywidgets)
    first = time.perf_counter() - started
    controls = {
        "half-life": panel.half_life,
        "touchpoint": panel.touchpoint,
        "horizon": panel.window,
    }
    rows = [row(name, await moved(control, READ)) for name, control in controls.items()]
    rows.append(row("half-life, without a pause", await moved(panel.half_life, 0.0)))
    rows.append(row("washout (a new frame)", await moved(panel.washout, READ)))
    return first, rows


def main() -> None:
    """Measure, and write the page."""
    first, rows = asyncio.run(measured())
    page = [
        "# Explorer",
        "",
        f"`python benchmarks/explore.py` (in `make bench`): each control of `cxlab.explore` on the "
        f"demo moved to each of its values, {READ:g} s apart, and how long until the words and "
        f"both pictures are there. {os.cpu_count()} cores. Asked: {ASKED} ms once the frame "
        f"stands. The first answer, with loading and the frame: {first:.1f} s.",
        "",
        "| control | moves | median, ms | 90th centile, ms | within |",
        "| --- | --- | --- | --- | --- |",
        *rows,
        "",
    ]
    write_text(HERE / "explore.md", "\n".join(page))


if __name__ == "__main__":
    main()
