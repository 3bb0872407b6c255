"""Which driver to fix next, how sure that is, and what it would be worth to learn more first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.study import Study
from cxlab.analyses.what_to_fix.what_if import Future
from cxlab.models import decisions, outlook

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True)
class Ranking:
    """The drivers in the order in which to fix them.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a driver: ``touchpoint, estimate, conf_low, conf_high`` (what fixing it is worth,
        less what it costs, over the horizon), ``benefit, cost, ease, best`` (probability of being
        the best next fix), ``pays`` (of being worth more than it costs), ``break_even`` (the most
        it may cost), ``break_even_sure`` (and still pay in 9 of 10 draws), ``knowing`` (what it is
        worth to learn this one's benefit first).
    learn : pandas.DataFrame
        Of touchpoints without evidence: ``touchpoint, knowing``.
    chosen : str
        The one to fix next; empty: none pays.
    knowing_all : float
        What it would be worth to know all benefits.
    unit : {"money", "customers"}
        What it is counted in: money, or customers saved where that is not known.
    costed : bool
        Whether costs are taken off.
    """

    table: pd.DataFrame
    learn: pd.DataFrame
    chosen: str
    knowing_all: float
    unit: str
    costed: bool


_COLUMNS = ["touchpoint", "estimate", "conf_low", "conf_high", "benefit", "cost", "ease", "best",
            "pays", "break_even", "break_even_sure", "knowing"]  # fmt: skip
_SURE = 0.1


def rank(study: Study, futures: Mapping[str, Future]) -> Ranking:
    """Put the drivers in order.

    Parameters
    ----------
    study : Study
        What is known.
    futures : mapping
        Touchpoint -> what the usual change does there.
    """
    names = [n for n in study.called if n in futures]
    money = not isinstance(study.money, str)
    unit = "money" if money else "customers"
    cost = study.places["fix_cost"].reindex(names).to_numpy(float)
    costed = money and bool(names) and bool(np.isfinite(cost).all())
    if not names:
        empty = pd.DataFrame(columns=_COLUMNS)
        return Ranking(empty, _learn(study, futures, 0.0, money, costed), "", 0.0, unit, costed)
    gross = np.column_stack([_worth(futures[n], money) for n in names])
    choice = decisions.choose(gross - cost if costed else gross)
    low, high = outlook.ends(gross - cost if costed else gross)
    table = pd.DataFrame(
        {
            "touchpoint": names, "estimate": choice.expected, "conf_low": low, "conf_high": high,
            "benefit": gross.mean(axis=0), "cost": cost,
            "ease": [float(study.ease.get(n, np.nan)) for n in names], "best": choice.best,
            "pays": choice.pays if costed else np.nan,
            "break_even": gross.mean(axis=0) if money else np.nan,
            "break_even_sure": np.quantile(gross, _SURE, axis=0) if money else np.nan,
            "knowing": choice.knowing,
        },
        columns=_COLUMNS,
    )  # fmt: skip
    chosen = "" if choice.chosen is None else names[choice.chosen]
    now = max(float(choice.expected.max()), 0.0)
    learn = _learn(study, futures, now, money, costed)
    order = table.sort_values(["estimate", "touchpoint"], ascending=[False, True])
    return Ranking(order.reset_index(drop=True), learn, chosen, choice.knowing_all, unit, costed)


def _worth(future: Future, money: bool) -> np.ndarray:
    return future.lifetime if money else future.saved


def _learn(
    study: Study, futures: Mapping[str, Future], now: float, money: bool, costed: bool
) -> pd.DataFrame:
    """Tell what it would be worth to know of touchpoints of which there is no evidence yet."""
    rows = []
    for name, future in futures.items():
        cost = float(study.places["fix_cost"].get(name, np.nan)) if costed else 0.0
        exit_ = str(study.places["stage"].get(name, "")).lower() == "exit"
        if name in study.called or exit_ or not np.isfinite(cost):
            continue
        worth = _worth(future, money) - cost
        rows.append((name, float(np.maximum(worth, now).mean() - now)))
    learn = pd.DataFrame(rows, columns=["touchpoint", "knowing"])
    return learn.sort_values(["knowing", "touchpoint"], ascending=[False, True], ignore_index=True)
