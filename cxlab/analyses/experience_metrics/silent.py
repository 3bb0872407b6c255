"""Weighted scores beside raw ones, by month and by what they can be cut by."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics.gather import Known, called, hidden
from cxlab.analyses.experience_metrics.readable import gap
from cxlab.frames.measures import Measure
from cxlab.frames.people import NOT_GIVEN
from cxlab.models.clustered import limits
from cxlab.models.intervals import Z, holm, wald_p
from cxlab.models.response import Weighed
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed, metric_label

__all__ = ["Cut", "cuts", "together", "told"]

_FIGURES = ["raw", "raw_low", "raw_high", "estimate", "conf_low", "conf_high", "difference",
            "difference_low", "difference_high", "p_value"]  # fmt: skip
_COLUMNS = ["metric", "by", "level", "asked", "answered", "n", *_FIGURES, "p_holm", "whole", "unit"]
_MOST_TOLD = 4


@dataclass(frozen=True)
class Cut:
    """What questions are cut by.

    Parameters
    ----------
    by : str
        Such as ``month`` or ``plan``.
    names : tuple of str
        Of the groups.
    place : ndarray of int, shape (n,)
        The group of each question; below 0: of none.
    whole : ndarray of bool
        Of each group, whether all its questions are there: the first month may begin before
        the year does.
    """

    by: str
    names: tuple[str, ...]
    place: np.ndarray
    whole: np.ndarray


def cuts(known: Known, asked: pd.DataFrame, days: float) -> list[Cut]:
    """Give the group of each question by month, stage, touchpoint, channel and attribute.

    Parameters
    ----------
    known : Known
        The data.
    asked : pandas.DataFrame
        The questions: ``asked`` (days), ``touchpoint`` and ``channel`` (places), and the
        customers' attributes.
    days : float
        How many days before the newest question are there.
    """
    spans, last = known.spans, known.sources["questions"].last
    month = np.searchsorted(spans.edges, asked["asked"].to_numpy(float), side="right") - 1
    met = np.unique(month[(month >= 0) & (month < len(spans))])
    names = tuple(spans.names[k] for k in met)
    whole = (spans.edges[met] >= last - days) & (spans.edges[met + 1] <= last)
    place = np.full(len(asked), -1)
    for new, old in enumerate(met):
        place[month == old] = new
    made = [Cut("week" if known.weekly else "month", names, place, whole)]
    for level in known.places.levels:
        codes = asked[level.column].astype(float).fillna(-1).to_numpy(int)
        if level.groups:
            codes = np.where(codes >= 0, np.array([*level.groups, -1])[codes], -1)
            codes = np.where(codes < len(level.names), codes, -1)
        made.append(_cut(level.by, [*level.names, NOT_GIVEN], codes % (len(level.names) + 1)))
    for attribute, column in (known.person.attributes if known.person else {}).items():
        found, codes_of = np.unique(asked[column].astype(str), return_inverse=True)
        made.append(_cut(called(attribute), found.tolist(), codes_of))
    return [cut for cut in made if len(cut.names) > 1]


def _cut(by: str, names: list[str], codes: np.ndarray) -> Cut:
    """Keep the levels that were asked."""
    met, place = np.unique(codes, return_inverse=True)
    return Cut(by, tuple(names[k] for k in met), place, np.ones(len(met), dtype=bool))


def told(m: Measure, cut: Cut, made: Weighed) -> pd.DataFrame:
    """Tell a metric in each group, as given and weighted, with their difference.

    Parameters
    ----------
    m : Measure
        The metric.
    cut : Cut
        The groups.
    made : Weighed
        Their means.
    """
    table = pd.DataFrame({"metric": m.name, "by": cut.by, "level": list(cut.names)})
    table = table.assign(asked=made.asked, answered=made.answers, n=made.customers,
                         whole=cut.whole, unit=m.unit)  # fmt: skip
    # A group that is all of a metric's questions is told already.
    table = table[made.asked > 0] if (made.asked > 0).sum() > 1 else table.head(0)
    made = _of(made, table.index.to_numpy())
    n = made.customers.astype(float)
    for name, pair in (("raw", made.raw), ("estimate", made.weighted)):
        low, high = limits(pair[:, 0], pair[:, 1], n, m.bounds)
        begin = "conf" if name == "estimate" else name
        table = table.assign(**{name: pair[:, 0], f"{begin}_low": low, f"{begin}_high": high})
    apart, error = made.difference.T
    sure = np.where(error > 0, error, np.nan)
    return table.assign(
        difference=apart,
        difference_low=apart - Z * sure,
        difference_high=apart + Z * sure,
        p_value=wald_p(apart, sure),
    )


def _of(made: Weighed, places: np.ndarray) -> Weighed:
    return Weighed(**{f.name: getattr(made, f.name)[places] for f in fields(made)})


def together(known: Known, groups: list[pd.DataFrame]) -> Result:
    """Put all groups together; withhold the small, and correct for how many were looked at.

    Parameters
    ----------
    known : Known
        The data.
    groups : list of pandas.DataFrame
        Of :func:`told`.

    Returns
    -------
    Result
        A row a metric and group: ``asked, answered, n`` (customers who answered), ``raw`` and
        ``estimate`` (weighted) with intervals, their ``difference``, its ``p_value`` and
        ``p_holm`` (over all rows), ``whole`` (of a month: whether all of it is seen).
    """
    if not groups:
        return Result("response_by", pd.DataFrame(columns=_COLUMNS))
    table = pd.concat(groups, ignore_index=True)
    few = hidden(table, known)
    gone = [*_FIGURES, "asked", "answered", "n"]
    table[gone] = table[gone].astype(float).mask(np.repeat(few[:, None], len(gone), axis=1))
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    return Result("response_by", table[_COLUMNS], sentence=_sentence(table))


def _sentence(table: pd.DataFrame) -> str:
    """Say in which months and groups weights move a score; the top box says the same again."""
    looked = table[table["p_value"].notna() & (table["level"] != NOT_GIVEN)]
    if looked.empty:
        return "No score by month or group can be told apart from its weighted one."
    many = counted(len(looked), "score by month and group", "scores by month and group")
    clear = looked[(looked["p_holm"] < ALPHA) & ~looked["metric"].str.endswith(" top box")]
    if clear.empty:
        return (
            f"Of {many}, weights move none by more than chance: nowhere do the silent differ "
            "clearly from those who answer, as far as what was known at the asking tells."
        )
    clear = clear.assign(size=(clear["difference"] / _reach(clear)).abs())
    clear = clear.sort_values("size", ascending=False, kind="stable")
    first = clear.drop_duplicates("metric").head(_MOST_TOLD)
    told_ = [
        f"{metric_label(str(r.metric))} at {r.by} {r.level} would be "
        f"{gap(abs(float(r.difference)), str(r.unit))[1:]} "
        f"{'higher' if r.difference > 0 else 'lower'}"
        for r in first.itertuples()
    ]
    return (
        f"Of {many}, weights move {len(clear)} by more than chance; most clearly {listed(told_)}."
    )


def _reach(table: pd.DataFrame) -> pd.Series[float]:
    return table["difference_high"] - table["difference_low"]
