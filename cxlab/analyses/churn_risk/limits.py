"""Where the risks should not be used: inputs that have moved, groups judged wrongly, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.churn_risk.chosen import Chosen
from cxlab.analyses.churn_risk.judged import used
from cxlab.analyses.churn_risk.scored import Scored
from cxlab.analyses.churn_risk.study import Study
from cxlab.frames.periods import attribute
from cxlab.models.discrimination import auc, calibration
from cxlab.models.followed import Outcome
from cxlab.models.intervals import Z, holm, wald_p
from cxlab.models.usefulness import stability_bar, stability_index
from cxlab.models.withheld import small_groups

__all__ = ["FEW", "SHIFT", "drift", "groups"]

FEW = 20
"""A group of which fewer left on the days judged is not judged."""
SHIFT = 0.25
"""The stability index from which an input has moved far."""
_BINS, _YEAR = 10, 365.25
_MISSING, _OTHER = "(missing)", "(other)"
_COLUMNS = [
    *("group", "level", "now", "n", "leavers", "told", "came", "estimate", "conf_low"),
    *("conf_high", "p_value", "auc", "auc_low", "auc_high", "others_auc", "auc_p"),
]


def drift(study: Study, scored: Scored) -> pd.DataFrame:
    """Compare inputs at ``as_of`` with those that were learnt from.

    Parameters
    ----------
    study : Study
        What was learnt from.
    scored : Scored
        What is known of those there now.

    Returns
    -------
    pandas.DataFrame
        ``fact, estimate`` (the stability index of its column that moved most), ``bar, moved``.
    """
    recipe, then, now = study.recipe, study.known.x, scored.sample
    weight = study.followed.weight / study.followed.weight.sum()
    customers = float(len(np.unique(study.followed.customer)))
    found = np.zeros((len(recipe.facts), 2))
    for column, fact in enumerate(recipe.of):
        a, b = _shares(then[:, column], weight, now[:, column])
        if len(a) < 2:
            continue
        index = stability_index(a * customers, b * len(now))
        if index > found[fact, 0]:
            found[fact] = index, stability_bar(customers, len(now), len(a), SHIFT)
    table = pd.DataFrame({
        "fact": [recipe.label(i) for i in range(len(recipe.facts))],
        "estimate": found[:, 0], "bar": np.maximum(found[:, 1], SHIFT),
    })  # fmt: skip
    table["moved"] = table["estimate"] > table["bar"]
    return table.sort_values(["estimate", "fact"], ascending=[False, True], ignore_index=True)


def _shares(then: np.ndarray, weight: np.ndarray, now: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the shares of groups: tenths of what was, values that many share by themselves."""
    order = np.argsort(then, kind="stable")
    upto = np.cumsum(weight[order])
    cuts = then[order][np.minimum(np.searchsorted(upto, np.arange(1, _BINS) / _BINS),
                                  len(then) - 1)]  # fmt: skip
    cuts = np.unique(cuts)
    groups = [np.searchsorted(cuts, v, side="right") for v in (then, now)]
    # What lies at a cut by itself, such as none at all, is a group.
    a = np.bincount(groups[0], weight, len(cuts) + 1)
    b = np.bincount(groups[1], minlength=len(cuts) + 1) / max(len(now), 1)
    there = (a > 0) | (b > 0)
    return a[there], b[there]


@dataclass(frozen=True)
class _Group:
    name: str
    level: str
    then: np.ndarray
    now: int


def _all_groups(study: Study) -> Iterator[_Group]:
    rows, now = study.marks.rows, study.now
    for name, levels in study.recipe.levels.items():
        texts = [t[attribute(name)].astype("string").fillna(_MISSING).to_numpy(dtype=object)
                 for t in (rows, now)]  # fmt: skip
        told = [np.where(pd.Series(t).isin(levels), t, _OTHER) for t in texts]
        for level in (*levels, _OTHER):
            then, today = (t == level for t in told)
            if then.any() or today.any():
                yield _Group(name, level, then, int(today.sum()))
    old, new = (t["tenure"].to_numpy(float) >= _YEAR for t in (rows, now))
    yield _Group("tenure", "under a year", ~old, int((~new).sum()))
    yield _Group("tenure", "a year or more", old, int(new.sum()))


def groups(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Judge the risks of groups of customers by themselves, corrected for all that are.

    Parameters
    ----------
    study : Study
        Who was judged.
    chosen : Chosen
        What was told.

    Returns
    -------
    pandas.DataFrame
        ``group, level, now`` (customers there), ``n, leavers`` (judged), ``told, came``;
        ``estimate`` (log odds by which leaving differs from what was told, less the same of
        the others), ``conf_low, conf_high, p_value, p_holm``; ``auc, auc_low, auc_high,
        others_auc, auc_p, auc_p_holm`` (against that of the others); NaN where too few left,
        or too few are there to be told.
    """
    seen = chosen.seen(study)
    chance = special.expit(chosen.odds[used(chosen)])
    made = []
    for group in _all_groups(study):
        mine = group.then[seen.rows]
        inside, outside = seen.where(mine), seen.where(~mine)
        row: dict[str, float | str] = {"group": group.name, "level": group.level}
        row |= {"now": group.now, "n": inside.judged, "leavers": inside.leavers}
        if inside.leavers >= FEW and outside.leavers >= FEW:
            row |= _figures(inside, outside, chance)
        made.append(row)
    table = _withheld(pd.DataFrame(made).reindex(columns=_COLUMNS), study.options.min_group)
    both = holm(np.append(table["p_value"].to_numpy(float), table["auc_p"].to_numpy(float)))
    table["p_holm"], table["auc_p_holm"] = both[: len(table)], both[len(table) :]
    return table


def _withheld(table: pd.DataFrame, least: int) -> pd.DataFrame:
    """Withhold small groups, and those that would tell of them: all customers are told of."""
    found = table.astype(dict.fromkeys(_COLUMNS[2:], float))
    for count, gone in (("now", ["now"]), ("n", _COLUMNS[3:])):
        few = table.groupby("group")[count].transform(lambda n: small_groups(n, least))
        found.loc[few.to_numpy(bool), gone] = np.nan
    return found


def _figures(inside: Outcome, outside: Outcome, chance: np.ndarray) -> dict[str, float]:
    a, b = (calibration(s, chance).iloc[0] for s in (inside, outside))
    gap = a["intercept"] - b["intercept"]
    se = float(np.hypot(a["intercept_se"], b["intercept_se"]))
    one, other = (auc(s, chance).table().iloc[0] for s in (inside, outside))
    apart = float(np.hypot(one["se"], other["se"]))
    p = wald_p(np.array([gap, one["estimate"] - other["estimate"]]), np.maximum([se, apart], 1e-12))
    return {
        "told": a["told"], "came": a["came"], "estimate": gap,
        "conf_low": gap - Z * se, "conf_high": gap + Z * se, "p_value": p[0],
        "auc": one["estimate"], "auc_low": one["conf_low"], "auc_high": one["conf_high"],
        "others_auc": other["estimate"], "auc_p": p[1],
    }  # fmt: skip
