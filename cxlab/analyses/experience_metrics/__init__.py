"""How do customers experience us, and what has changed?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics import answers, changes, leads, moved, readable, times, words
from cxlab.analyses.experience_metrics.gather import Known, Options, counted
from cxlab.analyses.experience_metrics.value import lifetime_value
from cxlab.analyses.experience_metrics.words import findings
from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, one_of, within
from cxlab.models.intervals import LEVEL, holm
from cxlab.results import Check, Result
from cxlab.results import counted as with_noun

__all__ = ["findings", "run"]

_CARD = ["metric", "estimate", "conf_low", "conf_high", "p_value", "n", "rows", "unit", "before",
         "change", "change_low", "change_high", "p_holm", "better", "rule"]  # fmt: skip
_LEVELS = ["metric", "by", "level", "estimate", "conf_low", "conf_high", "n", "rows", "unit",
           "gap", "gap_low", "gap_high", "p_value", "p_holm"]  # fmt: skip
_SERIES = ["metric", "period", "estimate", "conf_low", "conf_high", "n", "rows", "unit", "whole",
           "centre", "limit_low", "limit_high", "outside"]  # fmt: skip
# Metrics in the order in which they are told; those of no group come last.
_ORDER = ("nps", "csat", "ces", "", "failure share", "first-contact resolution", "on-time share",
          "first response, median", "time to resolution, median", "handle time, median",
          "mean first response", "mean handle time", "contact rate", "repeat purchase",
          "churn rate", "retention", "lifetime value")  # fmt: skip
# What data/check sets aside before any metric is counted.
_RULES = ("score off its scale", "below 0", "resolved before", "answered before", "after the "
          "customer's end", "a score but no")  # fmt: skip


def run(
    dataset: Dataset,
    *,
    window_days: int = 90,
    resolve_days: int = 7,
    repeat_days: int = 90,
    value_touchpoint: str = "",
    min_group: int = 10,
) -> Result:
    """Measure what customers experience, with intervals, and tell change from noise.

    Every metric is a ratio of sums over customers, or a median; what one customer adds hangs
    together and counts once. Lifetime value is told without the change, which it has none of.

    Parameters
    ----------
    dataset : Dataset
        In the spell form; of a snapshot, scores alone.
    window_days : int
        The last days that are told, and as many before them to compare with.
    resolve_days : int
        A contact for help was enough where no other follows within so many days.
    repeat_days : int
        A purchase is repeated where another follows within so many days.
    value_touchpoint : str
        The touchpoint whose first success is the moment of value; empty: chosen by rule.
    min_group : int
        Figures of fewer customers are withheld.

    Returns
    -------
    Result
        A row a metric: ``metric, estimate, conf_low, conf_high, p_value`` (of the change),
        ``n`` (customers), ``rows, unit, before, change, change_low, change_high, p_holm, better,
        rule``. Parts: ``levels`` (by stage, touchpoint, channel and attribute), ``series`` (by
        month or week, with limits), ``changes``, ``level_changes`` (levels against the days
        before), ``response`` and ``response_by`` (scores weighted for those who did not answer:
        overall, and by month and level), ``adoption``, ``adoption_by`` (by attribute),
        ``to_value``, ``lead_lag``; in words, for reading: ``scorecard``, ``differences``,
        ``moved``, ``scores_weighted``, ``scores_weighted_by``, ``waits``, ``adopted``,
        ``adopted_by``.

    Raises
    ------
    UsageError
        An option is out of its bounds, or there is no such touchpoint.
    """
    within(1, window_days=window_days, resolve_days=resolve_days, repeat_days=repeat_days,
           min_group=min_group)  # fmt: skip
    options = Options(window_days, resolve_days, repeat_days, value_touchpoint, min_group)
    known = Known(dataset, options)
    if value_touchpoint and value_touchpoint not in known.places.touchpoints:
        what = f"{dataset.path}: value_touchpoint"
        names = known.places.touchpoints or ("none: no touchpoints",)
        raise UsageError(one_of(what, value_touchpoint, names))
    if not known.sources:
        return _nothing(known)
    card, series, levels = _counted(known)
    betters = {name: a.better for name, a in known.abouts.items()}
    series, changed = changes.charted(known, series)
    gaps, levels = readable.gaps(levels, betters) if len(levels) else (None, levels)
    units = {name: a.unit for name, a in known.abouts.items()}
    period = "week" if known.weekly else "month"
    parts = {
        "scorecard": readable.scorecard(card, betters, window_days),
        "series": Result("series", series.reindex(columns=_SERIES), meta={"period": period}),
        "changes": Result(
            "changes", changed, sentence=words.changed(changed, units, betters, period)
        ),
        "levels": Result("levels", levels.reindex(columns=_LEVELS)),
    }
    if gaps is not None:
        parts["differences"] = replace(gaps, sentence=words.where(gaps.table))
    parts["level_changes"] = by_level = moved.level_changes(known, known.totals)
    if len(by_level.table):
        parts["moved"] = moved.readable(by_level, betters, window_days)
    parts |= _silence(known) | _waits(card, levels) | _first_successes(known)
    parts["lead_lag"] = leads.leads(known)
    return Result(
        "experience_metrics",
        card.reindex(columns=_CARD),
        tuple(_checks(known, series, levels, parts)),
        _meta(known, card),
        words.headline(card, betters, window_days),
        parts,
    )


def _counted(known: Known) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Put ratios, medians and lifetime value together, in the order in which they are told."""
    worth, by_group = lifetime_value(known)
    ratios, medians = counted(known), times.durations(known)
    made = zip(ratios, medians, (worth, pd.DataFrame(), by_group), strict=True)
    card, series, levels = (
        _ordered(pd.concat([t for t in three if len(t)] or [pd.DataFrame()], ignore_index=True))
        for three in made
    )
    # Between the same answers the top box and the mean are hardly two tests; Holm allows it.
    card["p_holm"] = holm(card["p_value"].to_numpy(float))
    card["better"] = [known.abouts[m].better for m in card["metric"]]
    card["rule"] = [known.abouts[m].rule for m in card["metric"]]
    return card, series, levels


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table

    def place(metric: str) -> int:
        group = metric.partition(" ")[0]
        if group in _ORDER[:3]:
            return 2 * _ORDER.index(group) + metric.endswith("response")
        return 2 * _ORDER.index(metric) if metric in _ORDER else 2 * _ORDER.index("")

    table = table.assign(cx_order=table["metric"].map(place))
    table = table.sort_values("cx_order", kind="stable", ignore_index=True)
    return table.drop(columns="cx_order")


def _silence(known: Known) -> dict[str, Result]:
    made = answers.weighted(known)
    if made.table.empty:
        return {"response": made}
    by = made["response_by"]
    parts = {"response": replace(made, parts={}), by.name: by}
    return parts | {
        "scores_weighted": readable.silence(made.table),
        "scores_weighted_by": readable.silence_by(by.table),
    }


def _waits(card: pd.DataFrame, levels: pd.DataFrame) -> dict[str, Result]:
    def of(table: pd.DataFrame) -> pd.DataFrame:
        medians = table["metric"].astype(str).str.endswith(", median") if len(table) else []
        return table[medians] if len(table) else table

    mine = of(card)
    if mine.empty:
        return {}
    return {"waits": readable.waits(of(levels), mine)}


def _first_successes(known: Known) -> dict[str, Result]:
    parts = times.adoption(known)
    if parts:
        parts["to_value"] = replace(parts["to_value"], sentence=words.to_value(parts["to_value"]))
        parts["adopted"] = readable.adopted(parts["adoption"].table)
        segments = parts["adoption_by"]
        parts["adoption_by"] = replace(segments, sentence=words.adopted_by(segments.table))
        parts["adopted_by"] = readable.adopted_by(segments.table)
    return parts


def _meta(known: Known, card: pd.DataFrame) -> dict[str, object]:
    since, until = (pd.Timestamp("1970-01-01") + pd.Timedelta(days=float(v))
                    for v in (card["since"].max(), card["until"].max() - 1e-6))  # fmt: skip
    stages = {t: known.places.stages[s] for t, s in
              zip(known.places.touchpoints, known.places.stage, strict=True)
              if s < len(known.places.stages)}  # fmt: skip
    return {
        **known.dataset.about(),
        "scale": "as told by unit",
        "level": LEVEL,
        "window_days": known.options.window_days,
        "min_group": known.options.min_group,
        "period": [since.date().isoformat(), until.date().isoformat()],
        "touchpoints": list(known.places.touchpoints),
        "stages": list(known.places.stages),
        "stage_of": stages,
        "customers": int(np.nan_to_num(card["n"].max())),
        "every": "week" if known.weekly else "month",
    }


def _nothing(known: Known) -> Result:
    why = "; ".join(f"{name}: {text}" for name, text in known.left_out.items())
    meta = {**known.dataset.about(), "min_group": known.options.min_group}
    text = f"There is nothing to measure: {why or 'the tables are empty'}."
    return Result("experience_metrics", pd.DataFrame(columns=_CARD), (), meta, text)


def _checks(
    known: Known, series: pd.DataFrame, levels: pd.DataFrame, parts: dict[str, Result]
) -> list[Check]:
    """Say what is not told, what was left out, and what is counted how."""
    made = [Check(f"not told: {n}", None, why) for n, why in known.left_out.items()]
    made += [Check(n, None, text) for n, text in known.notes.items()]
    aside = [s for s in known.dataset.set_aside if any(r in s.rule for r in _RULES)]
    if aside:
        text = "; ".join(f"{s.table}: {with_noun(s.rows, 'row')} {s.rule}" for s in aside)
        made.append(Check("rows that cannot be", None, f"not counted in any metric: {text}"))
    by_level = [parts[n].table for n in ("level_changes", "response_by", "adoption_by")
                if n in parts]  # fmt: skip
    small = [int(t["n"].isna().sum()) for t in (series, levels, *by_level) if len(t)]
    if sum(small):
        text = (
            f"{sum(small):,} figures by period or level rest on fewer than "
            f"{known.options.min_group} customers, or would give such a figure away (all less the "
            "others), and are withheld"
        )
        made.append(Check("small groups", None, text))
    if known.person is not None and known.person.left_out:
        text = "; ".join(f"{n}: {why}" for n, why in known.person.left_out.items())
        made.append(Check("not cut by", None, text))
    if len(parts["changes"].table):
        unfinished = sorted(set(series.loc[~series["whole"], "period"]))
        text = (
            "a change is marked where a series without one would show as much in under 5% of "
            f"cases, corrected for {with_noun(len(parts['changes'].table), 'metric')}; not "
            f"tested, being seen in part by some metric: {', '.join(unfinished) or 'none'}"
        )
        made.append(Check("noise and change", None, text))
    if len(parts["response"].table):
        made.append(_what_weights_leave(parts["response"].table))
    return [*made, *parts["response"].checks, *parts["lead_lag"].checks]


def _what_weights_leave(table: pd.DataFrame) -> Check:
    rates = 1 - table["response"].min()
    text = (
        "weights cure silence that goes with what was known at the asking, not silence that goes "
        f"with the score itself: for each 10 points by which the silent think otherwise, a score "
        f"of everybody asked would be {10 * rates:.1f} points off"
    )
    return Check("what weights cannot cure", None, text)
