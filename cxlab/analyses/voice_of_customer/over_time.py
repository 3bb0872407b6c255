"""Which themes have grown or shrunk, and which only wiggle."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.analyses.voice_of_customer.sides import sums
from cxlab.frames.spans import Spans, spans_by_month, spans_by_week
from cxlab.models.charts import LEAST_PERIODS, Chart, chart
from cxlab.models.clustered import SHARE, ratios
from cxlab.models.intervals import Z, holm
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, counted

__all__ = ["over_time"]

SERIES = ["term", "theme", "period", "estimate", "conf_low", "conf_high", "n", "comments",
          "whole", "centre", "limit_low", "limit_high", "outside"]  # fmt: skip
CHANGES = ["term", "theme", "kind", "period", "earliest", "latest", "estimate", "conf_low",
           "conf_high", "p_value", "p_holm", "periods", "real"]  # fmt: skip
_MOST_PERIODS, _EARLY = 120, 0.001
_UNDATED = "The comments are not dated: nothing can be said about change."


def over_time(heard: Heard, end: float, min_group: int) -> Result:
    """Draw each theme's share over time between the limits of its noise, and test for change.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    end : float
        The first instant not seen, in days.
    min_group : int
        Periods with fewer customers are withheld.

    Returns
    -------
    Result
        One row a theme: what has changed, if anything; the part ``series`` has a row a theme and
        period, with ``centre`` and limits.
    """
    at = heard.table["at"].to_numpy(float)
    dated = np.isfinite(at)
    nothing = Result("series", pd.DataFrame(columns=SERIES), meta={"period": "month"})
    if not dated.any() or not heard.homes:
        empty = pd.DataFrame(columns=CHANGES)
        text = "" if dated.any() else _UNDATED
        return Result("changes", empty, sentence=text, parts={"series": nothing})
    # One mistyped year is no beginning.
    first = float(np.quantile(at[dated], _EARLY, method="lower"))
    spans, every = _spans(first, end)
    series = _series(heard, at, spans, (first, end), min_group)
    charts = {}
    for term, rows in series.groupby("term", sort=False):
        used = rows[rows["whole"] & rows["estimate"].notna() & rows["se"].notna()]
        if len(used) < LEAST_PERIODS or not np.ptp(used["estimate"]):
            continue
        made = chart(used["estimate"].to_numpy(), used["se"].to_numpy())
        if made is not None:
            charts[str(term)] = (made, used["period"].tolist())
            limits = [made.centre, np.maximum(made.low, 0.0), np.minimum(made.high, 1.0)]
            series.loc[used.index, ["centre", "limit_low", "limit_high"]] = np.column_stack(limits)
            series.loc[used.index, "outside"] = made.outside
    table = _table(heard, charts)
    meta = {"period": every}
    part = Result("series", series[SERIES], meta=meta)
    return Result("changes", table, (), meta, _said(table, every), {"series": part})


def _spans(first: float, end: float) -> tuple[Spans, str]:
    months = spans_by_month(first, end)
    if len(months) >= LEAST_PERIODS + 2 or end - first > 7 * _MOST_PERIODS:
        return months, "month"
    return spans_by_week(first, end), "week"


def _series(
    heard: Heard, at: np.ndarray, spans: Spans, seen: tuple[float, float], min_group: int
) -> pd.DataFrame:
    who = heard.table["who"].to_numpy()
    place = np.where(np.isfinite(at), np.searchsorted(spans.edges, at, "right") - 1, -1)
    parts = []
    for i in range(max(0, len(spans) - _MOST_PERIODS), len(spans)):
        told = sums(who, heard.about, np.where(place == i, 1, -1))
        made = ratios(told, SHARE)
        if told["n"].iloc[0] < min_group:
            made[:] = np.nan
        made["period"] = spans.names[i]
        made["n"], made["comments"] = told["n"].astype(int), told["rows"].astype(int)
        made["whole"] = spans.edges[i] >= seen[0] - 1 and spans.edges[i + 1] <= seen[1]
        made["term"] = [t.id for t in heard.homes]
        made["theme"] = [t.name for t in heard.homes]
        parts.append(made)
    series = pd.concat(parts, ignore_index=True)
    series = series.assign(centre=np.nan, limit_low=np.nan, limit_high=np.nan, outside=False)
    order = {t.id: i for i, t in enumerate(heard.homes)}
    series["order"] = series["term"].map(order)
    return series.sort_values(["order", "period"], ignore_index=True)


def _table(heard: Heard, charts: dict[str, tuple[Chart, list[str]]]) -> pd.DataFrame:
    corrected = holm(np.array([c.p_value for c, _ in charts.values()]))
    names = {t.id: t.name for t in heard.homes}
    rows = []
    for (term, (c, periods)), p in zip(charts.items(), corrected, strict=True):
        real = bool(p < ALPHA)
        width = Z * c.size_se
        ends = (periods[c.at], periods[c.earliest], periods[c.latest]) if real else (None,) * 3
        size = (c.size, c.size - width, c.size + width) if real else (np.nan,) * 3
        kind = c.kind if real else "none"
        rows.append((term, names[term], kind, *ends, *size, c.p_value, p, len(periods), real))
    return pd.DataFrame(rows, columns=CHANGES).sort_values("p_holm", ignore_index=True)


def _said(table: pd.DataFrame, every: str) -> str:
    if table.empty:
        return f"Too few {every}s to tell a change from noise ({LEAST_PERIODS} are needed)."
    lines = []
    for r in table[table["real"]].itertuples():
        size = f"{100 * abs(r.estimate):.1f} points"
        way = "more" if r.estimate > 0 else "fewer"
        ends = (r.conf_low, r.conf_high) if r.estimate > 0 else (-r.conf_high, -r.conf_low)
        size += " (95% interval {:.1f} to {:.1f})".format(*(100 * e for e in ends))
        size = size.replace("-", MINUS)
        if r.kind == "shift":
            lines.append(f"{r.theme}: since {r.period} {size} {way} of the comments.")
        elif r.kind == "trend":
            lines.append(f"{r.theme}: a steady trend, {size} {way} from first to last {every}.")
        else:
            lines.append(f"{r.theme}: out of line in {r.period}, {size} {way} than else.")
    rest = int((~table["real"]).sum())
    if rest:
        what = counted(rest, "theme")
        lines.append(f"{what}: no change that noise does not explain.")
    return "\n".join(lines)
