"""What has changed since an earlier run, whether by more than noise, and what it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.summary.counts import Pace
from cxlab.analyses.summary.sides import Side, drivers_of, revised, side_of
from cxlab.data.dataset import Dataset
from cxlab.data.history import History
from cxlab.errors import AnalysisError
from cxlab.models import changes
from cxlab.models.intervals import Z, benjamini_hochberg, wald_p
from cxlab.results import listed

__all__ = ["ALPHA", "LOST", "PARTS", "RATIO", "SHARE", "Compared", "compare"]

ALPHA = 0.05
PARTS = ("data", "mix", "effect", "rest")
_MIX = ("customers", "contacts", "failing")
_COLUMNS = ("term", "measure", "then", "now", "estimate", "se", "conf_low", "conf_high", "p_value",
            "q_value", "beyond", *PARTS, *_MIX, "n", "driving")  # fmt: skip
_SETTINGS = ("window_days", "washout_days", "period_days")
SHARE, LOST, RATIO = "share who left", "customers lost", "hazard ratio"


@dataclass(frozen=True)
class Compared:
    """Two runs held against each other.

    Parameters
    ----------
    then : History
        The earlier one.
    table : pandas.DataFrame
        A row a figure: what it was, is, and changed by, with the noise of the change.
    revised : pandas.DataFrame
        ``name, then, now``: rows up to the earlier run's day, as it had counted them and as they
        are known today; those that differ.
    came, went : tuple of str
        Drivers that were none before, and that are none now.
    note : str
        Why drivers are not compared; empty where they are.
    """

    then: History
    table: pd.DataFrame
    revised: pd.DataFrame
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    note: str = ""


def compare(
    dataset: Dataset, now: Side, run: History | None, then: History, window: int
) -> Compared | str:
    """Hold a run against an earlier one.

    Parameters
    ----------
    dataset : Dataset
        The data of today.
    now : Side
        What is counted in them.
    run : History or None
        What the run's notebooks found; None: who left is all that is compared.
    then : History
        The earlier run.
    window : int
        Days of the window.

    Returns
    -------
    Compared, or str
        Why they cannot be compared.
    """
    day = then.as_of
    assert day is not None
    driven = now.met.window if now.met else window
    try:
        before = side_of(dataset.on(day), window, driven)
    except AnalysisError as error:
        why = str(error).removeprefix(f"{dataset.path}: ")
        return f"Run {then.run_id} cannot be compared with: {why}."
    gap = (dataset.as_of - day).days
    rows, share = revised(before, then)
    tables = [_share(now, before, then, window, gap)]
    note = _other_settings(run, then)
    came: tuple[str, ...] = ()
    went: tuple[str, ...] = ()
    if not note:
        assert run is not None
        if _followers(run) != _followers(then):
            share = 1.0  # other touchpoints are held apart: the estimates share less
        tables.append(_drivers(run, then, now, before, gap, share))
        came, went = _changed_sides(run, then)
    table = pd.concat([t for t in tables if len(t)], ignore_index=True).reindex(
        columns=list(_COLUMNS)
    )
    for measure in (SHARE, LOST, RATIO):
        mine = table["measure"] == measure
        table.loc[mine, "q_value"] = benjamini_hochberg(table.loc[mine, "p_value"].to_numpy(float))
    table["beyond"] = table["q_value"] < ALPHA
    return Compared(then, table, rows, came, went, note)


def _other_settings(run: History | None, then: History) -> str:
    """Say why the drivers of two runs cannot be compared; empty where they can."""
    if run is None or run.of("driver").empty:
        return "this run has no drivers to compare"
    if then.of("driver").empty:
        return "that run had no drivers to compare with"
    other = [s for s in _SETTINGS if run.number("about", s) != then.number("about", s)]
    names = [f"{s} was {then.number('about', s):g}, is {run.number('about', s):g}" for s in other]
    return f"they were worked out otherwise ({listed(names)})" if names else ""


def _followers(run: History) -> set[str]:
    rows = run.of("about")
    return set(rows.loc[rows["name"] == "follower", "text"])


def _changed_sides(run: History, then: History) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the drivers that came, and those that went."""
    sides = []
    for rows in (drivers_of(run), drivers_of(then)):
        drivers = rows[rows["verdict"] == "driver"]
        sides.append(set(zip(drivers["name"], drivers["part"], strict=True)))
    mine, theirs = sides
    return _named(mine - theirs), _named(theirs - mine)


def _named(rows: set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(name if part == "bad" else f"{name} ({part})" for name, part in sorted(rows))


def _share(now: Side, before: Side, then: History, window: int, gap: int) -> pd.DataFrame:
    """Compare the share who left, and part its change."""
    mine, restated = now.left, before.left
    old = then.of("tenure")
    old = old[old["part"] == str(window)].groupby("measure")["value"].sum()
    none = pd.DataFrame(columns=list(_COLUMNS))
    if not (mine.customers and restated.customers and old.get("customers")):
        return none
    was = float(old["left"] / old["customers"])
    share, again = mine.leavers / mine.customers, restated.leavers / restated.customers
    both = _left_in_both(now, before, gap, window)
    se = changes.share_se(restated.leavers, mine.leavers, both, restated.customers, mine.customers)
    first, last = restated.by_tenure(), mine.by_tenure()
    mix, rate = changes.kitagawa(
        *(f[c].to_numpy(float) for f in (first, last) for c in ("customers", "left"))
    )
    row = {"term": SHARE, "measure": SHARE, "then": was, "now": share, "data": again - was,
           "mix": mix, "rest": rate, "n": mine.customers, "driving": False}  # fmt: skip
    return pd.DataFrame([row | _tested(share - was, se)])


def _left_in_both(now: Side, before: Side, gap: int, window: int) -> float:
    """Count who left in the days that both windows have, of those who were there at both starts."""
    if gap >= window:
        return 0.0
    spells, risk = now.risk.spells, now.risk
    began = risk.start_of(spells["first"].to_numpy())
    over = risk.start_of(spells["last"].to_numpy())
    old_start, old_end = before.risk.end - window, before.risk.end
    return float((now.left.left & (began <= old_start) & (over < old_end)).sum())


def _tested(change: float, se: float) -> dict[str, float]:
    p = float(wald_p(np.array([change]), np.array([se]))[0]) if se > 0 else math.nan
    ends = {"conf_low": change - Z * se, "conf_high": change + Z * se}
    return {"estimate": change, "se": se, **ends, "p_value": p}


def _drivers(
    run: History, then: History, now: Side, before: Side, gap: int, revised: float
) -> pd.DataFrame:
    """Compare each contrast that both runs have: its hazard ratio, and the customers it cost."""
    both = drivers_of(run).merge(drivers_of(then), on=["name", "part"], suffixes=("", "_then"))
    both = both[both["part"].isin(["bad", "good"]) & both["hazard_ratio"].notna()]
    both = both[both["hazard_ratio_then"].notna()]
    events = then.number("about", "churns"), run.number("about", "churns")
    rows = []
    for row in both.itertuples(index=False):
        term = row.name if row.part == "bad" else f"{row.name} ({row.part})"
        se = changes.coefficient_se(row.se_then, row.se, *events, revised=revised)
        told = _tested(row.coef - row.coef_then, se)
        rows.append({"term": term, "measure": RATIO, "then": row.hazard_ratio_then,
                     "now": row.hazard_ratio, "n": row.n,
                     "driving": row.verdict == "driver", **told})  # fmt: skip
        if math.isfinite(row.attributable_churn) and math.isfinite(row.attributable_churn_then):
            rows.append(_lost(row, term, then, now, before, gap, revised))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _lost(
    row: Any, term: str, then: History, now: Side, before: Side, gap: int, revised: float
) -> dict[str, Any]:
    """Compare the customers that a driver cost, and part the change."""
    window, place = now.met.window if now.met else 1, (row.name, row.part)
    losses = [
        changes.Loss(customers, coef, se, side.met.within(*place) if side.met else math.nan)
        for customers, coef, se, side in (
            (row.attributable_churn_then, row.coef_then, row.se_then, before),
            (row.attributable_churn, row.coef, row.se, now),
        )
    ]
    se = changes.loss_se(
        *losses,
        overlap=max(0.0, 1.0 - gap / window),
        events_then=then.number("about", "churns"),
        events_now=float(now.risk.events),
        revised=revised,
    )
    was, is_ = (loss.customers for loss in losses)
    old = Pace(row.coef_then, row.half_life_then), then.number("mix", row.name, "excess", row.part)
    parts = _parts(was, is_, place, old, Pace(row.coef, row.half_life), before, now)
    return {"term": term, "measure": LOST, "then": was, "now": is_, "n": row.n,
            "driving": row.verdict == "driver", **parts, **_tested(is_ - was, se)}  # fmt: skip


def _parts(
    was: float,
    is_: float,
    place: tuple[str, str],
    old: tuple[Pace, float],
    new: Pace,
    before: Side,
    now: Side,
) -> dict[str, float]:
    """Part a change among data, mix, effect and the rest; none where there is no ratio."""
    (pace, recorded), mets = old, (before.met, now.met)
    if mets[0] is None or mets[1] is None or not (pace.known and new.known):
        return {}
    # What failures add to the hazard at the earlier effect: as recorded, as known today, now.
    then_bad, now_bad = (m.excess(*place, pace) for m in mets if m)
    then_all, now_all = (m.excess(place[0], "contact", pace) for m in mets if m)
    grown = mets[1].excess(*place, new)
    people = before.driven.customers, now.driven.customers
    factors = [was, is_, recorded, then_bad, now_bad, then_all, now_all, grown, *people]
    signs = {math.copysign(1.0, f) for f in factors[:2]} | {
        math.copysign(1.0, f) for f in (recorded, then_bad, now_bad, grown)
    }
    if not all(math.isfinite(f) and f for f in factors) or len(signs) > 1:
        return {}
    customers = people[1] / people[0]
    contacts = now_all / then_all / customers
    failing = (now_bad / now_all) / (then_bad / then_all)
    ratios = np.array([then_bad / recorded, customers, contacts, failing, grown / now_bad])
    data, *mix, effect, rest = changes.log_mean_parts(abs(was), abs(is_), ratios) * np.sign(is_)
    each = dict(zip(_MIX, mix, strict=True))
    return {"data": data, "mix": sum(mix), "effect": effect, "rest": rest, **each}
