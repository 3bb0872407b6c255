"""What a run found, as numbers: for the page that sums it up, and for the runs to come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxlab.data import history
from cxlab.report.findings import DRIVERS_RESULT, Harvest
from cxlab.results import Result

if TYPE_CHECKING:
    import pandas as pd

    from cxlab.report.running.execute import Outcome
    from cxlab.report.spec import Plan

__all__ = ["MOST_DAYS", "chosen", "numbers"]

MOST_DAYS = 24
"""A run reads the newest runs of so many days."""
_SETTINGS = ("window_days", "washout_days", "period_days")
_MEASURES = {
    "hazard_ratio": ("hazard_ratio", "conf_low", "conf_high"),
    **{n: (n, f"{n}_low", f"{n}_high") for n in ("attributable_churn", "value_at_risk")},
    "coef": ("estimate", None, None),
    "se": ("se", None, None),
}
_COUNTED = ("count", "mix", "tenure")
"""Kinds of rows that the notebook that sums up counts, as parts of its result."""

Row = dict[str, Any]


def numbers(
    run_id: str,
    plan: Plan,
    harvest: Harvest,
    outcomes: Mapping[str, Outcome],
    code: Mapping[str, str | None] | None = None,
) -> pd.DataFrame:
    """Give what a run found as the history keeps it.

    Parameters
    ----------
    run_id : str
        The run.
    plan : Plan
        What was to be done.
    harvest : Harvest
        What its notebooks show.
    outcomes : mapping of str to Outcome
        How those that ended have ended.
    code : mapping, optional
        What of the code is to be told: a version or a commit by its name.
    """
    rows = [
        *_about(plan, harvest, code or {}),
        *_notebooks(plan, outcomes),
        *_checks(harvest),
        *_findings(harvest),
        *_drivers(harvest),
        *_counted(harvest),
    ]
    return history.table(run_id, plan.dataset.day, rows)


def _about(plan: Plan, harvest: Harvest, code: Mapping[str, str | None]) -> Iterator[Row]:
    dataset = plan.dataset
    told: dict[str, str] = {
        "dataset": dataset.name,
        "form": dataset.form,
        "settings": dataset.settings_sha256(),
        **{f"sha256 {name}": value for name, value in sorted(dataset.sha256().items())},
        **{name: value or "" for name, value in code.items()},
    }
    for name, text in told.items():
        yield {"kind": "about", "name": name, "text": text}
    yield {"kind": "about", "name": "quick", "value": float(plan.quick)}
    meta = harvest.results.get(DRIVERS_RESULT, {}).get("meta", {})
    for name in (*_SETTINGS, "churns", "window_churns", "half_life_days"):
        yield {"kind": "about", "name": name, "value": meta.get(name)}
    for name in sorted(meta.get("followers") or ()):
        yield {"kind": "about", "name": "follower", "text": name}


def _notebooks(plan: Plan, outcomes: Mapping[str, Outcome]) -> Iterator[Row]:
    for name in plan.order:
        if name in outcomes:
            ended = outcomes[name]
            yield {"kind": "notebook", "name": name, "verdict": ended.status, "text": ended.reason}


def _checks(harvest: Harvest) -> Iterator[Row]:
    for name, result in harvest.results.items():
        for check in result["checks"]:
            if check["passed"] is not None:
                verdict = "passed" if check["passed"] else "failed"
                yield {"kind": "check", "name": check["name"], "part": name, "verdict": verdict,
                       "text": check["text"]}  # fmt: skip


def _findings(harvest: Harvest) -> Iterator[Row]:
    for name, found in harvest.findings.items():
        yield {"kind": "finding", "name": name, "value": found["estimate"],
               "low": found["conf_low"], "high": found["conf_high"], "n": found["n"],
               "unit": found["unit"], "verdict": found["verdict"],
               "text": found["notebook"]}  # fmt: skip


def _drivers(harvest: Harvest) -> Iterator[Row]:
    """Give the driver table, and how fast each effect fades."""
    if DRIVERS_RESULT not in harvest.results:
        return
    result = Result.from_dict(harvest.results[DRIVERS_RESULT])
    own, common = result.meta.get("own_half_lives") or {}, result.meta.get("half_life_days")
    for row in result.table.to_dict("records"):
        same = {"kind": "driver", "name": row["touchpoint"], "part": row["valence"],
                "n": row["exposed_customers"], "verdict": row["verdict"]}  # fmt: skip
        for measure, (value, low, high) in _MEASURES.items():
            yield {**same, "measure": measure, "value": row.get(value),
                   "low": row.get(low), "high": row.get(high)}  # fmt: skip
        days = own[row["touchpoint"]][0] if row["touchpoint"] in own else common
        yield {**same, "measure": "half_life", "value": days}


def _counted(harvest: Harvest) -> Iterator[Row]:
    """Give what the notebook that sums up has counted."""
    for result in harvest.results.values():
        for kind in _COUNTED:
            if result["name"] == "summary" and kind in result["parts"]:
                part = Result.from_dict(result["parts"][kind]).table
                for row in part.to_dict("records"):
                    yield {"kind": kind, **{c: row[c] for c in ("name", "part", "measure")},
                           "value": row["value"]}  # fmt: skip


def chosen(folder: Path, day: str | None, dataset: str) -> list[Path]:
    """Choose the runs of the past that a run reads.

    Of each day up to its own the last one; of another dataset only where there is no other, so
    that it can be told.

    Parameters
    ----------
    folder : pathlib.Path
        Of the history.
    day : str or None
        The last day the run sees; a snapshot's is None, and reads none.
    dataset : str
        What its data are called.

    Raises
    ------
    DataError
        One of them is not what a run wrote.
    """
    if day is None:
        return []
    named = [(found, p) for p in folder.glob("*.parquet") if (found := history.name_of(p))]
    past = [(found, p) for found, p in sorted(named, reverse=True) if "" < found[0] <= day]
    mine: dict[str, Path] = {}
    others: list[Path] = []
    for (as_of, *_), path in past:
        if len(mine) == MOST_DAYS:
            break
        if as_of not in mine:
            if history.read(path).about("dataset") == dataset:
                mine[as_of] = path
            else:
                others.append(path)
    return list(mine.values()) or others[:1]
