"""Who left: in the window, in the one before, and by how long they had been customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.periods import RiskSet
from cxlab.models.intervals import wilson
from cxlab.results import Result

__all__ = ["COLUMNS", "Leaving", "rows", "seen", "snapshot", "tenure"]

COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n"]
_BANDS = (0.0, 90.0, 365.0, np.inf)
_ALL = "all"
_NAMES = ("under 90 days", "90 to 365 days", "over 365 days")


@dataclass(frozen=True)
class Leaving:
    """Customers at a window's start, and what became of them by its end.

    Parameters
    ----------
    there, left, ended : ndarray of bool, shape (spells,)
        Who was there at the start, who of them left of their own will, who ended otherwise.
    value : float
        Monthly value of those who left; NaN where none is known.
    tenure : ndarray, shape (spells,)
        Days since each had begun, at the start.
    """

    there: np.ndarray
    left: np.ndarray
    ended: np.ndarray
    value: float
    tenure: np.ndarray

    @property
    def customers(self) -> int:
        """How many were there."""
        return int(self.there.sum())

    @property
    def leavers(self) -> int:
        """How many of them left."""
        return int(self.left.sum())

    def by_tenure(self) -> pd.DataFrame:
        """Count both by how long they had been customers: ``name, customers, left``."""
        band = np.digitize(self.tenure, _BANDS[1:-1])
        each = len(_NAMES)
        return pd.DataFrame(
            {
                "name": _NAMES,
                "customers": np.bincount(band[self.there], minlength=each),
                "left": np.bincount(band[self.left], minlength=each),
            }
        )


def seen(risk: RiskSet, start: float, end: float) -> Leaving:
    """Follow those at risk at the start of a window to its end.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    start, end : float
        The window, in days.
    """
    spells = risk.spells
    began = risk.start_of(spells["first"].to_numpy())
    over = risk.start_of(spells["last"].to_numpy() + 1)
    there = (began <= start) & (over > start)
    inside = there & (risk.start_of(spells["last"].to_numpy()) < end)
    left = inside & spells["event"].to_numpy()
    value = spells["monthly_value"].to_numpy(float) if "monthly_value" in spells else None
    return Leaving(
        there=there,
        left=left,
        ended=inside & spells["competing"].to_numpy(),
        value=float(np.nansum(value[left])) if value is not None else np.nan,
        tenure=start - spells["started"].to_numpy(float),
    )


def rows(when: str, counted: Leaving, currency: str | None, least: int) -> list[tuple[Any, ...]]:
    """Give the shares and the money of a window as rows of :data:`COLUMNS`.

    Parameters
    ----------
    when : str
        Which window.
    counted : Leaving
        What became of whom.
    currency : str or None
        Of the money.
    least : int
        What fewer customers paid is not told.
    """
    customers = counted.customers
    made: list[tuple[Any, ...]] = []
    for name, who in (
        ("left of their own will", counted.left),
        ("ended otherwise", counted.ended),
    ):
        share = wilson(int(who.sum()), customers)
        made.append((f"share who {name}, {when}", *share, np.nan, customers))
    few = 0 < counted.leavers < least
    if np.isfinite(counted.value) and not few:
        unit = f" ({currency})" if currency else ""
        term = f"monthly value{unit} of those who left, {when}"
        made.append((term, counted.value, np.nan, np.nan, np.nan, counted.leavers))
    return made


def snapshot(dataset: Dataset) -> tuple[int, int]:
    """Count the customers of a snapshot, and who had left."""
    churned = dataset.table("customers").select("churned").collect(backend="pandas").to_native()
    return len(churned), int(churned["churned"].sum())


def tenure(counted: Leaving, days: int, least: int) -> Result:
    """Give the counts by tenure as the history keeps them; all in one where a group is small.

    Parameters
    ----------
    counted : Leaving
        Of the window.
    days : int
        Its length.
    least : int
        Of a group that may be told.
    """
    each = counted.by_tenure()
    if each["customers"].between(1, least - 1).any():
        each = each.drop(columns="name").sum().to_frame().T.assign(name=_ALL)
    table = each.melt("name", var_name="measure").assign(part=str(days))
    return Result("tenure", table[["name", "part", "measure", "value"]])
