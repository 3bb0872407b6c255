"""Do customers who use more channels stay longer, or do those who stay use more channels?"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut, collected
from cxlab.analyses.journeys.follow import Fit, drawn, fitted, held_equal
from cxlab.frames.engine import how_many
from cxlab.models.intervals import hazard_ratios, wald_p
from cxlab.results import Result, counted

__all__ = ["channels"]

_MOST = 40_000
_LEAST_EVENTS = 30
_TOP = 4


def channels(cut: Cut, early_days: float, follow_days: float) -> Result | str:
    """Compare customers by how many channels they use.

    The comparison that everyone quotes counts channels over all of a customer's time: whoever
    stays longer has had more time to use them (immortal time). The honest one counts the
    channels of the first days that a customer is seen, and follows those still there from then
    on (a landmark; Anderson, Cain and Gelber 1983); adjusted, with the number of contacts in
    those days, tenure, calendar, value and attributes held equal.

    Parameters
    ----------
    cut : Cut
        The journeys.
    early_days, follow_days : float
        The days in which channels are counted, and those in which customers are followed.

    Returns
    -------
    Result or str
        ``term, estimate, conf_low, conf_high, p_value, n``: the hazard ratio of leaving against
        customers of one channel, for each ``comparison`` (``as quoted``, ``from the landmark``,
        ``adjusted``) and number of ``channels``; ``stay``: as quoted, the share never seen to
        leave; else the share that stays through the days that follow. Or why there is none.
    """
    if cut.risk is None or cut.spans is None:
        return cut.why
    if len(cut.contacts.channels) < 2:
        return "there are not two channels to compare"
    rows, share = _rows(cut, early_days)
    rows["potential"] = np.minimum(follow_days, cut.spans.end - rows["landmark"])
    late = rows[(rows["until"] > rows["landmark"]) & (rows["potential"] > 0)].copy()
    late["followed"] = np.minimum(late["until"] - late["landmark"], late["potential"])
    late["event"] = (late["left_at"] <= late["landmark"] + late["potential"]).astype(int)
    silent = int((late["early"] == 0).sum())
    late = late[late["early"] > 0].reset_index(drop=True)
    events = int(late["event"].sum())
    levels = _levels(late, cut.min_group)
    if events < max(_LEAST_EVENTS, cut.min_group) or len(levels) < 2:
        return (
            f"after their first {early_days:g} days only {counted(events, 'customer')} "
            "left, or all had used as many channels"
        )
    late["tenure"], late["start"] = late["landmark"] - late["started"], late["landmark"]
    contacts = np.log(late["contacts"].to_numpy(float))
    held = np.column_stack([held_equal(cut, late).matrix, contacts, contacts**2])
    one = np.ones((len(late), 1))
    dummies = _dummies(late["early"], levels)
    parts = [_quoted(rows, levels, cut.min_group)]
    for name, equal in (("from the landmark", one), ("adjusted", held)):
        fit = fitted(dummies, equal, late)
        if fit is not None:
            parts.append(_told(name, fit, levels, late["early"], follow_days))
    table = pd.concat(parts, ignore_index=True)
    meta = {
        "early_days": early_days, "follow_days": follow_days, "share": share, "events": events,
        "customers": int(late["who"].nunique()), "silent": silent,
    }  # fmt: skip
    return Result("channels", table, meta=meta, sentence=_sentence(table, meta))


def _rows(cut: Cut, early_days: float) -> tuple[pd.DataFrame, float]:
    there, share = drawn(cut, _MOST)
    used = cut.contacts.frame.filter(nw.col("channel") >= 0).select("who", "at", "channel")
    pairs = there.select("spell", "who", "began", "until").join(used, on="who", how="inner")
    pairs = pairs.filter((nw.col("at") >= nw.col("began")) & (nw.col("at") < nw.col("until")))
    early = (nw.col("at") < nw.col("began") + early_days).cast(nw.Int64)
    pairs = pairs.with_columns(early=early).group_by("spell", "channel").agg(
        early=nw.col("early").sum()
    )  # fmt: skip
    told = pairs.group_by("spell").agg(
        ever=nw.len(), contacts=nw.col("early").sum(),
        early=how_many(nw.col("early") > 0),
    )  # fmt: skip
    rows = collected(there.join(told, on="spell", how="left"), "spell")
    counts = ["ever", "early", "contacts"]
    rows[counts] = rows[counts].fillna(0).astype(int)
    return rows.assign(landmark=rows["began"] + early_days), share


def _levels(late: pd.DataFrame, least: int) -> list[int]:
    """Give the numbers of channels that are told; the last stands for all above it as well."""
    count = np.minimum(late["early"], _TOP)
    found: list[int] = []
    for k in range(1, _TOP + 1):
        if (count >= k).sum() < least:
            break
        found.append(k)
        if (count == k).sum() < least:
            break  # too few of just so many: it stands for more as well
    return found if len(found) > 1 else []


def _dummies(values: pd.Series, levels: list[int]) -> np.ndarray:
    level = _level(values, levels)
    return np.column_stack([(level == k).astype(float) for k in levels[1:]])


def _level(values: pd.Series, levels: list[int]) -> np.ndarray:
    place = np.searchsorted(levels, values.to_numpy(), "right") - 1
    return np.asarray(levels)[np.maximum(place, 0)]


def _quoted(rows: pd.DataFrame, levels: list[int], least: int) -> pd.DataFrame:
    """Compare by the channels of all of a customer's time, as nobody should."""
    rows = rows[rows["ever"] > 0].copy()
    rows["event"] = rows["left_at"].notna().astype(int)
    # Here a customer is followed to the end of the data.
    rows["followed"] = np.maximum(rows["until"] - rows["began"], 1e-3)
    rows["potential"] = rows["followed"]
    fit = fitted(_dummies(rows["ever"], levels), np.ones((len(rows), 1)), rows)
    if fit is None:
        return pd.DataFrame()
    told = _told("as quoted", fit, levels, rows["ever"], 0.0)
    level = _level(rows["ever"], levels)
    if told["n"].min() < least:
        return pd.DataFrame()
    told["stay"] = [1 - rows["event"][level == k].mean() for k in levels]
    return told


def _told(name: str, fit: Fit, levels: list[int], values: pd.Series, days: float) -> pd.DataFrame:
    effect, se = np.append(0.0, fit.terms), np.append(0.0, fit.se)
    level = _level(values, levels)
    last = levels[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(se > 0, wald_p(effect, np.where(se > 0, se, 1.0)), np.nan)
    ratio = hazard_ratios(effect, se)
    words = [f"{k}{' or more' if k == last else ''}" for k in levels]
    return pd.DataFrame(
        {
            "term": [f"{name}: {w}" for w in words],
            "estimate": ratio["hazard_ratio"],
            "conf_low": ratio["conf_low"],
            "conf_high": ratio["conf_high"],
            "p_value": p,
            "n": [int((level == k).sum()) for k in levels],
            "comparison": name,
            "channels": words,
            "stay": [fit.stay(None if j == 0 else j - 1, days) for j in range(len(levels))],
        }
    )


def _sentence(table: pd.DataFrame, meta: dict[str, Any]) -> str:
    rows = {name: part for name, part in table.groupby("comparison", sort=False)}
    text = ""
    if "as quoted" in rows:
        first, last = rows["as quoted"].iloc[0], rows["as quoted"].iloc[-1]
        text = (
            f"As everyone quotes it: of customers who ever used one channel {first['stay']:.0%} "
            f"never left, of those who used {last['channels']} {last['stay']:.0%}. But whoever "
            "stays longer has more time to use them. "
        )
    if "adjusted" not in rows:
        return f"{text}An honest comparison cannot be made."
    last = rows["adjusted"].iloc[-1]
    interval = f"95% interval {last['conf_low']:.2f} to {last['conf_high']:.2f}"
    text += (
        f"Counted in the first {meta['early_days']:g} days, and followed for "
        f"{meta['follow_days']:g} from then on, with as many contacts and all else held equal, "
        f"customers of {last['channels']} channels leave at {last['estimate']:.2f} times the rate "
        f"of those of one ({interval}): "
    )
    if last["conf_low"] <= 1 <= last["conf_high"]:
        return f"{text}no difference can be told."
    return f"{text}{'less' if last['estimate'] < 1 else 'more'} often."
