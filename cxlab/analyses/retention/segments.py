"""Who leaves sooner: each attribute's groups compared, and one attribute's in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.retention.seen import LEFT, Seen, groups, stretch
from cxlab.models.intervals import LEVEL, Z, holm, wald_p
from cxlab.models.survival import Curve, Lifetimes, log_rank, restricted_means
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result

__all__ = [
    "Segment",
    "compare",
    "curves",
    "levels",
    "pairs",
    "points",
    "segments",
]

# How many groups a picture shows: the largest.
_DRAWN = 6
_MOST_PAIRS = 15
_POINTS = 120
# The groups whose mean lifetimes are compared hold this share of the customers.
_MOST = 0.8


@dataclass(frozen=True)
class Segment:
    """The groups of one attribute that can be compared.

    Parameters
    ----------
    attribute : str
        Its name.
    levels : tuple of str
        The groups compared.
    withheld : tuple of str
        The groups too small, or followed too late, to be shown.
    lives : Lifetimes
        Of the groups compared, from a tenure on at which all of them are followed; only
        voluntary ends count.
    group : ndarray of int
        Each one's place among the levels.
    customers : tuple of int
        How many each group has.
    start, until : float
        Tenures between which mean lifetimes are taken; ``until`` is NaN where no two groups
        are followed to one of the marks.
    mean, covariance : ndarray
        The mean lifetimes; NaN for a group that is not followed far enough.
    """

    attribute: str
    levels: tuple[str, ...]
    withheld: tuple[str, ...]
    lives: Lifetimes
    group: np.ndarray
    customers: tuple[int, ...]
    start: float
    until: float
    mean: np.ndarray
    covariance: np.ndarray

    def of(self, place: int) -> Lifetimes:
        """Give the lifetimes of one group."""
        return self.lives.where(self.group == place)

    def difference(self, a: int, b: int) -> tuple[float, float, float]:
        """Give how much longer one group stays than another, on average.

        The interval is widened so that those of all pairs hold together (Bonferroni).
        """
        pairs = max(len(self.levels) * (len(self.levels) - 1) // 2, 1)
        z = -special.ndtri((1 - LEVEL) / 2 / pairs)
        gap = self.mean[a] - self.mean[b]
        width = z * self._error(a, b)
        return float(gap), float(gap - width), float(gap + width)

    def p_mean(self, a: int, b: int) -> float:
        """Test whether two groups stay equally long on average (Wald, not corrected)."""
        error = self._error(a, b)
        if not error > 0:
            return float("nan")
        return float(wald_p(self.mean[a] - self.mean[b], np.array(error)))

    def _error(self, a: int, b: int) -> float:
        c = self.covariance
        return float(np.sqrt(max(c[a, a] + c[b, b] - 2 * c[a, b], 0.0)))


def compare(seen: Seen, name: str, start: float, until: float, least: int) -> Segment | str:
    """Gather the groups of an attribute, or say why they cannot be compared.

    Parameters
    ----------
    seen : Seen
        The lifetimes.
    name : str
        The attribute.
    start, until : float
        Tenures between which all customers together are followed, and averaged.
    least : int
        Smaller groups are withheld.
    """
    found = groups(seen.attributes[name], seen.lives.exit)
    if isinstance(found, str):
        return found
    code, names = found
    voluntary = seen.lives.ended_by(LEFT)
    pairs = np.unique(np.column_stack([code, seen.lives.customer]), axis=0)
    customers = np.bincount(pairs[:, 0], minlength=len(names))
    begins = np.full(len(names), np.inf)
    for place in np.flatnonzero(customers >= least):
        if span := stretch(voluntary.where(code == place), least):
            begins[place] = span[0]
    # A group seen late alone would move the start of all the others.
    kept = np.flatnonzero(begins <= start + seen.scale.marks[0])
    if len(kept) < 2:
        return f"fewer than two groups of {least} customers that are followed from the start"
    start = max(start, float(begins[kept].max()))
    place_of = np.full(len(names), -1)
    place_of[kept] = np.arange(len(kept))
    inside = (place_of[code] >= 0) & ((voluntary.exit > start) | (start == 0))
    lives = voluntary.where(inside)
    if start > 0:
        lives = lives.since(start)
    group = place_of[code[inside]]
    mark, reached = _mark(seen, lives, group, (start, until))
    mean, covariance = restricted_means(lives, group, start, mark)
    mean[~reached] = np.nan
    return Segment(
        name,
        tuple(names[k] for k in kept),
        tuple(n for k, n in enumerate(names) if k not in kept),
        lives,
        group,
        tuple(int(customers[k]) for k in kept),
        start,
        mark,
        mean,
        covariance,
    )


def _mark(
    seen: Seen, lives: Lifetimes, group: np.ndarray, span: tuple[float, float]
) -> tuple[float, np.ndarray]:
    """Find the last mark to which groups with most of the customers are followed.

    A group is followed as long as one of it is at risk or all have left: a mean lifetime can
    be taken up to then (Royston and Parmar 2013).
    """
    marks = np.array(sorted({m for m in {*seen.scale.marks, span[1]} if span[0] < m <= span[1]}))
    sizes = np.bincount(group)
    own = [lives.where(group == g) for g in range(len(sizes))]
    known = np.array([(g.at_risk(marks) > 0) | (Curve(g).share(marks) == 0) for g in own])
    for m in np.arange(len(marks))[::-1]:
        there = known[:, m]
        if there.sum() > 1 and sizes[there].sum() >= _MOST * len(group):
            return float(marks[m]), there
    return np.nan, np.zeros(len(sizes), dtype=bool)


def segments(compared: Mapping[str, Segment], per: str) -> Result:
    """Test each attribute's groups, corrected for the number of attributes.

    Parameters
    ----------
    compared : mapping of str to Segment
        Each attribute that can be compared.
    per : str
        The unit of tenure.
    """
    rows = []
    for name, segment in compared.items():
        test = log_rank(segment.lives, segment.group)
        order = np.argsort(segment.mean)[: int(np.isfinite(segment.mean).sum())]
        told: tuple[object, ...] = (None, None, np.nan, np.nan, np.nan)
        if len(order) > 1:
            last, first = order[-1], order[0]
            longest, shortest = segment.levels[last], segment.levels[first]
            told = (longest, shortest, *segment.difference(last, first))
        n = sum(segment.customers)
        rows.append((name, *told, test.p_value, n, len(segment.levels), segment.until,
                     test.statistic, test.df))  # fmt: skip
    columns = ["term", "stays longest", "stays shortest", "estimate", "conf_low", "conf_high",
               "p_value", "n", "groups", "until", "chi_square", "df"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    # A p-value may be too small for its number: the statistic then orders.
    table = table.sort_values(["p_value", "chi_square"], ascending=[True, False])
    clear = int((table["p_holm"] < ALPHA).sum())
    sentence = (
        f"{clear} of {len(table)} attributes tell customers apart who leave sooner from those who "
        f"leave later. The estimate is the difference in mean {per} stayed, up to the tenure "
        f"named, between the group that stays longest and the one that stays shortest."
    )
    if table.empty:
        sentence = "There is no attribute whose groups can be compared."
    return Result("segments", table.reset_index(drop=True), sentence=sentence)


def levels(segment: Segment) -> Result:
    """Show each group of an attribute: how many stay, for how long, half of them until when.

    Parameters
    ----------
    segment : Segment
        The attribute.
    """
    rows = []
    for place, name in enumerate(segment.levels):
        lives = segment.of(place)
        curve = Curve(lives)
        at = curve.at(np.array([segment.until])).iloc[0]
        median = [v if np.isfinite(v) else np.nan for v in curve.median()]
        known = np.isfinite(segment.mean[place])
        stays = [at["estimate"], at["conf_low"], at["conf_high"]] if known else [np.nan] * 3
        mean, width = segment.mean[place], Z * np.sqrt(segment.covariance[place, place])
        rows.append(
            (name, *stays, np.nan, segment.customers[place], int((lives.cause > 0).sum()),
             *median, mean, mean - width, mean + width)
        )  # fmt: skip
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "left",
               "median", "median_low", "median_high", "mean", "mean_low", "mean_high"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns).sort_values("mean", na_position="last")
    return Result("levels", table.reset_index(drop=True))


def pairs(segment: Segment) -> Result:
    """Compare the groups of an attribute two by two, corrected for their number.

    ``p_value`` and ``p_holm`` are of the curves (log-rank), ``p_mean`` and ``p_mean_holm`` of
    the mean lifetimes, whose difference is the estimate.

    Parameters
    ----------
    segment : Segment
        The attribute.
    """
    rows = []
    for a, b in combinations(range(len(segment.levels)), 2):
        both = (segment.group == a) | (segment.group == b)
        test = log_rank(segment.lives.where(both), (segment.group[both] == b).astype(int))
        gap = segment.difference(a, b)
        a_, b_ = (b, a) if gap[0] < 0 else (a, b)
        n = segment.customers[a] + segment.customers[b]
        rows.append((segment.levels[a_], segment.levels[b_], *segment.difference(a_, b_),
                     test.p_value, n, test.statistic, segment.p_mean(a, b)))  # fmt: skip
    columns = ["longer", "shorter", "estimate", "conf_low", "conf_high", "p_value", "n",
               "chi_square", "p_mean"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p_value"].to_numpy())
    table["p_mean_holm"] = holm(table["p_mean"].to_numpy(float))
    table = table.sort_values(["p_value", "chi_square"], ascending=[True, False])
    told = int((table["p_holm"] < ALPHA).sum())
    sentence = f"{told} of {len(table)} pairs of groups can be told apart."
    if len(table) > _MOST_PAIRS:
        sentence += f" The {_MOST_PAIRS} clearest are shown."
    shown = table.head(_MOST_PAIRS).reset_index(drop=True)
    shown.insert(0, "term", shown["longer"] + " against " + shown["shorter"])
    return Result("pairs", shown, sentence=sentence)


def curves(segment: Segment, ticks: np.ndarray, least: int) -> Result:
    """Follow the largest groups of an attribute.

    Parameters
    ----------
    segment : Segment
        The attribute.
    ticks : ndarray
        Of the axis.
    least : int
        A curve ends where fewer are at risk.
    """
    largest = np.sort(np.argsort(segment.customers)[::-1][:_DRAWN])
    parts = []
    for place in largest:
        lives = segment.of(int(place))
        span = stretch(lives, least)
        end = span[1] if span else segment.start
        at = points(lives, (segment.start, end), ticks, _POINTS)
        parts.append(Curve(lives).at(at).assign(term=segment.levels[place]))
    table = pd.concat(parts, ignore_index=True).drop(columns="se").assign(p_value=np.nan)
    columns = ["term", "tenure", "estimate", "conf_low", "conf_high", "p_value", "n"]
    return Result("segment_curves", table[columns])


def points(lives: Lifetimes, span: tuple[float, float], ticks: np.ndarray, most: int) -> np.ndarray:
    """Give the tenures at which to read a curve: its steps, or even points where they are many.

    Parameters
    ----------
    lives : Lifetimes
        The spells.
    span : tuple of float
        Where the curve begins and ends, both among the points.
    ticks : ndarray
        Of the axis; those between are among the points.
    most : int
        How many points.
    """
    start, end = span
    steps = np.unique(lives.exit[lives.cause > 0])
    steps = steps[(steps > start) & (steps < end)]
    if len(steps) > most:
        steps = np.linspace(start, end, most + 1)
    inside = ticks[(ticks > start) & (ticks < end)]
    return np.unique(np.concatenate([[start], steps, inside, [end]]))
