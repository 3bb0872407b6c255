"""Customers with an unseen urge to leave, of which some signals tell, and some do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START = pd.Timestamp("2025-01-01")
DAYS = 420


def tables(
    seed: int = 0,
    customers: int = 900,
    *,
    told_by_failures: float = 1.5,
    told_by_nps: float = 0.35,
    trap: float = 0.0,
    rate: float = 0.0022,
    days: int = DAYS,
) -> dict[str, pd.DataFrame]:
    """Make tables; the urge (a standard normal) multiplies the hazard by its exponential.

    Failures rise with the urge, NPS falls a little with it, CSAT does not know of it. Where there
    is a trap, so many customers of each hundred visit ``cancel`` in the week before they leave.
    """
    draw = np.random.default_rng(seed)
    urge = draw.normal(size=customers)
    left = draw.exponential(1 / (rate * np.exp(urge)))
    ids = np.array([f"c{i:05d}" for i in range(customers)])
    many = draw.poisson(0.06 * days, customers)
    who = np.repeat(np.arange(customers), many)
    at = draw.uniform(0, days, len(who))
    failed = draw.random(len(who)) < 1 / (1 + np.exp(1.2 - told_by_failures * urge[who]))
    place = draw.choice(["call", "chat"], len(who))
    late = np.flatnonzero((left < days) & (draw.random(customers) < trap))
    who = np.concatenate([who, late])
    at = np.concatenate([at, np.maximum(left[late] - draw.uniform(0, 7, len(late)), 0.01)])
    failed = np.concatenate([failed, np.zeros(len(late), dtype=bool)])
    place = np.concatenate([place, np.repeat("cancel", len(late))])
    kept = at < left[who]
    contacts = pd.DataFrame(
        {
            "customer_id": ids[who],
            "occurred_at": _times(at),
            "touchpoint": place,
            "outcome": np.where(failed, "failed", "ok"),
        }
    )[kept]
    feedback = [
        _asked(draw, ids, left, days, "nps", 7 - 3 * told_by_nps * urge, 2.0, (0, 10)),
        _asked(draw, ids, left, days, "csat", np.full(customers, 3.3), 1.0, (1, 5)),
    ]
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "started_at": START - pd.to_timedelta(draw.integers(1, 500, customers), unit="D"),
                "ended_at": _times(np.where(left < days, left, np.nan)),
                "monthly_value": draw.integers(10, 90, customers).astype(float),
            }
        ),
        "interactions": contacts.reset_index(drop=True),
        "feedback": pd.concat(feedback, ignore_index=True),
    }


def _times(days: np.ndarray) -> pd.Series:
    # Of NaN pandas rounds what happens to be in memory, which may warn of an overflow.
    seconds = np.round(np.nan_to_num(days) * 86_400)
    return pd.Series(START + pd.to_timedelta(seconds, unit="s")).where(~np.isnan(days))


def _asked(
    draw: np.random.Generator,
    ids: np.ndarray,
    left: np.ndarray,
    days: int,
    metric: str,
    mean: np.ndarray,
    sd: float,
    scale: tuple[int, int],
) -> pd.DataFrame:
    who = np.repeat(np.arange(len(ids)), draw.poisson(0.015 * days, len(ids)))
    at = draw.uniform(0, days - 1, len(who))
    score = np.clip(np.round(draw.normal(mean[who], sd)), *scale)
    answered = at + 0.5 + draw.exponential(1.0, len(who))
    given = (draw.random(len(who)) < 0.6) & (answered < np.minimum(left[who], days))
    table = pd.DataFrame(
        {
            "customer_id": ids[who],
            "asked_at": _times(at),
            "responded_at": _times(np.where(given, answered, np.nan)),
            "metric": metric,
            "score": np.where(given, score, np.nan),
        }
    )
    return table[at < left[who]]


def save(folder: Path, made: dict[str, pd.DataFrame], settings: str = "", days: int = DAYS) -> Path:
    """Write a dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    last = (START + pd.Timedelta(days=days - 1)).date()
    (folder / "dataset.yml").write_text(f"observed_until: {last}\n{settings}", encoding="utf-8")
    return folder
