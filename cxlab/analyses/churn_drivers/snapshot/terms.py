"""From customers' attributes to the columns of a model, and what cannot be one, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxlab.models.cox import Levels, estimable
from cxlab.models.growth import piles_up

__all__ = ["AVERAGE", "Terms", "make_terms", "step_of"]

_MOST_LEVELS = 30
_LEAST_EVENTS = 5
_LEAST_CUSTOMERS = 10
# A number missing for more than this share would cost too many rows.
_MOST_MISSING = 0.2
# A term of which less than this share is its own cannot be told from the others.
_OWN_SHARE = 0.01
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
        One row a customer who has all numbers.
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
    missing : dict of str to int
        For how many customers a number is missing.
    least : int
        Levels of fewer customers are joined with others, or left out.
    """

    columns: pd.DataFrame
    averaged: list[Levels] = field(default_factory=list)
    attribute: dict[str, str] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    level: dict[str, str] = field(default_factory=dict)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    least: int = _LEAST_CUSTOMERS

    @property
    def names(self) -> list[str]:
        """The terms, those of one attribute together."""
        every = dict.fromkeys(self.attribute.values())
        return [t for name in every for t, owner in self.attribute.items() if owner == name]


def make_terms(
    data: pd.DataFrame, kinds: Mapping[str, str], least: int = _LEAST_CUSTOMERS
) -> Terms:
    """Turn attributes into columns: numbers as they are, text one column a level but one.

    Parameters
    ----------
    data : pandas.DataFrame
        One row a customer: ``tenure``, ``churned`` (0 or 1) and the attributes.
    kinds : mapping
        Each attribute's kind: ``"number"`` or ``"text"``.
    least : int
        Levels of fewer customers are joined with others, or left out.
    """
    terms, kept = Terms(data[[]].copy(), least=max(least, _LEAST_CUSTOMERS)), {}
    for name, kind in kinds.items():
        if unfit := _unfit(data[name], kind):
            terms.left_out.append((name, *unfit))
        elif reason := _follows_tenure(data[name], kind, data["tenure"]):
            terms.left_out.append((name, reason, "not separable"))
        else:
            kept[name] = kind
    gone = data[[name for name, kind in kept.items() if kind == "number"]].isna()
    terms.missing = {str(name): int(count) for name, count in gone.sum().items() if count}
    complete = data[~gone.any(axis=1)]
    _add(terms, complete, kept)
    needless = terms.missing.keys() - terms.attribute.values()
    if needless:  # what is no term costs no customers
        kept = {name: kind for name, kind in kinds.items() if name not in needless}
        again = make_terms(data, kept, least)
        again.left_out += [row for row in terms.left_out if row[0] in needless]
        return again
    return terms


def _add(terms: Terms, data: pd.DataFrame, kinds: Mapping[str, str]) -> None:
    """Add the columns of all attributes, of customers without gaps."""
    terms.columns, churned = data[[]].copy(), data["churned"]
    if not churned.any():
        reason = "nobody with a value in every attribute left"
        terms.left_out += [(name, reason, "too little data") for name in kinds]
        return
    numbers: list[str] = []
    for name, kind in kinds.items():
        values = data[name]
        if values.nunique(dropna=kind == "number") < 2:
            reason = "it does not vary among those with a value in every attribute"
            terms.left_out.append((name, reason, ""))
        elif kind != "number":
            _add_levels(terms, name, values, churned)
        elif _is_flag(values):
            _add_flag(terms, name, values)
        else:
            numbers.append(name)
    for name in numbers:  # behind all levels: a bundle's price follows from what is in it
        terms.columns[name] = data[name].astype(float)
        terms.attribute[name] = name
    _keep_own(terms)
    _against_average(terms)


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
    if kind == "number" and (reason := piles_up(values.to_numpy(float), tenure.to_numpy(float))):
        return reason
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


def _add_flag(terms: Terms, name: str, values: pd.Series) -> None:
    if values.value_counts().min() < terms.least:
        terms.left_out.append((name, _TOO_FEW, "too little data"))
        return
    terms.columns[name] = values.astype(float)
    terms.attribute[name] = name
    terms.reference[name], terms.level[name] = "0", "1"
    terms.groups[name] = values.map({0: "0", 1: "1"})


def _add_levels(terms: Terms, name: str, values: pd.Series, churned: pd.Series) -> None:
    """Add one column a level but the most frequent; levels too thin for it are joined."""
    text = values.fillna(MISSING)
    thin = _thin(text, churned, terms.least)
    if len(thin) > 1:
        text = text.where(~text.isin(thin), OTHER)
        terms.notes.append(f"{name}: {', '.join(thin)} counted as one, {OTHER}")
        thin = _thin(text, churned, terms.least)
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


def _thin(text: pd.Series, churned: pd.Series, least: int) -> list[str]:
    """Name the levels with too few customers, or in which too few churns are to be expected.

    Not those with few churns: a level that nobody leaves tells something.
    """
    size = text.value_counts().sort_index()
    thin = (size < least) | (size * churned.mean() < _LEAST_EVENTS)
    return [str(level) for level in size.index[thin]]


def _keep_own(terms: Terms) -> None:
    """Leave out terms that follow from those before them."""
    kept = estimable(terms.columns, tolerance=_OWN_SHARE)
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
    for name in terms.groups:
        share = (f"{name}=" + terms.groups[name]).value_counts(normalize=True)
        own = [t for t, owner in terms.attribute.items() if owner == name]
        if len(own) < 2 or len(own) + 1 < len(share):
            continue
        first = f"{name}={terms.reference[name]}"
        terms.attribute[first], terms.level[first] = name, terms.reference[name]
        terms.reference[name] = AVERAGE
        terms.averaged.append(Levels(first, share))


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
