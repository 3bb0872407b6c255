"""What the risks come to, in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_risk.chosen import AS_CHOSEN, BASE, RULE, Chosen
from cxlab.analyses.churn_risk.limits import FEW
from cxlab.analyses.churn_risk.scored import Scored
from cxlab.analyses.churn_risk.study import Study
from cxlab.models.tellers import BOOSTED, LOGIT, NET
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, counted, listed

__all__ = [
    "calibrated",
    "chosen_by",
    "cut",
    "decided",
    "grouped",
    "headline",
    "held",
    "leaking",
    "lifted",
    "moved",
    "percent",
    "stable",
]

_WORDS = ((0.55, "hardly better than a coin"), (0.6, "weak"), (0.7, "fair"), (0.8, "good"))
_COIN = 0.5
_LONG = {
    LOGIT: "the logit of all inputs",
    NET: "the elastic net, a logit that drops what does not tell",
    BOOSTED: "boosted trees",
    RULE: "the two-variable rule",
    BASE: "the base rate",
}


def percent(x: float, digits: int = 1) -> str:
    """Write a share in percent; a small one with two figures."""
    if not np.isfinite(x):
        return "–"
    if 0 < abs(x) < 0.001:
        digits = 2
    text = f"{100 * abs(x):.{digits}f}%"
    return f"{MINUS}{text}" if x < 0 and text.strip("0.%") else text


def _three(row: Any, name: str = "estimate", low: str = "conf_low", high: str = "conf_high") -> str:
    return f"{row[name]:.2f} ({row[low]:.2f} to {row[high]:.2f})".replace("-", MINUS)


def headline(study: Study, chosen: Chosen, table: pd.DataFrame, scored: Scored) -> str:
    """Say how many are expected to leave, and how well that can be told.

    Parameters
    ----------
    study, chosen, scored
        What was learnt, and told.
    table : pandas.DataFrame
        The league.
    """
    n, days = len(scored.customers), study.options.horizon_days
    mine = table[table["used"]].iloc[0]
    expected = f"{scored.chance.sum():,.0f} of {counted(n, 'customer')}"
    text = f"{expected} are expected to leave within {days} days of {study.dataset.as_of}"
    if chosen.name == BASE:
        return (
            f"{text}; who they are cannot be told: on later time no model beat the base rate, and "
            "everybody is given that."
        )
    area = float(mine["estimate"])
    word = "was " + next((w for limit, w in _WORDS if area < limit), "strong")
    if mine["conf_low"] <= _COIN:
        word = "could not be told from a coin"
    top = scored.customers["probability"].to_numpy()
    tenth = max(round(len(top) / 10), 1)
    return (
        f"{text}. Who they are is told by {_LONG[chosen.name]}, which on later time {word}: of "
        f"a customer who left and one who stayed it named the right one in {100 * area:.0f} of "
        f"100 pairs ({100 * mine['conf_low']:.0f} to {100 * mine['conf_high']:.0f}; a coin: 50). "
        f"The tenth at most risk are given {percent(top[:tenth].mean())}, all others "
        f"{percent(top[tenth:].mean() if len(top) > tenth else np.nan)}."
    )


def chosen_by(chosen: Chosen) -> str:
    """Say by which rule the model was chosen, and what came of it."""
    if chosen.name == chosen.best:
        why = "it had the least Brier score on later days, and nothing simpler came within one "
        why += "standard error of it"
    else:
        why = (
            f"of those whose Brier score on later days is within one standard error of that of "
            f"{_LONG[chosen.best]}, the least, it is the simplest"
        )
    text = f"Used: {_LONG[chosen.name]}; {why}."
    if chosen.recalibrated:
        text += (
            f" Its risks were not right as they were, and are recalibrated (log odds times "
            f"{chosen.slope:.2f}, {'plus' if chosen.constant >= 0 else 'less'} "
            f"{abs(chosen.constant):.2f}), which on later days lowered the Brier score."
        )
    elif np.isfinite(chosen.tried):
        text += (
            " Its risks were not right as they were, but what earlier days taught of that did not "
            "help on later ones: they are left as they are."
        )
    return f"{text} The rule it is held against: {chosen.rule.text}."


def held(gaps: pd.DataFrame) -> str:
    """Say whether what is used beat base rate and rule, on the same customers.

    Parameters
    ----------
    gaps : pandas.DataFrame
        The differences.
    """
    mine = gaps[gaps["measure"] == "Brier"]
    used = mine[mine["model"] != AS_CHOSEN]
    lines = [
        f"On later days the {name} {' and '.join(_against(row) for _, row in rows.iterrows())}."
        for name, rows in used.groupby("model", sort=False)
    ]
    then = [_against(row) for _, row in mine[mine["model"] == AS_CHOSEN].iterrows()]
    if then:
        lines.append(
            f"Chosen anew on each day, by what was known of models then, it {' and '.join(then)}: "
            "what to expect of a model that is chosen by its past."
        )
    return "\n".join(lines)


def _against(row: Any) -> str:
    gain = [-100 * row[c] / row["against_brier"] for c in ("estimate", "conf_high", "conf_low")]
    if gain[0] < 0:
        gain = [-gain[0], -gain[2], -gain[1]]
    word = "smaller" if row["estimate"] <= 0 else "larger"
    figures = "squared error {}% {word} ({} to {})".format(*map(_signed, gain), word=word)
    if row["p_holm"] < ALPHA:
        told = "beat" if row["estimate"] < 0 else "did worse than"
        return f"{told} the {row['against']} ({figures})"
    return f"cannot be told from the {row['against']} ({figures})"


def _signed(x: float) -> str:
    text = f"{abs(x):.1f}"
    return f"{MINUS}{text}" if x < 0 and text.strip("0.") else text


def calibrated(row: Any) -> str:
    """Say whether risks came true as often as told."""
    told = f"told {percent(row['told'])} on the mean, {percent(row['came'])} came"
    if not np.isfinite(row["intercept"]):
        return f"On later days {told}."
    level = "as many left as told"
    if row["intercept_low"] > 0 or row["intercept_high"] < 0:
        level = "more left than told" if row["intercept"] > 0 else "fewer left than told"
    if not np.isfinite(row["slope"]):
        return f"On later days {level} ({told})."
    shape = "high risks were as high, and low ones as low, as told"
    if row["slope_high"] < 1:
        shape = "high risks were told too high and low ones too low"
    if row["slope_low"] > 1:
        shape = "high risks were told too low and low ones too high"
    slope = _three(row, "slope", "slope_low", "slope_high")
    return f"On later days {level} ({told}), and {shape} (calibration slope {slope}; 1 is right)."


def lifted(table: pd.DataFrame, name: str) -> str:
    """Say what part of those who left was among the tenth at most risk."""
    row = table[(table["model"] == name) & (table["share"] == 0.1)].iloc[0]
    return (
        f"Of those who left, {percent(row['estimate'], 0)} ({percent(row['conf_low'], 0)} to "
        f"{percent(row['conf_high'], 0)}) had been among the tenth told the highest risk: "
        f"{row['lift']:.1f} times as many as a draw would find."
    )


def decided(table: pd.DataFrame, name: str) -> str:
    """Say at which thresholds acting on the risks is worth more than acting on all or nobody.

    Parameters
    ----------
    table : pandas.DataFrame
        Of net benefits.
    name : str
        What is used.
    """
    mine = table[table["model"] == name].reset_index(drop=True)
    surely = (mine["gain_low"] > 0).to_numpy()
    if not surely.any():
        return (
            "At no threshold is acting on these risks surely worth more than acting on everybody "
            "or on nobody: do not pay for acting by them yet."
        )
    best = int(mine["gain"].where(surely).idxmax())
    first = last = best  # the run of thresholds around the best one
    while first > 0 and surely[first - 1]:
        first -= 1
    while last + 1 < len(mine) and surely[last + 1]:
        last += 1
    low, high = (float(mine["threshold"][i]) for i in (first, last))
    return (
        f"Acting on whoever's risk is at least a threshold is surely worth more than acting on all "
        f"or on nobody for thresholds from {percent(low)} to {percent(high)}: where one leaver "
        f"reached is worth between {(1 - high) / high:.0f} and {(1 - low) / low:.0f} others "
        f"reached in vain. Most is gained at {percent(mine['threshold'][best])}: as much as by "
        f"{1000 * mine['gain'][best]:.1f} leavers reached in 1,000 customers at no cost."
    )


def stable(table: pd.DataFrame) -> str:
    """Say how figures were from day to day."""
    known = table[table["estimate"].notna()]
    if len(known) < 2:
        return ""
    off = known[(known["intercept_low"] > 0) | (known["intercept_high"] < 0)]
    wrong = (
        "on none of them did more, or fewer, leave than told, beyond chance"
        if off.empty
        else f"on {len(off)} of them more, or fewer, left than told, beyond chance (each by itself)"
    )
    return (
        f"On {len(known)} days the AUC was between {known['estimate'].min():.2f} and "
        f"{known['estimate'].max():.2f}; {wrong}."
    )


def leaking(table: pd.DataFrame) -> str:
    """Say what the audit looked at, and refused."""
    gone = table[table["refused"].astype(bool)]
    every = {k: counted(int((table["kind"] == k).sum()), k) for k in ("field", "touchpoint")}
    looked = f"{every['field']} and {every['touchpoint']} were looked at"
    if gone.empty:
        return f"Nothing leaks: {looked}, and none was found to be known only at the end."
    fields = gone[gone["kind"] == "field"]["input"].tolist()
    places = gone[gone["kind"] == "touchpoint"]["input"].tolist()
    parts = [f"the {'field' if len(fields) == 1 else 'fields'} {listed(fields)}"] if fields else []
    if places:
        parts.append(f"the {'touchpoint' if len(places) == 1 else 'touchpoints'} {listed(places)}")
    return (
        f"Refused as inputs: {' and '.join(parts)}, known only because the end is near ({looked})."
    )


def moved(table: pd.DataFrame) -> str:
    """Say which inputs are not what they were."""
    gone = table[table["moved"]]
    if gone.empty:
        rest = ""
        if len(table):
            rest = f" (the largest index is {table['estimate'].iloc[0]:.2f}, of "
            rest += f"{table['fact'].iloc[0]})"
        return f"Inputs are what they were: none has moved far{rest}."
    names = [f"{r['fact']} ({r['estimate']:.2f})" for _, r in gone.iterrows()]
    return (
        f"Not what they were when the model learnt: {listed(names, 5)}. Risks that rest on these "
        "go beyond what has been tried; look at them before use."
    )


def grouped(table: pd.DataFrame) -> str:
    """Say for which groups the risks are wrong, or cannot be judged."""
    lines = []
    for _, row in table[table["p_holm"] < ALPHA].iterrows():
        word = "more" if row["estimate"] > 0 else "fewer"
        lines.append(
            f"Do not use them as they are for {row['group']} {row['level']}: {word} left than "
            f"told ({percent(row['told'])} told, {percent(row['came'])} came)."
        )
    for _, row in table[(table["auc_p_holm"] < ALPHA)].iterrows():
        word = "worse" if row["auc"] < row["others_auc"] else "better"
        lines.append(
            f"For {row['group']} {row['level']} they tell {word} who leaves than for the others: "
            f"AUC {_three(row, 'auc', 'auc_low', 'auc_high')} against {row['others_auc']:.2f}."
        )
    judged = table["estimate"].notna()
    if not lines and judged.any():
        lines.append(
            f"None of {counted(int(judged.sum()), 'group')} is judged worse than the others, "
            "beyond chance among all that were looked at."
        )
    few = table[~judged]
    if len(few):
        names = listed([f"{r['group']} {r['level']}" for _, r in few.iterrows()], 5)
        lines.append(
            f"Not judged, with fewer than {FEW} who left, so that nobody knows how right risks "
            f"are there: {names}."
        )
    return "\n".join(lines)


def cut(scored: Scored, shown: int) -> str:
    """Say what the list is, and what its intervals hold."""
    return (
        f"The {counted(shown, 'customer')} at most risk; risk.csv has all "
        f"{len(scored.customers):,}. Each reason is what the customer's own value does to the "
        "odds of leaving, against the average customer of that day. An interval holds what other "
        "customers to learn from would have changed: not that tomorrow may differ from yesterday, "
        "nor what the model cannot see."
    )
