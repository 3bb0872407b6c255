"""What was known of customers on a day, as columns of a forecast: scores, contacts, tenure.

Nothing that came later is in them: a contact counts from when it occurred, as bad from when that
could be known, a question from when it was asked, a score from when it was given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.frames.answers import Questions, last_questions
from cxlab.frames.exposures import Contacts, Kernel, measure

__all__ = ["Said", "behaviour", "standing", "what_was_said"]

# How fast contacts fade: of single touchpoints, and of all together at three paces, of which the
# quickest and the slowest tell how long ago the last ones were.
_LATELY = 28.0
_PACES = (7.0, 28.0, 112.0)
_WINDOWS = (7.0, 30.0, 90.0)
# Half of what an answer says of today is taken to be gone after so many days.
_FADES = 90.0
_LEAST = 0.01


@dataclass(frozen=True)
class Said:
    """What customers had said on one metric by a day.

    Parameters
    ----------
    asked : ndarray of bool, shape (n,)
        Whether they had ever been asked.
    silent : ndarray of bool, shape (n,)
        Whether the last question had no answer by then.
    worse : ndarray, shape (n,)
        The last score given, from 0 (best) to 1 (worst of its scale); NaN without one.
    age : ndarray, shape (n,)
        Days since it was given; NaN without one.
    asking : bool
        Whether the data say who was asked; where not, the first two say no more than the scores.
    """

    asked: np.ndarray
    silent: np.ndarray
    worse: np.ndarray
    age: np.ndarray
    asking: bool

    def within(self, days: float) -> np.ndarray:
        """Tell who had given a score in the last days."""
        return np.nan_to_num(self.age, nan=np.inf) <= days

    @property
    def columns(self) -> np.ndarray:
        """Columns of a forecast; whoever was never asked, or never answered, is a level."""
        has = ~np.isnan(self.worse)
        fresh = np.where(has, 0.5 ** (np.nan_to_num(self.age) / _FADES), 0.0)
        worse = np.where(has, np.nan_to_num(self.worse) - 0.5, 0.0)
        told = [has, fresh, worse, worse * fresh, has * worse**2]
        told += [self.asked, self.silent] if self.asking else []
        return np.column_stack(told).astype(float)


def what_was_said(dataset: Dataset, known: Questions, rows: pd.DataFrame) -> dict[str, Said]:
    """Give the last score of each metric, its age, and who was asked and did not answer.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Questions
        All questions.
    rows : pandas.DataFrame
        With ``customer_id`` and ``cut`` (days).

    Returns
    -------
    dict
        By metric, of those that anybody had answered.
    """
    asked = last_questions(dataset, known, rows, 0.0)
    # A newer question without an answer does not take back the score given before it.
    given = known.frame.filter(~nw.col("answered").is_null()).with_columns(asked=nw.col("answered"))
    once = given.group_by("customer_id", "metric", "asked").agg(
        answered=nw.col("answered").max(), score=nw.col("score").mean()
    )
    scores = last_questions(dataset, replace(known, frame=once), rows, 0.0)
    found = {}
    for metric in known.metrics:
        mine, said = (t[t["metric"] == metric].set_index("row") for t in (asked, scores))
        mine, said = (t.reindex(range(len(rows))) for t in (mine, said))
        if said["score"].isna().all():
            continue
        ever = mine["asked"].notna().to_numpy()
        found[metric] = Said(
            ever,
            ever & mine["score"].isna().to_numpy(),
            _worse(said["score"].to_numpy(float), dataset.settings.all_metrics[metric]),
            rows["cut"].to_numpy() - said["answered"].to_numpy(float),
            known.asking,
        )
    return found


def _worse(score: np.ndarray, metric: Metric) -> np.ndarray:
    low, high = metric.scale
    place = (score - low) / (high - low)
    return 1.0 - place if metric.direction == "higher_is_better" else place


def behaviour(
    dataset: Dataset, known: Contacts, rows: pd.DataFrame, left_out: np.ndarray
) -> np.ndarray:
    """Give what customers had done and met with: at each touchpoint, of late, and how often.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Contacts
        Kept ones.
    rows : pandas.DataFrame
        With ``who, cut, mid`` and ``seen``.
    left_out : ndarray of bool, shape (touchpoints,)
        Touchpoints that do not count.

    Returns
    -------
    ndarray, shape (rows, columns)
        Logs of contacts, and of those of each class that were known, at each touchpoint (half-life
        28 days); of all together at half-lives of 7, 28 and 112 days; in the last 7, 30 and 90
        days; and a day since the feed saw the customer first.
    """
    there = ("all", *known.classes)
    kernels = {f"pace {h:g}": Kernel(h, classes=there if h == _LATELY else ("all",))
               for h in _PACES}  # fmt: skip
    kernels |= {f"window {d:g}": Kernel(high=d, classes=there[:2]) for d in _WINDOWS}
    kernels["ever"] = Kernel(classes=("all",))
    sums = {key: x[:, ~left_out] for key, x in measure(dataset, known, rows, kernels, 0.0).items()}
    single = [np.log1p(sums[f"pace {_LATELY:g}", kind]) for kind in there]
    whole = {key: x.sum(axis=1) for key, x in sums.items()}
    totals = [np.log(whole[f"pace {h:g}", "all"] + _LEAST) for h in _PACES]
    totals += [np.log1p(whole[f"window {d:g}", c]) for d in _WINDOWS for c in there[:2]]
    seen = np.maximum(rows["seen"].to_numpy(float), 0.0)
    totals.append(np.log((whole["ever", "all"] + 1.0) / (seen + _WINDOWS[1])))
    return np.column_stack([*single, *totals])


def standing(rows: pd.DataFrame) -> np.ndarray:
    """Give how long customers had been there and what they pay, as columns of a forecast.

    Parameters
    ----------
    rows : pandas.DataFrame
        With ``tenure`` (days), maybe ``monthly_value``.
    """
    tenure = np.log1p(np.maximum(rows["tenure"].to_numpy(float), 0.0) / 30.0)
    columns = [tenure, tenure**2, tenure**3]
    if "monthly_value" in rows:
        value = rows["monthly_value"].to_numpy(float)
        missing = np.isnan(value)
        logged = np.log1p(np.maximum(np.nan_to_num(value), 0.0))
        columns += [np.where(missing, 0.0, logged), missing.astype(float)]
    return np.column_stack(columns)
