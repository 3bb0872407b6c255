"""Did what was done help? Each intervention beside what would have come without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from cxlab.analyses.did_it_work import held, readable, words
from cxlab.analyses.did_it_work.judged import COLUMNS, Judged, judge, look
from cxlab.analyses.did_it_work.measured import Study, prepare
from cxlab.analyses.did_it_work.plan import Options, plans
from cxlab.data import forecasts
from cxlab.data.dataset import Dataset
from cxlab.models.intervals import LEVEL
from cxlab.results import Check, Finding, Findings, Result, counted, listed

__all__ = ["findings", "run"]

LEFT_OUT = "rows left out"


def run(
    dataset: Dataset,
    *,
    period_days: int = 28,
    before_days: int = 336,
    after_days: int = 336,
    worthwhile: float = 0.2,
    min_group: int = 10,
    seed: int = 0,
    state: str = "",
) -> Result:
    """Tell of each intervention whether it changed what it was meant to.

    Where some customers were not reached, those who were are compared with those who were not,
    or not yet (group-time effects); where all were, with the line of the time before (segmented
    regression). The failure rate at the touchpoint is the main outcome; a score linked to it,
    contacts at it and churn stand beside it.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    period_days : int
        Length of a period where groups are compared.
    before_days, after_days : int
        Up to so many days before and after each start count.
    worthwhile : float
        A change by this share is worth knowing of: from when on it can be seen is told.
    min_group : int
        Groups of fewer customers are withheld.
    seed : int
        Of the draws for simultaneous bands.
    state : str
        The folder of what the last run handed on; empty: none.

    Returns
    -------
    Result
        A row an intervention and outcome: ``estimate`` (what came over what would have come; of
        scores the difference) with its interval, ``p_value, q_value`` (over all rows), ``rate``
        and ``rate_without`` it, ``change`` with its ends, what speaks against it (``before_p``,
        placebo ``dates`` and ``places``), ``visible`` (the smallest change seen in 80 of 100
        cases, on the scale of estimates), ``seen_from``, ``verdict``, ``why`` and ``same`` (among
        those who were customers already when it began) with its ends. Parts:
        ``answers`` (a sentence an intervention), ``by_period``, ``cohorts``, ``series``,
        ``forecasts``; for reading ``effects, reach, doubts``. Empty, with a sentence, where
        nothing can be told.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    DataError
        The forecasts in ``state`` cannot be read.
    """
    options = Options(period_days, before_days, after_days, worthwhile, min_group, seed)
    made = forecasts.read(state) if state else []
    if dataset.form == "snapshot":
        return _nothing(dataset, "a snapshot is not dated, and what changed when is not known")
    study = prepare(dataset, options)
    if isinstance(study, str):
        return _nothing(dataset, study)
    if "interventions" not in dataset.tables:
        why = "the dataset has no table interventions, which says what was done, where and when"
        return _nothing(dataset, why, forecasts=held.hold(study, [], made))
    done, left_out = plans(dataset, options)
    if not done:
        why = " ".join(left_out) or "table interventions has no rows."
        return _nothing(dataset, why.rstrip("."), forecasts=held.hold(study, [], made))
    looked = [look(study, plan, done) for plan in done]
    parts = {"forecasts": held.hold(study, done, made)}
    return _told(study, looked, left_out, parts)


def _nothing(dataset: Dataset, why: str, **parts: Result) -> Result:
    text = f"Whether what was done helped cannot be told: {why}."
    table = pd.DataFrame(columns=COLUMNS)
    return Result("did_it_work", table, (), dataset.about(), text, parts)


def _told(
    study: Study, looked: list[Judged], left_out: list[str], parts: dict[str, Result]
) -> Result:
    table = judge(study, looked)
    by = table.groupby(["intervention", "touchpoint"], sort=False)
    answers = [words.headline(one, by.get_group((one.plan.intervention, one.plan.touchpoint)))
               for one in looked]  # fmt: skip
    least = study.options.min_group
    doubts = replace(readable.doubted(table), sentence="\n".join(words.doubts(table, looked)))
    said = [words.summary(table), *_rules(study, looked), *left_out]
    parts = {
        "answers": Result("answers", pd.DataFrame({"answer": answers}), sentence="\n".join(said)),
        "effects": readable.effects(table),
        "reach": readable.reach(looked, least),
        "doubts": doubts,
        "by_period": _gathered("by_period", looked, "events"),
        "cohorts": _gathered("cohorts", looked, "cohorts"),
        "series": _gathered("series", looked, "line"),
        **parts,
    }  # fmt: skip
    hide = table[["n", "controls"]].apply(lambda c: (c > 0) & (c < least)).any(axis=1)
    table[["n", "controls"]] = table[["n", "controls"]].astype(float).mask(hide)
    return Result("did_it_work", table, _checks(study, looked, left_out), _meta(study),
                  words.summary(table), parts)  # fmt: skip


def _rules(study: Study, looked: list[Judged]) -> list[str]:
    """Say what counts as a failure where that is not the outcome alone."""
    if study.failing is None:
        return []
    where = [study.place(one.plan.touchpoint) for one in looked]
    text = study.failing.rule([p for p in where if p is not None])
    return [text] if text else []


def _gathered(name: str, looked: list[Judged], field: str) -> Result:
    """Put the tables of all outcomes below each other."""
    made = []
    for one in looked:
        for outcome, given in one.outcomes.items():
            if isinstance(given, str):
                continue
            table = getattr(given[1], field)
            if len(table):
                who = {"intervention": one.plan.intervention, "touchpoint": one.plan.touchpoint,
                       "outcome": outcome, "scale": given[0].scale}  # fmt: skip
                made.append(table.assign(**who))
    return Result(name, pd.concat(made, ignore_index=True) if made else pd.DataFrame())


def _meta(study: Study) -> dict[str, Any]:
    options = study.options
    return {
        **study.dataset.about(),
        "scale": "what came over what would have come; of scores, the difference",
        "level": LEVEL,
        "period_days": options.period_days,
        "worthwhile": options.worthwhile,
        "min_group": options.min_group,
        "customers": study.customers,
    }


def _checks(study: Study, looked: list[Judged], left_out: list[str]) -> tuple[Check, ...]:
    """Say how each was judged, what was left out and what was not told."""
    made = [Check(LEFT_OUT, None, text) for text in left_out]
    for one in looked:
        same: dict[str, list[str]] = {}  # what is said of several outcomes is said once
        for outcome, given in one.outcomes.items():
            told = (
                [f"not told: {given}"]
                if isinstance(given, str)
                else [n for g in given for n in g.notes]
            )
            for text in told:
                same.setdefault(text, []).append(outcome)
        made += [Check(f"{one.plan.name}: {listed(of)}", None, text) for text, of in same.items()]
    if study.failing is not None:
        made += [Check("a rule of dataset.yml", None, f"{u}: it is not applied")
                 for u in study.failing.unmet]  # fmt: skip
    scoped = [one.plan for one in looked if any(s.column for s in one.plan.scopes)]
    if scoped:
        text = (
            f"{counted(len(scoped), 'intervention')} reached customers by an attribute, which is "
            "known as it is today: who changed it meanwhile counts on the wrong side, which makes "
            "effects look smaller"
        )
        made.append(Check("who was reached", None, text))
    return tuple(made)


def findings(result: Result, notebook: str = "12_did_it_work") -> Findings:
    """Word the answers for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()
    if result.table.empty:
        found.append(Finding("did_it_work.summary", notebook, result.sentence))
    else:
        answers = result["answers"].table["answer"]
        main = result.table[result.table["main"]].reset_index(drop=True)
        for (_, row), text in zip(main.iterrows(), answers, strict=True):
            unit = "failures, over what they would have been" if row["design"] else ""
            n = None if pd.isna(row["n"]) else int(row["n"])
            middle, low, high = (None if pd.isna(row[c]) else float(row[c])
                                 for c in ("estimate", "conf_low", "conf_high"))  # fmt: skip
            name = f"did_it_work.{row['intervention']}.{row['touchpoint']}"
            verdict = str(row["verdict"])
            found.append(Finding(name, notebook, text, middle, low, high, unit, n, verdict))
        left_out = [c.text for c in result.checks if c.name == LEFT_OUT]
        if left_out:
            found.append(Finding("did_it_work.left_out", notebook, " ".join(left_out)))
    told = result.parts.get("forecasts")
    if told is not None and len(told.table):
        found.append(Finding("did_it_work.forecasts", notebook, told.sentence))
    return found
