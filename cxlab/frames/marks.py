"""What else is known of contacts: handoffs, repeats, waits, what was put right, their scores.

A mark is a weight on one contact that counts from the moment it is known. For each row and
kind of mark its weights are summed, decayed by age, as of the row's ``cut`` less the washout:
by the same rules as the contacts themselves (:mod:`cxlab.frames.exposures`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.frames.exposures import boxes, contacts, judged, resolving
from cxlab.frames.periods import EPOCH, days_since_epoch

__all__ = [
    "Marks",
    "Summed",
    "channel_surplus",
    "decayed",
    "journey_marks",
    "layer_marks",
    "linked_metrics",
    "mark_counts",
    "metrics_of",
    "repair_marks",
    "score_marks",
    "scoring_habit",
]

Frame = nw.LazyFrame[Any]
Summed = Mapping[str, np.ndarray]  # decay, slope, recent, old -> (rows, kinds)
_BLOCK = 200_000
_HELD = ("customer_id", "touchpoint", "at", "known", "weight", "ceases")
_COLUMNS = ("kind", *_HELD)


@dataclass(frozen=True)
class Marks:
    """Marks on contacts, lazily.

    Parameters
    ----------
    frame : LazyFrame
        ``customer_id, kind, touchpoint, at`` (days: age counts from then), ``known`` (days:
        counts from then), ``weight`` and ``ceases``: what no longer holds has a second mark of
        the opposite weight, which says so.
    kinds : tuple of str
        The kinds there are.
    missing : dict
        Kind -> what it needs and the data lack, in words.
    """

    frame: Frame
    kinds: tuple[str, ...]
    missing: dict[str, str]

    def each(self, kind: str, touchpoints: Sequence[str]) -> Marks:
        """Give the marks of one kind, those of each touchpoint a kind of their own.

        Parameters
        ----------
        kind : str
            The kind.
        touchpoints : sequence of str
            The touchpoints, and the kinds that come back.
        """
        frame = self.frame.filter(
            (nw.col("kind") == kind) & nw.col("touchpoint").is_in(list(touchpoints))
        )
        return Marks(frame.with_columns(kind=nw.col("touchpoint")), tuple(touchpoints), {})

    def of(self, *kinds: str) -> Marks:
        """Give the marks of some kinds alone."""
        return Marks(self.frame.filter(nw.col("kind").is_in(list(kinds))), kinds, {})


def _marks(parts: Mapping[str, Frame], missing: Mapping[str, str], empty: Frame) -> Marks:
    """Put the marks of all kinds into one frame."""
    frames = [
        frame.with_columns(kind=nw.lit(kind)).select(*_COLUMNS) for kind, frame in parts.items()
    ]
    if not frames:
        never = nw.lit(0.0)
        frames = [
            empty.filter(nw.lit(False))
            .with_columns(
                kind=nw.lit(""), at=never, known=never, weight=never, ceases=nw.lit(False)
            )
            .select(*_COLUMNS)
        ]
    return Marks(nw.concat(frames, how="vertical"), tuple(parts), dict(missing))


def _interactions(dataset: Dataset, touchpoints: Sequence[str]) -> Frame:
    frame = dataset.table("interactions").filter(nw.col("touchpoint").is_in(list(touchpoints)))
    return frame.with_columns(
        at=days_since_epoch(nw.col("occurred_at")), weight=nw.lit(1.0), ceases=nw.lit(False)
    )


def journey_marks(
    dataset: Dataset,
    touchpoints: Sequence[str],
    repeat_days: float = 7.0,
    unresolved_days: float = 14.0,
) -> Marks:
    """Mark what lies between contacts.

    Kinds: ``handoff`` (in a journey, at another touchpoint or channel than the contact before
    it), ``repeat`` (at the touchpoint of an earlier contact, within days of it), ``wait`` (its
    weight: the binary logarithm of one plus the wait in seconds, less the touchpoint's mean;
    known when it is over) and ``unresolved`` (still so after some days; its age counts from
    then).

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    touchpoints : sequence of str
        Contacts elsewhere are not seen.
    repeat_days, unresolved_days : float
        The limits.
    """
    frame, there = _interactions(dataset, touchpoints), dataset.columns("interactions")
    now = frame.with_columns(known=nw.col("at"))
    order = ("at", "interaction_id" if "interaction_id" in there else "touchpoint")
    parts: dict[str, Frame] = {}
    missing: dict[str, str] = {}
    if "journey_id" in there:
        parts["handoff"] = _handoffs(now, order, "channel" in there)
    else:
        missing["handoff"] = "the column journey_id"
    gap = nw.col("at") - nw.col("at").shift(1).over("customer_id", "touchpoint", order_by=order)
    parts["repeat"] = now.with_columns(gap=gap).filter(
        (nw.col("gap") > 0) & (nw.col("gap") <= repeat_days)
    )
    if "response_seconds" in there:
        parts["wait"] = _waits(frame, (dataset.end - EPOCH) / dt.timedelta(days=1))
    else:
        missing["wait"] = "the column response_seconds"
    if "resolved_at" in there:
        late = nw.col("at") + unresolved_days
        solved = days_since_epoch(nw.col("resolved_at"))
        parts["unresolved"] = frame.filter(
            nw.col("touchpoint").is_in(resolving(frame)) & (solved.is_null() | (solved > late))
        ).with_columns(at=late, known=late)
    else:
        missing["unresolved"] = "the column resolved_at"
    return _marks(parts, missing, frame)


def _handoffs(frame: Frame, order: Sequence[str], channels: bool) -> Frame:
    """Keep the contacts that follow another one elsewhere in their journey."""
    frame = frame.filter(~nw.col("journey_id").is_null())
    same = ["touchpoint", *(["channel"] if channels else [])]
    frame = frame.with_columns(
        nw.col(c).shift(1).over("customer_id", "journey_id", order_by=order).alias(f"before_{c}")
        for c in same
    )
    other = [(nw.col(c) != nw.col(f"before_{c}")).fill_null(False) for c in same]
    return frame.filter(nw.any_horizontal(*other, ignore_nulls=True))


def _waits(frame: Frame, end: float) -> Frame:
    """Weigh contacts by how much longer they waited than is usual at their touchpoint."""
    over = nw.col("at") + nw.col("response_seconds") / 86_400
    frame = frame.filter(nw.col("response_seconds") >= 0).with_columns(known=over)
    # A wait that is not over yet is not known to be long.
    frame = frame.filter(nw.col("known") < end)
    frame = frame.with_columns(weight=(nw.col("response_seconds") + 1.0).log(2))
    return frame.with_columns(weight=nw.col("weight") - nw.col("weight").mean().over("touchpoint"))


def repair_marks(dataset: Dataset, touchpoints: Sequence[str], days: float) -> Marks:
    """Mark bad contacts by whether they were put right in time.

    Kinds: ``right`` (resolved within the days, known from then), ``open`` (not resolved yet,
    the days not over) and ``not right`` (the days are over). All at touchpoints that resolve
    contacts; age counts from the contact.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    touchpoints : sequence of str
        Contacts elsewhere are not seen.
    days : float
        After which a bad contact is no longer put right in time.
    """
    if "resolved_at" not in dataset.columns("interactions"):
        return _marks({}, {"right": "the column resolved_at"}, dataset.table("interactions"))
    known = contacts(dataset, keep=("resolved_at",))
    frame = known.frame.filter(nw.col("touchpoint").is_in(list(touchpoints)))
    frame = frame.filter(nw.col("touchpoint").is_in(resolving(frame)))
    solved, late = days_since_epoch(nw.col("resolved_at")), nw.col("at") + days
    frame = frame.filter(~nw.col("bad_from").is_null()).with_columns(
        weight=nw.lit(1.0),
        over=nw.max_horizontal("bad_from", nw.min_horizontal(solved, late)),
        intime=(solved <= late).fill_null(False),
    )
    parts = {
        "right": _holds(frame.filter(nw.col("intime")), "over"),
        "open": _holds(frame, "bad_from", "over"),
        "not right": _holds(frame.filter(~nw.col("intime")), "over"),
    }
    return _marks(parts, {}, frame)


def linked_metrics(dataset: Dataset) -> tuple[str, ...]:
    """Name the metrics with scores linked to contacts, in alphabetical order.

    Parameters
    ----------
    dataset : Dataset
        In which scores are linked to contacts.
    """
    given = ~nw.col("interaction_id").is_null() & ~nw.col("score").is_null()
    names = dataset.table("feedback").filter(given).select("metric").unique().sort("metric")
    return tuple(names.collect(backend="pyarrow")["metric"].to_list())


def score_marks(dataset: Dataset, touchpoints: Sequence[str], metric: str) -> Marks:
    """Mark contacts by one metric's score linked to them, whether they have an outcome or not.

    Kinds: ``scored`` (from the moment of the answer), ``bottom`` and ``top``: the score's boxes
    (NPS: detractor, promoter); of several scores of one contact the worst counts. Age counts
    from the contact.

    Parameters
    ----------
    dataset : Dataset
        With scores linked to contacts.
    touchpoints : sequence of str
        Contacts elsewhere are not seen.
    metric : str
        The metric.
    """
    frame = _interactions(dataset, touchpoints)
    told = judged(dataset, {metric: dataset.settings.all_metrics[metric]})
    frame = frame.join(told, on="interaction_id", how="inner")
    parts = {
        "scored": _holds(frame, "judged_from"),
        "bottom": _holds(frame, "bad_from"),
        "top": _holds(frame, "good_from", "bad_from"),
    }
    return _marks(parts, {}, frame)


def scoring_habit(
    dataset: Dataset,
    rows: pd.DataFrame,
    metrics: Sequence[str],
    washout_days: float,
    shrinkage: float = 5.0,
) -> np.ndarray:
    """Give how much better than usual a row's customer has scored so far.

    Some customers give good scores everywhere, and stay for the same reason. Answers of the
    given metrics count, and of any metric those linked to no contact. Not the others: what such
    a contact does to the hazard is in no column of the model, and would come in here. An
    answer counts 1 in the top box, -1 in the bottom box and 0 between, less its metric's mean;
    their sum is divided by their number plus ``shrinkage``.

    Parameters
    ----------
    dataset : Dataset
        With ``customer_id``, ``responded_at`` and ``score`` in ``feedback``.
    rows : pandas.DataFrame
        With ``customer_id``, ``cut`` and ``mid`` (days).
    metrics : sequence of str
        Those whose answers count wherever they were given.
    washout_days : float
        Answers in the last days before ``cut`` are not seen.
    shrinkage : float
        Answers of no surplus added.

    Returns
    -------
    ndarray, shape (rows,)
    """
    answers = dataset.table("feedback").filter(
        ~nw.col("customer_id").is_null()
        & ~nw.col("score").is_null()
        & ~nw.col("responded_at").is_null()
        & (nw.col("interaction_id").is_null() | nw.col("metric").is_in(list(metrics)))
    )
    box = nw.lit(0.0)
    for name, metric in dataset.settings.all_metrics.items():
        low, high = boxes(name, metric)
        mine = nw.col("metric") == name
        box = (
            nw.when(mine & high).then(1.0).otherwise(nw.when(mine & low).then(-1.0).otherwise(box))
        )
    answers = answers.with_columns(
        at=days_since_epoch(nw.col("responded_at")), ceases=nw.lit(False), weight=box
    ).with_columns(known=nw.col("at"), touchpoint=nw.lit(""))
    surplus = nw.col("weight") - nw.col("weight").mean().over("metric")
    parts = {
        "answers": answers.with_columns(weight=nw.lit(1.0)),
        "surplus": answers.with_columns(weight=surplus),
    }
    always = {"": 1e9}
    sums = decayed(dataset, _marks(parts, {}, answers), rows, always, washout_days, 0.0)["decay"]
    return np.asarray(sums[:, 1] / (sums[:, 0] + shrinkage))


def metrics_of(dataset: Dataset, layer: str) -> dict[str, Metric]:
    """Give the metrics that speak of one layer, by name.

    Parameters
    ----------
    dataset : Dataset
        Whose ``dataset.yml`` may declare metrics.
    layer : str
        ``functional``, ``emotional`` or ``sensory``.
    """
    every = dataset.settings.all_metrics
    return {name: metric for name, metric in every.items() if metric.layer == layer}


def layer_marks(dataset: Dataset, touchpoints: Sequence[str]) -> Marks:
    """Mark contacts with an emotional score by whether their functional part failed.

    The functional part failed where the contact is bad by its outcome or a rule; in a table
    without ``outcome``, where a score of a functional metric is in its bottom box, and contacts
    without such a score are not seen. The emotional score runs from 0, the worst of its scale,
    to 1. Kinds: ``failed`` and ``held`` (the contacts), ``failed score`` and ``held score``
    (weighted by the score). Age counts from the contact.

    Parameters
    ----------
    dataset : Dataset
        With scores linked to contacts, some of an emotional metric.
    touchpoints : sequence of str
        Contacts elsewhere are not seen.
    """
    if "outcome" in dataset.columns("interactions"):
        frame = contacts(dataset, keep=("interaction_id",)).frame
        frame = frame.with_columns(judged_from=nw.col("at"))
    else:
        frame = _interactions(dataset, touchpoints)
        told = judged(dataset, metrics_of(dataset, "functional"))
        frame = frame.join(told, on="interaction_id", how="inner")
    frame = frame.filter(nw.col("touchpoint").is_in(list(touchpoints)))
    frame = frame.join(_feelings(dataset), on="interaction_id", how="inner").with_columns(
        start=nw.max_horizontal("felt_from", "judged_from"),
        failed=nw.max_horizontal("felt_from", "bad_from"),
    )
    # max_horizontal passes over nulls: what is never bad must stay null.
    frame = frame.with_columns(failed=nw.when(~nw.col("bad_from").is_null()).then(nw.col("failed")))
    parts = {}
    for suffix, weight in (("", nw.lit(1.0)), (" score", nw.col("feeling"))):
        weighed = frame.with_columns(weight=weight)
        parts[f"failed{suffix}"] = _holds(weighed, "failed")
        parts[f"held{suffix}"] = _holds(weighed, "start", "failed")
    return _marks(parts, {}, frame)


def _feelings(dataset: Dataset) -> Frame:
    """Give each contact's emotional score, 0 to 1, and when it was known."""
    share = nw.lit(None, dtype=nw.Float64)
    for name, metric in metrics_of(dataset, "emotional").items():
        worst, best = metric.scale
        if metric.direction == "lower_is_better":
            worst, best = best, worst
        own = (nw.col("score") - worst) / (best - worst)
        share = nw.when(nw.col("metric") == name).then(own).otherwise(share)
    answers = dataset.table("feedback").with_columns(
        feeling=share, felt_from=days_since_epoch(nw.col("responded_at"))
    )
    answers = answers.filter(
        ~nw.col("interaction_id").is_null()
        & ~nw.col("feeling").is_null()
        & ~nw.col("felt_from").is_null()
    )
    return answers.group_by("interaction_id").agg(
        feeling=nw.col("feeling").mean(), felt_from=nw.col("felt_from").max()
    )


def _holds(frame: Frame, start: str, stop: str = "") -> Frame:
    """Mark contacts from one time on, to another where that comes later than the first."""
    begun = frame.filter(~nw.col(start).is_null())
    if stop:
        begun = begun.filter(nw.col(stop).is_null() | (nw.col(start) < nw.col(stop)))
    made = [begun.with_columns(known=nw.col(start), ceases=nw.lit(False)).select(*_HELD)]
    if stop:
        ended = begun.filter(~nw.col(stop).is_null())
        ended = ended.with_columns(
            known=nw.col(stop), weight=-nw.col("weight"), ceases=nw.lit(True)
        )
        made.append(ended.select(*_HELD))
    return nw.concat(made, how="vertical")


def decayed(
    dataset: Dataset,
    marks: Marks,
    rows: pd.DataFrame,
    half_lives: Mapping[str, float],
    washout_days: float,
    recent_days: float,
) -> Summed:
    """Sum the marks each row has behind it.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    marks : Marks
        The marks.
    rows : pandas.DataFrame
        With ``customer_id``, ``cut`` and ``mid`` (days).
    half_lives : mapping
        Touchpoint -> half-life in days, of each touchpoint with marks.
    washout_days : float
        Marks that became known in the last days before ``cut`` are left out.
    recent_days : float
        Marks of an age below this are recent.

    Returns
    -------
    dict
        ``decay``, ``slope`` (its derivative by the log of the half-life), ``recent`` and
        ``old`` (the parts of ``decay``): arrays of shape (rows, kinds).
    """
    sums = {n: np.zeros((len(rows), len(marks.kinds))) for n in ("decay", "slope", "recent")}
    paces = pd.DataFrame({"touchpoint": list(half_lives), "half_life": list(half_lives.values())})
    paced = marks.frame.join(
        dataset.attach(paces.astype({"half_life": float})), on="touchpoint", how="inner"
    )
    age, rate = nw.col("mid") - nw.col("at"), math.log(2) / nw.col("half_life")
    young = nw.col("age") < recent_days
    for first in range(0, len(rows) if marks.kinds else 0, _BLOCK):
        sent = _seen(rows, first, washout_days)
        pairs = dataset.attach(sent).join(paced, on="customer_id", how="inner")
        pairs = pairs.filter(nw.col("known") < nw.col("seen_until"))
        pairs = pairs.with_columns(age=age, rate=rate)
        pairs = pairs.with_columns(decay=nw.col("weight") * (nw.col("age") * -nw.col("rate")).exp())
        pairs = pairs.with_columns(
            slope=nw.col("decay") * nw.col("age") * nw.col("rate"),
            recent=nw.when(young).then(nw.col("decay")).otherwise(0.0),
        )
        summed = pairs.group_by("row", "kind").agg(**{n: nw.col(n).sum() for n in sums})
        table = summed.collect(backend="pandas").to_native()
        place = pd.Index(marks.kinds).get_indexer(table["kind"])
        for name, values in sums.items():
            values[table["row"].to_numpy(), place] = table[name].to_numpy(float)
    # What began and ceased again leaves the rest of a difference of floats.
    sums = {n: np.where(np.abs(x) < 1e-12, 0.0, x) for n, x in sums.items()}
    return sums | {"old": sums["decay"] - sums["recent"]}


def _seen(rows: pd.DataFrame, first: int, washout_days: float) -> pd.DataFrame:
    """Give one block of rows as the engine joins them."""
    block = rows.iloc[first : first + _BLOCK]
    return pd.DataFrame(
        {
            "row": np.arange(first, first + len(block)),
            "customer_id": block["customer_id"].to_numpy(),
            "seen_until": block["cut"].to_numpy(float) - washout_days,
            "mid": block["mid"].to_numpy(float),
        }
    )


def mark_counts(marks: Marks, followed: Frame) -> pd.DataFrame:
    """Count contacts and customers with each kind of mark.

    Parameters
    ----------
    marks : Marks
        The marks.
    followed : LazyFrame
        The customers that count: ``customer_id`` and ``until`` (days); marks known from then on
        are not counted.

    Returns
    -------
    pandas.DataFrame
        ``exposures, customers``, by kind.
    """
    frame = marks.frame.join(followed, on="customer_id", how="inner")
    frame = frame.filter((nw.col("known") < nw.col("until")) & ~nw.col("ceases"))
    counted = frame.group_by("kind").agg(
        exposures=nw.len(), customers=nw.col("customer_id").n_unique()
    )
    table: pd.DataFrame = counted.collect(backend="pandas").to_native()
    return table.set_index("kind").reindex(list(marks.kinds), fill_value=0)


def channel_surplus(
    dataset: Dataset,
    rows: pd.DataFrame,
    touchpoints: Sequence[str],
    washout_days: float,
    ages: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """Give how many more channels a row's contacts had than so many there usually have.

    The expected number is the sum over channels of the chance that at least one of the row's
    contacts came by it, each contact by its touchpoint's shares of channels.

    Parameters
    ----------
    dataset : Dataset
        With ``channel`` in ``interactions``.
    rows : pandas.DataFrame
        With ``customer_id``, ``cut`` and ``mid`` (days).
    touchpoints : sequence of str
        Contacts elsewhere are not seen.
    washout_days : float
        Contacts in the last days before ``cut`` are left out.
    ages : tuple of (float, float)
        From which age contacts are old, and up to which they count at all, in days.

    Returns
    -------
    whole, old : ndarray, shape (rows,)
        Of all contacts that count, and of the old ones; 0 where there are none.
    """
    frame = _interactions(dataset, touchpoints).filter(~nw.col("channel").is_null())
    frame = frame.select("customer_id", "touchpoint", "channel", "at")
    pairs = frame.group_by("touchpoint", "channel").agg(n=nw.len())
    shares = pairs.collect(backend="pandas").to_native()
    shares = shares.pivot_table(
        index="touchpoint", columns="channel", values="n", fill_value=0, sort=True
    )
    names, ways = pd.Index(shares.index), pd.Index(shares.columns)
    used = np.zeros((2, len(rows), len(ways)), dtype=bool)
    met = np.zeros((2, len(rows), len(names)))
    for first in range(0, len(rows), _BLOCK):
        sent = _seen(rows, first, washout_days)
        seen = dataset.attach(sent).join(frame, on="customer_id", how="inner")
        seen = seen.with_columns(age=nw.col("mid") - nw.col("at"))
        seen = seen.filter((nw.col("at") < nw.col("seen_until")) & (nw.col("age") < ages[1]))
        old = nw.when(nw.col("age") >= ages[0]).then(nw.lit(1)).otherwise(nw.lit(0))
        counted = seen.with_columns(old=old).group_by("row", "touchpoint", "channel")
        table = counted.agg(n=nw.len(), old=nw.col("old").sum())
        table = table.collect(backend="pandas").to_native()
        row, way = table["row"].to_numpy(), ways.get_indexer(table["channel"])
        name = names.get_indexer(table["touchpoint"])
        for i, column in enumerate(("n", "old")):
            n = table[column].to_numpy(float)
            used[i, row[n > 0], way[n > 0]] = True
            np.add.at(met[i], (row, name), n)
    share = shares.to_numpy(float) / shares.to_numpy(float).sum(axis=1, keepdims=True)
    unused = np.log1p(-np.minimum(share, 1 - 1e-12))
    expected = -np.expm1(met @ unused).sum(axis=2)
    surplus = used.sum(axis=2) - expected
    # What only one channel can give leaves the rest of a difference of floats.
    surplus = np.where(np.abs(surplus) < 1e-9, 0.0, surplus)
    return surplus[0], surplus[1]
