"""Who is likely to leave: each customer's risk, tested on later time, with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from cxlab.analyses.churn_risk import judged, limits, readable, words
from cxlab.analyses.churn_risk.chosen import Chosen, choose
from cxlab.analyses.churn_risk.scored import COLUMNS, Scored, score
from cxlab.analyses.churn_risk.study import Options, Study, prepare
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.models.intervals import LEVEL
from cxlab.models.tellers import BOOSTED
from cxlab.results import Check, Finding, Findings, Listing, Result, counted

__all__ = ["Risks", "findings", "run"]

_COLUMNS = ["model", "estimate", "se", "conf_low", "conf_high", "brier", "skill", "n", "leavers"]
_SPREAD = 20


@dataclass(frozen=True)
class Risks(Result):
    """A result, and the list of everybody's risk, which is no part of a page.

    Parameters
    ----------
    customers : pandas.DataFrame
        One row a customer there at ``as_of``, in the order of risk: ``rank, probability,
        conf_low, conf_high, reasons``, maybe ``value_at_stake``, and ``customer_id`` where
        customers are to be named.
    """

    customers: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(COLUMNS)), repr=False
    )

    @property
    def listing(self) -> Listing | None:
        """The list as a report writes it, ``risk.csv``; None where nothing can be told."""
        return None if self.table.empty else Listing("risk", self.customers)


def run(
    dataset: Dataset,
    *,
    horizon_days: int = 90,
    step_days: int = 30,
    min_group: int = 10,
    seed: int = 0,
    include_customers: bool = False,
) -> Risks:
    """Tell each customer's probability of leaving within the horizon, and how far to trust it.

    Models learn from customers on earlier days whose horizon was over, and are chosen by what
    they told of later days. What is known only because the end is near is refused as an input.
    An end that is no voluntary leaving counts as not having left within the horizon.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    horizon_days : int
        Who leaves within so many days is told.
    step_days : int
        Between two days on which customers are judged.
    min_group : int
        Figures of fewer customers are withheld.
    seed : int
        Of the draws.
    include_customers : bool
        Whether the list names customers.

    Returns
    -------
    Risks
        A row a model: ``model, estimate`` (area under the time-dependent ROC curve), ``se,
        conf_low, conf_high, brier, skill`` (against the base rate known then), ``captured``
        (of those who left, the share among the top tenth), each with its ends, ``behind`` (the
        best Brier score), calibration, ``used``. Parts: ``differences`` (paired, against base
        rate and rule), ``calibration, lift, decision, by_day, spread`` (of the risks told),
        ``reasons, leaks, drift, groups``; for reading: ``models, top, audit, by_group``.
        Empty, with a sentence, where it cannot be told.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    options = Options(horizon_days, step_days, min_group, seed, include_customers)
    if dataset.form == "snapshot":
        return _nothing(
            dataset,
            "a snapshot has no dates, so that there is no later time to test a model on, and a "
            "field that was written at the end cannot be told from one that was known before",
        )
    try:
        study = prepare(dataset, options)
    except AnalysisError as error:
        # A report names no folder of the machine that made it.
        return _nothing(dataset, str(error).removeprefix(f"{dataset.path}: "))
    if isinstance(study, str):
        return _nothing(dataset, study)
    chosen = choose(study)
    return _risks(study, chosen, score(study, chosen))


def _nothing(dataset: Dataset, why: str) -> Risks:
    text = f"The risk of single customers cannot be told: {why}."
    return Risks("churn_risk", pd.DataFrame(columns=_COLUMNS), (), dataset.about(), text)


def _risks(study: Study, chosen: Chosen, scored: Scored) -> Risks:
    table, name = judged.league(study, chosen), judged.used(chosen)
    gaps, by_day = judged.differences(study, chosen), judged.by_day(study, chosen)
    mine = table[table["used"]].iloc[0]
    lift, worth = judged.lift(study, chosen), judged.decision(study, chosen)
    drift, groups = limits.drift(study, scored), limits.groups(study, chosen)
    leaks = study.leaks.table
    parts = {
        "models": readable.models(table, words.chosen_by(chosen)),
        "differences": Result("differences", gaps, sentence=words.held(gaps)),
        "calibration": Result(
            "calibration", judged.curve(study, chosen), sentence=words.calibrated(mine)
        ),
        "lift": Result("lift", lift, sentence=words.lifted(lift, name)),
        "decision": Result("decision", worth, sentence=words.decided(worth, name)),
        "by_day": Result("by_day", by_day, sentence=words.stable(by_day)),
        "spread": Result("spread", _spread(scored, study.options.min_group)),
        "reasons": Result("reasons", _withheld(scored, study.options.min_group)),
        "leaks": Result("leaks", leaks),
        "audit": readable.audited(leaks),
        "drift": Result("drift", drift, sentence=words.moved(drift)),
        "groups": Result("groups", groups, sentence=words.grouped(groups)),
        "by_group": readable.by_group(groups, words.moved(drift)),
        "top": readable.at_most_risk(scored, study.dataset.settings.currency),
    }
    return Risks(
        "churn_risk", table, tuple(_checks(study, chosen, parts)), _meta(study, chosen, scored),
        words.headline(study, chosen, table, scored), parts, scored.customers,
    )  # fmt: skip


def _spread(scored: Scored, min_group: int) -> pd.DataFrame:
    """Count customers by risk, in spans that are at least as large as what may be shown."""
    chance = np.sort(scored.chance)
    step = max(len(chance) // _SPREAD, min_group)
    starts = np.arange(0, max(len(chance) - step + 1, 1), step)
    groups = np.split(chance, starts[1:])
    rows = [(len(g), g.min(), g.mean(), g.max(), g.sum()) for g in groups]
    return pd.DataFrame(rows, columns=["customers", "low", "told", "high", "expected"])


def _withheld(scored: Scored, min_group: int) -> pd.DataFrame:
    return scored.leading[scored.leading["customers"] >= min_group].reset_index(drop=True)


def _meta(study: Study, chosen: Chosen, scored: Scored) -> dict[str, object]:
    seen, options = chosen.seen(study), study.options
    meta: dict[str, object] = {
        **study.dataset.about(),
        "scale": "probability of leaving",
        "level": LEVEL,
        "horizon_days": options.horizon_days,
        "min_group": options.min_group,
        "days": len(chosen.judged),
        "period": [
            study.marks.date(int(chosen.judged[0])),
            study.marks.date(int(chosen.judged[-1])),
        ],
        "judged": seen.judged,
        "leavers": seen.leavers,
        "rate": seen.rate,
        "model": chosen.name,
        "used": judged.used(chosen),
        "rule": chosen.rule.text,
        "customers": len(scored.customers),
        "expected": float(scored.chance.sum()),
    }
    if "value_at_stake" in scored.customers:
        meta["value_at_stake"] = float(np.nansum(scored.customers["value_at_stake"]))
    return meta


def _checks(study: Study, chosen: Chosen, parts: dict[str, Result]) -> list[Check]:
    """Say how it was judged, what was refused and left out, and where not to use it."""
    drift, groups = parts["drift"].table, parts["groups"].table
    refused = bool(parts["leaks"].table["refused"].astype(bool).any())
    first, last = (study.marks.date(int(chosen.judged[i])) for i in (0, -1))
    off = (groups["p_holm"] < 0.05).any() or (groups["auc_p_holm"] < 0.05).any()
    made = [
        Check(
            "later time", True,
            f"judged on {len(chosen.judged)} days, {first} to {last}; each day's models had "
            "learnt from days whose horizon was over by then",
        ),
        Check("rows", None, study.marks.text),
        Check("leakage", None if refused else True, words.leaking(parts["leaks"].table)),
        Check("drift", not drift["moved"].any(), words.moved(drift)),
        Check("groups", None if groups["estimate"].isna().all() else not off,
              " ".join(words.grouped(groups).splitlines())),
    ]  # fmt: skip
    for name, why in study.recipe.left_out.items():
        made.append(Check(f"not an input: {name}", None, why))
    if study.recipe.contacts is None:
        made.append(Check("not an input: contacts", None, "there are none that may be used"))
    if not study.recipe.metrics:
        made.append(Check("not an input: scores", None, "there are none of these customers"))
    if chosen.name == BOOSTED:
        text = (
            "each fact is tried by itself at the average customer's value, the others as they "
            "are; such reasons need not add up"
        )
        made.append(Check("reasons", None, text))
    few = int((parts["by_day"].table["estimate"].isna()).sum())
    hidden = int(groups["now"].isna().sum())
    if few or hidden:
        text = f"{counted(few, 'day')} and {counted(hidden, 'group')} with too few customers"
        made.append(Check("figures withheld", None, text))
    return [*made, *_by_definition(study)]


def _by_definition(study: Study) -> list[Check]:
    if not isinstance(study.dataset.settings.churn, Inactivity):
        return []
    text = (
        "churn is silence here: how long ago customers came last is part of its definition, so "
        "that contacts tell it better than they would tell a decision"
    )
    return [Check("churn by definition", False, text)]


def findings(result: Result, notebook: str = "10_churn_risk") -> Findings:
    """Word the risks for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()
    if result.table.empty:
        found.append(Finding("churn_risk.summary", notebook, result.sentence))
        return found
    mine = result.table[result.table["used"].astype(bool)].iloc[0]
    found.append(
        Finding("churn_risk.summary", notebook, result.sentence, float(mine["estimate"]),
                float(mine["conf_low"]), float(mine["conf_high"]), "AUC", int(mine["n"]))
    )  # fmt: skip
    for name in ("differences", "lift", "decision", "audit", "drift", "groups"):
        if text := " ".join(result[name].sentence.splitlines()):
            found.append(Finding(f"churn_risk.{name}", notebook, text))
    return found
