"""What matters now, what has changed, and what to do: the page a manager reads first."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.summary import chosen, leaving, words
from cxlab.analyses.summary.changed import LOST, RATIO, Compared, compare
from cxlab.analyses.summary.counts import mix, rows_by_table
from cxlab.analyses.summary.gathered import Gathered, gather
from cxlab.analyses.summary.sides import Side, choose, paces_of, side_of
from cxlab.data.dataset import Dataset
from cxlab.data.history import History, read_all
from cxlab.errors import within
from cxlab.models.intervals import LEVEL, wilson
from cxlab.results import Finding, Findings, Result

__all__ = ["findings", "lines", "rules", "run"]

_OWN = "00_summary"
_ALONE = "No run was given: this tells who left, and nothing of the other pages."


def run(
    dataset: Dataset,
    *,
    window_days: int = 90,
    min_group: int = 10,
    run: str = "",
    state: str = "",
) -> Result:
    """Count who left, gather what the run found, and hold both against an earlier run.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, or a snapshot (its churn so far, without a window).
    window_days : int
        Length of a window in days.
    min_group : int
        Groups of fewer customers are withheld.
    run : str
        Folder of the run to sum up, with its ``drivers.csv`` (of a snapshot,
        ``tables/churn_drivers.csv``) and ``findings.json``; empty: the counts alone.
    state : str
        Folder of what the last runs handed on, with their ``history``; empty: none.

    Returns
    -------
    Result
        ``term, estimate, conf_low, conf_high, p_value, n``: shares with Wilson intervals.
        Parts: ``first`` (the findings that come first), ``drivers``, ``changed`` (a row a figure
        that an earlier run had as well: the change, its noise, its parts) and ``changes`` (the
        same for reading), ``next``, ``unknown``; ``count``, ``mix`` and ``tenure``, which the
        history keeps.

    Raises
    ------
    UsageError
        The window is too short or the run's folder does not exist.
    DataError
        A file of the run, or of the history, cannot be read.
    """
    within(7, 730, window_days=window_days)
    within(1, 1000, min_group=min_group)
    gathered = gather(run, dataset.form, _OWN) if run else None
    then, why = choose(dataset, read_all(state))
    if dataset.form == "snapshot":
        return _snapshot(dataset, _parts(gathered, window_days, why, snapshot=True))
    now = gathered.now if gathered else None
    driven = now.number("about", "window_days") if now else np.nan
    side = side_of(dataset, window_days, int(driven) if np.isfinite(driven) else window_days)
    held = compare(dataset, side, now, then, window_days) if then else why
    parts = _parts(gathered, window_days, held) | {
        "count": rows_by_table(side.risk),
        "mix": mix(side.met, paces_of(now)),
        "tenure": leaving.tenure(side.left, window_days, min_group),
    }
    return _spells(dataset, side, window_days, min_group, parts)


def _parts(
    gathered: Gathered | None, window: int, held: Compared | str, snapshot: bool = False
) -> dict[str, Result]:
    """Give what is said beside the counts."""
    parts = {"changed": _changed(held), "changes": words.shown(held)}
    if gathered is None:
        return parts
    found, drivers = gathered.findings, gathered.drivers
    steps = words.next_steps(found, drivers.table, 0 if snapshot else window)
    table = pd.DataFrame(steps, columns=["from", "statement"])
    return {
        "first": chosen.first(found, window, *_told(held)),
        "drivers": drivers,
        **parts,
        "next": Result("next", table),
        "unknown": chosen.unknown(found, gathered.now),
    }


def _changed(held: Compared | str) -> Result:
    if isinstance(held, str):
        return Result("changed", pd.DataFrame(), sentence=held)
    about = {"compared_with": held.then.run_id, "came": held.came, "went": held.went}
    text = "\n".join([f"{words.in_short(held)}", *words.changed(held)])
    return Result("changed", held.table, meta=about, sentence=text)


def _told(held: Compared | str) -> tuple[set[str], History | None]:
    """Give the ids of the findings that changed by more than noise, and the earlier run."""
    if isinstance(held, str):
        return set(), None
    table = held.table[held.table["beyond"] & held.table["measure"].isin([LOST, RATIO])]
    return {f"drivers.{term}.bad" for term in table["term"]}, held.then


def _spells(
    dataset: Dataset, side: Side, window_days: int, min_group: int, parts: dict[str, Result]
) -> Result:
    """Say who left in the last window, and in the one before."""
    now, end = side.left, side.risk.end
    before = leaving.seen(side.risk, end - 2 * window_days, end - window_days)
    currency = dataset.settings.currency
    rows = leaving.rows(f"last {window_days} days", now, currency, min_group)
    rows += leaving.rows(f"the {window_days} days before", before, currency, min_group)
    table = pd.DataFrame(rows, columns=leaving.COLUMNS)
    meta = _meta(dataset, now.customers, now.leavers)
    first = dataset.as_of - dt.timedelta(days=2 * window_days - 1)
    meta |= {"window_days": window_days, "period": [first.isoformat(), dataset.day]}
    sentence = f"Nobody was a customer at the start of the last {window_days} days."
    if now.customers:
        sentence = (
            f"Of {now.customers:,} customers at the start of the last {window_days} days, "
            f"{now.leavers:,} left of their own will: {_with_interval(meta)}."
        )
    if before.customers:
        earlier, _, _ = wilson(before.leavers, before.customers)
        sentence += f" In the {window_days} days before it was {earlier:.1%}."
    return Result("summary", table, (), meta, sentence, parts)


def _meta(dataset: Dataset, customers: int, left: int) -> dict[str, Any]:
    share, low, high = wilson(left, customers)
    return {
        **dataset.about(),
        "level": LEVEL,
        "customers": customers,
        "left": left,
        "share": share,
        "share_low": low,
        "share_high": high,
    }


def _with_interval(meta: dict[str, Any]) -> str:
    return f"{meta['share']:.1%} (95% interval {meta['share_low']:.1%} to {meta['share_high']:.1%})"


def _snapshot(dataset: Dataset, parts: dict[str, Result]) -> Result:
    """Say who had left when the snapshot was taken."""
    customers, left = leaving.snapshot(dataset)
    meta = _meta(dataset, customers, left)
    share = (meta["share"], meta["share_low"], meta["share_high"])
    row = ("share who had left", *share, np.nan, customers)
    table = pd.DataFrame([row], columns=leaving.COLUMNS)
    sentence = (
        f"Of {customers:,} customers in the snapshot, {left:,} had left: {_with_interval(meta)}."
    )
    return Result("summary", table, (), meta, sentence, parts)


def lines(result: Result, part: str) -> list[str]:
    """Give a part's sentences, a line each.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    part : str
        ``first``, ``changed``, ``next`` or ``unknown``.
    """
    found = result.parts.get(part)
    if found is None:
        return [_ALONE]
    if "statement" in found.table and len(found.table):
        said = [str(s) for s in found.table["statement"]]
        # The first thing to do is in the answer already.
        return said[1:] if part == "next" and len(said) > 1 else said
    # What has changed in short is in the answer already.
    said = found.sentence.splitlines()
    return said[1:] if len(said) > 1 else said


def rules(result: Result) -> list[str]:
    """Say by which rules findings come first and changes are told from noise.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    first = result.parts.get("first")
    told = [first.sentence] if first is not None and len(first.table) else []
    return told + ([words.RULE] if len(result["changes"].table) else [])


def findings(result: Result, notebook: str = _OWN) -> Findings:
    """Word who left, what changed and what to do for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    meta = result.meta
    share = (meta["share"], meta["share_low"], meta["share_high"])
    found = Findings(
        [
            Finding("summary.churn", notebook, result.sentence, *share, "share of customers",
                    meta["customers"])
        ]
    )  # fmt: skip
    found.append(Finding("summary.changed", notebook, result["changed"].sentence.split("\n")[0]))
    if "next" in result.parts and len(result["next"].table):
        first = str(result["next"].table["statement"].iloc[0])
        found.append(Finding("summary.next", notebook, first))
    return found
