"""Figures and verdicts as a reader meets them on a page."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["KIND", "VERDICT", "figure", "heading", "interval", "is_number"]

VERDICT = {
    "driver": "drives churn",
    "protective": "keeps customers",
    "no evidence": "no evidence",
    "too little data": "too little data",
    "reverse causation suspected": "reverse causation suspected",
    "not separable": "cannot be told apart",
}
"""A verdict in words."""

KIND = {"driver": "harm", "protective": "help", "too little data": "withheld"}
"""A verdict's colour; the others are unsure."""

_HEADING = {"conf_low": "95% low", "conf_high": "95% high", "p_value": "p", "q_value": "q"}


def is_number(value: Any) -> bool:
    """Tell a figure from text and from true or false."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def figure(value: Any) -> str:
    """Give a value for a table: three significant figures, a dash where there is none.

    Parameters
    ----------
    value : object
        A number, text, true or false, or None.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if not is_number(value):
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    if float(value).is_integer() and abs(value) < 10_000:  # a count or a year
        return _minus(f"{value:.0f}")
    if abs(value) >= 100:
        return _minus(f"{value:,.0f}")
    return _minus(f"{value:.3g}") if abs(value) >= 1e-4 else "<0.0001"


def interval(estimate: Any, low: Any, high: Any, digits: int | None = None) -> str:
    """Give an estimate with its interval, such as ``1.84 (1.42 to 2.38)``.

    Parameters
    ----------
    estimate, low, high : float or None
        The figures.
    digits : int, optional
        How many decimals; by default three significant figures.
    """
    if estimate is None:
        return ""

    def shown(value: Any) -> str:
        if value is None or digits is None:
            return figure(value)
        return _minus(f"{value:,.{digits}f}")

    if low is None and high is None:
        return shown(estimate)
    return f"{shown(estimate)} ({shown(low)} to {shown(high)})"


def heading(column: str) -> str:
    """Give a column's name as a heading."""
    return _HEADING.get(column, column.replace("_", " "))


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.startswith("-") else text
