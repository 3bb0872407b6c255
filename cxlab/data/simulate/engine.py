"""Make data whose truth is known: customers, contacts and answers of a made-up world.

The hazard of leaving is drawn day by day from what a customer went through before that
day, so no row of any model is used to make the data that judge the model. Random numbers
belong to customers, days and contacts: a twin world made ``without`` a touchpoint's effect
differs only in who leaves, and in what follows from that.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.data.simulate.draws import Floats, Ints, Keys, keys, logistic, uniform
from cxlab.data.simulate.tables import (
    DAY,
    FIRST_DAY,
    PLANS,
    History,
    People,
    box_effects,
    make_tables,
    relationship_scores,
    service_times,
)
from cxlab.data.simulate.worlds import WORLDS, Gap, World
from cxlab.errors import UsageError, one_of

__all__ = ["DAYS", "Simulation", "simulate"]

DAYS = 730
_PROSPECT_DAYS = 45
_NEW_DAYS = 60
_LOYAL_DAYS = 365
_RENEWAL_DAYS = 30
_NOTICE_ACTIVITY = 0.4
_NPS_EVERY = 90
_LONGEST_TENURE = 1460
_MOST_CUSTOMERS = 10_000_000
# days whose contacts are proposed at once
_BLOCK = 10
_TOGETHER = 0.97
_WHEN = ("always", "prospect", "new", "loyal", "renewal", "exit")
_PROSPECT, _NEW, _LOYAL, _RENEWAL, _EXIT = range(1, len(_WHEN))


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
    hidden : dict of DataFrame
        What no company sees, and no file holds: ``customers`` (what each is like),
        ``spells`` (when the decision to leave was made), ``answers`` (the score
        everybody asked would have given, and the chance of an answer), and
        ``interactions`` (contacts that the feed lost).
    """

    tables: dict[str, pd.DataFrame]
    truth: dict[str, Any]
    hidden: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class _Batch:
    """Contacts: who, where, when (seconds), and their key.

    ``luck`` decides on failure; ``journey`` is the key of the contact that a chain of
    handoffs began with, 0 for none.
    """

    who: Ints
    touchpoint: Ints
    second: Ints
    key: Keys
    luck: Floats
    journey: Keys

    def take(self, keep: Any) -> _Batch:
        """Give the rows that a mask, an order or a slice picks."""
        return _Batch(*(getattr(self, n)[keep] for n in _COLUMNS))

    def child(self, family: int, touchpoint: Ints, seconds: Floats) -> _Batch:
        """Give contacts that these lead to, so many seconds later."""
        key = keys(family, self.key, touchpoint)
        second = self.second + seconds.astype(np.int64)
        return _Batch(self.who, touchpoint, second, key, uniform(key, 12), self.journey)


_COLUMNS = tuple(f.name for f in fields(_Batch))


def _join(batches: list[_Batch]) -> _Batch:
    return _Batch(*(np.concatenate([getattr(b, n) for b in batches]) for n in _COLUMNS))


def _at_random(who: Ints, touchpoint: Ints, key: Keys, day: int) -> _Batch:
    """Give contacts at a time of the day that hangs on their key."""
    hour = 7.0 + 7.5 * (uniform(key, 10) + uniform(key, 11))
    second = day * DAY + (hour * 3600.0).astype(np.int64)
    none = np.zeros(len(who), dtype=np.uint64)
    return _Batch(who, touchpoint, second, key, uniform(key, 12), none)


def simulate(
    world: str = "demo",
    customers: int | None = None,
    seed: int = 0,
    *,
    without: str | None = None,
    without_from: int = 0,
    texts: bool = True,
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
        Contacts that a bad one brought stay.
    without_from : int
        Day of the feed from whose start on that holds (0: from the first).
    texts : bool
        Put words to notes and comments; without them all else is the same.

    Returns
    -------
    Simulation
        The tables, the truth, and what is hidden.

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
    tables, hidden = make_tables(params, run.people, run.history(), DAYS, texts=texts)
    return Simulation(tables, _truth(world, params, count, seed), hidden)


def _truth(name: str, world: World, customers: int, seed: int) -> dict[str, Any]:
    names = [t.name for t in world.touchpoints]
    scores = {"nps": dict(world.score_effects)} if world.score_effects else {}
    return {
        "world": name,
        "seed": seed,
        "half_life_days": world.half_life_days,
        "effects": {n: float(world.effects.get(n, 0.0)) for n in names},
        "direct_effects": {n: round(world.direct_effects.get(n, 0.0), 6) for n in names},
        "contact_effects": {n: float(world.contact_effects.get(n, 0.0)) for n in names},
        "half_lives": {n: world.half_lives.get(n, world.half_life_days) for n in names},
        "exit_touchpoints": [t.name for t in world.touchpoints if t.when == "exit"],
        "decision_days": world.decision_days,
        "score_effects": scores,
        "beyond": _beyond(world),
        "gaps": [_gap(g) for g in world.gaps],
        "customers": customers,
        "description": world.description,
    }


def _beyond(world: World) -> dict[str, Any]:
    """Give the numbers of what lies beyond single touchpoints, if anything does."""
    numbers = {f.name: getattr(world.beyond, f.name) for f in fields(world.beyond)}
    if not any(numbers.values()):
        return {}
    numbers["support_by_plan"] = dict(world.beyond.support_by_plan)
    return numbers | {"good_for_one_bad": -world.beyond.bottom_box / world.beyond.top_box}


def _gap(gap: Gap) -> dict[str, Any]:
    first = FIRST_DAY + pd.Timedelta(days=gap.day)
    last = first + pd.Timedelta(days=gap.days - 1)
    return {
        "first_day": f"{first:%Y-%m-%d}",
        "last_day": f"{last:%Y-%m-%d}",
        "channel": gap.channel or None,
    }


class _Run:
    """The state of all customers, moved on a day at a time.

    Times are days since the start of the feed, as floats; ``inf`` is not yet. A customer
    decides to leave (``decided``), which is seen (``leaves``), and is ``gone`` at the end.
    What acts comes twice: as it is, and as it would be without the one touchpoint's effect.
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
        self.without_from = without_from
        self.people = People.draw(world, people, customers, self.root)
        self._start(people, customers)
        self._read_touchpoints(without)
        lives = self.half_lives
        self.speeds, self.speed = np.unique(lives, return_inverse=True)
        self.load = np.zeros((2, len(self.speeds), customers))
        self.slump = np.zeros((2, customers))
        self.waiting: defaultdict[int, list[_Batch]] = defaultdict(list)
        self.relief: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
        self.contacts: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def _read_touchpoints(self, without: str | None) -> None:
        """Turn the world's mappings by name into arrays by place."""
        world, points = self.world, self.world.touchpoints
        names = [t.name for t in points]
        places = {n: i for i, n in enumerate(names)}
        self.names, self.places = names, places
        self.when = np.array([_WHEN.index(t.when) for t in points])
        self.follow = np.array([places.get(t.follow, -1) for t in points])
        self.beside = np.full(len(points), -1)
        for place, point in enumerate(points):
            if point.beside:
                self.beside[places[point.beside]] = place
        self.odds = np.array([np.log(t.failure / (1.0 - t.failure)) for t in points])
        self.reach = np.array([t.reach for t in points])
        self.few_reached = bool((self.reach < 1).any())
        self.half_lives = np.array([world.half_lives.get(n, world.half_life_days) for n in names])
        self.contact_effects = np.array([world.contact_effects.get(n, 0.0) for n in names])
        direct = world.direct_effects
        self.effects = np.array([[direct.get(n, 0.0) for n in names]] * 2)
        self.slumps = np.array([[world.slump.get(n, 0.0) for n in names]] * 2)
        for values in (self.effects, self.slumps):
            values[1, [n == without for n in names]] = 0.0
        self.support = np.array([t.stage == "support" for t in points])
        by_plan = world.beyond.support_by_plan
        self.plan_factor = np.array([by_plan.get(p[0], 1.0) for p in PLANS])[self.people.plan]

    def _start(self, stream: np.random.Generator, customers: int) -> None:
        """Place the first spells: some run when the feed begins, others start later."""
        there = stream.random(customers) < 0.55
        u = stream.random(customers)
        self.start = np.where(there, -_LONGEST_TENURE * u**1.5, u * DAYS)
        self.id = np.arange(customers)
        self.decided, self.leaves, self.gone, self.back = np.full((4, customers), np.inf)
        self.involuntary = np.zeros(customers, dtype=bool)
        self.spell = np.zeros(customers, dtype=np.int64)
        turn = (uniform(keys(self.root, self.id), 1) * _NPS_EVERY).astype(np.int64)
        self.turns = [np.flatnonzero(turn == place) for place in range(_NPS_EVERY)]
        self.verdict = np.zeros(customers)
        self.closed: list[dict[str, Any]] = []

    def step(self, day: int) -> None:
        """Live through one day: those who return, those who leave, and contacts."""
        self.load *= (0.5 ** (1.0 / self.speeds))[:, None]
        self.slump *= 0.5 ** (1.0 / self.world.half_life_days)
        self._return(day)
        self._leave(day)
        self._ask(day)
        self._meet(day)

    # -- coming and going ---------------------------------------------------------------

    def _spell_rows(self, who: Ints) -> dict[str, Any]:
        names = ("spell", "start", "decided", "leaves", "gone", "involuntary")
        return {"who": who} | {n: getattr(self, n)[who] for n in names}

    def _return(self, day: int) -> None:
        if not self.world.return_share:
            return
        who = np.flatnonzero((self.back >= day) & (self.back < day + 1))
        self.closed.append(self._spell_rows(who))
        self.start[who] = self.back[who]
        self.spell[who] += 1
        self.verdict[who] = 0.0
        for times in (self.decided, self.leaves, self.gone, self.back):
            times[who] = np.inf

    def _hazard(self, day: int) -> Floats:
        """Hazard a day of deciding to leave, by customer."""
        world, twin = self.world, int(day >= self.without_from)
        age = np.maximum(day - self.start, 0.0)
        tenure = 1.0 + 1.2 * np.exp(-age / 90.0)
        if world.ageing:
            tenure *= (1.0 + age / 365.0) ** -world.ageing
        log = world.season * np.sin(2.0 * np.pi * day / 365.25)
        log += sum(s.hazard for s in world.shocks if s.day <= day < s.day + s.days)
        load = self.load[twin].sum(axis=0) - world.activity_effect * self.slump[twin]
        return world.churn_per_day * self.people.risk * tenure * np.exp(log + load + self.verdict)

    def _leave(self, day: int) -> None:
        # part of the day that a customer who starts on it is there
        begin = np.clip(self.start - day, 0.0, 1.0)
        u, u_card = self.churn_stream.random((2, len(self.id)))
        open_ = (self.start < day + 1) & (self.leaves > day)
        p = -np.expm1(-self._hazard(day) * (1.0 - begin))
        who = np.flatnonzero(open_ & np.isinf(self.decided) & (u < p))
        if len(who):
            self._decide(who, begin[who], day)
        if self.world.involuntary_per_day:
            self._fail_cards(day, open_, begin, u_card)

    def _decide(self, who: Ints, begin: Floats, day: int) -> None:
        """Let customers decide to leave today; ``begin`` is when their day began."""
        key = keys(self.root, who, np.full(len(who), day))
        self.decided[who] = day + begin + (1.0 - begin) * uniform(key, 2)
        delay = -np.log(uniform(key, 3)) * self.world.decision_days
        self.leaves[who] = self.decided[who] + delay
        self.gone[who] = self.leaves[who] + self._notice(key)
        stays = uniform(key, 5) >= self.world.return_share
        away = 30.0 + 170.0 * uniform(key, 6)
        self.back[who] = np.where(stays | (self.spell[who] > 0), np.inf, self.gone[who] + away)

    def _notice(self, key: Keys) -> Floats:
        """Days from the event to the end."""
        if self.world.notice_days is None:
            return np.zeros(len(key))
        low, high = self.world.notice_days
        return low + (high - low) * uniform(key, 4)

    def _fail_cards(self, day: int, open_: np.ndarray[Any, Any], begin: Floats, u: Floats) -> None:
        rate = self.world.involuntary_per_day * self.people.activity**self.world.card_activity
        p = -np.expm1(-rate * (1.0 - begin))
        who = np.flatnonzero(open_ & (u < p))
        key = keys(self.root, who, np.full(len(who), day))
        time = day + begin[who] + (1.0 - begin[who]) * uniform(key, 7)
        who, time = who[time < self.leaves[who]], time[time < self.leaves[who]]
        self.leaves[who] = self.gone[who] = time
        self.back[who] = np.inf
        self.involuntary[who] = True

    # -- contacts -----------------------------------------------------------------------

    def _propose(self, first: int) -> None:
        """Propose contacts of some days: more than there will be, whoever is there by then.

        Those of them that happen are picked day by day, so that a twin world, where other
        customers are there, shares them.
        """
        days = min(_BLOCK, DAYS - first)
        stream = self.contact_stream
        busy = np.cumsum(self.people.activity)
        rates = np.cumsum([t.rate for t in self.world.touchpoints])
        count = int(stream.poisson(days * busy[-1] * rates[-1]))
        when = first + np.sort(stream.integers(0, days, count))
        who = np.searchsorted(busy, stream.random(count) * busy[-1])
        touchpoint = np.searchsorted(rates, stream.random(count) * rates[-1])
        self.proposed, self.chance = (who, touchpoint), stream.random(count)
        self.borders = np.searchsorted(when, np.arange(first, first + days + 1))

    def _happen(self, who: Ints, touchpoint: Ints, day: int) -> Floats:
        """Chance that each proposed contact happens."""
        when, start = self.when[touchpoint], self.start[who]
        began, tenure = np.floor(start), day - start
        there = (began <= day) & (self.gone[who] > day)
        level = there * np.where(self.leaves[who] <= day, _NOTICE_ACTIVITY, 1.0)
        if self.world.slump:
            level *= np.exp(-self.slump[int(day >= self.without_from), who])
        ahead = (began > day) & (began <= day + _PROSPECT_DAYS)
        to_anniversary = 365.0 - np.mod(tenure, 365.0)
        level[(when == _NEW) & (tenure >= _NEW_DAYS)] = 0.0
        level[(when == _LOYAL) & (tenure < _LOYAL_DAYS)] = 0.0
        renews = (to_anniversary < _RENEWAL_DAYS) & (tenure > 0)
        level[(when == _RENEWAL) & ~renews] = 0.0
        chance: Floats = np.where(when == _PROSPECT, ahead + 0.04 * level, level)
        if self.few_reached:
            chance *= uniform(keys(self.root + 2, who, touchpoint), 0) < self.reach[touchpoint]
        return chance

    def _meet(self, day: int) -> None:
        if day % _BLOCK == 0:
            self._propose(day)
        first, after = self.borders[day % _BLOCK : day % _BLOCK + 2]
        who, touchpoint = (v[first:after] for v in self.proposed)
        happens = np.flatnonzero(self.chance[first:after] < self._happen(who, touchpoint, day))
        key = keys(self.root + 1, first + happens, np.full(len(happens), day))
        queue = [_at_random(who[happens], touchpoint[happens], key, day)]
        queue += self.waiting.pop(day, [])
        if self.world.exit_rate:
            queue.append(self._consider(day))
        batch = _join(queue)
        while len(batch.who):
            batch = self._live_through(self._present(batch), day)
        self._put_right(day)

    def _consider(self, day: int) -> _Batch:
        """Contacts that the decision to leave brings, at touchpoints that are there for it."""
        leaving = np.flatnonzero((self.decided <= day) & (self.leaves > day))
        places = np.flatnonzero(self.when == _EXIT)
        who = np.repeat(leaving, len(places))
        touchpoint = np.tile(places, len(leaving))
        key = keys(self.root + 3, who, np.full(len(who), day), touchpoint)
        happens = uniform(key, 9) < self.world.exit_rate
        return _at_random(who, touchpoint, key, day).take(happens)

    def _present(self, batch: _Batch) -> _Batch:
        """Leave out contacts of those who are gone by then, or no customers yet."""
        time = batch.second / DAY
        ahead = (self.when[batch.touchpoint] == _PROSPECT) | (time >= self.start[batch.who])
        return batch.take((time < self.gone[batch.who]) & ahead)

    def _live_through(self, batch: _Batch, day: int) -> _Batch:
        """Record contacts and their effect; give those of today that they lead on to."""
        leaving = (self.decided[batch.who] <= day) & (self.leaves[batch.who] > day)
        failed = batch.luck < self._failure(batch, leaving, day)
        leads = (self.follow[batch.touchpoint] >= 0) & (uniform(batch.key, 13) < self.world.handoff)
        roots = np.where(leads & (batch.journey == 0), batch.key, batch.journey)
        batch = replace(batch, journey=roots)
        seen = {n: getattr(batch, n) for n in _COLUMNS if n != "luck"}
        spell = self.spell[batch.who]
        self.contacts.append(seen | {"failed": failed, "leaving": leaving, "spell": spell})
        self._act(batch, failed, day)
        onward = _join([self._handoffs(batch.take(leads)), *self._others(batch, failed)])
        if not len(onward.who):
            return onward
        on = onward.second // DAY
        for ahead in np.unique(on[on > day]):
            self.waiting[int(ahead)].append(onward.take(on == ahead))
        return onward.take(on == day)

    def _failure(self, batch: _Batch, leaving: np.ndarray[Any, Any], day: int) -> Floats:
        """Chance that each contact fails."""
        world, odds = self.world, self.odds[batch.touchpoint]
        odds = odds + self.people.proneness[batch.who] + world.souring * leaving
        odds += sum(s.failure for s in world.shocks if s.day <= day < s.day + s.days)
        shares = logistic(odds)
        for fix in world.fixes:
            if day >= fix.day:
                shares[batch.touchpoint == self.places[fix.touchpoint]] *= fix.factor
        for name, share in world.leaver_fails.items():
            shares[leaving & (batch.touchpoint == self.places[name])] = share
        return shares

    def _act(self, batch: _Batch, failed: np.ndarray[Any, Any], day: int) -> None:
        """Add what contacts do to the hazard, as of the middle of the day."""
        who, place = batch.who, batch.touchpoint
        age = 0.5 - (batch.second / DAY - day)
        fresh = 0.5 ** (age / self.half_lives[place])
        hurt = failed * np.where(self.support[place], self.plan_factor[who], 1.0)
        other = self.contact_effects[place] + self._beyond(batch, failed)
        where = self.speed[place] * len(self.id) + who
        for load, effects in zip(self.load, self.effects, strict=True):
            change = fresh * (other + hurt * effects[place])
            load += np.bincount(where, change, load.size).reshape(load.shape)
        if self.world.slump:
            for slump, falls in zip(self.slump, self.slumps, strict=True):
                slump += np.bincount(who, fresh * failed * falls[place], slump.size)
        if self.world.beyond.put_right:
            self._plan_relief(batch, hurt)

    def _beyond(self, batch: _Batch, failed: np.ndarray[Any, Any]) -> Any:
        """Log hazard of handoffs, waits and scores."""
        beyond = self.world.beyond
        effect = np.zeros(len(batch.who))
        if beyond.handoff:
            handed = (batch.journey != 0) & (batch.journey != batch.key)
            effect += beyond.handoff * handed
        if beyond.log_wait:
            effect += beyond.log_wait * service_times(self.names, batch.touchpoint, batch.key,
                                                      failed).surprise  # fmt: skip
        if beyond.bottom_box or beyond.top_box:
            mood = self.people.mood[batch.who]
            effect += box_effects(batch.key, failed, mood, beyond.bottom_box, beyond.top_box)
        return effect

    def _plan_relief(self, batch: _Batch, hurt: Floats) -> None:
        """Note when bad contacts are put right, and what of their effect that takes away."""
        times = service_times(self.names, batch.touchpoint, batch.key, hurt > 0)
        beyond = self.world.beyond
        right = (hurt > 0) & (times.seconds <= beyond.put_right_days * DAY)
        solved = (batch.second + np.where(right, times.seconds, 0.0)) // DAY
        for day in np.unique(solved[right]):
            now = right & (solved == day)
            part = beyond.put_right * hurt[now]
            self.relief[int(day)].append((batch.take(now), part))

    def _put_right(self, day: int) -> None:
        for batch, part in self.relief.pop(day, []):
            place = batch.touchpoint
            left = part * 0.5 ** ((day + 0.5 - batch.second / DAY) / self.half_lives[place])
            where = self.speed[place] * len(self.id) + batch.who
            for load, effects in zip(self.load, self.effects, strict=True):
                load -= np.bincount(where, left * effects[place], load.size).reshape(load.shape)

    def _handoffs(self, parent: _Batch) -> _Batch:
        """Contacts that these lead on to, within an hour to two days."""
        hours = 48.0 ** uniform(parent.key, 14)
        return parent.child(1, self.follow[parent.touchpoint], hours * 3600.0)

    def _others(self, batch: _Batch, failed: np.ndarray[Any, Any]) -> list[_Batch]:
        """Contacts that come beside these, and those that the bad ones bring."""
        alone = replace(batch, journey=np.zeros(len(batch.who), dtype=np.uint64))
        found = []
        if (self.beside >= 0).any():
            rows = (self.beside[batch.touchpoint] >= 0) & (uniform(batch.key, 15) < _TOGETHER)
            parent = alone.take(rows)
            minutes = 2.0 + 18.0 * uniform(parent.key, 16)
            twin = parent.child(4, self.beside[parent.touchpoint], minutes * 60.0)
            shared = uniform(parent.key, 17) < _TOGETHER
            found.append(replace(twin, luck=np.where(shared, parent.luck, twin.luck)))
        for place, (name, chance) in enumerate(self.world.repeats.items()):
            parent = alone.take(failed & (uniform(batch.key, 18 + 2 * place) < chance))
            days = 0.1 * 50.0 ** uniform(parent.key, 19 + 2 * place)
            touchpoint = np.full(len(parent.who), self.places[name])
            found.append(parent.child(5, touchpoint, days * DAY))
        return found

    def _ask(self, day: int) -> None:
        """Send the quarterly survey to those whose turn it is."""
        who = self.turns[day % _NPS_EVERY]
        who = who[self.start[who] < day - 30]
        key = keys(self.root, who, np.full(len(who), day))
        second = day * DAY + (3600.0 * (9.0 + 3.0 * uniform(key, 20))).astype(np.int64)
        stays = second / DAY < self.leaves[who]
        who, second = who[stays], second[stays]
        leaving = self.decided[who] <= second / DAY
        load = self.load[0][:, who].sum(axis=0)
        row = {"who": who, "second": second, "load": load, "spell": self.spell[who]}
        self.asked.append(row | {"leaving": leaving})
        if self.world.score_effects:
            calm = np.zeros(len(who))
            key = keys(self.root, who, second)
            score = relationship_scores(key, self.people.mood[who], calm).score
            slope = np.array([self.world.score_effects.get(p[0], 0.0) for p in PLANS])
            self.verdict[who] = slope[self.people.plan[who]] * (score - 7.0)

    def history(self) -> History:
        """Give all that happened, as flat columns."""
        spells = [*self.closed, self._spell_rows(self.id)]
        return History(_stack(self.contacts), _stack(spells), _stack(self.asked), self.root)


def _stack(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Put the columns of all parts end to end."""
    return pd.DataFrame({n: np.concatenate([p[n] for p in parts]) for n in parts[0]})
