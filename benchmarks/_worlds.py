"""One simulated world through the driver model and its rivals, as rows beside the truth.

Columns of the rows: ``world, seed, method, touchpoint, role, truth, estimate, se, verdict,
worth, worth_low, worth_high`` (attributable churn, or a rival's order), ``twin, oracle`` (what
it is in truth), ``half_life, true_half_life, churns, seconds, error``. A run that crashed is
one row with its error and no touchpoint.
"""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import _rivals
import numpy as np
import pandas as pd
from _figures import MODEL, STRONG, UNDATED
from threadpoolctl import threadpool_limits

from cxlab.analyses import churn_drivers, data_quality
from cxlab.analyses.churn_drivers.further.scores import scores
from cxlab.analyses.churn_drivers.study import Model, Options, Study, fit, prepare
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import DAYS, Simulation, simulate, write
from cxlab.data.simulate.tables import FIRST_DAY

WINDOW_DAYS = 90
END = FIRST_DAY + pd.Timedelta(days=DAYS)
START = END - pd.Timedelta(days=WINDOW_DAYS)
# How many worlds of a kind are compared with twin worlds, and with rivals.
TWINS = {"plain": 15, "repeat-contacts": 15}
RIVALLED = 10
RIVALS = {"logistic": _rivals.logistic, "Cox": _rivals.cox}
_CONTACT_COLUMNS = (
    "interaction_id",
    "customer_id",
    "occurred_at",
    "touchpoint",
    "channel",
    "outcome",
)
COLUMNS = (
    *("world", "seed", "method", "touchpoint", "role", "truth", "estimate", "se", "verdict"),
    *("worth", "worth_low", "worth_high", "twin", "oracle", "half_life", "true_half_life"),
    *("churns", "seconds", "error"),
)
# Touchpoints that play a part in a world, where its truth does not name them.
_ROLES = {
    "immortal": {"loyalty-offer": "trap"},
    "rare": {"complaint": "rare"},
    "twins": {"invoice": "twin", "payment": "twin"},
}


def run(world: str, customers: int, seed: int, place: int) -> pd.DataFrame:
    """Simulate one world and give what each method tells beside the truth.

    Parameters
    ----------
    world : str
        Its name.
    customers, seed : int
        Of the simulation.
    place : int
        Which of its kind it is, from 0: the first ones are simulated again without each of
        the strong effects, and tried by the rivals too.

    Returns
    -------
    DataFrame
        See the module.
    """
    started = time.perf_counter()
    try:
        simulation = simulate(world, customers, seed, texts=False)
        facts = _facts(simulation)
        if place < TWINS.get(world, 0):
            facts["twin"] = facts["touchpoint"].map(_twins(simulation, world, customers, seed))
    except Exception as error:
        return _filled([_crash(error, MODEL)], world, seed, time.perf_counter() - started)
    found = []
    for method, tell in _methods(simulation, place < RIVALLED).items():
        try:
            told = tell()
        except Exception as error:  # counted and shown
            found.append(_crash(error, method))
        else:
            if "truth" not in told:
                told = facts.merge(told, how="left", on="touchpoint")
            found.append(told if "method" in told else told.assign(method=method))
    return _filled(found, world, seed, time.perf_counter() - started)


def _crash(error: Exception, method: str) -> pd.DataFrame:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, {place.name}"
    text = " ".join(f"{type(error).__name__} in {where}: {error}".split())
    return pd.DataFrame({"method": [method], "error": [text[:300]]})


def _filled(found: list[pd.DataFrame], world: str, seed: int, seconds: float) -> pd.DataFrame:
    """Put the methods' rows end to end; all columns are there, of one kind in every world."""
    rows = pd.concat([part.dropna(axis=1, how="all") for part in found], ignore_index=True)
    rows = rows.reindex(columns=list(COLUMNS))
    rows = rows.assign(world=world, seed=seed, seconds=seconds)
    words = ("world", "method", "touchpoint", "role", "verdict", "error")
    kinds = {c: "object" if c in words else "float64" for c in COLUMNS}
    rows = rows.astype(kinds | {"seed": "int64"})
    return rows.assign(role=rows["role"].fillna(""))


def _methods(simulation: Simulation, rivals: bool) -> dict[str, Callable[[], pd.DataFrame]]:
    """Give what is tried on a world, by name."""
    tables, world = simulation.tables, simulation.truth["world"]
    methods: dict[str, Callable[[], pd.DataFrame]] = {MODEL: lambda: _model(simulation)}
    if world == "notice":
        customers = tables["customers"].drop(columns="cancelled_at")
        undated = replace(simulation, tables=tables | {"customers": customers})
        methods[UNDATED] = lambda: _model(undated)
    if simulation.truth["gaps"]:
        methods["outages"] = lambda: _outages(simulation)
    if simulation.truth["score_effects"]:
        methods["scores"] = lambda: _scores(simulation)
    for name, rival in RIVALS.items() if rivals else ():
        methods[name] = lambda rival=rival: rival(tables, FIRST_DAY, END)
    return methods


# -- the truth --------------------------------------------------------------------------


def _facts(simulation: Simulation) -> pd.DataFrame:
    """Give each touchpoint's truth, and its part in the trap."""
    truth = simulation.truth
    names = list(truth["effects"])
    roles = dict.fromkeys(truth["exit_touchpoints"], "trap")
    roles |= _ROLES.get(truth["world"], {})
    facts = pd.DataFrame({"touchpoint": names, "truth": list(truth["effects"].values())})
    facts["role"] = facts["touchpoint"].map(roles)
    facts["oracle"] = facts["touchpoint"].map(_oracle(simulation))
    return facts.assign(
        true_half_life=truth["half_life_days"],
        churns=churned(simulation.tables["customers"], DAYS),
    )


def _leaving(customers: pd.DataFrame) -> pd.DataFrame:
    """Give spells with ``at``, when they ended by choice; never for all others."""
    at = customers["ended_at"]
    if "cancelled_at" in customers:
        at = customers["cancelled_at"].fillna(at)
    if "end_reason" in customers:
        at = at.where(customers["end_reason"].fillna("voluntary") == "voluntary")
    return customers.assign(at=at)


def churned(customers: pd.DataFrame, days: int = WINDOW_DAYS) -> int:
    """Count voluntary churns of the feed's last days, among those there when these began.

    Parameters
    ----------
    customers : DataFrame
        The simulated table.
    days : int
        Length of the window; of the whole feed, later starts count too.
    """
    start = END - pd.Timedelta(days=days)
    spells = _leaving(customers)
    inside = (spells["at"] >= start) & (spells["at"] < END)
    return int((inside & ((spells["started_at"] < start) | (days >= DAYS))).sum())


def _oracle(simulation: Simulation) -> dict[str, float]:
    """Give the churns of the window that the true effects ascribe to each touchpoint.

    That is the sum of 1 - exp(-effect times decayed failures) over those who left, times the
    chance that one saved then stays to the end, taken as that of any customer.
    """
    truth = simulation.truth
    spells = _leaving(simulation.tables["customers"])
    left = spells[(spells["at"] >= START) & (spells["at"] < END) & (spells["started_at"] < START)]
    contacts = simulation.tables["interactions"]
    failed = contacts[contacts["outcome"] == "failed"]
    pairs = failed.merge(left[["customer_id", "at"]], on="customer_id")
    age = (pairs["at"] - pairs["occurred_at"]) / pd.Timedelta(days=1)
    pairs, age = pairs[age > 0], age[age > 0]
    fresh = 0.5 ** (age / pairs["touchpoint"].map(truth["half_lives"]))
    exposure = fresh.groupby([pairs["touchpoint"], pairs["customer_id"], pairs["at"]]).sum()
    effect = exposure.index.get_level_values(0).map(truth["effects"]).to_numpy(float)
    there = (spells["started_at"] < START) & ~(spells["ended_at"] < START)
    share_left = -np.log1p(-len(left) / there.sum())
    rest = (END - exposure.index.get_level_values(2)) / (END - START)
    saved = -np.expm1(-effect * exposure.to_numpy()) * np.exp(-share_left * np.asarray(rest))
    return dict(pd.Series(saved, exposure.index).groupby(level=0).sum())


def _twins(simulation: Simulation, world: str, customers: int, seed: int) -> dict[str, float]:
    """Give the churns that would not have been without each strong effect."""
    there = churned(simulation.tables["customers"])
    day = (START - FIRST_DAY).days
    effects = simulation.truth["effects"]
    saved = {}
    for touchpoint in [t for t in effects if effects[t] >= STRONG]:
        twin = simulate(world, customers, seed, without=touchpoint, without_from=day, texts=False)
        saved[touchpoint] = float(there - churned(twin.tables["customers"]))
    return saved


# -- the methods ------------------------------------------------------------------------


def _loaded(simulation: Simulation, folder: str, whole: bool = False) -> Dataset:
    """Load a world: what the driver table hangs on, which is all faster, or the whole of it."""
    tables = simulation.tables
    if not whole:
        contacts = tables["interactions"][list(_CONTACT_COLUMNS)]
        tables = {t: tables[t] for t in ("customers", "touchpoints")} | {"interactions": contacts}
    write(replace(simulation, tables=tables), Path(folder))
    return load(folder)


def _model(simulation: Simulation) -> pd.DataFrame:
    """Give the bad contrasts of the driver model."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = _loaded(simulation, folder)
        result = churn_drivers.estimate(dataset, window_days=WINDOW_DAYS)
    table = result.table[result.table["valence"] == "bad"]
    names = {"attributable_churn": "worth", "attributable_churn_low": "worth_low",
             "attributable_churn_high": "worth_high"}  # fmt: skip
    table = table.rename(columns=names).assign(half_life=result.meta["half_life_days"])
    return table[["touchpoint", "estimate", "se", "verdict", *names.values(), "half_life"]]


def _scores(simulation: Simulation) -> pd.DataFrame:
    """Give what a point on the survey tells of leaving, beside the same had everybody answered."""
    asked = simulation.tables["feedback"].merge(
        simulation.hidden["answers"],
        how="left",
        on=["customer_id", "asked_at", "metric"],
        suffixes=("", "_all"),
        validate="one_to_one",
    )
    at_once = asked["asked_at"] + pd.Timedelta(minutes=1)
    asked = asked.assign(score=asked.pop("score_all"), responded_at=at_once)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(limits=1, user_api="blas"):
        study = prepare(_loaded(simulation, folder, whole=True), Options())
        model, told = fit(study), study.dataset
        # The model does not hang on the answers: it is fitted once for both.
        every = replace(told, _kept=told._kept | {"feedback": told.attach(asked)})
        truth = _points(replace(study, dataset=every), model).loc["raw", "estimate"]
        rows = _points(study, model).loc[["raw", "weighted"]]
    rows = rows.assign(touchpoint="nps", truth=truth)
    return rows.assign(method="scores, " + rows.index).reset_index(drop=True)


def _points(study: Study, model: Model) -> pd.DataFrame:
    """Give the log hazard ratio of a point worse on the survey, by way of estimating it."""
    table = scores(study, model, pd.DataFrame()).table
    table = table[(table["metric"] == "nps") & (table["term"] == "per point")]
    return table.set_index("way")[["estimate", "se"]]


def _outages(simulation: Simulation) -> pd.DataFrame:
    """Tell which outages of the feed the data quality analysis finds, by channel and day."""
    with tempfile.TemporaryDirectory() as folder:
        told = data_quality.run(_loaded(simulation, folder))["gaps"].table
    told = told[told["what"] == "contacts"]
    told = told[told["remark"] != "like a holiday"]
    rows = []
    for outage in simulation.truth["gaps"]:
        name, first, last = outage["channel"] or "all", outage["first_day"], outage["last_day"]
        near = (told["first day"] <= last) & (told["last day"] >= first)
        days = f"{name} {first} to {last}"
        verdict = "found" if (near & (told["name"] == name)).any() else "missed"
        rows.append({"touchpoint": days, "truth": 1.0, "verdict": verdict})
    return pd.DataFrame(rows)
