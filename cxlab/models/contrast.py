"""The driver model: bad contacts against ordinary ones at the same touchpoint and age.

The linear predictor of the hazard holds, for each touchpoint, the decayed sum of all its
contacts and that of its bad (good, unknown) ones. The coefficient of the bad sum is the
contrast. Touchpoints that follow the decision to leave are found first and kept out of the
model of the others; the half-life is chosen by profile likelihood. See METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from cxlab.models.hazard import HazardFit, fit_hazard, independent_columns
from cxlab.models.intervals import Z

__all__ = [
    "HALF_LIVES",
    "Contrasts",
    "HalfLife",
    "Rows",
    "fit_contrasts",
    "follows_decision",
    "profile_half_life",
    "split_by_age",
]

HALF_LIVES = (7.0, 14.0, 28.0, 56.0, 112.0)

# A contrast needs this many exposed churns and base rows to be in the model at all.
_LEAST_CASES, _LEAST_BASE = 3, 5
# One exposure column for so many churns.
_EVENTS_PER_COLUMN = 5
# When a contact effect is recent only: the touchpoint follows the decision (METHODS.md).
_RECENT_Z, _OLD_SHARE, _DROP_Z = 4.0, 0.5, 3.0

# A prior of standard deviation 10 on columns scaled to one: nothing beside a hundred churns,
# but an estimate where a column separates those who left.
_RIDGE = 0.01
# The classes whose contrast is asked for; the others only say who comes into contact.
_JUDGED = ("bad", "good")

Place = tuple[str, int]
Sums = Mapping[str, np.ndarray]  # class -> array of shape (rows, touchpoints)


@dataclass(frozen=True)
class Rows:
    """What the model is fitted on, besides the exposures.

    Parameters
    ----------
    event : ndarray, shape (n,)
        0 or 1.
    controls : ndarray, shape (n, q)
        What is adjusted for, the constant first.
    clusters : ndarray of int, shape (n,)
        The customer of each row.
    offset : float
        Of the linear predictor.
    link : str
        See :func:`cxlab.models.hazard.fit_hazard`.
    """

    event: np.ndarray
    controls: np.ndarray
    clusters: np.ndarray
    offset: float
    link: str

    def with_controls(self, *columns: np.ndarray) -> Rows:
        """Give the rows with further columns adjusted for."""
        controls = np.hstack([self.controls, *columns])
        return Rows(self.event, controls, self.clusters, self.offset, self.link)

    def fit(self, columns: np.ndarray, start: np.ndarray | None = None) -> _Fitted:
        """Fit controls and columns; columns that add nothing of their own get NaN.

        Parameters
        ----------
        columns : ndarray, shape (n, p)
            The exposures.
        start : ndarray, optional
            Where to start from, in the order of the columns; zeros follow where it is short.
        """
        x = np.hstack([self.controls, columns])
        keep = independent_columns(x)
        if start is not None:
            start = np.append(np.nan_to_num(start), np.zeros(x.shape[1] - len(start)))
        fit = fit_hazard(
            x if keep.all() else x[:, keep],
            self.event,
            offset=self.offset,
            link=self.link,
            clusters=self.clusters,
            start=None if start is None else start[keep],
            ridge=_RIDGE,
        )
        coef = np.full(x.shape[1], np.nan)
        coef[keep] = fit.coef
        return _Fitted(coef, keep, self.controls.shape[1], fit)


@dataclass(frozen=True)
class _Fitted:
    coef: np.ndarray
    keep: np.ndarray
    skip: int
    fit: HazardFit

    @property
    def exposure_coef(self) -> np.ndarray:
        return self.coef[self.skip :]

    @cached_property
    def exposure_covariance(self) -> np.ndarray:
        covariance = np.full((len(self.coef), len(self.coef)), np.nan)
        covariance[np.ix_(self.keep, self.keep)] = self.fit.covariance
        return covariance[self.skip :, self.skip :]

    @property
    def exposure_se(self) -> np.ndarray:
        return np.sqrt(np.diag(self.exposure_covariance))


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


def follows_decision(rows: Rows, recent: np.ndarray, older: np.ndarray) -> np.ndarray:
    """Tell which touchpoints customers contact because they have decided to leave.

    Their contact effect is recent only: exposures capped at 1, recent z above 4, older less
    than half of it, and the difference z above 3.

    Parameters
    ----------
    rows : Rows
        The rows.
    recent, older : ndarray, shape (n, touchpoints)
        Decayed contacts of the last 14 days, and those before.

    Returns
    -------
    ndarray of bool, shape (touchpoints,)
    """
    count = recent.shape[1]
    both = np.hstack([np.minimum(recent, 1.0), np.minimum(older, 1.0)])
    usable = _exposed_enough(both, rows.event)
    # A page that nobody survives has no older visits to compare with: there, none count.
    usable[count:] &= usable[:count]
    found = np.zeros(count, dtype=bool)
    if not usable.any():
        return found
    fitted = rows.fit(both[:, usable])
    coef = np.zeros(2 * count)
    coef[usable] = np.nan_to_num(fitted.exposure_coef)
    covariance = np.zeros((2 * count, 2 * count))
    covariance[np.ix_(usable, usable)] = np.nan_to_num(fitted.exposure_covariance)
    now, before = coef[:count], coef[count:]
    spread = np.diag(covariance)
    joint = np.diag(covariance[:count, count:])
    with np.errstate(invalid="ignore", divide="ignore"):
        z_now = now / np.sqrt(spread[:count])
        z_drop = (now - before) / np.sqrt(spread[:count] + spread[count:] - 2 * joint)
        found = (z_now > _RECENT_Z) & (before < _OLD_SHARE * now) & (z_drop > _DROP_Z)
    return np.asarray(found & usable[:count])


def _exposed_enough(columns: np.ndarray, event: np.ndarray) -> np.ndarray:
    cases = (columns[event == 1] > 0).sum(axis=0)
    base = (columns[event == 0] > 0).sum(axis=0)
    return np.asarray((cases >= _LEAST_CASES) & (base >= _LEAST_BASE))


def profile_half_life(
    rows: Rows, grid: Mapping[float, Sums], places: Sequence[tuple[str, int]]
) -> HalfLife:
    """Choose the half-life by profile likelihood, interpolated between the grid's values.

    The contrasts alone choose it. How often a customer comes into contact tells of who they
    are for much longer than one contact acts; let decay with the rest, those sums would draw
    the half-life to themselves. They are held at a short and a long half-life throughout.

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
    judged = [p for p in places if p[0] in _JUDGED]
    held = [p for p in places if p not in judged] if judged else []
    fixed = [_stack(grid[h], held) for h in (values[1], values[-1])] if held else []
    likelihoods = np.zeros(len(values))

    def follow(path: Sequence[int], start: np.ndarray | None) -> np.ndarray:
        coef = np.zeros(0)
        for i in path:
            moving = _stack(grid[values[i]], judged or places)
            fitted = rows.fit(np.hstack([*fixed, moving]), start)
            start = coef = fitted.coef
            likelihoods[i] = fitted.fit.log_likelihood
        return coef

    # From the middle both ways at once, each fit starting where its neighbour ended.
    middle = len(values) // 2
    begun = follow([middle], None)
    paths = [range(middle - 1, -1, -1), range(middle + 1, len(values))]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda path: follow(path, begun), paths))
    profile = pd.DataFrame({"half_life": values, "log_likelihood": likelihoods})
    x, y = np.log(values), likelihoods
    fine = np.linspace(x[0], x[-1], 401)
    curve = _smooth(x, y, fine)
    best = fine[np.argmax(curve)]
    inside = fine[curve >= curve.max() - Z**2 / 2]
    return HalfLife(
        days=float(np.exp(best)),
        conf_low=float(np.exp(inside[0])),
        conf_high=float(np.exp(inside[-1])),
        profile=profile,
        chosen=True,
    )


def _smooth(x: np.ndarray, y: np.ndarray, fine: np.ndarray) -> np.ndarray:
    from scipy.interpolate import PchipInterpolator, make_interp_spline

    # A cubic through five points may swing beyond them where the profile bends sharply.
    curve = np.asarray(make_interp_spline(x, y, k=min(3, len(x) - 1))(fine))
    if curve.max() > y.max() + 0.5 * (y.max() - np.sort(y)[-2]) + 0.5:
        return np.asarray(PchipInterpolator(x, y)(fine))
    return curve


def _stack(sums: Sums, places: Sequence[tuple[str, int]]) -> np.ndarray:
    return np.column_stack([sums[kind][:, k] for kind, k in places])


def choose_places(sums: Sums, event: np.ndarray, allowed: np.ndarray) -> list[tuple[str, int]]:
    """Choose the exposure columns the data can carry: contacts first, then their classes.

    Parameters
    ----------
    sums : mapping
        Class -> exposures, at any half-life.
    event : ndarray
        0 or 1.
    allowed : ndarray of bool, shape (touchpoints,)
        The touchpoints that may be in the model.
    """
    enough = {kind: _exposed_enough(x, event) & allowed for kind, x in sums.items()}
    judged = [kind for kind in sums if kind in _JUDGED]
    cases = sum((sums[k][event == 1] > 0).sum(axis=0) for k in judged or ["all"])
    order = np.argsort(-np.asarray(cases), kind="stable")
    budget = int(event.sum()) // _EVENTS_PER_COLUMN
    chosen: set[tuple[str, int]] = set()
    for k in order:
        wanted = {(kind, int(k)) for kind in sums if enough["all"][k] and enough[kind][k]}
        if len(chosen) + len(wanted) <= budget:
            chosen |= wanted
    ranked = [kind for kind in ("all", "unknown", "bad", "good") if kind in sums]
    return sorted(chosen, key=lambda place: (ranked.index(place[0]), place[1]))


@dataclass(frozen=True)
class Contrasts:
    """Estimates of the model, by class and touchpoint.

    Parameters
    ----------
    coef, se : dict
        ``(class, touchpoint)`` -> log hazard ratio and its robust standard error; NaN for
        columns that could not be told from the others.
    slope_covariance : dict
        ``(class, touchpoint)`` -> its covariance with the log of the half-life.
    slope_variance : float
        Variance of the log of the half-life; 0 where it was given.
    baseline : ndarray, shape (n,)
        The linear predictor, without the offset and the exposures.
    whole : ndarray
        All coefficients, those of the controls first; where other fits start from.
    """

    coef: dict[tuple[str, int], float]
    se: dict[tuple[str, int], float]
    slope_covariance: dict[tuple[str, int], float] = field(repr=False)
    slope_variance: float
    baseline: np.ndarray = field(repr=False)
    whole: np.ndarray = field(repr=False)

    @property
    def columns(self) -> int:
        """Number of coefficients estimated."""
        return int(np.isfinite(self.whole).sum())

    @property
    def controls(self) -> np.ndarray:
        """Coefficients of what was adjusted for."""
        return self.whole[: len(self.whole) - len(self.coef)]

    def z(self, place: tuple[str, int]) -> float:
        """Give the Wald statistic of one contrast."""
        return self.coef[place] / self.se[place]


def fit_contrasts(
    rows: Rows,
    sums: Sums,
    places: Sequence[tuple[str, int]],
    slopes: Sums | None = None,
    start: np.ndarray | None = None,
) -> Contrasts:
    """Fit the model at one half-life.

    The variance holds that of the half-life: the column of what the contrasts would add to
    the linear predictor by a longer one is appended, and the variances are read there.

    Parameters
    ----------
    rows : Rows
        The rows.
    sums : mapping
        Class -> decayed exposures, shape (n, touchpoints).
    places : sequence of (class, touchpoint)
        The columns in the model.
    slopes : mapping, optional
        Class -> derivative of ``sums`` by the log of the half-life; None where that was
        given and not estimated.
    start : ndarray, optional
        Where to start from, as ``whole`` of a fit with the same first columns.
    """
    x = _stack(sums, places)
    fitted = rows.fit(x, start)
    coef = fitted.exposure_coef
    used = np.nan_to_num(coef)
    covariance, count = fitted.exposure_covariance, len(places)
    slope_variance, joint = 0.0, np.zeros(count)
    if slopes is not None:
        judged = np.array([kind in _JUDGED for kind, _ in places])
        gain = _stack(slopes, places) @ np.where(judged, used, 0.0)
        wider = rows.fit(np.column_stack([x, gain]), fitted.coef)
        if np.isfinite(wider.coef[-1]):
            covariance = wider.exposure_covariance[:count, :count]
            slope_variance = float(wider.exposure_covariance[-1, -1])
            joint = wider.exposure_covariance[:count, -1]
    se = np.sqrt(np.diag(covariance))
    return Contrasts(
        coef=dict(zip(places, coef, strict=True)),
        se=dict(zip(places, se, strict=True)),
        slope_covariance=dict(zip(places, joint, strict=True)),
        slope_variance=slope_variance,
        baseline=fitted.fit.eta - rows.offset - x @ used,
        whole=fitted.coef,
    )


@dataclass(frozen=True)
class AgeSplit:
    """Contrasts of recent and of older contacts, and of the two pooled over touchpoints.

    Parameters
    ----------
    recent, old : dict
        ``(class, touchpoint)`` -> (log hazard ratio, standard error).
    drop_z : dict
        ``(class, touchpoint)`` -> z of recent minus old.
    pooled : tuple of (float, float, float)
        Recent and old as a share of the model's estimate, pooled, and z of the old; NaN
        where there was nothing to pool.
    """

    recent: dict[tuple[str, int], tuple[float, float]]
    old: dict[tuple[str, int], tuple[float, float]]
    drop_z: dict[tuple[str, int], float]
    pooled: tuple[float, float, float]

    def untested(self, place: tuple[str, int]) -> bool:
        """Tell whether there are no older contacts to check a contrast against."""
        return not (np.isfinite(self.old[place][0]) and self.old[place][1] > 0)

    def recent_only(self, place: tuple[str, int]) -> bool:
        """Tell whether a contrast is of recent contacts alone."""
        if self.untested(place):
            return True
        now, before = self.recent[place][0], self.old[place][0]
        sign = np.sign(now)
        z_old = sign * before / self.old[place][1]
        return bool(
            abs(now) > 2 * sign * before and sign * self.drop_z[place] > 2 and z_old < 1.645
        )

    @property
    def pooled_recent_only(self) -> bool:
        """Tell whether the would-be drivers together fade as reverse causation does."""
        now, before, z_old = self.pooled
        if not np.isfinite(before):
            return False
        # Without recent contacts there is no reverse causation to fear.
        return bool((np.isfinite(now) and before < 0.5 * now) or z_old < 1.645)


def split_by_age(
    rows: Rows,
    model: Contrasts,
    recent: Sums,
    old: Sums,
    suspects: Sequence[tuple[str, int]],
) -> AgeSplit:
    """Fit the suspects' exposures apart for recent and older contacts.

    Parameters
    ----------
    rows : Rows
        The rows.
    model : Contrasts
        The fitted model.
    recent, old : mapping
        Class -> decayed exposures of contacts up to 14 days old, and of older ones.
    suspects : sequence of (class, touchpoint)
        The contrasts to look at; their contacts are parted too.
    """
    places = list(model.coef)
    parted = set(suspects) | {("all", k) for _, k in suspects}
    whole = [p for p in places if p not in parted]
    order = [p for p in places if p in parted]
    columns, ordered = _parted(model, recent, old, whole, order)
    with ThreadPoolExecutor(1) as pool:
        pooled = pool.submit(_pooled, rows, model, recent, old, suspects)
        fitted = rows.fit(np.column_stack(columns), np.append(model.controls, ordered))
        coef, covariance = fitted.exposure_coef, fitted.exposure_covariance
    first, second = len(whole), len(whole) + len(order)
    now, before, drop = {}, {}, {}
    for i, place in enumerate(order):
        if place not in suspects:
            continue
        a, b = first + i, second + i
        now[place] = float(coef[a]), float(np.sqrt(covariance[a, a]))
        before[place] = float(coef[b]), float(np.sqrt(covariance[b, b]))
        spread = covariance[a, a] + covariance[b, b] - 2 * covariance[a, b]
        drop[place] = float((coef[a] - coef[b]) / np.sqrt(spread))
    return AgeSplit(now, before, drop, pooled.result())


def _parted(
    model: Contrasts, recent: Sums, old: Sums, whole: Sequence[Place], parted: Sequence[Place]
) -> tuple[list[np.ndarray], list[float]]:
    columns = [recent[c][:, k] + old[c][:, k] for c, k in whole]
    columns += [sums[c][:, k] for sums in (recent, old) for c, k in parted]
    return columns, [model.coef[p] for p in (*whole, *parted, *parted)]


def _pooled(
    rows: Rows, model: Contrasts, recent: Sums, old: Sums, suspects: Sequence[tuple[str, int]]
) -> tuple[float, float, float]:
    """Scale the suspects' estimates by one factor when recent and one when old."""
    drivers = [p for p in suspects if model.coef[p] > 0 and old[p[0]][:, p[1]].any()]
    if not drivers:
        return (np.nan, np.nan, np.nan)
    contacts = sorted({("all", k) for _, k in drivers})
    rest = [p for p in model.coef if p not in drivers and p not in contacts]
    weights = np.array([model.coef[p] for p in drivers])
    columns, ordered = _parted(model, recent, old, rest, contacts)
    columns += [_stack(recent, drivers) @ weights, _stack(old, drivers) @ weights]
    start = np.concatenate([model.controls, ordered, [1.0, 1.0]])
    fitted = rows.fit(np.column_stack(columns), start)
    now, before = fitted.exposure_coef[-2:]
    return float(now), float(before), float(before / fitted.exposure_se[-1])
