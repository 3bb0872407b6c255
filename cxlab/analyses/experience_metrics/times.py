"""How long things take: waits, handling, resolutions, and the way to a first success."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.experience_metrics.gather import About, Known, called, small, withheld
from cxlab.frames.durations import Cohorts, binned, first_successes, squares
from cxlab.frames.measures import Level, Rows
from cxlab.frames.people import NOT_GIVEN
from cxlab.frames.spans import Spans, windows
from cxlab.models.clustered import difference
from cxlab.models.durations import Incidence, Reached
from cxlab.models.intervals import Z, holm
from cxlab.results import Result

__all__ = ["ADOPTED", "adoption", "durations", "value_touchpoint"]

ADOPTED = (30, 90)
"""Days from the start within which a first success counts as adoption."""
_MOST = 180
_LONG = 0.9
_SEGMENT = ["touchpoint", "by", "level", "days", "estimate", "conf_low", "conf_high", "n", "gap",
            "gap_low", "gap_high", "p_value"]  # fmt: skip
_KINDS = {
    "first response, median": ("response", "", "seconds to the first response, half of contacts"),
    "handle time, median": ("handle", "", "seconds of handling, half of contacts"),
    "time to resolution, median": (
        "resolve",
        "resolved",
        "seconds by which half of the contacts that ask for one were resolved; those still "
        "open count as not resolved yet",
    ),
}
_FIGURES = ["estimate", "conf_low", "conf_high", "long"]


def durations(known: Known) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Give medians of times, as :func:`~.gather.counted` gives ratios.

    Parameters
    ----------
    known : Known
        The data.

    Returns
    -------
    card, series, levels : pandas.DataFrame
        With ``long``: the time by which nine in ten are over.
    """
    rows, cards, series, levels = known.contacts, [], [], []
    if rows is None:
        return pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    there = set(rows.frame.collect_schema().names())
    source = known.sources.get("contacts")
    spans = windows(known.end, known.options.window_days)
    for name, (value, happened, rule) in _KINDS.items():
        if value not in there:
            continue
        given = (known, rows, spans, value, happened)
        both = _medians(*given)
        if both.empty:
            continue
        known.abouts[name] = About("seconds", "lower", rule)
        cards.append(_card(name, both, known, source.first if source else known.end, spans))
        table = _medians(known, rows, known.spans, value, happened)
        series.append(_series(name, table, known, source.first if source else known.end))
        for level in known.levels(rows):
            table = _medians(*given, by=level, span=1)
            levels.append(_levels(name, table, level, known))
    made = (pd.concat(t, ignore_index=True) if t else pd.DataFrame() for t in (cards, series,
                                                                               levels))  # fmt: skip
    card, over_time, by = made
    return card, over_time, by


def _medians(
    known: Known,
    rows: Rows,
    spans: Spans,
    value: str,
    happened: str,
    by: Level | None = None,
    span: int | None = None,
) -> pd.DataFrame:
    """Give the median by level, with its interval by Woodruff, customers taken together."""
    where: dict[str, Any] = {"by": by, "person": known.person, "span": span}
    given = (known.dataset, rows, spans, value, happened)
    counts = binned(*given, **where)
    if counts.empty:
        return pd.DataFrame()
    fitted = {level: _incidence(part) for level, part in counts.groupby("level", sort=True)}
    found = pd.concat([_influences(level, *f) for level, f in fitted.items()], ignore_index=True)
    told = squares(*given, found, **where) if len(found) else pd.DataFrame()
    made = []
    for level, (incidence, _) in fitted.items():
        variance = float(told.loc[level, "variance"]) if level in told.index else None
        middle, long = incidence.quantile(0.5, variance), incidence.quantile(_LONG)
        customers = float(told.loc[level, "n"]) if level in told.index else np.nan
        made.append((level, *_three(middle), long.estimate, customers, incidence.n))
    columns = ["level", *_FIGURES, "n", "rows"]
    return pd.DataFrame(made, columns=columns)


def _three(reached: Reached) -> tuple[float, float, float]:
    return reached.estimate, reached.conf_low, reached.conf_high


def _incidence(part: pd.DataFrame) -> tuple[Incidence, np.ndarray]:
    """Fit the counts of one level; and the number of each bin."""
    bins = np.unique(part["bin"])
    place = np.searchsorted(bins, part["bin"])
    counts = np.zeros((3, len(bins)))
    np.add.at(counts, (part["kind"].to_numpy(int), place), part["n"].to_numpy())
    n = np.bincount(place, weights=part["n"], minlength=len(bins))
    time = np.bincount(place, weights=part["total"], minlength=len(bins)) / n
    return Incidence(counts, time), bins


def _influences(level: Any, incidence: Incidence, bins: np.ndarray) -> pd.DataFrame:
    place = incidence.bin_of(0.5)
    # where the median is not reached, the last share tells how sure that is
    moved = incidence.influence(len(bins) - 1 if place is None else place)
    kinds = [k for k in range(3) if incidence.counts[k].any()]
    return pd.concat(
        [
            pd.DataFrame({"level": level, "bin": bins, "kind": k, "influence": moved[k]})
            for k in kinds
        ]
    )


def _card(name: str, table: pd.DataFrame, known: Known, first: float, spans: Spans) -> pd.DataFrame:
    by = table.set_index("level")
    empty = pd.Series(dict.fromkeys([*_FIGURES, "n", "rows"], np.nan))
    now, before = (by.loc[k] if k in by.index else empty for k in (1, 0))
    few = known.options.min_group
    row: dict[str, Any] = {"metric": name, "unit": "seconds", **now.to_dict()}
    row |= {"since": float(spans.edges[1]), "until": float(spans.edges[2])}
    row |= dict.fromkeys(("before", "change", "change_low", "change_high", "p_value"), np.nan)
    row |= {"n_before": before["n"], "rows_before": before["rows"]}
    if not now["n"] >= few:
        row |= dict.fromkeys([*_FIGURES, "n", "rows"], np.nan)
    elif before["n"] >= few and spans.edges[0] >= first and np.isfinite(before["conf_high"]):
        one, other = (_frame(v) for v in (now, before))
        gap = difference(one, other, np.zeros(1), np.array([min(now["n"], before["n"])])).iloc[0]
        # Means of equal times differ by a trifle of rounding.
        same = abs(gap["estimate"]) <= 1e-6 * abs(now["estimate"])
        p = 1.0 if same else np.nan
        if not same and gap["se"] > 0:
            p = median_p(gap["estimate"] / gap["se"], min(now["n"], before["n"]))
        row |= {"before": before["estimate"], "change": gap["estimate"],
                "change_low": gap["conf_low"], "change_high": gap["conf_high"],
                "p_value": p}  # fmt: skip
    return pd.DataFrame([row])


def median_p(ratio: float, customers: float) -> float:
    """Give the p-value of a difference of medians over its standard error.

    The width of a median's interval rests on the about 2 sqrt(n) times within it, and is as
    uncertain as a variance of so many degrees of freedom.

    Parameters
    ----------
    ratio : float
        Difference over standard error.
    customers : float
        Of the smaller sample.
    """
    return float(2 * special.stdtr(2 * np.sqrt(customers), -abs(ratio)))


def _frame(row: pd.Series[Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "estimate": [row["estimate"]],
            "conf_low": [row["conf_low"]],
            "conf_high": [row["conf_high"]],
            "se": [(row["conf_high"] - row["conf_low"]) / (2 * Z)],
        }
    )


def _series(name: str, table: pd.DataFrame, known: Known, first: float) -> pd.DataFrame:
    if table.empty:
        return table
    place = table["level"].to_numpy(int)
    low, high = known.spans.edges[place], known.spans.edges[place + 1]
    table = table.assign(
        metric=name,
        period=np.array(known.spans.names)[place],
        unit="seconds",
        whole=(low >= first) & (high <= known.end),
        se=(table["conf_high"] - table["conf_low"]) / (2 * Z),
    ).drop(columns="level")
    return withheld(table, known, [*_FIGURES, "se"])


def _levels(name: str, table: pd.DataFrame, level: Level, known: Known) -> pd.DataFrame:
    if table.empty:
        return table
    named = table["level"]
    if level.names:
        names = np.array([*level.names, NOT_GIVEN], dtype=object)
        named = pd.Series(names[table["level"].to_numpy(int)])
    table = table.assign(metric=name, by=level.by, level=named.to_numpy(), unit="seconds")
    return withheld(table, known, _FIGURES, total=True)


# -- first success -----------------------------------------------------------------------------


def adoption(known: Known) -> dict[str, Result]:
    """Follow customers from their start to their first success at each touchpoint.

    Those who started within the feed; who is not seen for long enough counts for as long as
    seen, and who left first is one who never got there (Aalen and Johansen 1978).

    Parameters
    ----------
    known : Known
        The data.

    Returns
    -------
    dict of str to Result
        ``adoption`` (by touchpoint, and by start month), ``adoption_by`` (by attribute, against
        the other customers), ``to_value`` (the curve of the moment of value); empty without
        contacts or dated customers.
    """
    if known.contacts is None or known.risk is None or known.person is None:
        return {}
    cohorts = first_successes(known.dataset, known.risk, known.places, known.person, _MOST)
    table = _adopted(cohorts, known)
    if table.empty:
        known.left_out["adoption and time to value"] = "too few customers started within the feed"
        return {}
    chosen, why = value_touchpoint(known, table)
    meta = {"touchpoint": chosen, "why": why, "late": cohorts.late, "outcome": cohorts.outcome}
    place = known.places.touchpoints.index(chosen)
    incidence = Incidence(cohorts.counts[place].sum(axis=0), np.arange(_MOST + 1.0))
    curve = [(t, *_three(r), r.se) for t in range(0, _MOST + 1, 2) if (r := _by(incidence, t, 1))]
    columns = ["day", "estimate", "conf_low", "conf_high", "se"]
    middle = incidence.quantile(0.5)
    left = incidence.counts[2].sum()
    told = {"median": middle.estimate, "median_low": middle.conf_low,
            "median_high": middle.conf_high, "customers": int(incidence.n),
            "left_first": int(left)}  # fmt: skip
    return {
        "adoption": Result("adoption", table, meta=meta),
        "adoption_by": _by_segment(cohorts, known),
        "to_value": Result("to_value", pd.DataFrame(curve, columns=columns), meta=meta | told),
    }


def _by(incidence: Incidence, day: int, least: int) -> Reached | None:
    """Give the share by a day; None where hardly anybody is followed until then."""
    if day >= len(incidence.at_risk) or incidence.at_risk[day] < least:
        return None
    return incidence.by(float(day))


def _adopted(cohorts: Cohorts, known: Known) -> pd.DataFrame:
    least, made = known.options.min_group, []
    names = [_month(m) for m in cohorts.months]
    for place, name in enumerate(known.places.touchpoints):
        counts = cohorts.counts[place]
        groups = {"all": counts.sum(axis=0)} | dict(zip(names, counts, strict=True))
        for cohort, mine in groups.items():
            if mine.sum() < least or not counts[:, 1].any():
                continue
            incidence = Incidence(mine, np.arange(_MOST + 1.0))
            for days in ADOPTED:
                if (r := _by(incidence, days, least)) is not None:
                    made.append((name, cohort, days, *_three(r), incidence.n))
    columns = ["touchpoint", "started", "days", "estimate", "conf_low", "conf_high", "n"]
    return pd.DataFrame(made, columns=columns)


def _by_segment(cohorts: Cohorts, known: Known) -> Result:
    """Tell the share of each segment that got to each touchpoint, and of all the others."""
    made, least = [], known.options.min_group
    for name, (levels, counts) in cohorts.segments.items():
        for place, touchpoint in enumerate(known.places.touchpoints):
            if counts[place][:, 1].any():
                about = (touchpoint, called(name))
                made += [(*about, *row) for row in _segments(levels, counts[place], least)]
    if not made:
        return Result("adoption_by", pd.DataFrame(columns=[*_SEGMENT, "p_holm"]))
    head, one, rest, sizes = zip(*((m[:4], m[4], m[5], m[6:]) for m in made), strict=True)
    table = pd.DataFrame(head, columns=_SEGMENT[:4])
    own, smaller = np.array(sizes, dtype=float).T
    here = _reached(one)
    gaps = difference(here, _reached(rest), np.zeros(len(table)), smaller)
    table[["estimate", "conf_low", "conf_high"]] = here[["estimate", "conf_low", "conf_high"]]
    table["n"] = own
    table[["gap", "gap_low", "gap_high", "p_value"]] = gaps.drop(columns="se")
    cut = table.groupby(["touchpoint", "by", "days"]).ngroup().to_numpy(int)
    table.loc[small(own, cut, own < least, least), _SEGMENT[4:]] = np.nan
    named = table["level"] != NOT_GIVEN
    table["p_holm"] = holm(table["p_value"].where(named).to_numpy(float))
    return Result("adoption_by", table)


def _segments(
    levels: tuple[str, ...], counts: np.ndarray, least: int
) -> list[tuple[str, int, Reached, Reached, float, float]]:
    """Give each level's share and that of the others, with the customers of it and of the less."""
    made, days = [], np.arange(_MOST + 1.0)
    for level, mine in zip(levels, counts, strict=True):
        others = counts.sum(axis=0) - mine
        if not mine.sum() or not others.sum():
            continue
        one, rest = Incidence(mine, days), Incidence(others, days)
        for day in ADOPTED:
            here, there = _by(one, day, least), _by(rest, day, least)
            if here is not None and there is not None:
                made.append((level, day, here, there, one.n, min(one.n, rest.n)))
    return made


def _reached(found: Sequence[Reached]) -> pd.DataFrame:
    names = ("estimate", "se", "conf_low", "conf_high")
    return pd.DataFrame({c: [float(getattr(r, c)) for r in found] for c in names})


def _month(number: int) -> str:
    return str(np.datetime64("1970-01") + int(number))


def value_touchpoint(known: Known, adopted: pd.DataFrame) -> tuple[str, str]:
    """Choose the touchpoint whose first success is the moment of value, and say why.

    The one asked for; else, of those of the stage called use (of all, where there is none), the
    one that most customers reach soonest.

    Parameters
    ----------
    known : Known
        The data.
    adopted : pandas.DataFrame
        Shares that got there, by touchpoint.
    """
    whole = adopted[adopted["started"] == "all"]
    asked = known.options.value_touchpoint
    if asked and asked in set(whole["touchpoint"]):
        return asked, "the touchpoint that was named"
    places = known.places
    use = [i for i, s in enumerate(places.stages) if s.casefold() == "use"]
    used = {t for t, s in zip(places.touchpoints, places.stage, strict=True) if s in use}
    using = whole[whole["touchpoint"].isin(used)]
    among = "of the stage use " if len(using) else ""
    pool = using if len(using) else whole
    last = pool[pool["days"] == pool["days"].max()]
    best = last.sort_values(["estimate", "touchpoint"], ascending=[False, True]).iloc[0]
    why = f"no touchpoint was named; {among}it is the one that most new customers reach"
    return str(best["touchpoint"]), why
