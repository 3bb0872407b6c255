"""Customers drawn anew: how sure the ranks are, and what attributable churn may be.

Each replicate weights the customers, finds anew which touchpoints follow the decision to
leave, chooses the half-lives anew and moves the estimates by one Newton step.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.analyses.churn_drivers.figures import Window, counted, window_of
from cxlab.analyses.churn_drivers.study import Model, Place, Study, hold
from cxlab.frames.exposures import Kernel
from cxlab.models import contrast, resample
from cxlab.models.half_life import at_half_life, best_on_grid, held_at, profile_columns
from cxlab.models.intervals import LEVEL
from cxlab.results import Result

__all__ = ["Replicates", "ranks", "replicated", "replicates"]

# Sets of separated touchpoints that fewer replicates find are taken for the nearest other.
_LEAST_SHARE, _MOST_SETS = 0.02, 4
# A driver costs more than another if it does in this share of the replicates.
_SURE = 0.95


@dataclass(frozen=True)
class Replicates:
    """Attributable churn in each replicate.

    Parameters
    ----------
    customers, value : ndarray, shape (replicates, rows)
        By row of the driver table, in customers and in money; NaN where a row is not counted.
    half_life : ndarray, shape (replicates,)
        The half-life for all, as chosen anew; empty where it was given.
    """

    customers: np.ndarray
    value: np.ndarray
    half_life: np.ndarray


def replicates(study: Study, model: Model, table: pd.DataFrame) -> Replicates:
    """Draw customers anew.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table, with places and verdicts.
    """
    count, window = study.options.replicates, window_of(study)
    customers = int(study.plain.clusters.max()) + 1
    weights = resample.Draws(customers, count, study.options.seed)
    empty = np.full((count, len(table)), np.nan)
    found = Replicates(empty, empty.copy(), np.zeros(count))
    wanted = {row.place: i for i, row in enumerate(table.itertuples()) if counted(row)}
    if not len(window.rows) or not wanted:
        return found
    churns = _churn_exposures(study, model, window)
    recent, older = (study.grid[kernel, "all"] for kernel in ("recent", "older"))
    separated = model.separation.replicates(study.plain, recent, older, weights) | study.exits
    worlds = [
        _World(study, model, window, chosen, at, weights.only(at), churns)
        for chosen, at in _sets(separated, model.separated)
    ]
    fits = [fit for world in worlds for fit in world.fits()]
    with ThreadPoolExecutor(study.plain.at_once) as pool:
        done = pool.map(lambda fit: fit.run(), fits)
        bar = tqdm(done, "drawing customers anew", len(fits), unit="fit", leave=False, disable=None)
        for _ in bar:
            pass
    for world in worlds:
        for place, (customers_, value) in world.costs(wanted).items():
            found.customers[world.at, wanted[place]] = customers_
            found.value[world.at, wanted[place]] = value
        found.half_life[world.at] = world.chosen_days()
    return found


def _churn_exposures(
    study: Study, model: Model, window: Window
) -> dict[tuple[float, str], np.ndarray]:
    """Measure the window's churns at all half-lives: (half-life, class) -> exposures."""
    days = {*study.half_lives, *model.days.tolist()}
    kernels = {repr(h): Kernel(h) for h in sorted(days)}
    # The effect is there from the contact on, so the washout does not hold here.
    measured = study.measure(kernels, window.rows, 0.0)
    return {(h, c): measured[repr(h), c] for h in days for c in study.classes}


def _sets(separated: np.ndarray, base: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Group replicates by the touchpoints found to follow the decision, the usual set first."""
    kinds, which, sizes = np.unique(
        np.vstack([base, separated]), axis=0, return_inverse=True, return_counts=True
    )
    which = which.ravel()
    often = [k for k in np.argsort(-sizes, kind="stable") if sizes[k] >= _LEAST_SHARE * len(which)]
    kept = list(dict.fromkeys([which[0], *often]))[:_MOST_SETS]
    apart = (kinds[which[1:], None, :] != kinds[None, kept, :]).sum(axis=2)
    nearest = apart.argmin(axis=1)
    groups = ((kinds[k], np.flatnonzero(nearest == i)) for i, k in enumerate(kept))
    return [(chosen, at) for chosen, at in groups if len(at)]


@dataclass
class _Fit:
    """One fit and its replicates; ``run`` fills in what is asked for."""

    rows: contrast.Rows
    columns: Callable[[], list[np.ndarray]]
    weights: resample.Draws
    position: np.ndarray
    precision: np.ndarray | None
    coef: np.ndarray = field(init=False)
    log_likelihood: np.ndarray = field(init=False)
    central: np.ndarray = field(init=False)
    baseline: np.ndarray = field(init=False)

    def run(self) -> None:
        """Fit, and move the estimates by the replicates' weights."""
        x = self.columns()
        fitted = self.rows.fit(x, precision=self.precision)
        coef, self.log_likelihood = fitted.replicates(self.weights)
        self.coef, self.central = np.nan_to_num(coef), np.nan_to_num(fitted.exposure_coef)
        eta = fitted.fit.eta[self.position]
        near = contrast.side_by_side([column[self.position] for column in x])
        self.baseline = eta - self.rows.offset[self.position] - near @ self.central


class _World:
    """The replicates in which the same touchpoints follow the decision."""

    def __init__(
        self,
        study: Study,
        model: Model,
        window: Window,
        separated: np.ndarray,
        at: np.ndarray,
        weights: resample.Draws,
        churns: dict[tuple[float, str], np.ndarray],
    ) -> None:
        self.study, self.model, self.window, self.churns = study, model, window, churns
        self.at, self.weights = at, weights
        self.drawn = weights.of(study.plain.clusters[window.position])
        self.held = hold(study, separated)
        self.grid = study.decayed
        sums = study.sums(model.measured, "decay")
        self.moving = held_at(self.grid, sums, list(model.own))
        self.profile = [
            _Fit(self.held.rows, partial(self._profile, h), weights, window.position[:0], None)
            for h in self.grid
            if model.half_life.chosen and self.held.places
        ]
        # By group of touchpoints that share a half-life: a fit at each of the grid's.
        self.curves = {
            group: [self._fit(self.held.places, group, h) for h in self.grid]
            for group in range(1 + len(model.own))
            if self.held.places
        }
        apart = np.flatnonzero(separated & ~study.exits)
        self.apart = {
            int(k): self._fit([*self.held.places, *self._own_places(int(k))], 0, None)
            for k in apart
            if self._own_places(int(k))
        }

    def fits(self) -> list[_Fit]:
        """Give all fits there are to run."""
        return [*self.profile, *(f for c in self.curves.values() for f in c), *self.apart.values()]

    def _own_places(self, k: int) -> list[Place]:
        fitted = self.model.fits.get(k, self.model.main)
        return [p for p in fitted.coef if p[1] == k] if fitted is not None else []

    def _profile(self, half_life: float) -> list[np.ndarray]:
        return profile_columns(self.moving, self.held.places, half_life)

    def _days(self, group: int, half_life: float | None) -> np.ndarray:
        """Give half-lives with those of one group moved to the grid's."""
        days = self.model.days
        if half_life is None or not self.model.half_life.chosen:
            return days
        groups = np.array([self.model.group(k) for k in range(len(days))])
        return np.where(groups == group, half_life, days)

    def _fit(self, places: list[Place], group: int, half_life: float | None) -> _Fit:
        columns = partial(self._columns, places, self._days(group, half_life))
        prior = contrast.precision_of(places)
        return _Fit(self.held.rows, columns, self.weights, self.window.position, prior)

    def _columns(self, places: list[Place], days: np.ndarray) -> list[np.ndarray]:
        decayed = self.study.sums(self.model.measured, "decay")
        moved = {h: days == h for h in self.grid if (days != self.model.days).any()}
        return [
            next((self.grid[h][c][:, k] for h, at in moved.items() if at[k]), decayed[c][:, k])
            for c, k in places
        ]

    def chosen_days(self, group: int = 0) -> np.ndarray:
        """Choose a half-life in each replicate, shape (replicates,)."""
        fits = self.curves[group] if group else self.profile
        if not fits:
            return np.full(len(self.at), self.model.half_life.days)
        curves = np.column_stack([f.log_likelihood for f in fits])
        values = np.array(list(self.grid))
        return np.array([best_on_grid(values, curve)[0] for curve in curves])

    def costs(self, wanted: Container[Place]) -> dict[Place, tuple[np.ndarray, np.ndarray]]:
        """Give attributable churn and its value of each place, each of shape (replicates,)."""
        found: dict[Place, tuple[np.ndarray, np.ndarray]] = {}
        values = np.array(list(self.grid))
        for group, fits in self.curves.items():
            mine = [p for p in self.held.places if p in wanted and self.model.group(p[1]) == group]
            each = [
                self._at(fit, self.held.places, mine, self._days(group, h))
                for fit, h in zip(fits, self.grid, strict=True)
            ]
            days = self.chosen_days(group)
            read = [at_half_life(np.stack(e, axis=1), values, days)
                    for e in zip(*each, strict=True)]  # fmt: skip
            found |= {p: (read[0][:, j], read[1][:, j]) for j, p in enumerate(mine)}
        for k, fit in self.apart.items():
            own = [p for p in self._own_places(k) if p in wanted]
            places = [*self.held.places, *self._own_places(k)]
            customers, value = self._at(fit, places, own, self.model.days)
            found |= {p: (customers[:, j], value[:, j]) for j, p in enumerate(own)}
        return found

    def _at(
        self, fit: _Fit, places: list[Place], mine: list[Place], days: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sum over the window's churns by one fit's replicates, shapes (replicates, mine)."""
        study, window, model = self.study, self.window, self.model
        decayed = self._churn_exposures(days)
        central = dict(zip(places, fit.central, strict=True))
        churns = window.churns(study, model, central, fit.baseline, decayed, days)
        customers, value = np.zeros((2, len(self.weights), len(mine)))
        for j, place in enumerate(mine):
            exposure = decayed[place[0]][:, place[1]]
            survival = churns.survival_without(central[place] * exposure, model.group(place[1]))
            coef = fit.coef[:, places.index(place)]
            saved = -np.expm1(-coef[:, None] * exposure) * survival * self.drawn
            customers[:, j], value[:, j] = saved.sum(axis=1), saved @ window.value
        return customers, value

    def _churn_exposures(self, days: np.ndarray) -> dict[str, np.ndarray]:
        return {
            c: np.column_stack([self.churns[float(h), c][:, k] for k, h in enumerate(days)])
            for c in self.study.classes
        }


def replicated(table: pd.DataFrame, found: Replicates | None) -> pd.DataFrame:
    """Put what the replicates say into the driver table.

    Parameters
    ----------
    table : pandas.DataFrame
        The driver table with attributable churn.
    found : Replicates or None
        Of :func:`replicates`; None in a quick run, whose intervals stay those of the delta
        method.
    """
    table = table.assign(top3_probability=np.nan)
    if found is None:
        return table
    for name, values in (("attributable_churn", found.customers), ("value_at_risk", found.value)):
        known = np.isfinite(values).all(axis=0)
        # Percentiles: a long half-life makes for many more customers than a short one for fewer.
        ends = np.quantile(values[:, known], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        table.loc[known, [f"{name}_low", f"{name}_high"]] = ends.T
    at = np.flatnonzero(np.isfinite(found.customers).all(axis=0))
    top = resample.top_probability(found.customers[:, at])
    table.iloc[at, table.columns.get_loc("top3_probability")] = top
    return table


def ranks(table: pd.DataFrame, found: Replicates | None) -> Result:
    """Tell how sure the order of the drivers is, and which cannot be told apart.

    Parameters
    ----------
    table : pandas.DataFrame
        The driver table before it is put in order, in the rows of ``found``.
    found : Replicates or None
        Of :func:`replicates`; None in a quick run.
    """
    columns = ["touchpoint", "valence", "attributable_churn", "rank_low", "rank_high",
               "top3_probability", "not_told_from"]  # fmt: skip
    if found is None:
        return Result("ranks", pd.DataFrame(columns=columns), sentence="Left out in a quick run.")
    known = np.isfinite(found.customers).all(axis=0)
    drivers = table[(table["verdict"] == "driver") & known]
    drivers = drivers.sort_values("attributable_churn", ascending=False)
    if drivers.empty:
        text = "There are no drivers to put in order."
        return Result("ranks", pd.DataFrame(columns=columns), sentence=text)
    costs = found.customers[:, drivers.index]
    low, high, above = resample.rank_spread(costs, LEVEL)
    names = drivers["touchpoint"].to_numpy()
    unsure = (above < _SURE) & (above.T < _SURE) & ~np.eye(len(names), dtype=bool)
    apart = [", ".join(names[row]) for row in unsure]
    page = drivers.assign(rank_low=low, rank_high=high, not_told_from=apart)[columns]
    return Result("ranks", page.reset_index(drop=True), sentence=_order(names, above))


def _order(names: Sequence[str], above: np.ndarray) -> str:
    """Say which neighbours in the order cannot be told apart."""
    if len(names) == 1:
        return "There is one driver: nothing to put in order."
    told = [
        f"{a} costs more than {b} in {above[i, i + 1]:.0%} of the draws"
        for i, (a, b) in enumerate(pairwise(names))
        if above[i, i + 1] < _SURE
    ]
    if not told:
        return "Customers drawn anew keep the drivers in this order."
    return f"Customers were drawn anew. The order is not sure: {'; '.join(told)}."
