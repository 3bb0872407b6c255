"""What CX writing asserts, tested on one's own customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims import effort, feelings, leaving, promoters, remembered, words, worth
from cxlab.analyses.cx_claims.catalogue import CANNOT, CLAIMS, Claim, Stretch, p_of, verdict
from cxlab.analyses.cx_claims.study import Answer, Options, Study, Told
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.models.intervals import LEVEL, holm
from cxlab.results import Check, Finding, Findings, Result

__all__ = ["findings", "run"]

_NOTHING = Told(np.nan, np.nan, np.nan, 0)
_UNDATED = "a snapshot is not dated, and what came first cannot be told"


def run(
    dataset: Dataset,
    *,
    horizon_days: int = 90,
    window_days: int = 90,
    step_days: int = 30,
    margin: float = 1.0,
    discount_rate: float = 0.1,
    value_years: int = 5,
    min_group: int = 10,
    seed: int = 0,
) -> Result:
    """Test claims of the literature, each as a dashboard would and in order of time.

    Parameters
    ----------
    dataset : Dataset
        In the spell form; of a snapshot only what retention is worth is told.
    horizon_days : int
        Who leaves within so many days is told.
    window_days : int
        Contacts of so many days before count, and scores of twice as many.
    step_days : int
        Between two days on which customers are judged.
    margin, discount_rate, value_years
        Of lifetime value, as in ``04_retention``.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draw, where there are many customers.

    Returns
    -------
    Result
        A row a claim, all claims always: ``claim, text, by, figure, unit``; ``estimate, conf_low,
        conf_high, n`` (adjusted), ``p_value`` (of there being nothing) and ``p_holm`` (corrected
        for all claims); ``raw, raw_low, raw_high``; ``holds_from, holds_to`` (the stretch in which
        the claim holds), ``claimed_low, claimed_high`` (its own figures); ``verdict``, ``as_large``
        and ``raw_verdict``; what is ``said`` of it, or ``why`` there is no figure. Parts: ``told``,
        ``methods`` and ``figures`` (for reading), and one for each section: ``one_bad, channels,
        effort, worth, bad_good, hidden, peak_end, promoters, lagging``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    options = Options(
        horizon_days, window_days, step_days, margin, discount_rate, value_years, min_group, seed
    )
    study = Study(dataset, options)
    answers = _answers(study)
    table = _table(answers)
    currency = dataset.settings.currency or ""
    sentence = words.headline(table)
    names = list(dict.fromkeys(c.part for c in CLAIMS))
    parts = {"told": words.league(table, currency, sentence)}
    for name in names:
        mine = [c for c in CLAIMS if c.part == name]
        parts[name] = words.claim_part(mine, answers, table, currency)
    parts["methods"] = words.methods(CLAIMS, answers)
    parts["figures"] = Result("figures", table[list(_FIGURES)])
    return Result("cx_claims", table, tuple(_checks(study, table)), _meta(study), sentence, parts)


# What is not told in words elsewhere on the page.
_FIGURES = (
    *("claim", "unit", "estimate", "conf_low", "conf_high", "p_value", "p_holm", "n"),
    *("raw", "raw_low", "raw_high", "holds_from", "holds_to", "claimed_low", "claimed_high"),
)


# -- the answers -------------------------------------------------------------------------------


def _answers(study: Study) -> dict[str, Answer]:
    """Ask each test; one that cannot be made says why."""
    if study.dataset.form == "snapshot":
        found = {c.id: Answer(why=_UNDATED) for c in CLAIMS}
        return found | {"retention": _asked(study, worth.retention)}
    reason = study.dataset.missing(["interactions"])
    contacts = Answer(why=reason or "")
    found = {
        "one_bad": contacts if reason else _asked(study, leaving.one_bad),
        "channels": contacts if reason else _asked(study, leaving.channels),
        "functional": contacts if reason else _asked(study, feelings.functional),
    }
    found |= _several(study, effort.effort)
    for name, test in _TESTS.items():
        found[name] = _asked(study, test)
    found["winning"] = _asked(study, lambda s: worth.winning(s, found["one_bad"]))
    return found


_TESTS: Mapping[str, Callable[[Study], Answer]] = {
    "retention": worth.retention,
    "bad_good": remembered.bad_good,
    "hidden": remembered.hidden,
    "peak_end": remembered.peak_end,
    "spend": promoters.spend,
    "referrals": promoters.referrals,
    "lagging": remembered.lagging,
}


def _why(study: Study, error: AnalysisError) -> str:
    # A report names no folder of the machine that made it.
    return str(error).removeprefix(f"{study.dataset.path}: ")


def _asked(study: Study, test: Callable[[Study], Answer]) -> Answer:
    try:
        return test(study)
    except AnalysisError as error:
        return Answer(why=_why(study, error))


def _several(study: Study, test: Callable[[Study], dict[str, Answer]]) -> dict[str, Answer]:
    try:
        return test(study)
    except AnalysisError as error:
        why = _why(study, error)
        return {c.id: Answer(why=why) for c in CLAIMS if c.part == "effort"}


# -- the table ---------------------------------------------------------------------------------


def _table(answers: Mapping[str, Answer]) -> pd.DataFrame:
    table = pd.DataFrame([_row(claim, answers[claim.id]) for claim in CLAIMS])
    table.insert(table.columns.get_loc("p_value") + 1, "p_holm", holm(table["p_value"].to_numpy()))
    return table


def _row(claim: Claim, answer: Answer) -> dict[str, Any]:
    told, raw = answer.adjusted or _NOTHING, answer.raw or _NOTHING
    claimed, large = claim.claimed, claim.as_large
    if "claimed" in answer.facts:
        claimed = (answer.facts["claimed"],)
        large = (claimed[0], np.inf)
    p = np.nan
    if claim.directional:
        p = p_of(told.estimate, told.low, told.high, claim.threshold, claim.unit == "times")
    return {
        "claim": claim.id, "text": claim.text, "by": claim.by, "figure": claim.figure,
        "unit": claim.unit, "estimate": told.estimate, "conf_low": told.low,
        "conf_high": told.high, "p_value": p, "n": told.n,
        "raw": raw.estimate, "raw_low": raw.low, "raw_high": raw.high,
        "holds_from": claim.holds[0], "holds_to": claim.holds[1],
        "claimed_low": claimed[0] if claimed else np.nan,
        "claimed_high": claimed[-1] if claimed else np.nan,
        "verdict": verdict(told.low, told.high, claim.holds), "as_large": _large(told, large),
        "raw_verdict": verdict(raw.low, raw.high, claim.holds) if answer.raw else "",
        "said": answer.said, "why": answer.why,
    }  # fmt: skip


def _large(told: Told, stretch: Stretch | None) -> str:
    """Judge whether a figure is as large as its source has it; empty where it has none."""
    if stretch is None or np.isnan(told.estimate):
        return ""
    return verdict(told.low, told.high, stretch)


# -- beside ------------------------------------------------------------------------------------


def _checks(study: Study, table: pd.DataFrame) -> list[Check]:
    rule = (
        "a claim holds where the whole 95% interval of the adjusted figure lies in the stretch "
        "that is claimed, does not where all of it lies outside, and cannot be told otherwise, or "
        f"where fewer than {study.options.least} customers are on either side"
    )
    made = [Check("the rule", None, rule)]
    text = words.by_chance(table, {c.id for c in CLAIMS if c.directional})
    made += [Check("many claims", None, text)] if text else []
    dated = study.dataset.form == "spells"
    if dated and leaving.by_silence(study):
        text = (
            "churn is silence here: contacts are part of its definition, so that claims on "
            "contacts and leaving are not told apart from it"
        )
        made.append(Check("churn by definition", False, text))
    made += [
        Check(f"not told: {row['text']}", None, row["why"])
        for _, row in table.iterrows()
        if row["why"] and row["verdict"] == CANNOT
    ]
    return made


def _meta(study: Study) -> dict[str, Any]:
    o = study.options
    return {
        **study.dataset.about(),
        "level": LEVEL,
        "horizon_days": o.horizon_days,
        "window_days": o.window_days,
        "min_group": o.min_group,
        "value_years": o.value_years,
        "directional": [c.id for c in CLAIMS if c.directional],
    }


def findings(result: Result, notebook: str = "09_cx_claims") -> Findings:
    """Word the verdicts for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings([Finding("claims.summary", notebook, result.sentence)])
    currency = str(result.meta.get("currency") or "")
    for _, row in result.table.iterrows():
        if row["verdict"] == CANNOT:
            continue
        told = Told(float(row["estimate"]), float(row["conf_low"]), float(row["conf_high"]), 0)
        here = words.interval(told, row["unit"], currency)
        text = f"“{row['text']}” ({row['by']}): {words.judged(row)}: {here}. {row['said']}"
        found.append(
            Finding(f"claims.{row['claim']}", notebook, text, told.estimate, told.low, told.high,
                    str(row["unit"]), int(row["n"]))
        )  # fmt: skip
    return found
