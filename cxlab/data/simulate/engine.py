"""Make data whose truth is known: customers, contacts and answers of a made-up world.

The hazard of leaving is drawn day by day from what a customer went through before that
day, so no row of any model is used to make the data that judge the model. Random numbers
belong to customers, days and contacts: a twin world made ``without`` a touchpoint's effect
differs only in who leaves, and in what follows from that.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from cxlab.data.simulate.draws import Floats, Ints, Keys, keys, uniform
from cxlab.data.simulate.tables import DAY, FIRST_DAY, History, People, make_tables
from cxlab.data.simulate.worlds import STAGES, WORLDS, World
from cxlab.errors import UsageError, one_of

__all__ = ["DAYS", "Simulation", "simulate", "write"]

DAYS = 730
_PROSPECT_DAYS = 45
_NEW_DAYS = 60
_RENEWAL_DAYS = 30
_NOTICE_ACTIVITY = 0.4
_NPS_EVERY = 90
_LONGEST_TENURE = 1460
_MOST_CUSTOMERS = 10_000_000


@dataclass(frozen=True)
class Simulation:
    """A made-up dataset and the truth it was made from.

    Attributes
    ----------
    tables : dict of DataFrame
        ``customers``, ``interactions``, ``feedback``, ``touchpoints`` and
        ``interventions``, as the data contract has them.
    truth : dict
        What ``truth.json`` holds: ``world``, ``seed``, ``half_life_days``,
        ``effects`` and what helps to read them.
    """

    tables: dict[str, pd.DataFrame]
    truth: dict[str, Any]


@dataclass(frozen=True)
class _Batch:
    """Contacts on their way into the history: who, where, when (seconds), and their key."""

    who: Ints
    touchpoint: Ints
    second: Ints
    key: Keys
    journey: Keys

    def take(self, keep: np.ndarray[Any, Any]) -> _Batch:
        """Give the rows that a mask or an order picks."""
        return _Batch(*(v[keep] for v in vars(self).values()))


def simulate(
    world: str = "demo",
    customers: int | None = None,
    seed: int = 0,
    *,
    without: str | None = None,
    without_from: int = 0,
) -> Simulation:
    """Make the two years 2024-07-01 to 2026-06-30 of a made-up company.

    Parameters
    ----------
    world : str
        One of :data:`WORLDS`.
    customers : int, optional
        How many customers there are (default: what the world says).
    seed : int
        The same seed gives the same tables; at least 0.
    without : str, optional
        A touchpoint each of whose bad contacts, old ones too, acts on the hazard
        like an ordinary one: the twin world that attributable churn compares with.
    without_from : int
        Day of the feed from whose start on that holds (0: from the first).

    Returns
    -------
    Simulation
        The tables and the truth.

    Raises
    ------
    UsageError
        An unknown world or touchpoint, too few customers, or a negative seed.
    """
    if world not in WORLDS:
        raise UsageError(one_of("world", world, WORLDS))
    params = WORLDS[world]
    count = params.customers if customers is None else customers
    if not 1 <= count <= _MOST_CUSTOMERS:
        raise UsageError(f"customers is {count}; allowed: 1 to {_MOST_CUSTOMERS}")
    if seed < 0:
        raise UsageError(f"seed is {seed}; allowed: 0 or more")
    names = [t.name for t in params.touchpoints]
    if without is not None and without not in names:
        raise UsageError(one_of("without", without, names))
    run = _Run(params, count, seed, without, without_from)
    # None: no bar where stderr is no terminal
    for day in tqdm(range(DAYS), desc="simulating", unit="day", leave=False, disable=None):
        run.step(day)
    tables = make_tables(params, run.people, run.history(), DAYS)
    return Simulation(tables, _truth(world, params, count, seed))


def _truth(name: str, world: World, customers: int, seed: int) -> dict[str, Any]:
    names = [t.name for t in world.touchpoints]
    return {
        "world": name,
        "seed": seed,
        "half_life_days": world.half_life_days,
        "effects": {n: float(world.effects.get(n, 0.0)) for n in names},
        "contact_effects": {n: float(world.contact_effects.get(n, 0.0)) for n in names},
        "exit_touchpoints": [t.name for t in world.touchpoints if t.stage == "exit"],
        "decision_days": world.decision_days,
        "customers": customers,
        "description": world.description,
    }


class _Run:
    """The state of all customers, moved on a day at a time.

    Times are days since the start of the feed, as floats; ``inf`` is not yet. A customer
    decides to leave (``decided``), which is seen (``leaves``), and is ``gone`` at the end.
    """

    def __init__(
        self, world: World, customers: int, seed: int, without: str | None, without_from: int
    ) -> None:
        streams = np.random.SeedSequence(seed).spawn(4)
        self.root = int(streams[0].generate_state(1, np.uint64)[0])
        people, self.contact_stream, self.churn_stream = (
            np.random.Generator(np.random.PCG64(s)) for s in streams[1:]
        )
        self.world = world
        self.touchpoints = world.touchpoints
        self.without_from = without_from
        self.people = People.draw(world, people, customers, self.root)
        self._start(people, customers)
        names = [t.name for t in self.touchpoints]
        self.when = np.array([t.when for t in self.touchpoints])
        places = {n: i for i, n in enumerate(names)}
        self.follow = np.array([places.get(t.follow, -1) for t in self.touchpoints])
        self.rates = np.array([t.rate for t in self.touchpoints])[:, None] * self.people.activity
        self.contact_effects = np.array([world.contact_effects.get(n, 0.0) for n in names])
        effects = [world.effects.get(n, 0.0) for n in names]
        # as it is, and as it would be without the one touchpoint's effect
        self.effects = np.array([effects, effects])
        self.effects[1, [n == without for n in names]] = 0.0
        self.load = np.zeros((2, customers))
        self.decay = 0.5 ** (1.0 / world.half_life_days)
        self.waiting: defaultdict[int, list[_Batch]] = defaultdict(list)
        self.contacts: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def _start(self, stream: np.random.Generator, customers: int) -> None:
        """Place the first spells: some run when the feed begins, others start later."""
        there = stream.random(customers) < 0.55
        u = stream.random(customers)
        self.start = np.where(there, -_LONGEST_TENURE * u**1.5, u * (DAYS - 15))
        self.id = np.arange(customers)
        self.decided, self.leaves, self.gone, self.back = np.full((4, customers), np.inf)
        self.involuntary = np.zeros(customers, dtype=bool)
        self.spell = np.zeros(customers, dtype=np.int64)
        self.nps_day = (uniform(keys(self.root, self.id), 1) * _NPS_EVERY).astype(np.int64)
        self.closed: list[dict[str, Any]] = []

    def step(self, day: int) -> None:
        """Live through one day: those who return, those who leave, and contacts."""
        self.load *= self.decay
        self._return(day)
        self._leave(day)
        self._ask(day)
        self._meet(day)

    # -- coming and going ---------------------------------------------------------------

    def _spell_rows(self, who: Ints) -> dict[str, Any]:
        names = ("spell", "start", "leaves", "gone", "involuntary")
        return {"who": who} | {n: getattr(self, n)[who] for n in names}

    def _return(self, day: int) -> None:
        who = np.flatnonzero((self.back >= day) & (self.back < day + 1))
        self.closed.append(self._spell_rows(who))
        self.start[who] = self.back[who]
        self.spell[who] += 1
        for times in (self.decided, self.leaves, self.gone, self.back):
            times[who] = np.inf

    def _hazard(self, day: int) -> Floats:
        """Hazard a day of deciding to leave, by customer."""
        load = self.load[int(day >= self.without_from)]
        tenure = 1.0 + 1.2 * np.exp(-np.maximum(day - self.start, 0.0) / 90.0)
        season = np.exp(self.world.season * np.sin(2.0 * np.pi * day / 365.25))
        return self.world.churn_per_day * self.people.risk * tenure * season * np.exp(load)

    def _leave(self, day: int) -> None:
        # part of the day that a customer who starts on it is there
        begin = np.clip(self.start - day, 0.0, 1.0)
        u, u_card = self.churn_stream.random((2, len(self.id)))
        open_ = (self.start < day + 1) & (self.leaves > day)
        p = -np.expm1(-self._hazard(day) * (1.0 - begin))
        who = np.flatnonzero(open_ & np.isinf(self.decided) & (u < p))
        key = keys(self.root, who, np.full(len(who), day))
        self.decided[who] = day + begin[who] + (1.0 - begin[who]) * uniform(key, 2)
        delay = -np.log(uniform(key, 3)) * self.world.decision_days
        self.leaves[who] = self.decided[who] + delay
        self.gone[who] = self.leaves[who] + self._notice(key)
        stays = uniform(key, 5) >= self.world.return_share
        away = 30.0 + 170.0 * uniform(key, 6)
        self.back[who] = np.where(stays | (self.spell[who] > 0), np.inf, self.gone[who] + away)
        self._fail_cards(day, open_, begin, u_card)

    def _notice(self, key: Keys) -> Floats:
        """Days from the event to the end."""
        if self.world.notice_days is None:
            return np.zeros(len(key))
        low, high = self.world.notice_days
        return low + (high - low) * uniform(key, 4)

    def _fail_cards(self, day: int, open_: np.ndarray[Any, Any], begin: Floats, u: Floats) -> None:
        p = -np.expm1(-self.world.involuntary_per_day * (1.0 - begin))
        who = np.flatnonzero(open_ & (u < p))
        key = keys(self.root, who, np.full(len(who), day))
        time = day + begin[who] + (1.0 - begin[who]) * uniform(key, 7)
        who, time = who[time < self.leaves[who]], time[time < self.leaves[who]]
        self.leaves[who] = self.gone[who] = time
        self.back[who] = np.inf
        self.involuntary[who] = True

    # -- contacts -----------------------------------------------------------------------

    def _chances(self, day: int) -> Floats:
        """Chance of a contact today, touchpoints by customers."""
        began = np.floor(self.start)
        there = (began <= day) & (self.gone > day)
        level = there * np.where(self.leaves <= day, _NOTICE_ACTIVITY, 1.0)
        tenure = day - self.start
        ahead = (began > day) & (began <= day + _PROSPECT_DAYS)
        to_anniversary = 365.0 - np.mod(tenure, 365.0)
        shape = {
            "always": level,
            "prospect": ahead + 0.04 * level,
            "new": level * (tenure < _NEW_DAYS),
            "renewal": level * ((to_anniversary < _RENEWAL_DAYS) & (tenure > 0)),
            "exit": level,
        }
        chances = self.rates * np.stack([shape[w] for w in self.when])
        leaving = there & (self.decided <= day) & (self.leaves > day)
        chances[self.when == "exit"] += self.world.exit_rate * leaving
        return chances

    def _meet(self, day: int) -> None:
        draws = self.contact_stream.random(self.rates.shape)
        touchpoint, who = np.nonzero(draws < self._chances(day))
        key = keys(self.root, who, np.full(len(who), day), touchpoint)
        hour = 7.0 + 7.5 * (uniform(key, 10) + uniform(key, 11))
        second = day * DAY + (hour * 3600.0).astype(np.int64)
        batch = _Batch(who, touchpoint, second, key, np.zeros(len(who), dtype=np.uint64))
        queue = [batch, *self.waiting.pop(day, [])]
        while queue:
            queue += self._live_through(self._present(queue.pop(0)), day)

    def _present(self, batch: _Batch) -> _Batch:
        """Leave out contacts of those who are gone by then, or no customers yet."""
        time = batch.second / DAY
        ahead = (self.when[batch.touchpoint] == "prospect") | (time >= self.start[batch.who])
        return batch.take((time < self.gone[batch.who]) & ahead)

    def _live_through(self, batch: _Batch, day: int) -> list[_Batch]:
        """Record contacts and their effect; give those of today that they lead on to."""
        failed = uniform(batch.key, 12) < self._failure(day)[batch.touchpoint]
        leads = (self.follow[batch.touchpoint] >= 0) & (uniform(batch.key, 13) < self.world.handoff)
        roots = np.where(leads & (batch.journey == 0), batch.key, batch.journey)
        batch = replace(batch, journey=roots)
        onward = self._handoffs(batch.take(leads))
        self.contacts.append(vars(batch) | {"failed": failed, "spell": self.spell[batch.who]})
        age = 0.5 - (batch.second / DAY - day)
        fresh = 0.5 ** (age / self.world.half_life_days)
        for load, effects in zip(self.load, self.effects, strict=True):
            effect = self.contact_effects[batch.touchpoint] + failed * effects[batch.touchpoint]
            load += np.bincount(batch.who, fresh * effect, minlength=len(load))
        today = onward.second < (day + 1) * DAY
        later = onward.take(~today)
        for ahead in np.unique(later.second // DAY):
            self.waiting[int(ahead)].append(later.take(later.second // DAY == ahead))
        return [onward.take(today)] if today.any() else []

    def _failure(self, day: int) -> Floats:
        """Share of contacts that fail today, by touchpoint."""
        shares = np.array([t.failure for t in self.touchpoints])
        names = [t.name for t in self.touchpoints]
        for fix in self.world.fixes:
            if day >= fix.day:
                shares[names.index(fix.touchpoint)] *= fix.factor
        return shares

    def _handoffs(self, parent: _Batch) -> _Batch:
        """Contacts that these lead on to, within an hour to two days."""
        hours = 48.0 ** uniform(parent.key, 14)
        second = parent.second + (hours * 3600.0).astype(np.int64)
        return replace(
            parent,
            touchpoint=self.follow[parent.touchpoint],
            second=second,
            key=keys(1, parent.key),
        )

    def _ask(self, day: int) -> None:
        """Send the quarterly survey to those whose turn it is."""
        due = (day - self.nps_day) % _NPS_EVERY == 0
        who = np.flatnonzero(due & (self.start < day - 30))
        key = keys(self.root, who, np.full(len(who), day))
        second = day * DAY + (3600.0 * (9.0 + 3.0 * uniform(key, 20))).astype(np.int64)
        stays = second / DAY < self.leaves[who]
        who, second = who[stays], second[stays]
        self.asked.append(
            {"who": who, "second": second, "load": self.load[0, who], "spell": self.spell[who]}
        )

    def history(self) -> History:
        """Give all that happened, as flat columns."""
        spells = [*self.closed, self._spell_rows(self.id)]
        return History(_stack(self.contacts), _stack(spells), _stack(self.asked), self.root)


def _stack(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Put the columns of all parts end to end."""
    return pd.DataFrame({n: np.concatenate([p[n] for p in parts]) for n in parts[0]})


# -- files --------------------------------------------------------------------------------


def write(simulation: Simulation, directory: Path) -> None:
    """Write a simulation as a dataset: Parquet tables, ``dataset.yml``, ``truth.json``.

    Every file is written aside first, then all are renamed to their names, so what was
    there before is whole until it is replaced.

    Parameters
    ----------
    simulation : Simulation
        From :func:`simulate`.
    directory : Path
        The folder, made if it is not there.

    Raises
    ------
    UsageError
        Nothing can be written there, or it holds files that are no earlier simulation.
    """
    directory = Path(directory)
    aside: dict[Path, Path] = {}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (directory / "truth.json").exists():
            raise UsageError(
                f"{directory}: holds files that are no simulation; allowed: an empty or a new "
                "folder, or one with a truth.json"
            )
        for name in (*(f"{t}.parquet" for t in simulation.tables), "dataset.yml", "truth.json"):
            path = directory / name
            aside[path] = directory / f".{name}.{os.getpid()}.new"
            _write_file(simulation, path, aside[path])
        for path, new in aside.items():
            new.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{directory}: cannot be written ({reason})") from error
    finally:
        for new in aside.values():
            if new.is_file():
                new.unlink()


def _write_file(simulation: Simulation, path: Path, new: Path) -> None:
    if path.suffix == ".parquet":
        _write_table(simulation.tables[path.stem], new)
    elif path.suffix == ".yml":
        new.write_text(_dataset_yml(simulation), encoding="utf-8")
    else:
        text = json.dumps(simulation.truth, indent=2, ensure_ascii=False)
        new.write_text(text + "\n", encoding="utf-8")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    """Write one table; times and running ids are stored as differences, which is smaller."""
    # a column of words stays one where all of it is null
    schema = pa.schema(
        [
            (n, pa.string() if t.kind == "O" else pa.from_numpy_dtype(t))
            for n, t in table.dtypes.items()
        ]
    )
    arrow = pa.Table.from_pandas(table, schema, preserve_index=False).replace_schema_metadata(None)
    encodings: dict[str, str] = {}
    for column in arrow.schema:
        if pa.types.is_timestamp(column.type):
            encodings[column.name] = "DELTA_BINARY_PACKED"
        elif column.name in ("interaction_id", "response_id", "text", "comment"):
            encodings[column.name] = "DELTA_BYTE_ARRAY"
    pq.write_table(
        arrow,
        path,
        compression="zstd",
        compression_level=12,
        use_dictionary=[c for c in table.columns if c not in encodings],
        column_encoding=encodings or None,
    )


def _dataset_yml(simulation: Simulation) -> str:
    last = FIRST_DAY + pd.Timedelta(days=DAYS - 1)
    lines = [
        "# Made-up customers; what is true about them is in truth.json.",
        f"name: {simulation.truth['world']}",
        "time_zone: UTC",
        "currency: EUR",
        f"stages: [{', '.join(STAGES)}]",
        f"observed_until: {last:%Y-%m-%d}",
    ]
    return "\n".join(lines) + "\n"
