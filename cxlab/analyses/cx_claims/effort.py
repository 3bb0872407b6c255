"""Which score tells best who leaves: effort, satisfaction, or recommending."""

from __future__ import annotations

from functools import partial

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.study import Answer, Study, Told
from cxlab.frames.answers import Questions, questions
from cxlab.frames.signals import Said, what_was_said
from cxlab.models.clustered import areas
from cxlab.models.discrimination import auc
from cxlab.models.intervals import Z
from cxlab.results import counted, metric_label

__all__ = ["effort"]

_EFFORT = "ces"
_AGAINST = ("csat", "nps")


def effort(study: Study) -> dict[str, Answer]:
    """Compare CES with CSAT and with NPS, on customers who had lately given both.

    Parameters
    ----------
    study : Study
        The customers.

    Returns
    -------
    dict of str to Answer
        ``effort_csat`` and ``effort_nps``.
    """
    known = questions(study.dataset)
    names = {f"effort_{m}": m for m in _AGAINST}
    if isinstance(known, str):
        return {name: Answer(why=known) for name in names}
    absent = [m for m in (_EFFORT, *_AGAINST) if m not in known.metrics]
    if _EFFORT in absent:
        why = "effort is not asked for: feedback has no metric ces"
        return {name: Answer(why=why) for name in names}
    if isinstance(study.marks, str):
        return {name: Answer(why=study.marks) for name in names}
    said = what_was_said(study.dataset, known, study.marks.rows)
    raw = _raw(study, known)
    against = partial(_against, study, said, raw)
    return {
        name: Answer(why=f"feedback has no metric {m}") if m in absent else against(m)
        for name, m in names.items()
    }


def _against(
    study: Study, said: dict[str, Said], raw: dict[str, tuple[float, float, int]], other: str
) -> Answer:
    fresh, horizon = 2 * study.options.window_days, study.options.horizon_days
    mine = [said.get(_EFFORT), said.get(other)]
    if any(s is None for s in mine):
        return Answer(why="nobody there on a day that is judged had given such a score")
    both = np.all([s.within(fresh) for s in mine if s is not None], axis=0)
    seen = study.seen.where(both[study.seen.rows])
    names = [metric_label(m) for m in (_EFFORT, other)]
    if seen.leavers < study.options.least:
        return Answer(
            why=f"{counted(seen.leavers, 'customer')} who then left had lately given a score on "
            f"both {names[0]} and {names[1]}; {study.options.least} are wanted"
        )
    if not all(np.nanstd(s.worse[seen.rows]) > 0 for s in mine if s is not None):
        return Answer(why=f"all who gave {names[0]}, or {names[1]}, gave the same score")
    figures = auc(seen, np.column_stack([s.worse for s in mine if s is not None]))
    gap = figures.differences([(0, 1)]).iloc[0]
    one, two = (float(v) for v in figures.estimate)
    # Two scores that are always alike differ by nothing, and nothing is unsure of it.
    low, high = (float(gap[c]) if gap["se"] > 0 else np.nan for c in ("conf_low", "conf_high"))
    told = Told(float(gap["estimate"]), low, high, seen.judged)
    return Answer(
        told,
        _apart(raw, other),
        said=f"Of a customer who left and one who stayed, {names[0]} names the right one in "
        f"{100 * one:.0f} of 100 pairs, {names[1]} in {100 * two:.0f}; a coin does in 50.",
        differs="Averages over whole lives hold answers given when leaving was decided, and the "
        "two metrics are asked of other customers, at other touchpoints.",
        held=f"adjusted: the last scores of the {fresh} days before, of customers who had given "
        f"both, held against who left in the next {horizon} days; raw: each customer's mean score "
        "over the whole life, held against who ever left, each metric on those who gave it",
        facts={"one": one, "two": two, "leavers": float(seen.leavers)},
    )  # fmt: skip


def _raw(study: Study, known: Questions) -> dict[str, tuple[float, float, int]]:
    """Give each metric's area on customers' mean scores of whole lives, as dashboards do."""
    given = known.frame.filter(~nw.col("score").is_null()).group_by("customer_id", "metric")
    people = study.risk.frame.group_by("customer_id").agg(left=nw.col("event").max())
    both = given.agg(score=nw.col("score").mean()).join(people, on="customer_id", how="inner")
    table: pd.DataFrame = both.collect(backend="pandas").to_native()
    found = {}
    for metric, part in table.groupby("metric"):
        sign = -1.0
        if study.dataset.settings.all_metrics[str(metric)].direction == "lower_is_better":
            sign = 1.0
        n = len(part)
        area, covariance = areas(
            sign * part[["score"]].to_numpy(float), part["left"].to_numpy(bool), np.arange(n),
            np.zeros(n, dtype=int),
        )  # fmt: skip
        found[str(metric)] = float(area[0]), float(covariance[0, 0]), n
    return found


def _apart(raw: dict[str, tuple[float, float, int]], other: str) -> Told | None:
    """Take two areas for those of different customers, as dashboards do."""
    if _EFFORT not in raw or other not in raw:
        return None
    one, two = raw[_EFFORT], raw[other]
    gap, reach = one[0] - two[0], Z * float(np.sqrt(one[1] + two[1]))
    if not np.isfinite(reach):
        return None
    return Told(gap, gap - reach, gap + reach, min(one[2], two[2]))
