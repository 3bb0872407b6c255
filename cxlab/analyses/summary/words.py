"""The summary in sentences."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from cxlab.analyses.summary.changed import ALPHA, LOST, PARTS, RATIO, SHARE, Compared
from cxlab.models.intervals import Z
from cxlab.results import MINUS, Result, counted, listed, ratio_text

__all__ = ["RULE", "changed", "in_short", "next_steps", "shown"]

RULE = (
    "Change, noise and signal: noise is what chance alone makes of a change in 95 of 100 runs that "
    f"share these data; a signal is beyond it at {ALPHA:.0%}, corrected over all contrasts. The "
    "parts of a change add up. Data: rows of the past that came late or were corrected. Mix: more "
    "or fewer contacts, failures and customers at risk; of the share, who the customers are by how "
    "long they have been there. Effect: what one failure does. Rest: how readily customers leave "
    "at all, and chance."
)
"""What the words of the table of changes mean."""
_MIX = {
    "customers": ("more customers at risk", "fewer customers at risk"),
    "contacts": ("more contacts of each customer", "fewer contacts of each customer"),
    "failing": ("contacts failing more often", "contacts failing less often"),
}
_EFFECT = ("a failure doing more harm", "a failure doing less harm")
_OTHER = {
    "data": ("rows that came late or were corrected",) * 2,
    "rest": ("more customers leaving for other reasons or by chance",
             "fewer customers leaving for other reasons or by chance"),
}  # fmt: skip
_MOST = 4


def in_short(compared: Compared | str) -> str:
    """Say in a sentence or two what has changed, and whether it is more than noise.

    Parameters
    ----------
    compared : Compared or str
        The comparison, or why there is none.
    """
    if isinstance(compared, str):
        return compared
    text = f"Since the run of {compared.then.as_of} "
    share = compared.table[compared.table["measure"] == SHARE]
    parts = [_share(r) for r in share.itertuples()]
    if compared.note:
        parts.append(f"drivers are not compared, for {compared.note}")
    else:
        parts.append(_drivers(compared))
    return text + "; ".join(parts) + "."


def _share(row: Any) -> str:
    moved = "has risen" if row.estimate > 0 else "has fallen"
    figures = f"the share who left {moved} from {row.then:.1%} to {row.now:.1%}"
    if not math.isfinite(row.se):
        return f"the share who left is {row.now:.1%}, as it was"
    noise = f"noise alone makes {Z * row.se * 100:.1f} points"
    verdict = "more than noise" if row.beyond else "within the noise"
    return f"{figures}, {verdict} ({noise})"


def _drivers(compared: Compared) -> str:
    """Name the drivers whose cost or effect has changed by more than noise."""
    table = compared.table
    lost = table[(table["measure"] == LOST) & table["beyond"]]
    ratio = table[(table["measure"] == RATIO) & table["beyond"] & ~table["term"].isin(lost["term"])]
    told = [f"what {r.term} costs went from {_customers(r.then)} to {_customers(r.now)} customers, "
            f"more than noise{_because(r)}" for r in lost.itertuples()]  # fmt: skip
    told += [f"the hazard ratio of {r.term} went from {ratio_text(r.then)} to "
             f"{ratio_text(r.now)}, more than noise" for r in ratio.itertuples()]  # fmt: skip
    if not told:
        told = ["of no driver has the cost or the effect changed by more than noise"]
    more = len(told) - _MOST
    told = told[:_MOST] + ([f"so it is with {more} more"] if more > 0 else [])
    if compared.came:
        told.append(f"newly called {_called(compared.came)}: {listed(compared.came, _MOST)}")
    if compared.went:
        told.append(f"no longer called {_called(compared.went)}: {listed(compared.went, _MOST)}")
    return "; ".join(told)


def _called(names: tuple[str, ...]) -> str:
    return "a driver" if len(names) == 1 else "drivers"


def _customers(value: float) -> str:
    return f"{value:.0f}".replace("-", MINUS)


def _because(row: Any) -> str:
    """Name what made most of a change."""
    parts = {p: getattr(row, p) for p in PARTS}
    if not all(math.isfinite(v) for v in parts.values()):
        return ""
    same = {p: v for p, v in parts.items() if v * row.estimate > 0}
    if not same:
        return ""
    name = max(same, key=lambda p: abs(same[p]))
    sign = 0 if same[name] * math.copysign(1.0, row.now or 1.0) > 0 else 1
    if name == "mix":
        inner = max(_MIX, key=lambda m: getattr(row, m) * math.copysign(1.0, row.estimate))
        return f", mostly by {_MIX[inner][sign]}"
    return f", mostly by {_EFFECT[sign] if name == 'effect' else _OTHER[name][sign]}"


def changed(compared: Compared | str) -> list[str]:
    """Say in a line which run is compared with, and what of its past is another by now.

    Parameters
    ----------
    compared : Compared or str
        The comparison, or why there is none.
    """
    if isinstance(compared, str):
        return [compared]
    return [f"Compared with run {compared.then.run_id}. {_past(compared.revised)}"]


def _past(revised: pd.DataFrame) -> str:
    if revised.empty:
        return "Of what it had seen, nothing came late or was corrected, as far as counts tell."
    told = [
        f"{r.name} {_whole(r.then)}, now {_whole(r.now)}" for r in revised.itertuples(index=False)
    ]
    return f"Of its own days not all is as it was: {'; '.join(told)}."


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def shown(compared: Compared | str) -> Result:
    """Give the changes of the drivers' cost as a table for reading.

    Parameters
    ----------
    compared : Compared or str
        The comparison, or why there is none.
    """
    heads = ["", "then", "now", "change", "noise", "signal", *PARTS]
    if isinstance(compared, str):
        return Result("changes", pd.DataFrame(columns=heads), sentence=compared)
    table = compared.table
    lost = table[(table["measure"] == LOST) & (table["driving"].astype(bool) | table["beyond"])]
    rows = [
        _row(r, f"{r.then:.1%}", f"{r.now:.1%}", 100.0)
        for r in table[table["measure"] == SHARE].itertuples()
    ]
    rows += [
        _row(r, _one(r.then), _one(r.now), 1.0)
        for r in lost.sort_values("now", ascending=False, kind="stable").itertuples()
    ]
    text = "Customers lost to each driver; the share changes by points." if len(lost) else ""
    return Result("changes", pd.DataFrame(rows, columns=heads), sentence=text)


def _row(row: Any, then: str, now: str, scale: float) -> list[str]:
    parts = [_signed(getattr(row, p) * scale) for p in PARTS]
    noise = f"±{Z * row.se * scale:.1f}" if math.isfinite(row.se) else "–"
    signal = "yes" if row.beyond else "no"
    return [row.term, then, now, _signed(row.estimate * scale), noise, signal, *parts]


def _one(value: float) -> str:
    return f"{value:.1f}".replace("-", MINUS)


def _signed(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:+.1f}".replace("-", MINUS) if abs(value) >= 0.05 else "0.0"


def next_steps(findings: pd.DataFrame, drivers: pd.DataFrame, window: int) -> list[tuple[str, str]]:
    """Say what to do next, from what the pages on fixing found, else from the drivers.

    Parameters
    ----------
    findings : pandas.DataFrame
        ``id, notebook, statement, verdict`` of the run's findings.
    drivers : pandas.DataFrame
        What drives customers away.
    window : int
        Days over which customers lost are counted.

    Returns
    -------
    list of tuple of str
        Where it is from, and the sentence.
    """
    told: list[tuple[str, str]] = []
    for prefix in ("what_to_fix.", "did_it_work."):
        mine = findings[findings["id"].str.startswith(prefix)]
        said = mine.drop_duplicates("statement").head(2 if prefix == "what_to_fix." else 1)
        told += [(r.notebook, " ".join(r.statement.split())) for r in said.itertuples()]
    if not any(f.startswith("what_to_fix.") for f in findings["id"]):
        told = [("drivers.csv", _begin(drivers, window)), *told]
    return told


def _begin(drivers: pd.DataFrame, window: int) -> str:
    """Say where to begin when nothing is told of what fixing costs."""
    costly = drivers[drivers["verdict"] == "driver"]
    if costly.empty:
        return "No driver was found in this run, so there is none to begin with."
    top = costly.iloc[0]
    if "attributable_churn" not in costly:  # of a snapshot: an attribute
        return (
            f"Begin with customers of {top['touchpoint']}, who leave more often than others like "
            "them. What could be changed about it is not told in this run."
        )
    text = f"Look at {top['touchpoint']} first"
    low = float(top["attributable_churn_low"])
    if low > 0.5:  # fewer round to none
        text += (
            f": failures there cost most, at least {counted(round(low), 'customer')} of the last "
            f"{window} days"
        )
    return text + ". What fixing costs and is worth is not told in this run."
