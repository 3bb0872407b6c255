"""The two runs that are held against each other: which, and what each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cxlab.analyses.summary.counts import Met, Pace, met, rows_by_table
from cxlab.analyses.summary.leaving import Leaving, seen
from cxlab.data.dataset import Dataset
from cxlab.data.history import History
from cxlab.frames.periods import RiskSet, risk_set

__all__ = ["Side", "choose", "drivers_of", "paces_of", "revised", "side_of"]

_FAILED = "bad contacts of the window"
_MEASURES = ("hazard_ratio", "coef", "se", "half_life", "attributable_churn")


@dataclass(frozen=True)
class Side:
    """One of the two runs as these data tell it.

    Parameters
    ----------
    risk : RiskSet
        The spells as known then.
    left : Leaving
        Of the run's window.
    driven : Leaving
        Of the window of the drivers.
    met : Met or None
        The contacts.
    """

    risk: RiskSet
    left: Leaving
    driven: Leaving
    met: Met | None


def choose(dataset: Dataset, past: Sequence[History]) -> tuple[History | None, str]:
    """Choose the run to compare with: the newest one of an earlier day, of the same data.

    Parameters
    ----------
    dataset : Dataset
        The data of today.
    past : sequence of History
        The newest first.

    Returns
    -------
    History or None
        The run.
    str
        Why there is none.
    """
    if dataset.form == "snapshot":
        return None, "A snapshot is undated, so that runs cannot be put in order and compared."
    if not past:
        return None, "This is the first run: there is no earlier one to compare with."
    earlier = [h for h in past if h.as_of is not None and h.as_of < dataset.as_of]
    if not earlier:
        return None, (
            f"No earlier run is of a day before {dataset.day}: there is nothing to compare with. "
            f"The last one, {past[0].run_id}, is of the same day."
        )
    why = [(h, _unlike(dataset, h)) for h in earlier]
    for run, text in why:
        if not text:
            return run, ""
    return None, f"The last run, {why[0][0].run_id}, cannot be compared with: {why[0][1]}."


def _unlike(dataset: Dataset, run: History) -> str:
    """Say what makes a run's data others; empty where they are the same, maybe grown."""
    if run.about("dataset") != dataset.name:
        return f"its dataset was another one, {run.about('dataset')}"
    if run.about("form") != dataset.form:
        return "its dataset was of another form"
    if run.about("settings") != dataset.settings_sha256():
        return "dataset.yml, which says what the data mean, has changed since"
    return ""


def paces_of(run: History | None) -> dict[tuple[str, str], Pace]:
    """Give a run's effects by touchpoint and valence.

    Parameters
    ----------
    run : History or None
        Its numbers.
    """
    rows = drivers_of(run)
    bad = rows[rows["part"].isin(["bad", "good"]) & rows["hazard_ratio"].notna()]
    return {(r.name, r.part): Pace(r.coef, r.half_life) for r in bad.itertuples(index=False)}


def drivers_of(run: History | None) -> pd.DataFrame:
    """Give a run's driver table, a row a touchpoint and valence.

    Parameters
    ----------
    run : History or None
        Its numbers.
    """
    names = ["name", "part", "verdict", "n", *_MEASURES]
    if run is None:
        return pd.DataFrame(columns=names)
    rows = run.of("driver")
    wide = rows.pivot_table("value", ["name", "part"], "measure", "first").reset_index()
    judged = rows[["name", "part", "verdict", "n"]].drop_duplicates(["name", "part"])
    return judged.merge(wide, on=["name", "part"], how="left").reindex(columns=names)


def side_of(dataset: Dataset, window: int, driven: int) -> Side:
    """Count what a run sees.

    Parameters
    ----------
    dataset : Dataset
        As known on its day.
    window, driven : int
        Days of its window, and of that of the drivers.

    Raises
    ------
    AnalysisError
        Nobody had left of their own will by then.
    """
    risk = risk_set(dataset)
    left, other = (seen(risk, risk.end - days, risk.end) for days in (window, driven))
    return Side(risk, left, other, met(dataset, risk, driven))


def revised(before: Side, then: History) -> tuple[pd.DataFrame, float]:
    """Hold the rows up to a day against what the run of that day had counted.

    Parameters
    ----------
    before : Side
        What is counted as known on that day.
    then : History
        The run.

    Returns
    -------
    pandas.DataFrame
        ``name, then, now``: those that differ.
    float
        The largest share by which they do.
    """
    now = rows_by_table(before.risk).table.set_index("name")["value"]
    had = then.of("count").set_index("name")["value"]
    had_met = then.of("mix")
    failed = (had_met["measure"] == "window") & (had_met["part"] == "bad")
    bad = had_met.loc[failed, "value"]
    if before.met and "bad" in before.met.counts and len(bad):
        window = before.met.counts["bad"][:, : before.met.window]
        had[_FAILED], now[_FAILED] = float(bad.sum()), float(window.sum())
    both = pd.DataFrame({"then": had, "now": now}).dropna().rename_axis("name").reset_index()
    differ = both[both["then"] != both["now"]].reset_index(drop=True)
    part = (differ["now"] - differ["then"]).abs() / differ[["then", "now"]].max(axis=1)
    return differ, float(part.max()) if len(part) else 0.0
