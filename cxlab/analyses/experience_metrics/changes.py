"""Which metrics have changed, and which only wiggle."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics.gather import Known
from cxlab.models.charts import LEAST_PERIODS, Chart, chart
from cxlab.models.intervals import Z, holm
from cxlab.models.verdicts import ALPHA

__all__ = ["charted"]

_COLUMNS = ["metric", "kind", "period", "earliest", "latest", "estimate", "conf_low", "conf_high",
            "p_value", "p_holm", "periods", "between_sd", "real"]  # fmt: skip
_NEVER = "none"


def charted(known: Known, series: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw limits around each metric's series and test whether it has changed.

    Parameters
    ----------
    known : Known
        The data.
    series : pandas.DataFrame
        A row a metric and period.

    Returns
    -------
    series, changes : pandas.DataFrame
        The series with ``centre, limit_low, limit_high, outside``; a row a metric with what has
        changed, if anything: ``real`` where the p-value corrected for all metrics is below 0.05.
    """
    series = series.assign(centre=np.nan, limit_low=np.nan, limit_high=np.nan, outside=False)
    charts: dict[str, tuple[Chart, list[str]]] = {}
    for name, rows in series.groupby("metric", sort=False):
        used = rows[rows["whole"] & rows["estimate"].notna() & rows["se"].notna()]
        if len(used) < LEAST_PERIODS or not np.isfinite(used[["estimate", "se"]]).all().all():
            continue
        if not np.ptp(used["estimate"]):
            continue
        made = chart(used["estimate"].to_numpy(), used["se"].to_numpy())
        if made is not None:
            charts[str(name)] = (made, used["period"].tolist())
            series.loc[used.index, ["centre", "limit_low", "limit_high"]] = np.column_stack(
                [made.centre, *_bounded(made, known, str(name))]
            )
            series.loc[used.index, "outside"] = made.outside
    return series, _table(charts, known)


def _bounded(made: Chart, known: Known, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Keep limits within what the metric can be."""
    low, high = known.abouts[name].bounds
    return np.maximum(made.low, low), np.minimum(made.high, high)


def _table(charts: Mapping[str, tuple[Chart, list[str]]], known: Known) -> pd.DataFrame:
    corrected = holm(np.array([c.p_value for c, _ in charts.values()]))
    rows = []
    for (name, (c, periods)), p in zip(charts.items(), corrected, strict=True):
        real = bool(p < ALPHA)
        ends = (periods[c.at], periods[c.earliest], periods[c.latest])
        width = Z * c.size_se
        rows.append(
            (name, c.kind if real else _NEVER, *(ends if real else (None,) * 3),
             *((c.size, c.size - width, c.size + width) if real else (np.nan,) * 3),
             c.p_value, p, len(periods), c.tau, real)
        )  # fmt: skip
    return pd.DataFrame(rows, columns=_COLUMNS)
