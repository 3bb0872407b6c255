"""A company whose hazard is known for each customer, with honest fields and planted leaks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START, DAYS = pd.Timestamp("2025-01-01"), 450
AS_OF = "2026-02-24"  # 30 days before the end of the data
FACTOR = {"basic": 1.0, "pro": 0.25, "trial": 25.0}
FIELDS = ("closing_note", "account", "last_login", "idle_days", "exit_score", "cancel_month")
HONEST = ("plan", "region", "seats", "signed_up")
RATE = 0.0015


def tables(seed: int, customers: int = 2000, leaks: bool = True) -> dict[str, pd.DataFrame]:
    """Make tables; hazards are constant, and hang on the plan and on who meets failures.

    Customers come all the time; nearly all of those on trial leave within weeks, which is no
    leak. In the week before they leave, customers come to ``goodbye``.
    """
    draw = np.random.default_rng(seed)
    started = draw.uniform(-300, DAYS - 1, customers)
    plan = draw.choice(list(FACTOR), customers, p=[0.5, 0.42, 0.08])
    prone = draw.beta(2, 4, customers)
    hazard = RATE * pd.Series(plan).map(FACTOR).to_numpy() * np.exp(2.5 * (prone - 0.33))
    # Who left before the feed began is not seen at all.
    left = np.maximum(started, 0.0) + draw.exponential(1 / hazard)
    gone = left < DAYS
    ids = np.array([f"K{i:05d}" for i in range(customers)])
    people = pd.DataFrame({
        "customer_id": ids, "started_at": _times(started), "ended_at": _times(left).where(gone),
        "monthly_value": np.round(draw.uniform(10, 90, customers), 2), "plan": plan,
        "region": draw.choice(["north", "south"], customers),
        "seats": draw.integers(1, 40, customers),
        "signed_up": _times(started).dt.strftime("%Y-%m-%d"), "hazard": hazard,
    })  # fmt: skip
    if leaks:
        people = people.assign(**_leaks(draw, left, gone))
    return {"customers": people, "interactions": _contacts(draw, ids, started, left, gone, prone)}


def _leaks(draw: np.random.Generator, left: np.ndarray, gone: np.ndarray) -> dict[str, object]:
    """Fields that were written when customers left."""
    n = len(left)
    said = draw.choice(["moved", "price", "service"], n)
    idle = np.where(gone, DAYS - left, draw.uniform(0, 300, n)) + draw.normal(0, 10, n)
    seen = np.minimum(left, DAYS - draw.uniform(0, 60, n))
    return {
        "closing_note": pd.Series(said).where(gone & (draw.random(n) < 0.7)),
        "account": np.where(gone, "closed", "open"),
        "last_login": _times(seen).dt.strftime("%Y-%m-%d"),
        "idle_days": np.round(idle, 1),
        "exit_score": pd.Series(draw.integers(1, 6, n).astype(float)).where(gone),
        "cancel_month": _times(left).where(gone).dt.strftime("%Y-%m"),
    }


def _contacts(
    draw: np.random.Generator, ids: np.ndarray, started: np.ndarray, left: np.ndarray,
    gone: np.ndarray, prone: np.ndarray,
) -> pd.DataFrame:  # fmt: skip
    count = draw.poisson(0.05 * DAYS, len(ids))
    who = np.repeat(np.arange(len(ids)), count)
    at = draw.uniform(0, DAYS, len(who))
    place = draw.choice(["call", "chat"], len(who))
    late = np.flatnonzero(gone & (draw.random(len(ids)) < 0.6))
    who, place = np.append(who, late), np.append(place, np.repeat("goodbye", len(late)))
    at = np.append(at, left[late] - draw.uniform(0, 7, len(late)))
    kept = (at > np.maximum(started[who], 0)) & (at < np.minimum(left[who], DAYS))
    failed = draw.random(len(who)) < prone[who]
    table = pd.DataFrame({"customer_id": ids[who], "occurred_at": _times(at), "touchpoint": place,
                          "outcome": np.where(failed, "failed", "ok")})  # fmt: skip
    return table[kept].reset_index(drop=True)


def _times(days: np.ndarray) -> pd.Series:
    seconds = np.round(np.minimum(days, 9000.0) * 86_400)
    return pd.Series(START + pd.to_timedelta(seconds, unit="s"))


def save(folder: Path, made: dict[str, pd.DataFrame], settings: str = "") -> Path:
    """Write a dataset; what is true of customers stays out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        kept = table.drop(columns="hazard", errors="ignore")
        kept.to_parquet(folder / f"{name}.parquet", index=False)
    last = (START + pd.Timedelta(days=DAYS - 1)).date()
    (folder / "dataset.yml").write_text(settings or f"observed_until: {last}\n", encoding="utf-8")
    return folder
