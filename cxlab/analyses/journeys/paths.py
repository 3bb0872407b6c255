"""The ways customers take: what follows what, and where journeys are at each step."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import STATES, Cut, collected
from cxlab.frames.engine import how_many
from cxlab.results import Result, counted

__all__ = ["END", "OTHER", "START", "flows", "step_matrix", "transitions"]

Frame = nw.LazyFrame[Any]

START, END, OTHER = "(start)", "(end)", "other touchpoints"
_MOST_STEPS = 8
_COLUMNS = 6
_NAMED = 8
_INTERVAL = ("estimate", "conf_low", "conf_high")


def _other(cut: Cut) -> str:
    """Name the touchpoints that are not named, as none of them is called."""
    return OTHER if OTHER not in cut.names else f"{OTHER} (together)"


def _going_on(cut: Cut) -> Frame:
    """Keep the steps of journeys that have more than one."""
    return cut.steps.frame.filter((nw.col("step") > 1) | ~nw.col("last"))


def transitions(cut: Cut) -> Result:
    """Tell what follows each touchpoint within a journey, and where journeys begin.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a pair: ``estimate`` is the share of contacts at ``from`` that ``to`` follows in
        the journey (``kind`` move), or that nothing follows (end, :data:`END`); or the share of
        journeys that begin at ``to`` (start, :data:`START`). ``n``: customers who had it;
        ``contacts``: how many there are. Pairs of fewer than ``min_group`` customers are left
        out.
    """
    frame, last = cut.steps.frame, len(cut.names)
    told = (
        _pairs(frame.filter(nw.col("step") > 1), nw.col("came"), nw.col("touchpoint"), "move"),
        _pairs(frame.filter(nw.col("last")), nw.col("touchpoint"), nw.lit(last), "end"),
        _pairs(frame.filter(nw.col("step") == 1), nw.lit(last), nw.col("touchpoint"), "start"),
    )
    table = pd.concat([t for t in told if len(t)], ignore_index=True)
    come, go = table["out"].to_numpy(int), table["into"].to_numpy(int)
    table["of"] = table.groupby("out")["contacts"].transform("sum")
    starts, ends = (np.array([*cut.names, name], dtype=object) for name in (START, END))
    table = pd.DataFrame(
        {
            "term": starts[come] + " \N{RIGHTWARDS ARROW} " + ends[go],
            "estimate": table["contacts"] / table["of"],
            "n": table["n"].astype(int),
            "from": starts[come],
            "to": ends[go],
            "kind": table["kind"],
            "contacts": table["contacts"].astype(int),
        }
    )
    few = table["n"] < cut.min_group
    meta = {"withheld": int(few.sum()), "min_group": cut.min_group}
    table = table[~few].sort_values("contacts", ascending=False, kind="stable", ignore_index=True)
    return Result("transitions", table, meta=meta, sentence=_most_followed(table))


def _pairs(frame: Frame, out: nw.Expr, into: nw.Expr, kind: str) -> pd.DataFrame:
    """Count contacts and customers by where they come from and go to."""
    frame = frame.with_columns(out=out.cast(nw.Int64), into=into.cast(nw.Int64))
    by = ["out", "into"]
    each = frame.group_by("who", *by).agg(x=nw.len())
    told = each.group_by(*by).agg(n=nw.len(), contacts=nw.col("x").sum())
    return collected(told, *by).assign(kind=kind)


def _most_followed(table: pd.DataFrame) -> str:
    steps = table[table["kind"] == "move"]
    if steps.empty:
        return "No touchpoint is followed by another often enough to be told."
    most = steps.loc[steps["estimate"].idxmax()]
    again = most["from"] == most["to"]
    what = "by another contact there" if again else f"by {most['to']}"
    return (
        f"Most often followed within the journey is {most['from']}: {most['estimate']:.0%} of its "
        f"contacts are followed {what}."
    )


def _top(cut: Cut) -> list[int]:
    """Choose the touchpoints that are named: those most met in journeys of several steps."""
    found = collected(
        _going_on(cut).group_by("touchpoint").agg(n=nw.len()), "touchpoint"
    ).sort_values("n", ascending=False, kind="stable")
    # One more than is named is named as well: it would stand alone among the others.
    most = _NAMED if len(found) > _NAMED + 1 else len(found)
    return [int(k) for k in found["touchpoint"].head(most)]


def step_matrix(cut: Cut) -> Result:
    """Tell where journeys of several steps are at each step.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a step and touchpoint (the most met; the rest are :data:`OTHER`): ``estimate`` is
        the share of the journeys that get to the step; ``still``: how many do, ``going``: their
        share of all that begin with several steps. Cells of fewer than ``min_group`` customers
        are left out and counted.
    """
    top = _top(cut)
    own = nw.when(nw.col("touchpoint").is_in(top)).then(nw.col("touchpoint")).otherwise(nw.lit(-1))
    frame = _going_on(cut).filter(nw.col("step") <= _MOST_STEPS).with_columns(touchpoint=own)
    by = ("step", "touchpoint")
    each = frame.group_by("who", *by).agg(contacts=nw.len())
    table = collected(each.group_by(*by).agg(n=nw.len(), contacts=nw.col("contacts").sum()), *by)
    if table.empty:
        return Result("step_matrix", pd.DataFrame(), sentence=_alone(cut))
    names = np.array([*cut.names, _other(cut)], dtype=object)  # -1 is the last
    table["touchpoint"] = names[table["touchpoint"].to_numpy(int)]
    table = table.astype({"n": int, "contacts": int})
    table["still"] = table.groupby("step")["contacts"].transform("sum")
    begun = int(table.loc[table["step"] == 1, "still"].iloc[0])
    table["estimate"], table["going"] = table["contacts"] / table["still"], table["still"] / begun
    few = table["n"] < cut.min_group
    table = table[~few]
    whole = _numbers(cut)
    rest = len(cut.names) - len(top)
    meta = {"other": rest, "journeys": whole["journeys"], "several": whole["several"],
            "longest": whole["longest"], "steps": _MOST_STEPS, "withheld": int(few.sum()),
            "min_group": cut.min_group}  # fmt: skip
    return Result("step_matrix", table.reset_index(drop=True), meta=meta, sentence=_alone(cut))


def _numbers(cut: Cut) -> dict[str, int]:
    told = cut.steps.journeys.select(
        journeys=nw.len(),
        several=how_many(nw.col("steps") > 1),
        longest=nw.col("steps").max(),
        beyond=how_many(nw.col("steps") > _MOST_STEPS),
    )
    row = told.collect(backend="pyarrow").rows(named=True)[0]
    return {name: int(value or 0) for name, value in row.items()}


def _alone(cut: Cut) -> str:
    found = _numbers(cut)
    text = (
        f"{counted(found['journeys'], 'journey was', 'journeys were')} begun; "
        f"{1 - found['several'] / max(found['journeys'], 1):.0%} are a single contact."
    )
    if not found["several"]:
        return text
    text += f" Followed here: {found['several']:,} of several steps"
    if found["beyond"]:
        text += (
            f", up to the {_MOST_STEPS}th step, which {counted(found['beyond'], 'goes', 'go')} "
            f"beyond (the longest has {found['longest']:,})"
        )
    return f"{text}."


def flows(cut: Cut) -> Result:
    """Tell how many journeys go from each touchpoint to the next, step by step.

    Parameters
    ----------
    cut : Cut
        The journeys.

    Returns
    -------
    Result
        A row a flow of journeys of several steps: ``step`` it leaves from, ``from``, ``to`` (a
        touchpoint, :data:`OTHER`, or how the journey ended), ``n`` customers, ``journeys`` and
        ``ends``: whether it is an end. After the last step told, journeys are ``going on``.
        Flows of fewer than ``min_group`` customers are left out and counted.
    """
    top = _top(cut)
    steps = _going_on(cut).filter(nw.col("step") <= _COLUMNS)
    named = {c: nw.when(nw.col(c).is_in(top)).then(nw.col(c)).otherwise(nw.lit(-1))
             for c in ("touchpoint", "came")}  # fmt: skip
    steps = steps.with_columns(**named)
    whole = cut.steps.journeys.filter(nw.col("steps") > 1).select("who", "own", "first", "state")
    over = steps.filter(nw.col("last")).join(whole, on=["who", "own", "first"], how="inner")
    on = steps.filter((nw.col("step") == _COLUMNS) & ~nw.col("last"))
    parts = [
        _flow(steps.filter(nw.col("step") > 1), "came", "touchpoint").assign(ends=False),
        _flow(over, "touchpoint", "state").assign(ends=True),
        _flow(on.with_columns(state=nw.lit(len(STATES))), "touchpoint", "state").assign(ends=True),
    ]
    rows = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    names = np.array([*cut.names, _other(cut)], dtype=object)  # -1 is the last
    ends = np.array([*STATES, "going on"], dtype=object)
    into = rows["into"].to_numpy(int)
    to = np.where(rows["ends"], ends[np.where(rows["ends"], into, 0)],
                  names[np.where(rows["ends"], 0, into)])  # fmt: skip
    table = pd.DataFrame(
        {
            # A step that comes from another one left that one.
            "step": rows["step"].astype(int) - (~rows["ends"].astype(bool)),
            "from": names[rows["out"].to_numpy(int)],
            "to": to,
            "n": rows["customers"].astype(int),
            "journeys": rows["journeys"].astype(int),
            "ends": rows["ends"].astype(bool),
        }
    )
    few = table["n"] < cut.min_group
    meta = {
        "columns": _COLUMNS, "other": len(cut.names) - len(top),
        "top": [t for k, t in enumerate(cut.names) if k in top],
        "begun": _numbers(cut)["several"], "withheld": int(few.sum()),
        "withheld_journeys": int(table.loc[few, "journeys"].sum()), "min_group": cut.min_group,
    }  # fmt: skip
    table = table[~few].sort_values(["step", "from", "to"], ignore_index=True)
    return Result("flows", table, meta=meta)


def _flow(frame: Frame, out: str, into: str) -> pd.DataFrame:
    """Count journeys and customers by step, and where they come from and go to."""
    by = ["step", out, into]
    each = frame.group_by("who", *by).agg(journeys=nw.len())
    found = each.group_by(*by).agg(customers=nw.len(), journeys=nw.col("journeys").sum())
    return collected(found, *by).rename(columns={out: "out", into: "into"})
