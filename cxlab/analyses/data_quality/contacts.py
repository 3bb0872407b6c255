"""Journeys and channels as contacts tell them, and silence as a sign of leaving."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.data_quality.looked import (
    BENT,
    UNTIDY,
    Looked,
    Section,
    collected,
    percent,
)
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.engine import how_many
from cxlab.frames.periods import risk_set
from cxlab.frames.silences import LEAST_DAYS, silences
from cxlab.models.comeback import Comebacks
from cxlab.results import counted

__all__ = ["journeys", "scales", "silence"]

_LONG = 1000
_MANY_BACK = 0.1
# Among so many scores, a scale's upper fifth is not left empty by chance.
_ENOUGH, _EMPTY_END = 200, 0.2


def journeys(dataset: Dataset) -> Section | None:
    """Look for contacts outside journeys, journeys that are too long, and a single channel.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    there = dataset.columns("interactions")
    asked = {"all": nw.len()}
    if "journey_id" in there:
        asked["lost"] = how_many(nw.col("journey_id").is_null())
    if "channel" in there:
        asked |= {
            "channels": nw.col("channel").n_unique(),
            "known": how_many(~nw.col("channel").is_null()),
        }
        asked["channel"] = nw.col("channel").min()
    if len(asked) == 1:
        return None
    row = collected(dataset.table("interactions").select(**asked)).iloc[0]
    total, looked = int(row["all"]), []
    if "journey_id" in there and int(row["lost"] or 0) < total:
        looked.append(_outside(int(row["lost"] or 0), total))
        looked.append(_long(dataset, total))
    if "channel" in there and total:
        looked.append(_channels(row, total))
    if not looked:
        return None
    odd = [lo for lo in looked if not lo.passed]
    rows = [(lo.name, lo.count, lo.total, 100 * lo.share[0]) for lo in odd]
    table = pd.DataFrame(rows, columns=["what", "contacts", "of", "%"])
    text = (
        " ".join(lo.text for lo in odd) or "Every contact names its journey, and none is too long."
    )
    return Section.of("journeys", table, text, looked)


def _outside(lost: int, total: int) -> Looked:
    text = "Every contact names its journey."
    if lost:
        text = (
            f"{counted(lost, 'contact')} of {total:,} ({percent(lost / total)}) "
            f"{'names' if lost == 1 else 'name'} no journey; they are cut into journeys by the "
            "pauses between them."
        )
    return Looked("journeys.outside", "contacts without a journey", None if lost else True, text,
                  UNTIDY, lost, total)  # fmt: skip


def _long(dataset: Dataset, total: int) -> Looked:
    """Look for journeys of so many contacts that their name must stand for many."""
    named = dataset.table("interactions").filter(~nw.col("journey_id").is_null())
    sizes = named.group_by("customer_id", "journey_id").agg(steps=nw.len())
    long = sizes.filter(nw.col("steps") > _LONG)
    told = long.select(n=nw.len(), steps=nw.col("steps").sum(), most=nw.col("steps").max())
    row = collected(told).fillna(0).iloc[0]
    n, steps = int(row["n"]), int(row["steps"])
    text = f"No journey has more than {_LONG:,} contacts."
    if n:
        text = (
            f"{counted(n, 'journey')} {'has' if n == 1 else 'have'} more than {_LONG:,} contacts, "
            f"up to {int(row['most']):,}: is that one journey, or a name that stands for many? "
            "Where it is none, leave its journey_id empty."
        )
    return Looked("journeys.long", "journeys without an end", not n, text, BENT,
                  steps, total)  # fmt: skip


def _channels(row: pd.Series, total: int) -> Looked:
    known = int(row["known"] or 0)
    several = int(row["channels"]) - (known < total) > 1
    text = "Contacts come by more than one channel."
    if not several:
        by = f"one channel ({row['channel']})" if known else "no channel that is named"
        text = f"All contacts come by {by}: nothing can be told of handoffs or of many channels."
    return Looked("journeys.channels", "channels", several or None, text, UNTIDY)


def scales(dataset: Dataset) -> list[Looked]:
    """Look for metrics that seem to have been asked on another scale.

    Parameters
    ----------
    dataset : Dataset
        The data.
    """
    looked = [
        Looked(f"scale.{s.rule.split()[0]}", f"scale of {s.rule.split()[0]}", False,
               f"{s.hint[0].upper()}{s.hint[1:]}. {counted(s.rows, 'score')} off the scale "
               f"{'was' if s.rows == 1 else 'were'} set aside; the others are read on a scale that "
               "may not be theirs.", BENT, s.rows, dataset.read[s.table].rows)
        for s in dataset.set_aside if s.hint
    ]  # fmt: skip
    if "score" not in dataset.columns("feedback"):
        return looked
    score = nw.col("score")
    found = dataset.table("feedback").filter(~score.is_null()).group_by("metric")
    rows = collected(found.agg(n=nw.len(), most=score.max(), least=score.min()).sort("metric"))
    for row in rows.itertuples():
        low, high = dataset.settings.all_metrics[str(row.metric)].scale
        if row.n < _ENOUGH or row.most > high - _EMPTY_END * (high - low):
            continue
        text = (
            f"None of {row.n:,} {row.metric} scores is above {row.most:g}, on a scale that runs to "
            f"{high:g}: if they were given on another one, declare it in dataset.yml."
        )
        looked.append(Looked(f"scale.{row.metric}", f"scale of {row.metric}", None, text, BENT,
                             int(row.n), int(row.n)))  # fmt: skip
    return looked


def silence(dataset: Dataset, min_group: int) -> Section | None:
    """Where churn is silence, ask how many of those who count as gone come back.

    Parameters
    ----------
    dataset : Dataset
        The data.
    min_group : int
        Silences are followed as long as so many are.
    """
    rule = dataset.settings.churn
    if not isinstance(rule, Inactivity):
        return None
    try:
        found = silences(risk_set(dataset))
    except AnalysisError:
        return None
    days = rule.inactivity.days
    counts = Comebacks(*found.counts())
    reach = counts.reach(min_group)
    within = int(counts.within(np.array([days]), reach)[0])
    name = "silence as a sign of leaving"
    customers = found.customers_silent([days])
    if not within or customers[0] < min_group:
        text = (
            f"After {counted(days, 'day')} without a contact customers count as gone; the data are "
            "too short to tell how many of them come back."
        )
        return Section(looked=[Looked("silence", name, None, text, BENT)])
    share = counts.share(np.array([days]), within)
    pair = [side[:, None] for side in counts.influence(days, within)]
    low, high = counts.interval(share, found.squares(pair[0], pair[1]), customers)
    window = counts.window(reach)
    needed = counts.needed(_MANY_BACK, window, reach)
    text = (
        f"Customers count as gone after {counted(days, 'day')} without a contact; "
        f"{percent(float(share[0]))} of them (95% interval {percent(float(low[0]))} to "
        f"{percent(float(high[0]))}) come back within {within} days."
    )
    many = bool(low[0] > _MANY_BACK)
    if many and needed is not None:
        text += f" After {max(needed, LEAST_DAYS)} days, no more than {_MANY_BACK:.0%} would."
    elif many:
        text += (
            f" No rule of up to {max(reach - window, 0)} days, as far as the data can tell, brings "
            f"that down to {_MANY_BACK:.0%}."
        )
    count = round(float(share[0]) * int(customers[0]))
    look = Looked("silence", name, not many, text, BENT, count, int(customers[0]))
    return Section(looked=[look])
