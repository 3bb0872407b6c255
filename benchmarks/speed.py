"""How long the commands take, and how the driver model compares with lifelines by hand.

The alternative is lifelines' CoxTimeVaryingFitter on all weekly rows, the way to fit
time-varying exposures without cxlab, given the very exposures cxlab computed. Both times
come from one run. Writes ``benchmarks/speed.md``; run by ``make bench``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from cxlab.report.tables import write_text

HERE = Path(__file__).parent
DEMO = HERE.parent / "data" / "demo"
REPORTS = HERE.parent / "reports"
# Of the commands that take seconds; those that take a minute run once.
RUNS = 3


def command(*words: str, runs: int = RUNS) -> float:
    """Give the median wall time of a cxlab command, in seconds."""
    call = [sys.executable, "-c", "from cxlab.cli import main; main()", *words]
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(call, check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def against_lifelines() -> tuple[float, float, float, float]:
    """Time cxlab's fit and lifelines' on the demo; give both and the shift in estimates."""
    from lifelines import CoxTimeVaryingFitter

    from cxlab.analyses import churn_drivers
    from cxlab.data.dataset import load
    from cxlab.frames.exposures import Kernel, contacts, measure
    from cxlab.frames.periods import risk_set
    from cxlab.frames.sampling import draw

    dataset = load(DEMO)
    started = time.perf_counter()
    result = churn_drivers.estimate(dataset)
    ours = time.perf_counter() - started

    estimates = result.table[(result.table["valence"] == "bad") & result.table["estimate"].notna()]
    names = list(estimates.loc[estimates["verdict"] == "driver", "touchpoint"])
    started = time.perf_counter()
    risk = risk_set(dataset, 7)
    rows = draw(risk, "full").rows
    known = contacts(dataset).kept(risk)
    half_life = float(result.meta["half_life_days"])
    measured = measure(dataset, known, rows, {"decay": Kernel(half_life)}, 3.0)
    frame = pd.DataFrame({"id": rows["spell"], "event": rows["event"]})
    frame["start"] = np.floor(rows["tenure"] / 7)
    frame["stop"] = frame["start"] + 1
    for kind in ("all", "bad"):
        for name in names:
            column = known.touchpoints.index(name)
            frame[f"{name} {kind}"] = measured["decay", kind][:, column]
    fitted = CoxTimeVaryingFitter().fit(
        frame, id_col="id", event_col="event", start_col="start", stop_col="stop"
    )
    theirs = time.perf_counter() - started
    table = estimates.set_index("touchpoint").loc[names]
    cox = np.array([fitted.params_[f"{name} bad"] for name in names])
    shift = float(np.abs((cox - table["estimate"]) / table["se"]).max())
    return ours, theirs, len(frame), shift


def main() -> None:
    """Time everything and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            ("`cxlab --help`", command("--help")),
            ("`cxlab check data/demo`", command("check", str(DEMO))),
            (
                "`cxlab drivers data/demo --quick`",
                command("drivers", str(DEMO), "--out", folder, "--quick"),
            ),
            (
                "`cxlab drivers data/demo`",
                command("drivers", str(DEMO), "--out", folder, runs=1),
            ),
            *(
                (
                    f"`cxlab render reports/{name}.yml`",
                    command(
                        *("render", str(REPORTS / f"{name}.yml"), "--out", f"{folder}/{name}"),
                        runs=runs,
                    ),
                )
                for name, runs in (("telco", RUNS), ("demo", 1))
            ),
        ]
    ours, theirs, weekly, shift = against_lifelines()
    text = [
        "# Speed",
        "",
        f"`make bench`: median wall time of {RUNS} runs of each command, one run of "
        "those that take long.",
        "",
    ]
    text += ["| command | seconds |", "|---|---|"]
    text += [f"| {name} | {seconds:.1f} |" for name, seconds in rows]
    text += [
        "",
        f"The driver model on `data/demo`, from loaded tables to the table of all touchpoints "
        f"with half-life, separation and verdicts: {ours:.1f} s. lifelines' CoxTimeVaryingFitter "
        f"on {weekly:,} weekly rows, the drivers' columns alone and at a half-life already known: "
        f"{theirs:.1f} s, {theirs / ours:.1f} times as long. The drivers' estimates differ by at "
        f"most {shift:.2f} standard errors.",
        "",
    ]
    write_text(HERE / "speed.md", "\n".join(text))
    print("\n".join(text))  # noqa: T201


if __name__ == "__main__":
    main()
