"""What the comparison comes to, in sentences and in tables for reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from cxlab.analyses.early_warning.judged import ahead
from cxlab.analyses.early_warning.study import BEHAVIOUR, BOTH, EVERYTHING, SCORES, Study
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, listed, metric_label

__all__ = [
    "add",
    "answered",
    "beside",
    "covered",
    "difference",
    "ends",
    "headline",
    "in_short",
    "lead",
    "main_pair",
    "named",
    "stable",
    "still_tells",
    "two",
]

# Areas below each are called so.
_WORDS = ((0.55, "hardly better than a coin"), (0.6, "weak"), (0.7, "fair"), (0.8, "good"))
_CLOSE = 0.02
_COIN = 0.5


def named(signal: str, first: bool = False) -> str:
    """Write a signal's name for readers.

    Parameters
    ----------
    signal : str
        As in the tables of figures.
    first : bool
        Whether a sentence begins with it.
    """
    text = metric_label(signal)
    return text[:1].upper() + text[1:] if first else text


def two(x: float, signed: bool = False, digits: int = 2) -> str:
    """Write a figure with a true minus, and none before zero.

    Parameters
    ----------
    x : float
        The figure.
    signed : bool
        Whether more than zero has a plus.
    digits : int
        Decimals.
    """
    text = f"{abs(x):.{digits}f}"
    zero = not any(c in "123456789" for c in text)
    sign = "" if zero else MINUS if x < 0 else "+" if signed else ""
    return sign + text


def ends(row: Any, signed: bool = False) -> str:
    """Write the ends of an interval: ``0.51 to 0.57``.

    Parameters
    ----------
    row : pandas.Series
        With ``conf_low`` and ``conf_high``.
    signed : bool
        Whether more than zero has a plus.
    """
    return f"{two(row['conf_low'], signed)} to {two(row['conf_high'], signed)}"


def difference(row: Any, first: bool = True) -> str:
    """Say which of two signals told better, or that they cannot be told apart.

    Parameters
    ----------
    row : pandas.Series
        Of the table of differences.
    first : bool
        Whether a sentence begins with it.
    """
    a, b = str(row["signal"]), str(row["against"])
    x, y, gap = (float(row[c]) for c in ("signal_estimate", "against_estimate", "estimate"))
    if gap < 0:
        row = {**row, "conf_low": -row["conf_high"], "conf_high": -row["conf_low"]}
        a, b, x, y, gap = b, a, y, x, -gap
    figures = f"AUC {two(x)} against {two(y)}, difference {two(gap)} ({ends(row)})"
    if row["p_holm"] < ALPHA:
        return f"{named(a, first)} told who leaves better than {named(b)}: {figures}."
    limits = float(row["conf_low"]), float(row["conf_high"])
    if limits[0] > 0:
        return (
            f"{named(a, first)} may tell who leaves better than {named(b)}: {figures}, which is "
            "not beyond chance among all that is compared."
        )
    alike = "tell about as much" if max(map(abs, limits)) <= _CLOSE else "cannot be told apart"
    return f"{named(a, first)} and {named(b)} {alike}: {figures}."


def _row(gaps: pd.DataFrame, one: str, other: str) -> Any:
    mine = gaps[(gaps["measure"] == "AUC") & (gaps["signal"] == one) & (gaps["against"] == other)]
    return mine.iloc[0] if len(mine) else None


def main_pair(study: Study, table: pd.DataFrame) -> tuple[str, str]:
    """Name the comparison that is told first: behaviour with the best metric.

    Parameters
    ----------
    study : Study
        What is compared.
    table : pandas.DataFrame
        The league.
    """
    estimate = table.set_index("signal")["estimate"]
    best = max(study.said, key=lambda m: float(estimate[m]), default="")
    if not best:
        return BEHAVIOUR, study.base
    return (BEHAVIOUR, best) if BEHAVIOUR in study.signals else (best, study.base)


def headline(study: Study, table: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Say what told best who left, and how good that is.

    Parameters
    ----------
    study : Study
        What is compared.
    table, gaps : pandas.DataFrame
        The league and the differences.
    """
    options = study.options
    first = difference(_row(gaps, *main_pair(study, table)))
    whole = table.set_index("signal").loc[EVERYTHING]
    area = float(whole["estimate"])
    word = "is " + next((w for limit, w in _WORDS if area < limit), "strong")
    if whole["conf_low"] <= _COIN:
        word = "cannot be told from a coin"
    when = f"within {options.horizon_days} days"
    if options.lead_days:
        when += f", {options.lead_days} days ahead at least"
    return (
        f"{first} Everything together {word} ({when}): of a customer who left and one who "
        f"stayed it names the right one in {100 * area:.0f} of 100 pairs "
        f"({100 * whole['conf_low']:.0f} to {100 * whole['conf_high']:.0f}); a coin does in 50."
    )


def add(study: Study, gaps: pd.DataFrame) -> str:
    """Say what scores add to behaviour, and behaviour to scores.

    Parameters
    ----------
    study : Study
        What is compared.
    gaps : pandas.DataFrame
        The differences.
    """
    if BOTH not in study.signals:
        return ""
    mine = gaps[(gaps["measure"] == "AUC") & (gaps["signal"] == BOTH)]
    return "\n".join(_added(row, str(row["against"])) for _, row in mine.iterrows())


def _added(row: Any, known: str) -> str:
    """Say whether one adds to what the other tells."""
    figures = f"AUC {two(row['estimate'], True)} ({ends(row, True)})"
    scores = known == BEHAVIOUR
    says = f"what {named(known)} {'tells' if scores or known != SCORES else 'tell'}"
    if row["p_holm"] < ALPHA and row["estimate"] > 0:
        return f"{'Scores add' if scores else 'Behaviour adds'} to {says}: {figures}."
    if row["conf_low"] > 0:
        says += " (not beyond chance among all that is compared)"
        return f"{'Scores' if scores else 'Behaviour'} may add to {says}: {figures}."
    what = "Scores add" if scores else "Behaviour adds"
    return f"{what} nothing to {says} that is beyond chance: {figures}."


def covered(table: pd.DataFrame, fresh_days: int) -> str:
    """Say of how many customers each metric speaks at all.

    Parameters
    ----------
    table : pandas.DataFrame
        Of coverage.
    fresh_days : int
        A score as old counts as recent.
    """
    recent = table[(table["level"] == "recent score") & table["customers"].notna()]
    if recent.empty:
        return ""
    told = [
        f"{named(str(r['metric']))} {100 * r['customers']:.0f}% of customers and "
        f"{100 * r['leavers']:.0f}% of those who then left"
        for _, r in recent.iterrows()
    ]
    return (
        f"A score can only warn of whoever gave one. In the last {fresh_days} days before they "
        f"were judged, these had: {'; '.join(told)}."
    )


def answered(table: pd.DataFrame, gaps: pd.DataFrame, left_out: Mapping[str, str]) -> str:
    """Say how scores and behaviour compare among those who had answered.

    Parameters
    ----------
    table, gaps : pandas.DataFrame
        The figures and the differences among those who had answered.
    left_out : mapping
        Of whom there were too few.
    """
    lines = []
    for among, part in gaps.groupby("among", sort=False) if len(gaps) else ():
        who = f"Among the {part['n'].iloc[0]:,} customers with a recent score on "
        if part["metrics"].iloc[0] > 1:
            told = [difference(r, False) for _, r in part[part["p_holm"] < ALPHA].iterrows()]
            text = " ".join(told) or "no metric tells better than another."
            lines.append(f"{who}all of them: {text}")
        else:
            lines.append(f"{who}{among}: {difference(part.iloc[0], False)}")
    if len(table):
        alone = table[(table["metrics"] == 1) & (table["conf_high"] < _COIN)]
        alone = alone[alone["among"] == alone["signal"].map(named)]
        lines += [f"The better the score on {named(m)}, the sooner its givers left: it says the "
                  "opposite of what it should." for m in alone["signal"]]  # fmt: skip
    lines += [f"Not told: {why}." for why in left_out.values()]
    return "\n".join(lines)


def in_short(gaps: pd.DataFrame) -> str:
    """Say in a sentence or two what is beyond chance among those who had answered.

    Parameters
    ----------
    gaps : pandas.DataFrame
        The differences among those who had answered.
    """
    alone = gaps[gaps["metrics"] == 1] if len(gaps) else gaps
    if alone.empty:
        return ""
    clear = [difference(r, False) for _, r in alone[alone["p_holm"] < ALPHA].iterrows()]
    rest = "neither scores nor behaviour can be told to be better."
    return f"Among those who had answered lately, {' '.join(clear) or rest}"


def lead(table: pd.DataFrame, lead_days: int) -> str:
    """Say what a signal loses where the last days before leaving do not count.

    Parameters
    ----------
    table : pandas.DataFrame
        Of what is told at once and with the lead.
    lead_days : int
        The lead.
    """
    at_once = table[table["lead_days"] == 0]
    late = table[table["lead_days"] == lead_days].set_index("signal")["estimate"]
    fell = at_once[(at_once["p_holm"] < ALPHA) & (at_once["change_estimate"] > 0)]
    fell = fell[fell["conf_low"] > _COIN]
    if fell.empty:
        return (
            f"No signal owes what it tells to the last {lead_days} days before customers leave: "
            "without them it tells as much, within chance."
        )
    told = [
        f"{named(str(r['signal']))} {two(r['estimate'])} with them and "
        f"{two(float(late[r['signal']]))} without ({two(r['change_estimate'])} lower, "
        f"{two(r['change_low'])} to {two(r['change_high'])})"
        for _, r in fell.iterrows()
    ]
    return (
        f"Part of what is told comes from the last {lead_days} days, in which customers may have "
        f"decided already and it is late to act: AUC {'; '.join(told)}. All other figures here "
        "are without them."
    )


def stable(study: Study, by_day: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say on how many days the better signal was the better one.

    Parameters
    ----------
    study : Study
        What is compared.
    by_day, table : pandas.DataFrame
        Each signal on each day, and the league.
    """
    one, other = main_pair(study, table)
    estimate = table.set_index("signal")["estimate"]
    if estimate[other] > estimate[one]:
        one, other = other, one
    better, days = ahead(by_day, one, other)
    if days < 2:
        return ""
    return f"{named(one, True)} told better than {named(other)} on {better} of {days} days."


def beside(table: pd.DataFrame) -> str:
    """Say what is left of each score once behaviour is known.

    Parameters
    ----------
    table : pandas.DataFrame
        Hazard ratios, alone and with behaviour.
    """
    lines = [
        f"A score on {named(metric)} one standard deviation worse goes with "
        f"{alone['hazard_ratio']:.2f} times the leaving ({ends(alone)}); beside what customers "
        f"did and met, {held['hazard_ratio']:.2f} times ({ends(held)})."
        for metric, alone, held in _both(table)
    ]
    return "\n".join(lines)


def still_tells(table: pd.DataFrame) -> str:
    """Say in a sentence which scores still tell once behaviour is known.

    Parameters
    ----------
    table : pandas.DataFrame
        Hazard ratios, alone and with behaviour.
    """
    told = [(metric, held["conf_low"] > 1) for metric, _, held in _both(table)]
    if not told:
        return ""
    still = [named(m) for m, yes in told if yes]
    rest = [named(m) for m, yes in told if not yes]
    texts = [f"a worse score on {listed(still)} still goes with more leaving"] if still else []
    texts += [f"a worse score on {listed(rest)} cannot be told to"] if rest else []
    return f"Beside what customers did and met, {'; '.join(texts)}."


def _both(table: pd.DataFrame) -> Iterator[tuple[str, Any, Any]]:
    for metric, part in table.groupby("metric", sort=False):
        by = part.set_index("way")
        if {"alone", "with behaviour"} <= set(by.index):
            yield str(metric), by.loc["alone"], by.loc["with behaviour"]
