"""From ratings to the columns of a model: what is left out, put together, held equal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.frames.people import NOT_GIVEN
from cxlab.frames.ratings import Rating, Ratings
from cxlab.models.importance import clusters
from cxlab.results import counted, listed

__all__ = [
    "ALIKE",
    "CARRIED",
    "FEWEST",
    "PER_RATING",
    "Driver",
    "Study",
    "groups",
    "held",
    "prepare",
    "unmet",
]

ALIKE = 0.8
"""Ratings that all correlate with each other at this or above are one driver."""
FEWEST = 30
"""A rating that fewer customers gave is not put into the model."""
CARRIED = 10.0
"""A slope that fewer customers carry is not told: five who agree by chance look like proof."""
PER_RATING = 5
"""So many customers a driver are needed for a model of all of them."""
_JOINT = 20
# An attribute that tells a rating so well is that rating once more.
_SAME = 0.95


@dataclass(frozen=True)
class Driver:
    """What has one share: a rating, or several that go together.

    Parameters
    ----------
    name : str
        For readers.
    members : tuple of Rating
        One, or those put together.
    """

    name: str
    members: tuple[Rating, ...]

    @property
    def scale(self) -> tuple[float, float]:
        """The ends of its scale: that of its first rating."""
        return self.members[0].scale


@dataclass(frozen=True)
class Study:
    """What is modelled.

    Parameters
    ----------
    x : ndarray, shape (n, drivers)
        Higher is better; NaN where not rated.
    y : ndarray, shape (n,)
        The overall score.
    who : ndarray of int, shape (n,)
        The customers, numbered from 0.
    drivers : tuple of Driver
    overall : Rating
    missing : str
        ``imputed``, ``pairwise``, ``complete`` or ``apart`` (not rated is a state of its own).
    source : Ratings
        Where all comes from.
    left_out : dict
        Ratings that are not told, and why.
    """

    x: np.ndarray
    y: np.ndarray
    who: np.ndarray
    drivers: tuple[Driver, ...]
    overall: Rating
    missing: str
    source: Ratings
    left_out: dict[str, str]

    @property
    def customers(self) -> int:
        """How many customers."""
        return int(self.who.max()) + 1 if len(self.who) else 0

    @property
    def raters(self) -> np.ndarray:
        """How many customers rated each driver, shape (drivers,)."""
        return _raters(self.x, self.who)

    @property
    def modelled(self) -> int:
        """How many customers a model of all drivers rests on."""
        complete = self.missing == "complete"
        return len(np.unique(self.who[self.whole])) if complete else self.customers

    @property
    def enough(self) -> bool:
        """Whether they are enough for it."""
        return self.modelled >= PER_RATING * (len(self.drivers) + 1)

    @property
    def whole(self) -> np.ndarray:
        """Which responses have all ratings."""
        return np.asarray(np.isfinite(self.x).all(axis=1))


def prepare(source: Ratings, missing: str, least: int) -> Study | str:
    """Choose and put together the ratings; or say why there is nothing to tell.

    Parameters
    ----------
    source : Ratings
        The answers side by side.
    missing : str
        As in :class:`Study`, or ``auto``.
    least : int
        The fewest customers that are shown.
    """
    y, who = source.rows["overall"].to_numpy(float), source.rows["who"].to_numpy(int)
    if len(np.unique(who)) < least:
        return f"fewer than {counted(least, 'customer')} gave an overall score and a rating"
    if np.ptp(y) == 0:
        return f"everybody gave the same {source.overall.name}: there is nothing to explain"
    left_out = dict(source.left_out)
    kept = []
    raters = _raters(source.given, who)
    for j, rating in enumerate(source.ratings):
        mine = source.given[:, j]
        mine = mine[np.isfinite(mine)]
        fewest = max(least, FEWEST)
        if raters[j] < fewest:
            left_out[rating.name] = f"rated by fewer than {counted(fewest, 'customer')}"
        elif np.ptp(mine) == 0:
            left_out[rating.name] = "always rated the same"
        else:
            kept.append(j)
    if not kept:
        return "no rating was given by enough customers, or differs between them"
    x, each = source.given[:, kept], [source.ratings[j] for j in kept]
    x, drivers = _together(x, each)
    if missing == "auto":
        missing = "apart" if source.linked else "imputed"
    if missing in ("imputed", "pairwise") and unmet(x):
        missing = "apart"
    return Study(x, y, who, drivers, source.overall, missing, source, left_out)


def unmet(x: np.ndarray) -> list[tuple[int, int]]:
    """Give the pairs of ratings that too few responses hold both of.

    How these go together the data do not say: drawn or reckoned without that, they explain
    whatever the draw makes of it.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        NaN where not rated.
    """
    given = np.isfinite(x).astype(float)
    few = np.argwhere(np.triu(given.T @ given < _JOINT, 1))
    return [(int(i), int(j)) for i, j in few]


def _raters(x: np.ndarray, who: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(who[np.isfinite(x[:, j])])) for j in range(x.shape[1])])


def _together(x: np.ndarray, each: Sequence[Rating]) -> tuple[np.ndarray, tuple[Driver, ...]]:
    """Take the mean of ratings that go together, on the scale of the first."""
    columns, drivers = [], []
    for group in clusters(_alike(x), ALIKE):
        members = tuple(each[j] for j in group)
        low, high = members[0].scale
        scaled = []
        for j, rating in zip(group, members, strict=True):
            one, other = rating.scale
            scaled.append(low + (x[:, j] - one) / (other - one) * (high - low))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a row without any of them
            columns.append(np.nanmean(scaled, axis=0))
        drivers.append(Driver(listed([m.name for m in members], 3), members))
    return np.column_stack(columns), tuple(drivers)


def _alike(x: np.ndarray) -> np.ndarray:
    """Correlate ratings with each other; NaN where too few gave both."""
    frame = pd.DataFrame(x)
    made = frame.corr(min_periods=_JOINT).to_numpy()
    return np.asarray(made)


def groups(study: Study) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give the groups that attributes put customers into.

    An attribute that tells the overall score or a rating nearly in full is left out: it is that
    score once more.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    dict
        Attribute -> its levels, and each row's place among them.
    """
    found = {}
    targets = np.column_stack([study.y, study.x])
    for name in study.source.groups:
        level = study.source.groups[name].fillna(NOT_GIVEN).to_numpy(str)
        values, place = np.unique(level, return_inverse=True)
        if len(values) > 1 and all(_tells(place, t) <= _SAME for t in targets.T):
            found[str(name)] = values, place
    return found


def held(study: Study) -> tuple[np.ndarray, tuple[str, ...]]:
    """Give columns of the customers' attributes, to hold them equal.

    Parameters
    ----------
    study : Study
        The study.

    Returns
    -------
    columns : ndarray, shape (n, k)
        One a level, but for the most frequent of each attribute.
    names : tuple of str
        The attributes.
    """
    columns = [np.zeros((len(study.y), 0))]
    told = groups(study)
    for values, place in told.values():
        order = np.argsort(-np.bincount(place))
        columns.append(np.eye(len(values))[place][:, order[1:]])
    return np.hstack(columns), tuple(told)


def _tells(place: np.ndarray, target: np.ndarray) -> float:
    """Give the share of a column's variance that lies between groups."""
    some = np.isfinite(target)
    place, target = place[some], target[some]
    mean = np.bincount(place, target) / np.maximum(np.bincount(place), 1)
    total = float(((target - target.mean()) ** 2).sum())
    return 1 - float(((target - mean[place]) ** 2).sum()) / total if total > 0 else 0.0
