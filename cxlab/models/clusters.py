"""Groups of customers that are there, told from a continuum that was merely cut.

k-means cuts any cloud of points. Groups count as found only where between any two of them there
are fewer customers than at either, more so than in data without groups: data of the very same
single behaviours, whose ranks hang together as strongly, but in one normal cloud (a normal
copula). And where customers drawn anew give the same groups (Hennig 2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = ["Found", "agreement", "assign", "find", "stability_index", "without_groups"]

FEWEST = 100
"""Of fewer customers no groups are looked for."""
STABLE = 0.75
"""The Jaccard similarity from which a group counts as stable (Hennig 2007)."""
_ALPHA, _AS_STABLE = 0.05, 0.1
_LEAST_SHARE = 0.03
_NEAR = 0.15
_BLOCK, _PLENTY = 20, 5
_STARTS, _FINAL_STARTS, _STEPS = 3, 10, 50
_FAR = 0.99


@dataclass(frozen=True)
class Found:
    """What was found.

    Parameters
    ----------
    centres : ndarray, shape (groups, features)
        The largest group first; of no groups, empty.
    label : ndarray of int, shape (n,)
        Each customer's group.
    stability : ndarray, shape (groups,)
        How alike each is to what customers drawn anew give (mean Jaccard similarity).
    threshold : float
        Farther from its centre than this are 1 in 100.
    p_value : float
        Of the clearest number of groups, corrected for the numbers tried; NaN: not tested.
    tried : pandas.DataFrame
        A row a number of groups: ``groups, gap`` (log of how many times fewer customers are
        between the two groups that are least apart than at their centres), ``null`` and
        ``null_high`` (median of data without groups, and what 1 in 20 of these exceeds at some
        number), ``p_value, stability`` (of the least stable group; NaN: not apart, so not
        tested), ``smallest`` (share) and ``found``.
    used : int
        Customers of which it is told; all are assigned.
    """

    centres: np.ndarray
    label: np.ndarray
    stability: np.ndarray
    threshold: float
    p_value: float
    tried: pd.DataFrame
    used: int

    def __len__(self) -> int:
        return len(self.centres)


def find(
    x: np.ndarray,
    *,
    most: int = 8,
    nulls: int = 99,
    bootstraps: int = 30,
    sample: int = 1500,
    least: int = 10,
    seed: int = 1,
) -> Found:
    """Look for groups, by k-means, and say how many there are; there may be none.

    Parameters
    ----------
    x : ndarray, shape (n, features)
        Standardised.
    most : int
        The largest number of groups that is tried.
    nulls : int
        How many data without groups they are held against, at most.
    bootstraps : int
        How often customers are drawn anew.
    sample : int
        Of more customers so many are taken to choose the number.
    least : int
        Customers in the smallest group.
    seed : int
        Of all draws: made in order by one thread, they are the same every time.

    Returns
    -------
    Found
        The largest number of groups of which each is apart, beyond chance, and stable: at most
        0.1 less so than with the number that is most stable.
    """
    import sklearn.cluster  # noqa: F401  (its threads can be limited once it is there)
    from threadpoolctl import threadpool_limits

    columns = ["groups", "gap", "null", "null_high", "p_value", "stability", "smallest", "found"]
    if len(x) < FEWEST or x.shape[1] < 2:
        return _none(len(x), x.shape[1], pd.DataFrame(columns=columns), np.nan, len(x))
    draw = np.random.default_rng(seed)
    some = x if len(x) <= sample else x[np.sort(draw.choice(len(x), sample, replace=False))]
    with threadpool_limits(1):
        numbers = _numbers(some, most)
        fits = {k: _fitted(some, k, draw) for k in numbers}
        tried = _against_null(some, fits, nulls, draw)
        tried["smallest"] = [np.bincount(f[1], minlength=k).min() / len(some)
                             for k, f in fits.items()]  # fmt: skip
        tried["stability"] = np.nan
        enough = tried["smallest"] * len(x) >= max(least, _LEAST_SHARE * len(x))
        apart = (tried["gap"] > 0) & (tried["p_value"] <= _ALPHA) & enough
        stable: dict[int, np.ndarray] = {}
        for k in tried.loc[apart, "groups"]:
            stable[k] = _stability(some, *fits[k], bootstraps, draw)
            tried.loc[tried["groups"] == k, "stability"] = stable[k].min()
        tried["found"] = apart & (tried["stability"] >= STABLE)
        p_value = float(tried["p_value"].min()) if len(tried) else np.nan
        tried = tried[columns]
        if not tried["found"].any():
            return _none(len(x), x.shape[1], tried, p_value, len(some))
        steady = tried["stability"] >= tried.loc[tried["found"], "stability"].max() - _AS_STABLE
        chosen = int(tried.loc[tried["found"] & steady, "groups"].max())
        return _all(x, fits[chosen][0], stable[chosen], tried, p_value, len(some))


def _none(n: int, features: int, tried: pd.DataFrame, p_value: float, used: int) -> Found:
    nothing = np.zeros((0, features))
    return Found(nothing, np.full(n, -1), np.zeros(0), np.nan, p_value, tried, used)


def _all(
    x: np.ndarray, centres: np.ndarray, stability: np.ndarray, tried: pd.DataFrame,
    p_value: float, used: int,
) -> Found:  # fmt: skip
    """Take the groups of the sample on to all customers."""
    from sklearn.cluster import KMeans

    made = KMeans(len(centres), init=centres, n_init=1, algorithm="lloyd").fit(x)
    order = np.argsort(-np.bincount(made.labels_, minlength=len(centres)), kind="stable")
    centres = made.cluster_centers_[order]
    label, distance = assign(x, centres)
    threshold = float(np.quantile(distance, _FAR))
    return Found(centres, label, stability[order], threshold, p_value, tried, used)


def _numbers(x: np.ndarray, most: int) -> list[int]:
    """Give the numbers of groups that can be tried."""
    different = len(np.unique(x, axis=0))
    return [k for k in range(2, most + 1) if k * 4 <= different]


def _fitted(
    x: np.ndarray, k: int, draw: np.random.Generator, starts: int = _STARTS
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.cluster import KMeans

    made = KMeans(k, n_init=starts, max_iter=_STEPS, algorithm="lloyd",
                  random_state=int(draw.integers(2**31)))  # fmt: skip
    made.fit(x)
    return made.cluster_centers_, made.labels_


def without_groups(x: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Draw data of the same columns whose ranks hang together in one normal cloud.

    Each column keeps its very values, however skewed or lumped; their order is drawn from the
    multivariate normal whose correlations are those of the columns' normal scores.

    Parameters
    ----------
    x : ndarray, shape (n, features)
        The data.
    draw : numpy.random.Generator
        Of the draws.
    """
    from scipy import stats

    n = len(x)
    scores = stats.norm.ppf((stats.rankdata(x, axis=0) - 0.5) / n)
    scores = (scores - scores.mean(axis=0)) / np.maximum(scores.std(axis=0), 1e-12)
    size, axes = np.linalg.eigh(scores.T @ scores / n)
    cloud = draw.standard_normal(x.shape) @ (axes * np.sqrt(np.maximum(size, 0.0))).T
    rank = np.argsort(np.argsort(cloud, axis=0), axis=0)
    return np.asarray(np.take_along_axis(np.sort(x, axis=0), rank, axis=0))


def _gap(x: np.ndarray, centres: np.ndarray, label: np.ndarray) -> float:
    """Tell how many times fewer are between the two groups least apart than at their centres.

    Customers of two groups are seen along the line from one centre (0) to the other (1): those
    near the middle are held against those near the end where there are fewer.
    """
    worst = np.inf
    for i in range(len(centres)):
        for j in range(i):
            way = centres[j] - centres[i]
            both = (label == i) | (label == j)
            place = (x[both] - centres[i]) @ way / max(float(way @ way), 1e-12)
            middle, one, other = ((np.abs(place - at) < _NEAR).sum() for at in (0.5, 0.0, 1.0))
            worst = min(worst, float(np.log((min(one, other) + 1) / (middle + 1))))
    return worst


def _against_null(
    x: np.ndarray, fits: dict[int, tuple[np.ndarray, np.ndarray]], nulls: int,
    draw: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Hold the gaps against those of data without groups, corrected for the numbers tried.

    No more are drawn once plenty are clearer (Besag and Clifford 1991).
    """
    numbers = list(fits)
    seen = np.array([_gap(x, *fits[k]) for k in numbers])
    drawn = np.zeros((0, len(numbers)))
    while numbers and len(drawn) < nulls:
        block = []
        for _ in range(min(_BLOCK, nulls - len(drawn))):
            null = without_groups(x, draw)
            block.append([_gap(null, *_fitted(null, k, draw)) for k in numbers])
        drawn = np.vstack([drawn, block])
        above, high = _exceeded(seen, drawn)
        if above.min() >= _PLENTY:  # the rest would not change the answer
            break
    if not numbers:
        return pd.DataFrame(columns=["groups", "gap", "null", "null_high", "p_value"])
    p_value = (1 + above) / (len(drawn) + 1)
    return pd.DataFrame({"groups": numbers, "gap": seen, "null": np.median(drawn, axis=0),
                         "null_high": high, "p_value": p_value})  # fmt: skip


def _exceeded(seen: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the data without groups whose clearest number is clearer than each; and the limit."""
    middle, spread = drawn.mean(axis=0), np.maximum(drawn.std(axis=0), 1e-9)
    most = ((drawn - middle) / spread).max(axis=1)
    far = (seen - middle) / spread
    above = (most[:, None] >= far).sum(axis=0)
    return above, middle + spread * np.quantile(most, 1 - _ALPHA)


def _stability(
    x: np.ndarray, centres: np.ndarray, label: np.ndarray, times: int, draw: np.random.Generator
) -> np.ndarray:
    """Give each group's mean Jaccard similarity to the likest one of customers drawn anew."""
    k, n = len(centres), len(x)
    found = np.zeros((times, k))
    for b in range(times):
        chosen = draw.integers(0, n, n)
        anew = _fitted(x[chosen], k, draw)[1]
        # Each customer counts once, however often drawn.
        kept, first = np.unique(chosen, return_index=True)
        both = np.zeros((k, k))
        np.add.at(both, (label[kept], anew[first]), 1.0)
        union = both.sum(axis=1, keepdims=True) + both.sum(axis=0) - both
        found[b] = (both / np.maximum(union, 1.0)).max(axis=1)
    return np.asarray(found.mean(axis=0))


def assign(x: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each customer's nearest centre, and how far it is.

    Parameters
    ----------
    x : ndarray, shape (n, features)
        Standardised as the centres are.
    centres : ndarray, shape (groups, features)
        The groups.
    """
    squared = np.column_stack([np.square(x - c).sum(axis=1) for c in centres])
    label = np.argmin(squared, axis=1)
    return label, np.sqrt(squared[np.arange(len(x)), label])


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Give the adjusted Rand index of two groupings (Hubert and Arabie 1985).

    Parameters
    ----------
    a, b : ndarray of int, shape (n,)
        1: the same groups; 0: as alike as by chance.
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))


def stability_index(then: np.ndarray, now: np.ndarray) -> float:
    """Give the population stability index of shares: up to 0.1 little, above 0.25 much has moved.

    Parameters
    ----------
    then, now : ndarray of int, shape (groups,)
        How many of each group; half a customer is added to each.
    """
    a, b = ((v + 0.5) / (v + 0.5).sum() for v in (np.asarray(then, float), np.asarray(now, float)))
    return float(((b - a) * np.log(b / a)).sum())
