"""Handoffs between channels: how often, and what fails after them."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut, collected, sums
from cxlab.frames.engine import how_many
from cxlab.frames.journeys import handed
from cxlab.models.clustered import SHARE, Within, ratios, within_strata
from cxlab.results import MINUS, Result, counted

__all__ = ["handoffs", "pairs", "rates"]

Frame = nw.LazyFrame[Any]

_FIGURES = ["estimate", "conf_low", "conf_high"]
# Later steps are compared together.
_LAST_STEP = 4
_STRATA = {
    "raw": (),
    "same touchpoint and step": ("touchpoint", "place"),
    "and after as bad a contact": ("touchpoint", "place", "given", "before"),
}
"""What is held equal, by what it is called."""
_COUNTS = ("n", "treated", "hit", "both")


def _followed(cut: Cut) -> Frame:
    """Keep the steps that follow another one, both by a known channel."""
    frame = cut.steps.frame.filter(nw.col("step") > 1).with_columns(handed=handed())
    return frame.filter(~nw.col("handed").is_null())


def rates(cut: Cut) -> Result | str:
    """Tell how often a journey is handed on, and how often customers must come again.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result or str
        ``term, estimate, conf_low, conf_high, p_value, n`` (customers), ``of``: shares of
        contacts that follow another in their journey. Or why there is none.
    """
    if len(cut.contacts.channels) < 2:
        had = cut.contacts.channels
        return f"all contacts come by one channel, {had[0]}" if had else "no channel is given"
    frame = _followed(cut)
    told = {
        "by another channel": nw.col("handed"),
        "at a touchpoint the journey was at before": nw.col("again"),
    }
    every = nw.lit(True)
    of = {name: (hit, every) for name, hit in told.items()}
    if 0 < cut.contacts.given < cut.contacts.rows:
        own = nw.col("own") > 0
        of["by another channel, in journeys the data name"] = (nw.col("handed"), own)
        of["by another channel, in sessions"] = (nw.col("handed"), ~own)
    rows = []
    for name, (hit, among) in of.items():
        x = among.cast(nw.Int64)
        counted_ = frame.with_columns(x=x, y=x * hit.cast(nw.Int64))
        cells = counted_.group_by("who").agg(nw.col("y").sum(), nw.col("x").sum())
        found = sums(cells, [])
        rows.append(ratios(found, SHARE).assign(term=name, n=found["n"].astype(int),
                                                of=found["x"].astype(int)))  # fmt: skip
    table = pd.concat(rows, ignore_index=True).assign(p_value=np.nan)
    if not table["of"].iloc[0]:
        return "no contact follows another in its journey by a known channel"
    table = table[["term", *_FIGURES, "p_value", "n", "of"]]
    if table["n"].iloc[0] < cut.min_group:
        return f"fewer than {cut.min_group} customers have a journey of several contacts"
    table = table[table["n"] >= cut.min_group]  # the first two rows have as many
    one = table.iloc[0]
    text = (
        f"Of {counted(int(one['of']), 'contact')} in a journey after another, "
        f"{one['estimate']:.0%} (95% interval {one['conf_low']:.0%} to {one['conf_high']:.0%}) "
        f"come by another channel: a handoff. {table['estimate'].iloc[1]:.0%} are at a touchpoint "
        "the journey was at before."
    )
    return Result("handoff_rates", table, sentence=text)


def pairs(cut: Cut) -> Result:
    """Tell what fails after each handoff from one channel to another.

    Parameters
    ----------
    cut : Cut
        The journeys, of several channels.

    Returns
    -------
    Result
        ``term, from, to, estimate`` (the share that failed), its interval, ``n`` (customers)
        and ``of`` (contacts). Pairs of fewer than ``min_group`` customers are left out.
    """
    failed = nw.col("bad").cast(nw.Int64) * nw.col("judged").cast(nw.Int64)
    by = ["came_by", "channel"]
    cells = _followed(cut).group_by("who", *by).agg(
        y=failed.sum(), x=how_many(nw.col("judged"))
    )  # fmt: skip
    found = sums(cells, by)
    kept = found["n"] >= cut.min_group
    withheld = int((~kept).sum())
    found = found[kept].reset_index(drop=True)
    names = np.array(cut.contacts.channels, dtype=object)
    before, now = names[found["came_by"].astype(int)], names[found["channel"].astype(int)]
    table = ratios(found, SHARE).drop(columns="se").assign(p_value=np.nan)
    table["n"], table["of"] = found["n"].astype(int), found["x"].astype(int)
    table.insert(0, "term", before + " \N{RIGHTWARDS ARROW} " + now)
    table["from"], table["to"] = before, now
    table = table.sort_values("of", ascending=False, kind="stable", ignore_index=True)
    return Result("handoff_pairs", table, meta={"withheld": withheld})


def handoffs(cut: Cut) -> Result | str:
    """Tell how much likelier a contact is to fail after a handoff than without one.

    Contacts that follow another in their journey are compared. Within strata: at the same
    touchpoint and step; then also in journeys of the same kind (named by the data, or a
    session) and after a contact that failed, or did not, or of which nobody knows.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result or str
        A row a comparison: ``estimate`` is the difference of shares, ``share_after`` and
        ``share_without`` the raw ones, ``n`` contacts compared. Or why there is none.
    """
    if not cut.contacts.judging:
        return cut.contacts.text
    place = nw.when(nw.col("step") > _LAST_STEP).then(nw.lit(_LAST_STEP)).otherwise(nw.col("step"))
    before = nw.when(nw.col("came_judged") == 1).then(nw.col("came_bad")).otherwise(nw.lit(2))
    frame = _followed(cut).filter(nw.col("judged") == 1).with_columns(
        place=place, before=before, given=nw.col("own") > 0, h=nw.col("handed").cast(nw.Int64),
        y=nw.col("bad").cast(nw.Int64),
    )  # fmt: skip
    finest = list(_STRATA["and after as bad a contact"])
    y, h = nw.col("y"), nw.col("h")
    cells = cut.dataset.keep(
        f"journeys_handoffs_{cut.steps.idle_days:.6g}".replace(".", "p"),
        lambda: frame.group_by("who", *finest).agg(
            n=nw.len(), treated=h.sum(), hit=y.sum(), both=(y * h).sum()
        ),
    )
    whole = collected(cells.select(*(nw.col(c).sum() for c in _COUNTS)))
    if whole.isna().to_numpy().any() or whole["n"].iloc[0] == 0:
        return "no contact with a known outcome follows another in its journey"
    n, treated, hit, both = (float(whole[c].iloc[0]) for c in _COUNTS)
    if not 0 < treated < n:
        return (
            "every contact that follows another is a handoff" if treated else "no handoff is seen"
        )
    if not 0 < hit < n:
        return f"{'every' if hit else 'no'} contact that follows another failed"
    rows = [_compared(cut, cells, name, list(by)) for name, by in _STRATA.items()]
    table = pd.DataFrame(rows).assign(
        share_after=both / treated, share_without=(hit - both) / (n - treated)
    )
    least = int(collected(cells.filter(nw.col("treated") > 0).select(n=nw.col("who").n_unique()))
                ["n"].iloc[0])  # fmt: skip
    if least < cut.min_group:
        return f"fewer than {cut.min_group} customers were handed on"
    return Result("handoffs", table, sentence=_sentence(table), meta={"customers": least})


def _compared(cut: Cut, cells: Frame, name: str, by: list[str]) -> dict[str, Any]:
    """Compare within strata: their sums here, then the customers' scores in the engine."""
    totals = {c: nw.col(c).sum() for c in _COUNTS}
    if by:
        strata = collected(cells.group_by(*by).agg(**totals), *by)
    else:
        strata = collected(cells.select(**totals))
    within = within_strata(strata)
    squares, customers = _squares(cut, cells, by, strata, within)
    low, high, p = within.interval(squares, customers)
    return {
        "term": name, "estimate": within.estimate, "conf_low": low, "conf_high": high,
        "p_value": p, "n": within.compared, "strata": int((within.share % 1 > 0).sum()),
    }  # fmt: skip


def _squares(
    cut: Cut, cells: Frame, by: list[str], strata: pd.DataFrame, within: Within
) -> tuple[float, int]:
    if not np.isfinite(within.estimate):
        return 0.0, 0
    told = strata[by].assign(share=within.share.to_numpy(), base=within.base.to_numpy())
    if by:
        frame = cells.join(cut.dataset.attach(told), on=by, how="inner")
    else:
        frame = cells.with_columns(
            share=nw.lit(float(told["share"].iloc[0])), base=nw.lit(float(told["base"].iloc[0]))
        )
    # The sum over a cell's rows of (treated - share)(outcome - base - estimate * treated).
    n, h, y, hy = (nw.col(c).cast(nw.Float64) for c in _COUNTS)
    share, base, d = nw.col("share"), nw.col("base"), within.estimate
    score = (hy - base * h - d * h) - share * (y - base * n - d * h)
    each = frame.with_columns(score=score).group_by("who").agg(score=nw.col("score").sum())
    found = collected(each.select(squares=(nw.col("score") ** 2).sum(), m=nw.len()))
    return float(found["squares"].iloc[0]), int(found["m"].iloc[0])


def _sentence(table: pd.DataFrame) -> str:
    raw, held = table.iloc[0], table.iloc[-1]

    def points(row: Any) -> str:
        if not np.isfinite(row["conf_low"]):
            return f"{100 * row['estimate']:+.1f} points".replace("-", MINUS)
        ends = " to ".join(f"{100 * row[c]:+.1f}" for c in ("conf_low", "conf_high"))
        return f"{100 * row['estimate']:+.1f} points (95% interval {ends})".replace("-", MINUS)

    text = (
        f"After a handoff {raw['share_after']:.1%} of contacts fail, without one "
        f"{raw['share_without']:.1%}: {points(raw)}."
    )
    if not np.isfinite(held["estimate"]):
        return f"{text} No touchpoint has both, so that nothing can be held equal."
    text += f" At the same touchpoint and step, and after as bad a contact, it is {points(held)}"
    clear = held["conf_low"] > 0 or held["conf_high"] < 0
    if not clear:
        return f"{text}: a handoff by itself is not seen to change what fails."
    what = "raises" if held["estimate"] > 0 else "lowers"
    return f"{text}: a handoff goes with what {what} the failures."
