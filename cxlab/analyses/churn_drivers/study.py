"""What the driver model is fitted on, and the fitted model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, within
from cxlab.frames.adjustment import Adjustment, activity, adjustment, proneness
from cxlab.frames.exposures import (
    Contacts,
    Kernel,
    Measured,
    at_exit,
    contact_counts,
    contacts,
    measure,
)
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.sampling import Sample, draw
from cxlab.models import contrast
from cxlab.models.half_life import (
    HALF_LIVES,
    HalfLife,
    held_at,
    own_half_lives,
    profile_half_life,
)
from cxlab.models.hazard import independent_columns
from cxlab.models.intervals import Z

__all__ = [
    "MAIN",
    "RECENT_DAYS",
    "REFERENCE_HALF_LIFE",
    "VOLUME_DAYS",
    "Held",
    "Kept",
    "Model",
    "Options",
    "Place",
    "Study",
    "fit",
    "hold",
    "measure_decayed",
    "prepare",
    "studied",
]

RECENT_DAYS = 14.0
VOLUME_DAYS = 90.0
# The separation step comes before the half-life is known; any middle value will do.
REFERENCE_HALF_LIFE = 28.0

Place = contrast.Place
Sums = contrast.Sums
MAIN = -1
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Options:
    """Settings of the driver model.

    Parameters
    ----------
    window_days : int
        The window before ``as_of`` in which attributable churn is counted.
    washout_days : int
        Contacts in the last days before a period that are left out of the estimate.
    half_life_days : float or None
        Half-life of a contact's effect; None lets the data choose.
    sample : str or int
        See :func:`cxlab.frames.sampling.draw`.
    period_days : int
        Length of a person-period, 1 to 7.
    seed : int
        Of the sample.
    quick : bool
        Leave out resampling and sweeps, nothing else.
    replicates : int
        How many times customers are drawn anew for ranks and intervals of attributable churn.
    min_group : int
        Effects on fewer customers are not told.
    """

    window_days: int = 90
    washout_days: int = 3
    half_life_days: float | None = None
    sample: str | int = "auto"
    period_days: int = 1
    seed: int = 0
    quick: bool = False
    replicates: int = 200
    min_group: int = 10

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        within(7, 730, window_days=self.window_days)
        within(0, 365, washout_days=self.washout_days)
        within(1, 7, period_days=self.period_days)
        within(20, 10_000, replicates=self.replicates)
        within(1, 1000, min_group=self.min_group)
        if self.half_life_days is not None and not 1 <= self.half_life_days <= 365:
            raise UsageError(
                f"half_life_days is {self.half_life_days:g}; allowed: auto, or 1 to 365"
            )


@dataclass(frozen=True)
class Study:
    """Everything measured before the model is fitted.

    Parameters
    ----------
    dataset, options, risk, sample, known, adjusted
        Where it comes from, and how it was drawn.
    grid : Measured
        Exposures by half-life, recent and older contacts, and plain counts.
    half_lives : tuple of float
        Those to choose from.
    plain : Rows
        The rows, with what needs no contacts adjusted for.
    exits : ndarray of bool, shape (touchpoints,)
        Whether a touchpoint's stage is ``exit``.
    kept : Kept, optional
        What stands ready in memory (default: the engine is asked each time).
    """

    dataset: Dataset
    options: Options
    risk: RiskSet
    sample: Sample
    known: Contacts
    adjusted: Adjustment
    grid: Measured
    half_lives: tuple[float, ...]
    plain: contrast.Rows
    exits: np.ndarray
    kept: Kept | None = field(default=None, repr=False)

    @property
    def window_start(self) -> float:
        """When the window of attributable churn starts, in days; not before the feed does."""
        return max(self.risk.end - self.options.window_days, self.risk.begin)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of contacts, all of them together first."""
        return ("all", *self.known.classes)

    @property
    def decayed(self) -> dict[float, dict[str, np.ndarray]]:
        """Give the rows' exposures by half-life and class."""
        return {h: self.sums(self.grid, f"decay_{h:g}") for h in self.half_lives}

    def sums(self, measured: Measured, kernel: str) -> dict[str, np.ndarray]:
        """Give one kernel's exposures, by class."""
        return {c: measured[kernel, c] for c in self.classes}

    def counts(self) -> pd.DataFrame:
        """Count contacts and customers; see :func:`cxlab.frames.exposures.contact_counts`."""
        if self.kept is not None:
            return self.kept.counts()
        return contact_counts(self.dataset, self.known, self.risk.followed)

    def measure(self, kernels: dict[str, Kernel], rows: pd.DataFrame, washout: float) -> Measured:
        """Measure exposures of rows; see :func:`cxlab.frames.exposures.measure`."""
        if self.kept is not None:
            return self.kept.measure(kernels, rows, washout)
        return measure(self.dataset, self.known, rows, kernels, washout)


class Kept(Protocol):
    """What answers in the engine's place; see :mod:`cxlab.analyses.churn_drivers.standing`."""

    def measure(self, kernels: dict[str, Kernel], rows: pd.DataFrame, washout: float) -> Measured:
        """Measure exposures of rows."""

    def counts(self) -> pd.DataFrame:
        """Count contacts and customers, as :func:`cxlab.frames.exposures.contact_counts`."""

    def remember(self, name: str, make: Callable[[], _Made]) -> _Made:
        """Give what is remembered under a name, made when first asked for."""


@dataclass(frozen=True)
class Model:
    """The fitted model, and the own models of touchpoints that follow the decision.

    Parameters
    ----------
    half_life : HalfLife
        Of the effects.
    own : dict
        Touchpoint -> its half-life, where the data tell that it is another.
    separation : Separation
        What tells who follows the decision.
    separated : ndarray of bool, shape (touchpoints,)
        Which touchpoints follow the decision to leave.
    rows : Rows
        With everything adjusted for.
    fits : dict
        Separated touchpoint -> the model with it added; ``MAIN`` -> that of all others.
    measured : Measured
        Exposures at the half-lives: ``decay``, ``slope``, ``recent`` and ``old``.
    """

    half_life: HalfLife
    own: dict[int, HalfLife]
    separation: contrast.Separation
    separated: np.ndarray
    rows: contrast.Rows
    fits: dict[int, contrast.Contrasts]
    measured: Measured

    @property
    def main(self) -> contrast.Contrasts | None:
        """The model of all that do not follow the decision; None without exposures."""
        return self.fits.get(MAIN)

    @property
    def days(self) -> np.ndarray:
        """The half-life of each touchpoint, shape (touchpoints,)."""
        return half_lives(len(self.separated), self.half_life, self.own)

    def group(self, k: int) -> int:
        """Tell which half-life a touchpoint has: 0 the common one, then its own, in order."""
        return 1 + list(self.own).index(k) if k in self.own else 0

    def home(self, place: Place) -> int:
        """Tell under which key of ``fits`` a contrast is looked for."""
        return place[1] if place[1] in self.fits else MAIN

    def of(self, place: Place) -> contrast.Contrasts | None:
        """Give the model that holds a contrast, or None where none does."""
        model = self.fits.get(self.home(place))
        return model if model is not None and place in model.coef else None


def half_lives(count: int, common: HalfLife, own: dict[int, HalfLife]) -> np.ndarray:
    """Give the half-life of each of so many touchpoints."""
    days = np.full(count, common.days)
    for k, half_life in own.items():
        days[k] = half_life.days
    return days


def measure_decayed(
    study: Study, days: np.ndarray, rows: pd.DataFrame, washout: float, **shapes: dict[str, Any]
) -> Measured:
    """Measure exposures that decay at each touchpoint's half-life.

    Parameters
    ----------
    study : Study
        Whose contacts are measured.
    days : ndarray, shape (touchpoints,)
        Half-lives.
    rows, washout
        As for :func:`cxlab.frames.exposures.measure`.
    **shapes
        Name -> further arguments of :class:`Kernel`.
    """
    distinct = [float(h) for h in np.unique(days)]
    kernels = {
        f"{name} {h!r}": Kernel(**{"half_life": h, **shape})
        for name, shape in shapes.items()
        for h in distinct
    }
    measured = study.measure(kernels, rows, washout)
    found = {}
    for name in shapes:
        for c in study.classes:
            found[name, c] = measured[f"{name} {distinct[0]!r}", c]
            for h in distinct[1:]:
                found[name, c][:, days == h] = measured[f"{name} {h!r}", c][:, days == h]
    return found


def prepare(dataset: Dataset, options: Options) -> Study:
    """Draw the rows and measure what each had behind it.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    options : Options
        Settings of the model.
    """
    risk = risk_set(dataset, options.period_days, options.washout_days)
    known = contacts(dataset).kept(risk)
    return studied(dataset, options, risk, known, half_lives_of(options, known))


def half_lives_of(options: Options, known: Contacts) -> tuple[float, ...]:
    """Give the half-lives to choose from: the one given, or where no contrast can choose, one.

    Parameters
    ----------
    options : Options
        Settings of the model.
    known : Contacts
        The contacts.
    """
    given = options.half_life_days or (None if "bad" in known.classes else REFERENCE_HALF_LIFE)
    return HALF_LIVES if given is None else (float(given),)


def studied(
    dataset: Dataset,
    options: Options,
    risk: RiskSet,
    known: Contacts,
    half_lives: tuple[float, ...],
) -> Study:
    """Draw the rows of a risk set and measure what each had behind it.

    Parameters
    ----------
    dataset, options
        As for :func:`prepare`.
    risk : RiskSet
        Who is at risk of what.
    known : Contacts
        Kept ones.
    half_lives : tuple of float
        Those to choose from.
    """
    sample = draw(risk, options.sample, options.seed, known, options.washout_days)
    adjusted = adjustment(sample.rows, dataset.attributes)
    kernels = {f"decay_{h:g}": Kernel(h) for h in half_lives}
    kernels |= {
        "recent": Kernel(REFERENCE_HALF_LIFE, high=RECENT_DAYS, classes=("all",)),
        "older": Kernel(REFERENCE_HALF_LIFE, low=RECENT_DAYS, classes=("all",)),
        "trailing": Kernel(high=VOLUME_DAYS, classes=("all",)),
        "ever": Kernel(classes=("all", "bad")),
    }
    grid = measure(dataset, known, sample.rows, kernels, options.washout_days)
    customers = sample.rows["who"].to_numpy()
    controls = adjusted.matrix[:, independent_columns(adjusted.matrix)]
    plain = contrast.Rows(
        event=sample.rows["event"].to_numpy(),
        controls=controls,
        clusters=np.unique(customers, return_inverse=True)[1],
        offset=sample.offset,
        link=sample.link,
    )
    exits = at_exit(dataset, known.touchpoints)
    return Study(dataset, options, risk, sample, known, adjusted, grid, half_lives, plain, exits)


@dataclass(frozen=True)
class Held:
    """The rows once it is said which touchpoints follow the decision.

    Parameters
    ----------
    rows : Rows
        With activity and past luck at the other touchpoints adjusted for.
    active : Rows
        With activity alone; ``rows`` itself where nothing tells a bad contact.
    places : list of (class, touchpoint)
        The columns in the model.
    """

    rows: contrast.Rows
    active: contrast.Rows
    places: list[Place]


def hold(study: Study, separated: np.ndarray) -> Held:
    """Adjust for contacts at the touchpoints that do not follow the decision.

    Parameters
    ----------
    study : Study
        What was measured.
    separated : ndarray of bool, shape (touchpoints,)
        Those that do.
    """
    grid, event = study.grid, study.plain.event
    others = ~separated
    recent, trailing, ever = (
        grid[kernel, "all"][:, others] for kernel in ("recent", "trailing", "ever")
    )
    seen = study.sample.rows["seen"].to_numpy()
    rows = active = study.plain.with_controls(activity(recent, trailing, ever, seen))
    if "bad" in study.classes:
        luck = proneness(grid["ever", "bad"][:, others], ever, study.plain.standing)
        rows = active.with_controls(luck)
    middle = min(study.half_lives, key=lambda h: abs(h - REFERENCE_HALF_LIFE))
    places = contrast.choose_places(study.sums(grid, f"decay_{middle:g}"), event, others)
    return Held(rows, active, places)


def fit(study: Study, near: Model | None = None) -> Model:
    """Part off what follows the decision, choose the half-lives, and fit the contrasts.

    Parameters
    ----------
    study : Study
        What was measured.
    near : Model, optional
        Of the same rows at other half-lives, for a quicker start: what follows the decision
        does not hang on these.
    """
    grid, event = study.grid, study.plain.event
    separation = (
        contrast.follows_decision(study.plain, grid["recent", "all"], grid["older", "all"])
        if near is None
        else near.separation
    )
    separated = separation.found() | study.exits
    held = hold(study, separated)
    rows, places = held.rows, held.places
    half_life = _half_life(study, rows, places)
    measured = _decayed(study, half_lives(len(separated), half_life, {}))
    main = _main(study, held, half_life, {}, measured, near)
    own = _own(study, held, main, measured) if main is not None and half_life.chosen else {}
    if own:
        # The half-life for all was chosen with them: choose it again, with theirs held.
        measured = _decayed(study, half_lives(len(separated), half_life, own))
        half_life = _half_life(study, rows, places, study.sums(measured, "decay"), list(own))
        measured = _decayed(study, half_lives(len(separated), half_life, own))
        main = _main(study, held, half_life, own, measured, near)
    decayed = study.sums(measured, "decay")
    slopes = study.sums(measured, "slope") if half_life.chosen else None

    def alone(k: int) -> contrast.Contrasts | None:
        mine = contrast.choose_places(decayed, event, np.arange(len(separated)) == k)
        if not mine:
            return None
        wanted = [*places, *mine]
        start = _start(near, k, wanted)
        if start is None and main is not None:
            start = main.whole
        return contrast.fit_contrasts(rows, decayed, wanted, slopes, list(own), start)

    with ThreadPoolExecutor(2) as pool:
        fits = {int(k): pool.submit(alone, int(k)) for k in np.flatnonzero(separated)}
        each = {k: f.result() for k, f in fits.items()}
    made = {k: f for k, f in ({MAIN: main} | each).items() if f is not None}
    return Model(half_life, own, separation, separated, rows, made, measured)


def _decayed(study: Study, days: np.ndarray) -> Measured:
    return measure_decayed(
        study,
        days,
        study.sample.rows,
        study.options.washout_days,
        decay={},
        slope={"slope": True},
        # Not at the half-life found: where the decision comes first, that is the one at which
        # recent and older contacts seem to agree.
        recent={"half_life": REFERENCE_HALF_LIFE, "high": RECENT_DAYS},
        old={"half_life": REFERENCE_HALF_LIFE, "low": RECENT_DAYS},
    )


def _main(
    study: Study,
    held: Held,
    common: HalfLife,
    own: dict[int, HalfLife],
    measured: Measured,
    near: Model | None,
) -> contrast.Contrasts | None:
    if not held.places:
        return None
    slopes = study.sums(measured, "slope") if common.chosen else None
    decayed = study.sums(measured, "decay")
    start = _start(near, MAIN, held.places)
    return contrast.fit_contrasts(held.rows, decayed, held.places, slopes, list(own), start)


def _start(near: Model | None, home: int, places: Sequence[Place]) -> np.ndarray | None:
    """Give where the fit of another half-life ended, if it has the same columns."""
    fitted = None if near is None else near.fits.get(home)
    return fitted.whole if fitted is not None and list(fitted.coef) == list(places) else None


def _own(
    study: Study, held: Held, main: contrast.Contrasts, measured: Measured
) -> dict[int, HalfLife]:
    """Look for half-lives of their own among the contrasts that are told from none."""
    told = {k for c, k in main.coef if c in contrast.JUDGED and abs(main.z((c, k))) > Z}
    return own_half_lives(
        held.rows, main, study.decayed, study.sums(measured, "decay"), sorted(told)
    )


def _half_life(
    study: Study,
    rows: contrast.Rows,
    places: Sequence[Place],
    sums: Sums | None = None,
    own: Sequence[int] = (),
) -> HalfLife:
    """Choose the half-life for all, with the exposures of touchpoints with their own held."""
    if len(study.half_lives) > 1 and any(kind in contrast.JUDGED for kind, _ in places):
        grid = study.decayed if sums is None else held_at(study.decayed, sums, own)
        return profile_half_life(rows, grid, places)
    given = study.options.half_life_days or REFERENCE_HALF_LIFE
    empty = pd.DataFrame({"half_life": [], "log_likelihood": []})
    return HalfLife(float(given), np.nan, np.nan, empty, chosen=False)
