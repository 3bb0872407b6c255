"""The snapshot form: a Cox model of the customers' attributes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.figures import COLUMNS
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.models.hazard import independent_columns
from cxlab.models.intervals import LEVEL, benjamini_hochberg, hazard_ratios
from cxlab.models.survival import cox
from cxlab.models.verdicts import ALPHA, WIDEST_SE
from cxlab.results import Check, Result

__all__ = ["run"]

_MOST_LEVELS = 30
_LEAST_EVENTS = 5
# A number missing for more than this share would cost too many rows.
_MOST_MISSING = 0.2
# Log hazard ratio of one standard deviation beyond which a term tells who left by itself.
_LARGEST = 4.0


def run(dataset: Dataset) -> Result:
    """Fit the hazard of leaving by tenure on all attributes at once.

    Parameters
    ----------
    dataset : Dataset
        In the snapshot form.

    Raises
    ------
    AnalysisError
        No attribute varies enough to be told of.
    """
    columns = ["tenure", "churned"]
    columns += [c for c in ("monthly_value",) if c in dataset.columns("customers")]
    frame = dataset.table("customers").select(*columns, *dataset.attributes)
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    kinds = {c: "number" for c in columns[2:]} | dataset.attributes
    terms, left_out = _terms(data, kinds)
    if terms.empty:
        raise AnalysisError(
            f"{dataset.path}: table customers: no attribute tells customers apart "
            f"({'; '.join(left_out) or 'there is none'})"
        )
    complete = terms.notna().all(axis=1).to_numpy()
    fitted = cox(
        terms[complete],
        data.loc[complete, "tenure"].to_numpy(),
        data.loc[complete, "churned"].to_numpy(),
    )
    table = _table(fitted, terms[complete])
    drivers = table[table["verdict"] == "driver"]["touchpoint"]
    told = f"A higher hazard of leaving goes with {len(drivers)} attributes: {', '.join(drivers)}."
    checks = (
        Check(
            "incomplete rows",
            bool(complete.all()),
            f"{(~complete).sum()} rows left out for a missing value",
        ),
        Check("columns left out", None, "; ".join(left_out) or "none"),
        Check(
            "time",
            None,
            "A snapshot shows attributes as they are now, not as they were before customers left: "
            "an attribute that leaving changes cannot be told from one that makes customers leave.",
        ),
    )
    meta = {
        **dataset.about(),
        "scale": "log hazard ratio",
        "level": LEVEL,
        "customers": int(complete.sum()),
        "churns": int(data.loc[complete, "churned"].sum()),
        "tenure_unit": dataset.settings.tenure_unit,
    }
    return Result(
        "churn_drivers",
        table,
        checks,
        meta,
        told if len(drivers) else "No attribute goes with a higher hazard of leaving.",
    )


def _terms(data: pd.DataFrame, kinds: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Turn attributes into columns: numbers as they are, text one column a level but one."""
    columns: dict[str, pd.Series] = {}
    left_out = []
    for name, kind in kinds.items():
        values = data[name]
        if kind == "number" and values.isna().mean() > _MOST_MISSING:
            left_out.append(f"{name} is missing for {values.isna().mean():.0%}")
        elif values.nunique() < 2:
            left_out.append(f"{name} does not vary")
        elif kind == "number":
            columns[name] = values.astype(float)
        elif values.nunique() > _MOST_LEVELS:
            left_out.append(f"{name} has {values.nunique()} different values")
        else:
            text = values.fillna("(missing)")
            for level in text.value_counts().index[1:]:
                inside = text == level
                if min(data.loc[inside, "churned"].sum(), (~inside).sum()) < _LEAST_EVENTS:
                    left_out.append(f"{name}={level} has too few churns")
                else:
                    columns[f"{name}={level}"] = inside.astype(float)
    return _independent(pd.DataFrame(columns, index=data.index), left_out), left_out


def _independent(terms: pd.DataFrame, left_out: list[str]) -> pd.DataFrame:
    if terms.empty:
        return terms
    centred = (terms - terms.mean()).fillna(0.0).to_numpy()
    keep = independent_columns(centred)
    left_out += [f"{t} follows from the others" for t in terms.columns[~keep]]
    return terms.loc[:, keep]


def _table(fitted: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    spread = terms.std().to_numpy()
    leaky = fitted["estimate"].abs() * spread > _LARGEST
    thin = ~leaky & (fitted["se"] * spread > WIDEST_SE)
    q_value = benjamini_hochberg(fitted["p_value"].to_numpy())
    table = fitted.assign(touchpoint=fitted["term"], valence="attribute", q_value=q_value)
    table.loc[leaky | thin, ["estimate", "se", "p_value", "q_value"]] = np.nan
    table = table.assign(**hazard_ratios(table["estimate"], table["se"]))
    counts = {t: int((terms[t] != 0).sum()) for t in terms}
    table["exposed_customers"] = table["term"].map(counts)
    told = table["q_value"] < ALPHA
    up = table["estimate"] > 0
    table["verdict"] = np.select(
        [leaky, thin, told & up, told],
        ["not separable", "too little data", "driver", "protective"],
        "no evidence",
    )
    table["why"] = np.select(
        [leaky, thin, told & up, told],
        [
            "It tells who left almost without fail, as something recorded after leaving does.",
            "The interval is too wide to say anything.",
            "Customers who have it, or more of it, leave sooner, all other attributes held equal.",
            "Customers who have it, or more of it, leave later, all other attributes held equal.",
        ],
        "The hazard of leaving cannot be told from that of other customers.",
    )
    size = -table["estimate"].abs().fillna(0.0)
    table = table.assign(n=table["exposed_customers"], order=~told, size=size)
    table = table.sort_values(["order", "size", "term"]).reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    return table.reindex(columns=[*COLUMNS, "term", "estimate", "se", "n"])
