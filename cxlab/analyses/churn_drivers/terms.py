"""From customers' attributes to the columns of a model, and what cannot be one, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxlab.models.cox import Levels, estimable
from cxlab.models.intervals import Z

__all__ = ["AVERAGE", "Terms", "growth", "make_terms", "step_of"]

_MOST_LEVELS = 30
_LEAST_EVENTS = 5
_LEAST_CUSTOMERS = 10
# A number missing for more than this share would cost too many rows.
_MOST_MISSING = 0.2
# A term of which less than this share is its own cannot be told from the others.
_OWN_SHARE = 0.01
# Totals grow in proportion to tenure (elasticity 1), rates and properties hardly (0).
_MOST_GROWTH = 0.5
# An attribute that tells this share of the variance of tenure's ranks (a correlation of 0.8).
_MOST_TENURE = 0.64
_TOO_FEW = "all but one of its levels have too few customers"
AVERAGE = "(average)"
MISSING = "(missing)"
OTHER = "(other)"


@dataclass
class Terms:
    """The columns of a model, and what they mean.

    Parameters
    ----------
    columns : pandas.DataFrame
        One row a customer; NaN where a number is missing.
    averaged : list of Levels
        Attributes with three levels or more: each is compared with the average customer,
        the one without a column too.
    attribute : dict of str to str
        The attribute of each term.
    reference : dict of str to str
        What an attribute's levels are compared with, a level or :data:`AVERAGE`; of numbers,
        none.
    level : dict of str to str
        The level a term stands for; of numbers, none.
    groups : pandas.DataFrame
        The level of each customer, a column an attribute that has levels.
    left_out : list of tuple of str
        What is no term: attribute, reason, and the verdict that makes, if it makes one.
    notes : list of str
        What was done to single levels.
    """

    columns: pd.DataFrame
    averaged: list[Levels] = field(default_factory=list)
    attribute: dict[str, str] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    level: dict[str, str] = field(default_factory=dict)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The terms, those of one attribute together."""
        every = dict.fromkeys(self.attribute.values())
        return [t for name in every for t, owner in self.attribute.items() if owner == name]


def make_terms(data: pd.DataFrame, kinds: Mapping[str, str]) -> Terms:
    """Turn attributes into columns: numbers as they are, text one column a level but one.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a customer: ``tenure``, ``churned`` (0 or 1) and the attributes.
    kinds : mapping
        Each attribute's kind: ``"number"`` or ``"text"``.
    """
    terms = Terms(data[[]].copy())
    numbers: list[str] = []
    for name, kind in kinds.items():
        values = data[name]
        if unfit := _unfit(values, kind):
            terms.left_out.append((name, *unfit))
        elif reason := _follows_tenure(values, kind, data["tenure"]):
            terms.left_out.append((name, reason, "not separable"))
        elif kind == "number" and not _is_flag(values):
            numbers.append(name)
        elif kind == "number":
            _add_flag(terms, name, values)
        else:
            _add_levels(terms, name, values, data["churned"])
    for name in numbers:  # behind all levels: a bundle's price follows from what is in it
        terms.columns[name] = data[name].astype(float)
        terms.attribute[name] = name
    _keep_own(terms, data["churned"])
    _against_average(terms)
    return terms


def _unfit(values: pd.Series, kind: str) -> tuple[str, str] | None:
    """Say why an attribute cannot be a term whatever tenure is, and the verdict, if any."""
    missing = values.isna().mean()
    if values.nunique(dropna=kind == "number") < 2:
        return "it does not vary", ""
    if kind == "number" and missing > _MOST_MISSING:
        return f"it is missing for {missing:.0%} of the customers", "too little data"
    if kind != "number" and values.nunique() > _MOST_LEVELS:
        return f"it has {values.nunique():,} different values, more than {_MOST_LEVELS}", ""
    return None


def _is_flag(values: pd.Series) -> bool:
    return set(values.dropna().unique()) == {0, 1}


def _follows_tenure(values: pd.Series, kind: str, tenure: pd.Series) -> str:
    """Say why an attribute tells how long a customer has been there; empty where it does not."""
    known = values.notna() & tenure.notna()
    values, tenure = values[known], tenure[known]
    if tenure.nunique() < 2:
        return ""
    if kind == "number" and not _is_flag(values):
        rate, se = growth(values.to_numpy(float), tenure.to_numpy(float))
        if rate - Z * se > _MOST_GROWTH:
            return (
                f"it piles up with time (where tenure doubles, it is {2**rate:.1f} times as large "
                "on average): it tells how long a customer has been there, not why one leaves; "
                "give it per month, or as it was on a certain day"
            )
    ranks = tenure.rank()
    if kind == "number":
        told = np.corrcoef(values.rank(), ranks)[0, 1] ** 2
    else:
        told = ranks.groupby(values).transform("mean").var(ddof=0) / ranks.var(ddof=0)
    if told < _MOST_TENURE:
        return ""
    return (
        f"it tells how long a customer has been there ({told:.0%} of the differences in tenure), "
        "so it cannot tell who leaves sooner"
    )


def growth(values: np.ndarray, tenure: np.ndarray) -> tuple[float, float]:
    """Estimate how a quantity grows with tenure: the elasticity of its mean.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The quantity; only one that is never negative can pile up.
    tenure : ndarray, shape (n,)
        How long each customer has been there.

    Returns
    -------
    elasticity, se : float
        Log ratio of its means above and below the median tenure, over that of the mean tenures;
        1 for a total, 0 for a rate. The standard error is by the delta method.
        0 and 0 where it cannot be told.
    """
    values, tenure = values[tenure > 0], tenure[tenure > 0]
    late = tenure > np.median(tenure) if len(tenure) else np.zeros(0, bool)
    parts = [values[~late], values[late]]
    if min(map(len, parts)) < 2 or values.min() < 0 or not all(p.mean() > 0 for p in parts):
        return 0.0, 0.0
    apart = np.log(tenure[late].mean() / tenure[~late].mean())
    variance = sum(p.var(ddof=1) / p.mean() ** 2 / len(p) for p in parts)
    ratio = float(np.log(parts[1].mean() / parts[0].mean()) / apart)
    return ratio, float(np.sqrt(variance) / apart)


def _add_flag(terms: Terms, name: str, values: pd.Series) -> None:
    terms.columns[name] = values.astype(float)
    terms.attribute[name] = name
    terms.reference[name], terms.level[name] = "0", "1"
    terms.groups[name] = values.map({0: "0", 1: "1"})


def _add_levels(terms: Terms, name: str, values: pd.Series, churned: pd.Series) -> None:
    """Add one column a level but the most frequent; levels too thin for it are joined."""
    text = values.fillna(MISSING)
    thin = _thin(text, churned)
    if len(thin) > 1:
        text = text.where(~text.isin(thin), OTHER)
        terms.notes.append(f"{name}: {', '.join(thin)} counted as one, {OTHER}")
        thin = _thin(text, churned)
    counts = text[~text.isin(thin)].value_counts()
    if counts.empty or counts.size + len(thin) < 2:
        terms.left_out.append((name, _TOO_FEW, "too little data"))
        return
    reference = str(counts.index[0])
    if thin:
        terms.notes.append(f"{name}: {', '.join(thin)} counted as {reference}: too few customers")
        text = text.where(~text.isin(thin), reference)
    if text.nunique() < 2:
        terms.left_out.append((name, _TOO_FEW, "too little data"))
        return
    for level in counts.index[1:]:
        term = f"{name}={level}"
        terms.columns[term] = (text == level).astype(float)
        terms.attribute[term], terms.level[term] = name, str(level)
    terms.reference[name] = reference
    terms.groups[name] = text


def _thin(text: pd.Series, churned: pd.Series) -> list[str]:
    """Name the levels with too few customers, or in which too few churns are to be expected.

    Not those with few churns: a level that nobody leaves tells something.
    """
    size = text.value_counts().sort_index()
    thin = (size < _LEAST_CUSTOMERS) | (size * churned.mean() < _LEAST_EVENTS)
    return [str(level) for level in size.index[thin]]


def _keep_own(terms: Terms, churned: pd.Series) -> None:
    """Leave out terms that follow from those before them, among customers without gaps."""
    if terms.columns.empty:
        return
    complete = terms.columns.dropna()
    if not churned[complete.index].any():
        reason = "nobody with a value in every attribute left"
        names = dict.fromkeys(terms.attribute.values())
        terms.left_out += [(name, reason, "too little data") for name in names]
        terms.columns = terms.columns[[]]
        return
    kept = estimable(complete, tolerance=_OWN_SHARE)
    dropped = list(terms.columns.columns[~kept])
    terms.columns = terms.columns.loc[:, kept]
    owner = {t: terms.attribute.pop(t) for t in dropped}
    for name in dict.fromkeys(owner.values()):
        mine = [t for t in dropped if owner[t] == name]
        if name not in terms.attribute.values():
            text = f"at least {1 - _OWN_SHARE:.0%} of it follows from the other attributes"
            terms.left_out.append((name, text, "not separable"))
        else:
            terms.notes.append(f"{', '.join(mine)}: the same customers as levels of others")


def _against_average(terms: Terms) -> None:
    """Compare each level of an attribute with three or more with the average customer.

    One of them as the yardstick would tell its own effect nowhere.
    """
    for name in dict.fromkeys(terms.attribute.values()):
        own = [t for t, owner in terms.attribute.items() if owner == name]
        if name not in terms.groups or len(own) < 2 or len(own) + 1 < terms.groups[name].nunique():
            continue
        first = f"{name}={terms.reference[name]}"
        terms.attribute[first], terms.level[first] = name, terms.reference[name]
        terms.reference[name] = AVERAGE
        terms.averaged.append(Levels(first, terms.columns[own].mean()))


def step_of(values: pd.Series) -> float:
    """Choose a step to tell a number's effect by: 1, 2 or 5 times a power of ten, near its spread.

    Parameters
    ----------
    values : pandas.Series
        The number, complete. Where it is whole, so is its step.
    """
    spread = float(values.std())
    choices = [m * 10.0**k for k in range(-12, 16) for m in (1, 2, 5)]
    if (values % 1 == 0).all():
        choices = [c for c in choices if c >= 1]
    return min(choices, key=lambda c: abs(np.log(c / spread)))
