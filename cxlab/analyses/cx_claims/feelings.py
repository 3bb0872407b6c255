"""Whether what fails to work overrides how a contact felt."""

from __future__ import annotations

import numpy as np

from cxlab.analyses.cx_claims.study import Answer, Study, Told
from cxlab.frames.exposures import contacts, exit_touchpoints, linked
from cxlab.frames.marks import decayed, layer_marks, metrics_of
from cxlab.models.hazard import fit_hazard, independent_columns
from cxlab.models.intervals import hazard_ratios
from cxlab.results import counted

__all__ = ["functional"]

_HALF_LIFE = 28.0
_KINDS = ("failed", "held", "failed score", "held score")
# One contact that failed but felt best, over one that held but felt worst.
_TAKE = np.array([1.0, -1.0, 1.0, 0.0])


def functional(study: Study) -> Answer:
    """Compare a contact that failed but felt best with one that worked but felt worst.

    Parameters
    ----------
    study : Study
        The customers.
    """
    if lacking := _lacking(study):
        return Answer(why=lacking)
    if isinstance(study.marks, str):
        return Answer(why=study.marks)
    data, seen = study.dataset, study.seen
    exits = set(exit_touchpoints(data))
    names = [t for t in contacts(data).touchpoints if t not in exits]
    rows = study.marks.rows.iloc[seen.rows].reset_index(drop=True)
    marks = layer_marks(data, names)
    summed = decayed(data, marks, rows, dict.fromkeys(names, _HALF_LIFE), 0.0, _HALF_LIFE)
    felt = summed["decay"][:, [marks.kinds.index(k) for k in _KINDS]]
    met = [len(np.unique(seen.customer[felt[:, i] > 0])) for i in (0, 1)]
    if min(met) < study.options.least or seen.leavers < study.options.least:
        return Answer(
            why=f"{counted(min(met), 'customer')} with an emotional score on a contact that "
            f"{'failed' if met[0] <= met[1] else 'worked'}; {study.options.least} are wanted"
        )
    told = _hazard(study, np.column_stack([study.equal[:, :1], felt, study.equal[:, 1:]]))
    raw = _hazard(study, np.column_stack([np.ones(len(felt)), felt]))
    if told is None or raw is None:
        return Answer(why="what failed and what was felt cannot be told apart")
    return Answer(
        told,
        raw,
        said=f"A contact that failed but felt best goes with {told.estimate:.2f} times the hazard "
        "of one that worked but felt worst.",
        differs="Kinds of customers differ in what fails for them, in how they score, and in how "
        "long they stay.",
        held=f"adjusted: leaving within {study.options.horizon_days} days, by contacts before that "
        f"have an emotional score (half-life {_HALF_LIFE:g} days), at equal tenure, month, value "
        "and attributes; raw: nothing held equal",
    )


def _lacking(study: Study) -> str:
    data = study.dataset
    if not metrics_of(data, "emotional"):
        return (
            "no metric of layer emotional is declared in dataset.yml; it takes scores of how "
            "contacts felt"
        )
    there = data.columns("interactions")
    if "interaction_id" not in there or not linked(data):
        return "no scores are linked to contacts by interaction_id"
    if "outcome" not in there and not metrics_of(data, "functional"):
        return "contacts have no outcome, and no metric of layer functional tells what failed"
    return ""


def _hazard(study: Study, x: np.ndarray) -> Told | None:
    """Fit a complementary log-log model of leaving and give the ratio."""
    seen = study.seen
    known = seen.weight > 0
    design, weight = x[known], seen.weight[known] / seen.weight[known].mean()
    keep = independent_columns(design, weights=weight)
    if not keep[1:5].all() or not 0 < seen.left[known].sum() < known.sum():
        return None
    clusters = np.unique(seen.customer[known], return_inverse=True)[1]
    fit = fit_hazard(design[:, keep], seen.left[known], link="cloglog", weights=weight,
                     clusters=clusters, ridge=0.1)  # fmt: skip
    b = float(_TAKE @ fit.coef[1:5])
    se = float(np.sqrt(_TAKE @ fit.covariance[1:5, 1:5] @ _TAKE))
    ends = hazard_ratios(np.array(b), np.array(se))
    ratio, low, high = (float(ends[c]) for c in ("hazard_ratio", "conf_low", "conf_high"))
    return Told(ratio, low, high, len(np.unique(clusters)))
