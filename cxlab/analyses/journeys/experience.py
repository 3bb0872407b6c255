"""Peak, end and running sum: which account of what a customer lived through tells who leaves."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut, collected
from cxlab.analyses.journeys.follow import drawn, fitted, held_equal
from cxlab.frames.engine import how_many
from cxlab.models.clustered import areas
from cxlab.models.intervals import Z, benjamini_hochberg, hazard_ratios, wald_p
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted

__all__ = ["MEASURES", "experience"]

Frame = nw.LazyFrame[Any]

MEASURES = {
    "mean": "share of contacts that failed",
    "peak": "most failures in one journey",
    "end": "last contact failed",
    "sum": "failures, fading by half every 30 days",
}
"""How the contacts of the window are summed up."""

_HALF_LIFE = 30.0
_MOST_ROWS, _MOST_MOMENTS = 60_000, 8
_LEAST_EVENTS = 30
# Who has more contacts has more that fail, and may stay all the same: pairs have about as many.
_AS_MANY = (1, 2, 3, 4, 5, 7, 10, 15, 22, 33, 50, 100)


def experience(cut: Cut, window_days: float, follow_days: float) -> Result | str:
    """Compare accounts of the past by how well they go with leaving later.

    At several moments, ``follow_days`` apart, each customer's contacts of the window before are
    summed up in four ways; then customers are followed. Nothing after the moment is looked at
    to sum up, and nothing before it to follow.

    Parameters
    ----------
    cut : Cut
        The journeys.
    window_days, follow_days : float
        The days before each moment, and after it.

    Returns
    -------
    Result or str
        A row an account: ``estimate`` is the hazard ratio of one standard deviation more of it,
        the others not held equal; ``together`` with the others held equal (both with tenure,
        calendar, value, attributes and the number of contacts held equal); ``area``: how often
        of two customers of one moment with about as many contacts, one of whom leaves, it is
        the worse for the one who does (one half: chance). Or why it cannot be told.
    """
    if cut.risk is None or cut.spans is None:
        return cut.why
    if not cut.contacts.judging:
        return cut.contacts.text
    moments = _moments(cut, window_days, follow_days)
    if not len(moments):
        return (
            f"the feed is shorter than {window_days + follow_days:g} days: there is no time before "
            "and after a moment"
        )
    rows, share = _rows(cut, moments, window_days, follow_days)
    events = int(rows["event"].sum())
    if events < max(_LEAST_EVENTS, cut.min_group):
        who = counted(events, "customer")
        return f"only {who} with judged contacts left in the days that follow"
    table = _table(cut, rows)
    meta = {
        "moments": len(moments), "window_days": window_days, "follow_days": follow_days,
        "share": share, "rows": len(rows), "events": events,
        "customers": int(rows["who"].nunique()),
    }  # fmt: skip
    return Result("experience", table, meta=meta, sentence=_sentence(table, meta))


def _moments(cut: Cut, window: float, follow: float) -> np.ndarray:
    assert cut.risk is not None and cut.spans is not None
    last = cut.spans.end - follow
    first = collected(cut.contacts.frame.select(a=nw.col("at").min()))["a"].iloc[0]
    first = max(float(first), cut.risk.begin) + window
    count = int((last - first) // follow) + 1 if last >= first else 0
    return np.sort(last - follow * np.arange(min(count, _MOST_MOMENTS)))


def _rows(
    cut: Cut, moments: np.ndarray, window: float, follow: float
) -> tuple[pd.DataFrame, float]:
    there, share = drawn(cut, _MOST_ROWS // len(moments))
    sent = cut.dataset.attach(pd.DataFrame({"moment": moments}))
    at_risk = there.join(sent, how="cross").filter(
        (nw.col("began") <= nw.col("moment")) & (nw.col("until") > nw.col("moment"))
    )
    kept = cut.steps.frame.filter(nw.col("judged") == 1).select("who", "own", "first", "at", "bad")
    pairs = at_risk.select("spell", "who", "moment").join(kept, on="who", how="inner")
    age = nw.col("moment") - nw.col("at")
    pairs = pairs.with_columns(age=age).filter((nw.col("age") > 0) & (nw.col("age") <= window))
    # The last contact and whether it failed, in one number; of two at once the bad one counts.
    when = (nw.col("at") * 86_400).round(0).cast(nw.Int64) * 2 + nw.col("bad")
    faded = (nw.col("age") * (-np.log(2) / _HALF_LIFE)).exp() * nw.col("bad")
    pairs = pairs.with_columns(newest=when, faded=faded)
    journeys = pairs.group_by("spell", "moment", "own", "first").agg(
        failed=how_many(nw.col("bad")), contacts=nw.len(),
        newest=nw.col("newest").max(), faded=nw.col("faded").sum(),
    )  # fmt: skip
    told = journeys.group_by("spell", "moment").agg(
        peak=nw.col("failed").max(), failed=nw.col("failed").sum(),
        contacts=nw.col("contacts").sum(), newest=nw.col("newest").max(), sum=nw.col("faded").sum(),
    )  # fmt: skip
    rows = collected(at_risk.join(told, on=["spell", "moment"], how="inner"), "spell", "moment")
    rows["mean"] = rows["failed"] / rows["contacts"]
    rows["end"] = (rows["newest"] % 2).astype(float)
    rows["event"] = (rows["left_at"] <= rows["moment"] + follow).astype(int)
    rows["followed"] = np.minimum(rows["until"] - rows["moment"], follow)
    rows["potential"] = follow
    rows["tenure"], rows["start"] = rows["moment"] - rows["started"], rows["moment"]
    return rows, share


def _table(cut: Cut, rows: pd.DataFrame) -> pd.DataFrame:
    x = np.column_stack([rows[m].to_numpy(float) for m in MEASURES])
    spread = x.std(axis=0)
    scaled = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    contacts = np.log1p(rows["contacts"].to_numpy(float))
    held = np.column_stack([held_equal(cut, rows).matrix, contacts, contacts**2])
    alone = [fitted(scaled[:, [k]], held, rows) for k in range(len(MEASURES))]
    own = np.array([[f.terms[0], f.se[0]] if f else [np.nan] * 2 for f in alone])
    joint = fitted(scaled, held, rows)
    both = np.column_stack([joint.terms, joint.se]) if joint else np.full(own.shape, np.nan)
    whole = (rows["event"] == 1) | (rows["followed"] >= rows["potential"] - 1e-9)
    who = pd.factorize(rows["who"])[0]
    busy = np.searchsorted(_AS_MANY, rows["contacts"].to_numpy(), "right")
    alike = pd.factorize(rows["moment"])[0] * (len(_AS_MANY) + 1) + busy
    keep = whole.to_numpy()
    area, covariance = areas(x[keep], rows["event"].to_numpy(bool)[keep], who[keep], alike[keep])
    se = np.sqrt(np.diag(covariance))
    ratio, joined = (hazard_ratios(m[:, 0], m[:, 1]) for m in (own, both))
    p = wald_p(own[:, 0], np.where(own[:, 1] > 0, own[:, 1], np.nan))
    apart = area - area[0]
    gap = np.sqrt(np.maximum(np.diag(covariance) + covariance[0, 0] - 2 * covariance[0], 0))
    return pd.DataFrame(
        {
            "term": list(MEASURES), "estimate": ratio["hazard_ratio"],
            "conf_low": ratio["conf_low"], "conf_high": ratio["conf_high"], "p_value": p,
            "n": rows["who"].nunique(), "what": list(MEASURES.values()),
            "q_value": benjamini_hochberg(p), "together": joined["hazard_ratio"],
            "together_low": joined["conf_low"], "together_high": joined["conf_high"],
            "area": area, "area_low": area - Z * se, "area_high": area + Z * se,
            "area_q": benjamini_hochberg(wald_p(area - 0.5, np.where(se > 0, se, np.nan))),
            "beyond_mean": apart, "beyond_mean_low": apart - Z * gap,
            "beyond_mean_high": apart + Z * gap,
        }
    )  # fmt: skip


def _sentence(table: pd.DataFrame, meta: dict[str, Any]) -> str:
    known = table[table["area"].notna()]
    if known.empty:
        return "Which account of the past tells who leaves cannot be said."
    best = known.loc[known["area"].idxmax()]
    days = f"{meta['follow_days']:g} days"
    if not best["area_q"] < ALPHA:
        return (
            f"No account of the {meta['window_days']:g} days before tells who leaves in the "
            f"{days} after better than chance; nearest comes the {_name(best)}: of two customers "
            "with about as many contacts, one of whom leaves, it is worse for that one in "
            f"{best['area']:.1%} of pairs (95% interval {best['area_low']:.1%} to "
            f"{best['area_high']:.1%}; 50% is chance)."
        )
    text = (
        f"Of four accounts of a customer's last {meta['window_days']:g} days, the {_name(best)} "
        f"tells best who leaves in the {days} after: of two customers with about as many "
        f"contacts, one of whom leaves, it is worse for that one in {best['area']:.1%} of pairs "
        "(95% interval "
        f"{best['area_low']:.1%} to {best['area_high']:.1%}; 50% is chance)."
    )
    if best["term"] != "mean":
        clear = best["beyond_mean_low"] > 0
        text += (
            " That is more than the share that failed tells."
            if clear
            else " The share that failed tells about as much."
        )
    return text


def _name(row: Any) -> str:
    names = {"mean": "mean (the share that failed)", "peak": "peak (the worst journey)",
             "end": "end (the last contact)", "sum": "running sum of failures"}  # fmt: skip
    return names[row["term"]]
