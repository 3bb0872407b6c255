"""What people do instead: regressions on counts of failures.

A touchpoint is called a driver where its coefficient is positive and its q-value below 0.05,
protective where it is negative; ranks go by coefficient times number of failures.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from cxlab.models.intervals import benjamini_hochberg, wald_p
from cxlab.models.verdicts import ALPHA

BASELINE_DAYS = 90
_LEAST = 3  # customers of either kind with a failure, else the touchpoint cannot be fitted

Tables = Mapping[str, pd.DataFrame]


def logistic(tables: Tables, first: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Regress leaving, yes or no, on each customer's failures so far and attributes.

    Parameters
    ----------
    tables : mapping of DataFrame
        ``customers`` and ``interactions``.
    first, end : Timestamp
        When the feed begins and ends; what is later is not seen.

    Returns
    -------
    DataFrame
        ``touchpoint, estimate, se, verdict, worth``.
    """
    import statsmodels.api as sm

    people = _people(tables["customers"], end)
    counts = _failures(tables["interactions"], people, people["started_at"], people["until"])

    def fit(x: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
        fitted = sm.GLM(people["event"], sm.add_constant(x), sm.families.Binomial()).fit()
        return fitted.params, fitted.bse

    return _told(counts, people, fit)


def cox(tables: Tables, first: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """Fit lifelines' Cox model on the failures of the first 90 days.

    Those still there after them are followed from then on; for customers who were there
    before the feed, the feed's first 90 days count.

    Parameters
    ----------
    tables : mapping of DataFrame
        ``customers`` and ``interactions``.
    first, end : Timestamp
        When the feed begins and ends; what is later is not seen.

    Returns
    -------
    DataFrame
        ``touchpoint, estimate, se, verdict, worth``.
    """
    from lifelines import CoxPHFitter

    people = _people(tables["customers"], end)
    begin = people["started_at"].clip(lower=first)
    landmark = begin + pd.Timedelta(days=BASELINE_DAYS)
    stays = people["until"] > landmark
    people, begin, landmark = people[stays], begin[stays], landmark[stays]
    counts = _failures(tables["interactions"], people, begin, landmark)
    days = np.ceil((people["until"] - landmark) / pd.Timedelta(days=1))

    def fit(x: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
        frame = x.assign(days=days, event=people["event"])
        fitted = CoxPHFitter().fit(frame, "days", "event")
        return fitted.params_, fitted.standard_errors_

    return _told(counts, people, fit)


def _people(customers: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """Give each customer's first spell: until when it is seen, and whether it ended by choice."""
    first = customers.sort_values("started_at").groupby("customer_id").head(1)
    first = first[first["started_at"] < end].set_index("customer_id")
    at = first["ended_at"]
    if "cancelled_at" in first:
        at = first["cancelled_at"].fillna(at)
    seen = at < end
    choice = pd.Series(True, index=first.index)
    if "end_reason" in first:
        choice = first["end_reason"].fillna("voluntary") == "voluntary"
    return first.assign(until=at.where(seen, end), event=(seen & choice).astype(int))


def _failures(
    contacts: pd.DataFrame, people: pd.DataFrame, begin: pd.Series, until: pd.Series
) -> pd.DataFrame:
    """Count failed contacts by customer and touchpoint between two times of each."""
    who = contacts["customer_id"]
    at = contacts["occurred_at"]
    inside = (at >= who.map(begin)) & (at < who.map(until)) & (contacts["outcome"] == "failed")
    failed = contacts[inside]
    touchpoints = sorted(contacts["touchpoint"].unique())
    row = people.index.get_indexer(failed["customer_id"])
    column = pd.Index(touchpoints).get_indexer(failed["touchpoint"])
    counts = np.zeros((len(people), len(touchpoints)))
    np.add.at(counts, (row, column), 1.0)
    return pd.DataFrame(counts, people.index, touchpoints)


def _told(
    counts: pd.DataFrame,
    people: pd.DataFrame,
    fit: Callable[[pd.DataFrame], tuple[pd.Series, pd.Series]],
) -> pd.DataFrame:
    """Fit the counts beside the attributes, and call drivers."""
    met, event = counts > 0, people["event"]
    thin = (met[event == 1].sum() < _LEAST) | (met[event == 0].sum() < _LEAST)
    used = counts.loc[:, ~thin]
    attributes = people[["plan", "region", "acquisition_channel"]]
    x = used.join(pd.get_dummies(attributes, drop_first=True)).astype(float)
    x = x.assign(monthly_value=people["monthly_value"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that fails is told by its missing estimates
        coef, se = fit(x.loc[:, x.std() > 0])
    told = pd.DataFrame({"estimate": coef, "se": se}).reindex(counts.columns)
    q = benjamini_hochberg(wald_p(told["estimate"].to_numpy(), told["se"].to_numpy()))
    called = np.where(told["estimate"] > 0, "driver", "protective")
    told["verdict"] = np.where(q < ALPHA, called, "no evidence")
    told.loc[thin, "verdict"] = "too little data"
    told["worth"] = told["estimate"] * counts.sum()
    return told.rename_axis("touchpoint").reset_index()
