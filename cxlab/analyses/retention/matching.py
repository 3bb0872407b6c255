"""Customers alike at the same contact: each first bad one matched with ordinary ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.retention.seen import groups
from cxlab.frames.periods import attribute
from cxlab.models.withheld import small_groups

__all__ = ["Matched", "balance", "match"]

# Ordinary contacts to each bad one; how many near ones are looked at for them.
_EACH, _LOOKED = 4, 24
# How far apart counts as one: on the scales below.
_TENURE, _SO_FAR, _LATELY, _DAYS, _LEVEL, _VALUE = 0.15, 0.2, 0.35, 90.0, 2.0, 0.3
# Tenures may differ by a sixth, or a few days where they are short.
_CALIPER = 0.16
_BEND = 30.0


@dataclass(frozen=True)
class Matched:
    """Pairs of a first bad contact and an ordinary one.

    Parameters
    ----------
    case, control : ndarray of int, shape (pairs,)
        Places among the rows; every case has as many pairs, a control may have several.
    unmatched : int
        Cases without a match.
    features : pandas.DataFrame
        What was matched on, a column each, a row a trial.
    levels : dict of str to list of str
        The columns of an attribute's levels, one where a trial is of it, by attribute.
    """

    case: np.ndarray
    control: np.ndarray
    unmatched: int
    features: pd.DataFrame
    levels: dict[str, list[str]]

    def few(self, customers: pd.Series, least: int) -> dict[str, str]:
        """Tell which levels few customers are of, or would tell of them.

        Parameters
        ----------
        customers : pandas.Series
            Whose a trial is.
        least : int
            Of a group that may be told.

        Returns
        -------
        dict of str to str
            The attribute, by the column.
        """
        found: dict[str, str] = {}
        for name, columns in self.levels.items():
            of = [customers[self.features[c].to_numpy(bool)].nunique() for c in columns]
            hidden = small_groups(np.array(of), least)
            found |= {c: name for c, few in zip(columns, hidden, strict=True) if few}
        return found


def match(rows: pd.DataFrame, spells: pd.DataFrame, attributes: Mapping[str, str]) -> Matched:
    """Match each first bad contact with the four ordinary ones nearest to it.

    At the same touchpoint and of other customers; near in tenure (within a caliper), contacts so
    far and lately, date, attributes and value; each control another customer, and there, with no
    bad contact, as long after the contact as it took the bad one to be known. Where there are
    fewer, they stand repeatedly.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of :class:`~cxlab.frames.encounters.Encounters`.
    spells : pandas.DataFrame
        Of the risk set, in the order of their numbers.
    attributes : mapping
        The customers' attributes.
    """
    from scipy.spatial import KDTree  # slow to import

    features, scaled, levels = _features(rows, spells, attributes)
    who, over = rows["customer_id"].to_numpy(), _over(rows, spells)
    bad, bent = rows["bad"].to_numpy(), np.arcsinh(features["tenure"].to_numpy() / _BEND)
    known, at, delay = (rows[c].to_numpy(float) for c in ("known", "at", "delay"))
    until = np.fmin(over, rows["first_bad"].to_numpy(float))
    pairs, unmatched = [], 0
    for _, places in rows.groupby("touchpoint", sort=True).indices.items():
        cases, pool = places[bad[places]], places[~bad[places]]
        if not len(cases) or not len(pool):
            unmatched += len(cases)
            continue
        near = KDTree(scaled[pool]).query(scaled[cases], k=min(_LOOKED, len(pool)))[1]
        for case, found in zip(cases, near.reshape(len(cases), -1), strict=True):
            some = pool[found]
            there = np.maximum(known[some], at[some] + delay[case]) < until[some]
            close = np.abs(bent[some] - bent[case]) <= _CALIPER
            some = some[there & close & (who[some] != who[case])]
            # The nearest contact of each customer, in the order of nearness.
            some = some[np.sort(np.unique(who[some], return_index=True)[1])][:_EACH]
            if len(some):
                pairs.append((np.full(_EACH, case), np.resize(some, _EACH)))
            else:
                unmatched += 1
    empty = [(np.zeros(0, int), np.zeros(0, int))]
    case, control = (np.concatenate(side) for side in zip(*(pairs or empty), strict=True))
    return Matched(case, control, unmatched, features, levels)


def _over(rows: pd.DataFrame, spells: pd.DataFrame) -> np.ndarray:
    ends = spells["event_at"].fillna(spells["competing_at"]).fillna(np.inf)
    return ends.to_numpy(float)[rows["spell"].to_numpy()]


def _features(
    rows: pd.DataFrame, spells: pd.DataFrame, attributes: Mapping[str, str]
) -> tuple[pd.DataFrame, np.ndarray, dict[str, list[str]]]:
    """Give what trials are matched on, the same on scales on which one is far apart, and levels."""
    of = rows["spell"].to_numpy()
    at = rows["at"].to_numpy(float)
    tenure = at - spells["started"].to_numpy(float)[of]
    told = {"tenure": tenure, "contacts so far": rows["so_far"].to_numpy(float),
            "contacts in 30 days": rows["lately"].to_numpy(float), "date": at}  # fmt: skip
    scaled = [np.arcsinh(tenure / _BEND) / _TENURE, np.log1p(told["contacts so far"]) / _SO_FAR,
              np.log1p(told["contacts in 30 days"]) / _LATELY, at / _DAYS]  # fmt: skip
    if "monthly_value" in spells:
        value = spells["monthly_value"].astype(float)
        rank = value.rank(pct=True).fillna(0.5).to_numpy()[of]
        told["monthly value (rank)"] = rank
        scaled.append(rank / _VALUE)
    lived = spells["event_at"].fillna(spells["competing_at"]).fillna(at.max() if len(at) else 0.0)
    levels: dict[str, list[str]] = {}
    for name in attributes:
        found = groups(spells[attribute(name)], (lived - spells["started"]).to_numpy(float))
        if isinstance(found, str):
            continue
        code, named = found
        levels[name] = [f"{name} = {level}" for level in named]
        for place, column in enumerate(levels[name]):
            flag = (code[of] == place).astype(float)
            told[column] = flag
            scaled.append(flag * _LEVEL / np.sqrt(2))
    return pd.DataFrame(told), np.column_stack(scaled), levels


def balance(matched: Matched, bad: np.ndarray) -> pd.DataFrame:
    """Tell how alike both sides are, before and after matching (Austin 2009).

    Parameters
    ----------
    matched : Matched
        The pairs.
    bad : ndarray of bool
        Which trials are first bad contacts.

    Returns
    -------
    pandas.DataFrame
        ``term, bad, ordinary`` (means of the matched), ``before, after`` (the difference over
        the standard deviation).
    """
    every = matched.features
    case, control = every.iloc[matched.case], every.iloc[matched.control]
    spread = np.sqrt((every[bad].var(ddof=0) + every[~bad].var(ddof=0)) / 2)
    spread = spread.where(spread > 0)
    table = pd.DataFrame(
        {
            "bad": case.mean(),
            "ordinary": control.mean(),
            "before": (every[bad].mean() - every[~bad].mean()) / spread,
            "after": (case.mean() - control.mean()) / spread,
        }
    )
    return table.dropna().rename_axis("term").reset_index()
