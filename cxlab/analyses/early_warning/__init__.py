"""Which signal tells best, on later time, who leaves: scores, or what customers do?"""

from __future__ import annotations

import pandas as pd

from cxlab.analyses.early_warning import answered, judged, readable, words
from cxlab.analyses.early_warning import beside as held
from cxlab.analyses.early_warning.study import Options, Study, prepare
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.models.followed import leaving
from cxlab.models.intervals import LEVEL
from cxlab.results import Check, Finding, Findings, Result, counted, listed

__all__ = ["findings", "run"]

_COLUMNS = ["signal", "estimate", "se", "conf_low", "conf_high", "p_value", "n", "leavers"]


def run(
    dataset: Dataset,
    *,
    horizon_days: int = 90,
    lead_days: int = 14,
    step_days: int = 30,
    fresh_days: int = 90,
    min_group: int = 10,
    seed: int = 0,
) -> Result:
    """Compare what scores and behaviour told, on a day, of who then left.

    On days one after another, models learn from earlier days whose horizon was over, and are
    judged by who leaves within the horizon that follows. What is known on a day is nothing later.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    horizon_days : int
        Who leaves within so many days is told.
    lead_days : int
        The horizon opens so many days after the day on which it is told.
    step_days : int
        Between two days on which customers are judged.
    fresh_days : int
        A score as old counts as recent.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draw, where there are many customers.

    Returns
    -------
    Result
        A row a signal: ``signal, estimate`` (area under the time-dependent ROC curve), ``se,
        conf_low, conf_high, p_value`` (against a coin), ``n, leavers, skill`` (Brier's, against
        the base rate known on the day), ``captured`` (leavers among the top tenth of risks),
        each with its ends, and the calibration. Parts: ``differences``, ``coverage``,
        ``answered`` and ``answered_differences`` (those with a recent score), ``lead``,
        ``before_the_end``, ``by_day``, ``beside``; for reading: ``signals, compared, ahead,
        known, among_answers``. Empty, with a sentence, where it cannot be told.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    options = Options(horizon_days, lead_days, step_days, fresh_days, min_group, seed)
    if dataset.form == "snapshot":
        return _nothing(dataset, "a snapshot is not dated, and nobody can be judged by later time")
    try:
        study = prepare(dataset, options)
    except AnalysisError as error:
        # A report names no folder of the machine that made it.
        return _nothing(dataset, str(error).removeprefix(f"{dataset.path}: "))
    return _nothing(dataset, study) if isinstance(study, str) else _told(study)


def _nothing(dataset: Dataset, why: str) -> Result:
    text = f"Which signal tells best who leaves cannot be told: {why}."
    return Result("early_warning", pd.DataFrame(columns=_COLUMNS), (), dataset.about(), text)


def _told(study: Study) -> Result:
    table, gaps = judged.league(study), judged.differences(study)
    by_day = judged.origins(study)
    left_out: dict[str, str] = {}
    answer = words.headline(study, table, gaps)
    parts = {
        "signals": readable.league(table, answer),
        "differences": Result("differences", gaps, sentence=words.add(study, gaps)),
        "compared": readable.compared(gaps),
        "before_the_end": Result("before_the_end", judged.before_the_end(study)),
        "by_day": Result("by_day", by_day, sentence=words.stable(study, by_day, table)),
    }
    if days := study.options.lead_days:
        lead = judged.lead(study)
        parts["lead"] = Result("lead", lead, sentence=words.lead(lead, days))
        parts["ahead"] = readable.ahead(lead, days)
    if study.said:
        parts |= _scores(study, left_out)
    return Result(
        "early_warning",
        table,
        (*_checks(study, left_out), *_withheld(study, parts)),
        _meta(study),
        answer,
        parts,
    )


def _scores(study: Study, left_out: dict[str, str]) -> dict[str, Result]:
    """Tell of whom scores speak, how they do among those, and what is left beside behaviour."""
    coverage = answered.coverage(study)
    told, paired, few = answered.head_to_head(study)
    ratios, untold = held.beside(study)
    left_out |= {f"beside behaviour: {name}": why for name, why in untold.items()}
    text = words.covered(coverage, study.options.fresh_days)
    parts = {
        "coverage": Result("coverage", coverage, sentence=text),
        "known": readable.known(coverage),
        "answered": Result("answered", told, sentence=words.answered(told, paired, few)),
        "answered_differences": Result("answered_differences", paired),
        "beside": Result("beside", ratios, sentence=words.beside(ratios)),
    }
    if len(told):
        parts["among_answers"] = readable.among_answers(told)
    return parts


def _meta(study: Study) -> dict[str, object]:
    options, days = study.options, study.told.judged
    return {
        **study.dataset.about(),
        "scale": "area under the ROC curve",
        "level": LEVEL,
        "horizon_days": options.horizon_days,
        "lead_days": options.lead_days,
        "fresh_days": options.fresh_days,
        "min_group": options.min_group,
        "days": len(days),
        "period": [study.marks.date(int(days[0])), study.marks.date(int(days[-1]))],
        "base": study.base,
        "metrics": list(study.said),
        "main": list(words.main_pair(study, judged.league(study))),
        "customers": study.outcome.judged,
        "leavers": study.outcome.leavers,
        "rate": study.outcome.rate,
    }


def _checks(study: Study, left_out: dict[str, str]) -> list[Check]:
    """Say how it was judged, what was left out, and what was not told."""
    options, days = study.options, study.told.judged
    made = [
        Check(
            "later time",
            True,
            f"judged on {len(days)} days, {study.marks.date(int(days[0]))} to "
            f"{study.marks.date(int(days[-1]))}; each day's models had learnt from days whose "
            "horizon was over by then",
        ),
        Check("rows", None, study.marks.text),
    ]
    if study.left_out:
        text = f"no part of behaviour, being of stage exit: {listed(study.left_out)}"
        made.append(Check("touchpoints at which customers leave", None, text))
    seen = leaving(study.followed, options.until, options.lead_days)
    other = (study.followed.cause[seen.rows] > 1) & (
        study.followed.time[seen.rows] <= options.until
    )
    if other.any():
        who = counted(len(set(seen.customer[other])), "customer")
        text = f"{who} ended otherwise within a horizon, and count among those who did not leave"
        made.append(Check("other ends", None, text))
    if isinstance(study.dataset.settings.churn, Inactivity):
        text = (
            "churn is silence here: how long ago customers came last is part of its definition, "
            "which is in favour of behaviour"
        )
        made.append(Check("churn by definition", False, text))
    made += [Check(f"not compared: {name}", None, why) for name, why in study.notes.items()]
    made += [Check(f"not told: {name}", None, why) for name, why in left_out.items()]
    return made


def _withheld(study: Study, parts: dict[str, Result]) -> list[Check]:
    """Count the figures that rest on too few."""
    by_day, early = (parts[name].table for name in ("by_day", "before_the_end"))
    told = {
        f"by day (fewer than {study.options.min_group} left)": by_day["estimate"].isna().sum(),
        f"by days before the end (fewer than {judged.FEW} left)": early["estimate"].isna().sum(),
    }
    if "coverage" in parts:
        table = parts["coverage"].table
        few = f"of whom scores speak (fewer than {study.options.min_group} customers)"
        told[few] = (table["customers"].isna() & (table["n"] > 0)).sum()
    text = "; ".join(f"{many} {what}" for what, many in told.items() if many)
    return [Check("figures withheld", None, text)] if text else []


def findings(result: Result, notebook: str = "13_early_warning") -> Findings:
    """Word the comparison for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()
    if result.table.empty:
        found.append(Finding("early_warning.summary", notebook, result.sentence))
        return found
    gaps, (one, other) = result["differences"].table, result.meta["main"]
    mine = gaps[(gaps["measure"] == "AUC") & (gaps["signal"] == one) & (gaps["against"] == other)]
    row = mine.iloc[0]
    found.append(
        Finding("early_warning.summary", notebook, result.sentence, float(row["estimate"]),
                float(row["conf_low"]), float(row["conf_high"]),
                f"AUC, {one} less {other}", int(row["n"]))
    )  # fmt: skip
    texts = {n: result[n].sentence for n in ("differences", "coverage", "lead")
             if n in result.parts}  # fmt: skip
    if "answered" in result.parts:
        texts["answered"] = words.in_short(result["answered_differences"].table)
        texts["beside"] = words.still_tells(result["beside"].table)
    for name, text in texts.items():
        if text:
            told = " ".join(text.splitlines())
            found.append(Finding(f"early_warning.{name}", notebook, told))
    return found
