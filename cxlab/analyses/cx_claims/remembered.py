"""Claims on what an overall score remembers: bad and good, the peak and the end, and when."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.study import LATELY, Answer, Study, Told, compared
from cxlab.frames.overall import GOOD, Overall
from cxlab.models.clustered import SHARE, limits
from cxlab.models.discrimination import Figures
from cxlab.models.intervals import Z, wilson
from cxlab.models.linear import clustered, summed
from cxlab.models.partial import partial_correlations
from cxlab.results import MINUS, counted, metric_label

__all__ = ["bad_good", "hidden", "lagging", "peak_end"]

_SEVERAL = 2
_ONE_AND_TWO = np.array([1.0, 2.0])
_LEAST_MONTHS = 8


def _given(study: Study, *columns: str) -> Overall | str:
    """Give the overall scores, or say what they lack."""
    found = study.overall
    if isinstance(found, str):
        return f"{found}; it takes an overall score in table feedback, one of no single contact"
    if "contacts_before" in columns and "contacts_before" not in found.rows:
        return "the dataset has no table interactions"
    if "bad_before" in columns and not found.rows["bad_before"].any():
        return "no contact before an overall score is known to be bad"
    if "scored" in columns and not found.linked:
        return "no scores of contacts: feedback wants interaction_id or touchpoint"
    return found


def _equal(study: Study, rows: pd.DataFrame) -> np.ndarray:
    """Hold tenure, month, value and attributes equal; levels are told apart where many answered."""
    return study.held_equal(rows.drop(columns="left"), rows["score"].to_numpy() < GOOD)


def _who(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(pd.factorize(rows["customer_id"])[0])


def _few(study: Study, rows: pd.DataFrame, what: str) -> str:
    """Say that there are too few; empty where there are enough."""
    n, least = rows["customer_id"].nunique(), study.options.least
    return f"{counted(n, 'customer')} {what}; {least} are wanted" if n < least else ""


def _sign(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", MINUS)


# -- bad and good ------------------------------------------------------------------------------


def bad_good(study: Study) -> Answer:
    """Add up what one bad contact and two with a top score do to the next overall score.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = _given(study, "contacts_before", "bad_before", "scored")
    if isinstance(found, str):
        return Answer(why=found)
    rows = found.rows
    for column, what in (("bad_before", "after a bad contact"),
                         ("top_before", "after a contact with a top score")):  # fmt: skip
        met = rows[rows[column] > 0]
        if few := _few(study, met, f"gave an overall score within {LATELY:g} days {what}"):
            return Answer(why=few)
    again = rows.groupby("customer_id")["at"].transform("size") > 1
    mine = rows[again].reset_index(drop=True)
    if few := _few(study, mine[mine["top_before"] > 0],
                   "gave several overall scores, one of them after a top score"):  # fmt: skip
        return Answer(why=few)
    net, one = _within(mine, _equal(study, mine), found.points)
    counts = rows[["bad_before", "top_before"]].to_numpy(float)
    ever = np.column_stack([counts > 0, np.ones(len(rows))]).astype(float)
    raw = compared(ever, -found.points * rows["score"].to_numpy(float), _who(rows), _ONE_AND_TWO)
    metric = metric_label(found.metric)
    return Answer(
        net,
        raw,
        said=f"One bad contact takes {_sign(one[0], 2)} points off the next {metric}, one with a "
        f"top score adds {_sign(-one[1], 2)}: one bad and two good come to "
        f"{_sign(-net.estimate, 2)}.",
        differs="Who gives top scores is content anyway, and scores all else higher too: that is "
        "the giver and not the contact. A customer's own scores, held against each other, are free "
        "of it.",
        held=f"adjusted: points of {metric}, on bad contacts ({found.bad_is}) and contacts with a "
        f"top score on {metric_label(found.linked)} in the {LATELY:g} days before, each customer's "
        "scores against that customer's others, at equal numbers of contacts and scores, tenure "
        "and month; raw: mean scores of those with any, less those without",
        facts={"bad": one[0], "good": -one[1]},
    )  # fmt: skip


def _within(rows: pd.DataFrame, equal: np.ndarray, points: float) -> tuple[Told, list[float]]:
    """Compare each customer's scores with each other: what is the giver's own cancels."""
    beside = ["scored_before", "contacts_before", "contacts_earlier", "bad_earlier"]
    x = np.column_stack([rows[["bad_before", "top_before", *beside]].to_numpy(float), equal])
    who = _who(rows)
    every = np.column_stack([x, -points * rows["score"].to_numpy(float)])
    means = summed(every, who) / np.bincount(who)[:, None]
    every = every - means[who]
    varies = np.abs(every).max(axis=0) > 1e-9
    varies[[0, 1, -1]] = True
    x, y = every[:, varies][:, :-1], every[:, -1]
    each = [compared(x, y, who, np.eye(2)[i]).estimate for i in (0, 1)]
    return compared(x, y, who, _ONE_AND_TWO), each


# -- the whole ---------------------------------------------------------------------------------


def hidden(study: Study) -> Answer:
    """Tell of customers who scored all contacts well how many are unhappy as a whole, or go.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = _given(study, "scored")
    if isinstance(found, str):
        return Answer(why=found)
    horizon, window = study.options.horizon_days, 2 * study.options.window_days
    rows = found.rows[found.rows["at"] <= found.end - horizon]
    mine = rows[(rows["scored"] >= _SEVERAL) & (rows["good"] == 1)]
    if few := _few(study, mine, "scored several contacts, all well, before an overall score"):
        return Answer(why=few)
    gone = mine["left"] & (mine["over"] - mine["at"] <= horizon)
    low = mine["low"].to_numpy(bool)
    bad = low | gone.to_numpy(bool)
    n = mine["customer_id"].nunique()
    share = clustered(np.ones((len(bad), 1)), bad.astype(float), _who(mine))
    estimate = np.array([bad.mean()])
    ends = limits(estimate, share.se, np.array([n]), SHARE)
    average = rows[(rows["scored"] >= 1) & (rows["mean"] >= GOOD)]
    raw = wilson(int(average["low"].sum()), len(average))
    rest = rows[(rows["scored"] >= _SEVERAL) & (rows["good"] == 0)]
    others = f"; of those who had not, {100 * rest['low'].mean():.0f} are" if len(rest) else ""
    metric = metric_label(found.metric)
    return Answer(
        Told(float(estimate[0]), float(ends[0][0]), float(ends[1][0]), n),
        Told(*raw, average["customer_id"].nunique()),
        said=f"Of 100 customers who had scored every contact of {window} days well, "
        f"{100 * low.mean():.0f} are in the bottom box of {metric}{others}. "
        f"{100 * (bad.mean() - low.mean()):.0f} more leave within {horizon} days.",
        differs="Averages are good as soon as most scores are, and those who left are in no score "
        "any more.",
        held=f"adjusted: customers with {_SEVERAL} scored contacts or more in the {window} days "
        f"before an overall score, each in the upper 30% of its scale; the claim is taken to hold "
        f"above one in ten, since its source has no such figure; raw: bottom boxes of {metric} "
        "among those whose mean contact score is as good",
        facts={"low": float(low.mean()), "bad": float(bad.mean())},
    )  # fmt: skip


def peak_end(study: Study) -> Answer:
    """Compare how the overall score goes with the worst and last contact, and with their mean.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = _given(study, "scored")
    if isinstance(found, str):
        return Answer(why=found)
    rows = found.rows[found.rows["scored"] >= _SEVERAL].reset_index(drop=True)
    if few := _few(study, rows, f"scored {_SEVERAL} contacts or more before an overall score"):
        return Answer(why=few)
    x = np.column_stack([(rows["worst"] + rows["last"]) / 2, rows["mean"]])
    y, who = rows["score"].to_numpy(float), _who(rows)
    equal = np.column_stack([_equal(study, rows), np.log(rows["scored"])])
    told = partial_correlations(x, y, equal, who)
    raw = partial_correlations(x, y, np.ones((len(y), 1)), who)
    metric = metric_label(found.metric)
    if not np.isfinite(told.estimate).all():
        return Answer(why="the scores do not vary")
    return Answer(
        _gap(told),
        _gap(raw),
        said=f"{metric} correlates {_sign(told.estimate[0], 2)} with the mean of the worst and the "
        f"last contact's score, and {_sign(told.estimate[1], 2)} with the mean of all.",
        differs="Who scores often meets a worse worst: numbers of scores, months and kinds of "
        "customers are not equal in the raw figure.",
        held=f"both: {counted(len(rows), 'score')} on {metric} with {_SEVERAL} scored contacts or "
        f"more in the {2 * study.options.window_days} days before; adjusted: at equal number of "
        "scores, tenure, month, value and attributes",
        facts={"peak_end": float(told.estimate[0]), "mean": float(told.estimate[1])},
    )  # fmt: skip


def _gap(figures: Figures) -> Told:
    row = figures.differences([(0, 1)]).iloc[0]
    return Told(float(row["estimate"]), float(row["conf_low"]), float(row["conf_high"]),
                figures.few)  # fmt: skip


# -- when --------------------------------------------------------------------------------------


def lagging(study: Study) -> Answer:
    """Compare how the overall score goes with failures before it, and with those after it.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = _given(study, "contacts_before", "bad_before")
    if isinstance(found, str):
        return Answer(why=found)
    over = found.rows["over"].fillna(found.end)
    # After it, only of those who were there for as long.
    rows = found.rows[over - found.rows["at"] >= LATELY].reset_index(drop=True)
    if few := _few(study, rows[rows["bad_before"] + rows["bad_after"] > 0],
                   f"gave an overall score within {LATELY:g} days of a bad contact"):  # fmt: skip
        return Answer(why=few)
    y, who = -rows["score"].to_numpy(float), _who(rows)
    counts = rows[["bad_before", "bad_after"]].to_numpy(float)
    beside = rows[["contacts_before", "contacts_after", "contacts_earlier", "bad_earlier"]]
    equal = np.column_stack([_equal(study, rows), beside.to_numpy(float)])
    told = partial_correlations(counts, y, equal, who)
    metric = metric_label(found.metric)
    if not np.isfinite(told.estimate).all():
        return Answer(why="failures, or the scores, do not vary")
    return Answer(
        _gap(told),
        _by_month(rows),
        said=f"A low {metric} goes with failures of the {LATELY:g} days before it (correlation "
        f"{_sign(told.estimate[0], 3)}) and with those of the {LATELY:g} days after it "
        f"({_sign(told.estimate[1], 3)}): the first is what it remembers, the second what it "
        "foretells.",
        differs="By the month all customers are one: trends and seasons move both series, and a "
        "month is too coarse to tell what came first.",
        held="adjusted: each score with its own customer's failures, at equal numbers of contacts "
        "before and after, failures earlier, tenure, month, value and attributes, of customers "
        f"there for {LATELY:g} days after it; raw: the month's mean score with the share of "
        "contacts that failed in the month before, less the month after",
        facts={"before": float(told.estimate[0]), "after": float(told.estimate[1])},
    )  # fmt: skip


def _by_month(rows: pd.DataFrame) -> Told | None:
    """Correlate monthly means one month apart, either way, as dashboards do."""
    month = np.floor(rows["at"] / LATELY).astype(int)
    sums = rows.groupby(month)[["score", "bad_before", "contacts_before"]].sum()
    sums["n"] = rows.groupby(month).size()
    sums = sums.reindex(range(int(month.min()), int(month.max()) + 1))
    score = -(sums["score"] / sums["n"])
    failed = sums["bad_before"] / sums["contacts_before"].where(sums["contacts_before"] > 0)
    # What came before a score is in the month before it as well.
    both = pd.DataFrame({"score": score, "before": failed, "after": failed.shift(-2)}).dropna()
    if len(both) < _LEAST_MONTHS or (both.std() < 1e-12).any():
        return None
    one, two = (float(both["score"].corr(both[side])) for side in ("before", "after"))
    reach = Z * np.sqrt(((1 - one**2) ** 2 + (1 - two**2) ** 2) / (len(both) - 3))
    return Told(one - two, one - two - reach, one - two + reach, rows["customer_id"].nunique())
