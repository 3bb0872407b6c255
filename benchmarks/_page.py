"""The page of ``make recovery``: bars, worlds and rivals as tables of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import _figures as figures
import _worlds
import numpy as np
import pandas as pd
from _bars import BARS, Bar
from _rivals import BASELINE_DAYS

from cxlab.results import counted


def shown(figure: figures.Figure, percent: bool = True, error: bool = True) -> str:
    """Write a figure with its Monte Carlo error; empty where there is none."""
    if not figure.n or np.isnan(figure.value):
        return ""
    unit, digits = ("%", 1) if percent else ("", 3)
    scale = 100 if percent else 1
    text = f"{scale * figure.value:.{digits}f}"
    if error and not np.isnan(figure.error):
        text += f" ± {scale * figure.error:.{digits}f}"
    return text + unit


def limits(bar: Bar) -> str:
    """Write what a bar allows."""
    low, high = (f"{100 * x:.3g}%" if bar.percent else f"{x:.3g}" for x in (bar.low, bar.high))
    if np.isinf(bar.low) and np.isinf(bar.high):
        return "none"
    if np.isinf(bar.low):
        return f"at most {high}"
    return f"at least {low}" if np.isinf(bar.high) else f"{low} to {high}"


def bar_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give one row a bar: the figure, its error, and whether it is met."""
    found = []
    for bar in BARS:
        figure, outcome = bar.judge(rows)
        found.append(
            {
                "world": bar.world,
                "what": bar.what,
                "figure ± Monte Carlo s.e.": shown(figure, bar.percent),
                "of": figure.n or "",
                "bar": limits(bar),
                "": outcome if outcome in ("met", "no bar") else f"**{outcome}**",
            }
        )
    return pd.DataFrame(found)


def _parts(rows: pd.DataFrame, method: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for world in rows["world"].unique():
        part = figures.of(rows, world, method)
        if len(part):
            yield world, part


def world_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give one row a world: what the driver model found and claimed."""
    found = []
    for world, part in _parts(rows, figures.MODEL):
        true, median = figures.half_life(part)
        traps = figures.role(part, "trap")
        found.append(
            {
                "world": world,
                "worlds": part["seed"].nunique(),
                "churns": f"{part.groupby('seed')['churns'].first().median():.0f}",
                "intervals hold the truth": shown(figures.coverage(part)),
                "slope": shown(figures.slope(part), percent=False),
                "strong found": shown(figures.strong_found(part)),
                "harmless called driver": shown(figures.false_drivers(part)),
                "worlds with a false driver": shown(figures.false_worlds(part)),
                "called protective": shown(figures.wrong_protective(part)),
                "traps called driver": shown(figures.called(traps)),
                "rank correlation": shown(figures.rank_correlation(part), percent=False),
                "first is of the true two": shown(figures.top_right(part)),
                "half-life: true, median": f"{true:.3g}, {median:.3g}",
                "attributable / twin": shown(figures.against_twin(part), percent=False),
                "truth / twin": shown(figures.oracle_against_twin(part), percent=False),
                "its intervals hold the twin": shown(figures.twin_coverage(part)),
            }
        )
    return pd.DataFrame(found)


RIVAL_COLUMNS: dict[str, Callable[[pd.DataFrame], figures.Figure]] = {
    "strong found": figures.strong_found,
    "harmless called driver": figures.false_drivers,
    "worlds with a false driver": figures.false_worlds,
    "called protective, wrongly": figures.wrong_protective,
    "traps called driver": lambda part: figures.called(figures.role(part, "trap")),
    "first is of the true two": figures.top_right,
    "intervals of the harmless hold none": figures.coverage_of_none,
}


def rival_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Give one row a world and method: the driver model beside its rivals."""
    found = []
    for world in rows["world"].unique():
        tried = rows.loc[rows["world"].eq(world) & rows["method"].isin(_worlds.RIVALS), "seed"]
        for method in (figures.MODEL, *_worlds.RIVALS):
            part = figures.of(rows, world, method)
            part = part[part["seed"].isin(tried)]
            if len(part):
                shares = {n: shown(f(part), error=False) for n, f in RIVAL_COLUMNS.items()}
                rank = shown(figures.rank_correlation(part), percent=False, error=False)
                found.append({"world": world, "method": method, **shares, "rank correlation": rank})
    return pd.DataFrame(found)


def crashes(rows: pd.DataFrame) -> pd.DataFrame:
    """Give one row a world, method and error: in how many worlds it came."""
    bad = rows[rows["error"].notna()]
    return bad.groupby(["world", "method", "error"], sort=False).size().rename("runs").reset_index()


def markdown(table: pd.DataFrame) -> str:
    """Write a table of text as Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def page(rows: pd.DataFrame, command: str) -> str:
    """Write the page from the rows of all worlds.

    Parameters
    ----------
    rows : DataFrame
        One row a world, seed, method and touchpoint.
    command : str
        What made them.
    """
    bad = crashes(rows)
    judged = bar_table(rows)
    missed = judged[judged[""].str.startswith("**")]
    runs = rows.drop_duplicates(["world", "seed"])
    minutes = runs["seconds"].sum() / 60
    sizes = ", ".join(f"{n:,}" for n in sorted(rows["customers"].unique().astype(int)))
    codes = sorted(rows["code"].unique())
    met = (judged[""] == "met").sum()
    lines = [
        "# Recovery",
        "",
        f"`{command}`: {len(runs):,} simulated worlds of two years and {sizes} customers, seeds "
        f"{rows['seed'].min()} to {rows['seed'].max()}; {minutes:.0f} minutes of one process. "
        f"{'; or '.join(rows['versions'].unique())}; code {', '.join(codes)}.",
        "",
        f"{met} bars are met, {len(missed)} are not met or not run. "
        + (
            "No run crashed."
            if bad.empty
            else f"**{counted(bad['runs'].sum(), 'run')} crashed**, see below."
        ),
        "",
        "## The bars",
        "",
        "What must hold is set beforehand, world by world. The Monte Carlo error (s.e.) is of the "
        "worlds drawn; worlds are the clusters where a figure is pooled over touchpoints. Where "
        "all or none are hit it is that of Agresti and Coull (1998).",
        "",
        markdown(judged),
        "",
        "## All worlds",
        "",
        "Of bad contacts. Intervals and slope: every contrast that was estimated, traps aside, "
        "also where the verdict tells no hazard ratio. The slope is of estimate on truth through "
        "the origin, each touchpoint weighted by one over its mean squared standard error: a "
        "world's own standard error as weight would favour estimates that came out small by "
        f"chance. Strong: a true log hazard ratio of {figures.STRONG} or more. A trap is a "
        "touchpoint that only seems to matter. Ranks are by attributable churn, among true "
        "drivers; the truth is what the true effects ascribe to those who left, on average of "
        "the worlds (beside twin worlds: truth / twin). "
        f"Attributable churn is of the last {_worlds.WINDOW_DAYS} days; the strong touchpoints of "
        "a world are summed.",
        "",
        markdown(world_table(rows)),
        "",
        "## What people do instead",
        "",
        f"The same worlds, at most the first {_worlds.RIVALLED} of a kind. Logistic: left or not "
        "(statsmodels), on each customer's failures at each touchpoint so far and all attributes. "
        "Cox: lifelines, the failures of the first "
        f"{BASELINE_DAYS} days and all attributes, followed from then on. A "
        "driver is a positive coefficient with a q-value below 0.05; ranks go by coefficient "
        "times number of failures. Their coefficients are on other scales, so intervals can be "
        "judged only where there is no effect on any.",
        "",
        markdown(rival_table(rows)),
    ]
    if len(bad):
        lines += ["", "## Crashed", "", markdown(bad)]
    return "\n".join([*lines, ""])
