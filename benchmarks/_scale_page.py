"""The page of ``benchmarks/scale.py``: what was to be reached, and every measurement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from _page import markdown
from _scale_data import HALF_LIFE, TOUCHPOINTS
from _scale_sample import PERIOD_DAYS
from _scale_steps import REST, STEPS
from scipy import stats

Found = dict[str, Any]

GIB = 2**30
# What is to be reached on two cores and 24 GiB: millions of events -> seconds, GiB.
REACH = {"10": (25.0, 4.0), "100": (240.0, 12.0)}
SLOPE = 1.05
TIMES_FASTER = {"lifelines": 50.0, "pandas": 5.0}
WIDER = 1.10
# Steps that an engine does; the others are done with the rows it gives back. How many cores it
# had, and how many clusters have.
OF_ENGINE = ("load and check", "spells", "base rows", "contacts", "exposures", "counts")
ON_CORES, CLUSTERS = 2, (8, 16, 64)
# How sure the bias must be to count, over all touchpoints together.
ALPHA = 0.05
# The size at which the rivals are compared, in millions of events.
BESIDE = "1"
WAYS = {
    "cxlab": "`cxlab drivers --quick`",
    "lifelines": "(a) lifelines: `to_long_format`, `add_covariate_to_timeline`, "
    "`CoxTimeVaryingFitter`",
    "lifelines-days": "(a′) the same with times rounded to days",
    "pandas": "(b) pandas and numpy by hand, every week of every customer, `CoxTimeVaryingFitter`",
    "sampled": "(b′) the same, 20 weighted weeks a churn",
    "r": "(c) R: `tmerge`, `coxph`",
}


def slope(events: Sequence[float], seconds: Sequence[float]) -> float:
    """Give the slope of log time in log events, by least squares.

    Parameters
    ----------
    events, seconds : sequence of float
        Of each size.
    """
    return float(np.polyfit(np.log(events), np.log(seconds), 1)[0])


def extrapolated(tried: list[Found], events: float) -> tuple[float, str]:
    """Give a way's seconds at a size, and ``""`` or how they were extrapolated.

    Parameters
    ----------
    tried : list of dict
        Its attempts.
    events : float
        The size. Where no attempt of that size was done, the line through the two largest ones
        done is drawn on, in logs; NaN where there are not two.
    """
    done = [t for t in tried if t["outcome"] == "done"]
    for one in done:
        if one["events"] == events:
            return float(one["seconds"]), ""
    if len(done) < 2:
        return float("nan"), "not done, and too little done to extrapolate"
    pair = sorted(done, key=lambda t: float(t["events"]))[-2:]
    power = slope([t["events"] for t in pair], [t["seconds"] for t in pair])
    seconds = pair[1]["seconds"] * (events / pair[1]["events"]) ** power
    return float(seconds), (
        f"extrapolated from {pair[0]['events']:,} and {pair[1]['events']:,} events, power "
        f"{power:.2f}"
    )


def bias_tests(sample: Found) -> np.ndarray:
    """Give the p-value of each touchpoint's bias, corrected for their number (Bonferroni).

    Parameters
    ----------
    sample : dict
        Of the sampled estimates against the full ones.
    """
    t = np.array(sample["bias"]) / np.array(sample["error"])
    p = 2 * stats.t.sf(np.abs(t), sample["seeds"] - 1)
    return np.asarray(np.minimum(p * len(t), 1.0))


def bars(found: Found) -> pd.DataFrame:
    """Give one row for each thing to reach: the figure, the bar, and whether it is met.

    Parameters
    ----------
    found : dict
        The measurements.
    """
    sizes = {name: one["found"] for name, one in found.get("drivers", {}).items()}
    rows: list[tuple[str, str, str, bool | None]] = []
    for name, (seconds, memory) in REACH.items():
        what = f"Parquet to `drivers.csv`, {name} million events"
        one = sizes.get(name)
        peak = one["peak"] / GIB if one else 0.0
        rows += [
            (what, f"{one['seconds']:.1f} s" if one else "", f"at most {seconds:g} s",
             one and one["seconds"] <= seconds),
            (f"{what}: memory", f"{peak:.1f} GiB" if one else "", f"at most {memory:g} GiB",
             one and peak <= memory),
        ]  # fmt: skip
    rows.append(_slope_bar(sizes))
    rows += [_rival_bar(found, way, times) for way, times in TIMES_FASTER.items()]
    if sample := found.get("sample", {}).get("all", {}).get("found"):
        worst, p = max(sample["width"]), bias_tests(sample).min()
        rows += [
            ("intervals from the sample, the widest against all rows", f"{worst:.3f} times",
             f"at most {WIDER:.2f} times", worst <= WIDER),
            ("bias of the sample, the clearest of all touchpoints", f"p = {p:.2g}",
             f"within Monte Carlo error (p at least {ALPHA:g})", p >= ALPHA),
        ]  # fmt: skip
    outcomes = {True: "met", False: "**not met**", None: "not run"}
    table = pd.DataFrame(rows, columns=["what", "figure", "bar", ""])
    table[""] = [outcomes[None if met is None else bool(met)] for *_, met in rows]
    return table


def _slope_bar(sizes: dict[str, Found]) -> tuple[str, str, str, bool | None]:
    wanted = {"1", "100"} <= set(sizes)
    what = "slope of time in events, 1 to 100 million, in logs"
    if not wanted:
        return what, "", f"at most {SLOPE:g}", None
    power = slope(*_line(sizes))
    return what, f"{power:.2f}", f"at most {SLOPE:g}", power <= SLOPE


def _line(sizes: dict[str, Found]) -> tuple[list[float], list[float]]:
    return [s["events"] for s in sizes.values()], [s["seconds"] for s in sizes.values()]


def _rival_bar(found: Found, way: str, times: float) -> tuple[str, str, str, bool | None]:
    what = f"times as fast as {WAYS[way].split(':')[0].split(',')[0]}, {BESIDE} million events"
    bar = f"at least {times:g}"
    try:
        ours = found["drivers"][BESIDE]["found"]
        tried = found["rivals"][way]["found"]
    except KeyError:
        return what, "", bar, None
    seconds, how = extrapolated(tried, ours["events"])
    # A short one was run in turn with ours.
    beside = next((one["beside"] for one in tried if "beside" in one), ours["seconds"])
    ratio = seconds / beside
    figure = f"{ratio:.1f}" + (f" ({how})" if how else "")
    return what, figure, bar, None if np.isnan(ratio) else bool(ratio >= times)


# -- tables -----------------------------------------------------------------------------


def size_table(sizes: dict[str, Found]) -> pd.DataFrame:
    """Give one row a size: time and memory of all, and of each step."""
    rows = []
    for one in sizes.values():
        seconds, peak = one["steps"]["seconds"], one["steps"]["peak"]
        inside = sum(seconds.values())
        row = {
            "events": f"{one['events']:,}",
            "customers": f"{one['customers']:,}",
            "churns": f"{one['churned']:,}",
            "all": f"**{one['seconds']:.1f} s, {one['peak'] / GIB:.2f} GiB**",
            "start of Python": f"{one['followed'] - inside:.1f} s",
        }
        for step in (*STEPS, REST):
            memory = f", {peak[step] / GIB:.2f} GiB" if step in peak else ""
            row[step] = f"{seconds.get(step, 0.0):.1f} s{memory}"
        rows.append(row)
    return pd.DataFrame(rows)


def floor_table(sizes: dict[str, Found]) -> pd.DataFrame:
    """Give one row a size: what no way can leave out, and how near the time is."""
    rows = []
    for one in sizes.values():
        low = one["floor"]
        fit = low["fit"]
        total = low["scan"] + low["sort"] + fit["seconds"]
        rows.append(
            {
                "events": f"{one['events']:,}",
                "one scan": f"{low['scan']:.2f} s",
                "one sort by customer": f"{low['sort']:.2f} s",
                "one fit": f"{fit['seconds']:.2f} s ({fit['rows']:,} × {fit['columns']})",
                "floor": f"{total:.2f} s",
                "cxlab": f"{one['seconds']:.1f} s",
                "times the floor": f"{one['seconds'] / total:.1f}",
            }
        )
    return pd.DataFrame(rows)


def effect_table(found: Found) -> pd.DataFrame:
    """Give one row a touchpoint: the truth, cxlab at each size, and the rivals."""
    sizes = {name: one["found"] for name, one in found.get("drivers", {}).items()}
    table = pd.DataFrame({"touchpoint": [t.name for t in TOUCHPOINTS]})
    table["truth"] = [f"{t.effect:.1f}" for t in TOUCHPOINTS]
    for name, one in sizes.items():
        table[f"cxlab, {name} M"] = [
            _interval(one["effects"][t.name], one["verdicts"][t.name]) for t in TOUCHPOINTS
        ]
    for way, one in _rivals(found):
        done = [t for t in one["found"] if "coef" in t]
        if not done:
            continue
        best = max(done, key=lambda t: (t["millions"] == float(BESIDE), t["millions"]))
        table[f"{WAYS[way].split(')')[0]}), {best['millions']:g} M"] = [
            f"{best['coef'][f'bad {t.name}']:.2f} ± {1.96 * best['se'][f'bad {t.name}']:.2f}"
            for t in TOUCHPOINTS
        ]
    return table


def _rivals(found: Found) -> list[tuple[str, Found]]:
    """Give the rivals' measurements in the order of their letters."""
    return [(way, found["rivals"][way]) for way in WAYS if way in found.get("rivals", {})]


def _interval(estimate: Sequence[float], verdict: str) -> str:
    value, low, high = estimate
    if np.isnan(value):
        return verdict
    return f"{value:.2f} ({low:.2f} to {high:.2f}){', driver' if verdict == 'driver' else ''}"


def rival_table(found: Found) -> pd.DataFrame:
    """Give one row an attempt: time by stage, memory, and how it ended."""
    rows = []
    for name, one in found.get("drivers", {}).items():
        ran = one["found"]
        rows.append(
            {
                "way": WAYS["cxlab"],
                "events": f"{ran['events']:,}",
                "rows": f"{ran['floor']['fit']['rows']:,}",
                "seconds": f"{ran['seconds']:.1f}",
                "GiB": f"{ran['peak'] / GIB:.1f}",
                "": f"everything, half-life and verdicts too ({name} M)",
            }
        )
    for way, one in _rivals(found):
        for t in one["found"]:
            stages = ", ".join(f"{s} {x:.1f} s" for s, x in t.get("done", {}).items() if x >= 0.05)
            if "beside" in t:
                stages += f"; median of several runs in turn with cxlab's: {t['beside']:.1f} s"
            ended = t["outcome"] + (f": {t['said'].splitlines()[-1][:120]}" if t["said"] else "")
            rows.append(
                {
                    "way": WAYS[way],
                    "events": f"{t['events']:,}",
                    "rows": f"{t['rows']:,}" if "rows" in t else "",
                    "seconds": f"{t['seconds']:.1f}",
                    "GiB": f"{t['peak'] / GIB:.1f}",
                    "": (stages if t["outcome"] == "done" else f"**{ended}** after {stages}"),
                }
            )
    return pd.DataFrame(rows)


def sample_table(sample: Found) -> pd.DataFrame:
    """Give one row a touchpoint: how much wider, and how far off, estimates of a sample are."""
    columns = zip(
        sample["touchpoints"],
        sample["width"],
        sample["bias"],
        sample["error"],
        sample["se"],
        bias_tests(sample),
        strict=True,
    )
    return pd.DataFrame(
        {
            "touchpoint": name,
            "width of the interval, times that of all rows": f"{width:.3f}",
            "mean difference ± Monte Carlo s.e.": f"{bias:+.4f} ± {error:.4f}",
            "s.e. with all rows": f"{se:.3f}",
            "p (Bonferroni)": f"{p:.2g}",
        }
        for name, width, bias, error, se, p in columns
    )


def spark_table(sizes: dict[str, Found]) -> pd.DataFrame:
    """Give one row a size and engine: time and memory of all, and the time of each step."""
    rows = []
    for one in sizes.values():
        for engine, name in (("duckdb", "DuckDB"), ("spark", "Spark")):
            ran = one[engine]
            seconds = ran["steps"]["seconds"]
            row = {
                "events": f"{one['events']:,}",
                "engine": name,
                "all": f"**{ran['seconds']:.1f} s, {ran['peak'] / GIB:.1f} GiB**",
                "start of Python": f"{ran['seconds'] - sum(seconds.values()):.1f} s",
            }
            rows.append(row | {s: f"{seconds.get(s, 0.0):.1f} s" for s in (*STEPS, REST)})
    return pd.DataFrame(rows)


def crossing(sizes: dict[str, Found], cores: int) -> float:
    """Give the size from which a cluster's engine is done sooner than DuckDB, on paper.

    Of the steps that an engine does, seconds are taken as a line in the events through the two
    sizes. What every event costs Spark is split among a cluster's cores; what it costs to plan
    and to start is not.

    Parameters
    ----------
    sizes : dict
        Of ``spark``: two.
    cores : int
        Of the cluster; DuckDB keeps the two it was measured on.

    Returns
    -------
    float
        Millions of events; infinity where it never is.
    """
    (low, high), lines = sorted(sizes.values(), key=lambda one: float(one["events"])), {}
    for engine in ("duckdb", "spark"):
        first, last = (
            sum(one[engine]["steps"]["seconds"].get(step, 0.0) for step in OF_ENGINE)
            for one in (low, high)
        )
        each = (last - first) / (high["events"] - low["events"])
        lines[engine] = first - each * low["events"], each
    (start, slow), (late, fast) = lines["duckdb"], lines["spark"]
    gain = slow - fast * ON_CORES / cores
    return (late - start) / gain / 1e6 if gain > 0 else float("inf")


def _clusters(sizes: dict[str, Found]) -> list[str]:
    """Give the section on engine spark."""
    lines = [
        "## On a cluster",
        "",
        "`cxlab drivers --quick --engine spark` with a standalone master and two workers of one "
        "core each on this machine, one executor of 3 GB with each, beside DuckDB in the same "
        "run; memory is that of all processes together. The tables they wrote are "
        + ("the same, byte for byte." if all(one["same"] for one in sizes.values()) else
           "**not the same**."),
        "",
        markdown(spark_table(sizes)),
        "",
    ]  # fmt: skip
    if len(sizes) == 2:
        told = []
        for cores in CLUSTERS:
            at = crossing(sizes, cores)
            words = f"from {at:,.0f} million events on" if np.isfinite(at) else "at no size"
            told.append(f"one of {cores} cores {words}")
        lines += [
            "On paper, by the line through both sizes, where what each event costs Spark is "
            f"split among the cluster's cores and the rest is not, a cluster is done sooner than "
            f"DuckDB on {ON_CORES} cores: {', '.join(told)}. Fits and sums take as long on "
            "either, and are left out.",
            "",
        ]
    return lines


def page(found: Found, machine: str, command: str) -> str:
    """Write the page.

    Parameters
    ----------
    found : dict
        The measurements.
    machine : str
        What they were made on, and with.
    command : str
        What made them.
    """
    sizes = {name: one["found"] for name, one in found.get("drivers", {}).items()}
    parts = [
        one for p in ("drivers", "rivals", "sample", "spark") for one in found.get(p, {}).values()
    ]
    days, codes = (" and ".join(sorted({one[k] for one in parts})) for k in ("when", "code"))
    minutes = sum(one["seconds"] for one in parts) / 60
    limits = sorted({one["limit"] / 60 for one in found.get("rivals", {}).values()})
    limit = " or ".join(f"{x:.3g}" for x in limits)
    lines = [
        "# Scale",
        "",
        f"`{command}`: {minutes:.0f} minutes in all, {days}. {machine}; code {codes}.",
        "",
        "## What is to be reached",
        "",
        markdown(bars(found)),
        "",
        "## Time and memory",
        "",
        "Made-up customers followed for two years, about 100 contacts each, 15 touchpoints; the "
        "contacts are Parquet, a file a month, in order of time. A step's time is what passes in "
        "it alone, its memory the most held while it ran, in a run that is followed; the time of "
        "the smallest size is the median of plain runs of the command.",
        "",
        markdown(size_table(sizes)),
        "",
    ]
    if len(sizes) > 1:
        names = list(sizes)
        pairs = [
            f"{slope(*_line({k: sizes[k] for k in (low, high)})):.2f} from {low} to {high} million"
            for low, high in pairwise(names)
        ]
        lines += [f"Slope of log time in log events: {', '.join(pairs)}.", ""]
    lines += [
        "## The floor",
        "",
        "What no way can leave out: reading the four columns that are needed, sorting them by "
        "customer and time (DuckDB, as text and time stamps, written to a table), and one fit "
        "of the model's matrix (the longest of those that the run made).",
        "",
        markdown(floor_table(sizes)),
        "",
        "## Other ways",
        "",
        "The same data, each way in a process of its own with "
        f"{limit} minutes for a million events and as long again for all that is more. Each is "
        f"told the half-life ({HALF_LIFE:g} days) and fits one model: contacts and failures at "
        "each touchpoint, decayed by a vectorised recursion, plan and value, tenure as the time "
        "in whole days or weeks. cxlab finds the half-life, looks for touchpoints that follow "
        "the decision, adjusts for calendar, activity and past luck, and judges. A timeline "
        "changes only at contacts, so in (a) and (c) exposures do not decay between them; (b) "
        "and (b′) hold them for a week. The standard errors of (b′) take its weights for "
        "customers: they are not valid.",
        "",
        markdown(rival_table(found)),
        "",
        "## What was found",
        "",
        "Log hazard ratios of one fresh failure against an ordinary contact; 95% intervals.",
        "",
        markdown(effect_table(found)),
        "",
    ]
    if sample := found.get("sample", {}).get("all", {}).get("found"):
        lines += [
            "## Sampled against full",
            "",
            f"{sample['customers']:,} customers, person-periods of {PERIOD_DAYS} days so that all "
            f"fit in memory, {sample['seeds']} samples. Full: {sample['full']}. Sampled: "
            f"{sample['sampled']}.",
            "",
            markdown(sample_table(sample)),
            "",
        ]
    if clusters := {k: one["found"] for k, one in found.get("spark", {}).items()}:
        lines += _clusters(clusters)
    return "\n".join(lines)
