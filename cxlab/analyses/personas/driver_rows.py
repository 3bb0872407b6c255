"""The days after the window as rows of the driver model, and what each had behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study
from cxlab.errors import UsageError
from cxlab.frames.adjustment import activity, adjustment, proneness
from cxlab.frames.exposures import Contacts, Kernel, Measured, at_exit, contacts, measure
from cxlab.frames.periods import RiskSet
from cxlab.frames.sampling import draw
from cxlab.models.contrast import Rows, follows_decision
from cxlab.models.hazard import independent_columns

__all__ = ["HALF_LIFE", "Followed", "followed"]

HALF_LIFE, WASHOUT = 28.0, 3.0
_RECENT_DAYS, _VOLUME_DAYS = 14.0, 90.0
# Of a bad contact of which less is left nothing is told any more.
_LEAST_LEFT = 0.1


@dataclass(frozen=True)
class Followed:
    """Rows of the days after the window, and what each had behind it.

    Parameters
    ----------
    rows : Rows
        With everything held equal.
    group : ndarray of int, shape (n,)
        The persona of each, in order; the last: of none.
    personas : int
        How many personas there are.
    bad, met : ndarray, shape (n, touchpoints)
        Decayed sums of bad contacts and of all, at touchpoints that do not follow the decision.
    touchpoints, follows : tuple of str
        These, and those that do.
    customers : ndarray of int, shape (personas, touchpoints + 1)
        Customers with a bad contact from the window on, at each touchpoint and (last) at any.
    text : str
        What was drawn.
    """

    rows: Rows
    group: np.ndarray
    personas: int
    bad: np.ndarray
    met: np.ndarray
    touchpoints: tuple[str, ...]
    follows: tuple[str, ...]
    customers: np.ndarray
    text: str

    @property
    def inside(self) -> np.ndarray:
        """Membership, shape (n, personas + 1)."""
        return np.asarray(self.group[:, None] == np.arange(self.personas + 1))

    def exposed(self, left: np.ndarray, event: int) -> np.ndarray:
        """Count rows of each persona with a bad contact that still tells, shape (personas, ...)."""
        there = (left > _LEAST_LEFT) & (self.rows.event == event)[:, None]
        return np.array([there[self.group == g].sum(axis=0) for g in range(self.personas)])


def _days_after(study: Study) -> RiskSet:
    """Give the days after the window alone, of those who were there through it."""
    risk = study.risk
    first = round((study.then.end - risk.end) / risk.period_days)
    wanted = study.then.customers[["spell"]]
    frame = risk.frame.join(risk.dataset.attach(wanted), on="spell", how="inner")
    frame = frame.filter(nw.col("last") >= first)
    frame = frame.with_columns(first=nw.max_horizontal("first", nw.lit(first)))
    renewals = risk.renewals
    if renewals is not None:
        later = renewals["period"] >= first
        renewals = renewals[later & renewals["spell"].isin(wanted["spell"])]
    return replace(risk, frame=frame, renewals=renewals)


def followed(study: Study) -> Followed | str:
    """Draw the rows and measure what lies behind them, or say why that cannot be.

    Parameters
    ----------
    study : Study
        With personas.
    """
    dataset = study.risk.dataset
    known = contacts(dataset)
    if "bad" not in known.classes:
        return "nothing tells a bad contact from an ordinary one"
    known = known.kept(study.risk)
    risk = _days_after(study)
    try:
        sample = draw(risk, "auto", study.options.seed, known, WASHOUT)
    except UsageError:
        return "no day at risk was drawn"
    rows = sample.rows
    if not 0 < rows["event"].sum() < len(rows):
        return "nobody left in the days that are modelled, or nobody stayed"
    grid = measure(dataset, known, rows, _KERNELS, WASHOUT)
    adjusted = adjustment(rows, dataset.attributes).matrix
    plain = Rows(
        event=rows["event"].to_numpy(),
        controls=adjusted[:, independent_columns(adjusted)],
        clusters=np.unique(rows["who"].to_numpy(), return_inverse=True)[1],
        offset=sample.offset,
        link=sample.link,
    )
    found = follows_decision(plain, grid["recent", "all"], grid["older", "all"]).found()
    follows = found | at_exit(study.risk.dataset, known.touchpoints)
    if follows.all():
        return "all touchpoints follow the decision to leave"
    place = pd.Series(study.label, index=study.then.customers["spell"])
    label = place.reindex(rows["spell"]).to_numpy(int)
    count = len(study.names)
    names = np.array(known.touchpoints, dtype=object)
    return Followed(
        rows=_held(plain, grid, rows["seen"].to_numpy(), ~follows),
        group=np.where(label < 0, count, label),
        personas=count,
        bad=grid["decay", "bad"][:, ~follows],
        met=grid["decay", "all"][:, ~follows],
        touchpoints=tuple(names[~follows]),
        follows=tuple(names[follows]),
        customers=_customers(study, risk, known, ~follows),
        text=sample.text,
    )


_KERNELS = {
    "decay": Kernel(HALF_LIFE),
    "recent": Kernel(HALF_LIFE, high=_RECENT_DAYS, classes=("all",)),
    "older": Kernel(HALF_LIFE, low=_RECENT_DAYS, classes=("all",)),
    "trailing": Kernel(high=_VOLUME_DAYS, classes=("all",)),
    "ever": Kernel(classes=("all", "bad")),
}


def _held(plain: Rows, grid: Measured, seen: np.ndarray, others: np.ndarray) -> Rows:
    """Hold activity and luck equal, of the touchpoints that do not follow the decision.

    And contacts that went well or that nobody judged: bad ones are told against ordinary ones.
    """
    recent, trailing, ever = (grid[k, "all"][:, others] for k in ("recent", "trailing", "ever"))
    luck = proneness(grid["ever", "bad"][:, others], ever, plain.standing)
    beside = [grid["decay", c][:, others].sum(axis=1)[:, None]
              for c in ("good", "unknown") if ("decay", c) in grid]  # fmt: skip
    return plain.with_controls(activity(recent, trailing, ever, seen), luck, *beside)


def _customers(study: Study, risk: RiskSet, known: Contacts, others: np.ndarray) -> np.ndarray:
    """Count the customers of each persona with a bad contact from the window on."""
    label = pd.DataFrame({"spell": study.then.customers["spell"], "persona": study.label})
    who = risk.frame.select("spell", "who")
    mine = who.join(risk.dataset.attach(label[label["persona"] >= 0]), on="spell", how="inner")
    rest = np.flatnonzero(others).tolist()
    bad = known.frame.filter(
        (nw.col("bad_from") < risk.end)
        & (nw.col("at") >= study.then.start)
        & nw.col("touchpoint").is_in(rest)
    )
    met = bad.join(mine, on="who", how="inner")
    counts = np.zeros((len(study.names), len(others) + 1), dtype=int)
    each = met.group_by("persona", "touchpoint").agg(n=nw.col("who").n_unique())
    every = met.group_by("persona").agg(n=nw.col("who").n_unique())
    for row in each.collect(backend="pyarrow").iter_rows(named=True):
        counts[row["persona"], row["touchpoint"]] = row["n"]
    for row in every.collect(backend="pyarrow").iter_rows(named=True):
        counts[row["persona"], -1] = row["n"]
    return counts[:, np.append(others, True)]
