"""What to fix, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.asked import Wish
from cxlab.analyses.what_to_fix.choice import Ranking
from cxlab.analyses.what_to_fix.study import Study, days_of
from cxlab.analyses.what_to_fix.what_if import Future
from cxlab.results import MINUS, Finding, Findings, Result, counted, listed, money

__all__ = ["FEW_CHURNS", "assumptions", "delays", "findings", "future", "headline", "lacking_costs",
           "learn", "money", "named", "number", "outlook", "past", "ranking", "segments",
           "span"]  # fmt: skip

FEW_CHURNS = 30
"""With fewer churns in the window, hardly anything can be told."""
_MOST_NAMED = 6
_SMALL = 10.0
# A share below this rounds to nothing.
_SEEN = 0.005
_SAME = 0.01
_TWO_YEARS = 24


def named(names: Iterable[str]) -> str:
    """Join touchpoints' names, not too many of them."""
    return listed(map(str, names), _MOST_NAMED)


def number(value: float) -> str:
    """Write customers: small numbers with a decimal, and a true minus."""
    text = f"{abs(value):,.0f}" if abs(value) >= _SMALL else f"{abs(value):.1f}"
    zero = not any(c in "123456789" for c in text)
    return text if value >= 0 or zero else MINUS + text


def span(low: float, high: float) -> str:
    """Write an interval of customers."""
    return f"{number(low)} to {number(high)}"


def _share(value: float) -> str:
    text = f"{100 * value:.4g}%"
    return text


def _currency(study: Study) -> str:
    return study.dataset.settings.currency or ""


def lacking_costs(study: Study) -> str:
    """Say which drivers have no cost; empty: all have, or there are none."""
    cost = study.places["fix_cost"]
    lack = [n for n in study.called if not np.isfinite(float(cost.get(n, np.nan)))]
    if not lack:
        return ""
    who = "no driver" if len(lack) == len(study.called) else f"{named(lack)}: none"
    return (
        f"of {who} is it known what fixing costs (fix_cost of the table touchpoints), so that "
        "drivers are ranked by benefit alone"
        if len(lack) == len(study.called)
        else f"what fixing costs is not known of {named(lack)} (fix_cost of the table "
        "touchpoints), so that drivers are ranked by benefit alone"
    )


# -- the answer --------------------------------------------------------------------------------


def headline(study: Study, found: Ranking, table: pd.DataFrame) -> str:
    """Say what to fix next, how sure that is, and what it brings.

    Parameters
    ----------
    study : Study
        What is known.
    found : Ranking
        The drivers in order.
    table : pandas.DataFrame
        Of touchpoints.
    """
    options = study.options
    if not study.called:
        return (
            "There is no driver of churn in these data, so nothing here calls for fixing first; "
            "the table tells where failures are."
        )
    if found.table.empty:
        why = study.ahead if isinstance(study.ahead, str) else "nobody left in the last days"
        return f"What fixing a driver would bring cannot be told: {why}."
    top = found.table.iloc[0]
    row = table[table["touchpoint"] == top["touchpoint"]].iloc[0]
    cut = f"cutting its failures by {_share(options.share)}"
    months = counted(options.horizon_months, "month")
    brings = (
        f"{cut} is expected to avoid {number(row['estimate'])} churns "
        f"(95% interval {span(row['conf_low'], row['conf_high'])}) in {months}"
    )
    name = str(top["touchpoint"])
    if found.unit == "money":
        brings += f", worth {_worth(study, row)}"
    if found.costed and not found.chosen:
        return (
            f"No fix is expected to pay within {months} if failures fall by "
            f"{_share(options.share)}. {name} comes nearest: {brings}, and costs "
            f"{money(top['cost'], _currency(study))}. {_sure(found)}"
        )
    if found.costed:
        brings += f", and costs {money(top['cost'], _currency(study))}"
    return f"Fix {name} next: {brings}. {_sure(found)}"


def _worth(study: Study, row: Any) -> str:
    code = _currency(study)
    return (
        f"{money(row['benefit'], code)} of lifetime value ({money(row['benefit_low'])} to "
        f"{money(row['benefit_high'])})"
    )


def _sure(found: Ranking) -> str:
    if len(found.table) == 1:
        return "It is the only driver."
    best = found.table.sort_values("best", ascending=False)
    parts = [f"{r['touchpoint']} {r['best']:.0%}" for _, r in best.head(3).iterrows()
             if r["best"] >= _SEEN]  # fmt: skip
    return f"Probability of being the best next fix: {', '.join(parts)}."


def ranking(study: Study, found: Ranking) -> str:
    """Say how sure the order is, in a few lines."""
    if found.table.empty:
        return "There is no driver to put in order."
    lines = [_sure(found)]
    if found.costed:
        pays = found.table[found.table["pays"] >= 0.5]
        text = named(f"{r['touchpoint']} ({r['pays']:.0%})" for _, r in pays.iterrows())
        lines.append(f"More likely than not to pay: {text}." if text else
                     "Of none is it more likely than not that it pays.")  # fmt: skip
    elif found.unit == "money":
        lines.append(f"Costs are not taken off: {lacking_costs(study)}.")
    else:
        lines.append("Drivers are ranked by customers saved, since money is not known.")
    return "\n".join(lines)


def learn(study: Study, found: Ranking) -> str:
    """Say what it would be worth to know more before anything is fixed."""
    if found.table.empty and found.learn.empty:
        return ""
    least = 0.5 if found.unit == "customers" else 1.0
    lines = []
    if len(found.table):
        worth = _amount(study, found, found.knowing_all)
        if found.knowing_all < least:
            lines.append(
                "To learn more first is worth next to nothing: whatever the benefits truly are, "
                "the choice would be the same."
            )
        else:
            top = found.table.sort_values("knowing", ascending=False).iloc[0]
            lines.append(
                "If all benefits were known exactly, a better choice would bring "
                f"{worth} more on the average: no study before the fix is worth more."
            )
            if top["knowing"] >= least:
                lines.append(f"Most of it by learning more of {top['touchpoint']} "
                             f"({_amount(study, found, float(top['knowing']))}).")  # fmt: skip
    if len(found.learn) and (first := found.learn.iloc[0])["knowing"] >= least:
        lines.append(
            f"Of the touchpoints without evidence of an effect, more data on {first['touchpoint']} "
            f"would be worth the most, at most {_amount(study, found, float(first['knowing']))}."
        )
    return "\n".join(lines)


def _amount(study: Study, found: Ranking, value: float) -> str:
    if found.unit == "money":
        return money(value, _currency(study))
    return f"{number(value)} customers"


# -- what if -----------------------------------------------------------------------------------


def delays(study: Study, wishes: Sequence[Wish]) -> dict[str, float]:
    """Give by touchpoint in how many days from the end of the data a change begins."""
    end = study.basis.end
    return {w.touchpoint: max(days_of(w.since) - end, 0.0) for w in wishes if w.since is not None}


def _changes(wishes: Sequence[Wish], each: str = "") -> str:
    """Say by how much failures fall, where and from when; ``each`` is what they all are."""
    names = listed([w.touchpoint for w in wishes], _MOST_NAMED)
    if len({(w.share, w.since) for w in wishes}) > 1:
        told = [f"{w.touchpoint} by {_share(w.share)}{_from(w)}" for w in wishes]
        return f"at {listed(told, _MOST_NAMED)}"
    where = f"{each} ({names})" if each else names
    return f"by {_share(wishes[0].share)} at {where}{_from(wishes[0])}"


def _from(wish: Wish) -> str:
    return f" from {wish.since}" if wish.since is not None else ""


def past(study: Study, table: pd.DataFrame, about: Mapping[str, Any]) -> str:
    """Say what would have been.

    Parameters
    ----------
    study : Study
        What is known.
    table : pandas.DataFrame
        By month.
    about : mapping
        As :func:`cxlab.analyses.what_to_fix.what_if.past` gave it.
    """
    mine = [w for w in study.asked if w.touchpoint in about["names"]]
    row = table.iloc[-1]
    text = (
        f"Had failures fallen {_changes(mine)}, {number(row['estimate'])} "
        f"(95% interval {span(row['conf_low'], row['conf_high'])}) of the "
        f"{counted(int(row['leavers']), 'customer')} who left since {about['since']} would not "
        f"have left by {study.dataset.as_of}; counted in these very months, with their chance, it "
        f"would have been {span(row['counted_low'], row['counted_high'])}."
    )
    if np.isfinite(row["value"]):
        text += f" They pay {money(row['value'], _currency(study))} a month."
    return text + _untold(study, mine) + _apart(len(mine), float(row["estimate"]), about["apart"])


def _apart(changes: int, together: float, apart: float) -> str:
    """Say by how much adding up what each change does alone would overstate."""
    if changes < 2 or not apart > together or together <= 0:
        return ""
    more = apart / together - 1
    if more < _SAME:
        return (
            " Worked out one by one and added up, they come to the same: hardly anybody met both."
        )
    return (
        " Worked out one by one and added up, the changes would seem to avoid "
        f"{100 * more:.2g}% more: some who left had met more than one of these failures."
    )


def _untold(study: Study, wishes: Sequence[Wish]) -> str:
    lost = [w.touchpoint for w in wishes if not study.basis.usable[study.basis.place(w.touchpoint)]]
    weak = [w.touchpoint for w in wishes
            if w.touchpoint not in lost and w.touchpoint not in study.called]  # fmt: skip
    text = ""
    if lost:
        why = listed(sorted({study.verdict(n) for n in lost}))
        text += f" Of {named(lost)} no effect can be told ({why}): there nothing is changed."
    if weak:
        text += f" {named(weak)} {'is' if len(weak) == 1 else 'are'} no driver: mind the interval."
    return text


def future(study: Study, wishes: Sequence[Wish], will: Future, apart: float) -> str:
    """Say what will be.

    Parameters
    ----------
    study : Study
        What is known.
    wishes : sequence of Wish
        The change.
    will : Future
        What it does.
    apart : float
        Churn avoided by each change alone, added up.
    """
    if not wishes:
        return "There is no driver, and nothing was asked: no change to work out."
    row, options = will.table.iloc[-1], study.options
    late = [w for w in wishes if w.since is not None and days_of(w.since) < study.basis.end]
    after = " (days that have passed count as the day after the data end)" if late else ""
    text = (
        f"If failures fall {_changes(wishes, '' if study.asked else 'each driver')}{after}, "
        f"{number(row['estimate'])} churns (95% interval "
        f"{span(row['conf_low'], row['conf_high'])}) of {number(row['unchanged'])} are avoided in "
        f"the {counted(options.horizon_months, 'month')} after {study.dataset.as_of}; "
        f"{number(will.steady[0])} a month ({span(*will.steady[1:])}) once earlier failures have "
        "faded."
    )
    if len(will.lifetime):
        low, high = np.quantile(will.lifetime, [0.025, 0.975])
        code = _currency(study)
        text += (
            f" Those saved will still bring {money(will.middle[1], code)} ({money(low)} to "
            f"{money(high)}): the most that all of it may cost."
        )
    if any(w.since is not None and days_of(w.since) >= study.basis.end for w in wishes):
        text += (f" A day ahead is worked out by taking the last {study.window_days} days for the "
                 "months to come.")  # fmt: skip
    return text + _untold(study, wishes) + _apart(len(wishes), float(row["estimate"]), apart)


def outlook(study: Study, table: pd.DataFrame) -> str:
    """Say how many are expected to leave."""
    plain = table[table["touchpoint"] == ""]
    if plain.empty:
        why = study.ahead if isinstance(study.ahead, str) else "nobody left in the last days"
        return f"No forecast is made: {why}."
    first, last = plain.iloc[0], plain.iloc[-1]
    text = (
        f"With nothing changed, {number(first['estimate'])} customers are expected to leave in "
        f"{first['month']} (95% prediction interval {span(first['conf_low'], first['conf_high'])})"
    )
    if len(plain) > 1:
        text += (f" and {number(last['estimate'])} in {last['month']} "
                 f"({span(last['conf_low'], last['conf_high'])})")  # fmt: skip
    text += ". The forecasts are kept, to be held against what comes."
    assert not isinstance(study.ahead, str)
    if len(study.ahead.level.months) < _TWO_YEARS:
        text += (" Fewer than two years were seen: of the course of the year little is known, "
                 "which makes the intervals wider.")  # fmt: skip
    return text


def segments(study: Study, table: pd.DataFrame, segment: str) -> str:
    """Say where a driver takes the most of a thousand customers."""
    told = table[table["estimate"].notna()]
    if told.empty:
        return f"By {segment}, all groups are too small to be told of."
    top = told.sort_values("per_thousand", ascending=False).iloc[0]
    chosen = "" if study.options.segment else (
        f" {segment} is the attribute by whose groups the churn at stake differs most."
    )  # fmt: skip
    return (
        f"Of a thousand customers, failures take the most at {top['touchpoint']} where {segment} "
        f"is {top['level']}: {number(top['per_thousand'])} in {study.window_days} days.{chosen} "
        "Effects are taken alike in all groups; how often failures are met is not."
    )


def assumptions(study: Study) -> list[str]:
    """Say what it all rests on."""
    options = study.options
    lines = [
        "Effects are causes: a failure is bad luck given the contact, once what 05_churn_drivers "
        "lists is held equal.",
        f"The months to come are like the last {study.window_days} days: as many contacts, the "
        "same mix of customers, and other reasons to leave as before.",
        "Failures at a touchpoint are alike: those that are prevented hurt as much as those that "
        "are not.",
        "A failure that is prevented is an ordinary contact: contacts that failures cause stay in.",
        "Failures from before the change act on and fade "
        f"({_half_lives(study)}), which is why it takes time to be seen.",
        "Customers saved stay at risk, and some leave later.",
    ]
    if not isinstance(study.money, str):
        lines.append(
            "A customer saved will bring what today's customers bring for each unit of what they "
            f"pay a month ({study.money.per_monthly:.1f} times it over "
            f"{counted(options.value_years, 'year')}, at a discount of "
            f"{100 * options.discount_rate:g}% a year and a margin of {100 * options.margin:g}%)."
        )
        lines.append(
            f"fix_cost is taken as the price of {_share(options.share)} fewer failures; benefits "
            f"count for those saved in {counted(options.horizon_months, 'month')}."
        )
    return lines


def _half_lives(study: Study) -> str:
    days = sorted({round(float(h)) for h in study.basis.half_life})
    return f"half of it gone in {listed(map(str, days), word='or')} days"


# -- findings ----------------------------------------------------------------------------------


def findings(result: Result, notebook: str) -> Findings:
    """Word the answer for the report; see the package."""
    found = Findings()
    if result.table.empty:
        found.append(Finding("what_to_fix.summary", notebook, result.sentence))
        return found
    found.append(_first(result, notebook))
    for name in ("past", "future"):
        part = result.parts.get(name)
        if part is None or part.table.empty or not result.meta["scenario"]:
            continue
        row = part.table.iloc[-1]
        found.append(
            Finding(f"what_to_fix.{name}", notebook, part.sentence, float(row["estimate"]),
                    float(row["conf_low"]), float(row["conf_high"]), "customers",
                    int(result.meta["window_churns"]))
        )  # fmt: skip
    for name in ("learn", "forecasts"):
        text = " ".join(result[name].sentence.splitlines())
        if text:
            found.append(Finding(f"what_to_fix.{name}", notebook, text))
    return found


def _first(result: Result, notebook: str) -> Finding:
    names = result["ranking"].table["touchpoint"]
    if names.empty:
        return Finding("what_to_fix.summary", notebook, result.sentence)
    row = result.table[result.table["touchpoint"] == names.iloc[0]].iloc[0]
    return Finding("what_to_fix.summary", notebook, result.sentence, float(row["estimate"]),
                   float(row["conf_low"]), float(row["conf_high"]), "customers",
                   None if pd.isna(row["n"]) else int(row["n"]))  # fmt: skip
