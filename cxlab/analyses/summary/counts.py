"""What there was to count: rows, contacts and failures, now and as known on an earlier day."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.daily import daily_contacts
from cxlab.frames.exposures import contacts
from cxlab.frames.periods import RiskSet
from cxlab.models.changes import excess
from cxlab.results import Result

__all__ = ["Met", "Pace", "met", "mix", "rows_by_table"]

_BEHIND = 365
"""Days before the window whose contacts still count, if their effects last."""


@dataclass(frozen=True)
class Pace:
    """The effect of a driver: log hazard ratio when fresh, days until it has halved."""

    coef: float
    half_life: float

    @property
    def known(self) -> bool:
        """Whether both are."""
        return math.isfinite(self.coef) and self.half_life > 0


@dataclass(frozen=True)
class Met:
    """Contacts by touchpoint and day before the end.

    Parameters
    ----------
    touchpoints : tuple of str
        Their names.
    counts : dict of str to ndarray, shape (touchpoints, days)
        ``contact``, ``bad``, maybe ``good``.
    window : int
        Days of the window.
    """

    touchpoints: tuple[str, ...]
    counts: Mapping[str, np.ndarray]
    window: int

    def days(self, touchpoint: str, kind: str) -> np.ndarray:
        """Give the contacts of a kind at a touchpoint, by day; none where there are none."""
        if touchpoint not in self.touchpoints or kind not in self.counts:
            return np.zeros(1)
        found: np.ndarray = self.counts[kind][self.touchpoints.index(touchpoint)]
        return found

    def within(self, touchpoint: str, kind: str) -> float:
        """Count those of the window."""
        return float(self.days(touchpoint, kind)[: self.window].sum())

    def excess(self, touchpoint: str, kind: str, pace: Pace) -> float:
        """Sum what they add to the hazard in the window."""
        return excess(self.days(touchpoint, kind), pace.coef, pace.half_life, self.window)


def met(dataset: Dataset, risk: RiskSet, window: int) -> Met | None:
    """Count contacts by touchpoint and day; None where there is no table of them.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    risk : RiskSet
        Its spells.
    window : int
        Days of the window.
    """
    if "interactions" not in dataset.tables:
        return None
    known = contacts(dataset)
    counts = daily_contacts(dataset, known, risk.followed, risk.end, window + _BEHIND)
    return Met(known.touchpoints, counts, window)


def mix(counted: Met | None, paces: Mapping[tuple[str, str], Pace]) -> Result:
    """Give what was met in the window as the history keeps it.

    Parameters
    ----------
    counted : Met or None
        The contacts.
    paces : mapping
        (touchpoint, valence) -> effect, of those that have one.
    """
    rows: list[tuple[str, str, str, float]] = []
    if counted is not None:
        for name in counted.touchpoints:
            rows += [(name, kind, "window", counted.within(name, kind)) for kind in counted.counts]
        for (name, kind), pace in paces.items():
            if pace.known:
                rows.append((name, kind, "excess", counted.excess(name, kind, pace)))
    return Result("mix", pd.DataFrame(rows, columns=["name", "part", "measure", "value"]))


def rows_by_table(risk: RiskSet) -> Result:
    """Count the rows of each table up to ``as_of``, and who left.

    Parameters
    ----------
    risk : RiskSet
        The spells, as known then.
    """
    dataset, rows = risk.dataset, []
    for name in dataset.tables:
        frame = dataset.table(name).select(rows=nw.len()).collect(backend="pandas").to_native()
        rows.append((name, "", "rows", float(frame["rows"].iloc[0])))
    rows.append(("churns", "", "rows", float(risk.events)))
    return Result("count", pd.DataFrame(rows, columns=["name", "part", "measure", "value"]))
