"""Customers of known kinds: how they come, what fails for them, and how fast they leave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-01-01")
CHANNELS = np.array(["app", "phone", "store", "email"])
PLACES = np.array(["use-app", "support-call", "shop", "newsletter"])
HALF_LIFE = 28.0
STAGES = ["use", "support", "purchase", "use"]


@dataclass(frozen=True)
class Kind:
    """A kind of customer."""

    channels: tuple[float, float, float, float]
    contacts: float = 0.15  # a day
    fails: float = 0.15
    evening: float = 0.2
    leaves: float = 0.001  # hazard a day
    hurts: float = 0.0  # log hazard ratio of one fresh failure
    hurts_at: tuple[int, ...] = (0, 1, 2, 3)  # at these of PLACES


THREE = (
    Kind((0.75, 0.05, 0.05, 0.15), contacts=0.25, fails=0.08, evening=0.6, leaves=0.0006),
    Kind((0.10, 0.75, 0.05, 0.10), contacts=0.15, fails=0.40, evening=0.1, leaves=0.0030),
    Kind((0.10, 0.10, 0.70, 0.10), contacts=0.10, fails=0.15, evening=0.2, leaves=0.0012),
)
ONE = (Kind((0.4, 0.3, 0.2, 0.1)),)


def make(
    folder: Path,
    kinds: tuple[Kind, ...] = THREE,
    seed: int = 1,
    customers: int = 900,
    days: int = 400,
    *,
    shares: tuple[float, ...] | None = None,
    differ: float = 0.0,
    turn: tuple[int, tuple[float, ...]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Write a dataset, and give each customer's kind, first and at last.

    ``differ``: how far customers of one kind differ by degrees, in the log odds of channels,
    failures and evenings. ``turn``: from a day on, customers are of kinds drawn anew by shares.
    """
    draw = np.random.default_rng(seed)
    kind = draw.choice(len(kinds), customers, p=shares)
    later = kind if turn is None else draw.choice(len(kinds), customers, p=turn[1])
    own = draw.normal(0.0, differ, (customers, 6)) if differ else np.zeros((customers, 6))
    busy = np.exp(0.5 * draw.standard_normal(customers) - 0.125)
    rate = np.array([k.contacts for k in kinds])
    count = draw.poisson(rate[kind] * busy * days)
    who = np.repeat(np.arange(customers), count)
    at = np.floor(draw.uniform(0, days, len(who)))
    of = kind[who] if turn is None else np.where(at >= turn[0], later[who], kind[who])
    odds = np.log([k.channels for k in kinds])[of] + own[who, :4]
    mix = np.exp(odds)
    mix /= mix.sum(axis=1, keepdims=True)
    channel = (draw.random((len(who), 1)) > mix.cumsum(axis=1)).sum(axis=1).clip(max=3)

    def happens(chance: np.ndarray, shift: np.ndarray) -> np.ndarray:
        logit = np.log(chance / (1 - chance))[of] + shift[who]
        return np.asarray(draw.random(len(who)) < 1 / (1 + np.exp(-logit)))

    failed = happens(np.array([k.fails for k in kinds]), own[:, 4])
    evening = happens(np.array([k.evening for k in kinds]), own[:, 5])
    time = at + np.where(evening, draw.uniform(18.1, 23.9, len(who)),
                         draw.uniform(8.1, 17.9, len(who))) / 24  # fmt: skip
    life = draw.exponential(1 / np.array([k.leaves for k in kinds])[kind])
    if any(k.hurts for k in kinds):
        fresh = failed & np.array([[p in k.hurts_at for p in range(4)] for k in kinds])[of, channel]
        life = _shortened(life, [k.hurts for k in kinds], kind, who[fresh], time[fresh], days)
    _write(folder, time, who, channel, failed, life, days, draw)
    return kind, later


def _shortened(
    life: np.ndarray, hurts: list[float], kind: np.ndarray, who: np.ndarray, at: np.ndarray,
    days: int,
) -> np.ndarray:  # fmt: skip
    """Make lives shorter by what failed, each failure fading with a half-life of 28 days."""
    met = np.zeros((len(life), days))
    np.add.at(met, (who, at.astype(int)), 0.5 ** ((np.floor(at) + 1 - at) / HALF_LIFE))
    behind = np.zeros(met.shape)  # at the start of each day
    for day in range(1, days):
        behind[:, day] = behind[:, day - 1] * 0.5 ** (1 / HALF_LIFE) + met[:, day - 1]
    speed = np.exp(np.array(hurts)[kind][:, None] * behind)
    gone = speed.cumsum(axis=1)
    # A life is a threshold of the hazard summed up: at its own speed it is used up on that day.
    day = (gone < life[:, None]).sum(axis=1).clip(max=days - 1)
    rows = np.arange(len(life))
    before = gone[rows, day] - speed[rows, day]
    return np.where(gone[:, -1] < life, np.inf, day + (life - before) / speed[rows, day])


def _write(
    folder: Path, time: np.ndarray, who: np.ndarray, channel: np.ndarray, failed: np.ndarray,
    life: np.ndarray, days: int, draw: np.random.Generator,
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    ids = np.array([f"c{i:05d}" for i in range(len(life))])
    over = life < days
    life = np.where(over, life, 2.0 * days)
    seconds = np.where(over, life * 86_400, 0).astype(int)
    ended = pd.Series(START + pd.to_timedelta(seconds, unit="s")).where(over)
    pd.DataFrame(
        {
            "customer_id": ids,
            "started_at": START - pd.Timedelta(days=60),
            "ended_at": ended,
            "plan": draw.choice(["basic", "pro"], len(life)),
        }
    ).to_parquet(folder / "customers.parquet")
    kept = time < life[who]
    pd.DataFrame(
        {
            "customer_id": ids[who],
            "occurred_at": (START + pd.to_timedelta(time, unit="D")).round("s"),
            "touchpoint": PLACES[channel],
            "channel": CHANNELS[channel],
            "outcome": np.where(failed, "failed", "ok"),
        }
    )[kept].sort_values("occurred_at").to_parquet(folder / "interactions.parquet", index=False)
    pd.DataFrame({"touchpoint": PLACES, "stage": STAGES}).to_parquet(folder / "touchpoints.parquet")
    last = (START + pd.Timedelta(days=days - 1)).date()
    (folder / "dataset.yml").write_text(f"observed_until: {last}\n", encoding="utf-8")
