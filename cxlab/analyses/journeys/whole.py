"""Journeys as the unit: how they begin and end, and where they go round in circles."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import STATES, Cut, collected, length, sums
from cxlab.frames.engine import how_many
from cxlab.models.clustered import SHARE, ratios
from cxlab.results import Result, counted

__all__ = ["begun_at", "ends", "loops"]

Frame = nw.LazyFrame[Any]

_FIGURES = ["estimate", "conf_low", "conf_high"]
_ENDED = 2  # states below it: complete and abandoned
_MONTH = 30.0


def ends(cut: Cut) -> Result:
    """Tell how journeys ended.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a state: ``estimate`` is the share of the journeys whose end is known (complete or
        abandoned), NaN of the others, which are counted apart; ``n``: the customers it rests on,
        of the others those who have one; ``journeys``,
        ``steps`` (mean) and ``hours`` (mean, from the first contact to the last).
    """
    frame = cut.steps.journeys
    hours = (nw.col("over") - nw.col("begun")) * 24
    by_who = frame.with_columns(hours=hours).group_by("who", "state").agg(
        journeys=nw.len(), steps=nw.col("steps").sum(), hours=nw.col("hours").sum()
    )  # fmt: skip
    counts = collected(
        by_who.group_by("state").agg(
            n=nw.len(), **{c: nw.col(c).sum() for c in ("journeys", "steps", "hours")}
        ),
        "state",
    ).set_index("state")
    known = frame.filter(nw.col("state") < _ENDED)
    rows = []
    for state, name in enumerate(STATES):
        if state not in counts.index:
            continue
        row = counts.loc[state]
        n, few = int(row["n"]), row["n"] < cut.min_group
        told: dict[str, Any] = dict.fromkeys(_FIGURES, np.nan)
        if state < _ENDED:
            cells = known.group_by("who").agg(y=how_many(nw.col("state") == state), x=nw.len())
            found = sums(cells, [])
            n = int(found["n"].iloc[0])
            if n >= cut.min_group:
                told = ratios(found, SHARE).iloc[0][_FIGURES].to_dict()
        rows.append({"term": name, **told, "p_value": np.nan, "n": n,
                     "journeys": int(row["journeys"]),
                     "steps": np.nan if few else row["steps"] / row["journeys"],
                     "hours": np.nan if few else row["hours"] / row["journeys"]})  # fmt: skip
    table = pd.DataFrame(rows)
    return Result("journey_ends", table, sentence=_told(table, cut))


def _told(table: pd.DataFrame, cut: Cut) -> str:
    rows = table.set_index("term")
    text = f"{counted(int(table['journeys'].sum()), 'journey was', 'journeys were')} begun."
    if "abandoned" in rows.index and rows.loc["abandoned", "n"] >= cut.min_group:
        row = rows.loc["abandoned"]
        text += (
            f" Of those whose end is known, {row['estimate']:.1%} (95% interval "
            f"{row['conf_low']:.1%} to {row['conf_high']:.1%}) were abandoned: their last contact "
            f"failed and was not put right within {length(cut.steps.idle_days)}."
        )
    elif not cut.contacts.judging:
        text += f" How they ended is not known: {cut.contacts.text}."
    if "still open" in rows.index:
        text += (
            f" {rows.loc['still open', 'journeys']:,} had their last contact so late that they may "
            "still go on; they are counted apart."
        )
    return text


def begun_at(cut: Cut) -> Result:
    """Tell how journeys go on by the touchpoint they begin at.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a touchpoint: ``estimate`` is the share abandoned of journeys whose end is known;
        ``n`` customers, ``journeys``, ``steps`` (mean), ``several`` and ``handed_on`` (shares
        of all journeys that begin there). Those of fewer than ``min_group`` customers are left
        out.
    """
    frame = cut.steps.journeys
    known = (nw.col("state") < _ENDED).cast(nw.Int64)
    each = frame.group_by("who", "start").agg(
        journeys=nw.len(),
        steps=nw.col("steps").sum(),
        several=how_many(nw.col("steps") > 1),
        handed_on=how_many(nw.col("handoffs") > 0),
        y=how_many(nw.col("state") == 1),
        x=known.sum(),
    )
    counts = ("journeys", "steps", "several", "handed_on")
    whole = collected(
        each.group_by("start").agg(customers=nw.len(), **{c: nw.col(c).sum() for c in counts}),
        "start",
    )
    found = sums(each, ["start"])
    told = ratios(found, SHARE).assign(start=found["start"])
    # Of fewer customers the end may be known.
    few = found["n"] < cut.min_group
    told[_FIGURES] = told[_FIGURES].mask(few, axis=0)
    table = whole.merge(told, on="start", how="left")
    kept = table["customers"] >= cut.min_group
    table = table[kept].sort_values("journeys", ascending=False, kind="stable")
    journeys = table["journeys"].astype(float)
    shown = pd.DataFrame(
        {
            "term": np.array(cut.names, dtype=object)[table["start"].astype(int)],
            **{c: table[c] for c in _FIGURES},
            "p_value": np.nan,
            "n": table["customers"].astype(int),
            "journeys": table["journeys"].astype(int),
            "steps": table["steps"] / journeys,
            "several": table["several"] / journeys,
            "handed_on": table["handed_on"] / journeys,
        }
    ).reset_index(drop=True)
    return Result("begun_at", shown, meta={"withheld": int((~kept).sum())})


def loops(cut: Cut) -> Result:
    """Tell at which touchpoints journeys come back to where they were.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a touchpoint: ``estimate`` is the share of the journeys through it that come to it
        again; ``n`` customers, ``journeys`` through it, ``extra`` contacts and ``a_month``:
        those in 30 days. Those of fewer than ``min_group`` customers are left out.
    """
    by = ["who", "own", "first", "touchpoint"]
    through = cut.steps.frame.group_by(*by).agg(extra=how_many(nw.col("again")))
    each = through.group_by("who", "touchpoint").agg(
        y=how_many(nw.col("extra") > 0), x=nw.len(), extra=nw.col("extra").sum()
    )
    each = cut.dataset.keep(
        f"journeys_loops_{cut.steps.idle_days:.6g}".replace(".", "p"), lambda: each
    )
    found = sums(each, ["touchpoint"])
    extra = collected(each.group_by("touchpoint").agg(extra=nw.col("extra").sum()), "touchpoint")
    span = cut.contacts.frame.select(a=nw.col("at").min(), b=nw.col("at").max())
    first, last = span.collect(backend="pyarrow").row(0)
    months = max((last - first) / _MONTH, 1 / _MONTH)
    table = ratios(found, SHARE).drop(columns="se")
    names = np.array(cut.names, dtype=object)[found["touchpoint"].astype(int)]
    table = table.assign(
        term=names,
        p_value=np.nan,
        n=found["n"].astype(int),
        journeys=found["x"].astype(int),
        extra=extra["extra"].astype(int),
        a_month=extra["extra"].astype(float) / months,
    )
    kept = table["n"] >= cut.min_group
    table = table[kept].sort_values(["estimate", "term"], ascending=[False, True],
                                    ignore_index=True)  # fmt: skip
    columns = ["term", *_FIGURES, "p_value", "n", "journeys", "extra", "a_month"]
    whole = cut.steps.journeys.with_columns(y=(nw.col("again") > 0).cast(nw.Int64))
    whole = whole.group_by("who").agg(y=nw.col("y").sum(), x=nw.len())
    found = sums(whole, [])
    share = ratios(found, SHARE).assign(n=found["n"]).iloc[0]
    text = _circles(table, share, int(extra["extra"].sum()))
    if share["n"] < cut.min_group:
        text = f"Fewer than {cut.min_group} customers have a journey: nothing is told of circles."
    return Result("loops", table[columns], meta={"withheld": int((~kept).sum())}, sentence=text)


def _circles(table: pd.DataFrame, share: Any, extra: int) -> str:
    if not extra:
        return "No journey comes back to a touchpoint it was at before."
    text = (
        f"{share['estimate']:.1%} of journeys (95% interval {share['conf_low']:.1%} to "
        f"{share['conf_high']:.1%}) come back to a touchpoint they were at before: "
        f"{counted(extra, 'extra contact')}."
    )
    if len(table) and table["estimate"].iloc[0] > 0:
        most, cost = table.iloc[0], table.loc[table["extra"].idxmax()]
        text += (
            f" Most often at {most['term']} ({most['estimate']:.1%} of the journeys through it); "
            f"most extra contacts are at {cost['term']}, {cost['a_month']:.0f} in 30 days."
        )
    return text
