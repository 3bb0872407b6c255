"""The figures that simulated worlds are summed up by, each with its Monte Carlo error.

Pure functions of the rows that :mod:`_worlds` makes: one row a world, seed, method and
touchpoint. An error is summed by world, since what is estimated in one world hangs together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from cxlab.models.intervals import Z

MODEL = "cxlab"
UNDATED = "ended_at alone"
STRONG = 0.5  # log hazard ratios from here on count as strong
APART = 1.3  # attributable churn that differs by this factor ought to be ordered right


@dataclass(frozen=True)
class Figure:
    """A figure of many worlds.

    Parameters
    ----------
    value, error : float
        The figure and its Monte Carlo standard error; NaN where there is none.
    n : int
        How many things it was worked out from: touchpoints, pairs or worlds.
    """

    value: float
    error: float
    n: int


# -- rows -------------------------------------------------------------------------------


def of(rows: pd.DataFrame, world: str, method: str = MODEL) -> pd.DataFrame:
    """Give one method's touchpoints in a world, of the runs that did not crash."""
    return rows[(rows["world"] == world) & (rows["method"] == method) & rows["touchpoint"].notna()]


def known(part: pd.DataFrame) -> pd.DataFrame:
    """Give the contrasts that were estimated, without traps, and twins that none can tell apart."""
    aside = part["role"].isin(["trap", "twin"])
    return part[part["estimate"].notna() & part["se"].gt(0) & ~aside]


def role(part: pd.DataFrame, name: str) -> pd.DataFrame:
    """Give the touchpoints that play a part in the world: ``trap``, ``rare``, ``twin``."""
    return part[part["role"] == name]


# -- figures ----------------------------------------------------------------------------


def ratio(top: pd.Series, bottom: pd.Series, seeds: pd.Series) -> Figure:
    """Give a ratio of sums, its error by linearisation with worlds as clusters.

    Parameters
    ----------
    top, bottom : Series
        What is summed above and below.
    seeds : Series
        The world each row belongs to.
    """
    by_world = pd.DataFrame({"top": top.astype(float), "bottom": bottom.astype(float)})
    by_world = by_world.groupby(seeds.to_numpy()).sum()
    below, worlds = by_world["bottom"].sum(), len(by_world)
    if not below:
        return Figure(np.nan, np.nan, 0)
    value = by_world["top"].sum() / below
    rest = by_world["top"] - value * by_world["bottom"]
    error = np.nan
    if worlds > 1:
        error = float(np.sqrt(worlds / (worlds - 1) * np.square(rest).sum()) / abs(below))
    return Figure(float(value), error, len(top))


def share(hit: pd.Series, seeds: pd.Series) -> Figure:
    """Give the share of rows that are hit.

    None or all of them hit would have no error; theirs is that of Agresti and Coull (1998),
    two hits and two misses added.
    """
    found = ratio(hit, pd.Series(1.0, index=hit.index), seeds)
    if found.n and found.value in (0.0, 1.0):
        count = found.n + 4
        near = (found.value * found.n + 2) / count
        return Figure(found.value, float(np.sqrt(near * (1 - near) / count)), found.n)
    return found


def worlds_with(part: pd.DataFrame, hit: pd.Series) -> Figure:
    """Give the share of worlds in which any row is hit."""
    any_hit = hit.groupby(part["seed"]).any()
    return share(any_hit, any_hit.index.to_series())


def coverage(part: pd.DataFrame) -> Figure:
    """Give the share of 95% intervals that hold the truth."""
    part = known(part)
    return share((part["estimate"] - part["truth"]).abs() <= Z * part["se"], part["seed"])


def coverage_of_none(part: pd.DataFrame) -> Figure:
    """Give the share of 95% intervals that hold 0, where there is no effect on any scale."""
    return coverage(part[part["truth"] == 0])


def slope(part: pd.DataFrame) -> Figure:
    """Give the slope of estimates on truth through the origin.

    A touchpoint's weight is one over the mean of its squared standard errors over the worlds.
    A world's own standard error as weight would favour the estimates that came out small by
    chance.
    """
    part = known(part)
    weight = 1.0 / np.square(part["se"]).groupby(part["touchpoint"]).transform("mean")
    truth = part["truth"]
    return ratio(weight * part["estimate"] * truth, weight * truth**2, part["seed"])


def called(part: pd.DataFrame, verdict: str = "driver") -> Figure:
    """Give the share of touchpoints with a verdict."""
    return share(part["verdict"] == verdict, part["seed"])


def traps_called(part: pd.DataFrame, verdict: str = "driver") -> Figure:
    """Give the share of worlds in which a trap gets a verdict."""
    traps = role(part, "trap")
    return worlds_with(traps, traps["verdict"] == verdict)


def false_drivers(part: pd.DataFrame) -> Figure:
    """Give the share of harmless touchpoints, traps aside, called drivers."""
    return called(part[(part["truth"] <= 0) & (part["role"] != "trap")])


def false_worlds(part: pd.DataFrame) -> Figure:
    """Give the share of worlds in which a harmless touchpoint is called a driver."""
    return worlds_with(part, (part["verdict"] == "driver") & (part["truth"] <= 0))


def false_discoveries(part: pd.DataFrame) -> Figure:
    """Give the share of the drivers called that are harmless."""
    part = part[part["verdict"] == "driver"]
    return share(part["truth"] <= 0, part["seed"])


def strong_found(part: pd.DataFrame) -> Figure:
    """Give the share of strong drivers that are called drivers."""
    return called(part[part["truth"] >= STRONG])


def wrong_protective(part: pd.DataFrame) -> Figure:
    """Give the share of touchpoints called protective that are not."""
    return called(part[part["truth"] >= 0], "protective")


def right_sign(part: pd.DataFrame) -> Figure:
    """Give the share of right signs, of true drivers whose interval does not hold 0."""
    part = known(part)
    told = part[(part["truth"] > 0) & (part["estimate"].abs() > Z * part["se"])]
    return share(told["estimate"] > 0, told["seed"])


def kept_power(rows: pd.DataFrame, world: str) -> Figure:
    """Give the share of strong drivers found, of the share found in ``plain``."""
    here, plain = strong_found(of(rows, world)), strong_found(of(rows, "plain"))
    if not here.n or not plain.n or not plain.value:
        return Figure(np.nan, np.nan, here.n)
    value = here.value / plain.value
    error = float(np.hypot(here.error, value * plain.error) / plain.value)
    return Figure(value, error, here.n)


def against_twin(part: pd.DataFrame) -> Figure:
    """Give attributable churn over what the twin worlds show, summed over strong drivers."""
    both = part[part["twin"].notna() & part["worth"].notna()]
    return ratio(both["worth"], both["twin"], both["seed"])


def oracle_against_twin(part: pd.DataFrame) -> Figure:
    """Give what true effects ascribe to touchpoints over what twin worlds show."""
    both = part[part["twin"].notna()]
    return ratio(both["oracle"], both["twin"], both["seed"])


def twin_coverage(part: pd.DataFrame) -> Figure:
    """Give the share of attributable churn's intervals that hold what the twin world shows."""
    both = part[part["twin"].notna() & part["worth"].notna()]
    inside = (both["worth_low"] <= both["twin"]) & (both["twin"] <= both["worth_high"])
    return share(inside, both["seed"])


def true_worth(part: pd.DataFrame) -> pd.Series:
    """Give each true driver's attributable churn in truth: the mean over worlds, by touchpoint."""
    part = part[part["truth"] > 0]
    return part.groupby("touchpoint")["oracle"].mean()


def ordered_pairs(part: pd.DataFrame) -> Figure:
    """Give the share of pairs of true drivers, well apart in truth, that are ordered right.

    What has no attributable churn counts as none.
    """
    worth = true_worth(part)
    told = part.pivot_table(index="seed", columns="touchpoint", values="worth", aggfunc="first")
    told = told.reindex(index=part["seed"].unique(), columns=worth.index).fillna(0.0)
    hits = []
    for one, other in combinations(worth.index, 2):
        high, low = (one, other) if worth[one] >= worth[other] else (other, one)
        if worth[high] >= APART * worth[low] and worth[high] > 0:
            hits.append(told[high] > told[low])
    if not hits:
        return Figure(np.nan, np.nan, 0)
    hit = pd.concat(hits)
    return share(hit, hit.index.to_series())


def rank_correlation(part: pd.DataFrame) -> Figure:
    """Give Spearman's correlation of worth with the truth among true drivers, mean of worlds.

    What has no attributable churn counts as none.
    """
    part = part[part["truth"] > 0]
    if part.empty:
        return Figure(np.nan, np.nan, 0)
    truth = part["touchpoint"].map(true_worth(part))
    worth = part["worth"].fillna(0.0)
    ranks = pd.DataFrame({"seed": part["seed"], "truth": truth, "worth": worth})
    found = ranks.groupby("seed")[["truth", "worth"]].apply(_spearman)
    return ratio(found, pd.Series(1.0, index=found.index), found.index.to_series())


def _spearman(world: pd.DataFrame) -> float:
    truth, worth = (world[c].rank() for c in ("truth", "worth"))
    # where all are equal, their order tells nothing
    return float(truth.corr(worth)) if worth.std() > 0 and truth.std() > 0 else 0.0


def top_right(part: pd.DataFrame) -> Figure:
    """Give the share of worlds whose first driver is of the two with the greatest true worth."""
    best = true_worth(part).nlargest(2).index
    if not len(best):
        return Figure(np.nan, np.nan, 0)
    drivers = part[part["verdict"] == "driver"].sort_values("worth", ascending=False)
    first = drivers.groupby("seed")["touchpoint"].first().reindex(part["seed"].unique())
    return share(first.isin(best), first.index.to_series())


def half_life(part: pd.DataFrame) -> tuple[float, float]:
    """Give the true half-life and the median estimate."""
    by_world = part.groupby("seed")[["true_half_life", "half_life"]].first()
    return float(by_world["true_half_life"].median()), float(by_world["half_life"].median())


def both_not_separable(part: pd.DataFrame) -> Figure:
    """Give the share of worlds in which both of two twins are ``not separable``."""
    pair = role(part, "twin")
    both = (pair["verdict"] == "not separable").groupby(pair["seed"]).sum() == 2
    return share(both, both.index.to_series())


def rare_told(part: pd.DataFrame) -> Figure:
    """Give the share of rare, strong touchpoints found or said to have too little data."""
    part = role(part, "rare")
    return share(part["verdict"].isin(["driver", "too little data"]), part["seed"])


def found(part: pd.DataFrame) -> Figure:
    """Give the share of outages of the feed that the search for gaps tells."""
    return called(part, "found")


def weighted_bias(rows: pd.DataFrame) -> Figure:
    """Give the bias of weighted score effects as a share of the raw ones' bias."""
    raw, weighted = (of(rows, "silent", f"scores, {way}") for way in ("raw", "weighted"))
    keys = ["seed", "touchpoint"]
    pair = raw.merge(weighted, on=keys, suffixes=("", "_weighted"))
    pair = pair[pair["estimate"].notna() & pair["estimate_weighted"].notna()]
    raw_bias = pair["estimate"] - pair["truth"]
    found = ratio(pair["estimate_weighted"] - pair["truth"], raw_bias, pair["seed"])
    return Figure(abs(found.value), found.error, found.n)
