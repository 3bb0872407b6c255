"""How fast effects fade: half-lives by profile likelihood, one for all or one of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
import pandas as pd

from cxlab.models.contrast import (
    HALF_LIFE_SD,
    JUDGED,
    RIDGE,
    Contrasts,
    Place,
    Rows,
    Sums,
    columns_of,
    side_by_side,
    stack,
)
from cxlab.models.hazard import each, fit_hazard
from cxlab.models.intervals import Z

__all__ = [
    "HALF_LIVES",
    "HalfLife",
    "at_half_life",
    "best_on_grid",
    "held_at",
    "own_half_lives",
    "profile_columns",
    "profile_half_life",
]

HALF_LIVES = (7.0, 14.0, 28.0, 56.0, 112.0)
# The prior's centre, the middle of the grid: what few data cannot tell is not taken for extreme.
USUAL = 28.0
_FINE = 401
_ALPHA = 0.05

_Key = TypeVar("_Key")
_Value = TypeVar("_Value", covariant=True)


@dataclass(frozen=True)
class HalfLife:
    """The half-life, and how it was chosen.

    Parameters
    ----------
    days : float
        The half-life.
    conf_low, conf_high : float
        Its 95% profile interval; NaN where it was given, the grid's end where open.
    profile : pandas.DataFrame
        ``half_life, log_likelihood`` over the grid.
    chosen : bool
        Whether the data chose it.
    """

    days: float
    conf_low: float
    conf_high: float
    profile: pd.DataFrame
    chosen: bool


def profile_half_life(rows: Rows, grid: Mapping[float, Sums], places: Sequence[Place]) -> HalfLife:
    """Choose the half-life by profile likelihood, interpolated between the grid's values.

    Parameters
    ----------
    rows : Rows
        The rows.
    grid : mapping
        Half-life -> the exposures decayed by it.
    places : sequence of (class, touchpoint)
        The columns in the model.
    """
    values = np.array(sorted(grid))
    likelihoods = np.zeros(len(values))

    def at(half_life: float, start: np.ndarray | None) -> tuple[np.ndarray, float]:
        fitted = rows.fit(profile_columns(grid, places, half_life), start)
        return fitted.coef, fitted.fit.log_likelihood

    def follow(path: Sequence[int], start: np.ndarray | None) -> np.ndarray:
        coef = np.zeros(0) if start is None else start
        for i in path:
            coef, likelihoods[i] = at(values[i], start)
            start = coef
        return coef

    # From the middle both ways at once, each fit starting where its neighbour ended.
    middle = len(values) // 2
    begun = follow([middle], None)
    paths = [range(middle - 1, -1, -1), range(middle + 1, len(values))]
    with ThreadPoolExecutor(rows.at_once) as pool:
        list(pool.map(lambda path: follow(path, begun), paths))
    return _told(values, likelihoods)


def profile_columns(
    grid: Mapping[float, Sums], places: Sequence[Place], half_life: float
) -> list[np.ndarray]:
    """Give the exposures by which one half-life of the grid is judged.

    The contrasts alone choose it. How often a customer comes into contact tells of who they
    are for much longer than one contact acts; let decay with the rest, those sums would draw
    the half-life to themselves. They are held at a short and a long half-life throughout.

    Parameters
    ----------
    grid : mapping
        Half-life -> the exposures decayed by it.
    places : sequence of (class, touchpoint)
        The columns in the model.
    half_life : float
        One of the grid's.

    Returns
    -------
    list of ndarray, shape (n, some)
    """
    values = sorted(grid)
    judged = [p for p in places if p[0] in JUDGED]
    held = [p for p in places if p not in judged] if judged else []
    fixed = [column for h in (values[1], values[-1]) for column in columns_of(grid[h], held)]
    return [*fixed, *columns_of(grid[half_life], judged or places)]


def _told(values: np.ndarray, likelihoods: np.ndarray) -> HalfLife:
    """Read the half-life and its interval from a profile over the grid."""
    best, fine, curve = best_on_grid(values, likelihoods)
    inside = fine[curve >= curve.max() - Z**2 / 2]
    profile = pd.DataFrame({"half_life": values, "log_likelihood": likelihoods})
    return HalfLife(best, float(inside[0]), float(inside[-1]), profile, chosen=True)


def best_on_grid(
    values: np.ndarray, likelihoods: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Interpolate a profile by a cubic in the logarithm of the half-life, and weigh in the prior.

    Where data tell little of it, the likelihood alone is highest at one of the grid's ends, and
    effects of fresh contacts come out of any size. The logarithm of the half-life is taken to be
    normal about that of 28 days, 95% of it within the grid.

    Parameters
    ----------
    values, likelihoods : ndarray, shape (grid,)
        Half-lives, ascending, and the log likelihood at each.

    Returns
    -------
    best : float
        The mean half-life under the curve: steadier than where it is highest, and as effects of
        fresh contacts fall with the half-life, the highest point would make them too large.
    fine, curve : ndarray
        Half-lives between the grid's ends, and the curve there, the prior included.
    """
    x, y = np.log(values), likelihoods
    fine = np.linspace(x[0], x[-1], _FINE)
    curve = _cubic(x, fine) @ y
    # A cubic through five points may swing beyond them where the profile bends sharply: there, a
    # parabola through the best three, and straight lines elsewhere.
    if curve.max() > y.max() + 0.5 * (y.max() - np.sort(y)[-2]) + 0.5:
        top = int(np.argmax(y))
        if 0 < top < len(x) - 1:
            curve = np.interp(fine, x, y)
            near = (fine >= x[top - 1]) & (fine <= x[top + 1])
            parabola = np.polyfit(x[top - 1 : top + 2], y[top - 1 : top + 2], 2)
            curve[near] = np.polyval(parabola, fine[near])
        else:
            from scipy.interpolate import PchipInterpolator  # here: it is slow to load

            curve = np.asarray(PchipInterpolator(x, y)(fine))
    # The logarithm and its inverse must not move a half-life that is the grid's own.
    days = np.exp(fine)
    days[[0, -1]] = values[[0, -1]]
    curve = curve + _log_prior(days)
    weight = np.exp(curve - curve.max())
    return float(weight @ days / weight.sum()), days, curve


def at_half_life(values: np.ndarray, grid: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Read figures known at each half-life of a grid at one half-life a replicate.

    Parameters
    ----------
    values : ndarray, shape (replicates, grid, ...)
        The figures.
    grid : ndarray, shape (grid,)
        Half-lives, ascending.
    days : ndarray, shape (replicates,)
        The half-life of each replicate.

    Returns
    -------
    ndarray, shape (replicates, ...)
        By a cubic in the logarithm of the half-life.
    """
    shares = _cubic(np.log(grid), np.log(days))
    return np.asarray(np.einsum("rg,rg...->r...", shares, values))


def _cubic(grid: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Give what a cubic spline through values at a grid takes of each of them, shape (at, grid).

    With no knot at the second point and the last but one, as SciPy's, which takes long to load.
    """
    degree, knots = min(3, len(grid) - 1), grid[2:-2]

    def terms(x: np.ndarray) -> np.ndarray:
        beyond = np.maximum(x[:, None] - knots, 0.0)
        return np.hstack([np.vander(x - grid.mean(), degree + 1), beyond**3])

    return np.asarray(np.linalg.solve(terms(grid).T, terms(at).T).T)


def _log_prior(days: np.ndarray) -> np.ndarray:
    return np.asarray(-np.square(np.log(days / USUAL) / HALF_LIFE_SD) / 2)


def own_half_lives(
    rows: Rows,
    model: Contrasts,
    grid: Mapping[float, Sums],
    common: Sums,
    suspects: Sequence[int],
) -> dict[int, HalfLife]:
    """Find touchpoints whose effect fades at a pace of its own, where the data can tell.

    For each, its own columns are fitted again over the grid, among the rows that met it, while
    all else but the level stays at the model's estimates, so that the gain in likelihood is
    a little too small rather than too large. It must pass a likelihood-ratio test of one
    degree of freedom at 5%, divided by the number of touchpoints looked at (Bonferroni).

    Parameters
    ----------
    rows : Rows
        The rows.
    model : Contrasts
        Fitted with one half-life for all.
    grid : mapping
        Half-life -> the exposures decayed by it.
    common : mapping
        The exposures at the half-life for all.
    suspects : sequence of int
        The touchpoints to look at.

    Returns
    -------
    dict
        Touchpoint -> its half-life, of those that pass.
    """
    values = np.array(sorted(grid))
    places = list(model.coef)
    coef = np.nan_to_num(list(model.coef.values()))
    eta = rows.offset + model.baseline + stack(common, places) @ coef
    needed = NormalDist().inv_cdf(_ALPHA / max(len(suspects), 1) / 2) ** 2 / 2

    def look(k: int) -> HalfLife | None:
        mine = [i for i, p in enumerate(places) if p[1] == k and np.isfinite(model.coef[p])]
        at = [places[i] for i in mine]
        met = np.flatnonzero(common["all"][:, k] > 0)
        part = _met(common, at, met)
        rest, event = eta[met] - part @ coef[mine], rows.event[met]
        usual, start = _likelihood(rows, part, event, rest, None)
        curve = np.zeros(len(values))
        for i, h in enumerate(values):
            curve[i], start = _likelihood(rows, _met(grid[h], at, met), event, rest, start)
        best, days, weighed = best_on_grid(values, curve)
        gain = np.interp(best, days, weighed - _log_prior(days)) - usual
        return _told(values, curve) if gain > needed else None

    looked = dict(zip(suspects, each(look, suspects, rows.controls.size), strict=True))
    return {k: found for k, found in looked.items() if found is not None}


def held_at(
    grid: Mapping[float, Sums], sums: Sums, touchpoints: Sequence[int]
) -> Mapping[float, Sums]:
    """Give the grid with some touchpoints' exposures held at others throughout.

    They are put together when they are asked for, as all at once would be as large as the grid.

    Parameters
    ----------
    grid : mapping
        Half-life -> the exposures decayed by it.
    sums : mapping
        Class -> the exposures to hold, shape (n, touchpoints).
    touchpoints : sequence of int
        Those to hold.
    """
    if not touchpoints:
        return grid
    at = np.isin(np.arange(next(iter(sums.values())).shape[1]), list(touchpoints))

    def held(half_life: float) -> Sums:
        moving = grid[half_life]
        return _Made(moving, lambda kind: np.where(at, sums[kind], moving[kind]))

    return _Made(grid, held)


class _Made(Mapping[_Key, _Value]):
    """What a function makes of each of some keys, made anew whenever it is asked for."""

    def __init__(self, keys: Collection[_Key], make: Callable[[_Key], _Value]) -> None:
        self._keys, self._make = keys, make

    def __getitem__(self, key: _Key) -> _Value:
        return self._make(key)

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _met(sums: Sums, places: Sequence[Place], met: np.ndarray) -> np.ndarray:
    return side_by_side([column[met] for column in columns_of(sums, places)])


def _likelihood(
    rows: Rows, x: np.ndarray, event: np.ndarray, rest: np.ndarray, start: np.ndarray | None
) -> tuple[float, np.ndarray]:
    # The level is free: at a wrong half-life it had made up for part of the exposure.
    x = side_by_side([np.ones(len(x)), x])
    link = rows.link
    fit = fit_hazard(x, event, offset=rest, link=link, start=start, ridge=RIDGE, overwrite=True)
    return fit.log_likelihood, fit.coef
