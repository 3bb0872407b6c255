"""Which attributes' effects change with tenure, and a model that allows for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.snapshot.terms import Terms
from cxlab.models.cox import CoxFit, early_and_late, estimable, fit_cox, proportional_hazards
from cxlab.models.intervals import Z, benjamini_hochberg
from cxlab.models.verdicts import ALPHA, LEAST_FACTOR

__all__ = ["Model", "fit_model"]

# Each stratum compares its own customers alone: thinner ones would have nobody to compare.
_LEAST_EVENTS_A_STRATUM = 20


@dataclass(frozen=True)
class Model:
    """The model of all attributes.

    Parameters
    ----------
    fit : CoxFit
        The model of the terms that are no strata.
    table : pandas.DataFrame
        One row a term: ``term, attribute, estimate, se, p_value`` (of an attribute whose effect
        changes, the mean over the churns of both spans), ``early, early_se, late, late_se``,
        and of the attribute ``chi2, df, p_constant, q_constant, changes, stratum``.
    strata : tuple of str
        Attributes held equal by strata.
    cut : float
        The last tenure of the early span.
    """

    fit: CoxFit
    table: pd.DataFrame
    strata: tuple[str, ...]
    cut: float

    def changing(self) -> list[str]:
        """Name the attributes whose effect changes with tenure."""
        return list(dict.fromkeys(self.table.loc[self.table["changes"], "attribute"]))


@dataclass(frozen=True)
class _Rows:
    """The rows of the model."""

    terms: Terms
    tenure: np.ndarray
    churned: np.ndarray

    def groups(self, strata: list[str]) -> np.ndarray | None:
        """Number the strata, a row."""
        if not strata:
            return None
        return self.terms.groups.groupby(strata, sort=False).ngroup().to_numpy()

    def outside(self, strata: list[str], groups: np.ndarray | None) -> pd.DataFrame:
        """Give the columns of the attributes that are no strata, where they can be estimated."""
        every = self.terms.columns
        rest = every[[t for t in every if self.terms.attribute[t] not in strata]]
        return rest.loc[:, estimable(rest, groups)]

    def may_join(self, strata: list[str], name: str) -> bool:
        """Tell whether an attribute has levels, few enough to be strata besides the others."""
        if name not in self.terms.groups:
            return False
        groups = self.groups([*strata, name])
        assert groups is not None
        thick = self.churned.sum() >= _LEAST_EVENTS_A_STRATUM * (groups.max() + 1)
        return bool(thick) and self.outside([*strata, name], groups).shape[1] > 0


def fit_model(terms: Terms, tenure: np.ndarray, churned: np.ndarray) -> Model:
    """Fit all attributes at once; those whose effect changes with tenure become strata.

    One at a time, the attribute with the clearest change first, since one that changes makes
    others seem to; at the end, those that only seemed to leave the strata again. An attribute
    changes where the test of proportional hazards rejects (q-value) and the hazard ratio of one
    of its terms (of a number: of one standard deviation) is ``verdicts.LEAST_FACTOR`` times as
    large late as early, or the reverse, by more than chance. Numbers, and attributes that would
    make the strata too thin, stay in the model.

    Parameters
    ----------
    terms : Terms
        The columns, and what they mean.
    tenure, churned : ndarray, shape (n,)
        Time, and 1 for those who left.
    """
    rows = _Rows(terms, tenure, churned)

    @cache  # leaving the strata again leads back to models that were fitted on the way in
    def fitted(*strata: str) -> tuple[CoxFit, pd.DataFrame, float]:
        return _fitted(rows, list(strata))

    chosen: list[str] = []
    seen = pd.DataFrame()
    while True:
        fit, table, cut = fitted(*chosen)
        seen = _newest(table, seen)
        changing = table[table["changes"]].sort_values("chi2", ascending=False)
        changing = changing.sort_values("p_constant", kind="stable")
        names = (n for n in dict.fromkeys(changing["attribute"]) if rows.may_join(chosen, n))
        if (name := next(names, None)) is None:
            break
        chosen.append(name)
    for name in tuple(chosen):
        others = [c for c in chosen if c != name]
        own = fitted(*others)[1]
        own = own[own["attribute"] == name]
        if own["changes"].any():
            seen = _newest(own.assign(stratum=True), seen)
        else:
            chosen = others
            fit, table, cut = fitted(*chosen)
            seen = _newest(table, seen)
    # A term that the strata tell altogether keeps its figures from before they did.
    order = pd.Index(terms.names)
    seen = seen.set_index("term").reindex(order[order.isin(seen["term"])]).rename_axis("term")
    return Model(fit, seen.reset_index(), tuple(chosen), cut)


def _newest(table: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Replace the rows of terms seen before."""
    return pd.concat([seen, table]).drop_duplicates("term", keep="last")


def _fitted(rows: _Rows, strata: list[str]) -> tuple[CoxFit, pd.DataFrame, float]:
    """Fit one model, test it, and fit it apart for early and late tenure."""
    groups = rows.groups(strata)
    columns = rows.outside(strata, groups)
    given, owner = (columns, rows.tenure, rows.churned), rows.terms.attribute
    fit = fit_cox(*given, groups, rows.terms.averaged)
    tests = proportional_hazards(fit, *given, [owner[t] for t in columns], groups)
    tests["q_constant"] = benjamini_hochberg(tests["p_value"].to_numpy())
    tests = tests.rename(columns={"group": "attribute", "p_value": "p_constant"})
    cut, spans = early_and_late(*given, groups, rows.terms.averaged)
    table = fit.table.assign(attribute=fit.table["term"].map(owner), stratum=False)
    table = table.merge(spans, on="term").merge(tests, on="attribute", how="left")
    numbers = ~table["attribute"].isin(rows.terms.reference)
    scale = columns.std().reindex(table["term"]).where(numbers.to_numpy(), 1.0).to_numpy()
    apart = (table["late"] - table["early"]) * scale
    z = apart / (np.hypot(table["early_se"], table["late_se"]) * scale)
    clear = (apart.abs() >= np.log(LEAST_FACTOR)) & (z.abs() > Z)
    clear &= table["q_constant"] < ALPHA
    table["changes"] = clear.groupby(table["attribute"]).transform("any")
    return fit, table, cut
