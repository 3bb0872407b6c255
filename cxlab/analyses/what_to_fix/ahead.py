"""What is expected of the coming months, kept so that a later run can hold it against what came."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.study import Ahead, Study, months_ahead
from cxlab.analyses.what_to_fix.what_if import Future, future_of, predicted
from cxlab.data.forecasts import Forecast
from cxlab.frames.failures import by_month
from cxlab.models import outlook
from cxlab.models.lifetime_value import MONTH_DAYS

__all__ = ["as_table", "forecasts"]

# The step of a month by which the rate of failures is thought to drift: 28% in a year.
_DRIFT = 0.08
_Three = tuple[np.ndarray, np.ndarray, np.ndarray]


def forecasts(study: Study, futures: Mapping[str, Future]) -> list[Forecast]:
    """Forecast churn with nothing changed, and with failures cut at each driver.

    Parameters
    ----------
    study : Study
        What is known.
    futures : mapping
        Touchpoint -> what the usual change does there.
    """
    ahead = study.ahead
    unchanged = future_of(study, {}, {})
    if isinstance(ahead, str) or unchanged is None:
        return []
    found = _lines(study, ahead, None, unchanged, None)
    counts = by_month(study.risk, study.known)
    for name in study.called:
        if name in futures:
            failed = _failures(study, ahead, counts, name)
            found += _lines(study, ahead, name, futures[name], failed)
    return found


def _lines(
    study: Study, ahead: Ahead, name: str | None, made: Future, failed: _Three | None
) -> list[Forecast]:
    middle, low, high = predicted(study, made)
    share = 0.0 if name is None else study.options.share
    lines = []
    for i, month in enumerate(ahead.months):
        failures = [None] * 3 if failed is None else [float(v[i]) for v in failed]
        line = Forecast(study.dataset.as_of, name, share, month, float(middle[i]), float(low[i]),
                        float(high[i]), *failures)  # fmt: skip
        lines.append(line)
    return lines


def _failures(study: Study, ahead: Ahead, counts: pd.DataFrame, name: str) -> _Three | None:
    """Forecast bad contacts at a touchpoint, once they fall by the usual share."""
    whole = study.months[study.months["whole"]]
    mine = counts[counts["place"] == study.basis.place(name)].set_index("month")["bad"]
    seen = mine.reindex(whole["month"]).fillna(0.0).to_numpy(float)
    there = whole["there"].to_numpy() * whole["days"].to_numpy() / MONTH_DAYS
    months = whole["month"].to_numpy()
    level = outlook.fit_level(seen, there, months, _DRIFT)
    if level is None:
        return None
    numbers = months_ahead(ahead)
    generator = np.random.Generator(np.random.PCG64([study.options.seed, 0xFA11]))
    left = 1.0 - study.options.share
    customers = outlook.followed(ahead.stock, ahead.middle[None, :])[1]
    time = (customers * ahead.lengths * left)[:, ahead.skip :]
    told = slice(ahead.skip, None)
    rates, scatter = level.rates(numbers, generator, len(study.drawn))
    low, high = outlook.ends(outlook.counts(rates[:, told] * time, scatter, generator))
    middle = level.rate(numbers)[told] * time[0]
    return middle, np.minimum(low, middle), np.maximum(high, middle)


def as_table(made: list[Forecast]) -> pd.DataFrame:
    """Give forecasts as a table, a row each.

    Parameters
    ----------
    made : list of Forecast
        Of this run.
    """
    columns = ["touchpoint", "share", "month", "estimate", "conf_low", "conf_high", "failures",
               "failures_low", "failures_high"]  # fmt: skip
    rows = [
        ("" if f.touchpoint is None else f.touchpoint, f.share, f"{f.month:%Y-%m}", f.leavers,
         f.leavers_low, f.leavers_high, f.failures, f.failures_low, f.failures_high)
        for f in made
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
