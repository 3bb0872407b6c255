"""What the journey map tells of a touchpoint, and the mark that says so."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from cxlab.plots.style import HARM, HELP, UNSURE
from cxlab.results import Result

__all__ = ["BAD", "GOOD", "PLAIN", "average", "known", "look", "places"]

GOOD, BAD, PLAIN = (HELP, "s", False), (HARM, "v", False), (UNSURE, "o", True)
"""Colour, marker, and whether it is hollow: of what is better, worse, or not told from the
average."""


def places(result: Result) -> pd.DataFrame:
    """Give ``touchpoint, stage, contacts`` of the map, in order; NaN contacts are withheld.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    """
    return pd.DataFrame(result.meta["places"]).astype({"contacts": float})


def known(result: Result, figure: str, names: Collection[str]) -> pd.DataFrame:
    """Give a figure's rows of the map for some touchpoints, without those withheld.

    Parameters
    ----------
    result : Result
        Of ``journeys``.
    figure : str
        Such as ``failed``.
    names : collection of str
        The touchpoints.
    """
    table = result.table
    kept = (table["figure"] == figure) & table["touchpoint"].isin(list(names))
    return table[kept & table["estimate"].notna()]


def average(table: pd.DataFrame, figure: str) -> float:
    """Give what a figure is on average, each touchpoint weighing what it rests on.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`known`.
    figure : str
        Of exits, as many as expected are the average.
    """
    if figure == "exits" or table.empty:
        return 1.0
    weight = table["of"].to_numpy(float)
    return float((table["estimate"] * weight).sum() / weight.sum())


def look(row: Any, middle: float, high_is_good: bool) -> tuple[str, str, bool]:
    """Tell good from bad by colour, by mark and by filling.

    Parameters
    ----------
    row : named tuple
        ``estimate, conf_low, conf_high``.
    middle : float
        The average.
    high_is_good : bool
        Which way is good.
    """
    if not np.isfinite(row.conf_low) or row.conf_low <= middle <= row.conf_high:
        return PLAIN
    return GOOD if (row.estimate > middle) == high_is_good else BAD
