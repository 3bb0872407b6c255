"""Each touchpoint: whom its failures meet, what they cost, where they go, and what a fix brings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.study import Study
from cxlab.analyses.what_to_fix.what_if import Future
from cxlab.frames.failures import affected, levels_of, members, trends
from cxlab.models import outlook, scenario
from cxlab.models.intervals import Z, benjamini_hochberg, wald_p
from cxlab.models.verdicts import ALPHA

__all__ = ["COLUMNS", "FALLING", "RISING", "STEADY", "by_segment", "segment_of", "touchpoints"]

COLUMNS = (
    *("term", "estimate", "conf_low", "conf_high", "p_value", "n"),
    *("touchpoint", "stage", "owner", "verdict", "hazard_ratio", "hazard_low", "hazard_high"),
    *("contacts", "failures", "failure_share", "affected"),
    *("trend", "trend_low", "trend_high", "trend_q", "trend_word"),
    *("churn_at_stake", "churn_low", "churn_high", "money_at_stake", "money_low", "money_high"),
    *("benefit", "benefit_low", "benefit_high", "cost", "ease"),
)
RISING, FALLING, STEADY, _FEW = "rising", "falling", "no change beyond noise", "too few to tell"
_STAKE = {
    "churn_at_stake": "estimate", "churn_low": "conf_low", "churn_high": "conf_high",
    "money_at_stake": "money", "money_low": "money_low", "money_high": "money_high",
}  # fmt: skip
_TREND_DAYS, _QUARTER, _LEAST_CONTACTS = 365.0, 4.0, 50
_MOST_LEVELS, _MOST_ATTRIBUTES = 8, 12


def touchpoints(study: Study, futures: Mapping[str, Future]) -> pd.DataFrame:
    """Give a row a touchpoint, the most to gain first.

    Parameters
    ----------
    study : Study
        What is known.
    futures : mapping
        Touchpoint -> what the usual change does there, where that may be told.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`. ``estimate`` is churn avoided over the horizon by the usual share less
        failures, ``benefit`` what those saved will still bring. ``churn_at_stake`` and
        ``money_at_stake`` are what all failures cost among whoever left in the window (the driver
        table counts those alone who were there when it began). ``trend`` is in shares a
        quarter of a year. Figures that a verdict forbids are empty, and so are counts of fewer
        customers than ``min_group``.
    """
    names = list(study.names)
    table = pd.DataFrame({"touchpoint": names, "place": np.arange(len(names))})
    table = table.merge(_met(study), on="place", how="left")
    table = table.merge(_trends(study), on="place", how="left")
    table = table.merge(_effects(study), on="touchpoint", how="left")
    table["verdict"] = table["verdict"].fillna("too little data")
    gains = pd.DataFrame([_gain(n, futures.get(n)) for n in names])
    table = table.merge(gains, on="touchpoint", how="left")
    places = study.places.reindex(names)
    table = table.assign(
        term=table["touchpoint"],
        stage=places["stage"].to_numpy(),
        owner=places["owner"].to_numpy(),
        cost=places["fix_cost"].to_numpy(float),
        ease=[float(study.ease.get(n, np.nan)) for n in names],
        n=table["affected"],
    )
    order = pd.DataFrame(
        {
            "driver": table["verdict"] != "driver",
            "none": table["estimate"].isna(),
            "gain": -table["estimate"].fillna(0.0),
            "name": table["touchpoint"],
        }
    )
    table = table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
    return table[list(COLUMNS)]


def _met(study: Study) -> pd.DataFrame:
    """Count in the window; groups that are too small are withheld."""
    found = affected(study.risk, study.known, study.window_days).drop(columns="customers")
    few = (found["affected"] > 0) & (found["affected"] < study.options.min_group)
    found = found.astype({c: float for c in ("contacts", "bad", "affected")})
    found.loc[few, ["bad", "affected"]] = np.nan
    found["failure_share"] = found["bad"] / found["contacts"]
    return found.rename(columns={"bad": "failures"})


def _trends(study: Study) -> pd.DataFrame:
    rule = study.dataset.settings.bad.unresolved_after_days or 0.0
    found = trends(study.risk, study.known, _TREND_DAYS, rule)
    enough = (found["contacts"] >= _LEAST_CONTACTS) & (found["se"] > 0)
    slope, se = (found[c].where(enough) / _QUARTER for c in ("slope", "se"))
    q = benjamini_hochberg(wald_p(slope.to_numpy(), se.to_numpy()))
    word = np.where(slope > 0, RISING, FALLING)
    word = np.where(q < ALPHA, word, np.where(enough, STEADY, _FEW))
    return pd.DataFrame(
        {
            "place": found["place"], "trend": slope, "trend_low": slope - Z * se,
            "trend_high": slope + Z * se, "trend_q": q, "trend_word": word,
        }
    )  # fmt: skip


def _effects(study: Study) -> pd.DataFrame:
    """Give what the driver table says of bad contacts, and what they cost, as far as allowed."""
    table = study.drivers.table
    bad = table[table["valence"] == "bad"].set_index("touchpoint")
    usable = dict(zip(study.names, study.basis.usable, strict=True))
    told = np.array([bool(usable.get(n, False)) for n in bad.index], dtype=bool)
    names = {"hazard_ratio": "hazard_ratio", "hazard_low": "conf_low", "hazard_high": "conf_high"}
    figures = pd.DataFrame({new: bad[old].astype(float) for new, old in names.items()})
    figures.loc[~told] = np.nan
    stakes = pd.DataFrame([_at_stake_of(study, str(n)) for n in bad.index[told]],
                          index=bad.index[told], columns=list(_STAKE))  # fmt: skip
    made = figures.join(stakes).assign(verdict=bad["verdict"], p_value=bad["p_value"].astype(float))
    return made.reset_index()


def _at_stake_of(study: Study, name: str) -> dict[str, float]:
    """Tell what all failures at a touchpoint cost in the window."""
    change = _at_stake(study, [name])
    whole = scenario.avoided(study.window, change, np.array([study.basis.end]))
    told = _stake(study, change, whole, np.ones(study.window.churns, dtype=bool), 1)
    return {new: told[old] for new, old in _STAKE.items()}


def _gain(name: str, future: Future | None) -> dict[str, Any]:
    row: dict[str, Any] = {"touchpoint": name}
    if future is None:
        names = ("estimate", "conf_low", "conf_high", "benefit", "benefit_low", "benefit_high")
        return row | dict.fromkeys(names, np.nan)
    total = future.table.iloc[-1]
    row |= {c: float(total[c]) for c in ("estimate", "conf_low", "conf_high")}
    low, high = (
        outlook.ends(future.lifetime[:, None]) if len(future.lifetime) else ([np.nan], [np.nan])
    )
    return row | {
        "benefit": future.middle[1], "benefit_low": float(low[0]), "benefit_high": float(high[0])
    }  # fmt: skip


# -- by segment --------------------------------------------------------------------------------


def _at_stake(study: Study, names: list[str]) -> scenario.Change:
    """Give the change in which every bad contact had been an ordinary one."""
    return study.everywhere(dict.fromkeys(names, 1.0), dict.fromkeys(names, -np.inf))


def segment_of(study: Study, names: list[str]) -> str:
    """Choose the attribute by whose levels the churn at stake differs most; empty: none.

    Differences from an even share by time at risk, in units of chance, a degree of freedom.

    Parameters
    ----------
    study : Study
        What is known.
    names : list of str
        The touchpoints whose churn it is.
    """
    texts = [a for a, kind in study.dataset.attributes.items() if kind == "text"]
    gone = _gone(study, names)
    best, most = "", 0.0
    for name in texts[:_MOST_ATTRIBUTES]:
        told = members(study.risk, name, study.window_days)
        if not 2 <= len(told) <= _MOST_LEVELS:
            continue
        level = levels_of(study.risk, study.window.customer, name)
        expected = gone.sum() * told["days"] / told["days"].sum()
        seen = pd.Series(gone).groupby(level).sum().reindex(told["level"]).fillna(0.0)
        chance = np.maximum(expected.to_numpy(), 1e-9)
        apart = float((np.square(seen.to_numpy() - expected) / chance).sum()) / (len(told) - 1)
        if apart > most:
            best, most = name, apart
    return best


def _gone(study: Study, names: list[str]) -> np.ndarray:
    """Give the chance of each churn of the window not to have been without failures there."""
    change = _at_stake(study, names)
    whole = scenario.avoided(study.window, change, np.array([study.basis.end]))
    drawn = scenario.each_avoided(study.window, change, whole.stays[:, 0])
    return np.asarray(drawn)


def by_segment(study: Study, names: list[str], segment: str) -> pd.DataFrame:
    """Tell of each driver and level whom failures met, and what they cost.

    Parameters
    ----------
    study : Study
        What is known.
    names : list of str
        The touchpoints.
    segment : str
        The attribute.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, level, n`` (customers), ``affected, estimate, conf_low, conf_high`` (churn
        at stake in the window), ``per_thousand`` (of a thousand customers), ``money, money_low,
        money_high`` (their monthly value). Levels of fewer customers than ``min_group``, and
        failures that met fewer, are withheld: their figures are empty.
    """
    level = levels_of(study.risk, study.window.customer, segment)
    there = members(study.risk, segment, study.window_days).set_index("level")["customers"]
    met = affected(study.risk, study.known, study.window_days, segment)
    met = met.set_index(["place", "level"])["affected"]
    rows = []
    for name in names:
        change = _at_stake(study, [name])
        whole = scenario.avoided(study.window, change, np.array([study.basis.end]))
        for group, count in there.items():
            mine = level == group
            key = (study.basis.place(name), group)
            many = int(met.loc[key]) if key in met.index else 0
            row = {"touchpoint": name, "level": group, "n": int(count), "affected": float(many)}
            if min(count, many) < study.options.min_group:
                rows.append(row | {"affected": np.nan})
                continue
            rows.append(row | _stake(study, change, whole, mine, int(count)))
    columns = ["touchpoint", "level", "n", "affected", "estimate", "conf_low", "conf_high",
               "per_thousand", "money", "money_low", "money_high"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _stake(
    study: Study, change: scenario.Change, whole: scenario.Avoided, mine: np.ndarray, count: int
) -> dict[str, float]:
    stays = whole.stays * mine[:, None]
    each = scenario.each_avoided(study.window, change, stays[:, 0])
    expected, value, _ = scenario.avoided_draws(
        study.window, change, stays, study.drawn, study.options.seed
    )
    (low, high), (less, more) = outlook.ends(expected), outlook.ends(value)
    known = bool(np.isfinite(study.window.value).any())
    return {
        "estimate": float(each.sum()), "conf_low": float(low[0]), "conf_high": float(high[0]),
        "per_thousand": 1000 * float(each.sum()) / count,
        "money": float(each @ np.nan_to_num(study.window.value)) if known else np.nan,
        "money_low": float(less[0]) if known else np.nan,
        "money_high": float(more[0]) if known else np.nan,
    }  # fmt: skip
