"""A small company whose every effect is known: the hazard is drawn day by day from contacts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

HALF_LIFE = 20.0
START = pd.Timestamp("2025-01-01")
TOUCHPOINTS = ("call", "chat", "shop")
SETTINGS = "metrics: {feel: {scale: [1, 5], layer: emotional}}\nobserved_until: {last}\n"


@dataclass(frozen=True)
class Truth:
    """Log hazard ratios of fresh contacts; all zero by default."""

    bad: float = 0.0
    by_plan: dict[str, float] = field(default_factory=dict)  # factors of ``bad``
    undone: float = 0.0  # share of ``bad`` that putting right within 7 days takes away
    handoff: float = 0.0
    repeat: float = 0.0
    doubled_wait: float = 0.0
    unresolved: float = 0.0
    bottom: float = 0.0
    top: float = 0.0
    feeling_failed: float = 0.0  # best against worst
    feeling_held: float = 0.0
    base: float = 0.0016
    decision_days: float = 0.0  # days from decision to end, in which all is handed on


def make(folder: Path, truth: Truth, seed: int, customers: int = 1500, days: int = 400) -> Path:
    """Write a dataset."""
    draw = np.random.default_rng(seed)
    plan = draw.choice(["basic", "pro"], customers)
    contacts = _contacts(draw, truth, customers, days)
    effects = _effects(contacts, truth, plan)
    leaves = _leave(draw, truth, effects, customers, days)
    if truth.decision_days:
        contacts, leaves = _decide(draw, contacts, leaves, truth.decision_days)
    contacts = contacts[contacts["at"] < leaves[contacts["who"]]]
    _write(folder, contacts, leaves, plan, days)
    return folder


def _contacts(draw: np.random.Generator, truth: Truth, customers: int, days: int) -> pd.DataFrame:
    n = draw.poisson(0.035 * days, customers)
    who = np.repeat(np.arange(customers), n)
    first = pd.DataFrame({"who": who, "at": draw.uniform(0, days, len(who))})
    first["journey"] = np.where(draw.random(len(who)) < 0.4, np.arange(len(who)), -1)
    first["place"] = draw.integers(0, 3, len(who))
    # A third of the journeys go on at another touchpoint, as many at the same.
    led = first[first["journey"] >= 0].copy()
    led["at"] += draw.uniform(0.05, 2.0, len(led))
    step = draw.choice([0, 1, -1], len(led), p=[0.4, 0.3, 0.2 + 0.1])
    kept = step >= 0
    led["place"] = (led["place"] + step) % 3
    found = pd.concat([first, led[kept]]).sort_values(["who", "at"], ignore_index=True)
    size = len(found)
    found["bad"] = draw.random(size) < 0.3
    found["wait"] = np.exp(draw.normal(5, 1, size))
    took = np.where(draw.random(size) < 0.5, draw.uniform(0.1, 5, size), draw.uniform(9, 40, size))
    found["took"] = np.where((found["place"] < 2) & (draw.random(size) < 0.8), took, np.inf)
    found["csat"] = draw.choice([1, 3, 5], size, p=[0.25, 0.4, 0.35])
    found["feel"] = draw.integers(1, 6, size)
    found["scored"], found["felt"] = draw.random((2, size)) < 0.7
    return found


def _marked(contacts: pd.DataFrame) -> dict[str, np.ndarray]:
    """Find handoffs and repeats, by plain pandas."""
    journeys = contacts[contacts["journey"] >= 0].groupby(["who", "journey"])["place"].shift(1)
    before = journeys.reindex(contacts.index)
    gap = contacts.groupby(["who", "place"])["at"].diff()
    return {
        "handoff": (before.notna() & (before != contacts["place"])).to_numpy(),
        "repeat": (gap <= 7).to_numpy(),
    }


def _effects(contacts: pd.DataFrame, t: Truth, plan: np.ndarray) -> pd.DataFrame:
    """Give what acts on whom: from when, aged from when, how much."""
    c, marks = contacts, _marked(contacts)
    factor = np.array([t.by_plan.get(p, 1.0) for p in plan])[c["who"]]
    usual = np.log2(1 + c["wait"]).groupby(c["place"]).transform("mean")
    feeling = (c["feel"] - 1) / 4
    felt = np.where(c["felt"], feeling, 0.0)
    now = t.bad * c["bad"] * factor + t.handoff * marks["handoff"] + t.repeat * marks["repeat"]
    now += t.doubled_wait * (np.log2(1 + c["wait"]) - usual)
    now += c["scored"] * (t.bottom * (c["csat"] == 1) + t.top * (c["csat"] == 5))
    now += felt * np.where(c["bad"], t.feeling_failed, t.feeling_held)
    right = c["bad"] & (c["took"] <= 7)
    late = (c["place"] < 2) & (c["took"] > 14)
    parts = [
        (c["at"], c["at"], now),
        (c["at"] + c["took"], c["at"], np.where(right, -t.undone * t.bad * factor, 0.0)),
        (c["at"] + 14, c["at"] + 14, np.where(late, t.unresolved, 0.0)),
    ]
    found = [
        pd.DataFrame({"who": c["who"], "known": known, "at": at, "weight": weight})
        for known, at, weight in parts
    ]
    return pd.concat(found).query("weight != 0")


def _leave(
    draw: np.random.Generator, t: Truth, effects: pd.DataFrame, customers: int, days: int
) -> np.ndarray:
    leaves, load = np.full(customers, np.inf), np.zeros(customers)
    by_day = dict(iter(effects.groupby(np.floor(effects["known"]))))
    for day in range(days):
        u = draw.random((2, customers))
        gone = np.isinf(leaves) & (u[0] < -np.expm1(-t.base * np.exp(load)))
        leaves[gone] = day + u[1, gone]
        load *= 0.5 ** (1 / HALF_LIFE)
        if (today := by_day.get(float(day))) is not None:
            age = day + 1.5 - today["at"]
            fresh = today["weight"] * 0.5 ** (age / HALF_LIFE)
            load += np.bincount(today["who"], fresh, customers)
    return leaves


def _decide(
    draw: np.random.Generator, contacts: pd.DataFrame, decided: np.ndarray, mean: float
) -> tuple[pd.DataFrame, np.ndarray]:
    """Let each contact of those who have decided be a handoff from the one before it."""
    leaves = decided + draw.exponential(mean, len(decided))
    c = contacts.sort_values(["who", "at"], ignore_index=True)
    after = (c["at"] > decided[c["who"]]).to_numpy() & (c["who"] == c["who"].shift(1)).to_numpy()
    late = np.flatnonzero(after)
    for i in late:  # in the order of time: one journey from the last contact before on
        c.loc[[i - 1, i], "journey"] = 10_000_000 + c.loc[i, "who"]
        c.loc[i, "place"] = (c.loc[i - 1, "place"] + 1) % 3
    return c, leaves


def _write(
    folder: Path, contacts: pd.DataFrame, leaves: np.ndarray, plan: np.ndarray, days: int
) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def times(values: np.ndarray | pd.Series) -> pd.Series:
        known = np.asarray(values, dtype=float)
        # Not NaN: of that pandas now and then warns.
        seconds = np.round(np.where(known < days, known, 0.0) * 86_400)
        return pd.Series(START + pd.to_timedelta(seconds, unit="s")).where(known < days)

    ids = np.array([f"c{i:04d}" for i in range(len(plan))])
    c = contacts.reset_index(drop=True)
    pd.DataFrame(
        {
            "customer_id": ids,
            "started_at": START - pd.Timedelta(days=30),
            "ended_at": times(leaves),
            "plan": plan,
            "region": np.array(["north", "south", "west"])[np.arange(len(plan)) % 3],
        }
    ).to_parquet(folder / "customers.parquet")
    numbers = np.array([f"i{i:06d}" for i in range(len(c))])
    pd.DataFrame(
        {
            "interaction_id": numbers,
            "customer_id": ids[c["who"]],
            "occurred_at": times(c["at"]),
            "touchpoint": np.array(TOUCHPOINTS)[c["place"]],
            "channel": np.array(["phone", "web", "store"])[c["place"]],
            "outcome": np.where(c["bad"], "failed", "ok"),
            "response_seconds": np.round(c["wait"]),
            "resolved_at": times(c["at"] + c["took"]),
            "journey_id": np.where(c["journey"] >= 0, "j" + c["journey"].astype(str), None),
        }
    ).to_parquet(folder / "interactions.parquet")
    answers = [
        pd.DataFrame(
            {
                "customer_id": ids[c["who"]],
                "interaction_id": numbers,
                "responded_at": times(c["at"] + 0.01),
                "metric": metric,
                "score": c[metric].astype(float),
            }
        )[c[given]]
        for metric, given in (("csat", "scored"), ("feel", "felt"))
    ]
    feedback = pd.concat(answers, ignore_index=True)
    feedback[feedback["responded_at"].notna()].to_parquet(folder / "feedback.parquet")
    last = (START + pd.Timedelta(days=days - 1)).date()
    text = SETTINGS.replace("{last}", str(last))
    (folder / "dataset.yml").write_text(text, encoding="utf-8")
