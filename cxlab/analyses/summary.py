"""What happened, and what drives it: the page a manager reads first."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import DataError, UsageError
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.models.intervals import LEVEL, wilson
from cxlab.results import Finding, Findings, Result, cell_text_read

__all__ = ["findings", "run"]

_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n"]
_NO_DRIVERS = "In this run nothing was found to drive customers away, or to keep them."
_RATIO = ("hazard_ratio", "conf_low", "conf_high")
_MONEY = ("attributable_churn", "value_at_risk")
_OF_TOUCHPOINTS = {c: c for c in ("rank", "touchpoint", *_RATIO, *_MONEY, "verdict")}
_OF_ATTRIBUTES = {
    **{"rank": "rank", "touchpoint": "touchpoint"},
    **dict(zip(("step_ratio", "step_low", "step_high"), _RATIO, strict=True)),
    **{"compared_with": "compared_with", "verdict": "verdict"},
}


def run(dataset: Dataset, *, window_days: int = 90, run: str = "") -> Result:
    """Count who left in the last window and the one before, and gather the drivers found.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, or a snapshot (its churn so far, without a window).
    window_days : int
        Length of a window in days.
    run : str
        Folder of the run to sum up, with its ``drivers.csv`` (of a snapshot,
        ``tables/churn_drivers.csv``) and ``findings.json``; empty: the counts alone.

    Returns
    -------
    Result
        ``term, estimate, conf_low, conf_high, p_value, n``: shares with Wilson intervals.
        Parts: ``drivers`` (the drivers of the run) and ``answers`` (its findings).

    Raises
    ------
    UsageError
        The window is too short or the run's folder does not exist.
    DataError
        A file of the run cannot be read.
    """
    if not 7 <= window_days <= 730:
        raise UsageError(f"window_days is {window_days}; allowed: 7 to 730")
    parts = {}
    if run:
        folder = Path(run)
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder of a run")
        parts = {"drivers": _drivers(folder, dataset.form), "answers": _answers(folder)}
    if dataset.form == "snapshot":
        return _snapshot(dataset, parts)
    risk = risk_set(dataset)
    now = _window(risk, risk.end - window_days, risk.end)
    before = _window(risk, risk.end - 2 * window_days, risk.end - window_days)
    currency = dataset.settings.currency
    rows = _rows(f"last {window_days} days", now, currency)
    rows += _rows(f"the {window_days} days before", before, currency)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    meta = _meta(dataset, now["customers"], now["left"]) | {"window_days": window_days}
    first = dataset.as_of - dt.timedelta(days=2 * window_days - 1)
    meta["period"] = [first.isoformat(), dataset.day]
    sentence = f"Nobody was a customer at the start of the last {window_days} days."
    if now["customers"]:
        sentence = (
            f"Of {now['customers']:,} customers at the start of the last {window_days} days, "
            f"{now['left']:,} left of their own will: {_with_interval(meta)}."
        )
    if before["customers"]:
        earlier, _, _ = wilson(before["left"], before["customers"])
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
    """Count who had left when the snapshot was taken."""
    churned = dataset.table("customers").select("churned").collect(backend="pandas").to_native()
    customers, left = len(churned), int(churned["churned"].sum())
    meta = _meta(dataset, customers, left)
    share = (meta["share"], meta["share_low"], meta["share_high"])
    table = pd.DataFrame([("share who had left", *share, np.nan, customers)], columns=_COLUMNS)
    sentence = (
        f"Of {customers:,} customers in the snapshot, {left:,} had left: {_with_interval(meta)}."
    )
    return Result("summary", table, (), meta, sentence, parts)


def _window(risk: RiskSet, start: float, end: float) -> dict[str, Any]:
    """Follow those at risk at the start of a window to its end."""
    spells = risk.spells
    began = risk.start_of(spells["first"].to_numpy())
    over = risk.start_of(spells["last"].to_numpy() + 1)
    there = (began <= start) & (over > start)
    inside = there & (risk.start_of(spells["last"].to_numpy()) < end)
    left = inside & spells["event"].to_numpy()
    value = spells["monthly_value"].to_numpy(float) if "monthly_value" in spells else None
    customers = int(there.sum())
    return {
        "customers": customers,
        "left": int(left.sum()),
        "ended": int((inside & spells["competing"].to_numpy()).sum()),
        "value": float(np.nansum(value[left])) if value is not None else np.nan,
    }


def _rows(when: str, counted: dict[str, Any], currency: str | None) -> list[tuple[Any, ...]]:
    customers = counted["customers"]
    rows: list[tuple[Any, ...]] = []
    for name, count in (
        ("left of their own will", counted["left"]),
        ("ended otherwise", counted["ended"]),
    ):
        rows.append((f"share who {name}, {when}", *wilson(count, customers), np.nan, customers))
    if np.isfinite(counted["value"]):
        unit = f" ({currency})" if currency else ""
        term = f"monthly value{unit} of those who left, {when}"
        rows.append((term, counted["value"], np.nan, np.nan, np.nan, counted["left"]))
    return rows


def _drivers(folder: Path, form: str) -> Result:
    """Give what was found to drive; of a snapshot's numbers, the effect of a step worth telling."""
    snapshot = form == "snapshot"
    path = folder / ("tables/churn_drivers.csv" if snapshot else "drivers.csv")
    columns = _OF_ATTRIBUTES if snapshot else _OF_TOUCHPOINTS
    none = Result("drivers", pd.DataFrame(columns=list(columns.values())), sentence=_NO_DRIVERS)
    if not path.exists():
        return none
    # a touchpoint may be called NA, or 7
    texts = ("touchpoint", "compared_with")
    try:
        table = pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, str)
        )
        leading = table.loc[table["verdict"].isin(["driver", "protective"]), list(columns)]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: no table of drivers ({error})") from error
    leading = leading.rename(columns=columns).reset_index(drop=True)
    for name in leading.columns.intersection(texts):
        leading[name] = leading[name].map(cell_text_read)
    return Result("drivers", leading) if len(leading) else none


def _answers(folder: Path) -> Result:
    path = folder / "findings.json"
    columns = ["notebook", "statement", "verdict"]
    if not path.exists():
        return Result("answers", pd.DataFrame(columns=columns))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["findings"]
        table = pd.DataFrame([[f[c] for c in columns] for f in found], columns=columns)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no findings ({error})") from error
    return Result("answers", table)


def findings(result: Result, notebook: str = "00_summary") -> Findings:
    """Word the share who left for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    meta = result.meta
    return Findings(
        [
            Finding(
                "summary.churn",
                notebook,
                result.sentence,
                meta["share"],
                meta["share_low"],
                meta["share_high"],
                "share of customers",
                meta["customers"],
            )
        ]
    )
