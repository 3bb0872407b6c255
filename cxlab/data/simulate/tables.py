"""From what happened in a made-up world to the tables of the data contract."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from cxlab.data.simulate.draws import Floats, Ints, Keys, keys, logistic, normal, uniform
from cxlab.data.simulate.text import THEMES, sentence
from cxlab.data.simulate.worlds import World

__all__ = [
    "DAY",
    "FIRST_DAY",
    "PLANS",
    "History",
    "People",
    "box_effects",
    "make_tables",
    "relationship_scores",
    "service_times",
]

DAY = 86_400
FIRST_DAY = pd.Timestamp("2024-07-01")
_NEVER = np.iinfo(np.int64).max

PLANS = (("basic", 19.0, 0.0), ("plus", 39.0, -0.15), ("pro", 79.0, -0.35))
_SOURCES = (
    ("partner", 0.25),
    ("advert", 0.12),
    ("organic", 0.0),
    ("store", -0.05),
    ("referral", -0.20),
)
_REGIONS = (("north", 0.0), ("south", 0.0), ("east", 0.12), ("west", -0.05))

# seconds to a first answer, of handling, and promised for the solution
_SERVICE = {
    "support-call": (110.0, 420.0, 1 * DAY),
    "support-chat": (75.0, 540.0, 1 * DAY),
    "support-email": (14_000.0, 600.0, 2 * DAY),
    "complaint": (40_000.0, 1_500.0, 5 * DAY),
    "retention-call": (60.0, 600.0, 2 * DAY),
}
_EFFORT = ("support", "onboarding", "purchase", "exit")
_UNASKED = ("advert", "newsletter")
_SPENT = {"checkout": 1.5, "store-visit": 0.8, "sales-call": 3.0}

_TEXT_SHARE = 0.10
_EXIT_ASKED = 0.40

# contact scores: mean of ok and failed contacts, points a sd of mood, sd of the rest
_CSAT = (4.1, 2.1, 0.35, 0.8)
_CES = (5.5, 3.0, 0.3, 1.1)
# log odds of an answer by plan where the unhappy keep silent
_SILENT_PLANS = {"basic": -1.2, "plus": 0.0, "pro": 1.4}


@dataclass(frozen=True)
class People:
    """What a customer is from the first day to the last.

    Attributes
    ----------
    activity : array
        Multiplies the contact rates; its mean is 1.
    mood : array
        Standard normal: how well disposed towards the company.
    proneness : array
        Log odds of failing, added at every touchpoint.
    risk : array
        Multiplies the hazard of leaving.
    plan, source, region : array of int
        Places in the lists of plans, acquisition channels and regions.
    monthly_value : array
        Currency a month.
    """

    activity: Floats
    mood: Floats
    proneness: Floats
    risk: Floats
    plan: Ints
    source: Ints
    region: Ints
    monthly_value: Floats

    @classmethod
    def draw(cls, world: World, stream: np.random.Generator, count: int, root: int) -> People:
        """Draw the customers of a world.

        Parameters
        ----------
        world : World
            Its parameters.
        stream : Generator
            Where regions come from.
        count : int
            How many customers.
        root : int
            Of the keys that the other draws hang on.
        """
        key = keys(root, np.arange(count), np.full(count, 1_000_000))
        z, mood = normal(key, 0), normal(key, 2)
        rest = np.sqrt(1.0 - world.activity_mix**2)
        plan_score = world.activity_mix * z + rest * normal(key, 4)
        source_score = world.activity_mix * z + rest * normal(key, 6)
        plan = np.searchsorted([-0.1, 0.9], plan_score)
        source = np.searchsorted([-0.9, -0.2, 0.6, 1.1], source_score)
        region = np.searchsorted([0.3, 0.58, 0.76], stream.random(count))
        effects = (
            np.array([p[2] for p in PLANS])[plan]
            + np.array([s[1] for s in _SOURCES])[source]
            + np.array([r[1] for r in _REGIONS])[region]
        )
        other = keys(root, np.arange(count), np.full(count, 4_000_000))
        prone, frail = normal(other, 0), normal(other, 2)
        risk = np.exp(
            effects
            + world.activity_effect * z * world.activity_sd
            - world.mood_effect * mood
            + world.proneness_effect * prone
            + world.frailty_sd * frail
            - world.frailty_sd**2 / 2.0
        )
        price = np.array([p[1] for p in PLANS])[plan]
        value = price * np.exp(0.22 * normal(key, 8) + 0.1 * world.activity_mix * z)
        activity = np.exp(world.activity_sd * z - world.activity_sd**2 / 2.0)
        proneness = world.proneness_sd * prone
        return cls(activity, mood, proneness, risk, plan, source, region, np.round(value, 2))


@dataclass(frozen=True)
class History:
    """All that happened, by place of customer and touchpoint; times in seconds or days.

    Attributes
    ----------
    contacts : DataFrame
        ``who, touchpoint, second, key, journey, failed, leaving, spell``; ``leaving``
        after the decision, before it shows.
    spells : DataFrame
        ``who, spell, start, decided, leaves, gone, involuntary``; times in days.
    asked : DataFrame
        Quarterly surveys: ``who, second, load, spell, leaving``; ``load`` is the
        log hazard that contacts had brought.
    root : int
        Of the run's keys.
    """

    contacts: pd.DataFrame
    spells: pd.DataFrame
    asked: pd.DataFrame
    root: int


class Score(NamedTuple):
    """What customers think (``latent``) and the score it makes."""

    latent: Floats
    score: Floats


def _score(latent: Floats, low: int, high: int) -> Score:
    # not -0.0
    return Score(latent, np.clip(np.round(latent), low, high) + 0.0)


def relationship_scores(key: Keys, mood: Floats, load: Floats) -> Score:
    """Give the NPS that customers would answer with.

    Parameters
    ----------
    key : array of uint64
        Of customer and question.
    mood : array
        Standard normal; more is better.
    load : array
        Log hazard that contacts have brought.
    """
    latent = 7.6 + 1.1 * mood - 1.5 * np.clip(load, -1.0, 3.0) + 1.7 * normal(key, 54)
    return _score(latent, 0, 10)


def _contact_scores(key: Keys, failed: Any, mood: Floats) -> Score:
    """Give the CSAT that contacts would be scored with."""
    good, bad, by_mood, rest = _CSAT
    latent = np.where(failed, bad, good) + by_mood * mood + rest * normal(key, 54)
    return _score(latent, 1, 5)


def box_effects(key: Keys, failed: Any, mood: Floats, bottom: float, top: float) -> Floats:
    """Give what a contact's score does to the log hazard; its mean by outcome is 0.

    Parameters
    ----------
    key : array of uint64
        Of the contacts.
    failed : array of bool
        Which failed.
    mood : array
        Of the customers.
    bottom, top : float
        Log hazard ratio of a CSAT of 1, and of 5, against 2 to 4.
    """
    score = _contact_scores(key, failed, mood).score
    usual = []
    for mean in _CSAT[:2]:
        latent = NormalDist(mean, math.hypot(*_CSAT[2:]))
        usual.append(bottom * latent.cdf(1.5) + top * (1.0 - latent.cdf(4.5)))
    effect: Floats = bottom * (score == 1) + top * (score == 5) - np.where(failed, *usual[::-1])
    return effect


def make_tables(
    world: World, people: People, history: History, days: int, *, texts: bool = True
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Give the five tables of the data contract, and tables of what is hidden.

    Parameters
    ----------
    world : World
        Its parameters.
    people : People
        The customers.
    history : History
        What they went through.
    days : int
        Length of the feed; nothing later is known, but for ends already given notice of.
    texts : bool
        Put words to notes and comments.
    """
    order = ["second", "who", "touchpoint", "key"]
    contacts = history.contacts.sort_values(order, ignore_index=True)
    spells = history.spells.sort_values(["who", "spell"], ignore_index=True)
    contacts["channel"] = _channels(world, contacts)
    lost = _lost(world, contacts)
    contacts["row"] = np.where(lost, -1, np.cumsum(~lost) - 1)
    kept = contacts[~lost]
    names = _Names(len(people.risk), len(kept))
    survey = _Survey(world, people, contacts, spells, history, days, texts)
    asked = survey.rows()
    tables = {
        "customers": _customers(world, people, spells, names, days),
        "interactions": _interactions(world, people, kept, names, days, texts),
        "feedback": survey.table(asked, names),
        "touchpoints": pd.DataFrame(
            [(t.name, t.stage, t.owner, float(t.fix_cost)) for t in world.touchpoints],
            columns=["touchpoint", "stage", "owner", "fix_cost"],
        ),
        "interventions": pd.DataFrame(
            {
                "intervention": [f.name for f in world.fixes],
                "touchpoint": [f.touchpoint for f in world.fixes],
                "started_at": _times(np.array([f.day * DAY for f in world.fixes], dtype=np.int64)),
            }
        ),
    }
    return tables, _hidden(world, people, spells, asked, contacts[lost], names)


def _lost(world: World, contacts: pd.DataFrame) -> Any:
    """Tell the contacts that the feed lost."""
    day = contacts["second"].to_numpy() // DAY
    lost = np.zeros(len(contacts), dtype=bool)
    for gap in world.gaps:
        there = (day >= gap.day) & (day < gap.day + gap.days)
        lost |= there & (contacts["channel"].eq(gap.channel).to_numpy() | (gap.channel == ""))
    return lost


def _hidden(
    world: World,
    people: People,
    spells: pd.DataFrame,
    asked: pd.DataFrame,
    lost: pd.DataFrame,
    names: _Names,
) -> dict[str, pd.DataFrame]:
    """What is true of customers and no company sees."""
    points = np.array([t.name for t in world.touchpoints], dtype=object)
    who = names.customer
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": who,
                "activity": people.activity,
                "mood": people.mood,
                "proneness": people.proneness,
                "risk": people.risk,
            }
        ),
        "spells": pd.DataFrame(
            {
                "customer_id": who[spells["who"]],
                "started_at": _times(_seconds(spells["start"].to_numpy())),
                "decided_at": _times(_seconds(spells["decided"].to_numpy())),
            }
        ),
        "answers": pd.DataFrame(
            {
                "customer_id": who[asked["who"]],
                "asked_at": _times(asked["asked"].to_numpy()),
                "metric": asked["metric"],
                "score": asked["score"],
                "chance": asked["chance"],
            }
        ),
        "interactions": pd.DataFrame(
            {
                "customer_id": who[lost["who"]],
                "occurred_at": _times(lost["second"].to_numpy()),
                "touchpoint": points[lost["touchpoint"]],
                "channel": lost["channel"].to_numpy(),
                "outcome": _pick(["ok", "failed"], lost["failed"].to_numpy().astype(np.int64)),
            }
        ),
    }


def _times(seconds: Ints) -> pd.Series[Any]:
    """Turn seconds of the feed into timestamps; ``_NEVER`` becomes null."""
    known = seconds != _NEVER
    values = np.where(known, seconds, 0).astype("timedelta64[s]") + FIRST_DAY.to_datetime64()
    values = values.astype("datetime64[ms]")
    values[~known] = np.datetime64("NaT")
    return pd.Series(values)


def _seconds(days: Floats) -> Ints:
    return _whole(days * DAY)


def _whole(seconds: Floats) -> Ints:
    known = np.isfinite(seconds)
    return np.where(known, np.floor(np.where(known, seconds, 0.0)).astype(np.int64), _NEVER)


def _pick(words: list[str], places: Ints) -> Any:
    return np.array(words, dtype=object)[places]


class _Names:
    """Identifiers as they are written."""

    def __init__(self, customers: int, contacts: int) -> None:
        wide = max(5, len(str(customers)))
        self.customer = np.array([f"c{i:0{wide}d}" for i in range(1, customers + 1)], dtype=object)
        # the last stands for none
        numbers = [f"i{i:07d}" for i in range(1, contacts + 1)]
        self.contact = np.array([*numbers, None], dtype=object)


def _customers(
    world: World, people: People, spells: pd.DataFrame, names: _Names, days: int
) -> pd.DataFrame:
    who = spells["who"].to_numpy()
    seen = spells["leaves"].to_numpy() < days
    card = spells["involuntary"].to_numpy()
    never = np.inf
    ended = np.where(seen, spells["gone"], never)
    noticed = np.where(seen & ~card, spells["leaves"], never)
    if world.notice_days is None:
        noticed[:] = never
    reason = np.where(~seen, None, np.where(card, "involuntary", "voluntary"))  # type: ignore[call-overload]
    return pd.DataFrame(
        {
            "customer_id": names.customer[who],
            "started_at": _times(_seconds(spells["start"].to_numpy())),
            "ended_at": _times(_seconds(ended)),
            "cancelled_at": _times(_seconds(noticed)),
            "end_reason": reason,
            "monthly_value": people.monthly_value[who],
            "plan": _pick([p[0] for p in PLANS], people.plan[who]),
            "region": _pick([r[0] for r in _REGIONS], people.region[who]),
            "acquisition_channel": _pick([s[0] for s in _SOURCES], people.source[who]),
        }
    )


# -- contacts -----------------------------------------------------------------------------


def _interactions(
    world: World, people: People, contacts: pd.DataFrame, names: _Names, days: int, texts: bool
) -> pd.DataFrame:
    who, place = contacts["who"].to_numpy(), contacts["touchpoint"].to_numpy()
    key, failed = contacts["key"].to_numpy(), contacts["failed"].to_numpy()
    second = contacts["second"].to_numpy()
    touchpoints = [t.name for t in world.touchpoints]
    spent = np.array([_SPENT.get(n, np.nan) for n in touchpoints])[place]
    value = spent * people.monthly_value[who] * np.exp(0.4 * normal(key, 40))
    buys = ~failed & ((uniform(key, 42) < 0.4) | (_pick(touchpoints, place) == "checkout"))
    return pd.DataFrame(
        {
            "interaction_id": names.contact[:-1],
            "customer_id": names.customer[who],
            "occurred_at": _times(second),
            "touchpoint": _pick(touchpoints, place),
            "channel": contacts["channel"].to_numpy(),
            "outcome": _pick(["ok", "failed"], failed.astype(np.int64)),
            **_service(touchpoints, place, key, failed, second, days),
            "journey_id": _journeys(contacts["journey"].to_numpy()),
            "value": np.where(buys, np.round(value, 2), np.nan),
            "text": _texts(world, place, key, failed, texts),
        }
    )


def _channels(world: World, contacts: pd.DataFrame) -> Any:
    """Give each contact one of its touchpoint's channels, the first most often."""
    place, key = contacts["touchpoint"].to_numpy(), contacts["key"].to_numpy()
    most = max(len(t.channels) for t in world.touchpoints)
    options = np.empty((len(world.touchpoints), most), dtype=object)
    sizes = np.array([len(t.channels) for t in world.touchpoints])
    for row, touchpoint in zip(options, world.touchpoints, strict=True):
        row[: len(touchpoint.channels)] = touchpoint.channels
    u = uniform(key, 30) ** 1.6
    return options[place, (u * sizes[place]).astype(np.int64)]


class Service(NamedTuple):
    """Times of contacts with the service desk.

    ``wait`` and ``handle`` are seconds (NaN elsewhere), ``seconds`` those from the contact
    to its solution (infinite: never), ``due`` those promised, and ``surprise`` how much
    longer the wait is than usual for its touchpoint and outcome, on the log scale.
    """

    wait: Floats
    handle: Floats
    seconds: Floats
    due: Floats
    surprise: Floats


def service_times(touchpoints: list[str], place: Ints, key: Keys, failed: Any) -> Service:
    """Give waits, handling and solution of contacts.

    Parameters
    ----------
    touchpoints : list of str
        All names.
    place : array of int
        Each contact's place among them.
    key : array of uint64
        Of the contacts.
    failed : array of bool
        Which failed.
    """
    table = np.array([_SERVICE.get(n, (np.nan,) * 3) for n in touchpoints])[place]
    served = np.isfinite(table[:, 0])
    surprise = np.where(served, 0.7 * normal(key, 31), 0.0)
    wait = np.round(table[:, 0] * np.exp(surprise + 0.6 * failed))
    handle = np.round(table[:, 1] * np.exp(0.5 * normal(key, 33) + 0.2 * failed))
    rest = table[:, 2] * 0.25 * np.exp(0.9 * normal(key, 35) + 0.9 * failed)
    once = uniform(key, 37) < np.where(failed, 0.1, 0.6)
    unsolved = failed & (uniform(key, 38) < 0.35)
    took = np.floor(wait + handle + np.where(once, 0.0, rest))
    seconds = np.where(served & ~unsolved, took, np.inf)
    return Service(wait, handle, seconds, table[:, 2], surprise)


def _service(
    touchpoints: list[str], place: Ints, key: Keys, failed: Any, second: Ints, days: int
) -> dict[str, Any]:
    """Waits, handling and solution of contacts with the service desk; null elsewhere."""
    times = service_times(touchpoints, place, key, failed)
    solved = np.where(second + times.seconds < days * DAY, second + times.seconds, np.inf)
    return {
        "response_seconds": times.wait,
        "handle_seconds": times.handle,
        "resolved_at": _times(_whole(solved)),
        "due_at": _times(_whole(second + times.due)),
    }


def _journeys(root: Keys) -> Any:
    """Number the journeys of two contacts and more in the order they begin."""
    ids, first, inverse, sizes = np.unique(
        root, return_index=True, return_inverse=True, return_counts=True
    )
    real = (ids != 0) & (sizes > 1)
    order = np.flatnonzero(real)[np.argsort(first[real])]
    labels = np.full(len(ids), None, dtype=object)
    labels[order] = [f"j{i:06d}" for i in range(1, len(order) + 1)]
    return labels[inverse]


def _texts(world: World, place: Ints, key: Keys, failed: Any, texts: bool) -> Any:
    """Write a note on about a tenth of the contacts of the service stages."""
    noted = np.array([t.stage in ("support", "exit") for t in world.touchpoints])[place]
    rows = np.flatnonzero(noted & (uniform(key, 39) < _TEXT_SHARE) & texts)
    return _say(world, place, key, failed, rows)


def _say(world: World, place: Ints, key: Keys, failed: Any, rows: Ints) -> Any:
    """Put words to the given rows, in the theme of their touchpoint."""
    themes = [t.theme for t in world.touchpoints]
    mixed = uniform(key, 43) < 0.15
    texts = np.full(len(place), None, dtype=object)
    for row in rows:
        tone = "mixed" if mixed[row] else ("bad" if failed[row] else "good")
        texts[row] = sentence(themes[place[row]], tone, int(key[row]))
    return texts


# -- answers ------------------------------------------------------------------------------


@dataclass
class _Survey:
    """Who was asked what, who answered, and what they said."""

    world: World
    people: People
    contacts: pd.DataFrame
    spells: pd.DataFrame
    history: History
    days: int
    texts: bool

    def __post_init__(self) -> None:
        ends = np.full((int(self.spells["spell"].max()) + 1, len(self.people.risk)), np.inf)
        ends[self.spells["spell"], self.spells["who"]] = self.spells["gone"]
        self.ends = ends
        plans = np.array([_SILENT_PLANS[p[0]] for p in PLANS])[self.people.plan]
        # log odds of an answer that belong to the customer
        self.habit = self.world.answering + self.world.silence * plans

    def rows(self) -> pd.DataFrame:
        """Give every question, answered or not, in the order of asking."""
        rows = pd.concat([*self._contact_rows(), self._nps_rows(), self._exit_rows()])
        return rows.sort_values(["asked", "key", "metric"], ignore_index=True)

    def table(self, rows: pd.DataFrame, names: _Names) -> pd.DataFrame:
        """Give the feedback table."""
        answered = rows["answered"].to_numpy() != _NEVER
        replies = np.full(len(rows), -1)
        replies[answered], given = pd.factorize(rows["key"].to_numpy()[answered])
        ids = np.array([*(f"r{i:06d}" for i in range(1, len(given) + 1)), None], dtype=object)
        touchpoints = [*(t.name for t in self.world.touchpoints), None]
        return pd.DataFrame(
            {
                "customer_id": names.customer[rows["who"].to_numpy()],
                "asked_at": _times(rows["asked"].to_numpy()),
                "responded_at": _times(rows["answered"].to_numpy()),
                "metric": rows["metric"].to_numpy(),
                "score": np.where(answered, rows["score"].to_numpy(), np.nan),
                "touchpoint": np.array(touchpoints, dtype=object)[rows["place"].to_numpy()],
                "interaction_id": names.contact[rows["contact"].to_numpy()],
                "comment": rows["comment"].to_numpy(),
                "response_id": ids[replies],
            }
        )

    def _rows(
        self,
        metric: str,
        who: Ints,
        asked: Ints,
        until: Floats,
        key: Keys,
        score: Floats,
        odds: Floats,
    ) -> pd.DataFrame:
        """Rows of one metric; an answer that would come after ``until`` (days) never does."""
        wait = (600.0 + 2.0 * DAY * uniform(key, 52) ** 3).astype(np.int64)
        limit = np.minimum(until, self.days) * DAY
        chance = logistic(odds + self.habit[who])
        replies = (uniform(key, 53) < chance) & (asked + wait < limit)
        return pd.DataFrame(
            {
                "metric": metric,
                "who": who,
                "asked": asked,
                "answered": np.where(replies, asked + wait, _NEVER),
                "key": key,
                "score": score,
                "chance": chance,
                "place": -1,
                "contact": -1,
                "comment": None,
            }
        )

    def _mood(self, who: Ints, leaving: Any) -> Floats:
        mood: Floats = self.people.mood[who] - self.world.souring * leaving
        return mood

    def _contact_rows(self) -> list[pd.DataFrame]:
        """CSAT after a share of the contacts, and CES with it where effort matters."""
        points = self.world.touchpoints
        surveyed = np.array([t.name not in _UNASKED for t in points])
        c = self.contacts
        until = self.ends[c["spell"], c["who"]]
        key = c["key"].to_numpy()
        asked = c["second"].to_numpy() + (900.0 + 0.9 * DAY * uniform(key, 50) ** 2).astype(
            np.int64
        )
        chosen = surveyed[c["touchpoint"]] & (uniform(key, 51) < self.world.asked_share)
        chosen &= asked < np.minimum(until, self.days) * DAY
        c, asked, until = c[chosen], asked[chosen], until[chosen]
        who, key, place = (c[n].to_numpy() for n in ("who", "key", "touchpoint"))
        failed, mood = c["failed"].to_numpy(), self._mood(who, c["leaving"].to_numpy())
        good, bad, by_mood, rest = _CES
        ces = np.where(failed, bad, good) + by_mood * mood + rest * normal(key, 56)
        odds = -0.45 - 0.7 * (1.0 + self.world.silence) * failed + 0.35 * mood
        csat = _contact_scores(key, failed, mood).score
        csat_rows = self._rows("csat", who, asked, until, key, csat, odds)
        told = (csat_rows["answered"].to_numpy() != _NEVER) & (uniform(key, 58) < 0.35)
        rows = np.flatnonzero(told & self.texts)
        csat_rows["comment"] = _say(self.world, place, key, failed, rows)
        ces_rows = self._rows("ces", who, asked, until, key, _score(ces, 1, 7).score, odds)
        for rows in (csat_rows, ces_rows):
            rows["place"], rows["contact"] = place, c["row"].to_numpy()
        effort = np.array([t.stage in _EFFORT for t in points])[place]
        return [csat_rows, ces_rows[effort]]

    def _nps_rows(self) -> pd.DataFrame:
        """The quarterly survey: lower after what raises the hazard, and less often answered."""
        a = self.history.asked
        who, asked, load = (a[n].to_numpy() for n in ("who", "second", "load"))
        key = keys(self.history.root, who, asked)
        nps = relationship_scores(key, self._mood(who, a["leaving"].to_numpy()), load)
        odds = -0.6 + 0.14 * (nps.latent - 7.0)
        odds += self.world.silence * (0.1 * (nps.latent - 7.0) - 0.8 * np.clip(load, 0.0, 3.0))
        rows = self._rows("nps", who, asked, self.ends[a["spell"], who], key, nps.score, odds)
        return self._comment(rows, nps.latent, 0.3, 90)

    def _exit_rows(self) -> pd.DataFrame:
        """The exit survey, sent to a share of those who left of their own will."""
        left = self.spells[(self.spells["gone"] < self.days - 4) & ~self.spells["involuntary"]]
        who = left["who"].to_numpy()
        key = keys(self.history.root, who, left["spell"].to_numpy(), np.full(len(who), 2_000_000))
        asked = _seconds(left["gone"].to_numpy() + 1.0 + 2.0 * uniform(key, 50))
        chosen = uniform(key, 51) < _EXIT_ASKED
        who, key, asked = who[chosen], key[chosen], asked[chosen]
        nps = _score(3.2 + 1.2 * self.people.mood[who] + 2.0 * normal(key, 54), 0, 10)
        until, odds = np.full(len(who), np.inf), np.full(len(who), -0.2)
        rows = self._rows("nps", who, asked, until, key, nps.score, odds)
        return self._comment(rows, nps.latent, 0.8, 120)

    def _comment(self, rows: pd.DataFrame, nps: Floats, share: float, within: int) -> pd.DataFrame:
        """Put words to a share of the answers, about what failed in so many days."""
        if self.texts:
            key = rows["key"].to_numpy()
            told = (rows["answered"].to_numpy() != _NEVER) & (uniform(key, 58) < share)
            rows["comment"] = _opinions(key, nps, self._themes(rows, within), told)
        return rows

    def _themes(self, rows: pd.DataFrame, within: int) -> Any:
        """What each row would be about: the last failure in so many days, else anything."""
        failed = self.contacts.loc[self.contacts["failed"], ["who", "second", "touchpoint"]]
        wanted = rows[["who", "asked"]].assign(row=np.arange(len(rows)))
        found = pd.merge_asof(
            wanted.sort_values("asked", kind="stable"),
            failed.sort_values("second", kind="stable"),
            left_on="asked",
            right_on="second",
            by="who",
            tolerance=within * DAY,
        ).sort_values("row")
        last = found["touchpoint"].fillna(-1).to_numpy().astype(np.int64)
        anything = (uniform(rows["key"].to_numpy(), 59) * len(THEMES)).astype(np.int64)
        theirs = np.array([*(t.theme for t in self.world.touchpoints), ""], dtype=object)[last]
        return np.where(last < 0, np.array(list(THEMES), dtype=object)[anything], theirs)


def _opinions(key: Keys, nps: Floats, theme: Any, told: Any) -> Any:
    """Put words to the rows told: the theme's, in the tone of the score."""
    texts = np.full(len(key), None, dtype=object)
    for row in np.flatnonzero(told):
        tone = "bad" if nps[row] < 5.5 else ("mixed" if nps[row] < 8.0 else "good")
        texts[row] = sentence(str(theme[row]), tone, int(key[row]))
    return texts
