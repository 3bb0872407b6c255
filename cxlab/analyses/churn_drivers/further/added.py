"""Further exposures beside the driver model's own: fitted, tried by age, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.study import RECENT_DAYS, Model, Place, Study
from cxlab.frames.marks import Marks, Summed, decayed, mark_counts
from cxlab.models import contrast, intervals, verdicts
from cxlab.results import counted

__all__ = [
    "Added",
    "add",
    "counts",
    "enough",
    "judge",
    "judged",
    "measure_marks",
    "names_of_main",
    "split",
]

_LEAST_CUSTOMERS = 10
_LEAST_CASES, _LEAST_BASE = 3, 5


@dataclass(frozen=True)
class Added:
    """A fit of the model with further columns.

    Parameters
    ----------
    model : Contrasts
        The whole fit.
    places : tuple of (class, int)
        Where the further columns are in it, in their order.
    """

    model: contrast.Contrasts
    places: tuple[Place, ...]

    @property
    def coef(self) -> np.ndarray:
        """Estimates of the further columns, shape (columns,)."""
        return np.array([self.model.coef[p] for p in self.places])

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of them, shape (columns, columns)."""
        return self.among(self.places)

    @property
    def se(self) -> np.ndarray:
        """Standard errors of them, shape (columns,)."""
        return np.sqrt(np.diag(self.covariance))

    def among(self, places: Sequence[Place]) -> np.ndarray:
        """Give the covariance of any columns of the fit.

        Parameters
        ----------
        places : sequence of (class, int)
            Which.
        """
        order = list(self.model.coef)
        at = [order.index(p) for p in places]
        return self.model.covariance[np.ix_(at, at)]


def names_of_main(study: Study, model: Model) -> list[str]:
    """Name the touchpoints that do not follow the decision to leave."""
    return [t for t, s in zip(study.known.touchpoints, model.separated, strict=True) if not s]


def measure_marks(study: Study, model: Model, marks: Marks) -> Summed:
    """Sum marks for the model's rows, each at its touchpoint's half-life.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    marks : Marks
        The marks.
    """
    paces = dict(zip(study.known.touchpoints, model.days, strict=True))
    washout = study.options.washout_days
    return decayed(study.dataset, marks, study.sample.rows, paces, washout, RECENT_DAYS)


def counts(study: Study, marks: Marks) -> pd.DataFrame:
    """Count contacts with each kind of mark, and customers, of those who were at risk.

    Parameters
    ----------
    study : Study
        What was measured.
    marks : Marks
        The marks.
    """
    return mark_counts(marks, study.risk.followed)


def add(
    study: Study,
    model: Model,
    columns: np.ndarray,
    slopes: np.ndarray,
    held_equal: Sequence[bool] = (),
    without: Sequence[Place] = (),
) -> Added:
    """Fit the model of all that do not follow the decision with further columns.

    Standard errors hold the half-life's uncertainty, as the model's own do.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    columns, slopes : ndarray, shape (rows, columns)
        The further exposures, and their derivatives by the log of the half-life.
    held_equal : sequence of bool
        Which of them only say who is compared with whom, as the sums of all contacts do
        (default: none).
    without : sequence of (class, int)
        Columns of the model to leave out.
    """
    main, count = model.main, len(study.known.touchpoints)
    kinds = ["all" if h else "bad" for h in held_equal] or ["bad"] * columns.shape[1]
    places = [(kind, count + j) for j, kind in enumerate(kinds)]
    kept = [p for p in main.coef if p not in without] if main is not None else []
    start = None
    if main is not None:
        start = np.append(main.controls, [main.coef[p] for p in kept])
    fitted = contrast.fit_contrasts(
        model.rows,
        _beside(study.sums(model.measured, "decay"), columns),
        [*kept, *places],
        _beside(study.sums(model.measured, "slope"), slopes) if model.half_life.chosen else None,
        list(model.own),
        start,
    )
    return Added(fitted, tuple(places))


def _beside(sums: dict[str, np.ndarray], columns: np.ndarray) -> dict[str, np.ndarray]:
    """Put further columns behind the touchpoints' in each class that they may be in."""
    empty = np.zeros_like(sums["all"])
    both = {c: np.hstack([sums.get(c, empty), columns]) for c in ("all", "bad")}
    return sums | both


def split(
    study: Study,
    model: Model,
    summed: Summed,
    suspects: Sequence[int],
    held_equal: Sequence[bool] = (),
    without: Sequence[Place] = (),
) -> contrast.AgeSplit:
    """Fit suspects apart by their age, as the drivers are; see ``contrast.split_by_age``.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    summed : mapping
        With ``recent`` and ``old``, shape (rows, columns).
    suspects : sequence of int
        The columns to look at; all others stay whole.
    held_equal, without
        As for :func:`add`.
    """
    picked = list(suspects)
    columns = np.hstack([summed["decay"], summed["recent"][:, picked]])
    # Whole and recent: the whole's coefficient is that of the old, the other the difference.
    equal = [*(held_equal or [False] * summed["decay"].shape[1]), *[False] * len(picked)]
    fitted = add(study, model, columns, np.zeros_like(columns), equal, without)
    coef, covariance = fitted.coef, fitted.covariance
    count = summed["decay"].shape[1]
    recent, old, drop = {}, {}, {}
    for i, j in enumerate(picked):
        place, more = ("bad", j), count + i
        change, spread = coef[more], covariance[more, more]
        whole = covariance[j, j]
        now = whole + spread + 2 * covariance[j, more]
        older = (coef[j], float(np.sqrt(whole))) if summed["old"][:, j].any() else (np.nan, np.nan)
        recent[place] = float(coef[j] + change), float(np.sqrt(now))
        old[place] = float(older[0]), older[1]
        drop[place] = float(change / np.sqrt(spread))
    return contrast.AgeSplit(recent, old, drop, (np.nan, np.nan, np.nan))


def judge(
    customers: int,
    column: np.ndarray,
    event: np.ndarray,
    figures: tuple[float, float, float],
    ages: contrast.AgeSplit | None,
    place: int,
    least: int,
) -> tuple[str, str]:
    """Give a verdict on one further exposure, and why.

    Parameters
    ----------
    customers : int
        Who had it.
    column, event : ndarray, shape (rows,)
        The exposure and the events.
    figures : tuple of (float, float, float)
        Estimate, standard error and q-value.
    ages : AgeSplit or None
        Of those that are told from none.
    place : int
        Its place in ``ages``.
    least : int
        Of fewer customers nothing is told.

    Returns
    -------
    verdict, why : str
        ``matters``, ``no evidence``, ``reverse causation suspected`` or ``too little data``.
    """
    coef, se, q = figures
    if customers < max(_LEAST_CUSTOMERS, least):
        return "too little data", f"Only {counted(customers, 'customer')} had it."
    if not enough(column, event):
        return "too little data", "Too few customers left, or stayed, after it to compare."
    if not (np.isfinite(coef) and se > 0):
        return "too little data", "It cannot be told from what is held equal."
    if not q < verdicts.ALPHA:
        if se > verdicts.WIDEST_SE:
            return "too little data", "The interval is too wide to say anything."
        return "no evidence", "The hazard with it cannot be told from the hazard without it."
    key = ("bad", place)
    if ages is not None and key in ages.recent:
        if ages.untested(key):
            return (
                "reverse causation suspected",
                "There are no cases older than 14 days to check it against.",
            )
        if ages.recent_only(key):
            return (
                "reverse causation suspected",
                "The difference is there only for the last 14 days, as it is where the decision "
                "to leave comes first.",
            )
    raised = "raises" if coef > 0 else "lowers"
    return "matters", f"It {raised} the hazard, and not only in the 14 days after it."


def judged(
    study: Study,
    model: Model,
    summed: Summed,
    customers: Sequence[int],
    fitted: Sequence[Sequence[float]],
    held_equal: Sequence[bool] = (),
    without: Sequence[Place] = (),
    family: bool = True,
) -> pd.DataFrame:
    """Give further exposures their p- and q-values, and verdicts.

    Parameters
    ----------
    study, model, summed, held_equal, without
        As for :func:`split`.
    customers : sequence of int
        How many customers had each.
    fitted : sequence of (float, float)
        Estimate and standard error of each; NaN where it is not to be told.
    family : bool
        Whether they are one family of tests, for the q-values.

    Returns
    -------
    pandas.DataFrame
        One row a column of ``summed``: ``estimate, se, hazard_ratio, conf_low, conf_high,
        p_value, q_value, n, churns, verdict, why``; no figures where there is too little data.
    """
    event, columns = model.rows.event, summed["decay"]
    coef, se = (np.array(values) for values in zip(*fitted, strict=True))
    usable = np.array([enough(x, event) for x in columns.T]) & (se > 0)
    coef, se = np.where(usable, coef, np.nan), np.where(usable, se, np.nan)
    p = intervals.wald_p(coef, se)
    q = intervals.benjamini_hochberg(p) if family else p
    told = [int(j) for j in np.flatnonzero(q < verdicts.ALPHA)]
    ages = split(study, model, summed, told, held_equal, without) if told else None
    least = study.options.min_group
    said = [
        judge(int(customers[j]), columns[:, j], event, (coef[j], se[j], q[j]), ages, j, least)
        for j in range(columns.shape[1])
    ]
    shown = np.array([verdict != "too little data" for verdict, _ in said])
    coef, se, p, q = (np.where(shown, x, np.nan) for x in (coef, se, p, q))
    return pd.DataFrame(
        {
            "estimate": coef,
            "se": se,
            **intervals.hazard_ratios(coef, se),
            "p_value": p,
            "q_value": q,
            "n": np.asarray(customers, dtype=int),
            "churns": ((columns != 0) & (event == 1)[:, None]).sum(axis=0),
            "verdict": [verdict for verdict, _ in said],
            "why": [why for _, why in said],
        }
    )


def enough(column: np.ndarray, event: np.ndarray) -> bool:
    """Tell whether an exposure has enough exposed churns and base rows to be estimated.

    Parameters
    ----------
    column, event : ndarray, shape (rows,)
        The exposure and the events.
    """
    met = column != 0
    cases = int(event[met].sum())
    return cases >= _LEAST_CASES and int(met.sum()) - cases >= _LEAST_BASE
