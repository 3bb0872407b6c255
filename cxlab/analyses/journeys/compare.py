"""Two groups of customers, or two periods, figure by figure of the journey map."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut, collected, sums
from cxlab.analyses.journeys.sides import Sides
from cxlab.analyses.journeys.touchpoints import FIGURES, Asked, bounds, cells, stages, with_who
from cxlab.models.clustered import CROSSED, OTHER, changes, ratios
from cxlab.models.intervals import benjamini_hochberg
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed

__all__ = ["VOLUME", "compare"]

Frame = nw.LazyFrame[Any]

VOLUME = "volume"
_BY = ["figure", "touchpoint"]
_TOLD = ["estimate", "conf_low", "conf_high", "p_value", "first", "second"]
_PER = 30.0 * 100.0  # contacts of 100 customers in 30 days


def compare(cut: Cut, told: Asked, exit_days: float, sides: Sides) -> Result:
    """Tell how each figure of the map differs between two sides.

    Parameters
    ----------
    cut : Cut
        The journeys.
    told : Asked
        What tells each figure.
    exit_days : float
        An end within so many days follows a contact.
    sides : Sides
        What is compared.

    Returns
    -------
    Result
        A row a touchpoint and figure (also :data:`VOLUME`, contacts of 100 customers in 30
        days): ``estimate`` is the second side less the first (of ``exits``, over the first; ends
        expected are those of customers on the same side), with its 95% interval,
        ``p_value``, ``q_value`` (over all rows), ``first`` and ``second``, ``n`` and
        ``n_second`` (customers). Where a side has fewer than ``min_group``, nothing is told.
    """
    parts = [_differences(cells(cut, told, exit_days, sides))]
    if cut.spans is not None:
        parts.append(_volumes(cut, sides))
    if not any(len(p) for p in parts):
        text = f"{' and '.join(sides.names)} have no touchpoint in common: nothing is compared."
        return Result("compared", pd.DataFrame(), sentence=text)
    rows = pd.concat([p for p in parts if len(p)], ignore_index=True)
    few = (rows[["n", "n0"]] < cut.min_group).any(axis=1)
    withheld = int(few.sum())
    rows = rows[~few].reset_index(drop=True)
    made = [_apart(part, str(f), bounds(cut, told, str(f))) for f, part in rows.groupby("figure")]
    gap = pd.concat(made).reindex(rows.index) if made else pd.DataFrame(columns=_TOLD)
    place = stages(cut).reset_index().rename(columns={"index": "order", "touchpoint": "name"})
    table = pd.DataFrame(
        {
            "k": rows["touchpoint"],
            "figure": rows["figure"],
            **{c: gap[c] for c in _TOLD[:4]},
            "q_value": benjamini_hochberg(gap["p_value"].to_numpy(float)),
            "n": rows["n0"].astype(int),
            "n_second": rows["n"].astype(int),
            **{c: gap[c] for c in _TOLD[4:]},
        }
    ).merge(place, on="k")
    rank = {f: i for i, f in enumerate((VOLUME, *FIGURES))}
    table = table.sort_values(["order", "figure"], key=lambda c: c.map(rank) if c.name == "figure"
                              else c, kind="stable", ignore_index=True)  # fmt: skip
    table.insert(0, "term", table["name"] + ": " + table["figure"])
    table = table.drop(columns=["k", "order"]).rename(columns={"name": "touchpoint"})
    meta = {"sides": list(sides.names), "withheld": withheld, "exit_days": exit_days,
            "metrics": told.metrics}  # fmt: skip
    return Result("compared", table, meta=meta, sentence=_sentence(table, sides, withheld))


def _apart(part: pd.DataFrame, figure: str, within: tuple[float, float]) -> pd.DataFrame:
    """Tell how far one figure of the second side is from the first's."""
    gap = changes(part, within, times=figure == "exits")
    first, second = (ratios(part, within, other=o)["estimate"] for o in (True, False))
    gap = gap.assign(first=first, second=second)
    if figure == VOLUME:
        gap[[c for c in _TOLD if c != "p_value"]] *= _PER
    return gap[_TOLD]


def _differences(frame: Frame) -> pd.DataFrame:
    """Sum the cells of both sides, and their products over customers who are in both."""
    found = sums(frame, [*_BY, "side"])
    if found.empty:
        return pd.DataFrame()
    rows = _beside(found, _BY)
    both = _both(frame.filter(nw.col("x") > 0), _BY)
    cross = collected(both.group_by(*_BY).agg(**_products()), *_BY).set_index(_BY)
    rows = rows.join(cross, how="left")
    return rows.fillna(0.0).reset_index()


def _beside(found: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Put the sums of the first side, the other one, beside those of the second."""
    first, second = (
        found[found["side"] == side].drop(columns="side").set_index(by) for side in (0, 1)
    )
    return second.join(first.rename(columns=OTHER), how="inner")


def _both(frame: Frame, by: list[str]) -> Frame:
    """Put both sides of a customer beside each other."""
    of = {
        f"{c}{name}": nw.when(nw.col("side") == s).then(nw.col(c)).otherwise(nw.lit(0.0))
        for c in "yx"
        for s, name in enumerate(("0", ""))
    }
    return frame.with_columns(**of).group_by("who", *by).agg(*(nw.col(c).sum() for c in of))


def _products() -> dict[str, nw.Expr]:
    return {c: (nw.col(c[:2]) * nw.col(c[2:])).sum() for c in CROSSED}


def _volumes(cut: Cut, sides: Sides) -> pd.DataFrame:
    """Sum contacts and days at risk; those without a contact count with their days."""
    time = _time(cut, sides)
    there = with_who(cut).select("who", "began", "until")
    contacts = sides.of(cut.contacts.frame.select("who", "at", "touchpoint"), "at")
    contacts = contacts.join(there, on="who", how="inner")
    contacts = contacts.filter((nw.col("at") >= nw.col("began")) & (nw.col("at") < nw.col("until")))
    each = contacts.group_by("who", "touchpoint", "side").agg(y=nw.len().cast(nw.Float64))
    each = each.join(time, on=["who", "side"], how="inner")
    found = sums(each, ["touchpoint", "side"])
    time = time.with_columns(y=nw.lit(0.0))
    whole = sums(time, ["side"]).set_index("side")
    for column in ("n", "x", "xx"):
        found[column] = found["side"].map(whole[column])
    rows = _beside(found, ["touchpoint"])
    days = _both(time, []).select("who", "x0", "x")
    own = _both(each.select("who", "touchpoint", "side", "y", "x"), ["touchpoint"])
    own = own.select("who", "touchpoint", "y0", "y").join(days, on="who", how="inner")
    cross = collected(own.group_by("touchpoint").agg(**_products()), "touchpoint")
    rows = rows.join(cross.set_index("touchpoint"), how="left")
    product = collected(days.select(xx=(nw.col("x0") * nw.col("x")).sum()))["xx"].iloc[0]
    rows["x0x"] = 0.0 if pd.isna(product) else float(product)
    return rows.fillna(0.0).reset_index().assign(figure=VOLUME)


def _time(cut: Cut, sides: Sides) -> Frame:
    """Give each customer's days at risk on each side: ``who, side, x``."""
    there = with_who(cut)
    if sides.members is not None:
        there = there.join(sides.members, on="who", how="inner")
        there = there.with_columns(x=nw.col("until") - nw.col("began"))
    else:
        there = nw.concat(
            [
                sides.at_risk(there, side).with_columns(
                    side=nw.lit(side), x=nw.col("until") - nw.col("began")
                )
                for side in (0, 1)
            ],
            how="vertical",
        )
    return there.group_by("who", "side").agg(nw.col("x").sum())


def _sentence(table: pd.DataFrame, sides: Sides, withheld: int) -> str:
    names = " and ".join(sides.names)
    clear = table[table["q_value"] < ALPHA]
    text = f"{names} are compared in {counted(len(table), 'figure')} of the map"
    if withheld:
        text += f" ({withheld} withheld: too few customers on a side)"
    if clear.empty:
        return f"{text}; none differs beyond chance (q-values of 0.05, over all of them)."
    clear = clear.sort_values("p_value", kind="stable")
    named = listed((clear["figure"] + " at " + clear["touchpoint"]).tolist(), 4)
    return (
        f"{text}; {counted(len(clear), 'differs', 'differ')} beyond chance (q-values under 0.05, "
        f"over all of them): {named}."
    )
