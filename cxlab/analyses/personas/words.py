"""The answer in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study
from cxlab.analyses.personas.rule import SELDOM
from cxlab.models.clusters import FEWEST, STABLE
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Finding, Findings, Result, counted, listed

__all__ = ["checks", "findings", "headline"]

_NOTEBOOK = "08_personas"


def headline(study: Study, table: pd.DataFrame) -> str:
    """Say which personas there are, or that there are none and why.

    Parameters
    ----------
    study : Study
        With or without personas.
    table : pandas.DataFrame
        Their shares.
    """
    if study.rule is None:
        return _no_personas(study)
    mine = table[table["persona"]]
    told = [
        f"“{r.term}” ({r.estimate:.0%})" if np.isfinite(float(r.estimate)) else f"“{r.term}”"
        for r in mine.itertuples()
    ]
    if study.kept is not None:
        when = f"{study.kept.formed_from} to {study.kept.formed_to}"
        return (
            f"By the rule of an earlier run, formed on {when}, customers are of {len(mine)} kinds: "
            f"{listed(told)}."
        )
    return (
        f"By what they do, customers are of {len(mine)} kinds: {listed(told)}. Between any two "
        "kinds are fewer customers than within either, by more than chance makes, and customers "
        "drawn anew give the same kinds."
    )


def _no_personas(study: Study) -> str:
    seen = int(study.enough.sum())
    if seen < FEWEST:
        return (
            f"No personas: only {counted(seen, 'customer')} had at least "
            f"{study.options.least_contacts} contacts in {study.options.window_days} days; fewer "
            f"than {FEWEST} tell no kinds apart."
        )
    own = [f.label for f, o in zip(study.then.features, study.used, strict=True) if o]
    if len(own) < 2:
        what = f"only {own[0]}" if own else "nothing"
        return (
            f"No personas here: of {counted(len(study.own), 'behaviour')}, {what} is customers' "
            "own. In all else, what one did in even weeks says nothing about the odd ones: "
            "groups made of it would be chance."
        )
    tried = study.found.tried
    text = (
        f"No personas here. {len(own)} of {counted(len(study.own), 'behaviour')} are customers' "
        f"own ({listed(own, 5)}), and in these {seen:,} customers differ by degrees: "
    )
    if (tried["gap"] > 0).any() and (tried["p_value"] <= ALPHA).any():
        return text + (
            "groups come and go with the customers who are drawn, and none is stable enough to be "
            "named."
        )
    most = int(tried["groups"].max()) if len(tried) else 0
    return text + (
        f"cut into 2 to {most} groups, there is no gap between these that data without kinds do "
        "not show as well. Whoever stands at a border would be named by chance."
    )


def checks(study: Study, parts: dict[str, Result]) -> list[Check]:
    """Say who was looked at, and what was left out.

    Parameters
    ----------
    study : Study
        With or without personas.
    parts : dict of str to Result
        The parts so far.
    """
    then, options = study.then, study.options
    first, last = study.period
    unseen = int((then.contacts < options.least_contacts).sum())
    text = (
        f"{then.there:,} customers were there from {first} to {last}; {then.newcomers:,} who began "
        f"in these days are not looked at, as less of them was seen; {unseen:,} had fewer than "
        f"{options.least_contacts} contacts ({SELDOM})"
    )
    if len(then) < then.there:
        text += f"; {len(then):,} were drawn at random"
    made = [Check("who is looked at", None, text)]
    if study.found.used and len(study.found.tried):
        used = study.found.used
        tried = (
            f"2 to {int(study.found.tried['groups'].max())} groups were tried on {used:,} "
            f"customers and held against up to {options.nulls} data sets of the same behaviours "
            f"without groups; a persona must be apart, beyond chance (p {study.found.p_value:.2g} "
            f"at best), and come back in customers drawn anew (Jaccard similarity of {STABLE:g} "
            "and more)"
        )
        made.append(Check("are there kinds at all", None, tried))
    if study.twins:
        told = "; ".join(f"{one}, as {other}" for one, other in study.twins.items())
        made.append(Check("behaviours that say the same", None, f"not used to form: {told}"))
    if then.left_out:
        left = "; ".join(f"{n}: {why}" for n, why in then.left_out.items())
        made.append(Check("behaviours not seen", None, left))
    if study.rule is not None:
        missing = sorted({*study.rule.matrix(then)[1], *study.rule.matrix(study.now)[1]})
        if missing:
            said = f"the data no longer tell {listed(missing)}: all customers count as average"
            made.append(Check("behaviours of the rule", False, said))
    withheld = [study.names[g] for g in sorted(study.withheld) if g >= 0]
    if withheld:
        said = (
            f"of fewer than {options.min_group} customers, or the one from which these could be "
            f"told: {listed(withheld)}"
        )
        made.append(Check("personas withheld", None, said))
    return [*made, *(c for part in parts.values() for c in part.checks)]


def findings(result: Result) -> Findings:
    """Give what goes to ``findings.json``.

    Parameters
    ----------
    result : Result
        Of :func:`~cxlab.analyses.personas.run`.
    """
    found = Findings([Finding("personas.summary", _NOTEBOOK, result.sentence)])
    for row in result.table.to_dict("records"):
        if row["persona"] and np.isfinite(row["estimate"]):
            found.append(_persona(result, row))
    for part in ("retention", "drivers", "drift") if len(result.table) else ("behaviours",):
        if part in result.parts and result[part].sentence:
            found.append(Finding(f"personas.{part}", _NOTEBOOK, result[part].sentence))
    return found


def _persona(result: Result, row: dict[str, Any]) -> Finding:
    said = result.meta["portraits"].get(row["term"], "")
    text = f"“{row['term']}”, {row['estimate']:.0%} of customers. {said}"
    return Finding(
        f"personas.{row['term']}", _NOTEBOOK, text, float(row["estimate"]),
        float(row["conf_low"]), float(row["conf_high"]), "share of customers", int(row["n"]),
    )  # fmt: skip
