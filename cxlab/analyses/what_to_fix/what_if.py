"""What if failures fell: churn that would have been avoided, and that will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.asked import Wish
from cxlab.analyses.what_to_fix.study import Ahead, Study, day_of, days_of
from cxlab.frames.spans import spans_by_month
from cxlab.models import outlook, scenario
from cxlab.models.lifetime_value import Terms

__all__ = ["Future", "alone_future", "future", "future_of", "past", "shares_of"]

_FAR = np.inf


def shares_of(asked: Sequence[Wish]) -> dict[str, float]:
    """Give the shares of a scenario by touchpoint."""
    return {w.touchpoint: w.share for w in asked}


def past(study: Study, asked: Sequence[Wish]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Tell what would have been, had failures fallen on the days asked for.

    Parameters
    ----------
    study : Study
        What is known.
    asked : sequence of Wish
        Those whose day had come are taken; with none of them the table is empty.

    Returns
    -------
    pandas.DataFrame
        A row a month, and last the ``total``: ``month, estimate, conf_low, conf_high`` (customers
        who would not have left), ``counted_low, counted_high`` (what would have been counted, with
        its chance), ``leavers`` (who left), ``value, value_low, value_high`` (their monthly value).
    dict
        ``since``, ``apart`` (the sum of what each change would have avoided alone).
    """
    basis = study.basis
    dated = {w.touchpoint: days_of(w.since) for w in asked if w.since is not None}
    dated = {n: max(d, basis.begin) for n, d in dated.items() if d < basis.end}
    if not dated:
        return pd.DataFrame(columns=["month"]), {}
    start = min(dated.values())
    change = study.everywhere({n: shares_of(asked)[n] for n in dated}, dated)
    mine = basis.only(basis.at >= start)
    spans = spans_by_month(start, basis.end)
    ends = np.minimum(spans.edges[1:], basis.end)
    whole = scenario.avoided(mine, change, ends)
    drawn = scenario.avoided_draws(mine, change, whole.stays, study.drawn, study.options.seed)
    table = _by_month([*spans.names, "total"], whole, drawn)
    edges = np.append(-np.inf, ends)
    table["leavers"] = [*np.histogram(mine.at, edges)[0], mine.churns]
    apart = sum(float(scenario.avoided(mine, change.alone(basis.place(n)), ends[-1:]).total[0])
                for n in dated)  # fmt: skip
    return table, {"since": day_of(start).isoformat(), "apart": apart, "names": list(dated)}


def _by_month(
    names: list[str], whole: scenario.Avoided, drawn: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> pd.DataFrame:
    """Turn what is cumulated into months, with the total last."""

    def apart(values: np.ndarray) -> np.ndarray:
        ahead = np.zeros((*values.shape[:-1], 1))
        return np.concatenate([np.diff(values, prepend=ahead), values[..., -1:]], axis=-1)

    (low, high), (less, more), (seen_low, seen_high) = (outlook.ends(apart(d)) for d in drawn)
    return pd.DataFrame(
        {
            "month": names, "estimate": apart(whole.total), "conf_low": low, "conf_high": high,
            "counted_low": seen_low, "counted_high": seen_high, "value": apart(whole.value),
            "value_low": less, "value_high": more,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Future:
    """What a change does in the months ahead.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a month, and last the ``total``: ``month, estimate, conf_low, conf_high`` (churn
        avoided, those saved who leave later taken off), ``leavers`` (with the change),
        ``unchanged``.
    leavers : ndarray, shape (draws, months)
        Draws of who leaves, with the change: expected numbers.
    saved : ndarray, shape (draws,)
        Customers saved, each once, whether they leave later or not.
    lifetime : ndarray, shape (draws,)
        What these will still bring; empty where that is not told.
    steady : tuple of (float, float, float)
        Churn avoided a month once contacts from before the change have faded.
    middle : tuple of (float, float)
        ``saved`` and ``lifetime`` at the estimates themselves.
    """

    table: pd.DataFrame
    leavers: np.ndarray
    saved: np.ndarray
    lifetime: np.ndarray
    steady: tuple[float, float, float]
    middle: tuple[float, float]


def future(study: Study, asked: Sequence[Wish]) -> Future | None:
    """Tell what will be, if failures fall: from the day asked for, or from the end of the data.

    Parameters
    ----------
    study : Study
        What is known.
    asked : sequence of Wish
        The change; a day that has passed counts as the end of the data.
    """
    end = study.basis.end
    since = {w.touchpoint: max(days_of(w.since) - end, 0.0) for w in asked if w.since is not None}
    return future_of(study, shares_of(asked), since)


def alone_future(study: Study, name: str) -> Future | None:
    """Tell what will be if failures fall by the usual share at one touchpoint."""
    return future_of(study, {name: study.options.share}, {})


def future_of(
    study: Study, shares: Mapping[str, float], since: Mapping[str, float]
) -> Future | None:
    """Tell what will be; None where the months ahead are not told.

    Parameters
    ----------
    study : Study
        What is known.
    shares, since : mapping
        Touchpoint -> share, and days from the end of the data to its beginning.
    """
    ahead = study.ahead
    if isinstance(ahead, str) or not study.window.churns:
        return None
    change = study.everywhere(dict(shares), dict(since))
    # One more time than steps: when all from before has faded.
    times = np.append(ahead.times, _FAR)
    point = [v[None, :] for v in scenario.reduction(study.window, change, times)]
    draws = scenario.reduction_draws(study.window, change, times, study.drawn, study.options.seed)
    return _future(study, ahead, point, draws)


def _future(
    study: Study,
    ahead: Ahead,
    point: Sequence[np.ndarray],
    draws: Sequence[np.ndarray],
) -> Future:
    told = slice(ahead.skip, None)
    middle, rates = ahead.middle[None, :], ahead.rates
    base, base_draws = (outlook.followed(ahead.stock, r)[0][:, told] for r in (middle, rates))
    left, there = outlook.followed(ahead.stock, middle * (1 - point[0][:, :-1]))
    drawn, drawn_there = outlook.followed(ahead.stock, rates * (1 - draws[0][:, :-1]))
    avoided = _with_total(base - left[:, told])[0]
    low, high = outlook.ends(_with_total(base_draws - drawn[:, told]))
    months = [f"{m:%Y-%m}" for m in ahead.months]
    table = pd.DataFrame(
        {
            "month": [*months, "total"], "estimate": avoided, "conf_low": low, "conf_high": high,
            "leavers": _with_total(left[:, told])[0], "unchanged": _with_total(base)[0],
        }
    )  # fmt: skip
    saved = (rates * draws[0][:, :-1] * drawn_there)[:, told].sum(axis=1)
    saved_middle = float((middle * point[0][:, :-1] * there)[:, told].sum())
    lifetime, brought = _lifetime(study, ahead, (middle, point[1], there),
                                  (rates, draws[1], drawn_there))  # fmt: skip
    monthly = ahead.stock.now * ahead.middle[told].mean() / ahead.lengths[told].mean()
    lowest, highest = outlook.ends(draws[0][:, -1:])
    fallen = float(point[0][0, -1]), float(lowest[0]), float(highest[0])
    steady = (monthly * fallen[0], monthly * fallen[1], monthly * fallen[2])
    return Future(table, drawn[:, told], saved, lifetime, steady, (saved_middle, brought))


def _with_total(values: np.ndarray) -> np.ndarray:
    return np.append(values, values.sum(axis=1, keepdims=True), axis=1)


def _lifetime(
    study: Study,
    ahead: Ahead,
    point: tuple[np.ndarray, np.ndarray, np.ndarray],
    draws: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, float]:
    """Put a value on those saved: what they pay, times what is still to come of it."""
    money = study.money
    if isinstance(money, str):
        return np.zeros(0), np.nan
    options = study.options
    terms = Terms(options.margin, options.discount_rate, options.value_years)
    wait = np.exp(-terms.discount * ahead.times)[ahead.skip :]
    each = float(np.nanmean(study.window.value)) * money.per_monthly
    generator = np.random.Generator(np.random.PCG64([options.seed, 0x0FEE]))
    guess = np.exp(money.error * generator.standard_normal(len(study.drawn)) - money.error**2 / 2)

    def brought(rates: np.ndarray, fallen: np.ndarray, there: np.ndarray) -> np.ndarray:
        return np.asarray((rates * fallen[:, :-1] * there)[:, ahead.skip :] @ wait) * each

    return brought(*draws) * guess, float(brought(*point)[0])


def predicted(study: Study, made: Future) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give who leaves in each month ahead, and the ends of its 95% prediction interval.

    Parameters
    ----------
    study : Study
        What is known.
    made : Future
        With or without a change.

    Returns
    -------
    middle, low, high : ndarray, shape (months,)
    """
    ahead = study.ahead
    assert not isinstance(ahead, str)
    # The same scatter for every change: what differs between two forecasts is the change.
    generator = np.random.Generator(np.random.PCG64([study.options.seed, 0xC0457]))
    low, high = outlook.ends(outlook.counts(made.leavers, ahead.scatter, generator))
    middle = made.table["leavers"].to_numpy(float)[:-1]
    return middle, np.minimum(low, middle), np.maximum(high, middle)
