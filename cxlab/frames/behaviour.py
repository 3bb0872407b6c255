"""What customers did in a window of time: one row a customer, ready to be compared.

All customers of a window were there through the whole of it, so that neither tenure nor leaving
makes differences; who is followed afterwards is followed from its end on. Each behaviour is a
ratio of two sums, of the whole window and of its even and its odd weeks apart: what is the same
in both is the customer's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import PRIME, how_many
from cxlab.frames.experience import Places, places
from cxlab.frames.exposures import Contacts, contacts
from cxlab.frames.journeys import spans
from cxlab.frames.periods import RiskSet, attribute

__all__ = ["Behaviour", "Feature", "behaviour", "first_contacts", "known_features", "since"]

Frame = nw.LazyFrame[Any]

_AGAIN_DAYS = 7.0
_LEAST_SHARE, _MOST_CHANNELS, _MOST_STAGES = 0.03, 6, 8
# Where sums of reals are made in any order, their last digits differ: whole numbers do not.
_FINE = 1000.0
_TO_MONDAY, _WEEKEND, _EARLY, _LATE = 3, 5, 8.0 / 24, 18.0 / 24
_KEPT = ("channel", "journey_id", "response_seconds", "value")
_EXIT = "exit"


@dataclass(frozen=True)
class Feature:
    """A behaviour.

    Parameters
    ----------
    key : str
        Its name in a rule: family and what is counted, such as ``channel: phone``.
    kind : {"count", "share", "mean", "amount"}
        What the ratio of its sums is.
    label : str
        What it is called.
    more, less : str
        What a customer with much, or little, of it is called; empty: nothing to say.
    pain : bool
        Whether much of it is a burden.
    """

    key: str
    kind: str
    label: str
    more: str
    less: str
    pain: bool = False

    @property
    def family(self) -> str:
        """What it belongs to, such as ``channel``."""
        return self.key.partition(": ")[0]

    @property
    def name(self) -> str:
        """What is counted, such as ``phone``."""
        return self.key.partition(": ")[2]

    @property
    def logged(self) -> bool:
        """Whether it is skewed, and compared on a logarithmic scale."""
        return self.kind in ("count", "amount")


@dataclass(frozen=True)
class Behaviour:
    """What customers did in a window.

    Parameters
    ----------
    start, end : float
        The window, in days; its end is not included.
    customers : pandas.DataFrame
        One row each, in order: ``spell, customer_id, until, left_at`` (days) and attributes.
    features : tuple of Feature
        The behaviours.
    num, den : ndarray, shape (customers, features)
        Their sums.
    halves : tuple of (ndarray, ndarray)
        The same of even and of odd weeks; NaN where a behaviour has no halves.
    contacts : ndarray, shape (customers,)
        How many contacts were seen.
    there, newcomers : int
        Customers there through the window, and those who began within it.
    left_out : dict
        Behaviour -> why it is not told.
    """

    start: float
    end: float
    customers: pd.DataFrame
    features: tuple[Feature, ...]
    num: np.ndarray
    den: np.ndarray
    halves: tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    contacts: np.ndarray
    there: int
    newcomers: int
    left_out: dict[str, str]

    def __len__(self) -> int:
        return len(self.customers)

    def where(self, kept: np.ndarray) -> Behaviour:
        """Keep some of the customers."""
        halves = tuple((n[kept], d[kept]) for n, d in self.halves)
        return Behaviour(
            self.start, self.end, self.customers[kept].reset_index(drop=True), self.features,
            self.num[kept], self.den[kept], (halves[0], halves[1]), self.contacts[kept],
            self.there, self.newcomers, self.left_out,
        )  # fmt: skip


def behaviour(
    risk: RiskSet,
    start: float,
    end: float,
    *,
    like: Sequence[str] = (),
    needs: pd.DataFrame | None = None,
    most: int = 100_000,
) -> Behaviour:
    """Sum up what each customer did in a window.

    Customers are those who were at risk when it began and when it ended. Whether a contact was
    bad counts as far as it was known by the end. Contacts of the stage ``exit`` do not count:
    they follow the decision to leave.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    start, end : float
        The window, in days.
    like : sequence of str
        Keys of features whose channels, stages and needs are wanted (default: the frequent
        ones).
    needs : pandas.DataFrame, optional
        ``customer_id, at`` (days) and ``theme``: what customers wrote about.
    most : int
        Of more customers so many are drawn, by their hash.
    """
    dataset = risk.dataset
    known, found = places(dataset), contacts(dataset, _kept(dataset))
    people, there, newcomers = _there(risk, start, end, most)
    customers: pd.DataFrame = people.sort("spell").collect(backend="pandas").to_native()
    rows = _rows(dataset, found, known, people.select("customer_id", "spell"), start, end)
    built = _Built(dataset, known, found, like)
    built.add(rows)
    parts = _summed(rows, built.sums, customers["spell"].to_numpy())
    built.without_hours(parts[0])
    values = [_ratios(part, built, customers) for part in parts]
    if needs is not None and len(needs):
        values = _with_needs(values, built, needs, customers, (start, end))
    features = tuple(built.features)
    seen = parts[0]["n"]
    return Behaviour(
        start, end, customers, features, *values[0], (values[1], values[2]), seen,
        there, newcomers, built.left_out,
    )  # fmt: skip


def known_features(keys: Sequence[str]) -> list[Feature]:
    """Give the features of some keys; those of no known family are left out.

    Parameters
    ----------
    keys : sequence of str
        As of :attr:`Feature.key`.
    """
    found = []
    for key in keys:
        family, _, name = key.partition(": ")
        if key in _FIXED:
            found.append(_FIXED[key])
        elif family in _WORDS:
            found.append(_named(family, name))
    return found


def since(start: float, day: float) -> str:
    """Write a window's bound as a date, such as ``2026-01-01``."""
    return str(np.datetime64("1970-01-01") + np.timedelta64(int(start + day), "D"))


def first_contacts(risk: RiskSet, people: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """Give each customer's first contact of a stretch of time, and what was known to fail in it.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    people : pandas.DataFrame
        ``spell, customer_id`` of those wanted, and ``until`` (days), to which they are followed.
    start, end : float
        The stretch, in days.

    Returns
    -------
    pandas.DataFrame
        ``spell, touchpoint`` (of the first contact), ``failed, judged`` (numbers of contacts),
        one row a customer with contacts.
    """
    dataset = risk.dataset
    found = contacts(dataset)
    wanted = dataset.attach(people[["spell", "customer_id", "until"]])
    frame = found.placed(dataset).filter((nw.col("at") >= start) & (nw.col("at") < end))
    frame = frame.join(wanted, on="customer_id", how="inner")
    frame = frame.filter(nw.col("at") < nw.col("until"))
    failed, judged = _judged(found, end)
    first = nw.col("at") == nw.col("at").min().over("spell")
    frame = frame.with_columns(
        failed=failed.cast(nw.Int64), judged=judged.cast(nw.Int64),
        place=nw.when(first).then(nw.col("touchpoint").cast(nw.Int64)),
    )  # fmt: skip
    frame = frame.group_by("spell").agg(
        place=nw.col("place").min(), failed=nw.col("failed").sum(), judged=nw.col("judged").sum()
    )
    table: pd.DataFrame = frame.sort("spell").collect(backend="pandas").to_native()
    names = np.array(found.touchpoints, dtype=object)
    table["touchpoint"] = names[table["place"].to_numpy(int)] if len(table) else []
    return table.drop(columns="place")


# -- who ---------------------------------------------------------------------------------------


def _there(risk: RiskSet, start: float, end: float, most: int) -> tuple[Frame, int, int]:
    """Give the spells that were there through a window, or a sample of them, and count them."""
    names = [attribute(a) for a in risk.dataset.attributes]
    paid = [c for c in ("monthly_value",) if c in risk.dataset.columns("customers")]
    frame = spans(risk, ["spell", "key", *paid, *names]).frame
    over = nw.col("until") > end if end < risk.end else nw.col("until") >= end
    frame = frame.filter(over & (nw.col("began") < end))
    whole = nw.col("began") <= start
    told = frame.select(there=how_many(whole), newer=how_many(~whole))
    there, newer = (int(v or 0) for v in told.collect(backend="pyarrow").row(0))
    frame = frame.filter(whole)
    if there > most:
        frame = frame.filter(nw.col("key") < int(most / there * PRIME))
    return frame.drop("key", "started", "began"), there, newer


# -- contacts ----------------------------------------------------------------------------------


def _kept(dataset: Dataset) -> list[str]:
    return [c for c in _KEPT if c in dataset.columns("interactions")]


def _judged(found: Contacts, end: float) -> tuple[nw.Expr, nw.Expr]:
    """Tell whether a contact was known to be bad, and whether it was judged at all."""
    bad = (nw.col("bad_from") < end).fill_null(False)
    if not found.classes:
        return nw.lit(False), nw.lit(False)
    if "unknown" in found.classes:
        return bad, bad | nw.col("unknown_until").is_null() | (nw.col("unknown_until") < end)
    return bad, nw.lit(True)


def _rows(
    dataset: Dataset, found: Contacts, known: Places, people: Frame, start: float, end: float
) -> Frame:
    """Give the contacts of a window with what is to be summed of them."""
    there = dataset.columns("interactions")
    early = start - _AGAIN_DAYS
    frame = found.placed(dataset).filter((nw.col("at") >= early) & (nw.col("at") < end))
    leaving = [t for t, s in enumerate(known.stage) if s < len(known.stages)
               and known.stages[s].casefold() == _EXIT]  # fmt: skip
    own = {t: i for i, t in enumerate(found.touchpoints)}
    leaving = [own[known.touchpoints[t]] for t in leaving if known.touchpoints[t] in own]
    if leaving:
        frame = frame.filter(~nw.col("touchpoint").is_in(leaving))
    frame = frame.join(people, on="customer_id", how="inner")
    bad, judged = _judged(found, end)
    at, order = nw.col("at"), ["at"]
    frame = frame.with_columns(
        bad=bad, judged=judged,
        before=at.shift(1).over("spell", "touchpoint", order_by=order),
        half=((at / 7.0).floor().cast(nw.Int64)) % 2,
        day=at.floor().cast(nw.Int64),
    )  # fmt: skip
    if {"journey_id", "channel"} <= set(there):
        # Contacts of one moment are in the same order every time.
        line = [*order, "touchpoint", "channel", "bad"]
        came = nw.col("channel").shift(1).over("spell", "journey_id", order_by=line)
        frame = frame.with_columns(came=nw.when(~nw.col("journey_id").is_null()).then(came))
    return frame.filter(at >= start)


class _Built:
    """Features and the sums that they are made of."""

    def __init__(
        self, dataset: Dataset, known: Places, found: Contacts, like: Sequence[str]
    ) -> None:
        self.dataset, self.known, self.found = dataset, known, found
        self.like = known_features(like)
        self.there = dataset.columns("interactions")
        self.features: list[Feature] = []
        self.pairs: list[tuple[str, str]] = []
        self.sums: dict[str, nw.Expr] = {"n": nw.lit(1)}
        self.left_out: dict[str, str] = {}

    def add(self, rows: Frame) -> None:
        """Choose features by what the data have."""
        self._feature("use: contacts", "n", "")
        self._feature("breadth: touchpoints", "touchpoints", "")
        self._mix(rows)
        self._effort()
        self._timing()
        self._worth()

    def _feature(self, key: str | Feature, num: str, den: str) -> None:
        self.features.append(key if isinstance(key, Feature) else _FIXED[key])
        self.pairs.append((num, den))

    def _mix(self, rows: Frame) -> None:
        """Add the shares of channels and of stages; of touchpoints, where there are no stages."""
        keys = ["touchpoint", *(c for c in ("channel",) if c in self.there)]
        met: pd.DataFrame = (
            rows.group_by(*keys).agg(n=nw.len()).collect(backend="pandas").to_native()
        )
        if "channel" in self.there:
            names = self._with_asked("channel", _frequent(met, "channel", _MOST_CHANNELS))
            self._shares("channel", {name: nw.col("channel") == name for name in names})
        else:
            self.left_out["channels"] = "the data name none"
        place = {t: i for i, t in enumerate(self.found.touchpoints)}
        if len(self.known.stages) > 1:
            held = self._staged(place)
            names = self._with_asked("stage", _frequent_stages(met, held))
            self._shares("stage", {s: nw.col("touchpoint").is_in(held.get(s, [])) for s in names})
            return
        many = [self.found.touchpoints[i] for i in _frequent(met, "touchpoint", _MOST_STAGES)]
        names = self._with_asked("touchpoint", many)
        told = {t: nw.col("touchpoint") == place.get(t, -1) for t in names}
        self._shares("touchpoint", told)

    def _staged(self, place: Mapping[str, int]) -> dict[str, list[int]]:
        """Give the touchpoints of each stage but the exit."""
        stages = self.known.stages
        held: dict[str, list[int]] = {s: [] for s in stages if s.casefold() != _EXIT}
        for t, s in zip(self.known.touchpoints, self.known.stage, strict=True):
            if s < len(stages) and stages[s] in held and t in place:
                held[stages[s]].append(place[t])
        return held

    def asked(self, family: str) -> list[str]:
        return [f.name for f in self.like if f.family == family]

    def _with_asked(self, family: str, names: Sequence[str]) -> list[str]:
        return list(dict.fromkeys([*self.asked(family), *names]))

    def _shares(self, family: str, told: Mapping[str, nw.Expr]) -> None:
        names, asked = list(told), self.asked(family)
        kept = names
        if len(names) <= 2:  # of two shares the second says what the first one does
            kept = asked or names[: len(names) - 1]
        for name in kept:
            column = f"{family} {names.index(name)}"
            self.sums[column] = _one(told[name])
            self._feature(_named(family, name), column, "n")

    def _effort(self) -> None:
        names = self.known.resolving or self.known.waiting
        places_ = [i for i, t in enumerate(self.found.touchpoints) if t in names]
        if places_:
            asks = nw.col("touchpoint").is_in(places_)
            soon = (nw.col("at") - nw.col("before") <= _AGAIN_DAYS).fill_null(False)
            self.sums |= {"asks": _one(asks), "again": _one(asks & soon)}
            self._feature("effort: repeats", "again", "asks")
        else:
            self.left_out["repeats"] = "no touchpoint resolves contacts or has response times"
        if {"journey_id", "channel"} <= set(self.there):
            follows = ~nw.col("came").is_null() & ~nw.col("channel").is_null()
            other = (nw.col("came") != nw.col("channel")).fill_null(False)
            self.sums |= {"follows": _one(follows), "handed": _one(follows & other)}
            self._feature("effort: handoffs", "handed", "follows")
        else:
            self.left_out["handoffs"] = "no journeys, or no channels, are given"
        if "response_seconds" in self.there:
            given = ~nw.col("response_seconds").is_null()
            wait = (nw.max_horizontal(nw.col("response_seconds"), nw.lit(0)) + 1.0).log()
            fine = (nw.when(given).then(wait * _FINE)).round().cast(nw.Int64)
            self.sums |= {"waited": _one(given), "wait": fine.fill_null(0)}
            self._feature("effort: waits", "wait", "waited")
        else:
            self.left_out["waits"] = "no response times are given"
        if self.found.classes:
            self.sums |= {"judged": _one(nw.col("judged")), "bad": _one(nw.col("bad"))}
            self._feature("failures: failed", "bad", "judged")
        else:
            self.left_out["failures"] = self.found.text

    def _timing(self) -> None:
        time = nw.col("at") - nw.col("day")
        weekend = (nw.col("day") + _TO_MONDAY) % 7 >= _WEEKEND
        self.sums |= {"weekend": _one(weekend), "timed": _one(time > 0),
                      "late": _one((time < _EARLY) | (time >= _LATE))}  # fmt: skip
        self._feature("timing: weekend", "weekend", "n")
        self._feature("timing: before 8 or after 18", "late", "n")

    def without_hours(self, part: Mapping[str, np.ndarray]) -> None:
        """Leave the hours out where all contacts are dated by whole days."""
        if part["timed"].sum() == 0:
            place = self.pairs.index(("late", "n"))
            del self.pairs[place], self.features[place]
            self.left_out["hours"] = "contacts have no time of day"

    def _worth(self) -> None:
        if "value" in self.there:
            cents = (nw.max_horizontal(nw.col("value"), nw.lit(0)) * _FINE).round()
            self.sums["bought"] = cents.cast(nw.Int64).fill_null(0)
            self._feature("value: bought", "bought", "")
        if "monthly_value" in self.dataset.columns("customers"):
            self._feature("value: monthly value", "monthly_value", "")


def _frequent(met: pd.DataFrame, column: str, most: int) -> list[Any]:
    """Name the values that a fair share of the contacts have."""
    count = met.groupby(column, sort=True)["n"].sum()
    count = count[count >= _LEAST_SHARE * count.sum()]
    return sorted(count.sort_values(ascending=False, kind="stable").index[:most].tolist())


def _frequent_stages(met: pd.DataFrame, held: Mapping[str, list[int]]) -> list[str]:
    """Name the stages that a fair share of the contacts have, in the order of the journey."""
    by_place = met.groupby("touchpoint")["n"].sum()
    count = {s: int(by_place.reindex(ts).fillna(0).sum()) for s, ts in held.items()}
    least = _LEAST_SHARE * sum(count.values())
    return [s for s, n in count.items() if n > 0 and n >= least][:_MOST_STAGES]


def _one(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0))


# -- sums --------------------------------------------------------------------------------------


def _summed(
    rows: Frame, sums: Mapping[str, nw.Expr], spells: np.ndarray
) -> tuple[dict[str, np.ndarray], ...]:
    """Sum over each customer's contacts: of the window, of even and of odd weeks; 0 of none."""
    columns = {f"sum {c}": v.cast(nw.Int64) for c, v in sums.items()}
    distinct = {"touchpoints": nw.col("touchpoint").n_unique()}
    rows = rows.with_columns(**columns)
    apart = rows.group_by("spell", "half").agg(*[nw.col(c).sum() for c in columns], **distinct)
    together = rows.group_by("spell").agg(**distinct).collect(backend="pandas").to_native()
    halves: pd.DataFrame = apart.collect(backend="pandas").to_native()
    names = [*columns, "touchpoints"]
    each = [
        halves[halves["half"] == half].set_index("spell")[names].reindex(spells).fillna(0.0)
        for half in (0, 1)
    ]
    whole = each[0] + each[1]
    whole["touchpoints"] = together.set_index("spell")["touchpoints"].reindex(spells).fillna(0.0)
    return tuple(
        {c.removeprefix("sum "): table[c].to_numpy(float) for c in names}
        for table in (whole, *each)
    )


def _ratios(
    part: Mapping[str, np.ndarray], built: _Built, customers: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    num, den = [], []
    fine = ("wait", "bought")
    for top, bottom in built.pairs:
        if top == "monthly_value":
            paid = customers["monthly_value"].to_numpy(float)
            num.append(np.nan_to_num(paid))
            den.append((~np.isnan(paid)).astype(float))
            continue
        num.append(part[top] / _FINE if top in fine else part[top])
        den.append(part[bottom] if bottom else np.ones(len(customers)))
    return np.column_stack(num), np.column_stack(den)


def _with_needs(
    values: list[tuple[np.ndarray, np.ndarray]], built: _Built, needs: pd.DataFrame,
    customers: pd.DataFrame, window: tuple[float, float],
) -> list[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Add the shares of themes among what customers wrote in the window."""
    inside = needs[(needs["at"] >= window[0]) & (needs["at"] < window[1])]
    place = pd.Series(np.arange(len(customers)), index=customers["customer_id"])
    place = place[~place.index.duplicated()]
    inside = inside[inside["customer_id"].isin(place.index)]
    count = inside["theme"].value_counts()
    often = sorted(count[count >= _LEAST_SHARE * count.sum()].index)
    names = list(dict.fromkeys([*built.asked("need"), *often]))
    row = place.reindex(inside["customer_id"]).to_numpy(int)
    half = np.floor(inside["at"].to_numpy(float) / 7.0).astype(int) % 2
    made = []
    for which, (num, den) in zip((None, 0, 1), values, strict=True):
        kept = np.ones(len(row), dtype=bool) if which is None else half == which
        wrote = np.bincount(row[kept], minlength=len(customers)).astype(float)
        of = [np.bincount(row[kept & (inside["theme"] == t).to_numpy()], minlength=len(customers))
              for t in names]  # fmt: skip
        tops = [num, *(o.astype(float)[:, None] for o in of)]
        made.append((np.hstack(tops), np.hstack([den, *([wrote[:, None]] * len(names))])))
    built.features += [_named("need", str(t)) for t in names]
    return made


# -- their words -------------------------------------------------------------------------------


_WORDS = {
    "channel": ("contacts by {}", "often by {}", "seldom by {}"),
    "stage": ("contacts of the stage {}", "much {}", "little {}"),
    "touchpoint": ("contacts at {}", "often {}", "seldom {}"),
    "need": ("comments about {}", "write about {}", ""),
}


def _named(family: str, name: str) -> Feature:
    # Names out of data may hold braces.
    label, more, less = (w.replace("{}", name) for w in _WORDS[family])
    return Feature(f"{family}: {name}", "share", label, more, less)


_FIXED = {
    f.key: f
    for f in (
        Feature("use: contacts", "count", "contacts", "many contacts", "few contacts"),
        Feature("breadth: touchpoints", "count", "different touchpoints", "many touchpoints",
                "few touchpoints"),
        Feature("effort: repeats", "share", "requests for help made again within 7 days",
                "ask again", "seldom ask again", True),
        Feature("effort: handoffs", "share", "steps of a journey by another channel",
                "handed on", "seldom handed on", True),
        Feature("effort: waits", "mean", "wait for a first response", "long waits", "short waits",
                True),
        Feature("failures: failed", "share", "contacts that failed", "many failures",
                "few failures", True),
        Feature("timing: weekend", "share", "contacts at weekends", "at weekends",
                "on working days"),
        Feature("timing: before 8 or after 18", "share", "contacts before 8 or after 18",
                "outside office hours", "in office hours"),
        Feature("value: bought", "amount", "bought", "buy much", "buy little"),
        Feature("value: monthly value", "amount", "monthly value", "pay much", "pay little"),
    )
}  # fmt: skip
