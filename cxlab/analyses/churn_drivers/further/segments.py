"""Whether effects differ between segments: partial pooling, so that small ones do not shout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.analyses.churn_drivers.further.added import Added, add
from cxlab.analyses.churn_drivers.study import MAIN, Model, Place, Study
from cxlab.frames.periods import attribute
from cxlab.models import intervals, verdicts
from cxlab.models.pooling import Pooled, partial_pool
from cxlab.results import Check, Result, counted, listed, ratio_text, three_figures

__all__ = ["ALL", "segments"]

ALL = "all drivers"
TENURE = "tenure"
_TENURES = {"first 90 days": 0.0, "90 days to a year": 90.0, "beyond a year": 365.0}
_MISSING, _OTHER = "(missing)", "(other)"
# A level needs so many churns, and so many after a bad contact at a driver of which so much is
# left: what has all but faded tells nothing.
_LEAST_CHURNS, _LEAST_EXPOSED, _LEAST_LEFT = 10, 5, 0.1
_MOST_LEVELS = 30
# A number with no more values than this is taken as it is, else by thirds.
_FEW_VALUES = 5
# One exposure column for so many churns, as in the driver model.
_EVENTS_PER_COLUMN = 5
TIMES, RATIO = "times the overall effect", "hazard ratio"
_COLUMNS = (
    *("attribute", "level", "touchpoint", "scale", "raw", "raw_low", "raw_high", "se"),
    *("estimate", "conf_low", "conf_high", "p_value", "n", "churns", "differs"),
)


@dataclass(frozen=True)
class _Levels:
    """An attribute's levels, and which each row is of."""

    attribute: str
    names: tuple[str, ...]
    code: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        """Membership, shape (rows, levels)."""
        return self.code[:, None] == np.arange(len(self.names))


def segments(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Estimate the drivers' effects by attribute and tenure, each level drawn to their mean.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table: its drivers are the bad contacts looked at.

    Returns
    -------
    Result
        One row an attribute, level and touchpoint; ``all drivers`` pools them, each with its
        estimate as weight, in multiples of the overall effect. ``raw`` is the level's own
        estimate, ``se`` its standard error (of the log hazard ratio where the scale is
        ``hazard ratio``), ``estimate`` the one after partial pooling. ``p_value`` is Cochran's,
        that all levels are alike, after Holm over the attributes (for single touchpoints: over
        all of these); ``differs`` where it is below 0.05. ``churns`` had a bad contact of the
        kind behind them, of which a tenth or more was left.
    """
    places = _drivers(study, model, table)
    meta = {"level": intervals.LEVEL, "scale": TIMES}
    if not places:
        text = "There is no driver whose effect could differ between segments."
        return Result("segments", pd.DataFrame(columns=list(_COLUMNS)), meta=meta, sentence=text)
    kept, left_out = _attributes(study)
    found = []
    for levels in tqdm(kept, desc="segments", unit="attribute", disable=None, leave=False):
        found += list(_pooled(study, model, levels, places))
        found += list(_each(study, model, levels, places))
    whole = _tested(pd.DataFrame(found, columns=[*_COLUMNS[:-1]]))
    used = set(whole["attribute"])
    left_out += [
        (s.attribute, "too few churns after bad contacts in all levels but one")
        for s in kept
        if s.attribute not in used
    ]
    texts = [f"{name} ({why})" for name, why in left_out]
    made = [Check("segments left out", None, "; ".join(texts))] if texts else []
    return Result("segments", whole, tuple(made), meta=meta, sentence=_sentence(whole))


def _drivers(study: Study, model: Model, table: pd.DataFrame) -> list[Place]:
    """Give the drivers' columns in the model of all that do not follow the decision."""
    names = study.known.touchpoints
    told = table[(table["verdict"] == "driver") & (table["valence"] == "bad")]
    places = [("bad", names.index(t)) for t in told["touchpoint"]]
    return [p for p in places if model.home(p) == MAIN and model.of(p) is not None]


# -- levels ------------------------------------------------------------------------------------


def _attributes(study: Study) -> tuple[list[_Levels], list[tuple[str, str]]]:
    """Give the usable attributes' levels, tenure last, and which are left out and why."""
    event = study.plain.event
    kept, left_out = [], []
    for name, kind in study.dataset.attributes.items():
        values = study.sample.rows[attribute(name)]
        labels = _thirds(values) if kind == "number" else values.astype("string")
        text = labels.fillna(_MISSING).to_numpy(dtype=object).astype(str)
        built = _levels(name, text, event)
        if isinstance(built, str):
            left_out.append((name, built))
        else:
            kept.append(built)
    band = np.searchsorted(list(_TENURES.values()), study.sample.rows["tenure"], side="right") - 1
    kept.append(_Levels(TENURE, tuple(_TENURES), band))
    return kept, left_out


def _thirds(values: pd.Series) -> pd.Series:
    """Name the third a number is in; few different numbers are named themselves."""
    known = values.dropna().astype(float)
    if known.nunique() <= _FEW_VALUES:
        return known.map(three_figures).reindex(values.index).astype("string")
    edges = np.unique(known.quantile([1 / 3, 2 / 3]).to_numpy())
    edges = edges[edges < known.max()]
    words = [three_figures(e) for e in edges]
    names = [f"up to {words[0]}"] if words else ["all"]
    names += [f"{low} to {high}" for low, high in pairwise(words)]
    names += [f"over {words[-1]}"] if words else []
    place = np.searchsorted(edges, known.to_numpy(), side="left")
    return pd.Series(np.array(names, dtype=object)[place], known.index).reindex(values.index)


def _levels(name: str, text: np.ndarray, event: np.ndarray) -> _Levels | str:
    """Number an attribute's levels, those with few churns joined; else say why it is no use."""
    names, code = np.unique(text, return_inverse=True)
    if len(names) < 2:
        return "it does not vary"
    if len(names) > _MOST_LEVELS:
        return f"{len(names)} different values, more than {_MOST_LEVELS}"
    churns = np.bincount(code, weights=event, minlength=len(names))
    own = np.flatnonzero(churns >= _LEAST_CHURNS)
    if len(own) < 2:
        return f"fewer than two levels have {_LEAST_CHURNS} churns"
    if len(own) == len(names):
        return _Levels(name, tuple(names.astype(str)), code)
    place = np.full(len(names), len(own))
    place[own] = np.arange(len(own))
    return _Levels(name, (*names[own].astype(str), _OTHER), place[code])


# -- fits --------------------------------------------------------------------------------------


def _by_level(x: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return x[:, None] * inside


def _usable(study: Study, levels: _Levels, exposed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count exposed churns by level, and tell which levels have enough of them and customers."""
    event = study.plain.event
    churns = (levels.inside & (exposed & (event == 1))[:, None]).sum(axis=0)
    calm = (levels.inside & (exposed & (event == 0))[:, None]).sum(axis=0)
    other = np.array([name == _OTHER for name in levels.names])
    told = _customers(study, levels) >= study.options.min_group
    enough = (churns >= _LEAST_EXPOSED) & (calm >= _LEAST_EXPOSED) & told & ~other
    return churns, np.flatnonzero(enough)


def _customers(study: Study, levels: _Levels) -> np.ndarray:
    """Count the customers of each level."""
    who = study.sample.rows["customer_id"].groupby(levels.code).nunique()
    return who.reindex(range(len(levels.names)), fill_value=0).to_numpy()


def _pooled(
    study: Study, model: Model, levels: _Levels, places: Sequence[Place]
) -> Iterator[dict[str, Any]]:
    """Give the drivers together, by level, in multiples of their overall effect."""
    assert model.main is not None
    weights = np.array([model.main.coef[p] for p in places])
    at = [k for _, k in places]
    bad, slope, met = (
        model.measured[kernel, kind][:, at] @ weights
        for kernel, kind in (("decay", "bad"), ("slope", "bad"), ("decay", "all"))
    )
    left = model.measured["decay", "bad"][:, at].sum(axis=1)
    churns, usable = _usable(study, levels, left > _LEAST_LEFT)
    if len(usable) < 2:
        return
    inside = levels.inside
    # The level itself and its ordinary contacts are held, so that bad is compared within it.
    held = np.hstack([inside[:, 1:].astype(float), _by_level(met, inside[:, 1:])])
    columns = np.hstack([_by_level(bad, inside), held])
    slopes = np.hstack([_by_level(slope, inside), np.zeros_like(held)])
    equal = [False] * inside.shape[1] + [True] * held.shape[1]
    fitted = add(study, model, columns, slopes, equal, places)
    yield from _rows(study, levels, ALL, fitted, usable, usable, churns)


def _each(
    study: Study, model: Model, levels: _Levels, places: Sequence[Place]
) -> Iterator[dict[str, Any]]:
    """Give each driver by level, as many as the churns can carry."""
    inside, size = levels.inside, len(levels.names)
    budget = study.risk.events // _EVENTS_PER_COLUMN - (len(model.main.coef) if model.main else 0)
    chosen = list(places[: max(budget // (2 * size), 0)])
    if not chosen:
        return
    measured, columns, slopes, held = model.measured, [], [], [inside[:, 1:].astype(float)]
    for place in chosen:
        columns.append(_by_level(measured["decay", "bad"][:, place[1]], inside))
        slopes.append(_by_level(measured["slope", "bad"][:, place[1]], inside))
        held.append(_by_level(measured["decay", "all"][:, place[1]], inside[:, 1:]))
    rest = np.hstack(held)
    equal = [False] * (size * len(chosen)) + [True] * rest.shape[1]
    fitted = add(
        study,
        model,
        np.hstack([*columns, rest]),
        np.hstack([*slopes, np.zeros_like(rest)]),
        equal,
        chosen,
    )
    for i, (_, k) in enumerate(chosen):
        left = measured["decay", "bad"][:, k]
        churns, usable = _usable(study, levels, left > _LEAST_LEFT)
        at = i * size + usable
        name = study.known.touchpoints[k]
        if len(usable) > 1:
            yield from _rows(study, levels, name, fitted, at, usable, churns)


def _rows(
    study: Study,
    levels: _Levels,
    touchpoint: str,
    fitted: Added,
    at: np.ndarray,
    usable: np.ndarray,
    churns: np.ndarray,
) -> Iterator[dict[str, Any]]:
    """Pool the levels' estimates, and give a row each."""
    coef, covariance = fitted.coef[at], fitted.covariance[np.ix_(at, at)]
    if not np.isfinite(covariance).all():
        return
    pooled = partial_pool(coef, covariance)
    customers = _customers(study, levels)
    se = np.sqrt(np.diag(covariance))
    shown = np.exp if touchpoint != ALL else np.asarray
    for j, level in enumerate(usable):
        yield {
            "attribute": levels.attribute,
            "level": levels.names[level],
            "touchpoint": touchpoint,
            "scale": TIMES if touchpoint == ALL else RATIO,
            "raw": float(shown(coef[j])),
            "raw_low": float(shown(coef[j] - intervals.Z * se[j])),
            "raw_high": float(shown(coef[j] + intervals.Z * se[j])),
            "se": float(se[j]),
            **_drawn(pooled, j, shown),
            "p_value": pooled.p_value,
            "n": int(customers[level]),
            "churns": int(churns[level]),
        }


def _drawn(pooled: Pooled, j: int, shown: Any) -> dict[str, float]:
    three = (pooled.estimate[j], pooled.conf_low[j], pooled.conf_high[j])
    return dict(
        zip(("estimate", "conf_low", "conf_high"), map(float, map(shown, three)), strict=True)
    )


def _tested(table: pd.DataFrame) -> pd.DataFrame:
    """Correct the tests that levels are alike for their number, and say what differs."""
    table = table.astype({"p_value": float})
    for together in (True, False):
        mine = table[(table["touchpoint"] == ALL) == together]
        first = mine.drop_duplicates(["attribute", "touchpoint"])
        adjusted = intervals.holm(first["p_value"].to_numpy(float))
        by = dict(
            zip(zip(first["attribute"], first["touchpoint"], strict=True), adjusted, strict=True)
        )
        keys = zip(mine["attribute"], mine["touchpoint"], strict=True)
        table.loc[mine.index, "p_value"] = [by[key] for key in keys]
    return table.assign(differs=table["p_value"] < verdicts.ALPHA)[list(_COLUMNS)]


# -- words -------------------------------------------------------------------------------------


def _sentence(table: pd.DataFrame) -> str:
    if table.empty:
        return "There are too few churns after bad contacts to compare segments."
    together = table[table["touchpoint"] == ALL]
    texts = []
    for name, part in together[together["differs"]].groupby("attribute", sort=False):
        ordered = part.sort_values("estimate", ascending=False)
        said = [f"{_multiple(row)} for {row.level}" for row in ordered.itertuples()]
        texts.append(
            f"The drivers' effect differs by {name}: after pooling it is {listed(said)} times "
            "what it is overall."
        )
    quiet = list(dict.fromkeys(together.loc[~together["differs"], "attribute"]))
    if quiet:
        texts.append(
            f"Nothing tells that the drivers' effect differs by {listed(quiet, word='or')}; that "
            "is not to say it is the same."
        )
    single = table[table["differs"] & (table["touchpoint"] != ALL)]
    pairs = single.drop_duplicates(["attribute", "touchpoint"])
    if len(pairs):
        said = [f"{row.touchpoint} by {row.attribute}" for row in pairs.itertuples()]
        texts.append(
            f"Of single touchpoints, {counted(len(said), 'effect')} can be told to differ: "
            f"{listed(said, 5)}."
        )
    return " ".join(texts)


def _multiple(row: Any) -> str:
    return f"{ratio_text(row.estimate)} ({ratio_text(row.conf_low)} to {ratio_text(row.conf_high)})"
