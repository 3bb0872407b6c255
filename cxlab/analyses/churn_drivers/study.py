"""What the driver model is fitted on, and the fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError
from cxlab.frames.adjustment import Adjustment, activity, adjustment, proneness
from cxlab.frames.exposures import Contacts, Kernel, Measured, contacts, measure
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.sampling import Sample, draw
from cxlab.models import contrast
from cxlab.models.hazard import independent_columns

__all__ = ["RECENT_DAYS", "VOLUME_DAYS", "Model", "Options", "Place", "Study", "fit", "prepare"]

RECENT_DAYS = 14.0
VOLUME_DAYS = 90.0
# The separation step comes before the half-life is known; any middle value will do.
_REFERENCE_HALF_LIFE = 28.0

Place = contrast.Place
MAIN = -1


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
        Leave out the sweep over contacts' ages (the part ``by_age`` is empty).
    """

    window_days: int = 90
    washout_days: int = 3
    half_life_days: float | None = None
    sample: str | int = "auto"
    period_days: int = 1
    seed: int = 0
    quick: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        for name, low, high in (
            ("window_days", 7, 730),
            ("washout_days", 0, 365),
            ("period_days", 1, 7),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} is {getattr(self, name)}; allowed: {low} to {high}")
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

    @property
    def window_start(self) -> float:
        """When the window of attributable churn starts, in days; not before the feed does."""
        return max(self.risk.end - self.options.window_days, self.risk.begin)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of contacts, all of them together first."""
        return ("all", *self.known.classes)

    def sums(self, measured: Measured, kernel: str) -> dict[str, np.ndarray]:
        """Give one kernel's exposures, by class."""
        return {c: measured[kernel, c] for c in self.classes}

    def measure(self, kernels: dict[str, Kernel], rows: pd.DataFrame, washout: float) -> Measured:
        """Measure exposures of rows; see :func:`cxlab.frames.exposures.measure`."""
        return measure(self.dataset, self.known, rows, kernels, washout)


@dataclass(frozen=True)
class Model:
    """The fitted model, and the own models of touchpoints that follow the decision.

    Parameters
    ----------
    half_life : HalfLife
        Of the effects.
    separated : ndarray of bool, shape (touchpoints,)
        Which touchpoints follow the decision to leave.
    rows : Rows
        With everything adjusted for.
    fits : dict
        Separated touchpoint -> the model with it added; ``MAIN`` -> that of all others.
    bare : Contrasts or None
        ``main`` without the customer's past share of bad contacts.
    measured : Measured
        Exposures at the half-life: ``decay``, ``slope``, ``recent`` and ``old``.
    """

    half_life: contrast.HalfLife
    separated: np.ndarray
    rows: contrast.Rows
    fits: dict[int, contrast.Contrasts]
    bare: contrast.Contrasts | None
    measured: Measured

    @property
    def main(self) -> contrast.Contrasts | None:
        """The model of all that do not follow the decision; None without exposures."""
        return self.fits.get(MAIN)

    def home(self, place: Place) -> int:
        """Tell under which key of ``fits`` a contrast is looked for."""
        return place[1] if place[1] in self.fits else MAIN

    def of(self, place: Place) -> contrast.Contrasts | None:
        """Give the model that holds a contrast, or None where none does."""
        model = self.fits.get(self.home(place))
        return model if model is not None and place in model.coef else None


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
    sample = draw(risk, options.sample, options.seed)
    known = contacts(dataset)
    adjusted = adjustment(risk, sample.rows, dataset.attributes)
    given = options.half_life_days or (None if "bad" in known.classes else _REFERENCE_HALF_LIFE)
    half_lives = contrast.HALF_LIVES if given is None else (float(given),)
    kernels = {f"decay_{h:g}": Kernel(h) for h in half_lives}
    kernels |= {
        "recent": Kernel(_REFERENCE_HALF_LIFE, high=RECENT_DAYS, classes=("all",)),
        "older": Kernel(_REFERENCE_HALF_LIFE, low=RECENT_DAYS, classes=("all",)),
        "trailing": Kernel(high=VOLUME_DAYS, classes=("all",)),
        "ever": Kernel(classes=("all", "bad")),
    }
    grid = measure(dataset, known, sample.rows, kernels, options.washout_days)
    customers = sample.rows["customer_id"].to_numpy()
    controls = adjusted.matrix[:, independent_columns(adjusted.matrix)]
    plain = contrast.Rows(
        event=sample.rows["event"].to_numpy(),
        controls=controls,
        clusters=np.unique(customers, return_inverse=True)[1],
        offset=sample.offset,
        link=sample.link,
    )
    exits = _exit_stage(dataset, known.touchpoints)
    return Study(dataset, options, risk, sample, known, adjusted, grid, half_lives, plain, exits)


def _stages(dataset: Dataset) -> dict[str, str]:
    if "stage" not in dataset.columns("touchpoints"):
        return {}
    frame = dataset.table("touchpoints").select("touchpoint", "stage").collect(backend="pandas")
    return {t: s for t, s in frame.rows() if s is not None}


def _exit_stage(dataset: Dataset, touchpoints: Sequence[str]) -> np.ndarray:
    stages = _stages(dataset)
    return np.array([stages.get(t, "").lower() == "exit" for t in touchpoints], dtype=bool)


def fit(study: Study) -> Model:
    """Part off what follows the decision, choose the half-life, and fit the contrasts.

    Parameters
    ----------
    study : Study
        What was measured.
    """
    grid, event = study.grid, study.plain.event
    separated = contrast.follows_decision(study.plain, grid["recent", "all"], grid["older", "all"])
    separated |= study.exits
    others = ~separated
    recent, trailing, ever = (
        grid[kernel, "all"][:, others] for kernel in ("recent", "trailing", "ever")
    )
    seen = study.sample.rows["seen"].to_numpy()
    active = study.plain.with_controls(activity(recent, trailing, ever, seen))
    rows = active
    if "bad" in study.classes:
        luck = proneness(grid["ever", "bad"][:, others], ever, event == 0)
        rows = active.with_controls(luck)
    sums = {h: study.sums(grid, f"decay_{h:g}") for h in study.half_lives}
    middle = sums[min(study.half_lives, key=lambda h: abs(h - _REFERENCE_HALF_LIFE))]
    places = contrast.choose_places(middle, event, others)
    half_life = _half_life(study, rows, sums, places)
    h = half_life.days
    kernels = {
        "decay": Kernel(h),
        "slope": Kernel(h, slope=True),
        "recent": Kernel(h, high=RECENT_DAYS),
        "old": Kernel(h, low=RECENT_DAYS),
    }
    measured = study.measure(kernels, study.sample.rows, study.options.washout_days)
    decayed = study.sums(measured, "decay")
    slopes = study.sums(measured, "slope") if half_life.chosen else None
    main = contrast.fit_contrasts(rows, decayed, places, slopes) if places else None

    def without_proneness() -> contrast.Contrasts | None:
        if main is None or rows is active:
            return None
        fewer = active.controls.shape[1]
        start = np.concatenate([main.whole[:fewer], main.whole[len(main.controls) :]])
        return contrast.fit_contrasts(active, decayed, places, start=start)

    def alone(k: int) -> contrast.Contrasts | None:
        mine = contrast.choose_places(decayed, event, np.arange(len(separated)) == k)
        start = main.whole if main is not None else None
        if not mine:
            return None
        return contrast.fit_contrasts(rows, decayed, [*places, *mine], slopes, start)

    with ThreadPoolExecutor(2) as pool:
        later = pool.submit(without_proneness)
        fits = {int(k): pool.submit(alone, int(k)) for k in np.flatnonzero(separated)}
        own = {k: f.result() for k, f in fits.items()}
        bare = later.result()
    made = {k: f for k, f in ({MAIN: main} | own).items() if f is not None}
    return Model(half_life, separated, rows, made, bare, measured)


def _half_life(
    study: Study,
    rows: contrast.Rows,
    sums: dict[float, dict[str, np.ndarray]],
    places: Sequence[Place],
) -> contrast.HalfLife:
    if len(study.half_lives) > 1 and places:
        return contrast.profile_half_life(rows, sums, places)
    given = study.options.half_life_days or _REFERENCE_HALF_LIFE
    empty = pd.DataFrame({"half_life": [], "log_likelihood": []})
    return contrast.HalfLife(float(given), np.nan, np.nan, empty, chosen=False)
