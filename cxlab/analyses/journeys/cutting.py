"""Where one journey ends and the next begins, and what the other rooms share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.journeys import Ordered, Spans, Steps, gap_counts, order, spans
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.models.clustered import SUMS
from cxlab.results import Check, counted

__all__ = ["STATES", "Cut", "collected", "cut", "idle_gap", "length", "sums"]

Frame = nw.LazyFrame[Any]

STATES = ("complete", "abandoned", "still open", "not known")
"""How a journey ended, by the number that :mod:`cxlab.frames.journeys` gives it."""

# Gaps within given journeys tell the gap that ends a session where there are so many of them,
# and this share of them is to lie below it.
_LEAST_GIVEN, _WITHIN = 100, 0.95
# A trough counts where it lies between these days, has this share of gaps on either side, and
# is at most so deep as this share of the lower of the peaks beside it.
_SHORTEST, _LONGEST, _SIDE, _DEPTH = 5 / 1440, 14.0, 0.05, 0.5
_ONE_DAY = 1.0


@dataclass(frozen=True)
class Cut:
    """The journeys, and what is known of those who took them.

    Parameters
    ----------
    dataset : Dataset
        The data.
    steps : Steps
        The contacts as steps.
    risk : RiskSet or None
        Who was at risk of leaving; None where nobody can be followed.
    spans : Spans or None
        When they were.
    why : str
        Why nobody can be followed; else empty.
    how : str
        How the gap that ends a session was chosen.
    checks : tuple of Check
        How journeys were cut.
    min_group : int
        Groups of fewer customers are withheld.
    """

    dataset: Dataset
    steps: Steps
    risk: RiskSet | None
    spans: Spans | None
    why: str
    how: str
    checks: tuple[Check, ...]
    min_group: int

    @property
    def contacts(self) -> Ordered:
        """The contacts in their order."""
        return self.steps.contacts

    @property
    def names(self) -> tuple[str, ...]:
        """The touchpoints' names by place."""
        return self.contacts.touchpoints


def cut(dataset: Dataset, idle_days: float, min_group: int) -> Cut:
    """Cut the contacts into journeys.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    idle_days : float
        After a longer gap a new session begins; 0: chosen by the data.
    min_group : int
        Groups of fewer customers are withheld.

    Raises
    ------
    AnalysisError
        There are no contacts.
    """
    contacts = order(dataset)
    if not contacts.rows:
        raise AnalysisError(f"{dataset.path}: table interactions has no contacts to put in order")
    gaps = gap_counts(contacts)
    if idle_days:
        idle, how = float(idle_days), "as asked for"
    else:
        idle, how = idle_gap(gaps)
    steps = contacts.cut(idle)
    risk, there, why = _followed(dataset)
    checks = _checks(contacts, gaps, idle, how)
    return Cut(dataset, steps, risk, there, why, how, checks, min_group)


def _followed(dataset: Dataset) -> tuple[RiskSet | None, Spans | None, str]:
    if dataset.form == "snapshot":
        return None, None, "the data are a snapshot: nobody knows when customers left"
    try:
        risk = risk_set(dataset)
    except AnalysisError:
        return None, None, "nobody is seen to leave of their own will"
    there = spans(risk)
    return (risk, there, "") if there.days > 0 else (None, None, "no customer is followed")


def idle_gap(gaps: pd.DataFrame) -> tuple[float, str]:
    """Choose the gap that ends a session, and say how.

    Where the data name journeys, 95% of the gaps within them are no longer. Else it is the
    trough between the gaps within sessions and those between them, on a logarithmic scale
    (Halfaker et al. 2015). Where there is none, a day.

    Parameters
    ----------
    gaps : pandas.DataFrame
        Of :func:`cxlab.frames.journeys.gap_counts`.

    Returns
    -------
    days : float
    how : str
    """
    given = gaps[gaps["given"]]
    if given["n"].sum() >= _LEAST_GIVEN:
        before = (given["n"].cumsum() - given["n"]).to_numpy()
        place = int(np.searchsorted(given["n"].cumsum(), _WITHIN * given["n"].sum()))
        row = given.iloc[place]
        part = (_WITHIN * given["n"].sum() - before[place]) / row["n"]
        days = float(row["low"] * (row["high"] / row["low"]) ** part)
        return _round(days), "95% of the gaps within the journeys that the data name are no longer"
    found = _trough(gaps[~gaps["given"]])
    if found is None:
        return _ONE_DAY, "the gaps have no trough that would part sessions, so a day is taken"
    return _round(found), "the trough between short gaps and long ones"


def _trough(gaps: pd.DataFrame) -> float | None:
    """Find the lowest place between two peaks of the gaps on a logarithmic scale."""
    if len(gaps) < 3:
        return None
    place = np.rint(np.log2(gaps["low"] / gaps["low"].min()) * 4).astype(int)
    count = np.zeros(place.max() + 1)
    count[place] = gaps["n"]
    smooth = np.convolve(np.pad(count, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    below = np.cumsum(count) / count.sum()
    middle = gaps["low"].min() * 2 ** ((np.arange(len(count)) + 0.5) / 4)
    best = None
    for k in range(1, len(count) - 1):
        inside = _SHORTEST <= middle[k] <= _LONGEST and _SIDE <= below[k] <= 1 - _SIDE
        peak = min(smooth[:k].max(), smooth[k + 1 :].max())
        if inside and smooth[k] <= _DEPTH * peak and (best is None or smooth[k] < smooth[best]):
            best = k
    return None if best is None else float(middle[best])


def _round(days: float) -> float:
    """Round to whole minutes, hours or half days, whichever tells most of it."""
    for unit in (0.5, 1 / 24, 1 / 1440):
        if days >= 5 * unit:
            return round(days / unit) * unit
    return max(days, 1 / 1440)


def length(days: float) -> str:
    """Give a length of time in the unit that fits it, such as ``90 minutes``."""
    for unit, one, least in ((1.0, "day", 3.0), (1 / 24, "hour", 2 / 24), (1 / 1440, "minute", 0)):
        if days >= least * (1 - 1e-9) or (days == round(days) and one == "day"):
            shown = f"{days / unit:,.3g}" if days / unit < 100 else f"{days / unit:,.0f}"
            return f"{shown} {one if shown == '1' else one + 's'}"
    return "no time"


def _checks(contacts: Ordered, gaps: pd.DataFrame, idle: float, how: str) -> tuple[Check, ...]:
    share, rest = contacts.given / contacts.rows, contacts.rows - contacts.given
    told = f"none of {counted(contacts.rows, 'contact')} carries a journey_id"
    if contacts.given:
        told = f"{share:.0%} of {counted(contacts.rows, 'contact')} carry a journey_id"
    if rest:
        among = "the others" if contacts.given else "all"
        told += f"; {among} are cut into sessions where a customer has none for {length(idle)}"
        told += f" ({how})"
    made = [Check("journeys", None, told)]
    free = gaps[~gaps["given"]]
    if rest and len(free):
        total = free["n"].sum()
        shares = [free.loc[free["low"] > idle * f, "n"].sum() / total for f in (0.5, 1.0, 2.0)]
        text = (
            f"of the gaps between these contacts {shares[1]:.0%} end a session; at half the "
            f"{length(idle)} {shares[0]:.0%} would, at twice {shares[2]:.0%}"
        )
        # Where the choice matters, sessions hold contacts that merely came close together.
        made.append(Check("the gap", bool(shares[0] - shares[2] < 0.1), text))
    return tuple(made)


def collected(frame: Frame, *by: str) -> pd.DataFrame:
    """Bring aggregates into memory, in order."""
    table: pd.DataFrame = (frame.sort(*by) if by else frame).collect(backend="pandas").to_native()
    return table


def sums(cells: Frame, by: Sequence[str]) -> pd.DataFrame:
    """Sum cells of customers for :mod:`cxlab.models.clustered`.

    Parameters
    ----------
    cells : LazyFrame
        A row a customer and group: ``y`` and ``x``; those without ``x`` do not count.
    by : sequence of str
        What makes a group.
    """
    y, x = nw.col("y").cast(nw.Float64), nw.col("x").cast(nw.Float64)
    frame = cells.with_columns(y=y, x=x).filter(nw.col("x") > 0)
    y, x = nw.col("y"), nw.col("x")
    frame = frame.with_columns(n=nw.lit(1), yy=y * y, yx=y * x, xx=x * x)
    told = [nw.col(c).sum() for c in SUMS]
    if not by:
        return collected(frame.select(*told)).fillna(0.0).astype(float)
    return collected(frame.group_by(*by).agg(*told), *by)
