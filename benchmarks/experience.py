"""How long the tables of what customers live through take on ten million contacts.

The data are those of :mod:`scale`, with waits, prices and two million questions put beside
them. Each table is timed where it is made, in one process a notebook. The alternative is pandas
by hand: one metric by month and touchpoint with its interval, and journeys cut and counted from
step to step. Writes ``benchmarks/experience.md``; run by ``make bench``.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from _scale_run import run
from scale import KEEP, data_of, script, truth_of

from cxlab.report.tables import write_text

HERE = Path(__file__).parent
MILLIONS = 10.0
LIMIT = 15.0
GIB = 2**30
ANALYSES = ("experience_metrics", "journeys", "retention")
_DAY = 86_400.0


# -- the data -------------------------------------------------------------------------------------


def with_answers(folder: Path) -> Path:
    """Put a dataset beside one of :mod:`scale` that has waits, prices and questions too.

    Parameters
    ----------
    folder : Path
        The dataset.
    """
    made = folder.with_name(f"{folder.name}-answers")
    if (made / "feedback.parquet").exists():
        return made
    made.mkdir(exist_ok=True)
    for name in ("customers.parquet", "touchpoints.parquet", "dataset.yml"):
        (made / name).unlink(missing_ok=True)
        (made / name).symlink_to(folder / name)
    source = f"read_parquet('{folder}/interactions/*.parquet')"
    # Drawn by a hash, so that they are the same however many threads read the files.
    draw = "(hash(interaction_id, {}) % 1000003) / 1000003.0"
    asks, one, two = (draw.format(i) for i in (1, 2, 3))
    with duckdb.connect() as engine:
        helped = "touchpoint LIKE 'support%'"
        engine.execute(
            f"""COPY (SELECT *, CASE WHEN {helped} THEN round(exp(5 + 2 * {one})) END AS
            response_seconds, CASE WHEN {helped} THEN round(exp(6 + {two})) END AS handle_seconds,
            CASE WHEN {helped} AND {one} < .93 THEN occurred_at +
            to_seconds(CAST(exp(8 + 3 * {two}) AS BIGINT)) END AS resolved_at,
            CASE WHEN {helped} THEN occurred_at + INTERVAL 1 DAY END AS due_at,
            CASE WHEN touchpoint LIKE 'c%' AND {two} < .5 THEN round(10 + 50 * {one}) END AS value
            FROM {source}) TO '{made}/interactions.parquet' (FORMAT parquet)"""
        )
        engine.execute(
            f"""COPY (SELECT customer_id, occurred_at + INTERVAL 1 HOUR AS asked_at, CASE WHEN
            {one} < .38 THEN occurred_at + INTERVAL 4 HOUR END AS responded_at, metric, CASE WHEN
            {one} < .38 THEN CASE metric WHEN 'nps' THEN floor(11 * {two}) WHEN 'csat' THEN
            1 + floor(5 * {two}) ELSE 1 + floor(7 * {two}) END END AS score, touchpoint,
            interaction_id FROM (SELECT *, ['nps', 'csat', 'ces']
            [1 + CAST(hash(interaction_id, 4) % 3 AS BIGINT)] AS metric
            FROM {source} WHERE {asks} < .2))
            TO '{made}/feedback.part' (FORMAT parquet)"""
        )
    (made / "feedback.part").rename(made / "feedback.parquet")
    return made


# -- cxlab ----------------------------------------------------------------------------------------


def _places() -> dict[str, list[tuple[Any, str, str]]]:
    """Give the functions that are timed: module, name, what its table is called."""
    from cxlab.analyses import experience_metrics, journeys, retention
    from cxlab.analyses.experience_metrics import answers, gather, leads, moved, times, value
    from cxlab.analyses.journeys import cutting, handoffs, paths, touchpoints, whole
    from cxlab.frames.journeys import Ordered

    metrics = [(gather, "_card", "{} metrics now"), (gather, "_series", "{} metrics by period"),
               (gather, "_levels", "{} metrics by level"), (times, "durations", "medians"),
               (times, "adoption", "first successes"), (answers, "weighted", "weighted scores"),
               (leads, "leads", "lead and lag"), (moved, "level_changes", "changes by level"),
               (value, "paying", "what customers pay")]  # fmt: skip
    steps = [(cutting, "order", "contacts in order"), (cutting, "gap_counts", "gaps"),
             (Ordered, "cut", "journeys cut"),
             (touchpoints, "asked", "scores"), (touchpoints, "journey_map", "journey map"),
             (paths, "transitions", "transitions"), (paths, "step_matrix", "steps"),
             (paths, "flows", "flows"), (handoffs, "rates", "handoff rates"),
             (handoffs, "pairs", "handoffs by channel"), (handoffs, "handoffs", "handoffs"),
             (whole, "ends", "ends"), (whole, "begun_at", "ends by start"),
             (whole, "loops", "loops"), (journeys.experience, "experience", "peak and end"),
             (journeys.by_channel, "channels", "channels"),
             (journeys.comparison, "compare", "two plans compared")]  # fmt: skip
    stays = [(retention, "see", "spells"), (retention, "_segments", "groups"),
             (retention, "_times", "rates, cliffs, cohorts"),
             (retention, "first_bad", "first bad contact"),
             (retention, "worth", "worth")]  # fmt: skip
    return {experience_metrics.__name__: metrics, journeys.__name__: steps,
            retention.__name__: stays}  # fmt: skip


def _rows_of(*words: Any) -> str:
    """Name the rows that a function of the metrics was given."""
    rows = next((w for w in words if hasattr(w, "measures")), None)
    if rows is not None:
        return str(rows.name)
    known = words[0].sources if hasattr(words[0], "sources") else {}
    return next((str(n) for n, s in known.items() if s in words), "")


def timed(name: str, folder: Path) -> dict[str, float]:
    """Run an analysis and give the seconds each of its tables took.

    Parameters
    ----------
    name : str
        One of :data:`ANALYSES`.
    folder : Path
        The dataset.
    """
    import importlib

    from cxlab.data.dataset import load

    spent: dict[str, float] = {}

    def watched(function: Callable[..., Any], what: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*words: Any, **more: Any) -> Any:
            started = time.perf_counter()
            given = function(*words, **more)
            label = what.format(_rows_of(*words))
            spent[label] = max(spent.get(label, 0.0), time.perf_counter() - started)
            return given

        return call

    module = importlib.import_module(f"cxlab.analyses.{name}")
    for place, function, what in _places()[module.__name__]:
        setattr(place, function, watched(getattr(place, function), what))
    started = time.perf_counter()
    dataset = load(folder)
    spent["load and check"] = time.perf_counter() - started
    module.run(dataset, **({"compare": "plan=basic vs plan=pro"} if name == "journeys" else {}))
    return spent | {"all": time.perf_counter() - started}


# -- by hand --------------------------------------------------------------------------------------


def by_hand(folder: Path) -> dict[str, float]:
    """Make two of the tables in pandas: the failure share, and the steps of journeys.

    Parameters
    ----------
    folder : Path
        The dataset.
    """
    spent, started = {}, time.perf_counter()
    columns = ["customer_id", "occurred_at", "touchpoint", "outcome", "interaction_id"]
    contacts = pd.read_parquet(folder / "interactions.parquet", columns=columns)
    contacts["bad"] = (contacts["outcome"] == "failed").astype(float)
    spent["read"] = time.perf_counter() - started

    started = time.perf_counter()
    month = contacts["occurred_at"].dt.to_period("M")
    for key in (month, contacts["touchpoint"]):
        each = contacts.groupby([key, "customer_id"], observed=True)["bad"].agg(["sum", "count"])
        total = each.groupby(level=0).sum()
        share = total["sum"] / total["count"]
        off = each["sum"] - each["count"] * share.reindex(each.index, level=0)
        np.sqrt(np.square(off).groupby(level=0).sum()) / total["count"]
    spent["failure share by month and touchpoint"] = time.perf_counter() - started

    started = time.perf_counter()
    rows = contacts.sort_values(["customer_id", "occurred_at", "interaction_id"])
    gap = rows.groupby("customer_id")["occurred_at"].diff().dt.total_seconds() / _DAY
    rows["journey"] = (gap.isna() | (gap > 1.0)).cumsum()
    after = rows.groupby("journey")["touchpoint"].shift(-1)
    pd.crosstab(rows["touchpoint"], after)
    rows.groupby("journey").agg(steps=("bad", "size"), last=("bad", "last"))
    spent["journeys, transitions and ends"] = time.perf_counter() - started
    return spent


# -- the page -------------------------------------------------------------------------------------


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Time one way in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "told.json"
        ran = run(script("experience.py", "--one", name, folder, file), float("inf"))
        if ran.outcome != "done":
            raise SystemExit(f"{folder}: {name}: {ran.outcome} {ran.said}")
        return {"spent": json.loads(file.read_text(encoding="utf-8")), "peak": ran.peak}


def page(found: dict[str, dict[str, Any]], contacts: int, questions: int) -> str:
    """Write the page.

    Parameters
    ----------
    found : dict
        Way -> ``spent`` (table -> seconds) and ``peak`` (bytes).
    contacts, questions : int
        In the data.
    """
    text = [
        "# What customers live through, at size",
        "",
        f"`make bench`: {contacts:,} contacts of made-up customers and {questions:,} questions "
        f"asked of them, on {os.cpu_count()} cores; a process a notebook. A table that is made "
        "several times is told by its slowest.",
    ]
    for name in ANALYSES:
        spent, peak = dict(found[name]["spent"]), found[name]["peak"]
        whole = spent.pop("all")
        slowest = max(spent, key=lambda k: spent[k])
        met = "met" if spent[slowest] <= LIMIT else "**not met**"
        text += [
            "",
            f"## {name}",
            "",
            f"{whole:.1f} s in all, {peak / GIB:.1f} GiB. The slowest is *{slowest}*, "
            f"{spent[slowest]:.1f} s (asked: under {LIMIT:g} s, {met}).",
            "",
            "| table | seconds |",
            "|---|---|",
            *(f"| {k} | {v:.1f} |" for k, v in sorted(spent.items(), key=lambda i: -i[1])),
        ]
    hand, peak = found["by hand"]["spent"], found["by hand"]["peak"]
    ours = found["experience_metrics"]["spent"]
    cut = found["journeys"]["spent"]
    share = ours["contacts metrics by period"] + ours["contacts metrics by level"]
    steps = sum(cut[k] for k in ("contacts in order", "journeys cut", "transitions", "ends"))
    pairs = (
        ("failure share by month and touchpoint", share, "by stage, channel and segment too"),
        ("journeys, transitions and ends", steps, "with intervals; handoffs and repeats too"),
    )
    text += [
        "",
        "## By hand",
        "",
        f"The same in pandas, after {hand['read']:.1f} s of reading, {peak / GIB:.1f} GiB:",
        "",
        "| what | pandas | cxlab | times as fast |  |",
        "|---|---|---|---|---|",
        *(
            f"| {what} | {hand[what]:.1f} s | {mine:.1f} s | {hand[what] / mine:.1f} | {more} |"
            for what, mine, more in pairs
        ),
        "",
    ]
    return "\n".join(text)


def main() -> None:
    """Time everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--keep", type=Path, default=KEEP, help="where datasets are kept")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args()
    if options.one:
        name, folder, file = options.one
        spent = by_hand(Path(folder)) if name == "by hand" else timed(name, Path(folder))
        Path(file).write_text(json.dumps(spent), encoding="utf-8")
        return
    source = data_of(MILLIONS, options.keep)
    folder = with_answers(source)
    with duckdb.connect() as engine:
        told = engine.execute(f"SELECT count(*) FROM '{folder}/feedback.parquet'").fetchall()
    found = {name: measured(name, folder) for name in (*ANALYSES, "by hand")}
    text = page(found, truth_of(source)["events"], int(told[0][0]))
    write_text(HERE / "experience.md", text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
