"""Made-up data of any size whose truth is known, streamed to Parquet in blocks of customers.

:mod:`cxlab.data.simulate` keeps all customers in memory and moves them on a day at a time, with
all the traps its worlds set; here a block of customers is made at once, nothing of one block is
needed for the next, and the truth is the same at every size. Each block has random numbers of
its own, so that the smaller of two datasets is the beginning of the larger.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FIRST_DAY = pd.Timestamp("2024-07-01")
DAYS = 730
DAY = 86_400
BLOCK = 10_000
HALF_LIFE = 21.0
# Contacts a day of a customer of mean activity: 100 a customer of this mix of starts and ends.
RATE = 0.217
# Standard deviation of the log of a customer's activity: the busiest of a hundred have ten times
# as many contacts as the median one.
_SPREAD = 1.0
# Log hazard a day of a customer of the plan "plus", long there and with no failure behind them.
_BASE = np.log(0.0080 / 30.4)
_PLANS = {"basic": 0.25, "plus": 0.0, "pro": -0.25}
_PRICES = np.array([15.0, 30.0, 60.0])
_ROW_GROUP = 250_000
# Of this file: data that it made before it was changed are made anew.
CODE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
_EVENT = np.dtype(
    [("second", "i4"), ("who", "i4"), ("touchpoint", "u1"), ("channel", "u1"), ("failed", "?")]
)


@dataclass(frozen=True)
class Touchpoint:
    """A touchpoint: its share of all contacts, how many of them fail, and what that does.

    Attributes
    ----------
    name, stage : str
        As in the touchpoints table.
    channels : tuple of str
        Where it happens, in equal parts.
    share, failure : float
        Of all contacts; of its own.
    effect : float
        Log hazard ratio of one fresh failure.
    """

    name: str
    stage: str
    channels: tuple[str, ...]
    share: float
    failure: float
    effect: float = 0.0


TOUCHPOINTS = (
    Touchpoint("app-session", "use", ("app",), 0.200, 0.04),
    Touchpoint("branch-visit", "support", ("store",), 0.030, 0.06),
    Touchpoint("checkout", "purchase", ("web", "app"), 0.060, 0.05),
    Touchpoint("complaint", "support", ("phone", "email"), 0.030, 0.30),
    Touchpoint("delivery", "purchase", ("courier",), 0.080, 0.09, 0.9),
    Touchpoint("invoice", "use", ("email", "post"), 0.080, 0.06, 1.1),
    Touchpoint("newsletter", "use", ("email",), 0.120, 0.02),
    Touchpoint("onboarding-call", "onboarding", ("phone",), 0.020, 0.12, 0.6),
    Touchpoint("order-change", "use", ("web", "app"), 0.040, 0.08),
    Touchpoint("self-service", "support", ("web", "app"), 0.090, 0.15),
    Touchpoint("store-visit", "purchase", ("store",), 0.030, 0.05),
    Touchpoint("support-call", "support", ("phone",), 0.060, 0.14, 1.0),
    Touchpoint("support-chat", "support", ("web", "app"), 0.060, 0.10, 0.4),
    Touchpoint("support-email", "support", ("email",), 0.040, 0.12),
    Touchpoint("website-visit", "use", ("web",), 0.060, 0.03),
)
NAMES = tuple(t.name for t in TOUCHPOINTS)
CHANNELS = tuple(sorted({c for t in TOUCHPOINTS for c in t.channels}))
EFFECTS = np.array([t.effect for t in TOUCHPOINTS])
# By touchpoint, the channel that an even and an odd contact has.
_CHANNEL = np.array(
    [[CHANNELS.index(t.channels[i % len(t.channels)]) for i in (0, 1)] for t in TOUCHPOINTS],
    dtype=np.uint8,
)


@dataclass(frozen=True)
class Block:
    """Some customers and their contacts, the contacts in order of time.

    Attributes
    ----------
    start, end : ndarray
        Of the customers, in days since the feed began; an end is infinite for those who stay.
    plan : ndarray of int
        Of the customers.
    value : ndarray
        What each pays a month.
    events : ndarray
        One structured row a contact: second, customer's number, touchpoint, channel, failed.
    """

    start: np.ndarray
    end: np.ndarray
    plan: np.ndarray
    value: np.ndarray
    events: np.ndarray


def block(place: int, customers: int, seed: int) -> Block:
    """Make a block of customers.

    Parameters
    ----------
    place : int
        Which block, from 0.
    customers : int
        How many it has.
    seed : int
        Of the dataset.
    """
    draw = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(place,))))
    u = draw.random(customers)
    there = draw.random(customers) < 0.55
    start = np.where(there, -1460.0 * u**1.5, u * DAYS)
    plan = draw.integers(len(_PLANS), size=customers)
    value = np.round(_PRICES[plan] * np.exp(0.2 * draw.standard_normal(customers)), 2)
    threshold = draw.standard_exponential(customers)
    activity = np.exp(_SPREAD * draw.standard_normal(customers) - _SPREAD**2 / 2)
    events = _contacts(draw, activity, np.maximum(start, 0.0))
    end = _ends(start, plan, events, threshold)
    events = events[events["second"] < end[events["who"]] * DAY]
    events["who"] += place * BLOCK
    return Block(start, end, plan, value, events)


def _contacts(draw: np.random.Generator, activity: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Draw contacts as if all stayed, in order of time."""
    count = draw.poisson(RATE * activity * (DAYS - begin))
    total = int(count.sum())
    events = np.empty(total, _EVENT)
    who = np.repeat(np.arange(len(activity), dtype=np.int32), count)
    # A contact's day is even over the customer's days; its time of day is around three o'clock.
    day = begin[who] + draw.random(total) * (DAYS - begin[who])
    hour = 7.0 + 7.5 * (draw.random(total, np.float32) + draw.random(total, np.float32))
    second = np.floor(day).astype(np.int32) * DAY + (hour * 3600).astype(np.int32)
    # On the first day none comes before the start.
    second = np.maximum(second, (begin[who] * DAY).astype(np.int32))
    order = np.argsort(second, kind="stable")
    edges = np.cumsum([t.share for t in TOUCHPOINTS])
    point = np.searchsorted(edges / edges[-1], draw.random(total), side="right").astype(np.uint8)
    failure = np.array([t.failure for t in TOUCHPOINTS], np.float32)
    events["second"], events["who"] = second[order], who[order]
    events["touchpoint"] = point
    events["channel"] = _CHANNEL[point, draw.integers(2, size=total, dtype=np.uint8)]
    events["failed"] = draw.random(total, np.float32) < failure[point]
    return events


def _ends(
    start: np.ndarray, plan: np.ndarray, events: np.ndarray, threshold: np.ndarray
) -> np.ndarray:
    """Let customers leave when their hazard, day by day, has summed up to their threshold.

    A day's hazard hangs on the failures before the day alone, aged to the day's middle.
    """
    customers = len(start)
    acting = events[events["failed"] & (EFFECTS[events["touchpoint"]] > 0)]
    day, second = np.divmod(acting["second"], DAY)
    keep = 0.5 ** (1.0 / HALF_LIFE)
    # What a contact weighs at the middle of the day after its own.
    weight = EFFECTS[acting["touchpoint"]] * keep ** (1.5 - second / DAY)
    cell = day.astype(np.int64) * customers + acting["who"]
    fresh = np.bincount(cell, weight, DAYS * customers).reshape(DAYS, customers)
    plans = np.array(list(_PLANS.values()))[plan]
    load, summed = np.zeros(customers), np.zeros(customers)
    end = np.full(customers, np.inf)
    for today in range(DAYS):
        part = np.clip(today + 1.0 - start, 0.0, 1.0)  # of the day that a customer is there
        age = np.maximum(today - start, 0.0)
        hazard = np.exp(_BASE + plans + load) * (1.0 + 1.2 * np.exp(-age / 90.0))
        before, summed = summed, summed + hazard * part
        leaving = np.flatnonzero((summed >= threshold) & np.isinf(end))
        into = (threshold[leaving] - before[leaving]) / hazard[leaving]
        end[leaving] = today + 1.0 - part[leaving] + into
        load = load * keep + fresh[today]
    return end


def generate(directory: Path, customers: int, seed: int = 0) -> dict[str, int]:
    """Write a dataset: ``customers``, ``touchpoints`` and a file of contacts for each month.

    Everything is written aside and renamed at last, so that what is there is whole.

    Parameters
    ----------
    directory : Path
        The folder; it must not exist.
    customers : int
        How many; there are about 100 contacts for each.
    seed : int
        The same seed gives the same data.

    Returns
    -------
    dict
        ``customers``, ``events``, ``churned``.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as folder:
        aside = Path(folder) / "made"
        (aside / "interactions").mkdir(parents=True)
        months = pd.date_range(FIRST_DAY, periods=25, freq="MS")
        months = months[months < FIRST_DAY + pd.Timedelta(days=DAYS)]
        edges = ((months - FIRST_DAY) // pd.Timedelta(seconds=1)).to_numpy()
        people, parts, bounds = [], [], []
        for place in range(-(-customers // BLOCK)):
            made = block(place, min(BLOCK, customers - place * BLOCK), seed)
            parts.append(Path(folder) / f"{place}.npy")
            np.save(parts[-1], made.events)
            bounds.append([*np.searchsorted(made.events["second"], edges), len(made.events)])
            people.append(_people(made, place * BLOCK))
        table = pa.concat_tables(people)
        pq.write_table(table, aside / "customers.parquet")
        events = _write_months(aside, parts, np.array(bounds), months, table["customer_id"])
        told = {
            "customers": customers,
            "events": events,
            "churned": customers - table["ended_at"].null_count,
        }
        _write_rest(aside, seed, told)
        aside.rename(directory)
    return told


def _people(made: Block, first: int) -> pa.Table:
    def time_of(days: np.ndarray) -> pa.Array:
        there = np.isfinite(days)
        seconds = np.where(there, days, 0.0) * DAY
        return pa.array(_instants(seconds), mask=~there)

    number = pa.array(np.arange(first, first + len(made.start)))
    return pa.table(
        {
            "customer_id": _named("c", number, 7),
            "started_at": time_of(made.start),
            "ended_at": time_of(made.end),
            "plan": pa.array(list(_PLANS)).take(pa.array(made.plan)),
            "monthly_value": made.value,
        }
    )


def _instants(seconds: np.ndarray) -> np.ndarray:
    whole = np.floor(seconds).astype(np.int64).astype("timedelta64[s]")
    return (np.datetime64(FIRST_DAY, "s") + whole).astype("datetime64[ms]")


def _named(letter: str, numbers: pa.Array, width: int) -> pa.Array:
    text = pc.utf8_lpad(pc.cast(numbers, pa.string()), width, "0")
    return pc.binary_join_element_wise(letter, text, "")


def _write_months(
    aside: Path, parts: list[Path], bounds: np.ndarray, months: pd.DatetimeIndex, ids: pa.Array
) -> int:
    """Put the blocks' contacts together in order of time, a file for each month."""
    written = 0
    ids = ids.combine_chunks()
    words = [pa.array(w) for w in (NAMES, CHANNELS, ("ok", "failed"))]
    for place, month in enumerate(months):
        slices = [
            np.array(np.load(part, mmap_mode="r")[bound[place] : bound[place + 1]])
            for part, bound in zip(parts, bounds, strict=True)
        ]
        events = np.concatenate(slices)
        events = events[np.argsort(events["second"], kind="stable")]
        codes = (events[c] for c in ("touchpoint", "channel", "failed"))
        kinds = {
            name: word.take(pa.array(code.astype(np.int8)))
            for name, word, code in zip(
                ("touchpoint", "channel", "outcome"), words, codes, strict=True
            )
        }
        number = pa.array(np.arange(written + 1, written + 1 + len(events)))
        table = pa.table(
            {
                "interaction_id": _named("i", number, 9),
                "customer_id": ids.take(pa.array(events["who"])),
                "occurred_at": _instants(events["second"].astype(float)),
                **kinds,
            }
        )
        file = aside / "interactions" / f"{month:%Y-%m}.parquet"
        pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)
        written += len(events)
    return written


def _write_rest(aside: Path, seed: int, told: dict[str, int]) -> None:
    points = {"touchpoint": NAMES, "stage": [t.stage for t in TOUCHPOINTS]}
    pq.write_table(pa.table(points), aside / "touchpoints.parquet")
    last = FIRST_DAY + pd.Timedelta(days=DAYS - 1)
    stages = ("purchase", "onboarding", "use", "support")
    lines = [
        "# Made-up customers; what is true about them is in truth.json.",
        "name: scale",
        "time_zone: UTC",
        "currency: EUR",
        f"stages: [{', '.join(stages)}]",
        f"observed_until: {last:%Y-%m-%d}",
    ]
    (aside / "dataset.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    effects = {t.name: t.effect for t in TOUCHPOINTS}
    truth = {"world": "scale", "seed": seed, "half_life_days": HALF_LIFE, "effects": effects}
    text = json.dumps(truth | told | {"code": CODE}, indent=2)
    (aside / "truth.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write one dataset and tell how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="folder to write, which does not exist yet")
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    started = time.perf_counter()
    told = generate(asked.directory, asked.customers, asked.seed)
    seconds = time.perf_counter() - started
    print(json.dumps(told | {"seconds": round(seconds, 1)}))  # noqa: T201


if __name__ == "__main__":
    main()
