"""Stretches of time that rows are counted in: months, weeks, the last days."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import narwhals as nw
import numpy as np

from cxlab.frames.periods import EPOCH

__all__ = ["Spans", "month_of", "spans_by_month", "spans_by_week", "windows"]

# 1970-01-01 was a Thursday: weeks begin on Mondays.
_TO_MONDAY = 3


@dataclass(frozen=True)
class Spans:
    """Stretches of time that follow each other.

    Parameters
    ----------
    names : tuple of str
        Such as ``2026-05``.
    edges : ndarray, shape (spans + 1,)
        In days since 1970-01-01; span i reaches from edge i up to edge i + 1.
    place : narwhals.Expr
        Gives a row's span by its ``at`` or ``month``; outside of all, below 0 or too large.
    """

    names: tuple[str, ...]
    edges: np.ndarray
    place: nw.Expr

    def __len__(self) -> int:
        return len(self.names)


def month_of(time: nw.Expr) -> nw.Expr:
    """Number the calendar months from 1970-01 on."""
    return (time.dt.year().cast(nw.Int32) - 1970) * 12 + time.dt.month().cast(nw.Int32) - 1


def spans_by_month(first: float, end: float) -> Spans:
    """Cut the time from one instant up to another into calendar months.

    Parameters
    ----------
    first, end : float
        In days.
    """
    low, high = (_month(d) for d in (first, np.nextafter(end, -np.inf)))
    months = np.arange(low, high + 1)
    edges = np.append(months, high + 1).astype("datetime64[D]") - np.datetime64(EPOCH, "D")
    number = int(low.astype(int))
    return Spans(tuple(months.astype(str)), edges.astype(float), nw.col("month") - number)


def spans_by_week(first: float, end: float) -> Spans:
    """Cut the time from one instant up to another into weeks, which begin on Mondays.

    Parameters
    ----------
    first, end : float
        In days.
    """
    low = math.floor((first + _TO_MONDAY) / 7)
    high = math.floor((np.nextafter(end, -np.inf) + _TO_MONDAY) / 7)
    edges = np.arange(low, high + 2) * 7.0 - _TO_MONDAY
    names = tuple((EPOCH + dt.timedelta(days=float(e))).date().isoformat() for e in edges[:-1])
    place = ((nw.col("at") + _TO_MONDAY) / 7).floor().cast(nw.Int32) - low
    return Spans(names, edges, place)


def windows(end: float, days: int) -> Spans:
    """Give the last days and as many before them.

    Parameters
    ----------
    end : float
        The first instant not seen, in days.
    days : int
        Length of each.
    """
    edges = end - days * np.array([2.0, 1.0, 0.0])
    place = ((nw.col("at") - edges[0]) / days).floor().cast(nw.Int32)
    return Spans(("before", "now"), edges, place)


def _month(day: float) -> np.datetime64:
    return (np.datetime64(EPOCH, "D") + int(np.floor(day))).astype("datetime64[M]")
