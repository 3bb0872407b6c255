"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.results import MINUS, Result

__all__ = ["drivers", "factors", "ways"]

_NOTHING, MINUS = "–", MINUS
_SAYS = {
    "matters": "goes with better scores",
    "goes the other way": "goes with worse scores",
    "suppressed": "stands for others: worse beside them",
    "cannot be told": "cannot be told by itself",
    "not separable": "cannot be told from other ratings",
    "too little data": "too few answers",
}


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", MINUS)


def _ends(row: pd.Series, names: tuple[str, str, str]) -> str:
    one, low, high = (float(row[n]) for n in names)
    if not np.isfinite(one):
        return _NOTHING
    return f"{_signed(one)} ({_signed(low)} to {_signed(high)})"


def drivers(table: pd.DataFrame, overall: str) -> Result:
    """Tell each driver's share, slope and rating.

    Parameters
    ----------
    table : pandas.DataFrame
        The main table.
    overall : str
        The overall score's name.
    """
    rows = []
    for _, row in table.iterrows():
        known = np.isfinite(row["estimate"])
        share = _NOTHING
        if known:
            share = f"{row['estimate']:.0%} ({row['conf_low']:.0%} to {row['conf_high']:.0%})"
        ranks = _NOTHING
        if known:
            low, high = int(row["rank_low"]), int(row["rank_high"])
            ranks = f"{low} to {high}" if low < high else f"{low}"
        ends = _ends(row, ("slope", "slope_low", "slope_high"))
        mean = f"{row['mean_rating']:.2f} of {row['scale'].split(' to ')[1]}"
        rows.append((row["term"], _SAYS[row["verdict"]], share, ranks, ends, mean,
                     f"{int(row['n']):,}"))  # fmt: skip
    columns = ["rating", "what it says", "share of what is explained (95% interval)", "place",
               f"points of {overall} a point better", "mean rating", "customers"]  # fmt: skip
    return Result("drivers", pd.DataFrame(rows, columns=columns))


def factors(table: pd.DataFrame) -> Result:
    """Tell what a bad rating costs and a good one brings.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the asymmetry.
    """
    rows = []
    for _, row in table.iterrows():
        penalty = {"a": -row["penalty"], "b": -row["penalty_high"], "c": -row["penalty_low"]}
        rows.append(
            (row["term"], f"{row['turning_point']:g}", _ends(pd.Series(penalty), ("a", "b", "c")),
             _ends(row, ("reward", "reward_low", "reward_high")),
             _ends(row, ("estimate", "conf_low", "conf_high")), row["kind"])
        )  # fmt: skip
    columns = ["rating", "turns at", "a point below it (95% interval)", "a point above it",
               "hurts more than it helps by", "kind of factor"]  # fmt: skip
    return Result("factors", pd.DataFrame(rows, columns=columns))


def ways(table: pd.DataFrame, most: int = 8) -> Result:
    """Set the slopes of the first drivers side by side, a column a way of asking.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the other ways, the drivers in order.
    most : int
        How many drivers are shown.
    """
    rows = []
    for term in list(dict.fromkeys(table["term"]))[:most]:
        row = {"rating": term}
        for _, one in table[table["term"] == term].iterrows():
            odds = str(one["scale"]).startswith("odds")
            ends = [float(one[c]) for c in ("estimate", "conf_low", "conf_high")]
            text = "{:.2f} ({:.2f} to {:.2f})".format(*ends) if odds else _ends(
                one, ("estimate", "conf_low", "conf_high"))  # fmt: skip
            name = f"{one['way']}, odds" if odds else str(one["way"])
            row[name] = text if np.isfinite(ends[0]) else _NOTHING
        rows.append(row)
    return Result("ways", pd.DataFrame(rows))
