"""What customers are worth, beside what they live through."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cxlab.analyses.experience_metrics.gather import About, Known, called
from cxlab.data.contract import Inactivity
from cxlab.frames.paying import Paying, paying
from cxlab.frames.people import NOT_GIVEN
from cxlab.models.lifetime_value import Terms, worth_of

__all__ = ["lifetime_value"]

_METRIC = "lifetime value"
_FIGURES = ["estimate", "conf_low", "conf_high", "n", "rows"]


def lifetime_value(known: Known) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tell what a customer of today is expected to bring.

    Parameters
    ----------
    known : Known
        The data; why nothing can be told is noted there.

    Returns
    -------
    card, levels : pandas.DataFrame
        A row for all, and one for each group of an attribute, as of the other metrics; empty
        where nothing can be told.
    """
    terms, risk = Terms(), known.risk
    found = _read(known)
    total = found if isinstance(found, str) else _each(found, terms, known.options.min_group)
    if isinstance(found, str) or isinstance(total, str) or risk is None:
        known.left_out[_METRIC] = str(total)
        return pd.DataFrame(), pd.DataFrame()
    unit = f"{known.dataset.settings.currency or 'value'} a customer"
    rule = (
        f"what those there are expected to pay in {terms.years:g} years, at a margin of "
        f"{terms.margin:.0%} and a discount of {terms.discount_rate:.0%} a year (04_retention)"
    )
    known.abouts[_METRIC] = About(unit, "higher", rule)
    about = {"metric": _METRIC, "unit": unit}
    card = pd.DataFrame([about | total | {"until": risk.end, "since": risk.end - 1}])
    rows = []
    for name in known.person.attributes if known.person else ():
        texts = found.attributes[name].astype("string").fillna(NOT_GIVEN)
        for level in sorted(texts.unique()):
            part = found.where((texts == level).to_numpy(bool))
            one = _each(part, terms, known.options.min_group)
            rows += (
                [] if isinstance(one, str) else [about | one | {"by": called(name), "level": level}]
            )
    levels = pd.DataFrame(rows)
    if len(levels):
        # Groups that cannot be told alone could be, as what all and the others leave.
        rest = float(total["n"]) - levels.groupby("by")["n"].transform("sum")
        first = levels["n"] == levels.groupby("by")["n"].transform("min")
        gone = first & (rest > 0) & (rest < known.options.min_group)
        levels[_FIGURES] = levels[_FIGURES].astype(float).mask(gone, axis=0)
    return card, levels


def _read(known: Known) -> Paying | str:
    dataset = known.dataset
    if known.risk is None:
        return "nobody is known to have left"
    silent = isinstance(dataset.settings.churn, Inactivity)
    if silent and "monthly_value" not in dataset.columns("customers"):
        return "where churn is silence, 04_retention tells what customers will buy"
    found = paying(dataset, known.risk)
    return found if isinstance(found, str) else found.where(found.known)


def _each(found: Paying, terms: Terms, least: int) -> dict[str, Any] | str:
    made = worth_of(found, terms, least)
    if isinstance(made, str):
        return made
    one = made.total.per(made.customers)
    return {"estimate": one.value, "conf_low": one.low, "conf_high": one.high,
            "n": made.customers, "rows": made.customers}  # fmt: skip
