"""Answers set side by side: an overall score, and the ratings that go with it.

Ratings given in the same response as the overall score go with it. Where none are, those that
the customer had given before it, each touchpoint's last one, never one given afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, one_of
from cxlab.frames.engine import PRIME, hashed, with_key
from cxlab.frames.people import people
from cxlab.frames.periods import days_since_epoch
from cxlab.results import counted, metric_label

__all__ = ["MOST_RATINGS", "Rating", "Ratings", "ratings"]

Frame = nw.LazyFrame[Any]
MOST_RATINGS = 60
"""Of more ratings those answered most are kept."""
_MOST = 50_000
# Ratings go with the overall score of their response where so many of those have any.
_TOGETHER = 0.1
_OVERALL = re.compile(r"overall|recommend|loyal|nps|gesamt|global|weiterempf")


@dataclass(frozen=True)
class Rating:
    """What is answered: a metric, at a touchpoint or not.

    Parameters
    ----------
    name : str
        For readers, such as ``CSAT at delivery``.
    metric, touchpoint : str
        As in the data; the touchpoint empty where there is none.
    scale : tuple of float
        Its ends, the worst first, once the better is the higher.
    answers : int
        How many were given.
    turned : bool
        Whether lower was better, and scores were turned round.
    """

    name: str
    metric: str
    touchpoint: str
    scale: tuple[float, float]
    answers: int
    turned: bool = False


@dataclass(frozen=True)
class Ratings:
    """One row a response with an overall score and a rating at least.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``who`` (the customer, numbered from 0), ``customer`` (a name of it), ``at`` (days; NaN
        where undated) and ``overall``, in the order of customer and time.
    groups : pandas.DataFrame
        The group that the customer is in by each attribute.
    given : ndarray, shape (n, ratings)
        The ratings, higher is better; NaN where there is none.
    overall : Rating
        The overall score.
    ratings : tuple of Rating
        The columns of ``given``.
    linked : bool
        Whether ratings were given before the overall score and not with it.
    link_days : int
        At most so long before.
    responses : int
        Overall scores, with a rating or without.
    rated : int
        Those with one at least; where more than are in ``rows``, these are a sample of customers.
    left_out : dict
        What is not told, and why.
    """

    rows: pd.DataFrame
    groups: pd.DataFrame
    given: np.ndarray
    overall: Rating
    ratings: tuple[Rating, ...]
    linked: bool
    link_days: int
    responses: int
    rated: int
    left_out: dict[str, str]


def ratings(
    dataset: Dataset,
    *,
    overall: str = "",
    link_days: int = 90,
    least: int = 10,
    most: int = _MOST,
    after: bool = False,
) -> Ratings | str:
    """Set ratings beside the overall score, or say why that cannot be done.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    overall : str
        The overall score: a metric, or a rating's name. Empty: of the metrics answered without
        a touchpoint NPS, else CSAT, else one named like an overall score, else the only one.
    link_days : int
        How long before the overall score a rating may have been given, where none are given
        with it.
    least : int
        Ratings that fewer customers gave are left out.
    most : int
        How many responses are kept at most, whole customers at a time, drawn by a hash.
    after : bool
        Where ratings are not given with the overall score: whether each touchpoint's first one
        after it is taken. Nothing of that can have driven it.

    Raises
    ------
    UsageError
        There is no such overall score.
    """
    there = dataset.columns("feedback")
    if "score" not in there:
        return "there is no feedback with scores"
    answers = _answers(dataset, there)
    met = answers.group_by("metric", "touchpoint").agg(
        n=nw.len(), customers=nw.col("customer").n_unique()
    )
    table = met.collect(backend="pandas").to_native().sort_values(["metric", "touchpoint"])
    terms = _named(table.reset_index(drop=True), dataset.settings.all_metrics)
    chosen = _choose(terms, overall, dataset)
    if isinstance(chosen, str):
        return chosen
    kept, left_out = _kept(terms, chosen, table["customers"].to_numpy(), least)
    if not kept:
        return f"beside {terms[chosen].name} nothing is rated by {least} customers or more"
    made = _joined(dataset, answers, terms, chosen, kept, link_days, after)
    if isinstance(made, str):
        return made
    frame, linked, responses = made
    if linked and (other := [terms[i].name for i in kept if not terms[i].touchpoint]):
        left_out |= dict.fromkeys(other, "no rating of a touchpoint")
        kept = [i for i in kept if terms[i].touchpoint]
    return _collected(
        dataset, frame, terms, chosen, kept, linked, link_days, responses, left_out, most
    )


def _answers(dataset: Dataset, there: Sequence[str]) -> Frame:
    """Give all scores: ``metric, touchpoint, score, at, customer, response``."""
    times = [c for c in ("responded_at", "asked_at") if c in there]
    at = days_since_epoch(nw.coalesce(*times)) if times else nw.lit(None, dtype=nw.Float64)

    def text(name: str) -> nw.Expr:
        known = nw.col(name).cast(nw.String) if name in there else nw.lit(None, dtype=nw.String)
        return known

    moment = at.cast(nw.String).fill_null("") if times else nw.lit("")
    # One customer's answers of one moment were given together where nothing else says so.
    same = nw.concat_str(nw.lit("c"), text("customer_id"), nw.lit(" "), moment)
    contact = nw.concat_str(nw.lit("i"), text("interaction_id"))
    response = nw.coalesce(nw.concat_str(nw.lit("r"), text("response_id")), same, contact)
    frame = dataset.table("feedback").filter(~nw.col("score").is_null())
    frame = frame.select(
        nw.col("metric"), nw.col("score").cast(nw.Float64), touchpoint=text("touchpoint"),
        at=at, customer=text("customer_id"), response=response,
    ).filter(~nw.col("response").is_null())  # fmt: skip
    return frame.with_columns(
        nw.col("touchpoint").fill_null(""),
        customer=nw.coalesce(nw.concat_str(nw.lit("c"), nw.col("customer")), "response"),
        named=~nw.col("customer").is_null(),
    )


def _named(table: pd.DataFrame, metrics: dict[str, Metric]) -> list[Rating]:
    places = table.loc[table["touchpoint"] != "", "metric"].unique()
    made = []
    for row in table.itertuples():
        metric, touchpoint = str(row.metric), str(row.touchpoint)
        about = metrics[metric]
        # Of a single metric the touchpoint tells enough.
        at = touchpoint if len(places) == 1 else f"{metric_label(metric)} at {touchpoint}"
        name = at if touchpoint else metric_label(metric)
        turned = about.direction == "lower_is_better"
        made.append(Rating(name, metric, touchpoint, about.scale, int(row.n), turned))
    return made


def _choose(terms: list[Rating], overall: str, dataset: Dataset) -> int | str:
    """Find the overall score's place."""
    free = [i for i, t in enumerate(terms) if not t.touchpoint]
    if overall:
        for i, t in enumerate(terms):
            if overall in (t.name, f"{t.metric} at {t.touchpoint}", t.touchpoint) or (
                i in free and overall.casefold() == t.metric.casefold()
            ):
                return i
        names = [t.metric if not t.touchpoint else t.name for t in terms] or ["none: no scores"]
        raise UsageError(one_of(f"{dataset.path}: overall", overall, names))
    for name in ("nps", "csat"):
        for i in free:
            if terms[i].metric.casefold() == name:
                return i
    alike = [i for i in free if _OVERALL.search(terms[i].metric.casefold())]
    if alike or len(free) == 1:
        return (alike or free)[0]
    if not terms:
        return "nobody has answered"
    what = "several metrics are" if free else "no metric is"
    return f"{what} answered without a touchpoint: name the overall score in the parameter overall"


def _kept(
    terms: list[Rating], chosen: int, customers: np.ndarray, least: int
) -> tuple[list[int], dict[str, str]]:
    others = [i for i in range(len(terms)) if i != chosen]
    enough = [i for i in others if customers[i] >= least]
    left_out = {
        terms[i].name: f"rated by fewer than {counted(least, 'customer')}"
        for i in others
        if i not in enough
    }
    enough.sort(key=lambda i: -terms[i].answers)
    left_out |= dict.fromkeys(
        (terms[i].name for i in enough[MOST_RATINGS:]),
        f"not among the {MOST_RATINGS} ratings given most often",
    )
    return sorted(enough[:MOST_RATINGS]), left_out


def _joined(
    dataset: Dataset,
    answers: Frame,
    terms: list[Rating],
    chosen: int,
    kept: list[int],
    days: int,
    after: bool,
) -> tuple[Frame, bool, int] | str:
    """Join ratings to overall scores: ``response, customer, named, at, overall, term, score``."""
    places = pd.DataFrame(
        {"metric": [t.metric for t in terms], "touchpoint": [t.touchpoint for t in terms],
         "term": range(len(terms))}
    )  # fmt: skip
    known = answers.join(dataset.attach(places), on=["metric", "touchpoint"], how="inner")
    whole = known.filter(nw.col("term") == chosen)
    overall = whole.group_by("response").agg(
        overall=nw.col("score").mean(), at=nw.col("at").max(), customer=nw.col("customer").min(),
        named=nw.col("named").max(),
    )  # fmt: skip
    others = known.filter(nw.col("term").is_in(kept))
    together = others.group_by("response", "term").agg(score=nw.col("score").mean())

    def beside() -> Frame:
        return overall.join(together, on="response", how="inner")

    name = f"{chosen}_{len(kept)}"
    responses = int(overall.select(nw.len()).collect(backend="pyarrow").item())
    frame = dataset.keep(f"together_{name}", beside)
    found = frame.select(nw.col("response").n_unique()).collect(backend="pyarrow").item()
    if int(found or 0) >= max(_TOGETHER * responses, 1):
        return frame, False, responses
    if not {"responded_at", "asked_at"} & set(dataset.columns("feedback")):
        return "no ratings are given together with the overall score, and answers have no dates"

    def nearest() -> Frame:
        mine = others.filter(nw.col("named")).select("customer", "term", "score", given="at")
        pairs = overall.filter(nw.col("named")).join(mine, on="customer", how="inner")
        gap = nw.col("given") - nw.col("at") if after else nw.col("at") - nw.col("given")
        pairs = pairs.with_columns(gap=gap).filter((nw.col("gap") > 0) & (nw.col("gap") <= days))
        least = pairs.with_columns(least=nw.col("gap").min().over("response", "term"))
        least = least.filter(nw.col("gap") == nw.col("least"))
        keys = ["response", "customer", "named", "at", "overall", "term"]
        return least.group_by(*keys).agg(score=nw.col("score").mean())

    side = "after" if after else "before"
    return dataset.keep(f"{side}_{name}_{days}", nearest), True, responses


def _collected(
    dataset: Dataset,
    frame: Frame,
    terms: list[Rating],
    chosen: int,
    kept: list[int],
    linked: bool,
    link_days: int,
    responses: int,
    left_out: dict[str, str],
    most: int,
) -> Ratings | str:
    frame = frame.filter(nw.col("term").is_in(kept))
    heads = frame.group_by("response", "customer", "named").agg(
        at=nw.col("at").max(), overall=nw.col("overall").max()
    )
    rated = int(heads.select(nw.len()).collect(backend="pyarrow").item())
    if not rated:
        when = f"in the {link_days} days before it" if linked else "with it"
        return f"nobody who gave {terms[chosen].name} has rated anything {when}"
    if rated > most:
        drawn = hashed(
            with_key(heads, "customer").with_columns(nought=nw.lit(0).cast(nw.Int64)), "nought", 0
        )
        heads = drawn.filter(nw.col("draw") < int(PRIME * most / rated)).drop(
            "key", "draw", "nought"
        )
    heads = heads.with_row_index("row", order_by=["customer", "at", "response"])
    rows, groups = _with_groups(dataset, heads)
    long = heads.select("response", "row").join(frame, on="response", how="inner")
    table = long.select("row", "term", "score").collect(backend="pandas").to_native()
    place = np.full(len(terms), -1)
    place[kept] = np.arange(len(kept))
    given = np.full((len(rows), len(kept)), np.nan)
    given[table["row"].to_numpy(int), place[table["term"].to_numpy(int)]] = table["score"]
    each = [terms[i] for i in kept]
    for j, term in enumerate(each):
        if term.turned:
            given[:, j] = sum(term.scale) - given[:, j]
    if terms[chosen].turned:
        rows["overall"] = sum(terms[chosen].scale) - rows["overall"]
    return Ratings(
        rows, groups, given, terms[chosen], tuple(each), linked, link_days, responses, rated,
        left_out,
    )  # fmt: skip


def _with_groups(dataset: Dataset, heads: Frame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bring the responses into memory, with the groups that their customers are in."""
    person = people(dataset)
    names: tuple[str, ...] = ()
    wanted = ["row", "customer", "at", "overall"]
    if person is not None:
        names = tuple(person.attributes)
        levels = [nw.col(c).alias(f"group {i}") for i, c in enumerate(person.attributes.values())]
        key = nw.concat_str(nw.lit("c"), nw.col("customer_id").cast(nw.String))
        groups = person.frame.select(*levels, customer=key)
        heads = heads.join(groups, on="customer", how="left")
        wanted += [f"group {i}" for i in range(len(names))]
    rows = heads.select(*wanted).collect(backend="pandas").to_native()
    rows = rows.sort_values("row", ignore_index=True)
    made = pd.DataFrame(
        {
            "who": pd.factorize(rows["customer"])[0],
            "customer": rows["customer"],
            "at": rows["at"].to_numpy(float),
            "overall": rows["overall"].to_numpy(float),
        }
    )
    told = {name: rows[f"group {i}"].astype("string") for i, name in enumerate(names)}
    return made, pd.DataFrame(told, index=made.index)
