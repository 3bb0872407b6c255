"""What the driver model holds equal: tenure, calendar, value, attributes, activity, luck."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.frames.periods import EPOCH, attribute

__all__ = ["Adjustment", "activity", "adjustment", "proneness", "spline_basis"]

# A month, a level or a missing-value marker needs this many churns to be told apart.
_LEAST_EVENTS = 10
_MOST_LEVELS = 30
# The square of a larger number cannot be counted on.
_LARGEST = 1e100
_SHRINKAGE = 5.0
_MONTH = 30.0


@dataclass(frozen=True)
class Adjustment:
    """The columns adjusted for.

    Parameters
    ----------
    matrix : ndarray, shape (rows, columns)
        The constant comes first.
    included, left_out : tuple of str
        What was adjusted for, and what was not and why, in words.
    """

    matrix: np.ndarray
    included: tuple[str, ...]
    left_out: tuple[str, ...]


def adjustment(rows: pd.DataFrame, attributes: Mapping[str, str]) -> Adjustment:
    """Build the columns that need no contacts.

    Parameters
    ----------
    rows : pandas.DataFrame
        The rows drawn: ``event, tenure, start``, maybe ``monthly_value``, and the attributes.
    attributes : mapping
        Attribute -> ``"number"`` or ``"text"``.
    """
    event = rows["event"].to_numpy()
    columns = [np.ones((len(rows), 1))]
    included, left_out = [], []
    if event.sum() >= _LEAST_EVENTS:
        columns.append(_tenure(rows["tenure"].to_numpy(), int(event.sum())))
        included.append("tenure (spline)")
    months = _months(rows["start"].to_numpy(), event)
    if months.shape[1]:
        columns.append(months)
        included.append(f"calendar ({months.shape[1] + 1} months or groups of months)")
    columns_of = {"monthly_value": "monthly_value"} if "monthly_value" in rows else {}
    columns_of |= {a: attribute(a) for a in attributes}
    for name, column in columns_of.items():
        kind = attributes.get(name, "number")
        build = _number if kind == "number" else _levels
        built = build(rows[column], event)
        if isinstance(built, str):
            left_out.append(f"{name} ({built})")
        else:
            columns.append(built)
            included.append(name)
    return Adjustment(np.hstack(columns), tuple(included), tuple(left_out))


def _tenure(tenure: np.ndarray, events: int) -> np.ndarray:
    return _standard(spline_basis(np.log1p(tenure), knots=5 if events >= 100 else 3))


def _standard(x: np.ndarray) -> np.ndarray:
    spread = x.std(axis=0)
    return np.asarray((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _months(start: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Give dummies for calendar months, months with few churns joined to the one before."""
    day = (np.datetime64(EPOCH, "D") + np.floor(start).astype(int)).astype("datetime64[M]")
    months, index = np.unique(day, return_inverse=True)
    churns = np.bincount(index, weights=event, minlength=len(months))
    group = np.zeros(len(months), dtype=int)
    filled = churns[0]
    for m in range(1, len(months)):
        enough = filled >= _LEAST_EVENTS and churns[m:].sum() >= _LEAST_EVENTS
        group[m] = group[m - 1] + enough
        filled = churns[m] if enough else filled + churns[m]
    return np.eye(group[-1] + 1)[group[index]][:, 1:]


def _number(values: pd.Series, event: np.ndarray) -> np.ndarray | str:
    x = values.to_numpy(dtype=float)
    missing = np.isnan(x)
    if missing.all() or np.nanmin(x) == np.nanmax(x):
        return "it does not vary"
    if np.nanmax(np.abs(x)) > _LARGEST:
        return f"it has values beyond {_LARGEST:g}"
    if np.nanmin(x) >= 0 and np.nanmax(x) > 20 * max(float(np.nanmedian(x)), 1e-9):
        x = np.log1p(x)
    x = np.where(missing, np.nanmean(x), x)
    columns = [_standard(x[:, None])]
    if event[missing].sum() >= _LEAST_EVENTS:
        columns.append(missing[:, None].astype(float))
    return np.hstack(columns)


def _levels(values: pd.Series, event: np.ndarray) -> np.ndarray | str:
    text = values.astype("string").fillna("(missing)").to_numpy(dtype=object)
    levels, index = np.unique(text.astype(str), return_inverse=True)
    if len(levels) == 1:
        return "it does not vary"
    if len(levels) > _MOST_LEVELS:
        return f"{len(levels)} different values, more than {_MOST_LEVELS}"
    churns = np.bincount(index, weights=event, minlength=len(levels))
    calm = np.bincount(index, weights=1 - event, minlength=len(levels))
    own = (churns >= _LEAST_EVENTS) & (calm >= _LEAST_EVENTS)
    own[np.argmax(churns)] = False  # the most frequent level is the reference
    if not own.any():
        return f"no level but one has {_LEAST_EVENTS} churns"
    return np.eye(len(levels))[index][:, own]


def activity(
    recent: np.ndarray, trailing: np.ndarray, ever: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """Give how active a customer is: of late, in the trailing window, and in the long run.

    Parameters
    ----------
    recent, trailing, ever : ndarray, shape (rows, touchpoints)
        Contacts of the last two weeks (decayed), of the trailing window, and all so far, of
        the touchpoints that are to count.
    seen : ndarray, shape (rows,)
        Days within the feed so far.

    Returns
    -------
    ndarray, shape (rows, 3)
        Logs; the long-run rate is shrunken by one contact in a month.
    """
    rate = (ever.sum(axis=1) + 1.0) / (np.maximum(seen, 0.0) + _MONTH)
    counts = [np.log1p(c.sum(axis=1)) for c in (recent, trailing)]
    return np.column_stack([*counts, np.log(rate)])


def proneness(bad: np.ndarray, contacts: np.ndarray, standing: np.ndarray) -> np.ndarray:
    """Give the customer's shrunken past *bad minus expected* share, shape (rows, 1).

    Some customers meet failures more often everywhere, and may leave more for the same
    reason. Expected is each touchpoint's rate among the contacts of those at risk.

    Parameters
    ----------
    bad, contacts : ndarray, shape (rows, touchpoints)
        Past contacts, without decay.
    standing : ndarray, shape (rows,)
        How many of those at risk each row stands for, up to a factor.
    """
    total = standing @ contacts
    rate = np.divide(standing @ bad, total, out=np.zeros(len(total)), where=total > 0)
    surplus = (bad - contacts * rate).sum(axis=1)
    return np.asarray(surplus / (contacts.sum(axis=1) + _SHRINKAGE))[:, None]


def spline_basis(values: np.ndarray, knots: int = 5) -> np.ndarray:
    """Give a restricted cubic spline basis (Harrell 2015, section 2.4.5), linear in the tails.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The variable.
    knots : int
        Number of knots, at equally spaced quantiles.

    Returns
    -------
    ndarray, shape (n, at most knots - 1)
        The variable itself first; fewer columns where quantiles coincide.
    """
    places = np.unique(np.quantile(values, np.linspace(0.05, 0.95, knots)))
    linear = values[:, None]
    if len(places) < 3:
        return linear
    last, before = places[-1], places[-2]
    width = (last - places[0]) ** 2

    def cubed(knot: float) -> np.ndarray:
        return np.asarray(np.maximum(values - knot, 0.0) ** 3)

    columns = [
        (
            cubed(t)
            - cubed(before) * (last - t) / (last - before)
            + cubed(last) * (before - t) / (last - before)
        )
        / width
        for t in places[:-2]
    ]
    return np.column_stack([linear, *columns])
