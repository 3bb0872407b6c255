"""The leakage audit: inputs known only because the end is near are found, and refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.frames.exposures import Contacts, at_exit, contacts
from cxlab.frames.hindsight import dates_of, values_of, weeks
from cxlab.frames.periods import RiskSet, attribute
from cxlab.models.contrast import Rows, follows_decision
from cxlab.models.leakage import dated_by_the_end, one_row_each, only_leavers

if TYPE_CHECKING:
    from cxlab.analyses.churn_risk.study import Options

__all__ = ["COLUMNS", "Leaks", "look"]

COLUMNS = ["input", "kind", "refused", "estimate", "customers", "evidence"]
# The last of the days, on which a value written at the end stands out most.
_LATE = 3
_LEAST, _SHARE = 10, 0.01
_LEAST_WEEKLY = 20
_VALUE = "monthly_value"


@dataclass(frozen=True)
class Leaks:
    """What was found.

    Parameters
    ----------
    table : pandas.DataFrame
        A row an input that was looked at: ``input, kind`` (field or touchpoint), ``refused,
        estimate`` (the figure of the evidence), ``customers`` it rests on, ``evidence``.
    fields : tuple of str
        Fields refused.
    touchpoints : ndarray of bool, or None
        Touchpoints refused; None without any contacts.
    """

    table: pd.DataFrame
    fields: tuple[str, ...]
    touchpoints: np.ndarray | None


def look(
    risk: RiskSet,
    rows: pd.DataFrame,
    now: pd.DataFrame,
    days: np.ndarray,
    sight: float,
    options: Options,
) -> Leaks:
    """Look at every field and every touchpoint.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    rows, now : pandas.DataFrame
        Customers on earlier days and at ``as_of``, with their attributes.
    days : ndarray
        The earlier days.
    sight : float
        Up to which it is known who left.
    options : Options
        Settings.
    """
    kinds = {_VALUE: "number"} if _VALUE in rows else {}
    kinds |= risk.dataset.attributes
    found = [_field(name, kind, rows, now, len(kinds), sight, options)
             for name, kind in kinds.items()]  # fmt: skip
    known = contacts(risk.dataset).kept(risk) if "interactions" in risk.dataset.tables else None
    places = None if known is None else _touchpoints(risk, known, sight, options, found)
    table = pd.DataFrame(found, columns=COLUMNS)
    refused = table[(table["kind"] == "field") & table["refused"].astype(bool)]["input"]
    return Leaks(table, tuple(refused), places)


def _row(name: str, kind: str, refused: bool, figure: float, n: int, text: str) -> dict[str, Any]:
    return dict(zip(COLUMNS, (name, kind, refused, figure, n, text), strict=True))


# -- fields ------------------------------------------------------------------------------------


def _field(
    name: str, kind: str, rows: pd.DataFrame, now: pd.DataFrame, fields: int, sight: float,
    options: Options,
) -> dict[str, Any]:  # fmt: skip
    column = name if name == _VALUE else attribute(name)
    then, today = rows[column], now[column]
    for test in (_later_dates, _known_of_leavers, _dated):
        if told := test(name, kind, rows, then, today, fields, sight, options):
            return told
    customers = rows["who"].nunique()
    return _row(name, "field", False, np.nan, customers, "nothing of the kind was found")


def _later_dates(
    name: str, kind: str, rows: pd.DataFrame, then: pd.Series, today: pd.Series, fields: int,
    sight: float, options: Options,
) -> dict[str, Any] | None:  # fmt: skip
    """Find dates that came after the day on which they were to foretell anything."""
    dates = dates_of(then)
    if dates is None:
        return None
    later = (dates >= rows["at"].to_numpy()) & (dates < sight)
    who = rows["who"].to_numpy()
    many, every = len(np.unique(who[later])), len(np.unique(who[~np.isnan(dates)]))
    if many < max(_LEAST, options.min_group) or many < _SHARE * every:
        return None
    gone = float((rows["cause"].to_numpy()[later] == 1).mean())
    text = (
        f"a date, which for {many:,} of {every:,} customers lies after a day on which it would "
        f"have to foretell something; {100 * gone:.0f}% of these had left by the end of the data"
    )
    return _row(name, "field", True, many / every, every, text)


def _known_of_leavers(
    name: str, kind: str, rows: pd.DataFrame, then: pd.Series, today: pd.Series, fields: int,
    sight: float, options: Options,
) -> dict[str, Any] | None:  # fmt: skip
    """Find a value that hardly anybody survived, and nobody there today has."""
    late = rows["origin"].to_numpy() > rows["origin"].max() - _LATE
    place = np.flatnonzero(late)
    place = place[~rows["who"].iloc[place].duplicated(keep="last").to_numpy()]
    values = values_of(then.iloc[place], today, kind)
    left = (rows["cause"].to_numpy() == 1)[place]
    weight = rows["weight"].to_numpy(float)[place]
    worst = None
    for level, level_name in enumerate(values.names):
        now = float((values.now == level).mean())
        clue = only_leavers(values.then == level, left, weight, now)
        if clue.found and (worst is None or clue.left > worst[1].left):
            worst = level_name, clue
    if worst is None:
        return None
    level_name, clue = worst
    what = "it is missing" if level_name == "(missing)" else f"it is {level_name}"
    text = (
        f"where {what}, {100 * clue.share:.0f}% left since ({clue.left:,} customers), of the "
        f"others {100 * clue.others:.0f}%; of those there today {100 * clue.now:.1f}% have it, "
        f"then {100 * clue.then:.1f}% had: it was written when they left"
    )
    return _row(name, "field", True, clue.share, clue.left, text)


def _dated(
    name: str, kind: str, rows: pd.DataFrame, then: pd.Series, today: pd.Series, fields: int,
    sight: float, options: Options,
) -> dict[str, Any] | None:  # fmt: skip
    """Find a value that, of those who left, goes with the day on which they did."""
    soon = (rows["cause"] == 1) & (rows["time"] <= options.horizon_days)
    place = np.flatnonzero(soon.to_numpy())
    place = place[one_row_each(rows["who"].to_numpy()[place])]
    if not len(place):
        return None
    mine = rows.iloc[place]
    tenure, at = np.log1p(np.maximum(mine["tenure"].to_numpy(float), 0.0)), mine["origin"]
    held = np.column_stack([tenure, tenure**2, tenure**3, at, at.to_numpy() ** 2])
    columns = values_of(then.iloc[place], today.iloc[:0], kind).columns
    clue = dated_by_the_end(columns, mine["time"].to_numpy(float), held, fields)
    if not clue.found:
        return None
    text = (
        f"of {clue.n:,} customers who left within {options.horizon_days} days, it tells on which "
        f"day: {100 * clue.explained:.0f}% of the variation goes with it, where what raises the "
        "risk tells next to nothing of that; it was written at the end"
    )
    return _row(name, "field", True, clue.explained, clue.n, text)


# -- touchpoints -------------------------------------------------------------------------------


def _touchpoints(
    risk: RiskSet, known: Contacts, sight: float, options: Options, found: list[dict[str, Any]]
) -> np.ndarray:
    """Find touchpoints that customers contact because they have decided; gives which."""
    exits = at_exit(risk.dataset, known.touchpoints)
    seen = weeks(risk, known, sight, options.seed)
    customers = len(np.unique(seen.customer))
    follows, now, before = (np.zeros(known.count, dtype=bool), *np.zeros((2, known.count)))
    if seen.event.sum() >= _LEAST_WEEKLY:
        zero = np.zeros(len(seen.event))
        fitted = Rows(seen.event, seen.held, seen.customer, zero, "logit")
        told = follows_decision(fitted, seen.recent, seen.older)
        follows, now, before = told.found(), *np.split(told.coef, 2)
    for place, name in enumerate(known.touchpoints):
        clue = only_leavers(seen.recent[:, place] > 0, seen.event == 1, seen.weight, 0.0)
        ratio, text = float(np.exp(now[place])), "its contacts do not come just before the end"
        if clue.at_once:
            text = (
                f"of those who came in the last 14 days {100 * clue.share:.0f}% left in the week "
                f"after it ({clue.left:,} customers): customers come because they have decided"
            )
            ratio = clue.share / max(clue.others, 1e-6)
        elif follows[place]:
            text = (
                f"a contact of the last 14 days goes with {ratio:.1f} times the leaving in the "
                f"week after it, an older one with {np.exp(before[place]):.1f} times: customers "
                "come because they have decided"
            )
        late = bool(follows[place] or clue.at_once)
        follows[place] = late
        if exits[place]:
            text = "its stage is exit" + (f"; {text}" if late else "")
        figure = ratio if now[place] or late else np.nan
        found.append(_row(name, "touchpoint", bool(exits[place] or late), figure, customers, text))
    return exits | follows
