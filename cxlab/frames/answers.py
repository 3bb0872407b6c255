"""What a customer had last been asked, and had answered, when a person-period began.

A question counts from the moment it was asked, its answer from the moment it was given. The
state of a row is that of the last question asked before the row's ``cut``, less the washout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.periods import days_since_epoch

__all__ = ["Questions", "last_questions", "questions", "said_before"]

Frame = nw.LazyFrame[Any]
# Row tables are joined in blocks, so that one join's intermediate rows stay small.
_BLOCK = 200_000
_KEY = ("customer_id", "metric", "asked")


@dataclass(frozen=True)
class Questions:
    """All questions put to customers, lazily.

    Parameters
    ----------
    frame : LazyFrame
        One row a customer, metric and moment of asking: ``customer_id, metric, asked,
        answered`` (days; null: no score was given) and ``score``. Scores given to one metric
        asked twice at one moment are averaged.
    metrics : tuple of str
        Those that were asked, in alphabetical order.
    asking : bool
        Whether the data say when customers were asked; where not, ``asked`` is the moment of
        the answer, and who did not answer is unknown.
    anonymous : int
        Questions and answers left out, for they name no customer.
    """

    frame: Frame
    metrics: tuple[str, ...]
    asking: bool
    anonymous: int


def questions(dataset: Dataset) -> Questions | str:
    """Read the questions, or say in words why nothing can be told from them.

    An answer without a score is none. Where the data have no ``responded_at``, a score counts
    from the moment it was asked for.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    """
    there = dataset.columns("feedback")
    if not there:
        return "the dataset has no table feedback"
    absent = [c for c in ("customer_id", "score") if c not in there]
    times = [c for c in ("asked_at", "responded_at") if c in there]
    if absent or not times:
        return f"table feedback has no {absent[0] if absent else 'asked_at and no responded_at'}"
    feedback = dataset.table("feedback")
    named = feedback.filter(~nw.col("customer_id").is_null()).with_columns(
        asked=days_since_epoch(nw.coalesce(*times)),
        answered=nw.when(~nw.col("score").is_null()).then(days_since_epoch(nw.col(times[-1]))),
    )
    # Of scores given together the mean is known with the last of them.
    frame = named.group_by(*_KEY).agg(
        answered=nw.col("answered").max(), score=nw.col("score").mean()
    )
    metrics = frame.select("metric").unique().sort("metric").collect(backend="pyarrow")
    nobody = feedback.select(how_many(nw.col("customer_id").is_null())).collect(backend="pyarrow")
    return Questions(
        frame,
        tuple(metrics["metric"].to_list()),
        "asked_at" in there,
        int(nobody.item() or 0),
    )


def last_questions(
    dataset: Dataset, known: Questions, rows: pd.DataFrame, washout_days: float
) -> pd.DataFrame:
    """Give the last question of each metric that a row has behind it.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Questions
        The questions.
    rows : pandas.DataFrame
        With ``customer_id`` and ``cut`` (days).
    washout_days : float
        Questions and answers in the last days before ``cut`` are not seen.

    Returns
    -------
    pandas.DataFrame
        One row a row (its place, ``row``) and metric asked by then, in order: ``row, metric,
        asked, answered`` (days; NaN: no answer by then) and ``score``.
    """
    found = []
    for first in range(0, len(rows), _BLOCK):
        block = rows.iloc[first : first + _BLOCK]
        sent = pd.DataFrame(
            {
                "row": np.arange(first, first + len(block)),
                "customer_id": block["customer_id"].to_numpy(),
                "seen_until": block["cut"].to_numpy(float) - washout_days,
            }
        )
        pairs = dataset.attach(sent).join(known.frame, on="customer_id", how="inner")
        pairs = pairs.filter(nw.col("asked") < nw.col("seen_until"))
        newest = nw.col("asked").max().over("row", "metric")
        given = (nw.col("answered") < nw.col("seen_until")).fill_null(False)
        last = (
            pairs.with_columns(newest=newest)
            .filter(nw.col("asked") == nw.col("newest"))
            .with_columns(nw.when(given).then(nw.col(c)).alias(c) for c in ("answered", "score"))
            .select("row", "metric", "asked", "answered", "score")
        )
        found.append(last.collect(backend="pandas").to_native())
    table = pd.concat(found, ignore_index=True)
    table = table.astype({c: float for c in ("asked", "answered", "score")})
    return table.sort_values(["row", "metric"], ignore_index=True)


def said_before(before: pd.DataFrame, rows: np.ndarray, metrics: Sequence[str]) -> np.ndarray:
    """Give what customers had last said, or not, to each metric, as columns of a model.

    Parameters
    ----------
    before : pandas.DataFrame
        Of :func:`last_questions`.
    rows : ndarray of int, shape (n,)
        The rows' places.
    metrics : sequence of str
        The metrics.

    Returns
    -------
    ndarray, shape (n, 3 * metrics)
        Of each metric: whether it had been asked, whether a score was given, and that score
        less the mean of all given (0 without).
    """
    columns = []
    for metric in metrics:
        mine = before[before["metric"] == metric].set_index("row").reindex(rows)
        asked, score = mine["asked"].notna().to_numpy(), mine["score"].to_numpy(float)
        given = ~np.isnan(score)
        mean = score[given].mean() if given.any() else 0.0
        columns += [asked, given, np.where(given, score - mean, 0.0)]
    return np.column_stack(columns).astype(float)
