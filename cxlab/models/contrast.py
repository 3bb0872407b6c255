"""The driver model: bad contacts against ordinary ones at the same touchpoint and age.

The linear predictor of the hazard holds, for each touchpoint, the decayed sum of all its
contacts and that of its bad (good, unknown) ones. The coefficient of the bad sum is the
contrast. Touchpoints that follow the decision to leave are found first and kept out of the
model of the others. See METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from cxlab.models.hazard import HazardFit, each, fit_hazard, independent_columns, made_of, many
from cxlab.models.intervals import Z
from cxlab.models.resample import Draws

__all__ = [
    "HALF_LIFE_SD",
    "JUDGED",
    "RIDGE",
    "AgeSplit",
    "Contrasts",
    "Place",
    "Rows",
    "Separation",
    "Sums",
    "choose_places",
    "columns_of",
    "fit_contrasts",
    "follows_decision",
    "precision_of",
    "side_by_side",
    "split_by_age",
    "stack",
]

# A contrast needs this many exposed churns and base rows to be in the model at all.
_LEAST_CASES, _LEAST_BASE = 3, 5
# One exposure column for so many churns.
_EVENTS_PER_COLUMN = 5
# When a contact effect is recent only: the touchpoint follows the decision (METHODS.md).
_RECENT_Z, _OLD_SHARE, _DROP_Z = 4.0, 0.5, 3.0
# Among millions of contacts trifles are beyond doubt: a recent one must raise the hazard so far.
_LEAST_RECENT = np.log(1.25)
# And when nothing else can be the reason: the log hazard ratio of a recent contact.
_DECIDED = np.log(3.0)
# A standard error of the older contacts above this says nothing of how they compare.
_WIDEST_OLD = 0.75
# When contacts turn out badly everywhere before customers leave.
_SOUR_Z = 2.5
# And when would-be drivers last beyond doubt.
_LASTING_SHARE, _LASTING_Z = 0.75, 4.0
# Two estimates that correlate below this say of two touchpoints what they say of one, unless
# their difference is beyond doubt.
_ALIKE, _APART_Z = -0.75, 3.0

# Columns are put side by side in blocks of so many rows.
_ROWS = 1024

# A prior of standard deviation 10 on columns scaled to one: nothing beside a hundred churns,
# but an estimate where a column separates those who left.
RIDGE = 0.01
# Half-lives are taken to lie between 7 and 112 days with 95%: the prior's standard deviation, in
# the logarithm.
HALF_LIFE_SD = float(np.log(2.0))
# And hazard ratios between 1/50 and 50: the prior's standard deviation of a contrast.
CONTRAST_SD = float(np.log(50.0) / Z)
# The classes whose contrast is asked for; the others only say who comes into contact.
JUDGED = ("bad", "good")

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
    offset : ndarray, shape (n,)
        Of the linear predictor; see :class:`cxlab.frames.sampling.Sample`.
    link : str
        See :func:`cxlab.models.hazard.fit_hazard`.
    weights : ndarray, shape (n,), optional
        Of the rows; see there.
    """

    event: np.ndarray
    controls: np.ndarray
    clusters: np.ndarray
    offset: np.ndarray
    link: str
    weights: np.ndarray | None = None

    @property
    def at_once(self) -> int:
        """How many fits to run at once: one where many rows make work for several threads."""
        return 1 if many(self.controls.size) else 2

    @property
    def standing(self) -> np.ndarray:
        """How many person-periods at risk a row stands for: none if it is a churn's.

        The reciprocal of the intensity with which it was drawn, shape (n,).
        """
        return np.asarray(np.where(self.event == 0, np.exp(self.offset), 0.0))

    def with_controls(self, *columns: np.ndarray) -> Rows:
        """Give the rows with further columns adjusted for."""
        controls = np.hstack([self.controls, *columns])
        return replace(self, controls=controls)

    def fit(
        self,
        columns: np.ndarray | Sequence[np.ndarray],
        start: np.ndarray | None = None,
        precision: np.ndarray | None = None,
    ) -> _Fitted:
        """Fit controls and columns; columns that add nothing of their own get NaN.

        Parameters
        ----------
        columns : ndarray, shape (n, p), or sequence of ndarray, shape (n,) or (n, some)
            The exposures.
        start : ndarray, optional
            Where to start from, in the order of the columns; zeros follow where it is short.
        precision : ndarray, shape (p,), optional
            Of a prior of mean 0 for each exposure; see :func:`fit_hazard`.
        """
        x = side_by_side(
            [self.controls, columns]
            if isinstance(columns, np.ndarray)
            else [self.controls, *columns]
        )
        keep = independent_columns(x, weights=self.weights)
        none = np.zeros(self.controls.shape[1])
        if start is not None:
            start = np.append(np.nan_to_num(start), np.zeros(x.shape[1] - len(start)))
        fit = fit_hazard(
            _taken(x, keep),
            self.event,
            offset=self.offset,
            link=self.link,
            clusters=self.clusters,
            start=None if start is None else start[keep],
            ridge=RIDGE,
            weights=self.weights,
            precision=None if precision is None else np.append(none, precision)[keep],
            overwrite=True,
        )
        coef = np.full(x.shape[1], np.nan)
        coef[keep] = fit.coef
        return _Fitted(coef, keep, self.controls.shape[1], fit)


def side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Put columns and tables of columns side by side, block by block of rows in the cache.

    Parameters
    ----------
    parts : sequence of ndarray, shape (n,) or (n, some)
        The columns.

    Returns
    -------
    ndarray, shape (n, p)
    """
    tables = [part if part.ndim == 2 else part[:, None] for part in parts]
    ends = np.cumsum([t.shape[1] for t in tables])
    made = np.empty((len(tables[0]), ends[-1]))

    def fill(i: int) -> None:
        for table, end in zip(tables, ends, strict=True):
            made[i : i + _ROWS, end - table.shape[1] : end] = table[i : i + _ROWS]

    each(fill, range(0, len(made), _ROWS), made.size)
    return made


def _taken(x: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Take some columns in the room of all of them, which are lost."""
    if keep.all():
        return x
    made = x.reshape(-1)[: len(x) * keep.sum()].reshape(len(x), -1)
    for i in range(0, len(x), _ROWS):
        made[i : i + _ROWS] = x[i : i + _ROWS, keep]
    return made


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

    @property
    def exposure_sampling_cost(self) -> np.ndarray | None:
        if self.fit.sampling_cost is None:
            return None
        cost = np.full(len(self.coef), np.nan)
        cost[self.keep] = self.fit.sampling_cost
        return cost[self.skip :]

    def replicates(self, weights: Draws) -> tuple[np.ndarray, np.ndarray]:
        """Give the exposures' coefficients in replicates, and their log likelihoods."""
        coef = np.full((len(weights), len(self.coef)), np.nan)
        coef[:, self.keep], log_likelihood = self.fit.replicates(weights)
        return coef[:, self.skip :], log_likelihood


@dataclass(frozen=True)
class Separation:
    """What tells touchpoints that customers contact because they have decided to leave.

    Parameters
    ----------
    usable : ndarray of bool, shape (touchpoints,)
        Those with enough exposed rows to be looked at.
    coef : ndarray, shape (2 * touchpoints,)
        Contact effects while recent, then while older; 0 where not usable.
    covariance : ndarray, shape (2 * touchpoints, 2 * touchpoints)
        Of them.
    whole : ndarray
        All coefficients of the fit, those of the controls first; empty without usable columns.
    columns : ndarray of bool, shape (2 * touchpoints,)
        Which of them are in the fit.
    """

    usable: np.ndarray
    coef: np.ndarray
    covariance: np.ndarray = field(repr=False)
    whole: np.ndarray = field(repr=False)
    columns: np.ndarray = field(repr=False)

    def found(self, coef: np.ndarray | None = None) -> np.ndarray:
        """Tell which touchpoints follow the decision.

        Their contact effect is recent only: recent z above 4 and 1.25 times the hazard or more,
        older less than half of it, and the difference z above 3.

        Parameters
        ----------
        coef : ndarray, shape (..., 2 * touchpoints), optional
            Other estimates than those of the fit, as of replicates.

        Returns
        -------
        ndarray of bool, shape (..., touchpoints)
        """
        count = len(self.usable)
        coef = self.coef if coef is None else coef
        now, before = coef[..., :count], coef[..., count:]
        spread = np.diag(self.covariance)
        joint = np.diag(self.covariance[:count, count:])
        with np.errstate(invalid="ignore", divide="ignore"):
            z_now = now / np.sqrt(spread[:count])
            z_drop = (now - before) / np.sqrt(spread[:count] + spread[count:] - 2 * joint)
            found = (z_now > _RECENT_Z) & (before < _OLD_SHARE * now) & (z_drop > _DROP_Z)
        return np.asarray(found & (now > _LEAST_RECENT) & self.usable)

    @property
    def decided(self) -> np.ndarray:
        """Touchpoints that follow the decision beyond doubt, shape (touchpoints,).

        One fresh contact, however it turns out, triples the hazard and more. Where a third of
        the contacts fail and each failure raises it fivefold, a contact raises it 2.3-fold.
        """
        return np.asarray(self.found() & (self.coef[: len(self.usable)] > _DECIDED))

    def replicates(
        self, rows: Rows, recent: np.ndarray, older: np.ndarray, weights: Draws
    ) -> np.ndarray:
        """Give what is found in replicates, shape (replicates, touchpoints).

        Parameters
        ----------
        rows, recent, older
            As for :func:`follows_decision`.
        weights : Draws
            See :meth:`cxlab.models.hazard.HazardFit.replicates`.
        """
        coef = np.zeros((len(weights), len(self.coef)))
        if self.columns.any():
            # Fitted again, from where it ended: kept, its rows would take the room of others'.
            fitted = rows.fit(_capped(recent, older, self.columns), self.whole)
            coef[:, self.columns] = np.nan_to_num(fitted.replicates(weights)[0])
        return self.found(coef)


def follows_decision(rows: Rows, recent: np.ndarray, older: np.ndarray) -> Separation:
    """Look for touchpoints that customers contact because they have decided to leave.

    Parameters
    ----------
    rows : Rows
        The rows.
    recent, older : ndarray, shape (n, touchpoints)
        Decayed contacts of the last 14 days, and those before; capped at 1 here.
    """
    count = recent.shape[1]
    usable = np.append(*[_exposed_enough(x, rows.event) for x in (recent, older)])
    # A page that nobody survives has no older visits to compare with: there, none count.
    usable[count:] &= usable[:count]
    coef, covariance = np.zeros(2 * count), np.zeros((2 * count, 2 * count))
    whole = np.zeros(0)
    if usable.any():
        fitted = rows.fit(_capped(recent, older, usable))
        whole = fitted.coef
        coef[usable] = np.nan_to_num(fitted.exposure_coef)
        covariance[np.ix_(usable, usable)] = np.nan_to_num(fitted.exposure_covariance)
    return Separation(usable[:count], coef, covariance, whole, usable)


def _capped(recent: np.ndarray, older: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    count = recent.shape[1]
    both = side_by_side([recent[:, chosen[:count]], older[:, chosen[count:]]])
    return np.minimum(both, 1.0, out=both)


def _exposed_enough(columns: np.ndarray, event: np.ndarray) -> np.ndarray:
    met = columns > 0
    cases = met[event == 1].sum(axis=0)
    base = met.sum(axis=0) - cases
    return np.asarray((cases >= _LEAST_CASES) & (base >= _LEAST_BASE))


def stack(sums: Sums, places: Sequence[Place]) -> np.ndarray:
    """Put the exposures of places side by side, shape (n, places)."""
    return side_by_side(columns_of(sums, places))


def columns_of(sums: Sums, places: Sequence[Place]) -> list[np.ndarray]:
    """Give the exposures of places in their order, as views; neighbouring columns as one table.

    Parameters
    ----------
    sums : mapping
        Class -> exposures, shape (n, touchpoints).
    places : sequence of (class, touchpoint)
        The columns wanted.

    Returns
    -------
    list of ndarray, shape (n, some)
        As :meth:`Rows.fit` and :func:`side_by_side` take them.
    """
    runs: list[tuple[str, int, int]] = []
    for kind, k in places:
        if runs and runs[-1][0] == kind and runs[-1][2] == k:
            runs[-1] = (kind, runs[-1][1], k + 1)
        else:
            runs.append((kind, k, k + 1))
    # Each class is asked for once: some are put together when they are.
    tables = {kind: sums[kind] for kind in dict.fromkeys(kind for kind, _ in places)}
    return [tables[kind][:, first:after] for kind, first, after in runs]


def choose_places(sums: Sums, event: np.ndarray, allowed: np.ndarray) -> list[Place]:
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
    judged = [kind for kind in sums if kind in JUDGED]
    cases = sum((sums[k][event == 1] > 0).sum(axis=0) for k in judged or ["all"])
    order = np.argsort(-np.asarray(cases), kind="stable")
    budget = int(event.sum()) // _EVENTS_PER_COLUMN
    chosen: set[Place] = set()
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
    slopes : dict
        ``(class, touchpoint)`` -> its covariance with the log of its half-life, and the
        variance of that; zeros where the half-life was given.
    covariance : ndarray, shape (places, places)
        Of the estimates, in the order of ``coef``.
    tied : dict
        ``(class, touchpoint)`` -> contrasts at other touchpoints that follow from it, or it from
        them.
    baseline : ndarray, shape (n,)
        The linear predictor, without the offset and the exposures.
    whole : ndarray
        All coefficients, those of the controls first; where other fits start from.
    log_likelihood : float
        Of the fit.
    sampling_cost : tuple of (float, float) or None
        How many times as wide the contrasts' intervals are as with all person-periods, the
        median and the largest; None with all of them, and without contrasts. See
        :attr:`cxlab.models.hazard.HazardFit.sampling_cost`.
    """

    coef: dict[Place, float]
    se: dict[Place, float]
    slopes: dict[Place, tuple[float, float]] = field(repr=False)
    covariance: np.ndarray = field(repr=False)
    tied: dict[Place, list[Place]] = field(repr=False)
    baseline: np.ndarray = field(repr=False)
    whole: np.ndarray = field(repr=False)
    log_likelihood: float
    sampling_cost: tuple[float, float] | None = None

    @property
    def columns(self) -> int:
        """Number of coefficients estimated."""
        return int(np.isfinite(self.whole).sum())

    @property
    def controls(self) -> np.ndarray:
        """Coefficients of what was adjusted for."""
        return self.whole[: len(self.whole) - len(self.coef)]

    def z(self, place: Place) -> float:
        """Give the Wald statistic of one contrast."""
        return self.coef[place] / self.se[place]

    def inseparable(self, place: Place) -> list[Place]:
        """Give the contrasts that cannot be told from one.

        Two of which one follows from the other, maybe with others; or whose estimates correlate
        below -0.75, and do not differ by more than 3 standard errors.

        Parameters
        ----------
        place : (class, touchpoint)
            The contrast.
        """
        tied = self.tied.get(place, [])
        if place not in self.coef or not np.isfinite(self.coef[place]):
            return tied
        places = list(self.coef)
        i = places.index(place)
        coef, spread = np.array(list(self.coef.values())), np.diag(self.covariance)
        joint = self.covariance[i]
        with np.errstate(invalid="ignore", divide="ignore"):
            alike = joint / np.sqrt(spread[i] * spread) < _ALIKE
            apart = np.abs(coef[i] - coef) / np.sqrt(spread[i] + spread - 2 * joint) > _APART_Z
        found = np.flatnonzero(alike & ~apart)
        return [*tied, *(places[j] for j in found if places[j][0] in JUDGED)]


def precision_of(places: Sequence[Place]) -> np.ndarray:
    """Give the precision of the prior of each place's coefficient, shape (places,).

    A contrast on few contacts may come out of any size; that of a contact is left free.
    """
    return np.array([1 / CONTRAST_SD**2 if kind in JUDGED else 0.0 for kind, _ in places])


def fit_contrasts(
    rows: Rows,
    sums: Sums,
    places: Sequence[Place],
    slopes: Sums | None = None,
    own: Sequence[int] = (),
    start: np.ndarray | None = None,
) -> Contrasts:
    """Fit the model at its half-lives.

    The variance holds that of the half-lives: for each of them the column of what the
    contrasts would add to the linear predictor by a longer one is appended, and the variances
    are read there.

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
    own : sequence of int
        Touchpoints with a half-life of their own; the others share one.
    start : ndarray, optional
        Where to start from, as ``whole`` of a fit with the same first columns.
    """
    x = columns_of(sums, places)
    prior = precision_of(places)
    fitted = rows.fit(x, start, prior)
    coef, eta, log_likelihood = fitted.exposure_coef, fitted.fit.eta, fitted.fit.log_likelihood
    whole, keep, count = fitted.coef, fitted.keep, len(places)
    used, kept = np.nan_to_num(coef), np.zeros((count, 2))
    if slopes is not None:
        by_group = {k: 1 + own.index(k) for k in own}
        group = np.array([by_group.get(k, 0) if c in JUDGED else -1 for c, k in places])
        gained = [_weighted(slopes, places, used * (group == g)) for g in range(len(own) + 1)]
        known = np.append(prior, np.full(len(gained), 1 / HALF_LIFE_SD**2))
        del fitted  # its rows have the size of the next fit's
        fitted = rows.fit([*x, *gained], whole, known)
    covariance = fitted.exposure_covariance
    if slopes is not None:
        for i in np.flatnonzero(group >= 0):
            at = count + group[i]
            kept[i] = np.nan_to_num([covariance[i, at], covariance[at, at]])
    covariance = covariance[:count, :count]
    return Contrasts(
        coef=dict(zip(places, coef, strict=True)),
        se=dict(zip(places, np.sqrt(np.diag(covariance)), strict=True)),
        slopes={p: (float(a), float(b)) for p, (a, b) in zip(places, kept, strict=True)},
        covariance=covariance,
        tied=_tied(rows, x, places, keep),
        baseline=eta - rows.offset - _weighted(sums, places, used),
        whole=whole,
        log_likelihood=log_likelihood,
        sampling_cost=_sampling_cost(fitted, places),
    )


def _weighted(sums: Sums, places: Sequence[Place], weights: np.ndarray) -> np.ndarray:
    """Add up the exposures of places, each times its weight, shape (n,)."""
    total = np.zeros(len(sums["all"]))
    for (kind, k), weight in zip(places, weights, strict=True):
        if weight:
            total += sums[kind][:, k] * weight
    return total


def _sampling_cost(fitted: _Fitted, places: Sequence[Place]) -> tuple[float, float] | None:
    cost = fitted.exposure_sampling_cost
    judged = [i for i, (kind, _) in enumerate(places) if kind in JUDGED]
    if cost is None or not judged:
        return None
    told = cost[judged][np.isfinite(cost[judged])]
    return (float(np.median(told)), float(told.max())) if len(told) else None


def _tied(
    rows: Rows, x: Sequence[np.ndarray], places: Sequence[Place], keep: np.ndarray
) -> dict[Place, list[Place]]:
    """Give contrasts of which one follows from the others: those kept speak for all of them."""
    if keep.all():
        return {}
    skip = rows.controls.shape[1]
    made = made_of(side_by_side([rows.controls, *x]), keep)[skip:, skip:]
    both = made | made.T | (made.T @ made)
    judged = [(i, p) for i, p in enumerate(places) if p[0] in JUDGED]
    return {p: [q for j, q in judged if both[i, j] and q[1] != p[1]] for i, p in judged}


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
    others : tuple of (float, float, float, float)
        Log hazard ratio of a recent and of an old bad contact at all other touchpoints, pooled,
        and z of each; NaN where there was nothing to pool.
    """

    recent: dict[Place, tuple[float, float]]
    old: dict[Place, tuple[float, float]]
    drop_z: dict[Place, float]
    pooled: tuple[float, float, float]
    others: tuple[float, float, float, float] = (np.nan,) * 4

    def untested(self, place: Place) -> bool:
        """Tell whether there are no older contacts to check a contrast against."""
        return not (np.isfinite(self.old[place][0]) and self.old[place][1] > 0)

    def thin(self, place: Place) -> bool:
        """Tell whether the older contacts are too few to say anything."""
        return bool(self.old[place][1] > _WIDEST_OLD)

    def recent_only(self, place: Place) -> bool:
        """Tell whether a contrast is of recent contacts alone."""
        if self.untested(place):
            return True
        now, before = self.recent[place][0], self.old[place][0]
        sign = np.sign(now)
        z_old = sign * before / self.old[place][1]
        drop = sign * self.drop_z[place]
        # A strong pull leaves traces beyond 14 days too: then the drop alone must tell.
        return bool(
            abs(now) > 2 * sign * before and (drop > _DROP_Z or (drop > 2 and z_old < 1.645))
        )

    @property
    def sours(self) -> bool:
        """Tell whether bad contacts rise before leaving at the other touchpoints as well.

        These were not told from none one by one. If, together, recent bad contacts there go with
        leaving (z above 2.5) and older ones do not (below half of it, or z below 1.645), it is
        not the touchpoints that tell: contacts turn out badly once customers have decided.
        Unless older contacts of the would-be drivers tell beyond doubt what recent ones do (above
        three quarters of it, z above 4).
        """
        now, before, z_now, z_old = self.others
        recent, old, z = self.pooled
        if old > _LASTING_SHARE * recent and z > _LASTING_Z:
            return False
        return bool(z_now > _SOUR_Z and (before < 0.5 * now or z_old < 1.645))

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
    suspects: Sequence[Place],
    known: AgeSplit | None = None,
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
    known : AgeSplit, optional
        The same rows', places' and suspects', by a model with other half-lives. Of a split only
        what is pooled hangs on the model's estimates: the rest is taken from there.
    """
    if known is not None:
        return replace(known, pooled=_pooled(rows, model, recent, old, suspects))
    places = list(model.coef)
    parted = set(suspects) | {("all", k) for _, k in suspects}
    whole = [p for p in places if p not in parted]
    order = [p for p in places if p in parted]
    columns, ordered = _parted(model, recent, old, whole, order)

    def apart() -> tuple[np.ndarray, np.ndarray]:
        fitted = rows.fit(columns, np.append(model.controls, ordered))
        return fitted.exposure_coef, fitted.exposure_covariance

    with ThreadPoolExecutor(rows.at_once) as pool:
        by_age = pool.submit(apart)
        pooled = pool.submit(_pooled, rows, model, recent, old, suspects)
        others = pool.submit(_others, rows, model, recent, old, suspects)
        coef, covariance = by_age.result()
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
    return AgeSplit(now, before, drop, pooled.result(), others.result())


def _parted(
    model: Contrasts, recent: Sums, old: Sums, whole: Sequence[Place], parted: Sequence[Place]
) -> tuple[list[np.ndarray], list[float]]:
    columns = [recent[c][:, k] + old[c][:, k] for c, k in whole]
    columns += [sums[c][:, k] for sums in (recent, old) for c, k in parted]
    return columns, [model.coef[p] for p in (*whole, *parted, *parted)]


def _others(
    rows: Rows, model: Contrasts, recent: Sums, old: Sums, suspects: Sequence[Place]
) -> tuple[float, float, float, float]:
    """Pool bad contacts of all touchpoints but the suspects', when recent and when old."""
    known = [p for p in model.coef if p[0] == "bad" and np.isfinite(model.coef[p])]
    pooled = [p for p in known if p not in suspects and old["bad"][:, p[1]].any()]
    if not pooled:
        return (np.nan,) * 4
    parted = [p for p in model.coef if p not in pooled]
    columns, ordered = _parted(model, recent, old, [], parted)
    columns += [_weighted(sums, pooled, np.ones(len(pooled))) for sums in (recent, old)]
    fitted = rows.fit(columns, np.append(model.controls, ordered))
    now, before = fitted.exposure_coef[-2:]
    errors = fitted.exposure_se[-2:]
    return float(now), float(before), float(now / errors[0]), float(before / errors[1])


def _pooled(
    rows: Rows, model: Contrasts, recent: Sums, old: Sums, suspects: Sequence[Place]
) -> tuple[float, float, float]:
    """Scale the suspects' estimates by one factor when recent and one when old."""
    drivers = [p for p in suspects if model.coef[p] > 0 and old[p[0]][:, p[1]].any()]
    if not drivers:
        return (np.nan, np.nan, np.nan)
    contacts = sorted({("all", k) for _, k in drivers})
    rest = [p for p in model.coef if p not in drivers and p not in contacts]
    weights = np.array([model.coef[p] for p in drivers])
    columns, ordered = _parted(model, recent, old, rest, contacts)
    columns += [_weighted(sums, drivers, weights) for sums in (recent, old)]
    start = np.concatenate([model.controls, ordered, [1.0, 1.0]])
    fitted = rows.fit(columns, start)
    now, before = fitted.exposure_coef[-2:]
    return float(now), float(before), float(before / fitted.exposure_se[-1])
