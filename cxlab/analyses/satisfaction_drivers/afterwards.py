"""Do ratings given after the overall score go with it as much as those given before?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.frames.ratings import Ratings
from cxlab.models.imputation import rubin
from cxlab.models.intervals import LEVEL
from cxlab.models.linear import clustered
from cxlab.results import MINUS, Check, Result

__all__ = ["AFTERWARDS", "afterwards"]

AFTERWARDS = "ratings given afterwards"
"""The name of the check."""

_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n"]
_FEWEST = 30


def afterwards(before: Ratings, after: Ratings | str, least: int) -> Result:
    """Set ratings from before the overall score beside those from after it.

    What came later cannot have driven it. As far as later ratings go with the score as much,
    both tell who is pleased and who is not, and not what a touchpoint did.

    Parameters
    ----------
    before : Ratings
        Each touchpoint's last rating before the overall score.
    after : Ratings or str
        Each one's first after it; or why there are none.
    least : int
        The fewest customers that are shown.

    Returns
    -------
    Result
        The slope over all ratings together, each against its touchpoint's mean, of ratings
        before and after, and their difference; customers' answers hang together.
    """
    sides = [_stacked(before, 0)] + ([_stacked(after, 1)] if isinstance(after, Ratings) else [])
    rows = pd.concat(sides, ignore_index=True)
    many = rows.groupby("after")["customer"].nunique()
    if len(many) < 2 or many.min() < max(least, _FEWEST):
        text = "Too few ratings were given after the overall score to hold against those before it."
        return Result("afterwards", pd.DataFrame(columns=_COLUMNS), sentence=text)
    group = rows.groupby(["after", "term"])
    x = (rows["rating"] - group["rating"].transform("mean")).to_numpy()
    y = (rows["overall"] - group["overall"].transform("mean")).to_numpy()
    later = rows["after"].to_numpy(float)
    fit = clustered(np.column_stack([x, -x * later]), y, pd.factorize(rows["customer"])[0])
    turn = np.array([[1, 0], [1, -1], [0, 1.0]])
    variance = np.diag(turn @ fit.covariance @ turn.T)
    told = rubin([turn @ fit.estimate], [variance], float(fit.customers - 2))
    low, high, p = told.interval(LEVEL)
    table = pd.DataFrame(
        {"term": ["before", "after", "difference"], "estimate": told.estimate, "conf_low": low,
         "conf_high": high, "p_value": p, "n": [int(many[0]), int(many[1]), fit.customers]}
    )  # fmt: skip
    text = _sentence(table)
    # Where neither goes with the score there is nothing to be told apart.
    passed = True if low[2] > 0 else False if low[1] > 0 else None
    check = Check(AFTERWARDS, passed, text)
    return Result("afterwards", table, (check,), sentence=text)


def _stacked(source: Ratings, after: int) -> pd.DataFrame:
    """Give a row a rating: ``customer, term, rating`` (0 the worst, 1 the best), ``overall``."""
    row, term = np.nonzero(np.isfinite(source.given))
    low = np.array([r.scale[0] for r in source.ratings])[term]
    high = np.array([r.scale[1] for r in source.ratings])[term]
    return pd.DataFrame(
        {
            "customer": source.rows["customer"].to_numpy()[row],
            "term": np.array([r.name for r in source.ratings], dtype=object)[term],
            "rating": (source.given[row, term] - low) / (high - low),
            "overall": source.rows["overall"].to_numpy()[row],
            "after": after,
        }
    )


def _sentence(table: pd.DataFrame) -> str:
    before, after, gap = (table.iloc[i] for i in range(3))

    def told(row: pd.Series) -> str:
        one, low, high = (f"{row[c]:.2f}".replace("-", MINUS) for c in _COLUMNS[1:4])
        return f"{one} points ({low} to {high})"

    text = (
        f"From the worst rating to the best, the overall score is {told(before)} higher where the "
        f"rating was given before it, and {told(after)} where it was given after."
    )
    if gap["conf_low"] > 0:
        return (
            f"{text} What came later cannot have driven it: the difference, {told(gap)}, is what "
            "the order of time speaks for."
        )
    if after["conf_low"] > 0:
        much = after["estimate"] > before["estimate"] / 2
        what = "tell who is pleased more than" if much else "may tell who is pleased as well as"
        return (
            f"{text} What came later cannot have driven it, and the two cannot be told apart "
            f"(difference {told(gap)}): these ratings {what} what touchpoints do."
        )
    return f"{text} Neither can be told to be more than the other."
