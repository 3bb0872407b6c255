"""What became of customers after the window: who stayed, and what failed for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study
from cxlab.analyses.personas.rule import NONE, SELDOM, UNLIKE, UNSEEN
from cxlab.frames.behaviour import first_contacts, since
from cxlab.frames.periods import days_since_epoch
from cxlab.models.clustered import SHARE, SUMS, ratios
from cxlab.models.intervals import holm, wald_p
from cxlab.models.survival import Curve, Lifetimes, log_rank
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed

__all__ = ["LEAST_EVENTS", "burdens", "lives", "retention", "still_there", "ticks", "window"]

_POINTS, _TICKS = 100, 6
_MARKS = (30.0, 90.0, 180.0, 365.0)
LEAST_EVENTS = 10
"""Of fewer who left, nothing is told of who leaves."""


def lives(study: Study) -> Lifetimes:
    """Follow customers from the end of the window to their own end, or that of the data.

    Parameters
    ----------
    study : Study
        With or without personas.
    """
    people, end = study.then.customers, study.then.end
    until = people["until"].to_numpy(float)
    left = np.isfinite(people["left_at"].to_numpy(float))
    cause = np.where(left, 1, np.where(until < study.risk.end, 2, 0))
    who = pd.factorize(people["customer_id"])[0]
    return Lifetimes(np.full(len(until), -np.inf), until - end, cause, who)


def _groups(study: Study) -> list[tuple[int, str]]:
    """Give the groups that are large enough to be told, personas first."""
    every = [*enumerate(study.names), (UNLIKE, NONE), (UNSEEN, SELDOM)]
    least = study.options.min_group
    return [(place, name) for place, name in every
            if place not in study.withheld and (study.label == place).sum() >= least]  # fmt: skip


def _mark(study: Study) -> float:
    marks = [m for m in (*_MARKS, float(study.options.follow_days))
             if m <= study.options.follow_days]  # fmt: skip
    return max(marks)


def retention(study: Study) -> dict[str, Result]:
    """Follow each persona after the window, and test whether they leave alike.

    The window is over when following begins: nobody had to stay to become what they are.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    dict of str to Result
        ``retention``: a row a group: ``term, estimate`` (share still there ``after`` so many
        days), its interval, ``p_value`` (log-rank, against all other personas), ``p_holm, n,
        left, after``; and ``segment_curves``.
    """
    all_lives = lives(study)
    left = int(((all_lives.cause == 1) & (study.label >= 0)).sum())
    if left < LEAST_EVENTS:
        text = (
            f"How long each persona stays cannot be told: {counted(left, 'customer')} of them "
            f"left after the window, fewer than {LEAST_EVENTS}."
        )
        return {"retention": Result("retention", _empty(), sentence=text)}
    if sum(place >= 0 for place, _ in _groups(study)) < 2:
        text = (
            "How long each persona stays is withheld: fewer than two are of "
            f"{counted(study.options.min_group, 'customer')} or more."
        )
        return {"retention": Result("retention", _empty(), sentence=text)}
    mark, rows, parts = _mark(study), [], []
    own = all_lives.ended_by(1)
    every = study.label >= 0
    whole = log_rank(own.where(every), study.label[every])
    marked = ticks(float(study.options.follow_days))
    short = _short(study.names)
    for place, name in _groups(study):
        inside = study.label == place
        mine = own.where(inside)
        curve = Curve(mine)
        at = curve.at(np.array([mark])).iloc[0]
        p = np.nan
        if place >= 0:
            p = log_rank(own.where(every), inside[every].astype(int)).p_value
        rows.append({"term": name, "estimate": at["estimate"], "conf_low": at["conf_low"],
                     "conf_high": at["conf_high"], "p_value": p, "n": int(inside.sum()),
                     "left": int((mine.cause == 1).sum()), "after": mark})  # fmt: skip
        if place >= 0:
            parts.append(_points(curve, mine, marked, study).assign(term=short[name]))
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    meta = {"statistic": whole.statistic, "df": whole.df, "p_value": whole.p_value}
    curves = pd.concat(parts, ignore_index=True).assign(p_value=np.nan)
    return {
        "retention": Result("retention", table, meta=meta, sentence=_who_stays(table, meta)),
        "segment_curves": Result(
            "segment_curves", curves, meta={"all_levels": list(short.values())}
        ),
    }


def _short(names: Sequence[str]) -> dict[str, str]:
    """Give names short enough to stand beside a curve: their first words, where these differ."""
    first = [name.partition(",")[0] for name in names]
    return dict(zip(names, first if len(set(first)) == len(names) else names, strict=True))


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=["term", "estimate", "conf_low", "conf_high", "p_value", "n",
                                 "left", "after", "p_holm"])  # fmt: skip


def ticks(end: float) -> np.ndarray:
    """Give even days for an axis.

    Parameters
    ----------
    end : float
        The last day.
    """
    step = max(30.0 * np.ceil(end / 30.0 / _TICKS), 1.0) if end >= 60 else max(end / 3, 1.0)
    return np.arange(0.0, end + 1e-9, step)


def _points(curve: Curve, mine: Lifetimes, marked: np.ndarray, study: Study) -> pd.DataFrame:
    end = float(study.options.follow_days)
    steps = np.unique(mine.exit[mine.cause == 1])
    if len(steps) > _POINTS:
        steps = np.linspace(0.0, end, _POINTS + 1)
    at = np.unique(np.concatenate([[0.0], marked, steps[steps <= end], [end]]))
    table = curve.at(at)
    # At the very end of the data nobody is followed on: those seen so far are at risk.
    last = table["tenure"] >= end
    table.loc[last, "n"] = int((mine.exit >= end - 1e-6).sum())
    return table.drop(columns="se")


def _who_stays(table: pd.DataFrame, meta: dict[str, Any]) -> str:
    mine = table[table["p_value"].notna()]
    days = f"{mine['after'].iloc[0]:g} days after the window"
    if not meta["p_value"] < ALPHA:
        return (
            f"The personas leave alike, as far as {int(mine['left'].sum()):,} who left can tell: "
            f"{days} between {mine['estimate'].min():.0%} and {mine['estimate'].max():.0%} are "
            "still there."
        )
    order = mine.sort_values("estimate", kind="stable")
    low, high = order.iloc[0], order.iloc[-1]

    def told(row: Any) -> str:
        return f"{row['estimate']:.0%} ({row['conf_low']:.0%} to {row['conf_high']:.0%})"

    text = (
        f"The personas leave at different rates: {days} {told(low)} of “{low['term']}” are still "
        f"there, and {told(high)} of “{high['term']}”."
    )
    clear = [f"“{t}”" for t in mine.loc[mine["p_holm"] < ALPHA, "term"]]
    if clear:
        text += f" Different from all others beyond chance: {listed(clear)}."
    return f"{text} This is association: what they did may not be why they stay."


# -- what failed, after the window --------------------------------------------------------------


def _labelled(study: Study, met: pd.DataFrame) -> np.ndarray:
    place = pd.Series(study.label, index=study.then.customers["spell"])
    return np.asarray(place.reindex(met["spell"]).to_numpy(int))


def burdens(study: Study) -> Result:
    """Tell each persona's failures and scores after the window, against all others.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    Result
        A row a persona and measure: ``persona, measure, estimate`` (share of contacts that
        failed, or mean score), its interval, ``others, p_value`` (of the difference),
        ``p_holm, n``; a customer's contacts and answers are taken together.
    """
    met = first_contacts(study.risk, study.then.customers, study.then.end, study.risk.end)
    kinds = {}
    if len(met) and met["judged"].sum() > 0:
        kinds["contacts that failed"] = (_labelled(study, met), met["failed"], met["judged"])
    for metric, scores in _scores(study).groupby("metric"):
        kinds[f"mean {metric}"] = (_labelled(study, scores), scores["total"], scores["answers"])
    rows = [
        row
        for measure, (label, num, den) in kinds.items()
        for row in _ratios(study, measure, label, num.to_numpy(float), den.to_numpy(float))
    ]
    columns = ["persona", "measure", "estimate", "conf_low", "conf_high", "others", "p_value",
               "p_holm", "n"]  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    return Result("burdens", table, sentence=_burdened(table))


def _ratios(
    study: Study, measure: str, label: np.ndarray, num: np.ndarray, den: np.ndarray
) -> list[dict[str, Any]]:
    """Give a ratio of sums for each persona, a customer's contacts or answers taken together."""
    scales = study.risk.dataset.settings.all_metrics
    metric = measure.removeprefix("mean ")
    bounds = scales[metric].scale if measure.startswith("mean ") else SHARE
    rows = []
    for place, name in enumerate(study.names):
        sides = [(label == place) & (den > 0), (label >= UNLIKE) & (label != place) & (den > 0)]
        few = min(side.sum() for side in sides) < study.options.min_group
        if few or place in study.withheld:
            continue
        sums = pd.DataFrame([_sums(num[side], den[side]) for side in sides])
        own, others = ratios(sums, (float(bounds[0]), float(bounds[1]))).to_dict("records")
        gap, error = own["estimate"] - others["estimate"], np.hypot(own["se"], others["se"])
        p = float(wald_p(np.array(gap), np.array(error))) if error > 0 else np.nan
        rows.append({"persona": name, "measure": measure, "estimate": own["estimate"],
                     "conf_low": own["conf_low"], "conf_high": own["conf_high"],
                     "others": others["estimate"], "p_value": p,
                     "n": int(sides[0].sum())})  # fmt: skip
    return rows


def _sums(y: np.ndarray, x: np.ndarray) -> dict[str, float]:
    values = (len(y), y.sum(), x.sum(), y @ y, y @ x, x @ x)
    return dict(zip(SUMS, map(float, values), strict=True))


def _scores(study: Study) -> pd.DataFrame:
    """Sum the answers that customers gave after the window."""
    dataset = study.risk.dataset
    nothing = pd.DataFrame(columns=["spell", "metric", "total", "answers"])
    if not {"customer_id", "score", "responded_at"} <= set(dataset.columns("feedback")):
        return nothing
    people = dataset.attach(study.then.customers[["spell", "customer_id", "until"]])
    at = days_since_epoch(nw.col("responded_at"))
    answers = dataset.table("feedback").filter(~nw.col("score").is_null())
    answers = answers.select("customer_id", "metric", "score", at=at)
    answers = answers.filter((nw.col("at") >= study.then.end) & (nw.col("at") < study.risk.end))
    answers = answers.join(people, on="customer_id", how="inner")
    answers = answers.filter(nw.col("at") < nw.col("until"))
    summed = answers.group_by("spell", "metric").agg(total=nw.col("score").sum(), answers=nw.len())
    table: pd.DataFrame = summed.sort("metric", "spell").collect(backend="pandas").to_native()
    return table if len(table) else nothing


def _burdened(table: pd.DataFrame) -> str:
    if table.empty:
        return "Nothing tells what fails for whom after the window: no outcomes, and no answers."
    clear = table[table["p_holm"] < ALPHA]
    if clear.empty:
        return "After the window, failures and scores do not differ between personas beyond chance."

    def number(measure: str, x: float) -> str:
        return f"{x:.0%}" if "failed" in measure else f"{x:.2f}"

    told = [
        f"{r.measure} of “{r.persona}” {number(str(r.measure), float(r.estimate))} (others "
        f"{number(str(r.measure), float(r.others))})"
        for r in clear.itertuples()
    ]
    return f"After the window, beyond chance: {listed(told, 4)}."


# -- the time after the window ------------------------------------------------------------------


def still_there(study: Study) -> tuple[float, float, float, float]:
    """Give the share of all who are still there after the longest mark, and that mark.

    Parameters
    ----------
    study : Study
        With or without personas.
    """
    mark = _mark(study)
    at = Curve(lives(study).ended_by(1)).at(np.array([mark])).iloc[0]
    return float(at["estimate"]), float(at["conf_low"]), float(at["conf_high"]), mark


def window(study: Study) -> str:
    """Write the days after the window, such as ``2026-01-01 to 2026-06-30``."""
    return f"{since(study.then.end, 0)} to {since(study.risk.end, -1)}"
