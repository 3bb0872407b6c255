"""The snapshot form: a Cox model of the customers' attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.figures import COLUMNS
from cxlab.analyses.churn_drivers.snapshot import words
from cxlab.analyses.churn_drivers.snapshot.constancy import Model, fit_model
from cxlab.analyses.churn_drivers.snapshot.terms import AVERAGE, Terms, make_terms, step_of
from cxlab.data.dataset import Dataset
from cxlab.models.intervals import LEVEL, benjamini_hochberg, hazard_ratios
from cxlab.models.verdicts import ALPHA, LEAST_FACTOR, VERDICTS, WIDEST_SE
from cxlab.results import Check, Result, counted

__all__ = ["run"]

# Log hazard ratio of one standard deviation beyond which a term tells who left by itself.
_LARGEST = 4.0
_EVENTS_A_COEFFICIENT = 10
_EXTRA = (
    *("attribute", "level", "reference", "compared_with", "step"),
    *("step_ratio", "step_low", "step_high"),
)

_SPANS = ("early", "early_low", "early_high", "late", "late_low", "late_high")
_TESTED = ("chi2", "df", "q_constant", "changes")


def run(dataset: Dataset, min_group: int = 10) -> Result:
    """Fit the hazard of leaving by tenure on all attributes at once.

    Parameters
    ----------
    dataset : Dataset
        In the snapshot form.
    min_group : int
        Levels of fewer customers are no terms.

    Returns
    -------
    Result
        Without rows where no attribute tells customers apart; its sentence says why.
    """
    columns = ["tenure", "churned"]
    columns += [c for c in ("monthly_value",) if c in dataset.columns("customers")]
    frame = dataset.table("customers").select(*columns, *dataset.attributes)
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    kinds = {c: "number" for c in columns[2:]} | dataset.attributes
    terms = make_terms(data, kinds, min_group)
    used = data.loc[terms.columns.index]
    tenure, churned = used["tenure"].to_numpy(float), used["churned"].to_numpy(int)
    meta: dict[str, Any] = {
        **dataset.about(),
        "form": dataset.form,
        "scale": "log hazard ratio",
        "level": LEVEL,
        "customers": len(used),
        "churns": int(churned.sum()),
        "tenure_unit": dataset.settings.tenure_unit,
        "strata": [],
        "changing": [],
    }
    if terms.columns.empty:
        return _nothing(terms, meta)
    model = fit_model(terms, tenure, churned)
    span = words.Span(model.cut, dataset.settings.tenure_unit)
    meta |= {
        "strata": list(model.strata),
        "changing": model.changing(),
        "early_span": str(span),
    }
    spans = _by_tenure(model, _steps(model, terms))
    table = _finished(_table(model, terms, spans), terms, span)
    by_tenure = Result("by_tenure", spans, sentence=words.changing(meta["changing"], span))
    return Result(
        "churn_drivers",
        table,
        _checks(data, terms, model, meta),
        meta,
        words.sentence(table),
        {"by_tenure": by_tenure, "adjusted_for": _adjusted_for(terms, model.strata)},
    )


def _nothing(terms: Terms, meta: dict[str, Any]) -> Result:
    """Say why there is no model."""
    reasons = "; ".join(f"{name}: {why}" for name, why, _ in terms.left_out)
    told = f"No attribute tells customers apart ({reasons or 'there is none'})."
    table = pd.DataFrame(columns=[*COLUMNS, "term", "estimate", "se", "n", *_EXTRA])
    columns = ["term", "step", *_SPANS, *_TESTED]
    parts = {
        "by_tenure": Result("by_tenure", pd.DataFrame(columns=columns), sentence=told),
        "adjusted_for": _adjusted_for(terms, ()),
    }
    return Result("churn_drivers", table, (), meta, told, parts)


def _steps(model: Model, terms: Terms) -> pd.Series:
    """Give the step each number's effect is told by; of levels, none."""
    numbers = {t: t not in terms.level for t in model.table["term"]}
    return pd.Series({t: step_of(terms.columns[t]) if n else np.nan for t, n in numbers.items()})


def _table(model: Model, terms: Terms, spans: pd.DataFrame) -> pd.DataFrame:
    """Give one row a term, with its verdict."""
    columns = terms.columns
    table = model.table.drop(columns=["early", "early_se", "late", "late_se"])
    table = table.merge(spans[["term", "step", "early", "late"]], on="term")
    customers = table["term"].map(_customers(terms))
    share = customers / len(columns)
    spread = columns.std().reindex(table["term"]).to_numpy()
    spread = np.where(table["term"].isin(terms.level), np.sqrt(share * (1 - share)), spread)
    size = table["estimate"].abs() * spread
    leaky = size > _LARGEST
    thin = ~leaky & ~(table["se"] * spread <= WIDEST_SE)
    table.loc[leaky | thin, ["estimate", "se", "p_value"]] = np.nan
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
    told, up = table["q_value"] < ALPHA, table["estimate"] > 0
    kinds = ["not separable", "too little data", "driver", "protective"]
    table["verdict"] = np.select([leaky, thin, told & up, told], kinds, "no evidence")
    table = table.assign(**hazard_ratios(table["estimate"], table["se"]))
    each = table["step"].fillna(1.0)
    stepped = hazard_ratios(table["estimate"] * each, table["se"] * each)
    table = table.assign(**dict(zip(_EXTRA[-3:], stepped.values(), strict=True)))
    table["level"] = table["term"].map(terms.level)
    table["reference"] = table["attribute"].map(terms.reference)
    less = [f"{step:,.12g} less" for step in table["step"]]
    other = table["reference"].replace(AVERAGE, "the average")
    table["compared_with"] = other.where(table["step"].isna(), less)
    table["exposed_customers"] = customers
    size = size.where(table["estimate"].notna(), 0.0)
    judged = table["verdict"].map(VERDICTS.index)
    order = pd.DataFrame({"verdict": judged, "size": -size, "term": table["term"]})
    return table.loc[order.sort_values(list(order)).index].reset_index(drop=True)


def _customers(terms: Terms) -> dict[str, int]:
    """Count the customers of each level; of a number, all."""
    return {
        t: int((terms.groups[terms.attribute[t]] == terms.level[t]).sum())
        if t in terms.level
        else len(terms.columns)
        for t in terms.names
    }


def _finished(table: pd.DataFrame, terms: Terms, span: words.Span) -> pd.DataFrame:
    """Add each row's reason, and the attributes left out of the model."""
    table = table.assign(touchpoint=table["term"], valence="attribute")
    table["why"] = [words.why(row, span) for row in table.itertuples()]
    left = [_left_out_row(*row) for row in terms.left_out if row[2]]
    if left:
        table = pd.concat([table, pd.DataFrame(left)], ignore_index=True)
        judged = table["verdict"].map(VERDICTS.index).sort_values(kind="stable")
        table = table.loc[judged.index].reset_index(drop=True)
    table["n"], table["rank"] = table["exposed_customers"], np.arange(1, len(table) + 1)
    return table.reindex(columns=[*COLUMNS, "term", "estimate", "se", "n", *_EXTRA])


def _left_out_row(attribute: str, reason: str, verdict: str) -> dict[str, Any]:
    return {
        "touchpoint": attribute,
        "term": attribute,
        "attribute": attribute,
        "valence": "attribute",
        "verdict": verdict,
        "why": f"Left out of the model: {reason}.",
    }


def _checks(
    data: pd.DataFrame, terms: Terms, model: Model, meta: dict[str, Any]
) -> tuple[Check, ...]:
    """Give the checks that travel with the result."""
    coefficients = len(model.fit.coef)
    each = model.fit.events / coefficients
    missing = ", ".join(f"{t}: {c:,}" for t, c in terms.missing.items())
    dropped = len(data) - meta["customers"]
    text = f"all {len(data):,} customers have a value in every attribute of the model"
    if dropped:
        text = f"{dropped:,} of {len(data):,} customers left out for a missing value ({missing})"
    made = [
        Check(
            "events per coefficient",
            each >= _EVENTS_A_COEFFICIENT,
            f"{model.fit.events:,} churns for {counted(coefficients, 'coefficient')} "
            f"({each:.1f} each; {_EVENTS_A_COEFFICIENT} are wanted)",
        ),
        Check("complete customers", not dropped, text),
        *_at_once(data, meta["tenure_unit"]),
        _constancy(model),
    ]
    if terms.left_out:
        text = "; ".join(f"{name}: {why}" for name, why, _ in terms.left_out)
        made.append(Check("attributes left out", None, text))
    if terms.notes:
        made.append(Check("levels", None, "; ".join(terms.notes)))
    return (*made, Check("time", None, words.LIMITS[0]))


def _at_once(data: pd.DataFrame, unit: str) -> list[Check]:
    """Tell of customers who were there for no time at all."""
    none = data["tenure"] == 0
    if not none.any():
        return []
    left = int(data.loc[none, "churned"].sum())
    said = f"{left:,} of them had left" if left else "none of them had left, so they tell nothing"
    text = f"{none.sum():,} of {len(data):,} customers have a tenure of 0 {unit}; {said}"
    return [Check("tenure of 0", None, f"{text}. They are counted and kept")]


def _constancy(model: Model) -> Check:
    """Tell whose effects change with tenure, and what was done about it."""
    name, changing = "effects that change with tenure", model.changing()
    rest = [c for c in changing if c not in model.strata]
    if not changing:
        text = f"none changes {LEAST_FACTOR:g}-fold from early to late tenure"
        return Check(name, True, text)
    told = [f"{', '.join(model.strata)}: held equal by strata"] if model.strata else []
    told += [f"{', '.join(rest)}: kept in the model, with one average effect"] if rest else []
    return Check(name, None if not rest else False, "; ".join(told))


def _by_tenure(model: Model, steps: pd.Series) -> pd.DataFrame:
    """Give each term's hazard ratio early and late, of a number for its step, and the test."""
    table = model.table
    step = table["term"].map(steps)
    made = pd.DataFrame({"term": table["term"], "step": step})
    for name in ("early", "late"):
        estimate, se = (table[c] * step.fillna(1.0) for c in (name, f"{name}_se"))
        told = se <= WIDEST_SE
        ratios = hazard_ratios(estimate.where(told), se.where(told))
        made[[name, f"{name}_low", f"{name}_high"]] = pd.DataFrame(ratios)
    made[list(_TESTED)] = table[list(_TESTED)]
    return made.sort_values("changes", ascending=False, kind="stable").reset_index(drop=True)


def _adjusted_for(terms: Terms, strata: Sequence[str]) -> Result:
    """List what was held equal and how, and what was left out and why."""
    every = dict.fromkeys(terms.attribute.values())
    rows = [(a, "strata" if a in strata else "in the model") for a in every]
    rows += [(name, f"left out: {why}") for name, why, _ in terms.left_out]
    return Result("adjusted_for", pd.DataFrame(rows, columns=["what", "how"]))
