"""Which touchpoints drive customers away, how sure are we, and what is it worth?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from cxlab.analyses.churn_drivers import figures, parts, resampling, words
from cxlab.analyses.churn_drivers.figures import COLUMNS
from cxlab.analyses.churn_drivers.handed_on import made
from cxlab.analyses.churn_drivers.proof.sensitivity import by_tenure, e_values
from cxlab.analyses.churn_drivers.study import Model, Options, Study, fit, prepare
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.models.contrast import AgeSplit
from cxlab.models.scenario import Basis
from cxlab.results import Findings, Result

__all__ = [
    "COLUMNS",
    "Options",
    "basis",
    "estimate",
    "findings",
    "limits",
    "method",
    "reasons",
    "run",
    "unsure",
]


_Part = Callable[[Study, Model, pd.DataFrame], Result]
_SINGLE: tuple[_Part, ...] = (by_tenure, e_values)


def _repeated() -> tuple[_Part, ...]:
    """Give the parts that fit again; a quick run does not even load them."""
    from cxlab.analyses.churn_drivers.further.beyond import beyond
    from cxlab.analyses.churn_drivers.further.offsets import asymmetry, recovery, stack
    from cxlab.analyses.churn_drivers.further.scores import scores
    from cxlab.analyses.churn_drivers.further.segments import segments
    from cxlab.analyses.churn_drivers.proof.agreement import agreement
    from cxlab.analyses.churn_drivers.proof.negative import involuntary_ends, placebo_outcomes
    from cxlab.analyses.churn_drivers.proof.sweep import washout_sweep

    return (
        *(washout_sweep, agreement, placebo_outcomes, involuntary_ends),
        *(beyond, recovery, asymmetry, stack, segments, scores),
    )


def run(dataset: Dataset, **options: Any) -> Result:
    """Estimate what bad contacts at each touchpoint do to the hazard of leaving.

    A snapshot has no contacts in time: there, a Cox model of the customers' attributes.

    Parameters
    ----------
    dataset : Dataset
        In the spell form with ``interactions``, or a snapshot.
    **options
        See :class:`Options`.

    Returns
    -------
    Result
        One row a touchpoint and valence (snapshot: a term), with the columns of
        ``drivers.csv`` and ``term, estimate, se, n``. Parts: ``worth`` (customers and money),
        ``by_age`` (hazard ratio by time since the contact), ``half_life`` (profile),
        ``adjusted_for``, ``without_proneness``; of a snapshot ``by_tenure`` (hazard ratio early
        and late) and ``adjusted_for``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    AnalysisError
        A needed table is missing, or nobody left of their own will.
    """
    settings = Options(**options)
    # One thread: matrices this small lose by more, and sums keep their order.
    with threadpool_limits(limits=1, user_api="blas"):
        if dataset.form == "snapshot":
            from cxlab.analyses.churn_drivers import snapshot

            return snapshot.run(dataset, settings.min_group)
        dataset.require("customers", "interactions")
        return _run(dataset, settings)


def estimate(dataset: Dataset, **options: Any) -> Result:
    """Give the driver table alone, as :func:`run` does without its parts, resampling and sweeps.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    **options
        See :class:`Options`.
    """
    settings = Options(**options)
    with threadpool_limits(limits=1, user_api="blas"):
        dataset.require("customers", "interactions")
        study = prepare(dataset, settings)
        model = fit(study)
        table, _ = _judged(study, model)
        table = figures.finished(resampling.replicated(table, None))
        return Result("churn_drivers", table, meta=parts.meta(study, model))


def basis(dataset: Dataset, **options: Any) -> tuple[Result, Basis | None]:
    """Give the driver table as :func:`estimate` does, and the fitted model behind it.

    What follows from it, such as what fewer failures would change, is told by other analyses;
    they are given this.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    **options
        See :class:`Options`.

    Returns
    -------
    Result
        The driver table, without parts; empty, with a sentence, where there can be none.
    Basis or None
        Every churn with the bad contacts behind it, and the effects with their covariance.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    settings = Options(**options)
    with threadpool_limits(limits=1, user_api="blas"):
        try:
            dataset.require("customers", "interactions")
            study = prepare(dataset, settings)
        except AnalysisError as error:
            # A report names no folder of the machine that made it.
            why = str(error).removeprefix(f"{dataset.path}: ")
            empty = pd.DataFrame(columns=list(COLUMNS))
            return Result("churn_drivers", empty, meta=dataset.about(), sentence=why), None
        model = fit(study)
        table, _ = _judged(study, model)
        handed = made(study, model, table)
        table = figures.finished(resampling.replicated(table, None))
        sentence = words.sentence(table, settings.window_days)
        meta = parts.meta(study, model)
        return Result("churn_drivers", table, meta=meta, sentence=sentence), handed


def _judged(study: Study, model: Model) -> tuple[pd.DataFrame, AgeSplit | None]:
    """Give the table with verdicts and attributable churn, and the would-be drivers by age."""
    table, split = figures.with_verdicts(study, model)
    return figures.attributed(study, model, table), split


def _run(dataset: Dataset, settings: Options) -> Result:
    study = prepare(dataset, settings)
    model = fit(study)
    table, split = _judged(study, model)
    drawn = None if settings.quick else resampling.replicates(study, model, table)
    table = resampling.replicated(table, drawn)
    ranks = resampling.ranks(table, drawn)
    table = figures.finished(table)
    meta = parts.meta(study, model)
    beside = _beside(study, model, table)
    checks = [c for part in beside.values() for c in part.checks]
    return Result(
        name="churn_drivers",
        table=table,
        checks=(*parts.checks(study, model, table), *checks),
        meta=meta,
        sentence=words.sentence(table, meta["window_days"]),
        parts={
            "worth": parts.worth(table, dataset.settings.currency),
            "by_age": parts.by_age(study, model, table, split),
            "ranks": ranks,
            "half_life": parts.half_life(study, model),
            "adjusted_for": parts.adjusted_for(study),
            "without_proneness": parts.without_proneness(study, model, table),
            **beside,
        },
    )


def _beside(study: Study, model: Model, table: pd.DataFrame) -> dict[str, Result]:
    """Give the parts that stand beside the table; in a quick run those of a single fit alone."""
    wanted = _SINGLE if study.options.quick else (*_SINGLE, *_repeated())
    bar = tqdm(wanted, "beside the table", unit="part", leave=False, disable=None)
    return {part.__name__: part(study, model, table) for part in bar}


def _words(result: Result) -> Any:
    """Give the module that words a result of this form."""
    if result.meta.get("form") != "snapshot":
        return words
    from cxlab.analyses.churn_drivers import snapshot

    return snapshot.words


def findings(result: Result, notebook: str = "05_churn_drivers") -> Findings:
    """Word the drivers for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found: Findings = _words(result).findings(result, notebook)
    return found


def reasons(result: Result) -> list[str]:
    """Give the verdicts' reasons, a line each.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    lines: list[str] = _words(result).reasons(result)
    return lines


def method(result: Result) -> tuple[str, ...]:
    """Say in sentences how customers are compared, in these data.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    lines: tuple[str, ...] = _words(result).METHOD
    return lines


def unsure(result: Result) -> list[str]:
    """Say in sentences what cannot be told apart, of touchpoints.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    return words.unsure(result)


def limits(result: Result) -> tuple[str, ...]:
    """Say in sentences what the answer does not tell, in these data.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    """
    lines: tuple[str, ...] = _words(result).LIMITS
    return lines
