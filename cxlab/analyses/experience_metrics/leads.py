"""Which metrics move before churn does, and which after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics.gather import Known
from cxlab.frames.measures import cells
from cxlab.frames.spans import Spans
from cxlab.models.intervals import holm
from cxlab.models.leadlag import LEAST_GROUPS, LeadLag, lead_lag
from cxlab.results import Check, Result, counted, metric_label

__all__ = ["leads"]

_COLUMNS = ["metric", "lag", "estimate", "conf_low", "conf_high", "p_value", "p_holm", "groups",
            "periods", "verdict"]  # fmt: skip
_LEAST_CUSTOMERS = 50
_MOST_GROUPS = 60
_MOST_TRIED = 6


def leads(known: Known) -> Result:
    """Correlate each metric with churn some periods later, and some before.

    Groups of customers alike in their attributes are followed over time; what all groups share
    (trend, season, an outage) and what a group always has are taken out.

    Parameters
    ----------
    known : Known
        The data.

    Returns
    -------
    Result
        ``metric, lag`` (periods by which the metric is ahead of churn), ``estimate`` (a
        correlation) with intervals for all lags together, ``p_value, p_holm`` (of none at any
        lag; corrected for the metrics), ``groups, periods, verdict``.
    """
    groups = _groups(known)
    if isinstance(groups, str):
        text = f"Whether a metric moves before or after churn cannot be told: {groups}."
        return Result("lead_lag", pd.DataFrame(columns=_COLUMNS), sentence=text)
    columns, names = groups
    spans = _whole(known)
    churn = _panel(known, "time", spans, columns, names)
    y, wy = churn["churn rate"]
    found: dict[str, LeadLag] = {}
    not_told: dict[str, str] = {}
    for source in known.sources:
        if source == "time":
            continue
        for name, (x, wx) in _panel(known, source, spans, columns, names).items():
            made = lead_lag(x, y, wx, wy)
            if isinstance(made, str):
                not_told[name] = made
            else:
                found[name] = made
    return _result(known, found, not_told)


def _groups(known: Known) -> tuple[list[str], list[str]] | str:
    """Choose the attributes that make the most groups of enough customers."""
    if known.risk is None or "time" not in known.sources:
        return "nobody is seen to leave within the feed"
    person = known.person
    if person is None or not person.attributes:
        return "customers have no attributes to group them by"
    columns = list(person.attributes.values())[:_MOST_TRIED]
    counts = person.frame.group_by(*columns).agg(n=nw.len())
    table: pd.DataFrame = counts.collect(backend="pandas").to_native()
    best: tuple[list[str], list[str]] = ([], [])
    for size in range(1, len(columns) + 1):
        for tried in combinations(columns, size):
            n = table.groupby(list(tried))["n"].sum()
            large = n[n >= _LEAST_CUSTOMERS]
            if len(best[1]) < len(large) <= _MOST_GROUPS:
                keys = [k if isinstance(k, tuple) else (k,) for k in large.index]
                best = (list(tried), [" | ".join(map(str, k)) for k in keys])
    if len(best[1]) < LEAST_GROUPS:
        many = f"{counted(len(best[1]), 'group')} of {_LEAST_CUSTOMERS} customers and more"
        return f"{many}, where {LEAST_GROUPS} are wanted"
    return best


def _whole(known: Known) -> Spans:
    """Keep the periods that are seen from their first to their last day by the churn's rows."""
    spans, source = known.spans, known.sources["time"]
    inside = (spans.edges[:-1] >= source.first) & (spans.edges[1:] <= source.last)
    kept = np.flatnonzero(inside)
    if not len(kept):
        return spans
    low, high = int(kept[0]), int(kept[-1]) + 1
    return replace(
        spans,
        names=spans.names[low:high],
        edges=spans.edges[low : high + 1],
        place=spans.place - low,
    )


Panel = dict[str, tuple[np.ndarray, np.ndarray]]


def _panel(
    known: Known, source: str, spans: Spans, columns: Sequence[str], names: Sequence[str]
) -> Panel:
    """Give each metric's figures and weights, by group and period."""
    person, made = known.person, known.sources[source]
    assert person is not None
    rows = made.make(spans)
    table = cells(known.dataset, rows, spans, person, columns)
    late = spans.edges[1:] > made.last
    found: Panel = {}
    for name, part in table.groupby("measure", sort=False):
        if name == "retention":
            continue
        wide = [
            part.pivot_table(index="group", columns="span", values=v, aggfunc="sum")
            .reindex(index=list(names), columns=range(len(spans)))
            .to_numpy(float)
            for v in ("y", "x")
        ]
        y, x = wide
        x = np.where(np.isnan(x) | late, 0.0, x)
        with np.errstate(divide="ignore", invalid="ignore"):
            found[str(name)] = (np.where(x > 0, y / x, np.nan), x)
    return found


def _result(known: Known, found: dict[str, LeadLag], not_told: dict[str, str]) -> Result:
    corrected = holm(np.array([v.p_value for v in found.values()]))
    tables = []
    for (name, v), p in zip(found.items(), corrected, strict=True):
        verdict, _ = v.verdict(float(p))
        tables.append(
            pd.DataFrame(
                {"metric": name, "lag": v.lag, "estimate": v.estimate, "conf_low": v.conf_low,
                 "conf_high": v.conf_high, "p_value": v.p_value, "p_holm": p,
                 "groups": v.groups, "periods": v.periods, "verdict": verdict}
            )
        )  # fmt: skip
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=_COLUMNS)
    checks = [Check(f"lead and lag: {n}", None, f"not told: {why}") for n, why in not_told.items()]
    unit = "week" if known.weekly else "month"
    told = {n: v.verdict(float(p)) for (n, v), p in zip(found.items(), corrected, strict=True)}
    return Result("lead_lag", table, tuple(checks), {"unit": unit}, _sentence(told, found, unit))


def _sentence(told: dict[str, tuple[str, int | None]], found: dict[str, LeadLag], unit: str) -> str:
    if not told:
        return "Whether a metric moves before or after churn cannot be told from these data."
    lines = []
    for name, (verdict, lag) in told.items():
        if lag is None:
            continue
        many = counted(abs(lag), unit)
        said = {
            "leads": f"moves {many} before churn does",
            "lags": f"moves {many} after churn does: it tells nothing beforehand",
            "moves together": f"moves in the same {unit} as churn",
        }[verdict]
        lines.append(f"{_capital(metric_label(name))} {said}.")
    rest = len(told) - len(lines)
    some = max(found.values(), key=lambda f: f.groups)
    on = f"on up to {some.groups} groups of customers over {some.periods} {unit}s"
    if rest:
        which = counted(rest, "other metric" if lines else "metric")
        they, them = ("it moves", "it") if rest == 1 else ("they move", "them")
        lines.append(
            f"Of {which} it cannot be told whether {they} before or after churn, {on}; that says "
            f"nothing against {them}."
        )
    return " ".join(lines)


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
