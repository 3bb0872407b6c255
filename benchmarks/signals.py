"""Is what is called a signal one, how often is noise called one, and are the sizes right?

Draws series, hazards and customers whose truth is known, and holds control charts, lead and lag,
cliffs, what follows a first bad contact, handoffs, channels and weights for silence against it.
Writes ``benchmarks/signals.md``. Run by ``make recovery``; never a timed test.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import _signal_worlds as worlds
import numpy as np
import pandas as pd
from _figures import Figure, ratio, share
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from cxlab.report.tables import write_text

TAUS = (0.0, 0.5, 1.0, 2.0)
CARRIED = (0.0, 0.5, 0.8)
LEADS = {"leads by 2": 2, "lags by 1": -1, "moves together": 0}
MEDIANS = (50, 300)
CLIFF = (30, 0.05)  # the day of tenure, and the share that leaves then besides
# What is drawn, and how many worlds of it.
STUDIES: dict[str, tuple[worlds.World, int]] = {
    **{f"level {t:g}": (worlds.chart_world(t), 1000) for t in TAUS},
    **{f"shift {t:g}": (worlds.chart_world(t, 2.0), 300) for t in (0.0, 1.0)},
    **{f"no lead {c:g}": (worlds.lead_world(None, c), 1500) for c in CARRIED},
    **{name: (worlds.lead_world(lag, 0.5), 300) for name, lag in LEADS.items()},
    **{f"medians {n}": (worlds.median_world(n), 2000) for n in MEDIANS},
    "smooth": (worlds.cliff_world(), 300),
    "hump": (worlds.cliff_world(hump=True), 150),
    "cliff": (worlds.cliff_world([CLIFF[0]], CLIFF[1]), 250),
    "months": (worlds.cliff_world(worlds.MONTHS, 0.006), 150),
    "closed": (worlds.closed_world, 100),
    "null": (worlds.first_bad_world("null"), 30),
    "confounded": (worlds.first_bad_world("confounded"), 20),
    "handoff": (worlds.handoff_world(0.1, 0.6), 40),
    "no handoff": (worlds.handoff_world(0.0, 0.6), 40),
    "channels": (worlds.channel_world, 50),
    "known silence": (worlds.silence_world("plain", known=True), 12),
    "silent": (worlds.silence_world("silent", known=False), 8),
}


@dataclass(frozen=True)
class Line:
    """A line of the page: a figure of one study, the bar, and how it is written."""

    study: str
    figure: str
    what: str
    bar: tuple[float, float] | None = None
    unit: str = "%"


# Set beforehand: false alarms at their level, intervals at theirs, no bias, a power of 80%.
ALARMS, COVERED, UNBIASED, POWER = (0.0, 0.05), (0.93, 0.97), (0.0, 0.0), (0.8, 1.0)
_POINTS = " points"
LINES: dict[str, list[Line]] = {
    "Control charts, 24 periods": [
        *(Line(f"level {t:g}", "told", f"no change, tau {t:g}: a change told", ALARMS)
          for t in TAUS),
        *(line for t in (0.0, 1.0) for line in (
            Line(f"shift {t:g}", "told", f"shift of 2 sd, tau {t:g}: a change told", POWER),
            Line(f"shift {t:g}", "shift", "of these, called a shift (not a trend or one period)"),
            Line(f"shift {t:g}", "dated", "of these, called a shift and dated within a period",
                 POWER))),
    ],
    "Lead and lag, 12 groups, 24 periods": [
        *(Line(f"no lead {c:g}", "told", f"nothing to do with each other, persistence {c:g}: "
               "a lead or lag told", ALARMS) for c in CARRIED),
        Line("no lead 0.5", "raw", "raw correlation above 0.5, persistence 0.5"),
        *(Line(name, "right", f"{name}: told, with that lag", POWER) for name in LEADS),
    ],
    "Change of medians": [
        line for n in MEDIANS for line in (
            Line(f"medians {n}", "told", f"the same times, {n} customers each: p below 0.05",
                 ALARMS),
            Line(f"medians {n}", "held", f"{n} customers each: intervals that hold no change",
                 COVERED))
    ],
    "Cliffs": [
        Line("smooth", "alarm", "falling hazard: a cliff told", ALARMS),
        Line("hump", "alarm", "broad hump: a cliff told", ALARMS),
        Line("cliff", "found", "5 of 100 more leave on day 30: found", POWER),
        Line("cliff", "alarm", "besides, a cliff told where there is none", ALARMS),
        Line("cliff", "size", "size told / true size", (1.0, 1.0), ""),
        Line("cliff", "ratio held", "intervals that hold the true ratio of hazards", COVERED),
        Line("cliff", "excess held", "intervals that hold who left beyond the smooth rate",
             COVERED),
        Line("months", "found", "0.6 of 100 more leave every 30 days: found as a row", POWER),
        Line("months", "size", "of the row: size told / true size", (1.0, 1.0), ""),
        Line("months", "ratio held", "of the row: intervals that hold the true ratio of hazards",
             COVERED),
    ],
    "After a first bad contact": [
        *(line for m in worlds.MARKS for line in (
            Line("closed", f"off {m}", f"closed form ({100 * worlds.first_bad_truth(m):.1f} "
                 f"points after {m} days): estimate less truth", UNBIASED, _POINTS),
            Line("closed", f"held {m}", f"after {m} days: intervals that hold the truth",
                 COVERED))),
        Line("null", "days", "`null`: difference in the mean of a year", UNBIASED, " days"),
        Line("null", "se", "`null`: its standard error, as told", None, " days"),
        Line("null", "told", "`null`: differences told (p below 0.05)", ALARMS),
        Line("null", "ever", "`null`: ever against never, at 180 days", None, _POINTS),
        Line("confounded", "days", "`confounded`: difference in the mean of a year "
             "(in truth a harm)", (-np.inf, 0.0), " days"),
        Line("confounded", "harm", "`confounded`: a harm told"),
        Line("confounded", "ever", "`confounded`: ever against never, at 180 days", None, _POINTS),
    ],
    "Handoffs, which go to the hard touchpoint more often": [
        line for study, effect in (("handoff", "+10 points"), ("no handoff", "0")) for line in (
            Line(study, "off", f"truth {effect}: estimate less truth", UNBIASED, _POINTS),
            Line(study, "held", f"truth {effect}: intervals that hold it", COVERED),
            Line(study, "raw", f"truth {effect}: raw difference less truth", None, _POINTS))
    ],
    "Channels that do nothing": [
        Line("channels", "from the landmark", "from the landmark: differences told", ALARMS),
        Line("channels", "adjusted", "adjusted: differences told", ALARMS),
        Line("channels", "half", "as quoted: hazard ratio of the most surely below one half"),
    ],
    "NPS and those who do not answer": [
        Line("known silence", "raw", "silence goes with the plan: NPS told less truth", None,
             _POINTS),
        Line("known silence", "off", "silence goes with the plan: weighted less truth", UNBIASED,
             _POINTS),
        Line("known silence", "held", "silence goes with the plan: weighted intervals that hold "
             "the truth", COVERED),
        Line("silent", "raw", "`silent`, with the score itself: NPS told less truth", None,
             _POINTS),
        Line("silent", "off", "`silent`, with the score itself: weighted less truth", None,
             _POINTS),
    ],
}  # fmt: skip


def one(job: tuple[str, int]) -> dict[str, float]:
    """Draw one world of a study and give its figures."""
    study, seed = job
    draw = np.random.default_rng([list(STUDIES).index(study), seed])
    return STUDIES[study][0](draw, seed)


def _alone() -> None:
    """Keep a process to one core, and its bars from ours."""
    threadpool_limits(limits=1)
    sys.stderr = io.StringIO()


def figure_of(values: pd.Series, percent: bool) -> Figure:
    """Give the mean over worlds with its Monte Carlo error."""
    values = values.dropna()
    seeds = values.index.to_series()
    if percent:
        return share(values, seeds)
    return ratio(values, pd.Series(1.0, index=values.index), seeds)


def outcome(figure: Figure, bar: tuple[float, float] | None) -> str:
    """Say whether a bar is met; within error: by two Monte Carlo errors at most."""
    if bar is None:
        return "no bar"
    off = max(bar[0] - figure.value, figure.value - bar[1])
    if off <= 0:
        return "met"
    return "met within error" if off <= 2 * figure.error else "**not met**"


def _limits(bar: tuple[float, float] | None, unit: str) -> str:
    if bar is None:
        return "none"
    low, high = (f"{100 * x if unit == '%' else x:.3g}{unit}" for x in bar)
    if bar[0] == bar[1]:
        return low
    if bar == POWER:
        return f"at least {low}"
    return f"at most {high}" if bar == ALARMS or np.isinf(bar[0]) else f"{low} to {high}"


def _row(line: Line, found: dict[str, pd.DataFrame]) -> list[str]:
    figure = figure_of(found[line.study][line.figure], line.unit == "%")
    scale, digits = (100, 1) if line.unit == "%" else (1, 2)
    sign = "+" if line.unit in (_POINTS, " days") and line.figure != "se" else ""
    value = f"{scale * figure.value:{sign}.{digits}f} ± {scale * figure.error:.{digits}f}"
    cells = [line.what, value + line.unit, f"{figure.n:,}", _limits(line.bar, line.unit)]
    return [*cells, outcome(figure, line.bar)]


def page(found: dict[str, pd.DataFrame], command: str) -> str:
    """Write the page from the figures of each study's worlds."""
    tables, outcomes = [], []
    for name, lines in LINES.items():
        rows = [_row(line, found) for line in lines]
        outcomes += [row[-1] for row in rows]
        head = ["what", "figure ± Monte Carlo s.e.", "worlds", "bar", ""]
        cells = [head, ["---"] * len(head), *rows]
        tables += ["", f"## {name}", "", *("| " + " | ".join(row) + " |" for row in cells)]
    spread = found["null"]["days"].std(ddof=1)
    lines = [
        "# Signals",
        "",
        f"`{command}`: {sum(map(len, found.values())):,} worlds of known truth. "
        f"{outcomes.count('met')} bars are met, {outcomes.count('met within error')} within two "
        f"Monte Carlo errors, {outcomes.count('**not met**')} are not met. Bars were set "
        "beforehand: false alarms at most 5%, 95% intervals that hold the truth in 93 to 97%, no "
        "bias, what is there found in 80%. tau: how much periods differ beyond their samples, "
        "in standard errors of a sample; sd: of a period. What has no bar is the rival's, or "
        "tells of the world. In `null` the difference in the mean of a year spread by "
        f"{spread:.1f} days from world to world.",
        *tables,
    ]
    return "\n".join([*lines, ""])


def main(words: list[str] | None = None) -> None:
    """Run the worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worlds", type=int, help="at most so many worlds of a kind")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("signals.md"))
    options = parser.parse_args(words)
    most = options.worlds or max(n for _, n in STUDIES.values())
    # Long ones first, so that no process is left with one at the end.
    jobs = [(s, i) for s, (_, n) in reversed(STUDIES.items()) for i in range(min(n, most))]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), initializer=_alone) as pool:
        made = pool.map(one, jobs, chunksize=4)
        figures = list(tqdm(made, total=len(jobs), desc="worlds", unit="world", disable=None))
    found = {
        study: pd.DataFrame([f for (s, _), f in zip(jobs, figures, strict=True) if s == study])
        for study in STUDIES
    }
    command = f"make recovery ARGS='--worlds {most}'" if options.worlds else "make recovery"
    text = page(found, command)
    write_text(options.out, text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
