"""A driver model that stands ready: asked with another half-life or window, it answers at once.

What hangs on neither is worked out once and kept in memory: who is at risk, the rows drawn,
the contacts behind each of them, which touchpoints follow the decision to leave, and most of
what is told by age. The fits are those of :func:`cxlab.analyses.churn_drivers.run`, each
begun where that of the nearest half-life ended.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cxlab.analyses.churn_drivers import figures, parts, resampling, words
from cxlab.analyses.churn_drivers.study import (
    REFERENCE_HALF_LIFE,
    Model,
    Options,
    Place,
    Study,
    fit,
    half_lives_of,
    studied,
)
from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError, one_of
from cxlab.frames.exposures import (
    Behind,
    Kernel,
    Measured,
    contact_counts,
    contacts,
    measure,
)
from cxlab.frames.periods import risk_set
from cxlab.models.contrast import JUDGED, AgeSplit
from cxlab.models.hazard import many
from cxlab.results import Result

__all__ = ["Standing"]

# So many pairs of a row and a contact are kept (16 bytes each); more are asked for each time.
_MOST_PAIRS = 8_000_000
# And so many numbers of sums that no half-life changes.
_MOST_SUMS = 16_000_000
# A model has the size of its rows: so many are kept, of few rows and of many.
_MODELS, _MODELS_OF_MANY = 16, 6
_REMEMBERED = 32
_Made = TypeVar("_Made")


class _Memory:
    """Exposures of the study's rows and of its churns, from contacts kept in memory."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._rows = study.sample.rows
        self._behind = self._find(self._rows, float(study.options.washout_days))
        churns = self._rows[self._rows["event"] == 1]
        self._place = pd.Series(np.arange(len(churns)), churns.index)
        # The effect is there from the contact on, so churns are counted without the washout.
        self._behind_churns = self._find(churns, 0.0)
        self._sums: dict[Hashable, np.ndarray] = {}
        self._made: OrderedDict[str, Any] = OrderedDict()

    def _find(self, rows: pd.DataFrame, washout: float) -> Behind | None:
        return Behind.of(self._study.dataset, self._study.known, rows, washout, _MOST_PAIRS)

    @property
    def whole(self) -> bool:
        """Whether all contacts fit in: nothing more is asked of the engine then."""
        return self._behind is not None and self._behind_churns is not None

    def counts(self) -> pd.DataFrame:
        """Count contacts and customers."""
        study = self._study
        counted = partial(contact_counts, study.dataset, study.known, study.risk.followed)
        return self.remember("counts", counted).copy()

    def remember(self, name: str, make: Callable[[], _Made]) -> _Made:
        """Give what is remembered under a name, made when first asked for."""
        if name not in self._made:
            self._made[name] = make()
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        self._made.move_to_end(name)
        found: _Made = self._made[name]
        return found

    def measure(self, kernels: dict[str, Kernel], rows: pd.DataFrame, washout: float) -> Measured:
        """Measure exposures of the rows, or of some churns without the washout."""
        if rows is self._rows and self._behind and washout == self._study.options.washout_days:
            return self._measured(self._behind, kernels)
        if washout == 0 and self._behind_churns and rows.index.isin(self._place.index).all():
            found = self._behind_churns.measure(kernels)
            at = self._place[rows.index].to_numpy()
            return {key: values[at] for key, values in found.items()}
        return measure(self._study.dataset, self._study.known, rows, kernels, washout)

    def _measured(self, behind: Behind, kernels: dict[str, Kernel]) -> Measured:
        """Sum kernels; those of certain ages are the same at every half-life asked for."""
        lasting = {n for n, k in kernels.items() if k.low > 0 or k.high < math.inf}
        classes = ("all", *behind.known.classes)
        ready = {n for n in lasting if all((kernels[n], c) in self._sums for c in classes)}
        made = dict(behind.measure({n: k for n, k in kernels.items() if n not in ready}))
        room = _MOST_SUMS - sum(x.size for x in self._sums.values())
        for name in sorted(lasting - ready):
            mine: dict[Hashable, np.ndarray] = {
                (kernels[name], c): made[name, c] for c in classes if (name, c) in made
            }
            room -= sum(x.size for x in mine.values())
            if room > 0:
                self._sums |= mine
        return made | {(n, c): self._sums[kernels[n], c] for n in ready for c in classes}


@dataclass(frozen=True)
class _Fitted:
    study: Study
    model: Model
    judged: pd.DataFrame
    split: AgeSplit | None
    apart: dict[tuple[Place, ...], pd.DataFrame]


class Standing:
    """The driver model of a dataset at one washout, ready to be asked.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    **options
        See :class:`cxlab.analyses.churn_drivers.Options`; half-life and window are asked for
        later.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    AnalysisError
        A needed table is missing, or nobody left of their own will.
    """

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        settings = Options(**options)
        dataset.require("customers", "interactions")
        with threadpool_limits(limits=1, user_api="blas"):
            risk = risk_set(dataset, settings.period_days, settings.washout_days)
            known = contacts(dataset).kept(risk)
            base = studied(dataset, settings, risk, known, ())
            self._memory = _Memory(base)
            self._base = replace(base, kept=self._memory)
        self._fitted: OrderedDict[float | None, _Fitted] = OrderedDict()
        self._splits: dict[Hashable, AgeSplit] = {}
        self._ends: dict[tuple[Place, ...], np.ndarray] = {}
        self._told: tuple[tuple[Place, ...], ...] = ()

    @property
    def in_memory(self) -> bool:
        """Whether it answers from memory alone, without the engine."""
        return self._memory.whole

    @property
    def churns(self) -> int:
        """How many customers left of their own will."""
        return self._base.risk.events

    @property
    def touchpoints(self) -> tuple[str, ...]:
        """The touchpoints met."""
        return self._base.known.touchpoints

    def ask(
        self,
        *,
        half_life_days: float | None = None,
        window_days: int = 90,
        touchpoint: str | None = None,
    ) -> Result:
        """Give what a quick :func:`cxlab.analyses.churn_drivers.run` gives, and effects by age.

        Parameters
        ----------
        half_life_days : float or None
            Half-life of a contact's effect; None lets the data choose.
        window_days : int
            The window before ``as_of`` in which attributable churn is counted.
        touchpoint : str or None
            Whose effect is told by age (None: those of the leading drivers).

        Returns
        -------
        Result
            The driver table. Parts: ``worth``, ``half_life`` and ``by_age``.
        """
        options = replace(
            self._base.options, half_life_days=half_life_days, window_days=window_days
        )
        if touchpoint is not None and touchpoint not in self.touchpoints:
            raise UsageError(one_of("touchpoint", touchpoint, self.touchpoints))
        with threadpool_limits(limits=1, user_api="blas"):
            found = self._at(options)
            study, model = replace(found.study, options=options), found.model
            table = figures.attributed(study, model, found.judged)
            table = figures.finished(resampling.replicated(table, None))
            meta = parts.meta(study, model)
            return Result(
                name="churn_drivers",
                table=table,
                checks=parts.checks(study, model, table),
                meta=meta,
                sentence=words.sentence(table, meta["window_days"]),
                parts={
                    "worth": parts.worth(table, study.dataset.settings.currency),
                    "half_life": parts.half_life(study, model),
                    "by_age": self._by_age(replace(found, study=study), table, touchpoint),
                },
            )

    def _at(self, options: Options) -> _Fitted:
        """Give the model at a half-life, from those kept or begun at the nearest one's."""
        key = options.half_life_days
        if key not in self._fitted:
            study = self._study(options)
            model = fit(study, self._nearest(key))
            # Which contrasts will be told by age hangs on the verdicts; mostly on the same as last.
            likely = [t for t in self._told if all(model.of(p) is not None for p in t)]
            with ThreadPoolExecutor(model.rows.at_once) as pool:
                apart = {t: pool.submit(self._apart, study, model, t) for t in likely}
                judged, split = figures.with_verdicts(study, model, self._splits)
            found = {t: f.result() for t, f in apart.items()}
            self._fitted[key] = _Fitted(study, model, judged, split, found)
            kept = _MODELS_OF_MANY if many(model.rows.controls.size) else _MODELS
            if len(self._fitted) > kept:
                self._fitted.popitem(last=False)
        self._fitted.move_to_end(key)
        return self._fitted[key]

    def _study(self, options: Options) -> Study:
        """Measure at the half-lives to choose from, or at the one given."""
        base = self._base
        half_lives = half_lives_of(options, base.known)
        kernels = {f"decay_{h:g}": Kernel(h) for h in half_lives}
        more = base.measure(kernels, base.sample.rows, float(options.washout_days))
        return replace(base, options=options, half_lives=half_lives, grid={**base.grid, **more})

    def _nearest(self, half_life_days: float | None) -> Model | None:
        wanted = math.log(half_life_days or REFERENCE_HALF_LIFE)
        models = [f.model for f in self._fitted.values()]
        return min(models, key=lambda m: abs(math.log(m.half_life.days) - wanted), default=None)

    def _by_age(self, found: _Fitted, table: pd.DataFrame, touchpoint: str | None) -> Result:
        """Give effects by age: of the leading drivers together, else of the one asked for."""
        study, model = found.study, found.model
        leading = parts.leading_places(study, model, table)
        if touchpoint is None:
            groups = [leading]
        else:
            k = study.known.touchpoints.index(touchpoint)
            mine = [(c, k) for c in JUDGED if model.of((c, k)) is not None]
            groups = [leading if p in leading else [p] for p in mine]
        self._told = tuple(tuple(places) for places in groups if places)
        for places in self._told:
            if places not in found.apart:
                found.apart[places] = self._apart(study, model, places)
        ages = [found.apart[places] for places in self._told]
        whole = pd.concat(ages or [pd.DataFrame(columns=["touchpoint"])], ignore_index=True)
        if touchpoint is not None:
            whole = whole[whole["touchpoint"] == touchpoint].drop_duplicates()
        text = parts.fading(model, found.split) if len(whole) else _no_ages(study, touchpoint)
        return Result("by_age", whole.reset_index(drop=True), sentence=text)

    def _apart(self, study: Study, model: Model, places: tuple[Place, ...]) -> pd.DataFrame:
        """Tell contrasts by age, begun where the fit of another half-life ended."""
        table, self._ends[places] = parts.apart_by_age(study, model, places, self._ends.get(places))
        return table


def _no_ages(study: Study, touchpoint: str | None) -> str:
    """Say why there is no effect by age."""
    if touchpoint is None:
        return "There is no driver to show."
    return (
        f"{touchpoint}: too few customers left after a bad contact, or the washout of "
        f"{study.options.washout_days} days leaves none, to tell an effect by age."
    )
