"""What fields and contacts look like when the end is known: what is needed to find leaks.

A field of a customer is known as it is today, whatever it was on an earlier day. Its values are
told apart here so that it can be seen who has them; contacts are told apart by how long before
the day they were, by weeks, so that it can be seen which come right before the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from cxlab.frames.adjustment import spline_basis
from cxlab.frames.exposures import Contacts, Kernel, measure
from cxlab.frames.landmarks import days_back, stand
from cxlab.frames.periods import RiskSet

__all__ = ["Values", "Weeks", "dates_of", "values_of", "weeks"]

_BINS, _MOST_LEVELS = 10, 60
_FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%Y-%m")
_ARE_DATES = 0.95
_FIRST, _LAST = 19_000_101, 21_001_231
_WEEK, _RECENT, _HALF_LIFE = 7.0, 14.0, 28.0
# Customers on days are looked at: not more than so many, on no more days than a year has weeks.
_MOST_LOOKED_AT, _MOST_WEEKS, _LEAST_WEEKS = 20_000_000, 104, 12
_DRAWN = (6_000, 20_000)
_MISSING = "(missing)"


@dataclass(frozen=True)
class Values:
    """A field's values, told apart.

    Parameters
    ----------
    names : tuple of str
        What the levels are called: values of a text, spans of a number, or none at all.
    then, now : ndarray of int
        Levels of rows of the past, and of those there today.
    columns : ndarray, shape (rows, k)
        Of the rows of the past: ranks of a number or a date and whether there is none, or a
        column a level.
    """

    names: tuple[str, ...]
    then: np.ndarray
    now: np.ndarray
    columns: np.ndarray


def values_of(then: pd.Series, now: pd.Series, kind: str) -> Values:
    """Tell the values of a field apart.

    Parameters
    ----------
    then, now : pandas.Series
        Of rows of the past, and of those there today.
    kind : {"number", "text"}
        Of the field.
    """
    both = pd.concat([then, now], ignore_index=True)
    dates = dates_of(both)
    ordered = both.to_numpy(float) if kind == "number" else dates
    if ordered is None:
        return _of_text(both, len(then))
    return _of_numbers(ordered, len(then), dates is not None)


def _of_text(both: pd.Series, n: int) -> Values:
    text = both.astype("string").fillna(_MISSING).to_numpy(dtype=object).astype(str)
    count = pd.Series(text[:n]).value_counts()
    names = sorted(count.index[:_MOST_LEVELS].tolist())
    if _MISSING not in names:
        names.append(_MISSING)
    place = pd.Index(names).get_indexer(text)
    place = np.where(place < 0, len(names), place)
    columns = np.eye(len(names) + 1)[place[:n]][:, :-1]
    return Values((*names, "any other value"), place[:n], place[n:], columns)


def _of_numbers(x: np.ndarray, n: int, dates: bool) -> Values:
    missing = np.isnan(x)
    known = x[~missing]
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1))) if len(known) else x[:0]
    # A value that many share is a level of its own.
    inner = cuts[1:-1] if len(cuts) > 2 else cuts[-1:]
    place = np.where(missing, len(inner) + 1, np.searchsorted(inner, x, side="right"))
    told = [_told(c, dates) for c in inner]
    names = [f"below {told[0]}" if told else "any value"]
    names += [f"{a} to below {b}" for a, b in pairwise(told)]
    names += [f"{told[-1]} or above"] if told else []
    ranks = pd.Series(x[:n]).rank(pct=True).to_numpy()
    absent = np.isnan(ranks)
    columns = np.column_stack([np.where(absent, 0.5, ranks), absent])
    return Values((*names, _MISSING), place[:n], place[n:], columns)


def _told(value: float, dates: bool) -> str:
    if dates:
        return str(np.datetime64("1970-01-01") + np.timedelta64(int(value), "D"))
    return f"{value:.6g}"


def dates_of(column: pd.Series) -> np.ndarray | None:
    """Read a field as dates, in days since 1970-01-01, NaN without; None where it is none.

    Parameters
    ----------
    column : pandas.Series
        Text, or numbers such as 20260630.
    """
    known = column.dropna()
    if not len(known):
        return None
    if pd.api.types.is_numeric_dtype(known):
        number = known.to_numpy(float)
        if not (np.all(number == np.floor(number)) and np.all((number >= _FIRST)
                                                             & (number <= _LAST))):  # fmt: skip
            return None
        text = known.astype("int64").astype(str)
    else:
        text = known.astype(str).str.strip()
        # Of a time the day is enough.
        text = text.str.replace(r"^(\d{4}-\d\d-\d\d)[T ].*$", r"\1", regex=True)
    if not re.match(r"^\d[\d./-]{5,}$", str(text.iloc[0])):
        return None
    for form in _FORMS:
        read = pd.to_datetime(text, format=form, errors="coerce")
        if read.notna().mean() >= _ARE_DATES:
            days = (read.dropna() - pd.Timestamp("1970-01-01")).dt.days
            return days.reindex(column.index).to_numpy(float)
    return None


@dataclass(frozen=True)
class Weeks:
    """Customers on days one week or more apart, and who left in the week that followed.

    Parameters
    ----------
    event : ndarray of int, shape (n,)
        Whether they left within the week.
    recent, older : ndarray, shape (n, touchpoints)
        Decayed contacts of the last 14 days, and those before.
    held : ndarray, shape (n, q)
        What is held equal: a constant, tenure and how active the customer is.
    customer : ndarray of int, shape (n,)
        Whose rows they are.
    weight : ndarray, shape (n,)
        How many customers in a week a row stands for.
    """

    event: np.ndarray
    recent: np.ndarray
    older: np.ndarray
    held: np.ndarray
    customer: np.ndarray
    weight: np.ndarray


def weeks(risk: RiskSet, known: Contacts, sight: float, seed: int = 0) -> Weeks:
    """Draw customers in weeks, those who left in them most, with their contacts before.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    known : Contacts
        Kept ones.
    sight : float
        Up to which it is known who left, in days.
    seed : int
        Of the draw.
    """
    most = int(np.clip(_MOST_LOOKED_AT / max(risk.customers, 1), _LEAST_WEEKS, _MOST_WEEKS))
    first = risk.begin + 2 * _RECENT
    step = max(_WEEK, np.floor((sight - _WEEK - first) / most))
    days = days_back(sight - _WEEK, first, step)
    rows = stand(risk, days, _WEEK, most=_DRAWN, seed=seed).rows
    kernels = {
        "recent": Kernel(_HALF_LIFE, high=_RECENT, classes=("all",)),
        "older": Kernel(_HALF_LIFE, low=_RECENT, classes=("all",)),
    }
    sums = measure(risk.dataset, known, rows, kernels, 0.0)
    recent, older = sums["recent", "all"], sums["older", "all"]
    event = ((rows["cause"] == 1) & (rows["time"] <= _WEEK)).to_numpy(int)
    tenure = np.log1p(np.maximum(rows["tenure"].to_numpy(float), 0.0))
    active = np.log1p(older.sum(axis=1))
    knots = spline_basis(tenure, 3) if len(rows) else np.zeros((0, 1))
    knots = (knots - knots.mean(axis=0)) / np.maximum(knots.std(axis=0), 1e-9)
    held = np.column_stack([np.ones(len(rows)), knots, active])
    who, weight = rows["who"].to_numpy(int), rows["weight"].to_numpy(float)
    return Weeks(event, recent, older, held, who, weight)
