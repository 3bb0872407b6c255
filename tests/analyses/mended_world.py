"""A small company that mends a touchpoint, for some customers or for all: the effect is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

START = pd.Timestamp("2024-07-01")
DAYS = 560
REGIONS = ("north", "east", "south", "west")
TOUCHPOINTS = ("call", "chat", "shop")


def day(number: float) -> pd.Timestamp:
    """Give a day of the feed."""
    return START + pd.Timedelta(seconds=round(number * 86_400))


def row(started: float, region: str | None = None, **more: Any) -> dict[str, Any]:
    """Give a row of interventions: a script for calls, maybe in one region alone."""
    scope = {"scope_column": "region" if region else None, "scope_value": region}
    made = {"intervention": "script", "touchpoint": "call", "started_at": day(started)}
    return made | {"ended_at": pd.NaT} | scope | more


def make(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    seed: int = 1,
    *,
    customers: int = 700,
    factor: float = 0.5,
    drift: float = 0.0,
    season: float = 0.2,
    settings: str = "",
) -> Path:
    """Write a dataset in which calls fail ``factor`` times as often for those whom rows reach.

    Failures have a yearly wave of ``season``, of which the data see hardly two. With ``drift``,
    failures of the north fall by as much a year from the first day on, whatever is done.
    """
    draw = np.random.default_rng(seed)
    region = draw.choice(REGIONS, customers)
    begun = np.where(draw.random(customers) < 0.7, -30.0, draw.uniform(0, DAYS * 0.8, customers))
    ended = np.maximum(begun, 0) + draw.exponential(900, customers)
    who = np.repeat(
        np.arange(customers), draw.poisson(0.05 * DAYS * draw.gamma(3, 1 / 3, customers))
    )
    at = draw.uniform(0, DAYS, len(who))
    there = (at >= begun[who]) & (at < ended[who])
    who, at = who[there], at[there]
    place = draw.integers(0, 3, len(who))
    share = 0.2 * np.exp(season * np.sin(at / 58) + draw.normal(0, 0.3, customers)[who])
    share *= np.where(region[who] == "north", 1.3 * np.exp(-drift * at / 365), 1.0)
    for r in rows:
        since = (r["started_at"] - START) / pd.Timedelta(days=1)
        known = r["touchpoint"] in TOUCHPOINTS
        mine = place == (TOUCHPOINTS.index(r["touchpoint"]) if known else -1)
        if r.get("scope_value") is not None:
            mine = mine & (region[who] == r["scope_value"])
        share = np.where(mine & (at >= since), share * factor, share)
    failed = draw.random(len(who)) < share
    _write(folder, region, begun, ended, who, at, place, failed)
    table = pd.DataFrame([dict(r) for r in rows])
    if len(table):
        table["ended_at"] = pd.to_datetime(table["ended_at"])
        table.to_csv(folder / "interventions.csv", index=False)
    last = (START + pd.Timedelta(days=DAYS - 1)).date()
    (folder / "dataset.yml").write_text(f"observed_until: {last}\n{settings}", encoding="utf-8")
    return folder


def _write(
    folder: Path, region: np.ndarray, begun: np.ndarray, ended: np.ndarray, who: np.ndarray,
    at: np.ndarray, place: np.ndarray, failed: np.ndarray,
) -> None:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)

    def times(values: np.ndarray) -> pd.Series:
        seconds = np.round(np.minimum(values, DAYS) * 86_400)
        return pd.Series(START + pd.to_timedelta(seconds, unit="s"))

    ids = np.array([f"c{i:04d}" for i in range(len(region))])
    pd.DataFrame(
        {
            "customer_id": ids,
            "started_at": times(begun),
            "ended_at": times(ended).where(ended < DAYS),
            "region": region,
            "number": np.searchsorted(sorted(REGIONS), region),
        }
    ).to_parquet(folder / "customers.parquet")
    keys = np.array([f"i{i:06d}" for i in range(len(who))])
    pd.DataFrame(
        {
            "interaction_id": keys,
            "customer_id": ids[who],
            "occurred_at": times(at),
            "touchpoint": np.array(TOUCHPOINTS)[place],
            "outcome": np.where(failed, "failed", "ok"),
        }
    ).to_parquet(folder / "interactions.parquet")
    asked = np.arange(len(who)) % 2 == 0
    pd.DataFrame(
        {
            "customer_id": ids[who],
            "interaction_id": keys,
            "responded_at": times(at + 0.01),
            "metric": "csat",
            "score": np.where(failed, 2.0, 4.0) + (np.arange(len(who)) % 3 == 0),
        }
    )[asked & (at < DAYS - 1)].to_parquet(folder / "feedback.parquet")
